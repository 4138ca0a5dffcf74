"""Finite symmetries of states: rotations of Bloch vectors and exchanges of parties that leave a state unchanged."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from .._support.types import FloatArray
from ..measurements.qubit_sets import AllProjective, PlanarProjective
from ..measurements.sets import MeasurementSet
from ..targets.correlations import CorrelationTensor

__all__ = ["LocalSymmetry", "find_local_symmetry"]

# Changes of a correlator up to this size are rounding.
_SAME = 1e-9
# Inner products find the candidates, whose distances are then computed themselves.
_CANDIDATE = 1e-6
# Up to this number of parties, every combination of turns is tried.
_ALL_COMBINATIONS = 3
# Up to this number of parties, every exchange of parties is tried.
_ALL_EXCHANGES = 4

# Largest order of a group.
_MAX_ORDER = 48

# Where each of the 3 N coordinates of all Bloch vectors comes from, and its sign, as one signed number from 1 on.
_Element = tuple[int, ...]


@dataclass(frozen=True, eq=False)
class LocalSymmetry:
    """A group of orthogonal maps of all parties' Bloch vectors; element 0 is the identity.

    Element g takes the Bloch vectors n to those with ``rotations[g, k] @ n[parties[g, k]]`` for party k. Rotations may
    be improper: a turn and the inversion, which swaps the outcomes. Elements with the same exchange of parties are
    neighbors.
    """

    parties: NDArray[np.int64]
    """From which party each party's Bloch vector comes, shape ``(G, N)``."""
    rotations: FloatArray
    """Orthogonal matrices, shape ``(G, N, 3, 3)``."""

    @property
    def order(self) -> int:
        """Number of elements."""
        return len(self.parties)


def find_local_symmetry(
    tensors: Sequence[CorrelationTensor],
    measurements: Sequence[MeasurementSet],
    *,
    allowed: Callable[[int], bool],
    even: bool = False,
) -> LocalSymmetry | None:
    """Returns a group, as large as allowed, that leaves all tensors and all sets of measurements unchanged.

    The search tries signed permutations of three axes per party: the coordinate axes, or the axes in which the
    correlations of two parties are diagonal. For more than three parties, it tries turns of single parties, turns of
    two parties, and the same turn of all parties.

    Args:
        tensors: Tensors of N qubits, as many for each.
        measurements: The set of each party.
        allowed: Function that tells whether a group may have a given number of elements.
        even: Whether to leave out the inversion of all Bloch vectors, which is then a symmetry.

    Returns:
        The group, or ``None`` if only the identity is found, or if the measurements are neither all projective
        measurements nor all those in one plane.
    """
    base = _base(measurements)
    if base is None:
        return None
    planar = isinstance(measurements[0], PlanarProjective)
    arrays = [tensor.array for tensor in tensors]
    num_parties = arrays[0].ndim
    if planar:
        seen = np.zeros((4, 4))
        seen[0, 0], seen[1:, 1:] = 1, base[:2].T @ base[:2]
        arrays = [_turned(array, [seen] * num_parties) for array in arrays]
    frames = _frames(arrays, base, planar)
    local = [_turned(array, [_extended(frame) for frame in frames]) for array in arrays]
    # In a plane the inversion is the half turn, as no response depends on the component normal to the plane.
    inversion = tuple(i if planar and i % 3 == 0 else -i for i in range(1, 3 * num_parties + 1))
    group = {_identity(num_parties)}
    generators: list[_Element] = []
    largest = max((order for order in range(1, _MAX_ORDER + 1) if allowed(order)), default=1)
    while len(group) < largest:
        before = len(group)
        for element in _candidates(local, planar):
            if element in group or (even and element == inversion):
                continue
            larger = _closure([*generators, element], largest)
            if larger is None or not allowed(len(larger)) or (even and inversion in larger):
                continue
            if _invariant(element, local):
                group, generators = larger, [*generators, element]
            if len(group) == largest:
                break
        # A group that was too small for an element before may have grown to fit it.
        if len(group) == before:
            break
    return None if len(group) == 1 else _symmetry(group, frames)


