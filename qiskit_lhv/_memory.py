"""How much memory there is."""

from __future__ import annotations

import os

__all__ = ["GIB", "memory_of_machine"]

GIB = 2.0**30
"""Bytes of a gibibyte."""


def memory_of_machine() -> float:
    """Memory of this machine in bytes; 24 GiB where the system does not tell."""
    try:
        return float(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    except (AttributeError, ValueError, OSError):
        return 24 * GIB
