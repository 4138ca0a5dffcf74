"""Dictionaries of counts, such as Qiskit gives them, as tables."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._support.validation import shown, whole_numbers
from ..exceptions import CountsError
from .scenario import BellScenario, full_num_outcomes

__all__ = ["MAX_CELLS", "MAX_SHOTS", "QUASI_REMEDY", "check_table_size", "table_of_counts"]

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

# An outcome of each party; None: it was lost.
Outcome = tuple[int | None, ...]
Outcomes = tuple[tuple[int, ...], ...]


def table_of_counts(
    counts: Mapping[Any, Mapping[Any, int]],
    qubits_per_party: Sequence[int] | None = None,
    num_outcomes: Sequence[int | Sequence[int]] | None = None,
) -> tuple[NDArray[np.int64], tuple[int | None, ...] | None, BellScenario]:
    """The table of one dictionary for each setting combination; see ``BellCounts.from_counts``.

    Args:
        counts: Maps settings to dictionaries of counts.
        qubits_per_party: The number of bits of each party, or ``None``: one.
        num_outcomes: The number of outcomes of each party, or of each of its settings, that are not lost, or
            ``None``: those seen.

    Returns:
        The table, shape ``(m_1, ..., m_N, d_1, ..., d_N)``; the outcome of each party that means
        "lost" (its last one; the first if its settings have different numbers of outcomes, since one number has to
        stand for it in all of them), ``None`` for parties without, or ``None`` if no party has one; and the scenario.

    Raises:
        CountsError: If a setting of a party is missing, a key does not fit, or a count is not a
            whole number of at least zero.
    """
    table = _settings_table(counts)
    num_parties = len(next(iter(table)))
    bits = _bits_per_party(qubits_per_party, num_parties)
    outcomes = {key: _outcome_counts(value, bits, key) for key, value in table.items()}
    seen = [outcome for value in outcomes.values() for outcome in value]
    strings = any(isinstance(key, str) for value in table.values() for key in value)
    num_settings = _num_settings(table)
    full = _outcome_sizes(seen, bits, num_outcomes, num_settings, strings)
    lost = tuple(
        (own[0] if len(set(own)) == 1 else 0) if any(outcome[k] is None for outcome in seen) else None
        for k, own in enumerate(full)
    )
    total = sum(count for value in outcomes.values() for count in value.values())
    if total > MAX_SHOTS:
        raise CountsError.bad_argument("counts", expected="at most 2**53 shots", got=f"{total:.3g}")
    sizes_with_lost = tuple(
        tuple(d + (lost_outcome is not None) for d in own) for own, lost_outcome in zip(full, lost, strict=True)
    )
    check_table_size(num_settings + tuple(max(own) for own in sizes_with_lost), "counts")
    scenario = BellScenario(num_settings, sizes_with_lost)
    array = np.zeros(scenario.shape, np.int64)
    for key, value in outcomes.items():
        sizes = tuple(own[x] for own, x in zip(full, key, strict=True))
        for outcome, count in value.items():
            if any(a is not None and a >= d for a, d in zip(outcome, sizes, strict=True)):
                raise CountsError.bad_argument(f"counts[{key}]", expected=f"outcomes below {sizes}", got=shown(outcome))
            array[key + tuple(_number(a, own) for a, own in zip(outcome, lost, strict=True))] += count
    return array, lost if any(lost_outcome is not None for lost_outcome in lost) else None, scenario


def _number(outcome: int | None, lost: int | None) -> int:
    """The number of an outcome in a table that has one for lost shots, too."""
    if outcome is None:
        assert lost is not None
        return lost
    return outcome if lost is None or outcome < lost else outcome + 1


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


def _num_settings(table: Mapping[tuple[int, ...], Any]) -> tuple[int, ...]:
    return tuple(max(numbers) + 1 for numbers in zip(*table, strict=True))


def _settings_table(counts: object) -> dict[tuple[int, ...], Mapping[Any, int]]:
    """The dictionaries by settings; combinations that are missing were not measured."""
    if not isinstance(counts, Mapping) or not counts:
        raise CountsError.bad_argument(
            "counts", expected="a dictionary {(x_1, ..., x_N): {outcome: count}}", got=shown(counts)
        )
    table: dict[tuple[int, ...], Mapping[Any, int]] = {}
    for name, value in counts.items():
        key = _setting_key(name)
        if key in table:
            raise CountsError.bad_argument(
                "counts",
                expected="each setting combination once",
                got=f"{key} in two spellings",
                remedy="Add their counts up, or leave one out.",
            )
        table[key] = value
    num_parties = len(next(iter(table)))
    if any(len(key) != num_parties for key in table):
        raise CountsError.bad_argument(
            "counts", expected="settings of one entry per party", got=shown(sorted(table, key=len))
        )
    num_settings = _num_settings(table)
    for party, (numbers, size) in enumerate(zip(zip(*table, strict=True), num_settings, strict=True)):
        seen = set(numbers)
        if len(seen) < size:
            # The largest number may be so large that the numbers up to it could not be listed.
            missing = next(x for x in range(len(seen) + 1) if x not in seen)
            raise CountsError.bad_argument(
                "counts",
                expected=f"every setting of every party, numbered from 0 without gaps, here of {num_settings} settings",
                got=f"none for setting {missing} of party {party}",
                remedy="Measure it, or leave it out and number the others without a gap.",
            )
    return table


def _setting_key(key: Any) -> tuple[int, ...]:
    numbers = whole_numbers(key, "counts (settings)", CountsError, minimum=0)
    if not numbers:
        raise CountsError.bad_argument("counts", expected="settings of at least one party", got=shown(key))
    return numbers


def _outcome_counts(value: Any, bits: tuple[int, ...], setting: tuple[int, ...]) -> dict[Outcome, int]:
    if not isinstance(value, Mapping):
        raise CountsError.bad_argument(
            f"counts[{setting}]", expected="a dictionary {outcome: count}", got=type(value).__name__
        )
    result: dict[Outcome, int] = {}
    spellings: set[Outcome | str] = set()
    for key, entry in value.items():
        # The count first: quasi-probabilities also have other keys, and the reason is what helps.
        count = _count(entry, key, setting)
        outcome = _outcome_key(key, bits, setting)
        # A party of several qubits is lost in several ways, which have bitstrings of their own.
        lost_bits = isinstance(key, str) and None in outcome
        spelling = key.replace(" ", "") if lost_bits else outcome
        if spelling in spellings or (outcome in result and not lost_bits) or outcome in spellings:
            raise CountsError.bad_argument(
                f"counts[{setting}]",
                expected="each outcome once",
                got=f"two spellings of {outcome}, one of them {shown(key)}",
                remedy="Add their counts up, or leave one out.",
            )
        spellings.add(spelling)
        result[outcome] = result.get(outcome, 0) + count
    return result


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


def _outcome_key(key: Any, bits: tuple[int, ...], setting: tuple[int, ...]) -> Outcome:
    argument = f"counts[{setting}]"
    if isinstance(key, str):
        text = key.replace(" ", "")
        if len(text) != sum(bits) or set(text) - {"0", "1", "-"}:
            raise CountsError.bad_argument(
                argument,
                expected=f"bitstrings of {sum(bits)} bits, {bits} for the parties in order",
                got=shown(key),
                remedy="Parties of several qubits need qubits_per_party.",
            )
        outcome: list[int | None] = []
        for width in bits:
            # Qiskit's bit 0 is the rightmost character.
            text, part = text[:-width], text[-width:]
            outcome.append(None if "-" in part else int(part, 2))
        return tuple(outcome)
    if isinstance(key, tuple) and len(key) == len(bits):
        registered = iter(whole_numbers([a for a in key if a is not None], argument, CountsError, minimum=0))
        return tuple(None if a is None else next(registered) for a in key)
    raise CountsError.bad_argument(
        argument, expected=f"bitstrings, or tuples of {len(bits)} outcomes in party order", got=shown(key)
    )


def _count(value: Any, outcome: Any, setting: tuple[int, ...]) -> int:
    number = isinstance(value, Real) and not isinstance(value, bool)
    # A comparison with NaN is false, so it fails here too.
    if not number or not 0 <= value < MAX_SHOTS or int(value) != value:
        quasi = number and -math.inf < value < math.inf and (value < 0 or value % 1)
        raise CountsError.bad_argument(
            f"counts[{setting}][{shown(outcome)}]",
            expected="a whole number of at least zero",
            got=shown(value),
            remedy=QUASI_REMEDY if quasi else "",
        )
    return int(value)


def _outcome_sizes(
    seen: Iterable[Outcome],
    bits: tuple[int, ...],
    num_outcomes: Sequence[int | Sequence[int]] | None,
    num_settings: tuple[int, ...],
    strings: bool,
) -> Outcomes:
    """Number of outcomes of each setting of each party, without the lost one."""
    if num_outcomes is not None:
        return full_num_outcomes(num_outcomes, num_settings, CountsError)
    if strings:
        return tuple((1 << width,) * m for width, m in zip(bits, num_settings, strict=True))
    largest = [1] * len(num_settings)
    for outcome in seen:
        largest = [most if a is None else max(most, a) for most, a in zip(largest, outcome, strict=True)]
    return tuple((most + 1,) * m for most, m in zip(largest, num_settings, strict=True))
