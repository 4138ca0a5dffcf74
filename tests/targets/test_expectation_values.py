import numpy as np
import pytest
from qiskit import QuantumCircuit
from qiskit.primitives import BackendEstimatorV2, DataBin, PubResult, StatevectorEstimator, StatevectorSampler
from qiskit.primitives.containers.estimator_pub import EstimatorPub
from qiskit.quantum_info import SparseObservable, SparsePauliOp, pauli_basis
from qiskit.transpiler import CouplingMap, generate_preset_pass_manager
from qiskit_aer import AerSimulator
from qiskit_lhv import BellExperiment, CorrelationTensor
from qiskit_lhv.exceptions import CountsError
from qiskit_lhv.quantum import PhysicalQubits
from qiskit_lhv.targets import (
    estimate_from_estimator,
    estimate_from_expectations,
    pauli_labels,
    pauli_observables,
)

from helpers import asymmetric_circuit, bell_circuit


def test_results_of_an_estimator():
    pub = (asymmetric_circuit(), pauli_observables(2))
    result = StatevectorEstimator(seed=1).run([pub], precision=0.01).result()[0]
    # This Estimator reports errors of 0, though it adds noise of the target precision.
    assert not result.data.stds.any()
    estimate = estimate_from_estimator(result, pub)
    exact = CorrelationTensor.from_state(asymmetric_circuit()).array
    assert 0.001 < np.abs(estimate.tensor.array - exact).max() < 0.05
    np.testing.assert_allclose(estimate.covariance(), np.diag(estimate.standard_errors.ravel() ** 2))
    assert estimate.standard_errors[1, 0] == 0.01


def test_results_from_shots_of_a_backend():
    backend = AerSimulator(n_qubits=3)
    prepared = generate_preset_pass_manager(1, backend=backend, initial_layout=[2, 1]).run(bell_circuit())
    observables = [one.apply_layout(prepared.layout) for one in pauli_observables(2)]
    estimator = BackendEstimatorV2(backend=backend, options={"seed_simulator": 3})
    result = estimator.run([(prepared, observables)], precision=0.05).result()[0]
    estimate = estimate_from_estimator(result, (prepared, observables))
    # All 400 shots of XX agree, which does not mean that there is no error.
    assert estimate.tensor.array[1, 1] == 1
    assert estimate.standard_errors[1, 1] == pytest.approx(6 / 400)
    np.testing.assert_allclose(estimate.standard_errors[1, 3], 0.05, rtol=0.05)


def test_labels_follow_qiskit():
    values = dict.fromkeys(pauli_labels(2), 0.0)
    values["XZ"] = 0.5  # Z on qubit 0, X on qubit 1
    errors = dict.fromkeys(values, 0.1)
    errors["XZ"] = 0.2
    estimate = estimate_from_expectations(values, errors)
    assert estimate.tensor.array[3, 1] == 0.5
    assert estimate.standard_errors[3, 1] == 0.2
    assert [one.paulis[0].to_label() for one in pauli_observables(2)] == list(values)
    assert pauli_observables(1)[2] == SparsePauliOp("Z")


def test_errors_of_shots_are_never_too_small():
    def found(errors, factors=(1, 1, 1), **metadata):
        result = PubResult(DataBin(evs=np.zeros(3), stds=np.array(errors), shape=(3,)), metadata)
        observables = [SparsePauliOp(label, factor) for label, factor in zip("XYZ", factors, strict=True)]
        return estimate_from_estimator(result, observables).standard_errors[1:]

    np.testing.assert_allclose(found([0.0, 1e-12, 0.2], shots=100), [0.06, 0.06, 0.2])
    # A precision of 0.1 is that of 100 shots.
    np.testing.assert_allclose(found([0.0, 0.01, 0.2], target_precision=0.1), [0.1, 0.06, 0.2])
    # An observable with a factor is a Pauli string whose error is divided by it.
    np.testing.assert_allclose(found([0.0, 0.2, 0.2], (4, -4, 1), shots=100), [0.06, 0.06, 0.2])
    np.testing.assert_allclose(found([0.0, 0.4, 0.2], (2, -2, 1), target_precision=0.2), [0.24, 0.24, 0.24])
    np.testing.assert_allclose(found([0.1, 0.01, 0.2]), [0.1, 0.01, 0.2])
    for wrong in (-0.1, np.nan):
        with pytest.raises(CountsError, match="standard errors above 0"):
            found([0.1, wrong, 0.1], shots=100)


