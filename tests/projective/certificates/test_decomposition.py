import dataclasses
import math

import numpy as np
import pytest
from qiskit.quantum_info import DensityMatrix, Statevector, random_density_matrix, random_statevector
from qiskit_lhv import CorrelationTensor, Verdict
from qiskit_lhv.exceptions import CertificateError, MeasurementError
from qiskit_lhv.projective import decompose
from qiskit_lhv.projective.certificates.decomposition import squared_radius
from qiskit_lhv.projective.certificates.separability import is_entangled_on_boundary
from qiskit_lhv.quantum import isotropic_state


def separable_state(dimensions, seed, parts=5):
    rng = np.random.default_rng(seed)
    matrix = 0
    for weight in rng.dirichlet(np.ones(parts)):
        product = np.ones((1, 1))
        for dimension in dimensions:
            product = np.kron(random_density_matrix(dimension, seed=rng).data, product)
        matrix = matrix + weight * product
    return DensityMatrix(matrix, dims=dimensions)


@pytest.mark.parametrize("dimensions", [(3, 3), (2, 4), (2, 2, 3)])
def test_separable_states(dimensions):
    state = separable_state(dimensions, 1)
    certificate = decompose(state)
    assert certificate.shows is Verdict.LOCAL
    assert certificate.verify(state)


def test_isotropic_states_are_separable_up_to_a_quarter():
    # The threshold of two qutrits is 1/4.
    assert decompose(isotropic_state(0.24, 3)).verify()
    assert decompose(isotropic_state(0.26, 3)) is None
    highest = decompose(isotropic_state(1, 3), highest=True)
    assert 0.22 < highest.visibility < 0.25
    assert highest.verify()


def test_states_near_white_noise_need_no_product_states():
    certificate = decompose(random_density_matrix((3, 3), seed=1), visibility=0.05)
    assert len(certificate.weights) == 0
    assert certificate.verify()


def test_pure_product_states_are_on_the_boundary():
    vector = np.kron(random_statevector(3, seed=1).data, random_statevector(3, seed=2).data)
    certificate = decompose(Statevector(vector, dims=(3, 3)))
    assert 1 - 2e-7 < certificate.visibility < 1
    assert certificate.shows is Verdict.LOCAL
    assert certificate.verify()


def test_radius_of_two_parties_is_that_of_the_purity():
    # tr rho^2 <= 1 / (D - 1) is the condition of quant-ph/0204159.
    assert float(squared_radius((3, 3))) == pytest.approx(1 / 8 - 1 / 9)
    assert math.sqrt(squared_radius((2, 2, 2))) * 8 == pytest.approx(2**-0.5)


def test_weak_entanglement_of_pure_states_is_seen():
    for weight, entangled in ((1e-3, True), (1e-14, True), (0.0, False)):
        amplitudes = np.zeros(9)
        amplitudes[[0, 4]] = math.sqrt(1 - weight), math.sqrt(weight)
        tensor = CorrelationTensor.of(Statevector(amplitudes, dims=(3, 3)))
        assert is_entangled_on_boundary(tensor) is entangled
    assert not is_entangled_on_boundary(CorrelationTensor.of(isotropic_state(0.5, 3)))


def test_forged_claims_are_refused():
    certificate = decompose(isotropic_state(0.2, 3))
    moved = tuple(own + 0.1 for own in certificate.vectors)
    for change in (
        {"visibility": 1.3},
        {"visibility": -0.1},
        {"weights": certificate.weights * 1.2},
        {"weights": -certificate.weights},
        {"vectors": moved},
        {"vectors": tuple(np.zeros_like(own) for own in certificate.vectors)},
        {"correlations": CorrelationTensor.of(isotropic_state(0.3, 3))},
    ):
        check = dataclasses.replace(certificate, **change).verify()
        assert check.refuted, change
    assert not certificate.verify(isotropic_state(0.21, 3))


def test_bad_input():
    certificate = decompose(isotropic_state(0.2, 3))
    with pytest.raises(CertificateError, match="vectors"):
        dataclasses.replace(certificate, vectors=certificate.vectors[:1])
    with pytest.raises(CertificateError, match="weights"):
        dataclasses.replace(certificate, weights=np.full(len(certificate.weights), np.nan))
    with pytest.raises(MeasurementError, match="64 dimensions"):
        decompose(CorrelationTensor.white_noise((9, 9)))
    with pytest.raises(MeasurementError, match="visibility"):
        decompose(isotropic_state(0.2, 3), visibility=1.5)


def test_certificates_are_saved(tmp_path):
    certificate = decompose(isotropic_state(0.2, 3))
    certificate.save(tmp_path / "separable.npz")
    loaded = type(certificate).load(tmp_path / "separable.npz")
    assert loaded == certificate
    assert loaded.verify()
