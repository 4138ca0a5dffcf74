"""Notes in words on the assumptions behind the verdicts on many groups of qubits."""

from __future__ import annotations

from collections.abc import Mapping

from .counts_rule import UNDECLARED_KAPPA, CountsEvidence, rule_of
from .locality import LocalityReport

__all__ = ["nonlocal_notes"]


def nonlocal_notes(reports: Mapping[tuple[int, ...], LocalityReport]) -> list[str]:
    """Returns the assumptions behind the verdicts NONLOCAL.

    A group may be NONLOCAL with a declared kappa, because no signaling was detected, or because the detected signaling
    is too weak to explain the violation.

    Args:
        reports: The reports of the groups that are NONLOCAL.

    Returns:
        One line of text for each of these cases that occurs.
    """
    kappas: set[float] = set()
    clean, signaling = [], []
    for group, report in reports.items():
        rule = rule_of(report)
        assert rule is not None
        if rule.kappa is not None:
            kappas.add(rule.kappa)
        elif rule.signaling_seen(CountsEvidence.of(report.evidence)):
            signaling.append(group)
        else:
            clean.append(report)
    lines = []
    if clean:
        line = "NONLOCAL: if nothing passes between the parties"
        if any(report.largest_kappa is not None for report in clean):
            line += "; hidden influences are excluded up to the kappa of the last column, times what marginals show"
        lines.append(f"{line}.")
    if signaling:
        names = ", ".join("-".join(map(str, group)) for group in signaling)
        lines.append(
            f"NONLOCAL although signaling was detected ({names}): hidden influences up to {UNDECLARED_KAPPA:g} times "
            "what marginals show do not explain the violation."
        )
    if kappas:
        listed = ", ".join(f"{kappa:g}" for kappa in sorted(kappas))
        lines.append(f"NONLOCAL: also with hidden influences up to {listed} times what marginals show.")
    return lines
