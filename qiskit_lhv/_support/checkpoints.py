"""Files that hold the state of a long run, so that an interrupted one can go on.

All long runs keep these rules. A file is replaced as a whole, so that the last good one stays whatever happens while
the next is written. It holds a digest of its content and of everything that the run depends on; a damaged file, or one
of another run, is refused and left as it is. SIGINT and SIGTERM end a run after its state has been written
(:mod:`.interruptions`).
"""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import IO, Any

import numpy as np

from ..exceptions import CertificateError
from .deadlines import Deadline
from .files import Archive, parse_json, write_whole

__all__ = ["ArrayCheckpoint", "fingerprint"]

_VERSION = 3
# Without a digest of the arrays.
_FORMER_VERSION = 2
_SECONDS_BETWEEN = 5.0


def fingerprint(**facts: Any) -> str:
    """A digest of everything that a run depends on; arrays enter by their bytes.

    Args:
        facts: Numbers, texts, arrays, and objects whose ``repr`` shows all that matters about them.
    """
    digest = hashlib.sha256()
    for name in sorted(facts):
        value = facts[name]
        array = isinstance(value, np.ndarray)
        digest.update(f"{name}:{value.shape if array else value!r};".encode())
        if array:
            digest.update(np.ascontiguousarray(value).tobytes())
    return digest.hexdigest()


class ArrayCheckpoint:
    """A file that holds the state of one run as named arrays.

    Args:
        path: The file, which ``writable_file`` has checked beforehand. If it exists, the run continues from it.
        run: The :func:`fingerprint` of the run.
    """

    def __init__(self, path: str | os.PathLike[str], run: str) -> None:
        self._path = Path(path)
        self._run = run
        self._pause = Deadline(_SECONDS_BETWEEN)

    def load_arrays(self) -> dict[str, np.ndarray] | None:
        """The saved arrays; ``None`` if there is no file yet.

        Raises:
            CertificateError: If the file is damaged or belongs to another run; it is left as it is.
        """
        if not self._path.exists():
            return None
        try:
            with Archive(self._path) as archive:
                header = parse_json(str(archive["header"]))
                # Of another run's file, nothing but the header is unpacked; of this run's, what the header names.
                own = header.get("version") in (_FORMER_VERSION, _VERSION) and header.get("run") == self._run
                arrays = {name: archive[name] for name in header["arrays"]} if own else {}
                if own and header["version"] == _VERSION and header["digest"] != fingerprint(**arrays):
                    raise ValueError("its arrays are not those that were written")
        except Exception as exc:  # a damaged archive can fail anywhere in its reader
            raise self.refused("a readable checkpoint", f"a damaged file ({exc})") from exc
        if not own:
            raise self.refused("a checkpoint of this very run", "one of another target, seed or setting")
        return arrays

    @property
    def due(self) -> bool:
        """Whether it is time to save again, some seconds after the last time."""
        return self._pause.over

    def save_arrays(self, arrays: dict[str, np.ndarray]) -> None:
        """Writes the arrays; the file is replaced as a whole."""
        arrays = {name: np.asarray(array) for name, array in arrays.items()}
        facts = {"version": _VERSION, "run": self._run, "arrays": sorted(arrays), "digest": fingerprint(**arrays)}
        header = json.dumps(facts)

        def write(stream: IO[bytes]) -> None:
            np.savez(stream, allow_pickle=False, header=np.array(header), **arrays)

        write_whole(self._path, write)
        self._pause = Deadline(_SECONDS_BETWEEN)

    def refused(self, expected: str, got: str) -> CertificateError:
        """The error for a file that cannot be used."""
        return CertificateError.bad_argument(
            "checkpoint",
            expected=expected,
            got=f"{got} in {self._path.name}",
            remedy="Nothing was changed: pass another path, or move the file away to start anew.",
        )
