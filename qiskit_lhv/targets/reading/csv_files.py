"""CSV files of counts and trials: what they hold, and how they are written."""

from __future__ import annotations

import csv
import io
import json
import os
import re
from pathlib import Path
from typing import IO, Any

import numpy as np

from ..._support.files import parse_json, read_text, write_whole
from ...exceptions import CountsError
from .columns import Table

__all__ = ["read_csv", "write_counts", "write_trials"]

# Begins a line that says what the columns do not: how the settings were chosen, for example.
_TOLD = "# qiskit_lhv: "
_NUMBER = re.compile(r"\s*([+-]?[0-9]*\.?[0-9]*([eE][+-]?[0-9]+)?|[+-])\s*")
_TOLD_KEYS = {
    "design",
    "setting_probabilities",
    "post_selected",
    "lost_outcomes",
    "num_settings",
    "num_outcomes",
    "setting_names",
}
_LETTERS = 3


def read_csv(path: str | os.PathLike[str]) -> Table:
    """Returns the columns of a CSV file, whose entries are separated by commas, semicolons, tabs or spaces.

    Lines that begin with ``#`` are comments. A first line of numbers alone is no header: the columns are then numbered.

    Args:
        path: The file.

    Raises:
        CountsError: If it cannot be read, or its rows are not equally long.
    """
    place = Path(path)
    try:
        text = read_text(place)
        told = _told(text)
    except (OSError, ValueError) as exc:
        raise CountsError.bad_argument("path", expected="a readable CSV file", got=f"{place.name} ({exc})") from exc
    lines = [line for line in text.lstrip("\ufeff").splitlines() if line.strip() and not line.startswith("#")]
    if not lines:
        raise CountsError.bad_argument("path", expected="a CSV file with rows", got=f"{place.name}, which is empty")
    separator = next((mark for mark in ",;\t|" if mark in lines[0]), None)
    if separator is None:
        rows = [line.split() for line in lines]
    else:
        try:
            rows = list(csv.reader(lines, delimiter=separator, skipinitialspace=True, strict=True))
        except csv.Error as exc:
            raise CountsError.bad_argument("path", expected="a CSV file", got=f"{place.name} ({exc})") from exc
    first = [entry.strip() for entry in rows[0]]
    named = not all(_NUMBER.fullmatch(entry) for entry in first)
    names: tuple[Any, ...] = tuple(first) if named else tuple(range(len(first)))
    body = rows[1:] if named else rows
    if len(set(names)) < len(names):
        raise CountsError.bad_argument("path", expected="columns with different names", got=", ".join(first))
    for number, row in enumerate(body, 2 if named else 1):
        if len(row) != len(names):
            raise CountsError.bad_argument(
                "path", expected=f"{len(names)} entries in every row of {place.name}", got=f"{len(row)} in row {number}"
            )
    columns = tuple(list(column) for column in zip(*body, strict=True)) if body else tuple([] for _ in names)
    return Table(names, columns, told=told)


def _told(text: str) -> dict[str, Any]:
    """What the file says about its counts or trials, beside the columns."""
    line = next((line for line in text.splitlines()[:5] if line.startswith(_TOLD)), None)
    if line is None:
        return {}
    told = parse_json(line.removeprefix(_TOLD))
    if not isinstance(told, dict) or told.keys() - _TOLD_KEYS:
        raise ValueError(f"what follows {_TOLD!r} is not understood")
    return {
        key: _as_tuples(value) if key in ("lost_outcomes", "setting_names") else value for key, value in told.items()
    }


def _as_tuples(value: Any) -> Any:
    return tuple(map(_as_tuples, value)) if isinstance(value, list) else value


def write_counts(counts: Any, path: str | os.PathLike[str]) -> None:
    """Writes counts as CSV, one row per cell.

    Args:
        counts: The ``BellCounts``.
        path: Where to write.
    """
    told = _options(counts)
    if counts.design == "blocks":
        del told["design"]
    scenario = counts.scenario
    cells = [cell for cell in np.ndindex(scenario.shape) if _exists(scenario, cell)]
    n = scenario.num_parties
    rows = [[*_settings(counts, cell[:n]), *cell[n:], int(counts.array[cell])] for cell in cells]
    _write(path, told, [*_names(n), "count"], rows)


def write_trials(trials: Any, path: str | os.PathLike[str]) -> None:
    """Writes trials as CSV, one row per trial.

    Args:
        trials: The ``BellTrials``.
        path: Where to write.
    """
    told = _options(trials)
    told["num_settings"], told["num_outcomes"] = trials.scenario.num_settings, trials.scenario.num_outcomes
    rows = [
        [*_settings(trials, settings), *outcomes]
        for settings, outcomes in zip(trials.settings.tolist(), trials.outcomes.tolist(), strict=True)
    ]
    _write(path, told, _names(trials.scenario.num_parties), rows)


def _options(data: Any) -> dict[str, Any]:
    told: dict[str, Any] = {"design": data.design}
    if data.setting_probabilities is not None:
        told["setting_probabilities"] = data.setting_probabilities.tolist()
    if data.post_selected:
        told["post_selected"] = True
    if data.lost_outcomes is not None:
        told["lost_outcomes"] = data.lost_outcomes
    if data.setting_names is not None:
        told["setting_names"] = data.setting_names
    if not data.scenario.has_equal_outcomes:
        told["num_outcomes"] = data.scenario.num_outcomes
    return told


def _exists(scenario: Any, cell: tuple[int, ...]) -> bool:
    n = scenario.num_parties
    return all(a < own[x] for own, x, a in zip(scenario.num_outcomes, cell[:n], cell[n:], strict=True))


def _settings(data: Any, settings: Any) -> list[Any]:
    if data.setting_names is None:
        return list(settings)
    return [own[x] for own, x in zip(data.setting_names, settings, strict=True)]


def _names(num_parties: int) -> list[str]:
    if num_parties <= _LETTERS:
        return [*"xyz"[:num_parties], *"abc"[:num_parties]]
    return [f"{letter}{k}" for letter in "xa" for k in range(num_parties)]


def _write(path: str | os.PathLike[str], told: dict[str, Any], names: list[str], rows: list[list[Any]]) -> None:
    text = io.StringIO()
    if told:
        text.write(f"{_TOLD}{json.dumps(told)}\n")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(names)
    writer.writerows(rows)
    content = text.getvalue().encode()

    def write(stream: IO[bytes]) -> None:
        stream.write(content)

    write_whole(Path(path), write)
