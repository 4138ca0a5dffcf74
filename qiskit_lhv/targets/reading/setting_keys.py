"""Settings by number, by name, by angle or as words of letters, numbered from 0 for each party."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..._support.validation import is_whole_number, shown
from ...exceptions import CountsError

__all__ = ["SETTING_ORDERS", "ReadSettings", "number_labels", "read_settings"]

SETTING_ORDERS = ("qiskit", "parties")
"""Whose setting the character on the right of a word is: party 0's as in Qiskit's labels, or the last party's."""

SETTINGS_EXAMPLE = 'Write settings such as "0,1", "01", "ZX", (0, 1) or ("Z", "X"), one for each setting combination.'

Label = int | float | str

_SEPARATORS = re.compile(r"\s*[,;|]\s*|\s+")
_NUMBERED = re.compile(r"[A-Za-z]+_?[0-9]+")
_WHOLE = re.compile(r"[+-]?[0-9]{1,18}")
_DECIMAL = re.compile(r"[+-]?([0-9]+\.[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,3})?")
# A text is a word of so many characters at most, and a name is no longer.
_LONGEST = 64
# So many names are told.
_MOST_LISTED = 8
_BRACKETS = {"(": ")", "[": "]"}


@dataclass(frozen=True)
class ReadSettings:
    """Settings as numbers of each party, with the names that they had."""

    numbers: tuple[tuple[int, ...], ...]
    """The setting of each party, for each key in the order given."""
    num_settings: tuple[int, ...]
    """How many settings each party has."""
    names: tuple[tuple[str, ...], ...] | None
    """The name of each setting of each party; ``None`` where all settings were numbers from 0 on."""
    notes: tuple[str, ...]
    """What was guessed, in words."""
    words: bool
    """Whether settings were words without separators, which two conventions read in opposite orders."""


def read_settings(keys: Sequence[Any], num_parties: int | None, setting_order: str | None = None) -> ReadSettings:
    """Returns the settings that keys stand for.

    Args:
        keys: One key for each setting combination: a tuple, a number (of a single party) or a text.
        num_parties: How many parties there are; ``None`` if only the keys say it. Texts without separators are names
            as they are where there is a single party.
        setting_order: For words such as ``"ZX"``, ``"qiskit"`` if the character on the right is that of party 0, and
            ``"parties"`` if it is that of the last party. Default: letters as in Qiskit, digits in the order of the
            parties.

    Raises:
        CountsError: If a key is none of these, or the keys do not fit together.
    """
    if setting_order is not None and setting_order not in SETTING_ORDERS:
        raise CountsError.bad_argument(
            "setting_order", expected="'qiskit' or 'parties'", got=shown(setting_order), remedy=SETTINGS_EXAMPLE
        )
    parts, words = _split_all(keys, num_parties, setting_order)
    _refuse_bad_lengths(parts)
    notes = []
    if words:
        notes.append(_words_note(parts, words, setting_order))
    numbers, names, said = number_labels(list(zip(*parts, strict=True)), keys)
    notes += said
    positions = list(zip(*numbers, strict=True))
    seen: dict[tuple[int, ...], Any] = {}
    for position, key in zip(positions, keys, strict=True):
        if position in seen:
            raise CountsError.bad_argument(
                "counts",
                expected="each setting combination once",
                got=f"{position} in two spellings",
                remedy="Add their counts up, or leave one out.",
            )
        seen[position] = key
    sizes = tuple(max(column) + 1 for column in numbers)
    return ReadSettings(tuple(positions), sizes, names, tuple(notes), bool(words) and setting_order is None)


def number_labels(
    columns: Sequence[Sequence[Label]], rows: Sequence[Any] = ()
) -> tuple[list[list[int]], tuple[tuple[str, ...], ...] | None, list[str]]:
    """Numbers the settings of each party from 0 on.

    Numbers from 0 on without gaps stay as they are. Other numbers, such as angles, are numbered by size, and names in
    the order in which they first occur, the same in all parties.

    Args:
        columns: The labels of each party, all equally long.
        rows: The keys from which they come, for messages.

    Returns:
        The numbers of each party; the names of each setting, or ``None`` if all labels were such numbers; and what was
        guessed, in words.
    """
    order: dict[Label, int] = {}
    for labels in zip(*columns, strict=True):
        for label in labels:
            order.setdefault(label, len(order))
    numbers: list[list[int]] = []
    names: list[tuple[str, ...]] = []
    plain = True
    for column in columns:
        distinct = set(column)
        if all(isinstance(label, int) for label in distinct) and distinct == set(range(len(distinct))):
            listed: list[Label] = list(range(len(distinct)))
        elif all(isinstance(label, int | float) for label in distinct):
            listed, plain = sorted(distinct), False
        else:
            listed, plain = sorted(distinct, key=order.__getitem__), False
        place = {label: i for i, label in enumerate(listed)}
        numbers.append([place[label] for label in column])
        names.append(tuple(_name(label) for label in listed))
    if plain:
        return numbers, None, []
    return numbers, tuple(names), [_names_note(names)]


