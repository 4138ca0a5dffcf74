"""The table of the groups of a device."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from .._support.validation import shown
from ..exceptions import CountsError
from .figure_names import Figure, format_in_table

if TYPE_CHECKING:
    from .devices import DeviceReport

__all__ = ["aligned_lines", "table_of_groups"]

# What the groups are sorted by, the largest first.
_ORDERS: dict[str, Callable[[Mapping[str, float]], Any]] = {
    "group": lambda figures: 0,
    # Values of S first, then divergences: the two do not compare.
    "violation": lambda figures: (Figure.S in figures, figures.get(Figure.S, figures.get(Figure.KL, 0.0))),
    "evidence": lambda figures: figures.get(Figure.LOG10_E, -math.inf),
    "signaling": lambda figures: figures.get(Figure.LARGEST_SHIFT, 0.0),
}
# Columns of words, which stand to the left.
_WORDS = ("group", "verdict", "rejected")


def table_of_groups(report: DeviceReport, sort: str) -> tuple[list[str], list[list[str]]]:
    """The titles of the columns, and the cells of each row.

    Args:
        report: The report on a device.
        sort: ``"group"``, ``"violation"``, ``"evidence"`` or ``"signaling"``; see ``DeviceReport.table``.

    Raises:
        CountsError: If the order is unknown.
    """
    if not isinstance(sort, str) or sort not in _ORDERS:
        raise CountsError.bad_argument("sort", expected=f"one of {', '.join(_ORDERS)}", got=shown(sort))
    assert report.rejected is not None
    figures = [one.statistics for one in report.reports]
    columns = _columns(figures)
    rows = []
    for i in sorted(range(len(figures)), key=lambda i: _ORDERS[sort](figures[i]), reverse=True):
        cells = [_name(report.groups[i]), str(report.verdicts[i]), "yes" if report.rejected[i] else "no"]
        rows.append([*cells, *(format_in_table(figure, figures[i].get(figure)) for figure in columns)])
    for group, _ in report.failures:
        rows.append([_name(group), "failed", "no", *[""] * len(columns)])
    return [*_WORDS, *(figure.column for figure in columns)], rows


def _columns(figures: Sequence[Mapping[str, float]]) -> list[Figure]:
    """The figures of the table: values of S, and divergences where there is none."""
    columns = []
    if any(Figure.S in one for one in figures):
        columns += [Figure.S, Figure.S_ERROR]
    if any(Figure.S not in one for one in figures):
        columns.append(Figure.KL)
    columns += [Figure.LOG10_E, Figure.NO_SIGNALING_P, Figure.LARGEST_SHIFT]
    if any(Figure.LARGEST_KAPPA in one for one in figures):
        columns.append(Figure.LARGEST_KAPPA)
    return columns


def _name(group: Sequence[int]) -> str:
    return "-".join(map(str, group))


def aligned_lines(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """The lines of a table of text, words to the left and numbers to the right.

    Args:
        header: Titles of the columns.
        rows: The cells of each row.
    """
    table = [header, *rows]
    widths = [max(len(row[i]) for row in table) for i in range(len(header))]
    lines = []
    for row in table:
        cells = [
            f"{cell:<{width}}" if i < len(_WORDS) else f"{cell:>{width}}"
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  ".join(cells).rstrip())
    return lines
