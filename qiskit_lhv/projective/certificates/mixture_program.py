"""The conic program that splits a two-qubit state into parts that are local for different reasons."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..._support.conic import Cone, ConicRows, minimize_over_cones
from ..._support.deadlines import NO_LIMIT, Deadline
from ..._support.types import FloatArray
from ...exceptions import SolverError
from ...verification.hidden_states import enlarged_for_povms
from .hidden_states import hidden_state_frame
from .pauli_cones import decomposition_rows, images_of_werner_rows

__all__ = ["Mixture", "MixtureProgram"]


_ROUNDS = 40
_FEW_ROUNDS = 12
_FIRST_CUTS, _CUTS = 80, 100
_CANDIDATES = 20_000
# Facets count as neighbors if the cosine of the angle between them is larger than this.
_NEIGHBOR = 0.985
_VIOLATION = 2e-6
# Facets that are satisfied with a margin larger than this, in units of their width, need no further check.
_ROOM = 0.01
_MAX_SLACK = 1.0


@dataclass(frozen=True)
class Mixture:
    """The parts of a mixture."""

    parts: FloatArray
    """Correlations of the parts that are unsteerable from party 0 and from party 1, shape ``(2, 4, 4)``."""
    weights: tuple[FloatArray, FloatArray]
    """Weights of the hidden states of either part."""
    maps: FloatArray
    """The maps of the Werner state, shape ``(2, 4, 4)``."""
    positive_parts: FloatArray
    """Their completely positive parts."""


class MixtureProgram:
    """Maximizes the visibility of a mixture, and adds facets as constraints when they turn out to be violated.

    The variables are the visibility, a slack (how far inside all cones the solution lies), for either steering party
    the weights of the hidden states and the part's correlations, and the two maps with their completely positive parts.

    Args:
        tensor: The state's correlations, shape ``(4, 4)``.
        count: Number of axes of the hidden states.
        werner: Visibility of the Werner state.
        cap: Largest visibility.
        for_povms: Whether the parts must be local for all POVMs. Then the steering parties' Bloch vectors are enlarged,
            and the maps need not scale the trace.
    """

    def __init__(self, tensor: FloatArray, count: int, werner: float, cap: float, for_povms: bool = False) -> None:
        self.werner = werner
        self.for_povms = for_povms
        frames = [hidden_state_frame(self._steering(correlations), count) for correlations in (tensor, tensor.T)]
        self.states = [states for states, _, _ in frames]
        self.normals = [normals for _, normals, _ in frames]
        self.widths = [widths for _, _, widths in frames]
        self.means = [widths.mean(axis=1) for widths in self.widths]
        self.size = 2 * count
        self._q = [2, 2 + self.size + 16]
        self._t = [start + self.size for start in self._q]
        self._maps = [2 * (self.size + 16) + 2 + 32 * k for k in range(2)]
        self._parts = [start + 16 for start in self._maps]
        self._num = self._parts[1] + 16
        self._fixed = self._constraints(tensor, cap)
        self._cuts: list[NDArray[np.intp]] = []
        for k, correlations in enumerate((tensor, tensor.T)):
            radii = np.linalg.norm(self.normals[k] @ self._steering(correlations)[1:].T, axis=1)
            self._cuts.append(np.argsort(-radii / self.means[k], kind="stable")[:_FIRST_CUTS])

    def largest_visibility(self, deadline: Deadline = NO_LIMIT) -> float | None:
        """Returns the largest visibility of a mixture or one slightly below it, or ``None`` if the solver fails.

        Args:
            deadline: When to stop.
        """
        cost = np.zeros(self._num)
        cost[0] = -1
        fixed = np.zeros(self._num)
        fixed[1] = 1
        best = None
        for _ in range(_ROUNDS):
            found = self._solve(cost, (fixed, 0.0))
            if found is None:
                return best
            worst = self._tighten(found, 0.0)
            # White noise makes up for the violation of facets that are not constraints yet.
            best = max(best or 0.0, float(found[0]) / (1 + max(0.0, -worst)))
            if worst > -_VIOLATION or deadline.over:
                break
        return best

    def mixture(self, visibility: float, deadline: Deadline = NO_LIMIT) -> Mixture | None:
        """Returns a mixture of smaller visibility as far inside all cones as possible, or ``None`` if the solver fails.

        Args:
            visibility: The visibility.
            deadline: When to stop. The mixture found by then may violate facets.
        """
        cost = np.zeros(self._num)
        cost[1] = -1
        fixed = np.zeros(self._num)
        fixed[0] = 1
        found: FloatArray | None = None
        for _ in range(_FEW_ROUNDS):
            found = self._solve(cost, (fixed, visibility))
            if found is None or self._tighten(found, 0.5 * found[1]) >= 0.5 * found[1]:
                break
            if deadline.over:
                break
        if found is None:
            return None
        solution = found

        def square(start: int) -> FloatArray:
            return solution[start : start + 16].reshape(4, 4)

        first, second = (solution[start : start + self.size] for start in self._q)
        return Mixture(
            np.stack([square(start) for start in self._t]),
            (first, second),
            np.stack([square(start) for start in self._maps]),
            np.stack([square(start) for start in self._parts]),
        )

    def _steering(self, tensor: FloatArray) -> FloatArray:
        """Returns the correlations, the steering party's index first, that must be those of an unsteerable part."""
        enlarged: FloatArray = enlarged_for_povms(tensor) if self.for_povms else tensor
        return enlarged

    def _constraints(self, tensor: FloatArray, cap: float) -> list[ConicRows]:
        """Returns all rows except those of the facets."""
        one = np.eye(self._num)
        equal: list[FloatArray] = []
        for k in range(2):
            for j in range(4):
                row = np.zeros(self._num)
                row[self._q[k] : self._q[k] + self.size] = self.states[k][:, j]
                row[self._entry(k, 0, j)] = -1
                equal.append(row)
            if not self.for_povms:
                equal += [one[self._maps[k] + j] for j in (1, 2, 3)]
        positive = [-one[start + i] for start in self._q for i in range(self.size)]
        maps, parts = (np.stack([one[start : start + 16] for start in starts]) for starts in (self._maps, self._parts))
        rest = -images_of_werner_rows(maps, self.werner)
        rest[1:, 0] += tensor.ravel()[1:]
        for start in self._t:
            rest -= one[start : start + 16]
        limits = np.concatenate([[cap, _MAX_SLACK], np.zeros(len(positive))])
        return [
            ConicRows(Cone.ZERO, np.array(equal), np.zeros(len(equal))),
            ConicRows(Cone.NONNEGATIVE, np.array([one[0], one[1], *positive]), limits),
            decomposition_rows(rest, maps, parts, one[1]),
        ]

    def _entry(self, k: int, i: int, j: int) -> int:
        """Returns the variable of part k with index i of its steering party and index j of the other party."""
        return self._t[k] + (4 * i + j if k == 0 else 4 * j + i)

    def _facets(self, k: int) -> ConicRows:
        """Returns the cones ``|M C| <= sum_k w_k |C . (1, u_k)| - slack * (mean width)``, four rows each."""
        from scipy import sparse

        chosen = self._cuts[k]
        num = len(chosen)
        (scale,) = self._steering(np.ones((2, 1)))[1]
        heads = np.zeros((num, self._num))
        heads[:, self._q[k] : self._q[k] + self.size] = -self.widths[k][chosen]
        heads[:, 1] = self.means[k][chosen]
        rows, columns, values = [], [], []
        for i in (1, 2, 3):
            for j in range(4):
                rows.append(4 * np.arange(num) + i)
                columns.append(np.full(num, self._entry(k, i, j)))
                values.append(-scale * self.normals[k][chosen, j])
        r, c = np.nonzero(heads)
        rows.append(4 * r)
        columns.append(c)
        values.append(heads[r, c])
        index = (np.concatenate(rows), np.concatenate(columns))
        matrix = sparse.coo_array((np.concatenate(values), index), shape=(4 * num, self._num))
        return ConicRows(Cone.SECOND_ORDER, matrix, np.zeros(4 * num), size=4)

    def _solve(self, cost: FloatArray, fixed: tuple[FloatArray, float]) -> FloatArray | None:
        row, value = fixed
        blocks = [ConicRows(Cone.ZERO, row[None], np.array([value])), *self._fixed, self._facets(0), self._facets(1)]
        try:
            return minimize_over_cones("mix_local_models", cost, blocks).values
        except SolverError:
            return None

    def _tighten(self, found: FloatArray, least: float) -> float:
        """Returns the smallest margin in units of the width, and adds facets with little margin and drops others."""
        lowest = math.inf
        for k in range(2):
            weights = found[self._q[k] : self._q[k] + self.size]
            part = found[self._t[k] : self._t[k] + 16].reshape(4, 4)
            part = self._steering(part if k == 0 else part.T)
            room = (self.widths[k] @ weights - np.linalg.norm(self.normals[k] @ part[1:].T, axis=1)) / self.means[k]
            lowest = min(lowest, float(room.min()))
            kept = self._cuts[k][room[self._cuts[k]] < least + _ROOM]
            self._cuts[k] = np.union1d(kept, _distinct(self.normals[k], room, least))
        return lowest


def _distinct(normals: FloatArray, room: FloatArray, least: float) -> NDArray[np.intp]:
    """Returns the facets below a margin, one per neighborhood since neighbors are nearly the same constraint."""
    order = np.argsort(room, kind="stable")[:_CANDIDATES]
    order = order[room[order] < least]
    left = np.ones(len(order), dtype=bool)
    chosen: list[int] = []
    while len(chosen) < _CUTS and left.any():
        first = int(np.argmax(left))
        chosen.append(int(order[first]))
        left &= np.abs(normals[order] @ normals[order[first]]) < _NEIGHBOR
    return np.array(chosen, dtype=np.intp)
