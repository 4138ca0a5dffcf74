"""Coordinates of states and effects in a basis of Hermitian matrices, and the probabilities that follow from them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._support.types import FloatArray
from ..exceptions import ScenarioError
from ..measurements.specification import Measurement, parse_settings
from ..quantum.parties import party_tensor, state_of_parties
from ..quantum.qubit_layouts import PhysicalQubits
from .pauli_transform import pauli_tensor
from .scenario import BellScenario

__all__ = [
    "coordinates_of_effects",
    "correlations_of_state",
    "effect_coordinates",
    "hermitian_basis",
    "probabilities",
    "scenario_of_settings",
]


@cache
def hermitian_basis(dimension: int) -> NDArray[np.complex128]:
    """The identity and the generalized Gell-Mann matrices; for dimension 2: I, X, Y, Z.

    All but the identity are traceless and satisfy ``tr(G_i G_j) = 2 delta_ij``. Their order is:
    symmetric, antisymmetric (each by row, then column), diagonal.

    Args:
        dimension: Dimension D of the space.

    Returns:
        Shape ``(D**2, D, D)``, read-only.
    """
    pairs = [(j, k) for j in range(dimension) for k in range(j + 1, dimension)]
    matrices = np.zeros((dimension**2, dimension, dimension), dtype=complex)
    matrices[0] = np.eye(dimension)
    for i, (j, k) in enumerate(pairs):
        matrices[1 + i, [j, k], [k, j]] = 1
        matrices[1 + len(pairs) + i, [j, k], [k, j]] = [-1j, 1j]
    for level in range(1, dimension):
        diagonal = np.zeros(dimension)
        diagonal[:level], diagonal[level] = 1, -level
        matrices[2 * len(pairs) + level] = np.diag(diagonal * math.sqrt(2 / (level * (level + 1))))
    matrices.flags.writeable = False
    return matrices


def effect_coordinates(measurements: Sequence[Measurement]) -> FloatArray:
    """Coordinates of the effects in :func:`hermitian_basis`: p(a|x) is their contraction with the tensor.

    Args:
        measurements: The settings of one party, of equal dimension D.

    Returns:
        Shape ``(m, d, D**2)``, with d outcomes of the largest measurement; those that others lack are 0.
    """
    most = max(measurement.num_outcomes for measurement in measurements)
    if all(measurement.num_outcomes == most for measurement in measurements):
        effects = np.stack([measurement.effects for measurement in measurements])
    else:
        effects = np.zeros((len(measurements), most, *measurements[0].effects.shape[1:]), dtype=complex)
        for x, measurement in enumerate(measurements):
            effects[x, : measurement.num_outcomes] = measurement.effects
    return coordinates_of_effects(effects)


def coordinates_of_effects(effects: NDArray[np.complex128]) -> FloatArray:
    """Coordinates of Hermitian matrices in :func:`hermitian_basis`, shape ``(..., D**2)``.

    Args:
        effects: Hermitian matrices, shape ``(..., D, D)``.
    """
    dimension = effects.shape[-1]
    basis = hermitian_basis(dimension).reshape(dimension**2, -1)
    norms = np.sum(np.abs(basis) ** 2, axis=1)
    # Tr(E G) of two Hermitian matrices is the sum of E times the conjugate of G.
    flat = effects.reshape(*effects.shape[:-2], -1)
    return np.asarray((flat.real @ basis.real.T + flat.imag @ basis.imag.T) / norms)


def scenario_of_settings(settings: Sequence[Sequence[Measurement]]) -> BellScenario:
    """The scenario of measurements, one sequence per party."""
    return BellScenario(
        tuple(len(party) for party in settings),
        tuple(tuple(measurement.num_outcomes for measurement in party) for party in settings),
    )


def correlations_of_state(
    state: Any, parties: Sequence[Any] | PhysicalQubits | None = None, name: str = "state"
) -> FloatArray:
    """All expectation values of a state, as ``CorrelationTensor`` holds them.

    Args:
        state: As in ``CorrelationTensor.from_state``.
        parties: The qubits of each party; default: party k is qubit k.
        name: Name of the argument, for messages.

    Returns:
        Shape ``(D_1**2, ..., D_N**2)``, read-only for qubits.

    Raises:
        MeasurementError: If the state or the parties cannot be used, or the values do not fit into memory.
    """
    checked, groups = state_of_parties(state, parties, name)
    if set(checked.dims()) == {2} and all(len(group) == 1 for group in groups):
        array = pauli_tensor(checked.data, [group[0] for group in groups], name)
        array.flags.writeable = False
        return array
    tensor, dimensions = party_tensor(checked, groups, name)
    n = len(dimensions)
    for k, dimension in enumerate(dimensions):
        # tr(rho G_i) takes the ket axis (always first) with the bra axis of the same party.
        tensor = np.tensordot(tensor, hermitian_basis(dimension), axes=([0, n - k], [2, 1]))
    # A state's trace may be off by rounding; a tensor's first entry is the trace and must be 1.
    return np.asarray(tensor.real / tensor.real.flat[0])


def probabilities(
    correlations: FloatArray, settings: Sequence[Sequence[Any]] | str
) -> tuple[FloatArray, BellScenario, tuple[tuple[str, ...], ...] | None]:
    """The table p(a|x) of chosen measurements, as ``Behavior`` holds it, its scenario, and the settings' names.

    Args:
        correlations: Expectation values, shape ``(D_1**2, ..., D_N**2)``.
        settings: One sequence of measurements per party (anything that ``measurement`` takes), or a name.

    Raises:
        MeasurementError: If a measurement cannot be used or does not fit its party.
        ScenarioError: If the correlations give these measurements negative probabilities.
    """
    parsed = parse_settings(settings, [math.isqrt(size) for size in correlations.shape])
    table = correlations
    for party in parsed:
        table = np.tensordot(table, effect_coordinates(party), axes=(0, 2))
    n = correlations.ndim
    array = table.transpose([2 * k for k in range(n)] + [2 * k + 1 for k in range(n)])
    if array.min() < -1e-9:
        raise ScenarioError.bad_argument(
            "settings",
            expected="measurements whose probabilities are not negative",
            got=f"a probability of {array.min():.3g}",
            remedy="The tensor is not that of a state.",
        )
    # The state's own rounding (its trace may be off by 1e-8) must not reach the behavior.
    array = np.maximum(array, 0)
    names = tuple(tuple(one.name for one in party) for party in parsed)
    # Names that two settings of a party share tell nothing.
    told = all(len(set(party)) == len(party) for party in names)
    table = array / array.sum(axis=tuple(range(n, 2 * n)), keepdims=True)
    return table, scenario_of_settings(parsed), names if told else None
