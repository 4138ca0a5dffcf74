"""Rows that say which setting each party has in a term: their check, and terms drawn at random."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..._support.validation import frozen, generator, instance, whole_array, whole_number, whole_numbers
from ...exceptions import CountsError, ScenarioError
from ..scenario import BellScenario
from .runs import ABSENT, require_two_outcomes

__all__ = ["check_term_rows", "check_two_outcomes", "no_two_measured_together", "random_terms"]

# Rounds of as many draws as terms are wanted, before a scenario counts as having too few.
_ROUNDS = 50
_PAIRS_AT_ONCE = 1 << 22


def check_two_outcomes(scenario: Any) -> BellScenario:
    """Returns a scenario after checking that every setting has two outcomes.

    Raises:
        ScenarioError: If not, or if a party has more settings than a row can hold.
    """
    scenario = instance(scenario, BellScenario, "scenario", ScenarioError, "Such as BellScenario([2] * n, 2).")
    require_two_outcomes(scenario, ScenarioError)
    return scenario


def check_term_rows(rows: Any, scenario: BellScenario) -> NDArray[np.int8]:
    """Returns terms as int8, shape ``(T, N)``, read-only, after checking them.

    Args:
        rows: The setting of each party in each term, -1 if it does not take part.
        scenario: The scenario.

    Raises:
        CountsError: If the shape does not fit, a setting is out of range, a term has no party, or comes twice.
    """
    array = whole_array(rows, "rows", CountsError)
    n = scenario.num_parties
    if array.ndim != 2 or array.shape[1] != n or not len(array):
        raise CountsError.bad_argument("rows", expected=f"shape (T, {n}), at least one row", got=f"shape {array.shape}")
    wrong = np.argwhere((array < ABSENT) | (array >= np.array(scenario.num_settings)))
    if len(wrong):
        t, k = map(int, wrong[0])
        raise CountsError.bad_argument(
            "rows",
            expected=f"settings 0 to {scenario.num_settings[k] - 1} of party {k}, or -1",
            got=f"{array[t, k]} in row {t}",
        )
    empty = np.flatnonzero(np.all(array == ABSENT, axis=1))
    if len(empty):
        raise CountsError.bad_argument(
            "rows", expected="at least one party in every term", got=f"none in row {empty[0]}", remedy="Leave it out."
        )
    if len(np.unique(array, axis=0)) != len(array):
        raise CountsError.bad_argument(
            "rows", expected="every term once", got="a term twice", remedy="Pool its shots, or average its values."
        )
    return frozen(array.astype(np.int8))


def no_two_measured_together(rows: NDArray[np.int8]) -> bool:
    """Whether any two terms have a party that takes part in both with different settings.

    No shot then belongs to two terms, so that their estimates are independent.

    Args:
        rows: Terms, shape ``(T, N)``.
    """
    present = (rows != ABSENT).astype(np.float32)
    columns = [(k, x) for k in range(rows.shape[1]) for x in range(int(rows[:, k].max()) + 1)]
    equal = np.stack([(rows[:, k] == x) for k, x in columns], axis=1).astype(np.float32)
    step = max(1, _PAIRS_AT_ONCE // len(rows))
    for start in range(0, len(rows), step):
        own = slice(start, start + step)
        # Sums of at most N ones are exact.
        differing = present[own] @ present.T - equal[own] @ equal.T
        differing[np.arange(len(differing)), np.arange(start, start + len(differing))] = 1
        if differing.min() < 0.5:
            return False
    return True


def random_terms(
    scenario: BellScenario, num_terms: int, num_parties: int | Iterable[int], *, seed: int | None = None
) -> NDArray[np.int8]:
    """Returns different random terms of a scenario, evenly drawn.

    For each term the number of its parties is drawn from those given, then the parties, then their settings, all
    evenly; a term that was drawn before is drawn again.

    Args:
        scenario: The number of settings of each party, two outcomes per setting.
        num_terms: Number of terms.
        num_parties: How many parties take part in a term: a number, or several of which one is drawn for each term.
        seed: Seed, or ``None``.

    Returns:
        The setting of each party in each term, shape ``(num_terms, N)``, int8; -1 for parties that do not take part.

    Raises:
        ScenarioError: If a number is out of range, or there are too few different terms.

    Examples:
        >>> random_terms(BellScenario([2] * 5, 2), 3, [2, 3], seed=1).tolist()
        [[1, -1, 0, -1, -1], [1, -1, 0, -1, 0], [0, -1, 0, -1, 1]]
    """
    scenario = check_two_outcomes(scenario)
    num_terms = whole_number(num_terms, "num_terms", ScenarioError)
    sizes = whole_numbers(num_parties, "num_parties", ScenarioError, minimum=1)
    n, settings = scenario.num_parties, np.array(scenario.num_settings)
    if not sizes or max(sizes) > n:
        raise ScenarioError.bad_argument("num_parties", expected=f"numbers from 1 to {n}", got=f"{sizes}")
    rng = generator(seed)
    kept: dict[bytes, None] = {}
    for _ in range(_ROUNDS):
        if len(kept) >= num_terms:
            break
        chosen = np.array(sizes)[rng.integers(len(sizes), size=num_terms)]
        # The parties with the smallest of random numbers take part.
        order = np.argsort(np.argsort(rng.random((num_terms, n)), axis=1), axis=1)
        drawn = np.where(order < chosen[:, None], rng.integers(settings, size=(num_terms, n)), ABSENT).astype(np.int8)
        kept.update(dict.fromkeys(row.tobytes() for row in drawn))
    if len(kept) < num_terms:
        raise ScenarioError.bad_argument(
            "num_terms",
            expected=f"fewer, as there are {_number_of_terms(scenario, set(sizes)):.6g} different terms",
            got=f"{num_terms}",
        )
    return np.frombuffer(b"".join(list(kept)[:num_terms]), dtype=np.int8).reshape(num_terms, n).copy()


def _number_of_terms(scenario: BellScenario, sizes: set[int]) -> int:
    """How many terms of some numbers of parties there are."""
    by_size = [1]
    for m in scenario.num_settings:
        by_size = [a + m * b for a, b in zip([*by_size, 0], [0, *by_size], strict=True)]
    return sum(by_size[size] for size in sizes)
