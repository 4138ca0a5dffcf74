import numpy as np
import pytest
from qiskit import QuantumCircuit
from qiskit.primitives import BackendSamplerV2, StatevectorSampler
from qiskit.primitives.containers.sampler_pub import SamplerPub
from qiskit.providers.fake_provider import GenericBackendV2
from qiskit_aer.primitives import SamplerV2 as AerSampler
from qiskit_lhv import BellExperiment, LHVError, Verdict, analyze, measurement
from qiskit_lhv.exceptions import CountsError
from qiskit_lhv.experiments import SettingSchedule

from helpers import bell_circuit, ignore_missing_coherence_times

GRID = (2, 1, 3)
COMBINATIONS = [list(position) for position in np.ndindex(GRID)]
UNEQUAL = np.array([[[100, 7, 3]], [[55, 1, 20]]])


def shots_by_combination(schedule, grid=GRID):
    table = np.zeros(grid, dtype=int)
    np.add.at(table, tuple(schedule.positions.T), schedule.shots)
    return table


# Blocks


def test_blocks_visit_every_combination_once_in_order():
    schedule = SettingSchedule.blocks(GRID, UNEQUAL)
    assert schedule.positions.tolist() == COMBINATIONS
    assert schedule.shots.tolist() == UNEQUAL.ravel().tolist()
    assert schedule.design == "blocks"
    assert schedule.setting_probabilities is None
    assert (schedule.num_runs, schedule.num_parties, schedule.total_shots) == (6, 3, 186)


def test_one_number_is_the_shots_of_each_combination():
    assert SettingSchedule.blocks(GRID, 20).shots.tolist() == [20] * 6


# Interleaved


def test_every_round_visits_every_combination_in_an_order_of_its_own():
    schedule = SettingSchedule.interleaved(GRID, 100, rounds=20, seed=1)
    rounds = schedule.positions.reshape(20, 6, 3).tolist()
    assert all(sorted(one) == COMBINATIONS for one in rounds)
    assert len({str(one) for one in rounds}) > 15
    assert schedule.shots.tolist() == [5] * 120
    assert schedule.stretches == ((0, 120),)
    assert schedule.design == "blocks"


