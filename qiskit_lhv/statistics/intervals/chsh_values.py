"""The value S of counts of a CHSH test: its standard error, and whether it lies above the quantum bound."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ...polytope.expressions.families import chsh_forms
from ..tails.binomial import convex_tail, log_tail

if TYPE_CHECKING:
    from ...targets.counts import BellCounts

__all__ = ["IMPOSSIBLE_LEVEL", "chsh_correlators", "chsh_value", "log10_quantum_p"]

IMPOSSIBLE_LEVEL = 2.866515718791939e-07
"""From this p-value on, S is taken for a mistake in the data: the tail of a normal variable beyond five standard
errors."""

# The sum of the four probabilities to win, of a quantum model: each (1 + 1 / sqrt(2)) / 2 at the most, on average.
_QUANTUM_SUM = 2 + math.sqrt(2)
_NUM_FORMS = 8


def chsh_correlators(counts: BellCounts) -> tuple[NDArray[np.float64], float]:
    """The four correlators, shape ``(2, 2)``, and the standard error of their sum with any signs.

    No correlator is taken to be nearer to 1 or -1 than ``n / (n + 2)`` of its n shots, as if one more shot of either
    outcome had been seen (Laplace's rule): shots that all agree do not say that all others would.

    Args:
        counts: Counts of two parties with two settings of two outcomes, all of whose settings were measured.

    Raises:
        CountsError: If a setting combination was not measured.
    """
    correlators = np.einsum("xyab,a,b->xy", counts.frequencies().array, [1.0, -1.0], [1.0, -1.0])
    shots = counts.num_shots
    size = np.minimum(np.abs(correlators), shots / (shots + 2))
    return correlators, math.sqrt(float(np.sum((1 - size**2) / shots)))


def chsh_value(counts: BellCounts) -> tuple[float, float]:
    """The largest of the eight CHSH values of counts, and its standard error, which is above 0.

    Args:
        counts: Counts of two parties with two settings of two outcomes.

    Examples:
        >>> from qiskit_lhv import BellCounts
        >>> agree = [[5, 0], [0, 5]]
        >>> value, error = chsh_value(BellCounts([[agree, agree], [agree, [[0, 5], [5, 0]]]]))
        >>> value, round(error, 2)
        (4.0, 0.35)
    """
    correlators, error = chsh_correlators(counts)
    return float(chsh_forms(correlators).max()), error


def log10_quantum_p(counts: BellCounts) -> float:
    """log10 of an upper bound of the probability that a quantum device gives so large a value S by chance.

    In every form of CHSH the four probabilities to win add up to at most ``2 + sqrt(2)`` (Tsirelson). If all settings
    have the same number of shots, the tail of the number of wins is at most that of a binomial variable (Hoeffding).
    Otherwise wins are weighed by the rarest setting's share over their own, and their sum is bounded like a sum of
    scores in ``game_test``. There are eight forms, hence a factor of eight. Shots are taken as independent, from one
    device.

    Args:
        counts: Counts of two parties with two settings of two outcomes.

    References:
        B. S. Cirel'son, Lett. Math. Phys. 4, 93 (1980); W. Hoeffding, Ann. Math. Statist. 27, 713 (1956); V. Bentkus,
        Ann. Probab. 32, 1650 (2004).

    Examples:
        Ten shots of each setting that all win are no surprise, a hundred are:

        >>> from qiskit_lhv import BellCounts, chsh
        >>> wins = (chsh().coefficients > 0).astype(int)
        >>> [round(log10_quantum_p(BellCounts(k * wins)), 1) for k in (5, 50)]
        [-1.8, -26.6]
    """
    shots = counts.num_shots
    total = int(shots.sum())
    correlators, _ = chsh_correlators(counts)
    share = float(shots.min()) / total
    # The sum of the frequencies to win of the form that wins most.
    wins = 2 + float(chsh_forms(correlators).max()) / 2
    score, bound = share * total * wins, share * _QUANTUM_SUM
    if np.ptp(shots) == 0:
        # Hoeffding's theorem holds from one win above the mean on.
        log_p = log_tail(round(score), total, bound) if round(score) >= total * bound + 1 else 0.0
    else:
        log_p = convex_tail(score * (1 - 1e-12), total, bound)[1]
    return min(0.0, (log_p + math.log(_NUM_FORMS)) / math.log(10))
