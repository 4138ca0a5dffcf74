"""The search for a local model under PVMs and POVMs of any dimensions, on product grids of measurements."""

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

from .._support.memory import require_memory
from .._support.types import FloatArray
from ..exceptions import ScenarioError
from ..models.effect_features import effects_of_members, weights_and_bloch_vectors
from ..models.effect_responses import EffectResponse, MeasurementResponse
from ..models.ensemble import ResponseModel
from ..models.function_responses import EffectFunctionResponse
from ..targets.operator_basis import coordinates_of_effects
from .devices import ON_ONE_DEVICE, EnsembleLayout
from .effect_symmetry import effect_orbits
from .ensemble_products import sum_of_products
from .losses import LOSSES, over_runs
from .orbits import Orbits
from .search_run import SearchRun
from .state_problem import COPIES, FreeVariables, StateProblem, random_start, searched_tensor

__all__ = ["EffectProblem", "outcome_table"]

# Width of the start: small hidden variables give smooth responses, and those of higher degrees, whose noise in fine
# details the steps remove last, are smaller still.
_START_WIDTH, _WIDTH_PER_DEGREE = 0.1, 0.3
_RATE = 0.01
# Free hidden variables that a symmetry must leave.
_LEAST_ORBITS = 8
# Turned features, relative to hidden variables: more would take most of the time.
_FEATURES_PER_HIDDEN = 4
# Arrays of the size of the hidden variables that a search keeps.
_COPIES = 5


