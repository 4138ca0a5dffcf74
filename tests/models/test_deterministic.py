import itertools

import numpy as np
import pytest
from qiskit_lhv import Behavior, BellScenario, LHVError
from qiskit_lhv.exceptions import CountsError, ScenarioError
from qiskit_lhv.models import DeterministicModel
from qiskit_lhv.models.deterministic import (
    constant_strategies,
    enumerate_strategies,
    party_strategies,
    strategy_tables,
)

SCENARIO = BellScenario((2, 1), (2, 3))
WEIGHTS = np.array([0.25, 0.75])
# Outcomes of party 0 for its settings 0 and 1, then that of party 1 for its only setting.
STRATEGIES = np.array([[0, 1, 2], [1, 1, 0]])


def model():
    return DeterministicModel(WEIGHTS, STRATEGIES, SCENARIO)


def random_model(seed, scenario, count=6):
    rng = np.random.default_rng(seed)
    limits = np.concatenate(scenario.num_outcomes)
    return DeterministicModel(
        rng.dirichlet(np.ones(count)), rng.integers(0, limits, size=(count, len(limits))), scenario
    )


def looped_behavior(weights, strategies, scenario):
    """The table of a mixture of strategies, by a plain loop."""
    table = np.zeros(scenario.shape)
    starts = np.cumsum([0, *scenario.num_settings])
    for weight, row in zip(weights, strategies, strict=True):
        for setting in np.ndindex(scenario.num_settings):
            table[setting + tuple(row[starts[k] + x] for k, x in enumerate(setting))] += weight
    return table


def chi_square(counts, probabilities):
    expected = probabilities * counts.num_shots.reshape(counts.num_shots.shape + (1,) * counts.num_shots.ndim)
    seen = expected > 0
    assert np.all(counts.array[~seen] == 0)
    degrees = int(seen.sum()) - counts.num_shots.size
    return float(np.sum((counts.array[seen] - expected[seen]) ** 2 / expected[seen])), degrees


# Strategies


def test_strategies_of_one_party_are_all_functions_of_the_setting():
    strategies = party_strategies((3, 3))
    assert strategies.shape == (9, 2)
    assert {tuple(row) for row in strategies.tolist()} == set(itertools.product(range(3), repeat=2))


def test_strategies_of_all_parties_are_all_combinations():
    strategies = enumerate_strategies(BellScenario((2, 1), (2, 3)))
    expected = set(itertools.product(range(2), range(2), range(3)))
    assert len(strategies) == 12
    assert {tuple(row) for row in strategies.tolist()} == expected


def test_constant_strategies_mix_to_white_noise():
    scenario = BellScenario((2, 3), (3, 2))
    strategies = constant_strategies(scenario)
    assert len(strategies) == 6
    np.testing.assert_allclose(
        DeterministicModel(np.full(6, 1 / 6), strategies, scenario).behavior().array, np.full(scenario.shape, 1 / 6)
    )


@pytest.mark.parametrize("scenario", [SCENARIO, BellScenario((2, 2, 2), (2, 3, 2)), BellScenario((3,), (2,))])
def test_strategy_tables_agree_with_a_loop(scenario):
    strategies = random_model(2, scenario).strategies
    tables = strategy_tables(strategies, scenario)
    for row, table in zip(strategies, tables, strict=True):
        np.testing.assert_array_equal(table.reshape(scenario.shape), looped_behavior([1.0], [row], scenario))


# Behavior


def test_behavior_of_a_hand_made_model():
    expected = np.zeros((2, 1, 2, 3))
    expected[0, 0, 0, 2] = 0.25
    expected[0, 0, 1, 0] = 0.75
    expected[1, 0, 1, 2] = 0.25
    expected[1, 0, 1, 0] = 0.75
    np.testing.assert_array_equal(model().behavior().array, expected)


