import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from qiskit import QuantumCircuit
from qiskit.quantum_info import DensityMatrix, Statevector, random_density_matrix
from qiskit_lhv import (
    Behavior,
    CorrelationTensor,
    LHVError,
    find_local_model,
    ghz_state,
    werner_state,
)
from qiskit_lhv.exceptions import MeasurementError, ScenarioError
from qiskit_lhv.measurements import AllProjective, ListedProjective, PlanarProjective, measurement_sets
from qiskit_lhv.models import DirectionResponse, OddMonomials, ResponseModel, SphericalHarmonics
from qiskit_lhv.optimize import GradientDescent, LocalModelResult, evaluate_model
from qiskit_lhv.optimize.direction_problem import (
    DirectionProblem,
    continuous_loss,
    correlators_to_probabilities,
    start_parameters,
    target_probabilities,
)
from qiskit_lhv.optimize.state_problem import grid_sizes
from qiskit_lhv.targets import divergence

from helpers import grouped

QUICK = {"num_hidden": 512, "num_steps": 200, "num_settings": 256, "seed": 1, "progress": False}


def problem_of(*states, measurements="projective", degree=3, num_settings=64, sampling="lattice", response=None):
    tensors = tuple(CorrelationTensor.from_state(state) for state in states)
    n = tensors[0].num_parties
    response = response or DirectionResponse(SphericalHarmonics(degree), n)
    return DirectionProblem(tensors, tuple(measurement_sets(measurements, (2,) * n)), response, num_settings, sampling)


def step_of(batches, number):
    """The data of one step, taken out of a chunk of three."""
    return jax.tree.map(lambda array: array[1], batches(number - 1, 3))


@pytest.mark.parametrize("num_qubits", [1, 2, 3, 4])
def test_target_probabilities_are_the_state_s(num_qubits):
    tensor = CorrelationTensor.from_state(random_density_matrix((2,) * num_qubits, seed=3))
    directions = [AllProjective().draw(np.random.default_rng(k), k + 2) for k in range(num_qubits)]
    expected = tensor.behavior([list(party) for party in directions]).array
    np.testing.assert_allclose(target_probabilities(tensor, directions), expected, atol=1e-14)


@pytest.mark.parametrize("num_qubits", [1, 2, 3, 4])
def test_target_probabilities_of_many_steps_at_once(num_qubits):
    tensor = CorrelationTensor.from_state(random_density_matrix((2,) * num_qubits, seed=4))
    rng = np.random.default_rng(1)
    directions = [AllProjective().draw(rng, 6 * (k + 1)).reshape(2, 3, k + 1, 3) for k in range(num_qubits)]
    found = target_probabilities(tensor, directions)
    assert found.shape == (2, 3, *range(1, num_qubits + 1), *(2,) * num_qubits)
    for step in np.ndindex(2, 3):
        expected = tensor.behavior([list(party[step]) for party in directions]).array
        np.testing.assert_allclose(found[step], expected, atol=1e-14)


def test_rounding_makes_no_target_negative():
    singlet = CorrelationTensor.from_state(werner_state(1))
    vectors = AllProjective().draw(np.random.default_rng(0), 200)
    assert target_probabilities(singlet, [vectors, vectors]).min() == 0


@pytest.mark.parametrize("sampling", ["lattice", "uniform"])
@pytest.mark.parametrize("measurements", ["projective", [["X", "Y", "Z"]] * 3])
def test_loss_is_the_mean_divergence_on_the_grid(sampling, measurements):
    state = random_density_matrix((2, 2, 2), seed=4)
    problem = problem_of(state, measurements=measurements, sampling=sampling)
    parameters = start_parameters(problem.response, 10, (1, 1), 0)
    value = jax.jit(continuous_loss(problem.response, "kl", False))(parameters, step_of(problem.batches(7), 6))
    assert value.shape == (1, 1)
    # Step 6 of the run with seed 7, by the model's own path in float64.
    count, draw = 3 if isinstance(measurements, list) else 4, "spread" if sampling == "lattice" else "draw"
    directions = [
        list(getattr(own, draw)(np.random.default_rng([7, 6, k]), count)) for k, own in enumerate(problem.measurements)
    ]
    model = ResponseModel(tuple(np.asarray(p[0, 0], dtype=float).T for p in parameters), problem.response)
    expected = divergence(problem.tensors[0].behavior(directions), model.behavior(directions))
    assert float(value[0, 0]) == pytest.approx(expected, rel=1e-4)


