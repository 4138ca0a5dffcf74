"""The local weight: how much of a behavior a local model can account for."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from ..._support.deadlines import NO_LIMIT, Deadline
from ..._support.highs import LinearSolution
from ..._support.rounding import round_up, small_integers
from ..._support.types import FloatArray, IntArray
from ..._support.validation import instance
from ...exceptions import ScenarioError
from ...models.deterministic import DeterministicModel, strategy_tables
from ...targets.behaviors import Behavior
from ...targets.scenario import BellScenario
from ...verification.evidence import Evidence
from ...verification.models import exact_model_table, exact_value
from ...verification.result import Verification, combine
from ..bounds.local_bounds import local_bound
from ..bounds.strategy_programs import PRICE_TOLERANCE, StrategyProgram, first_strategies, improving_strategies
from ..expressions.expression import BellExpression
from ..inequalities.bell_inequality import BellInequality

__all__ = ["LocalWeight", "largest_local_part", "local_weight", "verify_local_part", "verify_weight_limit"]


_ALL_COLUMNS = 300
_FEASIBILITY = 1e-10
_IMPOSSIBLE = 1e-12
_SIGNALING = 1e-7
_FINE_BITS = 44
_CLOSE = 1e-8


@dataclass(frozen=True, eq=False, repr=False)
class LocalWeight(Evidence):
    """Lower and upper bound on the largest q with ``behavior = q * local + (1 - q) * no-signaling``.

    References:
        A. C. Elitzur, S. Popescu, D. Rohrlich, Phys. Lett. A 162, 25 (1992).

    Examples:
        >>> from qiskit_lhv import Behavior
        >>> from qiskit_lhv.polytope import local_weight
        >>> box = Behavior.from_correlators([[0.8, 0.8], [0.8, -0.8]], marginals=False)
        >>> weight = local_weight(box)
        >>> print(weight)
        local weight in [0.4, 0.4]
        >>> round(weight.value, 6), bool(weight.verify())
        (0.4, True)
        >>> print(weight.remainder().to_correlators()[1:, 1:].round(6))  # a Popescu-Rohrlich box
        [[ 1.  1.]
         [ 1. -1.]]
    """

    lower: float
    """A weight that is reached: ``lower * model`` nowhere exceeds the behavior."""
    upper: float
    """The largest weight that ``inequality`` allows in any decomposition; 1 without inequality."""
    behavior: Behavior
    """The behavior whose local weight is computed."""
    model: DeterministicModel | None
    """The local part of the behavior; ``None`` if it has none."""
    inequality: BellInequality | None
    """``-K . p <= -bound`` with non-negative K; so the weight is at most ``K . behavior / bound``."""
    timed_out: bool = False
    """Whether the caller's time ran out before the search had ended; nothing in the record shows it."""

    def __str__(self) -> str:
        return f"local weight in [{self.lower:.9g}, {self.upper:.9g}]"

    @property
    def value(self) -> float:
        """The proven local weight, which is ``lower``."""
        return self.lower

    def remainder(self) -> Behavior | None:
        """The no-signaling part of the decomposition, normalized; ``None`` if its weight is below 1e-9."""
        if self.model is None:
            return self.behavior
        rest = 1 - self.lower
        if rest < PRICE_TOLERANCE:
            return None
        table = (self.behavior.array - self.lower * self.model.behavior().array) / rest
        table = np.maximum(table, 0)
        scenario = self.behavior.scenario
        return Behavior(table / table.sum(axis=scenario.outcome_axes, keepdims=True), scenario)

    def verify(self, atol: float = _SIGNALING, *, prove_bound: bool | None = None) -> Verification:
        """Re-checks both sides in exact arithmetic, without the solver's code.

        Args:
            atol: Largest signaling of the behavior that is taken for rounding.
            prove_bound: Whether to prove the local bound again; see ``BellInequality.verify``.
        """
        order = Verification(0 <= self.lower <= self.upper <= 1, f"0 <= {self.lower!r} <= {self.upper!r} <= 1")
        if not order:
            return order
        signaling = self.behavior.max_signaling()
        checks = [Verification(signaling <= atol, f"marginals move by {signaling:.2g} with another party's setting")]
        checks.append(verify_local_part(self.model, self.lower, self.behavior.array))
        checks.append(verify_weight_limit(self.inequality, self.upper, self.behavior.array, prove_bound=prove_bound))
        return combine(*checks)


