"""Keys of counts: bitstrings, hexadecimal and other numbers, and tuples of outcomes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from numbers import Integral
from typing import Any

import numpy as np

from ..._support.validation import shown, whole_numbers
from ...exceptions import CountsError

__all__ = ["BITS_NOTE", "Spellings", "counts_key", "has_bits", "key_of_tuple", "length_of_keys"]

BITS_NOTE = "the rightmost bit of an outcome is party 0's, as in Qiskit"
"""What is said where bits were dealt to the parties without being asked for."""
SIGNS_NOTE = "an outcome of +1 is outcome 0, one of -1 is outcome 1"
"""What is said where outcomes were signs."""

Outcome = tuple[int | None, ...]

_PREFIXED = re.compile(r"0[xX][0-9a-fA-F]+|0[bB][01]+")
_DIGITS = re.compile(r"[0-9]{1,300}")
_PART = re.compile(r"[+-]?[0-9]{1,18}")


def key_of_tuple(text: str) -> Outcome | None:
    """The tuple of outcomes that a text with commas holds, ``None`` if it is no such text.

    Examples:
        >>> key_of_tuple("(2, 0)"), key_of_tuple("2,-"), key_of_tuple("01")
        ((2, 0), (2, None), None)
    """
    inside = text.strip()
    if inside.startswith("(") and inside.endswith(")"):
        inside = inside[1:-1].strip()
    if "," not in inside:
        return None
    parts = [part.strip() for part in inside.removesuffix(",").split(",")]
    if not all(part == "-" or _PART.fullmatch(part) for part in parts):
        return None
    return tuple(None if part == "-" else int(part) for part in parts)


def counts_key(key: Any) -> Any:
    """A key of a dictionary of counts, with texts of outcomes made tuples."""
    if isinstance(key, str):
        return key if (parsed := key_of_tuple(key)) is None else parsed
    if isinstance(key, np.integer):
        return int(key)
    return key


def has_bits(key: Any) -> bool:
    """Whether a key stands for bits, as texts and numbers do, and not for the outcomes themselves."""
    return not isinstance(key, tuple) and (isinstance(key, str) or _is_number(key))


def _is_number(key: Any) -> bool:
    return isinstance(key, Integral) and not isinstance(key, bool)


def length_of_keys(tables: Iterable[Mapping[Any, Any]]) -> int | None:
    """How many parties tuples have, or how many bits bitstrings have, if all keys agree; else ``None``."""
    lengths: set[int] = set()
    for table in tables:
        for key in table:
            key = counts_key(key)
            if isinstance(key, tuple):
                lengths.add(len(key))
            elif isinstance(key, str) and not set(key) - {"0", "1", "-", " "}:
                lengths.add(len(key.replace(" ", "")))
            else:
                return None
    return lengths.pop() if len(lengths) == 1 else None


@dataclass(frozen=True)
class Spellings:
    """How the bits of all keys of some counts are written."""

    width: int | None
    """Number of bits of every key; ``None`` if numbers were given and nothing says how many bits they have."""
    decimal: bool
    """Whether digits are decimal numbers, as in ``"3"``."""
    notes: tuple[str, ...] = ()
    """What was guessed, in words."""

    @classmethod
    def of(
        cls, tables: Sequence[Mapping[Any, Any]], names: Sequence[str], width: int | None, *, confirmed: bool
    ) -> Spellings:
        """Finds out how keys are written.

        Args:
            tables: The dictionaries of counts.
            names: Name of each of them, for messages.
            width: The number of bits, if it is known.
            confirmed: Whether the caller said which bits there are, so that numbers need not show it themselves.

        Raises:
            CountsError: If digits may be binary or decimal numbers and that makes a difference, or numbers are so small
                that there may be fewer bits.
        """
        keys = [(name, key) for name, table in zip(names, tables, strict=True) for key in table if has_bits(key)]
        texts = [(name, key, key.replace(" ", "")) for name, key in keys if isinstance(key, str)]
        digits = [(name, key, text) for name, key, text in texts if _DIGITS.fullmatch(text)]
        lengths = {len(text) for _, _, text in texts if not _PREFIXED.fullmatch(text)}
        numbers = len(texts) < len(keys) or any(_PREFIXED.fullmatch(text) for _, _, text in texts)
        if width is None and len(lengths) == 1:
            width = lengths.pop()
            lengths = {width}
        # Numbers have no leading zeros.
        plain = all(text == str(int(text)) for _, _, text in digits)
        decimal = plain and any(set(text) - {"0", "1"} for _, _, text in digits)
        padded = not decimal and lengths <= {width}
        if padded and not numbers:
            return cls(width, False)
        notes = []
        if not decimal and not padded and digits:
            name, key, text = max(digits, key=lambda entry: len(entry[2]))
            longest = len(text)
            if width is None and not plain:
                raise CountsError.bad_argument(
                    name,
                    expected="bitstrings of equal length",
                    got=f"some of {shown(sorted(lengths))} bits, such as {shown(key)}",
                )
            if plain and longest > 1 and (width is None or int(text) < 1 << width):
                raise CountsError.bad_argument(
                    name,
                    expected="keys that can be read in one way",
                    got=f"{shown(key)}, which is {int(text, 2)} as a binary number and {int(text)} as a decimal one",
                    remedy="Pad bitstrings with zeros to equal length, or write numbers as integers.",
                )
            notes.append("bitstrings of unequal length are binary numbers without their leading zeros")
        if decimal:
            notes.append("digits are decimal numbers, whose binary digits are the bits")
        found = cls(width, decimal, tuple(notes))
        if width is not None and not confirmed:
            found._require_highest_bit(keys, width)
        return found

    def _require_highest_bit(self, keys: Sequence[tuple[str, Any]], width: int) -> None:
        """Refuses numbers that are so small that they may be results with fewer bits."""
        largest = -1
        for _, key in keys:
            text = self.text(key)
            if text is not None and "-" not in text:
                largest = max(largest, int(text, 2))
        if width > 1 and 0 <= largest < 1 << (width - 1):
            name, key = keys[-1]
            raise CountsError.bad_argument(
                name,
                expected=f"bitstrings of {width} bits, one for each party",
                got=f"{shown(key)}, and no number above {largest}, as results with fewer bits have",
                remedy=f"If the first bit is always 0, say qubits_per_party={shown([1] * width)}; else measure every "
                "party.",
            )

    def is_number(self, key: Any) -> bool:
        """Whether a key is a number, which does not show how many bits there are."""
        return not isinstance(key, str) or self.decimal or bool(_PREFIXED.fullmatch(key.replace(" ", "")))

    def text(self, key: Any) -> str | None:
        """The bits of a key as text, ``None`` if it holds none of this number.

        Args:
            key: A text or a number.
        """
        if isinstance(key, str):
            text = key.replace(" ", "")
            if _PREFIXED.fullmatch(text):
                return self._padded(int(text, 0))
            if self.decimal and _DIGITS.fullmatch(text):
                return self._padded(int(text))
            if not text or set(text) - {"0", "1", "-"}:
                return None
            if self.width is not None and len(text) < self.width and "-" not in text and self.notes:
                text = text.zfill(self.width)
            return text if self.width is None or len(text) == self.width else None
        return self._padded(int(key)) if _is_number(key) and key >= 0 else None

    def _padded(self, number: int) -> str | None:
        if self.width is None:
            return format(number, "b")
        return format(number, f"0{self.width}b") if number.bit_length() <= self.width else None


def read_tuples(keys: Sequence[tuple[Any, ...]], name: str, num_parties: int, signs: bool) -> list[Outcome]:
    """The outcomes in tuples.

    Args:
        keys: The tuples, in party order; ``None`` is a lost outcome.
        name: Name of the dictionary, for messages.
        num_parties: How many entries they must have.
        signs: Whether outcomes are +1 and -1, for 0 and 1.

    Raises:
        CountsError: If an entry is no outcome.
    """
    found = []
    for key in keys:
        if len(key) != num_parties:
            raise wrong_key(name, num_parties, key)
        given = [a for a in key if a is not None]
        if signs:
            if any(isinstance(a, bool) or a not in (1, -1) for a in given):
                raise CountsError.bad_argument(
                    name,
                    expected="whole numbers of at least 0, or +1 and -1 alone",
                    got=shown(key),
                    remedy="Outcomes are numbered {(0, 1): count, ...}, or signs {(1, -1): count, ...}.",
                )
            given = [int(a < 0) for a in given]
        numbers = iter(whole_numbers(given, name, CountsError, minimum=0))
        found.append(tuple(None if a is None else next(numbers) for a in key))
    return found


def wrong_key(name: str, num_parties: int, key: Any) -> CountsError:
    """The error for a key that is none of the forms."""
    outcomes = tuple(range(num_parties)) if num_parties < 2 else (0, 1) + (0,) * (num_parties - 2)
    bits = "".join(map(str, reversed(outcomes)))
    return CountsError.bad_argument(
        name,
        expected=f"bitstrings, or tuples of {num_parties} outcomes in party order",
        got=shown(key),
        remedy=f"For example {{{bits!r}: 50}}, {{'0x0': 50}}, {{0: 50}} or {{{outcomes}: 50}}.",
    )


def signs_in(tables: Sequence[Mapping[Any, Any]]) -> bool:
    """Whether outcomes in tuples are written as +1 and -1: some are negative."""
    return any(
        isinstance(key, tuple) and any(_is_number(a) and a < 0 for a in key) for table in tables for key in table
    )
