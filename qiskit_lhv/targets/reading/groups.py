"""Counts of many groups of parties from one wide result."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ..._support.validation import shown, whole_numbers
from ...exceptions import CountsError
from ..counts import BellCounts
from .sources import source_of, with_registers

__all__ = ["counts_of_groups"]


def counts_of_groups(counts: Any, groups: Mapping[Any, Any], **options: Any) -> dict[tuple[int, ...], BellCounts]:
    """Returns the counts of each of many groups, such as pairs of qubits, whose bits are in the same results.

    Args:
        counts: The counts of each setting combination, as in :meth:`.BellCounts.from_counts`; all groups had the same
            settings at the same time.
        groups: The bits of the parties of each group, such as ``{(0, 1): [0, 1], (3, 2): [2, 3]}``; see ``bits`` in
            :meth:`.BellCounts.from_counts`. The keys are the groups, by the numbers of their qubits.
        **options: Other arguments of :meth:`.BellCounts.from_counts`.

    Returns:
        The counts of each group, which ``analyze`` takes.

    Raises:
        CountsError: If a group is no tuple of numbers, or its counts cannot be read.

    Examples:
        >>> counts = {(0, 0): {"0110": 5, "0000": 7}, (1, 0): {"1001": 4}}
        >>> pairs = counts_of_groups(counts, {(0, 1): [0, 1], (3, 2): [2, 3]})
        >>> pairs[3, 2].array[:, 0].tolist()
        [[[7, 0], [5, 0]], [[0, 4], [0, 0]]]
    """
    if not isinstance(groups, Mapping) or not groups:
        raise CountsError.bad_argument(
            "groups",
            expected="the bits of each group",
            got=shown(groups),
            remedy="For example {(0, 1): [0, 1], (3, 2): [2, 3]}.",
        )
    source = source_of(counts, options.pop("settings", None))
    named = replace(source, registers=with_registers(source, options.pop("registers", None)))
    found = {}
    for group, bits in groups.items():
        numbers = whole_numbers(group, "groups", CountsError, minimum=0)
        found[numbers] = BellCounts.from_counts(named, bits=bits, **options)
    return found
