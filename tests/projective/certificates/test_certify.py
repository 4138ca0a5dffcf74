import dataclasses
import itertools
import math
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from qiskit import QuantumCircuit
from qiskit.quantum_info import DensityMatrix, Statevector
from qiskit_lhv.exceptions import CertificateError, LHVError, MeasurementError, ScenarioError
from qiskit_lhv.measurements import measurement_set
from qiskit_lhv.measurements.axes import (
    icosahedral_directions,
    planar_directions,
    platonic_directions,
    random_directions,
)
from qiskit_lhv.measurements.polyhedra import inradius
from qiskit_lhv.models.deterministic import enumerate_strategies, strategy_tables
from qiskit_lhv.optimize import GradientDescent, SettingsGrid
from qiskit_lhv.optimize.search import find_local_model
from qiskit_lhv.polytope.thresholds.conditional_gradient import ConditionalGradient
from qiskit_lhv.projective import ProofSearch
from qiskit_lhv.projective.certificates import certify as module
from qiskit_lhv.projective.certificates.certificate import AllProjectiveCertificate
from qiskit_lhv.projective.certificates.certify import certify_all_projective
from qiskit_lhv.projective.certificates.search import ProjectiveSearch
from qiskit_lhv.quantum.states import (
    bell_diagonal_state,
    ghz_state,
    mix_with_noise,
    random_state,
    w_state,
    werner_state,
)
from qiskit_lhv.targets.correlations import CorrelationTensor
from scipy.optimize import linprog

from helpers import with_proof_search

ICOSAHEDRON = platonic_directions("icosahedron")
CUBE = platonic_directions("cube")
OCTAHEDRON = platonic_directions("octahedron")
OWN = np.concatenate([CUBE, OCTAHEDRON])
SIXTEEN = icosahedral_directions(16, optimized=False)
# Nonlocal above this visibility (arXiv:2302.04721).
WERNER_UPPER_LIMIT = 0.69606


def certify(state, **options):
    return certify_all_projective(state, **with_proof_search(**{"seed": 1, "progress": False} | options))


def assert_local_on_random_settings(certificate, state, trials=3, count=3):
    """The state at the claimed visibility, on random directions: a linear program over all strategies."""
    n = certificate.correlations.num_parties
    visibility = min(1.0, certificate.visibility)
    tensor = CorrelationTensor.from_state(mix_with_noise(state, visibility))
    for trial in range(trials):
        settings = [list(random_directions(count, seed=100 * trial + k)) for k in range(n)]
        behavior = tensor.behavior(settings)
        tables = strategy_tables(enumerate_strategies(behavior.scenario), behavior.scenario)
        result = linprog(np.ones(len(tables)), A_eq=tables.T, b_eq=behavior.array.ravel(), method="highs")
        assert result.status == 0, result.message
        assert result.fun == pytest.approx(1, abs=1e-6)


def largest_chsh(tensor, visibility):
    """Of all projective measurements, by the two largest singular values of the correlations."""
    values = np.linalg.svd(visibility * tensor[1:, 1:], compute_uv=False)
    return 2 * math.hypot(values[0], values[1])


# Two qubits


@pytest.fixture(scope="module")
def werner16():
    return certify(werner_state(1), directions=SIXTEEN)


def test_werner_with_16_axes(werner16):
    assert 0.60 < werner16.visibility < 0.6050
    assert werner16.verify()
    assert werner16.verify(werner_state(1))
    assert [d.shape for d in werner16.directions] == [(16, 3), (16, 3)]
    assert len(werner16.sources) == 240
    assert len(werner16.product_weights) == 0
    assert "16 x 16 axes" in str(werner16)
    assert werner16.visibility <= werner16.mixture_visibility


def test_werner_with_46_axes():
    directions = icosahedral_directions(46, optimized=False)
    certificate = certify(werner_state(1), directions=directions, visibility=0.655)
    assert 0.65 < certificate.visibility < 0.6608
    assert certificate.verify(werner_state(1))


