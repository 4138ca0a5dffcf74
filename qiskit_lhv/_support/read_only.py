"""Objects whose arrays stay read-only when they are copied or sent to another process."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["ReadOnlyArrays"]


class ReadOnlyArrays:
    """Base of objects with read-only arrays, which NumPy would make writable in pickled and deeply copied objects."""

    def __setstate__(self, state: dict[str, Any]) -> None:
        _make_read_only(state)
        self.__dict__.update(state)


def _make_read_only(value: Any) -> None:
    if isinstance(value, np.ndarray):
        value.flags.writeable = False
    elif isinstance(value, dict):
        for item in value.values():
            _make_read_only(item)
    elif isinstance(value, list | tuple):
        for item in value:
            _make_read_only(item)
