import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from qiskit_lhv.optimize import ensemble_products
from qiskit_lhv.optimize.ensemble_products import sum_of_products


def plain(rows):
    """The same sums as one broadcast product, which JAX differentiates."""
    result = rows[0]
    for row in rows[1:]:
        result = (result[:, None, :] * row[None, :, :]).reshape(-1, result.shape[-1])
    half = (len(rows) + 1) // 2
    return result.sum(axis=1).reshape(math.prod(len(row) for row in rows[:half]), -1)


def check(rows):
    weights = jnp.asarray(np.random.default_rng(1).normal(size=plain(rows).shape))
    for function in (lambda f: f, jax.jit):
        np.testing.assert_allclose(function(sum_of_products)(rows), plain(rows), rtol=1e-10, atol=1e-10)
        found = function(jax.grad(lambda rows: jnp.sum(weights * jnp.tanh(sum_of_products(rows)))))(rows)
        expected = jax.grad(lambda rows: jnp.sum(weights * jnp.tanh(plain(rows))))(rows)
        for one, other in zip(found, expected, strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(
    ("lengths", "num_hidden"),
    [((2, 3), 7), ((2, 3, 4), 1), ((2, 3, 4, 3), 7), ((2, 1, 2, 3, 2), 1)],
)
def test_sums_and_gradients_are_those_of_the_plain_product(lengths, num_hidden):
    rng = np.random.default_rng(0)
    with jax.enable_x64(True):
        check([jnp.asarray(rng.normal(size=(length, num_hidden))) for length in lengths])


@pytest.mark.slow
def test_blocks_may_be_incomplete(monkeypatch):
    monkeypatch.setattr(ensemble_products, "_BLOCK", 4)
    rng = np.random.default_rng(0)
    with jax.enable_x64(True):
        check([jnp.asarray(rng.normal(size=(length, 9))) for length in (2, 3, 2)])


@pytest.mark.slow
def test_long_lists_of_directions(monkeypatch):
    monkeypatch.setattr(ensemble_products, "_WRITTEN_OUT", 2)
    rng = np.random.default_rng(0)
    with jax.enable_x64(True):
        check([jnp.asarray(rng.normal(size=(length, 5))) for length in (2, 4, 3)])


@pytest.mark.slow
def test_many_runs_at_once():
    rng = np.random.default_rng(0)
    with jax.enable_x64(True):
        rows = [jnp.asarray(rng.normal(size=(3, length, 300))) for length in (2, 3, 2)]
        many = jax.vmap(jax.grad(lambda rows: jnp.sum(sum_of_products(rows) ** 2)))(rows)
        for i in range(3):
            one = jax.grad(lambda rows: jnp.sum(plain(rows) ** 2))([row[i] for row in rows])
            for found, expected in zip(many, one, strict=True):
                np.testing.assert_allclose(found[i], expected, rtol=1e-9, atol=1e-9)
