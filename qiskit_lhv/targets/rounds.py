"""Counts and trials of several jobs together: their sum, in which the tables of the rounds stay in order."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from .._support.records import Record
from .._support.types import IntArray
from .._support.validation import frozen, whole_array
from ..exceptions import CountsError

if TYPE_CHECKING:
    from .counts import BellCounts
    from .trials import BellTrials

__all__ = ["DataOfRuns", "added_counts", "added_trials", "check_rounds", "of_rounds"]


class DataOfRuns(Record, ABC):
    """Base of counts and trials: those of several runs of one experiment add up, and they are written as CSV, too."""

    @abstractmethod
    def _joined_with(self, other: Any) -> Self:
        """The data of two runs of one experiment together.

        Args:
            other: Data of the same kind.
        """

    @abstractmethod
    def _write_csv(self, path: str | os.PathLike[str]) -> None:
        """Writes the data as CSV.

        Args:
            path: Where to write.
        """

    def __add__(self, other: object) -> Self:
        """The data of two runs of one experiment together."""
        if isinstance(other, int) and other == 0:
            # What ``sum`` begins with.
            return self
        _refuse_both_kinds(self, other)
        return self._joined_with(other) if isinstance(other, type(self)) else NotImplemented

    __radd__ = __add__

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes the data to a file, by its suffix: ``.csv``, ``.json`` or ``.npz``.

        A CSV file has one row per cell of counts, with the columns x, y, a, b and count for two parties, or one row per
        trial, without the count. ``read_data`` reads all of them back; a CSV file keeps no rounds.

        Args:
            path: Where to write.

        Raises:
            CertificateError: If the suffix is none of these.
        """
        if str(path).endswith(".csv"):
            self._write_csv(path)
        else:
            super().save(path)


def check_rounds(rounds: Any, array: NDArray[np.int64]) -> NDArray[np.int64] | None:
    """Returns the tables of the rounds, or ``None`` if there are none.

    Args:
        rounds: Shape ``(K, m_1, ..., m_N, d_1, ..., d_N)``, or ``None``.
        array: The counts of all rounds together.

    Raises:
        CountsError: If they are not at least two tables of counts whose sum is the array.
    """
    if rounds is None:
        return None
    tables = whole_array(rounds, "rounds", CountsError)
    fits = tables.ndim == array.ndim + 1 and tables.shape[1:] == array.shape and len(tables) > 1
    if not fits or tables.min() < 0 or not np.array_equal(tables.sum(axis=0), array):
        raise CountsError.bad_argument(
            "rounds",
            expected=f"at least two tables of shape {array.shape} whose sum is the array",
            got=f"tables of shape {tables.shape}" if not fits else "tables with another sum",
        )
    return frozen(tables)


def of_rounds(rounds: NDArray[np.int64] | None, change: Callable[[NDArray[np.int64]], IntArray]) -> IntArray | None:
    """Returns the tables of the rounds after a change that applies to each of them."""
    return None if rounds is None else np.stack([change(table) for table in rounds])


def added_counts(first: BellCounts, second: BellCounts) -> BellCounts:
    """Returns the counts of two runs of one experiment together, with both tables in order.

    Raises:
        CountsError: If the runs differ in their scenario or design, or in which outcomes mean "lost".
    """
    _require_same(first, second)
    tables = [table for part in (first, second) for table in ([part.array] if part.rounds is None else part.rounds)]
    return replace(first, array=first.array + second.array, rounds=np.stack(tables), **_joined(first, second))


def added_trials(first: BellTrials, second: BellTrials) -> BellTrials:
    """Returns the trials of two runs of one experiment, one run after the other.

    Raises:
        CountsError: If the runs differ in their scenario or design, or in which outcomes mean "lost".
    """
    _require_same(first, second)
    return replace(
        first,
        settings=np.concatenate([first.settings, second.settings]),
        outcomes=np.concatenate([first.outcomes, second.outcomes]),
        **_joined(first, second),
    )


def _refuse_both_kinds(first: Any, second: Any) -> None:
    """Raises an error if counts are to be added to trials.

    Raises:
        CountsError: If they are.
    """
    if hasattr(first, "to_counts") != hasattr(second, "to_counts") and hasattr(second, "post_selected"):
        raise CountsError.bad_argument(
            "runs to add",
            expected="BellCounts alone, or BellTrials alone",
            got="both",
            remedy="Take trials.to_counts().",
        )


def _require_same(first: Any, second: Any) -> None:
    for name, words in (
        ("scenario", "one scenario"),
        ("design", "one design"),
        ("lost_outcomes", "the same lost outcomes"),
        ("setting_names", "the same settings"),
    ):
        one, other = getattr(first, name), getattr(second, name)
        if one != other and not (name == "setting_names" and None in (one, other)):
            raise CountsError.bad_argument(
                "runs to add",
                expected=f"runs of {words}",
                got=f"{one} and {other}",
                remedy="Of different experiments, multiply the e-values: combine_e_values(e_values, independent=True).",
            )
    if not np.array_equal(
        np.asarray(first.setting_probabilities, float), np.asarray(second.setting_probabilities, float), equal_nan=True
    ):
        raise CountsError.bad_argument(
            "runs to add",
            expected="runs with the same setting_probabilities",
            got=f"{first.setting_probabilities} and {second.setting_probabilities}",
            remedy="Multiply the e-values: combine_e_values(e_values, independent=True).",
        )


def _joined(first: Any, second: Any) -> dict[str, Any]:
    """What is said about both runs: what was guessed, names of settings, and whether shots were dropped."""
    return {
        "post_selected": first.post_selected or second.post_selected,
        "reading": tuple(dict.fromkeys(first.reading + second.reading)),
        "setting_names": second.setting_names if first.setting_names is None else first.setting_names,
    }
