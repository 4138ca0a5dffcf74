"""Values of listed correlators of many parties: exact, with standard errors, or with their numbers of shots."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..._support.records import Record
from ..._support.types import FloatArray, IntArray
from ..._support.validation import frozen, instance, real_array, truth_value, whole_array
from ..._support.words import counted
from ...exceptions import CountsError
from ..scenario import BellScenario
from .parities import term_means
from .shots import ManyPartyShots
from .term_expectations import expectations_of_terms
from .term_rows import check_term_rows, check_two_outcomes, no_two_measured_together
from .term_tables import terms_of_probabilities

__all__ = ["TermValues"]

_ROUNDING = 1e-9


@dataclass(frozen=True, eq=False, repr=False)
class TermValues(Record):
    """Values of listed correlators of many parties, of which no table is ever made.

    A term is the mean of the product of the outcomes, +1 and -1, of the parties that take part. The values are exact,
    unless there are standard errors or numbers of shots.

    Args:
        scenario: The number of settings of each party, two outcomes per setting.
        rows: Shape ``(T, N)``: the setting of each party in each term, -1 if it does not take part; no term twice.
        values: Shape ``(T,)``.
        standard_errors: Shape ``(T,)``, positive: the errors of the values are normal.
        num_shots: Shape ``(T,)``, or one number for all: each value is the mean over as many shots, of outcomes +1 and
            -1. Not together with ``standard_errors``.
        independent: Whether the errors of different terms are independent: no shot counts for two terms.

    Raises:
        ScenarioError: If a setting does not have two outcomes.
        CountsError: If shapes do not fit, a term is out of range or comes twice, a value that has no standard error is
            not between -1 and 1, or cannot be the mean of its shots.

    Examples:
        The stabilizers of a ring of 30 qubits, of which a table would have ``4**30`` entries:

        >>> scenario = BellScenario([2] * 30, 2)
        >>> rows = np.full((30, 30), -1)
        >>> for k in range(30):
        ...     rows[k, [k - 1, k, (k + 1) % 30]] = 1, 0, 1
        >>> terms = TermValues(scenario, rows, np.ones(30))
        >>> terms
        TermValues(30 correlators, exact, 30 parties with 2 settings of 2 outcomes each)
        >>> terms.mixed_with_noise(0.9).values[:2].round(3).tolist()
        [0.9, 0.9]
    """

    scenario: BellScenario
    """The number of settings of each party; every setting has two outcomes."""
    rows: NDArray[np.int8]
    """The terms, shape ``(T, N)``, int8, read-only: the setting of each party, -1 if it does not take part."""
    values: FloatArray
    """Value of each term, shape ``(T,)``, float64, read-only."""
    standard_errors: FloatArray | None = None
    """Standard error of each value, shape ``(T,)``, read-only, or ``None``."""
    num_shots: IntArray | None = None
    """Number of shots behind each value, shape ``(T,)``, int64, read-only, or ``None``."""
    independent: bool = False
    """Whether the errors of different terms are independent."""

    def __post_init__(self) -> None:
        scenario = check_two_outcomes(self.scenario)
        rows = check_term_rows(self.rows, scenario)
        values = real_array(self.values, "values", CountsError)
        if values.shape != (len(rows),):
            raise CountsError.bad_argument(
                "values", expected=f"{len(rows)} numbers, one per row", got=f"shape {values.shape}"
            )
        if self.standard_errors is not None and self.num_shots is not None:
            raise CountsError.bad_argument(
                "standard_errors", expected="standard errors, or numbers of shots", got="both", remedy="Pass one."
            )
        if self.standard_errors is not None:
            errors = real_array(self.standard_errors, "standard_errors", CountsError)
            if errors.shape not in {(), values.shape} or not errors.min() > 0:
                raise CountsError.bad_argument(
                    "standard_errors",
                    expected=f"{len(rows)} positive numbers, one per row",
                    got=f"shape {errors.shape}, smallest {errors.min(initial=np.inf):g}",
                    remedy="Exact values have no standard errors: pass None.",
                )
            object.__setattr__(self, "standard_errors", frozen(np.broadcast_to(errors, values.shape)))
        elif np.abs(values).max() > 1 + _ROUNDING:
            t = int(np.argmax(np.abs(values)))
            raise CountsError.bad_argument("values", expected="numbers from -1 to 1", got=f"{values[t]:g} in row {t}")
        if self.num_shots is not None:
            shots = whole_array(self.num_shots, "num_shots", CountsError)
            if shots.shape not in {(), values.shape} or shots.min() < 1:
                raise CountsError.bad_argument(
                    "num_shots",
                    expected=f"{len(rows)} numbers of at least 1, one per row",
                    got=f"shape {shots.shape}, smallest {shots.min(initial=0)}",
                )
            shots = np.broadcast_to(shots, values.shape)
            plus = shots * (1 + values) / 2
            wrong = np.flatnonzero(np.abs(plus - np.rint(plus)) > _ROUNDING * shots + _ROUNDING)
            if len(wrong):
                t = int(wrong[0])
                raise CountsError.bad_argument(
                    "values",
                    expected=f"a mean of {shots[t]} outcomes, +1 or -1",
                    got=f"{values[t]:.12g} in row {t}",
                    remedy="Pass standard_errors for values that were rounded or mitigated.",
                )
            values = 2 * np.rint(plus) / shots - 1
            object.__setattr__(self, "num_shots", frozen(shots))
        object.__setattr__(self, "rows", rows)
        object.__setattr__(self, "values", frozen(np.clip(values, -1, 1) if self.standard_errors is None else values))
        object.__setattr__(self, "independent", truth_value(self.independent, "independent", CountsError))

    @classmethod
    def from_shots(cls, shots: ManyPartyShots, rows: ArrayLike | None = None) -> TermValues:
        """Returns the means of terms over all shots whose settings agree with them.

        A term in which some parties do not take part is averaged over all settings of these. Where no two terms can
        have been measured in the same shot, the errors count as independent.

        Args:
            shots: The shots.
            rows: The terms, shape ``(T, N)``. Default: the terms that were drawn, or for settings in blocks those of
                all parties with these settings.

        Raises:
            CountsError: If a term is out of range, comes twice or was never measured.
        """
        shots = instance(shots, ManyPartyShots, "shots", CountsError)
        if rows is None:
            drawn = shots.settings if shots.drawn_terms is None else shots.drawn_terms
            rows = np.unique(drawn, axis=0)
        checked = check_term_rows(rows, shots.scenario)
        means, counts = term_means(shots, checked)
        missing = np.flatnonzero(counts == 0)
        if len(missing):
            raise CountsError.bad_argument(
                "rows",
                expected="terms that were measured",
                got=f"{counted(len(missing), 'term')} without any shot, such as row {missing[0]}",
                remedy="Leave them out.",
            )
        return cls(shots.scenario, checked, means, None, counts, no_two_measured_together(checked))

    @classmethod
    def from_state(cls, state: Any, settings: Sequence[Any], rows: ArrayLike) -> TermValues:
        """Returns the exact values of terms in a state of qubits, of which party k measures qubit k.

        Args:
            state: A ``Statevector``, ``DensityMatrix``, ``StabilizerState``, ``Clifford`` or ``QuantumCircuit``.
                Clifford circuits and stabilizer states may have any number of qubits if the settings are X, Y and Z,
                up to a sign; others at most 22 qubits, or 11 for a density matrix.
            settings: One sequence of projective measurements of a qubit per party, such as ``[["X", "Y"]] * 5``.
            rows: The terms, shape ``(T, N)``.

        Raises:
            CountsError: If a term is out of range or comes twice.
            ScenarioError: If a measurement is not a projective one of a qubit.
            MeasurementError: If the state has too many qubits, or is none.

        Examples:
            >>> from qiskit_lhv import ghz_state
            >>> TermValues.from_state(ghz_state(3), [["X", "Y"]] * 3, [[0, 0, 0], [0, 1, 1]]).values.round(9).tolist()
            [1.0, -1.0]
        """
        values, scenario, checked = expectations_of_terms(state, settings, rows)
        return cls(scenario, checked, values)

    @classmethod
    def from_probabilities(cls, scenario: BellScenario, settings: ArrayLike, probabilities: ArrayLike) -> TermValues:
        """Returns all correlators of all subsets of parties, from the exact probabilities of some setting combinations.

        Args:
            scenario: The scenario.
            settings: The setting combinations, shape ``(R, N)``.
            probabilities: Joint probabilities of the outcomes, shape ``(R, 2, ..., 2)``, one axis for each party.

        Raises:
            CountsError: If shapes do not fit, numbers are no probabilities, correlators of some parties depend on the
                settings of the others, or there are more than about four million probabilities.
        """
        scenario = check_two_outcomes(scenario)
        rows, values = terms_of_probabilities(scenario, settings, probabilities)
        return cls(scenario, rows, values)

    def __str__(self) -> str:
        kind = "exact"
        if self.standard_errors is not None:
            kind = "with standard errors"
        elif self.num_shots is not None:
            kind = f"from {self.num_shots.min()} to {self.num_shots.max()} shots each"
        return f"{counted(self.num_terms, 'correlator')}, {kind}, {self.scenario}"

    @property
    def num_terms(self) -> int:
        """Number of terms."""
        return len(self.rows)

    @property
    def num_parties(self) -> int:
        """Number of parties."""
        return self.scenario.num_parties

    @property
    def is_exact(self) -> bool:
        """Whether the values have no errors."""
        return self.standard_errors is None and self.num_shots is None

    def mixed_with_noise(self, visibility: float) -> TermValues:
        """Returns exact values with white noise added: all values times the visibility.

        Args:
            visibility: Share of the state, from 0 to 1.

        Raises:
            CountsError: If the values are not exact.
        """
        if not self.is_exact:
            raise CountsError.bad_argument("values", expected="exact values", got=str(self))
        return replace(self, values=float(visibility) * self.values)

    def select(self, chosen: NDArray[Any]) -> TermValues:
        """Returns the values of some of the terms.

        Args:
            chosen: Their numbers, or for each term whether it is kept.
        """
        errors, shots = self.standard_errors, self.num_shots
        return TermValues(
            self.scenario,
            self.rows[chosen],
            self.values[chosen],
            None if errors is None else errors[chosen],
            None if shots is None else shots[chosen],
            self.independent,
        )
