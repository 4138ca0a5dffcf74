import itertools
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from qiskit_lhv import Behavior, BellScenario, find_local_model, ghz_state
from qiskit_lhv.exceptions import CertificateError, LHVError
from qiskit_lhv.models import DeterministicModel
from qiskit_lhv.optimize import GradientDescent, LocalModelResult, SearchStatus, TermSampling
from qiskit_lhv.optimize.term_problem import held_out_terms, products_of_means, term_batches, term_data, term_loss
from qiskit_lhv.targets import TermValues, random_terms

SCENARIO = BellScenario([2] * 20, 2)


def known_model(n=20, count=3):
    rng = np.random.default_rng(1)
    return DeterministicModel(rng.dirichlet(np.full(count, 5.0)), rng.integers(2, size=(count, 2 * n)), SCENARIO)


def known_terms(num_terms=400, shots=None):
    model = known_model()
    rows = random_terms(SCENARIO, num_terms, [1, 2, 3, 20], seed=2)
    values = model.term_values(rows)
    if shots is not None:
        values = 2 * np.random.default_rng(3).binomial(shots, (1 + values) / 2) / shots - 1
    return TermValues(SCENARIO, rows, values, None, shots, shots is not None)


def search(target, **options):
    given = {"num_hidden": 32, "seed": 1, "progress": False, "optimizer": GradientDescent(num_steps=800)}
    return find_local_model(target, **given | options)


def test_products_have_their_values_and_gradients_where_means_vanish():
    rng = np.random.default_rng(4)
    columns = (rng.random((6, 8)) < 0.5).astype(np.float32)
    means = rng.uniform(-1, 1, (8, 5)).astype(np.float32)
    means[2, 1] = means[3, 1] = means[5, 2] = 0
    weights = rng.standard_normal((6, 5)).astype(np.float32)

    def plain(means):
        return jnp.sum(weights * jnp.prod(jnp.where(columns[:, :, None] == 1, means, 1.0), axis=1))

    expected, slope = jax.jit(jax.value_and_grad(plain))(means)
    found, own = jax.jit(jax.value_and_grad(lambda means: jnp.sum(weights * products_of_means(columns, means))))(means)
    assert float(found) == pytest.approx(float(expected), abs=1e-6)
    assert np.allclose(own, slope, atol=1e-5)


def test_products_of_fifty_parties_are_accurate_in_single_precision():
    rng = np.random.default_rng(5)
    means = rng.uniform(-1, 1, (50, 40)).astype(np.float32)
    columns = np.ones((1, 50), dtype=np.float32)
    exact = np.prod(means.astype(np.float64), axis=0)
    assert np.allclose(jax.jit(products_of_means)(columns, means)[0], exact, rtol=1e-4, atol=1e-30)


@pytest.mark.parametrize("name", ["kl", "l2"])
@pytest.mark.parametrize("kind", ["exact", "shots", "errors"])
def test_the_loss_is_that_of_the_two_outcomes(name, kind):
    terms = known_terms(30, shots=50 if kind == "shots" else None)
    if kind == "errors":
        terms = replace(terms, standard_errors=np.linspace(0.1, 0.2, 30))
    rng = np.random.default_rng(6)
    responses, log_weights = rng.standard_normal((40, 7)), rng.standard_normal(7)
    weights = np.exp(log_weights) / np.exp(log_weights).sum()
    columns = [[2 * k + x for k, x in enumerate(row) if x >= 0] for row in terms.rows]
    found = np.array([(weights * np.tanh(responses[own]).prod(axis=0)).sum() for own in columns])
    p, q = (np.stack([1 + values, 1 - values]) / 2 for values in (terms.values, found))
    each = {"kl": np.where(p > 0, p * np.log(np.where(p > 0, p / q, 1)), 0), "l2": (p - q) ** 2}[name].sum(axis=0)
    if kind == "errors" and name == "kl":
        each = ((terms.values - found) / terms.standard_errors) ** 2 / 2
    parameters = {"responses": responses.T[None, None], "log_weights": log_weights[None, None]}
    parameters = {key: value.astype(np.float32) for key, value in parameters.items()}
    loss = jax.jit(term_loss(name))(parameters, term_data(terms))
    assert loss.shape == (1, 1)
    assert float(loss[0, 0]) == pytest.approx(each.mean(), rel=1e-4)


