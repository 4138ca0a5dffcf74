"""Proofs that hold for all POVMs, and proofs for projective measurements that are passed off as such."""

import dataclasses
import itertools

import numpy as np
import pytest
from qiskit_lhv import CorrelationTensor, certify_all_projective, ghz_state, werner_state
from qiskit_lhv._support.conic import Cone, ConicRows, minimize_over_cones
from qiskit_lhv.exceptions import MeasurementError, SolverError
from qiskit_lhv.measurements import AllProjective, POVMs, PVMs, measurement_set
from qiskit_lhv.measurements.named_sets import projective_members, projective_set, qubit_set
from qiskit_lhv.projective import (
    AllProjectiveCertificate,
    ProofSearch,
    extend_local_models,
    find_hidden_states,
    mix_local_models,
    prove_compatible,
    prove_separable,
    prove_unsteerable,
)
from qiskit_lhv.projective.certificates.product_proof import product_certificate
from qiskit_lhv.verification.hidden_states import enlarged_for_povms
from qiskit_lhv.verification.positivity import TRANSPOSED
from qiskit_lhv.verification.projective import SHRINKING_OF_POVMS

pytest.importorskip("clarabel")

POVM = POVMs(2)
PSI = np.array([0, 1, 1, 0]) / np.sqrt(2)
# A state with biased marginals, for which hidden states and maps that do not scale the trace are of use.
BIASED = 0.9 * (0.5 * np.outer(PSI, PSI) + 0.5 * np.diag([1, 0, 0, 0])) + 0.1 * np.eye(4) / 4
PROVERS = {
    "extension": extend_local_models,
    "hidden states": find_hidden_states,
    "unsteerable": prove_unsteerable,
    "mixture": mix_local_models,
    "polyhedra": lambda state, **kwargs: certify_all_projective(state, directions=6, seed=1, progress=False, **kwargs),
}


# Shrunk POVMs

PAULIS = np.array([[[0, 1], [1, 0]], [[0, -1j], [1j, 0]], [[1, 0], [0, -1]]])


def is_mixture_of_projective(weights, vectors):
    """Whether effects ``weights[a] + vectors[a] . sigma`` are those of a mixture of measurements of two outcomes."""
    pairs = list(itertools.combinations(range(len(weights)), 2))
    # Variables: for each pair of outcomes the weight p and the vector m of p/2 +- m.sigma; then one weight per outcome.
    size = 4 * len(pairs) + len(weights)
    one = np.eye(size)
    rows, right = [], []
    for a, weight in enumerate(weights):
        rows.append(one[4 * len(pairs) + a] + sum(one[4 * i] / 2 for i, pair in enumerate(pairs) if a in pair))
        right.append(weight)
        for k in range(3):
            rows.append(
                sum((1 if a == pair[0] else -1) * one[4 * i + 1 + k] / 2 for i, pair in enumerate(pairs) if a in pair)
            )
            right.append(vectors[a, k])
    try:
        minimize_over_cones(
            "test",
            np.zeros(size),
            [
                ConicRows(Cone.ZERO, np.array(rows), np.array(right)),
                ConicRows(Cone.NONNEGATIVE, -one[4 * len(pairs) :], np.zeros(len(weights))),
                ConicRows(Cone.SECOND_ORDER, -one[: 4 * len(pairs)], np.zeros(4 * len(pairs)), size=4),
            ],
        )
    except SolverError:
        return False
    return True


def weights_and_vectors(effects):
    weights = np.einsum("aii->a", effects).real / 2
    return weights, np.einsum("kij,aji->ak", PAULIS, effects).real / 2


@pytest.mark.parametrize("num_outcomes", [3, 4, 6])
def test_shrunk_povms_are_mixtures_of_projective_measurements(num_outcomes):
    for effects in POVMs(2, num_outcomes).draw(np.random.default_rng(num_outcomes), 5):
        weights, vectors = weights_and_vectors(effects)
        assert is_mixture_of_projective(weights, np.sqrt(float(SHRINKING_OF_POVMS)) * vectors)


def test_the_factor_is_tight_for_the_tetrahedron():
    tetrahedron = np.array([[1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]]) / np.sqrt(3)
    factor = np.sqrt(float(SHRINKING_OF_POVMS))
    assert is_mixture_of_projective(np.full(4, 0.25), (factor - 1e-4) * tetrahedron / 4)
    assert not is_mixture_of_projective(np.full(4, 0.25), (factor + 1e-3) * tetrahedron / 4)
    trine = np.array([[1, 0, 0], [-0.5, np.sqrt(0.75), 0], [-0.5, -np.sqrt(0.75), 0]])
    assert is_mixture_of_projective(np.full(3, 1 / 3), (np.sqrt(0.75) - 1e-4) * trine / 3)
    assert not is_mixture_of_projective(np.full(3, 1 / 3), (np.sqrt(0.75) + 1e-3) * trine / 3)


def test_enlarged_tensors_undo_the_shrinking():
    tensor = CorrelationTensor.of(BIASED).array
    enlarged = enlarged_for_povms(tensor)
    np.testing.assert_array_equal(enlarged[0], tensor[0])
    scale = enlarged[1:][tensor[1:] != 0] / tensor[1:][tensor[1:] != 0]
    assert np.all(scale**2 >= 1.5)
    assert np.all(scale**2 < 1.5 + 1e-5)


# Sets of measurements


def test_which_sets_proofs_know():
    assert qubit_set("povm") == qubit_set(POVMs(2, distribution="mixed")) == POVM
    assert qubit_set(PVMs(2)) == qubit_set("projective")
    assert qubit_set("xz") == projective_set("xz") == projective_members("xz")
    assert projective_members("povm") == AllProjective()
    for unknown in (POVMs(3), PVMs(3), PVMs(2, (2,)), POVMs(2, 3), "povms", None, 2):
        with pytest.raises(MeasurementError, match=r"expected 'projective', 'povm' or one of 'xy'"):
            qubit_set(unknown)
    with pytest.raises(MeasurementError, match="expected 'projective' or one of"):
        projective_set("povm")


