"""Schedules of many parties: draws by weight, few combinations that cover all terms, and bad input."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from qiskit_lhv import BellScenario
from qiskit_lhv.exceptions import CountsError
from qiskit_lhv.experiments import ManyPartySchedule
from qiskit_lhv.polytope import SparseExpression, baccari_inequality, mermin


def test_terms_are_drawn_by_the_size_of_their_coefficients_and_other_parties_uniformly():
    scenario = BellScenario([2, 3, 2], 2)
    expression = SparseExpression.of_terms(scenario, {((0, 1), (1, 2)): -3, ((2, 1),): 1, (): 5})
    schedule = ManyPartySchedule.random(expression, 4000, seed=1)
    assert schedule.design == "random"
    assert schedule.total_shots == 4000
    pair = schedule.drawn_terms[:, 0] == 1
    assert abs(pair.mean() - 0.75) < 0.03
    assert_array_equal(np.unique(schedule.drawn_terms[pair], axis=0), [[1, 2, -1]])
    assert_array_equal(np.unique(schedule.drawn_terms[~pair], axis=0), [[-1, -1, 1]])
    assert abs(schedule.settings[pair, 2].mean() - 0.5) < 0.05
    assert np.all(np.abs(np.bincount(schedule.settings[~pair, 1]) / np.sum(~pair) - 1 / 3) < 0.06)
    again = ManyPartySchedule.random(expression, 4000, seed=1)
    assert again == schedule


def test_few_combinations_cover_every_term():
    rng = np.random.default_rng(4)
    for _ in range(20):
        grid = rng.integers(1, 4, size=6)
        rows = np.unique(np.where(rng.random((15, 6)) < 0.5, rng.integers(0, grid, (15, 6)), -1), axis=0)
        expression = SparseExpression(BellScenario(grid.tolist(), 2), rows, np.ones(len(rows)))
        settings = ManyPartySchedule.blocks(expression, 10).settings
        covered = np.all((rows[:, None] == -1) | (rows[:, None] == settings), axis=2).any(axis=1)
        assert covered.all()
        assert len(settings) <= len(rows)
    # All neighbors of a chain, in the same settings: one combination of two settings in turns.
    chain = {((k, k % 2), (k + 1, (k + 1) % 2)): 1.0 for k in range(99)}
    schedule = ManyPartySchedule.blocks(SparseExpression.of_terms(BellScenario([2] * 100, 2), chain), 7)
    assert_array_equal(schedule.settings, [[0, 1] * 50])


def test_saved_and_loaded(tmp_path):
    expression = SparseExpression.of_terms(BellScenario([2, 2], 2), {((0, 0), (1, 1)): 1.0})
    schedule = ManyPartySchedule.random(expression, 5, 3, seed=2)
    schedule.save(tmp_path / "schedule.npz")
    assert ManyPartySchedule.load(tmp_path / "schedule.npz") == schedule


def test_an_expression_with_a_table_gives_the_schedule_of_its_list():
    assert ManyPartySchedule.random(mermin(4), 5, 3, seed=2) == ManyPartySchedule.random(
        mermin(4).to_sparse(), 5, 3, seed=2
    )
    assert ManyPartySchedule.blocks(mermin(3), 2) == ManyPartySchedule.blocks(mermin(3).to_sparse(), 2)
    with pytest.raises(CountsError, match=r"expression: .* Pass its expression: inequality.expression"):
        ManyPartySchedule.random(baccari_inequality([(0, 1), (1, 2)]), 5)


def test_bad_input():
    scenario = BellScenario([2, 2], 2)
    expression = SparseExpression.of_terms(scenario, {((0, 0), (1, 1)): 1.0})
    with pytest.raises(CountsError, match=r"expression: expected an expression of many parties"):
        ManyPartySchedule.random("mermin", 10)
    with pytest.raises(CountsError, match=r"num_runs"):
        ManyPartySchedule.random(expression, 0)
    with pytest.raises(CountsError, match=r"shots: expected a positive whole number"):
        ManyPartySchedule(scenario, [[0, 0]], [0])
    with pytest.raises(CountsError, match=r"at most 100000000 of all runs"):
        ManyPartySchedule(scenario, [[0, 0]] * 2, [10**8, 2**53])
    with pytest.raises(CountsError, match=r"settings 0 to 1 of party 1"):
        ManyPartySchedule(scenario, [[0, 2]], 5)
    with pytest.raises(CountsError, match=r"drawn_terms: expected the drawn term"):
        ManyPartySchedule(scenario, [[0, 0]], 5, "random")
    with pytest.raises(CountsError, match=r"terms whose settings are those of their runs"):
        ManyPartySchedule(scenario, [[0, 0]], 5, "random", [[1, -1]])
    large = SparseExpression(
        BellScenario([2] * 17, 2), np.stack(np.unravel_index(range(70000), [2] * 17), 1), [1] * 70000
    )
    with pytest.raises(CountsError, match=r"at most 65536 terms.*random"):
        ManyPartySchedule.blocks(large, 5)
    with pytest.raises(CountsError, match=r"besides the constant"):
        ManyPartySchedule.blocks(SparseExpression.of_terms(scenario, {(): 1.0}), 5)
