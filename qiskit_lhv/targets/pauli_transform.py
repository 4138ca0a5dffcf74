"""All Pauli expectation values of a state of qubits, by a fast Walsh-Hadamard transform."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from .._support.memory import require_memory_of_many
from .._support.types import FloatArray

__all__ = ["pauli_tensor"]


# So many qubits are transformed by one matrix, of 64 rows: fewer would be slower to multiply.
_TOGETHER = 3
# Entries that are worked on at a time.
_CHUNK = 1 << 18
# The real matrix, on (row, column), of each Pauli matrix: Y without its factor i.
_LETTERS = np.array([[[1, 0], [0, 1]], [[0, 1], [1, 0]], [[0, 1], [-1, 0]], [[1, 0], [0, -1]]], dtype=np.float64)
# What i to the number of Ys makes of the sum of a real and an imaginary part, one of which is 0.
_SIGNS = np.array([1.0, -1.0, -1.0, 1.0])


def pauli_tensor(data: NDArray[np.complex128], qubits: Sequence[int], name: str = "state") -> FloatArray:
    """The expectation values of all products of I, X, Y and Z, and no other array of that size.

    With ``P = i^y M``, M real and y the number of Ys, ``tr(rho P) = i^y sum_rc rho_rc M_rc``. The sum is real for even
    y and imaginary for odd y, since rho is Hermitian; so the transform of the real matrix ``Re rho + Im rho`` holds
    them all. It acts on each qubit's pair of row and column alone, three qubits at a time.

    Args:
        data: Amplitudes, shape ``(2**N,)``, or a Hermitian matrix, shape ``(2**N, 2**N)``, in Qiskit's order.
        qubits: The qubit of each axis of the result.
        name: Name of the state, for messages.

    Returns:
        Shape ``(4,) * N``, float64; the first entry is 1.

    Raises:
        MeasurementError: If the result does not fit into memory.
    """
    n = len(qubits)
    remedy = "Choose some of them with parties=[...]."
    fits = "whose 4**N correlations fit"
    require_memory_of_many(lambda qubits: 8 * 4.0**qubits, n, name, what="qubits", fits=fits, remedy=remedy)
    tensor = np.empty((4,) * n)
    # The first group is the one that may be smaller: contiguous parts should be long.
    first = n % _TOGETHER or _TOGETHER
    groups = [min(first, n), *[_TOGETHER] * ((n - first) // _TOGETHER)]
    _fill(tensor, groups, _real_rows(data, _places(qubits)))
    after = n
    for size in groups:
        after -= size
        _multiply(tensor.reshape(-1, 4**size, 4**after), _matrix(size))
    _apply_signs(tensor.reshape(4 ** (n - n // 2), 4 ** (n // 2)))
    # A state's trace may be off by rounding.
    tensor /= tensor.flat[0]
    tensor.flat[0] = 1
    return tensor


def _places(qubits: Sequence[int]) -> NDArray[np.intp]:
    """For each basis state, with the first of the qubits as the most significant bit, its number in Qiskit's order."""
    numbers = np.arange(1 << len(qubits))
    places = np.zeros_like(numbers)
    for axis, qubit in enumerate(reversed(qubits)):
        places |= ((numbers >> axis) & 1) << qubit
    return places


def _real_rows(data: NDArray[np.complex128], places: NDArray[np.intp]) -> Callable[[slice], FloatArray]:
    """A function that gives some rows of ``Re rho + Im rho``."""
    if data.ndim == 2:

        def rows_of_matrix(rows: slice) -> FloatArray:
            part = data[places[rows]]
            return (part.real + part.imag)[:, places]

        return rows_of_matrix
    real, imaginary = data.real[places], data.imag[places]

    def rows_of_vector(rows: slice) -> FloatArray:
        found = np.outer(real[rows], real - imaginary)
        found += np.outer(imaginary[rows], real + imaginary)
        return found

    return rows_of_vector


def _fill(tensor: FloatArray, groups: Sequence[int], rows_of: Callable[[slice], FloatArray]) -> None:
    """Writes the matrix into the tensor, the bits of rows and columns of each group of qubits beside each other."""
    n = sum(groups)
    table = tensor.reshape([2**size for size in groups for _ in range(2)])
    # Rows whose bits in the leading groups are the same are written together.
    leading = 0
    while leading < len(groups) and 2 ** (2 * n - sum(groups[:leading])) > _CHUNK:
        leading += 1
    rest = [2**size for size in groups[leading:]]
    number = math.prod(rest)
    columns = [2**size for size in groups]
    # Axes of a part: rows of the other groups, then columns of all.
    order = list(range(len(rest), len(rest) + leading))
    for k in range(len(rest)):
        order += [k, len(rest) + leading + k]
    for start, bits in enumerate(np.ndindex(*[2**size for size in groups[:leading]])):
        part = rows_of(slice(start * number, (start + 1) * number)).reshape(*rest, *columns)
        index = [entry for bit in bits for entry in (bit, slice(None))]
        table[tuple(index)] = part.transpose(order)


def _matrix(size: int) -> FloatArray:
    """The transform of some qubits, from bits of rows and columns to Pauli strings, shape ``(4**size, 4**size)``."""
    matrix = np.ones((1, 1, 1))
    for _ in range(size):
        matrix = np.einsum("iab,jcd->ijacbd", matrix, _LETTERS).reshape(
            4 * len(matrix), 2 * matrix.shape[1], 2 * matrix.shape[2]
        )
    return matrix.reshape(len(matrix), -1)


def _multiply(table: FloatArray, matrix: FloatArray) -> None:
    """Multiplies the middle axis by a matrix, in place."""
    left, size, right = table.shape
    if right == 1:
        rows = table.reshape(left, size)
        step = max(1, _CHUNK // size)
        for i in range(0, left, step):
            rows[i : i + step] = rows[i : i + step] @ matrix.T
        return
    step, width = max(1, _CHUNK // (size * right)), max(1, _CHUNK // size)
    for i in range(0, left, step):
        for j in range(0, right, width):
            table[i : i + step, :, j : j + width] = matrix @ table[i : i + step, :, j : j + width]


def _apply_signs(table: FloatArray) -> None:
    """Multiplies each entry by the sign that its number of Ys gives; rows and columns are Pauli strings."""
    above, below = (_numbers_of_ys(size) for size in table.shape)
    signs = _SIGNS[(np.arange(4)[:, None] + below) % 4]
    for row, number in zip(table, above, strict=True):
        row *= signs[number % 4]


def _numbers_of_ys(size: int) -> NDArray[np.intp]:
    numbers, found = np.arange(size), np.zeros(size, dtype=np.intp)
    while size > 1:
        found += numbers % 4 == 2
        numbers //= 4
        size //= 4
    return found
