"""Numbers that were estimated, with their errors, and how they are written."""

from __future__ import annotations

import math
from typing import Any

__all__ = ["EstimatedValue", "with_error"]


class EstimatedValue(float):
    """A number with its standard error, which calculates like any other number.

    Examples:
        >>> value = EstimatedValue(2.4225, 0.1964)
        >>> value, value > 2, value.standard_error
        (2.42 +- 0.20, True, 0.1964)
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


def with_error(value: float, error: float, sign: str = "+-") -> str:
    """Writes a number with its error. Two digits of the error decide how many digits are shown.

    Args:
        value: The number.
        error: Its error. If it is 0 or infinite, six digits of the number are shown, without an error.
        sign: What stands between the two.

    Examples:
        >>> with_error(2.04999, 0.1), with_error(2.76823, 0.0068), with_error(-1234.5, 87.2)
        ('2.05 +- 0.10', '2.7682 +- 0.0068', '-1234 +- 87')
        >>> with_error(0.5, 0.0996), with_error(123456, 4321), with_error(2.828427124, 0)
        ('0.50 +- 0.10', '123500 +- 4300', '2.82843')
    """
    if not 0 < error < math.inf or not math.isfinite(value):
        return f"{value:.6g}"
    digits = 1 - math.floor(math.log10(float(f"{error:.1e}")))
    # Adding zero turns a rounded -0 into 0.
    shown = [round(number, digits) + 0.0 for number in (value, error)]
    return "{:.{d}f} {sign} {:.{d}f}".format(*shown, d=max(0, digits), sign=sign)
