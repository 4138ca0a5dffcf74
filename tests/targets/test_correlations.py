import itertools
import tracemalloc

import numpy as np
import pytest
from qiskit import QuantumCircuit
from qiskit.quantum_info import DensityMatrix, Operator, Pauli, Statevector, random_density_matrix, random_statevector
from qiskit_lhv import (
    CorrelationTensor,
    certify_all_projective,
    critical_visibility,
    optimize_settings,
    werner_state,
)
from qiskit_lhv.exceptions import MeasurementError, ScenarioError
from qiskit_lhv.quantum import mix_with_noise
from qiskit_lhv.targets import pauli_transform
from qiskit_lhv.targets.operator_basis import hermitian_basis

PAULIS = {
    "I": np.eye(2),
    "X": np.array([[0, 1], [1, 0]]),
    "Y": np.array([[0, -1j], [1j, 0]]),
    "Z": np.diag([1, -1]),
}


def bloch_effect(vector, outcome):
    sign = 1 - 2 * outcome
    return (np.eye(2) + sign * sum(c * PAULIS[p] for c, p in zip(vector, "XYZ", strict=True))) / 2


# The basis


@pytest.mark.parametrize("dimension", [2, 3, 4, 5])
def test_basis_is_orthogonal_hermitian_and_traceless(dimension):
    basis = hermitian_basis(dimension)
    assert basis.shape == (dimension**2, dimension, dimension)
    np.testing.assert_array_equal(basis, basis.conj().transpose(0, 2, 1))
    gram = np.einsum("iab,jba->ij", basis, basis)
    expected = 2 * np.eye(dimension**2)
    expected[0, 0] = dimension
    np.testing.assert_allclose(gram, expected, atol=1e-14)


def test_basis_of_a_qubit_is_identity_x_y_z():
    np.testing.assert_array_equal(hermitian_basis(2), [PAULIS[p] for p in "IXYZ"])


def test_basis_of_a_qutrit_is_symmetric_antisymmetric_diagonal():
    basis = hermitian_basis(3)
    for number, (j, k) in enumerate([(0, 1), (0, 2), (1, 2)]):
        expected = np.zeros((3, 3))
        expected[j, k] = expected[k, j] = 1
        np.testing.assert_array_equal(basis[1 + number], expected)
        expected = np.zeros((3, 3), dtype=complex)
        expected[j, k], expected[k, j] = -1j, 1j
        np.testing.assert_array_equal(basis[4 + number], expected)
    np.testing.assert_allclose(basis[7], np.diag([1, -1, 0]), atol=1e-15)
    np.testing.assert_allclose(basis[8], np.diag([1, 1, -2]) / np.sqrt(3), atol=1e-15)


def test_basis_is_read_only():
    with pytest.raises(ValueError, match="read-only"):
        hermitian_basis(2)[0, 0, 0] = 2


# From states


@pytest.mark.parametrize("parties", [[0, 1, 2], [2, 0, 1], [1, 2, 0]])
@pytest.mark.parametrize("make", [random_density_matrix, random_statevector])
def test_entries_are_expectation_values_in_party_order(parties, make):
    state = make(8, seed=4)
    tensor = CorrelationTensor.from_state(state, parties).array
    for letters in itertools.product("IXYZ", repeat=3):
        at_qubit = dict(zip(parties, letters, strict=True))
        label = "".join(at_qubit[qubit] for qubit in (2, 1, 0))
        index = tuple("IXYZ".index(letter) for letter in letters)
        assert tensor[index] == pytest.approx(state.expectation_value(Pauli(label)).real, abs=1e-12)


def test_qubits_of_no_party_are_traced_out():
    state = random_density_matrix(8, seed=6)
    tensor = CorrelationTensor.from_state(state, [2, 0]).array
    for (i, first), (j, second) in itertools.product(enumerate("IXYZ"), repeat=2):
        label = f"{first}I{second}"
        assert tensor[i, j] == pytest.approx(state.expectation_value(Pauli(label)).real, abs=1e-12)


@pytest.mark.parametrize("group", [(2, 0), (0, 2)])
def test_first_qubit_of_a_party_is_the_least_significant(group):
    state = random_density_matrix(8, seed=9)
    tensor = CorrelationTensor.from_state(state, [group, 1])
    assert tensor.dimensions == (4, 2)
    for i, j in itertools.product(range(16), range(4)):
        operator = Operator(np.kron(hermitian_basis(2)[j], hermitian_basis(4)[i]))
        expected = state.expectation_value(operator, qargs=[*group, 1]).real
        assert tensor.array[i, j] == pytest.approx(expected, abs=1e-12)


