"""Reports on many groups of qubits as HTML."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING

from ..verification.verdict import Verdict
from .device_notes import device_rows
from .device_table import table_of_groups
from .html_pages import badge, bullet_list, folded, fragment, picture_of, rows_table

if TYPE_CHECKING:
    from .devices import DeviceReport

__all__ = ["device_fragment"]


def device_fragment(report: DeviceReport, *, picture: bool = False) -> str:
    """Returns a report on the groups of a device as an HTML fragment with its own style.

    Args:
        report: The report.
        picture: Whether to show the maps of the device, if matplotlib is installed.
    """
    parts = [f'<p class="headline">{html.escape(report.summary())}</p>']
    counts = [(verdict, report.verdicts.count(verdict)) for verdict in Verdict]
    parts.append(f"<p>{' '.join(badge(verdict, f'{number} {verdict}') for verdict, number in counts if number)}</p>")
    parts.append(rows_table((name, html.escape(text).replace(" +- ", " ± ")) for name, text in device_rows(report)))
    if picture:
        parts.append(picture_of(report, "Maps of the device", wide=True))
    header, rows = table_of_groups(report, "group")
    head = "".join(f"<th>{html.escape(cell)}</th>" for cell in header)
    body = "".join(f"<tr>{''.join(f'<td>{html.escape(cell)}</td>' for cell in row)}</tr>" for row in rows)
    parts.append(f'<div class="scroll"><table class="number"><tr>{head}</tr>{body}</table></div>')
    parts.append(bullet_list(report.notes))
    headlines = [f"{'-'.join(map(str, group))}: {report[group].verdict}. {report[group].headline}" for group in report]
    parts.append(folded("Each group in a sentence", bullet_list(headlines)))
    return fragment(parts)
