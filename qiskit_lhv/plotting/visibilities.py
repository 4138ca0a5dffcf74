"""Visibilities: how far a state is proven local or nonlocal, thresholds with their intervals, and sweeps."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from ..exceptions import LHVError
from ..reports.figure_names import Figure
from .figures import BLUE, GREY, ORANGE, add_legend, add_title, new_figure

if TYPE_CHECKING:
    from ..analysis.critical_visibilities import CriticalVisibility
    from ..optimize.visibility_sweep import VisibilitySweep
    from ..reports.locality import LocalityReport

__all__ = [
    "plot_critical_visibility",
    "plot_intervals",
    "plot_state_report",
    "plot_visibility_sweep",
]

# Local and nonlocal regions differ in shade, and one of them is hatched, so that they differ in grey as well.
_LOCAL = {"facecolor": "#bfe0c8", "edgecolor": "#1b6e3c", "linewidth": 0.8}
_NONLOCAL = {"facecolor": "#f2b8b0", "edgecolor": "#b3261e", "linewidth": 0.8, "hatch": "///"}
# If all visibilities are so near to 1, only they are shown, with at least so much room beside them.
_NARROW, _LEAST_ROOM = 0.1, 1e-3


def plot_state_report(report: LocalityReport) -> Any:
    """Plots up to which visibility a state is proven local in white noise, and above which it is proven nonlocal.

    Args:
        report: A report on a state, or on an estimate for which a certificate was found.

    Returns:
        A matplotlib figure. The state itself has visibility 1.

    Raises:
        LHVError: If the report has no such visibility.
    """
    figures = report.statistics
    local, nonlocal_ = figures.get(Figure.LOCAL_VISIBILITY), figures.get(Figure.NONLOCAL_VISIBILITY)
    found, needed = figures.get(Figure.VIOLATED_VISIBILITY), figures.get(Figure.NEEDED_VISIBILITY)
    known = [value for value in (local, nonlocal_, found, needed) if value is not None and math.isfinite(value)]
    if not known:
        raise LHVError.bad_argument("report", expected="one with a visibility", got=repr(report))
    left, right = 0.0, max(1.1, 1.05 * max(known))
    span = max(1.0, *known) - min(1.0, *known)
    if span < _NARROW:
        # What is near 1 is shown larger.
        room = max(span, _LEAST_ROOM)
        left, right = min(1.0, *known) - room, max(1.0, *known) + room
    figure = new_figure(6.4, 2.6)
    axis = figure.subplots()
    if local is not None:
        axis.axvspan(left, min(local, right), label=f"proven local up to {local:.6g}", **_LOCAL)
    if nonlocal_ is not None:
        axis.axvspan(nonlocal_, right, label=f"proven nonlocal above {nonlocal_:.6g}", **_NONLOCAL)
    if found is not None:
        axis.axvline(found, color=ORANGE, linestyle="--", linewidth=2, label=f"violation found above {found:.6g}")
    if needed is not None:
        axis.axvline(needed, color=GREY, linestyle=":", linewidth=2, label=f"needed within errors: {needed:.6g}")
    axis.axvline(1, color="black", linewidth=2.5, label="the target")
    axis.set_xlim(left, right)
    axis.set_yticks([])
    axis.set_xlabel("visibility in white noise", fontsize=9)
    add_legend(figure, 2)
    add_title(figure, report)
    return figure


def plot_intervals(results: Mapping[str, Any], *, name: str = "visibility") -> Any:
    """Plots intervals of thresholds, visibilities or local weights below each other, with their numbers.

    Args:
        results: Results with ``lower`` and ``upper`` by name, such as ``Threshold``, ``ThresholdEstimate``,
            ``CriticalVisibility``, ``LocalWeight`` or ``LocalWeightInterval``. Their ``estimate`` is drawn, too.
        name: What the intervals are of, for the axis.

    Returns:
        A matplotlib figure with one row per result.

    Raises:
        LHVError: If there are no results, or one of them has no interval.

    Examples:
        >>> from qiskit_lhv import Behavior, nonlocality_threshold, werner_state
        >>> from qiskit_lhv.statistics import estimate_threshold
        >>> device = Behavior.from_state(werner_state(0.9), "chsh")
        >>> pilot = estimate_threshold(device.sample(300, seed=1), num_replicates=50, seed=1)
        >>> figure = plot_intervals({"exact": nonlocality_threshold(device), "from counts": pilot})
        >>> [label.get_text() for label in figure.axes[0].get_yticklabels()], figure.axes[0].get_xlabel()
        (['exact', 'from counts'], 'visibility (diamond: estimate)')
    """
    for key, result in results.items():
        if not all(isinstance(getattr(result, end, None), float | int) for end in ("lower", "upper")):
            raise LHVError.bad_argument(
                f"results[{key!r}]", expected="a result with lower and upper", got=type(result).__name__
            )
    if not results:
        raise LHVError.bad_argument("results", expected="at least one result", got="none")
    figure = new_figure(7.0, 0.5 * len(results) + 1.0)
    axis = figure.subplots()
    ends = [(float(result.lower), float(result.upper)) for result in results.values()]
    for place, (result, (low, high)) in enumerate(zip(results.values(), ends, strict=True)):
        axis.plot([low, high], [place, place], color=BLUE, linewidth=4, solid_capstyle="butt")
        axis.plot([low, high], [place, place], "|", color=BLUE, markersize=14, markeredgewidth=2)
        estimate = getattr(result, "estimate", None)
        wide = f"{low:.5g}" != f"{high:.5g}"
        words = f"[{low:.5g}, {high:.5g}]" if wide else f"{low:.5g}"
        if estimate is not None:
            axis.plot([float(estimate)], [place], "D", color="white", markeredgecolor="black", markersize=6)
            words = f"{float(estimate):.5g} in {words}" if wide else words
        axis.annotate(
            words, (1.02, place), xycoords=("axes fraction", "data"), va="center", fontsize=8, annotation_clip=False
        )
    axis.set_yticks(range(len(results)), list(results), fontsize=9)
    axis.set_ylim(len(results) - 0.5, -0.5)
    axis.margins(x=0.1)
    axis.grid(axis="x", alpha=0.3)
    diamonds = any(getattr(result, "estimate", None) is not None for result in results.values())
    axis.set_xlabel(f"{name}{' (diamond: estimate)' if diamonds else ''}", fontsize=9)
    return figure


def plot_visibility_sweep(sweep: VisibilitySweep, low: float | None = None, high: float | None = None) -> Any:
    """Plots the losses of a sweep, and the estimates of the critical visibility that follow from them.

    Args:
        sweep: The result of ``sweep_visibility``.
        low: Lowest visibility used in the extrapolation; see ``VisibilitySweep.extrapolated_visibility``.
        high: Highest visibility used in the extrapolation.

    Returns:
        A matplotlib figure with two panels: the loss with its floor, and the square root of the loss with the straight
        line that is fitted to it.

    References:
        N. von Selzam, F. Marquardt, arXiv:2407.04673, Fig. 2b.

    Examples:
        Here the sweep is made by hand, with a loss that grows as the square of the distance from 0.69:

        >>> import numpy as np
        >>> from qiskit_lhv.optimize import Evaluation, VisibilitySweep
        >>> visibilities = np.linspace(0.6, 0.8, 11)
        >>> losses = 1e-8 + 0.1 * np.maximum(visibilities - 0.69, 0) ** 2
        >>> sweep = VisibilitySweep(visibilities, tuple(Evaluation(loss, 0, 0, 0, 0, 100) for loss in losses))
        >>> figure = plot_visibility_sweep(sweep)
        >>> [axes.get_ylabel() for axes in figure.axes]
        ['KL divergence (nats per trial)', 'square root of it']
    """
    v, losses = sweep.visibilities, sweep.losses
    figure = new_figure(8, 3.2)
    left, right = figure.subplots(1, 2)
    left.semilogy(v, np.maximum(losses, 1e-20), "o-", color=BLUE, markersize=4)
    left.axhline(sweep.floor, color=GREY, linestyle=":", label=f"floor {sweep.floor:.2g}")
    left.legend(fontsize=8, loc="upper left")
    right.plot(v, np.sqrt(losses), "o", color=BLUE, markersize=4)
    for axis, name, zero in (
        (left, "leaves its floor", sweep.floor_visibility()),
        (right, "extrapolated to zero", sweep.extrapolated_visibility(low, high)),
    ):
        axis.set_xlabel("visibility", fontsize=9)
        if zero is not None:
            axis.axvline(zero, color=ORANGE, linestyle="--")
            axis.set_title(f"{name}: {zero:.4f}", fontsize=9)
    curve = sweep.curve(low, high)
    if curve is not None:
        zero, slope, curvature = curve
        beyond = np.linspace(zero, v[-1], 100) - zero
        right.plot(zero + beyond, slope * beyond + curvature * beyond**2, color=ORANGE, linewidth=1.2)
    left.set_ylabel("KL divergence (nats per trial)", fontsize=9)
    right.set_ylabel("square root of it", fontsize=9)
    return figure


def plot_critical_visibility(found: CriticalVisibility) -> Any:
    """Plots the proven bounds on a critical visibility, with the losses of local models between them.

    Args:
        found: The result of ``critical_visibility``.

    Returns:
        A matplotlib figure. It is plain green where the state is proven local, and hatched red where it is proven
        nonlocal.

    References:
        N. von Selzam, F. Marquardt, arXiv:2407.04673 (losses of local models against the visibility).

    Examples:
        The two bounds of a Bell pair that take no search: compatible measurements, and CHSH.

        >>> from qiskit_lhv import werner_state
        >>> from qiskit_lhv.analysis import CriticalVisibility
        >>> from qiskit_lhv.projective import horodecki_settings, prove_compatible
        >>> below, above = prove_compatible(werner_state(1)), horodecki_settings(werner_state(1))
        >>> found = CriticalVisibility(below.visibility, 0.70711, below, above, None)
        >>> figure = plot_critical_visibility(found)
        >>> print(found, figure.axes[0].get_xlabel(), sep="; ")
        critical visibility in [0.5, 0.70711]; visibility
    """
    figure = new_figure(6.4, 3.4)
    axis = figure.subplots()
    left, right = 0.0, 1.0
    if found.sweep is not None:
        v, losses = found.sweep.visibilities, found.sweep.losses
        axis.semilogy(v, np.maximum(losses, 1e-20), "o-", color="black", markersize=4, label="loss of local models")
        axis.set_ylabel("KL divergence (nats per trial)", fontsize=9)
        left, right = float(v[0]), float(v[-1])
    else:
        axis.set_yticks([])
    axis.axvspan(left, min(found.lower, right), label=f"proven local up to {found.lower:.5g}", **_LOCAL)
    if found.upper < right:
        axis.axvspan(found.upper, right, label=f"proven nonlocal above {found.upper:.5g}", **_NONLOCAL)
    if found.estimate is not None:
        axis.axvline(found.estimate, color="black", linestyle="--", label=f"estimate {found.estimate:.4f}")
    axis.set_xlim(left, right)
    axis.set_xlabel("visibility", fontsize=9)
    add_legend(figure, 2)
    return figure