def verify_local_part(model: DeterministicModel | None, weight: float, table: FloatArray) -> Verification:
    """Checks in rational arithmetic that a local part of the given weight is nowhere above a table.

    Args:
        model: The local part; ``None``: none.
        weight: Its weight.
        table: Shape ``(m_1, ..., m_N, d_1, ..., d_N)``.
    """
    if model is None:
        return Verification(weight <= 0, "no local part is claimed")
    if model.scenario.shape != table.shape:
        return Verification(False, f"the model has {model.scenario}", math.inf)
    entries = exact_model_table(model.weights, model.strategies, model.scenario.shape)
    pairs = zip(entries, table.flat, strict=True)
    excess = max(Fraction(weight) * entry - Fraction(float(probability)) for entry, probability in pairs)
    return Verification(
        excess <= 0,
        f"{weight:.12g} times a mixture of {len(model.weights)} deterministic strategies "
        + ("is nowhere above the behavior" if excess <= 0 else f"exceeds the behavior by {float(excess):.2g}"),
        max(0.0, float(excess)),
    )


def verify_weight_limit(
    inequality: BellInequality | None, weight: float, table: FloatArray, *, prove_bound: bool | None = None
) -> Verification:
    """Checks in rational arithmetic that an inequality without positive coefficients limits a table's local weight.

    Args:
        inequality: ``-K . p <= -bound``; ``None``: none.
        weight: The claimed largest weight.
        table: Shape ``(m_1, ..., m_N, d_1, ..., d_N)``.
        prove_bound: Whether to prove the local bound again; see ``BellInequality.verify``.
    """
    if inequality is None:
        return Verification(weight >= 1, "without an inequality the weight is at most 1")
    if inequality.expression.coefficients.shape != table.shape:
        return Verification(False, f"the inequality has {inequality.expression.scenario}", math.inf)
    if inequality.expression.coefficients.max() > 0 or inequality.bound.value >= 0:
        return Verification(False, "the inequality is not of the form -K . p <= -bound", math.inf)
    limit = _upper(inequality, table)
    claim = Verification(limit <= Fraction(weight) or weight >= 1, f"the local weight is at most {float(limit):.12g}")
    return combine(inequality.verify(prove_bound=prove_bound), claim)


def local_weight(behavior: Behavior, *, time_limit: float | None = None) -> LocalWeight:
    """Computes the local weight (local content) of a behavior.

    It is the largest q such that ``behavior = q * local + (1 - q) * rest`` with a local and a no-signaling behavior:
    1 for local behaviors, 0 for the extremal nonlocal ones. A linear program over deterministic strategies, which are
    generated as they are needed, gives the local part; its dual is a Bell expression K without negative coefficients
    that is at least 1 for every deterministic strategy, so that the weight is at most K's value. Both are rounded to
    exact arithmetic.

    Args:
        behavior: A no-signaling behavior (within 1e-7).
        time_limit: Seconds after which the interval found so far is returned; default: none, see :ref:`time-limits`.

    Returns:
        Lower and upper bound, which agree to about 1e-8 unless time ran out, with the evidence for both.

    Raises:
        ScenarioError: If the behavior is signaling, or the scenario is too large to enumerate all parties but one.
        SolverError: If the linear program fails.

    References:
        A. C. Elitzur, S. Popescu, D. Rohrlich, Phys. Lett. A 162, 25 (1992).

    Examples:
        A Popescu-Rohrlich box with a fifth of white noise, S = 3.2:

        >>> from qiskit_lhv import Behavior
        >>> box = Behavior.from_correlators([[0.8, 0.8], [0.8, -0.8]], marginals=False)
        >>> round(local_weight(box).value, 6)
        0.4
    """
    remedy = "Of counts, get confidence limits: statistics.local_weight_interval(counts)."
    instance(behavior, Behavior, "behavior", ScenarioError, remedy).require_no_signaling(_SIGNALING, "behavior")
    deadline = Deadline(time_limit)
    lower, model, upper, inequality = largest_local_part(behavior.array, behavior.scenario, deadline)
    # No weight exceeds 1, so this upper limit needs no inequality to prove it.
    upper, inequality = (upper, inequality) if upper < 1 else (1.0, None)
    timed_out = upper - lower > _CLOSE and deadline.over
    return LocalWeight(lower, upper, behavior, model, inequality, timed_out)


