"""Exact confidence limits of binomial probabilities."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from ..._support.types import FloatArray

__all__ = ["clopper_pearson"]


def clopper_pearson(successes: ArrayLike, total: ArrayLike, alpha: float) -> tuple[FloatArray, FloatArray]:
    """Two-sided limits of probabilities: each interval misses with probability at most alpha.

    Args:
        successes: Numbers of successes.
        total: Numbers of trials, of the same shape.
        alpha: Error probability of each interval, half of it on either side.

    Returns:
        Lower and upper limits.

    References:
        C. J. Clopper, E. S. Pearson, Biometrika 26, 404 (1934).
    """
    from scipy.special import betaincinv

    won = np.asarray(successes, dtype=np.float64)
    lost = np.asarray(total, dtype=np.float64) - won
    lower = np.where(won > 0, betaincinv(np.maximum(won, 1), lost + 1, alpha / 2), 0.0)
    upper = np.where(lost > 0, betaincinv(won + 1, np.maximum(lost, 1), 1 - alpha / 2), 1.0)
    return lower, upper
