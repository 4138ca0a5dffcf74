"""Dictionaries of counts, such as Qiskit gives them, as tables."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._validation import whole_numbers
from ..exceptions import CountsError

__all__ = ["QUASI_REMEDY", "table_of_counts"]

QUASI_REMEDY = (
    "Mitigated quasi-probabilities are not counts: their errors are not those of independent shots, so no "
    "p-value follows from them. Pass the raw counts."
)

# An outcome of each party; None: it was lost.
Outcome = tuple[int | None, ...]


def table_of_counts(
    counts: Mapping[Any, Mapping[Any, int]],
    qubits_per_party: Sequence[int] | None = None,
    num_outcomes: Sequence[int] | None = None,
) -> tuple[NDArray[np.int64], tuple[int | None, ...] | None]:
    """The table of one dictionary for each setting combination; see ``BellCounts.from_counts``.

    Args:
        counts: Maps settings to dictionaries of counts.
        qubits_per_party: The number of bits of each party, or ``None``: one.
        num_outcomes: The number of outcomes of each party that are not lost, or ``None``: those seen.

    Returns:
        The table, shape ``(m_1, ..., m_N, d_1, ..., d_N)``, and the outcome of each party that means
        "lost" (its last one), ``None`` for parties without; ``None`` if no party has one.

    Raises:
        CountsError: If a setting combination is missing, a key does not fit, or a count is not a
            whole number of at least zero.
    """
    table = _settings_table(counts)
    num_parties = len(next(iter(table)))
    bits = _bits_per_party(qubits_per_party, num_parties)
    outcomes = {key: _outcome_counts(value, bits, key) for key, value in table.items()}
    seen = [outcome for value in outcomes.values() for outcome in value]
    strings = any(isinstance(key, str) for value in table.values() for key in value)
    sizes = _outcome_sizes(seen, bits, num_outcomes, num_parties, strings)
    lost = tuple(d if any(outcome[k] is None for outcome in seen) else None for k, d in enumerate(sizes))
    num_settings = tuple(max(key[k] for key in table) + 1 for k in range(num_parties))
    array = np.zeros(num_settings + tuple(d + (one is not None) for d, one in zip(sizes, lost, strict=True)), np.int64)
    for key, value in outcomes.items():
        for outcome, count in value.items():
            if any(a is not None and a >= d for a, d in zip(outcome, sizes, strict=True)):
                raise CountsError.bad_argument(f"counts[{key}]", expected=f"outcomes below {sizes}", got=f"{outcome}")
            cell = tuple(d if a is None else a for a, d in zip(outcome, sizes, strict=True))
            array[key + cell] += count
    return array, lost if any(one is not None for one in lost) else None


def _settings_table(counts: object) -> dict[tuple[int, ...], Mapping[Any, int]]:
    """The dictionaries by settings, of which none is missing."""
    if not isinstance(counts, Mapping) or not counts:
        raise CountsError.bad_argument(
            "counts", expected="a dictionary {(x_1, ..., x_N): {outcome: count}}", got=repr(counts)
        )
    table: dict[tuple[int, ...], Mapping[Any, int]] = {}
    for name, value in counts.items():
        key = _setting_key(name)
        if key in table:
            raise CountsError.bad_argument("counts", expected="each setting once", got=f"{key} twice")
        table[key] = value
    num_parties = len(next(iter(table)))
    if any(len(key) != num_parties for key in table):
        raise CountsError.bad_argument(
            "counts", expected="settings of one entry per party", got=f"{sorted(table, key=len)}"
        )
    num_settings = tuple(max(key[k] for key in table) + 1 for k in range(num_parties))
    for position in np.ndindex(num_settings):
        if position not in table:
            raise CountsError.bad_argument(
                "counts",
                expected=f"every setting combination of {num_settings} settings",
                got=f"none for {position}",
                remedy="Measure it, or leave out a setting of one party.",
            )
    return table


def _setting_key(key: Any) -> tuple[int, ...]:
    numbers = whole_numbers(key, "counts (settings)", CountsError, minimum=0)
    if not numbers:
        raise CountsError.bad_argument("counts", expected="settings of at least one party", got=repr(key))
    return numbers


def _outcome_counts(value: Any, bits: tuple[int, ...], setting: tuple[int, ...]) -> dict[Outcome, int]:
    if not isinstance(value, Mapping):
        raise CountsError.bad_argument(
            f"counts[{setting}]", expected="a dictionary {outcome: count}", got=type(value).__name__
        )
    result: dict[Outcome, int] = {}
    for key, entry in value.items():
        # The count first: quasi-probabilities also have other keys, and the reason is what helps.
        count = _count(entry, key, setting)
        outcome = _outcome_key(key, bits, setting)
        result[outcome] = result.get(outcome, 0) + count
    return result


def _bits_per_party(qubits_per_party: Sequence[int] | None, num_parties: int) -> tuple[int, ...]:
    if qubits_per_party is None:
        return (1,) * num_parties
    bits = whole_numbers(qubits_per_party, "qubits_per_party", CountsError, minimum=1)
    if len(bits) != num_parties:
        raise CountsError.bad_argument(
            "qubits_per_party", expected=f"{num_parties} entries, as the settings have", got=f"{bits}"
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
                got=repr(key),
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
        argument, expected=f"bitstrings, or tuples of {len(bits)} outcomes in party order", got=repr(key)
    )


def _count(value: Any, outcome: Any, setting: tuple[int, ...]) -> int:
    number = isinstance(value, Real) and not isinstance(value, bool)
    # A comparison with NaN is false, so it fails here too.
    if not number or not 0 <= value < 2**53 or int(value) != value:
        remedy = QUASI_REMEDY if number and math.isfinite(value) and (value < 0 or value % 1) else ""
        raise CountsError.bad_argument(
            f"counts[{setting}][{outcome!r}]",
            expected="a whole number of at least zero",
            got=repr(value),
            remedy=remedy,
        )
    return int(value)


def _outcome_sizes(
    seen: Iterable[Outcome],
    bits: tuple[int, ...],
    num_outcomes: Sequence[int] | None,
    num_parties: int,
    strings: bool,
) -> tuple[int, ...]:
    """Number of outcomes of each party, without the lost one."""
    if num_outcomes is not None:
        sizes = whole_numbers(num_outcomes, "num_outcomes", CountsError, minimum=2)
        if len(sizes) != num_parties:
            raise CountsError.bad_argument("num_outcomes", expected=f"{num_parties} entries", got=f"{sizes}")
        return sizes
    if strings:
        return tuple(1 << width for width in bits)
    largest = [1] * num_parties
    for outcome in seen:
        largest = [one if a is None else max(one, a) for one, a in zip(largest, outcome, strict=True)]
    return tuple(one + 1 for one in largest)
