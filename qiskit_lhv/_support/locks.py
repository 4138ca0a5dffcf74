"""A lock on a folder, so that two runs do not write to it at the same time."""

from __future__ import annotations

import errno
import os
import threading
from pathlib import Path
from typing import IO

__all__ = ["FolderLock"]

_NAME = ".lock"
_IN_USE = (errno.EACCES, errno.EAGAIN)

# The system tells processes apart, but not the runs of one process.
_held: set[str] = set()
_guard = threading.Lock()


class FolderLock:
    """The right to write to a folder, which ends with the process, however that ends.

    It is a lock of the system on an empty file, which stays. Processes that a run has forked do not hold it. On a file
    system without locks, other runs of this process alone are kept out.

    Args:
        folder: The folder.
    """

    def __init__(self, folder: Path) -> None:
        self._key = os.path.realpath(folder)
        self._stream: IO[bytes] | None = None
        self.excludes_others = False
        """Whether other processes are kept out."""

    def acquire(self) -> bool:
        """Takes the lock; returns whether it was free.

        Raises:
            OSError: If the file cannot be made.
        """
        with _guard:
            if self._key in _held:
                return False
            stream = (Path(self._key) / _NAME).open("ab")
            try:
                import fcntl

                fcntl.lockf(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
                self.excludes_others = True
            except ImportError:
                pass
            except OSError as exc:
                if exc.errno in _IN_USE:
                    stream.close()
                    return False
            self._stream = stream
            _held.add(self._key)
            return True

    def release(self) -> None:
        """Gives the lock back, if it was taken."""
        with _guard:
            if self._stream is not None:
                self._stream.close()
                self._stream = None
                _held.discard(self._key)
