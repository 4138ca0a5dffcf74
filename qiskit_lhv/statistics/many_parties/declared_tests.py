"""A declared expression of many parties: how improbable its score is under every local model."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np

from ..._support.estimated_value import with_error
from ..._support.types import FloatArray, IntArray
from ..._support.validation import frozen, instance
from ..._support.words import counted
from ...exceptions import CountsError
from ...polytope.expressions.expression import BellExpression
from ...polytope.expressions.many_parties.arguments import without_table
from ...polytope.expressions.many_parties.base import ManyPartyExpression
from ...targets.many_parties.parities import BlockSums
from ...targets.many_parties.shots import ManyPartyShots
from ...verification.evidence import Evidence, verify_piece
from ...verification.games import check_log10_p
from ...verification.many_parties import check_block_score, check_log_e, check_run_score
from ...verification.result import Verification, combine
from .bounded_scores import (
    BETS,
    BoundedScore,
    claims_nothing,
    log_mixture,
    log_p_of,
    score_of_blocks,
    score_of_runs,
)
from .bounds import bound_value, described, is_bound_of, proven_bound
from .drawn_settings import drawn_terms_test, require_declared_terms
from .recorded_sums import fault_of_blocks, fault_of_runs
from .scores import (
    block_scores,
    exact_weight,
    largest_ratio,
    listed_terms,
    run_scores,
)

__all__ = ["ManyPartyTest", "largest_flips", "many_party_test"]

# Sums of floats that are rounded once, relative to the sum of their sizes.
_ROUNDING = 1e-12
_TRIVIAL_DISTANCE = 1e-9
_BISECTIONS = 30


@dataclass(frozen=True, eq=False, repr=False)
class ManyPartyTest(Evidence):
    """A bound of the probability that a local model reaches a score as high as was seen, for any number of parties.

    The record holds the sums from which the score, its bound, the p-value and the e-value can be derived again.
    ``LocalityReport.verify`` also derives the sums from the shots.

    References:
        W. Hoeffding, Ann. Math. Statist. 27, 713 (1956); V. Bentkus, Ann. Probab. 32, 1650 (2004); arXiv:2406.07659
        (sampled terms).

    Examples:
        >>> from qiskit_lhv.statistics import many_party_test
        >>> from qiskit_lhv.experiments import ghz_preparation, ManyPartyExperiment, ManyPartySchedule
        >>> from qiskit_lhv.polytope import ardehali
        >>> experiment = ManyPartyExperiment(ghz_preparation(5).circuit, [("X", "Y")] * 4 + [("X-Y", "X+Y")])
        >>> schedule = ManyPartySchedule.random(ardehali(5), num_runs=400, shots=1, seed=1)
        >>> shots = experiment.run(experiment.simulator(seed=1), schedule)
        >>> test = many_party_test(shots, ardehali(5))
        >>> print(f"value {test.value:.1f} +- {test.standard_error:.1f}, local bound {test.local_bound:g}")
        value 2... +- 1..., local bound 8
        >>> print(f"log10 p = {test.log10_p_value:.1f}", bool(test.verify()))
        log10 p = -2... True
    """

    expression: ManyPartyExpression
    """The expression, as it was declared."""
    drawn_from: ManyPartyExpression | None
    """The expression from whose distribution the terms were drawn, if it is not the declared one."""
    bound: Evidence
    """The proof of the expression's local bound."""
    design: str
    """``"blocks"`` or ``"random"``."""
    runs: IntArray | None
    """For ``"random"``, shape ``(U, 4)``: the number of the run's ratio, its shots, how many of them were won, and how
    many such runs there are. A shot is won if the product of its outcomes has the sign of the drawn coefficient."""
    ratios: FloatArray | None
    """For ``"random"``, the ratios of the declared probability of a term to that with which it was drawn, shape
    ``(K,)``; only 1 if the terms were drawn from the declared expression."""
    block_settings: IntArray | None
    """For ``"blocks"``, the setting combinations that belong to terms, shape ``(G, N)``."""
    block_shots: IntArray | None
    """For ``"blocks"``, the number of shots of each, shape ``(G,)``."""
    block_sums: IntArray | None
    """For ``"blocks"``, shape ``(P, 3)``: a setting combination, a term that agrees with it (in the order of the
    expression's terms without the constant), and the sum of the products of outcomes over its shots."""
    score: float
    """The sum of the scores, each from 0 to 1. For a game, the number of wins."""
    num_scores: int
    """The number of variables from 0 to 1 whose sum the score is, or by which it is bounded."""
    score_bound: float
    """The largest mean of these variables under a local model."""
    knot: int
    """For several scores, the number h in ``E[max(B - h, 0)] / (score - h)``, which bounds the probability; 0 for a
    game."""
    log10_p_value: float
    """Base-10 logarithm of the p-value, rounded up."""
    log_e_value: float
    """Natural logarithm of the e-value, rounded down."""
    value: float
    """The estimated value of the expression."""
    standard_error: float
    """Its standard error; an upper limit where one shot estimates several terms."""

    def __post_init__(self) -> None:
        for name in ("runs", "ratios", "block_settings", "block_shots", "block_sums"):
            if isinstance(getattr(self, name), np.ndarray):
                object.__setattr__(self, name, frozen(getattr(self, name)))

    @property
    def rule(self) -> str:
        """The expression in words."""
        return described(self.expression)

    @property
    def local_bound(self) -> float:
        """The local bound of the expression."""
        return bound_value(self.bound)

    @property
    def p_value(self) -> float:
        """The p-value; 0.0 where it is below the smallest float."""
        return 10**self.log10_p_value

    @property
    def binomial(self) -> bool:
        """Whether all scores are 0 or 1, so that a binomial distribution bounds the number of wins."""
        return self._score().binomial

    @property
    def num_shots(self) -> int:
        """Number of shots that count."""
        if self.runs is not None:
            return int((self.runs[:, 1] * self.runs[:, 3]).sum())
        assert self.block_shots is not None
        return int(self.block_shots.sum())

    @property
    def assumptions(self) -> tuple[str, ...]:
        """What the p-value rests on besides the data."""
        declared = f"the expression ({self.rule}) was declared before the data were seen"
        if self.design == "blocks":
            return (
                declared,
                "the numbers of shots of each setting combination were fixed beforehand, and shots are independent, "
                "from one device that neither drifts nor remembers",
            )
        source = "the declared expression" if self.drawn_from is None else f"another expression ({self._source})"
        lines = [
            declared,
            f"the term of every run was drawn from the distribution of {source}, independently of everything before; "
            "the device may remember earlier runs",
            "the number of runs, and of shots of each, was fixed beforehand (the e-value may be read at any time)",
        ]
        if self._several_shots:
            lines.append(
                "within a run, whose shots share their settings, shots are independent: nothing passes from one to the "
                "next"
            )
        return tuple(lines)

    @property
    def _source(self) -> str:
        assert self.drawn_from is not None
        return described(self.drawn_from)

    @property
    def _several_shots(self) -> bool:
        return self.runs is not None and bool(self.runs[:, 1].max(initial=0) > 1)

    def __str__(self) -> str:
        seen = with_error(self.value, self.standard_error)
        return (
            f"{self.rule}: {seen} in {counted(self.num_shots, 'shot')}, local bound {self.local_bound:.6g}: "
            f"log10 p = {self.log10_p_value:.4f}, log10 e = {self.log_e_value / math.log(10):.4f}"
        )

    def _score(self) -> BoundedScore:
        """The score, its bound and the estimate, derived from the sums."""
        beta = Fraction(self.local_bound)
        if self.runs is not None and self.ratios is not None:
            largest = largest_ratio(self.expression, self.drawn_from)
            return score_of_runs(self.expression, beta, self.runs, self.ratios, largest)
        assert self.block_settings is not None
        assert self.block_shots is not None
        assert self.block_sums is not None
        sums = BlockSums(self.block_settings.astype(np.int8), self.block_shots, *self.block_sums.T)
        _, coefficients = listed_terms(self.expression)
        return score_of_blocks(self.expression, beta, sums, coefficients[sums.terms])

    def verify(self, *, prove_bound: bool | None = None) -> Verification:
        """Derives the p-value and the e-value again from the sums, and proves the local bound again.

        The tail and the e-value are computed with 60 digits. Fields that do not make up a test are refuted. The sums
        are taken as recorded; ``LocalityReport.verify``, which has the shots, multiplies the outcomes out again.

        Args:
            prove_bound: Whether to prove the local bound again; see ``BellInequality.verify``.
        """
        fault = self._fault()
        if fault:
            return Verification(False, fault, math.inf)
        bound = verify_piece(self.bound, prove_bound)
        if bound.refuted:
            return bound
        found = self._score()
        same = (
            found.score == self.score
            and found.size == self.num_scores
            and found.mean == self.score_bound
            and math.isclose(found.value, self.value, rel_tol=1e-9, abs_tol=1e-9)
            and math.isclose(found.standard_error, self.standard_error, rel_tol=1e-6)
        )
        if not same:
            return Verification(False, "the score, its bound or the estimate does not follow from the sums", math.inf)
        bound = combine(bound, self._check_score(found))
        if bound.refuted:
            return bound
        gain = check_log_e(self.log_e_value, found.factors, BETS)
        if claims_nothing(found, self.design):
            nothing = self.log10_p_value == 0 and self.knot == 0
            words = "the score is too small to claim anything: p = 1"
            return combine(bound, gain, Verification(nothing, words, 0.0 if nothing else math.inf))
        knot = None if found.binomial else int(self.knot)
        if self.knot != (knot or 0) or not 0 <= self.knot < found.score:
            return Verification(False, "the knot is not a whole number below the score, or 0 for a game", math.inf)
        tail = check_log10_p(self.log10_p_value, found.score, found.size, found.mean, knot)
        return combine(bound, gain, tail)

    def _check_score(self, found: BoundedScore) -> Verification:
        """Whether the score and its bound are those of the sums, with 60 digits."""
        excess = Fraction(self.local_bound) - Fraction(self.expression.constant)
        if self.runs is not None and self.ratios is not None:
            largest = largest_ratio(self.expression, self.drawn_from)
            weight = exact_weight(self.expression)
            return check_run_score(self.score, self.score_bound, self.runs, self.ratios, largest, excess, weight)
        assert self.block_sums is not None
        assert self.block_shots is not None
        _, coefficients = listed_terms(self.expression)
        return check_block_score(
            self.score, self.score_bound, found.size, coefficients.tolist(), self.block_sums, self.block_shots, excess
        )

    def _fault(self) -> str:
        """What is wrong with the fields, in words; empty if nothing is."""
        numbers = (self.score, self.score_bound, self.log10_p_value, self.log_e_value, self.value, self.standard_error)
        if any(math.isnan(x) for x in numbers):
            return "a number is missing"
        if not is_bound_of(self.bound, self.expression):
            return "the bound is no local bound of the expression"
        if self.design == "random":
            if self.block_settings is not None or self.block_shots is not None or self.block_sums is not None:
                return "there are sums of blocks, but terms were drawn"
            return fault_of_runs(self.runs, self.ratios, self.expression, self.drawn_from)
        if self.design != "blocks" or self.runs is not None or self.ratios is not None or self.drawn_from is not None:
            return "the design is unknown, or there are drawn terms in blocks"
        return fault_of_blocks(self.block_settings, self.block_shots, self.block_sums, self.expression)


