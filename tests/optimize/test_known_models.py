"""What is known about models of qubits: symmetries, a hidden distribution, and convex optima."""

from itertools import pairwise

import numpy as np
import pytest
from qiskit.quantum_info import Statevector, random_density_matrix
from qiskit_lhv import Behavior, CorrelationTensor, find_local_model, ghz_state, werner_state
from qiskit_lhv.measurements import AllProjective
from qiskit_lhv.models import ResponseModel, SphericalHarmonics
from qiskit_lhv.optimize import evaluate_model
from qiskit_lhv.statistics import fit_local_model
from qiskit_lhv.targets import divergence
from scipy.stats import kstest

from helpers import grouped

QUICK = {"num_hidden": 512, "num_steps": 200, "num_settings": 256, "seed": 1, "progress": False}
HALF = np.sqrt(0.5)
CHSH = [["X", "Z"], [(HALF, 0, HALF), (-HALF, 0, HALF)]]


def random_rotation(seed):
    matrix, _ = np.linalg.qr(np.random.default_rng(seed).normal(size=(3, 3)))
    return matrix * np.linalg.det(matrix)


def rotation_of_features(features, rotation):
    """The matrix D with features(R n) = features(n) D, by least squares on random directions."""
    directions = AllProjective().draw(np.random.default_rng(2), 4 * features.size)
    before, after = features.evaluate(directions), features.evaluate(directions @ rotation.T)
    matrix, *_ = np.linalg.lstsq(before, after, rcond=None)
    np.testing.assert_allclose(before @ matrix, after, atol=1e-12)
    return matrix


@pytest.mark.parametrize("degree", [3, 5])
@pytest.mark.parametrize("seed", [0, 1])
def test_rotations_act_on_harmonics_as_orthogonal_matrices(degree, seed):
    features = SphericalHarmonics(degree)
    first, second = random_rotation(seed), random_rotation(seed + 10)
    matrix = rotation_of_features(features, first)
    np.testing.assert_allclose(matrix.T @ matrix, np.eye(features.size), atol=1e-11)
    # Every degree l keeps to itself, and D(R S) = D(S) D(R), in that order as D acts from the right.
    edges = np.cumsum([0, *(2 * np.arange(1, degree + 1, 2) + 1)])
    for start, end in pairwise(edges):
        outside = np.r_[0:start, end : features.size]
        np.testing.assert_allclose(matrix[start:end, outside], 0, atol=1e-11)
    product = rotation_of_features(features, second) @ matrix
    np.testing.assert_allclose(rotation_of_features(features, first @ second), product, atol=1e-10)


@pytest.mark.parametrize("degree", [3, 5])
def test_rotated_model_of_the_singlet_has_the_same_loss(degree):
    singlet = CorrelationTensor.from_state(werner_state(1))
    model = find_local_model(werner_state(1), **grouped(response=degree, **QUICK)).model
    rotation = random_rotation(4)
    matrix = rotation_of_features(SphericalHarmonics(degree), rotation)
    turned = ResponseModel(tuple(hidden @ matrix for hidden in model.hidden_variables), model.response)
    settings = [AllProjective().draw(np.random.default_rng(k), 12) for k in range(2)]
    losses = [
        divergence(singlet.behavior(directions), one.behavior(directions))
        for one, directions in ((model, settings), (turned, [party @ rotation.T for party in settings]))
    ]
    assert losses[0] > 1e-3
    assert losses[1] == pytest.approx(losses[0], abs=1e-12)
    # Turned by itself alone, the model answers otherwise.
    assert abs(divergence(singlet.behavior(settings), turned.behavior(settings)) - losses[0]) > 1e-9


def test_permuting_parties_of_a_trained_model_and_its_target_commutes():
    state = random_density_matrix((2, 2, 2), seed=3)
    tensor = CorrelationTensor.from_state(state)
    model = find_local_model(state, **grouped(response=3, **QUICK)).model
    settings = [AllProjective().draw(np.random.default_rng(k), k + 2) for k in range(3)]
    before = divergence(tensor.behavior(settings), model.behavior(settings))
    for order in ((1, 0, 2), (2, 0, 1)):
        permuted = ResponseModel(tuple(model.hidden_variables[k] for k in order), model.response)
        moved = [settings[k] for k in order]
        after = divergence(tensor.reduce(order).behavior(moved), permuted.behavior(moved))
        assert after == pytest.approx(before, abs=1e-14)
        assert abs(divergence(tensor.behavior(settings), permuted.behavior(settings)) - before) > 1e-6


