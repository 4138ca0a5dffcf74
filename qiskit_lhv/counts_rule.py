"""The rule by which a verdict on counts follows from the evidence, and the check that it does."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from ._records import Record
from .polytope.inequalities import BellInequality
from .statistics.combined_evidence import CombinedEValue
from .statistics.combined_tests import CombinedTest
from .statistics.confidence import LocalRegion, region_limits
from .statistics.drift import DriftTest
from .statistics.evidence import EValue
from .statistics.games import GameTest
from .statistics.hidden_signaling import SignalingAllowance, check_kappa
from .statistics.likelihood import LocalFit
from .statistics.no_signaling import SignalingTest, chsh_forms, no_signaling_test
from .statistics.predictability import check_predictability
from .statistics.setting_choice import REFUSAL_LEVEL, SettingsTest
from .targets.counts import BellCounts
from .verdict import Verdict
from .verification import Verification, combine

__all__ = [
    "UNDECLARED_KAPPA",
    "CountsEvidence",
    "CountsRule",
    "chsh_value",
    "excluded_influences",
    "figures_of_evidence",
]

# The kappa whose allowance a violation must exceed where signaling is detected and no kappa was declared.
UNDECLARED_KAPPA = 5.0
# Level at which a drift withholds LOCAL.
DRIFT_LEVEL = 0.01

Evidence = EValue | CombinedEValue | GameTest | CombinedTest


@dataclass(frozen=True)
class CountsEvidence:
    """The pieces of evidence that a verdict on counts may rest on; ``None``: not there."""

    e_value: EValue | CombinedEValue | None = None
    game: GameTest | None = None
    combined: CombinedTest | None = None
    settings: SettingsTest | None = None
    signaling: SignalingTest | None = None
    allowance: SignalingAllowance | None = None
    drift: DriftTest | None = None
    region: LocalRegion | None = None
    fit: LocalFit | None = None
    signaling_e_value: EValue | CombinedEValue | None = None

    @classmethod
    def of(cls, pieces: Sequence[Any]) -> CountsEvidence:
        """Finds them among the evidence of a report."""

        def first(kind: type[Any] | tuple[type[Any], ...]) -> Any:
            return next((piece for piece in pieces if isinstance(piece, kind)), None)

        e_values = [piece for piece in pieces if isinstance(piece, EValue | CombinedEValue)]
        return cls(
            next((one for one in e_values if one.null == "local"), None),
            first(GameTest),
            first(CombinedTest),
            first(SettingsTest),
            first(SignalingTest),
            first(SignalingAllowance),
            first(DriftTest),
            first(LocalRegion),
            first(LocalFit),
            next((one for one in e_values if one.null == "no-signaling"), None),
        )


@dataclass(frozen=True, eq=False, repr=False)
class CountsRule(Record):
    """What was declared about counts before they were read, and how the verdict follows from the evidence."""

    counts: BellCounts
    """The counts; of trials, the counts of all of them."""
    ordered: bool
    """Whether they are trials whose order is known."""
    alpha: float
    """Largest probability of a wrong NONLOCAL, and of a wrong LOCAL."""
    test: str
    """The declared test: ``"combined"``, ``"e-value"`` or ``"game"``."""
    kappa: float | None
    """The declared kappa, which is always applied; ``None``: none was declared."""
    signaling_level: float
    """Level at which signaling counts as detected."""
    predictability: float = 0.0
    """Declared predictability of random settings."""
    in_nonlocal_list: bool | None = None
    """For one of many groups, whether the procedure that controls the false discovery rate lists it as nonlocal."""
    in_signaling_list: bool | None = None
    """The same for the list of signaling groups."""

    @property
    def target(self) -> str:
        """What is analyzed, in words."""
        kind = "trials" if self.ordered else "counts"
        design = {"blocks": "in blocks of fixed settings", "random": "with settings drawn at random"}
        return f"{kind} of {self.counts.scenario}, {design[self.counts.design]}"

    @property
    def sampling(self) -> str:
        """What is assumed of shots that are not in the counts, in words."""
        if self.counts.post_selected:
            return "fair sampling: the shots that were kept are like those that were dropped"
        if self.counts.lost_outcomes is not None:
            return "the counts hold every shot; lost ones are an outcome of their own"
        return "the counts hold every shot: none was discarded (no fair sampling is assumed)"

    def decisive(self, found: CountsEvidence) -> Evidence | None:
        """The result of the declared test."""
        pieces: dict[str, Evidence | None] = {"combined": found.combined, "game": found.game, "e-value": found.e_value}
        return pieces[self.test]

    def significant(self, found: CountsEvidence) -> bool:
        """Whether the declared p-value is at most alpha; of many groups, also whether the list holds this one.

        (A group on the list has an e-value of at least K / (alpha k), and so a p-value of at most alpha.)
        """
        if self.in_nonlocal_list is False:
            return False
        decisive = self.decisive(found)
        return decisive is not None and decisive.log10_p_value <= math.log10(self.alpha)

    def signaling_seen(self, found: CountsEvidence) -> bool:
        """Whether no-signaling is rejected; also where it could not be tested, since then nothing speaks for it."""
        return found.signaling is None or found.signaling.p_value <= self.signaling_level

    def frequencies_violate(self, inequality: BellInequality) -> bool:
        """Whether the frequencies of the setting combinations violate an inequality."""
        return inequality.violation(self.counts.frequencies()) > 0

    def beyond_signaling(self, found: CountsEvidence) -> bool:
        """Whether signaling does not explain a violation, as far as the declarations ask."""
        if self.kappa is None and not self.signaling_seen(found):
            return True
        allowance, kappa = found.allowance, UNDECLARED_KAPPA if self.kappa is None else self.kappa
        if allowance is None or allowance.kappa < kappa or allowance.alpha > self.alpha:
            return False
        return allowance.exceeded

    def may_be_nonlocal(self, found: CountsEvidence) -> bool:
        """Whether NONLOCAL depends on nothing but the significance of the declared test."""
        decisive = self.decisive(found)
        if decisive is None or not self.beyond_signaling(found):
            return False
        # A table does not say when its shots were taken: if its frequencies are local, so may every trial have been.
        return self.ordered or self.frequencies_violate(decisive.inequality)

    def verdict(self, found: CountsEvidence) -> Verdict:
        """The verdict that follows."""
        if self.significant(found) and self.may_be_nonlocal(found):
            return Verdict.NONLOCAL
        if self.signaling_seen(found):
            listed = found.signaling is not None and self.in_signaling_list is not False
            return Verdict.SIGNALING if listed else Verdict.INCONCLUSIVE
        if found.region is not None and found.region.inside and not self.drifts(found):
            return Verdict.LOCAL
        return Verdict.INCONCLUSIVE

    def admits_local_model(self, found: CountsEvidence, goodness_of_fit: float | None) -> bool | None:
        """Whether a local model fits the counts; ``None``: unknown.

        Args:
            found: The evidence.
            goodness_of_fit: p-value of the local fit, if there is one.
        """
        verdict = self.verdict(found)
        if verdict is Verdict.LOCAL:
            return True
        if verdict is not Verdict.INCONCLUSIVE or self.signaling_seen(found) or self.significant(found):
            return False
        return None if goodness_of_fit is None else goodness_of_fit > self.alpha

    def drifts(self, found: CountsEvidence) -> bool:
        """Whether the outcomes of trials were seen to change in time; also where this was not tested."""
        return self.ordered if found.drift is None else found.drift.p_value <= DRIFT_LEVEL

    def headline(self, found: CountsEvidence) -> str:
        """The verdict in one sentence, with what it stands on."""
        verdict = self.verdict(found)
        if verdict is not Verdict.NONLOCAL:
            return verdict.sentence
        sentence = "No local hidden-variable model explains the counts"
        if self.kappa is not None:
            return f"{sentence}, not even with hidden influences up to {self.kappa:g} times what marginals show."
        if self.signaling_seen(found):
            return (
                f"{sentence}, not even with hidden influences up to {UNDECLARED_KAPPA:g} times the signaling that "
                "marginals show."
            )
        if found.allowance is None:
            return f"{sentence}, if nothing passes between the parties."
        excluded = excluded_influences(found.allowance)
        return f"{sentence}, if nothing passes between the parties; the counts exclude {excluded}."

    # Checks

    def verify(self, pieces: Sequence[Any], verdict: Verdict, log10_p_value: float | None) -> Verification:
        """Checks that the pieces are about these counts, and that the verdict follows from them.

        Args:
            pieces: The evidence of a report, each verified by itself elsewhere.
            verdict: The verdict that it claims.
            log10_p_value: The p-value that it claims.
        """
        found = CountsEvidence.of(pieces)
        if not 0 < self.alpha < 1 or not 0 < self.signaling_level < 1:
            return Verification(False, "alpha or the signaling level are no probabilities", math.inf)
        if self.kappa is not None:
            check_kappa(self.kappa)
        check_predictability(self.predictability, self.counts.design, self.counts.setting_probabilities)
        decisive = self.decisive(found) if self.test in ("combined", "game", "e-value") else None
        if decisive is None:
            return Verification(False, f"the result of the declared test ({self.test}) is missing", math.inf)
        if decisive.log10_p_value != log10_p_value:
            return Verification(False, "the p-value is not that of the declared test", math.inf)
        checks = [self._about_counts(piece) for piece in pieces]
        checks += [self._of_declared_design(piece) for piece in (found.e_value, found.game, found.combined)]
        if found.signaling is not None:
            again = no_signaling_test(self.counts, level=self.signaling_level, seed=found.signaling.seed)
            same = _agree(again, found.signaling)
            words = "the same" if same else "another one"
            checks.append(
                Verification(same, f"the test of no-signaling, made again, is {words} (p = {again.p_value:.3g})")
            )
        if found.allowance is not None:
            wanted = UNDECLARED_KAPPA if self.kappa is None else self.kappa
            checks.append(Verification(found.allowance.kappa == wanted, f"the allowance is for kappa = {wanted:g}"))
        if found.region is not None:
            checks.append(self._region(found.region))
        if found.fit is not None:
            checks.append(self._fit(found.fit))
        if found.settings is not None:
            checks.append(self._settings(found.settings))
        if self.ordered:
            # Only trials in their order have a test of that order.
            of_order = found.settings is not None and found.settings.log10_order_p is not None
            checks.append(Verification(of_order, "the order of the settings was tested"))
        if self.counts.design == "random":
            refused = found.settings is None or found.settings.log10_p_value < math.log10(REFUSAL_LEVEL)
            checks.append(Verification(not refused, "the settings came as declared"))
        derived = self.verdict(found)
        checks.append(Verification(derived is verdict, f"the evidence shows {derived}"))
        return combine(*checks)

    def _about_counts(self, piece: Any) -> Verification:
        """Whether a piece was computed from these counts."""
        tables = [np.asarray(table) for table in _tables(piece)]
        same = all(
            table.shape == self.counts.array.shape and np.array_equal(table, self.counts.array) for table in tables
        )
        return Verification(same, f"{type(piece).__name__} is about {'these' if same else 'other'} counts")

    def _of_declared_design(self, piece: Any) -> Verification:
        """Whether a test took the settings as they were declared."""
        parts = _parts(piece)
        same = all(part.design == self.counts.design and part.predictability == self.predictability for part in parts)
        if same and self.counts.setting_probabilities is not None:
            wanted = self.counts.setting_probabilities / self.counts.setting_probabilities.sum()
            for part in parts:
                given = part.setting_weights if isinstance(part, EValue) else part.setting_probabilities
                same = same and given is not None and bool(np.allclose(given, wanted, rtol=0, atol=1e-12))
        return Verification(same, "the tests took the settings as declared" if same else "a test has another design")

    def _settings(self, settings: SettingsTest) -> Verification:
        """Whether the test of the settings is about these settings, as they were declared."""
        declared = self.counts.setting_probabilities
        given = settings.setting_probabilities
        same = (
            settings.design == self.counts.design
            and settings.predictability == self.predictability
            and np.array_equal(settings.setting_numbers, self.counts.num_shots)
            and (
                given is None
                if declared is None
                else given is not None and bool(np.allclose(given, declared, rtol=0, atol=1e-12))
            )
        )
        words = "these settings" if same else "other settings"
        return Verification(same, f"the test of the settings is about {words}")

    def _fit(self, fit: LocalFit) -> Verification:
        """Whether a local fit is that of the frequencies of these counts."""
        shares = self.counts.num_shots / self.counts.total_shots
        frequencies = self.counts.frequencies().array
        same = fit.target.array.shape == frequencies.shape and fit.weights.shape == shares.shape
        off = math.inf
        if same:
            off = float(max(np.abs(fit.target.array - frequencies).max(), np.abs(fit.weights - shares).max()))
        return Verification(off <= 1e-12, "the local fit is that of the counts", off)

    def _region(self, region: LocalRegion) -> Verification:
        if region.alpha != self.alpha:
            return Verification(False, "the confidence region has another level", math.inf)
        limits = region_limits(self.counts, self.alpha)
        error = max(
            float(np.max(np.abs(given - wanted)))
            for given, wanted in zip((region.lower, region.upper), limits, strict=True)
        )
        return Verification(error <= 1e-12, "the confidence region is that of the counts", error)


def figures_of_evidence(counts: BellCounts, found: CountsEvidence) -> dict[str, float]:
    """The figures of a report that its evidence holds, so that they can be compared with it."""
    figures = {"shots": float(counts.total_shots)}
    if counts.scenario.is_chsh:
        figures["S"], figures["S standard error"] = chsh_value(counts)
    if found.fit is not None:
        figures["local fit: KL (nats per trial)"] = found.fit.divergence
    if found.settings is not None and counts.design == "random":
        figures["settings: p-value"] = 10**found.settings.log10_p_value
    if found.signaling_e_value is not None:
        figures["no-signaling: log10 e"] = found.signaling_e_value.log_e / math.log(10)
    if found.signaling is not None:
        figures["no-signaling: p-value"] = found.signaling.p_value
        figures["no-signaling: largest shift"] = found.signaling.largest_shift
    if found.allowance is not None:
        figures["signaling: hidden, needed by a local model"] = found.allowance.hidden_needed
        figures["signaling: visible in marginals"] = found.allowance.visible
        figures["signaling: violation stands up to kappa"] = found.allowance.largest_kappa
    if found.e_value is not None:
        figures["e-value: log10 e"] = found.e_value.log_e / math.log(10)
    if found.game is not None:
        figures["game: wins" if found.game.binomial else "game: score"] = found.game.score
        figures["game: log10 p"] = found.game.log10_p_value
    if found.combined is not None:
        figures["combined test: log10 p"] = found.combined.log10_p_value
    if found.drift is not None:
        figures["drift: p-value"] = found.drift.p_value
    return figures


def chsh_value(counts: BellCounts) -> tuple[float, float]:
    """The largest of the eight CHSH values of counts, and its standard error for multinomial shots.

    Args:
        counts: Counts of two parties with two settings of two outcomes.
    """
    p = counts.frequencies().array
    correlators = np.einsum("xyab,a,b->xy", p, [1.0, -1.0], [1.0, -1.0])
    variance = np.sum((1 - correlators**2) / counts.num_shots)
    return float(chsh_forms(correlators).max()), float(math.sqrt(variance))


def _agree(a: Any, b: Any) -> bool:
    """Whether two results are the same up to rounding."""
    if isinstance(a, Record):
        return type(a) is type(b) and all(_agree(getattr(a, f.name), getattr(b, f.name)) for f in fields(a))  # type: ignore[arg-type]
    if isinstance(a, tuple):
        return isinstance(b, tuple) and len(a) == len(b) and all(map(_agree, a, b))
    if isinstance(a, float):
        number = isinstance(b, float | int) and not isinstance(b, bool)
        return number and math.isclose(a, b, rel_tol=1e-6, abs_tol=1e-9 if abs(a) > 1e-6 else 0.0)
    return type(a) is type(b) and bool(a == b)


def excluded_influences(allowance: SignalingAllowance) -> str:
    """Which hidden influences the counts exclude, in words."""
    kappa = allowance.largest_kappa
    # Smaller ones are not worth a number.
    if kappa < 0.005:
        return "no hidden influences"
    return f"hidden influences up to {kappa:.2g} times what marginals show"


def _parts(piece: Any) -> list[Any]:
    """The e-values and games that a piece consists of."""
    if piece is None:
        return []
    if isinstance(piece, CombinedEValue):
        return list(piece.parts)
    if isinstance(piece, CombinedTest):
        return [*_parts(piece.e_value), *piece.games]
    return [piece]


def _tables(piece: Any) -> list[Any]:
    """Tables of the counts from which a piece was computed."""
    if isinstance(piece, EValue):
        return [piece.tested.sum(axis=0)]
    if isinstance(piece, CombinedEValue | CombinedTest):
        return [table for part in _parts(piece) for table in _tables(part)]
    if isinstance(piece, GameTest):
        return [piece.tested]
    if isinstance(piece, SignalingAllowance):
        return [piece.tested + piece.trained]
    return []