def many_party_test(
    shots: ManyPartyShots,
    expression: BellExpression | ManyPartyExpression,
    *,
    drawn_from: ManyPartyExpression | None = None,
    bound: Evidence | None = None,
) -> ManyPartyTest:
    """The p-value and the e-value of an expression of many parties that was declared before the data were seen.

    *Terms drawn at random.* The sign of the drawn term's coefficient times the product of the outcomes has, under every
    local model and whatever the device remembers of earlier runs, a mean of at most ``(beta - constant) / weight``,
    where beta is the local bound. With one shot per run, a shot is won or lost, and the number of wins is bounded by a
    binomial variable, as in :func:`game_test`. With several shots, the mean of a run is one variable from -1 to 1,
    since its shots share their settings, and the sum over the runs is bounded as that of several scores is there. The
    e-value multiplies, run by run, ``1 - b + b (score / bound)``, with the score shifted to lie between 0 and 1, and is
    the mean of these products over fixed bets b. Its mean is at most 1 after every run, so it may be read at any time.

    *Fixed blocks.* Each term is estimated in all shots whose settings agree with it. The sum of all scores is
    dominated, for every convex increasing function, by a binomial variable: the shots of one setting combination are
    independent and alike, so scores from 0 to c of n shots are dominated by those of ``ceil(c n)`` variables from 0 to
    1 with the same sum of means (weights that majorize others have the larger mean of a convex function), and those of
    all combinations by equal ones. The e-value's factors of the shots have, averaged with the numbers of shots, a mean
    of at most 1; then so has their product, by the inequality of arithmetic and geometric means. If a shot estimates
    several terms, its factor is the weighted geometric mean of theirs, which is at most the arithmetic one.

    Args:
        shots: The shots.
        expression: The expression, as it was declared.
        drawn_from: The expression from whose distribution the terms were drawn, if it is not the declared one.
        bound: The proof of the expression's local bound. Default: it is computed.

    Returns:
        The test; its p-value is rounded up, and its e-value down.

    Raises:
        CountsError: If scenarios differ, the drawn terms contradict their distribution, a term was never measured, a
            local model reaches every value, or the bound is not one of the expression.

    References:
        W. Hoeffding, Ann. Math. Statist. 27, 713 (1956); A. W. Marshall, F. Proschan, J. Math. Anal. Appl. 12, 87
        (1965); V. Bentkus, Ann. Probab. 32, 1650 (2004); arXiv:2406.07659 (sampled terms).

    Examples:
        A GHZ state of five qubits, with a term of Ardehali's expression drawn for every shot:

        >>> from qiskit_lhv.experiments import ghz_preparation, ManyPartyExperiment, ManyPartySchedule
        >>> from qiskit_lhv.polytope import ardehali
        >>> experiment = ManyPartyExperiment(ghz_preparation(5).circuit, [("X", "Y")] * 4 + [("X-Y", "X+Y")])
        >>> schedule = ManyPartySchedule.random(ardehali(5), num_runs=400, shots=1, seed=1)
        >>> shots = experiment.run(experiment.simulator(seed=1), schedule)
        >>> print(many_party_test(shots, ardehali(5)))
        5 parties: S(5, 0) + S(4, 1) - S(3, 2) - S(2, 3) + S(1, 4) + S(0, 5): 2... +- 1... in 400 shots, local
         bound 8: log10 p = -2..., log10 e = 2...
    """
    expression = without_table(expression, "expression", CountsError)
    instance(shots, ManyPartyShots, "shots", CountsError)
    if drawn_from is not None:
        drawn_from = without_table(drawn_from, "drawn_from", CountsError)
        # Then all ratios are 1, which need no list of terms.
        drawn_from = None if drawn_from == expression else drawn_from
    for name, given in (("expression", expression), ("drawn_from", drawn_from)):
        if given is not None and given.scenario != shots.scenario:
            raise CountsError.bad_argument(name, expected=f"one of {shots.scenario}", got=f"{given.scenario}")
    if not expression.weight > 0:
        raise CountsError.bad_argument("expression", expected="a term besides the constant", got="none")
    if drawn_from is not None and shots.design == "blocks":
        raise CountsError.bad_argument("drawn_from", expected="None for shots in blocks", got="an expression")
    proof = proven_bound(expression, bound)
    beta = Fraction(bound_value(proof))
    if beta - Fraction(expression.constant) >= exact_weight(expression) * (1 - Fraction(_TRIVIAL_DISTANCE)):
        raise CountsError.bad_argument(
            "expression",
            expected="an expression whose largest value no local model reaches",
            got="one that a local model reaches",
            remedy="Its local bound is trivial, so nothing can be tested with it.",
        )
    runs = ratios = settings = numbers = table = None
    if shots.design == "random":
        found = run_scores(shots, expression, drawn_from)
        require_declared_terms(drawn_terms_test(shots, expression if drawn_from is None else drawn_from))
        score = score_of_runs(expression, beta, found.table, found.ratios, found.largest_ratio)
        runs, ratios = found.table, found.ratios
    else:
        blocks = block_scores(shots, expression)
        sums = blocks.sums
        score = score_of_blocks(expression, beta, sums, blocks.coefficients)
        table = np.stack([sums.blocks, sums.terms, sums.sums], axis=1)
        settings, numbers = sums.settings.astype(np.int64), sums.num_shots
    knot, log_p = log_p_of(score, shots.design)
    return ManyPartyTest(
        expression,
        drawn_from,
        proof,
        shots.design,
        runs,
        ratios,
        settings,
        numbers,
        table,
        score.score,
        score.size,
        score.mean,
        knot,
        min(0.0, log_p / math.log(10)),
        log_mixture(score.factors),
        score.value,
        score.standard_error,
    )


