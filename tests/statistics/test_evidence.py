import dataclasses
import math
from fractions import Fraction

import numpy as np
import pytest
from qiskit_lhv import (
    Behavior,
    BellCounts,
    BellExpression,
    BellTrials,
    CountsError,
    EValue,
    chsh,
    game_test,
    load_bundled_counts,
    local_bound,
    mermin,
    ratio_e_value,
    werner_state,
)
from qiskit_lhv.models.deterministic import enumerate_strategies, strategy_tables

UNEQUAL = np.array([[1300, 900], [900, 900]])


def binomial_tail(wins, total, p):
    """P(Bin(total, p) >= wins) in rational arithmetic."""
    p = Fraction(p)
    return sum(math.comb(total, k) * p**k * (1 - p) ** (total - k) for k in range(wins, total + 1))


def facet_behavior():
    """The equal mixture of the eight deterministic strategies with CHSH value 2: every game trial is won
    with probability 3/4, whatever the settings."""
    scenario = chsh().scenario
    strategies = enumerate_strategies(scenario)
    tables = strategy_tables(strategies, scenario)
    best = tables[tables @ chsh().coefficients.ravel() == 2]
    assert len(best) == 8
    return Behavior(best.mean(axis=0).reshape(scenario.shape))


# Games


def test_delft_game():
    # Nature 526, 682 (2015): 196 wins in 245 trials, P = 0.039.
    test = game_test(load_bundled_counts("delft_2015").counts, chsh())
    assert (test.wins, test.num_trials) == (196, 245)
    assert test.win_bound == pytest.approx(0.75, abs=1e-12)
    assert test.p_value == pytest.approx(0.039078, abs=5e-7)
    assert test.p_value == pytest.approx(float(binomial_tail(196, 245, Fraction(3, 4))), rel=1e-9)
    assert test.verify()


def test_game_in_blocks_weighs_settings_by_their_shots():
    # A local model loses only at the setting with the fewest shots.
    counts = Behavior.from_state(werner_state(1), "chsh").sample(np.array([[40, 10], [30, 20]]), 1)
    test = game_test(counts, chsh())
    assert test.fixed_settings
    assert test.win_bound == pytest.approx(0.9)


def test_game_in_blocks_claims_nothing_below_one_win_above_the_bound():
    array = np.zeros((2, 2, 2, 2), dtype=int)
    won = chsh().coefficients > 0
    # 76 of 100 trials won, bound 75: not more than one win above it.
    array[won & (np.indices(array.shape)[2] == 0)] = 19
    array[~won & (np.indices(array.shape)[2] == 0)] = 6
    test = game_test(BellCounts(array), chsh())
    assert (test.wins, test.num_trials, test.win_bound) == (76, 100, 0.75)
    assert test.p_value == pytest.approx(float(binomial_tail(76, 100, Fraction(3, 4))))
    fewer = array.copy()
    fewer[0, 0, 0, 0] -= 1
    fewer[0, 0, 0, 1] += 1
    assert game_test(BellCounts(fewer), chsh()).p_value == 1


@pytest.mark.parametrize(
    ("wins", "total", "p"), [(5, 10, 0.75), (10, 10, 0.75), (0, 10, 0.5), (180, 200, 0.8), (1, 3, 1.0)]
)
def test_binomial_tail_is_exact(wins, total, p):
    from qiskit_lhv.statistics.evidence import _log10_binomial_tail

    assert 10 ** _log10_binomial_tail(wins, total, p) == pytest.approx(float(binomial_tail(wins, total, p)), rel=1e-10)


def test_binomial_tail_below_the_smallest_float():
    from qiskit_lhv.statistics.evidence import GameTest, _log10_binomial_tail

    log10_p = _log10_binomial_tail(160_000, 180_000, 0.75)
    assert log10_p < -1000
    assert GameTest("chsh", 160_000, 180_000, 0.75, False, log10_p).verify()
    assert not GameTest("chsh", 160_000, 180_000, 0.75, False, log10_p - 0.01).verify()


def test_game_with_known_setting_probabilities():
    counts = Behavior.from_state(werner_state(1), "chsh").sample(100, 1)
    probabilities = np.array([[0.4, 0.1], [0.3, 0.2]])
    test = game_test(BellCounts(counts.array, "random", probabilities), chsh())
    assert test.win_bound == pytest.approx(0.9)
    assert not test.fixed_settings


def test_game_refuses_expressions_that_are_no_game():
    counts = Behavior.from_state(werner_state(1), "chsh").sample(100, 1)
    with pytest.raises(CountsError, match=r"expression.*two values"):
        game_test(counts, BellExpression.from_correlators([[0, 1, 0], [0, 1, 1], [0, 1, -1]]))
    with pytest.raises(CountsError, match=r"expression.*shape"):
        game_test(counts, mermin(3))


# E-values


def test_mean_of_factor_is_bounded_for_every_strategy():
    counts = Behavior.from_state(werner_state(0.9), "chsh").sample(UNEQUAL, 3)
    e_value = ratio_e_value(counts, seed=4)
    tables = strategy_tables(enumerate_strategies(counts.scenario), counts.scenario)
    shots = e_value.tested.sum(axis=(2, 3))
    weighted = (shots / shots.sum())[:, :, None, None] * e_value.factor
    means = tables @ weighted.ravel()
    assert means.max() <= e_value.mean_bound
    assert means.max() == pytest.approx(e_value.mean_bound, abs=1e-10)
    assert e_value.verify()


