"""The largest value of a Bell expression over all no-signaling behaviors."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from functools import reduce
from typing import Any

import numpy as np

from ..._support.highs import LinearProgram
from ..._support.rounding import round_up
from ..._support.types import FloatArray
from ..._support.validation import real_array
from ...exceptions import ScenarioError
from ...targets import coordinates
from ...targets.behaviors import Behavior
from ...verification.evidence import Evidence
from ...verification.result import Verification
from ..expressions.expression import BellExpression
from ..expressions.many_parties.base import ManyPartyExpression
from ..expressions.normal_forms import exact_coefficients
from ..expressions.tables import expression_with_table

__all__ = ["NoSignalingBound", "no_signaling_bound"]


_MAX_CELLS = 1 << 14


@dataclass(frozen=True, eq=False, repr=False)
class NoSignalingBound(Evidence):
    """The largest value of a Bell expression over no-signaling behaviors, with proofs of both directions.

    References:
        J. Barrett, N. Linden, S. Massar, S. Pironio, S. Popescu, D. Roberts, Phys. Rev. A 71, 022101 (2005),
        arXiv:quant-ph/0404097 (the no-signaling polytope).

    Examples:
        >>> from qiskit_lhv import chsh
        >>> from qiskit_lhv.polytope import no_signaling_bound
        >>> bound = no_signaling_bound(chsh())
        >>> round(bound.value, 6), bool(bound.verify())
        (4.0, True)
        >>> print(bound.behavior.to_correlators()[1:, 1:].round(6) + 0.0)  # the Popescu-Rohrlich box
        [[ 1.  1.]
         [ 1. -1.]]
    """

    value: float
    """The bound, rounded up: no no-signaling behavior exceeds it, as ``multipliers`` prove."""
    expression: BellExpression
    """The expression."""
    behavior: Behavior
    """A no-signaling behavior that reaches the value, up to rounding."""
    multipliers: FloatArray
    """A number of at least 0 for every probability, shape ``(m_1, ..., m_N, d_1, ..., d_N)``. Expression plus
    multipliers is a constant, on no-signaling behaviors, up to rounding that the value allows for."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "multipliers", real_array(self.multipliers, "multipliers", ScenarioError))

    def __str__(self) -> str:
        return f"{self.value:.9g} (reached: {self.attained:.9g})"

    @property
    def attained(self) -> float:
        """The value of the expression on ``behavior``."""
        return self.expression.value(self.behavior)

    def verify(self, atol: float = 1e-6) -> Verification:
        """Re-proves the bound from the multipliers in rational arithmetic, and re-evaluates the behavior.

        Args:
            atol: Largest signaling of the behavior, and largest gap to the bound relative to the largest
                coefficient.
        """
        if self.multipliers.shape != self.expression.scenario.shape or self.multipliers.min() < 0:
            return Verification(
                False, "the multipliers are not one number of at least 0 for every probability", math.inf
            )
        proven = _dual_bound(self.expression, self.multipliers)
        if proven > Fraction(self.value):
            return Verification(
                False, f"the multipliers prove only {float(proven):.12g}", float(proven - Fraction(self.value))
            )
        if not self.behavior.is_no_signaling(atol):
            return Verification(False, "the behavior is signaling", self.behavior.max_signaling())
        gap = self.value - self.attained
        scale = max(1.0, float(np.abs(self.expression.coefficients).max()))
        return Verification(
            abs(gap) <= atol * scale,
            f"no no-signaling behavior exceeds {self.value:.12g}; one reaches it up to {gap:.2g}",
            gap,
        )


def no_signaling_bound(expression: BellExpression | ManyPartyExpression) -> NoSignalingBound:
    """Computes the largest value of a Bell expression over all no-signaling behaviors, by a linear program.

    Args:
        expression: The Bell expression, with at most 2**14 = 16384 coefficients, as a table or as an expression of many
            parties. No-signaling bounds of large ones are stated by their ``known_bounds`` where known.

    Returns:
        The bound, a behavior that reaches it, and the dual solution that proves it.

    Raises:
        ScenarioError: If the expression has too many coefficients.
        SolverError: If the solver stops without an optimum.

    References:
        J. Barrett, N. Linden, S. Massar, S. Pironio, S. Popescu, D. Roberts, Phys. Rev. A 71, 022101 (2005),
        arXiv:quant-ph/0404097 (the no-signaling polytope).

    Examples:
        >>> from qiskit_lhv import chsh
        >>> round(no_signaling_bound(chsh()).value, 9)
        4.0
    """
    expression = expression_with_table(expression, _MAX_CELLS, "no-signaling bound")
    scenario = expression.scenario
    if scenario.num_cells > _MAX_CELLS:
        raise ScenarioError.bad_argument(
            "expression",
            expected=f"at most {_MAX_CELLS} coefficients",
            got=f"{scenario.num_cells} of {scenario}",
        )
    from scipy.sparse import csr_array, kron

    maps = coordinates.full_table_from_collins_gisin_matrices(scenario)
    tables: Any = csr_array(reduce(lambda a, b: kron(a, b, format="csr"), [csr_array(matrix) for matrix in maps]))
    costs = expression.to_collins_gisin()
    largest = max(float(np.abs(costs).max()), np.finfo(float).tiny)
    coordinates_found, duals = _maximize(tables, costs.ravel() / largest)
    behavior = Behavior.from_collins_gisin(coordinates_found.reshape(costs.shape), scenario)
    by_party = (np.maximum(duals, 0) * largest).reshape([len(matrix) for matrix in maps])
    multipliers = np.where(scenario.mask, coordinates.from_party_axes(by_party, scenario), 0.0)
    return NoSignalingBound(round_up(_dual_bound(expression, multipliers)), expression, behavior, multipliers)


def _maximize(tables: Any, costs: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Maximizes ``costs . t`` with ``t[0] = 1`` and ``tables @ t >= 0``; returns t and the multipliers of the rows."""
    program = LinearProgram("no_signaling_bound")
    limits = np.full((2, costs.size), [[-np.inf], [np.inf]])
    limits[:, 0] = 1
    program.add_columns(-costs, lower=limits[0], upper=limits[1])
    program.add_rows(0.0, np.inf, tables)
    solution = program.solve()
    return solution.values, solution.duals


def _dual_bound(expression: BellExpression, multipliers: FloatArray) -> Fraction:
    """The bound that the multipliers prove: the largest expression + multipliers for table entries in [0, 1]."""
    scenario = expression.scenario
    maps = coordinates.full_table_from_collins_gisin_matrices(scenario)
    numbers, exponent = exact_coefficients(expression.coefficients, scenario, maps, multipliers)
    first, *others = numbers.ravel().tolist()
    # The first entry stands for 1, the others for probabilities, which are between 0 and 1.
    return Fraction(first + sum(max(number, 0) for number in others), 1 << exponent)