@pytest.mark.parametrize(
    ("state", "options", "low", "high"),
    [
        (werner_state(1), {"directions": 6}, 0.488, 0.4915),
        (werner_state(1), {"directions": OWN}, 0.474, 0.477),
        (werner_state(1), {"directions": platonic_directions("dodecahedron")}, 0.455, 0.462),
        (werner_state(1), {"directions": [CUBE, ICOSAHEDRON]}, 0.353, 0.3572),
        (bell_diagonal_state([0.9, -0.5, 0.4]), {"directions": 6}, 0.744, 0.7459),
        (bell_diagonal_state([0.9, -0.5, 0.4]), {"directions": SIXTEEN}, 0.835, 0.843),
        (Statevector([math.cos(0.5), 0, 0, math.sin(0.5)]), {"directions": 6}, 0.538, 0.5425),
        (Statevector([math.cos(0.1), 0, 0, math.sin(0.1)]), {"directions": 6}, 0.83, 0.8365),
        (random_state(2, seed=3), {"directions": 6, "visibility": 0.74}, 0.735, 0.74001),
        (random_state(2, rank=2, seed=1), {"directions": [ICOSAHEDRON, CUBE], "visibility": 0.5}, 0.45, 0.50001),
    ],
)
def test_two_qubits(state, options, low, high):
    certificate = certify(state, **options)
    assert low < certificate.visibility < high
    assert certificate.verify(state)
    tensor = CorrelationTensor.from_state(state).array
    assert np.array_equal(certificate.correlations.array, tensor)
    assert largest_chsh(tensor, certificate.visibility) <= 2 + 1e-9
    assert_local_on_random_settings(certificate, state)


def test_claims_stay_below_the_upper_limit(werner16, counted_clock):
    assert werner16.visibility < WERNER_UPPER_LIMIT
    for directions in (ICOSAHEDRON, OWN, random_directions(12, seed=3)):
        with counted_clock(0.02):
            certificate = certify(werner_state(1), directions=directions, time_limit=2)
        assert 0 < certificate.visibility < WERNER_UPPER_LIMIT
        assert certificate.visibility <= inradius(directions) ** 2
        assert certificate.verify()
    assert_local_on_random_settings(werner16, werner_state(1), trials=2, count=4)


def test_product_states_are_part_of_mixtures_with_marginals():
    """Nearly pure marginals: strategies alone could not make up for correlators divided by the inradius."""
    state = Statevector([math.cos(0.1), 0, 0, math.sin(0.1)])
    certificate = certify(state, directions=ICOSAHEDRON)
    assert len(certificate.product_weights) > 0
    assert certificate.product_weights.sum() > 0.1
    lengths = np.linalg.norm(certificate.product_vectors, axis=2)
    assert np.all(lengths <= 1)
    assert np.all(lengths > 1 - 1e-7)
    # Without the product states the marginal alone limits the visibility to eta / cos(2 theta).
    assert certificate.visibility > inradius(ICOSAHEDRON) / math.cos(0.2)


def test_directions_as_lists():
    certificate = certify(werner_state(1), directions=CUBE.tolist() + OCTAHEDRON.tolist())
    both = certify(werner_state(1), directions=[OWN.tolist(), OWN.tolist()])
    for one in (both, certify(werner_state(1), directions=OWN)):
        assert all(np.array_equal(a, b) for a, b in zip(certificate.directions, one.directions, strict=True))
        assert certificate.visibility == pytest.approx(one.visibility, rel=1e-3)


def test_directions_become_dyadic_numbers():
    certificate = certify(werner_state(1), directions=[OWN, ICOSAHEDRON], visibility=0.2)
    assert [len(d) for d in certificate.directions] == [7, 6]
    for given, stored in zip([OWN, ICOSAHEDRON], certificate.directions, strict=True):
        assert np.abs(given - stored).max() <= 2.0**-31
        assert np.array_equal(np.rint(stored * 2**30), stored * 2**30)
    for weights in (certificate.weights, certificate.product_weights):
        assert np.array_equal(np.rint(weights * 2**40), weights * 2**40)
    assert math.fsum(certificate.weights) + math.fsum(certificate.product_weights) == 1


@pytest.mark.parametrize(
    ("name", "limit"),
    # Correlators of perfectly correlated axes reach 1 at the squared inradius, 1 / 3.
    [("cube", 1 / 3), ("octahedron", 1 / 3)],
)
def test_few_axes(name, limit):
    certificate = certify(werner_state(1), directions=platonic_directions(name))
    assert 0.32 < certificate.visibility <= limit + 1e-9


