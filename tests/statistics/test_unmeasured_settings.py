"""Tests, fits and estimates from counts in which some setting combinations were not measured."""

import math

import numpy as np
import pytest
from qiskit_lhv import Behavior, BellCounts, BellExpression, BellTrials, chsh, ghz_state
from qiskit_lhv.exceptions import CountsError
from qiskit_lhv.models.deterministic import enumerate_strategies, strategy_tables
from qiskit_lhv.polytope import chained, mermin
from qiskit_lhv.statistics import (
    bell_values,
    compare_models,
    drift_test,
    estimate_threshold,
    evidence_rate,
    fit_local_model,
    game_test,
    local_region,
    local_weight_interval,
    no_signaling_test,
    ratio_e_value,
    ratio_e_values,
    settings_test,
    signaling_allowance,
)
from qiskit_lhv.statistics.evidence.combined_e_values import averaged_e_values
from qiskit_lhv.statistics.signaling.comparable_marginals import comparable_marginals
from qiskit_lhv.statistics.signaling.swapped_bits import swapped_bits_hint

GHZ = Behavior.from_state(ghz_state(3), "mermin")
# The combinations of Mermin's expression: an even number of second settings.
FOUR = np.indices((2, 2, 2)).sum(axis=0) % 2 == 0
# The six combinations of the chained inequality with three settings.
SIX = np.abs(chained(3).coefficients).sum(axis=(2, 3)) > 0


def some_of(behavior, measured, shots, seed):
    """Counts of the measured combinations alone."""
    drawn = behavior.sample(shots, seed).array
    return BellCounts(drawn * measured.reshape(measured.shape + (1,) * measured.ndim))


def facet_model(expression):
    """A local behavior with the largest value of an expression, many ways mixed."""
    tables = strategy_tables(enumerate_strategies(expression.scenario), expression.scenario)
    values = tables @ expression.coefficients.ravel()
    return Behavior(tables[values >= values.max() - 1e-9].mean(axis=0).reshape(expression.scenario.shape))


def test_mermins_four_settings_of_eight():
    counts = some_of(GHZ, FOUR, 1000, 1)
    game = game_test(counts, mermin(3))
    assert game.binomial
    assert (game.score, game.score_bound) == (4000, 0.75)
    assert game.log10_p_value == pytest.approx(4000 * math.log10(0.75), abs=1e-9)
    assert game.inequality.bound.value == 2
    assert game.verify()
    assert bell_values(counts, mermin(3)).values[0] == 4
    e_value = ratio_e_value(counts, seed=1)
    # Nearly all of what a test can gain, log(4 / 3) a shot.
    assert 0.9 * 4000 * math.log(4 / 3) < e_value.log_e < 4000 * math.log(4 / 3)
    assert e_value.verify()
    fit = fit_local_model(counts)
    assert fit.divergence == pytest.approx(math.log(4 / 3), abs=1e-8)
    assert fit.verify()


def test_a_coefficient_without_shots_is_refused():
    counts = some_of(GHZ, FOUR, 100, 1)
    whole = BellExpression.from_correlators(np.ones((2, 2, 2)), marginals=False)
    for call in (game_test, bell_values):
        with pytest.raises(CountsError, match=r"expressions?: .*coefficients of 0 .*not measured"):
            call(counts, whole)


def test_fits_count_what_was_measured_alone():
    counts = some_of(GHZ, FOUR, 200, 2)
    assert counts.num_no_signaling_parameters == 22
    comparison = compare_models(counts, num_replicates=30, seed=1)
    assert comparison.num_parameters == {"local": 22, "no-signaling": 22, "unrestricted": 28}
    assert comparison.total.deviance == pytest.approx(2 * 800 * math.log(4 / 3), rel=1e-3)
    assert comparison.signaling.asymptotic_p_value > 0.01
    # Three of the four settings of CHSH always have a local model, whatever no-signaling says there.
    three = np.array([[True, True], [True, False]])
    counts = some_of(Behavior.from_state(ghz_state(2), "chsh"), three, 500, 3)
    comparison = compare_models(counts, num_replicates=30, seed=1)
    assert comparison.nonlocality.deviance == pytest.approx(0, abs=1e-3)
    assert comparison.num_parameters["unrestricted"] == 9


