import itertools

import numpy as np
import pytest
from qiskit import QuantumCircuit
from qiskit.primitives import StatevectorSampler
from qiskit.quantum_info import DensityMatrix, random_density_matrix, state_fidelity
from qiskit_lhv import (
    Behavior,
    BellCounts,
    BellExperiment,
    CorrelationTensor,
    TensorEstimate,
    estimate_tensor,
    measurement,
)
from qiskit_lhv.exceptions import CountsError, MeasurementError
from qiskit_lhv.measurements import ListedMeasurements, POVMs, PVMs
from qiskit_lhv.measurements.random_effects import mutually_unbiased_bases
from qiskit_lhv.quantum import isotropic_state
from qiskit_lhv.targets.state_tensors import density_matrix

from helpers import sampled_tensor

MUB = [measurement(basis=basis) for basis in mutually_unbiased_bases(3)]
PAULI_BASES = [measurement(basis=a + b) for a, b in itertools.product("XYZ", repeat=2)]


def random_state(*dimensions, seed=1):
    return random_density_matrix(list(dimensions), seed=seed)


def sampled(state, settings, shots, seed=1):
    return estimate_tensor(Behavior.from_state(state, settings).sample(shots, seed), settings)


def exact_counts(state, settings, shots=10**7):
    """Counts whose frequencies are the probabilities, up to rounding."""
    behavior = Behavior.from_state(state, settings)
    return BellCounts(np.rint(behavior.array * shots).astype(int), scenario=behavior.scenario)


KINDS = {
    "qutrits": ((3, 3), [MUB, MUB]),
    "a qubit and a qutrit": ((2, 3), [["X", "Y", "Z"], MUB]),
    "pairs of qubits": ((4, 4), [PAULI_BASES, PAULI_BASES]),
    "POVMs": (
        (3, 2),
        [
            list(POVMs(3, (9, 10)).draw(np.random.default_rng(5), 2)),
            [*POVMs(2, 4).draw(np.random.default_rng(6), 1), "X"],
        ],
    ),
    "too many settings": ((3, 2), [list(PVMs(3).draw(np.random.default_rng(7), 6)), ["X", "Y", "Z", "-X"]]),
    "a qutrit alone": ((3,), [MUB]),
}


@pytest.mark.parametrize("kind", KINDS)
def test_exact_frequencies_give_the_tensor(kind):
    dimensions, settings = KINDS[kind]
    state = random_state(*dimensions)
    estimate = estimate_tensor(exact_counts(state, settings), settings)
    exact = CorrelationTensor.from_state(state)
    assert estimate.tensor.dimensions == dimensions
    assert not estimate.of_qubits
    assert estimate.tensor.array.flat[0] == 1
    # An asymmetric state; the inverse of badly chosen settings magnifies rounding.
    np.testing.assert_allclose(estimate.tensor.array, exact.array, atol=3e-5)
    assert state_fidelity(estimate.physical_state(), state) > 1 - 1e-4


@pytest.mark.parametrize("kind", ["qutrits", "a qubit and a qutrit", "POVMs"])
def test_errors_and_limits_hold(kind):
    dimensions, settings = KINDS[kind]
    state = random_state(*dimensions)
    exact = CorrelationTensor.from_state(state).array
    behavior = Behavior.from_state(state, settings)
    found = [estimate_tensor(behavior.sample(200, seed), settings) for seed in range(60)]
    deviations = np.array([one.tensor.array - exact for one in found])
    deviations[(slice(None), *[0] * exact.ndim)] = 0
    # Unbiased, with the errors that are told.
    told = np.sqrt(np.mean([one.standard_errors**2 for one in found], axis=0))
    assert np.all(np.abs(deviations.mean(axis=0)) <= 5 * told / np.sqrt(60))
    ratio = np.sqrt((deviations**2).mean(axis=0)).ravel()[1:] / told.ravel()[1:]
    assert np.abs(ratio - 1).max() < 0.45
    assert abs(np.sqrt((ratio**2).mean()) - 1) < 0.1
    assert all(np.all(np.abs(d) <= one.limits(0.01)) for one, d in zip(found, deviations, strict=True))
    covariance = found[0].covariance()
    np.testing.assert_allclose(np.diag(covariance), found[0].standard_errors.ravel() ** 2)
    assert np.linalg.eigvalsh(covariance).min() > -1e-12


def test_functionals_are_bounded_from_below():
    state = isotropic_state(0.6, 3)
    exact = CorrelationTensor.from_state(state).array
    behavior = Behavior.from_state(state, [MUB, MUB])
    coefficients = np.random.default_rng(1).normal(size=(9, 9))
    truth = float(np.sum(coefficients * exact))
    missed = 0
    for seed in range(100):
        value, allowance = estimate_tensor(behavior.sample(50, seed), [MUB, MUB]).functional(coefficients, 0.2)
        missed += value - allowance > truth
    assert missed <= 0.2 * 100 + 5 * np.sqrt(100 * 0.16)