def test_squared_loss_is_the_mean_of_squares_on_the_grid():
    problem = problem_of(random_density_matrix((2, 2), seed=4))
    parameters = start_parameters(problem.response, 10, (1, 1), 0)
    value = jax.jit(continuous_loss(problem.response, "l2", False))(parameters, step_of(problem.batches(7), 6))
    directions = [list(AllProjective().spread(np.random.default_rng([7, 6, k]), 8)) for k in range(2)]
    model = ResponseModel(tuple(np.asarray(p[0, 0], dtype=float).T for p in parameters), problem.response)
    change = problem.tensors[0].behavior(directions).array - model.behavior(directions).array
    assert float(value[0, 0]) == pytest.approx(np.sum(change**2) / 64, rel=1e-4)


@pytest.mark.parametrize("num_parties", [1, 3])
def test_loss_of_pairs_is_that_of_the_whole_ensemble(num_parties):
    # No correlator of an odd number of parties: the ensemble may consist of opposite pairs.
    array = np.zeros((4,) * num_parties)
    array[(0,) * num_parties] = 1
    if num_parties > 1:
        array[(1, 1) + (0,) * (num_parties - 2)] = 0.3
    response = DirectionResponse(SphericalHarmonics(3), num_parties)
    problem = DirectionProblem((CorrelationTensor(array),), (AllProjective(),) * num_parties, response, 64, "lattice")
    assert problem.even
    half = start_parameters(response, 10, (1, 1), 0)
    whole = [jnp.concatenate([array, -array], axis=3) for array in half]
    batch = step_of(problem.batches(0), 3)
    paired = jax.jit(continuous_loss(response, "kl", True))(half, batch)
    plain = jax.jit(continuous_loss(response, "kl", False))(whole, batch)
    np.testing.assert_allclose(paired, plain, rtol=1e-4, atol=1e-9)


def test_loss_of_many_runs_is_that_of_each():
    problem = problem_of(werner_state(0.2), werner_state(0.9))
    loss = jax.jit(continuous_loss(problem.response, "kl", False))
    rng = np.random.default_rng(0)
    parameters = [jnp.asarray(rng.normal(size=(2, 3, 10, 20)), jnp.float32) for _ in range(2)]
    batch = step_of(problem.batches(1), 2)
    many = loss(parameters, batch)
    assert many.shape == (2, 3)
    for t, s in np.ndindex(2, 3):
        alone = loss([p[t : t + 1, s : s + 1] for p in parameters], {**batch, "target": batch["target"][t : t + 1]})
        assert float(many[t, s]) == pytest.approx(float(alone[0, 0]), rel=1e-4)


@pytest.mark.parametrize(
    ("state", "even"),
    [
        (werner_state(1), True),
        (ghz_state(3), False),
        (ghz_state(4), True),
        (Statevector([1, 0]), False),
        (DensityMatrix(np.eye(2) / 2), True),
        (random_density_matrix((2, 2), seed=1), False),
    ],
)
def test_states_without_odd_correlators_are_even(state, even):
    problem = problem_of(state)
    assert problem.even == even
    if even:
        n = problem.tensors[0].num_parties
        assert not problem_of(state, Statevector(np.eye(2**n)[0])).even


@pytest.mark.parametrize("sampling", ["lattice", "uniform"])
@pytest.mark.parametrize("measurements", ["xz", [["X", "Y", "Z"], ["X", "Z"]]])
def test_batches_do_not_depend_on_how_steps_are_grouped(measurements, sampling):
    batches = problem_of(werner_state(0.5), measurements=measurements, sampling=sampling, num_settings=4).batches(2)
    whole, part = batches(0, 6), batches(4, 2)
    np.testing.assert_array_equal(whole["target"][4:], part["target"])
    np.testing.assert_array_equal(whole["directions"][1][4:], part["directions"][1])
    assert not np.array_equal(whole["directions"][0][0], whole["directions"][0][1])


def test_starts_differ_and_targets_start_alike():
    response = DirectionResponse(SphericalHarmonics(3), 2)
    first, second = start_parameters(response, 500, (2, 3), seed=5)
    assert first.shape == second.shape == (2, 3, 10, 500)
    np.testing.assert_array_equal(first[0], first[1])
    for one, other in [(first[0, 0], first[0, 1]), (first[0, 1], first[0, 2]), (first[0, 0], second[0, 0])]:
        assert abs(np.corrcoef(one.ravel(), other.ravel())[0, 1]) < 5 / np.sqrt(5000)
    # The first start is that of a search with one.
    np.testing.assert_array_equal(first[0, 0], start_parameters(response, 500, (1, 1), seed=5)[0][0, 0])
    assert not np.array_equal(first, start_parameters(response, 500, (2, 3), seed=6)[0])


