"""Local models with smooth response functions, p(a|x, lambda) = softmax(features(x) @ lambda)."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from .._records import Record
from .._validation import generator, is_whole_number, real_array
from ..exceptions import ScenarioError
from ..quantum.measurements import Measurement, parse_settings
from ..targets.behaviors import Behavior
from ..targets.correlations import CorrelationTensor
from ..targets.scenario import BellScenario, check_scenario
from ..verification import Verification
from .features import Features
from .local_model import LocalModel, check_weights, select_settings

__all__ = ["DirectionResponse", "Response", "ResponseModel", "TableResponse"]

FloatArray = NDArray[np.float64]

# Directions a party on which a model of all projective measurements is checked.
_CHECKED_DIRECTIONS = 16


class Response(Record, ABC):
    """Base of the response functions."""

    hidden_axes: ClassVar[str]
    """Names of the axes of one hidden variable."""

    @property
    @abstractmethod
    def hidden_shapes(self) -> list[tuple[int, ...]]:
        """Shape of one hidden variable of each party."""

    @abstractmethod
    def probabilities(self, party: int, hidden_variables: FloatArray, settings: FloatArray | None) -> FloatArray:
        """Response probabilities p(a|x, lambda) of one party.

        Args:
            party: Number of the party.
            hidden_variables: Shape ``(H, ...)``.
            settings: What distinguishes the settings, where the hidden variables alone do not.

        Returns:
            Shape ``(H, m, d)``.
        """


@dataclass(frozen=True, eq=False)
class TableResponse(Response):
    """The response function of a finite scenario: one free number for each setting and outcome.

    The features of a setting are its one-hot vector, so the hidden variable of a party is a table of
    logits, shape ``(m, d)``.

    Args:
        scenario: The scenario.
    """

    scenario: BellScenario
    """The number of settings and outcomes of each party."""
    hidden_axes: ClassVar[str] = "m, d"

    def __post_init__(self) -> None:
        check_scenario(self.scenario)

    @property
    def hidden_shapes(self) -> list[tuple[int, ...]]:
        """Shape ``(m, d)`` for each party."""
        return list(zip(self.scenario.num_settings, self.scenario.num_outcomes, strict=True))

    def probabilities(self, party: int, hidden_variables: FloatArray, settings: FloatArray | None = None) -> FloatArray:
        """Softmax of the logits; the settings are those of the table."""
        shifted = np.exp(hidden_variables - hidden_variables.max(axis=2, keepdims=True))
        return shifted / shifted.sum(axis=2, keepdims=True)


@dataclass(frozen=True, eq=False)
class DirectionResponse(Response):
    """The response function of projective qubit measurements: ``sigmoid(2 features(n) @ lambda)`` for outcome 0.

    The features are odd in the Bloch vector n, so swapping the outcomes is turning n into -n.

    Args:
        features: The features of a direction.
        num_parties: Number of parties, each of one qubit.

    Raises:
        ScenarioError: If the features are none or the number of parties is not positive.
    """

    features: Features
    """The features of a direction."""
    num_parties: int
    """Number of parties."""
    hidden_axes: ClassVar[str] = "F"

    def __post_init__(self) -> None:
        if not isinstance(self.features, Features):
            raise ScenarioError.bad_argument("features", expected="Features", got=repr(self.features))
        if not is_whole_number(self.num_parties) or self.num_parties < 1:
            raise ScenarioError.bad_argument(
                "num_parties", expected="a whole number of at least 1", got=repr(self.num_parties)
            )

    @property
    def hidden_shapes(self) -> list[tuple[int, ...]]:
        """Shape ``(number of features,)`` for each party."""
        return [(self.features.size,)] * self.num_parties

    def probabilities(self, party: int, hidden_variables: FloatArray, settings: FloatArray | None = None) -> FloatArray:
        """Probabilities of both outcomes for Bloch vectors ``settings`` of shape ``(m, 3)``."""
        if settings is None:
            raise ScenarioError.bad_argument("settings", expected="Bloch vectors, shape (m, 3)", got="None")
        mean = np.tanh(hidden_variables @ self.features.evaluate(settings).T)
        return np.stack([1 + mean, 1 - mean], axis=2) / 2


@dataclass(frozen=True, eq=False, repr=False)
class ResponseModel(LocalModel):
    """A local model: an ensemble of hidden variables and a response function.

    Args:
        hidden_variables: For each party an array of shape ``(H, m_k, d_k)`` (finite scenarios) or
            ``(H, F)`` with F features (all projective measurements).
        response: The response function.
        weights: Probability of each hidden variable, shape ``(H,)``; default: all equally likely.

    Raises:
        ScenarioError: If the shapes do not fit, an entry is not finite, or the weights are no probabilities.
    """

    hidden_variables: tuple[FloatArray, ...]
    """Hidden variables of each party, shape ``(H, m_k, d_k)`` or ``(H, F)``."""
    response: Response
    """The response function."""
    weights: FloatArray = None  # type: ignore[assignment]  # filled in below
    """Probability of each hidden variable, shape ``(H,)``."""

    def __post_init__(self) -> None:
        shapes, axes = self.response.hidden_shapes, self.response.hidden_axes
        arrays = tuple(
            real_array(v, "hidden_variables", ScenarioError, ndim=1 + len(shapes[0])) for v in self.hidden_variables
        )
        if [array.shape[1:] for array in arrays] != shapes or len({len(array) for array in arrays}) != 1:
            raise ScenarioError.bad_argument(
                "hidden_variables",
                expected=f"for each party an array of shape (H, {axes}) with ({axes}) in {shapes}",
                got=f"shapes {[array.shape for array in arrays]}",
            )
        if not len(arrays[0]):
            raise ScenarioError.bad_argument("hidden_variables", expected="at least one", got="none")
        count = len(arrays[0])
        weights = np.full(count, 1 / count) if self.weights is None else self.weights
        object.__setattr__(self, "hidden_variables", arrays)
        object.__setattr__(self, "weights", check_weights(weights, count))

    def __repr__(self) -> str:
        kind = self.scenario if isinstance(self.response, TableResponse) else f"{self.num_parties} qubits"
        return f"ResponseModel({self.num_hidden} hidden variables, {kind})"

    @property
    def num_hidden(self) -> int:
        """Size of the ensemble."""
        return len(self.hidden_variables[0])

    @property
    def num_parties(self) -> int:
        """Number of parties."""
        return len(self.hidden_variables)

    @property
    def scenario(self) -> BellScenario | None:
        """The number of settings and outcomes of each party; ``None`` for all projective measurements."""
        return self.response.scenario if isinstance(self.response, TableResponse) else None

    def behavior(self, settings: Sequence[Any] | str | None = None) -> Behavior:
        """The behavior that the model produces.

        Args:
            settings: In a finite scenario, for each party the setting to keep, or ``None`` for all of them;
                default: all. For all projective measurements, one sequence of single-qubit measurements
                a party (anything that ``measurement`` takes), or a name.

        Raises:
            ScenarioError: If a setting is out of range, or needed and not given.
            MeasurementError: If a measurement is not a projective one of one qubit.
        """
        table = self._table(None if isinstance(self.response, TableResponse) else self._directions(settings))
        if isinstance(self.response, TableResponse):
            return select_settings(Behavior(table), settings)  # type: ignore[arg-type]
        return Behavior(table)

    def _directions(self, settings: Sequence[Any] | str | None) -> list[FloatArray]:
        if settings is None:
            raise ScenarioError.bad_argument(
                "settings", expected="one sequence of measurements a party", got="None", remedy="Choose them."
            )
        return [
            np.stack([_direction(k, one) for one in party])
            for k, party in enumerate(parse_settings(settings, [2] * self.num_parties))
        ]

    def _table(self, settings: list[FloatArray] | None) -> FloatArray:
        n = self.num_parties
        terms: list[Any] = [self.weights, [2 * n]]
        for k, hidden in enumerate(self.hidden_variables):
            chosen = None if settings is None else settings[k]
            terms += [self.response.probabilities(k, hidden, chosen), [2 * n, k, n + k]]
        return np.einsum(*terms, list(range(2 * n)), optimize="greedy")

    def verify(self, target: Behavior | CorrelationTensor | None = None, atol: float = 1e-3) -> Verification:
        """Recomputes the behavior hidden variable by hidden variable and compares it with a target.

        The sums are exactly rounded (``math.fsum``), so the result is good to about 1e-15. A tensor, the
        target of a model for all projective measurements (or all in a plane), is compared on fixed
        random directions: that is an estimate, not a proof.

        Args:
            target: A behavior (finite scenarios) or a tensor of qubits that the model should reproduce;
                default: only the model itself.
            atol: Largest deviation allowed in any probability.

        Returns:
            Whether the model reproduces the target, with the largest deviation.
        """
        if target is None:
            return Verification(True, f"an average over {self.num_hidden} products of response functions")
        if isinstance(self.response, TableResponse):
            if not isinstance(target, Behavior) or target.scenario != self.scenario:
                return Verification(False, f"the target is {target!r}, the model has {self.scenario}", math.inf)
            outcomes = [_softmax_responses(hidden) for hidden in self.hidden_variables]
        else:
            if not isinstance(target, CorrelationTensor) or target.dimensions != (2,) * self.num_parties:
                return Verification(False, f"the target is {target!r}, the model {self!r}", math.inf)
            rng = generator(0)
            plane = getattr(self.response.features, "plane", None)  # type: ignore[attr-defined]
            directions = [_random_directions(rng, _CHECKED_DIRECTIONS, plane) for _ in range(self.num_parties)]
            target = target.behavior([list(party) for party in directions])
            features = [self.response.features.evaluate(d) for d in directions]  # type: ignore[attr-defined]
            outcomes = [
                _logistic_responses(hidden, f) for hidden, f in zip(self.hidden_variables, features, strict=True)
            ]
        n, deviation = self.num_parties, 0.0
        for cell in np.ndindex(target.array.shape):
            product = self.weights
            for k in range(n):
                product = product * outcomes[k](cell[k], cell[n + k])
            deviation = max(deviation, abs(math.fsum(product) - float(target.array[cell])))
        relation = "within" if deviation <= atol else "but not within"
        return Verification(
            deviation <= atol,
            f"{self.num_hidden} hidden variables reproduce the target to {deviation:.2g}, {relation} {atol:g}",
            deviation,
        )


def _softmax_responses(logits: FloatArray) -> Any:
    """p(a|x, lambda) as ``1 / sum(exp(differences))``: the softmax without the solver's shift."""

    def response(x: int, a: int) -> FloatArray:
        with np.errstate(over="ignore"):
            return 1 / np.exp(logits[:, x, :] - logits[:, x, a][:, None]).sum(axis=1)

    return response


def _logistic_responses(hidden: FloatArray, features: FloatArray) -> Any:
    """p(a|n, lambda) as a logistic function, without the solver's hyperbolic tangent."""

    def response(x: int, a: int) -> FloatArray:
        sign = 1 - 2 * a
        with np.errstate(over="ignore"):
            return 1 / (1 + np.exp(-2 * sign * (hidden @ features[x])))

    return response


def _direction(party: int, one: Measurement) -> FloatArray:
    """Bloch vector of outcome 0 of a projective qubit measurement."""
    if one.bloch_vectors is None or one.outcome_of is None:
        raise ScenarioError.bad_argument(
            f"settings[{party}]", expected="projective measurements of one qubit", got=repr(one)
        )
    return one.bloch_vectors[0] * (1 - 2 * one.outcome_of[0])


def _random_directions(rng: np.random.Generator, count: int, plane: FloatArray | None) -> FloatArray:
    vectors = rng.normal(size=(count, 3)) if plane is None else rng.normal(size=(count, 2)) @ plane
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
