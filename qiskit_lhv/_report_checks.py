"""Whether the fields of a report say what its evidence says."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from .behavior_evidence import BehaviorFit, BehaviorLocality, BehaviorViolation
from .counts_rule import CountsEvidence, CountsRule, figures_of_evidence
from .estimated_state import EstimatedLocality, EstimatedViolation
from .polytope.inequalities import BellInequality
from .polytope.local_proofs import StateCertificate
from .polytope.projective_certificate import AllProjectiveCertificate
from .polytope.separability import SeparabilityCertificate
from .polytope.settings_record import OptimizedSettings
from .polytope.thresholds import Threshold
from .statistics.same_state import SameStateTest
from .verdict import Verdict
from .verification import Verification

__all__ = ["check_counts_fields", "check_fields_by_evidence"]

_ABOUT_BEHAVIORS = (BehaviorViolation, BehaviorLocality, BehaviorFit)
_AXES = "xyz"
_ESTIMATED = " with estimated correlations"
# A threshold is that of a no-signaling behavior near the numbers, at most this far beside what their errors explain.
_NEAR = 1e-5
# Deviances of two fits to the same counts differ by no more.
_DEVIANCE_ATOL = 0.01


def check_fields_by_evidence(report: Any, prove_bound: bool | None) -> Verification:
    """Checks that the evidence on a behavior or a state shows just what a report says.

    Args:
        report: The report.
        prove_bound: See ``BellInequality.verify``.
    """
    pieces = report.evidence
    shown = {piece.shows for piece in pieces if getattr(piece, "shows", None) is not None}
    claimed = set() if report.verdict is Verdict.INCONCLUSIVE else {report.verdict.value}
    if shown != claimed:
        return _refuted(f"the evidence shows {' and '.join(sorted(shown)) or 'nothing'}")
    if report.largest_kappa is not None:
        return _refuted("a kappa is one of counts")
    levels = [piece.alpha for piece in pieces if hasattr(piece, "alpha")]
    if report.alpha is None:
        if levels:
            return _refuted("alpha is missing")
    elif not 0 < report.alpha < 1 or not all(0 < level <= report.alpha for level in levels):
        return _refuted("a piece of evidence has a larger error probability than alpha")
    fault = _target_fault(report.target, pieces) or _fit_fault(report) or _figures_fault(report.statistics, pieces)
    if fault:
        return _refuted(fault)
    check = _inequality_check(report, prove_bound)
    return Verification(True, f"the evidence shows {' and '.join(sorted(shown)) or 'nothing'}") if check else check


def check_counts_fields(rule: CountsRule, report: Any) -> Verification:
    """Checks that the figures and other fields of a report on counts are those of its rule and evidence.

    Args:
        rule: The report's rule.
        report: The report.
    """
    found = CountsEvidence.of(report.evidence)
    if (report.alpha, report.test) != (rule.alpha, rule.test):
        return _refuted("alpha or the test are not those declared")
    if report.target != rule.target or rule.sampling not in report.assumptions:
        return _refuted("the target, or what is assumed of missing shots, is not that of the rule")
    if report.largest_kappa != (None if found.allowance is None else found.allowance.largest_kappa):
        return _refuted("the largest kappa is not that of the evidence")
    for name, value in figures_of_evidence(rule.counts, found).items():
        if not math.isclose(report.statistics.get(name, math.nan), value, rel_tol=1e-9, abs_tol=1e-12):
            return _refuted(f"the figure {name!r} is not that of the evidence")
    decisive = rule.decisive(found)
    if decisive is not None and report.inequality != decisive.inequality:
        return _refuted("the inequality is not that of the declared test")
    if report.model != (None if found.fit is None else found.fit.model):
        return _refuted("the model is not that of the local fit")
    goodness = report.statistics.get("local fit: goodness-of-fit p")
    if goodness is not None and not _is_goodness_of_fit(goodness, rule, found):
        return _refuted("the goodness of fit is not that of the local fit")
    if report.admits_local_model is not rule.admits_local_model(found, goodness):
        return _refuted("whether a local model fits is not what the evidence shows")
    return Verification(True, "the figures are those of the evidence")


def _is_goodness_of_fit(p_value: float, rule: CountsRule, found: CountsEvidence) -> bool:
    """Whether a p-value is that of the deviance of the local fit, as far as two fits agree."""
    from scipy.special import chdtrc

    if found.fit is None:
        return False
    scenario, total = rule.counts.scenario, rule.counts.total_shots
    freedom = scenario.num_cells - scenario.num_setting_combinations
    deviance = 2 * total * found.fit.divergence
    slack = _DEVIANCE_ATOL + 2 * total * (found.fit.duality_gap + 1e-9)
    low, high = (float(chdtrc(freedom, max(0.0, deviance + shift))) for shift in (slack, -slack))
    return low * (1 - 1e-9) <= p_value <= high * (1 + 1e-9)


def _refuted(reason: str) -> Verification:
    return Verification(False, reason, math.inf)


def _target_fault(target: str, pieces: Sequence[Any]) -> str:
    """What the words for the target say that the evidence does not; empty if nothing."""
    for piece in pieces:
        if isinstance(piece, _ABOUT_BEHAVIORS):
            words = f"behavior of {piece.behavior.scenario}, its numbers taken as accurate to {piece.tolerance:g}"
            if target != words:
                return f"the evidence is about a {words}"
        elif isinstance(piece, Threshold):
            if not target.startswith(f"behavior of {piece.behavior.scenario}, "):
                return f"the evidence is about a behavior of {piece.behavior.scenario}"
            own = [one for one in pieces if isinstance(one, _ABOUT_BEHAVIORS)]
            if not all(_near(one, piece) for one in own):
                return "the threshold is that of another behavior"
        else:
            fault = _state_fault(target, piece)
            if fault:
                return fault
    return ""


def _state_fault(target: str, piece: Any) -> str:
    """What the words for a target say that a piece of evidence on a state does not; empty if nothing."""
    about: StateCertificate | OptimizedSettings | None = None
    if isinstance(piece, StateCertificate | OptimizedSettings):
        about, number, kind = piece, piece.correlations.num_parties, ""
    elif isinstance(piece, EstimatedViolation):
        about, number, kind = piece.settings, piece.tested.num_qubits, _ESTIMATED
    elif isinstance(piece, EstimatedLocality):
        about, number, kind = piece.certificate, piece.estimate.num_qubits, _ESTIMATED
    elif isinstance(piece, SameStateTest):
        number, kind = piece.counts.scenario.num_parties, _ESTIMATED
    elif isinstance(piece, SeparabilityCertificate):
        words = "state of a qubit and a qutrit, all measurements"
        return "" if target == words else f"the evidence is about a {words}"
    else:
        return ""
    if not target.startswith(f"state of {number} qubits{kind}, all projective measurements"):
        return f"the evidence is about a state of {number} qubits{kind}"
    return "" if about is None else _plane_fault(target, about)


def _near(own: Any, threshold: Threshold) -> bool:
    if own.behavior.scenario != threshold.behavior.scenario:
        return False
    off = np.abs(own.behavior.array - threshold.behavior.array).max()
    return bool(off <= 2 * own.behavior.scenario.num_cells * own.tolerance + _NEAR)


def _plane_fault(target: str, piece: Any) -> str:
    """Whether evidence is about the measurements that the target names."""
    plane = next((one for one in ("xy", "xz", "yz") if target.endswith(f" in the plane {one}")), "")
    if isinstance(piece, AllProjectiveCertificate) and piece.plane not in ("", plane):
        return f"the proof is about measurements in the plane {piece.plane}"
    if isinstance(piece, OptimizedSettings) and plane:
        (across,) = (i for i, name in enumerate(_AXES) if name not in plane)
        if any(np.any(one[:, across]) for one in piece.settings):
            return f"the settings are not in the plane {plane}"
    return ""


def _fit_fault(report: Any) -> str:
    """Whether the model, and that there is one, are those of the evidence."""
    fits = [piece for piece in report.evidence if isinstance(piece, BehaviorFit)]
    admits = {Verdict.LOCAL: True, Verdict.NONLOCAL: False}.get(report.verdict, True if fits else None)
    if report.admits_local_model is not admits:
        return "whether a local model fits is not what the evidence shows"
    for piece in report.evidence:
        if (
            isinstance(piece, BehaviorLocality | BehaviorFit)
            and piece.model is not None
            and report.model != piece.model
        ):
            return "the model is not that of the evidence"
    return ""


def _figures_fault(statistics: dict[str, float], pieces: Sequence[Any]) -> str:
    """Which figure is not that of the evidence; empty if none is."""
    backed: dict[str, float] = {}
    for piece in pieces:
        if isinstance(piece, Threshold):
            backed["visibility threshold (white noise)"] = piece.estimate
        elif isinstance(piece, OptimizedSettings):
            backed["violation"] = piece.violation
            backed["proven nonlocal above visibility"] = piece.visibility
        elif isinstance(piece, StateCertificate | SeparabilityCertificate):
            backed["proven local up to visibility (white noise)"] = piece.visibility
        else:
            backed |= getattr(piece, "figures", {})
    for name, value in statistics.items():
        if name in backed and not math.isclose(value, backed[name], rel_tol=1e-9, abs_tol=1e-12):
            return f"the figure {name!r} is not that of the evidence"
        if name not in backed and name.startswith("proven"):
            return f"nothing proves the figure {name!r}"
    return ""


def _inequality_check(report: Any, prove_bound: bool | None) -> Verification:
    """Whether the inequality is that behind the verdict; one that is behind none must hold by itself."""
    known = [_inequality_of(piece) for piece in report.evidence]
    if report.verdict is Verdict.NONLOCAL:
        behind = [
            one for one, piece in zip(known, report.evidence, strict=True) if getattr(piece, "shows", "") == "NONLOCAL"
        ]
        same = any(report.inequality == one for one in behind)
        return Verification(same, "the inequality is the one behind the verdict", 0.0 if same else math.inf)
    inequality = report.inequality
    if inequality is None or any(inequality == one for one in known) or not inequality.bound.exact:
        return Verification(True, "the inequality is none behind a verdict")
    check: Verification = inequality.verify(prove_bound=prove_bound)
    return check


def _inequality_of(piece: Any) -> BellInequality | None:
    for owner in (piece, getattr(piece, "settings", None)):
        found = getattr(owner, "inequality", None)
        if isinstance(found, BellInequality):
            return found
    return None
