import numpy as np
import pytest
from qiskit_lhv import Behavior, BellCounts, BellExpression, chsh, load_bundled_counts, werner_state
from qiskit_lhv.exceptions import CountsError
from qiskit_lhv.polytope import mermin
from qiskit_lhv.statistics import bell_values
from scipy.stats import binom

SHOTS = np.array([[300, 200], [150, 400]])


def test_delft():
    # Nature 526, 682 (2015): S = 2.42 +- 0.20.
    found = bell_values(load_bundled_counts("delft_2015").counts, chsh())
    assert found.values == pytest.approx([2.4225], abs=1e-4)
    assert found.standard_errors == pytest.approx([0.204], abs=1e-3)
    assert str(found) == "2.42 +- 0.20"


def test_standard_error_of_chsh_by_hand():
    counts = Behavior.from_state(werner_state(0.9), "chsh").sample(SHOTS, 1)
    correlators = np.einsum("xyab,a,b->xy", counts.frequencies().array, [1, -1], [1, -1])
    found = bell_values(counts, chsh())
    assert found.standard_errors[0] == pytest.approx(np.sqrt(((1 - correlators**2) / SHOTS).sum()))
    assert (found.upper - found.lower)[0] == pytest.approx(2 * 1.959964 * found.standard_errors[0])


def test_covariance_agrees_with_simulation():
    behavior = Behavior.from_state(werner_state(0.8), "chsh")
    marginal = BellExpression.from_correlators([[0, 0, 0], [1, 0, 0], [0, 0, 0]])
    expressions = [chsh(), chsh((0, 0)), marginal]
    values = np.array([bell_values(behavior.sample(SHOTS, seed), expressions).values for seed in range(3000)])
    expected = bell_values(behavior.sample(SHOTS * 10_000, 1), expressions).covariance * 10_000
    np.testing.assert_allclose(np.cov(values.T), expected, rtol=0.12, atol=2e-4)


def test_bootstrap_interval_is_near_the_normal_one():
    counts = Behavior.from_state(werner_state(0.9), "chsh").sample(5000, 1)
    found = bell_values(counts, chsh(), num_replicates=2000, seed=1)
    np.testing.assert_allclose(found.bootstrap_lower, found.lower, atol=0.006)
    np.testing.assert_allclose(found.bootstrap_upper, found.upper, atol=0.006)
    assert np.isnan(bell_values(counts, chsh()).bootstrap_lower).all()


def test_bootstrap_interval_is_reflected_where_it_is_skewed():
    # One setting, 3 of 40 shots: the replicates are binomial.
    counts = BellCounts(np.array([[3, 37]]))
    found = bell_values(counts, BellExpression([[1.0, 0.0]]), alpha=0.1, num_replicates=20_000, seed=1)
    low, high = binom.ppf([0.05, 0.95], 40, 3 / 40) / 40
    assert high - 3 / 40 > 3 / 40 - low
    assert found.bootstrap_lower == pytest.approx([2 * 3 / 40 - high])
    assert found.bootstrap_upper == pytest.approx([2 * 3 / 40 - low])


def test_bad_input():
    counts = load_bundled_counts("delft_2015").counts
    with pytest.raises(CountsError, match=r"expressions.*2 parties"):
        bell_values(counts, mermin(3))
    with pytest.raises(CountsError, match="expressions"):
        bell_values(counts, [])
    with pytest.raises(CountsError, match="alpha"):
        bell_values(counts, chsh(), alpha=1)
    with pytest.raises(CountsError, match="num_replicates"):
        bell_values(counts, chsh(), num_replicates=-1)


def test_no_standard_error_is_zero():
    # Both parties answer 0 to everything: S = 2, in every shot.
    table = np.zeros((2, 2, 2, 2), dtype=int)
    table[:, :, 0, 0] = [[100, 200], [300, 400]]
    doubled = BellExpression(2 * chsh().coefficients)
    found = bell_values(BellCounts(table), [chsh(), doubled])
    np.testing.assert_allclose(found.values, [2, 4])
    np.testing.assert_allclose(found.standard_errors, [0.06, 0.12])
    assert found.lower[0] < 2 < found.upper[0]
