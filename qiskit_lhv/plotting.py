"""Pictures with matplotlib (extra ``plot``); every function returns a figure and shows nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .exceptions import LHVError
from .polytope.thresholds import Threshold
from .statistics.likelihood import LocalFit

if TYPE_CHECKING:
    from .optimize.search import LocalModelResult
    from .report import LocalityReport

__all__ = ["plot_loss", "plot_report"]


def plot_report(report: LocalityReport) -> Any:
    """The target's probabilities beside those of the best local model.

    Args:
        report: A report that holds a model.

    Returns:
        A matplotlib figure with one panel for each setting combination.

    Raises:
        LHVError: If the report holds no model and target to compare.
    """
    targets = [
        piece.target if isinstance(piece, LocalFit) else piece.behavior
        for piece in report.evidence
        if isinstance(piece, LocalFit | Threshold)
    ]
    if not targets or report.model is None:
        raise LHVError.bad_argument("report", expected="one with a target and a local model", got=repr(report))
    target, model = targets[0], report.model.behavior()
    scenario = target.scenario
    settings = list(np.ndindex(scenario.num_settings))
    columns = scenario.num_settings[-1]
    rows = -(-len(settings) // columns)
    figure = _figure(2.4 * columns + 1, 1.9 * rows + 0.8)
    axes = figure.subplots(rows, columns, squeeze=False, sharey=True)
    labels = ["".join(map(str, outcome)) for outcome in np.ndindex(scenario.num_outcomes)]
    places = np.arange(len(labels))
    for axis, setting in zip(axes.flat, settings, strict=True):
        axis.bar(places - 0.2, target.array[setting].ravel(), 0.4, label="target")
        axis.bar(places + 0.2, model.array[setting].ravel(), 0.4, label="best local model")
        axis.set_title(f"settings {', '.join(map(str, setting))}", fontsize=9)
        axis.set_xticks(places, labels, fontsize=8)
    axes[0, 0].set_ylabel("probability")
    axes[0, 0].legend(fontsize=7)
    figure.suptitle(f"{report.verdict}: {report.verdict.sentence}", fontsize=9, wrap=True)
    return figure


def plot_loss(result: LocalModelResult) -> Any:
    """The loss of a search against its steps, on a logarithmic scale.

    Args:
        result: What ``find_local_model`` returned.

    Returns:
        A matplotlib figure.
    """
    figure = _figure(5, 3)
    axis = figure.subplots()
    axis.semilogy(np.maximum(result.history, 1e-20))
    axis.set_xlabel("step")
    axis.set_ylabel("KL divergence (nats a trial)")
    axis.set_title(result.status, fontsize=9)
    return figure


def _figure(width: float, height: float) -> Any:
    """A figure that notebooks display and that nothing but its owner keeps alive."""
    # Importing pyplot is what makes notebooks draw figures; the figure itself stays out of its registry.
    import matplotlib.pyplot  # noqa: F401
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")
