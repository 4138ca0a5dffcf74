"""Visibility thresholds: how much noise makes a behavior local, with both certificates."""

from __future__ import annotations

import dataclasses
import math
import os
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ..._support.deadlines import NO_LIMIT, Deadline
from ..._support.files import writable_file
from ..._support.threads import one_blas_thread
from ..._support.validation import instance, positive_number, whole_number
from ...exceptions import ScenarioError
from ...models.deterministic import DeterministicModel, constant_strategies, enumerate_strategies
from ...targets.behaviors import Behavior
from ..symmetry.group_search import check_symmetry, find_symmetry
from ..symmetry.reduced_coordinates import Reduction
from ..symmetry.relabelings import Relabeling, Symmetry
from ..symmetry.symmetrized_model import SymmetrizedModel
from .column_generation import MAX_COORDINATES, generate_columns, search_by_gradients
from .staged_search import WORK_OF_A_MINUTE
from .threshold import Threshold

__all__ = ["Threshold", "nonlocality_threshold"]

_ALL_COLUMNS = 300
# Share of the time limit that the search for symmetries may use.
_SHARE_OF_SYMMETRY = 0.3


@one_blas_thread()
def nonlocality_threshold(
    behavior: Behavior,
    *,
    noise: Behavior | None = None,
    symmetry: Symmetry | Sequence[Relabeling] | Literal["auto"] | None = "auto",
    max_visibility: float = 1.0,
    max_calls: int | None = None,
    time_limit: float | None = None,
    seed: int | None = 0,
    checkpoint: str | os.PathLike[str] | None = None,
    progress: bool | None = None,
) -> Threshold:
    """Finds the largest visibility at which a behavior, mixed with noise, has a local model.

    Strategies are generated as they are needed, by a heuristic oracle and, where that finds none and their number
    permits, by an exact one. In coordinates that the symmetries leave, a linear program mixes them, or
    conditional gradients if there are too many coordinates for that. Both sides end in certificates: a model, and
    a Bell inequality with integer coefficients, whose local bound is exact wherever it can be computed.

    Args:
        behavior: A no-signaling behavior (within 1e-7).
        noise: A local behavior of the same scenario; default: white noise.
        symmetry: Relabelings that leave behavior and noise unchanged; default: those that are found. ``None``: no
            symmetry.
        max_visibility: Largest visibility considered. Above 1 the line from the noise through the behavior is extended,
            which tells how far inside the local set the behavior lies.
        max_calls: Calls of the oracle after which a search by conditional gradients (more than some hundred
            coordinates) returns the interval found so far. Default: none with a time limit; without one the work is
            bounded, so that the search ends within about a minute on two cores.
        time_limit: Seconds after which the interval found so far is returned; default: none, see :ref:`time-limits`.
        seed: Seed of the oracle's random starts, or ``None``.
        checkpoint: A file that keeps the state of a search by conditional gradients (more than some hundred
            coordinates); if it exists, the search goes on from it. Linear programs end too soon to need one.
        progress: Whether to show a progress bar for long searches; default: on a terminal and in a notebook.

    Returns:
        Lower and upper bound of the threshold, which agree to about 1e-9 unless time ran out or there are
        hundreds of coordinates; ``upper_is_proven`` tells whether the upper one rests on an exact local bound.

    Raises:
        ScenarioError: If the behavior or the noise is signaling, the noise is not local or equals the behavior, a
            relabeling changes them, or an argument is out of range.
        SolverError: If the linear program fails.

    References:
        S. Designolle, G. Iommazzo, M. Besancon, S. Knebel, P. Gelss, S. Pokutta, Phys. Rev. Res. 5, 043059 (2023),
        arXiv:2302.04721; S. Designolle, T. Vertesi, S. Pokutta, Phys. Rev. A 109, 022205 (2024), arXiv:2310.20677.

    Examples:
        >>> from qiskit_lhv import Behavior, ghz_state
        >>> behavior = Behavior.from_state(ghz_state(3), [("X", "Y")] * 3)
        >>> threshold = nonlocality_threshold(behavior)
        >>> round(threshold.lower, 6), round(threshold.upper, 6)
        (0.5, 0.5)
        >>> print(threshold.inequality)
        <A0 B0 C0> - <A0 B1 C1> - <A1 B0 C1> - <A1 B1 C0> <= 2
    """
    remedy = "Of counts, estimate it with its error: statistics.estimate_threshold(counts)."
    scenario = instance(behavior, Behavior, "behavior", ScenarioError, remedy).scenario
    noise = Behavior.white_noise(scenario) if noise is None else instance(noise, Behavior, "noise", ScenarioError)
    behavior.require_scenario(noise.scenario, "noise")
    behavior.require_no_signaling(1e-7, "behavior")
    noise.require_no_signaling(1e-7, "noise")
    deadline = Deadline(time_limit)
    max_visibility = positive_number(max_visibility, "max_visibility", ScenarioError)
    if max_visibility > 1 and np.abs(behavior.array - noise.array).max() < 1e-12:
        raise ScenarioError.bad_argument("noise", expected="another behavior than the target", got="the same one")
    calls = math.inf if max_calls is None else whole_number(max_calls, "max_calls", ScenarioError)
    work = WORK_OF_A_MINUTE if max_calls is None and not deadline.limited else math.inf
    if checkpoint is not None:
        writable_file(checkpoint, "checkpoint")
    group = _parse_symmetry(symmetry, behavior, noise, deadline=deadline)
    strategies, noise_model = _starting_strategies(noise, group, seed)
    reduction = Reduction.fitting(behavior, noise, symmetry=group)
    if len(reduction.sizes) > MAX_COORDINATES:
        result = search_by_gradients(
            behavior, noise, reduction, strategies, max_visibility, deadline, seed, progress, checkpoint, calls, work
        )
    else:
        result = generate_columns(behavior, noise, reduction, strategies, max_visibility, deadline, seed)
    return dataclasses.replace(result, noise_model=noise_model)


