from dataclasses import replace

import numpy as np
import pytest
from qiskit_lhv import (
    Behavior,
    BellCounts,
    BellExpression,
    BellScenario,
    BellTrials,
    Verdict,
    analyze,
    chsh,
    ghz_state,
    nonlocality_threshold,
    ratio_e_value,
)
from qiskit_lhv.exceptions import CountsError
from qiskit_lhv.models.deterministic import DeterministicModel
from qiskit_lhv.statistics import (
    EValue,
    GameTest,
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
    optimal_shares,
    ratio_e_values,
    signaling_allowance,
)
from qiskit_lhv.statistics.evidence.games import declared_game
from qiskit_lhv.statistics.fits.conditional_fits import ConditionalProblem
from qiskit_lhv.statistics.intervals.confidence_regions import _outcome_radius, marginal_intervals
from qiskit_lhv.statistics.signaling.amounts import hidden_signaling, visible_signaling
from qiskit_lhv.targets.coordinates import apply_per_party, to_party_axes

from helpers import random_local, random_no_signaling

SCENARIOS = [
    BellScenario((2, 2), [[2, 3], [2, 2]]),
    BellScenario((2, 2), [[2, 1], [3, 2]]),
    BellScenario((3, 2), [[2, 3, 1], [2, 3]]),
    BellScenario((2, 2, 2), [[2, 1], [2, 2], [3, 2]]),
]


def lifted_bell_state(visibility=0.95):
    state = Behavior.from_state(ghz_state(2), "chsh").mix(visibility=visibility)
    # The outcome that is split comes as either of the two, by chance.
    table = state.lift_outcomes({(0, 1): [0, 1, 1]})
    array = table.array.copy()
    array[1, :, 2] = array[1, :, 1] = array[1, :, 1] / 2
    return Behavior(array, table.scenario)


@pytest.mark.parametrize("scenario", SCENARIOS, ids=str)
def test_fits_are_those_of_outcomes_that_never_happen(scenario):
    counts = random_no_signaling(scenario, 1).mix(visibility=0.8).sample(500, seed=1)
    fit, embedded = fit_local_model(counts), fit_local_model(BellCounts(counts.array))
    assert abs(fit.divergence - embedded.divergence) < 1e-8
    assert fit.verify()
    assert not fit.model.behavior().array[~scenario.mask].any()
    problem = ConditionalProblem.of(scenario)
    cells = (counts.array / counts.total_shots).ravel()
    weights, strategies = problem.strategies_of(problem.fit(cells, 1e-10)[0])
    model = DeterministicModel(weights, strategies, scenario)
    assert np.abs(model.behavior().array - fit.model.behavior().array).max() < 1e-3


@pytest.mark.parametrize("scenario", SCENARIOS, ids=str)
@pytest.mark.parametrize("null", ["local", "no-signaling"])
def test_e_values_are_proven(scenario, null, tmp_path):
    counts = random_no_signaling(scenario, 2).mix(visibility=0.8).sample(300, seed=2)
    found = ratio_e_value(counts, null=null, seed=3)
    assert found.scenario == scenario
    assert found.verify()
    assert not found.tested[:, ~scenario.mask].any()
    # What stands in padding repeats the last outcome's factor, and decides nothing.
    assert np.array_equal(found.factors, np.stack([scenario.filled(one) for one in found.factors]))
    assert found.inequality.expression.scenario == scenario
    found.save(tmp_path / "e.npz")
    assert EValue.load(tmp_path / "e.npz") == found
    assert replace(found, mean_bounds=found.mean_bounds * 0.99, log_e=found.log_e).verify().refuted
    tested = found.tested.copy()
    tested[(0, *np.argwhere(~scenario.mask)[0])] += 1
    assert replace(found, tested=tested).verify().refuted


def test_evidence_is_that_of_the_coarse_grained_counts_or_nearly():
    counts = lifted_bell_state().sample(2000, seed=1)
    coarse = counts.coarse_grain({(0, 1): [0, 1, 1]})
    assert coarse.scenario.is_chsh
    fine = ratio_e_value(counts, seed=1).log10_p_value
    assert fine < 0.9 * ratio_e_value(coarse, seed=1).log10_p_value < -60
    # An outcome that can never come costs more to learn.
    assert fine <= ratio_e_value(BellCounts(counts.array), seed=1).log10_p_value


@pytest.mark.parametrize("scenario", SCENARIOS[:3], ids=str)
def test_local_models_give_no_evidence(scenario):
    behavior = random_local(scenario, 3, 0.3)
    data = [behavior.sample(200, seed=i) for i in range(60)]
    logs = [one.log_e for one in ratio_e_values(data, seed=1)]
    assert np.mean(np.exp(logs)) < 2
    assert max(logs) < np.log(60 / 0.01)


