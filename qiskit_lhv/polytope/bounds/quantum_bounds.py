"""Quantum bounds of a Bell expression: from above by moment matrices, from below by a state and measurements."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray
from qiskit.quantum_info import Statevector

from ..._support.deadlines import Deadline
from ..._support.rounding import round_up
from ..._support.types import ComplexArray, FloatArray, IntArray
from ..._support.validation import frozen, generator, real_array, whole_numbers
from ...exceptions import ScenarioError, SolverError
from ...targets import coordinates
from ...targets.behaviors import Behavior
from ...verification.evidence import Evidence
from ...verification.rationals import binary_integers
from ...verification.result import Verification
from ..expressions.expression import BellExpression
from ..expressions.many_parties.base import ManyPartyExpression
from ..expressions.normal_forms import exact_coefficients
from ..expressions.tables import expression_with_table
from .moment_matrices import MomentMatrix
from .moment_programs import dual_of_moments
from .seesaw import seesaw

__all__ = ["QuantumBound", "quantum_bound"]


_MAX_DIMENSION = 256
_MAX_CELLS = 1 << 14
_GRID_BITS = 36
# Bits of the halves of the factor's entries in exact products.
_HALF = 20


@dataclass(frozen=True, eq=False, repr=False)
class QuantumBound(Evidence):
    """A proven upper bound on the quantum value of a Bell expression, and a value that a quantum state reaches.

    References:
        M. Navascues, S. Pironio, A. Acin, New J. Phys. 10, 073013 (2008), arXiv:0803.4290; seesaw: R. F. Werner, M. M.
        Wolf, arXiv:quant-ph/0107093; K. F. Pal, T. Vertesi, Phys. Rev. A 82, 022116 (2010), arXiv:1006.3032.

    Examples:
        >>> from qiskit_lhv import Behavior, chsh
        >>> from qiskit_lhv.polytope import quantum_bound
        >>> bound = quantum_bound(chsh(), 1)
        >>> round(bound.lower, 6), round(bound.upper, 6), bool(bound.verify())
        (2.828427, 2.828427, True)
        >>> round(chsh().value(Behavior.from_state(bound.statevector(), bound.settings)), 6)
        2.828427
    """

    upper: float
    """No quantum state and measurements of any dimension exceed it; ``factor`` proves it."""
    lower: float
    """The value of ``state`` and ``effects``."""
    level: str
    """Level of the Navascues-Pironio-Acin hierarchy that ``upper`` comes from; ``+P``: and positive probabilities."""
    expression: BellExpression
    """The expression."""
    state: ComplexArray
    """The state's amplitudes, shape ``(D,) * N``, party k on axis k."""
    effects: tuple[ComplexArray, ...]
    """For each party the measurements' effects, shape ``(m_k, d_k, D, D)``; 0 for outcomes that a setting lacks."""
    factor: FloatArray
    """A matrix L, shape ``(n, n)``: ``L L^T`` is the dual solution of the moment matrix, from which ``upper`` is
    computed."""
    multipliers: FloatArray
    """The dual solution of the probabilities: a number of at least 0 for each, shape ``(m_1, ..., d_N)``; 0 without
    ``+P``."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "state", frozen(np.asarray(self.state, dtype=np.complex128)))
        effects = tuple(frozen(np.asarray(party_effects, dtype=np.complex128)) for party_effects in self.effects)
        object.__setattr__(self, "effects", effects)
        object.__setattr__(self, "factor", real_array(self.factor, "factor", ScenarioError, ndim=2))
        object.__setattr__(self, "multipliers", real_array(self.multipliers, "multipliers", ScenarioError))

    def __str__(self) -> str:
        return f"[{self.lower:.9g}, {self.upper:.9g}] (level {self.level}, dimension {self.dimension})"

    @property
    def dimension(self) -> int:
        """Dimension D of each party in ``state``."""
        return int(self.state.shape[0])

    @property
    def gap(self) -> float:
        """Difference of the two bounds, ``upper - lower``."""
        return self.upper - self.lower

    @property
    def settings(self) -> list[list[ComplexArray]]:
        """The measurements, one list of POVMs per party, as ``Behavior.from_state`` and ``operator`` take them."""
        return _settings(self.effects, self.expression)

    def statevector(self) -> Statevector:
        """The state in Qiskit's order: party 0 is subsystem 0, the least significant."""
        return _statevector(self.state)

    def verify(self, atol: float = 1e-9) -> Verification:
        """Re-proves ``upper`` in integer arithmetic and re-evaluates ``lower``, without a solver.

        Args:
            atol: Largest deviation of ``lower`` relative to the sum of the coefficients' absolute values.
        """
        moments = MomentMatrix.of(self.expression.scenario, self.level)
        fits = self.factor.shape[0] == len(moments.entries) and self.multipliers.shape == self.expression.scenario.shape
        if not fits or self.multipliers.min() < 0:
            return Verification(False, f"factor and multipliers do not belong to level {self.level}", math.inf)
        if not moments.positivity and np.any(self.multipliers):
            return Verification(False, f"multipliers of probabilities do not belong to level {self.level}", math.inf)
        proven = _dual_bound(self.expression, moments, self.factor, self.multipliers)
        if proven > Fraction(self.upper):
            excess = float(proven - Fraction(self.upper))
            return Verification(False, f"the dual solution proves only {float(proven):.12g}", excess)
        deviation = abs(_value(self.expression, self.state, self.effects) - self.lower)
        rounding = atol * max(1.0, float(np.abs(self.expression.coefficients).sum()))
        if not self.lower - self.upper <= rounding:
            return Verification(False, f"{self.lower!r} is not below {self.upper!r}", self.lower - self.upper)
        return Verification(
            deviation <= rounding,
            f"no quantum behavior exceeds {self.upper:.12g}; state and measurements reach {self.lower:.12g}",
            deviation,
        )


