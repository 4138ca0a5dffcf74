import json
import os
import re
import subprocess
import sys
import tracemalloc

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import Mesh
from qiskit.quantum_info import DensityMatrix
from qiskit_lhv import Behavior, BellScenario, LHVError, find_local_model, werner_state
from qiskit_lhv.models import FunctionResponse, ResponseModel
from qiskit_lhv.models.features import SphericalHarmonics
from qiskit_lhv.models.responses import DirectionResponse
from qiskit_lhv.optimize import Devices, GradientDescent, evaluate_model, training
from qiskit_lhv.optimize.devices import EnsembleLayout
from qiskit_lhv.optimize.optimizers import ADAM
from qiskit_lhv.optimize.training import Problem, Schedule, train
from qiskit_lhv.targets import TermValues

# Eight simulated devices

EIGHT_DEVICES = """
import json, re, sys
import jax, numpy as np
from jax.sharding import Mesh
from qiskit.quantum_info import DensityMatrix
from qiskit_lhv import Behavior, BellScenario, LHVError, find_local_model, werner_state
from qiskit_lhv.targets import TermValues, random_terms
from qiskit_lhv.optimize import Devices, GradientDescent, SettingsGrid, training
from qiskit_lhv.quantum import w_state

steps, calls = training._steps, []
training._steps = lambda *arguments: calls.append(arguments) or steps(*arguments)
state = DensityMatrix(0.4 * DensityMatrix(w_state(3)).data + 0.6 * np.eye(8) / 8)
nine = BellScenario([2] * 9, 2)
cases = {
    "state": (state, {"response": 1, "grid": SettingsGrid(num_settings=125, num_evaluated=2)}),
    "table": (Behavior.from_state(werner_state(0.7), "chsh"), {}),
    "terms": (TermValues(nine, random_terms(nine, 60, [2, 3], seed=1), np.ones(60) / 3), {}),
}

def search(name, num_hidden=256, checkpoint=None, **devices):
    target, options = cases[name]
    descent = GradientDescent(num_steps=100, symmetry=None, devices=Devices(**devices) if devices else None)
    return find_local_model(target, num_hidden=num_hidden, optimizer=descent, seed=1, checkpoint=checkpoint, **options)

def refusal(call):
    try:
        call()
    except LHVError as error:
        return str(error)

mesh, found = Mesh(np.array(jax.devices()).reshape(2, 4), ("copies", "parts")), {}
for name in cases:
    one, file = search(name), f"{sys.argv[1]}/{name}.npz"
    # In blocks of few hidden variables, on every device.
    many = search(name, checkpoint=file, mesh=8, memory=2e4)
    with jax.enable_x64(name == "table"):
        text = steps.lower(*calls[-1]).compile().as_text()
    again = search(name, checkpoint=file)
    found[name] = {
        "one": one.history.tolist(),
        "many": many.history.tolist(),
        "again": [many.loss, again.loss],
        "block": calls[-1][0][2].layout.block,
        "collectives": re.findall(r"= (.*) (?:all|reduce|collective)-[a-z-]*\\(", text),
    }
found["refused"] = [
    refusal(lambda: search("state", 252, mesh=8)),
    refusal(lambda: search("table", 9, mesh=mesh, axis="parts")),
    refusal(lambda: Devices(mesh, "columns")),
    refusal(lambda: Devices(mesh)),
    refusal(lambda: Devices(9)),
]
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def eight_devices(tmp_path_factory):
    flags = {"XLA_FLAGS": "--xla_force_host_platform_device_count=8", "JAX_PLATFORMS": "cpu"}
    done = subprocess.run(
        [sys.executable, "-c", EIGHT_DEVICES, str(tmp_path_factory.mktemp("runs"))],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, **flags},
    )
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.slow
@pytest.mark.parametrize(("name", "rtol"), [("state", 2e-5), ("table", 1e-10), ("terms", 1e-3)])
def test_eight_devices_have_the_losses_of_one(eight_devices, name, rtol):
    run = eight_devices[name]
    assert len(run["one"]) == 100
    assert run["one"][-1] < run["one"][0] / 20
    np.testing.assert_allclose(run["many"], run["one"], rtol=rtol)
    # One device reads what eight have saved.
    assert run["again"][0] == run["again"][1]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "cells"), [("state", 125 * 8), ("table", 16), ("terms", 60)])
def test_nothing_larger_than_the_table_passes_between_devices(eight_devices, name, cells):
    shapes = [re.findall(r"[a-z]\d*\[([\d,]*)\]", text) for text in eight_devices[name]["collectives"]]
    sizes = [int(np.prod([int(n) for n in shape.split(",") if n])) for own in shapes for shape in own]
    assert 1 < max(sizes) <= cells


@pytest.mark.slow
def test_meshes_that_do_not_fit_are_refused(eight_devices):
    expected = [
        r"num_hidden: expected a multiple of 8 hidden variables, for 8 devices, got 252",
        r"num_hidden: expected a multiple of 4 hidden variables, for 4 devices, got 9",
        r"axis: expected one of \('copies', 'parts'\), the axes of the mesh, got 'columns'",
        r"axis: expected one of \('copies', 'parts'\), the axes of the mesh, got None",
        r"mesh: expected at most 8 devices, those that JAX sees, got 9",
    ]
    for text, message in zip(eight_devices["refused"], expected, strict=True):
        assert re.match(message, text)


@pytest.mark.parametrize(
    ("options", "name"),
    [
        ({"mesh": 0}, "mesh"),
        ({"mesh": "all"}, "mesh"),
        ({"mesh": 10**6}, "mesh"),
        ({"axis": "x"}, "axis"),
        ({"memory": 0}, "memory"),
        ({"mesh": Mesh(np.array(jax.devices()[:1]), ("x",)), "axis": "y"}, "axis"),
    ],
)
def test_bad_options_are_refused(options, name):
    with pytest.raises(LHVError, match=f"^{name}: expected"):
        Devices(**options)
    with pytest.raises(LHVError, match=r"^devices: expected"):
        GradientDescent(devices=8)


def test_giving_up_a_symmetry_is_proposed_where_there_is_one(monkeypatch):
    monkeypatch.setattr(EnsembleLayout, "num_devices", 8)
    for symmetric in (True, False):
        with pytest.raises(LHVError, match="a multiple of 16 hidden variables, for 8 devices and orbits of 2") as error:
            Devices().layout(12, 1.0, 2, symmetric=symmetric)
        assert ("symmetry=None" in str(error.value)) == symmetric


# Blocks


def test_blocks_have_the_sum_and_the_gradient_of_the_whole():
    rng = np.random.default_rng(0)
    hidden, data = rng.normal(size=(2, 7)), rng.normal(size=(3, 2))

    def loss(hidden, layout):
        table = layout.total(lambda own, data: jnp.tanh(data @ own) @ own.T, hidden, data, axis=1)
        return jnp.sum(table**2)

    with jax.enable_x64(True):
        # Three blocks of two, and one of what is left.
        layouts = [EnsembleLayout(block=block) for block in (None, 3)]
        whole, blocks = jax.jit(lambda hidden: [jax.value_and_grad(loss)(hidden, own) for own in layouts])(hidden)
    for one, other in zip(whole, blocks, strict=True):
        np.testing.assert_allclose(other, one, rtol=1e-12)


def test_evaluation_needs_no_more_memory_for_more_settings():
    rng = np.random.default_rng(0)
    response = DirectionResponse(SphericalHarmonics(1), 2)
    model = ResponseModel(tuple(rng.normal(size=(2, 64, 3))), response)
    peaks = []
    for num_settings in (400, 4000):
        tracemalloc.start()
        evaluate_model(model, werner_state(0.5), num_settings=num_settings)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    # Three numbers a setting are kept.
    assert peaks[1] < peaks[0] + 4 * 8 * 3600


# Data ahead


def test_data_are_drawn_while_steps_run_and_none_in_vain(monkeypatch):
    events, steps = [], training._steps
    monkeypatch.setattr(training, "_steps", lambda *given: events.append("steps") or steps(*given))

    def batches(first, count):
        events.append((first, count))
        return np.arange(first, first + count, dtype=np.float32)

    problem = Problem(
        lambda parameters, data: (parameters - data).sum(axis=2) ** 2,
        np.ones((1, 1, 3), np.float32),
        ADAM,
        batches=batches,
    )
    run = train(problem, Schedule(1e-3, 250), progress=False)
    assert events == [(0, 100), "steps", (100, 100), "steps", (200, 50), "steps"]
    # Every step has data of its own.
    np.testing.assert_allclose(run.history[:, 0, 0], 9 * (1 - np.arange(250)) ** 2, rtol=0.3, atol=1)


# Precision


def user_function(directions, hidden):
    return jax.nn.sigmoid(hidden @ directions.T)


BRIEF = {"num_hidden": 64, "seed": 1, "progress": False}
KINDS = {
    "directions": (werner_state(0.5), {"response": 3}),
    "three parties": (DensityMatrix(np.eye(8) / 8), {"response": 1}),
    "a user's function": (werner_state(0.5), {"response": FunctionResponse(user_function, 3, 2)}),
    "effects": (DensityMatrix(np.eye(9) / 9, dims=(3, 3)), {"response": 1}),
    "tables": (Behavior.from_state(werner_state(0.5), "chsh"), {}),
    "terms": (TermValues(BellScenario([2] * 9, 2), np.eye(9, dtype=int), np.full(9, 0.1)), {}),
}


class CapturedError(Exception):
    """Raised instead of the first step."""


def first_step(monkeypatch, kind):
    """The arguments of the first steps of a search, which is not run."""
    captured = []

    def capture(*arguments):
        captured.append(arguments)
        raise CapturedError

    with monkeypatch.context() as patch:
        patch.setattr(training, "_steps", capture)
        target, options = KINDS[kind]
        with pytest.raises(CapturedError):
            find_local_model(target, **options, **BRIEF)
    return captured[0]


@pytest.mark.parametrize("kind", KINDS)
def test_every_contraction_has_full_precision(monkeypatch, kind):
    arguments = first_step(monkeypatch, kind)
    with jax.enable_x64(kind == "tables"), jax.default_matmul_precision("bfloat16"):
        text = training._steps.lower(*arguments).as_text()
    contractions = re.findall(r"stablehlo\.(?:dot_general|dot|convolution) .*", text)
    assert len(contractions) >= 3
    assert all("precision = [HIGHEST, HIGHEST]" in line for line in contractions)


def accelerators():
    return [device for device in jax.devices() if device.platform != "cpu"]


@pytest.mark.skipif(not accelerators(), reason="needs an accelerator")
@pytest.mark.parametrize("kind", ["directions", "three parties", "effects"])
def test_an_accelerator_has_the_losses_of_the_processor(monkeypatch, kind):
    arguments = first_step(monkeypatch, kind)
    losses = []
    for device in (jax.devices("cpu")[0], accelerators()[0]):
        with jax.default_device(device):
            losses.append(np.asarray(training._steps(arguments[0], 1, *arguments[2:])[1])[0])
    np.testing.assert_allclose(losses[1], losses[0], rtol=1e-6)
