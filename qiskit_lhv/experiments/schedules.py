"""Orders in which the settings of a Bell experiment are visited."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .._support.records import Record
from .._support.validation import frozen, generator, is_whole_number, whole_array, whole_number, whole_numbers
from .._support.words import counted
from ..exceptions import CountsError
from ..targets.designs import check_design, check_shots

__all__ = ["SettingSchedule", "require_schedule"]

_MAX_TRIALS = 10**8


@dataclass(frozen=True, eq=False, repr=False)
class SettingSchedule(Record):
    """Settings and shots of runs that follow each other, for ``BellExperiment`` and ``DeviceExperiment``.

    A run is a number of shots at one setting combination. Schedules are made by :meth:`blocks`, :meth:`interleaved` or
    :meth:`random`, or from your own order.

    Args:
        positions: Settings of each run, shape ``(P, N)``.
        shots: Shots of each run: shape ``(P,)``, or one number for all.
        design: ``"blocks"``: the shots of each setting combination are fixed beforehand, in any order;
            ``"random"``: each run is one trial whose settings were drawn at random.
        setting_probabilities: For ``"random"``, the known probability of each setting combination,
            shape ``(m_1, ..., m_N)``.

    Raises:
        CountsError: If positions, shots or design do not fit together.

    References:
        J. Barrett, D. Collins, L. Hardy, A. Kent, S. Popescu, Phys. Rev. A 66, 042111 (2002), arXiv:quant-ph/0205016
        (settings drawn trial by trial, against devices with memory).

    Examples:
        >>> schedule = SettingSchedule.interleaved((2, 2), shots=1000, rounds=10, seed=2)
        >>> schedule.num_runs, schedule.total_shots, schedule.positions[:4].tolist()
        (40, 4000, [[1, 1], [1, 0], [0, 0], [0, 1]])
    """

    positions: NDArray[np.int64]
    """Setting of each party in each run, shape ``(P, N)``, int64, read-only."""
    shots: NDArray[np.int64]
    """Shots of each run, shape ``(P,)``, int64, read-only."""
    design: str = "blocks"
    """``"blocks"`` or ``"random"``."""
    setting_probabilities: NDArray[np.float64] | None = None
    """Probability of each setting combination for ``"random"``, else ``None``."""

    def __post_init__(self) -> None:
        positions = whole_array(self.positions, "positions", CountsError)
        if positions.ndim != 2 or 0 in positions.shape or positions.min() < 0:
            raise CountsError.bad_argument(
                "positions",
                expected="whole numbers of at least zero, shape (P, N): one row per run, one column per party",
                got=f"shape {positions.shape}" if positions.ndim != 2 or 0 in positions.shape else "negative numbers",
            )
        shots = frozen(check_shots(self.shots, (len(positions),)))
        probabilities = self.setting_probabilities
        grid = np.shape(probabilities) if self.design == "random" and probabilities is not None else ()
        checked = check_design(self.design, probabilities, grid)
        if checked is not None:
            if len(grid) != positions.shape[1] or np.any(positions >= np.array(grid)):
                raise CountsError.bad_argument(
                    "setting_probabilities",
                    expected=f"a shape above {tuple(positions.max(axis=0).tolist())}, the largest positions",
                    got=f"shape {grid}",
                )
            if shots.max() > 1:
                raise CountsError.bad_argument(
                    "shots",
                    expected="one shot per run for design='random', where settings are drawn trial by trial",
                    got=f"up to {shots.max()}",
                    remedy="Use design='blocks' for runs of several shots, also if their order is random.",
                )
        for name, value in (("positions", positions), ("shots", shots), ("setting_probabilities", checked)):
            object.__setattr__(self, name, value)

    def __str__(self) -> str:
        return f"{counted(self.num_runs, 'run')}, {counted(self.total_shots, 'shot')}, design={self.design!r}"

    @property
    def num_runs(self) -> int:
        """Number of runs P."""
        return len(self.positions)

    @property
    def num_parties(self) -> int:
        """Number of parties N."""
        return int(self.positions.shape[1])

    @property
    def total_shots(self) -> int:
        """Shots of all runs together."""
        return int(self.shots.sum())

    @property
    def stretches(self) -> tuple[tuple[int, int], ...]:
        """First run, and the run after the last, of each stretch of equal shots; a stretch can share one PUB."""
        changes = (np.flatnonzero(np.diff(self.shots)) + 1).tolist()
        return tuple(zip([0, *changes], [*changes, self.num_runs], strict=True))

    @classmethod
    def blocks(cls, num_settings: Iterable[int], shots: ArrayLike) -> Self:
        """A schedule that visits every setting combination once, in the order of ``numpy.ndindex``.

        Args:
            num_settings: Number of settings of each party, such as ``experiment.scenario.num_settings``.
            shots: Shots of each setting combination: a number, or shape ``(m_1, ..., m_N)``, with zeros for those that
                are not to be measured.

        Raises:
            CountsError: If a number is not a whole number, or a setting of a party has no shots.

        Examples:
            >>> SettingSchedule.blocks((1, 3), 50).positions.tolist()
            [[0, 0], [0, 1], [0, 2]]
        """
        grid = whole_numbers(num_settings, "num_settings", CountsError, minimum=1)
        numbers = check_shots(shots, grid, some=True).ravel()
        return cls(_combinations(grid)[numbers > 0], numbers[numbers > 0])

    @classmethod
    def interleaved(
        cls, num_settings: Iterable[int], shots: ArrayLike, rounds: int = 10, seed: int | None = None
    ) -> Self:
        """A schedule of rounds that visit every setting combination once, each in a fresh random order.

        A drift of the device then touches all setting combinations alike. The shots of each combination
        stay fixed beforehand, so the design is ``"blocks"``.

        Args:
            num_settings: Number of settings of each party.
            shots: Shots of each setting combination over all rounds: a number, or shape
                ``(m_1, ..., m_N)``. They are shared among the rounds as evenly as whole numbers allow; a
                combination of fewer shots than rounds is left out of some. A multiple of ``rounds``
                needs the fewest PUBs.
            rounds: Number of rounds.
            seed: Seed of the orders.

        Raises:
            CountsError: If a number is not a positive whole number.
        """
        grid = whole_numbers(num_settings, "num_settings", CountsError, minimum=1)
        numbers = check_shots(shots, grid, some=True).ravel()
        rounds = whole_number(rounds, "rounds", CountsError)
        rng, combinations = generator(seed), _combinations(grid)
        # More rounds than shots would be empty.
        num_rounds = min(rounds, int(numbers.max()))
        positions, shares = [], []
        for i in range(num_rounds):
            # Rounding the running total keeps the shares even and spreads the remainder over the rounds.
            share = _running_total(numbers, i + 1, num_rounds) - _running_total(numbers, i, num_rounds)
            order = rng.permutation(len(numbers))
            order = order[share[order] > 0]
            positions.append(combinations[order])
            shares.append(share[order])
        return cls(np.concatenate(positions), np.concatenate(shares))

    @classmethod
    def random(
        cls,
        num_settings: Iterable[int],
        num_trials: int,
        probabilities: ArrayLike | None = None,
        seed: int | None = None,
    ) -> Self:
        """A schedule with one shot per run, whose settings are drawn independently, trial by trial.

        Trials in this order let a test stand against devices with memory; see ``BellExperiment.run_trials``.

        Args:
            num_settings: Number of settings of each party.
            num_trials: Number of trials.
            probabilities: Probability of each setting combination, shape ``(m_1, ..., m_N)``; default:
                uniform.
            seed: Seed of the settings. Settings from a pseudorandom generator are as good as random
                only for a device that does not know the seed.

        Raises:
            CountsError: If the number of trials is not a positive whole number, or the probabilities
                are not positive or do not sum to 1.

        Examples:
            >>> SettingSchedule.random((2, 2), 6, seed=1).positions.tolist()
            [[1, 0], [1, 1], [0, 0], [1, 1], [0, 1], [0, 1]]
        """
        grid = whole_numbers(num_settings, "num_settings", CountsError, minimum=1)
        if not is_whole_number(num_trials) or not 1 <= num_trials <= _MAX_TRIALS:
            raise CountsError.bad_argument(
                "num_trials", expected=f"a whole number from 1 to {_MAX_TRIALS}", got=repr(num_trials)
            )
        rng, combinations = generator(seed), _combinations(grid)
        if probabilities is None:
            probabilities = np.full(grid, 1 / len(combinations))
        checked = check_design("random", probabilities, grid)
        assert checked is not None
        drawn = rng.choice(len(combinations), int(num_trials), p=checked.ravel() / checked.sum())
        return cls(combinations[drawn], np.ones(int(num_trials), dtype=np.int64), "random", checked)


def require_schedule(schedule: object) -> SettingSchedule:
    """Returns the schedule, or raises CountsError if it is something else."""
    if not isinstance(schedule, SettingSchedule):
        raise CountsError.bad_argument(
            "schedule",
            expected="a SettingSchedule",
            got=type(schedule).__name__,
            remedy="Make one with SettingSchedule.blocks, .interleaved or .random.",
        )
    return schedule


def _combinations(grid: tuple[int, ...]) -> NDArray[np.int64]:
    """All setting combinations in the order of ``numpy.ndindex``, shape ``(number, N)``."""
    return np.stack(np.unravel_index(np.arange(int(np.prod(grid))), grid), axis=-1).astype(np.int64)


def _running_total(numbers: NDArray[np.int64], finished: int, rounds: int) -> NDArray[np.int64]:
    """Shots of each combination after some of the rounds, rounded to the nearest."""
    return (2 * finished * numbers + rounds) // (2 * rounds)
