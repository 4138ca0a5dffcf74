"""The plan of proofs about a state of qubits: which proofs are tried, in which order, with which share of the time.

This module holds every rule that shares out a time limit, and every list of settings and polyhedra that are tried. The
function :func:`~qiskit_lhv.analysis.proofs.proofs` runs the plan.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from .._support.deadlines import Deadline

__all__ = [
    "LEAST_SECONDS_OF_AXES",
    "PLAN",
    "SHARE_OF_COARSE_AXES",
    "SHARE_OF_MIXTURE",
    "SHARE_OF_SUBSYSTEMS",
    "PlannedStep",
    "Step",
    "axes_to_try",
    "calls_of_oracle",
    "qudit_settings_to_try",
    "random_starts",
    "settings_to_try",
    "share_of",
    "time_for_models",
]


class Step(StrEnum):
    """The steps of the plan, in the order in which they are taken, the quickest first."""

    CRITERIA = "settings of the criteria in closed form"
    QUICK_PROOFS = "certificates that take no long search"
    SETTINGS = "optimized settings, fewer first"
    POLYHEDRA = "certificates from polyhedra, from coarse to fine, and finer mixtures"
    MODELS = "local models by gradient descent, which only estimate"


@dataclass(frozen=True)
class PlannedStep:
    """A step and its share of the time."""

    step: Step
    """The step."""
    share: float | None
    """The share of the time that is left when the step begins. The last of the steps that are asked for gets all of it.
    ``None`` stands for a quick step, which takes as long as it needs."""


PLAN = (
    PlannedStep(Step.CRITERIA, None),
    PlannedStep(Step.QUICK_PROOFS, None),
    PlannedStep(Step.SETTINGS, 0.25),
    PlannedStep(Step.POLYHEDRA, 0.8),
    PlannedStep(Step.MODELS, 1.0),
)
"""The steps in their order."""

SHARE_OF_SUBSYSTEMS = 0.1
"""The share of the time for settings that is spent on settings of reduced states."""
SHARE_OF_COARSE_AXES = 0.3
"""The share of the remaining time for polyhedra that each set of axes gets, except the finest one."""
SHARE_OF_MIXTURE = 0.4
"""The share of the time for polyhedra, after the coarsest one, that a finer mixture gets."""
LEAST_SECONDS_OF_AXES = 0.1
"""A search with a polyhedron begins only if at least this time is left."""

# A search for local models needs some seconds to compile.
_SECONDS_TO_COMPILE, _SECONDS_OF_A_SEARCH = 5.0, 3.0

# Method and number of settings per party, in the order in which they are tried.
_SETTINGS = {
    2: (("ascent", 3), ("ascent", 4)),
    3: (("ascent", 2), ("ascent", 3), ("regular", 7), ("regular", 10)),
    4: (("ascent", 2), ("regular", 4)),
}
_SETTINGS_OF_MANY = (("ascent", 2),)
# More settings, which are tried if nothing else can settle the question or the lowest visibility is asked for.
_MORE_SETTINGS = {
    2: (("ascent", 5), ("ascent", 6)),
    3: (("regular", 13),),
    4: (("ascent", 3), ("regular", 6)),
    5: (("regular", 4),),
}
# Vertices of the polytope up to which more settings of larger parties are tried.
_MOST_VERTICES = 5000
# Random starts of an optimization. A tenth of these are used, besides known good starts.
_NUM_STARTS, _MORE_STARTS, _STARTS_OF_MANY = 40, 60, 10
_MANY_QUBITS = 5


@dataclass(frozen=True)
class _Axes:
    """Numbers of axes of the polyhedra (or polygons) that are tried, from coarse to fine."""

    for_one_visibility: tuple[int, ...]
    """For the question whether a state with a given visibility is local."""
    for_the_highest: tuple[int, ...]
    """For the question up to which visibility a state is local."""


# For two qubits, proofs without polyhedra reach as far as polyhedra with few axes do.
_AXES = {2: _Axes((46, 81), (16, 46, 181)), 3: _Axes((6, 16, 46), (6, 16, 46)), 4: _Axes((6, 16), (6, 16))}
_AXES_IN_A_PLANE = {2: _Axes((12, 32), (24, 48)), 3: _Axes((8,), (8, 12))}
_AXES_OF_MANY, _AXES_OF_MANY_IN_A_PLANE = _Axes((6,), (6,)), _Axes((4,), (4,))

# Number of calls of the oracle per set of axes without a time limit; it is smaller where each call takes longer.
_MAX_CALLS, _LEAST_CALLS = 400, 40
_CELLS_IN_ALL = 1 << 22


def share_of(step: Step, steps: Sequence[Step]) -> float | None:
    """Returns the share of the remaining time that a step gets, or ``None`` for a quick step.

    Args:
        step: The step.
        steps: All steps that are asked for.
    """
    (share,) = (planned.share for planned in PLAN if planned.step is step)
    last = max(steps, key=list(Step).index) is step
    return 1.0 if last and share is not None else share


def settings_to_try(num_qubits: int, thorough: bool) -> tuple[tuple[str, int], ...]:
    """Returns the methods and the numbers of settings per party that are tried, in their order.

    Args:
        num_qubits: Number of qubits.
        thorough: Whether to try more settings.
    """
    more = _MORE_SETTINGS.get(num_qubits, ()) if thorough else ()
    return _SETTINGS.get(num_qubits, _SETTINGS_OF_MANY) + more


def qudit_settings_to_try(dimensions: Sequence[int], thorough: bool) -> tuple[tuple[int, int], ...]:
    """Returns the numbers of settings per party that are tried for larger parties, each with a number of starts.

    Args:
        dimensions: Dimension of each party's space.
        thorough: Whether to try more settings.
    """
    numbers = (2, 3, 4) if thorough else (2, 3)
    # The polytope has one vertex for each choice of outcomes of all settings.
    fitting = [m for m in numbers if math.prod(dimensions) ** m <= _MOST_VERTICES]
    starts = _MORE_STARTS if thorough else _NUM_STARTS
    return tuple((m, starts if m == 2 else starts // 2) for m in fitting or numbers[:1])


def random_starts(num_qubits: int, thorough: bool) -> int:
    """Returns the number of random starts of an optimization of settings.

    Args:
        num_qubits: Number of qubits.
        thorough: Whether to try more starts.
    """
    if num_qubits >= _MANY_QUBITS:
        return _STARTS_OF_MANY
    return _MORE_STARTS if thorough else _NUM_STARTS


def axes_to_try(num_qubits: int, in_a_plane: bool, highest: bool) -> tuple[int, ...]:
    """Returns the numbers of axes that are tried, from coarse to fine.

    Args:
        num_qubits: Number of qubits.
        in_a_plane: Whether all measurements lie in a plane.
        highest: Whether the highest visibility is asked for, rather than one of them.
    """
    if in_a_plane:
        axes = _AXES_IN_A_PLANE.get(num_qubits, _AXES_OF_MANY_IN_A_PLANE)
    else:
        axes = _AXES.get(num_qubits, _AXES_OF_MANY)
    return axes.for_the_highest if highest else axes.for_one_visibility


def calls_of_oracle(num_qubits: int, num_axes: int) -> int:
    """Returns the largest number of calls of the oracle in a search for a certificate without a time limit.

    Args:
        num_qubits: Number of qubits.
        num_axes: Number of axes per qubit.
    """
    return max(_LEAST_CALLS, min(_MAX_CALLS, _CELLS_IN_ALL // (num_axes + 1) ** num_qubits))


def time_for_models(clock: Deadline, searches: int = 1) -> bool:
    """Returns whether enough time is left to search for local models.

    Args:
        clock: The deadline of the call.
        searches: Number of visibilities at which models are searched.
    """
    return clock.allows(_SECONDS_TO_COMPILE + searches * _SECONDS_OF_A_SEARCH)