@pytest.mark.parametrize(("visibility", "low"), [(0.45, 0.449), (0.6, 0.1)])
def test_given_visibilities_of_six_axes(visibility, low):
    """0.45 lies inside, 0.6 outside: what was found last is worth a claim all the same."""
    assert certify(werner_state(1), directions=ICOSAHEDRON, visibility=visibility).visibility > low


@pytest.mark.parametrize("visibility", [0.3, 0.5])
def test_given_visibilities(visibility):
    state = bell_diagonal_state([0.9, -0.5, 0.4])
    certificate = certify(state, directions=ICOSAHEDRON, visibility=visibility)
    assert certificate.mixture_visibility == visibility
    assert visibility * 0.99 < certificate.visibility <= visibility
    assert certificate.verify()


def test_separable_states_are_proven_beyond_visibility_1():
    certificate = certify(werner_state(0.25), directions=SIXTEEN)
    assert certificate.visibility >= 1
    assert certificate.verify(werner_state(0.25))
    inside = certify(werner_state(0.25), directions=SIXTEEN, max_visibility=5.0)
    # The singlet's 0.6047 as a multiple of a quarter.
    assert 4 * 0.60 < inside.visibility < 4 * 0.6050
    assert inside.verify()


def test_separable_states_with_marginals():
    first = np.kron(np.diag([0.9, 0.1]), np.full((2, 2), 0.5))
    second = np.kron(np.full((2, 2), 0.5), np.diag([0.3, 0.7]))
    state = DensityMatrix(0.6 * first + 0.4 * second)
    certificate = certify(mix_with_noise(state, 0.8), directions=ICOSAHEDRON)
    assert certificate.visibility >= 1
    assert len(certificate.product_weights) > 0
    assert certificate.verify()


# One qubit and more than two


def test_three_qubits_in_a_ghz_state():
    certificate = certify(ghz_state(3), directions=6)
    assert 0.30 < certificate.visibility < 0.3045
    assert certificate.verify(ghz_state(3))
    assert "6 x 6 x 6 axes" in str(certificate)
    assert_local_on_random_settings(certificate, ghz_state(3), trials=2, count=2)


def test_three_qubits_in_a_w_state():
    certificate = certify(w_state(3), directions=6, visibility=0.312)
    assert 0.31 < certificate.visibility <= 0.312
    assert certificate.verify(w_state(3))
    assert_local_on_random_settings(certificate, w_state(3), trials=2, count=2)
    separable = certify(w_state(3, 0.25), directions=6)
    assert separable.visibility >= 1
    assert len(separable.product_weights) > 0


def test_three_qubits_with_three_sets_of_directions():
    state = random_state(3, seed=2)
    certificate = certify(state, directions=[CUBE, ICOSAHEDRON, OWN], visibility=0.3)
    assert [len(d) for d in certificate.directions] == [4, 6, 7]
    assert 0.2 < certificate.visibility <= 0.3
    assert certificate.verify(state)
    assert_local_on_random_settings(certificate, state, trials=2, count=2)


def test_one_qubit():
    certificate = certify(random_state(1, seed=3))
    assert len(certificate.directions[0]) == 6
    assert certificate.visibility >= 1
    assert certificate.verify()


def test_one_qubit_maximally_mixed():
    state = CorrelationTensor.from_state(werner_state(1), [1])
    assert certify(state, directions=ICOSAHEDRON).visibility >= 0.99


def test_parties_choose_qubits():
    """Qubits 2 and 0 of three, in this order: tensors and states agree."""
    state = random_state(3, seed=6)
    options = {"directions": [CUBE, ICOSAHEDRON], "visibility": 0.3}
    certificate = certify(CorrelationTensor.from_state(state, [2, 0]), **options)
    assert np.allclose(certificate.correlations.array, CorrelationTensor.from_state(state).array[:, 0, :].T)
    assert certificate.visibility > 0.25
    assert certificate.verify(CorrelationTensor.from_state(state, [2, 0]))
    assert not certificate.verify(CorrelationTensor.from_state(state, [0, 2]))


