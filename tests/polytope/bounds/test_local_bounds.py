import itertools
import time
from fractions import Fraction

import numpy as np
import pytest
from qiskit_lhv import BellExpression, BellInequality, chsh, local_bound
from qiskit_lhv._support.deadlines import Deadline
from qiskit_lhv.exceptions import ScenarioError
from qiskit_lhv.models import DeterministicModel
from qiskit_lhv.models.deterministic import strategy_tables
from qiskit_lhv.polytope import mermin
from qiskit_lhv.polytope.bounds.branch_and_bound import BranchAndBound
from qiskit_lhv.polytope.bounds.enumeration import enumerate_form
from qiskit_lhv.polytope.bounds.integer_form import AnswerForm
from qiskit_lhv.polytope.bounds.local_bounds import best_strategies
from qiskit_lhv.verification.branches import prove_by_branches
from qiskit_lhv.verification.local_bounds import exact_integer_bound, exact_local_bound, local_bound_cost

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
    monkeypatch.setattr("qiskit_lhv.polytope.bounds.local_bounds._BLOCK_ENTRIES", 64)
    parts = best_strategies(expression.coefficients, expression.scenario, 10)
    np.testing.assert_allclose(parts[0], whole[0])
    np.testing.assert_array_equal(parts[1][0], whole[1][0])


def test_exact_check_does_not_depend_on_its_batches(monkeypatch):
    coefficients = np.random.default_rng(10).integers(-9, 10, size=(5, 4, 3, 2, 2, 2)).astype(float)
    whole = exact_local_bound(coefficients)
    monkeypatch.setattr("qiskit_lhv.verification.local_bounds._MAX_BATCH", 50)
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
    expression = BellExpression(np.random.default_rng(0).integers(-9, 10, size=(70, 70, 2, 2)).astype(float))
    with pytest.raises(ScenarioError, match=r"expression.*1\.18e\+21 strategies.*heuristic"):
        local_bound(expression)
    assert not local_bound(expression, "heuristic").exact


def test_three_parties_too_large_say_how_large():
    expression = BellExpression(np.ones((20, 20, 20, 2, 2, 2)))
    with pytest.raises(ScenarioError, match=r"5\.5e\+11 strategies.*heuristic"):
        local_bound(expression)


def test_bound_that_runs_out_of_time_is_not_called_exact(counted_clock):
    expression = BellExpression(np.random.default_rng(0).integers(-9, 10, size=(70, 70, 2, 2)).astype(float))
    with counted_clock(0.001):
        bound = local_bound(expression, time_limit=0.1)
        looks = time.monotonic() / 0.001
    assert looks < 300
    assert not bound.exact
    assert expression.value(DeterministicModel([1.0], bound.strategy[None], expression.scenario).behavior()) == (
        bound.value
    )


def random_expression(rng):
    """An expression of a random small scenario, of a random kind."""
    while True:
        n = int(rng.choice([1, 2, 2, 2, 3]))
        settings, outcomes = tuple(rng.integers(1, 5, n)), tuple(rng.integers(2, 4, n))
        if np.prod([float(d) ** m for m, d in zip(settings, outcomes, strict=True)]) < 1500:
            break
    coefficients = rng.integers(-9, 10, settings + outcomes).astype(float)
    kind = rng.choice(["integers", "correlators", "fractions", "sparse", "marginals"])
    if kind == "correlators" and set(outcomes) == {2}:
        coefficients = rng.integers(-9, 10, settings).astype(float)
        for _ in range(n):
            coefficients = np.multiply.outer(coefficients, [1, -1])
    elif kind == "fractions":
        coefficients /= 2.0 ** rng.integers(1, 40)
    elif kind == "sparse":
        coefficients *= rng.random(coefficients.shape) < 0.2
    elif kind == "marginals":
        coefficients = coefficients[..., :1] + 0 * coefficients
    return coefficients


@pytest.mark.parametrize("solver", ["as chosen", "enumeration in small blocks", "enumeration in threads", "branches"])
def test_solvers_and_verifier_equal_brute_force_in_random_scenarios(solver, monkeypatch):
    if solver == "enumeration in small blocks":
        monkeypatch.setattr("qiskit_lhv.polytope.bounds.enumeration._BLOCK_COLUMNS", 5)
        monkeypatch.setattr("qiskit_lhv.verification.local_bounds._MAX_BATCH", 7)
        monkeypatch.setattr("qiskit_lhv.verification.local_bounds._SMALL_PRODUCT", 11)
    elif solver == "enumeration in threads":
        monkeypatch.setattr("qiskit_lhv.polytope.bounds.enumeration._BLOCK_COLUMNS", 3)
        monkeypatch.setattr("qiskit_lhv.polytope.bounds.enumeration._THREADED_WORK", 0)
        monkeypatch.setattr("qiskit_lhv.polytope.bounds.enumeration._available_cores", lambda: 3)
    elif solver == "branches":
        monkeypatch.setattr("qiskit_lhv.polytope.bounds.exact_search._QUICK_WORK", 0)
        monkeypatch.setattr("qiskit_lhv.polytope.bounds.branch_and_bound._FRONT_NODES", 3)
    rng = np.random.default_rng(sum(map(ord, solver)))
    for _ in range(60):
        coefficients = random_expression(rng)
        expression = BellExpression(coefficients)
        bound = local_bound(expression)
        assert bound.exact
        assert Fraction(bound.value) == brute_force(coefficients) == exact_local_bound(coefficients)
        table = strategy_tables(bound.strategy[None], expression.scenario)[0]
        assert table @ coefficients.ravel() == bound.value