def test_a_party_of_several_qubits_agrees_with_its_qubits():
    circuit = QuantumCircuit(4)
    circuit.h([0, 1])
    circuit.cx([0, 1], [2, 3])
    circuit.ry(0.4, 3)
    experiment = BellExperiment(circuit, [PAULI_BASES, PAULI_BASES], [[0, 1], [2, 3]])
    estimate = estimate_tensor(experiment.run(StatevectorSampler(seed=3), 300), experiment.settings)
    exact = CorrelationTensor.from_state(circuit, [[0, 1], [2, 3]])
    assert np.all(np.abs(estimate.tensor.array - exact.array) <= 5 * estimate.standard_errors + 1e-12)
    assert state_fidelity(estimate.physical_state(), DensityMatrix(circuit)) > 0.9


def test_a_qubit_beside_a_qutrit_has_the_errors_of_pauli_bases():
    state = DensityMatrix(np.kron(np.eye(3) / 3, random_state(2).data), dims=(2, 3))
    estimate = sampled(state, [["X", "Y", "Z"], MUB], 1000)
    alone = sampled_tensor(random_state(2), 4000, 1)
    np.testing.assert_allclose(estimate.standard_errors[1:, 0], alone.standard_errors[1:], rtol=0.1)
    # The same shots, and Bonferroni's correction for 35 entries in place of 3.
    ratio = np.sqrt(np.log(2 * 35 / 0.05) / np.log(2 * 3 / 0.05))
    np.testing.assert_allclose(estimate.limits(0.05)[1:, 0] / alone.limits(0.05)[1:], ratio, rtol=1e-9)


def test_split_parts_add_up():
    settings = KINDS["POVMs"][1]
    estimate = sampled(random_state(3, 2), settings, 100)
    first, second = estimate.split(0.5, seed=1)
    np.testing.assert_array_equal(first.counts.array + second.counts.array, estimate.counts.array)
    assert first.measurements == estimate.measurements
    np.testing.assert_allclose((first.tensor.array + second.tensor.array) / 2, estimate.tensor.array, atol=1e-12)


def test_shots_that_all_agree_have_an_error():
    state = DensityMatrix(np.diag([1, 0, 0, 0, 0, 0]), dims=(2, 3))
    estimate = sampled(state, [["X", "Y", "Z"], MUB], 50)
    assert estimate.standard_errors.ravel()[1:].min() > 0


def test_estimates_are_the_same_after_a_file(tmp_path):
    estimate = sampled(random_state(3, 2), KINDS["POVMs"][1], 20)
    estimate.save(tmp_path / "estimate.json")
    assert TensorEstimate.load(tmp_path / "estimate.json") == estimate
    assert str(estimate).startswith("correlations of parties of dimensions 3, 2 from 80 shots")


@pytest.mark.parametrize("dimensions", [(3,), (2, 3), (4, 3), (2, 2, 3)])
def test_the_operator_of_a_tensor_is_the_state(dimensions):
    state = random_state(*dimensions)
    np.testing.assert_allclose(density_matrix(CorrelationTensor.from_state(state)), state.data, atol=1e-14)


# Bad input


def test_measurements_that_do_not_determine_the_state():
    for few, rank in ((MUB[:3], 7), ([MUB[0]] * 4, 3)):
        counts = Behavior.from_state(random_state(3, 3), [MUB, few]).sample(10, 1)
        with pytest.raises(CountsError, match=rf"^settings\[1\]: .*dimension 3: 9 numbers, got {len(few)} .* {rank}\."):
            estimate_tensor(counts, [MUB, few])


def test_counts_of_other_settings():
    counts = Behavior.from_state(random_state(3, 3), [MUB, MUB]).sample(10, 1)
    with pytest.raises(CountsError, match=r"X, Y and Z.*for larger parties, pass the settings"):
        estimate_tensor(counts)
    with pytest.raises(CountsError, match=r"^counts: expected those of the settings"):
        estimate_tensor(counts, [MUB, [*MUB, MUB[0]]])
    for wrong in ([MUB], None, 3):
        with pytest.raises(CountsError, match=r"^settings: expected one sequence of measurements for each of 2"):
            estimate_tensor(counts, wrong)
    with pytest.raises(MeasurementError, match=r"settings\[1\]\[1\]: expected a measurement of dimension 3"):
        estimate_tensor(counts, [MUB, [MUB[0], "X", *MUB[2:]]])
    with pytest.raises(MeasurementError, match=r"settings\[1\]: expected a non-empty sequence"):
        estimate_tensor(counts, [MUB, []])


def test_measurements_and_parties_must_agree():
    estimate = sampled(random_state(2, 3), [["X", "Y", "Z"], MUB], 10)
    for counts, measured in (
        (None, estimate.measurements),
        (estimate.counts, None),
        (estimate.counts, estimate.measurements[::-1]),
    ):
        with pytest.raises(CountsError, match=r"^measurements: expected None for qubits"):
            TensorEstimate(estimate.tensor, estimate.standard_errors, counts, measured)
    qubits = sampled_tensor(random_state(2, 2), 100, 1)
    paulis = ListedMeasurements.of(["X", "Y", "Z"])
    with pytest.raises(CountsError, match=r"^measurements: expected None for qubits"):
        TensorEstimate(qubits.tensor, qubits.standard_errors, qubits.counts, (paulis, paulis))
