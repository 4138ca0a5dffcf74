"""Many e-values at once: which to reject so that few rejections are wrong."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .._validation import frozen, probability
from ..exceptions import CountsError

__all__ = ["e_bh"]


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
        CountsError: If an entry is no number, there is none, or alpha is not between 0 and 1.

    Examples:
        >>> import numpy as np
        >>> e_bh(np.log([200, 3, 41, 45]), alpha=0.05).tolist()
        [True, False, True, True]

    References:
        R. Wang and A. Ramdas, J. R. Stat. Soc. B 84, 822 (2022), arXiv:2009.02824.
    """
    alpha = probability(alpha, "alpha", CountsError, open_interval=True)
    try:
        values = np.asarray(log_e_values, dtype=np.float64)
    except (TypeError, ValueError) as exc:
        raise CountsError.bad_argument(
            "log_e_values", expected="an array of numbers", got=type(log_e_values).__name__
        ) from exc
    if values.ndim != 1 or not len(values) or np.isnan(values).any():
        raise CountsError.bad_argument(
            "log_e_values",
            expected="one logarithm for each e-value, shape (K,)",
            got="NaN" if np.isnan(values).any() else f"shape {values.shape}",
        )
    number = len(values)
    order = np.argsort(-values, kind="stable")
    thresholds = np.log(number) - math.log(alpha) - np.log(np.arange(1, number + 1))
    passed = np.flatnonzero(values[order] >= thresholds)
    rejected = np.zeros(number, dtype=bool)
    if len(passed):
        rejected[order[: passed[-1] + 1]] = True
    return frozen(rejected)
