"""The pair-batch algorithm for local models, written from its description in arXiv:2407.04673.

Every step draws a batch of combinations of measurements, one measurement per party, independently of each other, and
takes one step of Adam on the mean Kullback-Leibler divergence over the batch. The response of a qudit to a
measurement is a softmax over outcomes of polynomials in the Gell-Mann coordinates of all effects but the last one,
orthonormalized over the set of measurements and averaged over all permutations of the outcomes. The learning rate is
proportional to the size of the ensemble, and falls linearly to zero after a hundredth of the steps.

The sum over permutations is carried out here on the features of a measurement, once for all hidden variables, which is
an advantage for the algorithm: its responses are the same, and need as many products as there are pairs of outcomes in
place of permutations for each outcome. ``literal=True`` sums the responses, permutation by permutation.
"""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from qiskit_lhv import CorrelationTensor
from qiskit_lhv.measurements.effect_sets import EffectSet
from qiskit_lhv.targets.operator_basis import hermitian_basis

ADAM_RULE = optax.scale_by_adam()
# The published rate, divided by the number of hidden variables.
PUBLISHED_RATE = 3e-6
PUBLISHED_BATCH = 512
# Steps between two draws of data.
BLOCK = 5
# Measurements over which the polynomials are orthonormalized.
NUM_SAMPLES = 20_000


@partial(jax.jit, static_argnames="loss")
def adam_steps(
    loss: Callable[[Any, Any], jax.Array], hidden: Any, state: Any, rates: jax.Array, batches: Any
) -> tuple[Any, Any]:
    """Hidden variables, and the state of Adam, after one step for each batch.

    Args:
        loss: From hidden variables and a batch to the loss.
        hidden: Hidden variables.
        state: State of Adam.
        rates: Learning rate of every step.
        batches: Data of all steps, a tree of arrays whose first axis is the step.
    """

    def step(carry: tuple[Any, Any], own: tuple[jax.Array, Any]) -> tuple[tuple[Any, Any], None]:
        (hidden, state), (rate, batch) = carry, own
        updates, state = ADAM_RULE.update(jax.grad(loss)(hidden, batch), state)
        return (jax.tree.map(lambda h, u: h - rate * u, hidden, updates), state), None

    return jax.lax.scan(step, (hidden, state), (rates, batches))[0]


def effect_coordinates(effects: Any) -> Any:
    """Coordinates whose contraction with a state's tensor is the probability, shape ``(..., D**2)``."""
    basis = hermitian_basis(effects.shape[-1])
    norms = np.einsum("iab,iba->i", basis, basis).real
    return np.einsum("...ij,kji->...k", effects, basis, optimize=True).real / norms


@cache
def permutations(num_outcomes: int) -> tuple[np.ndarray, np.ndarray]:
    """All permutations of the outcomes, and their inverses."""
    given = np.array(list(itertools.permutations(range(num_outcomes))))
    return given, np.argsort(given, axis=1)


