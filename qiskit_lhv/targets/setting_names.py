"""The names that settings had where they came from, such as ``"Z"`` or ``"45"``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .._support.validation import shown
from ..exceptions import LHVError
from .scenario import BellScenario

__all__ = ["SettingNames", "check_notes", "check_setting_names", "settings_in_words"]

SettingNames = tuple[tuple[str, ...], ...]
"""The name of each setting of each party."""

# With more settings their names say less than their number.
_MOST_LISTED = 6


def check_setting_names(names: Any, scenario: BellScenario, error: type[LHVError]) -> SettingNames | None:
    """Returns the names of the settings of all parties, or ``None`` if there are none.

    Args:
        names: One sequence of names for each party, or ``None``.
        scenario: The scenario.
        error: Class of the error to raise.

    Raises:
        LHVError: Of class ``error``, if they are not as many as the settings, or two settings of a party have the same.
    """
    if names is None:
        return None
    listed = [list(own) if _is_list(own) else None for own in names] if _is_list(names) else []
    fits = len(listed) == scenario.num_parties and all(
        own is not None and len(own) == m and all(isinstance(name, str) for name in own) and len(set(own)) == m
        for own, m in zip(listed, scenario.num_settings, strict=False)
    )
    if not fits:
        raise error.bad_argument(
            "setting_names",
            expected=f"different names of {scenario.num_settings} settings, one sequence for each party",
            got=shown(names),
            remedy='For example setting_names=[["Z", "X"], ["Z+X", "Z-X"]].',
        )
    return tuple(tuple(str(name) for name in own) for own in listed if own is not None)


def check_notes(notes: Any, error: type[LHVError]) -> tuple[str, ...]:
    """Returns what was guessed when data were read, as a tuple of texts.

    Raises:
        LHVError: Of class ``error``, if it is anything else.
    """
    if not _is_list(notes) or not all(isinstance(note, str) for note in notes):
        raise error.bad_argument("reading", expected="a sequence of texts", got=shown(notes))
    return tuple(str(note) for note in notes)


def settings_in_words(names: SettingNames | None) -> str:
    """Returns the names of the settings in words, such as ``"settings Z, X; Z+X, Z-X"``, or an empty text."""
    if names is None or max(map(len, names)) > _MOST_LISTED:
        return ""
    listed = [", ".join(own) for own in names]
    return "settings " + (listed[0] if len(set(listed)) == 1 else "; ".join(listed))


def _is_list(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str)
