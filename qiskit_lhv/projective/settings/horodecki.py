"""Horodecki's criterion: whether a state of two qubits violates a CHSH inequality, in closed form."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from ..._support.validation import positive_number
from ...exceptions import MeasurementError
from ...polytope.expressions.families import chsh
from ...polytope.inequalities.bell_inequality import BellInequality
from ...targets.qubits import qubit_tensor
from ...verification.evidence import Evidence
from ...verification.positivity import is_positive_matrix
from ...verification.rationals import rational
from ...verification.result import Verification, combine
from .optimized import OptimizedSettings, rounded_vectors

__all__ = ["HorodeckiCriterion", "horodecki_chsh", "horodecki_settings"]


_CRITERION_ROUNDING = 1e-10
# The settings reach m within this, as their Bloch vectors are rounded and the root of a tiny m is less exact than m.
_REACHED = 2e-5


@dataclass(frozen=True, eq=False, repr=False)
class HorodeckiCriterion(Evidence):
    """The largest CHSH value of a state of two qubits over all projective measurements.

    References:
        R. Horodecki, P. Horodecki, M. Horodecki, Phys. Lett. A 200, 340 (1995).

    Examples:
        >>> from qiskit_lhv import werner_state
        >>> from qiskit_lhv.projective import horodecki_chsh
        >>> found = horodecki_chsh(werner_state(0.8))
        >>> round(found.m, 6), round(found.value, 6), found.violates
        (1.28, 2.262742, True)
        >>> round(found.visibility, 6), bool(found.verify(werner_state(0.8)))
        (0.883883, True)
    """

    m: float
    """Sum of the two largest eigenvalues of ``T^T T``, with T the correlations of both qubits; above 1 if and only if
    the state violates a CHSH inequality."""
    settings: OptimizedSettings
    """Settings that reach the largest value; where ``m`` exceeds 1, they prove the state nonlocal."""

    @property
    def value(self) -> float:
        """The largest CHSH value, ``2 sqrt(m)``."""
        return 2 * math.sqrt(self.m)

    @property
    def visibility(self) -> float:
        """Visibility in white noise above which a CHSH inequality is violated, ``1 / sqrt(m)``; it may exceed 1."""
        return 1 / math.sqrt(self.m) if self.m > 0 else math.inf

    @property
    def violates(self) -> bool:
        """Whether a CHSH inequality is violated: ``m`` exceeds 1 by more than the rounding that ``verify`` allows.

        Product states have ``m = 1``, and rounding may raise it.
        """
        return self.m - _CRITERION_ROUNDING * max(1.0, self.m) > 1

    def __str__(self) -> str:
        relation = "violates a CHSH inequality" if self.violates else "violates no CHSH inequality"
        return f"M = {self.m:.9g}: {relation} (largest value {self.value:.9g}, local bound 2)"

    def verify(
        self, state: Any = None, *, rounding_error: float = 1e-9, prove_bound: bool | None = None
    ) -> Verification:
        """Re-proves ``m`` from below and above in rational arithmetic, so also that no CHSH inequality is violated.

        ``m`` is the trace of ``T^T T`` minus its smallest eigenvalue. The signs of characteristic polynomials show
        that there is an eigenvalue right above the stated one and none below. The check also confirms that the settings
        reach the value; ``settings.verify()`` proves that the state is nonlocal.

        Args:
            state: The state or correlation tensor that the result should be about; default: its own.
            rounding_error: Error allowed in each correlation, if a state is given.
            prove_bound: Whether to prove the local bound again; see ``BellInequality.verify``.

        Raises:
            MeasurementError: If the rounding error is negative.
        """
        positive_number(rounding_error, "rounding_error", MeasurementError, zero=True)
        own = self.settings.correlations
        if own.array.shape != (4, 4):
            return Verification(False, "the settings are not those of two qubits", math.inf)
        off = 0.0 if state is None else own.largest_difference(state)
        if not off <= rounding_error:
            return Verification(False, f"this is about another state, which differs by {off:.3g}", off)
        if not math.isfinite(self.m):
            return Verification(False, f"m is {self.m}", math.inf)
        both = rational(own.array[1:, 1:])
        gram = both.T @ both
        smallest = sum(gram[i, i] for i in range(3)) - Fraction(self.m)
        margin = Fraction(_CRITERION_ROUNDING) * max(Fraction(1), Fraction(self.m))
        right = _at_least(gram, smallest - margin) and not _at_least(gram, smallest + margin)
        if not right:
            return Verification(False, f"m is not {self.m!r}", math.inf)
        bound = self.settings.inequality.verify(prove_bound=prove_bound)
        if bound.refuted:
            return bound
        reached = 2 * self.settings.value / self.settings.inequality.bound.value
        same = Verification(
            abs(reached - self.value) <= _REACHED * max(1.0, self.value),
            f"the largest CHSH value is {self.value:.9g}, the settings reach {reached:.9g}",
            abs(reached - self.value),
        )
        return same if bound else combine(same, bound)


def _at_least(matrix: Any, value: Fraction) -> bool:
    """Returns whether no eigenvalue of a symmetric matrix of rationals is below the value."""
    zero = Fraction(0)
    return is_positive_matrix(
        [[(entry - value if i == j else entry, zero) for j, entry in enumerate(row)] for i, row in enumerate(matrix)]
    )


def horodecki_chsh(state: Any) -> HorodeckiCriterion:
    """The largest CHSH value of a two-qubit state in closed form, by Horodecki's criterion.

    It is ``2 sqrt(M)``, with M the sum of the two largest eigenvalues of ``T^T T`` for the correlations T of both
    qubits; the state violates CHSH for some settings if and only if M exceeds 1. A state that violates no CHSH
    inequality may violate others (see :func:`optimize_settings`).

    Args:
        state: ``DensityMatrix``, ``Statevector``, ``QuantumCircuit`` or ``CorrelationTensor`` of two qubits.

    Returns:
        The largest value, with the settings that reach it.

    Raises:
        MeasurementError: If the state is not a valid state of two qubits.

    References:
        R. Horodecki, P. Horodecki, M. Horodecki, Phys. Lett. A 200, 340 (1995).

    Examples:
        >>> from qiskit_lhv import werner_state
        >>> from qiskit_lhv.projective import horodecki_chsh
        >>> print(horodecki_chsh(werner_state(0.7)))
        M = 0.98: violates no CHSH inequality (largest value 1.97989899, local bound 2)
    """
    tensor = qubit_tensor(state)
    if tensor.num_parties != 2:
        raise MeasurementError.bad_argument("state", expected="two qubits", got=f"{tensor.num_parties}")
    left, values, right = np.linalg.svd(tensor.array[1:, 1:])
    # Party 1 measures in the plane of the two largest singular values, at an angle theta to either side.
    theta = math.atan2(values[1], values[0])
    first = np.stack([left[:, 0], left[:, 1]])
    second = np.stack(
        [
            math.cos(theta) * right[0] + math.sin(theta) * right[1],
            math.cos(theta) * right[0] - math.sin(theta) * right[1],
        ]
    )
    settings = OptimizedSettings(tensor, (rounded_vectors(first), rounded_vectors(second)), BellInequality.of(chsh()))
    return HorodeckiCriterion(float(values[0] ** 2 + values[1] ** 2), settings)


def horodecki_settings(state: Any) -> OptimizedSettings:
    """The settings, in closed form, at which a two-qubit state violates a CHSH inequality most.

    Args:
        state: ``DensityMatrix``, ``Statevector``, ``QuantumCircuit`` or ``CorrelationTensor`` of two qubits.

    Returns:
        The settings of :func:`horodecki_chsh`.

    Raises:
        MeasurementError: If the state is not a valid state of two qubits.

    References:
        R. Horodecki, P. Horodecki, M. Horodecki, Phys. Lett. A 200, 340 (1995).

    Examples:
        >>> from qiskit_lhv import werner_state
        >>> print(round(horodecki_settings(werner_state(1)).value, 6))
        2.828427
    """
    return horodecki_chsh(state).settings
