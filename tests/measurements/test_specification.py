import itertools

import numpy as np
import pytest
from qiskit import QuantumCircuit
from qiskit.circuit import Parameter
from qiskit.circuit.library import HGate, SwapGate
from qiskit.quantum_info import Operator, Pauli, SparsePauliOp, random_unitary
from qiskit_lhv import Behavior, measurement
from qiskit_lhv.exceptions import MeasurementError
from qiskit_lhv.measurements.specification import named_settings, parse_settings
from qiskit_lhv.polytope import mermin

from helpers import bell_circuit, refusal

X = np.array([[0, 1], [1, 0]])
Y = np.array([[0, -1j], [1j, 0]])
Z = np.diag([1, -1])
H = np.array([[1, 1], [1, -1]]) / np.sqrt(2)
SWAP = np.eye(4)[[0, 2, 1, 3]]
PLUS, MINUS = (np.eye(2) + X) / 2, (np.eye(2) - X) / 2


def projector(vector):
    vector = np.asarray(vector, dtype=complex)
    return np.outer(vector, vector.conj())


def bloch_projector(x, y, z):
    return (np.eye(2) + x * X + y * Y + z * Z) / 2


def hadamard_circuit():
    circuit = QuantumCircuit(1)
    circuit.h(0)
    return circuit


# One measurement, many names


@pytest.mark.parametrize(
    "spec",
    [
        "X",
        "+X",
        (1, 0, 0),
        [1.0, 0.0, 0.0],
        np.array([1.0, 0.0, 0.0]),
        Pauli("X"),
        SparsePauliOp("X"),
        SparsePauliOp(["X", "X"], [0.25, 0.5]),
        SparsePauliOp("X", [3.0]),
        Operator(X),
        X,
        X.tolist(),
        [PLUS, MINUS],
        np.array([PLUS, MINUS]),
        [Operator(PLUS), Operator(MINUS)],
        SparsePauliOp(["X", "I"], [2.0, 5.0]),
    ],
)
def test_every_name_of_x_gives_the_same_effects(spec):
    one = measurement(spec)
    assert one.num_outcomes == 2
    assert one.dimension == 2
    np.testing.assert_allclose(one.effects, [PLUS, MINUS], atol=1e-12)


@pytest.mark.parametrize("basis", ["X", Pauli("X"), HGate(), H, Operator(H), hadamard_circuit()])
def test_every_name_of_the_basis_of_x_gives_the_same_effects(basis):
    one = measurement(basis=basis)
    np.testing.assert_allclose(one.effects, [PLUS, MINUS], atol=1e-12)
    assert one.outcome_of == (0, 1)


@pytest.mark.parametrize("spec", ["-X", (-1, 0, 0), Pauli("-X"), SparsePauliOp("X", [-0.5]), -X, [MINUS, PLUS]])
def test_a_minus_sign_swaps_the_outcomes(spec):
    np.testing.assert_allclose(measurement(spec).effects, [MINUS, PLUS], atol=1e-12)


@pytest.mark.parametrize(("label", "matrix"), [("X", X), ("Y", Y), ("Z", Z), ("-Y", -Y), ("-Z", -Z)])
def test_outcome_zero_is_the_eigenvalue_plus_one(label, matrix):
    effects = measurement(label).effects
    np.testing.assert_allclose(effects[0], (np.eye(2) + matrix) / 2, atol=1e-15)
    np.testing.assert_allclose(effects[1], (np.eye(2) - matrix) / 2, atol=1e-15)


@pytest.mark.parametrize("vector", [(0.48, 0.6, 0.64), (0, 0, -1), (-0.6, 0.8, 0), (0, -1, 0), (0, 0, 1)])
def test_bloch_vectors_give_their_projectors(vector):
    one = measurement(vector)
    np.testing.assert_allclose(one.effects[0], bloch_projector(*vector), atol=1e-15)
    np.testing.assert_allclose(one.effects[1], bloch_projector(*(-np.array(vector))), atol=1e-15)
    np.testing.assert_allclose(one.bloch_vectors, [vector], atol=1e-15)


