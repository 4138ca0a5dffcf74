"""Settings and the inequality that a state violates with them, with an exact check."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..._support.types import ComplexArray, FloatArray
from ..._support.validation import frozen, positive_number, real_array
from ...exceptions import MeasurementError
from ...measurements.specification import measurement
from ...polytope.inequalities.bell_inequality import BellInequality
from ...targets.behaviors import Behavior
from ...targets.correlations import CorrelationTensor
from ...targets.scenario import BellScenario
from ...verification.evidence import Evidence
from ...verification.gell_mann import BASIS_ERROR, coordinates_of_bases, coordinates_of_effects
from ...verification.rationals import rational
from ...verification.result import Verification, combine
from ...verification.verdict import Verdict

__all__ = ["OptimizedSettings", "behavior_of_settings", "rounded_matrices", "rounded_vectors"]


_VECTOR_BITS = 40
_BASIS_BITS = 30
_EFFECT_BITS = 40
_SAME_VISIBILITY = 1e-6
_UNIT_ATOL = 1e-9
# Entries of effects are at most 1.
_LARGEST_ENTRY = 2.0


@dataclass(frozen=True, eq=False, repr=False)
class OptimizedSettings(Evidence):
    """Measurements of a state, and a Bell inequality that they violate or nearly violate.

    The searches return them. They can also be made of settings that were found elsewhere, see ``settings``, and of an
    inequality, ``BellInequality.of(expression)``; ``verify()`` then proves what they show.

    Raises:
        MeasurementError: If the settings have none of the shapes, or effects are no POVM.

    References:
        J. Gruca et al., Phys. Rev. A 82, 012118 (2010), arXiv:1005.0481 (thresholds of states by optimized settings).

    Examples:
        >>> from qiskit_lhv import ghz_state
        >>> from qiskit_lhv.polytope import mermin
        >>> from qiskit_lhv.projective import optimize_settings
        >>> found = optimize_settings(ghz_state(3), expression=mermin(3), seed=1)
        >>> round(found.value, 6), round(found.violation, 6), round(found.visibility, 6)
        (4.0, 2.0, 0.5)
        >>> found.settings[0].shape, str(found.shows), bool(found.verify(ghz_state(3)))
        ((2, 3), 'NONLOCAL', True)
    """

    correlations: CorrelationTensor
    """The state's correlation tensor, shape ``(4,) * N`` for qubits."""
    settings: tuple[NDArray[Any], ...]
    """Measurements of each party. Bloch vectors of a qubit, shape ``(m_k, 3)``: binary fractions, of length at most 1.
    A shorter vector is a projective measurement whose outcome is sometimes replaced by a coin's, so what it shows holds
    for those too. Or bases of a party of any dimension, shape ``(m_k, D_k, D_k)``: column a belongs to outcome a; the
    measurement is that of the columns made orthogonal, the first one first. Or effects of POVMs, shape
    ``(m_k, num_outcomes_k, D_k, D_k)``, zeros for outcomes that a measurement does not have. Since rounded
    effects are no exact POVM, the measurement is one that gives a random outcome with probability 2**-30."""
    inequality: BellInequality
    """The inequality."""
    noise: CorrelationTensor | None = None
    """Correlations of the noise that ``visibility`` speaks of; ``None``: white noise."""
    history: tuple[float, ...] = ()
    """Visibility that each start of the search reached, in the order of the starts; empty for a closed form."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "settings", tuple(_checked(own) for own in self.settings))
        object.__setattr__(self, "history", tuple(float(visibility) for visibility in self.history))

    @property
    def value(self) -> float:
        """The value of the expression for the state and settings."""
        return self.inequality.expression.value(self.behavior())

    @property
    def violation(self) -> float:
        """Value of the expression minus the local bound; negative if the inequality is not violated."""
        return self.value - self.inequality.bound.value

    @property
    def visibility(self) -> float:
        """Visibility in noise above which the inequality is violated; above 1 if the state does not violate it."""
        noise = self.inequality.expression.value(behavior_of_settings(self._mixed_in, self.settings))
        slope = self.value - noise
        return (self.inequality.bound.value - noise) / slope if slope > 0 else math.inf

    @property
    def is_projective(self) -> bool:
        """Whether all settings are projective measurements by their form; effects count as those of any POVM."""
        return all(own.ndim < 4 for own in self.settings)

    @property
    def num_starts(self) -> int:
        """Number of starts of the search; 0 for a closed form."""
        return len(self.history)

    @property
    def num_successes(self) -> int:
        """Number of starts within 1e-6 of the lowest visibility; if it is small, more starts may find a lower one."""
        lowest = min(self.history, default=math.inf)
        return (
            sum(visibility <= lowest + _SAME_VISIBILITY for visibility in self.history) if math.isfinite(lowest) else 0
        )

    @property
    def shows(self) -> Verdict | None:
        """``Verdict.NONLOCAL`` if the state exceeds a bound that is marked as exact; else ``None``."""
        return Verdict.NONLOCAL if self.violation > 0 and self.inequality.bound.exact else None

    def behavior(self) -> Behavior:
        """The behavior of the state with these settings."""
        return behavior_of_settings(self.correlations, self.settings)

    def operator(self) -> FloatArray:
        """The expression's coefficients on the state's correlations, in the shape of the tensor.

        Raises:
            ValueError: If columns of a basis are dependent, or effects are not exactly enough a POVM to be proven one.
        """
        exact = _operator(rational(self.inequality.expression.coefficients), [_effects(own) for own in self.settings])
        return np.array([float(value) for value in exact.flat]).reshape(exact.shape)

    def mixed(self, visibility: float) -> OptimizedSettings:
        """Returns the same settings and inequality for the state at this visibility in the noise.

        Args:
            visibility: Weight of the state; the noise has the rest.
        """
        noise = self._mixed_in
        array = visibility * self.correlations.array + (1 - visibility) * noise.array
        return OptimizedSettings(CorrelationTensor(array), self.settings, self.inequality, noise)

    def _rounding_of_matrices(self) -> Fraction:
        """Returns what the rational coordinates of matrices can change in the value; Bloch vectors are exact."""
        if all(own.ndim == 2 for own in self.settings):
            return Fraction(0)
        # A probability is a sum over all correlations, each below sqrt(2) for a party, times coordinates that are below
        # sqrt(2), too. So each of the terms is off by at most 2**N times the error of one coordinate.
        terms = math.prod(2 * size for size in self.correlations.array.shape) * self.correlations.num_parties
        coefficients = rational(self.inequality.expression.coefficients)
        return 4 * BASIS_ERROR * terms * sum((abs(c) for c in coefficients.flat), Fraction(0))

    @property
    def _mixed_in(self) -> CorrelationTensor:
        return self.noise or CorrelationTensor.white_noise(self.correlations.dimensions)

    def __str__(self) -> str:
        sizes = " x ".join(str(len(vectors)) for vectors in self.settings)
        relation = "above" if self.violation > 0 else "not above"
        return (
            f"{sizes} settings: {self.value:.9g}, {relation} the local bound {self.inequality.bound.value:.9g} "
            f"(violated above visibility {self.visibility:.6g})"
        )

    def verify(
        self, state: Any = None, *, rounding_error: float = 1e-9, prove_bound: bool | None = None
    ) -> Verification:
        """Re-proves that the state is nonlocal, with the local bound in integers and the violation in rational numbers.

        Args:
            state: The state or correlation tensor that the result should be about; default: its own.
            rounding_error: Error allowed in each correlation; the violation must exceed the effect of such errors.
            prove_bound: Whether to prove the local bound again; see ``BellInequality.verify``.

        Raises:
            MeasurementError: If the rounding error is negative.
        """
        error = Fraction(positive_number(rounding_error, "rounding_error", MeasurementError, zero=True))
        tensor = self.correlations if state is None else CorrelationTensor.of(state)
        off = self.correlations.largest_difference(tensor)
        if not off <= rounding_error:
            return Verification(False, f"these settings are for another state, which differs by {off:.3g}", off)
        expression = self.inequality.expression
        shape = tuple(len(party_vectors) for party_vectors in self.settings)
        outcomes = tuple(2 if own.ndim == 2 else own.shape[1] for own in self.settings)
        if expression.scenario != BellScenario(shape, outcomes):
            return Verification(False, f"the inequality has {expression.scenario}", math.inf)
        if not math.isfinite(self.inequality.bound.value):
            return Verification(False, f"the bound is {self.inequality.bound.value}", math.inf)
        vectors = [rational(own) for own in self.settings if own.ndim == 2]
        longest = max((sum(x * x for x in row) for own in vectors for row in own), default=0)
        if longest > 1:
            return Verification(False, "a Bloch vector is longer than 1", float(longest))
        try:
            effects = [_effects(own) for own in self.settings]
        except ValueError as exc:
            return Verification(False, f"a setting is no measurement: {exc}", math.inf)
        operator = _operator(rational(expression.coefficients), effects)
        if not operator.shape == tensor.array.shape == self._mixed_in.array.shape:
            return Verification(False, f"the state has {tensor.num_parties} parties of {tensor.dimensions}", math.inf)
        bound = Fraction(self.inequality.bound.value)
        violation = _expectation(operator, tensor) - bound
        slack = error * sum((abs(c) for c in operator.flat[1:]), Fraction(0)) + self._rounding_of_matrices()
        if _expectation(operator, self._mixed_in) > bound + slack:
            return Verification(False, "the noise violates the inequality itself, so no visibility means anything")
        violated = Verification(
            violation > slack,
            f"the state exceeds the local bound by {float(violation):.6g} (rounding at most {float(slack):.2g})",
            float(violation),
        )
        return combine(self.inequality.verify(prove_bound=prove_bound), violated)


def _expectation(operator: Any, tensor: CorrelationTensor) -> Fraction:
    """Returns the exact value of an operator that is given by its coefficients on correlations."""
    # The first correlation is the trace, which is exactly 1, even if rounding has changed it.
    pairs = zip(operator.flat[1:], rational(tensor.array).flat[1:], strict=True)
    return Fraction(operator.flat[0]) + sum((c * t for c, t in pairs), Fraction(0))


def behavior_of_settings(tensor: CorrelationTensor, settings: Sequence[NDArray[Any]]) -> Behavior:
    """Returns the behavior of a tensor under settings as :class:`OptimizedSettings` holds them."""
    return tensor.behavior([[_measurement(own) for own in party] for party in settings])


def _checked(own: Any) -> FloatArray | ComplexArray:
    """Returns Bloch vectors, bases or effects of one party as read-only arrays of finite numbers."""
    if np.ndim(own) not in (3, 4):
        vectors = real_array(own, "settings", MeasurementError)
        if vectors.ndim != 2 or vectors.shape[1] != 3:
            raise MeasurementError.bad_argument(
                "settings",
                expected="Bloch vectors (m_k, 3), bases (m_k, D_k, D_k) or effects (m_k, num_outcomes_k, D_k, D_k)",
                got=f"shape {vectors.shape}",
            )
        return vectors
    real, imaginary = (real_array(part(own), "settings", MeasurementError) for part in (np.real, np.imag))
    if real.shape[-2] != real.shape[-1] or real.shape[-1] < 2:
        form = "bases (m_k, D_k, D_k)" if real.ndim == 3 else "effects (m_k, num_outcomes_k, D_k, D_k)"
        raise MeasurementError.bad_argument("settings", expected=form, got=f"shape {real.shape}")
    matrices = frozen(real + 1j * imaginary)
    if matrices.ndim == 4:
        _require_povms(matrices)
    return matrices


def _require_povms(effects: ComplexArray) -> None:
    """Raises if the effects of a setting are far from those of a measurement; the exact check is stricter."""
    largest = max(np.abs(effects.real).max(initial=0.0), np.abs(effects.imag).max(initial=0.0))
    if largest > _LARGEST_ENTRY:
        raise MeasurementError.bad_argument("settings", expected="effects of POVMs", got=f"an entry of {largest:.3g}")
    for x, own in enumerate(effects):
        try:
            measurement(own)
        except MeasurementError as exc:
            raise MeasurementError(f"settings: the effects of setting {x}: {exc.message}") from exc


def _measurement(vector: NDArray[Any]) -> Any:
    """Returns a unit Bloch vector unchanged, two effects for a shorter one, or what a basis or effects measure."""
    if vector.ndim == 3:
        return measurement(vector)
    if vector.ndim == 2:
        return measurement(basis=np.linalg.qr(vector)[0])
    if abs(math.sqrt(float(vector @ vector)) - 1) < _UNIT_ATOL:
        return vector
    x, y, z = vector.tolist()
    turned = np.array([[z, x - 1j * y], [x + 1j * y, -z]])
    return [(np.eye(2) + turned) / 2, (np.eye(2) - turned) / 2]


def _effects(own: NDArray[Any]) -> Any:
    """Returns the exact coordinates of the effects of one party's settings, shape ``(m, outcomes, D**2)``."""
    if own.ndim == 4:
        return coordinates_of_effects(own)
    if own.ndim == 3:
        return coordinates_of_bases(own)
    vectors = rational(own)
    effects = np.empty((len(own), 2, 4), dtype=object)
    effects[:, :, 0] = Fraction(1, 2)
    effects[:, 0, 1:] = vectors / 2
    effects[:, 1, 1:] = -vectors / 2
    return effects