def test_random_settings_and_trials():
    scenario = SCENARIOS[1]
    rng = np.random.default_rng(5)
    settings = rng.integers(2, size=(4000, 2))
    cells = random_local(scenario, 5, 0.3).array.reshape(2, 2, -1)
    drawn = [rng.choice(cells.shape[-1], p=cells[tuple(x)] / cells[tuple(x)].sum()) for x in settings]
    outcomes = np.array(np.unravel_index(drawn, scenario.max_outcomes)).T
    trials = BellTrials(settings, outcomes, scenario, design="random")
    for data in (trials, trials.to_counts()):
        for predictability in (0.0, 0.01):
            found = ratio_e_value(data, predictability=predictability, seed=1)
            assert found.verify()
            assert found.log_e < 5
        assert analyze(data, seed=1).verify()


@pytest.mark.parametrize("scenario", SCENARIOS, ids=str)
def test_no_signaling_counts_what_is_real(scenario):
    counts = random_no_signaling(scenario, 4).mix(visibility=0.8).sample(2000, seed=4)
    test, embedded = no_signaling_test(counts, seed=1), no_signaling_test(BellCounts(counts.array), seed=1)
    freedom = scenario.num_cells - scenario.num_setting_combinations - scenario.num_no_signaling_parameters
    assert test.degrees_of_freedom == freedom < embedded.degrees_of_freedom
    assert test.comparison_p_value == embedded.comparison_p_value
    assert test.size_interval[1] <= embedded.size_interval[1]
    # Its asymptotic distribution serves, where in the embedded scenario there are empty cells.
    assert test.likelihood_ratio_p_value is not None
    assert embedded.likelihood_ratio_p_value is None


def test_p_values_of_no_signaling_are_uniform():
    scenario = SCENARIOS[1]
    behavior = random_no_signaling(scenario, 5).mix(visibility=0.8)
    tests = [no_signaling_test(behavior.sample(1000, seed=i), seed=i) for i in range(200)]
    ratios = np.array([one.likelihood_ratio_p_value for one in tests if one.likelihood_ratio_p_value is not None])
    assert len(ratios) > 100
    assert 0.4 < (ratios < 0.5).mean() < 0.6
    assert (ratios < 0.05).mean() < 0.1
    assert np.mean([one.p_value < 0.05 for one in tests]) < 0.1


@pytest.mark.parametrize("scenario", SCENARIOS, ids=str)
def test_regions_inside_the_local_set(scenario):
    behavior = random_local(scenario, 6, 0.3).mix(visibility=0.3)
    counts = behavior.sample(2_000_000, seed=7)
    region = local_region(counts, fit_local_model(counts).model.behavior())
    assert region.inside
    assert region.verify()
    report = analyze(counts, seed=1)
    assert report.verdict is Verdict.LOCAL
    assert report.verify()
    # Anything in the region is local.
    rng = np.random.default_rng(6)
    for _ in range(5):
        other = random_no_signaling(scenario, int(rng.integers(1000))).mix(visibility=0.8)
        moved = behavior.mix(other, 0.9999)
        assert nonlocality_threshold(moved).lower >= 1 - 1e-9


def test_deviations_up_to_the_radius_stay_local():
    scenario = BellScenario((2, 2), [[2, 3], [1, 2]])
    maps = [
        np.vstack([np.full((1, m * d), 1 / m), np.eye(m * d)])
        for m, d in zip(scenario.num_settings, scenario.max_outcomes, strict=True)
    ]
    decided = 0
    for seed in range(40):
        center = random_local(scenario, seed, 0.3).mix(visibility=0.3)
        moved = center.mix(random_no_signaling(scenario, seed).mix(visibility=0.8), 0.95 - 0.01 * (seed % 10))
        exact = apply_per_party(to_party_axes(moved.array, scenario), maps)
        radius = _outcome_radius(exact, exact, center)
        if nonlocality_threshold(center, max_visibility=20).lower * (1 - radius) >= 1:
            assert nonlocality_threshold(moved).lower >= 1 - 1e-9
            decided += 1
        # The part of white noise that is added makes up for the deviation.
        absorbed = moved.array - center.array + radius * Behavior.white_noise(scenario).array
        part = Behavior(absorbed / radius, scenario)
        assert nonlocality_threshold(part).lower >= 1 - 1e-7
    assert decided


def test_intervals_are_corrected_for_what_is_real():
    scenario = SCENARIOS[1]
    counts = random_no_signaling(scenario, 7).mix(visibility=0.8).sample(100, seed=7)
    lower, upper = marginal_intervals(counts, 0.01)
    wide = marginal_intervals(BellCounts(counts.array), 0.01)
    assert lower.shape == (2 * 2 + 1, 2 * 3 + 1)
    assert np.all(upper - lower <= wide[1] - wide[0])
    assert upper[4].max() == 0
    assert upper[0, 6] == 0
    weight = local_weight_interval(counts, alpha=0.05)
    assert weight.verify()
    assert not weight.upper_limits[~scenario.mask].any()


