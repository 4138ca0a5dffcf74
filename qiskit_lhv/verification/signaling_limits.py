"""Checks of confidence limits for signaling, which share no code with the statistics that found them.

The theorems are those of ``statistics.signaling.allowance_limits`` and ``statistics.tails.bounded_sums``. Here their
bounds are evaluated in another way, at the numbers claimed instead of in a search for them.
"""

from __future__ import annotations

import math
from itertools import product

import numpy as np
from numpy.typing import NDArray

from .._support.types import FloatArray, IntArray
from .result import Verification

__all__ = ["check_signaling_limits", "two_party_visible_signaling"]


# Shares of the error probability: for the limit of the variance, and for the distance of sample means.
_VARIANCE_SHARE, _MEAN_SHARE = 0.02, 0.001
# Shevtsova's constant of the Berry-Esseen theorem, and the intervals of the unknown variance, relative to its limit.
_BERRY_ESSEEN, _INTERVAL_RATIO, _NUM_INTERVALS = 0.56, 0.98, 28
_MOST_LISTED, _MOST_PAIRS = 256, 1 << 22
_SMALLEST_DEVIATION = 1e-100
_NUM_HALVINGS = 60
# Rounding errors of logarithms of tails; how much weaker than proven a claim may be, in that logarithm, because the
# search evaluates one factor of the bound less sharply; and how much smaller a kappa may be, because its search ends.
_LOG_TAIL_ROUNDING, _LOG_TAIL_SLACK, _KAPPA_SLACK = 1e-9, 0.25, 2e-4
_LARGEST_KAPPA = 1e6


def check_signaling_limits(
    tested: IntArray,
    coefficients: FloatArray,
    bound: float,
    visible: float,
    real: NDArray[np.bool_],
    alpha: float,
    claims: tuple[float, float, float],
    kappa: float,
    exceeded: bool,
) -> Verification:
    """Checks the limits claimed for an expression and for the visible signaling of independent shots.

    Each limit must follow from the shots. A limit that is much weaker than what follows cannot be the result of these
    shots; one that is a little weaker is harmless.

    Args:
        tested: The shots, shape ``(m_1, ..., m_N, d_1, ..., d_N)``.
        coefficients: The expression, of the same shape.
        bound: Its local bound.
        visible: The visible signaling of their frequencies, or more; not used for CHSH.
        real: Which cells are not padding.
        alpha: Error probability of the comparison, and of both limits together.
        claims: Lower limit of the amount that a local model needs, upper limit of the amount that marginals show, and
            the largest kappa up to which the former exceeds kappa times the latter.
        kappa: The assumed kappa.
        exceeded: Whether it is claimed to be exceeded.
    """
    hidden, shown, largest = claims
    if not all(map(math.isfinite, claims)):
        return Verification(False, "a limit of signaling is not a number", math.inf)
    shots = _Shots(tested, coefficients, bound, visible, real)
    half = alpha / 2
    for name, gaps, spread in (
        ("needed", np.array([shots.value - hidden]), shots.spread(1.0, 0.0, half)),
        ("visible", shown - shots.shown, shots.spread(0.0, 1.0, half)),
    ):
        tail = float(_log_tails(gaps, *spread).max()) - _log_level(half)
        if tail > _LOG_TAIL_ROUNDING:
            return Verification(False, f"the limit of the {name} signaling is claimed too sharply", tail)
        variance, deviation = spread
        linear = deviation * -_log_level(half) / 3
        simple = linear + np.sqrt(linear**2 + 2 * variance * -_log_level(half))
        if tail < -_LOG_TAIL_SLACK and not np.any(np.abs(gaps - simple) <= _LOG_TAIL_ROUNDING * simple):
            return Verification(False, f"the limit of the {name} signaling is not that of the shots", -tail)
    margin = shots.margin(kappa, alpha)
    if margin < -_LOG_TAIL_ROUNDING if exceeded else margin > _LOG_TAIL_SLACK:
        return Verification(False, f"kappa = {kappa:g} is {'not ' if exceeded else ''}exceeded", abs(margin))
    least = 0.0 if largest == 0 else shots.margin(largest, alpha)
    if largest < 0 or least < -_LOG_TAIL_ROUNDING:
        return Verification(False, f"kappa = {largest:g} is not exceeded", -least)
    if (
        largest <= _LARGEST_KAPPA
        and shots.margin(largest * (1 + _KAPPA_SLACK) + _LOG_TAIL_ROUNDING, alpha) > _LOG_TAIL_SLACK
    ):
        return Verification(False, f"a larger kappa than {largest:g} is exceeded", math.inf)
    return Verification(
        True, f"hidden above {hidden:.6g}, visible below {shown:.6g}, stands up to kappa = {largest:.6g}"
    )


