"""Arrays that hold counts: whole numbers of at least zero."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._support.validation import frozen, real_array
from ..exceptions import CountsError
from .reading.table_sizes import MAX_SHOTS, QUASI_REMEDY

__all__ = ["count_array"]


def count_array(value: Any) -> NDArray[np.int64]:
    """Returns counts as a read-only array of whole numbers.

    Args:
        value: What the caller passed as ``array``.

    Raises:
        CountsError: If an entry is negative, fractional or not finite, or there are too many shots.
    """
    array = real_array(
        value, "array", CountsError, remedy="Dictionaries, lists of them and results go to BellCounts.from_counts."
    )
    if np.asarray(value).dtype == bool:
        raise CountsError.bad_argument("array", expected="counts", got="truth values")
    if array.size and array.min() < 0:
        position = tuple(int(i) for i in np.unravel_index(np.argmin(array), array.shape))
        raise CountsError.bad_argument(
            "array",
            expected="counts of at least zero",
            got=f"{array[position]:g} at index {position}",
            remedy=QUASI_REMEDY,
        )
    fractional = array != np.rint(array)
    if fractional.any():
        position = tuple(int(i) for i in np.argwhere(fractional)[0])
        raise CountsError.bad_argument(
            "array", expected="whole numbers", got=f"{array[position]:g} at index {position}", remedy=QUASI_REMEDY
        )
    if array.sum() > MAX_SHOTS:
        raise CountsError.bad_argument("array", expected="at most 2**53 shots", got=f"{array.sum():.3g}")
    return frozen(array.astype(np.int64))
