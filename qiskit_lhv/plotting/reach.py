"""How far a violation reaches with the number of parties."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..exceptions import LHVError
from ..statistics.many_parties.reach import ViolationReach
from .figures import BLUE, GREY, ORANGE, add_legend, new_figure

__all__ = ["plot_violation_reach"]


def plot_violation_reach(reach: ViolationReach) -> Any:
    """Plots the violation of the expressions of growing registers against their number of parties.

    Args:
        reach: What ``violation_reach`` found.

    Returns:
        A matplotlib figure: each value divided by its local bound, with two standard errors. Full points are violations
        that hold together at the declared level, empty ones are not.

    Raises:
        LHVError: If it is something else.
    """
    if not isinstance(reach, ViolationReach):
        raise LHVError.bad_argument("reach", expected="a ViolationReach", got=type(reach).__name__)
    figure = new_figure(6.4, 3.8)
    axis = figure.subplots()
    order = np.argsort(reach.num_parties, kind="stable")
    sizes, ratios = np.array(reach.num_parties)[order], reach.ratios[order]
    errors, seen = 2 * reach.ratio_errors[order], np.array(reach.violated)[order]
    axis.plot(sizes, ratios, color=GREY, linewidth=0.8)
    for chosen, color, label in (
        (seen, BLUE, f"violated (all together at alpha = {reach.alpha:g})"),
        (~seen, ORANGE, "not violated"),
    ):
        if chosen.any():
            axis.errorbar(
                sizes[chosen],
                ratios[chosen],
                errors[chosen],
                fmt="o",
                color=color,
                markerfacecolor=color if color == BLUE else "white",
                capsize=3,
                label=label,
            )
    axis.axhline(1, color=GREY, linestyle="--", linewidth=1, label="local bound")
    axis.set_xlabel("parties of the register", fontsize=9)
    axis.set_ylabel("value / local bound", fontsize=9)
    axis.margins(y=0.12)
    axis.xaxis.get_major_locator().set_params(integer=True)
    add_legend(figure)
    words = "no violation" if reach.largest is None else f"violated up to {reach.largest} parties"
    figure.suptitle(words, fontsize=9, fontweight="bold")
    return figure
