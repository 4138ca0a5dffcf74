"""Local behaviors near given ones, no nearer than evidence needs: multiplicative steps with momentum."""

from __future__ import annotations


import numpy as np
from numpy.typing import NDArray

from .responses import ResponseMaps

__all__ = ["fit_responses"]

FloatArray = NDArray[np.float64]

_MAX_STEPS = 400
# Steps of maximum likelihood are exaggerated by this power; below 2 they still converge.
_POWER = 1.5
_MOMENTUM = 0.8
# Responses are kept above exp(-40), so that they can come back.
_LEAST_LOG = -40.0
# Numbers of a batch that stay in the processor's cache, and those from which on single precision finds q.
_BATCH_ENTRIES = 1 << 17
_LARGE = 1 << 16


def fit_responses(
    maps: ResponseMaps, cells: FloatArray, weights: FloatArray, gap_share: float, least_gap: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Local behaviors of small Kullback-Leibler divergence from given behaviors.

    Expectation-maximization over who plays which listed strategy and how the last party responds, exaggerated and with
    momentum. Each fit ends when its duality gap ``g = log max_strategy <cells / q, strategy>`` is at most
    ``gap_share`` times its divergence, or ``least_gap``, or after a fixed number of steps.

    Args:
        maps: The maps of the scenario.
        cells: ``w_x f(a|x)``, positive, shape ``(num_cells, B)``.
        weights: ``w_x`` of every cell, shape ``(num_cells, B)``.
        gap_share: See above.
        least_gap: See above, shape ``(B,)``.

    Returns:
        Behaviors q, positive, shape ``(num_cells, B)``, and their gaps up to rounding, shape ``(B,)``.
    """
    rows = max(1, _BATCH_ENTRIES // maps.size)
    batches = [slice(i, i + rows) for i in range(0, cells.shape[1], rows)]
    parts = [_fit(maps, cells[:, b], weights[:, b], gap_share, least_gap[b]) for b in batches]
    return np.concatenate([part[0] for part in parts], axis=1), np.concatenate([part[1] for part in parts])


def _fit(
    maps: ResponseMaps, cells: FloatArray, weights: FloatArray, gap_share: float, least_gap: FloatArray
) -> tuple[FloatArray, FloatArray]:
    dtype = np.float32 if maps.size >= _LARGE else np.float64
    num_listed, (m, d), batch = maps.num_listed, maps.last_shape, cells.shape[1]
    best_q, best_gap = np.ones_like(cells), np.full(batch, np.inf)
    active = np.arange(batch)
    log_mix = np.full((num_listed, batch), -np.log(num_listed), dtype=dtype)
    log_responses = np.full((num_listed, m, d, batch), -np.log(d), dtype=dtype)
    old_mix, old_responses = log_mix, log_responses
    age, before, open_fits = np.zeros(batch), np.full(batch, -np.inf), np.ones(batch, dtype=bool)
    for _ in range(_MAX_STEPS):
        momentum = np.minimum(_MOMENTUM, age / (age + 3)).astype(dtype)
        log_mix = log_mix + momentum * (log_mix - old_mix)
        log_responses = log_responses + momentum * (log_responses - old_responses)
        log_mix = np.maximum(log_mix - log_mix.max(axis=0), _LEAST_LOG)
        log_responses = np.maximum(log_responses - log_responses.max(axis=2, keepdims=True), _LEAST_LOG)
        mix = np.exp(log_mix)
        total = mix.sum(axis=0)
        mix, log_mix = mix / total, log_mix - np.log(total)
        responses = np.exp(log_responses)
        totals = responses.sum(axis=2, keepdims=True)
        responses, log_responses = responses / totals, log_responses - np.log(totals)
        q = maps.mixture(mix[:, None, None] * responses).astype(np.float64, copy=False)
        ratio = cells / q
        gains = maps.sums(ratio.astype(dtype, copy=False))
        gap = np.log(gains.max(axis=2).sum(axis=1).max(axis=0)).astype(np.float64)
        likelihood = np.sum(cells * np.log(ratio / weights), axis=0)
        # A fit that ended takes nothing from steps that others of its batch still make.
        better = (gap < best_gap[active]) & open_fits
        best_q[:, active[better]], best_gap[active[better]] = q[:, better], gap[better]
        open_fits = open_fits & (gap > np.maximum(gap_share * likelihood, least_gap)) & np.isfinite(gap)
        if not open_fits.any():
            break
        # A step that made things worse ends the momentum.
        age = np.where(likelihood > before, 0.0, age + 1)
        before = likelihood
        old_mix, old_responses = log_mix, log_responses
        answered = np.sum(responses * gains, axis=2, keepdims=True)
        log_mix = log_mix + _POWER * np.log(np.sum(answered[:, :, 0], axis=1))
        log_responses = log_responses + _POWER * (np.log(gains) - np.log(answered))
        if open_fits.mean() < 0.8:
            going = np.flatnonzero(open_fits)
            active, cells, weights, least_gap = active[going], cells[:, going], weights[:, going], least_gap[going]
            age, before, open_fits = age[going], before[going], open_fits[going]
            log_mix, old_mix = log_mix[:, going], old_mix[:, going]
            log_responses, old_responses = log_responses[..., going], old_responses[..., going]
    return best_q, best_gap


