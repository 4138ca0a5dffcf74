"""What was seen against the best local model: differences of probabilities or of correlators, with errors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..exceptions import LHVError
from ..reports.correlator_tables import CorrelatorTable, ProbabilityTable, correlators_of_behavior
from .figures import BLUE, GREY, ORANGE, add_legend, add_title, new_figure, outcome_names, setting_name

if TYPE_CHECKING:
    from ..reports.locality import LocalityReport

__all__ = ["plot_correlators", "plot_difference"]

# Up to so many cells or correlators each has a name on the axis; above, values are drawn against each other.
_MOST_CELLS, _MOST_CORRELATORS = 48, 32
# Above so many points they have no error bars, which would cover each other.
_MOST_BARS = 200


def plot_difference(report: LocalityReport) -> Any:
    """Plots the difference between the target's probabilities and those of the best local model, with errors.

    Args:
        report: A report on a behavior or on counts that holds a local model.

    Returns:
        A matplotlib figure. Bars are one standard error of counts, and the largest error of a behavior. In scenarios
        with more than 48 cells, the probabilities of the target are drawn against those of the model instead.

    Raises:
        LHVError: If the report is about something else, or holds no model.

    Examples:
        >>> from qiskit_lhv import analyze, load_bundled_counts
        >>> report = analyze(load_bundled_counts("ibm_hanoi19_20circuit13").counts, seed=1)
        >>> figure = plot_difference(report)
        >>> figure.axes[0].get_ylabel()
        'target minus best local model'
    """
    table = None if report.question is None else report.question.shown_table()
    if table is None or report.model is None:
        raise LHVError.bad_argument(
            "report", expected="one on a behavior or counts, with a local model", got=repr(report)
        )
    model = report.model.behavior().array
    if np.count_nonzero(table.scenario.mask) > _MOST_CELLS:
        real = table.scenario.mask & np.isfinite(table.values)
        return _against_each_other(report, table.values[real], table.errors[real], model[real], "probability")
    figure = new_figure(max(5.0, 0.24 * np.count_nonzero(table.scenario.mask) + 1.6), 3.9)
    _draw_difference(figure.subplots(), table, model, "standard" if report.alpha is not None else "largest")
    add_title(figure, report)
    return figure


def _draw_difference(axis: Any, table: ProbabilityTable, model: Any, kind: str) -> None:
    """One point per cell, grouped by settings."""
    scenario, place = table.scenario, 0.0
    places, labels, centers, names = [], [], [], []
    differences, errors = [], []
    words = ""
    measured = [x for x in np.ndindex(scenario.num_settings) if np.isfinite(table.values[x]).all()]
    for number, setting in enumerate(measured):
        outcomes = np.argwhere(scenario.mask[setting])
        written, words = outcome_names(scenario, outcomes.tolist())
        own = place + np.arange(len(outcomes))
        if number % 2 == 0:
            axis.axvspan(own[0] - 0.75, own[-1] + 0.75, color="#eef1f4", linewidth=0, zorder=0)
        cells = [(*setting, *map(int, outcome)) for outcome in outcomes]
        differences += [table.values[cell] - model[cell] for cell in cells]
        errors += [table.errors[cell] for cell in cells]
        places += own.tolist()
        labels += written
        centers.append(float(own.mean()))
        names.append(setting_name(setting, table.setting_names))
        place = own[-1] + 1.5
    axis.axhline(0, color="black", linewidth=0.9)
    axis.errorbar(
        places,
        np.array(differences),
        yerr=np.array(errors),
        fmt="o",
        color=BLUE,
        markersize=4,
        capsize=3,
        elinewidth=1.2,
    )
    axis.set_xlim(places[0] - 0.75, places[-1] + 0.75)
    axis.set_xticks(places, labels, fontsize=7, rotation=90 if max(map(len, labels)) > 2 or len(labels) > 24 else 0)
    axis.set_xlabel(words, fontsize=9)
    axis.set_ylabel("target minus best local model", fontsize=9)
    # The usual factor at the top of an axis would cover the settings.
    axis.yaxis.set_major_formatter("{x:.3g}")
    top = axis.secondary_xaxis("top")
    top.set_xticks(centers, names, fontsize=8, rotation=90 if len(names) > 9 else 0)
    top.tick_params(length=0)
    top.set_xlabel(f"settings in party order (bars: {kind} errors)", fontsize=9)
    axis.margins(y=0.15)


def plot_correlators(report: LocalityReport) -> Any:
    """Plots the correlators of all parties with their errors, beside those of the best local model.

    Args:
        report: A report on a behavior, counts or correlators whose settings have two outcomes.

    Returns:
        A matplotlib figure. Bars are one standard error of counts, and the largest error of a behavior. More than 32
        correlators are drawn against those of the model instead, if there is one.

    Raises:
        LHVError: If the report has no correlators.

    Examples:
        >>> from qiskit_lhv import analyze, Behavior, ghz_state
        >>> report = analyze(Behavior.from_state(ghz_state(3, 0.9), "mermin"))
        >>> figure = plot_correlators(report)
        >>> len(figure.axes[0].get_xticklabels()), figure.axes[0].get_ylabel()
        (8, 'correlator of all parties')
    """
    table = report.correlators
    if table is None:
        raise LHVError.bad_argument("report", expected="one with correlators, of two outcomes", got=repr(report))
    model = None if report.model is None else correlators_of_behavior(report.model.behavior(), 0.0)
    known = np.isfinite(table.values)
    if model is not None and np.count_nonzero(known) > _MOST_CORRELATORS:
        return _against_each_other(report, table.values[known], table.errors[known], model.values[known], "correlator")
    figure = new_figure(min(14.0, max(5.0, 0.42 * np.count_nonzero(known) + 1.4)), 3.9)
    _draw_correlators(figure.subplots(), table, model)
    add_legend(figure)
    add_title(figure, report)
    return figure


def _draw_correlators(axis: Any, table: CorrelatorTable, model: CorrelatorTable | None) -> None:
    cells = [cell for cell in np.ndindex(table.values.shape) if np.isfinite(table.values[cell])]
    places = np.arange(len(cells))
    axis.axhline(0, color="black", linewidth=0.8)
    if model is not None:
        local = [model.values[cell] for cell in cells]
        axis.scatter(
            places,
            local,
            s=70,
            marker="s",
            facecolors="none",
            edgecolors=ORANGE,
            linewidths=1.8,
            label="best local model",
            zorder=2,
        )
    values = np.array([table.values[cell] for cell in cells])
    errors = np.array([table.errors[cell] for cell in cells])
    style = {"color": BLUE, "markersize": 4, "label": "target", "zorder": 3}
    if len(cells) <= _MOST_BARS:
        axis.errorbar(places, values, yerr=errors, fmt="o", capsize=3, **style)
    else:
        axis.plot(places, values, "o", rasterized=True, **style)
    if len(cells) <= _MOST_CORRELATORS:
        labels = [setting_name(cell, table.setting_names) for cell in cells]
        axis.set_xticks(places, labels, fontsize=8, rotation=90 if len(cells) > 8 else 0)
    axis.set_ylim(-1.15, 1.15)
    axis.set_xlabel("settings in party order", fontsize=9)
    axis.set_ylabel("correlator of all parties", fontsize=9)


def _against_each_other(report: LocalityReport, target: Any, errors: Any, model: Any, what: str) -> Any:
    """The target against the model, for scenarios of many cells."""
    figure = new_figure(5.0, 4.8)
    axis = figure.subplots()
    low, high = float(min(target.min(), model.min())), float(max(target.max(), model.max()))
    axis.plot([low, high], [low, high], color=GREY, linewidth=1, label="equal")
    style = {"color": BLUE, "markersize": 3, "alpha": 0.7, "label": f"each {what}"}
    if len(target) <= _MOST_BARS:
        axis.errorbar(model, target, yerr=errors, fmt="o", elinewidth=0.6, **style)
    else:
        axis.plot(model, target, "o", rasterized=True, **style)
    axis.set_xlabel(f"{what}, best local model", fontsize=9)
    axis.set_ylabel(f"{what}, target", fontsize=9)
    add_legend(figure)
    add_title(figure, report)
    return figure
