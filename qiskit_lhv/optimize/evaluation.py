"""The evaluation of a model in float64, on directions that training did not use."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from .._support.records import Record
from .._support.validation import generator, whole_number
from ..exceptions import LHVError, ScenarioError
from ..measurements.named_sets import measurement_sets
from ..models.ensemble import ResponseModel
from ..models.responses import QubitResponse
from ..targets.qubits import qubit_tensor
from .direction_problem import correlators_to_probabilities, target_probabilities

__all__ = ["Evaluation", "evaluate_model"]

_BLOCK = 200
# Number of products of responses that are computed at once.
_PRODUCTS = 2**16


@dataclass(frozen=True, eq=False, repr=False)
class Evaluation(Record):
    """Losses of a model on fresh random settings, in float64."""

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

    def __str__(self) -> str:
        return (
            f"KL {self.kl_divergence:.3e} +- {self.kl_standard_error:.1e} nats per trial, largest deviation "
            f"{self.max_deviation:.2e} on {self.num_settings} fresh settings"
        )


def evaluate_model(
    model: ResponseModel,
    target: Any,
    *,
    measurements: Any = "projective",
    num_settings: int = 2000,
    seed: int | None = 0,
) -> Evaluation:
    """Compares a model with a state's tensor on independent random settings.

    Args:
        model: A model for all projective measurements of N qubits.
        target: A state of N qubits or its ``CorrelationTensor``.
        measurements: Measurements from which the settings are drawn; see ``find_local_model``.
        num_settings: Number of setting combinations, each drawn independently.
        seed: Seed of the settings.

    Raises:
        ScenarioError: If model and target do not fit.
        MeasurementError: If the target is not a valid state of 1 to 6 qubits, or the measurements are unknown.
        LHVError: If the number of settings is not at least 2.
    """
    if not isinstance(model, ResponseModel):
        raise ScenarioError.bad_argument("model", expected="a ResponseModel", got=repr(model))
    tensor = qubit_tensor(target, "target", fewest=1)
    if not isinstance(model.response, QubitResponse) or tensor.num_parties != model.num_parties:
        raise ScenarioError.bad_argument(
            "target", expected=f"a state for {model!r}", got=f"{tensor.num_parties} qubits"
        )
    num_settings = whole_number(num_settings, "num_settings", LHVError, minimum=2)
    n, rng = model.num_parties, generator(seed)
    sets = measurement_sets(measurements, tensor.dimensions)
    kl, l1, l2, largest = [], [], [], 0.0
    for start in range(0, num_settings, _BLOCK):
        directions = [party_set.draw(rng, min(_BLOCK, num_settings - start)) for party_set in sets]
        # Every combination is a grid of one direction per party.
        p = target_probabilities(tensor, [vectors[:, None, :] for vectors in directions]).reshape((-1, *(2,) * n))
        # Rounding can make a sum slightly negative.
        q = np.maximum(_probabilities(model, directions), 0)
        divisor, change, axes = np.where(p > 0, p, 1), q - p, tuple(range(1, n + 1))
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
