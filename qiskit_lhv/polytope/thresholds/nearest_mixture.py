"""The mixture of known atoms that comes closest to a point, by Wolfe's method."""

from __future__ import annotations

import numpy as np

from ..._support.types import FloatArray, IntArray

__all__ = ["nearest_mixture"]


# Relative to the mean square of the atoms: a smaller squared distance from the plane of the others counts as 0.
_DEPENDENT = 1e-9
# Relative to the mean square: differences of slopes and squares that rounding may make.
_ROUNDING = 1e-12
_EXCHANGES_PER_ATOM = 4


def nearest_mixture(
    gram: FloatArray, along: FloatArray, square: float, start: FloatArray, tolerance: float
) -> FloatArray | None:
    """Returns the weights of the mixture of the given atoms that is nearest to a point.

    The atoms that carry weight are always affinely independent, and their weights those of the point nearest in the
    plane through them. The atom with the smallest slope enters, and where that makes weights negative, weight moves
    until the first of them is zero, whose atom leaves. The distance falls with every exchange.

    Args:
        gram: Inner products of the atoms, shape ``(K, K)``.
        along: Inner products of the atoms with the point, shape ``(K,)``.
        square: Inner product of the point with itself.
        start: Weights to start from, at least 0 and with sum 1, shape ``(K,)``.
        tolerance: By how much the slope of an atom may be below that of the mixture at the end.

    Returns:
        Weights of at least 0 with sum 1, whose mixture is no farther from the point than that of ``start``, shape
        ``(K,)``; ``None`` if rounding errors or the budget of exchanges prevent this result.

    References:
        P. Wolfe, Math. Programming 11, 128 (1976) (nearest points in polytopes).
    """
    # Inner products of the atoms as seen from the point are gram - along - along.T + square.
    squares = gram.diagonal() - 2 * along + square
    mean = float(squares.mean())
    if not mean > 0:
        return None
    plane = _Plane(gram, along, square + mean, mean)
    used = np.flatnonzero(start)
    used = used[np.argsort(-start[used], kind="stable")]
    before = float(start[used] @ gram[np.ix_(used, used)] @ start[used] - 2 * start @ along + square)
    if not plane.set_members(used):
        # Those that depend on heavier ones stay out at first.
        plane.set_members(used[:1])
        for number in used[1:]:
            plane.add(int(number))
    weights = start[plane.members] / start[plane.members].sum()
    rounding = _ROUNDING * mean
    barred = np.zeros(len(start), dtype=bool)
    for _ in range(_EXCHANGES_PER_ATOM * len(start)):
        nearest = plane.weights()
        if nearest is None:
            return None
        if nearest.min() <= 0:
            # As far as weights stay positive; there the first atom leaves.
            falling = np.flatnonzero(nearest <= 0)
            shares = weights[falling] / (weights[falling] - nearest[falling])
            first = int(shares.argmin())
            weights = np.maximum(weights + shares[first] * (nearest - weights), 0)
            weights = plane.drop(int(falling[first]), weights)
            continue
        weights = nearest
        slopes = plane.slopes(weights)
        here = float(slopes[plane.members] @ weights)
        slopes[barred] = np.inf
        lowest = int(slopes.argmin())
        gap, worse = here - slopes[lowest], here - mean > before + rounding
        if gap <= rounding or (gap <= tolerance and not worse):
            break
        if plane.add(lowest):
            weights = np.append(weights, 0.0)
        elif not (plane.exchanges and plane.set_members(plane.members.copy())):
            # Accuracy is not the reason: the atom is too near the plane to be of use.
            barred[lowest] = True
    else:
        return None
    if here - mean > before + rounding:
        return None
    result = np.zeros(len(start))
    result[plane.members] = weights
    return result


