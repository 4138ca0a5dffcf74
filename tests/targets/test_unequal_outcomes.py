import json

import numpy as np
import pytest
from qiskit import QuantumCircuit
from qiskit.primitives import StatevectorSampler
from qiskit_lhv import (
    Behavior,
    BellCounts,
    BellExperiment,
    BellScenario,
    BellTrials,
    find_local_model,
    measurement,
    read_counts,
    werner_state,
)
from qiskit_lhv.exceptions import CertificateError, CountsError, ScenarioError
from qiskit_lhv.experiments import SettingSchedule
from qiskit_lhv.models.deterministic import constant_strategies, enumerate_strategies, strategy_tables
from qiskit_lhv.optimize import GradientDescent
from qiskit_lhv.targets import divergence, project_to_no_signaling
from qiskit_lhv.targets.padding import padding_of

from helpers import random_no_signaling

UNEQUAL = BellScenario((2, 3), [[2, 3], [1, 2, 2]])


def test_numbers_of_a_scenario_count_what_is_real():
    assert UNEQUAL.num_outcomes == ((2, 3), (1, 2, 2))
    assert UNEQUAL.max_outcomes == (3, 2)
    assert UNEQUAL.shape == (2, 3, 3, 2)
    assert UNEQUAL.num_cells == UNEQUAL.mask.sum() == 5 * 5
    assert UNEQUAL.num_entries == 36
    assert UNEQUAL.num_party_strategies == (6, 4)
    assert UNEQUAL.num_no_signaling_parameters == (3 + 1) * (2 + 1) - 1
    assert not UNEQUAL.has_equal_outcomes
    assert not BellScenario((2, 2), [[2, 1], 2]).is_two_outcome
    assert not BellScenario((2, 2), [[2, 1], 2]).is_chsh
    assert UNEQUAL.mask[0, 1].tolist() == [[True, True], [True, True], [False, False]]
    assert UNEQUAL.mask[1, 0].tolist() == [[True, False]] * 3


def test_short_forms_are_the_full_one():
    full = BellScenario((2, 3), ((2, 2), (3, 3, 3)))
    assert full == BellScenario((2, 3), (2, 3)) == BellScenario((2, 3), [2, (3, 3, 3)])
    assert hash(full) == hash(BellScenario((2, 3), (2, 3)))
    assert BellScenario((2, 3), 2) == BellScenario((2, 3), (2, 2))
    assert full != BellScenario((2, 3), ((2, 2), (3, 3, 2)))
    assert str(UNEQUAL) == "2 parties with (2, 3) settings of ((2, 3), (1, 2, 2)) outcomes"


@pytest.mark.parametrize("seed", range(20))
def test_strategies_are_those_of_real_outcomes(seed):
    rng = np.random.default_rng(seed)
    num_settings = tuple(rng.integers(1, 4, size=rng.integers(1, 4)).tolist())
    scenario = BellScenario(num_settings, [rng.integers(1, 4, size=m).tolist() for m in num_settings])
    if scenario.num_strategies > 20000:
        return
    strategies = enumerate_strategies(scenario)
    assert len(np.unique(strategies, axis=0)) == len(strategies) == scenario.num_strategies
    assert np.all(strategies < np.concatenate(scenario.num_outcomes))
    tables = strategy_tables(constant_strategies(scenario), scenario)
    # Some mixture of the starting strategies is white noise.
    from scipy.optimize import nnls

    assert nnls(tables.T, scenario.white_noise_table.ravel())[1] < 1e-9


def test_padding_must_be_zero():
    white = Behavior.white_noise(UNEQUAL)
    assert white.is_no_signaling()
    assert not white.array[~UNEQUAL.mask].any()
    wrong = np.full(UNEQUAL.shape, 1 / 6)
    with pytest.raises(ScenarioError, match="0 for outcomes that a setting does not have"):
        Behavior(wrong, UNEQUAL)
    with pytest.raises(ScenarioError, match=r"array: expected shape \(2, 3, 3, 2\)"):
        Behavior(white.array[:1], UNEQUAL)
    with pytest.raises(CountsError, match="0 for outcomes that a setting does not have"):
        BellCounts(np.ones(UNEQUAL.shape, int), scenario=UNEQUAL)


@pytest.mark.parametrize("seed", range(5))
def test_collins_gisin_tables_have_no_padding(seed):
    behavior = random_no_signaling(UNEQUAL, seed)
    table = behavior.to_collins_gisin(1e-7)
    assert table.shape == (4, 3)
    assert np.abs(Behavior.from_collins_gisin(table, UNEQUAL).array - behavior.array).max() < 1e-9


