"""Gradient ascent that enlarges the inradius of a polyhedron and keeps its symmetry."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from .._support.types import FloatArray, IntArray
from .polyhedra import hull_triangles, inradius

__all__ = ["images_of_representatives", "with_larger_inradius"]


def with_larger_inradius(directions: FloatArray, rotations: FloatArray) -> FloatArray:
    """Returns axes with a larger inradius, moved within the symmetry of some rotations.

    Args:
        directions: Bloch vectors, shape ``(m, 3)``, which the rotations map to each other up to signs.
        rotations: Shape ``(G, 3, 3)``.
    """
    import jax
    from scipy.optimize import minimize

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


def images_of_representatives(representatives: FloatArray, directions: FloatArray, rotations: FloatArray) -> FloatArray:
    """The axes that some generate within a symmetry: where the symmetry takes the directions, it takes these.

    Args:
        representatives: One axis in the place of the first direction of each orbit, shape ``(R, 3)``.
        directions: Bloch vectors with the symmetry, shape ``(m, 3)``.
        rotations: Shape ``(G, 3, 3)``.

    Returns:
        Bloch vectors, shape ``(m, 3)``.
    """
    _, owner, turn = _orbit_representatives(directions, rotations)
    return np.einsum("mij,mj->mi", turn, representatives[owner])


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
