"""Bell expressions that do not change when parties are exchanged."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property
from typing import Self

import numpy as np
from numpy.typing import NDArray

from ...._support.records import Record
from ...._support.types import FloatArray, IntArray
from ...._support.validation import instance, real_array, real_number, whole_array
from ....exceptions import ScenarioError
from ....targets.many_parties.runs import require_two_outcomes
from ....targets.scenario import BellScenario
from .base import ABSENT, ManyPartyExpression, TermRows
from .implicit import ImplicitExpression
from .known_bounds import KnownBounds
from .texts import MAX_SHOWN, signed

__all__ = ["SymmetricExpression"]


@dataclass(frozen=True, eq=False, repr=False)
class SymmetricExpression(ImplicitExpression, Record):
    """A Bell expression of many parties that does not change when parties are exchanged.

    All correlators of a type have the same coefficient. The type of a correlator says how many parties measure each
    setting. The number of terms may be astronomical: the Mermin expression of 200 parties has 2**199 of them, in 101
    types.

    Args:
        scenario: The same number m of settings of each party, two outcomes per setting.
        types: Shape ``(K, m)``: how many parties have each setting; no type twice.
        coefficients: Shape ``(K,)``: the coefficient of each correlator of the type.
        known_bounds: Bounds that are known from the literature.

    Raises:
        ScenarioError: If parties have different numbers of settings, a type does not fit or comes twice, or the sum of
            all coefficients exceeds the largest float.

    References:
        J. Tura, R. Augusiak, A. B. Sainz, T. Vertesi, M. Lewenstein, A. Acin, Science 344, 1256 (2014),
        arXiv:1306.6860.

    Examples:
        >>> from qiskit_lhv import BellScenario
        >>> expression = SymmetricExpression(BellScenario([2] * 50, 2), [[2, 0], [1, 1]], [0.5, -1])
        >>> expression.num_terms, expression.weight
        (3675, 3062.5)
    """

    scenario: BellScenario
    """The number of settings of each party; every setting has two outcomes."""
    types: IntArray
    """Shape ``(K, m)``, int64, read-only: how many parties have each setting in the terms of each type."""
    coefficients: FloatArray
    """Coefficient of every term of each type, shape ``(K,)``, float64, read-only."""
    known_bounds: KnownBounds | None = field(default=None, compare=False)
    """Bounds that are known for the family, with their source; ``None`` if none are."""

    def __post_init__(self) -> None:
        scenario = instance(self.scenario, BellScenario, "scenario", ScenarioError)
        require_two_outcomes(scenario, ScenarioError)
        if len(set(scenario.num_settings)) != 1:
            raise ScenarioError.bad_argument(
                "scenario", expected="the same number of settings of every party", got=f"{scenario.num_settings}"
            )
        types = whole_array(self.types, "types", ScenarioError, ndim=2)
        coefficients = real_array(self.coefficients, "coefficients", ScenarioError)
        m, n = scenario.num_settings[0], scenario.num_parties
        if types.shape[1] != m or coefficients.shape != types.shape[:1]:
            raise ScenarioError.bad_argument(
                "types",
                expected=f"shape (K, {m}), and one coefficient per type",
                got=f"shape {types.shape}, and coefficients of shape {coefficients.shape}",
            )
        if len(types) and (types.min() < 0 or types.sum(axis=1).max() > n or types.max() > n):
            raise ScenarioError.bad_argument(
                "types", expected=f"numbers of parties that add up to at most {n}", got="others"
            )
        if len(np.unique(types, axis=0)) != len(types):
            raise ScenarioError.bad_argument("types", expected="every type once", got="a type twice")
        object.__setattr__(self, "types", types)
        object.__setattr__(self, "coefficients", coefficients)
        try:
            float(sum(self._weights, Fraction(0)))
        except OverflowError as exc:
            raise ScenarioError.bad_argument(
                "coefficients", expected="a sum of all sizes that is a float", got="more", remedy="Divide them."
            ) from exc

    def __str__(self) -> str:
        names = [f"S({', '.join(map(str, row))})" if any(row) else "" for row in self.types.tolist()]
        terms = [signed(value, name) for value, name in zip(self.coefficients.tolist(), names, strict=True) if value]
        more = f" + {len(terms) - MAX_SHOWN} more types" if len(terms) > MAX_SHOWN else ""
        text = (" ".join(terms[:MAX_SHOWN]) + more).removeprefix("+ ") or "0"
        return f"{self.num_parties} parties: {text}"

    @cached_property
    def multiplicities(self) -> tuple[int, ...]:
        """The number of terms of each type, exactly."""
        n = self.num_parties
        counts = []
        for row in self.types.tolist():
            left, number = n, 1
            for k in row:
                number *= math.comb(left, k)
                left -= k
            counts.append(number)
        return tuple(counts)

    @cached_property
    def _weights(self) -> tuple[Fraction, ...]:
        """The sum of the sizes of each type's coefficients, exactly; 0 for the constant."""
        rows: list[list[int]] = self.types.tolist()
        parts = zip(rows, self.coefficients.tolist(), self.multiplicities, strict=True)
        return tuple(abs(Fraction(value)) * (number if any(row) else 0) for row, value, number in parts)

    @property
    def num_terms(self) -> int:
        """Number of terms with a coefficient that is not 0; a constant counts as a term."""
        return sum(n for n, value in zip(self.multiplicities, self.coefficients.tolist(), strict=True) if value)

    @property
    def constant(self) -> float:
        """Coefficient of the term in which no party takes part."""
        return float(self.coefficients[~self.types.any(axis=1)].sum())

    @property
    def weight(self) -> float:
        """Sum of the sizes of all coefficients but the constant's: the algebraic bound, without the constant."""
        return float(sum(self._weights, Fraction(0)))

    @cached_property
    def _numbers(self) -> dict[tuple[int, ...], int]:
        return {tuple(row): t for t, row in enumerate(self.types.tolist())}

    def coefficients_of(self, rows: TermRows) -> NDArray[np.float64]:
        """Returns the coefficients of terms, shape ``(T,)``; 0 for those that the expression does not have.

        Args:
            rows: Shape ``(T, N)``: the setting of each party, -1 if it does not take part.
        """
        table = np.asarray(rows)
        counts = np.stack([np.count_nonzero(table == x, axis=1) for x in range(self.types.shape[1])], axis=1)
        numbers = np.array([self._numbers.get(tuple(row), -1) for row in counts.tolist()], dtype=np.int64)
        values = np.append(self.coefficients, 0.0)
        known = np.all((table >= ABSENT) & (table < self.types.shape[1]), axis=1)
        return np.where(known, values[numbers], 0.0)

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
        total = sum(self._weights, Fraction(0))
        if not total > 0:
            raise ScenarioError.bad_argument("expression", expected="a term besides the constant", got="none")
        probabilities = np.array([float(part / total) for part in self._weights])
        drawn = rng.choice(len(probabilities), size=num_draws, p=probabilities / probabilities.sum())
        # One term of each type; which parties have which setting is a random permutation.
        settings = np.append(np.arange(self.types.shape[1]), ABSENT).astype(np.int8)
        absent = self.num_parties - self.types.sum(axis=1)
        first = np.stack([np.repeat(settings, [*row, a]) for row, a in zip(self.types, absent, strict=True)])
        return rng.permuted(first[drawn], axis=1)

    def _iterate_blocks(self) -> Iterator[tuple[TermRows, NDArray[np.float64]]]:
        for row, value in zip(self.types.tolist(), self.coefficients.tolist(), strict=True):
            if value:
                rows = _placements(self.num_parties, row)
                yield rows, np.full(len(rows), value)

    def __add__(self, other: ManyPartyExpression) -> ManyPartyExpression:
        if not isinstance(other, SymmetricExpression) or other.scenario != self.scenario:
            return super().__add__(other)
        types, where = np.unique(np.concatenate([self.types, other.types]), axis=0, return_inverse=True)
        sums = np.zeros(len(types))
        np.add.at(sums, where.ravel(), np.concatenate([self.coefficients, other.coefficients]))
        return SymmetricExpression(self.scenario, types[sums != 0], sums[sums != 0])

    def __sub__(self, other: ManyPartyExpression) -> ManyPartyExpression:
        if not isinstance(other, SymmetricExpression):
            return super().__sub__(other)
        return self + -other

    def __mul__(self, factor: float) -> Self:
        number = real_number(factor, "factor", ScenarioError)
        known = self.known_bounds.scaled(number) if self.known_bounds else None
        with np.errstate(over="ignore"):
            coefficients = number * self.coefficients
        return type(self)(self.scenario, self.types, coefficients, known)


def _placements(num_parties: int, counts: list[int]) -> TermRows:
    """All ways to give ``counts[x]`` of the parties setting x, shape ``(T, N)``."""
    rows = np.full((1, num_parties), ABSENT, dtype=np.int8)
    free = np.arange(num_parties, dtype=np.int32)[None]
    present = [(x, k) for x, k in enumerate(counts) if k]
    for number, (x, k) in enumerate(present):
        left = free.shape[1]
        picks = np.array(list(itertools.combinations(range(left), k)), dtype=np.int32)
        rows = np.repeat(rows, len(picks), axis=0)
        chosen = free[:, picks].reshape(len(rows), k).astype(np.int64)
        np.put_along_axis(rows, chosen, np.int8(x), axis=1)
        if number == len(present) - 1:
            # Which parties are left does not matter any more, and would take more memory than all terms.
            break
        others = np.ones((len(picks), left), dtype=bool)
        np.put_along_axis(others, picks.astype(np.int64), False, axis=1)
        rest = np.broadcast_to(np.arange(left, dtype=np.int32), others.shape)[others].reshape(len(picks), left - k)
        free = free[:, rest].reshape(len(rows), left - k)
    return rows
