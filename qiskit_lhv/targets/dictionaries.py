"""Counts in dictionaries, lists and results of Samplers, as tables."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._support.validation import shown, whole_numbers
from ..exceptions import CountsError
from .reading.bit_choices import BITS_EXAMPLE, BitPlan, Registers, plan_of_bits
from .reading.outcome_keys import (
    BITS_NOTE,
    SIGNS_NOTE,
    Spellings,
    counts_key,
    has_bits,
    length_of_keys,
    read_tuples,
    signs_in,
    wrong_key,
)
from .reading.setting_keys import ReadSettings, read_settings
from .reading.sources import SOURCES_EXAMPLE, Source, source_of, with_registers
from .reading.word_order import refuse_reversed_words
from .scenario import BellScenario, full_num_outcomes

__all__ = [
    "MAX_CELLS",
    "MAX_SHOTS",
    "QUASI_REMEDY",
    "CountsTable",
    "ReadingOptions",
    "check_table_size",
    "table_of_counts",
]

MAX_CELLS = 10**8
"""Tables of counts are dense: so many cells take 0.8 GB."""
MAX_SHOTS = 2**53
"""Numbers of shots up to here are floats without rounding."""

QUASI_REMEDY = (
    "Mitigated quasi-probabilities are not counts: their errors are not those of independent shots, so no "
    "p-value follows from them. Pass the raw counts."
)

# Larger numbers need not be told.
_FAR_TOO_MANY = 10**100
_MAX_BITS = MAX_CELLS.bit_length() - 1
# Stands for all outcomes that are too large for any table.
_LARGEST_OUTCOME = 2**60

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
    counted = [_counted(table, name) for table, name in zip(source.tables, names, strict=True)]
    rows, plan, notes = _rows(counted, names, num_parties, chosen, registers, options)
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
    if keys is None and source.grid is not None and len(source.grid) > 1:
        keys = tuple(np.ndindex(source.grid))
    per_key = length_of_keys([table for table in source.tables if isinstance(table, Mapping)])
    if plan is not None:
        num_parties: int | None = len(plan.parties) - plan.num_heralds
    elif options.qubits_per_party is not None and hasattr(options.qubits_per_party, "__len__"):
        num_parties = len(options.qubits_per_party)
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
    notes = ()
    if len(positions) > 1:
        listed = ", ".join(map(str, positions[:4])) + (", ..." if len(positions) > 4 else "")
        notes = (f"the entries of the list are the settings {listed} (row-major order)",)
    return ReadSettings(positions, sizes, None, notes, False)


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
        remedy=f"Say num_settings={list(example)}, or settings=[...] with the settings of each entry; where results have "
        f"more bits than parties, say {BITS_EXAMPLE}.",
    )


@dataclass(frozen=True)
class _Rows:
    """The outcomes of one setting combination, shape ``(n, N)`` with -1 for lost ones, and their counts."""

    outcomes: NDArray[np.int64]
    counts: list[int]


def _rows(
    tables: Sequence[Mapping[Any, int]],
    names: Sequence[str],
    num_parties: int,
    chosen: BitPlan | None,
    registers: Registers | None,
    options: ReadingOptions,
) -> tuple[list[_Rows], BitPlan | None, tuple[str, ...]]:
    """The outcomes in all dictionaries, the plan of their bits (``None`` if there are none), and what was guessed."""
    if chosen is None and options.qubits_per_party is None and num_parties == 1:
        tables = [_numbered_outcomes(table) for table in tables]
    bits = _bits_per_party(options.qubits_per_party, num_parties)
    signs = signs_in(tables)
    notes: list[str] = [SIGNS_NOTE] if signs else []
    with_bits = any(has_bits(key) for table in tables for key in table)
    plan, spellings = None, None
    if with_bits:
        plan = BitPlan.consecutive(bits) if chosen is None else chosen
        confirmed = chosen is not None or options.qubits_per_party is not None
        width = plan.width if registers is None else sum(size for _, size in registers)
        if chosen is None and registers is not None and width != plan.width:
            raise _unclear_registers(num_parties, registers)
        spellings = Spellings.of(tables, names, width, confirmed=confirmed)
        notes += spellings.notes
        if chosen is not None:
            notes += chosen.notes
        elif num_parties > 1 and not confirmed:
            notes.append(BITS_NOTE)
    rows = []
    for table, name in zip(tables, names, strict=True):
        rows.append(_rows_of(table, name, num_parties, plan, spellings, signs))
    return rows, plan, tuple(notes)


def _rows_of(
    table: Mapping[Any, int],
    name: str,
    num_parties: int,
    plan: BitPlan | None,
    spellings: Spellings | None,
    signs: bool,
) -> _Rows:
    tuples = [key for key in table if isinstance(key, tuple)]
    listed = read_tuples(tuples, name, num_parties, signs)
    counts = [table[key] for key in tuples]
    seen: dict[Any, Any] = {}
    for outcome, key in zip(listed, tuples, strict=True):
        _once(seen, outcome, key, name)
    outcomes = np.array([[-1 if a is None else a for a in own] for own in listed], dtype=object)
    # Larger numbers are refused below, by the size of their table.
    outcomes = np.minimum(outcomes, _LARGEST_OUTCOME).astype(np.int64).reshape(len(listed), num_parties)
    texts, keys = [], [key for key in table if not isinstance(key, tuple)]
    for key in keys:
        if plan is None or spellings is None or not has_bits(key):
            raise wrong_key(name, num_parties, key)
        text = spellings.text(key)
        if text is None or (spellings.width is None and len(text) < plan.num_bits and isinstance(key, str)):
            raise _wrong_bits(name, plan, key, num_parties)
        texts.append(text)
    if texts and plan is not None:
        # Numbers whose width nothing says have at least the bits that are asked for.
        longest = max(plan.num_bits, *map(len, texts)) if spellings is not None and spellings.width is None else 0
        texts = [text.zfill(longest) for text in texts]
        if len(texts[0]) < plan.num_bits:
            raise _wrong_bits(name, plan, keys[0], num_parties)
        of_bits, kept = plan.outcomes(texts)
        for text, key, row in zip(texts, keys, of_bits, strict=True):
            # A party of several qubits is lost in several ways, which have bitstrings of their own.
            _once(seen, text, key, name)
            if plan.width is not None:
                outcome = tuple(None if a < 0 else int(a) for a in row)
                if outcome in seen and isinstance(seen[outcome], tuple):
                    raise _twice(name, outcome, key)
        outcomes = np.concatenate([outcomes, of_bits[kept]])
        counts += [table[key] for key, keep in zip(keys, kept, strict=True) if keep]
    return _Rows(outcomes, counts)


def _once(seen: dict[Any, Any], spelling: Any, key: Any, name: str) -> None:
    if spelling in seen:
        raise _twice(name, spelling, key)
    seen[spelling] = key


def _twice(name: str, outcome: Any, key: Any) -> CountsError:
    return CountsError.bad_argument(
        name,
        expected="each outcome once",
        got=f"two spellings of {outcome}, one of them {shown(key)}",
        remedy="Add their counts up, or leave one out.",
    )


def _numbered_outcomes(table: Mapping[Any, int]) -> Mapping[Any, int]:
    """The counts of a single party, whose outcomes may be numbers themselves."""
    return {(key,) if isinstance(key, int) and not isinstance(key, bool) else key: n for key, n in table.items()}


def _wrong_bits(name: str, plan: BitPlan, key: Any, num_parties: int) -> CountsError:
    if plan.width is None:
        return CountsError.bad_argument(
            name, expected=f"bitstrings of at least {plan.num_bits} bits, as bits=... names them", got=shown(key)
        )
    text = key.replace(" ", "") if isinstance(key, str) else ""
    spare = len(text) - num_parties
    remedy = "Parties of several qubits need qubits_per_party."
    if spare > 0 and not set(text) - {"0", "1", "-"}:
        each = ", ".join(f'"{chr(ord("A") + k % 26)}": {k}' for k in range(min(num_parties, 4)))
        each_more, left = divmod(spare, num_parties)
        more = [1] * (num_parties - 1) + [spare + 1] if left else [1 + each_more] * num_parties
        remedy = (
            f"Say which bits belong to which party, bit 0 being the rightmost: bits={{{each}}} if the rightmost are "
            f"those of the parties and {spare} more are not needed, or qubits_per_party={more} if all are."
        )
    return CountsError.bad_argument(
        name,
        expected=f"bitstrings of {plan.width} bits, {plan.sizes} for the parties in order",
        got=shown(key),
        remedy=remedy,
    )


def _unclear_registers(num_parties: int, registers: Registers) -> CountsError:
    listed = ", ".join(f"{name!r} ({size} bits)" for name, size in registers)
    fitting = next((name for name, size in registers if size >= num_parties), None)
    if fitting is not None:
        each = [f'"{fitting}[{k}]"' for k in range(num_parties)]
    else:
        each = [f'"{name}[0]"' for name, _ in registers][:num_parties]
    example = ", ".join(f'"{chr(ord("A") + k % 26)}": {bit}' for k, bit in enumerate(each))
    return CountsError.bad_argument(
        "counts",
        expected=f"one bit for each of {num_parties} parties",
        got=f"the registers {listed}",
        remedy=f"Say which bits belong to which party, for example bits={{{example}}}.",
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


def check_table_size(shape: Sequence[int], argument: str) -> None:
    """Refuses a table of counts that would not fit into memory, before it is made.

    Args:
        shape: Its shape ``(m_1, ..., m_N, d_1, ..., d_N)``.
        argument: Name of the argument that led to it.

    Raises:
        CountsError: If it has more than 10**8 cells.
    """
    cells, half = math.prod(shape), len(shape) // 2
    if cells > MAX_CELLS:
        settings, outcomes = tuple(shape[:half]), tuple(shape[half:])
        number = f"{cells:.3g}" if cells < _FAR_TOO_MANY else "far more"
        raise CountsError.bad_argument(
            argument,
            expected=f"at most {MAX_CELLS} combinations of settings and outcomes",
            got=f"{number}: {shown(settings)} settings with {shown(outcomes)} outcomes",
            remedy="Number settings and outcomes from 0 without gaps.",
        )


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


def _counted(value: Any, name: str) -> dict[Any, int]:
    """The counts of a dictionary, whose outcomes are read later."""
    if not isinstance(value, Mapping):
        raise CountsError.bad_argument(
            name, expected="a dictionary {outcome: count}", got=type(value).__name__, remedy=SOURCES_EXAMPLE
        )
    # The counts first: quasi-probabilities also have other keys, and the reason is what helps.
    found: dict[Any, int] = {}
    for key, entry in value.items():
        number = _count(entry, key, name)
        spelling = counts_key(key)
        if spelling in found:
            raise _twice(name, spelling, key)
        found[spelling] = number
    return found


def _bits_per_party(qubits_per_party: Sequence[int] | None, num_parties: int) -> tuple[int, ...]:
    if qubits_per_party is None:
        return (1,) * num_parties
    bits = whole_numbers(qubits_per_party, "qubits_per_party", CountsError, minimum=1)
    if len(bits) != num_parties:
        raise CountsError.bad_argument(
            "qubits_per_party", expected=f"{num_parties} entries, as the settings have", got=shown(bits)
        )
    if sum(bits) > _MAX_BITS:
        raise CountsError.bad_argument(
            "qubits_per_party",
            expected=f"at most {_MAX_BITS} qubits, whose outcomes fit into a table of {MAX_CELLS} cells",
            got=shown(bits),
            remedy="Measure fewer qubits, or bin their outcomes and pass tuples of outcomes.",
        )
    return bits


def _count(value: Any, outcome: Any, name: str) -> int:
    number = isinstance(value, Real) and not isinstance(value, bool)
    # A comparison with NaN is false, so it fails here too.
    if not number or not 0 <= value < MAX_SHOTS or int(value) != value:
        quasi = number and -math.inf < value < math.inf and (value < 0 or value % 1)
        raise CountsError.bad_argument(
            f"{name}[{shown(outcome)}]",
            expected="a whole number of at least zero",
            got=shown(value),
            remedy=QUASI_REMEDY if quasi else "",
        )
    return int(value)


def _outcome_sizes(
    rows: Iterable[_Rows],
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
