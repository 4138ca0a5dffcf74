"""Exact local bounds in integer arithmetic: enumeration, or branch and bound where that is faster."""

from __future__ import annotations

import itertools
import math
import os
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from ..._support.checkpoints import ArrayCheckpoint, fingerprint
from ..._support.deadlines import Deadline
from ..._support.types import FloatArray, IntArray
from ...exceptions import ScenarioError
from ...models.deterministic import party_strategies
from ...sweeps.pools import TaskPool
from ...targets.scenario import BellScenario
from .branch_and_bound import BranchAndBound
from .enumeration import enumerate_form
from .integer_form import AnswerForm

__all__ = ["ExactBound", "exact_bound"]


_TOTAL_BITS = 57
_QUICK_WORK = 1 << 28
# Work is counted in additions of 16-bit integers by an enumeration; two cores do about 5e9 of them per second.
_WORK_PER_SECOND = 5e9
_MAX_WORK = 9e12
_LEAST_PATIENCE = 5e9
_MAX_OUTER = 1 << 24
_WORK_PER_FORM = 1.5e6


@dataclass(frozen=True)
class ExactBound:
    """The outcome of an exact search."""

    value: Fraction
    """The best value, rounding of the coefficients to integers included."""
    strategy: IntArray
    """A strategy that reaches it, up to that rounding."""
    finished: bool
    """Whether all strategies were compared; if not, a better one may exist."""


@dataclass(frozen=True)
class _Limits:
    """The limits after which a search stops without a proof."""

    deadline: Deadline
    """When the time limit of the caller is over."""
    work: float
    """Largest work of a search that is begun, as far as the work is known beforehand."""
    refuses: bool
    """Whether a search that takes more work is an error, because the caller has set no limit."""
    file: ArrayCheckpoint | None
    """Where the state of a branch and bound is kept."""
    pool: TaskPool | None
    """Workers that take subtrees of it."""


def exact_bound(
    coefficients: FloatArray,
    scenario: BellScenario,
    known: IntArray,
    deadline: Deadline,
    max_work: float | None = None,
    *,
    checkpoint: str | os.PathLike[str] | None = None,
    pool: TaskPool | None = None,
) -> ExactBound:
    """The largest value of a Bell expression over all deterministic strategies.

    Args:
        coefficients: Shape ``(m_1, ..., m_N, d_1, ..., d_N)``, finite.
        scenario: The scenario.
        known: A good strategy, shape ``(m_1 + ... + m_N,)``, to start from.
        deadline: Time at which the search stops without a proof.
        max_work: Number of additions of 16-bit integers, about 5e9 per second, after which the search stops without a
            proof; default: no limit.
        checkpoint: Where the state of a branch and bound is kept.
        pool: Workers that share a branch and bound; default: none.

    Raises:
        ScenarioError: If there is no limit and the search would take too long.
        CertificateError: If the checkpoint is damaged or belongs to another search.
    """
    work = _MAX_WORK if max_work is None else max_work
    left = deadline.left
    if left is not None:
        # An enumeration that cannot get far in that time is not started.
        work = min(work, 10 * left * _WORK_PER_SECOND)
    file = None
    if checkpoint is not None:
        run = fingerprint(
            coefficients=coefficients, outcomes=scenario.num_outcomes, known=known, search="branch and bound"
        )
        file = ArrayCheckpoint(checkpoint, run)
    limits = _Limits(deadline, work, left is None and max_work is None, file, pool)
    # Where a setting has fewer outcomes than others, the additional ones count as its last: that changes no bound.
    integers, exponent, error = _to_integers(scenario.filled(coefficients), scenario.mask)
    n = scenario.num_parties
    order = sorted(range(n), key=lambda k: scenario.num_party_strategies[k])
    axes = [axis for k in order for axis in (k, n + k)]
    tensor = integers.transpose(axes)
    sizes = [scenario.num_outcomes[k] for k in order]
    rows: list[IntArray] | None
    if n == 1:
        value, rows, finished = int(integers.max(axis=1).sum()), [integers.argmax(axis=1)], True
    elif scenario.num_strategies == 1:
        value, rows, finished = int(integers.sum()), None, True
    else:
        solve = _two_parties if n == 2 else _more_parties
        value, rows, finished = solve(tensor, sizes, _value(integers, known, scenario), limits)
    strategy = known if rows is None else np.concatenate([rows[order.index(k)] for k in range(n)])
    if not scenario.has_equal_outcomes:
        strategy = np.minimum(strategy, np.concatenate(scenario.num_outcomes) - 1)
    return ExactBound((Fraction(value) + error) / Fraction(2) ** exponent, strategy, finished)