@pytest.fixture(scope="module")
def pure_state_search():
    """A model of one qubit in |0>, by Bell's responses.

    Responses become deterministic only as the hidden variables grow without bound, which gradient
    steps do slowly. So the model is widened twice, and settles again.
    """
    state = Statevector([1, 0])
    options = {
        "response": 1,
        "num_hidden": 4096,
        "num_settings": 100,
        "learning_rate": 1.0,
        "seed": 1,
        "progress": False,
    }
    result = find_local_model(state, **grouped(num_steps=1000, **options))
    for factor in (2.0, 1.5):
        wider = ResponseModel((factor * result.model.hidden_variables[0],), result.model.response)
        result = find_local_model(state, **grouped(num_steps=500, start=wider, **options))
    return result


@pytest.mark.slow
def test_pure_qubit_has_a_local_model(pure_state_search):
    assert pure_state_search.loss < 1e-7
    assert pure_state_search.evaluation.max_deviation < 1e-3


@pytest.mark.slow
def test_pure_qubit_s_hidden_directions_have_the_only_density_there_is(pure_state_search):
    # Deterministic responses sign(n.u) with density rho(u) see its odd part alone: the mean is the integral of
    # rho(u) sign(n.u), and the hemispherical transform determines an odd function. The mean n_z asks for the odd part
    # u_z / (2 pi). As rho >= 0, the even part is at least |u_z| / (2 pi), whose integral is 1 already: it is that,
    # and rho = max(u_z, 0) / pi.
    (hidden,) = pure_state_search.model.hidden_variables
    vectors = hidden[:, [2, 0, 1]]
    directions = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    # The ensemble is no independent sample, but more even than one; so these bounds are generous.
    bound = 1.95 / np.sqrt(len(directions))
    assert kstest(directions[:, 2], lambda u: np.clip(u, 0, 1) ** 2).statistic < bound
    azimuth = np.arctan2(directions[:, 1], directions[:, 0])
    assert kstest(azimuth, "uniform", args=(-np.pi, 2 * np.pi)).statistic < bound
    # The density cos / pi is told apart from neighbors such as the uniform one on the half sphere.
    assert kstest(directions[:, 2], "uniform").statistic > 5 * bound


def partially_entangled():
    return Statevector([np.cos(0.4), 0, 0, np.sin(0.4)])


@pytest.mark.parametrize(
    ("state", "settings"),
    [
        (werner_state(1), CHSH),
        (werner_state(0.75), CHSH),
        (partially_entangled(), CHSH),
        (werner_state(0.9), [["X", "Y", "Z"], ["X", (0.6, 0, 0.8)]]),
        (ghz_state(3), "mermin"),
    ],
    ids=["singlet", "Werner", "partially entangled", "unequal lists", "GHZ"],
)
def test_search_on_a_list_reaches_the_convex_optimum(state, settings):
    lists = [["X", "Y"]] * 3 if settings == "mermin" else settings
    exact = fit_local_model(Behavior.from_state(state, settings)).divergence
    result = find_local_model(state, **grouped(measurements=lists, **{**QUICK, "num_steps": 400}))
    drawn = Behavior.from_state(state, settings)
    found = divergence(drawn, result.model.behavior(settings))
    # Features of degree 5 leave every listed direction its own logit.
    assert exact - 1e-9 <= found <= exact + 1e-5
    assert result.loss == pytest.approx(found, abs=5 * result.evaluation.kl_standard_error + 1e-7)


def test_only_listed_directions_matter():
    # For X and Z alone on both sides the Werner state is local at v = 0.75; for all directions it is not.
    lists = [["X", "Z"], ["X", "Z"]]
    tensor = CorrelationTensor.from_state(werner_state(0.75))
    result = find_local_model(werner_state(0.75), **grouped(measurements=lists, **QUICK))
    assert result.loss < 1e-9
    assert result.model.verify(tensor, atol=1e-5, measurements=lists)
    assert not result.model.verify(tensor, atol=0.01)
    assert evaluate_model(result.model, tensor, measurements=lists).kl_divergence < 1e-9
    assert evaluate_model(result.model, tensor).kl_divergence > 0.01


def test_squared_loss_lowers_the_squared_distance():
    found = {}
    for name in ("kl", "l2"):
        options = {**QUICK, "num_steps": 400, "loss": name}
        found[name] = find_local_model(partially_entangled(), **grouped(measurements=CHSH, **options))
    squares = {name: result.evaluation.squared_distance for name, result in found.items()}
    divergences = {name: result.evaluation.kl_divergence for name, result in found.items()}
    assert squares["l2"] < 0.97 * squares["kl"]
    assert divergences["kl"] < 0.97 * divergences["l2"]
    # The result's loss is the divergence, the history what was minimized.
    assert found["l2"].loss == divergences["l2"]
    behavior = Behavior.from_state(partially_entangled(), CHSH)
    change = behavior.array - found["l2"].model.behavior(CHSH).array
    assert found["l2"].history[-1] == pytest.approx(np.sum(change**2) / 4, rel=1e-3)
