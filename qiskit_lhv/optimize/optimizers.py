"""Rules that turn gradients into steps, for several runs at once: every array has two leading axes of runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

__all__ = ["ADAM", "POLYAK", "Optimizer"]


class Optimizer(NamedTuple):
    """A rule as two pure functions."""

    init: Callable[[Any], Any]
    """State for given parameters."""
    update: Callable[[Any, Any, jax.Array, jax.Array], tuple[Any, Any]]
    """From gradient, state, losses of the runs and rate to the changes of the parameters and the next state."""


def _adam() -> Optimizer:
    rule = optax.scale_by_adam()

    def update(gradient: Any, state: Any, losses: jax.Array, rate: jax.Array) -> tuple[Any, Any]:
        steps, state = rule.update(gradient, state)
        return jax.tree.map(lambda step: -rate * step, steps), state

    return Optimizer(rule.init, update)


_MOMENTUM, _MEMORY = 0.9, 0.95


def _polyak() -> Optimizer:
    """Momentum with Polyak's step size, at most ``rate`` for the root mean square of the parameters.

    A local model that fits has loss 0 on every batch of directions, so Polyak's step (loss over squared
    gradient) is neither too long nor too short near it (arXiv:2002.10542); where no model fits it would
    be too long, and the rate limits it. Like Adam, it averages gradients and their squares; unlike
    Adam, it has one square for all parameters of a run: divided by its own small scale, every
    parameter would move at full rate, and stir up details that no batch sees.
    """

    def init(parameters: Any) -> Any:
        leaf = jax.tree.leaves(parameters)[0]
        zero = jnp.zeros(leaf.shape[:2], leaf.dtype)
        return {
            "momentum": jax.tree.map(jnp.zeros_like, parameters),
            "square": zero,
            "loss": zero,
            "count": jnp.zeros((), leaf.dtype),
        }

    def update(gradient: Any, state: Any, losses: jax.Array, rate: jax.Array) -> tuple[Any, Any]:
        count = state["count"] + 1
        momentum = jax.tree.map(lambda m, g: _MOMENTUM * m + (1 - _MOMENTUM) * g, state["momentum"], gradient)
        leaves = jax.tree.leaves(gradient)
        now = sum(jnp.sum(g**2, axis=tuple(range(2, g.ndim))) for g in leaves)
        square = _MEMORY * state["square"] + (1 - _MEMORY) * now
        loss = _MEMORY * state["loss"] + (1 - _MEMORY) * losses
        size = sum(g[0, 0].size for g in leaves)
        seen = 1 - _MEMORY**count
        tiny = float(np.finfo(square.dtype).tiny)
        length = jnp.minimum(loss / (square + tiny), rate / jnp.sqrt(square / seen / size + tiny))
        length = length / (1 - _MOMENTUM**count)

        def step(m: jax.Array) -> jax.Array:
            return -length.reshape(length.shape + (1,) * (m.ndim - 2)) * m

        state = {"momentum": momentum, "square": square, "loss": loss, "count": count}
        return jax.tree.map(step, momentum), state

    return Optimizer(init, update)


# Made once, as compiled training steps are kept for each rule.
ADAM = _adam()
"""Adam (arXiv:1412.6980)."""
POLYAK = _polyak()
"""Momentum with Polyak's step size."""
