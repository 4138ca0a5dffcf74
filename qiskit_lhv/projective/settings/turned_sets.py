"""Settings at which two-qubit states violate the inequality of the package that was found for Werner states."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..._support.types import FloatArray
from ...exceptions import MeasurementError
from ...polytope.inequalities.werner import werner_inequality
from ...targets.correlations import CorrelationTensor
from ...targets.qubits import qubit_tensor
from .optimized import OptimizedSettings, rounded_vectors

__all__ = ["werner_settings"]


_MAX_SWEEPS = 300
_CONVERGED = 1e-9
_MAX_ROUNDS = 20
_SAME_RATIO = 1e-10
# The rotations of the icosahedron, which leave the inequality as it is, hold the even permutations of the coordinate
# axes; this turn makes the odd ones.
_QUARTER_TURN = np.array([[0.0, 1.0, 0.0], [-1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])


def werner_settings(state: Any, noise: Any = None) -> OptimizedSettings:
    """Settings at which a two-qubit state violates the inequality of ``werner_inequality()`` most.

    The 36 and 91 axes of the inequality are turned to the singular vectors of the state's correlations, so that a
    rotated Werner state is treated like a Werner state. Then the axes of both parties are improved in turn: for a fixed
    inequality, the axes of one party determine the best axes of the other. States whose three singular values are
    nearly equal can violate this inequality even if they violate no CHSH inequality.

    Args:
        state: ``DensityMatrix``, ``Statevector``, ``QuantumCircuit`` or ``CorrelationTensor`` of two qubits.
        noise: A local state of the same qubits, in which the lowest visibility is sought; default: white noise.

    Returns:
        The settings, with the inequality and its proven bound. Their ``verify()`` says whether the state is nonlocal;
        it proves the bound again within seconds.

    Raises:
        MeasurementError: If the state or the noise is not a valid state of two qubits.

    References:
        T. Vertesi, Phys. Rev. A 78, 032112 (2008), arXiv:0806.0096 (the first inequalities for Werner states better
        than CHSH).

    Examples:
        >>> from qiskit_lhv import werner_state
        >>> found = werner_settings(werner_state(0.7))
        >>> found.violation > 0, f"{found.visibility:.6f}"
        (True, '0.999622')
    """
    tensor = qubit_tensor(state)
    other = None if noise is None else qubit_tensor(noise, "noise")
    for name, given in (("state", tensor), ("noise", other)):
        if given is not None and given.num_parties != 2:
            raise MeasurementError.bad_argument(name, expected="two qubits", got=f"{given.num_parties}")
    best = _best(tensor, other, tensor.array[1:, 1:])
    if other is not None:
        # Dinkelbach's method: at the visibility reached, a larger value of the mixture means a lower visibility.
        for _ in range(_MAX_ROUNDS):
            if not 0 < best.visibility < 1:
                break
            mixed = best.visibility * tensor.array + (1 - best.visibility) * other.array
            found = _best(tensor, other, mixed[1:, 1:])
            if found.visibility > best.visibility - _SAME_RATIO:
                break
            best = found
    return best


def _best(tensor: CorrelationTensor, noise: CorrelationTensor | None, block: FloatArray) -> OptimizedSettings:
    """Returns settings that maximize the inequality's value for correlations of both parties, shape ``(3, 3)``."""
    known = werner_inequality()
    left, _, right = np.linalg.svd(block)
    ends = []
    for turn in (np.eye(3), _QUARTER_TURN):
        # The singlet's correlations are minus the identity.
        first = known.first_axes @ turn.T @ left.T
        second = -known.second_axes @ turn.T @ right
        ends.append(_alternate(known.correlators, block, first, second))
    _, first, second = max(ends, key=lambda end: end[0])
    return OptimizedSettings(tensor, (rounded_vectors(first), rounded_vectors(second)), known.inequality, noise)


def _alternate(
    coefficients: FloatArray, block: FloatArray, first: FloatArray, second: FloatArray
) -> tuple[float, FloatArray, FloatArray]:
    """Returns the final value and axes after improving one party's axes after the other's."""
    value = -np.inf
    for _ in range(_MAX_SWEEPS):
        first = _directions(coefficients @ (second @ block.T), first)
        second = _directions(coefficients.T @ (first @ block), second)
        reached = float(np.sum(coefficients * (first @ block @ second.T)))
        if reached - value <= _CONVERGED * abs(reached):
            break
        value = reached
    return reached, first, second


def _directions(slopes: FloatArray, before: FloatArray) -> FloatArray:
    """Returns the unit vectors along the slopes; a vector that the value does not depend on stays unchanged."""
    lengths = np.linalg.norm(slopes, axis=1, keepdims=True)
    return np.where(lengths > 1e-12, slopes / np.maximum(lengths, 1e-12), before)
