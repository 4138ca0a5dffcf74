"""What is known of an infinite chain: states of near neighbors, and correlators of given settings."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from qiskit.quantum_info import DensityMatrix, Pauli, Statevector

from ..._support.records import Record
from ..._support.types import FloatArray
from ..._support.validation import real_array, whole_number
from ...exceptions import MeasurementError, ScenarioError
from ...quantum.parties import to_state
from ...spin_chains.dynamics import reduced_state
from ...spin_chains.ground_states import GroundState

__all__ = ["ChainCorrelators", "ChainData"]

# How far the numbers of a state may lie outside [-1, 1], by rounding.
_ROUNDING = 1e-9
_SAME_SPIN = 1e-6


@dataclass(frozen=True, eq=False, repr=False)
class ChainCorrelators(Record):
    """Correlators of near neighbors of a chain that repeats itself after ``period`` sites.

    Site ``i`` belongs to sublattice ``i % period``. Outcomes are +1 and -1.

    Raises:
        ScenarioError: If shapes do not fit, or an entry is not a number between -1 and 1.

    References:
        Z. Wang, S. Singh, M. Navascues, Phys. Rev. Lett. 118, 230401 (2017), arXiv:1608.03485.

    Examples:
        >>> from qiskit_lhv.polytope import chain_threshold
        >>> correlators = ChainCorrelators([[0.0]], [[[[-1.0]], [[1.0]]]])  # one setting, perfect antiferromagnet
        >>> correlators.period, correlators.num_settings, correlators.reach
        (1, 1, 2)
        >>> chain_threshold(correlators).violated
        False
    """

    singles: FloatArray
    """Means of the outcomes, shape ``(period, m)``: sublattice, setting."""
    pairs: FloatArray
    """Means of products, shape ``(period, reach, m, m)``: sublattice of the left site, distance less one, setting of
    the left site, setting of the right site."""

    def __post_init__(self) -> None:
        singles = real_array(self.singles, "singles", ScenarioError, ndim=2)
        pairs = real_array(self.pairs, "pairs", ScenarioError, ndim=4)
        period, m = singles.shape
        if not singles.size or not pairs.size or pairs.shape != (period, pairs.shape[1], m, m):
            raise ScenarioError.bad_argument(
                "pairs",
                expected=f"shape (period, reach, settings, settings), as singles have shape {singles.shape}",
                got=f"shape {pairs.shape}",
            )
        largest = max(np.abs(singles).max(), np.abs(pairs).max())
        if largest > 1 + _ROUNDING:
            raise ScenarioError.bad_argument("correlators", expected="numbers from -1 to 1", got=f"{largest:.6g}")
        object.__setattr__(self, "singles", singles)
        object.__setattr__(self, "pairs", pairs)

    @property
    def period(self) -> int:
        """After how many sites the chain repeats itself; 1 if it is translation-invariant."""
        return len(self.singles)

    @property
    def num_settings(self) -> int:
        """Number of settings of each site."""
        return int(self.singles.shape[1])

    @property
    def reach(self) -> int:
        """Largest distance of two neighbors whose correlators are known."""
        return int(self.pairs.shape[1])

    def __str__(self) -> str:
        return (
            f"correlators of a chain of period {self.period}, {self.num_settings} settings per site, "
            f"neighbors up to {self.reach}"
        )


@dataclass(frozen=True, eq=False, repr=False)
class ChainData(Record):
    """States of near neighbors of a chain of qubits that repeats itself after ``period`` sites, as expectation values.

    ``of_states`` and ``of_ring`` make it from states.

    Raises:
        MeasurementError: If shapes do not fit, or an entry is not a number between -1 and 1.

    References:
        Z. Wang, S. Singh, M. Navascues, Phys. Rev. Lett. 118, 230401 (2017), arXiv:1608.03485.

    Examples:
        >>> from qiskit_lhv.spin_chains import ground_state, xxz_chain
        >>> data = ChainData.of_ring(ground_state(xxz_chain(8, 1.0)))
        >>> print(data)
        two-body data of a chain of qubits of period 1, neighbors up to 2
        >>> print(data.pairs[0, 0].diagonal().round(4))  # X X, Y Y and Z Z of neighbors
        [-0.6085 -0.6085 -0.6085]
        >>> data.correlators([[1, 0, 0], [0, 0, 1]]).pairs[0, 1].round(4)  # second neighbors, settings X and Z
        array([[0.261, 0.   ],
               [0.   , 0.261]])
    """

    singles: FloatArray
    """Bloch vectors of the sites, shape ``(period, 3)``."""
    pairs: FloatArray
    """Expectation values of products of Pauli matrices X, Y, Z, shape ``(period, reach, 3, 3)``: sublattice of the left
    site, distance less one, Pauli matrix of the left site, of the right site."""

    def __post_init__(self) -> None:
        checked = ChainCorrelators(self.singles, self.pairs)
        if checked.num_settings != 3:
            raise MeasurementError.bad_argument(
                "singles", expected="shape (period, 3)", got=f"shape {np.shape(self.singles)}"
            )
        object.__setattr__(self, "singles", checked.singles)
        object.__setattr__(self, "pairs", checked.pairs)

    @property
    def period(self) -> int:
        """After how many sites the chain repeats itself; 1 if it is translation-invariant."""
        return len(self.singles)

    @property
    def reach(self) -> int:
        """Largest distance of two neighbors whose state is known."""
        return int(self.pairs.shape[1])

    def __str__(self) -> str:
        return f"two-body data of a chain of qubits of period {self.period}, neighbors up to {self.reach}"

    @classmethod
    def of_states(cls, states: Sequence[Any] | Sequence[Sequence[Any]]) -> ChainData:
        """The data of given two-qubit states.

        Args:
            states: For a translation-invariant chain the states of a site and its first, second, ... neighbor to the
                right; for a chain of a longer period one such sequence per sublattice. Qubit 0 is the left site.

        Raises:
            MeasurementError: If a state is not one of two qubits, or states disagree on a site.
        """
        rows = [list(row) if isinstance(row, list | tuple) else row for row in states]
        nested: list[Any] = rows if rows and isinstance(rows[0], list) else [rows]
        if not nested[0] or any(not isinstance(row, list) or len(row) != len(nested[0]) for row in nested):
            raise MeasurementError.bad_argument(
                "states", expected="as many two-qubit states for each sublattice", got=repr(type(states).__name__)
            )
        tables = np.stack([np.stack([_pauli_table(state) for state in row]) for row in nested])
        singles = tables[:, 0, 1:, 0]
        period, reach = tables.shape[:2]
        for s, r in itertools.product(range(period), range(reach)):
            right = singles[(s + r + 1) % period]
            off = max(np.abs(tables[s, r, 1:, 0] - singles[s]).max(), np.abs(tables[s, r, 0, 1:] - right).max())
            if off > _SAME_SPIN:
                raise MeasurementError.bad_argument(
                    "states",
                    expected="states that agree on the Bloch vector of every site",
                    got=f"a difference of {off:.3g} for sublattice {s} and distance {r + 1}",
                    remedy="Pass the states of one chain, and its period.",
                )
        return cls(singles, tables[:, :, 1:, 1:])

    @classmethod
    def of_ring(cls, state: Any, reach: int = 2, *, period: int = 1) -> ChainData:
        """The data of the state of a closed chain, as means over its translations.

        The mean over translations is what a translation-invariant inequality sees. A violation by the data of a ring
        shows that the ring is nonlocal, because its bound per site is no larger than that of the infinite chain. That
        the data violate nothing leaves inequalities of the ring of this length open. Settings of a longer period must
        fit into the ring for such a violation to be one of the ring.

        Args:
            state: Statevector, DensityMatrix, circuit, array or ``GroundState`` of the ring.
            reach: Largest distance of two neighbors, less than half of the number of spins.
            period: After how many sites the chain repeats itself; a divisor of the number of spins.

        Raises:
            MeasurementError: If the state is not valid, or a number is out of range.
        """
        reach = whole_number(reach, "reach", MeasurementError)
        period = whole_number(period, "period", MeasurementError)
        if not isinstance(state, GroundState):
            state = to_state(state) if not isinstance(state, Statevector | DensityMatrix) else state
        n = int(state.num_spins if isinstance(state, GroundState) else state.num_qubits)
        if n % period or 2 * reach >= n:
            raise MeasurementError.bad_argument(
                "state",
                expected=f"a ring of more than {2 * reach} spins, a multiple of the period {period}",
                got=f"{n} spins",
            )
        tables = np.zeros((period, reach, 4, 4))
        for i, r in itertools.product(range(n), range(1, reach + 1)):
            tables[i % period, r - 1] += _pauli_table(reduced_state(state, [i, (i + r) % n])) * (period / n)
        return cls(tables[:, 0, 1:, 0], tables[:, :, 1:, 1:])

    def correlators(self, settings: Any) -> ChainCorrelators:
        """Correlators of given settings.

        Args:
            settings: Bloch vectors of outcome +1, shape ``(m, 3)``, or ``(period, m, 3)`` with the settings of each
                sublattice. Their period may be a multiple of that of the data.

        Raises:
            ScenarioError: If the shape does not fit, or the vectors are not of length 1.
        """
        axes = _axes(settings, self.period)
        period, _, _ = axes.shape
        singles = np.einsum("sxi,si->sx", axes, self.singles[np.arange(period) % self.period])
        pairs = np.stack(
            [
                np.stack(
                    [axes[s] @ self.pairs[s % self.period, r] @ axes[(s + r + 1) % period].T for r in range(self.reach)]
                )
                for s in range(period)
            ]
        )
        return ChainCorrelators(np.clip(singles, -1, 1), np.clip(pairs, -1, 1))


def _axes(settings: Any, period: int) -> NDArray[np.float64]:
    """Bloch vectors by sublattice, of length 1."""
    axes = real_array(settings, "settings", ScenarioError)
    if axes.ndim == 2:
        axes = np.broadcast_to(axes, (period, *axes.shape))
    if axes.ndim != 3 or axes.shape[2] != 3 or not axes.size or len(axes) % period:
        raise ScenarioError.bad_argument(
            "settings",
            expected=f"Bloch vectors of shape (m, 3), or (p, m, 3) with a multiple p of the period {period}",
            got=f"shape {axes.shape}",
        )
    lengths = np.linalg.norm(axes, axis=2)
    if np.abs(lengths - 1).max() > _ROUNDING:
        raise ScenarioError.bad_argument(
            "settings", expected="vectors of length 1", got=f"length {lengths.flat[np.abs(lengths - 1).argmax()]:.6g}"
        )
    normalized: NDArray[np.float64] = axes / lengths[..., np.newaxis]
    return normalized


def _pauli_table(state: Any) -> NDArray[np.float64]:
    """Expectation values of products of the identity and Pauli matrices; first index: qubit 0."""
    checked = to_state(state)
    if checked.num_qubits != 2:
        raise MeasurementError.bad_argument("states", expected="states of two qubits", got=f"{checked.dims()}")
    # A label's rightmost character is qubit 0.
    return np.array([[np.real(checked.expectation_value(Pauli(b + a))) for b in "IXYZ"] for a in "IXYZ"])
