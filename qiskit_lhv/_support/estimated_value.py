"""How numbers are written with their errors."""

from __future__ import annotations

import math
from decimal import Decimal

__all__ = ["with_error"]

# Numbers of more places before or after the point are written with a power of ten.
_MOST_PLACES = 9


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
        >>> with_error(4.5e46, 3e44), with_error(-2e-12, 1e-13)
        ('(4.500 +- 0.030)e+46', '(-2.00 +- 0.10)e-12')
    """
    if not 0 < error < math.inf or not math.isfinite(value):
        return f"{value:.6g}"
    exponent = math.floor(math.log10(max(abs(value), error)))
    if not -_MOST_PLACES <= exponent < _MOST_PLACES:
        # Decimal shifts: powers of ten overflow where the numbers do not.
        shifted, its_error = (float(Decimal(number).scaleb(-exponent)) for number in (value, error))
        return f"({with_error(shifted, its_error, sign)})e{exponent:+03d}"
    digits = 1 - math.floor(math.log10(float(f"{error:.1e}")))
    # Adding zero turns a rounded -0 into 0.
    shown = [round(number, digits) + 0.0 for number in (value, error)]
    return "{:.{d}f} {sign} {:.{d}f}".format(*shown, d=max(0, digits), sign=sign)
