"""Checkpoints of a training run: what an interrupted run needs to go on as if nothing had happened."""

from __future__ import annotations

import hashlib
import json
import os
import time
from pathlib import Path
from typing import IO, Any

import jax
import numpy as np
from numpy.typing import NDArray

from .._files import write_whole
from ..exceptions import CertificateError

__all__ = ["Checkpoint", "fingerprint"]

_VERSION = 1
_SECONDS_BETWEEN = 5.0


def fingerprint(**facts: Any) -> str:
    """A digest of everything that a run depends on; arrays enter by their bytes.

    Args:
        facts: Numbers, texts, arrays, and objects whose text form says all about them.
    """
    digest = hashlib.sha256()
    for name in sorted(facts):
        value = facts[name]
        array = isinstance(value, np.ndarray)
        digest.update(f"{name}:{value.shape if array else value!r};".encode())
        if array:
            digest.update(np.ascontiguousarray(value).tobytes())
    return digest.hexdigest()


class Checkpoint:
    """A file that holds the state of one run.

    Args:
        path: The file. If it exists, the run goes on from it.
        run: Fingerprint of the run.
    """

    def __init__(self, path: str | os.PathLike[str], run: str) -> None:
        self._path = Path(path)
        self._run = run
        self._last = time.monotonic()
        if not self._path.parent.is_dir():
            raise CertificateError.bad_argument(
                "checkpoint", expected="a file in an existing folder", got=str(self._path), remedy="Create the folder."
            )

    def load(self, template: Any) -> tuple[Any, NDArray[np.float64]] | None:
        """The saved state and the loss of every step taken; ``None`` if there is no file yet.

        Args:
            template: A state of the same structure and shapes.

        Raises:
            CertificateError: If the file is damaged or belongs to another run; it is left as it is.
        """
        if not self._path.exists():
            return None
        try:
            with self._path.open("rb") as stream, np.load(stream, allow_pickle=False) as archive:
                header = json.loads(str(archive["header"]))
                saved = [archive[f"leaf_{i}"] for i in range(header["leaves"])]
                history = archive["history"]
        except Exception as exc:  # a damaged archive can fail anywhere in its reader
            raise self._refused("a readable checkpoint", f"a damaged file ({exc})") from exc
        leaves, structure = jax.tree.flatten(template)
        if header.get("version") != _VERSION or header.get("run") != self._run:
            raise self._refused("a checkpoint of this very run", "one of another target, seed or setting")
        if [leaf.shape for leaf in leaves] != [leaf.shape for leaf in saved]:
            raise self._refused("a checkpoint of this very run", "one with other shapes")
        restored = [
            jax.numpy.asarray(value, like.dtype) if isinstance(like, jax.Array) else value
            for value, like in zip(saved, leaves, strict=True)
        ]
        return jax.tree.unflatten(structure, restored), history

    def save(self, state: Any, history: NDArray[np.float64], *, now: bool = False) -> None:
        """Writes the state, at most every few seconds unless ``now``; the file is replaced as a whole.

        Args:
            state: Any tree of arrays.
            history: Loss of every step taken.
            now: Whether to write however little time has passed.
        """
        if not now and time.monotonic() - self._last < _SECONDS_BETWEEN:
            return
        leaves = jax.tree.leaves(state)
        header = {"version": _VERSION, "run": self._run, "leaves": len(leaves)}
        arrays = {f"leaf_{i}": np.asarray(leaf) for i, leaf in enumerate(leaves)}

        def write(stream: IO[bytes]) -> None:
            np.savez(stream, allow_pickle=False, header=np.array(json.dumps(header)), history=history, **arrays)

        write_whole(self._path, write)
        self._last = time.monotonic()

    def _refused(self, expected: str, got: str) -> CertificateError:
        return CertificateError.bad_argument(
            "checkpoint",
            expected=expected,
            got=f"{got} in {self._path.name}",
            remedy="Nothing was changed: pass another path, or move the file away to start anew.",
        )
