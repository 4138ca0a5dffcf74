"""The search for a local model under all projective measurements, on product grids of directions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from .._validation import generator
from ..models.features import Features
from ..targets.correlations import CorrelationTensor
from .directions import DirectionSampler
from .losses import kl_divergence

__all__ = [
    "ContinuousProblem",
    "continuous_loss",
    "correlators_to_probabilities",
    "start_parameters",
    "target_probabilities",
]

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class ContinuousProblem:
    """A state's tensor, the directions it is measured in, and the features of the response function."""

    tensor: CorrelationTensor
    """Tensor of N qubits."""
    sampler: DirectionSampler
    """Where directions are drawn."""
    features: Features
    """Features of a direction."""
    num_directions: int
    """Directions a party in each step."""

    def batches(self, seed: int) -> Callable[[int, int], Any]:
        """Data of steps: features of each party's directions, and the target's probabilities on their grid.

        Every step has a seed of its own, so a run can start at any step.

        Args:
            seed: Seed of the run.
        """
        n = self.tensor.num_parties

        def batch(first: int, count: int) -> dict[str, Any]:
            draws = [
                [self.sampler.draw(np.random.default_rng([seed, step, k]), (self.num_directions,)) for k in range(n)]
                for step in range(first, first + count)
            ]
            features = [
                np.stack([self.features.evaluate(step[k]) for step in draws]).astype(np.float32) for k in range(n)
            ]
            targets = np.stack([target_probabilities(self.tensor, step) for step in draws]).astype(np.float32)
            return {"features": features, "target": targets}

        return batch


def target_probabilities(tensor: CorrelationTensor, directions: list[FloatArray]) -> FloatArray:
    """Joint probabilities on a product grid, shape ``(n_1, ..., n_N, 2, ..., 2)``.

    Args:
        tensor: Tensor of N qubits.
        directions: Bloch vectors of each party, shape ``(n_k, 3)``.
    """
    correlators = tensor.array
    for vectors in directions:
        extended = np.zeros((len(vectors) + 1, 4))
        extended[0, 0], extended[1:, 1:] = 1, vectors
        correlators = np.tensordot(correlators, extended, axes=(0, 1))
    return np.maximum(np.asarray(correlators_to_probabilities(correlators)), 0)


def correlators_to_probabilities(correlators: Any) -> Any:
    """Turns correlators with marginals into joint probabilities, for NumPy or JAX arrays.

    Args:
        correlators: Shape ``(n_1 + 1, ..., n_N + 1)``; index 0: the party does not take part.

    Returns:
        Shape ``(n_1, ..., n_N, 2, ..., 2)``.
    """
    array_module = np if isinstance(correlators, np.ndarray) else jnp
    n, table = correlators.ndim, correlators
    for k in range(n):
        index = (slice(None),) * k
        alone, joint = table[(*index, slice(0, 1))], table[(*index, slice(1, None))]
        table = array_module.stack([(alone + joint) / 2, (alone - joint) / 2], axis=-1)
    return table


def start_parameters(num_parties: int, num_hidden: int, size: int, seed: int) -> list[jax.Array]:
    """Random hidden variables of every party, float32, shape ``(num_hidden, size)``."""
    rng = generator(seed)
    return [jnp.asarray(rng.standard_normal((num_hidden, size)), jnp.float32) for _ in range(num_parties)]


def continuous_loss(parameters: list[jax.Array], data: dict[str, Any]) -> jax.Array:
    """KL divergence between target and model on a product grid of directions, mean over setting combinations."""
    num_hidden = parameters[0].shape[0]
    rows = []
    for hidden, features in zip(parameters, data["features"], strict=True):
        means = jnp.tanh(features @ hidden.T)
        rows.append(jnp.concatenate([jnp.ones((1, num_hidden), means.dtype), means]))
    half = (len(rows) + 1) // 2
    left = _products(rows[:half])
    right = _products(rows[half:]) if half < len(rows) else jnp.ones((1, num_hidden), left.dtype)
    correlators = (left @ right.T / num_hidden).reshape([len(row) for row in rows])
    model = correlators_to_probabilities(correlators)
    target = data["target"]
    count = target.size // 2 ** len(rows)
    shares = jnp.full((1,) * target.ndim, 1 / count, target.dtype)
    return kl_divergence(target / count, target, model, shares)


def _products(rows: list[jax.Array]) -> jax.Array:
    """Products of rows of all factors, shape ``(product of lengths, H)``."""
    result = rows[0]
    for row in rows[1:]:
        result = (result[:, None, :] * row[None, :, :]).reshape(-1, result.shape[-1])
    return result
