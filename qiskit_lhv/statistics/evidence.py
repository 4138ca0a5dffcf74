"""Evidence against every local model: e-values from prediction-based ratios, and games."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from .._records import Record
from .._validation import frozen, generator, probability
from ..exceptions import CountsError
from ..polytope.bounds import local_bound
from ..polytope.inequalities import BellExpression, BellInequality
from ..targets.behaviors import Behavior
from ..targets.counts import BellCounts
from ..targets.projections import project_to_no_signaling
from ..targets.trials import BellTrials
from ..verification import Verification, exact_local_bound
from .likelihood import fit_local_model

__all__ = ["EValue", "GameTest", "game_test", "ratio_e_value"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

_PSEUDO_COUNT = 0.5
_BITS = 50


@dataclass(frozen=True, eq=False, repr=False)
class EValue(Record):
    """An e-value against every local model: its mean is at most 1 for all of them.

    The product of a factor R(a, x) over the tested shots, divided by the largest mean that a local
    model can give it.
    """

    factor: FloatArray
    """R(a, x), positive, shape ``(m_1, ..., m_N, d_1, ..., d_N)``, chosen from other shots."""
    setting_weights: FloatArray
    """Weight of each setting combination in the mean: shares of the tested shots, or probabilities."""
    mean_bound: float
    """Upper bound of the factor's weighted mean over all local models."""
    tested: IntArray
    """The tested shots, shape of the factor."""
    num_trained: int
    """Number of shots that the factor was chosen from."""
    log_e: float
    """Natural logarithm of the e-value."""

    def __post_init__(self) -> None:
        for name in ("factor", "setting_weights", "tested"):
            object.__setattr__(self, name, frozen(getattr(self, name)))

    @property
    def log10_p_value(self) -> float:
        """Base-10 logarithm of the p-value ``min(1, 1 / e)``; never underflows."""
        return min(0.0, -self.log_e / math.log(10))

    @property
    def p_value(self) -> float:
        """The p-value ``min(1, 1 / e)``; 0.0 where it is below the smallest float."""
        return 10**self.log10_p_value

    @property
    def inequality(self) -> BellInequality:
        """The Bell inequality behind it: the factor's weighted mean and its local bound."""
        return BellInequality.of(BellExpression(_mean_coefficients(self.factor, self.setting_weights)))

    def __str__(self) -> str:
        return f"log10 e = {self.log_e / math.log(10):.3f} from {self.tested.sum()} shots ({self.num_trained} before)"

    def verify(self) -> Verification:
        """Re-proves the bound of the mean in integers by another algorithm, and re-multiplies the factors."""
        if self.factor.min() <= 0:
            return Verification(False, "the factor is not positive", math.inf)
        proven = float(exact_local_bound(self._coefficients_rounded_up()))
        if proven > self.mean_bound:
            return Verification(
                False,
                f"a local model gives the factor a mean of {proven:.12g}, above {self.mean_bound:.12g}",
                proven - self.mean_bound,
            )
        terms = [n * math.log(r) for n, r in zip(self.tested.flat, self.factor.flat, strict=True) if n]
        log_e = math.fsum([*terms, -int(self.tested.sum()) * math.log(self.mean_bound)])
        error = abs(log_e - self.log_e)
        return Verification(
            error <= 1e-9 * max(1.0, abs(log_e)),
            f"no local model gives the factor a mean above {self.mean_bound:.9g}; log e = {log_e:.9g}",
            error,
        )

    def _coefficients_rounded_up(self) -> FloatArray:
        """Products of weights and factors as binary fractions, rounded up from the exact products."""
        n = self.factor.ndim // 2
        exact = [
            Fraction(float(self.setting_weights[cell[:n]])) * Fraction(float(self.factor[cell]))
            for cell in np.ndindex(self.factor.shape)
        ]
        scale = 2 ** (_BITS + 4 - math.ceil(math.log2(sum(exact) + 1)))
        rounded = [float(Fraction(math.ceil(product * scale), scale)) for product in exact]
        return np.array(rounded).reshape(self.factor.shape)


