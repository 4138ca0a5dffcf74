import dataclasses

import numpy as np
import pytest
from qiskit.quantum_info import DensityMatrix, Operator, Statevector, random_density_matrix, random_unitary
from qiskit_lhv import CorrelationTensor, ghz_state, werner_state
from qiskit_lhv.exceptions import CertificateError, MeasurementError, ScenarioError
from qiskit_lhv.measurements.axes import random_directions
from qiskit_lhv.projective import (
    HiddenStateCertificate,
    UnsteerableCertificate,
    find_hidden_states,
    prove_unsteerable,
)
from qiskit_lhv.quantum import mix_with_noise
from qiskit_lhv.verification.hidden_states import gram_matrix, hidden_states_fail, steering_quartic
from qiskit_lhv.verification.positivity import is_positive_semidefinite
from qiskit_lhv.verification.rationals import rational

from helpers import biased_state

pytest.importorskip("clarabel")

FINDERS = pytest.mark.parametrize("find", [find_hidden_states, prove_unsteerable])


def chsh_value(state):
    """The largest CHSH value of any settings (Phys. Lett. A 200, 340 (1995))."""
    matrix = CorrelationTensor.of(state).array[1:, 1:]
    return 2 * np.sqrt(np.sort(np.linalg.eigvalsh(matrix.T @ matrix))[-2:].sum())


@FINDERS
def test_werner_states_become_steerable_at_one_half(find):
    certificate = find(werner_state(1))
    assert 0.48 < certificate.visibility <= 0.5
    assert certificate.verify(werner_state(1))
    assert find(werner_state(0.48)).visibility >= 1


def test_the_criterion_is_exact_for_werner_states():
    assert prove_unsteerable(werner_state(1)).visibility == pytest.approx(0.5, abs=1e-7)


def test_more_hidden_states_prove_more():
    state = random_density_matrix(4, rank=3, seed=3004)
    few, many = (find_hidden_states(state, num_axes=count, party=0).visibility for count in (6, 21))
    assert few < many


@FINDERS
def test_random_states_never_contradict_the_criterion_of_horodecki(find):
    proven = 0
    for seed in range(16):
        state = random_density_matrix(4, rank=3 + seed % 2, seed=seed)
        certificate = find(state)
        assert certificate.verify(state)
        local = certificate.visibility >= 1
        proven += local
        assert not (local and chsh_value(state) > 2)
        # The noisy state that is proven local does not violate the inequality either.
        assert certificate.visibility * chsh_value(state) <= 2 + 1e-9
    assert proven >= 1


def test_hidden_states_do_at_least_as_well_as_the_criterion_up_to_their_number():
    for seed in range(6):
        state = random_density_matrix(4, rank=4, seed=seed)
        assert find_hidden_states(state).visibility > 0.96 * prove_unsteerable(state).visibility


@FINDERS
def test_swapping_the_qubits_swaps_the_parties(find):
    # cos|00> + sin|11> in colored noise: biased for one party only.
    ket = np.array([np.cos(0.5), 0, 0, np.sin(0.5)])
    matrix = 0.6 * np.outer(ket, ket) + 0.4 * np.kron(np.diag([0.9, 0.1]), np.eye(2) / 2)
    state = DensityMatrix(matrix)
    swapped = state.reverse_qargs()
    one, other = find(state), find(swapped)
    assert one.visibility == pytest.approx(other.visibility, abs=1e-3)
    assert one.party != other.party


def test_a_filter_of_the_steered_qubit_changes_nothing():
    state = werner_state(0.49)
    # Qubit 1 is steered by qubit 0: any invertible filter of it keeps the state unsteerable.
    filtered = np.kron(np.diag([1, 0.4]), np.eye(2))
    matrix = filtered @ state.data @ filtered.conj().T
    certificate = prove_unsteerable(DensityMatrix(matrix / np.trace(matrix)))
    assert certificate.visibility >= 1
    assert certificate.verify()
    assert find_hidden_states(DensityMatrix(matrix / np.trace(matrix)), party=0).visibility > 0.98


