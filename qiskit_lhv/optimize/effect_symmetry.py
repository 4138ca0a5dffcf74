"""Symmetries of states under local unitaries, and the ensembles of orbits that reproduce them exactly."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from functools import cache
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from .._support.types import ComplexArray, FloatArray
from .._support.validation import generator
from ..measurements.effect_sets import POVMs, PVMs
from ..measurements.qubit_sets import AllProjective
from ..measurements.sets import MeasurementSet
from ..models.effect_features import EffectFeatures, effects_of_members
from ..targets.correlations import CorrelationTensor
from ..targets.operator_basis import coordinates_of_effects, hermitian_basis
from .orbits import Orbits
from .symmetry import find_local_symmetry

__all__ = ["effect_orbits", "shift_and_phase_symmetry"]

# Expectation values below this count as zero.
_ZERO = 1e-9
# Largest part of turned features that may lie outside the span of the features.
_CLOSED = 1e-8
# Products of elements and of expectation values that are compared, at most.
_MOST_COMPARISONS = 10**7
# Groups with more elements are not listed.
_LARGEST_GROUP = 512

# One element: from which party each party's measurement comes, and the maps of effects' coordinates.
_Element = tuple[tuple[int, ...], tuple[FloatArray, ...]]


def effect_orbits(
    tensors: Sequence[CorrelationTensor],
    measurements: Sequence[MeasurementSet],
    features: Sequence[EffectFeatures],
    *,
    allowed: Callable[[int], bool],
) -> Orbits | None:
    """Returns the action on features of a group that leaves all tensors and all sets of measurements unchanged.

    For qubits these are rotations, also improper ones, which take POVMs to POVMs as well; for other parties products of
    shifts and phases (the Heisenberg-Weyl group), and unitaries that turn these into one another (the Clifford group).

    Args:
        tensors: Tensors of the states.
        measurements: The set of each party.
        features: The features of each party.
        allowed: Function that tells whether a group may have a given number of elements.

    Returns:
        The orbits, or ``None`` if only the identity is found, or if a set of measurements is not invariant.
    """
    sets = [*measurements, *(own.measurements for own in features)]
    if not all(isinstance(own, PVMs | POVMs | AllProjective) for own in sets):
        return None
    if set(tensors[0].dimensions) == {2} and all(own == features[0] for own in features):
        elements = _rotations(tensors, allowed)
    else:
        elements = shift_and_phase_symmetry(tensors)
        if elements and allowed(len(elements)):
            elements = _with_frame_changes(elements, tensors, allowed)
    if not (len(elements) > 1 and allowed(len(elements))):
        return None
    sources, matrices = [], []
    # Parties with the same features have the same matrices.
    firsts = [next(j for j, other in enumerate(features) if other is own or other == own) for own in features]
    actions = {first: _FeatureAction(features[first]) for first in firsts}
    for parties, members in groupby(elements, key=lambda element: element[0]):
        # Party parties[k] takes what response k has.
        source = np.argsort(parties)
        maps, stacks = [element[1] for element in members], []
        for k in source:
            own = [actions[firsts[int(k)]].matrix(element[k]) for element in maps]
            if any(matrix is None for matrix in own):
                return None
            stacks.append(np.stack([matrix for matrix in own if matrix is not None]))
        sources.append(tuple(int(k) for k in source))
        matrices.append(tuple(stacks))
    return Orbits(tuple(sources), tuple(matrices))


def _rotations(tensors: Sequence[CorrelationTensor], allowed: Callable[[int], bool]) -> list[_Element]:
    """Rotations of qubits' Bloch vectors and exchanges of parties."""
    symmetry = find_local_symmetry(tensors, [AllProjective()] * tensors[0].num_parties, allowed=allowed)
    if symmetry is None:
        return []
    elements: list[_Element] = []
    for parties, rotations in zip(symmetry.parties, symmetry.rotations, strict=True):
        maps = np.zeros((len(rotations), 4, 4))
        maps[:, 0, 0], maps[:, 1:, 1:] = 1, rotations
        elements.append((tuple(int(k) for k in parties), tuple(maps)))
    return elements


