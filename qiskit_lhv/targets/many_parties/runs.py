"""What runs of many parties, and terms, have in common: rows that say the setting of each party, and their checks."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..._support.validation import frozen, whole_array
from ...exceptions import CountsError, LHVError
from ..scenario import BellScenario
from .reading import MAX_TOTAL_SHOTS

__all__ = [
    "ABSENT",
    "MAX_SETTINGS_PER_PARTY",
    "drawn_rows",
    "require_few_shots",
    "require_two_outcomes",
    "setting_rows",
]

ABSENT = -1
"""The setting of a party that does not take part in a term."""

MAX_SETTINGS_PER_PARTY = 127
"""Largest number of settings of a party: rows are int8."""


def require_two_outcomes(scenario: BellScenario, error: type[LHVError]) -> None:
    """Raises an error unless every setting has two outcomes, and no party more settings than a row can hold.

    Args:
        scenario: The scenario.
        error: Class of the error to raise.

    Raises:
        LHVError: Of class ``error``, if not.
    """
    if any(d != 2 for party in scenario.num_outcomes for d in party):
        raise error.bad_argument(
            "scenario", expected="two outcomes of every setting", got=f"{scenario.short_num_outcomes}"
        )
    if max(scenario.num_settings) > MAX_SETTINGS_PER_PARTY:
        raise error.bad_argument(
            "scenario",
            expected=f"at most {MAX_SETTINGS_PER_PARTY} settings per party",
            got=f"{max(scenario.num_settings)}",
        )


def setting_rows(value: Any, name: str, scenario: BellScenario, *, lowest: int) -> NDArray[np.int8]:
    """Settings by run, shape ``(R, N)``, int8.

    Args:
        value: What the caller passed.
        name: Name of the argument, for the message.
        scenario: The scenario, with at most 127 settings per party.
        lowest: The lowest number that is allowed, 0 or ``ABSENT``.

    Raises:
        CountsError: If the shape does not fit or a setting is out of range.
    """
    rows = np.asarray(value)
    if rows.dtype != np.int8:
        rows = whole_array(value, name, CountsError)
    n = scenario.num_parties
    if rows.ndim != 2 or rows.shape[1] != n:
        raise CountsError.bad_argument(name, expected=f"shape (R, {n})", got=f"shape {rows.shape}")
    for party, (low, high) in enumerate(zip(rows.min(axis=0, initial=0), rows.max(axis=0, initial=0), strict=True)):
        if low < lowest or high >= scenario.num_settings[party]:
            raise CountsError.bad_argument(
                name,
                expected=f"settings {lowest} to {scenario.num_settings[party] - 1} of party {party}",
                got=f"{low if low < lowest else high}",
            )
    return rows.astype(np.int8, copy=False)


def drawn_rows(value: Any, settings: NDArray[np.int8], scenario: BellScenario, design: str) -> NDArray[np.int8] | None:
    """The drawn term of each run, shape ``(R, N)``, int8, read-only; ``None`` in blocks.

    Args:
        value: What the caller passed.
        settings: The settings of the runs.
        scenario: The scenario.
        design: ``"blocks"`` or ``"random"``.

    Raises:
        CountsError: If there are terms in blocks or none for random runs, or they do not agree with the settings.
    """
    if (value is None) != (design == "blocks"):
        raise CountsError.bad_argument(
            "drawn_terms",
            expected="the drawn term of each run for design='random', None for design='blocks'",
            got="None" if value is None else "terms",
        )
    if value is None:
        return None
    drawn = setting_rows(value, "drawn_terms", scenario, lowest=ABSENT)
    if drawn.shape != settings.shape or np.any((drawn != ABSENT) & (drawn != settings)):
        raise CountsError.bad_argument(
            "drawn_terms", expected="terms whose settings are those of their runs", got="others"
        )
    return frozen(drawn)


def require_few_shots(shots: NDArray[np.int64]) -> None:
    """Raises an error if runs have more shots together than a record may hold.

    Args:
        shots: Shots of each run.

    Raises:
        CountsError: If they do.
    """
    # Whole numbers of 64 bits would start again at 0.
    total = float(shots.sum(dtype=float))
    if total > MAX_TOTAL_SHOTS:
        raise CountsError.bad_argument(
            "shots", expected=f"at most {MAX_TOTAL_SHOTS} of all runs together", got=f"{total:.6g}"
        )