def test_circuits_and_tensors_are_welcome():
    circuit = QuantumCircuit(2)
    circuit.x([0, 1])
    circuit.h(0)
    circuit.cx(0, 1)
    options = {"directions": ICOSAHEDRON}
    by_circuit = certify(circuit, **options)
    by_tensor = certify(CorrelationTensor.from_state(circuit), **options)
    assert by_circuit.correlations == by_tensor.correlations
    assert by_circuit.visibility == pytest.approx(by_tensor.visibility, rel=1e-3)
    assert by_circuit.verify(werner_state(1))
    assert 0.488 < by_circuit.visibility < 0.4915


def test_tensors_need_not_be_states():
    """Twice a singlet's correlations: half the visibility."""
    tensor = CorrelationTensor.from_state(werner_state(1)).array * 2
    tensor[0, 0] = 1
    certificate = certify(CorrelationTensor(tensor), directions=ICOSAHEDRON)
    assert 0.244 < certificate.visibility < 0.4915 / 2
    assert certificate.verify()


# Other noise


NOISE = DensityMatrix(np.kron(np.diag([0.7, 0.3]), np.diag([0.6, 0.4])))


def test_noise_other_than_white():
    """A singlet in noise with marginals: local all the way to the claim, and so is what lies between."""
    certificate = certify(werner_state(1), noise=NOISE, directions=ICOSAHEDRON, visibility=0.4)
    assert 0.35 < certificate.visibility <= 0.4
    assert certificate.verify(werner_state(1))
    assert certificate.noise.verify(NOISE)
    assert certificate.noise.visibility > 1
    assert "in its noise" in str(certificate)
    for visibility in (certificate.visibility, certificate.visibility / 2):
        mixture = mix_with_noise(werner_state(1), visibility, NOISE)
        tensor = CorrelationTensor.from_state(mixture)
        settings = [list(random_directions(3, seed=k)) for k in range(2)]
        behavior = tensor.behavior(settings)
        tables = strategy_tables(enumerate_strategies(behavior.scenario), behavior.scenario)
        result = linprog(np.ones(len(tables)), A_eq=tables.T, b_eq=behavior.array.ravel(), method="highs")
        assert result.status == 0


@pytest.mark.parametrize("name", ["certificate.npz", "certificate.json"])
def test_proofs_with_noise_can_be_saved(tmp_path, name):
    certificate = certify(werner_state(1), noise=NOISE, directions=CUBE, visibility=0.2)
    certificate.save(tmp_path / name)
    loaded = AllProjectiveCertificate.load(tmp_path / name)
    assert loaded == certificate
    assert loaded.verify(werner_state(1))


@pytest.mark.parametrize(
    ("noise", "error", "message"),
    [
        (werner_state(0.9), ScenarioError, "noise: expected a state that is proven local"),
        (DensityMatrix(np.eye(2) / 2), MeasurementError, "noise: expected a state"),
        (ghz_state(3), MeasurementError, "noise: expected a state"),
        ("white", MeasurementError, "state"),
    ],
)
def test_noise_that_will_not_do_is_refused(noise, error, message):
    with pytest.raises(error, match=message):
        certify(werner_state(1), noise=noise, directions=ICOSAHEDRON)


# Seeds, starts, files


def test_seeds_reproduce(monkeypatch):
    """Whatever the speed of the machine: here one whose clock stands still, and a slow one."""
    state = bell_diagonal_state([0.8, -0.6, 0.5])
    monkeypatch.setattr(time, "monotonic", lambda: 0.0)
    first = certify(state, directions=OWN, seed=3)
    interrupt_after(monkeypatch, 1.0)
    assert first == certify(state, directions=OWN, seed=3)


def test_seeds_matter(monkeypatch):
    state = bell_diagonal_state([0.8, -0.6, 0.5])
    monkeypatch.setattr(time, "monotonic", lambda: 0.0)
    first = certify(state, directions=OWN, seed=3)
    assert first == certify(state, directions=OWN, seed=3)
    assert first != certify(state, directions=OWN, seed=4)


@pytest.fixture(scope="module")
def found():
    """A model of two qubits, of too few steps to be good."""
    state = bell_diagonal_state([0.63, -0.35, 0.28])
    return find_local_model(
        state,
        response=3,
        num_hidden=128,
        optimizer=GradientDescent(num_steps=10),
        grid=SettingsGrid(num_evaluated=100),
        seed=1,
        progress=False,
    ).model


