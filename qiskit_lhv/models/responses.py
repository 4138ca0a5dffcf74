"""Response functions p(a|x, lambda): how a party's outcome depends on its setting and the hidden variable."""

from __future__ import annotations

import json
import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from .._support.records import Record, encode
from .._support.types import FloatArray
from .._support.validation import generator, whole_number
from ..exceptions import ScenarioError
from ..measurements.bloch_vectors import bloch_vectors
from ..measurements.named_sets import measurement_sets
from ..measurements.qubit_sets import AllProjective, QubitMeasurementSet
from ..quantum.parties import QUANTUM_STATES
from ..targets.behaviors import Behavior
from ..targets.correlations import CorrelationTensor
from ..targets.scenario import BellScenario, check_scenario
from .features import Features
from .local_model import check_setting_numbers

__all__ = ["DirectionResponse", "QubitResponse", "Response", "TableResponse"]


# Directions per party on which a model of all projective measurements is checked, and their combinations.
_CHECKED_DIRECTIONS, _CHECKED_SETTINGS = 16, 512


class Response(Record, ABC):
    """Base of the response functions."""

    hidden_axes: ClassVar[str]
    """Names of the axes of one hidden variable."""

    @property
    @abstractmethod
    def hidden_shapes(self) -> list[tuple[int, ...]]:
        """Shape of one hidden variable of each party."""

    @abstractmethod
    def describe(self) -> str:
        """Returns a short description of what the responses depend on."""

    @abstractmethod
    def parse_settings(self, settings: Any) -> list[Any]:
        """Returns the settings of each party in the form that ``probabilities`` takes.

        Args:
            settings: Settings as a user names them.

        Raises:
            ScenarioError: If they do not fit.
        """

    @abstractmethod
    def probabilities(self, party: int, hidden_variables: FloatArray, settings: Any) -> FloatArray:
        """Returns the response probabilities p(a|x, lambda) of one party.

        Args:
            party: Number of the party.
            hidden_variables: Shape ``(H, ...)``.
            settings: One entry of what ``parse_settings`` returns.

        Returns:
            Shape ``(H, m, d)``.
        """

    @abstractmethod
    def comparison(self, target: Any, measurements: Any) -> tuple[Behavior, list[Any]] | None:
        """Returns the table that a model is checked against, with the settings of each party.

        Args:
            target: What the model should reproduce.
            measurements: From which measurements the settings are drawn; ``None``: from the responses' own domain.

        Returns:
            The table and the settings, or ``None`` if a model can say nothing about such a target.
        """

    @abstractmethod
    def outcome_probability(
        self, party: int, hidden_variables: FloatArray, settings: Any
    ) -> Callable[[int, int], FloatArray]:
        """Returns the same probabilities computed differently, for checks; a function of setting and outcome."""

    def scenario_of(self, settings: list[Any]) -> BellScenario | None:
        """Returns the scenario of settings whose numbers of outcomes may differ; ``None``: the table tells it.

        Args:
            settings: What ``parse_settings`` returns.
        """
        return None

    def identity(self) -> str:
        """Returns a text that distinguishes this response function from others."""
        return json.dumps(encode(self))


