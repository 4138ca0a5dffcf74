"""Bell expressions: coefficients of the probabilities of a scenario."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from qiskit.quantum_info import SparsePauliOp

from ..._support.records import Record
from ..._support.types import FloatArray
from ..._support.validation import at_most, instance, is_whole_number, real_array
from ...exceptions import MeasurementError, ScenarioError
from ...measurements.specification import parse_settings
from ...targets import coordinates
from ...targets.behaviors import Behavior
from ...targets.counts import BellCounts
from ...targets.estimated_values import value_of_counts
from ...targets.operator_basis import effect_coordinates, scenario_of_settings
from ...targets.outcome_maps import OutcomeMap, OutcomeNames
from ...targets.scenario import BellScenario, scenario_of_array
from ..symmetry.relabelings import Relabeling
from .many_parties.base import ManyPartyExpression
from .many_parties.sparse import SparseExpression, Terms
from .normal_forms import expression_symbols, simplest_fraction, table_matrices

__all__ = ["BellExpression"]

_MAX_CELLS = 1 << 26
_ROUNDING = 1e-12
"""Coefficients of correlators that are smaller, relative to the largest, are rounding errors of conversions."""


@dataclass(frozen=True, eq=False, repr=False)
class BellExpression(Record):
    """A linear function of a behavior: ``sum of coefficients[x, a] * p(a|x)``.

    Args:
        coefficients: Shape ``(m_1, ..., m_N, d_1, ..., d_N)``; 0 for outcomes that a setting does not have.
        scenario: The scenario, for settings with different numbers of outcomes; default: that of the coefficients'
            shape.

    Raises:
        ScenarioError: If the shape is not of this form or does not fit the scenario.

    References:
        N. Brunner, D. Cavalcanti, S. Pironio, V. Scarani, S. Wehner, Rev. Mod. Phys. 86, 419 (2014), arXiv:1303.2849
        (Bell nonlocality).

    Examples:
        >>> from qiskit_lhv import local_bound
        >>> bell = BellExpression.from_correlators([[1, 1], [1, -1]], marginals=False)
        >>> print(bell)
        <A0 B0> + <A0 B1> + <A1 B0> - <A1 B1>
        >>> bell.scenario.num_settings, local_bound(bell).value
        ((2, 2), 2.0)
        >>> print(bell.operator([("X", "Z"), ("X+Z", "X-Z")]).simplify())
        SparsePauliOp(['XX', 'ZZ'],
                      coeffs=[1.41421356+0.j, 1.41421356+0.j])
    """

    coefficients: FloatArray
    """Shape ``(m_1, ..., m_N, d_1, ..., d_N)``, float64, read-only."""
    scenario: BellScenario = None  # type: ignore[assignment]  # filled in below
    """The number of settings and outcomes of each party."""

    def __post_init__(self) -> None:
        array = real_array(self.coefficients, "coefficients", ScenarioError)
        scenario = scenario_of_array(array, self.scenario, "coefficients", ScenarioError)
        object.__setattr__(self, "coefficients", array)
        object.__setattr__(self, "scenario", scenario)

    def __repr__(self) -> str:
        return f"BellExpression({self})"

    def __str__(self) -> str:
        if not self.scenario.is_two_outcome:
            return f"{np.count_nonzero(self.coefficients)} coefficients, {self.scenario}"
        terms = []
        correlators = self.to_correlators()
        for index in np.argwhere(np.abs(correlators) > _ROUNDING * np.abs(correlators).max()):
            value = correlators[tuple(index)]
            names = " ".join(f"{chr(65 + k)}{x - 1}" for k, x in enumerate(index) if x)
            size = "" if names and math.isclose(abs(value), 1) else f"{abs(value):.6g}"
            terms.append(f"{'-' if value < 0 else '+'} {size}{f'<{names}>' if names else ''}")
        text = " ".join(terms[:12]) + (f" + {len(terms) - 12} more terms" if len(terms) > 12 else "")
        return text.removeprefix("+ ") or "0"

    @classmethod
    def from_correlators(cls, coefficients: ArrayLike, *, marginals: bool = True) -> BellExpression:
        """A Bell expression given by its coefficients on correlators, two outcomes per party.

        Args:
            coefficients: With ``marginals``, shape ``(m_1 + 1, ..., m_N + 1)``, where index 0 of an axis means that the
                party does not take part (``[0, ..., 0]`` is a constant); without, shape ``(m_1, ..., m_N)``: full
                correlators only.
            marginals: Whether the array holds coefficients of fewer than all parties.

        Raises:
            ScenarioError: If the shape is not of this form.

        Examples:
            >>> print(BellExpression.from_correlators([[0, 0, 1], [0, 1, 1], [1, 1, -1]]))  # with <B1> and <A1>
            <B1> + <A0 B0> + <A0 B1> + <A1> + <A1 B0> - <A1 B1>
        """
        array = real_array(coefficients, "coefficients", ScenarioError)
        if not marginals:
            array = np.pad(array, [(1, 0)] * array.ndim)
        if array.ndim == 0 or min(array.shape) < 2:
            raise ScenarioError.bad_argument(
                "coefficients", expected="shape (m_1 + 1, ..., m_N + 1)", got=f"shape {array.shape}"
            )
        scenario = BellScenario(tuple(m - 1 for m in array.shape), (2,) * array.ndim)
        maps = [matrix.T for matrix in coordinates.correlator_matrices(scenario)]
        return cls(coordinates.from_party_axes(coordinates.apply_per_party(array, maps), scenario), scenario)

    @classmethod
    def from_terms(cls, scenario: BellScenario, terms: Terms) -> SparseExpression:
        """A Bell expression of any number of parties, given by some correlators; no table is made.

        Args:
            scenario: The number of settings of each party, two outcomes per setting.
            terms: Coefficients of correlators. The key of a correlator is a tuple of pairs ``(party, setting)``; the
                empty tuple is a constant.

        Returns:
            An expression with the same methods as this one.

        Raises:
            ScenarioError: If a party or setting does not exist, a party comes twice in a term, or a setting does not
                have two outcomes.

        Examples:
            >>> from qiskit_lhv import BellScenario
            >>> terms = {((0, 0), (1, 0)): 1, ((0, 0), (1, 1)): 1, ((0, 1), (1, 0)): 1, ((0, 1), (1, 1)): -1}
            >>> expression = BellExpression.from_terms(BellScenario([2] * 50, 2), terms)
            >>> expression.num_terms, expression.weight
            (4, 4.0)
        """
        return SparseExpression.of_terms(scenario, terms)

    @classmethod
    def from_sparse(cls, expression: ManyPartyExpression) -> BellExpression:
        """The Bell expression with the table of an expression of many parties, which must be small.

        Args:
            expression: An expression whose table has at most ``2**26`` coefficients (13 parties with two settings).

        Raises:
            ScenarioError: If it has more.
        """
        instance(expression, ManyPartyExpression, "expression", ScenarioError, "Such as BellExpression.from_terms().")
        scenario = expression.scenario
        at_most(scenario.num_cells, _MAX_CELLS, "expression", ScenarioError, what="coefficients of a table")
        correlators = np.zeros([m + 1 for m in scenario.num_settings])
        for rows, values in expression.blocks():
            correlators[tuple((rows + 1).T)] = values
        return cls.from_correlators(correlators)

    def to_sparse(self) -> SparseExpression:
        """The same expression as a list of its correlators, for experiments that draw them.

        Raises:
            ScenarioError: If a setting has more or less than two outcomes.

        Examples:
            >>> from qiskit_lhv import chsh
            >>> chsh().to_sparse().terms
            {((0, 0), (1, 0)): 1.0, ((0, 0), (1, 1)): 1.0, ((0, 1), (1, 0)): 1.0, ((0, 1), (1, 1)): -1.0}
        """
        correlators = self.to_correlators()
        kept = np.argwhere(np.abs(correlators) > _ROUNDING * np.abs(correlators).max())
        return SparseExpression(self.scenario, (kept - 1).astype(np.int8), correlators[tuple(kept.T)])

    @classmethod
    def from_collins_gisin(cls, table: ArrayLike, scenario: BellScenario) -> BellExpression:
        """A Bell expression given by its coefficients on the Collins-Gisin table.

        A marginal probability of some of the parties is taken from the table entries where the other parties have
        setting 0, so integer coefficients remain integers.

        Args:
            table: Shape ``(m_1 (d_1 - 1) + 1, ...)``; see ``Behavior.to_collins_gisin``.
            scenario: The scenario.

        Raises:
            ScenarioError: If the shape does not fit the scenario.

        Examples:
            >>> from qiskit_lhv import BellScenario, local_bound
            >>> table = [[0, -1, 0], [-1, 1, 1], [0, 1, -1]]  # row 0 and column 0: probabilities of one party alone
            >>> bell = BellExpression.from_collins_gisin(table, BellScenario((2, 2), (2, 2)))
            >>> local_bound(bell).value
            0.0
        """
        array = real_array(table, "table", ScenarioError)
        maps = [matrix.T for matrix in table_matrices(scenario, correlators=False)]
        expected = tuple(matrix.shape[1] for matrix in maps)
        if array.shape != expected:
            raise ScenarioError.bad_argument("table", expected=f"shape {expected}", got=f"shape {array.shape}")
        return cls(coordinates.from_party_axes(coordinates.apply_per_party(array, maps), scenario), scenario)

    def to_correlators(self) -> FloatArray:
        """Coefficients on correlators, shape ``(m_1 + 1, ..., m_N + 1)``, index 0: party does not take part.

        Raises:
            ScenarioError: If a setting has more or less than two outcomes.
        """
        if not self.scenario.is_two_outcome:
            raise ScenarioError.bad_argument(
                "expression", expected="two outcomes per party", got=f"{self.scenario.short_num_outcomes}"
            )
        maps = [matrix.T for matrix in coordinates.full_table_from_correlator_matrices(self.scenario)]
        return coordinates.apply_per_party(coordinates.to_party_axes(self.coefficients, self.scenario), maps)

    def to_collins_gisin(self) -> FloatArray:
        """Coefficients on the Collins-Gisin table, shape ``(m_1 (d_1 - 1) + 1, ...)``.

        They describe the expression on no-signaling behaviors; see ``Behavior.to_collins_gisin``.
        """
        maps = [matrix.T for matrix in coordinates.full_table_from_collins_gisin_matrices(self.scenario)]
        return coordinates.apply_per_party(coordinates.to_party_axes(self.coefficients, self.scenario), maps)

    def to_sympy(self) -> Any:
        """The expression as a SymPy sum with rational coefficients.

        Its symbols commute. They are correlators such as ``<A0 B1>`` if every party has two outcomes, otherwise
        probabilities such as ``p(0 2|1 0)`` (outcomes, then settings). A coefficient that equals a rational number with
        a denominator of at most 10000 up to rounding is converted to that number, so 1/3 is 1/3 again. Any other
        coefficient is converted to the exact value of its float.

        Examples:
            >>> from qiskit_lhv import chsh
            >>> chsh((0, 0)).to_sympy()
            -<A0 B0> + <A0 B1> + <A1 B0> + <A1 B1>
        """
        import sympy

        terms = []
        array = self.to_correlators() if self.scenario.is_two_outcome else self.coefficients
        largest = float(np.abs(array).max())
        for index, name in expression_symbols(self.scenario):
            fraction = simplest_fraction(float(array[index]), largest)
            symbol = sympy.Symbol(name) if name else sympy.Integer(1)
            terms.append(sympy.Rational(fraction.numerator, fraction.denominator) * symbol)
        return sympy.Add(*terms)

    def relabel(
        self,
        *,
        parties: Sequence[int] | None = None,
        settings: Sequence[Sequence[int]] | None = None,
        outcomes: Sequence[ArrayLike] | None = None,
    ) -> BellExpression:
        """The expression with parties, settings and outcomes renamed.

        Local, quantum and no-signaling bounds do not change.

        Args:
            parties: For each party, the party whose place it takes; default: its own.
            settings: For each party, the setting (of that other party) whose place each setting takes;
                default: the same.
            outcomes: For each party, shape ``(m_k, d_k)``: the new name of each outcome, by new setting;
                default: the same.

        Raises:
            ScenarioError: If these are not permutations, or parties of different sizes are exchanged.

        Examples:
            >>> from qiskit_lhv import chsh
            >>> print(chsh().relabel(settings=[[1, 0], [0, 1]]))
            <A0 B0> - <A0 B1> + <A1 B0> + <A1 B1>
        """
        relabeling = Relabeling.of(self.scenario, parties=parties, settings=settings, outcomes=outcomes)
        return BellExpression(relabeling.table(self.coefficients), self.scenario)

    def lift(self, num_parties: int, parties: Sequence[int]) -> BellExpression:
        """The expression for more parties, of whom only some take part; the others have one setting of two outcomes.

        Its value is the value of the original expression on the behavior of the parties that take part, so local,
        quantum and no-signaling bounds do not change.

        Args:
            num_parties: Number of parties afterwards.
            parties: For each party, its new number, in ascending order.

        Raises:
            ScenarioError: If the parties are not distinct and in ascending order.

        References:
            S. Pironio, arXiv:1210.0194 (J. Math. Phys. 46, 062112).

        Examples:
            >>> from qiskit_lhv import chsh
            >>> print(chsh().lift(3, [0, 2]))
            <A0 C0> + <A0 C1> + <A1 C0> - <A1 C1>
        """
        chosen = list(parties) if isinstance(parties, Sequence | np.ndarray) else []
        n = self.scenario.num_parties
        valid = all(is_whole_number(k) for k in chosen) and len(chosen) == n and chosen == sorted(set(chosen))
        if not valid or not is_whole_number(num_parties) or chosen[0] < 0 or chosen[-1] >= num_parties:
            raise ScenarioError.bad_argument(
                "parties", expected=f"{n} distinct parties of {num_parties}, ascending", got=repr(parties)
            )
        others = tuple(k for k in range(num_parties) if k not in chosen)
        axes = [*others, *(num_parties + k for k in others)]
        array = np.expand_dims(self.coefficients, axes)
        for k in others:
            # The value does not depend on the outcome of a party that does not take part.
            array = np.repeat(array, 2, axis=num_parties + k)
        sizes: list[tuple[int, ...]] = [(2,)] * num_parties
        for k, party in zip(chosen, self.scenario.num_outcomes, strict=True):
            sizes[k] = party
        return BellExpression(array, BellScenario(array.shape[:num_parties], tuple(sizes)))

    def lift_outcomes(self, outcomes: OutcomeNames) -> BellExpression:
        """The expression for settings with more outcomes, some of which count as the same.

        Its value is the value of the original expression on the coarse-grained behavior, so local, quantum and
        no-signaling bounds do not change.

        Args:
            outcomes: Mapping from ``(k, x)``, setting x of party k, or from k, all settings of party k, to a list with
                one entry per new outcome: the present outcome that it counts as. Other settings do not change.

        Raises:
            ScenarioError: If a setting is out of range or its numbers do not fit.

        References:
            S. Pironio, arXiv:1210.0194 (J. Math. Phys. 46, 062112).

        Examples:
            >>> from qiskit_lhv import chsh, local_bound
            >>> lifted = chsh().lift_outcomes({(0, 1): [0, 1, 1]})
            >>> lifted.scenario.num_outcomes, local_bound(lifted).value
            (((2, 3), (2, 2)), 2.0)
        """
        change = OutcomeMap.splitting(self.scenario, outcomes, ScenarioError)
        return BellExpression(change.spread(self.coefficients), change.fine)

    def coarse_grain(self, outcomes: OutcomeNames) -> BellExpression:
        """The expression for settings with fewer outcomes, where merged outcomes have the same coefficients.

        It undoes :meth:`lift_outcomes` with the same map.

        Args:
            outcomes: Mapping from ``(k, x)``, setting x of party k, or from k, all settings of party k, to the new
                number of each outcome. Outcomes with the same number are merged. Other settings do not change.

        Raises:
            ScenarioError: If a setting is out of range, its numbers do not fit, or outcomes with different coefficients
                are merged, so that the expression is not a function of the coarse-grained probabilities.

        Examples:
            >>> from qiskit_lhv import chsh
            >>> outcomes = {(0, 1): [0, 1, 1]}
            >>> chsh().lift_outcomes(outcomes).coarse_grain(outcomes) == chsh()
            True
        """
        change = OutcomeMap.merging(self.scenario, outcomes, ScenarioError)
        coarse = change.pick(self.coefficients)
        if not np.array_equal(change.spread(coarse), self.coefficients):
            raise ScenarioError.bad_argument(
                "outcomes",
                expected="outcomes that are merged only where they have the same coefficients",
                got="others",
                remedy="Coarse-grain the behavior instead; an expression for it is given by lift_outcomes().",
            )
        return BellExpression(coarse, change.coarse)

    def value(self, behavior: Behavior | BellCounts) -> float:
        """Returns the value of the expression on a behavior, or its estimate from counts.

        Args:
            behavior: A behavior of the same scenario, or counts.

        Returns:
            The value; for counts an :class:`~qiskit_lhv.targets.EstimatedValue`, which has a ``standard_error``.

        Raises:
            ScenarioError: If the scenarios differ, or it is neither a behavior nor counts.
            CountsError: If a coefficient belongs to settings that were not measured.

        Examples:
            >>> from qiskit_lhv import chsh, load_bundled_counts
            >>> chsh().value(load_bundled_counts("delft_2015").counts)
            2.42 +- 0.20
        """
        if isinstance(behavior, BellCounts):
            if behavior.scenario != self.scenario:
                raise ScenarioError.bad_argument(
                    "behavior", expected=f"counts of {self.scenario}", got=f"{behavior.scenario}"
                )
            return value_of_counts(self.coefficients, behavior)
        instance(behavior, Behavior, "behavior", ScenarioError, "Or pass BellCounts.")
        behavior.require_scenario(self.scenario, "expression")
        return float(np.sum(self.coefficients * behavior.array))

    def operator(self, settings: Sequence[Sequence[Any]] | str) -> SparsePauliOp:
        """The Bell operator for qubits, whose expectation value in a state is the value of the expression.

        Args:
            settings: One sequence of single-qubit measurements per party, or a name.

        Returns:
            The operator on N qubits, party k on qubit k.

        Raises:
            MeasurementError: If the settings are not qubit measurements that fit the scenario.

        Examples:
            >>> from qiskit.quantum_info import Statevector
            >>> from qiskit_lhv import chsh
            >>> operator = chsh().operator([("X", "Z"), ("X+Z", "X-Z")]).simplify()
            >>> bell_state = Statevector([0.5**0.5, 0, 0, 0.5**0.5])
            >>> round(float(bell_state.expectation_value(operator).real), 6)
            2.828427
        """
        n = self.scenario.num_parties
        parsed = parse_settings(settings, [2] * n)
        measured = scenario_of_settings(parsed)
        if measured != self.scenario:
            raise MeasurementError.bad_argument(
                "settings", expected=f"measurements of {self.scenario}", got=f"{measured}"
            )
        tensor = coordinates.to_party_axes(self.coefficients, self.scenario)
        maps = [effect_coordinates(party).reshape(-1, 4).T for party in parsed]
        paulis = coordinates.apply_per_party(tensor, maps)
        kept = np.argwhere(np.abs(paulis) > 1e-14 * max(1.0, float(np.abs(paulis).max())))
        # Qiskit's labels have qubit 0 at the right.
        terms = [("".join("IXYZ"[i] for i in index[::-1]), paulis[tuple(index)]) for index in kept]
        return SparsePauliOp.from_list(terms, num_qubits=n)