def correlation_expression(matrix):
    return BellExpression.from_correlators(matrix, marginals=False)


@pytest.mark.parametrize("largest", [3, 20_000, 10**10])
def test_enumeration_and_branches_and_verifier_agree_in_every_integer_type(largest):
    matrix = np.random.default_rng(largest % 97).integers(-largest, largest + 1, size=(17, 19))
    expression = correlation_expression(matrix.astype(float))
    form = AnswerForm.of(expression.coefficients.astype(np.int64).transpose(0, 2, 1, 3))
    assert form.dtype == {3: np.int16, 20_000: np.int32, 10**10: np.int64}[largest]
    assert form.num_strategies == 2**16
    score, choices, finished = enumerate_form(form, -1)
    assert finished
    assert abs((1 - 2 * choices) @ matrix).sum() == form.value(score)
    found, _ = BranchAndBound(form, -1).run()
    assert found == score
    assert form.value(score) == exact_local_bound(expression.coefficients) == local_bound(expression).value


def test_branches_visit_few_strategies_and_use_what_is_known():
    expression = correlation_expression(np.random.default_rng(1).integers(-9, 10, size=(22, 22)).astype(float))
    form = AnswerForm.of(expression.coefficients.astype(np.int64).transpose(0, 2, 1, 3))
    search = BranchAndBound(form, -1)
    score, choices = search.run()
    assert choices is not None
    assert search.num_nodes < form.num_strategies / 20
    assert BranchAndBound(form, score).run() == (score, None)


def test_branches_give_up_in_time():
    expression = correlation_expression(np.random.default_rng(1).integers(-9, 10, size=(60, 60)).astype(float))
    form = AnswerForm.of(expression.coefficients.astype(np.int64).transpose(0, 2, 1, 3))
    assert BranchAndBound(form, -1).run(deadline=Deadline(0.05)) is None
    search = BranchAndBound(form, -1)
    assert search.run(patience=1e9) is None
    assert search.expected_work() > 1e9
    limited = BranchAndBound(form, -1)
    assert limited.run(max_work=1e8) is None
    assert limited.work < 1e9


def test_budgets_of_work_stop_without_a_proof_and_alike_everywhere():
    rng = np.random.default_rng(3)
    large = [
        correlation_expression(rng.integers(-9, 10, size=(60, 60)).astype(float)),
        BellExpression(rng.integers(-9, 10, size=(20, 20, 20, 2, 2, 2)).astype(float)),
        BellExpression(rng.integers(-9, 10, size=(30, 30, 3, 3)).astype(float)),
    ]
    for expression in large:
        first, again = (local_bound(expression, max_work=1e8) for _ in range(2))
        assert not first.exact
        assert first == again
    with pytest.raises(ScenarioError, match="set time_limit or max_work"):
        local_bound(large[1])
    small = correlation_expression(rng.integers(-9, 10, size=(22, 22)).astype(float))
    assert local_bound(small, max_work=1e10).exact
    with pytest.raises(ScenarioError, match="max_work: expected a positive number"):
        local_bound(small, max_work=0)


def test_twenty_four_settings_are_exact_in_integers_and_rounded_outward_in_reals():
    rng = np.random.default_rng(24)
    integers = correlation_expression(rng.integers(-20, 21, size=(24, 24)).astype(float))
    bound = local_bound(integers)
    assert bound.exact
    assert bound.value == exact_local_bound(integers.coefficients)
    reals = correlation_expression(rng.normal(size=(24, 24)))
    bound = local_bound(reals)
    outcomes = np.split(1 - 2 * bound.strategy, 2)
    matrix = reals.to_correlators()[1:, 1:]
    reached = sum(Fraction(float(matrix[x, y])) * int(outcomes[0][x] * outcomes[1][y]) for x, y in np.ndindex(24, 24))
    assert reached <= Fraction(bound.value) <= reached + Fraction(1, 10**11)


def test_more_settings_of_one_party_are_answered_not_listed():
    matrix = np.random.default_rng(5).integers(-50, 51, size=(18, 150)).astype(float)
    for oriented in (matrix, matrix.T):
        expression = correlation_expression(oriented)
        assert local_bound(expression).value == exact_local_bound(expression.coefficients)


