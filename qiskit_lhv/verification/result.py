"""The result of a check: proven, refuted or not re-proven."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum

from .._support.records import Record
from ..exceptions import LHVError

__all__ = ["Verification", "VerificationStatus", "combine"]


class VerificationStatus(StrEnum):
    """The three answers of a check; each member carries the word that a report prints, and a sentence.

    A member equals its name as a text.

    Examples:
        >>> from qiskit_lhv import analyze, Behavior, werner_state
        >>> check = analyze(Behavior.from_state(werner_state(0.9), "chsh")).verify()
        >>> check.status == "proven", check.status.sentence
        (True, 'The claim is proven.')
    """

    word: str
    """What is printed before the reason."""
    sentence: str
    """The answer in one sentence."""

    def __new__(cls, name: str, word: str = "", sentence: str = "") -> VerificationStatus:
        """Makes a member that is its name."""
        member = str.__new__(cls, name)
        member._value_, member.word, member.sentence = name, word, sentence
        return member

    PROVEN = "proven", "verified", "The claim is proven."
    REFUTED = "refuted", "REFUSED", "The claim failed a check."
    NOT_REPROVEN = (
        "not re-proven",
        "NOT PROVEN AGAIN",
        "Nothing speaks against the claim, but a part of it was not proven again.",
    )


@dataclass(frozen=True, eq=False)
class Verification(Record):
    """The result of a check: proven, refuted or not re-proven, and why. Only a proven claim counts as true.

    Raises:
        LHVError: If a claim that is proven is said to need a further proof.

    Examples:
        >>> from qiskit_lhv import BellInequality, chsh
        >>> print(BellInequality.of(chsh()).verify())
        verified: no local model exceeds 2
        >>> check = Verification.unproven("a proof takes minutes", cost=2**32)
        >>> bool(check), str(check.status)
        (False, 'not re-proven')
    """

    passed: bool
    """Whether the claim is proven."""
    reason: str
    """What was checked, or what failed."""
    deviation: float = 0.0
    """The largest deviation found, in the units of the claim."""
    cost: float | None = None
    """How many strategies a proof may have to go through, if nothing speaks against the claim but a part of it was not
    proven again (infinity if these are too many, or there is no proof in integers). ``None`` if everything was
    checked."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "passed", bool(self.passed))
        object.__setattr__(self, "deviation", float(self.deviation))
        if self.cost is not None:
            if self.passed:
                raise LHVError.bad_argument("cost", expected="None for a claim that is proven", got=repr(self.cost))
            object.__setattr__(self, "cost", float(self.cost))

    @classmethod
    def unproven(cls, reason: str, cost: float = math.inf) -> Verification:
        """A check that found no fault, but left out a part of the proof.

        Args:
            reason: What was checked, and what was not.
            cost: How many strategies a proof may have to go through.
        """
        return cls(False, reason, cost=float(min(cost, 10**300)) if cost != math.inf else cost)

    @property
    def status(self) -> VerificationStatus:
        """Whether the claim is proven, refuted or not re-proven; equals ``"proven"`` and so on."""
        if self.passed:
            return VerificationStatus.PROVEN
        return VerificationStatus.REFUTED if self.cost is None else VerificationStatus.NOT_REPROVEN

    @property
    def refuted(self) -> bool:
        """Whether the claim failed a check."""
        return not self.passed and self.cost is None

    def __bool__(self) -> bool:
        return self.passed

    def __str__(self) -> str:
        return f"{self.status.word}: {self.reason}"


def combine(*checks: Verification) -> Verification:
    """The conjunction of checks: refuted if any is, otherwise not re-proven if any is, otherwise proven.

    The reasons (each once), deviation and cost are those of the checks that decide: of all checks if all passed.
    """
    decisive = [check for check in checks if check.refuted] or [check for check in checks if not check]
    costs = [check.cost for check in decisive if check.cost is not None]
    return Verification(
        not decisive,
        "; ".join(dict.fromkeys(check.reason for check in (decisive or checks))),
        max((c.deviation for c in decisive or checks), default=0.0),
        max(costs, default=None),
    )
