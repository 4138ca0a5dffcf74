"""Pictures with matplotlib (extra ``plot``). Every function returns a figure and does not show it."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import numpy as np

from .exceptions import LHVError
from .measurements.qubit_sets import PlanarProjective
from .models.ensemble import ResponseModel
from .models.responses import QubitResponse
from .polytope.thresholds.visibility import Threshold
from .reports.figure_names import Figure
from .statistics.fits.local_fit import LocalFit

if TYPE_CHECKING:
    from .analysis.critical_visibilities import CriticalVisibility
    from .optimize.search import LocalModelResult
    from .optimize.visibility_sweep import VisibilitySweep
    from .reports.devices import DeviceReport
    from .reports.locality import LocalityReport

__all__ = [
    "plot_critical_visibility",
    "plot_device_report",
    "plot_hidden_variables",
    "plot_loss",
    "plot_report",
    "plot_visibility_sweep",
]


def __dir__() -> list[str]:
    return __all__


# Number of directions over which a response function is averaged, of bins per axis of a histogram, and of slices into
# which each bin is cut in latitude.
_NUM_DIRECTIONS, _NUM_BINS, _NUM_SLICES = 240, 24, 8


def plot_report(report: LocalityReport) -> Any:
    """Plots the target's probabilities beside those of the best local model.

    Args:
        report: A report that holds a model.

    Returns:
        A matplotlib figure with one panel per setting combination.

    Raises:
        LHVError: If the report holds no model or no target to compare.
    """
    targets = [
        (piece.target, piece.weights > 0) if isinstance(piece, LocalFit) else (piece.behavior, None)
        for piece in report.evidence
        if isinstance(piece, LocalFit | Threshold)
    ]
    if not targets or report.model is None:
        raise LHVError.bad_argument("report", expected="one with a target and a local model", got=repr(report))
    (target, measured), model = targets[0], report.model.behavior()
    scenario = target.scenario
    # Settings that were not measured have nothing to show.
    settings = [x for x in np.ndindex(scenario.num_settings) if measured is None or measured[x]]
    columns = scenario.num_settings[-1]
    columns = min(columns, len(settings))
    rows = -(-len(settings) // columns)
    figure = _figure(2.4 * columns + 1, 1.9 * rows + 0.8)
    axes = figure.subplots(rows, columns, squeeze=False, sharey=True)
    for axis in axes.flat[len(settings) :]:
        axis.set_axis_off()
    for axis, setting in zip(axes.flat, settings, strict=False):
        real = scenario.mask[setting]
        labels = ["".join(map(str, outcome)) for outcome in np.argwhere(real)]
        places = np.arange(len(labels))
        axis.bar(places - 0.2, target.array[setting][real], 0.4, label="target")
        axis.bar(places + 0.2, model.array[setting][real], 0.4, label="best local model")
        axis.set_title(f"settings {', '.join(map(str, setting))}", fontsize=9)
        axis.set_xticks(places, labels, fontsize=8)
    axes[0, 0].set_ylabel("probability")
    axes[0, 0].legend(fontsize=7)
    figure.suptitle(f"{report.verdict}: {report.verdict.sentence}", fontsize=9, wrap=True)
    return figure


def plot_loss(result: LocalModelResult) -> Any:
    """Plots the loss of a search against the number of steps, on a logarithmic scale.

    Args:
        result: The result of ``find_local_model``.

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
    """Plots the density of the directions in which the hidden variables of each party point.

    A hidden variable points in the direction in which outcome 0 is most likely: along the average of n p(0|n, lambda)
    over all directions n. For Bell's response function (degree 1) this is the direction of lambda itself. The sphere is
    shown in the Mollweide projection, which preserves areas, with x in the center and z on top. For models of planar
    measurements, the density on a circle is shown.

    Args:
        model: A model of projective qubit measurements.

    Returns:
        A matplotlib figure with one panel per party. The uniform distribution has a density of 1.

    Raises:
        LHVError: If the model is of another kind.
    """
    response = model.response if isinstance(model, ResponseModel) else None
    if not isinstance(response, QubitResponse):
        raise LHVError.bad_argument("model", expected="a model of projective qubit measurements", got=repr(model))
    plane = response.domain.vectors if isinstance(response.domain, PlanarProjective) else None
    directions = response.domain.spread(np.random.default_rng(0), _NUM_DIRECTIONS)
    figure = _figure(3.6 * model.num_parties, 2.6 if plane is None else 3.4)
    for k, hidden in enumerate(model.hidden_variables):
        pointing = response.means(k, hidden, directions) @ directions
        if plane is None:
            axis = figure.add_subplot(1, model.num_parties, k + 1, projection="mollweide")
            _draw_sphere(figure, axis, pointing, model.weights)
        else:
            axis = figure.add_subplot(1, model.num_parties, k + 1, projection="polar")
            x, y = plane @ pointing.T
            density, edges = np.histogram(np.arctan2(y, x), _NUM_BINS, (-np.pi, np.pi), weights=model.weights)
            axis.bar(edges[:-1], density * _NUM_BINS, width=2 * np.pi / _NUM_BINS, align="edge")
        axis.set_title(f"party {k}", fontsize=9)
    return figure


