"""The value S of CHSH against its bounds, and the four correlators behind it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from .._support.estimated_value import with_error
from ..exceptions import LHVError
from ..polytope.expressions.families import chsh_forms
from ..reports.figure_names import format_p_value
from ..reports.html_pages import VERDICT_COLORS
from ..reports.summary import QUANTUM_BOUND
from ..verification.verdict import Verdict
from .figures import BLUE, GREY, ON_WHITE, add_title, new_figure

if TYPE_CHECKING:
    from ..reports.locality import LocalityReport

__all__ = ["draw_chsh_rows", "plot_chsh", "plot_chsh_values"]

# Standard errors on either side of an estimate, for 95 % of a normal variable.
_NORMAL_95 = 1.959964
# Each verdict has a marker of its own, so that verdicts differ in grey as well.
_MARKERS = {Verdict.NONLOCAL: "D", Verdict.LOCAL: "o", Verdict.SIGNALING: "X", Verdict.INCONCLUSIVE: "s"}


def plot_chsh(report: LocalityReport) -> Any:
    """Plots the value S against the local, the quantum and the no-signaling bound, and the four correlators.

    Args:
        report: A report on a target of two parties with two settings of two outcomes.

    Returns:
        A matplotlib figure with two panels. Bars of counts and estimates are intervals of 95 % (1.96 standard errors);
        those of a behavior are the largest errors that its tolerance allows.

    Raises:
        LHVError: If the report has no value S.

    References:
        J. F. Clauser, M. A. Horne, A. Shimony, R. A. Holt, Phys. Rev. Lett. 23, 880 (1969); B. S. Cirel'son, Lett.
        Math. Phys. 4, 93 (1980) (the quantum bound); S. Popescu, D. Rohrlich, Found. Phys. 24, 379 (1994) (the
        no-signaling bound).

    Examples:
        >>> from qiskit_lhv import analyze, load_bundled_counts
        >>> report = analyze(load_bundled_counts("ibm_hanoi19_20circuit13").counts, seed=1)
        >>> figure = plot_chsh(report)
        >>> [axes.get_xlabel() for axes in figure.axes]
        ['S = 2.7682 ± 0.0068   (bar: 95 % interval)', 'correlators, settings in party order, with their signs in
         S']
    """
    s, table = report.S, report.correlators
    if s is None or table is None:
        raise LHVError.bad_argument("report", expected="one with a value S of CHSH", got=repr(report))
    exact = report.alpha is None
    factor = 1.0 if exact else _NORMAL_95
    figure = new_figure(6.4, 4.6)
    upper, lower = figure.subplots(2, 1, height_ratios=[1, 1.7])
    _draw_bounds(upper, 1)
    _draw_value(upper, 0, report, factor)
    upper.set_yticks([])
    shown = with_error(s, s.standard_error if s.standard_error >= 1e-5 else 0, "±")
    upper.set_xlabel(f"S = {shown}   ({'bar: largest error' if exact else 'bar: 95 % interval'})", fontsize=9)
    _draw_correlators(lower, table, factor)
    add_title(figure, report)
    return figure


def _draw_bounds(axis: Any, rows: int) -> None:
    """The scale of S, with the regions up to each bound in shades that differ in grey."""
    axis.set_xlim(0, 4)
    axis.set_ylim(rows - 0.5, -0.5)
    axis.axvspan(0, 2, color="#dfe6ee", linewidth=0)
    axis.axvspan(2, QUANTUM_BOUND, color="#ffffff", linewidth=0)
    axis.axvspan(QUANTUM_BOUND, 4, facecolor="#f4f4f4", edgecolor="#bbbbbb", hatch="///", linewidth=0)
    for bound in (2, QUANTUM_BOUND):
        axis.axvline(bound, color="black", linewidth=1.2, linestyle="-" if bound == 2 else "--")
    axis.set_xticks([0, 1, 2, QUANTUM_BOUND, 4], ["0", "1", "2", "2√2", "4"], fontsize=8)
    names = axis.secondary_xaxis("top")
    names.set_xticks([2, QUANTUM_BOUND, 4], ["local bound", "quantum bound", "no-signaling"], fontsize=8)
    for label, side in zip(names.get_xticklabels(), ("right", "center", "right"), strict=True):
        label.set_horizontalalignment(side)


def _draw_value(axis: Any, place: float, report: LocalityReport, factor: float) -> None:
    s = report.S
    assert s is not None
    axis.errorbar(
        [float(s)],
        [place],
        xerr=[factor * s.standard_error],
        fmt=_MARKERS[report.verdict],
        color=VERDICT_COLORS[report.verdict],
        markeredgecolor="black",
        markersize=6,
        elinewidth=2.5,
        capsize=5,
    )


def _draw_correlators(axis: Any, table: Any, factor: float) -> None:
    """The four correlators, with the signs with which they enter the largest of the eight forms."""
    forms = chsh_forms(np.asarray(table.values))
    x, y, sign = np.unravel_index(int(forms.argmax()), forms.shape)
    signs = np.full((2, 2), 1 if sign == 0 else -1)
    signs[x, y] *= -1
    cells = list(np.ndindex(2, 2))
    values = np.array([table.values[cell] for cell in cells])
    errors = np.array([table.errors[cell] for cell in cells])
    axis.axhline(0, color="black", linewidth=0.8)
    for height in (1 / math.sqrt(2), -1 / math.sqrt(2)):
        axis.axhline(height, color=GREY, linestyle="--", linewidth=0.9)
    axis.text(3.62, 1 / math.sqrt(2), "1/√2", fontsize=7, color=GREY, va="center")
    axis.text(3.62, -1 / math.sqrt(2), "-1/√2", fontsize=7, color=GREY, va="center")
    axis.bar(range(4), values, 0.5, color="#a9c4e4", edgecolor=BLUE, yerr=factor * errors, capsize=4)
    for place, (value, error) in enumerate(zip(values, errors, strict=True)):
        shown = with_error(float(value), float(error) if error >= 1e-5 else 0, "±")
        above = value >= 0
        end = value + (factor * error + 0.04) * (1 if above else -1)
        axis.text(place, end, shown, ha="center", va="bottom" if above else "top", fontsize=8, bbox=ON_WHITE)
    labels = [f"{'+' if signs[cell] > 0 else '-'} {table.name(cell)}" for cell in cells]
    axis.set_xticks(range(4), labels, fontsize=9)
    axis.set_xlim(-0.6, 3.6)
    axis.set_ylim(-1.3, 1.3)
    axis.set_yticks([-1, -0.5, 0, 0.5, 1])
    axis.set_ylabel("correlator", fontsize=9)
    axis.set_xlabel("correlators, settings in party order, with their signs in S", fontsize=9)


def plot_chsh_values(reports: Mapping[str, LocalityReport]) -> Any:
    """Plots the values S of several reports against the bounds, with their verdicts and p-values.

    Args:
        reports: Reports on targets of two parties with two settings of two outcomes, by name.

    Returns:
        A matplotlib figure with one row per report. Bars are intervals of 95 %.

    Raises:
        LHVError: If there are no reports, or one of them has no value S.

    References:
        J. F. Clauser, M. A. Horne, A. Shimony, R. A. Holt, Phys. Rev. Lett. 23, 880 (1969); B. S. Cirel'son, Lett.
        Math. Phys. 4, 93 (1980) (the quantum bound).

    Examples:
        >>> from qiskit_lhv import analyze, load_bundled_counts
        >>> names = {"Delft": "delft_2015", "Hanoi": "ibm_hanoi19_20circuit13"}
        >>> reports = {name: analyze(load_bundled_counts(key).counts, seed=1) for name, key in names.items()}
        >>> figure = plot_chsh_values(reports)
        >>> [label.get_text() for label in figure.axes[0].get_yticklabels()], figure.axes[0].get_xlabel()
        (['Delft', 'Hanoi'], 'S (bars: 95 % intervals)')
    """
    if not reports or any(report.S is None for report in reports.values()):
        raise LHVError.bad_argument("reports", expected="reports with a value S of CHSH", got=repr(dict(reports)))
    figure = new_figure(8.4, 0.42 * len(reports) + 1.2)
    axis = figure.subplots()
    draw_chsh_rows(axis, reports)
    return figure


def draw_chsh_rows(axis: Any, reports: Mapping[str, LocalityReport]) -> None:
    """Draws the rows of ``plot_chsh_values`` into a panel.

    Args:
        axis: The panel.
        reports: The reports by name.
    """
    _draw_bounds(axis, len(reports))
    for place, report in enumerate(reports.values()):
        _draw_value(axis, place, report, 1.0 if report.alpha is None else _NORMAL_95)
        p = "" if report.log10_p_value is None else f"   p = {format_p_value(report.log10_p_value)}"
        words = f"{report.S}".replace("+-", "±")
        color = VERDICT_COLORS[report.verdict]
        axis.annotate(
            f"{report.verdict}   {words}{p}",
            (1.02, place),
            xycoords=("axes fraction", "data"),
            va="center",
            fontsize=8,
            color=color,
            annotation_clip=False,
        )
    axis.set_yticks(range(len(reports)), list(reports), fontsize=9)
    axis.set_xlabel("S (bars: 95 % intervals)", fontsize=9)
