"""Bell expressions from Hamiltonians: every Pauli becomes an outcome, or a sum of outcomes, of its party's settings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from qiskit.quantum_info import SparsePauliOp

from ...._support.types import FloatArray
from ...._support.validation import instance
from ....exceptions import MeasurementError
from ....measurements.specification import parse_settings
from ....targets.operator_basis import scenario_of_settings
from ....targets.scenario import BellScenario
from .measured import MeasuredExpression
from .operators import expanded, observables_of_settings
from .sparse import SparseExpression

__all__ = ["hamiltonian_expression"]

_ATOL = 1e-9
_ROUNDING = 1e-14


def hamiltonian_expression(
    hamiltonian: SparsePauliOp, settings: Sequence[Sequence[Any]] | str | None = None
) -> MeasuredExpression:
    """The Bell expression whose operator, with given settings, is a Hamiltonian of qubits.

    Its value on a state that is measured with these settings is the energy. Party k is qubit k. The local bound is the
    highest energy that local models reach; for the lowest one, take minus the Hamiltonian.

    Args:
        hamiltonian: A Hermitian sum of Paulis.
        settings: One sequence of single-qubit measurements per party, or a name. Every Pauli of the Hamiltonian becomes
            the sum of its party's observables that it is: with X and Z on one side and ``"X+Z"`` and ``"X-Z"`` on the
            other, X X + Z Z becomes CHSH over ``sqrt(2)``. The observables of a party must be independent. Default: the
            Paulis that occur on its qubit, each of which is a setting. With these, local models often reach the highest
            energy too: both reach 2 for X X + Z Z.

    Returns:
        The expression and the settings.

    Raises:
        MeasurementError: If the Hamiltonian is not Hermitian, settings are not independent, or a Pauli is no sum of its
            party's observables.

    References:
        J. Tura, G. De las Cuevas, R. Augusiak, M. Lewenstein, A. Acin, J. I. Cirac, Phys. Rev. X 7, 021005 (2017),
        arXiv:1607.06090 (energy as a detector of nonlocality).

    Examples:
        >>> from qiskit.quantum_info import SparsePauliOp
        >>> bell = hamiltonian_expression(SparsePauliOp(["XX", "ZZ"]), [("X", "Z"), ("X+Z", "X-Z")])
        >>> print(bell.expression)
        0.707107<A0 B0> + 0.707107<A0 B1> + 0.707107<A1 B0> - 0.707107<A1 B1>
    """
    instance(hamiltonian, SparsePauliOp, "hamiltonian", MeasurementError, 'Such as SparsePauliOp(["XX", "ZZ"]).')
    total = hamiltonian.simplify()
    values = np.asarray(total.coeffs)
    if np.abs(values.imag).max() > _ATOL * max(1.0, float(np.abs(values).max())):
        raise MeasurementError.bad_argument("hamiltonian", expected="real coefficients", got="complex ones")
    z, x = total.paulis.z, total.paulis.x
    # 0, 1, 2, 3 stand for I, X, Y, Z.
    codes = np.where(x, np.where(z, 2, 1), np.where(z, 3, 0)).astype(np.int8)
    n = codes.shape[1]
    chosen: list[Any]
    if settings is None:
        present = [sorted({int(code) for code in codes[:, k]} - {0}) or [3] for k in range(n)]
        chosen = [tuple("IXYZ"[code] for code in party) for party in present]
    else:
        parsed = parse_settings(settings, [2] * n)
        observables = observables_of_settings(parsed, scenario_of_settings(parsed))
        chosen = [party[:, 1:] for party in observables]
    scenario = BellScenario([len(party) for party in chosen], 2)
    observables = observables_of_settings(chosen, scenario)
    sums = [_paulis_as_sums(party, set(codes[:, k].tolist()) - {0}, k) for k, party in enumerate(observables)]
    # Paulis play the part of settings, and settings that of Paulis.
    rows, coefficients = expanded((codes - 1).astype(np.int8), values.real.astype(np.float64), sums)
    # Thing 0 stands for a party that does not take part, thing x + 1 for its setting x.
    added = SparseExpression.of_rows(scenario, (rows - 1).astype(np.int8), coefficients)
    # What cancels up to rounding is left out.
    kept = np.abs(added.coefficients) > _ROUNDING * np.abs(coefficients).max()
    return MeasuredExpression(SparseExpression(scenario, added.rows[kept], added.coefficients[kept]), tuple(chosen))


def _paulis_as_sums(observables: FloatArray, paulis: set[int], party: int) -> FloatArray:
    """Coefficients of X, Y and Z, by row, on the identity (column 0) and on a party's settings.

    Raises:
        MeasurementError: If the observables are not independent, or a Pauli is no sum of them.
    """
    vectors = observables[:, 1:]
    if np.abs(observables[:, 0]).max() > _ATOL or np.linalg.matrix_rank(vectors, tol=_ATOL) < len(vectors):
        raise MeasurementError.bad_argument(
            f"settings[{party}]",
            expected="independent observables without a constant part",
            got="others",
            remedy="With more settings than that, several expressions have the same operator: write the terms down "
            "with BellExpression.from_terms().",
        )
    solution = np.linalg.pinv(vectors)
    for code in paulis:
        if np.abs(solution[code - 1] @ vectors - np.eye(3)[code - 1]).max() > _ATOL:
            raise MeasurementError.bad_argument(
                f"settings[{party}]",
                expected=f"observables whose sums include {'IXYZ'[code]}, which the Hamiltonian has on qubit {party}",
                got="others",
            )
    return np.concatenate([np.zeros((3, 1)), solution], axis=1)
