import itertools
from fractions import Fraction

import numpy as np
import pytest
from qiskit_lhv import chsh
from qiskit_lhv.exceptions import CountsError
from qiskit_lhv.models.deterministic import enumerate_strategies, strategy_tables
from qiskit_lhv.statistics.assumptions.predictability import check_predictability, mean_forms, probability_limits

BIASED = np.array([[0.4, 0.1], [0.3, 0.2]])
UNIFORM = np.full((2, 2), 0.25)


def corner_probabilities(probabilities, predictability):
    """All distributions of two parties' two settings whose conditionals are as far off as they may be."""
    first = probabilities.sum(axis=1)
    second = probabilities[:, 0] / first
    for signs in itertools.product((-1, 1), repeat=3):
        p = first[0] + signs[0] * predictability
        q = second + np.array(signs[1:]) * predictability
        yield np.array([[p * q[0], p * (1 - q[0])], [(1 - p) * q[1], (1 - p) * (1 - q[1])]])


@pytest.mark.parametrize("probabilities", [UNIFORM, BIASED], ids=["uniform", "biased"])
def test_limits_are_the_extremes_of_each_setting(probabilities):
    lower, upper = probability_limits(probabilities, 0.07)
    corners = np.array(list(corner_probabilities(probabilities, 0.07)))
    np.testing.assert_allclose(lower, corners.min(axis=0))
    np.testing.assert_allclose(upper, corners.max(axis=0))


def test_limits_condition_on_the_parties_before():
    # Party 0 has setting 1 with probability 1/2, then party 1 has setting 0 with probability 3/5.
    lower, upper = probability_limits(BIASED, 0.1)
    assert lower[1, 0] == pytest.approx(0.4 * 0.5)
    assert upper[1, 0] == pytest.approx(0.6 * 0.7)
    # The other order of the parties gives other limits: 7/10, then 3/7.
    swapped = probability_limits(BIASED.T, 0.1)[0].T
    assert swapped[1, 0] == pytest.approx(0.6 * (3 / 7 - 0.1))


def test_limits_stop_at_zero_and_one():
    lower, upper = probability_limits(np.array([[0.95, 0.03], [0.01, 0.01]]), 0.1)
    assert lower.min() == 0
    assert upper.max() == 1


def test_limits_of_three_parties():
    lower, upper = probability_limits(np.full((2, 2, 2), 1 / 8), 0.01)
    np.testing.assert_allclose(lower, 0.49**3)
    np.testing.assert_allclose(upper, 0.51**3)


def test_limits_of_fractions_are_exact():
    thirds = np.array([[Fraction(1, 6)] * 3] * 2, dtype=object)
    lower, upper = probability_limits(thirds, Fraction(1, 10))
    assert lower[1, 2] == Fraction(2, 5) * Fraction(7, 30)
    assert upper[0, 1] == Fraction(3, 5) * Fraction(13, 30)


@pytest.mark.parametrize("probabilities", [UNIFORM, BIASED], ids=["uniform", "biased"])
@pytest.mark.parametrize("predictability", [1e-6, 0.02, 0.3, 0.6])
def test_forms_bound_every_mean(probabilities, predictability):
    forms = mean_forms(probabilities, predictability)
    assert len(forms) == 2
    rng = np.random.default_rng(1)
    numbers = np.concatenate([rng.random((20, 2, 2)), rng.integers(2, size=(20, 2, 2)).astype(float)])
    for p in corner_probabilities(probabilities, predictability):
        # The chain rule allows no probabilities beyond 0 and 1.
        if p.min() < 0:
            continue
        for r in numbers:
            bounds = [share + float(np.sum(weights * r)) for share, weights in forms]
            assert float(np.sum(p * r)) <= min(bounds)


def test_one_form_is_exact_for_chsh():
    # Of the four settings a strategy loses one: with probability (1/2 - tau)**2 or more.
    tau = 0.03
    won = strategy_tables(enumerate_strategies(chsh().scenario), chsh().scenario) * (chsh().coefficients > 0).ravel()
    wins = won.reshape(-1, 2, 2, 4).sum(axis=3)
    bounds = [max(share + (weights * one).sum() for one in wins) for share, weights in mean_forms(UNIFORM, tau)]
    assert bounds[0] == pytest.approx(0.75 + tau - tau**2, abs=1e-12)
    assert bounds[1] == pytest.approx(3 * (0.5 + tau) ** 2, abs=1e-12)
    reached = max((p * one).sum() for one in wins for p in corner_probabilities(UNIFORM, tau))
    assert reached == pytest.approx(bounds[0], abs=1e-12)
    assert reached <= bounds[0]


def test_settings_that_cannot_be_predicted_have_one_form():
    ((share, weights),) = mean_forms(BIASED, 0.0)
    assert share == 0
    np.testing.assert_array_equal(weights, BIASED)


def test_rounding_goes_outward():
    rng = np.random.default_rng(4)
    for _ in range(20):
        probabilities = rng.dirichlet(np.ones(6)).reshape(2, 3)
        exact = np.vectorize(Fraction, otypes=[object])(probabilities.astype(object))
        lower, upper = probability_limits(exact, Fraction(0.01))
        (share, low), (none, high) = mean_forms(probabilities, 0.01)
        assert none == 0
        assert all(Fraction(a) <= b for a, b in zip(low.flat, lower.flat, strict=True))
        assert all(Fraction(a) >= b for a, b in zip(high.flat, upper.flat, strict=True))
        assert Fraction(share) >= 1 - sum(Fraction(a) for a in low.flat)


@pytest.mark.parametrize("value", [-0.1, 1.1, float("nan"), "often", None])
def test_bad_predictability(value):
    with pytest.raises(CountsError, match=r"predictability: expected a number from 0 to 1"):
        check_predictability(value, "random")


def test_fixed_settings_have_no_predictability():
    assert check_predictability(0, "blocks") == 0
    assert check_predictability(0.5, "random") == 0.5
    with pytest.raises(CountsError, match=r"predictability: expected 0.*blocks.*independent shots"):
        check_predictability(1e-9, "blocks")
