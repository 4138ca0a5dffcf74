import dataclasses

import numpy as np
import pytest
import sympy
from qiskit.quantum_info import DensityMatrix, Statevector, random_density_matrix, random_statevector
from qiskit_lhv import (
    Behavior,
    BellExpression,
    BellInequality,
    BellScenario,
    CorrelationTensor,
    chsh,
    local_bound,
    measurement,
)
from qiskit_lhv.exceptions import MeasurementError, ScenarioError
from qiskit_lhv.polytope import mermin

from helpers import BELL, pr_box


def test_chsh_values_of_the_three_worlds():
    assert chsh().value(pr_box()) == pytest.approx(4)
    assert chsh().value(Behavior.from_state(BELL, "chsh")) == pytest.approx(2 * np.sqrt(2))
    assert local_bound(chsh()).value == 2


def test_chsh_minus_sign_sits_at_the_settings_given():
    behavior = Behavior.from_correlators([[0.1, 0.2], [0.3, 0.4]], marginals=False)
    assert chsh((0, 1)).value(behavior) == pytest.approx(0.1 - 0.2 + 0.3 + 0.4)


def test_mermin_value_of_ghz():
    for n in (2, 3, 4):
        ghz = np.zeros(2**n)
        ghz[[0, -1]] = np.sqrt(0.5)
        assert mermin(n).value(Behavior.from_state(Statevector(ghz), "mermin")) == pytest.approx(2 ** (n - 1))


def test_correlator_form_round_trip_with_unequal_settings():
    coefficients = np.random.default_rng(0).normal(size=(3, 4))
    expression = BellExpression.from_correlators(coefficients)
    assert expression.scenario == BellScenario((2, 3), (2, 2))
    np.testing.assert_allclose(expression.to_correlators(), coefficients)


def test_correlator_form_has_the_value_of_the_correlators():
    rng = np.random.default_rng(1)
    behavior = Behavior.from_state(random_density_matrix((2, 2), seed=2), [["X", "Z"], ["Y", "X", "Z"]])
    coefficients = rng.normal(size=(3, 4))
    value = BellExpression.from_correlators(coefficients).value(behavior)
    assert value == pytest.approx(np.sum(coefficients * behavior.to_correlators()))


def test_collins_gisin_form_round_trip_and_value_with_three_outcomes():
    rng = np.random.default_rng(4)
    scenario = BellScenario((2, 3), (3, 2))
    table = rng.integers(-5, 6, size=(5, 4))
    expression = BellExpression.from_collins_gisin(table, scenario)
    np.testing.assert_array_equal(expression.coefficients, np.rint(expression.coefficients))
    np.testing.assert_allclose(expression.to_collins_gisin(), table)
    party = [rng.dirichlet(np.ones(d), size=m) for m, d in ((2, 3), (3, 2))]
    behavior = Behavior(np.einsum("xa,yb->xyab", *party))
    assert expression.value(behavior) == pytest.approx(np.sum(table * behavior.to_collins_gisin()))
    with pytest.raises(ScenarioError, match="table"):
        BellExpression.from_collins_gisin(np.zeros((4, 5)), scenario)


def test_sympy_form_is_exact():
    a0, a1, b0 = sympy.symbols("<A0> <A1> <B0>")
    pair = sympy.Symbol("<A1 B0>")
    expression = BellExpression.from_correlators([[-2, 0.75], [0.1, 0], [0, 1 / 3]]).to_sympy()
    assert expression.coeff(b0) == sympy.Rational(3, 4)
    assert expression.coeff(pair) == sympy.Rational(1, 3)
    assert expression.coeff(a1) == 0
    assert expression.coeff(a0) == sympy.Rational(1, 10)
    root = BellExpression.from_correlators([[0, 2**0.5], [0, 0]]).to_sympy()
    assert root.coeff(b0) == sympy.Rational(2**0.5)
    assert expression.as_coefficients_dict()[1] == -2
    assert chsh().to_sympy().subs({symbol: 1 for symbol in chsh().to_sympy().free_symbols}) == 2
    win = BellExpression(np.arange(6.0).reshape(1, 1, 2, 3) / 7).to_sympy()
    assert win.coeff(sympy.Symbol("p(1 2|0 0)")) == sympy.Rational(5, 7)
    assert len(win.free_symbols) == 5


def test_operator_has_the_expectation_value_of_the_expression():
    rng = np.random.default_rng(2)
    state = random_density_matrix((2, 2, 2), seed=3)
    vectors = [rng.normal(size=(m, 3)) for m in (2, 1, 3)]
    settings = [[v / np.linalg.norm(v) for v in party] for party in vectors]
    expression = BellExpression(rng.normal(size=(2, 1, 3, 2, 2, 2)))
    operator = expression.operator(settings)
    assert operator.num_qubits == 3
    expected = expression.value(Behavior.from_state(state, settings))
    assert DensityMatrix(state).expectation_value(operator).real == pytest.approx(expected)


