import itertools

import numpy as np
import pytest
from qiskit_lhv.polytope.thresholds.nearest_mixture import nearest_mixture


def nearest(points, target, start=None, tolerance=0.0):
    """Weights, and the vector from the target to the mixture."""
    start = np.full(len(points), 1 / len(points)) if start is None else start
    weights = nearest_mixture(points @ points.T, points @ target, float(target @ target), start, tolerance)
    return weights, None if weights is None else weights @ points - target


def check_optimal(points, target, weights, rest, atol):
    """Weights are probabilities, and no point lies nearer in the direction of the rest: Wolfe's criterion."""
    assert np.all(weights >= 0)
    assert weights.sum() == pytest.approx(1, abs=1e-12)
    assert ((points - target) @ rest).min() >= rest @ rest - atol


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize(("count", "size"), [(3, 8), (20, 4), (60, 12), (200, 30)])
def test_the_nearest_mixture_meets_wolfes_criterion(count, size, seed):
    rng = np.random.default_rng(seed)
    points = np.sign(rng.standard_normal((count, size)))
    # Inside for some seeds, outside for others.
    target = rng.standard_normal(size) * (0.1 + 0.3 * (seed % 3))
    weights, rest = nearest(points, target)
    check_optimal(points, target, weights, rest, 1e-9)


def test_a_point_of_the_simplex_is_reached_exactly():
    rng = np.random.default_rng(1)
    points = rng.standard_normal((9, 8))
    wanted = rng.dirichlet(np.ones(9))
    weights, rest = nearest(points, wanted @ points)
    assert np.allclose(weights, wanted, atol=1e-9)
    assert np.linalg.norm(rest) < 1e-10


def test_an_edge_of_a_square():
    points = np.array(list(itertools.product([-1.0, 1.0], repeat=2)))
    weights, rest = nearest(points, np.array([3.0, 0.5]))
    assert np.allclose(weights, [0, 0, 0.25, 0.75])
    assert np.allclose(rest, [-2, 0])


def test_equal_and_dependent_points_do_no_harm():
    rng = np.random.default_rng(2)
    few = rng.standard_normal((5, 3))
    points = np.concatenate([few, few, few + 1e-9, (few + few[::-1]) / 2])
    target = np.array([2.0, 1.0, -1.0])
    weights, rest = nearest(points, target)
    check_optimal(points, target, weights, rest, 1e-7)
    alone = nearest(few, target)[1]
    assert np.linalg.norm(rest) == pytest.approx(np.linalg.norm(alone), abs=1e-7)


@pytest.mark.parametrize("tolerance", [0.0, 1e-2, 1.0, 100.0])
def test_no_start_is_left_for_a_worse_one(tolerance):
    rng = np.random.default_rng(3)
    points = np.sign(rng.standard_normal((50, 10)))
    target = 0.3 * rng.standard_normal(10)
    for _ in range(20):
        start = np.where(rng.random(50) < 0.5, 0, rng.dirichlet(np.full(50, 0.2)))
        start /= start.sum()
        _, rest = nearest(points, target, start, tolerance)
        assert np.linalg.norm(rest) <= np.linalg.norm(start @ points - target) + 1e-9
        assert ((points - target) @ rest).min() >= rest @ rest - max(tolerance, 1e-9)


def test_points_that_all_are_the_target():
    assert nearest(np.ones((4, 2)), np.ones(2))[0] is None
