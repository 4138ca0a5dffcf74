"""How the settings of a run were chosen: block by block, or trial by trial at random."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .._support.validation import real_array, shown
from ..exceptions import CountsError
from .reading.table_sizes import MAX_SHOTS

__all__ = ["DESIGNS", "check_design", "check_shots", "refuse_impossible_settings"]


DESIGNS = ("blocks", "random")


def check_design(
    design: str, setting_probabilities: ArrayLike | None, num_settings: tuple[int, ...]
) -> NDArray[np.float64] | None:
    """Checks a sampling design and returns its setting probabilities, shape ``(m_1, ..., m_N)``.

    Raises:
        CountsError: If the design is unknown, or random without known probabilities.
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
    if array.shape != num_settings or not array.size or array.min() < 0 or abs(array.sum() - 1) > 1e-9:
        raise CountsError.bad_argument(
            "setting_probabilities",
            expected=f"numbers of at least 0 of shape {num_settings} that sum to 1",
            got=f"shape {array.shape}, smallest {array.min(initial=math.inf):.3g}, sum {array.sum():.9g}",
        )
    for party in range(array.ndim):
        own = array.sum(axis=tuple(k for k in range(array.ndim) if k != party))
        if own.min() == 0:
            raise CountsError.bad_argument(
                "setting_probabilities",
                expected="a positive probability for every setting of every party",
                got=f"0 for setting {int(np.argmin(own))} of party {party}, whatever the others have",
                remedy="Leave this setting out.",
            )
    return array


def refuse_impossible_settings(shots: NDArray[np.int64], probabilities: NDArray[np.float64] | None) -> None:
    """Refuses shots of setting combinations that are never drawn.

    Args:
        shots: Shots of each setting combination, shape ``(m_1, ..., m_N)``.
        probabilities: Their declared probabilities, or ``None`` in blocks.

    Raises:
        CountsError: If there are shots where the declared probability is 0.
    """
    if probabilities is None:
        return
    wrong = np.argwhere((shots > 0) & (probabilities == 0))
    if len(wrong):
        position = tuple(int(i) for i in wrong[0])
        raise CountsError.bad_argument(
            "setting_probabilities",
            expected="a positive probability for every setting combination that has shots",
            got=f"0 for settings {position}, which came {int(shots[position])} times",
            remedy="Declare the probabilities with which the settings were drawn.",
        )


def check_shots(shots: ArrayLike, num_settings: tuple[int, ...], *, some: bool = False) -> NDArray[np.int64]:
    """Shots of each setting combination, shape ``(m_1, ..., m_N)``, from one number or an array of them.

    Args:
        shots: What the caller passed.
        num_settings: The shape.
        some: Whether an array may have zeros, for setting combinations that are not to be measured. Every setting of
            every party has to be measured in some combination.

    Raises:
        CountsError: If a number is not a positive whole number or the shape is another one.
    """
    try:
        array = np.asarray(shots)
    except (TypeError, ValueError, RecursionError):  # such as rows of different length
        array = np.empty(0)
    if (
        array.shape not in {(), num_settings}
        or array.dtype.kind not in "iu"
        or array.min() < (0 if some and array.ndim else 1)
    ):
        raise CountsError.bad_argument(
            "shots",
            expected=f"a positive whole number, or an array of them of shape {num_settings}",
            got=shown(shots),
        )
    for party in range(len(num_settings) if some else 0):
        own = np.broadcast_to(array, num_settings).sum(axis=tuple(k for k in range(len(num_settings)) if k != party))
        if own.min() == 0:
            raise CountsError.bad_argument(
                "shots",
                expected="a positive whole number, or an array with shots for every setting of every party",
                got=f"none for setting {int(np.argmin(own))} of party {party}",
            )
    if array.max() > MAX_SHOTS:
        raise CountsError.bad_argument("shots", expected="numbers up to 2**53", got=f"{int(array.max())}")
    return np.broadcast_to(array, num_settings).astype(np.int64)
