"""The four answers to the question."""

from __future__ import annotations

from enum import Enum

__all__ = ["Verdict"]


class Verdict(Enum):
    """What is known about a local hidden-variable model; each member carries a sentence for people."""

    LOCAL = "LOCAL"
    NONLOCAL = "NONLOCAL"
    SIGNALING = "SIGNALING"
    INCONCLUSIVE = "INCONCLUSIVE"

    @property
    def sentence(self) -> str:
        """The verdict in one sentence."""
        return _SENTENCES[self]

    def __str__(self) -> str:
        return str(self.value)


_SENTENCES = {
    Verdict.LOCAL: "A local hidden-variable model explains the target.",
    Verdict.NONLOCAL: "No local hidden-variable model explains the target.",
    Verdict.SIGNALING: (
        "Outcomes depend on another party's setting; that, not nonlocality, may be what excludes a local model."
    ),
    Verdict.INCONCLUSIVE: "Neither a local model nor its impossibility is established.",
}
