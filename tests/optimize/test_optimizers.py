from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from qiskit_lhv.optimize.optimizers import ADAM, POLYAK

# The loss of each run is a quadratic of its own, with minimum 0 where the parameters are zero.
SCALES = np.array([[0.5, 3.0, 1.0], [10.0, 0.1, 2.0]])


def start(runs=(2, 3)):
    rng = np.random.default_rng(0)
    return {"a": jnp.asarray(rng.normal(size=(*runs, 4))), "b": jnp.asarray(rng.normal(size=(*runs, 2, 3)))}


def losses_of(parameters, scales):
    first, second = parameters["a"], parameters["b"]
    return scales * (jnp.sum(first**2, axis=2) + 2 * jnp.sum(second**2, axis=(2, 3)))


@partial(jax.jit, static_argnums=0)
def step(optimizer, parameters, state, scales, rate):
    losses = losses_of(parameters, scales)
    gradient = jax.grad(lambda p: losses_of(p, scales).sum())(parameters)
    changes, state = optimizer.update(gradient, state, losses, rate, parameters)
    return jax.tree.map(jnp.add, parameters, changes), state


def descend(optimizer, parameters, scales, rates):
    state = optimizer.init(parameters)
    for rate in rates:
        parameters, state = step(optimizer, parameters, state, scales, rate)
    return parameters


@pytest.mark.parametrize("optimizer", [POLYAK, ADAM], ids=["polyak", "adam"])
def test_runs_side_by_side_are_those_done_one_by_one(optimizer):
    rates = 0.1 * np.linspace(1, 0.1, 40)
    with jax.enable_x64(True):
        whole = descend(optimizer, start(), jnp.asarray(SCALES), rates)
        for t, s in np.ndindex(2, 3):
            own = jax.tree.map(lambda leaf, t=t, s=s: leaf[t : t + 1, s : s + 1], start())
            alone = descend(optimizer, own, jnp.asarray(SCALES[t : t + 1, s : s + 1]), rates)
            for name in own:
                np.testing.assert_allclose(whole[name][t, s], alone[name][0, 0], rtol=1e-12, atol=1e-15)


def test_polyak_minimizes_quadratics_whatever_their_scale():
    with jax.enable_x64(True):
        scales = jnp.asarray(SCALES)
        end = descend(POLYAK, start(), scales, [1.0] * 100)
        assert (losses_of(end, scales) < 1e-4 * losses_of(start(), scales)).all()


def test_polyak_s_first_step_is_loss_over_squared_gradient():
    with jax.enable_x64(True):
        parameters, scales = start(), jnp.asarray(SCALES)
        gradient = jax.grad(lambda p: losses_of(p, scales).sum())(parameters)
        first = descend(POLYAK, parameters, scales, [np.inf])
        squares = sum(np.sum(np.asarray(g) ** 2, axis=tuple(range(2, g.ndim))) for g in gradient.values())
        length = np.asarray(losses_of(parameters, scales)) / squares
        expected = np.asarray(parameters["b"]) - length[:, :, None, None] * np.asarray(gradient["b"])
    np.testing.assert_allclose(first["b"], expected, rtol=1e-12)


def root_mean_square(changes):
    flat = np.concatenate([np.asarray(change).reshape(2, 3, -1) for change in changes.values()], axis=2)
    return np.sqrt(np.mean(flat**2, axis=2))


def test_polyak_s_steps_are_limited_by_the_rate():
    # A loss that stays high, as where no model fits, asks for steps that are far too long.
    high, rng = jnp.full((2, 3), 1e6), np.random.default_rng(1)
    with jax.enable_x64(True):
        state, update = POLYAK.init(start()), jax.jit(POLYAK.update)
        for _ in range(30):
            changes, state = update(start(), state, high, 0.01, start())
            # Equal gradients: the step is the rate.
            np.testing.assert_allclose(root_mean_square(changes), 0.01, rtol=1e-9)
        state = POLYAK.init(start())
        for _ in range(300):
            size = np.exp(rng.normal(scale=3))
            gradient = jax.tree.map(lambda leaf, size=size: size * rng.normal() * leaf, start())
            changes, state = update(gradient, state, high, 0.01, start())
            # The averages of gradients and of their squares reach back differently far: at most a factor of 1.165.
            assert (root_mean_square(changes) < 0.01 * 1.165).all()


@pytest.mark.parametrize("optimizer", [POLYAK, ADAM], ids=["polyak", "adam"])
@pytest.mark.parametrize("loss", [0.0, 1.0])
def test_no_gradient_no_step(optimizer, loss):
    parameters = jax.tree.map(lambda leaf: leaf.astype(jnp.float32), start())
    nothing, losses = jax.tree.map(jnp.zeros_like, parameters), jnp.full((2, 3), loss, jnp.float32)
    changes, _ = jax.jit(optimizer.update)(nothing, optimizer.init(parameters), losses, 0.1, parameters)
    for change in changes.values():
        np.testing.assert_array_equal(change, 0)


def test_polyak_in_float32_stands_tiny_gradients():
    parameters = jax.tree.map(lambda leaf: leaf.astype(jnp.float32), start())
    tiny = jax.tree.map(lambda leaf: 1e-25 * leaf, parameters)
    losses = jnp.full((2, 3), 1e-30, jnp.float32)
    changes, _ = jax.jit(POLYAK.update)(tiny, POLYAK.init(parameters), losses, 0.1, parameters)
    assert all(np.isfinite(change).all() for change in changes.values())


def test_adam_is_that_of_optax():
    with jax.enable_x64(True):
        scales, parameters, rule = jnp.asarray(SCALES), start(), optax.adam(0.3)
        mine, state = descend(ADAM, parameters, scales, [0.3] * 50), rule.init(parameters)

        @jax.jit
        def step_of_optax(parameters, state):
            gradient = jax.grad(lambda p: losses_of(p, scales).sum())(parameters)
            changes, state = rule.update(gradient, state)
            return optax.apply_updates(parameters, changes), state

        for _ in range(50):
            parameters, state = step_of_optax(parameters, state)
        for name in mine:
            np.testing.assert_allclose(mine[name], parameters[name], rtol=1e-12)