@dataclass(frozen=True, eq=False)
class TableResponse(Response):
    """The response function of a finite scenario: one free number for each setting and outcome.

    The features of a setting are its one-hot vector, so the hidden variable of a party is a table of
    logits, shape ``(m, d)``; those of outcomes that a setting does not have are not used.

    Args:
        scenario: The scenario.

    Raises:
        ScenarioError: If it is no scenario.

    References:
        arXiv:2407.04673 (the method, for measurements given by their effects).

    Examples:
        One hidden variable of a party with two settings: at the first both outcomes are equally likely, at the second
        the odds are e to 1.

        >>> response = TableResponse(BellScenario((2, 2), 2))
        >>> logits = np.array([[[0.0, 0.0], [1.0, 0.0]]])
        >>> response.probabilities(0, logits, [0, 1]).round(3).tolist()
        [[[0.5, 0.5], [0.731, 0.269]]]
        >>> response.hidden_shapes
        [(2, 2), (2, 2)]
    """

    scenario: BellScenario
    """The number of settings and outcomes of each party."""
    hidden_axes: ClassVar[str] = "m, d"

    def __post_init__(self) -> None:
        check_scenario(self.scenario)

    @property
    def hidden_shapes(self) -> list[tuple[int, ...]]:
        """Shape ``(m, d)`` for each party."""
        return list(zip(self.scenario.num_settings, self.scenario.max_outcomes, strict=True))

    def describe(self) -> str:
        """The scenario."""
        return str(self.scenario)

    def parse_settings(self, settings: Sequence[int | None] | None) -> list[Any]:
        """Numbers of the settings: all of a party where the entry is ``None``.

        Args:
            settings: For each party the number of a setting, or ``None`` for all of them; ``None``: all of all parties.
        """
        chosen = check_setting_numbers(settings, self.scenario)
        return [list(range(m)) if x is None else [x] for x, m in zip(chosen, self.scenario.num_settings, strict=True)]

    def probabilities(self, party: int, hidden_variables: FloatArray, settings: list[int]) -> FloatArray:
        """Softmax of the logits of the settings.

        Args:
            party: Number of the party.
            hidden_variables: Logits, shape ``(H, m, d)``.
            settings: Numbers of the settings.
        """
        logits = self._logits(party, hidden_variables)[:, settings]
        shifted = np.exp(logits - logits.max(axis=2, keepdims=True))
        return shifted / shifted.sum(axis=2, keepdims=True)

    def _logits(self, party: int, hidden_variables: FloatArray) -> FloatArray:
        """The logits, minus infinity for outcomes that a setting does not have."""
        if self.scenario.has_equal_outcomes:
            return hidden_variables
        return np.where(self.scenario.party_masks[party], hidden_variables, -np.inf)

    def comparison(self, target: Any, measurements: Any) -> tuple[Behavior, list[Any]] | None:
        """A behavior of the scenario, whole.

        Args:
            target: What the model should reproduce.
            measurements: Has to be ``None``.
        """
        if not isinstance(target, Behavior) or target.scenario != self.scenario or measurements is not None:
            return None
        return target, self.parse_settings(None)

    def outcome_probability(
        self, party: int, hidden_variables: FloatArray, settings: list[int]
    ) -> Callable[[int, int], FloatArray]:
        """p(a|x, lambda) as ``1 / sum(exp(differences))``: the softmax without the shift.

        Args:
            party: Number of the party.
            hidden_variables: Logits, shape ``(H, m, d)``.
            settings: Numbers of the settings.
        """

        def response(x: int, a: int) -> FloatArray:
            if a >= self.scenario.num_outcomes[party][settings[x]]:
                return np.zeros(len(hidden_variables))
            logits = self._logits(party, hidden_variables)[:, settings[x], :]
            with np.errstate(over="ignore"):
                return 1 / np.exp(logits - logits[:, a][:, None]).sum(axis=1)

        return response