def ratio_e_value(
    data: BellCounts | BellTrials, *, training_fraction: float = 1 / 3, seed: int | None = None
) -> EValue:
    """The e-value of the prediction-based ratio.

    A part of the shots chooses the factor R = f / q: f is the no-signaling behavior that explains them
    best, q the local behavior nearest to f. The rest is tested. In blocks, R is divided by the largest
    mean that a local model gives it with the tested shots' own numbers, valid for independent shots
    of one fixed local model. With random settings their known probabilities take that place; trials
    whose order is known are split in time, so that the result also stands against memory.

    Args:
        data: Counts (split at random) or trials (with random settings: the first ones train).
        training_fraction: Share of the shots that chooses the factor.
        seed: For the random split.

    Returns:
        The e-value; ``1 / e`` is a p-value.

    Raises:
        CountsError: If the fraction is not between 0 and 1, or too few shots remain to test.

    References:
        arXiv:1108.2468 (prediction-based ratios).
    """
    fraction = probability(training_fraction, "training_fraction", CountsError, open_interval=True)
    if isinstance(data, BellTrials):
        if data.design == "random":
            cut = int(fraction * data.num_trials)
            tested_trials = data.part(slice(cut, None))
            training = data.part(slice(cut)).table if cut else np.zeros_like(tested_trials.table)
            return _e_value(training, tested_trials.table, data.setting_probabilities)
        data = data.to_counts()
    training = _draw_training(data, fraction, generator(seed))
    return _e_value(training, data.array - training, data.setting_probabilities)


def _draw_training(counts: BellCounts, fraction: float, rng: np.random.Generator) -> IntArray:
    """A random part of the shots: of each setting combination in blocks, of all shots if settings were random.

    Shots with random settings must be drawn without regard to their settings, so that those left for
    the test still have settings of the known probabilities. At least one shot stays for the test.
    """
    rows = counts.scenario.num_setting_combinations if counts.design == "blocks" else 1
    cells = counts.array.reshape(rows, -1)
    drawn = [rng.multivariate_hypergeometric(row, int(fraction * row.sum()), method="marginals") for row in cells]
    return np.array(drawn, dtype=np.int64).reshape(counts.array.shape)


def _e_value(training: IntArray, tested: IntArray, probabilities: FloatArray | None) -> EValue:
    n = tested.ndim // 2
    outcome_axes = tuple(range(n, 2 * n))
    shots = tested.sum(axis=outcome_axes)
    weights = shots / shots.sum() if probabilities is None else probabilities
    factor = _choose_factor(training, weights)
    coefficients = _mean_coefficients(factor, weights)
    bound = local_bound(BellExpression(coefficients)).value
    log_e = float(np.sum(tested * np.log(factor)) - shots.sum() * math.log(bound))
    return EValue(factor, weights, bound, tested, int(training.sum()), log_e)


def _choose_factor(training: IntArray, weights: FloatArray) -> FloatArray:
    n = training.ndim // 2
    # The added fractions of a shot keep every ratio finite and positive.
    smoothed = training + _PSEUDO_COUNT
    shots = smoothed.sum(axis=tuple(range(n, 2 * n)))
    frequencies = Behavior(smoothed / shots.reshape(shots.shape + (1,) * n))
    f = project_to_no_signaling(frequencies, shots)
    q = fit_local_model(f, weights).model.behavior()
    return np.maximum(f.array, 1e-12) / np.maximum(q.array, 1e-12)


def _mean_coefficients(factor: FloatArray, weights: FloatArray) -> FloatArray:
    """Coefficients of the factor's weighted mean, rounded up to binary fractions for exact bounds."""
    exact = weights.reshape(weights.shape + (1,) * weights.ndim) * factor
    scale = 2.0 ** (_BITS - math.ceil(math.log2(float(exact.sum()) + 1)))
    # One unit more than the ceiling covers the rounding of the product itself.
    return (np.ceil(exact * scale) + 1) / scale


@dataclass(frozen=True, eq=False, repr=False)
class GameTest(Record):
    """The probability that a local model wins a game as often as was seen."""

    rule: str
    """The expression whose larger coefficients mean that a trial is won."""
    wins: int
    """Number of trials won."""
    num_trials: int
    """Number of trials played."""
    win_bound: float
    """Largest probability of a local model to win, averaged over the settings that were played."""
    fixed_settings: bool
    """Whether the settings were fixed in blocks, where the trials' win probabilities differ."""
    log10_p_value: float
    """Base-10 logarithm of the p-value."""

    @property
    def p_value(self) -> float:
        """The p-value; 0.0 where it is below the smallest float."""
        return 10**self.log10_p_value

    def __str__(self) -> str:
        wins = f"{self.wins} wins in {self.num_trials} trials"
        return f"game {self.rule}: {wins}, local bound {self.win_bound:.6g}: log10 p = {self.log10_p_value:.4f}"

    def verify(self) -> Verification:
        """Recomputes the p-value with 40 digits, term by term."""
        import mpmath

        with mpmath.workdps(40):
            if self.fixed_settings and self.wins < self.num_trials * self.win_bound + 1:
                log10_p = mpmath.mpf(0)
            else:
                log10_p = mpmath.log10(_precise_tail(self.wins, self.num_trials, self.win_bound))
            error = float(abs(log10_p - self.log10_p_value))
            tolerance = 1e-9 * max(1.0, abs(self.log10_p_value))
            return Verification(error <= tolerance, f"the binomial tail is 10^{float(log10_p):.9g}", error)


