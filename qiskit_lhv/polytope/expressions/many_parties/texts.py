"""Terms of Bell expressions of many parties in words."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

__all__ = ["MAX_SHOWN", "signed", "sum_of_terms"]

MAX_SHOWN = 12
"""Largest number of terms that a text shows."""

_LETTERS = 26


def signed(coefficient: float, name: str) -> str:
    """A term with its sign, such as ``- 0.5<A0 B1>``."""
    size = "" if name and math.isclose(abs(coefficient), 1) else f"{abs(coefficient):.6g}"
    return f"{'-' if coefficient < 0 else '+'} {size}{name}"


def sum_of_terms(terms: Iterable[tuple[NDArray[np.int8], float]], num_terms: int) -> str:
    """The first terms of an expression, and how many more there are."""
    shown = [signed(value, _name(row)) for row, value in itertools.islice(terms, MAX_SHOWN)]
    more = f" + {num_terms - len(shown)} more terms" if num_terms > len(shown) else ""
    return (" ".join(shown) + more).removeprefix("+ ") or "0"


def _name(row: NDArray[np.int8]) -> str:
    """Up to 26 parties are letters, as in other expressions; more are numbers, followed by a point."""
    parties = np.flatnonzero(row >= 0)
    label = "{}{}".format if len(row) <= _LETTERS else "P{}.{}".format
    names = " ".join(label(chr(65 + int(k)) if len(row) <= _LETTERS else int(k), int(row[k])) for k in parties)
    return f"<{names}>" if names else ""
