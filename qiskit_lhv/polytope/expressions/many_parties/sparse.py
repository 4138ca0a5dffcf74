"""Bell expressions of many parties that are given by a list of their terms."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...._support.records import Record
from ...._support.types import FloatArray
from ...._support.validation import frozen, instance, is_whole_number, real_array, real_number, whole_array
from ....exceptions import ScenarioError
from ....targets.many_parties.runs import require_two_outcomes
from ....targets.scenario import BellScenario
from ...symmetry.relabelings import Relabeling
from .base import ABSENT, ManyPartyExpression, TermRows
from .known_bounds import KnownBounds
from .texts import sum_of_terms

__all__ = ["SparseExpression", "Term", "Terms"]

Term = tuple[tuple[int, int], ...]
"""A term: pairs of a party and its setting."""

Terms = Mapping[Term, float]
"""Coefficients by term; the empty term is a constant."""


@dataclass(frozen=True, eq=False, repr=False)
class SparseExpression(ManyPartyExpression, Record):
    """A Bell expression of many parties: a list of correlators with their coefficients, two outcomes per setting.

    ``BellExpression.from_terms`` makes one from a dictionary.

    Args:
        scenario: The number of settings of each party, two outcomes per setting.
        rows: Shape ``(T, N)``: the setting of each party in each term, -1 if it does not take part; no term twice.
        coefficients: Shape ``(T,)``.
        known_bounds: Bounds that are known from the literature.

    Raises:
        ScenarioError: If shapes do not fit, a setting is out of range, a term comes twice, a setting does not have two
            outcomes, or the sum of all sizes of coefficients exceeds the largest float.

    Examples:
        >>> from qiskit_lhv import BellExpression, BellScenario, local_bound
        >>> terms = {((0, 0), (1, 0)): 1, ((0, 0), (1, 1)): 1, ((0, 1), (1, 0)): 1, ((0, 1), (1, 1)): -1}
        >>> expression = BellExpression.from_terms(BellScenario([2] * 100, 2), terms)
        >>> print(expression)
        <P0.0 P1.0> + <P0.0 P1.1> + <P0.1 P1.0> - <P0.1 P1.1>
        >>> expression.rows.shape, expression.coefficients.tolist(), local_bound(expression).value
        ((4, 100), [1.0, 1.0, 1.0, -1.0], 2.0)
    """

    scenario: BellScenario
    """The number of settings of each party; every setting has two outcomes."""
    rows: TermRows
    """The terms, shape ``(T, N)``, int8, read-only: the setting of each party, -1 if it does not take part."""
    coefficients: FloatArray
    """Coefficient of each term, shape ``(T,)``, float64, read-only."""
    known_bounds: KnownBounds | None = field(default=None, compare=False)
    """Bounds that are known for the family, with their source; ``None`` if none are."""

    def __post_init__(self) -> None:
        scenario = instance(self.scenario, BellScenario, "scenario", ScenarioError)
        require_two_outcomes(scenario, ScenarioError)
        rows = whole_array(self.rows, "rows", ScenarioError, ndim=2)
        coefficients = real_array(self.coefficients, "coefficients", ScenarioError)
        if rows.shape[1] != scenario.num_parties or coefficients.shape != rows.shape[:1]:
            raise ScenarioError.bad_argument(
                "rows",
                expected=f"shape (T, {scenario.num_parties}), and one coefficient per row",
                got=f"shape {rows.shape}, and coefficients of shape {coefficients.shape}",
            )
        wrong = np.argwhere((rows < ABSENT) | (rows >= np.array(scenario.num_settings)))
        if len(wrong):
            t, k = map(int, wrong[0])
            raise ScenarioError.bad_argument(
                "rows",
                expected=f"settings 0 to {scenario.num_settings[k] - 1} of party {k}, or -1",
                got=f"{rows[t, k]} in row {t}",
            )
        rows = rows.astype(np.int8)
        if len(np.unique(rows, axis=0)) != len(rows):
            raise ScenarioError.bad_argument(
                "rows", expected="every term once", got="a term twice", remedy="Add up its coefficients."
            )
        require_finite_sum(coefficients)
        object.__setattr__(self, "rows", frozen(rows))
        object.__setattr__(self, "coefficients", coefficients)

    @classmethod
    def of_terms(cls, scenario: BellScenario, terms: Terms) -> SparseExpression:
        """The expression with these terms; see ``BellExpression.from_terms``.

        Args:
            scenario: The number of settings of each party, two outcomes per setting.
            terms: Coefficients of correlators, by tuples of pairs ``(party, setting)``; the empty tuple is a constant.

        Raises:
            ScenarioError: If a party or setting does not exist, a party comes twice in a term, or a setting does not
                have two outcomes.
        """
        scenario = instance(scenario, BellScenario, "scenario", ScenarioError, "Such as BellScenario([2] * n, 2).")
        require_two_outcomes(scenario, ScenarioError)
        instance(terms, Mapping, "terms", ScenarioError, "Such as {((0, 0), (1, 1)): 1.0}.")
        rows = np.full((len(terms), scenario.num_parties), ABSENT, dtype=np.int8)
        added: dict[bytes, float] = {}
        for t, (term, coefficient) in enumerate(terms.items()):
            for party, setting in _factors(term):
                _check_factor(term, party, setting, scenario)
                if rows[t, party] != ABSENT:
                    raise ScenarioError.bad_argument(
                        "terms",
                        expected="each party at most once in a term",
                        got=f"party {party} twice in {term}",
                        remedy="The square of an outcome is 1: leave equal factors out. Two settings of one party are "
                        "never measured together.",
                    )
                rows[t, party] = setting
            key = rows[t].tobytes()
            added[key] = added.get(key, 0.0) + real_number(coefficient, f"terms[{term}]", ScenarioError)
        kept = [(key, value) for key, value in added.items() if value]
        table = np.frombuffer(b"".join(key for key, _ in kept), dtype=np.int8).reshape(-1, scenario.num_parties)
        return cls(scenario, table, np.array([value for _, value in kept], dtype=np.float64))

    @classmethod
    def of_rows(
        cls, scenario: BellScenario, rows: TermRows, coefficients: ArrayLike, known_bounds: KnownBounds | None = None
    ) -> SparseExpression:
        """The expression with these terms, in their order; equal ones are added up, and those that cancel left out.

        Args:
            scenario: The number of settings of each party, two outcomes per setting.
            rows: Shape ``(T, N)``: the setting of each party in each term, -1 if it does not take part.
            coefficients: Shape ``(T,)``.
            known_bounds: Bounds that are known from the literature.

        Raises:
            ScenarioError: If shapes do not fit, or a setting is out of range.
        """
        unique, first, where = np.unique(np.asarray(rows), axis=0, return_index=True, return_inverse=True)
        sums = np.zeros(len(unique))
        with np.errstate(over="ignore"):
            np.add.at(sums, where.ravel(), np.asarray(coefficients, dtype=np.float64))
        order = np.argsort(first)
        kept = order[sums[order] != 0]
        return cls(scenario, unique[kept], sums[kept], known_bounds)

    def __str__(self) -> str:
        kept = np.flatnonzero(self.coefficients)
        return sum_of_terms(((self.rows[t], float(self.coefficients[t])) for t in kept), len(kept))

    def __add__(self, other: ManyPartyExpression) -> SparseExpression:
        return self._plus(other, 1.0)

    def __sub__(self, other: ManyPartyExpression) -> SparseExpression:
        return self._plus(other, -1.0)

    def _plus(self, other: ManyPartyExpression, factor: float) -> SparseExpression:
        if not isinstance(other, ManyPartyExpression):
            return NotImplemented
        if other.scenario != self.scenario:
            raise ScenarioError.bad_argument(
                "expression", expected=f"one of {self.scenario}", got=f"{other.scenario}", remedy="lift() it first."
            )
        parts = [(self.rows, self.coefficients), *((rows, factor * values) for rows, values in other.blocks())]
        rows, values = (np.concatenate(part) for part in zip(*parts, strict=True))
        return SparseExpression.of_rows(self.scenario, rows, values)

    def __mul__(self, factor: float) -> Self:
        number = real_number(factor, "factor", ScenarioError)
        known = self.known_bounds.scaled(number) if self.known_bounds else None
        with np.errstate(over="ignore"):
            coefficients = number * self.coefficients
        return type(self)(self.scenario, self.rows, coefficients, known)

    @property
    def terms(self) -> dict[Term, float]:
        """Coefficients by term: tuples of pairs ``(party, setting)``, in the order of parties."""
        return {
            tuple((int(k), int(row[k])) for k in np.flatnonzero(row != ABSENT)): float(value)
            for row, value in zip(self.rows, self.coefficients, strict=True)
        }

    @property
    def num_terms(self) -> int:
        """Number of terms with a coefficient that is not 0; a constant counts as a term."""
        return int(np.count_nonzero(self.coefficients))

    @cached_property
    def _is_constant(self) -> NDArray[np.bool_]:
        return np.all(self.rows == ABSENT, axis=1)

    @property
    def constant(self) -> float:
        """Coefficient of the term in which no party takes part."""
        return float(self.coefficients[self._is_constant].sum())

    @property
    def weight(self) -> float:
        """Sum of the sizes of all coefficients but the constant's: the algebraic bound, without the constant."""
        return float(np.abs(self.coefficients[~self._is_constant]).sum())

    @cached_property
    def _numbers(self) -> dict[bytes, int]:
        """Number of each term, by the bytes of its row."""
        return {row.tobytes(): t for t, row in enumerate(self.rows)}

    def coefficients_of(self, rows: TermRows) -> NDArray[np.float64]:
        """Returns the coefficients of terms, shape ``(T,)``; 0 for those that the expression does not have.

        Args:
            rows: Shape ``(T, N)``: the setting of each party, -1 if it does not take part.
        """
        numbers = self._numbers
        found = np.array([numbers.get(row.tobytes(), -1) for row in np.ascontiguousarray(rows, dtype=np.int8)], int)
        return np.where(found >= 0, self.coefficients[found], 0.0) if len(self.coefficients) else np.zeros(len(rows))

    def draw_terms(self, num_draws: int, rng: np.random.Generator) -> TermRows:
        """Draws terms independently, with probabilities ``abs(coefficient) / weight``; never the constant.

        Args:
            num_draws: Number of draws.
            rng: Source of randomness.

        Returns:
            The terms, shape ``(num_draws, N)``, int8.

        Raises:
            ScenarioError: If no term has a coefficient other than 0, the constant aside.
        """
        sizes = np.where(self._is_constant, 0.0, np.abs(self.coefficients))
        if not sizes.sum() > 0:
            raise ScenarioError.bad_argument("expression", expected="a term besides the constant", got="none")
        return self.rows[rng.choice(len(sizes), size=num_draws, p=sizes / sizes.sum())]

    def relabel(
        self,
        *,
        parties: Sequence[int] | None = None,
        settings: Sequence[Sequence[int]] | None = None,
        outcomes: Sequence[ArrayLike] | None = None,
    ) -> SparseExpression:
        """The expression with parties, settings and outcomes renamed; bounds do not change.

        Args:
            parties: For each party, the party whose place it takes; default: its own.
            settings: For each party, the setting (of that other party) whose place each setting takes; default: the
                same.
            outcomes: For each party, shape ``(m_k, 2)``: the new name of each outcome, by new setting; default: the
                same.

        Raises:
            ScenarioError: If these are not permutations, or parties of different sizes are exchanged.
        """
        relabeling = Relabeling.of(self.scenario, parties=parties, settings=settings, outcomes=outcomes)
        starts = np.concatenate([[0], np.cumsum(self.scenario.num_settings)])
        place, flipped = np.argsort(relabeling.source), relabeling.outcomes[:, 0] == 1
        rows, signs = np.full_like(self.rows, ABSENT), np.ones(len(self.rows))
        for k, other in enumerate(relabeling.parties()):
            present = self.rows[:, other] != ABSENT
            new = place[starts[other] + self.rows[present, other]]
            rows[present, k] = new - starts[k]
            signs[present] *= np.where(flipped[new], -1, 1)
        return SparseExpression(self.scenario, rows, signs * self.coefficients, self.known_bounds)

    def lift(self, num_parties: int, parties: Sequence[int]) -> SparseExpression:
        """The expression for more parties, of whom only some take part; the others have one setting of two outcomes.

        Local, quantum and no-signaling bounds do not change.

        Args:
            num_parties: Number of parties afterwards.
            parties: For each party, its new number, in ascending order.

        Raises:
            ScenarioError: If the parties are not distinct and in ascending order.

        References:
            S. Pironio, arXiv:1210.0194 (J. Math. Phys. 46, 062112).
        """
        chosen = list(parties) if isinstance(parties, Sequence | np.ndarray) else []
        n = self.num_parties
        valid = all(is_whole_number(k) for k in chosen) and len(chosen) == n and chosen == sorted(set(chosen))
        if not valid or not is_whole_number(num_parties) or chosen[0] < 0 or chosen[-1] >= num_parties:
            raise ScenarioError.bad_argument(
                "parties", expected=f"{n} distinct parties of {num_parties}, ascending", got=repr(parties)
            )
        sizes = np.ones(num_parties, dtype=np.int64)
        sizes[chosen] = self.scenario.num_settings
        rows = np.full((len(self.rows), num_parties), ABSENT, dtype=np.int8)
        rows[:, chosen] = self.rows
        known = self.known_bounds
        if known is not None and known.hybrid is not None and num_parties > n:
            # With parties that do not take part, all others may form one group.
            known = replace(known, hybrid=None)
        return SparseExpression(BellScenario(sizes.tolist(), 2), rows, self.coefficients, known)

    def _iterate_blocks(self) -> Iterator[tuple[TermRows, NDArray[np.float64]]]:
        kept = self.coefficients != 0
        yield self.rows[kept], self.coefficients[kept]