def test_start_from_a_found_model(found):
    state = bell_diagonal_state([0.9, -0.5, 0.4])
    certificate = certify(state, directions=ICOSAHEDRON, start=found)
    assert 0.744 < certificate.visibility < 0.7459
    assert certificate.verify(state)


def test_strategies_of_a_start_answer_what_is_likelier(found):
    search = ProjectiveSearch(CorrelationTensor.from_state(werner_state(0.5)), [CUBE, ICOSAHEDRON], 1)
    search.add_model(found)
    strategies, weights = search.gradient.atoms(0)
    assert np.allclose(weights, 1 / len(strategies))
    settings = found.response.parse_settings([list(CUBE), list(ICOSAHEDRON)])
    tables = [found.response.probabilities(k, found.hidden_variables[k], settings[k]) for k in range(2)]
    likelier = np.hstack([(table[..., 0] < table[..., 1]).reshape(128, -1) for table in tables]).astype(int)
    assert likelier.shape == (128, 10)
    assert {tuple(one) for one in strategies.tolist()} == {tuple(one) for one in likelier.tolist()}


def test_starts_of_other_numbers_of_parties_are_refused(found):
    with pytest.raises(ScenarioError, match="start: expected a ResponseModel of 3 parties"):
        certify(ghz_state(3), directions=ICOSAHEDRON, start=found)


@pytest.mark.parametrize("name", ["certificate.npz", "certificate.json"])
@pytest.mark.parametrize("marginals", [False, True])
def test_saving(tmp_path, name, marginals):
    angle = 0.1 if marginals else math.pi / 4
    state = Statevector([math.cos(angle), 0, 0, math.sin(angle)])
    certificate = certify(state, directions=ICOSAHEDRON)
    assert (len(certificate.product_weights) > 0) == marginals
    certificate.save(tmp_path / name)
    loaded = AllProjectiveCertificate.load(tmp_path / name)
    assert loaded == certificate
    for field in ("weights", "strategies", "sources", "flips", "product_vectors"):
        assert getattr(loaded, field).dtype == getattr(certificate, field).dtype
        assert not getattr(loaded, field).flags.writeable
    assert loaded.verify()
    assert loaded.verify(state)
    assert not loaded.verify(werner_state(1))


# Checkpoints


HARD = bell_diagonal_state([0.9, -0.5, 0.4])


def interrupt_after(monkeypatch, seconds):
    """Lets the clock of the search run fast, so that it is interrupted at a certain step whatever the machine."""
    ticks = itertools.count()
    monkeypatch.setattr(time, "monotonic", lambda: next(ticks) * seconds)


def test_interrupted_runs_go_on(tmp_path, monkeypatch):
    path = tmp_path / "run.npz"
    options = {"directions": SIXTEEN, "checkpoint": path}
    whole = certify(HARD, **options | {"checkpoint": None})
    with monkeypatch.context() as patch:
        interrupt_after(patch, 0.02)
        part = certify(HARD, time_limit=1.0, **options)
    assert path.exists()
    assert 0 < part.visibility < whole.visibility
    assert part.verify()
    size = path.stat().st_size
    resumed = certify(HARD, **options)
    assert resumed.verify(HARD)
    assert resumed.visibility >= part.visibility
    assert resumed.visibility == pytest.approx(whole.visibility, rel=2e-3)
    assert path.stat().st_size != size
    # Nothing is left to do: a finished run says the same again, or more.
    assert certify(HARD, **options).visibility >= resumed.visibility


def test_interrupted_runs_with_product_states_go_on(tmp_path, monkeypatch):
    state = Statevector([math.cos(0.1), 0, 0, math.sin(0.1)])
    options = {"directions": ICOSAHEDRON, "checkpoint": tmp_path / "run.npz"}
    with monkeypatch.context() as patch:
        interrupt_after(patch, 0.02)
        part = certify(state, time_limit=1.0, **options)
    assert (tmp_path / "run.npz").exists()
    resumed = certify(state, **options)
    assert resumed.visibility >= part.visibility > 0
    assert 0.83 < resumed.visibility < 0.8365
    assert resumed.verify(state)