def test_coefficients_of_very_different_sizes_do_not_overflow():
    coefficients = np.zeros((2, 2, 2, 2))
    coefficients[0, 0, 0, 0], coefficients[1, 1, 1, 1], coefficients[0, 1, 1, 0] = 2.0**52, 1, -(2.0**51)
    assert local_bound(BellExpression(coefficients)).value == 2.0**52 + 1 == brute_force(coefficients)
    assert local_bound(BellExpression(np.zeros((3, 2, 2, 2)))).value == 0
    tiny = BellExpression(coefficients * 2.0**-900)
    assert local_bound(tiny).value == (2.0**52 + 1) * 2.0**-900


def test_cost_of_the_independent_check():
    assert local_bound_cost((24, 24, 2, 2)) == 2**24
    assert local_bound_cost((5, 60, 3, 2)) == 3**5
    assert local_bound_cost((3, 4, 5, 2, 2, 2)) == 2**7
    assert local_bound_cost((4, 3)) == 1
    with pytest.raises(ScenarioError, match=r"1\.37e\+11"):
        exact_local_bound(np.ones((37, 37, 2, 2)))


@pytest.mark.parametrize("size", [3, 10**7, 10**12])
def test_independent_check_is_exact_in_every_number_type(size):
    rng = np.random.default_rng(size % 89)
    coefficients = rng.integers(-size, size + 1, size=(5, 4, 2, 3)).astype(float)
    assert exact_local_bound(coefficients) == brute_force(coefficients)
    # Where single precision would round: one unit on top of 2**24.
    coefficients = np.zeros((2, 2, 2, 2))
    coefficients[0, 0], coefficients[1, 1] = 2.0**24, 1
    assert exact_local_bound(coefficients) == 2**24 + 1


@pytest.mark.parametrize(
    "shape", [(2, 2, 9, 9), (1, 2, 9, 9), (2, 2, 3, 9), (3, 3, 2, 2), (2, 1, 9, 1), (2, 2, 2, 2, 2, 2)]
)
@pytest.mark.parametrize("bits", [54, 57, 59.9])
def test_independent_check_does_not_wrap_near_its_largest_numbers(shape, bits):
    rng = np.random.default_rng(int(bits))
    noise = rng.standard_normal(shape)
    dense = np.rint(noise / np.abs(noise).sum() * 2.0**bits)
    for coefficients in (dense, dense * (rng.random(shape) < 0.2), -np.abs(dense)):
        assert exact_local_bound(coefficients) == brute_force(coefficients)
        if min(shape) > 1:
            assert brute_force(coefficients) <= Fraction(local_bound(BellExpression(coefficients)).value)


@pytest.mark.parametrize("size", [2.0**60, 2.0**63, 1e308])
def test_numbers_too_large_for_the_independent_check_are_refused(size):
    coefficients = np.zeros((2, 2, 2, 2))
    coefficients[0, 0, 0, 0] = size
    with pytest.raises(ScenarioError, match=r"less than 2\*\*60"):
        exact_local_bound(np.stack([coefficients, coefficients + np.ones((2, 2, 2, 2))]).reshape(4, 2, 2, 2))
    with pytest.raises(ScenarioError, match="2\\*\\*60"):
        exact_integer_bound(np.full((2, 2, 2, 2), int(size), dtype=object))


def test_expressions_whose_sums_leave_the_range_of_floats_are_refused():
    with pytest.raises(ScenarioError, match="Scale the expression"):
        local_bound(BellExpression(np.full((2, 2, 2, 2), 1e308)))
    assert local_bound(BellExpression(np.full((2, 2, 2, 2), 1e306))).value == 4e306


def unequal_expression(rng):
    """An expression whose settings have different numbers of outcomes, and its bound by brute force.

    Outcomes that a setting does not have are names for its first one, so that the table is rectangular.
    """
    n = int(rng.choice([2, 2, 3]))
    outcomes = [rng.integers(1, 4, size=rng.integers(1, 4 if n == 2 else 3)).tolist() for _ in range(n)]
    shape = [len(one) for one in outcomes] + [max(2, *one) for one in outcomes]
    table = rng.integers(-9, 10, size=shape).astype(float)
    for k, real in enumerate(outcomes):
        for x, d in enumerate(real):
            cells = [slice(None)] * (2 * n)
            cells[k] = x
            first, others = list(cells), list(cells)
            first[n + k], others[n + k] = slice(0, 1), slice(d, None)
            table[tuple(others)] = table[tuple(first)]
    parties = [list(itertools.product(*(range(d) for d in real))) for real in outcomes]
    best = max(
        sum(
            table[x + tuple(party[k] for party, k in zip(choice, x, strict=True))] for x in np.ndindex(tuple(shape[:n]))
        )
        for choice in itertools.product(*parties)
    )
    return table, best


def test_unequal_outcomes_a_setting_equal_brute_force():
    rng = np.random.default_rng(300)
    for _ in range(300):
        table, best = unequal_expression(rng)
        bound = local_bound(BellExpression(table))
        assert bound.exact
        assert bound.value == best == exact_local_bound(table)
        if table.ndim == 4:
            assert prove_by_branches(table.astype(np.int64), int(best), 10**9).holds
            assert prove_by_branches(table.astype(np.int64), int(best) - 1, 10**9).exceeding == best
        assert BellInequality(BellExpression(table), bound).verify()