# The order of observables


def exact_result(circuit, observables):
    """Values without noise, as of a very precise Estimator."""
    result = StatevectorEstimator().run([(circuit, observables)]).result()[0]
    data = DataBin(evs=result.data.evs, stds=np.full_like(result.data.evs, 1e-3), shape=result.data.evs.shape)
    return PubResult(data, {})


def one_flipped():
    circuit = QuantumCircuit(2)
    circuit.x(0)
    return circuit


def orders():
    own = [one.paulis[0].to_label() for one in pauli_observables(2)]
    qiskit = pauli_basis(2)[1:]
    return {
        "own": own,
        "qiskit": qiskit,
        "with identity": list(pauli_basis(2)),
        "shuffled": [own[i] for i in np.random.default_rng(1).permutation(15)],
        "grid": np.array(own).reshape(3, 5),
        "factors": [SparsePauliOp(one, (-1) ** i * (i + 1)) for i, one in enumerate(own)],
        "sparse": [SparseObservable(one) for one in own],
        "dictionaries": [{one: 2.0} for one in own],
    }


@pytest.mark.parametrize("name", list(orders()))
def test_values_are_read_by_their_observables(name):
    given = orders()[name]
    # Estimators of Qiskit 2.0 know no SparseObservable.
    observables = {"qiskit": list(pauli_basis(2)[1:]), "sparse": orders()["own"]}.get(name, given)
    for circuit in (one_flipped(), asymmetric_circuit()):
        result = exact_result(circuit, observables)
        exact = CorrelationTensor.from_state(circuit).array
        for told in (given, (circuit, observables), EstimatorPub.coerce((circuit, observables))):
            found = estimate_from_estimator(result, told).tensor.array
            np.testing.assert_allclose(found, exact, atol=1e-12)
    # x(0): qubit 0 is the one that is turned, whatever the order.
    found = estimate_from_estimator(exact_result(one_flipped(), observables), given).tensor.array
    assert (found[3, 0], found[0, 3]) == pytest.approx((-1, 1))


@pytest.mark.parametrize("initial_layout", [[2, 1], [0, 2]])
def test_observables_on_a_device_are_read_through_the_layout(initial_layout):
    manager = generate_preset_pass_manager(
        1, coupling_map=CouplingMap.from_line(3), basis_gates=["cx", "rz", "sx", "x"], initial_layout=initial_layout
    )
    prepared = manager.run(asymmetric_circuit())
    observables = [one.apply_layout(prepared.layout) for one in pauli_observables(2)]
    result = exact_result(prepared, observables)
    exact = CorrelationTensor.from_state(asymmetric_circuit())
    found = estimate_from_estimator(result, (prepared, observables))
    np.testing.assert_allclose(found.tensor.array, exact.array, atol=1e-10)
    found = estimate_from_estimator(result, (prepared, observables), [1, 0])
    np.testing.assert_allclose(found.tensor.array, exact.reduce([1, 0]).array, atol=1e-10)
    places = prepared.layout.final_index_layout()
    for told in (observables, (prepared, observables)):
        found = estimate_from_estimator(result, told, PhysicalQubits(places))
        np.testing.assert_allclose(found.tensor.array, exact.array, atol=1e-10)
    # Which qubit of the device is which, observables do not tell.
    with pytest.raises(CountsError, match=r"observables: .*of a device in another order\. Pass the PUB"):
        estimate_from_estimator(result, observables)


def test_some_qubits_of_a_circuit():
    circuit = QuantumCircuit(4)
    circuit.compose(asymmetric_circuit(), [3, 1], inplace=True)
    labels = ["".join({3: two[1], 1: two[0]}.get(3 - i, "I") for i in range(4)) for two in pauli_labels(2)]
    result = exact_result(circuit, labels)
    exact = CorrelationTensor.from_state(asymmetric_circuit())
    found = estimate_from_estimator(result, (circuit, labels))
    np.testing.assert_allclose(found.tensor.array, exact.reduce([1, 0]).array, atol=1e-12)
    found = estimate_from_estimator(result, labels, [3, 1])
    np.testing.assert_allclose(found.tensor.array, exact.array, atol=1e-12)
    with pytest.raises(CountsError, match=r"parties' qubits \[3, 0\], got ones that act on \[1\], too"):
        estimate_from_estimator(result, labels, [3, 0])
    with pytest.raises(CountsError, match=r"parties: expected one qubit for each party"):
        estimate_from_estimator(result, labels, [(3, 1)])


