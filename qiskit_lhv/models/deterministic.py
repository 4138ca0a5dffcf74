"""Local models that mix deterministic strategies."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._support.types import FloatArray, IntArray
from .._support.validation import whole_array
from .._support.words import counted
from ..exceptions import ScenarioError
from ..targets.behaviors import Behavior
from ..targets.coordinates import from_party_axes
from ..targets.many_parties.term_rows import check_two_outcomes
from ..targets.scenario import BellScenario, check_scenario
from ..verification.models import exact_model_deviation
from ..verification.result import Verification
from .local_model import LocalModel, check_weights, reproduction, require_table, select_settings

__all__ = [
    "DeterministicModel",
    "check_strategies",
    "constant_strategies",
    "enumerate_strategies",
    "mixture_table",
    "party_strategies",
    "signs_of_strategies",
    "strategies_of_signs",
    "strategy_tables",
]


_CHUNK_ENTRIES = 1 << 22


def party_strategies(num_outcomes: Sequence[int]) -> IntArray:
    """Returns all deterministic strategies of one party.

    Args:
        num_outcomes: Number of outcomes of each of its settings.

    Returns:
        Shape ``(d_1 * ... * d_m, m)``; the first setting's outcome runs fastest.
    """
    numbers = np.arange(math.prod(num_outcomes))
    powers = np.array([math.prod(num_outcomes[:x]) for x in range(len(num_outcomes))], dtype=np.int64)
    return numbers[:, None] // powers % np.array(num_outcomes)


def enumerate_strategies(scenario: BellScenario) -> IntArray:
    """Returns all deterministic strategies of all parties, shape ``(num_strategies, m_1 + ... + m_N)``."""
    parties = [party_strategies(party) for party in scenario.num_outcomes]
    index = np.indices([len(party) for party in parties]).reshape(len(parties), -1)
    return np.hstack([party[i] for party, i in zip(parties, index, strict=True)])


def constant_strategies(scenario: BellScenario) -> IntArray:
    """Returns the strategies whose outcomes ignore the settings; their equal mixture is white noise.

    If settings have different numbers of outcomes, a strategy is a number from 0 to 1, which each setting rounds down
    to one of its outcomes; some mixture of these strategies is white noise.
    """
    if scenario.has_equal_outcomes:
        outcomes = np.indices(scenario.max_outcomes).reshape(scenario.num_parties, -1).T
        return np.repeat(outcomes, scenario.num_settings, axis=1)
    parties = []
    for sizes in scenario.num_outcomes:
        ends = sorted({Fraction(a, d) for d in sizes for a in range(d)})
        parties.append(np.array([[math.floor(end * d) for d in sizes] for end in ends]))
    index = np.indices([len(party) for party in parties]).reshape(len(parties), -1)
    return np.hstack([party[i] for party, i in zip(parties, index, strict=True)])


def strategy_tables(strategies: IntArray, scenario: BellScenario) -> FloatArray:
    """Returns the tables p(a|x) of deterministic strategies, flattened with padding, shape ``(H, num_entries)``."""
    n = scenario.num_parties
    rows = np.arange(len(strategies))[:, None]
    tables = np.ones((len(strategies), *[1] * (2 * n)))
    start = 0
    for k, (m, d) in enumerate(zip(scenario.num_settings, scenario.max_outcomes, strict=True)):
        one_hot = np.zeros((len(strategies), m, d))
        one_hot[rows, np.arange(m), strategies[:, start : start + m]] = 1
        shape = [1] * (2 * n)
        shape[k], shape[n + k] = m, d
        tables = tables * one_hot.reshape(len(strategies), *shape)
        start += m
    return tables.reshape(len(strategies), -1)


def mixture_table(weights: FloatArray, strategies: IntArray, scenario: BellScenario) -> FloatArray:
    """The table of a mixture of strategies, shape ``(m_1, ..., m_N, d_1, ..., d_N)``.

    Unlike :func:`strategy_tables` it never holds a number for each strategy and each cell: the parties are split in two
    halves, whose tables are multiplied.
    """
    n = scenario.num_parties
    sizes = list(zip(scenario.num_settings, scenario.max_outcomes, strict=True))
    starts = np.cumsum([0, *scenario.num_settings])
    half = (n + 1) // 2
    width = sum(math.prod(m * d for m, d in part) for part in (sizes[:half], sizes[half:]))
    chunk = max(1, _CHUNK_ENTRIES // width)
    total: FloatArray = np.zeros((1, 1))
    for start in range(0, len(weights), chunk):
        rows = strategies[start : start + chunk]
        factors = []
        for parties in (range(half), range(half, n)):
            table = np.ones((len(rows), 1))
            for k in parties:
                one_hot = np.eye(sizes[k][1])[rows[:, starts[k] : starts[k + 1]]].reshape(len(rows), 1, -1)
                table = (table[:, :, None] * one_hot).reshape(len(rows), -1)
            factors.append(table)
        total = total + (factors[0] * weights[start : start + chunk, None]).T @ factors[1]
    return from_party_axes(total.reshape([m * d for m, d in sizes]), scenario)


def check_strategies(strategies: NDArray[np.integer[Any]], count: int, scenario: BellScenario) -> IntArray:
    """Checks strategies of a model: whole outcomes in range, shape ``(count, m_1 + ... + m_N)``, read-only.

    Raises:
        ScenarioError: If the check fails.
    """
    array = whole_array(strategies, "strategies", ScenarioError, ndim=2)
    limits = np.concatenate([np.array(party) for party in scenario.num_outcomes])
    if array.shape != (count, len(limits)):
        raise ScenarioError.bad_argument(
            "strategies", expected=f"shape {(count, len(limits))}", got=f"shape {array.shape}"
        )
    if array.min() < 0 or np.any(array >= limits):
        raise ScenarioError.bad_argument(
            "strategies", expected=f"outcomes below {scenario.short_num_outcomes}", got="others"
        )
    return array


@dataclass(frozen=True, eq=False, repr=False)
class DeterministicModel(LocalModel):
    """A local model given by deterministic strategies and the probability of each.

    Args:
        weights: Shape ``(H,)``, non-negative, summing to 1 within 1e-9.
        strategies: Outcome of every party for each of its settings, shape ``(H, m_1 + ... + m_N)``:
            first the m_1 settings of party 0, then those of party 1, and so on.
        scenario: The scenario.

    Raises:
        ScenarioError: If shapes do not fit, weights are not probabilities, or an outcome is out of range.

    References:
        A. Fine, Phys. Rev. Lett. 48, 291 (1982) (every local model of a finite scenario is such a mixture).

    Examples:
        Two parties who share a random bit and always show it reach the local bound 2 of CHSH:

        >>> model = DeterministicModel([0.5, 0.5], [[0, 0, 0, 0], [1, 1, 1, 1]], BellScenario((2, 2), 2))
        >>> model
        DeterministicModel(2 strategies, 2 parties with 2 settings of 2 outcomes each)
        >>> model.behavior().to_correlators()[1:, 1:].tolist()
        [[1.0, 1.0], [1.0, 1.0]]
        >>> bool(model.verify(model.behavior()))
        True
    """

    weights: FloatArray
    """Probability of each strategy, shape ``(H,)``."""
    strategies: IntArray
    """Outcomes, shape ``(H, m_1 + ... + m_N)``."""
    scenario: BellScenario
    """The number of settings and outcomes of each party."""

    def __post_init__(self) -> None:
        check_scenario(self.scenario)
        weights = check_weights(self.weights)
        strategies = check_strategies(self.strategies, len(weights), self.scenario)
        object.__setattr__(self, "weights", weights)
        object.__setattr__(self, "strategies", strategies)

    def __repr__(self) -> str:
        return f"DeterministicModel({counted(len(self.weights), 'strategy', 'strategies')}, {self.scenario})"

    @classmethod
    def from_weights(
        cls, weights: FloatArray, strategies: IntArray, scenario: BellScenario, *, cutoff: float = 0.0
    ) -> DeterministicModel:
        """Returns a model from a solver's weights, after dropping those of at most ``cutoff`` and normalizing.

        Args:
            weights: Weight of each strategy, shape ``(H,)``.
            strategies: Outcomes, shape ``(H, m_1 + ... + m_N)``.
            scenario: The number of settings and outcomes of each party.
            cutoff: Strategies with at most this weight are left out.
        """
        kept = weights > cutoff
        return cls(weights[kept] / math.fsum(weights[kept]), strategies[kept], scenario)

    def behavior(self, settings: Sequence[int | None] | None = None) -> Behavior:
        """Returns the behavior that the model produces.

        Args:
            settings: For each party the setting to keep, or ``None`` for all of them; default: all.

        Raises:
            ScenarioError: If a setting is out of range.
        """
        require_table(self.scenario.num_entries)
        table = mixture_table(self.weights, self.strategies, self.scenario)
        return select_settings(Behavior(table, self.scenario), settings)

    def mean_outcomes(self) -> tuple[FloatArray, list[FloatArray], BellScenario]:
        """Returns the weights, the outcomes +1 and -1 of each party of shape ``(H, m_k)``, and the scenario."""
        check_two_outcomes(self.scenario)
        ends = np.cumsum(self.scenario.num_settings)
        return self.weights, list(np.split(1.0 - 2 * self.strategies, ends[:-1], axis=1)), self.scenario

    def verify(self, target: Behavior | None = None, atol: float = 1e-9) -> Verification:
        """Re-checks the model in rational arithmetic, without the solver's code.

        Args:
            target: A behavior that the model should reproduce; default: only the model itself is checked.
            atol: Largest deviation allowed in any probability.

        Returns:
            Whether the model reproduces the target, and the largest deviation.
        """
        if target is None:
            return Verification(True, f"a mixture of {len(self.weights)} deterministic strategies")
        if target.scenario != self.scenario:
            return Verification(False, f"the target has {target.scenario}, the model {self.scenario}", math.inf)
        deviation = exact_model_deviation(self.weights, self.strategies, target.array)
        return reproduction(f"{len(self.weights)} deterministic strategies", deviation, atol)


def signs_of_strategies(strategies: IntArray, dtype: Any) -> Any:
    """Signs (1, A_1, ..., A_m) of one party's outcomes 0 and 1, shape ``(K, m + 1)``."""
    signs = np.ones((len(strategies), strategies.shape[1] + 1), dtype=dtype)
    signs[:, 1:] -= 2 * strategies.astype(dtype)
    return signs


def strategies_of_signs(signs: Any) -> IntArray:
    """Inverse of :func:`signs_of_strategies`."""
    return (signs[:, 1:] < 0).astype(np.int64)
