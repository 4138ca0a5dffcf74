import dataclasses

import numpy as np
import pytest
from qiskit_lhv import (
    Behavior,
    BellCounts,
    BellExpression,
    BellInequality,
    BellScenario,
    ghz_state,
    load_bundled_counts,
    werner_state,
)
from qiskit_lhv.exceptions import CountsError, SolverError
from qiskit_lhv.models.deterministic import enumerate_strategies, strategy_tables
from qiskit_lhv.polytope.expressions.families import chsh_forms
from qiskit_lhv.statistics import SignalingAllowance, signaling_allowance
from qiskit_lhv.statistics.signaling.allowance_limits import AllowanceLimits
from qiskit_lhv.statistics.signaling.amounts import (
    _distance_to_no_signaling,
    hidden_signaling,
    visible_signaling,
)
from scipy.optimize import linprog
from scipy.stats import norm

from helpers import CHSH, PLANE, crosstalk, readout

SIGN = np.array([1.0, -1.0])


def shifted(first, second, correlation):
    """Marginals of either party for all settings, and correlators of one strength with the signs of CHSH."""
    correlators = correlation * np.array([[1, 1], [1, -1]])
    return np.ascontiguousarray(
        (
            1
            + np.einsum("xy,a->xya", first, SIGN)[..., None]
            + np.einsum("xy,b->xyb", second, SIGN)[:, :, None]
            + np.einsum("xy,a,b->xyab", correlators, SIGN, SIGN)
        )
        / 4
    )


def random_table(shape, seed):
    half = len(shape) // 2
    rng = np.random.default_rng(seed)
    return rng.dirichlet(np.ones(int(np.prod(shape[half:]))), size=shape[:half]).reshape(shape)


# Amounts


@pytest.mark.parametrize("seed", range(12))
def test_linear_program_agrees_with_the_closed_form_for_chsh(seed):
    # arXiv:1412.4724: S <= 2 + D, with D twice the amount that marginals show.
    table = random_table(CHSH.shape, seed)
    if seed % 2:
        box = Behavior.from_correlators(np.array([[1, 1], [1, -1]]), marginals=False).array
        table = 0.3 * table + 0.7 * box
    first, second = np.einsum("xyab,a->xy", table, SIGN), np.einsum("xyab,b->xy", table, SIGN)
    shifts = np.abs(np.diff(first, axis=1)).sum() + np.abs(np.diff(second, axis=0)).sum()
    assert visible_signaling(table) == pytest.approx(shifts / 2)
    s = chsh_forms(np.einsum("xyab,a,b->xy", table, SIGN, SIGN)).max()
    assert hidden_signaling(table, CHSH)[0] == pytest.approx(max(shifts / 2, s / 2 - 1), abs=1e-9)


@pytest.mark.parametrize("q", [0.0, 0.1, 0.3, 0.5])
def test_crosstalk_that_hides_from_the_marginals(q):
    table = crosstalk(q).array
    assert hidden_signaling(table, CHSH)[0] == pytest.approx(1)
    assert visible_signaling(table) == pytest.approx(1 - 2 * q)


@pytest.mark.parametrize("shape", [(2, 2, 2, 2), (3, 2, 2, 2), (2, 2, 3, 2), (2, 2, 2, 2, 2, 2)])
def test_dual_expression_proves_the_amount(shape):
    scenario = BellScenario.from_shape(shape)
    table = random_table(shape, 3)
    amount, expression = hidden_signaling(table, scenario)
    assert np.sum(expression * table) == pytest.approx(amount)
    tables = strategy_tables(enumerate_strategies(scenario), scenario)
    assert (tables @ expression.ravel()).max() <= 1e-7
    for axis in scenario.outcome_axes:
        assert np.ptp(expression, axis=axis).max() <= 1 + 1e-7


