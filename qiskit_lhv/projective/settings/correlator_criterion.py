"""Settings with the largest violation of the Werner-Wolf-Zukowski-Brukner condition (two settings per party)."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..._support.types import FloatArray
from ..._support.validation import generator, whole_number
from ...exceptions import ScenarioError
from ...measurements.named_sets import projective_set
from ...measurements.sets import MeasurementSet
from ...polytope.expressions.full_correlators import wwzb
from ...polytope.inequalities.bell_inequality import BellInequality
from ...targets.correlations import CorrelationTensor
from ...targets.qubits import qubit_tensor
from .ascent import ascend
from .optimized import OptimizedSettings, rounded_vectors

__all__ = ["wwzb_settings"]


_MAX_ROUNDS = 100
_SWEEPS = 10
_STALLED = 1e-9


def wwzb_settings(
    state: Any, *, measurements: MeasurementSet | str = "projective", num_starts: int = 20, seed: int | None = None
) -> OptimizedSettings:
    """Searches for two settings per party whose full correlators violate the WWZB condition most.

    The condition consists of one inequality for each pattern of signs. The search alternates two steps: it picks the
    pattern that the present settings violate most, and then the settings that violate this pattern most. For two qubits
    the result is that of ``horodecki_settings``.

    Args:
        state: ``DensityMatrix``, ``Statevector``, ``QuantumCircuit`` or ``CorrelationTensor`` of 2 to 6 qubits.
        measurements: ``"projective"``, or a plane, ``"xy"``, ``"xz"`` or ``"yz"``; a string or a ``MeasurementSet``.
        num_starts: Number of random starts.
        seed: Seed, or ``None``.

    Returns:
        The settings, with the inequality that they violate most.

    Raises:
        MeasurementError: If the state is not a valid state of 2 to 6 qubits, or the measurements are unknown.
        ScenarioError: If the number of starts is below 1.

    References:
        R. F. Werner, M. M. Wolf, Phys. Rev. A 64, 032112 (2001), arXiv:quant-ph/0102024; M. Zukowski, C. Brukner, Phys.
        Rev. Lett. 88, 210401 (2002), arXiv:quant-ph/0102039.

    Examples:
        >>> from qiskit_lhv import ghz_state
        >>> print(round(wwzb_settings(ghz_state(4), seed=1).visibility, 6))
        0.353553
    """
    tensor = qubit_tensor(state)
    measured = projective_set(measurements)
    num_starts = whole_number(num_starts, "num_starts", ScenarioError)
    rng = generator(seed)
    best, best_value = None, -np.inf
    for _ in range(num_starts):
        vectors = rng.normal(size=(tensor.num_parties, 2, 3)) * measured.coordinates
        settings = list(vectors / np.linalg.norm(vectors, axis=2, keepdims=True))
        value = -np.inf
        for _ in range(_MAX_ROUNDS):
            expression = wwzb(np.clip(_correlators(tensor, settings), -1, 1)).expression()
            # A few sweeps at a time: the pattern of signs may change before the settings have converged.
            settings, reached = ascend(
                tensor.array, expression.to_correlators(), measured, 1, rng, given=settings, max_sweeps=_SWEEPS
            )
            if reached <= value + _STALLED:
                break
            value = reached
        if value > best_value:
            rounded = tuple(rounded_vectors(party_vectors) for party_vectors in settings)
            inequality = BellInequality.of(wwzb(np.clip(_correlators(tensor, list(rounded)), -1, 1)).expression())
            best, best_value = OptimizedSettings(tensor, rounded, inequality), value
    assert best is not None
    return best


def _correlators(tensor: CorrelationTensor, settings: list[FloatArray]) -> FloatArray:
    """Returns the full correlators, shape ``(2,) * N``."""
    block = tensor.array[(slice(1, None),) * tensor.num_parties]
    for party_vectors in settings:
        block = np.tensordot(block, party_vectors, axes=(0, 1))
    return block
