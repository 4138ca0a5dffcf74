"""The linear systems of projections onto the no-signaling behaviors: in coordinates, or with the conditions."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

import numpy as np

from .._support.types import FloatArray
from . import coordinates
from .scenario import BellScenario

__all__ = ["Conditions", "Coordinates", "coordinates_of"]


_REFINEMENTS = 3
# Up to this size of the conditions, orthogonal factors are used, which keep more digits.
_MAX_ORTHOGONAL_WORK = 2e7
# Beyond this ratio of curvatures the Hessian itself would lose too many digits.
_STEEP = 1e8
# Products of two coordinates, in all cells, that are kept.
_MAX_SQUARES = 1 << 18
# From so many coordinates on, steps with nearly empty cells are refined from an approximate factor of the Hessian, to
# this relative accuracy.
_MANY_COORDINATES, _MAX_REFINEMENTS, _REFINED, _RIDGE = 100, 60, 1e-6, 1e-15


class Coordinates:
    """Newton steps in coordinates: all no-signaling tables are white noise plus ``basis @ c``.

    Args:
        scenario: The scenario.
        basis: Of fewer directions, in a small scenario, shape ``(C, r)``; default: all.
    """

    def __init__(self, scenario: BellScenario, basis: FloatArray | None = None) -> None:
        self.basis = coordinates.cells_from_collins_gisin(scenario)[:, 1:] if basis is None else basis
        self._scenario = scenario
        self._squares: FloatArray | None = None
        if basis is not None or self.basis.size * self.basis.shape[1] <= _MAX_SQUARES:
            self._squares = (self.basis[:, :, None] * self.basis[:, None, :]).reshape(len(self.basis), -1)

    def newton_step(self, weight: FloatArray, q: FloatArray) -> FloatArray:
        """``basis s`` with ``basis^T diag(weight / q**2) basis s = basis^T (weight / q)``, for every row."""
        curvature = weight / q**2
        steep = curvature.max(axis=1) > _STEEP * curvature.min(axis=1)
        if not steep.any():
            # As it is nearly always.
            try:
                plain = self._by_hessian(weight, q, curvature)
            except np.linalg.LinAlgError:
                plain = np.array([np.nan])
            if np.isfinite(plain).all():
                return np.asarray(plain @ self.basis.T)
        found = np.full((len(q), self.basis.shape[1]), np.nan)
        if self.basis.shape[1] > _MANY_COORDINATES:
            for row in np.flatnonzero(steep):
                found[row] = self._by_refinement(weight[row], q[row], curvature[row])
        steep = steep & ~np.isfinite(found).all(axis=1)
        gentle = ~steep & ~np.isfinite(found).all(axis=1)
        for rows, solve in ((np.flatnonzero(gentle), self._by_hessian), (np.flatnonzero(steep), self._by_roots)):
            if rows.size:
                try:
                    found[rows] = solve(weight[rows], q[rows], curvature[rows])
                except np.linalg.LinAlgError:
                    continue
        for row in np.flatnonzero(~np.isfinite(found).all(axis=1)):
            roots = self.basis * np.sqrt(curvature[row])[:, None]
            with np.errstate(over="ignore", invalid="ignore"):
                try:
                    found[row] = np.linalg.lstsq(roots, np.sqrt(weight[row]), rcond=None)[0]
                except np.linalg.LinAlgError:
                    continue
        step: FloatArray = found @ self.basis.T
        return step

    def _by_hessian(self, weight: FloatArray, q: FloatArray, curvature: FloatArray) -> FloatArray:
        size = self.basis.shape[1]
        if self._squares is None:
            hessian = np.stack([coordinates.weighted_squares(row, self._scenario)[1:, 1:] for row in curvature])
        else:
            # One product for all rows.
            hessian = (curvature @ self._squares).reshape(-1, size, size)
        found: Any = np.linalg.solve(hessian, ((weight / q) @ self.basis)[:, :, None])[:, :, 0]
        return found

    def _by_refinement(self, weight: FloatArray, q: FloatArray, curvature: FloatArray) -> FloatArray:
        """Where cells are nearly empty and coordinates many: conjugate gradients; NaN if these do not get near enough.

        The factors of the Hessian lost digits, so they only precondition.
        """
        from scipy.linalg import LinAlgError, cho_factor, cho_solve

        hessian = coordinates.weighted_squares(curvature, self._scenario)[1:, 1:]
        scale = 1 / np.sqrt(np.diagonal(hessian))
        hessian = hessian * scale[:, None] * scale
        hessian[np.diag_indices(len(hessian))] += _RIDGE
        found = np.zeros(len(hessian))
        try:
            factors = cho_factor(hessian, overwrite_a=True, check_finite=False)
        except LinAlgError:
            return np.full_like(found, np.nan)
        residual = (weight / q) @ self.basis
        direction, before = np.zeros_like(found), 1.0
        enough = 0.0
        for i in range(_MAX_REFINEMENTS):
            reduced = scale * cho_solve(factors, scale * residual, check_finite=False)
            size = float(residual @ reduced)
            if i == 0:
                enough = _REFINED**2 * size
            elif size <= enough:
                return found
            direction = reduced + (size / before if i else 0.0) * direction
            moved = self.basis @ direction
            bend = curvature * moved
            ahead = size / float(moved @ bend)
            found = found + ahead * direction
            residual, before = residual - ahead * (bend @ self.basis), size
        return np.full_like(found, np.nan)

    def _by_roots(self, weight: FloatArray, q: FloatArray, curvature: FloatArray) -> FloatArray:
        """Where cells are nearly empty: least squares with the roots, whose condition is the root of the Hessian's."""
        # Of rows of very different size, those that come first keep their digits.
        order = np.argsort(-curvature, axis=1, kind="stable")
        roots = self.basis[order] * np.sqrt(np.take_along_axis(curvature, order, axis=1))[:, :, None]
        right = np.sqrt(np.take_along_axis(weight, order, axis=1))
        unitary, triangular = np.linalg.qr(roots)
        found: FloatArray = np.linalg.solve(triangular, np.matmul(right[:, None, :], unitary)[:, 0, :, None])[:, :, 0]
        return found


