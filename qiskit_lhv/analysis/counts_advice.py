"""Advice in words on what would settle an open question about counts."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from ..reports.counts_rule import UNDECLARED_KAPPA, excluded_influences
from ..reports.figure_names import Figure
from ..statistics.intervals.chsh_values import chsh_value
from ..statistics.planning.advice import best_other_form, declared_shots_needed
from ..verification.verdict import Verdict

if TYPE_CHECKING:
    from .counts_findings import CountsFindings

__all__ = ["advice"]

# If a new run has to be less than this many times as long, a run twice as long is advised.
_LEAST_RATIO_OF_SHOTS = 1.6


def advice(findings: CountsFindings) -> str:
    """Returns what would settle an open question, or an empty text if nothing is open.

    Args:
        findings: What was found.
    """
    rule, found = findings.rule, findings.found
    if findings.verdict is Verdict.SIGNALING:
        if findings.swapped is not None:
            return "Check the order of the bits first: see the warning."
        return _on_signaling(findings)
    if findings.verdict is not Verdict.INCONCLUSIVE:
        return ""
    if _reaches_alpha(findings) and rule.settings_explain(found):
        return (
            "The settings did not come as declared, and that may explain the result (see the warning): find out with "
            "which probabilities they were drawn, and declare them for a new run."
        )
    if _reaches_alpha(findings) and not rule.beyond_signaling(found):
        return _on_signaling(findings)
    if _reaches_alpha(findings):
        if rule.may_be_nonlocal(found):
            return (
                "Alone this group would be NONLOCAL; in a list of so many it takes more evidence: more shots, or fewer "
                "groups."
            )
        return (
            "The declared test is significant only because of how often each setting came: the frequencies of the "
            "setting combinations are local. Check the design and the setting probabilities."
        )
    return _on_shots(findings)


def _reaches_alpha(findings: CountsFindings) -> bool:
    """Returns whether the declared p-value is at most alpha, even if the group is not on the list of its device."""
    decisive = findings.rule.decisive(findings.found)
    return decisive is not None and decisive.log10_p_value <= math.log10(findings.rule.alpha)


def _on_signaling(findings: CountsFindings) -> str:
    if not _reaches_alpha(findings) and findings.rule.platform == "photons":
        return (
            "Look for what depends on both settings: a coincidence window, an alignment, or detectors that influence "
            "each other."
        )
    if not _reaches_alpha(findings):
        return "Reduce crosstalk between the parties' qubits, or choose qubits further apart."
    allowance = findings.found.allowance
    if allowance is None and not findings.counts.is_complete:
        return (
            "Measure all setting combinations: without some of them the violation could not be weighed against "
            "signaling."
        )
    if allowance is None:
        reason = findings.absent.get(Figure.LARGEST_KAPPA, "it was not computed")
        return f"Reduce crosstalk: the violation could not be weighed against signaling ({reason})."
    return f"Reduce crosstalk, or take more shots: {allowance}."


def _on_shots(findings: CountsFindings) -> str:
    rule, expected = findings.rule, findings.expected
    decisive = rule.decisive(findings.found)
    assert decisive is not None
    needed = declared_shots_needed(decisive, rule.alpha, expected)
    if needed is not None:
        return _more_shots(findings, needed) + _influences_to_exclude(findings)
    if rule.test == "game":
        return _on_game(findings)
    if expected is None:
        if findings.out_of_time:
            return "More time: some figures, or a LOCAL verdict, were left out when the time limit ended."
        reason = findings.absent.get(Figure.LOG10_E_PER_TRIAL, findings.absent.get(Figure.NO_SIGNALING_FIT))
        because = "" if reason is None else f" ({reason})"
        return f"More shots; how many the declared test would need could not be estimated{because}."
    if not expected.local:
        if expected.rate > 0:
            return "More shots than can be taken: the violation, if it is one, is too small for the declared test."
        return (
            "If the frequencies seen were the device's probabilities, no number of shots would help the declared test: "
            "a local model that knows as much about the settings as the declared predictability of "
            f"{rule.predictability:g} allows could reach them, as far as this test can tell. Use better random numbers."
        )
    if not findings.counts.is_complete:
        return (
            "What was measured has a local model, and nothing is known about the other setting combinations: measure "
            "them, too, for a LOCAL verdict, or other settings for a NONLOCAL one."
        )
    if rule.drifts(findings.found):
        return (
            "The frequencies are local, but a LOCAL verdict needs a device that does not change in time: more trials "
            "of a steadier one, or other settings for a NONLOCAL verdict."
        )
    if findings.out_of_time:
        return "More time: some figures, or a LOCAL verdict, were left out when the time limit ended."
    return "The frequencies are local: more shots for a LOCAL verdict, other settings for a NONLOCAL one."


def _more_shots(findings: CountsFindings, needed: float) -> str:
    counts, expected = findings.counts, findings.expected
    taken = counts.total_shots
    close = needed < _LEAST_RATIO_OF_SHOTS * taken
    number = _two_digits(2 * taken if close else needed)
    if close:
        run = f"a new run twice as long, about {number} shots (of all settings together), would reach it in most cases"
        start = (
            "More shots: these came close to alpha, and evidence varies from run to run; if the frequencies seen were "
        )
    else:
        often = "about half of all cases or more"
        run = f"about {number} shots (of all settings together) in a new run would reach alpha in {often}"
        start = "More shots: if the frequencies seen were "
    words = f"{start}the device's probabilities, {run}"
    if expected is None or not expected.by_chance:
        return f"{words}. (By chance frequencies often overstate a violation; then it takes more.)"
    value = ""
    if counts.scenario.is_chsh and counts.is_complete:
        value = "(S = {:.3g} +- {:.2g}) ".format(*chsh_value(counts))
    return f"{words}. But by chance a local device, too, may show such a violation {value}in as many shots."


def _influences_to_exclude(findings: CountsFindings) -> str:
    """Returns what NONLOCAL would need besides the p-value."""
    rule, found = findings.rule, findings.found
    if rule.beyond_signaling(found):
        return ""
    kappa = UNDECLARED_KAPPA if rule.kappa is None else rule.kappa
    so_far = "" if found.allowance is None else f"; so far they exclude {excluded_influences(found.allowance)}"
    return (
        f" NONLOCAL then also needs counts that exclude hidden influences up to {kappa:g} times what marginals show"
        f"{so_far}."
    )


def _on_game(findings: CountsFindings) -> str:
    text = "No number of shots helps the declared game: it is won no more often than a local model can win it"
    if findings.expression is not None:
        other = best_other_form(findings.counts, findings.expression)
        if other is not None:
            return f"{text}; {other[0]}."
    return f"{text}."


def _two_digits(number: float) -> str:
    """Writes a number with two digits, rounded up."""
    unit = 10.0 ** (math.floor(math.log10(number)) - 1)
    rounded = math.ceil(number / unit * (1 - 1e-12)) * unit
    return f"{rounded:.2g}" if rounded >= 1e10 else f"{rounded:,.0f}"
