"""Sets of measurement directions: Platonic, octahedral, icosahedral, planar and random ones."""

from __future__ import annotations

import json
import math
from bisect import bisect
from functools import cache
from pathlib import Path

import numpy as np

from .._support.types import FloatArray, IntArray
from .._support.validation import frozen, generator, whole_number
from ..exceptions import MeasurementError
from .inradius_ascent import images_of_representatives, with_larger_inradius

__all__ = [
    "icosahedral_directions",
    "icosahedral_rotations",
    "icosahedral_sizes",
    "octahedral_directions",
    "octahedral_sizes",
    "planar_directions",
    "platonic_directions",
    "random_directions",
]

_MAX_DIRECTIONS = 10**7


_OPTIMA = Path(__file__).parent.parent / "data" / "icosahedral_axes.json"
_GOLDEN = (1 + math.sqrt(5)) / 2
_COORDINATE_ATOL = 1e-7
_MAX_FREQUENCY = 40
# Kinds of axes, by their number of nonzero coordinates: through the vertices (1), edges (2) or faces (3) of an
# octahedron. There are 3, 6 and 4 of them.
_OCTAHEDRAL_AXES = {3: (1,), 4: (3,), 6: (2,), 7: (1, 3), 9: (1, 2), 10: (2, 3), 13: (1, 2, 3)}
_PLATONIC_NAMES = ("octahedron", "cube", "icosahedron", "dodecahedron")


def platonic_directions(name: str) -> FloatArray:
    """The axes through the vertices of a Platonic solid with inversion symmetry.

    Args:
        name: ``"octahedron"`` (3 axes), ``"cube"`` (4), ``"icosahedron"`` (6) or ``"dodecahedron"`` (10).

    Returns:
        Bloch vectors, shape ``(num_settings, 3)``, one of each pair n, -n.

    Raises:
        MeasurementError: If the name is not one of these.

    References:
        A. Tavakoli and N. Gisin, Quantum 4, 293 (2020), arXiv:2001.00188 (Bell tests with Platonic solids).

    Examples:
        >>> from qiskit_lhv.measurements import inradius
        >>> for name in ("octahedron", "cube", "icosahedron", "dodecahedron"):
        ...     directions = platonic_directions(name)
        ...     print(name, len(directions), round(inradius(directions), 4))
        octahedron 3 0.5774
        cube 4 0.5774
        icosahedron 6 0.7947
        dodecahedron 10 0.7947
    """
    name = name if isinstance(name, str) else type(name).__name__
    if name == "octahedron":
        vertices = np.eye(3)
    elif name == "cube":
        vertices = np.array([[1, 1, 1], [1, 1, -1], [1, -1, 1], [1, -1, -1]])
    elif name == "icosahedron":
        vertices = _icosahedron()
    elif name == "dodecahedron":
        triangles = _icosahedron()[_icosahedron_faces()]
        vertices = triangles.mean(axis=1)
    else:
        raise MeasurementError.bad_argument("name", expected=f"one of {', '.join(_PLATONIC_NAMES)}", got=repr(name))
    return frozen(_axes(vertices))


def octahedral_sizes() -> list[int]:
    """The numbers of axes for which :func:`octahedral_directions` has a set.

    Returns:
        The sizes, in ascending order.

    Examples:
        >>> octahedral_sizes()
        [3, 4, 6, 7, 9, 10, 13]
    """
    return sorted(_OCTAHEDRAL_AXES)


