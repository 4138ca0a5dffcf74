"""Sets of measurements: which measurements a party may choose.

The optimizer, proofs of locality, searches for settings and reports all use the same type. Another kind of set is
another subclass of :class:`MeasurementSet`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._support.records import Record
from .specification import Measurement

__all__ = ["MeasurementSet"]


class MeasurementSet(Record, ABC):
    """Base of the sets of measurements from which a party may choose.

    Users name a set by a string or pass one as an object; :func:`measurement_set` takes either.

    Examples:
        >>> from qiskit_lhv.measurements import measurement_set
        >>> projective, plane = measurement_set("projective"), measurement_set("xz")
        >>> projective.covers(plane), plane.covers(projective)
        (True, False)
        >>> plane.name, plane.dimension, plane.size, plane.is_projective
        ('xz', 2, None, True)
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

    @property
    @abstractmethod
    def is_projective(self) -> bool:
        """Whether all measurements of the set are projective."""

    @property
    def measurements(self) -> list[Measurement] | None:
        """The measurements, if there are finitely many; else ``None``."""
        return None

    @abstractmethod
    def contains(self, spec: Any) -> bool:
        """Whether a measurement belongs to the set.

        Args:
            spec: Anything that ``measurement`` takes.

        Raises:
            MeasurementError: If ``spec`` is not a measurement.
        """

    def covers(self, other: MeasurementSet) -> bool:
        """Whether every measurement of another set is known to belong to this one.

        Args:
            other: The other set.
        """
        listed = other.measurements
        return self._covers_all_of(other) if listed is None else all(map(self.contains, listed))

    def _covers_all_of(self, other: MeasurementSet) -> bool:
        """Whether every measurement of another set, which has infinitely many, is known to belong to this one."""
        return False

    @abstractmethod
    def draw(self, rng: np.random.Generator, count: int) -> NDArray[Any]:
        """Members that are drawn independently, from one distribution.

        Those of a ``QubitMeasurementSet`` are Bloch vectors, shape ``(count, 3)``; those of an ``EffectSet`` are
        effects, shape ``(count, num_outcomes, D, D)``.

        Args:
            rng: Source of randomness.
            count: Number of members.
        """

    @abstractmethod
    def spread(self, rng: np.random.Generator, count: int) -> NDArray[Any]:
        """Members that are spread evenly, each of them distributed by itself as those of :meth:`draw`.

        For qubits these are Bloch vectors, shape ``(at most count, 3)``: since n and -n are the same measurement, no
        vector lies near another one or near the opposite of another one.

        Args:
            rng: Source of randomness.
            count: Number of members.
        """
