"""Blended pairwise conditional gradients: the mixture of strategies that comes closest to a point.

Atoms, the coordinates of strategies, are found by an oracle as they are needed. Among those known, weight
moves from the worst to the best, pair by pair, which needs no more than their Gram matrix: one step costs as
many operations as there are atoms. Only when that gains little is the oracle asked again.

References:
    arXiv:2110.12650 (blended pairwise conditional gradients), arXiv:2302.04721 (their use for local models).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ..._support.deadlines import Deadline
from ..._support.types import FloatArray, IntArray
from ..._support.validation import generator
from ...sweeps.pools import TaskPool
from ..bounds.alternation import Alternation
from ..symmetry.reduced_coordinates import Reduction
from .mixture_atoms import Atoms, atoms_of, capacity
from .nearest_mixture import nearest_mixture

__all__ = ["ConditionalGradient", "Ending", "Oracle", "StrategyOracle"]


_STARTS = 300
_ATOMS_PER_CALL = 30
# Starts that a worker improves at a time.
_STARTS_PER_TASK = 100
_PERTURBED = 0.15
_STEPS_PER_CALL = 6000
# Where mixtures that come near are mended at once, steps from atom to atom are faster above so many coordinates.
_MAX_CORRECTED = 350
_GAP_FRACTION = 0.1
# Distance at which a mixture reproduces a point, up to rounding.
_EXACT = 1e-9
# Relative to the mean, what makes the system of mending definite where coordinates depend on each other; what it
# falsifies, further solutions with the same factors correct.
_RIDGE = 1e-12
_REFINEMENTS = 4
_LATEST = 150


class Ending(StrEnum):
    """Why a run ended. The value of each member is a sentence that says so."""

    CLOSE = "The mixture is as near as asked."
    SEPARATED = "No atom that was found exceeds the point in the direction of the prices."
    STOPPED = "The caller had seen enough."
    OUT_OF_TIME = "The time limit was reached."


class Oracle(Protocol):
    """Finds atoms with large values of a linear function."""

    def search(self, prices: FloatArray, known: NDArray[Any], weights: FloatArray, rng: np.random.Generator) -> Any:
        """The best atoms found, best first, as rows that describe them.

        Args:
            prices: The linear function, coefficients on coordinates.
            known: Rows of the atoms of this oracle that carry weight.
            weights: Their weights.
            rng: Random generator.
        """

    def factors(self, rows: NDArray[Any]) -> list[NDArray[Any]]:
        """For each party a vector, the first entry 1, whose products atoms are, shapes ``(K, size of the axis)``."""


@dataclass(frozen=True)
class StrategyOracle:
    """Deterministic strategies, by alternation from random starts and from strategies that carry weight."""

    reduction: Reduction
    """The coordinates."""
    num_starts: int = _STARTS
    """Number of random starts of each call."""
    num_atoms: int = _ATOMS_PER_CALL
    """Largest number of atoms that a call returns."""
    pool: TaskPool | None = None
    """Workers that share the starts of a call; ``None``: this process."""

    def search(self, prices: FloatArray, known: IntArray, weights: FloatArray, rng: np.random.Generator) -> IntArray:
        """Returns the best strategies found, with distinct values, best first."""
        oracle = Alternation(self.reduction.scenario)
        warm = self.num_starts // 2 if len(known) else 0
        starts = oracle.random_starts(self.num_starts - warm, rng)
        if warm:
            chosen = known[rng.choice(len(known), warm, p=weights / weights.sum())]
            starts = np.concatenate([starts, oracle.perturbed(chosen, _PERTURBED, rng)])
        tensor = self.reduction.oracle_tensor(prices)
        if self.pool is None:
            values, strategies = oracle.improve(tensor, starts)
        else:
            # The parts do not depend on the workers, so that what is found does not either.
            scale = float(np.abs(tensor).max()) or 1.0
            # As the oracle itself scales it, so that nothing else is computed than in one process.
            single = (tensor / scale).astype(np.float32)
            parts = [starts[first : first + _STARTS_PER_TASK] for first in range(0, len(starts), _STARTS_PER_TASK)]
            found = self.pool.map(oracle.improve, [{"tensor": single, "starts": part} for part in parts])
            values, strategies = (np.concatenate(list(column)) for column in zip(*found, strict=True))
            values = scale * values
        order = np.argsort(-values, kind="stable")
        values = values[order]
        # Images of one strategy under the symmetry have one value.
        distinct = np.append(True, np.diff(values) < -1e-6 * np.abs(values[0]))
        return strategies[order[distinct][: self.num_atoms]].astype(np.int8)

    def factors(self, rows: NDArray[Any]) -> list[NDArray[Any]]:
        """Each party's part of strategies."""
        return self.reduction.factors(rows)


