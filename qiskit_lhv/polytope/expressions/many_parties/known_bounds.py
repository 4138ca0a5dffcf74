"""Bounds of a Bell expression that are known from the literature."""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass, fields
from fractions import Fraction

from ...._support.records import Record
from ...._support.rounding import round_up
from ...._support.validation import is_whole_number
from ....exceptions import ScenarioError

__all__ = ["KnownBounds"]


@dataclass(frozen=True, eq=False, repr=False)
class KnownBounds(Record):
    """What a family of Bell expressions is known to reach: stated, with its source, not proven by this record.

    ``local_bound`` and its ``verify()`` prove local bounds. A bound that is a whole number is one, of any size; others
    are floats.

    Raises:
        ScenarioError: If a bound is not a finite number, or no source is named.

    Examples:
        >>> from qiskit_lhv.polytope import svetlichny
        >>> bounds = svetlichny(4).known_bounds
        >>> print(bounds)
        local 4, quantum 11.3137085, no-signaling 16, hybrid 8 (Seevinck, Svetlichny, arXiv:quant-ph/0201046; ...)
        >>> round(bounds.quantum / bounds.local, 6), bounds.hybrid
        (2.828427, 8)
    """

    local: float | None = None
    """The largest value of a local model, which one reaches; ``None`` if none is known."""
    quantum: float | None = None
    """The largest value of a quantum state, which one reaches; ``None`` if none is known."""
    no_signaling: float | None = None
    """The largest value of a no-signaling behavior, which one reaches; ``None`` if none is known."""
    hybrid: float | None = None
    """The largest value of models in which the parties form two groups, inside of which anything may be shared, also
    communication: a larger value is genuinely multipartite. ``None`` if none is known."""
    source: str = ""
    """Where the bounds are proven."""

    def __post_init__(self) -> None:
        for field in fields(self)[:4]:
            value = getattr(self, field.name)
            if value is not None and not is_whole_number(value) and not math.isfinite(float(value)):
                raise ScenarioError.bad_argument(field.name, expected="a finite number or None", got=f"{value}")
        if not self.source:
            raise ScenarioError.bad_argument("source", expected="where the bounds are proven", got="nothing")

    def __str__(self) -> str:
        known = [(field.name, getattr(self, field.name)) for field in fields(self)[:4]]
        text = ", ".join(f"{name.replace('_', '-')} {value:.9g}" for name, value in known if value is not None)
        return f"{text} ({self.source})"

    def scaled(self, factor: float) -> KnownBounds | None:
        """The bounds of the expression times a factor; ``None`` if the factor is not positive: nothing is known.

        Args:
            factor: The number that the expression is multiplied by.
        """
        if not factor > 0:
            return None
        exact = Fraction(factor)

        def product(value: float | None) -> float | None:
            if value is None:
                return None
            number = exact * Fraction(value)
            if abs(number) > sys.float_info.max:
                return None
            return int(number) if number.denominator == 1 else round_up(number)

        return KnownBounds(
            local=product(self.local),
            quantum=product(self.quantum),
            no_signaling=product(self.no_signaling),
            hybrid=product(self.hybrid),
            source=self.source,
        )