class QubitResponse(Response, ABC):
    """Base of the response functions of projective qubit measurements, which depend on a Bloch vector."""

    num_parties: int
    hidden_axes: ClassVar[str] = "F"

    def __post_init__(self) -> None:
        whole_number(self.num_parties, "num_parties", ScenarioError)

    @property
    def domain(self) -> QubitMeasurementSet:
        """The measurements that the responses tell apart."""
        return AllProjective()

    def describe(self) -> str:
        """The number of qubits."""
        return f"{self.num_parties} qubits" if self.num_parties > 1 else "1 qubit"

    def parse_settings(self, settings: Any) -> list[Any]:
        """Bloch vectors of each party's settings."""
        return list(bloch_vectors(settings, self.num_parties))

    @abstractmethod
    def means(self, party: int, hidden_variables: FloatArray, directions: FloatArray) -> FloatArray:
        """Mean outcome, p(0) - p(1), of shape ``(H, m)``, for Bloch vectors of shape ``(m, 3)``.

        Args:
            party: Number of the party.
            hidden_variables: Shape ``(H, F)``.
            directions: Bloch vectors, shape ``(m, 3)``.
        """

    def probabilities(self, party: int, hidden_variables: FloatArray, settings: FloatArray) -> FloatArray:
        """Probabilities of both outcomes for Bloch vectors ``settings`` of shape ``(m, 3)``.

        Args:
            party: Number of the party.
            hidden_variables: Shape ``(H, F)``.
            settings: Bloch vectors, shape ``(m, 3)``.
        """
        mean = self.means(party, hidden_variables, settings)
        return np.stack([1 + mean, 1 - mean], axis=2) / 2

    def comparison(self, target: Any, measurements: Any) -> tuple[Behavior, list[Any]] | None:
        """The target's behavior for fixed random directions; the target is a state or tensor of as many qubits."""
        if isinstance(target, QUANTUM_STATES):
            target = CorrelationTensor.from_state(target)
        if not isinstance(target, CorrelationTensor) or target.dimensions != (2,) * self.num_parties:
            return None
        count = min(_CHECKED_DIRECTIONS, max(2, math.floor(_CHECKED_SETTINGS ** (1 / self.num_parties) + 1e-9)))
        rng = generator(0)
        sets = measurement_sets(self.domain if measurements is None else measurements, (2,) * self.num_parties)
        directions = [party.draw(rng, count) for party in sets]
        return target.behavior([list(party) for party in directions]), list(directions)


@dataclass(frozen=True, eq=False)
class DirectionResponse(QubitResponse):
    """The response function of projective qubit measurements: ``sigmoid(2 features(n) @ lambda)`` for outcome 0.

    The features are odd in the Bloch vector n, so swapping the outcomes is turning n into -n.

    Args:
        features: The features of a direction.
        num_parties: Number of parties, each of one qubit.

    Raises:
        ScenarioError: If the features are not ``Features`` or the number of parties is not positive.

    References:
        J. S. Bell, Physics Physique Fizika 1, 195 (1964); arXiv:2407.04673.

    Examples:
        With features of degree 1, a long hidden variable decides the outcome by the side on which the direction lies:

        >>> from qiskit_lhv.models import OddMonomials
        >>> response = DirectionResponse(OddMonomials(1), num_parties=2)
        >>> directions = np.array([[0, 0, 1], [0.6, 0, 0.8], [1, 0, 0], [0, 0, -1]])
        >>> for length in (0.5, 5):
        ...     print(response.means(0, np.array([[0, 0, length]]), directions).round(3).tolist())
        [[0.462, 0.38, 0.0, -0.462]]
        [[1.0, 0.999, 0.0, -1.0]]
    """

    features: Features
    """The features of a direction."""
    num_parties: int
    """Number of parties."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not isinstance(self.features, Features):
            raise ScenarioError.bad_argument("features", expected="Features", got=repr(self.features))

    @property
    def hidden_shapes(self) -> list[tuple[int, ...]]:
        """Shape ``(number of features,)`` for each party."""
        return [(self.features.size,)] * self.num_parties

    @property
    def domain(self) -> QubitMeasurementSet:
        """The domain of the features."""
        return self.features.domain

    def means(self, party: int, hidden_variables: FloatArray, directions: FloatArray) -> FloatArray:
        """``tanh(features(n) @ lambda)``.

        Args:
            party: Number of the party.
            hidden_variables: Shape ``(H, F)``.
            directions: Bloch vectors, shape ``(m, 3)``.
        """
        return np.tanh(hidden_variables @ self.features.evaluate(directions).T)

    def outcome_probability(
        self, party: int, hidden_variables: FloatArray, settings: FloatArray
    ) -> Callable[[int, int], FloatArray]:
        """p(a|n, lambda) as a logistic function, without the hyperbolic tangent.

        Args:
            party: Number of the party.
            hidden_variables: Shape ``(H, F)``.
            settings: Bloch vectors, shape ``(m, 3)``.
        """
        features = self.features.evaluate(settings)

        def response(x: int, a: int) -> FloatArray:
            sign = 1 - 2 * a
            with np.errstate(over="ignore"):
                return 1 / (1 + np.exp(-2 * sign * (hidden_variables @ features[x])))

        return response
