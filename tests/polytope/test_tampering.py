"""Thresholds and inequalities with one number changed: nothing false passes, and no changed claim does."""

import dataclasses
from fractions import Fraction

import numpy as np
import pytest
from qiskit_lhv import (
    Behavior,
    BellExpression,
    BellInequality,
    Verification,
    ghz_state,
    local_bound,
    nonlocality_threshold,
    werner_state,
)
from qiskit_lhv.measurements import icosahedral_directions, planar_directions, random_directions
from qiskit_lhv.models import DeterministicModel
from qiskit_lhv.polytope import LocalBound
from qiskit_lhv.verification.branches import prove_by_branches, prove_local_bound
from qiskit_lhv.verification.local_bounds import exact_local_bound
from qiskit_lhv.verification.result import combine


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
    assert exact.verify(prove_bound=False).status == "not re-proven"
    strategy = exact.bound.strategy
    for value in (1.0, 1.999, 2.001, 3.0):
        tampered = BellInequality(expression, LocalBound(value, strategy, True))
        assert tampered.verify().refuted
        assert tampered.verify(prove_bound=False).refuted
    # A strategy that reaches less, with its own value as the bound: only the full check can tell.
    low = BellInequality(expression, LocalBound(-2.0, 1 - np.array([1, 1, 0, 0]), True))
    assert low.verify().refuted
    assert low.verify(prove_bound=False).status == "not re-proven"


def test_what_was_not_proven_again_is_not_true():
    expression = BellExpression.from_correlators(np.ones((5, 5)), marginals=False)
    inequality = BellInequality.of(expression)
    quick = inequality.verify(prove_bound=False)
    assert not quick
    assert not quick.refuted
    assert quick.cost == 2**5
    assert "not proven again" in quick.reason
    assert "NOT PROVEN AGAIN" in str(quick)
    assert inequality.verify().status == "proven"


def forged(size):
    """The worst strategy of an expression of so many settings as its bound."""
    expression = BellExpression.from_correlators(np.ones((size, size)), marginals=False)
    worst = np.repeat([0, 1], size)
    return BellInequality(expression, LocalBound(-float(size**2), worst, True))


def test_a_forged_bound_of_many_settings_is_refuted_in_no_time():
    check = forged(28).verify()
    assert check.refuted
    assert "above the claimed bound" in check.reason


def test_bounds_of_many_settings_are_proven_by_a_tree():
    matrix = np.random.default_rng(1).integers(-99, 100, size=(28, 28)).astype(float)
    expression = BellExpression.from_correlators(matrix, marginals=False)
    inequality = BellInequality.of(expression)
    assert inequality.verify()
    lower = LocalBound(inequality.bound.value - 1, inequality.bound.strategy, True)
    assert prove_local_bound(expression.coefficients, Fraction(lower.value)).refuted


def test_bounds_that_no_budget_proves_are_left_open_and_passed_on():
    matrix = np.random.default_rng(2).integers(-999, 1000, size=(70, 70)).astype(float)
    expression = BellExpression.from_correlators(matrix, marginals=False)
    found = local_bound(expression, "heuristic")
    inequality = BellInequality(expression, LocalBound(found.value, found.strategy, True))
    scaled = [expression.coefficients.astype(np.int64), int(found.value)]
    assert prove_by_branches(*scaled, max_work=10**6).holds is None
    check = inequality.verify(prove_bound=False)
    assert check.status == "not re-proven"
    assert check.cost == 2.0**70
    good, bad = Verification(True, "fine"), Verification(False, "wrong", 0.5)
    assert combine(good, check).status == "not re-proven"
    assert combine(good, check).cost == check.cost
    assert combine(good, check, bad).refuted
    assert combine(good, check, bad).cost is None
    assert combine(good, good)


@pytest.mark.parametrize("shape", [(3, 4, 2, 2), (2, 3, 3, 2), (4, 2, 2, 3), (1, 5, 4, 3), (3, 3, 1, 2), (3, 2, 3, 1)])
def test_trees_agree_with_enumeration(shape):
    rng = np.random.default_rng(sum(shape))
    for trial in range(20):
        integers = rng.integers(-9, 10, size=shape)
        if trial % 2 and shape[2:] == (2, 2):
            integers = integers + integers[:, :, ::-1, ::-1]
        bound = int(exact_local_bound(integers.astype(float)))
        assert prove_by_branches(integers, bound, 10**9).holds
        assert prove_by_branches(integers, bound + 10**30, 10**9).holds
        found = prove_by_branches(integers, bound - 1, 10**9)
        assert found.holds is False
        assert found.exceeding == bound
        assert prove_by_branches(integers, -(10**30), 10**9).holds is False


def test_a_remembered_proof_serves_for_nothing_else():
    numbers = np.random.default_rng(3).integers(-9, 10, size=36)
    arrangements = [
        (numbers.reshape(shape), None) for shape in ((3, 3, 2, 2), (1, 9, 2, 2), (9, 1, 2, 2), (3, 3, 4, 1))
    ]
    arrangements.append((arrangements[0][0], [[2, 1, 2], [1, 1, 2]]))
    bounds = [int(exact_local_bound(table.astype(float), (), outcomes)) for table, outcomes in arrangements]
    assert len(set(bounds)) == len(bounds)
    for _ in range(2):
        for (table, outcomes), bound in zip(arrangements, bounds, strict=True):
            assert prove_by_branches(table, bound, 10**9, outcomes).holds
            assert prove_by_branches(table, bound - 1, 10**9, outcomes).exceeding == bound
            assert prove_by_branches(table, bound, 1, outcomes).holds is None
    table = numbers.reshape(3, 3, 2, 2).copy()
    assert prove_by_branches(table, bounds[0], 10**9).holds
    # The same array with another number in it.
    table[0, 0, 0, 0] += 100
    assert prove_by_branches(table, bounds[0], 10**9).holds is False


def test_trees_are_exact_near_the_largest_integers():
    rng = np.random.default_rng(9)
    for bits in (30.5, 31.5, 59.9):
        noise = rng.standard_normal((4, 4, 2, 3))
        integers = np.rint(noise / np.abs(noise).sum() * 2.0**bits).astype(np.int64)
        bound = int(exact_local_bound(integers.astype(float)))
        integers = integers.astype(float).astype(np.int64)
        assert prove_by_branches(integers, bound, 10**9).holds
        assert prove_by_branches(integers, bound - 1, 10**9).holds is False
