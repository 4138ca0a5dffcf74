"""Settings of the runs of an experiment of many parties, drawn at random or few that cover all terms."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol, Self, runtime_checkable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..._support.memory import require_memory
from ..._support.records import Record
from ..._support.validation import at_most, frozen, generator, instance, shown, whole_array, whole_number
from ..._support.words import counted
from ...exceptions import CountsError
from ...targets.designs import DESIGNS
from ...targets.many_parties.runs import ABSENT, drawn_rows, require_few_shots, require_two_outcomes, setting_rows
from ...targets.scenario import BellScenario

__all__ = ["ManyPartySchedule", "TermsOfExpression", "require_many_party_schedule"]

_MAX_RUNS = 10**7
_MAX_COVERED_TERMS = 1 << 16
# Larger numbers need not be told.
_FAR_TOO_MANY = 10**100
_BYTES_PER_SETTING = 32


@runtime_checkable
class TermsOfExpression(Protocol):
    """What a schedule asks of an expression of many parties."""

    @property
    def scenario(self) -> BellScenario:
        """The number of settings of each party."""

    @property
    def num_terms(self) -> int:
        """Number of terms."""

    def draw_terms(self, num_draws: int, rng: np.random.Generator) -> NDArray[np.int8]:
        """Terms drawn with probabilities proportional to the size of their coefficients, shape ``(num_draws, N)``."""

    def blocks(self) -> Iterator[tuple[NDArray[np.int8], NDArray[np.float64]]]:
        """All terms and their coefficients, in blocks."""


class TableOfExpression(Protocol):
    """What a schedule asks of an expression of few parties, which has a table."""

    def to_sparse(self) -> TermsOfExpression:
        """The same expression as a list of its correlators."""


@dataclass(frozen=True, eq=False, repr=False)
class ManyPartySchedule(Record):
    """Settings and shots of the runs of an experiment of many parties.

    Schedules are made by :meth:`random` or :meth:`blocks` from an expression, or from your own settings.

    Args:
        scenario: The number of settings of each party, two outcomes per setting.
        settings: Shape ``(R, N)``: the setting of each party in each run.
        shots: Shots of each run: shape ``(R,)``, or one number for all.
        design: ``"blocks"``: settings and shots are fixed beforehand; ``"random"``: the settings of each run were drawn
            independently, first a term of an expression, then the settings of the other parties.
        drawn_terms: For ``"random"``, shape ``(R, N)``: the drawn term of each run, -1 for a party that does not take
            part.

    Raises:
        CountsError: If these do not fit together.

    References:
        R. Cleve, P. Hoyer, B. Toner, J. Watrous, arXiv:quant-ph/0404076 (XOR games: one term is drawn in each round).

    Examples:
        An expression of two terms, measured in blocks, or with terms drawn at random, the second twice as often as the
        first:

        >>> from qiskit_lhv import BellScenario
        >>> from qiskit_lhv.polytope import SparseExpression
        >>> terms = {((0, 0), (1, 0)): 1.0, ((1, 1), (2, 0), (3, 0)): -2.0}
        >>> expression = SparseExpression.of_terms(BellScenario([2] * 4, 2), terms)
        >>> ManyPartySchedule.blocks(expression, 100).settings.tolist()
        [[0, 1, 0, 0], [0, 0, 0, 0]]
        >>> print(ManyPartySchedule.random(expression, 1000, shots=10, seed=1))
        4 parties with 2 settings of 2 outcomes each, 1000 runs, 10000 shots, design='random'
    """

    scenario: BellScenario
    """The number of settings of each party; every setting has two outcomes."""
    settings: NDArray[np.int8]
    """Setting of each party in each run, shape ``(R, N)``, int8, read-only."""
    shots: NDArray[np.int64]
    """Shots of each run, shape ``(R,)``, int64, read-only."""
    design: str = "blocks"
    """``"blocks"`` or ``"random"``."""
    drawn_terms: NDArray[np.int8] | None = None
    """The drawn term of each run for ``"random"``, shape ``(R, N)``, int8, else ``None``; -1: does not take part."""

    def __post_init__(self) -> None:
        scenario = instance(self.scenario, BellScenario, "scenario", CountsError)
        require_two_outcomes(scenario, CountsError)
        if self.design not in DESIGNS:
            raise CountsError.bad_argument("design", expected="'blocks' or 'random'", got=shown(self.design))
        settings = setting_rows(self.settings, "settings", scenario, lowest=0)
        if not len(settings):
            raise CountsError.bad_argument("settings", expected="at least one run", got="none")
        shots = whole_array(self.shots, "shots", CountsError)
        if shots.shape not in {(), (len(settings),)} or shots.min() < 1:
            raise CountsError.bad_argument(
                "shots",
                expected=f"a positive whole number, or {len(settings)} of them, one per run",
                got=shown(self.shots),
            )
        shots = np.broadcast_to(shots, (len(settings),))
        require_few_shots(shots)
        drawn = drawn_rows(self.drawn_terms, settings, scenario, self.design)
        object.__setattr__(self, "drawn_terms", drawn)
        object.__setattr__(self, "settings", frozen(settings))
        object.__setattr__(self, "shots", frozen(shots))

    def __str__(self) -> str:
        return (
            f"{self.scenario}, {counted(self.num_runs, 'run')}, {counted(self.total_shots, 'shot')}, "
            f"design={self.design!r}"
        )

    @property
    def num_parties(self) -> int:
        """Number of parties N."""
        return self.scenario.num_parties

    @property
    def num_runs(self) -> int:
        """Number of runs R."""
        return len(self.settings)

    @property
    def total_shots(self) -> int:
        """Shots of all runs together."""
        return int(self.shots.sum())

    @property
    def num_combinations(self) -> int:
        """Number of different setting combinations."""
        return len(np.unique(self.settings, axis=0))

    @classmethod
    def random(
        cls,
        expression: TermsOfExpression | TableOfExpression,
        num_runs: int,
        shots: int = 1,
        seed: int | None = None,
    ) -> Self:
        """A schedule whose settings are drawn independently for every run, from the terms of an expression.

        A term is drawn with a probability proportional to the size of its coefficient; its sign belongs to the score.
        Parties that do not take part in it get a setting that is drawn uniformly.

        Args:
            expression: The expression that is to be tested.
            num_runs: Number of runs.
            shots: Shots of each run; 1: trial by trial, which a test needs to stand against devices with memory.
            seed: Seed of the draws. Settings from a pseudorandom generator are as good as random only for a device that
                does not know the seed.

        Raises:
            CountsError: If a number is not a positive whole number, or it is no expression of many parties.

        Examples:
            >>> from qiskit_lhv import BellScenario
            >>> from qiskit_lhv.polytope import SparseExpression
            >>> chain = SparseExpression.of_terms(BellScenario([2] * 3, 2), {((0, 0), (1, 1)): 1, ((1, 0), (2, 1)): -1})
            >>> schedule = ManyPartySchedule.random(chain, 4, shots=100, seed=1)
            >>> schedule.drawn_terms.tolist()
            [[-1, 0, 1], [-1, 0, 1], [0, 1, -1], [-1, 0, 1]]
        """
        expression = _with_terms(expression)
        num_runs = whole_number(num_runs, "num_runs", CountsError, maximum=_MAX_RUNS)
        shots = whole_number(shots, "shots", CountsError)
        grid = np.array(expression.scenario.num_settings)
        require_memory(
            float(num_runs) * len(grid) * _BYTES_PER_SETTING,
            "num_runs",
            expected="settings that fit",
            got=f"{num_runs} runs of {len(grid)} parties, which take",
            remedy="Take fewer runs, with more shots each.",
        )
        rng = generator(seed)
        drawn = np.asarray(expression.draw_terms(num_runs, rng), dtype=np.int8)
        others = rng.integers(0, grid, size=drawn.shape, dtype=np.int8)
        settings = np.where(drawn == ABSENT, others, drawn)
        return cls(expression.scenario, settings, np.array(shots), "random", drawn)

    @classmethod
    def blocks(cls, expression: TermsOfExpression | TableOfExpression, shots: ArrayLike) -> Self:
        """A schedule of few setting combinations that contain every term of an expression, each of them one run.

        Terms that agree on the settings of the parties they share are measured together: the term with most parties
        first, each goes to the combination that has most of its settings already, or to a new one. Parties that no term
        of a combination needs have setting 0.

        Args:
            expression: The expression, of at most 65536 terms.
            shots: Shots of each combination: a number, or one for each.

        Raises:
            CountsError: If there are too many terms, or shots are no positive whole numbers.

        Examples:
            >>> from qiskit_lhv import BellScenario
            >>> from qiskit_lhv.polytope import SparseExpression
            >>> chain = SparseExpression.of_terms(BellScenario([2] * 3, 2), {((0, 0), (1, 1)): 1, ((1, 1), (2, 1)): -1})
            >>> ManyPartySchedule.blocks(chain, shots=1000).settings.tolist()
            [[0, 1, 1]]
        """
        expression = _with_terms(expression)
        at_most(
            min(expression.num_terms, _FAR_TOO_MANY),
            _MAX_COVERED_TERMS,
            "expression",
            CountsError,
            what="terms, all of which are measured",
            remedy="Draw them: ManyPartySchedule.random(expression, num_runs, shots).",
        )
        rows = np.concatenate([rows for rows, _ in expression.blocks()])
        rows = rows[np.any(rows != ABSENT, axis=1)]
        if not len(rows):
            raise CountsError.bad_argument("expression", expected="a term besides the constant", got="none")
        settings = covering_settings(rows)
        return cls(expression.scenario, settings, np.asarray(shots))


def covering_settings(rows: NDArray[np.int8]) -> NDArray[np.int8]:
    """Few setting combinations that contain all terms, shape ``(R, N)``; greedy, so perhaps not the fewest.

    Args:
        rows: The terms, shape ``(T, N)``, -1 for a party that does not take part.
    """
    rows = rows[np.argsort(-np.count_nonzero(rows != ABSENT, axis=1), kind="stable")]
    combinations = np.full_like(rows, ABSENT)
    number = 0
    for row in rows:
        own = np.flatnonzero(row != ABSENT)
        there = combinations[:number, own]
        fixed = there != ABSENT
        fits = ~np.any(fixed & (there != row[own]), axis=1)
        if fits.any():
            place = int(np.argmax(np.where(fits, fixed.sum(axis=1), -1)))
        else:
            place, number = number, number + 1
        combinations[place, own] = row[own]
    return np.maximum(combinations[:number], 0)


def require_many_party_schedule(schedule: object, grid: tuple[int, ...]) -> ManyPartySchedule:
    """Returns the schedule if it is one for so many settings of each party.

    Raises:
        CountsError: If not.
    """
    if not isinstance(schedule, ManyPartySchedule):
        raise CountsError.bad_argument(
            "schedule",
            expected="a ManyPartySchedule",
            got=shown(schedule),
            remedy="Make one with ManyPartySchedule.random(expression, ...) or .blocks(expression, ...).",
        )
    if schedule.scenario.num_settings != grid:
        raise CountsError.bad_argument(
            "schedule",
            expected=f"one for {shown(grid)} settings of the parties, as the experiment has",
            got=f"one for {shown(schedule.scenario.num_settings)}",
        )
    return schedule


def _with_terms(expression: Any) -> TermsOfExpression:
    if isinstance(expression, TermsOfExpression):
        return expression
    listed = expression.to_sparse() if hasattr(expression, "to_sparse") else expression
    if not isinstance(listed, TermsOfExpression):
        inside = isinstance(getattr(expression, "expression", None), TermsOfExpression)
        raise CountsError.bad_argument(
            "expression",
            expected="an expression of many parties, such as BellExpression.from_terms(...)",
            got=shown(expression),
            remedy="Pass its expression: inequality.expression." if inside else "",
        )
    return listed
