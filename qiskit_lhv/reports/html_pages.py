"""Reports as HTML: complete pages, and fragments of them for notebooks."""

from __future__ import annotations

import base64
import html
import io
import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from ..verification.verdict import Verdict
from .figure_names import Figure, figure_label, format_figure
from .summary import main_assumptions, summary_rows

if TYPE_CHECKING:
    from .locality import LocalityReport

__all__ = [
    "VERDICT_COLORS",
    "badge",
    "bullet_list",
    "folded",
    "fragment",
    "page",
    "picture_of",
    "report_fragment",
    "rows_table",
]

VERDICT_COLORS = {
    Verdict.NONLOCAL: "#b3261e",
    Verdict.LOCAL: "#1b6e3c",
    Verdict.SIGNALING: "#8a5a00",
    Verdict.INCONCLUSIVE: "#57606a",
}
"""The color of each verdict. White text on it can be read."""

# What a fragment needs in a notebook. Colors other than those of verdicts are those of the page around it.
_STYLE = """
.lhv { font-family: system-ui, sans-serif; font-size: 15px; line-height: 1.5; text-align: left; max-width: 70rem; }
.lhv .verdict { color: #fff; font-weight: 700; padding: .1em .6em; border-radius: .3em; letter-spacing: .03em;
  white-space: nowrap; }
.lhv .headline { margin: .2em 0 .8em; }
.lhv table { border-collapse: collapse; margin: .3em 0; width: auto; }
.lhv th, .lhv td { text-align: left; vertical-align: top; padding: .2em .8em .2em 0; border: 0; background: none;
  overflow-wrap: anywhere; white-space: normal; }
.lhv th { font-weight: 600; white-space: nowrap; }
.lhv tr { background: none; border-top: 1px solid rgba(128, 128, 128, .3); }
.lhv .scroll { overflow-x: auto; }
.lhv .scroll td { white-space: nowrap; text-align: right; }
.lhv .scroll td:nth-child(-n+3) { text-align: left; }
.lhv .number { font-variant-numeric: tabular-nums; }
.lhv .cells { display: grid; grid-template-columns: repeat(auto-fit, minmax(13.5em, max-content));
  column-gap: 1.2em; max-width: 60em; }
.lhv .four { max-width: 30em; }
.lhv img.wide { max-width: none; width: 100%; min-width: 46rem; }
.lhv .warning { border-left: .3em solid #b26a00; padding-left: .6em; }
.lhv details { margin: .5em 0; border-top: 1px solid rgba(128, 128, 128, .3); padding-top: .3em; }
.lhv summary { cursor: pointer; font-weight: 600; }
.lhv h3 { font-size: 1em; margin: .7em 0 .1em; }
.lhv ul { margin: .3em 0; padding-left: 1.3em; }
.lhv li { overflow-wrap: anywhere; }
.lhv img { max-width: 100%; height: auto; background: #fff; border-radius: .3em; }
@media (max-width: 560px) {
  .lhv table.rows, .lhv .rows tbody, .lhv .rows tr, .lhv .rows th, .lhv .rows td { display: block; }
  .lhv .rows th { padding-bottom: 0; white-space: normal; }
}
"""
_PAGE_STYLE = """
:root { color-scheme: light dark; }
body { margin: 0 auto; padding: 1.2rem; max-width: 70rem; background: #fff; color: #1f2328; }
@media (prefers-color-scheme: dark) { body { background: #14181d; color: #e6e8ea; } }
@media (max-width: 560px) { body { padding: .7rem; } }
"""


def page(title: str, body: str) -> str:
    """Returns a complete HTML page.

    Args:
        title: The title, as text.
        body: What stands on the page, as HTML.
    """
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{html.escape(title)}</title>\n<style>{_PAGE_STYLE}</style>\n</head>\n<body>\n{body}\n</body>\n</html>\n"
    )


