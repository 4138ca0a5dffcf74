"""Where to draw the qubits of a device."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import rustworkx as rx
from numpy.typing import NDArray

from .._support.validation import is_whole_number, real_array
from ..exceptions import LHVError

__all__ = ["lay_out", "parse_places"]

_STEPS = 500
_GAP = 1.0


def parse_places(positions: Any, qubits: set[int]) -> dict[int, tuple[float, float]]:
    """Checks given places of qubits.

    Args:
        positions: Place ``(x, y)`` of each qubit: a dictionary, or a sequence.
        qubits: Those that need a place.

    Raises:
        LHVError: If a qubit has no place, or an entry is not a pair of numbers.
    """
    try:
        items = dict(positions.items() if isinstance(positions, Mapping) else enumerate(positions))
    except TypeError as exc:
        raise LHVError.bad_argument(
            "positions", expected="a dictionary or sequence of places (x, y)", got=repr(positions)
        ) from exc
    places = {}
    for qubit, place in items.items():
        point = real_array(place, f"positions[{qubit!r}]", LHVError, ndim=1)
        if not is_whole_number(qubit) or len(point) != 2:
            raise LHVError.bad_argument(
                f"positions[{qubit!r}]", expected="two numbers (x, y) for a qubit", got=repr(place)
            )
        places[int(qubit)] = (float(point[0]), float(point[1]))
    missing = sorted(qubits - set(places))
    if missing:
        raise LHVError.bad_argument("positions", expected="a place for every qubit drawn", got=f"none for {missing}")
    return places


def lay_out(graph: rx.PyGraph) -> dict[int, tuple[float, float]]:
    """Places qubits so that their distances resemble those in the graph, about 1 for neighbors.

    Each connected part is laid out by stress majorization from classical scaling, turned so that its longer
    side is horizontal; the parts stand beside each other.

    Args:
        graph: Couplings; all of its nodes are placed.

    References:
        E. R. Gansner, Y. Koren and S. North, Graph Drawing 2004, LNCS 3383, 239 (stress majorization).
    """
    places: dict[int, tuple[float, float]] = {}
    left = 0.0
    for part in sorted((sorted(nodes) for nodes in rx.connected_components(graph)), key=lambda n: (-len(n), n)):
        distances = rx.graph_distance_matrix(graph.subgraph(part))
        points = _majorize(distances)
        points[:, 0] += left - points[:, 0].min()
        left = float(points[:, 0].max()) + _GAP
        places |= {node: (float(x), float(y)) for node, (x, y) in zip(part, points, strict=True)}
    return places


def _majorize(distances: NDArray[np.float64]) -> NDArray[np.float64]:
    """Points in the plane whose distances are nearest to those given, relative to them."""
    number = len(distances)
    if number == 1:
        return np.zeros((1, 2))
    centering = np.eye(number) - 1 / number
    values, vectors = np.linalg.eigh(-centering @ distances**2 @ centering / 2)
    points = vectors[:, -1:-3:-1] * np.sqrt(np.maximum(values[-1:-3:-1], 0))
    # A graph with mirror images starts with points on top of each other; a fixed, tiny shift parts them.
    points += 1e-3 * np.random.default_rng(0).standard_normal(points.shape)
    weights = np.divide(1, distances**2, out=np.zeros_like(distances), where=distances > 0)
    inverse = np.linalg.pinv(np.diag(weights.sum(axis=1)) - weights)
    for _ in range(_STEPS):
        differences = np.linalg.norm(points[:, None] - points[None], axis=-1)
        pull = np.divide(weights * distances, differences, out=np.zeros_like(distances), where=differences > 1e-12)
        points = inverse @ (np.diag(pull.sum(axis=1)) - pull) @ points
    points -= points.mean(axis=0)
    _, _, axes = np.linalg.svd(points, full_matrices=False)
    points = points @ axes.T
    # Signs of the axes are free: the lowest qubit stands at the upper left, as on most maps of devices.
    points[:, 0] *= -1 if points[0, 0] > 0 else 1
    points[:, 1] *= -1 if points[0, 1] < 0 else 1
    return points
