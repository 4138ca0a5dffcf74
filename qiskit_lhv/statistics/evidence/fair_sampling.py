"""Shots that were left out, which a test against local models must not ignore."""

from __future__ import annotations

from ..._support.validation import truth_value
from ...exceptions import CountsError
from ...targets.counts import BellCounts
from ...targets.trials import BellTrials

__all__ = ["require_all_shots"]


def require_all_shots(data: BellCounts | BellTrials, fair_sampling: bool) -> None:
    """Raises an error for post-selected counts or trials, unless fair sampling is assumed.

    Args:
        data: Counts or trials from which a p-value is to be computed.
        fair_sampling: Whether the shots that were kept are assumed to be a fair sample of all.

    Raises:
        CountsError: If shots were dropped and this is not assumed.

    References:
        Pearle, Phys. Rev. D 2, 1418 (1970).
    """
    stated = truth_value(fair_sampling, "fair_sampling", CountsError)
    if data.post_selected and not stated:
        raise CountsError.bad_argument(
            "post_selected",
            expected="all shots",
            got="shots that were selected by their outcomes",
            remedy="No p-value follows from them: a local model that chooses when to click can show any violation "
            "(the detection loophole, Pearle, Phys. Rev. D 2, 1418 (1970)). Keep the lost shots as an outcome of "
            "their own, count them as another outcome with assign_lost(), or state the assumption that the kept "
            "shots are a fair sample: fair_sampling=True.",
        )
