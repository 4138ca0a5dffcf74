"""The local bound of a Bell expression: the largest value that a local model can reach.

Every exact result of the package rests on it: the strategies of all parties but one are enumerated, and the
remaining party gives the best answers.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, overload

import numpy as np

from ..._support.deadlines import Deadline
from ..._support.files import writable_file
from ..._support.records import Record
from ..._support.rounding import round_up
from ..._support.types import FloatArray, IntArray
from ..._support.validation import at_most, generator, instance, whole_array
from ...exceptions import ScenarioError
from ...models.deterministic import party_strategies
from ...sweeps.executors import require_executor
from ...sweeps.pools import TaskPool
from ...targets.coordinates import to_party_axes
from ...targets.scenario import BellScenario
from ..expressions.many_parties.base import ManyPartyExpression
from .alternation import Alternation
from .exact_search import exact_bound
from .many_parties.structural_bounds import StructuralBound, bound_by_structure

if TYPE_CHECKING:
    from ..expressions.expression import BellExpression

__all__ = ["LocalBound", "best_strategies", "enumeration_size", "local_bound"]


_MAX_ENUMERATED = 1 << 26
_BLOCK_ENTRIES = 1 << 21
_HEURISTIC_STARTS = 300
_SMALL = 1 << 16


@dataclass(frozen=True, eq=False, repr=False)
class LocalBound(Record):
    """The largest value of a Bell expression over all deterministic strategies.

    References:
        N. Brunner, D. Cavalcanti, S. Pironio, V. Scarani, S. Wehner, Rev. Mod. Phys. 86, 419 (2014), arXiv:1303.2849
        (Bell nonlocality).

    Examples:
        >>> from qiskit_lhv import chsh, local_bound
        >>> bound = local_bound(chsh())
        >>> print(bound)
        2 (exact)
        >>> bound.value, bound.exact
        (2.0, True)
        >>> bound.strategy.tolist()  # outcomes of party 0 for both settings, then of party 1
        [0, 0, 0, 0]
    """

    value: float
    """The bound. If ``exact``, no local model exceeds it."""
    strategy: IntArray
    """A strategy that reaches it, shape ``(m_1 + ... + m_N,)``; see ``DeterministicModel.strategies``."""
    exact: bool
    """Whether all strategies were compared. If not, ``value`` is reached, but another strategy may exceed it."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "strategy", whole_array(self.strategy, "strategy", ScenarioError, ndim=1))

    def __str__(self) -> str:
        return f"{self.value:.9g} ({'exact' if self.exact else 'heuristic'})"


@overload
def local_bound(
    expression: BellExpression,
    method: str = "exact",
    *,
    seed: int | None = 0,
    time_limit: float | None = None,
    max_work: float | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
    executor: Any = None,
) -> LocalBound: ...


@overload
def local_bound(
    expression: ManyPartyExpression,
    method: str = "exact",
    *,
    seed: int | None = 0,
    time_limit: float | None = None,
    max_work: float | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
    executor: Any = None,
) -> StructuralBound: ...


