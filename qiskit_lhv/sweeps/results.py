"""What a sweep returns for a task that failed or was not reached, and how it keeps plain values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .._support.records import Record

__all__ = ["FailedTask", "StoredValue", "UnfinishedTask"]


@dataclass(frozen=True, eq=False, repr=False)
class FailedTask(Record):
    """A task of a sweep whose function raised an error; it stands in the results where the value would.

    Examples:
        >>> from qiskit_lhv import sweep
        >>> def inverse(number):
        ...     return 1 / number
        >>> results = sweep(inverse, [{"number": 2}, {"number": 0}], progress=False)
        >>> print(results[0], results[1], sep="; ")
        0.5; task 1 failed: ZeroDivisionError: division by zero
        >>> results[1].error
        'ZeroDivisionError'
    """

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
    """A task of a sweep that has no result yet, because the time limit came first.

    Examples:
        >>> from qiskit_lhv import sweep
        >>> def inverse(number):
        ...     return 1 / number
        >>> results = sweep(inverse, [{"number": 1}, {"number": 2}], time_limit=1e-9, progress=False)
        >>> print(results[1])
        task 1 is not finished
        >>> results[1].number
        1
    """

    number: int
    """Place of the task in the grid."""

    def __str__(self) -> str:
        return f"task {self.number} is not finished"


@dataclass(frozen=True, eq=False, repr=False)
class StoredValue(Record):
    """The value of a task that is not a record of its own, as the store of a sweep keeps it.

    Examples:
        What a task returned, read from its file in the store:

        >>> import pathlib, tempfile
        >>> from qiskit_lhv import sweep
        >>> def powers(number):
        ...     return {"square": number**2, "cube": number**3}
        >>> with tempfile.TemporaryDirectory() as store:
        ...     _ = sweep(powers, [{"number": 3}], store=store, progress=False)
        ...     StoredValue.load(pathlib.Path(store) / "task_000000.json").value
        {'square': 9, 'cube': 27}
    """

    value: Any
    """Numbers, texts, arrays, records, and lists and dictionaries of these."""
