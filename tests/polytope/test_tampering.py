"""Thresholds and inequalities with one number changed: nothing false passes, and no changed claim does."""

import dataclasses

import numpy as np
import pytest
from qiskit_lhv import (
    Behavior,
    BellExpression,
    BellInequality,
    DeterministicModel,
    LocalBound,
    ghz_state,
    icosahedral_directions,
    nonlocality_threshold,
    planar_directions,
    random_directions,
    werner_state,
)


@pytest.fixture(scope="module")
def thresholds():
    chsh = Behavior.from_state(werner_state(1), "chsh")
    random = Behavior.from_state(werner_state(0.9), [list(random_directions(3, 1)), list(random_directions(4, 2))])
    axes = list(icosahedral_directions(6))
    icosahedral = Behavior.from_state(werner_state(1), [axes, axes])
    ghz = Behavior.from_state(ghz_state(3), [list(planar_directions(2))] * 3)
    results = [nonlocality_threshold(one) for one in (chsh, random, icosahedral, ghz)]
    assert all(one.verify() for one in results)
    return results


def changed(array, rng, size):
    result = np.array(array, dtype=float)
    position = tuple(rng.integers(n) for n in result.shape)
    result[position] += size
    return result


def true_crossing(threshold):
    """Where the inequality is violated, by its own brute force over the enumerated strategies."""
    from qiskit_lhv.models.deterministic import enumerate_strategies, strategy_tables

    expression = threshold.inequality.expression
    tables = strategy_tables(enumerate_strategies(expression.scenario), expression.scenario)
    bound = (tables @ expression.coefficients.ravel()).max()
    at_noise = expression.value(threshold.noise)
    return (bound - at_noise) / (expression.value(threshold.behavior) - at_noise)


def test_changed_thresholds(thresholds):
    rng = np.random.default_rng(5)
    refused = passed = 0
    for threshold in thresholds:
        model, inequality = threshold.model, threshold.inequality
        for _ in range(10):
            size = float(rng.choice([-1, 1]) * 10.0 ** rng.uniform(-6, -1))
            wrong = inequality.bound.value + size
            claims = [
                dataclasses.replace(threshold, lower=threshold.lower + size),
                dataclasses.replace(threshold, upper=threshold.upper + size),
                dataclasses.replace(threshold, estimate=threshold.estimate + size),
                dataclasses.replace(
                    threshold,
                    inequality=BellInequality(
                        inequality.expression,
                        dataclasses.replace(inequality.bound, value=wrong),
                    ),
                ),
            ]
            for one in claims:
                assert not one.verify(), one
                refused += 1
            weights = np.abs(changed(model.weights, rng, size))
            if abs(size) > 1e-5:
                other = DeterministicModel(weights / weights.sum(), model.strategies, model.scenario)
                refused += not dataclasses.replace(threshold, model=other).verify()
            strategies = np.array(model.strategies)
            row, column = rng.integers(strategies.shape[0]), rng.integers(strategies.shape[1])
            strategies[row, column] ^= 1
            other = DeterministicModel(model.weights, strategies, model.scenario)
            check = dataclasses.replace(threshold, model=other).verify()
            # True only if the model still reproduces the mixture.
            deviation = np.abs(other.behavior().array - threshold.mixture(threshold.lower).array).max()
            assert bool(check) == bool(deviation <= 1e-9)
            coefficients = changed(inequality.expression.coefficients, rng, float(rng.integers(1, 4)))
            other = BellInequality(BellExpression(coefficients), inequality.bound)
            tampered = dataclasses.replace(threshold, inequality=other)
            if tampered.verify():
                passed += 1
                assert true_crossing(tampered) == pytest.approx(tampered.upper, abs=1e-9)
            else:
                refused += 1
    assert refused >= 200
    assert passed <= 5


def test_a_bound_below_the_truth_or_inflated_is_refused():
    expression = BellExpression.from_correlators([[1, 1], [1, -1]], marginals=False)
    exact = BellInequality.of(expression)
    assert exact.verify()
    assert exact.verify(prove_bound=False)
    strategy = exact.bound.strategy
    for value in (1.0, 1.999, 2.001, 3.0):
        tampered = BellInequality(expression, LocalBound(value, strategy, True))
        assert not tampered.verify()
        assert not tampered.verify(prove_bound=False)
    # A strategy that reaches less, with its own value as the bound: only the full check can tell.
    low = BellInequality(expression, LocalBound(-2.0, 1 - np.array([1, 1, 0, 0]), True))
    assert not low.verify()


def test_the_quick_check_says_what_it_left_out():
    expression = BellExpression.from_correlators(np.ones((5, 5)), marginals=False)
    inequality = BellInequality.of(expression)
    assert "quick check" in inequality.verify(prove_bound=False).reason
    assert "quick check" not in inequality.verify().reason
