"""Bell expressions of chains that are the same everywhere: a few terms, repeated from site to site."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from ...._support.records import Record
from ...._support.types import FloatArray
from ...._support.validation import (
    frozen,
    instance,
    is_whole_number,
    real_array,
    real_number,
    truth_value,
    whole_array,
    whole_number,
)
from ....exceptions import ScenarioError
from ....targets.many_parties.runs import require_two_outcomes
from ....targets.scenario import BellScenario
from .base import ABSENT, TermRows
from .implicit import ImplicitExpression
from .known_bounds import KnownBounds
from .sparse import SparseExpression, Terms, require_finite_sum

__all__ = ["ChainExpression", "translation_invariant_chain"]


@dataclass(frozen=True, eq=False, repr=False)
class ChainExpression(ImplicitExpression, Record):
    """A Bell expression of a chain that repeats the same terms from site to site, in a ring or between two ends.

    :func:`translation_invariant_chain` makes one from a dictionary.

    Args:
        scenario: The same number of settings of each party, two outcomes per setting.
        pattern: Shape ``(T, R)``: the terms that begin at a site: the settings of the site and its R - 1 right
            neighbors, -1 if one does not take part. The site itself always does.
        coefficients: Shape ``(T,)``.
        periodic: Whether the last site is a neighbor of the first.
        known_bounds: Bounds that are known from the literature.

    Raises:
        ScenarioError: If shapes do not fit, a term comes twice or does not begin at its site, the chain is shorter than
            R sites, or 2 R - 1 sites for a ring, or the sum of all sizes of coefficients exceeds the largest float.

    References:
        Z. Wang, S. Singh, M. Navascues, Phys. Rev. Lett. 118, 230401 (2017), arXiv:1608.03485.

    Examples:
        >>> from qiskit_lhv import local_bound
        >>> from qiskit_lhv.polytope import translation_invariant_chain
        >>> chain = translation_invariant_chain({((0, 0), (1, 0)): -1, ((0, 1), (2, 1)): -1}, 9)
        >>> print(chain)
        ring of 9 parties, at each site: - <A0 B0> - <A1 C1>
        >>> chain.num_terms, chain.weight, local_bound(chain).value
        (18, 18.0, 14.0)
    """

    scenario: BellScenario
    """The number of settings of each party; every setting has two outcomes."""
    pattern: TermRows
    """The terms that begin at a site, shape ``(T, R)``, int8, read-only."""
    coefficients: FloatArray
    """Coefficient of each term of the pattern, shape ``(T,)``, float64, read-only."""
    periodic: bool
    """Whether the last site is a neighbor of the first."""
    known_bounds: KnownBounds | None = field(default=None, compare=False)
    """Bounds that are known for the family, with their source; ``None`` if none are."""

    def __post_init__(self) -> None:
        scenario = instance(self.scenario, BellScenario, "scenario", ScenarioError)
        require_two_outcomes(scenario, ScenarioError)
        pattern = whole_array(self.pattern, "pattern", ScenarioError, ndim=2)
        coefficients = real_array(self.coefficients, "coefficients", ScenarioError)
        truth_value(self.periodic, "periodic", ScenarioError)
        m, n, reach = max(scenario.num_settings), scenario.num_parties, pattern.shape[1]
        if len(set(scenario.num_settings)) != 1 or coefficients.shape != pattern.shape[:1]:
            raise ScenarioError.bad_argument(
                "pattern", expected="as many settings of every party, and one coefficient per term", got="others"
            )
        if not reach or pattern.min(initial=0) < ABSENT or pattern.max(initial=0) >= m or np.any(pattern[:, 0] < 0):
            raise ScenarioError.bad_argument(
                "pattern", expected=f"settings 0 to {m - 1}, or -1 except for the first site", got="others"
            )
        if len(np.unique(pattern, axis=0)) != len(pattern):
            raise ScenarioError.bad_argument("pattern", expected="every term once", got="a term twice")
        least = 2 * reach - 1 if self.periodic else reach
        if n < least:
            # In a shorter ring, a term may meet its own end.
            where = "ring" if self.periodic else "chain"
            raise ScenarioError.bad_argument(
                "num_parties",
                expected=f"at least {least} for a {where} with terms of {reach} neighbors",
                got=f"{n}",
            )
        require_finite_sum(coefficients, factor=n)
        object.__setattr__(self, "pattern", frozen(pattern.astype(np.int8)))
        object.__setattr__(self, "coefficients", coefficients)

    def __str__(self) -> str:
        unit = SparseExpression(
            BellScenario([self.scenario.num_settings[0]] * self.pattern.shape[1], 2), self.pattern, self.coefficients
        )
        return f"{'ring' if self.periodic else 'chain'} of {self.num_parties} parties, at each site: {unit}"

    @cached_property
    def _num_places(self) -> NDArray[np.int64]:
        """The number of sites at which each term of the pattern can begin; 0 for those with coefficient 0."""
        ends = self.pattern.shape[1] - np.argmax(self.pattern[:, ::-1] != ABSENT, axis=1)
        places = np.full(len(self.pattern), self.num_parties) if self.periodic else self.num_parties - ends + 1
        return np.where(self.coefficients != 0, places, 0)

    @property
    def num_terms(self) -> int:
        """Number of terms with a coefficient that is not 0."""
        return int(self._num_places.sum())

    @property
    def constant(self) -> float:
        """Coefficient of the term in which no party takes part: 0."""
        return 0.0

    @property
    def weight(self) -> float:
        """Sum of the sizes of all coefficients: the algebraic bound."""
        return float(np.dot(np.abs(self.coefficients), self._num_places))

    def coefficients_of(self, rows: TermRows) -> NDArray[np.float64]:
        """Returns the coefficients of terms, shape ``(T,)``; 0 for those that the expression does not have.

        Args:
            rows: Shape ``(T, N)``: the setting of each party, -1 if it does not take part.
        """
        table = np.asarray(rows, dtype=np.int8)
        found = np.zeros(len(table))
        for term, value, places in zip(self.pattern, self.coefficients.tolist(), self._num_places, strict=True):
            offsets = np.flatnonzero(term != ABSENT)
            # The parties that take part, as offsets to one of them, tell where the term begins.
            candidates = np.flatnonzero(np.count_nonzero(table != ABSENT, axis=1) == len(offsets))
            if not len(candidates) or not places:
                continue
            agreeing = np.ones((len(candidates), int(places)), dtype=bool)
            for offset in offsets:
                columns = (np.arange(int(places)) + offset) % self.num_parties
                agreeing &= table[candidates][:, columns] == term[offset]
            found[candidates] += value * agreeing.any(axis=1)
        return found

    def draw_terms(self, num_draws: int, rng: np.random.Generator) -> TermRows:
        """Draws terms independently, with probabilities ``abs(coefficient) / weight``.

        Args:
            num_draws: Number of draws.
            rng: Source of randomness.

        Returns:
            The terms, shape ``(num_draws, N)``, int8.

        Raises:
            ScenarioError: If no term has a coefficient other than 0, the constant aside.
        """
        if not self.weight > 0:
            raise ScenarioError.bad_argument(
                "expression", expected="a term with a coefficient other than 0", got="none"
            )
        sizes = np.abs(self.coefficients) * self._num_places
        drawn = rng.choice(len(sizes), size=num_draws, p=sizes / sizes.sum())
        return self._placed(drawn, rng.integers(0, self._num_places[drawn]))

    def _placed(self, terms: NDArray[np.int64], starts: NDArray[np.int64]) -> TermRows:
        """Terms of the pattern that begin at some sites, shape ``(T, N)``."""
        rows = np.full((len(terms), self.num_parties), ABSENT, dtype=np.int8)
        for offset in range(self.pattern.shape[1]):
            settings = self.pattern[terms, offset]
            present = np.flatnonzero(settings != ABSENT)
            rows[present, (starts[present] + offset) % self.num_parties] = settings[present]
        return rows

    def _iterate_blocks(self) -> Iterator[tuple[TermRows, NDArray[np.float64]]]:
        for number, places in enumerate(self._num_places.tolist()):
            if places:
                rows = self._placed(np.full(places, number), np.arange(places))
                yield rows, np.full(places, self.coefficients[number])

    def __mul__(self, factor: float) -> Self:
        number = real_number(factor, "factor", ScenarioError)
        known = self.known_bounds.scaled(number) if self.known_bounds else None
        with np.errstate(over="ignore"):
            coefficients = number * self.coefficients
        return type(self)(self.scenario, self.pattern, coefficients, self.periodic, known)


def translation_invariant_chain(
    terms: Terms, num_parties: int, *, num_settings: int = 2, periodic: bool = True
) -> ChainExpression:
    """A chain of parties whose Bell expression is the same at every site.

    Args:
        terms: Coefficients of the correlators that begin at a site. The key is a tuple of pairs ``(distance,
            setting)``, where distance 0 is the site and 1 its right neighbor: ``{((0, 0), (1, 1)): 0.5}``. Terms that
            begin at a larger distance are moved to their site.
        num_parties: Number of parties.
        num_settings: Number of settings of each party.
        periodic: Whether the last site is a neighbor of the first.

    Returns:
        The expression, whose terms are never listed for long chains.

    Raises:
        ScenarioError: If a term is not of this form or empty, a setting does not exist, or there are too few parties.

    References:
        Z. Wang, S. Singh, M. Navascues, arXiv:1608.03485; M. Hu, J. Tura, arXiv:2208.02798.

    Examples:
        >>> chain = translation_invariant_chain({((0, 0), (1, 0)): -1, ((0, 1), (2, 1)): 0.5}, 1000)
        >>> chain.num_terms, chain.weight
        (2000, 1500.0)
        >>> print(chain)
        ring of 1000 parties, at each site: - <A0 B0> + 0.5<A1 C1>
    """
    n = whole_number(num_parties, "num_parties", ScenarioError)
    m = whole_number(num_settings, "num_settings", ScenarioError)
    distances = [distance for term in instance(terms, dict, "terms", ScenarioError) for distance, _ in _pairs(term)]
    reach = 1 + max(distances, default=0)
    if not distances or reach > n:
        raise ScenarioError.bad_argument(
            "terms", expected=f"correlators of at most {n} neighbors", got=f"{reach}" if distances else "none"
        )
    unit = SparseExpression.of_terms(BellScenario([m] * reach, 2), terms)
    begins = np.argmax(unit.rows != ABSENT, axis=1)
    if np.any(np.all(unit.rows == ABSENT, axis=1)):
        raise ScenarioError.bad_argument("terms", expected="terms in which a party takes part", got="a constant")
    rolled = [np.roll(row, -b) for row, b in zip(unit.rows, begins, strict=True)]
    # No row is left if all coefficients are 0.
    moved = np.array(rolled, dtype=np.int8).reshape(unit.rows.shape)
    pattern = SparseExpression.of_rows(unit.scenario, moved, unit.coefficients)
    width = 1 + int(np.flatnonzero(np.any(pattern.rows != ABSENT, axis=0)).max(initial=0))
    return ChainExpression(BellScenario([m] * n, 2), pattern.rows[:, :width], pattern.coefficients, periodic=periodic)


def _pairs(term: Any) -> list[tuple[int, int]]:
    """The pairs of a term.

    Raises:
        ScenarioError: If it does not consist of pairs that begin with a distance.
    """
    pairs: list[Any] = list(term) if isinstance(term, tuple | list) else [None]
    if not all(isinstance(p, tuple | list) and len(p) == 2 and is_whole_number(p[0]) and p[0] >= 0 for p in pairs):
        raise ScenarioError.bad_argument(
            "terms", expected="keys such as ((0, 1), (2, 0)): pairs of a distance and a setting", got=repr(term)
        )
    return pairs
