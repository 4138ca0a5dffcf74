"""The largest connected region of a device: qubits that nonlocal pairs join to each other."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from .._support.records import Record
from .._support.words import counted
from ..verification.result import Verification
from .counts_rule import CountsEvidence, CountsRule
from .figure_names import Figure
from .group_lists import log_e_of

__all__ = ["ConnectedRegion", "check_region", "connected_region", "largest_component", "proven_nonlocal"]

Pair = tuple[int, ...]
Findings = Mapping[Pair, tuple[CountsRule, CountsEvidence]]


@dataclass(frozen=True, eq=False, repr=False)
class ConnectedRegion(Record):
    """The largest connected component of the graph whose edges are nonlocal pairs of qubits.

    It is a statement about pairs, not about multipartite nonlocality: each pair on its own has no local model, and
    nothing is said about what three or more qubits of the region do together.

    References:
        O. J. Dunn, J. Am. Stat. Assoc. 56, 52 (1961) (Bonferroni's correction).

    Examples:
        A chain of five qubits in which the last pair is noisy:

        >>> from qiskit_lhv import analyze, Behavior, ghz_state
        >>> devices = [Behavior.from_state(ghz_state(2, v), "chsh") for v in (0.95, 0.95, 0.95, 0.5)]
        >>> counts = {(k, k + 1): device.sample(500, seed=k) for k, device in enumerate(devices)}
        >>> region = analyze(counts, seed=1).connected_region()
        >>> region.qubits, region.pairs, region.estimate
        ((0, 1, 2, 3), ((0, 1), (1, 2), (2, 3)), 4)
    """

    qubits: tuple[int, ...]
    """The qubits of the region, if an edge is a pair whose nonlocality is significant. All edges of the graph are right
    at once with probability ``1 - alpha`` (family-wise), so that the true region has at least this size."""
    pairs: tuple[Pair, ...]
    """The edges between these qubits."""
    estimated_qubits: tuple[int, ...]
    """The qubits of the region, if an edge is a pair whose frequencies violate an inequality, significantly or not."""
    alpha: float
    """The family-wise error probability."""
    num_pairs: int
    """The number of pairs that were tested."""

    @property
    def lower_limit(self) -> int:
        """Lower confidence limit of the number of qubits in the region; 0 if no pair is significantly nonlocal."""
        return len(self.qubits)

    @property
    def estimate(self) -> int:
        """Estimate of the number of qubits in the region. Pairs that violate an inequality by chance add to it."""
        return len(self.estimated_qubits)

    def __str__(self) -> str:
        return (
            f"connected region of nonlocal pairs: at least {counted(self.lower_limit, 'qubit')} with confidence "
            f"{1 - self.alpha:.6g}, {self.estimate} by the frequencies alone (pairs, not multipartite nonlocality)"
        )


def proven_nonlocal(rule: CountsRule, found: CountsEvidence, alpha: float, num_groups: int) -> bool:
    """Returns whether a group is nonlocal with its share of a family-wise error probability.

    The procedure is that of Bonferroni: a group has the error probability ``alpha / num_groups``, for its e-value as
    for its allowance for signaling. The errors of all groups, whichever of the two they need, add up to at most alpha,
    however the groups depend on each other. (Holm's procedure would not allow to add up both kinds.)

    Args:
        rule: The declarations about the counts of the group.
        found: The evidence.
        alpha: The family-wise error probability.
        num_groups: The number of all groups that were tested, including those that could not be analyzed.
    """
    if log_e_of(found) < math.log(num_groups / alpha) or not rule.may_be_nonlocal(found):
        return False
    if found.settings is not None and found.settings.suspicious:
        return False
    if rule.kappa is None and not rule.signaling_seen(found):
        return True
    return found.allowance is not None and found.allowance.alpha <= alpha / num_groups * (1 + 1e-12)


def largest_component(pairs: Iterable[Sequence[int]]) -> tuple[int, ...]:
    """Returns the qubits of the largest connected component of a graph, sorted; of equal ones the first.

    Args:
        pairs: The edges.
    """
    region_of: dict[int, set[int]] = {}
    for a, b in pairs:
        joined = region_of.get(a, {a}) | region_of.get(b, {b})
        for qubit in joined:
            region_of[qubit] = joined
    return min((tuple(sorted(region)) for region in region_of.values()), key=lambda q: (-len(q), q), default=())


def connected_region(
    findings: Findings, figures: Mapping[Pair, Mapping[str, float]], alpha: float, num_groups: int, num_pairs: int
) -> ConnectedRegion:
    """Returns the largest connected region; see ``DeviceReport.connected_region``.

    Args:
        findings: The rule and the evidence of each group that could be analyzed.
        figures: The figures of the report on each of these groups.
        alpha: The family-wise error probability.
        num_groups: The number of all groups, including those that could not be analyzed.
        num_pairs: The number of pairs among them.
    """
    edges = _edges(findings, alpha, num_groups)
    seen = [
        group
        for group, (rule, found) in findings.items()
        if len(group) == 2 and (group in edges or _violates(rule, found, figures[group]))
    ]
    qubits = largest_component(edges)
    inside = tuple(pair for pair in edges if set(pair) <= set(qubits))
    return ConnectedRegion(qubits, inside, largest_component(seen), alpha, num_pairs)


def check_region(region: ConnectedRegion, findings: Findings, num_groups: int) -> Verification:
    """Checks a connected region by other means: its size by powers of a matrix, and its e-values one by one.

    Args:
        region: The region.
        findings: The rule and the evidence of each group that could be analyzed.
        num_groups: The number of all groups, including those that could not be analyzed.
    """
    edges = _edges(findings, region.alpha, num_groups)
    sufficient = all(log_e_of(findings[pair][1]) >= math.log(num_groups / region.alpha) - 1e-9 for pair in edges)
    names = sorted({qubit for pair in edges for qubit in pair})
    reached = np.eye(len(names), dtype=bool)
    for a, b in edges:
        reached[names.index(a), names.index(b)] = reached[names.index(b), names.index(a)] = True
    for _ in range(len(names).bit_length()):
        # Paths of twice the length.
        reached = (reached.astype(float) @ reached) > 0
    size = int(reached.sum(axis=1).max(initial=0))
    known = set(region.qubits) <= set(names)
    joined = known and all(reached[names.index(a), names.index(b)] for a in region.qubits for b in region.qubits)
    if not sufficient or not joined or size != region.lower_limit or region.estimate < region.lower_limit:
        return Verification(False, "the connected region is not that of the e-values", math.inf)
    return Verification(True, f"the connected region has at least {counted(size, 'qubit')}")


def _edges(findings: Findings, alpha: float, num_groups: int) -> list[Pair]:
    """The pairs that are nonlocal at a family-wise error probability."""
    return [
        group
        for group, (rule, found) in findings.items()
        if len(group) == 2 and proven_nonlocal(rule, found, alpha, num_groups)
    ]


def _violates(rule: CountsRule, found: CountsEvidence, figures: Mapping[str, float]) -> bool:
    """Whether the frequencies of a group violate CHSH or, in other scenarios, the inequality of its e-value."""
    if Figure.S in figures:
        return figures[Figure.S] > 2
    return found.e_value is not None and rule.frequencies_violate(found.e_value.inequality)
