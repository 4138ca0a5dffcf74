"""Searches for a visibility threshold: a linear program for few coordinates, conditional gradients for many."""

from __future__ import annotations

import math
import os
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..._support.checkpoints import ArrayCheckpoint, fingerprint
from ..._support.deadlines import Deadline
from ..._support.highs import LinearSolution
from ..._support.progress import ProgressBar
from ..._support.rounding import round_up, small_integers
from ..._support.types import FloatArray, IntArray
from ..._support.validation import generator
from ...exceptions import SolverError
from ...models.deterministic import DeterministicModel
from ...targets.behaviors import Behavior
from ...verification.models import exact_strategy_value
from ..bounds.local_bounds import LocalBound, enumeration_size, local_bound
from ..bounds.strategy_programs import COLUMNS_PER_ROUND, PRICE_TOLERANCE, improving_strategies
from ..expressions.expression import BellExpression
from ..inequalities.bell_inequality import BellInequality
from ..symmetry.reduced_coordinates import Reduction
from ..symmetry.symmetrized_model import SymmetrizedModel
from .conditional_gradient import ConditionalGradient, StrategyOracle
from .staged_search import VisibilitySearch
from .threshold import MODEL_ATOL, Threshold, crossing_visibility
from .visibility_program import VisibilityProgram

__all__ = ["MAX_COORDINATES", "generate_columns", "search_by_gradients"]


# Above this number of coordinates the linear program takes longer than conditional gradients.
MAX_COORDINATES = 250
_TIDY_TOLERANCE = 1e-8
# Up to this number of strategies, the exact oracle costs no more than the heuristic oracle.
_ALWAYS_EXACT = 1 << 10
_EXACT_ROUNDS = 1 << 16
# For the exact bound of the inequality: what is always done, and what is done where the caller has set no time limit.
_QUICK_WORK = 1e10
_LONG_WORK = 5e10
# Above this number of coordinates, the linear program starts from the atoms of a coarse search; above the second one
# where its own columns come from the heuristic oracle, whose many rounds each take a solution.
_WARM_START, _WARM_START_HEURISTIC = 60, 20
# Number of times the heuristic oracle tries other random starts before a program counts as solved.
_LAST_LOOKS = 10
# Margins of the coarse search: smaller where no exact oracle finds the strategies that it misses.
_COARSE, _COARSE_HEURISTIC = 1e-2, 1e-4
_NEAR_ENOUGH_TO_MEND = 1e-2
_EXACT = 1e-9
# Relative distances below the estimated threshold at which models are made.
_MARGINS = (1e-2, 2e-3, 4e-4, 1e-4)
_LARGEST_LIFT = 20000


def generate_columns(
    behavior: Behavior,
    noise: Behavior,
    reduction: Reduction,
    strategies: IntArray,
    max_visibility: float,
    deadline: Deadline,
    seed: int | None,
) -> Threshold:
    """Solves the linear program over the known strategies, while an oracle adds strategies that improve it.

    Args:
        behavior: The behavior.
        noise: The noise.
        reduction: Coordinates that fit both.
        strategies: Strategies to start from; mixtures of them contain the noise.
        max_visibility: Largest visibility considered.
        deadline: When to stop.
        seed: Seed of the heuristic oracle.

    Raises:
        SolverError: If the linear program fails.
    """
    scenario = behavior.scenario
    size = enumeration_size(scenario)
    rng = generator(seed)
    heuristic = StrategyOracle(reduction, num_atoms=COLUMNS_PER_ROUND)
    strategies = reduction.distinct(strategies)
    if len(reduction.sizes) > (_WARM_START if size <= _EXACT_ROUNDS else _WARM_START_HEURISTIC):
        # Most of the columns that matter, found without a single solution of the program.
        near_enough = _COARSE if size <= _EXACT_ROUNDS else _COARSE_HEURISTIC
        search = _ThresholdSearch(reduction, behavior, noise, seed, near_enough)
        search.gradient.add(0, strategies.astype(np.int8))
        with ProgressBar(None, False) as bar:
            search.run(None, max_visibility, deadline, bar)
        strategies = reduction.distinct(np.concatenate([strategies, search.gradient.atoms(0)[0].astype(np.int64)]))
    program = VisibilityProgram(
        reduction.coordinates(behavior), reduction.coordinates(noise), max_visibility, reduction.columns
    )
    program.add_strategies(strategies)
    proof: tuple[float, BellInequality | None] = (math.inf, None)

    def better(found: IntArray, prices: FloatArray) -> IntArray:
        # Every strategy known so far has <prices, table> <= 0; one with more improves the program.
        return found[reduction.columns(found) @ prices > PRICE_TOLERANCE]

    def improving(solution: LinearSolution) -> IntArray:
        nonlocal proof
        visibility, weights, prices = program.parts(solution)
        new = strategies[:0]
        if size > _ALWAYS_EXACT:
            used = weights > 1e-12
            for _ in range(_LAST_LOOKS if size > _EXACT_ROUNDS else 1):
                found = heuristic.search(prices, program.strategies[used], weights[used], rng)
                new = better(found.astype(np.int64), prices)
                if len(new) or deadline.over:
                    break
        if not len(new) and size <= _EXACT_ROUNDS:
            new = reduction.distinct(improving_strategies(reduction.expression(prices), scenario))
        if not len(new):
            proof = _upper_bound(prices, reduction, behavior, noise, visibility, seed, deadline)
            upper, inequality = proof
            if size > _EXACT_ROUNDS and inequality is not None and upper > visibility + _TIDY_TOLERANCE:
                # Perhaps the exact bound of the inequality has found what the heuristic oracle missed.
                new = better(inequality.bound.strategy[None], prices)
        return new

    solution, finished = program.generate(improving, deadline)
    visibility, weights, prices = program.parts(solution)
    if not finished:
        proof = _upper_bound(prices, reduction, behavior, noise, visibility, seed, deadline)
    upper, inequality = proof
    estimate = upper if finished else (visibility + min(upper, max_visibility)) / 2
    mixture = (visibility, program.strategies, weights)
    result = _result(behavior, noise, reduction, mixture, upper, inequality, estimate, max_visibility)
    return replace(result, timed_out=(not finished or not result.upper_is_proven) and deadline.over)


