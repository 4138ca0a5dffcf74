import dataclasses

import numpy as np
import pytest
from qiskit_lhv import local_bound
from qiskit_lhv.exceptions import CountsError, ScenarioError
from qiskit_lhv.experiments import ManyPartyExperiment, ManyPartySchedule, ghz_preparation, graph_state_preparation
from qiskit_lhv.polytope import ardehali, baccari_inequality, group_bound, mermin, svetlichny
from qiskit_lhv.polytope.expressions.many_parties.ghz_families import mermin_of_many
from qiskit_lhv.statistics import (
    expected_value,
    many_party_test,
    nested_expressions,
    nonlocality_depth,
    shots_of_many_parties,
    violation_reach,
)
from qiskit_lhv.targets import ManyPartyShots


def shots_of_scores(expression, won, seed):
    """Shots in which the drawn term has the sign of its coefficient, or not, as asked for."""
    rng = np.random.default_rng(seed)
    terms = expression.draw_terms(len(won), rng)
    n = expression.num_parties
    bits = rng.integers(2, size=(len(won), n), dtype=np.uint8)
    wanted = np.where(won, 1, -1) * np.sign(expression.coefficients_of(terms))
    present = terms >= 0
    first = np.argmax(present, axis=1)
    parity = 1 - 2 * ((bits * present).sum(axis=1) % 2).astype(int)
    bits[np.arange(len(won)), first] ^= (parity != wanted).astype(np.uint8)
    packed = np.packbits(bits, axis=1, bitorder="little")
    settings = np.where(present, terms, 0).astype(np.int8)
    return ManyPartyShots(expression.scenario, settings, np.ones(len(won), int), packed, "random", terms)


@pytest.fixture(scope="module")
def ring():
    edges = [(k, (k + 1) % 12) for k in range(12)]
    inequality = baccari_inequality(edges, centers=[2])
    experiment = ManyPartyExperiment(graph_state_preparation(edges).circuit, inequality.settings)
    schedule = ManyPartySchedule.blocks(inequality.expression, 2000)
    return inequality.expression, experiment.run(experiment.simulator(seed=3), schedule)


def test_the_violation_reaches_all_registers_that_hold_the_center(ring):
    expression, shots = ring
    parts = (*nested_expressions(expression, [range(n) for n in (5, 6, 8)]), expression)
    reach = violation_reach(shots, parts)
    assert reach.num_parties == (5, 6, 8, 12)
    assert reach.violated == (True,) * 4
    assert reach.largest == 12
    # The center's terms and those of its two neighbors give 4 sqrt(2) instead of 4, every other generator 1.
    others = np.array([0, 1, 3, 9])
    np.testing.assert_allclose(reach.ratios, (4 * np.sqrt(2) + others) / (4 + others), atol=0.05)
    assert np.all(np.diff(reach.ratios) < 0)
    assert reach.verify()
    assert "the largest one that is violated has 12" in str(reach)


def test_p_values_are_those_of_holm():
    expression = mermin_of_many(5)
    rng = np.random.default_rng(1)
    tests = [many_party_test(shots_of_scores(expression, rng.random(300) < p, 1), expression) for p in (0.7, 0.65, 0.9)]
    reach = dataclasses.replace(violation_reach(shots_of_scores(expression, np.ones(9, bool), 1), [expression]))
    reach = dataclasses.replace(reach, tests=tuple(tests))
    p = 10.0 ** np.array([test.log10_p_value for test in tests])
    assert p[2] < p[0] < p[1]
    expected = [max(3 * p[2], 2 * p[0]), max(3 * p[2], 2 * p[0], p[1]), 3 * p[2]]
    np.testing.assert_allclose(10**reach.log10_p_values, np.minimum(1, expected), rtol=1e-9)


def test_local_data_reach_nothing():
    expression = mermin_of_many(6)
    won = np.random.default_rng(5).random(2000) < (1 + 6 / 32) / 2
    reach = violation_reach(shots_of_scores(expression, won, 5), [expression])
    assert reach.largest is None
    assert nonlocality_depth(shots_of_scores(expression, won, 5), expression).depth == 1


