import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from qiskit_lhv import Behavior, BellScenario
from qiskit_lhv.exceptions import CountsError, ScenarioError
from qiskit_lhv.models import ResponseModel, TableResponse

SCENARIO = BellScenario((2, 1), (2, 3))


def random_model(seed, scenario=SCENARIO, count=4, weighted=True, scale=2.0):
    rng = np.random.default_rng(seed)
    logits = [
        scale * rng.normal(size=(count, m, d))
        for m, d in zip(scenario.num_settings, scenario.max_outcomes, strict=True)
    ]
    weights = rng.dirichlet(np.ones(count)) if weighted else None
    return ResponseModel(tuple(logits), TableResponse(scenario), weights)


def softmax(row):
    exponentials = [np.exp(value) for value in row]
    return [value / sum(exponentials) for value in exponentials]


def looped_behavior(model):
    """Average of products of softmax responses, by plain loops."""
    scenario = model.scenario
    n = scenario.num_parties
    table = np.zeros(scenario.shape)
    for cell in np.ndindex(*scenario.shape):
        for h, weight in enumerate(model.weights):
            product = weight
            for k in range(n):
                product *= softmax(model.hidden_variables[k][h, cell[k]])[cell[n + k]]
            table[cell] += product
    return table


@pytest.mark.parametrize("scenario", [SCENARIO, BellScenario((2, 2, 1), (2, 3, 2)), BellScenario((3,), (4,))])
@pytest.mark.parametrize("weighted", [True, False])
def test_behavior_agrees_with_a_loop(scenario, weighted):
    model = random_model(1, scenario, weighted=weighted)
    np.testing.assert_allclose(model.behavior().array, looped_behavior(model), atol=1e-15)


def test_behavior_of_a_hand_made_model():
    # Party 0 copies its setting with odds 3 : 1; party 1's outcome follows the hidden variable.
    three, sure = np.log(3), 1000.0
    first = np.array([[[three, 0], [0, three]]] * 2)
    second = np.array([[[sure, 0, 0]], [[0, 0, sure]]])
    model = ResponseModel((first, second), TableResponse(SCENARIO), [0.2, 0.8])
    np.testing.assert_allclose(model.behavior().array[0, 0], [[0.15, 0, 0.6], [0.05, 0, 0.2]], atol=1e-15)
    np.testing.assert_allclose(model.behavior().array[1, 0], [[0.05, 0, 0.2], [0.15, 0, 0.6]], atol=1e-15)


@settings(max_examples=25, deadline=None, database=None)
@given(arrays(np.float64, (3, 2, 3), elements=st.floats(-700, 700, allow_subnormal=False)))
def test_responses_are_probabilities_for_all_logits(logits):
    response = TableResponse(BellScenario((2,), (3,))).probabilities(0, logits, [0, 1])
    assert response.min() >= 0
    np.testing.assert_allclose(response.sum(axis=2), 1, atol=1e-14)
    shifted = TableResponse(BellScenario((2,), (3,))).probabilities(0, logits + 5.0, [0, 1])
    np.testing.assert_allclose(shifted, response, rtol=1e-9, atol=1e-300)


def test_default_weights_are_equal():
    model = random_model(2, weighted=False)
    assert model.weights.tolist() == [0.25] * 4
    assert model.num_hidden == 4


def test_chosen_settings_are_kept():
    model = random_model(3)
    one = model.behavior(settings=[1, None])
    assert one.scenario == BellScenario((1, 1), (2, 3))
    np.testing.assert_allclose(one.array[0], looped_behavior(model)[1], atol=1e-15)
    assert model.behavior(settings=[None, 0]) == model.behavior()


@pytest.mark.parametrize("settings", [[2, 0], [0, -1], [0], [0, 0, 0]])
def test_settings_out_of_range_are_refused(settings):
    with pytest.raises(ScenarioError, match=r"^settings: expected None or numbers below \(2, 1\)"):
        random_model(1).behavior(settings)


# Verification


@pytest.mark.parametrize("scenario", [SCENARIO, BellScenario((2, 2, 1), (2, 3, 2))])
def test_verify_passes_for_the_behavior_of_the_model(scenario):
    model = random_model(4, scenario)
    verification = model.verify(Behavior(looped_behavior(model)), atol=1e-13)
    assert verification
    assert verification.deviation < 1e-14
    assert "4 hidden variables reproduce the target" in verification.reason


def test_verify_measures_the_deviation():
    model = random_model(5)
    target = looped_behavior(model)
    target[1, 0, 0, 2] += 0.01
    target[1, 0, 1, 0] -= 0.01
    verification = model.verify(Behavior(target))
    assert not verification
    assert verification.deviation == pytest.approx(0.01, rel=1e-9)
    assert "but not within 0.001" in verification.reason
    assert model.verify(Behavior(target), atol=0.011)


