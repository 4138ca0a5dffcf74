"""Sets of measurement directions, and how well they stand for all directions.

A set of axes spans a polyhedron: the convex hull of all Bloch vectors n_i and -n_i. Its inradius eta tells
how much of every direction is a mixture of them: every Bloch vector of length eta lies inside.
"""

from __future__ import annotations

import math
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .._validation import frozen, generator, is_whole_number, real_array
from ..exceptions import MeasurementError

__all__ = [
    "hull_triangles",
    "icosahedral_directions",
    "icosahedral_rotations",
    "icosahedral_sizes",
    "inradius",
    "planar_directions",
    "platonic_directions",
    "random_directions",
    "signed_images",
]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

_GOLDEN = (1 + math.sqrt(5)) / 2
_SAME = 1e-7
_SAME_AXIS = 1e-6
_MAX_FREQUENCY = 40
_PLATONIC = ("octahedron", "cube", "icosahedron", "dodecahedron")


def platonic_directions(name: str) -> FloatArray:
    """The axes through the vertices of a Platonic solid with inversion symmetry.

    Args:
        name: ``"octahedron"`` (3 axes), ``"cube"`` (4), ``"icosahedron"`` (6) or ``"dodecahedron"`` (10).

    Returns:
        Bloch vectors, shape ``(num_settings, 3)``, one of each pair n, -n.

    Raises:
        MeasurementError: If the name is none of these.

    Examples:
        >>> len(platonic_directions("dodecahedron"))
        10
    """
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
        raise MeasurementError.bad_argument("name", expected=f"one of {', '.join(_PLATONIC)}", got=repr(name))
    return frozen(_axes(vertices))


