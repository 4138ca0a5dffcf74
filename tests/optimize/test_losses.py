import jax
import jax.numpy as jnp
import numpy as np
import pytest
from qiskit_lhv.optimize.losses import kl_divergence


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
    value = kl_divergence(jnp.asarray(p, jnp.float32), jnp.asarray(p, jnp.float32), jnp.asarray(q, jnp.float32), ones)
    naive = np.sum(p.astype(np.float32) * np.log(p.astype(np.float32) / q.astype(np.float32)))
    # Rounding p and q to float32 moves u by 6e-8 / size; the form itself adds nothing.
    assert value == pytest.approx(expected, rel=max(1e-5, 3e-7 / size))
    if size <= 1e-4:
        assert abs(naive - expected) > abs(float(value) - expected)


def test_series_meets_the_logarithm():
    with jax.enable_x64(True):
        one = jnp.ones(1)
        for u in (0.019999, 0.020001, -0.019999, -0.020001, 0.9, -0.9, 1e-9):
            value = float(kl_divergence(one, one, one * (1 + u), one))
            exact = u - np.log1p(u) if abs(u) > 1e-3 else u**2 / 2 - u**3 / 3
            assert value == pytest.approx(exact, rel=1e-11)


def test_cells_that_never_occur_cost_their_probability():
    with jax.enable_x64(True):
        p, q = jnp.array([0.5, 0.5, 0.0]), jnp.array([0.3, 0.3, 0.4])
        value = float(kl_divergence(p, p, q, jnp.ones(3)))
        assert value == pytest.approx(np.log(0.5 / 0.3), rel=1e-12)
        gradient = jax.grad(lambda q: kl_divergence(p, p, q, jnp.ones(3)))(q)
        np.testing.assert_allclose(gradient, [1 - 0.5 / 0.3, 1 - 0.5 / 0.3, 1], rtol=1e-12)
