"""Which settings are tried for a state of qubits, from the quickest ones on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from .._support.deadlines import Deadline
from ..exceptions import SolverError
from ..measurements.sets import MeasurementSet, projective_set
from ..projective.settings.correlator_criterion import wwzb_settings
from ..projective.settings.optimization import OptimizedSettings, horodecki_settings, optimize_settings
from ..projective.settings.search_options import SettingsSearch
from ..projective.settings.subsystems import lifted_settings, subsystem_settings
from ..projective.settings.turned_sets import werner_settings
from ..targets.correlations import CorrelationTensor
from ..targets.qubits import planar_tensor
from ..targets.state_tensors import density_matrix

__all__ = ["closed_settings", "searched_settings", "without_white_noise"]

# Method and number of settings per party in the order in which they are tried.
_PLAN = {
    2: (("ascent", 3), ("ascent", 4)),
    3: (("ascent", 2), ("ascent", 3), ("regular", 7), ("regular", 10)),
    4: (("ascent", 2), ("regular", 4)),
}
# What is tried besides where nothing else can settle the question, or the lowest visibility is asked for.
_MORE = {
    2: (("ascent", 5), ("ascent", 6)),
    3: (("regular", 13),),
    4: (("ascent", 3), ("regular", 6)),
    5: (("regular", 4),),
}
_FEW = (("ascent", 2),)
# Random starts: a tenth of these, beside those that are known.
_NUM_STARTS = {False: 40, True: 60}
_NUM_STARTS_OF_MANY = 10
# Of the time, for reduced states.
_SHARE_OF_SUBSYSTEMS = 0.1
_NO_NOISE = 1e-9


def closed_settings(
    tensor: CorrelationTensor,
    *,
    noise: CorrelationTensor | None = None,
    measurements: MeasurementSet | str = "projective",
    seed: int | None = None,
) -> Iterator[OptimizedSettings]:
    """Settings of the criteria that take no long search: of Horodecki and of Werner states (two qubits), or of WWZB.

    In noise other than white there are those of Werner states only.

    Args:
        tensor: Correlations of qubits.
        noise: Other noise, in which the lowest visibility is sought; default: white noise.
        measurements: All projective ones, or those in a coordinate plane.
        seed: Seed, or ``None``.
    """
    seen = planar_tensor(tensor, measurements)
    n = tensor.num_parties
    found = []
    if noise is None and n == 2:
        # In a plane the correlations across it are zero, so the closed form stays in the plane, too.
        found.append(horodecki_settings(seen))
    elif noise is None:
        found.append(wwzb_settings(seen, measurements=measurements, num_starts=8, seed=seed))
    if n == 2 and projective_set(measurements).coordinates.all():
        found.append(werner_settings(tensor, noise))
    for one in found:
        # For the whole state, of which measurements in a plane see a part.
        yield replace(one, correlations=tensor)


def searched_settings(
    tensor: CorrelationTensor,
    *,
    clock: Deadline,
    noise: CorrelationTensor | None = None,
    measurements: MeasurementSet | str = "projective",
    thorough: bool = False,
    seed: int | None = None,
) -> Iterator[OptimizedSettings]:
    """Settings at which a state may be nonlocal, with the inequalities that the polytope finds; fewer settings first.

    In white noise the search is about the state without its own white noise. So states of one line lead to one search,
    and what shows that one of them is nonlocal shows it for all with less noise.

    Args:
        tensor: Correlations of qubits.
        clock: The time.
        noise: Other noise, in which the lowest visibility is sought; default: white noise.
        measurements: All projective ones, or those in a coordinate plane.
        thorough: Whether to try more settings.
        seed: Seed, or ``None``.

    Yields:
        Settings of the state that was given.
    """
    n = tensor.num_parties
    cleaned = without_white_noise(tensor) if noise is None else tensor
    if noise is None and n > 2:
        for found in _of_subsystems(planar_tensor(cleaned, measurements), measurements, seed, clock):
            yield replace(found, correlations=tensor)
    plan = _PLAN.get(n, _FEW) + (_MORE.get(n, ()) if thorough else ())
    for i, (method, count) in enumerate(plan):
        if not clock.has():
            return
        # What one leaves over goes to the next; later ones take longer.
        with clock.step(1 / (len(plan) - i)) as seconds:
            try:
                found = optimize_settings(
                    cleaned,
                    count,
                    noise=noise,
                    measurements=measurements,
                    search=SettingsSearch(method, _NUM_STARTS[thorough] if n < 5 else _NUM_STARTS_OF_MANY),
                    time_limit=seconds,
                    seed=seed,
                )
            except SolverError:
                continue
        yield replace(found, correlations=tensor)


def without_white_noise(tensor: CorrelationTensor) -> CorrelationTensor:
    """The state with as little white noise as leaves it one: on the line from white noise, its lowest eigenvalue is 0.

    Args:
        tensor: Correlations of qubits.
    """
    matrix = density_matrix(tensor)
    lowest = float(np.linalg.eigvalsh(matrix)[0])
    even = 1 / len(matrix)
    if not _NO_NOISE < lowest < even - _NO_NOISE:
        return tensor
    array = tensor.array * (even / (even - lowest))
    array.flat[0] = 1
    return CorrelationTensor(array)


def _of_subsystems(
    tensor: CorrelationTensor, measurements: MeasurementSet | str, seed: int | None, clock: Deadline
) -> Iterator[OptimizedSettings]:
    """Settings with which reduced states are nonlocal, as settings of the whole."""
    n = tensor.num_parties
    with clock.step(_SHARE_OF_SUBSYSTEMS) as seconds:
        of_some = subsystem_settings(tensor, measurements=measurements, seed=seed, time_limit=seconds)
    for parties, found in of_some[:1]:
        yield lifted_settings(found, tensor, parties, measurements)
    for parties, _ in [one for one in of_some if 4 == len(one[0]) < n][:1]:
        # More settings than fit the whole state.
        with clock.step(0.5) as seconds:
            try:
                found = optimize_settings(
                    tensor.reduce(parties),
                    4,
                    measurements=measurements,
                    search=SettingsSearch("regular"),
                    time_limit=seconds,
                    seed=seed,
                )
            except SolverError:
                continue
        yield lifted_settings(found, tensor, parties, measurements)
