"""Tests of no-signaling, and whether signaling may explain a Bell violation."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .._records import Record
from .._validation import probability
from ..exceptions import CountsError
from ..targets.counts import BellCounts

__all__ = [
    "MarginalComparison",
    "SignalingAllowance",
    "SignalingTest",
    "check_kappa",
    "chsh_forms",
    "chsh_signaling_allowance",
    "no_signaling_test",
]

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class MarginalComparison(Record):
    """Whether one party's setting changes the outcomes of the others, at fixed settings of the others."""

    sender: int
    """Party whose setting is varied."""
    settings: tuple[int | None, ...]
    """Settings of the other parties; ``None`` for the sender."""
    largest_shift: float
    """Largest change of a joint probability of the others' outcomes."""
    statistic: float
    """Pearson's chi-square for homogeneity; for two settings and two outcomes the square of z."""
    degrees_of_freedom: int
    """Its degrees of freedom."""
    p_value: float
    """Its asymptotic p-value."""
    adjusted_p_value: float
    """The p-value after Holm's correction for all comparisons."""


@dataclass(frozen=True, eq=False, repr=False)
class SignalingTest(Record):
    """Comparisons of all marginals that no-signaling forces to agree."""

    comparisons: tuple[MarginalComparison, ...]
    """One for each party and settings of the others."""
    p_value: float
    """Smallest p-value after Holm's correction."""

    @property
    def largest_shift(self) -> float:
        """Largest change of any joint probability."""
        return max((one.largest_shift for one in self.comparisons), default=0.0)

    def __str__(self) -> str:
        return f"no-signaling: p = {self.p_value:.3g}, largest shift of a marginal {self.largest_shift:.3g}"


def no_signaling_test(counts: BellCounts) -> SignalingTest:
    """Tests whether any party's setting changes the outcomes of the others.

    For every party and all settings of the others, the others' joint outcomes are compared between
    that party's settings (chi-square test of homogeneity), with Holm's correction. The p-values are
    asymptotic: with few shots a cell they are approximate.

    Args:
        counts: The counts.

    References:
        S. Holm, Scand. J. Statist. 6, 65 (1979); arXiv:2503.18949 (signaling on devices).
    """
    from scipy.special import chdtrc

    n = counts.scenario.num_parties
    found: list[tuple[int, tuple[int | None, ...], float, float, int, float]] = []
    for k in range(n):
        if n == 1 or counts.scenario.num_settings[k] == 1:
            continue
        # Settings of the others first, then the sender's setting, then the others' outcomes.
        marginal = np.moveaxis(counts.array.sum(axis=n + k), k, n - 1)
        for others in np.ndindex(marginal.shape[: n - 1]):
            table = marginal[others].reshape(marginal.shape[n - 1], -1)
            statistic, dof, shift = _homogeneity(table)
            settings: list[int | None] = list(others)
            settings.insert(k, None)
            p = float(chdtrc(dof, statistic)) if dof else 1.0
            found.append((k, tuple(settings), shift, statistic, dof, p))
    adjusted = _holm([entry[-1] for entry in found])
    comparisons = tuple(MarginalComparison(*entry, a) for entry, a in zip(found, adjusted, strict=True))
    return SignalingTest(comparisons, min(adjusted, default=1.0))


def _homogeneity(table: NDArray[np.int64]) -> tuple[float, int, float]:
    """Chi-square, degrees of freedom and largest shift of the rows' distributions."""
    rows = table.sum(axis=1, keepdims=True)
    shift = float(np.ptp(table / rows, axis=0).max())
    seen = table[:, table.sum(axis=0) > 0]
    expected = rows * seen.sum(axis=0) / rows.sum()
    return float(((seen - expected) ** 2 / expected).sum()), (len(seen) - 1) * (seen.shape[1] - 1), shift


def _holm(p_values: list[float]) -> list[float]:
    order = sorted(range(len(p_values)), key=lambda i: p_values[i])
    adjusted, running = [0.0] * len(p_values), 0.0
    for rank, i in enumerate(order):
        running = max(running, min(1.0, (len(p_values) - rank) * p_values[i]))
        adjusted[i] = running
    return adjusted


