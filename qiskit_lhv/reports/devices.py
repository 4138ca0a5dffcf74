"""The report on many groups of qubits of a device, with a controlled false discovery rate."""

from __future__ import annotations

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
from .connected_regions import ConnectedRegion, check_region, connected_region
from .counts_rule import CountsEvidence, CountsRule, rule_of
from .device_notes import device_rows, nonlocal_notes
from .device_table import aligned_lines, table_of_groups
from .figure_names import Figure
from .group_lists import check_rejections, group_lists, log_e_of
from .html_devices import device_fragment
from .html_pages import page
from .locality import LocalityReport
from .questions import UNREADABLE
from .summary import DETAILS, aligned

__all__ = ["DeviceReport"]

Group = tuple[int, ...]
# How many notes the summary shows.
_MOST_NOTES = 6


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
        R. Wang, A. Ramdas, J. R. Stat. Soc. B 84, 822 (2022), arXiv:2009.02824 (e-BH); Y. Benjamini, D. Yekutieli, Ann.
        Statist. 29, 1165 (2001).

    Examples:
        Three pairs of a chain, of which the last is noisy:

        >>> from qiskit_lhv import analyze, Behavior, ghz_state
        >>> devices = [Behavior.from_state(ghz_state(2, v), "chsh") for v in (0.95, 0.95, 0.5)]
        >>> counts = {(k, k + 1): device.sample(500, seed=k) for k, device in enumerate(devices)}
        >>> report = analyze(counts, seed=1)
        >>> for pair in report:
        ...     print(pair, report[pair].verdict, report[pair].S)
        (0, 1) NONLOCAL 2.604 +- 0.068
        (1, 2) NONLOCAL 2.684 +- 0.066
        (2, 3) LOCAL 1.300 +- 0.085
        >>> report.rejected
        (True, True, False)
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
        return group_lists(self._findings(), self.alpha, self._num_groups)

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

    def connected_region(self, alpha: float | None = None) -> ConnectedRegion:
        """Returns the largest set of qubits that nonlocal pairs join to each other.

        This is a statement about pairs, not about multipartite nonlocality. An edge is a pair whose nonlocality is
        significant with the error probability ``alpha / K`` for each of the K groups, so that with probability
        ``1 - alpha`` no edge is wrong (Bonferroni, for any dependence between the pairs). The size of this region is
        the lower limit. Beside it stands the estimate, with all pairs as edges that violate an inequality. For such
        edges, a device with many pairs joins regions by chance.

        Groups of other sizes than 2 are no edges. The verdicts of the groups control the false discovery rate instead,
        so more pairs may be NONLOCAL than are edges.

        Args:
            alpha: The family-wise error probability. Default: the ``alpha`` of the report.

        Raises:
            CountsError: If no group is a pair, or ``alpha`` is not between 0 and 1.
        """
        alpha = self.alpha if alpha is None else probability(alpha, "alpha", CountsError, open_interval=True)
        pairs = [group for group in (*self.groups, *(group for group, _ in self.failures)) if len(group) == 2]
        if not pairs:
            raise CountsError.bad_argument(
                "report", expected="at least one pair of qubits", got=f"groups of {len(self.groups[0])}"
            )
        figures = {group: report.statistics for group, report in zip(self.groups, self.reports, strict=True)}
        return connected_region(self._by_group(), figures, alpha, self._num_groups, len(pairs))

    def _by_group(self) -> dict[Group, tuple[CountsRule, CountsEvidence]]:
        return dict(zip(self.groups, self._findings(), strict=True))

    @property
    def _num_groups(self) -> int:
        return len(self.groups) + len(self.failures)

    def verify(self, *, prove_bound: bool | None = None) -> Verification:
        """Verifies every report, and that the lists and the connected region are those that the procedures give.

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
        rejections = check_rejections(self._log_e_values().tolist(), self.rejected, self._num_groups, self.alpha)
        checks += [self._verify_declarations(), rejections, self._verify_lists()]
        if any(len(group) == 2 for group in self.groups):
            checks.append(check_region(self.connected_region(), self._by_group(), self._num_groups))
        return combine(*checks)

    def _verify_declarations(self) -> Verification:
        """Checks that each report was made for these groups, their numbers and this false discovery rate."""
        members = [(group, rule_of(report)) for group, report in zip(self.groups, self.reports, strict=True)]
        numbers = (self._num_groups, len(self.failures))
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

    def summary(self) -> str:
        """Returns in one sentence how many groups have which verdict."""
        number = self._num_groups
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
        return readable(self._screen, UNREADABLE)

    def _screen(self) -> str:
        notes = [("note", note) for note in self.notes[:_MOST_NOTES]]
        return "\n".join([self.summary(), *aligned(device_rows(self) + notes), DETAILS])

    def __repr__(self) -> str:
        return f"DeviceReport({readable(self.summary, UNREADABLE)})"

    def details(self) -> str:
        """Returns the summary, the table of all groups, and the notes as text."""
        return readable(lambda: "\n".join([self.summary(), *aligned(device_rows(self)), self.table()]), UNREADABLE)

    def to_json(self) -> str:
        """Returns the whole report as JSON, with a summary of the findings.

        ``DeviceReport.load`` reads it back from a file.
        """
        data = encode(self)
        data["summary"] = {
            "sentence": self.summary(),
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
        """Returns the report as a complete HTML page, with maps of the device if matplotlib is installed."""
        title = f"Nonlocality of {counted(self._num_groups, 'group')} of qubits"
        return readable(lambda: page(title, device_fragment(self, picture=True)), page(title, UNREADABLE))

    def _repr_html_(self) -> str:
        return readable(lambda: device_fragment(self), UNREADABLE)

    def plot(self, coupling_map: Any = None, positions: Any = None) -> Any:
        """Returns a matplotlib figure with three maps of the device: the violation, the evidence and the signaling.

        Args:
            coupling_map: The couplings to show: a backend, a ``CouplingMap``, or pairs of qubits. Default: those
                between neighbors in the groups.
            positions: The place ``(x, y)`` of each qubit, as a dictionary or a sequence. Default: the qubits are laid
                out by their distances in the graph of couplings.

        Raises:
            LHVError: If couplings or positions cannot be used.
            CountsError: If no group could be analyzed.
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