def test_qutrits_keep_their_order():
    state = random_density_matrix((3, 2), seed=2)
    assert state.dims() == (3, 2)
    tensor = CorrelationTensor.from_state(state)
    assert tensor.dimensions == (3, 2)
    for i, j in itertools.product(range(9), range(4)):
        # Subsystem 0 is the least significant, so it is the right factor.
        operator = np.kron(hermitian_basis(2)[j], hermitian_basis(3)[i])
        assert tensor.array[i, j] == pytest.approx(np.trace(state.data @ operator).real, abs=1e-12)
    swapped = CorrelationTensor.from_state(state, [1, 0])
    np.testing.assert_allclose(swapped.array, tensor.array.T, atol=1e-14)


def test_two_qutrits_in_a_product_state_factorize():
    one, two = random_density_matrix(3, seed=1).data, random_density_matrix(3, seed=2).data
    tensor = CorrelationTensor.from_state(DensityMatrix(np.kron(two, one), dims=(3, 3)))
    expected = np.outer(*[np.einsum("ab,iba->i", part, hermitian_basis(3)).real for part in (one, two)])
    np.testing.assert_allclose(tensor.array, expected, atol=1e-13)


def test_singlet_is_minus_the_identity():
    singlet = Statevector(np.array([0, 1, -1, 0]) / np.sqrt(2))
    np.testing.assert_allclose(CorrelationTensor.from_state(singlet).array, np.diag([1, -1, -1, -1]), atol=1e-15)


def test_circuits_are_states():
    circuit = QuantumCircuit(2)
    circuit.ry(0.7, 1)
    tensor = CorrelationTensor.from_state(circuit).array
    expected = np.outer([1, 0, 0, 1], [1, np.sin(0.7), 0, np.cos(0.7)])
    np.testing.assert_allclose(tensor, expected, atol=1e-15)


def test_ten_qubits_take_no_operator_on_the_whole_space():
    amplitudes = np.zeros(2**10)
    amplitudes[[0, -1]] = np.sqrt(0.5)
    for state in (Statevector(amplitudes), DensityMatrix(np.outer(amplitudes, amplitudes))):
        tensor = CorrelationTensor.from_state(state)
        assert tensor.num_parties == 10
        assert tensor.array[(1,) * 10] == pytest.approx(1)
        assert tensor.array[(2, 2) + (1,) * 8] == pytest.approx(-1)
        assert tensor.array[(3, 3) + (0,) * 8] == pytest.approx(1)
        assert tensor.array[(3,) + (0,) * 9] == pytest.approx(0)
        assert np.count_nonzero(np.abs(tensor.array) > 1e-9) == 2**9 + 2**9


@pytest.mark.parametrize("num_qubits", [1, 2, 3, 4, 5, 7])
@pytest.mark.parametrize("make", [random_density_matrix, random_statevector])
@pytest.mark.parametrize("chunk", [1 << 18, 64])
def test_transform_agrees_with_sums_over_paulis(num_qubits, make, chunk, monkeypatch):
    # Small parts, as of many qubits.
    monkeypatch.setattr(pauli_transform, "_CHUNK", chunk)
    rng = np.random.default_rng(num_qubits)
    state = make(2**num_qubits, seed=3)
    parties = rng.permutation(num_qubits)
    array = CorrelationTensor.from_state(state, parties).array
    assert array.flat[0] == 1
    assert array.flags.c_contiguous
    assert not array.flags.writeable
    for index in rng.integers(0, 4, size=(40, num_qubits)):
        label = ["I"] * num_qubits
        for qubit, letter in zip(parties, index, strict=True):
            label[num_qubits - 1 - qubit] = "IXYZ"[letter]
        expected = state.expectation_value(Pauli("".join(label))).real
        assert array[tuple(index)] == pytest.approx(expected, abs=1e-12)


def test_transform_takes_little_more_memory_than_its_result():
    amplitudes = np.random.default_rng(1).normal(size=2**10)
    state = Statevector(amplitudes / np.linalg.norm(amplitudes))
    CorrelationTensor.from_state(state, [0])
    tracemalloc.start()
    try:
        result = CorrelationTensor.from_state(state)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    # The result has 8 MiB, and parts of 2 MiB are worked on.
    assert peak < result.array.nbytes + 8 * 2**20


