import jax
import jax.numpy as jnp
import numpy as np
import pytest
from qiskit import QuantumCircuit
from qiskit.quantum_info import DensityMatrix, Statevector, random_density_matrix
from qiskit_lhv import (
    Behavior,
    CorrelationTensor,
    LHVError,
    LocalModelResult,
    MeasurementError,
    OddMonomials,
    ScenarioError,
    SphericalHarmonics,
    divergence,
    evaluate_model,
    find_local_model,
    werner_state,
)
from qiskit_lhv.models.responses import DirectionResponse, ResponseModel
from qiskit_lhv.optimize.continuous import (
    ContinuousProblem,
    continuous_loss,
    correlators_to_probabilities,
    start_parameters,
    target_probabilities,
)
from qiskit_lhv.optimize.directions import DirectionSampler, grid_size

QUICK = {"num_hidden": 512, "num_steps": 200, "seed": 1, "progress": False}


@pytest.mark.parametrize("num_qubits", [1, 2, 3])
def test_target_probabilities_are_the_state_s(num_qubits):
    tensor = CorrelationTensor.from_state(random_density_matrix((2,) * num_qubits, seed=3))
    directions = [DirectionSampler("projective").draw(np.random.default_rng(k), (k + 2,)) for k in range(num_qubits)]
    expected = tensor.behavior([list(party) for party in directions]).array
    np.testing.assert_allclose(target_probabilities(tensor, directions), expected, atol=1e-14)


def test_loss_is_the_mean_divergence_on_the_grid():
    tensor = CorrelationTensor.from_state(random_density_matrix((2, 2, 2), seed=4))
    problem = ContinuousProblem(tensor, DirectionSampler("projective"), SphericalHarmonics(3), 4)
    parameters = start_parameters(3, 20, 10, 0)
    batch = jax.tree.map(lambda array: array[1], problem.batches(7)(5, 3))
    value = float(continuous_loss(parameters, batch))
    # Step 6 of the run with seed 7, by the model's own path in float64.
    directions = [list(DirectionSampler("projective").draw(np.random.default_rng([7, 6, k]), (4,))) for k in range(3)]
    hidden = tuple(np.asarray(p, dtype=float) for p in parameters)
    model = ResponseModel(hidden, DirectionResponse(SphericalHarmonics(3), 3))
    assert value == pytest.approx(divergence(tensor.behavior(directions), model.behavior(directions)), rel=1e-4)


def test_batches_do_not_depend_on_how_steps_are_grouped():
    tensor = CorrelationTensor.from_state(werner_state(0.5))
    batches = ContinuousProblem(tensor, DirectionSampler("xz"), SphericalHarmonics(1), 3).batches(2)
    whole, part = batches(0, 6), batches(4, 2)
    np.testing.assert_array_equal(whole["target"][4:], part["target"])
    np.testing.assert_array_equal(whole["features"][1][4:], part["features"][1])


def test_probabilities_from_correlators_agree_in_both_libraries():
    correlators = np.random.default_rng(0).normal(size=(3, 4))
    table = correlators_to_probabilities(correlators)
    assert table.shape == (2, 3, 2, 2)
    c = correlators
    assert table[1, 2, 0, 1] == pytest.approx((c[0, 0] + c[2, 0] - c[0, 3] - c[2, 3]) / 4)
    np.testing.assert_allclose(correlators_to_probabilities(jnp.asarray(correlators)), table, atol=1e-6)


@pytest.mark.parametrize("measurements", ["projective", "xz", "yx", [[0.6, 0.8, 0], [0, 0, 1]]])
def test_directions_are_uniform_unit_vectors(measurements):
    sampler = DirectionSampler(measurements)
    vectors = sampler.draw(np.random.default_rng(0), (20_000,))
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1)
    second = vectors.T @ vectors / len(vectors)
    expected = np.eye(3) / 3 if sampler.plane is None else sampler.plane.T @ sampler.plane / 2
    # Five standard errors of a mean of squares below 1.
    np.testing.assert_allclose(second, expected, atol=5 / np.sqrt(20_000))


@pytest.mark.parametrize(("num_parties", "expected"), [(1, 1024), (2, 32), (3, 10), (4, 5), (5, 4), (6, 3)])
def test_grid_size(num_parties, expected):
    assert grid_size(1024, num_parties) == expected


def test_local_werner_state():
    tensor = CorrelationTensor.from_state(werner_state(0.4))
    result = find_local_model(werner_state(0.4), num_hidden=2048, num_steps=400, seed=1, progress=False)
    assert result.loss < 1e-5
    assert result.loss == result.evaluation.kl_divergence
    assert result.model.verify(tensor, atol=0.01)
    assert result.history[:20].mean() > 100 * result.history[-20:].mean()


def test_nonlocal_state_keeps_a_loss():
    # The singlet's correlations are far from local for most directions.
    assert find_local_model(werner_state(1), **QUICK).loss > 1e-3


def test_planar_measurements_need_only_the_plane():
    # In a plane the Werner state is local to 0.707; the state's third axis is not looked at.
    state = DensityMatrix(werner_state(0.5))
    result = find_local_model(state, measurements="xz", num_hidden=1024, num_steps=300, seed=1, progress=False)
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
    result = find_local_model(target, **QUICK)
    assert np.isfinite(result.loss)
    assert result.history[-1] < result.history[0]


def test_circuit_is_taken_by_its_state():
    circuit = QuantumCircuit(2)
    circuit.ry(0.3, 0)
    circuit.h(1)
    from_circuit = find_local_model(circuit, **QUICK)
    assert from_circuit == find_local_model(Statevector(circuit), **QUICK)


def test_other_features():
    result = find_local_model(werner_state(0.3), features=OddMonomials(3), **QUICK)
    assert result.model.response.features == OddMonomials(3)
    assert result.history[-1] < result.history[0]


def test_same_seed_same_model_and_files_keep_it(tmp_path):
    first, second = (find_local_model(werner_state(0.5), **QUICK) for _ in range(2))
    assert first == second
    first.save(tmp_path / "result.npz")
    assert LocalModelResult.load(tmp_path / "result.npz") == first


def test_target_loss_stops_early():
    result = find_local_model(werner_state(0.2), **{**QUICK, "num_steps": 2000}, target_loss=1e-3)
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


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        ({"degree": 2}, "degree"),
        ({"degree": 0}, "degree"),
        ({"measurements": "sphere"}, "measurements"),
        ({"measurements": "xx"}, "measurements"),
        ({"measurements": [[1, 0, 0], [1, 0, 0]]}, "plane"),
        ({"features": "harmonics"}, "features"),
        ({"num_hidden": 0}, "num_hidden"),
    ],
)
def test_bad_arguments(arguments, name):
    with pytest.raises(LHVError, match=f"^{name}: expected"):
        find_local_model(werner_state(0.5), **arguments)


def test_bad_targets():
    with pytest.raises(ScenarioError, match=r"target.*one qubit"):
        find_local_model(Statevector(np.eye(3).ravel() / np.sqrt(3), dims=(3, 3)))
    with pytest.raises(ScenarioError, match=r"target.*str"):
        find_local_model("singlet")
    with pytest.raises(MeasurementError, match="trace"):
        find_local_model(DensityMatrix(np.eye(4)))
    with pytest.raises(ScenarioError, match="target"):
        evaluate_model(find_local_model(Behavior.from_state(werner_state(0.5), "chsh"), **QUICK).model, werner_tensor())


def werner_tensor():
    return CorrelationTensor.from_state(werner_state(0.5))
