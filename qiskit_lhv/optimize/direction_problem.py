"""The search for a local model under all projective measurements, on product grids of directions."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from .._support.types import FloatArray
from ..exceptions import ScenarioError
from ..models.ensemble import ResponseModel
from ..models.function_responses import FunctionResponse
from ..models.responses import DirectionResponse, QubitResponse
from ..targets.correlations import CorrelationTensor
from ..targets.qubits import qubit_tensor
from .devices import ON_ONE_DEVICE, EnsembleLayout
from .ensemble_products import sum_of_products
from .losses import LOSSES, over_runs
from .orbits import Orbits
from .search_run import SearchRun
from .state_problem import LEAST_ORBITS, FreeVariables, StateProblem, random_start
from .symmetry import find_local_symmetry

__all__ = [
    "DirectionProblem",
    "continuous_loss",
    "correlators_to_probabilities",
    "start_parameters",
    "target_correlators",
    "target_probabilities",
]


_RATE, _RATE_GROWTH = 0.2, 0.2
# Width of the start: small hidden variables give smooth responses, with little noise in fine details.
_START_WIDTH = 0.4
# Correlators below this count as zero, when a tensor is asked for its symmetry.
_ZERO = 1e-12


@dataclass(frozen=True)
class DirectionProblem(StateProblem):
    """The search for states of qubits under projective measurements, which are given by Bloch vectors."""

    response: QubitResponse
    """The response function."""
    default_hidden = 2**14

    @property
    def even(self) -> bool:
        """Whether the ensemble may consist of pairs of opposite hidden variables.

        Opposite hidden variables swap all outcomes. If every correlator of an odd number of parties
        vanishes, that changes nothing, and such pairs have exact zeros there too.
        """
        if not isinstance(self.response, DirectionResponse):
            return False
        odd = _orders(self.tensors[0].num_parties, 4) % 2 == 1
        return all(np.abs(tensor.array[odd]).max() < _ZERO for tensor in self.tensors)

    def rate(self, num_hidden: int) -> float:
        """The best rate, which grows slowly with the ensemble: the noise of its start falls."""
        return float(_RATE * (num_hidden / self.default_hidden) ** _RATE_GROWTH)

    def free_variables(self, run: SearchRun, num_hidden: int, initial: ResponseModel | None) -> FreeVariables:
        """Pairs of opposite hidden variables and orbits of a symmetry, where the states allow it."""
        paired = self.even and num_hidden % 2 == 0 and (initial is None or _is_paired(initial))
        half = num_hidden // 2 if paired else num_hidden
        orbits = None if half < LEAST_ORBITS else self._orbits(half, paired, run)
        if orbits is not None and initial is not None:
            orbits = orbits if orbits.contains([array[:half] for array in initial.hidden_variables]) else None
        return FreeVariables(half if orbits is None else -(-half // orbits.order), paired, orbits)

    def _orbits(self, size: int, paired: bool, run: SearchRun) -> Orbits | None:
        """Returns the orbits that the free hidden variables represent, if the states have a symmetry.

        Args:
            size: Hidden variables, of pairs of opposite ones the half; whole orbits, unless the caller left that open.
            paired: Whether they are such pairs.
            run: What the caller asked for.
        """
        descent = run.optimizer
        if descent.symmetry is None or not isinstance(self.response, DirectionResponse):
            return None
        others = () if isinstance(descent.symmetry, str) else descent.symmetry
        tensors = [*self.tensors, *(qubit_tensor(state, "symmetry", fewest=1) for state in others)]
        if len({tensor.num_parties for tensor in tensors}) > 1:
            raise ScenarioError.bad_argument(
                "symmetry", expected="states with as many qubits as the target", got="another number of qubits"
            )
        open_size = run.num_hidden is None and descent.initial_model is None
        symmetry = find_local_symmetry(
            tensors,
            self.measurements,
            allowed=lambda order: size >= order * LEAST_ORBITS and (open_size or size % order == 0),
            even=paired,
        )
        return None if symmetry is None else Orbits.of(symmetry, self.response.features)

    def floats_each(self, free: FreeVariables) -> float:
        """The means of all parties, and where there are more than two, the products of half of them."""
        rows = [size + 1 for size in self.grid_sizes]
        return sum(rows) + math.prod(rows[: (len(rows) + 1) // 2]) * (len(rows) > 2)

    def start(self, size: int, runs: tuple[int, int], seed: int) -> list[NDArray[np.float32]]:
        """Normal numbers, small for harmonics."""
        return start_parameters(self.response, size, runs, seed)

    def loss(
        self, name: str, free: FreeVariables, layout: EnsembleLayout = ON_ONE_DEVICE
    ) -> Callable[[Any, Any], jax.Array]:
        """The loss of :func:`continuous_loss`."""
        return continuous_loss(self.response, name, free.paired, free.orbits, layout)

    def batches(self, seed: int) -> Callable[[int, int], Any]:
        """Each party's directions, as its response takes them, and the targets' correlators on them."""

        def batch(first: int, count: int) -> dict[str, Any]:
            vectors = self.members(seed, first, count)
            # A table of probabilities is some times as large, and quickly made of these on the device.
            targets = [target_correlators(tensor, vectors) for tensor in self.tensors]
            return {
                "directions": [_encode(self.response, party) for party in vectors],
                "target": np.stack(targets, axis=1).astype(np.float32),
            }

        return batch


def _is_paired(model: ResponseModel) -> bool:
    """Returns whether the second half of the hidden variables is the opposite of the first half."""
    half = model.num_hidden // 2
    return all(np.array_equal(array[half:], -array[:half]) for array in model.hidden_variables)


def _encode(response: QubitResponse, vectors: FloatArray) -> NDArray[np.float32]:
    """What the response takes on the device: features, or the Bloch vectors; shape ``(steps, m, ...)``."""
    if isinstance(response, DirectionResponse):
        flat = response.features.evaluate(vectors.reshape(-1, 3))
        return flat.reshape(*vectors.shape[:-1], -1).astype(np.float32)
    return vectors.astype(np.float32)


def target_correlators(tensor: CorrelationTensor, directions: Sequence[FloatArray]) -> FloatArray:
    """Returns correlators with marginals on product grids, shape ``(..., n_1 + 1, ..., n_N + 1)``.

    Args:
        tensor: Tensor of N qubits.
        directions: Bloch vectors of each party, shape ``(..., n_k, 3)`` with the same leading axes.

    Returns:
        The correlators; index 0 of an axis: the party does not take part.
    """
    lead = directions[0].shape[:-2]
    correlators = np.broadcast_to(tensor.array.reshape(1, -1), (math.prod(lead), tensor.array.size))
    for vectors in directions:
        flat = vectors.reshape(-1, *vectors.shape[-2:])
        extended = np.zeros((len(flat), flat.shape[1] + 1, 4))
        extended[:, 0, 0], extended[:, 1:, 1:] = 1, flat
        # The party in front is contracted and goes to the back: after all parties the order is the first one.
        table = extended @ correlators.reshape(len(flat), 4, -1)
        correlators = np.swapaxes(table, 1, 2).reshape(len(flat), -1)
    return correlators.reshape(*lead, *(vectors.shape[-2] + 1 for vectors in directions))


def target_probabilities(tensor: CorrelationTensor, directions: Sequence[FloatArray]) -> FloatArray:
    """Returns the joint probabilities on product grids, shape ``(..., n_1, ..., n_N, 2, ..., 2)``.

    Args:
        tensor: Tensor of N qubits.
        directions: Bloch vectors of each party, shape ``(..., n_k, 3)`` with the same leading axes.
    """
    correlators = target_correlators(tensor, directions)
    return np.maximum(np.asarray(correlators_to_probabilities(correlators, len(directions))), 0)


def correlators_to_probabilities(correlators: Any, num_parties: int) -> Any:
    """Turns correlators with marginals into joint probabilities, for NumPy or JAX arrays.

    Args:
        correlators: Shape ``(..., n_1 + 1, ..., n_N + 1)``; index 0: the party does not take part.
        num_parties: Number of parties N.

    Returns:
        Shape ``(..., n_1, ..., n_N, 2, ..., 2)``.
    """
    array_module = np if isinstance(correlators, np.ndarray) else jnp
    lead, table = correlators.ndim - num_parties, correlators
    for k in range(num_parties):
        index = (slice(None),) * (lead + k)
        alone, joint = table[(*index, slice(0, 1))], table[(*index, slice(1, None))]
        table = array_module.stack([(alone + joint) / 2, (alone - joint) / 2], axis=-1)
    return table


def start_parameters(
    response: QubitResponse, num_hidden: int, runs: tuple[int, int], seed: int
) -> list[NDArray[np.float32]]:
    """Random hidden variables of every party, float32, shape ``(*runs, F, num_hidden)``; targets start alike."""
    rng = np.random.default_rng(seed)
    width = _START_WIDTH if isinstance(response, DirectionResponse) else 1.0
    return random_start(rng, response.hidden_shapes, [width] * response.num_parties, num_hidden, runs)


def continuous_loss(
    response: QubitResponse,
    name: str,
    even: bool,
    orbits: Orbits | None = None,
    layout: EnsembleLayout = ON_ONE_DEVICE,
) -> Callable[[Any, Any], jax.Array]:
    """Returns the loss of every run, averaged over the setting combinations of a product grid.

    Args:
        response: The response function.
        name: One of ``LOSSES``.
        even: Whether every hidden variable represents itself and its opposite.
        orbits: The images that it represents as well.
        layout: Where the hidden variables are.
    """
    # The features are in the data, so that all harmonics share one compiled function.
    function = response.function if isinstance(response, FunctionResponse) else None
    return _continuous_loss(function, name, even, orbits, layout)


@cache
def _continuous_loss(
    function: Callable[[Any, Any], Any] | None, name: str, even: bool, orbits: Orbits | None, layout: EnsembleLayout
) -> Callable[[Any, Any], Any]:
    distance = LOSSES[name]

    def summed(parameters: list[jax.Array], inputs: list[jax.Array]) -> jax.Array:
        if orbits is not None:
            means = [jnp.tanh(logits) for logits in orbits.logits(inputs, parameters)]
        elif function is None:
            means = [jnp.tanh(features @ own) for own, features in zip(parameters, inputs, strict=True)]
        else:
            means = [2 * function(vectors, own.T).T - 1 for own, vectors in zip(parameters, inputs, strict=True)]
        return _correlators(means, even)

    def single(parameters: list[jax.Array], data: dict[str, Any]) -> jax.Array:
        num_parties, num_hidden = len(parameters), parameters[0].shape[1] * (1 if orbits is None else orbits.order)
        correlators = layout.total(summed, parameters, data["directions"], axis=1) / float(num_hidden)
        target = jnp.maximum(correlators_to_probabilities(data["target"], num_parties), 0)
        shares = jnp.full((1,) * target.ndim, 2**num_parties / target.size, target.dtype)
        probabilities = correlators_to_probabilities(correlators, num_parties)
        # Sums of correlators that cancel may come out negative by rounding, and a logarithm would not be finite.
        rounding = float(np.finfo(probabilities.dtype).eps) / 2**num_parties
        return distance(target, jnp.maximum(probabilities, rounding), shares)

    return over_runs(single)


def _orders(num_parties: int, lengths: int | Sequence[int]) -> NDArray[np.int64]:
    """How many parties take part in each correlator, index 0 of an axis being none."""
    shape = (lengths,) * num_parties if isinstance(lengths, int) else tuple(lengths)
    return np.sum(np.indices(shape) > 0, axis=0)


def _correlators(means: list[jax.Array], even: bool) -> jax.Array:
    """Sums over hidden variables of products of means, shape ``(n_1 + 1, ..., n_N + 1)``.

    Args:
        means: Mean outcomes of each party, shape ``(n_k, H)``.
        even: Whether correlators of an odd number of parties are zero.
    """
    shape = tuple(len(own) + 1 for own in means)
    if even and len(means) == 2:
        # Without marginals, the means of both parties are all that it takes.
        table = jnp.zeros(shape, means[0].dtype).at[1:, 1:].set(means[0] @ means[1].T)
        return table.at[0, 0].set(means[0].shape[1])
    rows = [jnp.concatenate([jnp.ones((1, own.shape[1]), own.dtype), own]) for own in means]
    if len(rows) == 1:
        table = rows[0].sum(axis=1)
    elif len(rows) == 2:
        table = rows[0] @ rows[1].T
    else:
        table = sum_of_products(rows).reshape(shape)
    return table * (_orders(len(means), shape) % 2 == 0) if even else table