def test_tensors_that_do_not_fit_into_memory():
    amplitudes = np.zeros(2**18)
    amplitudes[0] = 1
    with pytest.raises(MeasurementError, match=r"state: expected at most \d+ qubits, whose 4\*\*N correlations fit"):
        pauli_transform.pauli_tensor(amplitudes, range(24))
    assert CorrelationTensor.from_state(Statevector(amplitudes), [3, 17]).array[3, 3] == 1


def test_rounding_of_a_matrix_that_is_not_quite_hermitian():
    state = random_density_matrix(4, seed=1).data
    skew = np.zeros((4, 4))
    skew[0, 1], skew[1, 0] = 4e-9, -4e-9
    found = CorrelationTensor.from_state(state + skew).array
    np.testing.assert_allclose(found, CorrelationTensor.from_state(state).array, atol=1e-15)


# Behaviors


def test_behavior_is_the_trace_with_kronecker_effects():
    rng = np.random.default_rng(3)
    state = random_density_matrix(8, seed=3)
    vectors = [rng.normal(size=(m, 3)) for m in (2, 3, 1)]
    vectors = [v / np.linalg.norm(v, axis=1, keepdims=True) for v in vectors]
    parties = [1, 2, 0]
    array = CorrelationTensor.from_state(state, parties).behavior([list(v) for v in vectors]).array
    assert array.shape == (2, 3, 1, 2, 2, 2)
    for cell in np.ndindex(array.shape):
        effects = {parties[k]: bloch_effect(vectors[k][cell[k]], cell[3 + k]) for k in range(3)}
        operator = np.kron(effects[2], np.kron(effects[1], effects[0]))
        assert array[cell] == pytest.approx(np.trace(state.data @ operator).real, abs=1e-12)


def test_behavior_of_qutrits_and_povms_is_the_trace():
    state = random_density_matrix((3, 2), seed=8)
    trine = [[np.sin(t), 0, np.cos(t)] for t in (0, 2 * np.pi / 3, 4 * np.pi / 3)]
    povm = np.array([(2 / 3) * bloch_effect(v, 0) for v in trine])
    observable = np.diag([1.0, 2.0, 3.0])
    array = CorrelationTensor.from_state(state).behavior([[observable], [povm]]).array
    for a, b in itertools.product(range(3), repeat=2):
        projector = np.zeros((3, 3))
        projector[2 - a, 2 - a] = 1
        expected = np.trace(state.data @ np.kron(povm[b], projector)).real
        assert array[0, 0, a, b] == pytest.approx(expected, abs=1e-12)


def test_scaled_tensors_are_targets_as_long_as_probabilities_stay_positive():
    tensor = CorrelationTensor(np.diag([1, 1.4, 1.4, 1.4]))
    diagonal = (np.sqrt(0.5), np.sqrt(0.5), 0)
    array = tensor.behavior([["X"], [(0, 0.8, 0.6)]]).array
    np.testing.assert_allclose(array, 0.25, atol=1e-15)
    with pytest.raises(ScenarioError, match=r"^settings: .*a probability of -0\.1.*not that of a state"):
        tensor.behavior([["X"], ["X"]])
    assert tensor.behavior([["X"], [diagonal]]).array.min() == pytest.approx((1 - 1.4 * np.sqrt(0.5)) / 4)


def test_rounding_of_the_state_does_not_reach_the_behavior():
    state = DensityMatrix(np.diag([0.5 + 5e-9, 0.5]))
    array = CorrelationTensor.from_state(np.kron(state.data, np.diag([1.0, 0.0]))).behavior([["Z"] * 2, ["X"]]).array
    np.testing.assert_allclose(array.sum(axis=(2, 3)), 1, atol=1e-15)


# Reduction


def test_reduce_takes_parties_in_the_order_given():
    state = random_density_matrix(8, seed=12)
    tensor = CorrelationTensor.from_state(state)
    for parties in ([2, 0], [0, 2], [1], [2, 1, 0]):
        expected = CorrelationTensor.from_state(state, parties)
        np.testing.assert_allclose(tensor.reduce(parties).array, expected.array, atol=1e-14)
    assert tensor.reduce(np.array([2, 0])) == tensor.reduce([2, 0])


