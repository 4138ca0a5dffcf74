"""Settings with which some of the parties violate an inequality by themselves."""

from __future__ import annotations

from itertools import combinations

import numpy as np

from ..._support.deadlines import Deadline
from ...measurements.named_sets import projective_set
from ...measurements.sets import MeasurementSet
from ...polytope.inequalities.bell_inequality import BellInequality
from ...targets.correlations import CorrelationTensor
from ...targets.qubits import planar_tensor
from .correlator_criterion import wwzb_settings
from .horodecki import horodecki_settings
from .optimized import OptimizedSettings

__all__ = ["lifted_settings", "subsystem_settings"]

_STARTS = 4
# Reduced states whose correlations differ by less than this are the same, such as those along a ring.
_SAME_TENSOR = 1e-9


def lifted_settings(
    found: OptimizedSettings,
    tensor: CorrelationTensor,
    parties: tuple[int, ...],
    measurements: MeasurementSet | str = "projective",
) -> OptimizedSettings:
    """Returns settings of some parties as settings of all; the others get one setting, whose outcome is ignored.

    Args:
        found: Settings for the state of those parties.
        tensor: Correlations of all parties.
        parties: The parties that take part, ascending.
        measurements: All projective measurements, or those in a coordinate plane; the other parties use one of these.
    """
    idle = np.eye(3)[projective_set(measurements).axes[0]]
    settings = [idle[None]] * tensor.num_parties
    for k, party_vectors in zip(parties, found.settings, strict=True):
        settings[k] = party_vectors
    expression = found.inequality.expression.lift(tensor.num_parties, parties)
    return OptimizedSettings(tensor, tuple(settings), BellInequality.of(expression))


def subsystem_settings(
    tensor: CorrelationTensor, *, measurements: MeasurementSet | str, seed: int | None, time_limit: float | None = None
) -> list[tuple[tuple[int, ...], OptimizedSettings]]:
    """Returns two settings per party for each reduced state, by the criteria of Horodecki and of WWZB.

    Criteria of full correlators say nothing of the reduced states, which may be nonlocal by themselves.

    Args:
        tensor: Correlations of three or more qubits.
        measurements: All projective measurements, or those in a coordinate plane.
        seed: Seed, or ``None``.
        time_limit: Limit in seconds, which pairs of parties ignore. Default: none.

    Returns:
        Parties and settings of each reduced state that has any, the lowest visibility in white noise first; see
        :func:`lifted_settings`.
    """
    deadline = Deadline(time_limit)
    found: list[tuple[tuple[int, ...], OptimizedSettings]] = []
    seen: list[CorrelationTensor] = []
    n = tensor.num_parties
    for parties in (some for size in range(2, n) for some in combinations(range(n), size)):
        if len(parties) > 2 and deadline.over:
            break
        reduced = tensor.reduce(parties)
        if any(other.largest_difference(reduced) < _SAME_TENSOR for other in seen):
            continue
        seen.append(reduced)
        if len(parties) == 2:
            one = horodecki_settings(planar_tensor(reduced, measurements))
        else:
            one = wwzb_settings(reduced, measurements=measurements, num_starts=_STARTS, seed=seed)
        if np.isfinite(one.visibility):
            found.append((parties, one))
    return sorted(found, key=lambda pair: pair[1].visibility)
