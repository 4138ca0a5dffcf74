"""Values of expressions on counts, with their standard errors."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .._support.estimated_value import with_error
from .._support.types import FloatArray
from ..exceptions import CountsError
from .counts import BellCounts
from .measured_settings import filled_frequencies
from .tensor_estimates import least_standard_error

__all__ = ["EstimatedValue", "value_of_counts"]


class EstimatedValue(float):
    """A number with its standard error, which calculates like any other number.

    Examples:
        >>> value = EstimatedValue(2.4225, 0.1964)
        >>> value, value > 2, value.standard_error
        (2.42 +- 0.20, True, 0.1964)
        >>> round((value - 2) / value.standard_error, 2)  # how many standard errors above the local bound of CHSH
        2.15
    """

    standard_error: float
    """The standard error."""

    def __new__(cls, value: float, standard_error: float) -> EstimatedValue:
        """Makes a number with its standard error."""
        number = super().__new__(cls, value)
        number.standard_error = float(standard_error)
        return number

    def __getnewargs__(self) -> Any:
        """What a copy is made of."""
        return float(self), self.standard_error

    def __repr__(self) -> str:
        return with_error(float(self), self.standard_error)

    __str__ = __repr__


def value_of_counts(coefficients: FloatArray, counts: BellCounts) -> EstimatedValue:
    """The value of an expression on the frequencies of counts, with the standard error of multinomial counts.

    The error is not below that of a setting whose n shots all agree, which is 6 / n for outcomes +1 and -1.

    Args:
        coefficients: Shape ``(m_1, ..., m_N, d_1, ..., d_N)``.
        counts: The counts, of the same scenario.

    Raises:
        CountsError: If a coefficient belongs to settings that were not measured.
    """
    if np.any(coefficients[~counts.measured]):
        raise CountsError.bad_argument(
            "counts",
            expected="shots wherever the expression has coefficients other than 0",
            got=f"none for settings {tuple(int(i) for i in np.argwhere(~counts.measured)[0])}",
            remedy="Measure these settings, or leave them out of the expression.",
        )
    rows = counts.measured.size
    p, c = filled_frequencies(counts).array.reshape(rows, -1), coefficients.reshape(rows, -1)
    shots = np.maximum(counts.num_shots.ravel(), 1)
    means = np.sum(c * p, axis=1)
    variance = float(np.sum(np.sum(p * (c - means[:, None]) ** 2, axis=1) / shots))
    real = np.where(counts.scenario.mask.reshape(rows, -1), c, np.nan)
    least = float(((np.nanmax(real, axis=1) - np.nanmin(real, axis=1)) / 2 * least_standard_error(shots)).max())
    return EstimatedValue(float(means.sum()), max(math.sqrt(variance), least))
