"""Checks of models and bounds that share no code with the solvers that found them.

Everything here is exact: weights and coefficients are taken as the rational numbers that their floats
are, and compared in integer or rational arithmetic. The algorithms differ on purpose from those of
the solvers, so that one mistake cannot hide in both.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from ._records import Record
from .exceptions import LHVError, ScenarioError
from .verification_padding import Outcomes, all_outcomes

__all__ = [
    "Verification",
    "combine",
    "exact_model_table",
    "exact_strategy_value",
    "exact_value",
]


@dataclass(frozen=True, eq=False)
class Verification(Record):
    """The result of a check: proven, refuted or not re-proven, and why. Only what is proven is true.

    Examples:
        >>> bool(Verification(True, "the bound is 2"))
        True
        >>> check = Verification.unproven("a proof takes minutes", cost=2**32)
        >>> bool(check), check.status
        (False, 'not re-proven')
    """

    passed: bool
    """Whether the claim is proven."""
    reason: str
    """What was checked, or what failed."""
    deviation: float = 0.0
    """The largest deviation found, in the units of the claim."""
    cost: float | None = None
    """If nothing speaks against the claim, but a part of it was not proven again: how many strategies such a proof may
    have to go through (infinity: too many, or there is no proof in integers). ``None``: everything was checked."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "passed", bool(self.passed))
        object.__setattr__(self, "deviation", float(self.deviation))
        if self.cost is not None:
            if self.passed:
                raise LHVError.bad_argument("cost", expected="None for a claim that is proven", got=repr(self.cost))
            object.__setattr__(self, "cost", float(self.cost))

    @classmethod
    def unproven(cls, reason: str, cost: float = math.inf) -> Verification:
        """A check that found no fault, but left out a part of the proof.

        Args:
            reason: What was checked, and what was not.
            cost: How many strategies a proof may have to go through.
        """
        return cls(False, reason, cost=float(min(cost, 10**300)) if cost != math.inf else cost)

    @property
    def status(self) -> str:
        """``"proven"``, ``"refuted"`` or ``"not re-proven"``."""
        if self.passed:
            return "proven"
        return "refuted" if self.cost is None else "not re-proven"

    @property
    def refuted(self) -> bool:
        """Whether the claim failed a check."""
        return not self.passed and self.cost is None

    def __bool__(self) -> bool:
        return self.passed

    def __str__(self) -> str:
        names = {"proven": "verified", "refuted": "REFUSED", "not re-proven": "NOT PROVEN AGAIN"}
        return f"{names[self.status]}: {self.reason}"


def combine(*checks: Verification) -> Verification:
    """The conjunction of checks: refuted if one is, else not re-proven if one is, else proven.

    The reasons (each once), deviation and cost are those of the checks that decide, so of all if all passed.
    """
    decisive = [check for check in checks if check.refuted] or [check for check in checks if not check]
    costs = [check.cost for check in decisive if check.cost is not None]
    return Verification(
        not decisive,
        "; ".join(dict.fromkeys(check.reason for check in (decisive or checks))),
        max((c.deviation for c in decisive or checks), default=0.0),
        max(costs, default=None),
    )


def exact_model_table(
    weights: NDArray[np.float64], strategies: NDArray[np.int64], shape: tuple[int, ...]
) -> list[Fraction]:
    """The table p(a|x) of a mixture of deterministic strategies, in rational arithmetic.

    Args:
        weights: Non-negative, shape ``(H,)``; normalized here.
        strategies: Outcome of each party for each of its settings, shape ``(H, m_1 + ... + m_N)``.
        shape: Shape of the table, ``(m_1, ..., m_N, d_1, ..., d_N)``.

    Returns:
        The entries in the order of the flattened table.
    """
    n = len(shape) // 2
    numbers = [Fraction(float(weight)) for weight in weights]
    total = sum(numbers, Fraction(0))
    common = math.lcm(*(number.denominator for number in numbers))
    whole = [int(number * common) for number in numbers]
    starts = np.concatenate([[0], np.cumsum(shape[:n])])
    table: dict[tuple[int, ...], int] = {}
    rows = strategies.tolist()
    for weight, row in zip(whole, rows, strict=True):
        for setting in np.ndindex(shape[:n]):
            cell = setting + tuple(row[starts[k] + x] for k, x in enumerate(setting))
            table[cell] = table.get(cell, 0) + weight
    scale = total * common
    return [Fraction(table.get(cell, 0)) / scale for cell in np.ndindex(shape)]


def exact_strategy_value(
    coefficients: NDArray[np.float64], strategy: NDArray[np.int64], num_outcomes: Outcomes | None = None
) -> Fraction:
    """The value of a Bell expression on a deterministic strategy, exactly.

    Args:
        coefficients: Shape ``(m_1, ..., m_N, d_1, ..., d_N)``.
        strategy: Outcome of each party for each setting, shape ``(m_1 + ... + m_N,)``.
        num_outcomes: See :func:`exact_local_bound`.

    Raises:
        ScenarioError: If the strategy does not fit the coefficients.
    """
    n = coefficients.ndim // 2
    starts = np.concatenate([[0], np.cumsum(coefficients.shape[:n])])
    limits = np.concatenate([np.array(party) for party in all_outcomes(coefficients.shape, num_outcomes)])
    if strategy.shape != limits.shape or np.any(strategy < 0) or np.any(strategy >= limits):
        raise ScenarioError.bad_argument("strategy", expected=f"outcomes of {len(limits)} settings", got="others")
    total = Fraction(0)
    for setting in np.ndindex(coefficients.shape[:n]):
        outcomes = tuple(int(strategy[starts[k] + x]) for k, x in enumerate(setting))
        total += Fraction(float(coefficients[setting + outcomes]))
    return total


def exact_value(coefficients: NDArray[np.float64], table: NDArray[np.float64]) -> Fraction:
    """The value of a Bell expression on a table, both taken as the rationals that their floats are."""
    pairs = zip(coefficients.flat, table.flat, strict=True)
    return sum((Fraction(float(c)) * Fraction(float(p)) for c, p in pairs if c), Fraction(0))
