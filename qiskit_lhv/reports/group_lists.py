"""Which of many groups of qubits are listed as nonlocal and as signaling."""

from __future__ import annotations

import math
from collections.abc import Sequence

from ..statistics.evidence.false_discovery import benjamini_yekutieli, e_bh
from .counts_rule import CountsEvidence, CountsRule

__all__ = ["group_lists", "log_e_of"]


def log_e_of(found: CountsEvidence) -> float:
    """Natural logarithm of a group's e-value; minus infinity if it has none."""
    return -math.inf if found.e_value is None else found.e_value.log_e


def group_lists(
    findings: Sequence[tuple[CountsRule, CountsEvidence]], alpha: float, number: int
) -> tuple[list[bool], list[bool]]:
    """Which of many groups are listed as nonlocal and as signaling, each list with its false discovery rate.

    For the nonlocal ones, the e-BH procedure runs with an e-value of 0 for groups that something else than their
    evidence keeps from being NONLOCAL, such as signaling. For the signaling ones, the procedure of Benjamini and
    Yekutieli runs on the p-values of no-signaling.

    Args:
        findings: Rule and evidence of each group that could be analyzed.
        alpha: False discovery rate of the nonlocal groups; that of the signaling ones is their signaling level.
        number: Number of all groups, also those that could not.
    """
    if not findings:
        return [], []
    missing = number - len(findings)
    logs = [log_e_of(found) if rule.may_be_nonlocal(found) else -math.inf for rule, found in findings]
    p_values = [1.0 if found.signaling is None else found.signaling.p_value for _, found in findings]
    level = min(rule.signaling_level for rule, _ in findings)
    nonlocal_list = e_bh([*logs, *[-math.inf] * missing], alpha)
    signaling_list = benjamini_yekutieli([*p_values, *[1.0] * missing], level)
    return list(map(bool, nonlocal_list[: len(findings)])), list(map(bool, signaling_list[: len(findings)]))