@dataclass(frozen=True, eq=False)
class SymmetrizedPolynomials:
    """The published response: polynomials of all effects but the last one, averaged over permutations of outcomes."""

    num_outcomes: int
    """Number of outcomes."""
    factors: np.ndarray
    """Coordinates that are multiplied to each monomial, shape ``(monomials, degree)``; the last one is 1."""
    coefficients: np.ndarray
    """Orthonormal polynomials by monomials."""

    @classmethod
    def of_degree(cls, measurements: EffectSet, degree: int, seed: int = 0) -> SymmetrizedPolynomials:
        """Polynomials up to a degree, orthonormalized over random members of a set, one after the other."""
        effects = measurements.draw(np.random.default_rng(seed), NUM_SAMPLES)
        coordinates = cls.coordinates(effects)[:, :-1].reshape(len(effects), -1)
        outcomes, count = effects.shape[1], coordinates.shape[1]
        chosen = itertools.combinations_with_replacement(range(count + 1), degree)
        # Low degrees first: the number of true coordinates in a product is its degree.
        factors = np.array(sorted(chosen, key=lambda product: sum(i < count for i in product)))
        padded = np.concatenate([coordinates, np.ones((len(effects), 1))], axis=1)
        values = math.prod(padded[:, column] for column in factors.T)
        gram = values.T @ values / len(values)
        polynomials: list[np.ndarray] = []
        for column in np.eye(len(factors)):
            rest = column
            for _ in range(2 * bool(polynomials)):
                found = np.array(polynomials)
                rest = rest - found.T @ (found @ (gram @ rest))
            square = rest @ gram @ rest
            # Monomials that others already give have no rest.
            if square > 1e-8:
                polynomials.append(rest / np.sqrt(square))
        return cls(outcomes, factors, np.array(polynomials))

    @staticmethod
    def coordinates(effects: np.ndarray) -> np.ndarray:
        """Gell-Mann coordinates of effects in the published scale, shape ``(n, outcomes, D**2)``, the trace last.

        Among projectors on vectors the trace is always 1, and no coordinate.
        """
        dimension = effects.shape[-1]
        own = effect_coordinates(effects)
        scaled = own[..., 1:] * np.sqrt(2 * dimension)
        traces = own[..., :1] * dimension
        return scaled if np.abs(traces - 1).max() < 1e-9 else np.concatenate([scaled, traces - 1 / dimension], axis=-1)

    @property
    def size(self) -> int:
        """Number of polynomials; a hidden variable has as many components for each outcome."""
        return len(self.coefficients)

    def evaluate(self, coordinates: Any, literal: bool = False) -> Any:
        """Features of measurements.

        Args:
            coordinates: Shape ``(n, outcomes, D**2 - 1)``.
            literal: Whether to keep permutations apart.

        Returns:
            Shape ``(n, outcomes, outcomes, size)``, by the outcome that answers and the row of the hidden variable
            that it takes; with ``literal``, shape ``(n, permutations, size)``.
        """
        given, inverse = permutations(self.num_outcomes)
        array_module = np if isinstance(coordinates, np.ndarray) else jnp
        permuted = coordinates[:, given][:, :, :-1].reshape(len(coordinates), len(given), -1)
        ones = array_module.ones((*permuted.shape[:-1], 1), permuted.dtype)
        padded = array_module.concatenate([permuted, ones], axis=-1)
        monomials = math.prod(padded[..., column] for column in self.factors.T)
        features = monomials @ self.coefficients.T.astype(padded.dtype)
        if literal:
            return features
        rows = (np.eye(self.num_outcomes)[inverse] / len(given)).astype(padded.dtype)
        return array_module.einsum("pac,npm->nacm", rows, features)

    def respond(self, hidden: jax.Array, coordinates: jax.Array, literal: bool = False) -> jax.Array:
        """Probabilities of the outcomes, shape ``(n, outcomes, num_hidden)``; hidden variables as in :meth:`start`."""
        features = self.evaluate(coordinates, literal)
        if literal:
            _, inverse = permutations(self.num_outcomes)
            logits = jnp.einsum("npm,hpam->npah", features, hidden[:, inverse]).mean(axis=1)
        else:
            logits = jnp.einsum("nacm,hcm->nah", features, hidden)
        return jax.nn.softmax(logits, axis=1)

    def start(self, rng: np.random.Generator, num_hidden: int) -> jax.Array:
        """Normally distributed hidden variables, shape ``(num_hidden, outcomes, size)``."""
        return jnp.asarray(rng.standard_normal((num_hidden, self.num_outcomes, self.size)), jnp.float32)


