"""Families of many parties against comparing all strategies, and against states and operators of few qubits."""

import itertools
import math

import numpy as np
import pytest
import rustworkx
from qiskit import QuantumCircuit
from qiskit.quantum_info import SparsePauliOp, StabilizerState, Statevector
from qiskit.transpiler import CouplingMap
from qiskit_lhv import BellScenario
from qiskit_lhv.exceptions import MeasurementError, ScenarioError
from qiskit_lhv.polytope import (
    BellExpression,
    MeasuredExpression,
    ardehali,
    baccari_inequality,
    hamiltonian_expression,
    mermin,
    permutation_invariant_expression,
    quantum_bound,
    stabilizer_sum,
    sum_of_chsh,
    svetlichny,
    toth_guehne_briegel_inequality,
    two_body_expression,
)

PATH = [(0, 1), (1, 2), (2, 3)]
RING = [(k, (k + 1) % 5) for k in range(5)]
STAR = [(0, 1), (0, 2), (0, 3)]
COMPLETE = [(i, j) for i in range(4) for j in range(i)]
PAW = [(0, 1), (1, 2), (0, 2), (2, 3)]
GRAPHS = [PATH, RING, STAR, COMPLETE, PAW]
IDS = ["path", "ring", "star", "complete", "paw"]


def largest_local_value(expression):
    """The local bound, by comparing all strategies of those settings that occur."""
    rows = np.concatenate([block for block, _ in expression.blocks()])
    values = np.concatenate([block for _, block in expression.blocks()])
    used = [(k, x) for k in range(rows.shape[1]) for x in range(rows[:, k].max() + 1) if np.any(rows[:, k] == x)]
    taking_part = np.array([rows[:, k] == x for k, x in used]).astype(float)
    signs = 1 - 2 * ((np.arange(2 ** len(used))[:, None] >> np.arange(len(used))) & 1)
    minus = (signs < 0).astype(float) @ taking_part
    return float(((1 - 2 * (minus % 2)) @ values).max())


def graph_state(edges):
    circuit = QuantumCircuit(1 + max(map(max, edges)))
    circuit.h(range(circuit.num_qubits))
    for edge in edges:
        circuit.cz(*edge)
    return circuit


def check_bounds(measured, state):
    """The state reaches the known quantum bound, no other state exceeds it, and the local bound is known."""
    known, operator = measured.expression.known_bounds, measured.operator()
    assert Statevector(state).expectation_value(operator).real == pytest.approx(known.quantum)
    assert np.linalg.eigvalsh(operator.to_matrix())[-1] == pytest.approx(known.quantum)
    assert largest_local_value(measured.expression) == pytest.approx(known.local)


# Graph states


@pytest.mark.parametrize("edges", GRAPHS, ids=IDS)
def test_baccari_inequality(edges):
    measured = baccari_inequality(edges)
    check_bounds(measured, graph_state(edges))
    n, degree = measured.expression.num_parties, max(np.bincount(np.ravel(edges)))
    # arXiv:1812.10428
    assert measured.expression.known_bounds.local == n + degree - 1
    assert measured.expression.known_bounds.quantum == pytest.approx((2 * math.sqrt(2) - 1) * degree + n - 1)


def test_baccari_inequality_of_several_centers():
    ring = [(k, (k + 1) % 6) for k in range(6)]
    measured = baccari_inequality(ring, centers=[0, 3])
    check_bounds(measured, graph_state(ring))
    assert measured.expression.known_bounds.local == 8
    assert baccari_inequality(ring, "packed").expression == measured.expression
    for centers in ([0, 2], [6], [], [0, 0], "all"):
        with pytest.raises(ScenarioError, match="centers"):
            baccari_inequality(ring, centers)
    with pytest.raises(ScenarioError, match="centers"):
        baccari_inequality(CouplingMap([[0, 1], [1, 3], [3, 4]]).graph, [2])


