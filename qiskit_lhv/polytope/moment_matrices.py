"""Moment matrices of the Navascues-Pironio-Acin hierarchy: which products of projectors, and which are equal.

A monomial is a product of observables ``A(x)`` with ``A A = 1`` for parties with two outcomes, and of projectors
``E(a|x)``, for all outcomes but the last, for others. Operators of different parties commute, so a monomial is one
word per party. Within a word ``A A = 1`` and ``E E = E``, and two outcomes of one setting give 0. Real parts suffice
for real Bell expressions, so a word and its reverse are one moment. Every moment is between -1 and 1.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .._validation import is_whole_number
from ..exceptions import ScenarioError
from ..targets import coordinates
from ..targets.scenario import BellScenario

__all__ = ["MomentMatrix", "parse_level"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
Letter = tuple[int, int]
"""Setting and outcome."""
Monomial = tuple[tuple[Letter, ...], ...]
"""One word per party."""

_MAX_SIZE = 120


def parse_level(level: int | str) -> tuple[int, tuple[tuple[int, ...], ...]]:
    """Reads a level such as 2 or ``"1+AB"``.

    Args:
        level: A whole number, or such a number followed by ``+`` and groups of letters.

    Returns:
        The number, and for each group how many operators it takes from each of its parties, in descending
        order: ``(1, 1)`` for ``AB``, ``(2, 1)`` for ``AAB``.

    Raises:
        ScenarioError: If it is none of these.
    """
    words = str(level).replace(" ", "").upper().split("+")
    text_or_number = isinstance(level, str) or is_whole_number(level)
    number = int(words[0]) if words[0] in set("123456789") else None
    if not text_or_number or number is None or not all(word.isalpha() for word in words[1:]):
        raise ScenarioError.bad_argument(
            "level", expected="a level of the hierarchy such as 1, '1+AB' or 2 (at most 9)", got=repr(level)
        )
    groups = tuple(tuple(sorted(Counter(word).values(), reverse=True)) for word in words[1:])
    return number, groups


@dataclass(frozen=True)
class MomentMatrix:
    """The entries of a moment matrix as numbers of moments."""

    scenario: BellScenario
    """The scenario."""
    entries: IntArray
    """Shape ``(n, n)``: the moment in each place; 0 is that of the identity, which is 1; -1 stands for 0."""
    num_moments: int
    """Number of moments, the identity's included."""
    behavior: IntArray
    """Shape ``(m_1 (d_1 - 1) + 1, ...)``: the moments that make up the behavior; -1: not in the matrix."""
    tables: tuple[FloatArray, ...]
    """For each party the matrix from its axis of ``behavior`` to its part of the table of probabilities."""
    name: str
    """The level."""

    @classmethod
    def of(cls, scenario: BellScenario, level: int | str) -> MomentMatrix:
        """The moment matrix of a level.

        Raises:
            ScenarioError: If the level is unknown or its matrix too large.
        """
        highest, groups = parse_level(level)
        monomials: dict[Monomial, None] = {}
        for monomial in _monomials(scenario, highest, groups):
            monomials.setdefault(monomial)
            if len(monomials) > _MAX_SIZE:
                raise ScenarioError.bad_argument(
                    "level",
                    expected=f"a moment matrix of at most {_MAX_SIZE} rows",
                    got=f"more at level {level} of {scenario}",
                    remedy="Take a lower level, or fewer settings or outcomes.",
                )
        rows = list(monomials)
        numbers: dict[Monomial, int] = {((),) * scenario.num_parties: 0}
        entries = np.empty((len(rows), len(rows)), dtype=np.int64)
        for i, left in enumerate(rows):
            for j in range(i, len(rows)):
                product = _product(left, rows[j], scenario.num_outcomes)
                number = -1 if product is None else numbers.setdefault(_smaller_of_reverses(product), len(numbers))
                entries[i, j] = entries[j, i] = number
        axes = [
            [(), *(((x, a),) for x in range(m) for a in range(d - 1))]
            for m, d in zip(scenario.num_settings, scenario.num_outcomes, strict=True)
        ]
        table = np.array([numbers.get(monomial, -1) for monomial in itertools.product(*axes)], dtype=np.int64)
        forms = zip(
            coordinates.full_table_from_collins_gisin_matrices(scenario),
            scenario.num_outcomes,
            scenario.num_settings,
            strict=True,
        )
        tables = tuple(matrix if d > 2 else _from_observables(m) for matrix, d, m in forms)
        shape = [len(axis) for axis in axes]
        return cls(scenario, entries, len(numbers), table.reshape(shape), tables, str(level).replace(" ", "").upper())


def _monomials(scenario: BellScenario, highest: int, groups: Iterable[tuple[int, ...]]) -> Iterable[Monomial]:
    """Monomials of the level, shortest first."""
    n = scenario.num_parties
    lengths: dict[tuple[int, ...], None] = {}
    for total in range(highest + 1):
        for split in itertools.product(range(total, -1, -1), repeat=n):
            if sum(split) == total:
                lengths.setdefault(split)
    for group in groups:
        for split in sorted(set(itertools.permutations(group + (0,) * (n - len(group)), n)), reverse=True):
            if len(group) <= n:
                lengths.setdefault(split)
    for split in lengths:
        yield from itertools.product(*(_words(scenario, k, length) for k, length in enumerate(split)))


def _words(scenario: BellScenario, party: int, length: int) -> list[tuple[Letter, ...]]:
    """Words of one party that no rule shortens: neighbors belong to different settings."""
    letters = [(x, a) for x in range(scenario.num_settings[party]) for a in range(scenario.num_outcomes[party] - 1)]
    words: list[tuple[Letter, ...]] = [()]
    for _ in range(length):
        words = [(*word, letter) for word in words for letter in letters if not word or word[-1][0] != letter[0]]
    return words


def _product(left: Monomial, right: Monomial, num_outcomes: tuple[int, ...]) -> Monomial | None:
    """The adjoint of ``left`` times ``right``; ``None`` if it is 0."""
    words = []
    for one, two, d in zip(left, right, num_outcomes, strict=True):
        word: list[Letter] = []
        for letter in (*reversed(one), *two):
            if word and word[-1] == letter:
                if d == 2:
                    word.pop()
                continue
            if word and word[-1][0] == letter[0]:
                return None
            word.append(letter)
        words.append(tuple(word))
    return tuple(words)


def _from_observables(num_settings: int) -> FloatArray:
    """``p(a|x) = (1 + (-1)^a A(x)) / 2`` as a matrix, shape ``(2 m, m + 1)``."""
    return coordinates.full_table_from_correlator_matrices(BellScenario((num_settings,), (2,)))[0]


def _smaller_of_reverses(monomial: Monomial) -> Monomial:
    return min(monomial, tuple(word[::-1] for word in monomial))
