"""Counts of a Bell experiment, with the way its settings were chosen."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .._support.validation import frozen
from .._support.words import counted
from ..exceptions import CountsError, ScenarioError
from .behaviors import Behavior
from .count_arrays import count_array
from .designs import check_design, refuse_impossible_settings
from .dictionaries import ReadingOptions, table_of_counts
from .lost_shots import (
    check_lost_outcomes,
    check_post_selected,
    describe_losses,
    lost_fractions,
    outcome_maps,
    refuse_empty_settings,
    remaining_scenario,
    renumbered,
    without_lost,
)
from .measured_settings import measured_parameters
from .outcome_maps import OutcomeMap, OutcomeNames
from .reading.csv_files import write_counts
from .reading.tables import is_table, table_of_rows
from .rounds import DataOfRuns, added_counts, check_rounds, of_rounds
from .scenario import BellScenario, scenario_of_array
from .setting_names import SettingNames, check_notes, check_setting_names

__all__ = ["BellCounts", "require_counts"]


@dataclass(frozen=True, eq=False, repr=False)
class BellCounts(DataOfRuns):
    """How often each outcome was seen for each setting combination.

    Not every setting combination has to be measured: Mermin's test of three parties takes four of eight. Combinations
    without shots are *unmeasured*: tests, fits and figures use the others, and nothing is claimed about what these
    would have given. Every setting of every party has to occur in some combination that was measured.

    Counts compare by their content. Like all objects with arrays they have no hash: in a dictionary they are values,
    not keys.

    Args:
        array: Whole numbers, shape ``(m_1, ..., m_N, d_1, ..., d_N)``, settings before outcomes; zeros throughout for
            setting combinations that were not measured.
        design: ``"blocks"``: the shots of each setting combination were fixed beforehand;
            ``"random"``: the settings were drawn at random, trial by trial.
        setting_probabilities: For ``"random"``, the known probability of each setting combination,
            shape ``(m_1, ..., m_N)``; 0 for those that are never drawn.
        lost_outcomes: For each party the outcome that means "lost" (no click, a leaked qubit), or
            ``None``; default: no party has one.
        post_selected: Whether shots were dropped because of their outcomes.
        scenario: The scenario, for settings with different numbers of outcomes: the array is padded with zeros where a
            setting has fewer than the party's largest one. Default: all settings of a party have as many.
        setting_names: The name of each setting of each party, for reports and pictures.
        rounds: The tables of several runs in the order in which they were taken, as ``+`` keeps them.
        reading: What was guessed when the counts were read, in words.

    Raises:
        CountsError: If an entry is negative, fractional or not finite, a setting of a party has no
            shots, the design is incomplete, a lost outcome is out of range, or there are shots of an outcome that a
            setting does not have, or of settings that are never drawn.

    References:
        P. M. Pearle, Phys. Rev. D 2, 1418 (1970) (what a local model can do with shots that are lost or dropped).

    Examples:
        >>> counts = BellCounts.from_counts({
        ...     (0, 0): {"00": 430, "01": 70, "10": 80, "11": 420},
        ...     (0, 1): {"00": 425, "01": 75, "10": 72, "11": 428},
        ...     (1, 0): {"00": 419, "01": 81, "10": 77, "11": 423},
        ...     (1, 1): {"00": 74, "01": 426, "10": 433, "11": 67},
        ... })
        >>> counts
        BellCounts(2 parties with 2 settings of 2 outcomes each, 4000 shots, design='blocks')
        >>> counts.frequencies().array[1, 1].tolist()
        [[0.074, 0.433], [0.426, 0.067]]
    """

    array: NDArray[np.int64]
    """Counts, shape ``(m_1, ..., m_N, d_1, ..., d_N)``, int64, read-only."""
    design: str = "blocks"
    """``"blocks"`` or ``"random"``."""
    setting_probabilities: NDArray[np.float64] | None = None
    """Probability of each setting combination for ``"random"``, else ``None``."""
    lost_outcomes: tuple[int | None, ...] | None = None
    """The outcome of each party that means "lost", ``None`` for parties without; ``None`` if there is none."""
    post_selected: bool = False
    """Whether shots were dropped because of their outcomes."""
    scenario: BellScenario = None  # type: ignore[assignment]  # filled in below
    """The number of settings and outcomes of each party."""
    setting_names: SettingNames | None = field(default=None, compare=False)
    """The name of each setting of each party; ``None`` if they have no names. Counts compare without them."""
    rounds: NDArray[np.int64] | None = None
    """The tables of several runs, shape ``(K, m_1, ..., m_N, d_1, ..., d_N)``, in the order in which they were taken;
    ``None`` if there was a single one. A test of drift needs them."""
    reading: tuple[str, ...] = field(default=(), compare=False)
    """What was guessed when the counts were read, in words; reports tell it. Counts compare without it."""

    def __post_init__(self) -> None:
        array = count_array(self.array)
        try:
            scenario = scenario_of_array(array, self.scenario, "array", CountsError)
        except ScenarioError as exc:
            raise CountsError(exc.message) from exc
        object.__setattr__(self, "array", array)
        object.__setattr__(self, "scenario", scenario)
        checked = check_design(self.design, self.setting_probabilities, scenario.num_settings)
        object.__setattr__(self, "setting_probabilities", checked)
        object.__setattr__(self, "lost_outcomes", check_lost_outcomes(self.lost_outcomes, scenario))
        object.__setattr__(self, "post_selected", check_post_selected(self.post_selected))
        object.__setattr__(self, "setting_names", check_setting_names(self.setting_names, scenario, CountsError))
        object.__setattr__(self, "rounds", check_rounds(self.rounds, array))
        object.__setattr__(self, "reading", check_notes(self.reading, CountsError))
        for party in range(scenario.num_parties):
            own = self.num_shots.sum(axis=tuple(k for k in range(scenario.num_parties) if k != party))
            if own.min() == 0:
                raise CountsError.bad_argument(
                    "array",
                    expected="at least one shot for every setting of every party",
                    got=f"zero shots for setting {int(np.argmin(own))} of party {party}",
                    remedy="Take more shots, or leave out this setting; settings are numbered from 0 without gaps.",
                )
        refuse_impossible_settings(self.num_shots, checked)

    def __repr__(self) -> str:
        losses = describe_losses(self.lost_outcomes, self.post_selected)
        some = "" if self.is_complete else f", {self.words_of_measured}"
        return f"BellCounts({self.scenario}, {counted(self.total_shots, 'shot')}, design={self.design!r}{some}{losses})"

    @cached_property
    def num_shots(self) -> NDArray[np.int64]:
        """Shots of each setting combination, shape ``(m_1, ..., m_N)``."""
        half = self.array.ndim // 2
        return frozen(self.array.sum(axis=tuple(range(half, 2 * half))))

    @property
    def total_shots(self) -> int:
        """Shots of all setting combinations together."""
        return int(self.num_shots.sum())

    @cached_property
    def measured(self) -> NDArray[np.bool_]:
        """Whether each setting combination was measured, shape ``(m_1, ..., m_N)``."""
        return frozen(self.num_shots > 0)

    @property
    def is_complete(self) -> bool:
        """Whether every setting combination was measured."""
        return bool(self.measured.all())

    @property
    def words_of_measured(self) -> str:
        """How many setting combinations were measured, in words."""
        return f"{int(self.measured.sum())} of {self.measured.size} setting combinations measured"

    @property
    def num_measured_cells(self) -> int:
        """How many pairs of measured settings and possible outcomes there are."""
        return int((self.scenario.outcome_combinations * self.measured).sum())

    @cached_property
    def num_no_signaling_parameters(self) -> int:
        """How many numbers describe a no-signaling behavior where it was measured.

        They are the probabilities of all but the last outcomes of any parties, for settings that were measured
        together.
        """
        return measured_parameters(self.scenario, self.measured)

    def frequencies(self, *, fill: Behavior | None = None) -> Behavior:
        """The relative frequencies, a behavior that is a little signaling by chance.

        Args:
            fill: A behavior of the same scenario whose probabilities take the place of those that were not measured.
                Default: every setting combination has to be measured.

        Raises:
            CountsError: If a setting combination was not measured and there is nothing to fill it with, or the filling
                belongs to another scenario.

        Examples:
            >>> counts = BellCounts([[[[3, 1], [0, 4]]], [[[2, 2], [2, 2]]]])
            >>> counts.frequencies().array[0, 0].tolist()
            [[0.375, 0.125], [0.0, 0.5]]
        """
        if fill is not None and (not isinstance(fill, Behavior) or fill.scenario != self.scenario):
            got = str(fill.scenario) if isinstance(fill, Behavior) else type(fill).__name__
            raise CountsError.bad_argument("fill", expected=f"a behavior of {self.scenario}", got=got)
        if self.is_complete:
            return self._frequencies
        if fill is None:
            raise CountsError.bad_argument(
                "counts",
                expected="shots for every setting combination: there is no behavior without them",
                got=f"none for settings {tuple(int(i) for i in np.argwhere(~self.measured)[0])}",
                remedy="analyze(counts), the e-value and declared expressions test what was measured; "
                "counts.frequencies(fill=behavior) takes the rest from a behavior, such as Behavior.white_noise.",
            )
        shape = self.scenario.num_settings + (1,) * self.scenario.num_parties
        there, shots = self.measured.reshape(shape), np.maximum(self.num_shots, 1).reshape(shape)
        return Behavior(np.where(there, self.array / shots, fill.array), self.scenario)

    @cached_property
    def _frequencies(self) -> Behavior:
        shape = self.scenario.num_settings + (1,) * self.scenario.num_parties
        return Behavior(self.array / self.num_shots.reshape(shape), self.scenario, self.setting_names)

    @classmethod
    def from_counts(
        cls,
        counts: Any,
        *,
        settings: Sequence[Any] | None = None,
        setting_order: str | None = None,
        num_settings: Sequence[int] | None = None,
        bits: Any = None,
        heralds: Any = None,
        condition: Any = None,
        registers: Sequence[str] | None = None,
        qubits_per_party: Sequence[int] | None = None,
        num_outcomes: Sequence[int | Sequence[int]] | None = None,
        design: str | None = None,
        setting_probabilities: ArrayLike | None = None,
        post_selected: bool = False,
    ) -> BellCounts:
        """Counts in any of the forms in which people have them.

        Where something had to be guessed, ``reading`` of the result says what, and so does every report. Where two
        readings differ, an error shows both.

        Args:
            counts: The counts of each setting combination. Settings are tuples in party order, ``(0, 1)`` or
                ``("Z", "X")``, or texts: ``"0,1"``, ``"01"`` (the digit on the left is party 0's), or letters such as
                ``"ZX"`` (the letter on the right is party 0's, as in Qiskit). Numbers that do not run from 0 on are
                names, such as the angles 0 and 45. A combination that is missing was not measured. Instead of a
                dictionary there may be a list of counts in row-major order; the result of a Sampler (``BitArray``,
                ``PubResult``, ``PrimitiveResult``, also as JSON of IBM's Runtime), whose axes are the settings of the
                parties; a ``Result`` with one experiment for each combination; a job of either; or a table with one
                row per trial or per cell, see :meth:`BellTrials.from_table`.

                The counts of a combination are a dictionary, or a result. Keys are Qiskit bitstrings (classical bit 0
                is the rightmost character and belongs to party 0; spaces between registers are ignored), hexadecimal
                texts, integers, or tuples of outcomes in party order (also ``"2,0"``, or signs ``(1, -1)``). Outcomes
                that are missing were seen zero times. A lost bit is written ``-``, and a lost outcome in a tuple
                ``None``. A party for which there is such a key gets one more outcome, its last, and ``lost_outcomes``
                says so; a party of several qubits is lost if any of its bits is. Where a party's settings have
                different numbers of outcomes, it is outcome 0, and the others move up by one.
            settings: For a list, the settings of each of its entries. For a table, the columns of the settings.
            setting_order: For settings such as ``"ZX"`` or ``"01"``: ``"qiskit"`` if the character on the right is
                party 0's, ``"parties"`` if the one on the left is.
            num_settings: For a list in row-major order, the number of settings of each party; default: equal ones.
            bits: For results with more bits than parties, the bits of each party, such as ``{"A": 0, "B": [3, 4]}``.
                ``"out[0]"`` is bit 0 of a register, and ``"out[0] ^ mid[0]"`` a parity (a classical correction).
            heralds: In the same way, bits that count as further parties with a single setting, so that every shot is
                kept.
            condition: The values that bits have in the shots that are kept, such as ``{"mid[0]": 0}``. The counts are
                then ``post_selected``.
            registers: The names of the registers in keys with spaces, from left to right.
            qubits_per_party: For bitstrings, the number of bits of each party; default: one.
            num_outcomes: For tuples, the number of outcomes of each party, or one number for each of its settings,
                without the lost one; default: those seen, the same for all settings of a party.
            design: See the class; default: ``"blocks"``. A table with one row per trial has no default.
            setting_probabilities: See the class.
            post_selected: See the class.

        Raises:
            CountsError: If a key does not fit, a count is not a whole number of at least zero, or two readings are
                possible.

        Examples:
            >>> counts = BellCounts.from_counts({(0, 0): {"00": 50, "11": 45, "-0": 5}})
            >>> counts.scenario.max_outcomes, counts.lost_outcomes
            ((2, 3), (None, 2))
            >>> counts = BellCounts.from_counts([{"0x0": 5}, {"0x3": 7}], settings=["ZZ", "XZ"])
            >>> counts.setting_names, counts.num_shots.tolist()
            ((('Z',), ('Z', 'X')), [[5, 7]])
        """
        options = ReadingOptions(
            settings, setting_order, num_settings, bits, heralds, condition, registers, qubits_per_party, num_outcomes
        )
        if is_table(counts):
            options.refuse_of_table()
            return cls.from_table(
                counts,
                settings=settings,
                design=design,
                setting_probabilities=setting_probabilities,
                post_selected=post_selected,
            )
        read = table_of_counts(counts, options)
        return cls(
            read.array,
            "blocks" if design is None else design,
            setting_probabilities,  # type: ignore[arg-type]
            read.lost_outcomes,
            post_selected or read.post_selected,
            read.scenario,
            read.setting_names,
            None,
            read.notes,
        )

    @classmethod
    def from_table(
        cls,
        table: Any,
        *,
        settings: Sequence[Any] | None = None,
        outcomes: Sequence[Any] | None = None,
        count: Any = None,
        design: str | None = None,
        setting_probabilities: ArrayLike | None = None,
        post_selected: bool = False,
    ) -> BellCounts:
        """Counts from a table with one row per cell, or per trial.

        Args:
            table: As in :meth:`BellTrials.from_table`.
            settings: The columns of the settings, one per party; default: told from their names.
            outcomes: The columns of the outcomes, in the same way.
            count: The column of the counts; default: one that is called so. Without any, each row is a trial.
            design: See the class; default: ``"blocks"``. Rows that are trials have no default.
            setting_probabilities: See the class; default for ``"random"``: all equal, which ``reading`` says.
            post_selected: See the class.

        Raises:
            CountsError: If columns cannot be told, or entries are no settings, outcomes or counts.

        Examples:
            >>> table = {"x": [0, 0, 1, 1], "a": [0, 1, 0, 1], "count": [5, 6, 7, 8]}
            >>> BellCounts.from_table(table).array.tolist()
            [[5, 6], [7, 8]]
        """
        rows = table_of_rows(table, settings=settings, outcomes=outcomes, count=count, design=design)
        return cls(**rows.counts_arguments(setting_probabilities, post_selected))

    def _joined_with(self, other: BellCounts) -> BellCounts:
        """The counts of two runs of one experiment together, as ``+`` gives them; ``rounds`` keeps both in order."""
        return added_counts(self, other)

    def _write_csv(self, path: str | os.PathLike[str]) -> None:
        """Writes one row per cell, with the columns x, y, a, b and count for two parties, as :meth:`save` does."""
        write_counts(self, path)

    def coarse_grain(self, outcomes: OutcomeNames) -> BellCounts:
        """The counts of parties who do not tell some of their outcomes apart, which each of them can do by itself.

        Args:
            outcomes: For ``(k, x)``, setting x of party k, or for k, all settings of party k: the new number of each
                outcome. Outcomes with the same number are merged; settings that are not named stay as they are.

        Returns:
            The counts; no outcome of them means "lost" any more.

        Raises:
            CountsError: If a setting is out of range or its numbers do not fit.

        Examples:
            >>> counts = BellCounts([[5, 2, 3], [1, 2, 7]]).coarse_grain({(0, 1): [0, 1, 1]})
            >>> counts.scenario.num_outcomes, counts.array.tolist()
            (((3, 2),), [[5, 2, 3], [1, 9, 0]])
        """
        change = OutcomeMap.merging(self.scenario, outcomes, CountsError)
        rounds = of_rounds(self.rounds, change.merge)
        return replace(self, array=change.merge(self.array), scenario=change.coarse, lost_outcomes=None, rounds=rounds)

    # Lost shots

    @cached_property
    def lost_fraction(self) -> NDArray[np.float64]:
        """Share of the shots in which each party's outcome was lost, shape ``(N, m_1, ..., m_N)``.

        ``lost_fraction[k][x_1, ..., x_N]`` is that of party k in the shots of one setting combination. If shots are
        lost by chance alone, it is the same wherever party k has the same setting.
        """
        return lost_fractions(self.array, self.lost_outcomes)

    def assign_lost(self, to: int | Sequence[int] = 0) -> BellCounts:
        """Counts each party's lost outcome as another of its outcomes.

        This is always allowed: every party can do it by itself, so what a local model explains before, one explains
        afterwards. (Choose ``to`` before the counts are seen.)

        Args:
            to: The outcome, or one per party, numbered without the lost one (outcomes above it move down by one, so
                that they have the numbers again that ``from_counts`` was given).

        Returns:
            The counts without lost outcomes; these counts, if there are none.

        Raises:
            CountsError: If ``to`` is no outcome that remains, or a party would have fewer than two.

        Examples:
            >>> counts = BellCounts.from_counts({(0,): {"0": 60, "1": 30, "-": 10}})
            >>> counts.assign_lost(1).array.tolist()
            [[60, 40]]
        """
        if self.lost_outcomes is None:
            return self
        maps = outcome_maps(self.lost_outcomes, self.scenario, to)
        remaining = remaining_scenario(self.lost_outcomes, self.scenario)

        def merged(array: NDArray[np.int64]) -> NDArray[np.int64]:
            return renumbered(array, maps, remaining)

        rounds = of_rounds(self.rounds, merged)
        return replace(self, array=merged(self.array), lost_outcomes=None, scenario=remaining, rounds=rounds)

    def post_select(self) -> BellCounts:
        """Drops every shot in which some party lost its outcome.

        A local model that chooses when to be lost can then show any violation (the detection loophole), so no p-value
        follows from the result without the assumption of fair sampling.

        Returns:
            The counts without lost outcomes, marked as ``post_selected`` if any shot was dropped.

        Raises:
            CountsError: If a setting combination has no shot left, or a party fewer than two outcomes.
        """
        if self.lost_outcomes is None:
            return self
        remaining = remaining_scenario(self.lost_outcomes, self.scenario)
        lost_outcomes = self.lost_outcomes

        def kept(array: NDArray[np.int64]) -> NDArray[np.int64]:
            return without_lost(array, lost_outcomes)

        array, rounds = kept(self.array), of_rounds(self.rounds, kept)
        refuse_empty_settings(self.num_shots, array.sum(axis=self.scenario.outcome_axes))
        dropped = int(array.sum()) < self.total_shots
        post_selected = self.post_selected or dropped
        return replace(
            self, array=array, lost_outcomes=None, post_selected=post_selected, scenario=remaining, rounds=rounds
        )


def require_counts(counts: object, argument: str = "counts") -> BellCounts:
    """Returns the counts if they are such.

    Args:
        counts: What the caller passed.
        argument: Name of the argument, for the message.

    Raises:
        CountsError: If it is anything else.
    """
    if not isinstance(counts, BellCounts):
        trials = hasattr(counts, "to_counts")
        raise CountsError.bad_argument(
            argument,
            expected="BellCounts",
            got=type(counts).__name__,
            remedy="Take trials.to_counts()." if trials else f"Make them with BellCounts.from_counts({argument}).",
        )
    return counts
