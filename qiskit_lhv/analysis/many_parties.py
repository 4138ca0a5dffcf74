"""Reports on shots of many parties: the declared expression is tested, and no table is made."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

import numpy as np

from .._support.validation import instance, probability
from .._support.words import counted
from ..exceptions import CountsError
from ..polytope.expressions.many_parties.arguments import without_table
from ..polytope.expressions.many_parties.base import ManyPartyExpression
from ..reports.counts_rule import UNDECLARED_KAPPA
from ..reports.figure_names import Figure, format_p_value
from ..reports.locality import LocalityReport
from ..reports.questions import Question
from ..statistics.assumptions.setting_choice import SettingsTest
from ..statistics.many_parties.allowance import ManyPartyAllowance, many_party_allowance
from ..statistics.many_parties.declared_tests import ManyPartyTest, many_party_test
from ..statistics.many_parties.drawn_settings import drawn_terms_test
from ..statistics.many_parties.scores import listed_terms
from ..statistics.many_parties.signaling import ManyPartySignaling, many_party_signaling
from ..targets.many_parties.shots import ManyPartyShots
from ..verification.evidence import agree, verify_piece
from ..verification.many_parties import block_products, drawn_wins
from ..verification.result import Verification, combine
from ..verification.verdict import Verdict
from .counts_options import CountsCall

__all__ = ["ManyPartyQuestion", "analyze_many_parties"]

_TEST = "game"
# An influence that is weaker than this is not worth a number.
_LEAST_KAPPA = 0.005


@dataclass(frozen=True, eq=False, repr=False)
class ManyPartyQuestion(Question):
    """The question about shots of many parties: what was declared before they were read, and how the verdict follows.

    The verdict is NONLOCAL if the p-value of the declared expression is at most alpha, the drawn terms came as
    declared, and signaling does not explain it: with a declared kappa, the result stands up to it; without one, no
    signaling was detected, or the result stands up to kappa = 5. It is SIGNALING if signaling was detected otherwise,
    and INCONCLUSIVE if it was not. It is never LOCAL.

    References:
        W. Hoeffding, Ann. Math. Statist. 27, 713 (1956); arXiv:2406.07659 (sampled terms).

    Examples:
        >>> from qiskit_lhv import analyze, CountsOptions
        >>> from qiskit_lhv.experiments import ghz_preparation, ManyPartyExperiment, ManyPartySchedule
        >>> from qiskit_lhv.polytope import ardehali
        >>> experiment = ManyPartyExperiment(ghz_preparation(5).circuit, [("X", "Y")] * 4 + [("X-Y", "X+Y")])
        >>> schedule = ManyPartySchedule.random(ardehali(5), num_runs=400, shots=1, seed=1)
        >>> shots = experiment.run(experiment.simulator(seed=1), schedule)
        >>> report = analyze(shots, CountsOptions(expression=ardehali(5)))
        >>> print(report.verdict, report.question.alpha, report.question.kappa, report.question.expression)
        NONLOCAL 0.01 None 5 parties: S(5, 0) + S(4, 1) - S(3, 2) - S(2, 3) + S(1, 4) + S(0, 5)
    """

    data: ManyPartyShots
    """The shots."""
    alpha: float
    """The largest probability of a wrong NONLOCAL."""
    signaling_level: float
    """The false discovery rate of the comparisons of marginals."""
    expression: ManyPartyExpression
    """The declared expression."""
    drawn_from: ManyPartyExpression | None = None
    """The expression from whose distribution the terms were drawn; ``None``: the declared one."""
    kappa: float | None = None
    """The declared kappa, which is always applied, or ``None`` if none was declared."""
    platform: str = "chip"
    """Where the parties are, for the words of the report: ``"chip"`` or ``"photons"``."""

    def __post_init__(self) -> None:
        instance(self.data, ManyPartyShots, "data", CountsError)
        for name in ("alpha", "signaling_level"):
            object.__setattr__(self, name, probability(getattr(self, name), name, CountsError, open_interval=True))

    def headline(self, report: LocalityReport) -> str:
        """Returns the verdict in one sentence, with the expression that was tested.

        Args:
            report: The report, whose evidence decides.
        """
        test, _, signaling, allowance = _pieces(report)
        scope = (
            f"Tested was one expression of {counted(self.data.num_parties, 'party', 'parties')}, declared beforehand: "
            f"{test.rule}; that some pair of parties inside is nonlocal is another question."
        )
        if report.verdict is Verdict.NONLOCAL:
            sentence = "No local hidden-variable model explains the shots"
            if self.kappa is not None or signaling.detected:
                beyond = f"not even with hidden influences up to {allowance.kappa:g} times what marginals show"
                return f"{sentence}, {beyond}. {scope}"
            excluded = f"hidden influences up to {allowance.largest_kappa:.2g} times what marginals may show"
            if allowance.largest_kappa < _LEAST_KAPPA:
                excluded = "no hidden influences"
            return f"{sentence}, if nothing passes between the parties; the shots exclude {excluded}. {scope}"
        if report.verdict is Verdict.SIGNALING:
            one = signaling.strongest[0]
            parties = " and ".join(map(str, one.parties))
            seen = (
                f"the outcomes of party {parties} depend on the setting of party {one.sender} (shift {one.shift:+.3g})"
            )
            return f"Signaling was detected: {seen}, which may be what excludes a local model. {scope}"
        return f"{report.verdict.sentence} {scope}"

    def check(self, report: LocalityReport, *, prove_bound: bool | None = None) -> Verification:
        """Verifies the evidence of a report, and that the report follows from the shots and the declarations.

        Args:
            report: The report.
            prove_bound: Whether to prove the local bound again; see ``BellInequality.verify``.
        """
        checks = [verify_piece(piece, prove_bound) for piece in report.evidence if hasattr(piece, "verify")]
        if any(check.refuted for check in checks):
            return combine(*checks)
        return combine(*checks, self.follows(report, prove_bound=prove_bound))

    def follows(self, report: LocalityReport, *, prove_bound: bool | None = None) -> Verification:
        """Checks that a report answers this question, and that everything in it follows from the shots.

        The products of outcomes are multiplied out of the bits once more, by code of their own.

        Args:
            report: The report.
            prove_bound: This argument has no effect, as the local bound is part of the evidence.
        """
        test = _pieces(report)[0]
        sums = _check_sums(self.data, test)
        if not sums:
            return sums
        made = _report(self, many_party_test(self.data, self.expression, drawn_from=self.drawn_from, bound=test.bound))
        for field in fields(LocalityReport):
            if field.name != "question" and not agree(getattr(made, field.name), getattr(report, field.name), 1e-9):
                return Verification(False, f"the field {field.name!r} does not follow from the shots", math.inf)
        return combine(sums, Verification(True, "all figures and words follow from the shots"))

    def verdict_of(
        self,
        test: ManyPartyTest,
        settings: SettingsTest | None,
        signaling: ManyPartySignaling,
        allowance: ManyPartyAllowance,
    ) -> Verdict:
        """Returns the verdict that follows from the evidence.

        Args:
            test: The test of the declared expression.
            settings: The test of the drawn terms, or ``None``.
            signaling: The comparisons of marginals.
            allowance: Up to which kappa the result stands.
        """
        explained = settings is not None and settings.suspicious
        significant = test.log10_p_value <= math.log10(self.alpha) and not explained
        if significant and (allowance.exceeded or (self.kappa is None and not signaling.detected)):
            return Verdict.NONLOCAL
        return Verdict.SIGNALING if signaling.detected else Verdict.INCONCLUSIVE


def analyze_many_parties(shots: ManyPartyShots, call: CountsCall) -> LocalityReport:
    """Returns a report on shots of many parties, whose declared expression is tested.

    Args:
        shots: The shots.
        call: The declarations: the expression, the expression from whose distribution the terms were drawn, and
            the bound if it is known.

    Raises:
        CountsError: If no expression of many parties is declared, it does not fit the shots, or something is declared
            that this test has no use for.
    """
    expression = call.expression
    if expression is None:
        raise CountsError.bad_argument(
            "expression",
            expected="an expression of many parties that was declared before the data were seen",
            got="None",
            remedy="Declare it: CountsOptions(expression=BellExpression.from_terms(scenario, terms)).",
        )
    expression = without_table(expression, "expression", CountsError)
    if call.test not in (None, _TEST):
        raise CountsError.bad_argument("test", expected="'game' for shots of many parties", got=repr(call.test))
    for name, expected in (("predictability", "0"), ("fair_sampling", "False"), ("num_replicates", "0 or None")):
        if getattr(call, name):
            raise CountsError.bad_argument(
                name, expected=f"{expected} for shots of many parties", got=f"{getattr(call, name)}"
            )
    question = ManyPartyQuestion(
        shots, call.alpha, call.signaling_level, expression, call.drawn_from, call.kappa, call.platform
    )
    return _report(question, many_party_test(shots, expression, drawn_from=call.drawn_from, bound=call.bound))


def _pieces(
    report: LocalityReport,
) -> tuple[ManyPartyTest, SettingsTest | None, ManyPartySignaling, ManyPartyAllowance]:
    test = next(piece for piece in report.evidence if isinstance(piece, ManyPartyTest))
    settings = next((piece for piece in report.evidence if isinstance(piece, SettingsTest)), None)
    signaling = next(piece for piece in report.evidence if isinstance(piece, ManyPartySignaling))
    allowance = next(piece for piece in report.evidence if isinstance(piece, ManyPartyAllowance))
    return test, settings, signaling, allowance


def _check_sums(data: ManyPartyShots, test: ManyPartyTest) -> Verification:
    """Whether the sums of a test are those of the shots."""
    if test.runs is not None and data.drawn_terms is not None:
        coefficients = test.expression.coefficients_of(data.drawn_terms)
        signs = np.where(coefficients < 0, -1, 1).astype(np.int64)
        wins = np.where(coefficients == 0, 0, drawn_wins(data.packed, data.shots, data.drawn_terms, signs))
        kinds, numbers = np.unique(np.stack([data.shots, wins], axis=1), axis=0, return_counts=True)
        seen = {(int(m), int(w)): int(number) for (m, w), number in zip(kinds, numbers, strict=True)}
        claimed: dict[tuple[int, int], int] = {}
        for _, m, w, number in test.runs.tolist():
            claimed[m, w] = claimed.get((m, w), 0) + number
        same = claimed == seen
    elif test.block_sums is not None and data.drawn_terms is None:
        rows, _ = listed_terms(test.expression)
        sums, _ = block_products(data.packed, np.repeat(data.settings, data.shots, axis=0), rows)
        added = np.zeros(len(rows), dtype=np.int64)
        np.add.at(added, test.block_sums[:, 1], test.block_sums[:, 2])
        same = bool(np.array_equal(added, sums))
    else:
        same = False
    if not same:
        return Verification(False, "the sums of the products of outcomes are not those of the shots", math.inf)
    return Verification(True, "the products of outcomes add up to the sums of the test")


def _report(question: ManyPartyQuestion, test: ManyPartyTest) -> LocalityReport:
    data = question.data
    source = question.expression if question.drawn_from is None else question.drawn_from
    settings = drawn_terms_test(data, source)
    signaling = many_party_signaling(data, level=question.signaling_level, limit_level=question.alpha / 2)
    kappa = UNDECLARED_KAPPA if question.kappa is None else question.kappa
    allowance = many_party_allowance(test, signaling, kappa=kappa, alpha=question.alpha)
    verdict = question.verdict_of(test, settings, signaling, allowance)
    significant = test.log10_p_value <= math.log10(question.alpha)
    figures: dict[str, float] = {
        Figure.SHOTS: float(data.total_shots),
        Figure.VALUE: test.value,
        Figure.VALUE_ERROR: test.standard_error,
        Figure.LOCAL_BOUND: test.local_bound,
        Figure.GAME_WINS if test.binomial else Figure.GAME_SCORE: test.score,
        Figure.GAME_LOG10_P: test.log10_p_value,
        Figure.LOG10_E: test.log_e_value / math.log(10),
    }
    if settings is not None:
        figures[Figure.SETTINGS_P] = settings.p_value
    if signaling.compares_anything:
        figures[Figure.NO_SIGNALING_P] = signaling.p_value
        if signaling.detected:
            figures[Figure.LARGEST_SHIFT] = signaling.largest_shift
    figures[Figure.LARGEST_KAPPA] = allowance.largest_kappa
    design = {"blocks": "in blocks of fixed settings", "random": "with terms drawn at random"}[data.design]
    warnings: tuple[str, ...] = ()
    if settings is not None and settings.suspicious:
        warnings = (
            f"the terms did not come as often as declared (p = {format_p_value(settings.log10_p_value)}), which may be "
            "why the result is significant",
        )
    return LocalityReport(
        verdict=verdict,
        target=f"shots of {counted(data.num_parties, 'party', 'parties')} in {counted(data.num_runs, 'run')}, {design}",
        admits_local_model=False if significant or signaling.detected else None,
        model=None,
        inequality=None,
        alpha=question.alpha,
        test=_TEST,
        log10_p_value=test.log10_p_value,
        statistics=figures,
        evidence=tuple(piece for piece in (test, settings, signaling, allowance) if piece is not None),
        assumptions=_assumptions(question, test, settings, signaling),
        warnings=warnings,
        largest_kappa=allowance.largest_kappa,
        advice=_advice(question, test, verdict, bool(warnings)),
        question=question,
    )


def _assumptions(
    question: ManyPartyQuestion, test: ManyPartyTest, settings: SettingsTest | None, signaling: ManyPartySignaling
) -> tuple[str, ...]:
    data, kappa = question.data, question.kappa
    if not signaling.compares_anything:
        seen = "no-signaling could not be tested, since no setting was measured with two settings of another party"
    else:
        seen = (
            f"no signaling was detected in {counted(signaling.num_comparisons, 'comparison')} of marginals, for which "
            "shots are taken as independent"
        )
    if kappa is not None or signaling.detected:
        limit, source = (UNDECLARED_KAPPA, "not declared") if kappa is None else (kappa, "declared")
        seen = (
            f"hidden influences are at most kappa = {limit:g} times what marginals show ({source}): they flip the "
            "outcome of a party with at most that many times the largest change of a marginal in which it takes part"
        )
    else:
        seen = f"nothing passes between the parties: {seen}"
    lines = [seen, *test.assumptions]
    if getattr(test.bound, "method", "") == "closed form":
        known = getattr(test.expression, "known_bounds", None)
        source = "the literature" if known is None else known.source
        lines.append(f"the local bound of the expression is not proven, but taken from {source}")
    if data.design == "random" and settings is None:
        lines.append("there are too many terms to test whether they came as often as declared")
    hidden = {
        "chip": "crosstalk that these marginals do not show is assumed not to be there: no shots can exclude it, and "
        "on one chip no space-like separation does",
        "photons": "influences that these marginals do not show are assumed not to be there: no shots can exclude "
        "them, only parties that choose and measure at a space-like distance",
    }[question.platform]
    lines += [
        hidden,
        "all shots are there: none was discarded (no fair sampling is assumed)",
        "no mitigation: the outcomes are those that were read out",
    ]
    lines += [f"as the data were read: {note}" for note in data.reading]
    return tuple(lines)


def _advice(question: ManyPartyQuestion, test: ManyPartyTest, verdict: Verdict, warned: bool) -> str:
    """What would settle an open question."""
    if verdict is Verdict.NONLOCAL:
        return ""
    if verdict is Verdict.SIGNALING:
        return "Find out what passes between the parties, and measure again without it."
    if test.value <= test.local_bound:
        return (
            "The estimated value does not exceed the local bound: this expression needs a better state, or another "
            "expression has to be declared for new shots. find_local_model(shots).term_fit tells whether a local model "
            "explains the terms of these."
        )
    if test.log10_p_value <= math.log10(question.alpha) and warned:
        return "Find out why the terms did not come as often as declared, and measure again."
    if test.log10_p_value <= math.log10(question.alpha):
        return "Take more shots, which limit what marginals may hide, or declare a smaller kappa for new shots."
    if test.log10_p_value > -0.5:
        return "Take many more shots, declared beforehand: the value exceeds the bound by too little to say how many."
    factor = math.log10(question.alpha) / test.log10_p_value
    return f"Take about {math.ceil(1.5 * factor)} times as many new shots, and test them alone."
