"""Which classical bits of a result belong to which party, and which ones are heralds or conditions."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..._support.validation import is_whole_number, shown
from ...exceptions import CountsError

__all__ = ["BITS_EXAMPLE", "BitPlan", "Registers", "plan_of_bits"]

BITS_EXAMPLE = 'bits={"A": 0, "B": [3, 4]}, where bit 0 is the rightmost character'
"""How bits are given to parties."""

Registers = tuple[tuple[str, int], ...]
"""Name and number of bits of each classical register, the one with bit 0 first."""
Parity = tuple[int, ...]

_REFERENCE = re.compile(r"(?P<name>[A-Za-z_]\w*)(\[(?P<index>[0-9]{1,6})\])?|(?P<bit>[0-9]{1,6})")
_LOST = ord("-")


@dataclass(frozen=True)
class BitPlan:
    """Where the outcome of each party is found among the bits of a result."""

    parties: tuple[tuple[Parity, ...], ...]
    """For each party its bits, the least significant first; each is a classical bit and those that correct it."""
    condition: tuple[tuple[tuple[Parity, ...], int], ...] = ()
    """Bits and the number that they must have in the shots that are kept."""
    width: int | None = None
    """Number of bits of a result where all of them are used; ``None`` where some may be left over."""
    num_heralds: int = 0
    """How many parties, the last ones, are heralds: they have a single setting."""
    notes: tuple[str, ...] = ()
    """What the choice of bits means, in words."""

    @classmethod
    def consecutive(cls, sizes: Sequence[int], notes: tuple[str, ...] = ()) -> BitPlan:
        """The plan in which the parties have so many bits, party 0 the rightmost ones."""
        starts = np.concatenate([[0], np.cumsum(sizes)]).tolist()
        parties = tuple(
            tuple((bit,) for bit in range(start, start + n)) for start, n in zip(starts, sizes, strict=False)
        )
        return cls(parties, width=sum(sizes), notes=notes)

    @property
    def sizes(self) -> tuple[int, ...]:
        """Number of bits of each party."""
        return tuple(len(own) for own in self.parties)

    @property
    def used_bits(self) -> set[int]:
        """The classical bits on which something depends."""
        used = [own for own, _ in self.condition] + list(self.parties)
        return {bit for own in used for parity in own for bit in parity}

    @property
    def num_bits(self) -> int:
        """How many bits a result must have at least."""
        return 1 + max(self.used_bits)

    def outcomes(self, texts: Sequence[str]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """The outcomes of bitstrings of equal length.

        Args:
            texts: The bitstrings, in which a lost bit is ``-``.

        Returns:
            The outcome of each party, shape ``(n, N)``, -1 where it was lost; and which bitstrings meet the condition.
        """
        characters = np.frombuffer("".join(texts).encode("ascii"), np.uint8).reshape(len(texts), -1)[:, ::-1]
        numbers = [_numbers(characters, own) for own in self.parties]
        kept = np.ones(len(texts), dtype=bool)
        for own, value in self.condition:
            kept &= _numbers(characters, own) == value
        return np.stack(numbers, axis=1), kept


def _numbers(characters: NDArray[np.uint8], bits: Sequence[Parity]) -> NDArray[np.int64]:
    total = np.zeros(len(characters), np.int64)
    lost = np.zeros(len(characters), dtype=bool)
    for j, parity in enumerate(bits):
        columns = characters[:, list(parity)]
        lost |= (columns == _LOST).any(axis=1)
        total |= (columns == ord("1")).sum(axis=1, dtype=np.int64) % 2 << j
    return np.where(lost, -1, total)


def plan_of_bits(bits: Any, heralds: Any = None, condition: Any = None, registers: Registers | None = None) -> BitPlan:
    """Returns the plan that a user's choice of bits means.

    Args:
        bits: The bits of each party, by its name or in a list. A bit is a number, ``"name[i]"`` or ``("name", i)`` for
            bit i of a register; ``"a ^ b"`` is bit a, flipped where bit b is 1; a register's name alone means all its
            bits.
        heralds: In the same way, bits that count as further parties with a single setting.
        condition: The number that bits must have in shots that are kept, such as ``{"mid[0]": 0}``.
        registers: The classical registers of the result.

    Raises:
        CountsError: If a bit cannot be found, belongs to two parties, or corrects another party's.
    """
    names, parties = _parties(bits, "bits", registers)
    herald_names, herald_bits = ((), ()) if heralds is None else _parties(heralds, "heralds", registers)
    own_bits = [parity[0] for own in (*parties, *herald_bits) for parity in own]
    if len(set(own_bits)) < len(own_bits):
        raise _error("bits", "each bit at one party", shown(bits))
    correcting = {bit for own in (*parties, *herald_bits) for parity in own for bit in parity[1:]}
    if correcting & {parity[0] for own in parties for parity in own}:
        # An outcome that depends on another party's would make any violation.
        raise _error("bits", "corrections by bits that no party has", shown(bits))
    notes = [
        "party "
        + ", party ".join(
            f"{k}{'' if name == str(k) else f' ({name})'} has {_words(own, registers)}"
            for k, (name, own) in enumerate(zip(names, parties, strict=True))
        )
    ]
    if correcting:
        corrections = _words([(bit,) for bit in sorted(correcting)], registers)
        notes.append(f"outcomes are corrected by {corrections}, which must not depend on any party's setting")
    for name, own in zip(herald_names, herald_bits, strict=True):
        notes.append(f"{_words(own, registers)} count as a party with a single setting (herald {name})")
    demanded = [] if condition is None else _condition(condition, registers)
    for own, value in demanded:
        notes.append(
            f"only shots with {_words(own, registers)} equal to {value:0{len(own)}b} are kept (post-selection)"
        )
    return BitPlan((*parties, *herald_bits), tuple(demanded), num_heralds=len(herald_bits), notes=tuple(notes))


def _parties(
    given: Any, argument: str, registers: Registers | None
) -> tuple[tuple[str, ...], tuple[tuple[Parity, ...], ...]]:
    if isinstance(given, Mapping):
        named = [(str(name), value) for name, value in given.items()]
    elif isinstance(given, list | tuple):
        named = [(str(k), value) for k, value in enumerate(given)]
    else:
        named = []
    if not named:
        raise _error(argument, "the bits of each party", shown(given))
    return tuple(name for name, _ in named), tuple(_bits(value, argument, registers) for _, value in named)


def _condition(given: Any, registers: Registers | None) -> list[tuple[tuple[Parity, ...], int]]:
    if not isinstance(given, Mapping) or not given:
        raise _error("condition", "the values of bits, such as {2: 0} or {'mid': '01'}", shown(given))
    demanded = []
    for key, value in given.items():
        own = _bits(key, "condition", registers)
        if isinstance(value, str) and len(value) == len(own) and not set(value) - {"0", "1"}:
            value = int(value, 2)
        if not is_whole_number(value) or not 0 <= value < 1 << len(own):
            raise _error("condition", f"a number below {1 << len(own)} for {key!r}", shown(value))
        demanded.append((own, int(value)))
    return demanded


def _bits(value: Any, argument: str, registers: Registers | None) -> tuple[Parity, ...]:
    """The bits that a party has, the least significant first."""
    if isinstance(value, list) or (isinstance(value, tuple) and not _names_a_bit(value)):
        found = [parity for item in value for parity in _bits(item, argument, registers)]
        if not found:
            raise _error(argument, "at least one bit for each party", shown(value))
        return tuple(found)
    if is_whole_number(value):
        if value < 0:
            raise _error(argument, "numbers of bits, from 0 on", shown(value))
        return ((int(value),),)
    if isinstance(value, tuple):
        return ((_bit_of_register(value[0], int(value[1]), argument, registers),),)
    if isinstance(value, str):
        terms = [_term(term.strip(), argument, registers) for term in value.split("^")]
        if len(terms) == 1:
            return tuple((bit,) for bit in terms[0])
        if all(len(term) == 1 for term in terms):
            parity = tuple(term[0] for term in terms)
            if len(set(parity)) == len(parity):
                return (parity,)
    raise _error(argument, "numbers of bits, 'name[i]', or a parity such as 'out[0] ^ mid[1]'", shown(value))


def _names_a_bit(value: tuple[Any, ...]) -> bool:
    return len(value) == 2 and isinstance(value[0], str) and is_whole_number(value[1])


def _term(text: str, argument: str, registers: Registers | None) -> list[int]:
    match = _REFERENCE.fullmatch(text)
    if match is None:
        raise _error(argument, "numbers of bits, 'name[i]', or a parity such as 'out[0] ^ mid[1]'", shown(text))
    if match["bit"] is not None:
        return [int(match["bit"])]
    if match["index"] is not None:
        return [_bit_of_register(match["name"], int(match["index"]), argument, registers)]
    start, size = _register(match["name"], argument, registers)
    return list(range(start, start + size))


def _bit_of_register(name: str, index: int, argument: str, registers: Registers | None) -> int:
    start, size = _register(name, argument, registers)
    if not 0 <= index < size:
        raise _error(argument, f"bits below {size} of the register {name!r}", shown(index))
    return start + index


def _register(name: str, argument: str, registers: Registers | None) -> tuple[int, int]:
    start = 0
    for own, size in registers or ():
        if own == name:
            return start, size
        start += size
    if registers is None:
        expected = "numbers of bits where the result does not name its registers"
        remedy = 'Name them as they are printed, from left to right: registers=["out", "mid"].'
        raise CountsError.bad_argument(argument, expected=expected, got=shown(name), remedy=remedy)
    listed = ", ".join(f"{own!r} ({size} bits)" for own, size in registers)
    raise _error(argument, f"a register of the result: {listed}", shown(name))


def _words(own: Sequence[Parity], registers: Registers | None) -> str:
    def word(bit: int) -> str:
        start = 0
        for name, size in registers or ():
            if start <= bit < start + size:
                return f"{name}[{bit - start}]"
            start += size
        return str(bit)

    listed = ", ".join(" ^ ".join(word(bit) for bit in parity) for parity in own)
    return f"bit {listed}" if len(own) == 1 else f"bits {listed}"


def _error(argument: str, expected: str, got: str) -> CountsError:
    return CountsError.bad_argument(argument, expected=expected, got=got, remedy=f"For example {BITS_EXAMPLE}.")
