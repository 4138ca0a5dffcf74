"""Bell scenarios: how many settings and outcomes each party has."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .._support.records import Record
from .._support.validation import frozen, is_whole_number, whole_numbers
from .._support.words import counted
from ..exceptions import LHVError, ScenarioError

__all__ = [
    "MAX_SETTINGS",
    "BellScenario",
    "check_scenario",
    "full_num_outcomes",
    "scenario_of_array",
]

Outcomes = tuple[tuple[int, ...], ...]

MAX_SETTINGS = 10**7
"""Largest number of settings of all parties together."""


@dataclass(frozen=True, eq=False)
class BellScenario(Record):
    """The number of settings and of outcomes of each party.

    The settings of a party may have different numbers of outcomes, also a single one. Tables stay rectangular: they
    have as many outcomes of each party as its largest setting (``max_outcomes``), and the cells beyond a setting's own
    outcomes are padding, always 0.

    Args:
        num_settings: One entry per party, each at least 1.
        num_outcomes: One entry per party: a number of at least 1 for all its settings, or a sequence with one number
            per setting. A single number stands for all parties.

    Raises:
        ScenarioError: If the entries are not whole numbers in range, or the lengths differ.

    References:
        N. Brunner et al., Rev. Mod. Phys. 86, 419 (2014), arXiv:1303.2849.

    Examples:
        The scenario of CHSH, whose 16 deterministic strategies are the corners of the local polytope:

        >>> scenario = BellScenario((2, 2), (2, 2))
        >>> print(scenario)
        2 parties with 2 settings of 2 outcomes each
        >>> scenario.num_strategies, scenario.num_no_signaling_parameters
        (16, 8)

        Settings may have different numbers of outcomes:

        >>> scenario = BellScenario((2, 2), [[2, 3], 2])
        >>> scenario.num_outcomes, scenario.shape, scenario.num_cells
        (((2, 3), (2, 2)), (2, 2, 3, 2), 20)
    """

    num_settings: tuple[int, ...]
    """Number of settings, one entry per party."""
    num_outcomes: tuple[tuple[int, ...], ...]
    """Number of outcomes of each setting: ``num_outcomes[k][x]`` for setting x of party k."""

    if TYPE_CHECKING:
        # The constructor also takes short forms, which become the full ones.
        def __init__(
            self, num_settings: int | Iterable[int], num_outcomes: int | Iterable[int | Iterable[int]]
        ) -> None: ...

    def __post_init__(self) -> None:
        settings = whole_numbers(self.num_settings, "num_settings", ScenarioError, minimum=1)
        if sum(settings) > MAX_SETTINGS:
            # Their numbers of outcomes are listed, one by one.
            raise ScenarioError.bad_argument(
                "num_settings", expected=f"at most {MAX_SETTINGS} settings of all parties", got=f"{sum(settings):.3g}"
            )
        object.__setattr__(self, "num_settings", settings)
        object.__setattr__(self, "num_outcomes", full_num_outcomes(self.num_outcomes, settings, ScenarioError))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, BellScenario):
            return NotImplemented
        return self.num_settings == other.num_settings and self.num_outcomes == other.num_outcomes

    def __hash__(self) -> int:  # type: ignore[override]
        return hash((self.num_settings, self.num_outcomes))

    def __str__(self) -> str:
        if not self.has_equal_outcomes:
            return f"{self.num_parties} parties with {self.num_settings} settings of {self.short_num_outcomes} outcomes"
        if len(set(self.num_settings)) == 1 and len(set(self.max_outcomes)) == 1:
            return (
                f"{counted(self.num_parties, 'party', 'parties')} with {counted(self.num_settings[0], 'setting')} "
                f"of {self.max_outcomes[0]} outcomes{' each' if self.num_parties > 1 else ''}"
            )
        return f"{self.num_parties} parties with {self.num_settings} settings of {self.max_outcomes} outcomes"

    @property
    def num_parties(self) -> int:
        """Number of parties."""
        return len(self.num_settings)

    @cached_property
    def max_outcomes(self) -> tuple[int, ...]:
        """Outcomes of each party's largest setting, one entry per party: the lengths of a table's outcome axes."""
        return tuple(max(party) for party in self.num_outcomes)

    @cached_property
    def has_equal_outcomes(self) -> bool:
        """Whether all settings of each party have the same number of outcomes, so that nothing is padded."""
        return all(min(party) == max(party) for party in self.num_outcomes)

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape ``(m_1, ..., m_N, d_1, ..., d_N)`` of a behavior's array, with d_k of the largest setting."""
        return self.num_settings + self.max_outcomes

    @property
    def num_setting_combinations(self) -> int:
        """Number of ways to choose one setting per party."""
        return math.prod(self.num_settings)

    @cached_property
    def mask(self) -> NDArray[np.bool_]:
        """Which cells of a table are real, shape ``(m_1, ..., d_N)``; the others are padding."""
        mask: NDArray[Any] = np.ones(self.shape, dtype=bool)
        n = self.num_parties
        for k in range(n):
            own = np.arange(self.max_outcomes[k]) < np.array(self.num_outcomes[k])[:, None]
            mask = mask & _on_axes(own, k, n)
        return frozen(mask)

    @cached_property
    def party_masks(self) -> tuple[NDArray[np.bool_], ...]:
        """For each party which outcomes of its settings are real, shape ``(m_k, d_k)``."""
        pairs = zip(self.num_outcomes, self.max_outcomes, strict=True)
        return tuple(frozen(np.arange(most) < np.array(party)[:, None]) for party, most in pairs)

    @cached_property
    def outcome_combinations(self) -> NDArray[np.int64]:
        """How many joint outcomes each setting combination has, shape ``(m_1, ..., m_N)``."""
        result: NDArray[Any] = np.ones(self.num_settings, dtype=np.int64)
        for k, party in enumerate(self.num_outcomes):
            result = result * np.array(party).reshape([-1 if j == k else 1 for j in range(self.num_parties)])
        return frozen(result)

    @cached_property
    def num_cells(self) -> int:
        """Number of probabilities of a behavior; padding is not counted."""
        return math.prod(sum(party) for party in self.num_outcomes)

    @property
    def num_entries(self) -> int:
        """Number of entries of a behavior's array, padding included."""
        return math.prod(self.shape)

    @cached_property
    def num_party_strategies(self) -> tuple[int, ...]:
        """Number of deterministic strategies of each party: the product of its settings' numbers of outcomes."""
        return tuple(math.prod(party) for party in self.num_outcomes)

    @property
    def num_strategies(self) -> int:
        """Number of deterministic strategies of all parties together."""
        return math.prod(self.num_party_strategies)

    @property
    def num_no_signaling_parameters(self) -> int:
        """Number of free parameters of a no-signaling behavior."""
        return math.prod(sum(d - 1 for d in party) + 1 for party in self.num_outcomes) - 1

    @cached_property
    def is_two_outcome(self) -> bool:
        """Whether every setting of every party has two outcomes."""
        return all(d == 2 for party in self.num_outcomes for d in party)

    @property
    def short_num_outcomes(self) -> tuple[Any, ...]:
        """``num_outcomes`` as briefly as the constructor takes it: one number for settings that all have the same."""
        return tuple(party[0] if len(set(party)) == 1 else party for party in self.num_outcomes)

    @property
    def is_chsh(self) -> bool:
        """Whether it is the scenario of CHSH: two parties with two settings of two outcomes."""
        return self.shape == (2, 2, 2, 2) and self.is_two_outcome

    @property
    def setting_axes(self) -> tuple[int, ...]:
        """Axes of a behavior's array that count settings."""
        return tuple(range(self.num_parties))

    @property
    def outcome_axes(self) -> tuple[int, ...]:
        """Axes of a behavior's array that count outcomes."""
        return tuple(range(self.num_parties, 2 * self.num_parties))

    @cached_property
    def white_noise_table(self) -> NDArray[np.float64]:
        """The table whose real outcomes are equally likely for every setting combination, shape ``(m_1, ..., d_N)``."""
        wide = self.outcome_combinations.reshape(self.num_settings + (1,) * self.num_parties)
        return frozen(np.where(self.mask, 1 / wide, 0.0))

    def filled(self, table: NDArray[Any]) -> NDArray[Any]:
        """A table whose padding repeats each setting's last outcome.

        As coefficients it stands for an expression of the scenario without padding, in which the additional outcomes
        count as the last one: its local, quantum and no-signaling bounds are those of the expression itself.

        Args:
            table: Shape ``(m_1, ..., d_N)``.
        """
        if self.has_equal_outcomes:
            return table
        n = self.num_parties
        index: list[Any] = list(np.ogrid[tuple(slice(m) for m in self.num_settings) + (slice(1),) * n][:n])
        for k, (party, most) in enumerate(zip(self.num_outcomes, self.max_outcomes, strict=True)):
            last = np.minimum(np.arange(most), np.array(party)[:, None] - 1)
            index.append(_on_axes(last, k, n))
        return table[tuple(index)]

    @classmethod
    def from_shape(cls, shape: Sequence[int], argument: str = "array") -> BellScenario:
        """The scenario of an array with all setting axes first, then all outcome axes.

        Args:
            shape: Shape ``(m_1, ..., m_N, d_1, ..., d_N)``.
            argument: Name of the argument that has this shape, for messages.

        Raises:
            ScenarioError: If the number of axes is odd or zero, or an axis is too short.
        """
        if len(shape) == 0 or len(shape) % 2:
            raise ScenarioError.bad_argument(
                argument,
                expected="shape (m_1, ..., m_N, d_1, ..., d_N): setting axes, then outcome axes",
                got=f"shape {tuple(shape)}",
            )
        half = len(shape) // 2
        try:
            return cls(tuple(shape[:half]), tuple(shape[half:]))
        except ScenarioError as exc:
            raise ScenarioError.bad_argument(
                argument,
                expected="shape (m_1, ..., m_N, d_1, ..., d_N) with m_k >= 1 and d_k >= 1",
                got=f"shape {tuple(shape)}",
            ) from exc