def local_bound(
    expression: BellExpression | ManyPartyExpression,
    method: str = "exact",
    *,
    seed: int | None = 0,
    time_limit: float | None = None,
    max_work: float | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
    executor: Any = None,
) -> LocalBound | StructuralBound:
    """Computes the local bound of a Bell expression.

    Args:
        expression: The Bell expression. One of many parties (``BellExpression.from_terms``) is bounded by its
            structure, which the result tells; the other arguments are then not needed.
        method: ``"exact"`` compares all strategies in integer arithmetic, by enumeration or by branch and bound. The
            result is exact if the coefficients are integers (or binary fractions) whose sum takes less than 57 bits;
            otherwise the value is rounded up by no more than the rounding errors require. ``"heuristic"`` improves the
            strategy of one party after the other, from random starts. A strategy reaches its value, but another
            strategy may exceed it.
        seed: Seed of the random starts.
        time_limit: Number of seconds that ``"exact"`` may search. After that time, the best value found so far is
            returned, marked as not exact. Default: no limit, but a search that would take more than about half an hour
            (9e12 additions) is refused. See :ref:`time-limits`.
        max_work: Amount of work after which the best value found so far is returned, marked as not exact. Work is
            counted in additions of small integers; two cores do about 5e9 of them per second. Unlike with a time limit,
            the answer is the same on every machine. Default: no limit.
        checkpoint: A file that keeps the state of a long branch and bound for two parties; if it exists, the search
            goes on from it. Enumerations start anew.
        executor: Workers that share a long branch and bound, as in :func:`qiskit_lhv.sweeps.sweep`. The bound is the
            same; of several strategies that reach it, another one may be returned.

    Returns:
        The bound, a strategy that reaches it, and whether it is exact; a :class:`StructuralBound` for many parties.

    Raises:
        ScenarioError: If the method is unknown, ``max_work`` is not positive, or the scenario is too large for
            ``"exact"``.
        CertificateError: If the checkpoint is damaged or belongs to another search.
        SweepError: If the workers give out. A single one that is lost costs its part of the search only.

    References:
        S. Designolle, T. Vertesi, S. Pokutta, arXiv:2409.03739, and references there (local bounds of large expressions
        by branch and bound).

    Examples:
        >>> from qiskit_lhv import chsh
        >>> from qiskit_lhv.polytope import mermin
        >>> local_bound(chsh()).value
        2.0
        >>> print(local_bound(mermin(100)))
        1.12589991e+15 (exact, by the number of parties that answer in each way)
    """
    from ..expressions.expression import BellExpression

    kinds = (BellExpression, ManyPartyExpression)
    inside = isinstance(getattr(expression, "expression", None), kinds)
    remedy = "Pass its expression: inequality.expression." if inside else "Such as chsh()."
    instance(expression, kinds, "expression", ScenarioError, remedy)
    deadline = Deadline(time_limit)
    require_executor(executor)
    if isinstance(expression, ManyPartyExpression):
        if method != "exact":
            raise ScenarioError.bad_argument("method", expected="'exact' for many parties", got=repr(method))
        return bound_by_structure(expression)
    if method == "heuristic":
        value, strategy = _best_found(expression.coefficients, expression.scenario, seed)
        return LocalBound(value, strategy, False)
    if method != "exact":
        raise ScenarioError.bad_argument("method", expected="'exact' or 'heuristic'", got=repr(method))
    if max_work is not None and not max_work > 0:
        raise ScenarioError.bad_argument("max_work", expected="a positive number of additions", got=f"{max_work}")
    if checkpoint is not None:
        writable_file(checkpoint, "checkpoint")
    coefficients, scenario = expression.coefficients, expression.scenario
    if enumeration_size(scenario) <= _SMALL:
        known = np.zeros(sum(scenario.num_settings), dtype=np.int64)
    else:
        known = _best_found(coefficients, scenario, seed)[1]
    with nullcontext() if executor is None else TaskPool(executor) as pool:
        result = exact_bound(coefficients, scenario, known, deadline, max_work, checkpoint=checkpoint, pool=pool)
    return LocalBound(round_up(result.value), result.strategy, result.finished)


def enumeration_size(scenario: BellScenario) -> int:
    """Number of strategies that an exact bound enumerates: those of all parties but the largest."""
    return scenario.num_strategies // max(scenario.num_party_strategies)


