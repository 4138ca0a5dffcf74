"""The answer of a report on one screen: the verdict, the figures that carry it, and what it rests on."""

from __future__ import annotations

import math
import textwrap
from typing import TYPE_CHECKING

from .._support.estimated_value import with_error
from .._support.words import counted
from ..statistics.intervals.expression_values import bell_values
from ..verification.verdict import Verdict
from .counts_rule import CountsEvidence, rule_of
from .figure_names import Figure, figure_label, format_figure, format_p_value

if TYPE_CHECKING:
    from .locality import LocalityReport

__all__ = ["DETAILS", "QUANTUM_BOUND", "aligned", "main_assumptions", "summary_rows"]

DETAILS = "details: report.details()"
"""The last line of a summary."""
QUANTUM_BOUND = 2 * math.sqrt(2)
"""The largest value S of quantum theory."""

# How wide a line of a summary may be, how many assumptions it lists, and how many notes on what was guessed.
_WIDTH = 110
_MOST_ASSUMPTIONS, _MOST_NOTES = 3, 2
# The assumptions about counts that may fail most easily come first. These are how their lines begin.
_READING, _NOTHING_PASSES = "as the data were read:", "nothing passes"
_STARTS = (
    _READING,
    "fair sampling:",
    "hidden influences are at most",
    _NOTHING_PASSES,
    "shots are independent",
    "the trials are in",
    "settings were drawn",
    "the behavior is no-signaling",
    "crosstalk",
)
# An error of a behavior that is smaller than this is not shown.
_LEAST_ERROR = 1e-5
# Figures that are shown as part of another row.
_PARTS = (Figure.S, Figure.S_ERROR, Figure.VALUE_LOWER, Figure.LOCAL_BOUND, Figure.VALUE_ERROR, Figure.SEED)


def summary_rows(report: LocalityReport) -> list[tuple[str, str]]:
    """Returns the names and the texts of the rows of a summary, without the verdict and without the assumptions.

    Args:
        report: The report.
    """
    rows = _values(report) + _correlators(report)
    rule = rule_of(report)
    rows += _figures_of_counts(report) if rule is not None else _other_figures(report)
    if report.log10_p_value is not None:
        declared = f"declared test: {report.test}; alpha = {report.alpha:g}"
        rows.append(("p-value", f"{format_p_value(report.log10_p_value)} ({declared})"))
    if report.verdict in (Verdict.INCONCLUSIVE, Verdict.SIGNALING):
        fits = {True: "fits", False: "does not fit", None: "it is unknown whether one fits"}
        rows.append(("local model", fits[report.admits_local_model]))
    if rule is None and report.evidence and report.log10_p_value is None:
        rows.append(("evidence", str(report.evidence[0])))
    shots = "" if rule is None else f" ({counted(rule.counts.total_shots, 'shot')})"
    rows.append(("target", f"{report.target}{shots}"))
    rows += [("warning", warning) for warning in report.warnings]
    if report.absent:
        rows.append(("absent", f"{', '.join(map(figure_label, report.absent))} (the details say why)"))
    if report.timed_out:
        rows.append(("time", "the limit cut the search short"))
    if report.advice:
        rows.append(("to settle it", report.advice))
    return rows


def _values(report: LocalityReport) -> list[tuple[str, str]]:
    """The row of S, or of the value of another expression, against the bounds."""
    figures, s = report.statistics, report.S
    rows = []
    if s is not None:
        value = with_error(s, s.standard_error if s.standard_error >= _LEAST_ERROR else 0)
        rows.append(("S", f"{value}; local models reach 2, quantum theory {QUANTUM_BOUND:.4g}"))
    if Figure.VALUE in figures:
        value = with_error(figures[Figure.VALUE], figures.get(Figure.VALUE_ERROR, 0.0))
        if Figure.VALUE_LOWER in figures:
            value += f", at least {figures[Figure.VALUE_LOWER]:.5g} with confidence"
        if Figure.LOCAL_BOUND in figures:
            value += f"; local models reach {figures[Figure.LOCAL_BOUND]:.6g}"
        rows.append(("value", value))
    return rows


def _correlators(report: LocalityReport) -> list[tuple[str, str]]:
    table = report.correlators
    return [] if table is None else [("correlators" if i == 0 else "", line) for i, line in enumerate(table.lines())]


def _figures_of_counts(report: LocalityReport) -> list[tuple[str, str]]:
    """Signaling, if it is seen. Without a value S, also a declared game and the distance to local models."""
    rows = []
    rule, found = rule_of(report), CountsEvidence.of(report.evidence)
    if rule is not None and found.signaling is not None and rule.signaling_seen(found):
        shift, p = found.signaling.largest_shift, found.signaling.p_value
        rows.append(("signaling", f"a marginal shifts by {shift:.2g} with another party's setting (p = {p:.2g})"))
    if Figure.S in report.statistics:
        return rows
    game = found.game
    if game is not None and report.test == "game" and report.inequality is not None and rule is not None:
        estimate = bell_values(rule.counts, game.expression)
        value = with_error(float(estimate.values[0]), float(estimate.standard_errors[0]))
        rows.append(("value", f"{value}; local models reach {report.inequality.bound.value:.6g}"))
    if game is not None and game.binomial:
        wins = (
            f"{round(game.score)} of {game.num_trials} trials won; local models win a share of {game.score_bound:.4g}"
        )
        rows.append(("game", wins))
    if Figure.KL in report.statistics:
        distance = f"{report.statistics[Figure.KL]:.3g} nats per trial from the frequencies"
        rows.append(("best local model", distance))
    return rows


def _other_figures(report: LocalityReport) -> list[tuple[str, str]]:
    shown = [(key, value) for key, value in report.statistics.items() if key not in _PARTS and key != Figure.VALUE]
    return [(figure_label(key), format_figure(value)) for key, value in shown]


def main_assumptions(report: LocalityReport) -> list[str]:
    """Returns the assumptions that a summary lists: the two or three that may fail most easily.

    Args:
        report: The report.
    """
    if rule_of(report) is None:
        return list(report.assumptions[:_MOST_ASSUMPTIONS])
    chosen: list[str] = []
    for start in _STARTS:
        if start == _NOTHING_PASSES and report.verdict is Verdict.NONLOCAL:
            # The headline says it.
            continue
        found = [line for line in report.assumptions if line.startswith(start)]
        if start == _READING and len(found) > _MOST_NOTES:
            found = [*found[: _MOST_NOTES - 1], f"{len(found) - _MOST_NOTES + 1} more guesses on how to read the data"]
        chosen += [line for line in found if line not in chosen]
    return chosen[:_MOST_ASSUMPTIONS]


def aligned(rows: list[tuple[str, str]]) -> list[str]:
    """Returns the lines of rows whose texts stand below each other; long texts go on in the next line.

    Args:
        rows: Names and texts. A text below an empty name belongs to the row above.
    """
    width = max((len(name) for name, _ in rows), default=0) + 2
    lines = []
    for name, text in rows:
        # Texts that were aligned before keep their spaces.
        fits = len(text) + width + 2 <= _WIDTH or "   " in text
        parts = [text] if fits else textwrap.wrap(text, _WIDTH - width - 2, break_long_words=False)
        lines += [f"  {name if i == 0 else '':<{width}}{part}" for i, part in enumerate(parts)]
    return lines
