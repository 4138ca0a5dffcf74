"""The answer about many groups of qubits in words: what was found, and the assumptions behind the verdicts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from .counts_rule import UNDECLARED_KAPPA, CountsEvidence, rule_of
from .locality import LocalityReport

if TYPE_CHECKING:
    from .devices import DeviceReport

__all__ = ["device_rows", "nonlocal_notes"]

# How many groups a row of the summary names.
_MOST_NAMED = 6


def device_rows(report: DeviceReport) -> list[tuple[str, str]]:
    """Returns the names and the texts of the rows of the summary of a device.

    Args:
        report: The report on the groups of the device.
    """
    rows = []
    values = {group: value for group in report.groups if (value := report[group].S) is not None}
    if values:
        low, high = min(values, key=lambda group: values[group]), max(values, key=lambda group: values[group])
        ends = f"from {values[low]} ({_name(low)}) to {values[high]} ({_name(high)})"
        rows.append(("S", f"{ends}; local models reach 2, quantum theory 2.828"))
    if report.nonlocal_groups:
        rows.append(("NONLOCAL", _names(report.nonlocal_groups)))
    if report.signaling_groups:
        rows.append(("signaling", _names(report.signaling_groups)))
    if any(len(group) == 2 for group in report.groups):
        rows.append(("region", str(report.connected_region())))
    return rows


def _name(group: Sequence[int]) -> str:
    return "-".join(map(str, group))


def _names(groups: Sequence[Sequence[int]]) -> str:
    more = len(groups) - _MOST_NAMED
    return ", ".join(map(_name, groups[:_MOST_NAMED])) + (f" and {more} more" if more > 0 else "")


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
