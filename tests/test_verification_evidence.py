import itertools
from fractions import Fraction

import numpy as np
import pytest
from qiskit_lhv.verification_evidence import exact_mean_bound


def brute_force(factor):
    """The largest sum over the settings of two parties, with both parties' strategies listed, exactly."""
    m_1, m_2, d_1, d_2 = factor.shape
    values = np.array([Fraction(float(one)) for one in factor.flat], dtype=object).reshape(factor.shape)
    strategies = itertools.product(itertools.product(range(d_1), repeat=m_1), itertools.product(range(d_2), repeat=m_2))
    return max(sum(values[x, y, a[x], b[y]] for x, y in np.ndindex(m_1, m_2)) for a, b in strategies)


@pytest.mark.parametrize("scale", [1e-300, 1e-20, 1.0, 1e30, 1e200])
@pytest.mark.parametrize("predictability", [0.0, 0.1])
def test_mean_bounds_are_rounded_up_at_every_scale(scale, predictability):
    rng = np.random.default_rng(3)
    weights = np.full((2, 2), 0.25)
    for _ in range(10):
        factor = rng.uniform(0, 1, size=(2, 2, 3, 3)) * scale
        best = brute_force(factor) / 4
        bound = Fraction(exact_mean_bound(factor, weights, predictability))
        assert best <= bound
        if not predictability:
            assert bound <= best * (1 + Fraction(1, 10**12))


def test_mean_bounds_of_many_outcomes_do_not_wrap():
    factor = np.random.default_rng(4).uniform(0.5, 2, size=(2, 2, 32, 32))
    bound = exact_mean_bound(factor, np.full((2, 2), 0.25))
    best = max(
        sum(
            max(Fraction(float(factor[0, y, a, b])) + Fraction(float(factor[1, y, c, b])) for b in range(32))
            for y in range(2)
        )
        for a in range(32)
        for c in range(32)
    )
    assert best / 4 <= Fraction(bound) <= best / 4 * (1 + Fraction(1, 10**12))
