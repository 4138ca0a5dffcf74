import itertools
import math

import numpy as np
import pytest
from qiskit_lhv import BellScenario
from qiskit_lhv.exceptions import ScenarioError
from qiskit_lhv.models import DeterministicModel, ResponseModel, SphericalHarmonics, TableResponse, TermFit
from qiskit_lhv.models.responses import DirectionResponse
from qiskit_lhv.targets import TermValues, random_terms
from qiskit_lhv.verification.terms import joint_p_value, log_binomial_p_value, log_normal_p_value
from scipy.stats import binom, chi2, norm

SMALL = BellScenario([2, 3, 2], 2)


def deterministic(scenario, count=4, seed=1):
    rng = np.random.default_rng(seed)
    strategies = rng.integers(2, size=(count, sum(scenario.num_settings)))
    return DeterministicModel(rng.dirichlet(np.ones(count)), strategies, scenario)


def smooth(scenario, count=5, seed=2):
    rng = np.random.default_rng(seed)
    hidden = tuple(rng.standard_normal((count, m, 2)) for m in scenario.num_settings)
    return ResponseModel(hidden, TableResponse(scenario), rng.dirichlet(np.ones(count)))


def sampled(model, rows, shots, seed=3):
    plus = np.random.default_rng(seed).binomial(shots, (1 + model.term_values(rows)) / 2)
    return TermValues(model.scenario, rows, 2 * plus / shots - 1, None, shots, independent=True)


@pytest.mark.parametrize("make", [deterministic, smooth])
def test_values_of_terms_are_those_of_the_table(make):
    model = make(SMALL)
    table = model.behavior().array
    rows = random_terms(SMALL, 25, [1, 2, 3], seed=4)
    for row, value in zip(rows, model.term_values(rows), strict=True):
        setting = tuple(np.maximum(row, 0))
        expected = sum(
            table[setting + outcomes] * (-1) ** sum(a for a, x in zip(outcomes, row, strict=True) if x >= 0)
            for outcomes in itertools.product([0, 1], repeat=3)
        )
        assert value == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("make", [deterministic, smooth])
def test_sampled_shots_have_the_means_of_the_model(make):
    scenario = BellScenario([2] * 11, 2)
    model = make(scenario)
    settings = np.random.default_rng(5).integers(2, size=(300, 11))
    shots = model.sample_shots(settings, 40, seed=6)
    assert shots.design == "blocks"
    assert shots.total_shots == 12000
    values = TermValues.from_shots(shots, random_terms(scenario, 60, [1, 2], seed=7))
    fit = TermFit(model, values)
    assert fit.p_value > 0.01
    assert fit.verify()
    drawn = model.sample_shots(settings, 1, drawn_terms=settings, seed=6)
    assert drawn.design == "random"
    assert np.array_equal(drawn.drawn_terms, settings)


def test_a_model_of_states_has_no_terms():
    model = ResponseModel((np.zeros((2, 3)),) * 2, DirectionResponse(SphericalHarmonics(1), 2))
    with pytest.raises(ScenarioError, match="finite scenario"):
        model.term_values([[0, 0]])


@pytest.mark.parametrize("make", [deterministic, smooth])
def test_a_table_of_many_parties_is_refused_before_it_is_made(make):
    with pytest.raises(ScenarioError, match="term_values"):
        make(BellScenario([2] * 40, 2)).behavior()


def test_a_fit_of_exact_values_is_judged_by_its_deviation():
    model, scenario = smooth(BellScenario([2] * 40, 2)), BellScenario([2] * 40, 2)
    rows = random_terms(scenario, 30, [1, 2, 3, 40], seed=8)
    values = model.term_values(rows)
    fit = TermFit(model, TermValues(scenario, rows, values))
    assert fit.admits_local_model is True
    assert fit.p_value is None
    assert fit.verify().deviation < 1e-14
    off = TermFit(model, TermValues(scenario, rows, values + 0.01 * (np.arange(30) == 3)))
    assert off.admits_local_model is None
    assert off.verify().refuted
    assert "another may" in off.headline


def test_a_fit_of_counts_is_judged_by_its_p_value():
    scenario = BellScenario([2] * 30, 2)
    model = deterministic(scenario)
    rows = random_terms(scenario, 200, [1, 2, 3], seed=9)
    held_out = np.arange(200) < 40
    fit = TermFit(model, sampled(model, rows, 500), held_out)
    assert fit.admits_local_model is True
    assert fit.verify()
    assert "terms that are not listed were not tested" in fit.headline
    assert fit.loss == pytest.approx(0.8 * fit.loss_trained + 0.2 * fit.loss_held_out)
    assert 0.5 < fit.chi_square_held_out / 40 < 1.6
    other = TermFit(deterministic(scenario, seed=10), fit.terms, held_out)
    assert other.p_value < 1e-10
    assert other.admits_local_model is None
    assert other.verify().refuted


