"""Settings with which a state of qubits may be nonlocal, the quickest searches first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from .._support.deadlines import Deadline
from ..exceptions import SolverError
from ..measurements.named_sets import projective_members
from ..measurements.sets import MeasurementSet
from ..projective.settings.correlator_criterion import wwzb_settings
from ..projective.settings.optimization import OptimizedSettings, horodecki_settings, optimize_settings
from ..projective.settings.search_options import SettingsSearch
from ..projective.settings.subsystems import lifted_settings, subsystem_settings
from ..projective.settings.turned_sets import werner_settings
from ..targets.correlations import CorrelationTensor
from ..targets.qubits import planar_tensor
from ..targets.state_tensors import density_matrix
from .proof_plan import SHARE_OF_SUBSYSTEMS, random_starts, settings_to_try

__all__ = ["closed_settings", "optimized_in_turn", "searched_settings", "without_white_noise"]

# A lowest eigenvalue this near to 0, or to that of white noise, counts as equal to it.
_EIGENVALUE_ATOL = 1e-9
# The optimization of the WWZB criterion converges from a few starts.
_STARTS_OF_CRITERION = 8


def closed_settings(
    tensor: CorrelationTensor,
    *,
    noise: CorrelationTensor | None = None,
    measurements: MeasurementSet | str = "projective",
    seed: int | None = None,
) -> Iterator[OptimizedSettings]:
    """Yields the settings of criteria that take no long search.

    For two qubits these are the criterion of Horodecki and the inequality for Werner states, for more qubits the
    criterion of WWZB. In noise other than white only the settings for Werner states are given.

    Args:
        tensor: Correlations of qubits.
        noise: Noise other than white, in which the lowest visibility is looked for. Default: white noise.
        measurements: All projective ones, those in a coordinate plane, or all POVMs, of which the projective ones are
            searched.
        seed: Seed, or ``None``.
    """
    measurements = projective_members(measurements)
    seen = planar_tensor(tensor, measurements)
    n = tensor.num_parties
    # Measurements in a plane see only a part of the state, but the settings belong to the whole state.
    if noise is None and n == 2:
        # The part that is seen has no correlations out of the plane, so the closed form stays in the plane, too.
        yield replace(horodecki_settings(seen), correlations=tensor)
    elif noise is None:
        found = wwzb_settings(seen, measurements=measurements, num_starts=_STARTS_OF_CRITERION, seed=seed)
        yield replace(found, correlations=tensor)
    if n == 2 and measurements.coordinates.all():
        yield replace(werner_settings(tensor, noise), correlations=tensor)


def searched_settings(
    tensor: CorrelationTensor,
    *,
    clock: Deadline,
    noise: CorrelationTensor | None = None,
    measurements: MeasurementSet | str = "projective",
    thorough: bool = False,
    seed: int | None = None,
) -> Iterator[OptimizedSettings]:
    """Yields optimized settings at which a state may be nonlocal, with their inequalities, beginning with few settings.

    In white noise, the search is made for the state without its own white noise. States that differ only in their
    amount of white noise therefore share one search, and settings that show that one of them is nonlocal show it for
    all those with less noise.

    Args:
        tensor: Correlations of qubits.
        clock: The deadline of the call.
        noise: Noise other than white, in which the lowest visibility is looked for. Default: white noise.
        measurements: All projective ones, those in a coordinate plane, or all POVMs, of which the projective ones are
            searched.
        thorough: Whether to try more settings.
        seed: Seed, or ``None``.

    Yields:
        Settings for the state that was given.
    """
    measurements = projective_members(measurements)
    n = tensor.num_parties
    cleaned = without_white_noise(tensor) if noise is None else tensor
    if noise is None and n > 2:
        for found in _of_subsystems(planar_tensor(cleaned, measurements), measurements, seed, clock):
            yield replace(found, correlations=tensor)
    searches = [
        (count, SettingsSearch(method, random_starts(n, thorough))) for method, count in settings_to_try(n, thorough)
    ]
    for found in optimized_in_turn(cleaned, searches, clock=clock, noise=noise, measurements=measurements, seed=seed):
        yield replace(found, correlations=tensor)


def optimized_in_turn(
    tensor: CorrelationTensor,
    searches: Sequence[tuple[int, SettingsSearch]],
    *,
    clock: Deadline,
    noise: CorrelationTensor | None,
    measurements: MeasurementSet | str = "projective",
    seed: int | None,
) -> Iterator[OptimizedSettings]:
    """Yields what searches for settings find, one after the other, but for those that fail.

    Args:
        tensor: Correlations of the state.
        searches: The number of settings per party and the options of each search.
        clock: The deadline of all of them together.
        noise: Noise other than white, or ``None``.
        measurements: Among which settings are sought.
        seed: Seed, or ``None``.
    """
    for i, (count, search) in enumerate(searches):
        if not clock.has():
            return
        # Time that one search leaves over goes to the next ones, which take longer.
        with clock.step(1 / (len(searches) - i)) as seconds:
            try:
                found = optimize_settings(
                    tensor,
                    count,
                    noise=noise,
                    measurements=measurements,
                    search=search,
                    time_limit=seconds,
                    seed=seed,
                    progress=False,
                )
            except SolverError:
                continue
        yield found


def without_white_noise(tensor: CorrelationTensor) -> CorrelationTensor:
    """Returns the state with as much of its white noise removed as possible, so that its lowest eigenvalue is 0.

    Args:
        tensor: Correlations of qubits.
    """
    matrix = density_matrix(tensor)
    lowest = float(np.linalg.eigvalsh(matrix)[0])
    even = 1 / len(matrix)
    if not _EIGENVALUE_ATOL < lowest < even - _EIGENVALUE_ATOL:
        return tensor
    array = tensor.array * (even / (even - lowest))
    array.flat[0] = 1
    return CorrelationTensor(array)


def _of_subsystems(
    tensor: CorrelationTensor, measurements: MeasurementSet | str, seed: int | None, clock: Deadline
) -> Iterator[OptimizedSettings]:
    """Yields settings with which reduced states are nonlocal, as settings of the whole state."""
    n = tensor.num_parties
    with clock.step(SHARE_OF_SUBSYSTEMS) as seconds:
        nonlocal_subsystems = subsystem_settings(tensor, measurements=measurements, seed=seed, time_limit=seconds)
    for parties, found in nonlocal_subsystems[:1]:
        yield lifted_settings(found, tensor, parties, measurements)
    of_four = [parties for parties, _ in nonlocal_subsystems if 4 == len(parties) < n]
    for parties in of_four[:1]:
        # Four qubits leave room for more settings per party than the whole state does.
        with clock.step(0.5) as seconds:
            try:
                found = optimize_settings(
                    tensor.reduce(parties),
                    4,
                    measurements=measurements,
                    search=SettingsSearch("regular"),
                    time_limit=seconds,
                    seed=seed,
                    progress=False,
                )
            except SolverError:
                continue
        yield lifted_settings(found, tensor, parties, measurements)