def test_shares_are_as_even_as_whole_numbers_allow():
    schedule = SettingSchedule.interleaved(GRID, UNEQUAL, rounds=10, seed=1)
    np.testing.assert_array_equal(shots_by_combination(schedule), UNEQUAL)
    for position, total in zip(COMBINATIONS, UNEQUAL.ravel(), strict=True):
        shares = schedule.shots[np.all(schedule.positions == position, axis=1)]
        assert set(shares) <= {total // 10, total // 10 + 1} - {0}
        assert len(shares) == min(total, 10)


def test_a_remainder_is_spread_over_the_rounds():
    # 23 shots in 10 rounds: the running total stays within a shot of 2.3 a round.
    schedule = SettingSchedule.interleaved((1,), 23, rounds=10)
    running = np.cumsum(schedule.shots)
    assert np.all(np.abs(running - 2.3 * np.arange(1, 11)) <= 0.5 + 1e-9)


def test_more_rounds_than_shots_are_no_rounds():
    schedule = SettingSchedule.interleaved((2, 2), 3, rounds=10, seed=1)
    assert schedule.num_runs == 12
    assert set(schedule.shots.tolist()) == {1}


def test_orders_repeat_with_their_seed():
    first, again, other = (SettingSchedule.interleaved(GRID, 100, seed=seed) for seed in (3, 3, 4))
    assert first == again
    assert first != other


# Random


def test_random_settings_have_their_probabilities():
    probabilities = np.array([[[0.05, 0.1, 0.15]], [[0.4, 0.1, 0.2]]])
    schedule = SettingSchedule.random(GRID, 20_000, probabilities, seed=5)
    np.testing.assert_allclose(schedule.setting_probabilities, probabilities, atol=1e-15)
    assert schedule.design == "random"
    assert set(schedule.shots.tolist()) == {1}
    errors = np.sqrt(probabilities * (1 - probabilities) / 20_000)
    assert np.all(np.abs(shots_by_combination(schedule) / 20_000 - probabilities) <= 5 * errors)


def test_random_settings_are_uniform_by_default_and_independent_of_the_trial_before():
    schedule = SettingSchedule.random((2, 2), 10_000, seed=6)
    np.testing.assert_array_equal(schedule.setting_probabilities, np.full((2, 2), 0.25))
    x, y = 1.0 - 2 * schedule.positions.T
    for one, other in ((x, y), (x[1:], x[:-1]), (y[1:], y[:-1]), (x[1:], y[:-1])):
        assert abs(np.mean(one * other)) <= 5 / 100


# Bad input


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (([], []), "positions: expected whole numbers of at least zero, shape (P, N)"),
        (([0, 1], [1, 1]), "positions: expected whole numbers"),
        (([[0, -1]], [1]), "negative numbers"),
        (([[0, 0.5]], [1]), "positions: expected whole numbers"),
        (([[0, 0]], [0]), "shots: expected a positive whole number"),
        (([[0, 0]], [1, 2]), "shots: expected a positive whole number"),
        (([[0, 0]], [1], "shuffled"), "design: expected 'blocks' or 'random'"),
        (([[0, 0]], [1], "random"), "setting_probabilities: expected the probability"),
        (([[0, 0]], [1], "blocks", [[1.0]]), "setting_probabilities: expected None"),
        (([[0, 0]], [1], "random", [[0.6, 0.6]]), "setting_probabilities: expected numbers of at least 0"),
        (([[0, 2]], [1], "random", [[0.5, 0.5]]), "setting_probabilities: expected a shape above (0, 2)"),
        (([[0, 0]], [1], "random", [0.5, 0.5]), "setting_probabilities: expected a shape above (0, 0)"),
        (([[0, 0], [0, 1]], [1, 2], "random", [[0.5, 0.5]]), "shots: expected one shot per run for design='random'"),
    ],
)
def test_parts_that_do_not_fit_are_refused(arguments, words):
    with pytest.raises(CountsError) as caught:
        SettingSchedule(*arguments)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: SettingSchedule.blocks((2, 0), 10), "num_settings"),
        (lambda: SettingSchedule.blocks((2, 2), [1, 2]), "shots"),
        (lambda: SettingSchedule.interleaved((2, 2), 10, rounds=0), "rounds"),
        (lambda: SettingSchedule.interleaved((2, 2), 10, rounds=2.5), "rounds"),
        (lambda: SettingSchedule.random((2, 2), 0), "num_trials"),
        (lambda: SettingSchedule.random((2, 2), 10.0), "num_trials"),
        (lambda: SettingSchedule.random((2, 2), 10, [[0.5, 0.5], [0.5, 0.5]]), "setting_probabilities"),
        (lambda: SettingSchedule.random((2, 2), 10, [[1.0, 0.0], [0.0, 0.0]]), "setting_probabilities"),
    ],
)
def test_bad_arguments_are_refused(call, words):
    with pytest.raises(CountsError, match=rf"^{words}: expected"):
        call()


def test_bad_seeds_are_refused():
    with pytest.raises(LHVError, match=r"^seed"):
        SettingSchedule.random((2, 2), 10, seed=-1)


@pytest.mark.parametrize("suffix", ["json", "npz"])
def test_schedules_are_saved_and_loaded(tmp_path, suffix):
    schedule = SettingSchedule.random(GRID, 50, seed=1)
    path = tmp_path / f"schedule.{suffix}"
    schedule.save(path)
    assert SettingSchedule.load(path) == schedule
    assert str(schedule) == "50 runs, 50 shots, design='random'"


# On experiments. Outcomes that follow from the settings: party 0 on qubit 2 and party 2 on qubit 0.


def certain_experiment():
    circuit = QuantumCircuit(3)
    circuit.x(0)
    return BellExperiment(circuit, [["Z", "-Z"], ["Z"], ["Z", "-Z", "-Z"]], [2, 1, 0])


def certain_outcomes(settings):
    return np.stack([settings[:, 0], np.zeros(len(settings), dtype=int), settings[:, 2] == 0], axis=1)


def schedules():
    return {
        "blocks": SettingSchedule.blocks(GRID, UNEQUAL),
        "interleaved": SettingSchedule.interleaved(GRID, 20, rounds=5, seed=2),
        "uneven": SettingSchedule.interleaved(GRID, UNEQUAL, rounds=4, seed=3),
        "random": SettingSchedule.random(GRID, 200, [[[0.1, 0.2, 0.1]], [[0.3, 0.2, 0.1]]], seed=4),
    }


