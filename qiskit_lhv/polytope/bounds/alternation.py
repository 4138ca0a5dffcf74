"""The heuristic oracle: strategies with large values of a Bell expression, found by alternation.

The strategies of all parties but one are kept fixed, and the remaining party answers as well as possible. The parties
take turns until none of them improves the value. Many starts run side by side as matrix products. The value found is
reached by a strategy, but another strategy may exceed it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..._support.types import FloatArray, IntArray
from ...models.deterministic import signs_of_strategies, strategies_of_signs
from ...targets.coordinates import to_party_axes
from ...targets.scenario import BellScenario

__all__ = ["Alternation"]


_MAX_ROUNDS = 500
_CHUNK_ENTRIES = 1 << 25


@dataclass(frozen=True)
class Alternation:
    """Alternating maximization of Bell expressions of one scenario.

    If all parties have two outcomes, expressions are given on correlators, shape
    ``(m_1 + 1, ..., m_N + 1)``, and a party's answers are the signs (1, A_1, ..., A_m); otherwise on the
    table regrouped by party, shape ``(m_1 d_1, ..., m_N d_N)``, and the answers are one-hot.
    """

    scenario: BellScenario
    """The scenario."""

    def improve(self, tensor: FloatArray, starts: IntArray) -> tuple[FloatArray, IntArray]:
        """Improves strategies until no party alone can.

        Args:
            tensor: The expression: correlator coefficients or coefficients by party, see the class.
            starts: Strategies to start from, shape ``(K, m_1 + ... + m_N)``. What the first party does
                there is not used.

        Returns:
            Values, shape ``(K,)``, and strategies, shape ``(K, m_1 + ... + m_N)``, in the order of the starts.
        """
        n = self.scenario.num_parties
        scale = float(np.abs(tensor).max()) or 1.0
        # Single precision is enough to choose strategies; their values are computed anew where they matter.
        tensor = np.ascontiguousarray(tensor / scale, dtype=np.float32)
        flattened = [np.ascontiguousarray(np.moveaxis(tensor, k, -1)) for k in range(n)]
        chunk = max(1, _CHUNK_ENTRIES // max(1, tensor.size // min(tensor.shape)))
        parts = [self._alternate(flattened, starts[i : i + chunk]) for i in range(0, len(starts), chunk)]
        return scale * np.concatenate([v for v, _ in parts]), np.concatenate([s for _, s in parts])

    def random_starts(self, count: int, rng: np.random.Generator) -> IntArray:
        """Random strategies, shape ``(count, m_1 + ... + m_N)``."""
        if not self.scenario.has_equal_outcomes:
            return np.hstack([rng.integers(party, size=(count, len(party))) for party in self.scenario.num_outcomes])
        sizes = zip(self.scenario.num_settings, self.scenario.max_outcomes, strict=True)
        return np.hstack([rng.integers(d, size=(count, m)) for m, d in sizes])

    def perturbed(self, strategies: IntArray, fraction: float, rng: np.random.Generator) -> IntArray:
        """Strategies with a fraction of the answers replaced by random ones."""
        other = self.random_starts(len(strategies), rng)
        return np.where(rng.random(strategies.shape) < fraction, other, strategies)

    def _alternate(self, flattened: list[Any], starts: IntArray) -> tuple[FloatArray, IntArray]:
        n = self.scenario.num_parties
        count = len(starts)
        answers = [self._encode(starts, k) for k in range(n)]
        best = np.full(count, -np.inf, dtype=np.float32)
        values = best
        for _ in range(_MAX_ROUNDS):
            before = list(answers)
            for k in range(n):
                others = [answers[j] for j in range(n) if j != k]
                answers[k], values = self._best_answers(_contract(flattened[k], others, count), k)
            # Answers that changed at equal value may let another party do better.
            stalled = values <= best + 1e-6 * np.abs(values)
            for old, new in zip(before, answers, strict=True):
                stalled &= np.all(old == new, axis=1)
            if np.all(stalled):
                break
            best = values
        return values.astype(np.float64), np.hstack([self._decode(answers[k], k) for k in range(n)])

    def _encode(self, strategies: IntArray, party: int) -> Any:
        start = sum(self.scenario.num_settings[:party])
        m, d = self.scenario.num_settings[party], self.scenario.max_outcomes[party]
        own = strategies[:, start : start + m]
        if self.scenario.is_two_outcome:
            return signs_of_strategies(own, np.float32)
        return np.eye(d, dtype=np.float32)[own].reshape(len(own), m * d)

    def _decode(self, answers: Any, party: int) -> IntArray:
        m, d = self.scenario.num_settings[party], self.scenario.max_outcomes[party]
        if self.scenario.is_two_outcome:
            return strategies_of_signs(answers)
        return answers.reshape(len(answers), m, d).argmax(axis=2)

    def _best_answers(self, responses: Any, party: int) -> tuple[Any, Any]:
        if self.scenario.is_two_outcome:
            signs = np.where(responses >= 0, np.float32(1), np.float32(-1))
            values = np.abs(responses[:, 1:]).sum(axis=1) + responses[:, 0]
            signs[:, 0] = 1
            return signs, values
        m, d = self.scenario.num_settings[party], self.scenario.max_outcomes[party]
        cells = responses.reshape(len(responses), m, d)
        if not self.scenario.has_equal_outcomes:
            cells = np.where(self.scenario.party_masks[party], cells, np.float32(-np.inf))
        return np.eye(d, dtype=np.float32)[cells.argmax(axis=2)].reshape(len(cells), m * d), cells.max(axis=2).sum(
            axis=1
        )

    def tensor_of(self, coefficients: FloatArray) -> FloatArray:
        """The tensor of a table of coefficients, shape ``(m_1, ..., m_N, d_1, ..., d_N)``."""
        from ...targets import coordinates

        axes = to_party_axes(coefficients, self.scenario)
        if not self.scenario.is_two_outcome:
            return axes
        maps = [matrix.T for matrix in coordinates.full_table_from_correlator_matrices(self.scenario)]
        return coordinates.apply_per_party(axes, maps)


def _contract(tensor: Any, others: list[Any], count: int) -> Any:
    """Responses of the party on the last axis to the answers of the others, shape ``(K, size)``."""
    if not others:
        return np.broadcast_to(tensor, (count, len(tensor)))
    shape = tensor.shape
    # The first of the others by one matrix product for all starts, the rest start by start.
    responses = (others[0] @ tensor.reshape(shape[0], -1)).reshape(count, *shape[1:])
    for answers in others[1:]:
        responses = np.einsum("ki,ki...->k...", answers, responses)
    return responses
