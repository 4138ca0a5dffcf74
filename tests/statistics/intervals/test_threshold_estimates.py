import dataclasses
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from qiskit.quantum_info import random_density_matrix
from qiskit_lhv import (
    Behavior,
    BellCounts,
    load_bundled_counts,
    nonlocality_threshold,
    werner_state,
)
from qiskit_lhv.exceptions import CountsError
from qiskit_lhv.polytope import local_weight
from qiskit_lhv.polytope.thresholds.closed_forms import white_noise_thresholds
from qiskit_lhv.statistics import (
    LocalWeightInterval,
    ThresholdEstimate,
    estimate_threshold,
    local_weight_interval,
)
from qiskit_lhv.statistics.intervals.threshold_estimates import _searched_thresholds
from qiskit_lhv.targets import project_to_no_signaling
from scipy.stats import binomtest


@pytest.mark.slow
def test_interval_of_the_threshold_covers_it():
    behavior = Behavior.from_state(werner_state(0.9), "chsh")
    truth = nonlocality_threshold(behavior).estimate
    assert truth == pytest.approx(np.sqrt(0.5) / 0.9)
    misses = 0
    for seed in range(12):
        found = estimate_threshold(behavior.sample(1000, seed), alpha=0.1, num_replicates=50, seed=seed)
        misses += not found.lower <= truth <= found.upper
    # Binomial with p = 0.1: five or more of 12 have a probability of 0.4 %.
    assert misses < 5
    assert found.verify()
    assert abs(found.estimate - truth) < 0.1


def test_interval_of_the_threshold_is_reflected():
    counts = Behavior.from_state(werner_state(0.9), "chsh").sample(np.array([[100, 200], [300, 400]]), 1)
    found = estimate_threshold(counts, alpha=0.2, num_replicates=30, seed=5)
    fitted = project_to_no_signaling(counts.frequencies(), counts.num_shots)
    assert found.estimate == pytest.approx(nonlocality_threshold(fitted, max_visibility=100).estimate, abs=1e-6)
    rng = np.random.default_rng(5)
    p = fitted.array.reshape(4, 4)
    thresholds = []
    for drawn in rng.multinomial(counts.num_shots.ravel(), p / p.sum(axis=1, keepdims=True), size=(30, 4)):
        replicate = BellCounts(drawn.reshape(2, 2, 2, 2))
        projected = project_to_no_signaling(replicate.frequencies(), replicate.num_shots)
        thresholds.append(nonlocality_threshold(projected, max_visibility=100).estimate)
    low, high = np.quantile(thresholds, [0.1, 0.9])
    assert found.lower == pytest.approx(2 * found.estimate - high, abs=1e-4)
    assert found.upper == pytest.approx(2 * found.estimate - low, abs=1e-4)
    # The replicates lie to one side, so that it matters.
    assert abs(low + high - 2 * found.estimate) > 0.003


def test_threshold_of_local_counts_exceeds_one():
    found = estimate_threshold(load_bundled_counts("ibm_washington38_39circuit13").counts, num_replicates=40, seed=1)
    assert 1 < found.lower < found.estimate < found.upper
    assert "95%" in str(found)


@pytest.mark.parametrize(
    "behavior",
    [
        Behavior.from_state(werner_state(0.95), "chsh"),
        Behavior.from_state(werner_state(0.5), "chsh"),
        Behavior.from_correlators(np.array([[1, 1], [1, -1]]), marginals=False),
    ],
    ids=["nonlocal", "local", "box"],
)
def test_interval_of_the_local_weight_covers_it(behavior):
    truth = local_weight(behavior)
    misses = 0
    for seed in range(30):
        found = local_weight_interval(behavior.sample(2000, seed), alpha=0.1)
        misses += found.lower > truth.upper + 1e-12 or found.upper < truth.lower - 1e-12
    assert misses <= 0.1 * 30
    assert found.verify()


def test_limits_of_probabilities_are_clopper_pearson_with_bonferroni():
    counts = Behavior.from_state(werner_state(0.9), "chsh").sample(np.array([[100, 200], [300, 400]]), 1)
    found = local_weight_interval(counts, alpha=0.08)
    for index in np.ndindex(2, 2, 2, 2):
        total = int(counts.num_shots[index[:2]])
        # 16 probabilities.
        limits = binomtest(int(counts.array[index]), total).proportion_ci(1 - 0.08 / 16, method="exact")
        assert found.lower_limits[index] == pytest.approx(limits.low)
        assert found.upper_limits[index] == pytest.approx(limits.high)
    model = found.model.behavior().array
    assert np.all(found.lower * model <= found.lower_limits + 1e-12)


def test_limits_of_the_local_weight_close_in():
    behavior = Behavior.from_state(werner_state(0.95), "chsh")
    weight = local_weight(behavior).value
    wide, narrow = (local_weight_interval(behavior.sample(shots, 1)) for shots in (1000, 1_000_000))
    assert wide.lower < narrow.lower < weight < narrow.upper < wide.upper
    assert narrow.upper - narrow.lower < 0.02
    assert narrow.model is not None
    assert narrow.inequality.bound.exact


def test_local_counts_have_no_upper_limit_below_one():
    found = local_weight_interval(Behavior.from_state(werner_state(0.5), "chsh").sample(5000, 1))
    assert found.upper == 1
    assert found.inequality is None
    assert 0.9 < found.lower < 1
    assert found.verify()