def game_test(data: BellCounts | BellTrials, expression: BellExpression) -> GameTest:
    """The p-value of a game whose rule was declared before the data were seen.

    A trial is won where the coefficient is the larger of the two that the expression has; for CHSH,
    where the outcomes agree with the sign of their correlator. With settings drawn at random the number
    of wins is bounded by a binomial, also for devices with memory. In blocks the trials' win
    probabilities differ with the setting; their mean is bounded, and the binomial bound
    holds from one win above the bound's mean on (below, p = 1).

    Args:
        data: Counts or trials.
        expression: A Bell expression whose coefficients have two values, such as ``chsh()``.

    Raises:
        CountsError: If the scenarios differ or the expression is no game.

    References:
        W. Hoeffding, Ann. Math. Statist. 27, 713 (1956), theorem 4; Nature 526, 682 (2015).
    """
    table = data.table if isinstance(data, BellTrials) else data.array
    if expression.coefficients.shape != table.shape:
        raise CountsError.bad_argument(
            "expression", expected=f"coefficients of shape {table.shape}", got=f"{expression.coefficients.shape}"
        )
    values = np.unique(expression.coefficients)
    if len(values) != 2:
        raise CountsError.bad_argument(
            "expression",
            expected="a game: coefficients of two values, won and lost",
            got=f"{len(values)} values",
            remedy="Use test='e-value' for other expressions.",
        )
    won = (expression.coefficients == values[1]).astype(float)
    n = table.ndim // 2
    shots = table.sum(axis=tuple(range(n, 2 * n)))
    total, wins = int(shots.sum()), int(table[won > 0].sum())
    blocks = data.design == "blocks"
    if blocks:
        # Whole numbers, so the bound is exact.
        weighted = shots.reshape(shots.shape + (1,) * n) * won
        bound = local_bound(BellExpression(weighted)).value / total
    else:
        assert data.setting_probabilities is not None
        bound = local_bound(BellExpression(_mean_coefficients(won, data.setting_probabilities))).value
    bound = min(1.0, bound)
    if blocks and wins < total * bound + 1:
        return GameTest(str(expression), wins, total, bound, blocks, 0.0)
    return GameTest(str(expression), wins, total, bound, blocks, min(0.0, _log10_binomial_tail(wins, total, bound)))


def _log10_binomial_tail(wins: int, total: int, probability_of_win: float) -> float:
    """log10 of P(Bin(total, p) >= wins)."""
    from scipy.special import gammaln, logsumexp

    if wins <= 0 or probability_of_win >= 1:
        return 0.0
    # Terms more than 50 standard deviations above both the mean and the start add nothing.
    last = min(total, int(max(wins, total * probability_of_win) + 50 * math.sqrt(total) + 50))
    k = np.arange(wins, last + 1)
    log_choose = gammaln(total + 1) - gammaln(k + 1) - gammaln(total - k + 1)
    terms = log_choose + k * math.log(probability_of_win) + (total - k) * math.log1p(-probability_of_win)
    return float(logsumexp(terms)) / math.log(10)


def _precise_tail(wins: int, total: int, probability_of_win: float):  # type: ignore[no-untyped-def]
    import mpmath

    p = mpmath.mpf(probability_of_win)
    if wins <= 0 or p >= 1:
        return mpmath.mpf(1)
    term = mpmath.binomial(total, wins) * p**wins * (1 - p) ** (total - wins)
    result, k = term, wins
    while k < total and (term > result * mpmath.mpf(10) ** -30 or k < total * p):
        term *= mpmath.mpf(total - k) / (k + 1) * p / (1 - p)
        k += 1
        result += term
    return result
