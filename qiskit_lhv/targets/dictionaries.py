"""Counts in dictionaries, lists and results of Samplers, as tables."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._support.validation import shown, whole_numbers
from ..exceptions import CountsError
from .reading.bit_choices import BITS_EXAMPLE, BitPlan, plan_of_bits
from .reading.outcome_keys import length_of_keys
from .reading.outcome_rows import OutcomeRows, outcome_rows, whole_counts
from .reading.setting_keys import ReadSettings, read_settings
from .reading.sources import Source, source_of, with_registers
from .reading.table_sizes import MAX_SHOTS, check_table_size
from .reading.word_order import refuse_reversed_words
from .scenario import BellScenario, full_num_outcomes

__all__ = ["CountsTable", "ReadingOptions", "table_of_counts"]

Outcomes = tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class CountsTable:
    """Counts that were read, with what was guessed about them."""

    array: NDArray[np.int64]
    """Shape ``(m_1, ..., m_N, d_1, ..., d_N)``; setting combinations that were not measured have no shots."""
    lost_outcomes: tuple[int | None, ...] | None
    """The outcome of each party that means "lost" (its last one; the first if its settings have different numbers of
    outcomes, since one number has to stand for it in all of them), ``None`` for parties without."""
    scenario: BellScenario
    """The number of settings and outcomes of each party."""
    setting_names: tuple[tuple[str, ...], ...] | None = None
    """The name of each setting of each party, where they had names."""
    notes: tuple[str, ...] = ()
    """What was guessed, in words."""
    post_selected: bool = False
    """Whether shots were dropped because of their bits."""


@dataclass(frozen=True)
class ReadingOptions:
    """How counts are to be read; see ``BellCounts.from_counts``, which has an argument for each of these."""

    settings: Sequence[Any] | None = None
    """The settings of each entry of a list."""
    setting_order: str | None = None
    """Whose setting the character on the right of a word is."""
    num_settings: Sequence[int] | None = None
    """The number of settings of each party, for a list in row-major order."""
    bits: Any = None
    """The bits of each party."""
    heralds: Any = None
    """Bits that count as parties with a single setting."""
    condition: Any = None
    """The values of bits in the shots that are kept."""
    registers: Sequence[str] | None = None
    """The names of the registers in keys with spaces."""
    qubits_per_party: Sequence[int] | None = None
    """The number of bits of each party, from the right."""
    num_outcomes: Sequence[int | Sequence[int]] | None = None
    """The number of outcomes of each party, or of each of its settings."""

    def refuse_of_table(self) -> None:
        """Raises an error if one of them is given for a table, whose columns say it all.

        Raises:
            CountsError: If so.
        """
        given = [own.name for own in fields(self) if own.name != "settings" and getattr(self, own.name) is not None]
        if given:
            raise CountsError.bad_argument(
                given[0],
                expected="None for a table with one row per trial or per cell",
                got=shown(getattr(self, given[0])),
                remedy="Name the columns with BellCounts.from_table(table, settings=[...], outcomes=[...]).",
            )


def table_of_counts(counts: Any, options: ReadingOptions | None = None) -> CountsTable:
    """Returns the table of counts in any of the forms that ``BellCounts.from_counts`` takes.

    Args:
        counts: The counts.
        options: How they are to be read.

    Raises:
        CountsError: If a key does not fit, a count is not a whole number of at least zero, or the counts can be read in
            two ways that differ.
    """
    options = ReadingOptions() if options is None else options
    source = source_of(counts, options.settings)
    registers = with_registers(source, options.registers)
    chosen = None
    if options.bits is not None:
        chosen = plan_of_bits(options.bits, options.heralds, options.condition, registers)
    elif options.heralds is not None or options.condition is not None:
        raise CountsError.bad_argument(
            "bits", expected="the bits of each party, beside heralds and a condition", got="None",
            remedy=f"For example {BITS_EXAMPLE}.",
        )  # fmt: skip
    read = _settings_of(source, chosen, options)
    positions = [position + (0,) * (chosen.num_heralds if chosen else 0) for position in read.numbers]
    num_settings = read.num_settings + (1,) * (chosen.num_heralds if chosen else 0)
    num_parties = len(num_settings)
    if chosen is not None and len(chosen.parties) != num_parties:
        raise CountsError.bad_argument(
            "bits",
            expected=f"the bits of {num_parties - chosen.num_heralds} parties, as the settings have",
            got=f"those of {len(chosen.parties) - chosen.num_heralds}",
        )
    names = [f"counts[{shown(position)}]" for position in positions]
    counted = [whole_counts(table, name) for table, name in zip(source.tables, names, strict=True)]
    rows, plan, notes = outcome_rows(counted, names, num_parties, chosen, registers, options.qubits_per_party)
    notes = (*read.notes, *notes)
    full = _outcome_sizes(rows, plan, options.num_outcomes, num_settings)
    seen_lost = [any((own.outcomes[:, k] < 0).any() for own in rows) for k in range(num_parties)]
    lost = tuple(
        (own[0] if len(set(own)) == 1 else 0) if is_lost else None for own, is_lost in zip(full, seen_lost, strict=True)
    )
    total = sum(int(count) for own in rows for count in own.counts)
    if total > MAX_SHOTS:
        raise CountsError.bad_argument("counts", expected="at most 2**53 shots", got=f"{total:.3g}")
    sizes_with_lost = tuple(
        tuple(d + (lost_outcome is not None) for d in own) for own, lost_outcome in zip(full, lost, strict=True)
    )
    check_table_size(num_settings + tuple(max(own) for own in sizes_with_lost), "counts")
    scenario = BellScenario(num_settings, sizes_with_lost)
    array = np.zeros(scenario.shape, np.int64)
    for position, name, own in zip(positions, names, rows, strict=True):
        sizes = tuple(party[x] for party, x in zip(full, position, strict=True))
        beyond = np.flatnonzero((own.outcomes >= np.array(sizes)).any(axis=1))
        if len(beyond):
            got = tuple(None if a < 0 else int(a) for a in own.outcomes[beyond[0]])
            raise CountsError.bad_argument(name, expected=f"outcomes below {sizes}", got=shown(got))
        numbers = [_numbers(column, lost_one) for column, lost_one in zip(own.outcomes.T, lost, strict=True)]
        np.add.at(array[position], tuple(numbers), own.counts)
    if read.words:
        refuse_reversed_words(array, read, num_settings)
    if array.sum() and len(positions) < math.prod(num_settings):
        notes += (_unmeasured_note(positions, num_settings),)
    setting_names = read.names
    if setting_names is not None and chosen is not None:
        setting_names += (("herald",),) * chosen.num_heralds
    dropped = chosen is not None and bool(chosen.condition)
    any_lost = any(lost_outcome is not None for lost_outcome in lost)
    return CountsTable(array, lost if any_lost else None, scenario, setting_names, notes, dropped)


def _settings_of(source: Source, plan: BitPlan | None, options: ReadingOptions) -> ReadSettings:
    """The settings of each dictionary of counts."""
    keys = source.keys
    grid = None if source.grid is None or len(source.grid) < 2 or options.num_settings is not None else source.grid
    if keys is None and grid is not None:
        _refuse_axes_of_one(grid)
        read = read_settings(tuple(np.ndindex(grid)), None)
        return replace(read, notes=("the axes of the result are the settings of the parties",))
    per_key = length_of_keys([table for table in source.tables if isinstance(table, Mapping)])
    if plan is not None:
        num_parties: int | None = len(plan.parties) - plan.num_heralds
    elif options.qubits_per_party is not None and hasattr(options.qubits_per_party, "__len__"):
        num_parties = len(options.qubits_per_party)
    elif keys is None and options.num_settings is not None and hasattr(options.num_settings, "__len__"):
        num_parties = len(options.num_settings)
    elif keys is None:
        num_parties = per_key
    else:
        num_parties = 1 if per_key == 1 else None
    if keys is not None:
        return read_settings(keys, num_parties, options.setting_order)
    if num_parties is None:
        raise CountsError.bad_argument(
            "counts",
            expected="a list that says its settings or its parties",
            got=f"{len(source.tables)} entries",
            remedy='Say settings=["ZZ", "ZX", ...], or which bits the parties have: ' + BITS_EXAMPLE + ".",
        )
    sizes = _row_major_sizes(len(source.tables), num_parties, options.num_settings)
    positions = tuple(np.ndindex(sizes))
    notes: tuple[str, ...] = ()
    if len(positions) > 1:
        listed = ", ".join(map(str, positions[:4])) + (", ..." if len(positions) > 4 else "")
        notes = (f"the entries of the list are the settings {listed} (row-major order)",)
    return ReadSettings(positions, sizes, None, notes, False)


def _refuse_axes_of_one(grid: tuple[int, ...]) -> None:
    """Raises an error if an axis has a single entry, which may be there for other reasons than a party."""
    number = math.prod(grid)
    if 1 not in grid or number == 1:
        return
    root = math.isqrt(number)
    other = [root, root] if root * root == number else [1, number]
    raise CountsError.bad_argument(
        "counts",
        expected="a result whose axes are the settings of the parties",
        got=f"shape {grid}, where an axis has a single entry",
        remedy=f"Say num_settings={list(grid)} if they are, num_settings={other} if the entries are all setting "
        "combinations of two parties in row-major order, or settings=[...] with the settings of each entry.",
    )


def _row_major_sizes(number: int, num_parties: int, num_settings: Sequence[int] | None) -> tuple[int, ...]:
    """The number of settings of each party in a list of all setting combinations."""
    if num_settings is not None:
        sizes = whole_numbers(num_settings, "num_settings", CountsError, minimum=1)
        if len(sizes) != num_parties or math.prod(sizes) != number:
            raise CountsError.bad_argument(
                "num_settings", expected=f"{num_parties} numbers whose product is {number}", got=shown(sizes)
            )
        return sizes
    root = round(number ** (1 / num_parties))
    if root**num_parties == number:
        return (root,) * num_parties
    pair = next((m for m in range(2, number) if number % m == 0), None)
    example = (1,) * num_parties if pair is None else (pair, number // pair) + (1,) * (num_parties - 2)
    raise CountsError.bad_argument(
        "counts",
        expected=f"as many entries for each of {num_parties} parties",
        got=f"{number} entries, which may be {example} or {example[::-1]} settings",
        remedy=f"Say num_settings={list(example)}, or settings=[...] with the settings of each entry; where results "
        f"have more bits than parties, say {BITS_EXAMPLE}.",
    )


def _unmeasured_note(positions: Sequence[tuple[int, ...]], num_settings: tuple[int, ...]) -> str:
    measured = set(positions)
    missing = [position for position in islice(_positions(num_settings), len(measured) + 4) if position not in measured]
    number = math.prod(num_settings) - len(measured)
    listed = ", ".join(map(str, missing[:4])) + (", ..." if number > 4 else "")
    verb = "was" if number == 1 else "were"
    return f"the setting combination{'s' if number > 1 else ''} {listed} {verb} not measured"


def _numbers(outcomes: NDArray[np.int64], lost: int | None) -> NDArray[np.int64]:
    """The numbers of outcomes in a table that has one for lost shots, too."""
    if lost is None:
        return outcomes
    return np.where(outcomes < 0, lost, np.where(outcomes < lost, outcomes, outcomes + 1))


def _positions(sizes: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
    """All indices of a table, the last one running fastest, without a list of anything."""
    position = [0] * len(sizes)
    while True:
        yield tuple(position)
        for k in reversed(range(len(sizes))):
            position[k] += 1
            if position[k] < sizes[k]:
                break
            position[k] = 0
        else:
            return


def _outcome_sizes(
    rows: Iterable[OutcomeRows],
    plan: BitPlan | None,
    num_outcomes: Sequence[int | Sequence[int]] | None,
    num_settings: tuple[int, ...],
) -> Outcomes:
    """Number of outcomes of each setting of each party, without the lost one."""
    if num_outcomes is not None:
        return full_num_outcomes(num_outcomes, num_settings, CountsError)
    if plan is not None:
        return tuple((1 << width,) * m for width, m in zip(plan.sizes, num_settings, strict=True))
    largest = np.max([own.outcomes.max(axis=0, initial=1) for own in rows], axis=0)
    return tuple((int(most) + 1,) * m for most, m in zip(largest, num_settings, strict=True))
