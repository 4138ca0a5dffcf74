"""Families of states that are often asked about, each with white or other noise."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from qiskit import QuantumCircuit
from qiskit.quantum_info import DensityMatrix, Statevector, random_density_matrix

from .._support.validation import generator, is_whole_number, probability, real_array, whole_number
from ..exceptions import MeasurementError
from .parties import to_state

__all__ = [
    "bell_diagonal_state",
    "ghz_state",
    "graph_state",
    "isotropic_state",
    "mix_with_noise",
    "random_state",
    "w_state",
    "werner_state",
]

_EIGENVALUE_ATOL = 1e-12
# The density matrix of 14 qubits takes 4 GB.
_MAX_QUBITS = 14


def mix_with_noise(state: Any, visibility: float, noise: Any = None) -> DensityMatrix:
    """The mixture ``visibility * state + (1 - visibility) * noise``.

    Args:
        state: ``Statevector``, ``DensityMatrix``, circuit or array.
        visibility: Weight of the state, from 0 to 1.
        noise: A state of the same dimensions; default: white noise.

    Raises:
        MeasurementError: If the visibility is not in [0, 1], or the state or the noise cannot be used.
    """
    visibility = probability(visibility, "visibility", MeasurementError)
    matrix = DensityMatrix(to_state(state))
    if noise is None:
        other = np.eye(matrix.dim) / matrix.dim
    else:
        checked = DensityMatrix(to_state(noise, "noise"))
        if checked.dim != matrix.dim:
            raise MeasurementError.bad_argument(
                "noise", expected=f"a state of dimension {matrix.dim}", got=f"dimension {checked.dim}"
            )
        other = checked.data
    return DensityMatrix(visibility * matrix.data + (1 - visibility) * other, dims=matrix.dims())


def werner_state(visibility: float) -> DensityMatrix:
    """The two-qubit singlet mixed with white noise.

    Args:
        visibility: Weight of the singlet, from 0 to 1.

    Raises:
        MeasurementError: If the visibility is not in [0, 1].

    References:
        R. F. Werner, Phys. Rev. A 40, 4277 (1989).
    """
    return mix_with_noise(np.array([0, 1, -1, 0]) / np.sqrt(2), visibility)


def isotropic_state(visibility: float, dimension: int = 2) -> DensityMatrix:
    """The maximally entangled state ``sum_i |ii> / sqrt(d)`` of two d-level systems mixed with white noise.

    Args:
        visibility: Weight of the entangled state, from 0 to 1.
        dimension: Dimension d of each system, at least 2.

    Raises:
        MeasurementError: If an argument is out of range.
    """
    dimension = whole_number(dimension, "dimension", MeasurementError, minimum=2)
    entangled = Statevector(np.eye(dimension).ravel() / np.sqrt(dimension), dims=(dimension, dimension))
    return mix_with_noise(entangled, visibility)


def bell_diagonal_state(correlations: Sequence[float]) -> DensityMatrix:
    """The two-qubit state ``(1 + sum_i t_i sigma_i x sigma_i) / 4``, also called the XYZ state.

    Args:
        correlations: The three correlations t_x, t_y, t_z. The states form a tetrahedron; the singlet is
            ``(-1, -1, -1)``.

    Raises:
        MeasurementError: If these are not three real numbers, or no state has these correlations.
    """
    t = real_array(correlations, "correlations", MeasurementError)
    if t.shape != (3,):
        raise MeasurementError.bad_argument("correlations", expected="three numbers", got=f"shape {t.shape}")
    # Weights of the four Bell states: they are the eigenvalues.
    lowest = float(min((1 + np.array([[1, -1, 1], [-1, 1, 1], [1, 1, -1], [-1, -1, -1]]) @ t) / 4))
    if lowest < -_EIGENVALUE_ATOL:
        raise MeasurementError.bad_argument(
            "correlations", expected="a point of the tetrahedron of states", got=f"an eigenvalue of {lowest:.3g}"
        )
    x, y, z = np.array([[0, 1], [1, 0]]), np.array([[0, -1j], [1j, 0]]), np.diag([1, -1])
    matrix = np.eye(4) + sum(value * np.kron(sigma, sigma) for value, sigma in zip(t, (x, y, z), strict=True))
    return DensityMatrix(matrix / 4)


def ghz_state(num_qubits: int, visibility: float = 1.0, noise: Any = None) -> DensityMatrix:
    """The Greenberger-Horne-Zeilinger state ``(|0...0> + |1...1>) / sqrt(2)`` with noise.

    Args:
        num_qubits: Number of qubits, at least 2.
        visibility: Weight of the pure state.
        noise: A state of as many qubits; default: white noise.

    Raises:
        MeasurementError: If an argument is out of range.
    """
    amplitudes = np.zeros(2 ** whole_number(num_qubits, "num_qubits", MeasurementError, minimum=2, maximum=_MAX_QUBITS))
    amplitudes[[0, -1]] = np.sqrt(0.5)
    return mix_with_noise(amplitudes, visibility, noise)


def w_state(num_qubits: int, visibility: float = 1.0, noise: Any = None) -> DensityMatrix:
    """The W state, the equal superposition of all states with a single qubit in ``|1>``, with noise.

    Args:
        num_qubits: Number of qubits, at least 2.
        visibility: Weight of the pure state.
        noise: A state of as many qubits; default: white noise.

    Raises:
        MeasurementError: If an argument is out of range.
    """
    num_qubits = whole_number(num_qubits, "num_qubits", MeasurementError, minimum=2, maximum=_MAX_QUBITS)
    amplitudes = np.zeros(2**num_qubits)
    amplitudes[2 ** np.arange(num_qubits)] = 1 / np.sqrt(num_qubits)
    return mix_with_noise(amplitudes, visibility, noise)


def graph_state(
    edges: Iterable[tuple[int, int]], num_qubits: int, visibility: float = 1.0, noise: Any = None
) -> DensityMatrix:
    """The graph state: every qubit in ``|+>``, then a controlled-Z gate for every edge, with noise.

    Args:
        edges: Pairs of different qubits; a chain gives the linear cluster state.
        num_qubits: Number of qubits, at least 2.
        visibility: Weight of the pure state.
        noise: A state of as many qubits; default: white noise.

    Raises:
        MeasurementError: If an edge does not join two of the qubits, or an argument is out of range.
    """
    num_qubits = whole_number(num_qubits, "num_qubits", MeasurementError, minimum=2, maximum=_MAX_QUBITS)
    circuit = QuantumCircuit(num_qubits)
    circuit.h(range(num_qubits))
    for edge in edges:
        pair = tuple(edge)
        valid = len(pair) == 2 and all(is_whole_number(q) and 0 <= q < num_qubits for q in pair)
        if not valid or pair[0] == pair[1]:
            raise MeasurementError.bad_argument(
                "edges", expected=f"pairs of different qubits below {num_qubits}", got=repr(edge)
            )
        circuit.cz(*pair)
    return mix_with_noise(circuit, visibility, noise)


def random_state(num_qubits: int, rank: int | None = None, seed: int | None = None) -> DensityMatrix:
    """A random state, distributed by the Hilbert-Schmidt measure, or its induced ones for lower rank.

    Args:
        num_qubits: Number of qubits, at least 1.
        rank: Rank of the matrix; default: full rank.
        seed: Seed, or ``None``.

    Raises:
        MeasurementError: If an argument is out of range.
    """
    dimension = 2 ** whole_number(num_qubits, "num_qubits", MeasurementError, maximum=_MAX_QUBITS)
    rank = dimension if rank is None else whole_number(rank, "rank", MeasurementError)
    if rank > dimension:
        raise MeasurementError.bad_argument("rank", expected=f"at most {dimension}", got=f"{rank}")
    return random_density_matrix((2,) * num_qubits, rank=rank, seed=generator(seed))
