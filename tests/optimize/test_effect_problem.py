import jax
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from qiskit import QuantumCircuit
from qiskit.quantum_info import DensityMatrix, Statevector, random_density_matrix
from qiskit_lhv import Behavior, CorrelationTensor, LHVError, find_local_model, werner_state
from qiskit_lhv.exceptions import MeasurementError, ScenarioError
from qiskit_lhv.measurements import ListedMeasurements, POVMs, PVMs, measurement
from qiskit_lhv.models import (
    DirectionResponse,
    EffectFeatures,
    EffectFunctionResponse,
    EffectResponse,
    ResponseModel,
    SphericalHarmonics,
)
from qiskit_lhv.optimize import LocalModelResult, evaluate_model, find_local_models, sweep_visibility
from qiskit_lhv.optimize.effect_problem import EffectProblem, outcome_table
from qiskit_lhv.optimize.effect_symmetry import effect_orbits, shift_and_phase_symmetry
from qiskit_lhv.optimize.povm_kinds import povm_kinds
from qiskit_lhv.optimize.state_problem import FreeVariables
from qiskit_lhv.quantum import isotropic_state
from qiskit_lhv.targets import divergence
from qiskit_lhv.targets.operator_basis import coordinates_of_effects

from helpers import grouped

QUICK = {"num_hidden": 288, "num_steps": 100, "num_settings": 64, "num_evaluated": 100, "seed": 1, "progress": False}


def ghz_of_qutrits():
    amplitudes = np.zeros(27)
    amplitudes[[0, 13, 26]] = 1 / np.sqrt(3)
    return Statevector(amplitudes, dims=(3, 3, 3))


def problem_of(state, *sets, degree=2, num_settings=36, sampling="lattice"):
    response = EffectResponse(tuple(EffectFeatures(own, degree) for own in sets))
    return EffectProblem((CorrelationTensor.of(state),), sets, response, num_settings, sampling)


def step_of(batches, number):
    """The data of one step, taken out of a chunk of three."""
    return jax.tree.map(lambda array: array[1], batches(number - 1, 3))


# The table and the loss


@settings(max_examples=10, deadline=None)
@given(st.lists(st.integers(2, 4), min_size=1, max_size=3), st.integers(0, 99))
def test_outcome_table_is_the_state_s(dimensions, seed):
    tensor = CorrelationTensor.of(random_density_matrix(tuple(dimensions), seed=seed))
    rng = np.random.default_rng(seed)
    effects = [POVMs(d, d + k).draw(rng, 2 + k) for k, d in enumerate(dimensions)]
    table = outcome_table(tensor.array, [coordinates_of_effects(own) for own in effects])
    behavior = tensor.behavior([[measurement(one) for one in own] for own in effects])
    n = len(dimensions)
    expected = behavior.array.transpose([i for k in range(n) for i in (k, n + k)]).reshape(table.shape)
    np.testing.assert_allclose(table, expected, atol=1e-12)