def _two_parties(
    tensor: IntArray, sizes: list[tuple[int, ...]], known_value: int, limits: _Limits
) -> tuple[int, list[IntArray] | None, bool]:
    """Best value and each party's strategy (``None``: the known one) for axes ``(m_1, d_1, m_2, d_2)``."""
    form = AnswerForm.of(tensor, sizes[0])
    floor = (known_value * form.divisor - form.constant) // form.factor
    enumeration = form.work * form.dtype.itemsize / 2
    finished = True
    if form.work <= _QUICK_WORK:
        score, choices, finished = enumerate_form(form, floor, limits.deadline)
    else:
        search = BranchAndBound(form, floor)
        budget = math.inf if limits.refuses else limits.work
        patience = min(max(enumeration, _LEAST_PATIENCE), limits.work)
        result = search.run(limits.deadline, patience, budget, file=limits.file, pool=limits.pool)
        if result is not None:
            score, choices = result
        elif limits.deadline.over:
            return known_value, None, False
        elif enumeration <= limits.work:
            score, choices, finished = enumerate_form(form, floor, limits.deadline)
        elif limits.refuses:
            expected = min(enumeration, search.expected_work())
            raise _too_large(form.num_strategies, expected)
        else:
            return known_value, None, False
    if choices is None:
        return known_value, None, finished
    first = choices[form.num_extra :]
    answers = tensor[np.arange(len(first)), first].sum(axis=0)
    return form.value(score), [first, answers.argmax(axis=1)], finished


def _more_parties(
    tensor: IntArray, sizes: list[tuple[int, ...]], known_value: int, limits: _Limits
) -> tuple[int, list[IntArray] | None, bool]:
    """Best value and strategies, as in :func:`_two_parties`, for each strategy of all parties but the last two."""
    n = tensor.ndim // 2
    # If flipping all outcomes of a party and of the last one changes nothing, its first outcome may be fixed.
    flips = [
        set(sizes[k]) == {2} and tensor.shape[-1] == 2 and np.array_equal(tensor, np.flip(tensor, (2 * k + 1, -1)))
        for k in range(n - 2)
    ]
    outer = math.prod(math.prod(own) // (own[0] if flip else 1) for own, flip in zip(sizes[:-2], flips, strict=True))
    inner = math.prod(sizes[-2])
    expected = outer * (_WORK_PER_FORM + inner * math.prod(tensor.shape[-2:]) * 2)
    if limits.refuses and expected > limits.work:
        raise _too_large(outer * inner, expected)
    # So large a table would not fit, nor would there be time. Without a clock, too large a search is not started.
    if outer > _MAX_OUTER or (not limits.deadline.limited and expected > limits.work):
        return known_value, None, False
    lists = [party_strategies(own) for own in sizes[:-2]]
    lists = [table[table[:, 0] == 0] if flip else table for table, flip in zip(lists, flips, strict=True)]
    best, found = known_value, None
    for chosen, rest in _settled(tensor, lists):
        if limits.deadline.over:
            return best, found, False
        form = AnswerForm.of(rest, sizes[-2])
        floor = (best * form.divisor - form.constant) // form.factor
        score, choices, finished = enumerate_form(form, floor, limits.deadline)
        if choices is not None:
            first = choices[form.num_extra :]
            answers = rest[np.arange(len(first)), first].sum(axis=0).argmax(axis=1)
            best, found = form.value(score), [*chosen, first, answers]
        if not finished:
            return best, found, False
    return best, found, True


def _settled(tensor: IntArray, lists: list[IntArray]) -> Iterator[tuple[list[IntArray], IntArray]]:
    """The two-party expressions that remain when the first parties play strategies from their lists."""
    if not lists:
        yield [], tensor
        return
    for strategy in lists[0]:
        rest = tensor[np.arange(len(strategy)), strategy].sum(axis=0)
        for chosen, last in _settled(rest, lists[1:]):
            yield [strategy, *chosen], last


def _to_integers(coefficients: FloatArray, mask: NDArray[np.bool_]) -> tuple[IntArray, int, Fraction]:
    """Integers near ``coefficients * 2**exponent``, the exponent, and the sum of the rounding errors of real cells."""
    try:
        total = math.fsum(np.abs(coefficients).flat)
    except OverflowError:
        total = math.inf
    # Twice the sum: solvers and verifiers add up differences of coefficients.
    if total > np.finfo(float).max / 2:
        raise ScenarioError.bad_argument(
            "expression",
            expected="coefficients whose absolute values add up to less than 2**1023",
            got="larger ones",
            remedy="Scale the expression.",
        )
    exponent = _TOTAL_BITS - math.frexp(total)[1]
    scaled = np.ldexp(coefficients, exponent)
    rounded = np.rint(scaled)
    error = sum((Fraction(float(e)) for e in np.abs(scaled - rounded)[mask].flat if e), Fraction(0))
    return rounded.astype(np.int64), exponent, error


def _value(integers: IntArray, strategy: IntArray, scenario: BellScenario) -> int:
    n = scenario.num_parties
    parts = np.split(strategy, np.cumsum(scenario.num_settings)[:-1])
    outcomes = [part.reshape([-1 if j == k else 1 for j in range(n)]) for k, part in enumerate(parts)]
    settings = np.ogrid[tuple(slice(m) for m in scenario.num_settings)]
    return int(integers[tuple(itertools.chain(settings, outcomes))].sum())


def _too_large(num_strategies: int, work: float) -> ScenarioError:
    limit = _MAX_WORK / _WORK_PER_SECOND
    return ScenarioError.bad_argument(
        "expression",
        expected=f"a scenario whose exact bound takes at most about {limit:.0f} s",
        got=f"{float(min(num_strategies, 10**300)):.3g} strategies to compare, about {work / _WORK_PER_SECOND:.2g} s",
        remedy="Use method='heuristic', or set time_limit or max_work.",
    )
