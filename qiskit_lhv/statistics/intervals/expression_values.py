"""Values of Bell expressions estimated from counts, with their covariance."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from ..._support.estimated_value import with_error
from ..._support.records import Record
from ..._support.types import FloatArray
from ..._support.validation import frozen, generator, probability, shown, whole_number
from ...exceptions import CountsError
from ...polytope.expressions.expression import BellExpression
from ...targets.counts import BellCounts, require_counts
from ...targets.measured_settings import filled_frequencies
from ...targets.tensor_estimates import least_standard_error

__all__ = ["BellValues", "bell_values"]


@dataclass(frozen=True, eq=False, repr=False)
class BellValues(Record):
    """Estimates of one or several Bell expressions from the same counts.

    References:
        B. Efron, Ann. Statist. 7, 1 (1979) (the bootstrap).

    Examples:
        >>> from qiskit_lhv import chsh, load_bundled_counts
        >>> from qiskit_lhv.statistics import bell_values
        >>> counts = load_bundled_counts("ibm_hanoi19_20circuit13").counts
        >>> found = bell_values(counts, [chsh(minus=(0, 0)), chsh(minus=(1, 1))])
        >>> print(found)
        2.7682 +- 0.0068, -0.0214 +- 0.0068
        >>> found.lower.round(3).tolist(), found.upper.round(3).tolist()
        ([2.755, -0.035], [2.782, -0.008])
    """

    values: FloatArray
    """Value of each expression on the frequencies, shape ``(E,)``."""
    covariance: FloatArray
    """Covariance of the values for multinomial counts, shape ``(E, E)``."""
    lower: FloatArray
    """Lower limit of each value, from the normal approximation, shape ``(E,)``."""
    upper: FloatArray
    """Upper limit of each value."""
    bootstrap_lower: FloatArray
    """Lower limit of each value by the bootstrap (reflected quantiles of the replicates); NaN without replicates."""
    bootstrap_upper: FloatArray
    """Upper limit of each value by the bootstrap."""
    alpha: float
    """Probability with which each interval is meant to miss the true value."""

    def __post_init__(self) -> None:
        for name in ("values", "covariance", "lower", "upper", "bootstrap_lower", "bootstrap_upper"):
            object.__setattr__(self, name, frozen(getattr(self, name)))

    @property
    def standard_errors(self) -> FloatArray:
        """Standard error of each value, shape ``(E,)``."""
        return np.sqrt(np.diag(self.covariance))

    def __str__(self) -> str:
        pairs = zip(self.values, self.standard_errors, strict=True)
        return ", ".join(with_error(value, error) for value, error in pairs)


def bell_values(
    counts: BellCounts,
    expressions: BellExpression | Sequence[BellExpression],
    *,
    alpha: float = 0.05,
    num_replicates: int = 0,
    seed: int | None = None,
) -> BellValues:
    """Estimates Bell expressions with their covariance and intervals.

    A value is linear in the frequencies, and the frequencies of different settings are independent, so the covariance
    of the values follows exactly from the multinomial one, with frequencies in place of probabilities (the delta
    method). No standard error is below that of a setting whose n shots all agree, which is 6 / n for outcomes +1 and
    -1, as in ``estimate_tensor``. The intervals are approximate; tests of local models are e-values and games.

    Args:
        counts: The counts.
        expressions: One expression of the counts' scenario, or several.
        alpha: Probability with which each interval may miss.
        num_replicates: Number of bootstrap replicates, drawn from the frequencies; default: none.
        seed: Seed of the replicates.

    Returns:
        The values, their covariance, and an interval of each.

    Raises:
        CountsError: If there is no expression, scenarios differ, a number is out of range, or a coefficient belongs to
            settings that were not measured.

    References:
        B. Efron, Ann. Statist. 7, 1 (1979) (the bootstrap).

    Examples:
        >>> from qiskit_lhv import chsh, load_bundled_counts
        >>> print(bell_values(load_bundled_counts("delft_2015").counts, chsh()))
        2.42 +- 0.20
    """
    counts = require_counts(counts)
    listed = [expressions] if isinstance(expressions, BellExpression) else expressions
    parts = list(listed) if isinstance(listed, Iterable) else []
    if not parts or not all(isinstance(part, BellExpression) for part in parts):
        raise CountsError.bad_argument("expressions", expected="one or several BellExpression", got=shown(expressions))
    for part in parts:
        if part.scenario != counts.scenario:
            raise CountsError.bad_argument("expressions", expected=str(counts.scenario), got=str(part.scenario))
        if np.any(part.coefficients[~counts.measured]):
            raise CountsError.bad_argument(
                "expressions",
                expected="coefficients of 0 for setting combinations that were not measured",
                got=f"others: {part}",
                remedy="Measure these settings, or leave them out of the expression.",
            )
    alpha = probability(alpha, "alpha", CountsError, open_interval=True)
    replicates = whole_number(num_replicates, "num_replicates", CountsError, minimum=0)
    rng = generator(seed)
    rows = counts.scenario.num_setting_combinations
    p = filled_frequencies(counts).array.reshape(rows, -1)
    # Coefficients are 0 where nothing was measured, so any number of shots will do there.
    shots = np.maximum(counts.num_shots.ravel(), 1)
    coefficients = np.stack([part.coefficients.reshape(rows, -1) for part in parts])
    means = np.einsum("exa,xa->ex", coefficients, p)
    # Where all shots agree, the frequencies alone would tell an error of 0.
    real = np.where(counts.scenario.mask.reshape(rows, -1), coefficients, np.nan)
    spread = (np.nanmax(real, axis=2) - np.nanmin(real, axis=2)) / 2
    least = (spread * least_standard_error(shots)).max(axis=1)
    centered = coefficients - means[:, :, None]
    covariance = np.einsum("exa,fxa,xa,x->ef", centered, centered, p, 1 / shots)
    np.fill_diagonal(covariance, np.maximum(np.diag(covariance), least**2))
    values = means.sum(axis=1)
    half = _normal_quantile(1 - alpha / 2) * np.sqrt(np.maximum(np.diag(covariance), 0))
    low = high = np.full(len(parts), math.nan)
    if replicates:
        drawn = rng.multinomial(shots, p / p.sum(axis=1, keepdims=True), size=(replicates, rows))
        found = np.einsum("exa,rxa,x->re", coefficients, drawn, 1 / shots)
        quantiles = np.quantile(found, [alpha / 2, 1 - alpha / 2], axis=0)
        low, high = 2 * values - quantiles[1], 2 * values - quantiles[0]
    return BellValues(values, covariance, values - half, values + half, low, high, alpha)


def _normal_quantile(level: float) -> float:
    from scipy.special import ndtri

    return float(ndtri(level))
