"""Test of whether two Bell expressions are the same up to the names of parties, settings and outcomes.

Two expressions that agree on every no-signaling behavior count as the same, so both are first reduced to the part
that matters for such behaviors. What remains is an isomorphism problem. Its points are the triples (party, setting,
outcome), and a relabeling is a bijection of points that keeps settings and parties together and preserves the values
of all cells. The problem is solved by color refinement; where several points have the same color, the search picks one
of them and tries its possible images.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..._support.types import FloatArray, IntArray
from ..._support.validation import instance
from ...exceptions import ScenarioError, SolverError
from ...targets.scenario import BellScenario
from .expression import BellExpression
from .normal_forms import no_signaling_part

__all__ = ["are_equivalent"]


_MAX_CELLS = 1 << 16
_MAX_TRIALS = 20000


def are_equivalent(
    first: BellExpression, second: BellExpression, *, up_to_shift: bool = False, atol: float = 1e-9
) -> bool:
    """Whether a relabeling turns one expression into a positive multiple of the other.

    Parties, settings and outcomes may be renamed, and terms that vanish on no-signaling behaviors may be added.

    Args:
        first: A Bell expression.
        second: Another Bell expression.
        up_to_shift: Whether a constant may be added as well, which is useful if only the inequalities matter.
        atol: Tolerance below which two coefficients count as equal. It applies to the reduced expressions, scaled so
            that the largest coefficient is 1.

    Returns:
        Whether the two expressions are equivalent. If their scenarios differ in more than the order of the
        parties, they are not equivalent.

    Raises:
        ScenarioError: If the scenario has more than 2**16 = 65536 probabilities.
        SolverError: If the search was given up without an answer.

    References:
        D. Rosset, J.-D. Bancal, N. Gisin, J. Phys. A 47, 424022 (2014), arXiv:1404.1306 (Classifying 50 years of Bell
        inequalities).

    Examples:
        >>> from qiskit_lhv import chsh
        >>> from qiskit_lhv.polytope import chained
        >>> are_equivalent(chsh((1, 0)), chained(2))
        True
        >>> are_equivalent(chsh(), chsh().relabel(outcomes=[[[1, 0], [1, 0]], [[0, 1], [1, 0]]]))
        True
    """
    for name, expression in (("first", first), ("second", second)):
        instance(expression, BellExpression, name, ScenarioError)
        if expression.scenario.num_cells > _MAX_CELLS:
            raise ScenarioError.bad_argument(
                name,
                expected=f"a scenario of at most {_MAX_CELLS} probabilities",
                got=f"{expression.scenario.num_cells} in {expression.scenario}",
            )
    if _sizes(first.scenario) != _sizes(second.scenario):
        return False
    tensors = [_reduced(expression, up_to_shift) for expression in (first, second)]
    labels = _labels(tensors, atol)
    # The values of all cells must agree as a collection before anything else can.
    if not np.array_equal(np.sort(labels[0], axis=None), np.sort(labels[1], axis=None)):
        return False
    return _Search(labels, first.scenario, second.scenario).run()


def _sizes(scenario: BellScenario) -> list[list[int]]:
    return sorted(sorted(party) for party in scenario.num_outcomes)


def _reduced(expression: BellExpression, up_to_shift: bool) -> FloatArray:
    tensor = no_signaling_part(expression.coefficients, expression.scenario)
    scenario = expression.scenario
    if up_to_shift and scenario.has_equal_outcomes:
        tensor = tensor - tensor.mean()
    elif up_to_shift:
        constant = no_signaling_part(scenario.mask.astype(np.float64), scenario)
        tensor = tensor - np.vdot(tensor, constant) / np.vdot(constant, constant) * constant
    # Points are the outcomes that there are.
    tensor = tensor[np.ix_(*(np.flatnonzero(mask.ravel()) for mask in scenario.party_masks))]
    largest = float(np.abs(tensor).max())
    # Values that are only rounding errors of the coefficients are set to zero.
    return tensor / largest if largest > 1e-13 * float(np.abs(expression.coefficients).max()) else 0 * tensor


def _labels(tensors: list[FloatArray], atol: float) -> list[IntArray]:
    """Numbers the distinct values of both tensors; neighbors within ``atol`` share a number."""
    values = np.concatenate([tensor.ravel() for tensor in tensors])
    order = np.argsort(values, kind="stable")
    numbers = np.empty(len(values), dtype=np.int64)
    numbers[order] = np.concatenate([[0], np.cumsum(np.diff(values[order]) > atol)])
    cut = tensors[0].size
    return [numbers[:cut].reshape(tensors[0].shape), numbers[cut:].reshape(tensors[1].shape)]


@dataclass
class _Points:
    """The points of one expression, all parties' one after the other."""

    labels: IntArray
    party: IntArray
    setting: IntArray
    starts: IntArray

    @classmethod
    def of(cls, labels: IntArray, scenario: BellScenario) -> _Points:
        sizes = np.array([sum(party) for party in scenario.num_outcomes])
        party = np.repeat(np.arange(len(sizes)), sizes)
        outcomes = np.concatenate([np.array(party) for party in scenario.num_outcomes])
        setting = np.repeat(np.arange(len(outcomes)), outcomes)
        return cls(labels, party, setting, np.concatenate([[0], np.cumsum(sizes)]))


