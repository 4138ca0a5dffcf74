"""Rules that turn gradients into steps, for several runs at once: every array has two leading axes of runs."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from ..exceptions import LHVError
from ..models.function_digest import add_to_digest

__all__ = ["ADAM", "POLYAK", "Optimizer", "checked_rule", "rule_identity"]


class Optimizer(NamedTuple):
    """A rule as two pure functions."""

    init: Callable[[Any], Any]
    """State for given parameters."""
    update: Callable[[Any, Any, jax.Array, jax.Array, Any], tuple[Any, Any]]
    """From gradient, state, losses of the runs, rate and parameters to the changes of the parameters and the next
    state."""


def _adam() -> Optimizer:
    rule = optax.scale_by_adam()

    def update(gradient: Any, state: Any, losses: jax.Array, rate: jax.Array, parameters: Any) -> tuple[Any, Any]:
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

    def update(gradient: Any, state: Any, losses: jax.Array, rate: jax.Array, parameters: Any) -> tuple[Any, Any]:
        count = state["count"] + 1
        momentum = jax.tree.map(lambda m, g: _MOMENTUM * m + (1 - _MOMENTUM) * g, state["momentum"], gradient)
        leaves = jax.tree.leaves(gradient)
        now = sum(jnp.sum(g**2, axis=tuple(range(2, g.ndim))) for g in leaves)
        square = _MEMORY * state["square"] + (1 - _MEMORY) * now
        loss = _MEMORY * state["loss"] + (1 - _MEMORY) * losses
        # A float: large ensembles have more components than a whole number of 32 bits counts.
        size = float(sum(g[0, 0].size for g in leaves))
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


# Kept, so that searches with the same rule share their compiled steps.
@lru_cache(maxsize=64)
def _of_optax(rule: optax.GradientTransformation) -> Optimizer:
    """Returns a rule of Optax for several runs, each of which has a state of its own; the rate is not used."""
    extended = optax.with_extra_args_support(rule)

    def single(gradient: Any, state: Any, loss: jax.Array, parameters: Any) -> tuple[Any, Any]:
        # Some rules, such as Polyak's, look at the loss.
        return extended.update(gradient, state, parameters, value=loss)

    def update(gradient: Any, state: Any, losses: jax.Array, rate: jax.Array, parameters: Any) -> tuple[Any, Any]:
        changes, state = jax.vmap(jax.vmap(single))(gradient, state, losses, parameters)
        return changes, state

    return Optimizer(jax.vmap(jax.vmap(extended.init)), update)


def checked_rule(rule: optax.GradientTransformation, parameters: Any) -> Optimizer:
    """Returns a caller's rule for several runs, after a step on paper: nothing is computed.

    Args:
        rule: Any gradient transformation of Optax.
        parameters: The parameters that it will change, with two leading axes of runs.

    Raises:
        LHVError: If it cannot be applied to them, or does not give changes and a state of the same kinds.
    """
    runs = jax.tree.leaves(parameters)[0].shape[:2]

    def shapes(tree: Any) -> Any:
        return jax.tree.map(lambda leaf: (leaf.shape, leaf.dtype), tree)

    def refused(got: str) -> LHVError:
        return LHVError.bad_argument(
            "update_rule",
            expected="an optax.GradientTransformation that needs gradients, parameters and the value of the loss alone",
            got=got,
        )

    try:
        optimizer = _of_optax(rule)
        given = jax.eval_shape(lambda tree: jax.tree.map(jnp.asarray, tree), parameters)
        state = jax.eval_shape(optimizer.init, given)
        losses = jax.eval_shape(lambda tree: jnp.zeros(runs, jax.tree.leaves(tree)[0].dtype), given)
        changes, following = jax.eval_shape(optimizer.update, given, state, losses, losses, given)
    except Exception as exc:  # a function of the caller's can fail in any way
        raise refused(f"one that raises {type(exc).__name__}: {exc}") from exc
    if shapes(changes) != shapes(given):
        raise refused("one whose changes have other shapes or types than the parameters")
    if shapes(following) != shapes(state):
        raise refused("one whose state changes its shapes or types from step to step")
    return optimizer


def rule_identity(rule: optax.GradientTransformation) -> str:
    """Returns a digest that tells a rule from others by the code and the constants of its functions.

    Args:
        rule: Any gradient transformation of Optax; two of the same kind with the same constants have the same digest,
            in other sessions too. What a function reads from the module around it is not seen.
    """
    digest = hashlib.sha256()
    add_to_digest(digest, [rule.init, rule.update], {})
    return digest.hexdigest()
