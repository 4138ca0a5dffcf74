"""Columns of a table: which ones are settings, outcomes and counts, and what their entries stand for."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from numbers import Integral, Real
from typing import Any, Self

import numpy as np

from ..._support.validation import shown
from ...exceptions import CountsError
from .outcome_keys import SIGNS_NOTE

__all__ = ["Roles", "Table", "outcome_numbers", "roles_of", "setting_labels"]

_COUNT = re.compile(r"(num_?|n_?)?(counts?|shots|coincidences|events)|n|num|number|freq(uency)?", re.IGNORECASE)
_SETTING = re.compile(
    r"(?P<letter>[xyzw])(?P<digit>_?[0-9]*)|(?P<before>.*?)_?(settings?|basis|bases|angles?|inputs?)_?(?P<after>.*)"
    r"|(?P<greek>alpha|beta|gamma)",
    re.IGNORECASE,
)
_OUTCOME = re.compile(
    r"(?P<letter>[abcd])(?P<digit>_?[0-9]*)|(?P<before>.*?)_?(outcomes?|outputs?|results?)_?(?P<after>.*)",
    re.IGNORECASE,
)
_LOST = {"", "lost", "none", "nan", "na", "null"}
_WHOLE = re.compile(r"[+-]?[0-9]{1,18}(\.0*)?")


@dataclass(frozen=True)
class Table:
    """Columns by name, or by number where they have no names."""

    names: tuple[Any, ...]
    """The names."""
    columns: tuple[list[Any], ...]
    """The entries of each column."""
    notes: tuple[str, ...] = ()
    """What was guessed, in words."""
    told: Mapping[str, Any] = field(default_factory=dict)
    """What a file says about its counts or trials."""

    @classmethod
    def of_columns(cls, columns: Mapping[Any, list[Any]]) -> Self:
        """The table of columns by name.

        Raises:
            CountsError: If they are not equally long.
        """
        lengths = {name: len(values) for name, values in columns.items()}
        if len(set(lengths.values())) > 1:
            raise CountsError.bad_argument("table", expected="columns of equal length", got=shown(lengths))
        return cls(tuple(columns), tuple(columns.values()))

    def column(self, name: Any) -> list[Any]:
        """The entries of a column.

        Raises:
            CountsError: If there are none.
        """
        values = self.columns[self.names.index(name)]
        if not values:
            raise CountsError.bad_argument("table", expected="at least one row", got="none")
        return values


@dataclass(frozen=True)
class Roles:
    """The columns of the settings and of the outcomes of each party, and that of the counts."""

    settings: tuple[Any, ...]
    outcomes: tuple[Any, ...]
    count: Any = None


def roles_of(names: tuple[Any, ...]) -> Roles | None:
    """What columns are, as their names tell; ``None`` if they do not.

    Examples:
        >>> roles_of(("outcome_b", "setting_a", "outcome_a", "setting_b", "n"))
        Roles(settings=('setting_a', 'setting_b'), outcomes=('outcome_a', 'outcome_b'), count='n')
    """
    texts = [name for name in names if isinstance(name, str)]
    counts = [name for name in texts if _COUNT.fullmatch(name.strip())]
    settings = {name: match for name in texts if name not in counts and (match := _SETTING.fullmatch(name.strip()))}
    outcomes = {name: match for name in texts if name not in counts and (match := _OUTCOME.fullmatch(name.strip()))}
    if len(counts) > 1 or not settings or len(settings) != len(outcomes) or settings.keys() & outcomes.keys():
        return None
    of_settings = {_party(match): name for name, match in settings.items()}
    of_outcomes = {_party(match): name for name, match in outcomes.items()}
    if len(of_settings) < len(settings) or len(of_outcomes) < len(outcomes):
        return None
    if of_settings.keys() == of_outcomes.keys():
        # Numbers and letters have an order of their own; names are in that of the file.
        parties = sorted(of_settings, key=lambda party: int(party) if party.isdigit() else -1)
        names_of = [tuple(own[party] for party in parties) for own in (of_settings, of_outcomes)]
    else:
        names_of = [tuple(settings), tuple(outcomes)]
    return Roles(names_of[0], names_of[1], counts[0] if counts else None)


def _party(match: re.Match[str]) -> str:
    """What a name says about its party: letters count from their first, so that x and a belong together."""
    groups = match.groupdict()
    if groups["letter"]:
        if groups["digit"].strip("_"):
            return groups["digit"].strip("_")
        return str(("xyzw" if groups["letter"].lower() in "xyzw" else "abcd").index(groups["letter"].lower()))
    if groups.get("greek"):
        return str(("alpha", "beta", "gamma").index(groups["greek"].lower()))
    said = (groups["before"] or "") + (groups["after"] or "")
    said = said.strip("_ ").lower()
    return str("abcd".index(said)) if said in ("a", "b", "c", "d") else said


def setting_labels(values: Sequence[Any], name: Any) -> list[int | float | str]:
    """The settings in a column, as numbers where they are such, and else as names.

    Raises:
        CountsError: If an entry is missing.
    """
    found: list[int | float | str] = []
    for value in values:
        plain = _plain(value)
        if plain is None:
            raise CountsError.bad_argument(f"column {name!r}", expected="a setting in every row", got=shown(value))
        found.append(plain)
    return found


def outcome_numbers(
    columns: Sequence[Sequence[Any]], names: Sequence[Any]
) -> tuple[list[list[int]], tuple[int | None, ...] | None, tuple[int, ...], list[str]]:
    """The outcomes in columns, numbered from 0.

    Args:
        columns: The column of each party.
        names: Their names, for messages.

    Returns:
        The numbers of each party; the outcome of each party that means "lost", if there is any; the number of outcomes
        of each party; and what was guessed, in words.

    Raises:
        CountsError: If entries cannot be told to be outcomes.
    """
    plain = [[_plain(value) for value in column] for column in columns]
    seen = {value for column in plain for value in column if value is not None}
    if "+" not in seen:
        # A minus sign alone is how a lost outcome is written.
        plain = [[None if value == "-" else value for value in column] for column in plain]
        seen -= {"-"}
    place, notes = _outcome_places(seen, names)
    found, lost, sizes = [], [], []
    for column in plain:
        numbers = [None if value is None else place[value] for value in column]
        most = max([1, *(number for number in numbers if number is not None)]) + 1
        is_lost = None in numbers
        found.append([most if number is None else number for number in numbers])
        lost.append(most if is_lost else None)
        sizes.append(most + is_lost)
    any_lost = any(number is not None for number in lost)
    return found, tuple(lost) if any_lost else None, tuple(sizes), notes


def _outcome_places(seen: set[Any], names: Sequence[Any]) -> tuple[dict[Any, int], list[str]]:
    """The number of each outcome that was seen."""
    columns = ", ".join(map(repr, names))
    if seen <= {"+", "-"} and seen:
        return {"+": 0, "-": 1}, [SIGNS_NOTE]
    if all(isinstance(value, int) for value in seen):
        if min(seen, default=0) >= 0:
            if seen and min(seen) == 1 and max(seen) == len(seen) > 1:
                return {value: value - 1 for value in seen}, ["outcomes are numbered from 1 on: outcome 1 is outcome 0"]
            return {value: value for value in seen}, []
        if seen <= {1, -1}:
            return {1: 0, -1: 1}, [SIGNS_NOTE]
        raise CountsError.bad_argument(
            f"columns {columns}",
            expected="outcomes 0 and 1, or +1 and -1",
            got=shown(sorted(seen)),
            remedy="If 0 means that nothing was seen, leave those entries empty; if it is an outcome, number outcomes "
            "0, 1, 2.",
        )
    if all(isinstance(value, str) for value in seen) and len(seen) <= 64:
        listed = sorted(seen)
        said = ", ".join(f"{i} = {value}" for i, value in enumerate(listed))
        return {value: i for i, value in enumerate(listed)}, [f"outcomes are numbered {said}"]
    raise CountsError.bad_argument(
        f"columns {columns}", expected="outcomes 0 and 1, +1 and -1, or names", got=shown(sorted(map(str, seen))[:8])
    )


def _plain(value: Any) -> int | float | str | None:
    """An entry as a whole number, another number or a text; ``None`` if there is none."""
    if value is None:
        return None
    if isinstance(value, str):
        text = value.strip()
        if text.lower() in _LOST:
            return None
        if _WHOLE.fullmatch(text):
            return int(float(text)) if "." in text else int(text)
        try:
            number = float(text)
        except ValueError:
            return text
        return number if math.isfinite(number) else text
    if isinstance(value, bool | np.bool_):
        return int(value)
    if isinstance(value, Integral):
        return int(value)
    if isinstance(value, Real):
        number = float(value)
        if math.isnan(number):
            return None
        return int(number) if number.is_integer() else number
    # A missing entry of a data frame is an object of its own, which equals nothing.
    return None if type(value).__name__ in ("NAType", "NaTType") else str(value)
