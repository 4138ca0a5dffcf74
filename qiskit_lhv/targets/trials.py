"""Trials of a Bell experiment, one by one in the order they were taken."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .._support.validation import frozen, real_array, shown
from .._support.words import counted
from ..exceptions import CountsError
from .counts import BellCounts
from .designs import check_design, refuse_impossible_settings
from .lost_shots import (
    check_lost_outcomes,
    check_post_selected,
    describe_losses,
    lost_fractions,
    outcome_maps,
    refuse_empty_settings,
    remaining_scenario,
)
from .outcome_maps import OutcomeMap, OutcomeNames
from .reading.csv_files import write_trials
from .reading.table_sizes import MAX_CELLS, check_table_size
from .reading.tables import table_of_rows
from .rounds import DataOfRuns, added_trials
from .scenario import BellScenario, check_scenario
from .setting_names import SettingNames, check_notes, check_setting_names

__all__ = ["BellTrials", "require_counts_or_trials"]

_DECLARE = (
    'Write BellTrials(settings, outcomes, design="random") if they were drawn at random trial by trial, each '
    'combination equally likely; BellTrials(settings, outcomes, design="random", setting_probabilities=p) with an '
    "array p of shape (m_1, ..., m_N) if they were drawn with other known probabilities; or BellTrials(settings, "
    'outcomes, design="blocks") if the order was fixed beforehand.'
)


@dataclass(frozen=True, eq=False, repr=False)
class BellTrials(DataOfRuns):
    """Settings and outcomes of every trial, in the order they were taken.

    The order lets a test stand against devices that remember earlier trials, if the settings were
    drawn at random. The data do not say whether they were: it must be declared, and ``settings_test``
    refuses trials that contradict it.

    Args:
        settings: Shape ``(T, N)``: the setting of each party in each trial.
        outcomes: Shape ``(T, N)``: the outcome of each party in each trial.
        scenario: Number of settings and outcomes; default: those that occur, with at least two outcomes.
        design: ``"random"`` (settings drawn trial by trial) or ``"blocks"`` (an order fixed beforehand). There is
            no default.
        setting_probabilities: For ``"random"``, the known probability of each setting combination, shape
            ``(m_1, ..., m_N)``, 0 for those that are never drawn; default: uniform.
        lost_outcomes: For each party the outcome that means "lost" (no click, a leaked qubit), or
            ``None``; default: no party has one.
        post_selected: Whether trials were dropped because of their outcomes.
        setting_names: The name of each setting of each party, for reports and pictures.
        reading: What was guessed when the trials were read, in words.

    Raises:
        CountsError: If shapes differ, there is no trial, an entry is not a whole number in range, no design is
            declared, or there are too many combinations of settings and outcomes to count.

    References:
        J. Barrett, D. Collins, L. Hardy, A. Kent, S. Popescu, Phys. Rev. A 66, 042111 (2002), arXiv:quant-ph/0205016
        (devices that remember earlier trials); R. D. Gill, arXiv:quant-ph/0301059 (why settings are drawn at random).

    Examples:
        >>> trials = BellTrials([[0, 1], [1, 1], [0, 0]], [[0, 0], [1, 0], [1, 1]], design="random")
        >>> trials
        BellTrials(2 parties with 2 settings of 2 outcomes each, 3 trials, design='random')
        >>> trials.setting_probabilities.tolist()
        [[0.25, 0.25], [0.25, 0.25]]
        >>> trials.table[0, 1].tolist()
        [[1, 0], [0, 0]]
    """

    settings: NDArray[np.int64]
    """Setting of each party, shape ``(T, N)``, int64, read-only."""
    outcomes: NDArray[np.int64]
    """Outcome of each party, shape ``(T, N)``, int64, read-only."""
    scenario: BellScenario | None = None
    """The number of settings and outcomes of each party."""
    # Without a declaration the constructor refuses, so that every object has one.
    design: str = None  # type: ignore[assignment]
    """``"random"`` or ``"blocks"``."""
    setting_probabilities: NDArray[np.float64] | None = None
    """Probability of each setting combination for ``"random"``, else ``None``."""
    lost_outcomes: tuple[int | None, ...] | None = None
    """The outcome of each party that means "lost", ``None`` for parties without; ``None`` if there is none."""
    post_selected: bool = False
    """Whether trials were dropped because of their outcomes."""
    setting_names: SettingNames | None = field(default=None, compare=False)
    """The name of each setting of each party; ``None`` if they have no names. Trials compare without them."""
    reading: tuple[str, ...] = field(default=(), compare=False)
    """What was guessed when the trials were read, in words; reports tell it. Trials compare without it."""

    def __post_init__(self) -> None:
        settings = _whole_rows(self.settings, "settings")
        outcomes = _whole_rows(self.outcomes, "outcomes")
        if settings.shape != outcomes.shape:
            raise CountsError.bad_argument(
                "outcomes",
                expected=f"shape {settings.shape}, as settings have",
                got=f"shape {outcomes.shape}",
            )
        if self.design is None:
            raise CountsError.bad_argument(
                "design",
                expected="how the settings were chosen, which the data do not say",
                got="nothing",
                remedy=_DECLARE,
            )
        scenario = self.scenario
        if scenario is None:
            num_settings = [int(m) for m in settings.max(axis=0) + 1]
            num_outcomes = [int(d) for d in np.maximum(outcomes.max(axis=0), 1) + 1]
            check_table_size((*num_settings, *num_outcomes), "settings")
            scenario = BellScenario(num_settings, num_outcomes)
        check_scenario(scenario)
        if scenario.num_parties != settings.shape[1]:
            raise CountsError.bad_argument(
                "scenario", expected=f"{settings.shape[1]} parties", got=f"{scenario.num_parties}"
            )
        check_table_size(scenario.shape, "scenario")
        for name, rows, sizes in (
            ("settings", settings, scenario.num_settings),
            ("outcomes", outcomes, scenario.max_outcomes),
        ):
            if np.any(rows >= np.array(sizes)):
                raise CountsError.bad_argument(
                    name, expected=f"numbers below {sizes}", got=f"up to {tuple(rows.max(axis=0).tolist())}"
                )
        _refuse_missing_outcomes(settings, outcomes, scenario)
        probabilities = self.setting_probabilities
        if self.design == "random" and probabilities is None:
            probabilities = np.full(scenario.num_settings, 1 / scenario.num_setting_combinations)
        checked = check_design(self.design, probabilities, scenario.num_settings)
        for name, value in (("settings", settings), ("outcomes", outcomes), ("scenario", scenario)):
            object.__setattr__(self, name, value)
        object.__setattr__(self, "setting_probabilities", checked)
        object.__setattr__(self, "lost_outcomes", check_lost_outcomes(self.lost_outcomes, scenario))
        object.__setattr__(self, "post_selected", check_post_selected(self.post_selected))
        if checked is not None:
            refuse_impossible_settings(self.table.sum(axis=scenario.outcome_axes), checked)
        object.__setattr__(self, "setting_names", check_setting_names(self.setting_names, scenario, CountsError))
        object.__setattr__(self, "reading", check_notes(self.reading, CountsError))

    @classmethod
    def from_table(
        cls,
        table: Any,
        *,
        settings: Sequence[Any] | None = None,
        outcomes: Sequence[Any] | None = None,
        design: str | None = None,
        setting_probabilities: ArrayLike | None = None,
        post_selected: bool = False,
    ) -> BellTrials:
        """Trials from a table with one row per trial, in the order in which they were taken.

        Args:
            table: The path of a CSV file, a data frame, columns by name such as ``{"x": [...], "y": [...], "a": [...],
                "b": [...]}``, or rows. Outcomes are 0 and 1, +1 and -1 (then +1 is outcome 0), or names; entries that
                are missing are lost. Settings are numbers from 0 on, names, or other numbers such as angles: 0 and 45
                are two settings.
            settings: The columns of the settings, one per party, by name or number; default: told from their names,
                such as x and y, or setting_a and setting_b.
            outcomes: The columns of the outcomes, in the same way.
            design: See the class. There is no default, unless the file was written by ``trials.save``.
            setting_probabilities: See the class.
            post_selected: See the class.

        Raises:
            CountsError: If no design is declared, columns cannot be told, or entries are no settings or outcomes.

        Examples:
            >>> table = {"x": [0, 45, 0], "y": [0, 0, 0], "a": [1, -1, 1], "b": [1, 1, -1]}
            >>> trials = BellTrials.from_table(table, design="random")
            >>> trials.setting_names, trials.outcomes.tolist()
            ((('0', '45'), ('0',)), [[0, 0], [1, 0], [0, 1]])
        """
        rows = table_of_rows(table, settings=settings, outcomes=outcomes, design=design)
        return cls(**rows.trials_arguments(setting_probabilities, post_selected))

    def _joined_with(self, other: BellTrials) -> BellTrials:
        """The trials of two runs of one experiment, one run after the other, as ``+`` gives them."""
        return added_trials(self, other)

    def _write_csv(self, path: str | os.PathLike[str]) -> None:
        """Writes one row per trial, with the columns x, y, a and b for two parties, as :meth:`save` does."""
        write_trials(self, path)

    def __repr__(self) -> str:
        losses = describe_losses(self.lost_outcomes, self.post_selected)
        return f"BellTrials({self.scenario}, {counted(self.num_trials, 'trial')}, design={self.design!r}{losses})"

    @property
    def num_trials(self) -> int:
        """Number of trials T."""
        return len(self.settings)

    @cached_property
    def table(self) -> NDArray[np.int64]:
        """Counts of all trials, shape ``(m_1, ..., m_N, d_1, ..., d_N)``; combinations may have no trial."""
        assert self.scenario is not None
        shape = self.scenario.shape
        cells = np.ravel_multi_index(tuple(np.hstack([self.settings, self.outcomes]).T), shape)
        return frozen(np.bincount(cells, minlength=self.scenario.num_entries).reshape(shape))

    def to_counts(self) -> BellCounts:
        """The counts of the trials, without their order.

        Raises:
            CountsError: If a setting of a party has no trial.
        """
        assert self.scenario is not None
        return BellCounts(
            self.table,
            self.design,
            self.setting_probabilities,
            self.lost_outcomes,
            self.post_selected,
            self.scenario,
            self.setting_names,
            reading=self.reading,
        )

    def part(self, selection: slice | Sequence[int]) -> BellTrials:
        """Some of the trials, in the order given, with the same scenario and design.

        Args:
            selection: A slice, numbers of trials, or a truth value for each trial.

        Raises:
            CountsError: If it selects nothing, or numbers of trials that do not exist.
        """
        try:
            settings, outcomes = self.settings[selection], self.outcomes[selection]
        except (IndexError, TypeError, ValueError) as exc:
            raise CountsError.bad_argument(
                "selection", expected=f"a slice, or numbers below {self.num_trials}", got=shown(selection)
            ) from exc
        return replace(self, settings=settings, outcomes=outcomes)

    def coarse_grain(self, outcomes: OutcomeNames) -> BellTrials:
        """The trials of parties who do not tell some of their outcomes apart; see :meth:`BellCounts.coarse_grain`.

        Args:
            outcomes: As in :meth:`BellCounts.coarse_grain`.

        Returns:
            The trials, in which no outcome means "lost" any more.

        Raises:
            CountsError: If a setting is out of range or its numbers do not fit.
        """
        assert self.scenario is not None
        change = OutcomeMap.merging(self.scenario, outcomes, CountsError)
        merged = np.empty_like(self.outcomes)
        for k, (party, most) in enumerate(zip(change.names, self.scenario.max_outcomes, strict=True)):
            table = np.array([own + (0,) * (most - len(own)) for own in party])
            merged[:, k] = table[self.settings[:, k], self.outcomes[:, k]]
        return replace(self, outcomes=merged, scenario=change.coarse, lost_outcomes=None)

    # Lost trials

    @cached_property
    def lost_fraction(self) -> NDArray[np.float64]:
        """Share of the trials in which each party's outcome was lost, shape ``(N, m_1, ..., m_N)``.

        See :attr:`BellCounts.lost_fraction`. It is NaN for setting combinations without a trial.
        """
        return lost_fractions(self.table, self.lost_outcomes)

    def assign_lost(self, to: int | Sequence[int] = 0) -> BellTrials:
        """Counts each party's lost outcome as another of its outcomes; see :meth:`BellCounts.assign_lost`.

        Args:
            to: The outcome, or one per party, numbered without the lost one.

        Returns:
            The trials without lost outcomes; these trials, if there are none.

        Raises:
            CountsError: If ``to`` is not an outcome that remains, or a party would have fewer than two.
        """
        if self.lost_outcomes is None:
            return self
        assert self.scenario is not None
        maps = outcome_maps(self.lost_outcomes, self.scenario, to)
        return self._without_lost(maps, np.ones(self.num_trials, dtype=bool))

    def post_select(self) -> BellTrials:
        """Drops every trial in which some party lost its outcome; see :meth:`BellCounts.post_select`.

        Returns:
            The trials without lost outcomes, marked as ``post_selected`` if any was dropped.

        Raises:
            CountsError: If no trial of a setting combination is left, or a party has fewer than two outcomes.
        """
        if self.lost_outcomes is None:
            return self
        assert self.scenario is not None
        # The lost outcomes get a new number too, but no trial that is kept has one.
        maps = outcome_maps(self.lost_outcomes, self.scenario, 0)
        kept = np.ones(self.num_trials, dtype=bool)
        for k, lost in enumerate(self.lost_outcomes):
            if lost is not None:
                kept &= self.outcomes[:, k] != lost
        cells = np.ravel_multi_index(tuple(self.settings.T), self.scenario.num_settings)
        before, after = (
            np.bincount(rows, minlength=self.scenario.num_setting_combinations).reshape(self.scenario.num_settings)
            for rows in (cells, cells[kept])
        )
        refuse_empty_settings(before, after)
        return self._without_lost(maps, kept)

    def _without_lost(self, maps: list[NDArray[np.int64]], kept: NDArray[np.bool_]) -> BellTrials:
        assert self.scenario is not None
        assert self.lost_outcomes is not None
        outcomes = np.stack([numbers[column] for numbers, column in zip(maps, self.outcomes[kept].T, strict=True)], 1)
        return replace(
            self,
            settings=self.settings[kept],
            outcomes=outcomes,
            scenario=remaining_scenario(self.lost_outcomes, self.scenario),
            lost_outcomes=None,
            post_selected=self.post_selected or not bool(kept.all()),
        )


_MAKING = "Make them with BellCounts.from_counts(counts), BellTrials.from_table(table) or read_data(path)."


def require_counts_or_trials(data: object, argument: str = "data") -> BellCounts | BellTrials:
    """Returns the data if they are counts or trials.

    Args:
        data: What the caller passed.
        argument: Name of the argument, for the message.

    Raises:
        CountsError: If they are anything else.
    """
    if not isinstance(data, BellCounts | BellTrials):
        raise CountsError.bad_argument(
            argument, expected="BellCounts or BellTrials", got=type(data).__name__, remedy=_MAKING
        )
    return data


def _refuse_missing_outcomes(settings: NDArray[np.int64], outcomes: NDArray[np.int64], scenario: BellScenario) -> None:
    """Refuses outcomes that their setting does not have, where settings have different numbers of outcomes."""
    if scenario.has_equal_outcomes:
        return
    for k, sizes in enumerate(scenario.num_outcomes):
        wrong = np.flatnonzero(outcomes[:, k] >= np.array(sizes)[settings[:, k]])
        if len(wrong):
            x = int(settings[wrong[0], k])
            raise CountsError.bad_argument(
                "outcomes",
                expected=f"outcomes below {sizes[x]} for setting {x} of party {k}",
                got=f"{outcomes[wrong[0], k]} in trial {wrong[0]}",
            )


def _whole_rows(value: object, name: str) -> NDArray[np.int64]:
    array = real_array(value, name, CountsError)  # type: ignore[arg-type]
    if array.ndim != 2 or 0 in array.shape:
        raise CountsError.bad_argument(
            name, expected="shape (T, N): one row per trial, one column per party", got=f"shape {array.shape}"
        )
    if array.min() < 0 or np.any(array != np.rint(array)):
        raise CountsError.bad_argument(name, expected="whole numbers of at least zero", got="other numbers")
    # Before they are cast, where larger ones would wrap.
    if array.max() >= MAX_CELLS:
        raise CountsError.bad_argument(
            name,
            expected=f"numbers below {MAX_CELLS}",
            got=f"{array.max():.6g}",
            remedy="Number settings and outcomes from 0 without gaps.",
        )
    return frozen(array.astype(np.int64))