def shift_and_phase_symmetry(tensors: Sequence[CorrelationTensor]) -> list[_Element]:
    """Products of shifts and phases ``X^a Z^b`` of all parties that leave tensors unchanged, the identity first.

    In the basis of these operators, each of them multiplies every expectation value by a root of unity; so the
    symmetry follows from which expectation values vanish.

    Args:
        tensors: Tensors of the states, of the same dimensions.

    Returns:
        The elements; none where there are too many to compare.
    """
    dimensions = tensors[0].dimensions
    seen = np.zeros([d**2 for d in dimensions], dtype=bool)
    for tensor in tensors:
        values = tensor.array.astype(complex)
        for dimension in dimensions:
            values = np.tensordot(values, _coordinates_of_shifts(dimension), axes=(0, 0))
        seen |= np.abs(values) > _ZERO
    chosen = np.argwhere(seen)
    if len(chosen) * math.prod(d**2 for d in dimensions) > _MOST_COMPARISONS:
        return []
    common = math.lcm(*dimensions)
    exponents = [_exponents(d) * (common // d) for d in dimensions]
    parties, elements = tuple(range(len(dimensions))), []
    for numbers in itertools.product(*(range(d**2) for d in dimensions)):
        total = sum(exponents[k][number, chosen[:, k]] for k, number in enumerate(numbers))
        if not np.any(total % common):
            elements.append((parties, tuple(_maps(d)[n] for d, n in zip(dimensions, numbers, strict=True))))
    return elements


def _with_frame_changes(
    elements: list[_Element], tensors: Sequence[CorrelationTensor], allowed: Callable[[int], bool]
) -> list[_Element]:
    """A group of shifts and phases with as many changes between their bases as are allowed and leave tensors unchanged.

    Every party makes the same change or its complex conjugate; they are tried one after the other.

    Args:
        elements: Shifts and phases, the identity first.
        tensors: Tensors of the states.
        allowed: Function that tells whether a group may have a given number of elements.
    """
    dimensions = tensors[0].dimensions
    if len(set(dimensions)) > 1:
        return elements
    shifts = [maps for _, maps in elements]
    group, chosen = shifts, []
    candidates = itertools.product(_frame_changes(dimensions[0]), itertools.product((0, 1), repeat=len(dimensions) - 1))
    for change, conjugates in candidates:
        element = tuple(change[number] for number in (0, *conjugates))
        if all(_leaves(element, tensor) for tensor in tensors):
            larger = _generated(shifts, [*chosen, element])
            if larger is not None and len(larger) > len(group) and allowed(len(larger)):
                group, chosen = larger, [*chosen, element]
    return [(elements[0][0], maps) for maps in group]


def _generated(
    shifts: list[tuple[FloatArray, ...]], changes: list[tuple[FloatArray, ...]]
) -> list[tuple[FloatArray, ...]] | None:
    """The group that changes generate with a group of shifts and phases; ``None`` if it is too large to list.

    The changes turn shifts and phases into one another. So the group consists of products of both, and each product of
    changes is found either with all shifts or with none.
    """
    found = {_key(own): own for own in shifts}
    products = [shifts[0]]
    for known in products:
        for change in changes:
            new = _product(known, change)
            if _key(new) not in found:
                if len(found) + len(shifts) > _LARGEST_GROUP:
                    return None
                products.append(new)
                for own in shifts:
                    product = _product(new, own)
                    found[_key(product)] = product
    return list(found.values())


def _product(first: tuple[FloatArray, ...], second: tuple[FloatArray, ...]) -> tuple[FloatArray, ...]:
    return tuple(a @ b for a, b in zip(first, second, strict=True))


def _key(element: tuple[FloatArray, ...]) -> bytes:
    """What tells elements apart; adding zero takes the sign of zeros away."""
    return (np.round(np.stack(element), 6) + 0.0).tobytes()


def _leaves(element: tuple[FloatArray, ...], tensor: CorrelationTensor) -> bool:
    """Whether an element leaves a tensor unchanged."""
    array = tensor.array
    for change in element:
        # The first party's axis is contracted and goes to the back: after all parties the order is the first one.
        array = np.tensordot(array, change, axes=(0, 0))
    return bool(np.abs(array - tensor.array).max() <= _ZERO)


@cache
def _frame_changes(dimension: int) -> tuple[tuple[FloatArray, FloatArray], ...]:
    """Maps of effects' coordinates by unitaries that turn shifts and phases into one another, and by their conjugates.

    These are the reversal of the basis, the Fourier transform, of which it is the square, and a quadratic phase.
    """
    k = np.arange(dimension)
    fourier = np.exp(2j * np.pi * np.outer(k, k) / dimension) / np.sqrt(dimension)
    quadratic = np.diag(np.exp(1j * np.pi * k * (k + dimension % 2) / dimension))
    return tuple((_map(unitary), _map(unitary.conj())) for unitary in (fourier @ fourier, fourier, quadratic))


def _map(unitary: ComplexArray) -> FloatArray:
    """The map of the coordinates of effects, from E to ``U E U^+``, shape ``(D**2, D**2)``."""
    turned = unitary @ hermitian_basis(len(unitary)) @ unitary.conj().T
    return np.asarray(np.round(coordinates_of_effects(turned).T, 15))


@cache
def _shifts(dimension: int) -> ComplexArray:
    """The operators ``X^a Z^b``, number ``a D + b``, shape ``(D**2, D, D)``."""
    shift = np.roll(np.eye(dimension), 1, axis=0)
    phase = np.diag(np.exp(2j * np.pi * np.arange(dimension) / dimension))
    power = np.linalg.matrix_power
    return np.stack([power(shift, a) @ power(phase, b) for a in range(dimension) for b in range(dimension)])


@cache
def _exponents(dimension: int) -> NDArray[np.int64]:
    """Exponent of the root of unity by which turning by operator g multiplies operator w, shape ``(D**2, D**2)``."""
    a, b = np.divmod(np.arange(dimension**2), dimension)
    # Z X = w X Z with w = exp(2 pi i / D).
    return (np.outer(b, a) - np.outer(a, b)) % dimension


@cache
def _coordinates_of_shifts(dimension: int) -> ComplexArray:
    """Expectation values of ``X^a Z^b`` from those of the Hermitian basis, shape ``(D**2, D**2)``."""
    basis = hermitian_basis(dimension)
    norms = np.einsum("iab,iba->i", basis, basis).real
    return np.asarray(np.einsum("iab,wba->iw", basis, _shifts(dimension)) / norms[:, None])


@cache
def _maps(dimension: int) -> FloatArray:
    """Maps of the coordinates of effects, from E to ``W E W^+``, for every operator W, shape ``(D**2, D**2, D**2)``."""
    shifts, basis = _shifts(dimension), hermitian_basis(dimension)
    turned = shifts[:, None] @ basis @ shifts.conj().swapaxes(1, 2)[:, None]
    return np.round(coordinates_of_effects(turned).swapaxes(1, 2), 15)


class _FeatureAction:
    """The action of maps of effects on the features of one party."""

    def __init__(self, features: EffectFeatures) -> None:
        members = features.measurements.draw(generator(0), max(20, 4 * features.size // features.dimension))
        self._features = features
        self._coordinates = coordinates_of_effects(effects_of_members(features.measurements, members))
        self._values = features.of_coordinates(self._coordinates).reshape(-1, features.size)
        self._inverse = np.linalg.pinv(self._values)
        self._known: dict[bytes, FloatArray | None] = {}

    def matrix(self, change: FloatArray) -> FloatArray | None:
        """The matrix D with ``features(turned effects) = features(effects) @ D``, if there is one."""
        key = np.round(change, 12).tobytes()
        if key not in self._known:
            turned = self._features.of_coordinates(self._coordinates @ change.T).reshape(self._values.shape)
            matrix = self._inverse @ turned
            self._known[key] = matrix if np.abs(self._values @ matrix - turned).max() <= _CLOSED else None
        return self._known[key]
