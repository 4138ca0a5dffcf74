"""The picture of a report, whatever it is about."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Any

from ..reports.figure_names import Figure
from ..reports.summary import summary_rows
from .chsh_pictures import plot_chsh
from .differences import plot_correlators, plot_difference
from .figures import BLUE, add_legend, add_title, new_figure
from .visibilities import plot_state_report

if TYPE_CHECKING:
    from ..reports.locality import LocalityReport

__all__ = ["plot_report"]

_VISIBILITIES = (Figure.LOCAL_VISIBILITY, Figure.NONLOCAL_VISIBILITY, Figure.VIOLATED_VISIBILITY)


def plot_report(report: LocalityReport) -> Any:
    """Plots what a report is about; every report has a picture.

    - CHSH: :func:`plot_chsh`.
    - Other targets of two parties with a local model: :func:`plot_difference`.
    - More parties, or no model: the correlators, :func:`plot_correlators`, if settings have two outcomes.
    - A state: up to which visibility it is proven local, and above which it is proven nonlocal.
    - An estimate: the tested value against the local bound, or the visibilities.
    - Anything else: the summary as text.

    Args:
        report: A report on one target.

    Returns:
        A matplotlib figure. :func:`plot_evidence` and :func:`plot_difference` show more of reports on counts.

    Examples:
        >>> from qiskit_lhv import analyze, Behavior, werner_state
        >>> axes = [(1, 0, 0), (0, 1, 0), (0, 0, 1)]
        >>> figure = plot_report(analyze(Behavior.from_state(werner_state(0.5), [axes, axes])))
        >>> print(figure.get_suptitle())
        LOCAL: A local hidden-variable model explains the target (its numbers taken as accurate to 1e-07).
    """
    table = None if report.question is None else report.question.shown_table()
    if report.S is not None and report.correlators is not None:
        return plot_chsh(report)
    two_parties = table is not None and table.scenario.num_parties <= 2
    if report.model is not None and (two_parties or (table is not None and report.correlators is None)):
        return plot_difference(report)
    if report.correlators is not None:
        return plot_correlators(report)
    if Figure.VALUE_LOWER in report.statistics and Figure.LOCAL_BOUND in report.statistics:
        return _plot_value(report)
    if any(name in report.statistics for name in _VISIBILITIES):
        return plot_state_report(report)
    return _plot_text(report)


def _plot_value(report: LocalityReport) -> Any:
    """The tested value of an estimate, with its confidence limit, against the local bound."""
    value, lower, bound = (report.statistics[key] for key in (Figure.VALUE, Figure.VALUE_LOWER, Figure.LOCAL_BOUND))
    figure = new_figure(6.4, 2.4)
    axis = figure.subplots()
    axis.plot([lower, value], [0, 0], color=BLUE, linewidth=3, label=f"lower limit {lower:.5g}")
    axis.plot([lower], [0], "|", color=BLUE, markersize=16, markeredgewidth=2.5)
    axis.plot([value], [0], "o", color=BLUE, label=f"value {value:.5g}")
    axis.axvline(bound, color="black", linewidth=1.5, label=f"local bound {bound:.5g}")
    left, right = min(lower, bound), max(value, bound)
    room = 0.15 * (right - left) or 0.1
    axis.set_xlim(left - room, right + room)
    axis.axvspan(left - room, bound, color="#dfe6ee", linewidth=0, zorder=0)
    axis.set_yticks([])
    axis.set_xlabel("value of the tested Bell expression (shaded: local models)", fontsize=9)
    add_legend(figure)
    add_title(figure, report)
    return figure


def _plot_text(report: LocalityReport) -> Any:
    """The summary in words, for reports without figures that a picture could show."""
    rows, lines = summary_rows(report), []
    width = max((len(name) for name, _ in rows), default=0)
    for name, text in rows:
        first, *more = textwrap.wrap(text, 100 - width) or [""]
        lines += [f"{name:>{width}}  {first}", *(f"{'':>{width}}  {line}" for line in more)]
    figure = new_figure(7.4, 0.135 * len(lines) + 1.0)
    axis = figure.subplots()
    axis.set_axis_off()
    words = axis.text(0, 1, "\n".join(lines), va="top", family="monospace", fontsize=7.5, transform=axis.transAxes)
    # The panel keeps its size, whatever is written in it.
    words.set_in_layout(False)
    add_title(figure, report)
    return figure