def two_party_visible_signaling(frequencies: FloatArray) -> float:
    """The signaling that the marginals of two parties show: the summed distances of each marginal from one reference.

    Args:
        frequencies: Shape ``(m_1, m_2, d_1, d_2)``.
    """
    total = 0.0
    for marginals in (frequencies.sum(axis=3), np.swapaxes(frequencies.sum(axis=2), 0, 1)):
        for rows in marginals:
            middle = np.median(rows, axis=0)
            references = [*rows]
            if middle.sum() > 0:
                references.append(middle / middle.sum())
            total += min(float(np.abs(rows - reference).sum()) / 2 for reference in references)
    return total


class _Shots:
    """Frequencies of independent shots, and what functions of them vary."""

    def __init__(
        self, tested: IntArray, coefficients: FloatArray, bound: float, visible: float, real: NDArray[np.bool_]
    ) -> None:
        self.parties = tested.ndim // 2
        sizes = tested.shape[self.parties :]
        settings, cells = math.prod(tested.shape[: self.parties]), math.prod(sizes)
        table = tested.reshape(settings, cells)
        self.numbers = table.sum(axis=1).astype(np.float64)
        self.p = table / self.numbers[:, None]
        self.expression = np.array(coefficients, dtype=np.float64).reshape(settings, cells)
        self.real = np.broadcast_to(real, tested.shape).reshape(settings, cells)
        self.value = math.fsum((self.expression * self.p).flat) - bound
        self.functions: FloatArray | None = None
        self.distances: FloatArray | None = None
        self.shown = np.array([visible])
        self.each = tested.shape == (2, 2, 2, 2)
        if self.each:
            self.functions = _marginal_shifts()
            self.shown = np.array([math.fsum((function * self.p).flat) for function in self.functions])
        elif self.parties == 2 and (2 ** sizes[0] - 1) * (2 ** sizes[1] - 1) <= _MOST_LISTED:
            self.functions = _sums_of_outcome_sets(sizes[0], sizes[1])
        elif cells**2 * settings <= _MOST_PAIRS:
            outcomes = list(product(*map(range, sizes)))
            self.distances = np.array(
                [
                    [sum(a != b for a, b in zip(outcome, other, strict=True)) for other in outcomes]
                    for outcome in outcomes
                ],
                dtype=np.float64,
            )

    def margin(self, kappa: float, alpha: float) -> float:
        """How far the largest tail of ``E - kappa v`` is below its level, in logarithms; negative: above."""
        gaps = self.value - kappa * self.shown
        if not np.all(gaps > 0):
            return _log_level(alpha)
        return _log_level(alpha) - float(_log_tails(gaps, *self.spread(1.0, kappa, alpha)).max())

    def spread(self, weight: float, kappa: float, alpha: float) -> tuple[FloatArray, FloatArray]:
        """Limits of the summed variances and of single deviations of ``weight E - kappa v``, for each function."""
        rows = self._moments(weight, kappa)
        found = []
        number = float(self.numbers.sum())
        log_means = math.log(2 * len(self.numbers) / (_MEAN_SHARE * alpha))
        for variances, farthest, ranges in rows:
            off = ranges * np.sqrt(log_means / (2 * self.numbers))
            deviation = max(_SMALLEST_DEVIATION, float(np.max(np.minimum(ranges, farthest + off) / self.numbers)))
            squares = math.fsum((variances + off**2) / self.numbers)
            mean = _chernoff_limit(squares / (number * deviation**2), -math.log(_VARIANCE_SHARE * alpha) / number)
            most = math.fsum(ranges**2 / (4 * self.numbers))
            found.append((max(_SMALLEST_DEVIATION**2, min(most, mean * number * deviation**2)), deviation))
        variance, deviations = np.array(found).T
        return variance, deviations

    def _moments(self, weight: float, kappa: float) -> list[tuple[FloatArray, FloatArray, FloatArray]]:
        """For each function, or all together: variance, farthest deviation and range in every setting combination."""
        if self.functions is None:
            low, high = self._ends(self.expression)
            ranges = weight * (high - low) + kappa * self.parties
            variances = ranges**2 / 4
            if self.distances is not None:
                # Half the mean squared difference of two shots.
                gaps = weight * np.abs(self.expression[:, :, None] - self.expression[:, None, :])
                differences = (gaps + kappa * self.distances) ** 2
                pairs = self.p[:, :, None] * self.p[:, None, :]
                variances = np.minimum(variances, (pairs * differences).sum(axis=(1, 2)) / 2)
            return [(variances, ranges, ranges)]
        found = []
        for function in self.functions:
            values = weight * self.expression - kappa * function
            centered = values - (self.p * values).sum(axis=1)[:, None]
            low, high = self._ends(centered)
            found.append(((self.p * centered**2).sum(axis=1), np.maximum(high, -low), high - low))
        if self.each:
            return found
        variance, farthest, ranges = (np.max(limits, axis=0) for limits in zip(*found, strict=True))
        return [(variance, farthest, ranges)]

    def _ends(self, values: FloatArray) -> tuple[FloatArray, FloatArray]:
        rows = [row[kept] for row, kept in zip(values, self.real, strict=True)]
        return np.array([row.min() for row in rows]), np.array([row.max() for row in rows])


