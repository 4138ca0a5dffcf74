"""The training loop: jitted chunks of gradient steps, for several runs at once."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from operator import itemgetter
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from .._support.deadlines import Deadline
from .._support.interruptions import ended_by_sigterm, is_one_of_many
from .._support.progress import ProgressBar
from ..exceptions import SolverError
from .devices import ANYWHERE, Placement
from .optimizers import Optimizer
from .tree_checkpoints import Checkpoint

__all__ = [
    "Problem",
    "Schedule",
    "SearchStatus",
    "TrainingRun",
    "train",
]

_CHUNK = 100
# A smaller relative fall of the mean loss counts as a plateau.
_LEAST_FALL = 0.01

# From parameters and data to the loss of every run, shape (targets, starts).
Loss = Callable[[Any, Any], jax.Array]
# Gives the data of steps first, ..., first + count - 1: a tree of arrays with a leading axis of steps.
Batches = Callable[[int, int], Any]


class SearchStatus(StrEnum):
    """Reason why a search for a local model stopped; the value of each member is a sentence.

    Examples:
        >>> print(SearchStatus.PLATEAU)
        The loss had stopped falling, and the final phase was taken.
        >>> [status.name for status in SearchStatus]
        ['CONVERGED', 'OUT_OF_STEPS', 'PLATEAU', 'OUT_OF_TIME', 'INTERRUPTED', 'NOT_FINITE']
    """

    CONVERGED = "The loss reached its target."
    OUT_OF_STEPS = "All steps were taken."
    PLATEAU = "The loss had stopped falling, and the final phase was taken."
    OUT_OF_TIME = "The time limit was reached."
    INTERRUPTED = "The run was interrupted."
    NOT_FINITE = "The loss stopped being finite; this is the model before."


@dataclass(frozen=True)
class Schedule:
    """Learning rates: a main phase of equal ones, then a final phase that falls along a half cosine."""

    peak: float
    """Rate of the main phase."""
    num_steps: int
    """Steps of both phases."""
    final_share: float = 1.0
    """Share of the final phase in all steps."""
    final_rate: float = 0.01
    """Last rate, relative to the peak."""
    patience: int | None = None
    """Steps over which the mean loss must fall by 1%, else the final phase begins at once."""

    def turn(self, losses: NDArray[np.float64]) -> tuple[int, bool]:
        """Returns the first step of the final phase, given the losses so far, and whether a plateau set it."""
        planned = self.num_steps - self.final_steps
        if self.patience is not None:
            for end in range(2 * self.patience, min(len(losses), planned) + 1):
                if end % _CHUNK == 0:
                    before = losses[end - 2 * self.patience : end - self.patience].mean()
                    if losses[end - self.patience : end].mean() > (1 - _LEAST_FALL) * before:
                        return end, True
        return planned, False

    @property
    def final_steps(self) -> int:
        """Number of steps of the final phase."""
        return max(1, round(self.final_share * self.num_steps))

    def rates(self, turn: int, steps: NDArray[np.int64]) -> NDArray[np.float64]:
        """Returns the rates of given steps if the final phase begins at step ``turn``.

        Args:
            turn: First step of the final phase.
            steps: Numbers of the steps.
        """
        # The last step has the last rate.
        share = np.clip((steps - turn) / max(1, self.final_steps - 1), 0, 1)
        return np.asarray(self.peak * (self.final_rate + (1 - self.final_rate) * (1 + np.cos(np.pi * share)) / 2))


@dataclass(frozen=True)
class Problem:
    """The loss to minimize, the initial parameters, and the update rule."""

    loss: Loss
    """From parameters and data to the loss of every run, shape ``(targets, starts)``; the same function object for
    equal losses (it is compiled once for each)."""
    parameters: Any
    """Start: a tree of arrays with leading axes ``(targets, starts)``."""
    optimizer: Optimizer
    """Rule that turns gradients into steps."""
    data: Any = None
    """Second argument of the loss, the same for all steps."""
    batches: Batches | None = None
    """Gives each step data of its own instead. The loss then fluctuates, so that the last parameters are kept, and the
    mean over the steps between two checks is what is compared."""
    placement: Placement = ANYWHERE
    """Where parameters and the state of the rule lie."""


@dataclass(frozen=True)
class TrainingRun:
    """The result of a training loop."""

    parameters: Any
    """Parameters of every run: the last ones, or those of the lowest loss where all steps share their data."""
    history: NDArray[np.float64]
    """Loss before every step, shape ``(steps, targets, starts)``."""
    status: SearchStatus
    """Why it stopped."""


@partial(jax.jit, static_argnames=("rule",))
def _steps(
    rule: tuple[Loss, Optimizer, Placement],
    count: int,
    data: Any,
    point: tuple[Any, Any],
    key: jax.Array | None,
    steps: tuple[NDArray[Any], NDArray[Any], NDArray[Any]],
    batch: Any,
    best: tuple[Any, Any] | None,
) -> tuple[tuple[Any, Any], jax.Array, jax.Array, tuple[Any, Any] | None]:
    """Takes steps.

    Returns:
        The state after them, the loss before each of them, whether all is finite, and the better of the parameters
        before them and the best ones so far, with their losses.
    """
    loss, optimizer, placement = rule

    def total(parameters: Any, data: Any) -> tuple[jax.Array, jax.Array]:
        losses = loss(parameters, data)
        return losses.sum(), losses

    def one(i: jax.Array, carry: tuple[tuple[Any, Any], jax.Array]) -> tuple[tuple[Any, Any], jax.Array]:
        (parameters, state), history = carry
        (number, rate, noise), own = jax.tree.map(lambda array: array[i], (steps, batch))
        (_, losses), gradient = jax.value_and_grad(total, has_aux=True)(parameters, data if own is None else own)
        changes, state = optimizer.update(gradient, state, losses, rate, parameters)
        if key is not None:
            leaves, structure = jax.tree.flatten(changes)
            keys = jax.random.split(jax.random.fold_in(key, number), len(leaves))
            moved = [c + noise * jax.random.normal(k, c.shape, c.dtype) for c, k in zip(leaves, keys, strict=True)]
            changes = jax.tree.unflatten(structure, moved)
        return placement.kept((jax.tree.map(jnp.add, parameters, changes), state)), history.at[i].set(losses)

    leaf = jax.tree.leaves(point[0])[0]
    history = jnp.zeros((len(steps[0]), *leaf.shape[:2]), leaf.dtype)
    # Accelerators multiply in lower precision unless told otherwise, which raises the lowest loss that can be reached.
    # What is traced here keeps its precision: losses and their gradients, and the functions and rules of callers.
    with jax.default_matmul_precision("highest"):
        # The count is an argument, so that an odd number of steps needs no compilation of its own.
        after, history = placement.kept(jax.lax.fori_loop(0, count, one, (point, history)))
    finite = jnp.stack([jnp.isfinite(leaf).all() for leaf in [history, *jax.tree.leaves(after)]]).all()
    if best is not None:
        better = history[0] < best[1]

        def choose(old: jax.Array, new: jax.Array) -> jax.Array:
            return jnp.where(better.reshape(better.shape + (1,) * (new.ndim - 2)), new, old)

        best = jax.tree.map(choose, best[0], point[0]), jnp.where(better, history[0], best[1])
    return after, history, finite, placement.kept(best)


def _chunk(
    rule: tuple[Loss, Optimizer, Placement],
    data: Any,
    point: tuple[Any, Any],
    key: jax.Array | None,
    steps: tuple[NDArray[Any], NDArray[Any], NDArray[Any]],
    batch: Any,
    best: tuple[Any, Any] | None,
) -> tuple[tuple[Any, Any], jax.Array, jax.Array, tuple[Any, Any] | None]:
    """Begins at most a whole chunk of steps, and does not wait for them; see :func:`_steps`."""
    count = len(steps[0])

    def fill(array: Any) -> NDArray[Any]:
        missing = _CHUNK - count
        return np.pad(array, [(0, missing), *[(0, 0)] * (np.ndim(array) - 1)]) if missing else np.asarray(array)

    return _steps(rule, count, data, point, key, *jax.tree.map(fill, (steps, batch)), best)


def train(
    problem: Problem,
    schedule: Schedule,
    *,
    diffusion: float = 0.0,
    seed: int = 0,
    target_loss: float | None = None,
    deadline: Deadline | None = None,
    progress: bool | None = None,
    checkpoint: Checkpoint | None = None,
) -> TrainingRun:
    """Minimizes a loss, one chunk of jitted steps after the other.

    Args:
        problem: The loss to minimize, with initial parameters and update rule.
        schedule: Learning rates.
        diffusion: Standard deviation of Gaussian noise added to all parameters after each step of the main phase.
        seed: Seed of that noise.
        target_loss: Stop once every target has a start whose loss is at most this.
        deadline: Time to stop, checked after the first chunk of steps; default: never.
        progress: Whether to show a progress bar; ``None``: on a terminal and in a notebook.
        checkpoint: Where the state is kept; a run that finds one there goes on from it, and ends as
            it would have ended without the interruption.

    Returns:
        The best parameters, the loss history, and why it stopped. A keyboard interrupt ends the run
        with what was found so far; a run that is one task of several passes it on. With a checkpoint, SIGTERM
        ends the process once the state is written. With devices of several processes, both end at once, and the
        checkpoint is the last that was written.

    Raises:
        SolverError: If the loss is not finite from the first steps on.
    """
    deadline = Deadline(None) if deadline is None else deadline
    data, batches, placement = problem.data, problem.batches, problem.placement
    runs = jax.tree.leaves(problem.parameters)[0].shape[:2]
    state, history = _initial_state(problem), np.empty((0, *runs))
    saved = None if checkpoint is None else checkpoint.load(state)
    if saved is not None:
        state, history = saved
        state = placement.placed(state)
    parameters, inner, best = state
    key, status = placement.everywhere(jax.random.key(seed)) if diffusion else None, None
    rule = (problem.loss, problem.optimizer, placement)
    drawn = None
    turn, found_plateau = schedule.turn(_overall(history))
    stopping = nullcontext() if checkpoint is None else ended_by_sigterm()
    with stopping, ProgressBar(schedule.num_steps, progress) as bar:
        bar.update(len(history), f"loss {_current(history, batches):.3e}")
        try:
            while True:
                turn, found_plateau = schedule.turn(_overall(history))
                total, done = turn + schedule.final_steps, len(history)
                if target_loss is not None and _current(history, batches) <= target_loss:
                    status = SearchStatus.CONVERGED
                elif done >= total:
                    status = SearchStatus.PLATEAU if found_plateau else SearchStatus.OUT_OF_STEPS
                elif done and placement.agreed(deadline.over):
                    status = SearchStatus.OUT_OF_TIME
                if status is not None:
                    break
                numbers = np.arange(done, min(done + _CHUNK, total))
                noise = np.where(numbers < turn, diffusion, 0.0)
                batch = None
                if batches is not None:
                    # A plateau that was found meanwhile may have left fewer steps than were drawn ahead.
                    whole = batches(done, len(numbers)) if drawn is None else drawn
                    batch = jax.tree.map(itemgetter(slice(len(numbers))), whole)
                steps = (numbers, schedule.rates(turn, numbers), noise)
                following, device_losses, finite, better = _chunk(
                    rule, data, (parameters, inner), key, steps, batch, best
                )
                ahead = min(_CHUNK, total - done - len(numbers))
                # While the device takes these steps, the processor draws the data of the next ones.
                drawn = batches(done + len(numbers), ahead) if batches is not None and ahead > 0 else None
                losses = np.asarray(device_losses, dtype=np.float64)[: len(numbers)]
                if not finite:
                    if not done:
                        raise SolverError(
                            f"The loss stopped being finite within the first {len(numbers)} steps. "
                            "Use a lower learning rate, or check the response function."
                        )
                    status = SearchStatus.NOT_FINITE
                    break
                best, (parameters, inner), history = better, following, np.concatenate([history, losses])
                bar.update(len(numbers), f"loss {_current(history, batches):.3e}")
                if checkpoint is not None:
                    _save(checkpoint, placement, (parameters, inner, best), history)
        except KeyboardInterrupt:
            # Another process, which takes part in every sum, may not have been interrupted.
            if placement.layout.many_hosts:
                raise
            if is_one_of_many():
                if checkpoint is not None:
                    _save(checkpoint, placement, (parameters, inner, best), history, now=True)
                raise
            status = SearchStatus.INTERRUPTED
        except SystemExit:
            # Other hosts, which may go on, would have to take part: there the last checkpoint stays.
            if checkpoint is not None and not placement.layout.many_hosts:
                _save(checkpoint, placement, (parameters, inner, best), history, now=True)
            raise
    if checkpoint is not None:
        _save(checkpoint, placement, (parameters, inner, best), history, now=True)
    if best is not None:
        # The loss of the last parameters is that of one more step, for which everything is compiled.
        still = (np.zeros(_CHUNK, dtype=int), np.zeros(_CHUNK), np.zeros(_CHUNK))
        *_, best = _steps(rule, 1, data, (parameters, inner), key, still, None, best)
        assert best is not None
        parameters = best[0]
    return TrainingRun(placement.gathered(parameters), history, status)


def _initial_state(problem: Problem) -> tuple[Any, Any, tuple[Any, Any] | None]:
    """Parameters, the state of the rule, and the best parameters with their losses where steps share their data."""
    placement, init = problem.placement, problem.optimizer.init
    parameters = placement.placed(problem.parameters)
    # Without compilation as a whole, JAX would compile every line separately.
    places = placement.shardings(jax.eval_shape(init, parameters))
    inner = jax.jit(init, out_shardings=places)(parameters)
    leaf = jax.tree.leaves(parameters)[0]
    losses = placement.placed(np.full(leaf.shape[:2], np.inf, leaf.dtype))
    return parameters, inner, None if problem.batches is not None else (parameters, losses)


def _save(checkpoint: Checkpoint, placement: Placement, state: Any, history: NDArray[np.float64], **when: bool) -> None:
    """Saves the state from one process, on whose devices it need not be."""
    if placement.layout.many_hosts:
        state = placement.gathered(state)
        if jax.process_index():
            return
    checkpoint.save(state, history, **when)


def _overall(history: NDArray[np.float64]) -> NDArray[np.float64]:
    """Returns one loss per step: that of the best start for the worst target."""
    return history.min(axis=2).max(axis=1)


def _current(history: NDArray[np.float64], batches: Batches | None) -> float:
    """Returns the current loss: the last one, or the mean of the last chunk if every step has its own data."""
    if not len(history):
        return np.inf
    recent = history[-1:] if batches is None else history[-_CHUNK:]
    return float(_overall(recent.mean(axis=0, keepdims=True))[0])
