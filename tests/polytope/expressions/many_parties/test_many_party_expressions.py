"""Expressions of many parties against the tables of small ones."""

import math

import numpy as np
import pytest
from qiskit.quantum_info import SparsePauliOp, Statevector
from qiskit_lhv import Behavior, BellExpression, BellScenario, local_bound
from qiskit_lhv.exceptions import MeasurementError, ScenarioError
from qiskit_lhv.polytope import (
    KnownBounds,
    SparseExpression,
    SymmetricExpression,
    baccari_inequality,
    mermin,
    no_signaling_bound,
    permutation_invariant_expression,
    quantum_bound,
    stabilizer_sum,
    sum_of_chsh,
    toth_guehne_briegel_inequality,
    translation_invariant_chain,
    two_body_expression,
)

SCENARIO = BellScenario([2, 3, 2], 2)


def random_expression(seed=0, scenario=SCENARIO, num_terms=9):
    rng = np.random.default_rng(seed)
    rows = np.stack([rng.integers(-1, m, size=3 * num_terms) for m in scenario.num_settings], axis=1)
    return SparseExpression.of_rows(scenario, rows[:num_terms], rng.integers(1, 9, size=num_terms) / 4)


def random_behavior(seed=0, scenario=SCENARIO):
    rng = np.random.default_rng(seed)
    amplitudes = rng.normal(size=2**scenario.num_parties) + 1j * rng.normal(size=2**scenario.num_parties)
    settings = [rng.normal(size=(m, 3)) for m in scenario.num_settings]
    settings = [vectors / np.linalg.norm(vectors, axis=1)[:, None] for vectors in settings]
    state = Statevector(amplitudes / np.linalg.norm(amplitudes))
    return state, settings, Behavior.from_state(state, settings)


@pytest.mark.parametrize("seed", range(4))
def test_values_and_operators_are_those_of_the_table(seed):
    expression = random_expression(seed)
    table = BellExpression.from_sparse(expression)
    state, settings, behavior = random_behavior(seed)
    assert expression.value(behavior) == pytest.approx(table.value(behavior))
    assert state.expectation_value(expression.operator(settings)).real == pytest.approx(table.value(behavior))
    assert expression.operator(settings).equiv(table.operator(settings))
    back = table.to_sparse()
    assert back.terms.keys() == expression.terms.keys()
    assert [back.terms[term] for term in expression.terms] == pytest.approx(list(expression.terms.values()))


def test_the_operator_knows_measurements_that_are_no_paulis():
    expression = random_expression(1, BellScenario([2, 2], 2))
    noisy = [[[0.6 * np.eye(2) + 0.1 * np.diag([1, -1]), 0.4 * np.eye(2) - 0.1 * np.diag([1, -1])], "X"], ["Y", "X+Z"]]
    table = BellExpression.from_sparse(expression).operator(noisy)
    np.testing.assert_allclose(expression.operator(noisy).to_matrix(), table.to_matrix(), atol=1e-12)
    with pytest.raises(MeasurementError, match="settings"):
        expression.operator([("X", "Z")] * 3)
    with pytest.raises(MeasurementError, match="settings"):
        expression.operator([("X",), ("X", "Z")])


def test_relabelings_and_liftings_are_those_of_the_table():
    expression = random_expression(2)
    change = {
        "parties": [2, 1, 0],
        "settings": [[1, 0], [2, 0, 1], [0, 1]],
        "outcomes": [[[1, 0], [0, 1]], [[0, 1], [1, 0], [1, 0]], [[0, 1], [1, 0]]],
    }
    table = BellExpression.from_sparse(expression)
    renamed = BellExpression.from_sparse(expression.relabel(**change))
    np.testing.assert_allclose(renamed.coefficients, table.relabel(**change).coefficients, atol=1e-12)
    lifted = BellExpression.from_sparse(expression.lift(5, [0, 2, 3]))
    np.testing.assert_allclose(lifted.coefficients, table.lift(5, [0, 2, 3]).coefficients, atol=1e-12)
    with pytest.raises(ScenarioError, match="parties"):
        expression.lift(5, [0, 3, 2])
    with pytest.raises(ScenarioError, match="parties"):
        expression.relabel(parties=[0, 0, 1])


def test_sums_and_multiples():
    first, second = random_expression(3), random_expression(4)
    behavior = random_behavior()[2]
    total = 2 * first - np.float64(0.5) * second + first
    assert total.value(behavior) == pytest.approx(3 * first.value(behavior) - second.value(behavior) / 2)
    assert (first - first).num_terms == 0
    assert str(first - first) == "0"
    with pytest.raises(ScenarioError, match="expression"):
        first + first.lift(4, [0, 1, 2])
    with pytest.raises(TypeError):
        first + 1