def require_finite_sum(coefficients: NDArray[np.float64], factor: float = 1.0) -> None:
    """Raises an error if the sum of the sizes of coefficients, times a factor, is too large to be a float.

    Raises:
        ScenarioError: If it is.
    """
    with np.errstate(over="ignore"):
        total = float(np.abs(coefficients).sum()) * factor
    if not np.isfinite(total):
        raise ScenarioError.bad_argument(
            "coefficients", expected="a sum of all sizes that is a float", got="more", remedy="Divide them."
        )


def _factors(term: Any) -> Iterator[tuple[Any, Any]]:
    """The pairs of a term.

    Raises:
        ScenarioError: If it does not consist of pairs.
    """
    pairs = tuple(term) if isinstance(term, tuple | list) else (None,)
    if not all(isinstance(pair, tuple | list) and len(pair) == 2 for pair in pairs):
        raise ScenarioError.bad_argument(
            "terms", expected="keys such as ((0, 1), (3, 0)): pairs of a party and its setting", got=repr(term)
        )
    yield from pairs


def _check_factor(term: Any, party: Any, setting: Any, scenario: BellScenario) -> None:
    n = scenario.num_parties
    if not is_whole_number(party) or not 0 <= party < n:
        raise ScenarioError.bad_argument("terms", expected=f"parties 0 to {n - 1}", got=f"{party!r} in {term}")
    if not is_whole_number(setting) or not 0 <= setting < scenario.num_settings[party]:
        raise ScenarioError.bad_argument(
            "terms",
            expected=f"settings 0 to {scenario.num_settings[party] - 1} of party {party}",
            got=f"{setting!r} in {term}",
        )
