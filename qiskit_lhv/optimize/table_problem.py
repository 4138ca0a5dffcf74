"""The search for a local model of a finite scenario: a table of logits for every hidden variable."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from .._support.validation import generator
from ..targets.behaviors import Behavior
from ..targets.coordinates import to_party_axes
from ..targets.scenario import BellScenario
from .devices import ON_ONE_DEVICE, EnsembleLayout
from .losses import LOSSES, over_runs
from .state_problem import COPIES

__all__ = ["finite_bytes_each", "finite_data", "finite_loss", "finite_start"]

# Wide enough apart that the ensemble starts near many different deterministic strategies.
_START_WIDTH = 3.0


def finite_start(scenario: BellScenario, num_hidden: int, num_starts: int, seed: int | None) -> dict[str, Any]:
    """Returns random logits of every party and equal weights, with leading axes ``(1, num_starts)``."""
    rng = generator(seed)
    sizes = list(zip(scenario.num_settings, scenario.max_outcomes, strict=True))
    starts = [[_START_WIDTH * rng.standard_normal((num_hidden, m, d)) for m, d in sizes] for _ in range(num_starts)]
    # In NumPy: JAX would compile a step of its own for every shape.
    logits = [np.stack([start[k] for start in starts])[None] for k in range(len(sizes))]
    return {"logits": logits, "log_weights": np.zeros((1, num_starts, num_hidden))}


def finite_data(target: Behavior, shares: NDArray[np.float64]) -> dict[str, NDArray[Any]]:
    """Target (with a leading axis of targets) and weights, one axis per party, as the model's tables come out."""
    cells = np.broadcast_to(shares.reshape(shares.shape + (1,) * shares.ndim), target.array.shape)
    arrays = {"target": target.array, "shares": cells}
    tables = {name: np.asarray(to_party_axes(array, target.scenario)) for name, array in arrays.items()}
    if not target.scenario.has_equal_outcomes:
        # Which outcomes each party's settings have.
        tables |= {f"real_{k}": np.asarray(mask) for k, mask in enumerate(target.scenario.party_masks)}
    return {**tables, "target": tables["target"][None]}


@cache
def finite_loss(
    name: str, layout: EnsembleLayout = ON_ONE_DEVICE
) -> Callable[[dict[str, Any], dict[str, jax.Array]], jax.Array]:
    """Returns the loss of every start, shape ``(1, num_starts)``, between the target and the ensemble's table.

    Args:
        name: One of ``LOSSES``.
        layout: Where the hidden variables are.
    """
    distance = LOSSES[name]

    def summed(ensemble: dict[str, Any], data: dict[str, jax.Array]) -> jax.Array:
        logits = ensemble["logits"]
        if "real_0" in data:
            logits = [jnp.where(data[f"real_{k}"], x, -jnp.inf) for k, x in enumerate(logits)]
        responses = [jax.nn.softmax(x, axis=-1).reshape(len(x), -1) for x in logits]
        return _average_of_products(ensemble["weights"], responses)

    def single(parameters: dict[str, Any], data: dict[str, jax.Array]) -> jax.Array:
        # The weights add up to 1 over the whole ensemble, not on each device.
        ensemble = {"logits": parameters["logits"], "weights": jax.nn.softmax(parameters["log_weights"])}
        masks = {name: array for name, array in data.items() if name.startswith("real_")}
        table = layout.total(summed, ensemble, masks, axis=0)
        return distance(data["target"], table.reshape(data["target"].shape), data["shares"])

    return over_runs(single)


def finite_bytes_each(scenario: BellScenario, num_starts: int) -> float:
    """Returns what a step computes from one hidden variable, in bytes: responses, and the products of half of them.

    Args:
        scenario: The scenario.
        num_starts: Starts that run side by side.
    """
    rows = [m * d for m, d in zip(scenario.num_settings, scenario.max_outcomes, strict=True)]
    half = (len(rows) + 1) // 2
    return 8.0 * COPIES * num_starts * (sum(rows) + math.prod(rows[:half]) + math.prod(rows[half:]))


def _average_of_products(weights: jax.Array, responses: list[jax.Array]) -> jax.Array:
    """``sum_h w_h prod_k responses[k][h]`` as one matrix product of two groups of parties."""
    half = (len(responses) + 1) // 2
    left = _row_products([weights[:, None] * responses[0], *responses[1:half]])
    if half == len(responses):
        return left.sum(axis=0)
    return left.T @ _row_products(responses[half:])


def _row_products(factors: list[jax.Array]) -> jax.Array:
    """Products of the rows of all factors, flattened, shape ``(H, product of lengths)``."""
    result = factors[0]
    for factor in factors[1:]:
        result = (result[:, :, None] * factor[:, None, :]).reshape(len(result), -1)
    return result
