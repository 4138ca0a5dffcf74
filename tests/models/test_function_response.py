import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from qiskit_lhv import CorrelationTensor, find_local_model, werner_state
from qiskit_lhv.exceptions import CertificateError, ScenarioError, SolverError
from qiskit_lhv.measurements import AllProjective
from qiskit_lhv.models import DirectionResponse, FunctionResponse, ResponseModel, SphericalHarmonics
from qiskit_lhv.optimize import evaluate_model
from qiskit_lhv.optimize.direction_problem import DirectionProblem, continuous_loss

from helpers import grouped

QUICK = {"num_hidden": 512, "num_steps": 200, "num_settings": 256, "seed": 1, "progress": False}
SETTINGS = [["X", (0.6, 0, 0.8)], ["Y", "-Z"]]


def bell(directions, hidden_variables):
    return (1 + jnp.tanh(hidden_variables @ directions.T)) / 2


def steeper(factor):
    def response(directions, hidden_variables):
        return (1 + jnp.tanh(factor * hidden_variables @ directions.T)) / 2

    return response


def bell_and_harmonics(seed=0, count=30):
    """Twice the same model: by the function, and by harmonics of degree 1, which are y, z and x times a factor."""
    vectors = [3 * np.random.default_rng([seed, k]).normal(size=(count, 3)) for k in range(2)]
    scaled = tuple(v[:, [1, 2, 0]] / np.sqrt(3 / (4 * np.pi)) for v in vectors)
    response = DirectionResponse(SphericalHarmonics(1), 2)
    return ResponseModel(tuple(vectors), FunctionResponse(bell, 3, 2)), ResponseModel(scaled, response)


def test_bell_s_function_is_the_harmonics_of_degree_one():
    own, harmonics = bell_and_harmonics()
    np.testing.assert_allclose(own.behavior(SETTINGS).array, harmonics.behavior(SETTINGS).array, atol=1e-14)
    tensor = CorrelationTensor.from_state(werner_state(0.7))
    first, second = (evaluate_model(model, tensor, num_settings=200) for model in (own, harmonics))
    assert first.kl_divergence == pytest.approx(second.kl_divergence, rel=1e-10)
    assert own.verify(tensor).deviation == pytest.approx(harmonics.verify(tensor).deviation, abs=1e-12)


def test_searches_with_both_minimize_the_same_loss():
    losses, slopes = [], []
    for model in bell_and_harmonics():
        tensor = CorrelationTensor.from_state(werner_state(0.7))
        problem = DirectionProblem((tensor,), (AllProjective(),) * 2, model.response, 64, "lattice")
        batch = jax.tree.map(lambda array: array[0], problem.batches(3)(5, 1))
        parameters = [jnp.asarray(hidden.T[None, None], jnp.float32) for hidden in model.hidden_variables]
        loss = continuous_loss(model.response, "kl", False)
        value, slope = jax.jit(jax.value_and_grad(lambda p, loss=loss, batch=batch: loss(p, batch)[0, 0]))(parameters)
        losses.append(float(value))
        slopes.append(np.asarray(slope[0][0, 0]).T)
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)
    # The chain rule of the factor between them.
    np.testing.assert_allclose(slopes[0][:, [1, 2, 0]] * np.sqrt(3 / (4 * np.pi)), slopes[1], rtol=1e-2, atol=1e-6)


def test_outcomes_are_complementary_and_settings_are_taken_one_by_one():
    model, _ = bell_and_harmonics()
    directions = AllProjective().draw(np.random.default_rng(0), 4)
    table = model.response.probabilities(0, model.hidden_variables[0], directions)
    single = model.response.outcome_probability(0, model.hidden_variables[0], directions)
    assert table.shape == (30, 4, 2)
    for x, a in np.ndindex(4, 2):
        np.testing.assert_allclose(table[:, x, a], single(x, a), atol=1e-14)


def test_search_finds_a_local_model_and_says_so():
    result = find_local_model(werner_state(0.3), **grouped(response=FunctionResponse(bell, 3, 2), **QUICK))
    assert result.loss < 1e-4
    assert result.loss < result.history[0] / 100
    assert result.model.verify(CorrelationTensor.from_state(werner_state(0.3)), atol=0.02)
    assert result == find_local_model(werner_state(0.3), **grouped(response=FunctionResponse(bell, 3, 2), **QUICK))


