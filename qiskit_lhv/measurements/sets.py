"""Sets of measurements: which measurements a party may choose.

The optimizer, proofs of locality, searches for settings and reports all use the same type. Another kind of set, of
qudits or of POVMs, is another subclass of :class:`MeasurementSet`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np

from .._support.records import Record
from .._support.types import FloatArray
from .._support.validation import real_array, shown
from ..exceptions import LHVError, MeasurementError
from .bloch_vectors import are_vectors, bloch_vector_of, bloch_vectors
from .lattices import fibonacci_half, random_rotation
from .specification import Measurement, measurement

__all__ = [
    "AllProjective",
    "ListedProjective",
    "MeasurementSet",
    "PlanarProjective",
    "QubitMeasurementSet",
    "projective_set",
]

_NAME_OF_ALL = "projective"
# Errors allowed: of unit vectors that are given, and of directions that lie in a plane or belong to a list.
_ORTHONORMAL_ATOL = 1e-8
_DIRECTION_ATOL = 1e-9


class MeasurementSet(Record, ABC):
    """Base of the sets of measurements from which a party may choose.

    Users name a set by a string or pass one as an object; :meth:`of` takes either.
    """

    @property
    @abstractmethod
    def name(self) -> str:
        """The string by which users name the set; empty if it has none."""

    @property
    @abstractmethod
    def dimension(self) -> int:
        """Dimension of the space of the party that measures."""

    @property
    @abstractmethod
    def size(self) -> int | None:
        """Number of measurements; ``None`` if there are infinitely many."""

    @abstractmethod
    def contains(self, spec: Any) -> bool:
        """Whether a measurement belongs to the set.

        Args:
            spec: Anything that ``measurement`` takes.

        Raises:
            MeasurementError: If ``spec`` is not a measurement.
        """

    @abstractmethod
    def covers(self, other: MeasurementSet) -> bool:
        """Whether every measurement of another set belongs to this one.

        Args:
            other: The other set.
        """

    @abstractmethod
    def draw(self, rng: np.random.Generator, count: int) -> FloatArray:
        """Members that are drawn independently and uniformly; for qubits their Bloch vectors, shape ``(count, 3)``.

        Args:
            rng: Source of randomness.
            count: Number of members.
        """

    @abstractmethod
    def spread(self, rng: np.random.Generator, count: int) -> FloatArray:
        """Members that are spread evenly, each of them uniform by itself.

        For qubits these are Bloch vectors, shape ``(at most count, 3)``. Since n and -n are the same measurement, no
        vector lies near another one or near the opposite of another one.

        Args:
            rng: Source of randomness.
            count: Number of members.
        """

    @staticmethod
    def of(measurements: Any) -> MeasurementSet:
        """Returns the set that a user names or passes.

        Args:
            measurements: ``"projective"``: all projective measurements of a qubit; ``"xy"``, ``"xz"`` or ``"yz"``:
                those whose Bloch vectors lie in that plane; two orthonormal vectors that span another plane,
                shape ``(2, 3)``; or a ``MeasurementSet``, which is returned as it is.

        Raises:
            MeasurementError: If ``measurements`` is not one of these.

        Examples:
            >>> from qiskit_lhv.measurements import MeasurementSet
            >>> print(MeasurementSet.of("xz"))
            all projective measurements in the plane xz
            >>> MeasurementSet.of("projective").covers(MeasurementSet.of("xz"))
            True
        """
        if isinstance(measurements, MeasurementSet):
            return measurements
        if isinstance(measurements, str):
            if measurements == _NAME_OF_ALL:
                return AllProjective()
            if len(measurements) == 2 and len({*measurements} & {*"xyz"}) == 2:
                return PlanarProjective(np.eye(3)[["xyz".index(axis) for axis in measurements]])
        elif are_vectors(measurements):
            return PlanarProjective(measurements)
        raise _unknown(measurements)

    @staticmethod
    def of_parties(measurements: Any, num_parties: int) -> list[MeasurementSet]:
        """Returns the set of each party.

        Args:
            measurements: Anything that :meth:`of` takes, which then holds for every party; or one list per party of
                projective measurements of a qubit (anything that ``measurement`` takes).
            num_parties: Number of parties.

        Raises:
            MeasurementError: If ``measurements`` is not one of these.
        """
        listed = isinstance(measurements, Sequence | np.ndarray) and not isinstance(measurements, str)
        if not listed or are_vectors(measurements):
            return [MeasurementSet.of(measurements)] * num_parties
        try:
            return [ListedProjective(party) for party in bloch_vectors(measurements, num_parties)]
        except LHVError as exc:
            raise _unknown(measurements) from exc


class QubitMeasurementSet(MeasurementSet):
    """Base of the sets of projective measurements of a qubit: sets of Bloch vectors."""

    @property
    def dimension(self) -> int:
        """Dimension of the space of the party that measures: 2."""
        return 2

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
        """Whether ``spec`` is a projective measurement of a qubit whose Bloch vector is in the set, up to 1e-9."""
        given = spec if isinstance(spec, Measurement) else measurement(spec)
        vector = bloch_vector_of(given)
        if vector is None:
            return False
        # Swapping the outcomes turns the vector over and leaves the measurement the same.
        return bool(self.distances(np.stack([vector, -vector])).min() <= _DIRECTION_ATOL)


@dataclass(frozen=True, eq=False)
class AllProjective(QubitMeasurementSet):
    """All projective measurements of a qubit, named ``"projective"``."""

    def __str__(self) -> str:
        return "all projective measurements"

    @property
    def name(self) -> str:
        """``"projective"``."""
        return _NAME_OF_ALL

    @property
    def size(self) -> int | None:
        """``None``: there are infinitely many."""
        return None

    @property
    def coordinates(self) -> FloatArray:
        """1 for every coordinate."""
        return np.ones(3)

    def distances(self, vectors: FloatArray) -> FloatArray:
        """Zeros, since every unit vector belongs to the set."""
        return np.zeros(len(vectors))

    def covers(self, other: MeasurementSet) -> bool:
        """Whether the other set consists of projective measurements of a qubit."""
        return isinstance(other, QubitMeasurementSet)

    def draw(self, rng: np.random.Generator, count: int) -> FloatArray:
        """Independent, uniform Bloch vectors, shape ``(count, 3)``."""
        vectors = rng.normal(size=(count, 3))
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)

    def spread(self, rng: np.random.Generator, count: int) -> FloatArray:
        """A Fibonacci lattice on half of the sphere, turned at random."""
        return fibonacci_half(count) @ random_rotation(rng).T


@dataclass(frozen=True, eq=False)
class PlanarProjective(QubitMeasurementSet):
    """All projective measurements of a qubit whose Bloch vectors lie in one plane, such as ``"xz"``.

    Args:
        vectors: Two orthonormal vectors that span the plane, shape ``(2, 3)``.

    Raises:
        MeasurementError: If they are not orthonormal.
    """

    vectors: FloatArray
    """Orthonormal vectors that span the plane, shape ``(2, 3)``."""

    def __post_init__(self) -> None:
        array = real_array(self.vectors, "plane", MeasurementError)
        if array.shape != (2, 3) or np.abs(array @ array.T - np.eye(2)).max() > _ORTHONORMAL_ATOL:
            raise MeasurementError.bad_argument(
                "plane", expected="two orthonormal vectors, shape (2, 3)", got=f"{array.tolist()}"
            )
        object.__setattr__(self, "vectors", array)

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
        """Distances from the plane."""
        if self.name:
            (across,) = {0, 1, 2} - {*self.axes}
            # Exact, whichever vectors span the plane.
            return np.abs(vectors[:, across])
        return np.abs(vectors @ self.normal)

    def covers(self, other: MeasurementSet) -> bool:
        """Whether all Bloch vectors of the other set lie in this plane."""
        if not isinstance(other, PlanarProjective | ListedProjective):
            return False
        return bool(self.distances(other.vectors).max() <= _DIRECTION_ATOL)

    def draw(self, rng: np.random.Generator, count: int) -> FloatArray:
        """Independent, uniform Bloch vectors, shape ``(count, 3)``."""
        return self._at(rng.uniform(0, 2 * np.pi, size=count))

    def spread(self, rng: np.random.Generator, count: int) -> FloatArray:
        """Equal angles on half of the circle, turned at random."""
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
    def coordinates(self) -> FloatArray:
        """1 for each coordinate in which some vector of the list differs from zero, else 0; shape ``(3,)``."""
        return np.any(self.vectors != 0, axis=0).astype(float)

    def distances(self, vectors: FloatArray) -> FloatArray:
        """Distances from the nearest vector of the list."""
        distances: FloatArray = np.linalg.norm(vectors[:, None] - self.vectors[None], axis=2).min(axis=1)
        return distances

    def covers(self, other: MeasurementSet) -> bool:
        """Whether the other set is a list whose measurements all belong to this one."""
        if not isinstance(other, ListedProjective):
            return False
        both = [self.distances(sign * other.vectors) for sign in (1, -1)]
        return bool(np.minimum(*both).max() <= _DIRECTION_ATOL)

    def draw(self, rng: np.random.Generator, count: int) -> FloatArray:
        """Independent members of the list, shape ``(count, 3)``."""
        return self.vectors[rng.integers(len(self.vectors), size=count)]

    def spread(self, rng: np.random.Generator, count: int) -> FloatArray:
        """Members of the list without repetition; all of them if there are at most ``count``."""
        if len(self.vectors) <= count:
            return self.vectors
        return self.vectors[rng.choice(len(self.vectors), count, replace=False)]


# The sets that proofs and searches for settings know, by the coordinates that their Bloch vectors use.
_BY_COORDINATES: dict[tuple[int, ...], QubitMeasurementSet] = {
    (0, 1, 2): AllProjective(),
    **{pair: PlanarProjective(np.eye(3)[list(pair)]) for pair in combinations(range(3), 2)},
}


def projective_set(measurements: Any) -> QubitMeasurementSet:
    """Returns the set that a user names, if it holds all projective measurements or those of a coordinate plane.

    Args:
        measurements: What ``MeasurementSet.of`` takes.

    Raises:
        MeasurementError: If it is another set, or not a set.
    """
    try:
        found = MeasurementSet.of(measurements)
    except LHVError:
        found = None
    if isinstance(found, AllProjective | PlanarProjective) and found.name:
        return _BY_COORDINATES[found.axes]
    names = ", ".join(repr(known.name) for known in _BY_COORDINATES.values() if known.name != _NAME_OF_ALL)
    raise MeasurementError.bad_argument(
        "measurements", expected=f"{_NAME_OF_ALL!r} or one of {names}", got=shown(measurements)
    )


def _unknown(measurements: Any) -> MeasurementError:
    return MeasurementError.bad_argument(
        "measurements",
        expected="'projective', a plane such as 'xz', two orthonormal vectors that span a plane, or one list of "
        "projective qubit measurements per party",
        got=shown(measurements),
    )
