"""Options of the search for a proof: its visibility, its start and its end."""

from __future__ import annotations

from dataclasses import dataclass

from ..._support.validation import positive_number, whole_number
from ...exceptions import ScenarioError
from ...models.ensemble import ResponseModel

__all__ = ["ProofSearch"]


@dataclass(frozen=True)
class ProofSearch:
    """Options with which :func:`certify_all_projective` searches for a model on the directions.

    Raises:
        ScenarioError: If a number is out of range, or the start is not a ``ResponseModel``.

    Examples:
        >>> from qiskit_lhv import certify_all_projective, werner_state
        >>> search = ProofSearch(goal=0.5, max_calls=200)
        >>> certificate = certify_all_projective(werner_state(1), directions=16, search=search, seed=1)
        >>> certificate.visibility >= 0.5
        True
    """

    visibility: float | None = None
    """Visibility at which a model is looked for; ``None``: found by the search, in stages that come closer and closer
    to the threshold."""
    max_visibility: float = 1.0
    """Largest visibility considered. Above 1 it tells how far inside the local set the state lies."""
    goal: float | None = None
    """Visibility that is enough: the search ends once it is proven. Where the directions seem not to reach it, the
    search ends after the first stage, so that most of what they do reach is proven."""
    start: ResponseModel | None = None
    """A local model of the state, from ``find_local_model``; its hidden variables give starting strategies."""
    max_calls: int | None = None
    """Calls of the oracle after which the search ends with what it has. Other than with a time limit, the answer is
    then the same on every machine. ``None``: with a time limit, until the last stage is reached; without one, until
    about a minute's work on two cores is done."""

    def __post_init__(self) -> None:
        for name in ("visibility", "max_visibility", "goal"):
            value = getattr(self, name)
            if value is not None or name == "max_visibility":
                positive_number(value, name, ScenarioError)
        if self.start is not None and not isinstance(self.start, ResponseModel):
            raise ScenarioError.bad_argument("start", expected="a ResponseModel", got=repr(self.start))
        if self.max_calls is not None:
            whole_number(self.max_calls, "max_calls", ScenarioError)
