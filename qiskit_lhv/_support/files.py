"""Files that are written completely or not at all, and that are read up to a size limit."""

from __future__ import annotations

import json
import math
import os
import secrets
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO, Any, Self

import numpy as np
from numpy.typing import NDArray

from ..exceptions import CertificateError

__all__ = [
    "MAX_BYTES",
    "Archive",
    "parse_json",
    "read_text",
    "require_honest_array",
    "writable_file",
    "writable_folder",
    "write_whole",
]

MAX_BYTES = 1 << 30


def write_whole(path: Path, write: Callable[[IO[bytes]], None]) -> None:
    """Writes a file under another name and then moves it into place, so that an interruption leaves the old file.

    Args:
        path: Where the file goes. Its permissions are those of any new file, as the umask says.
        write: Writes the content to the stream it is given.
    """
    temporary = path.parent / f"{path.name}.{secrets.token_hex(8)}.part"
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
    handle = os.open(temporary, flags, 0o666)
    try:
        with os.fdopen(handle, "wb") as stream:
            write(stream)
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def writable_file(path: Any, name: str, suffixes: Sequence[str] = ()) -> Path:
    """Returns a path after checking, before long work, that a file can be written to it.

    Args:
        path: Where the file is to go.
        name: Name of the argument, for errors.
        suffixes: Suffixes that its name may have; default: any.

    Raises:
        CertificateError: If the argument is not a path, has another suffix or is a folder, or if its folder is missing
            or cannot hold new files.
    """
    if not isinstance(path, str | os.PathLike):
        raise CertificateError.bad_argument(name, expected="a path", got=repr(path))
    place = Path(path)
    if suffixes and place.suffix not in suffixes:
        expected = f"a name that ends with {' or '.join(suffixes)}"
        raise CertificateError.bad_argument(name, expected=expected, got=repr(place.name))
    if place.is_dir():
        raise CertificateError.bad_argument(name, expected="a file", got=f"the folder {place}")
    if place.exists() and not place.is_file():
        # A device or a pipe is written to as it is.
        if not os.access(place, os.W_OK):
            raise CertificateError.bad_argument(name, expected="a file that can be written", got=str(place))
        return place
    if not place.parent.is_dir():
        raise CertificateError.bad_argument(
            name, expected="a file in an existing folder", got=str(place), remedy="Create the folder."
        )
    _require_files(place.parent, name)
    return place


def writable_folder(path: Any, name: str) -> Path:
    """Returns a folder after checking that files can be made in it. It is created if it does not exist.

    Args:
        path: The folder.
        name: Name of the argument, for errors.

    Raises:
        CertificateError: If the argument is not a path or not a folder, or if the folder cannot be created or cannot
            hold new files.
    """
    if not isinstance(path, str | os.PathLike):
        raise CertificateError.bad_argument(name, expected="a path", got=repr(path))
    place = Path(path)
    try:
        place.mkdir(parents=True, exist_ok=True)
    except OSError as exc:
        raise CertificateError.bad_argument(
            name, expected="a folder, or a name for a new one", got=f"{place} ({exc.strerror})"
        ) from exc
    _require_files(place, name)
    return place


def _require_files(folder: Path, name: str) -> None:
    """Raises an error unless a file can be made in a folder, which only shows when it is tried."""
    trial = folder / f"{secrets.token_hex(8)}.part"
    try:
        os.close(os.open(trial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666))
        trial.unlink()
    except OSError as exc:
        raise CertificateError.bad_argument(
            name, expected="a folder in which files can be made", got=f"{folder} ({exc.strerror})"
        ) from exc


def parse_json(text: str) -> Any:
    """Reads JSON, and refuses duplicate keys of an object, of which all values but one would be lost silently.

    Args:
        text: The text.

    Raises:
        ValueError: If the text is not JSON, has a duplicate key, or is nested too deeply.
    """
    try:
        return json.loads(text, object_pairs_hook=_unique_keys)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in found if keys.count(key) > 1)
        raise ValueError(f"the key {twice[:80]!r} comes twice")
    return found


def read_text(path: Path, max_bytes: int = MAX_BYTES) -> str:
    """Returns the text of a file.

    Raises:
        ValueError: If the file has more than ``max_bytes`` bytes.
    """
    with path.open("rb") as stream:
        content = stream.read(max_bytes + 1)
    if len(content) > max_bytes:
        raise ValueError(f"more than {max_bytes} bytes")
    return content.decode("utf-8")


def require_honest_array(stream: IO[bytes], size: int, name: str) -> None:
    """Raises ValueError if an array in NumPy's format does not hold what its header says.

    What the header says is what NumPy sets aside memory for.

    Args:
        stream: The array, at its beginning; only the header is read.
        size: Number of bytes of the whole.
        name: What it is, for messages.
    """
    version = np.lib.format.read_magic(stream)
    if version != (1, 0):
        raise ValueError(f"{name} is of version {version} of the format")
    shape, _, dtype = np.lib.format.read_array_header_1_0(stream)
    # Whole numbers of any size: the product may be beyond 64 bits.
    needed = math.prod(shape) * dtype.itemsize
    if dtype.hasobject or min(shape, default=0) < 0 or needed > size:
        raise ValueError(f"{name} is not what its header says: {dtype} of shape {shape}")


class Archive:
    """A NumPy archive that unpacks an array only when it is asked for, after checking its header.

    Args:
        path: The file.
        max_bytes: Largest size of all arrays that are asked for, together.

    Raises:
        ValueError: When an array holds objects or is not as large as its header says, or the limit is exceeded.
        KeyError: When there is no array of this name.
    """

    def __init__(self, path: Path, max_bytes: int = MAX_BYTES) -> None:
        self._left = self._limit = max_bytes
        self._stream = path.open("rb")
        try:
            self._archive = zipfile.ZipFile(self._stream)
        except BaseException:
            self._stream.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._archive.close()
        self._stream.close()

    def __getitem__(self, name: str) -> NDArray[Any]:
        member = self._archive.getinfo(f"{name}.npy")
        self._left -= member.file_size
        if self._left < 0:
            raise ValueError(f"its arrays are larger than {self._limit} bytes")
        with self._archive.open(member) as stream:
            require_honest_array(stream, member.file_size, name)
        with self._archive.open(member) as stream:
            return np.lib.format.read_array(stream, allow_pickle=False)
