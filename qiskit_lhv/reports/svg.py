"""SVG pictures of results, which need no plotting library."""

from __future__ import annotations

import html
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .figure_names import Figure, format_p_value
from .locality import LocalityReport

__all__ = ["ChartRow", "chart_row", "loss_panel", "svg_document", "verdict_panel"]

_COLORS = {"NONLOCAL": "#b3261e", "LOCAL": "#1b6e3c", "SIGNALING": "#9a6700", "INCONCLUSIVE": "#57606a"}
_FONT = "font-family='sans-serif' font-size='13'"
_ROW_HEIGHT = 30


@dataclass(frozen=True)
class ChartRow:
    """One line of the chart of verdicts."""

    name: str
    """The name of the data."""
    verdict: str
    """The verdict, which determines the color."""
    value: float
    """The CHSH value S."""
    error: float
    """The standard error of S."""
    note: str
    """The text at the right."""


def chart_row(name: str, report: LocalityReport) -> ChartRow:
    """Returns the row of the chart for a report on CHSH counts."""
    return ChartRow(
        name,
        report.verdict.value,
        report.statistics[Figure.S],
        report.statistics[Figure.S_ERROR],
        f"p = {format_p_value(report.log10_p_value or 0.0)}",
    )


def _text(x: float, y: float, text: str, *, anchor: str = "start", color: str = "#1f2328") -> str:
    return f"<text x='{x:.1f}' y='{y:.1f}' text-anchor='{anchor}' fill='{color}' {_FONT}>{html.escape(text)}</text>"


def _line(x1: float, y1: float, x2: float, y2: float, color: str, *, width: float = 1, dash: str = "") -> str:
    dashes = f" stroke-dasharray='{dash}'" if dash else ""
    return (
        f"<line x1='{x1:.1f}' y1='{y1:.1f}' x2='{x2:.1f}' y2='{y2:.1f}' "
        f"stroke='{color}' stroke-width='{width:g}'{dashes}/>"
    )


def verdict_panel(rows: Sequence[ChartRow], *, width: float = 900) -> tuple[str, float]:
    """Returns a chart of CHSH values and verdicts, which marks the local and the quantum bound.

    Args:
        rows: The rows, from top to bottom.
        width: Width in pixels.

    Returns:
        The SVG elements, and their height in pixels.
    """
    left, right, top = 260.0, width - 260.0, 40.0
    bottom = top + _ROW_HEIGHT * len(rows)

    def place(value: float) -> float:
        return left + (right - left) * min(max(value, 0.0), 3.0) / 3.0

    parts = [_text(left, 20, "CHSH value S (dot: estimate, bar: 3 standard errors)")]
    for value, label in ((2.0, "2 (local)"), (2 * math.sqrt(2), "2√2 (quantum)")):
        parts.append(_line(place(value), top, place(value), bottom, "#8c959f", dash="4 3"))
        parts.append(_text(place(value), bottom + 18, label, anchor="middle", color="#57606a"))
    for i, row in enumerate(rows):
        y = top + _ROW_HEIGHT * (i + 0.5)
        color = _COLORS.get(row.verdict, "#1f2328")
        parts.append(_text(left - 12, y + 4, row.name, anchor="end"))
        low, high = place(row.value - 3 * row.error), place(row.value + 3 * row.error)
        parts.append(_line(low, y, high, y, color, width=3))
        parts.append(f"<circle cx='{place(row.value):.1f}' cy='{y:.1f}' r='5' fill='{color}'/>")
        parts.append(_text(right + 14, y + 4, f"{row.verdict}  {row.note}", color=color))
    return "\n".join(parts), bottom + 40


def loss_panel(history: NDArray[np.float64], title: str, *, top: float, width: float = 900) -> tuple[str, float]:
    """Returns a chart of the loss against the number of steps, on a logarithmic scale.

    Args:
        history: The loss at every step.
        title: The heading.
        top: The position of the upper edge of the panel, in pixels.
        width: Width in pixels.

    Returns:
        The SVG elements, and the position of the lower edge of the panel in pixels.
    """
    left, right, upper, lower = 260.0, width - 260.0, top + 34, top + 194
    logs = np.log10(np.maximum(history, 1e-16))
    floor, ceiling = math.floor(logs.min()), math.ceil(logs.max() + 1e-9)
    x = np.linspace(left, right, len(logs))
    y = lower - (lower - upper) * (logs - floor) / max(ceiling - floor, 1)
    parts = [_text(left, top + 20, title)]
    for exponent in range(floor, ceiling + 1, max(1, (ceiling - floor) // 5)):
        height = lower - (lower - upper) * (exponent - floor) / max(ceiling - floor, 1)
        parts.append(_line(left, height, right, height, "#d0d7de"))
        parts.append(_text(left - 12, height + 4, f"1e{exponent}", anchor="end", color="#57606a"))
    points = " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(x, y, strict=True))
    parts.append(f"<polyline points='{points}' fill='none' stroke='#0550ae' stroke-width='2'/>")
    parts.append(_text(right, lower + 18, f"{len(logs)} steps", anchor="end", color="#57606a"))
    return "\n".join(parts), lower + 30


def svg_document(panels: Sequence[str], *, width: float = 900, height: float) -> str:
    """Returns the text of a complete SVG file with the given elements on a white background."""
    body = "\n".join(panels)
    return (
        f"<svg xmlns='http://www.w3.org/2000/svg' width='{width:g}' height='{height:g}' "
        f"viewBox='0 0 {width:g} {height:g}'>\n<rect width='100%' height='100%' fill='white'/>\n{body}\n</svg>\n"
    )
