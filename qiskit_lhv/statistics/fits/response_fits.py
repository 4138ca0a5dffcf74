"""Local behaviors near given ones, only as near as evidence needs, by multiplicative steps with momentum."""

from __future__ import annotations

import numpy as np

from ..._support.deadlines import NO_LIMIT, Deadline
from ..._support.types import FloatArray
from .response_maps import ResponseMaps, sum_of_settings

__all__ = ["fit_responses"]


_MAX_STEPS = 400
# Steps of maximum likelihood are exaggerated by this power; below 2 they still converge.
_EXAGGERATION = 1.2
_MOMENTUM = 0.98
# Responses are kept above exp(-40), so that they can come back.
_LEAST_LOG = -40.0
# Numbers of a batch that stay in the processor's cache.
_BATCH_ENTRIES = 1 << 17


def fit_responses(
    maps: ResponseMaps,
    cells: FloatArray,
    weights: FloatArray,
    gap_share: float,
    least_gap: FloatArray,
    deadline: Deadline = NO_LIMIT,
) -> tuple[FloatArray, FloatArray]:
    """Local behaviors of small Kullback-Leibler divergence from given behaviors.

    They are found by expectation-maximization over the probabilities of the listed strategies and the responses of the
    last party, with exaggerated steps and momentum. Each fit ends when its duality gap
    ``g = log max_strategy <cells / q, strategy>`` is at most ``gap_share`` times its divergence, when the gap or the
    divergence is at most ``least_gap``, or after a fixed number of steps.

    Args:
        maps: The maps of the scenario.
        cells: ``w_x f(a|x)``, positive, shape ``(num_cells, B)``.
        weights: ``w_x`` of every cell, shape ``(num_cells, B)``.
        gap_share: See above.
        least_gap: See above, shape ``(B,)``.
        deadline: When to end with what was found; default: never.

    Returns:
        Behaviors q, positive, shape ``(num_cells, B)``, and their gaps up to rounding, shape ``(B,)``.
    """
    rows = max(1, _BATCH_ENTRIES // maps.size)
    batches = [slice(i, i + rows) for i in range(0, cells.shape[1], rows)]
    parts = [_fit(maps, cells[:, b], weights[:, b], gap_share, least_gap[b], deadline) for b in batches]
    return np.concatenate([part[0] for part in parts], axis=1), np.concatenate([part[1] for part in parts])


def _fit(
    maps: ResponseMaps,
    cells: FloatArray,
    weights: FloatArray,
    gap_share: float,
    least_gap: FloatArray,
    deadline: Deadline,
) -> tuple[FloatArray, FloatArray]:
    num_listed, (m, d), batch = maps.num_listed, maps.last_shape, cells.shape[1]
    best_q, best_gap = np.ones_like(cells), np.full(batch, np.inf)
    active = np.arange(batch)
    mix = old_mix = np.full((num_listed, batch), -np.log(num_listed))
    responses = old_responses = np.full((d, num_listed, m, batch), -np.log(d))
    age, before, open_fits = np.zeros(batch), np.full(batch, np.inf), np.ones(batch, dtype=bool)
    for _ in range(_MAX_STEPS):
        momentum = np.minimum(_MOMENTUM, age / (age + 3))
        mix, old_mix, likely = _extrapolated(mix, old_mix, momentum)
        responses, old_responses, answers = _extrapolated(responses, old_responses, momentum)
        q = maps.mixture(answers * likely[:, None])
        ratio = cells / q
        gains = maps.sums(ratio)
        gap = np.log(sum_of_settings(gains.max(axis=0)).max(axis=0))
        divergence = np.sum(cells * np.log(ratio / weights), axis=0)
        # A fit that ended takes nothing from steps that others of its batch still make.
        better = (gap < best_gap[active]) & open_fits
        best_q[:, active[better]], best_gap[active[better]] = q[:, better], gap[better]
        ended = (gap <= np.maximum(gap_share * divergence, least_gap)) | (divergence <= least_gap)
        open_fits = open_fits & ~ended & np.isfinite(gap)
        if not open_fits.any() or deadline.over:
            break
        # A step that made things worse ends the momentum.
        age = np.where(divergence > before, 0.0, age + 1)
        before = divergence
        answered = np.sum(answers * gains, axis=0)
        mix = mix + _EXAGGERATION * np.log(sum_of_settings(answered))
        responses = responses + _EXAGGERATION * (np.log(gains) - np.log(answered))
        if open_fits.mean() < 0.8:
            going = np.flatnonzero(open_fits)
            active, cells, weights, least_gap = active[going], cells[:, going], weights[:, going], least_gap[going]
            age, before, open_fits = age[going], before[going], open_fits[going]
            mix, old_mix = mix[:, going], old_mix[:, going]
            responses, old_responses = responses[..., going], old_responses[..., going]
    return best_q, best_gap


def _extrapolated(logs: FloatArray, old: FloatArray, momentum: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Logarithms carried on with their momentum and normalized over the first axis, those before, and probabilities."""
    ahead = np.maximum(logs + momentum * (logs - old), _LEAST_LOG)
    values = np.exp(ahead)
    total = values.sum(axis=0)
    return ahead - np.log(total), logs, values / total
