"""Which runs of a schedule of many parties are in which PUB."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np
from numpy.typing import NDArray

from ..._support.validation import shown
from ...exceptions import CountsError
from ..signatures import short_digest
from .schedules import ManyPartySchedule

__all__ = ["RunPlan"]

# More circuits are a mistake: they would take hours.
_MAX_PUBS = 100_000


@dataclass(frozen=True)
class RunPlan:
    """Which runs of a schedule are in which PUB."""

    schedule: ManyPartySchedule
    """The runs."""
    one_circuit: bool
    """Whether one parameterized circuit serves all settings, or each setting combination has its own."""

    @cached_property
    def parts(self) -> list[NDArray[np.int64]]:
        """The runs of each PUB: those of equal shots, or those of equal settings."""
        values = self.schedule.shots if self.one_circuit else self.schedule.settings
        _, first, kinds = np.unique(values, axis=0, return_index=True, return_inverse=True)
        order = np.argsort(kinds.reshape(-1), kind="stable")
        parts = np.split(order, np.cumsum(np.bincount(kinds.reshape(-1)))[:-1])
        parts = [parts[kind] for kind in np.argsort(first)]
        if len(parts) > _MAX_PUBS:
            raise CountsError.bad_argument(
                "schedule",
                expected=f"at most {_MAX_PUBS} PUBs",
                got=f"{len(parts)}",
                remedy="Take fewer runs, with more shots each, the same number for all.",
            )
        return parts

    @property
    def shapes(self) -> list[tuple[int, ...]]:
        """Shape of the parameters of each PUB."""
        return [(len(runs),) if self.one_circuit else () for runs in self.parts]

    @property
    def digest(self) -> str:
        """A fingerprint of the runs."""
        return short_digest(
            str(self.schedule.scenario.num_settings), self.schedule.settings.tobytes(), self.schedule.shots.tobytes()
        )

    @classmethod
    def of_shapes(cls, schedule: ManyPartySchedule, shapes: list[tuple[int, ...]]) -> Self:
        """The plan whose PUBs have these shapes.

        Raises:
            CountsError: If there is none.
        """
        for one_circuit in (True, False) if set(shapes) == {()} else (True,):
            plan = cls(schedule, one_circuit)
            if plan.shapes == shapes:
                return plan
        raise CountsError.bad_argument(
            "result",
            expected=f"PUBs of shapes {shown(cls(schedule, True).shapes)}, as the schedule has",
            got=shown(shapes),
            remedy="Pass the result of the PUBs that pubs() returned, with the schedule that it was given.",
        )
