"""The search for a local model of listed correlators of many parties: no table of settings and outcomes is made."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from .._support.types import FloatArray
from .._support.validation import generator
from ..models.ensemble import ResponseModel
from ..models.responses import TableResponse
from ..targets.many_parties.term_values import TermValues
from ..targets.scenario import BellScenario
from .devices import ON_ONE_DEVICE, EnsembleLayout
from .losses import LOSSES, over_runs
from .state_problem import COPIES
from .training import Batches

__all__ = [
    "held_out_terms",
    "models_of_terms",
    "products_of_means",
    "start_of_model",
    "term_batches",
    "term_bytes_each",
    "term_data",
    "term_loss",
    "term_start",
]

# Standard deviation of the initial numbers, whose hyperbolic tangent is a mean outcome.
_START_WIDTH = 1.0
# A mean outcome counts as at least this large in products, so that its logarithm and its gradient stay finite.
_SMALLEST_MEAN = 1e-12
# Keeps an outcome that the model excludes possible in single precision, where its divergence would be infinite.
_CERTAINTY, _SMALLEST_PROBABILITY = 1 - 2.0**-22, 1e-7


def term_start(scenario: BellScenario, num_hidden: int, num_starts: int, seed: int | None) -> dict[str, Any]:
    """Returns random responses of all parties and equal weights, with leading axes ``(1, num_starts)``."""
    size = (num_starts, num_hidden, sum(scenario.num_settings))
    responses = _START_WIDTH * generator(seed).standard_normal(size).astype(np.float32)
    return {"responses": responses[None], "log_weights": np.zeros((1, num_starts, num_hidden), np.float32)}


def start_of_model(model: ResponseModel) -> dict[str, Any]:
    """Returns the responses and weights of a model, in the form of ``term_start``.

    Args:
        model: A model of a finite scenario of two outcomes.
    """
    halves = [(logits[:, :, 0] - logits[:, :, 1]) / 2 for logits in model.hidden_variables]
    # A floor under the weights lets a weight of zero grow again.
    log_weights = np.log(np.maximum(model.weights, 1e-12))
    return {
        "responses": np.concatenate(halves, axis=1).astype(np.float32)[None, None],
        "log_weights": log_weights.astype(np.float32)[None, None],
    }


def models_of_terms(parameters: dict[str, Any], scenario: BellScenario) -> list[ResponseModel]:
    """Returns the model of every start."""
    ends = np.cumsum(scenario.num_settings)[:-1]
    models = []
    for responses, log_weights in zip(parameters["responses"][0], parameters["log_weights"][0], strict=True):
        halves = np.split(np.asarray(responses, dtype=np.float64), ends, axis=1)
        logits = tuple(np.stack([half, -half], axis=2) for half in halves)
        mixture = np.exp(np.asarray(log_weights, dtype=np.float64) - float(np.max(log_weights)))
        models.append(ResponseModel(logits, TableResponse(scenario), mixture / mixture.sum()))
    return models


def held_out_terms(num_terms: int, share: float, seed: int) -> NDArray[np.bool_]:
    """Returns for each term whether it is kept from the search; at least one is searched.

    Args:
        num_terms: Number of terms.
        share: Share that is held out.
        seed: Seed of the choice.
    """
    count = min(num_terms - 1, round(share * num_terms))
    held_out = np.zeros(num_terms, dtype=bool)
    held_out[np.random.default_rng([seed, 1]).permutation(num_terms)[:count]] = True
    return held_out


def term_data(terms: TermValues) -> dict[str, NDArray[Any]]:
    """The terms as columns of parties' settings, their values (with a leading axis of targets) and their shares."""
    starts = np.cumsum([0, *terms.scenario.num_settings[:-1]])
    taking_part, parties = np.nonzero(terms.rows >= 0)
    columns = np.zeros((terms.num_terms, sum(terms.scenario.num_settings)), dtype=np.uint8)
    columns[taking_part, starts[parties] + terms.rows[taking_part, parties]] = 1
    data: dict[str, NDArray[Any]] = {
        "columns": columns,
        "target": terms.values.astype(np.float32)[None],
        "shares": term_shares(terms).astype(np.float32),
    }
    if terms.standard_errors is not None:
        data["errors"] = terms.standard_errors.astype(np.float32)
    return data


def term_shares(terms: TermValues) -> FloatArray:
    """The weight of each term in the loss: its share of the shots, or equal ones."""
    if terms.num_shots is None:
        return np.full(terms.num_terms, 1 / terms.num_terms)
    return np.asarray(terms.num_shots / terms.num_shots.sum())


