"""Relabelings of the measured directions that follow from a state's symmetries."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from ..._support.types import FloatArray, IntArray
from ...measurements.axes import icosahedral_rotations
from ...measurements.polyhedra import signed_images
from ...polytope.symmetry.relabelings import MAX_GROUP, Relabeling, Symmetry
from ...targets.scenario import BellScenario

__all__ = ["axis_symmetries", "state_symmetry"]


_ATOL = 1e-9
_MAX_COMBINATIONS = 1 << 21
_MOST_PERMUTED = 4


def axis_symmetries(directions: FloatArray) -> FloatArray:
    """Returns the orthogonal matrices that map a set of axes to itself.

    Args:
        directions: Bloch vectors, shape ``(m, 3)``.

    Returns:
        Shape ``(G, 3, 3)``, the identity first, with -1 and all mirror images.
    """
    rotations = icosahedral_rotations()
    _, _, kept = signed_images(directions, rotations)
    found = rotations[kept] if kept.all() else _frame_images(directions)
    both = np.concatenate([found, -found])
    return both[np.argsort(np.linalg.norm(both - np.eye(3), axis=(1, 2)), kind="stable")]


def _frame_images(directions: FloatArray) -> FloatArray:
    """Returns the rotations that map axes to axes, found from the images of two of the axes."""
    first = directions[0]
    overlaps = np.abs(directions @ first)
    second = directions[int(np.where(overlaps < 1 - 1e-6, overlaps, -1).argmax())]
    if abs(first @ second) > 1 - 1e-6:
        return np.eye(3)[None]
    points = np.concatenate([directions, -directions])
    frame = np.stack([first, second, np.cross(first, second)], axis=1)
    i, j = np.nonzero(np.abs(points @ points.T - first @ second) < 1e-7)
    images = np.stack([points[i], points[j], np.cross(points[i], points[j])], axis=2)
    candidates = images @ np.linalg.inv(frame)
    # Rotations of a single plane are determined by their axes alone, and so are all others.
    kept = []
    for begin in range(0, len(candidates), 256):
        block = candidates[begin : begin + 256]
        kept.append(block[signed_images(directions, block)[2]])
    return np.concatenate(kept)


def state_symmetry(tensors: Sequence[FloatArray], directions: Sequence[FloatArray]) -> Symmetry:
    """Returns the relabelings of parties and directions that leave the behaviors of given states unchanged.

    They come from permutations of the parties together with orthogonal maps of each party's axes.

    Args:
        tensors: Correlations of qubits, shape ``(4,) * N`` each.
        directions: Bloch vectors of each party, shape ``(m_k, 3)``.

    Returns:
        A group. It may not be the largest one if there are too many candidates.
    """
    n = tensors[0].ndim
    scenario = BellScenario(tuple(len(d) for d in directions), (2,) * n)
    maps = [axis_symmetries(d) for d in directions]
    images = [signed_images(d, m)[:2] for d, m in zip(directions, maps, strict=True)]
    found: list[Relabeling] = []
    for order in _orders(n):
        if any(
            directions[k] is not directions[j] and not np.array_equal(directions[k], directions[j])
            for k, j in enumerate(order)
        ):
            continue
        for choice in _invariant_maps(tensors, order, maps):
            settings, outcomes = [], []
            for k, g in enumerate(choice):
                numbers, signs = images[k][0][g], images[k][1][g]
                settings.append(numbers)
                outcomes.append(np.where(signs[:, None] > 0, [0, 1], [1, 0]))
            found.append(Relabeling.of(scenario, parties=order, settings=settings, outcomes=outcomes))
            if len(found) > MAX_GROUP // 10:
                break
    return Symmetry.grown_by(found, scenario)


def _orders(num_parties: int) -> Iterator[tuple[int, ...]]:
    """Yields the permutations to try: all for few parties, else cyclic shifts, exchanges of two, and the reverse."""
    whole = tuple(range(num_parties))
    if num_parties <= _MOST_PERMUTED:
        yield from itertools.permutations(whole)
        return
    turns = [whole[k:] + whole[:k] for k in range(num_parties)]
    exchanges = []
    for j, k in itertools.combinations(whole, 2):
        order = list(whole)
        order[j], order[k] = k, j
        exchanges.append(tuple(order))
    # Other permutations that occur are mostly products of these, and trying all of them would take minutes.
    yield from dict.fromkeys([*turns, *exchanges, whole[::-1]])


def _invariant_maps(tensors: Sequence[FloatArray], order: Sequence[int], maps: list[FloatArray]) -> list[IntArray]:
    """Returns choices of one map per party that, with the permutation, leave the tensors unchanged, shape ``(K, N)``.

    The search goes party by party: the correlations of the parties chosen so far must already agree.
    """
    n = len(order)
    choices = np.zeros((1, 0), dtype=np.int64)
    for k in range(n):
        if len(choices) * len(maps[k]) > _MAX_COMBINATIONS:
            # There are too many choices, so only maps that are the same for all parties are tried.
            count = min(len(party_maps) for party_maps in maps)
            choices = np.tile(np.arange(count)[:, None], (1, k + 1))
        else:
            left = np.repeat(choices, len(maps[k]), axis=0)
            choices = np.hstack([left, np.tile(np.arange(len(maps[k])), len(choices))[:, None]])
        # Most choices already fail with one other party, which a look-up in a small table shows.
        for j in range(k if k > 1 else 0):
            fits = _fitting_pairs(tensors, order, maps, j, k)
            choices = choices[fits[choices[:, j], choices[:, k]]]
        index = (slice(None),) * (k + 1) + (0,) * (n - k - 1)
        for tensor in tensors:
            wanted, given = tensor[index], tensor.transpose(order)[index]
            images = np.broadcast_to(given, (len(choices), *given.shape))
            for j in range(k + 1):
                images = np.einsum("ci...,cij->c...j", images, _extended(maps[j])[choices[:, j]])
            deviation = np.abs(images - wanted).max(axis=tuple(range(1, images.ndim)), initial=0.0)
            choices = choices[deviation < _ATOL]
    return list(choices)


def _fitting_pairs(
    tensors: Sequence[FloatArray], order: Sequence[int], maps: list[FloatArray], first: int, second: int
) -> NDArray[np.bool_]:
    """Returns whether each pair of maps of two parties leaves their joint correlations unchanged, shape ``(G, H)``."""
    fits = np.ones((len(maps[first]), len(maps[second])), dtype=bool)
    index = tuple(slice(None) if j in (first, second) else 0 for j in range(len(order)))
    for tensor in tensors:
        wanted, given = tensor[index], tensor.transpose(order)[index]
        images = np.einsum("ij,gik,hjl->ghkl", given, _extended(maps[first]), _extended(maps[second]), optimize=True)
        fits &= np.abs(images - wanted).max(axis=(2, 3)) < _ATOL
    return fits


def _extended(maps: FloatArray) -> FloatArray:
    """Returns the maps on (1, x, y, z), which give correlators at the directions' images, shape ``(G, 4, 4)``."""
    result = np.zeros((len(maps), 4, 4))
    result[:, 0, 0] = 1
    result[:, 1:, 1:] = maps
    return result