@pytest.mark.parametrize("parties", [[], [0, 0], [3], [-1], [0.0], [True], ["0"]])
def test_reduce_refuses_what_are_no_distinct_parties(parties):
    tensor = CorrelationTensor.from_state(random_density_matrix(8, seed=1))
    with pytest.raises(ScenarioError, match=r"^parties: expected distinct numbers from 0 to 2"):
        tensor.reduce(parties)


# Validation


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (1.0, "shape (D_1**2, ..., D_N**2)"),
        (np.ones(3), "got shape (3,)"),
        (np.ones((4, 1)), "with D_k >= 2"),
        (np.ones((4, 8)), "got shape (4, 8)"),
        (np.zeros(4), "1 at [0, ..., 0]"),
        ([1 + 1e-6, 0, 0, 0], "1 at [0, ..., 0]"),
        ([1, np.nan, 0, 0], "finite"),
        ([1, 1j, 0, 0], "complex"),
        ("tensor", "an array of numbers"),
        (np.zeros((0, 4)), "shape (D_1**2"),
    ],
)
def test_bad_arrays_are_refused(array, words):
    with pytest.raises(ScenarioError, match=r"^array: expected") as caught:
        CorrelationTensor(array)
    assert isinstance(caught.value, ValueError)
    assert words in str(caught.value)


def test_array_is_read_only_and_named_by_its_dimensions():
    tensor = CorrelationTensor(np.eye(36)[0].reshape(4, 9))
    assert tensor.dimensions == (2, 3)
    assert tensor.num_parties == 2
    assert repr(tensor) == "CorrelationTensor(dimensions (2, 3))"
    with pytest.raises(ValueError, match="read-only"):
        tensor.array[0, 0] = 2


@pytest.mark.parametrize("settings", [[["Z"]], [["Z"], ["ZZ"]], "chshs", [["Z"], []]])
def test_settings_that_do_not_fit_are_refused(settings):
    with pytest.raises(MeasurementError, match=r"^settings"):
        CorrelationTensor(np.diag([1.0, 0, 0, 0])).behavior(settings)


def test_the_trace_is_exactly_1():
    own = CorrelationTensor.from_state(random_density_matrix(4, seed=1)).array
    mixed = sum(weight * own for weight in np.random.default_rng(3).dirichlet(np.ones(5)))
    assert mixed[0, 0] != 1
    tensor = CorrelationTensor(mixed)
    assert tensor.array[0, 0] == 1
    assert not tensor.array.flags.writeable
    np.testing.assert_array_equal(tensor.array.ravel()[1:], mixed.ravel()[1:])


@pytest.mark.parametrize("dims", [(2, 2), (2, 3), (2, 2, 2)])
def test_white_noise_is_the_maximally_mixed_state(dims):
    size = int(np.prod(dims))
    state = DensityMatrix(np.eye(size) / size, dims=dims)
    np.testing.assert_allclose(CorrelationTensor.white_noise(dims).array, CorrelationTensor.of(state).array, atol=1e-15)


def test_largest_difference_to_a_state():
    state = random_density_matrix(4, seed=5)
    tensor = CorrelationTensor.of(state)
    assert CorrelationTensor.of(tensor) is tensor
    assert tensor.largest_difference(state) == 0
    changed = tensor.array.copy()
    changed[1, 2] -= 0.25
    assert tensor.largest_difference(CorrelationTensor(changed)) == pytest.approx(0.25, abs=1e-15)
    assert tensor.largest_difference(random_density_matrix(8, seed=5)) == np.inf
    with pytest.raises(MeasurementError, match=r"^state"):
        tensor.largest_difference("a state")


@pytest.mark.parametrize(
    "call",
    [
        lambda noise: mix_with_noise(werner_state(1), 0.5, noise),
        lambda noise: certify_all_projective(werner_state(1), noise=noise, directions=6),
        lambda noise: optimize_settings(werner_state(1), noise=noise),
        lambda noise: critical_visibility(werner_state(1), noise=noise),
    ],
)
@pytest.mark.parametrize("noise", ["a state", np.diag([1.5, -0.5, 0, 0]), 2 * np.eye(4), np.full((4, 4), np.nan)])
def test_bad_noise_is_named_as_such(call, noise):
    with pytest.raises(MeasurementError, match=r"^noise: expected "):
        call(noise)
