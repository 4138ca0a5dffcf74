"""Sets of measurements: which measurements a party may choose.

One type says that to the optimizer, to proofs of locality, to searches for settings and to reports. A further kind of
set, of qudits or of POVMs, is a further subclass of :class:`MeasurementSet`.
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

_EVERYTHING = "projective"
# Unit vectors that are given, and directions that count as lying in a plane or as being one of a list.
_ORTHONORMAL = 1e-8
_SAME_DIRECTION = 1e-9


class MeasurementSet(Record, ABC):
    """Base of the sets of measurements from which a party may choose.

    Users name a set by a string or give one as an object; :meth:`of` takes either.
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
            MeasurementError: If it is no measurement.
        """

    @abstractmethod
    def covers(self, other: MeasurementSet) -> bool:
        """Whether every measurement of another set belongs to this one.

        Args:
            other: The other set.
        """

    @abstractmethod
    def draw(self, rng: np.random.Generator, count: int) -> FloatArray:
        """Independent, uniform members; for qubits their Bloch vectors, shape ``(count, 3)``.

        Args:
            rng: Source of randomness.
            count: Number of members.
        """

    @abstractmethod
    def spread(self, rng: np.random.Generator, count: int) -> FloatArray:
        """Evenly spread members, each alone uniform; for qubits their Bloch vectors, shape ``(at most count, 3)``.

        For qubits they are even as lines, since n and -n are one measurement: no two lie near each other or near
        each other's opposite.

        Args:
            rng: Source of randomness.
            count: Number of members.
        """

    @staticmethod
    def of(measurements: Any) -> MeasurementSet:
        """The set that a user names or gives.

        Args:
            measurements: ``"projective"``: all projective measurements of a qubit; ``"xy"``, ``"xz"`` or ``"yz"``:
                those whose Bloch vectors lie in that plane; two orthonormal vectors that span another plane,
                shape ``(2, 3)``; or a ``MeasurementSet``, which is returned as it is.

        Raises:
            MeasurementError: If it is none of these.

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
            if measurements == _EVERYTHING:
                return AllProjective()
            if len(measurements) == 2 and len({*measurements} & {*"xyz"}) == 2:
                return PlanarProjective(np.eye(3)[["xyz".index(axis) for axis in measurements]])
        elif are_vectors(measurements):
            return PlanarProjective(measurements)
        raise _unknown(measurements)

    @staticmethod
    def of_parties(measurements: Any, num_parties: int) -> list[MeasurementSet]:
        """The sets of all parties.

        Args:
            measurements: What :meth:`of` takes, then for every party; or one list of projective measurements of a
                qubit per party (anything that ``measurement`` takes).
            num_parties: Number of parties.

        Raises:
            MeasurementError: If it is none of these.
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
        """Numbers of those coordinates."""
        return tuple(np.flatnonzero(self.coordinates).tolist())

    @abstractmethod
    def distances(self, vectors: FloatArray) -> FloatArray:
        """How far Bloch vectors are from the set, 0 for those that belong to it; shape ``(m,)``.

        Args:
            vectors: Shape ``(m, 3)``.
        """

    def contains(self, spec: Any) -> bool:
        """Whether it is a projective measurement of a qubit whose Bloch vector is in the set, up to 1e-9."""
        given = spec if isinstance(spec, Measurement) else measurement(spec)
        vector = bloch_vector_of(given)
        if vector is None:
            return False
        # Swapping the outcomes turns the vector over and leaves the measurement the same.
        return bool(self.distances(np.stack([vector, -vector])).min() <= _SAME_DIRECTION)


@dataclass(frozen=True, eq=False)
class AllProjective(QubitMeasurementSet):
    """All projective measurements of a qubit, ``"projective"``."""

    def __str__(self) -> str:
        return "all projective measurements"

    @property
    def name(self) -> str:
        """``"projective"``."""
        return _EVERYTHING

    @property
    def size(self) -> int | None:
        """``None``: there are infinitely many."""
        return None

    @property
    def coordinates(self) -> FloatArray:
        """1 for every coordinate."""
        return np.ones(3)

    def distances(self, vectors: FloatArray) -> FloatArray:
        """Zeros: every unit vector belongs to it."""
        return np.zeros(len(vectors))

    def covers(self, other: MeasurementSet) -> bool:
        """Whether the other is a set of projective measurements of a qubit."""
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
        if array.shape != (2, 3) or np.abs(array @ array.T - np.eye(2)).max() > _ORTHONORMAL:
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
        """The unit vector across the plane, shape ``(3,)``."""
        return np.cross(*self.vectors)

    @property
    def coordinates(self) -> FloatArray:
        """1 for the coordinates of a coordinate plane; every coordinate of another plane."""
        return np.any(self.vectors != 0, axis=0).astype(float)

    def distances(self, vectors: FloatArray) -> FloatArray:
        """Distances from the plane."""
        if self.name:
            (across,) = {0, 1, 2} - {*self.axes}
            # Exact, whichever vectors span the plane.
            return np.abs(vectors[:, across])
        return np.abs(vectors @ self.normal)

    def covers(self, other: MeasurementSet) -> bool:
        """Whether the other's Bloch vectors all lie in this plane; sets of infinitely many are told by their planes."""
        if not isinstance(other, PlanarProjective | ListedProjective):
            return False
        return bool(self.distances(other.vectors).max() <= _SAME_DIRECTION)

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
        MeasurementError: If they are no unit vectors.
    """

    vectors: FloatArray
    """Bloch vectors, shape ``(m, 3)``."""

    def __post_init__(self) -> None:
        array = real_array(self.vectors, "vectors", MeasurementError, ndim=2)
        if array.shape[1] != 3 or not len(array) or np.abs(np.linalg.norm(array, axis=1) - 1).max() > _ORTHONORMAL:
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
        """1 for each coordinate in which one of the list differs from zero."""
        return np.any(self.vectors != 0, axis=0).astype(float)

    def distances(self, vectors: FloatArray) -> FloatArray:
        """Distances from the nearest one of the list."""
        distances: FloatArray = np.linalg.norm(vectors[:, None] - self.vectors[None], axis=2).min(axis=1)
        return distances

    def covers(self, other: MeasurementSet) -> bool:
        """Whether the other is a list all of whose measurements are in this one."""
        if not isinstance(other, ListedProjective):
            return False
        both = [self.distances(sign * other.vectors) for sign in (1, -1)]
        return bool(np.minimum(*both).max() <= _SAME_DIRECTION)

    def draw(self, rng: np.random.Generator, count: int) -> FloatArray:
        """Independent members of the list, shape ``(count, 3)``."""
        return self.vectors[rng.integers(len(self.vectors), size=count)]

    def spread(self, rng: np.random.Generator, count: int) -> FloatArray:
        """Members of the list without repetition; all of them if there are at most ``count``."""
        if len(self.vectors) <= count:
            return self.vectors
        return self.vectors[rng.choice(len(self.vectors), count, replace=False)]


# The sets that proofs and searches for settings know: those that allow some coordinates, in one order of the axes.
_BY_COORDINATES: dict[tuple[int, ...], QubitMeasurementSet] = {
    (0, 1, 2): AllProjective(),
    **{pair: PlanarProjective(np.eye(3)[list(pair)]) for pair in combinations(range(3), 2)},
}


def projective_set(measurements: Any) -> QubitMeasurementSet:
    """The set that a user names, if it is that of all projective measurements or of a coordinate plane.

    Args:
        measurements: What ``MeasurementSet.of`` takes.

    Raises:
        MeasurementError: If it is another set, or none.
    """
    try:
        found = MeasurementSet.of(measurements)
    except LHVError:
        found = None
    if isinstance(found, AllProjective | PlanarProjective) and found.name:
        return _BY_COORDINATES[found.axes]
    names = ", ".join(repr(one.name) for one in _BY_COORDINATES.values() if one.name != _EVERYTHING)
    raise MeasurementError.bad_argument(
        "measurements", expected=f"{_EVERYTHING!r} or one of {names}", got=shown(measurements)
    )


def _unknown(measurements: Any) -> MeasurementError:
    return MeasurementError.bad_argument(
        "measurements",
        expected="'projective', a plane such as 'xz', two orthonormal vectors that span a plane, or one list of "
        "projective qubit measurements per party",
        got=shown(measurements),
    )
