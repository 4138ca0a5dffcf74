import jax.numpy as jnp
import numpy as np
import pytest
from qiskit_lhv._support.deadlines import Deadline
from qiskit_lhv.exceptions import SolverError
from qiskit_lhv.optimize import training
from qiskit_lhv.optimize.optimizers import ADAM, POLYAK
from qiskit_lhv.optimize.training import Problem, Schedule, train
from qiskit_lhv.optimize.tree_checkpoints import Checkpoint

# The schedule


@pytest.mark.parametrize(
    ("num_steps", "share", "planned"), [(1000, 0.4, 600), (1000, 1.0, 0), (10, 0.01, 9), (1, 0.4, 0)]
)
def test_without_plateau_the_final_phase_begins_as_planned(num_steps, share, planned):
    schedule = Schedule(0.5, num_steps, share, 0.02)
    assert schedule.turn(np.ones(num_steps)) == (planned, False)
    rates = schedule.rates(planned, np.arange(num_steps))
    assert len(rates) == num_steps
    np.testing.assert_array_equal(rates[:planned], 0.5)
    assert np.all(np.diff(rates[planned:]) < 0)
    assert rates[planned] == pytest.approx(0.5)
    if num_steps > planned + 1:
        assert rates[-1] == pytest.approx(0.01)


def test_final_phase_is_half_a_cosine():
    rates = Schedule(2.0, 9, 1.0, 0.1).rates(0, np.arange(9))
    # 2 (0.1 + 0.9 cos^2(phase / 2)), so halfway the mean of both ends.
    np.testing.assert_allclose(rates, 2 * (0.1 + 0.9 * np.cos(np.pi * np.arange(9) / 16) ** 2), rtol=1e-12)


def test_plateau_begins_the_final_phase_at_once():
    schedule = Schedule(1.0, 2000, 0.4, patience=150)
    # Falls by 1% every ten steps, until step 700.
    losses = 0.99 ** (np.minimum(np.arange(2000), 700) / 10)
    # The first check at which both halves of a window of 300 steps lie after step 700.
    assert schedule.turn(losses[:900]) == (1200, False)
    assert schedule.turn(losses[:1000]) == (1000, True)
    assert schedule.final_steps == 800
    rates = schedule.rates(1000, np.arange(1800))
    np.testing.assert_array_equal(rates[1000:], schedule.rates(1200, np.arange(1200, 2000)))


@pytest.mark.parametrize(("fall", "found"), [(0.995, True), (0.985, False)])
def test_a_plateau_falls_by_less_than_one_percent_within_the_patience(fall, found):
    losses = fall ** (np.arange(600) / 100)
    assert Schedule(1.0, 1000, 0.4, patience=100).turn(losses) == ((200, True) if found else (600, False))


def test_a_plateau_is_told_by_means_that_one_step_does_not_sway():
    schedule = Schedule(1.0, 1000, 0.4, patience=100)
    assert schedule.turn(np.repeat([1, 2, 1.5, 1], [1, 99, 99, 1])) == (600, False)
    assert schedule.turn(np.repeat([9, 1, 1, 0], [1, 99, 99, 1])) == (600, False)
    assert schedule.turn(np.repeat([0, 1, 1, 9], [1, 99, 99, 1])) == (200, True)


def test_a_rising_loss_is_a_plateau():
    assert Schedule(1.0, 1000, 0.4, patience=100).turn(np.linspace(1, 2, 600)) == (200, True)


def test_short_patience_is_checked_every_hundred_steps():
    assert Schedule(1.0, 1000, 0.4, patience=1).turn(np.ones(99)) == (600, False)
    assert Schedule(1.0, 1000, 0.4, patience=1).turn(np.ones(100)) == (100, True)


def test_patience_longer_than_the_main_phase_changes_nothing():
    assert Schedule(1.0, 1000, 0.4, patience=301).turn(np.ones(1000)) == (600, False)
    assert Schedule(1.0, 1000, 0.4, patience=300).turn(np.ones(1000)) == (600, True)


def test_a_turn_that_was_found_stays_when_the_history_grows():
    rng = np.random.default_rng(0)
    losses = np.exp(-np.arange(3000) / 150 + rng.normal(scale=0.3, size=3000)) + 0.1
    schedule = Schedule(1.0, 3000, 0.4, patience=200)
    turns = [schedule.turn(losses[:length]) for length in range(0, 3001, 100)]
    first = turns.index((turns[-1][0], True))
    assert turns[-1] == (100 * first, True)
    assert turns[:first] == [(1800, False)] * first
    assert set(turns[first:]) == {turns[-1]}


# The loop: each run has its own square to minimize


def squares(parameters, data):
    return jnp.mean((parameters["x"] - data) ** 2, axis=2)


