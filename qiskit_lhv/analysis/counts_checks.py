"""The check that a report on counts follows from its evidence, and its evidence from the counts and the declarations.

Each piece of evidence is verified by itself, by algorithms other than those that found it. This module checks that the
pieces belong together. Some of this can only be seen by computing again, with the package's own code and the recorded
seed: the orders of the shots; the tests of the settings, of no-signaling and of drift; the game; the allowance for
signaling; and the fits that are shown.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import fields, replace

import numpy as np

from ..reports.counts_rule import CountsRule
from ..reports.figure_names import Figure
from ..reports.locality import LocalityReport
from ..statistics.fits.model_comparison import ModelComparison, compare_models
from ..statistics.planning.expected_evidence import expected_evidence
from ..statistics.signaling.swapped_bits import swapped_bits_hint
from ..targets.behaviors import Behavior
from ..targets.measured_settings import filled_frequencies
from ..targets.projections import project_to_no_signaling
from ..verification.evidence import agree, verify_piece
from ..verification.result import Verification, combine
from .counts_evidence_checks import EvidenceChecks, confirmed_if, refutation
from .counts_findings import CountsFindings

__all__ = ["check_counts_report"]

# Figures that follow from the evidence alone agree to this accuracy.
_ROUNDING_TOLERANCE = 1e-9
# Fits whose figures decide nothing end early, so that their figures agree only roughly when computed again.
_TOLERANCE_OF_FITS, _TOLERANCE_OF_RATE, _ATOL_OF_FITS = 1e-3, 1e-2, 1e-6
_SHOWN_BY_FITS = (Figure.FIT_P, Figure.NONLOCALITY_DEVIANCE, Figure.SIGNALING_DEVIANCE)


def check_counts_report(report: LocalityReport, rule: CountsRule, *, prove_bound: bool | None = None) -> Verification:
    """Verifies the evidence of a report on counts, and that the report follows from the data and the declarations.

    The check takes about twice as long as the analysis did. It begins with what is quick to see.

    Args:
        report: The report.
        rule: What was declared about the counts. It is the question of the report.
        prove_bound: Whether to prove local bounds again; see ``BellInequality.verify``.
    """
    checks = []
    for check in _Checks(report, rule, prove_bound).all():
        if check.refuted:
            return check
        # A check that proves nothing is kept, and the later checks may still refute the report.
        checks.append(check)
    return combine(*checks)


class _Checks(EvidenceChecks):
    """All checks of one report, in their order."""

    def all(self) -> Iterator[Verification]:
        """Yields the result of each check, in their order."""
        yield self.declarations()
        yield self.pieces()
        yield self.lists()
        claimed = self.rule.verdict(self.found)
        yield confirmed_if(claimed is self.report.verdict, f"the evidence shows {self.report.verdict}")
        yield self.declared_test()
        yield self.orders()
        for piece in self.report.evidence:
            if hasattr(piece, "verify"):
                yield verify_piece(piece, self.prove_bound)
        yield self.standing()
        yield self.signaling()
        yield self.drift_and_region()
        yield self.verdict()
        yield self._fits()
        yield self._report()

    def _fits(self) -> Verification:
        """Checks that the fits that are shown are those of the counts."""
        counts, fit = self.rule.counts, self.fit
        if fit is not None:
            shares = counts.num_shots / counts.total_shots
            about = np.array_equal(fit.target.array, filled_frequencies(counts).array)
            if not about or not np.allclose(fit.weights, shares, rtol=0, atol=1e-12):
                return refutation("the local fit is one of other counts")
        statistics = self.report.statistics
        shown = [name for name in (Figure.FIT_P, Figure.LOG10_E_PER_TRIAL) if name in statistics]
        if not shown:
            return Verification(True, "no comparison of fits is shown")
        projected = project_to_no_signaling(filled_frequencies(counts), counts.num_shots)
        if Figure.LOG10_E_PER_TRIAL in statistics:
            again_expected = expected_evidence(projected, counts, self.rule.predictability)
            rate = again_expected.rate / math.log(10)
            if not math.isclose(
                rate, statistics[Figure.LOG10_E_PER_TRIAL], rel_tol=_TOLERANCE_OF_RATE, abs_tol=_ROUNDING_TOLERANCE
            ):
                return refutation(f"the figure {Figure.LOG10_E_PER_TRIAL!r}, computed again, is {rate:.6g}")
            self.expected = replace(again_expected, rate=statistics[Figure.LOG10_E_PER_TRIAL] * math.log(10))
        if shown[0] != Figure.LOG10_E_PER_TRIAL:
            known: tuple[Behavior, Behavior] | None = None if fit is None else (fit.model.behavior(), projected)
            number = self.rule.num_replicates
            again = compare_models(counts, num_replicates=number, known=known, seed=self.rule.seed)
            if self.comparison is None:
                self.comparison = again
            elif not _same_comparison(self.comparison, again):
                return refutation("the comparison of models, made again, is another one")
        return Verification(True, "the fits are those of the counts")

    def _report(self) -> Verification:
        """Checks that every field of the report follows from the evidence."""
        report, found = self.report, self.found
        swapped = None
        if (
            self.rule.signaling_seen(found)
            and Figure.SWAPPED_OUTCOMES not in report.absent
            and found.signaling is not None
        ):
            swapped = swapped_bits_hint(self.rule.counts, seed=self.rule.seed)
        made = CountsFindings(
            self.rule,
            found,
            signaling_e_value=self.against_signaling,
            fit=self.fit,
            comparison=self.comparison,
            expected=self.expected,
            swapped=swapped,
            absent=report.absent,
        ).report()
        if made.statistics.keys() != report.statistics.keys():
            names = ", ".join(sorted(made.statistics.keys() ^ report.statistics.keys()))
            return refutation(f"figures are missing, or not those of the evidence: {names}")
        shown = self.piece_of(ModelComparison) is not None
        for name, value in made.statistics.items():
            of_fits = not shown and name in _SHOWN_BY_FITS
            tolerances = (_TOLERANCE_OF_FITS, _ATOL_OF_FITS) if of_fits else (_ROUNDING_TOLERANCE, 0.0)
            if not agree(value, report.statistics[name], *tolerances):
                return refutation(f"the figure {name!r} is not that of the evidence")
        for field in fields(LocalityReport):
            if field.name in ("statistics", "evidence", "absent", "question"):
                continue
            if not agree(getattr(made, field.name), getattr(report, field.name), _ROUNDING_TOLERANCE, 0.0):
                return refutation(f"the field {field.name!r} does not follow from the evidence")
        return Verification(True, "all figures and words follow from the evidence")


def _same_comparison(a: ModelComparison, b: ModelComparison) -> bool:
    """Returns whether two comparisons agree, within the accuracy of fits that end early."""
    whole = (a.num_shots, a.num_parameters, a.num_replicates) == (b.num_shots, b.num_parameters, b.num_replicates)
    steps = [(getattr(a, name), getattr(b, name)) for name in ("nonlocality", "signaling", "total")]
    near = agree(a.local_behavior, b.local_behavior, 0.0, _TOLERANCE_OF_FITS) and agree(
        a.no_signaling_behavior, b.no_signaling_behavior, 0.0, _TOLERANCE_OF_FITS
    )
    return (whole and near) and all(
        (step_a.smaller, step_a.larger) == (step_b.smaller, step_b.larger)
        and agree(step_a.deviance, step_b.deviance, _TOLERANCE_OF_FITS, _ATOL_OF_FITS)
        and agree(step_a.asymptotic_p_value, step_b.asymptotic_p_value, _TOLERANCE_OF_FITS, _ATOL_OF_FITS)
        # One or two replicates may lie on the other side of the deviance.
        and agree(step_a.p_value, step_b.p_value, 0.0, 2 / (a.num_replicates + 1) + _ATOL_OF_FITS)
        for step_a, step_b in steps
    )
