import dataclasses

import numpy as np
import pytest
from qiskit.quantum_info import DensityMatrix, random_density_matrix, random_statevector
from qiskit_lhv import LHVError, Verdict, analyze, ghz_state, werner_state
from qiskit_lhv.exceptions import CertificateError, MeasurementError
from qiskit_lhv.projective import prove_separable


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


def test_an_entangled_qubit_and_qutrit_are_nonlocal():
    ket = np.zeros(6)
    ket[[0, 3]] = np.sqrt(0.5)  # |00> + |11>, subsystem 0 the qubit
    report = analyze(DensityMatrix(np.outer(ket, ket), dims=(2, 3)), seed=1)
    assert report.verdict is Verdict.NONLOCAL
    assert report.statistics["nonlocal_visibility"] == pytest.approx(np.sqrt(0.5), abs=1e-6)
    assert report.verify()


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


def test_a_certificate_is_about_one_order_of_subsystems():
    # The same matrix: a product of a qutrit and a qubit, and an entangled state of a qubit and a qutrit.
    ket = np.kron(random_statevector(2, seed=2).data, random_statevector(3, seed=1).data)
    matrix = 0.9 * np.outer(ket, ket.conj()) + 0.1 * np.eye(6) / 6
    product, entangled = (DensityMatrix(matrix, dims=dims) for dims in ((3, 2), (2, 3)))
    certificate = prove_separable(product)
    assert certificate.verify(product)
    assert prove_separable(entangled) is None
    assert not certificate.verify(entangled)


@pytest.mark.parametrize(
    "matrix",
    [
        np.zeros((6, 6)),
        np.eye(6) / 3,
        np.full((6, 6), np.nan),
        np.diag([1.5, -0.5, 0, 0, 0, 0]),
        np.eye(6) / 6 + np.diag([0.1] * 5, 1) - np.diag([0.1] * 5, -1),
    ],
    ids=["zero", "trace 2", "nan", "negative", "not Hermitian"],
)
def test_refuses_what_is_no_state(matrix):
    state = DensityMatrix(matrix, dims=(2, 3))
    with pytest.raises(MeasurementError, match="state: expected"):
        prove_separable(state)
    with pytest.raises(MeasurementError, match="target: expected"):
        analyze(state)


@pytest.mark.parametrize("state", ["x", 5])
def test_refuses_other_objects(state):
    with pytest.raises(MeasurementError, match="state: expected"):
        prove_separable(state)
    with pytest.raises(MeasurementError, match="state: expected"):
        prove_separable(werner_state(0.3)).verify(state)


@pytest.mark.parametrize(
    "change",
    [
        {"visibility": np.nan},
        {"visibility": "x"},
        {"matrix": np.full((4, 4), np.nan)},
        {"matrix": np.zeros(4)},
        {"dimensions": (2, 0)},
    ],
    ids=str,
)
def test_fields_that_mean_nothing(change):
    with pytest.raises(CertificateError):
        dataclasses.replace(prove_separable(werner_state(0.3)), **change)


def test_a_certificate_of_no_state():
    assert not dataclasses.replace(prove_separable(werner_state(0.3)), matrix=np.zeros((4, 4))).verify()


@pytest.mark.parametrize(
    "options", [{"measurements": "xz"}, {"measurements": "all"}, {"time_limit": -1}, {"seed": "x"}]
)
def test_arguments_are_checked_for_a_qubit_and_a_qutrit(options):
    with pytest.raises(LHVError, match=next(iter(options))):
        analyze(qubit_and_qutrit(1), **options)
