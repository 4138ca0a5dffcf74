"""Polyhedra that sets of directions span, and how well they cover the sphere.

The polyhedron is the convex hull of all Bloch vectors n_i and -n_i. Every Bloch vector that is no longer than the
inradius eta lies inside, so it is a mixture of them.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .._support.types import FloatArray, IntArray
from .._support.validation import real_array
from ..exceptions import MeasurementError

__all__ = ["hull_triangles", "inradius", "signed_images"]


_RANK_TOLERANCE = 1e-7
_AXIS_ATOL = 1e-6


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
        The inradius eta, from 0 (all directions in one plane) to 1.

    Raises:
        MeasurementError: If the directions are not an array of real vectors.

    References:
        D. Cavalcanti, L. Guerini, R. Rabelo, P. Skrzypczyk, Phys. Rev. Lett. 117, 190401 (2016), arXiv:1512.00277; F.
        Hirsch et al., Phys. Rev. Lett. 117, 190402 (2016), arXiv:1512.00262 (from polyhedra of settings to all
        measurements).

    Examples:
        The ball inside an octahedron has radius 1 / sqrt(3); axes in one plane leave no room for any:

        >>> from qiskit_lhv.measurements import planar_directions
        >>> round(inradius([[1, 0, 0], [0, 1, 0], [0, 0, 1]]), 6)
        0.57735
        >>> inradius(planar_directions(8))
        0.0
    """
    array = _bloch_vectors(directions)
    if np.linalg.matrix_rank(array, tol=_RANK_TOLERANCE) < 3:
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
    return numbers, signs, (distance.max(axis=1) < _AXIS_ATOL) & bijective
