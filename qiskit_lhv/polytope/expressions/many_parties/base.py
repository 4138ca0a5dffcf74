"""What every Bell expression of many parties can do, whether its terms are listed or follow from a rule."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from qiskit.quantum_info import SparsePauliOp

from ...._support.validation import at_most, instance
from ....exceptions import ScenarioError
from ....targets.behaviors import Behavior
from ....targets.many_parties.runs import ABSENT
from ....targets.scenario import BellScenario
from .known_bounds import KnownBounds
from .operators import observables_of_settings, sum_of_paulis

__all__ = ["ABSENT", "ManyPartyExpression", "TermRows"]

TermRows = NDArray[np.int8]
"""Terms, shape ``(T, N)``: the setting of each party, ``ABSENT`` if it does not take part."""

MAX_LISTED = 1 << 22
"""Largest number of terms that are listed."""

_MAX_ENTRIES = 1 << 30
"""Largest number of terms times parties that are listed: each is a byte."""


class ManyPartyExpression(ABC):
    """A sum of correlators with coefficients, two outcomes per setting, of any number of parties.

    A correlator is the mean of the product of the outcomes, +1 and -1, of the parties that take part. What an
    expression has in common, whether its terms are listed (``SparseExpression``) or follow from a rule, is that its
    terms can be drawn with probabilities proportional to the size of their coefficients, and that the coefficient of a
    term can be asked for.

    Examples:
        >>> import numpy as np
        >>> from qiskit_lhv import local_bound
        >>> from qiskit_lhv.polytope import mermin
        >>> expression = mermin(50)
        >>> isinstance(expression, ManyPartyExpression), expression.num_parties, expression.num_terms == 2**49
        (True, 50, True)
        >>> local_bound(expression).fraction == 2**25
        True
        >>> rows = expression.draw_terms(2, np.random.default_rng(1))  # a setting per party, for two terms
        >>> rows.shape, expression.coefficients_of(rows).tolist()
        ((2, 50), [-1.0, -1.0])
    """

    scenario: BellScenario
    """The number of settings of each party; every setting has two outcomes."""
    known_bounds: KnownBounds | None
    """Bounds that are known for the family, with their source; ``None`` if none are."""

    # A NumPy number times an expression is an expression.
    __array_ufunc__ = None

    @property
    @abstractmethod
    def num_terms(self) -> int:
        """Number of terms with a coefficient that is not 0; a constant counts as a term."""

    @property
    @abstractmethod
    def constant(self) -> float:
        """Coefficient of the term in which no party takes part."""

    @property
    @abstractmethod
    def weight(self) -> float:
        """Sum of the sizes of all coefficients but the constant's: the algebraic bound, without the constant."""

    @abstractmethod
    def coefficients_of(self, rows: TermRows) -> NDArray[np.float64]:
        """Returns the coefficients of terms, shape ``(T,)``; 0 for those that the expression does not have.

        Args:
            rows: Shape ``(T, N)``: the setting of each party, -1 if it does not take part.
        """

    @abstractmethod
    def draw_terms(self, num_draws: int, rng: np.random.Generator) -> TermRows:
        """Draws terms independently, with probabilities ``abs(coefficient) / weight``; never the constant.

        Args:
            num_draws: Number of draws.
            rng: Source of randomness.

        Returns:
            Shape ``(num_draws, N)``, int8.

        Raises:
            ScenarioError: If no term has a coefficient other than 0, the constant aside.
        """

    @abstractmethod
    def _iterate_blocks(self) -> Iterator[tuple[TermRows, NDArray[np.float64]]]:
        """All terms, constant included, and their coefficients, in blocks of rows."""

    @abstractmethod
    def __mul__(self, factor: float) -> Self:
        """The expression with all coefficients multiplied by a number."""

    def __rmul__(self, factor: float) -> Self:
        return self * factor

    def __neg__(self) -> Self:
        return self * -1.0

    @property
    def num_parties(self) -> int:
        """Number of parties."""
        return self.scenario.num_parties

    def blocks(self) -> Iterator[tuple[TermRows, NDArray[np.float64]]]:
        """Yields all terms, constant included, in blocks: rows of shape ``(B, N)`` and coefficients of shape ``(B,)``.

        Raises:
            ScenarioError: If there are more than about four million terms, or they take more than a GiB.
        """
        if self.num_terms > MAX_LISTED:
            raise ScenarioError.bad_argument(
                "expression",
                expected=f"at most {MAX_LISTED} terms to list",
                got=f"{self.num_terms:.6g}",
                remedy="Draw terms instead: draw_terms().",
            )
        at_most(
            self.num_terms * self.num_parties,
            _MAX_ENTRIES,
            "expression",
            ScenarioError,
            what="terms times parties to list",
            remedy="Draw terms instead: draw_terms().",
        )
        yield from self._iterate_blocks()

    def value(self, behavior: Behavior) -> float:
        """Returns the value of the expression on a behavior of so few parties that it has a table.

        For a quantum state of many qubits, the value is the expectation value of the :meth:`operator`, which Qiskit
        computes: ``StabilizerState(circuit).expectation_value(expression.operator(settings))``.

        Args:
            behavior: A behavior of the same scenario.

        Raises:
            ScenarioError: If the scenarios differ, or the behavior is signaling.
        """
        remedy = "From shots, many_party_test(shots, expression) has the value, with its error."
        instance(behavior, Behavior, "behavior", ScenarioError, remedy)
        behavior.require_scenario(self.scenario, "expression")
        correlators = behavior.to_correlators()
        return float(sum(np.dot(values, correlators[tuple((rows + 1).T)]) for rows, values in self.blocks()))

    def operator(self, settings: Sequence[Sequence[Any]] | str) -> SparsePauliOp:
        """The Bell operator for qubits, whose expectation value in a state is the value of the expression.

        It is put together term by term. With settings that are Paulis, every term is a single Pauli; with others, a
        term of k parties is a sum of up to ``3**k``.

        Args:
            settings: One sequence of single-qubit measurements per party, or a name.

        Returns:
            The operator on N qubits, party k on qubit k.

        Raises:
            MeasurementError: If the settings are not qubit measurements that fit the scenario.
            ScenarioError: If there are too many terms or Paulis.

        Examples:
            >>> from qiskit_lhv import BellExpression, BellScenario
            >>> expression = BellExpression.from_terms(BellScenario([2] * 3, 2), {((0, 0), (2, 1)): 1.5})
            >>> expression.operator([("X", "Z")] * 3)
            SparsePauliOp(['ZIX'],
                          coeffs=[1.5+0.j])
        """
        return sum_of_paulis(self.blocks(), observables_of_settings(settings, self.scenario))