def _base(measurements: Sequence[MeasurementSet]) -> FloatArray | None:
    """Returns the axes that all parties start with; in a plane the third axis is normal to it."""
    first = measurements[0]
    if all(isinstance(party_set, AllProjective) for party_set in measurements):
        return np.eye(3)
    if isinstance(first, PlanarProjective) and all(party_set == first for party_set in measurements):
        return np.vstack([first.vectors, first.normal])
    return None


def _extended(matrix: FloatArray) -> FloatArray:
    """The map of the vectors (1, n)."""
    result = np.zeros((4, 4))
    result[0, 0], result[1:, 1:] = 1, matrix
    return result


def _turned(array: FloatArray, matrices: Sequence[FloatArray]) -> FloatArray:
    """Returns a tensor with a matrix applied to each axis."""
    for k, matrix in enumerate(matrices):
        array = np.moveaxis(np.tensordot(matrix, array, axes=(1, k)), 0, k)
    return array


def _frames(arrays: Sequence[FloatArray], base: FloatArray, planar: bool) -> list[FloatArray]:
    """Returns, for each party, the axes that its turns permute, as rows."""
    num_parties, size = arrays[0].ndim, 2 if planar else 3
    local = [_turned(array, [_extended(base)] * num_parties) for array in arrays]
    turns = [np.eye(3) for _ in range(num_parties)]
    if num_parties == 2:
        blocks = [array[1 : size + 1, 1 : size + 1] for array in local]
        if any(np.abs(block - np.diag(np.diag(block))).max() > _SAME for block in blocks):
            left, _, right = np.linalg.svd(blocks[0])
            turns[0][:size, :size], turns[1][:size, :size] = left.T, right
    else:
        for k in range(num_parties):
            rows = [np.moveaxis(array, k, 0)[1 : size + 1].reshape(size, -1) for array in local]
            squares = sum(row @ row.T for row in rows)
            if np.abs(squares - np.diag(np.diag(squares))).max() > _SAME:
                turns[k][:size, :size] = np.linalg.eigh(squares)[1].T
    return [turn @ base for turn in turns]


@cache
def _turns(planar: bool) -> tuple[tuple[int, int, int], ...]:
    """Returns the signed permutations of three axes as signed numbers from 1 on; a plane fixes the third axis."""
    found = [
        (signs[0] * (axes[0] + 1), signs[1] * (axes[1] + 1), signs[2] * (axes[2] + 1))
        for axes in itertools.permutations(range(3))
        for signs in itertools.product((1, -1), repeat=3)
    ]
    # Proper rotations come first: together with an improper one of them, they would generate the inversion.
    found.sort(key=lambda turn: -float(np.linalg.det(_matrix(turn))))
    return tuple(permutation for permutation in found if not planar or permutation[2] == 3)


def _matrix(turn: tuple[int, int, int]) -> FloatArray:
    result = np.zeros((3, 3))
    for row, entry in enumerate(turn):
        result[row, abs(entry) - 1] = math.copysign(1, entry)
    return result