def test_what_no_setting_shares_is_compared_where_it_can_be():
    counts = some_of(GHZ, FOUR, 100, 1)
    test = no_signaling_test(counts, seed=1)
    # Of each party, each of its two settings was measured with two choices of the others.
    assert len(test.comparisons) == test.degrees_of_freedom == 6
    assert {one.sender for one in test.comparisons} == {None}
    assert [one.settings for one in test.comparisons][:2] == [(None, None, 0), (None, None, 1)]
    signaling = counts.array.copy()
    signaling[0, 0, 0] = 0
    signaling[0, 0, 0, 0, 0, 0] = 100
    assert no_signaling_test(BellCounts(signaling), seed=1).p_value < 1e-6
    apart = BellCounts.from_counts({(0, 0): {"00": 9, "11": 7}, (1, 1): {"10": 3, "01": 8}})
    test = no_signaling_test(apart, seed=1)
    assert not test.compares_anything
    assert test.p_value == 1
    assert "could not be tested" in str(test)


def test_comparisons_use_each_shot_once_and_as_many_parties_as_possible():
    measured = np.zeros((2, 2, 2), dtype=bool)
    for place in ((0, 0, 0), (0, 0, 1), (0, 1, 0), (1, 1, 1)):
        measured[place] = True
    counts = some_of(GHZ, measured, 50, 1)
    groups = {(group.sender, group.settings): group.tables for group in comparable_marginals(counts)}
    # Parties 0 and 1 agree on (0, 0) whatever party 2 does; parties 0 and 2 on (0, 0) whatever party 1 does.
    assert (2, ((0, 0, None),)) in groups
    assert (1, ((0, None, 0),)) in groups
    # Party 0 with setting 0 is part of both, so that nothing is left to compare; party 1 with setting 1 is.
    single = {key: table for key, table in groups.items() if key[0] is None}
    assert set(single) == {(None, ((None, None, 1),)), (None, ((None, 1, None),))}
    for table in single.values():
        assert table.sum(axis=2).tolist() == [[50, 50]]


def test_signaling_tests_of_some_settings_keep_their_level():
    model = facet_model(mermin(3))
    found = np.array([no_signaling_test(some_of(model, FOUR, 60, s), seed=s).p_value for s in range(150)])
    for alpha in (0.2, 0.05):
        assert np.mean(found <= alpha) <= alpha + 3 * math.sqrt(alpha * (1 - alpha) / 150)


@pytest.mark.parametrize(("expression", "measured"), [(mermin(3), FOUR), (chained(3), SIX)])
def test_p_values_of_some_settings_are_valid_at_the_facet(expression, measured):
    model = facet_model(expression)
    runs = [some_of(model, measured, 25, s) for s in range(150)]
    games = np.array([game_test(run, expression).p_value for run in runs])
    e_values = np.array([e_value.p_value for e_value in ratio_e_values(runs, seed=1)])
    for alpha in (0.2, 0.05):
        limit = alpha + 3 * math.sqrt(alpha * (1 - alpha) / 150)
        assert np.mean(games <= alpha) <= limit
        assert np.mean(e_values <= alpha) <= limit


def test_the_mean_of_an_e_value_over_strategies_is_that_of_the_measured_settings():
    counts = some_of(GHZ, FOUR, 30, 1)
    e_value = ratio_e_value(counts, seed=1)
    tables = strategy_tables(enumerate_strategies(counts.scenario), counts.scenario)
    assert not e_value.setting_weights[:, ~FOUR].any()
    for factors, weights, bound in zip(e_value.factors, e_value.setting_weights, e_value.mean_bounds, strict=True):
        means = tables @ (weights.reshape(2, 2, 2, 1, 1, 1) * factors).ravel()
        assert means.max() <= bound <= means.max() * (1 + 1e-9)
    assert not e_value.inequality.expression.coefficients[~FOUR].any()