class _ThresholdSearch(VisibilitySearch):
    """Approaches visibilities until a mixture reproduces one exactly, up to rounding, or comes ``near_enough``."""

    def __init__(
        self,
        reduction: Reduction,
        behavior: Behavior,
        noise: Behavior,
        seed: int | None,
        near_enough: float | None = None,
    ) -> None:
        self.near_enough = near_enough
        gradient = ConditionalGradient(reduction, [StrategyOracle(reduction)], seed)
        super().__init__(gradient, reduction.coordinates(behavior), reduction.coordinates(noise), _MARGINS)
        self.mixture: tuple[float, IntArray, FloatArray] | None = None
        # The visibility at which mending was tried last, and calls that pass, and have passed, since its last failure.
        self._tried, self._pause, self._waited = math.nan, 0, 0

    def proven(self, visibility: float, *, now: bool = False) -> float:
        """Returns the visibility itself if the weights can be mended to reproduce it, otherwise 0.

        Mending takes long. After every failure about twice as many calls pass before the next try, unless ``now``.
        """
        distance = self.gradient.distance(self.at(visibility))
        if self.near_enough is not None:
            return visibility if distance < self.near_enough else 0.0
        if distance < _EXACT:
            return visibility
        if distance >= _NEAR_ENOUGH_TO_MEND:
            return 0.0
        if visibility != self._tried:
            self._tried, self._pause, self._waited = visibility, 0, 0
        if self._waited < self._pause and not now:
            self._waited += 1
            return 0.0
        if self.gradient.mend(self.at(visibility), _EXACT / 2):
            return visibility
        self._pause, self._waited = 2 * self._pause + 1, 0
        return 0.0

    def keep(self, visibility: float) -> None:
        """Remembers the mixture if it is exact."""
        if self.gradient.distance(self.at(visibility)) < _EXACT:
            self.mixture = (visibility, *self.gradient.atoms(0))

    def state(self) -> dict[str, NDArray[Any]]:
        """The arrays that a checkpoint holds."""
        arrays = super().state()
        if self.mixture is not None:
            visibility, arrays["best_rows"], arrays["best_weights"] = self.mixture
            arrays["best_visibility"] = np.array(visibility)
        return arrays

    def restore_best(self, arrays: dict[str, NDArray[Any]]) -> None:
        """Restores the best mixture from a checkpoint."""
        if "best_rows" in arrays:
            self.mixture = (float(arrays["best_visibility"]), arrays["best_rows"], arrays["best_weights"])


def search_by_gradients(
    behavior: Behavior,
    noise: Behavior,
    reduction: Reduction,
    strategies: IntArray,
    max_visibility: float,
    deadline: Deadline,
    seed: int | None,
    progress: bool | None,
    checkpoint: str | os.PathLike[str] | None,
    max_calls: float = math.inf,
    max_work: float = math.inf,
) -> Threshold:
    """Conditional gradients: models for visibilities closer and closer to the threshold.

    Args and errors as of :func:`generate_columns`; and whether to show a progress bar, where to keep the state, and
    after how many calls of the oracle, and how much work, to end.
    """
    search = _ThresholdSearch(reduction, behavior, noise, seed)
    file = None
    if checkpoint is not None:
        # The table alone does not distinguish padding from outcomes that never happen.
        facts = {} if behavior.scenario.has_equal_outcomes else {"outcomes": behavior.scenario.num_outcomes}
        run = fingerprint(behavior=behavior.array, noise=noise.array, group=len(reduction.symmetry), seed=seed, **facts)
        file = ArrayCheckpoint(checkpoint, run)
        search.restore(file)
    if not search.gradient.num_atoms:
        search.gradient.add(0, reduction.distinct(strategies).astype(np.int8))
    with ProgressBar(None, progress, "call") as bar:
        search.run(None, max_visibility, deadline, bar, file, max_calls=max_calls, max_work=max_work)
    search_timed_out = deadline.over
    # Without even the first stage: the noise itself is a mixture of the strategies that came in.
    mixture = search.mixture or (0.0, *_mixture_of_noise(noise, reduction, strategies))
    upper, inequality = math.inf, None
    if search.separation is not None:
        upper, inequality = _upper_bound(search.separation, reduction, behavior, noise, mixture[0], seed, deadline)
    result = _result(behavior, noise, reduction, mixture, upper, inequality, search.ceiling, max_visibility)
    return replace(result, timed_out=search_timed_out or _proof_timed_out(result, deadline))


