"""Published counts that come with the package, and files with a user's own counts."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import numpy as np

from ._support.validation import shown
from .exceptions import CountsError
from .targets.correlators import Correlators
from .targets.counts import BellCounts
from .targets.counts_files import counts_in_file, data_in_file
from .targets.photons import PhotonCounts
from .targets.trials import BellTrials

__all__ = ["BundledCounts", "bundled_counts", "load_bundled_counts", "read_counts", "read_data"]


def __dir__() -> list[str]:
    return __all__


# In the loophole-free experiment, fast random number generators drew the settings of each trial. The device tables hold
# the same number of shots for each setting combination in each of their 100 runs.
_RANDOM_DESIGN = {"delft_2015"}


@dataclass(frozen=True)
class BundledCounts:
    """Published counts with their source.

    References:
        B. Hensen et al., Nature 526, 682 (2015), arXiv:1508.05949; arXiv:2503.18949 (IBM device tables).

    Examples:
        >>> from qiskit_lhv import load_bundled_counts
        >>> delft = load_bundled_counts("delft_2015")
        >>> print(delft.counts)
        BellCounts(2 parties with 2 settings of 2 outcomes each, 245 shots, design='random')
        >>> print(delft.source)
        Hensen et al., Nature 526, 682 (2015); table as republished by R. Gill
    """

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

    Returns:
        The names.

    References:
        B. Hensen et al., Nature 526, 682 (2015), arXiv:1508.05949; arXiv:2503.18949 (IBM device tables).

    Examples:
        >>> for name in bundled_counts():
        ...     print(f"{name:28} {load_bundled_counts(name).counts.total_shots} shots")
        delft_2015                   245 shots
        ibm_hanoi19_20circuit13      180000 shots
        ibm_mumbai23_24circuit13     180000 shots
        ibm_washington38_39circuit13 180000 shots
        ibm_washington91_98circuit4  180000 shots
        ibm_hanoi19_20circuit4       180000 shots
    """
    return tuple(_tables())


def load_bundled_counts(name: str) -> BundledCounts:
    """Returns published counts by their name.

    Args:
        name: One of the names that :func:`bundled_counts` returns.

    Returns:
        The counts and where they are from.

    Raises:
        CountsError: If there are no counts of this name.

    References:
        B. Hensen et al., Nature 526, 682 (2015), arXiv:1508.05949; arXiv:2503.18949 (IBM device tables).

    Examples:
        >>> from qiskit_lhv import chsh
        >>> found = load_bundled_counts("delft_2015")
        >>> found.counts.array.sum(axis=(2, 3)).tolist(), chsh().value(found.counts)
        ([[53, 79], [62, 51]], 2.42 +- 0.20)
    """
    if not isinstance(name, str) or name not in _tables():
        raise CountsError.bad_argument("name", expected=f"one of {', '.join(_tables())}", got=shown(name))
    entry = _tables()[name]
    if name in _RANDOM_DESIGN:
        counts = BellCounts(np.array(entry["table"]), "random", np.full((2, 2), 0.25))
    else:
        counts = BellCounts(np.array(entry["table"]))
    return BundledCounts(name, counts, entry["source"])


def read_counts(path: str | os.PathLike[str], **options: Any) -> BellCounts:
    """Returns the counts in a file: JSON, CSV, or what ``BellCounts.save`` wrote.

    See :func:`read_data` for the forms of files.

    Args:
        path: Path of the file.
        **options: How it is to be read; see :func:`read_data`.

    Returns:
        The counts.

    Raises:
        CountsError: If the file has another form or its counts cannot be used.

    Examples:
        >>> import json, pathlib, tempfile
        >>> table = [[[[45, 7], [6, 42]], [[44, 5], [8, 43]]], [[[46, 6], [7, 41]], [[8, 44], [42, 6]]]]
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = pathlib.Path(folder) / "bell.json"
        ...     _ = path.write_text(json.dumps({"table": table}))
        ...     print(read_counts(path))
        BellCounts(2 parties with 2 settings of 2 outcomes each, 400 shots, design='blocks')
    """
    return counts_in_file(path, options)


def read_data(
    path: str | os.PathLike[str], **options: Any
) -> BellCounts | BellTrials | dict[tuple[int, ...], BellCounts] | Correlators | PhotonCounts:
    """Returns what a file holds, as ``analyze`` takes it: counts, trials, the counts of many groups, or correlators.

    A JSON file may hold what :meth:`.BellCounts.from_counts` takes: a dictionary or list of counts, the result of a
    Sampler as IBM's ``RuntimeEncoder`` writes it, or a ``Result`` as a dictionary. It may also be an object with one of
    two keys: ``"counts"`` holds any of these, and ``"table"`` a nested list that is indexed by the settings of all
    parties, then by their outcomes. Where settings of a party have different numbers of outcomes, which
    ``"num_outcomes"`` gives as in ``[[2, 3], 2]``, the table is padded with 0. Other keys of the object are the
    arguments of :meth:`.BellCounts.from_counts`, ``"groups"`` (the bits of many groups, ``{"0,1": [0, 1], ...}``), and
    for a ``"table"`` ``"lost_outcomes"``, which gives for each party the outcome that means "lost", or ``null``. A lost
    outcome in a key is written ``-``: ``"-1"`` in a bitstring, ``"2,-"`` among outcomes.

    An object with the key ``"correlators"`` holds the values of :class:`.Correlators` beside their ``"errors"``, and
    one with ``"coincidences"`` the arguments of :class:`.PhotonCounts`.

    A CSV file has one row per trial, with columns such as x, y, a and b, or one per cell, with a column of counts; see
    :meth:`.BellTrials.from_table`.

    Args:
        path: Path of the file.
        **options: The same arguments, for what the file does not say; ``None`` stands for no argument.

    Returns:
        What the file holds.

    Raises:
        CountsError: If the file has another form or its data cannot be used.

    Examples:
        A table with one row per trial:

        >>> import pathlib, tempfile
        >>> import numpy as np
        >>> trials = np.random.default_rng(1).integers(0, 2, (100, 4))
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = pathlib.Path(folder) / "trials.csv"
        ...     np.savetxt(path, trials, fmt="%d", delimiter=",", header="x,y,a,b", comments="")
        ...     data = read_data(path, design="random")
        >>> data
        BellTrials(2 parties with 2 settings of 2 outcomes each, 100 trials, design='random')
    """
    return data_in_file(path, options)
