"""Kullback-Leibler divergence between behaviors, and its projection onto the no-signaling polytope."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .._validation import real_array
from ..exceptions import ScenarioError, SolverError
from . import coordinates
from .behaviors import Behavior
from .scenario import BellScenario

__all__ = ["divergence", "project_cells", "project_to_no_signaling", "setting_shares"]

FloatArray = NDArray[np.float64]

_LAST_BARRIER = 1e-13
_MAX_NEWTON_STEPS = 500
# Beyond this ratio of curvatures the Hessian itself would lose too many digits.
_STEEP = 1e8
# Numbers that one batch of linear systems may take.
_BATCH_ENTRIES = 1 << 22


def setting_shares(target: Behavior, weights: ArrayLike | None) -> FloatArray:
    """Weights of setting combinations, normalized to sum 1; ``None``: equal.

    Raises:
        ScenarioError: If the weights have the wrong shape or are not positive.
    """
    shape = target.scenario.num_settings
    if weights is None:
        weights = np.ones(shape)
    checked = real_array(weights, "weights", ScenarioError)
    if checked.shape != shape or checked.min() <= 0:
        raise ScenarioError.bad_argument("weights", expected=f"positive numbers of shape {shape}", got=f"{checked}")
    shares: FloatArray = checked / checked.sum()
    return shares


def divergence(target: Behavior, model: Behavior, weights: ArrayLike | None = None) -> float:
    """The weighted Kullback-Leibler divergence ``sum_x w_x KL(p(.|x) || q(.|x))``, in nats a trial.

    Evaluated as ``sum p h((q - p) / p)`` with ``h(u) = u - log(1 + u)``, which does not cancel.

    Args:
        target: The behavior p.
        model: The behavior q, of the same scenario.
        weights: Weight of each setting combination, shape ``(m_1, ..., m_N)``; default: equal. They
            are normalized.

    Raises:
        ScenarioError: If scenarios or shapes differ.
    """
    target.require_scenario(model.scenario, "model")
    share = setting_shares(target, weights)
    p, q = target.array, model.array
    seen = p > 0
    with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
        ratio = np.where(seen, (q - p) / p, 0.0)
        # Near -1 the sum 1 + ratio has lost the digits that q and p still have.
        near, far = p * (ratio - np.log1p(ratio)), (q - p) - p * (np.log(q) - np.log(p))
        terms = np.where(seen, np.where(np.abs(ratio) < 0.5, near, far), q)
    return float(np.sum(share.reshape(share.shape + (1,) * share.ndim) * terms))


def project_to_no_signaling(behavior: Behavior, weights: ArrayLike | None = None) -> Behavior:
    """Projects a behavior onto the no-signaling polytope, in Kullback-Leibler divergence.

    Finds the no-signaling q that minimizes ``sum_x w_x KL(p(.|x) || q(.|x))``: for frequencies p of
    counts and weights proportional to the shots, the maximum-likelihood no-signaling behavior.

    Args:
        behavior: The behavior to project.
        weights: Weight of each setting combination, shape ``(m_1, ..., m_N)``, positive; default: equal.

    Returns:
        The projection; its divergence exceeds the least possible one by at most about 1e-12 nats.

    Raises:
        ScenarioError: If the weights have the wrong shape or are not positive.
        SolverError: If the minimization does not converge.

    References:
        arXiv:1108.2468 (the projection's use in prediction-based ratios).
    """
    share = setting_shares(behavior, weights)
    cells = share.reshape(share.shape + (1,) * share.ndim) * behavior.array
    projected, _ = project_cells(cells.reshape(1, -1), behavior.scenario)
    return Behavior(projected.reshape(behavior.array.shape))


def project_cells(
    cells: FloatArray, scenario: BellScenario, tolerance: float = _LAST_BARRIER
) -> tuple[FloatArray, FloatArray]:
    """Projects many tables onto the no-signaling polytope at once.

    Each row minimizes ``-sum cells * log q`` over positive no-signaling q by Newton steps with a barrier that adds t to
    every cell: its optimum misses the minimum by at most t times the number of cells.

    Args:
        cells: ``w_x p(a|x)``, one flattened table a row, shape ``(B, C)``.
        scenario: The scenario.
        tolerance: The last barrier t.

    Returns:
        The projections q, shape ``(B, C)``, and t / q, shape ``(B, C)``: the multipliers of q >= 0. Up to rounding,
        ``(cells + t) / q`` has the same sum with every no-signaling behavior.

    Raises:
        SolverError: If the minimization does not converge.
    """
    basis = coordinates.cells_from_collins_gisin(scenario)[:, 1:]
    rows = max(1, _BATCH_ENTRIES // basis.size)
    origin = 1 / math.prod(scenario.num_outcomes)
    parts = [_project(cells[i : i + rows], basis, origin, tolerance) for i in range(0, len(cells), rows)]
    return np.concatenate([part[0] for part in parts]), np.concatenate([part[1] for part in parts])


def _project(cells: FloatArray, basis: FloatArray, origin: float, tolerance: float) -> tuple[FloatArray, FloatArray]:
    # All no-signaling tables are origin + basis @ c, with white noise at c = 0.
    count, size = cells.shape
    q = np.full((count, size), origin)
    barrier = np.full(count, max(1e-2 / size, tolerance))
    active = np.arange(count)
    for _ in range(_MAX_NEWTON_STEPS):
        weight = cells[active] + barrier[active, None]
        here = q[active]
        slope = (weight / here) @ basis
        step = _newton_step(basis, weight, here, slope)
        decrement = np.sum(slope * step, axis=1)
        settled = decrement <= np.maximum(barrier[active] * 1e-2, tolerance)
        finished = settled & (barrier[active] <= tolerance)
        barrier[active[settled & ~finished]] = np.maximum(barrier[active[settled & ~finished]] / 30, tolerance)
        moving = ~settled
        if moving.any():
            q[active[moving]] = _line_search(here[moving], step[moving] @ basis.T, weight[moving])
        if finished.any():
            # One more step, whose error is the square of what is left; short as it is, it needs no line search.
            last = here[finished] + step[finished] @ basis.T
            q[active[finished]] = np.where(last.min(axis=1, keepdims=True) > 0, last, here[finished])
        active = active[~finished]
        if not active.size:
            return q, barrier[:, None] / q
    raise SolverError(
        f"project_to_no_signaling: no convergence in {_MAX_NEWTON_STEPS} Newton steps. "
        "Mix the behavior with a little white noise first."
    )


def _newton_step(basis: FloatArray, weight: FloatArray, q: FloatArray, slope: FloatArray) -> FloatArray:
    """Solves ``basis^T diag(weight / q**2) basis step = slope`` for every row."""
    curvature = weight / q**2
    step = np.empty_like(slope)
    steep = curvature.max(axis=1) > _STEEP * curvature.min(axis=1)
    if not steep.all():
        hessian = np.matmul(basis.T * curvature[~steep, None, :], basis)
        step[~steep] = np.linalg.solve(hessian, slope[~steep, :, None])[:, :, 0]
    if steep.any():
        # Where cells are nearly empty: least squares with the roots, whose condition is the root of the Hessian's.
        roots = basis * np.sqrt(curvature[steep])[:, :, None]
        inverse = np.linalg.pinv(roots, rcond=np.finfo(float).eps * max(basis.shape))
        step[steep] = np.matmul(inverse, np.sqrt(weight[steep])[:, :, None])[:, :, 0]
    return step


def _line_search(q: FloatArray, direction: FloatArray, weight: FloatArray) -> FloatArray:
    """Moves every row along its direction, as far as it stays positive and its likelihood rises."""
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
            return trial
        size[waiting] /= 2
        trial[waiting] = q[waiting] + size[waiting, None] * direction[waiting]
    trial[waiting] = q[waiting]
    return trial
