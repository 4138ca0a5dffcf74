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

# The figures by which the groups are sorted, the largest first.
_SORT_KEYS: dict[str, Callable[[Mapping[str, float]], Any]] = {
    "group": lambda figures: 0,
    # Groups with a value of S come first, then those with a divergence: the two figures cannot be compared.
    "violation": lambda figures: (Figure.S in figures, figures.get(Figure.S, figures.get(Figure.KL, 0.0))),
    "evidence": lambda figures: figures.get(Figure.LOG10_E, -math.inf),
    "signaling": lambda figures: figures.get(Figure.LARGEST_SHIFT, 0.0),
}
# The columns of text, which come first.
_TEXT_COLUMNS = ("group", "verdict", "rejected")


def table_of_groups(report: DeviceReport, sort: str) -> tuple[list[str], list[list[str]]]:
    """Returns the titles of the columns, and the cells of each row.

    Args:
        report: The report on a device.
        sort: ``"group"``, ``"violation"``, ``"evidence"`` or ``"signaling"``; see ``DeviceReport.table``.

    Raises:
        CountsError: If the order is unknown.
    """
    if not isinstance(sort, str) or sort not in _SORT_KEYS:
        raise CountsError.bad_argument("sort", expected=f"one of {', '.join(_SORT_KEYS)}", got=shown(sort))
    assert report.rejected is not None
    figures = [group_report.statistics for group_report in report.reports]
    columns = _columns(figures)
    rows = []
    for i in sorted(range(len(figures)), key=lambda i: _SORT_KEYS[sort](figures[i]), reverse=True):
        cells = [_name(report.groups[i]), str(report.verdicts[i]), "yes" if report.rejected[i] else "no"]
        rows.append([*cells, *(format_in_table(figure, figures[i].get(figure)) for figure in columns)])
    for group, _ in report.failures:
        rows.append([_name(group), "failed", "no", *[""] * len(columns)])
    return [*_TEXT_COLUMNS, *(figure.column for figure in columns)], rows


def _columns(figures: Sequence[Mapping[str, float]]) -> list[Figure]:
    """Returns the figures that the table shows: S where there is one, and otherwise the divergence."""
    columns = []
    if any(Figure.S in of_group for of_group in figures):
        columns += [Figure.S, Figure.S_ERROR]
    if any(Figure.S not in of_group for of_group in figures):
        columns.append(Figure.KL)
    columns += [Figure.LOG10_E, Figure.NO_SIGNALING_P, Figure.LARGEST_SHIFT]
    if any(Figure.LARGEST_KAPPA in of_group for of_group in figures):
        columns.append(Figure.LARGEST_KAPPA)
    return columns


def _name(group: Sequence[int]) -> str:
    return "-".join(map(str, group))


def aligned_lines(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Returns the lines of a table as text, in which words are aligned to the left and numbers to the right.

    Args:
        header: Titles of the columns.
        rows: The cells of each row.
    """
    table = [header, *rows]
    widths = [max(len(row[i]) for row in table) for i in range(len(header))]
    lines = []
    for row in table:
        cells = [
            f"{cell:<{width}}" if i < len(_TEXT_COLUMNS) else f"{cell:>{width}}"
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  ".join(cells).rstrip())
    return lines
