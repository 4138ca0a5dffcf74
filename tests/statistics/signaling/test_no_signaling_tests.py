import numpy as np
import pytest
from qiskit_lhv import Behavior, BellCounts, load_bundled_counts, werner_state
from qiskit_lhv.exceptions import CountsError, SolverError
from qiskit_lhv.statistics import no_signaling_test
from qiskit_lhv.statistics.intervals.clopper_pearson import clopper_pearson
from scipy.stats import binom, binomtest, chi2_contingency, kstest


def test_comparisons_agree_with_scipy():
    counts = Behavior.from_state(werner_state(0.9), [["X", "Y", "Z"], ["X", "Z"]]).sample(500, 1)
    result = no_signaling_test(counts)
    # Three settings of party 0, at which party 1 sends; two of party 1, at which party 0 sends.
    assert len(result.comparisons) == 5
    for one in result.comparisons:
        if one.sender == 0:
            table = counts.array[:, one.settings[1]].sum(axis=1)
        else:
            table = counts.array[one.settings[0]].sum(axis=2)
        reference = chi2_contingency(table, correction=False)
        assert one.statistic == pytest.approx(reference.statistic)
        assert one.degrees_of_freedom == reference.dof
        assert one.p_value == pytest.approx(reference.pvalue)


def test_holm_correction():
    result = no_signaling_test(load_bundled_counts("ibm_washington91_98circuit4").counts)
    ordered = sorted(result.comparisons, key=lambda one: one.p_value)
    expected = np.minimum(1, np.maximum.accumulate([(4 - i) * one.p_value for i, one in enumerate(ordered)]))
    np.testing.assert_allclose([one.adjusted_p_value for one in ordered], expected)
    assert result.comparison_p_value == pytest.approx(expected[0])


def test_published_devices():
    # arXiv:2503.18949: no signaling on Hanoi 19-20 (|z| <= 0.4), |z| up to 8.5 on Washington 91-98.
    hanoi = no_signaling_test(load_bundled_counts("ibm_hanoi19_20circuit13").counts)
    assert max(one.statistic for one in hanoi.comparisons) <= 0.4**2
    washington = no_signaling_test(load_bundled_counts("ibm_washington91_98circuit4").counts)
    assert max(one.statistic for one in washington.comparisons) ** 0.5 == pytest.approx(8.5, abs=0.05)
    assert washington.p_value < 1e-10


def test_signaling_of_one_party_is_found_where_it_is():
    table = np.full((2, 2, 2, 2), 0.25)
    # Party 1's outcome leans to 0 when party 0 has setting 1 and party 1 setting 0.
    table[1, 0] = [[0.3, 0.2], [0.3, 0.2]]
    result = no_signaling_test(Behavior(table).sample(10_000, 2))
    worst = min(result.comparisons, key=lambda one: one.p_value)
    assert (worst.sender, worst.settings) == (0, (None, 0))
    assert worst.largest_shift == pytest.approx(0.1, abs=0.03)
    assert sum(one.adjusted_p_value < 0.01 for one in result.comparisons) == 1


def test_three_parties_compare_joint_marginals():
    # Each single marginal is uniform; the joint one of parties 1 and 2 follows party 0's setting.
    table = np.zeros((2, 1, 1, 2, 2, 2))
    for x, a, b in np.ndindex(2, 2, 2):
        table[x, 0, 0, a, b, b ^ x] = 0.25
    result = no_signaling_test(Behavior(table).sample(1000, 3))
    assert [one.sender for one in result.comparisons] == [0]
    assert result.p_value < 1e-100
    assert result.largest_shift == pytest.approx(0.5, abs=0.05)


def test_p_values_are_uniform_without_signaling():
    behavior = Behavior.from_state(werner_state(0.5), "chsh")
    found = [no_signaling_test(behavior.sample(2000, seed)).comparisons[0].p_value for seed in range(300)]
    assert kstest(found, "uniform").pvalue > 1e-3


def test_one_party_or_one_setting_has_nothing_to_compare():
    result = no_signaling_test(BellCounts(np.array([[5, 6], [7, 8]])))
    assert result.comparisons == ()
    assert result.p_value == 1


# Likelihood ratio


def test_likelihood_ratio_is_calibrated():
    behavior = Behavior.from_state(werner_state(0.5), [["X", "Y", "Z"], ["X", "Z"]])
    found = [no_signaling_test(behavior.sample(800, seed)) for seed in range(300)]
    # 18 free probabilities; 11 of them are what no-signaling leaves.
    assert found[0].degrees_of_freedom == 18 - 11
    assert kstest([one.likelihood_ratio_p_value for one in found], "uniform").pvalue > 1e-3