@lru_cache(maxsize=4)
def coordinates_of(scenario: BellScenario) -> Coordinates:
    """The system of a scenario, kept for the next time."""
    return Coordinates(scenario)


class Conditions:
    """Newton steps with the conditions of no-signaling, of which there are few for many outcomes."""

    def __init__(self, scenario: BellScenario) -> None:
        self._matrix, self._transpose = _conditions(scenario)
        # Only the last condition, the normalization, has another right side than 0.
        self._right = np.zeros(self._matrix.shape[0])
        self._right[-1] = 1

    def newton_step(self, weight: FloatArray, q: FloatArray) -> FloatArray:
        """The step that minimizes the quadratic form of ``-weight log q`` under the conditions; NaN where it fails."""
        from scipy.linalg import LinAlgError, cho_solve

        steps = np.full_like(q, np.nan)
        for i, (cells, here) in enumerate(zip(weight, q, strict=True)):
            inverse = here**2 / cells
            # Away from the optimum without conditions, then back to the conditions, again for what rounding left over.
            step = here.copy()
            try:
                factor, scale = self._factor(inverse)
                for _ in range(_REFINEMENTS):
                    excess = scale * (self._matrix @ (here + step) - self._right)
                    step -= inverse * (self._transpose @ (scale * cho_solve((factor, False), excess)))
            except (LinAlgError, ValueError):
                # Not positive definite, or not finite, for all that rounding left of it.
                continue
            steps[i] = step
        return steps

    def _factor(self, inverse: FloatArray) -> tuple[FloatArray, FloatArray]:
        """An upper triangle R and a scale: ``R^T R`` is the scaled ``matrix diag(inverse) matrix^T``."""
        from scipy.linalg import cholesky

        if self._matrix.shape[0] ** 2 * self._matrix.shape[1] > _MAX_ORTHOGONAL_WORK:
            system = (self._matrix.multiply(inverse) @ self._transpose).toarray()
            scale = 1 / np.sqrt(np.diag(system))
            return cholesky(system * scale[:, None] * scale), scale
        # Of rows of very different size, those that come first keep their digits.
        order = np.argsort(-inverse, kind="stable")
        roots = self._transpose[order].toarray() * np.sqrt(inverse[order])[:, None]
        scale = 1 / np.linalg.norm(roots, axis=0)
        triangle: Any = np.linalg.qr(roots * scale, mode="r")
        return triangle, scale


@lru_cache(maxsize=8)
def _conditions(scenario: BellScenario) -> tuple[Any, Any]:
    """Independent conditions of no-signaling on a flattened table, and normalization, as a sparse matrix."""
    from scipy.sparse import csr_matrix, eye_array, kron, vstack

    sizes = list(zip(scenario.num_settings, scenario.max_outcomes, strict=True))
    reduced = [csr_matrix(matrix) for matrix in coordinates.collins_gisin_matrices(scenario)]
    blocks = []
    for k, (m, d) in enumerate(sizes):
        # The sum over outcomes is the same for one setting and the next; parties before k do not signal any more.
        if m == 1:
            continue
        difference = csr_matrix(np.kron(np.eye(m - 1, m) - np.eye(m - 1, m, 1), np.ones((1, d))))
        block = csr_matrix(np.ones((1, 1)))
        for j in range(len(sizes)):
            factor = reduced[j] if j < k else (difference if j == k else eye_array(math.prod(sizes[j])))
            block = kron(block, factor, format="csr")
        blocks.append(block)
    total = csr_matrix(np.ones((1, 1)))
    for matrix in reduced:
        total = kron(total, matrix[:1], format="csr")
    places = coordinates.places(scenario)
    matrix = csr_matrix(vstack([*blocks, total], format="csr")[:, places])
    return matrix, csr_matrix(matrix.T)
