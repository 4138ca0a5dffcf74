"""Whether the sums that a test of many parties records are those of some experiment."""

from __future__ import annotations

import numpy as np

from ..._support.types import FloatArray, IntArray
from ...polytope.expressions.many_parties.base import ManyPartyExpression
from .scores import largest_ratio, listed_terms

__all__ = ["fault_of_blocks", "fault_of_runs"]


def fault_of_runs(
    runs: IntArray | None,
    ratios: FloatArray | None,
    expression: ManyPartyExpression,
    drawn_from: ManyPartyExpression | None,
) -> str:
    """Returns what is wrong with recorded runs of drawn terms, in words; empty if nothing is.

    Args:
        runs: As in ``ManyPartyTest``.
        ratios: As in ``ManyPartyTest``.
        expression: The declared expression.
        drawn_from: The one from which the terms were drawn, if it is another.
    """
    if runs is None or ratios is None or runs.ndim != 2 or runs.shape[1] != 4 or not len(runs):
        return "there are no runs"
    if runs.min() < 0 or runs[:, 1].min() < 1 or np.any(runs[:, 2] > runs[:, 1]) or runs[:, 3].min() < 1:
        return "the numbers of shots and wins do not fit"
    if sum(int(m) * int(number) for m, number in runs[:, [1, 3]]) > 2**53:
        return "there are too many shots"
    limit = largest_ratio(expression, drawn_from)
    if ratios.ndim != 1 or runs[:, 0].max() >= len(ratios) or not np.all((ratios >= 0) & (ratios <= limit)):
        return "a ratio is out of range"
    return "" if drawn_from is not None or bool(np.all(ratios == 1)) else "a ratio is not 1"


def fault_of_blocks(
    settings: IntArray | None, shots: IntArray | None, table: IntArray | None, expression: ManyPartyExpression
) -> str:
    """Returns what is wrong with the recorded sums of blocks, in words; empty if nothing is.

    Args:
        settings: The setting combinations, as in ``ManyPartyTest``.
        shots: Their numbers of shots.
        table: The sums.
        expression: The declared expression.
    """
    if settings is None or shots is None or table is None:
        return "there are no blocks"
    rows, _ = listed_terms(expression)
    shape = (len(shots), expression.num_parties)
    if settings.shape != shape or table.ndim != 2 or table.shape[1] != 3 or not len(table) or shots.min() < 1:
        return "the blocks do not fit"
    if sum(map(int, shots)) > 2**53 or len(np.unique(settings, axis=0)) != len(settings):
        return "there are too many shots, or a setting combination comes twice"
    g, t, sums = table.T
    if table[:, :2].min() < 0 or g.max() >= len(shots) or t.max() >= len(rows):
        return "a sum belongs to no block or term"
    # Every pair that agrees must be there once: no sum may be left out.
    if len(np.unique(table[:, :2], axis=0)) != len(table):
        return "a sum comes twice"
    pairs = sum(int(np.all((rows < 0) | (rows == row), axis=1).sum()) for row in settings)
    if pairs != len(table) or not np.all((rows[t] < 0) | (rows[t] == settings[g])):
        return "the sums are not those of all terms that agree with the settings"
    if len(np.unique(t)) != len(rows) or len(np.unique(g)) != len(shots):
        return "a term was not measured, or a block belongs to no term"
    if np.any(np.abs(sums) > shots[g]) or np.any((sums + shots[g]) % 2):
        return "a sum does not fit its number of shots"
    return ""
