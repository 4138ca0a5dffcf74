"""Odd functions of the Bloch vector: the features of response functions for projective qubit measurements.

Swapping the outcomes of a measurement turns its Bloch vector n into -n, so a response function obeys
p(-n) = 1 - p(n). It does if it is ``sigmoid(features(n) @ lambda)`` with odd features.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np

from .._support.records import Record
from .._support.types import FloatArray
from .._support.validation import is_whole_number
from ..exceptions import ScenarioError
from ..measurements.qubit_sets import AllProjective, PlanarProjective, QubitMeasurementSet

__all__ = ["Features", "OddMonomials", "PlanarHarmonics", "SphericalHarmonics", "check_degree"]


def check_degree(degree: object, name: str = "degree") -> int:
    """Returns the degree if it is an odd whole number of at least 1.

    Args:
        degree: What the caller passed.
        name: Name of the argument, for the message.

    Raises:
        ScenarioError: If it is not an odd whole number of at least 1.
    """
    if not is_whole_number(degree) or degree < 1 or degree % 2 == 0:
        raise ScenarioError.bad_argument(
            name,
            expected="an odd whole number of at least 1",
            got=repr(degree),
            remedy="Even functions vanish: swapping the outcomes turns n into -n.",
        )
    return int(degree)


class Features(Record, ABC):
    """Base class of the sets of odd features."""

    @property
    @abstractmethod
    def size(self) -> int:
        """Number of features."""

    @property
    def domain(self) -> QubitMeasurementSet:
        """The measurements that the features tell apart."""
        return AllProjective()

    @abstractmethod
    def evaluate(self, directions: FloatArray) -> FloatArray:
        """Returns the features of unit vectors.

        Args:
            directions: Bloch vectors, shape ``(n, 3)``.

        Returns:
            Shape ``(n, size)``.
        """


@dataclass(frozen=True, eq=False)
class FeaturesOfDegree(Features):
    """Odd features up to a degree."""

    degree: int
    """Highest degree, odd."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "degree", check_degree(self.degree))


@dataclass(frozen=True, eq=False)
class SphericalHarmonics(FeaturesOfDegree):
    """Real spherical harmonics of odd degree l = 1, 3, ..., up to ``degree``, orthonormal on the sphere.

    For degree 1 the response function is that of Bell's model, ``sigmoid(n . lambda)`` up to a factor.

    Args:
        degree: Highest degree, odd.

    Raises:
        ScenarioError: If the degree is not odd and positive.

    References:
        J. S. Bell, Physics Physique Fizika 1, 195 (1964) (degree 1); arXiv:2407.04673 (polynomials of higher degree in
        response functions).

    Examples:
        Of degree 1 the harmonics are y, z and x, up to a factor:

        >>> harmonics = SphericalHarmonics(1)
        >>> harmonics.evaluate([[0, 0, 1], [1, 0, 0]]).round(4).tolist()
        [[0.0, 0.4886, 0.0], [0.0, 0.0, 0.4886]]
        >>> [SphericalHarmonics(degree).size for degree in (1, 3, 5)]
        [3, 10, 21]
    """

    @property
    def size(self) -> int:
        """Number of features, ``(degree + 1) (degree + 2) / 2``."""
        return (self.degree + 1) * (self.degree + 2) // 2

    def evaluate(self, directions: FloatArray) -> FloatArray:
        """Returns the harmonics, ordered by l, then by m from -l to l; shape ``(n, size)``.

        Args:
            directions: Bloch vectors, shape ``(n, 3)``.
        """
        x, y, z = np.asarray(directions, dtype=float).T
        # (x + i y)^m carries the azimuth and the factor sin(theta)^m, so poles need no care.
        power = np.ones_like(x, dtype=complex)
        columns: dict[tuple[int, int], FloatArray] = {}
        diagonal = math.sqrt(1 / (4 * math.pi))
        for m in range(self.degree + 1):
            if m:
                power = power * (x + 1j * y)
                diagonal *= math.sqrt((2 * m + 1) / (2 * m))
            legendre, previous = np.full_like(z, diagonal), np.zeros_like(z)
            for degree in range(m, self.degree + 1):
                if degree > m:
                    # Fully normalized three-term recurrence in the degree, stable upwards.
                    a = math.sqrt((4 * degree**2 - 1) / (degree**2 - m**2))
                    b = math.sqrt(((degree - 1) ** 2 - m**2) / (4 * (degree - 1) ** 2 - 1)) if degree > m + 1 else 0.0
                    legendre, previous = a * (z * legendre - b * previous), legendre
                if degree % 2:
                    scale = math.sqrt(2) if m else 1.0
                    columns[degree, m] = scale * legendre * power.real
                    if m:
                        columns[degree, -m] = scale * legendre * power.imag
        return np.stack([columns[key] for key in sorted(columns)], axis=1)


