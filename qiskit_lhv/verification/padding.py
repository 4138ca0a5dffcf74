"""Tables whose settings have different numbers of outcomes: cells that a setting does not have are padding."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..exceptions import ScenarioError

__all__ = ["Outcomes", "all_outcomes", "filled_padding"]

Outcomes = Sequence[Sequence[int]]
"""Number of outcomes of every setting of every party."""


def all_outcomes(shape: tuple[int, ...], num_outcomes: Outcomes | None) -> list[list[int]]:
    """The number of outcomes of every setting of every party.

    Args:
        shape: Shape of a table, ``(m_1, ..., m_N, d_1, ..., d_N)``.
        num_outcomes: These numbers; ``None`` if every setting has as many as the table.

    Raises:
        ScenarioError: If they do not fit a table of this shape.
    """
    n = len(shape) // 2
    if num_outcomes is None:
        return [[d] * m for m, d in zip(shape[:n], shape[n:], strict=True)]
    full = [[int(d) for d in party] for party in num_outcomes]
    fits = len(full) == n and all(
        len(party) == m and all(1 <= d <= most for d in party)
        for party, m, most in zip(full, shape[:n], shape[n:], strict=True)
    )
    if not fits:
        raise ScenarioError.bad_argument(
            "num_outcomes", expected=f"those of the settings of a table of shape {shape}", got=f"{num_outcomes}"
        )
    return full


def filled_padding(table: NDArray[Any], num_outcomes: Outcomes | None) -> NDArray[Any]:
    """Returns a table whose padding repeats the first outcome of its setting, so that maxima do not change.

    Args:
        table: Shape ``(m_1, ..., m_N, d_1, ..., d_N)``.
        num_outcomes: Number of outcomes of every setting of every party; ``None``: nothing is padded.
    """
    if num_outcomes is None:
        return table
    n = table.ndim // 2
    result = table.copy()
    for k, party in enumerate(all_outcomes(table.shape, num_outcomes)):
        by_outcome = np.moveaxis(result, (k, n + k), (0, 1))
        for part, size in zip(by_outcome, party, strict=True):
            part[size:] = part[0]
    return result