@dataclass(frozen=True, eq=False)
class PairBatches:
    """The algorithm for one state and one set of measurements, the same for all parties."""

    tensor: CorrelationTensor
    """The state."""
    measurements: EffectSet
    """What each party measures."""
    response: SymmetrizedPolynomials
    """The response function."""
    batch_size: int = PUBLISHED_BATCH
    """Combinations of measurements of a step."""
    literal: bool = False
    """Whether permutations are summed for every hidden variable."""

    def loss(self, hidden: Sequence[jax.Array], batch: Any) -> jax.Array:
        """Mean divergence over a batch."""
        answers = [
            self.response.respond(own, one, self.literal) for own, one in zip(hidden, batch["coordinates"], strict=True)
        ]
        letters = "abcdef"[: len(answers)]
        model = jnp.einsum(",".join(f"n{a}h" for a in letters) + f"->n{letters}", *answers) / hidden[0].shape[0]
        target = batch["target"]
        terms = jnp.where(target > 0, target * (jnp.log(jnp.where(target > 0, target, 1)) - jnp.log(model)), 0)
        return terms.sum() / len(target)

    def batches(self, rng: np.random.Generator) -> dict[str, Any]:
        """Data of a block of steps."""
        target, shape, coordinates = self.tensor.array, (BLOCK, self.batch_size), []
        count, letters, spaces = BLOCK * self.batch_size, "abcdef", "uvwxyz"
        tables = []
        for _ in range(self.tensor.num_parties):
            effects = self.measurements.draw(rng, count)
            own = self.response.coordinates(effects)
            coordinates.append(own.reshape(*shape, *own.shape[1:]).astype(np.float32))
            tables.append(effect_coordinates(effects))
        n = len(tables)
        formula = f"{spaces[:n]}," + ",".join(f"n{a}{u}" for a, u in zip(letters[:n], spaces, strict=False))
        joint = np.maximum(np.einsum(f"{formula}->n{letters[:n]}", target, *tables, optimize=True), 0)
        return {"coordinates": coordinates, "target": joint.reshape(*shape, *joint.shape[1:]).astype(np.float32)}

    def train(self, num_hidden: int, rate: float, budget: float, seed: int) -> dict[str, Any]:
        """Trains for so many processor seconds; compilation and orthonormalization are not counted.

        Args:
            num_hidden: Size of the ensemble.
            rate: First learning rate.
            budget: Processor seconds, by which the number of steps is chosen beforehand from some timed ones.
            seed: Seed of start and measurements.
        """
        rng = np.random.default_rng(seed)
        hidden = [self.response.start(rng, num_hidden) for _ in range(self.tensor.num_parties)]
        state = ADAM_RULE.init(hidden)

        def advance(point: Any, rates: np.ndarray) -> Any:
            found = adam_steps(self.loss, *point, jnp.asarray(rates, jnp.float32), self.batches(rng))
            return jax.block_until_ready(found)

        advance((hidden, state), np.full(BLOCK, rate))  # compiles
        begin, tried = time.process_time(), 0
        while tried < 2 or time.process_time() - begin < 0.05 * budget:
            advance((hidden, state), np.full(BLOCK, rate))
            tried += 1
        num_steps = BLOCK * max(2, round(budget * tried / (time.process_time() - begin)))
        held = num_steps // 100
        rates = rate * np.minimum(1, (num_steps - np.arange(num_steps)) / (num_steps - held))
        begin, wall, point = time.process_time(), time.perf_counter(), (hidden, state)
        for first in range(0, num_steps, BLOCK):
            point = advance(point, rates[first : first + BLOCK])
        spent = time.process_time() - begin, time.perf_counter() - wall
        return {"hidden": point[0], "seconds": spent[0], "wall": spent[1], "steps": num_steps}

    def answers(self, hidden: Sequence[jax.Array], party: int, effects: np.ndarray) -> np.ndarray:
        """Probabilities in float64, shape ``(n, outcomes, num_hidden)``."""
        features = self.response.evaluate(self.response.coordinates(effects))
        own = np.asarray(hidden[party], dtype=float).reshape(len(hidden[party]), -1)
        logits = features.reshape(*features.shape[:2], -1) @ own.T
        odds = np.exp(logits - logits.max(axis=1, keepdims=True))
        return odds / odds.sum(axis=1, keepdims=True)