@dataclass
class ConditionalGradient:
    """Minimizes the Euclidean distance, over all cells of the tensor, of a mixture of atoms to a point.

    Args:
        reduction: The coordinates.
        oracles: Where atoms come from.
        seed: Seed, or ``None``.
        max_corrected: Largest number of coordinates with which every step finds the best weights of the atoms known,
            instead of moving weight from one to another.
    """

    reduction: Reduction
    oracles: list[Oracle]
    seed: int | None = None
    max_corrected: int = _MAX_CORRECTED
    best_bound: float = field(default=math.inf, init=False)
    """Bound of ``prices`` over the atoms that the oracles found for it."""
    prices: FloatArray = field(init=False)
    """Linear function of the last oracle call: minus the gradient, coefficients on coordinates."""

    def __post_init__(self) -> None:
        self._rng = generator(self.seed)
        self._scale = np.sqrt(self.reduction.sizes[1:].astype(np.float64))
        self.prices = np.zeros(len(self.reduction.sizes))
        self._rows: list[NDArray[Any]] = []
        self._kinds = np.empty(0, dtype=np.int64)
        self._atoms: Atoms | None = None
        self._gram = np.zeros((0, 0))
        self._mixed: FloatArray | None = None
        self._weights = np.empty(0)

    @property
    def corrects(self) -> bool:
        """Whether every step finds the best weights of the atoms known."""
        return len(self._scale) <= self.max_corrected

    @property
    def weights(self) -> FloatArray:
        """Weights of all atoms."""
        return self._weights

    def _weigh(self, weights: FloatArray) -> None:
        self._weights, self._mixed = weights, None

    def add(
        self, kind: int, rows: NDArray[Any], weights: FloatArray | None = None, *, atoms: Atoms | None = None
    ) -> None:
        """Adds atoms.

        Args:
            kind: Number of the oracle they belong to.
            rows: Rows that describe the atoms.
            weights: Their weights (the sum of all is to become 1); default: 0, or equal if they are the first.
            atoms: The same as vectors, if known.
        """
        if not len(rows):
            return
        new = self._vectors(kind, rows) if atoms is None else atoms
        before, total = len(self._rows), len(self._rows) + len(new)
        self._rows += list(rows)
        self._kinds = np.append(self._kinds, np.full(len(new), kind))
        if weights is None:
            weights = np.zeros(len(new)) if before else np.full(len(new), 1 / len(new))
        mixed = self._mixed if before and not np.any(weights) else None
        self._weigh(np.append(self._weights, weights))
        self._mixed = mixed
        if total > len(self._gram):
            gram = self._gram
            self._gram = np.zeros((capacity(total), capacity(total)))
            self._gram[:before, :before] = gram[:before, :before]
        if self._atoms is None:
            self._atoms = new
        else:
            self._atoms.add(new)
        block = new.inner(self._atoms)
        self._gram[before:total, :total] = block
        self._gram[:total, before:total] = block.T

    def _vectors(self, kind: int, rows: NDArray[Any]) -> Atoms:
        return atoms_of(self.reduction, self.oracles[kind].factors(rows))

    @property
    def _mixture(self) -> FloatArray:
        """The mixture without the normalization, scaled so that distances are those of the tensor."""
        if self._mixed is None:
            self._mixed = np.zeros(len(self._scale)) if self._atoms is None else self._atoms.mixture(self._weights)
        return self._mixed

    def atoms(self, kind: int) -> tuple[NDArray[Any], FloatArray]:
        """Rows and weights of the atoms of one oracle that carry weight."""
        chosen = np.flatnonzero((self._kinds == kind) & (self.weights > 0))
        return np.array([self._rows[i] for i in chosen]), self.weights[chosen]

    @property
    def random_state(self) -> dict[str, Any]:
        """The state of the random generator, as JSON can hold it."""
        return dict(self._rng.bit_generator.state)

    @random_state.setter
    def random_state(self, state: dict[str, Any]) -> None:
        self._rng.bit_generator.state = state

    @property
    def num_atoms(self) -> int:
        """Number of atoms that carry weight."""
        return int(np.count_nonzero(self.weights))

    def point(self) -> FloatArray:
        """Coordinates of the mixture, the normalization first."""
        return np.append(1.0, self._mixture / self._scale)

    def distance(self, target: FloatArray) -> float:
        """Euclidean distance of the mixture from a point, over all cells of the tensor."""
        return float(np.linalg.norm(self._residual(target)))

    def _residual(self, target: FloatArray) -> FloatArray:
        return self._mixture - target[1:] * self._scale

    def call_oracles(self, target: FloatArray) -> None:
        """Adds the atoms that lie farthest in the direction of a point from the mixture."""
        direction = -self._residual(target) if len(self.weights) else target[1:] * self._scale
        self.prices = np.append(0.0, direction * self._scale)
        here = float(direction @ self._mixture) if len(self.weights) else -math.inf
        self.best_bound = -math.inf
        for kind, oracle in enumerate(self.oracles):
            rows = oracle.search(self.prices, *self.atoms(kind), self._rng)
            new = self._vectors(kind, rows)
            values = new.along(direction)
            self.best_bound = max(self.best_bound, float(values.max()))
            # Atoms that lie no farther than the mixture itself are of no use, now or soon.
            new.keep(values > here)
            self.add(kind, rows[values > here], atoms=new)

    def step(self, target: FloatArray) -> float:
        """One oracle call and the pairwise steps that follow it.

        Args:
            target: Coordinates of the point to come close to.

        Returns:
            The distance reached.
        """
        self.call_oracles(target)
        self._move_weight(target)
        self._forget()
        return self.distance(target)

    def run(
        self,
        target: FloatArray,
        tolerance: float,
        deadline: Deadline,
        watch: Callable[[ConditionalGradient, float], bool] | None = None,
    ) -> Ending:
        """Takes steps until the mixture is within the tolerance, the point is separated, or time is up.

        Args:
            target: Coordinates of the point.
            tolerance: Distance that is near enough.
            deadline: When to stop.
            watch: Called after every step with this object and the distance; true stops the run.

        Returns:
            Why it ended.
        """
        while True:
            distance = self.step(target)
            if distance <= tolerance:
                return Ending.CLOSE
            if self.best_bound < self.prices @ target:
                return Ending.SEPARATED
            if watch is not None and watch(self, distance):
                return Ending.STOPPED
            if deadline.over:
                return Ending.OUT_OF_TIME

    def _move_weight(self, target: FloatArray) -> None:
        """Changes the weights of the known atoms so that their mixture comes nearly as close as possible."""
        if self._atoms is None:
            return
        slopes = self._atoms.along(self._residual(target))
        tolerance = _GAP_FRACTION * float(slopes[self.weights > 0].max() - slopes.min())
        weights = None
        if self.corrects:
            count, goal = len(self.weights), target[1:] * self._scale
            gram = self._gram[:count, :count]
            weights = nearest_mixture(gram, self._atoms.along(goal), float(goal @ goal), self.weights, tolerance)
        if weights is None:
            weights = self._moved_in_pairs(slopes, tolerance)
        self._weigh(weights / math.fsum(weights))

    def _moved_in_pairs(self, slopes: FloatArray, tolerance: float) -> FloatArray:
        """Returns weights after repeated moves from the atom with the largest slope to the one with the smallest.

        Args:
            slopes: Slopes of all atoms; they are updated in place.
            tolerance: Difference of slopes at which to stop.
        """
        count = len(self.weights)
        gram, weights = self._gram, self.weights.copy()
        squares = gram.diagonal()
        # Weight can be taken only from atoms that carry weight.
        barred = np.where(weights > 0, 0.0, -np.inf)
        change, sources = np.empty(count), np.empty(count)
        for _ in range(_STEPS_PER_CALL):
            np.add(slopes, barred, out=sources)
            to, source = int(slopes.argmin()), int(sources.argmax())
            gap = slopes[source] - slopes[to]
            if gap <= tolerance:
                break
            curvature = squares[source] + squares[to] - 2 * gram[source, to]
            held = weights[source]
            length = min(gap / curvature, held) if curvature > 0 else held
            weights[to] += length
            barred[to] = 0.0
            if length < held:
                weights[source] = held - length
            else:
                weights[source], barred[source] = 0.0, -np.inf
            np.subtract(gram[to, :count], gram[source, :count], out=change)
            change *= length
            slopes += change
        return weights

    def mend(self, target: FloatArray, tolerance: float = _EXACT) -> bool:
        """Corrects the weights by the smallest change that reproduces a point, if they stay positive.

        Args:
            target: Coordinates of the point.
            tolerance: Distance from it that rounding may leave.

        Returns:
            Whether the weights stay positive; if not, nothing is changed.
        """
        from scipy.linalg import LinAlgError, cho_factor, cho_solve

        used = np.flatnonzero(self.weights)
        if self._atoms is None or len(used) <= len(self._scale):
            return False
        before, roots = self._weights, np.sqrt(self._weights[used])
        # The mean of the atoms is left as it is: weights that sum to 0 are added.
        matrix = np.hstack([self._atoms.vectors(used), np.ones((len(used), 1))]) * roots[:, None]
        system = matrix.T @ matrix
        # Coordinates may depend on each other.
        system.flat[:: len(system) + 1] += _RIDGE * float(system.diagonal().mean())
        try:
            factor = cho_factor(system, lower=True, overwrite_a=True, check_finite=False)
        except LinAlgError:
            return False
        for _ in range(_REFINEMENTS):
            missing = np.append(-self._residual(target), 0.0)
            mended = self._weights.copy()
            mended[used] += roots * (matrix @ cho_solve(factor, missing, check_finite=False))
            if not np.all(mended[used] > 0):
                break
            self._weigh(mended / math.fsum(mended))
            if self.distance(target) <= tolerance:
                return True
        self._weigh(before)
        return False

    def _forget(self) -> None:
        """Drops atoms without weight, except the latest, when they have become many."""
        count = len(self.weights)
        if self._atoms is None or count < 1.25 * self.num_atoms + 2 * _LATEST:
            return
        kept = np.flatnonzero((self.weights > 0) | (np.arange(count) >= count - _LATEST))
        gram = np.zeros((capacity(len(kept)),) * 2)
        gram[: len(kept), : len(kept)] = self._gram[np.ix_(kept, kept)]
        self._atoms.keep(kept)
        self._gram, self._weights = gram, self._weights[kept]
        self._rows, self._kinds = [self._rows[i] for i in kept], self._kinds[kept]