@pytest.mark.parametrize("lead", [(), (5,), (2, 3)])
def test_probabilities_from_correlators_agree_in_both_libraries(lead):
    correlators = np.random.default_rng(0).normal(size=(*lead, 3, 4))
    table = correlators_to_probabilities(correlators, 2)
    assert table.shape == (*lead, 2, 3, 2, 2)
    c = np.moveaxis(correlators, (-2, -1), (0, 1))
    expected = (c[0, 0] + c[2, 0] - c[0, 3] - c[2, 3]) / 4
    np.testing.assert_allclose(table[..., 1, 2, 0, 1], expected, atol=1e-15)
    np.testing.assert_allclose(correlators_to_probabilities(jnp.asarray(correlators), 2), table, atol=1e-6)


@pytest.mark.parametrize(
    ("num_parties", "expected"),
    [(1, [1024]), (2, [32, 32]), (3, [10] * 3), (4, [5, 5, 6, 6]), (5, [4] * 5), (6, [3, 3, 3, 3, 3, 4])],
)
def test_grid_sizes(num_parties, expected):
    assert grid_sizes(1024, [AllProjective()] * num_parties) == expected
    assert grid_sizes(1024, [PlanarProjective(np.eye(3)[:2])] * num_parties) == expected


def list_of(length):
    return ListedProjective(AllProjective().draw(np.random.default_rng(0), length))


def test_short_lists_are_taken_whole():
    assert grid_sizes(1024, [AllProjective(), list_of(2)]) == [512, 2]
    assert grid_sizes(1024, [list_of(100), list_of(3)]) == [100, 3]
    assert grid_sizes(1024, [list_of(1), AllProjective(), list_of(4)]) == [1, 256, 4]
    assert grid_sizes(100, [list_of(50), list_of(50)]) == [10, 10]
    assert grid_sizes(1, [AllProjective(), list_of(1), list_of(5)]) == [2, 1, 2]


@settings(max_examples=200, deadline=None, database=None)
@given(st.integers(1, 5000), st.lists(st.one_of(st.none(), st.integers(1, 60)), min_size=1, max_size=6))
def test_grids_keep_to_their_budget(num_settings, lengths):
    sizes = grid_sizes(num_settings, [AllProjective() if length is None else list_of(length) for length in lengths])
    limits = [math.inf if length is None else length for length in lengths]
    assert all(min(2, limit) <= size <= limit for size, limit in zip(sizes, limits, strict=True))
    assert math.prod(sizes) <= max(num_settings, 2 ** len(sizes))
    if math.inf in limits:
        assert math.prod(sizes) // max(sizes) * (max(sizes) + 1) > num_settings


def test_local_werner_state():
    tensor = CorrelationTensor.from_state(werner_state(0.4))
    result = find_local_model(
        werner_state(0.4), num_hidden=2048, optimizer=GradientDescent(num_steps=400), seed=1, progress=False
    )
    assert result.loss < 1e-5
    assert result.loss == result.evaluation.kl_divergence
    assert result.model.verify(tensor, atol=0.01)
    assert result.history[:20].mean() > 100 * result.history[-20:].mean()


def test_nonlocal_state_keeps_a_loss():
    # The singlet's correlations are far from local for most directions.
    assert find_local_model(werner_state(1), **grouped(**QUICK)).loss > 1e-3


def test_planar_measurements_need_only_the_plane():
    # In a plane the Werner state is local to 0.707; the state's third axis is not looked at.
    state = DensityMatrix(werner_state(0.5))
    result = find_local_model(
        state, measurements="xz", num_hidden=1024, optimizer=GradientDescent(num_steps=300), seed=1, progress=False
    )
    assert result.loss < 1e-5
    assert result.model.verify(CorrelationTensor.from_state(state), atol=0.01)


@pytest.mark.parametrize(
    "target",
    [
        Statevector([1, 0]),
        CorrelationTensor.from_state(werner_state(0.5)),
        random_density_matrix((2, 2, 2), seed=1),
    ],
    ids=["one qubit", "tensor", "three qubits"],
)
def test_targets(target):
    result = find_local_model(target, **grouped(**QUICK))
    assert np.isfinite(result.loss)
    assert result.history[-1] < result.history[0]


def test_circuit_is_taken_by_its_state():
    circuit = QuantumCircuit(2)
    circuit.ry(0.3, 0)
    circuit.h(1)
    from_circuit = find_local_model(circuit, **grouped(**QUICK))
    assert from_circuit == find_local_model(Statevector(circuit), **grouped(**QUICK))


