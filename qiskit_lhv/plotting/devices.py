"""Maps of a device: the violation, the evidence and the signaling of its groups of qubits."""

from __future__ import annotations

import itertools
import textwrap
from typing import TYPE_CHECKING, Any

import numpy as np

from ..exceptions import LHVError
from ..reports.figure_names import Figure
from ..reports.summary import QUANTUM_BOUND
from .figures import new_figure

if TYPE_CHECKING:
    from ..reports.devices import DeviceReport

__all__ = ["plot_device_report"]


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

    Examples:
        A chain of four qubits, with every pair of neighbors:

        >>> from qiskit_lhv import analyze, Behavior, ghz_state
        >>> device = Behavior.from_state(ghz_state(2, 0.9), "chsh")
        >>> counts = {(k, k + 1): device.sample(500, seed=k) for k in range(3)}
        >>> figure = plot_device_report(analyze(counts, seed=1))
        >>> for axes in figure.axes[:3]:
        ...     print(axes.get_title())
        CHSH value S (lines: local and quantum bound)
        evidence: log10 e (black edge: rejected)
        signaling: largest shift (cross: significant)
    """
    graph, places = _device_map(report, coupling_map, positions)
    points = np.array(list(places.values()))
    spread = np.maximum(np.ptp(points, axis=0) + 1.2, 2.0)
    width = float(np.clip(0.45 * spread[0], 3.5, 9))
    height = width * spread[1] / spread[0]
    # The panels of a small device stand side by side, those of a large one below each other.
    stacked = width > 6
    figure = new_figure(width + 1.2, 3 * (height + 0.7)) if stacked else new_figure(3 * (width + 1), height + 0.7)
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
        bar = figure.colorbar(lines, ax=axis, shrink=0.9, aspect=25, pad=0.02)
        if title.startswith("CHSH"):
            _mark_bounds(bar, norm)
    figure.suptitle("\n".join(textwrap.wrap(report.summary(), int(12 * figure.get_figwidth()))), fontsize=9)
    return figure


def _mark_bounds(bar: Any, norm: Any) -> None:
    """Marks the local and the quantum bound on the scale of S."""
    low, high = norm.vmin, norm.vmax
    others = [tick for tick in (1.0, 1.5, 2.5, 3.0, 3.5, 4.0) if low <= tick <= high]
    bar.set_ticks([*others, 2, QUANTUM_BOUND], labels=[*(f"{tick:g}" for tick in others), "2 local", "2.83 quantum"])
    for bound, color in ((2, "white"), (QUANTUM_BOUND, "black")):
        bar.ax.axhline(bound, color=color, linewidth=2)


def _device_map(report: DeviceReport, coupling_map: Any, positions: Any) -> tuple[Any, dict[int, tuple[float, float]]]:
    """Returns the graph of couplings, and the places of its qubits."""
    from ..experiments.device_groups import coupling_graph
    from ..experiments.device_layout import lay_out, parse_places

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
    from matplotlib.colors import Normalize

    first: tuple[str, list[float], str, Any]
    figures = [group_report.statistics for group_report in report.reports]
    if all(Figure.S in of_group for of_group in figures):
        violation = [of_group[Figure.S] for of_group in figures]
        # A scale whose lightness only grows, so that it can be read in grey.
        low, high = min(1.5, *violation), max(QUANTUM_BOUND, *violation)
        first = ("CHSH value S (lines: local and quantum bound)", violation, "cividis", Normalize(low, high))
    else:
        violation = [of_group[Figure.KL] for of_group in figures]
        first = ("KL divergence from local models (nats per trial)", violation, "cividis", _color_range(violation))
    evidence = [of_group[Figure.LOG10_E] for of_group in figures]
    shifts = [of_group[Figure.LARGEST_SHIFT] for of_group in figures]
    return [
        first,
        ("evidence: log10 e (black edge: rejected)", evidence, "cividis", _color_range(evidence)),
        ("signaling: largest shift (cross: significant)", shifts, "cividis_r", _color_range(shifts)),
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
