"""Local bounds by structure against all strategies, known values, and each other."""

import itertools
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from qiskit.transpiler import CouplingMap
from qiskit_lhv import BellExpression, BellScenario, local_bound
from qiskit_lhv.exceptions import ScenarioError
from qiskit_lhv.polytope import (
    BoundPerSite,
    KnownBounds,
    ManyPartyInequality,
    SparseExpression,
    StructuralBound,
    baccari_inequality,
    bound_per_site,
    elimination_cost,
    stabilizer_sum,
    svetlichny,
)
from qiskit_lhv.polytope.bounds.many_parties import programs, structural_bounds
from qiskit_lhv.polytope.bounds.many_parties.integer_terms import integer_terms
from qiskit_lhv.polytope.bounds.many_parties.programs import bound_by_parts
from qiskit_lhv.polytope.bounds.many_parties.sign_patterns import largest_of_patterns, sign_patterns
from qiskit_lhv.polytope.expressions.many_parties.base import ManyPartyExpression
from qiskit_lhv.verification.eliminations import value_of_signs
from qiskit_lhv.verification.sign_patterns import prove_by_patterns

PAIRS = [(0, 0), (0, 1), (1, 0), (1, 1)]


class OfRule(ManyPartyExpression):
    """An expression that gives its terms by a rule alone: by type, or as a chain."""

    num_terms, constant, known_bounds = 10**30, 0.0, None

    def __init__(self, num_parties, num_settings, coefficients, **rule):
        self.scenario = BellScenario([num_settings] * num_parties, 2)
        self.coefficients = np.array(coefficients, dtype=float)
        for name, value in rule.items():
            setattr(self, name, value)

    @property
    def weight(self):
        return float(np.abs(self.coefficients).sum())

    def coefficients_of(self, rows):
        raise AssertionError

    def draw_terms(self, num_draws, rng):
        raise AssertionError

    def _iterate_blocks(self):
        raise AssertionError

    def __mul__(self, factor):
        raise AssertionError