def _proof_timed_out(result: Threshold, deadline: Deadline) -> bool:
    """Returns whether the exact bound is missing because time ran out."""
    return not result.upper_is_proven and deadline.over


def _mixture_of_noise(noise: Behavior, reduction: Reduction, strategies: IntArray) -> tuple[IntArray, FloatArray]:
    from scipy.optimize import nnls

    strategies = reduction.distinct(strategies)
    weights, _ = nnls(reduction.columns(strategies).T, reduction.coordinates(noise))
    return strategies, weights


def _result(
    behavior: Behavior,
    noise: Behavior,
    reduction: Reduction,
    mixture: tuple[float, IntArray, FloatArray],
    upper: float,
    inequality: BellInequality | None,
    estimate: float,
    max_visibility: float,
) -> Threshold:
    """The threshold with its model, checked; strategies are written out unless they are too many."""
    visibility, strategies, weights = mixture
    used = weights > 1e-13
    symmetrized = SymmetrizedModel(
        weights[used] / math.fsum(weights[used]), strategies[used].astype(np.int8), reduction.symmetry
    )
    model: DeterministicModel | SymmetrizedModel = symmetrized
    if np.count_nonzero(used) * len(reduction.symmetry) <= _LARGEST_LIFT:
        model = symmetrized.to_deterministic()
    if inequality is not None and not inequality.bound.exact and upper < visibility:
        # The model is local above the claimed bound, so one of its strategies exceeds it.
        inequality = _raised(inequality, strategies[used])
        crossing = crossing_visibility(inequality, behavior, noise)
        upper = math.inf if crossing is None else round_up(crossing)
    if upper >= max_visibility:
        upper, inequality = max_visibility, None
    lower = max(0.0, min(visibility, upper))
    proven = lower >= max_visibility if inequality is None else inequality.bound.exact
    estimate = lower if upper - lower < 1e-6 else min(max(estimate, lower), upper)
    result = Threshold(lower, estimate, upper, proven, behavior, noise, model, inequality)
    check = model.verify(result.mixture(result.lower), MODEL_ATOL)
    if not check:
        raise SolverError(f"nonlocality_threshold: the model found is inaccurate: {check.reason}.")
    return result


def _raised(inequality: BellInequality, strategies: IntArray) -> BellInequality:
    """Returns the inequality with its bound raised to the largest value of these strategies, if that is larger."""
    coefficients = inequality.expression.coefficients
    sizes = inequality.expression.scenario.num_outcomes
    values = [exact_strategy_value(coefficients, row, sizes) for row in strategies.astype(np.int64)]
    best = max(range(len(values)), key=values.__getitem__)
    if values[best] <= inequality.bound.value:
        return inequality
    return BellInequality(
        inequality.expression, LocalBound(round_up(values[best]), strategies[best].astype(np.int64), False)
    )


def _upper_bound(
    prices: FloatArray,
    reduction: Reduction,
    behavior: Behavior,
    noise: Behavior,
    visibility: float,
    seed: int | None,
    deadline: Deadline,
) -> tuple[float, BellInequality | None]:
    """Returns the inequality of the prices with its exact bound, and the visibility above which it is violated."""
    # The price of the normalization only shifts the bound, which is computed again.
    prices = prices.copy()
    prices[0] = 0
    largest = float(np.abs(prices).max())
    if largest == 0:
        return math.inf, None
    numbers = prices / reduction.sizes
    numbers = numbers / np.abs(numbers).max()
    for integers in (small_integers(numbers), reduction.fine_integers(numbers)):
        if integers is None:
            continue
        expression = BellExpression(reduction.integer_expression(integers), reduction.scenario)
        inequality = BellInequality(expression, _best_bound(expression, seed, deadline))
        crossing = crossing_visibility(inequality, behavior, noise)
        upper = math.inf if crossing is None else round_up(crossing)
        # Small integers are the tidy form of the prices, unless they only happen to lie near.
        if upper <= visibility + _TIDY_TOLERANCE:
            break
    return upper, inequality


def _best_bound(expression: BellExpression, seed: int | None, deadline: Deadline) -> LocalBound:
    """Returns the exact bound if the caller's time or a budget of work suffices, otherwise the heuristic bound."""
    bound = local_bound(expression, seed=seed, max_work=_QUICK_WORK)
    if bound.exact:
        return bound
    if not deadline.limited:
        return local_bound(expression, seed=seed, max_work=_LONG_WORK)
    return bound if deadline.over else local_bound(expression, seed=seed, time_limit=deadline.left)
