"""Rules of the caller's own: any gradient transformation of Optax."""

import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from qiskit_lhv import Behavior, LHVError, find_local_model, werner_state
from qiskit_lhv.exceptions import CertificateError
from qiskit_lhv.optimize import GradientDescent, find_local_models, sweep_visibility, training
from qiskit_lhv.optimize.optimizers import checked_rule, rule_identity
from qiskit_lhv.optimize.training import Problem, Schedule, train

from helpers import grouped

QUICK = {"num_hidden": 128, "num_steps": 300, "seed": 3, "progress": False}


def falling(rate, steps=300):
    return optax.cosine_decay_schedule(rate, steps)


def squares(parameters, data):
    return jnp.mean((parameters["x"] - data) ** 2, axis=2)


def points(runs=(2, 3)):
    return {"x": jnp.asarray(np.random.default_rng(0).normal(size=(*runs, 5)), jnp.float32)}


@pytest.mark.parametrize(
    "rule", [optax.sgd(0.5), optax.chain(optax.clip_by_global_norm(0.1), optax.adam(0.1))], ids=["sgd", "clipped adam"]
)
def test_every_run_goes_as_it_would_alone(rule):
    start, data = points(), jnp.float32(3.0)
    whole = train(Problem(squares, start, checked_rule(rule, start), data=data), Schedule(9.0, 100), progress=False)

    @jax.jit
    def step(alone, state):
        gradient = jax.grad(lambda p: jnp.mean((p["x"] - data) ** 2))(alone)
        changes, state = rule.update(gradient, state, alone)
        return optax.apply_updates(alone, changes), state

    for t, s in np.ndindex(2, 3):
        alone = {"x": start["x"][t, s]}
        state = rule.init(alone)
        for _ in range(100):
            alone, state = step(alone, state)
        np.testing.assert_allclose(whole.parameters["x"][t, s], alone["x"], rtol=1e-5)


# The gradient of a hidden variable is small, as the ensemble is a mean over many.
RULES = {
    "sgd": lambda: optax.sgd(falling(300.0, 200), momentum=0.9),
    "adamw": lambda: optax.adamw(falling(0.1, 200), weight_decay=1e-6),
    "polyak": lambda: optax.polyak_sgd(max_learning_rate=300.0),
}


@pytest.mark.parametrize("name", RULES)
def test_states_are_fitted_by_any_rule(name):
    descent = GradientDescent(num_steps=200, update_rule=RULES[name](), start=2)
    found = find_local_models(
        [werner_state(v) for v in (0.2, 0.4)], num_hidden=256, optimizer=descent, seed=1, progress=False
    )
    for result in found:
        assert result.loss < 2e-5
        assert result.history[0] > 2e-3
        assert result.start_losses.shape == (2,)
        assert np.ptp(result.start_losses) > 0


@pytest.mark.parametrize("name", ["adam", "adamw"])
def test_tables_are_fitted_by_any_rule(name):
    rule = {"adam": optax.adam(falling(1.0, 1000)), "adamw": optax.adamw(falling(1.0, 1000), weight_decay=1e-7)}[name]
    behavior = Behavior.from_state(werner_state(0.7), "chsh")
    descent = GradientDescent(num_steps=1000, update_rule=rule, start=2)
    assert find_local_model(behavior, num_hidden=64, optimizer=descent, seed=1, progress=False).loss < 1e-7


def test_the_rule_of_tables_written_by_hand_gives_the_same_model():
    # Adam is the default of tables, whose rate falls from 1 to 0.01 along half a cosine over all steps.
    schedule = optax.cosine_decay_schedule(1.0, 299, alpha=0.01)
    behavior = Behavior.from_state(werner_state(0.9), "chsh")
    own = find_local_model(behavior, **grouped(update_rule=optax.adam(schedule), **QUICK))
    assert own.loss == pytest.approx(find_local_model(behavior, **grouped(**QUICK)).loss, rel=1e-6)


