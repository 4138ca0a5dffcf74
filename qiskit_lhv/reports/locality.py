"""The answer to the question, with its evidence."""

from __future__ import annotations

import html
import json
import math
from dataclasses import dataclass, field
from typing import Any

from .._support.records import encode
from ..models.local_model import LocalModel
from ..polytope.inequalities.bell_inequality import BellInequality
from ..verification.evidence import Evidence, readable
from ..verification.result import Verification
from ..verification.verdict import Verdict
from .figure_names import figure_label, format_figure, format_p_value
from .questions import UNREADABLE, Question

__all__ = ["LocalityReport"]


@dataclass(frozen=True, eq=False, repr=False)
class LocalityReport(Evidence):
    """A verdict on local hidden-variable models, with the evidence behind it."""

    verdict: Verdict
    """The verdict."""
    target: str
    """What was analyzed, in words."""
    admits_local_model: bool | None
    """Whether a local model fits the target; ``None``: unknown. For counts, ``False`` if the declared test, the
    no-signaling test or the goodness of fit rejects all local models at ``alpha``."""
    model: LocalModel | None
    """The best local model."""
    inequality: BellInequality | None
    """The Bell inequality behind the verdict or the p-value."""
    alpha: float | None
    """Error probability of a NONLOCAL verdict, for counts."""
    test: str | None
    """The test whose p-value decides, declared in the call, for counts."""
    log10_p_value: float | None
    """Base-10 logarithm of that p-value."""
    statistics: dict[str, float]
    """Figures for the reader by their short keys, such as ``"kl"`` and ``"S"``; none but the declared p-value decides.

    A printed report shows their labels, see :class:`~qiskit_lhv.reports.Figure`."""
    evidence: tuple[Any, ...]
    """Results that can be re-checked, such as thresholds, e-values and fits."""
    assumptions: tuple[str, ...]
    """What the verdict rests on."""
    advice: str
    """What would settle an open question; empty if nothing is open."""
    warnings: tuple[str, ...] = ()
    """What looks wrong about the data, in words."""
    absent: dict[str, str] = field(default_factory=dict)
    """Figures that could not be had, by the same keys, with the reason."""
    largest_kappa: float | None = None
    """For counts, the largest ratio of hidden influences to what marginals show up to which the violation stands;
    ``None`` where it was not computed."""
    question: Question | None = None
    """What was asked: the target with its accuracy or its counts, and what was declared; it knows how the verdict
    follows."""
    timed_out: bool = False
    """Whether the time limit of the call cut the search short: with more time the answer may be another. It is the
    search's own word: nothing in the report shows it, and no verdict rests on it."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "verdict", Verdict(self.verdict))

    @property
    def p_value(self) -> float | None:
        """The declared p-value; 0.0 where it is below the smallest float (see ``log10_p_value``)."""
        return None if self.log10_p_value is None else 10 ** float(self.log10_p_value)

    @property
    def headline(self) -> str:
        """The verdict in one sentence, with what it stands on: for a behavior the accuracy of its numbers."""
        question = self.question
        if question is None:
            return self.verdict.sentence
        return readable(lambda: question.headline(self), UNREADABLE)

    def verify(self, *, prove_bound: bool | None = None) -> Verification:
        """Re-checks every piece of evidence without the solvers that found it, and that the report follows from it.

        Bounds, models, p-values and certificates are proven by other algorithms. For counts, what only shows when it is
        computed again is, by the package's own code with the recorded seed: the orders of the shots, each factor of an
        e-value from the stages before it, the tests of settings, no-signaling and drift, the allowance for signaling,
        and the fits that are shown. Figures and words that differ from what follows are refuted. It takes about twice
        as long as the analysis.

        Somebody who changes what was declared, and everything that follows from it, has made the true report of another
        declaration; no check can tell that from the first.

        Args:
            prove_bound: Whether to prove local bounds again; see ``BellInequality.verify``.
        """
        if self.question is None:
            return Verification(False, "nothing says what was asked", math.inf)
        return self.question.check(self, prove_bound=prove_bound)

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
        return lines

    def __str__(self) -> str:
        return readable(self._text, f"{self.verdict}: {UNREADABLE}")

    def _text(self) -> str:
        lines = self._lines()
        width = max(len(name) for name, _ in lines) + 2
        text = [f"{self.verdict}: {self.headline}"]
        text += [f"  {name:<{width}}{value}" for name, value in lines]
        text += [f"  assumes {'':<{width - 8}}{assumption}" for assumption in self.assumptions]
        if self.advice:
            text.append(f"  {'to settle it':<{width}}{self.advice}")
        return "\n".join(text)

    def __repr__(self) -> str:
        given = self.log10_p_value
        p = "" if given is None else readable(lambda: f", p = {format_p_value(given)}", ", p unreadable")
        return f"LocalityReport({self.verdict}{p})"

    def to_json(self) -> str:
        """The whole report as JSON, with the p-value and the sentence of the verdict in plain view.

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
        """The report as an HTML fragment."""
        return readable(self._fragment, f"<div><b>{self.verdict}</b>: {UNREADABLE}</div>")

    def _fragment(self) -> str:
        rows = self._lines() + [("assumes", assumption) for assumption in self.assumptions]
        if self.advice:
            rows.append(("to settle it", self.advice))
        body = "".join(
            f"<tr><th style='text-align:left'>{html.escape(name)}</th>"
            f"<td style='text-align:left'>{html.escape(value)}</td></tr>"
            for name, value in rows
        )
        return f"<div><b>{self.verdict}</b>: {html.escape(self.headline)}<table>{body}</table></div>"

    def _repr_html_(self) -> str:
        return self.to_html()

    def plot(self) -> Any:
        """The target's probabilities beside those of the best local model, as a matplotlib figure.

        Raises:
            LHVError: If there is no model to show.
            ImportError: If matplotlib is not installed (extra ``plot``).
        """
        from ..plotting import plot_report

        return plot_report(self)