def full_num_outcomes(num_outcomes: Any, num_settings: Sequence[int], error: type[LHVError]) -> Outcomes:
    """The number of outcomes of every setting, from one number, one per party, or one per setting of each party.

    Raises:
        LHVError: Of class ``error``, if the entries are not whole numbers of at least 1 or the lengths do not fit.
    """
    if is_whole_number(num_outcomes):
        num_outcomes = (num_outcomes,) * len(num_settings)
    entries = list(num_outcomes) if isinstance(num_outcomes, Iterable) and not isinstance(num_outcomes, str) else None
    if entries is None:
        raise error.bad_argument(
            "num_outcomes",
            expected="a number, or one entry per party: a number or one per setting",
            got=repr(num_outcomes),
        )
    if len(entries) != len(num_settings) or not entries:
        raise error.bad_argument(
            "num_outcomes",
            expected=f"one entry per party, {len(num_settings)} as in num_settings",
            got=f"{len(entries)} entries",
        )
    full = []
    for k, (entry, m) in enumerate(zip(entries, num_settings, strict=True)):
        party = whole_numbers(entry, "num_outcomes", error, minimum=1)
        party = party * m if is_whole_number(entry) else party
        if len(party) != m:
            raise error.bad_argument(
                "num_outcomes", expected=f"a number, or one for each of {m} settings, of party {k}", got=f"{entry!r}"
            )
        full.append(party)
    return tuple(full)


