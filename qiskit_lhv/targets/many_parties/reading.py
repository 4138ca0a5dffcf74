"""Bits of many parties as Qiskit returns them, packed again with party 0 first; nothing is unpacked to strings."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from qiskit.primitives import BitArray, PubResult

from ..._support.validation import is_whole_number, shown, whole_numbers
from ...exceptions import CountsError
from ..reading.table_sizes import MAX_SHOTS, QUASI_REMEDY

__all__ = ["MAX_TOTAL_SHOTS", "bit_arrays_of", "bit_places", "packed_counts", "packed_register", "selected_bits"]

MAX_TOTAL_SHOTS = 10**8
"""Largest number of shots of one record: of 156 parties, they take 2 GB."""

# So many shots are unpacked at a time where bits change their places.
_CHUNK = 1 << 16


def packed_register(bits: BitArray) -> NDArray[np.uint8]:
    """The bits of a register, shape ``(..., shots, bytes)``: bit j is bit ``j % 8`` of byte ``j // 8``.

    Args:
        bits: Qiskit's record, whose last byte holds bits 0 to 7.
    """
    return bits.array[..., ::-1]


def selected_bits(packed: NDArray[np.uint8], places: Sequence[int]) -> NDArray[np.uint8]:
    """Some of the bits, shape ``(S, ceil(len(places) / 8))``: bit k of the result is bit ``places[k]``.

    Args:
        packed: Shape ``(S, bytes)``, bit 0 first.
        places: Which bits, in the order wanted.
    """
    number, width = len(places), -(-len(places) // 8)
    if list(places) == list(range(number)):
        kept = np.array(packed[:, :width], order="C")
        if number % 8:
            kept[:, -1] &= (1 << number % 8) - 1
        return kept
    result = np.empty((len(packed), width), dtype=np.uint8)
    chosen = np.asarray(places)
    for start in range(0, len(packed), _CHUNK):
        part = slice(start, start + _CHUNK)
        unpacked = np.unpackbits(np.ascontiguousarray(packed[part]), axis=1, bitorder="little")
        result[part] = np.packbits(unpacked[:, chosen], axis=1, bitorder="little")
    return result


def bit_arrays_of(result: Any, register: str | None) -> list[BitArray]:
    """The bits of each PUB of a result.

    Args:
        result: A Sampler's job, its ``PrimitiveResult``, a ``PubResult`` or ``BitArray``, or a list of these two.
        register: The classical register; ``None``: the only one that there is.

    Raises:
        CountsError: If it is something else, or the register is missing.
    """
    wait = getattr(result, "result", None)
    if callable(wait) and not isinstance(result, type):
        result = wait()
    parts = [result] if isinstance(result, PubResult | BitArray) or not isinstance(result, Iterable) else list(result)
    if isinstance(result, Mapping | str) or not parts:
        raise _no_result(result)
    return [part if isinstance(part, BitArray) else _register_of(part, register) for part in parts]


def _register_of(part: Any, register: str | None) -> BitArray:
    data = getattr(part, "data", None)
    if data is None or not hasattr(data, "items"):
        raise _no_result(part)
    registers = {name: value for name, value in data.items() if isinstance(value, BitArray)}
    names = ", ".join(map(repr, registers)) or "none"
    if register is None and len(registers) == 1:
        return next(iter(registers.values()))
    if register is None or register not in registers:
        raise CountsError.bad_argument(
            "register",
            expected="the name of a register of bits in every PUB" if registers else "bits in every PUB",
            got=f"{register!r}, where there are: {names}",
            remedy="" if registers else "Values of an Estimator, and probabilities, are not shots.",
        )
    return registers[register]


def _no_result(got: Any) -> CountsError:
    return CountsError.bad_argument(
        "result",
        expected="a Sampler's job, its PrimitiveResult, a PubResult, or BitArrays",
        got=shown(got),
        remedy="Dictionaries of counts go to ManyPartyShots.from_counts.",
    )


def packed_counts(counts: Any, run: int, num_parties: int, most: int = MAX_TOTAL_SHOTS) -> NDArray[np.uint8]:
    """The shots of a dictionary of counts, outcome by outcome, shape ``(S, ceil(num_parties / 8))``.

    Args:
        counts: Numbers of shots by bitstring, whose rightmost bit is party 0's, or by tuples of outcomes in the order
            of the parties.
        run: Number of the run, for messages.
        num_parties: Number of parties.
        most: Largest number of shots.

    Raises:
        CountsError: If it is no such dictionary, bits are missing, or numbers are no shots.
    """
    name = f"counts[{run}]"
    if not isinstance(counts, Mapping) or not counts:
        raise CountsError.bad_argument(
            name, expected="a dictionary of counts, such as {'010': 7, ...}", got=shown(counts)
        )
    bits = np.stack([_outcomes_of(key, name, num_parties) for key in counts])
    numbers = list(counts.values())
    for number in numbers:
        if not is_whole_number(number) and not (isinstance(number, float) and number.is_integer()):
            raise CountsError.bad_argument(name, expected="numbers of shots", got=shown(number), remedy=QUASI_REMEDY)
        if not 0 <= number <= MAX_SHOTS:
            raise CountsError.bad_argument(name, expected="numbers of shots of at least 0", got=shown(number))
    total = sum(map(int, numbers))
    if not 1 <= total <= most:
        raise CountsError.bad_argument(
            name, expected=f"1 shot or more, and up to {MAX_TOTAL_SHOTS} in all", got=f"{total} in this run"
        )
    packed = np.packbits(bits, axis=1, bitorder="little")
    return np.repeat(packed, [int(number) for number in numbers], axis=0)


def _outcomes_of(key: Any, name: str, num_parties: int) -> NDArray[np.uint8]:
    """The outcomes of a key of a dictionary, party 0 first."""
    outcomes: Sequence[Any] = ()
    if isinstance(key, str):
        text = "".join(key.split())
        if set(text) <= {"0", "1"}:
            outcomes = [int(bit) for bit in reversed(text)]
    elif isinstance(key, tuple):
        outcomes = key
    if len(outcomes) != num_parties or not all(is_whole_number(bit) and bit in (0, 1) for bit in outcomes):
        raise CountsError.bad_argument(
            name,
            expected=f"bitstrings of {num_parties} bits, party 0 rightmost, or tuples of {num_parties} outcomes",
            got=shown(key),
            remedy="Bits of other qubits are left out with BitArray.slice_bits, before counts are made.",
        )
    return np.array(outcomes, dtype=np.uint8)


def bit_places(parties: Sequence[int] | None, num_parties: int, num_bits: int) -> tuple[int, ...]:
    """The classical bit of each party.

    Raises:
        CountsError: If there are too few bits, or a bit does not exist or belongs to two parties.
    """
    if parties is None:
        if num_bits != num_parties:
            raise CountsError.bad_argument(
                "result",
                expected=f"{num_parties} bits, one per party",
                got=f"{num_bits}",
                remedy="Name the bit of each party with bits=[...]." if num_bits > num_parties else "",
            )
        return tuple(range(num_parties))
    places = whole_numbers(parties, "bits", CountsError, minimum=0)
    if len(places) != num_parties or len(set(places)) != len(places) or max(places) >= num_bits:
        raise CountsError.bad_argument(
            "bits", expected=f"{num_parties} different numbers from 0 to {num_bits - 1}", got=shown(list(places))
        )
    return places
