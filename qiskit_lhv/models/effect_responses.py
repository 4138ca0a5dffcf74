"""Response functions of measurements of any dimension, which depend on the effects of all outcomes."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .._support.types import ComplexArray, FloatArray
from .._support.validation import generator
from ..exceptions import ScenarioError
from ..measurements.named_sets import measurement_sets
from ..measurements.random_effects import padded
from ..measurements.sets import MeasurementSet
from ..measurements.specification import Measurement, measurement, parse_settings
from ..quantum.parties import QUANTUM_STATES
from ..targets.behaviors import Behavior
from ..targets.correlations import CorrelationTensor
from ..targets.operator_basis import coordinates_of_effects, scenario_of_settings
from ..targets.scenario import BellScenario
from .effect_features import EffectFeatures, effects_of_members, weights_and_bloch_vectors
from .responses import Response

__all__ = ["EffectResponse", "MeasurementResponse", "fine_grained", "stacked_effects"]

# Measurements per party on which a model is checked, and their combinations.
_CHECKED_MEASUREMENTS, _CHECKED_SETTINGS = 12, 256
# Eigenvalues of effects up to this size are rounding.
_ZERO = 1e-10


class MeasurementResponse(Response):
    """Base of the response functions of measurements of any dimension."""

    hidden_axes = "F"

    @property
    @abstractmethod
    def dimensions(self) -> tuple[int, ...]:
        """Dimension of the space of each party."""

    @property
    def num_parties(self) -> int:
        """Number of parties."""
        return len(self.dimensions)

    @property
    @abstractmethod
    def domains(self) -> tuple[MeasurementSet, ...]:
        """The measurements of each party that the responses are made for."""

    def describe(self) -> str:
        """The dimensions of the parties."""
        return f"parties of dimension {', '.join(map(str, self.dimensions))}"

    def parse_settings(self, settings: Any) -> list[Any]:
        """Measurements of each party, of its dimension."""
        return list(parse_settings(settings, self.dimensions))

    def prepared(self, party: int, settings: Any) -> Any:
        """Settings in a form from which ``probabilities`` follow with less work, for many calls with the same ones.

        Args:
            party: Number of the party.
            settings: Measurements, or their effects, shape ``(m, d, D, D)``.
        """
        return settings

    def scenario_of(self, settings: list[Any]) -> BellScenario | None:
        """The scenario of measurements."""
        return scenario_of_settings(settings)

    def comparison(self, target: Any, measurements: Any) -> tuple[Behavior, list[Any]] | None:
        """The target's behavior for fixed random measurements; the target is a state or tensor of these dimensions."""
        if isinstance(target, QUANTUM_STATES):
            target = CorrelationTensor.from_state(target)
        if not isinstance(target, CorrelationTensor) or target.dimensions != self.dimensions:
            return None
        count = min(_CHECKED_MEASUREMENTS, max(2, math.floor(_CHECKED_SETTINGS ** (1 / self.num_parties) + 1e-9)))
        rng = generator(0)
        sets = measurement_sets(self.domains if measurements is None else measurements, self.dimensions)
        drawn = [effects_of_members(party, party.draw(rng, count)) for party in sets]
        settings = [[measurement(own) for own in party] for party in drawn]
        return target.behavior(settings), list(settings)


@dataclass(frozen=True)
class _PreparedSettings:
    """Weights and features of the effects of measurements."""

    weights: FloatArray
    """Traces of the effects, shape ``(m, d * parts)``."""
    features: FloatArray
    """Features, shape ``(m, d * parts, F)``."""
    parts: int
    """How many effects in a row form one outcome."""


