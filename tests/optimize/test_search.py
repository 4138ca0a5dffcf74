import numpy as np
import pytest
from qiskit_lhv import (
    Behavior,
    LHVError,
    LocalModelResult,
    ScenarioError,
    divergence,
    find_local_model,
    fit_local_model,
    load_bundled_counts,
    werner_state,
)
from qiskit_lhv.demo import ICOSAHEDRON_AXES
from qiskit_lhv.optimize import training


def random_behavior(shape, seed):
    half = len(shape) // 2
    rng = np.random.default_rng(seed)
    return Behavior(rng.dirichlet(np.ones(int(np.prod(shape[half:]))), size=shape[:half]).reshape(shape))


def pr_box():
    table = np.zeros((2, 2, 2, 2))
    for x, y, a in np.ndindex(2, 2, 2):
        table[x, y, a, a ^ (x & y)] = 0.5
    return Behavior(table)


TARGETS = {
    "local, CHSH settings": lambda: Behavior.from_state(werner_state(0.69), "chsh"),
    "Tsirelson": lambda: Behavior.from_state(werner_state(1), "chsh"),
    "PR box": pr_box,
    "signaling, 3 x 3 settings": lambda: random_behavior((3, 3, 2, 2), 0),
    "unequal settings and outcomes": lambda: random_behavior((2, 3, 3, 2), 1),
    "three parties": lambda: random_behavior((2, 2, 1, 2, 2, 3), 2),
    "one party": lambda: random_behavior((3, 4), 3),
    "four parties": lambda: random_behavior((2, 1, 2, 1, 2, 2, 2, 2), 4),
    "Hanoi counts": lambda: load_bundled_counts("ibm_hanoi19_20circuit13").counts,
    "Delft counts": lambda: load_bundled_counts("delft_2015").counts,
}


@pytest.mark.parametrize("name", TARGETS)
def test_search_reaches_the_convex_optimum(name):
    target = TARGETS[name]()
    result = find_local_model(target, num_hidden=512, seed=1, progress=False)
    exact = fit_local_model(target)
    assert exact.duality_gap < 1e-9
    assert exact.divergence - 1e-9 <= result.loss <= exact.divergence + 1e-6


def test_local_model_of_a_werner_state_for_six_settings():
    behavior = Behavior.from_state(werner_state(0.7), [ICOSAHEDRON_AXES] * 2)
    result = find_local_model(behavior, target_loss=1e-8, seed=0, progress=False)
    assert result.status == training.CONVERGED
    assert len(result.history) < 3000
    assert result.loss <= 1e-8
    assert result.model.verify(behavior, atol=1e-3)


def test_loss_is_the_divergence_of_the_model():
    target = random_behavior((2, 3, 3, 2), 5)
    result = find_local_model(target, num_steps=200, num_hidden=64, seed=2, progress=False)
    assert result.loss == pytest.approx(divergence(target, result.model.behavior()), rel=1e-12)
    assert len(result.history) == 200
    assert result.status == training.OUT_OF_STEPS
    # The history starts at a random model and falls.
    assert result.history[0] > 2 * result.loss


def test_counts_weigh_settings_by_their_shots():
    counts = load_bundled_counts("delft_2015").counts
    result = find_local_model(counts, num_steps=100, num_hidden=64, seed=2, progress=False)
    assert result.loss == pytest.approx(
        divergence(counts.frequencies(), result.model.behavior(), counts.num_shots), rel=1e-12
    )


def test_same_seed_same_result():
    target = Behavior.from_state(werner_state(0.8), "chsh")
    first, second, other = (
        find_local_model(target, num_steps=150, num_hidden=32, seed=seed, progress=False) for seed in (3, 3, 4)
    )
    assert first == second
    assert first != other


def test_time_limit_stops_with_a_model():
    target = Behavior.from_state(werner_state(0.8), "chsh")
    result = find_local_model(target, num_steps=100_000, num_hidden=32, time_limit=0.0, seed=1, progress=False)
    assert result.status == training.OUT_OF_TIME
    assert len(result.history) == 100
    assert np.isfinite(result.loss)


def test_interrupt_keeps_what_was_found(monkeypatch):
    target = Behavior.from_state(werner_state(0.8), "chsh")
    chunk, calls = training._chunk, []

    def interrupted(*arguments):
        calls.append(1)
        if len(calls) > 3:
            raise KeyboardInterrupt
        return chunk(*arguments)

    monkeypatch.setattr(training, "_chunk", interrupted)
    result = find_local_model(target, num_steps=1000, num_hidden=32, seed=1, progress=False)
    assert result.status == training.INTERRUPTED
    assert len(result.history) == 300
    assert result.loss == pytest.approx(divergence(target, result.model.behavior()), rel=1e-12)


def test_x64_is_left_as_it_was():
    import jax

    before = jax.config.jax_enable_x64
    find_local_model(Behavior.from_state(werner_state(0.8), "chsh"), num_steps=1, seed=1, progress=False)
    assert jax.config.jax_enable_x64 == before


def test_progress_bar_is_shown_when_asked(capsys):
    find_local_model(Behavior.from_state(werner_state(0.8), "chsh"), num_steps=200, seed=1, progress=True)
    assert "200/200" in capsys.readouterr().err


@pytest.mark.parametrize("suffix", ["json", "npz"])
def test_result_can_be_saved(tmp_path, suffix):
    result = find_local_model(
        Behavior.from_state(werner_state(0.8), "chsh"), num_steps=100, num_hidden=16, seed=1, progress=False
    )
    path = tmp_path / f"result.{suffix}"
    result.save(path)
    assert LocalModelResult.load(path) == result


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        ({"num_hidden": 0}, "num_hidden"),
        ({"num_hidden": 2.5}, "num_hidden"),
        ({"num_steps": 0}, "num_steps"),
        ({"target_loss": -1}, "target_loss"),
        ({"time_limit": float("nan")}, "time_limit"),
        ({"seed": -1}, "seed"),
        ({"seed": "one"}, "seed"),
    ],
)
def test_bad_arguments(arguments, name):
    with pytest.raises(LHVError, match=f"^{name}: expected"):
        find_local_model(Behavior.from_state(werner_state(0.8), "chsh"), **arguments)


def test_other_targets_are_refused():
    with pytest.raises(ScenarioError, match=r"target: expected a Behavior.*got list"):
        find_local_model([0.5, 0.5])