def test_verify_fails_for_tampered_weights_and_hidden_variables():
    model = random_model(6)
    target = model.behavior()
    weights = model.weights[[1, 0, 2, 3]]
    assert not ResponseModel(model.hidden_variables, model.response, weights).verify(target)
    first = np.array(model.hidden_variables[0])
    first[0, 1] = first[0, 1, ::-1]
    assert not ResponseModel((first, model.hidden_variables[1]), model.response, model.weights).verify(target)
    assert model.verify(target)


def test_verify_stands_extreme_logits():
    first = np.array([[[2000.0, -2000.0], [-2000.0, 2000.0]]])
    second = np.array([[[0.0, 3000.0, 0.0]]])
    model = ResponseModel((first, second), TableResponse(SCENARIO))
    expected = np.zeros((2, 1, 2, 3))
    expected[0, 0, 0, 1] = expected[1, 0, 1, 1] = 1
    np.testing.assert_allclose(model.behavior().array, expected, atol=1e-15)
    assert model.verify(Behavior(expected), atol=1e-15)


def test_verify_without_a_target_tells_what_the_model_is():
    assert random_model(1).verify().reason == "an average over 4 products of response functions"


def test_verify_fails_for_targets_of_another_scenario():
    verification = random_model(1).verify(Behavior.white_noise(BellScenario((2, 1), (2, 2))))
    assert not verification
    assert verification.deviation == np.inf


# Samples


def test_samples_follow_the_behavior():
    model = random_model(7, BellScenario((2, 2), (2, 3)), scale=0.7)
    counts = model.sample(20_000, seed=1)
    expected = 20_000 * looped_behavior(model)
    statistic = float(np.sum((counts.array - expected) ** 2 / expected))
    degrees = 4 * (6 - 1)
    assert abs(statistic - degrees) < 5 * np.sqrt(2 * degrees)
    assert counts.num_shots.tolist() == [[20_000] * 2] * 2


def test_samples_depend_on_the_seed_alone():
    model = random_model(8)
    assert model.sample(300, seed=4) == model.sample(300, seed=4)
    assert model.sample(300, seed=4) != model.sample(300, seed=5)
    assert model.sample([[3], [9]], seed=1).num_shots.tolist() == [[3], [9]]


@pytest.mark.parametrize("shots", [0, 1.5, [[10, 10]], [[10], [-1]]])
def test_bad_shots_are_refused(shots):
    with pytest.raises(CountsError, match=r"^shots: expected a positive whole number"):
        random_model(1).sample(shots, seed=1)


# Validation


@pytest.mark.parametrize(
    ("arrays_of", "words"),
    [
        ([(4, 2, 2)], "with (m, d) in [(2, 2), (1, 3)]"),
        ([(4, 1, 3), (4, 2, 2)], "got shapes [(4, 1, 3), (4, 2, 2)]"),
        ([(4, 2, 2), (5, 1, 3)], "got shapes [(4, 2, 2), (5, 1, 3)]"),
        ([(4, 2, 2), (4, 1, 3), (4, 1, 3)], "for each party an array of shape (H, m, d)"),
        ([(4, 4), (4, 3)], "an array with 3 axes"),
        ([(0, 2, 2), (0, 1, 3)], "at least one"),
    ],
)
def test_hidden_variables_must_fit_the_scenario(arrays_of, words):
    with pytest.raises(ScenarioError, match=r"^hidden_variables: expected") as caught:
        ResponseModel(tuple(np.zeros(shape) for shape in arrays_of), TableResponse(SCENARIO))
    assert words in str(caught.value)


def test_hidden_variables_must_be_finite():
    with pytest.raises(ScenarioError, match=r"^hidden_variables: expected finite numbers"):
        ResponseModel((np.full((1, 2, 2), np.nan), np.zeros((1, 1, 3))), TableResponse(SCENARIO))


@pytest.mark.parametrize("weights", [[0.5, 0.5], [0.25, 0.25, 0.25, 0.2], [1.5, -0.5, 0, 0], np.full((4, 1), 0.25)])
def test_weights_must_be_probabilities(weights):
    with pytest.raises(ScenarioError, match=r"^weights: expected"):
        ResponseModel(random_model(1).hidden_variables, TableResponse(SCENARIO), weights)


def test_arrays_are_read_only():
    model = random_model(1)
    for array in (*model.hidden_variables, model.weights):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0


def test_repr_tells_the_size_of_the_ensemble():
    assert repr(random_model(1)).startswith("ResponseModel(4 hidden variables")