@pytest.mark.parametrize("edges", [PATH, RING, STAR, PAW], ids=["path", "ring", "star", "paw"])
def test_toth_guehne_briegel_inequality(edges):
    for blocks in ("packed", "all"):
        measured = toth_guehne_briegel_inequality(edges, blocks)
        check_bounds(measured, graph_state(edges))
        known = measured.expression.known_bounds
        assert known.quantum == 2 * known.local == measured.expression.weight


@pytest.mark.parametrize(("leaves", "local"), [(1, 2), (2, 2), (3, 4), (4, 4)])
def test_blocks_are_mermin_expressions(leaves, local):
    star = [(0, k) for k in range(1, leaves + 1)]
    measured = toth_guehne_briegel_inequality(star, [(0, tuple(range(1, leaves + 1)))])
    check_bounds(measured, graph_state(star))
    assert measured.expression.known_bounds.local == local


def test_blocks_that_are_none_are_refused():
    for blocks in ([(0, (1, 2))], [(3, (1,))], [(2, ())], [(9, (1,))], [(2, (3, 3))], [2], [], "each"):
        with pytest.raises(ScenarioError, match="blocks"):
            toth_guehne_briegel_inequality(PAW, blocks)
    with pytest.raises(ScenarioError, match="blocks"):
        toth_guehne_briegel_inequality(COMPLETE)
    six = [(k, k + 1) for k in range(5)]
    assert toth_guehne_briegel_inequality(six).expression.known_bounds.quantum == 8
    assert toth_guehne_briegel_inequality(six, "all").expression.known_bounds.quantum == 16
    # No strategy is known to serve several large blocks at once.
    twice = [(0, (1, 2, 3)), (4, (5, 6, 7))]
    edges = [(i, j) for i, others in twice for j in others]
    assert toth_guehne_briegel_inequality(edges, twice).expression.known_bounds.local is None


@pytest.mark.parametrize("edges", GRAPHS, ids=IDS)
def test_the_sum_of_the_stabilizer(edges):
    measured = stabilizer_sum(edges)
    expression, n = measured.expression, measured.expression.num_parties
    check_bounds(measured, graph_state(edges))
    # Bounds over 2**n of arXiv:quant-ph/0410059.
    assert expression.known_bounds.local / 2**n == {4: 3 / 4, 5: 5 / 8}[n]
    listed = expression.to_sparse()
    rows = expression.draw_terms(200 * 2**n, np.random.default_rng(0))
    np.testing.assert_array_equal(expression.coefficients_of(rows), listed.coefficients_of(rows))
    seen, counts = np.unique(rows, axis=0, return_counts=True)
    assert len(seen) == 2**n - 1
    assert np.all(np.abs(counts - 200) < 5 * math.sqrt(210))
    wrong = rows[:40].copy()
    wrong[:, 0] = (wrong[:, 0] + 2) % 4 - 1
    np.testing.assert_array_equal(expression.coefficients_of(wrong), listed.coefficients_of(wrong))
    assert (expression.weight, expression.constant) == (listed.weight, listed.constant)
    assert (0.5 * expression).known_bounds.quantum == 2 ** (n - 1)


def test_stars_of_any_size_are_ghz_states():
    for n in (2, 5, 6):
        star = stabilizer_sum([(0, k) for k in range(1, n)]).expression
        # One edge more makes no star, so all strategies are compared.
        shifted = stabilizer_sum([(0, k) for k in range(1, n)] + [(n, n + 1)]).expression
        assert shifted.known_bounds.local == 4 * star.known_bounds.local
    large = stabilizer_sum([(0, k) for k in range(1, 100)]).expression
    assert large.known_bounds.local == 2**99 + 2**50
    assert large.weight == 2.0**100 - 1
    assert stabilizer_sum([(k, k + 1) for k in range(20)]).expression.known_bounds.local is None


def test_a_device_of_many_qubits():
    couplings = CouplingMap.from_heavy_hex(5)
    state = StabilizerState(graph_state(sorted({tuple(sorted(edge)) for edge in couplings.get_edges()})))
    for measured in (baccari_inequality(couplings, "packed"), toth_guehne_briegel_inequality(couplings)):
        known = measured.expression.known_bounds
        assert state.expectation_value(measured.operator()).real == pytest.approx(known.quantum)