def test_p_values_are_those_of_binomial_and_normal_variables():
    model = smooth(SMALL)
    rows = random_terms(SMALL, 20, [1, 2, 3], seed=11)
    terms = sampled(model, rows, 300)
    plus, chance = np.rint(300 * (1 + terms.values) / 2), (1 + model.term_values(rows)) / 2
    tails = np.where(plus < 300 * chance, binom.cdf(plus, 300, chance), binom.sf(plus - 1, 300, chance))
    p = np.minimum(1, 2 * tails)
    expected = 2 * min(20 * p.min(), chi2.sf(-2 * np.log(p).sum(), 40))
    assert TermFit(model, terms).p_value == pytest.approx(min(1, expected), rel=1e-8)
    errors = TermValues(SMALL, rows, terms.values, standard_errors=0.05)
    p = 2 * norm.sf(np.abs(terms.values - model.term_values(rows)) / 0.05)
    expected = 2 * min(20 * p.min(), math.e * np.exp(np.log(p).mean()))
    assert TermFit(model, errors).p_value == pytest.approx(min(1, expected), rel=1e-8)
    assert TermFit(model, errors).loss == pytest.approx(np.mean((terms.values - model.term_values(rows)) ** 2) / 0.005)


@pytest.mark.parametrize("independent", [True, False])
def test_false_alarms_stay_within_alpha(independent):
    # One term for all is the strongest dependence.
    rng = np.random.default_rng(12)
    alarms = 0
    for _ in range(400):
        p = rng.random(30) if independent else np.full(30, rng.random())
        alarms += joint_p_value(np.log(p).tolist(), independent=independent) <= 0.1
    assert alarms <= 400 * 0.1 + 3 * math.sqrt(400 * 0.09)


@pytest.mark.parametrize(("shots", "chance"), [(1, 0.3), (40, 0.5), (1000, 0.02), (200000, 0.7)])
def test_checked_tails_are_those_of_scipy(shots, chance):
    center, width = shots * chance, math.sqrt(shots * chance * (1 - chance))
    for plus in {min(shots, max(0, round(center + z * width))) for z in (-9, -3, -1, 0, 0.5, 2, 8)} | {0, shots}:
        tail = binom.logcdf(plus, shots, chance) if plus < center else binom.logsf(plus - 1, shots, chance)
        found, expected = log_binomial_p_value(plus, shots, chance), min(0.0, math.log(2) + tail)
        # Where SciPy's tail is 0, its logarithm is below that of the smallest number.
        assert found == pytest.approx(expected, rel=1e-7, abs=1e-7) if math.isfinite(expected) else found < -700


def test_checked_extremes():
    assert log_binomial_p_value(3, 3, 1.0) == 0
    assert log_binomial_p_value(2, 3, 1.0) == -math.inf
    assert log_normal_p_value(2.0) == pytest.approx(math.log(2) + norm.logsf(2.0))
    assert log_normal_p_value(-50.0) == pytest.approx(math.log(2) + norm.logsf(50.0), rel=1e-3)
    assert joint_p_value([-math.inf, 0.0], independent=True) == 0
    assert joint_p_value([0.0, 0.0], independent=True) == 1


def test_a_fit_can_be_saved(tmp_path):
    model = smooth(SMALL)
    rows = random_terms(SMALL, 10, [1, 2, 3], seed=13)
    fit = TermFit(model, sampled(model, rows, 50), np.arange(10) < 2, 0.05)
    for name in ("fit.npz", "fit.json"):
        fit.save(tmp_path / name)
        assert TermFit.load(tmp_path / name) == fit


def test_what_does_not_belong_together_is_refused():
    model = smooth(SMALL)
    values = TermValues(BellScenario([2, 2], 2), [[0, 0]], [0.5])
    with pytest.raises(ScenarioError, match="model"):
        TermFit(model, values)
    with pytest.raises(ScenarioError, match="held_out"):
        TermFit(model, TermValues(SMALL, [[0, 0, 0]], [0.5]), np.zeros(2, dtype=bool))
    with pytest.raises(ScenarioError, match="alpha"):
        TermFit(model, TermValues(SMALL, [[0, 0, 0]], [0.5]), alpha=0)