class _Plane:
    """Affinely independent atoms, with the inverse of their Gram matrix seen from the point, plus a constant.

    The constant leaves the direction of ``inverse @ 1`` as it is, along which the weights of the nearest point of the
    plane lie, and makes the matrix invertible also where the plane contains the point.
    """

    def __init__(self, gram: FloatArray, along: FloatArray, shift: float, scale: float) -> None:
        self._gram, self._along, self._shift, self._scale = gram, along, shift, scale
        self._count = 0
        self.exchanges = 0
        """Atoms that came or left since the inverse was computed."""
        self._numbers = np.empty(16, dtype=np.int64)
        self._inverse = np.empty((16, 16))
        self._rows = np.empty((16, len(gram)))

    @property
    def members(self) -> IntArray:
        """Numbers of the atoms."""
        return self._numbers[: self._count]

    def _make_room(self, count: int) -> None:
        if count > len(self._numbers):
            size = 2 * count
            numbers, inverse, rows = self._numbers, self._inverse, self._rows
            self._numbers = np.empty(size, dtype=np.int64)
            self._inverse, self._rows = np.empty((size, size)), np.empty((size, rows.shape[1]))
            n = self._count
            self._numbers[:n], self._inverse[:n, :n], self._rows[:n] = numbers[:n], inverse[:n, :n], rows[:n]

    def _block(self, rows: IntArray, columns: IntArray) -> FloatArray:
        inner: FloatArray = self._gram[np.ix_(rows, columns)] - self._along[rows, None] - self._along[columns]
        return inner + self._shift

    def set_members(self, members: IntArray) -> bool:
        """Starts with several atoms; false if they are not independent."""
        count = len(members)
        self._make_room(count)
        try:
            factor = np.linalg.cholesky(self._block(members, members))
        except np.linalg.LinAlgError:
            return False
        if (factor.diagonal() ** 2).min() <= _DEPENDENT * self._scale:
            return False
        half = np.linalg.inv(factor)
        self._inverse[:count, :count] = half.T @ half
        self._rows[:count] = self._gram[members]
        self._numbers[:count] = members
        self._count, self.exchanges = count, 0
        return True

    def add(self, number: int) -> bool:
        """Adds an atom; false if it lies in the plane."""
        n = self._count
        self._make_room(n + 1)
        column = self._block(self.members, np.array([number]))[:, 0]
        corner = float(self._gram[number, number] - 2 * self._along[number] + self._shift)
        inverse = self._inverse[: n + 1, : n + 1]
        solved = inverse[:n, :n] @ column
        height = corner - float(column @ solved)
        if height <= _DEPENDENT * self._scale:
            return False
        scaled = solved / height
        inverse[:n, :n] += solved[:, None] * scaled
        inverse[n, :n] = inverse[:n, n] = -scaled
        inverse[n, n] = 1 / height
        self._rows[n], self._numbers[n] = self._gram[number], number
        self._count, self.exchanges = n + 1, self.exchanges + 1
        return True

    def drop(self, position: int, weights: FloatArray) -> FloatArray:
        """Drops an atom; returns the weights of the others in their new order, with sum 1."""
        last = self._count - 1
        inverse = self._inverse[: last + 1, : last + 1]
        weights[position] = weights[last]
        self._rows[position], self._numbers[position] = self._rows[last], self._numbers[last]
        inverse[[position, last]] = inverse[[last, position]]
        inverse[:, [position, last]] = inverse[:, [last, position]]
        column = inverse[:last, last].copy()
        inverse[:last, :last] -= column[:, None] * (column / inverse[last, last])
        self._count, self.exchanges = last, self.exchanges + 1
        return weights[:last] / weights[:last].sum()

    def weights(self) -> FloatArray | None:
        """Weights, with sum 1 and of either sign, of the point of the plane that is nearest; ``None``: rounding."""
        n = self._count
        inverse = self._inverse[:n, :n]
        solution = inverse.sum(axis=1)
        total = float(solution.sum())
        if not total > 0:
            return None
        return solution / total

    def slopes(self, weights: FloatArray) -> FloatArray:
        """Inner products of all atoms with the mixture, as seen from the point, plus the constant."""
        constant = self._shift - float(weights @ self._along[self.members])
        slopes: FloatArray = weights @ self._rows[: self._count] - self._along
        return slopes + constant