def test_depth_of_a_noisy_state():
    n = 8
    expression = ardehali(n)
    # A mean score of 0.6: above what three groups reach, 1/2 with the algebraic bound as unit, and below two's.
    won = np.random.default_rng(2).random(4000) < (1 + 0.6) / 2
    found = nonlocality_depth(shots_of_scores(expression, won, 2), expression)
    bounds = {m: group_bound(expression, m).value / expression.weight for m in range(1, n + 1)}
    excluded = min(m for m, bound in bounds.items() if bound < 0.55)
    assert found.largest_num_groups == excluded - 1
    assert found.depth == -(-n // (excluded - 1))
    assert found.verify()
    assert not dataclasses.replace(found, num_parties=2 * n).verify()
    assert not dataclasses.replace(found, alpha=1e-300).verify()


def test_a_simulated_ghz_state_of_ten_has_full_depth():
    expression = ardehali(10)
    settings = [("X", "Y")] * 9 + [("X-Y", "X+Y")]
    experiment = ManyPartyExperiment(ghz_preparation(10).circuit, settings)
    schedule = ManyPartySchedule.random(expression, num_runs=400, shots=1, seed=4)
    shots = experiment.run(experiment.simulator(seed=2), schedule)
    found = nonlocality_depth(shots, expression)
    assert found.depth == 10
    assert "nonlocality depth at least 10 of 10" in str(found)
    # The same expression as the source needs no list of its terms; words name the expression, however long its rule.
    assert many_party_test(shots, expression, drawn_from=ardehali(10)) == many_party_test(shots, expression)
    wide = mermin(60)
    test = many_party_test(shots_of_scores(wide, np.ones(30, dtype=bool), 1), wide, drawn_from=mermin(60))
    assert str(test).startswith("60 parties: S(60, 0) - S(58, 2)")
    assert "... : (5.76 +- " in str(test).replace("...:", "... :")


# Plans


def test_planned_shots_have_the_power():
    expression = mermin_of_many(12)
    value = expected_value(expression, fidelity=0.3, readout_error=0.02)
    assert value == pytest.approx(2**11 * 0.3 * 0.96**12)
    plan = shots_of_many_parties(expression, value, 1e-4, power=0.8)
    rng = np.random.default_rng(3)
    reached, bound = 0, local_bound(expression)
    for seed in range(200):
        won = rng.random(plan.num_shots) < plan.win_probability
        test = many_party_test(shots_of_scores(expression, won, seed), expression, bound=bound)
        reached += test.log10_p_value <= -4
    assert 0.8 - 3 * np.sqrt(0.16 / 200) <= reached / 200 <= 0.95
    assert plan.local_bound == bound.value


def test_readout_errors_shrink_terms_by_their_parties():
    expression = baccari_inequality([(0, 1), (1, 2)]).expression
    errors = [0.01, 0.02, 0.1]
    rows, weights = expression.rows, np.abs(expression.coefficients)
    factors = np.prod(np.where(rows >= 0, 1 - 2 * np.array(errors), 1.0), axis=1)
    expected = expression.known_bounds.quantum * np.average(factors, weights=weights)
    assert expected_value(expression, readout_error=errors) == pytest.approx(expected)


def test_bad_input(ring):
    expression, shots = ring
    with pytest.raises(ScenarioError, match=r"value: expected a number above the local bound"):
        shots_of_many_parties(expression, 1.0, 0.01)
    with pytest.raises(ScenarioError, match=r"readout_error: expected a number from 0 to 0\.5"):
        expected_value(expression, readout_error=0.7)
    with pytest.raises(ScenarioError, match=r"readout_error: .* got shape \(0,\)"):
        expected_value(expression, readout_error=[])
    with pytest.raises(ScenarioError, match="ideal: expected a finite number"):
        expected_value(expression, ideal="a")
    with pytest.raises(CountsError, match="bound: expected a proven local bound"):
        shots_of_many_parties(expression, 16.0, 0.01, bound=many_party_test(shots, expression))
    with pytest.raises(ScenarioError, match="ideal"):
        expected_value(nested_expressions(expression, [range(6)])[0])
    with pytest.raises(ScenarioError, match="registers: expected parties from 0 to 11"):
        nested_expressions(expression, [[0, 12]])
    for registers in ([5, 10], 5):
        with pytest.raises(ScenarioError, match="registers: expected the parties of each register"):
            nested_expressions(expression, registers)
    with pytest.raises(ScenarioError, match="registers: expected a term"):
        nested_expressions(expression, [[0]])
    for given in ([], expression, [mermin(3)]):
        with pytest.raises(CountsError, match="expressions"):
            violation_reach(shots, given)
    for tested in (nonlocality_depth, many_party_test):
        with pytest.raises(CountsError, match="expression: expected one of 12 parties"):
            tested(shots, svetlichny(5))
    with pytest.raises(ScenarioError, match="bounds for groups"):
        nonlocality_depth(shots, expression)
