"""Counts in which some setting combinations were not measured."""

import numpy as np
import pytest
from qiskit_lhv import Behavior, BellCounts, BellScenario, BellTrials, ghz_state
from qiskit_lhv.exceptions import CountsError
from qiskit_lhv.targets.coordinates import cells_from_collins_gisin
from qiskit_lhv.targets.measured_settings import filled_frequencies, measured_parameters

from helpers import refusal

# Three of four combinations, with different numbers of shots.
THREE = {(0, 0): {"00": 3, "01": 1}, (0, 1): {"11": 5, "10": 5}, (1, 0): {"00": 2}}
ODD = np.indices((2, 2, 2)).sum(axis=0) % 2 == 0


def test_combinations_that_are_missing_were_not_measured():
    counts = BellCounts.from_counts(THREE)
    assert counts.num_shots.tolist() == [[4, 10], [2, 0]]
    assert counts.measured.tolist() == [[True, True], [True, False]]
    assert not counts.is_complete
    assert "3 of 4 setting combinations measured" in repr(counts)
    assert counts == BellCounts.from_counts({**THREE, (1, 1): {}})
    complete = BellCounts.from_counts({**THREE, (1, 1): {"00": 1}})
    assert complete.is_complete
    assert "measured" not in repr(complete)


def test_there_is_no_behavior_without_all_combinations():
    counts = BellCounts.from_counts(THREE)
    message = refusal(CountsError, counts.frequencies)
    assert "counts: expected shots for every setting combination" in message
    assert "got none for settings (1, 1)" in message
    assert "analyze(counts)" in message
    assert "fill=behavior" in message


def test_frequencies_are_filled_where_nothing_was_measured():
    counts = BellCounts.from_counts(THREE)
    model = Behavior.from_state(ghz_state(2), "chsh")
    filled = counts.frequencies(fill=model).array
    # Clbit 0, the rightmost character, belongs to party 0.
    assert filled[0, 0].tolist() == [[0.75, 0], [0.25, 0]]
    np.testing.assert_array_equal(filled[1, 1], model.array[1, 1])
    np.testing.assert_array_equal(filled_frequencies(counts).array[1, 1], np.full((2, 2), 0.25))
    complete = BellCounts.from_counts({**THREE, (1, 1): {"00": 1}})
    assert complete.frequencies(fill=model) == complete.frequencies() == filled_frequencies(complete)
    for fill in (Behavior.white_noise(BellScenario((2, 3), (2, 2))), "noise"):
        assert refusal(CountsError, lambda fill=fill: counts.frequencies(fill=fill)).startswith("fill: expected a beh")


def test_settings_may_have_the_probability_zero():
    probabilities = np.where(ODD, 0.25, 0.0)
    table = np.where(ODD.reshape(2, 2, 2, 1, 1, 1), 3, 0) * np.ones((1, 1, 1, 2, 2, 2), dtype=int)
    counts = BellCounts(table, "random", probabilities)
    assert counts.measured.tolist() == ODD.tolist()
    table = table.copy()
    table[0, 0, 1] = 1
    message = refusal(CountsError, lambda: BellCounts(table, "random", probabilities))
    assert "got 0 for settings (0, 0, 1), which came 8 times" in message
    with pytest.raises(CountsError, match=r"got 0 for settings \(0, 1\), which came 1 times"):
        BellTrials([[0, 0], [1, 1], [0, 1]], [[0, 0]] * 3, None, "random", [[0.5, 0], [0, 0.5]])
    with pytest.raises(CountsError, match="got 0 for setting 1 of party 0, whatever the others have"):
        BellTrials([[0, 0], [0, 1]], [[0, 0]] * 2, BellScenario((2, 2), (2, 2)), "random", [[0.5, 0.5], [0, 0]])


@pytest.mark.parametrize(
    "scenario",
    [BellScenario((2, 2, 2), (2, 2, 2)), BellScenario((3, 2), (2, 3)), BellScenario((2, 2), [[2, 3], [2, 2]])],
)
def test_parameters_are_the_rank_of_what_was_measured(scenario):
    rng = np.random.default_rng(1)
    for _ in range(5):
        measured = rng.random(scenario.num_settings) < 0.5
        measured.flat[0] = True
        mask = scenario.mask & measured.reshape(measured.shape + (1,) * scenario.num_parties)
        full = BellScenario(scenario.num_settings, scenario.max_outcomes)
        if scenario.has_equal_outcomes:
            cells = cells_from_collins_gisin(full)[mask.ravel()]
            assert measured_parameters(scenario, measured) == np.linalg.matrix_rank(cells) - 1
        assert measured_parameters(scenario, np.ones_like(measured)) == scenario.num_no_signaling_parameters
        assert 0 < measured_parameters(scenario, measured) <= scenario.num_no_signaling_parameters


def test_parties_act_on_what_was_measured():
    counts = BellCounts.from_counts({**THREE, (1, 0): {"0-": 4, "00": 1}})
    assert counts.lost_outcomes == (2, None)
    assert np.isnan(counts.lost_fraction[0, 1, 1])
    assert counts.assign_lost().num_shots.tolist() == [[4, 10], [5, 0]]
    assert counts.post_select().num_shots.tolist() == [[4, 10], [1, 0]]
    merged = counts.coarse_grain({0: [0, 1, 1]})
    assert merged.measured.tolist() == counts.measured.tolist()


def test_some_combinations_can_be_sampled():
    shots = np.where(ODD, 30, 0)
    counts = Behavior.from_state(ghz_state(3), "mermin").sample(shots, 1)
    assert counts.num_shots.tolist() == shots.tolist()
    with pytest.raises(CountsError, match=r"shots: .*got none for setting 1 of party 2"):
        Behavior.from_state(ghz_state(3), "mermin").sample(np.array([[[5, 0], [5, 0]], [[5, 0], [5, 0]]]), 1)