def test_generated_strategies_give_the_same_amount(monkeypatch):
    from qiskit_lhv.statistics.signaling import amounts as module

    table = random_table((3, 3, 2, 2), 1)
    listed = hidden_signaling(table, BellScenario((3, 3), (2, 2)))[0]
    monkeypatch.setattr(module, "_ALL_COLUMNS", 5)
    assert hidden_signaling(table, BellScenario((3, 3), (2, 2)))[0] == pytest.approx(listed, abs=1e-7)


@pytest.mark.parametrize("shape", [(2, 2, 2, 2), (3, 3, 2, 2), (2, 3, 2, 2), (2, 2, 2, 3)])
def test_visible_amount_of_two_parties_is_the_distance_to_no_signaling(shape):
    for seed in range(3):
        table = random_table(shape, seed)
        assert visible_signaling(table) == pytest.approx(_distance_to_no_signaling(table), abs=1e-8)


def test_visible_amount_with_more_outcomes_and_settings_is_not_too_small():
    # With three outcomes and three settings the closed form may lie a little above the least amount, never below.
    for seed in range(6):
        table = random_table((3, 3, 3, 3), seed)
        least = _distance_to_no_signaling(table)
        assert least - 1e-8 <= visible_signaling(table) <= 1.001 * least
    table = random_table((4, 4, 4, 4), 0)
    assert 1.01 < visible_signaling(table) / _distance_to_no_signaling(table) < 1.03


def distance_by_cells(table):
    """The least amount that changes a no-signaling behavior into the table, with all cells and moves as unknowns."""
    half = table.ndim // 2
    cells = np.arange(table.size).reshape(table.shape)
    moves = [
        (int(cells[a]), int(cells[b]))
        for a in np.ndindex(table.shape)
        for b in np.ndindex(table.shape)
        if a[:half] == b[:half] and sum(i != j for i, j in zip(a, b, strict=True)) == 1
    ]
    count = table.size + len(moves)
    rows, right = [], []
    for cell, value in enumerate(table.ravel()):
        row = np.zeros(count)
        row[cell] = 1
        for number, (source, target) in enumerate(moves):
            row[table.size + number] = (target == cell) - (source == cell)
        rows.append(row)
        right.append(value)
    # Any one party's setting leaves the joint outcomes of the others alone.
    for k in range(half):
        sums = np.moveaxis(cells, [k, half + k], [0, 1])
        for x in range(1, table.shape[k]):
            for one, other in zip(
                np.moveaxis(sums[x], 0, -1).reshape(-1, table.shape[half + k]),
                np.moveaxis(sums[0], 0, -1).reshape(-1, table.shape[half + k]),
                strict=True,
            ):
                row = np.zeros(count)
                row[one], row[other] = 1, -1
                rows.append(row)
                right.append(0.0)
    cost = np.concatenate([np.zeros(table.size), np.ones(len(moves))])
    return linprog(cost, A_eq=np.array(rows), b_eq=right, bounds=(0, None)).fun


@pytest.mark.parametrize(("shape", "seed"), [((2, 2, 1, 2, 2, 2), 133), ((2, 2, 2, 2, 2, 2), 68), ((2, 2, 2, 3), 1)])
def test_visible_amount_agrees_with_another_linear_program(shape, seed):
    # Nearly deterministic tables, where it matters that the reference has no negative probability.
    half = len(shape) // 2
    rng = np.random.default_rng(seed)
    outcomes = int(np.prod(shape[half:]))
    table = rng.dirichlet(np.full(outcomes, 0.05), size=shape[:half]).reshape(shape)
    assert visible_signaling(table) == pytest.approx(distance_by_cells(table), abs=1e-8)


