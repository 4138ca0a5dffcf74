"""Search with many settings for few parties: regular settings, whose symmetry makes the polytope small."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from ..._support.deadlines import Deadline
from ..._support.types import FloatArray
from ...exceptions import ScenarioError
from ...polytope.bounds.local_bounds import local_bound
from ...polytope.inequalities.bell_inequality import BellInequality
from ...polytope.symmetry.group_search import find_symmetry
from .optimized import OptimizedSettings
from .regular_sets import axial_frame, polygons, regular_solids, two_setting_frame
from .search import Search

__all__ = ["best_regular"]

Frames = list[FloatArray]

# Number of settings at which planes are compared, and how many planes are tried with all settings.
_SCREENED = 3
_NUM_PLANES = 2
# With more parties the search for symmetries takes longer than what their order would save.
_MAX_PARTIES_IN_ORDER = 3
# Shares of the remaining time: for one set, since without symmetries the polytope may take minutes; and for all sets,
# since the local bound of the best one has to be proven.
_SHARE_OF_PLANE = 0.02
_SHARE_OF_SET = 0.4
_SHARE_OF_SETS = 0.6
# Limit of additions for the exact bound of the best settings if there is no time limit.
_MAX_WORK = 2e11
_LEAST_SECONDS_OF_PROOF = 1.0


def best_regular(search: Search, sizes: tuple[int, ...]) -> OptimizedSettings | None:
    """Returns the best regular settings, improved for the inequality that they violate.

    Every set is tried along the coordinate axes, along the best two settings of each party, and along the axis that the
    state singles out for each party; those with more symmetries first.

    Args:
        search: The search, with its state and options.
        sizes: Number of settings of each party.

    Returns:
        The best settings, or ``None`` if the polytope gave no inequality for any of them.
    """
    trying = replace(search, deadline=search.deadline.part(_SHARE_OF_SETS))
    found = []
    for vectors in _candidates(trying, sizes):
        candidate = trying.at(vectors, _SHARE_OF_SET)
        found.append((math.inf if candidate is None else candidate.visibility, candidate))
        if trying.late():
            break
    history = tuple(visibility for visibility, _ in found)
    best: OptimizedSettings | None = None
    for _, candidate in sorted(found, key=lambda pair: pair[0]):
        if candidate is None:
            break
        proven = _proven(candidate, search.deadline)
        if best is None or proven.inequality.bound.exact:
            best = proven
        if proven.inequality.bound.exact or search.late():
            break
    if best is None:
        return None
    improved = search.record(search.improve(best), best.inequality)
    return replace(min((best, improved), key=lambda this: this.visibility), history=history)


def _candidates(search: Search, sizes: tuple[int, ...]) -> Iterator[list[FloatArray]]:
    """Yields sets in the order in which they are tried: the best plane and solids, then the next plane."""
    frames = list(_frames(search, len(sizes)))
    few = tuple(min(m, _SCREENED) for m in sizes)
    # A few settings are enough to show which plane is best.
    screened: list[tuple[float, list[list[FloatArray]]]] = []
    for frame in frames:
        for coarse, fine in zip(
            polygons(few, frame, search.measurements), polygons(sizes, frame, search.measurements), strict=True
        ):
            settings = [None if search.late() else search.at(vectors, _SHARE_OF_PLANE) for vectors in coarse]
            reached = [math.inf if candidate is None else candidate.visibility for candidate in settings]
            screened.append((min(reached), [fine[i] for i in np.argsort(reached, kind="stable")]))
    planes = [turned for _, turned in sorted(screened, key=lambda pair: pair[0])[:_NUM_PLANES]]
    solids: list[list[FloatArray]] = []
    if search.measurements.coordinates.all() and not search.coplanar:
        solids = [vectors for frame in frames for vectors in regular_solids(sizes, frame)]
    candidates = planes[0] + solids
    if len(sizes) <= _MAX_PARTIES_IN_ORDER and solids:
        candidates.sort(key=lambda vectors: -_num_symmetries(search, vectors))
    yield from candidates
    for turned in planes[1:]:
        yield from turned


def _frames(search: Search, num_parties: int) -> Iterator[Frames]:
    yield [np.eye(3)] * num_parties
    two = next(search.of_inequalities((2,) * num_parties))
    axial = [frame for k, vectors in enumerate(two) if (frame := axial_frame(search.tensor, k, vectors[0])) is not None]
    if len(axial) == num_parties:
        yield axial
    yield [two_setting_frame(pair) for pair in two]


def _num_symmetries(search: Search, vectors: list[FloatArray]) -> int:
    tensors = (search.tensor, search.mixed_in)
    seconds = search.deadline.part(_SHARE_OF_PLANE).left
    return len(
        find_symmetry(
            *(correlations.behavior([list(party) for party in vectors]) for correlations in tensors), time_limit=seconds
        )
    )


def _proven(found: OptimizedSettings, deadline: Deadline) -> OptimizedSettings:
    """Returns the same settings with an exact local bound, if there is time to prove it."""
    if found.inequality.bound.exact:
        return found
    try:
        bound = local_bound(
            found.inequality.expression,
            time_limit=deadline.part(least=_LEAST_SECONDS_OF_PROOF).left,
            max_work=None if deadline.limited else _MAX_WORK,
        )
    except ScenarioError:
        # There are too many strategies, so the settings are returned without a proof.
        return found
    return replace(found, inequality=BellInequality(found.inequality.expression, bound))
