"""A digest of a user's function that distinguishes it from others, in this session and in later ones."""

from __future__ import annotations

import inspect
from functools import partial
from typing import Any

import numpy as np

__all__ = ["add_to_digest"]


def add_to_digest(digest: Any, value: Any, seen: dict[int, Any]) -> None:
    """Adds a value of a function's surroundings: functions by their code, arrays by their bytes.

    Args:
        digest: What it is added to.
        value: The value.
        seen: Objects that have been added, kept alive by it: functions may refer to themselves.
    """
    value = inspect.unwrap(value) if callable(value) else value
    if value is None or isinstance(value, bool | int | float | complex | str | bytes | range):
        digest.update(f"{value!r};".encode())
        return
    if id(value) in seen:
        return
    seen[id(value)] = value
    parts: list[Any] = []
    if isinstance(value, partial):
        parts = [value.func, *value.args, *sorted(value.keywords.items())]
    elif inspect.ismethod(value):
        parts = [value.__func__, value.__self__]
    elif inspect.iscode(value):
        digest.update(value.co_code + " ".join(value.co_names).encode())
        parts = list(value.co_consts)
    elif inspect.isfunction(value):
        cells = [cell.cell_contents for cell in value.__closure__ or ()]
        parts = [value.__code__, value.__defaults__, value.__kwdefaults__, *cells]
    elif isinstance(value, list | tuple):
        parts = list(value)
    elif isinstance(value, set | frozenset):
        parts = sorted(value, key=repr)
    elif isinstance(value, dict):
        parts = sorted(value.items(), key=lambda item: repr(item[0]))
    elif isinstance(value, np.ndarray) or hasattr(value, "__array__"):
        array = np.asarray(value)
        digest.update(f"{array.dtype}{array.shape}".encode() + array.tobytes())
    else:
        digest.update(type(value).__qualname__.encode())
        parts = sorted(getattr(value, "__dict__", {}).items()) if not inspect.ismodule(value) else [value.__name__]
    digest.update(f"({len(parts)};".encode())
    for part in parts:
        add_to_digest(digest, part, seen)
