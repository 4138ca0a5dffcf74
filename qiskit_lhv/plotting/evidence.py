"""How the evidence against local models grew with the shots."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from .._support.types import FloatArray
from ..exceptions import LHVError
from ..reports.counts_rule import CountsEvidence
from ..statistics.evidence.combined_e_values import CombinedEValue
from ..statistics.evidence.e_values import EValue
from .figures import BLUE, GREY, ON_WHITE, ORANGE, add_legend, add_title, new_figure

if TYPE_CHECKING:
    from ..reports.locality import LocalityReport

__all__ = ["plot_evidence"]


def plot_evidence(report: LocalityReport) -> Any:
    """Plots the e-value against every local model after each stage of the shots.

    Args:
        report: A report on counts or trials.

    Returns:
        A matplotlib figure. For a mean over several orders of the shots, thin lines are the single orders. The dashed
        line is where the e-value alone is significant: at ``1 / alpha``, or for the combined test at ten times as much.

    Raises:
        LHVError: If the report holds no e-value.

    References:
        Y. Zhang, S. Glancy, E. Knill, Phys. Rev. A 84, 062118 (2011), arXiv:1108.2468 (the e-value, stage by stage).

    Examples:
        >>> from qiskit_lhv import analyze, load_bundled_counts
        >>> report = analyze(load_bundled_counts("ibm_hanoi19_20circuit13").counts, seed=1)
        >>> figure = plot_evidence(report)
        >>> figure.axes[0].get_xlabel(), figure.axes[0].get_ylabel(), len(figure.axes[0].lines)
        ('shots, all settings together', 'log10 of the e-value', 24)
    """
    found = CountsEvidence.of(report.evidence)
    e_value = found.e_value
    if e_value is None or report.alpha is None:
        raise LHVError.bad_argument("report", expected="one on counts, with an e-value", got=repr(report))
    figure = new_figure(6.4, 3.8)
    axis = figure.subplots()
    parts = e_value.parts if isinstance(e_value, CombinedEValue) else (e_value,)
    lines = [_line(part) for part in parts]
    if len(parts) > 1 and isinstance(e_value, CombinedEValue) and not e_value.independent:
        for number, (shots, logs) in enumerate(lines):
            axis.plot(shots, logs, color="#9db7d5", linewidth=0.8, label="single orders" if number == 0 else None)
        mean = _mean(lines)
        if mean is not None:
            axis.plot(*mean, color=BLUE, linewidth=2, label=f"mean of {len(parts)} orders of the shots")
    else:
        shots, logs = _one_after_the_other(lines)
        axis.plot(shots, logs, color=BLUE, linewidth=2, label="e-value")
    end = e_value.log_e / math.log(10)
    axis.plot([e_value.num_shots], [end], "o", color=BLUE)
    axis.annotate(
        f"{end:.4g}",
        (e_value.num_shots, end),
        (-6, 9),
        textcoords="offset points",
        ha="right",
        fontsize=8,
        bbox=ON_WHITE,
    )
    weight = 1.0 if found.combined is None or report.test != "combined" else found.combined.weights[0]
    needed = -math.log10(report.alpha * weight)
    label = f"needed for p = {report.alpha:g} ({report.test} test)"
    axis.axhline(needed, color=ORANGE, linestyle="--", label=label)
    axis.axhline(0, color=GREY, linewidth=0.8)
    axis.set_xlim(0, e_value.num_shots * 1.03)
    axis.margins(y=0.12)
    axis.set_xlabel("shots, all settings together", fontsize=9)
    axis.set_ylabel("log10 of the e-value", fontsize=9)
    add_legend(figure)
    add_title(figure, report)
    return figure


def _line(part: EValue) -> tuple[FloatArray, FloatArray]:
    """Shots and log10 of the e-value after each stage, from no shots on."""
    sizes = part.tested.reshape(part.num_stages, -1).sum(axis=1)
    shots = np.concatenate([[0.0], np.cumsum(sizes)])
    return shots, np.concatenate([[0.0], part.log_e_by_stage / math.log(10)])


def _mean(lines: list[tuple[FloatArray, FloatArray]]) -> tuple[FloatArray, FloatArray] | None:
    """The mean of e-values of the same shots, if all have the same stages."""
    shots = lines[0][0]
    if any(not np.array_equal(other, shots) for other, _ in lines):
        return None
    logs = np.array([logs for _, logs in lines])
    largest = logs.max(axis=0)
    return shots, largest + np.log10(np.mean(10 ** (logs - largest), axis=0))


def _one_after_the_other(lines: list[tuple[FloatArray, FloatArray]]) -> tuple[FloatArray, FloatArray]:
    """The product of the e-values of experiments that follow each other."""
    shots, logs = lines[0]
    for more_shots, more_logs in lines[1:]:
        shots = np.concatenate([shots, shots[-1] + more_shots[1:]])
        logs = np.concatenate([logs, logs[-1] + more_logs[1:]])
    return shots, logs