def _candidates(arrays: Sequence[FloatArray], planar: bool) -> Iterator[_Element]:
    """Yields elements that leave the tensors unchanged, as far as inner products tell."""
    num_parties = arrays[0].ndim
    turns = _turns(planar)
    matrices = np.stack([_extended(_matrix(turn)).ravel() for turn in turns])
    norm = sum(float(np.sum(array**2)) for array in arrays)
    neutral = turns.index((1, 2, 3))

    def fits(products: NDArray[np.float64]) -> NDArray[np.int64]:
        return np.argwhere(np.abs(products - norm) <= _CANDIDATE * norm)

    for parties in _exchanges(num_parties):
        if num_parties <= _ALL_COMBINATIONS:
            # The inner products of the tensors and their images, before each party's turn is put in.
            order = [axis for k in range(num_parties) for axis in (k, num_parties + k)]
            products = [np.transpose(np.multiply.outer(array, np.transpose(array, parties)), order) for array in arrays]
            table = np.asarray(sum(products)).reshape((16,) * num_parties)
            for _ in range(num_parties):
                table = np.tensordot(table, matrices, axes=(0, 1))
            for chosen in fits(table):
                yield _element(parties, [turns[i] for i in chosen])
            continue
        for turn in turns:
            yield _element(parties, [turn] * num_parties)
        if parties != tuple(range(num_parties)):
            continue
        for first, second in itertools.combinations(range(num_parties), 2):
            moved = [np.moveaxis(array, (first, second), (0, 1)).reshape(4, 4, -1) for array in arrays]
            table = np.asarray(sum(np.einsum("acr,bdr->abcd", image, image) for image in moved)).reshape(16, 16)
            for i, j in fits(matrices @ table @ matrices.T):
                chosen = [turns[neutral]] * num_parties
                chosen[first], chosen[second] = turns[i], turns[j]
                yield _element(parties, chosen)


def _exchanges(num_parties: int) -> list[tuple[int, ...]]:
    """Returns the permutations of the parties to try, with the identity first."""
    if num_parties <= _ALL_EXCHANGES:
        return list(itertools.permutations(range(num_parties)))
    places = list(range(num_parties))
    found = [tuple(places), tuple(places[::-1]), tuple(places[1:] + places[:1])]
    for first, second in itertools.combinations(places, 2):
        swapped = places.copy()
        swapped[first], swapped[second] = second, first
        found.append(tuple(swapped))
    return found


def _element(parties: Sequence[int], turns: Sequence[tuple[int, int, int]]) -> _Element:
    return tuple(
        int(math.copysign(3 * party + abs(entry), entry))
        for party, turn in zip(parties, turns, strict=True)
        for entry in turn
    )


def _identity(num_parties: int) -> _Element:
    return tuple(range(1, 3 * num_parties + 1))


def _after(second: _Element, first: _Element) -> _Element:
    """Returns the element that acts as the first, then as the second."""
    return tuple(first[i - 1] if i > 0 else -first[-i - 1] for i in second)


def _closure(generators: Sequence[_Element], limit: int) -> set[_Element] | None:
    """Returns the group that given elements generate, or ``None`` if it has more elements than the limit."""
    start = _identity(len(generators[0]) // 3)
    group, new = {start}, [start]
    while new:
        new = list({_after(generator, element) for generator in generators for element in new} - group)
        group.update(new)
        if len(group) > limit:
            return None
    return group


def _parts(element: _Element) -> tuple[list[int], FloatArray]:
    """From which party each party's Bloch vector comes, and the turns in the parties' frames."""
    num_parties = len(element) // 3
    parties, turns = [], np.zeros((num_parties, 3, 3))
    for k in range(num_parties):
        entries = element[3 * k : 3 * k + 3]
        parties.append((abs(entries[0]) - 1) // 3)
        for row, entry in enumerate(entries):
            turns[k, row, (abs(entry) - 1) % 3] = math.copysign(1, entry)
    return parties, turns


def _invariant(element: _Element, arrays: Sequence[FloatArray]) -> bool:
    parties, turns = _parts(element)
    # T(g n) = T(n): axis k of the turned tensor belongs to party parties[k].
    return all(
        np.abs(np.transpose(_turned(array, [_extended(turn.T) for turn in turns]), np.argsort(parties)) - array).max()
        <= _SAME
        for array in arrays
    )


def _symmetry(group: set[_Element], frames: Sequence[FloatArray]) -> LocalSymmetry:
    identity = _identity(len(frames))
    parts = [
        _parts(element) for element in sorted(group, key=lambda member: (_parts(member)[0], member != identity, member))
    ]
    rotations = [[frames[k].T @ turns[k] @ frames[parties[k]] for k in range(len(frames))] for parties, turns in parts]
    return LocalSymmetry(np.array([parties for parties, _ in parts]), np.array(rotations))