def planar_directions(num_settings: int, plane: tuple[int, int] = (0, 1)) -> FloatArray:
    """Equally spaced axes of one plane, the first along its first coordinate axis.

    Args:
        num_settings: Number of axes; neighbors are ``pi / num_settings`` apart.
        plane: The two coordinate axes that span the plane; default: x and y.

    Returns:
        Bloch vectors, shape ``(num_settings, 3)``.

    Raises:
        MeasurementError: If the number is below 1 or the plane is not two different axes.
    """
    count = _count(num_settings, 1)
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
        seed: Seed, or ``None``.

    Returns:
        Bloch vectors, shape ``(num_settings, 3)``.

    Raises:
        MeasurementError: If the number is below 1.
    """
    vectors = generator(seed).standard_normal((_count(num_settings, 1), 3))
    return frozen(vectors / np.linalg.norm(vectors, axis=1, keepdims=True))


def icosahedral_sizes(limit: int) -> list[int]:
    """The numbers of axes, up to a limit, for which :func:`icosahedral_directions` has a set.

    They are ``5 b**2 + 1`` and ``15 b**2 + 1``, as the vertices of the geodesic polyhedra that inversion
    leaves unchanged.

    Examples:
        >>> icosahedral_sizes(70)
        [6, 16, 21, 46, 61]
    """
    return sorted(size for size in _geodesic_classes() if size <= limit)


def icosahedral_directions(num_settings: int, *, optimized: bool = True) -> FloatArray:
    """Axes with the symmetry of the icosahedron, spread evenly.

    The vertices of a geodesic polyhedron, moved within that symmetry until the inradius is as large as
    an ascent finds. The same call gives the same set.

    Args:
        num_settings: Number of axes, one of :func:`icosahedral_sizes`: 6, 16, 21, 46, 61, 81, ...
        optimized: Whether to optimize the inradius; without, the vertices are those of the subdivided
            faces, projected to the sphere.

    Returns:
        Bloch vectors, shape ``(num_settings, 3)``.

    Raises:
        MeasurementError: If there is no such set.

    Examples:
        >>> directions = icosahedral_directions(16)
        >>> round(inradius(directions) ** 2, 4)
        0.8512
    """
    count = _count(num_settings, 1)
    classes = _geodesic_classes()
    if count not in classes:
        near = sorted(classes, key=lambda size: abs(size - count))[:2]
        raise MeasurementError.bad_argument(
            "num_settings",
            expected="5 b**2 + 1 or 15 b**2 + 1 for a whole number b",
            got=f"{num_settings}",
            remedy=f"The nearest such numbers are {near[0]} and {near[1]}.",
        )
    # The axes through vertices, face and edge centers have no freedom.
    return _icosahedral(classes[count], bool(optimized) and count > 16)


@cache
def _icosahedral(frequency: tuple[int, int], optimized: bool) -> FloatArray:
    directions = _geodesic(*frequency)
    return frozen(_optimized(directions) if optimized else directions)


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
            if abs(vertices[i] @ vertices[j] - adjacent) < _SAME and i != j:
                image = np.stack([vertices[i], vertices[j], np.cross(vertices[i], vertices[j])], axis=1)
                rotations.append(image @ np.linalg.inv(frame))
    # The two source vertices are neighbors, so every image pair gives one rotation.
    return frozen(np.array(rotations))


def hull_triangles(directions: ArrayLike) -> IntArray:
    """Triangles that cover the convex hull of the directions and their opposites.

    Args:
        directions: Bloch vectors, shape ``(m, 3)``.

    Returns:
        Shape ``(num_triangles, 3)``: numbers below m stand for n_i, the others, m + i, for -n_i; each
        triangle is listed counterclockwise as seen from outside.

    Raises:
        MeasurementError: If the directions lie in one plane.
    """
    from scipy.spatial import ConvexHull, QhullError

    array = _bloch_vectors(directions)
    points = np.concatenate([array, -array])
    try:
        hull = ConvexHull(points)
    except (QhullError, ValueError) as exc:
        raise MeasurementError.bad_argument(
            "directions", expected="directions that span all three dimensions", got=f"{len(array)} in a plane"
        ) from exc
    triangles = hull.simplices.astype(np.int64)
    inward = np.linalg.det(points[triangles]) < 0
    triangles[inward] = triangles[inward][:, [0, 2, 1]]
    return triangles


def inradius(directions: ArrayLike) -> float:
    """The radius of the largest ball around the origin in the hull of the directions and their opposites.

    Args:
        directions: Bloch vectors, shape ``(m, 3)``.

    Returns:
        The inradius eta, from 0 (directions of one plane) to 1.

    Raises:
        MeasurementError: If the directions are not an array of real vectors.
    """
    array = _bloch_vectors(directions)
    if np.linalg.matrix_rank(array, tol=_SAME) < 3:
        return 0.0
    return float(_facet_distances(np.concatenate([array, -array])[hull_triangles(array)]).min())


def _facet_distances(triangles: FloatArray) -> FloatArray:
    """Distances of the planes of triangles, shape ``(F, 3, 3)``, from the origin."""
    normal = np.cross(triangles[:, 1] - triangles[:, 0], triangles[:, 2] - triangles[:, 0])
    distances: FloatArray = np.einsum("fi,fi->f", normal, triangles[:, 0]) / np.linalg.norm(normal, axis=1)
    return distances


def _bloch_vectors(directions: ArrayLike) -> FloatArray:
    array = real_array(directions, "directions", MeasurementError, ndim=2)
    if array.shape[1] != 3 or not len(array):
        raise MeasurementError.bad_argument("directions", expected="shape (m, 3)", got=f"shape {array.shape}")
    return array


def _count(value: object, minimum: int) -> int:
    if not is_whole_number(value) or value < minimum:
        raise MeasurementError.bad_argument(
            "num_settings", expected=f"a whole number of at least {minimum}", got=repr(value)
        )
    return int(value)


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
        if not len(found) or np.abs(found @ vector).max() < 1 - _SAME**1.5:
            last = np.flatnonzero(np.abs(vector) > _SAME)[-1]
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
            if min(second, third, 1 - second - third) >= -_SAME:
                weights.append((1 - second - third, second, third))
    corners = vertices[_icosahedron_faces()]
    points = np.einsum("wc,fci->wfi", np.array(weights), corners).reshape(-1, 3)
    return _axes(points)


def signed_images(directions: FloatArray, maps: FloatArray) -> tuple[IntArray, IntArray, NDArray[np.bool_]]:
    """How orthogonal maps permute axes: numbers j and signs s with ``map @ n_i = s_i n_{j_i}``.

    Args:
        directions: Bloch vectors, shape ``(m, 3)``.
        maps: Orthogonal matrices, shape ``(G, 3, 3)``.

    Returns:
        Numbers and signs, shape ``(G, m)`` each, and for each map whether it takes axes to axes at all.
    """
    from scipy.spatial import cKDTree

    count = len(directions)
    distance, nearest = cKDTree(np.concatenate([directions, -directions])).query(directions @ maps.transpose(0, 2, 1))
    numbers, signs = nearest % count, np.where(nearest < count, 1, -1)
    bijective = np.all(np.sort(numbers, axis=1) == np.arange(count), axis=1)
    return numbers, signs, (distance.max(axis=1) < _SAME_AXIS) & bijective


def _optimized(directions: FloatArray) -> FloatArray:
    """Moves axes within the symmetry of the icosahedron so that the inradius grows."""
    import jax
    from scipy.optimize import minimize

    rotations = icosahedral_rotations()
    best, best_radius = directions, inradius(directions)
    current = directions
    with jax.enable_x64(True):
        for sharpness in (10.0, 30.0, 100.0, 300.0, 1000.0, 3000.0, 10000.0):
            free, owner, turn = _orbit_representatives(current, rotations)
            triangles = _representative_triangles(current, rotations)
            signs = np.where(triangles < len(current), 1.0, -1.0)[..., None]
            arguments = (triangles % len(current), signs, owner, turn, sharpness / (1 - best_radius))

            def evaluate(x: FloatArray, arguments: Any = arguments) -> tuple[float, FloatArray]:
                value, slope = _smallest_distance()(x, *arguments)
                return float(value), np.asarray(slope)

            result = minimize(evaluate, free.ravel(), jac=True, method="L-BFGS-B", options={"maxiter": 400})
            vectors = result.x.reshape(-1, 3)
            vectors = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
            current = np.einsum("mij,mj->mi", turn, vectors[owner])
            radius = inradius(current)
            if radius > best_radius:
                best, best_radius = current, radius
    return best


@cache
def _smallest_distance() -> Any:
    """Minus the smallest distance of triangles from the origin, smoothed, and its gradient."""
    import jax
    import jax.numpy as jnp

    def loss(x: Any, corners: Any, signs: Any, owner: Any, turn: Any, sharpness: Any) -> Any:
        vectors = x.reshape(-1, 3)
        vectors = vectors / jnp.linalg.norm(vectors, axis=1, keepdims=True)
        points = jnp.einsum("mij,mj->mi", turn, vectors[owner])[corners] * signs
        normal = jnp.cross(points[:, 1] - points[:, 0], points[:, 2] - points[:, 0])
        distances = jnp.sum(normal * points[:, 0], axis=1) / jnp.linalg.norm(normal, axis=1)
        return jax.nn.logsumexp(-sharpness * distances) / sharpness

    return jax.jit(jax.value_and_grad(loss))


def _orbit_representatives(directions: FloatArray, rotations: FloatArray) -> tuple[FloatArray, IntArray, FloatArray]:
    """Axes that generate all others, whose image each axis is, and the matrix that maps it there.

    Axes that rotations leave in place, or turn over, stay so: their matrix projects onto what is left to choose.
    """
    owner = np.full(len(directions), -1)
    turn = np.zeros((len(directions), 3, 3))
    free: list[FloatArray] = []
    for i, axis in enumerate(directions):
        if owner[i] >= 0:
            continue
        cosines = rotations @ axis @ axis
        fixing = np.abs(cosines) > 1 - 1e-9
        projection = (np.sign(cosines[fixing])[:, None, None] * rotations[fixing]).mean(axis=0)
        for rotation in rotations:
            overlaps = directions @ rotation @ axis
            j = int(np.abs(overlaps).argmax())
            if owner[j] < 0:
                owner[j] = len(free)
                turn[j] = np.sign(overlaps[j]) * rotation @ projection
        free.append(axis)
    return np.array(free), owner, turn


def _representative_triangles(directions: FloatArray, rotations: FloatArray) -> IntArray:
    """One triangle of the hull for each orbit under the rotations."""
    triangles = hull_triangles(directions)
    points = np.concatenate([directions, -directions])
    centers = points[triangles].mean(axis=1)
    # Every orbit has a member in the fundamental domain: the points whose overlap with a generic vector is largest.
    generic = np.array([0.1303, 0.3124, 0.9410])
    own = centers @ generic
    largest = (centers @ (rotations @ generic).T).max(axis=1)
    return triangles[own >= largest - 1e-9]
