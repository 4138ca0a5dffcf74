"""Local models that are averages of deterministic strategies over a group of relabelings."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from ..._support.types import FloatArray
from ..._support.validation import at_most, frozen
from ...exceptions import ScenarioError
from ...models.deterministic import DeterministicModel, check_strategies
from ...models.local_model import LocalModel, check_weights, reproduction, select_settings
from ...targets import coordinates
from ...targets.behaviors import Behavior
from ...targets.scenario import BellScenario
from ...verification.models import exact_model_deviation
from ...verification.result import Verification
from .reduced_coordinates import Reduction
from .relabelings import Symmetry

__all__ = ["SymmetrizedModel"]


_MAX_LIFTED = 1 << 20


@dataclass(frozen=True, eq=False, repr=False)
class SymmetrizedModel(LocalModel):
    """A local model: deterministic strategies, each averaged over a group of relabelings.

    It represents a :class:`~qiskit_lhv.models.DeterministicModel` that would be too large to write down.

    Args:
        weights: Shape ``(H,)``, non-negative, summing to 1 within 1e-9.
        strategies: Outcomes, shape ``(H, m_1 + ... + m_N)``.
        symmetry: The relabelings.

    Raises:
        ScenarioError: If shapes do not fit, weights are not probabilities or an outcome is out of range.

    References:
        S. Designolle, T. Vertesi, S. Pokutta, Phys. Rev. A 109, 022205 (2024), arXiv:2310.20677 (symmetric inequalities
        and models).

    Examples:
        >>> from qiskit_lhv import BellScenario
        >>> from qiskit_lhv.polytope import Relabeling, Symmetry
        >>> scenario = BellScenario((2, 2), (2, 2))
        >>> flip = Relabeling.of(scenario, outcomes=[[[1, 0], [1, 0]]] * 2)  # all outcomes of both parties
        >>> model = SymmetrizedModel([1.0], [[0, 0, 0, 1]], Symmetry.generated_by([flip], scenario))
        >>> model.to_deterministic().strategies.tolist(), bool(model.verify())
        ([[0, 0, 0, 1], [1, 1, 1, 0]], True)
        >>> print(model.behavior().to_correlators())  # no marginals are left
        [[ 1.  0.  0.]
         [ 0.  1. -1.]
         [ 0.  1. -1.]]
    """

    weights: FloatArray
    """Probability of each strategy, shape ``(H,)``."""
    strategies: NDArray[np.int8]
    """Outcomes, shape ``(H, m_1 + ... + m_N)``."""
    symmetry: Symmetry
    """The relabelings, equally likely."""

    def __post_init__(self) -> None:
        weights = check_weights(self.weights)
        strategies = check_strategies(self.strategies, len(weights), self.scenario)
        object.__setattr__(self, "weights", weights)
        object.__setattr__(self, "strategies", frozen(strategies.astype(np.int8)))

    def __repr__(self) -> str:
        return f"SymmetrizedModel({len(self.weights)} strategies x {len(self.symmetry)} relabelings, {self.scenario})"

    @property
    def scenario(self) -> BellScenario:
        """The number of settings and outcomes of each party."""
        return self.symmetry.scenario

    @cached_property
    def _table(self) -> Behavior:
        reduction = Reduction.of(self.symmetry)
        tensor = reduction.spread(self.weights @ reduction.columns(self.strategies.astype(np.int64)))
        if self.scenario.is_two_outcome:
            return Behavior.from_correlators(tensor)
        if self.symmetry.num_generators:
            cells = (slice(1, None),) * tensor.ndim
            return Behavior(coordinates.from_party_axes(tensor[cells], self.scenario), self.scenario)
        return Behavior.from_collins_gisin(tensor, self.scenario)

    def behavior(self, settings: Sequence[int | None] | None = None) -> Behavior:
        """The behavior that the model produces.

        Args:
            settings: For each party, the setting to keep, or ``None`` to keep all its settings; default: keep all.

        Raises:
            ScenarioError: If a setting is out of range.
        """
        return select_settings(self._table, settings)

    def to_deterministic(self) -> DeterministicModel:
        """The model with every image of every strategy written down.

        Raises:
            ScenarioError: If there are more than a million of them.
        """
        count = len(self.weights) * len(self.symmetry)
        at_most(count, _MAX_LIFTED, "model", ScenarioError, what="strategies", remedy="Use it as it is.")
        images = self.symmetry.images(self.strategies)
        distinct, which = np.unique(images, axis=0, return_inverse=True)
        spread = np.tile(self.weights / len(self.symmetry), len(self.symmetry))
        weights = np.bincount(which.ravel(), weights=spread).astype(np.float64)
        return DeterministicModel.from_weights(weights, distinct, self.scenario)

    def verify(self, target: Behavior | None = None, atol: float = 1e-9) -> Verification:
        """Re-checks the model in rational arithmetic, without the solver's code.

        Args:
            target: A behavior that the model should reproduce; default: only the model itself.
            atol: Largest deviation allowed in any probability.

        Returns:
            Whether the model reproduces the target, with the largest deviation.
        """
        size = f"{len(self.weights)} deterministic strategies, averaged over {len(self.symmetry)} relabelings,"
        if target is None:
            target = self._table
        if target.scenario != self.scenario:
            return Verification(False, f"the target has {target.scenario}, the model {self.scenario}", math.inf)
        try:
            deviation = exact_model_deviation(
                self.weights, self.strategies, target.array, self.symmetry.sources, self.symmetry.outcomes
            )
        except ScenarioError as exc:
            return Verification(False, str(exc), math.inf)
        return reproduction(size, deviation, atol)
