"""The evidence to expect of a new run."""

import math

import numpy as np
import pytest
from qiskit_lhv import BellCounts, ratio_e_value
from qiskit_lhv.statistics.assumptions.predictability import mean_forms
from qiskit_lhv.statistics.planning.evidence_rates import learning_cost
from qiskit_lhv.statistics.planning.expected_evidence import expected_evidence
from qiskit_lhv.targets import project_to_no_signaling

from helpers import isotropic

UNIFORM = np.full((2, 2), 0.25)


def expected_of(counts, predictability=0.0):
    projected = project_to_no_signaling(counts.frequencies(), counts.num_shots)
    return expected_evidence(projected, counts, predictability)


def test_the_rate_is_the_divergence_from_the_local_set():
    # KL(PR || local) with equal settings: the game is won always instead of in three quarters.
    pr = BellCounts((isotropic(4).array * 2000).astype(int))
    assert expected_of(pr).rate == pytest.approx(math.log(4 / 3), rel=1e-3)
    assert not expected_of(pr).local
    local = isotropic(1.9).sample(1000, 1)
    found = expected_of(local)
    assert found.local
    assert found.shots_needed(1.0, 0.0) is None


def test_predictability_lowers_the_rate_to_what_the_bound_leaves():
    win = 0.85
    counts = BellCounts(np.rint(isotropic(8 * win - 4).array * 4000).astype(int), "random", UNIFORM)
    plain, some, much = (expected_of(counts, tau) for tau in (0.0, 0.01, 0.1))
    assert plain.rate > some.rate > 0
    # The factor is win / .75 where the game is won, and a strategy wins in three settings of four.
    factors = np.array([(1 - win) / 0.25, win / 0.75])
    bounds = []
    for share, limits in mean_forms(UNIFORM, 0.01):
        weight = limits.flat[0]
        bounds.append(factors[1] * share + weight * (3 * factors[1] + factors[0]))
    assert some.rate == pytest.approx(plain.rate - math.log(min(bounds)), abs=1e-4)
    assert much.rate == 0
    assert much.shots_needed(5.0, 0.0) is None
    # The e-value of many such shots comes near to it.
    many = isotropic(8 * win - 4).sample(20_000, 1)
    random = BellCounts(many.array, "random", UNIFORM)
    for tau in (0.0, 0.01):
        log_e = ratio_e_value(random, predictability=tau, seed=1).log_e
        assert log_e / random.total_shots == pytest.approx(expected_of(random, tau).rate, rel=0.02)


def test_random_settings_are_weighed_by_their_probabilities():
    probabilities = np.array([[0.4, 0.2], [0.2, 0.2]])
    counts = BellCounts(isotropic(2.7).sample(np.array([[420, 190], [210, 180]]), 1).array, "random", probabilities)
    assert np.allclose(expected_of(counts).fit.weights, probabilities)
    blocks = BellCounts(counts.array)
    assert np.allclose(expected_of(blocks).fit.weights, counts.num_shots / 1000)


def test_what_learning_cost_is_counted_and_grows():
    counts = isotropic(2.6).sample(100, 1)
    expected = expected_of(counts)
    total = counts.total_shots
    # Never less than the estimate from the fit.
    free = expected.shots_needed(5.0, total * expected.rate)
    assert free == pytest.approx((5 + learning_cost(expected.fit, free, 1)) / expected.rate, rel=2e-3)
    paid = expected.shots_needed(5.0, -3.0)
    assert paid > free
    # A run that has not reached the goal needs more shots than it had, whatever it reached.
    for reached in (-5.0, 0.0, 4.0, 4.99):
        assert expected.shots_needed(5.0, reached) > total
    assert expected.missing == 1


def test_violations_by_chance():
    assert expected_of(isotropic(2.2).sample(10, 3)).by_chance
    assert not expected_of(isotropic(2.7).sample(500, 1)).by_chance
