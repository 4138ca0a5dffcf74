import math

import numpy as np
import pytest
from qiskit_lhv import (
    Behavior,
    BellCounts,
    BellScenario,
    ghz_state,
    load_bundled_counts,
    werner_state,
)
from qiskit_lhv._support.deadlines import Deadline
from qiskit_lhv.exceptions import CountsError
from qiskit_lhv.statistics import ModelComparison, compare_models, fit_local_model
from qiskit_lhv.statistics.fits import model_comparison
from qiskit_lhv.statistics.fits.model_comparison import quick_replicates
from qiskit_lhv.targets import divergence, project_to_no_signaling
from scipy.stats import chi2

from helpers import PLANE


def signaling_behavior():
    table = Behavior.from_state(werner_state(0.5), "chsh").array.copy()
    decayed = 0.2 * table[1, :, :, 1]
    table[1, :, :, 1] -= decayed
    table[1, :, :, 0] += decayed
    return Behavior(table)


# Fits


def test_deviances_are_those_of_the_fits():
    counts = Behavior.from_state(werner_state(0.9), "chsh").sample(np.array([[500, 400], [300, 200]]), 1)
    found = compare_models(counts, num_replicates=0)
    frequencies = counts.frequencies()
    local = fit_local_model(counts)
    free = project_to_no_signaling(frequencies, counts.num_shots)
    total = 2 * counts.total_shots * local.divergence
    signaling = 2 * counts.total_shots * divergence(frequencies, free, counts.num_shots)
    assert found.total.deviance == pytest.approx(total, rel=1e-6)
    assert found.signaling.deviance == pytest.approx(signaling, rel=1e-6)
    assert found.nonlocality.deviance == pytest.approx(total - signaling, rel=1e-6)
    np.testing.assert_allclose(found.no_signaling_behavior, free.array, atol=1e-6)
    np.testing.assert_allclose(found.local_behavior, local.model.behavior().array, atol=1e-5)
    assert found.num_parameters == {"local": 8, "no-signaling": 8, "unrestricted": 12}
    assert math.isnan(found.total.p_value)


def test_each_deviation_is_told_from_the_other():
    nonlocal_counts = Behavior.from_state(werner_state(0.95), "chsh").sample(2000, 1)
    found = compare_models(nonlocal_counts, num_replicates=200, seed=1)
    assert found.nonlocality.p_value == pytest.approx(1 / 201)
    assert found.signaling.p_value > 0.05
    found = compare_models(signaling_behavior().sample(5000, 1), num_replicates=200, seed=1)
    assert found.signaling.p_value == pytest.approx(1 / 201)
    assert found.nonlocality.p_value > 0.05
    assert found.total.p_value == pytest.approx(1 / 201)


def test_bootstrap_is_calibrated_inside_the_local_set():
    behavior = Behavior.from_state(werner_state(0.4), "chsh")
    found = [compare_models(behavior.sample(300, seed), num_replicates=60, seed=seed) for seed in range(150)]
    for step in ("signaling", "total"):
        p = np.array([getattr(one, step).p_value for one in found])
        for alpha in (0.1, 0.2, 0.5):
            assert abs(np.mean(p <= alpha) - alpha) <= 3.5 * math.sqrt(alpha * (1 - alpha) / 150) + 1 / 61
    # Inside, the best no-signaling explanation is mostly local itself: then the share of replicates is 1.
    p = np.array([one.nonlocality.p_value for one in found])
    assert np.mean(p <= 0.1) <= 0.1 + 3 * math.sqrt(0.09 / 150)
    assert np.mean(p == 1) > 0.5


def test_asymptotic_p_values_are_those_of_chi_square():
    found = compare_models(signaling_behavior().sample(500, 1), num_replicates=0)
    freedom = {"nonlocality": 8, "signaling": 4, "total": 12}
    for name, count in freedom.items():
        step = getattr(found, name)
        assert step.asymptotic_p_value == pytest.approx(chi2.sf(step.deviance, count))
    assert (found.nonlocality.smaller, found.nonlocality.larger) == ("local", "no-signaling")
    assert (found.signaling.smaller, found.signaling.larger) == ("no-signaling", "unrestricted")
    assert (found.total.smaller, found.total.larger) == ("local", "unrestricted")


@pytest.mark.parametrize(
    "behavior",
    [
        Behavior.from_state(werner_state(0.95), [PLANE, PLANE[:2]]),
        Behavior.from_state(ghz_state(3, 0.9), "mermin"),
        Behavior.from_state(werner_state(0.95), "chsh").with_efficiency((0.9, 1.0)),
    ],
    ids=["3 x 2", "3 parties", "3 outcomes"],
)
def test_deviances_add_up(behavior):
    counts = behavior.sample(1000, 1)
    found = compare_models(counts, num_replicates=20, seed=1)
    assert found.nonlocality.deviance + found.signaling.deviance == pytest.approx(found.total.deviance, rel=1e-6)
    assert found.total.deviance == pytest.approx(2 * counts.total_shots * fit_local_model(counts).divergence, rel=1e-6)
    scenario = counts.scenario
    free = np.prod([m * (d - 1) + 1 for m, d in zip(scenario.num_settings, scenario.max_outcomes, strict=True)]) - 1
    assert found.num_parameters["no-signaling"] == free
    assert found.num_parameters["unrestricted"] == scenario.num_cells - scenario.num_setting_combinations
    assert found.nonlocality.p_value == pytest.approx(1 / 21)


