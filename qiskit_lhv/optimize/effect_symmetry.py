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
# Entries of the maps of one party's coordinates, at most: they grow with the sixth power of the dimension.
_MOST_ENTRIES = 2 * 10**7
# Parties and elements of a group that is extended, at most.
_MOST_PARTIES, _MOST_ELEMENTS = 3, 432

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
    shifts and phases (the Heisenberg-Weyl group), and where the parties are alike also Clifford operators,
    transpositions and exchanges of parties.

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
        elements = _extended(shift_and_phase_symmetry(tensors), tensors, features, allowed)
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
    if max(dimensions) ** 6 > _MOST_ENTRIES:
        return []
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


def _extended(
    elements: list[_Element],
    tensors: Sequence[CorrelationTensor],
    features: Sequence[EffectFeatures],
    allowed: Callable[[int], bool],
) -> list[_Element]:
    """A larger group, if parties are alike: with exchanges of parties, and with Clifford operators and transpositions.

    Transposition takes POVMs to POVMs, and bases to bases, as unitary operators do.
    """
    num_parties = tensors[0].num_parties
    alike = all(own == features[0] for own in features)
    largest = max((order for order in range(1, _MOST_ELEMENTS + 1) if allowed(order)), default=0)
    if not (1 < num_parties <= _MOST_PARTIES and alike and largest):
        return elements
    if not elements or not allowed(len(elements)):
        dimension = tensors[0].dimensions[0]
        elements = [(tuple(range(num_parties)), (np.eye(dimension**2),) * num_parties)]
    group = {_key(element): element for element in elements}
    generators = list(elements)
    for candidate in _candidates(tensors[0].dimensions[0], num_parties):
        if _key(candidate) in group or not all(_is_invariant(candidate, tensor) for tensor in tensors):
            continue
        larger = _closure([*generators, candidate], group, largest)
        if larger is not None and allowed(len(larger)):
            group, generators = larger, [*generators, candidate]
    first = _key(elements[0])
    # Elements with one exchange of parties are neighbors, and the identity comes first.
    return [group[key] for key in sorted(group, key=lambda key: (group[key][0], key != first, key))]


def _candidates(dimension: int, num_parties: int) -> list[_Element]:
    """Elements that may extend a group, those that enlarge it least first."""
    same = tuple(range(num_parties))
    identity = np.eye(dimension**2)
    levels = np.arange(dimension)
    fourier = np.exp(2j * np.pi * np.outer(levels, levels) / dimension) / np.sqrt(dimension)
    exponents = levels * (levels - 1) if dimension % 2 else levels**2
    quadratic = np.diag(np.exp(1j * np.pi * exponents / dimension))
    transposed = coordinates_of_effects(hermitian_basis(dimension).swapaxes(1, 2)).T
    found: list[_Element] = [(same, (transposed,) * num_parties)]
    found += [(order, (identity,) * num_parties) for order in itertools.permutations(same) if order != same]
    for operator in (fourier @ fourier, fourier, quadratic):
        both = [_map_of(operator), _map_of(operator.conj())]
        found += [(same, maps) for maps in itertools.product(both, repeat=num_parties)]
    return found


def _map_of(operator: ComplexArray) -> FloatArray:
    """The map of the coordinates of effects, from E to ``U E U^+``."""
    turned = operator @ hermitian_basis(len(operator)) @ operator.conj().T
    return coordinates_of_effects(turned).T


def _key(element: _Element) -> tuple[tuple[int, ...], bytes]:
    # Adding zero makes no difference between zeros of either sign.
    return element[0], b"".join((np.round(change, 6) + 0.0).tobytes() for change in element[1])


def _after(second: _Element, first: _Element) -> _Element:
    """Returns the element that acts as the first, then as the second."""
    parties = tuple(first[0][k] for k in second[0])
    return parties, tuple(own @ first[1][k] for k, own in zip(second[0], second[1], strict=True))


def _closure(
    generators: Sequence[_Element], known: dict[tuple[tuple[int, ...], bytes], _Element], limit: int
) -> dict[tuple[tuple[int, ...], bytes], _Element] | None:
    """Returns the group that elements generate, or ``None`` if it has more elements than the limit."""
    group, new = dict(known), [*known.values(), generators[-1]]
    while new:
        products = [_after(generator, element) for generator in generators for element in new]
        fresh = {_key(element): element for element in products if _key(element) not in group}
        group |= fresh
        if len(group) > limit:
            return None
        new = list(fresh.values())
    return group


def _is_invariant(element: _Element, tensor: CorrelationTensor) -> bool:
    turned = tensor.array
    for k, change in enumerate(element[1]):
        turned = np.moveaxis(np.tensordot(change, turned, axes=(0, k)), 0, k)
    # Axis k of the turned tensor belongs to party parties[k].
    return bool(np.abs(np.transpose(turned, np.argsort(element[0])) - tensor.array).max() <= _ZERO)


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
        # Shared by all maps, of which there may be hundreds.
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