def largest_local_part(
    table: FloatArray, scenario: BellScenario, deadline: Deadline = NO_LIMIT
) -> tuple[float, DeterministicModel | None, float, BellInequality | None]:
    """Returns the mixture of deterministic strategies of largest weight that nowhere exceeds a table, and its dual.

    Args:
        table: Numbers of at least 0, shape ``(m_1, ..., m_N, d_1, ..., d_N)``; they need not be normalized.
        scenario: The scenario.
        deadline: When to return what was found so far; default: never.

    Returns:
        The weight and the mixture (``None`` if the weight is 0), which are exact; and an upper limit of the weight,
        with the inequality that proves it (1 and ``None`` if there is none).

    Raises:
        ScenarioError: If the scenario is too large to enumerate all parties but one.
        SolverError: If the linear program fails.
    """
    program = StrategyProgram(
        "local_weight", _FEASIBILITY, lambda strategies: strategy_tables(strategies, scenario), cost=-1.0
    )
    target = table.ravel()
    program.add_rows(-np.inf, np.where(target < _IMPOSSIBLE, 0.0, target))
    program.add_strategies(first_strategies(scenario, _ALL_COLUMNS))

    def prices(solution: LinearSolution) -> FloatArray:
        # The prices of padding cells have no meaning.
        return np.where(scenario.mask, np.maximum(-solution.duals, 0).reshape(scenario.shape), 0.0)

    # Every strategy known so far costs at least 1; a cheaper one improves the program.
    solution, _ = program.generate(lambda found: improving_strategies(-prices(found), scenario, -1.0), deadline)
    lower, model = _local_part(np.maximum(solution.values, 0), program.strategies, table, scenario)
    return lower, model, *_dual_bound(prices(solution), table, lower, scenario)


def _local_part(
    weights: FloatArray, strategies: IntArray, table: FloatArray, scenario: BellScenario
) -> tuple[float, DeterministicModel | None]:
    """Returns the model with these weights, reduced where it exceeds the table, and the weight that it proves."""
    target = table.ravel()
    used = weights > _IMPOSSIBLE
    if not used.any():
        return 0.0, None
    weights, strategies = weights[used].copy(), strategies[used]
    tables = strategy_tables(strategies, scenario) > 0
    for cell in np.flatnonzero(weights @ tables > target):
        users = tables[:, cell]
        total = weights[users].sum()
        if total > target[cell]:
            weights[users] *= 0.0 if target[cell] < _IMPOSSIBLE else target[cell] / total
    used = weights > _IMPOSSIBLE
    if not used.any():
        return 0.0, None
    model = DeterministicModel.from_weights(weights[used], strategies[used], scenario)
    entries = exact_model_table(model.weights, model.strategies, scenario.shape)
    pairs = [(float(p), entry) for p, entry in zip(target, entries, strict=True) if entry]
    # Floating-point arithmetic selects the candidates for the smallest ratio.
    rough = [p / float(entry) for p, entry in pairs]
    lowest = min(rough) * (1 + _CLOSE)
    exact = min(Fraction(1), *(Fraction(p) / entry for (p, entry), r in zip(pairs, rough, strict=True) if r <= lowest))
    lower = float(exact)
    return lower if Fraction(lower) <= exact else math.nextafter(lower, 0.0), model


def _dual_bound(
    prices: FloatArray, table: FloatArray, lower: float, scenario: BellScenario
) -> tuple[float, BellInequality | None]:
    """Returns the inequality of the prices, with its exact local bound, and the largest weight that it allows."""
    largest = float(prices.max())
    if largest <= 0:
        return 1.0, None
    numbers = prices / largest
    fine = np.rint(numbers * 2.0 ** (_FINE_BITS - math.ceil(math.log2(numbers.sum()))))
    upper, inequality = math.inf, None
    for integers in (small_integers(numbers), fine):
        if integers is None:
            continue
        expression = BellExpression(-integers, scenario)
        candidate = BellInequality(expression, local_bound(expression))
        if candidate.bound.value >= 0:
            continue
        value = round_up(_upper(candidate, table))
        if value < upper:
            upper, inequality = value, candidate
        # Small integers are the tidy form of the prices, unless they only happen to lie near.
        if upper <= lower + _CLOSE:
            break
    return (1.0, None) if inequality is None else (upper, inequality)


def _upper(inequality: BellInequality, table: FloatArray) -> Fraction:
    """Returns the largest q allowed: the rest adds at least 0 to K, and the local part adds at least q * bound."""
    return exact_value(inequality.expression.coefficients, table) / Fraction(inequality.bound.value)