def _marginal_shifts() -> FloatArray:
    """For CHSH, half the sum of the shifts of the four marginal expectation values, with each choice of signs."""
    found = []
    for signs in product((1, -1), repeat=4):
        table = np.zeros((2, 2, 2, 2))
        for x, y, a, b in product((0, 1), repeat=4):
            table[x, y, a, b] = (signs[x] * (-1) ** (y + a) + signs[2 + y] * (-1) ** (x + b)) / 2
        found.append(table.reshape(4, 4))
    return np.array(found)


def _sums_of_outcome_sets(first: int, second: int) -> FloatArray:
    """For each set of outcomes of either party, the number of parties whose outcome lies in its set."""
    found = []
    for own, other in product(range(2**first - 1), range(2**second - 1)):
        found.append([[(own >> a & 1) + (other >> b & 1) for a in range(first) for b in range(second)]])
    return np.array(found, dtype=np.float64)


def _log_level(alpha: float) -> float:
    return math.log(alpha * (1 - _VARIANCE_SHARE - _MEAN_SHARE))


def _chernoff_limit(mean: float, wanted: float) -> float:
    """The least q above a mean in [0, 1] with a divergence of two coins of at least the number wanted, rounded up."""
    mean = min(1.0, mean)
    low, high = mean, 1.0
    for _ in range(_NUM_HALVINGS):
        middle = (low + high) / 2
        if not low < middle < high:
            break
        ones = mean * math.log(mean / middle) if mean > 0 else 0.0
        zeros = (1 - mean) * math.log((1 - mean) / (1 - middle)) if mean < 1 else 0.0
        low, high = (middle, high) if ones + zeros < wanted else (low, middle)
    return high


def _log_tails(excess: FloatArray, variance: FloatArray, deviation: FloatArray) -> FloatArray:
    """Logarithms of bounds of ``P(S >= excess)``: the largest over all variances up to the limit, one by one."""
    from scipy.special import log_ndtr

    excess = np.maximum(excess, 0.0)
    # The first axis: intervals of the variance.
    ratios = (_INTERVAL_RATIO ** np.arange(_NUM_INTERVALS + 1))[:, None] * variance
    high, low = ratios[:-1], ratios[1:]
    u = deviation * excess / high
    tilt = np.log1p(u) / deviation
    chernoff = -high / deviation**2 * _bennett(u)
    change = np.minimum(2 * deviation * tilt, 50.0)
    least, most = low * np.exp(-change), high * np.exp(change)
    # Mean of the tilted sum, less the excess, in tilted standard deviations: between these.
    start, end = tilt * least - excess, tilt * most - excess
    start = start / np.sqrt(np.where(start < 0, least, most))
    end = end / np.sqrt(np.where(end > 0, least, most))
    # The logarithm of E[exp(-s X); X >= 0], X normal, is concave in its mean: find where its slope is zero.
    scale = tilt * np.sqrt(least)
    for _ in range(_NUM_HALVINGS):
        middle = (start + end) / 2
        z = middle - scale
        rises = np.exp(-(z**2) / 2 - log_ndtr(z)) > scale * math.sqrt(2 * math.pi)
        start, end = np.where(rises, middle, start), np.where(rises, end, middle)
    normal = np.exp(np.minimum(0.0, scale**2 / 2 - scale * end + log_ndtr(end - scale)))
    tilted = np.minimum(2 * deviation, deviation * (1 + deviation * tilt * np.exp(change)))
    error = 2 * _BERRY_ESSEEN * tilted / np.sqrt(least)
    found = np.max(chernoff + np.log(np.minimum(1.0, normal + error)), axis=0)
    # Below all intervals, without the second factor.
    rest = low[-1]
    return np.minimum(0.0, np.maximum(found, -rest / deviation**2 * _bennett(deviation * excess / rest)))


def _bennett(u: FloatArray) -> FloatArray:
    """``(1 + u) log(1 + u) - u`` as the integral of ``log(1 + s)``, by its series where u is small."""
    small = u**2 / 2 - u**3 / 6 + u**4 / 12 - u**5 / 20
    return np.where(u < 1e-3, small, (1 + u) * np.log1p(u) - u)
