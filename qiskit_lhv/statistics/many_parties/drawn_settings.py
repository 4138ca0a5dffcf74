"""Whether the terms of random runs came as often as their declared probabilities say."""

from __future__ import annotations

import math

import numpy as np

from ...exceptions import CountsError
from ...polytope.expressions.many_parties.base import ManyPartyExpression
from ...targets.many_parties.shots import ManyPartyShots
from ..assumptions.setting_choice import REFUSAL_LEVEL, SettingsTest, numbers_test
from .scores import listed_terms

__all__ = ["drawn_terms_test", "require_declared_terms"]

# Up to so many terms are listed, and so many groups of terms are compared.
_MAX_LISTED, _MAX_GROUPS = 1 << 17, 256


def drawn_terms_test(shots: ManyPartyShots, source: ManyPartyExpression) -> SettingsTest | None:
    """Tests whether terms were drawn with probabilities proportional to the sizes of their coefficients.

    If there are more than 256 terms, terms that follow each other are counted together. ``None`` if there are too many
    to be listed, or the settings were fixed.

    Args:
        shots: The shots.
        source: The expression from whose distribution the terms were drawn.
    """
    if shots.drawn_terms is None or source.num_terms > _MAX_LISTED:
        return None
    rows, coefficients = listed_terms(source)
    groups = min(len(rows), _MAX_GROUPS)
    group = np.arange(len(rows)) * groups // len(rows)
    numbers_of = {row.tobytes(): int(g) for row, g in zip(np.ascontiguousarray(rows), group, strict=True)}
    drawn = np.array([numbers_of[row.tobytes()] for row in np.ascontiguousarray(shots.drawn_terms)])
    probabilities = np.bincount(group, weights=np.abs(coefficients), minlength=groups)
    return numbers_test(np.bincount(drawn, minlength=groups).astype(np.int64), probabilities / math.fsum(probabilities))


def require_declared_terms(test: SettingsTest | None) -> None:
    """Raises an error if the drawn terms contradict their declared distribution.

    Args:
        test: The test of the drawn terms, or ``None``.

    Raises:
        CountsError: If its p-value is below 1e-6.
    """
    if test is None or test.log10_p_value >= math.log10(REFUSAL_LEVEL):
        return
    raise CountsError.bad_argument(
        "drawn_from",
        expected="the expression from whose distribution the terms were drawn (default: the declared one)",
        got=f"one that the drawn terms contradict (p = 10^{test.log10_p_value:.1f})",
        remedy="Pass the expression whose terms were drawn as drawn_from, or declare design='blocks' if the settings "
        "were fixed beforehand.",
    )
