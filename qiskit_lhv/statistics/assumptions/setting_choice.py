"""An exact test of whether the settings were drawn as declared, by their numbers and by their order."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from ..._support.validation import frozen
from ...exceptions import CountsError
from ...targets.counts import BellCounts
from ...targets.trials import BellTrials, require_counts_or_trials
from ...verification.evidence import Evidence
from ...verification.result import Verification, combine
from ...verification.setting_numbers import precise_log10_numbers_p
from ..random_orders import check_shot_limit
from .predictability import check_predictability
from .setting_numbers import log10_numbers_p
from .setting_order import SettingOrder

__all__ = [
    "REFUSAL_LEVEL",
    "SUSPICIOUS_LEVEL",
    "SettingsTest",
    "numbers_test",
    "require_declared_settings",
    "settings_test",
    "standing_predictability",
]

REFUSAL_LEVEL = 1e-6
"""Data are refused if the p-value of their settings is below this."""
SUSPICIOUS_LEVEL = 0.01
"""Below this p-value the settings need an explanation: a predictability with which the p-value is not below it."""

_NUM_BISECTIONS = 14
# Rounding of the sum of probabilities.
_SUM_ATOL = 1e-9


@dataclass(frozen=True, eq=False, repr=False)
class SettingsTest(Evidence):
    """Whether the settings were drawn at random with the declared probabilities.

    References:
        P. Gruenwald, R. de Heide, W. Koolen, arXiv:1906.07801 (e-values); Hensen et al., Nature 526, 682 (2015)
        (predictability).

    Examples:
        >>> from qiskit_lhv import load_bundled_counts
        >>> from qiskit_lhv.statistics import settings_test
        >>> test = settings_test(load_bundled_counts("delft_2015").counts)
        >>> test.setting_numbers.tolist(), test.suspicious, round(test.p_value, 3)
        ([[53, 79], [62, 51]], False, 0.206)
    """

    design: str
    """The declared design. Fixed settings (``"blocks"``) claim nothing that could be tested, so p = 1."""
    setting_numbers: NDArray[np.int64]
    """Number of trials of each setting combination, shape ``(m_1, ..., m_N)``."""
    setting_probabilities: NDArray[np.float64] | None
    """Their declared probabilities, the same shape; ``None`` in blocks."""
    predictability: float
    """How far the probability of a party's setting, given everything before, may be from the one declared."""
    log10_order_p: float | None
    """Base-10 logarithm of the p-value of the order of the settings; ``None`` if it is not known or was fixed."""
    log10_p_value: float
    """Base-10 logarithm of the p-value, which is twice the p-value of the numbers or of the order, whichever is
    smaller, or that of the numbers alone if no order is known."""
    contradiction: str
    """What contradicts the declaration most, in words; empty if nothing does (a p-value of at least 0.01)."""
    explaining_predictability: float
    """The predictability from which on the p-value is at least 0.01; 0 if it is so with the declared one."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "setting_numbers", frozen(self.setting_numbers))
        if self.setting_probabilities is not None:
            object.__setattr__(self, "setting_probabilities", frozen(self.setting_probabilities))

    @property
    def p_value(self) -> float:
        """The p-value; 0.0 where it is below the smallest float."""
        return 10**self.log10_p_value

    @property
    def suspicious(self) -> bool:
        """Whether the settings differ so much from their declaration that they need an explanation: p below 0.01."""
        return self.log10_p_value < math.log10(SUSPICIOUS_LEVEL)

    def __str__(self) -> str:
        if self.design == "blocks":
            return "settings were fixed in blocks"
        text = f"settings drawn as declared: log10 p = {self.log10_p_value:.3f}"
        if self.explaining_predictability > 0:
            text += f" ({self.contradiction}; explained by a predictability of {self.explaining_predictability:.4g})"
        return text

    def verify(self) -> Verification:
        """Recomputes the p-value of the numbers by another algorithm, and from it the p-value of the test.

        Both are also recomputed with the predictability that is said to explain the settings. The trials are not part
        of the test, so the p-value of their order is taken as recorded; ``LocalityReport.verify``, which has the
        trials, computes it again.
        """
        if self.setting_numbers.ndim < 1 or not self.setting_numbers.size or self.setting_numbers.min() < 0:
            return Verification(False, "there are no numbers of trials, or some are negative", math.inf)
        if self.design == "blocks":
            claims_nothing = (
                self.log10_p_value == 0
                and self.setting_probabilities is None
                and self.log10_order_p is None
                and self.predictability == self.explaining_predictability == 0
                and self.contradiction == ""
            )
            return Verification(claims_nothing, "settings that were fixed in blocks claim nothing")
        if self.design != "random":
            return Verification(False, f"the design {self.design!r} is unknown", math.inf)
        if self.setting_probabilities is None or self.setting_probabilities.shape != self.setting_numbers.shape:
            return Verification(False, "the declared probabilities do not fit the numbers of trials", math.inf)
        check_predictability(self.predictability, self.design)
        off = abs(math.fsum(self.setting_probabilities.flat) - 1)
        if not self.setting_probabilities.min() >= 0 or not off <= _SUM_ATOL or not self.setting_numbers.sum() > 0:
            return Verification(False, "the declared probabilities are not valid, or no trial was made", math.inf)
        if np.any(self.setting_numbers[self.setting_probabilities == 0]):
            return Verification(False, "settings came that are declared never to come", math.inf)
        if self.log10_order_p is not None and not -math.inf < self.log10_order_p <= 0:
            return Verification(False, f"log10 of the p-value of the order is {self.log10_order_p}", math.inf)
        numbers = precise_log10_numbers_p(self.setting_numbers, self.setting_probabilities, self.predictability)
        expected = _combined(numbers, self.log10_order_p)
        error = abs(expected - self.log10_p_value)
        order = (
            "" if self.log10_order_p is None else f", that of their order is recorded as 10^{self.log10_order_p:.6g}"
        )
        # The bound of tails far below the smallest float is a little above them.
        tolerance = 1e-6 * max(1.0, abs(expected)) + (1e-3 if expected < -270 else 0.0)
        reason = f"the p-value of the numbers of trials is 10^{numbers:.6g}{order}"
        if not error <= tolerance:
            return Verification(False, reason, error)
        return combine(Verification(True, reason, error), self._check_explanation())

    def _check_explanation(self) -> Verification:
        assert self.setting_probabilities is not None
        if (self.contradiction != "") is not self.suspicious:
            return Verification(False, "a contradiction is named where there is none, or none where one is", math.inf)
        if not self.suspicious:
            claims_nothing = self.explaining_predictability == 0
            return Verification(claims_nothing, "nothing needs to be explained", 0.0 if claims_nothing else math.inf)
        value = self.explaining_predictability
        if not self.predictability < value <= 1:
            return Verification(False, f"a predictability of {value:g} explains nothing", math.inf)
        # Where the order counts most, the numbers alone need less.
        explained = precise_log10_numbers_p(self.setting_numbers, self.setting_probabilities, value)
        least = math.log10(SUSPICIOUS_LEVEL) - (0.0 if self.log10_order_p is None else math.log10(2)) - 1e-6
        words = f"with a predictability of {value:.4g} the p-value of the numbers is 10^{explained:.6g}"
        return Verification(explained >= least, words, max(0.0, least - explained))


def settings_test(data: BellCounts | BellTrials, predictability: float = 0.0) -> SettingsTest:
    """Tests whether the settings were drawn at random, trial by trial, with the declared probabilities.

    The p-value is valid for every number of trials, whatever the device remembers: if the settings are as declared, up
    to the predictability, it is at most alpha with a probability of at most alpha. Two things are tested:

    - *The numbers.* They are compared with binomial limits of the number of trials of each setting combination and of
      each setting of each party, on both sides, with Bonferroni's correction. An e-value finds deviations that are
      spread over many combinations. (The number of all trials is taken as fixed beforehand.)
    - *The order*, if trials are given. It is tested by a mixture of bets: that the settings of a party, or of all
      parties together, come with other frequencies, follow a setting or an outcome of the previous trial, come more
      often at some times, or repeat themselves after some number of trials. This is an e-value, which is valid wherever
      the trials end.

    Args:
        data: Counts or trials.
        predictability: How far the probability of a party's setting, given everything before the trial and the settings
            of the parties before it, may be from the one declared.

    Returns:
        The test. In blocks, where the settings are fixed, it passes.

    Raises:
        CountsError: If the predictability is not a number from 0 to 1, or not 0 in blocks, or if there are too many
            shots.

    References:
        arXiv:1906.07801 (e-values and reverse information projection); Hensen et al., Nature 526, 682 (2015)
        (predictability).

    Examples:
        >>> from qiskit_lhv import load_bundled_counts
        >>> settings_test(load_bundled_counts("delft_2015").counts).p_value > 0.01
        True
        >>> skewed = BellCounts([[[[450, 5], [5, 450]]] * 2, [[[450, 5], [5, 450]], [[30, 0], [0, 30]]]],
        ...                     "random", [[0.25, 0.25], [0.25, 0.25]])
        >>> print(settings_test(skewed).contradiction)
        settings (1, 1) came 60 times of 2790; declared 0.25
    """
    data = require_counts_or_trials(data)
    predictability = check_predictability(predictability, data.design)
    ordered = isinstance(data, BellTrials)
    table = data.table if isinstance(data, BellTrials) else data.array
    half = table.ndim // 2
    shots = table.sum(axis=tuple(range(half, 2 * half)))
    if data.design == "blocks":
        return SettingsTest("blocks", shots, None, 0.0, None, 0.0, "", 0.0)
    if isinstance(data, BellCounts):
        check_shot_limit(data)
    assert data.setting_probabilities is not None
    probabilities = data.setting_probabilities
    order = SettingOrder(data) if isinstance(data, BellTrials) else None
    log10_p, log10_order, contradiction = _test(shots, probabilities, order, predictability)
    explaining = 0.0
    if log10_p >= math.log10(SUSPICIOUS_LEVEL):
        contradiction = ""
    else:
        evaluate = partial(_test, shots, probabilities, order)
        explaining = _boundary(
            lambda value: evaluate(value)[0] < math.log10(SUSPICIOUS_LEVEL), predictability, _NUM_BISECTIONS
        )[1]
    return SettingsTest(
        "random",
        shots,
        probabilities,
        predictability,
        log10_order if ordered else None,
        log10_p,
        contradiction,
        explaining,
    )


def numbers_test(numbers: NDArray[np.int64], probabilities: NDArray[np.float64]) -> SettingsTest:
    """Tests whether things that were drawn at random came as often as declared; see :func:`settings_test`.

    Args:
        numbers: How often each of several came, shape ``(m,)``.
        probabilities: Their declared probabilities, the same shape.
    """
    log10_p, _, contradiction = _test(numbers, probabilities, None, 0.0)
    explaining = 0.0
    if log10_p >= math.log10(SUSPICIOUS_LEVEL):
        contradiction = ""
    else:
        explaining = _boundary(
            lambda value: _test(numbers, probabilities, None, value)[0] < math.log10(SUSPICIOUS_LEVEL),
            0.0,
            _NUM_BISECTIONS,
        )[1]
    return SettingsTest("random", numbers, probabilities, 0.0, None, log10_p, contradiction, explaining)


def require_declared_settings(test: SettingsTest) -> None:
    """Raises an error if the settings of the data contradict their declaration.

    Args:
        test: The test of the data.

    Raises:
        CountsError: If its p-value is below 1e-6.
    """
    if test.log10_p_value >= math.log10(REFUSAL_LEVEL):
        return
    within = f" within a predictability of {test.predictability:g}" if test.predictability > 0 else ""
    raise CountsError.bad_argument(
        "design",
        expected=f"settings that were drawn at random with the declared probabilities{within}",
        got=f"settings that contradict it (p = 10^{test.log10_p_value:.1f}): {test.contradiction}",
        remedy="Declare design='blocks' if their numbers or their order were fixed beforehand; the "
        "setting_probabilities with which they were drawn; or, if the random numbers are known to be so imperfect, "
        f"predictability={_rounded_up(test.explaining_predictability):g} or more.",
    )


def standing_predictability(evaluate: Callable[[float], float], log10_alpha: float, start: float = 0.0) -> float:
    """The largest predictability up to which a result stands.

    Args:
        evaluate: Base-10 logarithm of the declared p-value for a predictability, with which it grows. A ``CountsError``
            says that nothing is excluded any more.
        log10_alpha: Base-10 logarithm of the significance level.
        start: The predictability that was declared.

    Returns:
        The predictability, found by bisection and rounded down, so that the p-value there is at most alpha; the one
        declared if the result does not even stand there.
    """

    def stands(value: float) -> bool:
        try:
            return evaluate(value) <= log10_alpha
        except CountsError:
            return False

    return _boundary(stands, start, _NUM_BISECTIONS)[0] if stands(start) else start


def _boundary(holds: Callable[[float], bool], start: float, steps: int) -> tuple[float, float]:
    """Where a statement that holds at the start ceases to hold, from both sides."""
    low, high = 0.0, 1.0
    for _ in range(steps):
        middle = (low + high) / 2
        # Squared, for finer steps near the start.
        if holds(start + (1 - start) * middle**2):
            low = middle
        else:
            high = middle
    return start + (1 - start) * low**2, start + (1 - start) * high**2


def _rounded_up(value: float) -> float:
    """Three digits that are not below the value."""
    unit = 10.0 ** (math.floor(math.log10(value)) - 2)
    return min(1.0, math.ceil(value / unit) * unit)


def _test(
    shots: NDArray[np.int64], probabilities: NDArray[np.float64], order: SettingOrder | None, predictability: float
) -> tuple[float, float | None, str]:
    """log10 of the p-value and of that of the order, and what contradicts most."""
    numbers, words = log10_numbers_p(shots, probabilities / probabilities.sum(), predictability)
    if order is None:
        return numbers, None, words
    log_e, order_words = order.log_e(predictability)
    log10_order = min(0.0, -log_e / math.log(10))
    return _combined(numbers, log10_order), log10_order, words if numbers <= log10_order else order_words


def _combined(log10_numbers: float, log10_order: float | None) -> float:
    if log10_order is None:
        return log10_numbers
    return min(0.0, min(log10_numbers, log10_order) + math.log10(2))
