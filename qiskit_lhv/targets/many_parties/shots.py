"""Shots of Bell experiments of many parties, one bit per outcome."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..._support.records import Record
from ..._support.validation import frozen, instance, whole_array
from ..._support.words import counted
from ...exceptions import CountsError
from ..designs import DESIGNS
from ..scenario import BellScenario

__all__ = ["ABSENT", "ManyPartyShots"]

ABSENT = -1
"""The setting of a party that does not take part in a drawn term."""


@dataclass(frozen=True, eq=False, repr=False)
class ManyPartyShots(Record):
    """Shots of an experiment of many parties, run after run; in a run all parties keep their settings.

    Two designs are possible. In ``"blocks"``, the settings of every run and its number of shots were fixed beforehand.
    In ``"random"``, the settings of every run were drawn at random, independently of everything before: first a term
    of a declared expression, with a probability proportional to the size of its coefficient, then settings of the
    parties that do not take part in it. A run then has one shot (trial by trial), or several.

    Args:
        scenario: The number of settings of each party, two outcomes per setting.
        settings: Shape ``(R, N)``: the setting of each party in each run.
        shots: Shape ``(R,)``: the number of shots of each run, at least 1.
        packed: Shape ``(S, ceil(N / 8))``, uint8, the shots of all runs in order: bit ``k % 8`` of byte ``k // 8`` is
            the outcome of party k, 0 for +1.
        design: ``"blocks"`` or ``"random"``. There is no default.
        drawn_terms: For ``"random"``, shape ``(R, N)``: the term that was drawn in each run, as the setting of each
            party, -1 if it does not take part.

    Raises:
        CountsError: If shapes do not fit, settings are out of range, a drawn term does not agree with the settings,
            bits are set beyond the last party, or no design is declared.
    """

    scenario: BellScenario
    """The number of settings of each party; every setting has two outcomes."""
    settings: NDArray[np.int8]
    """Setting of each party in each run, shape ``(R, N)``, int8, read-only."""
    shots: NDArray[np.int64]
    """Number of shots of each run, shape ``(R,)``, int64, read-only."""
    packed: NDArray[np.uint8]
    """Outcomes of all shots, shape ``(S, ceil(N / 8))``, uint8, read-only; party k is bit k % 8 of byte k // 8."""
    design: str = None  # type: ignore[assignment]
    """``"random"`` or ``"blocks"``."""
    drawn_terms: NDArray[np.int8] | None = None
    """The drawn term of each run for ``"random"``, shape ``(R, N)``, int8, else ``None``; -1: does not take part."""
    reading: tuple[str, ...] = field(default=(), compare=False)
    """What was guessed when the shots were read, in words; reports tell it."""

    def __post_init__(self) -> None:
        scenario = instance(self.scenario, BellScenario, "scenario", CountsError)
        n = scenario.num_parties
        if any(d != 2 for party in scenario.num_outcomes for d in party):
            raise CountsError.bad_argument(
                "scenario", expected="two outcomes of every setting", got=f"{scenario.short_num_outcomes}"
            )
        if self.design not in DESIGNS:
            raise CountsError.bad_argument(
                "design",
                expected="'blocks' (settings fixed beforehand) or 'random' (a term drawn at random for every run)",
                got=repr(self.design),
            )
        settings = _rows(self.settings, "settings", scenario, lowest=0)
        shots = whole_array(self.shots, "shots", CountsError, ndim=1)
        if len(shots) != len(settings) or not len(shots) or shots.min() < 1:
            raise CountsError.bad_argument(
                "shots", expected=f"{len(settings)} numbers of at least 1, one per run", got=f"shape {shots.shape}"
            )
        packed = np.asarray(self.packed)
        shape = (int(shots.sum()), -(-n // 8))
        if packed.dtype != np.uint8 or packed.shape != shape:
            raise CountsError.bad_argument(
                "packed", expected=f"uint8 of shape {shape}", got=f"{packed.dtype} of shape {packed.shape}"
            )
        if n % 8 and np.any(packed[:, -1] >> (n % 8)):
            raise CountsError.bad_argument("packed", expected=f"bits of {n} parties only", got="a bit beyond them")
        drawn = self.drawn_terms
        if (drawn is None) != (self.design == "blocks"):
            raise CountsError.bad_argument(
                "drawn_terms",
                expected="the drawn term of each run for design='random', None for design='blocks'",
                got="None" if drawn is None else "terms",
            )
        if drawn is not None:
            drawn = _rows(drawn, "drawn_terms", scenario, lowest=ABSENT)
            if drawn.shape != settings.shape or np.any((drawn != ABSENT) & (drawn != settings)):
                raise CountsError.bad_argument(
                    "drawn_terms", expected="terms whose settings are those of their runs", got="others"
                )
            object.__setattr__(self, "drawn_terms", frozen(drawn))
        object.__setattr__(self, "settings", frozen(settings))
        object.__setattr__(self, "shots", frozen(shots))
        object.__setattr__(self, "packed", frozen(packed))

    def __str__(self) -> str:
        return (
            f"{self.scenario}, {counted(self.total_shots, 'shot')} in {counted(self.num_runs, 'run')}, "
            f"design={self.design!r}"
        )

    @property
    def num_parties(self) -> int:
        """Number of parties."""
        return self.scenario.num_parties

    @property
    def num_runs(self) -> int:
        """Number of runs."""
        return len(self.shots)

    @property
    def total_shots(self) -> int:
        """Number of shots of all runs together."""
        return int(self.shots.sum())

    @property
    def starts(self) -> NDArray[np.int64]:
        """The number of each run's first shot, shape ``(R,)``."""
        return np.cumsum(self.shots) - self.shots


def _rows(value: Any, name: str, scenario: BellScenario, *, lowest: int) -> NDArray[np.int8]:
    """Settings by run, shape ``(R, N)``, int8.

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
