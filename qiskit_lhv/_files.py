"""Files that appear whole or not at all, and what is read from them."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

__all__ = ["parse_json", "write_whole"]


def write_whole(path: Path, write: Callable[[IO[bytes]], None]) -> None:
    """Writes a file beside its place and then moves it there, so that an interruption leaves the old one.

    Args:
        path: Where the file goes.
        write: Writes the content to the stream it is given.
    """
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=path.name, suffix=".part")
    try:
        with os.fdopen(handle, "wb") as stream:
            write(stream)
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def parse_json(text: str) -> Any:
    """Reads JSON in which no object has a key twice: of two values, one would be lost without a word.

    Args:
        text: The text.

    Raises:
        ValueError: If it is no JSON, has a key twice, or is nested too deeply.
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
