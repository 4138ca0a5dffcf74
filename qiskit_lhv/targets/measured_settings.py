"""What follows from which setting combinations were measured."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..exceptions import CountsError
from .behaviors import Behavior
from .scenario import BellScenario

if TYPE_CHECKING:
    from .counts import BellCounts

__all__ = ["filled_frequencies", "measured_parameters", "require_complete"]


def filled_frequencies(counts: BellCounts) -> Behavior:
    """The relative frequencies, with white noise in place of what was not measured.

    It is for computations in which setting combinations that were not measured have weight 0.

    Args:
        counts: The counts.
    """
    return counts.frequencies(fill=None if counts.is_complete else Behavior.white_noise(counts.scenario))


def measured_parameters(scenario: BellScenario, measured: NDArray[np.bool_]) -> int:
    """How many numbers describe a no-signaling behavior where it was measured; see ``num_no_signaling_parameters``.

    Args:
        scenario: The scenario.
        measured: Whether each setting combination was measured, shape ``(m_1, ..., m_N)``.
    """
    if measured.all():
        return scenario.num_no_signaling_parameters
    n, total = scenario.num_parties, 0
    for members in itertools.product((False, True), repeat=n):
        numbers: Any = measured.any(axis=tuple(k for k in range(n) if not members[k]), keepdims=True).astype(np.int64)
        for k in range(n):
            if members[k]:
                shape = [-1 if j == k else 1 for j in range(n)]
                numbers = numbers * (np.array(scenario.num_outcomes[k]) - 1).reshape(shape)
        total += int(numbers.sum())
    # The empty set of parties stands for normalization.
    return total - 1


def require_complete(counts: BellCounts, purpose: str, remedy: str = "Measure it.") -> BellCounts:
    """Returns the counts if every setting combination was measured.

    Args:
        counts: The counts.
        purpose: What they are for, which ends the sentence "shots for every setting combination".
        remedy: What else to do.

    Raises:
        CountsError: If a setting combination was not measured.
    """
    if not counts.is_complete:
        raise CountsError.bad_argument(
            "counts",
            expected=f"shots for every setting combination {purpose}",
            got=f"none for settings {tuple(int(i) for i in np.argwhere(~counts.measured)[0])}",
            remedy=remedy,
        )
    return counts
