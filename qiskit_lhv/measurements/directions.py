"""Sets of Bloch vectors: which projective measurements a party may choose."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from .._support.records import Record
from .._support.types import FloatArray
from .._support.validation import real_array
from ..exceptions import LHVError, ScenarioError
from .specification import Measurement, parse_settings

__all__ = ["DirectionList", "Directions", "Plane", "Sphere", "bloch_vectors", "check_plane", "parse_directions"]


_AXES = {"x": [1.0, 0.0, 0.0], "y": [0.0, 1.0, 0.0], "z": [0.0, 0.0, 1.0]}
_GOLDEN_ANGLE = math.pi * (3 - math.sqrt(5))


class Directions(Record, ABC):
    """Base of the sets of Bloch vectors."""

    @abstractmethod
    def draw(self, rng: np.random.Generator, count: int) -> FloatArray:
        """Independent, uniform directions, shape ``(count, 3)``.

        Args:
            rng: Source of randomness.
            count: Number of directions.
        """

    @abstractmethod
    def spread(self, rng: np.random.Generator, count: int) -> FloatArray:
        """Evenly spread directions, each alone uniform, shape ``(at most count, 3)``.

        As n and -n are one measurement, they are even as lines: no two lie near each other or near
        each other's opposite.

        Args:
            rng: Source of randomness.
            count: Number of directions.
        """


@dataclass(frozen=True, eq=False)
class Sphere(Directions):
    """All directions: all projective measurements of a qubit."""

    def __str__(self) -> str:
        return "all directions"

    def draw(self, rng: np.random.Generator, count: int) -> FloatArray:
        """Independent, uniform directions, shape ``(count, 3)``."""
        vectors = rng.normal(size=(count, 3))
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)

    def spread(self, rng: np.random.Generator, count: int) -> FloatArray:
        """A Fibonacci lattice on half of the sphere, turned at random."""
        return _fibonacci_half(count) @ _random_rotation(rng).T


@dataclass(frozen=True, eq=False)
class Plane(Directions):
    """All directions in a plane.

    Args:
        vectors: Two orthonormal vectors that span the plane, shape ``(2, 3)``.

    Raises:
        ScenarioError: If they are not orthonormal.
    """

    vectors: FloatArray
    """Orthonormal vectors that span the plane, shape ``(2, 3)``."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "vectors", check_plane(self.vectors))

    def __str__(self) -> str:
        return f"all directions in the plane of {self.vectors[0].tolist()} and {self.vectors[1].tolist()}"

    def draw(self, rng: np.random.Generator, count: int) -> FloatArray:
        """Independent, uniform directions, shape ``(count, 3)``."""
        return self._at(rng.uniform(0, 2 * np.pi, size=count))

    def spread(self, rng: np.random.Generator, count: int) -> FloatArray:
        """Equal angles on half of the circle, turned at random."""
        return self._at(rng.uniform(0, 2 * np.pi) + np.pi * np.arange(count) / count)

    def _at(self, angles: FloatArray) -> FloatArray:
        return np.stack([np.cos(angles), np.sin(angles)], axis=1) @ self.vectors


@dataclass(frozen=True, eq=False)
class DirectionList(Directions):
    """Finitely many directions, all equally likely.

    Args:
        vectors: Bloch vectors, shape ``(m, 3)``.

    Raises:
        ScenarioError: If they are no unit vectors.
    """

    vectors: FloatArray
    """Bloch vectors, shape ``(m, 3)``."""

    def __post_init__(self) -> None:
        array = real_array(self.vectors, "vectors", ScenarioError, ndim=2)
        if array.shape[1] != 3 or not len(array) or np.abs(np.linalg.norm(array, axis=1) - 1).max() > 1e-8:
            raise ScenarioError.bad_argument("vectors", expected="unit vectors, shape (m, 3)", got=f"{array.tolist()}")
        object.__setattr__(self, "vectors", array)

    def __str__(self) -> str:
        return f"{len(self.vectors)} chosen directions"

    def draw(self, rng: np.random.Generator, count: int) -> FloatArray:
        """Independent directions of the list, shape ``(count, 3)``."""
        return self.vectors[rng.integers(len(self.vectors), size=count)]

    def spread(self, rng: np.random.Generator, count: int) -> FloatArray:
        """Directions of the list without repetition; all of them if there are at most ``count``."""
        if len(self.vectors) <= count:
            return self.vectors
        return self.vectors[rng.choice(len(self.vectors), count, replace=False)]


