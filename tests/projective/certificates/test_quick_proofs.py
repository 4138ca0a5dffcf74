import numpy as np
import pytest
from qiskit.quantum_info import DensityMatrix, Statevector, random_density_matrix, random_statevector
from qiskit_lhv import CorrelationTensor, Verdict, analyze, ghz_state, werner_state
from qiskit_lhv.projective import CompatibilityCertificate, prove_separable
from qiskit_lhv.projective.certificates.quick_proofs import has_vanishing_product, quick_proofs
from qiskit_lhv.quantum import mix_with_noise

from helpers import biased_state

pytest.importorskip("clarabel")


@pytest.fixture(autouse=True)
def _time_limits_in_work(counted_clock):
    with counted_clock(0.04):
        yield


def barely_entangled(weight):
    return Statevector([np.sqrt(1 - weight), 0, 0, np.sqrt(weight)])


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        (biased_state(0.5), True),
        (random_density_matrix(4, rank=2, seed=1), True),
        (random_statevector(4, seed=1), True),
        (barely_entangled(1e-12), True),
        (random_density_matrix(4, rank=3, seed=1), False),
        (random_density_matrix(4, rank=4, seed=1), False),
        (biased_state(0.5, 1e-3), False),
        (werner_state(1.0), True),
        (werner_state(0.6), False),
        # Separable ones are no trouble.
        (Statevector.from_label("0+"), False),
        (DensityMatrix(np.diag([0.5, 0, 0, 0.5])), False),
        (ghz_state(3), False),
    ],
)
def test_which_states_are_out_of_reach(state, expected):
    assert has_vanishing_product(CorrelationTensor.of(state)) is expected


@pytest.mark.parametrize("p", [0.3, 0.5, 0.705])
def test_the_biased_family_is_open_and_says_why(p):
    report = analyze(biased_state(p), time_limit=3, seed=1)
    assert report.verdict is Verdict.INCONCLUSIVE
    assert "product vector has probability zero" in report.advice
    assert report.verify()


@pytest.mark.parametrize("weight", [1e-9, 1e-12, 1e-14])
def test_no_tolerance_makes_a_pure_entangled_state_local(weight):
    # These are nonlocal (N. Gisin, 1991), by less and less.
    assert analyze(barely_entangled(weight), time_limit=2, seed=1).verdict is not Verdict.LOCAL


@pytest.mark.parametrize("weight", [1e-9, 1e-12])
def test_no_tolerance_makes_an_entangled_qubit_and_qutrit_separable(weight):
    # Subsystem 0 is the least significant: |0 0> and |1 1>.
    vector = np.zeros(6)
    vector[0], vector[3] = np.sqrt(1 - weight), np.sqrt(weight)
    assert prove_separable(Statevector(vector, dims=(2, 3))) is None


@pytest.mark.parametrize(("p", "noise"), [(0.3, 0.1), (0.5, 0.1), (0.3, 0.05)])
def test_the_biased_family_with_noise_is_local(p, noise):
    report = analyze(biased_state(p, noise), time_limit=10, seed=1)
    assert report.verdict is Verdict.LOCAL
    assert report.verify()


def test_noise_that_makes_measurements_compatible():
    report = analyze(ghz_state(3, 0.12), seed=1)
    assert report.verdict is Verdict.LOCAL
    assert isinstance(report.evidence[0], CompatibilityCertificate)


def test_proofs_come_cheapest_first_and_are_about_the_state():
    state = mix_with_noise(np.array([np.cos(0.5), 0, 0, np.sin(0.5)]), 0.7)
    found = list(quick_proofs(CorrelationTensor.of(state)))
    assert isinstance(found[0], CompatibilityCertificate)
    assert all(one.verify(state) for one in found)
    assert found[-1].visibility == max(one.visibility for one in found)
