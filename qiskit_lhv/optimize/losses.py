"""Losses between a target's table and a model's, in JAX."""

from __future__ import annotations

import jax
import jax.numpy as jnp

__all__ = ["kl_divergence"]

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


def kl_divergence(weighted: jax.Array, target: jax.Array, model: jax.Array, shares: jax.Array) -> jax.Array:
    """The weighted Kullback-Leibler divergence of a model from a target, without cancellation.

    ``sum p h((q - p) / p)`` equals ``sum p log(p / q)`` for normalized tables; a cell with p = 0 adds q.

    Args:
        weighted: ``shares * target``.
        target: Probabilities p.
        model: Probabilities q, of the same shape.
        shares: Weight of each cell's setting combination, broadcast to the shape of the cells.

    Returns:
        The divergence in nats a trial.
    """
    seen = target > 0
    divisor = jnp.where(seen, target, 1.0)
    change = jnp.where(seen, (model - target) / divisor, 0.0)
    ratio = jnp.where(seen, model / divisor, 1.0)
    return jnp.sum(jnp.where(seen, weighted * _excess_over_log(change, ratio), shares * model))