@pytest.mark.parametrize(
    "change",
    [
        lambda w: {"lower": w.lower + 1e-6},
        lambda w: {"upper": w.upper - 1e-6},
        lambda w: {"lower_limits": w.lower_limits * 0.99},
        lambda w: {"upper_limits": w.upper_limits * 1.01},
        lambda w: {"model": None},
        lambda w: {"inequality": None},
    ],
)
def test_verify_refuses_tampered_weights(change, tmp_path):
    found = local_weight_interval(load_bundled_counts("ibm_hanoi19_20circuit13").counts)
    assert found.verify()
    found.save(tmp_path / "weight.npz")
    assert LocalWeightInterval.load(tmp_path / "weight.npz") == found
    assert not dataclasses.replace(found, **change(found)).verify()


@pytest.mark.parametrize("name", ["lower", "upper"])
def test_verify_refuses_tampered_thresholds(name, tmp_path):
    found = estimate_threshold(load_bundled_counts("ibm_hanoi19_20circuit13").counts, num_replicates=20, seed=1)
    assert found.verify()
    assert found.lower < found.estimate < found.upper < 1
    found.save(tmp_path / "threshold.json")
    assert ThresholdEstimate.load(tmp_path / "threshold.json") == found
    shifted = {"lower": found.threshold.lower + 1e-3, "upper": found.threshold.upper - 1e-3}
    forged = dataclasses.replace(found.threshold, **{name: shifted[name]})
    assert not dataclasses.replace(found, threshold=forged).verify()


def test_same_seed_same_interval():
    counts = load_bundled_counts("delft_2015").counts
    first, second, other = (estimate_threshold(counts, num_replicates=20, seed=seed) for seed in (1, 1, 2))
    assert first == second
    assert first.upper != other.upper


def test_limits_of_the_local_weight_need_no_no_signaling():
    # a = 0, b = x y signals and is no mixture with any local behavior: its local weight is 0.
    table = np.zeros((2, 2, 2, 2))
    for x, y in np.ndindex(2, 2):
        table[x, y, 0, x & y] = 1
    found = local_weight_interval(Behavior(table).sample(2000, 1))
    assert found.lower == pytest.approx(0, abs=1e-9)
    assert found.upper < 0.05
    assert found.verify()


def test_bad_arguments():
    counts = load_bundled_counts("delft_2015").counts
    with pytest.raises(CountsError, match="alpha"):
        local_weight_interval(counts, alpha=0)
    with pytest.raises(CountsError, match="alpha"):
        estimate_threshold(counts, alpha=2)
    with pytest.raises(CountsError, match="num_replicates"):
        estimate_threshold(counts, num_replicates=3)


def test_thresholds_in_closed_form_are_those_of_linear_programs():
    rng = np.random.default_rng(2)
    behaviors = [Behavior.from_state(random_density_matrix(4, rank=1 + i % 4, seed=i), "chsh") for i in range(8)]
    for visibility in (0.3, 0.8, 1):
        axes = rng.normal(size=(2, 2, 3))
        axes /= np.linalg.norm(axes, axis=2, keepdims=True)
        behaviors.append(Behavior.from_state(werner_state(visibility), axes.tolist()))
    behaviors.append(Behavior(np.full((2, 2, 2, 2), 0.25)))
    found = white_noise_thresholds(np.array([behavior.array.ravel() for behavior in behaviors]), 50.0)
    searched = [nonlocality_threshold(behavior, max_visibility=50).estimate for behavior in behaviors[:-1]]
    assert np.allclose(found, [*searched, 50], atol=1e-8)


def test_thresholds_of_many_tables_do_not_depend_on_who_computes_them():
    chsh_tables = [Behavior.from_state(werner_state(v), "chsh").sample(200, i) for i, v in enumerate((0.7, 0.9, 1.0))]
    alone = estimate_threshold(chsh_tables, num_replicates=20, seed=3)
    larger = Behavior.from_state(werner_state(0.9), [np.eye(3).tolist()] * 2).sample(200, 1)
    one = estimate_threshold(larger, num_replicates=25, seed=3)
    with ThreadPoolExecutor(2) as pool:
        assert estimate_threshold(chsh_tables, num_replicates=20, seed=3, executor=pool) == alone
        assert estimate_threshold(larger, num_replicates=25, seed=3, executor=pool) == one
    assert len({one.lower for one in alone}) == 3
    assert estimate_threshold(chsh_tables[:1], num_replicates=20, seed=3) == alone[:1]


def test_rounding_of_white_noise_leaves_its_threshold_at_the_limit():
    tables = np.array([[np.nextafter(0.25, 1)] * 16, [0.25] * 16, [np.nextafter(0.25, 0)] * 16])
    assert white_noise_thresholds(tables, 50.0).tolist() == [50.0] * 3


@pytest.mark.parametrize("shape", [(2, 2, 2, 2), (2, 3, 2, 2)])
def test_counts_of_white_noise_are_told_to_have_no_threshold(shape):
    with pytest.raises(CountsError, match="local at every visibility"):
        estimate_threshold(BellCounts(np.full(shape, 100)), num_replicates=20, seed=1)


def test_replicates_of_white_noise_are_local_at_every_visibility():
    scenario = BellCounts(np.ones((2, 3, 2, 2), dtype=int)).scenario
    assert _searched_thresholds(np.full((1, 24), 0.25), scenario).tolist() == [100.0]
