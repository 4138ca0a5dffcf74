"""Correlation tensors estimated from Pauli measurements of a device, with their errors."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from qiskit.quantum_info import DensityMatrix

from .._support.records import Record
from .._support.types import FloatArray
from .._support.validation import real_array
from .._support.words import counted
from ..exceptions import CountsError
from ..measurements.specification import parse_settings
from .correlations import CorrelationTensor
from .counts import BellCounts, require_complete, require_counts
from .operator_basis import hermitian_basis
from .state_tensors import density_matrix

__all__ = ["MAX_QUBITS", "TensorEstimate", "estimate_tensor", "least_standard_error", "pooled_shots"]


MAX_QUBITS = 6
_SAME_AXIS = 1e-8


@dataclass(frozen=True, eq=False, repr=False)
class TensorEstimate(Record):
    """A correlation tensor of qubits, estimated from counts or from expectation values with errors.

    Raises:
        CountsError: If a standard error is not positive (that of the trace must be 0), or the shapes differ.
    """

    tensor: CorrelationTensor
    """The estimate; by chance it may belong to no state."""
    standard_errors: FloatArray
    """Standard error of each entry, shape ``(4,) * N``."""
    counts: BellCounts | None = None
    """The counts in all Pauli bases, where the estimate comes from counts."""

    def __post_init__(self) -> None:
        errors = real_array(self.standard_errors, "standard_errors", CountsError)
        if errors.shape != self.tensor.array.shape or set(errors.shape) != {4}:
            raise CountsError.bad_argument(
                "standard_errors",
                expected=f"one for each entry of a tensor of qubits, shape {self.tensor.array.shape}",
                got=f"shape {errors.shape}",
            )
        wrong = errors <= 0
        wrong[(0,) * errors.ndim] = errors.flat[0] != 0
        if wrong.any():
            position = tuple(int(i) for i in np.argwhere(wrong)[0])
            raise CountsError.bad_argument(
                "standard_errors",
                expected="positive numbers, and 0 for the trace",
                got=f"{errors[position]} at index {position}",
                remedy="Exact values are those of CorrelationTensor.from_state(circuit).",
            )
        object.__setattr__(self, "standard_errors", errors)

    @property
    def num_qubits(self) -> int:
        """Number of qubits N."""
        return self.tensor.num_parties

    def __str__(self) -> str:
        source = "expectation values" if self.counts is None else counted(self.counts.total_shots, "shot")
        largest = float(self.standard_errors.max())
        return f"correlations of {counted(self.num_qubits, 'qubit')} from {source}, standard errors up to {largest:.2g}"

    def covariance(self) -> FloatArray:
        """Covariance of all entries, flattened, shape ``(4**N, 4**N)``; expectation values count as independent.

        Its diagonal holds the squares of the standard errors.
        """
        if self.counts is None:
            return np.diag(self.standard_errors.ravel() ** 2)
        total = np.zeros((4**self.num_qubits, 4**self.num_qubits))
        for setting in _settings(self.counts):
            spread = (setting.signs * setting.frequencies) @ setting.signs.T - np.outer(setting.means, setting.means)
            total[np.ix_(setting.entries, setting.entries)] += (
                spread * np.outer(setting.shares, setting.shares) / setting.shots
            )
        np.fill_diagonal(total, self.standard_errors.ravel() ** 2)
        return total

    def physical_state(self) -> DensityMatrix:
        """The state nearest to the estimate in Frobenius norm: what is negative is taken from the other eigenvalues.

        References:
            Smolin, Gambetta, Smith, Phys. Rev. Lett. 108, 070502 (2012).
        """
        n = self.num_qubits
        values, vectors = np.linalg.eigh(density_matrix(self.tensor))
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
        flat = np.asarray(coefficients).ravel()
        spread = sum(
            float(np.ptp((flat[setting.entries] * setting.shares) @ setting.signs)) ** 2 / setting.shots
            for setting in _settings(self.counts)
        )
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
            found = np.sqrt(2 / pooled_shots(self.counts) * math.log(2 * entries / alpha))
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


def estimate_tensor(counts: BellCounts, settings: Sequence[Sequence[Any]] | str = "pauli") -> TensorEstimate:
    """The correlation tensor from counts in all Pauli bases.

    Every expectation value pools all bases that measure it, weighted by their shots. A standard error is never below
    6 divided by the number of these shots, also where all of them agree.

    Args:
        counts: Two outcomes per party and three settings, as ``BellExperiment(circuit, "pauli")`` measures them.
        settings: What was measured, as ``experiment.settings`` tells: for each qubit X, Y and Z, in any order and with
            any sign; default: in this order.

    Raises:
        CountsError: If the counts are of another scenario, too many qubits, or were post-selected; or if the settings
            of a qubit are not X, Y and Z.
        MeasurementError: If the settings cannot be used.
    """
    scenario = require_counts(counts).scenario
    if set(scenario.num_settings) != {3} or not scenario.is_two_outcome:
        raise CountsError.bad_argument(
            "counts",
            expected="the settings X, Y and Z and two outcomes for every qubit",
            got=str(scenario),
            remedy='Measure BellExperiment(circuit, "pauli").',
        )
    if scenario.num_parties > MAX_QUBITS:
        raise CountsError.bad_argument("counts", expected=f"at most {MAX_QUBITS} qubits", got=f"{scenario.num_parties}")
    if counts.post_selected:
        raise CountsError.bad_argument("counts", expected="all shots", got="post-selected ones")
    require_complete(counts, "of a state", 'Measure all bases: BellExperiment(circuit, "pauli").')
    n = scenario.num_parties
    if not isinstance(settings, str) or settings != "pauli":
        counts = _in_pauli_order(counts, settings)
    values, variances = np.zeros(4**n), np.zeros(4**n)
    for setting in _settings(counts):
        values[setting.entries] += setting.shares * setting.means
        variances[setting.entries] += setting.shares**2 * np.maximum(1 - setting.means**2, 0) / setting.shots
    # The shares of the first entry, the trace, add up to 1 up to rounding.
    values[0] = 1
    shape = (4,) * n
    errors = np.maximum(np.sqrt(variances).reshape(shape), least_standard_error(pooled_shots(counts)))
    errors[(0,) * n] = 0
    return TensorEstimate(CorrelationTensor(values.reshape(shape)), errors, counts)


def _in_pauli_order(counts: BellCounts, settings: Sequence[Sequence[Any]] | str) -> BellCounts:
    """The counts with the settings of every party in the order X, Y, Z, and outcome 0 as the eigenvalue +1 of them."""
    n = counts.scenario.num_parties
    table, probabilities = counts.array, counts.setting_probabilities
    for k, party in enumerate(parse_settings(settings, [2] * n)):
        # Bloch vectors of outcome 0; their length is 1 only for projective measurements.
        vectors = np.array(
            [np.einsum("iab,ba->i", hermitian_basis(2)[1:], measurement.effects[0]).real for measurement in party]
        )
        order = np.abs(vectors).argmax(axis=0)
        signs = vectors[order, np.arange(3)]
        if len(party) != 3 or sorted(order) != [0, 1, 2] or np.abs(np.abs(signs) - 1).max() > _SAME_AXIS:
            raise CountsError.bad_argument(
                f"settings[{k}]",
                expected="X, Y and Z, in any order",
                got=", ".join(measurement.name for measurement in party),
            )
        table = np.moveaxis(np.take(table, order, axis=k), (k, n + k), (0, 1)).copy()
        for x in np.flatnonzero(signs < 0):
            table[x] = table[x, ::-1]
        table = np.moveaxis(table, (0, 1), (k, n + k))
        if probabilities is not None:
            probabilities = np.take(probabilities, order, axis=k)
    return BellCounts(table, counts.design, probabilities)


def least_standard_error(shots: ArrayLike) -> FloatArray:
    """The smallest standard error that a mean of so many outcomes +1 and -1 is given: 6 / n.

    All n outcomes agree with probability ``(1 - q) ** n <= exp(-n q)`` if each is the other one with probability q, and
    then the mean is off by 2 q. At 6 / n the normal limit, z times the error, misses with probability at most
    ``exp(-3 z)``, which is below the normal tail for z from 0.4 to 4.9 (one-sided levels from 0.34 to 5e-7). At 2 / n,
    one outcome of n, it would be above the tail for every z.

    Args:
        shots: Numbers of outcomes n.
    """
    return 6 / np.asarray(shots, dtype=np.float64)


def pooled_shots(counts: BellCounts) -> NDArray[np.int64]:
    """Number of shots that measure each entry, shape ``(4,) * N``: an identity is measured by all settings."""
    pooled = counts.num_shots
    for k in range(counts.scenario.num_parties):
        pooled = np.concatenate([pooled.sum(axis=k, keepdims=True), pooled], axis=k)
    return pooled


@dataclass(frozen=True)
class _Setting:
    """What the shots of one combination of settings tell about the correlations."""

    entries: NDArray[np.intp]
    """Positions, in the flattened tensor, of the ``2**N`` correlations that they measure."""
    signs: FloatArray
    """Product of outcomes for each of those (rows) and each outcome (columns), shape ``(2**N, 2**N)``."""
    frequencies: FloatArray
    """Relative frequency of each outcome, shape ``(2**N,)``."""
    shares: FloatArray
    """Their share of all shots that measure each of those correlations, shape ``(2**N,)``."""
    shots: int
    """Number of shots."""

    @property
    def means(self) -> FloatArray:
        """The correlations as these shots alone have them."""
        return self.signs @ self.frequencies


def _settings(counts: BellCounts) -> Iterator[_Setting]:
    """Every combination of settings; one at a time, since all together would need gigabytes for six qubits."""
    n = counts.scenario.num_parties
    pooled = pooled_shots(counts).ravel()
    signs = np.ones((1, 1))
    for _ in range(n):
        signs = np.kron(signs, np.array([[1.0, 1.0], [1.0, -1.0]]))
    for setting in np.ndindex(counts.num_shots.shape):
        shots = int(counts.num_shots[setting])
        axes = np.ix_(*[(0, 1 + x) for x in setting])
        entries = np.arange(4**n).reshape((4,) * n)[axes].ravel()
        yield _Setting(entries, signs, counts.array[setting].ravel() / shots, shots / pooled[entries], shots)
