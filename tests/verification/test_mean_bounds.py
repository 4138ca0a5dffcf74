from fractions import Fraction

import numpy as np
import pytest
from qiskit_lhv.exceptions import ScenarioError
from qiskit_lhv.models.deterministic import enumerate_strategies, strategy_tables
from qiskit_lhv.targets.coordinates import cells_from_collins_gisin
from qiskit_lhv.targets.scenario import BellScenario
from qiskit_lhv.verification import mean_bounds
from qiskit_lhv.verification.mean_bounds import exact_mean_bounds

SCENARIOS = [BellScenario((2, 2), (2, 2)), BellScenario((3, 2), (2, 3)), BellScenario((2, 1, 2), (2, 3, 2))]


def problem(scenario, stages=3, seed=1):
    rng = np.random.default_rng(seed)
    factors = rng.lognormal(size=(stages, *scenario.shape))
    weights = rng.dirichlet(np.ones(scenario.num_setting_combinations), stages).reshape(stages, *scenario.num_settings)
    return factors, weights


def exact_values(factors, weights, scenario):
    """The exact weighted mean of every stage's factor for every strategy."""
    tables = strategy_tables(enumerate_strategies(scenario), scenario)
    wide = np.repeat(weights.reshape(len(weights), -1), factors[0].size // weights[0].size, axis=1)
    return [
        max(
            sum(Fraction(float(w)) * Fraction(float(f)) for w, f, t in zip(ws, fs, table, strict=True) if t)
            for table in tables
        )
        for ws, fs in zip(wide, factors.reshape(len(factors), -1), strict=True)
    ]


@pytest.mark.parametrize("scenario", SCENARIOS, ids=str)
@pytest.mark.parametrize("listed", [True, False])
def test_local_bounds_are_exact(scenario, listed, monkeypatch):
    if not listed:
        monkeypatch.setattr(mean_bounds, "_MAX_LISTED", 1)
    factors, weights = problem(scenario)
    bounds = exact_mean_bounds(factors, weights)
    for bound, value in zip(bounds, exact_values(factors, weights, scenario), strict=True):
        assert value <= bound <= value * (1 + Fraction(1, 10**12))


def test_numbers_of_very_different_size_do_not_overflow():
    scenario = BellScenario((2, 2), (2, 2))
    factors, weights = problem(scenario)
    factors[:, 0, 0, 0, 0] = 1e30
    factors[:, 1, 1] = 1e-30
    weights[:, 0, 1] = 0
    bounds = exact_mean_bounds(factors, weights)
    for bound, value in zip(bounds, exact_values(factors, weights, scenario), strict=True):
        assert value <= bound <= value * (1 + Fraction(1, 10**12))


@pytest.mark.parametrize("scenario", SCENARIOS, ids=str)
def test_no_signaling_bounds_are_what_multipliers_prove(scenario):
    factors, weights = problem(scenario)
    multipliers = np.random.default_rng(2).random(factors.shape)
    bounds = exact_mean_bounds(factors, weights, 0.0, multipliers)
    wide = weights.reshape(*weights.shape, *[1] * scenario.num_parties) * factors
    dual = (wide + multipliers).reshape(len(factors), -1) @ cells_from_collins_gisin(scenario)
    expected = dual[:, 0] + np.maximum(dual[:, 1:], 0).sum(axis=1)
    np.testing.assert_allclose([float(bound) for bound in bounds], expected, rtol=1e-12)
    with pytest.raises(ScenarioError, match="multipliers"):
        exact_mean_bounds(factors, weights, 0.0, -multipliers)


def test_constant_factors_have_their_mean():
    scenario = BellScenario((3, 3), (2, 2))
    weights = np.full((1, 3, 3), 1 / 9)
    total = sum(Fraction(float(w)) for w in weights.flat)
    (bound,) = exact_mean_bounds(np.ones((1, *scenario.shape)), weights, 0.0, np.zeros((1, *scenario.shape)))
    assert bound == total
    (bound,) = exact_mean_bounds(np.ones((1, *scenario.shape)), weights)
    assert total <= bound <= total * (1 + Fraction(1, 10**15))


def test_predictable_settings_have_the_smaller_of_two_bounds():
    scenario = BellScenario((2, 2), (2, 2))
    factors, _ = problem(scenario, 2)
    weights = np.full((2, 2, 2), 0.25)
    plain, careful = exact_mean_bounds(factors, weights), exact_mean_bounds(factors, weights, 0.05)
    tables = strategy_tables(enumerate_strategies(scenario), scenario).reshape(-1, *scenario.shape)
    for k in range(2):
        assert plain[k] < careful[k]
        for first in (0.45, 0.55):
            for second in (0.45, 0.55):
                p = np.outer([first, 1 - first], [second, 1 - second])
                means = (tables * factors[k] * p[:, :, None, None]).sum(axis=(1, 2, 3, 4))
                assert means.max() <= float(careful[k]) + 1e-12
