"""The exact local model of one qubit: deterministic responses, and a density of hidden variables on the sphere."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .._support.types import FloatArray
from .._support.validation import real_array
from ..exceptions import MeasurementError, ScenarioError
from ..targets.qubits import qubit_tensor

__all__ = ["kochen_specker_density"]


def kochen_specker_density(state: Any, directions: Any) -> FloatArray:
    """Returns the density of hidden variables with which sharp responses reproduce a qubit.

    The hidden variable is a unit vector, and the outcome of a measurement with Bloch vector n is the sign of their
    scalar product. With Bloch vector r of the state, the density ``max(r . v, 0) / pi + (1 - |r|) / (4 pi)`` gives
    every projective measurement its mean r . n.

    Args:
        state: A state of one qubit: ``DensityMatrix``, ``Statevector``, ``QuantumCircuit`` or ``CorrelationTensor``.
        directions: Where on the sphere, shape ``(n, 3)``; only the direction of each vector counts.

    Returns:
        Density per steradian, shape ``(n,)``; its integral over the sphere is 1.

    Raises:
        MeasurementError: If the state is not one of a qubit.
        ScenarioError: If the directions are not nonzero vectors with three components.

    References:
        S. Kochen and E. P. Specker, J. Math. Mech. 17, 59 (1967), for pure states; arXiv:2407.04673.

    Examples:
        Densities at the north pole, on the equator and at the south pole: of a pure state, of the maximally mixed one,
        and of a state with half the Bloch length. (1 / pi is 0.3183, and 1 / (4 pi) is 0.0796.)

        >>> from qiskit.quantum_info import DensityMatrix
        >>> directions = [[0, 0, 1], [1, 0, 0], [0, 0, -1]]
        >>> for weight in (1.0, 0.5, 0.75):
        ...     state = DensityMatrix(np.diag([weight, 1 - weight]))
        ...     print(kochen_specker_density(state, directions).round(4).tolist())
        [0.3183, 0.0, 0.0]
        [0.0796, 0.0796, 0.0796]
        [0.1989, 0.0398, 0.0398]
    """
    tensor = qubit_tensor(state, fewest=1)
    if tensor.num_parties != 1:
        raise MeasurementError.bad_argument(
            "state", expected="a state of one qubit", got=f"{tensor.num_parties} qubits"
        )
    bloch = tensor.array[1:]
    vectors = real_array(directions, "directions", ScenarioError, ndim=2)
    lengths = np.linalg.norm(vectors, axis=1)
    if vectors.shape[1] != 3 or not np.all(lengths > 0):
        raise ScenarioError.bad_argument(
            "directions", expected="nonzero vectors, shape (n, 3)", got=f"shape {vectors.shape}"
        )
    # A length just above 1 is rounding.
    rest = max(0.0, 1 - float(np.linalg.norm(bloch)))
    return np.asarray(np.maximum(vectors @ bloch / lengths, 0) / math.pi + rest / (4 * math.pi))
