import numpy as np
import pytest
from qiskit_lhv import BellCounts, BellScenario, BellTrials
from qiskit_lhv.exceptions import CountsError, ScenarioError

from helpers import refusal

SETTINGS = [[0, 1], [1, 0], [0, 0], [1, 1], [0, 1]]
OUTCOMES = [[1, 2], [0, 0], [1, 1], [0, 2], [1, 2]]


def test_scenario_is_that_of_what_was_seen():
    trials = BellTrials(SETTINGS, OUTCOMES, design="random")
    assert trials.scenario == BellScenario((2, 2), (2, 3))
    assert trials.num_trials == 5


def test_there_are_at_least_two_outcomes():
    assert BellTrials([[0], [1]], [[0], [0]], design="random").scenario == BellScenario((2,), (2,))


def test_table_counts_trials_with_settings_before_outcomes():
    expected = np.zeros((2, 2, 2, 3), dtype=int)
    for (x, y), (a, b) in zip(SETTINGS, OUTCOMES, strict=True):
        expected[x, y, a, b] += 1
    table = BellTrials(SETTINGS, OUTCOMES, design="random").table
    assert table.tolist() == expected.tolist()
    assert table[0, 1, 1, 2] == 2
    assert table.dtype == np.int64
    assert not table.flags.writeable


def test_table_of_many_random_trials():
    rng = np.random.default_rng(1)
    settings, outcomes = rng.integers(0, (3, 2), size=(500, 2)), rng.integers(0, (2, 4), size=(500, 2))
    trials = BellTrials(settings, outcomes, BellScenario((3, 2), (2, 4)), "random")
    for cell in [(0, 0, 0, 0), (2, 1, 1, 3), (1, 0, 0, 2)]:
        seen = np.all(np.hstack([settings, outcomes]) == cell, axis=1).sum()
        assert trials.table[cell] == seen
    assert trials.table.sum() == 500


def test_to_counts_keeps_table_and_design():
    counts = BellTrials(SETTINGS, OUTCOMES, design="random", setting_probabilities=[[0.1, 0.2], [0.3, 0.4]]).to_counts()
    assert isinstance(counts, BellCounts)
    assert counts.design == "random"
    assert counts.setting_probabilities.tolist() == [[0.1, 0.2], [0.3, 0.4]]
    assert counts.num_shots.tolist() == [[1, 2], [1, 1]]


def test_to_counts_refuses_settings_without_trials():
    trials = BellTrials(SETTINGS[:3], OUTCOMES[:3], design="random")
    assert trials.table[1, 1].sum() == 0
    assert not trials.to_counts().measured[1, 1]
    trials = BellTrials(SETTINGS[2:3], OUTCOMES[2:3], design="random", scenario=trials.scenario)
    with pytest.raises(CountsError, match="zero shots for setting 1 of party 0"):
        trials.to_counts()


def test_default_probabilities_are_uniform():
    trials = BellTrials(SETTINGS, OUTCOMES, design="random")
    assert trials.design == "random"
    assert trials.setting_probabilities.tolist() == [[0.25, 0.25], [0.25, 0.25]]


@pytest.mark.parametrize("options", [{}, {"design": None}, {"setting_probabilities": np.full((2, 2), 0.25)}])
def test_the_design_must_be_declared(options):
    message = refusal(CountsError, BellTrials, SETTINGS, OUTCOMES, **options)
    assert message.startswith("design: expected how the settings were chosen")
    for line in (
        'BellTrials(settings, outcomes, design="random")',
        'BellTrials(settings, outcomes, design="random", setting_probabilities=p)',
        'BellTrials(settings, outcomes, design="blocks")',
    ):
        assert line in message


def test_blocks_have_no_probabilities():
    trials = BellTrials(SETTINGS, OUTCOMES, design="blocks")
    assert trials.setting_probabilities is None
    assert trials.to_counts().design == "blocks"


def test_part_keeps_order_scenario_and_design():
    trials = BellTrials(SETTINGS, OUTCOMES, design="random", setting_probabilities=[[0.1, 0.2], [0.3, 0.4]])
    part = trials.part(slice(1, 3))
    assert part.settings.tolist() == SETTINGS[1:3]
    assert part.outcomes.tolist() == OUTCOMES[1:3]
    assert part.scenario == trials.scenario
    assert part.setting_probabilities.tolist() == [[0.1, 0.2], [0.3, 0.4]]
    assert trials.part([3, 0]).settings.tolist() == [SETTINGS[3], SETTINGS[0]]
    assert trials.part(slice(None)) == trials


def test_parts_of_blocks_are_blocks():
    assert BellTrials(SETTINGS, OUTCOMES, design="blocks").part(slice(0, 2)).design == "blocks"


def test_an_empty_part_is_refused():
    with pytest.raises(CountsError, match=r"^settings: expected shape \(T, N\)"):
        BellTrials(SETTINGS, OUTCOMES, design="random").part(slice(0, 0))