def trials_of(behavior, probabilities, count, seed):
    rng = np.random.default_rng(seed)
    grid = probabilities.shape
    settings = np.array(np.unravel_index(rng.choice(probabilities.size, count, p=probabilities.ravel()), grid)).T
    cells = behavior.array[tuple(settings.T)].reshape(count, -1)
    drawn = (rng.random(count)[:, None] > cells.cumsum(axis=1)).sum(axis=1)
    outcomes = np.array(np.unravel_index(drawn, behavior.scenario.max_outcomes)).T
    return BellTrials(settings, outcomes, behavior.scenario, "random", probabilities)


def test_settings_drawn_with_probability_zero():
    trials = trials_of(GHZ, np.where(FOUR, 0.25, 0.0), 600, 1)
    for data in (trials, trials.to_counts()):
        settings = settings_test(data)
        assert settings.p_value > 0.01
        assert settings.verify()
        game = game_test(data, mermin(3))
        assert game.score == 600
        assert game.log10_p_value == pytest.approx(600 * math.log10(0.75), abs=1e-9)
        assert game.verify()
        e_value = ratio_e_value(data, seed=1)
        assert e_value.log_e > 100
        assert e_value.verify()
    assert drift_test(trials, seed=1).p_value > 0.01


def test_settings_that_are_never_drawn_and_partly_predictable_ones():
    trials = trials_of(GHZ, np.where(FOUR, 0.25, 0.0), 600, 2)
    # The last party's setting follows from the others', so nothing bounds how far it may be from zero.
    game = game_test(trials, mermin(3), predictability=0.02)
    assert 0.75 < game.score_bound < 1
    assert game.verify()
    plain, careful = (ratio_e_value(trials, predictability=tau, seed=1) for tau in (0.0, 0.02))
    assert 0 < careful.log_e < plain.log_e
    assert careful.verify()
    settings = settings_test(trials, 0.02)
    assert settings.p_value > 0.01
    assert settings.verify()
    with pytest.raises(CountsError, match=r"predictability: .* while settings .* have probability 0.25"):
        game_test(trials, mermin(3), predictability=0.6)


def test_settings_that_come_otherwise_than_declared_are_still_seen():
    rng = np.random.default_rng(1)
    rows = np.array([(0, 0), (0, 1), (1, 1)])[rng.choice(3, 900, p=[0.2, 0.4, 0.4])]
    third = 1 / 3
    trials = BellTrials(rows, np.zeros_like(rows), None, "random", [[third, third], [0, third]])
    for data in (trials, trials.to_counts()):
        test = settings_test(data)
        assert test.p_value < 1e-6
        assert test.verify()


def test_drift_ignores_what_was_not_measured():
    runs = [some_of(GHZ, FOUR, 40, s) for s in range(3)]
    reduced = [BellCounts(run.array[FOUR]) for run in runs]
    found, same = drift_test(runs, seed=1), drift_test([BellCounts(run.array.reshape(4, 8)) for run in reduced], seed=1)
    assert (found.deviance, found.p_value) == (same.deviance, same.p_value)


def test_what_needs_every_setting_says_so():
    counts = some_of(GHZ, FOUR, 100, 1)
    calls = (
        lambda: estimate_threshold(counts),
        lambda: local_weight_interval(counts),
        lambda: evidence_rate(counts),
        lambda: signaling_allowance(counts),
        lambda: local_region(counts, Behavior.white_noise(counts.scenario)),
    )
    for call in calls:
        with pytest.raises(CountsError, match=r"counts: expected shots for every setting combination"):
            call()
    assert swapped_bits_hint(counts) is None


def test_averaged_orders_and_chsh_without_one_setting():
    three = some_of(Behavior.from_state(ghz_state(2), "chsh"), np.array([[True, True], [True, False]]), 300, 1)
    (average,) = averaged_e_values([three], seed=1)
    assert average.p_value == 1
    assert average.verify()
    with pytest.raises(CountsError, match=r"not measured, got others for settings \(1, 1\)"):
        game_test(three, chsh())