def test_chosen_settings_are_kept():
    one = model().behavior(settings=[1, None])
    assert one.scenario == BellScenario((1, 1), (2, 3))
    np.testing.assert_array_equal(one.array[0, 0], [[0, 0, 0], [0.75, 0, 0.25]])
    assert model().behavior(settings=(None, None)) == model().behavior()


@pytest.mark.parametrize("settings", [[2, 0], [0, 1], [-1, 0], [0], [0, 0, 0], []])
def test_settings_out_of_range_are_refused(settings):
    with pytest.raises(ScenarioError, match=r"^settings: expected None or numbers below \(2, 1\)"):
        model().behavior(settings)


@pytest.mark.parametrize("scenario", [SCENARIO, BellScenario((2, 2, 2), (2, 3, 2)), BellScenario((4,), (3,))])
def test_behavior_agrees_with_a_loop(scenario):
    random = random_model(5, scenario)
    expected = looped_behavior(random.weights, random.strategies, scenario)
    np.testing.assert_allclose(random.behavior().array, expected, atol=1e-15)


def test_local_models_do_not_exceed_two_for_chsh():
    signs = np.array([[1, 1], [1, -1]])
    values = [
        np.sum(signs * random_model(seed, BellScenario((2, 2), (2, 2))).behavior().to_correlators()[1:, 1:])
        for seed in range(20)
    ]
    assert max(map(abs, values)) <= 2 + 1e-12


# Verification


def test_verify_passes_for_the_behavior_of_the_model():
    random = random_model(7, BellScenario((2, 2), (3, 2)))
    target = Behavior(looped_behavior(random.weights, random.strategies, random.scenario))
    verification = random.verify(target)
    assert verification
    assert verification.passed is True
    assert verification.deviation < 1e-15
    assert "6 deterministic strategies" in verification.reason


def test_verify_without_a_target_tells_what_the_model_is():
    verification = model().verify()
    assert verification
    assert verification.reason == "a mixture of 2 deterministic strategies"


def test_verify_measures_the_deviation():
    target = np.array(model().behavior().array)
    target[1, 0, 1, 0] -= 0.01
    target[1, 0, 0, 1] += 0.01
    verification = model().verify(Behavior(target))
    assert not verification
    assert verification.deviation == pytest.approx(0.01, rel=1e-12)
    assert "but not within 1e-09" in verification.reason
    assert model().verify(Behavior(target), atol=0.011)
    assert not model().verify(Behavior(target), atol=0.009)


def test_verify_fails_for_tampered_weights():
    target = model().behavior()
    tampered = DeterministicModel([0.25 + 1e-8, 0.75 - 1e-8], STRATEGIES, SCENARIO)
    assert not tampered.verify(target)
    assert tampered.verify(target, atol=1e-7)


@pytest.mark.parametrize("cell", [(0, 0), (0, 1), (1, 0)])
def test_verify_fails_for_tampered_strategies(cell):
    strategies = STRATEGIES.copy()
    strategies[cell] ^= 1
    verification = DeterministicModel(WEIGHTS, strategies, SCENARIO).verify(model().behavior())
    assert not verification
    assert verification.deviation in (0.25, 0.75)


def test_verify_fails_for_targets_of_another_scenario():
    verification = model().verify(Behavior.white_noise(BellScenario((2, 1), (2, 2))))
    assert not verification
    assert verification.deviation == np.inf
    assert "the target has" in verification.reason


def test_verify_fails_for_nonlocal_targets():
    box = Behavior.from_correlators([[1, 1], [1, -1]], marginals=False)
    assert not random_model(1, BellScenario((2, 2), (2, 2))).verify(box, atol=0.1)


# Samples


def test_samples_follow_the_behavior():
    random = random_model(3, BellScenario((2, 3), (3, 2)), count=30)
    counts = random.sample(20_000, seed=1)
    assert counts.num_shots.tolist() == [[20_000] * 3] * 2
    assert counts.design == "blocks"
    statistic, degrees = chi_square(counts, looped_behavior(random.weights, random.strategies, random.scenario))
    assert abs(statistic - degrees) < 5 * np.sqrt(2 * degrees)


