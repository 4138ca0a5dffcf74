import itertools

import mpmath
import numpy as np
import pytest
from qiskit_lhv import Behavior, BellScenario, chsh, ghz_state
from qiskit_lhv.exceptions import ScenarioError
from qiskit_lhv.models.deterministic import enumerate_strategies, strategy_tables
from qiskit_lhv.targets import divergence, project_to_no_signaling, projections
from qiskit_lhv.targets.projections import project_cells
from scipy.optimize import linprog

from helpers import random_behavior


def popescu_rohrlich_boxes():
    boxes = []
    for alpha, beta, gamma in itertools.product(range(2), repeat=3):
        box = np.zeros((2, 2, 2, 2))
        for x, y, a in itertools.product(range(2), repeat=3):
            box[x, y, a, a ^ (x & y) ^ (alpha & x) ^ (beta & y) ^ gamma] = 0.5
        boxes.append(box)
    return boxes


def deterministic_boxes():
    boxes = []
    for outcomes in itertools.product(range(2), repeat=4):
        box = np.zeros((2, 2, 2, 2))
        for x, y in itertools.product(range(2), repeat=2):
            box[x, y, outcomes[x], outcomes[2 + y]] = 1
        boxes.append(box)
    return boxes


VERTICES = np.array(popescu_rohrlich_boxes() + deterministic_boxes())


def random_no_signaling(rng):
    return np.tensordot(rng.dirichlet(np.full(len(VERTICES), 0.3)), VERTICES, axes=1)


def naive_divergence(p, q, weights=None):
    n = p.ndim // 2
    weights = np.ones(p.shape[:n]) if weights is None else np.asarray(weights, dtype=float)
    terms = np.where(p > 0, p * np.log(np.where(p > 0, p, 1) / np.where(p > 0, q, 1)), 0)
    return float(np.sum(weights / weights.sum() * terms.sum(axis=tuple(range(n, 2 * n)))))


# Divergence


@pytest.mark.parametrize("shape", [(3, 2), (2, 2, 2, 2), (1, 3, 3, 2), (2, 1, 2, 2, 2, 3)])
@pytest.mark.parametrize("seed", [1, 2])
def test_divergence_equals_the_naive_formula(shape, seed):
    p, q = random_behavior(shape, seed), random_behavior(shape, seed + 10)
    assert divergence(p, q) == pytest.approx(naive_divergence(p.array, q.array), rel=1e-12)


def test_divergence_uses_normalized_weights():
    p, q = random_behavior((2, 3, 2, 2), 3), random_behavior((2, 3, 2, 2), 4)
    weights = np.array([[1.0, 2, 3], [4, 5, 60]])
    expected = naive_divergence(p.array, q.array, weights)
    assert divergence(p, q, weights) == pytest.approx(expected, rel=1e-12)
    assert divergence(p, q, 1000 * weights) == pytest.approx(expected, rel=1e-12)
    assert divergence(p, q) != pytest.approx(expected, rel=1e-3)


def test_divergence_of_a_hand_computed_example():
    p, q = Behavior([[0.75, 0.25], [1.0, 0.0]]), Behavior([[0.5, 0.5], [0.5, 0.5]])
    first = 0.75 * np.log(1.5) + 0.25 * np.log(0.5)
    assert divergence(p, q, [3, 1]) == pytest.approx(0.75 * first + 0.25 * np.log(2), rel=1e-14)


@pytest.mark.parametrize("exponent", [20, 26, 32])
def test_small_divergences_do_not_cancel(exponent):
    # All numbers are dyadic, so both tables sum to 1 exactly and mpmath knows the true value.
    p = np.array([[0.5, 0.25, 0.125, 0.125]])
    q = p + np.array([[3.0, -1.0, -1.0, -1.0]]) * 2.0**-exponent
    with mpmath.workdps(60):
        pairs = zip(p.flat, q.flat, strict=True)
        exact = float(mpmath.fsum(mpmath.mpf(a) * mpmath.log(mpmath.mpf(a) / mpmath.mpf(b)) for a, b in pairs))
    assert divergence(Behavior(p), Behavior(q)) == pytest.approx(exact, rel=1e-6, abs=0)
    second_order = float(np.sum((q - p) ** 2 / p) / 2)
    assert exact == pytest.approx(second_order, rel=1e-4, abs=0)