def best_strategies(coefficients: FloatArray, scenario: BellScenario, count: int) -> tuple[FloatArray, IntArray]:
    """The best strategies for a Bell expression, best first, exact up to rounding.

    No two of them agree in the strategies of all enumerated parties; the largest party gives the best answers.

    Args:
        coefficients: Shape ``(m_1, ..., m_N, d_1, ..., d_N)``.
        scenario: The scenario.
        count: Largest number of strategies to return.

    Returns:
        Values, shape ``(K,)``, and strategies, shape ``(K, m_1 + ... + m_N)``.

    Raises:
        ScenarioError: If there are too many strategies to enumerate.
    """
    what = "strategies of all parties but one for an exact bound"
    remedy = "Use method='heuristic'."
    size = enumeration_size(scenario)
    at_most(size, _MAX_ENUMERATED, "expression", ScenarioError, what=what, remedy=remedy)
    last = int(np.argmax(scenario.num_party_strategies))
    order = [k for k in range(scenario.num_parties) if k != last] + [last]
    # The party with the most strategies among the enumerated comes first: it is cut into blocks.
    order[:-1] = sorted(order[:-1], key=lambda k: -scenario.num_party_strategies[k])
    tensor = to_party_axes(coefficients, scenario).transpose(order)
    best_values, best_rows = np.empty(0), np.empty((0, sum(scenario.num_settings)), dtype=np.int64)
    for values, rows in _blocks(tensor, scenario, order, count):
        best_values = np.concatenate([best_values, values])
        best_rows = np.concatenate([best_rows, rows])
        kept = np.argsort(-best_values, kind="stable")[:count]
        best_values, best_rows = best_values[kept], best_rows[kept]
    return best_values, best_rows


def _blocks(
    tensor: FloatArray, scenario: BellScenario, order: list[int], count: int
) -> Iterator[tuple[FloatArray, IntArray]]:
    """The best strategies of each block of the first party's strategies."""
    sizes = [(scenario.num_settings[k], scenario.max_outcomes[k]) for k in order]
    tables = [party_strategies(scenario.num_outcomes[k]) for k in order[:-1]]
    missing = None if scenario.has_equal_outcomes else ~scenario.party_masks[order[-1]]
    one_hots = [np.eye(d)[table].reshape(len(table), -1) for table, (_, d) in zip(tables, sizes, strict=False)]
    m_last, d_last = sizes[-1]
    inner = math.prod(len(table) for table in tables[1:])
    block = max(1, _BLOCK_ENTRIES // (inner * m_last * d_last))
    total = len(tables[0]) if tables else 1
    for start in range(0, total, block):
        responses = tensor
        for i, one_hot in enumerate(one_hots):
            chosen = one_hot[start : start + block] if i == 0 else one_hot
            responses = np.tensordot(responses, chosen, axes=(0, 1))
        # Axes are now (last party, first, second, ...): bring the last party to the end.
        responses = np.moveaxis(responses, 0, -1)
        lead = responses.shape[:-1]
        responses = responses.reshape(-1, m_last, d_last)
        if missing is not None:
            responses = np.where(missing, -np.inf, responses)
        values = responses.max(axis=2).sum(axis=1)
        kept = np.argpartition(-values, count - 1)[:count] if count < len(values) else np.arange(len(values))
        index = np.unravel_index(kept, lead) if lead else ()
        columns: dict[int, IntArray] = {order[-1]: responses[kept].argmax(axis=2)}
        for i, table in enumerate(tables):
            columns[order[i]] = table[index[i] + (start if i == 0 else 0)]
        yield values[kept], np.hstack([columns[k] for k in range(scenario.num_parties)])


def _best_found(coefficients: FloatArray, scenario: BellScenario, seed: int | None) -> tuple[float, IntArray]:
    """The best strategy that alternation finds from many random starts, and its value."""
    oracle = Alternation(scenario)
    starts = oracle.random_starts(_HEURISTIC_STARTS, generator(seed))
    values, strategies = oracle.improve(oracle.tensor_of(coefficients), starts)
    strategy = strategies[int(np.argmax(values))]
    # In double precision, cell by cell.
    parties = np.split(strategy, np.cumsum(scenario.num_settings)[:-1])
    cells = [m.reshape([-1 if j == k else 1 for j in range(len(parties))]) for k, m in enumerate(parties)]
    settings = np.ogrid[tuple(slice(m) for m in scenario.num_settings)]
    return math.fsum(coefficients[(*settings, *cells)].ravel()), strategy
