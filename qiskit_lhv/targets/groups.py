"""Counts of many groups of parties from one wide result."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._support.validation import shown, whole_numbers
from ..exceptions import CountsError
from .counts import BellCounts
from .reading.bit_choices import BitPlan, plan_of_bits
from .reading.outcome_keys import Spellings, has_bits
from .reading.outcome_rows import whole_counts
from .reading.sources import source_of, with_registers

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
    tables = [_Bits.of(table, f"counts[{i}]") for i, table in enumerate(named.tables)]
    found = {}
    for group, bits in groups.items():
        numbers = whole_numbers(group, "groups", CountsError, minimum=0)
        plan = plan_of_bits(bits, options.get("heralds"), options.get("condition"), named.registers)
        part = replace(named, tables=tuple(table.part(plan) for table in tables))
        found[numbers] = BellCounts.from_counts(part, bits=bits, **options)
    return found


@dataclass(frozen=True)
class _Bits:
    """The bits of one dictionary of counts."""

    # Shape (n, bits), the characters of each key, classical bit 0 first.
    characters: NDArray[np.uint8]
    # Shape (n,).
    counts: NDArray[np.int64]
    # Whether the keys say how many bits there are; numbers may have more, which are 0.
    all_bits: bool

    @classmethod
    def of(cls, table: Any, name: str) -> _Bits:
        whole = whole_counts(table, name)
        spellings = Spellings.of([whole], [name], None, confirmed=True)
        texts = []
        for key in whole:
            text = spellings.text(key) if has_bits(key) else None
            if text is None:
                raise CountsError.bad_argument(name, expected="bitstrings of equal length", got=shown(key))
            texts.append(text)
        longest = max(map(len, texts), default=0)
        content = "".join(text.zfill(longest) for text in texts).encode("ascii")
        characters = np.frombuffer(content, np.uint8).reshape(len(texts), longest)[:, ::-1]
        return cls(characters, np.array(list(whole.values()), np.int64), spellings.width is not None)

    def part(self, plan: BitPlan) -> dict[str, int]:
        """The counts of the bits that a plan needs, with all others set to 0."""
        there = self.characters.shape[1]
        width = there if self.all_bits else max(there, plan.num_bits)
        if plan.num_bits > width or not len(self.characters):
            # What is missing is told where the group is read.
            return {"0" * width: 0} if len(self.characters) else {}
        used = sorted(plan.used_bits)
        characters = np.pad(self.characters, ((0, 0), (0, width - there)), constant_values=ord("0"))
        rows, where = np.unique(characters[:, used], axis=0, return_inverse=True)
        totals = np.zeros(len(rows), np.int64)
        np.add.at(totals, where.ravel(), self.counts)
        full = np.full((len(rows), width), ord("0"), np.uint8)
        full[:, used] = rows
        texts = (row.tobytes().decode("ascii") for row in full[:, ::-1])
        return dict(zip(texts, totals.tolist(), strict=True))
