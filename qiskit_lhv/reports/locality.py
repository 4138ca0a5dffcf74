"""The report on one target: the verdict and its evidence."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .._support.records import encode
from ..models.local_model import LocalModel
from ..polytope.expressions.families import chsh_forms
from ..polytope.inequalities.bell_inequality import BellInequality
from ..targets.estimated_values import EstimatedValue
from ..verification.evidence import Evidence, readable
from ..verification.result import Verification
from ..verification.verdict import Verdict
from .correlator_tables import CorrelatorTable
from .figure_names import Figure, figure_label, format_figure, format_p_value
from .html_pages import page, report_fragment
from .questions import UNREADABLE, Question
from .summary import DETAILS, aligned, main_assumptions, summary_rows

__all__ = ["LocalityReport"]


@dataclass(frozen=True, eq=False, repr=False)
class LocalityReport(Evidence):
    """A verdict on local hidden-variable models, with the evidence behind it.

    References:
        J. S. Bell, Physics 1, 195 (1964); N. Brunner, D. Cavalcanti, S. Pironio, V. Scarani, S. Wehner, Rev. Mod. Phys.
        86, 419 (2014), arXiv:1303.2849.

    Examples:
        >>> from qiskit_lhv import analyze, load_bundled_counts
        >>> report = analyze(load_bundled_counts("ibm_hanoi19_20circuit13").counts, seed=1)
        >>> print(report.verdict, report.S, f"log10 p = {report.log10_p_value:.0f}")
        NONLOCAL 2.7682 +- 0.0068 log10 p = -2115
        >>> print(report.headline)
        No local hidden-variable model explains the counts, if nothing passes between the parties; the counts
         exclude hidden influences up to 19 times what marginals show.
        >>> report.admits_local_model, len(report.assumptions), bool(report.verify())
        (False, 7, True)
    """

    verdict: Verdict
    """The verdict."""
    target: str
    """The target of the analysis, in words."""
    admits_local_model: bool | None
    """Whether a local model fits the target, or ``None`` if that is unknown. For counts, it is ``False`` if the
    declared test, the no-signaling test or the goodness of fit rejects all local models at ``alpha``."""
    model: LocalModel | None
    """The best local model."""
    inequality: BellInequality | None
    """The Bell inequality behind the verdict or the p-value."""
    alpha: float | None
    """For counts, the error probability of a NONLOCAL verdict."""
    test: str | None
    """For counts, the declared test, whose p-value decides."""
    log10_p_value: float | None
    """The base-10 logarithm of that p-value."""
    statistics: dict[str, float]
    """The figures of the report by their short keys, such as ``"kl"`` and ``"S"``; see
    :class:`~qiskit_lhv.reports.Figure`. :meth:`details` shows all of them. Of all p-values, only the declared one
    decides."""
    evidence: tuple[Any, ...]
    """Results that can be verified again, such as thresholds, e-values and fits."""
    assumptions: tuple[str, ...]
    """The assumptions on which the verdict rests."""
    advice: str
    """What would settle an open question; empty if nothing is open."""
    warnings: tuple[str, ...] = ()
    """What looks wrong about the data, in words."""
    absent: dict[str, str] = field(default_factory=dict)
    """The figures that could not be computed, by the same keys, each with the reason."""
    largest_kappa: float | None = None
    """For counts, the largest ratio of hidden influences to what marginals show at which the violation still excludes
    local models. It is ``None`` if it was not computed."""
    question: Question | None = None
    """The question: the target with its accuracy or its counts, the declarations, and the rule for the verdict."""
    timed_out: bool = False
    """Whether the time limit of the call cut the search short, so that more time may change the answer. ``verify()``
    cannot check this field, and no verdict depends on it."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "verdict", Verdict(self.verdict))

    @property
    def p_value(self) -> float | None:
        """The declared p-value. It is 0.0 if it is below the smallest float; see ``log10_p_value``."""
        return None if self.log10_p_value is None else 10 ** float(self.log10_p_value)

    @property
    def headline(self) -> str:
        """The verdict in one sentence, with its conditions, such as the accuracy of the numbers of a behavior."""
        question = self.question
        if question is None:
            return self.verdict.sentence
        return readable(lambda: question.headline(self), UNREADABLE)

    def verify(self, *, prove_bound: bool | None = None) -> Verification:
        """Verifies every piece of evidence without the solvers that found it, and that the report follows from it.

        Bounds, models, p-values and certificates are verified by other algorithms. For counts, some parts can only be
        checked by computing them again, with the package's own code and the recorded seed: the orders of the shots,
        each factor of an e-value from the stages before it, the tests of settings, no-signaling and drift, the
        allowance for signaling, and the fits that are shown. Figures and words that do not follow from the evidence are
        refuted. The check takes about twice as long as the analysis.

        No check can tell whether the declarations were changed afterwards, together with everything that follows from
        them: the result is a valid report for other declarations.

        Args:
            prove_bound: Whether to prove local bounds again; see ``BellInequality.verify``.
        """
        if self.question is None:
            return Verification(False, "nothing says what was asked", math.inf)
        return self.question.check(self, prove_bound=prove_bound)

    # Figures that people ask for

    @property
    def correlators(self) -> CorrelatorTable | None:
        """The correlators of the target for every setting combination, with their errors.

        It is ``None`` if there are none: for a state, whose settings are not chosen, and for other than two outcomes.
        """
        question = self.question
        return None if question is None else readable(question.shown_correlators, None)

    @property
    def S(self) -> EstimatedValue | None:  # noqa: N802
        """The largest of the eight CHSH values, a number with a ``standard_error``.

        For a behavior, the error is the largest one that its tolerance allows. It is ``None`` if the target is not one
        of two parties with two settings of two outcomes.
        """
        return readable(self._chsh_value, None)

    def _chsh_value(self) -> EstimatedValue | None:
        if Figure.S in self.statistics:
            return EstimatedValue(self.statistics[Figure.S], self.statistics[Figure.S_ERROR])
        table = self.correlators
        if table is None or table.values.shape != (2, 2) or not np.isfinite(table.values).all():
            return None
        # Errors of a behavior are limits, which add up.
        return EstimatedValue(float(chsh_forms(table.values).max()), float(table.errors.sum()))

    # For people

    def _lines(self) -> list[tuple[str, str]]:
        lines = [("target", self.target)]
        if self.log10_p_value is not None:
            p = format_p_value(self.log10_p_value)
            lines.append(("p-value", f"{p} (declared test: {self.test}; alpha = {self.alpha:g})"))
        fits = {True: "yes", False: "no", None: "unknown"}[self.admits_local_model]
        lines.append(("admits local model", fits))
        lines += [("warning", warning) for warning in self.warnings]
        lines += [(figure_label(key), format_figure(value)) for key, value in self.statistics.items()]
        lines += [(figure_label(key), f"absent: {reason}") for key, reason in self.absent.items()]
        lines += [("evidence", str(piece)) for piece in self.evidence]
        if self.timed_out:
            lines.append(("time", "the limit cut the search short"))
        lines += [("assumes", assumption) for assumption in self.assumptions]
        if self.advice:
            lines.append(("to settle it", self.advice))
        return lines

    def details(self) -> str:
        """Returns all figures, the evidence and all assumptions of the report as text."""
        return readable(self._details, f"{self.verdict}: {UNREADABLE}")

    def _details(self) -> str:
        lines = self._lines()
        width = max(len(name) for name, _ in lines) + 2
        return "\n".join([self._first_line(), *(f"  {name:<{width}}{value}" for name, value in lines)])

    def _first_line(self) -> str:
        return f"{self.verdict}: {self.headline}"

    def __str__(self) -> str:
        return readable(self._summary, f"{self.verdict}: {UNREADABLE}")

    def _summary(self) -> str:
        rows = summary_rows(self)
        rows += [("assumes" if i == 0 else "", line) for i, line in enumerate(main_assumptions(self))]
        return "\n".join([self._first_line(), *aligned(rows), DETAILS])

    def __repr__(self) -> str:
        given = self.log10_p_value
        p = "" if given is None else readable(lambda: f", p = {format_p_value(given)}", ", p unreadable")
        return f"LocalityReport({self.verdict}{p})"

    def to_json(self) -> str:
        """Returns the whole report as JSON, including the p-value and the sentence of the verdict.

        ``LocalityReport.load`` reads it back from a file.
        """
        data = encode(self)
        data["summary"] = {
            "verdict": str(self.verdict),
            "sentence": self.headline,
            "p_value": self.p_value,
            "largest_kappa": self.largest_kappa,
        }
        return json.dumps(data, indent=1, allow_nan=False)

    def to_html(self) -> str:
        """Returns the report as a complete HTML page, with a picture if matplotlib is installed.

        The page needs no other file. It follows the light or dark colors of the reader's system, and its evidence is
        folded.
        """
        title = f"{self.verdict}: {self.target}"
        unreadable = page(title, f"<p><b>{self.verdict}</b>: {UNREADABLE}</p>")
        return readable(lambda: page(title, report_fragment(self, picture=True)), unreadable)

    def _repr_html_(self) -> str:
        return readable(lambda: report_fragment(self), f"<div><b>{self.verdict}</b>: {UNREADABLE}</div>")

    def plot(self) -> Any:
        """Returns a matplotlib figure of what the report is about; see :func:`~qiskit_lhv.plotting.plot_report`.

        Raises:
            ImportError: If matplotlib is not installed (extra ``plot``).
        """
        from ..plotting import plot_report

        return plot_report(self)