def test_bloch_vectors_are_normalized_within_rounding():
    effects = measurement((0, 0.6 + 3e-7, 0.8)).effects
    np.testing.assert_allclose(effects @ effects, effects, atol=1e-15)


def test_a_measurement_is_returned_as_it_is():
    one = measurement("Z")
    assert measurement(one) is one


def test_effects_are_read_only():
    with pytest.raises(ValueError, match="read-only"):
        measurement("Z").effects[0, 0, 0] = 0


# The order of outcomes


def test_outcomes_come_by_descending_eigenvalue():
    # 2 Z on qubit 0 and Z on qubit 1: eigenvalues 3, 1, -1, -3 on |q1 q0> = 00, 10, 01, 11.
    one = measurement(SparsePauliOp(["IZ", "ZI"], [2, 1]))
    for outcome, number in enumerate([0, 2, 1, 3]):
        np.testing.assert_allclose(one.effects[outcome], projector(np.eye(4)[number]), atol=1e-12)


def test_equal_eigenvalues_are_one_outcome():
    one = measurement(np.diag([2.0, 5.0, 5.0]))
    assert one.dimension == 3
    np.testing.assert_allclose(one.effects, [np.diag([0, 1, 1]), np.diag([1, 0, 0])], atol=1e-12)


def test_eigenvalues_that_differ_by_rounding_are_one_outcome():
    rotation = random_unitary(4, seed=3).data
    observable = rotation @ np.diag([1, 1, -1, 1]) @ rotation.conj().T
    one = measurement(observable)
    assert one.num_outcomes == 2
    np.testing.assert_allclose(one.effects[1], projector(rotation[:, 2]), atol=1e-10)


def test_a_pauli_product_has_two_outcomes_and_its_basis_four():
    observable, basis = measurement(Pauli("XZ")), measurement(basis="XZ")
    parity = np.kron(X, Z)
    np.testing.assert_allclose(observable.effects, [(np.eye(4) + parity) / 2, (np.eye(4) - parity) / 2], atol=1e-15)
    assert basis.num_outcomes == 4
    # Outcome b: bit 0 is the result of Z on qubit 0, bit 1 that of X on qubit 1.
    for bit0, bit1 in itertools.product(range(2), repeat=2):
        expected = np.kron([PLUS, MINUS][bit1], projector(np.eye(2)[bit0]))
        np.testing.assert_allclose(basis.effects[bit0 + 2 * bit1], expected, atol=1e-15)


@pytest.mark.parametrize("spec", ["XZ", SparsePauliOp("XZ"), "-XZ", "IY", "YI", "XYZ"])
def test_pauli_strings_agree_with_their_matrices(spec):
    matrix = Operator(SparsePauliOp(Pauli(spec)) if isinstance(spec, str) else spec).data
    identity = np.eye(len(matrix))
    np.testing.assert_allclose(
        measurement(spec).effects, [(identity + matrix) / 2, (identity - matrix) / 2], atol=1e-14
    )


def test_hadamard_is_an_observable_or_a_basis():
    half = np.sqrt(0.5)
    np.testing.assert_allclose(measurement(H).effects[0], bloch_projector(half, 0, half), atol=1e-14)
    np.testing.assert_allclose(measurement(Operator(HGate())).effects[0], bloch_projector(half, 0, half), atol=1e-14)
    np.testing.assert_allclose(measurement(basis=H).effects[0], PLUS, atol=1e-14)


