"""Families of states that are often asked about."""

from __future__ import annotations

import numpy as np
from qiskit.quantum_info import DensityMatrix

from .._validation import probability
from ..exceptions import MeasurementError

__all__ = ["werner_state"]


def werner_state(visibility: float) -> DensityMatrix:
    """The two-qubit singlet mixed with white noise.

    Args:
        visibility: Weight of the singlet, from 0 to 1.

    Raises:
        MeasurementError: If the visibility is not in [0, 1].

    References:
        R. F. Werner, Phys. Rev. A 40, 4277 (1989).
    """
    visibility = probability(visibility, "visibility", MeasurementError)
    singlet = np.array([0, 1, -1, 0]) / np.sqrt(2)
    return DensityMatrix(visibility * np.outer(singlet, singlet) + (1 - visibility) * np.eye(4) / 4)