def test_graphs_come_in_every_form():
    adjacency = np.zeros((4, 4), dtype=int)
    for i, j in PATH:
        adjacency[i, j] = adjacency[j, i] = 1
    forms = [CouplingMap(PATH), rustworkx.generators.path_graph(4), adjacency, [*PATH, (1, 0)], tuple(PATH)]
    first, *others = (sum_of_chsh(form) for form in forms)
    assert all(other == first for other in others)
    for bad in (None, 4, "path", [], [(0, 0)], [(0, 1, 2)], [(-1, 0)], [(0, 1.5)], np.eye(3), np.ones((2, 3))):
        with pytest.raises(ScenarioError, match="graph"):
            sum_of_chsh(bad)


# GHZ states


@pytest.mark.parametrize("n", [2, 3, 4, 5])
def test_ghz_families(n):
    ghz = QuantumCircuit(n)
    ghz.h(0)
    for k in range(1, n):
        ghz.cx(0, k)
    settings = ((("X", "Y"),) * (n - 1), (("X-Y", "X+Y"),))
    check_bounds(MeasuredExpression(ardehali(n), sum(settings, ())), ghz)
    assert svetlichny(n) == ardehali(n)
    mixed = mermin(n).to_sparse()
    assert largest_local_value(mixed) == 2 ** (n // 2)
    assert svetlichny(n).weight == svetlichny(n).known_bounds.no_signaling


def test_no_hybrid_model_of_three_parties_exceeds_the_svetlichny_bound():
    rows, values = (np.concatenate(part) for part in zip(*svetlichny(3).blocks(), strict=True))
    best = 0
    # Parties 0 and 1 know both of their settings: any sign of the product for each pair of settings.
    for pair in itertools.product((1, -1), repeat=4):
        for alone in itertools.product((1, -1), repeat=2):
            signs = np.array(pair).reshape(2, 2)[rows[:, 0], rows[:, 1]] * np.array(alone)[rows[:, 2]]
            best = max(best, float(signs @ values))
    assert best == svetlichny(3).known_bounds.hybrid == 4
    assert svetlichny(3).known_bounds.hybrid < svetlichny(3).known_bounds.quantum
    assert svetlichny(4).lift(6, [0, 1, 2, 3]).known_bounds.hybrid is None


def test_numbers_of_parties_out_of_range_are_refused():
    for make in (ardehali, svetlichny, mermin):
        for bad in (1, 1001, 2.5, None):
            with pytest.raises(ScenarioError, match="num_parties"):
                make(bad)


# Two-body terms


def test_two_body_terms_of_a_graph():
    expression = two_body_expression([(1, 0), (1, 2)], [[1, 2], [0, -1]], singles=[[0, 0], [3, 0], [0, 0.5]])
    assert expression.terms == {
        ((0, 0), (1, 0)): 1,
        ((0, 0), (1, 1)): 2,
        ((0, 1), (1, 1)): -1,
        ((1, 0), (2, 0)): 1,
        ((1, 0), (2, 1)): 2,
        ((1, 1), (2, 1)): -1,
        ((1, 0),): 3,
        ((2, 1),): 0.5,
    }
    each = two_body_expression([(0, 1), (1, 2)], [[[1, 0], [0, 0]], [[0, 0], [0, 4]]])
    assert each.terms == {((0, 0), (1, 0)): 1, ((1, 1), (2, 1)): 4}
    for pairs, singles in (([1, 2], None), ([[1, 2]], None), (np.ones((3, 2, 2)), None), (np.eye(2), [1, 2, 3])):
        with pytest.raises(ScenarioError, match=r"pairs|singles"):
            two_body_expression([(0, 1), (1, 2)], pairs, singles)


def test_sums_of_chsh_are_monogamous():
    path = sum_of_chsh([(0, 1), (1, 2)])
    assert largest_local_value(path) == path.known_bounds.local == path.known_bounds.quantum == 4
    assert quantum_bound(path).upper == pytest.approx(4, abs=1e-6)
    apart = sum_of_chsh([(0, 1), (2, 3)]).known_bounds
    assert (apart.local, apart.quantum, apart.no_signaling) == (4, pytest.approx(4 * math.sqrt(2)), 8)
    open_case = sum_of_chsh(PATH).known_bounds
    assert (open_case.local, open_case.quantum, open_case.no_signaling) == (6, None, None)


def test_permutation_invariant_two_body_terms():
    alpha, beta, gamma, delta, epsilon = 1.0, -2.0, 0.5, 3.0, -1.5
    expression = permutation_invariant_expression(4, [alpha, beta], [[gamma, delta], [delta, epsilon]])
    rng = np.random.default_rng(0)
    a, b = rng.choice([-1, 1], size=(2, 4))
    s00, s01, s11 = (first.sum() * second.sum() - first @ second for first, second in ((a, a), (a, b), (b, b)))
    expected = alpha * a.sum() + beta * b.sum() + gamma / 2 * s00 + delta * s01 + epsilon / 2 * s11
    listed = expression.to_sparse()
    outcomes = np.stack([a, b, np.ones(4)], axis=1)
    products = np.prod(outcomes[np.arange(4), listed.rows], axis=1)
    assert products @ listed.coefficients == pytest.approx(expected)
    # arXiv:1306.6860: the local bound of its first inequality is 2 N.
    assert largest_local_value(permutation_invariant_expression(5, [2, 0], [[-1, 1], [1, -1]])) == 10
    for singles, pairs in (([1], np.eye(2)), ([1, 2], [[0, 1], [2, 0]]), (1, [[1]])):
        with pytest.raises(ScenarioError, match="singles, pairs"):
            permutation_invariant_expression(4, singles, pairs)


# Hamiltonians


def test_the_operator_of_a_hamiltonians_expression_is_the_hamiltonian():
    hamiltonian = SparsePauliOp(["XXI", "IYY", "ZIZ", "III", "IIX"], [1, 0.5, -2, 3, 0.25])
    measured = hamiltonian_expression(hamiltonian)
    assert measured.settings == (("X", "Y", "Z"), ("X", "Y"), ("X", "Z"))
    assert measured.expression.num_terms == 5
    assert measured.expression.constant == 3
    rotated = hamiltonian_expression(hamiltonian, [("X+Y", "X-Y", "Z+X"), ("Y", "X"), [[0.6, 0, 0.8], [1, 0, 0]]])
    for one in (measured, rotated):
        np.testing.assert_allclose(one.operator().to_matrix(), hamiltonian.to_matrix(), atol=1e-12)
    chsh = hamiltonian_expression(SparsePauliOp(["XX", "ZZ"]), [("X", "Z"), ("X+Z", "X-Z")])
    assert largest_local_value(chsh.expression) == pytest.approx(math.sqrt(2))
    assert chsh.expression.num_terms == 4
    table = BellExpression.from_sparse(chsh.expression).to_correlators()
    np.testing.assert_allclose(table[1:, 1:] * math.sqrt(2), [[1, 1], [1, -1]], atol=1e-12)


def test_hamiltonians_that_settings_do_not_measure_are_refused():
    for settings in ([("X",), ("X", "Z")], [("X", "Z", "X+Z"), ("X", "Z")], [("X", "X"), ("X", "Z")]):
        with pytest.raises(MeasurementError, match=r"settings\[0\]"):
            hamiltonian_expression(SparsePauliOp(["XX", "ZZ"]), settings)
    with pytest.raises(MeasurementError, match="hamiltonian"):
        hamiltonian_expression(SparsePauliOp(["XX"], [1j]))
    with pytest.raises(MeasurementError, match="hamiltonian"):
        hamiltonian_expression("XX")


def test_measurements_must_fit_their_expression(tmp_path):
    measured = baccari_inequality(RING)
    measured.save(tmp_path / "inequality.json")
    assert MeasuredExpression.load(tmp_path / "inequality.json") == measured
    with pytest.raises(MeasurementError, match="settings"):
        MeasuredExpression(measured.expression, measured.settings[1:])
    with pytest.raises(ScenarioError, match="expression"):
        MeasuredExpression(BellScenario([2], 2), (("X", "Z"),))
