"""Gradient search for settings, for free planes and ratios, which have no closed form party by party."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from ..._support.deadlines import NO_LIMIT, Deadline
from ..._support.types import FloatArray
from ...measurements.qubit_sets import QubitMeasurementSet

__all__ = ["ViolationRatio", "climb", "climb_all"]


# Starts that are optimized at once. A whole batch is compiled once; the time limit is checked between batches.
_BATCH = 32
_MAX_STEPS = 1000
_MEMORY = 20
# A start has converged if its gradient vanishes, or if several steps in a row change nothing.
_FLAT = 1e-10
_IDLE = 1e-15
_IDLE_STEPS = 4


@dataclass(frozen=True)
class ViolationRatio:
    """The inverse of the visibility in noise at which an inequality is violated, as a function of all settings.

    It is ``(value - noise) / (bound - noise)``, with the values of the expression for the state and for the noise at
    the same settings.
    """

    tensor: FloatArray
    """Correlations of N qubits, shape ``(4,) * N``."""
    noise: FloatArray
    """Those of the noise, same shape."""
    coefficients: FloatArray
    """Of correlators, shape ``(m_1 + 1, ..., m_N + 1)``, index 0: party absent."""
    bound: float
    """The expression's local bound."""
    measurements: QubitMeasurementSet
    """Where settings are sought: all projective measurements, or those in a coordinate plane."""
    coplanar: bool = False
    """Whether the settings of each party lie in one plane, whichever is best."""

    def arrays(self) -> tuple[FloatArray | float, ...]:
        """Returns the arrays that the compiled functions take."""
        return self.tensor, self.noise, self.coefficients, self.bound, self.measurements.coordinates


def climb(
    ratio: ViolationRatio,
    num_starts: int,
    rng: np.random.Generator,
    *,
    given: Sequence[FloatArray] | None = None,
    deadline: Deadline = NO_LIMIT,
) -> tuple[list[FloatArray], float]:
    """Returns the best result of :func:`climb_all`: Bloch vectors of each party, shape ``(m_k, 3)``, and the ratio."""
    settings, ratios = climb_all(ratio, num_starts, rng, given=given, deadline=deadline)
    best = int(np.argmax(ratios))
    return [vectors[best].copy() for vectors in settings], float(ratios[best])


def climb_all(
    ratio: ViolationRatio,
    num_starts: int,
    rng: np.random.Generator,
    *,
    given: Sequence[FloatArray] | None = None,
    deadline: Deadline = NO_LIMIT,
) -> tuple[list[FloatArray], FloatArray]:
    """Maximizes the inverse of the visibility in noise at which a Bell inequality is violated, by L-BFGS.

    All starts of a batch are optimized at once.

    Args:
        ratio: That inverse, as a function of the settings.
        num_starts: Number of starts. All are random, unless ``given`` provides the first one.
        rng: Random generator of the starts.
        given: The first start: Bloch vectors of each party, shape ``(m_k, 3)``.
        deadline: Time after which no further batch is begun.

    Returns:
        Bloch vectors of each party, shape ``(B, m_k, 3)``, and the ratios, shape ``(B,)``, of the optimized starts.
    """
    size, planar = min(num_starts, _BATCH), ratio.coplanar
    parties: list[list[FloatArray]] = [[] for _ in range(ratio.tensor.ndim)]
    ratios: list[FloatArray] = []
    with jax.enable_x64(True):
        problem = tuple(jnp.asarray(array) for array in ratio.arrays())
        for first in range(0, num_starts, size):
            if first and deadline.over:
                break
            batch = [_starts(m - 1, size, rng, planar) for m in ratio.coefficients.shape]
            if given is not None and first == 0:
                for start, vectors in zip(batch, given, strict=True):
                    for name, value in _parameters(np.asarray(vectors), planar).items():
                        start[name][0] = value
            found, reached = _maximize(problem, batch)
            for kept, climbed in zip(parties, found, strict=True):
                kept.append(np.asarray(climbed))
            ratios.append(np.asarray(reached))
    # The last batch may have had more starts than were asked for.
    return [np.concatenate(kept)[:num_starts] for kept in parties], np.concatenate(ratios)[:num_starts]


def _starts(count: int, size: int, rng: np.random.Generator, planar: bool) -> dict[str, FloatArray]:
    if not planar:
        return {"vectors": rng.normal(size=(size, count, 3))}
    return {"frame": rng.normal(size=(size, 2, 3)), "vectors": rng.normal(size=(size, count, 2))}


def _parameters(vectors: FloatArray, planar: bool) -> dict[str, FloatArray]:
    """Returns the parameters of given Bloch vectors or, if planar, of their projections to the nearest plane."""
    if not planar:
        return {"vectors": vectors}
    frame = np.linalg.svd(vectors)[2][:2]
    return {"frame": frame, "vectors": vectors @ frame.T}


def _bloch_vectors(parameters: dict[str, jax.Array], mask: jax.Array) -> jax.Array:
    vectors = parameters["vectors"]
    if "frame" in parameters:
        first = parameters["frame"][0] / jnp.linalg.norm(parameters["frame"][0])
        second = parameters["frame"][1] - (parameters["frame"][1] @ first) * first
        vectors = vectors @ jnp.stack([first, second / jnp.linalg.norm(second)])
    else:
        vectors = vectors * mask[None, :]
    return vectors / jnp.linalg.norm(vectors, axis=1, keepdims=True)


def _cost(parameters: Any, problem: Any) -> jax.Array:
    tensor, noise, coefficients, bound, mask = problem
    state, white = tensor, noise
    for party in parameters:
        rows = jnp.pad(_bloch_vectors(party, mask), ((1, 0), (1, 0))).at[0, 0].set(1)
        # The contracted axis is the first one, the new one the last: after N parties the order is restored.
        state = jnp.tensordot(state, rows, axes=(0, 1))
        white = jnp.tensordot(white, rows, axes=(0, 1))
    value, reference = jnp.sum(coefficients * state), jnp.sum(coefficients * white)
    # Noise right at the local bound would make the ratio infinite.
    return -(value - reference) / jnp.maximum(bound - reference, 1e-9)


@jax.jit
def _maximize(problem: Any, batch: Any) -> Any:
    def one(parameters: Any) -> Any:
        solver = optax.lbfgs(memory_size=_MEMORY)

        def cost(point: Any) -> jax.Array:
            return _cost(point, problem)

        value_and_gradient = optax.value_and_grad_from_state(cost)

        def step(carry: Any) -> Any:
            point, state, number, _, last, idle = carry
            value, gradient = value_and_gradient(point, state=state)
            change, state = solver.update(gradient, state, point, value=value, grad=gradient, value_fn=cost)
            idle = jnp.where(last - value > _IDLE * jnp.abs(value), 0, idle + 1)
            return optax.apply_updates(point, change), state, number + 1, optax.tree.norm(gradient), value, idle

        def unfinished(carry: Any) -> jax.Array:
            return (carry[2] < _MAX_STEPS) & (carry[3] > _FLAT) & (carry[5] < _IDLE_STEPS)

        infinite = jnp.asarray(jnp.inf, dtype=float)
        start = (parameters, solver.init(parameters), 0, infinite, infinite, 0)
        point = jax.lax.while_loop(unfinished, step, start)[0]
        return [_bloch_vectors(party, problem[-1]) for party in point], -_cost(point, problem)

    return jax.vmap(one)(batch)
