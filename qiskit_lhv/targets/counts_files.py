"""Files of counts and trials."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np

from .._support.files import parse_json, read_text
from .._support.validation import shown
from ..exceptions import CertificateError, CountsError, ScenarioError
from .correlators import Correlators
from .counts import BellCounts
from .groups import counts_of_groups
from .photons import PhotonCounts
from .reading.columns import roles_of
from .reading.csv_files import read_csv
from .reading.runtime_json import is_runtime_json
from .reading.tables import is_table, table_of_rows
from .scenario import BellScenario
from .trials import BellTrials

__all__ = ["counts_in_file", "data_in_file", "option_of_text"]

_TABLES = (".csv", ".tsv", ".txt", ".dat")
_OPTIONS = {
    "settings",
    "setting_order",
    "num_settings",
    "bits",
    "groups",
    "heralds",
    "condition",
    "registers",
    "qubits_per_party",
    "num_outcomes",
    "design",
    "setting_probabilities",
    "post_selected",
}
_OF_TABLE = {"settings", "outcomes", "count", "design", "setting_probabilities", "post_selected"}
_BODIES = {"counts", "table"}
_OTHER_BODIES = {"correlators", "coincidences"}
_OF_ARRAY = {"design", "setting_probabilities", "post_selected", "lost_outcomes", "num_outcomes"}
_EXAMPLE = (
    'For example {"counts": {"0,0": {"00": 17, "11": 18}, "0,1": ...}}, or a CSV file with the columns x, y, a, b and '
    "count."
)

Data = BellCounts | BellTrials | dict[tuple[int, ...], BellCounts] | Correlators | PhotonCounts


def counts_in_file(path: str | os.PathLike[str], options: Mapping[str, Any]) -> BellCounts:
    """Returns the counts in a file; see ``read_counts``.

    Raises:
        CountsError: If the file holds something else.
    """
    data = data_in_file(path, options)
    if isinstance(data, BellTrials):
        return data.to_counts()
    if isinstance(data, BellCounts):
        return data
    raise CountsError.bad_argument(
        Path(path).name,
        expected="the counts of one experiment",
        got=f"{len(data)} groups" if isinstance(data, dict) else repr(data),
        remedy="Read them with read_data(path), and pass them to analyze.",
    )


def data_in_file(path: str | os.PathLike[str], options: Mapping[str, Any]) -> Data:
    """Returns the counts, trials, groups, correlators or coincidences in a file; see ``read_data``.

    Args:
        path: The file.
        options: How it is to be read, beside what the file says itself. ``None`` stands for no option.

    Raises:
        CountsError: If the file holds something else, or cannot be used.
    """
    if not isinstance(path, str | os.PathLike):
        raise CountsError.bad_argument(
            "path",
            expected="the path of a file",
            got=type(path).__name__,
            remedy="Dictionaries, lists and results go to BellCounts.from_counts.",
        )
    place = Path(path)
    given = {name: value for name, value in options.items() if value is not None}
    if place.suffix.lower() in _TABLES:
        return _of_table(read_csv(place), given)
    try:
        if place.suffix == ".npz":
            return _saved(place, given)
        data = parse_json(read_text(place))
        if isinstance(data, dict) and "class" in data:
            return _saved(place, given)
    except CertificateError as exc:
        raise CountsError(exc.message) from exc
    except (OSError, ValueError) as exc:
        raise CountsError.bad_argument(
            "path", expected="a readable JSON file", got=f"{place.name} ({exc})", remedy=_EXAMPLE
        ) from exc
    return _of_json(data, place.name, given)


def option_of_text(text: str) -> tuple[str, Any]:
    """The name and value of an option that is written as text, such as ``bits={"A": 0, "B": [3, 4]}``.

    Args:
        text: The name, ``=``, and a value as JSON; what is no JSON is a text.

    Raises:
        CountsError: If the text is anything else, or there is no such option.
    """
    name, _, value = text.partition("=")
    name = name.strip().replace("-", "_")
    if name not in _OPTIONS | _OF_TABLE or not value:
        raise CountsError.bad_argument(
            "--read",
            expected=f"NAME=VALUE with one of the names {', '.join(sorted(_OPTIONS | _OF_TABLE))}",
            got=shown(text),
            remedy='For example --read \'bits={"A": 0, "B": [3, 4]}\'.',
        )
    try:
        return name, parse_json(value)
    except ValueError:
        return name, value.strip()


def _saved(place: Path, given: Mapping[str, Any]) -> BellCounts | BellTrials:
    if given:
        raise CountsError.bad_argument(
            ", ".join(given), expected="nothing beside a file that was saved with save()", got=place.name
        )
    try:
        return BellCounts.load(place)
    except CertificateError as exc:
        if f"a saved {BellTrials.__name__}" not in exc.message:
            raise
        return BellTrials.load(place)


def _of_table(table: Any, given: Mapping[str, Any]) -> BellCounts | BellTrials:
    _refuse_others(given, _OF_TABLE, "a table")
    columns = {name: given[name] for name in ("settings", "outcomes", "count", "design") if name in given}
    rows = table_of_rows(table, **columns)
    further = (given.get("setting_probabilities"), given.get("post_selected", False))
    if rows.counts is None:
        return BellTrials(**rows.trials_arguments(*further))
    return BellCounts(**rows.counts_arguments(*further))


def _of_json(data: Any, name: str, given: Mapping[str, Any]) -> Data:
    if isinstance(data, dict) and not is_runtime_json(data) and len(data.keys() & _OTHER_BODIES) == 1:
        return _other_target(data, name, given)
    columns = is_table(data) and roles_of(tuple(data)) is not None
    wrapped = isinstance(data, dict) and not columns and not is_runtime_json(data) and bool(data.keys() & _BODIES)
    told = {key: value for key, value in data.items() if key not in _BODIES | {"source"}} if wrapped else {}
    if wrapped and (data.keys() >= _BODIES or told.keys() - _OPTIONS - {"lost_outcomes"}):
        raise _unknown_object(data, name)
    if wrapped and "table" in data:
        merged = {key: value for key, value in {**told, **given}.items() if key != "qubits_per_party"}
        return _of_array(data["table"], merged)
    if "lost_outcomes" in told:
        raise CountsError.bad_argument(
            name,
            expected='"lost_outcomes" only beside "table"',
            got='"lost_outcomes" beside "counts"',
            remedy='Write a lost outcome as "-" in the keys of the counts.',
        )
    counts, merged = data["counts"] if wrapped else data, {**told, **given}
    if is_table(counts) and (wrapped or columns or isinstance(counts, list)):
        return _of_table(counts, merged)
    _refuse_what_is_none(counts, name, not wrapped)
    if isinstance(counts, list) and np.ndim(_nested(counts)) > 1:
        return _of_array(counts, merged)
    _refuse_others(merged, _OPTIONS, "counts")
    groups = merged.pop("groups", None)
    if groups is None:
        return BellCounts.from_counts(counts, **merged)
    if not isinstance(groups, dict):
        raise CountsError.bad_argument("groups", expected='bits of each group, {"0,1": [0, 1], ...}', got=shown(groups))
    return counts_of_groups(counts, {_group(key): bits for key, bits in groups.items()}, **merged)


def _other_target(data: dict[str, Any], name: str, given: Mapping[str, Any]) -> Correlators | PhotonCounts:
    """The target in an object that holds the arguments of ``Correlators`` or of ``PhotonCounts``."""
    told = {key: value for key, value in data.items() if key != "source"}
    of_correlators = "correlators" in told
    known = {own.name for own in fields(Correlators if of_correlators else PhotonCounts)}
    if of_correlators:
        known = known - {"values"} | {"correlators"}
    _refuse_others(given, set(), "correlators" if of_correlators else "coincidences")
    if told.keys() - known:
        raise CountsError.bad_argument(
            name, expected=f"the keys {', '.join(sorted(known))}", got=", ".join(sorted(told.keys() - known))
        )
    if of_correlators:
        return Correlators(told.pop("correlators"), **told)
    return PhotonCounts(**told)


def _refuse_what_is_none(counts: Any, name: str, bare: bool) -> None:
    """Raises an error for JSON that holds no counts at all."""
    if is_runtime_json(counts) or (isinstance(counts, dict) and "results" in counts):
        return
    if isinstance(counts, list) and counts:
        if np.ndim(_nested(counts)) > 1 or all(isinstance(entry, dict) for entry in counts):
            return
    elif isinstance(counts, dict) and (counts or not bare) and all(isinstance(own, dict) for own in counts.values()):
        return
    if bare:
        raise _unknown_object(counts, name)
    raise CountsError.bad_argument(
        name, expected='"counts" that map settings to dictionaries', got=type(counts).__name__, remedy=_EXAMPLE
    )


def _unknown_object(data: Any, name: str) -> CountsError:
    got = f"the keys {shown(sorted(data))}" if isinstance(data, dict) else type(data).__name__
    return CountsError.bad_argument(
        name,
        expected='an object with either "counts" or "table", and optionally "design"',
        got=got,
        remedy=_EXAMPLE,
    )


def _nested(value: Any) -> Any:
    """Nested lists as an array, if they hold numbers; else nothing."""
    try:
        array = np.asarray(value)
    except ValueError:
        return None
    return array if array.dtype.kind in "iuf" else None


def _of_array(table: Any, given: Mapping[str, Any]) -> BellCounts:
    _refuse_others(given, _OF_ARRAY, "a table of numbers")
    options = dict(given)
    sizes = options.pop("num_outcomes", None)
    if sizes is not None:
        shape = np.shape(table)
        try:
            options["scenario"] = BellScenario(shape[: len(shape) // 2], sizes)
        except ScenarioError as exc:
            raise CountsError(exc.message) from exc
    return BellCounts(table, **options)


def _refuse_others(given: Mapping[str, Any], allowed: set[str], what: str) -> None:
    others = sorted(given.keys() - allowed)
    if others:
        but = f"for {what} nothing but {', '.join(sorted(allowed))}" if allowed else f"nothing beside a file of {what}"
        raise CountsError.bad_argument(", ".join(others), expected=but, got="it")


def _group(key: str) -> tuple[int, ...]:
    parts = key.strip("()[] ").replace(",", " ").split()
    if not parts or not all(part.isdigit() and len(part) < 10 for part in parts):
        raise CountsError.bad_argument("groups", expected='groups such as "0,1"', got=shown(key))
    return tuple(int(part) for part in parts)