@pytest.mark.parametrize("sampling", ["lattice", "uniform"])
@pytest.mark.parametrize("sets", [(PVMs(3),), (POVMs(2, (2, 3)), PVMs(3)), (PVMs(2),) * 3], ids=str)
def test_loss_is_the_mean_divergence_on_the_grid(sampling, sets):
    state = random_density_matrix(tuple(own.dimension for own in sets), seed=4)
    problem = problem_of(state, *sets, sampling=sampling)
    parameters = problem.start(10, (1, 1), 0)
    value = jax.jit(problem.loss("kl", FreeVariables(10)))(parameters, step_of(problem.batches(7), 6))
    assert value.shape == (1, 1)
    # Step 6 of the run with seed 7, by the model's own path in float64.
    draw = "spread" if sampling == "lattice" else "draw"
    drawn = [
        [measurement(one) for one in getattr(own, draw)(np.random.default_rng([7, 6, k]), size)]
        for k, (own, size) in enumerate(zip(sets, problem.grid_sizes, strict=True))
    ]
    model = ResponseModel(tuple(np.asarray(p[0, 0], dtype=float).T for p in parameters), problem.response)
    expected = divergence(problem.tensors[0].behavior(drawn), model.behavior(drawn))
    assert float(value[0, 0]) == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize(
    ("dimensions", "name"), [((2, 3), "kl"), ((4,), "l2"), ((2, 2, 3), "kl")], ids=["pair", "single", "three"]
)
def test_gradients_are_finite_differences(dimensions, name):
    sets = tuple(POVMs(d, (d, d + 1)) for d in dimensions)
    problem = problem_of(random_density_matrix(dimensions, seed=2), *sets, degree=1, num_settings=9)
    with jax.enable_x64(True):
        rng = np.random.default_rng(2)
        point = [rng.normal(size=(1, 1, shape[0], 4)) for shape in problem.response.hidden_shapes]
        data = jax.tree.map(lambda a: a.astype(np.float64), step_of(problem.batches(2), 2))
        of_runs = problem.loss(name, FreeVariables(4))
        loss = jax.jit(jax.value_and_grad(lambda parameters: of_runs(parameters, data)[0, 0]))
        slope, step = loss(point)[1], 1e-5
        for _ in range(3):
            ways = [rng.normal(size=own.shape) for own in point]
            forward, backward = (
                float(loss([own + sign * step * way for own, way in zip(point, ways, strict=True)])[0])
                for sign in (1, -1)
            )
            expected = sum(float(np.sum(np.asarray(g) * way)) for g, way in zip(slope, ways, strict=True))
            assert (forward - backward) / (2 * step) == pytest.approx(expected, rel=1e-5, abs=1e-9)


# Symmetry


@pytest.mark.parametrize(
    ("state", "order"),
    [
        (isotropic_state(0.4, 3), 9),
        (isotropic_state(0.4, 4), 16),
        (ghz_of_qutrits(), 27),
        (random_density_matrix((3, 3), seed=1), 1),
        (DensityMatrix(np.eye(6) / 6, dims=(2, 3)), 36),
    ],
    ids=["isotropic", "four levels", "GHZ", "random", "noise"],
)
def test_shifts_and_phases_that_leave_a_state_unchanged(state, order):
    tensor = CorrelationTensor.of(state)
    elements = shift_and_phase_symmetry([tensor])
    assert len(elements) == order
    for _, maps in elements:
        turned = tensor.array
        for k, change in enumerate(maps):
            turned = np.moveaxis(np.tensordot(change, turned, axes=(0, k)), 0, k)
        np.testing.assert_allclose(turned, tensor.array, atol=1e-12)


@pytest.mark.parametrize(
    ("state", "own"),
    [(isotropic_state(0.4, 3), PVMs(3)), (werner_state(0.4), POVMs(2))],
    ids=["qutrits", "qubits"],
)
def test_orbits_are_an_ordinary_ensemble_with_the_symmetry(state, own):
    problem = problem_of(state, own, own)
    orbits = effect_orbits(problem.tensors, (own, own), problem.response.features, allowed=lambda order: order <= 12)
    assert orbits is not None
    free = [np.asarray(p[0, 0], dtype=float) for p in problem.start(5, (1, 1), 0)]
    expanded = orbits.expanded([array.T for array in free])
    data = step_of(problem.batches(3), 2)
    size = len(expanded[0])
    of_orbits = jax.jit(problem.loss("kl", FreeVariables(5, orbits=orbits)))([one[None, None] for one in free], data)
    plain = jax.jit(problem.loss("kl", FreeVariables(size)))([one.T[None, None] for one in expanded], data)
    assert size == 5 * orbits.order
    assert float(of_orbits[0, 0]) == pytest.approx(float(plain[0, 0]), rel=1e-4)


