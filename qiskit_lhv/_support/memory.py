"""How much memory this machine has, and errors for work that needs more, raised before it begins."""

from __future__ import annotations

import os
from collections.abc import Callable

from ..exceptions import MeasurementError

__all__ = ["GIB", "memory_of_machine", "require_memory", "require_memory_of_many"]

GIB = 2.0**30
"""Bytes of a gibibyte."""


def memory_of_machine() -> float:
    """Memory of this machine in bytes; 24 GiB if the system does not say."""
    try:
        return float(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    except (AttributeError, ValueError, OSError):
        return 24 * GIB


def require_memory(need: float, name: str, *, expected: str, got: str, remedy: str) -> None:
    """Raises MeasurementError if something would take more memory than this machine has.

    Args:
        need: Bytes that it takes.
        name: Name of the argument.
        expected: What was expected; the message goes on with "into the ... GiB of memory of this machine".
        got: What was passed; the message goes on with the number of GiB that it takes.
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


def require_memory_of_many(
    need: Callable[[int], float], number: int, name: str, *, what: str, fits: str = "which fit", remedy: str = ""
) -> None:
    """Raises MeasurementError if so many qubits or spins would take more memory than this machine has.

    Args:
        need: The bytes that a number of them takes; it rises with the number.
        number: How many there are.
        name: Name of the argument.
        what: What they are, such as ``"qubits"``.
        fits: What of them has to fit, such as ``"whose amplitudes fit"``.
        remedy: What to do instead.
    """
    available = memory_of_machine()
    if need(number) > available:
        fit = max((fewer for fewer in range(1, number) if need(fewer) <= available), default=0)
        raise MeasurementError.bad_argument(
            name,
            expected=f"at most {fit} {what}, {fits} the {available / GIB:.0f} GiB of memory of this machine",
            got=f"{number} {what}, which need {need(number) / GIB:.3g} GiB",
            remedy=remedy,
        )
