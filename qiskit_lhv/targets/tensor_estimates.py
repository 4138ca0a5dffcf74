"""Correlation tensors estimated from Pauli measurements of a device, with their errors."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from qiskit.quantum_info import DensityMatrix

from .._records import Record
from .._validation import frozen, positive_number
from ..exceptions import CountsError
from .correlations import CorrelationTensor, hermitian_basis
from .counts import BellCounts

__all__ = ["TensorEstimate", "estimate_from_expectations", "estimate_tensor", "pauli_labels"]

FloatArray = NDArray[np.float64]

_MAX_QUBITS = 6


@dataclass(frozen=True, eq=False, repr=False)
class TensorEstimate(Record):
    """A correlation tensor of qubits, estimated from counts or from expectation values with errors."""

    tensor: CorrelationTensor
    """The estimate; by chance it may belong to no state."""
    standard_errors: FloatArray
    """Standard error of each entry, shape ``(4,) * N``."""
    counts: BellCounts | None = None
    """The counts in all Pauli bases, where the estimate comes from counts."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "standard_errors", frozen(np.asarray(self.standard_errors, dtype=float)))

    @property
    def num_qubits(self) -> int:
        """Number of qubits N."""
        return self.tensor.num_parties

    def __str__(self) -> str:
        source = "expectation values" if self.counts is None else f"{self.counts.total_shots} shots"
        largest = float(self.standard_errors.max())
        return f"correlations of {self.num_qubits} qubits from {source}, standard errors up to {largest:.2g}"

    def covariance(self) -> FloatArray:
        """Covariance of all entries, flattened, shape ``(4**N, 4**N)``; expectation values count as independent."""
        if self.counts is None:
            return np.diag(self.standard_errors.ravel() ** 2)
        cells = self.counts.frequencies().array.reshape(3**self.num_qubits, -1)
        total = np.zeros((4**self.num_qubits, 4**self.num_qubits))
        for p, scores, shots in zip(cells, _scores(self.counts), self.counts.num_shots.ravel(), strict=True):
            centered = scores - scores @ p[:, None]
            total += (centered * p) @ centered.T / shots
        return total

    def physical_state(self) -> DensityMatrix:
        """The state nearest to the estimate in Frobenius norm: what is negative is taken from the other eigenvalues.

        References:
            Smolin, Gambetta, Smith, Phys. Rev. Lett. 108, 070502 (2012).
        """
        matrix = self.tensor.array.astype(complex)
        for _ in range(self.num_qubits):
            matrix = np.tensordot(matrix, hermitian_basis(2) / 2, axes=(0, 0))
        n = self.num_qubits
        # Axes are now (row, column) of each qubit; qubit 0 is the least significant.
        order = [2 * k for k in reversed(range(n))] + [2 * k + 1 for k in reversed(range(n))]
        values, vectors = np.linalg.eigh(matrix.transpose(order).reshape(2**n, 2**n))
        # Eigenvalues ascend: the smallest are dropped, and their sum is shared by the others.
        kept = np.arange(2**n)
        deficit = 0.0
        for i in range(2**n):
            if values[i] + deficit / (2**n - i) >= 0:
                kept = np.arange(i, 2**n)
                break
            deficit += values[i]
        spectrum = np.zeros(2**n)
        spectrum[kept] = values[kept] + deficit / len(kept)
        return DensityMatrix((vectors * spectrum) @ vectors.conj().T)

    def functional(self, coefficients: FloatArray, delta: float) -> tuple[float, float]:
        """A linear function of the tensor that was chosen without these data, and how far below the truth may lie.

        Args:
            coefficients: Shape ``(4,) * N``.
            delta: Probability that the truth lies further below.

        Returns:
            The estimate and the allowance: for counts by Hoeffding's inequality, exact; for expectation values by
            their standard errors as if all errors conspired, normal.
        """
        value = float(np.sum(coefficients * self.tensor.array))
        if self.counts is None:
            from scipy.special import ndtri

            rest = np.abs(coefficients) * self.standard_errors
            return value, float(ndtri(1 - delta) * rest.sum())
        ranges = [np.ptp(coefficients.ravel() @ scores) for scores in _scores(self.counts)]
        spread = float(np.sum(np.square(ranges) / self.counts.num_shots.ravel()))
        return value, math.sqrt(spread * math.log(1 / delta) / 2)

    def limits(self, alpha: float) -> FloatArray:
        """Largest deviation of each entry from the truth, all together at level 1 - alpha, shape ``(4,) * N``.

        For counts by Hoeffding's inequality; for expectation values normal. With Bonferroni's correction.

        Args:
            alpha: Probability that any entry deviates more.
        """
        entries = 4**self.num_qubits - 1
        if self.counts is None:
            from scipy.special import ndtri

            found = float(ndtri(1 - alpha / entries / 2)) * self.standard_errors
        else:
            spread = np.zeros((4,) * self.num_qubits)
            for position, shots in np.ndenumerate(_pooled_shots(self.counts)):
                spread[position] = 2 / shots
            found = np.sqrt(spread * math.log(2 * entries / alpha))
        found = np.minimum(found, 2.0)
        found[(0,) * self.num_qubits] = 0
        return found

    def split(self, fraction: float, seed: int | None = None) -> tuple[TensorEstimate, TensorEstimate]:
        """Two estimates from disjoint parts of the shots: one to choose with, one to test.

        Args:
            fraction: Share of the shots of every basis in the first part.
            seed: For the choice of the shots.

        Raises:
            CountsError: If there are no counts, or a part would have no shot of a basis.
        """
        if self.counts is None:
            raise CountsError.bad_argument(
                "estimate", expected="one from counts, which can be split", got="one from expectation values"
            )
        rng = np.random.default_rng(seed)
        rows = self.counts.array.reshape(3**self.num_qubits, -1)
        first = np.array(
            [rng.multivariate_hypergeometric(row, int(fraction * row.sum()), method="marginals") for row in rows]
        ).reshape(self.counts.array.shape)
        return estimate_tensor(BellCounts(first)), estimate_tensor(BellCounts(self.counts.array - first))