def test_a_start_gives_way_to_a_checkpoint(tmp_path, found):
    """What goes on from a file has probabilities as weights, whatever it was started from."""
    options = {"directions": ICOSAHEDRON, "checkpoint": tmp_path / "run.npz", "start": found}
    certify(HARD, **options)
    sums = []

    class Watched(ProjectiveSearch):
        def run(self, *arguments, **keywords):
            sums.append(math.fsum(self.gradient.weights))
            return super().run(*arguments, **keywords)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "ProjectiveSearch", Watched)
        certify(HARD, **options)
    assert sums == [pytest.approx(1)]


@pytest.mark.parametrize("change", ["state", "seed", "directions", "damaged", "empty", "other"])
def test_foreign_and_damaged_checkpoints_are_refused(tmp_path, change):
    path = tmp_path / "run.npz"
    options = {"directions": ICOSAHEDRON, "checkpoint": path, "seed": 1}
    certify(HARD, **options)
    content = path.read_bytes()
    state = HARD
    if change == "state":
        state = bell_diagonal_state([0.9, -0.5, 0.41])
    elif change == "seed":
        options["seed"] = 2
    elif change == "directions":
        options["directions"] = OWN
    elif change == "damaged":
        content = content[: len(content) // 2]
    elif change == "empty":
        content = b""
    else:
        content = b"not an archive at all"
    path.write_bytes(content)
    with pytest.raises(CertificateError, match=r"checkpoint: .*run\.npz\. Nothing was changed"):
        certify(state, **options)
    assert path.read_bytes() == content
    assert [file.name for file in tmp_path.iterdir()] == ["run.npz"]


def test_checkpoints_without_the_searchs_arrays_are_refused(tmp_path):
    path = tmp_path / "run.npz"
    certify(HARD, directions=ICOSAHEDRON, checkpoint=path)
    with np.load(path) as archive:
        header = archive["header"]
    np.savez(path, header=header, numbers=np.zeros(3))
    content = path.read_bytes()
    with pytest.raises(CertificateError, match="Nothing was changed"):
        certify(HARD, directions=ICOSAHEDRON, checkpoint=path)
    assert path.read_bytes() == content


def test_checkpoints_need_a_folder(tmp_path):
    with pytest.raises(CertificateError, match="existing folder"):
        certify(HARD, directions=ICOSAHEDRON, checkpoint=tmp_path / "none" / "run.npz")


# Time


def test_short_times_give_a_true_certificate():
    certificate = certify(werner_state(1), directions=SIXTEEN, time_limit=1e-9)
    assert 0 <= certificate.visibility < 0.605
    assert certificate.verify()


# Bad input


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"directions": 7}, MeasurementError, "directions: .*The nearest such numbers are 6 and 16"),
        ({"directions": 0}, MeasurementError, "directions: .*expected a whole number of at least 1"),
        ({"directions": "six"}, MeasurementError, "directions: expected an array of numbers"),
        ({"directions": planar_directions(8)}, MeasurementError, "directions that span a polyhedron, got one plane"),
        ({"directions": [ICOSAHEDRON, planar_directions(8)]}, MeasurementError, "span a polyhedron"),
        ({"directions": 2 * ICOSAHEDRON}, MeasurementError, "directions: expected unit vectors"),
        ({"directions": ICOSAHEDRON[:, :2]}, MeasurementError, "directions: expected unit vectors"),
        ({"directions": ICOSAHEDRON[:2]}, MeasurementError, "m >= 3"),
        ({"directions": ICOSAHEDRON[0]}, MeasurementError, "directions: expected an array with 2 axes"),
        ({"directions": [ICOSAHEDRON]}, MeasurementError, "one array for each of 2 parties, got 1"),
        ({"directions": [ICOSAHEDRON] * 3}, MeasurementError, "one array for each of 2 parties, got 3"),
        ({"directions": [ICOSAHEDRON, None]}, MeasurementError, "directions"),
        ({"directions": "cube"}, MeasurementError, "directions"),
        ({"directions": np.where(ICOSAHEDRON > 0.8, np.nan, ICOSAHEDRON)}, MeasurementError, "finite"),
        ({"directions": 1j * ICOSAHEDRON}, MeasurementError, "real"),
        ({"visibility": 0}, ScenarioError, "visibility: expected a positive number, got 0"),
        ({"visibility": -0.5}, ScenarioError, "visibility: expected a positive number"),
        ({"visibility": math.inf}, ScenarioError, "visibility: expected a positive number"),
        ({"max_visibility": -1}, ScenarioError, "max_visibility: expected a positive number"),
        ({"goal": 0}, ScenarioError, "goal: expected a positive number"),
        ({"max_calls": 0}, ScenarioError, "max_calls"),
        ({"start": "model"}, ScenarioError, "start: expected a ResponseModel"),
        ({"seed": -1}, LHVError, "seed: expected None or a non-negative whole number"),
        ({"seed": 0.5}, LHVError, "seed: expected None or a non-negative whole number"),
        ({"directions": []}, MeasurementError, "directions"),
        ({"directions": 5}, MeasurementError, "directions"),
    ],
)
def test_bad_input_is_refused(options, error, message):
    if "directions" not in options:
        options = {"directions": ICOSAHEDRON} | options
    with pytest.raises(error, match=message):
        certify(werner_state(1), **options)


