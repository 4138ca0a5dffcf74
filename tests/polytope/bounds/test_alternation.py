import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from qiskit_lhv.models.deterministic import (
    enumerate_strategies,
    signs_of_strategies,
    strategies_of_signs,
    strategy_tables,
)
from qiskit_lhv.polytope.bounds import alternation as module
from qiskit_lhv.polytope.bounds.alternation import Alternation
from qiskit_lhv.polytope.bounds.local_bounds import local_bound
from qiskit_lhv.polytope.expressions.expression import BellExpression
from qiskit_lhv.polytope.expressions.families import chsh
from qiskit_lhv.targets.scenario import BellScenario

SCENARIOS = [
    BellScenario((2, 2), (2, 2)),
    BellScenario((4, 3), (2, 2)),
    BellScenario((2, 3), (3, 2)),
    BellScenario((2, 2), (4, 3)),
    BellScenario((2, 3, 2), (2, 2, 2)),
    BellScenario((2, 1, 2), (2, 3, 2)),
    BellScenario((2, 1, 2, 1), (2, 2, 2, 2)),
    BellScenario((3,), (2,)),
    BellScenario((3,), (4,)),
]


def values_by_table(coefficients, strategies, scenario):
    """Values of strategies from their tables, without the tensors of the oracle."""
    return strategy_tables(strategies, scenario) @ coefficients.ravel()


@given(st.sampled_from(SCENARIOS), st.integers(0, 2**32 - 1))
@settings(deadline=None, max_examples=60)
def test_values_are_reached_and_the_best_is_the_bound(scenario, seed):
    rng = np.random.default_rng(seed)
    coefficients = rng.standard_normal(scenario.shape)
    oracle = Alternation(scenario)
    starts = oracle.random_starts(200, rng)
    values, strategies = oracle.improve(oracle.tensor_of(coefficients), starts)
    assert values.shape == (200,)
    assert strategies.shape == starts.shape
    reached = values_by_table(coefficients, strategies, scenario)
    assert np.allclose(values, reached, atol=1e-4)
    everything = values_by_table(coefficients, enumerate_strategies(scenario), scenario)
    assert reached.max() == pytest.approx(everything.max(), abs=1e-9)
    expression = BellExpression(coefficients, scenario)
    assert values.max() == pytest.approx(local_bound(expression).value, abs=1e-4)


# Answers changed at equal value in the last round, after which another party could do better.
@example(BellScenario((2, 1, 2, 1), (2, 2, 2, 2)), 1022)
@given(st.sampled_from(SCENARIOS), st.integers(0, 2**32 - 1))
@settings(deadline=None, max_examples=30)
def test_no_party_alone_can_do_better(scenario, seed):
    """Every strategy that comes out is a local maximum; it is no worse than its start."""
    rng = np.random.default_rng(seed)
    coefficients = rng.integers(-5, 6, size=scenario.shape).astype(np.float64)
    oracle = Alternation(scenario)
    starts = oracle.random_starts(6, rng)
    _, strategies = oracle.improve(oracle.tensor_of(coefficients), starts)
    reached = values_by_table(coefficients, strategies, scenario)
    assert np.all(reached >= values_by_table(coefficients, starts, scenario) - 1e-9)
    limits = np.repeat(scenario.max_outcomes, scenario.num_settings)
    for i, limit in enumerate(limits):
        for b in range(limit):
            changed = strategies.copy()
            changed[:, i] = b
            assert np.all(values_by_table(coefficients, changed, scenario) <= reached + 1e-9)


def test_chsh():
    oracle = Alternation(chsh().scenario)
    tensor = oracle.tensor_of(chsh().coefficients)
    assert np.allclose(tensor, chsh().to_correlators())
    values, strategies = oracle.improve(tensor, enumerate_strategies(chsh().scenario))
    # The value 0 is no local maximum of CHSH: its values are -2 and 2.
    assert np.allclose(values, 2)
    assert np.allclose(values_by_table(chsh().coefficients, strategies, chsh().scenario), 2)


def test_what_the_first_party_does_at_the_start_is_not_used():
    scenario = BellScenario((3, 3), (2, 2))
    rng = np.random.default_rng(2)
    oracle = Alternation(scenario)
    tensor = oracle.tensor_of(rng.standard_normal(scenario.shape))
    starts = oracle.random_starts(20, rng)
    other = starts.copy()
    other[:, :3] = 1 - other[:, :3]
    for one, two in zip(oracle.improve(tensor, starts), oracle.improve(tensor, other), strict=True):
        assert np.array_equal(one, two)


def test_zero_and_scaled_expressions():
    scenario = BellScenario((2, 2), (2, 3))
    oracle = Alternation(scenario)
    rng = np.random.default_rng(1)
    starts = oracle.random_starts(10, rng)
    assert np.all(oracle.improve(np.zeros((4, 6)), starts)[0] == 0)
    tensor = oracle.tensor_of(rng.standard_normal(scenario.shape))
    values, strategies = oracle.improve(tensor, starts)
    large, same = oracle.improve(2.0**70 * tensor, starts)
    assert np.allclose(large, 2.0**70 * values, rtol=1e-6)
    assert np.array_equal(strategies, same)


def test_starts_are_handled_in_chunks(monkeypatch):
    scenario = BellScenario((2, 3, 2), (2, 2, 2))
    oracle = Alternation(scenario)
    rng = np.random.default_rng(3)
    tensor, starts = oracle.tensor_of(rng.standard_normal(scenario.shape)), oracle.random_starts(17, rng)
    values, strategies = oracle.improve(tensor, starts)
    monkeypatch.setattr(module, "_CHUNK_ENTRIES", 40)
    chunked, same = oracle.improve(tensor, starts)
    assert np.allclose(values, chunked, rtol=1e-6)
    assert np.array_equal(strategies, same)


def test_random_and_perturbed_strategies():
    scenario = BellScenario((40, 30), (2, 5))
    oracle = Alternation(scenario)
    starts = oracle.random_starts(50, np.random.default_rng(1))
    assert starts.shape == (50, 70)
    assert set(np.unique(starts[:, :40])) == {0, 1}
    assert set(np.unique(starts[:, 40:])) == {0, 1, 2, 3, 4}
    assert np.array_equal(starts, oracle.random_starts(50, np.random.default_rng(1)))
    rng = np.random.default_rng(2)
    assert np.array_equal(oracle.perturbed(starts, 0.0, rng), starts)
    changed = oracle.perturbed(starts, 0.3, rng) != starts
    # Half of the replaced answers of two outcomes stay the same, and a fifth of those of five.
    assert changed[:, :40].mean() == pytest.approx(0.15, abs=0.03)
    assert changed[:, 40:].mean() == pytest.approx(0.24, abs=0.04)


def test_signs():
    strategies = np.array([[0, 1, 1], [1, 0, 0]])
    signs = signs_of_strategies(strategies, np.int8)
    assert signs.tolist() == [[1, 1, -1, -1], [1, -1, 1, 1]]
    assert signs.dtype == np.int8
    assert np.array_equal(strategies_of_signs(signs), strategies)
