"""Pictures with matplotlib (extra ``plot``); every function returns a figure and shows nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .exceptions import LHVError
from .models.directions import Plane
from .models.ensemble import ResponseModel
from .models.responses import QubitResponse
from .polytope.thresholds import Threshold
from .statistics.likelihood import LocalFit

if TYPE_CHECKING:
    from .optimize.search import LocalModelResult
    from .optimize.visibility import VisibilitySweep
    from .report import LocalityReport

__all__ = ["plot_hidden_variables", "plot_loss", "plot_report", "plot_visibility_sweep"]

# Directions over which a response function is averaged, and bins of the pictures.
_AVERAGED, _BINS, _SLICES = 240, 24, 8


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
    axis.set_ylabel("loss")
    axis.set_title(result.status, fontsize=9)
    return figure


def plot_hidden_variables(model: ResponseModel) -> Any:
    """Where the hidden variables of each party point: their density on the sphere, in Mollweide's projection.

    A hidden variable points where outcome 0 is most likely: along the average of n p(0|n, lambda) over all
    directions n. For Bell's response function (degree 1) that is the direction of lambda itself. The
    projection keeps areas, x is in its center and z on top; models of planar measurements have
    their density on a circle.

    Args:
        model: A model of projective qubit measurements.

    Returns:
        A matplotlib figure with one panel a party; a density of 1 is that of the uniform distribution.

    Raises:
        LHVError: If it is another model.
    """
    response = model.response if isinstance(model, ResponseModel) else None
    if not isinstance(response, QubitResponse):
        raise LHVError.bad_argument("model", expected="a model of projective qubit measurements", got=repr(model))
    plane = response.domain.vectors if isinstance(response.domain, Plane) else None
    directions = response.domain.spread(np.random.default_rng(0), _AVERAGED)
    figure = _figure(3.6 * model.num_parties, 2.6 if plane is None else 3.4)
    for k, hidden in enumerate(model.hidden_variables):
        pointing = response.means(k, hidden, directions) @ directions
        if plane is None:
            axis = figure.add_subplot(1, model.num_parties, k + 1, projection="mollweide")
            _draw_sphere(figure, axis, pointing, model.weights)
        else:
            axis = figure.add_subplot(1, model.num_parties, k + 1, projection="polar")
            x, y = plane @ pointing.T
            density, edges = np.histogram(np.arctan2(y, x), _BINS, (-np.pi, np.pi), weights=model.weights)
            axis.bar(edges[:-1], density * _BINS, width=2 * np.pi / _BINS, align="edge")
        axis.set_title(f"party {k}", fontsize=9)
    return figure


def _draw_sphere(figure: Any, axis: Any, vectors: np.ndarray, weights: np.ndarray) -> None:
    """The density of directions; bins of equal width in longitude and in the sine of the latitude have equal areas."""
    x, y, z = vectors.T / np.maximum(np.linalg.norm(vectors, axis=1), np.finfo(float).tiny)
    rows = _BINS // 2
    bounds = np.array([[-np.pi, np.pi], [-1, 1]])
    density, longitudes, _ = np.histogram2d(np.arctan2(y, x), z, (_BINS, rows), bounds, weights=weights)
    # Cells are drawn with straight sides: thin slices follow the map's rim, where one cell would cut it off.
    slices = np.arcsin(np.linspace(-1, 1, rows * _SLICES + 1))
    table = np.repeat(density.T, _SLICES, axis=0) * _BINS * rows
    mesh = axis.pcolormesh(longitudes, slices, table, cmap="viridis", vmin=0)
    axis.grid(alpha=0.3)
    axis.set_xticklabels([])
    axis.set_yticklabels([])
    figure.colorbar(mesh, ax=axis, shrink=0.8, label="density")


def plot_visibility_sweep(sweep: VisibilitySweep, low: float | None = None, high: float | None = None) -> Any:
    """Losses of a sweep, and what they say about the critical visibility.

    Args:
        sweep: What ``sweep_visibility`` returned.
        low: Lowest visibility of the extrapolation; see ``VisibilitySweep.extrapolated_visibility``.
        high: Highest one.

    Returns:
        A matplotlib figure: the loss and its floor, and its square root with the straight line.
    """
    v, losses = sweep.visibilities, sweep.losses
    figure = _figure(8, 3)
    left, right = figure.subplots(1, 2)
    left.semilogy(v, np.maximum(losses, 1e-20), "o-", markersize=4)
    left.axhline(sweep.floor, color="gray", linestyle=":")
    right.plot(v, np.sqrt(losses), "o", markersize=4)
    for axis, name, zero in (
        (left, "leaves its floor", sweep.floor_visibility()),
        (right, "extrapolated to zero", sweep.extrapolated_visibility(low, high)),
    ):
        axis.set_xlabel("visibility")
        if zero is not None:
            axis.axvline(zero, color="tab:red", linestyle="--")
            axis.set_title(f"{name}: {zero:.4f}", fontsize=9)
    line = sweep.line(low, high)
    if line is not None:
        slope, zero = line
        right.plot([zero, v[-1]], [0, slope * (v[-1] - zero)], color="tab:red", linewidth=1)
    left.set_ylabel("KL divergence (nats a trial)")
    right.set_ylabel("square root of it")
    return figure


def _figure(width: float, height: float) -> Any:
    """A figure that notebooks display and that nothing but its owner keeps alive."""
    # Importing pyplot is what makes notebooks draw figures; the figure itself stays out of its registry.
    import matplotlib.pyplot  # noqa: F401
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")
