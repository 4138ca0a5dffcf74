import dataclasses

import numpy as np
import pytest
from qiskit_lhv import Behavior, BellCounts, nonlocality_threshold, werner_state
from qiskit_lhv.exceptions import CountsError
from qiskit_lhv.statistics import fit_local_model, local_region
from qiskit_lhv.statistics.intervals.confidence_regions import correlator_intervals, marginal_intervals
from qiskit_lhv.targets import project_to_no_signaling
from qiskit_lhv.targets.coordinates import to_party_axes
from scipy.stats import binomtest

from helpers import PLANE

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


@pytest.mark.parametrize(
    ("visibility", "shots", "inside"), [(0.4, 10_000, True), (0.4, 50, False), (0.95, 10_000, False)]
)
def test_region_in_white_noise(visibility, shots, inside):
    # Three planar settings per party: local at 0.4, nonlocal at 0.95.
    found = region(visibility, [PLANE, PLANE], shots)
    assert found.inside is inside
    assert found.verify()


@pytest.mark.parametrize(("visibility", "searched"), [(0.95, False), (0.4, True)])
def test_hopeless_regions_cost_no_search(visibility, searched, monkeypatch):
    from qiskit_lhv.statistics.intervals import confidence_regions

    asked = []

    def search(center, **options):
        asked.append(options["max_visibility"])
        return nonlocality_threshold(center, **options)

    monkeypatch.setattr(confidence_regions, "nonlocality_threshold", search)
    found = region(visibility, [PLANE, PLANE], 100_000)
    assert bool(asked) is searched
    assert found.inside is searched
    if searched:
        # Only as far as the region needs it.
        assert found.margin <= 0.02
        assert found.threshold.lower == pytest.approx(asked[0])


def test_large_scenarios_are_searched_only_in_a_given_time(monkeypatch):
    from qiskit_lhv.statistics.intervals import confidence_regions

    monkeypatch.setattr(confidence_regions, "MAX_COORDINATES", 10)
    counts = Behavior.from_state(werner_state(0.4), [PLANE, PLANE]).sample(100_000, 1)
    center = fit_local_model(counts).model.behavior()
    unknown = local_region(counts, center)
    assert not unknown.inside
    assert unknown.threshold is None
    assert unknown.margin == 0
    assert local_region(counts, center, time_limit=1e6).inside


def test_verify_refuses_tampered_regions():
    found = region(0.6, "chsh", 10_000)
    wider = dataclasses.replace(found, upper=np.minimum(found.upper + 0.2, 1), lower=np.maximum(found.lower - 0.2, -1))
    assert found.verify()
    assert not wider.verify()
    found = region(0.3, [["X", "Y", "Z"]] * 2, 10_000)
    assert found.inside
    assert found.verify()
    assert not dataclasses.replace(found, upper=np.minimum(found.upper + 0.3, 1)).verify()


def test_correlators_need_two_outcomes():
    counts = BellCounts(np.ones((1, 1, 3, 2), dtype=int))
    with pytest.raises(CountsError, match="two outcomes"):
        correlator_intervals(counts, 0.05)


# More outcomes


def lossy(visibility):
    both = Behavior.from_state(werner_state(visibility), [["X", "Z"], ["X", "Y", "Z"]]).with_efficiency((0.8, 1.0))
    # Party 1 never loses an outcome, so its third one is left out.
    return Behavior(both.array[..., :2])


def test_marginal_intervals_pool_the_settings_of_absent_parties():
    behavior = lossy(0.6)
    assert behavior.scenario.max_outcomes == (3, 2)
    counts = behavior.sample(np.array([[300, 400, 500], [600, 700, 800]]), 1)
    lower, upper = marginal_intervals(counts, 0.05)
    assert lower.shape == (2 * 3 + 1, 3 * 2 + 1)
    level = 1 - 0.05 / (7 * 7 - 1)
    lost = int(counts.array[1, :, 2].sum())
    reference = binomtest(lost, 2100).proportion_ci(level, method="exact")
    assert (lower[1 + 3 + 2, 0], upper[1 + 3 + 2, 0]) == pytest.approx((reference.low, reference.high))
    reference = binomtest(int(counts.array[1, 2, 0, 1]), 800).proportion_ci(level, method="exact")
    assert (lower[1 + 3 + 0, 1 + 2 * 2 + 1], upper[4, 6]) == pytest.approx((reference.low, reference.high))


@pytest.mark.parametrize(
    ("visibility", "shots", "inside"), [(0.4, 300_000, True), (0.4, 500, False), (1, 300_000, False)]
)
def test_region_with_lost_shots(visibility, shots, inside):
    behavior = Behavior.from_state(werner_state(visibility), "chsh").with_efficiency(0.8)
    counts = behavior.sample(shots, 1)
    found = local_region(counts, fit_local_model(counts).model.behavior())
    assert found.inside is inside
    assert found.verify()
    if inside:
        wider = dataclasses.replace(found, upper=np.minimum(found.upper + 0.1, 1))
        assert not wider.verify()


def test_every_behavior_of_a_region_with_more_outcomes_is_local():
    behavior = Behavior.from_state(werner_state(0.5), "chsh").with_efficiency(0.8)
    counts = behavior.sample(300_000, 2)
    center = fit_local_model(counts).model.behavior()
    found = local_region(counts, center, alpha=0.5)
    assert found.inside
    # No-signaling behaviors at random, as far from the center as the limits of all probabilities allow.
    rng = np.random.default_rng(1)
    cells = found.lower[1:, 1:], found.upper[1:, 1:]
    for _ in range(20):
        direction = rng.dirichlet(np.ones(9), size=4).reshape(2, 2, 3, 3)
        target = project_to_no_signaling(Behavior(direction))
        tables = to_party_axes(target.array - center.array, center.scenario)
        middle = to_party_axes(center.array, center.scenario)
        room = np.where(tables > 0, cells[1] - middle, middle - cells[0]) / np.maximum(np.abs(tables), 1e-12)
        moved = Behavior(center.array + float(room.min()) * (target.array - center.array))
        assert nonlocality_threshold(moved).lower >= 1 - 1e-9
