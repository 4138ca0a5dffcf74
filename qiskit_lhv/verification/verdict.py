"""The four answers to the question."""

from __future__ import annotations

from enum import StrEnum

__all__ = ["Verdict"]


class Verdict(StrEnum):
    """What is known about a local hidden-variable model; each member carries a sentence for people.

    A member equals its name as a text.

    References:
        N. Brunner, D. Cavalcanti, S. Pironio, V. Scarani, S. Wehner, Rev. Mod. Phys. 86, 419 (2014), arXiv:1303.2849.

    Examples:
        >>> from qiskit_lhv import analyze, Behavior, werner_state
        >>> verdict = analyze(Behavior.from_state(werner_state(0.5), "chsh")).verdict
        >>> verdict == "LOCAL", verdict.sentence
        (True, 'A local hidden-variable model explains the target.')
    """

    sentence: str
    """The verdict in one sentence."""

    def __new__(cls, name: str, sentence: str = "") -> Verdict:
        """Makes a member that is its name."""
        member = str.__new__(cls, name)
        member._value_, member.sentence = name, sentence
        return member

    LOCAL = "LOCAL", "A local hidden-variable model explains the target."
    NONLOCAL = "NONLOCAL", "No local hidden-variable model explains the target."
    SIGNALING = (
        "SIGNALING",
        "Outcomes depend on another party's setting; that, not nonlocality, may be what excludes a local model.",
    )
    INCONCLUSIVE = "INCONCLUSIVE", "Neither a local model nor its impossibility is established."
