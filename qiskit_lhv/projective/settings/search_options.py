"""Options of the search for settings: its method, the number of starts and the shape of the sets."""

from __future__ import annotations

from dataclasses import dataclass

from ..._support.validation import truth_value, whole_number
from ...exceptions import ScenarioError

__all__ = ["SettingsSearch"]

_METHODS = ("ascent", "gradient", "regular")


@dataclass(frozen=True)
class SettingsSearch:
    """Options with which :func:`optimize_settings` searches for settings.

    Raises:
        ScenarioError: If the method is unknown or the number of starts is below 1.

    Examples:
        >>> from qiskit_lhv import optimize_settings, werner_state
        >>> from qiskit_lhv.polytope import chained
        >>> search = SettingsSearch(num_starts=20)
        >>> found = optimize_settings(werner_state(1), expression=chained(3), search=search, seed=1)
        >>> round(found.value, 6)  # 6 cos(pi / 6)
        5.196152
    """

    method: str = "ascent"
    """``"ascent"``, party by party; ``"gradient"``: L-BFGS in all Bloch vectors at once (JAX, which takes some seconds
    to compile for each number of settings); or ``"regular"``: equally spaced axes of a plane and axes with the symmetry
    of the octahedron (3, 4, 6, 7, 9, 10 or 13) or icosahedron (6, 10, 16), improved for one inequality only: for many
    settings of more than two parties, where the symmetry makes the polytope small."""
    num_starts: int = 100
    """Number of random starts: with an expression, all of them are followed at once; without, a tenth of them, beside
    those that are known."""
    coplanar: bool = False
    """Whether the settings of each party lie in one plane, whichever is best. For two settings per party that is no
    restriction; for more, gradients are followed."""

    def __post_init__(self) -> None:
        if not isinstance(self.method, str) or self.method not in _METHODS:
            raise ScenarioError.bad_argument(
                "method", expected="'ascent', 'gradient' or 'regular'", got=repr(self.method)
            )
        whole_number(self.num_starts, "num_starts", ScenarioError)
        truth_value(self.coplanar, "coplanar", ScenarioError)