@pytest.mark.parametrize("sampler", [StatevectorSampler(seed=7), AerSampler(seed=7)], ids=["statevector", "aer"])
@pytest.mark.parametrize("name", list(schedules()))
def test_trials_come_in_the_order_they_were_taken(name, sampler):
    schedule = schedules()[name]
    trials = certain_experiment().run_trials(sampler, schedule)
    np.testing.assert_array_equal(trials.settings, np.repeat(schedule.positions, schedule.shots, axis=0))
    np.testing.assert_array_equal(trials.outcomes, certain_outcomes(trials.settings))
    assert trials.scenario == certain_experiment().scenario
    assert trials.design == schedule.design
    if schedule.design == "random":
        np.testing.assert_array_equal(trials.setting_probabilities, schedule.setting_probabilities)


@pytest.mark.parametrize("name", list(schedules()))
def test_counts_are_those_of_the_trials(name):
    experiment, schedule = product_experiment(), schedules()[name]
    result = StatevectorSampler(seed=np.random.default_rng(8)).run(experiment.pubs(schedule)).result()
    counts, trials = experiment.counts(result, schedule), experiment.trials(result, schedule)
    assert counts == trials.to_counts()
    np.testing.assert_array_equal(counts.num_shots, shots_by_combination(schedule))
    assert experiment.run(StatevectorSampler(seed=8), schedule).design == schedule.design


def product_experiment():
    circuit = QuantumCircuit(4)
    for qubit, (polar, azimuth) in enumerate([(0.4, 1.1), (1.0, 2.0), (1.3, -0.8), (2.2, 0.5)]):
        circuit.ry(polar, qubit)
        circuit.rz(azimuth, qubit)
    return BellExperiment(circuit, [["X", (0, 0.6, 0.8)], ["-Z"], ["Y", "Z", (0.48, -0.6, 0.64)]], [2, 0, 3])


@pytest.mark.parametrize("sampler", [StatevectorSampler(seed=9), AerSampler(seed=9)], ids=["statevector", "aer"])
@pytest.mark.parametrize("random", [True, False])
def test_frequencies_agree_with_the_behavior(sampler, random):
    experiment = product_experiment()
    schedule = (
        SettingSchedule.random(GRID, 1500, seed=10)
        if random
        else SettingSchedule.interleaved(GRID, 20_000, rounds=10, seed=10)
    )
    counts, expected = experiment.run(sampler, schedule), experiment.behavior().array
    shots = counts.num_shots.reshape((*GRID, 1, 1, 1))
    assert np.all(np.abs(counts.array / shots - expected) <= 5 * np.sqrt(expected * (1 - expected) / shots))


def test_joint_bases_have_trials_too():
    bell_basis = QuantumCircuit(2)
    bell_basis.h(0)
    bell_basis.cx(0, 1)
    circuit = QuantumCircuit(3)
    circuit.compose(bell_basis, [0, 2], inplace=True)
    settings = [[measurement(basis="ZZ"), measurement(basis=bell_basis)], ["Z", "-Z"]]
    experiment = BellExperiment(circuit, settings, [(0, 2), 1])
    schedule = SettingSchedule.random((2, 2), 100, seed=1)
    pubs = experiment.pubs(schedule)
    assert [SamplerPub.coerce(pub).shape for pub in pubs] == [()] * 100
    assert len({id(pub[0]) for pub in pubs}) == 4
    trials = experiment.run_trials(StatevectorSampler(seed=2), schedule)
    np.testing.assert_array_equal(trials.settings, schedule.positions)
    np.testing.assert_array_equal(trials.outcomes[:, 1], trials.settings[:, 1])
    joint = trials.settings[:, 0] == 1
    assert set(trials.outcomes[joint, 0].tolist()) == {0}
    assert set(trials.outcomes[~joint, 0].tolist()) == {0, 3}


# PUBs


def bell_experiment():
    return BellExperiment(bell_circuit(), "chsh")