def test_the_naive_formula_fails_where_divergence_holds():
    p = np.array([[0.3, 0.7]])
    q = p + np.array([[1.0, -1.0]]) * 6.5e-8
    second_order = 6.5e-8**2 * (1 / 0.3 + 1 / 0.7) / 2
    assert 0.9e-14 < second_order < 1.1e-14
    assert divergence(Behavior(p), Behavior(q)) == pytest.approx(second_order, rel=1e-6, abs=0)
    assert abs(naive_divergence(p, q) / second_order - 1) > 1e-4


def test_divergence_of_equal_behaviors_is_exactly_zero():
    p = random_behavior((2, 2, 2, 2), 8)
    assert divergence(p, p) == 0


def test_divergence_is_infinite_where_the_model_excludes_what_was_seen():
    assert divergence(Behavior([[0.5, 0.5]]), Behavior([[1.0, 0.0]])) == np.inf


def test_outcomes_never_seen_cost_nothing_by_themselves():
    assert divergence(Behavior([[1.0, 0.0]]), Behavior([[0.25, 0.75]])) == pytest.approx(np.log(4), rel=1e-14)
    assert divergence(Behavior([[1.0, 0.0]]), Behavior([[1.0, 0.0]])) == 0


@pytest.mark.parametrize("small", [1e-12, 1e-15, 1e-17, 1e-40, 1e-300])
def test_divergence_stays_accurate_for_nearly_excluded_outcomes(small):
    expected = 0.5 * np.log(0.5 / small) + 0.5 * np.log(0.5)
    assert divergence(Behavior([[0.5, 0.5]]), Behavior([[small, 1 - small]])) == pytest.approx(expected, rel=1e-9)


def test_divergence_takes_the_smallest_floats():
    assert divergence(Behavior([[5e-324, 1.0]]), Behavior([[0.5, 0.5]])) == pytest.approx(np.log(2), rel=1e-12)


def test_divergence_refuses_models_of_another_scenario():
    with pytest.raises(ScenarioError, match=r"^model: expected"):
        divergence(Behavior([[0.5, 0.5]]), Behavior([[0.5, 0.25, 0.25]]))


BAD_WEIGHTS = [np.ones((2, 3)), np.ones(4), np.zeros((2, 2)), [[1, 1], [1, -1]], [[1, 1], [1, np.nan]], 1.0, "equal"]


@pytest.mark.parametrize("weights", BAD_WEIGHTS)
def test_bad_weights_are_refused(weights):
    p = random_behavior((2, 2, 2, 2), 0)
    with pytest.raises(ScenarioError, match=r"^weights: expected"):
        divergence(p, p, weights)
    with pytest.raises(ScenarioError, match=r"^weights: expected"):
        project_to_no_signaling(p, weights)


# Projection


@pytest.mark.parametrize("shape", [(2, 2, 2, 2), (2, 3, 3, 2), (1, 2, 2, 4), (2, 2, 2, 2, 2, 2)])
def test_projection_does_not_signal(shape):
    behavior = random_behavior(shape, 7)
    assert behavior.max_signaling() > 0.01
    projected = project_to_no_signaling(behavior)
    assert projected.scenario == behavior.scenario
    assert projected.max_signaling() < 1e-12


@pytest.mark.parametrize("seed", range(3))
def test_no_signaling_behaviors_stay_where_they_are(seed):
    rng = np.random.default_rng(seed)
    array = 0.9 * random_no_signaling(rng) + 0.1 / 4
    np.testing.assert_allclose(project_to_no_signaling(Behavior(array)).array, array, atol=1e-6)


@pytest.mark.parametrize("vertex", [0, 3, 8, 13])
def test_vertices_stay_where_they_are(vertex):
    behavior = Behavior(VERTICES[vertex])
    projected = project_to_no_signaling(behavior)
    assert divergence(behavior, projected) < 1e-11
    np.testing.assert_allclose(projected.array, behavior.array, atol=1e-9)


def test_projection_of_one_sided_signaling_averages_the_marginal():
    # With one setting of party 0 only a's marginal is bound: the best q(a) is the weighted mean of
    # p(a|y), and q(b|a, y) stays p(b|a, y).
    p = random_behavior((1, 2, 2, 3), 11).array
    weights = np.array([[1.0, 4.0]])
    marginals = p.sum(axis=3)
    mean = 0.2 * marginals[:, :1] + 0.8 * marginals[:, 1:]
    expected = p / marginals[..., None] * mean[..., None]
    projected = project_to_no_signaling(Behavior(p), weights).array
    np.testing.assert_allclose(projected, expected, atol=1e-6)
    unweighted = project_to_no_signaling(Behavior(p)).array
    assert np.abs(unweighted - expected).max() > 1e-2


