"""Reports on correlators with errors: figures by normal theory, and never more than INCONCLUSIVE."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

from .._support.estimated_value import with_error
from .._support.validation import instance, probability
from ..exceptions import CountsError
from ..polytope.expressions.expression import BellExpression
from ..reports.correlator_tables import CorrelatorTable
from ..reports.figure_names import Figure, format_p_value
from ..reports.locality import LocalityReport
from ..reports.questions import Question
from ..statistics.intervals.normal_tests import NormalTest, correlator_test
from ..targets.correlators import Correlators
from ..verification.evidence import agree, verify_piece
from ..verification.result import Verification, combine
from ..verification.verdict import Verdict

__all__ = ["CorrelatorsQuestion", "analyze_correlators"]

# Standard errors by which a value is above a bound without doubt.
_BEYOND_DOUBT = 5
_TEST = "normal theory"


@dataclass(frozen=True, eq=False, repr=False)
class CorrelatorsQuestion(Question):
    """The question about correlators with errors: how far a Bell expression lies above its local bound.

    References:
        J. F. Clauser, M. A. Horne, A. Shimony, R. A. Holt, Phys. Rev. Lett. 23, 880 (1969).

    Examples:
        >>> from qiskit_lhv import analyze
        >>> from qiskit_lhv.targets import Correlators
        >>> report = analyze(Correlators([[0.62, 0.61], [0.60, -0.62]], errors=0.05))
        >>> print(report.question.alpha, report.headline)
        0.01 S = 2.45 +- 0.10 lies 4.5 standard errors above the local bound 2: significant (p = 2.718e-05 by
         normal theory, with the errors as given, for the largest of eight forms). Correlators alone prove nothing
         about local models; counts can.
    """

    correlators: Correlators
    """The correlators."""
    alpha: float
    """The level at which a value is called significant."""
    expression: BellExpression | None = None
    """The declared expression, or ``None``: the largest form of CHSH."""

    def __post_init__(self) -> None:
        instance(self.correlators, Correlators, "correlators", CountsError)
        object.__setattr__(self, "alpha", probability(self.alpha, "alpha", CountsError, open_interval=True))
        if self.expression is not None:
            instance(self.expression, BellExpression, "expression", CountsError, "Such as chsh().")

    def headline(self, report: LocalityReport) -> str:
        """Returns the value, its distance from the local bound and the p-value in one sentence.

        Args:
            report: The report, whose evidence is shown.
        """
        test = next(piece for piece in report.evidence if isinstance(piece, NormalTest))
        value = with_error(test.value, test.standard_error)
        name = "S" if test.expression.scenario.is_chsh else "the expression"
        where = "above" if test.sigmas >= 0 else "below"
        found = "significant" if test.log10_p_value <= math.log10(self.alpha) else "not significant"
        p = f"p = {format_p_value(test.log10_p_value)} by normal theory, with the errors as given"
        if test.largest_form:
            p += ", for the largest of eight forms"
        return (
            f"{name} = {value} lies {abs(test.sigmas):.1f} standard errors {where} the local bound "
            f"{test.inequality.bound.value:g}: {found} ({p}). Correlators alone prove nothing about local models; "
            "counts can."
        )

    def shown_correlators(self) -> CorrelatorTable:
        """Returns the correlators with their errors."""
        given = self.correlators
        return CorrelatorTable(given.values, given.errors, given.setting_names)

    def check(self, report: LocalityReport, *, prove_bound: bool | None = None) -> Verification:
        """Verifies the evidence of a report, and that the report follows from the correlators and the declarations.

        Args:
            report: The report.
            prove_bound: Whether to prove the local bound again; see ``BellInequality.verify``.
        """
        checks = [verify_piece(piece, prove_bound) for piece in report.evidence]
        if any(check.refuted for check in checks):
            return combine(*checks)
        return combine(*checks, self.follows(report, prove_bound=prove_bound))

    def follows(self, report: LocalityReport, *, prove_bound: bool | None = None) -> Verification:
        """Checks that a report answers this question, and that everything in it follows from its evidence.

        Args:
            report: The report.
            prove_bound: This argument has no effect, as the local bound is part of the evidence.
        """
        made = _report(self, correlator_test(self.correlators, self.expression))
        for field in fields(LocalityReport):
            if field.name == "question":
                continue
            if not agree(getattr(made, field.name), getattr(report, field.name), 1e-9):
                return Verification(False, f"the field {field.name!r} does not follow from the correlators", math.inf)
        return Verification(True, "all figures and words follow from the correlators")


def analyze_correlators(
    correlators: Correlators, expression: BellExpression | None = None, *, alpha: float = 0.01
) -> LocalityReport:
    """Returns a report on correlators with errors, whose verdict is always INCONCLUSIVE.

    Args:
        correlators: The correlators.
        expression: The declared expression. Default: for two parties with two settings the largest form of CHSH.
        alpha: The level at which the value is called significant.

    Raises:
        CountsError: If the expression does not fit the correlators, or none is declared where there is no default.
    """
    question = CorrelatorsQuestion(correlators, alpha, expression)
    return _report(question, correlator_test(correlators, expression))


def _report(question: CorrelatorsQuestion, test: NormalTest) -> LocalityReport:
    correlators = question.correlators
    figures: dict[str, float] = {}
    if correlators.scenario.is_chsh:
        figures |= {Figure.S: test.value, Figure.S_ERROR: test.standard_error}
    else:
        figures |= {Figure.VALUE: test.value, Figure.VALUE_ERROR: test.standard_error}
    figures |= {Figure.SIGMAS: test.sigmas, Figure.LOCAL_BOUND: test.inequality.bound.value}
    errors = "the errors of the correlators are normal, with the standard errors given, and independent of each other"
    if correlators.covariance is not None:
        errors = "the errors of the correlators are normal, with the covariance given"
    unbiased = "the values are unbiased: nothing was done to them that moves their means"
    if correlators.mitigation:
        unbiased = (
            f"mitigation ({correlators.mitigation}) is taken at its word: it leaves no bias, and the errors contain "
            "its own uncertainty"
        )
    chosen = "the expression was declared before the correlators were seen"
    if test.largest_form:
        chosen = "the form of CHSH was chosen by the correlators, and the p-value is multiplied by eight for it"
    warnings: tuple[str, ...] = ()
    if correlators.scenario.is_chsh and test.value - _BEYOND_DOUBT * test.standard_error > 2 * math.sqrt(2):
        warnings = (
            "S lies above 2 sqrt(2), which no quantum state reaches, by more than its error explains: the values, or "
            "their errors, are wrong",
        )
    names = correlators.setting_names
    named = "" if names is None else "; settings " + " | ".join(", ".join(party) for party in names)
    return LocalityReport(
        verdict=Verdict.INCONCLUSIVE,
        target=f"correlators of {correlators.scenario}, with standard errors{named}",
        admits_local_model=None,
        model=None,
        inequality=test.inequality,
        alpha=question.alpha,
        test=_TEST,
        log10_p_value=test.log10_p_value,
        statistics=figures,
        evidence=(test,),
        assumptions=(
            errors,
            unbiased,
            chosen,
            "every shot counts: none was dropped because of its outcome, which correlators do not show",
            "nothing passes between the parties: correlators hold no marginals, so no-signaling could not be tested",
        ),
        warnings=warnings,
        advice=(
            "Analyze the counts behind the correlators: their p-value holds against every local model without normal "
            "errors, and the verdict may be NONLOCAL or LOCAL."
        ),
        question=question,
    )