@FINDERS
def test_entangled_states_with_a_vanishing_product_vector_are_never_proven(find):
    for p in (0.05, 0.3, 0.5, 0.7):
        assert find(biased_state(p)).visibility < 1
    for seed in range(5):
        state = random_density_matrix(4, rank=2, seed=seed)
        certificate = find(state)
        assert certificate is None or certificate.visibility < 1


@pytest.mark.parametrize("p", [0.3, 0.45])
def test_the_biased_family_with_white_noise(p):
    assert find_hidden_states(biased_state(p, 0.1)).visibility >= 1


def test_local_unitaries_change_nothing_for_the_criterion():
    state = mix_with_noise(np.array([np.cos(0.5), 0, 0, np.sin(0.5)]), 0.5)
    turned = state
    for k in range(2):
        turned = turned.evolve(Operator(random_unitary(2, seed=k)), [k])
    assert prove_unsteerable(turned).visibility == pytest.approx(prove_unsteerable(state).visibility, abs=1e-6)


def test_product_states():
    for state in (Statevector.from_label("0+"), np.diag([1, 0, 0, 0])):
        certificate = find_hidden_states(state)
        assert certificate is None or certificate.verify()


@FINDERS
def test_verify_compares_with_the_state(find):
    certificate = find(werner_state(0.4))
    assert certificate.verify(werner_state(0.4))
    assert not certificate.verify(werner_state(0.41))
    assert not certificate.verify(ghz_state(3, 0.1))


@FINDERS
def test_saved_certificates_verify_after_loading(find, tmp_path):
    certificate = find(werner_state(0.4))
    certificate.save(tmp_path / "proof.json")
    loaded = type(certificate).load(tmp_path / "proof.json")
    assert loaded == certificate
    assert loaded.verify(werner_state(0.4))


STATE = random_density_matrix(4, rank=3, seed=3004)


@pytest.mark.parametrize(
    ("find", "change"),
    [
        (find_hidden_states, {"visibility": lambda c: c.visibility * 1.001}),
        (find_hidden_states, {"visibility": lambda c: -0.1}),
        (find_hidden_states, {"party": lambda c: 1 - c.party}),
        (find_hidden_states, {"weights": lambda c: c.weights * 1.5}),
        (find_hidden_states, {"weights": lambda c: -c.weights}),
        (find_hidden_states, {"weights": lambda c: c.weights * 0.99}),
        (find_hidden_states, {"weights": lambda c: c.weights * 1e20}),
        (find_hidden_states, {"weights": lambda c: np.zeros(len(c.weights))}),
        (find_hidden_states, {"hidden_states": lambda c: c.hidden_states * 2}),
        (find_hidden_states, {"hidden_states": lambda c: c.hidden_states / 2}),
        (find_hidden_states, {"hidden_states": lambda c: np.zeros_like(c.hidden_states)}),
        (find_hidden_states, {"hidden_states": lambda c: c.hidden_states * 0.999}),
        (prove_unsteerable, {"visibility": lambda c: c.visibility * 1.00001}),
        (prove_unsteerable, {"visibility": lambda c: -0.1}),
        (prove_unsteerable, {"visibility": lambda c: 1e300}),
        (prove_unsteerable, {"party": lambda c: 1 - c.party}),
        (prove_unsteerable, {"gram": lambda c: c.gram + 0.1}),
        (prove_unsteerable, {"gram": lambda c: -c.gram}),
    ],
)
def test_tampered_certificates_are_refused(find, change):
    certificate = find(STATE)
    changed = dataclasses.replace(certificate, **{name: make(certificate) for name, make in change.items()})
    assert not changed.verify()


@pytest.mark.parametrize("record", [HiddenStateCertificate, UnsteerableCertificate])
@pytest.mark.parametrize(
    "change",
    [
        {"visibility": np.nan},
        {"visibility": "one"},
        {"party": 2},
        {"party": "zero"},
        {"correlations": None},
        {"correlations": CorrelationTensor.of(ghz_state(3))},
        {"last": [np.inf]},
        {"last": None},
    ],
    ids=str,
)
def test_fields_that_mean_nothing(record, change):
    last = {"gram": np.zeros(6)} if record is UnsteerableCertificate else {"weights": [0.5]}
    if record is HiddenStateCertificate:
        last["hidden_states"] = [[0.0, 0, 1]]
    fields = {"visibility": 0.1, "correlations": CorrelationTensor.of(werner_state(1)), "party": 0, **last}
    assert isinstance(record(**fields), record)
    if "last" in change:
        change = {next(iter(last)): change["last"]}
    with pytest.raises(CertificateError):
        record(**fields | change)


