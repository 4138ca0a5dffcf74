from fractions import Fraction

import numpy as np
import pytest
from qiskit_lhv.verification.models import exact_model_deviation, exact_model_table, exact_strategy_value, exact_value
from qiskit_lhv.verification.rationals import binary_integers, scaled_to_integers


@pytest.mark.parametrize(
    "numbers",
    [
        [[0.5, -0.25], [3, 0]],
        [0.1, -1 / 3, 1e-12],
        [1e300, 5e-324, -0.0],
        [2.0**61, 1 - 2.0**-53],
        [2.0**61, -(2.0**62), 7.0],
        [0.0, 0.0],
        [],
    ],
)
def test_integers_over_a_power_of_two_are_the_floats(numbers):
    array = np.array(numbers)
    integers, exponent = binary_integers(array)
    assert integers.shape == array.shape
    for value, integer in zip(array.flat, integers.flat, strict=True):
        assert Fraction(int(integer), 2**exponent) == Fraction(float(value))
    # The smallest power.
    assert exponent == 0 or any(int(integer) % 2 for integer in integers.flat)
    if integers.dtype != object:
        assert all(abs(int(integer)) < 2**62 for integer in integers.flat)


def test_random_floats_of_all_sizes():
    rng = np.random.default_rng(0)
    for spread in (1, 30, 600):
        array = rng.normal(size=50) * 2.0 ** rng.integers(-spread, spread, size=50)
        integers, exponent = binary_integers(array)
        assert [Fraction(int(one), 2**exponent) for one in integers] == [Fraction(float(one)) for one in array]


def test_numbers_that_are_not_finite_are_refused():
    for bad in (np.inf, -np.inf, np.nan):
        with pytest.raises(ValueError, match="not finite"):
            binary_integers(np.array([1.0, bad]))


def test_limit_of_the_sum_is_exact():
    half = np.array([2.0**60, 2.0**60])
    assert scaled_to_integers(half, 61) is None
    integers, exponent = scaled_to_integers(half - 256, 61)
    assert (integers.dtype, exponent) == (np.int64, 0)
    assert scaled_to_integers(np.array([1.0, 1e-300])) is None


def test_models_and_values_as_by_fractions():
    rng = np.random.default_rng(3)
    shape = (2, 3, 2, 3)
    weights = rng.random(6) * 10.0 ** rng.integers(-9, 1, size=6)
    strategies = np.hstack([rng.integers(0, 2, size=(6, 2)), rng.integers(0, 3, size=(6, 3))])
    target, coefficients = rng.random(shape), rng.normal(size=shape)
    whole = [Fraction(float(weight)) for weight in weights]
    table = np.full(shape, Fraction(0), dtype=object)
    for weight, row in zip(whole, strategies, strict=True):
        for x, y in np.ndindex(2, 3):
            table[x, y, row[x], row[2 + y]] += weight / sum(whole)
    assert exact_model_table(weights, strategies, shape) == table.ravel().tolist()
    worst = max(abs(p - Fraction(float(q))) for p, q in zip(table.flat, target.flat, strict=True))
    assert exact_model_deviation(weights, strategies, target) == worst
    products = zip(coefficients.flat, target.flat, strict=True)
    assert exact_value(coefficients, target) == sum(Fraction(float(c)) * Fraction(float(p)) for c, p in products)
    row = strategies[0]
    cells = [coefficients[x, y, row[x], row[2 + y]] for x, y in np.ndindex(2, 3)]
    assert exact_strategy_value(coefficients, row) == sum(map(Fraction, cells))
