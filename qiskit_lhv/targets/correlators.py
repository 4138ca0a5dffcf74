"""Correlators of chosen settings with their errors, such as those of an Estimator or of a published table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from qiskit import QuantumCircuit
from qiskit.exceptions import QiskitError
from qiskit.primitives.containers.estimator_pub import EstimatorPub

from .._support.records import Record
from .._support.types import FloatArray
from .._support.validation import frozen, shown
from ..exceptions import CountsError
from ..quantum.qubit_layouts import PhysicalQubits
from .expectation_values import (
    circuit_and_observables,
    labels_of_parties,
    pauli_string,
    valid_errors,
    values_of_estimator,
)
from .scenario import BellScenario

__all__ = ["Correlators"]

# Values of mitigated correlators may leave [-1, 1] by errors, but not by more of them than this.
_MOST_ERRORS = 5.0
_SYMMETRY = 1e-9


@dataclass(frozen=True, eq=False, repr=False)
class Correlators(Record):
    """Estimated expectation values of products of all parties' outcomes +1 and -1, with their errors.

    They are less than counts: they hold no marginals, and no shots that a p-value against every local model could rest
    on. Mitigated values are not even averages of outcomes. So :func:`~qiskit_lhv.analysis.analyze` gives their value of
    an expression with its error and the p-value of a normal variable, and the verdict is always INCONCLUSIVE. Wherever
    you have the counts, analyze these.

    Args:
        values: Shape ``(m_1, ..., m_N)``; NaN where nothing was estimated.
        errors: Standard errors of the same shape, or one number for all. Errors of different correlators are then taken
            as independent.
        covariance: Covariance of the values in row-major order, shape ``(M, M)`` with ``M = m_1 ... m_N``, instead of
            errors.
        mitigation: What was done to the values, such as ``"zero-noise extrapolation"``; empty if nothing was.
        setting_names: For each party, the name of each of its settings.

    Raises:
        CountsError: If shapes do not fit, an error is not positive, both or neither of errors and covariance are given,
            or a value lies outside of [-1, 1] by more than five errors.

    References:
        K. Temme, S. Bravyi, J. M. Gambetta, Phys. Rev. Lett. 119, 180509 (2017), arXiv:1612.02058 (zero-noise
        extrapolation and probabilistic error cancellation, which mitigate values but leave no counts).

    Examples:
        >>> correlators = Correlators([[0.72, 0.71], [0.70, -0.72]], errors=0.02)
        >>> correlators
        Correlators(2 parties with 2 settings of 2 outcomes each, standard errors up to 0.02)
        >>> correlators.values.tolist()
        [[0.72, 0.71], [0.7, -0.72]]
    """

    values: FloatArray
    """The correlators, shape ``(m_1, ..., m_N)``; NaN where nothing was estimated."""
    errors: FloatArray = None  # type: ignore[assignment]  # filled in below
    """Their standard errors, shape ``(m_1, ..., m_N)``."""
    covariance: FloatArray | None = None
    """Their covariance in row-major order, shape ``(M, M)``; ``None``: errors are independent."""
    mitigation: str = ""
    """What was done to the values; empty if nothing was."""
    setting_names: tuple[tuple[str, ...], ...] | None = None
    """For each party, the name of each of its settings, or ``None``."""

    def __post_init__(self) -> None:
        values = _numbers(self.values, "values")
        if values.ndim == 0 or not values.size or np.isnan(values).all():
            raise CountsError.bad_argument(
                "values", expected="correlators, shape (m_1, ..., m_N)", got=f"shape {values.shape}, none of them known"
            )
        if (self.errors is None) is (self.covariance is None):
            raise CountsError.bad_argument(
                "errors",
                expected="either errors or covariance",
                got="neither" if self.errors is None else "both",
                remedy="Correlators(values, errors=0.05), or covariance=matrix.",
            )
        known = ~np.isnan(values)
        covariance = None
        if self.covariance is not None:
            covariance = self._checked_covariance(values.size, known.ravel())
            errors = np.sqrt(np.diag(covariance)).reshape(values.shape)
        else:
            errors = _numbers(self.errors, "errors")
            if errors.shape not in {(), values.shape}:
                raise CountsError.bad_argument(
                    "errors", expected=f"one number, or shape {values.shape}", got=f"shape {errors.shape}"
                )
            errors = np.where(known, errors, np.nan)
        if not np.all(errors[known] > 0):
            raise CountsError.bad_argument(
                "errors" if covariance is None else "covariance",
                expected="standard errors above 0",
                got=f"{errors[known][~(errors[known] > 0)][0]:g}",
                remedy="Exact correlators are a behavior: Behavior.from_correlators(values, marginals=False).",
            )
        off = np.abs(values[known]) > 1 + _MOST_ERRORS * errors[known]
        if off.any():
            raise CountsError.bad_argument(
                "values",
                expected="numbers from -1 to 1, up to five standard errors",
                got=f"{values[known][off][0]:g}",
                remedy="Correlators are means of products of outcomes +1 and -1.",
            )
        if not isinstance(self.mitigation, str):
            raise CountsError.bad_argument("mitigation", expected="a text", got=shown(self.mitigation))
        names = _checked_names(self.setting_names, values.shape)
        for name, value in (("values", values), ("errors", errors), ("covariance", covariance)):
            object.__setattr__(self, name, None if value is None else frozen(value))
        object.__setattr__(self, "setting_names", names)

    def _checked_covariance(self, size: int, known: Any) -> FloatArray:
        assert self.covariance is not None
        array = _numbers(self.covariance, "covariance")
        if array.shape != (size, size):
            raise CountsError.bad_argument("covariance", expected=f"shape {(size, size)}", got=f"shape {array.shape}")
        array = np.where(np.logical_and.outer(known, known), array, 0.0)
        scale = float(np.abs(array).max()) if np.isfinite(array).all() else np.nan
        symmetric = bool(np.all(np.abs(array - array.T) <= _SYMMETRY * scale))
        if not symmetric or float(np.linalg.eigvalsh(array).min()) < -_SYMMETRY * scale:
            raise CountsError.bad_argument(
                "covariance", expected="a symmetric matrix without negative eigenvalues", got="another one"
            )
        # Where nothing is known, an error has no meaning.
        array[~known, ~known] = np.nan
        return array

    def __repr__(self) -> str:
        mitigated = f", {self.mitigation}" if self.mitigation else ""
        return f"Correlators({self.scenario}, standard errors up to {float(np.nanmax(self.errors)):.2g}{mitigated})"

    @property
    def scenario(self) -> BellScenario:
        """The scenario: two outcomes for each setting."""
        return BellScenario(self.values.shape, (2,) * self.values.ndim)

    @classmethod
    def from_estimator(
        cls,
        result: Any,
        observables: Any,
        parties: Sequence[Any] | PhysicalQubits | None = None,
        *,
        settings: Sequence[Sequence[str]] | None = None,
        mitigation: str = "",
    ) -> list[Correlators]:
        """Correlators from what an Estimator returned for one PUB, one for each set of parameter values.

        The observables are Pauli strings on the parties' qubits, such as ZZ, ZX, XZ and XX: each letter is a setting of
        its party. (Qiskit writes qubit 0, the first party by default, at the right.) A sweep of a parameter, as in
        IBM's tutorial on CHSH, has more values than observables.

        Args:
            result: One of the results of ``estimator.run([pub]).result()``.
            observables: What it was made of: the PUB, ``(circuit, observables, ...)``, or the observables alone.
            parties: The qubit of each party; see :func:`estimate_from_estimator`.
            settings: For each party the letters of its settings in order; default: as the observables name them.
            mitigation: What was done to the values, such as ``"zero-noise extrapolation"``.

        Returns:
            One object for each set of parameter values, in row-major order; a list of one without parameters.

        Raises:
            CountsError: If the result is not that of an Estimator, its values do not fit the observables, or these are
                not Pauli strings with a letter for each party.

        Examples:
            >>> from qiskit import QuantumCircuit
            >>> from qiskit.circuit import Parameter
            >>> from qiskit.primitives import StatevectorEstimator
            >>> circuit = QuantumCircuit(2)
            >>> _ = circuit.h(0), circuit.cx(0, 1), circuit.ry(Parameter("theta"), 0)
            >>> pub = (circuit, [["ZZ"], ["ZX"], ["XZ"], ["XX"]], [0.0, 0.785])
            >>> result = StatevectorEstimator(seed=1).run([pub], precision=0.02).result()[0]
            >>> [correlators.values.round(1).tolist() for correlators in Correlators.from_estimator(result, pub)]
            [[[1.0, 0.0], [0.0, 1.0]], [[0.7, -0.7], [0.7, 0.7]]]
        """
        values, errors = values_of_estimator(result, "BellCounts.from_counts")
        circuit, measured = circuit_and_observables(observables)
        shape = tuple(measured.shape)
        try:
            places = np.broadcast_to(np.arange(measured.size).reshape(shape), values.shape)
        except ValueError:
            places = np.empty(())
        if errors.shape != values.shape or places.shape != values.shape:
            raise CountsError.bad_argument(
                "observables",
                expected=f"ones that broadcast to the values of the result, which have shape {values.shape}",
                got=f"observables of shape {shape}",
                remedy="Pass the PUB that the Estimator was given.",
            )
        _refuse_common_axes(observables, shape)
        _refuse_sums([measured[index] for index in np.ndindex(shape)])
        strings = [pauli_string(measured[index]) for index in np.ndindex(shape)]
        labels = labels_of_parties([label for label, _ in strings], circuit, parties)
        _refuse_unusable(labels)
        factors = np.array([factor for _, factor in strings])
        metadata = getattr(result, "metadata", None) or {}
        each = valid_errors(errors.ravel(), np.abs(factors)[places.ravel()], metadata).reshape(values.shape)
        values = values / factors[places]
        letters = _letters(labels, settings)
        # Axes along which the observable stays the same are those of the parameters.
        padded = (1,) * (values.ndim - len(shape)) + shape
        own = [axis for axis in range(values.ndim) if padded[axis] > 1]
        others = [axis for axis in range(values.ndim) if padded[axis] == 1]
        rows, row_errors, row_places = (
            np.transpose(array, [*others, *own]).reshape(-1, len(labels)) for array in (values, each, places)
        )
        grid = tuple(map(len, letters))
        found = []
        for row, row_error, row_place in zip(rows, row_errors, row_places, strict=True):
            table, table_errors = np.full(grid, np.nan), np.full(grid, np.nan)
            for value, error, place in zip(row, row_error, row_place, strict=True):
                # The first party is the rightmost letter.
                index = tuple(own_letters.index(c) for own_letters, c in zip(letters, labels[place][::-1], strict=True))
                table[index], table_errors[index] = value, error
            found.append(cls(table, table_errors, None, mitigation, letters))
        return found


def _numbers(value: ArrayLike, name: str) -> FloatArray:
    try:
        array = np.array(value, dtype=np.float64)
    except (TypeError, ValueError) as exc:
        raise CountsError.bad_argument(name, expected="an array of numbers", got=shown(value)) from exc
    if np.isinf(array).any():
        raise CountsError.bad_argument(name, expected="finite numbers, or NaN where nothing is known", got="infinity")
    return array


def _checked_names(names: Any, shape: tuple[int, ...]) -> tuple[tuple[str, ...], ...] | None:
    if names is None:
        return None
    try:
        checked = tuple(tuple(str(name) for name in party) for party in names)
    except TypeError:
        checked = ()
    if tuple(map(len, checked)) != shape:
        raise CountsError.bad_argument(
            "setting_names", expected=f"for each party the names of its settings, {shape} of them", got=shown(names)
        )
    return checked


def _refuse_sums(observables: list[Any]) -> None:
    """Refuses operators of several terms, such as the whole CHSH operator."""
    several = next((one for one in observables if len(one) > 1), None)
    if several is not None:
        raise CountsError.bad_argument(
            "observables",
            expected="one Pauli string for each correlator",
            got=f"a sum of {len(several)}",
            remedy="Measure its terms, such as ZZ, ZX, XZ and XX. For the value of the whole sum: "
            "statistics.normal_test(value, standard_error, expression).",
        )


def _refuse_common_axes(given: Any, shape: tuple[int, ...]) -> None:
    """Refuses a PUB whose observables change together with its parameters, where that can be seen."""
    if not isinstance(given, EstimatorPub | tuple | list) or (
        not isinstance(given, EstimatorPub) and (len(given) < 3 or not isinstance(given[0], QuantumCircuit))
    ):
        return
    try:
        parameters = EstimatorPub.coerce(given).parameter_values.shape
    except (QiskitError, TypeError, ValueError):
        # Observables of kinds that only later versions take.
        return
    if any(a > 1 and b > 1 for a, b in zip(shape[::-1], parameters[::-1], strict=False)):
        raise CountsError.bad_argument(
            "observables",
            expected="an axis of their own, so that each is measured with all parameter values",
            got=f"observables of shape {shape} beside parameter values of shape {parameters}",
            remedy='Such as [["ZZ"], ["ZX"], ["XZ"], ["XX"]] beside a list of angles.',
        )


def _refuse_unusable(labels: list[str]) -> None:
    incomplete = [label for label in labels if "I" in label]
    if incomplete:
        raise CountsError.bad_argument(
            "observables",
            expected="Pauli strings with a letter X, Y or Z for each party",
            got=repr(incomplete[0]),
            remedy="Leave out marginals; estimate_from_estimator takes all correlations of a state.",
        )
    twice = next((label for i, label in enumerate(labels) if label in labels[:i]), None)
    if twice is not None:
        raise CountsError.bad_argument("observables", expected="each Pauli string once", got=f"{twice!r} twice")


def _letters(labels: list[str], settings: Any) -> tuple[tuple[str, ...], ...]:
    """For each party the letters of its settings, as given or in the order of the labels."""
    seen = tuple(tuple(dict.fromkeys(label[::-1][k] for label in labels)) for k in range(len(labels[0])))
    if settings is None:
        return seen
    given = tuple(tuple(str(letter) for letter in party) for party in settings)
    if len(given) != len(seen) or any(not set(own) <= set(party) for own, party in zip(seen, given, strict=True)):
        raise CountsError.bad_argument(
            "settings", expected=f"for each party its letters, those of {seen}", got=shown(settings)
        )
    return given
