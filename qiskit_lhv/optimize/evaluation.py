"""The evaluation of a model in float64, on measurements that training did not use."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from .._support.records import Record
from .._support.validation import generator, whole_number
from ..exceptions import LHVError, MeasurementError, ScenarioError
from ..measurements.effect_sets import POVMs, PVMs
from ..measurements.named_sets import measurement_sets
from ..measurements.qubit_sets import AllProjective, QubitMeasurementSet
from ..measurements.sets import MeasurementSet
from ..models.effect_features import effects_of_members
from ..models.effect_responses import MeasurementResponse
from ..models.ensemble import ResponseModel
from ..models.responses import QubitResponse
from ..quantum.qubit_layouts import PhysicalQubits
from ..targets.correlations import CorrelationTensor
from ..targets.operator_basis import coordinates_of_effects
from .direction_problem import correlators_to_probabilities, target_probabilities
from .effect_problem import outcome_table
from .povm_kinds import povm_kinds
from .state_problem import searched_tensor

__all__ = ["Evaluation", "evaluate_model"]

_BLOCK = 200
# Number of products of responses that are computed at once.
_PRODUCTS = 2**16
# Share of the settings that are drawn from each further kind of POVMs.
_SHARE_OF_KIND = 4

# Draws a number of members of a party's set, as effects or as Bloch vectors.
_Draw = Callable[[np.random.Generator, int], np.ndarray]


@dataclass(frozen=True, eq=False, repr=False)
class Evaluation(Record):
    """Losses of a model on fresh random settings, in float64.

    :func:`evaluate_model` makes it, and ``evaluation`` of a :class:`LocalModelResult` is one.

    References:
        arXiv:2407.04673 (the divergence, averaged over random measurements, as the loss).

    Examples:
        Bell's model of 1964 beside the singlet, whose probabilities it misses by several percent:

        >>> from qiskit_lhv.measurements import random_directions
        >>> from qiskit_lhv.models import DirectionResponse, OddMonomials
        >>> from qiskit_lhv.quantum import werner_state
        >>> axes = 1e6 * random_directions(4000, seed=1)
        >>> model = ResponseModel((axes, -axes), DirectionResponse(OddMonomials(1), num_parties=2))
        >>> evaluation = evaluate_model(model, werner_state(1), num_settings=1000)
        >>> evaluation.num_settings, round(evaluation.max_deviation, 2), round(evaluation.kl_divergence, 3)
        (1000, 0.07, 0.019)
    """

    kl_divergence: float
    """Mean Kullback-Leibler divergence of the target from the model, in nats per trial."""
    kl_standard_error: float
    """Its standard error over the settings drawn."""
    l1_distance: float
    """Mean sum of absolute differences of the probabilities (L1)."""
    squared_distance: float
    """Mean sum of squared differences of the probabilities (L2)."""
    max_deviation: float
    """Largest absolute difference of any probability."""
    num_settings: int
    """Number of setting combinations drawn."""
    kinds: dict[str, Evaluation] = field(default_factory=dict)
    """For POVMs, the same on other kinds of POVMs, by their names: projective measurements, trines (qubits), symmetric
    informationally complete POVMs (dimensions 2 and 3), and Haar-random POVMs of several numbers of outcomes."""

    @property
    def worst_divergence(self) -> float:
        """Largest of the divergences on all kinds of measurements."""
        return max([self.kl_divergence, *(kind.kl_divergence for kind in self.kinds.values())])

    def __str__(self) -> str:
        text = (
            f"KL {self.kl_divergence:.3e} +- {self.kl_standard_error:.1e} nats per trial, largest deviation "
            f"{self.max_deviation:.2e} on {self.num_settings} fresh settings"
        )
        kinds = [f"{name} {kind.kl_divergence:.3e}" for name, kind in self.kinds.items()]
        return f"{text}; {', '.join(kinds)}" if kinds else text


def evaluate_model(
    model: ResponseModel,
    target: Any,
    *,
    parties: Sequence[Any] | PhysicalQubits | None = None,
    measurements: Any = "projective",
    num_settings: int = 2000,
    seed: int | None = 0,
) -> Evaluation:
    """Compares a model with a state's tensor on independent random settings.

    Where parties measure all POVMs, the model is also compared on other kinds of POVMs than are drawn from their sets,
    on a quarter as many settings each.

    Args:
        model: A model of a state, as ``find_local_model`` returns it.
        target: A state of the same dimensions or its ``CorrelationTensor``.
        parties: The qubits of each party of a state; default: party k is subsystem k.
        measurements: Measurements from which the settings are drawn, of any kind, such as others than the model was
            trained on; see ``find_local_model``. A model with response functions of Bloch vectors knows projective
            measurements only.
        num_settings: Number of setting combinations, each drawn independently.
        seed: Seed of the settings.

    Returns:
        The losses, averaged over the settings, and the largest deviation of a probability.

    Raises:
        ScenarioError: If model and target do not fit.
        MeasurementError: If the target is not a valid state, or one of more than 6 qubits, or the measurements are
            unknown or not those of the model's responses.
        LHVError: If the number of settings is not at least 2.

    References:
        arXiv:2407.04673 (the divergence, averaged over random measurements, as the loss).

    Examples:
        Bell's model of 1964 beside Werner states: it is near one with visibility 0.75, but reproduces none.

        >>> from qiskit_lhv.measurements import random_directions
        >>> from qiskit_lhv.models import DirectionResponse, OddMonomials
        >>> from qiskit_lhv.quantum import werner_state
        >>> axes = 1e6 * random_directions(4000, seed=1)
        >>> model = ResponseModel((axes, -axes), DirectionResponse(OddMonomials(1), num_parties=2))
        >>> for visibility in (0.5, 0.75, 1):
        ...     evaluation = evaluate_model(model, werner_state(visibility), num_settings=1000)
        ...     print(visibility, round(evaluation.kl_divergence, 3), round(evaluation.max_deviation, 2))
        0.5 0.021 0.13
        0.75 0.003 0.07
        1 0.019 0.07
    """
    if not isinstance(model, ResponseModel):
        raise ScenarioError.bad_argument("model", expected="a ResponseModel", got=repr(model))
    tensor = searched_tensor(target, parties, "target")
    response = model.response
    if isinstance(response, QubitResponse):
        dimensions: tuple[int, ...] | None = (2,) * response.num_parties
    else:
        dimensions = response.dimensions if isinstance(response, MeasurementResponse) else None
    if tensor.dimensions != dimensions:
        raise ScenarioError.bad_argument(
            "target", expected=f"a state for {model!r}", got=f"parties of dimensions {tensor.dimensions}"
        )
    num_settings = whole_number(num_settings, "num_settings", LHVError, minimum=2)
    sets, rng = measurement_sets(measurements, tensor.dimensions), generator(seed)
    if isinstance(response, QubitResponse):
        known = [_bloch_vector_set(own) for own in sets]

        def of_directions(count: int) -> tuple[np.ndarray, np.ndarray]:
            vectors = [own.draw(rng, count) for own in known]
            # Every combination is a grid of one direction per party.
            p = target_probabilities(tensor, [own[:, None, :] for own in vectors])
            return p.reshape((-1, *(2,) * len(known))), _probabilities(model, vectors)

        return _evaluated(of_directions, num_settings)
    kinds: dict[str, Evaluation] = {}
    povm_parties = [k for k, own in enumerate(sets) if isinstance(own, POVMs) and own.num_outcomes is None]
    draws = [_drawing(own) for own in sets]
    whole = _evaluated(lambda count: _tables(model, tensor, draws, rng, count), num_settings)
    if povm_parties:
        by_party = {k: povm_kinds(sets[k].dimension) for k in povm_parties}
        names = [name for name in by_party[povm_parties[0]] if all(name in own for own in by_party.values())]
        for name in names:
            own_draws = [by_party[k][name] if k in by_party else draws[k] for k in range(len(sets))]
            kinds[name] = _evaluated(
                lambda count, drawn=own_draws: _tables(model, tensor, drawn, rng, count),  # type: ignore[misc]
                max(2, num_settings // _SHARE_OF_KIND),
            )
    return replace(whole, kinds=kinds)


def _bloch_vector_set(measurements: MeasurementSet) -> MeasurementSet:
    """The same set with Bloch vectors as members, if it consists of projective measurements of a qubit."""
    if isinstance(measurements, QubitMeasurementSet):
        return measurements
    if isinstance(measurements, PVMs) and measurements.ranks in (None, (1, 1)):
        return AllProjective()
    raise MeasurementError.bad_argument(
        "measurements",
        expected="projective measurements of qubits, which the model's response functions know",
        got=str(measurements),
        remedy="Search with the measurements as POVMs, such as measurements='povm'.",
    )


def _drawing(measurements: MeasurementSet) -> _Draw:
    """Draws effects of members of a set."""
    return lambda rng, count: effects_of_members(measurements, measurements.draw(rng, count))


def _tables(
    model: ResponseModel, tensor: CorrelationTensor, draws: Sequence[_Draw], rng: np.random.Generator, count: int
) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities of the target and of the model for random combinations of settings, ``(count, d_1, ..., d_N)``."""
    effects = [draw(rng, count) for draw in draws]
    shape = (count, *(own.shape[1] for own in effects))
    p = outcome_table(tensor.array, [coordinates_of_effects(own[:, None]) for own in effects]).reshape(shape)
    half, n = (len(effects) + 1) // 2, len(effects)
    total = np.zeros((count, math.prod(shape[1 : half + 1]), math.prod(shape[half + 1 :])))
    response = model.response
    assert isinstance(response, MeasurementResponse)
    settings = [response.prepared(k, own) for k, own in enumerate(effects)]
    # Few hidden variables at once, whose products stay in the processor's cache.
    size = max(1, _PRODUCTS // (count * total.shape[1]))
    for start in range(0, model.num_hidden, size):
        block = slice(start, start + size)
        rows = [
            np.moveaxis(response.probabilities(k, model.hidden_variables[k][block], settings[k]), 0, 2)
            for k in range(n)
        ]
        rows[0] = rows[0] * model.weights[block]
        right = np.ones_like(rows[0][:, :1]) if n == 1 else _outcome_products(rows[half:])
        total += _outcome_products(rows[:half]) @ np.swapaxes(right, 1, 2)
    return p, total.reshape(shape)


def _outcome_products(rows: list[np.ndarray]) -> np.ndarray:
    """Products of some parties' responses, shape ``(settings, product of outcomes, H)``."""
    result = rows[0]
    for own in rows[1:]:
        result = (result[:, :, None, :] * own[:, None, :, :]).reshape(len(own), -1, own.shape[2])
    return result


def _evaluated(tables: Callable[[int], tuple[np.ndarray, np.ndarray]], num_settings: int) -> Evaluation:
    """Losses between tables of the target and of the model, from a function that draws settings for both."""
    kl, l1, l2, largest = [], [], [], 0.0
    for start in range(0, num_settings, _BLOCK):
        p, q = tables(min(_BLOCK, num_settings - start))
        # Rounding can make a sum slightly negative.
        q = np.maximum(q, 0)
        divisor, change, axes = np.where(p > 0, p, 1), q - p, tuple(range(1, p.ndim))
        ratio = np.where(p > 0, change / divisor, 0)
        # The divergence is infinite if the model gives probability zero to an outcome that occurs.
        with np.errstate(divide="ignore"):
            kl.append(np.sum(np.where(p > 0, p * (ratio - np.log1p(ratio)), q), axis=axes))
        l1.append(np.abs(change).sum(axis=axes))
        l2.append((change**2).sum(axis=axes))
        largest = max(largest, float(np.abs(change).max()))
    values = np.concatenate(kl)
    error = float(np.std(values, ddof=1) / np.sqrt(num_settings)) if np.isfinite(values).all() else np.inf
    return Evaluation(
        kl_divergence=float(values.mean()),
        kl_standard_error=error,
        l1_distance=float(np.concatenate(l1).mean()),
        squared_distance=float(np.concatenate(l2).mean()),
        max_deviation=largest,
        num_settings=int(num_settings),
    )


def _probabilities(model: ResponseModel, directions: list[np.ndarray]) -> np.ndarray:
    """Returns the joint probabilities of setting combinations, one direction per party; shape ``(len, 2, ..., 2)``."""
    n, response = model.num_parties, model.response
    assert isinstance(response, QubitResponse)
    half, num_settings = (n + 1) // 2, len(directions[0])
    correlators = np.zeros((num_settings, 2**half, 2 ** (n - half)))
    # Few hidden variables at once, whose products stay in the processor's cache.
    size = max(1, _PRODUCTS // (num_settings * 2**half))
    for start in range(0, model.num_hidden, size):
        block = slice(start, start + size)
        means = [response.means(k, model.hidden_variables[k][block], directions[k]).T for k in range(n)]
        weights = np.broadcast_to(model.weights[block], means[0].shape)[:, None, :]
        left, right = _products(means[:half], weights), _products(means[half:], np.ones_like(weights))
        correlators += left @ np.swapaxes(right, 1, 2)
    correlators = correlators.reshape(num_settings, *(2,) * n)
    return np.asarray(correlators_to_probabilities(correlators, n)).reshape(correlators.shape)


def _products(means: list[np.ndarray], first: np.ndarray) -> np.ndarray:
    """Returns the products of the means of every subset of parties, shape ``(settings, subsets, H)``."""
    result = first
    for own in means:
        result = np.stack([result, result * own[:, None, :]], axis=2).reshape(len(own), -1, own.shape[1])
    return result
