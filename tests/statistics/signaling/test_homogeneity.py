import numpy as np
import pytest
from qiskit_lhv.statistics.signaling.homogeneity import compare_rows, fisher_p_value, holm
from scipy.stats import chi2, chi2_contingency, hypergeom


@pytest.mark.parametrize(
    ("count", "row", "column", "shots"),
    [(0, 3, 4, 20), (3, 5, 4, 12), (7, 20, 40, 5020), (5, 5, 5, 10), (60, 500, 100, 1000)],
)
def test_fisher_agrees_with_the_hypergeometric_distribution(count, row, column, shots):
    k = np.arange(max(0, row + column - shots), min(row, column) + 1)
    masses = hypergeom.pmf(k, shots, column, row)
    mean = row * column / shots
    expected = masses[np.abs(k - mean) >= abs(count - mean) - 1e-9].sum()
    assert fisher_p_value(count, row, column, shots) == pytest.approx(expected, rel=1e-9)


def test_fisher_of_very_many_shots():
    # Where gamma functions would lose their digits: 0 of the 40 rare outcomes in half of 1e14 shots.
    assert fisher_p_value(0, 5 * 10**13, 40, 10**14) == pytest.approx(2 * 0.5**40, rel=1e-9)
    assert fisher_p_value(3, 3, 0, 10) == 1


def test_well_filled_tables_are_compared_by_chi_square():
    rng = np.random.default_rng(1)
    tables = rng.multinomial(2000, [0.2, 0.3, 0.5], size=(4, 3))
    found = compare_rows(tables, rng)
    assert not found.exact.any()
    assert not found.total_exact
    for t, table in enumerate(tables):
        reference = chi2_contingency(table, correction=False)
        assert found.statistics[t] == pytest.approx(reference.statistic)
        assert found.p_values[t] == pytest.approx(reference.pvalue)
    assert found.total_p_value == pytest.approx(chi2.sf(found.statistics.sum(), 16))


def test_random_tables_agree_with_a_list_of_all():
    # Two tables with few shots: all ways to hand out the outcomes, by the multivariate hypergeometric distribution.
    tables = np.array([[[3, 0, 1], [0, 2, 2]], [[2, 1, 1], [1, 2, 0]]])
    statistics, masses = [], []
    for table in tables:
        columns, rows = table.sum(axis=0), table.sum(axis=1)
        expected = np.outer(rows, columns) / table.sum()
        values, weights = [], []
        for first in np.ndindex(*(columns + 1)):
            if sum(first) == rows[0]:
                other = np.array([first, columns - first])
                values.append(((other - expected) ** 2 / expected).sum())
                weights.append(np.prod([hypergeom_count(c, k) for c, k in zip(columns, first, strict=True)]))
        statistics.append(np.array(values))
        masses.append(np.array(weights) / np.sum(weights))
    sums = statistics[0][:, None] + statistics[1]
    observed = sum(((t - (e := np.outer(t.sum(1), t.sum(0)) / t.sum())) ** 2 / e).sum() for t in tables)
    exact = (np.outer(*masses) * (sums >= observed - 1e-9)).sum()
    found = [compare_rows(tables, np.random.default_rng(s)).total_p_value for s in range(200)]
    assert np.mean(found) == pytest.approx(exact, abs=0.01)


def hypergeom_count(total, taken):
    from math import comb

    return comb(int(total), int(taken))


def test_clear_differences_get_small_p_values():
    # In three thin tables of three outcomes, and by single cells, far below one over the number of random tables.
    tables = np.tile(np.array([[[30, 2, 1], [1, 2, 30]]]), (3, 1, 1))
    found = compare_rows(tables, np.random.default_rng(1))
    assert found.exact.all()
    assert found.p_values.max() < 1e-10
    assert found.total_p_value < 1e-4


def test_p_values_are_valid_for_rare_outcomes():
    # Error probability 0.005 and unequal rows: chi-square's are far off.
    rng = np.random.default_rng(1)
    small, wrong = [], 0
    for _ in range(600):
        tables = np.stack([rng.multinomial([5000, 20], [0.99, 0.005, 0.005]) for _ in range(2)])
        found = compare_rows(tables, rng)
        small.append([*found.p_values, found.total_p_value])
        wrong += chi2.sf(found.statistics.sum(), found.degrees_of_freedom.sum()) <= 0.02
    for level in (0.02, 0.1):
        assert np.all(np.mean(np.array(small) <= level, axis=0) <= level + 3 * np.sqrt(level * (1 - level) / 600))
    assert wrong > 30


def test_a_single_outcome_says_nothing():
    found = compare_rows(np.array([[[5, 0], [9, 0]]]), np.random.default_rng(1))
    assert found.p_values.tolist() == [1]
    assert found.total_p_value == 1


def test_holm_by_hand():
    np.testing.assert_allclose(holm(np.array([0.04, 0.01, 0.03])), [0.06, 0.03, 0.06])
    assert len(holm(np.array([]))) == 0


def test_very_many_shots_are_no_work():
    # A rare outcome beside common ones, in 1e13 shots: the common ones' shift is seen, and none where there is none.
    even = np.array([[[3, 5 * 10**12, 10**12], [5, 5 * 10**12, 10**12]]])
    found = compare_rows(even, np.random.default_rng(1))
    assert found.exact.all()
    assert found.p_values[0] > 0.5
    even[0, 0, 1] += 10**8
    assert compare_rows(even, np.random.default_rng(1)).p_values[0] < 1e-10
