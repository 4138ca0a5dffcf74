"""What a sweep returns for a task that failed or was not reached, and how it keeps plain values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .._support.records import Record

__all__ = ["FailedTask", "StoredValue", "UnfinishedTask"]


@dataclass(frozen=True, eq=False, repr=False)
class FailedTask(Record):
    """A task of a sweep whose function raised an error; it stands in the results where the value would."""

    number: int
    """Place of the task in the grid."""
    error: str
    """Name of the error's class."""
    message: str
    """What the error said."""
    traceback: str
    """Where it was raised, as Python prints it."""

    def __str__(self) -> str:
        return f"task {self.number} failed: {self.error}: {self.message}"


@dataclass(frozen=True, eq=False, repr=False)
class UnfinishedTask(Record):
    """A task of a sweep that has no result yet, because the time limit came first."""

    number: int
    """Place of the task in the grid."""

    def __str__(self) -> str:
        return f"task {self.number} is not finished"


@dataclass(frozen=True, eq=False, repr=False)
class StoredValue(Record):
    """The value of a task that is not a record of its own, as the store of a sweep keeps it."""

    value: Any
    """Numbers, texts, arrays, records, and lists and dictionaries of these."""
