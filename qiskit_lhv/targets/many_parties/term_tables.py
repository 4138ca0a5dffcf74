"""All correlators of some setting combinations, from the joint probabilities of their outcomes."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..._support.types import FloatArray
from ..._support.validation import at_most, real_array
from ...exceptions import CountsError
from ..scenario import BellScenario
from .runs import ABSENT
from .term_rows import check_term_rows

__all__ = ["terms_of_probabilities"]

_MOST_TERMS = 1 << 22
_NORMALIZED, _SIGNALING = 1e-9, 1e-6


def terms_of_probabilities(
    scenario: BellScenario, settings: ArrayLike, probabilities: ArrayLike
) -> tuple[NDArray[np.int8], FloatArray]:
    """Rows and values of all terms; see ``TermValues.from_probabilities``."""
    rows, n = check_term_rows(settings, scenario), scenario.num_parties
    if np.any(rows == ABSENT):
        raise CountsError.bad_argument("settings", expected="a setting of every party", got="-1")
    at_most(len(rows) << n, _MOST_TERMS, "settings", CountsError, what="probabilities")
    tables = real_array(probabilities, "probabilities", CountsError)
    if tables.shape != (len(rows), *(2,) * n):
        raise CountsError.bad_argument(
            "probabilities",
            expected=f"shape ({len(rows)}, 2, ..., 2), an axis for each of {n} parties",
            got=f"shape {tables.shape}",
        )
    sums = tables.reshape(len(rows), -1).sum(axis=1)
    if tables.min() < 0 or np.abs(sums - 1).max() > _NORMALIZED:
        raise CountsError.bad_argument(
            "probabilities",
            expected="numbers of at least 0 that sum to 1 for each setting combination",
            got=f"smallest {tables.min():.3g}, sums from {sums.min():.9g} to {sums.max():.9g}",
        )
    values = tables
    for axis in range(1, n + 1):
        plus, minus = np.take(values, 0, axis), np.take(values, 1, axis)
        # Entry 0: the party does not take part; entry 1: it does.
        values = np.stack([plus + minus, plus - minus], axis=axis)
    takes_part = np.indices((2,) * n).reshape(n, -1).T[1:] == 1
    listed = np.where(takes_part, rows[:, None, :], ABSENT).reshape(-1, n).astype(np.int8)
    terms, places, counts = np.unique(listed, axis=0, return_inverse=True, return_counts=True)
    each, places = values.reshape(len(rows), -1)[:, 1:].ravel(), places.reshape(-1)
    means = np.bincount(places, each) / counts
    signaling = float(np.abs(each - means[places]).max())
    if signaling > _SIGNALING:
        raise CountsError.bad_argument(
            "probabilities",
            expected="correlators of some parties that do not depend on the settings of the others",
            got=f"ones that differ by {2 * signaling:.2g}, at most",
            remedy="No local model reproduces them. For frequencies, use ManyPartyShots.",
        )
    return terms, means
