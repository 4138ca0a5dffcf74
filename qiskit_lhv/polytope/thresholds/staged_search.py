"""Search for the largest visibility at which a mixture of atoms exists, by conditional gradients."""

from __future__ import annotations

import json
import math
from abc import ABC, abstractmethod
from contextlib import nullcontext
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..._support.checkpoints import ArrayCheckpoint
from ..._support.deadlines import Deadline
from ..._support.interruptions import Interruption, postponed_interruptions
from ..._support.progress import ProgressBar
from ..._support.types import FloatArray
from .conditional_gradient import ConditionalGradient

__all__ = ["WORK_OF_A_MINUTE", "VisibilitySearch"]

WORK_OF_A_MINUTE = 2_000_000
"""Atoms, added up over all calls of the oracle, that take about a minute (25 microseconds each, with 4,000 or 33,000
coordinates alike)."""


# Relative distances below the estimated threshold at which models are made, one after the other.
_MARGINS = (2e-2, 7e-3, 2.5e-3, 1e-3, 3e-4)
# The margin of the stage that few coordinates add, relative to the one before.
_LAST_SHARE = 0.25
# Largest distance from the goal at the end of a stage, relative to the stage's margin.
_ENOUGH = 0.15
# A stage that does not come this much closer within so many calls has failed.
_CALLS_BETWEEN_LOOKS = 30
_PROGRESS = 0.985
# A goal that lies no farther below the threshold takes more calls than it is worth: finer directions do it faster.
_ROOM = 3e-3
# Number of times a stage is repeated at a lower visibility.
_FAILURES = 6