@pytest.mark.parametrize("seed", range(5))
def test_projections_are_those_of_outcomes_that_never_happen(seed):
    rng = np.random.default_rng(seed)
    table = rng.gamma(1.0, size=UNEQUAL.shape) * UNEQUAL.mask
    table /= table.sum(axis=UNEQUAL.outcome_axes, keepdims=True)
    found, embedded = project_to_no_signaling(Behavior(table, UNEQUAL)), project_to_no_signaling(Behavior(table))
    assert found.scenario == UNEQUAL
    assert found.is_no_signaling(1e-9)
    assert np.abs(found.array - embedded.array).max() < 1e-6
    assert abs(divergence(Behavior(table, UNEQUAL), found) - divergence(Behavior(table), embedded)) < 1e-9


def test_spreading_and_collecting():
    padding = padding_of(UNEQUAL)
    table = random_no_signaling(UNEQUAL, 1).array.ravel()
    spread = padding.spread(table)
    assert np.abs(padding.collected(spread) - table).max() < 1e-15
    assert np.abs(Behavior(spread.reshape(UNEQUAL.shape)).array.sum(axis=(2, 3)) - 1).max() < 1e-9
    assert padding_of(BellScenario((2, 2), (2, 3))) is None


def test_coarse_graining_and_lifting_are_inverse():
    behavior = random_no_signaling(UNEQUAL, 2)
    coarse = behavior.coarse_grain({(0, 1): [0, 1, 1]})
    assert coarse.scenario == BellScenario((2, 3), [2, [1, 2, 2]])
    assert np.allclose(coarse.array[1, 2, 1], behavior.array[1, 2, 1] + behavior.array[1, 2, 2])
    lifted = behavior.lift_outcomes({(0, 0): [0, 1, 1], (1, 0): [0, 0]})
    assert lifted.scenario.num_outcomes == ((3, 3), (2, 2, 2))
    assert lifted.coarse_grain({(0, 0): [0, 1, 1], (1, 0): [0, 0]}) == behavior
    swapped = behavior.coarse_grain({(1, 1): [1, 0]})
    assert np.array_equal(swapped.array[:, 1], behavior.array[:, 1, :, ::-1])
    assert behavior.coarse_grain({}) == behavior
    assert Behavior([[0.5, 0.5], [0.2, 0.8]]).coarse_grain({0: [0, 0]}).scenario == BellScenario(2, 1)


@pytest.mark.parametrize(
    ("outcomes", "words"),
    [
        ({(0, 1): [0, 1]}, "one number for each of 3 outcomes"),
        ({(0, 1): [0, 2, 2]}, "without gaps"),
        ({(0, 1): []}, "without gaps"),
        ({(0, 1): "011"}, "without gaps"),
        ({(0, 2): [0, 1]}, "settings of"),
        ({(2, 0): [0, 1]}, "the key (2, 0)"),
        ({0: [0, 1]}, "one number for each of 3 outcomes"),
        ({0: [0, 1], (0, 0): [0, 1]}, "twice"),
        ([[0, 1]], "a dictionary"),
        ({(0, 1, 1): [0]}, "the key (0, 1, 1)"),
    ],
)
def test_bad_maps_are_refused(outcomes, words):
    with pytest.raises(ScenarioError) as caught:
        random_no_signaling(UNEQUAL, 3).coarse_grain(outcomes)
    assert words in str(caught.value)
    with pytest.raises(CountsError) as refused:
        random_no_signaling(UNEQUAL, 3).sample(10, seed=1).coarse_grain(outcomes)
    assert words in str(refused.value)


def test_lifting_needs_every_outcome():
    with pytest.raises(ScenarioError, match="each of the outcomes below 2 at least once"):
        Behavior([[0.5, 0.5]]).lift_outcomes({0: [0, 1, 2]})


def test_counts_keep_their_scenario(tmp_path):
    counts = random_no_signaling(UNEQUAL, 4).sample(200, seed=1)
    assert counts.scenario == UNEQUAL
    assert counts.frequencies().scenario == UNEQUAL
    merged = counts.coarse_grain({(0, 1): [0, 0, 1]})
    assert merged.scenario == BellScenario((2, 3), [2, [1, 2, 2]])
    assert np.array_equal(merged.num_shots, counts.num_shots)
    for suffix in (".json", ".npz"):
        counts.save(tmp_path / f"counts{suffix}")
        assert BellCounts.load(tmp_path / f"counts{suffix}") == counts
        behavior = counts.frequencies()
        behavior.save(tmp_path / f"behavior{suffix}")
        assert Behavior.load(tmp_path / f"behavior{suffix}") == behavior
    assert counts != BellCounts(counts.array)