def test_swap_is_an_observable_or_a_basis():
    observable, basis = measurement(Operator(SwapGate())), measurement(basis=SwapGate())
    assert (observable.num_outcomes, basis.num_outcomes) == (2, 4)
    np.testing.assert_allclose(observable.effects[1], projector([0, np.sqrt(0.5), -np.sqrt(0.5), 0]), atol=1e-14)
    np.testing.assert_allclose(observable.effects[0], (np.eye(4) + SWAP) / 2, atol=1e-14)
    for outcome, number in enumerate([0, 2, 1, 3]):
        np.testing.assert_allclose(basis.effects[outcome], projector(np.eye(4)[number]), atol=1e-14)


def test_a_circuit_that_prepares_bell_states_names_the_bell_basis():
    half = np.sqrt(0.5)
    one = measurement(basis=bell_circuit())
    expected = [[half, 0, 0, half], [half, 0, 0, -half], [0, half, half, 0], [0, -half, half, 0]]
    np.testing.assert_allclose(one.effects, [projector(vector) for vector in expected], atol=1e-14)


def test_a_basis_vector_is_a_column_of_the_unitary():
    unitary = random_unitary(3, seed=1).data
    one = measurement(basis=unitary)
    assert one.dimension == 3
    np.testing.assert_allclose(one.effects, [projector(column) for column in unitary.T], atol=1e-14)


def test_effects_of_a_povm_stay_as_they_are():
    angles = [0, 2 * np.pi / 3, 4 * np.pi / 3]
    trine = [2 / 3 * bloch_projector(np.sin(t), 0, np.cos(t)) for t in angles]
    one = measurement(trine)
    assert one.num_outcomes == 3
    assert one.basis is None
    assert one.outcome_of is None
    np.testing.assert_allclose(one.effects, trine, atol=1e-15)


# Product bases


def test_bloch_vectors_of_a_pauli_basis_are_listed_by_qubit():
    np.testing.assert_allclose(measurement(basis="XZ").bloch_vectors, [[0, 0, 1], [1, 0, 0]], atol=1e-15)
    np.testing.assert_allclose(measurement("YIX").bloch_vectors, [[1, 0, 0], [0, 0, 1], [0, 1, 0]], atol=1e-15)


def test_bloch_vectors_of_a_random_product_basis():
    one, two = random_unitary(2, seed=1).data, random_unitary(2, seed=2).data
    vectors = measurement(basis=np.kron(two, one)).bloch_vectors
    for vector, unitary in zip(vectors, (one, two), strict=True):
        state = projector(unitary[:, 0])
        np.testing.assert_allclose(vector, [np.trace(state @ p).real for p in (X, Y, Z)], atol=1e-12)


def test_bloch_vector_of_an_observable():
    np.testing.assert_allclose(measurement("H").bloch_vectors, [[np.sqrt(0.5), 0, np.sqrt(0.5)]], atol=1e-12)


@pytest.mark.parametrize(
    "one",
    [
        measurement(basis=bell_circuit()),
        measurement(basis=SwapGate()),
        measurement(basis=np.eye(3)),
        measurement([PLUS / 2, PLUS / 2, MINUS]),
        measurement(basis=np.eye(4)[:, [0, 1, 3, 2]]),
    ],
    ids=["Bell", "SWAP", "qutrit", "POVM", "CNOT"],
)
def test_other_measurements_have_no_bloch_vectors(one):
    assert one.bloch_vectors is None


# Bad input


