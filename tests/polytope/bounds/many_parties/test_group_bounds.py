import dataclasses
import itertools

import pytest
from qiskit_lhv import local_bound
from qiskit_lhv.exceptions import ScenarioError
from qiskit_lhv.polytope import GroupBound, SymmetricExpression, ardehali, group_bound, i3322, mermin, svetlichny
from qiskit_lhv.polytope.expressions.many_parties.ghz_families import mermin_of_many

from helpers import largest_of_groups


@pytest.mark.parametrize("family", [mermin_of_many, ardehali])
@pytest.mark.parametrize("num_parties", [2, 3, 4])
def test_bounds_are_those_of_all_ways_to_form_groups(family, num_parties):
    expression = family(num_parties)
    for m in range(1, num_parties + 1):
        bound = group_bound(expression, m)
        partitions = [
            sizes
            for groups in range(m, num_parties + 1)
            for sizes in itertools.product(range(1, num_parties + 1), repeat=groups)
            if sum(sizes) == num_parties and list(sizes) == sorted(sizes)
        ]
        assert bound.value == max(largest_of_groups(expression, sizes) for sizes in partitions)
        assert bound.verify()


def test_as_many_groups_as_parties_are_local_models():
    for n in (3, 6, 9, 50):
        for expression in (mermin_of_many(n), svetlichny(n)):
            assert group_bound(expression, n).value == local_bound(expression).value
        assert group_bound(svetlichny(n), 2).value == svetlichny(n).known_bounds.hybrid


def test_tables_are_listed_first():
    for m in (2, 3, 5):
        assert group_bound(mermin(5), m).value == group_bound(mermin_of_many(5), m).value


def test_a_bound_that_no_groups_reach_is_no_exact_one():
    bound = group_bound(svetlichny(5), 3)
    for factor in (0.5, 1 + 1e-9, 2):
        assert dataclasses.replace(bound, value=factor * bound.value).verify().refuted


def test_listed_terms_have_the_same_bounds():
    listed = svetlichny(5).to_sparse()
    assert group_bound(listed, 3).value == group_bound(svetlichny(5), 3).value
    assert group_bound(listed, 3).verify()
    with pytest.raises(ScenarioError, match="bounds for groups"):
        group_bound(type(listed)(listed.scenario, listed.rows[1:], listed.coefficients[1:]), 3)


def test_forgeries_are_refuted():
    bound = group_bound(svetlichny(7), 3)
    assert not dataclasses.replace(bound, value=bound.value * (1 - 1e-12)).verify()
    assert not dataclasses.replace(bound, num_groups=2, value=group_bound(svetlichny(7), 3).value / 2).verify()
    assert not dataclasses.replace(bound, num_groups=8).verify()
    other = SymmetricExpression(bound.expression.scenario, [[7, 0], [6, 1]], [1.0, 1.0])
    assert not GroupBound(other, 3, 100.0).verify()


def test_other_expressions_are_refused():
    other = SymmetricExpression(svetlichny(5).scenario, [[2, 0], [1, 1]], [1.0, 1.0])
    with pytest.raises(ScenarioError, match="expression: expected one whose bounds for groups are known"):
        group_bound(other, 2)
    with pytest.raises(ScenarioError, match="expression"):
        group_bound(i3322(), 2)
    with pytest.raises(ScenarioError, match="num_groups"):
        group_bound(mermin_of_many(5), 6)
    assert group_bound(mermin(30), 4).value == 2.0**28