def largest_flips(test: ManyPartyTest, log_alpha: float) -> float:
    """Returns the largest number of flipped outcomes per shot, of parties that take part, with which a test stands.

    A local model's outcomes may then be flipped by hidden influences. One flipped outcome of a party that takes part
    changes the product of the outcomes by 2, from +1 to -1 or back, and several flips change it by no more than 2 each.
    So if the outcome of party k is flipped with a probability of at most d_k, given everything before and the settings,
    the mean product of a term rises by at most ``2 sum_k d_k`` over the parties that take part in it, and the mean of
    the sign times the product by at most ``2 sum_k q_k d_k``, where q_k is the summed weight of the terms in which
    party k takes part, divided by the weight of all. A score from 0 to 1 rises by half of that.

    Args:
        test: The test.
        log_alpha: Natural logarithm of the level at which it has to stand.

    Returns:
        The largest ``sum_k q_k d_k`` with which the p-value is still at most the level; 0 if it is not even without
        flips.
    """
    found = test._score()

    def stands(flips: float) -> bool:
        raised = replace(found, mean=min(1.0, (found.mean + flips * found.per_flip) * (1 + _ROUNDING)))
        return log_p_of(raised, test.design)[1] <= log_alpha

    if not stands(0.0):
        return 0.0
    low, high = 0.0, 1.0
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2
        low, high = (middle, high) if stands(middle) else (low, middle)
    return low