@pytest.mark.parametrize("target", ["state", "behavior"])
def test_interrupted_run_ends_in_the_same_model(tmp_path, target):
    target = werner_state(0.6) if target == "state" else Behavior.from_state(werner_state(0.9), "chsh")

    def options():
        return {**QUICK, "update_rule": optax.adam(falling(0.3)), "start": 2}

    path, first = tmp_path / "run.npz", options()
    whole = find_local_model(target, **grouped(**first))
    part = find_local_model(target, **grouped(time_limit=1e-9, checkpoint=path, **first))
    assert part.status == training.SearchStatus.OUT_OF_TIME
    # The rule is made anew, as in another session.
    assert find_local_model(target, **grouped(checkpoint=path, **options())) == whole


def test_checkpoints_of_other_rules_are_refused(tmp_path):
    path = tmp_path / "run.npz"
    first = optax.adam(falling(0.3))
    find_local_model(werner_state(0.6), **grouped(checkpoint=path, time_limit=1e-9, update_rule=first, **QUICK))
    for other in (None, optax.adam(falling(0.2)), optax.adam(0.3), optax.adam(falling(0.3), b1=0.8), optax.sgd(0.3)):
        with pytest.raises(CertificateError, match=r"^checkpoint: expected a checkpoint of this very run"):
            find_local_model(werner_state(0.6), **grouped(checkpoint=path, update_rule=other, **QUICK))


def test_rules_are_told_apart_in_every_session():
    text = "optax.adamw(optax.warmup_cosine_decay_schedule(0.0, 0.3, 10, 100), weight_decay=0.1)"
    code = f"import optax\nfrom qiskit_lhv.optimize.optimizers import rule_identity\nprint(rule_identity({text}))"
    other = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()
    assert rule_identity(eval(text)) == other
    changed = [text.replace("10,", "11,"), text.replace("0.1)", "0.2)"), text.replace("adamw", "lamb")]
    assert len({other, *(rule_identity(eval(one)) for one in changed)}) == 4


def test_folder_of_a_sweep_is_one_of_its_rule(tmp_path):
    def sweep(rate):
        descent = GradientDescent(num_steps=20, update_rule=optax.adam(rate))
        options = {"num_hidden": 32, "optimizer": descent, "seed": 1, "progress": False}
        return sweep_visibility(werner_state(1), [0.3, 0.4], folder=tmp_path, **options)

    assert sweep(0.1) == sweep(0.1)
    with pytest.raises(CertificateError, match=r"^folder: "):
        sweep(0.2)


def test_rates_of_ours_beside_a_rule_are_refused():
    for name, value in (("learning_rate", 0.1), ("patience", 10)):
        with pytest.raises(LHVError, match=rf"^{name}: expected None with an update_rule"):
            GradientDescent(update_rule=optax.adam(0.1), **{name: value})


@pytest.mark.parametrize(
    "rule",
    ["adam", 0.1, optax.adam, optax.constant_schedule(0.1), np.ones(2)],
    ids=["text", "number", "function", "schedule", "array"],
)
def test_what_is_no_rule_is_refused(rule):
    with pytest.raises(LHVError, match=r"^update_rule: expected"):
        GradientDescent(update_rule=rule)


@pytest.mark.parametrize(
    ("rule", "reason"),
    [
        (optax.GradientTransformation(lambda p: (), lambda g, s, p=None: (jnp.zeros(3), s)), "other shapes"),
        (optax.GradientTransformation(lambda p: 0, lambda g, s, p=None: (g, jnp.ones(2))), "state changes"),
        (optax.scale_by_backtracking_linesearch(10), "raises"),
    ],
    ids=["shapes", "state", "line search"],
)
def test_rules_that_cannot_be_applied_are_refused_before_the_search(rule, reason):
    with pytest.raises(LHVError, match=rf"^update_rule: expected .*{reason}"):
        find_local_model(werner_state(0.6), **grouped(update_rule=rule, **QUICK))