def test_arrays_are_read_only_whole_numbers():
    trials = BellTrials(np.array(SETTINGS, dtype=float), OUTCOMES, design="random")
    assert trials.settings.dtype == np.int64
    with pytest.raises(ValueError, match="read-only"):
        trials.settings[0, 0] = 1
    with pytest.raises(ValueError, match="read-only"):
        trials.outcomes[0, 0] = 1


@pytest.mark.parametrize("name", ["settings", "outcomes"])
@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([[0, -1]], "whole numbers of at least zero"),
        ([[0, 0.5]], "whole numbers of at least zero"),
        ([[0, np.nan]], "finite numbers"),
        ([0, 1], "one row per trial, one column per party"),
        (np.zeros((0, 2)), "one row per trial"),
        (np.zeros((3, 0)), "one row per trial"),
        (np.zeros((1, 2, 1)), "one row per trial"),
        ([["a", "b"]], "an array of numbers"),
        ({}, "an array of numbers"),
    ],
)
def test_bad_rows_are_refused_by_name(name, rows, words):
    rows_of = {"settings": [[0, 0]], "outcomes": [[0, 0]], name: rows}
    message = refusal(CountsError, BellTrials, rows_of["settings"], rows_of["outcomes"], design="random")
    assert message.startswith(f"{name}: expected")
    assert words in message


def test_settings_and_outcomes_must_have_one_shape():
    assert refusal(CountsError, BellTrials, SETTINGS, OUTCOMES[:4], design="random").startswith(
        "outcomes: expected shape (5, 2), as settings have"
    )


@pytest.mark.parametrize(
    ("scenario", "name"),
    [(BellScenario((1, 2), (2, 3)), "settings"), (BellScenario((2, 2), (2, 2)), "outcomes")],
)
def test_entries_out_of_range_are_refused(scenario, name):
    message = refusal(CountsError, BellTrials, SETTINGS, OUTCOMES, scenario, "random")
    assert message.startswith(f"{name}: expected numbers below")


def test_scenario_must_have_as_many_parties():
    assert refusal(CountsError, BellTrials, SETTINGS, OUTCOMES, BellScenario((2,), (2,)), "random").startswith(
        "scenario: expected 2 parties, got 1"
    )


def test_scenario_must_be_a_scenario():
    with pytest.raises(ScenarioError, match=r"^scenario: expected a BellScenario"):
        BellTrials(SETTINGS, OUTCOMES, (2, 2), "random")


def test_larger_scenarios_are_taken():
    trials = BellTrials(SETTINGS, OUTCOMES, BellScenario((3, 2), (2, 4)), "random")
    assert trials.table.shape == (3, 2, 2, 4)
    assert trials.setting_probabilities.shape == (3, 2)


@pytest.mark.parametrize(
    ("options", "name"),
    [
        ({"design": "shuffled"}, "design"),
        ({"design": "blocks", "setting_probabilities": np.full((2, 2), 0.25)}, "setting_probabilities"),
        ({"design": "random", "setting_probabilities": np.full((2, 2), 0.2)}, "setting_probabilities"),
        ({"design": "random", "setting_probabilities": [[0.5, 0.5]]}, "setting_probabilities"),
    ],
)
def test_bad_designs_are_refused(options, name):
    assert refusal(CountsError, BellTrials, SETTINGS, OUTCOMES, **options).startswith(f"{name}: expected")


def test_numbers_too_large_to_count_are_refused_before_work():
    assert refusal(CountsError, BellTrials, [[0], [10**9]], [[0], [0]], design="random").startswith(
        "settings: expected numbers below"
    )
    assert refusal(CountsError, BellTrials, [[0], [1e300]], [[0], [0]], design="random").startswith(
        "settings: expected numbers below"
    )
    assert "combinations" in refusal(CountsError, BellTrials, [[0, 10**6]], [[10**6, 0]], design="random")
    assert "combinations" in refusal(CountsError, BellTrials, np.ones((1, 40)), np.ones((1, 40)), design="random")


@pytest.mark.parametrize("scenario", [BellScenario((10**6, 10**2), (2, 2)), BellScenario((2, 2), (2, 10**12))])
def test_scenarios_too_large_to_count_are_refused_before_work(scenario):
    assert "at most 100000000 combinations" in refusal(
        CountsError, BellTrials, SETTINGS, np.zeros((5, 2)), scenario, "random"
    )


@pytest.mark.parametrize("selection", ["x", 1.5, [7], [[0.5]], {}, slice("a", "b")])
def test_parts_that_are_none_are_refused(selection):
    trials = BellTrials(SETTINGS, OUTCOMES, design="random")
    with pytest.raises(CountsError, match=r"^selection: expected a slice"):
        trials.part(selection)


def test_comparison_takes_the_order_into_account():
    trials = BellTrials(SETTINGS, OUTCOMES, design="random")
    assert trials == BellTrials(np.array(SETTINGS), np.array(OUTCOMES), design="random")
    reverse = trials.part(slice(None, None, -1))
    assert reverse != trials
    assert reverse.table.tolist() == trials.table.tolist()


def test_repr_tells_the_number_of_trials():
    assert "5 trials" in repr(BellTrials(SETTINGS, OUTCOMES, design="random"))
