"""The lists of nonlocal and of signaling groups among many groups of qubits."""

from __future__ import annotations

import math
from collections.abc import Sequence

from ..statistics.evidence.false_discovery import benjamini_yekutieli, e_bh
from ..verification.result import Verification
from .counts_rule import CountsEvidence, CountsRule

__all__ = ["check_rejections", "group_lists", "log_e_of"]


def log_e_of(found: CountsEvidence) -> float:
    """Returns the natural logarithm of the e-value of a group, or minus infinity if it has none."""
    return -math.inf if found.e_value is None else found.e_value.log_e


def group_lists(
    findings: Sequence[tuple[CountsRule, CountsEvidence]], alpha: float, number: int
) -> tuple[list[bool], list[bool]]:
    """Returns whether each group is listed as nonlocal, and whether it is listed as signaling.

    The false discovery rates of both lists are controlled. For nonlocal groups, the e-BH procedure runs with an e-value
    of 0 for groups that cannot be NONLOCAL for another reason than their evidence, such as signaling. For signaling
    groups, the procedure of Benjamini and Yekutieli runs on the p-values of the tests of no-signaling.

    Args:
        findings: The rule and the evidence of each group that could be analyzed.
        alpha: The false discovery rate of nonlocal groups. That of signaling groups is their signaling level.
        number: The number of all groups, including those that could not be analyzed.
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


def check_rejections(logs: Sequence[float], rejected: Sequence[bool], number: int, alpha: float) -> Verification:
    """Checks rejections by the definition of e-BH: the largest k for which k e-values are at least K / (alpha k).

    Args:
        logs: The natural logarithms of the e-values.
        rejected: Whether the local models of each group are rejected.
        number: The number K of all groups, including those that could not be analyzed.
        alpha: The false discovery rate.
    """
    size = sum(rejected)
    inside = [log_e for log_e, chosen in zip(logs, rejected, strict=True) if chosen]
    outside = [log_e for log_e, chosen in zip(logs, rejected, strict=True) if not chosen]

    def enough(k: int, slack: float) -> bool:
        threshold = math.log(number / (alpha * k))
        return sum(log_e >= threshold + slack for log_e in logs) >= k

    valid = not inside or (enough(size, -1e-9) and min(inside) >= max(outside, default=-math.inf))
    # With the slack, rounding does not fail an e-value that lies on its threshold.
    if not valid or any(enough(k, 1e-9) for k in range(size + 1, number + 1)):
        return Verification(False, "the e-BH procedure does not reject the groups listed", math.inf)
    return Verification(True, f"the e-BH procedure rejects {size} of {number} at alpha = {alpha:g}")