def test_operator_puts_party_zero_on_qubit_zero():
    table = np.zeros((1, 1, 2, 2))
    table[0, 0] = [[1, 1], [-1, -1]]
    [(label, coefficient)] = BellExpression(table).operator([["X"], ["Z"]]).to_list()
    assert label == "IX"
    assert coefficient == pytest.approx(1)


def test_operator_refuses_settings_that_do_not_fit():
    with pytest.raises(MeasurementError, match="settings"):
        chsh().operator([["X"], ["Z", "X"]])
    with pytest.raises(MeasurementError, match="dimension"):
        chsh().operator([[measurement("XX"), measurement("ZZ")], ["Z", "X"]])


def test_printed_form():
    assert str(chsh((0, 1))) == "<A0 B0> - <A0 B1> + <A1 B0> + <A1 B1>"
    assert str(BellExpression.from_correlators([[0, -2.5], [1, 0]])) == "- 2.5<B0> + <A0>"
    assert str(BellInequality.of(chsh())).endswith("<= 2")


def test_verify_proves_bound_and_violation():
    inequality = BellInequality.of(chsh())
    assert inequality.verify()
    assert inequality.verify(pr_box())
    assert inequality.violation(pr_box()) == pytest.approx(2)
    local = Behavior.white_noise(BellScenario((2, 2), (2, 2)))
    refused = inequality.verify(local)
    assert not refused
    assert refused.deviation == pytest.approx(-2)


def test_verify_refuses_violation_within_rounding():
    behavior = Behavior.from_state(BELL, "chsh").mix(visibility=np.sqrt(0.5) + 1e-10)
    inequality = BellInequality.of(chsh())
    assert inequality.violation(behavior) > 0
    assert not inequality.verify(behavior, rounding_error=1e-9)
    assert inequality.verify(behavior, rounding_error=1e-12)


def test_verify_refuses_bound_that_is_too_small_or_heuristic():
    inequality = BellInequality.of(chsh())
    low = dataclasses.replace(inequality.bound, value=np.nextafter(2.0, 0))
    assert not BellInequality(chsh(), low).verify()
    heuristic = dataclasses.replace(inequality.bound, exact=False)
    refused = BellInequality(chsh(), heuristic).verify()
    assert not refused
    assert "heuristic" in refused.reason


def test_verify_refuses_changed_coefficients():
    inequality = BellInequality.of(chsh())
    rng = np.random.default_rng(0)
    refused = 0
    for _ in range(50):
        coefficients = chsh().coefficients.copy()
        coefficients[tuple(rng.integers(2, size=4))] += 1
        refused += not BellInequality(BellExpression(coefficients), inequality.bound).verify()
    # One more winning cell always lets some strategy exceed 2: CHSH = 2 is reached in every cell.
    assert refused == 50


def test_bad_input():
    with pytest.raises(ScenarioError, match="coefficients"):
        BellExpression(np.zeros((2, 2, 2)))
    with pytest.raises(ScenarioError, match="finite"):
        BellExpression(np.full((2, 2, 2, 2), np.nan))
    with pytest.raises(ScenarioError, match="coefficients"):
        BellExpression(np.zeros((2, 2, 2, 2)), BellScenario((3, 2), (2, 2)))
    with pytest.raises(ScenarioError, match="expression"):
        chsh().value(Behavior.white_noise(BellScenario((3, 2), (2, 2))))
    with pytest.raises(ScenarioError, match="minus"):
        chsh((0, 2))
    with pytest.raises(ScenarioError, match="num_parties"):
        mermin(1)
    with pytest.raises(ScenarioError, match="two outcomes"):
        BellExpression(np.zeros((1, 1, 3, 2))).to_correlators()


@pytest.mark.parametrize("parties", [(0, 1), (0, 2), (1, 3)])
def test_lifted_expression_has_the_value_on_the_parties_that_take_part(parties):
    rng = np.random.default_rng(5)
    expression = BellExpression(rng.integers(-3, 4, size=(2, 3, 2, 2)).astype(float))
    lifted = expression.lift(4, parties)
    sizes = [1] * 4
    sizes[parties[0]], sizes[parties[1]] = 2, 3
    assert lifted.scenario == BellScenario(tuple(sizes), (2, 2, 2, 2))
    settings = [[rng.normal(size=3) for _ in range(m)] for m in sizes]
    settings = [[one / np.linalg.norm(one) for one in party] for party in settings]
    tensor = CorrelationTensor.from_state(random_statevector(16, seed=2))
    reduced = tensor.reduce(parties).behavior([settings[k] for k in parties])
    assert lifted.value(tensor.behavior(settings)) == pytest.approx(expression.value(reduced), abs=1e-12)
    assert local_bound(lifted).value == local_bound(expression).value


@pytest.mark.parametrize("parties", [(0,), (0, 0), (1, 0), (0, 4), (-1, 2), (0, 1, 2), 3, (0.0, 1)])
def test_parties_to_lift_to_that_do_not_fit(parties):
    with pytest.raises(ScenarioError, match="parties: expected 2 distinct parties of 4, ascending"):
        chsh().lift(4, parties)
