"""The training loop: Adam in jitted chunks of steps."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import numpy as np
import optax
from numpy.typing import NDArray

from .checkpoints import Checkpoint
from .progress import ProgressBar

__all__ = ["CONVERGED", "INTERRUPTED", "OUT_OF_STEPS", "OUT_OF_TIME", "TrainingRun", "cosine_schedule", "train"]

CONVERGED = "The loss reached its target."
OUT_OF_STEPS = "All steps were taken."
OUT_OF_TIME = "The time limit was reached."
INTERRUPTED = "The run was interrupted."

_CHUNK = 100

Loss = Callable[[Any, Any], jax.Array]
# Gives the data of steps first, ..., first + count - 1: a tree of arrays with a leading axis of steps.
Batches = Callable[[int, int], Any]


@dataclass(frozen=True)
class TrainingRun:
    """What a training loop leaves behind."""

    parameters: Any
    """Parameters of the lowest loss at the end of a chunk."""
    history: NDArray[np.float64]
    """Loss before every step."""
    status: str
    """Why it stopped, as a sentence."""


def cosine_schedule(peak: float, num_steps: int, final_share: float = 0.01) -> NDArray[np.float64]:
    """Learning rates that fall along a half cosine from ``peak`` to ``final_share * peak``."""
    phase = np.linspace(0, np.pi, num_steps)
    return peak * (final_share + (1 - final_share) * (1 + np.cos(phase)) / 2)


@partial(jax.jit, static_argnames=("loss", "memory"))
def _chunk(
    loss: Loss, memory: float, data: Any, parameters: Any, state: Any, rates: jax.Array, batch: Any
) -> tuple[Any, Any, jax.Array]:
    adam = optax.scale_by_adam(b2=memory)

    def step(carry: tuple[Any, Any], inputs: tuple[jax.Array, Any]) -> tuple[tuple[Any, Any], jax.Array]:
        parameters, state = carry
        rate, own = inputs
        value, gradient = jax.value_and_grad(loss)(parameters, data if own is None else own)
        updates, state = adam.update(gradient, state, parameters)
        parameters = jax.tree.map(lambda p, u: p - rate * u, parameters, updates)
        return (parameters, state), value

    (parameters, state), values = jax.lax.scan(step, (parameters, state), (rates, batch))
    return parameters, state, values


def train(
    loss: Loss,
    parameters: Any,
    data: Any,
    rates: NDArray[np.float64],
    *,
    batches: Batches | None = None,
    memory: float = 0.999,
    target_loss: float | None = None,
    time_limit: float | None = None,
    progress: bool | None = None,
    checkpoint: Checkpoint | None = None,
) -> TrainingRun:
    """Minimizes a loss by Adam, one chunk of jitted steps after the other.

    Args:
        loss: A module-level function of parameters and data (it is compiled once for all calls).
        parameters: Start, any tree of arrays.
        data: Second argument of the loss, the same for all steps.
        rates: Learning rate of every step.
        batches: Gives each step data of its own instead. The loss then fluctuates, so that the last
            parameters are kept, and the mean over the steps between two checks is what is compared.
        memory: Adam's decay rate of the gradient's second moment.
        target_loss: Stop once the loss is at most this.
        time_limit: Stop after this many seconds.
        progress: Whether to show a progress bar; ``None``: on a terminal.
        checkpoint: Where the state is kept; a run that finds one there goes on from it, and ends as
            it would have ended without the interruption.

    Returns:
        The best parameters, the loss history, and why it stopped. A keyboard interrupt ends the run
        with what was found so far.
    """
    start = time.monotonic()
    state = (parameters, optax.scale_by_adam(b2=memory).init(parameters), parameters, np.float64(np.inf))
    history, saved = np.empty(0), None if checkpoint is None else checkpoint.load(state)
    if saved is not None:
        state, history = saved
    parameters, adam, best, best_loss = state
    status = OUT_OF_STEPS
    with ProgressBar(len(rates), progress) as bar:
        bar.update(len(history), history[-1] if len(history) else np.inf)
        try:
            while len(history) < len(rates):
                if target_loss is not None and len(history) and _current(history, batches) <= target_loss:
                    status = CONVERGED
                    break
                if time_limit is not None and len(history) and time.monotonic() - start > time_limit:
                    status = OUT_OF_TIME
                    break
                part = rates[len(history) : len(history) + _CHUNK]
                batch = None if batches is None else batches(len(history), len(part))
                after, adam_after, values = _chunk(loss, memory, data, parameters, adam, part, batch)
                losses = np.asarray(values, dtype=np.float64)
                # The first loss of a chunk is that of the parameters before it.
                if losses[0] < best_loss:
                    best, best_loss = parameters, losses[0]
                parameters, adam, history = after, adam_after, np.concatenate([history, losses])
                bar.update(len(part), _current(history, batches))
                if checkpoint is not None:
                    checkpoint.save((parameters, adam, best, best_loss), history)
        except KeyboardInterrupt:
            status = INTERRUPTED
    if checkpoint is not None:
        checkpoint.save((parameters, adam, best, best_loss), history, now=True)
    if batches is not None or float(loss(parameters, data)) < best_loss:
        best = parameters
    return TrainingRun(best, history, status)


def _current(history: NDArray[np.float64], batches: Batches | None) -> float:
    """The loss that counts: the last one, or the mean of the last chunk where every step has its own data."""
    return float(history[-1] if batches is None else history[-_CHUNK:].mean())
