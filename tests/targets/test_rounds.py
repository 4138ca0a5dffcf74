"""Counts and trials of several jobs together."""

import numpy as np
import pytest
from qiskit_lhv import Behavior, BellCounts, BellTrials, LocalityReport, analyze, ghz_state
from qiskit_lhv.datasets import read_data
from qiskit_lhv.exceptions import CountsError
from qiskit_lhv.statistics import drift_test

from helpers import refusal

FIRST, SECOND, OTHER = (Behavior.from_state(ghz_state(2, v), "chsh").sample(200, seed=1) for v in (1.0, 1.0, 0.2))


def test_sums_hold_all_shots_and_keep_the_rounds_in_order():
    total = FIRST + OTHER + SECOND
    np.testing.assert_array_equal(total.array, FIRST.array + OTHER.array + SECOND.array)
    assert [table.tolist() for table in total.rounds] == [run.array.tolist() for run in (FIRST, OTHER, SECOND)]
    assert sum([FIRST, OTHER, SECOND]) == total == FIRST + (OTHER + SECOND)
    assert total.setting_names == FIRST.setting_names


@pytest.mark.parametrize("runs", [[FIRST, SECOND], [FIRST, OTHER]], ids=["alike", "drift"])
def test_lists_are_analyzed_as_their_sum(runs, tmp_path):
    report, of_sum = analyze(runs, seed=1), analyze(sum(runs), seed=1)
    assert str(report) == str(of_sum)
    assert report.to_json() == of_sum.to_json()
    expected = drift_test(runs, seed=1)
    assert report.statistics["drift_p"] == expected.p_value
    assert drift_test(sum(runs), seed=1) == expected
    assert any("change in time" in line for line in report.warnings) is (runs[1] is OTHER)
    report.save(tmp_path / "report.json")
    again = LocalityReport.load(tmp_path / "report.json")
    assert again.verify()
    assert again.question.data.rounds.tolist() == sum(runs).rounds.tolist()


def test_swapped_bits_of_rounds_are_hinted_at():
    # The outcomes of two parties with unequal marginals, exchanged at two of the settings.
    right, exchanged = [[5600, 400], [1200, 800]], [[5600, 1200], [400, 800]]
    run = BellCounts([[right, exchanged], [exchanged, right]])
    report = analyze([run, run], seed=1)
    assert any("exchanged" in line or "swapped" in line for line in report.warnings)
    assert report.verify()


def test_a_list_of_one_is_that_one():
    assert str(analyze([FIRST], seed=1)) == str(analyze(FIRST, seed=1))


def test_groups_may_have_several_runs():
    report = analyze({(0, 1): [FIRST, SECOND], (2, 3): OTHER}, seed=1)
    assert report[0, 1].question.data == FIRST + SECOND


def test_changes_apply_to_every_round():
    lost = BellCounts.from_counts({(0,): {"0": 5, "1": 6, "-": 7}})
    total = lost + lost
    assert total.assign_lost(1).rounds.tolist() == [[[5, 13]], [[5, 13]]]
    assert total.post_select().rounds.tolist() == [[[5, 6]], [[5, 6]]]
    assert total.coarse_grain({0: [0, 1, 1]}).rounds.tolist() == [[[5, 13]], [[5, 13]]]


@pytest.mark.parametrize("suffix", [".json", ".npz"])
def test_rounds_are_saved(tmp_path, suffix):
    path = tmp_path / f"counts{suffix}"
    (FIRST + OTHER).save(path)
    assert BellCounts.load(path) == FIRST + OTHER == read_data(path)


def test_trials_follow_one_another():
    first = BellTrials([[0], [1]], [[0], [1]], design="random")
    second = BellTrials([[1], [0]], [[1], [1]], design="random")
    total = sum([first, second])
    assert total.settings[:, 0].tolist() == [0, 1, 1, 0]
    assert total.outcomes[:, 0].tolist() == [0, 1, 1, 1]
    assert analyze([first, second], seed=1).to_json() == analyze(total, seed=1).to_json()


@pytest.mark.parametrize(
    ("other", "words"),
    [
        (BellCounts([[1, 2]]), "one scenario"),
        (BellCounts(FIRST.array, "random", np.full((2, 2), 0.25)), "one design"),
        (BellCounts(FIRST.array, setting_names=[["a", "b"], ["c", "d"]]), "the same settings"),
        (BellCounts(FIRST.array, lost_outcomes=(1, None)), "the same lost outcomes"),
        (BellTrials([[0, 0], [1, 1]], [[0, 0], [1, 1]], design="blocks"), "BellCounts alone, or BellTrials alone"),
    ],
)
def test_runs_of_different_experiments_are_not_added(other, words):
    assert words in refusal(CountsError, lambda: FIRST + other)
    assert words in refusal(CountsError, lambda: analyze([FIRST, other])) or "a list of BellCounts or of" in refusal(
        CountsError, lambda: analyze([FIRST, other])
    )


def test_runs_with_other_probabilities_are_not_added():
    even, odd = (BellCounts([[5, 5], [5, 5]], "random", p) for p in ([0.5, 0.5], [0.4, 0.6]))
    assert "setting_probabilities" in refusal(CountsError, lambda: even + odd)
    with pytest.raises(TypeError):
        even + 5


@pytest.mark.parametrize("rounds", [[FIRST.array], FIRST.array, [FIRST.array, FIRST.array], "rounds"])
def test_rounds_are_checked(rounds):
    assert "rounds" in refusal(CountsError, lambda: BellCounts(FIRST.array, rounds=rounds))