def test_a_certain_model_that_is_wrong_has_a_finite_loss_and_gradient():
    terms = TermValues(SCENARIO, np.zeros((1, 20), dtype=int), [-1.0])
    parameters = {
        "responses": np.full((1, 1, 2, 40), 30.0, np.float32),
        "log_weights": np.zeros((1, 1, 2), np.float32),
    }
    total = jax.jit(jax.value_and_grad(lambda p, data: term_loss("kl")(p, data).sum()))
    value, slope = total(parameters, term_data(terms))
    assert 5 < value < 20
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(slope))


def test_a_known_model_of_many_parties_is_found_with_its_held_out_terms():
    result = search(known_terms())
    fit = result.term_fit
    assert fit.admits_local_model is True
    assert fit.verify()
    assert fit.held_out.sum() == 40
    assert result.loss == fit.loss_trained < 5e-5
    assert fit.loss_held_out < 1e-4
    assert result.model == fit.model


def test_counts_are_reproduced_within_their_errors():
    fit = search(known_terms(shots=300), optimizer=GradientDescent(num_steps=300)).term_fit
    assert fit.admits_local_model is True
    assert fit.verify()
    assert 0.5 < fit.chi_square_held_out / 40 < 2


def test_shots_are_searched_by_their_drawn_terms():
    rows = known_terms().rows
    settings = np.where(rows < 0, 0, rows)
    shots = known_model().sample_shots(settings, 50, drawn_terms=rows, seed=7)
    options = {"terms": TermSampling(held_out=0.0), "optimizer": GradientDescent(num_steps=300)}
    fit = search(shots, **options).term_fit
    assert fit.terms == TermValues.from_shots(shots)
    assert fit.admits_local_model is True


def test_no_model_is_found_where_there_is_none():
    rows = np.array([row for row in itertools.product([0, 1], repeat=5) if sum(row) % 2 == 0])
    pure = TermValues.from_state(ghz_state(5), [["X", "Y"]] * 5, rows)
    # Mermin's sum of 5 parties is violated above a visibility of 1/4.
    options = {"terms": TermSampling(held_out=0.0), "num_hidden": 64}
    local, nonlocal_ = (search(pure.mixed_with_noise(v), **options).term_fit for v in (0.24, 0.35))
    assert local.admits_local_model is True
    assert local.loss_held_out is None
    assert nonlocal_.admits_local_model is None
    assert nonlocal_.loss > 1e-3
    assert nonlocal_.verify().refuted


def test_stopped_search_of_drawn_batches_goes_on_bit_for_bit(tmp_path):
    options = {"optimizer": GradientDescent(num_steps=300, start=2), "terms": TermSampling(batch_size=100)}
    whole = search(known_terms(), **options)
    assert len(whole.start_losses) == 2
    options["checkpoint"] = tmp_path / "run.npz"
    assert search(known_terms(), time_limit=1e-9, **options).status == SearchStatus.OUT_OF_TIME
    assert search(known_terms(), **options) == whole
    with pytest.raises(CertificateError):
        search(known_terms(399), **options)
    whole.save(tmp_path / "result.npz")
    assert LocalModelResult.load(tmp_path / "result.npz") == whole


def test_a_search_goes_on_from_a_model():
    first = search(known_terms())
    again = search(known_terms(), optimizer=GradientDescent(num_steps=200, start=first.model, learning_rate=0.01))
    assert again.history[0] < 10 * first.history[-1] + 1e-6
    assert again.loss < 2 * first.loss


def test_batches_are_drawn_by_shots():
    terms = TermValues(SCENARIO, known_terms(3).rows, [0.0, 0.0, 0.5], None, [2, 2, 400])
    batch = term_batches(terms, 500, seed=8)(0, 3)
    assert batch["target"].shape == (3, 1, 500)
    assert (batch["target"] == 0.5).mean() > 0.97
    one = term_batches(terms, 500, seed=8)(2, 1)
    assert np.array_equal(batch["columns"][2], one["columns"][0])


def test_held_out_terms_are_as_many_as_asked_for():
    assert held_out_terms(200, 0.1, 1).sum() == 20
    assert held_out_terms(1, 0.9, 1).sum() == 0
    assert not held_out_terms(5, 0.0, 1).any()


def test_bad_options_are_refused():
    for options in ({"held_out": 1.0}, {"held_out": -0.1}, {"batch_size": 0}):
        with pytest.raises(LHVError):
            TermSampling(**options)
    behavior = Behavior.from_state(ghz_state(2), "chsh")
    with pytest.raises(LHVError, match="terms"):
        find_local_model(behavior, terms=TermSampling())
    with pytest.raises(LHVError, match="measurements"):
        search(known_terms(), measurements="xy")
    with pytest.raises(LHVError, match="terms"):
        search(known_terms(), terms=0.1)
