import dataclasses

import numpy as np
import pytest
from qiskit.quantum_info import DensityMatrix, Statevector, random_density_matrix
from qiskit_lhv import CorrelationTensor, ghz_state
from qiskit_lhv.exceptions import CertificateError, MeasurementError
from qiskit_lhv.measurements.effect_sets import POVMs
from qiskit_lhv.measurements.qubit_sets import AllProjective
from qiskit_lhv.projective import CompatibilityCertificate, prove_compatible
from qiskit_lhv.projective.certificates.compatible_noise import compatible_shrinking
from qiskit_lhv.quantum import isotropic_state
from scipy.integrate import quad


def werner_state_of_dimension(dimension, weight):
    """The normalized projector on the antisymmetric space, with white noise."""
    swap = np.eye(dimension**2)[np.arange(dimension**2).reshape(dimension, dimension).T.ravel()]
    antisymmetric = (np.eye(dimension**2) - swap) / (dimension * (dimension - 1))
    return DensityMatrix(
        weight * antisymmetric + (1 - weight) * np.eye(dimension**2) / dimension**2, dims=(dimension, dimension)
    )


def beta(dimension):
    return lambda t: (dimension - 1) * (1 - t) ** (dimension - 2)


@pytest.mark.parametrize("dimension", [3, 4, 5])
def test_noise_of_povms_is_an_integral_over_the_parents_vectors(dimension):
    d, density = dimension, beta(dimension)
    largest = quad(lambda t: d * density(t) * (t * t - t * (1 - t) / (d - 1)), 1 / d, 1)[0]
    smallest = quad(lambda t: d * density(t) * (t * (1 - t) - (1 - t) ** 2 / (d - 1)) / (d - 1), 0, 1 / d)[0]
    assert float(compatible_shrinking(d, povms=True)) == pytest.approx(largest, abs=1e-9)
    assert float(compatible_shrinking(d, povms=True, inverted=True)) == pytest.approx(smallest, abs=1e-9)


@pytest.mark.parametrize("dimension", [3, 4])
def test_noise_of_projective_measurements_by_simulation(dimension):
    vectors = np.random.default_rng(1).normal(size=(200_000, dimension, 2)) @ [1, 1j]
    weights = np.abs(vectors) ** 2
    weights /= weights.sum(axis=1, keepdims=True)
    for inverted, chosen in ((False, weights.argmax(axis=1)), (True, weights.argmin(axis=1))):
        # The parent's effect of outcome 0 is d |psi><psi|: its entry at 0 is (1 + (d - 1) eta) / d.
        entry = dimension * np.mean(weights[:, 0] * (chosen == 0))
        eta = (dimension * entry - 1) / (dimension - 1)
        assert eta == pytest.approx(float(compatible_shrinking(dimension, povms=False, inverted=inverted)), abs=5e-3)


@pytest.mark.parametrize(("dimension", "largest"), [(3, 5 / 12), (4, 13 / 36), (5, 77 / 240)])
def test_known_bounds(dimension, largest):
    # Isotropic states (quant-ph/0703045) and Werner states (Werner, 1989).
    assert prove_compatible(isotropic_state(1, dimension)).visibility == pytest.approx(largest, abs=1e-9)
    werner = prove_compatible(werner_state_of_dimension(dimension, 1))
    assert werner.visibility == pytest.approx(1 - 1 / dimension, abs=1e-9)
    assert werner.inverted
    assert werner.verify(werner_state_of_dimension(dimension, 1))


def test_povms_need_more_noise():
    found = prove_compatible(isotropic_state(1, 3), measurements="povm")
    assert found.visibility == pytest.approx(8 / 27, abs=1e-9)
    assert found.measurements.covers(POVMs())
    assert not prove_compatible(isotropic_state(1, 3)).measurements.covers(POVMs())
    # Passed off as a proof for POVMs, the one for projective measurements is refused.
    forged = dataclasses.replace(prove_compatible(isotropic_state(0.4, 3)), measured="povm")
    assert forged.visibility > 1
    assert not forged.verify()


def test_unequal_dimensions_and_three_parties():
    for state in (random_density_matrix((2, 3), seed=1), random_density_matrix((4, 2), seed=1)):
        certificate = prove_compatible(state)
        assert certificate.visibility > 0
        assert certificate.verify(state)
    amplitudes = np.zeros(27)
    amplitudes[[0, 13, 26]] = 3**-0.5
    state = Statevector(amplitudes, dims=(3, 3, 3))
    assert prove_compatible(state).visibility == pytest.approx(5 / 96, abs=1e-9)


def test_qubits_hold_for_povms_whatever_was_asked():
    assert prove_compatible(ghz_state(3, 0.1)).measurements.covers(POVMs())
    assert prove_compatible(ghz_state(3, 0.1), measurements="povm").verify()


def test_forged_claims_are_refused():
    certificate = prove_compatible(isotropic_state(1, 3))
    for change in (
        {"visibility": certificate.visibility + 1e-6},
        {"inverted": (1,)},
        {"transposed": ()} if certificate.transposed else {"transposed": (1,)},
        {"correlations": CorrelationTensor.of(random_density_matrix((3, 3), rank=1, seed=1))},
    ):
        assert not dataclasses.replace(certificate, **change).verify()
    with pytest.raises(CertificateError, match="inverted"):
        dataclasses.replace(certificate, inverted=(2,))
    with pytest.raises(CertificateError, match="measured"):
        dataclasses.replace(certificate, measured="xz")


def test_bad_input():
    with pytest.raises(MeasurementError, match="measurements: expected 'projective' or 'povm'"):
        prove_compatible(isotropic_state(1, 3), measurements="xz")
    with pytest.raises(MeasurementError, match="64 dimensions in all"):
        prove_compatible(CorrelationTensor.white_noise((9, 9)))
    with pytest.raises(CertificateError, match="64 dimensions in all"):
        CompatibilityCertificate(0.1, CorrelationTensor.white_noise((9, 9)), 0)
    assert prove_compatible(isotropic_state(1, 3)).measurements == AllProjective()