@dataclass(frozen=True, eq=False, repr=False)
class SignalingAllowance(Record):
    """Whether a CHSH violation exceeds what signaling of the size seen can explain."""

    s_lower: float
    """Lower confidence limit of S, the largest of its eight forms."""
    shift_upper: float
    """Upper confidence limit of the summed shifts of the four marginal expectation values."""
    kappa: float
    """Assumed largest ratio of the signaling there is to the part that marginals show."""
    alpha: float
    """Both limits hold together with confidence 1 - alpha."""

    @property
    def limit(self) -> float:
        """The largest S that signaling explains, ``2 + kappa * shift_upper``."""
        return 2 + self.kappa * self.shift_upper

    @property
    def exceeded(self) -> bool:
        """Whether S exceeds what signaling explains."""
        return self.s_lower > self.limit

    def __str__(self) -> str:
        relation = "above" if self.exceeded else "not above"
        return f"S > {self.s_lower:.4f}, {relation} the {self.limit:.4f} that signaling may explain"


def chsh_forms(correlators: FloatArray) -> FloatArray:
    """The eight CHSH values of a 2 x 2 table of correlators, shape ``(2, 2, 2)``: minus sign at x, y; sign."""
    total = correlators.sum() - 2 * correlators
    return np.stack([total, -total], axis=-1)


def chsh_signaling_allowance(counts: BellCounts, *, alpha: float = 0.01, kappa: float = 5.0) -> SignalingAllowance:
    """Compares a CHSH value with what the signaling in the same counts may explain.

    A model in which marginals shift by D (summed over the four marginal expectation values) and the
    hidden influence is no larger than what marginals show reaches at most S = 2 + D (kappa = 1).
    Part of a crosstalk can hide from the marginals, so kappa is an assumption about the device. Both
    confidence limits follow from Hoeffding's inequality for independent trials.

    Args:
        counts: Counts of two parties with two settings of two outcomes.
        alpha: Error probability of both limits together.
        kappa: Assumed largest ratio of hidden influence to the part that marginals show, at least 1.

    Raises:
        CountsError: If the scenario is another one or kappa is below 1.

    References:
        arXiv:1412.4724 (kappa = 1: contextuality by default for cyclic systems).
    """
    alpha = probability(alpha, "alpha", CountsError, open_interval=True)
    check_kappa(kappa)
    if not counts.scenario.is_chsh:
        raise CountsError.bad_argument("counts", expected="the CHSH scenario", got=str(counts.scenario))
    p = counts.frequencies().array
    sign = np.array([1.0, -1.0])
    correlators = np.einsum("xyab,a,b->xy", p, sign, sign)
    first = np.einsum("xyab,a->xy", p, sign)
    second = np.einsum("xyab,b->xy", p, sign)
    inverse = float((1 / counts.num_shots).sum())
    # Hoeffding: a trial moves S by at most 2/n and the sum of shifts by at most 4/n; the union covers the
    # eight forms of S and the sixteen sign patterns of the shifts.
    s_error = math.sqrt(2 * inverse * math.log(16 / alpha))
    shift_error = math.sqrt(8 * inverse * math.log(32 / alpha))
    shifts = np.abs(np.diff(first, axis=1)).sum() + np.abs(np.diff(second, axis=0)).sum()
    return SignalingAllowance(
        float(chsh_forms(correlators).max()) - s_error, float(shifts) + shift_error, float(kappa), alpha
    )


def check_kappa(kappa: float) -> None:
    """Raises CountsError unless kappa is a finite number of at least 1."""
    if isinstance(kappa, bool) or not isinstance(kappa, int | float) or not 1 <= kappa < math.inf:
        raise CountsError.bad_argument(
            "kappa",
            expected="a number of at least 1",
            got=repr(kappa),
            remedy="1 assumes that marginals show all the signaling there is.",
        )
