"""Which kind of problem the search for a local model of states solves, and its response function."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .._support.validation import is_whole_number
from ..exceptions import ScenarioError
from ..measurements.qubit_sets import PlanarProjective, QubitMeasurementSet
from ..measurements.sets import MeasurementSet
from ..models.effect_features import EffectFeatures, num_polynomials
from ..models.effect_responses import EffectResponse, MeasurementResponse
from ..models.features import Features, PlanarHarmonics, SphericalHarmonics, check_degree
from ..models.responses import DirectionResponse, QubitResponse
from ..targets.correlations import CorrelationTensor
from .direction_problem import DirectionProblem
from .effect_problem import EffectProblem
from .options import SettingsGrid
from .state_problem import StateProblem

__all__ = ["state_problem"]

# Default degree of harmonics of qubits, and of polynomials of effects of dimensions 2, 3, and 4 and more.
_HARMONICS_DEGREE = 5
_EFFECT_DEGREES, _LARGE_DEGREE = {2: 5, 3: 3}, 2
# The default degree is lower where there would be more polynomials.
_MOST_POLYNOMIALS = 512
# Setting combinations of a step for one party, for two and for more: of directions, and of effects, whose measurements
# have more outcomes.
_DIRECTION_SETTINGS, _MANY_DIRECTION_SETTINGS = {1: 64, 2: 1024}, 4096
_EFFECT_SETTINGS, _MANY_EFFECT_SETTINGS = {1: 32, 2: 256}, 512


def state_problem(
    tensors: tuple[CorrelationTensor, ...], sets: tuple[MeasurementSet, ...], response: Any, grid: SettingsGrid
) -> StateProblem:
    """Returns the problem of a search, after checking that its parts fit.

    Parties that all measure qubits projectively have response functions of the Bloch vector; all others those of
    effects.

    Args:
        tensors: Tensors of the states, of the same dimensions.
        sets: The measurements of each party.
        response: What ``find_local_model`` takes as ``response``.
        grid: Settings of training and evaluation.

    Raises:
        ScenarioError: If the response does not fit.
        MeasurementError: If its polynomials need more memory than this machine has.
    """
    num_parties = tensors[0].num_parties
    of_effects = isinstance(response, MeasurementResponse | EffectFeatures)
    if not of_effects and all(isinstance(own, QubitMeasurementSet) for own in sets):
        own_response = _direction_response(_HARMONICS_DEGREE if response is None else response, sets)
        num_settings = grid.num_settings or _DIRECTION_SETTINGS.get(num_parties, _MANY_DIRECTION_SETTINGS)
        return DirectionProblem(tensors, sets, own_response, int(num_settings), grid.sampling)
    num_settings = grid.num_settings or _EFFECT_SETTINGS.get(num_parties, _MANY_EFFECT_SETTINGS)
    return EffectProblem(tensors, sets, _effect_response(response, sets), int(num_settings), grid.sampling)


def _direction_response(response: int | Features | QubitResponse, sets: Sequence[MeasurementSet]) -> QubitResponse:
    num_parties, measurements = len(sets), sets[0]
    if not isinstance(response, Features | QubitResponse):
        degree = check_degree(response, "response")
        if isinstance(measurements, PlanarProjective):
            response = PlanarHarmonics(degree, measurements.vectors)
        else:
            response = SphericalHarmonics(degree)
    if isinstance(response, Features):
        response = DirectionResponse(response, num_parties)
    if response.num_parties != num_parties:
        raise ScenarioError.bad_argument(
            "response", expected=f"one for {num_parties} parties", got=f"one for {response.num_parties}"
        )
    for party_set in sets:
        # The response may tell only the measurements of a plane apart.
        if not response.domain.covers(party_set):
            raise ScenarioError.bad_argument(
                "response",
                expected=f"one that tells {party_set} apart",
                got=f"one for {response.domain}",
                remedy="Pass the plane as measurements, too.",
            )
    return response


def _effect_response(response: Any, sets: Sequence[MeasurementSet]) -> MeasurementResponse:
    dimensions = tuple(own.dimension for own in sets)
    if isinstance(response, EffectFeatures):
        response = EffectResponse((response,) * len(sets))
    if not isinstance(response, MeasurementResponse):
        if response is not None and not (is_whole_number(response) and response >= 1):
            raise ScenarioError.bad_argument(
                "response",
                expected="a degree of at least 1, EffectFeatures, EffectResponse or EffectFunctionResponse",
                got=repr(response),
            )
        features: list[EffectFeatures] = []
        for k, own in enumerate(sets):
            # Parties with equal sets share their features.
            alike = next((features[j] for j in range(k) if sets[j] == own), None)
            degree = default_degree(own) if response is None else int(response)
            features.append(EffectFeatures(own, degree) if alike is None else alike)
        response = EffectResponse(tuple(features))
    if response.dimensions != dimensions:
        raise ScenarioError.bad_argument(
            "response",
            expected=f"one for parties of dimensions {dimensions}",
            got=f"one for parties of dimensions {response.dimensions}",
        )
    return response


def default_degree(measurements: MeasurementSet) -> int:
    """Returns the degree of the polynomials of a party's effects, unless the caller chooses another.

    Args:
        measurements: The measurements of the party.
    """
    degree = _EFFECT_DEGREES.get(measurements.dimension, _LARGE_DEGREE)
    while degree > 1 and num_polynomials(measurements.dimension, degree) > _MOST_POLYNOMIALS:
        degree -= 1
    return degree
