import dataclasses
import itertools
import math

import numpy as np
import pytest
from qiskit_lhv import BellCounts, BellScenario, BellTrials, chsh, load_bundled_counts
from qiskit_lhv.exceptions import CountsError
from qiskit_lhv.statistics import SettingsTest, game_test, settings_test
from qiskit_lhv.statistics.assumptions.setting_choice import (
    REFUSAL_LEVEL,
    require_declared_settings,
    standing_predictability,
)
from qiskit_lhv.statistics.assumptions.setting_numbers import _log_tail, log10_numbers_p, marginal_limits
from qiskit_lhv.statistics.assumptions.setting_order import SettingOrder, log_ratios
from qiskit_lhv.statistics.evidence.standing_tests import standing_test
from scipy.stats import binom

from helpers import CHSH

UNIFORM = np.full((2, 2), 0.25)
CORRELATED = np.array([[0.4, 0.1], [0.3, 0.2]])


def draw_settings(rng, count, probabilities=UNIFORM):
    drawn = rng.choice(probabilities.size, count, p=probabilities.ravel())
    return np.array(np.unravel_index(drawn, probabilities.shape)).T


def random_trials(settings, rng, probabilities=UNIFORM, **options):
    scenario = BellScenario(probabilities.shape, (2,) * probabilities.ndim)
    return BellTrials(settings, rng.integers(2, size=settings.shape), scenario, "random", probabilities, **options)


def refusal(data, predictability=0.0):
    found = settings_test(data, predictability)
    with pytest.raises(CountsError) as caught:
        require_declared_settings(found)
    assert found.contradiction in str(caught.value)
    return str(caught.value), found


# Declarations that the settings contradict


def test_trials_of_a_local_device_in_block_order_are_refused():
    # All trials of setting (0, 0) first, then (0, 1) and so on; a local strategy with noise, S = 1.94.
    rng = np.random.default_rng(1)
    settings = np.repeat([[0, 0], [0, 1], [1, 0], [1, 1]], 500, axis=0)
    outcomes = np.stack([np.zeros(2000, dtype=int), rng.random(2000) < 0.015], axis=1).astype(int)
    message, found = refusal(BellTrials(settings, outcomes, design="random"))
    assert found.log10_p_value < -100
    assert "design='blocks'" in message
    # Where the order is declared as it was, there is nothing to refuse.
    blocks = settings_test(BellTrials(settings, outcomes, design="blocks"))
    assert (blocks.log10_p_value, blocks.contradiction, blocks.explaining_predictability) == (0, "", 0)
    require_declared_settings(blocks)


def test_counts_whose_settings_came_too_rarely_are_refused():
    table = np.array([[450, 5, 5, 450]] * 3 + [[30, 0, 0, 30]]).reshape(2, 2, 2, 2)
    message, found = refusal(BellCounts(table, "random", UNIFORM))
    assert "settings (1, 1) came 60 times of 2790; declared 0.25" in message
    assert found.log10_order_p is None
    assert found.log10_p_value == pytest.approx(
        binom.logcdf(60, 2790, 0.25) / math.log(10) + math.log10(2 * 2 * 8), abs=1e-6
    )
    assert found.verify()
    # A predictability as large as the one named explains it.
    value = found.explaining_predictability
    data = BellCounts(table, "random", UNIFORM)
    assert settings_test(data, value).p_value >= 0.01
    assert settings_test(data, 0.95 * value).p_value < 0.01
    require_declared_settings(settings_test(data, value))


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda rng: np.repeat(draw_settings(rng, 500), 2, axis=0), "settings repeat themselves in the next trial"),
        (lambda rng: np.tile(draw_settings(rng, 300), (2, 1)), "the settings repeat themselves after 300 trials"),
        (lambda rng: np.array([[t % 2, 0] for t in range(300)]) | draw_settings(rng, 300) * [0, 1], "party 0"),
        (
            lambda rng: (rng.random((2000, 2)) < [[0.5, 0.5 + 0.3 * np.sign(t % 1000 - 499.5)] for t in range(2000)]),
            "stretches of 256 trials",
        ),
        (lambda rng: draw_settings(rng, 1500, np.array([[0.3, 0.2], [0.2, 0.3]]) + 0.05 * np.array([[1, -1], [-1, 1]])),
         "settings"),
        (lambda rng: draw_settings(rng, 1500, np.array([[0.3, 0.3], [0.2, 0.2]])), "of party 0 came"),
    ],
    ids=["each twice", "a list again", "in turn", "in stretches", "correlated", "one party"],
)  # fmt: skip
def test_what_contradicts_is_named(make, words):
    rng = np.random.default_rng(3)
    message, found = refusal(random_trials(np.asarray(make(rng), dtype=int), rng))
    assert words in message
    assert 0 < found.explaining_predictability < 0.5
    assert found.verify()


