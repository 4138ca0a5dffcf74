import dataclasses

import numpy as np
import pytest
from qiskit.quantum_info import DensityMatrix, random_density_matrix
from qiskit_lhv import MeasurementError, Verdict, analyze, ghz_state, prove_separable, werner_state


def qubit_and_qutrit(seed, order=(2, 3)):
    """A separable mixture of product states."""
    rng = np.random.default_rng(seed)
    parts = [
        np.kron(random_density_matrix(order[1], seed=rng).data, random_density_matrix(order[0], seed=rng).data)
        for _ in range(5)
    ]
    return DensityMatrix(sum(w * part for w, part in zip(rng.dirichlet(np.ones(5)), parts, strict=True)), dims=order)


@pytest.mark.parametrize("order", [(2, 3), (3, 2)])
def test_a_qubit_and_a_qutrit(order):
    state = qubit_and_qutrit(1, order)
    certificate = prove_separable(state)
    assert certificate.visibility == 1
    assert certificate.verify(state)
    report = analyze(state)
    assert report.verdict is Verdict.LOCAL
    assert report.verify()


@pytest.mark.parametrize("seed", range(10))
def test_agrees_with_the_partial_transpose(seed):
    state = random_density_matrix([2, 3], seed=seed)
    lowest = np.linalg.eigvalsh(state.partial_transpose([0]).data)[0]
    assert (prove_separable(state) is not None) == (lowest >= 0)


def test_entangled_qutrits_stay_open():
    ket = np.zeros(6)
    ket[[0, 3]] = np.sqrt(0.5)  # |00> + |11>, subsystem 0 the qubit
    report = analyze(DensityMatrix(np.outer(ket, ket), dims=(2, 3)))
    assert report.verdict is Verdict.INCONCLUSIVE
    assert "settings" in report.advice


def test_boundary_of_two_qubits():
    assert prove_separable(werner_state(1 / 3 - 1e-9)).visibility == 1
    assert prove_separable(werner_state(1 / 3 + 1e-4)) is None
    assert prove_separable(DensityMatrix.from_label("0+")).visibility >= 1 - 1e-6


def test_tampering_and_other_dimensions():
    certificate = prove_separable(qubit_and_qutrit(2))
    assert not dataclasses.replace(certificate, matrix=certificate.matrix - 0.1 * np.eye(6)).verify()
    assert not dataclasses.replace(certificate, dimensions=(6, 1)).verify()
    assert not dataclasses.replace(certificate, visibility=1.5).verify()
    assert not certificate.verify(qubit_and_qutrit(3))
    with pytest.raises(MeasurementError, match="qubit and a qutrit"):
        prove_separable(ghz_state(3))
