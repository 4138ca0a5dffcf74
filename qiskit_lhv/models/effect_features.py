"""Polynomials of the effects of a measurement: the features of response functions for PVMs and POVMs.

An effect E has the weight t = Tr E and the generalized Bloch vector x of E / t. Response functions depend on each
outcome's weight and on polynomials of its Bloch vector.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from .._support.memory import require_memory
from .._support.records import Record
from .._support.types import ComplexArray, FloatArray
from .._support.validation import frozen, generator, instance, truth_value, whole_number
from ..exceptions import MeasurementError, ScenarioError
from ..measurements.effect_sets import EffectSet
from ..measurements.qubit_sets import QubitMeasurementSet
from ..measurements.sets import MeasurementSet
from ..targets.operator_basis import coordinates_of_effects, hermitian_basis

__all__ = ["EffectFeatures", "effects_of_members", "num_polynomials", "weights_and_bloch_vectors"]

# Effects of at most this trace count as outcomes that a measurement does not have.
_NO_EFFECT = 1e-12
# Polynomials whose mean square is at most this part of the largest one vanish, but for rounding.
_VANISHING = 1e-9
# Measurements on which polynomials are orthonormalized, at least, and per polynomial.
_FEWEST_SAMPLES, _SAMPLES_PER_POLYNOMIAL = 600, 2
# A Bloch vector that is shorter by more than this belongs to an effect of higher rank.
_RANK_ONE = 1e-6


def effects_of_members(measurements: MeasurementSet, members: np.ndarray) -> ComplexArray:
    """Effects of members of a set as its ``draw`` gives them, shape ``(count, num_outcomes, D, D)``.

    Args:
        measurements: The set.
        members: Its members: effects, or Bloch vectors of shape ``(count, 3)``.
    """
    if not isinstance(measurements, QubitMeasurementSet):
        return np.asarray(members)
    identity, *paulis = hermitian_basis(2)
    spin = np.tensordot(members, np.stack(paulis), axes=(1, 0))
    return np.asarray(np.stack([identity + spin, identity - spin], axis=1) / 2, dtype=complex)


def weights_and_bloch_vectors(coordinates: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Weights ``Tr E`` and generalized Bloch vectors of effects, of length 1 for those of rank one.

    Args:
        coordinates: Coordinates of effects in the basis of the identity and the generalized Gell-Mann matrices, shape
            ``(..., D**2)``.

    Returns:
        Shapes ``(...)`` and ``(..., D**2 - 1)``; both are zero for effects that are zero.
    """
    dimension = math.isqrt(coordinates.shape[-1])
    weights = dimension * coordinates[..., 0]
    present = weights > _NO_EFFECT
    weights = np.where(present, weights, 0.0)
    length = np.sqrt((1 - 1 / dimension) / 2)
    vectors = coordinates[..., 1:] / np.where(present, weights, 1.0)[..., None] / length
    return weights, np.where(present[..., None], vectors, 0.0)


def num_polynomials(dimension: int, degree: int) -> int:
    """Returns the number of independent polynomials of pure states, of degree 1 to ``degree``.

    Args:
        dimension: Dimension D of the space.
        degree: Highest degree.
    """
    return math.comb(dimension + degree - 1, degree) ** 2 - 1


