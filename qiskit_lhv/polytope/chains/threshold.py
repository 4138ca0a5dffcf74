"""Up to which visibility the correlators of a chain are local: a linear program over stationary flows of strategies."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from ..._support.highs import LinearProgram
from ..._support.rounding import small_integers
from ..._support.types import FloatArray
from ..._support.validation import instance
from ...exceptions import ScenarioError
from ...verification.evidence import Evidence
from ...verification.result import Verification, combine
from .data import ChainCorrelators
from .inequality import ChainInequality
from .models import ChainModel, decomposed_flow
from .words import Words

__all__ = ["ChainThreshold", "chain_threshold"]

_FEASIBILITY = 1e-9
# A model reproduces the correlators up to this.
_MODEL_ATOL = 1e-7
# Above this visibility the inequality is of no interest.
_MAX_VISIBILITY = 16.0
# Coefficients are rounded to so many steps of the largest, where no small integers do.
_STEPS = 1 << 16


@dataclass(frozen=True, eq=False, repr=False)
class ChainThreshold(Evidence):
    """Up to which visibility correlators of an infinite chain are local, and from which on they are not.

    A visibility v multiplies all correlators, as white noise does. The chain's correlators themselves are those of
    v = 1.

    References:
        Z. Wang, S. Singh, M. Navascues, Phys. Rev. Lett. 118, 230401 (2017), arXiv:1608.03485; arXiv:2407.08783.

    Examples:
        >>> from qiskit_lhv.polytope import ChainCorrelators, chain_threshold
        >>> found = chain_threshold(ChainCorrelators([[0.0]], [[[[-1.0]], [[-0.5]]]]))
        >>> print(found)
        correlators of a chain of period 1, ... violate an inequality: local up to a visibility of 0.4 (upper bound 0.4)
        >>> found.violated, round(found.value, 6), found.inequality.bound
        (True, 2.5, 1.0)
        >>> print(found.model)
        mixture of 2 periodic sequences of strategies, of up to 4 sites
    """

    correlators: ChainCorrelators
    """The correlators."""
    lower: float
    """At this visibility the model reproduces them, up to 1e-7."""
    upper: float
    """Above this visibility the inequality is violated; infinite if there is none."""
    model: ChainModel
    """The local model at ``lower``."""
    inequality: ChainInequality | None
    """The inequality; ``None`` if correlators far above v = 1 would still be local."""

    @property
    def violated(self) -> bool:
        """Whether the correlators violate the inequality by more than rounding errors."""
        return self.upper < 1 - _FEASIBILITY

    @property
    def value(self) -> float:
        """The value of the inequality per site, for the correlators themselves; NaN without an inequality."""
        return math.nan if self.inequality is None else self.inequality.value(self.correlators)

    def __str__(self) -> str:
        answer = "violate an inequality" if self.violated else "have a local model" if self.lower >= 1 else "are open"
        return (
            f"{self.correlators} {answer}: local up to a visibility of {self.lower:.6g} (upper bound {self.upper:.6g})"
        )

    def verify(self) -> Verification:
        """Recomputes the model's correlators, proves the inequality's bound again and recomputes the visibility."""
        data = self.correlators
        if not (math.isfinite(self.lower) and 0 <= self.lower <= self.upper + 1e-6):
            return Verification(False, "the visibilities are out of order", math.inf)
        if (self.model.period, self.model.num_settings) != (data.period, data.num_settings):
            return Verification(False, "the model is one of another chain", math.inf)
        found = self.model.correlators(data.reach)
        off = max(
            float(np.abs(found.singles - self.lower * data.singles).max()),
            float(np.abs(found.pairs - self.lower * data.pairs).max()),
        )
        checks = [Verification(off <= _MODEL_ATOL, f"the model is off by {off:.2g}", off)]
        if self.inequality is None:
            checks.append(Verification(self.upper == math.inf, "there is no inequality for the upper visibility"))
        else:
            # The smallest visibility of a violation, rounded so that no rounding error claims one.
            limit = _violated_above(self.inequality, data)
            right = self.upper >= limit * (1 - 1e-12)
            checks += [
                Verification(
                    right, f"the inequality is violated above a visibility of {limit:.9g}", limit - self.upper
                ),
                self.inequality.verify(),
            ]
        return combine(*checks)


def chain_threshold(correlators: ChainCorrelators) -> ChainThreshold:
    """Finds the visibility up to which the correlators of near neighbors of an infinite chain are local.

    The local models of an infinite chain, seen by neighbors up to a distance, are the stationary flows on a graph of
    sequences of strategies. So the question is one linear program, with a local model as its solution and a Bell
    inequality as its dual; its bound is then computed exactly.

    Args:
        correlators: The correlators; ``ChainData.correlators`` computes those of states and settings. Period 1 asks for
            translation-invariant inequalities.

    Returns:
        The threshold, with the model and the inequality. ``violated`` says whether the correlators are nonlocal.

    Raises:
        ScenarioError: If ``period * 2**(settings * (reach + 1))`` exceeds 16384.
        SolverError: If HiGHS stops without an optimum.

    References:
        arXiv:1608.03485 (the polytope of infinite chains), 2407.08783 (its graph).

    Examples:
        >>> isotropic = ChainCorrelators([[0.0]], [[[[-1.0]], [[-0.5]]]])
        >>> found = chain_threshold(isotropic)  # neighbors opposite, but second neighbors, too
        >>> found.violated, round(found.upper, 6), found.inequality.pairs.ravel().tolist()
        (True, 0.4, [-2, -1])
    """
    instance(correlators, ChainCorrelators, "correlators", ScenarioError)
    period, m, reach = correlators.period, correlators.num_settings, correlators.reach
    words = Words(period, m, reach)
    table = np.concatenate([correlators.singles, correlators.pairs.reshape(period, -1)], axis=1)
    flow, visibility, duals = _solve(table, words)
    model = decomposed_flow(flow, words)
    lower = _fitted(model, table, reach, visibility)
    inequality = None
    if visibility < _MAX_VISIBILITY * (1 - 1e-6):
        inequality = _rounded(duals, correlators)
    upper = math.inf if inequality is None else max(_violated_above(inequality, correlators), lower)
    return ChainThreshold(correlators, lower, upper, model, inequality)


def _solve(table: FloatArray, words: Words) -> tuple[FloatArray, float, FloatArray]:
    """The flow of the largest visibility, that visibility, and the coefficients of the inequality."""
    from scipy.sparse import coo_array, hstack, vstack

    period, num_terms = table.shape
    count, vertices = words.num_words, words.num_vertices
    columns = np.arange(period * count)
    blocks = []
    for s in range(period):
        block = np.zeros((num_terms, period * count))
        block[:, s * count : (s + 1) * count] = words.features.T
        blocks.append(block)
    into = (columns // count + 1) % period * vertices + np.tile(words.heads, period)
    out = columns // count * vertices + np.tile(words.tails, period)
    ones = np.ones(len(columns))
    balance = coo_array(
        (np.concatenate([ones, -ones]), (np.concatenate([into, out]), np.concatenate([columns, columns]))),
        shape=(period * vertices, len(columns)),
    )
    total = (columns < count).astype(float)[np.newaxis]
    matrix = vstack([coo_array(np.concatenate(blocks)), balance, coo_array(total)]).tocsr()
    # The visibility is the last column.
    last = coo_array(np.concatenate([-table.ravel(), np.zeros(period * vertices + 1)])[:, np.newaxis])
    matrix = hstack([matrix, last]).tocsr()
    program = LinearProgram("chain_threshold", _FEASIBILITY)
    costs = np.zeros(len(columns) + 1)
    costs[-1] = -1.0
    upper = np.full(len(columns) + 1, np.inf)
    upper[-1] = _MAX_VISIBILITY
    program.add_columns(costs, upper=upper)
    right = np.zeros(matrix.shape[0])
    right[-1] = 1.0
    program.add_rows(right, right, matrix)
    solution = program.solve()
    duals = solution.duals[: period * num_terms].reshape(period, num_terms)
    return solution.values[:-1].reshape(period, count), float(solution.values[-1]), duals


def _fitted(model: ChainModel, table: FloatArray, reach: int, visibility: float) -> float:
    """The visibility at which the model fits best; 0 if it fits nowhere, with a model of independent coins."""
    found = model.correlators(reach)
    rows = np.concatenate([found.singles, found.pairs.reshape(len(table), -1)], axis=1)
    norm = float(np.sum(table**2))
    return max(0.0, float(np.sum(rows * table)) / norm) if norm else visibility


def _rounded(duals: FloatArray, correlators: ChainCorrelators) -> ChainInequality | None:
    """The inequality of the duals, with integer coefficients, whose sign gives the correlators a positive value."""
    period = correlators.period
    largest = float(np.abs(duals).max())
    if not largest > 0:
        return None
    best: tuple[float, ChainInequality] | None = None
    table = np.concatenate([correlators.singles, correlators.pairs.reshape(period, -1)], axis=1)
    sign = 1.0 if float(np.sum(duals * table)) > 0 else -1.0
    smallest = float(np.abs(duals)[np.abs(duals) > 1e-7 * largest].min())
    for unit in (smallest, largest):
        small = small_integers(sign * duals / unit)
        if small is not None:
            best = _better(best, small, correlators)
    if best is None:
        best = _better(best, np.rint(sign * duals / largest * _STEPS), correlators)
    return None if best is None else best[1]


def _better(
    best: tuple[float, ChainInequality] | None, rows: FloatArray, correlators: ChainCorrelators
) -> tuple[float, ChainInequality] | None:
    period, m, reach = correlators.period, correlators.num_settings, correlators.reach
    divisor = np.gcd.reduce(np.abs(rows.astype(np.int64)).ravel()) or 1
    rows = rows / divisor
    inequality = ChainInequality.of(rows[:, :m], rows[:, m:].reshape(period, reach, m, m))
    limit = _violated_above(inequality, correlators)
    if not math.isfinite(limit) or (best is not None and best[0] <= limit):
        return best
    return limit, inequality


def _violated_above(inequality: ChainInequality, correlators: ChainCorrelators) -> float:
    """The visibility above which the inequality is violated, whatever the rounding errors of the value are."""
    size = float(np.abs(inequality.singles).sum() + np.abs(inequality.pairs).sum()) / inequality.period
    value = inequality.value(correlators) - 1e-14 * size
    return inequality.bound / value if value > 0 else math.inf
