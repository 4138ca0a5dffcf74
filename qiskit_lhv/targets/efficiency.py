"""Detectors that sometimes do not click, as maps of a table of probabilities."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Real
from typing import Any

import numpy as np

from .._support.types import FloatArray
from .._support.validation import is_whole_number, probability
from ..exceptions import ScenarioError
from .scenario import BellScenario

__all__ = ["Assignment", "check_assignment", "check_efficiencies", "table_with_efficiency"]


# For each party, the outcome that stands for "no click"; None: an additional one, the last.
Assignment = tuple[int | None, ...]


def check_efficiencies(efficiency: Any, num_parties: int) -> tuple[float, ...]:
    """Returns the detection efficiency of each party, from one number or one per party.

    Raises:
        ScenarioError: If they are not probabilities, or there is not one per party.
    """
    if isinstance(efficiency, Real):
        return (probability(float(efficiency), "efficiency", ScenarioError),) * num_parties
    if not isinstance(efficiency, Sequence | np.ndarray) or len(efficiency) != num_parties:
        raise ScenarioError.bad_argument(
            "efficiency", expected=f"a number from 0 to 1, or {num_parties} of them", got=repr(efficiency)
        )
    return tuple(probability(share, "efficiency", ScenarioError) for share in efficiency)


def check_assignment(assign: object, scenario: BellScenario) -> Assignment:
    """Returns for each party the outcome that stands for "no click", ``None`` for an additional one.

    Args:
        assign: ``None``, an outcome, or one entry per party.
        scenario: The scenario of the behavior with perfect detectors.

    Raises:
        ScenarioError: If an entry is not an outcome of its party, or there is not one per party.
    """
    n = scenario.num_parties
    listed = (assign,) * n if assign is None or is_whole_number(assign) else assign
    # An outcome that all settings of the party have.
    sizes = tuple(min(party) for party in scenario.num_outcomes)
    expected = f"None or an outcome, or one of these per party, below {sizes}"
    if isinstance(listed, str) or not isinstance(listed, Sequence | np.ndarray) or len(listed) != n:
        raise ScenarioError.bad_argument("assign", expected=expected, got=repr(assign))
    for entry, size in zip(listed, sizes, strict=True):
        if entry is not None and (not is_whole_number(entry) or not 0 <= entry < size):
            raise ScenarioError.bad_argument("assign", expected=expected, got=repr(assign))
    return tuple(None if entry is None else int(entry) for entry in listed)


def table_with_efficiency(
    table: FloatArray, scenario: BellScenario, efficiencies: Sequence[float], assign: Assignment
) -> tuple[FloatArray, BellScenario]:
    """The probabilities that parties with inefficient detectors see.

    Args:
        table: Shape ``(m_1, ..., m_N, d_1, ..., d_N)``.
        scenario: Its scenario.
        efficiencies: One number per party.
        assign: See :func:`check_assignment`.

    Returns:
        The table, where settings of parties with an additional outcome have one more, and its scenario.
    """
    n = len(efficiencies)
    sizes = tuple(
        party if target is not None else tuple(d + 1 for d in party)
        for party, target in zip(scenario.num_outcomes, assign, strict=True)
    )
    for k, (efficiency, target) in enumerate(zip(efficiencies, assign, strict=True)):
        size = table.shape[n + k]
        if target is None and len(set(scenario.num_outcomes[k])) > 1:
            table = _with_own_losses(table, k, scenario.num_outcomes[k], efficiency)
            continue
        registered = np.eye(size if target is not None else size + 1, size) * efficiency
        registered[size if target is None else target] += 1 - efficiency
        table = np.moveaxis(np.tensordot(registered, table, axes=(1, n + k)), 0, n + k)
    return table, BellScenario(scenario.num_settings, sizes)


def _with_own_losses(table: FloatArray, party: int, sizes: Sequence[int], efficiency: float) -> FloatArray:
    """The table whose settings of a party have one more outcome each, after their own last one."""
    axis = table.ndim // 2 + party
    pad = [(0, 0)] * table.ndim
    pad[axis] = (0, 1)
    result = efficiency * np.pad(table, pad)
    for x, size in enumerate(sizes):
        place: list[Any] = [slice(None)] * table.ndim
        place[party], place[axis] = x, size
        source: list[Any] = [slice(None)] * table.ndim
        source[party] = x
        result[tuple(place)] += (1 - efficiency) * table[tuple(source)].sum(axis=axis - 1)
    return result
