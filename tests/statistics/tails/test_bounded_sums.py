import numpy as np
import pytest
from qiskit_lhv.statistics.tails.bounded_sums import excess_at, largest_mean, log_tail
from scipy.stats import binom, norm


@pytest.mark.parametrize("n", [5, 40, 300, 20_000])
@pytest.mark.parametrize("p", [0.5, 0.1, 0.003, 0.97])
def test_tails_of_coins_are_bounded(n, p):
    variance, deviation = n * p * (1 - p), max(p, 1 - p)
    k = np.unique(np.ceil(n * p + np.sqrt(variance) * np.linspace(0.01, 9, 60)))
    k = k[k <= n]
    bounds = log_tail(k - n * p, variance, deviation)
    assert np.all(bounds >= binom.logsf(k - 1, n, p) - 1e-9)
    # A variance that is known only up to a limit changes nothing about that.
    assert np.all(log_tail(k - n * p, 3 * variance, deviation) >= bounds - 1e-9)


def test_tails_of_different_variables_are_bounded():
    # 60 variables of one kind and 7 large ones of another: the distribution by convolution.
    small, large = np.array([0.7, 0.2, 0.1]), np.array([0.5, 0, 0, 0, 0, 0.5])
    masses = np.ones(1)
    for kind, count in ((small, 60), (large, 7)):
        for _ in range(count):
            masses = np.convolve(masses, kind)
    values = np.arange(len(masses))
    mean = 60 * 0.4 + 7 * 2.5
    variance = 60 * (0.2 + 0.4 - 0.16) + 7 * 6.25
    upper = masses[::-1].cumsum()[::-1]
    tested = values > mean
    assert np.all(np.exp(log_tail(values[tested] - mean, variance, 2.5)) >= upper[tested] - 1e-12)


def test_many_variables_are_nearly_normal():
    n = 50_000
    for level, near in ((0.01, 1.015), (1e-6, 1.01)):
        excess = excess_at(np.log(level), n / 4, 0.5)
        assert 1 < excess / (norm.isf(level) * np.sqrt(n / 4)) < near
        assert binom.sf(np.ceil(n / 2 + excess) - 1, n, 0.5) <= level


def test_excess_is_where_the_tail_is():
    variance, deviation = np.array([1e-9, 0.5, 4.0, 1e12]), np.array([1e-3, 1.0, 0.1, 1.0])
    excess = excess_at(np.log(0.003), variance, deviation)
    tails = log_tail(excess, variance, deviation)
    assert np.all(tails <= np.log(0.003))
    np.testing.assert_allclose(tails, np.log(0.003), atol=1e-3)


@pytest.mark.parametrize("p", [0.02, 0.5, 0.9])
def test_limit_of_a_mean_misses_rarely(p):
    k = np.arange(201)
    limits = largest_mean(k / 200, 200, np.log(0.05))
    assert binom.pmf(k, 200, p)[limits < p].sum() <= 0.05
    assert np.all(np.diff(limits) >= 0)
    assert limits[0] == pytest.approx(1 - 0.05 ** (1 / 200))
    assert limits[-1] == 1
