"""Reports on counts in which some setting combinations were not measured."""

import dataclasses

import numpy as np
import pytest
from qiskit_lhv import Behavior, BellCounts, BellTrials, CountsOptions, Verdict, analyze, chsh, ghz_state
from qiskit_lhv.exceptions import CountsError
from qiskit_lhv.polytope import mermin
from qiskit_lhv.reports import LocalityReport

# 1000 shots of each of XXX, XYY, YXY, YYX on a GHZ state.
GHZ = {
    (0, 0, 0): {"110": 249, "000": 257, "011": 242, "101": 252},
    (0, 1, 1): {"010": 249, "100": 257, "111": 242, "001": 252},
    (1, 0, 1): {"010": 249, "100": 257, "111": 242, "001": 252},
    (1, 1, 0): {"010": 249, "100": 257, "111": 242, "001": 252},
}
SINGLET = Behavior.from_state(ghz_state(2), "chsh")


def three_of_four(seed=1, shots=300):
    drawn = SINGLET.sample(shots, seed).array.copy()
    drawn[1, 1] = 0
    return BellCounts(drawn)


@pytest.mark.parametrize(
    ("options", "test", "log10_p"),
    [
        (CountsOptions(expression=mermin(3), num_replicates=0), "game", -499.755),
        (CountsOptions(num_replicates=0), "e-value", -478),
    ],
)
def test_mermins_test_on_hardware(options, test, log10_p):
    report = analyze(BellCounts.from_counts(GHZ), options, seed=1)
    assert report.verdict is Verdict.NONLOCAL
    assert report.test == test
    assert report.log10_p_value == pytest.approx(log10_p, abs=1)
    assert report.headline.endswith("if nothing passes between the parties.")
    assert report.target.endswith("4 of 8 setting combinations measured")
    assert report.admits_local_model is False
    text = " ".join(report.assumptions)
    assert "nothing is said about what the others would give" in text
    assert "no signaling was detected where it could be tested (6 comparisons" in text
    assert report.verify()
    report.to_html()


def test_reports_are_saved_and_forgeries_seen(tmp_path):
    report = analyze(BellCounts.from_counts(GHZ), CountsOptions(expression=mermin(3), num_replicates=0), seed=1)
    report.save(tmp_path / "report.json")
    loaded = LocalityReport.load(tmp_path / "report.json")
    assert loaded.verify()
    assert loaded.question.counts.measured.sum() == 4
    # A p-value, or shots that nobody took.
    assert not dataclasses.replace(loaded, log10_p_value=-600.0).verify()
    table = loaded.question.data.array.copy()
    table[0, 0, 1, 0, 0, 0] = 1
    forged = dataclasses.replace(loaded.question, data=BellCounts(table))
    assert not dataclasses.replace(loaded, question=forged).verify()


def test_a_declared_kappa_cannot_be_weighed():
    counts = BellCounts.from_counts(GHZ)
    report = analyze(counts, CountsOptions(expression=mermin(3), kappa=2.0, num_replicates=0), seed=1)
    assert report.verdict is Verdict.INCONCLUSIVE
    assert report.advice.startswith("Measure all setting combinations")
    assert report.verify()


def test_without_all_settings_no_verdict_is_local():
    report = analyze(three_of_four(shots=100_000), seed=1)
    assert report.verdict is Verdict.INCONCLUSIVE
    assert report.admits_local_model is True
    assert "confidence_region" in report.absent
    assert "S" not in report.statistics
    assert "nothing is known about the other setting combinations" in report.advice
    assert report.verify()


def test_signaling_among_measured_settings_is_seen():
    table = three_of_four().array.copy()
    table[0, 1] = [[300, 0], [0, 0]]
    report = analyze(BellCounts(table), seed=1)
    assert report.verdict is Verdict.SIGNALING
    assert report.verify()


def test_without_common_settings_no_signaling_is_an_assumption():
    table = three_of_four().array.copy()
    table[0, 1] = 0
    table[1, 1] = table[1, 0]
    table[1, 0] = 0
    report = analyze(BellCounts(table), seed=1)
    assert report.verdict is Verdict.INCONCLUSIVE
    assert "no-signaling could not be tested" in " ".join(report.assumptions)
    assert report.verify()


def test_the_test_is_declared_where_settings_could_choose_it():
    data = three_of_four()
    with pytest.raises(CountsError, match=r"test: .*not all setting combinations were measured, got 'combined'"):
        analyze(data, CountsOptions(test="combined"))
    random = dataclasses.replace(data, design="random", setting_probabilities=np.full((2, 2), 0.25))
    few = BellCounts(np.minimum(random.array, 1), "random", random.setting_probabilities)
    with pytest.raises(CountsError, match=r"test: .*Declare test='e-value' or test='game'"):
        analyze(few, CountsOptions(predictability=0.01))
    report = analyze(few, CountsOptions(test="e-value", predictability=0.01), seed=1)
    assert report.verdict is Verdict.INCONCLUSIVE
    assert report.verify()
    assert analyze(few, CountsOptions(test="game"), seed=1).verify()
    # What came by chance does not make a game of a declared expression, which would be won too easily then.
    report = analyze(few, CountsOptions(expression=chsh()), seed=1)
    assert report.test == "e-value"
    assert report.verify()


def test_trials_whose_settings_have_probability_zero():
    rng = np.random.default_rng(1)
    choices = np.array([(0, 0, 0), (0, 1, 1), (1, 0, 1), (1, 1, 0)])
    settings = choices[rng.integers(4, size=200)]
    outcomes = rng.integers(2, size=(200, 3))
    # The product of the outcomes is +1 for XXX and -1 elsewhere.
    outcomes[:, 2] = (outcomes[:, 0] + outcomes[:, 1] + settings.any(axis=1)) % 2
    probabilities = np.where(np.indices((2, 2, 2)).sum(axis=0) % 2 == 0, 0.25, 0.0)
    trials = BellTrials(settings, outcomes, None, "random", probabilities)
    report = analyze(trials, CountsOptions(expression=mermin(3), num_replicates=0), seed=1)
    assert (report.verdict, report.test) == (Verdict.NONLOCAL, "game")
    assert report.verify()
    report = analyze(trials, CountsOptions(predictability=0.01, num_replicates=0), seed=1)
    assert (report.verdict, report.test) == (Verdict.NONLOCAL, "e-value")
    assert report.verify()


def test_pictures_leave_out_what_was_not_measured():
    pytest.importorskip("matplotlib")
    figure = analyze(three_of_four(), CountsOptions(num_replicates=0), seed=1).plot()
    (axis,) = figure.axes
    # Four outcomes of each of three settings.
    assert [label.get_text() for label in axis.get_xticklabels()] == ["00", "10", "01", "11"] * 3
