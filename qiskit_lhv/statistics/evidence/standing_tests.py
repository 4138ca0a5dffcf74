"""The largest predictability of the settings with which a result stands, and the test there as evidence."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from ...exceptions import CountsError
from ...verification.evidence import Evidence
from ...verification.result import Verification, combine
from ..assumptions.setting_choice import standing_predictability
from .combined_e_values import CombinedEValue
from .combined_tests import CombinedTest
from .e_values import EValue
from .games import GameTest

__all__ = ["StandingTest", "TestResult", "predictabilities", "standing_test"]

TestResult = EValue | CombinedEValue | GameTest | CombinedTest


@dataclass(frozen=True, eq=False, repr=False)
class StandingTest(Evidence):
    """The declared test for settings that are more predictable than declared: evidence that its result stands.

    References:
        Hensen et al., Nature 526, 682 (2015) (predictability of the settings).

    Examples:
        Settings (1, 1) came too often for settings that are declared equally likely. The report says up to which
        predictability the violation stands all the same:

        >>> import numpy as np
        >>> from qiskit_lhv import analyze, Behavior, BellCounts, CountsOptions, ghz_state
        >>> shots = Behavior.from_state(ghz_state(2), "chsh").sample([[500, 500], [500, 600]], seed=1)
        >>> counts = BellCounts(shots.array, "random", np.full((2, 2), 0.25))
        >>> report = analyze(counts, CountsOptions(test="game", num_replicates=0), seed=1)
        >>> standing = next(piece for piece in report.evidence if isinstance(piece, StandingTest))
        >>> print(f"{report.verdict}, up to a predictability of {standing.predictability:.3f}")
        NONLOCAL, up to a predictability of 0.086
    """

    predictability: float
    """How far the probability of a party's setting, given everything before, may be from the one declared."""
    result: TestResult
    """The declared test with this predictability."""
    given_settings: TestResult | None = None
    """For a table, the declared test given how often each setting came, if that is another test. It is valid whatever
    the probabilities of the settings were, if settings do not depend on the hidden variable and shots are independent.
    """

    def __str__(self) -> str:
        text = f"with a predictability of {self.predictability:.4g} the test gives {self.result}"
        return text if self.given_settings is None else f"{text}; given the settings, {self.given_settings}"

    def verify(self, *, prove_bound: bool | None = None) -> Verification:
        """Re-checks the test, and that it has the predictability stated.

        Args:
            prove_bound: Whether to prove local bounds again; see ``BellInequality.verify``.
        """
        values = predictabilities(self.result)
        same = bool(values) and all(value == self.predictability for value in values)
        words = "the test has the predictability stated" if same else "the test has another predictability"
        results = [self.result] if self.given_settings is None else [self.result, self.given_settings]
        checks = [result.verify(prove_bound=prove_bound) for result in results]
        return combine(Verification(same, words, 0.0 if same else math.inf), *checks)


def predictabilities(result: TestResult) -> list[float]:
    """The predictabilities of all parts of a test."""
    if isinstance(result, CombinedTest):
        parts: list[TestResult] = [result.e_value, *result.games]
        return [value for part in parts for value in predictabilities(part)]
    if isinstance(result, CombinedEValue):
        return [part.predictability for part in result.parts]
    return [result.predictability]


def standing_test(make: Callable[[float], TestResult], start: float, log10_alpha: float) -> StandingTest | None:
    """The declared test with the largest predictability up to which its p-value is at most alpha.

    Args:
        make: Makes the declared test with a predictability. A ``CountsError`` says that it excludes nothing any more.
        start: The predictability that was declared.
        log10_alpha: Base-10 logarithm of the significance level.

    Returns:
        The test there; ``None`` if its result does not stand beyond the predictability that was declared.
    """
    made: dict[float, TestResult] = {}

    def evaluate(predictability: float) -> float:
        try:
            made[predictability] = make(predictability)
        except CountsError:
            return 0.0
        return made[predictability].log10_p_value

    largest = standing_predictability(evaluate, log10_alpha, start)
    return StandingTest(largest, made[largest]) if largest > start else None
