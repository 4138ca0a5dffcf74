"""How well random settings can be predicted, and what that allows a local model."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..._support.types import FloatArray
from ..._support.validation import probability
from ...exceptions import CountsError

__all__ = ["check_predictability", "mean_forms", "probability_limits", "refuse_predictable"]


def check_predictability(predictability: float, design: str, probabilities: FloatArray | None = None) -> float:
    """Returns the predictability after checking that it leaves something to test.

    Raises:
        CountsError: If it is not a number from 0 to 1, the settings were fixed in blocks, or a setting combination
            that should come may never come: a local model that knows when is bound by nothing there.
    """
    number = probability(predictability, "predictability", CountsError)
    if number > 0 and design != "random":
        raise CountsError.bad_argument(
            "predictability",
            expected="0 for settings that were fixed in blocks",
            got=f"{number:g}",
            remedy="Fixed settings are wholly predictable; the tests rest on independent shots instead.",
        )
    if number > 0 and probabilities is not None:
        lower, _ = probability_limits(probabilities, number)
        if float(lower[probabilities > 0].min()) <= 0:
            refuse_predictable(probabilities, number)
    return number


def refuse_predictable(probabilities: FloatArray, predictability: float) -> None:
    """Raises CountsError: the settings can be predicted too well."""
    drawn = np.where(probabilities > 0, probabilities, np.inf)
    rarest = tuple(int(i) for i in np.unravel_index(np.argmin(drawn), probabilities.shape))
    raise CountsError.bad_argument(
        "predictability",
        expected="settings unpredictable enough that a local model cannot reach every score",
        got=f"{predictability:g}, while settings {rarest} have probability {float(drawn.min()):.3g}",
        remedy="A local model that knows when these settings do not come wins always; use better random numbers.",
    )


def probability_limits(probabilities: FloatArray, predictability: float) -> tuple[Any, Any]:
    """Limits of the probability of each setting combination, given everything before the trial.

    The probability of each party's setting, given those of the parties before it, differs from the
    declared one by at most the predictability. Given settings that are declared never to come, nothing is declared.

    Args:
        probabilities: Declared probabilities, shape ``(m_1, ..., m_N)``; floats or fractions.
        predictability: The largest difference, of the same kind of number.

    Returns:
        Lower and upper limits, shape ``(m_1, ..., m_N)``.
    """
    lower: Any = np.ones_like(probabilities)
    upper: Any = np.ones_like(probabilities)
    before: Any = probabilities.sum()
    for k in range(probabilities.ndim):
        joint = probabilities.sum(axis=tuple(range(k + 1, probabilities.ndim)), keepdims=True)
        comes = np.asarray(before > 0)
        conditional = joint / np.where(comes, before, 1)
        lower = lower * np.where(comes, np.maximum(conditional - predictability, 0), 0)
        upper = upper * np.where(comes, np.minimum(conditional + predictability, 1), 1)
        before = joint
    return lower, upper


def mean_forms(probabilities: FloatArray, predictability: float) -> list[tuple[float, FloatArray]]:
    """Ways to bound a mean over settings whose probabilities are known only within limits.

    For numbers ``r_x`` from 0 to 1, each ``(share, weights)`` gives the bound
    ``sum_x p_x r_x <= share + sum_x weights_x r_x`` for all probabilities p within the limits.

    Args:
        probabilities: Declared probabilities, shape ``(m_1, ..., m_N)``.
        predictability: See :func:`probability_limits`.

    Returns:
        Share and weights of each form; a single one if the settings cannot be predicted.
    """
    if predictability == 0:
        return [(0.0, probabilities)]
    lower, upper = probability_limits(probabilities, predictability)
    # Outward, as floats are rounded.
    lower, upper = lower * (1 - 2.0**-45), upper * (1 + 2.0**-45)
    return [(max(0.0, 1 - math.fsum(lower.flat)) * (1 + 2.0**-45), lower), (0.0, upper)]
