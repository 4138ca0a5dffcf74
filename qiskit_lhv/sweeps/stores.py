"""The folder of a sweep: one file per finished task, and what tells them apart from those of other sweeps."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

import numpy as np

from .._support.files import parse_json, read_text, writable_folder, write_whole
from .._support.locks import FolderLock
from .._support.records import Record, encode
from ..exceptions import CertificateError, SweepError
from .identities import digest_of_grid, name_of_function
from .results import FailedTask, StoredValue, UnfinishedTask

__all__ = ["SweepStore", "load_sweep"]

_MANIFEST = "sweep.json"
_JOURNAL = "finished.jsonl"
_VERSION = 1
# Larger arrays are kept as NumPy archives.
_LARGEST_AS_TEXT = 1000
_TYPES_AS_TEXT = ("float64", "complex128", "int64", "int32", "int16", "int8", "bool")
_PART = re.compile(r"(task|failed)_\d+\.\w+\.[0-9a-f]{16}\.part")
_FACTS = {"function": "the function", "num_tasks": "the number of tasks", "grid": "the keywords of the tasks"}


class SweepStore:
    """The folder of a sweep.

    A task is finished when the journal says so. Its line holds the digest of the file and is written after it.

    Args:
        folder: The folder, which exists.
        num_tasks: Number of tasks.
    """

    def __init__(self, folder: Path, num_tasks: int) -> None:
        self._folder = folder
        self._num_tasks = num_tasks
        self._journal: IO[bytes] | None = None
        self._lock = FolderLock(folder)
        self._files = self._read_journal()

    @classmethod
    def opened(
        cls,
        folder: str | os.PathLike[str],
        function: Callable[..., Any],
        grid: Sequence[Mapping[str, Any]],
        resume: bool,
    ) -> Self:
        """Returns the store of a sweep, which is made if it does not exist.

        Raises:
            CertificateError: If the folder cannot be written to, holds another sweep, or holds finished tasks that are
                not to be resumed; nothing is changed.
            LHVError: If a value of the grid cannot be told from others in a later session.
        """
        facts = {
            "function": name_of_function(function),
            "num_tasks": len(grid),
            "grid": digest_of_grid(grid),
        }
        place = writable_folder(folder, "store")
        manifest = place / _MANIFEST
        if manifest.exists():
            _require_same(_read_manifest(place), facts, place)
        elif any(not name.endswith((".part", ".lock")) for name in os.listdir(place)):
            raise CertificateError.bad_argument(
                "store", expected="an empty folder, or the store of a sweep", got=f"other files in {place}"
            )
        else:
            text = json.dumps({"schema_version": _VERSION, **facts}, indent=1).encode()
            try:
                write_whole(manifest, lambda stream: _write(stream, text))
            except OSError as exc:
                raise _cannot_write(place, exc) from exc
        store = cls(place, len(grid))
        if store._files and not resume:
            raise CertificateError.bad_argument(
                "store",
                expected="a new folder, because resume is False",
                got=f"{len(store._files)} finished tasks in {place}",
                remedy="Nothing was changed: pass resume=True or another folder.",
            )
        return store

    def __enter__(self) -> Self:
        """Takes the store for this sweep alone.

        Raises:
            CertificateError: If another sweep is writing to it.
            SweepError: If it cannot be written to.
        """
        try:
            free = self._lock.acquire()
        except OSError as exc:
            raise _cannot_write(self._folder, exc) from exc
        if not free:
            raise CertificateError.bad_argument(
                "store",
                expected="a folder to which no other sweep is writing",
                got=f"{self._folder}, which is in use",
                remedy="Wait until that sweep has ended, or pass another folder.",
            )
        try:
            # What another sweep has finished meanwhile.
            self._files = self._read_journal()
            self._remove_parts()
        except BaseException:
            self._lock.release()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._journal is not None:
            self._journal.close()
            self._journal = None
        self._lock.release()

    @property
    def finished(self) -> set[int]:
        """The tasks that have a value."""
        return set(self._files)

    def keep(self, number: int, value: Any) -> None:
        """Keeps the value of a task.

        Raises:
            CertificateError: If no file can hold the value.
            SweepError: If the file cannot be written, say because the disk is full.
        """
        record = value if isinstance(value, Record) and not isinstance(value, StoredValue) else StoredValue(value)
        try:
            file = self._folder / f"task_{number:06d}{_suffix_for(record)}"
        except (TypeError, RecursionError) as exc:
            raise _cannot_hold(number, value, exc) from exc
        try:
            record.save(file)
            self._enter(number, file)
            self._failure_file(number).unlink(missing_ok=True)
        except OSError as exc:
            raise _cannot_write(self._folder, exc) from exc
        except ValueError as exc:
            raise _cannot_hold(number, value, exc) from exc

    def keep_failure(self, failure: FailedTask) -> None:
        """Keeps what is known about a task that failed. A sweep that is resumed tries it again.

        Raises:
            SweepError: If the file cannot be written.
        """
        try:
            failure.save(self._failure_file(failure.number))
        except OSError as exc:
            raise _cannot_write(self._folder, exc) from exc

    def value(self, number: int) -> Any:
        """What is kept about a task: its value, a ``FailedTask``, or an ``UnfinishedTask``.

        Raises:
            CertificateError: If its file is damaged.
        """
        if number not in self._files:
            failure = self._failure_file(number)
            return FailedTask.load(failure) if failure.exists() else UnfinishedTask(number)
        file, digest = self._files[number]
        try:
            same = hashlib.sha256(file.read_bytes()).hexdigest() == digest
        except OSError:
            same = False
        if not same:
            raise CertificateError.bad_argument(
                "store",
                expected="files as the sweep wrote them",
                got=f"another content of {file.name}",
                remedy="Delete this file: its task is then done again.",
            )
        record = Record.load(file)
        return record.value if isinstance(record, StoredValue) else record

    # Parts of the above

    def _remove_parts(self) -> None:
        """Removes parts of files that a killed sweep was writing."""
        if not self._lock.excludes_others:
            return
        for name in os.listdir(self._folder):
            if _PART.fullmatch(name):
                (self._folder / name).unlink(missing_ok=True)

    def _failure_file(self, number: int) -> Path:
        return self._folder / f"failed_{number:06d}.json"

    def _enter(self, number: int, file: Path) -> None:
        digest = hashlib.sha256(file.read_bytes()).hexdigest()
        if self._journal is None:
            self._journal = (self._folder / _JOURNAL).open("ab", buffering=0)
            # Ends a line that was cut off.
            self._journal.write(b"\n")
        line = json.dumps({"task": number, "file": file.name, "sha256": digest}) + "\n"
        written = self._journal.write(line.encode())
        if written != len(line):
            self._journal.write(b"\n")
            raise OSError(f"{written} of {len(line)} bytes were written")
        self._files[number] = (file, digest)

    def _read_journal(self) -> dict[int, tuple[Path, str]]:
        journal = self._folder / _JOURNAL
        found = {}
        try:
            lines = read_text(journal).splitlines() if journal.exists() else []
        except (OSError, ValueError) as exc:
            got = f"a damaged {_JOURNAL} in {self._folder} ({exc})"
            raise CertificateError.bad_argument("store", expected="the store of a sweep", got=got) from exc
        for line in lines:
            try:
                entry = parse_json(line)
                number, name, digest = entry["task"], entry["file"], entry["sha256"]
                if type(number) is not int:
                    raise TypeError("the number of a task is not a whole number")
            except (ValueError, KeyError, TypeError):
                # A line that was cut off: its task is done again.
                continue
            if number in range(self._num_tasks) and name in (f"task_{number:06d}.json", f"task_{number:06d}.npz"):
                found[number] = (self._folder / name, digest)
        present = set(os.listdir(self._folder))
        return {number: entry for number, entry in found.items() if entry[0].name in present}


def load_sweep(store: str | os.PathLike[str]) -> list[Any]:
    """Returns what the store of a sweep holds, without the function: one entry per task, in the order of the grid.

    Args:
        store: The folder that was passed to :func:`sweep`.

    Returns:
        For each task its value, a :class:`FailedTask`, or an :class:`UnfinishedTask` if it has not been done yet.

    Raises:
        CertificateError: If the folder is not the store of a sweep, or if a file in it is damaged.

    Examples:
        >>> import tempfile
        >>> from qiskit_lhv import Behavior, nonlocality_threshold, sweep, werner_state
        >>> def threshold(visibility):
        ...     return nonlocality_threshold(Behavior.from_state(werner_state(visibility), "chsh")).estimate
        >>> with tempfile.TemporaryDirectory() as store:
        ...     _ = sweep(threshold, [{"visibility": 0.8}, {"visibility": 1.0}], store=store, progress=False)
        ...     [round(value, 4) for value in load_sweep(store)]
        [0.8839, 0.7071]
    """
    if not isinstance(store, str | os.PathLike):
        raise CertificateError.bad_argument("store", expected="a path", got=repr(store))
    place = Path(store)
    if not (place / _MANIFEST).is_file():
        raise CertificateError.bad_argument("store", expected="the store of a sweep", got=str(place))
    num_tasks = _read_manifest(place)["num_tasks"]
    kept = SweepStore(place, num_tasks)
    return [kept.value(number) for number in range(num_tasks)]


def _read_manifest(place: Path) -> dict[str, Any]:
    try:
        manifest = parse_json(read_text(place / _MANIFEST))
        version = manifest["schema_version"]
        facts = {name: manifest[name] for name in _FACTS}
        if type(facts["num_tasks"]) is not int or facts["num_tasks"] < 0:
            raise ValueError("num_tasks is not a number of tasks")
    except (OSError, ValueError, KeyError, TypeError) as exc:
        raise CertificateError.bad_argument(
            "store", expected="the store of a sweep", got=f"a damaged {_MANIFEST} in {place} ({exc})"
        ) from exc
    if version != _VERSION:
        raise CertificateError.bad_argument(
            "store",
            expected=f"a store of schema version {_VERSION}",
            got=f"version {version} in {place}",
            remedy="Use the release of the package that wrote it.",
        )
    return facts


def _require_same(found: dict[str, Any], facts: dict[str, Any], place: Path) -> None:
    different = [name for name in _FACTS if found[name] != facts[name]]
    if not different:
        return
    shown = [
        _FACTS[name] if name == "grid" else f"{_FACTS[name]} ({found[name]} there, {facts[name]} here)"
        for name in different
    ]
    raise CertificateError.bad_argument(
        "store",
        expected="a new folder, or the store of this very sweep",
        got=f"that of another sweep in {place}, which differs in {' and '.join(shown)}",
        remedy="Nothing was changed: pass another folder.",
    )


def _suffix_for(record: Record) -> str:
    """The suffix of the file for a record: that of a NumPy archive for large arrays and for unusual ones."""
    arrays: dict[str, np.ndarray] = {}
    encode(record, arrays)
    plain = all(array.dtype.name in _TYPES_AS_TEXT for array in arrays.values())
    return ".json" if plain and sum(array.size for array in arrays.values()) <= _LARGEST_AS_TEXT else ".npz"


def _write(stream: IO[bytes], text: bytes) -> None:
    stream.write(text)


def _cannot_hold(number: int, value: Any, exc: Exception) -> CertificateError:
    return CertificateError.bad_argument(
        "function",
        expected="results that a store can hold: records of this package, numbers, texts, arrays, and lists and "
        "dictionaries of these",
        got=f"a {type(value).__name__} from task {number} ({exc})",
        remedy="Return what you need of it.",
    )


def _cannot_write(place: Path, exc: OSError) -> SweepError:
    return SweepError(
        f"The store {place} cannot be written to: {exc.strerror or exc}. What was finished before is kept: make room "
        "and call again with the same store."
    )
