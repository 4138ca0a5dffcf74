"""How much white noise makes all measurements of a party compatible: jointly measurable by one parent measurement.

Let the effects of a party of dimension d be shrunk towards the identity, ``E -> eta E + (1 - eta) tr(E) / d``. If the
outcomes of all these measurements can be drawn from the outcome of one parent measurement, that outcome is a hidden
variable, and everything that the party measures on a state with that noise is local.

For projective measurements the parent measures a Haar-random vector psi. The outcome a with the largest
``|<a|psi>|^2`` gives ``eta = (H_d - 1) / (d - 1)`` with ``H_d = 1 + 1/2 + ... + 1/d`` (arXiv:quant-ph/0612147,
arXiv:quant-ph/0703045), the one with the smallest gives ``eta = -1/d``, which is Werner's model. Degenerate outcomes
are sums of others.

For POVMs of rank-one effects ``c_a |a><a|``, to which all others can be refined, let ``t_a = |<a|psi>|^2``. The outcome
is a with probability ``c_a t_a`` where ``t_a > 1/d`` and is drawn in proportion to ``c_a`` otherwise (J. Barrett,
arXiv:quant-ph/0107045): the integral over Beta(1, d - 1) gives ``eta = (3d - 1) (d - 1)^(d - 1) / ((d + 1) d^d)``. With
``c_a (1 - t_a) / (d - 1)`` where ``t_a < 1/d`` instead, the same integral gives
``eta = -(1 + (d - 1)^(d + 1) / d^d) / (d^2 - 1)``. For qubits all POVMs are compatible at ``eta = 1/2``
(arXiv:2309.12290), and at -1/2, since a reflection of the Bloch sphere maps measurements to measurements.
"""

from __future__ import annotations

from fractions import Fraction

__all__ = ["compatible_shrinking"]


def compatible_shrinking(dimension: int, *, povms: bool, inverted: bool = False) -> Fraction:
    """Returns the eta at which all measurements of a party are compatible.

    Args:
        dimension: Dimension d of the party's space.
        povms: Whether all POVMs are meant, or all projective measurements.
        inverted: Whether the negative value is asked for.
    """
    d = dimension
    if d == 2:
        return Fraction(-1, 2) if inverted else Fraction(1, 2)
    if not povms:
        harmonic = sum((Fraction(1, k) for k in range(1, d + 1)), Fraction(0))
        return Fraction(-1, d) if inverted else (harmonic - 1) / (d - 1)
    if inverted:
        return -(1 + Fraction((d - 1) ** (d + 1), d**d)) / (d * d - 1)
    return Fraction((3 * d - 1) * (d - 1) ** (d - 1), (d + 1) * d**d)