def test_groups_grow_by_exchanges_transpositions_and_clifford_operators():
    problem = problem_of(isotropic_state(0.4, 3), PVMs(3), PVMs(3), degree=1)

    def order(*sizes):
        orbits = effect_orbits(
            problem.tensors, (PVMs(3),) * 2, problem.response.features, allowed=lambda order: order in sizes
        )
        return None if orbits is None else orbits.order

    # 9 shifts and phases, times 24 Clifford operators up to these, transposition and exchange.
    sizes = (9, 18, 36, 72, 144, 288, 432, 864)
    assert order(1, *sizes[:4]) == 72
    assert order(9, 18) == 18
    # Where shifts and phases are too many, the others remain.
    assert order(1, 2, 4) == 4
    assert order(1) is None


def test_sets_that_a_symmetry_moves_have_no_orbits():
    listed = ListedMeasurements(PVMs(3).draw(np.random.default_rng(0), 3))
    problem = problem_of(isotropic_state(0.4, 3), listed, listed, degree=1)
    found = effect_orbits(problem.tensors, (listed, listed), problem.response.features, allowed=lambda order: True)
    assert found is None


@pytest.mark.parametrize("open_size", [True, False])
def test_states_too_large_to_compare_and_ensembles_too_small_for_orbits(open_size):
    large = random_density_matrix((8, 8), rank=2, seed=1)
    assert shift_and_phase_symmetry([CorrelationTensor.of(large)]) == []
    # The maps of one party alone would take tens of gibibytes.
    assert shift_and_phase_symmetry([CorrelationTensor.white_noise((32, 2))]) == []

    def allowed(least):
        return lambda order: order <= least and (open_size or 256 % order == 0)

    problem = problem_of(large, PVMs(8), PVMs(8), degree=1)
    found = (problem.tensors, problem.measurements, problem.response.features)
    assert effect_orbits(*found, allowed=allowed(64)) is None
    small = problem_of(isotropic_state(0.3, 3), PVMs(3), PVMs(3), degree=1)
    assert effect_orbits(small.tensors, small.measurements, small.response.features, allowed=allowed(0)) is None


# Searches


def test_two_qutrits():
    options = {**QUICK, "num_hidden": 1026, "num_steps": 300, "num_settings": 256, "num_evaluated": 500}
    result = find_local_model(isotropic_state(0.1, 3), **grouped(response=1, **options))
    assert result.loss < 1e-6
    assert result.evaluation.num_settings == 500
    # The deviation from a behavior, by another path.
    assert result.model.verify(isotropic_state(0.1, 3), atol=2e-3)
    # Degenerate measurements are coarse-grainings.
    coarse = evaluate_model(result.model, isotropic_state(0.1, 3), measurements=PVMs(3, (2, 1)), num_settings=100)
    assert coarse.kl_divergence < 1e-6


def test_a_state_without_local_model_keeps_its_loss():
    assert find_local_model(isotropic_state(1.0, 3), **grouped(response=1, **QUICK)).loss > 1e-2


def test_qubits_by_directions_and_by_effects():
    options = {**QUICK, "num_hidden": 480, "num_steps": 300, "num_settings": 256, "num_evaluated": 1000}
    # Beyond the critical visibility, the loss has an optimum that the ensemble does not limit.
    state = werner_state(0.9)
    bloch = find_local_model(state, **grouped(response=3, **options))
    effects = find_local_model(state, **grouped(response=3, measurements=PVMs(2), **options))
    assert isinstance(effects.model.response, EffectResponse)
    assert effects.model.response.features[0].size == SphericalHarmonics(3).size
    assert effects.loss == pytest.approx(bloch.loss, rel=0.05)