@pytest.mark.parametrize("shape", [(2, 2, 2, 2), (3, 3, 2, 2), (2, 2, 2, 2, 2, 2), (2, 2, 3, 3)])
def test_no_more_is_needed_than_was_put_in(shape):
    # A local model, each cell of which loses some of its probability to a neighbor: one party's outcome changes.
    scenario = BellScenario.from_shape(shape)
    strategies = strategy_tables(enumerate_strategies(scenario), scenario)
    n = scenario.num_parties
    for seed in range(4):
        rng = np.random.default_rng(seed)
        table = (rng.dirichlet(np.full(len(strategies), 0.2)) @ strategies).reshape(shape)
        put_in = 0.0
        for k in range(n):
            share = 0.1 * rng.random(shape[:n]).reshape((*shape[:n], *[1] * n))
            moved = share * np.take(table, [0], axis=n + k)
            put_in += float(moved.sum())
            table = table + np.concatenate([-moved, moved, *[0 * moved] * (scenario.max_outcomes[k] - 2)], axis=n + k)
        needed, visible = hidden_signaling(table, scenario)[0], visible_signaling(table)
        assert visible - 1e-9 <= needed <= put_in + 1e-9
        assert visible > 0.02


def test_joint_marginals_of_more_parties_count():
    # Each single marginal is uniform; the joint one of parties 1 and 2 follows party 0's setting.
    table = np.zeros((2, 1, 1, 2, 2, 2))
    for x, a, b in np.ndindex(2, 2, 2):
        table[x, 0, 0, a, b, b ^ x] = 0.25
    assert visible_signaling(table) == pytest.approx(1)
    assert hidden_signaling(table, BellScenario((2, 1, 1), (2, 2, 2)))[0] == pytest.approx(1)


def test_no_amount_is_needed_for_local_behaviors():
    behavior = Behavior.from_state(werner_state(0.6), [PLANE, PLANE])
    assert hidden_signaling(behavior.array, behavior.scenario)[0] == pytest.approx(0, abs=1e-9)
    assert visible_signaling(behavior.array) == pytest.approx(0, abs=1e-12)


# The comparison


def test_allowance_of_a_clear_violation():
    allowance = signaling_allowance(load_bundled_counts("ibm_hanoi19_20circuit13").counts, alpha=0.01)
    assert allowance.exceeded
    assert 0.35 < allowance.hidden_lower < allowance.hidden_needed == pytest.approx(2.7682 / 2 - 1, abs=1e-4)
    # One test of the difference is sharper than two limits.
    assert allowance.largest_kappa > 1.1 * allowance.hidden_lower / allowance.visible_upper
    assert allowance.verify()


@pytest.mark.parametrize(
    "behavior",
    [
        readout(Behavior.from_state(werner_state(0.8), "chsh"), 0.1),
        readout(Behavior.from_state(werner_state(0.9), [PLANE, PLANE]), 0.1),
        readout(Behavior.from_state(ghz_state(3, 0.7), "mermin"), 0.1),
    ],
    ids=["chsh", "3 x 3", "3 parties"],
)
def test_limits_hold_together(behavior):
    hidden, _ = hidden_signaling(behavior.array, behavior.scenario)
    visible = visible_signaling(behavior.array)
    misses = 0
    for seed in range(60):
        allowance = signaling_allowance(behavior.sample(300, seed), alpha=0.1, seed=seed)
        misses += allowance.hidden_lower > hidden + 1e-9 or allowance.visible_upper < visible - 1e-9
    assert misses <= 0.1 * 60


