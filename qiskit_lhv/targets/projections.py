"""Kullback-Leibler divergence between behaviors, and its projection onto the no-signaling polytope."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .._validation import real_array
from ..exceptions import ScenarioError, SolverError
from . import coordinates
from .behaviors import Behavior

__all__ = ["divergence", "project_to_no_signaling", "setting_shares"]

FloatArray = NDArray[np.float64]

_LAST_BARRIER = 1e-13
_MAX_NEWTON_STEPS = 500


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
    scenario = behavior.scenario
    share = setting_shares(behavior, weights)
    share = share.reshape(share.shape + (1,) * share.ndim)
    target = coordinates.to_party_axes(share * behavior.array, scenario).ravel()

    # All no-signaling tables are origin + basis @ c, with white noise at c = 0.
    matrix: FloatArray = np.ones((1, 1))
    for party in coordinates.full_table_from_collins_gisin_matrices(scenario):
        matrix = np.asarray(np.kron(matrix, party), dtype=np.float64)
    origin = np.full(len(target), 1 / np.prod(scenario.num_outcomes))
    return Behavior(coordinates.from_party_axes(_maximize_likelihood(target, origin, matrix[:, 1:]), scenario))


def _maximize_likelihood(target: FloatArray, origin: FloatArray, basis: FloatArray) -> FloatArray:
    """Minimizes -sum(target * log q) over positive q = origin + basis @ c by Newton steps with a barrier.

    The barrier adds t to every weight; its optimum misses the minimum by at most t * len(target).
    """
    q = origin.copy()
    barrier = max(1e-2 / len(q), _LAST_BARRIER)
    for _ in range(_MAX_NEWTON_STEPS):
        weight = target + barrier
        scaled = basis * (np.sqrt(weight) / q)[:, None]
        residual = np.sqrt(weight)
        step, *_ = np.linalg.lstsq(scaled, residual, rcond=None)
        direction = basis @ step
        decrement = float(np.sum((scaled @ step) ** 2))
        if decrement <= max(barrier * 1e-2, _LAST_BARRIER):
            if barrier <= _LAST_BARRIER:
                return q
            barrier = max(barrier / 30, _LAST_BARRIER)
            continue
        q = _line_search(q, direction, weight)
    raise SolverError(
        f"project_to_no_signaling: no convergence in {_MAX_NEWTON_STEPS} Newton steps. "
        "Mix the behavior with a little white noise first."
    )


def _line_search(q: FloatArray, direction: FloatArray, weight: FloatArray) -> FloatArray:
    shrink = np.max(-direction / q)
    size = min(1.0, 0.99 / shrink) if shrink > 0 else 1.0
    start = -np.sum(weight * np.log(q))
    slope = -np.sum(weight * direction / q)
    for _ in range(60):
        trial = q + size * direction
        if -np.sum(weight * np.log(trial)) <= start + 1e-4 * size * slope + 1e-15:
            return trial
        size /= 2
    return q