def test_povms_are_evaluated_on_other_kinds():
    options = {**QUICK, "num_hidden": 960, "num_steps": 300, "num_settings": 256, "num_evaluated": 200}
    result = find_local_model(werner_state(0.3), measurements="povm", **grouped(response=2, **options))
    assert list(result.evaluation.kinds) == [
        "projective", "trine", "SIC", "Haar, 3 outcomes", "Haar, 4 outcomes", "Haar, 6 outcomes",
    ]  # fmt: skip
    assert result.evaluation.worst_divergence < 1e-5
    assert "trine" in str(result.evaluation)
    # The same model under projective measurements alone.
    assert evaluate_model(result.model, werner_state(0.3), num_settings=100).kl_divergence < 1e-5


@pytest.mark.parametrize("dimension", [2, 3, 4])
def test_kinds_of_povms(dimension):
    kinds = povm_kinds(dimension)
    assert ("trine" in kinds) == (dimension == 2)
    for name, draw in kinds.items():
        effects = draw(np.random.default_rng(0), 3)
        assert PVMs(dimension).contains(effects[0]) == (name == "projective")
        np.testing.assert_allclose(effects.sum(axis=1), np.stack([np.eye(dimension)] * 3), atol=1e-12)
        if name == "SIC":
            overlaps = np.einsum("aij,bji->ab", effects[0], effects[0]).real * dimension**2
            expected = (dimension * np.eye(dimension**2) + 1) / (dimension + 1)
            np.testing.assert_allclose(overlaps, expected, atol=1e-9)


def entangled_pairs():
    circuit = QuantumCircuit(4)
    circuit.h([0, 1])
    circuit.cx([0, 1], [2, 3])
    return circuit


@pytest.mark.parametrize(
    ("state", "arguments", "dimensions"),
    [
        (random_density_matrix((2, 3), seed=1), {"response": 2}, (2, 3)),
        (entangled_pairs(), {"parties": [[0, 1], [2, 3]], "response": 1}, (4, 4)),
        (ghz_of_qutrits(), {"response": 1}, (3, 3, 3)),
        (random_density_matrix((3,), seed=1), {"response": 1}, (3,)),
        (werner_state(0.2), {"measurements": ["povm", "xz"]}, (2, 2)),
        (isotropic_state(0.1, 3), {"response": EffectFeatures(PVMs(3), 2, context=True)}, (3, 3)),
    ],
    ids=["qubit and qutrit", "four qubits", "GHZ", "one qutrit", "mixed sets", "context"],
)
def test_other_parties(state, arguments, dimensions):
    result = find_local_model(state, **grouped(**arguments, **{**QUICK, "num_steps": 40}))
    assert result.model.response.dimensions == dimensions
    assert result.history[-10:].mean() < result.history[0]
    assert result.loss == result.evaluation.kl_divergence


def test_several_states_and_starts():
    states = [isotropic_state(v, 3) for v in (0.1, 0.3)]
    options = {**QUICK, "num_steps": 40, "response": 1}
    together = find_local_models(states, **grouped(start=2, **options))
    assert [result.start_losses.shape for result in together] == [(2,), (2,)]
    with pytest.raises(ScenarioError, match=r"^targets: expected states with the same number of parties"):
        find_local_models([isotropic_state(0.1, 3), werner_state(0.1)], **grouped(**options))


def test_sweep_of_qutrits():
    sweep = sweep_visibility(isotropic_state(1, 3), [0.1, 0.6], **grouped(response=1, **{**QUICK, "num_steps": 40}))
    assert sweep.losses[0] < sweep.losses[1]


def test_interrupted_search_goes_on(tmp_path):
    state, path = isotropic_state(0.4, 3), tmp_path / "run.npz"
    options = {**QUICK, "num_steps": 200, "response": 1}
    whole = find_local_model(state, **grouped(**options))
    part = find_local_model(state, **grouped(checkpoint=path, time_limit=1e-9, **options))
    assert len(part.history) == 100
    assert find_local_model(state, **grouped(checkpoint=path, **options)) == whole
    whole.save(tmp_path / "result.npz")
    assert LocalModelResult.load(tmp_path / "result.npz") == whole
    # From a model, in whole orbits again.
    warm = find_local_model(state, **grouped(**{**options, "num_steps": 50}, start=whole.model))
    assert warm.loss < 2 * whole.loss