def test_samples_take_shots_for_each_setting():
    counts = model().sample(np.array([[7], [1000]]), seed=2)
    assert counts.num_shots.tolist() == [[7], [1000]]
    assert counts.array[0, 0, 0, 0] == 0


def test_samples_depend_on_the_seed_alone():
    assert model().sample(500, seed=4) == model().sample(500, seed=4)
    assert model().sample(500, seed=4) != model().sample(500, seed=5)
    assert model().sample(500).total_shots == 1000


@pytest.mark.parametrize(
    "shots", [0, -1, 1.5, True, "10", None, [10, 10], [[10, 10]], [[10], [0]], [[10.5], [1]], [[10], [1, 2]]]
)
def test_bad_shots_are_refused(shots):
    with pytest.raises(CountsError, match=r"^shots: expected a positive whole number"):
        model().sample(shots, seed=1)


@pytest.mark.parametrize("seed", [-1, 1.5, "seed", True])
def test_bad_seeds_are_refused(seed):
    with pytest.raises(LHVError, match=r"^seed: expected None or a non-negative whole number"):
        model().sample(10, seed=seed)


# Validation


@pytest.mark.parametrize(
    ("weights", "words"),
    [
        ([0.5, 0.4], "sum 0.9"),
        ([0.5, 0.5 + 1e-8], "sum to 1"),
        ([1.25, -0.25], "smallest -0.25"),
        ([], "none"),
        ([[0.5, 0.5]], "an array with 1 axes"),
        ([0.5, np.nan], "finite"),
        (1.0, "an array with 1 axes"),
        (["a", "b"], "an array of numbers"),
    ],
)
def test_bad_weights_are_refused(weights, words):
    with pytest.raises(ScenarioError, match=r"^weights: expected") as caught:
        DeterministicModel(weights, STRATEGIES, SCENARIO)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("strategies", "words"),
    [
        ([[0, 1, 2]], "shape (2, 3), got shape (1, 3)"),
        ([[0, 1], [1, 1]], "shape (2, 3), got shape (2, 2)"),
        ([0, 1, 2], "an array with 2 axes"),
        ([[0, 1, 3], [1, 1, 0]], "outcomes below (2, 3)"),
        ([[2, 1, 2], [1, 1, 0]], "outcomes below (2, 3)"),
        ([[-1, 1, 2], [1, 1, 0]], "outcomes below (2, 3)"),
        ([[0.5, 1, 2], [1, 1, 0]], "whole numbers"),
        ([[np.nan, 1, 2], [1, 1, 0]], "finite"),
    ],
)
def test_bad_strategies_are_refused(strategies, words):
    with pytest.raises(ScenarioError, match=r"^strategies: expected") as caught:
        DeterministicModel(WEIGHTS, strategies, SCENARIO)
    assert words in str(caught.value)


def test_arrays_are_read_only():
    one = model()
    assert one.strategies.dtype == np.int64
    with pytest.raises(ValueError, match="read-only"):
        one.weights[0] = 1
    with pytest.raises(ValueError, match="read-only"):
        one.strategies[0, 0] = 1


def test_from_weights_drops_small_weights_and_normalizes():
    one = DeterministicModel.from_weights(
        np.array([0.3, 1e-12, 0.1]), np.array([[0, 1, 2], [0, 0, 0], [1, 1, 0]]), SCENARIO, cutoff=1e-9
    )
    np.testing.assert_allclose(one.weights, [0.75, 0.25], atol=1e-15)
    assert one.strategies.tolist() == [[0, 1, 2], [1, 1, 0]]


def test_repr_tells_the_number_of_strategies():
    assert repr(model()).startswith("DeterministicModel(2 strategies")