# Certificates


def test_werner_states_are_local_for_povms_up_to_one_half():
    for found in (extend_local_models(werner_state(1), measurements="povm"), prove_compatible(werner_state(1))):
        assert found.measurements == POVM
        assert found.visibility == pytest.approx(0.5, abs=1e-6)
        assert found.visibility <= 0.5
        assert found.verify(werner_state(1))
    assert mix_local_models(werner_state(1), measurements="povm").visibility <= 0.5
    # Hidden states for shrunk POVMs, and polyhedra, prove less here.
    assert prove_unsteerable(werner_state(1), measurements="povm").visibility == pytest.approx(
        np.sqrt(2 / 3) / 2, abs=1e-4
    )


@pytest.mark.parametrize("name", PROVERS)
def test_every_kind_proves_less_for_povms_and_says_so(name, tmp_path):
    prove = PROVERS[name]
    for_povms, projective = prove(BIASED, measurements="povm"), prove(BIASED)
    assert (for_povms.measurements, projective.measurements) == (POVM, AllProjective())
    assert 0.3 < for_povms.visibility < projective.visibility
    check = for_povms.verify(BIASED)
    assert check
    assert "all POVMs" in str(for_povms)
    assert "all POVMs" in check.reason
    for_povms.save(tmp_path / "proof.npz")
    assert type(for_povms).load(tmp_path / "proof.npz") == for_povms


@pytest.mark.parametrize("name", PROVERS)
def test_projective_proofs_are_none_for_povms(name):
    proof = PROVERS[name](BIASED)
    assert proof.verify()
    assert not dataclasses.replace(proof, measurements="povm").verify()
    with pytest.raises(MeasurementError, match="measurements"):
        dataclasses.replace(proof, measurements=POVMs(3))


@pytest.mark.parametrize("name", PROVERS)
def test_proofs_for_povms_hold_for_projective_measurements(name):
    proof = PROVERS[name](BIASED, measurements="povm")
    assert proof.measurements.covers(AllProjective())
    assert proof.measurements.covers(measurement_set("xz"))
    assert not dataclasses.replace(proof, visibility=proof.visibility * 1.5).verify()


def test_maps_that_do_not_scale_the_trace_are_for_povms_only():
    proof = extend_local_models(BIASED, measurements="povm")
    assert np.abs(proof.maps[:, 0, 1:]).max() > 1e-3
    assert "scale the trace" in dataclasses.replace(proof, measurements="projective").verify().reason
    # Judged otherwise: without the noise that makes measurements compatible, products have no negative expectation.
    rng = np.random.default_rng(1)
    vectors = rng.normal(size=(2, 20_000, 3))
    vectors /= np.linalg.norm(vectors, axis=2, keepdims=True)
    states = np.concatenate([np.ones((2, 20_000, 1)), vectors], axis=2)
    werner = np.diag([1.0, *[-proof.werner_visibility] * 3])
    images = [proof.maps[0] @ werner, werner @ proof.maps[1].T]
    for noisy, image in zip((1, 0), images, strict=True):
        without = image * (np.array([1, 2, 2, 2]) if noisy == 1 else np.array([[1], [2], [2], [2]]))
        assert np.einsum("ni,ij,nj->n", states[0], without, states[1]).min() > -1e-7
    rest = CorrelationTensor.of(BIASED).array * proof.visibility
    rest[0, 0] = 1
    rest = rest - images[0] - images[1]
    basis = np.concatenate([np.eye(2)[None], PAULIS])
    for signs in (np.ones(4), TRANSPOSED):
        operator = np.einsum("ij,iab,jcd->acbd", rest * signs, basis, basis).reshape(4, 4)
        assert np.linalg.eigvalsh(operator).min() > -1e-9


def test_werner_states_of_larger_visibility_are_refused():
    proof = extend_local_models(BIASED, measurements="povm")
    assert not dataclasses.replace(proof, werner_visibility=0.51).verify()
    assert not dataclasses.replace(extend_local_models(BIASED), measurements="povm").verify()


def test_separable_and_compatible_states_are_local_for_all_povms():
    separable = extend_local_models(werner_state(0.3))
    assert separable.is_separable
    assert separable.measurements == POVM
    assert prove_separable(werner_state(0.3)).measurements == POVM
    product = product_certificate(CorrelationTensor.of(np.diag([1.0, 0, 0, 0])), "povm")
    assert product.measurements == POVM
    assert product.verify()
    assert product.shows


def test_three_qubits_by_polyhedra():
    search = ProofSearch(goal=1.0, max_visibility=1.02)
    state = ghz_state(3, 0.2)
    proof = certify_all_projective(
        state, directions=16, measurements="povm", search=search, seed=1, time_limit=30, progress=False
    )
    assert proof.visibility >= 1
    assert proof.verify(state)
    assert isinstance(proof, AllProjectiveCertificate)


def test_noise_of_a_proof_for_povms_needs_one_too():
    noise = np.diag([0.3, 0.2, 0.2, 0.3])
    options = {"noise": noise, "directions": 6, "search": ProofSearch(max_calls=20), "seed": 1, "progress": False}
    proof = certify_all_projective(werner_state(0.6), measurements="povm", **options)
    assert proof.noise.measurements == POVM
    assert proof.verify()
    other = certify_all_projective(werner_state(0.6), **options)
    forged = dataclasses.replace(proof, noise=other.noise)
    assert "noise is not about all POVMs" in forged.verify().reason
