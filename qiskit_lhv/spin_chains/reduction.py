"""States of some spins of a chain."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from .._support.validation import is_whole_number
from ..exceptions import MeasurementError

__all__ = ["MAX_REDUCED", "kept_axes", "listed_spins", "reduced_matrix"]


MAX_REDUCED = 10
"""Most spins of a reduced state."""


def listed_spins(spins: Sequence[int], num_spins: int) -> list[int]:
    """Checks which spins are kept, and lists them.

    Raises:
        MeasurementError: If a spin does not exist or is listed twice, or there are more than ``MAX_REDUCED``.
    """
    try:
        listed = list(spins)
    except TypeError:
        listed = []
    valid = all(is_whole_number(k) and 0 <= k < num_spins for k in listed)
    if not listed or not valid or len(set(listed)) != len(listed) or len(listed) > MAX_REDUCED:
        raise MeasurementError.bad_argument(
            "spins", expected=f"different spins from 0 to {num_spins - 1}, 1 to {MAX_REDUCED} of them", got=repr(spins)
        )
    return [int(k) for k in listed]


def kept_axes(spins: list[int], num_spins: int) -> tuple[list[int], list[int]]:
    """The axes of the amplitudes that are kept, most significant first, and the others."""
    # Axis k of the amplitudes is qubit n - 1 - k; the first listed spin must become the least significant.
    kept = [num_spins - 1 - k for k in reversed(spins)]
    return kept, [axis for axis in range(num_spins) if axis not in kept]


def reduced_matrix(vector: NDArray[np.complex128], spins: list[int]) -> NDArray[np.complex128]:
    """The density matrix of the listed spins, from the amplitudes of all."""
    kept, rest = kept_axes(spins, len(vector).bit_length() - 1)
    amplitudes = vector.reshape((2,) * (len(kept) + len(rest))).transpose(kept + rest).reshape(2 ** len(kept), -1)
    return amplitudes @ amplitudes.conj().T
