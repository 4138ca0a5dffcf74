"""How numbers are written with their errors."""

from __future__ import annotations

import math

__all__ = ["with_error"]


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