@dataclass(frozen=True, eq=False)
class EffectFeatures(Record):
    """Polynomials of the generalized Bloch vectors of a measurement's effects, orthonormal over a set of measurements.

    Each outcome has its own values: the polynomials of its Bloch vector, of degree 1 to ``degree``, less their mean
    over the outcomes (weighted by their traces), which no softmax over outcomes would see. What vanishes then, such as
    all polynomials of even degree for projective measurements of a qubit, is left out.

    With ``context``, the polynomials also contain the power sums ``sum_c Tr(E_c) x_c^b`` over all outcomes c, in all
    products whose degrees add up to at most ``degree``. They then span all functions that are covariant under exchanges
    of outcomes, as sums over all permutations do.

    Args:
        measurements: The set of measurements.
        degree: Highest degree.
        context: Whether to add products with power sums.
        coefficients: Kept when a model is saved; ``None``: computed.

    Raises:
        ScenarioError: If an argument is out of range.
        MeasurementError: If the polynomials need more memory than this machine has.

    References:
        arXiv:2407.04673 (polynomials that are symmetrized by a sum over permutations).

    Examples:
        >>> from qiskit_lhv.measurements import PVMs
        >>> from qiskit_lhv.models import EffectFeatures
        >>> EffectFeatures(PVMs(3), degree=2).ranks
        (8, 27)
    """

    measurements: MeasurementSet
    """The set of measurements over which they are orthonormal."""
    degree: int
    """Highest degree."""
    context: bool = False
    """Whether products with power sums over all outcomes belong to them."""
    coefficients: tuple[FloatArray, ...] = None  # type: ignore[assignment]  # filled in below
    """For each degree, the polynomials of that degree as combinations of all lower ones and of the products of those of
    one degree less with the Bloch vector; last, the features as combinations of all polynomials."""

    def __post_init__(self) -> None:
        instance(self.measurements, MeasurementSet, "measurements", ScenarioError)
        object.__setattr__(self, "degree", whole_number(self.degree, "degree", ScenarioError))
        truth_value(self.context, "context", ScenarioError)
        given = self._orthonormalized() if self.coefficients is None else self.coefficients
        arrays = tuple(frozen(np.asarray(array, dtype=float)) for array in given)
        sizes = [1]
        for matrix in arrays[:-1]:
            products = sizes[-1] * (self.dimension**2 - 1) * (2 if self.context else 1)
            if matrix.ndim != 2 or len(matrix) != sum(sizes) + products:
                raise self._misfit(arrays)
            sizes.append(matrix.shape[1])
        if len(sizes) != self.degree + 1 or arrays[-1].ndim != 2 or len(arrays[-1]) != sum(sizes[1:]):
            raise self._misfit(arrays)
        if not arrays[-1].shape[1]:
            raise MeasurementError.bad_argument(
                "measurements",
                expected="measurements with outcomes that depend on the state",
                got=str(self.measurements),
                remedy="Where no outcome tells anything, nothing has to be explained: leave out that party.",
            )
        object.__setattr__(self, "coefficients", arrays)

    def _misfit(self, arrays: tuple[FloatArray, ...]) -> ScenarioError:
        return ScenarioError.bad_argument(
            "coefficients",
            expected="None, or those of a saved model",
            got=f"shapes {[array.shape for array in arrays]}",
        )

    def __str__(self) -> str:
        kind = " with power sums" if self.context else ""
        return f"{self.size} polynomials up to degree {self.degree}{kind} of {self.measurements}"

    @property
    def dimension(self) -> int:
        """Dimension D of the space of the party that measures."""
        return self.measurements.dimension

    @property
    def size(self) -> int:
        """Number of features."""
        return int(self.coefficients[-1].shape[1])

    @cached_property
    def degrees(self) -> FloatArray:
        """Degree of each feature, shape ``(size,)``."""
        filled = self.coefficients[-1] != 0
        sizes = [matrix.shape[1] for matrix in self.coefficients[:-1]]
        degree_of_rows = np.repeat(np.arange(1.0, self.degree + 1), sizes)[:, None]
        return np.asarray(np.where(filled, degree_of_rows, 0.0).max(axis=0, initial=0.0))

    @property
    def ranks(self) -> tuple[int, ...]:
        """Number of features of each degree from 1 on."""
        return tuple(int(np.sum(self.degrees == degree)) for degree in range(1, self.degree + 1))

    @cached_property
    def rank_one(self) -> bool:
        """Whether the set consists of measurements whose effects have rank one, as far as a draw tells."""
        members = self.measurements.spread(generator(0), 12)
        coordinates = coordinates_of_effects(effects_of_members(self.measurements, members))
        weights, vectors = weights_and_bloch_vectors(coordinates)
        return bool(np.linalg.norm(vectors, axis=-1)[weights > 0].min() > 1 - _RANK_ONE)

    def evaluate(self, effects: ComplexArray) -> FloatArray:
        """Returns the features of each outcome.

        Args:
            effects: Effects of measurements, shape ``(..., num_outcomes, D, D)``.

        Returns:
            Shape ``(..., num_outcomes, size)``.
        """
        return self.of_coordinates(coordinates_of_effects(np.asarray(effects)))

    def of_coordinates(self, coordinates: FloatArray) -> FloatArray:
        """Returns the features of effects by their coordinates, shape ``(..., num_outcomes, size)``.

        Args:
            coordinates: Shape ``(..., num_outcomes, D**2)``; see ``weights_and_bloch_vectors``.
        """
        weights, vectors = weights_and_bloch_vectors(coordinates)
        shares = weights / self.dimension
        polynomials = np.ones((*weights.shape, 1))
        last = polynomials
        for matrix in self.coefficients[:-1]:
            last = np.concatenate([polynomials, self._products(last, vectors, shares)], axis=-1) @ matrix
            polynomials = np.concatenate([polynomials, last], axis=-1)
        features = polynomials[..., 1:] @ self.coefficients[-1]
        return np.asarray(features - _mean_over_outcomes(features, shares))

    def _products(self, polynomials: FloatArray, vectors: FloatArray, shares: FloatArray) -> FloatArray:
        """Products of polynomials with the Bloch vector, and their means over outcomes if these belong to them."""
        products = (polynomials[..., :, None] * vectors[..., None, :]).reshape(*vectors.shape[:-1], -1)
        if not self.context:
            return np.asarray(products)
        means = np.broadcast_to(_mean_over_outcomes(products, shares), products.shape)
        return np.concatenate([products, means], axis=-1)

    def _orthonormalized(self) -> list[FloatArray]:
        """Coefficients of polynomials that are orthonormal degree by degree over the set of measurements."""
        weights, vectors = weights_and_bloch_vectors(self._sample())
        shares = weights / self.dimension
        # A mean over measurements and, in each of them, over outcomes by their weight.
        rows = (shares / len(shares))[..., None].reshape(-1, 1)
        polynomials = last = np.ones((*weights.shape, 1))
        coefficients: list[FloatArray] = []
        selected: list[FloatArray] = []
        features = np.empty((rows.size, 0))
        for _ in range(self.degree):
            self._require_memory(rows.size, last.shape[-1])
            products = self._products(last, vectors, shares)
            columns = np.concatenate([polynomials, products], axis=-1).reshape(rows.size, -1)
            matrix = _orthonormal(columns, polynomials.reshape(rows.size, -1), rows, 1 / vectors.shape[-1])
            coefficients.append(matrix)
            last = (columns @ matrix).reshape(*weights.shape, -1)
            polynomials = np.concatenate([polynomials, last], axis=-1)
            centered = polynomials[..., 1:] - _mean_over_outcomes(polynomials[..., 1:], shares)
            columns = centered.reshape(rows.size, -1)
            # The polynomials of the last degree, less their part in the features of lower ones.
            before = columns.shape[1] - last.shape[-1]
            known = np.zeros((columns.shape[1], 0))
            if selected:
                known = np.concatenate([np.pad(own, [(0, columns.shape[1] - len(own)), (0, 0)]) for own in selected], 1)
            chosen = _orthonormal(np.concatenate([features, columns[:, before:]], axis=1), features, rows, 1.0)
            new = known @ chosen[: known.shape[1]]
            new[before:] += chosen[known.shape[1] :]
            selected.append(new)
            features = np.concatenate([features, columns @ new], axis=1)
        height = len(selected[-1])
        stacked = np.concatenate([np.pad(own, [(0, height - len(own)), (0, 0)]) for own in selected], axis=1)
        return [*coefficients, stacked]

    def _sample(self) -> FloatArray:
        """Coordinates of the effects of members of the set, drawn with a fixed seed; all members of a small set."""
        components = (self.dimension**2 - 1) * (2 if self.context else 1)
        polynomials = math.comb(components + self.degree - 1, self.degree)
        count = max(_FEWEST_SAMPLES, _SAMPLES_PER_POLYNOMIAL * polynomials // (1 if self.context else self.dimension))
        size = self.measurements.size
        outcomes = self.measurements.most_outcomes if isinstance(self.measurements, EffectSet) else 2
        require_memory(
            16.0 * count * outcomes * self.dimension**2,
            "measurements",
            expected="measurements of which a sample fits",
            got=f"{self.measurements}, with {outcomes} outcomes each, of which it takes",
            remedy="Choose fewer outcomes.",
        )
        self._require_memory(count * self.dimension, num_polynomials(self.dimension, self.degree - 1))
        members = self.measurements.spread(generator(0), count if size is None else size)
        return coordinates_of_effects(effects_of_members(self.measurements, members))

    def _require_memory(self, num_rows: int, num_polynomials: int) -> None:
        """Raises if the products of so many polynomials with the Bloch vector do not fit into memory."""
        products = num_polynomials * (self.dimension**2 - 1) * (2 if self.context else 1)
        require_memory(
            8.0 * products * (3 * num_rows + 3 * products),
            "degree",
            expected="polynomials that fit",
            got=f"degree {self.degree} in dimension {self.dimension}, which takes",
            remedy="Choose a lower degree.",
        )


def _mean_over_outcomes(values: FloatArray, shares: FloatArray) -> FloatArray:
    """Means over the outcomes of each measurement, weighted, shape ``(..., 1, size)``."""
    return np.asarray(shares[..., None, :] @ values)


def _orthonormal(columns: FloatArray, lower: FloatArray, rows: FloatArray, scale: float) -> FloatArray:
    """Combinations of columns that are orthonormal and orthogonal to the first ones, which are orthonormal already.

    Args:
        columns: Values of functions, shape ``(rows, lower + new)``; the first ones are ``lower``.
        lower: Values of orthonormal functions, shape ``(rows, lower)``.
        rows: Weight of each row, shape ``(rows, 1)``.
        scale: Mean square that a column has if it does not vanish; what is left of it may be less by rounding alone.

    Returns:
        Shape ``(lower + new, rank)``.
    """
    new = columns[:, lower.shape[1] :]
    weighted = rows * lower
    # What rounding leaves of the lower functions after the first projection, the second one takes away.
    first = weighted.T @ new
    rest = new - lower @ first
    second = weighted.T @ rest
    rest = rest - lower @ second
    values, vectors = np.linalg.eigh(rest.T @ (rows * rest))
    kept = values > _VANISHING * scale
    combinations = vectors[:, kept] / np.sqrt(values[kept])
    return np.concatenate([-(first + second) @ combinations, combinations])