@dataclass(frozen=True)
class EffectProblem(StateProblem):
    """The search for states of any dimensions, whose measurements are given by their effects."""

    response: MeasurementResponse
    """The response function."""
    default_hidden = 4096
    default_steps = 2000

    def rate(self, num_hidden: int) -> float:
        """The same for all ensembles."""
        return _RATE

    def free_variables(self, run: SearchRun, num_hidden: int, initial: ResponseModel | None) -> FreeVariables:
        """Orbits of a symmetry, where the states have one."""
        self._require_memory(run, num_hidden)
        orbits = self._orbits(num_hidden, run)
        if orbits is not None and initial is not None:
            orbits = orbits if orbits.contains(initial.hidden_variables) else None
        return FreeVariables(num_hidden if orbits is None else -(-num_hidden // orbits.order), orbits=orbits)

    def _orbits(self, num_hidden: int, run: SearchRun) -> Orbits | None:
        """Returns the orbits that the free hidden variables represent, if the states have a symmetry."""
        descent = run.optimizer
        if descent.symmetry is None or not isinstance(self.response, EffectResponse):
            return None
        others = () if isinstance(descent.symmetry, str) else descent.symmetry
        tensors = [*self.tensors, *(searched_tensor(state, None, "symmetry") for state in others)]
        if len({tensor.dimensions for tensor in tensors}) > 1:
            raise ScenarioError.bad_argument(
                "symmetry",
                expected=f"states of dimensions {self.tensors[0].dimensions}",
                got=f"dimensions {tensors[-1].dimensions}",
            )
        open_size = run.num_hidden is None and descent.initial_model is None
        features = max(own.size for own in self.response.features)
        return effect_orbits(
            tensors,
            self.measurements,
            self.response.features,
            allowed=lambda order: (
                order * max(_LEAST_ORBITS, features / _FEATURES_PER_HIDDEN) <= num_hidden
                and (open_size or num_hidden % order == 0)
            ),
        )

    def _require_memory(self, run: SearchRun, num_hidden: int) -> None:
        """Raises if the ensemble and a block of its responses do not fit into memory."""
        runs = run.optimizer.num_starts * len(self.tensors)
        variables = sum(shape[0] for shape in self.response.hidden_shapes) * num_hidden * runs
        responses = 4.0 * COPIES * sum(self._rows) * num_hidden * runs
        require_memory(
            4.0 * _COPIES * (variables + math.prod(self._rows)) + min(responses, run.devices.memory),
            "num_hidden",
            expected="an ensemble that fits",
            got=f"{num_hidden} hidden variables of {sum(s[0] for s in self.response.hidden_shapes)} components, with",
            remedy="Choose fewer hidden variables, a lower degree as response=, or fewer settings.",
        )

    @property
    def _rows(self) -> list[int]:
        """Outcomes of all measurements of a step, for each party."""
        return [
            grid * int(getattr(own, "most_outcomes", 2))
            for grid, own in zip(self.grid_sizes, self.measurements, strict=True)
        ]

    def floats_each(self, free: FreeVariables) -> float:
        """The responses of all parties, and where there are more than two, the products of half of them."""
        rows = self._rows
        return sum(rows) + math.prod(rows[: (len(rows) + 1) // 2]) * (len(rows) > 2)

    def start(self, size: int, runs: tuple[int, int], seed: int) -> list[NDArray[np.float32]]:
        """Normal numbers, smaller for higher degrees."""
        rng = np.random.default_rng(seed)
        widths: list[Any] = [1.0] * self.response.num_parties
        if isinstance(self.response, EffectResponse):
            widths = [_START_WIDTH * _WIDTH_PER_DEGREE ** (own.degrees - 1) for own in self.response.features]
        return random_start(rng, self.response.hidden_shapes, widths, size, runs)

    def loss(
        self, name: str, free: FreeVariables, layout: EnsembleLayout = ON_ONE_DEVICE
    ) -> Callable[[Any, Any], jax.Array]:
        """The loss between the target's table and the ensemble's average of products."""
        function = self.response.function if isinstance(self.response, EffectFunctionResponse) else None
        return _effect_loss(function, name, len(self.measurements), free.orbits, layout)

    def batches(self, seed: int) -> Callable[[int, int], Any]:
        """What each party's response takes of its effects, and the targets' tables on them."""

        def batch(first: int, count: int) -> dict[str, Any]:
            drawn = self.members(seed, first, count)
            effects = [
                effects_of_members(own, party.reshape(-1, *party.shape[2:])).reshape(count, party.shape[1], -1, d, d)
                for own, party, d in zip(self.measurements, drawn, self.tensors[0].dimensions, strict=True)
            ]
            coordinates = [coordinates_of_effects(party) for party in effects]
            targets = [outcome_table(tensor.array, coordinates) for tensor in self.tensors]
            return {
                "inputs": [self._encoded(k, *both) for k, both in enumerate(zip(effects, coordinates, strict=True))],
                "target": np.stack(targets, axis=1).astype(np.float32),
            }

        return batch

    def _encoded(self, party: int, effects: NDArray[Any], coordinates: FloatArray) -> Any:
        """What the response takes on the device: features and logarithms of traces, or the effects."""
        if not isinstance(self.response, EffectResponse):
            return effects.astype(np.complex64)
        weights, _ = weights_and_bloch_vectors(coordinates)
        with np.errstate(divide="ignore"):
            offsets = np.log(weights).astype(np.float32)
        return {
            "features": self.response.features[party].of_coordinates(coordinates).astype(np.float32),
            "offsets": offsets[..., None],
        }


def outcome_table(tensor: FloatArray, coordinates: Sequence[FloatArray]) -> FloatArray:
    """Joint probabilities on product grids, shape ``(..., n_1 * d_1, ..., n_N * d_N)``.

    Args:
        tensor: Expectation values, shape ``(D_1**2, ..., D_N**2)``.
        coordinates: Coordinates of each party's effects, shape ``(..., n_k, d_k, D_k**2)``, with the same leading axes.
    """
    lead = coordinates[0].shape[:-3]
    flat = [own.reshape(math.prod(lead), -1, own.shape[-1]) for own in coordinates]
    table = np.broadcast_to(tensor.reshape(1, -1), (len(flat[0]), tensor.size))
    for own in flat:
        # The party in front is contracted and goes to the back: after all parties the order is the first one.
        contracted = own @ table.reshape(len(own), own.shape[-1], -1)
        table = np.swapaxes(contracted, 1, 2).reshape(len(own), -1)
    # Rounding can make an impossible outcome slightly negative.
    return np.maximum(table.reshape(*lead, *(own.shape[1] for own in flat)), 0)


@cache
def _effect_loss(
    function: Callable[[Any, Any], Any] | None,
    name: str,
    num_parties: int,
    orbits: Orbits | None,
    layout: EnsembleLayout,
) -> Callable[[Any, Any], jax.Array]:
    distance = LOSSES[name]

    def summed(parameters: list[jax.Array], inputs: list[Any]) -> jax.Array:
        if function is not None:
            responses = [
                jnp.moveaxis(function(effects, own.T), 0, -1) for own, effects in zip(parameters, inputs, strict=True)
            ]
        else:
            # Rows of outcomes, as features of single measurements are rows elsewhere.
            features = [own["features"].reshape(-1, own["features"].shape[-1]) for own in inputs]
            if orbits is None:
                logits = [own @ hidden for own, hidden in zip(features, parameters, strict=True)]
            else:
                logits = orbits.logits(features, parameters)
            responses = [
                jax.nn.softmax(rows.reshape(*own["features"].shape[:2], -1) + own["offsets"], axis=1)
                for rows, own in zip(logits, inputs, strict=True)
            ]
        rows = [own.reshape(-1, own.shape[-1]) for own in responses]
        if num_parties == 1:
            return rows[0].sum(axis=1)
        if num_parties == 2:
            return rows[0] @ rows[1].T
        return sum_of_products(rows).reshape([len(own) for own in rows])

    def single(parameters: list[jax.Array], data: dict[str, Any]) -> jax.Array:
        inputs, target = data["inputs"], data["target"]
        num_settings = math.prod(len(jax.tree.leaves(own)[0]) for own in inputs)
        num_hidden = parameters[0].shape[1] * (1 if orbits is None else orbits.order)
        table = layout.total(summed, parameters, inputs, axis=1)
        # A logarithm of zero would not be finite.
        smallest = float(np.finfo(table.dtype).tiny) ** 0.5
        shares = jnp.full((1,) * target.ndim, 1 / num_settings, target.dtype)
        return distance(target, jnp.maximum(table / float(num_hidden), smallest), shares)

    return over_runs(single)