def _names_note(names: Sequence[tuple[str, ...]]) -> str:
    def listed(own: tuple[str, ...]) -> str:
        return ", ".join(own[:_MOST_LISTED]) + (", ..." if len(own) > _MOST_LISTED else "")

    if len(set(names)) == 1:
        return f"the settings {listed(names[0])} are numbered from 0 in this order"
    of_parties = ", ".join(f"of party {k} ({listed(own)})" for k, own in enumerate(names[:_MOST_LISTED]))
    return f"the settings {of_parties}{', ...' if len(names) > _MOST_LISTED else ''} are numbered from 0 in this order"


def _name(label: Label) -> str:
    return f"{label:g}" if isinstance(label, float) else str(label)


def _words_note(parts: Sequence[tuple[Label, ...]], kind: str, setting_order: str | None) -> str:
    shown_one = next((own for own in parts if len(set(own)) > 1), parts[-1])
    example = "".join(map(str, reversed(shown_one) if _reads_backward(kind, setting_order) else shown_one))
    character = "letter" if kind == "letters" else "digit"
    if _reads_backward(kind, setting_order):
        return f"in settings such as {example!r} the {character} on the right is party 0's, as in Qiskit's labels"
    return f"in settings such as {example!r} the {character} on the left is party 0's"


def _reads_backward(kind: str, setting_order: str | None) -> bool:
    return (setting_order or ("qiskit" if kind == "letters" else "parties")) == "qiskit"


def _split_all(
    keys: Sequence[Any], num_parties: int | None, setting_order: str | None
) -> tuple[list[tuple[Label, ...]], str]:
    """The labels of each key, and for words of several parties ``"letters"`` or ``"digits"``."""
    texts = [_inside(key) if isinstance(key, str) else None for key in keys]
    whole = [text for text in texts if text is not None and not _separated(text)]
    single = num_parties == 1 or (num_parties is None and len({len(text) for text in whole}) > 1)
    kind = ""
    if whole and not single and 1 < len(whole[0]) <= _LONGEST:
        kind = "digits" if all(text.isdigit() for text in whole) else "letters"
    parts: list[tuple[Label, ...]] = []
    for key, text in zip(keys, texts, strict=True):
        if text is None:
            parts.append(_labels_of(key))
        elif _separated(text):
            parts.append(tuple(_label(part, key) for part in _separate(text)))
        elif single or not kind:
            parts.append((_label(text, key),))
        else:
            letters = list(text)
            if _reads_backward(kind, setting_order):
                letters.reverse()
            parts.append(tuple(_label(letter, key) for letter in letters))
    return parts, kind


def _inside(text: str) -> str:
    text = text.strip()
    if text and text[-1] == _BRACKETS.get(text[0]):
        text = text[1:-1].strip()
    return text


def _separated(text: str) -> bool:
    return bool(_SEPARATORS.search(text)) or _numbered_names(text) is not None


def _numbered_names(text: str) -> list[str] | None:
    """The parts of a text such as ``"A0B1"``, in which every party's setting has a name and a number."""
    found = _NUMBERED.findall(text)
    return found if len(found) > 1 and "".join(found) == text else None


def _separate(text: str) -> list[str]:
    return _numbered_names(text) or _SEPARATORS.split(re.sub(r"[\s,;|]+$", "", text))


def _labels_of(key: Any) -> tuple[Label, ...]:
    if isinstance(key, np.ndarray):
        key = key.tolist()
    items = key if isinstance(key, tuple | list) else (key,)
    return tuple(_label(item, key) for item in items)


def _label(item: Any, key: Any) -> Label:
    """A whole number, another number, or a name; a text that holds a number is one."""
    if isinstance(item, str):
        text = item.strip().strip("'\"")
        if _WHOLE.fullmatch(text):
            return int(text)
        if _DECIMAL.fullmatch(text):
            return _without_fraction(float(text))
        # A number with a typing error is no name.
        if text.strip("-") and len(text) <= _LONGEST and not text.replace("_", "").isdigit():
            return text
    elif is_whole_number(item):
        return int(item)
    elif isinstance(item, float | np.floating) and np.isfinite(item):
        return _without_fraction(float(item))
    raise CountsError.bad_argument(
        "counts (settings)",
        expected="whole numbers from 0 on, names or angles, one for each party",
        got=shown(key),
        remedy=SETTINGS_EXAMPLE,
    )


def _without_fraction(number: float) -> int | float:
    return int(number) if number == int(number) else number


def _refuse_bad_lengths(parts: Sequence[tuple[Label, ...]]) -> None:
    lengths = {len(labels) for labels in parts}
    if len(lengths) > 1:
        raise CountsError.bad_argument(
            "counts",
            expected="settings of one entry per party",
            got=shown(sorted(parts, key=len)),
            remedy=SETTINGS_EXAMPLE,
        )
    if 0 in lengths:
        raise CountsError.bad_argument(
            "counts", expected="settings of at least one party", got=shown(parts[0]), remedy=SETTINGS_EXAMPLE
        )
