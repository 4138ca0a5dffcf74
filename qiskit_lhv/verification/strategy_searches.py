"""Strategies that reach much: they refute a local bound that is too low, where a proof is out of reach."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from .eliminations import value_of_signs

__all__ = ["value_of_good_strategy"]

_STARTS = 8
_MAX_WORK = 1 << 27


def value_of_good_strategy(
    rows: NDArray[np.int8], coefficients: NDArray[np.float64], num_settings: tuple[int, ...]
) -> Fraction:
    """The exact value of a deterministic strategy that cannot be improved by changing a single outcome.

    The first start has all outcomes +1, the others are random, always the same. Little is tried where there are many
    terms; the value is reached in any case.

    Args:
        rows: Shape ``(T, N)``: the setting of each party in each term, negative if it does not take part.
        coefficients: Shape ``(T,)``.
        num_settings: Number of settings of each party.
    """
    from scipy.sparse import csr_array

    starts = np.cumsum([0, *num_settings])
    terms, parties = np.nonzero(rows >= 0)
    columns = starts[parties] + rows[terms, parties]
    size = int(starts[-1])
    holds = csr_array((np.ones(len(terms)), (columns, terms)), shape=(size, len(rows)))
    scale = float(np.abs(coefficients).max(initial=0)) or 1.0
    scaled, rng = np.asarray(coefficients, dtype=np.float64) / scale, np.random.default_rng(0)
    best: tuple[float, NDArray[np.int64]] = (-np.inf, np.zeros(size, dtype=np.int64))
    work = 0
    for start in range(_STARTS):
        outcomes = rng.integers(0, 2, size) if start else np.zeros(size, dtype=np.int64)
        values = scaled * (1 - 2 * ((holds.T @ outcomes) % 2))
        while work <= _MAX_WORK:
            gains = -2 * (holds @ values)
            flipped = int(gains.argmax()) if size else 0
            work += len(terms) + size
            if not size or gains[flipped] <= 1e-12:
                break
            outcomes[flipped] ^= 1
            touched = holds.indices[holds.indptr[flipped] : holds.indptr[flipped + 1]]
            values[touched] *= -1
        reached = float(values.sum())
        if reached > best[0]:
            best = (reached, outcomes.copy())
        if work > _MAX_WORK:
            break
    return value_of_signs(rows, coefficients, np.split(best[1], starts[1:-1]))
