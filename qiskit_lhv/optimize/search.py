"""Search for a local model of a finite scenario by gradient descent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from .._records import Record
from .._validation import frozen, generator, is_whole_number
from ..exceptions import LHVError, ScenarioError
from ..models.responses import ResponseModel, TableResponse
from ..targets.behaviors import Behavior
from ..targets.coordinates import to_party_axes
from ..targets.counts import BellCounts
from ..targets.projections import divergence, setting_shares
from ..targets.scenario import BellScenario
from .losses import kl_divergence
from .training import cosine_schedule, train

__all__ = ["LocalModelResult", "find_local_model"]

# Wide enough apart that the ensemble starts near many different deterministic strategies, and a rate
# that lets logits grow to where responses are deterministic within the default number of steps.
_START_WIDTH = 3.0
_LEARNING_RATE = 1.0


@dataclass(frozen=True, eq=False, repr=False)
class LocalModelResult(Record):
    """The outcome of a search for a local model."""

    model: ResponseModel
    """The best model found."""
    loss: float
    """Its Kullback-Leibler divergence from the target, in nats a trial, evaluated in float64 by NumPy."""
    history: NDArray[np.float64]
    """Loss before every step."""
    status: str
    """Why the search stopped, as a sentence."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "history", frozen(self.history))

    def __str__(self) -> str:
        return f"local model with KL {self.loss:.3e} nats a trial after {len(self.history)} steps. {self.status}"


def find_local_model(
    target: Behavior | BellCounts,
    *,
    num_hidden: int = 1024,
    num_steps: int = 3000,
    target_loss: float | None = None,
    time_limit: float | None = None,
    seed: int | None = None,
    progress: bool | None = None,
) -> LocalModelResult:
    """Searches for a local model by gradient descent on an ensemble of hidden variables.

    Every party's responses are a table of free logits for each hidden variable, whose probabilities
    are free too; the loss is the Kullback-Leibler divergence of the target from the model. For counts,
    settings are weighted by their shots, so that the loss is the log-likelihood deficit a trial. A
    large loss proves nothing: the search may have failed.

    Args:
        target: The behavior, or the counts, to explain.
        num_hidden: Size of the ensemble.
        num_steps: Steps of Adam, with a rate that falls along a cosine.
        target_loss: Stop once the loss is at most this, in nats a trial.
        time_limit: Stop after this many seconds; checked every 100 steps.
        seed: Seed of the random start; the same seed gives the same result.
        progress: Whether to show a progress bar; default: on a terminal.

    Returns:
        The model, its loss, the loss history, and why the search stopped.

    Raises:
        ScenarioError: If the target is no behavior and no counts.
        LHVError: If another argument is out of range.

    References:
        arXiv:2407.04673 (the method, there for continuous measurements).
    """
    if not isinstance(target, Behavior | BellCounts):
        raise ScenarioError.bad_argument(
            "target",
            expected="a Behavior or BellCounts",
            got=type(target).__name__,
            remedy="Behavior.from_state(state, settings) gives the behavior of a state or circuit.",
        )
    for name, value in (("num_hidden", num_hidden), ("num_steps", num_steps)):
        if not is_whole_number(value) or value < 1:
            raise LHVError.bad_argument(name, expected="a whole number of at least 1", got=repr(value))
    for name, limit in (("target_loss", target_loss), ("time_limit", time_limit)):
        if limit is not None and not limit >= 0:
            raise LHVError.bad_argument(name, expected="None or a number of at least 0", got=repr(limit))
    behavior = target.frequencies() if isinstance(target, BellCounts) else target
    shares = setting_shares(behavior, target.num_shots if isinstance(target, BellCounts) else None)
    with jax.enable_x64(True):
        run = train(
            _loss,
            _start(behavior.scenario, num_hidden, seed),
            _data(behavior, shares),
            cosine_schedule(_LEARNING_RATE, num_steps),
            target_loss=target_loss,
            time_limit=time_limit,
            progress=progress,
        )
        logits = tuple(np.asarray(array, dtype=np.float64) for array in run.parameters["logits"])
        mixture = np.asarray(jax.nn.softmax(run.parameters["log_weights"]), dtype=np.float64)
    model = ResponseModel(logits, TableResponse(behavior.scenario), mixture / mixture.sum())
    return LocalModelResult(model, divergence(behavior, model.behavior(), shares), run.history, run.status)


def _start(scenario: BellScenario, num_hidden: int, seed: int | None) -> dict[str, Any]:
    rng = generator(seed)
    sizes = zip(scenario.num_settings, scenario.num_outcomes, strict=True)
    logits = [jnp.asarray(_START_WIDTH * rng.standard_normal((num_hidden, m, d))) for m, d in sizes]
    return {"logits": logits, "log_weights": jnp.zeros(num_hidden)}


def _data(target: Behavior, shares: NDArray[np.float64]) -> dict[str, jax.Array]:
    """Target and weights with one axis a party, as the model's tables come out."""
    cells = np.broadcast_to(shares.reshape(shares.shape + (1,) * shares.ndim), target.array.shape)
    arrays = {"target": target.array, "shares": cells, "weighted": cells * target.array}
    return {name: jnp.asarray(to_party_axes(array, target.scenario)) for name, array in arrays.items()}


def _loss(parameters: dict[str, Any], data: dict[str, jax.Array]) -> jax.Array:
    responses = [jax.nn.softmax(x, axis=-1).reshape(len(x), -1) for x in parameters["logits"]]
    table = _average_of_products(jax.nn.softmax(parameters["log_weights"]), responses)
    return kl_divergence(data["weighted"], data["target"], table.reshape(data["target"].shape), data["shares"])


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
