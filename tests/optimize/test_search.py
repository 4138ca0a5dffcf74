from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from qiskit.quantum_info import Statevector
from qiskit_lhv import Behavior, LHVError, find_local_model, load_bundled_counts, werner_state
from qiskit_lhv.cli.demo import ICOSAHEDRON_AXES
from qiskit_lhv.exceptions import ScenarioError
from qiskit_lhv.models import ResponseModel, TableResponse
from qiskit_lhv.optimize import GradientDescent, LocalModelResult, find_local_models, training
from qiskit_lhv.statistics import fit_local_model
from qiskit_lhv.targets import divergence

from helpers import grouped, pr_box, random_behavior

# One number for all: every shape of the hidden variables is compiled anew.
NUM_HIDDEN = 512

TARGETS = {
    "local, CHSH settings": lambda: Behavior.from_state(werner_state(0.69), "chsh"),
    "PR box": pr_box,
    "signaling, 3 x 3 settings": lambda: random_behavior((3, 3, 2, 2), 0),
    "unequal settings and outcomes": lambda: random_behavior((2, 3, 3, 2), 1),
    "three parties": lambda: random_behavior((2, 2, 1, 2, 2, 3), 2),
    "four parties": lambda: random_behavior((2, 1, 2, 1, 2, 2, 2, 2), 4),
    "Delft counts": lambda: load_bundled_counts("delft_2015").counts,
}


@pytest.mark.parametrize("name", TARGETS)
def test_search_reaches_the_convex_optimum(name):
    target = TARGETS[name]()
    result = find_local_model(target, num_hidden=NUM_HIDDEN, seed=1, progress=False)
    exact = fit_local_model(target)
    assert exact.duality_gap < 1e-9
    assert exact.divergence - 1e-9 <= result.loss <= exact.divergence + 1e-6


def test_local_model_of_a_werner_state_for_six_settings():
    behavior = Behavior.from_state(werner_state(0.7), [ICOSAHEDRON_AXES] * 2)
    result = find_local_model(behavior, optimizer=GradientDescent(target_loss=1e-8), seed=0, progress=False)
    assert result.status == training.SearchStatus.CONVERGED
    assert len(result.history) < 3000
    assert result.loss <= 1e-8
    assert result.model.verify(behavior, atol=1e-3)


def test_loss_is_the_divergence_of_the_model():
    target = random_behavior((2, 3, 3, 2), 5)
    result = find_local_model(
        target, optimizer=GradientDescent(num_steps=200), num_hidden=NUM_HIDDEN, seed=2, progress=False
    )
    assert result.loss == pytest.approx(divergence(target, result.model.behavior()), rel=1e-12)
    assert len(result.history) == 200
    assert result.status == training.SearchStatus.OUT_OF_STEPS
    # The history starts at a random model and falls.
    assert result.history[0] > 2 * result.loss


def test_counts_weigh_settings_by_their_shots():
    counts = load_bundled_counts("delft_2015").counts
    result = find_local_model(
        counts, optimizer=GradientDescent(num_steps=100), num_hidden=NUM_HIDDEN, seed=2, progress=False
    )
    assert result.loss == pytest.approx(
        divergence(counts.frequencies(), result.model.behavior(), counts.num_shots), rel=1e-12
    )


def test_same_seed_same_result():
    target = Behavior.from_state(werner_state(0.8), "chsh")
    first, second, other = (
        find_local_model(
            target, optimizer=GradientDescent(num_steps=200), num_hidden=NUM_HIDDEN, seed=seed, progress=False
        )
        for seed in (3, 3, 4)
    )
    assert first == second
    assert first != other


def test_time_limit_stops_with_a_model():
    target = Behavior.from_state(werner_state(0.8), "chsh")
    result = find_local_model(
        target,
        optimizer=GradientDescent(num_steps=100_000),
        num_hidden=NUM_HIDDEN,
        time_limit=1e-9,
        seed=1,
        progress=False,
    )
    assert result.status == training.SearchStatus.OUT_OF_TIME
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
    result = find_local_model(
        target, optimizer=GradientDescent(num_steps=1000), num_hidden=NUM_HIDDEN, seed=1, progress=False
    )
    assert result.status == training.SearchStatus.INTERRUPTED
    assert len(result.history) == 300
    assert result.loss == pytest.approx(divergence(target, result.model.behavior()), rel=1e-12)


def test_x64_is_left_as_it_was():
    import jax

    before = jax.config.jax_enable_x64
    find_local_model(
        Behavior.from_state(werner_state(0.8), "chsh"),
        num_hidden=NUM_HIDDEN,
        optimizer=GradientDescent(num_steps=100),
        seed=1,
        progress=False,
    )
    assert jax.config.jax_enable_x64 == before


def test_progress_bar_is_shown_when_asked(capsys):
    find_local_model(
        Behavior.from_state(werner_state(0.8), "chsh"),
        num_hidden=NUM_HIDDEN,
        optimizer=GradientDescent(num_steps=200),
        seed=1,
        progress=True,
    )
    assert "200/200" in capsys.readouterr().err


# Options


