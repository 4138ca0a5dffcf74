import numpy as np
import pytest
from qiskit import QuantumCircuit
from qiskit.primitives import BackendEstimatorV2, DataBin, PubResult, StatevectorEstimator, StatevectorSampler
from qiskit.quantum_info import SparsePauliOp
from qiskit.transpiler import generate_preset_pass_manager
from qiskit_aer import AerSimulator
from qiskit_lhv import (
    BellExperiment,
    CorrelationTensor,
    CountsError,
    estimate_from_estimator,
    estimate_from_expectations,
    pauli_labels,
    pauli_observables,
)


def asymmetric():
    circuit = QuantumCircuit(2)
    circuit.ry(0.7, 0)
    circuit.rx(1.1, 1)
    circuit.cx(0, 1)
    circuit.rz(0.4, 1)
    circuit.ry(0.3, 0)
    return circuit


def bell():
    circuit = QuantumCircuit(2)
    circuit.h(0)
    circuit.cx(0, 1)
    return circuit


def test_results_of_an_estimator():
    result = StatevectorEstimator(seed=1).run([(asymmetric(), pauli_observables(2))], precision=0.01).result()[0]
    # This Estimator reports errors of 0, though it adds noise of the target precision.
    assert not result.data.stds.any()
    estimate = estimate_from_estimator(result)
    exact = CorrelationTensor.from_state(asymmetric()).array
    assert 0.001 < np.abs(estimate.tensor.array - exact).max() < 0.05
    np.testing.assert_allclose(estimate.covariance(), np.diag(estimate.standard_errors.ravel() ** 2))
    assert estimate.standard_errors[1, 0] == 0.01


def test_results_from_shots_of_a_backend():
    backend = AerSimulator(n_qubits=3)
    prepared = generate_preset_pass_manager(1, backend=backend, initial_layout=[2, 1]).run(bell())
    observables = [one.apply_layout(prepared.layout) for one in pauli_observables(2)]
    estimator = BackendEstimatorV2(backend=backend, options={"seed_simulator": 3})
    result = estimator.run([(prepared, observables)], precision=0.05).result()[0]
    estimate = estimate_from_estimator(result)
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
    def result(errors, **metadata):
        values = np.zeros(3)
        return PubResult(DataBin(evs=values, stds=np.array(errors), shape=(3,)), metadata)

    found = estimate_from_estimator(result([0.0, 1e-12, 0.2], shots=100)).standard_errors[1:]
    np.testing.assert_allclose(found, [0.06, 0.06, 0.2])
    found = estimate_from_estimator(result([0.0, 0.01, 0.2], target_precision=0.1)).standard_errors[1:]
    np.testing.assert_allclose(found, [0.1, 0.01, 0.2])
    for wrong in (-0.1, np.nan):
        with pytest.raises(CountsError, match="standard errors above 0"):
            estimate_from_estimator(result([0.1, wrong, 0.1], shots=100))


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
    sampled = BellExperiment(bell(), "pauli")
    with pytest.raises(CountsError, match=r"evs and stds.*estimate_tensor"):
        estimate_from_estimator(StatevectorSampler(seed=1).run(sampled.pubs(10)).result()[0])
    estimator = StatevectorEstimator(seed=1)
    few = estimator.run([(bell(), pauli_observables(2)[:-1])], precision=0.1).result()[0]
    with pytest.raises(CountsError, match=r"pauli_observables\(n\), got values of shape \(14,\)"):
        estimate_from_estimator(few)
    exact = estimator.run([(bell(), pauli_observables(2))]).result()[0]
    with pytest.raises(CountsError, match="from_state"):
        estimate_from_estimator(exact)
