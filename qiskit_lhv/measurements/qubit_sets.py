"""Sets of projective measurements of a qubit, which are sets of Bloch vectors."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import Any

import numpy as np

from .._support.types import FloatArray
from .._support.validation import frozen, real_array
from ..exceptions import MeasurementError
from .bloch_vectors import bloch_vector_of
from .lattices import fibonacci_half, random_rotation
from .sets import MeasurementSet
from .specification import Measurement, measurement

__all__ = ["AllProjective", "ListedProjective", "PlanarProjective", "QubitMeasurementSet"]

# Errors allowed: of unit vectors that are given, and of directions that lie in a plane or belong to a list.
_ORTHONORMAL_ATOL = 1e-8
_DIRECTION_ATOL = 1e-9


class QubitMeasurementSet(MeasurementSet):
    """Base of the sets of projective measurements of a qubit: sets of Bloch vectors."""

    @property
    def dimension(self) -> int:
        """Dimension of the space of the party that measures: 2."""
        return 2

    @property
    def is_projective(self) -> bool:
        """True."""
        return True

    @abstractmethod
    def draw(self, rng: np.random.Generator, count: int) -> FloatArray:
        """Independent Bloch vectors, shape ``(count, 3)``.

        Args:
            rng: Source of randomness.
            count: Number of members.
        """

    @abstractmethod
    def spread(self, rng: np.random.Generator, count: int) -> FloatArray:
        """Evenly spread Bloch vectors, shape ``(at most count, 3)``.

        Args:
            rng: Source of randomness.
            count: Largest number of members.
        """

    @property
    @abstractmethod
    def coordinates(self) -> FloatArray:
        """1 for each coordinate in which some Bloch vector of the set differs from zero, else 0; shape ``(3,)``."""

    @property
    def axes(self) -> tuple[int, ...]:
        """Numbers of the coordinates in which some Bloch vector of the set differs from zero."""
        return tuple(np.flatnonzero(self.coordinates).tolist())

    @abstractmethod
    def distances(self, vectors: FloatArray) -> FloatArray:
        """Distance of each Bloch vector from the set, 0 if it belongs to the set; shape ``(m,)``.

        Args:
            vectors: Shape ``(m, 3)``.
        """

    def contains(self, spec: Any) -> bool:
        """Whether ``spec`` is a projective measurement of a qubit whose Bloch vector is in the set, up to 1e-9.

        Args:
            spec: Anything that ``measurement`` takes.
        """
        vector = bloch_vector_of(measurement(spec).without_missing_outcomes())
        if vector is None:
            return False
        # Swapping the outcomes turns the vector over and leaves the measurement the same.
        return bool(self.distances(np.stack([vector, -vector])).min() <= _DIRECTION_ATOL)


@dataclass(frozen=True, eq=False)
class AllProjective(QubitMeasurementSet):
    """All projective measurements of a qubit, named ``"projective"``.

    Those that always have the same outcome belong to it, too, but are not drawn.

    References:
        R. F. Werner, Phys. Rev. A 40, 4277 (1989) (local models for all projective measurements).

    Examples:
        A POVM with three outcomes, the trine, does not belong to the set; measurements in a plane do:

        >>> import numpy as np
        >>> from qiskit_lhv.measurements import AllProjective, measurement_set
        >>> angles = 2 * np.pi / 3 * np.arange(3)
        >>> vectors = np.stack([np.cos(angles / 2), np.sin(angles / 2)], axis=1)
        >>> trine = [2 / 3 * np.outer(vector, vector) for vector in vectors]
        >>> everything = AllProjective()
        >>> everything.contains("Z+X"), everything.contains(trine), everything.covers(measurement_set("xz"))
        (True, False, True)
        >>> everything.draw(np.random.default_rng(1), 1000).shape
        (1000, 3)
    """

    def __str__(self) -> str:
        return "all projective measurements"

    @property
    def name(self) -> str:
        """``"projective"``."""
        return "projective"

    @property
    def size(self) -> int | None:
        """``None``: there are infinitely many."""
        return None

    @property
    def coordinates(self) -> FloatArray:
        """1 for every coordinate."""
        return np.ones(3)

    def distances(self, vectors: FloatArray) -> FloatArray:
        """Zeros, since every unit vector belongs to the set.

        Args:
            vectors: Bloch vectors, shape ``(m, 3)``.
        """
        return np.zeros(len(vectors))

    def contains(self, spec: Any) -> bool:
        """Whether ``spec`` is a projective measurement of a qubit.

        Args:
            spec: Anything that ``measurement`` takes.
        """
        given = measurement(spec)
        return given.dimension == 2 and given.basis is not None

    def _covers_all_of(self, other: MeasurementSet) -> bool:
        return other.dimension == 2 and other.is_projective

    def draw(self, rng: np.random.Generator, count: int) -> FloatArray:
        """Independent, uniform Bloch vectors, shape ``(count, 3)``.

        Args:
            rng: Source of randomness.
            count: Number of members.
        """
        vectors = rng.normal(size=(count, 3))
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)

    def spread(self, rng: np.random.Generator, count: int) -> FloatArray:
        """A Fibonacci lattice on half of the sphere, turned at random.

        Args:
            rng: Source of randomness.
            count: Number of members.
        """
        return fibonacci_half(count) @ random_rotation(rng).T


@dataclass(frozen=True, eq=False)
class PlanarProjective(QubitMeasurementSet):
    """All projective measurements of a qubit whose Bloch vectors lie in one plane, such as ``"xz"``.

    Args:
        vectors: Two orthonormal vectors that span the plane, shape ``(2, 3)``.

    Raises:
        MeasurementError: If they are not orthonormal.

    References:
        A. Acin, N. Gisin, B. Toner, Phys. Rev. A 73, 062105 (2006), arXiv:quant-ph/0606138 (local models for
        measurements in a plane, and Grothendieck's constant of order two).

    Examples:
        >>> from qiskit_lhv.measurements import PlanarProjective
        >>> plane = PlanarProjective([[1, 0, 0], [0, 0, 1]])
        >>> print(plane)
        all projective measurements in the plane xz
        >>> plane.contains("Z+X"), plane.contains("Y")
        (True, False)
        >>> plane.distances(np.array([[0, 0.6, 0.8], [1, 0, 0]])).tolist()
        [0.6, 0.0]
    """

    vectors: FloatArray
    """Orthonormal vectors that span the plane, shape ``(2, 3)``; of a coordinate plane, its two axes."""

    def __post_init__(self) -> None:
        array = real_array(self.vectors, "plane", MeasurementError)
        if array.shape != (2, 3) or np.abs(array @ array.T - np.eye(2)).max() > _ORTHONORMAL_ATOL:
            raise MeasurementError.bad_argument(
                "plane", expected="two orthonormal vectors, shape (2, 3)", got=f"{array.tolist()}"
            )
        axes = np.flatnonzero(np.any(array != 0, axis=0))
        # Two vectors with two coordinates span a coordinate plane, however they are turned: one plane, one object.
        object.__setattr__(self, "vectors", frozen(np.eye(3)[axes]) if len(axes) == 2 else array)

    def __str__(self) -> str:
        plane = self.name or f"of {self.vectors[0].tolist()} and {self.vectors[1].tolist()}"
        return f"{AllProjective()} in the plane {plane}"

    @property
    def name(self) -> str:
        """``"xy"``, ``"xz"`` or ``"yz"``; empty for another plane."""
        return "".join("xyz"[axis] for axis in self.axes) if len(self.axes) == 2 else ""

    @property
    def size(self) -> int | None:
        """``None``: there are infinitely many."""
        return None

    @property
    def normal(self) -> FloatArray:
        """The unit vector perpendicular to the plane, shape ``(3,)``."""
        return np.cross(*self.vectors)

    @property
    def coordinates(self) -> FloatArray:
        """1 for each coordinate in which some vector of the plane differs from zero, else 0; shape ``(3,)``."""
        return np.any(self.vectors != 0, axis=0).astype(float)

    def distances(self, vectors: FloatArray) -> FloatArray:
        """Distances from the plane.

        Args:
            vectors: Bloch vectors, shape ``(m, 3)``.
        """
        if self.name:
            (across,) = {0, 1, 2} - {*self.axes}
            # Exact, whichever vectors span the plane.
            return np.abs(vectors[:, across])
        return np.abs(vectors @ self.normal)

    def _covers_all_of(self, other: MeasurementSet) -> bool:
        return isinstance(other, PlanarProjective) and bool(self.distances(other.vectors).max() <= _DIRECTION_ATOL)

    def draw(self, rng: np.random.Generator, count: int) -> FloatArray:
        """Independent, uniform Bloch vectors, shape ``(count, 3)``.

        Args:
            rng: Source of randomness.
            count: Number of members.
        """
        return self._at(rng.uniform(0, 2 * np.pi, size=count))

    def spread(self, rng: np.random.Generator, count: int) -> FloatArray:
        """Equal angles on half of the circle, turned at random.

        Args:
            rng: Source of randomness.
            count: Number of members.
        """
        return self._at(rng.uniform(0, 2 * np.pi) + np.pi * np.arange(count) / count)

    def _at(self, angles: FloatArray) -> FloatArray:
        return np.stack([np.cos(angles), np.sin(angles)], axis=1) @ self.vectors


@dataclass(frozen=True, eq=False)
class ListedProjective(QubitMeasurementSet):
    """Finitely many projective measurements of a qubit, all equally likely.

    Args:
        vectors: Bloch vectors, shape ``(m, 3)``.

    Raises:
        MeasurementError: If they are not unit vectors.

    Examples:
        >>> from qiskit_lhv.measurements import ListedProjective, platonic_directions
        >>> solid = ListedProjective(platonic_directions("octahedron"))
        >>> print(solid)
        3 chosen projective measurements
        >>> solid.contains("X"), solid.contains("-X"), solid.contains("Z+X")
        (True, True, False)
    """

    vectors: FloatArray
    """Bloch vectors, shape ``(m, 3)``."""

    def __post_init__(self) -> None:
        array = real_array(self.vectors, "vectors", MeasurementError, ndim=2)
        if array.shape[1] != 3 or not len(array) or np.abs(np.linalg.norm(array, axis=1) - 1).max() > _ORTHONORMAL_ATOL:
            raise MeasurementError.bad_argument(
                "vectors", expected="unit vectors, shape (m, 3)", got=f"{array.tolist()}"
            )
        object.__setattr__(self, "vectors", array)

    def __str__(self) -> str:
        return f"{len(self.vectors)} chosen projective measurements"

    @property
    def name(self) -> str:
        """Empty: a list has no name."""
        return ""

    @property
    def size(self) -> int | None:
        """Length of the list."""
        return len(self.vectors)

    @property
    def measurements(self) -> list[Measurement]:
        """The measurements."""
        return [measurement(vector) for vector in self.vectors]

    @property
    def coordinates(self) -> FloatArray:
        """1 for each coordinate in which some vector of the list differs from zero, else 0; shape ``(3,)``."""
        return np.any(self.vectors != 0, axis=0).astype(float)

    def distances(self, vectors: FloatArray) -> FloatArray:
        """Distances from the nearest vector of the list.

        Args:
            vectors: Bloch vectors, shape ``(m, 3)``.
        """
        distances: FloatArray = np.linalg.norm(vectors[:, None] - self.vectors[None], axis=2).min(axis=1)
        return distances

    def draw(self, rng: np.random.Generator, count: int) -> FloatArray:
        """Independent members of the list, shape ``(count, 3)``.

        Args:
            rng: Source of randomness.
            count: Number of members.
        """
        return self.vectors[rng.integers(len(self.vectors), size=count)]

    def spread(self, rng: np.random.Generator, count: int) -> FloatArray:
        """Members of the list without repetition; all of them if there are at most ``count``.

        Args:
            rng: Source of randomness.
            count: Largest number of members.
        """
        if len(self.vectors) <= count:
            return self.vectors
        return self.vectors[rng.choice(len(self.vectors), count, replace=False)]