def test_observables_that_are_no_tensor():
    three = ["XX", "YY", "ZZ"]
    result = exact_result(bell_circuit(), three)
    with pytest.raises(CountsError, match=r"all 15 Pauli labels of 2 qubits, got none for XI, YI"):
        estimate_from_estimator(result, three)
    with pytest.raises(CountsError, match=r"one for each value of the result, which has shape \(3,\)"):
        estimate_from_estimator(result, pauli_observables(2))
    with pytest.raises(CountsError, match=r"each Pauli string once, got 'XX' twice"):
        estimate_from_estimator(result, ["XX", "XX", "ZZ"])
    with pytest.raises(CountsError, match=r"Pauli strings, each with a real factor"):
        estimate_from_estimator(result, [SparsePauliOp(["XX", "YY"]), "YY", "ZZ"])
    with pytest.raises(CountsError, match=r"Pauli strings, each with a real factor"):
        estimate_from_estimator(result, ["0X", "YY", "ZZ"])
    with pytest.raises(CountsError, match=r"observables: expected the PUB"):
        estimate_from_estimator(result, 3)


# Bad input


def test_missing_label():
    values = dict.fromkeys(pauli_labels(2), 0.1)
    del values["XZ"], values["IY"]
    with pytest.raises(CountsError, match=r"all 15 Pauli labels of 2 qubits.*none for IY, XZ"):
        estimate_from_expectations(values, 0.1)


def test_bad_expectations():
    values = dict.fromkeys(pauli_labels(1), 0.1)
    with pytest.raises(CountsError, match="standard_errors"):
        estimate_from_expectations(values, 0.0)
    for wrong in (-0.1, np.nan, np.inf, None, True):
        with pytest.raises(CountsError, match="standard_errors"):
            estimate_from_expectations(values, wrong)
        with pytest.raises(CountsError, match=r"standard_errors\['Y'\]"):
            estimate_from_expectations(values, {"X": 0.1, "Y": wrong, "Z": 0.1})
    with pytest.raises(CountsError, match=r"from -1 to 1"):
        estimate_from_expectations(values | {"X": 3.0}, 0.1)
    with pytest.raises(CountsError, match=r"unknown Q"):
        estimate_from_expectations(values | {"Q": 0.0}, 0.1)
    with pytest.raises(CountsError, match="can be split"):
        estimate_from_expectations(values, 0.1).split(0.5)
    with pytest.raises(CountsError, match=r"standard_errors\['Z'\]"):
        estimate_from_expectations(values, {"X": 0.1, "Y": 0.1})
    with pytest.raises(CountsError, match=r"values\['Y'\]"):
        estimate_from_expectations(values | {"Y": "0.3"}, 0.1)
    with pytest.raises(CountsError, match="Pauli labels as keys"):
        estimate_from_expectations({1: 0.3}, 0.1)
    with pytest.raises(CountsError, match="at most 6"):
        pauli_labels(7)
    with pytest.raises(CountsError, match="num_qubits"):
        pauli_observables(0)


def test_results_that_are_no_estimate():
    sampled = BellExperiment(bell_circuit(), "pauli")
    with pytest.raises(CountsError, match=r"evs and stds.*estimate_tensor"):
        estimate_from_estimator(StatevectorSampler(seed=1).run(sampled.pubs(10)).result()[0], pauli_observables(2))
    estimator = StatevectorEstimator(seed=1)
    few = estimator.run([(bell_circuit(), pauli_observables(2)[:-1])], precision=0.1).result()[0]
    with pytest.raises(CountsError, match=r"all 15 Pauli labels of 2 qubits, got none for ZZ"):
        estimate_from_estimator(few, pauli_observables(2)[:-1])
    exact = estimator.run([(bell_circuit(), pauli_observables(2))]).result()[0]
    with pytest.raises(CountsError, match="from_state"):
        estimate_from_estimator(exact, pauli_observables(2))