def report_fragment(report: LocalityReport, *, picture: bool = False) -> str:
    """Returns a report on one target as an HTML fragment with its own style.

    Args:
        report: The report.
        picture: Whether to show the picture of the report, if matplotlib is installed.
    """
    parts = [_verdict(report.verdict, report.headline)]
    parts += [f'<p class="warning"><b>Warning:</b> {html.escape(warning)}</p>' for warning in report.warnings]
    shown = []
    for name, text in summary_rows(report):
        if name == "correlators" and report.correlators is not None:
            shown.append((name, _cells(report.correlators.lines())))
        # Rows without a name go on with the correlators.
        elif name not in ("warning", ""):
            shown.append((name, _text(text)))
    parts.append(rows_table(shown))
    parts.append("<h3>What it rests on</h3>" + bullet_list(main_assumptions(report)))
    if picture:
        parts.append(picture_of(report, f"Picture of the report on {report.target}"))
    parts.append(folded("All figures", _grouped_figures(report)))
    parts.append(folded(f"Evidence ({len(report.evidence)})", bullet_list(map(str, report.evidence))))
    parts.append(folded(f"All assumptions ({len(report.assumptions)})", bullet_list(report.assumptions)))
    return fragment(parts)


def _text(text: str) -> str:
    """A text as HTML, in which errors stand behind a proper sign."""
    return html.escape(text).replace(" +- ", " ± ")


def _cells(lines: Iterable[str]) -> str:
    """The cells of aligned lines, side by side as far as there is room."""
    cells = [f"<span>{_text(cell)}</span>" for line in lines for cell in re.split(" {3,}", line)]
    return f'<div class="{"cells four" if len(cells) == 4 else "cells"}">{"".join(cells)}</div>'


def fragment(parts: Iterable[str]) -> str:
    """Returns the parts of a report, as HTML, with the style that they need."""
    return f'<div class="lhv"><style>{_STYLE}</style>\n' + "\n".join(filter(None, parts)) + "\n</div>"


def badge(verdict: Verdict, text: str) -> str:
    """Returns a text on the color of a verdict."""
    return f'<span class="verdict" style="background: {VERDICT_COLORS[verdict]}">{html.escape(text)}</span>'


def _verdict(verdict: Verdict, headline: str) -> str:
    return f'<p class="headline">{badge(verdict, str(verdict))} {html.escape(headline)}</p>'


def rows_table(rows: Iterable[tuple[str, str]]) -> str:
    """A table of names and texts; the texts are HTML already."""
    body = "".join(f"<tr><th>{html.escape(name)}</th><td>{text}</td></tr>" for name, text in rows)
    return f'<table class="rows number">{body}</table>' if body else ""


def bullet_list(lines: Iterable[str]) -> str:
    """Returns lines of text as an HTML list; nothing if there are none."""
    items = "".join(f"<li>{html.escape(line)}</li>" for line in lines)
    return f"<ul>{items}</ul>" if items else ""


def folded(title: str, body: str) -> str:
    """Returns a part of a page that opens on a click; nothing if it is empty."""
    return f"<details><summary>{html.escape(title)}</summary>{body}</details>" if body else ""


def _grouped_figures(report: LocalityReport) -> str:
    """All figures, those of one computation together, and what is absent with the reasons."""
    groups: dict[str, list[tuple[str, str]]] = {}
    for key, value in report.statistics.items():
        group, name = _group_of(key)
        groups.setdefault(group, []).append((name, html.escape(format_figure(value))))
    for key, reason in report.absent.items():
        group, name = _group_of(key)
        groups.setdefault(group, []).append((name, html.escape(f"absent: {reason}")))
    blocks: Sequence[str] = [
        (f"<h3>{html.escape(group)}</h3>" if group else "") + rows_table(rows) for group, rows in groups.items()
    ]
    return "".join(blocks)


def _group_of(key: str) -> tuple[str, str]:
    label = figure_label(key)
    if label.startswith("deviance"):
        return "local fit", label
    group, colon, name = label.partition(": ")
    if key in (Figure.VALUE_LOWER, "value_error") or not colon:
        return "", label
    return group, name


def picture_of(report: Any, words: str, *, wide: bool = False) -> str:
    """The picture of a report as part of the page, or nothing if it cannot be drawn."""
    try:
        figure = report.plot()
        # The page says already what the title of the picture says.
        figure.suptitle("")
        stream = io.BytesIO()
        figure.savefig(stream, format="svg", metadata={"Date": None})
    # A figure for the reader must never be able to hide the verdict.
    except Exception:
        return ""
    data = base64.b64encode(stream.getvalue()).decode()
    kind, around = (' class="wide"', '<div class="scroll">{}</div>') if wide else ("", "<p>{}</p>")
    return around.format(f'<img{kind} alt="{html.escape(words)}" src="data:image/svg+xml;base64,{data}">')
