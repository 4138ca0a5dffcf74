import dataclasses

import numpy as np
import pytest
from qiskit_lhv import Behavior, BellCounts, CountsError, fit_local_model, local_region, werner_state
from qiskit_lhv.statistics.confidence import correlator_intervals
from scipy.stats import binomtest

CORRELATED = [["X", "Y", "Z"], ["X", "Z"]]


def region(visibility, settings, shots, seed=1, alpha=0.01):
    counts = Behavior.from_state(werner_state(visibility), settings).sample(shots, seed)
    return local_region(counts, fit_local_model(counts).model.behavior(), alpha=alpha)


def test_intervals_are_clopper_pearson_with_bonferroni():
    counts = Behavior.from_state(werner_state(0.6), CORRELATED).sample(np.array([[50, 60], [70, 80], [90, 99]]), 1)
    lower, upper = correlator_intervals(counts, 0.05)
    # 11 correlators: 6 of both parties, 3 and 2 marginals.
    level = 1 - 0.05 / 11
    equal = int(counts.array[2, 1, 0, 0] + counts.array[2, 1, 1, 1])
    reference = binomtest(equal, 99).proportion_ci(level, method="exact")
    assert (lower[3, 2], upper[3, 2]) == pytest.approx((2 * reference.low - 1, 2 * reference.high - 1))
    # The marginal of party 1's setting 0 pools the settings of party 0.
    zeros = int(counts.array[:, 0, :, 0].sum())
    reference = binomtest(zeros, 210).proportion_ci(level, method="exact")
    assert (lower[0, 1], upper[0, 1]) == pytest.approx((2 * reference.low - 1, 2 * reference.high - 1))
    assert lower[0, 0] == upper[0, 0] == 1


def test_intervals_cover_with_their_confidence():
    behavior = Behavior.from_state(werner_state(0.7), "chsh")
    truth = behavior.to_correlators()
    misses = 0
    for seed in range(400):
        lower, upper = correlator_intervals(behavior.sample(200, seed), 0.1)
        misses += bool(np.any(truth < lower) or np.any(truth > upper))
    assert misses <= 0.1 * 400


def test_intervals_at_the_ends():
    lower, upper = correlator_intervals(BellCounts(np.array([[20, 0]])), 0.05)
    assert upper[1] == 1
    assert lower[1] == pytest.approx(2 * 0.025 ** (1 / 20) - 1)


@pytest.mark.parametrize(("visibility", "inside"), [(0.2, True), (0.6, True), (0.7, False), (0.75, False)])
def test_chsh_region(visibility, inside):
    found = region(visibility, "chsh", 10_000)
    assert found.inside is inside
    assert found.verify()


PLANE = [(np.cos(a), 0, np.sin(a)) for a in np.pi * np.arange(3) / 3]


@pytest.mark.parametrize(
    ("visibility", "shots", "inside"), [(0.4, 10_000, True), (0.4, 50, False), (0.95, 10_000, False)]
)
def test_region_in_white_noise(visibility, shots, inside):
    # Three planar settings a party: local at 0.4, nonlocal at 0.95.
    found = region(visibility, [PLANE, PLANE], shots)
    assert found.inside is inside
    assert found.verify()


def test_verify_refuses_tampered_regions():
    found = region(0.6, "chsh", 10_000)
    wider = dataclasses.replace(found, upper=np.minimum(found.upper + 0.2, 1), lower=np.maximum(found.lower - 0.2, -1))
    assert found.verify()
    assert not wider.verify()
    found = region(0.3, [["X", "Y", "Z"]] * 2, 10_000)
    assert found.inside
    assert found.verify()
    assert not dataclasses.replace(found, upper=np.minimum(found.upper + 0.3, 1)).verify()


def test_three_outcomes_are_refused():
    counts = BellCounts(np.ones((1, 1, 3, 2), dtype=int))
    with pytest.raises(CountsError, match="two outcomes"):
        correlator_intervals(counts, 0.05)