def flat(parameters, data):
    return 1 + 0 * parameters["x"][:, :, 0] + 0 * parameters["y"][:, :, 0]


def breaking(parameters, data):
    """NaN in the last run alone, from the step on that is given."""
    losses = jnp.mean((parameters["x"] - 1) ** 2, axis=2)
    return jnp.where((jnp.arange(3) == 2)[None] & (data["step"] >= data["breaks"]), jnp.nan, losses)


def points(runs=(2, 3), size=5):
    return {"x": jnp.asarray(np.random.default_rng(0).normal(size=(*runs, size)), jnp.float32)}


def breaking_at(step):
    def batch(first, count):
        return {"step": np.arange(first, first + count), "breaks": np.full(count, step)}

    return batch


def same(first, second):
    return all(np.array_equal(first[name], second[name]) for name in first) and first.keys() == second.keys()


def test_every_run_is_minimized_and_keeps_its_best_parameters():
    run = train(Problem(squares, points(), POLYAK, data=jnp.float32(3.0)), Schedule(0.3, 300, 0.4), progress=False)
    assert run.history.shape == (300, 2, 3)
    assert run.status == training.SearchStatus.OUT_OF_STEPS
    np.testing.assert_allclose(run.history[0], np.mean((np.asarray(points()["x"]) - 3) ** 2, axis=2), rtol=1e-5)
    np.testing.assert_allclose(run.parameters["x"], 3, atol=1e-3)


def test_parameters_of_the_lowest_checked_loss_are_kept():
    # With a rate this high Adam only jumps about.
    run = train(Problem(squares, points(), ADAM, data=jnp.float32(3.0)), Schedule(50.0, 500, 0.4, 1.0), progress=False)
    kept = squares(run.parameters, jnp.float32(3.0))
    assert (np.asarray(kept) <= run.history[::100].min(axis=0) * (1 + 1e-5)).all()
    assert (run.history[-1] > kept).any()


def test_target_loss_needs_a_start_of_every_target():
    schedule, offset = Schedule(0.1, 5000), jnp.asarray(np.array([0.0, 30.0])[:, None, None], jnp.float32)
    run = train(Problem(squares, points(), ADAM, data=offset), schedule, target_loss=0.1, progress=False)
    assert run.status == training.SearchStatus.CONVERGED
    assert run.history[-1].min(axis=1).max() <= 0.1
    assert run.history[-101].min(axis=1).max() > 0.1
    assert len(run.history) < 5000


def test_target_loss_of_fluctuating_losses_is_that_of_the_mean():
    def batch(first, count):
        # Every other step has its minimum where the run already is.
        return np.where(np.arange(first, first + count) % 2, 0.0, 1.0).astype(np.float32)

    start = {"x": jnp.zeros((1, 1, 5), jnp.float32)}
    schedule = Schedule(1e-6, 300)
    run = train(Problem(squares, start, ADAM, batches=batch), schedule, target_loss=0.4, progress=False)
    assert run.history[-1] < 1e-6
    assert run.status == training.SearchStatus.OUT_OF_STEPS
    run = train(Problem(squares, start, ADAM, batches=batch), schedule, target_loss=0.51, progress=False)
    assert run.status == training.SearchStatus.CONVERGED
    assert len(run.history) == 100


def test_nan_from_the_start_is_an_error():
    for step in (0, 50):
        with pytest.raises(SolverError, match="within the first 100 steps"):
            train(Problem(breaking, points(), POLYAK, batches=breaking_at(step)), Schedule(0.1, 300), progress=False)


@pytest.mark.parametrize("step", [100, 250])
def test_nan_later_leaves_the_finite_parameters_before(step):
    run = train(Problem(breaking, points(), POLYAK, batches=breaking_at(step)), Schedule(0.1, 500, 0.4), progress=False)
    assert run.status == training.SearchStatus.NOT_FINITE
    assert len(run.history) == step // 100 * 100
    assert np.isfinite(run.history).all()
    assert np.isfinite(run.parameters["x"]).all()
    assert not same(run.parameters, points())


def test_infinite_parameters_are_noticed_although_the_losses_are_finite():
    def lost(parameters, data):
        # The gradient of the square root at zero is infinite, the loss is not.
        return jnp.mean(jnp.sqrt(jnp.abs(parameters["x"] * 0)), axis=2)

    with pytest.raises(SolverError, match="stopped being finite"):
        train(Problem(lost, points(), POLYAK), Schedule(0.1, 100), progress=False)


# Diffusion


def wide(seed, schedule, diffusion):
    start = {name: jnp.zeros((2, 2, 5000), jnp.float32) for name in "xy"}
    options = {"diffusion": diffusion, "seed": seed, "progress": False}
    found = train(Problem(flat, start, POLYAK, batches=breaking_at(0)), schedule, **options).parameters
    return np.stack([np.asarray(found[name]) for name in "xy"])


