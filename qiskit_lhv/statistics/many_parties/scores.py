"""What runs of many parties score under a declared expression, and the largest mean score of a local model.

*Terms drawn at random.* An expression is ``c_0 + sum_t c_t E_t`` with the correlators E_t, and W is the sum of the
sizes of all c_t. If the term t is drawn with the probability ``abs(c_t) / W``, independently of everything before, the
sign of c_t times the product of the outcomes has the mean ``(value - c_0) / W``, whatever the behavior. A local model,
given everything before, has a value of at most the local bound beta. So the mean is at most ``(beta - c_0) / W``. If
the term was drawn with another probability q_t, the product times ``abs(c_t) / (W q_t)`` has the same mean (importance
weights). The sum of the products of a run's shots, divided by their number, has it too, if nothing passes from shot to
shot.

*Fixed blocks.* A term is estimated in all n_t shots whose settings agree with it. A shot with the settings x adds
``Y = sum_t (c_t / n_t) product_t`` over these terms, and the sum of Y over all shots has the mean ``value - c_0``. Its
size is at most ``r_x = sum_t abs(c_t) / n_t``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from ..._support.types import FloatArray, IntArray
from ...exceptions import CountsError
from ...polytope.expressions.many_parties.base import ABSENT, ManyPartyExpression, TermRows
from ...polytope.expressions.many_parties.sparse import SparseExpression
from ...targets.many_parties.parities import BlockSums, block_sums, drawn_products
from ...targets.many_parties.shots import ManyPartyShots

__all__ = [
    "BlockScores",
    "RunScores",
    "block_scores",
    "exact_weight",
    "largest_ratio",
    "listed_terms",
    "rounded_up",
    "run_means",
    "run_scores",
    "won_share",
]

"""What to pass where an expression of many parties is expected."""

# More than the rounding errors of sums that are rounded once.
_ROUNDING = 1e-12


@dataclass(frozen=True)
class RunScores:
    """The scores of runs whose terms were drawn at random."""

    table: IntArray
    """Shape ``(U, 4)``: number of the ratio, shots of the run, shots won, and how many such runs there are."""
    ratios: FloatArray
    """The ratios of declared to drawn probability that occur, shape ``(K,)``."""
    largest_ratio: float
    """The largest ratio of any term, whether it was drawn or not."""


@dataclass(frozen=True)
class BlockScores:
    """The scores of shots whose settings were fixed beforehand."""

    sums: BlockSums
    """Sums of products by setting combination and term."""
    coefficients: FloatArray
    """Coefficient of the term of each pair, shape ``(P,)``."""


def exact_weight(expression: ManyPartyExpression) -> Fraction:
    """Returns the sum of the sizes of an expression's coefficients, exactly or rounded down.

    Args:
        expression: The expression.
    """
    if isinstance(expression, SparseExpression):
        there = np.any(expression.rows != ABSENT, axis=1)
        sizes, numbers = np.unique(np.abs(expression.coefficients[there]), return_counts=True)
        return sum((Fraction(float(c)) * int(n) for c, n in zip(sizes, numbers, strict=True)), Fraction(0))
    weight = Fraction(expression.weight)
    return weight if weight.denominator == 1 else weight * (1 - Fraction(_ROUNDING))


def listed_terms(expression: ManyPartyExpression) -> tuple[TermRows, FloatArray]:
    """Returns all terms of an expression but the constant, shape ``(T, N)``, and their coefficients.

    Args:
        expression: The expression.

    Raises:
        ScenarioError: If there are too many terms to list.
    """
    parts = list(expression.blocks())
    rows = np.concatenate([part[0] for part in parts])
    coefficients = np.concatenate([part[1] for part in parts])
    there = np.any(rows != ABSENT, axis=1)
    return rows[there], coefficients[there]


def largest_ratio(expression: ManyPartyExpression, drawn_from: ManyPartyExpression | None) -> float:
    """Returns the largest ratio of a term's declared probability to that with which it was drawn.

    Args:
        expression: The declared expression.
        drawn_from: The expression from whose distribution the terms were drawn; ``None``: the declared one.

    Raises:
        CountsError: If a term of the declared expression is never drawn.
        ScenarioError: If there are too many terms to list.
    """
    if drawn_from is None:
        return 1.0
    rows, coefficients = listed_terms(expression)
    drawn = drawn_from.coefficients_of(rows)
    if np.any(drawn == 0):
        row = rows[int(np.flatnonzero(drawn == 0)[0])]
        raise CountsError.bad_argument(
            "drawn_from",
            expected="an expression that has every term of the declared one",
            got=f"none with the settings {_term_words(row)}",
            remedy="A term that is never drawn cannot be estimated: declare an expression of those that are.",
        )
    return float((_ratios(coefficients, drawn, expression, drawn_from)).max())


def _ratios(
    coefficients: FloatArray, drawn: FloatArray, expression: ManyPartyExpression, drawn_from: ManyPartyExpression
) -> FloatArray:
    ratios: FloatArray = np.abs(coefficients) / np.abs(drawn) * (drawn_from.weight / expression.weight)
    return ratios


def run_scores(
    shots: ManyPartyShots, expression: ManyPartyExpression, drawn_from: ManyPartyExpression | None
) -> RunScores:
    """Returns the scores of runs whose terms were drawn at random.

    Args:
        shots: The shots.
        expression: The declared expression.
        drawn_from: The expression from whose distribution the terms were drawn; ``None``: the declared one.

    Raises:
        CountsError: If a drawn term does not belong to the distribution.
    """
    terms = shots.drawn_terms
    assert terms is not None
    source = expression if drawn_from is None else drawn_from
    drawn = source.coefficients_of(terms)
    wrong = (drawn == 0) | ~np.any(terms != ABSENT, axis=1)
    if np.any(wrong):
        row = int(np.flatnonzero(wrong)[0])
        raise CountsError.bad_argument(
            "expression" if drawn_from is None else "drawn_from",
            expected="an expression that has every drawn term",
            got=f"none with the settings {_term_words(terms[row])}, drawn in run {row}",
            remedy="If the terms were drawn from another expression's distribution, pass it as drawn_from.",
        )
    coefficients = drawn if drawn_from is None else expression.coefficients_of(terms)
    sums = drawn_products(shots) * np.sign(coefficients).astype(np.int64)
    ratios = np.ones(len(terms)) if drawn_from is None else _ratios(coefficients, drawn, expression, drawn_from)
    kinds, which = np.unique(ratios, return_inverse=True)
    # A term that the declared expression does not have scores 0, as if half of its shots were won.
    wins = np.where(coefficients == 0, 0, (sums + shots.shots) // 2)
    table, numbers = np.unique(np.stack([which.ravel(), shots.shots, wins], axis=1), axis=0, return_counts=True)
    return RunScores(np.column_stack([table, numbers]).astype(np.int64), kinds, largest_ratio(expression, drawn_from))


def block_scores(shots: ManyPartyShots, expression: ManyPartyExpression) -> BlockScores:
    """Returns the scores of shots whose settings were fixed beforehand.

    Args:
        shots: The shots.
        expression: The declared expression.

    Raises:
        CountsError: If a term was never measured.
        ScenarioError: If there are too many terms to list.
    """
    rows, coefficients = listed_terms(expression)
    sums = block_sums(shots, rows)
    measured = np.zeros(len(rows), dtype=bool)
    measured[sums.terms] = True
    if not measured.all():
        missing = int(np.flatnonzero(~measured)[0])
        raise CountsError.bad_argument(
            "expression",
            expected="terms whose settings were measured",
            got=f"{int((~measured).sum())} of {len(rows)} that were not, such as {_term_words(rows[missing])}",
            remedy="Measure them, or declare an expression of what was measured.",
        )
    return BlockScores(sums, coefficients[sums.terms])


def _term_words(row: NDArray[np.int8]) -> str:
    """A term in words."""
    pairs = [(int(k), int(row[k])) for k in np.flatnonzero(row != ABSENT)]
    shown = ", ".join(map(str, pairs[:6])) + (f" and {len(pairs) - 6} more" if len(pairs) > 6 else "")
    return f"{shown} (party, setting)" if pairs else "of no party at all"


def run_means(table: IntArray, ratios: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Returns the score of each kind of run, from -1 to 1 times its ratio, and how many such runs there are.

    Args:
        table: See :class:`RunScores`.
        ratios: See :class:`RunScores`.
    """
    shots, wins = table[:, 1].astype(np.float64), table[:, 2].astype(np.float64)
    means: FloatArray = ratios[table[:, 0]] * (2 * wins / shots - 1)
    return means, table[:, 3].astype(np.float64)


def won_share(table: IntArray) -> Fraction:
    """Returns the sum over all runs of the share of shots won, exactly.

    Args:
        table: See :class:`RunScores`.
    """
    total = Fraction(0)
    for shots in np.unique(table[:, 1]).tolist():
        rows = table[table[:, 1] == shots]
        total += Fraction(sum(int(w) * int(n) for w, n in rows[:, 2:]), int(shots))
    return total


def rounded_up(value: Fraction) -> float:
    """Returns the smallest float that is not below a number."""
    result = float(value)
    return result if Fraction(result) >= value else math.nextafter(result, math.inf)