def _draw_sphere(figure: Any, axis: Any, vectors: np.ndarray, weights: np.ndarray) -> None:
    """Draws the density of directions, in bins of equal area: of equal width in longitude and in sin(latitude)."""
    x, y, z = vectors.T / np.maximum(np.linalg.norm(vectors, axis=1), np.finfo(float).tiny)
    rows = _NUM_BINS // 2
    bounds = np.array([[-np.pi, np.pi], [-1, 1]])
    density, longitudes, _ = np.histogram2d(np.arctan2(y, x), z, (_NUM_BINS, rows), bounds, weights=weights)
    # Cells are drawn with straight sides. Each is cut into thin slices that follow the curved rim of the map.
    slices = np.arcsin(np.linspace(-1, 1, rows * _NUM_SLICES + 1))
    table = np.repeat(density.T, _NUM_SLICES, axis=0) * _NUM_BINS * rows
    mesh = axis.pcolormesh(longitudes, slices, table, cmap="viridis", vmin=0)
    axis.grid(alpha=0.3)
    axis.set_xticklabels([])
    axis.set_yticklabels([])
    figure.colorbar(mesh, ax=axis, shrink=0.8, label="density")


def plot_visibility_sweep(sweep: VisibilitySweep, low: float | None = None, high: float | None = None) -> Any:
    """Plots the losses of a sweep, and the estimates of the critical visibility that follow from them.

    Args:
        sweep: The result of ``sweep_visibility``.
        low: Lowest visibility used in the extrapolation; see ``VisibilitySweep.extrapolated_visibility``.
        high: Highest visibility used in the extrapolation.

    Returns:
        A matplotlib figure with two panels: the loss with its floor, and the square root of the loss with the straight
        line that is fitted to it.
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
    curve = sweep.curve(low, high)
    if curve is not None:
        zero, slope, curvature = curve
        beyond = np.linspace(zero, v[-1], 100) - zero
        right.plot(zero + beyond, slope * beyond + curvature * beyond**2, color="tab:red", linewidth=1)
    left.set_ylabel("KL divergence (nats per trial)")
    right.set_ylabel("square root of it")
    return figure


def plot_critical_visibility(found: CriticalVisibility) -> Any:
    """Plots the proven bounds on a critical visibility, with the losses of local models between them.

    Args:
        found: The result of ``critical_visibility``.

    Returns:
        A matplotlib figure. It is green where the state is proven local, and red where it is proven nonlocal.
    """
    figure = _figure(6, 3)
    axis = figure.subplots()
    left, right = 0.0, 1.0
    if found.sweep is not None:
        v, losses = found.sweep.visibilities, found.sweep.losses
        axis.semilogy(v, np.maximum(losses, 1e-20), "o-", color="black", markersize=4)
        axis.set_ylabel("KL divergence (nats per trial)")
        left, right = float(v[0]), float(v[-1])
    else:
        axis.set_yticks([])
    axis.axvspan(left, min(found.lower, right), color="tab:green", alpha=0.25, label="proven local")
    if found.upper < right:
        axis.axvspan(found.upper, right, color="tab:red", alpha=0.25, label="proven nonlocal")
    if found.estimate is not None:
        axis.axvline(found.estimate, color="black", linestyle="--", label=f"estimate {found.estimate:.4f}")
    axis.set_xlim(left, right)
    axis.set_xlabel("visibility")
    axis.legend(fontsize=8)
    return figure


def plot_device_report(report: DeviceReport, coupling_map: Any = None, positions: Any = None) -> Any:
    """Plots three maps of a device: the violation, the evidence, and the signaling of each group of qubits.

    Qubits are dots and groups are colored lines: pairs run from qubit to qubit, larger groups around the qubits in
    their middle. Groups whose local models are rejected have a black edge. A cross marks the groups on the list of
    signaling groups.

    Args:
        report: The report on the groups of a device.
        coupling_map: The couplings to show: a backend, a ``CouplingMap``, or pairs of qubits. Default: those between
            neighbors in the groups.
        positions: The place ``(x, y)`` of each qubit, as a dictionary or a sequence. Default: the qubits are laid out
            by their distances in the graph of couplings.

    Returns:
        A matplotlib figure.

    Raises:
        LHVError: If couplings or positions cannot be used.
    """
    graph, places = _device_map(report, coupling_map, positions)
    points = np.array(list(places.values()))
    spread = np.maximum(np.ptp(points, axis=0) + 1.2, 2.0)
    width = float(np.clip(0.45 * spread[0], 3.5, 9))
    height = width * spread[1] / spread[0]
    # The panels of a small device stand side by side, those of a large one below each other.
    stacked = width > 6
    figure = _figure(width + 1.2, 3 * (height + 0.7)) if stacked else _figure(3 * (width + 1), height + 0.7)
    panels = figure.subplots(3, 1) if stacked else figure.subplots(1, 3)
    center = (points.max(axis=0) + points.min(axis=0)) / 2
    # Typographic points per unit of length. The limit keeps the dots of a small device from becoming huge.
    scale = min(width * 72 / spread[0], 45.0)
    for axis, (title, values, colors, norm) in zip(panels, _device_panels(report), strict=True):
        _draw_couplings(axis, graph, places, scale)
        lines = _draw_groups(axis, report, places, values, colors, norm, scale)
        _draw_qubits(axis, places, scale)
        axis.set_aspect("equal")
        axis.set_axis_off()
        axis.set_xlim(center[0] - spread[0] / 2, center[0] + spread[0] / 2)
        axis.set_ylim(center[1] - spread[1] / 2, center[1] + spread[1] / 2)
        axis.set_title(title, fontsize=10)
        figure.colorbar(lines, ax=axis, shrink=0.9, aspect=25, pad=0.02)
    figure.suptitle(str(report), fontsize=9, wrap=True)
    return figure


def _device_map(report: DeviceReport, coupling_map: Any, positions: Any) -> tuple[Any, dict[int, tuple[float, float]]]:
    """Returns the graph of couplings, and the places of its qubits."""
    from .experiments.device_groups import coupling_graph
    from .experiments.device_layout import lay_out, parse_places

    neighbors = [pair for group in report.groups for pair in itertools.pairwise(group)]
    used = {qubit for group in report.groups for qubit in group}
    if coupling_map is not None:
        graph = coupling_graph(coupling_map)
        if max(used) >= graph.num_nodes():
            raise LHVError.bad_argument(
                "coupling_map", expected=f"one with qubit {max(used)}", got=f"{graph.num_nodes()} qubits"
            )
    else:
        graph = coupling_graph(neighbors)
        # Qubits that belong to no group are not drawn.
        for qubit in set(graph.node_indices()) - used:
            graph.remove_node(qubit)
    nodes = set(graph.node_indices())
    if positions is None:
        return graph, lay_out(graph)
    given = parse_places(positions, nodes)
    return graph, {qubit: given[qubit] for qubit in sorted(nodes)}


def _device_panels(report: DeviceReport) -> list[tuple[str, list[float], str, Any]]:
    """Returns the title, the values, the color map and the color scale of each panel."""
    from matplotlib.colors import TwoSlopeNorm

    first: tuple[str, list[float], str, Any]
    figures = [group_report.statistics for group_report in report.reports]
    if all(Figure.S in of_group for of_group in figures):
        violation = [of_group[Figure.S] for of_group in figures]
        low, high = min(1.5, *violation), max(2 * np.sqrt(2), *violation)
        first = ("CHSH value S (white: 2, the local bound)", violation, "PuOr", TwoSlopeNorm(2, low, high))
    else:
        violation = [of_group[Figure.KL] for of_group in figures]
        first = ("KL divergence from local models (nats per trial)", violation, "viridis", _color_range(violation))
    evidence = [of_group[Figure.LOG10_E] for of_group in figures]
    shifts = [of_group[Figure.LARGEST_SHIFT] for of_group in figures]
    return [
        first,
        ("evidence: log10 e (black edge: rejected)", evidence, "viridis", _color_range(evidence)),
        ("signaling: largest shift (cross: significant)", shifts, "YlOrRd", _color_range(shifts)),
    ]


def _color_range(values: list[float]) -> Any:
    """Returns the color scale from 0, or the lowest negative value, to the highest value."""
    from matplotlib.colors import Normalize

    low, high = min(0.0, *values), max(values)
    return Normalize(low, high if high > low else low + 1)


def _draw_couplings(axis: Any, graph: Any, places: dict[int, tuple[float, float]], scale: float) -> None:
    for a, b in graph.edge_list():
        (x1, y1), (x2, y2) = places[a], places[b]
        axis.plot([x1, x2], [y1, y2], color="#afb8c1", linewidth=0.05 * scale, zorder=1)


def _draw_groups(
    axis: Any,
    report: DeviceReport,
    places: dict[int, tuple[float, float]],
    values: list[float],
    colors: str,
    norm: Any,
    scale: float,
) -> Any:
    from matplotlib.collections import LineCollection

    assert report.rejected is not None
    paths = [_group_path(np.array([places[qubit] for qubit in group])) for group in report.groups]
    edges = ["black" if rejected else "#c4cad1" for rejected in report.rejected]
    # Chains of qubits run beside each other, so their lines are thinner than those of pairs.
    thick = (0.15 if max(map(len, report.groups)) <= 2 else 0.08) * scale
    edge = thick + 0.08 * scale
    axis.add_collection(LineCollection(paths, colors=edges, linewidths=edge, capstyle="round", zorder=2))
    lines = LineCollection(paths, linewidths=thick, cmap=colors, norm=norm, capstyle="round", zorder=3)
    lines.set_array(np.array(values))
    axis.add_collection(lines)
    signaling = set(report.signaling_groups)
    # The cross of a pair is in its middle; that of a chain is on its first arm, beside the qubits.
    marked = [
        path[min(len(path) // 2, 2)] for group, path in zip(report.groups, paths, strict=True) if group in signaling
    ]
    if marked:
        x, y = np.array(marked).T
        for color, width in (("white", 0.13), ("#0550ae", 0.07)):
            axis.scatter(x, y, marker="x", s=(0.3 * scale) ** 2, linewidths=width * scale, color=color, zorder=5)
    return lines


def _group_path(points: np.ndarray) -> np.ndarray:
    """Returns the line of a group.

    For a pair it is straight. For a chain it leads from the middle of the first coupling to that of the last, and bends
    at the qubits between them, so that chains that share a coupling stay apart.
    """
    if len(points) <= 2:
        return np.linspace(points[0], points[-1], 3)
    middles = (points[1:] + points[:-1]) / 2
    t = np.linspace(0, 1, 11)[:, None]
    parts = []
    for before, corner, after in zip(middles[:-1], points[1:-1], middles[1:], strict=True):
        start, stop = before + _aside(before - corner, after - corner), after + _aside(after - corner, before - corner)
        parts.append((1 - t) ** 2 * start + 2 * t * (1 - t) * corner + t**2 * stop)
    return np.concatenate(parts)


def _aside(arm: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Returns a small step from one arm of a corner towards the other arm; it is zero if both lie on a line."""
    across = other - arm * (arm @ other) / (arm @ arm)
    return 0.18 * across / max(float(np.linalg.norm(other)), 1e-12)


def _draw_qubits(axis: Any, places: dict[int, tuple[float, float]], scale: float) -> None:
    x, y = np.array(list(places.values())).T
    size = 0.42 * scale
    axis.scatter(x, y, s=size**2, color="white", edgecolors="#57606a", linewidths=0.03 * scale, zorder=4)
    for qubit, place in places.items():
        axis.annotate(str(qubit), place, ha="center", va="center", fontsize=0.22 * scale, zorder=6)


def _figure(width: float, height: float) -> Any:
    """Returns a new figure that notebooks display, and that is not in the registry of pyplot."""
    # Notebooks draw figures only after pyplot was imported.
    import matplotlib.pyplot  # noqa: F401
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")