def quantum_bound(
    expression: BellExpression | ManyPartyExpression,
    level: int | str = "1+AB",
    *,
    dimension: int = 2,
    time_limit: float | None = None,
    seed: int | None = 0,
) -> QuantumBound:
    """Bounds the quantum value of a Bell expression from above and from below.

    The upper bound comes from the Navascues-Pironio-Acin hierarchy: a semidefinite program whose value no quantum
    state and measurements of any dimension exceed. Only the dual solution of the solver's answer is used, so the
    solver's tolerances do not matter. Rounded to a grid, the dual solution is ``Z = L L^T``, which is positive
    semidefinite by construction. Every moment matrix satisfies ``<Z, moments> >= 0``, and with ``+P`` the probabilities
    times the ``multipliers`` are non-negative too. So the expression is at most the sum of itself and these terms. If
    the solver made no error, only the coefficient of the identity in this sum would be nonzero. The coefficients are
    computed in rational arithmetic, and their absolute values are added, since no moment is larger than 1. The result
    is rounded up.

    The lower bound comes from a seesaw, which improves the state and the measurements in turn, from twelve random
    starts. It may miss the best value. ``lower`` is recomputed from the state and the measurements in the result.

    Args:
        expression: The Bell expression, of any scenario whose moment matrix is small enough: with full correlators,
            four parties with two settings fit, five do not. Expressions of many parties that are this small are taken
            too; the quantum bounds of large ones are stated by their ``known_bounds`` where known.
        level: Level of the hierarchy, which names the rows of the moment matrix. At level 1, 2, 3, ... they are the
            products of at most that many projectors, as in the literature. At ``"1+AB"`` they are the projectors and
            the products of two projectors of different parties; ``"1+AB+ABC"`` adds products of three projectors of
            different parties, ``"1+AAB"`` adds products of two projectors of one party and one of another, and so on.
            With ``"+P"`` at the end, as in ``"1+P"``, all probabilities must be non-negative as well. This makes level
            1 of two parties, and all levels without ``ABC`` of three parties, tighter (for I3322: 1.366 instead of
            1.375). It holds automatically if the rows include the products of one projector of every party. I3322 at
            level 3 takes about ten seconds.
        dimension: Dimension of each party's Hilbert space for the lower bound.
        time_limit: Seconds after which the semidefinite program is given up. Default: no limit.
        seed: Seed of the seesaw, or ``None``.

    Returns:
        Both bounds and the evidence for them. The upper bound needs the extra ``sdp`` (Clarabel), except at level 1 and
        for full correlators of two parties, with two outcomes each.

    Raises:
        ScenarioError: If the level is unknown, its matrix has more than 120 rows or lacks a moment of the expression,
            or the parties' joint dimension exceeds 256.
        SolverError: If Clarabel is needed and missing, a solver fails, or the time is over before there is a bound.

    References:
        M. Navascues, S. Pironio, A. Acin, New J. Phys. 10, 073013 (2008), arXiv:0803.4290; seesaw: R. F. Werner, M. M.
        Wolf, arXiv:quant-ph/0107093; K. F. Pal, T. Vertesi, Phys. Rev. A 82, 022116 (2010), arXiv:1006.3032.

    Examples:
        >>> from qiskit_lhv.polytope import chained
        >>> bound = quantum_bound(chained(4), 1)
        >>> round(bound.upper, 6), bound.gap < 1e-6  # 8 cos(pi / 8)
        (7.391036, True)
    """
    clock = Deadline(time_limit)
    expression = expression_with_table(expression, _MAX_CELLS, "quantum bound")
    (size,) = whole_numbers((dimension,), "dimension", ScenarioError, minimum=2)
    joint = size**expression.scenario.num_parties
    if joint > _MAX_DIMENSION:
        raise ScenarioError.bad_argument(
            "dimension",
            expected=f"a joint dimension of all parties of at most {_MAX_DIMENSION}",
            got=f"{size}**{expression.scenario.num_parties} = {joint}",
        )
    rng = generator(seed)
    moments = MomentMatrix.of(expression.scenario, level)
    factor, multipliers = _dual_solution(expression, moments, clock)
    upper = round_up(_dual_bound(expression, moments, factor, multipliers))
    state, effects = seesaw(expression, size, rng)
    lower = _value(expression, state, tuple(effects))
    return QuantumBound(upper, lower, moments.name, expression, state, tuple(effects), factor, multipliers)