def pauli_labels(num_qubits: int) -> tuple[str, ...]:
    """All Pauli labels but the identity, in Qiskit's order of characters (qubit 0 at the right).

    As observables of an Estimator: ``SparsePauliOp(label)`` for each, or ``ObservablesArray``.

    Examples:
        >>> pauli_labels(1)
        ('X', 'Y', 'Z')
    """
    return tuple("".join(reversed(one)) for one in itertools.product("IXYZ", repeat=num_qubits))[1:]


def estimate_tensor(counts: BellCounts) -> TensorEstimate:
    """The correlation tensor from counts in all Pauli bases.

    Every expectation value pools all bases that measure it, weighted by their shots.

    Args:
        counts: Two outcomes a party and three settings, X, Y and Z in this order, as ``BellExperiment(circuit,
            "pauli")`` measures them.

    Raises:
        CountsError: If the counts are of another scenario, too many qubits, or were post-selected.
    """
    scenario = counts.scenario
    if set(scenario.num_settings) != {3} or not scenario.is_two_outcome:
        raise CountsError.bad_argument(
            "counts",
            expected="the settings X, Y and Z and two outcomes for every qubit",
            got=str(scenario),
            remedy='Measure BellExperiment(circuit, "pauli").',
        )
    if scenario.num_parties > _MAX_QUBITS:
        raise CountsError.bad_argument(
            "counts", expected=f"at most {_MAX_QUBITS} qubits", got=f"{scenario.num_parties}"
        )
    if counts.post_selected:
        raise CountsError.bad_argument("counts", expected="all shots", got="post-selected ones")
    n = scenario.num_parties
    cells = counts.frequencies().array.reshape(3**n, -1)
    scores = _scores(counts)
    values = np.zeros(4**n)
    variance = np.zeros(4**n)
    for p, one, shots in zip(cells, scores, counts.num_shots.ravel(), strict=True):
        mean = one @ p
        values += mean
        variance += (one**2 @ p - mean**2) / shots
    shape = (4,) * n
    errors = np.sqrt(np.maximum(variance, 0)).reshape(shape)
    return TensorEstimate(CorrelationTensor(values.reshape(shape)), errors, counts)