def test_limits_are_nearly_those_of_the_normal_distribution():
    # With many shots: the estimate, and 2.33 standard errors, of the sharpest sign vector for the visible amount.
    counts = Behavior.from_correlators(0.65 * np.array([[1, 1], [1, -1]]), marginals=False).sample(100_000, 1)
    allowance = signaling_allowance(counts, alpha=0.02, seed=1)
    table = allowance.tested / allowance.tested.sum(axis=(2, 3), keepdims=True)
    shots = allowance.tested.sum(axis=(2, 3))
    correlators = np.einsum("xyab,a,b->xy", table, SIGN, SIGN)
    error = np.sqrt(((1 - correlators**2) / shots).sum()) / 2
    lower = chsh_forms(correlators).max() / 2 - 1 - norm.isf(0.01) * error
    assert lower - 0.1 * error < allowance.hidden_lower < lower
    uppers = []
    for signs in np.ndindex(2, 2, 2, 2):
        first, second = SIGN[list(signs[:2])], SIGN[list(signs[2:])]
        value = (
            np.einsum("x,y,a->xya", first, SIGN, SIGN)[..., None]
            + np.einsum("x,y,b->xyb", SIGN, second, SIGN)[:, :, None]
        )
        mean = (value * table).sum(axis=(2, 3)) / 2
        variance = (value**2 * table).sum(axis=(2, 3)) / 4 - mean**2
        error = np.sqrt((variance / shots).sum())
        uppers.append(mean.sum() + norm.isf(0.01) * error)
    assert max(uppers) < allowance.visible_upper < max(uppers) + 0.1 * error


def test_largest_kappa_where_nothing_is_visible():
    # S = 2.6. Hoeffding's and McDiarmid's inequalities gave a median of 1.7 for 4000 shots of a setting; the normal
    # distribution would give 3.2.
    behavior = Behavior.from_correlators(0.65 * np.array([[1, 1], [1, -1]]), marginals=False)
    found = [signaling_allowance(behavior.sample(4000, seed), seed=seed) for seed in range(40)]
    assert 2.6 < np.median([one.largest_kappa for one in found]) < 3.3
    # Every valid test exceeds kappa = 5 in less than 0.9 of the runs here.
    more = [signaling_allowance(behavior.sample(14_000, seed), seed=seed).exceeded for seed in range(100)]
    assert 0.7 < np.mean(more) < 0.95


@pytest.mark.parametrize(
    ("table", "shots"),
    [
        (crosstalk(0.2).array, 300),
        (crosstalk(0.4).array, 2000),
        (shifted([[0.1, -0.1], [0.1, -0.1]], [[0.1, 0.1], [-0.1, -0.1]], 0.72), 1000),
        (shifted([[0.06, -0.06], [0, 0]], np.zeros((2, 2)), 0.65), 1000),
        (shifted([[0.1, -0.1], [0.1, -0.1]], [[0.1, 0.1], [-0.1, -0.1]], 0.72), np.array([[4000, 60], [60, 900]])),
    ],
    ids=["flipped 0.2", "flipped 0.4", "all marginals", "one marginal", "unequal shots"],
)
def test_no_true_kappa_is_exceeded(table, shots):
    behavior = Behavior(table)
    kappa = hidden_signaling(table, CHSH)[0] / visible_signaling(table)
    found = [signaling_allowance(behavior.sample(shots, s), alpha=0.2, kappa=kappa, seed=s) for s in range(50)]
    assert sum(one.exceeded for one in found) <= 0.2 * 50
    assert sum(one.largest_kappa > kappa + 1e-9 for one in found) <= 0.2 * 50


def test_exceeded_agrees_with_the_largest_kappa():
    counts = Behavior.from_state(werner_state(0.95), "chsh").sample(2000, 3)
    largest = signaling_allowance(counts, seed=1).largest_kappa
    assert 1 < largest < 5
    for factor, holds in ((0.98, True), (1.02, False)):
        allowance = signaling_allowance(counts, kappa=factor * largest, seed=1)
        assert allowance.exceeded is holds
        assert allowance.largest_kappa == largest