def test_an_edited_file_with_shots_in_padding_is_refused(tmp_path):
    counts = random_no_signaling(UNEQUAL, 4).sample(200, seed=1)
    path = tmp_path / "counts.json"
    counts.save(path)
    data = json.loads(path.read_text())
    cell = int(np.flatnonzero(~UNEQUAL.mask.ravel())[0])
    data["fields"]["array"]["data"][cell] = 1
    path.write_text(json.dumps(data))
    with pytest.raises(CertificateError):
        BellCounts.load(path)


def test_files_of_older_releases_have_one_number_for_each_party(tmp_path):
    path = tmp_path / "scenario.json"
    path.write_text(
        json.dumps(
            {
                "class": "BellScenario",
                "schema_version": 1,
                "fields": {"num_settings": [2, 2], "num_outcomes": [2, 3]},
            }
        )
    )
    assert BellScenario.load(path) == BellScenario((2, 2), (2, 3))


def test_dictionaries_and_files_of_counts(tmp_path):
    table = {(0,): {(0,): 5, (1,): 6, (2,): 7}, (1,): {(0,): 9}}
    counts = BellCounts.from_counts(table, num_outcomes=[[3, 1]])
    assert counts.scenario == BellScenario(2, [[3, 1]])
    with pytest.raises(CountsError, match=r"outcomes below \(1,\)"):
        BellCounts.from_counts({(0,): {(2,): 7}, (1,): {(1,): 9}}, num_outcomes=[[3, 1]])
    path = tmp_path / "counts.json"
    path.write_text(json.dumps({"table": [[5, 6, 7], [9, 0, 0]], "num_outcomes": [[3, 1]]}))
    assert read_counts(path) == counts
    path.write_text(json.dumps({"table": [[5, 6, 7], [9, 1, 0]], "num_outcomes": [[3, 1]]}))
    with pytest.raises(CountsError, match="0 for outcomes that a setting does not have"):
        read_counts(path)
    path.write_text(json.dumps({"table": [[5, 6, 7], [9, 0, 0]], "num_outcomes": [[3]]}))
    with pytest.raises(CountsError, match="num_outcomes"):
        read_counts(path)


def test_lost_keys_of_settings_with_different_numbers_of_outcomes():
    table = {
        (0, 0): {(0, 0): 5, (2, 1): 6, (None, 1): 1},
        (0, 1): {(1, 0): 8, (None, None): 2},
        (1, 0): {(0, 0): 4, (1, 1): 3, (1, None): 7},
        (1, 1): {(None, 1): 9},
    }
    counts = BellCounts.from_counts(table, num_outcomes=[[3, 2], 2])
    # One number stands for the lost outcome of all settings: 0 where these differ, else the last.
    assert counts.scenario == BellScenario((2, 2), [[4, 3], [3, 3]])
    assert counts.lost_outcomes == (0, 2)
    seen = {}
    for x, y, a, b in np.argwhere(counts.array > 0).tolist():
        seen[x, y, None if a == 0 else a - 1, None if b == 2 else b] = int(counts.array[x, y, a, b])
    assert seen == {(*key, *outcome): number for key, value in table.items() for outcome, number in value.items()}
    kept = {key: {o: n for o, n in value.items() if None not in o} for key, value in table.items()}
    with pytest.raises(CountsError):
        counts.post_select()
    table[1, 1][1, 1] = kept[1, 1][1, 1] = 2
    selected = BellCounts.from_counts(table, num_outcomes=[[3, 2], 2]).post_select()
    assert np.array_equal(selected.array, BellCounts.from_counts(kept, num_outcomes=[[3, 2], 2]).array)
    assert selected.scenario == BellScenario((2, 2), [[3, 2], [2, 2]])
    # Assigned to outcome 1 of both parties.
    filled = {key: {} for key in table}
    for key, value in table.items():
        for outcome, number in value.items():
            cell = tuple(1 if a is None else a for a in outcome)
            filled[key][cell] = filled[key].get(cell, 0) + number
    assigned = BellCounts.from_counts(table, num_outcomes=[[3, 2], 2]).assign_lost(1)
    assert np.array_equal(assigned.array, BellCounts.from_counts(filled, num_outcomes=[[3, 2], 2]).array)
    assert counts.lost_fraction[0, 1, 1] == 1.0


def test_lost_outcomes_are_ones_that_all_settings_have():
    scenario = BellScenario(2, [[3, 4]])
    counts = BellCounts([[1, 5, 6, 0], [2, 3, 4, 5]], lost_outcomes=(0,), scenario=scenario)
    assigned = counts.assign_lost(1)
    assert assigned.scenario == BellScenario(2, [[2, 3]])
    assert assigned.array.tolist() == [[5, 7, 0], [3, 6, 5]]
    selected = counts.post_select()
    assert selected.array.tolist() == [[5, 6, 0], [3, 4, 5]]
    assert selected.scenario == assigned.scenario
    with pytest.raises(CountsError, match="lost_outcomes"):
        BellCounts([[1, 5, 6, 0], [2, 3, 4, 5]], lost_outcomes=(3,), scenario=scenario)
    with pytest.raises(CountsError, match="at least two outcomes"):
        BellCounts([[1, 5], [2, 0]], lost_outcomes=(0,), scenario=BellScenario(2, [[2, 1]])).assign_lost()


