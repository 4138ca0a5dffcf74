"""Small helpers for texts."""

from __future__ import annotations

__all__ = ["counted"]


def counted(number: int, noun: str, plural: str | None = None) -> str:
    """A number of things, in words: one of them, or several.

    Args:
        number: How many.
        noun: What they are, for one.
        plural: For several; default: the noun with an s.

    Examples:
        >>> counted(1, "shot"), counted(0, "shot"), counted(2, "party", "parties")
        ('1 shot', '0 shots', '2 parties')
    """
    return f"{number} {noun if number == 1 else plural or noun + 's'}"