# Bad input


def test_bad_arguments():
    state, quick = isotropic_state(0.2, 3), {**QUICK, "num_steps": 2}
    with pytest.raises(MeasurementError, match="measurements of dimension 3"):
        find_local_model(state, measurements=PVMs(2), **grouped(**quick))
    with pytest.raises(MeasurementError, match=r"^degree: .*GiB"):
        find_local_model(state, **grouped(response=12, **quick))
    with pytest.raises(MeasurementError, match=r"^num_hidden: .*GiB"):
        find_local_model(state, **grouped(**{**quick, "num_hidden": 10**9}))
    with pytest.raises(MeasurementError, match=r"^measurements: .* GiB. Choose fewer outcomes"):
        find_local_model(state, measurements=POVMs(3, 10**9), **grouped(**quick))
    for trivial in (PVMs(3, ranks=(3,)), [[np.eye(3)]], [[np.eye(3) / 2] * 2]):
        with pytest.raises(MeasurementError, match=r"^measurements: expected measurements with outcomes that depend"):
            find_local_model(state, measurements=[PVMs(3), trivial], **grouped(**quick))
    with pytest.raises(ScenarioError, match=r"^response: expected a degree of at least 1"):
        find_local_model(state, **grouped(response=0, **quick))
    with pytest.raises(ScenarioError, match=r"^response: expected one for parties of dimensions \(3, 3\)"):
        find_local_model(state, **grouped(response=EffectFeatures(PVMs(2), 1), **quick))
    with pytest.raises(MeasurementError, match=r"at most 4096 dimensions in all"):
        find_local_model(CorrelationTensor.white_noise((3,) * 8))
    with pytest.raises(LHVError, match=r"^parties"):
        find_local_model(Behavior.from_state(werner_state(0.2), "chsh"), parties=[[0], [1]])
    started = find_local_model(state, **grouped(**quick)).model
    with pytest.raises(ScenarioError, match=r"^start: expected a model with 288") as raised:
        find_local_model(isotropic_state(0.2, 4), **grouped(start=started, **quick))
    # Names, not the coefficients of all polynomials.
    assert len(str(raised.value)) < 1000
    with pytest.raises(ScenarioError, match=r"^symmetry"):
        find_local_model(state, **grouped(symmetry=[werner_state(0.2)], **quick))
    response = DirectionResponse(SphericalHarmonics(1), 2)
    model = ResponseModel((np.ones((1, 3)),) * 2, response)
    with pytest.raises(MeasurementError, match="projective measurements of qubits"):
        evaluate_model(model, werner_state(0.2), measurements="povm")
    assert evaluate_model(model, werner_state(0.2), measurements=PVMs(2), num_settings=20).num_settings == 20
    with pytest.raises(ScenarioError, match="target"):
        evaluate_model(model, state)


def test_function_of_a_user_s_own():
    def in_proportion(effects, hidden_variables):
        weights = jax.numpy.trace(effects, axis1=2, axis2=3).real / effects.shape[-1]
        return weights[None] * jax.numpy.ones((len(hidden_variables), 1, 1)) + 0 * hidden_variables.sum()

    response = EffectFunctionResponse(in_proportion, num_variables=1, dimensions=(3, 3))
    result = find_local_model(isotropic_state(0, 3), **grouped(response=response, **{**QUICK, "num_steps": 3}))
    assert result.loss < 1e-12


def test_a_matrix_without_dimensions_is_asked_about():
    with pytest.raises(MeasurementError, match=r"^target: expected a state of several parties.*dims=\(3, 3\)"):
        find_local_model(DensityMatrix(np.eye(9) / 9))
