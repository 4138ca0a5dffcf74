"""The answer on one screen: what a printed report shows, and in how many digits."""

import re

import numpy as np
import pytest
from qiskit_lhv import (
    Behavior,
    BellCounts,
    CountsOptions,
    analyze,
    chsh,
    ghz_state,
    load_bundled_counts,
    werner_state,
)
from qiskit_lhv._support.estimated_value import with_error
from qiskit_lhv.polytope import mermin
from qiskit_lhv.reports.correlator_tables import correlators_of_counts
from qiskit_lhv.reports.summary import main_assumptions
from qiskit_lhv.statistics.intervals.chsh_values import chsh_value

QUICK = CountsOptions(num_replicates=0)
EXACT = Behavior.from_state(werner_state(0.9), "chsh")


@pytest.fixture(scope="module")
def hanoi():
    return analyze(load_bundled_counts("ibm_hanoi19_20circuit13").counts, QUICK, seed=1)


@pytest.mark.parametrize(
    ("value", "error", "words"),
    [
        (2.76823, 0.0068232, "2.7682 +- 0.0068"),
        (2.4225, 0.196, "2.42 +- 0.20"),
        (0.5, 0.0996, "0.50 +- 0.10"),
        (0.5, 0.09949, "0.500 +- 0.099"),
        (-0.0004, 0.1, "0.00 +- 0.10"),
        (1234.5, 87.2, "1234 +- 87"),
        (123456.0, 4321.0, "123500 +- 4300"),
        (2.828427, 0.0, "2.82843"),
        (2.0, float("inf"), "2"),
    ],
)
def test_two_digits_of_the_error_decide(value, error, words):
    assert with_error(value, error) == words
    assert with_error(value, error, "±") == words.replace("+-", "±")


def test_a_printed_report_fits_one_screen_and_ends_with_the_way_to_more(hanoi):
    lines = str(hanoi).splitlines()
    assert len(lines) <= 24
    assert max(map(len, lines[1:])) <= 110
    assert lines[0] == f"NONLOCAL: {hanoi.headline}"
    assert "2.7682 +- 0.0068; local models reach 2, quantum theory 2.828" in lines[1]
    assert "E(0, 0) = -0.6943 +- 0.0033" in lines[2]
    assert re.search(r"p-value +\S+e-2\d+ \(declared test: combined; alpha = 0.01\)", str(hanoi))
    assert lines[-1] == "details: report.details()"


def test_details_hold_every_figure_piece_of_evidence_and_assumption(hanoi):
    details = hanoi.details()
    for text in (*map(str, hanoi.evidence), *hanoi.assumptions, hanoi.target, "S standard error"):
        assert text in details


def test_s_has_its_error(hanoi):
    counts = hanoi.question.counts
    assert (float(hanoi.S), hanoi.S.standard_error) == chsh_value(counts)
    assert hanoi.S > 2
    exact = analyze(EXACT, tolerance=0.001)
    assert float(exact.S) == pytest.approx(0.9 * 2 * np.sqrt(2))
    # Four correlators, each the sum of four probabilities.
    assert exact.S.standard_error == pytest.approx(0.016)
    assert analyze(werner_state(0.72), seed=1).S is None
    assert analyze(Behavior.from_state(ghz_state(3), "mermin")).S is None


def test_correlators_have_their_errors(hanoi):
    counts, table = hanoi.question.counts, hanoi.correlators
    for x, y in np.ndindex(2, 2):
        cells = counts.array[x, y]
        n = cells.sum()
        value = (cells[0, 0] + cells[1, 1] - cells[0, 1] - cells[1, 0]) / n
        assert table.values[x, y] == pytest.approx(value)
        assert table.errors[x, y] == pytest.approx(np.sqrt((1 - value**2) / n))
    assert np.sqrt(np.sum(table.errors**2)) == pytest.approx(hanoi.S.standard_error)
    assert analyze(werner_state(0.72), seed=1).correlators is None
    assert correlators_of_counts(BellCounts(np.full((2, 2, 3, 3), 5))) is None


def test_correlators_of_three_parties_are_products_of_all():
    array = np.zeros((1, 2, 1, 2, 2, 2), dtype=int)
    array[0, 0, 0, 1, 1, 1] = 3
    array[0, 0, 0, 0, 0, 0] = 1
    array[0, 1, 0, 0, 1, 1] = 4
    table = correlators_of_counts(BellCounts(array))
    np.testing.assert_allclose(table.values, [[[-0.5], [1.0]]])
    assert table.name((0, 1, 0)) == "E(0, 1, 0)"


def test_names_of_settings_stand_in_their_correlators():
    import dataclasses

    table = dataclasses.replace(correlators_of_counts(EXACT.sample(50, 1)), setting_names=(("Z", "X"), ("Z+X", "Z-X")))
    assert table.name((1, 0)) == "E(X, Z+X)"
    assert "E(Z, Z-X) = " in str(table)


def test_many_correlators_are_told_by_their_ends():
    axes = [[np.cos(t), 0, np.sin(t)] for t in np.linspace(0, 3, 5)]
    report = analyze(Behavior.from_state(werner_state(0.6), [axes, axes]))
    assert "25 of them, from E(" in str(report)


def test_counts_without_s_show_the_game():
    counts = Behavior.from_state(ghz_state(3), "mermin").sample(100, 1)
    report = analyze(counts, CountsOptions(test="game", expression=mermin(3), num_replicates=0), seed=1)
    assert re.search(r"value +4\.00* \+- 0\.0\d+; local models reach 2\n", str(report))
    assert "nats per trial from the frequencies" in str(report)


def test_signaling_is_told_with_its_size():
    report = analyze(load_bundled_counts("ibm_washington91_98circuit4").counts, QUICK, seed=1)
    assert "signaling     a marginal shifts by 0.013 with another party's setting (p = 9.4e-24)" in str(report)


def test_states_and_behaviors_tell_what_shows_their_verdict():
    assert "proven local up to visibility (white noise)" in str(analyze(werner_state(0.6), seed=1))
    assert "an inequality violated by 0.545584" in str(analyze(EXACT))


def test_assumptions_that_may_fail_first_are_listed(hanoi):
    # Every one of them is an assumption of the report, also after these are worded anew.
    assert main_assumptions(hanoi)[0].startswith("shots are independent")
    assert set(main_assumptions(hanoi)) <= set(hanoi.assumptions)
    assert any(line.startswith("crosstalk") for line in main_assumptions(hanoi))
    open_question = analyze(EXACT.sample(30, 1), QUICK, seed=1)
    assert main_assumptions(open_question)[0].startswith("nothing passes between the parties")
    lossy = BellCounts(EXACT.with_efficiency(0.9).sample(500, 1).array, lost_outcomes=(2, 2)).post_select()
    kept = analyze(lossy, CountsOptions(fair_sampling=True, num_replicates=0), seed=1)
    assert main_assumptions(kept)[0].startswith("fair sampling:")


def test_a_game_of_chsh_keeps_its_value():
    report = analyze(EXACT.sample(200, 1), CountsOptions(test="game", expression=chsh(), num_replicates=0), seed=1)
    assert "declared test: game" in str(report)
