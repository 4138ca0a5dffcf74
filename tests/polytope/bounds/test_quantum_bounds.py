import dataclasses
import sys

import numpy as np
import pytest
from qiskit.quantum_info import random_statevector
from qiskit_lhv import Behavior, BellExpression, chsh, local_bound, measurement
from qiskit_lhv._support.conic import minimize_over_cones
from qiskit_lhv.exceptions import ScenarioError, SolverError
from qiskit_lhv.polytope import QuantumBound, cglmp, chained, elegant, i3322, mermin, quantum_bound
from qiskit_lhv.polytope.bounds.correlation_matrices import correlation_matrix_dual
from qiskit_lhv.polytope.bounds.moment_matrices import MomentMatrix, _monomials, _num_monomials, parse_level
from qiskit_lhv.polytope.bounds.moment_programs import _positive_rows, _probability_rows
from qiskit_lhv.polytope.bounds.quantum_bounds import _costs
from qiskit_lhv.polytope.bounds.seesaw import seesaw


@pytest.mark.parametrize(
    ("expression", "level", "value"),
    [
        (chsh(), 1, 2 * np.sqrt(2)),  # reference_values.md
        (chsh(), "1+AB", 2 * np.sqrt(2)),
        (mermin(3), "1+AB", 4),
        (mermin(3), 2, 4),
        (chained(4), 1, 8 * np.cos(np.pi / 8)),  # S. Wehner, arXiv:quant-ph/0510076
        (elegant(), 1, 4 * np.sqrt(3)),  # N. Gisin, arXiv:quant-ph/0702021
    ],
)
def test_bounds_meet_at_the_known_quantum_value(expression, level, value):
    bound = quantum_bound(expression, level)
    assert value <= bound.upper < value + 1e-6
    assert bound.lower == pytest.approx(value, abs=1e-9)
    assert bound.verify()


def test_i3322_levels_and_qubit_value():
    # Quantum value 0.250875 (reference_values.md); levels as in K. F. Pal, T. Vertesi, arXiv:1006.3032.
    first, second, third = (quantum_bound(i3322(), level) for level in (1, "1+AB", 2))
    assert first.upper > second.upper > third.upper > 0.250875
    assert second.upper == pytest.approx(0.251471, abs=1e-5)
    assert third.upper == pytest.approx(0.250940, abs=1e-5)
    assert third.lower == pytest.approx(0.25, abs=1e-9)


def test_level_one_is_plain_unless_probabilities_have_to_be_positive():
    # 1.375 - 1 of Ket.jl and QETLAB; the literature's other level 1 adds positivity.
    plain, positive = quantum_bound(i3322(), 1), quantum_bound(i3322(), "1+P")
    assert plain.upper == pytest.approx(0.375, abs=1e-6)
    assert not plain.multipliers.any()
    assert positive.upper == pytest.approx(0.366025, abs=1e-5)
    assert positive.multipliers.any()
    assert positive.level == "1+P"
    assert plain.verify()
    assert positive.verify()
    assert dataclasses.replace(positive, level="1").verify().refuted
    # Where rows hold products of both parties' projectors, it follows by itself.
    assert quantum_bound(i3322(), "1+AB+P").upper == pytest.approx(quantum_bound(i3322(), "1+AB").upper, abs=1e-6)


def test_positive_probabilities_tighten_three_parties():
    plain, positive = (quantum_bound(mermin(3), level) for level in ("1+AB", "1+AB+P"))
    assert positive.upper <= plain.upper + 1e-7
    with pytest.raises(ScenarioError, match=r"holds all probabilities, for '\+P'"):
        quantum_bound(chsh().lift(3, [0, 1]), "1+P")


def test_levels_that_fit_are_named():
    with pytest.raises(ScenarioError, match=r"at most 120 rows, got \d+ rows") as error:
        quantum_bound(chained(9), 3)
    assert "What fits: 1+AB (100 rows), 1 (19 rows)" in str(error.value)
    with pytest.raises(ScenarioError, match="Not even level 1 fits"):
        quantum_bound(chained(70), 1)


@pytest.mark.parametrize("level", [1, 2, 3, "1+AB", "1+AAB", "1+AB+ABC"])
@pytest.mark.parametrize("expression", [chsh(), mermin(3), cglmp(3)], ids=["chsh", "mermin", "cglmp"])
def test_rows_are_counted_without_making_them(expression, level):
    highest, groups, _ = parse_level(level)
    rows = list(_monomials(expression.scenario, highest, groups))
    assert len(set(rows)) == len(rows) == _num_monomials(expression.scenario, highest, groups)


def test_three_outcomes():
    # M. Navascues, S. Pironio, A. Acin, arXiv:quant-ph/0607119: 3.1547 at level 1 with positive probabilities, 2.9149
    # at level 1+AB.
    assert quantum_bound(cglmp(3), "1+P", dimension=3).upper == pytest.approx(3.1547, abs=1e-4)
    assert quantum_bound(cglmp(3), 1, dimension=3).upper == pytest.approx(4, abs=1e-4)
    bound = quantum_bound(cglmp(3), "1+AB", dimension=3)
    assert bound.upper == pytest.approx(2.914854, abs=2e-6)
    assert bound.lower == pytest.approx(2.914854, abs=1e-6)
    assert bound.lower < bound.upper