class VisibilitySearch(ABC):
    """Approaches the threshold on the line from noise to target from below, in stages.

    Args:
        gradient: The conditional gradient that approaches points of the line.
        target: Coordinates of the target.
        noise: Coordinates of the noise.
        margins: Relative distances below the estimated threshold, one per stage. With few coordinates, where the steps
            are cheap, one more stage comes nearer.
    """

    def __init__(
        self,
        gradient: ConditionalGradient,
        target: FloatArray,
        noise: FloatArray,
        margins: tuple[float, ...] = _MARGINS,
    ) -> None:
        self.gradient = gradient
        self.margins = (*margins, margins[-1] * _LAST_SHARE) if gradient.corrects else margins
        self.noise = noise
        self.slope = target - noise
        self.ceiling = math.inf
        self.separation: FloatArray | None = None
        self.stage = 0
        self.best = -math.inf
        self.goal = math.inf
        self.calls_left = math.inf
        self.work_left = math.inf

    @abstractmethod
    def proven(self, visibility: float, *, now: bool = False) -> float:
        """Returns the visibility that the present mixture proves to be local; a smaller one if proving takes long.

        Args:
            visibility: The visibility that the mixture was made for.
            now: Whether to compute it however long that takes.
        """

    @abstractmethod
    def keep(self, visibility: float) -> None:
        """Remembers the present mixture as the best one."""

    def at(self, visibility: float) -> FloatArray:
        """Returns the coordinates of the point of the line at a visibility."""
        return self.noise + visibility * self.slope

    def run(
        self,
        visibility: float | None,
        max_visibility: float,
        deadline: Deadline,
        bar: ProgressBar,
        file: ArrayCheckpoint | None = None,
        goal: float = math.inf,
        max_calls: float = math.inf,
        max_work: float = math.inf,
    ) -> None:
        """Runs the remaining stages.

        Args:
            visibility: A visibility to approach instead of the stages; default: the stages.
            max_visibility: Largest visibility considered.
            deadline: When to stop.
            bar: Progress bar that shows how far the search is.
            file: Where the state is kept, if anywhere.
            goal: Visibility that is enough: the stages end once it is proven. Where it lies above the threshold, as far
                as the oracle can tell, they end after the first one, which proves most of what there is.
            max_calls: Calls of the oracle after which the search ends, whatever the clock says.
            max_work: Atoms, added up over all calls, after which it ends.
        """
        self.goal = goal
        self.calls_left = max_calls
        self.work_left = max_work
        if visibility is not None:
            self._approach(visibility, visibility * 1e-6, deadline, bar, file)
            return
        # A little above, so that the residual can be absorbed.
        highest = max_visibility * (1 + 1e-3)
        if self.stage == 0:
            self._bracket(highest, deadline, bar)
            self.stage = 1
        failures = 0
        while self.stage <= len(self.margins) and not self._over(deadline) and not self._settled():
            margin = self.margins[self.stage - 1]
            aim = self.ceiling * (1 - margin)
            if self._in_reach:
                # Every stage stays above the visibility that is asked for.
                aim = max(aim, (self.goal + self.ceiling) / 2)
            aim = min(aim, highest)
            # Once what is missing is small beside what the next stage can bring, go on there.
            enough = _ENOUGH * margin if self.stage < len(self.margins) else _ENOUGH * margin / 3
            passed = aim <= self.best or self._approach(aim, enough * aim, deadline, bar, file)
            if passed or failures == _FAILURES:
                if self.best >= max_visibility:
                    return
                self.stage, failures = self.stage + 1, 0
            else:
                # The threshold lies lower than thought: the same distance below a lower estimate.
                self.ceiling = max(min(self.ceiling, aim), self.best)
                failures += 1

    def _settled(self) -> bool:
        """Whether the goal is proven, or out of reach as far as the oracle can tell, once there is a first proof."""
        return math.isfinite(self.goal) and (self.best >= self.goal or (not self._in_reach and self.stage > 1))

    @property
    def _in_reach(self) -> bool:
        """Whether there is a goal that lies well below the threshold, as far as the oracle can tell."""
        return self.goal * (1 + _ROOM) < self.ceiling

    def _over(self, deadline: Deadline) -> bool:
        """Whether calls, work or time are used up."""
        return self._spent or deadline.over

    @property
    def _spent(self) -> bool:
        """Whether calls or work are used up."""
        return self.calls_left <= 0 or self.work_left <= 0

    def _count_call(self) -> None:
        """Takes a call of the oracle off what is left; its cost grows with the atoms in the mixture."""
        self.calls_left -= 1
        self.work_left -= self.gradient.num_atoms

    def _consider(self, visibility: float, *, now: bool = False) -> float:
        """Returns the visibility that the present mixture proves, and keeps the mixture if this is a new maximum."""
        proven = self.proven(visibility, now=now)
        if proven > self.best:
            self.best = proven
            self.keep(visibility)
        return proven

    def _lower_ceiling(self) -> None:
        """Lowers the ceiling to the visibility above which no atom of the oracle's last answer reaches the line."""
        prices = self.gradient.prices
        slope = float(prices @ self.slope)
        if slope > 0:
            crossing = (self.gradient.best_bound - float(prices @ self.noise)) / slope
            if crossing < self.ceiling:
                self.separation = prices.copy()
            self.ceiling = min(self.ceiling, max(crossing, self.best))

    def _bracket(self, highest: float, deadline: Deadline, bar: ProgressBar) -> None:
        """Lowers a visibility until it lies just above the threshold, as far as the oracle can tell."""
        visibility, before = highest, math.inf
        for call in range(1, 201):
            distance = self.gradient.step(self.at(visibility))
            self._lower_ceiling()
            bar.update(1, f"threshold at most {self.ceiling:.5f}")
            self._count_call()
            if math.isfinite(self.goal):
                self._consider(visibility)
            if distance < 1e-6 or self._over(deadline) or self.best >= self.goal:
                return
            if call % 10 == 0:
                if self.ceiling > before * (1 - 1e-3):
                    return
                before = self.ceiling
                visibility = min(visibility, self.ceiling * 1.01)

    def _approach(
        self, visibility: float, enough: float, deadline: Deadline, bar: ProgressBar, file: ArrayCheckpoint | None
    ) -> bool:
        """Approaches one visibility; returns true once it is nearly reached, false once there is no more progress."""
        calls, before = 0, math.inf

        def watch(gradient: ConditionalGradient, distance: float) -> bool:
            nonlocal calls, before
            calls += 1
            self._count_call()
            missing = visibility - self._consider(visibility)
            self._lower_ceiling()
            bar.update(1, f"proven {self.best:.5f} at {visibility:.5f}, distance {distance:.1e}")
            if file is not None and (file.due or interruption.pending):
                self.save(file)
            interruption.end_if_pending()
            stuck = False
            if calls % _CALLS_BETWEEN_LOOKS == 0:
                stuck = distance > _PROGRESS * before
                before = distance
            done = missing < enough or stuck or self._spent or self._settled()
            in_vain = visibility > self.goal and not self._in_reach
            return done or in_vain or self.ceiling < visibility * (1 - 1e-4)

        with postponed_interruptions() if file is not None else nullcontext(Interruption()) as interruption:
            self.gradient.run(self.at(visibility), 1e-13, deadline, watch)
            if file is not None and interruption.pending:
                self.save(file)
            interruption.end_if_pending()
        missing = visibility - self._consider(visibility, now=True)
        self._lower_ceiling()
        if file is not None:
            self.save(file)
        return missing < enough

    def state(self) -> dict[str, NDArray[Any]]:
        """The arrays that a checkpoint holds."""
        arrays = {"numbers": np.array([self.ceiling, self.stage, self.best])}
        if self.separation is not None:
            arrays["separation"] = self.separation
        arrays["generator"] = np.array(json.dumps(self.gradient.random_state))
        for kind in range(len(self.gradient.oracles)):
            arrays[f"rows_{kind}"], arrays[f"weights_{kind}"] = self.gradient.atoms(kind)
        return arrays

    def save(self, file: ArrayCheckpoint) -> None:
        """Writes the state to a checkpoint."""
        file.save_arrays(self.state())

    def restore(self, file: ArrayCheckpoint) -> None:
        """Restores the state from a checkpoint, if there is one.

        Raises:
            CertificateError: If the file is damaged or belongs to another run.
        """
        arrays = file.load_arrays()
        if arrays is None:
            return
        try:
            ceiling, stage, best = arrays["numbers"]
            self.ceiling, self.stage, self.best = float(ceiling), int(stage), float(best)
            self.separation = arrays.get("separation")
            self.gradient.random_state = json.loads(str(arrays["generator"]))
            for kind in range(len(self.gradient.oracles)):
                self.gradient.add(kind, arrays[f"rows_{kind}"], arrays[f"weights_{kind}"])
            self.restore_best(arrays)
        except (KeyError, ValueError, IndexError) as exc:
            raise file.refused("a checkpoint of such a search", "another file") from exc

    def restore_best(self, arrays: dict[str, NDArray[Any]]) -> None:  # noqa: B027  # most hold nothing else
        """Restores everything else that :meth:`state` holds."""
