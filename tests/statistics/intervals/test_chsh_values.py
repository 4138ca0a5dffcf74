"""S, its standard error, and the quantum bound."""

import math

import numpy as np
import pytest
from qiskit_lhv import Behavior, BellCounts, chsh, load_bundled_counts
from qiskit_lhv.statistics.intervals.chsh_values import IMPOSSIBLE_LEVEL, chsh_correlators, chsh_value, log10_quantum_p
from scipy.stats import binom, norm

TSIRELSON = Behavior.from_correlators(np.array([[1, 1], [1, -1]]) / math.sqrt(2), marginals=False)


def winning(*shots):
    """Counts that win the CHSH game in every shot, with S = 4."""
    return BellCounts((chsh().coefficients > 0) * np.reshape(shots, (2, 2, 1, 1)))


def test_the_standard_error_is_that_of_the_frequencies():
    counts = load_bundled_counts("ibm_hanoi19_20circuit13").counts
    correlators, error = chsh_correlators(counts)
    assert error == pytest.approx(math.sqrt(np.sum((1 - correlators**2) / counts.num_shots)), rel=1e-12)
    assert chsh_value(counts) == (pytest.approx(2.76823, abs=1e-5), error)


@pytest.mark.parametrize("n", [1, 2, 10, 1000])
def test_shots_that_all_agree_leave_a_standard_error(n):
    value, error = chsh_value(winning(n, n, n, n))
    assert value == 4
    # Laplace's rule: of the order of 1 / n for each correlator.
    assert error == pytest.approx(2 * math.sqrt((1 - (2 * n / (2 * n + 2)) ** 2) / (2 * n)), rel=1e-12)
    assert 2 / (2 * n) <= error <= 8 / (2 * n)


def test_unequal_shots_have_their_own_errors():
    one, other = chsh_value(winning(1, 100, 100, 100))[1], chsh_value(winning(100, 100, 100, 100))[1]
    assert one > 5 * other


def test_a_few_shots_that_all_win_are_within_the_quantum_bound():
    p = (1 + 1 / math.sqrt(2)) / 2
    for n in (1, 5, 10, 50):
        exact = min(0.0, math.log10(8) + 8 * n * math.log10(p))
        assert log10_quantum_p(winning(n, n, n, n)) == pytest.approx(exact, rel=1e-9, abs=1e-9)
    level = math.log10(IMPOSSIBLE_LEVEL)
    assert level == pytest.approx(math.log10(norm.sf(5)), abs=1e-12)
    assert log10_quantum_p(winning(13, 13, 13, 13)) > level > log10_quantum_p(winning(14, 14, 14, 14))
    # The rarest setting limits what the others can say.
    assert log10_quantum_p(winning(1, 1000, 1000, 1000)) > level > log10_quantum_p(winning(200, 1000, 1000, 1000))


def test_the_tail_is_a_binomial_one_where_shots_are_equal():
    counts = Behavior.from_correlators([[0.8, 0.8], [0.8, -0.8]], marginals=False).sample(100, 1)
    wins = int(np.sum(counts.array * (chsh().coefficients > 0)))
    tail = binom.sf(wins - 1, 400, (1 + 1 / math.sqrt(2)) / 2)
    assert log10_quantum_p(counts) == pytest.approx(min(0.0, math.log10(8 * tail)), abs=1e-9)


@pytest.mark.parametrize("shots", [20, np.array([[10, 40], [25, 60]])], ids=["equal", "unequal"])
def test_quantum_devices_are_rarely_taken_for_impossible(shots):
    found = np.array([log10_quantum_p(TSIRELSON.sample(shots, seed)) for seed in range(400)])
    for level in (0.3, 0.05):
        assert np.mean(found <= math.log10(level)) <= level
    # The largest of the eight forms decides, whichever it is.
    turned = BellCounts(winning(30, 30, 30, 30).array[:, :, ::-1])
    assert log10_quantum_p(turned) == log10_quantum_p(winning(30, 30, 30, 30))