def test_training_and_tested_shots_add_up():
    counts = Behavior.from_state(werner_state(0.9), "chsh").sample(UNEQUAL, 3)
    e_value = ratio_e_value(counts, training_fraction=0.25, seed=4)
    assert e_value.num_trained + e_value.tested.sum() == counts.total_shots
    assert np.all(e_value.tested <= counts.array)
    np.testing.assert_array_equal(e_value.tested.sum(axis=(2, 3)), UNEQUAL * 3 // 4)


def test_random_settings_are_split_without_regard_to_settings():
    counts = BellCounts(load_bundled_counts("delft_2015").counts.array, "random", np.full((2, 2), 0.25))
    splits = [ratio_e_value(counts, seed=seed).tested.sum(axis=(2, 3)) for seed in range(20)]
    assert {int(split.sum()) for split in splits} == {245 - 245 // 3}
    # In blocks the numbers for each setting would be fixed; here they vary from split to split.
    assert len({int(split[0, 0]) for split in splits}) > 3


def test_factor_depends_on_the_training_shots_alone():
    behavior = Behavior.from_state(werner_state(0.9), "chsh")
    settings = np.argwhere(np.ones((2, 2)))[np.random.default_rng(0).integers(4, size=3000)]
    cells = [behavior.array[tuple(x)].ravel() for x in settings]
    outcomes = np.array([divmod(np.random.default_rng(i).choice(4, p=c), 2) for i, c in enumerate(cells)])
    trials = BellTrials(settings, outcomes)
    swapped = outcomes.copy()
    swapped[1000:] = outcomes[1000:][::-1]
    # The last two thirds are replaced (with other settings' outcomes): the factor stays.
    first, second = ratio_e_value(trials), ratio_e_value(BellTrials(settings, swapped))
    np.testing.assert_array_equal(first.factor, second.factor)
    assert first.log_e != second.log_e
    assert first.num_trained == 1000
    assert first.verify()
    assert second.verify()


def test_e_value_grows_at_the_rate_of_the_divergence():
    from qiskit_lhv import fit_local_model

    behavior = Behavior.from_state(werner_state(0.95), "chsh")
    counts = behavior.sample(100_000, 5)
    e_value = ratio_e_value(counts, seed=6)
    rate = e_value.log_e / e_value.tested.sum()
    assert rate == pytest.approx(fit_local_model(behavior).divergence, rel=0.05)


def test_e_value_of_local_data_stays_small():
    e_values = [ratio_e_value(facet_behavior().sample(1000, seed), seed=seed) for seed in range(100)]
    # Markov's inequality for the mean of 100 e-values, at a one-in-a-thousand level.
    assert np.mean([math.exp(e.log_e) for e in e_values]) < 1 + 3 * np.std([math.exp(e.log_e) for e in e_values]) / 10
    assert sum(e.p_value <= 0.05 for e in e_values) <= 12


def test_same_seed_gives_the_same_split():
    counts = load_bundled_counts("delft_2015").counts
    assert ratio_e_value(counts, seed=3) == ratio_e_value(counts, seed=3)
    assert ratio_e_value(counts, seed=3) != ratio_e_value(counts, seed=4)


def test_p_value_below_the_smallest_float_is_kept_as_logarithm():
    e_value = ratio_e_value(load_bundled_counts("ibm_hanoi19_20circuit13").counts, seed=1)
    assert e_value.p_value == 0
    assert e_value.log10_p_value < -1300
    assert e_value.log10_p_value == pytest.approx(-e_value.log_e / math.log(10))


def test_inequality_of_e_value_is_proven():
    counts = Behavior.from_state(werner_state(0.95), "chsh").sample(5000, 3)
    e_value = ratio_e_value(counts, seed=1)
    assert e_value.inequality.verify()
    assert e_value.inequality.bound.value == local_bound(e_value.inequality.expression).value == e_value.mean_bound


@pytest.mark.parametrize(
    "change",
    [
        lambda e: {"mean_bound": e.mean_bound * (1 - 1e-9)},
        lambda e: {"log_e": e.log_e + 1e-3},
        lambda e: {"factor": e.factor * 1.001},
        lambda e: {"tested": e.tested + np.eye(2, dtype=int)},
        lambda e: {"setting_weights": e.setting_weights * np.array([[1.01, 1], [1, 1]])},
    ],
)
def test_verify_refuses_tampered_e_values(change):
    e_value = ratio_e_value(Behavior.from_state(werner_state(0.95), "chsh").sample(5000, 3), seed=1)
    assert e_value.verify()
    assert not dataclasses.replace(e_value, **change(e_value)).verify()


def test_saved_e_value_verifies_after_loading(tmp_path):
    e_value = ratio_e_value(load_bundled_counts("delft_2015").counts, seed=3)
    e_value.save(tmp_path / "e.json")
    loaded = EValue.load(tmp_path / "e.json")
    assert loaded == e_value
    assert loaded.verify()


@pytest.mark.parametrize("fraction", [0, 1, -0.1, float("nan"), "a third"])
def test_bad_training_fraction(fraction):
    with pytest.raises(CountsError, match="training_fraction"):
        ratio_e_value(load_bundled_counts("delft_2015").counts, training_fraction=fraction)


def test_single_shot_per_setting_is_enough():
    e_value = ratio_e_value(BellCounts(np.array([[[[1, 0], [0, 0]]] * 2] * 2)), seed=1)
    assert e_value.verify()
    assert e_value.tested.sum() == 4
