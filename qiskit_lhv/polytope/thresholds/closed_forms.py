"""Nonlocality thresholds of many behaviors at once where all facets of the local polytope are known."""

from __future__ import annotations

import numpy as np

from ..._support.types import FloatArray
from ...targets.scenario import BellScenario

__all__ = ["has_closed_form", "white_noise_thresholds"]

_SIGNS = np.multiply.outer([1.0, -1.0], [1.0, -1.0])
_CHSH_SHAPE = (2, 2, 2, 2)


def has_closed_form(scenario: BellScenario) -> bool:
    """Whether the scenario is that of CHSH, two parties with two settings of two outcomes."""
    return scenario.shape == _CHSH_SHAPE and scenario.num_parties == 2


def white_noise_thresholds(tables: FloatArray, max_visibility: float) -> FloatArray:
    """The visibility in white noise up to which no-signaling behaviors of the CHSH scenario are local, shape ``(K,)``.

    The facets of the local polytope are the eight versions of CHSH, which white noise gives the value 0, and the
    positivity of each probability, which matters above a visibility of 1 only.

    Args:
        tables: Behaviors ``p(a, b | x, y)``, one flattened per row, shape ``(K, 16)``.
        max_visibility: Where the search would end.

    References:
        Fine, Phys. Rev. Lett. 48, 291 (1982).
    """
    cells = tables.reshape(-1, *_CHSH_SHAPE)
    correlators = np.einsum("kxyab,ab->kxy", cells, _SIGNS)
    sums = correlators.sum(axis=(1, 2), keepdims=True) - 2 * correlators
    largest = np.abs(sums).max(axis=(1, 2))
    # Rounding may lift all cells of white noise above 1/4.
    short_of_white = np.maximum(0.25 - cells.min(axis=(1, 2, 3, 4)), 0.0)
    with np.errstate(divide="ignore"):
        limits = [2 / largest, 0.25 / short_of_white]
    return np.minimum(np.minimum(*limits), max_visibility)
