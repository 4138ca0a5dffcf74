"""The result of a search for a visibility threshold."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from ...models.deterministic import DeterministicModel
from ...targets.behaviors import Behavior
from ...verification.evidence import Evidence
from ...verification.models import exact_value
from ...verification.result import Verification, combine
from ..inequalities.bell_inequality import BellInequality
from ..symmetry.symmetrized_model import SymmetrizedModel

__all__ = ["MODEL_ATOL", "Threshold", "crossing_visibility"]

MODEL_ATOL = 1e-9
# The model of the noise reproduces the noise mixed with very little white noise: at a visibility of nearly 1.
_NOISE_ATOL = 1e-8
_WHITE_ATOL = 1e-12


@dataclass(frozen=True, eq=False, repr=False)
class Threshold(Evidence):
    """Lower and upper bound on the visibility up to which a behavior, mixed with noise, is local.

    References:
        S. Designolle, G. Iommazzo, M. Besancon, S. Knebel, P. Gelss, S. Pokutta, Phys. Rev. Res. 5, 043059 (2023),
        arXiv:2302.04721; S. Designolle, T. Vertesi, S. Pokutta, Phys. Rev. A 109, 022205 (2024), arXiv:2310.20677.

    Examples:
        >>> from qiskit_lhv import Behavior, ghz_state, nonlocality_threshold
        >>> threshold = nonlocality_threshold(Behavior.from_state(ghz_state(2), "chsh"))
        >>> print(threshold)
        visibility threshold in [0.707106781, 0.707106781]
        >>> round(threshold.lower, 6), round(threshold.upper, 6), threshold.upper_is_proven
        (0.707107, 0.707107, True)
        >>> print(threshold.inequality.expression)
        <A0 B0> + <A0 B1> + <A1 B0> - <A1 B1>
        >>> bool(threshold.verify())
        True
    """

    lower: float
    """Visibility at which ``model`` reproduces the mixture."""
    estimate: float
    """Best estimate of the threshold."""
    upper: float
    """Visibility above which ``inequality`` is violated; without inequality, the largest visibility considered."""
    upper_is_proven: bool
    """Whether ``upper`` is proven: by an exact local bound, or because the model reaches it."""
    behavior: Behavior
    """The behavior whose threshold is searched for."""
    noise: Behavior
    """The noise that the behavior is mixed with."""
    model: DeterministicModel | SymmetrizedModel
    """A local model of the mixture at visibility ``lower``."""
    inequality: BellInequality | None
    """A Bell inequality that the mixture violates above ``upper``; ``None`` if the search found none."""
    noise_model: DeterministicModel | SymmetrizedModel | None = None
    """A local model of the noise, so that mixtures below ``lower`` are local, too; ``None`` for white noise."""
    timed_out: bool = False
    """Whether the caller's time ran out before the search had ended; nothing in the record shows it."""

    def __str__(self) -> str:
        return f"visibility threshold in [{self.lower:.9g}, {self.upper:.9g}]"

    def mixture(self, visibility: float) -> Behavior:
        """Returns ``visibility * behavior + (1 - visibility) * noise``. The visibility may exceed 1.

        Args:
            visibility: Weight of the behavior.
        """
        mixed = visibility * self.behavior.array + (1 - visibility) * self.noise.array
        return Behavior(mixed, self.behavior.scenario)

    def verify(self, atol: float = MODEL_ATOL, *, prove_bound: bool | None = None) -> Verification:
        """Re-checks model, local bound and threshold in exact arithmetic, without the solver's code.

        The model at ``lower`` and the model of the noise together give local models of all mixtures between them. A
        heuristic local bound is not re-checked; then only ``lower`` is proven, the reason says so, and
        ``upper_is_proven`` must agree. ``timed_out`` cannot be checked, and no proof depends on it.

        Args:
            atol: Largest deviation of the model from the mixture, in any probability.
            prove_bound: Whether to prove the local bound again; see ``BellInequality.verify``.
        """
        order = Verification(
            0 <= self.lower <= self.estimate <= self.upper < math.inf,
            f"0 <= {self.lower!r} <= {self.estimate!r} <= {self.upper!r}",
        )
        if not order:
            return order
        checks = [order, self.model.verify(self.mixture(self.lower), atol), self._verify_noise()]
        if self.inequality is None:
            honest = self.upper_is_proven == (self.lower >= self.upper)
            return combine(*checks, Verification(honest, "no inequality was found, so the upper end is none"))
        if self.upper_is_proven != self.inequality.bound.exact:
            kind = "exact" if self.inequality.bound.exact else "heuristic"
            claim = "proven" if self.upper_is_proven else "not proven"
            return combine(*checks, Verification(False, f"the bound is {kind}, the upper end said to be {claim}"))
        upper = crossing_visibility(self.inequality, self.behavior, self.noise)
        if upper is None:
            return combine(*checks, Verification(False, "the inequality is violated nowhere", math.inf))
        off = abs(self.upper - float(upper))
        reached = Verification(
            Fraction(self.upper) >= upper and off <= 1e-12,
            f"the inequality is violated above visibility {float(upper):.12g}, the claim is {self.upper!r}",
            off,
        )
        if not self.inequality.bound.exact:
            return combine(*checks, reached, Verification(True, "the local bound is heuristic"))
        return combine(*checks, self.inequality.verify(prove_bound=prove_bound), reached)

    def _verify_noise(self) -> Verification:
        """Whether the noise is local; if it is not, there is no threshold."""
        if self.noise_model is not None:
            return self.noise_model.verify(self.noise, _NOISE_ATOL)
        off = float(np.abs(self.noise.array - Behavior.white_noise(self.noise.scenario).array).max())
        if off <= _WHITE_ATOL:
            return Verification(True, "the noise is white")
        if self.inequality is not None:
            rounding = Fraction(_NOISE_ATOL) * Fraction(float(np.abs(self.inequality.expression.coefficients).sum()))
            if self.inequality.exact_violation(self.noise) > rounding:
                return Verification(False, "the noise violates the inequality itself", math.inf)
        return Verification.unproven("the noise is not white, and there is no local model of it")


def crossing_visibility(inequality: BellInequality, behavior: Behavior, noise: Behavior) -> Fraction | None:
    """Returns the exact visibility at which the mixture reaches the local bound; ``None`` if it never does."""
    coefficients = inequality.expression.coefficients
    at_noise = exact_value(coefficients, noise.array)
    slope = exact_value(coefficients, behavior.array) - at_noise
    if slope <= 0:
        return None
    return (Fraction(inequality.bound.value) - at_noise) / slope
