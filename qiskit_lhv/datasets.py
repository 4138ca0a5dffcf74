"""Published counts that come with the package, and files with a user's own counts."""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np

from ._support.files import parse_json
from ._support.validation import shown
from .exceptions import CertificateError, CountsError, ScenarioError
from .targets.counts import BellCounts
from .targets.scenario import BellScenario

__all__ = ["BundledCounts", "bundled_counts", "load_bundled_counts", "read_counts"]


def __dir__() -> list[str]:
    return __all__


# In the loophole-free experiment, fast random number generators drew the settings of each trial. The device tables hold
# the same number of shots for each setting combination in each of their 100 runs.
_RANDOM_DESIGN = {"delft_2015"}
# Numbers of settings and outcomes have at most 18 digits.
_NUMBER = re.compile("-?[0-9]{1,18}")


@dataclass(frozen=True)
class BundledCounts:
    """Published counts with their source."""

    name: str
    """The name under which the counts are loaded."""
    counts: BellCounts
    """The counts, with their sampling design."""
    source: str
    """The publication from which the counts are taken."""


@cache
def _tables() -> dict[str, Any]:
    text = files("qiskit_lhv").joinpath("data/bell_counts.json").read_text(encoding="utf-8")
    tables: dict[str, Any] = json.loads(text)
    del tables["conventions"]
    return tables


def bundled_counts() -> tuple[str, ...]:
    """Returns the names of the published counts that come with the package.

    Examples:
        >>> "delft_2015" in bundled_counts()
        True
    """
    return tuple(_tables())


def load_bundled_counts(name: str) -> BundledCounts:
    """Returns published counts by their name.

    Args:
        name: One of the names that :func:`bundled_counts` returns.

    Raises:
        CountsError: If there are no counts of this name.

    References:
        Hensen et al., Nature 526, 682 (2015); arXiv:2503.18949 (IBM device tables).
    """
    if not isinstance(name, str) or name not in _tables():
        raise CountsError.bad_argument("name", expected=f"one of {', '.join(_tables())}", got=shown(name))
    entry = _tables()[name]
    if name in _RANDOM_DESIGN:
        counts = BellCounts(np.array(entry["table"]), "random", np.full((2, 2), 0.25))
    else:
        counts = BellCounts(np.array(entry["table"]))
    return BundledCounts(name, counts, entry["source"])


def read_counts(path: str | os.PathLike[str]) -> BellCounts:
    """Returns the counts in a JSON file, or in a file that ``BellCounts.save`` wrote.

    The JSON object has one of two keys. ``"counts"`` maps settings such as ``"0,1"`` to a dictionary from Qiskit
    bitstrings (or outcomes such as ``"2,0"``) to counts. ``"table"`` is a nested list that is indexed by the settings
    of all parties, then by their outcomes. Where settings of a party have different numbers of outcomes, which
    ``"num_outcomes"`` gives as in ``[[2, 3], 2]``, the table is padded with 0.

    The keys ``"design"``, ``"setting_probabilities"``, ``"post_selected"`` and ``"num_outcomes"`` are optional, and so
    is ``"qubits_per_party"`` together with ``"counts"``. A lost outcome is written ``-``, both in bitstrings (``"-1"``)
    and among outcomes (``"2,-"``). For a ``"table"``, the key ``"lost_outcomes"`` gives for each party the outcome that
    means "lost", or ``null``.

    Args:
        path: Path of the file.

    Raises:
        CountsError: If the file has another form or its counts cannot be used.
    """
    path = Path(path)
    try:
        if path.suffix == ".npz":
            return BellCounts.load(path)
        data = parse_json(path.read_text(encoding="utf-8"))
        if isinstance(data, dict) and "class" in data:
            return BellCounts.load(path)
    except CertificateError as exc:
        raise CountsError(exc.message) from exc
    except (OSError, ValueError) as exc:
        raise CountsError.bad_argument("path", expected="a readable JSON file", got=f"{path.name} ({exc})") from exc
    known = {
        "counts",
        "table",
        "design",
        "setting_probabilities",
        "qubits_per_party",
        "num_outcomes",
        "lost_outcomes",
        "post_selected",
        "source",
    }
    if not isinstance(data, dict) or ("counts" in data) == ("table" in data) or data.keys() - known:
        got = f"the keys {shown(sorted(data))}" if isinstance(data, dict) else type(data).__name__
        raise CountsError.bad_argument(
            path.name, expected='an object with either "counts" or "table", and optionally "design"', got=got
        )
    options = {key: data[key] for key in data.keys() - {"counts", "table", "source"}}
    if "table" in data:
        options.pop("qubits_per_party", None)
        sizes = options.pop("num_outcomes", None)
        if sizes is not None:
            options["scenario"] = _scenario_of_table(data["table"], sizes)
        return BellCounts(data["table"], **options)
    if "lost_outcomes" in data:
        raise CountsError.bad_argument(
            path.name,
            expected='"lost_outcomes" only beside "table"',
            got='"lost_outcomes" beside "counts"',
            remedy='Write a lost outcome as "-" in the keys of the counts.',
        )
    return BellCounts.from_counts(_parsed(data["counts"], path.name), **options)


def _scenario_of_table(table: Any, num_outcomes: Any) -> BellScenario:
    shape = np.shape(table)
    try:
        return BellScenario(shape[: len(shape) // 2], num_outcomes)
    except ScenarioError as exc:
        raise CountsError(exc.message) from exc


def _parsed(counts: Any, name: str) -> dict[tuple[int, ...], dict[Any, Any]]:
    if not isinstance(counts, dict) or not all(isinstance(value, dict) for value in counts.values()):
        raise CountsError.bad_argument(
            name, expected='"counts" that map settings to dictionaries', got=type(counts).__name__
        )
    parsed: dict[tuple[int, ...], dict[Any, Any]] = {}
    for text, outcomes in counts.items():
        setting = _numbers(text, name)
        keys = [_outcomes(key, name) if "," in key else key for key in outcomes]
        if setting in parsed or len(set(keys)) < len(keys):
            raise CountsError.bad_argument(
                name, expected="each setting and each outcome once", got=f"two spellings in {shown(text)}"
            )
        parsed[setting] = dict(zip(keys, outcomes.values(), strict=True))
    return parsed


def _numbers(text: str, name: str) -> tuple[int, ...]:
    parts = _parts(text)
    if not parts or not all(_NUMBER.fullmatch(part) for part in parts):
        raise CountsError.bad_argument(name, expected='settings such as "0,1"', got=shown(text))
    return tuple(int(part) for part in parts)


def _outcomes(text: str, name: str) -> tuple[int | None, ...]:
    parts = _parts(text)
    if not all(part == "-" or _NUMBER.fullmatch(part) for part in parts):
        raise CountsError.bad_argument(name, expected='outcomes such as "2,0" or "2,-"', got=shown(text))
    return tuple(None if part == "-" else int(part) for part in parts)


def _parts(text: str) -> list[str]:
    """Splits a text at its commas. A comma at the end is allowed, as in a Python tuple with one entry."""
    inside = text.strip()
    if inside.startswith("(") and inside.endswith(")"):
        inside = inside[1:-1].strip()
    return [part.strip() for part in inside.removesuffix(",").split(",")]
