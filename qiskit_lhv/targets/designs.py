"""How the settings of a run were chosen: block by block, or trial by trial at random."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .._support.validation import real_array, shown
from ..exceptions import CountsError
from .reading.table_sizes import MAX_SHOTS

__all__ = ["DESIGNS", "check_design", "check_shots"]


DESIGNS = ("blocks", "random")


def check_design(
    design: str, setting_probabilities: ArrayLike | None, num_settings: tuple[int, ...]
) -> NDArray[np.float64] | None:
    """Checks a sampling design and returns its setting probabilities, shape ``(m_1, ..., m_N)``.

    Raises:
        CountsError: If the design is unknown, or random without known, positive probabilities.
    """
    if not isinstance(design, str) or design not in DESIGNS:
        raise CountsError.bad_argument("design", expected="'blocks' or 'random'", got=shown(design))
    if design == "blocks":
        if setting_probabilities is not None:
            raise CountsError.bad_argument(
                "setting_probabilities",
                expected="None for design='blocks', where the shots of each setting are fixed",
                got="probabilities",
                remedy="Pass design='random' if the settings were drawn trial by trial.",
            )
        return None
    if setting_probabilities is None:
        raise CountsError.bad_argument(
            "setting_probabilities",
            expected=f"the probability of each setting combination, shape {num_settings}",
            got="None with design='random'",
            remedy="They must be known; the frequencies of the settings are not a substitute.",
        )
    array = real_array(setting_probabilities, "setting_probabilities", CountsError)
    if array.shape != num_settings or not array.size or array.min() <= 0 or abs(array.sum() - 1) > 1e-9:
        raise CountsError.bad_argument(
            "setting_probabilities",
            expected=f"positive numbers of shape {num_settings} that sum to 1",
            got=f"shape {array.shape}, smallest {array.min(initial=math.inf):.3g}, sum {array.sum():.9g}",
        )
    return array


def check_shots(shots: ArrayLike, num_settings: tuple[int, ...]) -> NDArray[np.int64]:
    """Shots of each setting combination, shape ``(m_1, ..., m_N)``, from one number or an array of them.

    Raises:
        CountsError: If a number is not a positive whole number or the shape is another one.
    """
    try:
        array = np.asarray(shots)
    except (TypeError, ValueError, RecursionError):  # such as rows of different length
        array = np.empty(0)
    if array.shape not in {(), num_settings} or array.dtype.kind not in "iu" or array.min() < 1:
        raise CountsError.bad_argument(
            "shots",
            expected=f"a positive whole number, or an array of them of shape {num_settings}",
            got=shown(shots),
        )
    if array.max() > MAX_SHOTS:
        raise CountsError.bad_argument("shots", expected="numbers up to 2**53", got=f"{int(array.max())}")
    return np.broadcast_to(array, num_settings).astype(np.int64)
