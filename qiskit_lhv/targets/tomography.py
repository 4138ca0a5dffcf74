"""What the shots of each combination of settings tell about a correlation tensor."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .._support.types import FloatArray
from ..exceptions import CountsError
from ..measurements.effect_sets import ListedMeasurements
from .counts import BellCounts
from .operator_basis import effect_coordinates

__all__ = ["SettingShots", "pauli_settings", "pooled_shots", "settings_of_effects"]

# Measurements whose worst direction is seen less than this, relative to the best, do not determine a state.
_LEAST_SINGULAR_VALUE = 1e-6


@dataclass(frozen=True)
class SettingShots:
    """What the shots of one combination of settings tell about the correlations."""

    entries: NDArray[np.intp]
    """Positions, in the flattened tensor, of the correlations to which they contribute."""
    values: FloatArray
    """What each outcome (columns) contributes to each of those (rows)."""
    frequencies: FloatArray
    """Relative frequency of each outcome."""
    shares: FloatArray
    """Weight of these shots in each of those correlations."""
    shots: int
    """Number of shots."""

    @property
    def means(self) -> FloatArray:
        """Mean of the contributions to each correlation, before their weight."""
        return self.values @ self.frequencies

    def covariance(self) -> FloatArray:
        """Covariance of the parts that these shots have in the correlations."""
        spread = (self.values * self.frequencies) @ self.values.T - np.outer(self.means, self.means)
        return spread * np.outer(self.shares, self.shares) / self.shots

    def ranges(self) -> FloatArray:
        """Largest difference that one shot makes to each correlation, times the number of shots."""
        return np.ptp(self.values, axis=1) * self.shares


def pooled_shots(counts: BellCounts) -> NDArray[np.int64]:
    """Number of shots that measure each entry, shape ``(4,) * N``: an identity is measured by all settings.

    Args:
        counts: Counts in all Pauli bases.
    """
    pooled = counts.num_shots
    for k in range(counts.scenario.num_parties):
        pooled = np.concatenate([pooled.sum(axis=k, keepdims=True), pooled], axis=k)
    return pooled


def pauli_settings(counts: BellCounts) -> Iterator[SettingShots]:
    """Every combination of settings; one at a time, since all together would need gigabytes for six qubits.

    Args:
        counts: Counts of qubits in all Pauli bases. Correlations pool all shots that measure them.
    """
    n = counts.scenario.num_parties
    pooled = pooled_shots(counts).ravel()
    signs = np.ones((1, 1))
    for _ in range(n):
        signs = np.kron(signs, np.array([[1.0, 1.0], [1.0, -1.0]]))
    for setting in np.ndindex(counts.num_shots.shape):
        shots = int(counts.num_shots[setting])
        axes = np.ix_(*[(0, 1 + x) for x in setting])
        entries = np.arange(4**n).reshape((4,) * n)[axes].ravel()
        yield SettingShots(entries, signs, counts.array[setting].ravel() / shots, shots / pooled[entries], shots)


def settings_of_effects(counts: BellCounts, measurements: Sequence[ListedMeasurements]) -> Iterator[SettingShots]:
    """Every combination of settings, for measurements of any kind that determine the state of their party.

    Each party's coordinates are a linear function of its probabilities, the inverse with the least norm, and all
    settings count alike; the correlations follow from the products (linear inversion).

    Args:
        counts: Counts of these measurements.
        measurements: What each party measured.

    Raises:
        CountsError: If the measurements of a party do not determine its state.
    """
    inverses = [_inverse(listed, k) for k, listed in enumerate(measurements)]
    for setting in np.ndindex(counts.num_shots.shape):
        shots = int(counts.num_shots[setting])
        values: FloatArray = np.ones((1, 1))
        for inverse, x in zip(inverses, setting, strict=True):
            values = np.asarray(np.kron(values, inverse[:, x]), dtype=np.float64)
        entries = np.flatnonzero(np.any(values != 0, axis=1))
        frequencies = counts.array[setting].ravel() / shots
        yield SettingShots(entries, values[entries], frequencies, np.ones(len(entries)), shots)


def _inverse(listed: ListedMeasurements, number: int) -> FloatArray:
    """What each outcome of each setting contributes to each coordinate of a party, shape ``(D**2, m, d)``."""
    coordinates = effect_coordinates(listed.measurements)
    m, d, size = coordinates.shape
    table = coordinates.reshape(m * d, size)
    singular = np.linalg.svd(table, compute_uv=False)
    rank = int(np.sum(singular > _LEAST_SINGULAR_VALUE * singular[0]))
    if rank < size:
        raise CountsError.bad_argument(
            f"settings[{number}]",
            expected=f"measurements that determine a state of dimension {listed.dimension}: {size} numbers",
            got=f"{m} measurements that determine {rank}",
            remedy="All product Pauli bases of several qubits do, and so do mutually unbiased bases.",
        )
    inverse = np.linalg.pinv(table).reshape(size, m, d)
    # The probabilities of every setting add up to the trace.
    inverse[0] = 1 / m
    # What rounding left of contributions that are zero would be taken for a setting that measures an entry.
    inverse[np.abs(inverse) < 1e-13 * np.abs(inverse).max()] = 0
    return np.asarray(inverse)
