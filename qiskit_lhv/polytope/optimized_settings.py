"""Settings at which a state of qubits is most nonlocal, with a proof that it is."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._records import Record
from .._validation import frozen, generator, positive_number, whole_numbers
from ..exceptions import MeasurementError, ScenarioError
from ..targets.behaviors import Behavior
from ..targets.correlations import CorrelationTensor
from ..targets.scenario import BellScenario
from ..verification import Verification, combine
from ..verification_states import rational
from .families import chsh, i3322
from .inequalities import BellExpression, BellInequality
from .settings_ascent import ascend
from .thresholds import nonlocality_threshold

__all__ = [
    "OptimizedSettings",
    "allowed_coordinates",
    "horodecki_settings",
    "optimize_settings",
    "qubit_tensor",
    "rounded_vectors",
]

FloatArray = NDArray[np.float64]

_BITS = 40
_MAX_ROUNDS = 30
_STALLED = 1e-7
_MAX_PARTIES = 6


@dataclass(frozen=True, eq=False, repr=False)
class OptimizedSettings(Record):
    """Projective measurements of a state of qubits, and a Bell inequality that they violate or nearly so."""

    correlations: CorrelationTensor
    """The state's correlation tensor, shape ``(4,) * N``."""
    settings: tuple[FloatArray, ...]
    """Bloch vectors of each party, shape ``(m_k, 3)``: binary fractions, of length at most 1. A shorter vector is a
    projective measurement whose outcome is sometimes replaced by a coin's, so what it shows holds for those too."""
    inequality: BellInequality
    """The inequality."""
    noise: CorrelationTensor | None = None
    """Correlations of the noise that ``visibility`` speaks of; ``None``: white noise."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "settings", tuple(frozen(np.asarray(one, dtype=float)) for one in self.settings))

    @property
    def value(self) -> float:
        """The value of the expression for the state and settings."""
        return self.inequality.expression.value(self.behavior())

    @property
    def violation(self) -> float:
        """By how much the state exceeds the local bound; negative if it does not."""
        return self.value - self.inequality.bound.value

    @property
    def visibility(self) -> float:
        """Visibility in noise above which the state violates the inequality; above 1 if it does not itself."""
        noise = self.inequality.expression.value(_behavior(self.noise or _white(self.correlations), self.settings))
        slope = self.value - noise
        return (self.inequality.bound.value - noise) / slope if slope > 0 else math.inf

    def behavior(self) -> Behavior:
        """The behavior of the state with these settings."""
        return _behavior(self.correlations, self.settings)

    def operator(self) -> FloatArray:
        """The expression's coefficients on the state's correlations, shape ``(4,) * N``."""
        exact = _operator(rational(self.inequality.expression.coefficients), [rational(one) for one in self.settings])
        return np.array([float(value) for value in exact.flat]).reshape(exact.shape)

    def mixed(self, visibility: float) -> OptimizedSettings:
        """The same settings and inequality for the state at this visibility in the noise."""
        noise = self.noise or _white(self.correlations)
        array = visibility * self.correlations.array + (1 - visibility) * noise.array
        return OptimizedSettings(CorrelationTensor(array), self.settings, self.inequality, noise)

    def __str__(self) -> str:
        sizes = " x ".join(str(len(one)) for one in self.settings)
        relation = "above" if self.violation > 0 else "not above"
        return (
            f"{sizes} settings: {self.value:.9g}, {relation} the local bound {self.inequality.bound.value:.9g} "
            f"(violated above visibility {self.visibility:.6g})"
        )

    def verify(self, state: Any = None, *, rounding_error: float = 1e-9) -> Verification:
        """Re-proves that the state is nonlocal: the local bound in integers, the violation in rational arithmetic.

        Args:
            state: A state or correlation tensor that this should be about; default: its own.
            rounding_error: Error allowed in each correlation: the violation must exceed what such errors can make.
        """
        if state is not None:
            tensor = state if isinstance(state, CorrelationTensor) else CorrelationTensor.from_state(state)
            same = tensor.array.shape == self.correlations.array.shape
            off = float(np.abs(tensor.array - self.correlations.array).max()) if same else math.inf
            if off > rounding_error:
                return Verification(False, f"these settings are for another state, which differs by {off:.3g}", off)
        expression = self.inequality.expression
        shape = tuple(len(one) for one in self.settings)
        if expression.scenario != BellScenario(shape, (2,) * len(shape)):
            return Verification(False, f"the inequality has {expression.scenario}", math.inf)
        vectors = [rational(one) for one in self.settings]
        longest = max(sum(x * x for x in row) for one in vectors for row in one)
        if longest > 1:
            return Verification(False, "a Bloch vector is longer than 1", float(longest))
        operator = _operator(rational(expression.coefficients), vectors)
        exact = sum(
            (c * t for c, t in zip(operator.flat, rational(self.correlations.array).flat, strict=True)), Fraction(0)
        )
        violation = exact - Fraction(self.inequality.bound.value)
        slack = Fraction(rounding_error) * sum((abs(c) for c in operator.flat[1:]), Fraction(0))
        violated = Verification(
            violation > slack,
            f"the state exceeds the local bound by {float(violation):.6g} (rounding at most {float(slack):.2g})",
            float(violation),
        )
        return combine(self.inequality.verify(prove_bound=True), violated)


def _behavior(tensor: CorrelationTensor, settings: Sequence[FloatArray]) -> Behavior:
    return tensor.behavior([list(one) for one in settings])


def _white(tensor: CorrelationTensor) -> CorrelationTensor:
    array = np.zeros(tensor.array.shape)
    array.flat[0] = 1
    return CorrelationTensor(array)


def _operator(coefficients: Any, vectors: list[Any]) -> Any:
    """The expression's coefficients on the state's correlations, shape ``(4,) * N``, exactly."""
    n = len(vectors)
    tensor = coefficients.transpose([axis for k in range(n) for axis in (k, n + k)])
    for one in vectors:
        effects = np.empty((len(one), 2, 4), dtype=object)
        effects[:, :, 0] = Fraction(1, 2)
        effects[:, 0, 1:] = one / 2
        effects[:, 1, 1:] = -one / 2
        # Contracting the first party's two axes appends the new one at the end: after N steps the order is restored.
        tensor = np.tensordot(tensor, effects, axes=([0, 1], [0, 1]))
    return tensor


def horodecki_settings(state: Any) -> OptimizedSettings:
    """The settings of CHSH that a two-qubit state violates most, in closed form.

    The largest CHSH value is ``2 sqrt(M)``, with M the sum of the two largest eigenvalues of ``T^T T`` for the
    correlations T of both qubits; the state violates CHSH for some settings if and only if M exceeds 1.

    Args:
        state: ``DensityMatrix``, ``Statevector``, ``QuantumCircuit`` or ``CorrelationTensor`` of two qubits.

    Raises:
        MeasurementError: If the state is not one of two qubits.

    References:
        R., P. and M. Horodecki, Phys. Lett. A 200, 340 (1995).

    Examples:
        >>> from qiskit_lhv import werner_state
        >>> print(round(horodecki_settings(werner_state(1)).value, 6))
        2.828427
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
    return OptimizedSettings(tensor, (rounded_vectors(first), rounded_vectors(second)), BellInequality.of(chsh()))