def parse_directions(measurements: Any, num_parties: int) -> list[Directions]:
    """The directions that each party may choose.

    Args:
        measurements: ``"projective"``: all; ``"xy"``, ``"xz"`` or ``"yz"``: all in a plane; two orthonormal vectors
            that span a plane, shape ``(2, 3)``; or one list of single-qubit projective measurements per
            party (anything that ``measurement`` takes).
        num_parties: Number of parties.

    Raises:
        ScenarioError: If it is none of these.
    """
    if isinstance(measurements, Directions):
        return [measurements] * num_parties
    if isinstance(measurements, str):
        if measurements == "projective":
            return [Sphere()] * num_parties
        if len(measurements) == 2 and len(set(measurements) & set(_AXES)) == 2:
            return [Plane(np.array([_AXES[axis] for axis in measurements]))] * num_parties
    elif isinstance(measurements, Sequence | np.ndarray):
        if _depth(measurements) <= 2 and not _has_labels(measurements):
            return [Plane(measurements)] * num_parties  # type: ignore[arg-type]
        try:
            return [DirectionList(party) for party in bloch_vectors(measurements, num_parties)]
        except LHVError as exc:
            raise _unknown_measurements(measurements) from exc
    raise _unknown_measurements(measurements)


def _unknown_measurements(measurements: Any) -> ScenarioError:
    return ScenarioError.bad_argument(
        "measurements",
        expected="'projective', a plane such as 'xz', two orthonormal vectors that span a plane, or one list of "
        "projective qubit measurements per party",
        got=repr(measurements),
    )


def _depth(value: Any) -> int:
    """How deeply numbers are nested."""
    if isinstance(value, np.ndarray):
        return value.ndim
    if isinstance(value, list | tuple):
        return 1 + max((_depth(item) for item in value), default=0)
    return 0


def _has_labels(value: Any) -> bool:
    """Whether there is anything but numbers in it, such as labels or operators."""
    if isinstance(value, list | tuple):
        return any(_has_labels(item) for item in value)
    if isinstance(value, np.ndarray):
        return value.dtype.kind not in "iuf"
    return not isinstance(value, int | float | np.number)


def bloch_vectors(settings: Any, num_parties: int) -> list[FloatArray]:
    """Bloch vectors of outcome 0 of each party's settings, each of shape ``(m, 3)``.

    Args:
        settings: One sequence of projective single-qubit measurements per party, or a name such as ``"chsh"``.
        num_parties: Number of parties.

    Raises:
        ScenarioError: If there are none, or one is not projective.
        MeasurementError: If one is no measurement.
    """
    if settings is None:
        raise ScenarioError.bad_argument(
            "settings", expected="one sequence of measurements per party", got="None", remedy="Choose them."
        )
    parsed = parse_settings(settings, [2] * num_parties)
    return [np.stack([_bloch_vector(k, setting) for setting in party]) for k, party in enumerate(parsed)]


def _bloch_vector(party: int, setting: Measurement) -> FloatArray:
    if setting.bloch_vectors is None or setting.outcome_of is None or setting.num_outcomes != 2:
        raise ScenarioError.bad_argument(
            f"settings[{party}]", expected="projective measurements of one qubit, with two outcomes", got=repr(setting)
        )
    return setting.bloch_vectors[0] * (1 - 2 * setting.outcome_of[0])


def check_plane(plane: ArrayLike) -> FloatArray:
    """Returns two orthonormal vectors, shape ``(2, 3)``.

    Raises:
        ScenarioError: If they are not.
    """
    array = real_array(plane, "plane", ScenarioError)
    if array.shape != (2, 3) or np.abs(array @ array.T - np.eye(2)).max() > 1e-8:
        raise ScenarioError.bad_argument(
            "plane", expected="two orthonormal vectors, shape (2, 3)", got=f"{array.tolist()}"
        )
    return array


def _fibonacci_half(count: int) -> FloatArray:
    index = np.arange(count)
    height = (index + 0.5) / count
    radius, angle = np.sqrt(1 - height**2), index * _GOLDEN_ANGLE
    return np.stack([radius * np.cos(angle), radius * np.sin(angle), height], axis=1)


def _random_rotation(rng: np.random.Generator) -> FloatArray:
    """A uniform rotation matrix, from a random unit quaternion."""
    w, x, y, z = (q := rng.normal(size=4)) / np.linalg.norm(q)
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
            [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
            [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
        ]
    )