@pytest.mark.parametrize(
    ("num_qubits", "count", "fit"), [(2, 3000, 2895), (3, 250, 202), (4, 60, 52)], ids=["two", "three", "four"]
)
def test_too_many_directions_are_refused(num_qubits, count, fit):
    """The message says how many fit."""
    with pytest.raises(ScenarioError, match=rf"at most {1 << 23} .*About {fit} directions per party fit"):
        certify(ghz_state(num_qubits), directions=random_directions(count, seed=1))
    assert (fit + 1) ** num_qubits <= 1 << 23


@pytest.mark.parametrize(
    ("state", "message"),
    [
        (DensityMatrix(np.eye(9) / 9, dims=(3, 3)), r"state: expected qubits, got dimensions \(3, 3\)"),
        (DensityMatrix(np.eye(6) / 6, dims=(2, 3)), "state: expected qubits"),
        (CorrelationTensor(np.eye(1, 81).reshape(9, 9)), "state: expected qubits"),
        ("singlet", "state"),
        (None, "state"),
    ],
)
def test_states_of_other_systems_are_refused(state, message):
    with pytest.raises(MeasurementError, match=message):
        certify(state, directions=ICOSAHEDRON)


def test_very_symmetric_states():
    """White noise: any of 120 maps of either party, and their exchange."""
    assert certify(DensityMatrix(np.eye(4) / 4), directions=ICOSAHEDRON).visibility > 0.9


def test_ghz_states_on_the_octahedron(counted_clock):
    with counted_clock(0.02):
        certificate = certify(ghz_state(3), directions=OCTAHEDRON, time_limit=1)
    assert certificate.verify(ghz_state(3))
    assert certificate.visibility > 0


def test_mixtures_of_product_states_alone():
    state = DensityMatrix(np.diag([0.9, 0.1, 0, 0]))
    search = ProjectiveSearch(CorrelationTensor.from_state(state), [OCTAHEDRON] * 2, 1)
    search.gradient.add(1, np.array([[0.0, 0, 1, 0, 0, 1], [0.0, 0, -1, 0, 0, 1]]), np.array([0.9, 0.1]))
    search.keep(1.0)
    certificate = search.certificate()
    assert len(certificate.weights) == 0
    assert certificate.verify(state)


# Measurements in a plane


@pytest.mark.parametrize("plane", ["xy", "xz", "yz"])
def test_werner_state_in_a_plane(plane):
    # Grothendieck's constant of dimension 2 is sqrt(2): local up to 1 / sqrt(2), exactly (arXiv:1609.06114).
    certificate = certify_all_projective(werner_state(1), measurements=plane, directions=16, seed=1)
    assert 0.695 < certificate.visibility < np.sqrt(0.5)
    assert certificate.verify(werner_state(1))
    assert plane in str(certificate)
    assert not certificate.verify(werner_state(0.99))


def test_a_plane_sees_only_its_own_correlations():
    # Correlated in Y alone, where no measurement in the plane xz looks; in xy and yz it is still classical.
    state = bell_diagonal_state([-0.4, 1, 0.4])
    assert certify_all_projective(state, measurements="xz", directions=8, seed=1).visibility > 0.99
    tensor = np.zeros((4, 4))
    tensor[0, 0], tensor[2, 2], tensor[1, 1], tensor[3, 3] = 1, 5, 0.4, 0.3
    # No state has such a correlation in Y, but what measurements in xz see is one.
    certificate = certify_all_projective(CorrelationTensor(tensor), measurements="xz", directions=8, seed=1)
    assert certificate.visibility > 0.99
    assert certificate.verify(CorrelationTensor(tensor))


