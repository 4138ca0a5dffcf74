"""The outcomes in dictionaries of counts, as rows of numbers."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..._support.validation import shown, whole_numbers
from ...exceptions import CountsError
from .bit_choices import BitPlan, Registers
from .outcome_keys import BITS_NOTE, SIGNS_NOTE, Spellings, counts_key, has_bits, read_tuples, signs_in, wrong_key
from .sources import SOURCES_EXAMPLE
from .table_sizes import MAX_CELLS, MAX_SHOTS, QUASI_REMEDY

__all__ = ["OutcomeRows", "outcome_rows", "whole_counts"]

_MAX_BITS = MAX_CELLS.bit_length() - 1
# Stands for all outcomes that are too large for any table.
_LARGEST_OUTCOME = 2**60


@dataclass(frozen=True)
class OutcomeRows:
    """The outcomes of one setting combination, shape ``(n, N)`` with -1 for lost ones, and their counts."""

    outcomes: NDArray[np.int64]
    """The outcomes."""
    counts: list[int]
    """The count of each row."""


def outcome_rows(
    tables: Sequence[Mapping[Any, int]],
    names: Sequence[str],
    num_parties: int,
    chosen: BitPlan | None,
    registers: Registers | None,
    qubits_per_party: Sequence[int] | None,
) -> tuple[list[OutcomeRows], BitPlan | None, tuple[str, ...]]:
    """Returns the outcomes in all dictionaries.

    Args:
        tables: The dictionaries of counts.
        names: Name of each of them, for messages.
        num_parties: How many parties there are.
        chosen: The bits of each party, if the caller chose them.
        registers: The classical registers of the result, if they are known.
        qubits_per_party: The number of bits of each party, if the caller told it.

    Returns:
        The outcomes of each dictionary; the plan of their bits (``None`` if there are none); and what was guessed.

    Raises:
        CountsError: If a key does not fit, or may be read in two ways.
    """
    if chosen is None and qubits_per_party is None and num_parties == 1:
        tables = [_numbered_outcomes(table) for table in tables]
    bits = _bits_per_party(qubits_per_party, num_parties)
    signs = signs_in(tables)
    notes: list[str] = [SIGNS_NOTE] if signs else []
    with_bits = any(has_bits(key) for table in tables for key in table)
    plan, spellings = None, None
    if with_bits:
        plan = BitPlan.consecutive(bits) if chosen is None else chosen
        confirmed = chosen is not None or qubits_per_party is not None
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
) -> OutcomeRows:
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
        if text is None or (len(text) < plan.num_bits and not spellings.is_number(key)):
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
    return OutcomeRows(outcomes, counts)


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


def whole_counts(value: Any, name: str) -> dict[Any, int]:
    """Returns the counts of a dictionary, with texts of outcomes made tuples.

    Args:
        value: The dictionary.
        name: Its name, for messages.

    Raises:
        CountsError: If it is none, or a count is not a whole number of at least zero.
    """
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