@pytest.mark.parametrize("shape", [(3, 3, 2, 2), (2, 2, 3, 3), (2, 3, 2, 3)])
def test_listed_functions_have_no_smaller_variance_than_pairs_allow(shape):
    # Both limit the variance of every function that shows signaling; the list is exact.
    tested = np.random.default_rng(1).integers(5, 50, size=shape)
    scenario = BellScenario.from_shape(shape)
    _, expression = hidden_signaling(tested / tested.sum(axis=(2, 3), keepdims=True), scenario)
    limits = AllowanceLimits(expression, 0.0, tested, 0.1)
    listed = limits._moments(1.0, 3.0)[0]
    distances = np.array(
        [
            [(a // shape[3] != b // shape[3]) + (a % shape[3] != b % shape[3]) for b in range(shape[2] * shape[3])]
            for a in range(shape[2] * shape[3])
        ],
        dtype=float,
    )
    limits._pairs, limits._functions = limits._pair_variances(distances), None
    assert np.all(limits._moments(1.0, 3.0)[0] >= listed - 1e-12)


def test_large_scenarios_are_refused():
    with pytest.raises(SolverError, match="to compare a violation with signaling"):
        signaling_allowance(BellCounts(np.ones((2, 2, 20, 20), dtype=int)))
    with pytest.raises(SolverError, match="to compare a violation with signaling"):
        signaling_allowance(BellCounts(np.ones((11, 11, 2, 2), dtype=int)))


@pytest.mark.parametrize("design", ["blocks", "random"])
def test_very_many_shots(design):
    array = np.array([[[[400, 50], [60, 390]]] * 2] * 2) * 10**8
    array[1, 1] = array[1, 1, ::-1]
    counts = BellCounts(array, design, np.full((2, 2), 0.25) if design == "random" else None)
    allowance = signaling_allowance(counts, seed=1)
    np.testing.assert_array_equal(allowance.tested + allowance.trained, counts.array)
    assert allowance.trained.sum() == 40_000
    assert np.all(np.abs(allowance.trained / 10_000 - array / array.sum(axis=(2, 3), keepdims=True)) < 0.03)
    assert allowance.verify()


def test_sparse_tables_have_an_amount():
    # Three settings whose outcomes never agree: every median is 0.
    table = np.zeros((1, 3, 3, 2))
    for y in range(3):
        table[0, y, y, 0] = 1
    assert visible_signaling(table) == pytest.approx(2)


def test_scenarios_with_many_outcomes_and_parties():
    four = Behavior.from_state(ghz_state(4, 0.95), "mermin").sample(1000, 1)
    allowance = signaling_allowance(four, seed=1)
    assert 0.5 < allowance.largest_kappa < 3
    assert allowance.verify()


def test_verify_refuses_expressions_that_change_too_much():
    allowance = signaling_allowance(Behavior.from_state(werner_state(0.9), "chsh").sample(2000, 1), seed=1)
    doubled = BellInequality.of(BellExpression(2 * allowance.inequality.expression.coefficients))
    limits = AllowanceLimits(doubled.expression.coefficients, doubled.bound.value, allowance.tested, 0.0)
    lower = limits.hidden_lower(allowance.alpha / 2)
    assert lower > allowance.hidden_lower
    check = dataclasses.replace(
        allowance,
        inequality=doubled,
        hidden_lower=lower,
        largest_kappa=limits.largest_kappa(allowance.alpha),
        exceeded=limits.exceeded(allowance.kappa, allowance.alpha),
    ).verify()
    assert not check
    assert "one changed outcome changes the expression by 2" in check.reason


def test_kappa_decides():
    counts = crosstalk(0.3).sample(20_000, 1)
    assert not signaling_allowance(counts, kappa=5).exceeded
    assert signaling_allowance(counts, kappa=1).exceeded


@pytest.mark.parametrize(
    "behavior",
    [
        readout(Behavior.from_state(werner_state(2 / 3), [PLANE, PLANE]), 0.1),
        readout(Behavior.from_state(ghz_state(3, 0.5), "mermin"), 0.1),
        crosstalk(0.2, (3, 3)),
    ],
    ids=["3 x 3", "3 parties", "3 x 3, b = x y"],
)
def test_local_models_with_crosstalk_are_never_exceeded(behavior):
    assert not any(signaling_allowance(behavior.sample(5000, s), seed=s).exceeded for s in range(15))


@pytest.mark.parametrize(
    "behavior",
    [
        readout(Behavior.from_state(werner_state(0.95), [PLANE, PLANE]), 0.01),
        readout(Behavior.from_state(ghz_state(3, 0.95), "mermin"), 0.01),
        readout(Behavior.from_state(werner_state(0.95), "chsh"), 0.01),
    ],
    ids=["3 x 3", "3 parties", "chsh"],
)
def test_strong_nonlocality_exceeds_a_little_crosstalk(behavior):
    allowance = signaling_allowance(behavior.sample(200_000, 1), seed=1)
    assert allowance.exceeded
    assert allowance.verify()


def test_shots_that_choose_the_expression_do_not_test_it():
    counts = Behavior.from_state(werner_state(0.95), [PLANE, PLANE]).sample(1000, 1)
    allowance = signaling_allowance(counts, seed=1)
    np.testing.assert_array_equal(allowance.tested + allowance.trained, counts.array)
    assert allowance.trained.sum() == counts.total_shots // 4
    # Of many shots a tenth; for CHSH a few of each setting tell the form.
    for settings, share in (([PLANE, PLANE], 0.1), ("chsh", 0.0048)):
        counts = Behavior.from_state(werner_state(0.95), settings).sample(10_000, 1)
        allowance = signaling_allowance(counts, seed=1)
        np.testing.assert_array_equal(allowance.tested + allowance.trained, counts.array)
        assert allowance.trained.sum() == round(share * counts.total_shots)


def changes():
    yield "hidden_lower", lambda a: a.hidden_lower + 1e-3
    yield "visible_upper", lambda a: a.visible_upper - 1e-3
    yield "largest_kappa", lambda a: a.largest_kappa + 1e-3
    yield "exceeded", lambda a: not a.exceeded
    yield "alpha", lambda a: 2 * a.alpha
    yield "tested", lambda a: a.tested + (np.indices(a.tested.shape).sum(axis=0) % 2)
    yield (
        "inequality",
        lambda a: dataclasses.replace(
            a.inequality, bound=dataclasses.replace(a.inequality.bound, value=a.inequality.bound.value - 0.1)
        ),
    )
    yield (
        "inequality",
        lambda a: dataclasses.replace(
            a.inequality,
            expression=type(a.inequality.expression)(2 * a.inequality.expression.coefficients),
            bound=dataclasses.replace(a.inequality.bound, value=2 * a.inequality.bound.value),
        ),
    )


@pytest.mark.parametrize(("name", "change"), list(changes()))
@pytest.mark.parametrize("settings", ["chsh", [PLANE, PLANE]], ids=["chsh", "3 x 3"])
def test_verify_refuses_tampered_allowances(settings, name, change, tmp_path):
    allowance = signaling_allowance(Behavior.from_state(werner_state(0.9), settings).sample(2000, 1), seed=1)
    assert allowance.verify()
    allowance.save(tmp_path / "allowance.json")
    assert SignalingAllowance.load(tmp_path / "allowance.json") == allowance
    assert not dataclasses.replace(allowance, **{name: change(allowance)}).verify()


@pytest.mark.parametrize("kappa", [0.5, float("nan"), float("inf"), "five", True])
def test_bad_kappa(kappa):
    with pytest.raises(CountsError, match="kappa"):
        signaling_allowance(load_bundled_counts("delft_2015").counts, kappa=kappa)


@pytest.mark.parametrize("alpha", [0, 1, -0.1, float("nan"), "small"])
def test_bad_alpha(alpha):
    with pytest.raises(CountsError, match="alpha"):
        signaling_allowance(load_bundled_counts("delft_2015").counts, alpha=alpha)


def test_three_outcomes():
    lossy = readout(Behavior.from_state(werner_state(0.95), "chsh"), 0.05).with_efficiency(0.95)
    counts = lossy.sample(5000, 1)
    allowance = signaling_allowance(counts, seed=1)
    assert allowance.verify()
    assert allowance.hidden_needed >= allowance.visible > 0