def test_projection_does_not_change_with_the_scale_of_the_weights():
    behavior = random_behavior((2, 2, 2, 2), 12)
    weights = np.array([[1.0, 2.0], [3.0, 4.0]])
    one, other = project_to_no_signaling(behavior, weights), project_to_no_signaling(behavior, 250 * weights)
    np.testing.assert_allclose(one.array, other.array, atol=1e-7)


@pytest.mark.parametrize("weights", [None, [[1.0, 5.0], [2.0, 0.5]]])
def test_small_steps_to_no_signaling_behaviors_do_not_improve(weights):
    behavior = random_behavior((2, 2, 2, 2), 21)
    projected = project_to_no_signaling(behavior, weights)
    least = naive_divergence(behavior.array, projected.array, weights)
    rng = np.random.default_rng(0)
    for step in (1e-1, 1e-2, 1e-3, 1e-4):
        for _ in range(50):
            mixed = (1 - step) * projected.array + step * random_no_signaling(rng)
            assert naive_divergence(behavior.array, mixed, weights) >= least - 1e-11


def best_no_signaling_value(coefficients):
    """Largest value of a linear function over the no-signaling polytope of CHSH, by a linear program."""
    rows, values = [], []

    def add(cells, value):
        row = np.zeros((2, 2, 2, 2))
        for cell, sign in cells:
            row[cell] += sign
        rows.append(row.ravel())
        values.append(value)

    for x, y in itertools.product(range(2), repeat=2):
        add([((x, y, a, b), 1) for a in range(2) for b in range(2)], 1)
    for x, a in itertools.product(range(2), repeat=2):
        add([((x, y, a, b), 1 - 2 * y) for y in range(2) for b in range(2)], 0)
        add([((y, x, b, a), 1 - 2 * y) for y in range(2) for b in range(2)], 0)
    return -linprog(-coefficients.ravel(), A_eq=np.array(rows), b_eq=values, bounds=(0, None)).fun


@pytest.mark.parametrize("seed", range(3))
def test_projection_satisfies_the_optimality_condition(seed):
    # q is optimal exactly if no no-signaling r has sum_x w_x sum_a p r / q above 1.
    behavior = random_behavior((2, 2, 2, 2), 30 + seed, floor=0.05)
    shares = np.random.default_rng(seed).dirichlet(np.ones(4)).reshape(2, 2)
    projected = project_to_no_signaling(behavior, shares)
    gradient = shares[..., None, None] * behavior.array / projected.array
    assert best_no_signaling_value(gradient) == pytest.approx(1, abs=1e-6)


def test_projection_of_frequencies_with_empty_cells_is_optimal():
    counts = np.array([[[[5, 0], [0, 3]], [[4, 1], [0, 3]]], [[[6, 0], [1, 1]], [[0, 4], [4, 0]]]], dtype=float)
    behavior = Behavior(counts / 8)
    projected = project_to_no_signaling(behavior)
    least = naive_divergence(behavior.array, projected.array)
    assert projected.max_signaling() < 1e-12
    rng = np.random.default_rng(1)
    for _ in range(100):
        mixed = 0.999 * projected.array + 0.001 * random_no_signaling(rng)
        assert naive_divergence(behavior.array, mixed) >= least - 1e-11


def test_white_noise_is_its_own_projection():
    noise = Behavior.white_noise(BellScenario((2, 3), (3, 2)))
    np.testing.assert_allclose(project_to_no_signaling(noise).array, noise.array, atol=1e-9)


# Degenerate and large tables


