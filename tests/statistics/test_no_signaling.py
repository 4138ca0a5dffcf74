import numpy as np
import pytest
from qiskit_lhv import (
    Behavior,
    BellCounts,
    CountsError,
    chsh_signaling_allowance,
    load_bundled_counts,
    no_signaling_test,
    werner_state,
)
from scipy.stats import chi2_contingency, kstest


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
    assert result.p_value == pytest.approx(expected[0])


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


def test_allowance_of_a_clear_violation():
    allowance = chsh_signaling_allowance(load_bundled_counts("ibm_hanoi19_20circuit13").counts, alpha=0.01)
    assert allowance.exceeded
    assert 2.4 < allowance.s_lower < 2.7682
    assert allowance.limit == pytest.approx(2 + 5 * allowance.shift_upper)


def test_allowance_limits_hold_together():
    rng = np.random.default_rng(0)
    table = np.full((2, 2, 2, 2), 0.25)
    table[1, 0] = [[0.35, 0.15], [0.15, 0.35]]
    table[0, 1] = [[0.3, 0.3], [0.2, 0.2]]
    behavior = Behavior(table)
    sign = np.array([1, -1])
    correlators = np.einsum("xyab,a,b->xy", table, sign, sign)
    s = max(abs(correlators.sum() - 2 * c) for c in correlators.ravel())
    first, second = np.einsum("xyab,a->xy", table, sign), np.einsum("xyab,b->xy", table, sign)
    shifts = np.abs(np.diff(first, axis=1)).sum() + np.abs(np.diff(second, axis=0)).sum()
    misses = 0
    for seed in rng.integers(2**31, size=300):
        allowance = chsh_signaling_allowance(behavior.sample(400, int(seed)), alpha=0.1)
        misses += allowance.s_lower > s or allowance.shift_upper < shifts
    assert misses <= 0.1 * 300


def test_hidden_crosstalk_is_covered_by_kappa():
    # a = 0, b = x y, both flipped together with probability q: S = 4, visible shift 2 (1 - 2 q).
    q = 0.3
    table = np.zeros((2, 2, 2, 2))
    for x, y in np.ndindex(2, 2):
        table[x, y, 0, x & y] += 1 - q
        table[x, y, 1, 1 - (x & y)] += q
    counts = Behavior(table).sample(20_000, 1)
    assert not chsh_signaling_allowance(counts, kappa=5).exceeded
    assert chsh_signaling_allowance(counts, kappa=1).exceeded


@pytest.mark.parametrize("kappa", [0.5, float("nan"), float("inf"), "five", True])
def test_bad_kappa(kappa):
    with pytest.raises(CountsError, match="kappa"):
        chsh_signaling_allowance(load_bundled_counts("delft_2015").counts, kappa=kappa)


def test_allowance_needs_chsh():
    counts = Behavior.from_state(werner_state(0.5), [["X", "Y", "Z"]] * 2).sample(100, 1)
    with pytest.raises(CountsError, match="CHSH"):
        chsh_signaling_allowance(counts)
