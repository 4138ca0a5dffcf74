"""The answer to the question, with its evidence."""

from __future__ import annotations

import html
import json
import math
from dataclasses import dataclass, field
from typing import Any

from ._evidence_checks import refute_unreadable
from ._records import Record, encode
from .counts_rule import CountsEvidence, CountsRule, figures_of_evidence
from .models.local_model import LocalModel
from .polytope.inequalities import BellInequality
from .verdict import Verdict
from .verification import Verification, combine

__all__ = ["LocalityReport", "format_p_value"]


def format_p_value(log10_p_value: float) -> str:
    """A p-value for people, also where it is below the smallest float.

    Examples:
        >>> format_p_value(-1.5), format_p_value(-1410.25)
        ('0.03162', '5.62e-1411')
    """
    if log10_p_value > -300:
        return f"{10**log10_p_value:.4g}"
    exponent = int(log10_p_value // 1)
    return f"{10 ** (log10_p_value - exponent):.2f}e{exponent}"


@dataclass(frozen=True, eq=False, repr=False)
class LocalityReport(Record):
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
    """Figures for the reader; none but the declared p-value decides."""
    evidence: tuple[Any, ...]
    """Results that can be re-checked, such as thresholds, e-values and fits."""
    assumptions: tuple[str, ...]
    """What the verdict rests on."""
    advice: str
    """What would settle an open question; empty if nothing is open."""
    warnings: tuple[str, ...] = ()
    """What looks wrong about the data, in words."""
    absent: dict[str, str] = field(default_factory=dict)
    """Figures that could not be had, with the reason."""
    largest_kappa: float | None = None
    """For counts, the largest ratio of hidden influences to what marginals show up to which the violation stands;
    ``None`` where it was not computed."""
    rule: CountsRule | None = None
    """For counts, what was declared before they were read, and how the verdict follows."""
    timed_out: bool = False
    """Whether the time limit of the call cut the search short: with more time the answer may be another."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "verdict", Verdict(self.verdict))

    @property
    def p_value(self) -> float | None:
        """The declared p-value; 0.0 where it is below the smallest float (see ``log10_p_value``)."""
        return None if self.log10_p_value is None else 10**self.log10_p_value

    @property
    def headline(self) -> str:
        """The verdict in one sentence; for counts, with what it stands on."""
        if self.rule is None:
            return self.verdict.sentence
        return self.rule.headline(CountsEvidence.of(self.evidence))

    def verify(self) -> Verification:
        """Re-checks every piece of evidence without the solvers that found it, and that the verdict follows from it."""
        return refute_unreadable(self._check)

    def _check(self) -> Verification:
        checks = [piece.verify() for piece in self.evidence if hasattr(piece, "verify")]
        if self.rule is not None:
            return combine(*checks, self._rule_check())
        if self.test is not None or self.log10_p_value is not None:
            return Verification(False, "there is a p-value, but nothing that says how the verdict follows", math.inf)
        return combine(*checks, self._evidence_check())

    def _evidence_check(self) -> Verification:
        """Checks that the evidence on a behavior or a state shows just the verdict."""
        shown = {piece.shows for piece in self.evidence if getattr(piece, "shows", None) is not None}
        claimed = set() if self.verdict is Verdict.INCONCLUSIVE else {self.verdict.value}
        words = " and ".join(sorted(shown)) or "nothing"
        levels = [piece.alpha for piece in self.evidence if self.alpha is not None and hasattr(piece, "alpha")]
        if any(not 0 < level <= self.alpha for level in levels if self.alpha is not None):
            return Verification(False, "a piece of evidence has a larger error probability than alpha", math.inf)
        same = shown == claimed
        return Verification(same, f"the evidence shows {words}", 0.0 if same else math.inf)

    def _rule_check(self) -> Verification:
        """Checks that the verdict on counts, its p-value and its kappa follow from the evidence."""
        assert self.rule is not None
        if (self.alpha, self.test) != (self.rule.alpha, self.rule.test):
            return Verification(False, "alpha or the test are not those declared", math.inf)
        allowance = CountsEvidence.of(self.evidence).allowance
        if self.largest_kappa != (None if allowance is None else allowance.largest_kappa):
            return Verification(False, "the largest kappa is not that of the evidence", math.inf)
        found = CountsEvidence.of(self.evidence)
        for name, value in figures_of_evidence(self.rule.counts, found).items():
            if not math.isclose(self.statistics.get(name, math.nan), value, rel_tol=1e-9, abs_tol=1e-12):
                return Verification(False, f"the figure {name!r} is not that of the evidence", math.inf)
        return self.rule.verify(self.evidence, self.verdict, self.log10_p_value)

    def _lines(self) -> list[tuple[str, str]]:
        lines = [("target", self.target)]
        if self.log10_p_value is not None:
            p = format_p_value(self.log10_p_value)
            lines.append(("p-value", f"{p} (declared test: {self.test}; alpha = {self.alpha:g})"))
        fits = {True: "yes", False: "no", None: "unknown"}[self.admits_local_model]
        lines.append(("admits local model", fits))
        lines += [("warning", warning) for warning in self.warnings]
        lines += [(name, f"{value:.6g}") for name, value in self.statistics.items()]
        lines += [(name, f"absent: {reason}") for name, reason in self.absent.items()]
        lines += [("evidence", str(piece)) for piece in self.evidence]
        if self.timed_out:
            lines.append(("time", "the limit cut the search short"))
        return lines

    def __str__(self) -> str:
        lines = self._lines()
        width = max(len(name) for name, _ in lines) + 2
        text = [f"{self.verdict}: {self.headline}"]
        text += [f"  {name:<{width}}{value}" for name, value in lines]
        text += [f"  assumes {'':<{width - 8}}{assumption}" for assumption in self.assumptions]
        if self.advice:
            text.append(f"  {'to settle it':<{width}}{self.advice}")
        return "\n".join(text)

    def __repr__(self) -> str:
        p = "" if self.log10_p_value is None else f", p = {format_p_value(self.log10_p_value)}"
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
        from .plotting import plot_report

        return plot_report(self)