def test_exactly_one_of_spec_and_basis_is_needed():
    assert "got neither" in refusal(
        MeasurementError,
        measurement,
    )
    assert "got both" in refusal(MeasurementError, measurement, "X", basis="X")


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        (np.array([[0, 1], [0, 0]]), "expected a Hermitian observable"),
        (Operator(np.diag([1, 1j])), "measurement(basis=...)"),
        (SparsePauliOp("X", [1j]), "expected a Hermitian observable"),
        (SparsePauliOp(["X", "Z"], [1, 1j]), "expected a Hermitian observable"),
        ([PLUS + 0.5 * Z, MINUS - 0.5 * Z], "expected positive effects, got effect 0 with eigenvalue -0.207"),
        ([PLUS, PLUS], "effects that sum to the identity"),
        ([PLUS / 2, MINUS / 2], "effects that sum to the identity, got a sum that is off by 0.5"),
        ([PLUS + 0.1j * X, MINUS - 0.1j * X], "expected Hermitian effects"),
        ((0.5, 0, 0), "Normalize it"),
        ((0, 0, 0), "length 0"),
        ((1j, 0, 0), "real Bloch vector"),
        ((1, 0), "got shape (2,)"),
        ((1, 0, 0, 0), "got shape (4,)"),
        ((np.nan, 0, 1), "finite numbers"),
        ([[np.nan, 0], [0, 1]], "finite numbers"),
        ([[[np.inf, 0], [0, 1]], [[0, 0], [0, 0]]], "finite numbers"),
        (Operator(np.array([[np.nan, 0], [0, 1]])), "finite"),
        (np.ones((2, 3)), "got shape (2, 3)"),
        (np.ones((2, 2, 3)), "got shape (2, 2, 3)"),
        ([np.eye(2), np.eye(3)], "got list"),
        ([], "got shape (0,)"),
        ("Q", "expected a Pauli label"),
        ("XQ", "got 'XQ'"),
        ("x", "measurement(basis=...)"),
        (5, "got int"),
        (object(), "got object"),
        (QuantumCircuit(1), "Use measurement(basis=circuit)"),
    ],
)
def test_bad_specs_are_refused(spec, words):
    message = refusal(MeasurementError, measurement, spec)
    assert message.startswith("spec: expected")
    assert words in message


@pytest.mark.parametrize(
    "spec",
    [SparsePauliOp("Z", [np.nan]), SparsePauliOp(["Z", "X"], [np.nan, 1])],
    ids=["one term", "two terms"],
)
def test_operators_with_coefficients_that_are_no_numbers_are_refused(spec):
    assert refusal(MeasurementError, measurement, spec).startswith("spec: expected")


def test_operators_with_free_parameters_are_refused():
    assert refusal(MeasurementError, measurement, SparsePauliOp("Z", np.array([Parameter("t")]))).startswith(
        "spec: expected"
    )


@pytest.mark.parametrize("label", ["", "iZ", "-iX", "S"])
def test_labels_of_no_observable_are_refused(label):
    assert refusal(MeasurementError, measurement, label).startswith("spec: expected")


def parameterized_circuit():
    circuit = QuantumCircuit(1)
    circuit.rx(Parameter("t"), 0)
    return circuit


def measured_circuit():
    circuit = QuantumCircuit(1, 1)
    circuit.measure(0, 0)
    return circuit


@pytest.mark.parametrize(
    ("basis", "words"),
    [
        (np.array([[1, 0], [0, 0.9]]), "expected a unitary"),
        (2 * X, "expected a unitary"),
        (np.array([[np.nan, 0], [0, 1]]), "finite"),
        (np.ones((2, 3)), "basis: expected"),
        ("XQ", "expected a product of X, Y and Z such as 'XZ', got 'XQ'"),
        ("XI", "expected a product of X, Y and Z"),
        ("", "expected a product of X, Y and Z"),
        (Pauli("-X"), "got '-X'"),
        (parameterized_circuit(), "a circuit without measurements"),
        (measured_circuit(), "a circuit without measurements"),
        (5, "basis: expected"),
        ((1, 0, 0), "basis: expected"),
    ],
)
def test_bad_bases_are_refused(basis, words):
    message = refusal(MeasurementError, measurement, basis=basis)
    assert message.startswith("basis: expected")
    assert words in message


# Settings of all parties


def test_parsed_settings_keep_their_order():
    parsed = parse_settings([["X", "-Z"], [np.diag([3, 2, 1])]], [2, 3])
    assert [len(party) for party in parsed] == [2, 1]
    np.testing.assert_allclose(parsed[0][1].effects[0], np.diag([0, 1]), atol=1e-15)
    np.testing.assert_allclose(parsed[1][0].effects[2], np.diag([0, 0, 1]), atol=1e-15)


