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

    Returns:
        The mixture, on the state's subsystems.

    Raises:
        MeasurementError: If the visibility is not in [0, 1], or the state or the noise cannot be used.

    Examples:
        >>> import numpy as np
        >>> from qiskit.quantum_info import Statevector
        >>> print(mix_with_noise(Statevector.from_label("00"), 0.8).probabilities().round(9))
        [0.85 0.05 0.05 0.05]
        >>> bell = Statevector([np.sqrt(0.5), 0, 0, np.sqrt(0.5)])
        >>> dephased = mix_with_noise(bell, 0.9, noise=np.diag([0.5, 0, 0, 0.5]))
        >>> print(dephased.data.real.round(9))
        [[0.5  0.   0.   0.45]
         [0.   0.   0.   0.  ]
         [0.   0.   0.   0.  ]
         [0.45 0.   0.   0.5 ]]
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

    Returns:
        The state of two qubits.

    Raises:
        MeasurementError: If the visibility is not in [0, 1].

    References:
        R. F. Werner, Phys. Rev. A 40, 4277 (1989).

    Examples:
        >>> print(werner_state(0.5).data.real)
        [[ 0.125  0.     0.     0.   ]
         [ 0.     0.375 -0.25   0.   ]
         [ 0.    -0.25   0.375  0.   ]
         [ 0.     0.     0.     0.125]]
        >>> from qiskit_lhv.projective import horodecki_chsh
        >>> print(horodecki_chsh(werner_state(0.8)))
        M = 1.28: violates a CHSH inequality (largest value 2.2627417, local bound 2)
    """
    return mix_with_noise(np.array([0, 1, -1, 0]) / np.sqrt(2), visibility)


def isotropic_state(visibility: float, dimension: int = 2) -> DensityMatrix:
    """The maximally entangled state ``sum_i |ii> / sqrt(d)`` of two d-level systems mixed with white noise.

    Args:
        visibility: Weight of the entangled state, from 0 to 1.
        dimension: Dimension d of each system, at least 2.

    Returns:
        The state, of dimensions ``(d, d)``.

    Raises:
        MeasurementError: If an argument is out of range.

    References:
        M. Horodecki, P. Horodecki, Phys. Rev. A 59, 4206 (1999), arXiv:quant-ph/9708015.

    Examples:
        >>> state = isotropic_state(0.5, 3)
        >>> print(state.dims(), state.probabilities().round(4))
        (3, 3) [0.2222 0.0556 0.0556 0.0556 0.2222 0.0556 0.0556 0.0556 0.2222]
        >>> from qiskit_lhv.projective import prove_compatible
        >>> print(f"local up to visibility {prove_compatible(isotropic_state(1, 3)).visibility:.6f}")
        local up to visibility 0.416667
    """
    dimension = whole_number(dimension, "dimension", MeasurementError, minimum=2)
    entangled = Statevector(np.eye(dimension).ravel() / np.sqrt(dimension), dims=(dimension, dimension))
    return mix_with_noise(entangled, visibility)


def bell_diagonal_state(correlations: Sequence[float]) -> DensityMatrix:
    """The two-qubit state ``(1 + sum_i t_i sigma_i x sigma_i) / 4``, also called the XYZ state.

    Args:
        correlations: The three correlations t_x, t_y, t_z. The states form a tetrahedron; the singlet is ``(-1, -1,
            -1)``.

    Returns:
        The state of two qubits.

    Raises:
        MeasurementError: If these are not three real numbers, or no state has these correlations.

    References:
        R. Horodecki, M. Horodecki, Phys. Rev. A 54, 1838 (1996), arXiv:quant-ph/9607007 (the tetrahedron of states).

    Examples:
        >>> from qiskit.quantum_info import SparsePauliOp
        >>> state = bell_diagonal_state([0.2, 0.1, -0.7])
        >>> [round(float(state.expectation_value(SparsePauliOp(pauli)).real), 6) for pauli in ("XX", "YY", "ZZ")]
        [0.2, 0.1, -0.7]
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

    Returns:
        The state of ``num_qubits`` qubits.

    Raises:
        MeasurementError: If an argument is out of range.

    References:
        D. M. Greenberger, M. A. Horne, A. Zeilinger, arXiv:0712.0921 (Going beyond Bell's theorem, 1989).

    Examples:
        >>> print(ghz_state(3).probabilities().round(9))
        [0.5 0.  0.  0.  0.  0.  0.  0.5]
        >>> from qiskit_lhv.projective import wwzb_settings
        >>> print(f"nonlocal above visibility {wwzb_settings(ghz_state(3), seed=1).visibility:.6f}")
        nonlocal above visibility 0.500000
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

    Returns:
        The state of ``num_qubits`` qubits.

    Raises:
        MeasurementError: If an argument is out of range.

    References:
        W. Duer, G. Vidal, J. I. Cirac, Phys. Rev. A 62, 062314 (2000), arXiv:quant-ph/0005115.

    Examples:
        >>> print(w_state(3).probabilities().round(6))
        [0.       0.333333 0.333333 0.       0.333333 0.       0.       0.      ]
        >>> from qiskit_lhv.spin_chains import reduced_state
        >>> print(reduced_state(w_state(3), [0, 1]).probabilities().round(6))  # after the loss of a qubit
        [0.333333 0.333333 0.333333 0.      ]
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

    Returns:
        The state of ``num_qubits`` qubits.

    Raises:
        MeasurementError: If an edge does not join two of the qubits, or an argument is out of range.

    References:
        H. J. Briegel, R. Raussendorf, Phys. Rev. Lett. 86, 910 (2001), arXiv:quant-ph/0004051; M. Hein, J. Eisert, H.
        J. Briegel, Phys. Rev. A 69, 062311 (2004), arXiv:quant-ph/0307130.

    Examples:
        >>> from qiskit.quantum_info import SparsePauliOp
        >>> cluster = graph_state([(0, 1), (1, 2)], 3, visibility=0.9)
        >>> [round(float(cluster.expectation_value(SparsePauliOp(g)).real), 6) for g in ("IZX", "ZXZ", "XZI")]
        [0.9, 0.9, 0.9]
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

    Returns:
        The state of ``num_qubits`` qubits.

    Raises:
        MeasurementError: If an argument is out of range.

    References:
        K. Zyczkowski, H.-J. Sommers, J. Phys. A 34, 7111 (2001), arXiv:quant-ph/0012101 (induced measures).

    Examples:
        >>> import numpy as np
        >>> from qiskit_lhv.projective import prove_separable
        >>> state = random_state(3, rank=2, seed=1)
        >>> print(state.dims(), np.linalg.matrix_rank(state.data))
        (2, 2, 2) 2
        >>> print(prove_separable(random_state(2, rank=2, seed=1)))  # of rank two: entangled
        None
    """
    dimension = 2 ** whole_number(num_qubits, "num_qubits", MeasurementError, maximum=_MAX_QUBITS)
    rank = dimension if rank is None else whole_number(rank, "rank", MeasurementError)
    if rank > dimension:
        raise MeasurementError.bad_argument("rank", expected=f"at most {dimension}", got=f"{rank}")
    return random_density_matrix((2,) * num_qubits, rank=rank, seed=generator(seed))