def test_hidden_variables_may_have_any_number_of_components():
    def with_offset(directions, hidden_variables):
        # A direction and a steepness of its own for each hidden variable.
        strength = jnp.exp(hidden_variables[:, 3:])
        return jax.nn.sigmoid(strength * (hidden_variables[:, :3] @ directions.T))

    result = find_local_model(werner_state(0.3), **grouped(response=FunctionResponse(with_offset, 4, 2), **QUICK))
    assert result.model.hidden_variables[0].shape == (512, 4)
    assert result.loss < 1e-3


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (lambda n, h: bell(n, h) * jnp.nan, "expected finite numbers, got NaN or infinity in the probabilities"),
        (lambda n, h: bell(n, h) / 0, "expected finite numbers, got NaN or infinity in the probabilities"),
        (lambda n, h: bell(n, h).T, r"expected shape \(H, m\), got shape \(6, 10\) for H = 10 and m = 6"),
        (lambda n, h: 0.5, r"expected shape \(H, m\), got shape \(\)"),
        (lambda n, h: bell(n, h)[..., None], r"expected shape \(H, m\), got shape \(10, 6, 1\)"),
        (lambda n, h: (1 + jnp.tanh((h @ n.T) ** 2)) / 2, r"expected p\(-n\) = 1 - p\(n\), got a sum"),
        (lambda n, h: bell(n, h) * 0.999, r"expected p\(-n\) = 1 - p\(n\), got .* misses 1 by up to 0.001"),
        (lambda n, h: (1 + np.tanh(np.asarray(h) @ np.asarray(n).T)) / 2, "expected a function that JAX can trace"),
        (lambda n, h: bell(n, h) if h[0, 0] > 0 else bell(n, -h), "expected a function that JAX can trace"),
        (lambda n, h: 1 / 0, "JAX can trace and differentiate, got ZeroDivisionError"),
        (lambda n: n, "JAX can trace and differentiate, got TypeError"),
        (lambda n, h: h @ n.T > 0, "JAX can trace and differentiate, got TypeError"),
        (lambda n, h: 0.5 + jnp.sqrt(jnp.abs(0 * (h @ n.T))), "NaN or infinity in the gradient"),
        (lambda n, h: 0.5 + jnp.tanh(h @ n.T), "expected probabilities, got numbers from"),
        ("tanh", "expected a function, got 'tanh'"),
    ],
)
def test_functions_that_cannot_be_used_are_refused(function, words):
    with pytest.raises(ScenarioError, match=rf"^function: .*{words}"):
        FunctionResponse(function, 3, 2)


@pytest.mark.parametrize("number", [0, -1, 1.5, True, "3", None])
def test_numbers_that_are_none_are_refused(number):
    for name in ("num_variables", "num_parties"):
        with pytest.raises(ScenarioError, match=rf"^{name}: expected a whole number of at least 1"):
            FunctionResponse(bell, **{"num_variables": 3, "num_parties": 2, name: number})


def test_too_few_variables_are_noticed():
    with pytest.raises(ScenarioError, match=r"^function: .*dot_general"):
        FunctionResponse(bell, 2, 2)


def breaks_beyond_three(directions, hidden_variables):
    beyond = jnp.abs(hidden_variables).max(axis=1, keepdims=True) > 3
    return jnp.where(beyond, jnp.nan, bell(directions, hidden_variables))


def test_nan_that_only_a_search_meets_is_an_error():
    response = FunctionResponse(breaks_beyond_three, 3, 2)
    with pytest.raises(SolverError, match="check the response function"):
        find_local_model(werner_state(0.3), **grouped(response=response, **QUICK))
    model = ResponseModel((np.full((1, 3), 4.0),) * 2, response)
    with pytest.raises(ScenarioError, match=r"^function: expected finite numbers"):
        model.behavior(SETTINGS)


def test_model_needs_hidden_variables_of_that_size():
    with pytest.raises(ScenarioError, match=r"^hidden_variables: expected .*\(H, F\)"):
        ResponseModel((np.zeros((5, 4)),) * 2, FunctionResponse(bell, 3, 2))