def optimize_settings(
    state: Any,
    num_settings: int | Sequence[int] = 2,
    *,
    expression: BellExpression | None = None,
    noise: Any = None,
    measurements: str = "projective",
    num_starts: int = 100,
    time_limit: float | None = None,
    seed: int | None = None,
) -> OptimizedSettings:
    """Searches for the settings at which a state of qubits violates a Bell inequality most.

    For a fixed expression, the settings of all parties but one leave a linear function of each Bloch vector of that
    party, so the best one is known; party by party, from many random starts at once, the value rises to a maximum.
    Without an expression, that step alternates with the local polytope: the visibility threshold of the behavior gives
    the inequality that it violates at the lowest visibility, and that one is maximized next.

    Args:
        state: ``DensityMatrix``, ``Statevector``, ``QuantumCircuit`` or ``CorrelationTensor`` of 2 to 6 qubits.
        num_settings: Number of settings, one for all parties or one each; ignored if an expression is given.
        expression: A Bell expression of two outcomes a party; default: whatever the polytope finds.
        noise: A local state of the same qubits, in which the lowest visibility is sought; default: white noise.
        measurements: ``"projective"``; or a plane, ``"xy"``, ``"xz"`` or ``"yz"``, to which all settings are limited.
        num_starts: Number of random starts: with an expression, of the ascent; without, a tenth of them are followed.
        time_limit: Seconds for the search; default: none.
        seed: Seed, or ``None``.

    Returns:
        The best settings found. Whether the state is proven nonlocal is what its ``verify()`` says: a search that fails
        says nothing.

    Raises:
        MeasurementError: If the state is not one of 2 to 6 qubits, or the measurements are unknown.
        ScenarioError: If the expression or a number does not fit.

    References:
        arXiv:2310.20677 and references there.

    Examples:
        >>> from qiskit_lhv import ghz_state, mermin
        >>> print(round(optimize_settings(ghz_state(3), expression=mermin(3), seed=1).visibility, 6))
        0.5
    """
    tensor = qubit_tensor(state)
    n = tensor.num_parties
    starts = whole_numbers(num_starts, "num_starts", ScenarioError, minimum=1)[0]
    if time_limit is not None:
        time_limit = positive_number(time_limit, "time_limit", ScenarioError)
    deadline = math.inf if time_limit is None else time.monotonic() + time_limit
    mask = allowed_coordinates(measurements)
    other = None if noise is None else qubit_tensor(noise)
    if other is not None and other.array.shape != tensor.array.shape:
        raise MeasurementError.bad_argument("noise", expected=f"a state of {n} qubits", got=repr(other))
    rng = generator(seed)
    if expression is not None:
        if expression.scenario.num_parties != n or not expression.scenario.is_two_outcome:
            raise ScenarioError.bad_argument(
                "expression", expected=f"{n} parties with two outcomes", got=str(expression.scenario)
            )
        vectors, _ = ascend(tensor.array, expression.to_correlators(), mask, starts, rng)
        return OptimizedSettings(
            tensor, tuple(rounded_vectors(one) for one in vectors), BellInequality.of(expression), other
        )
    sizes = whole_numbers(num_settings, "num_settings", ScenarioError, minimum=1)
    sizes = sizes * n if len(sizes) == 1 else sizes
    if len(sizes) != n or min(sizes) < 2:
        raise ScenarioError.bad_argument(
            "num_settings",
            expected=f"numbers of at least 2, one for all or one for each of {n} parties",
            got=f"{sizes}",
        )
    best: OptimizedSettings | None = None
    for start in range(max(1, starts // 10)):
        found = _alternate(tensor, other, sizes, mask, rng, deadline, first=start == 0)
        if found is not None and (best is None or found.visibility < best.visibility):
            best = found
        if time.monotonic() > deadline:
            break
    if best is None:
        # Not even the polytope met an inequality: the state is local for all settings that were tried.
        settings = tuple(rounded_vectors(_random(rng, (m, 3), mask)) for m in sizes)
        zero = BellExpression(np.zeros((*sizes, *(2,) * n)))
        return OptimizedSettings(tensor, settings, BellInequality.of(zero), other)
    return best


def _alternate(
    tensor: CorrelationTensor,
    noise: CorrelationTensor | None,
    sizes: tuple[int, ...],
    mask: FloatArray,
    rng: np.random.Generator,
    deadline: float,
    *,
    first: bool,
) -> OptimizedSettings | None:
    """Settings, their inequality, better settings for it, and so on, until the visibility stalls."""
    vectors = [_random(rng, (m, 3), mask) for m in sizes]
    if first and len(sizes) == 2 and min(sizes) >= 3:
        # I3322 is violated by states that no CHSH inequality shows, at settings that are hard to come by otherwise.
        coefficients = np.zeros([m + 1 for m in sizes])
        coefficients[:4, :4] = i3322().to_correlators()
        vectors = ascend(tensor.array, coefficients, mask, 100, rng)[0]
    elif first:
        vectors = [_spread(m, mask) for m in sizes]
    best: OptimizedSettings | None = None
    for _ in range(_MAX_ROUNDS):
        rounded = tuple(rounded_vectors(one) for one in vectors)
        left = None if math.isinf(deadline) else max(0.05, deadline - time.monotonic())
        threshold = nonlocality_threshold(
            _behavior(tensor, rounded),
            noise=None if noise is None else _behavior(noise, rounded),
            max_visibility=100.0,
            time_limit=left,
        )
        if threshold.inequality is None:
            return best
        found = OptimizedSettings(tensor, rounded, threshold.inequality, noise)
        stalled = best is not None and found.visibility > best.visibility - _STALLED
        if best is None or found.visibility < best.visibility:
            best = found
        if stalled or time.monotonic() > deadline:
            return best
        # At the visibility reached, a larger value of the mixture means a lower visibility.
        mixed = found.mixed(min(found.visibility, 100.0)).correlations
        coefficients = threshold.inequality.expression.to_correlators()
        vectors, _ = ascend(mixed.array, coefficients, mask, 8, rng, given=vectors)
    return best


def qubit_tensor(state: Any) -> CorrelationTensor:
    """The correlations of a state of 2 to 6 qubits.

    Raises:
        MeasurementError: If it is anything else.
    """
    tensor = state if isinstance(state, CorrelationTensor) else CorrelationTensor.from_state(state)
    if set(tensor.dimensions) != {2} or not 2 <= tensor.num_parties <= _MAX_PARTIES:
        raise MeasurementError.bad_argument(
            "state", expected=f"2 to {_MAX_PARTIES} qubits", got=f"dimensions {tensor.dimensions}"
        )
    return tensor


def allowed_coordinates(measurements: str) -> FloatArray:
    """1 for the coordinates of Bloch vectors that may differ from zero."""
    masks = {"projective": [1, 1, 1], "xy": [1, 1, 0], "xz": [1, 0, 1], "yz": [0, 1, 1]}
    if measurements not in masks:
        raise MeasurementError.bad_argument(
            "measurements", expected=f"one of {', '.join(map(repr, masks))}", got=repr(measurements)
        )
    return np.array(masks[measurements], dtype=float)


def _random(rng: np.random.Generator, shape: tuple[int, ...], mask: FloatArray) -> FloatArray:
    vectors = rng.normal(size=shape) * mask
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


def _spread(count: int, mask: FloatArray) -> FloatArray:
    """Equally spaced axes of a plane: a good start for many states."""
    angles = math.pi * np.arange(count) / count
    first, second = np.flatnonzero(mask)[:2]
    vectors = np.zeros((count, 3))
    vectors[:, first], vectors[:, second] = np.cos(angles), np.sin(angles)
    return vectors


def rounded_vectors(vectors: FloatArray) -> FloatArray:
    """Binary fractions, shortened a little so that no vector is longer than 1."""
    scale = 2.0**_BITS
    return np.trunc(vectors / np.linalg.norm(vectors, axis=1, keepdims=True) * (1 - 2.0**-45) * scale) / scale