@dataclass(frozen=True, eq=False)
class PlanarHarmonics(FeaturesOfDegree):
    """Odd circular harmonics in a plane: ``cos(m phi), sin(m phi)`` for m = 1, 3, ..., up to ``degree``.

    Args:
        degree: Highest degree, odd.
        plane: Two orthonormal vectors that span the plane, shape ``(2, 3)``; default: the x and z axes.

    Raises:
        ScenarioError: If the degree is not odd and positive.
        MeasurementError: If the vectors are not orthonormal.

    References:
        arXiv:2407.04673 (models for measurements in a plane).

    Examples:
        >>> harmonics = PlanarHarmonics(3)
        >>> harmonics.size, harmonics.domain.name
        (4, 'xz')
        >>> harmonics.evaluate([[1, 0, 0], [0.5**0.5, 0, 0.5**0.5]]).round(4).tolist()
        [[1.0, 0.0, 1.0, 0.0], [0.7071, 0.7071, -0.7071, 0.7071]]
    """

    plane: FloatArray = None  # type: ignore[assignment]  # filled in below
    """Orthonormal vectors that span the plane, shape ``(2, 3)``."""

    def __post_init__(self) -> None:
        super().__post_init__()
        plane = [[1.0, 0.0, 0.0], [0.0, 0.0, 1.0]] if self.plane is None else self.plane
        object.__setattr__(self, "plane", PlanarProjective(plane).vectors)

    @property
    def size(self) -> int:
        """Number of features, ``degree + 1``."""
        return self.degree + 1

    @property
    def domain(self) -> QubitMeasurementSet:
        """The measurements in the plane."""
        return PlanarProjective(self.plane)

    def evaluate(self, directions: FloatArray) -> FloatArray:
        """Returns cosines and sines alternately; shape ``(n, size)``.

        Args:
            directions: Bloch vectors, shape ``(n, 3)``.
        """
        first, second = self.plane @ np.asarray(directions, dtype=float).T
        unit = first + 1j * second
        columns = []
        for m in range(1, self.degree + 1, 2):
            columns += [(unit**m).real, (unit**m).imag]
        return np.stack(columns, axis=1)


@dataclass(frozen=True, eq=False)
class OddMonomials(FeaturesOfDegree):
    """Monomials ``x**i y**j z**k`` with odd ``i + j + k`` up to ``degree``.

    Args:
        degree: Highest degree, odd.

    Raises:
        ScenarioError: If the degree is not odd and positive.

    References:
        arXiv:2407.04673 (response functions of monomials).

    Examples:
        >>> OddMonomials(3).size, OddMonomials(3).exponents[:5]
        (13, [(1, 0, 0), (0, 1, 0), (0, 0, 1), (3, 0, 0), (2, 1, 0)])
        >>> OddMonomials(1).evaluate([[0.6, 0, 0.8]]).tolist()
        [[0.6, 0.0, 0.8]]
    """

    @property
    def exponents(self) -> list[tuple[int, int, int]]:
        """Exponents of x, y and z of every monomial."""
        return [
            (i, j, total - i - j)
            for total in range(1, self.degree + 1, 2)
            for i in range(total, -1, -1)
            for j in range(total - i, -1, -1)
        ]

    @property
    def size(self) -> int:
        """Number of features."""
        return len(self.exponents)

    def evaluate(self, directions: FloatArray) -> FloatArray:
        """Returns the monomials, shape ``(n, size)``.

        Args:
            directions: Bloch vectors, shape ``(n, 3)``.
        """
        x, y, z = np.asarray(directions, dtype=float).T
        return np.stack([x**i * y**j * z**k for i, j, k in self.exponents], axis=1)