def test_equal_functions_make_equal_responses():
    assert FunctionResponse(bell, 3, 2) == FunctionResponse(bell, 3, 2)
    assert FunctionResponse(bell, 3, 2) != FunctionResponse(steeper(2), 3, 2)
    assert FunctionResponse(bell, 3, 2) != FunctionResponse(bell, 3, 1)
    assert FunctionResponse(bell, 3, 2).describe() == "2 qubits"


@pytest.mark.parametrize("name", ["model.json", "model.npz"])
def test_model_with_a_function_cannot_be_saved(tmp_path, name):
    with pytest.raises(CertificateError, match=r"cannot save a function.*hidden_variables"):
        bell_and_harmonics()[0].save(tmp_path / name)
    assert not list(tmp_path.iterdir())


# Checkpoints


def test_interrupted_search_goes_on_with_the_same_function(tmp_path):
    options = {**QUICK, "response": FunctionResponse(bell, 3, 2)}
    part = find_local_model(werner_state(0.3), **grouped(checkpoint=tmp_path / "run.npz", time_limit=1e-9, **options))
    assert len(part.history) == 100
    assert find_local_model(
        werner_state(0.3), **grouped(checkpoint=tmp_path / "run.npz", **options)
    ) == find_local_model(werner_state(0.3), **grouped(**options))


def other(directions, hidden_variables):
    return (1 + jnp.tanh(hidden_variables @ directions.T / 2)) / 2


def test_checkpoint_of_another_function_is_refused(tmp_path):
    options = {**QUICK, "checkpoint": tmp_path / "run.npz"}
    find_local_model(werner_state(0.3), **grouped(response=FunctionResponse(bell, 3, 2), time_limit=1e-9, **options))
    with pytest.raises(CertificateError, match="this very run"):
        find_local_model(werner_state(0.3), **grouped(response=FunctionResponse(other, 3, 2), **options))


class Steep:
    def __init__(self, factor):
        self.factor = factor

    def respond(self, directions, hidden_variables):
        return (1 + jnp.tanh(self.factor * hidden_variables @ directions.T)) / 2


def recursive(depth):
    def again(x, left):
        return x if left == 0 else again(jnp.tanh(x), left - 1)

    return lambda directions, hidden_variables: (1 + again(hidden_variables @ directions.T, depth)) / 2


def scaled(factor, directions, hidden_variables):
    return steeper(factor)(directions, hidden_variables)


def scaled_twice(first, second, directions, hidden_variables):
    return steeper(first * second)(directions, hidden_variables)


def product_of(first, second):
    def number(value):
        return value.factor if isinstance(value, Steep) else sum(value) if isinstance(value, set) else value

    return lambda directions, hidden_variables: steeper(number(first) * number(second))(directions, hidden_variables)


PAIRS = {
    "functions": lambda: (bell, other),
    "closures": lambda: tuple(map(steeper, (1, 5))),
    "partial": lambda: tuple(functools.partial(scaled, factor) for factor in (1, 5)),
    "compiled": lambda: tuple(jax.jit(steeper(factor)) for factor in (1, 5)),
    "methods": lambda: tuple(Steep(factor).respond for factor in (1, 5)),
    "recursive": lambda: (recursive(2), recursive(3)),
    "neighbors": lambda: (functools.partial(scaled_twice, 1, 23), functools.partial(scaled_twice, 12, 3)),
    "objects": lambda: (product_of(Steep(1.5), Steep(2.5)), product_of(Steep(1.5), Steep(3.5))),
    "sets": lambda: (product_of({1}, {2}), product_of({1}, {3})),
}
CONFUSED = {
    "neighbors": "nothing separates the values that are digested: 1 and 23 are 12 and 3",
    "objects": "tuples made for the digest are freed, and others with their ids are taken for seen",
    "sets": "the elements of sets are left out",
}


@pytest.mark.parametrize(
    "name",
    [
        *(name for name in PAIRS if name not in CONFUSED),
        *CONFUSED,
    ],
)
def test_checkpoints_tell_functions_apart(name):
    first, second = (FunctionResponse(function, 3, 2).identity() for function in PAIRS[name]())
    assert first != second
    # Made anew, as the next session would.
    assert first == FunctionResponse(PAIRS[name]()[0], 3, 2).identity()
