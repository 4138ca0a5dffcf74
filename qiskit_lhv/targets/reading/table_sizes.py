"""How large tables of counts may be."""

from __future__ import annotations

import math
from collections.abc import Sequence

from ..._support.validation import shown
from ...exceptions import CountsError

__all__ = ["MAX_CELLS", "MAX_SHOTS", "QUASI_REMEDY", "check_table_size"]

MAX_CELLS = 10**8
"""Tables of counts are dense: so many cells take 0.8 GB."""
MAX_SHOTS = 2**53
"""Numbers of shots up to here are floats without rounding."""

QUASI_REMEDY = (
    "Mitigated quasi-probabilities are not counts: their errors are not those of independent shots, so no "
    "p-value follows from them. Pass the raw counts."
)

# Larger numbers need not be told.
_FAR_TOO_MANY = 10**100


def check_table_size(shape: Sequence[int], argument: str) -> None:
    """Refuses a table of counts that would not fit into memory, before it is made.

    Args:
        shape: Its shape ``(m_1, ..., m_N, d_1, ..., d_N)``.
        argument: Name of the argument that led to it.

    Raises:
        CountsError: If it has more than 10**8 cells.
    """
    cells, half = math.prod(shape), len(shape) // 2
    if cells > MAX_CELLS:
        settings, outcomes = tuple(shape[:half]), tuple(shape[half:])
        number = f"{cells:.3g}" if cells < _FAR_TOO_MANY else "far more"
        raise CountsError.bad_argument(
            argument,
            expected=f"at most {MAX_CELLS} combinations of settings and outcomes",
            got=f"{number}: {shown(settings)} settings with {shown(outcomes)} outcomes",
            remedy="Number settings and outcomes from 0 without gaps.",
        )
