"""Bell scenarios: how many settings and outcomes each party has."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from .._records import Record
from .._validation import whole_numbers
from .._words import counted
from ..exceptions import ScenarioError

__all__ = ["BellScenario", "check_scenario"]


@dataclass(frozen=True, eq=False)
class BellScenario(Record):
    """The number of settings and of outcomes of each party.

    Args:
        num_settings: One entry per party, each at least 1.
        num_outcomes: One entry per party, each at least 2; every setting of a party has this many.

    Raises:
        ScenarioError: If the entries are not whole numbers in range, or the lengths differ.

    Examples:
        >>> scenario = BellScenario((2, 2), (2, 2))
        >>> scenario.num_parties, scenario.num_strategies
        (2, 16)
    """

    num_settings: tuple[int, ...]
    """Number of settings, one entry per party."""
    num_outcomes: tuple[int, ...]
    """Number of outcomes, one entry per party."""

    def __post_init__(self) -> None:
        settings = whole_numbers(self.num_settings, "num_settings", ScenarioError, minimum=1)
        outcomes = whole_numbers(self.num_outcomes, "num_outcomes", ScenarioError, minimum=2)
        if len(settings) != len(outcomes) or not settings:
            raise ScenarioError.bad_argument(
                "num_outcomes",
                expected=f"one entry per party, {len(settings)} as in num_settings",
                got=f"{len(outcomes)} entries",
            )
        object.__setattr__(self, "num_settings", settings)
        object.__setattr__(self, "num_outcomes", outcomes)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, BellScenario):
            return NotImplemented
        return self.shape == other.shape

    def __hash__(self) -> int:  # type: ignore[override]
        return hash(self.shape)

    def __str__(self) -> str:
        if len(set(self.num_settings)) == 1 and len(set(self.num_outcomes)) == 1:
            return (
                f"{counted(self.num_parties, 'party', 'parties')} with {counted(self.num_settings[0], 'setting')} "
                f"of {self.num_outcomes[0]} outcomes{' each' if self.num_parties > 1 else ''}"
            )
        return f"{self.num_parties} parties with {self.num_settings} settings of {self.num_outcomes} outcomes"

    @property
    def num_parties(self) -> int:
        """Number of parties."""
        return len(self.num_settings)

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape ``(m_1, ..., m_N, d_1, ..., d_N)`` of a behavior's array."""
        return self.num_settings + self.num_outcomes

    @property
    def num_setting_combinations(self) -> int:
        """Number of ways to choose one setting a party."""
        return math.prod(self.num_settings)

    @property
    def num_cells(self) -> int:
        """Number of entries of a behavior's array."""
        return math.prod(self.shape)

    @property
    def num_party_strategies(self) -> tuple[int, ...]:
        """Number of deterministic strategies of each party, ``d_k ** m_k``."""
        return tuple(d**m for m, d in zip(self.num_settings, self.num_outcomes, strict=True))

    @property
    def num_strategies(self) -> int:
        """Number of deterministic strategies of all parties together."""
        return math.prod(self.num_party_strategies)

    @property
    def is_two_outcome(self) -> bool:
        """Whether every party has two outcomes."""
        return set(self.num_outcomes) == {2}

    @property
    def is_chsh(self) -> bool:
        """Whether it is the scenario of CHSH: two parties with two settings of two outcomes."""
        return self.shape == (2, 2, 2, 2)

    @property
    def setting_axes(self) -> tuple[int, ...]:
        """Axes of a behavior's array that count settings."""
        return tuple(range(self.num_parties))

    @property
    def outcome_axes(self) -> tuple[int, ...]:
        """Axes of a behavior's array that count outcomes."""
        return tuple(range(self.num_parties, 2 * self.num_parties))

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
                expected="shape (m_1, ..., m_N, d_1, ..., d_N) with m_k >= 1 and d_k >= 2",
                got=f"shape {tuple(shape)}",
            ) from exc


def check_scenario(scenario: object) -> BellScenario:
    """Returns the scenario if it is one.

    Raises:
        ScenarioError: If it is anything else.
    """
    if not isinstance(scenario, BellScenario):
        raise ScenarioError.bad_argument("scenario", expected="a BellScenario", got=repr(scenario))
    return scenario