def mermin(n):
    ones = np.arange(0, n + 1, 2)
    return OfRule(n, 2, (-1.0) ** (ones // 2), types=np.stack([n - ones, ones], axis=1))


def all_values(expression):
    """The values of all strategies, exactly."""
    sizes = expression.scenario.num_settings
    signs = np.array(list(itertools.product((1, -1), repeat=sum(sizes))))
    first = np.cumsum([0, *sizes[:-1]])
    total = np.full(len(signs), Fraction(0), dtype=object)
    for row, value in zip(expression.rows, expression.coefficients.tolist(), strict=True):
        taken = row >= 0
        total = total + Fraction(value) * signs[:, (first + row)[taken]].prod(axis=1)
    return total


def random_expression(rng, kind):
    n = int(rng.integers(2, 6))
    sizes = [int(m) for m in rng.integers(1, 4, n)]
    while sum(sizes) > 9:
        sizes = [max(1, m - 1) for m in sizes]
    terms = {}
    for _ in range(int(rng.integers(0, 12))):
        row = [int(rng.integers(-1, m)) for m in sizes]
        value = {"integers": rng.integers(-3, 4), "floats": rng.normal(), "large": rng.integers(-9, 9) * 1e17 + 0.1}
        terms[tuple((k, x) for k, x in enumerate(row) if x >= 0)] = float(value[kind])
    return BellExpression.from_terms(BellScenario(sizes, 2), terms)


@pytest.mark.parametrize("kind", ["integers", "floats", "large"])
def test_equal_to_all_strategies(kind):
    rng = np.random.default_rng(1)
    for _ in range(5):
        expression = random_expression(rng, kind)
        bound = local_bound(expression)
        assert bound.fraction == all_values(expression).max()
        assert bound.exact
        assert bound.verify()


@pytest.mark.parametrize("settings", [[2, 2, 2, 2], [3, 1, 2, 2]])
@pytest.mark.parametrize("size", [9, 10**12, 10**25])
def test_expressions_with_all_terms(settings, size):
    rng = np.random.default_rng(3)
    rows = [row for row in itertools.product(*(range(-1, m) for m in settings)) if rng.random() < 0.8]
    values = rng.integers(-9, 10, len(rows)) * float(size // 9)
    expression = SparseExpression(BellScenario(settings, 2), rows, values)
    bound = local_bound(expression)
    assert bound.fraction == all_values(expression).max()
    assert bound.verify()
    assert replace(bound, numerator=bound.numerator - bound.denominator).verify().refuted


def test_thousands_of_terms_of_few_parties(monkeypatch):
    monkeypatch.setattr(structural_bounds, "_MOST_INDEPENDENT", 0)
    # Without a transform of all coefficients at once, this takes minutes.
    n = 11
    rows = np.array(list(itertools.product((0, 1), repeat=n)))
    expression = SparseExpression(BellScenario([2] * n, 2), rows, np.where(rows.sum(axis=1) == n, 5.0, rows[:, 0]))
    bound = local_bound(expression)
    assert (bound.fraction, bound.method) == (2 ** (n - 1) + 4, "elimination")
    assert bound.verify()


def test_rounded_coefficients_only_raise_the_bound(monkeypatch):
    monkeypatch.setattr(structural_bounds, "_EXACT_OBJECTS", 0)
    rng = np.random.default_rng(2)
    for _ in range(5):
        expression = random_expression(rng, "large")
        bound, value = local_bound(expression), all_values(expression).max()
        assert value <= bound.fraction <= value + Fraction(expression.weight) / 2**55
        assert bound.verify()


@pytest.mark.parametrize("n", [3, 4, 50, 200])
def test_mermin(n):
    bound = local_bound(mermin(n))
    assert bound.fraction == 2 ** (n // 2)
    assert bound.method == "symmetric strategies"
    assert bound.verify()
    assert replace(bound, numerator=bound.numerator - 1, exact=False).verify().refuted


def test_all_parties_alike_is_seen_in_a_list():
    rng = np.random.default_rng(3)
    for n, m in ((3, 2), (4, 2), (3, 3)):
        types = [kind for kind in itertools.product(range(n + 1), repeat=m) if sum(kind) <= n]
        values = dict(zip(types, rng.integers(-3, 4, len(types)) / 2, strict=True))
        rows = list(itertools.product(range(-1, m), repeat=n))
        terms = {
            tuple((k, x) for k, x in enumerate(row) if x >= 0): values[tuple(row.count(x) for x in range(m))]
            for row in rows
        }
        expression = BellExpression.from_terms(BellScenario([m] * n, 2), terms)
        bound = local_bound(expression)
        assert bound.method == "symmetric strategies"
        assert bound.fraction == all_values(expression).max()
        assert bound.verify()


def test_two_body_inequality_of_all_parties_alike():
    """The first inequality of arXiv:1306.6860 has the local bound 2 N."""
    types = np.array([[1, 0], [2, 0], [1, 1], [0, 2]])
    for n in (10, 60):
        bound = local_bound(OfRule(n, 2, [2, -1, 1, -1], types=types))
        assert bound.fraction == 2 * n
        assert bound.verify()


def chsh_chain(n, periodic):
    pattern = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], dtype=np.int8)
    return OfRule(n, 2, [1, 1, 1, -1], pattern=pattern, periodic=periodic)


@pytest.mark.parametrize("periodic", [True, False])
def test_chains(periodic):
    rng = np.random.default_rng(4)
    for reach, n in ((1, 3), (2, 5), (3, 6)):
        rows = np.column_stack([rng.integers(0, 2, 5), *[rng.integers(-1, 2, 5) for _ in range(reach - 1)]])
        pattern = np.unique(rows, axis=0).astype(np.int8)
        chain = OfRule(n, 2, rng.integers(-4, 5, len(pattern)), pattern=pattern, periodic=periodic)
        terms = {}
        for start, (row, value) in itertools.product(range(n), zip(pattern.tolist(), chain.coefficients, strict=True)):
            places = [(start + i, x) for i, x in enumerate(row) if x >= 0]
            if periodic or places[-1][0] < n:
                term = tuple(sorted((k % n, x) for k, x in places))
                terms[term] = terms.get(term, 0) + float(value)
        bound = local_bound(chain)
        assert bound.method == "chain"
        assert bound.fraction == local_bound(BellExpression.from_terms(chain.scenario, terms)).fraction
        assert bound.verify()
        per_site = bound_per_site(chain)
        assert per_site.verify()
        assert bound.fraction <= n * per_site.fraction or not periodic


def test_long_chain():
    bound = local_bound(chsh_chain(3000, True))
    assert bound.fraction == 6000
    assert bound.verify()
    assert replace(bound, numerator=5999, exact=False).verify().refuted
    assert bound_per_site(chsh_chain(3, True)).fraction == 2


def test_whole_device():
    edges = sorted({tuple(sorted(edge)) for edge in CouplingMap.from_heavy_hex(7).get_edges()})
    rng = np.random.default_rng(5)
    terms = {((i, x), (j, y)): int(rng.integers(-4, 5)) for i, j in edges for x in (0, 1) for y in (0, 1)}
    inequality = ManyPartyInequality.of(BellExpression.from_terms(BellScenario([2] * 115, 2), terms))
    assert inequality.bound.width <= 11
    assert inequality.verify()
    assert inequality.violation(inequality.bound.value + 1) == 1


def test_few_terms_of_many_parties():
    rng = np.random.default_rng(8)
    for n, count in ((4, 9), (100, 12)):
        rows = np.unique(rng.integers(0, 2, (count, n)), axis=0)
        values = rng.integers(-3, 4, len(rows))
        terms = {tuple(enumerate(row)): int(value) for row, value in zip(rows.tolist(), values, strict=True)}
        expression = BellExpression.from_terms(BellScenario([2] * n, 2), {**terms, (): -1.0})
        bound = local_bound(expression)
        assert bound.method == "sign patterns" or n == 4
        if n == 4:
            assert bound.fraction == all_values(expression).max()
        else:
            # Terms of so many parties are independent.
            assert bound.fraction == abs(values).sum() - 1
        assert bound.verify()
        assert replace(bound, numerator=bound.numerator - 1, exact=False).verify().refuted


def test_sign_patterns_are_those_of_all_strategies():
    rng = np.random.default_rng(9)
    for kind in ("integers", "floats", "large") * 3:
        expression = random_expression(rng, kind)
        terms = integer_terms(expression)
        patterns = sign_patterns(terms, 12)
        largest, outcomes = largest_of_patterns(terms, patterns)
        assert terms.value(largest) == all_values(expression).max()
        split = np.split(outcomes, np.cumsum(expression.scenario.num_settings)[:-1])
        assert value_of_signs(expression.rows, expression.coefficients, split) == terms.value(largest)
        check = prove_by_patterns(expression.rows, expression.coefficients, terms.value(largest))
        assert check
        if expression.num_terms:
            lower = terms.value(largest) - Fraction(expression.weight) / 10**6
            assert not prove_by_patterns(expression.rows, expression.coefficients, lower)


def dense(n, seed=6):
    rng = np.random.default_rng(seed)
    pairs = itertools.combinations(range(n), 2)
    terms = {((i, x), (j, y)): int(rng.integers(-4, 5)) for i, j in pairs for x in (0, 1) for y in (0, 1)}
    return BellExpression.from_terms(BellScenario([2] * n, 2), {**terms, (): 3.0})


def test_parts_bound_what_is_too_large(monkeypatch):
    exact = local_bound(dense(8))
    assert exact.fraction <= bound_by_parts(dense(8))[0] < dense(8).weight
    assert elimination_cost(dense(8)).feasible
    assert not elimination_cost(dense(40)).feasible
    monkeypatch.setattr(structural_bounds, "_MAX_WIDTH", 10)
    monkeypatch.setattr(structural_bounds, "_MOST_INDEPENDENT", 0)
    bound = local_bound(dense(8))
    assert (bound.method, bound.exact, bound.strategy) == ("parts", False, None)
    assert bound.verify()
    assert replace(bound, parts=bound.parts[:-1]).verify().refuted


def test_rounding_of_thousands_of_coefficients_is_no_fault(monkeypatch):
    monkeypatch.setattr(structural_bounds, "_EXACT_OBJECTS", 0)
    rng = np.random.default_rng(4)
    rows = [row for row in itertools.product((-1, 0, 1), repeat=8) if any(x >= 0 for x in row)]
    values = rng.normal(size=len(rows)) * 10.0 ** rng.integers(-3, 1, len(rows))
    bound = local_bound(SparseExpression(BellScenario([2] * 8, 2), rows, values))
    assert bound.exact
    assert bound.verify()
    assert replace(bound, numerator=int(bound.numerator * (1 + 1e-12))).verify().refuted


def test_a_strategy_reaches_an_exact_bound():
    bound = local_bound(svetlichny(90))
    assert bound.verify()
    for numerator in (bound.numerator + 1, 2 * bound.numerator):
        assert replace(bound, numerator=numerator).verify().refuted


def test_parts_that_would_take_too_long_are_refused(monkeypatch):
    monkeypatch.setattr(structural_bounds, "_MAX_WIDTH", 4)
    monkeypatch.setattr(structural_bounds, "_MOST_INDEPENDENT", 0)
    monkeypatch.setattr(programs, "_MAX_WORK", 100)
    with pytest.raises(ScenarioError, match="terms of fewer parties"):
        local_bound(dense(8))


def test_closed_forms_are_not_proven_again(monkeypatch):
    star = stabilizer_sum([(0, k) for k in range(1, 30)]).expression
    bound = local_bound(star * 0.5)
    assert (bound.fraction, bound.method) == (2**28 + 2**14, "closed form")
    assert bound.verify().status == "not re-proven"
    assert replace(bound, numerator=2**28).verify().refuted
    with pytest.raises(ScenarioError, match="GHZ"):
        local_bound(star * -1)
    # What is stated of an expression with listed terms counts only where a proof is out of reach.
    monkeypatch.setattr(structural_bounds, "_MAX_WIDTH", 2)
    monkeypatch.setattr(structural_bounds, "_MOST_INDEPENDENT", 0)
    expression = baccari_inequality([(0, 1), (1, 2), (2, 3)]).expression
    bound = local_bound(expression)
    assert (bound.fraction, bound.method) == (5, "closed form")
    assert bound.verify()


def test_stated_bounds_that_a_strategy_exceeds_are_refused(monkeypatch):
    unlisted = OfRule(40, 2, [1.0], known_bounds=KnownBounds(local=5, source="nobody"))
    with pytest.raises(ScenarioError, match="terms to list"):
        local_bound(unlisted)
    assert StructuralBound(unlisted, 5, 1, False, None, "closed form", None, None).verify().refuted
    chsh = BellExpression.from_terms(BellScenario([2, 2], 2), {((0, x), (1, y)): 1 - 2 * x * y for x, y in PAIRS})
    assert StructuralBound(chsh, 1, 1, False, None, "closed form", None, None).verify().refuted
    values = chsh.coefficients * [1, 1, 2, 1]
    stated = SparseExpression(chsh.scenario, chsh.rows, values, KnownBounds(local=1, source="nobody"))
    assert StructuralBound(stated, 1, 1, False, None, "closed form", None, None).verify().refuted
    assert local_bound(stated).fraction == 3
    monkeypatch.setattr(structural_bounds, "_MAX_WIDTH", 0)
    monkeypatch.setattr(structural_bounds, "_MOST_INDEPENDENT", 0)
    with pytest.raises(ScenarioError, match="known_bounds"):
        local_bound(stated)


@pytest.mark.parametrize("edges", [[(0, 1), (1, 2), (2, 0)], [(0, 1), (1, 2), (2, 3)], [(0, 1), (0, 2), (0, 3)]])
def test_sums_of_stabilizers(edges):
    expression = stabilizer_sum(edges).expression
    for factor in (1, -0.5):
        bound = local_bound(expression * factor)
        assert bound.fraction == all_values(expression.to_sparse() * factor).max()
        assert bound.verify()
        assert replace(bound, numerator=bound.numerator - 1).verify().refuted
    assert expression.closed_form in (None, local_bound(expression).fraction)


def test_all_outcomes_of_z_may_be_plus():
    # With outcomes of Z to be chosen, too, this takes minutes.
    ring = stabilizer_sum([(k, (k + 1) % 10) for k in range(10)]).expression
    assert local_bound(ring).fraction == ring.known_bounds.local


def test_saved(tmp_path):
    bound = local_bound(dense(4))
    bound.save(tmp_path / "bound.json")
    assert type(bound).load(tmp_path / "bound.json") == bound


@pytest.mark.parametrize(
    ("attempt", "message"),
    [
        (lambda: local_bound(OfRule(40, 2, [1.0])), "upper bound by parts|terms to list"),
        (lambda: local_bound(dense(3), "heuristic"), "many parties"),
        (lambda: elimination_cost(None), "ManyPartyExpression"),
        (lambda: bound_per_site(dense(3)), "chain that repeats"),
        (lambda: replace(local_bound(dense(3)), denominator=0), "positive"),
        (lambda: replace(local_bound(dense(3)), strategy=None), "reaches an exact bound"),
        (lambda: BoundPerSite(dense(3), 1, 0, np.zeros((1, 2))), "positive"),
        (lambda: ManyPartyInequality.of(dense(3)).violation("much"), "value"),
    ],
)
def test_bad_input(attempt, message):
    with pytest.raises(ScenarioError, match=message):
        attempt()