@pytest.mark.parametrize("num_parties", [2, 3])
def test_settings_that_follow_an_outcome_are_refused(num_parties):
    rng = np.random.default_rng(4)
    settings, outcomes = rng.integers(2, size=(2, 800, num_parties))
    follow = rng.random(799) < 0.4
    settings[1:, 1] = np.where(follow, outcomes[:-1, 0], settings[1:, 1])
    message, found = refusal(BellTrials(settings, outcomes, design="random"))
    assert "the setting of party 1 follows the previous outcome of party 0" in message
    # The outcome is followed with probability 0.7 instead of 0.5.
    assert 0.1 < found.explaining_predictability < 0.25
    require_declared_settings(settings_test(BellTrials(settings, outcomes, design="random"), 0.25))


def test_deviations_that_are_spread_over_many_combinations_are_refused():
    rng = np.random.default_rng(5)
    declared = np.full((8, 8), 1 / 64)
    true = declared * (1 + 0.25 * rng.choice([-1, 1], size=(8, 8)))
    shots = rng.multinomial(8000, (true / true.sum()).ravel()).reshape(8, 8)
    counts = BellCounts(np.stack([shots // 2, shots - shots // 2], axis=-1).reshape(8, 8, 2, 1).repeat(2, axis=3) // 2,
                        "random", declared)  # fmt: skip
    message, found = refusal(counts)
    assert "the setting combinations together do not come as often as declared" in message
    assert found.verify()


def test_weak_contradictions_are_told_not_refused():
    rng = np.random.default_rng(0)
    trials = random_trials(draw_settings(rng, 3000, np.array([[0.28, 0.26], [0.23, 0.23]])), rng)
    found = settings_test(trials)
    assert REFUSAL_LEVEL < found.p_value < 0.01
    require_declared_settings(found)
    assert 0 < found.explaining_predictability < 0.04
    assert "explained by a predictability" in str(found)


# Settings as declared


@pytest.mark.parametrize(("count", "probabilities"), [(30, UNIFORM), (250, CORRELATED)], ids=["uniform", "correlated"])
def test_p_values_are_valid(probabilities, count):
    rng = np.random.default_rng(count)
    runs, found = 300, []
    for _ in range(runs):
        trials = random_trials(draw_settings(rng, count, probabilities), rng, probabilities)
        numbers = log10_numbers_p(trials.table.sum(axis=(2, 3)), probabilities, 0.0)[0]
        found.append((settings_test(trials).log10_p_value, numbers))
    for p in 10 ** np.array(found).T:
        for level in (0.3, 0.1, 0.01):
            assert np.mean(p <= level) <= level + 3 * math.sqrt(level * (1 - level) / runs)


@pytest.mark.parametrize("probabilities", [UNIFORM, CORRELATED], ids=["uniform", "correlated"])
def test_predictability_covers_settings_that_are_as_predictable(probabilities):
    # Each party's setting leans toward the previous outcome of party 0, given the settings before, as far as allowed.
    value, runs, count = 0.08, 100, 1000
    first = probabilities.sum(axis=1)[1]
    second = probabilities[:, 1] / probabilities.sum(axis=1)
    plain, found = [], []
    for seed in range(runs):
        rng = np.random.default_rng(seed)
        outcomes = rng.integers(2, size=(count, 2))
        lean = np.concatenate([[0], 2 * outcomes[:-1, 0] - 1]) * value
        x = (rng.random(count) < first + lean).astype(int)
        y = (rng.random(count) < second[x] + lean).astype(int)
        trials = BellTrials(np.stack([x, y], axis=1), outcomes, CHSH, "random", probabilities)
        found.append(settings_test(trials, value).p_value)
        plain.append(settings_test(trials).p_value if seed < 10 else 1.0)
    assert np.sum(np.array(plain) <= 0.01) > 5
    for level in (0.3, 0.05):
        assert np.mean(np.array(found) <= level) <= level + 3 * math.sqrt(level * (1 - level) / runs)


def adversaries(predictability):
    yield lambda past, outcomes, x: (predictability, -predictability)
    yield lambda past, outcomes, x: tuple(predictability * (1 - 2 * j) for j in (past[-1] if past else (0, 1)))
    yield lambda past, outcomes, x: tuple(predictability * (1 - 2 * j) for j in (outcomes[-1] if outcomes else (1, x)))


@pytest.mark.parametrize("probabilities", [UNIFORM, CORRELATED], ids=["uniform", "correlated"])
@pytest.mark.parametrize("predictability", [0.0, 0.06])
def test_mean_of_the_order_is_at_most_one_over_all_orders(probabilities, predictability):
    first, second = probabilities.sum(axis=1), probabilities / probabilities.sum(axis=1, keepdims=True)
    means = np.zeros(3)
    for order in itertools.product(itertools.product(range(2), repeat=2), repeat=3):
        outcomes = []
        chances = np.ones(3)
        for t, (x, y) in enumerate(order):
            for i, adversary in enumerate(adversaries(predictability)):
                shifts = adversary(list(order[:t]), outcomes, x)
                chances[i] *= first[x] + (1 - 2 * x) * shifts[0]
                chances[i] *= second[x, y] + (1 - 2 * y) * shifts[1]
            outcomes.append((x * y, (x + t) % 2))
        trials = BellTrials(np.array(order), np.array(outcomes), CHSH, "random", probabilities)
        means += chances * math.exp(SettingOrder(trials).log_e(predictability)[0])
    # Not much less than 1 either, without predictability: no weight is wasted but on what three trials cannot show.
    assert np.all(means <= 1 + 1e-9)
    if predictability == 0:
        assert np.all(means > 0.8)


@pytest.mark.parametrize("predictability", [0.0, 0.03, 0.4, 1.0])
@pytest.mark.parametrize("declared", [[0.5, 0.5], [0.1, 0.9], [0.2, 0.3, 0.5], [0.01, 0.04, 0.05, 0.9]])
def test_no_allowed_probability_gives_a_factor_a_larger_mean(declared, predictability):
    declared = np.array(declared)
    factors = np.exp(log_ratios(declared, predictability))
    rng = np.random.default_rng(1)
    lower, upper = np.maximum(declared - predictability, 0), np.minimum(declared + predictability, 1)
    for _ in range(300):
        # Corners: settings in a random order take all that is allowed.
        p, free = lower.copy(), 1 - lower.sum()
        for j in rng.permutation(len(p)):
            step = min(free, upper[j] - lower[j])
            p[j], free = p[j] + step, free - step
        assert np.all(p @ factors <= 1 + 1e-12)
    # The same bound is reached somewhere, so nothing is given away.
    assert factors.max() > 1 or predictability > 0


def test_predictability_makes_every_contradiction_weaker():
    rng = np.random.default_rng(2)
    settings = draw_settings(rng, 600)
    settings[1:][rng.random(599) < 0.3] = settings[:-1][rng.random(599) < 0.3][0]
    trials = random_trials(settings, rng)
    p = [settings_test(trials, value).log10_p_value for value in (0, 0.01, 0.03, 0.1, 0.3, 1.0)]
    assert np.all(np.diff(p) >= 0)
    assert p[0] < -3
    assert p[-1] == 0


def test_published_random_settings_pass():
    found = settings_test(load_bundled_counts("delft_2015").counts)
    assert found.p_value > 0.05
    assert found.contradiction == ""
    assert found.verify()


@pytest.mark.parametrize("grid", [(1, 1), (1, 2), (3,), (5, 4), (2, 2, 3)])
def test_other_scenarios(grid):
    rng = np.random.default_rng(6)
    p = rng.dirichlet(np.full(math.prod(grid), 5.0)).reshape(grid)
    trials = random_trials(draw_settings(rng, 500, p), rng, p)
    for predictability in (0.0, 0.01):
        found = settings_test(trials, predictability)
        assert found.p_value > 1e-3
        assert found.verify()
    assert settings_test(random_trials(draw_settings(rng, 1, p), rng, p)).p_value > 0.01


# Pieces


@pytest.mark.parametrize(("number", "total", "p"), [(30, 100, 0.2), (1, 5, 0.1), (5, 5, 0.3), (2000, 10_000, 0.19)])
def test_tails_are_binomial(number, total, p):
    assert _log_tail(number, total, p) == pytest.approx(binom.logsf(number - 1, total, p), rel=1e-9)
    assert _log_tail(int(total * p), total, p) == 0


def test_tails_below_the_smallest_float():
    import mpmath

    with mpmath.workdps(50):
        for number, total, p in [(910, 1000, 0.25), (10**6, 3 * 10**6, 0.25), (50_000, 50_000, 0.1)]:
            mass = mpmath.binomial(total, number) * mpmath.mpf(p) ** number * (1 - mpmath.mpf(p)) ** (total - number)
            ratio = mpmath.mpf(total - number) / (number + 1) * p / (1 - p)
            # Between its first term and a geometric series.
            found = _log_tail(number, total, p)
            assert mpmath.log(mass) - 1e-7 <= found <= mpmath.log(mass / (1 - ratio)) + 1e-7


def test_limits_of_a_party():
    lower, upper = marginal_limits(CORRELATED, 0.0, 1)
    np.testing.assert_allclose(lower, [0.7, 0.3])
    np.testing.assert_allclose(upper, [0.7, 0.3])
    lower, upper = marginal_limits(UNIFORM, 0.1, 1)
    np.testing.assert_allclose(lower, [0.4, 0.4])
    np.testing.assert_allclose(upper, [0.6, 0.6])
    # Party 1 has setting 0 with probability 4/5 or 3/5, by the setting of party 0, which is 1/2 give or take.
    lower, upper = marginal_limits(CORRELATED, 0.1, 1)
    assert upper[0] == pytest.approx(0.6 * 0.9 + 0.6 * 0.7 - 0.0, abs=0.2)
    assert 0.9 >= upper[0] >= 0.6 * 0.9 + 0.4 * 0.7
    assert lower[0] <= 0.4 * 0.7 + 0.6 * 0.5


def test_standing_predictability():
    assert standing_predictability(lambda value: -5 + 100 * value, -2) == pytest.approx(0.03, abs=2e-4)
    assert standing_predictability(lambda value: -5 + 100 * value, -2) <= 0.03
    assert standing_predictability(lambda value: -1, -2) == 0

    def refuses(value):
        if value > 0.1:
            raise CountsError("too predictable")
        return -5.0

    assert 0.095 < standing_predictability(refuses, -2) <= 0.1
    # From the declared one on, which it is if the result does not stand even there.
    assert standing_predictability(lambda value: -5 + 100 * value, -2, 0.02) == pytest.approx(0.03, abs=2e-4)
    assert standing_predictability(lambda value: -5 + 100 * value, -2, 0.04) == 0.04


def test_the_predictability_that_explains_is_verified():
    array = np.zeros((2, 2, 2, 2), dtype=int)
    array[..., 0, 0] = [[280, 280], [280, 200]]
    counts = BellCounts(array, "random", UNIFORM)
    test = settings_test(counts)
    assert test.suspicious
    assert 0 < test.explaining_predictability < 0.1
    assert test.verify()
    for value in (0.0, 0.5 * test.explaining_predictability, -0.1, 2.0, float("nan")):
        assert not dataclasses.replace(test, explaining_predictability=value).verify()
    fine = settings_test(BellCounts(np.full((2, 2, 2, 2), 50), "random", UNIFORM))
    assert fine.verify()
    assert not dataclasses.replace(fine, explaining_predictability=0.01).verify()


def test_standing_tests_hold_what_they_say():
    cell = [[85, 15], [15, 85]]
    counts = BellCounts(np.array([[cell, cell], [cell, cell[::-1]]]), "random", UNIFORM)
    found = standing_test(lambda value: game_test(counts, chsh(), predictability=value), 0.0, -2.0)
    assert found.predictability > 0
    assert found.result.log10_p_value <= -2.0
    assert found.verify()
    assert "predictability" in str(found)
    assert not dataclasses.replace(found, predictability=0.2).verify()
    assert standing_test(lambda value: game_test(counts, chsh(), predictability=value), 0.0, -200.0) is None


def test_bad_arguments():
    counts = load_bundled_counts("delft_2015").counts
    for value in (-0.1, 1.1, "much"):
        with pytest.raises(CountsError, match="predictability"):
            settings_test(counts, value)
    with pytest.raises(CountsError, match="predictability"):
        settings_test(BellCounts(counts.array), 0.1)
    with pytest.raises(CountsError, match="fewer than 1000000000 shots in all"):
        settings_test(BellCounts(counts.array * 10**8, "random", UNIFORM))


def test_edited_tests_do_not_verify(tmp_path):
    rng = np.random.default_rng(7)
    found = settings_test(random_trials(draw_settings(rng, 900, np.array([[0.3, 0.25], [0.2, 0.25]])), rng))
    assert found.verify()
    assert not dataclasses.replace(found, log10_p_value=found.log10_p_value / 2).verify()
    assert not dataclasses.replace(found, setting_numbers=found.setting_numbers[::-1] * 2).verify()
    assert not dataclasses.replace(found, setting_probabilities=None).verify()
    blocks = settings_test(BellCounts(np.ones((2, 2, 2, 2))))
    assert blocks.verify()
    assert not dataclasses.replace(blocks, log10_p_value=-7.0).verify()
    found.save(tmp_path / "settings.json")
    assert SettingsTest.load(tmp_path / "settings.json") == found