def _parse_symmetry(symmetry: Any, *behaviors: Behavior, deadline: Deadline) -> Symmetry:
    scenario = behaviors[0].scenario
    if isinstance(symmetry, str) and symmetry == "auto":
        # Small linear programs are solved before symmetries would be found.
        small = scenario.num_strategies <= _ALL_COLUMNS
        if small:
            return Symmetry.trivial(scenario)
        return find_symmetry(*behaviors, time_limit=deadline.part(_SHARE_OF_SYMMETRY).left)
    if symmetry is None:
        return Symmetry.trivial(scenario)
    if isinstance(symmetry, Symmetry):
        group = symmetry
    elif isinstance(symmetry, Sequence) and all(isinstance(relabeling, Relabeling) for relabeling in symmetry):
        group = Symmetry.generated_by(symmetry, scenario)
    else:
        raise ScenarioError.bad_argument(
            "symmetry", expected="'auto', None, a Symmetry or a list of Relabeling", got=repr(symmetry)
        )
    if group.scenario != scenario:
        raise ScenarioError.bad_argument("symmetry", expected=f"relabelings of {scenario}", got=f"{group}")
    check_symmetry(group, *behaviors)
    return group


def _starting_strategies(
    noise: Behavior, group: Symmetry, seed: int | None
) -> tuple[NDArray[np.int64], DeterministicModel | SymmetrizedModel | None]:
    """Strategies whose mixtures, averaged over the group, contain the noise, and a model of it if it is not white."""
    scenario = noise.scenario
    white = Behavior.white_noise(scenario)
    small = scenario.num_strategies <= _ALL_COLUMNS
    start = enumerate_strategies(scenario) if small else constant_strategies(scenario)
    if np.abs(noise.array - white.array).max() < 1e-12:
        return start, None
    # Without a time limit: a check that was cut short would refuse noise that is local.
    reduction = Reduction.fitting(noise, white, symmetry=group)
    result = generate_columns(noise, white, reduction, start, 1.0, NO_LIMIT, seed)
    if result.lower < 1 - 1e-9:
        raise ScenarioError.bad_argument(
            "noise",
            expected="a local behavior",
            got=f"one that is local only up to visibility {result.upper:.6g} in white noise",
        )
    model = result.model
    if small:
        return start, model
    return model.strategies.astype(np.int64), model