def _pooled_shots(counts: BellCounts) -> NDArray[np.int64]:
    """Number of shots that measure each entry, shape ``(4,) * N``: an identity is measured by all settings."""
    pooled = counts.num_shots
    for k in range(counts.scenario.num_parties):
        pooled = np.concatenate([pooled.sum(axis=k, keepdims=True), pooled], axis=k)
    return pooled


def _scores(counts: BellCounts) -> list[FloatArray]:
    """For each setting combination what its outcomes add to each entry, times its share; shape ``(4**N, 2**N)`` each.

    The mean of an entry is the sum over settings of the means of these scores.
    """
    n = counts.scenario.num_parties
    pooled = _pooled_shots(counts)
    result = []
    for setting in np.ndindex(counts.num_shots.shape):
        own = np.ones((1, 1))
        for x in setting:
            # Entries I, X, Y, Z of one qubit, outcomes 0 and 1.
            factor = np.zeros((4, 2))
            factor[0] = 1
            factor[1 + x] = [1, -1]
            own = np.einsum("ia,jb->ijab", own, factor).reshape(len(own) * 4, -1)
        share = counts.num_shots[setting] / pooled.ravel()
        result.append(own * share[:, None])
    assert result[0].shape == (4**n, 2**n)
    return result


def estimate_from_expectations(
    values: Mapping[str, float], standard_errors: Mapping[str, float] | float
) -> TensorEstimate:
    """The correlation tensor from expectation values, such as those of an Estimator.

    Args:
        values: Expectation value of each Pauli label but the identity (:func:`pauli_labels`; qubit 0 at the right).
        standard_errors: Standard error of each, or one for all. Errors are taken as normal; of mitigated values
            nothing better is known.

    Raises:
        CountsError: If a label is missing or unknown, a value is not a number from -1 to 1 within five
            standard errors, or a standard error is not positive.
    """
    if not isinstance(values, Mapping) or not values:
        raise CountsError.bad_argument("values", expected="expectation values by Pauli label", got=repr(values))
    n = len(next(iter(values)))
    labels = pauli_labels(n) if 0 < n <= _MAX_QUBITS else ()
    unknown = [label for label in values if label not in labels and set(label) != {"I"}]
    missing = [label for label in labels if label not in values]
    if unknown or missing or not labels:
        listed: Sequence[str] = missing or unknown
        raise CountsError.bad_argument(
            "values",
            expected=f"all {4**n - 1} Pauli labels of {n} qubits",
            got=f"{'none for' if missing else 'unknown'} {', '.join(map(str, listed[:8]))}",
            remedy="pauli_labels(num_qubits) lists them.",
        )
    tensor, errors = np.zeros((4,) * n), np.zeros((4,) * n)
    tensor[(0,) * n] = 1
    for label in labels:
        index = tuple("IXYZ".index(character) for character in reversed(label))
        given: Any = standard_errors[label] if isinstance(standard_errors, Mapping) else standard_errors
        error = positive_number(given, f"standard_errors[{label!r}]", CountsError)
        value = float(values[label])
        if not abs(value) <= 1 + 5 * error:
            raise CountsError.bad_argument(f"values[{label!r}]", expected="a number from -1 to 1", got=f"{value}")
        tensor[index], errors[index] = value, error
    return TensorEstimate(CorrelationTensor(tensor), errors)