def test_diffusion_acts_in_the_main_phase_alone():
    # 130 of 200 steps, on a loss without any slope: a random walk.
    moved = wide(3, Schedule(1.0, 200, 0.35), 0.02).reshape(8, 5000)
    np.testing.assert_allclose(moved.std(axis=1), 0.02 * np.sqrt(130), rtol=5 / np.sqrt(2 * 5000))
    np.testing.assert_allclose(moved.mean(axis=1), 0, atol=5 * 0.02 * np.sqrt(130 / 5000))
    # Every array and every run has noise of its own.
    correlations = np.corrcoef(moved)[~np.eye(8, dtype=bool)]
    assert np.abs(correlations).max() < 5 / np.sqrt(5000)
    assert not wide(3, Schedule(1.0, 200, 1.0), 0.02).any()
    assert not wide(3, Schedule(1.0, 200, 0.35), 0.0).any()


def test_noise_of_steps_is_independent():
    short, long = (wide(3, Schedule(1.0, n + 100, 100 / (n + 100)), 0.02).ravel() for n in (100, 200))
    assert abs(np.corrcoef(short, long - short)[0, 1]) < 5 / np.sqrt(20_000)
    np.testing.assert_allclose(np.std(long - short), 0.02 * 10, rtol=5 / np.sqrt(40_000))


def test_noise_depends_on_the_seed_alone():
    first, second, other = (wide(seed, Schedule(1.0, 200, 0.5), 0.02) for seed in (3, 3, 4))
    np.testing.assert_array_equal(first, second)
    assert abs(np.corrcoef(first.ravel(), other.ravel())[0, 1]) < 5 / np.sqrt(40_000)


# Interruptions


def noisy(first, count):
    rng = [np.random.default_rng(first + i) for i in range(count)]
    return np.stack([one.normal(size=(1, 1, 5)) for one in rng]).astype(np.float32)


@pytest.mark.parametrize(("optimizer", "batches"), [(POLYAK, noisy), (ADAM, None)], ids=["polyak", "adam"])
def test_resumed_run_ends_bit_for_bit_as_uninterrupted(tmp_path, monkeypatch, optimizer, batches):
    data, schedule = jnp.float32(3.0), Schedule(0.05, 1500, 0.4, 0.02, patience=150)
    arguments = (Problem(squares, points(), optimizer, data=data, batches=batches), schedule)
    options = {"diffusion": 0.01, "seed": 5, "progress": False}
    whole = train(*arguments, **options)
    assert whole.status == training.SearchStatus.PLATEAU
    path, chunk = tmp_path / "run.npz", training._chunk
    for chunks in (1, 3):
        left = [None] * chunks

        def interrupted(*chunk_arguments, left=left):
            if not left:
                raise KeyboardInterrupt
            left.pop()
            return chunk(*chunk_arguments)

        monkeypatch.setattr(training, "_chunk", interrupted)
        assert (
            train(*arguments, checkpoint=Checkpoint(path, "run"), **options).status == training.SearchStatus.INTERRUPTED
        )
    monkeypatch.setattr(training, "_chunk", chunk)
    resumed = train(*arguments, checkpoint=Checkpoint(path, "run"), **options)
    np.testing.assert_array_equal(resumed.history, whole.history)
    assert same(resumed.parameters, whole.parameters)
    assert resumed.status == whole.status


def test_time_limit_is_checked_between_chunks(tmp_path):
    arguments = (Problem(squares, points(), POLYAK, data=jnp.float32(3.0)), Schedule(0.1, 400))
    run = train(*arguments, deadline=Deadline(1e-9), progress=False, checkpoint=Checkpoint(tmp_path / "run.npz", "run"))
    assert run.status == training.SearchStatus.OUT_OF_TIME
    assert len(run.history) == 100
    resumed = train(*arguments, progress=False, checkpoint=Checkpoint(tmp_path / "run.npz", "run"))
    whole = train(*arguments, progress=False)
    assert same(resumed.parameters, whole.parameters)
    np.testing.assert_array_equal(resumed.history, whole.history)


def test_nan_after_a_resumption_keeps_what_was_found(tmp_path):
    arguments = (Problem(breaking, points(), POLYAK, batches=breaking_at(150)), Schedule(0.1, 500))
    options = {"progress": False}
    first, second = (train(*arguments, checkpoint=Checkpoint(tmp_path / "run.npz", "run"), **options) for _ in range(2))
    assert first.status == second.status == training.SearchStatus.NOT_FINITE
    assert same(first.parameters, second.parameters)
