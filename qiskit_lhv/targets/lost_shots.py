"""Shots in which a party has no outcome: no click, or a leaked qubit."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from .._support.types import IntArray
from .._support.validation import frozen, is_whole_number, shown, truth_value
from ..exceptions import CountsError
from .scenario import BellScenario

__all__ = [
    "check_lost_outcomes",
    "check_post_selected",
    "describe_losses",
    "lost_fractions",
    "outcome_maps",
    "refuse_empty_settings",
    "remaining_scenario",
    "renumbered",
    "without_lost",
]


def check_lost_outcomes(lost_outcomes: object, scenario: BellScenario) -> tuple[int | None, ...] | None:
    """Checks which outcome of each party means that it was lost; ``None`` if no party has one.

    Raises:
        CountsError: If there is not one entry per party, ``None`` or an outcome of that party.
    """
    if lost_outcomes is None:
        return None
    # An outcome that all settings of the party have.
    sizes = tuple(min(party) for party in scenario.num_outcomes)
    expected = f"None, or for each of {scenario.num_parties} parties None or an outcome below {sizes}"
    if not isinstance(lost_outcomes, Sequence | np.ndarray) or isinstance(lost_outcomes, str):
        raise CountsError.bad_argument("lost_outcomes", expected=expected, got=shown(lost_outcomes))
    if len(lost_outcomes) != scenario.num_parties:
        raise CountsError.bad_argument("lost_outcomes", expected=expected, got=shown(lost_outcomes))
    checked: list[int | None] = []
    for entry, size in zip(lost_outcomes, sizes, strict=True):
        if entry is not None and (not is_whole_number(entry) or not 0 <= entry < size):
            raise CountsError.bad_argument("lost_outcomes", expected=expected, got=shown(lost_outcomes))
        checked.append(None if entry is None else int(entry))
    return tuple(checked) if any(entry is not None for entry in checked) else None


def check_post_selected(post_selected: object) -> bool:
    """Returns ``post_selected`` if it is a truth value.

    Raises:
        CountsError: If it is anything else.
    """
    return truth_value(post_selected, "post_selected", CountsError)


def describe_losses(lost_outcomes: tuple[int | None, ...] | None, post_selected: bool) -> str:
    """What a ``repr`` says about them; nothing if every shot has an outcome."""
    text = "" if lost_outcomes is None else f", lost_outcomes={lost_outcomes}"
    return text + (", post-selected" if post_selected else "")


def remaining_scenario(lost_outcomes: tuple[int | None, ...], scenario: BellScenario) -> BellScenario:
    """The scenario without the parties' lost outcomes.

    Raises:
        CountsError: If a party would have fewer than two outcomes, or one of its settings none.
    """
    full = tuple(
        tuple(d - (lost is not None) for d in party)
        for party, lost in zip(scenario.num_outcomes, lost_outcomes, strict=True)
    )
    sizes = tuple(max(party) for party in full)
    lacking = any(
        lost is not None and (size < 2 or min(party) < 1)
        for lost, size, party in zip(lost_outcomes, sizes, full, strict=True)
    )
    if lacking:
        raise CountsError.bad_argument(
            "lost_outcomes",
            expected="at least two outcomes of each party besides the lost one",
            got=f"{sizes}",
            remedy="Keep the lost outcome as an outcome of its own: pass lost_outcomes=None.",
        )
    return BellScenario(scenario.num_settings, full)


def outcome_maps(lost_outcomes: tuple[int | None, ...], scenario: BellScenario, to: object) -> list[IntArray]:
    """New number of each outcome of each party: those above the lost one move down by one.

    Args:
        lost_outcomes: The lost outcome of each party, or ``None``.
        scenario: The scenario, lost outcomes included.
        to: New number of the lost outcomes, one or one per party.

    Raises:
        CountsError: If ``to`` is not an outcome that remains, or a party would have fewer than two outcomes.
    """
    remaining = remaining_scenario(lost_outcomes, scenario)
    sizes = tuple(min(party) for party in remaining.num_outcomes)
    expected = f"an outcome, or one per party, below {sizes} (the outcomes without the lost one)"
    listed: object = (to,) * len(sizes) if is_whole_number(to) else to
    if isinstance(listed, str) or not isinstance(listed, Sequence | np.ndarray) or len(listed) != len(sizes):
        raise CountsError.bad_argument("to", expected=expected, got=shown(to))
    maps = []
    for lost, size, target, most in zip(lost_outcomes, sizes, listed, scenario.max_outcomes, strict=True):
        # A party that lost nothing needs no such outcome, so one number for all may be too large for it.
        needed = lost is not None or not is_whole_number(to)
        if needed and (not is_whole_number(target) or not 0 <= target < size):
            raise CountsError.bad_argument("to", expected=expected, got=shown(to))
        numbers = np.arange(most)
        maps.append(numbers if lost is None else np.where(numbers == lost, target, numbers - (numbers > lost)))
    return maps


def lost_fractions(table: IntArray, lost_outcomes: tuple[int | None, ...] | None) -> NDArray[np.float64]:
    """Share of the shots of each setting combination that each party lost, shape ``(N, m_1, ..., m_N)``.

    NaN where there are no shots.
    """
    n = table.ndim // 2
    outcome_axes = tuple(range(n, 2 * n))
    shots = table.sum(axis=outcome_axes)
    fractions = np.zeros((n, *shots.shape))
    for k, lost in enumerate(lost_outcomes or (None,) * n):
        if lost is not None:
            fractions[k] = table.take(lost, axis=n + k).sum(axis=outcome_axes[:-1])
    fractions = np.divide(fractions, shots, out=np.full_like(fractions, np.nan), where=shots > 0)
    return frozen(fractions)


def refuse_empty_settings(before: IntArray, after: IntArray) -> None:
    """Refuses a post-selection that leaves no shot of a setting combination which had some.

    Args:
        before: Shots of each setting combination, shape ``(m_1, ..., m_N)``.
        after: The same after the selection.

    Raises:
        CountsError: If there is such a combination.
    """
    empty = np.argwhere((before > 0) & (after == 0))
    if len(empty):
        raise CountsError.bad_argument(
            "post_select",
            expected="a shot without loss for every setting combination",
            got=f"none for settings {tuple(int(x) for x in empty[0])}",
            remedy="assign_lost() keeps all shots.",
        )


def renumbered(
    array: NDArray[np.int64], maps: Sequence[NDArray[np.int64]], remaining: BellScenario
) -> NDArray[np.int64]:
    """Returns counts in which each party's outcomes have other numbers; those with the same number are added up.

    Args:
        array: The counts.
        maps: For each party the new number of each of its outcomes.
        remaining: The scenario after the change.
    """
    for k, (numbers, size) in enumerate(zip(maps, remaining.max_outcomes, strict=True)):
        axis = remaining.num_parties + k
        array = np.moveaxis(np.tensordot(array, np.eye(size, dtype=np.int64)[numbers], axes=(axis, 0)), -1, axis)
    return array


def without_lost(array: NDArray[np.int64], lost_outcomes: Sequence[int | None]) -> NDArray[np.int64]:
    """Returns counts without the shots in which some party lost its outcome.

    Args:
        array: The counts.
        lost_outcomes: The outcome of each party that means "lost", or ``None``.
    """
    for k, lost in enumerate(lost_outcomes):
        if lost is not None:
            array = np.delete(array, lost, axis=array.ndim // 2 + k)
    return array
