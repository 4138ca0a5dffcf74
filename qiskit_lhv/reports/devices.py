"""The report on many groups of qubits of a device, with a controlled false discovery rate."""

from __future__ import annotations

import html
import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from .._support.records import encode
from .._support.validation import probability, shown, whole_numbers
from .._support.words import counted
from ..exceptions import CountsError
from ..statistics.evidence.false_discovery import e_bh
from ..verification.evidence import Evidence, readable
from ..verification.result import Verification, combine
from ..verification.verdict import Verdict
from .counts_rule import CountsEvidence, CountsRule, rule_of
from .device_notes import nonlocal_notes
from .device_table import aligned_lines, table_of_groups
from .figure_names import Figure
from .group_lists import group_lists, log_e_of
from .locality import LocalityReport
from .questions import UNREADABLE

__all__ = ["DeviceReport"]

Group = tuple[int, ...]


@dataclass(frozen=True, eq=False, repr=False)
class DeviceReport(Evidence):
    """Reports on many groups of qubits, with the list of groups whose local models are rejected.

    Each report has an e-value against every local model of its group. The e-BH procedure rejects the local models of as
    many groups as possible, while the expected share of wrong rejections among all rejections is at most ``alpha``.
    This holds for any dependence between the groups.

    Args:
        groups: The physical qubits of each group.
        reports: The reports on the counts of the groups, in the same order.
        alpha: The false discovery rate.
        rejected: Whether the local models of each group are rejected. Default: the result of ``e_bh``.
        failures: The groups that could not be analyzed, each with the reason.

    Raises:
        CountsError: If the lengths differ, if a group occurs twice, or if a report is not about counts.

    References:
        arXiv:2009.02824 (e-BH); Y. Benjamini, D. Yekutieli, Ann. Statist. 29, 1165 (2001).
    """

    groups: tuple[Group, ...]
    """The physical qubits of each group that was analyzed."""
    reports: tuple[LocalityReport, ...]
    """The reports on the groups, in the same order."""
    alpha: float
    """The false discovery rate: the largest expected share of wrong rejections among all rejections."""
    rejected: tuple[bool, ...] | None = None
    """Whether the local models of each group are rejected by the e-BH procedure."""
    failures: tuple[tuple[Group, str], ...] = ()
    """The groups that could not be analyzed, each with the reason."""

    def __post_init__(self) -> None:
        groups = tuple(whole_numbers(group, "groups", CountsError, minimum=0) for group in self.groups)
        failures = tuple(
            (whole_numbers(group, "failures", CountsError, minimum=0), str(why)) for group, why in self.failures
        )
        reports = tuple(self.reports)
        listed = [*groups, *(group for group, _ in failures)]
        if not listed or len(set(listed)) != len(listed):
            raise CountsError.bad_argument(
                "groups", expected="at least one group, each once", got=f"{len(listed)}, {len(set(listed))} different"
            )
        if len(reports) != len(groups):
            raise CountsError.bad_argument(
                "reports", expected=f"{len(groups)} reports, one for each group", got=f"{len(reports)}"
            )
        for group, report in zip(groups, reports, strict=True):
            if not isinstance(report, LocalityReport) or rule_of(report) is None or _evidence(report).e_value is None:
                raise CountsError.bad_argument(
                    "reports",
                    expected="reports on counts, with an e-value",
                    got=f"{report!r} for group {group}",
                    remedy="Make them with analyze(counts).",
                )
        alpha = probability(self.alpha, "alpha", CountsError, open_interval=True)
        object.__setattr__(self, "groups", groups)
        object.__setattr__(self, "failures", failures)
        object.__setattr__(self, "reports", reports)
        object.__setattr__(self, "alpha", alpha)
        missing = [-math.inf] * len(failures)
        rejected: Sequence[Any] = (
            list(e_bh([*self._log_e_values(), *missing], alpha)[: len(groups)])
            if self.rejected is None
            else self.rejected
        )
        if len(rejected) != len(groups):
            raise CountsError.bad_argument("rejected", expected=f"{len(groups)} entries", got=f"{len(rejected)}")
        object.__setattr__(self, "rejected", tuple(map(bool, rejected)))

    # Groups as keys

    def __getitem__(self, group: Sequence[int]) -> LocalityReport:
        key = whole_numbers(group, "group", CountsError, minimum=0)
        for failed, why in self.failures:
            if failed == key:
                raise CountsError(f"group {key} could not be analyzed: {why}")
        if key not in self.groups:
            raise KeyError(key)
        return self.reports[self.groups.index(key)]

    def __contains__(self, group: object) -> bool:
        return group in self.groups

    def __iter__(self) -> Iterator[Group]:
        return iter(self.groups)

    def __len__(self) -> int:
        return len(self.groups)

    # Findings

    @property
    def rejected_groups(self) -> tuple[Group, ...]:
        """The groups whose local models are rejected, whether they signal or not."""
        assert self.rejected is not None
        return tuple(group for group, rejected in zip(self.groups, self.rejected, strict=True) if rejected)

    @cached_property
    def verdicts(self) -> tuple[Verdict, ...]:
        """The verdicts on the groups. NONLOCAL and SIGNALING are given only to groups on the respective list."""
        findings, lists = self._findings(), self._lists()
        return tuple(
            replace(rule, in_nonlocal_list=listed, in_signaling_list=signaling).verdict(found)
            for (rule, found), listed, signaling in zip(findings, *lists, strict=True)
        )

    def _findings(self) -> list[tuple[CountsRule, CountsEvidence]]:
        """The rule and the evidence of each group."""
        found = [(rule_of(report), _evidence(report)) for report in self.reports]
        return [(rule, evidence) for rule, evidence in found if rule is not None]

    def _lists(self) -> tuple[list[bool], list[bool]]:
        """Returns whether each group is listed as nonlocal, and whether it is listed as signaling."""
        return group_lists(self._findings(), self.alpha, len(self.groups) + len(self.failures))

    @property
    def nonlocal_groups(self) -> tuple[Group, ...]:
        """The groups whose verdict is NONLOCAL.

        The e-BH procedure runs again with an e-value of 0 for groups that cannot have this verdict, such as groups that
        signal. The false discovery rate of this list is therefore at most ``alpha``, too.
        """
        return self._with(Verdict.NONLOCAL)

    @property
    def signaling_groups(self) -> tuple[Group, ...]:
        """The groups whose marginals depend on another party's setting.

        The expected share of wrong ones among them is at most the signaling level of the reports.
        """
        _, signaling = self._lists()
        return tuple(group for group, listed in zip(self.groups, signaling, strict=True) if listed)

    def _with(self, verdict: Verdict) -> tuple[Group, ...]:
        return tuple(group for group, found in zip(self.groups, self.verdicts, strict=True) if found is verdict)

    def statistic(self, name: str) -> dict[Group, float]:
        """Returns one figure for each group whose report has it.

        Args:
            name: A key of ``LocalityReport.statistics``, such as ``"S"`` or ``"log10_e"``; see
                :class:`~qiskit_lhv.reports.Figure`.

        Raises:
            CountsError: If it is not the key of a figure.
        """
        if not isinstance(name, str) or name not in list(Figure):
            raise CountsError.bad_argument(
                "name",
                expected="the key of a figure, such as 'S', 'log10_e' or 'no_signaling_p'",
                got=shown(name),
                remedy="All keys are in qiskit_lhv.reports.Figure.",
            )
        pairs = zip(self.groups, self.reports, strict=True)
        return {group: report.statistics[name] for group, report in pairs if name in report.statistics}

    def verify(self, *, prove_bound: bool | None = None) -> Verification:
        """Verifies every report, and that the lists of groups are those that the procedures give.

        Every figure of the table belongs to a report and is checked with it. The groups, their number, the number of
        failed groups and the false discovery rate must be those for which the reports were made. The reasons why groups
        failed are not checked, as the counts of these groups are not stored.

        Args:
            prove_bound: Whether to prove local bounds again; see ``BellInequality.verify``.
        """
        assert self.rejected is not None
        checks = []
        for group, report in zip(self.groups, self.reports, strict=True):
            check = report.verify(prove_bound=prove_bound)
            if not check:
                checks.append(replace(check, reason=f"group {group}: {check.reason}"))
        if not checks:
            checks.append(Verification(True, f"{counted(len(self.groups), 'report')} verified"))
        return combine(*checks, self._verify_declarations(), self._verify_rejections(), self._verify_lists())

    def _verify_declarations(self) -> Verification:
        """Checks that each report was made for these groups, their numbers and this false discovery rate."""
        members = [(group, rule_of(report)) for group, report in zip(self.groups, self.reports, strict=True)]
        numbers = (len(self.groups) + len(self.failures), len(self.failures))
        together = [(group, rule) for group, rule in members if rule is not None and rule.group is not None]
        if together and len(together) < len(members):
            return Verification(False, "some reports were made for a list of groups, others were not", math.inf)
        for group, rule in together:
            if rule.group != group:
                return Verification(False, f"group {group}: its report is about group {rule.group}", math.inf)
            if (rule.num_groups, rule.num_failed) != numbers:
                made = f"{rule.num_groups} groups, of which {rule.num_failed} failed"
                return Verification(False, f"group {group}: its report is one of {made}", math.inf)
            if rule.alpha != self.alpha:
                return Verification(False, f"group {group}: its report has another alpha", math.inf)
        return Verification(True, "the reports are those of these groups")

    def _verify_lists(self) -> Verification:
        """Checks the lists and the verdicts that the reports name against the procedures, which run again."""
        assert self.rejected is not None
        rows = zip(self.groups, self.reports, self.verdicts, *self._lists(), strict=True)
        for group, report, verdict, in_nonlocal, in_signaling in rows:
            rule = rule_of(report)
            if rule is None or rule.in_nonlocal_list is None:
                continue
            if (rule.in_nonlocal_list, rule.in_signaling_list) != (in_nonlocal, in_signaling):
                return Verification(False, f"group {group}: it is on other lists than its report says", math.inf)
            if report.verdict is not verdict:
                return Verification(False, f"group {group}: {report.verdict}, but the lists give {verdict}", math.inf)
        return Verification(True, f"{counted(len(self.nonlocal_groups), 'group')} listed as nonlocal")

    def _verify_rejections(self) -> Verification:
        """Checks the rejections by the definition of e-BH: the largest k for which k e-values are >= K / (alpha k)."""
        assert self.rejected is not None
        logs, number = self._log_e_values().tolist(), len(self.groups) + len(self.failures)
        size = sum(self.rejected)
        inside = [log_e for log_e, rejected in zip(logs, self.rejected, strict=True) if rejected]
        outside = [log_e for log_e, rejected in zip(logs, self.rejected, strict=True) if not rejected]

        def enough(k: int, slack: float) -> bool:
            threshold = math.log(number / (self.alpha * k))
            return sum(log_e >= threshold + slack for log_e in logs) >= k

        valid = not inside or (enough(size, -1e-9) and min(inside) >= max(outside, default=-math.inf))
        # With the slack, rounding does not fail an e-value that lies on its threshold.
        if not valid or any(enough(k, 1e-9) for k in range(size + 1, number + 1)):
            return Verification(False, "the e-BH procedure does not reject the groups listed", math.inf)
        return Verification(True, f"the e-BH procedure rejects {size} of {number} at alpha = {self.alpha:g}")

    def _log_e_values(self) -> np.ndarray:
        return np.array([log_e_of(_evidence(report)) for report in self.reports])

    # For people

    def table(self, sort: str = "group") -> str:
        """Returns the groups as a table in text form, with one line per group.

        Args:
            sort: The order of the groups. ``"group"`` keeps the order given. The others put the largest first:
                ``"violation"`` (S, or the KL divergence from the local set), ``"evidence"`` (log10 e) and
                ``"signaling"`` (largest shift).

        Raises:
            CountsError: If the order is unknown.
        """
        return "\n".join([*aligned_lines(*table_of_groups(self, sort)), *self.notes])

    def _summary(self) -> str:
        number = len(self.groups) + len(self.failures)
        verdicts = ", ".join(
            f"{self.verdicts.count(verdict)} {verdict}" for verdict in Verdict if verdict in self.verdicts
        )
        if self.failures:
            verdicts += f"{', ' if verdicts else ''}{len(self.failures)} failed"
        return (
            f"{counted(number, 'group')}: {verdicts}; local models rejected for "
            f"{len(self.rejected_groups)} (false discovery rate at most {self.alpha:g})"
        )

    @property
    def notes(self) -> tuple[str, ...]:
        """The assumptions behind the verdicts of the table, and the reasons why groups failed, in words."""
        lines = nonlocal_notes({group: self[group] for group in self.nonlocal_groups})
        lines += [f"{'-'.join(map(str, group))} failed: {why}" for group, why in self.failures]
        return tuple(lines)

    def __str__(self) -> str:
        return readable(self._summary, UNREADABLE)

    def to_json(self) -> str:
        """Returns the whole report as JSON, with a summary of the findings.

        ``DeviceReport.load`` reads it back from a file.
        """
        data = encode(self)
        data["summary"] = {
            "sentence": self._summary(),
            "notes": self.notes,
            "verdicts": [
                [list(group), str(verdict)] for group, verdict in zip(self.groups, self.verdicts, strict=True)
            ],
            "nonlocal_groups": self.nonlocal_groups,
            "rejected_groups": self.rejected_groups,
            "signaling_groups": self.signaling_groups,
        }
        return json.dumps(data, indent=1, allow_nan=False)

    def to_html(self) -> str:
        """Returns the table as an HTML fragment."""
        header, rows = table_of_groups(self, "group")
        head = "".join(f"<th style='text-align:left'>{html.escape(cell)}</th>" for cell in header)
        body = "".join(f"<tr>{''.join(f'<td>{html.escape(cell)}</td>' for cell in row)}</tr>" for row in rows)
        notes = "".join(f"<p>{html.escape(note)}</p>" for note in self.notes)
        return f"<div>{html.escape(self._summary())}<table><tr>{head}</tr>{body}</table>{notes}</div>"

    def _repr_html_(self) -> str:
        return self.to_html()

    def plot(self, coupling_map: Any = None, positions: Any = None) -> Any:
        """Returns a matplotlib figure with three maps of the device: the violation, the evidence and the signaling.

        Args:
            coupling_map: The couplings to show: a backend, a ``CouplingMap``, or pairs of qubits. Default: those
                between neighbors in the groups.
            positions: The place ``(x, y)`` of each qubit, as a dictionary or a sequence. Default: the qubits are laid
                out by their distances in the graph of couplings.

        Raises:
            LHVError: If couplings or positions cannot be used.
            ImportError: If matplotlib is not installed (extra ``plot``).
        """
        from ..plotting import plot_device_report

        if not self.groups:
            raise CountsError.bad_argument(
                "report",
                expected="at least one group that could be analyzed",
                got="none",
                remedy="The notes of the report say why each failed.",
            )
        return plot_device_report(self, coupling_map, positions)


def _evidence(report: LocalityReport) -> CountsEvidence:
    return CountsEvidence.of(report.evidence)
