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

    Returns:
        The best parameters, the loss history, and why it stopped. A keyboard interrupt ends the run
        with what was found so far.
    """
    start = time.monotonic()
    state = optax.scale_by_adam(b2=memory).init(parameters)
    history: list[NDArray[np.float64]] = []
    best, best_loss, status = parameters, np.inf, OUT_OF_STEPS
    with ProgressBar(len(rates), progress) as bar:
        try:
            for first in range(0, len(rates), _CHUNK):
                part = rates[first : first + _CHUNK]
                batch = None if batches is None else batches(first, len(part))
                before = parameters
                parameters, state, values = _chunk(loss, memory, data, parameters, state, part, batch)
                history.append(np.asarray(values, dtype=np.float64))
                # The first loss of a chunk is that of the parameters before it.
                if history[-1][0] < best_loss:
                    best, best_loss = before, float(history[-1][0])
                current = float(history[-1][-1] if batches is None else history[-1].mean())
                bar.update(len(part), current)
                if target_loss is not None and current <= target_loss:
                    status = CONVERGED
                    break
                if time_limit is not None and time.monotonic() - start > time_limit:
                    status = OUT_OF_TIME
                    break
        except KeyboardInterrupt:
            status = INTERRUPTED
    if batches is not None or float(loss(parameters, data)) < best_loss:
        best = parameters
    return TrainingRun(best, np.concatenate(history) if history else np.empty(0), status)
