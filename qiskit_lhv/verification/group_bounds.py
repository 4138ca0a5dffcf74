"""Bounds of expressions of GHZ states where parties form groups, proven in whole numbers.

The expressions are ``alpha Re Z + beta Im Z`` with ``Z = sum_x i**(x_1 + ... + x_N) E(x)``, x the settings (0 or 1) and
E the correlator of all parties. If the parties form groups, E is, given the hidden variable, a product of one function
per group, of its own settings, with values between -1 and 1; inside of a group, everything may be communicated. So Z is
a product of one such sum per group. In the sum of a group of g parties, half of the ``2**g`` terms are real and half
imaginary, so it lies in the square with corners ``2**(g - 1) (+-1 +- i)``, and each corner is reached. The expression
is linear in every group's sum, so its largest value is reached where all are corners.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction

from .result import Verification

__all__ = ["prove_group_bound"]

_ROUNDING_BITS = 50
_CORNERS = ((1, 1), (1, -1), (-1, 1), (-1, -1))


def prove_group_bound(
    num_parties: int, num_groups: int, coefficients: Mapping[int, Fraction], claim: Fraction
) -> Verification:
    """Proves that no model in which the parties form some number of groups, or more, exceeds a bound.

    One has to reach it, up to rounding. The products of corners are multiplied out group by group.

    Args:
        num_parties: Number of parties N.
        num_groups: The least number of groups.
        coefficients: Coefficient of the correlators of all parties by how many of them have setting 1; others are 0.
        claim: The bound.
    """
    if not 1 <= num_groups <= num_parties:
        return Verification(False, f"{num_parties} parties cannot form {num_groups} groups", 1.0)
    values = [coefficients.get(k, Fraction(0)) for k in range(num_parties + 1)]
    alpha, beta = values[0], values[1]
    if set(coefficients) - set(range(num_parties + 1)) or any(
        value != (alpha, beta, -alpha, -beta)[k % 4] for k, value in enumerate(values)
    ):
        return Verification(False, "the coefficients are not those of an expression of a GHZ state", 1.0)
    products = {(1, 0)}
    largest = Fraction(0)
    for groups in range(1, num_parties + 1):
        # Without what grows by itself: each product has the same factors of 2 taken out of both parts.
        products = {(a * x - b * y, a * y + b * x) for a, b in products for x, y in _CORNERS}
        if groups >= num_groups:
            scale = Fraction(2) ** (num_parties - groups)
            largest = max(largest, scale * max(alpha * a + beta * b for a, b in products))
    if largest > claim:
        return Verification(
            False,
            f"{num_groups} groups reach {float(largest):.12g}, the claimed bound is {float(claim):.12g}",
            float(largest - claim),
        )
    if claim - largest > abs(largest) / 2**_ROUNDING_BITS:
        shown = f"{num_groups} groups reach {float(largest):.12g} only, the claimed bound is {float(claim):.12g}"
        return Verification(False, shown, float(claim - largest))
    return Verification(True, f"no model of {num_groups} or more groups exceeds {float(claim):.12g}, which is reached")
