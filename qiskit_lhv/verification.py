"""Checks of models and bounds that share no code with the solvers that found them.

Everything here is exact: weights and coefficients are taken as the rational numbers that their floats
are, and compared in integer or rational arithmetic. The algorithms differ on purpose from those of
the solvers, so that one mistake cannot hide in both.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ._records import Record
from .exceptions import ScenarioError

__all__ = [
    "Verification",
    "combine",
    "exact_deviation",
    "exact_local_bound",
    "exact_model_table",
    "exact_value",
    "scaled_to_integers",
]

_MAX_BATCH = 1 << 22


@dataclass(frozen=True, eq=False)
class Verification(Record):
    """The result of a check; true or false, and why.

    Examples:
        >>> bool(Verification(True, "the bound is 2"))
        True
    """

    passed: bool
    """Whether the claim holds."""
    reason: str
    """What was checked, or what failed."""
    deviation: float = 0.0
    """The largest deviation found, in the units of the claim."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "passed", bool(self.passed))
        object.__setattr__(self, "deviation", float(self.deviation))

    def __bool__(self) -> bool:
        return self.passed

    def __str__(self) -> str:
        return f"{'verified' if self.passed else 'REFUSED'}: {self.reason}"


def combine(*checks: Verification) -> Verification:
    """The conjunction of checks: passes if all do; the reasons of those that fail, or of all."""
    failed = [check for check in checks if not check]
    reasons = "; ".join(check.reason for check in (failed or checks))
    return Verification(not failed, reasons, max((c.deviation for c in failed or checks), default=0.0))


def scaled_to_integers(array: NDArray[np.float64], max_bits: int = 62) -> tuple[NDArray[Any], int] | None:
    """Finds k such that ``array * 2**k`` holds integers, if their absolute sum stays below ``2**max_bits``.

    Args:
        array: Finite floats.
        max_bits: Limit of the integers' absolute sum.

    Returns:
        The integers (int64) and k, or ``None`` if there is no such k.
    """
    exponent = 0
    for value in np.unique(np.abs(array[array != 0])):
        exponent = max(exponent, Fraction(float(value)).denominator.bit_length() - 1)
    largest = float(np.abs(array).sum())
    if largest and math.log2(largest) + exponent >= max_bits:
        return None
    return np.array([int(Fraction(float(v)) * 2**exponent) for v in array.flat], dtype=np.int64).reshape(
        array.shape
    ), exponent


def exact_local_bound(coefficients: NDArray[np.float64]) -> Fraction:
    """The largest value of a Bell expression over all deterministic strategies, exactly.

    Party by party, the partial sums of all its strategies are grown setting by setting; the last
    party answers best. Integer arithmetic throughout.

    Args:
        coefficients: Shape ``(m_1, ..., m_N, d_1, ..., d_N)``, binary fractions whose scaled absolute
            sum fits 62 bits.

    Raises:
        ScenarioError: If the coefficients need more bits.
    """
    scaled = scaled_to_integers(coefficients)
    if scaled is None:
        raise ScenarioError.bad_argument(
            "coefficients",
            expected="numbers that fit 62-bit integers after scaling by a power of two",
            got="more digits",
            remedy="Round them first.",
        )
    integers, exponent = scaled
    n = integers.ndim // 2
    party_first = integers.transpose([axis for k in range(n) for axis in (k, n + k)])
    # The party with the most strategies goes last: it answers best instead of being listed.
    sizes = [party_first.shape[2 * k + 1] ** party_first.shape[2 * k] for k in range(n)]
    order = sorted(range(n), key=lambda k: sizes[k])
    axes = [axis for k in order for axis in (2 * k, 2 * k + 1)]
    return Fraction(_grow(party_first.transpose(axes)[None]), 2**exponent)


def _grow(batch: NDArray[np.int64]) -> int:
    """Maximum over a batch of expressions with axes ``(batch, m_1, d_1, ..., m_N, d_N)``."""
    if batch.ndim == 3:
        return int(batch.max(axis=2).sum(axis=1).max())
    strategies = batch.shape[2] ** batch.shape[1]
    rest = batch.shape[3:]
    # Many strategies: settle the first setting by a loop, so that memory stays bounded.
    if batch.shape[1] > 1 and batch.shape[0] * strategies * math.prod(rest) > _MAX_BATCH:
        if batch.shape[0] > 1:
            return max(_grow(batch[i : i + 1]) for i in range(batch.shape[0]))
        values = []
        for outcome in range(batch.shape[2]):
            shorter = batch[:, 1:].copy()
            shorter[:, 0] += batch[:, 0, outcome][:, None]
            values.append(_grow(shorter))
        return max(values)
    sums = batch[:, 0]
    for x in range(1, batch.shape[1]):
        sums = (sums[:, :, None] + batch[:, x][:, None]).reshape(batch.shape[0], -1, *rest)
    return _grow(sums.reshape(-1, *rest))


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


def exact_deviation(table: list[Fraction], target: NDArray[np.float64]) -> Fraction:
    """The largest absolute difference between a rational table and a target's floats."""
    pairs = zip(table, target.flat, strict=True)
    return max((abs(entry - Fraction(float(value))) for entry, value in pairs), default=Fraction(0))


def exact_value(coefficients: NDArray[np.float64], table: NDArray[np.float64]) -> Fraction:
    """The value of a Bell expression on a table, both taken as the rationals that their floats are."""
    pairs = zip(coefficients.flat, table.flat, strict=True)
    return sum((Fraction(float(c)) * Fraction(float(p)) for c, p in pairs if c), Fraction(0))