def test_bad_arguments():
    for find in (find_hidden_states, prove_unsteerable):
        with pytest.raises(MeasurementError, match="two qubits"):
            find(ghz_state(3))
    for options in ({"num_axes": 181}, {"num_axes": 0}, {"party": 2}, {"max_visibility": 0}):
        with pytest.raises(ScenarioError):
            find_hidden_states(werner_state(1), **options)
    with pytest.raises(MeasurementError):
        find_hidden_states(werner_state(1), num_axes=17)


def test_the_zonotope_holds_what_a_linear_program_says():
    # Brute force: are the conditional states of many directions sums of parts of the hidden states?
    from scipy.optimize import linprog

    rng = np.random.default_rng(1)
    outcomes = set()
    for seed in range(12):
        tensor = CorrelationTensor.of(random_density_matrix(4, rank=4, seed=seed)).array.copy()
        vectors = rng.standard_normal((9, 3))
        vectors = np.trunc(vectors / np.linalg.norm(vectors, axis=1, keepdims=True) * 2**15) / 2**15
        weights = np.floor(rng.dirichlet(np.ones(9)) * 2**30) / 2**30
        tensor[0, 1:] = weights @ vectors
        tensor[1:] *= 0.1 * 1.3**seed
        passed = not hidden_states_fail(rational(tensor), vectors, weights)
        outcomes.add(passed)
        generators = np.hstack([np.ones((9, 1)), vectors]) * weights[:, None]
        inside = []
        for x in random_directions(60, seed=seed):
            target = (tensor[0] + x @ tensor[1:]) / 2
            target[0] -= (1 - weights.sum()) / 2
            found = linprog(np.zeros(9), A_eq=generators.T, b_eq=target, bounds=(0, 1))
            inside.append(found.status == 0)
        if passed:
            assert all(inside)
        if not all(inside):
            assert not passed
    assert outcomes == {True, False}


def test_the_quartic_is_the_criterion_where_the_steered_state_is_white():
    tensor = CorrelationTensor.of(random_density_matrix(4, rank=4, seed=5)).array.copy()
    tensor[0, 1:] = 0
    quartic = steering_quartic(rational(tensor))
    for x in random_directions(20, seed=1):
        value = sum(float(c) * x[0] ** i * x[1] ** j * x[2] ** k for (i, j, k), c in quartic.items())
        bias, image = x @ tensor[1:, 0], x @ tensor[1:, 1:]
        assert value == pytest.approx((1 - bias**2) ** 2 - 4 * image @ image, abs=1e-12)
        z = np.array([x[0] ** 2, x[1] ** 2, x[2] ** 2, x[0] * x[1], x[0] * x[2], x[1] * x[2]])
        gram = np.array(gram_matrix(quartic, [0.1, -0.3, 0.7, 0.2, 0.5, -0.4]), dtype=float)
        assert z @ gram @ z == pytest.approx(value, abs=1e-12)


def test_exact_positivity_against_eigenvalues():
    rng = np.random.default_rng(3)
    seen = set()
    for _ in range(200):
        size = int(rng.integers(1, 6))
        root = rng.integers(-3, 4, (size, size)) + 1j * rng.integers(-3, 4, (size, size))
        root[:, int(rng.integers(0, size + 1)) :] = 0
        matrix = root @ root.conj().T
        matrix[-1, -1] -= int(rng.integers(0, 2))
        expected = bool(np.linalg.eigvalsh(matrix)[0] > -1e-9)
        seen.add(expected)
        assert is_positive_semidefinite(matrix.real.tolist(), matrix.imag.tolist()) is expected
    assert seen == {True, False}
    assert not is_positive_semidefinite([[1, 2], [0, 1]])
