"""The plan of proofs about a state of qubits: what is tried in which order, with which share of time and which budget.

All that shares a time limit out, and every list of settings and polyhedra that are tried, stands here; the plan is run
by :func:`~qiskit_lhv.analysis.proofs.proofs`.
"""

from __future__ import annotations

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
    "random_starts",
    "settings_to_try",
    "share_of",
    "time_for_models",
]


class Step(StrEnum):
    """A step of the plan; the members stand in the order in which the steps are taken, the quickest first."""

    CRITERIA = "settings of the criteria in closed form"
    QUICK_PROOFS = "certificates that take no long search"
    SETTINGS = "optimized settings, fewer first"
    POLYHEDRA = "certificates from polyhedra, from coarse to fine, and finer mixtures"
    MODELS = "local models by gradient descent, which only estimate"


@dataclass(frozen=True)
class PlannedStep:
    """A step and the share of the time that it gets."""

    step: Step
    """The step."""
    share: float | None
    """Share of the time that is left when it begins; the last step that is asked for gets all. ``None``: it is quick,
    and takes what it needs."""


PLAN = (
    PlannedStep(Step.CRITERIA, None),
    PlannedStep(Step.QUICK_PROOFS, None),
    PlannedStep(Step.SETTINGS, 0.25),
    PlannedStep(Step.POLYHEDRA, 0.8),
    PlannedStep(Step.MODELS, 1.0),
)
"""The steps in their order."""

SHARE_OF_SUBSYSTEMS = 0.1
"""Of the time for settings, the share for those of reduced states."""
SHARE_OF_COARSE_AXES = 0.3
"""Of the time for polyhedra that is left, the share for each set of axes but the finest."""
SHARE_OF_MIXTURE = 0.4
"""Of the time for polyhedra that is left after the coarsest ones, the share for a finer mixture."""
LEAST_SECONDS_OF_AXES = 0.1
"""With less time no polyhedron is begun."""

# A search for local models compiles for some seconds first.
_SECONDS_TO_COMPILE, _SECONDS_OF_A_SEARCH = 5.0, 3.0

# Method and number of settings per party, in the order in which they are tried.
_SETTINGS = {
    2: (("ascent", 3), ("ascent", 4)),
    3: (("ascent", 2), ("ascent", 3), ("regular", 7), ("regular", 10)),
    4: (("ascent", 2), ("regular", 4)),
}
_SETTINGS_OF_MANY = (("ascent", 2),)
# What is tried besides where nothing else can settle the question, or the lowest visibility is asked for.
_MORE_SETTINGS = {
    2: (("ascent", 5), ("ascent", 6)),
    3: (("regular", 13),),
    4: (("ascent", 3), ("regular", 6)),
    5: (("regular", 4),),
}
# Random starts: a tenth of these, beside those that are known.
_NUM_STARTS, _MORE_STARTS, _STARTS_OF_MANY = 40, 60, 10
_MANY_QUBITS = 5


@dataclass(frozen=True)
class _Axes:
    """Numbers of axes of the polyhedra (or polygons) that are tried, from coarse to fine."""

    for_one_visibility: tuple[int, ...]
    """Where it is asked whether a state with a given visibility is local."""
    for_the_highest: tuple[int, ...]
    """Where the highest visibility is asked for."""


# For two qubits the proofs without polyhedra do what few axes can.
_AXES = {2: _Axes((46, 81), (16, 46, 181)), 3: _Axes((6, 16, 46), (6, 16, 46)), 4: _Axes((6, 16), (6, 16))}
_AXES_IN_A_PLANE = {2: _Axes((12, 32), (24, 48)), 3: _Axes((8,), (8, 12))}
_AXES_OF_MANY, _AXES_OF_MANY_IN_A_PLANE = _Axes((6,), (6,)), _Axes((4,), (4,))

# Calls of the oracle for a set of axes where there is no time limit, fewer where each call takes longer.
_MAX_CALLS, _LEAST_CALLS = 400, 40
_CELLS_IN_ALL = 1 << 22


def share_of(step: Step, steps: Sequence[Step]) -> float | None:
    """The share of the time left that a step gets; ``None`` if it is quick.

    Args:
        step: The step.
        steps: All steps that are asked for.
    """
    (share,) = (planned.share for planned in PLAN if planned.step is step)
    last = max(steps, key=list(Step).index) is step
    return 1.0 if last and share is not None else share


def settings_to_try(num_qubits: int, thorough: bool) -> tuple[tuple[str, int], ...]:
    """Methods and numbers of settings per party, in their order.

    Args:
        num_qubits: Number of qubits.
        thorough: Whether to try more.
    """
    more = _MORE_SETTINGS.get(num_qubits, ()) if thorough else ()
    return _SETTINGS.get(num_qubits, _SETTINGS_OF_MANY) + more


def random_starts(num_qubits: int, thorough: bool) -> int:
    """Starts of an optimization of settings.

    Args:
        num_qubits: Number of qubits.
        thorough: Whether to try more.
    """
    if num_qubits >= _MANY_QUBITS:
        return _STARTS_OF_MANY
    return _MORE_STARTS if thorough else _NUM_STARTS


def axes_to_try(num_qubits: int, in_a_plane: bool, highest: bool) -> tuple[int, ...]:
    """Numbers of axes, from coarse to fine.

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
    """The budget of a search for a certificate without a time limit.

    Args:
        num_qubits: Number of qubits.
        num_axes: Number of axes of each.
    """
    return max(_LEAST_CALLS, min(_MAX_CALLS, _CELLS_IN_ALL // (num_axes + 1) ** num_qubits))


def time_for_models(clock: Deadline, searches: int = 1) -> bool:
    """Whether enough time is left to search for local models.

    Args:
        clock: The time.
        searches: For how many visibilities.
    """
    return clock.allows(_SECONDS_TO_COMPILE + searches * _SECONDS_OF_A_SEARCH)
