import math
from itertools import permutations

import numpy as np
import pytest
from qiskit_lhv import Behavior, BellCounts, BellScenario, BellTrials, werner_state
from qiskit_lhv.exceptions import CountsError
from qiskit_lhv.statistics import DriftTest, drift_test
from scipy.stats import chi2_contingency, ks_2samp

from helpers import PLANE


def draw_trials(behaviors, count, seed):
    rng = np.random.default_rng(seed)
    settings = rng.integers(2, size=(count, 2))
    rows = np.minimum(np.arange(count) * len(behaviors) // count, len(behaviors) - 1)
    cells = np.stack([b.array for b in behaviors])[(rows, *settings.T)].reshape(count, -1)
    drawn = (rng.random(count)[:, None] > cells.cumsum(axis=1)).sum(axis=1)
    return BellTrials(settings, np.array(np.unravel_index(np.minimum(drawn, 3), (2, 2))).T, design="random")


def noise(count, seed, num_outcomes=(2, 2)):
    rng = np.random.default_rng(seed)
    settings, outcomes = rng.integers(2, size=(count, 2)), rng.integers(num_outcomes, size=(count, 2))
    return BellTrials(settings, outcomes, BellScenario((2, 2), num_outcomes), "random")


def boxes(count, seed):
    """Trials of a PR box, then as many of its opposite."""
    rng = np.random.default_rng(seed)
    settings, first = rng.integers(2, size=(2 * count, 2)), rng.integers(2, size=2 * count)
    second = first ^ settings.prod(axis=1) ^ (np.arange(2 * count) >= count)
    return BellTrials(settings, np.stack([first, second], axis=1), design="random")


@pytest.mark.parametrize(("count", "exact"), [(200, True), (4000, False)])
def test_false_alarms_are_as_rare_as_the_level(count, exact):
    found = [drift_test(noise(count, seed), seed=seed) for seed in range(300)]
    assert all((one.num_replicates > 0) == exact for one in found)
    p = np.array([one.p_value for one in found])
    for level in (0.01, 0.05, 0.2):
        assert np.mean(p <= level) <= level + 3 * math.sqrt(level * (1 - level) / 300)
    # Not merely valid: as often as the level, unless there are too few shots for many values of the deviance.
    if count >= 200:
        assert np.mean(p <= 0.2) >= 0.2 - 3 * math.sqrt(0.16 / 300)


def test_a_box_that_is_followed_by_its_opposite_is_found():
    for seed in range(5):
        found = drift_test(boxes(500, seed), seed=seed)
        assert found.p_value <= 1e-3
        assert found.num_replicates == 1999


def test_a_change_of_a_few_trials_is_found():
    settings, outcomes = np.zeros((400, 1), dtype=int), np.random.default_rng(1).integers(2, size=(400, 1))
    outcomes[320:360] = 1
    assert drift_test(BellTrials(settings, outcomes, design="blocks"), seed=1).p_value < 0.01


def test_drift_is_found_and_stability_is_not():
    steady, later = Behavior.from_state(werner_state(0.9), "chsh"), Behavior.from_state(werner_state(0.6), "chsh")
    assert drift_test(draw_trials([steady, later], 6000, 1), seed=1).p_value < 1e-4
    p = [drift_test(draw_trials([steady], 4000, seed), seed=seed).p_value for seed in range(60)]
    assert np.mean(np.array(p) <= 0.1) <= 0.1 + 3 * math.sqrt(0.09 / 60)


def test_permutation_p_value_is_that_of_all_orders():
    outcomes = [0, 0, 0, 1, 0, 1, 1, 1]
    trials = BellTrials(np.zeros((8, 1), dtype=int), np.array(outcomes)[:, None], design="blocks")
    found = drift_test(trials, num_parts=2, num_replicates=30_000, seed=1)
    ones = np.array([sum(order[:4]) for order in permutations(outcomes)])
    # The deviance grows with the distance of the first part's ones from 2; here there is one among four.
    expected = np.mean(np.abs(ones - 2) >= 1)
    # It ends early: 30 orders that reach it are enough to know a large p-value roughly.
    assert found.num_replicates < 100
    assert abs(found.p_value - expected) < 4 * math.sqrt(expected * (1 - expected) / found.num_replicates)


@pytest.mark.parametrize(("num_outcomes", "count"), [((2, 2), 150), ((4, 4), 150)], ids=["tables", "orders"])
def test_both_ways_to_draw_have_the_same_deviances(num_outcomes, count):
    from qiskit_lhv.statistics.assumptions import drift

    table = drift._table_of_parts(noise(count, 3, num_outcomes), 5)
    shots, total = table.sum(axis=2), table.sum(axis=0)
    values = drift._n_log_n_table(int(shots.max()))
    first = drift._sums_of_tables(shots, total, 4000, values, np.random.default_rng(1))
    second = drift._sums_of_orders(shots, total, 4000, values, np.random.default_rng(2))
    assert abs(first.mean() - second.mean()) <= 4 * math.hypot(first.std(), second.std()) / math.sqrt(4000)
    assert ks_2samp(first.round(9), second.round(9)).pvalue > 1e-3


def test_drift_between_runs_agrees_with_scipy():
    behavior = Behavior.from_state(werner_state(0.6), "chsh")
    runs = [behavior.sample(300, seed) for seed in range(4)]
    found = drift_test(runs)
    expected = [
        chi2_contingency(np.stack([run.array[x].ravel() for run in runs]), lambda_="log-likelihood")
        for x in np.ndindex(2, 2)
    ]
    assert found.deviance == pytest.approx(sum(one.statistic for one in expected))
    assert found.degrees_of_freedom == sum(one.dof for one in expected) == 36
    assert found.num_parts == 4
    assert found.num_replicates == 0


def test_runs_with_unequal_shots_and_few_shots_are_permuted():
    behavior = Behavior.from_state(werner_state(0.6), "chsh")
    found = drift_test([behavior.sample(5, 1), behavior.sample(np.array([[40, 3], [2, 9]]), 2)], seed=3)
    assert found.num_replicates > 0
    assert found == drift_test([behavior.sample(5, 1), behavior.sample(np.array([[40, 3], [2, 9]]), 2)], seed=3)


def test_nothing_can_drift_where_one_outcome_comes_always():
    found = drift_test([BellCounts([[50, 0]]), BellCounts([[7, 0]])])
    assert (found.p_value, found.degrees_of_freedom, found.deviance) == (1.0, 0, 0.0)


def test_too_many_shots_for_a_random_order_are_refused():
    rare = BellCounts([[10**9, 1]])
    with pytest.raises(CountsError, match="fewer than 1000000000 shots"):
        drift_test([rare, rare])


def test_saving(tmp_path):
    found = drift_test(noise(100, 1), seed=1)
    found.save(tmp_path / "drift.json")
    assert DriftTest.load(tmp_path / "drift.json") == found


def test_bad_parts():
    behavior = Behavior.from_state(werner_state(0.6), "chsh")
    with pytest.raises(CountsError, match="two parts"):
        drift_test([behavior.sample(10, 1)])
    with pytest.raises(CountsError, match="two parts"):
        drift_test([behavior.sample(10, 1), Behavior.from_state(werner_state(0.6), [PLANE, PLANE]).sample(10, 1)])
    with pytest.raises(CountsError, match="num_parts"):
        drift_test(draw_trials([behavior], 100, 1), num_parts=1)
    with pytest.raises(CountsError, match="num_replicates"):
        drift_test(draw_trials([behavior], 100, 1), num_replicates=0)