def test_certificates_of_a_plane_claim_no_more():
    certificate = certify_all_projective(werner_state(1), measurements="xz", directions=8, seed=1)
    # For all measurements it proves nothing about the state: its correlations lack those in Y.
    assert not dataclasses.replace(certificate, measurements=measurement_set("projective")).verify(werner_state(1))
    assert not dataclasses.replace(certificate, measurements=measurement_set("xy")).verify()
    full = CorrelationTensor.from_state(werner_state(1))
    assert not dataclasses.replace(certificate, correlations=full).verify()


@pytest.mark.parametrize(
    "arguments",
    [{"measurements": "zz"}, {"measurements": "planar"}, {"measurements": "xy", "directions": np.eye(3)}],
)
def test_bad_planes(arguments):
    with pytest.raises(MeasurementError, match=r"measurements|plane"):
        certify_all_projective(werner_state(1), **arguments)


def test_a_party_that_nothing_depends_on(counted_clock):
    # Its Bloch vector in the product states of the search is zero.
    state = DensityMatrix(np.kron(np.eye(2) / 2, werner_state(0.5).data))
    certificate = certify_all_projective(
        state, directions=6, search=ProofSearch(max_visibility=1.02, max_calls=200), seed=1
    )
    assert certificate.visibility > 0.9
    assert certificate.verify(state)


def counted(monkeypatch):
    """Counts the steps of conditional gradients."""
    calls = []
    step = ConditionalGradient.step

    def counting(self, *arguments, **options):
        calls.append(1)
        return step(self, *arguments, **options)

    monkeypatch.setattr(ConditionalGradient, "step", counting)
    return calls


def steps_and_certificate(calls, **options):
    calls.clear()
    certificate = certify(werner_state(1), directions=SIXTEEN, **options)
    return len(calls), certificate


def test_search_ends_at_its_goal(monkeypatch):
    calls = counted(monkeypatch)
    all_steps, whole = steps_and_certificate(calls)
    steps, enough = steps_and_certificate(calls, goal=0.55)
    assert 0.55 <= enough.visibility < whole.visibility
    assert enough.verify(werner_state(1))
    assert steps < all_steps


def test_search_ends_where_its_goal_is_out_of_reach(monkeypatch):
    calls = counted(monkeypatch)
    all_steps, whole = steps_and_certificate(calls)
    # Nonlocal at 0.9.
    steps, hopeless = steps_and_certificate(calls, goal=0.9)
    # What a first stage proves is kept.
    assert 0.95 * whole.visibility < hopeless.visibility <= whole.visibility
    assert hopeless.verify(werner_state(1))
    assert steps < all_steps


def test_a_goal_out_of_reach_does_not_lose_what_is_proven():
    state = ghz_state(3, 0.4)
    whole = certify_all_projective(state, directions=6, seed=1)
    hopeless = certify_all_projective(state, directions=6, search=ProofSearch(goal=1.0), seed=1)
    assert whole.visibility > 0.75
    assert hopeless.visibility > 0.7
    assert hopeless.verify(state)


@pytest.mark.parametrize("calls", [1, 5, 25])
def test_calls_of_the_oracle_are_a_budget(monkeypatch, calls):
    counter = counted(monkeypatch)
    steps, first = steps_and_certificate(counter, max_calls=calls)
    assert steps <= calls
    assert first.visibility > 0.3
    assert first.verify(werner_state(1))
    assert steps_and_certificate(counter, max_calls=calls)[1] == first


def test_workers_find_the_same_certificate_whatever_their_number():
    search = ProofSearch(max_calls=60)
    found = []
    for number in (1, 2):
        with ThreadPoolExecutor(number) as pool:
            found.append(certify_all_projective(werner_state(1), directions=21, search=search, seed=2, executor=pool))
    assert found[0] == found[1]
    alone = certify_all_projective(werner_state(1), directions=21, search=search, seed=2)
    assert found[0].visibility == pytest.approx(alone.visibility, abs=1e-3)
    assert found[0].verify(werner_state(1))
