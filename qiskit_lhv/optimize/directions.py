"""Directions of measurements: where continuous settings are sampled."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..exceptions import ScenarioError
from ..models.features import check_plane

__all__ = ["DirectionSampler", "grid_size"]

FloatArray = NDArray[np.float64]

_AXES = {"x": [1.0, 0.0, 0.0], "y": [0.0, 1.0, 0.0], "z": [0.0, 0.0, 1.0]}


class DirectionSampler:
    """Draws Bloch vectors, uniformly from the sphere or from a great circle.

    Args:
        measurements: ``"projective"``: the whole sphere; ``"xy"``, ``"xz"`` or ``"yz"``: a plane; or two
            orthonormal vectors that span a plane, shape ``(2, 3)``.

    Raises:
        ScenarioError: If it is none of these.
    """

    def __init__(self, measurements: str | Sequence[Any]) -> None:
        self.plane: FloatArray | None = None
        if isinstance(measurements, str):
            if measurements == "projective":
                return
            if len(measurements) != 2 or len(set(measurements) & set(_AXES)) != 2:
                raise ScenarioError.bad_argument(
                    "measurements",
                    expected="'projective', a plane such as 'xz', or two orthonormal vectors",
                    got=repr(measurements),
                )
            measurements = [_AXES[axis] for axis in measurements]
        self.plane = check_plane(measurements)

    def draw(self, rng: np.random.Generator, shape: tuple[int, ...]) -> FloatArray:
        """Independent uniform directions.

        Args:
            rng: Source of randomness.
            shape: Shape of the result without its last axis.

        Returns:
            Shape ``(*shape, 3)``.
        """
        if self.plane is None:
            vectors = rng.normal(size=(*shape, 3))
            return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)
        angle = rng.uniform(0, 2 * np.pi, size=shape)
        return np.stack([np.cos(angle), np.sin(angle)], axis=-1) @ self.plane


def grid_size(budget: int, num_parties: int) -> int:
    """Directions a party whose product grid has about ``budget`` setting combinations, at least 2."""
    return max(2, math.floor(budget ** (1 / num_parties) + 1e-9))