@pytest.mark.parametrize(
    ("schedule", "shapes"),
    [
        (SettingSchedule.random((2, 2), 10_000, seed=1), [(10_000,)]),
        (SettingSchedule.blocks((2, 2), 100), [(4,)]),
        (SettingSchedule.blocks((2, 2), [[10, 10], [30, 10]]), [(2,), (1,), (1,)]),
        (SettingSchedule.interleaved((2, 2), 1000, rounds=10, seed=1), [(40,)]),
        # Rounds of 2, 3 and 2 shots.
        (SettingSchedule.interleaved((2, 2), 7, rounds=3, seed=1), [(4,), (4,), (4,)]),
    ],
)
def test_runs_of_equal_shots_share_a_pub(schedule, shapes):
    pubs = [SamplerPub.coerce(pub) for pub in bell_experiment().pubs(schedule)]
    assert [pub.shape for pub in pubs] == shapes
    assert [pub.shots for pub in pubs] == [schedule.shots[start] for start, _ in schedule.stretches]


def test_absurd_numbers_of_pubs_are_refused_with_a_remedy():
    bell_basis = QuantumCircuit(2)
    bell_basis.h(0)
    bell_basis.cx(0, 1)
    joint = BellExperiment(QuantumCircuit(2), [[measurement(basis=bell_basis)]], [(0, 1)])
    with pytest.raises(CountsError, match=r"at most 1000 PUBs, got 2000, because joint bases.*fewer rounds"):
        joint.pubs(SettingSchedule.random((1,), 2000))
    uneven = SettingSchedule(np.zeros((2000, 2), dtype=int), 1 + np.arange(2000) % 2)
    with pytest.raises(CountsError, match=r"got 2000, because runs of unequal shots.*same shots"):
        bell_experiment().pubs(uneven)


@pytest.mark.parametrize(
    ("schedule", "words"),
    [
        (SettingSchedule.blocks((2, 3), 10), r"one for \(2, 2\) settings, got positions up to \(1, 2\)"),
        (SettingSchedule.blocks((2,), 10), r"one for \(2, 2\) settings, got positions up to \(1,\)"),
        (SettingSchedule.random((2, 3), 1, seed=1), r"one for \(2, 2\) settings, got one for \(2, 3\) settings"),
    ],
)
def test_schedules_of_other_settings_are_refused(schedule, words):
    experiment = bell_experiment()
    for call in (
        lambda: experiment.pubs(schedule),
        lambda: experiment.run(StatevectorSampler(), schedule),
        lambda: experiment.run_trials(StatevectorSampler(), schedule),
    ):
        with pytest.raises(CountsError, match=rf"^schedule: expected {words}.*num_settings"):
            call()


@pytest.mark.parametrize("schedule", [1000, [[1, 2], [3, 4]], None, "random"])
def test_trials_need_a_schedule(schedule):
    for call in (bell_experiment().run_trials, bell_experiment().trials):
        with pytest.raises(CountsError, match=r"^schedule: expected a SettingSchedule.*SettingSchedule\.blocks"):
            call(StatevectorSampler(), schedule)


def test_results_of_other_schedules_are_refused():
    experiment = bell_experiment()
    schedule = SettingSchedule.interleaved((2, 2), 20, rounds=5, seed=1)
    result = StatevectorSampler(seed=1).run(experiment.pubs(schedule)).result()
    for other in (SettingSchedule.interleaved((2, 2), 20, rounds=4), SettingSchedule.interleaved((2, 2), 7, rounds=5)):
        with pytest.raises(CountsError, match=r"^result: expected .* PUBs of shapes .*Pass the result"):
            experiment.trials(result, other)
    with pytest.raises(CountsError, match=r"^result: expected at least 40 shots per run, got 4"):
        experiment.trials(result, SettingSchedule.interleaved((2, 2), 200, rounds=5))
    with pytest.raises(CountsError, match=r"^result: expected one PUB of shape \(2, 2\) or 4 PUBs"):
        experiment.counts(result)


def test_only_some_combinations_may_be_measured():
    experiment = bell_experiment()
    schedule = SettingSchedule([[0, 0], [1, 1]], [5, 5])
    assert experiment.run_trials(StatevectorSampler(seed=1), schedule).num_trials == 10
    counts = experiment.run(StatevectorSampler(seed=1), schedule)
    assert counts.num_shots.tolist() == [[5, 0], [0, 5]]
    with pytest.raises(CountsError, match="zero shots for setting 1 of party 0"):
        experiment.run(StatevectorSampler(seed=1), SettingSchedule([[0, 0], [0, 1]], [5, 5]))


