"""Many e-values or p-values at once: which to reject so that few rejections are wrong."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..._support.validation import frozen, probability, real_array
from ...exceptions import CountsError

__all__ = ["benjamini_yekutieli", "e_bh"]


def e_bh(log_e_values: ArrayLike, alpha: float) -> NDArray[np.bool_]:
    """The e-BH procedure: rejects many null hypotheses by their e-values, with few false rejections.

    The k largest of K e-values are rejected, where k is the largest number such that the k-th largest
    e-value is at least ``K / (alpha k)``. The expected share of wrong rejections among all, the
    false discovery rate, is then at most ``alpha``. That holds however the e-values depend on each other: for
    pairs of qubits on one chip, also with crosstalk or shared drifts.

    Args:
        log_e_values: Natural logarithms of the e-values, shape ``(K,)``; ``-inf`` is an e-value of 0.
        alpha: Largest false discovery rate.

    Returns:
        Whether each is rejected, shape ``(K,)``.

    Raises:
        CountsError: If there are no e-values, an entry is not a number, or alpha is not between 0 and 1.

    Examples:
        >>> import numpy as np
        >>> e_bh(np.log([200, 3, 41, 45]), alpha=0.05).tolist()
        [True, False, True, True]

    References:
        R. Wang and A. Ramdas, J. R. Stat. Soc. B 84, 822 (2022), arXiv:2009.02824.
    """
    alpha = probability(alpha, "alpha", CountsError, open_interval=True)
    values = real_array(log_e_values, "log_e_values", CountsError, finite=False)
    if values.ndim != 1 or not len(values) or np.isnan(values).any():
        raise CountsError.bad_argument(
            "log_e_values",
            expected="one logarithm for each e-value, shape (K,)",
            got="NaN" if np.isnan(values).any() else f"shape {values.shape}",
        )
    thresholds = np.log(len(values)) - math.log(alpha) - np.log(np.arange(1, len(values) + 1))
    return _largest_set(-values, -thresholds)


def benjamini_yekutieli(p_values: ArrayLike, level: float) -> NDArray[np.bool_]:
    """The procedure of Benjamini and Yekutieli: rejects many null hypotheses by their p-values, with few false ones.

    The k smallest of K p-values are rejected, where k is the largest number such that the k-th smallest is at most
    ``level k / (K (1 + 1/2 + ... + 1/K))``. The expected share of wrong rejections among all, the false discovery rate,
    is then at most ``level``, however the p-values depend on each other: for pairs of qubits on one chip, also where
    they share qubits.

    Args:
        p_values: The p-values, shape ``(K,)``.
        level: Largest false discovery rate.

    Returns:
        Whether each is rejected, shape ``(K,)``.

    Raises:
        CountsError: If there are no p-values, an entry is not between 0 and 1, or the level is not between 0 and 1.

    Examples:
        >>> benjamini_yekutieli([0.001, 0.4, 0.02, 0.9], level=0.05).tolist()
        [True, False, False, False]

    References:
        Y. Benjamini and D. Yekutieli, Ann. Statist. 29, 1165 (2001).
    """
    level = probability(level, "level", CountsError, open_interval=True)
    values = real_array(p_values, "p_values", CountsError)
    if values.ndim != 1 or not len(values) or values.min() < 0 or values.max() > 1:
        raise CountsError.bad_argument(
            "p_values",
            expected="one number from 0 to 1 for each hypothesis, shape (K,)",
            got=f"shape {values.shape}" if values.ndim != 1 or not len(values) else f"{values.min()} to {values.max()}",
        )
    ranks = np.arange(1, len(values) + 1)
    return _largest_set(values, level * ranks / (len(values) * (1 / ranks).sum()))


def _largest_set(values: NDArray[np.float64], limits: NDArray[np.float64]) -> NDArray[np.bool_]:
    """The k smallest values, with the largest k for which the k-th smallest is at most its limit."""
    order = np.argsort(values, kind="stable")
    passed = np.flatnonzero(values[order] <= limits)
    rejected = np.zeros(len(values), dtype=bool)
    if len(passed):
        rejected[order[: passed[-1] + 1]] = True
    return frozen(rejected)