def test_trials_know_which_outcomes_a_setting_has():
    scenario = BellScenario((2, 2), [[2, 3], [1, 2]])
    settings = [[0, 0], [1, 0], [0, 1], [1, 1]]
    trials = BellTrials(settings, [[1, 0], [2, 0], [0, 1], [0, 0]], scenario, design="random")
    assert trials.to_counts().scenario == scenario
    merged = trials.coarse_grain({(0, 1): [1, 0, 0]})
    assert merged.outcomes.tolist() == [[1, 0], [0, 0], [0, 1], [1, 0]]
    assert np.array_equal(merged.table, trials.to_counts().coarse_grain({(0, 1): [1, 0, 0]}).array)
    with pytest.raises(CountsError, match="outcomes below 2 for setting 0 of party 0"):
        BellTrials(settings, [[2, 0], [2, 0], [0, 1], [0, 0]], scenario, design="random")


@pytest.mark.parametrize("efficiency", [0.0, 0.3, 1.0])
def test_lost_clicks_get_an_outcome_of_every_setting(efficiency):
    behavior = random_no_signaling(UNEQUAL, 5)
    seen = behavior.with_efficiency(efficiency)
    assert seen.scenario.num_outcomes == ((3, 4), (2, 3, 3))
    assert abs(seen.array[0, 0, 2].sum() - (1 - efficiency)) < 1e-12
    assert abs(seen.array[1, 0, 3].sum() - (1 - efficiency)) < 1e-12
    assert np.allclose(seen.array[0, 1, :2, :2], efficiency**2 * behavior.array[0, 1, :2, :2])
    assigned = behavior.with_efficiency(efficiency, assign=[1, 0])
    assert assigned.scenario == UNEQUAL
    merged = seen.coarse_grain(
        {(0, 0): [0, 1, 1], (0, 1): [0, 1, 2, 1], (1, 0): [0, 0], (1, 1): [0, 1, 0], (1, 2): [0, 1, 0]}
    )
    assert np.allclose(assigned.array, merged.array)
    with pytest.raises(ScenarioError, match="assign"):
        behavior.with_efficiency(efficiency, assign=[2, None])


def test_measurements_of_a_state_may_differ():
    trine = [np.array([[1 + c, s], [s, 1 - c]]) / 3 for c, s in ((1, 0), (-0.5, 0.75**0.5), (-0.5, -(0.75**0.5)))]
    behavior = Behavior.from_state(werner_state(0.8), [["Z", trine], ["X", [np.eye(2)]]])
    assert behavior.scenario == BellScenario((2, 2), [[2, 3], [2, 1]])
    assert np.allclose(behavior.array[1, 1, :, 0], 1 / 3)
    assert behavior.is_no_signaling()


def test_experiments_keep_the_scenario():
    circuit = QuantumCircuit(3)
    circuit.h(0)
    circuit.cx(0, 1)
    circuit.cx(0, 2)
    experiment = BellExperiment(circuit, [[measurement(basis="XZ"), "XZ", "II"], ["X", "Z"]], parties=[[0, 1], 2])
    assert experiment.scenario.num_outcomes == ((4, 2, 1), (2, 2))
    counts = experiment.run(StatevectorSampler(seed=1), shots=4000)
    assert counts.scenario == experiment.scenario == experiment.behavior().scenario
    assert np.abs(counts.frequencies().array - experiment.behavior().array).max() < 0.05
    schedule = SettingSchedule.random(experiment.scenario.num_settings, 300, seed=1)
    assert experiment.run_trials(StatevectorSampler(seed=1), schedule).scenario == experiment.scenario
    # Settings of one outcome are measured all the same, and one circuit serves all.
    idle = BellExperiment(QuantumCircuit(2), [["X", "I"], ["X", "Z"]])
    assert idle.uses_one_circuit
    assert idle.run(StatevectorSampler(seed=1), shots=10).array[1, :, 1].sum() == 0


def test_models_of_directions_refuse_settings_of_one_outcome():
    model = find_local_model(werner_state(0.3), num_hidden=16, optimizer=GradientDescent(num_steps=2), seed=1).model
    with pytest.raises(ScenarioError, match="with two outcomes"):
        model.behavior([["X", "I"], ["X", "Z"]])