@dataclass(frozen=True, eq=False)
class EffectResponse(MeasurementResponse):
    """The response function of PVMs and POVMs: outcome a has probability ``softmax(log Tr E_a + phi_a @ lambda)``.

    The features phi_a are polynomials of the effect's Bloch vector. The probability vanishes with the effect, and to
    split an effect into parts in proportion splits its probability; so measurements may have any number of outcomes.

    Where the features are made for effects of rank one, an effect of higher rank has the sum of the probabilities of
    its eigenvectors' effects.

    Args:
        features: The features of each party; parties may have different dimensions and sets of measurements.

    Raises:
        ScenarioError: If they are not ``EffectFeatures``.

    References:
        arXiv:2407.04673 (response functions of all effects of a measurement).

    Examples:
        A hidden variable of zeros gives each outcome its share of the trace, others prefer some outcomes:

        >>> from qiskit_lhv.measurements import PVMs, measurement
        >>> from qiskit_lhv.models import EffectFeatures
        >>> response = EffectResponse((EffectFeatures(PVMs(3), degree=1),) * 2)
        >>> response.hidden_shapes
        [(8,), (8,)]
        >>> basis = [measurement(basis=np.eye(3))]
        >>> response.probabilities(0, np.zeros((1, 8)), basis).round(3).tolist()
        [[[0.333, 0.333, 0.333]]]
        >>> preferences = response.probabilities(0, np.ones((1, 8)), basis)
        >>> preferences.sum(axis=2).round(12).tolist(), preferences.std() > 0.01
        ([[1.0]], np.True_)
    """

    features: tuple[EffectFeatures, ...]
    """The features of each party."""

    def __post_init__(self) -> None:
        given = self.features if isinstance(self.features, Sequence) else ()
        if not given or not all(isinstance(own, EffectFeatures) for own in given):
            raise ScenarioError.bad_argument(
                "features", expected="EffectFeatures for each party", got=repr(self.features)
            )
        object.__setattr__(self, "features", tuple(given))

    def __str__(self) -> str:
        return f"EffectResponse({', '.join(map(str, self.features))})"

    @property
    def dimensions(self) -> tuple[int, ...]:
        """Dimensions of the features."""
        return tuple(own.dimension for own in self.features)

    @property
    def domains(self) -> tuple[MeasurementSet, ...]:
        """The sets of measurements of the features."""
        return tuple(own.measurements for own in self.features)

    @property
    def hidden_shapes(self) -> list[tuple[int, ...]]:
        """Shape ``(number of features,)`` for each party."""
        return [(own.size,) for own in self.features]

    def probabilities(self, party: int, hidden_variables: FloatArray, settings: Any) -> FloatArray:
        """Softmax over outcomes, weighted by the traces of the effects.

        Args:
            party: Number of the party.
            hidden_variables: Shape ``(H, F)``.
            settings: Measurements, their effects, shape ``(m, d, D, D)``, or what :meth:`prepared` returns.
        """
        given = self.prepared(party, settings)
        weights, features, parts = given.weights, given.features, given.parts
        logits = np.tensordot(hidden_variables, features, axes=(1, 2))
        # The weight of an outcome that a measurement lacks is zero; its logit must not be the largest.
        logits = np.where(weights > 0, logits, -np.inf)
        shifted = weights * np.exp(logits - logits.max(axis=2, keepdims=True))
        table = shifted / shifted.sum(axis=2, keepdims=True)
        return np.asarray(table.reshape(*table.shape[:2], -1, parts).sum(axis=3))

    def outcome_probability(
        self, party: int, hidden_variables: FloatArray, settings: Any
    ) -> Callable[[int, int], FloatArray]:
        """p(a|x, lambda) as ``1 / sum(exp(differences))``, outcome by outcome.

        Args:
            party: Number of the party.
            hidden_variables: Shape ``(H, F)``.
            settings: Measurements, their effects, shape ``(m, d, D, D)``, or what :meth:`prepared` returns.
        """
        given = self.prepared(party, settings)
        weights, features, parts = given.weights, given.features, given.parts

        def response(x: int, a: int) -> FloatArray:
            total = np.zeros(len(hidden_variables))
            for part in range(a * parts, (a + 1) * parts):
                if weights[x, part] > 0:
                    differences = hidden_variables @ (features[x] - features[x, part]).T
                    with np.errstate(over="ignore"):
                        total += weights[x, part] / (np.exp(differences) @ weights[x])
            return total

        return response

    def prepared(self, party: int, settings: Any) -> _PreparedSettings:
        """Weights and features of the effects of measurements.

        Args:
            party: Number of the party.
            settings: Measurements, or their effects, shape ``(m, d, D, D)``.
        """
        if isinstance(settings, _PreparedSettings):
            return settings
        own, effects, parts = self.features[party], stacked_effects(settings), 1
        if own.rank_one:
            # The features are made for effects of rank one.
            effects, parts = fine_grained(effects)
        coordinates = coordinates_of_effects(effects)
        weights, _ = weights_and_bloch_vectors(coordinates)
        return _PreparedSettings(weights, own.of_coordinates(coordinates), parts)


def stacked_effects(settings: Any) -> ComplexArray:
    """Effects of measurements, shape ``(m, d, D, D)``; those of outcomes that a measurement does not have are zero.

    Args:
        settings: Measurements of one dimension, or such effects.
    """
    if isinstance(settings, np.ndarray):
        return settings
    chosen: Sequence[Measurement] = settings
    most = max(own.num_outcomes for own in chosen)
    return np.concatenate([padded(own.effects[None], most) for own in chosen])


def fine_grained(effects: ComplexArray) -> tuple[ComplexArray, int]:
    """Effects of rank one, by which each effect of higher rank is replaced: those of its eigenvectors.

    Args:
        effects: Shape ``(m, d, D, D)``.

    Returns:
        Effects of shape ``(m, d * parts, D, D)``, and the number of parts in a row that add up to one effect.
    """
    values, vectors = np.linalg.eigh(effects)
    values = np.where(values > _ZERO, values, 0.0)
    parts = int(np.sum(values > 0, axis=-1).max())
    if parts <= 1:
        return effects, 1
    # The largest eigenvalues come last.
    values, vectors = values[..., -parts:], vectors[..., -parts:]
    split = np.einsum("xap,xaip,xajp->xapij", values, vectors, vectors.conj())
    return split.reshape(len(effects), -1, *effects.shape[2:]), parts