def test_upper_bound_is_not_below_random_quantum_behaviors():
    rng = np.random.default_rng(0)
    for seed in range(5):
        expression = BellExpression(rng.normal(size=(2, 3, 3, 2)))
        bound = quantum_bound(expression, 1, dimension=3, seed=seed)
        assert bound.upper >= bound.lower >= local_bound(expression).value - 1e-6
        bases = [[np.linalg.qr(rng.normal(size=(k, k)))[0] for _ in range(m)] for m, k in ((2, 3), (3, 2))]
        settings = [[measurement(basis=basis) for basis in party] for party in bases]
        # Party 1 is a qubit, party 0 a qutrit.
        behavior = Behavior.from_state(random_statevector((3, 2), seed=seed), settings)
        assert expression.value(behavior) <= bound.upper


def test_lower_bound_can_be_reproduced_by_the_user():
    bound = quantum_bound(chained(3), 1, seed=3)
    behavior = Behavior.from_state(bound.statevector(), bound.settings)
    assert chained(3).value(behavior) == pytest.approx(bound.lower, abs=1e-12)
    operator = chained(3).operator(bound.settings)
    assert bound.statevector().expectation_value(operator).real == pytest.approx(bound.lower, abs=1e-9)
    again = quantum_bound(chained(3), 1, seed=3)
    assert again.lower == bound.lower


def test_seesaw_puts_party_zero_on_axis_zero():
    # Only party 0 has three settings; its marginal alone decides.
    coefficients = np.zeros((4, 2))
    coefficients[2, 0] = 1
    expression = BellExpression.from_correlators(coefficients)
    state, effects = seesaw(expression, 2, np.random.default_rng(0))
    assert [one.shape for one in effects] == [(3, 2, 2, 2), (1, 2, 2, 2)]
    reduced = state @ state.conj().T
    assert np.trace(reduced @ (effects[0][1, 0] - effects[0][1, 1])).real == pytest.approx(1)


def test_seesaw_effects_are_measurements():
    for d, dimension in ((3, 2), (3, 3), (4, 3)):
        _, effects = seesaw(cglmp(d), dimension, np.random.default_rng(1))
        for one in effects:
            np.testing.assert_allclose(
                one.sum(axis=1), np.broadcast_to(np.eye(dimension), (2, dimension, dimension)), atol=1e-12
            )
            assert np.linalg.eigvalsh(one).min() > -1e-12


def test_verify_refuses_changed_evidence(tmp_path):
    bound = quantum_bound(chsh(), 1)
    assert not dataclasses.replace(bound, upper=2 * np.sqrt(2) - 1e-9).verify()
    # A dual solution that fits less well proves less, whichever way it is off.
    assert not dataclasses.replace(bound, factor=bound.factor * 1.01).verify()
    assert not dataclasses.replace(bound, factor=bound.factor * 0.99).verify()
    assert not dataclasses.replace(bound, factor=bound.factor * 0).verify()
    assert not dataclasses.replace(bound, factor=bound.factor[:-1]).verify()
    assert not dataclasses.replace(bound, lower=bound.lower + 1e-6).verify()
    assert not dataclasses.replace(bound, multipliers=bound.multipliers - 1).verify()
    bound.save(tmp_path / "bound.json")
    loaded = QuantumBound.load(tmp_path / "bound.json")
    assert loaded == bound
    assert loaded.verify()


def test_moment_matrix_of_chsh():
    matrix = MomentMatrix.of(chsh().scenario, 1)
    # Identity, 4 observables; moments: 1, A0, A1, B0, B1, A0A1, 4 products AB, B0B1.
    assert matrix.entries.shape == (5, 5)
    assert matrix.num_moments == 11
    np.testing.assert_array_equal(np.diag(matrix.entries), 0)
    assert MomentMatrix.of(chsh().scenario, "1+ab").entries.shape == (9, 9)
    assert MomentMatrix.of(chsh().scenario, 2).entries.shape == (13, 13)
    assert MomentMatrix.of(cglmp(3).scenario, "1+AB").entries.shape == (25, 25)
    assert parse_level("2+AAB") == (2, ((2, 1),), False)
    assert parse_level("1+ab+P") == (1, ((1, 1),), True)
    assert parse_level("1+P") == (1, (), True)


