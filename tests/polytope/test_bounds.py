import itertools
from fractions import Fraction

import numpy as np
import pytest
from qiskit_lhv import BellExpression, ScenarioError, chsh, local_bound, mermin
from qiskit_lhv.models.deterministic import strategy_tables
from qiskit_lhv.polytope.bounds import best_strategies
from qiskit_lhv.verification import exact_local_bound

SHAPES = [
    (2, 2, 2, 2),
    (3, 2, 2, 3),
    (1, 4, 3, 2),
    (2, 3, 2, 2, 2, 2),
    (2, 1, 2, 3, 2, 2),
    (4, 2),
    (2, 2, 2, 2, 2, 2, 2, 2),
]


def brute_force(coefficients):
    """The local bound by comparing every strategy of every party in plain Python."""
    n = coefficients.ndim // 2
    shape = coefficients.shape
    parties = [list(itertools.product(range(d), repeat=m)) for m, d in zip(shape[:n], shape[n:], strict=True)]
    return max(
        sum(
            Fraction(float(coefficients[x + tuple(s[k] for s, k in zip(choice, x, strict=True))]))
            for x in np.ndindex(shape[:n])
        )
        for choice in itertools.product(*parties)
    )


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_exact_bound_equals_brute_force(shape, seed):
    coefficients = np.random.default_rng(seed).integers(-20, 21, size=shape).astype(float)
    bound = local_bound(BellExpression(coefficients))
    assert bound.exact
    assert Fraction(bound.value) == brute_force(coefficients) == exact_local_bound(coefficients)


@pytest.mark.parametrize("shape", SHAPES)
def test_strategy_of_bound_reaches_it(shape):
    expression = BellExpression(np.random.default_rng(5).integers(-9, 10, size=shape).astype(float))
    bound = local_bound(expression)
    table = strategy_tables(bound.strategy[None], expression.scenario)[0]
    assert table @ expression.coefficients.ravel() == bound.value


def test_bound_of_real_coefficients_is_rounded_up():
    rng = np.random.default_rng(3)
    for _ in range(20):
        coefficients = rng.normal(size=(3, 3, 2, 2))
        value = local_bound(BellExpression(coefficients)).value
        exact = brute_force(coefficients)
        assert exact <= Fraction(value) <= exact + Fraction(1, 10**9)


def test_bound_of_binary_fractions_is_exact():
    coefficients = np.random.default_rng(4).integers(-8, 9, size=(3, 3, 2, 2)) / 8
    assert Fraction(local_bound(BellExpression(coefficients)).value) == brute_force(coefficients)


def test_party_with_most_strategies_answers_best():
    # 14 settings of one party against 2 of the other: only the 4 strategies of the small one are listed.
    coefficients = np.random.default_rng(0).integers(-5, 6, size=(14, 2, 2, 2)).astype(float)
    value = local_bound(BellExpression(coefficients)).value
    tables = [coefficients[:, 0, :, a] + coefficients[:, 1, :, b] for a in range(2) for b in range(2)]
    assert value == max(t.max(axis=1).sum() for t in tables)


def test_heuristic_bound_reaches_the_exact_one_and_says_so():
    for seed in range(5):
        expression = BellExpression(np.random.default_rng(seed).integers(-9, 10, size=(4, 4, 2, 2)).astype(float))
        heuristic = local_bound(expression, "heuristic", seed=seed)
        assert not heuristic.exact
        assert heuristic.value == local_bound(expression).value
        table = strategy_tables(heuristic.strategy[None], expression.scenario)[0]
        assert table @ expression.coefficients.ravel() == pytest.approx(heuristic.value, abs=1e-9)


def test_best_strategies_come_in_descending_order_and_have_their_values():
    expression = BellExpression(np.random.default_rng(8).normal(size=(5, 4, 2, 2)))
    values, strategies = best_strategies(expression.coefficients, expression.scenario, 7)
    assert len(values) == 7
    assert np.all(np.diff(values) <= 0)
    tables = strategy_tables(strategies, expression.scenario)
    np.testing.assert_allclose(tables @ expression.coefficients.ravel(), values, atol=1e-12)


def test_best_strategies_do_not_depend_on_the_block_size(monkeypatch):
    expression = BellExpression(np.random.default_rng(9).normal(size=(4, 5, 3, 2, 2, 2)))
    whole = best_strategies(expression.coefficients, expression.scenario, 10)
    monkeypatch.setattr("qiskit_lhv.polytope.bounds._BLOCK_ENTRIES", 64)
    parts = best_strategies(expression.coefficients, expression.scenario, 10)
    np.testing.assert_allclose(parts[0], whole[0])
    np.testing.assert_array_equal(parts[1][0], whole[1][0])


def test_exact_check_does_not_depend_on_its_batches(monkeypatch):
    coefficients = np.random.default_rng(10).integers(-9, 10, size=(5, 4, 3, 2, 2, 2)).astype(float)
    whole = exact_local_bound(coefficients)
    monkeypatch.setattr("qiskit_lhv.verification._MAX_BATCH", 50)
    assert exact_local_bound(coefficients) == whole == Fraction(local_bound(BellExpression(coefficients)).value)


@pytest.mark.parametrize(("num_parties", "bound"), [(2, 2), (3, 2), (4, 4), (5, 4)])
def test_mermin_bounds(num_parties, bound):
    # Mermin, Phys. Rev. Lett. 65, 1838 (1990): 2**(N/2) for even N, 2**((N - 1)/2) for odd N.
    assert local_bound(mermin(num_parties)).value == bound


@pytest.mark.parametrize("minus", [(0, 0), (0, 1), (1, 0), (1, 1)])
def test_chsh_bound_is_two(minus):
    assert local_bound(chsh(minus)).value == 2


def test_unknown_method_is_refused():
    with pytest.raises(ScenarioError, match="method"):
        local_bound(chsh(), "guess")


def test_scenario_too_large_for_exact_says_how_large():
    expression = BellExpression(np.ones((30, 30, 2, 2)))
    with pytest.raises(ScenarioError, match=r"1\.07e\+09.*heuristic"):
        local_bound(expression)
    assert local_bound(expression, "heuristic").value == 900
