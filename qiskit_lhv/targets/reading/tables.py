"""Tables with one row per trial or per cell, from columns, rows, data frames or CSV files."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..._support.validation import shown
from ...exceptions import CountsError
from ..scenario import BellScenario
from .columns import Roles, Table, outcome_numbers, roles_of, setting_labels
from .csv_files import read_csv
from .setting_keys import number_labels
from .table_sizes import check_table_size

__all__ = ["TableRows", "is_table", "table_of_rows"]

_WORD = re.compile("[01][ ,]*[01][01 ,]*")
_DESIGNS = (
    'Say design="random" if the settings were drawn at random trial by trial, or design="blocks" if their order was '
    "fixed beforehand."
)


@dataclass(frozen=True)
class TableRows:
    """The rows of a table, with what was guessed about them."""

    settings: NDArray[np.int64]
    """The setting of each party, shape ``(T, N)``."""
    outcomes: NDArray[np.int64]
    """The outcome of each party, shape ``(T, N)``."""
    scenario: BellScenario
    """The number of settings and outcomes of each party."""
    counts: NDArray[np.float64] | None
    """The count of each row; ``None`` if each row is a trial."""
    lost_outcomes: tuple[int | None, ...] | None
    """The outcome of each party that means "lost"."""
    setting_names: tuple[tuple[str, ...], ...] | None
    """The names of the settings."""
    notes: tuple[str, ...]
    """What was guessed, in words."""
    told: Mapping[str, Any] = field(default_factory=dict)
    """What the table itself says: the design, the probabilities of settings, and whether shots were dropped."""

    def arguments(self, setting_probabilities: Any, post_selected: bool) -> dict[str, Any]:
        """What the constructors of counts and trials have in common."""
        given = setting_probabilities is not None
        return {
            "design": self.told.get("design"),
            "setting_probabilities": setting_probabilities if given else self.told.get("setting_probabilities"),
            "lost_outcomes": self.lost_outcomes,
            "post_selected": post_selected or bool(self.told.get("post_selected", False)),
            "scenario": self.scenario,
            "setting_names": self.setting_names,
        }

    def counts_arguments(self, setting_probabilities: Any = None, post_selected: bool = False) -> dict[str, Any]:
        """The arguments of ``BellCounts``.

        Raises:
            CountsError: If each row is a trial and nothing says how the settings were chosen.
        """
        options = self.arguments(setting_probabilities, post_selected)
        notes = self.notes
        if self.counts is None:
            _require_design(options)
        if options["design"] is None:
            options["design"] = "blocks"
        if options["design"] == "random" and options["setting_probabilities"] is None:
            sizes = self.scenario.num_settings
            options["setting_probabilities"] = np.full(sizes, 1 / self.scenario.num_setting_combinations)
            notes += ("all setting combinations were drawn with equal probabilities",)
        array = np.zeros(self.scenario.shape)
        weights = np.ones(len(self.settings)) if self.counts is None else self.counts
        np.add.at(array, tuple(np.hstack([self.settings, self.outcomes]).T), weights)
        return {"array": array, "reading": notes, **options}

    def trials_arguments(self, setting_probabilities: Any = None, post_selected: bool = False) -> dict[str, Any]:
        """The arguments of ``BellTrials``.

        Raises:
            CountsError: If the rows are cells with counts.
        """
        if self.counts is not None:
            raise CountsError.bad_argument(
                "table",
                expected="one row per trial",
                got="a column of counts, so one row per cell",
                remedy="Read it with BellCounts.from_table(table), or read_counts(path).",
            )
        options = self.arguments(setting_probabilities, post_selected)
        notes = self.notes
        _require_design(options)
        if options["design"] == "random" and options["setting_probabilities"] is None:
            notes += ("all setting combinations were drawn with equal probabilities",)
        return {"settings": self.settings, "outcomes": self.outcomes, "reading": notes, **options}


def _require_design(options: Mapping[str, Any]) -> None:
    if options["design"] is None:
        raise CountsError.bad_argument(
            "design", expected="how the settings of the trials were chosen", got="nothing", remedy=_DESIGNS
        )


def is_table(data: Any) -> bool:
    """Whether data are a data frame, columns by name, or a list of rows by name."""
    if isinstance(data, Table) or (hasattr(data, "columns") and hasattr(data, "iloc")):
        return True
    if isinstance(data, Mapping):
        return bool(data) and all(
            isinstance(name, str) and name.isidentifier() and _is_flat(values) for name, values in data.items()
        )
    if isinstance(data, list | tuple):
        return bool(data) and all(isinstance(row, Mapping) for row in data) and _are_rows(data)
    return isinstance(data, np.ndarray) and data.dtype.names is not None


def _is_flat(values: Any) -> bool:
    """Whether values are a list of entries, and not of lists."""
    if isinstance(values, np.ndarray):
        return values.ndim == 1
    return isinstance(values, list | tuple) and not any(isinstance(entry, list | tuple | Mapping) for entry in values)


def _are_rows(rows: Sequence[Mapping[Any, Any]]) -> bool:
    """Whether dictionaries are rows of a table: all have the same names, of which some are those of outcomes."""
    names = list(rows[0])
    if not all(isinstance(name, str) and name.isidentifier() for name in names):
        return False
    return all(list(row) == names for row in rows) and roles_of(tuple(names)) is not None


def table_of_rows(
    data: Any,
    *,
    settings: Sequence[Any] | None = None,
    outcomes: Sequence[Any] | None = None,
    count: Any = None,
    design: str | None = None,
) -> TableRows:
    """Returns the rows of a table.

    Args:
        data: A data frame, columns by name, rows, or the path of a CSV file.
        settings: The columns of the settings, one per party; default: told from their names.
        outcomes: The columns of the outcomes; default: told from their names.
        count: The column of counts, if each row is a cell.
        design: How the settings were chosen; default: what the table says, if anything.

    Raises:
        CountsError: If columns cannot be told, or hold something else.
    """
    table = _table(data)
    roles = _roles(table, settings, outcomes, count)
    notes = list(table.notes)
    if settings is None and table.names and isinstance(table.names[0], str):
        notes += _roles_notes(roles, table)
    told = dict(table.told)
    if design is not None:
        told["design"] = design
    columns = [setting_labels(table.column(name), name) for name in roles.settings]
    names = told.pop("setting_names", None)
    if names is not None:
        numbers = [_by_names(column, own) for column, own in zip(columns, names, strict=True)]
        setting_names = tuple(map(tuple, names))
    elif "num_settings" in told and all(isinstance(label, int) and label >= 0 for own in columns for label in own):
        # A file of the package's own: its settings are numbers already.
        numbers, setting_names = [list(map(int, own)) for own in columns], None
    else:
        numbers, setting_names, said = number_labels(columns)
        notes += said
    listed, lost, sizes, said = outcome_numbers([table.column(name) for name in roles.outcomes], roles.outcomes)
    notes += said
    counts = None if roles.count is None else _counts(table.column(roles.count), roles.count)
    num_settings = told.pop("num_settings", tuple(max(own) + 1 for own in numbers))
    num_outcomes = told.pop("num_outcomes", sizes)
    check_table_size((*num_settings, *(int(np.max(own)) for own in num_outcomes)), "table")
    if not table.told:
        _refuse_words(table, roles)
    rows, values = np.array(numbers, np.int64).T, np.array(listed, np.int64).T
    scenario = BellScenario(num_settings, num_outcomes)
    lost_outcomes = told.pop("lost_outcomes", lost)
    if counts is not None:
        cells = np.hstack([rows, values])
        different, firsts = np.unique(cells, axis=0, return_index=True)
        if len(different) < len(cells):
            twice = next(i for i in range(len(cells)) if i not in set(firsts.tolist()))
            raise CountsError.bad_argument(
                "table",
                expected="each cell once",
                got=f"settings {tuple(rows[twice].tolist())} with outcomes {tuple(values[twice].tolist())} twice",
                remedy="Add their counts up, or read each run alone and add them: counts_1 + counts_2.",
            )
    return TableRows(rows, values, scenario, counts, lost_outcomes, setting_names, tuple(notes), told)


def _refuse_words(table: Table, roles: Roles) -> None:
    """Raises an error if one column holds the outcomes of all parties, as bitstrings do."""
    if len(roles.outcomes) > 1:
        return
    entries = {str(entry).strip() for entry in table.column(roles.outcomes[0])}
    words = sorted(entry for entry in entries if _WORD.fullmatch(entry))
    if not words or not all(_WORD.fullmatch(entry) or entry in ("0", "1") for entry in entries):
        return
    setting = str(table.column(roles.settings[0])[0]).strip()
    raise CountsError.bad_argument(
        f"column {roles.outcomes[0]!r}",
        expected="the outcomes of one party, with a column for each party",
        got=f"{shown(words[0])}, as bitstrings of several parties have",
        remedy=f'Write BellCounts.from_counts({{"{setting}": {{"{words[0]}": 12, ...}}, ...}}), or a JSON file with '
        "this dictionary, or the columns x, y, a, b and count.",
    )


def _table(data: Any) -> Table:
    """The columns of any table."""
    if isinstance(data, Table):
        return data
    if isinstance(data, str | os.PathLike):
        return read_csv(data)
    if hasattr(data, "columns") and hasattr(data, "iloc"):
        return Table(tuple(data.columns), tuple(data[name].tolist() for name in data.columns))
    if isinstance(data, Mapping) and all(map(_is_flat, data.values())):
        return Table.of_columns({name: np.asarray(values, dtype=object).tolist() for name, values in data.items()})
    if isinstance(data, np.ndarray) and data.dtype.names is not None:
        return Table(tuple(data.dtype.names), tuple(data[name].tolist() for name in data.dtype.names))
    if isinstance(data, list | tuple) and data and all(isinstance(row, Mapping) for row in data):
        names = tuple(data[0])
        if all(tuple(row) == names for row in data):
            return Table(names, tuple([row[name] for row in data] for name in names))
    try:
        rows = [] if isinstance(data, Mapping) else [list(row) for row in data]
    except TypeError:
        rows = []
    if not rows or len({len(row) for row in rows}) > 1 or not rows[0]:
        raise CountsError.bad_argument(
            "table",
            expected="columns by name, a data frame, rows of equal length, or the path of a CSV file",
            got=shown(data),
            remedy='For example {"x": [0, 1], "y": [0, 0], "a": [1, 0], "b": [1, 1]}.',
        )
    return Table(tuple(range(len(rows[0]))), tuple(map(list, zip(*rows, strict=True))))


def _roles(table: Table, settings: Any, outcomes: Any, count: Any) -> Roles:
    if settings is None and outcomes is None:
        found = roles_of(table.names) if count is None else roles_of(tuple(n for n in table.names if n != count))
        if found is None:
            raise _unclear_columns(table)
        return found if count is None else Roles(found.settings, found.outcomes, _known(table, [count])[0])
    if settings is None or outcomes is None:
        raise _unclear_columns(table)
    chosen = Roles(
        _known(table, settings), _known(table, outcomes), None if count is None else _known(table, [count])[0]
    )
    if len(chosen.settings) != len(chosen.outcomes) or not chosen.settings:
        raise CountsError.bad_argument(
            "outcomes",
            expected=f"one column for each of {len(chosen.settings)} parties, as settings has",
            got=shown(outcomes),
        )
    if (
        count is None
        and len(left := [name for name in table.names if name not in (*chosen.settings, *chosen.outcomes)]) == 1
    ):
        named = roles_of((*"xyab", left[0])) if isinstance(left[0], str) else None
        if named is not None and named.count is not None:
            return Roles(chosen.settings, chosen.outcomes, left[0])
    return chosen


def _known(table: Table, names: Any) -> tuple[Any, ...]:
    listed = tuple(names) if isinstance(names, Sequence | np.ndarray) and not isinstance(names, str) else (names,)
    for name in listed:
        if name not in table.names:
            raise CountsError.bad_argument(
                "columns", expected=f"names of columns: {', '.join(map(repr, table.names))}", got=shown(name)
            )
    return listed


def _unclear_columns(table: Table) -> CountsError:
    names = [name for name in table.names if not (isinstance(name, str) and roles_of((*"xyab", name)) == _COUNTED)]
    half = len(names) // 2
    first = f"settings={names[:half]!r}, outcomes={names[half : 2 * half]!r}"
    second = f"settings={names[0 : 2 * half : 2]!r}, outcomes={names[1 : 2 * half : 2]!r}"
    return CountsError.bad_argument(
        "table",
        expected="columns that say which are settings and which are outcomes, such as x, y, a, b (and count)",
        got=f"the columns {', '.join(map(repr, table.names))}",
        remedy=f"Name them: {first}, or {second}." if half > 1 else "Name them: settings=[...], outcomes=[...].",
    )


_COUNTED = Roles(("x", "y"), ("a", "b"), "count")


def _roles_notes(roles: Roles, table: Table) -> list[str]:
    settings, outcomes = (", ".join(map(str, names)) for names in (roles.settings, roles.outcomes))
    notes = []
    if not table.told and (roles.settings, roles.outcomes) not in _OWN_NAMES:
        notes.append(f"the settings are the columns {settings}, the outcomes {outcomes}, in the order of the parties")
    unused = [str(name) for name in table.names if name not in (*roles.settings, *roles.outcomes, roles.count)]
    if unused:
        notes.append(f"the columns {', '.join(unused)} were not used")
    return notes


_OWN_NAMES = tuple((tuple("xyz"[:n]), tuple("abc"[:n])) for n in (1, 2, 3))


def _by_names(column: Sequence[Any], names: Sequence[str]) -> list[int]:
    place = {name: i for i, name in enumerate(names)}
    texts = [f"{label:g}" if isinstance(label, float) else str(label) for label in column]
    unknown = next((text for text in texts if text not in place), None)
    if unknown is not None:
        raise CountsError.bad_argument("table", expected=f"settings {', '.join(names)}", got=shown(unknown))
    return [place[text] for text in texts]


def _counts(values: Sequence[Any], name: Any) -> NDArray[np.float64]:
    try:
        return np.array([float(value) for value in values])
    except (TypeError, ValueError, OverflowError) as exc:
        raise CountsError.bad_argument(f"column {name!r}", expected="whole numbers", got=str(exc)) from exc
