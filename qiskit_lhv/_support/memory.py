"""How much memory there is, and errors that say so before the work."""

from __future__ import annotations

import os

from ..exceptions import MeasurementError

__all__ = ["GIB", "memory_of_machine", "require_memory"]

GIB = 2.0**30
"""Bytes of a gibibyte."""


def memory_of_machine() -> float:
    """Memory of this machine in bytes; 24 GiB where the system does not tell."""
    try:
        return float(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    except (AttributeError, ValueError, OSError):
        return 24 * GIB


def require_memory(need: float, name: str, *, expected: str, got: str, remedy: str) -> None:
    """Raises MeasurementError if something would take more memory than this machine has.

    Args:
        need: Bytes that it takes.
        name: Name of the argument.
        expected: What would do, up to "into the ... GiB of memory of this machine".
        got: What there is, up to the number of GiB that it takes.
        remedy: What to do instead.
    """
    available = memory_of_machine()
    if need > available:
        raise MeasurementError.bad_argument(
            name,
            expected=f"{expected} into the {available / GIB:.0f} GiB of memory of this machine",
            got=f"{got} {need / GIB:.3g} GiB",
            remedy=remedy,
        )
