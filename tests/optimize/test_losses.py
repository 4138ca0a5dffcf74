import jax
import jax.numpy as jnp
import numpy as np
import pytest
from qiskit_lhv.optimize.losses import LOSSES, kl_divergence, over_runs


def small_pair(size):
    """Two distributions that differ by about ``size``, with the divergence by its quadratic formula."""
    rng = np.random.default_rng(0)
    p = rng.dirichlet(np.ones(16))
    change = rng.normal(size=16) * p
    change -= p * change.sum()
    q = p + size * change
    # KL = sum p (u^2 / 2 - u^3 / 3 + ...) with u = (q - p) / p.
    u = size * change / p
    return p, q, np.sum(p * (u**2 / 2 - u**3 / 3 + u**4 / 4))


@pytest.mark.parametrize("size", [1e-2, 1e-3, 1e-4])
def test_no_cancellation_in_float32(size):
    p, q, expected = small_pair(size)
    ones = jnp.ones(16, jnp.float32)
    value = kl_divergence(jnp.asarray(p, jnp.float32), jnp.asarray(q, jnp.float32), ones)
    naive = np.sum(p.astype(np.float32) * np.log(p.astype(np.float32) / q.astype(np.float32)))
    # Rounding p and q to float32 moves u by 6e-8 / size; the form itself adds nothing.
    assert value == pytest.approx(expected, rel=max(1e-5, 3e-7 / size))
    if size <= 1e-4:
        assert abs(naive - expected) > abs(float(value) - expected)


def test_series_meets_the_logarithm():
    with jax.enable_x64(True):
        one = jnp.ones(1)
        for u in (0.019999, 0.020001, -0.019999, -0.020001, 0.9, -0.9, 1e-9):
            value = float(kl_divergence(one, one * (1 + u), one))
            exact = u - np.log1p(u) if abs(u) > 1e-3 else u**2 / 2 - u**3 / 3
            assert value == pytest.approx(exact, rel=1e-11)


def test_cells_that_never_occur_cost_their_probability():
    with jax.enable_x64(True):
        p, q = jnp.array([0.5, 0.5, 0.0]), jnp.array([0.3, 0.3, 0.4])
        value = float(kl_divergence(p, q, jnp.ones(3)))
        assert value == pytest.approx(np.log(0.5 / 0.3), rel=1e-12)
        gradient = jax.grad(lambda q: kl_divergence(p, q, jnp.ones(3)))(q)
        np.testing.assert_allclose(gradient, [1 - 0.5 / 0.3, 1 - 0.5 / 0.3, 1], rtol=1e-12)


def random_tables(seed, shape=(3, 2, 2, 2)):
    rng = np.random.default_rng(seed)
    return rng.dirichlet(np.ones(4), size=shape[:2]).reshape(shape)


def test_losses_are_the_weighted_sums():
    p, q, shares = random_tables(1), random_tables(2), random_tables(3)[:, :, :1, :1]
    p[0, 0] = [[0.7, 0.3], [0, 0]]
    with np.errstate(divide="ignore", invalid="ignore"):
        divergences = np.where(p > 0, p * np.log(p / q), 0)
    with jax.enable_x64(True):
        assert float(LOSSES["kl"](p, q, shares)) == pytest.approx(np.sum(shares * divergences), rel=1e-12)
        assert float(LOSSES["l2"](p, q, shares)) == pytest.approx(np.sum(shares * (p - q) ** 2), rel=1e-12)


@pytest.mark.parametrize("name", LOSSES)
def test_equal_tables_have_loss_zero_and_no_gradient(name):
    p = jnp.asarray(random_tables(1), jnp.float32)
    value, gradient = jax.jit(jax.value_and_grad(lambda q: LOSSES[name](p, q, jnp.ones((1, 1, 1, 1)))))(p)
    assert float(value) == 0
    np.testing.assert_array_equal(gradient, 0)


@pytest.mark.parametrize(("name", "runs"), [("kl", (1, 1)), ("l2", (2, 1)), ("kl", (2, 3))])
def test_loss_over_runs_is_that_of_single_ones(name, runs):
    def single(parameters, data):
        table = jax.nn.softmax(parameters["logits"] @ data["matrix"] + parameters["shift"]).reshape(2, 2)
        return LOSSES[name](data["target"], table, data["shares"])

    rng = np.random.default_rng(0)
    with jax.enable_x64(True):
        data = {
            "target": jnp.asarray(rng.dirichlet(np.ones(4), size=runs[0]).reshape(-1, 2, 2)),
            "matrix": jnp.asarray(rng.normal(size=(3, 4))),
            "shares": jnp.ones((1, 1)),
        }
        parameters = {
            "logits": jnp.asarray(rng.normal(size=(*runs, 3))),
            "shift": jnp.asarray(rng.normal(size=(*runs, 4))),
        }
        many = jax.jit(lambda p: (over_runs(single)(p, data), jax.jacrev(over_runs(single))(p, data)))
        (losses, jacobian), alone = many(parameters), jax.jit(jax.value_and_grad(single))
        assert losses.shape == runs
        for t, s in np.ndindex(*runs):
            own = jax.tree.map(lambda leaf, t=t, s=s: leaf[t, s], parameters)
            value, slope = alone(own, {**data, "target": data["target"][t]})
            assert float(losses[t, s]) == pytest.approx(float(value), rel=1e-12)
            np.testing.assert_allclose(jacobian["logits"][t, s, t, s], slope["logits"], rtol=1e-10)
            # No run's loss depends on another's parameters.
            others = np.delete(np.asarray(jacobian["logits"][t, s]).reshape(-1, 3), t * runs[1] + s, axis=0)
            np.testing.assert_array_equal(others, 0)


def test_tiny_probabilities_do_not_overflow():
    p = jnp.array([1.0, 1e-40, 3e-39], jnp.float32)
    q = jnp.array([0.7, 0.2, 0.1], jnp.float32)
    value, gradient = jax.value_and_grad(lambda q: kl_divergence(p, q, jnp.ones(3, jnp.float32)))(q)
    # As for cells that never occur.
    assert value == pytest.approx(np.log(1 / 0.7), rel=1e-5)
    np.testing.assert_allclose(gradient, [1 - 1 / 0.7, 1, 1], rtol=1e-5)