@pytest.mark.parametrize("scenario", SCENARIOS, ids=str)
def test_signaling_allowances(scenario):
    counts = random_no_signaling(scenario, 8).mix(visibility=0.8).sample(1000, seed=8)
    found = signaling_allowance(counts, seed=1)
    assert found.verify()
    frequencies = counts.frequencies().array
    embedded = BellScenario.from_shape(scenario.shape)
    amount, prices = hidden_signaling(frequencies, scenario)
    assert abs(amount - hidden_signaling(frequencies, embedded)[0]) < 1e-7
    assert not prices[~scenario.mask].any()
    assert visible_signaling(frequencies) >= 0


def test_a_violation_stands_against_signaling():
    counts = lifted_bell_state().sample(5000, seed=2)
    found = signaling_allowance(counts, seed=1)
    assert found.verify()
    assert found.largest_kappa > 1
    report = analyze(counts, seed=1)
    assert report.verdict is Verdict.NONLOCAL
    assert report.verify()
    assert str(report)
    assert analyze(BellCounts(counts.array), seed=1).verdict is Verdict.NONLOCAL


@pytest.mark.parametrize("seed", range(6))
def test_verdicts_are_those_of_outcomes_that_never_happen(seed):
    scenario = SCENARIOS[seed % 4]
    counts = random_local(scenario, seed, 0.3).mix(visibility=0.9).sample(1000, seed=seed)
    report, embedded = analyze(counts, seed=1), analyze(BellCounts(counts.array), seed=1)
    assert report.verdict is embedded.verdict
    assert report.verify()


@pytest.mark.parametrize("scenario", SCENARIOS, ids=str)
def test_games_do_not_play_padding(scenario):
    rng = np.random.default_rng(9)
    counts = random_no_signaling(scenario, 9).mix(visibility=0.8).sample(300, seed=9)
    proven = 0
    for _ in range(20):
        # Losing counts -1, winning 0, as padding does.
        game = BellExpression(np.where(rng.random(scenario.shape) < 0.4, -1.0, 0.0) * scenario.mask, scenario)
        other = BellExpression(rng.integers(-4, 5, size=scenario.shape) * scenario.mask, scenario)
        for expression in (game, other):
            test = declared_game(counts, expression, 0.0, False) if np.ptp(expression.coefficients) else None
            if test is None:
                continue
            assert test.verify()
            full = BellExpression(scenario.filled(expression.coefficients))
            same = game_test(BellCounts(counts.array), full)
            assert test.score == same.score
            assert abs(test.score_bound - same.score_bound) < 1e-9
            proven += 1
    assert proven > 5
    with pytest.raises(CountsError, match="expression"):
        game_test(counts, BellExpression(np.eye(2).reshape(1, 1, 2, 2)))


def test_a_game_that_is_won():
    counts = lifted_bell_state().sample(1000, seed=3)
    rule = chsh().lift_outcomes({(0, 1): [0, 1, 1]})
    test = game_test(counts, rule)
    assert isinstance(test, GameTest)
    assert test.verify()
    assert test.log10_p_value == game_test(counts.coarse_grain({(0, 1): [0, 1, 1]}), chsh()).log10_p_value < -20
    assert bell_values(counts, rule, num_replicates=50, seed=1).values[0] > 2.5
    with pytest.raises(CountsError, match="one of 2 parties"):
        game_test(BellCounts(counts.array), rule)


@pytest.mark.parametrize("scenario", SCENARIOS, ids=str)
def test_models_rates_and_thresholds(scenario):
    counts = random_no_signaling(scenario, 10).mix(visibility=0.8).sample(500, seed=10)
    comparison = compare_models(counts, num_replicates=20, seed=1)
    assert comparison.num_parameters["unrestricted"] == scenario.num_cells - scenario.num_setting_combinations
    assert comparison.num_parameters["no-signaling"] == scenario.num_no_signaling_parameters
    embedded = compare_models(BellCounts(counts.array), num_replicates=0)
    assert abs(comparison.total.deviance - embedded.total.deviance) < 1e-4
    assert evidence_rate(counts, seed=1).verify()
    assert estimate_threshold(counts, num_replicates=20, seed=1).verify()
    halves = [random_no_signaling(scenario, 10).mix(visibility=0.8).sample(300, seed=i) for i in (1, 2)]
    assert drift_test(halves, num_replicates=99, seed=1).p_value > 1e-3
    with pytest.raises(CountsError, match="one scenario"):
        drift_test([halves[0], BellCounts(halves[1].array)])


def test_shares_and_rates_of_a_lifted_behavior():
    behavior = lifted_bell_state()
    coarse = behavior.coarse_grain({(0, 1): [0, 1, 1]})
    assert abs(evidence_rate(behavior).rate - evidence_rate(coarse).rate) < 1e-8
    shares = optimal_shares(behavior)
    assert shares.verify()
    assert abs(shares.rate - optimal_shares(coarse).rate) < 1e-7


def test_large_scenarios_generate_their_strategies():
    scenario = BellScenario((5, 5), [[2, 3, 2, 2, 3], [2, 2, 3, 2, 1]])
    noisy = Behavior.white_noise(scenario).sample(500, seed=1)
    fit = fit_local_model(noisy)
    assert fit.verify()
    assert ratio_e_value(noisy, seed=1).verify()
    assert signaling_allowance(noisy, seed=1).verify()
