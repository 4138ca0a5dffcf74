"""Kullback-Leibler divergence between behaviors, and its projection onto the no-signaling polytope."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .._support.deadlines import NO_LIMIT, Deadline
from .._support.threads import one_blas_thread
from .._support.types import FloatArray
from .._support.validation import instance, real_array
from ..exceptions import ScenarioError, SolverError
from . import coordinates
from .behaviors import Behavior
from .padding import padding_of
from .projection_systems import Conditions, Coordinates, coordinates_of
from .scenario import BellScenario

__all__ = ["divergence", "project_cells", "project_cells_to_plane", "project_to_no_signaling", "setting_shares"]


# The last barrier, and how many times larger the one before is.
_LAST_BARRIER, _BARRIER_RATIO = 1e-13, 100
_MAX_NEWTON_STEPS = 300
# Above this number of coordinates the conditions of no-signaling are used instead, where there are fewer of those.
_MAX_COORDINATES = 150
# Signaling that rounding may leave over.
_CELL_ROUNDING = 1e-12
# White noise that is added to a behavior to start from, and how much less the first barrier is then.
_STARTING_NOISE = 1e-2
# Numbers that one batch of linear systems may take.
_BATCH_ENTRIES = 1 << 22


def setting_shares(target: Behavior, weights: ArrayLike | None) -> FloatArray:
    """Weights of setting combinations, at least 0, normalized to sum 1; ``None``: equal.

    Raises:
        ScenarioError: If the weights have the wrong shape, one is negative, or all are 0.
    """
    shape = target.scenario.num_settings
    if weights is None:
        weights = np.ones(shape)
    checked = real_array(weights, "weights", ScenarioError)
    if checked.shape != shape or checked.min() < 0 or checked.max() == 0:
        raise ScenarioError.bad_argument(
            "weights", expected=f"numbers of at least 0, not all 0, of shape {shape}", got=f"{checked}"
        )
    shares: FloatArray = checked / checked.sum()
    return shares


def divergence(target: Behavior, model: Behavior, weights: ArrayLike | None = None) -> float:
    """The weighted Kullback-Leibler divergence of a model from a target.

    It is ``sum_x w_x KL(p(.|x) || q(.|x))``, evaluated as ``sum p h((q - p) / p)`` with ``h(u) = u - log(1 + u)``,
    which does not cancel. For frequencies p and weights proportional to the shots it is the log-likelihood deficit of
    the model per trial.

    Args:
        target: The behavior p.
        model: The behavior q, of the same scenario.
        weights: Weight of each setting combination, shape ``(m_1, ..., m_N)``; default: equal weights. They are
            normalized.

    Returns:
        The divergence in nats per trial, at least 0; infinite if the model excludes what the target has.

    Raises:
        ScenarioError: If scenarios or shapes differ.

    References:
        W. van Dam, R. D. Gill, P. D. Gruenwald, arXiv:quant-ph/0307125 (the divergence as the statistical strength of a
        Bell experiment).

    Examples:
        A box of Popescu and Rohrlich is one bit away from white noise, and the quantum limit less than half a bit:

        >>> import numpy as np
        >>> signs = np.array([[1, 1], [1, -1]])
        >>> white = Behavior.white_noise(BellScenario((2, 2), (2, 2)))
        >>> box, quantum = (Behavior.from_correlators(c * signs, marginals=False) for c in (1, 2**-0.5))
        >>> print(f"{divergence(box, white) / np.log(2):.4f}, {divergence(quantum, white) / np.log(2):.4f}")
        1.0000, 0.3991
    """
    instance(model, Behavior, "model", ScenarioError)
    instance(target, Behavior, "target", ScenarioError).require_scenario(model.scenario, "model")
    share = setting_shares(target, weights)
    p, q = target.array, model.array
    seen = p > 0
    with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
        ratio = np.where(seen, (q - p) / p, 0.0)
        # Near -1 the sum 1 + ratio has lost the digits that q and p still have.
        near, far = p * (ratio - np.log1p(ratio)), (q - p) - p * (np.log(q) - np.log(p))
        terms = np.where(seen, np.where(np.abs(ratio) < 0.5, near, far), q)
    wide = share.reshape(share.shape + (1,) * share.ndim)
    # A setting combination without weight does not count, even if the model excludes what p has there.
    return float(np.sum(wide * np.where(wide > 0, terms, 0.0)))


@one_blas_thread()
def project_to_no_signaling(
    behavior: Behavior, weights: ArrayLike | None = None, *, time_limit: float | None = None
) -> Behavior:
    """Projects a behavior onto the no-signaling polytope, in Kullback-Leibler divergence.

    It is the no-signaling q that minimizes ``sum_x w_x KL(p(.|x) || q(.|x))``: for frequencies p of
    counts and weights proportional to the shots, the maximum-likelihood no-signaling behavior.

    Args:
        behavior: The behavior to project.
        weights: Weight of each setting combination, shape ``(m_1, ..., m_N)``, at least 0; default: equal. Where it is
            0, the behavior to project does not count, and of all projections one far from the boundary is found.
        time_limit: Seconds; default: none, see :ref:`time-limits`.

    Returns:
        The projection; its divergence exceeds the least possible one by at most about 1e-12 nats, or 1e-13 times the
        number of cells if that is more. (With hundreds of cells of which most are empty, rounding errors may leave
        1e-7.)

    Raises:
        ScenarioError: If the weights have the wrong shape, one is negative, or all are 0.
        SolverError: If the time limit ended before the projection was found.

    References:
        Y. Zhang, S. Glancy, E. Knill, Phys. Rev. A 84, 062118 (2011), arXiv:1108.2468 (the projection's use in
        prediction-based ratios).

    Examples:
        Frequencies of finite counts signal by chance; their projection does not, and is close:

        >>> counts = Behavior.from_correlators([[0.7, 0.7], [0.7, -0.7]], marginals=False).sample(1000, seed=1)
        >>> frequencies = counts.frequencies()
        >>> projection = project_to_no_signaling(frequencies)
        >>> frequencies.is_no_signaling(), projection.is_no_signaling()
        (False, True)
        >>> 0 < divergence(frequencies, projection) < 1e-3
        True
    """
    share = setting_shares(instance(behavior, Behavior, "behavior", ScenarioError), weights)
    cells = share.reshape(share.shape + (1,) * share.ndim) * behavior.array
    projected, _ = project_cells(cells.reshape(1, -1), behavior.scenario, deadline=Deadline(time_limit))
    return Behavior(projected.reshape(behavior.array.shape), behavior.scenario)


@one_blas_thread()
def project_cells(
    cells: FloatArray,
    scenario: BellScenario,
    tolerance: float = _LAST_BARRIER,
    *,
    start: FloatArray | None = None,
    deadline: Deadline = NO_LIMIT,
) -> tuple[FloatArray, FloatArray]:
    """Projects many tables onto the no-signaling polytope at once.

    Each row minimizes ``-sum cells * log q`` over positive no-signaling q by Newton steps with a barrier that adds t to
    every cell: its optimum misses the minimum by at most t times the number of cells. A row on which rounding errors
    stop the steps keeps the barrier that it has reached.

    Args:
        cells: ``w_x p(a|x)``, one flattened table per row, shape ``(B, C)``.
        scenario: The scenario.
        tolerance: The last barrier t.
        start: A no-signaling behavior that is near all projections, shape ``(C,)``.
        deadline: When to give up; default: never.

    Returns:
        The projections q, shape ``(B, C)``, and t / q, shape ``(B, C)``: the multipliers of q >= 0. Up to rounding,
        ``(cells + t) / q`` has the same sum with every no-signaling behavior. Padding is 0 in both.

    Raises:
        SolverError: If the time was over.
    """
    padding = padding_of(scenario)
    if padding is not None:
        found, _ = project_cells(padding.spread(cells), padding.full, tolerance, deadline=deadline)
        projected = padding.collected(found)
        return projected, np.divide(
            tolerance * padding.shared_by, projected, out=np.zeros_like(projected), where=padding.real
        )
    sizes = list(zip(scenario.num_settings, scenario.max_outcomes, strict=True))
    num_coordinates = math.prod(m * (d - 1) + 1 for m, d in sizes)
    system: Coordinates | Conditions
    if num_coordinates > _MAX_COORDINATES and scenario.num_cells - num_coordinates < num_coordinates:
        system, rows = Conditions(scenario), 1
    else:
        system = coordinates_of(scenario)
        rows = max(1, _BATCH_ENTRIES // system.basis.size)
    # White noise is a no-signaling table, and the steps lead only to such tables.
    white, barrier = 1 / math.prod(scenario.max_outcomes), 1e-2 / scenario.num_cells
    first = np.full(scenario.num_cells, white)
    if start is not None:
        first = (1 - _STARTING_NOISE) * start + _STARTING_NOISE * white
        barrier *= _STARTING_NOISE
    batches = [cells[i : i + rows] for i in range(0, len(cells), rows)]
    parts = [_project(batch, system, scenario, tolerance, first, barrier, deadline) for batch in batches]
    return np.concatenate([part[0] for part in parts]), np.concatenate([part[1] for part in parts])


@one_blas_thread()
def project_cells_to_plane(
    cells: FloatArray, scenario: BellScenario, normal: FloatArray, tolerance: float, start: FloatArray
) -> FloatArray:
    """Projects many tables onto the no-signaling behaviors that give an expression one value.

    Args:
        cells: See :func:`project_cells`.
        scenario: The scenario, a small one.
        normal: Coefficients of the expression, shape ``(C,)``.
        tolerance: The last barrier t.
        start: A positive no-signaling behavior of that value, near the projections, shape ``(C,)``.

    Returns:
        The projections, shape ``(B, C)``.
    """
    basis = coordinates_of(scenario).basis
    # Directions of no-signaling tables that leave the value as it is.
    _, _, rotated = np.linalg.svd((normal @ basis)[None])
    system = Coordinates(scenario, basis @ rotated[1:].T)
    barrier = _STARTING_NOISE * 1e-2 / scenario.num_cells
    return _project(cells, system, scenario, tolerance, start, barrier, NO_LIMIT)[0]


def _project(
    cells: FloatArray,
    system: Coordinates | Conditions,
    scenario: BellScenario,
    tolerance: float,
    start: FloatArray,
    first_barrier: float,
    deadline: Deadline,
) -> tuple[FloatArray, FloatArray]:
    count = len(cells)
    q = np.tile(start, (count, 1))
    barrier = np.full(count, max(first_barrier, tolerance))
    reached = np.full(count, np.inf)
    best = q.copy()
    active = np.arange(count)
    for _ in range(_MAX_NEWTON_STEPS):
        if deadline.over:
            raise SolverError("project_to_no_signaling: the time limit was over.")
        here, limit = q[active], barrier[active]
        weight = cells[active] + limit[:, None]
        step = system.newton_step(weight, here)
        decrement = np.sum(weight / here * step, axis=1)
        # Without a step there is nothing left to gain that rounding errors would not hide.
        sound: NDArray[np.bool_] = np.asarray(np.isfinite(step).all(axis=1))
        going = sound
        settled = sound & (decrement <= np.maximum(limit * 1e-2, tolerance))
        if settled.any():
            done = active[settled]
            best[done], reached[done] = here[settled], limit[settled]
            barrier[done] = np.maximum(limit[settled] / _BARRIER_RATIO, tolerance)
            finished = settled & (limit <= tolerance)
            if finished.any():
                # One more step, whose error is the square of what is left; short as it is, it needs no line search.
                last = here[finished] + step[finished]
                best[active[finished]] = np.where(last.min(axis=1, keepdims=True) > 0, last, here[finished])
                going = sound & ~finished
        moving = sound & ~settled
        if moving.any():
            moved, stuck = _line_search(here[moving], step[moving], weight[moving])
            q[active[moving]] = moved
            if stuck.size:
                going = np.array(going)
                going[np.flatnonzero(moving)[stuck]] = False
        if not going.all():
            active = active[going]
            if not active.size:
                break
    unsettled = ~np.isfinite(reached)
    best[unsettled], reached[unsettled] = q[unsettled], barrier[unsettled]
    best = _without_rounding(best, scenario)
    return best, reached[:, None] / best


def _without_rounding(tables: FloatArray, scenario: BellScenario) -> FloatArray:
    """Tables that are no-signaling to the last digits, and positive: where they are not, with a little white noise."""
    reduce = coordinates.collins_gisin_matrices(scenario)
    expand = coordinates.full_table_from_collins_gisin_matrices(scenario)
    white = 1 / math.prod(scenario.max_outcomes)
    n, count = scenario.num_parties, len(tables)
    pairs = list(zip(scenario.num_settings, scenario.max_outcomes, strict=True))
    # One axis per party, then the tables, which each contraction of the parties' axes brings to the front.
    order = [1 + axis for k in range(n) for axis in (k, n + k)]
    axes = tables.reshape(count, *scenario.shape).transpose([*order, 0]).reshape([*(m * d for m, d in pairs), count])
    reduced = coordinates.apply_per_party(axes, reduce)
    reduced = reduced / reduced.reshape(count, -1)[:, 0].reshape((count,) + (1,) * n)
    exact = coordinates.apply_per_party(np.moveaxis(reduced, 0, -1), expand)
    split = exact.reshape([count, *(size for pair in pairs for size in pair)])
    cells = split.transpose([0, *(1 + 2 * k for k in range(n)), *(2 + 2 * k for k in range(n))]).reshape(count, -1)
    least = np.minimum(cells.min(axis=1, keepdims=True), 0)
    share = np.where(least < 0, -2 * least / (white - 2 * least), 0.0)
    repaired = np.maximum((1 - share) * cells + share * white, 1e-300)
    off = np.abs(cells - tables).max(axis=1, keepdims=True) > _CELL_ROUNDING
    return np.where(off, repaired, tables)


def _line_search(q: FloatArray, direction: FloatArray, weight: FloatArray) -> tuple[FloatArray, NDArray[np.intp]]:
    """Moves every row along its direction, as far as its likelihood rises; and says which rows cannot be moved."""
    shrink = np.max(-direction / q, axis=1)
    size = np.where(shrink > 0.99, 0.99 / np.maximum(shrink, 0.99), 1.0)
    slope = -np.sum(weight * direction / q, axis=1)
    trial = q + size[:, None] * direction
    waiting = np.arange(len(q))
    for _ in range(60):
        # The change of the likelihood, without the cancellation of its two values.
        change = -np.sum(weight[waiting] * np.log(trial[waiting] / q[waiting]), axis=1)
        waiting = waiting[change > 1e-4 * size[waiting] * slope[waiting] + 1e-15]
        if not waiting.size:
            return trial, waiting
        size[waiting] /= 2
        trial[waiting] = q[waiting] + size[waiting, None] * direction[waiting]
    trial[waiting] = q[waiting]
    return trial, waiting