def test_other_features():
    result = find_local_model(werner_state(0.3), **grouped(response=OddMonomials(3), **QUICK))
    assert result.model.response.features == OddMonomials(3)
    assert result.history[-1] < result.history[0]


def test_same_seed_same_model_and_files_keep_it(tmp_path):
    first, second = (find_local_model(werner_state(0.5), **grouped(**QUICK)) for _ in range(2))
    assert first == second
    first.save(tmp_path / "result.npz")
    assert LocalModelResult.load(tmp_path / "result.npz") == first


def test_target_loss_stops_early():
    result = find_local_model(werner_state(0.2), **grouped(**{**QUICK, "num_steps": 2000}, target_loss=1e-3))
    assert result.status == "The loss reached its target."
    assert len(result.history) < 2000


def test_evaluation_of_a_known_model():
    # White noise against the Werner state: KL = E[(1 + c) log(1 + c) + (1 - c) log(1 - c)] / 2 with c = v cos uniform.
    noise = ResponseModel((np.zeros((1, 3)),) * 2, DirectionResponse(SphericalHarmonics(1), 2))
    v = 0.8
    found = evaluate_model(noise, CorrelationTensor.from_state(werner_state(v)), num_settings=20_000)
    c = v * (2 * (np.arange(10_000) + 0.5) / 10_000 - 1)
    expected = np.mean((1 + c) * np.log1p(c) + (1 - c) * np.log1p(-c)) / 2
    assert found.kl_divergence == pytest.approx(expected, abs=5 * found.kl_standard_error)
    assert found.kl_standard_error < 0.01 * expected
    # |q - p| summed over the outcomes is |c|, with mean v / 2; its largest quarter is v / 4.
    assert found.l1_distance == pytest.approx(v / 2, rel=0.02)
    assert found.max_deviation == pytest.approx(v / 4, rel=1e-3)


@pytest.mark.parametrize("num_hidden", [1, 49])
def test_model_that_rules_out_what_happens_has_infinite_divergence(num_hidden):
    # For n near the pole, each response of this model is sure; its probability of outcome 1 is zero, up to rounding.
    hidden = np.abs(1e3 * np.random.default_rng(0).normal(size=(num_hidden, 3)))
    model = ResponseModel((hidden,), DirectionResponse(SphericalHarmonics(1), 1))
    found = evaluate_model(model, CorrelationTensor.from_state(Statevector([1, 0])))
    assert found.kl_divergence == np.inf
    assert found.max_deviation < 1


def test_squared_distance_is_that_of_the_tables():
    state = random_density_matrix((2, 2), seed=1)
    model = find_local_model(state, **grouped(measurements=[["X"], ["Z"]], **QUICK)).model
    found = evaluate_model(model, state, measurements=[["X", "Y"], ["-Z", (0.6, 0, 0.8)]], num_settings=4000)
    settings = [["X", "Y"], ["-Z", (0.6, 0, 0.8)]]
    squares = (Behavior.from_state(state, settings).array - model.behavior(settings).array) ** 2
    per_setting = squares.sum(axis=(2, 3))
    assert found.squared_distance == pytest.approx(per_setting.mean(), abs=5 * per_setting.std() / np.sqrt(4000))
    assert found.max_deviation == pytest.approx(np.sqrt(squares.max()), rel=1e-9)


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        ({"response": 2}, "response"),
        ({"response": 0}, "response"),
        ({"measurements": "sphere"}, "measurements"),
        ({"measurements": "xx"}, "measurements"),
        ({"measurements": [[1, 0, 0], [1, 0, 0]]}, "plane"),
        ({"response": "harmonics"}, "response"),
        ({"num_hidden": 0}, "num_hidden"),
    ],
)
def test_bad_arguments(arguments, name):
    with pytest.raises(LHVError, match=f"^{name}: expected"):
        find_local_model(werner_state(0.5), **grouped(**arguments))


def test_bad_targets():
    with pytest.raises(MeasurementError, match=r"target.*1 to 6 qubits, one per party"):
        find_local_model(CorrelationTensor.white_noise((2,) * 7))
    with pytest.raises(ScenarioError, match=r"target.*str"):
        find_local_model("singlet")
    with pytest.raises(MeasurementError, match="trace"):
        find_local_model(DensityMatrix(np.eye(4)))
    quick = {name: value for name, value in QUICK.items() if name != "num_settings"}
    with pytest.raises(ScenarioError, match="target"):
        evaluate_model(
            find_local_model(Behavior.from_state(werner_state(0.5), "chsh"), **grouped(**quick)).model, werner_tensor()
        )


def werner_tensor():
    return CorrelationTensor.from_state(werner_state(0.5))
