"""How well a model does on directions that training never saw, in float64."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .._records import Record
from .._validation import generator, is_whole_number
from ..exceptions import LHVError, ScenarioError
from ..models.responses import DirectionResponse, ResponseModel
from ..targets.correlations import CorrelationTensor
from .continuous import target_probabilities
from .directions import DirectionSampler

__all__ = ["Evaluation", "evaluate_model"]


@dataclass(frozen=True, eq=False, repr=False)
class Evaluation(Record):
    """Losses of a model on fresh random settings, in float64."""

    kl_divergence: float
    """Mean Kullback-Leibler divergence of the target from the model, in nats a trial."""
    kl_standard_error: float
    """Its standard error over the settings drawn."""
    l1_distance: float
    """Mean sum of absolute differences of the probabilities."""
    max_deviation: float
    """Largest absolute difference of any probability."""
    num_settings: int
    """Number of setting combinations drawn."""

    def __str__(self) -> str:
        return (
            f"KL {self.kl_divergence:.3e} +- {self.kl_standard_error:.1e} nats a trial, largest deviation "
            f"{self.max_deviation:.2e} on {self.num_settings} fresh settings"
        )


def evaluate_model(
    model: ResponseModel,
    target: CorrelationTensor,
    *,
    measurements: str | Sequence[Any] = "projective",
    num_settings: int = 2000,
    seed: int | None = 0,
) -> Evaluation:
    """Compares a model with a state's tensor on independent random settings.

    Args:
        model: A model for all projective measurements of N qubits.
        target: The tensor of N qubits.
        measurements: Where settings are drawn; see ``find_local_model``.
        num_settings: Number of setting combinations, each drawn independently.
        seed: Seed of the settings.

    Raises:
        ScenarioError: If model and target do not fit, or the measurements are unknown.
        LHVError: If the number of settings is not at least 2.
    """
    if not isinstance(model.response, DirectionResponse) or target.dimensions != (2,) * model.num_parties:
        raise ScenarioError.bad_argument("target", expected=f"a tensor for {model!r}", got=repr(target))
    if not is_whole_number(num_settings) or num_settings < 2:
        raise LHVError.bad_argument("num_settings", expected="a whole number of at least 2", got=repr(num_settings))
    sampler, rng = DirectionSampler(measurements), generator(seed)
    n, features = model.num_parties, model.response.features
    kl, l1, largest = [], [], 0.0
    # Every combination is a grid of one direction a party; a block of them shares the matrix products.
    for start in range(0, num_settings, 200):
        count = min(200, num_settings - start)
        directions = [sampler.draw(rng, (count,)) for _ in range(n)]
        means = [
            np.tanh(features.evaluate(one) @ hidden.T)
            for one, hidden in zip(directions, model.hidden_variables, strict=True)
        ]
        for i in range(count):
            p = target_probabilities(target, [one[i : i + 1] for one in directions]).reshape((2,) * n)
            q = _joint([mean[i] for mean in means], model.weights)
            ratio = np.where(p > 0, (q - p) / np.where(p > 0, p, 1), 0)
            kl.append(float(np.sum(np.where(p > 0, p * (ratio - np.log1p(ratio)), q))))
            l1.append(float(np.abs(q - p).sum()))
            largest = max(largest, float(np.abs(q - p).max()))
    error = float(np.std(kl, ddof=1) / np.sqrt(num_settings))
    return Evaluation(float(np.mean(kl)), error, float(np.mean(l1)), largest, int(num_settings))


def _joint(means: list[np.ndarray], weights: np.ndarray) -> np.ndarray:
    """Joint probabilities of one setting combination, shape ``(2, ..., 2)``."""
    n = len(means)
    terms: list[Any] = [weights, [n]]
    for k, mean in enumerate(means):
        terms += [np.stack([1 + mean, 1 - mean]) / 2, [k, n]]
    return np.einsum(*terms, list(range(n)), optimize="greedy")
