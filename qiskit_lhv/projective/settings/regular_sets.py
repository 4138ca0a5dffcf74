"""Regular settings: equally spaced axes of a plane, and axes with the symmetry of the octahedron or icosahedron."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from functools import cache
from itertools import combinations

import numpy as np

from ..._support.types import FloatArray
from ...measurements.axes import (
    icosahedral_directions,
    icosahedral_sizes,
    octahedral_directions,
    octahedral_sizes,
    platonic_directions,
)
from ...measurements.qubit_sets import QubitMeasurementSet
from ...targets.correlations import CorrelationTensor

__all__ = ["axial_frame", "equally_spaced", "largest_solid", "polygons", "regular_solids", "two_setting_frame"]


_MAX_ICOSAHEDRAL = 16
_DODECAHEDRON = 10
_SOLIDS = {3: "octahedron", 4: "cube", 6: "icosahedron", 10: "dodecahedron"}
_IN_PLANE = 1e-12
_DEGENERATE = 1e-6


def equally_spaced(count: int, frame: FloatArray, offset: float) -> FloatArray:
    """Returns equally spaced axes of a plane.

    Args:
        count: Number of axes.
        frame: Two orthonormal vectors that span the plane, shape ``(2, 3)``.
        offset: Fraction of the step by which the axes are turned away from the first vector.
    """
    angles = math.pi * (np.arange(count) + offset) / count
    return np.stack([np.cos(angles), np.sin(angles)], axis=1) @ frame


def polygons(
    sizes: Sequence[int], frames: Sequence[FloatArray], measurements: QubitMeasurementSet
) -> Iterator[list[list[FloatArray]]]:
    """Yields equally spaced axes of each party, in the allowed planes that two vectors of its frame span.

    Args:
        sizes: Number of settings of each party.
        frames: Three orthonormal vectors of each party, shape ``(3, 3)``, in rows.
        measurements: All projective measurements, or those in a coordinate plane.

    Yields:
        For each plane, the Bloch vectors of each party, shape ``(m_k, 3)``: with an axis along the first vector, and
        turned by half a step.
    """
    for plane in combinations(range(3), 2):
        if any(np.abs(frame[list(plane)] * (1 - measurements.coordinates)).max() > _IN_PLANE for frame in frames):
            continue
        yield [
            [equally_spaced(m, frame[list(plane)], offset) for m, frame in zip(sizes, frames, strict=True)]
            for offset in (0.0, 0.5)
        ]


def regular_solids(sizes: Sequence[int], frames: Sequence[FloatArray]) -> Iterator[list[FloatArray]]:
    """Yields axes with the symmetry of the octahedron or icosahedron, with different symmetry axes along z.

    Args:
        sizes: Number of settings of each party.
        frames: Three orthonormal vectors of each party, shape ``(3, 3)``, in rows.

    Yields:
        Bloch vectors of each party, shape ``(m_k, 3)``; nothing if no such set has a party's number of settings.
    """
    variants = [_solids(m) for m in sizes]
    if all(variants):
        # Parties of the same number get the same set; of different numbers, sets in the same order.
        for i in range(max(map(len, variants))):
            yield [sets[i % len(sets)] @ frame for sets, frame in zip(variants, frames, strict=True)]


def largest_solid(count: int) -> FloatArray:
    """Returns the axes of the largest regular solid or icosahedral set that has at most this many axes."""
    size = max([s for s in (*_SOLIDS, *icosahedral_sizes(count)) if s <= count], default=0)
    if not size:
        return np.eye(3)[:count]
    return platonic_directions(_SOLIDS[size]) if size in _SOLIDS else icosahedral_directions(size)


@cache
def _solids(count: int) -> list[FloatArray]:
    """Returns sets of this many axes, each turned so that a different axis of symmetry is along z."""
    found = []
    if count in octahedral_sizes() and count > 3:
        edge = octahedral_directions(6)[0]
        poles = (np.array([0.0, 0.0, 1.0]), octahedral_directions(4)[0], edge)
        found += [_turned(octahedral_directions(count), pole) for pole in poles]
    icosahedral = None
    if count == _DODECAHEDRON:
        icosahedral = platonic_directions("dodecahedron")
    elif count in icosahedral_sizes(_MAX_ICOSAHEDRAL):
        icosahedral = icosahedral_directions(count)
    if icosahedral is not None:
        # Through an edge, a face and a vertex.
        poles = (np.array([0.0, 0.0, 1.0]), platonic_directions("dodecahedron")[0], icosahedral_directions(6)[0])
        found += [_turned(icosahedral, pole) for pole in poles]
    if count == 3:
        found.append(np.eye(3))
    return found


def _turned(vectors: FloatArray, pole: FloatArray) -> FloatArray:
    """Returns the vectors after a half turn that takes the pole to z, about the axis halfway between the two."""
    pole = pole / np.linalg.norm(pole)
    middle = pole + np.array([0.0, 0.0, 1.0])
    middle /= np.linalg.norm(middle)
    return np.asarray(2 * np.outer(vectors @ middle, middle) - vectors)


def two_setting_frame(vectors: FloatArray) -> FloatArray:
    """Returns orthonormal vectors: the first setting, the second one's part normal to it, and the normal of both.

    Args:
        vectors: Two Bloch vectors, shape ``(2, 3)``.
    """
    first = vectors[0] / np.linalg.norm(vectors[0])
    across = vectors[1] - (vectors[1] @ first) * first
    if np.linalg.norm(across) < 1e-6:
        # Both settings are the same, so any plane through them works.
        across = np.linalg.svd(first[None])[2][1]
    across /= np.linalg.norm(across)
    return np.stack([first, across, np.cross(first, across)])


def axial_frame(tensor: CorrelationTensor, party: int, first: FloatArray) -> FloatArray | None:
    """Returns three orthonormal vectors, the last along the axis that a state singles out for one party.

    The party's Bloch vectors, given what the others measure, spread as an ellipsoid; if two of its axes are equal and
    the third is not, that one is the state's own.

    Args:
        tensor: Correlations of qubits.
        party: Number of the party.
        first: A Bloch vector of the party, to which the first returned vector is as close as possible.

    Returns:
        The vectors, shape ``(3, 3)``, or ``None`` if no axis is singled out.
    """
    matrix = np.moveaxis(tensor.array, party, 0)[1:].reshape(3, -1)
    values, vectors = np.linalg.eigh(matrix @ matrix.T)
    low, high = values[1] - values[0], values[2] - values[1]
    if min(low, high) > _DEGENERATE or max(low, high) <= _DEGENERATE:
        return None
    axis = vectors[:, 2] if low <= _DEGENERATE else vectors[:, 0]
    across = first - (first @ axis) * axis
    if np.linalg.norm(across) < _DEGENERATE:
        across = vectors[:, 1]
    across /= np.linalg.norm(across)
    return np.stack([across, np.cross(axis, across), axis])
