"""Reports on correlators with errors."""

import dataclasses
import math

import numpy as np
import pytest
from qiskit_lhv import (
    Behavior,
    BellExpression,
    CountsOptions,
    LocalityReport,
    Verdict,
    analyze,
    chsh,
    load_bundled_counts,
    local_bound,
    nonlocality_threshold,
)
from qiskit_lhv.exceptions import CountsError, ScenarioError
from qiskit_lhv.polytope import local_weight, mermin
from qiskit_lhv.statistics import correlator_test, normal_test
from qiskit_lhv.targets import Correlators

FOUR = Correlators([[0.52, 0.51], [0.50, -0.52]], [[0.05, 0.05], [0.05, 0.05]])


def test_a_published_table_is_not_significant():
    report = analyze(FOUR, CountsOptions(expression=chsh()))
    assert report.verdict is Verdict.INCONCLUSIVE
    assert report.statistics["S"] == pytest.approx(2.05)
    assert report.statistics["S_error"] == pytest.approx(0.1)
    assert report.statistics["sigmas"] == pytest.approx(0.5)
    assert report.p_value == pytest.approx(0.5 * math.erfc(0.5 / math.sqrt(2)))
    assert report.headline.startswith("S = 2.05 +- 0.10 lies 0.5 standard errors above the local bound 2: not signific")
    assert report.verify()


def test_no_significance_makes_a_verdict(tmp_path):
    report = analyze(Correlators([[0.7, 0.7], [0.7, -0.7]], 0.001, None, "zero-noise extrapolation"))
    assert report.verdict is Verdict.INCONCLUSIVE
    assert report.log10_p_value < -1000
    assert report.admits_local_model is None
    assert ": significant (p = " in report.headline
    assert "mitigation (zero-noise extrapolation) is taken at its word" in " ".join(report.assumptions)
    report.save(tmp_path / "report.json")
    loaded = LocalityReport.load(tmp_path / "report.json")
    assert loaded.verify()
    assert loaded.headline == report.headline
    for change in ({"verdict": Verdict.NONLOCAL}, {"log10_p_value": -5000.0}, {"alpha": 0.05}):
        assert not dataclasses.replace(loaded, **change).verify()
    assert "INCONCLUSIVE" in report.to_html()


def test_every_form_of_chsh_is_looked_at_and_paid_for():
    for signs in ([[1, 1], [1, -1]], [[-1, 1], [1, 1]], [[-1, -1], [1, -1]]):
        test = correlator_test(Correlators(0.7 * np.array(signs), 0.1))
        assert test.value == pytest.approx(2.8)
        assert test.p_value == pytest.approx(8 * 0.5 * math.erfc(test.sigmas / math.sqrt(2)))
        assert test.verify()


def test_p_values_are_valid_at_the_corner_of_the_local_set():
    rng = np.random.default_rng(1)
    found = np.array([correlator_test(Correlators(1 + 0.1 * rng.normal(size=(2, 2)), 0.1)).p_value for _ in range(400)])
    for alpha in (0.2, 0.05):
        assert 0.2 * alpha <= np.mean(found <= alpha) <= alpha + 3 * math.sqrt(alpha / 400)


def test_the_covariance_counts():
    common = np.full((4, 4), 0.05**2) + 1e-6 * np.eye(4)
    test = correlator_test(Correlators(FOUR.values, covariance=common), chsh())
    # Errors that are common to all four add up in three and cancel in one.
    assert test.standard_error == pytest.approx(2 * 0.05, rel=1e-3)
    opposite = BellExpression.from_correlators([[1, -1], [1, -1]], marginals=False)
    assert correlator_test(Correlators(FOUR.values, covariance=common), opposite).standard_error < 0.003


def test_other_scenarios_need_an_expression():
    values = np.full((2, 2, 2), np.nan)
    values[0, 0, 0] = 0.9
    values[0, 1, 1] = values[1, 0, 1] = values[1, 1, 0] = -0.9
    correlators = Correlators(values, 0.02)
    with pytest.raises(CountsError, match="expression: expected a Bell expression of correlators, declared before"):
        analyze(correlators)
    report = analyze(correlators, CountsOptions(expression=mermin(3)))
    assert report.statistics["value"] == pytest.approx(3.6)
    assert report.statistics["value_error"] == pytest.approx(0.04)
    assert report.statistics["local_bound"] == local_bound(mermin(3)).value == 2
    assert report.verify()
    whole = BellExpression.from_correlators(np.ones((2, 2, 2)), marginals=False)
    with pytest.raises(CountsError, match="coefficients of 0 where no correlator was estimated"):
        analyze(correlators, CountsOptions(expression=whole))
    with pytest.raises(CountsError, match="correlators of all parties, got marginal terms"):
        analyze(FOUR, CountsOptions(expression=BellExpression.from_correlators([[0, 1, 0], [0, 1, 1], [0, 1, -1]])))
    with pytest.raises(CountsError, match="expression: expected one of"):
        analyze(FOUR, CountsOptions(expression=mermin(3)))


def test_constants_of_an_expression_move_value_and_bound_alike():
    shifted = BellExpression(chsh().coefficients + 0.25)
    assert correlator_test(FOUR, shifted).sigmas == pytest.approx(0.5)


@pytest.mark.parametrize("arguments", [(math.nan, 0.1), (2.0, 0.0), (2.0, -1.0), ("2", 0.1)])
def test_what_is_no_number_is_refused(arguments):
    with pytest.raises(CountsError):
        normal_test(*arguments, chsh())


def test_first_tries_with_counts_get_the_right_call():
    counts = load_bundled_counts("delft_2015").counts
    with pytest.raises(ScenarioError, match=r"behavior: .*got BellCounts.*estimate_threshold\(counts\)"):
        nonlocality_threshold(counts)
    with pytest.raises(ScenarioError, match=r"behavior: .*got BellCounts.*local_weight_interval\(counts\)"):
        local_weight(counts)
    assert Behavior.from_correlators(FOUR.values, marginals=False)


@pytest.mark.parametrize(("value", "wrong"), [(0.9, True), (0.71, False)])
def test_values_that_no_quantum_state_reaches_are_told(value, wrong):
    report = analyze(Correlators([[value, value], [value, -value]], errors=0.005))
    assert any("no quantum state reaches" in warning for warning in report.warnings) is wrong
    assert report.verify()
