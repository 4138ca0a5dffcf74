"""The question about counts: what was declared before they were read, and how a report on them is checked."""

from __future__ import annotations

from dataclasses import dataclass

from ..reports.counts_rule import CountsRule
from ..reports.locality import LocalityReport
from ..verification.result import Verification
from .counts_checks import check_counts_report

__all__ = ["CountsQuestion"]


@dataclass(frozen=True, eq=False, repr=False)
class CountsQuestion(CountsRule):
    """The question about counts: what was declared before they were read, and how the verdict follows.

    References:
        Y. Zhang, S. Glancy, E. Knill, Phys. Rev. A 84, 062118 (2011), arXiv:1108.2468.

    Examples:
        >>> from qiskit_lhv import analyze, CountsOptions, load_bundled_counts
        >>> counts = load_bundled_counts("ibm_hanoi19_20circuit13").counts
        >>> question = analyze(counts, CountsOptions(kappa=2), seed=1).question
        >>> question.test, question.alpha, question.kappa, question.seed
        ('combined', 0.01, 2.0, 1)
    """

    def check(self, report: LocalityReport, *, prove_bound: bool | None = None) -> Verification:
        """Verifies the evidence of a report, and that the report follows from the counts and the declarations.

        Args:
            report: The report.
            prove_bound: Whether to prove local bounds again; see ``BellInequality.verify``.
        """
        return check_counts_report(report, self, prove_bound=prove_bound)

    def follows(self, report: LocalityReport, *, prove_bound: bool | None = None) -> Verification:
        """Does the same as :meth:`check`: for counts, evidence and report are checked together.

        Args:
            report: The report.
            prove_bound: Whether to prove local bounds again; see ``BellInequality.verify``.
        """
        return self.check(report, prove_bound=prove_bound)