def test_texts_show_twelve_terms():
    terms = {((k, 0), (k + 1, 1)): 1.0 + k for k in range(15)}
    few = SparseExpression.of_terms(BellScenario([2] * 16, 2), terms)
    assert str(few).startswith("<A0 B1> + 2<B0 C1> + 3<C0 D1>")
    assert str(few).endswith("+ 3 more terms")
    many = SparseExpression.of_terms(BellScenario([2] * 40, 2), {((0, 0), (37, 1)): -0.5, (): 2})
    assert str(many) == "- 0.5<P0.0 P37.1> + 2"


# Symmetric expressions


def test_a_symmetric_expression_is_the_sum_of_its_types():
    types, coefficients = [[0, 0], [2, 0], [1, 1], [0, 3], [2, 2]], [3, 0.5, -1, 2, 1]
    expression = SymmetricExpression(BellScenario([2] * 4, 2), types, coefficients)
    listed = expression.to_sparse()
    assert expression.num_terms == listed.num_terms == 1 + 6 + 12 + 4 + 6
    assert expression.weight == listed.weight == 3 + 12 + 8 + 6
    assert expression.constant == listed.constant == 3
    rng = np.random.default_rng(0)
    drawn = expression.draw_terms(20000, rng)
    np.testing.assert_array_equal(expression.coefficients_of(drawn), listed.coefficients_of(drawn))
    # Every term comes as often as its coefficient is large, within five standard errors.
    seen, counts = np.unique(drawn, axis=0, return_counts=True)
    expected = np.abs(listed.coefficients_of(seen)) / expression.weight * len(drawn)
    assert len(seen) == expression.num_terms - 1
    assert np.all(np.abs(counts - expected) < 5 * np.sqrt(expected))
    swapped = listed.relabel(parties=[3, 1, 0, 2])
    assert (swapped - listed).num_terms == 0
    assert (expression - 0.5 * expression + listed * 0.5 - expression).num_terms == 0
    assert isinstance(expression + expression, SymmetricExpression)
    assert expression.coefficients_of(np.array([[0, 0, 0, 0], [0, 5, -1, -1]])).tolist() == [0, 0]


def test_hundreds_of_parties_neither_overflow_nor_lose_a_term():
    expression = mermin(200)
    assert expression.num_terms == 2**199
    assert expression.weight == 2.0**199
    rows = expression.draw_terms(2000, np.random.default_rng(1))
    ones = np.count_nonzero(rows == 1, axis=1)
    assert np.all(rows >= 0)
    assert np.all(ones % 2 == 0)
    assert abs(ones.mean() - 100) < 5 * math.sqrt(50 / 2000)
    np.testing.assert_array_equal(expression.coefficients_of(rows), 1 - ones % 4)
    with pytest.raises(ScenarioError, match="terms to list"):
        expression.to_sparse()
    with pytest.raises(ScenarioError, match="coefficients"):
        SymmetricExpression(BellScenario([3] * 800, 2), [[266, 267, 267]], [1])


@pytest.mark.parametrize(
    ("types", "coefficients", "argument"),
    [
        ([[1, 1, 0]], [1], "types"),
        ([[3, 2]], [1], "types"),
        ([[-1, 2]], [1], "types"),
        ([[1, 1], [1, 1]], [1, 2], "types"),
        ([[1, 1]], [1, 2], "types"),
        ([[1.5, 1]], [1], "types"),
        ([[1, 1]], [math.nan], "coefficients"),
    ],
)
def test_wrong_types_are_refused(types, coefficients, argument):
    with pytest.raises(ScenarioError, match=argument):
        SymmetricExpression(BellScenario([2] * 4, 2), types, coefficients)


# Chains


@pytest.mark.parametrize("periodic", [True, False])
def test_a_chain_repeats_its_terms(periodic):
    terms = {((0, 0), (1, 1)): -1, ((1, 1), (3, 1)): 0.5, ((0, 0),): 2, ((0, 1), (1, 0), (2, 1)): 0.25}
    chain = translation_invariant_chain(terms, 6, periodic=periodic)
    places = {False: (5, 4, 6, 4), True: (6,) * 4}[periodic]
    expected = {}
    for (term, value), number in zip(terms.items(), places, strict=True):
        first = min(k for k, _ in term)
        for site in range(number):
            key = tuple(sorted(((k - first + site) % 6, x) for k, x in term))
            expected[key] = value
    listed = chain.to_sparse()
    assert listed.terms == expected
    assert (chain.num_terms, chain.weight, chain.constant) == (listed.num_terms, listed.weight, 0)
    drawn = chain.draw_terms(3000, np.random.default_rng(0))
    np.testing.assert_array_equal(chain.coefficients_of(drawn), listed.coefficients_of(drawn))
    assert len(np.unique(drawn, axis=0)) == chain.num_terms
    other = drawn[:50].copy()
    other[:, 0] = np.where(other[:, 0] == 1, 0, 1)
    np.testing.assert_array_equal(chain.coefficients_of(other), listed.coefficients_of(other))
    assert (2 * chain).weight == 2 * chain.weight


