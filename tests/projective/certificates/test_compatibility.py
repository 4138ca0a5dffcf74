import dataclasses

import numpy as np
import pytest
from qiskit.quantum_info import DensityMatrix, Statevector, random_density_matrix
from qiskit_lhv import CorrelationTensor, ghz_state, werner_state
from qiskit_lhv.exceptions import CertificateError, MeasurementError
from qiskit_lhv.projective import CompatibilityCertificate, horodecki_settings, prove_compatible
from qiskit_lhv.quantum import w_state


def test_werner_states_for_all_measurements():
    # The known visibility for POVMs, arXiv:2309.12290.
    certificate = prove_compatible(werner_state(1))
    assert certificate.visibility == pytest.approx(0.5, abs=1e-12)
    assert certificate.verify(werner_state(1))
    assert prove_compatible(werner_state(0.5)).visibility == pytest.approx(1, abs=1e-12)


def test_ghz_states():
    # Enlarged, the stabilizer of XXX = -1 and ZZ = 1 has the lowest eigenvalue, 8 - 16.
    assert prove_compatible(ghz_state(3)).visibility == pytest.approx(1 / 8, abs=1e-12)


def test_the_party_without_noise_is_chosen():
    # Qubit 0 sees half noise: the measurements of the others need none.
    bell = DensityMatrix(Statevector([1, 0, 0, 1]) / np.sqrt(2))
    tensor = CorrelationTensor.of(bell).array.copy()
    tensor[1:] /= 2
    certificate = prove_compatible(CorrelationTensor(tensor))
    assert certificate.visibility >= 1 - 1e-12
    assert certificate.party in (0, 1)
    three = np.multiply.outer(tensor, [1, 0, 0, 0.5])
    assert prove_compatible(CorrelationTensor(three)).visibility > 0.99
    assert prove_compatible(CorrelationTensor(three)).party in (0, 1)


@pytest.mark.parametrize("num_qubits", [2, 3, 4, 5])
def test_every_size_is_checked_exactly(num_qubits):
    state = w_state(num_qubits)
    certificate = prove_compatible(state)
    assert certificate.visibility > 0
    assert certificate.verify(state)


def test_random_states_never_violate():
    for seed in range(20):
        state = random_density_matrix(4, rank=2 + seed % 3, seed=seed)
        certificate = prove_compatible(state)
        assert certificate.verify(state)
        assert certificate.visibility <= horodecki_settings(state).visibility + 1e-9


@pytest.mark.parametrize("change", [{"visibility": 0.501}, {"visibility": -1.0}, {"visibility": 1e300}])
def test_tampered_certificates_are_refused(change):
    assert not dataclasses.replace(prove_compatible(werner_state(1)), **change).verify()


def test_another_party_or_transposition_is_refused_where_it_proves_less():
    tensor = CorrelationTensor.of(ghz_state(2)).array.copy()
    tensor[:, 3] *= 0.3
    certificate = prove_compatible(CorrelationTensor(tensor))
    assert certificate.verify()
    assert not dataclasses.replace(certificate, transposed=(1,) if not certificate.transposed else ()).verify()


def test_verify_compares_with_the_state():
    certificate = prove_compatible(werner_state(0.4))
    assert certificate.verify(werner_state(0.4))
    assert not certificate.verify(werner_state(0.41))
    assert not certificate.verify(ghz_state(3, 0.1))


def test_saved_certificates_verify_after_loading(tmp_path):
    certificate = prove_compatible(ghz_state(3, 0.1))
    certificate.save(tmp_path / "proof.json")
    loaded = CompatibilityCertificate.load(tmp_path / "proof.json")
    assert loaded == certificate
    assert loaded.verify(ghz_state(3, 0.1))


@pytest.mark.parametrize(
    "change",
    [
        {"visibility": np.nan},
        {"visibility": "much"},
        {"party": 2},
        {"party": -1},
        {"transposed": (2,)},
        {"transposed": "no"},
        {"correlations": None},
        {"correlations": np.eye(4)},
    ],
    ids=str,
)
def test_fields_that_mean_nothing(change):
    with pytest.raises(CertificateError):
        dataclasses.replace(prove_compatible(werner_state(0.3)), **change)


def test_other_states_are_refused():
    with pytest.raises(MeasurementError, match="2 to 6 qubits"):
        prove_compatible(Statevector.from_label("0000000"))
    with pytest.raises(MeasurementError, match="2 to 6 qubits"):
        prove_compatible(Statevector.from_label("0"))
