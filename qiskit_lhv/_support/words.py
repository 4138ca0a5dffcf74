"""Numbers with their nouns, for messages."""

from __future__ import annotations

__all__ = ["counted"]


def counted(number: int, noun: str, plural: str | None = None) -> str:
    """Returns a number with its noun, which is singular or plural as the number asks.

    Args:
        number: The number.
        noun: The noun in the singular.
        plural: The noun in the plural; default: the singular with an s.

    Examples:
        >>> counted(1, "shot"), counted(0, "shot"), counted(2, "party", "parties")
        ('1 shot', '0 shots', '2 parties')
    """
    return f"{number} {noun if number == 1 else plural or noun + 's'}"
