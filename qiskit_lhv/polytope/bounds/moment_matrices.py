"""Moment matrices of the Navascues-Pironio-Acin hierarchy: which products of projectors, and which are equal.

A monomial is a product of observables ``A(x)`` with ``A A = 1`` for parties with at most two outcomes, and of
projectors ``E(a|x)``, for all outcomes but the last, for others. Operators of different parties commute, so a monomial
is one word per party. Within a word ``A A = 1`` and ``E E = E``, and two outcomes of one setting give 0. Real parts
suffice for real Bell expressions, so a word and its reverse are one moment. Every moment is between -1 and 1.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..._support.types import FloatArray, IntArray
from ..._support.validation import is_whole_number
from ...exceptions import ScenarioError
from ...targets import coordinates
from ...targets.scenario import BellScenario

__all__ = ["MomentMatrix", "parse_level"]

Letter = tuple[int, int]
"""Setting and outcome."""
Monomial = tuple[tuple[Letter, ...], ...]
"""One word per party."""

_MAX_SIZE = 120


def parse_level(level: int | str) -> tuple[int, tuple[tuple[int, ...], ...], bool]:
    """Reads a level such as 2, ``"1+AB"`` or ``"1+P"``.

    Args:
        level: A whole number, or such a number followed by ``+`` and groups of letters, the last of which may be ``P``.

    Returns:
        The number; for each group how many operators it takes from each of its parties, in descending
        order: ``(1, 1)`` for ``AB``, ``(2, 1)`` for ``AAB``; and whether all probabilities have to be positive.

    Raises:
        ScenarioError: If the level has none of these forms.
    """
    words = str(level).replace(" ", "").upper().split("+")
    positivity = len(words) > 1 and words[-1] == "P"
    if positivity:
        words.pop()
    text_or_number = isinstance(level, str) or is_whole_number(level)
    number = int(words[0]) if words[0] in set("123456789") else None
    if not text_or_number or number is None or not all(word.isalpha() for word in words[1:]):
        raise ScenarioError.bad_argument(
            "level", expected="a level of the hierarchy such as 1, '1+P', '1+AB' or 2 (at most 9)", got=repr(level)
        )
    groups = tuple(tuple(sorted(Counter(word).values(), reverse=True)) for word in words[1:])
    return number, groups, positivity


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
    row_parities: NDArray[np.bool_]
    """Shape ``(n, K)``: whether each observable of two outcomes occurs an odd number of times in a row."""
    name: str
    """The level."""
    positivity: bool
    """Whether all probabilities have to be positive, beside the matrix."""

    @classmethod
    def of(cls, scenario: BellScenario, level: int | str) -> MomentMatrix:
        """The moment matrix of a level.

        Raises:
            ScenarioError: If the level is unknown or its matrix too large.
        """
        highest, groups, positivity = parse_level(level)
        size = _num_monomials(scenario, highest, groups)
        if size > _MAX_SIZE:
            raise ScenarioError.bad_argument(
                "level",
                expected=f"a moment matrix of at most {_MAX_SIZE} rows",
                got=f"{size} rows at level {level} of {scenario}",
                remedy=_what_fits(scenario),
            )
        rows = list(_monomials(scenario, highest, groups))
        numbers: dict[Monomial, int] = {((),) * scenario.num_parties: 0}
        entries = np.empty((len(rows), len(rows)), dtype=np.int64)
        for i, left in enumerate(rows):
            for j in range(i, len(rows)):
                product = _product(left, rows[j], scenario.max_outcomes)
                number = -1 if product is None else numbers.setdefault(_smaller_of_reverses(product), len(numbers))
                entries[i, j] = entries[j, i] = number
        axes = [[(), *((letter,) for letter in coordinates.party_letters(party))] for party in scenario.num_outcomes]
        table = np.array([numbers.get(monomial, -1) for monomial in itertools.product(*axes)], dtype=np.int64)
        forms = zip(
            coordinates.full_table_from_collins_gisin_matrices(scenario),
            scenario.max_outcomes,
            scenario.num_outcomes,
            strict=True,
        )
        tables = tuple(matrix if d != 2 else _from_observables(party) for matrix, d, party in forms)
        shape = [len(axis) for axis in axes]
        name = str(level).replace(" ", "").upper()
        parities = _row_parities(rows, scenario)
        return cls(scenario, entries, len(numbers), table.reshape(shape), tables, parities, name, positivity)


def _what_fits(scenario: BellScenario) -> str:
    """The usual levels whose matrices are small enough, largest first."""
    fitting = []
    for level in ("3", "2", "1+AB+ABC", "1+AB", "1"):
        highest, groups, _ = parse_level(level)
        size = _num_monomials(scenario, highest, groups)
        if size <= _MAX_SIZE and (level != "1+AB+ABC" or scenario.num_parties > 2):
            fitting.append(f"{level} ({size} rows)")
    if not fitting:
        return "Not even level 1 fits: take fewer settings or outcomes."
    return f"What fits: {', '.join(fitting)}."


def _num_monomials(scenario: BellScenario, highest: int, groups: Iterable[tuple[int, ...]]) -> int:
    """Number of monomials of the level, computed without listing them."""
    total = 0
    for split in _lengths(scenario.num_parties, highest, groups):
        product = 1
        for party, length in zip(scenario.num_outcomes, split, strict=True):
            product *= _num_words(party, length)
        total += product
    return total


def _num_words(num_outcomes: tuple[int, ...], length: int) -> int:
    """Number of words of one party with a given length, where neighbors belong to different settings."""
    if not length:
        return 1
    # Words by the setting of their last letter.
    ending = [d - 1 for d in num_outcomes]
    for _ in range(length - 1):
        total = sum(ending)
        ending = [(d - 1) * (total - own) for d, own in zip(num_outcomes, ending, strict=True)]
    return sum(ending)


def _lengths(n: int, highest: int, groups: Iterable[tuple[int, ...]]) -> list[tuple[int, ...]]:
    """Possible lengths of the words of each of n parties, shortest first."""
    lengths: dict[tuple[int, ...], None] = {}
    for total in range(highest + 1):
        for split in itertools.product(range(total, -1, -1), repeat=n):
            if sum(split) == total:
                lengths.setdefault(split)
    for group in groups:
        for split in sorted(set(itertools.permutations(group + (0,) * (n - len(group)), n)), reverse=True):
            if len(group) <= n:
                lengths.setdefault(split)
    return list(lengths)


def _monomials(scenario: BellScenario, highest: int, groups: Iterable[tuple[int, ...]]) -> Iterable[Monomial]:
    """Monomials of the level, shortest first."""
    for split in _lengths(scenario.num_parties, highest, groups):
        yield from itertools.product(*(_words(scenario, k, length) for k, length in enumerate(split)))


def _words(scenario: BellScenario, party: int, length: int) -> list[tuple[Letter, ...]]:
    """Words of one party that no rule shortens: neighbors belong to different settings."""
    letters = coordinates.party_letters(scenario.num_outcomes[party])
    words: list[tuple[Letter, ...]] = [()]
    for _ in range(length):
        words = [(*word, letter) for word in words for letter in letters if not word or word[-1][0] != letter[0]]
    return words


def _row_parities(rows: Sequence[Monomial], scenario: BellScenario) -> NDArray[np.bool_]:
    """Whether each observable of a party with at most two outcomes occurs an odd number of times in a monomial."""
    two_outcomes = [k for k, d in enumerate(scenario.max_outcomes) if d <= 2]
    observables = [(k, letter) for k in two_outcomes for letter in coordinates.party_letters(scenario.num_outcomes[k])]
    odd = [[row[k].count(letter) % 2 == 1 for k, letter in observables] for row in rows]
    return np.array(odd, dtype=np.bool_).reshape(len(rows), len(observables))


def _product(left: Monomial, right: Monomial, num_outcomes: tuple[int, ...]) -> Monomial | None:
    """The adjoint of ``left`` times ``right``; ``None`` if it is 0."""
    words = []
    for first_word, two, d in zip(left, right, num_outcomes, strict=True):
        word: list[Letter] = []
        for letter in (*reversed(first_word), *two):
            if word and word[-1] == letter:
                if d == 2:
                    word.pop()
                continue
            if word and word[-1][0] == letter[0]:
                return None
            word.append(letter)
        words.append(tuple(word))
    return tuple(words)


def _from_observables(num_outcomes: tuple[int, ...]) -> FloatArray:
    """``p(a|x) = (1 + (-1)^a A(x)) / 2`` as a matrix, shape ``(2 m, m + 1)``; settings of one outcome have no A."""
    m = len(num_outcomes)
    matrix = coordinates.full_table_from_correlator_matrices(BellScenario((m,), (2,)))[0]
    if min(num_outcomes) == 2:
        return matrix
    for x, d in enumerate(num_outcomes):
        if d == 1:
            matrix[2 * x : 2 * x + 2, 0] = 1, 0
    kept = [0, *(1 + x for x, d in enumerate(num_outcomes) if d == 2)]
    return matrix[:, kept]


def _smaller_of_reverses(monomial: Monomial) -> Monomial:
    return min(monomial, tuple(word[::-1] for word in monomial))
