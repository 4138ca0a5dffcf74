"""Visibility thresholds: how much noise makes a behavior local, with both certificates."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from .._records import Record
from ..exceptions import ScenarioError, SolverError
from ..models.deterministic import DeterministicModel, constant_strategies, enumerate_strategies
from ..targets.behaviors import Behavior
from ..verification import Verification, combine, exact_value
from .bounds import best_strategies, local_bound
from .inequalities import BellExpression, BellInequality
from .linear_program import VisibilityProgram
from .reduction import Reduction

__all__ = ["Threshold", "nonlocality_threshold"]

FloatArray = NDArray[np.float64]

_ALL_COLUMNS = 300
_COLUMNS_PER_ROUND = 60
_PRICE_TOLERANCE = 1e-9
_MODEL_ATOL = 1e-9
_TIDY_TOLERANCE = 1e-8


@dataclass(frozen=True, eq=False, repr=False)
class Threshold(Record):
    """The visibility up to which a behavior, mixed with noise, is local; from below and from above."""

    lower: float
    """Visibility at which ``model`` reproduces the mixture."""
    estimate: float
    """Best estimate of the threshold."""
    upper: float
    """Visibility above which ``inequality`` is violated; the largest one considered, if there is none."""
    upper_is_proven: bool
    """Whether ``upper`` rests on an exact local bound."""
    behavior: Behavior
    """The behavior asked about."""
    noise: Behavior
    """The noise it is mixed with."""
    model: DeterministicModel
    """A local model of the mixture at visibility ``lower``."""
    inequality: BellInequality | None
    """A Bell inequality that the mixture violates above ``upper``; ``None`` if the search met none."""

    def __str__(self) -> str:
        return f"visibility threshold in [{self.lower:.9g}, {self.upper:.9g}]"

    def mixture(self, visibility: float) -> Behavior:
        """``visibility * behavior + (1 - visibility) * noise``; the visibility may exceed 1."""
        return Behavior(visibility * self.behavior.array + (1 - visibility) * self.noise.array)

    def verify(self, atol: float = _MODEL_ATOL) -> Verification:
        """Re-checks model, local bound and threshold in exact arithmetic, without the solver's code.

        Args:
            atol: Largest deviation of the model from the mixture, in any probability.
        """
        model = self.model.verify(self.mixture(self.lower), atol)
        if self.inequality is None:
            return model
        bound = self.inequality.verify()
        upper = _crossing(self.inequality, self.behavior, self.noise)
        consistent = upper is not None and upper <= Fraction(self.upper)
        crossing = "nowhere" if upper is None else f"{float(upper):.12g}"
        reached = Verification(consistent, f"the inequality is violated above visibility {crossing}")
        return combine(model, bound, reached)


def nonlocality_threshold(
    behavior: Behavior,
    *,
    noise: Behavior | None = None,
    max_visibility: float = 1.0,
    time_limit: float | None = None,
) -> Threshold:
    """Finds the largest visibility at which a behavior, mixed with noise, has a local model.

    A linear program over deterministic strategies, which are generated as they are needed by the
    exact local bound; its dual solution is a Bell inequality. Both are rounded to exact arithmetic:
    coefficients to integers, whose local bound is computed again.

    Args:
        behavior: A no-signaling behavior (within 1e-7).
        noise: A local behavior of the same scenario; default: white noise.
        max_visibility: Largest visibility considered. Above 1 the line from the noise through the
            behavior is extended, which tells how far inside the local set the behavior lies.
        time_limit: Seconds after which the interval found so far is returned; default: none.

    Returns:
        Lower and upper bound of the threshold, which agree to about 1e-9 unless time ran out.

    Raises:
        ScenarioError: If the behavior or the noise is signaling, the noise is not local or equals the
            behavior, or the scenario is too large to enumerate all parties but one.
        SolverError: If the linear program fails.

    References:
        arXiv:2310.20677 and references there (visibility as a linear program).
    """
    scenario = behavior.scenario
    noise = Behavior.white_noise(scenario) if noise is None else noise
    behavior.require_scenario(noise.scenario, "noise")
    behavior.require_no_signaling(1e-7, "behavior")
    noise.require_no_signaling(1e-7, "noise")
    if not (math.isfinite(max_visibility) and max_visibility > 0):
        raise ScenarioError.bad_argument("max_visibility", expected="a positive number", got=f"{max_visibility}")
    if max_visibility > 1 and np.abs(behavior.array - noise.array).max() < 1e-12:
        raise ScenarioError.bad_argument("noise", expected="another behavior than the target", got="the same one")
    deadline = math.inf if time_limit is None else time.monotonic() + time_limit
    strategies = _starting_strategies(noise)
    return _generate_columns(behavior, noise, strategies, max_visibility, deadline)


def _starting_strategies(noise: Behavior) -> NDArray[np.int64]:
    """Strategies whose mixtures contain the noise."""
    scenario = noise.scenario
    white = Behavior.white_noise(scenario)
    small = scenario.num_strategies <= _ALL_COLUMNS
    start = enumerate_strategies(scenario) if small else constant_strategies(scenario)
    if np.abs(noise.array - white.array).max() < 1e-12:
        return start
    # Without a time limit: a check that was cut short would refuse noise that is local.
    result = _generate_columns(noise, white, start, 1.0, math.inf)
    if result.lower < 1 - 1e-9:
        raise ScenarioError.bad_argument(
            "noise",
            expected="a local behavior",
            got=f"one that is local only up to visibility {result.upper:.6g} in white noise",
        )
    return start if small else result.model.strategies


def _generate_columns(
    behavior: Behavior,
    noise: Behavior,
    strategies: NDArray[np.int64],
    max_visibility: float,
    deadline: float,
) -> Threshold:
    scenario = behavior.scenario
    reduction = Reduction.fitting(behavior, noise)
    strategies = reduction.distinct(strategies)
    program = VisibilityProgram(reduction.coordinates(behavior), reduction.coordinates(noise), max_visibility)
    program.add(reduction.columns(strategies))
    while True:
        visibility, weights, prices = program.solve()
        # Every strategy known so far has <prices, table> <= 0; one with more improves the program.
        values, found = best_strategies(reduction.expression(prices), scenario, _COLUMNS_PER_ROUND)
        if values[0] <= _PRICE_TOLERANCE or time.monotonic() > deadline:
            break
        new = reduction.distinct(found[values > _PRICE_TOLERANCE])
        strategies = np.concatenate([strategies, new])
        program.add(reduction.columns(new))
    model = DeterministicModel.from_weights(*reduction.lift(weights, strategies), scenario, cutoff=1e-13)
    upper, inequality = _upper_bound(prices, reduction, behavior, noise, visibility)
    if upper >= max_visibility:
        upper, inequality = max_visibility, None
    lower = max(0.0, min(visibility, upper))
    result = Threshold(lower, lower, upper, True, behavior, noise, model, inequality)
    check = model.verify(result.mixture(result.lower), _MODEL_ATOL)
    if not check:
        raise SolverError(f"nonlocality_threshold: the linear program's model is inaccurate: {check.reason}.")
    return result


def _upper_bound(
    prices: FloatArray, reduction: Reduction, behavior: Behavior, noise: Behavior, visibility: float
) -> tuple[float, BellInequality | None]:
    """The inequality of the prices with its exact bound, and the visibility above which it is violated."""
    # The price of the normalization only shifts the bound, which is computed again.
    prices = prices.copy()
    prices[0] = 0
    largest = float(np.abs(prices).max())
    if largest == 0:
        return math.inf, None
    numbers = prices / reduction.sizes
    numbers = numbers / np.abs(numbers).max()
    for integers in (_small_integers(numbers), reduction.fine_integers(numbers)):
        if integers is None:
            continue
        expression = BellExpression(reduction.integer_expression(integers))
        inequality = BellInequality(expression, local_bound(expression))
        crossing = _crossing(inequality, behavior, noise)
        upper = math.inf if crossing is None else _round_up(crossing)
        # Small integers are the tidy form of the prices, unless they only happen to lie near.
        if upper <= visibility + _TIDY_TOLERANCE:
            break
    return upper, inequality


def _small_integers(numbers: FloatArray) -> FloatArray | None:
    """Integers proportional to the numbers within 1e-7, if small ones exist."""
    for scale in range(1, 61):
        scaled = numbers * scale
        if np.abs(scaled - np.rint(scaled)).max() < 1e-7 * scale:
            return np.rint(scaled)
    return None


def _crossing(inequality: BellInequality, behavior: Behavior, noise: Behavior) -> Fraction | None:
    """Visibility at which the mixture reaches the local bound, exactly; ``None`` if it never does."""
    coefficients = inequality.expression.coefficients
    at_noise = exact_value(coefficients, noise.array)
    slope = exact_value(coefficients, behavior.array) - at_noise
    if slope <= 0:
        return None
    return (Fraction(inequality.bound.value) - at_noise) / slope


def _round_up(number: Fraction) -> float:
    value = float(number)
    return value if Fraction(value) >= number else math.nextafter(value, math.inf)
