"""Losses between the table of a target and that of a model, in JAX."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

__all__ = ["LOSSES", "kl_divergence", "over_runs", "squared_distance"]

_SERIES_BELOW = 0.02


def _excess_over_log(u: jax.Array, ratio: jax.Array) -> jax.Array:
    """``h(u) = u - log(1 + u)`` with ``ratio = 1 + u``, by its series where the difference would cancel.

    The ratio is an argument of its own because near u = -1 it has digits that u has lost.
    """
    small = jnp.abs(u) < _SERIES_BELOW
    near = jnp.where(small, u, 0.0)
    series = jnp.zeros_like(u)
    for power in range(10, 1, -1):
        series = (-1) ** power / power + near * series
    return jnp.where(small, near**2 * series, u - jnp.log(jnp.where(small, 1.0, ratio)))


def kl_divergence(target: jax.Array, model: jax.Array, shares: jax.Array) -> jax.Array:
    """The weighted Kullback-Leibler divergence of a model from a target, without cancellation.

    ``sum p h((q - p) / p)`` equals ``sum p log(p / q)`` for normalized tables; a cell with p = 0 adds q, and so does
    one with p so small (1e-19 in single precision) that q / p could overflow.

    Args:
        target: Probabilities p.
        model: Probabilities q, of the same shape.
        shares: Weight of each cell's setting combination, broadcast to the shape of the cells.

    Returns:
        The divergence in nats per trial.
    """
    seen = target > float(np.finfo(target.dtype).tiny) ** 0.5
    divisor = jnp.where(seen, target, 1.0)
    change = jnp.where(seen, (model - target) / divisor, 0.0)
    ratio = jnp.where(seen, model / divisor, 1.0)
    return jnp.sum(shares * jnp.where(seen, target * _excess_over_log(change, ratio), model))


def squared_distance(target: jax.Array, model: jax.Array, shares: jax.Array) -> jax.Array:
    """The weighted sum of squared differences of the probabilities (L2).

    Args:
        target: Probabilities p.
        model: Probabilities q, of the same shape.
        shares: Weight of each cell's setting combination, broadcast to the shape of the cells.
    """
    return jnp.sum(shares * (model - target) ** 2)


LOSSES: dict[str, Callable[[jax.Array, jax.Array, jax.Array], jax.Array]] = {
    "kl": kl_divergence,
    "l2": squared_distance,
}
"""The losses that a search can minimize, by name."""


def over_runs(single: Callable[[Any, Any], jax.Array]) -> Callable[[Any, Any], jax.Array]:
    """Returns the loss of many runs at once, from the loss of a single run.

    Args:
        single: A loss of one run.

    Returns:
        A loss of parameters with leading axes ``(targets, starts)``, shape ``(targets, starts)``. In its data,
        arrays under the name ``target`` have a leading axis of targets; the rest is shared.
    """

    def many(parameters: Any, data: Any) -> jax.Array:
        if jax.tree.leaves(parameters)[0].shape[:2] == (1, 1):
            # A single run needs no batched matrix products, which are slower.
            one = single(jax.tree.map(lambda leaf: leaf[0, 0], parameters), {**data, "target": data["target"][0]})
            return one[None, None]
        axes = {name: 0 if name == "target" else None for name in data}
        return jax.vmap(jax.vmap(single, in_axes=(0, None)), in_axes=(0, axes))(parameters, data)

    return many
