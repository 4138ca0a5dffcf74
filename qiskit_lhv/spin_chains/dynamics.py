"""States of spin chains: reduced states of a few spins, thermal states, time evolution."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from qiskit.quantum_info import DensityMatrix, SparseObservable, SparsePauliOp, Statevector

from .._support.validation import at_most, positive_number, real_array
from ..exceptions import MeasurementError
from ..quantum.parties import to_state
from .ground_states import GroundState
from .pauli_sums import PauliTerms, checked_hamiltonian, in_natural_units, sector_basis, sector_matrix
from .reduction import kept_axes, listed_spins, reduced_matrix

__all__ = ["evolve", "reduced_state", "thermal_state"]

_MAX_MATRIX = 12
_MAX_CHECKED = 1 << 8
_TRACE_ATOL = 1e-8
_SAME_LEVEL = 1e-12
_COLDEST = 1e-300
_CHEBYSHEV = 1e-15
# More products of the Hamiltonian with a state than anybody waits for.
_MAX_REACH = 1e8


def reduced_state(state: Any, spins: Sequence[int]) -> DensityMatrix:
    """The state of some spins, computed directly from the amplitudes of all.

    Args:
        state: ``Statevector``, ``DensityMatrix``, ``QuantumCircuit``, array of amplitudes of shape ``(2 ** n,)``, or
            ``GroundState``. Degenerate ground states count equally: the result is that of temperature zero.
        spins: The spins, at most 10, in the order of the qubits of the result: qubit 0 is ``spins[0]``.

    Returns:
        The state on ``len(spins)`` qubits.

    Raises:
        MeasurementError: If the state is not valid, a spin does not exist or is listed twice, or there are too many.

    Examples:
        >>> from qiskit.quantum_info import Statevector
        >>> print(reduced_state(Statevector.from_label("100"), [2, 0]).probabilities())  # spin 2 is down
        [0. 1. 0. 0.]
    """
    if isinstance(state, GroundState):
        return state.reduced(spins)
    checked = _checked_state(state)
    n = int(checked.num_qubits)
    listed = listed_spins(spins, n)
    if isinstance(checked, Statevector):
        return DensityMatrix(reduced_matrix(checked.data, listed))
    kept, rest = kept_axes(listed, n)
    size, other = 2 ** len(kept), 2 ** len(rest)
    order = kept + rest + [n + axis for axis in kept] + [n + axis for axis in rest]
    tensor = checked.data.reshape((2,) * (2 * n)).transpose(order)
    return DensityMatrix(np.einsum("arbr->ab", tensor.reshape(size, other, size, other)))


def thermal_state(hamiltonian: SparsePauliOp | SparseObservable, temperature: float) -> DensityMatrix:
    """The Gibbs state ``exp(-H / T) / Z`` of a small chain, by full diagonalization.

    Where the Hamiltonian conserves the magnetization, every sector is diagonalized by itself, which is much faster.

    Args:
        hamiltonian: The Hamiltonian, with real coefficients, of at most 12 spins.
        temperature: T, in units of the Hamiltonian's coefficients (Boltzmann's constant is 1); positive.

    Returns:
        The state of all spins; :func:`reduced_state` gives that of some of them.

    Raises:
        MeasurementError: If the Hamiltonian is not Hermitian or has too many spins, or T is not positive.

    References:
        M. C. Arnesen, S. Bose, V. Vedral, Phys. Rev. Lett. 87, 017901 (2001), arXiv:quant-ph/0009060 (entanglement of
        thermal spin chains).

    Examples:
        >>> from qiskit.quantum_info import SparsePauliOp
        >>> state = thermal_state(SparsePauliOp("Z"), 1.0)
        >>> print(round(state.data[0, 0].real, 6))  # exp(-1) / (exp(-1) + exp(1))
        0.119203
    """
    hamiltonian = checked_hamiltonian(hamiltonian)
    temperature = positive_number(temperature, "temperature", MeasurementError)
    n = hamiltonian.num_qubits
    remedy = "The state has 4**n entries, and all eigenvectors are needed."
    at_most(n, _MAX_MATRIX, "hamiltonian", MeasurementError, what="spins for a thermal state", remedy=remedy)
    hamiltonian, unit = in_natural_units(hamiltonian)
    temperature = max(temperature / unit, _COLDEST)
    levels = [(basis, *np.linalg.eigh(matrix)) for basis, matrix in _blocks(hamiltonian)]
    lowest = min(float(values[0]) for _, values, _ in levels)
    highest = max(float(values[-1]) for _, values, _ in levels)
    state = np.zeros((2**n, 2**n), dtype=np.complex128)
    for basis, values, vectors in levels:
        # Counted from the lowest level no weight overflows; states that only rounding keeps apart from it are in it.
        excess = np.where(values - lowest > _SAME_LEVEL * (highest - lowest), values - lowest, 0.0)
        state[np.ix_(basis, basis)] = (vectors * np.exp(-excess / temperature)) @ vectors.conj().T
    state /= np.trace(state).real
    return DensityMatrix(state)


def evolve(state: Any, hamiltonian: SparsePauliOp | SparseObservable, time: float) -> Statevector | DensityMatrix:
    """The state after a time, ``exp(-i H t) |state>`` (or ``exp(-i H t) rho exp(i H t)``), without product formulas.

    The exponential is a series of Chebyshev polynomials of H, summed to rounding error. The number of products of H
    with the state is about ``t`` times the sum of the coefficients' absolute values, and no matrix of H is built. For a
    circuit of Trotter steps instead, put Qiskit's ``PauliEvolutionGate`` into a ``QuantumCircuit`` and give that to
    :func:`reduced_state`.

    Args:
        state: ``Statevector``, ``DensityMatrix`` (at most 12 spins), ``QuantumCircuit``, array, or a ``GroundState``
            that is not degenerate.
        hamiltonian: The Hamiltonian, with real coefficients, on as many qubits.
        time: t, in units of one over the Hamiltonian's coefficients; a negative one goes back in time.

    Returns:
        ``Statevector`` or ``DensityMatrix``, like the state.

    Raises:
        MeasurementError: If the state is not valid, the Hamiltonian is not Hermitian or acts on other qubits, or t is
            not a finite number.

    References:
        H. Tal-Ezer and R. Kosloff, J. Chem. Phys. 81, 3967 (1984).

    Examples:
        >>> from qiskit.quantum_info import SparsePauliOp, Statevector
        >>> flipped = evolve(Statevector.from_label("0"), SparsePauliOp("X"), np.pi / 2)
        >>> print(flipped.probabilities().round(9))
        [0. 1.]
    """
    hamiltonian = checked_hamiltonian(hamiltonian)
    time = float(real_array(time, "time", MeasurementError, ndim=0))
    if isinstance(state, GroundState):
        if state.degeneracy > 1:
            raise MeasurementError.bad_argument(
                "state",
                expected="one state",
                got=f"{state.degeneracy} degenerate ground states",
                remedy="Evolve a row of its `vectors`.",
            )
        state = Statevector(state.vector)
    checked = _checked_state(state)
    n = int(checked.num_qubits)
    if hamiltonian.num_qubits != n:
        raise MeasurementError.bad_argument(
            "hamiltonian", expected=f"an operator on {n} qubits", got=f"{hamiltonian.num_qubits} qubits"
        )
    if isinstance(checked, Statevector):
        return Statevector(_propagate(hamiltonian, checked.data, time))
    at_most(n, _MAX_MATRIX, "state", MeasurementError, what="spins for a density matrix")
    left = _propagate(hamiltonian, checked.data, time)
    return DensityMatrix(_propagate(hamiltonian, left.conj().T, time).conj().T)


def _propagate(hamiltonian: SparsePauliOp, columns: NDArray[np.complex128], time: float) -> NDArray[np.complex128]:
    """Applies ``exp(-i H t)`` to a vector or to columns."""
    from scipy.special import jv

    terms = PauliTerms(hamiltonian)
    radius = terms.radius
    if radius * time == 0:
        return columns.copy()
    product = terms.to_operator()
    reach = radius * abs(time)
    if reach > _MAX_REACH:
        raise MeasurementError.bad_argument(
            "time",
            expected=f"at most {_MAX_REACH / radius:.3g}, or the series has more than {_MAX_REACH:.0e} terms",
            got=f"{time:.6g}",
            remedy="For so long a time diagonalize the Hamiltonian.",
        )
    # Bessel functions fall off faster than exponentially once the order exceeds the argument.
    weights = jv(np.arange(math.ceil(reach + 20 * reach ** (1 / 3) + 40)), reach)
    last = int(np.flatnonzero(np.abs(weights) > _CHEBYSHEV)[-1])
    turn = -1j if time > 0 else 1j
    before: NDArray[Any] = columns.astype(np.complex128)
    now = product(before) / radius
    total = weights[0] * before
    power: complex = 1
    for order in range(1, last + 1):
        power *= turn
        total += (2 * weights[order] * power) * now
        following = product(now)
        following *= 2 / radius
        following -= before
        before, now = now, following
    return total


def _blocks(hamiltonian: SparsePauliOp) -> list[tuple[NDArray[np.int64], NDArray[Any]]]:
    """Basis and matrix of every sector; one of all states where the magnetization is not conserved."""
    terms = PauliTerms(hamiltonian)
    n = terms.num_spins
    if terms.conserves_magnetization:
        bases = [sector_basis(n, magnetization) for magnetization in range(-n, n + 1, 2)]
    else:
        bases = [np.arange(2**n)]
    return [(basis, sector_matrix(terms, basis).toarray()) for basis in bases]


def _checked_state(state: Any) -> Statevector | DensityMatrix:
    # The eigenvalues of a large density matrix would take longer than all else: its positivity is taken on trust.
    large = isinstance(state, DensityMatrix) and state.dim > _MAX_CHECKED
    checked = state if large else to_state(state)
    if checked.num_qubits is None:
        raise MeasurementError.bad_argument("state", expected="a state of qubits", got=f"dimensions {checked.dims()}")
    if large and not abs(checked.trace() - 1) < _TRACE_ATOL:
        raise MeasurementError.bad_argument("state", expected="trace 1", got=f"trace {checked.trace():.6g}")
    return checked
