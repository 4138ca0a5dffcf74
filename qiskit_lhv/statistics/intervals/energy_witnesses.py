"""The energy of a Hamiltonian against its classical bound as a Bell operator."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from qiskit.primitives import PrimitiveResult
from qiskit.quantum_info import SparsePauliOp

from ..._support.estimated_value import with_error
from ..._support.rounding import round_up
from ..._support.types import FloatArray
from ..._support.validation import positive_number, real_array, real_number
from ...exceptions import CountsError
from ...polytope.bounds.local_bounds import local_bound
from ...polytope.bounds.many_parties.structural_bounds import StructuralBound
from ...polytope.expressions.many_parties.settings_expansions import expand_in_settings, settings_of_qubits
from ...polytope.expressions.many_parties.sparse import SparseExpression
from ...spin_chains.pauli_sums import checked_hamiltonian
from ...targets.expectation_values import values_of_estimator
from ...targets.tensor_estimates import least_standard_error
from ...verification.bell_operators import operator_distance
from ...verification.evidence import Evidence
from ...verification.result import Verification, combine
from .normal_tests import check_normal_tail, log10_normal_tail

__all__ = ["EnergyWitness", "energy_witness"]


@dataclass(frozen=True, eq=False, repr=False)
class EnergyWitness(Evidence):
    """An estimated energy against the smallest that local models give to its Hamiltonian as a Bell operator.

    It shows Bell-operator correlations, device-dependent: what it says holds if the energy is that of this Hamiltonian,
    so it trusts the device's measurements, and no settings were chosen in the experiment. It is never a proof of
    nonlocality.

    References:
        J. Tura et al., Phys. Rev. X 7, 021005 (2017), arXiv:1607.06090 (energy as a detector of nonlocality);
        arXiv:2406.17841 (73 qubits).

    Examples:
        >>> from qiskit.quantum_info import SparsePauliOp
        >>> from qiskit_lhv.statistics import energy_witness
        >>> bond = SparsePauliOp(["XX", "ZZ"], [-1.0, -1.0])
        >>> witness = energy_witness(bond, [["X", "Z"], ["X+Z", "X-Z"]], -1.9, 0.05, ground_energy=-2)
        >>> print(witness)
        energy -1.900 +- 0.050, 9.72 standard errors below the classical bound -1.41421356: log10 p = -21.8887
         (normal theory)
        ground energy -2
        Bell-operator correlations, device-dependent: it trusts the measurements, and is no proof of nonlocality
        >>> witness.below_classical_bound, witness.can_be_witnessed
        (True, True)
    """

    paulis: tuple[str, ...]
    """Pauli strings of the Hamiltonian; the rightmost character is qubit 0."""
    coefficients: FloatArray
    """Their coefficients."""
    axes: tuple[FloatArray, ...]
    """Bloch vectors of the settings of each qubit, each of shape ``(m, 3)``."""
    bound: StructuralBound
    """The local bound of the negative of the Hamiltonian, as a Bell expression of these settings."""
    rounding: float
    """By how much the Bell operator may differ from the Hamiltonian, because coefficients and settings are floats."""
    energy: float
    """The estimated energy."""
    standard_error: float
    """Its standard error, as given."""
    ground_energy: float | None
    """The smallest energy of any state, as given; it is not checked."""
    log10_p_value: float
    """Base-10 logarithm of the p-value: that an energy of at least the classical bound comes out so low, if its error
    is normal."""

    def __post_init__(self) -> None:
        super().__post_init__()
        axes = tuple(real_array(vectors, "axes", CountsError, ndim=2) for vectors in self.axes)
        object.__setattr__(self, "axes", axes)

    @property
    def hamiltonian(self) -> SparsePauliOp:
        """The Hamiltonian."""
        return SparsePauliOp(list(self.paulis), self.coefficients)

    @property
    def classical_bound(self) -> float:
        """The smallest energy that a local model reaches with these settings, less rounding."""
        return -round_up(Fraction(self.bound.value) + Fraction(self.rounding))

    @property
    def below_classical_bound(self) -> bool:
        """Whether the estimated energy lies below the classical bound, whatever its error is."""
        return self.energy < self.classical_bound

    @property
    def sigmas(self) -> float:
        """By how many standard errors the energy lies below the classical bound; negative above it."""
        return (self.classical_bound - self.energy) / self.standard_error

    @property
    def p_value(self) -> float:
        """The p-value; 0.0 where it is below the smallest float."""
        return 10**self.log10_p_value

    @property
    def can_be_witnessed(self) -> bool | None:
        """Whether the ground state lies below the classical bound; ``None`` if its energy was not given."""
        return None if self.ground_energy is None else self.ground_energy < self.classical_bound

    def __str__(self) -> str:
        side = "below" if self.sigmas > 0 else "above"
        lines = [
            f"energy {with_error(self.energy, self.standard_error)}, {abs(self.sigmas):.2f} standard errors {side} the "
            f"classical bound {self.classical_bound:.9g}: log10 p = {self.log10_p_value:.4f} (normal theory)",
            "Bell-operator correlations, device-dependent: it trusts the measurements, and is no proof of nonlocality",
        ]
        if self.ground_energy is not None:
            lines.insert(1, f"ground energy {self.ground_energy:.9g}")
        return "\n".join(lines)

    def verify(self) -> Verification:
        """Proves the bound again, compares the Bell operator with the Hamiltonian, and recomputes the p-value.

        Operators are compared in rational numbers; the p-value has 30 digits. The energy and its error are taken as
        given.
        """
        expression = self.bound.expression
        if not isinstance(expression, SparseExpression):
            return Verification(False, "there is no bound of listed terms", math.inf)
        if tuple(map(len, self.axes)) != tuple(expression.scenario.num_settings):
            return Verification(False, "the settings are not those of the expression", math.inf)
        if len(self.paulis) != len(self.coefficients):
            return Verification(False, "there are not as many coefficients as Pauli strings", math.inf)
        distance = _distance(self.paulis, self.coefficients, expression, self.axes)
        close = Verification(
            Fraction(self.rounding) >= distance,
            f"the Bell operator is the Hamiltonian up to {float(distance):.2g}",
            float(distance),
        )
        tail = check_normal_tail(-self.energy, -self.classical_bound, self.standard_error, self.log10_p_value)
        return combine(close, self.bound.verify(), tail)


def energy_witness(
    hamiltonian: SparsePauliOp,
    settings: Any,
    energy: Any,
    standard_error: float | None = None,
    *,
    ground_energy: float | None = None,
) -> EnergyWitness:
    """Compares an energy with the smallest one that local models give to its Hamiltonian as a Bell operator.

    The Hamiltonian is written as a Bell expression of the settings' observables, whose local bound is computed exactly.
    An energy below it witnesses Bell-operator correlations: a Bell test of this state with these settings, on perfect
    devices, would show nonlocality. The energy itself is no Bell test: it trusts the device.

    Which settings are taken changes the bound. The Pauli matrices of the Hamiltonian themselves often give a bound that
    no state falls below; where a qubit's neighbors measure X and Z, it may measure ``(X + Z) / sqrt(2)`` and
    ``(X - Z) / sqrt(2)``.

    Args:
        hamiltonian: The Hamiltonian, with real coefficients.
        settings: One sequence of projective measurements per qubit, such as ``["X", "Z"]`` or ``["X+Z", "X-Z"]``; or
            one list of labels for all qubits. Declare them before the energy is seen.
        energy: The energy; or the result of an Estimator for it: that of one PUB with this one observable.
        standard_error: Standard error of the energy, if that is a number.
        ground_energy: The smallest energy of any state, if known, to tell what can be reached.

    Returns:
        The comparison, with the bound and its evidence.

    Raises:
        CountsError: If the energy or its error is not a number in range, or the result holds several values.
        MeasurementError: If the Hamiltonian is not Hermitian, or the settings are no measurements of its qubits.
        ScenarioError: If the Hamiltonian is no sum of products of the settings' observables, or its bound is out of
            reach.

    References:
        J. Tura et al., Phys. Rev. X 7, 021005 (2017), arXiv:1607.06090 (energy as a detector of nonlocality);
        arXiv:2406.17841 (73 qubits).

    Examples:
        >>> from qiskit.quantum_info import SparsePauliOp
        >>> bell = SparsePauliOp(["XX", "ZZ"], [-1.0, -1.0])
        >>> witness = energy_witness(bell, [["X", "Z"], ["X+Z", "X-Z"]], -1.9, 0.05, ground_energy=-2)
        >>> round(witness.classical_bound, 6), round(witness.sigmas, 2)
        (-1.414214, 9.72)
    """
    operator = checked_hamiltonian(hamiltonian)
    value, error = _energy(energy, standard_error, operator.coeffs.real)
    ground = None if ground_energy is None else real_number(ground_energy, "ground_energy", CountsError)
    axes = tuple(settings_of_qubits(settings, operator.num_qubits))
    expression = expand_in_settings(SparsePauliOp(operator.paulis, -operator.coeffs), list(axes))
    bound = local_bound(expression)
    paulis = tuple(operator.paulis.to_labels())
    coefficients = np.asarray(operator.coeffs.real, dtype=np.float64)
    rounding = round_up(_distance(paulis, coefficients, expression, axes))
    classical = -round_up(Fraction(bound.value) + Fraction(rounding))
    log10_p = log10_normal_tail((classical - value) / error)
    return EnergyWitness(paulis, coefficients, axes, bound, rounding, value, error, ground, log10_p)


def _distance(
    paulis: tuple[str, ...], coefficients: FloatArray, expression: SparseExpression, axes: tuple[FloatArray, ...]
) -> Fraction:
    """How far the Bell operator of an expression may be from the negative of the Hamiltonian."""
    negative: dict[str, float] = {}
    for label, value in zip(paulis, coefficients.tolist(), strict=True):
        if label in negative:
            raise CountsError.bad_argument("paulis", expected="each string once", got=f"{label!r} twice")
        negative[label] = -value
    return operator_distance(negative, expression.rows, expression.coefficients, axes)


def _energy(energy: Any, standard_error: float | None, coefficients: FloatArray) -> tuple[float, float]:
    """The energy and its standard error."""
    if isinstance(energy, PrimitiveResult):
        if len(energy) != 1:
            raise CountsError.bad_argument(
                "energy", expected="the result of one PUB", got=f"{len(energy)}", remedy="Pass result[k]."
            )
        energy = energy[0]
    if not hasattr(energy, "data"):
        if standard_error is None:
            raise CountsError.bad_argument(
                "standard_error",
                expected="the standard error of the energy",
                got="None",
                remedy="Or pass the result of an Estimator.",
            )
        value = real_number(energy, "energy", CountsError)
        return value, positive_number(standard_error, "standard_error", CountsError)
    if standard_error is not None:
        raise CountsError.bad_argument(
            "standard_error", expected="None with the result of an Estimator, which has one", got=f"{standard_error}"
        )
    values, errors = values_of_estimator(energy, "analyze")
    if values.size != 1 or errors.size != 1:
        raise CountsError.bad_argument(
            "energy",
            expected="one value, that of the Hamiltonian",
            got=f"values of shape {values.shape}",
            remedy="Give the Estimator the whole Hamiltonian as one observable.",
        )
    metadata = getattr(energy, "metadata", None) or {}
    shots, precision = metadata.get("shots"), metadata.get("target_precision")
    value, error = float(values.item()), float(errors.item())
    if shots:
        # Outcomes that were all the same do not make an error of 0.
        error = max(error, float(least_standard_error(shots)) * float(np.linalg.norm(coefficients)))
    elif error == 0 and precision:
        error = float(precision)
    return real_number(value, "energy", CountsError), positive_number(error, "standard_error", CountsError)
