import numpy as np
import pytest
from qiskit_lhv.exceptions import CountsError
from qiskit_lhv.statistics import benjamini_yekutieli, e_bh
from scipy.stats import norm


def defined(values, alpha):
    """The definition, word by word, on e-values themselves."""
    number = len(values)
    ordered = sorted(values, reverse=True)
    sizes = [k for k in range(1, number + 1) if ordered[k - 1] >= number / (alpha * k)]
    return [value >= ordered[max(sizes) - 1] for value in values] if sizes else [False] * number


def test_an_example_by_hand():
    # K = 4, alpha = 0.05: thresholds 80, 40, 26.7, 20. The third largest, 30, passes, and takes 35 along.
    assert e_bh(np.log([30, 15, 35, 90]), 0.05).tolist() == [True, False, True, True]
    # A larger k can save all: none passes alone.
    assert e_bh(np.log([21, 21, 21, 21]), 0.05).tolist() == [True] * 4
    assert e_bh(np.log([21, 21, 21, 19]), 0.05).tolist() == [False] * 4


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("alpha", [0.01, 0.05, 0.3])
def test_it_agrees_with_its_definition(seed, alpha):
    rng = np.random.default_rng(seed)
    values = np.exp(rng.normal(2, 3, size=rng.integers(1, 40)))
    assert e_bh(np.log(values), alpha).tolist() == defined(values.tolist(), alpha)


def test_one_e_value_is_tested_at_alpha():
    assert e_bh([np.log(20.001)], 0.05).tolist() == [True]
    assert e_bh([np.log(19.999)], 0.05).tolist() == [False]


def test_zero_and_infinite_e_values():
    assert e_bh([-np.inf, np.inf, 0.0], 0.05).tolist() == [False, True, False]
    assert e_bh([-np.inf, -np.inf], 0.05).tolist() == [False, False]
    # Beyond the largest float, as logarithms.
    assert e_bh([2000.0, 3000.0], 0.05).tolist() == [True, True]


def test_ties_fall_together():
    assert e_bh(np.log([45, 1, 45, 1]), 0.05).tolist() == [True, False, True, False]


def test_larger_e_values_reject_at_least_as_much():
    rng = np.random.default_rng(1)
    for _ in range(50):
        logs = rng.normal(2, 3, size=20)
        before = e_bh(logs, 0.1)
        after = e_bh(logs + rng.exponential(1, size=20), 0.1)
        assert np.all(after >= before)


@pytest.mark.parametrize("correlation", [-0.05, 0.0, 0.9])
def test_the_false_discovery_rate_is_controlled_under_dependence(correlation):
    # Twenty normal scores, the last five of them with a true effect; e = exp(2 z - 2) has mean 1 for the others.
    rng = np.random.default_rng(2)
    covariance = np.full((20, 20), correlation) + (1 - correlation) * np.eye(20)
    scores = rng.multivariate_normal(np.zeros(20), covariance, size=4000)
    scores[:, 15:] += 3
    shares = []
    for row in 2 * scores - 2:
        rejected = e_bh(row, 0.2)
        shares.append(rejected[:15].sum() / max(rejected.sum(), 1))
    assert np.mean(shares) <= 0.2
    # It rejects now and then, also wrongly, so that the figure above means something.
    assert np.mean(shares) > 0


@pytest.mark.parametrize("values", [[], [[1.0]], 1.0, [np.nan], ["many"], None, [1 + 1j]])
def test_bad_e_values_are_refused(values):
    with pytest.raises(CountsError, match=r"^log_e_values: expected"):
        e_bh(values, 0.05)


@pytest.mark.parametrize("alpha", [0, 1, -0.1, 5, np.nan, None, "small"])
def test_bad_alphas_are_refused(alpha):
    with pytest.raises(CountsError, match=r"^alpha: expected a number strictly between 0 and 1"):
        e_bh([1.0], alpha)


# p-values


def test_benjamini_yekutieli_by_hand():
    # K = 3: H = 11/6, limits 0.06 k / 5.5 = 0.0109, 0.0218, 0.0327. The second misses its limit, the third does not.
    assert benjamini_yekutieli([0.03, 0.001, 0.029], 0.06).tolist() == [True, True, True]
    assert benjamini_yekutieli([0.04, 0.001, 0.029], 0.06).tolist() == [False, True, False]
    assert benjamini_yekutieli([0.05], 0.05).tolist() == [True]
    assert benjamini_yekutieli([0.0, 1.0], 0.05).tolist() == [True, False]


def test_clean_pairs_are_not_listed():
    # Sixty p-values of clean pairs at 0.05: three would be listed one by one.
    rng = np.random.default_rng(1)
    listed = [benjamini_yekutieli(rng.uniform(size=60), 0.05).sum() for _ in range(500)]
    assert np.mean(np.array(listed) > 0) <= 0.05
    p_values = np.concatenate([rng.uniform(size=50), np.full(10, 1e-5)])
    assert benjamini_yekutieli(p_values, 0.05)[50:].all()


@pytest.mark.parametrize("correlation", [0.0, 0.9])
def test_the_rate_of_p_values_is_controlled_under_dependence(correlation):
    rng = np.random.default_rng(2)
    covariance = np.full((20, 20), correlation) + (1 - correlation) * np.eye(20)
    scores = rng.multivariate_normal(np.zeros(20), covariance, size=3000)
    scores[:, 15:] += 3
    shares = []
    for row in norm.sf(scores):
        rejected = benjamini_yekutieli(row, 0.2)
        shares.append(rejected[:15].sum() / max(rejected.sum(), 1))
    assert 0 < np.mean(shares) <= 0.2


@pytest.mark.parametrize("values", [[], [[0.1]], 0.1, [np.nan], [1.1], [-0.1], ["many"], None])
def test_bad_p_values_are_refused(values):
    with pytest.raises(CountsError, match=r"^p_values: expected"):
        benjamini_yekutieli(values, 0.05)


@pytest.mark.parametrize("level", [0, 1, np.nan, None])
def test_bad_levels_are_refused(level):
    with pytest.raises(CountsError, match=r"^level: expected a number strictly between 0 and 1"):
        benjamini_yekutieli([0.5], level)
