import numpy as np
import pytest
from qiskit_lhv import CorrelationTensor, measurement, werner_state
from qiskit_lhv.exceptions import MeasurementError, ScenarioError
from qiskit_lhv.models import DirectionResponse, PlanarHarmonics, ResponseModel, SphericalHarmonics


def random_model(num_parties=2, num_hidden=7, degree=3, seed=0):
    response = DirectionResponse(SphericalHarmonics(degree), num_parties)
    rng = np.random.default_rng(seed)
    hidden = tuple(rng.normal(size=(num_hidden, response.features.size)) for _ in range(num_parties))
    return ResponseModel(hidden, response, rng.dirichlet(np.ones(num_hidden)))


def unit(vector):
    return np.array(vector) / np.linalg.norm(vector)


def test_behavior_is_the_average_of_products():
    model = random_model(3)
    last = [unit([-1, 1, 0]), unit([2, 1, 0]), unit([0, 0, 1])]
    settings = [[unit([1, 2, 3]), unit([0, 1, -1])], [unit([1, 0, 1])], last]
    behavior = model.behavior(settings)
    for x in np.ndindex(2, 1, 3):
        for a in np.ndindex(2, 2, 2):
            total = 0.0
            for h, weight in enumerate(model.weights):
                product = weight
                for k in range(3):
                    f = model.response.features.evaluate(settings[k][x[k]][None])[0]
                    product *= 1 / (1 + np.exp(-2 * (1 - 2 * a[k]) * (f @ model.hidden_variables[k][h])))
                total += product
            assert behavior.array[x + a] == pytest.approx(total, abs=1e-14)


def test_opposite_directions_swap_outcomes():
    model = random_model()
    n, m = unit([1, 2, -1]), unit([0, 1, 3])
    forward, backward = model.behavior([[n], [m]]).array, model.behavior([[-n], [m]]).array
    np.testing.assert_allclose(forward[0, 0], backward[0, 0, ::-1], atol=1e-15)


def test_labels_and_their_negatives_are_directions():
    model = random_model()
    np.testing.assert_allclose(
        model.behavior([["X", "-Z"], ["Y"]]).array,
        model.behavior([[(1, 0, 0), (0, 0, -1)], [(0, 1, 0)]]).array,
        atol=1e-15,
    )


def test_permuting_parties_commutes():
    model = random_model(3)
    swapped = ResponseModel(model.hidden_variables[::-1], model.response, model.weights)
    settings = [["X", "Y"], ["Z"], [unit([1, 1, 0])]]
    direct, reverse = model.behavior(settings).array, swapped.behavior(settings[::-1]).array
    np.testing.assert_allclose(direct, reverse.transpose(2, 1, 0, 5, 4, 3), atol=1e-15)


def test_rotating_directions_and_model_together_changes_nothing():
    # Degree 1: the hidden variables are vectors (in the order y, z, x) that rotate with the directions.
    model = random_model(degree=1)
    rotation, _ = np.linalg.qr(np.random.default_rng(1).normal(size=(3, 3)))
    rotation *= np.linalg.det(rotation)
    turned = []
    for hidden in model.hidden_variables:
        vectors = hidden[:, [2, 0, 1]] @ rotation.T
        turned.append(vectors[:, [1, 2, 0]])
    rotated = ResponseModel(tuple(turned), model.response, model.weights)
    directions = [unit([1, 2, 3]), unit([-1, 0, 2])]
    before = model.behavior([directions, directions]).array
    after = rotated.behavior([[rotation @ n for n in directions]] * 2).array
    np.testing.assert_allclose(before, after, atol=1e-14)


def test_verify_compares_with_a_tensor():
    # A model without any correlation is white noise.
    response = DirectionResponse(SphericalHarmonics(1), 2)
    noise = ResponseModel((np.zeros((3, 3)),) * 2, response)
    assert noise.verify(CorrelationTensor.from_state(werner_state(0)), atol=1e-12)
    refused = noise.verify(CorrelationTensor.from_state(werner_state(0.5)), atol=0.01)
    assert not refused
    assert 0.05 < refused.deviation <= 0.125


def test_verify_recomputes_by_another_path():
    model = random_model(2, num_hidden=50)
    singlet = CorrelationTensor.from_state(werner_state(1))
    rng = np.random.default_rng(0)
    directions = []
    for _ in range(2):
        vectors = rng.normal(size=(16, 3))
        directions.append(list(vectors / np.linalg.norm(vectors, axis=1, keepdims=True)))
    expected = np.abs(model.behavior(directions).array - singlet.behavior(directions).array).max()
    assert model.verify(singlet).deviation == pytest.approx(expected, abs=1e-12)


def test_planar_model_is_checked_in_its_plane():
    response = DirectionResponse(PlanarHarmonics(1, [[1, 0, 0], [0, 1, 0]]), 1)
    model = ResponseModel((np.zeros((1, 2)),), response)
    # A state along z looks like noise in the plane of x and y.
    assert model.verify(CorrelationTensor([1, 0, 0, 1]), atol=1e-12)
    assert not model.verify(CorrelationTensor([1, 0.5, 0, 0]), atol=0.1)


def test_save_and_load(tmp_path):
    model = random_model()
    for name in ("model.json", "model.npz"):
        model.save(tmp_path / name)
        assert ResponseModel.load(tmp_path / name) == model


def test_bad_input():
    model = random_model()
    with pytest.raises(ScenarioError, match=r"^settings: .*None"):
        model.behavior()
    with pytest.raises(MeasurementError, match="dimension"):
        model.behavior([[measurement("XX")], ["Z"]])
    povm = measurement([np.eye(2) * 0.5, np.eye(2) * 0.5])
    with pytest.raises(ScenarioError, match=r"projective measurements of one qubit"):
        model.behavior([[povm], ["Z"]])
    with pytest.raises(ScenarioError, match=r"\(H, F\)"):
        ResponseModel((np.zeros((2, 4)),) * 2, model.response)
    with pytest.raises(ScenarioError, match="num_parties"):
        DirectionResponse(SphericalHarmonics(1), 0)
    with pytest.raises(ScenarioError, match="features"):
        DirectionResponse("harmonics", 2)
    assert not model.verify(CorrelationTensor.from_state(werner_state(0), [0]))