def scenario_of_array(array: NDArray[Any], scenario: object, argument: str, error: type[LHVError]) -> BellScenario:
    """The scenario of a table: the given one, if the table's shape fits and its padding is 0, else that of its shape.

    Args:
        array: The table.
        scenario: A scenario, or ``None``: no padding.
        argument: Name of the argument that the table is, for messages.
        error: Class of the error to raise.

    Raises:
        LHVError: Of class ``error``, if they do not fit.
    """
    if scenario is None:
        return BellScenario.from_shape(array.shape, argument)
    checked = check_scenario(scenario)
    if array.shape != checked.shape:
        raise error.bad_argument(argument, expected=f"shape {checked.shape}", got=f"shape {array.shape}")
    if not checked.has_equal_outcomes and np.any(array[~checked.mask]):
        position = tuple(int(i) for i in np.argwhere((array != 0) & ~checked.mask)[0])
        raise error.bad_argument(
            argument,
            expected="0 for outcomes that a setting does not have",
            got=f"{array[position]:g} at index {position} of {checked}",
        )
    return checked


def check_scenario(scenario: object) -> BellScenario:
    """Returns the scenario if it is one.

    Raises:
        ScenarioError: If it is anything else.
    """
    if not isinstance(scenario, BellScenario):
        raise ScenarioError.bad_argument("scenario", expected="a BellScenario", got=repr(scenario))
    return scenario


def _on_axes(own: NDArray[Any], party: int, num_parties: int) -> NDArray[Any]:
    """A party's table of settings and outcomes, with axes of length 1 for the other parties."""
    shape = [1] * (2 * num_parties)
    shape[party], shape[num_parties + party] = own.shape
    return own.reshape(shape)