def test_likelihood_ratio_sees_what_is_spread_over_many_marginals():
    washington = no_signaling_test(load_bundled_counts("ibm_washington91_98circuit4").counts)
    assert washington.likelihood_ratio_p_value < 1e-20
    assert washington.degrees_of_freedom == 4
    assert washington.deviance == pytest.approx(115.6, abs=0.1)


# Size


def test_distance_of_two_settings_is_the_shift():
    result = no_signaling_test(load_bundled_counts("ibm_washington91_98circuit4").counts)
    for one in result.comparisons:
        assert one.distance == pytest.approx(one.largest_shift)
        assert one.distance_lower <= one.distance <= one.distance_upper
    assert result.size == pytest.approx(result.largest_shift)
    assert 0 < result.size_interval[0] < result.size < result.size_interval[1]


@pytest.mark.parametrize("alpha", [0.3, 0.01, 1e-6])
def test_clopper_pearson_limits_agree_with_scipy(alpha):
    successes = np.array([[0, 1, 7], [19, 20, 10_000]])
    total = np.array([[20, 20, 20], [20, 20, 1_000_000]])
    lower, upper = clopper_pearson(successes, total, alpha)
    for index in np.ndindex(successes.shape):
        reference = binomtest(int(successes[index]), int(total[index])).proportion_ci(1 - alpha, method="exact")
        assert (lower[index], upper[index]) == pytest.approx((reference.low, reference.high), rel=1e-8)
    assert lower[0, 0] == 0
    assert upper[1, 1] == 1


@pytest.mark.parametrize("p", [0.02, 0.37])
def test_clopper_pearson_limits_miss_rarely_enough(p):
    # Exact: either limit misses with probability at most alpha / 2.
    k = np.arange(51)
    lower, upper = clopper_pearson(k, np.full(51, 50), 0.1)
    masses = binom.pmf(k, 50, p)
    assert masses[lower > p].sum() <= 0.05
    assert masses[upper < p].sum() <= 0.05


def test_limits_are_clopper_pearson_with_bonferroni():
    counts = Behavior.from_state(werner_state(0.9), "chsh").sample(np.array([[400, 500], [600, 700]]), 1)
    result = no_signaling_test(counts, level=0.1)
    one = next(c for c in result.comparisons if c.sender == 0 and c.settings == (None, 1))
    table = counts.array[:, 1].sum(axis=1)
    # Two parties, two settings of either, two outcomes: 16 marginal probabilities.
    intervals = [
        [binomtest(int(n), int(row.sum())).proportion_ci(1 - 0.1 / 16, method="exact") for n in row] for row in table
    ]
    highest = sum(
        max(abs(a.high - b.low), abs(b.high - a.low)) for a, b in zip(intervals[0], intervals[1], strict=True)
    )
    assert one.distance_upper == pytest.approx(highest / 2)


def test_intervals_of_all_distances_hold_together():
    behavior = Behavior(np.random.default_rng(1).dirichlet(np.ones(6), size=(3, 2)).reshape(3, 2, 2, 3))
    counts = [behavior.sample(150, seed) for seed in range(100)]
    results = [no_signaling_test(one, level=0.2) for one in counts]
    truth = []
    for one in results[0].comparisons:
        if one.sender == 0:
            rows = behavior.array[:, one.settings[1]].sum(axis=1)
        else:
            rows = behavior.array[one.settings[0]].sum(axis=2)
        truth.append(max(np.abs(p - q).sum() / 2 for p in rows for q in rows))
    misses = sum(
        any(
            not one.distance_lower <= size <= one.distance_upper
            for one, size in zip(result.comparisons, truth, strict=True)
        )
        for result in results
    )
    assert misses <= 0.2 * 100
    # The limits are not trivial.
    assert any(one.distance_lower > 0.1 for one in results[0].comparisons)
    assert all(one.distance_upper < 1 for one in results[0].comparisons)


def test_interval_of_the_size_covers_it():
    table = np.full((2, 3, 2, 3), 1 / 6)
    table[1, 0] = [[0.3, 0.1, 0.1], [0.2, 0.2, 0.1]]
    behavior = Behavior(table)
    size = max(np.abs(table[0, y].sum(axis=0) - table[1, y].sum(axis=0)).sum() / 2 for y in range(3))
    size = max(size, np.abs(table[1, 0].sum(axis=1) - table[1, 1].sum(axis=1)).sum() / 2)
    misses = 0
    for seed in range(200):
        low, high = no_signaling_test(behavior.sample(300, seed), level=0.2).size_interval
        misses += not low <= size <= high
    assert misses <= 0.2 * 200


def test_bad_level():
    with pytest.raises(CountsError, match="level"):
        no_signaling_test(load_bundled_counts("delft_2015").counts, level=1.5)


# One p-value


