"""Evenly spread directions: a lattice on half of the sphere, and rotations that turn it at random."""

from __future__ import annotations

import math

import numpy as np

from .._support.types import FloatArray

__all__ = ["fibonacci_half", "random_rotation"]

_GOLDEN_ANGLE = math.pi * (3 - math.sqrt(5))


def fibonacci_half(count: int) -> FloatArray:
    """A Fibonacci lattice on the upper half of the sphere, shape ``(count, 3)``: evenly spread lines.

    Args:
        count: Number of directions.
    """
    index = np.arange(count)
    height = (index + 0.5) / count
    radius, angle = np.sqrt(1 - height**2), index * _GOLDEN_ANGLE
    return np.stack([radius * np.cos(angle), radius * np.sin(angle), height], axis=1)


def random_rotation(rng: np.random.Generator) -> FloatArray:
    """A uniform rotation matrix, from a random unit quaternion.

    Args:
        rng: Source of randomness.
    """
    w, x, y, z = (q := rng.normal(size=4)) / np.linalg.norm(q)
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
            [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
            [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
        ]
    )