def test_other_scenarios(monkeypatch):
    counts = Behavior.from_state(werner_state(0.95), [PLANE, PLANE]).sample(1000, 1)
    listed = compare_models(counts, num_replicates=30, seed=1)
    assert listed.nonlocality.p_value == pytest.approx(1 / 31)
    from qiskit_lhv.statistics.fits import local_fit

    monkeypatch.setattr(local_fit, "MAX_LISTED", 10)
    generated = compare_models(counts, num_replicates=5, seed=1)
    assert generated.total.deviance == pytest.approx(listed.total.deviance, rel=1e-6)


def test_replicates_are_the_default_only_where_they_are_fast():
    assert quick_replicates(BellScenario((2, 2), (2, 2))) == 1000
    assert quick_replicates(BellScenario((2, 2, 2), (2, 2, 2))) == 1000
    assert quick_replicates(BellScenario((8, 8), (2, 2))) == 0
    counts = Behavior.from_state(werner_state(0.95), [PLANE, PLANE]).sample(1000, 1)
    assert compare_models(counts, seed=1).num_replicates == quick_replicates(counts.scenario)
    assert compare_models(Behavior.from_state(ghz_state(4, 0.9), "mermin").sample(100, 1)).num_replicates == 0


def test_replicates_of_extreme_counts_end():
    # Nearly all shots in one cell: degenerate fits, of which none may stop the others.
    table = np.array([[972, 0, 0, 28], [981, 0, 0, 19], [972, 0, 0, 28], [976, 6, 0, 18]]).reshape(2, 2, 2, 2)
    found = compare_models(BellCounts(table), num_replicates=200, seed=1)
    assert 0 < found.signaling.p_value < 1
    assert found.nonlocality.deviance + found.signaling.deviance == pytest.approx(found.total.deviance, abs=1e-5)


@pytest.mark.parametrize(
    "behavior",
    [Behavior.from_state(werner_state(0.73), "chsh"), Behavior.from_state(werner_state(0.7), [PLANE[:2], PLANE])],
    ids=["chsh", "2 x 3"],
)
def test_warm_replicates_give_the_p_values_of_cold_ones(behavior, monkeypatch):
    def cold(fits, tables, near, free):
        weights = fits._problem.fit(fits._cells(tables), 1e-11)[0]
        return (weights @ fits._problem.tables).reshape(-1, *fits.shape)

    counts = behavior.sample(300, 3)
    warm = compare_models(counts, num_replicates=300, seed=1)
    monkeypatch.setattr(model_comparison._Fits, "replicates", cold)
    cold = compare_models(counts, num_replicates=300, seed=1)
    for step in ("nonlocality", "signaling", "total"):
        assert abs(getattr(warm, step).p_value - getattr(cold, step).p_value) <= 3 / 301


def test_same_seed_same_numbers_and_saving(tmp_path):
    counts = load_bundled_counts("delft_2015").counts
    found = compare_models(counts, num_replicates=50, seed=3)
    assert found == compare_models(counts, num_replicates=50, seed=3)
    found.save(tmp_path / "comparison.json")
    assert ModelComparison.load(tmp_path / "comparison.json") == found
    assert "50" in str(found)


@pytest.mark.parametrize("replicates", [-1, 1.5, "many"])
def test_bad_number_of_replicates(replicates):
    with pytest.raises(CountsError, match="num_replicates"):
        compare_models(load_bundled_counts("delft_2015").counts, num_replicates=replicates)


@pytest.mark.parametrize(("visibility", "shots"), [(0.9, 400), (0.7, 50), (1.0, 8)])
def test_chsh_replicates_are_fitted_as_by_all_strategies(visibility, shots):
    counts = Behavior.from_state(werner_state(visibility), "chsh").sample(np.array([[shots, 2 * shots]] * 2), 2)
    fits = model_comparison._Fits(counts, Deadline(None))
    tables = counts.array.reshape(1, 4, 4)
    local = fits.local(tables, fits.no_signaling(tables))[0]
    drawn = fits.draw(local, 60, np.random.default_rng(1))
    free = fits.no_signaling(drawn, near=local)
    found = fits.deviance(drawn, fits.replicates(drawn, local, free))
    for table, one in zip(drawn, found, strict=True):
        exact = fit_local_model(BellCounts(table.reshape(2, 2, 2, 2)))
        assert one == pytest.approx(2 * table.sum() * exact.divergence, abs=1e-3)
    # Some of them exceed a bound, and some do not.
    assert 0.1 < np.mean(found > fits.deviance(drawn, free) + 1e-6) < 0.9