def test_moment_matrix_of_a_quantum_state_obeys_the_reduction():
    # Moments that share a number must have one value in any state with any projectors.
    rng = np.random.default_rng(5)
    matrix = MomentMatrix.of(cglmp(3).scenario, 1)
    vectors = [[np.linalg.qr(rng.normal(size=(3, 3)))[0] for _ in range(2)] for _ in range(2)]
    projectors = [[[np.outer(u[:, a], u[:, a]) for a in range(2)] for u in party] for party in vectors]
    rows = [np.eye(9)]
    rows += [np.kron(projectors[0][x][a], np.eye(3)) for x in range(2) for a in range(2)]
    rows += [np.kron(np.eye(3), projectors[1][x][a]) for x in range(2) for a in range(2)]
    state = rng.normal(size=9)
    vectors = np.array([row @ state for row in rows]) / np.linalg.norm(state)
    gram = vectors @ vectors.T
    for number in range(-1, matrix.num_moments):
        values = gram[matrix.entries == number]
        expected = {-1: 0, 0: 1}.get(number, values[0])
        np.testing.assert_allclose(values, expected, atol=1e-12)


def test_bad_input():
    for level in (0, "AB", "1+A2", 1.0, True, "12"):
        with pytest.raises(ScenarioError, match="level"):
            quantum_bound(chsh(), level)
    with pytest.raises(ScenarioError, match="too low"):
        quantum_bound(mermin(3), 1)
    with pytest.raises(ScenarioError, match="120 rows"):
        quantum_bound(chained(8), 2)
    with pytest.raises(ScenarioError, match="20\\*\\*2 = 400"):
        quantum_bound(chsh(), dimension=20)
    with pytest.raises(ScenarioError, match="dimension"):
        quantum_bound(chsh(), dimension=1)


def test_missing_solver_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "clarabel", None)
    with pytest.raises(SolverError, match=r"qiskit-lhv\[sdp\]"):
        quantum_bound(i3322())


def test_correlators_of_two_parties_and_level_one_take_no_solver(monkeypatch):
    monkeypatch.setitem(sys.modules, "clarabel", None)
    assert quantum_bound(chained(5), "1+AB").verify()
    assert quantum_bound(i3322(), 1).verify()


@pytest.mark.parametrize("level", [1, "1+P", "1+AB", "1+AB+P", 2])
def test_correlators_of_two_parties_have_one_value_at_all_levels(level):
    # Tsirelson: level 1 is exact, here in qubits up to the seesaw's accuracy.
    coefficients = np.zeros((4, 4))
    coefficients[0, 0] = 0.25
    coefficients[1:, 1:] = np.random.default_rng(7).normal(size=(3, 3))
    bound = quantum_bound(BellExpression.from_correlators(coefficients), level, dimension=4)
    assert 0 <= bound.gap < 1e-7
    assert not bound.multipliers.any()
    assert bound.verify()


@pytest.mark.parametrize(
    ("expression", "level"),
    [
        (i3322(), 1),
        (i3322(), "1+AB"),
        (i3322(), "1+P"),
        (mermin(3), "1+AB"),
        (mermin(3), "1+AB+P"),
        (cglmp(3), "1+P"),
        (chsh(), 2),
    ],
)
def test_smaller_programs_have_the_value_of_the_whole_one(expression, level):
    moments = MomentMatrix.of(expression.scenario, level)
    exact, exponent = _costs(expression, moments, np.zeros(expression.scenario.shape))
    costs = np.array([float(cost) for cost in exact]) / 2**exponent
    constant, costs[0] = costs[0], 0
    # Without any reduction: one matrix, all moments.
    used = np.arange(1, moments.num_moments)
    place = np.concatenate([[-1], np.arange(len(used))])
    rows = [_positive_rows(moments.entries, place, len(used))]
    if moments.positivity:
        rows.append(_probability_rows(moments, used)[0])
    whole = constant + costs[1:] @ minimize_over_cones("test", -costs[1:], rows).values
    assert quantum_bound(expression, level).upper == pytest.approx(whole, abs=1e-6)


def test_swaps_of_outcomes_split_the_matrix():
    # Mermin's expression has no marginals, so no moment of a single observable takes part.
    bound = quantum_bound(mermin(3), "1+AB")
    dual = bound.factor @ bound.factor.T
    single = MomentMatrix.of(mermin(3).scenario, "1+AB").row_parities.sum(axis=1) == 1
    assert single.sum() == 6
    assert not dual[0, single].any()
    assert dual[single][:, single].any()


def test_correlation_matrices_of_a_ring():
    # Eigenvalues of a ring with one sign turned: n cos(pi / n) is Tsirelson's bound of the chain.
    n = 12
    costs = np.zeros((n + 1, n + 1))
    costs[np.arange(n - 1), np.arange(1, n)] = 0.5
    costs[0, n - 1] = -0.5
    costs += costs.T
    dual = correlation_matrix_dual("test", costs)
    assert np.trace(dual) == pytest.approx(n * np.cos(np.pi / n), abs=1e-8)
    assert np.linalg.eigvalsh(dual)[0] >= -1e-12
    assert not dual[n].any()


def test_a_time_limit_ends_the_semidefinite_program():
    pytest.importorskip("clarabel")
    with pytest.raises(SolverError, match="the time limit is over"):
        quantum_bound(i3322(), 2, time_limit=1e-6)
    assert quantum_bound(i3322(), 1, time_limit=60).upper == quantum_bound(i3322(), 1).upper
