"""A test of the assumption that every measurement basis measures the same state."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..._support.validation import fresh_seed, probability, whole_number
from ...exceptions import CountsError
from ...targets.counts import BellCounts, require_counts
from ...targets.scenario import BellScenario
from ...verification.evidence import Evidence, readable
from ...verification.result import Verification
from ...verification.verdict import Verdict
from ..signaling.no_signaling_tests import no_signaling_test

__all__ = ["SameStateTest", "same_state_test"]

# The test of five qubits together takes a minute, that of six gigabytes.
_MAX_TOGETHER = 4
# What another machine's rounding may change in a p-value.
_P_VALUE_RTOL = 1e-6


@dataclass(frozen=True, eq=False, repr=False)
class SameStateTest(Evidence):
    """Whether counts in all bases may come from one state: the others' basis must not change a qubit's outcomes.

    References:
        R. A. Fisher, J. R. Stat. Soc. 98, 39 (1935) (exact comparison of marginals); S. Holm, Scand. J. Statist. 6, 65
        (1979).

    Examples:
        Counts of all Pauli bases, where a crosstalk fixes X of the first qubit whenever Z is measured on the second:

        >>> from qiskit_lhv import analyze, Behavior, estimate_tensor, werner_state
        >>> axes = [(1, 0, 0), (0, 1, 0), (0, 0, 1)]
        >>> table = Behavior.from_state(werner_state(0.5), [axes, axes]).array.copy()
        >>> table[0, 2] = [[0.5, 0.5], [0, 0]]
        >>> report = analyze(estimate_tensor(Behavior(table).sample(100, seed=1)), seed=1)
        >>> print(report.verdict)
        SIGNALING
        >>> print(report.evidence[0])
        no-signaling of the bases: p = 1.42e-17, not the same state in every basis (level 0.01)
    """

    counts: BellCounts
    """All counts."""
    p_value: float
    """P-value of the no-signaling test."""
    level: float
    """A p-value of at most this level refutes that there is one state."""
    seed: int
    """Seed of the random tables that exact p-values are compared with."""

    @property
    def refuted(self) -> bool:
        """Whether the counts contradict that there is one state."""
        return self.p_value <= self.level

    @property
    def shows(self) -> Verdict | None:
        """``Verdict.SIGNALING`` if the counts contradict that there is one state, else ``None``."""
        return Verdict.SIGNALING if readable(lambda: self.refuted, False) else None

    def __str__(self) -> str:
        relation = "not the same state in every basis" if self.refuted else "nothing speaks against one state"
        return f"no-signaling of the bases: p = {self.p_value:.3g}, {relation} (level {self.level:g})"

    def verify(self) -> Verification:
        """Runs the test again, with its seed, and compares the p-value."""
        level = probability(self.level, "level", CountsError, open_interval=True)
        claimed = probability(self.p_value, "p_value", CountsError)
        again = same_state_test(self.counts, level, self.seed)
        same = math.isclose(again.p_value, claimed, rel_tol=_P_VALUE_RTOL) and again.refuted == self.refuted
        reason = f"the no-signaling test gives p = {again.p_value:.3g}, the claim is {claimed:.3g}"
        return Verification(same, reason, abs(again.p_value - claimed))


def same_state_test(counts: BellCounts, level: float = 0.01, seed: int | None = None) -> SameStateTest:
    """Tests whether all bases measure the same state, by the no-signaling test of the counts.

    The test is made for every two, three and four qubits, with the shots of all bases of the other qubits together, and
    with Bonferroni's correction. In a test of all qubits at once, crosstalk between two of them would be spread over
    many bases of the others.

    Args:
        counts: Counts of all combinations of settings.
        level: A p-value of at most this level refutes that there is one state.
        seed: Seed of the random tables; ``None`` draws a fresh one. The result records it.

    Raises:
        CountsError: If the level is not between 0 and 1.
    """
    counts = require_counts(counts)
    level = probability(level, "signaling_level", CountsError, open_interval=True)
    seed = fresh_seed() if seed is None else whole_number(seed, "seed", CountsError, minimum=0)
    p_values = [float(no_signaling_test(part, seed=seed).p_value) for part in _parts(counts)]
    return SameStateTest(counts, min(1.0, len(p_values) * min(p_values)), level, seed)


def _parts(counts: BellCounts) -> Iterator[BellCounts]:
    n = counts.scenario.num_parties
    for size in range(min(n, 2), min(n, _MAX_TOGETHER) + 1):
        for kept in itertools.combinations(range(n), size):
            rest = [k for k in range(n) if k not in kept]
            table: NDArray[np.int64] = counts.array.sum(axis=(*rest, *(n + k for k in rest)))
            own = counts.scenario
            scenario = BellScenario([own.num_settings[k] for k in kept], [own.num_outcomes[k] for k in kept])
            yield BellCounts(table, scenario=scenario)