def test_arrays_of_shots_may_leave_combinations_out():
    experiment = bell_experiment()
    shots = np.array([[7, 0], [4, 9]])
    counts = experiment.run(StatevectorSampler(seed=1), shots)
    assert counts.num_shots.tolist() == shots.tolist()
    assert SettingSchedule.blocks((2, 2), shots).positions.tolist() == [[0, 0], [1, 0], [1, 1]]
    assert SettingSchedule.interleaved((2, 2), shots, rounds=3, seed=1).shots.sum() == 20
    with pytest.raises(CountsError, match="none for setting 1 of party 0"):
        experiment.run(StatevectorSampler(seed=1), np.array([[7, 3], [0, 0]]))


# Independent shots


def backend_sampler(seed):
    backend = GenericBackendV2(2, noise_info=False, seed=3)
    return BackendSamplerV2(backend=backend, options={"seed_simulator": seed})


SAMPLERS = [lambda seed: StatevectorSampler(seed=seed), lambda seed: AerSampler(seed=seed), backend_sampler]
SAMPLER_NAMES = ["statevector", "aer", "backend"]


@ignore_missing_coherence_times
@pytest.mark.parametrize("make", SAMPLERS, ids=SAMPLER_NAMES)
@pytest.mark.parametrize("shots", [200, 200 + np.arange(10) // 3], ids=["equal", "unequal"])
def test_runs_of_one_setting_do_not_share_their_randomness(make, shots):
    # A fair coin in ten runs: with a seed shared by all runs or PUBs, some would agree.
    schedule = SettingSchedule(np.zeros((10, 1), dtype=int), np.broadcast_to(shots, 10))
    trials = BellExperiment(QuantumCircuit(1), [["X"]]).run_trials(make(5), schedule)
    assert trials.num_trials == schedule.total_shots
    stops = np.cumsum(schedule.shots)
    # Aer lists its shots from the last to the first: runs of different lengths would agree in their ends.
    for begins in (stops - schedule.shots, stops - 200):
        rows = np.array([1 - 2 * trials.outcomes[begin : begin + 200, 0] for begin in begins])
        overlaps = rows @ rows.T / 200 - np.eye(10)
        assert np.abs(overlaps).max() < 5 / np.sqrt(200)


@ignore_missing_coherence_times
@pytest.mark.parametrize("make", SAMPLERS, ids=SAMPLER_NAMES)
def test_random_trials_do_not_share_their_randomness(make):
    schedule = SettingSchedule.random((2,), 2000, seed=1)
    trials = BellExperiment(QuantumCircuit(1), [["X", "Y"]]).run_trials(make(6), schedule)
    signs = 1.0 - 2 * trials.outcomes[:, 0]
    assert abs(signs.mean()) < 5 / np.sqrt(2000)
    for lag in (1, 2, 3, 10):
        assert abs(np.mean(signs[lag:] * signs[:-lag])) < 5 / np.sqrt(2000 - lag)


@pytest.mark.parametrize("make", SAMPLERS[:2], ids=SAMPLER_NAMES[:2])
def test_seeded_trials_repeat(make):
    schedule = SettingSchedule.interleaved((2, 2), [[9, 5], [7, 6]], rounds=3, seed=1)
    first, again, other = (bell_experiment().run_trials(make(seed), schedule) for seed in (3, 3, 4))
    assert first == again
    assert first != other


# Up to the verdict


@ignore_missing_coherence_times
def test_random_trials_of_a_backend_reject_local_models():
    schedule = SettingSchedule.random((2, 2), 1200, [[0.2, 0.3], [0.3, 0.2]], seed=11)
    trials = bell_experiment().run_trials(backend_sampler(12), schedule)
    report = analyze(trials, seed=1)
    assert report.verdict is Verdict.NONLOCAL
    assert "drawn at random" in report.target
    # The sign of each trial's product of outcomes goes with its own settings, not with those of another trial.
    products = 1 - 2 * (trials.outcomes.sum(axis=1) % 2)
    signs = 1 - 2 * trials.settings.prod(axis=1)
    assert np.mean(products * signs) > 0.6
    assert np.mean(products * np.roll(signs, 1)) < 0.5