def term_batches(terms: TermValues, batch_size: int, seed: int) -> Batches:
    """Returns a function that draws terms for each step, with probabilities that are their shares in the loss.

    Args:
        terms: The terms.
        batch_size: Number of terms of a step.
        seed: Seed; each step has random numbers of its own, so that a run can be resumed anywhere.
    """
    data, limits = term_data(terms), np.cumsum(term_shares(terms))

    def batches(first: int, count: int) -> dict[str, NDArray[Any]]:
        draws = [np.random.default_rng([seed, 2, step]).random(batch_size) for step in range(first, first + count)]
        chosen = np.minimum(np.searchsorted(limits, np.array(draws), side="right"), terms.num_terms - 1)
        batch = {
            "columns": data["columns"][chosen],
            "target": data["target"][:, chosen].swapaxes(0, 1),
            "shares": np.full(chosen.shape, 1 / batch_size, np.float32),
        }
        if "errors" in data:
            batch["errors"] = data["errors"][chosen]
        return batch

    return batches


def term_bytes_each(scenario: BellScenario, num_terms: int, num_starts: int) -> float:
    """Returns what a step computes from one hidden variable, in bytes: responses and products, with their gradients.

    Args:
        scenario: The scenario.
        num_terms: Number of terms of a step.
        num_starts: Starts that run side by side.
    """
    return 4.0 * COPIES * num_starts * (sum(scenario.num_settings) + num_terms)


@cache
def term_loss(
    name: str, layout: EnsembleLayout = ON_ONE_DEVICE
) -> Callable[[dict[str, Any], dict[str, jax.Array]], jax.Array]:
    """Returns the loss of every start, shape ``(1, num_starts)``, between values of terms and the ensemble's.

    Args:
        name: One of ``LOSSES``. Both compare the two outcomes of each term; for values with standard errors, ``"kl"``
            is the divergence of normal variables.
        layout: Where the hidden variables are.
    """
    distance = LOSSES[name]

    def summed(ensemble: dict[str, Any], columns: jax.Array) -> jax.Array:
        means = jnp.tanh(ensemble["responses"]).T
        products = products_of_means(columns.astype(means.dtype), means)
        return jnp.matmul(products, ensemble["weights"], precision=jax.lax.Precision.HIGHEST)

    def single(parameters: dict[str, Any], data: dict[str, jax.Array]) -> jax.Array:
        # The weights add up to 1 over the whole ensemble, not on each device.
        weights = jax.nn.softmax(parameters["log_weights"])
        ensemble = {"responses": parameters["responses"], "weights": weights}
        found = layout.total(summed, ensemble, data["columns"], axis=0)
        target, shares = data["target"], data["shares"]
        if "errors" in data and name == "kl":
            return jnp.sum(shares * ((found - target) / data["errors"]) ** 2) / 2
        table = jnp.stack([1 + target, 1 - target], axis=1) / 2
        of_model = jnp.stack([1 + _CERTAINTY * found, 1 - _CERTAINTY * found], axis=1) / 2
        return distance(table, jnp.maximum(of_model, _SMALLEST_PROBABILITY), shares[:, None])

    return over_runs(single)


@jax.custom_vjp
def products_of_means(columns: jax.Array, means: jax.Array) -> jax.Array:
    """Returns the products of the mean outcomes that each term takes, shape ``(T, H)``.

    They are exponentials of sums of logarithms, which are matrix products, with the sign that the number of negative
    factors gives. The gradient divides a product by its factor; factors have a floor, so that this is finite, and right
    to rounding unless so many factors vanish that no step could be seen.

    Args:
        columns: Shape ``(T, K)``: 1 where a term takes a party's setting, else 0.
        means: Mean outcomes from -1 to 1, shape ``(K, H)``.
    """
    return _products_forward(columns, means)[0]


def _products_forward(columns: jax.Array, means: jax.Array) -> tuple[jax.Array, tuple[jax.Array, ...]]:
    sizes = jnp.maximum(jnp.abs(means), _SMALLEST_MEAN)
    # Small whole numbers, whose sums are exact.
    negative = jnp.where(means < 0, 1.0, 0.0).astype(means.dtype)
    count = jnp.matmul(columns, negative, precision=jax.lax.Precision.HIGHEST)
    logarithms = jnp.matmul(columns, jnp.log(sizes), precision=jax.lax.Precision.HIGHEST)
    signs = 1 - 2 * (count - 2 * jnp.floor(count / 2))
    products = signs * jnp.exp(logarithms)
    return products, (columns, jnp.where(means < 0, -sizes, sizes), products)


def _products_backward(kept: tuple[jax.Array, ...], change: jax.Array) -> tuple[jax.Array, jax.Array]:
    columns, factors, products = kept
    summed = jnp.matmul(columns.T, change * products, precision=jax.lax.Precision.HIGHEST)
    return jnp.zeros_like(columns), summed / factors


products_of_means.defvjp(_products_forward, _products_backward)
