"""Products of a sum of Pauli strings with vectors, and its matrix in one sector of the magnetization."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
from numpy.typing import NDArray
from qiskit.quantum_info import Pauli, SparseObservable, SparsePauliOp

from ..exceptions import LHVError, MeasurementError

__all__ = [
    "PauliTerms",
    "SumProduct",
    "checked_hamiltonian",
    "in_natural_units",
    "pauli_sum",
    "real_coefficients",
    "sector_basis",
    "sector_matrix",
]

_HERMITIAN = 1e-12
_CONSERVED = 1e-12
# Strings on at most so many spins are applied as small matrices.
_LOCAL = 6
# Flips of more spins than this are not examined for what they conserve.
_MAX_EXAMINED = 16


def real_coefficients(operator: SparsePauliOp, name: str) -> NDArray[np.float64]:
    """Returns the coefficients of a Hermitian operator.

    Raises:
        MeasurementError: If they are not finite, real numbers (a sum of Pauli strings is Hermitian if these are).
    """
    values = np.asarray(operator.coeffs)
    if values.dtype.kind not in "iufc" or not np.all(np.isfinite(values)):
        raise MeasurementError.bad_argument(name, expected="finite numbers as coefficients", got="others")
    if np.abs(values.imag).max(initial=0.0) > _HERMITIAN * max(1.0, float(np.abs(values).max(initial=0.0))):
        raise MeasurementError.bad_argument(
            name,
            expected="a Hermitian operator",
            got="complex coefficients",
            remedy="Coefficients of Pauli strings must be real.",
        )
    return np.asarray(values.real, dtype=np.float64)


def pauli_sum(operator: Any, name: str) -> SparsePauliOp:
    """Returns an operator as a sum of Pauli strings.

    Raises:
        MeasurementError: If it is not a ``SparsePauliOp``, ``SparseObservable`` or ``Pauli``.
    """
    if isinstance(operator, SparseObservable):
        return SparsePauliOp.from_sparse_observable(operator)
    if isinstance(operator, Pauli):
        return SparsePauliOp(operator)
    if not isinstance(operator, SparsePauliOp):
        raise MeasurementError.bad_argument(
            name, expected="a SparsePauliOp or SparseObservable", got=type(operator).__name__
        )
    return operator


def checked_hamiltonian(operator: Any) -> SparsePauliOp:
    """Returns a Hamiltonian with real coefficients and each string once.

    Raises:
        MeasurementError: If it is not a Hermitian ``SparsePauliOp`` or ``SparseObservable``.
    """
    operator = pauli_sum(operator, "hamiltonian")
    # The same string may stand in the sum twice, with coefficients that are real together only.
    if operator.coeffs.dtype.kind in "iufc" and np.all(np.isfinite(operator.coeffs)):
        operator = operator.simplify(atol=0.0)
    if not operator.num_qubits:
        raise MeasurementError.bad_argument("hamiltonian", expected="an operator on qubits", got="one on no qubit")
    return SparsePauliOp(operator.paulis, real_coefficients(operator, "hamiltonian"))


def in_natural_units(operator: SparsePauliOp) -> tuple[SparsePauliOp, float]:
    """The Hamiltonian over a power of two, and that power: absolute values of coefficients add up to 1/2 to 1.

    So what counts as zero, or as one level, does not depend on the units, and no digit is lost.
    """
    largest = float(np.abs(operator.coeffs.real).max(initial=0.0))
    if largest == 0:
        return operator, 1.0
    exponent = math.frexp(largest)[1]
    exponent += math.frexp(float(np.ldexp(np.abs(operator.coeffs.real), -exponent).sum()))[1]
    exponent = min(max(exponent, -1000), 1000)
    return SparsePauliOp(operator.paulis, np.ldexp(operator.coeffs.real, -exponent)), 2.0**exponent


class PauliTerms:
    """A Hermitian sum of Pauli strings as bit masks: ``factor (-1)**|z & b| |b ^ x><b|`` for every basis state b."""

    def __init__(self, hamiltonian: SparsePauliOp) -> None:
        self.num_spins: int = hamiltonian.num_qubits
        self.terms: list[tuple[int, int, complex]] = []
        """Flips x, signs z and factor of each string."""
        paulis = hamiltonian.paulis
        for x_bits, z_bits, phase, value in zip(paulis.x, paulis.z, paulis.phase, hamiltonian.coeffs.real, strict=True):
            x = sum(1 << int(k) for k in np.flatnonzero(x_bits))
            z = sum(1 << int(k) for k in np.flatnonzero(z_bits))
            # Y = i X Z; a string carries the phase (-i)**phase.
            factor = complex(value) * (1, -1j, -1, 1j)[int(phase) % 4] * (1, 1j, -1, -1j)[(x & z).bit_count() % 4]
            if factor:
                self.terms.append((x, z, factor))
        self.dtype: Any = np.complex128 if any(factor.imag for _, _, factor in self.terms) else np.float64

    @property
    def radius(self) -> float:
        """A bound on the modulus of every eigenvalue."""
        return float(sum(abs(factor) for _, _, factor in self.terms))

    @property
    def flips(self) -> set[int]:
        """The different sets of spins that are flipped together."""
        return {x for x, _, _ in self.terms if x}

    @property
    def conserves_magnetization(self) -> bool:
        """Whether the sum commutes with the sum of all Z."""
        scale = _CONSERVED * max(1.0, self.radius)
        for flips in self.flips:
            # Strings that flip the same spins form one operator. It conserves the magnetization if it vanishes on
            # states with more of these spins up than down, or fewer, whatever the other spins are.
            by_others: dict[int, dict[int, complex]] = {}
            for x, z, factor in self.terms:
                if x == flips:
                    inner = by_others.setdefault(z & ~flips, {})
                    inner[z & flips] = inner.get(z & flips, 0) + factor
            size = flips.bit_count()
            if size > _MAX_EXAMINED:
                # Too many states to try: taken as not conserved, which is slower and never wrong.
                return False
            places = _places(flips)
            states = np.arange(1 << size)
            unequal = 2 * np.bitwise_count(states) != size
            for inner in by_others.values():
                total = np.zeros(1 << size, dtype=np.complex128)
                for z, factor in inner.items():
                    total += factor * _signs(states, _compress(z, places))
                if np.abs(total[unequal]).max(initial=0.0) > scale:
                    return False
        return True

    @property
    def is_flip_symmetric(self) -> bool:
        """Whether turning all spins around, up to down, changes nothing."""
        return all(z.bit_count() % 2 == 0 for _, z, _ in self.terms)

    def to_operator(self) -> SumProduct:
        """The product with vectors of all spins."""
        return SumProduct(self)


class SumProduct:
    """The product of a sum of Pauli strings with a vector, ``(2**n,)``, or with columns, ``(2**n, k)``.

    Nothing but the diagonal is stored. The strings inside a window of consecutive spins form a matrix, which multiplies
    all parts of the vector at once; those on a few spins further apart, such as both ends of a ring, multiply slices of
    it; long ones permute it.
    """

    def __init__(self, terms: PauliTerms) -> None:
        self.num_spins, self.dtype = terms.num_spins, terms.dtype
        size = 1 << terms.num_spins
        self._states: NDArray[Any] = np.arange(size, dtype=np.uint32 if terms.num_spins <= 32 else np.uint64)
        self._diagonal = np.zeros(size)
        self._long: list[tuple[int, int, Any]] = []
        real = self.dtype is np.float64
        windows = _windows([x | z for x, z, _ in terms.terms if x], self.num_spins)
        matrices: dict[int, NDArray[Any]] = {}
        for x, z, factor in terms.terms:
            support, entry = x | z, factor.real if real else factor
            if not x:
                self._diagonal += factor.real * _signs(self._states, z)
            elif support.bit_count() > _LOCAL:
                self._long.append((x, z, entry))
            else:
                home = next((window for window in windows if window & support == support), support)
                places = _places(home)
                states = np.arange(1 << len(places))
                matrix = matrices.setdefault(home, np.zeros((len(states), len(states)), dtype=self.dtype))
                matrix[states ^ _compress(x, places), states] += entry * _signs(states, _compress(z, places))
        self._windows = [(_places(home)[0], matrices[home]) for home in matrices if home in windows]
        self._slices = [
            _slices(_places(home), self.num_spins, matrices[home]) for home in matrices if home not in windows
        ]

    def __call__(self, vector: NDArray[Any]) -> NDArray[Any]:
        """Multiplies a vector or columns."""
        vector = np.ascontiguousarray(vector)
        columns = vector.reshape(1 << self.num_spins, -1)
        result = np.multiply(self._diagonal[:, None], columns, dtype=np.result_type(vector.dtype, self.dtype))
        for lowest, matrix in self._windows:
            below = columns.shape[1] << lowest
            if below == 1:
                result += (columns.reshape(-1, len(matrix)) @ matrix.T).reshape(result.shape)
            else:
                result += (matrix @ columns.reshape(-1, len(matrix), below)).reshape(result.shape)
        for axes, entries in self._slices:
            source_view, target_view = columns.reshape(axes), result.reshape(axes)
            for target, source, entry in entries:
                target_view[target] += entry * source_view[source]
        for x, z, entry in self._long:
            moved = (entry * _signs(self._states, z))[:, None] * columns
            result += moved[self._states ^ self._states.dtype.type(x)]
        return result.reshape(vector.shape)


def _places(mask: int) -> list[int]:
    return [k for k in range(mask.bit_length()) if mask >> k & 1]


def _compress(mask: int, places: list[int]) -> int:
    """The bits of ``mask`` at ``places``, packed."""
    return sum(1 << i for i, k in enumerate(places) if mask >> k & 1)


def _signs(states: NDArray[Any], z: int) -> NDArray[np.float64]:
    """``(-1)**|z & b|`` for all states b."""
    return 1.0 - 2.0 * (np.bitwise_count(states & states.dtype.type(z)) & 1)


def _windows(supports: list[int], num_spins: int) -> list[int]:
    """Masks of consecutive spins that hold the supports, but for those that are longer than a window."""
    length = min(_LOCAL, num_spins)
    windows: list[int] = []
    for support in sorted(supports, key=lambda mask: (mask & -mask, mask)):
        places = _places(support)
        if places[-1] - places[0] >= length or any(window & support == support for window in windows):
            continue
        # Parts of few entries are slow to multiply: what is near the lowest spins goes into the window that has them.
        start = 0 if places[-1] < length else min(places[0], num_spins - length)
        windows.append(((1 << length) - 1) << start)
    return windows


def _slices(places: list[int], num_spins: int, matrix: NDArray[Any]) -> tuple[tuple[int, ...], list[Any]]:
    """The shape with an axis for each of the spins ``places``, and (target, source, entry) for each entry."""
    shape: list[int] = []
    above = num_spins
    for k in reversed(places):
        shape += [1 << (above - 1 - k), 2]
        above = k
    shape.append(-1)

    def index(local: int) -> tuple[Any, ...]:
        bits = [local >> i & 1 for i in reversed(range(len(places)))]
        return (*itertools.chain.from_iterable((slice(None), bit) for bit in bits), slice(None))

    entries = [(index(int(row)), index(int(column)), matrix[row, column]) for row, column in np.argwhere(matrix)]
    return tuple(shape), entries


def sector_basis(num_spins: int, magnetization: int) -> NDArray[np.int64]:
    """The basis states with ``magnetization`` = number of spins up (outcome 0) minus number of spins down."""
    down = (num_spins - magnetization) // 2
    return np.flatnonzero(np.bitwise_count(np.arange(1 << num_spins, dtype=np.uint64)) == down)


def sector_matrix(terms: PauliTerms, basis: NDArray[np.int64]) -> Any:
    """The sparse matrix of a sum of Pauli strings between the states of ``basis``, which it does not leave.

    Args:
        terms: The sum.
        basis: Basis states in ascending order.

    Returns:
        A SciPy CSR array.

    Raises:
        LHVError: If a string leads out of ``basis``.
    """
    from scipy.sparse import coo_array

    place = np.full(1 << terms.num_spins, -1, dtype=np.int32)
    place[basis] = np.arange(len(basis), dtype=np.int32)
    together: dict[int, list[tuple[int, complex]]] = {}
    for x, z, factor in terms.terms:
        together.setdefault(x, []).append((z, factor))
    rows, columns, entries = [], [], []
    for x, strings in together.items():
        weights = np.zeros(len(basis), dtype=terms.dtype)
        for z, factor in strings:
            weights += (factor.real if terms.dtype is np.float64 else factor) * _signs(basis, z)
        # What the strings of a bond add up to outside of the sector is zero but for rounding.
        moving = np.flatnonzero(np.abs(weights) > _CONSERVED * max(1.0, terms.radius)).astype(np.int32)
        targets = place[basis[moving] ^ x]
        if np.any(targets < 0):
            raise LHVError("sector_matrix: the operator leads out of the sector.")
        rows.append(targets)
        columns.append(moving)
        entries.append(weights[moving])
    shape = (len(basis), len(basis))
    if not rows:
        return coo_array(shape, dtype=terms.dtype).tocsr()
    return coo_array((np.concatenate(entries), (np.concatenate(rows), np.concatenate(columns))), shape=shape).tocsr()