class _Search:
    """Looks for a bijection of the points of two expressions."""

    def __init__(self, labels: list[IntArray], first: BellScenario, second: BellScenario) -> None:
        self._sides = (_Points.of(labels[0], first), _Points.of(labels[1], second))
        self._trials = 0

    def run(self) -> bool:
        start = [np.zeros(len(side.party), dtype=np.int64) for side in self._sides]
        return self._extend(start[0], start[1])

    def _extend(self, first: IntArray, second: IntArray) -> bool:
        """Whether a bijection exists that preserves the colors of the points."""
        self._trials += 1
        if self._trials > _MAX_TRIALS:
            raise SolverError(f"are_equivalent: no answer after {_MAX_TRIALS} trials; the expressions are too regular.")
        first, second = self._refine(first, second)
        if not np.array_equal(np.sort(first), np.sort(second)):
            return False
        colors, counts = np.unique(first, return_counts=True)
        if counts.max() == 1:
            return self._is_isomorphism(np.argsort(first), np.argsort(second))
        # Single out one point of the smallest ambiguous color; some point of the other side takes its place.
        color = colors[counts > 1][np.argmin(counts[counts > 1])]
        fresh = colors.max() + 1
        chosen = first.copy()
        chosen[np.flatnonzero(first == color)[0]] = fresh
        for candidate in np.flatnonzero(second == color):
            other = second.copy()
            other[candidate] = fresh
            if self._extend(chosen, other):
                return True
        return False

    def _refine(self, first: IntArray, second: IntArray) -> tuple[IntArray, IntArray]:
        """Splits colors by what each point sees, until nothing changes or the two sides differ."""
        colors = [first, second]
        while True:
            num_colors = len(np.unique(colors[0]))
            names: dict[tuple[object, ...], int] = {}
            new = []
            for side, own in zip(self._sides, colors, strict=True):
                settings = [tuple(sorted(own[side.setting == s].tolist())) for s in range(side.setting[-1] + 1)]
                parties = [
                    tuple(sorted(settings[s] for s in np.unique(side.setting[side.party == k])))
                    for k in range(side.party[-1] + 1)
                ]
                signatures = zip(own.tolist(), side.setting, side.party, self._views(side, own), strict=True)
                found = [
                    names.setdefault((c, settings[s], parties[k], view), len(names)) for c, s, k, view in signatures
                ]
                new.append(np.array(found, dtype=np.int64))
            colors = new
            if not np.array_equal(np.sort(colors[0]), np.sort(colors[1])) or len(np.unique(colors[0])) == num_colors:
                return colors[0], colors[1]

    def _views(self, side: _Points, colors: IntArray) -> list[int]:
        """For each point a hash of the collection of cells it lies in: their labels and other points' colors.

        If two different collections have the same hash, they are only told apart later, so a collision cannot lead to
        a wrong answer.
        """
        n = side.labels.ndim
        mixed = _mix(colors.astype(np.uint64))
        of_party = [
            mixed[side.starts[k] : side.starts[k + 1]].reshape([-1 if j == k else 1 for j in range(n)])
            for k in range(n)
        ]
        total = sum(of_party, start=np.zeros((), dtype=np.uint64))
        labels = _mix(side.labels.astype(np.uint64) + np.uint64(1 << 40))
        found: list[int] = []
        for k in range(n):
            cells = _mix(total - of_party[k] + labels)
            found += cells.sum(axis=tuple(j for j in range(n) if j != k)).tolist()
        return found

    def _is_isomorphism(self, first: IntArray, second: IntArray) -> bool:
        """Whether mapping the i-th point of one list to the i-th of the other is a relabeling that fits."""
        first_points, two = self._sides
        image = np.empty(len(first), dtype=np.int64)
        image[first] = second
        n = first_points.labels.ndim
        owners = [int(two.party[image[first_points.starts[k]]]) for k in range(n)]
        for k, other in enumerate(owners):
            points = image[first_points.starts[k] : first_points.starts[k + 1]]
            if np.any(two.party[points] != other):
                return False
        pairs = {(int(s), int(t)) for s, t in zip(first_points.setting, two.setting[image], strict=True)}
        if len(pairs) != first_points.setting[-1] + 1:
            return False
        if sorted(owners) != list(range(n)):
            return False
        axes = [
            image[first_points.starts[k] : first_points.starts[k + 1]] - two.starts[other]
            for k, other in enumerate(owners)
        ]
        return bool(np.array_equal(two.labels.transpose(owners)[np.ix_(*axes)], first_points.labels))


def _mix(numbers: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """A fixed scrambling of 64-bit integers (the finalizer of splitmix64); sums of its values hash collections."""
    mixed = numbers * np.uint64(0x9E3779B97F4A7C15) + np.uint64(0x632BE59BD9B4E019)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return mixed ^ (mixed >> np.uint64(31))
