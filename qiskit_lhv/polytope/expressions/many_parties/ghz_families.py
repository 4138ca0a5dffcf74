"""Full correlators of two settings whose signs follow a GHZ state: Mermin, Ardehali and Svetlichny, of any number."""

from __future__ import annotations

import math

import numpy as np

from ...._support.validation import whole_number
from ....exceptions import ScenarioError
from ....targets.scenario import BellScenario
from .known_bounds import KnownBounds
from .symmetric import SymmetricExpression

__all__ = ["MAX_GHZ_PARTIES", "ardehali", "mermin_of_many", "svetlichny"]

MAX_GHZ_PARTIES = 1000
"""Largest number of parties: sums of coefficients, of up to ``2**N``, are floats."""

_SVETLICHNY = "Seevinck, Svetlichny, arXiv:quant-ph/0201046; Collins et al., arXiv:quant-ph/0201058"


def mermin_of_many(num_parties: int) -> SymmetricExpression:
    """The Mermin expression; see ``polytope.mermin``."""
    n = whole_number(num_parties, "num_parties", ScenarioError, minimum=2, maximum=MAX_GHZ_PARTIES)
    source = "N. D. Mermin, Phys. Rev. Lett. 65, 1838 (1990)"
    known = KnownBounds(1 << (n // 2), 1 << (n - 1), 1 << (n - 1), source=source)
    return _by_number_of_ones(n, (1, 0, -1, 0), known)


def ardehali(num_parties: int) -> SymmetricExpression:
    """The Ardehali expression of N parties with two settings: the Mermin expression's real plus imaginary part.

    With the settings X and Y for all parties but one, and ``(X - Y) / sqrt(2)`` and ``(X + Y) / sqrt(2)`` for the last
    (``[("X", "Y")] * (N - 1) + [("X-Y", "X+Y")]``), the GHZ state |0...0> + |1...1> gives it the value
    ``sqrt(2) 2**(N - 1)``. Local models reach ``2**(N / 2)`` for even N and ``2**((N + 1) / 2)`` for odd N: for even N
    the violation is larger than that of the Mermin expression by ``sqrt(2)``. For two parties it is CHSH. Its
    coefficients are those of :func:`svetlichny`.

    Args:
        num_parties: Number of parties, from 2 to 1000.

    Returns:
        The expression; its ``known_bounds`` are attached.

    Raises:
        ScenarioError: If the number of parties is out of range.

    References:
        M. Ardehali, Phys. Rev. A 46, 5375 (1992).

    Examples:
        >>> print(ardehali(4))
        4 parties: S(4, 0) + S(3, 1) - S(2, 2) - S(1, 3) + S(0, 4)
    """
    return _svetlichny(num_parties, "M. Ardehali, Phys. Rev. A 46, 5375 (1992); hybrid: " + _SVETLICHNY)


def svetlichny(num_parties: int) -> SymmetricExpression:
    """The Svetlichny expression of N parties with two settings, a test of genuinely multipartite nonlocality.

    No *hybrid* model exceeds ``2**(N - 1)``, in which the parties form two groups, inside of which they may communicate
    (``known_bounds.hybrid``); the GHZ state exceeds it by ``sqrt(2)``. Local models reach much less, as for
    :func:`ardehali`, whose coefficients and settings are the same. So a value above the local bound shows nonlocality,
    and one above the hybrid bound that all N parties take part in it. The hybrid bound holds for every way to form two
    groups, and for mixtures of them.

    Args:
        num_parties: Number of parties, from 2 to 1000. For two parties it is CHSH.

    Returns:
        The expression; its ``known_bounds`` are attached.

    Raises:
        ScenarioError: If the number of parties is out of range.

    References:
        G. Svetlichny, Phys. Rev. D 35, 3066 (1987); M. Seevinck, G. Svetlichny, arXiv:quant-ph/0201046; D. Collins,
        N. Gisin, S. Popescu, D. Roberts, V. Scarani, arXiv:quant-ph/0201058.

    Examples:
        >>> bounds = svetlichny(60).known_bounds
        >>> bounds.hybrid / bounds.local == 2**29, round(bounds.quantum / bounds.hybrid, 4)
        (True, 1.4142)
    """
    return _svetlichny(num_parties, _SVETLICHNY)


def _svetlichny(num_parties: int, source: str) -> SymmetricExpression:
    n = whole_number(num_parties, "num_parties", ScenarioError, minimum=2, maximum=MAX_GHZ_PARTIES)
    known = KnownBounds(1 << ((n + 1) // 2), math.sqrt(2) * 2.0 ** (n - 1), 1 << n, 1 << (n - 1), source)
    return _by_number_of_ones(n, (1, 1, -1, -1), known)


def _by_number_of_ones(num_parties: int, signs: tuple[int, ...], known: KnownBounds) -> SymmetricExpression:
    """Full correlators whose coefficients depend on the number of parties with setting 1, modulo 4."""
    ones = np.arange(num_parties + 1)
    values = np.array(signs, dtype=np.float64)[ones % 4]
    types = np.stack([num_parties - ones, ones], axis=1)
    return SymmetricExpression(BellScenario([2] * num_parties, 2), types[values != 0], values[values != 0], known)