def test_best_of_several_starts_is_returned():
    target = random_behavior((2, 2, 2, 2), 5)
    options = {"num_steps": 200, "num_hidden": NUM_HIDDEN, "seed": 2, "progress": False}
    result = find_local_model(target, **grouped(start=2, **options))
    assert result.start_losses.shape == (2,)
    assert result.start_losses[0] != result.start_losses[1]
    assert result.loss == result.start_losses.min()
    assert result.loss == pytest.approx(divergence(target, result.model.behavior()), rel=1e-12)
    assert find_local_model(target, **grouped(**options)).loss == pytest.approx(result.start_losses[0], rel=1e-9)


def test_initial_model_is_where_the_search_begins():
    target = random_behavior((2, 3, 3, 2), 5)
    options = {"num_steps": 200, "num_hidden": NUM_HIDDEN, "progress": False}
    first = find_local_model(target, **grouped(seed=2, **options))
    again = find_local_model(target, **grouped(start=first.model, seed=3, **options))
    assert again.history[0] == pytest.approx(first.loss, rel=1e-9)
    assert again.loss <= first.loss
    # A hidden variable without weight may get some.
    idle = ResponseModel(first.model.hidden_variables, first.model.response, np.eye(NUM_HIDDEN)[0])
    revived = find_local_model(target, **grouped(start=idle, seed=3, **{**options, "num_steps": 1000}))
    assert (revived.model.weights > 1e-3).sum() > 1
    assert revived.loss < divergence(target, idle.behavior()) / 2


def test_initial_model_must_fit():
    target = random_behavior((2, 3, 3, 2), 5)
    model = ResponseModel((np.zeros((8, 2, 3)), np.zeros((8, 3, 2))), TableResponse(target.scenario))
    for other, options in ((target, {"num_hidden": 9}), (pr_box(), {"num_hidden": 8})):
        with pytest.raises(ScenarioError, match=r"^start: expected a model with \d+ hidden variables"):
            find_local_model(other, **grouped(start=model, **options))


def test_squared_loss_lowers_the_squared_distance():
    target = Behavior.from_state(Statevector([np.cos(0.4), 0, 0, np.sin(0.4)]), "chsh")
    squares, divergences = {}, {}
    # The default rate, 1, is made for the divergence, whose logarithm keeps responses from saturating too early.
    options = {"num_hidden": NUM_HIDDEN, "learning_rate": 0.1, "seed": 1, "progress": False}
    for name in ("kl", "l2"):
        result = find_local_model(target, **grouped(loss=name, **options))
        squares[name] = np.sum((target.array - result.model.behavior().array) ** 2) / 4
        divergences[name] = divergence(target, result.model.behavior())
        assert result.loss == divergences[name]
    assert squares["l2"] < 0.97 * squares["kl"]
    assert divergences["kl"] < 0.97 * divergences["l2"]
    assert result.history[-1] == pytest.approx(squares["l2"], rel=1e-2)


def test_patience_stops_early():
    options = {"num_hidden": NUM_HIDDEN, "num_steps": 5000, "seed": 1, "progress": False}
    result = find_local_model(pr_box(), **grouped(patience=200, **options))
    assert result.status == training.SearchStatus.PLATEAU
    assert len(result.history) < 5000
    # The final phase is taken whole, 40% of the steps.
    assert (len(result.history) - 2000) % 100 == 0
    assert result.loss == pytest.approx(fit_local_model(pr_box()).divergence, abs=1e-5)


def test_stopped_search_goes_on_bit_for_bit(tmp_path):
    options = {"num_hidden": NUM_HIDDEN, "num_steps": 1000, "start": 2, "seed": 1, "progress": False}
    whole = find_local_model(pr_box(), **grouped(patience=100, **options))
    options.update(patience=100, checkpoint=tmp_path / "run.npz")
    assert find_local_model(pr_box(), **grouped(time_limit=1e-9, **options)).status == training.SearchStatus.OUT_OF_TIME
    assert find_local_model(pr_box(), **grouped(**options)) == whole


@pytest.mark.parametrize("suffix", ["json", "npz"])
def test_result_can_be_saved(tmp_path, suffix):
    result = find_local_model(
        Behavior.from_state(werner_state(0.8), "chsh"),
        optimizer=GradientDescent(num_steps=100),
        num_hidden=NUM_HIDDEN,
        seed=1,
        progress=False,
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
        ({"start": 0}, "start"),
        ({"loss": "l1"}, "loss"),
        ({"learning_rate": 0}, "learning_rate"),
        ({"patience": 0}, "patience"),
        ({"diffusion": -1}, "diffusion"),
        ({"start": "model"}, "start"),
    ],
)
def test_bad_arguments(arguments, name):
    with pytest.raises(LHVError, match=f"^{name}: expected"):
        find_local_model(Behavior.from_state(werner_state(0.8), "chsh"), **grouped(**arguments))


def test_other_targets_are_refused():
    with pytest.raises(ScenarioError, match=r"target: expected a Behavior.*got list"):
        find_local_model([0.5, 0.5])


def test_searches_on_workers_are_those_of_each_state_alone():
    states = [werner_state(0.3), werner_state(0.5)]
    options = {"num_hidden": 64, "response": 1, "optimizer": GradientDescent(num_steps=100), "seed": 4}
    with ThreadPoolExecutor(2) as pool:
        found = find_local_models(states, executor=pool, **options)
        with pytest.raises(LHVError, match="None where there is an executor"):
            find_local_models(states, executor=pool, checkpoint="run.npz", **options)
    assert found == [find_local_model(state, **options) for state in states]