def _operator(coefficients: Any, effects: list[Any]) -> Any:
    """Returns the expression's exact coefficients on the state's correlations, in the shape of the tensor."""
    n = len(effects)
    tensor = coefficients.transpose([axis for k in range(n) for axis in (k, n + k)])
    for own in effects:
        # Contracting the first party's two axes appends the new one at the end: after N steps the order is restored.
        tensor = np.tensordot(tensor, own, axes=([0, 1], [0, 1]))
    return tensor


def rounded_vectors(vectors: FloatArray) -> FloatArray:
    """Returns the vectors as binary fractions, shortened slightly so that no vector is longer than 1."""
    scale = 2.0**_VECTOR_BITS
    return np.trunc(vectors / np.linalg.norm(vectors, axis=1, keepdims=True) * (1 - 2.0**-45) * scale) / scale


def rounded_matrices(matrices: ComplexArray) -> ComplexArray:
    """Returns bases or effects with entries that are short binary fractions, so that exact checks are quick.

    Args:
        matrices: Of one party: bases of shape ``(m, D, D)``, or effects of shape ``(m, num_outcomes, D, D)``.
    """
    scale = 2.0 ** (_BASIS_BITS if matrices.ndim == 3 else _EFFECT_BITS)
    rounded: ComplexArray = (np.rint(matrices.real * scale) + 1j * np.rint(matrices.imag * scale)) / scale
    return rounded
