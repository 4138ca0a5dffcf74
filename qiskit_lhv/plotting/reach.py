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

    Examples:
        The graph state of a ring of six qubits, and the part of its inequality on five of them:

        >>> from qiskit_lhv.experiments import graph_state_preparation, ManyPartyExperiment, ManyPartySchedule
        >>> from qiskit_lhv.polytope import baccari_inequality
        >>> from qiskit_lhv.statistics import nested_expressions, violation_reach
        >>> ring = [(k, (k + 1) % 6) for k in range(6)]
        >>> whole = baccari_inequality(ring, centers=[2])
        >>> experiment = ManyPartyExperiment(graph_state_preparation(ring).circuit, whole.settings)
        >>> shots = experiment.run(experiment.simulator(seed=3), ManyPartySchedule.blocks(whole.expression, 500))
        >>> reach = violation_reach(shots, nested_expressions(whole.expression, [range(5), range(6)]))
        >>> figure = plot_violation_reach(reach)
        >>> figure.axes[0].get_xlabel(), figure.axes[0].get_ylabel()
        ('parties of the register', 'value / local bound')
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
