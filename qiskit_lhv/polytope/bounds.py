"""The local bound of a Bell expression: the largest value that a local model can reach.

It is the oracle of everything exact in the package: all parties but one are enumerated, and the last
one answers best.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .._records import Record
from .._validation import frozen, generator
from ..exceptions import ScenarioError
from ..models.deterministic import party_strategies
from ..targets.coordinates import to_party_axes
from ..targets.scenario import BellScenario

if TYPE_CHECKING:
    from .inequalities import BellExpression

__all__ = ["LocalBound", "best_strategies", "enumeration_size", "local_bound"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

_MAX_ENUMERATED = 1 << 26
_BLOCK_ENTRIES = 1 << 21
_HEURISTIC_STARTS = 300


@dataclass(frozen=True, eq=False, repr=False)
class LocalBound(Record):
    """The largest value of a Bell expression over deterministic strategies."""

    value: float
    """The bound. If ``exact``, no local model exceeds it."""
    strategy: IntArray
    """A strategy that reaches it, shape ``(m_1 + ... + m_N,)``; see ``DeterministicModel.strategies``."""
    exact: bool
    """Whether all strategies were compared. If not, ``value`` is only reached, perhaps exceeded."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "strategy", frozen(np.asarray(self.strategy, dtype=np.int64)))

    def __str__(self) -> str:
        return f"{self.value:.9g} ({'exact' if self.exact else 'heuristic'})"


def local_bound(expression: BellExpression, method: str = "exact", *, seed: int | None = 0) -> LocalBound:
    """Computes the local bound of a Bell expression.

    Args:
        expression: The Bell expression.
        method: ``"exact"`` compares all strategies: the arithmetic is exact if the coefficients are
            integers (or binary fractions) of moderate size; otherwise the value is rounded up by more
            than the rounding error. ``"heuristic"`` improves one party after the other from random
            starts; its value is reached, but may be exceeded.
        seed: For ``"heuristic"``.

    Returns:
        The bound, a strategy that reaches it, and whether it is exact.

    Raises:
        ScenarioError: If the method is unknown or the scenario is too large for ``"exact"``.

    Examples:
        >>> from qiskit_lhv.polytope.inequalities import chsh
        >>> local_bound(chsh()).value
        2.0
    """
    if method == "heuristic":
        value, strategy = _alternate(expression.coefficients, expression.scenario, seed)
        return LocalBound(value, strategy, False)
    if method != "exact":
        raise ScenarioError.bad_argument("method", expected="'exact' or 'heuristic'", got=repr(method))
    scale = _integer_scale(expression.coefficients)
    scaled = expression.coefficients * scale
    values, strategies = best_strategies(scaled, expression.scenario, 1)
    # Integers below 2**53 are added without error; other numbers are not, so round outward.
    slack = 0.0 if scale != 1 or _is_integer(scaled) else _rounding_slack(scaled)
    return LocalBound((float(values[0]) + slack) / scale, strategies[0], True)


def enumeration_size(scenario: BellScenario) -> int:
    """Number of strategies that an exact bound enumerates: those of all parties but the largest."""
    return scenario.num_strategies // max(scenario.num_party_strategies)


def best_strategies(coefficients: FloatArray, scenario: BellScenario, count: int) -> tuple[FloatArray, IntArray]:
    """The best strategies for a Bell expression, best first, exact up to rounding.

    Each differs from the others in what the enumerated parties do; the largest party answers best.

    Args:
        coefficients: Shape ``(m_1, ..., m_N, d_1, ..., d_N)``.
        scenario: The scenario.
        count: How many to return at most.

    Returns:
        Values, shape ``(K,)``, and strategies, shape ``(K, m_1 + ... + m_N)``.

    Raises:
        ScenarioError: If there are too many strategies to enumerate.
    """
    size = enumeration_size(scenario)
    if size > _MAX_ENUMERATED:
        raise ScenarioError.bad_argument(
            "expression",
            expected=f"at most {_MAX_ENUMERATED} strategies of all parties but one for an exact bound",
            got=f"{size:.3g}",
            remedy="Use method='heuristic'.",
        )
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
    sizes = [(scenario.num_settings[k], scenario.num_outcomes[k]) for k in order]
    tables = [party_strategies(m, d) for m, d in sizes[:-1]]
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
        values = responses.max(axis=2).sum(axis=1)
        kept = np.argpartition(-values, count - 1)[:count] if count < len(values) else np.arange(len(values))
        index = np.unravel_index(kept, lead) if lead else ()
        columns: dict[int, IntArray] = {order[-1]: responses[kept].argmax(axis=2)}
        for i, table in enumerate(tables):
            columns[order[i]] = table[index[i] + (start if i == 0 else 0)]
        yield values[kept], np.hstack([columns[k] for k in range(scenario.num_parties)])


def _alternate(coefficients: FloatArray, scenario: BellScenario, seed: int | None) -> tuple[float, IntArray]:
    """Improves one party after the other until none can, from many random starts at once."""
    rng = generator(seed)
    n = scenario.num_parties
    tensor = to_party_axes(coefficients, scenario)
    sizes = list(zip(scenario.num_settings, scenario.num_outcomes, strict=True))
    choices = [rng.integers(d, size=(_HEURISTIC_STARTS, m)) for m, d in sizes]
    best = np.full(_HEURISTIC_STARTS, -np.inf)
    while True:
        for k, (m, d) in enumerate(sizes):
            terms: list[Any] = [tensor, list(range(n))]
            for j, (_, outcomes) in enumerate(sizes):
                if j != k:
                    terms += [np.eye(outcomes)[choices[j]].reshape(_HEURISTIC_STARTS, -1), [n, j]]
            start_axis = [n, k] if n > 1 else [k]
            responses = np.einsum(*terms, start_axis, optimize="greedy").reshape(-1, m, d)
            choices[k] = np.broadcast_to(responses.argmax(axis=2), (_HEURISTIC_STARTS, m))
            values = np.broadcast_to(responses.max(axis=2).sum(axis=1), _HEURISTIC_STARTS)
        if np.all(values <= best + 1e-12 * (1 + np.abs(values))):
            winner = int(np.argmax(values))
            return float(values[winner]), np.hstack([choice[winner] for choice in choices])
        best = values


def _is_integer(array: FloatArray) -> bool:
    return bool(np.all(array == np.rint(array)) and np.abs(array).sum() < 2**53)


def _integer_scale(coefficients: FloatArray) -> float:
    """A power of two that makes the coefficients integers of moderate size, or 1."""
    for exponent in range(53):
        if np.abs(coefficients).sum() * 2.0**exponent >= 2**53:
            break
        if _is_integer(coefficients * 2.0**exponent):
            return 2.0**exponent
    return 1.0


def _rounding_slack(coefficients: FloatArray) -> float:
    return float(8 * np.finfo(float).eps * coefficients.size * np.abs(coefficients).sum())