def _statevector(state: ComplexArray) -> Statevector:
    # Qiskit's first subsystem is the last axis.
    return Statevector(state.transpose().ravel(), dims=state.shape)


def _settings(effects: tuple[ComplexArray, ...], expression: BellExpression) -> list[list[ComplexArray]]:
    parties = zip(effects, expression.scenario.num_outcomes, strict=True)
    return [[povm[:d] for povm, d in zip(party, sizes, strict=True)] for party, sizes in parties]


def _value(expression: BellExpression, state: ComplexArray, effects: tuple[ComplexArray, ...]) -> float:
    return expression.value(Behavior.from_state(_statevector(state), _settings(effects, expression)))


def _costs(expression: BellExpression, moments: MomentMatrix, multipliers: FloatArray) -> tuple[NDArray[Any], int]:
    """Coefficient of every moment of expression and multipliers, as integers divided by ``2**k``; and k.

    Raises:
        ScenarioError: If the matrix lacks one of the moments.
    """
    tables, scenario = moments.tables, expression.scenario
    table, exponent = exact_coefficients(expression.coefficients, scenario, tables, multipliers)
    numbers, values = moments.behavior.ravel(), table.ravel()
    if np.any(values[numbers < 0]):
        raise ScenarioError.bad_argument(
            "level",
            expected="a level whose matrix holds all moments of the expression",
            got=f"level {moments.name}, too low for products of {scenario.num_parties} parties",
            remedy="Take '1+AB' or 2 for up to four parties, '1+AB+ABC' or 3 for up to six.",
        )
    costs: NDArray[Any] = np.zeros(moments.num_moments, dtype=object)
    costs[numbers[numbers >= 0]] = values[numbers >= 0]
    return costs, exponent


def _dual_solution(expression: BellExpression, moments: MomentMatrix, clock: Deadline) -> tuple[FloatArray, FloatArray]:
    """A factor L of the dual solution, on a grid of binary fractions, and the multipliers of the probabilities."""
    none = np.zeros(expression.scenario.shape)
    exact, exponent = _costs(expression, moments, none)
    costs = np.array([float(Fraction(cost, 1 << exponent)) for cost in exact.tolist()])
    costs[0] = 0
    scale = float(np.abs(costs).max())
    size = len(moments.entries)
    if scale == 0:
        return np.zeros((size, size)), none
    try:
        dual, prices = dual_of_moments(moments, costs / scale, clock.left)
    except ImportError as exc:
        raise SolverError(str(exc)) from exc
    values, vectors = np.linalg.eigh(dual)
    factor = vectors * np.sqrt(np.maximum(values, 0)) * math.sqrt(scale)
    multipliers = none
    if prices is not None:
        by_party = prices.reshape([len(table) for table in moments.tables])
        multipliers = coordinates.from_party_axes(np.maximum(by_party, 0) * scale, expression.scenario)
        multipliers = np.where(expression.scenario.mask, multipliers, 0.0)
    return _on_grid(factor), _on_grid(multipliers)


def _on_grid(array: FloatArray) -> FloatArray:
    largest = float(np.abs(array).max())
    if largest == 0:
        return array
    step = 2.0 ** (math.ceil(math.log2(largest)) - _GRID_BITS)
    return np.rint(array / step) * step


def _dual_bound(
    expression: BellExpression, moments: MomentMatrix, factor: FloatArray, multipliers: FloatArray
) -> Fraction:
    """The upper bound that the dual solution proves, in exact arithmetic."""
    costs, exponent = _costs(expression, moments, multipliers)
    rows, bits = binary_integers(factor)
    # Entries that are always 0 have the number -1.
    squares = _sums_of_products(rows, moments.entries, moments.num_moments)
    common = max(exponent, 2 * bits)
    totals = (costs << (common - exponent)) + (squares << (common - 2 * bits))
    first, *others = totals.tolist()
    return Fraction(first + sum(abs(total) for total in others), 1 << common)


def _sums_of_products(rows: NDArray[Any], entries: IntArray, num_moments: int) -> NDArray[Any]:
    """The sum of ``rows @ rows.T`` over the places of each moment, in exact arithmetic: Python's integers."""
    totals: NDArray[Any] = np.zeros(num_moments, dtype=object)
    known = entries >= 0
    halves = [rows.astype(object)]
    if rows.dtype != object and int(np.abs(rows).max()) < 1 << (2 * _HALF):
        # Floats add up products of halves without error, and int64 their sums: there are at most 120 rows.
        halves = [(rows & ((1 << _HALF) - 1)).astype(np.float64), (rows >> _HALF).astype(np.float64)]
    for i, half in enumerate(halves):
        for j, other in enumerate(halves):
            products = half @ other.T
            if len(halves) > 1:
                products = products.astype(np.int64)
            sums = np.zeros(num_moments, dtype=products.dtype)
            np.add.at(sums, entries[known], products[known])
            totals += sums.astype(object) << (_HALF * (i + j))
    return totals