def test_both_parts_make_one_p_value():
    result = no_signaling_test(load_bundled_counts("ibm_washington91_98circuit4").counts)
    assert result.spread_p_value == result.likelihood_ratio_p_value
    assert result.p_value == pytest.approx(2 * min(result.comparison_p_value, result.spread_p_value))


def shifted(shift, correlation, shots):
    """Four marginals that shift by the same amount, in the directions in which correlated outcomes rarely do."""
    sign = np.array([1.0, -1.0])
    first, second = shift * np.array([[1, -1], [1, -1]]), shift * np.array([[1, 1], [-1, -1]])
    correlators = correlation * np.array([[1, 1], [1, -1]])
    table = 1 + first[..., None, None] * sign[:, None] + second[..., None, None] * sign
    table = (table + correlators[..., None, None] * np.outer(sign, sign)) / 4
    return BellCounts(np.rint(shots * table).astype(int))


def test_signaling_that_is_spread_out_is_seen():
    # S = 2.8: no single marginal is beyond chance, all together are.
    result = no_signaling_test(shifted(0.06, 0.7, 500))
    assert result.comparison_p_value > 0.1
    assert result.likelihood_ratio_p_value < 1e-4
    assert result.p_value < 1e-3


def test_signaling_that_is_spread_out_is_seen_in_thin_tables():
    # Fifty comparisons of party 1's three outcomes, each shifted by little, and too few shots for chi-square.
    table = np.full((2, 50, 2, 3), 1 / 6)
    table[1, :, :, 0] += 0.07
    table[1, :, :, 1] -= 0.07
    result = no_signaling_test(Behavior(table).sample(40, 1), seed=1)
    assert result.deviance is None
    assert all(one.exact for one in result.comparisons if one.sender == 0)
    assert result.comparison_p_value > 0.01
    assert result.spread_p_value < 1e-3
    assert result.p_value < 0.01


def test_level_does_not_enter_the_p_value():
    counts = BellCounts(np.array([[400, 100, 100, 400]] * 3 + [[136, 364, 436, 64]]).reshape(2, 2, 2, 2))
    p_values = {no_signaling_test(counts, level=level).p_value for level in (0.1, 0.01, 1e-6)}
    assert len(p_values) == 1
    assert p_values.pop() <= 0.01


RARE = np.zeros((2, 2, 2, 2))
RARE[..., 0, 0], RARE[..., 0, 1], RARE[..., 1, 0] = 0.99, 0.005, 0.005


@pytest.mark.parametrize(
    ("behavior", "shots"),
    [
        (Behavior(RARE), np.array([[5000, 20], [20, 5000]])),
        (Behavior.from_state(werner_state(0.9), "chsh"), 25),
        (Behavior.from_state(werner_state(0.9), "chsh"), 400),
        (Behavior(np.tile([[0.9, 0.03, 0.03], [0.02, 0.01, 0.01]], (2, 2, 1, 1))), np.array([[50, 400], [200, 30]])),
    ],
    ids=["rare outcomes, unequal shots", "few shots", "many shots", "three outcomes"],
)
def test_false_alarms_keep_the_level(behavior, shots):
    runs = 500
    p_values = np.array([no_signaling_test(behavior.sample(shots, s), seed=s).p_value for s in range(runs)])
    for level in (0.01, 0.1):
        assert np.mean(p_values <= level) <= level + 3 * np.sqrt(level * (1 - level) / runs)


def test_without_a_seed_one_is_drawn_and_kept():
    counts = Behavior.from_state(werner_state(0.9), [["X", "Y", "Z"]] * 2).sample(10, 1)
    first = no_signaling_test(counts)
    again = no_signaling_test(counts, seed=first.seed)
    assert first == again


def test_large_scenarios_need_no_projection(monkeypatch):
    from qiskit_lhv.statistics.signaling import no_signaling_tests as module

    monkeypatch.setattr(module, "project_to_no_signaling", None)
    counts = BellCounts(np.full((2, 2, 24, 24), 40))
    result = no_signaling_test(counts, seed=1)
    assert result.deviance is None
    assert result.likelihood_ratio_p_value is None
    assert result.p_value == 1
    assert result.degrees_of_freedom == 4 * (24**2 - 1) - (47**2 - 1)


def test_a_projection_that_fails_is_done_without(monkeypatch):
    from qiskit_lhv.statistics.signaling import no_signaling_tests as module

    def fail(*_):
        raise SolverError("no convergence")

    monkeypatch.setattr(module, "project_to_no_signaling", fail)
    result = no_signaling_test(load_bundled_counts("ibm_washington91_98circuit4").counts)
    assert result.deviance is None
    assert result.spread_p_value == 2 * min(result.sender_p_values)
    assert result.p_value < 1e-10