def octahedral_directions(num_settings: int) -> FloatArray:
    """Axes with the symmetry of the octahedron: through its vertices (3), faces (4), edges (6), or several of those.

    Args:
        num_settings: Number of axes, one of :func:`octahedral_sizes`.

    Returns:
        Bloch vectors, shape ``(num_settings, 3)``, one of each pair n, -n.

    Raises:
        MeasurementError: If there is no such set.

    References:
        F. Hirsch, M. T. Quintino, T. Vertesi, M. Navascues, N. Brunner, Quantum 1, 3 (2017), arXiv:1609.06114
        (polyhedra of settings, whose inradius counts).

    Examples:
        >>> from qiskit_lhv.measurements import inradius
        >>> for size in octahedral_sizes():
        ...     print(size, round(inradius(octahedral_directions(size)), 4))
        3 0.5774
        4 0.5774
        6 0.7071
        7 0.8069
        9 0.8165
        10 0.7071
        13 0.8865
    """
    count = whole_number(num_settings, "num_settings", MeasurementError, maximum=_MAX_DIRECTIONS)
    if count not in _OCTAHEDRAL_AXES:
        sizes = ", ".join(map(str, octahedral_sizes()))
        raise MeasurementError.bad_argument("num_settings", expected=f"one of {sizes}", got=f"{num_settings}")
    grid = np.stack(np.meshgrid(*[[-1.0, 0.0, 1.0]] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    # Vertices have one nonzero coordinate, edges two, faces three.
    nonzero = np.abs(grid).sum(axis=1)
    return frozen(_axes(np.concatenate([grid[nonzero == kind] for kind in _OCTAHEDRAL_AXES[count]])))


def planar_directions(num_settings: int, plane: tuple[int, int] = (0, 1)) -> FloatArray:
    """Equally spaced axes in one plane, the first of them along the plane's first coordinate axis.

    Args:
        num_settings: Number of axes; neighbors are ``pi / num_settings`` apart.
        plane: The two coordinate axes that span the plane; default: x and y.

    Returns:
        Bloch vectors, shape ``(num_settings, 3)``.

    Raises:
        MeasurementError: If the number is below 1 or the plane is not two different axes.

    References:
        A. Acin, N. Gisin, B. Toner, Phys. Rev. A 73, 062105 (2006), arXiv:quant-ph/0606138 (what such settings say
        about all measurements in a plane).

    Examples:
        >>> planar_directions(4).round(4).tolist()
        [[1.0, 0.0, 0.0], [0.7071, 0.7071, 0.0], [0.0, 1.0, 0.0], [-0.7071, 0.7071, 0.0]]
    """
    count = whole_number(num_settings, "num_settings", MeasurementError, maximum=_MAX_DIRECTIONS)
    if len(plane) != 2 or sorted({*plane} & {0, 1, 2}) != sorted(plane):
        raise MeasurementError.bad_argument("plane", expected="two different axes out of 0, 1, 2", got=repr(plane))
    angles = np.arange(count) * math.pi / count
    directions = np.zeros((count, 3))
    directions[:, plane[0]], directions[:, plane[1]] = np.cos(angles), np.sin(angles)
    return frozen(directions)


def random_directions(num_settings: int, seed: int | None = None) -> FloatArray:
    """Random axes, uniform on the sphere.

    Args:
        num_settings: Number of axes.
        seed: Seed of the random numbers; ``None`` draws fresh ones.

    Returns:
        Bloch vectors, shape ``(num_settings, 3)``.

    Raises:
        MeasurementError: If the number is below 1.

    References:
        G. Marsaglia, Ann. Math. Stat. 43, 645 (1972) (points on a sphere from normal numbers, and faster ways).

    Examples:
        The hull of random axes and their opposites holds a smaller ball than that of as many icosahedral ones:

        >>> from qiskit_lhv.measurements import inradius
        >>> inradius(random_directions(61, seed=1)) < 0.9 < inradius(icosahedral_directions(61))
        True
    """
    count = whole_number(num_settings, "num_settings", MeasurementError, maximum=_MAX_DIRECTIONS)
    vectors = generator(seed).standard_normal((count, 3))
    return frozen(vectors / np.linalg.norm(vectors, axis=1, keepdims=True))


def icosahedral_sizes(limit: int) -> list[int]:
    """The numbers of axes, up to a limit, for which :func:`icosahedral_directions` has a set.

    They are ``5 b**2 + 1`` and ``15 b**2 + 1``, as the vertices of the geodesic polyhedra that inversion
    leaves unchanged.

    Args:
        limit: Largest number of axes.

    Returns:
        The sizes, in ascending order.

    Raises:
        MeasurementError: If the limit is not a whole number of at least 0.

    Examples:
        >>> icosahedral_sizes(70)
        [6, 16, 21, 46, 61]
    """
    limit = whole_number(limit, "limit", MeasurementError, minimum=0)
    return sorted(size for size in _geodesic_classes() if size <= limit)


def icosahedral_directions(num_settings: int, *, optimized: bool = True) -> FloatArray:
    """Evenly spread axes with the symmetry of the icosahedron.

    They are the vertices of a geodesic polyhedron, which an ascent then moves, within the symmetry, to a larger
    inradius. The same call always returns the same set.

    Args:
        num_settings: Number of axes, one of :func:`icosahedral_sizes`: 6, 16, 21, 46, 61, 81, ...
        optimized: Whether to optimize the inradius. If not, the axes go through the vertices of the subdivided faces,
            projected to the sphere.

    Returns:
        Bloch vectors, shape ``(num_settings, 3)``.

    Raises:
        MeasurementError: If there is no such set.

    References:
        D. L. D. Caspar and A. Klug, Cold Spring Harb. Symp. Quant. Biol. 27, 1 (1962) (these polyhedra); F. Hirsch, M.
        T. Quintino, T. Vertesi, M. Navascues, N. Brunner, Quantum 1, 3 (2017), arXiv:1609.06114 (why their inradius
        counts).

    Examples:
        >>> from qiskit_lhv.measurements import inradius
        >>> for size in (6, 16, 61):
        ...     print(size, round(inradius(icosahedral_directions(size)), 4))
        6 0.7947
        16 0.9226
        61 0.9793
        >>> round(inradius(icosahedral_directions(61, optimized=False)), 4)
        0.9781
    """
    count = whole_number(num_settings, "num_settings", MeasurementError, maximum=_MAX_DIRECTIONS)
    classes = _geodesic_classes()
    if count not in classes:
        sizes = sorted(classes)
        place = bisect(sizes, count)
        near = sizes[max(place - 1, 0) : place + 1]
        plural = "numbers are" if len(near) > 1 else "number is"
        raise MeasurementError.bad_argument(
            "num_settings",
            expected="5 b**2 + 1 or 15 b**2 + 1 for a whole number b",
            got=f"{num_settings}",
            remedy=f"The nearest such {plural} {' and '.join(map(str, near))}.",
        )
    # Axes through vertices, face centers and edge centers cannot be moved within the symmetry.
    return _icosahedral(classes[count], bool(optimized) and count > 16)


@cache
def _icosahedral(frequency: tuple[int, int], optimized: bool) -> FloatArray:
    directions, rotations = _geodesic(*frequency), icosahedral_rotations()
    if not optimized:
        return frozen(directions)
    known = _known_optima().get(str(len(directions)))
    if known is not None:
        return frozen(images_of_representatives(np.array(known), directions, rotations))
    return frozen(with_larger_inradius(directions, rotations))


@cache
def _known_optima() -> dict[str, list[list[float]]]:
    """One axis of each orbit of the sets that :func:`with_larger_inradius` finds, up to 1621 axes."""
    optima: dict[str, list[list[float]]] = json.loads(_OPTIMA.read_text(encoding="utf-8"))
    return optima


@cache
def icosahedral_rotations() -> FloatArray:
    """The 60 rotations of the icosahedron, shape ``(60, 3, 3)``, the identity first."""
    vertices = _icosahedron()
    source = vertices[[0, 1]]
    frame = np.stack([*source, np.cross(*source)], axis=1)
    adjacent = source[0] @ source[1]
    rotations = []
    for i in range(12):
        for j in range(12):
            if abs(vertices[i] @ vertices[j] - adjacent) < _COORDINATE_ATOL and i != j:
                image = np.stack([vertices[i], vertices[j], np.cross(vertices[i], vertices[j])], axis=1)
                rotations.append(image @ np.linalg.inv(frame))
    # The two source vertices are neighbors, so every image pair gives one rotation.
    return frozen(np.array(rotations))


def _icosahedron() -> FloatArray:
    signs = [(s, t) for s in (1, -1) for t in (_GOLDEN, -_GOLDEN)]
    vertices = np.array([np.roll([0, s, t], shift) for shift in range(3) for s, t in signs])
    return vertices / math.hypot(1, _GOLDEN)


def _icosahedron_faces() -> IntArray:
    vertices = _icosahedron()
    near = vertices @ vertices.T > 0.4
    np.fill_diagonal(near, False)
    faces = [
        (i, j, k) if np.linalg.det(vertices[[i, j, k]]) > 0 else (i, k, j)
        for i in range(12)
        for j in range(i + 1, 12)
        for k in range(j + 1, 12)
        if near[i, j] and near[j, k] and near[i, k]
    ]
    return np.array(faces)


def _axes(points: FloatArray) -> FloatArray:
    """One normalized vector of each axis through the points: the one whose last nonzero coordinate is positive."""
    unit = points / np.linalg.norm(points, axis=1, keepdims=True)
    kept: list[FloatArray] = []
    found = np.empty((0, 3))
    for vector in unit:
        if not len(found) or np.abs(found @ vector).max() < 1 - _COORDINATE_ATOL**1.5:
            last = np.flatnonzero(np.abs(vector) > _COORDINATE_ATOL)[-1]
            kept.append(vector if vector[last] > 0 else -vector)
            found = np.array(kept)
    return found


@cache
def _geodesic_classes() -> dict[int, tuple[int, int]]:
    classes: dict[int, tuple[int, int]] = {}
    for b in range(1, _MAX_FREQUENCY + 1):
        classes[5 * b * b + 1] = (b, 0)
        classes[15 * b * b + 1] = (b, b)
    return classes


def _geodesic(h: int, k: int) -> FloatArray:
    """Axes through the vertices of the geodesic polyhedron {3, 5+} of class (h, k)."""
    vertices = _icosahedron()
    # On a face with corners at 0, (h, k) and (-k, h + k) of the triangular lattice with basis 1, exp(i pi / 3).
    total = h * h + h * k + k * k
    weights = []
    for a in range(-k, h + 1):
        for b in range(h + 2 * k + 1):
            second = (a * (h + k) + b * k) / total
            third = (b * h - a * k) / total
            if min(second, third, 1 - second - third) >= -_COORDINATE_ATOL:
                weights.append((1 - second - third, second, third))
    corners = vertices[_icosahedron_faces()]
    points = np.einsum("wc,fci->wfi", np.array(weights), corners).reshape(-1, 3)
    return _axes(points)
