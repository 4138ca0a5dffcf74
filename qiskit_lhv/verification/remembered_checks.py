"""A memory of checks that take seconds: each is done once per process for the same content.

A check depends on the numbers that it is given and on nothing else. So its result is remembered under a digest of all
of their bits, and numbers that differ in a single bit are checked anew.
"""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np

__all__ = ["remembered"]

Result = TypeVar("Result")

_MAX_REMEMBERED = 64
_results: OrderedDict[bytes, Any] = OrderedDict()
_lock = threading.Lock()


def remembered(
    check: Callable[[], Result], name: str, *content: Any, lasting: Callable[[Result], bool] = lambda _: True
) -> Result:
    """Returns the result of a check, from memory if this process has done it for the same content.

    Args:
        check: Does the check. Nobody may change its result afterwards.
        name: Which check it is.
        content: All that the result depends on: arrays, numbers, text, ``None``, or sequences of such.
        lasting: Tells whether a result is to be remembered; one that depends on a time limit is not.
    """
    digest = hashlib.sha256()
    _absorb(digest, (name, *content))
    key = digest.digest()
    with _lock:
        if key in _results:
            _results.move_to_end(key)
            known: Result = _results[key]
            return known
    result = check()
    if not lasting(result):
        return result
    with _lock:
        _results[key] = result
        while len(_results) > _MAX_REMEMBERED:
            _results.popitem(last=False)
    return result


def _absorb(digest: Any, value: Any) -> None:
    """Adds a value to a digest, with type and length before it, so that no two values read the same."""
    if isinstance(value, np.ndarray):
        whole = np.ascontiguousarray(value)
        if whole.dtype.hasobject:
            raise TypeError("arrays of objects have no content that a digest could tell")
        digest.update(f"array {whole.dtype.str} {value.shape};".encode())
        digest.update(whole.data.cast("B") if whole.size else b"")
    elif isinstance(value, tuple | list):
        digest.update(f"sequence {len(value)};".encode())
        for entry in value:
            _absorb(digest, entry)
    else:
        text = value.hex() if isinstance(value, float) else repr(value)
        digest.update(f"{type(value).__name__} {len(text)} {text};".encode())
