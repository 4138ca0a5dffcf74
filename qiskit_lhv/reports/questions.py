"""The base class of the questions that reports answer."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

from .._support.records import Record
from ..verification.evidence import verify_piece
from ..verification.result import Verification, combine
from ..verification.verdict import Verdict

if TYPE_CHECKING:
    from .correlator_tables import CorrelatorTable, ProbabilityTable
    from .locality import LocalityReport

__all__ = ["UNREADABLE", "Question"]

UNREADABLE = "This report was damaged or edited: it cannot be read."


class Question(Record, ABC):
    """A question about a target. It writes the headline of a report, and checks whether a report answers it.

    Examples:
        Every report holds the question that it answers:

        >>> from qiskit_lhv import analyze, Behavior, werner_state
        >>> report = analyze(Behavior.from_state(werner_state(0.5), "chsh"))
        >>> print(report.question)
        behavior of 2 parties with 2 settings of 2 outcomes each (settings Z, X; Z+X, Z-X)
        >>> print(report.question.headline(report))
        A local hidden-variable model explains the target (its numbers taken as accurate to 1e-07).
        >>> bool(report.question.check(report))
        True
    """

    def headline(self, report: LocalityReport) -> str:
        """Returns the verdict of a report in one sentence, with the assumptions on which it rests.

        Args:
            report: The report.
        """
        return report.verdict.sentence

    def shown_correlators(self) -> CorrelatorTable | None:
        """Returns the correlators of the target with their errors, or ``None`` if it has none of two outcomes."""
        return None

    def shown_table(self) -> ProbabilityTable | None:
        """Returns the probabilities of the target with their errors, or ``None`` if its settings are not chosen."""
        return None

    def check(self, report: LocalityReport, *, prove_bound: bool | None = None) -> Verification:
        """Verifies the evidence of a report, that it shows exactly the verdict, and that the rest follows from it.

        Args:
            report: The report.
            prove_bound: Whether to prove local bounds again; see ``BellInequality.verify``.
        """
        checks = [verify_piece(piece, prove_bound) for piece in report.evidence if hasattr(piece, "verify")]
        if any(check.refuted for check in checks):
            return combine(*checks)
        if report.test is not None or report.log10_p_value is not None:
            return Verification(False, "there is a p-value, but nothing that says how the verdict follows", math.inf)
        return combine(*checks, _shows_the_verdict(report), self.follows(report, prove_bound=prove_bound))

    @abstractmethod
    def follows(self, report: LocalityReport, *, prove_bound: bool | None = None) -> Verification:
        """Checks that a report answers this question, and that everything in it follows from its evidence.

        The evidence itself is verified by :meth:`check`.

        Args:
            report: The report.
            prove_bound: Whether to prove again the bound of an inequality that is shown but is not evidence; see
                ``BellInequality.verify``.
        """


def _shows_the_verdict(report: LocalityReport) -> Verification:
    """Checks that the evidence on a behavior, a state or an estimate shows exactly the verdict of the report."""
    shown = {piece.shows for piece in report.evidence if getattr(piece, "shows", None) is not None}
    claimed = set() if report.verdict is Verdict.INCONCLUSIVE else {report.verdict}
    words = " and ".join(sorted(shown)) or "nothing"
    levels = [piece.alpha for piece in report.evidence if report.alpha is not None and hasattr(piece, "alpha")]
    if any(not 0 < level <= report.alpha for level in levels if report.alpha is not None):
        return Verification(False, "a piece of evidence has a larger error probability than alpha", math.inf)
    same = shown == claimed
    return Verification(same, f"the evidence shows {words}", 0.0 if same else math.inf)