def test_chains_that_are_too_short_are_refused():
    terms = {((0, 0), (2, 0)): 1}
    assert translation_invariant_chain(terms, 5).num_terms == 5
    for n, periodic in ((4, True), (2, False)):
        with pytest.raises(ScenarioError, match="neighbors"):
            translation_invariant_chain(terms, n, periodic=periodic)
    for bad in ({(): 1}, {((0, 0), (-1, 0)): 1}, {((0, 2),): 1}, {}, {"AB": 1}):
        with pytest.raises(ScenarioError, match="terms"):
            translation_invariant_chain(bad, 5)


# Bounds


def test_bounds_of_small_expressions_are_proven_and_large_ones_point_to_what_is_known():
    expression = mermin(3).to_sparse()
    assert quantum_bound(expression).upper == pytest.approx(4, abs=1e-6)
    assert no_signaling_bound(expression).value == pytest.approx(4, abs=1e-6)
    for bound in (quantum_bound, no_signaling_bound):
        with pytest.raises(ScenarioError, match=r"known_bounds are: local 1048576, quantum"):
            bound(mermin(40))


def test_known_bounds_follow_positive_factors_and_name_their_source():
    known = KnownBounds(local=2**150 + 1, quantum=2.5, source="a paper")
    assert known.scaled(2).local == 2**151 + 2
    assert known.scaled(0.5).quantum == 1.25
    assert known.scaled(0.1).quantum >= 0.25
    assert known.scaled(-1) is None
    assert known.scaled(1).no_signaling is None
    for wrong in ({"local": 2.0}, {"local": math.nan, "source": "a paper"}):
        with pytest.raises(ScenarioError):
            KnownBounds(**wrong)
    assert (2 * mermin(10)).known_bounds.local == 64
    assert (-mermin(10)).known_bounds is None
    assert (mermin(10) + mermin(10)).known_bounds is None


def test_expressions_are_saved_and_loaded(tmp_path):
    chain = translation_invariant_chain({((0, 0), (1, 1)): -1}, 9)
    for k, expression in enumerate((mermin(200), random_expression(), chain, mermin(9).lift(11, range(9)))):
        path = tmp_path / f"expression_{k}.json"
        expression.save(path)
        loaded = type(expression).load(path)
        assert loaded == expression
        assert loaded.known_bounds == expression.known_bounds


def test_table_and_list_of_the_mermin_expression_agree():
    assert isinstance(mermin(7), BellExpression)
    assert isinstance(mermin(8), SymmetricExpression)
    for n in (2, 3, 4):
        dense = mermin(n)
        assert local_bound(dense).value == 2 ** (n // 2)
        assert dense.to_sparse().num_terms == 2 ** (n - 1)
    eight = BellExpression.from_sparse(mermin(8))
    assert eight.to_correlators()[(1,) * 8] == 1
    assert eight.to_correlators()[(2, 2) + (1,) * 6] == -1
    with pytest.raises(ScenarioError, match="expression"):
        BellExpression.from_sparse(mermin(14))
    assert isinstance(mermin(3).operator("mermin"), SparsePauliOp)


def test_lists_that_do_not_fit_into_memory_are_refused():
    pairs = permutation_invariant_expression(2000, [1, 1], [[1, 0], [0, -1]])
    for expression in (pairs, translation_invariant_chain({((0, 0), (1, 1)): 1}, 60_000)):
        assert expression.num_terms < 2**22
        with pytest.raises(ScenarioError, match="terms times parties"):
            next(expression.blocks())
    with pytest.raises(ScenarioError, match="vertices"):
        sum_of_chsh([(0, 10**12)])
    with pytest.raises(ScenarioError, match="times parties"):
        two_body_expression([(k, k + 1) for k in range(9999)], np.ones((4, 4)))


def test_coefficients_add_up_to_floats():
    scenario = BellScenario([2] * 3, 2)
    terms = {((0, 0), (1, 0)): 1e308, ((0, 1), (1, 0)): 1e308}
    with pytest.raises(ScenarioError, match="coefficients"):
        BellExpression.from_terms(scenario, terms)
    with pytest.raises(ScenarioError, match="coefficients"):
        translation_invariant_chain({((0, 0), (1, 0)): 1e308}, 5)
    one = BellExpression.from_terms(scenario, {((0, 0), (1, 0)): 1e308})
    for attempt in (lambda: one + one, lambda: one * 10, lambda: stabilizer_sum([(0, 1)]).expression * 1e308):
        with pytest.raises(ScenarioError, match="coefficients"):
            attempt()


def test_a_chain_without_terms_is_an_expression():
    chain = translation_invariant_chain({((0, 0), (1, 1)): 0.0}, 5)
    assert (chain.num_terms, str(chain)) == (0, "ring of 5 parties, at each site: 0")


def test_what_is_no_list_of_vertices_or_blocks_is_refused():
    with pytest.raises(ScenarioError, match="centers"):
        baccari_inequality([(0, 1)], 3)
    with pytest.raises(ScenarioError, match="blocks"):
        toth_guehne_briegel_inequality([(0, 1), (1, 2)], 5)