@pytest.mark.parametrize("shape", [(2, 2, 2, 2), (3, 3, 2, 2), (2, 2, 3, 3), (2, 2, 2, 2, 2, 2), (2, 3, 1, 3, 2, 2)])
@pytest.mark.parametrize("conditions", [False, True])
def test_tables_with_empty_cells_are_projected(shape, conditions, monkeypatch):
    # Both kinds of Newton steps, on tables of few shots, of one outcome per setting, and of rare errors.
    scenario = BellScenario.from_shape(shape)
    monkeypatch.setattr(projections, "_MAX_COORDINATES", 0 if conditions else 10**6)
    half = len(shape) // 2
    outcomes = int(np.prod(shape[half:]))
    rng = np.random.default_rng(3)
    rows = []
    for concentration in (0.02, 0.1, 1.0):
        for shots in (1, 3, 50, 5000):
            p = rng.dirichlet(np.full(outcomes, concentration), size=scenario.num_setting_combinations)
            rows.append(rng.multinomial(shots, p).ravel() / shots)
    cells = np.stack(rows) / scenario.num_setting_combinations
    projected, _ = project_cells(cells, scenario)
    assert projected.min() > 0
    for table, q in zip(cells, projected, strict=True):
        behavior = Behavior(q.reshape(shape))
        assert behavior.max_signaling() < 1e-9
        # No step to a local behavior improves the likelihood by more than the barrier allows.
        strategies = strategy_tables(enumerate_strategies(scenario)[::7], scenario)
        ratio = np.divide(table, q, out=np.zeros_like(q), where=table > 0)
        assert (strategies @ ratio).max() <= 1 + 1e-6


@pytest.mark.parametrize("shape", [(2, 2, 4, 4), (2, 3, 3, 4), (2, 2, 2, 2, 3, 2)])
def test_conditions_and_coordinates_lead_to_the_same_projection(shape, monkeypatch):
    behavior = random_behavior(shape, 4)
    weights = np.random.default_rng(2).uniform(1, 3, size=shape[: len(shape) // 2])
    monkeypatch.setattr(projections, "_MAX_COORDINATES", 10**6)
    one = project_to_no_signaling(behavior, weights)
    monkeypatch.setattr(projections, "_MAX_COORDINATES", 0)
    other = project_to_no_signaling(behavior, weights)
    np.testing.assert_allclose(one.array, other.array, atol=1e-7)
    assert other.max_signaling() < 1e-12


def test_thirty_two_outcomes():
    # 4096 cells with 3968 parameters, but only 127 conditions.
    rng = np.random.default_rng(1)
    table = rng.multinomial(20_000, rng.dirichlet(np.full(1024, 0.3), size=4)).reshape(2, 2, 32, 32)
    frequencies = Behavior(table / 20_000)
    projected = project_to_no_signaling(frequencies)
    assert projected.max_signaling() < 1e-12
    least = divergence(frequencies, projected)
    for seed in range(5):
        other = project_to_no_signaling(random_behavior((2, 2, 32, 32), seed))
        mixed = Behavior(0.999 * projected.array + 0.001 * other.array)
        assert divergence(frequencies, mixed) >= least - 1e-9


def test_many_coordinates_with_empty_cells_are_projected_as_well():
    # 242 coordinates, and three of four cells empty: systems are refined instead of factored by rows.
    counts = Behavior.from_state(ghz_state(5, 1.0), "mermin").sample(30, 1)
    shots, scenario = counts.num_shots, counts.scenario
    projected = project_to_no_signaling(counts.frequencies(), shots)
    assert projected.max_signaling() < 1e-12
    # At the optimum no no-signaling behavior has a larger slope than the projection's own, which is 1.
    cells = counts.array / counts.total_shots
    ratio = np.divide(cells, projected.array, out=np.zeros_like(cells), where=cells > 0)
    assert np.sum(ratio * projected.array) == pytest.approx(1)
    strategies = np.random.default_rng(1).integers(2, size=(500, 10))
    assert (strategy_tables(strategies, scenario) @ ratio.ravel()).max() <= 1 + 1e-9
    for visibility in (0.5, 1.0):
        other = Behavior.from_state(ghz_state(5, visibility), "mermin").array
        assert np.sum(ratio * other) <= 1 + 1e-9


def test_projection_to_a_plane_keeps_the_value_and_is_optimal():
    rng = np.random.default_rng(1)
    scenario, form = BellScenario((2, 2), (2, 2)), chsh().coefficients.ravel()
    box = np.where(form > 0, 0.5, 0.0)
    start = box / 2 + 1 / 8
    cells = rng.dirichlet(np.ones(16), size=5)
    found = projections.project_cells_to_plane(cells, scenario, form, 1e-11, start)
    np.testing.assert_allclose(found @ form, 2, atol=1e-9)
    # Among the strategies that reach the bound, none has a larger slope.
    tables = strategy_tables(enumerate_strategies(scenario), scenario)
    on_plane = tables[tables @ form == 2]
    assert (on_plane @ (cells / found).T).max() <= 1 + 1e-8
    assert all(Behavior(row.reshape(scenario.shape)).is_no_signaling() for row in found)