def test_rows_of_an_array_are_bloch_vectors():
    parsed = parse_settings(np.array([np.eye(3), -np.eye(3)]), [2, 2])
    np.testing.assert_allclose(parsed[1][1].bloch_vectors, [[0, -1, 0]], atol=1e-15)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ([["X"]], "settings: expected one sequence of measurements for each of 2 parties, got 1 sequences"),
        ([["X"], ["X"], ["X"]], "Choose the parties with parties=[...]"),
        ([["X"], ["XX"]], "settings[1][0]: expected a measurement of dimension 2, as party 1 has, got dimension 4"),
        ([["X", np.eye(3)], ["X"]], "settings[0][1]: expected a measurement of dimension 2"),
        ([["X"], []], "settings[1]: expected a non-empty sequence of measurements"),
        (["X", ["X"]], "settings[0]: expected a non-empty sequence of measurements, got 'X'"),
        ([["X"], 5], "settings[1]: expected a non-empty sequence"),
        ([["X"], ["X", "Q"]], "settings[1][1]: spec: expected a Pauli label"),
        ([["X"], ["X", (0.5, 0.5, 0)]], "settings[1][1]: spec: expected a real Bloch vector"),
        ("bell", "a sequence of settings for each party, or 'chsh', 'mermin' or 'pauli', got 'bell'"),
    ],
)
def test_bad_settings_are_refused(settings, words):
    with pytest.raises(MeasurementError) as caught:
        parse_settings(settings, [2, 2])
    assert words in str(caught.value)


@pytest.mark.parametrize("settings", [5, None])
def test_settings_that_are_no_sequence_are_refused(settings):
    with pytest.raises(MeasurementError, match=r"^settings: expected"):
        parse_settings(settings, [2, 2])


def test_settings_may_have_different_numbers_of_outcomes():
    parsed = parse_settings([["X", [PLUS / 2, PLUS / 2, MINUS], "I"]], [2])
    assert [one.num_outcomes for one in parsed[0]] == [2, 3, 1]


# Named settings


def test_chsh_settings_reach_the_quantum_bound():
    correlators = Behavior.from_state(bell_circuit(), "chsh").to_correlators()[1:, 1:]
    value = np.sum(np.array([[1, 1], [1, -1]]) * correlators)
    assert value == pytest.approx(2 * np.sqrt(2), rel=1e-12)


def ghz_circuit(num_qubits):
    circuit = QuantumCircuit(num_qubits)
    circuit.h(0)
    for qubit in range(1, num_qubits):
        circuit.cx(0, qubit)
    return circuit


def test_mermin_settings_reach_four_for_three_parties():
    behavior = Behavior.from_state(ghz_circuit(3), "mermin")
    e = behavior.to_correlators()[1:, 1:, 1:]
    assert e[0, 0, 0] - e[0, 1, 1] - e[1, 0, 1] - e[1, 1, 0] == pytest.approx(4, rel=1e-12)
    assert mermin(3).value(behavior) == pytest.approx(4, rel=1e-12)


def test_mermin_settings_take_any_number_of_parties():
    assert named_settings("mermin", 5) == [["X", "Y"]] * 5
    assert mermin(4).value(Behavior.from_state(ghz_circuit(4), "mermin")) == pytest.approx(8, rel=1e-12)


@pytest.mark.parametrize(("name", "num_parties"), [("chsh", 3), ("chsh", 1), ("CH", 2), ("", 2)])
def test_names_that_do_not_fit_are_refused(name, num_parties):
    with pytest.raises(MeasurementError, match=r"^settings: expected"):
        named_settings(name, num_parties)


def test_repr_tells_name_outcomes_and_dimension():
    assert repr(measurement("-XZ")) == "Measurement(-XZ: 2 outcomes, dimension 4)"
