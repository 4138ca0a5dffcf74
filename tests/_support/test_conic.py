import sys

import numpy as np
import pytest
from qiskit_lhv._support.conic import (
    Cone,
    ConicRows,
    minimize_over_cones,
    symmetric_matrix,
    triangle,
    triangle_places,
)
from qiskit_lhv.exceptions import SolverError

pytest.importorskip("clarabel")


def random_symmetric(rng, size):
    matrix = rng.normal(size=(size, size))
    return matrix + matrix.T


def test_triangles_keep_scalar_products():
    rng = np.random.default_rng(0)
    first, second = random_symmetric(rng, 4), random_symmetric(rng, 4)
    assert triangle(first) @ triangle(second) == pytest.approx(np.trace(first @ second))
    np.testing.assert_allclose(symmetric_matrix(triangle(first), 4), first)
    np.testing.assert_array_equal(np.stack(triangle_places(3)), [[0, 0, 1, 0, 1, 2], [0, 1, 1, 2, 2, 2]])


def test_lowest_eigenvalue_and_its_projector():
    # Largest t with matrix - t positive; the dual solution is the projector onto the lowest eigenvector.
    matrix = random_symmetric(np.random.default_rng(1), 5)
    rows = ConicRows(Cone.POSITIVE, triangle(np.eye(5))[:, None], triangle(matrix), size=5)
    solution = minimize_over_cones("test", np.array([-1.0]), [rows])
    values, vectors = np.linalg.eigh(matrix)
    assert solution.values[0] == pytest.approx(values[0], abs=1e-7)
    projector = np.outer(vectors[:, 0], vectors[:, 0])
    np.testing.assert_allclose(symmetric_matrix(solution.duals[0], 5), projector, atol=1e-4)


def test_several_cones_of_one_kind_and_duals_of_each_block():
    # x + y as small as possible, |(x - 1, 0)| <= y twice, x <= 1/2, z = 3.
    one = np.eye(3)
    cone = np.array([-one[1], -one[0], 0 * one[0]])
    blocks = [
        ConicRows(Cone.ZERO, one[2:], np.array([3.0])),
        ConicRows(Cone.NONNEGATIVE, one[:1], np.array([0.5])),
        ConicRows(Cone.SECOND_ORDER, np.vstack([cone, cone]), np.array([0, -1.0, 0, 0, -1, 0]), size=3),
    ]
    costs = np.array([-1.0, 2, 0])
    solution = minimize_over_cones("test", costs, blocks)
    np.testing.assert_allclose(solution.values, [0.5, 0.5, 3], atol=1e-6)
    assert [len(one) for one in solution.duals] == [1, 1, 6]
    rest = costs + sum(block.matrix.T @ dual for block, dual in zip(blocks, solution.duals, strict=True))
    np.testing.assert_allclose(rest, 0, atol=1e-6)


def test_no_optimum_and_no_solver(monkeypatch):
    rows = ConicRows(Cone.NONNEGATIVE, np.array([[1.0], [-1.0]]), np.array([-1.0, -1.0]))
    with pytest.raises(SolverError, match="caller: Clarabel stopped with 'PrimalInfeasible'"):
        minimize_over_cones("caller", np.zeros(1), [rows])
    monkeypatch.setitem(sys.modules, "clarabel", None)
    with pytest.raises(ImportError, match=r"caller.*qiskit-lhv\[sdp\]"):
        minimize_over_cones("caller", np.zeros(1), [rows])
