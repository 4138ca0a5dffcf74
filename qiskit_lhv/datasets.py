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


def read_counts(path: str | os.PathLike[str], **options: Any) -> BellCounts:
    """Returns the counts in a file: JSON, CSV, or what ``BellCounts.save`` wrote.

    See :func:`read_data` for the forms of files.

    Args:
        path: Path of the file.
        **options: How it is to be read; see :func:`read_data`.

    Raises:
        CountsError: If the file has another form or its counts cannot be used.
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

    Raises:
        CountsError: If the file has another form or its data cannot be used.
    """
    return data_in_file(path, options)
