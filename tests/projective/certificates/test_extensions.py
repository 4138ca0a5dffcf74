import dataclasses

import numpy as np
import pytest
from qiskit.quantum_info import DensityMatrix, random_density_matrix
from qiskit_lhv import CorrelationTensor, ghz_state, werner_state
from qiskit_lhv.exceptions import CertificateError, MeasurementError, ScenarioError
from qiskit_lhv.projective.certificates.extensions import ExtensionCertificate, extend_local_models, werner_certificate
from qiskit_lhv.quantum import bell_diagonal_state, mix_with_noise

pytest.importorskip("clarabel")


def horodecki(state):
    """The largest CHSH value of any settings (Phys. Lett. A 200, 340 (1995))."""
    matrix = CorrelationTensor.from_state(state).array[1:, 1:]
    return 2 * np.sqrt(np.sort(np.linalg.eigvalsh(matrix.T @ matrix))[-2:].sum())


def lowest_of_transpose(state):
    return np.linalg.eigvalsh(state.partial_transpose([0]).data)[0]


def test_werner_states_keep_the_visibility_of_their_model():
    certificate = extend_local_models(werner_state(1))
    assert certificate.visibility == pytest.approx(werner_certificate().visibility, abs=1e-5)
    assert certificate.visibility <= werner_certificate().visibility
    assert certificate.verify(werner_state(1))


@pytest.mark.parametrize("visibility", [0.2, 1 / 3 - 1e-3])
def test_separable_werner_states_need_no_maps(visibility):
    certificate = extend_local_models(werner_state(visibility))
    assert certificate.is_separable
    assert certificate.visibility >= 1
    assert certificate.verify(werner_state(visibility))


def test_local_unitaries_change_nothing():
    # The singlet's images under Pauli matrices of one qubit: all four Bell states.
    for correlations in ([-1, -1, -1], [-1, 1, 1], [1, -1, 1], [1, 1, -1]):
        state = mix_with_noise(bell_diagonal_state(correlations), 0.69)
        certificate = extend_local_models(state)
        assert certificate.visibility >= 1
        assert certificate.verify(state)


@pytest.mark.slow
def test_random_states_agree_with_the_exact_criteria():
    proven = entangled = 0
    for seed in range(60):
        state = random_density_matrix(4, rank=4 - seed % 2, seed=seed)
        certificate = extend_local_models(state)
        assert certificate.verify(state)
        local = certificate.visibility >= 1
        # Never against the criterion of Horodecki, always for a positive partial transpose.
        assert not (local and horodecki(state) > 2)
        assert local or lowest_of_transpose(state) < 1e-9
        if local and not certificate.is_separable:
            proven += 1
            assert lowest_of_transpose(state) < 0
        entangled += lowest_of_transpose(state) < 0
    assert proven >= 5
    assert entangled >= 40


def test_a_state_with_polarized_qubits():
    # cos|00> + sin|11> at visibility 0.55: entangled, and not of Werner form.
    state = mix_with_noise(np.array([np.cos(0.5), 0, 0, np.sin(0.5)]), 0.55)
    certificate = extend_local_models(state)
    assert lowest_of_transpose(state) < 0
    assert certificate.visibility > 1
    assert np.any(certificate.maps)
    assert certificate.verify(state)


def test_product_states_lie_on_the_boundary_of_the_separable_ones():
    state = DensityMatrix.from_label("0+")
    certificate = extend_local_models(state)
    assert 1 - 1e-3 < certificate.visibility <= 1
    assert certificate.verify(state)


def changes():
    yield "visibility", lambda c: c.visibility + 1e-3
    yield "werner_visibility", lambda c: c.werner_visibility + 1e-6
    yield "maps", lambda c: c.maps * 1.001
    yield "maps", lambda c: c.maps + np.array([0, 1e-3, 0, 0])
    yield "positive_parts", lambda c: c.positive_parts + np.diag([0, 0.1, 0, 0])
    yield "maps", lambda c: c.maps[:1]
    yield (
        "correlations",
        lambda c: CorrelationTensor(c.correlations.array * np.where(np.eye(4), 1.01, 1) ** (1 - np.eye(4)[0])),
    )


@pytest.mark.parametrize(("name", "change"), list(changes()))
def test_verify_refuses_tampered_certificates(name, change):
    certificate = extend_local_models(mix_with_noise(np.array([np.cos(0.5), 0, 0, np.sin(0.5)]), 0.9))
    assert certificate.visibility < 1
    assert not dataclasses.replace(certificate, **{name: change(certificate)}).verify()


def test_verify_compares_with_the_state():
    certificate = extend_local_models(werner_state(0.6))
    assert certificate.verify(werner_state(0.6))
    assert not certificate.verify(werner_state(0.61))
    assert not certificate.verify(ghz_state(3, 0.1))


@pytest.mark.slow
def test_saved_certificate_verifies_after_loading(tmp_path):
    certificate = extend_local_models(werner_state(0.6))
    certificate.save(tmp_path / "proof.json")
    loaded = ExtensionCertificate.load(tmp_path / "proof.json")
    assert loaded == certificate
    assert loaded.verify(werner_state(0.6), prove_werner=True)


def test_other_states_are_refused():
    with pytest.raises((MeasurementError, ScenarioError), match="two qubits"):
        extend_local_models(ghz_state(3, 0.5))


@pytest.mark.parametrize(
    "change",
    [
        {"visibility": np.nan},
        {"visibility": np.inf},
        {"werner_visibility": np.nan},
        {"maps": np.full((2, 4, 4), np.nan)},
        {"positive_parts": None},
        {"correlations": CorrelationTensor.from_state(ghz_state(3))},
        {"correlations": None},
    ],
    ids=lambda change: next(iter(change)),
)
def test_fields_that_mean_nothing(change):
    with pytest.raises(CertificateError):
        dataclasses.replace(extend_local_models(werner_state(0.3)), **change)
