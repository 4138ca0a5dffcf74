import itertools
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from qiskit_lhv import (
    Behavior,
    BellExpression,
    BellInequality,
    BellScenario,
    Verdict,
    analyze,
    chsh,
    find_local_model,
    ghz_state,
    local_bound,
    nonlocality_threshold,
    werner_state,
)
from qiskit_lhv.exceptions import ScenarioError
from qiskit_lhv.models import DeterministicModel
from qiskit_lhv.optimize import GradientDescent
from qiskit_lhv.polytope import (
    Relabeling,
    Symmetry,
    are_equivalent,
    cglmp,
    detection_threshold,
    enumerate_facets,
    find_symmetry,
    i3322,
    local_weight,
    no_signaling_bound,
    quantum_bound,
)
from qiskit_lhv.polytope.bounds.local_bounds import best_strategies
from qiskit_lhv.polytope.expressions.normal_forms import no_signaling_part
from qiskit_lhv.verification.branches import prove_by_branches
from qiskit_lhv.verification.local_bounds import exact_integer_bound, exact_local_bound, local_bound_cost
from qiskit_lhv.verification.models import exact_strategy_value

from helpers import random_local, random_no_signaling

LIFTS = [
    {(0, 1): [0, 1, 1]},
    {(0, 1): [0, 1, 1], (1, 0): [0, 0, 1]},
    {(0, 0): [1, 0, 0, 1]},
]


def random_scenario(rng, parties=None, most=4000):
    while True:
        count = int(rng.integers(1, 4)) if parties is None else parties
        num_settings = tuple(rng.integers(1, 4, size=count).tolist())
        scenario = BellScenario(num_settings, [tuple(rng.integers(1, 4, size=m).tolist()) for m in num_settings])
        if scenario.num_strategies <= most:
            return scenario


def brute_force(coefficients, scenario):
    """The largest value, strategy by strategy, without any code of the package."""
    parties = [list(itertools.product(*(range(d) for d in sizes))) for sizes in scenario.num_outcomes]
    settings = list(np.ndindex(scenario.num_settings))
    return max(
        sum(coefficients[x + tuple(one[k][x[k]] for k in range(len(x)))] for x in settings)
        for one in itertools.product(*parties)
    )


@pytest.mark.parametrize("block", range(10))
def test_exact_bounds_of_random_scenarios_agree_with_brute_force(block):
    # 300 scenarios in all, a third of them with three parties.
    rng = np.random.default_rng(block)
    for i in range(30):
        scenario = random_scenario(rng, 3 if i % 3 == 0 else None)
        coefficients = rng.integers(-9, 10, size=scenario.shape) * scenario.mask * 2.0 ** -int(rng.integers(0, 4))
        best = brute_force(coefficients, scenario)
        expression = BellExpression(coefficients, scenario)
        bound = local_bound(expression)
        assert bound.exact
        assert Fraction(bound.value) == Fraction(best)
        assert exact_strategy_value(coefficients, bound.strategy, scenario.num_outcomes) == best
        assert exact_local_bound(coefficients, (), scenario.num_outcomes) == best
        assert BellInequality(expression, bound).verify()
        assert BellInequality(expression, replace(bound, value=bound.value - 0.125)).verify().refuted
        assert local_bound(expression, method="heuristic").value <= bound.value + 1e-9
        assert abs(best_strategies(coefficients, scenario, 3)[0][0] - best) < 1e-9
        if scenario.num_parties == 2:
            whole = (coefficients * 8).astype(np.int64)
            assert exact_integer_bound(whole, scenario.num_outcomes) == 8 * best
            assert prove_by_branches(whole, int(8 * best), 10**9, scenario.num_outcomes).holds
            assert prove_by_branches(whole, int(8 * best) - 1, 10**9, scenario.num_outcomes).exceeding == 8 * best


def test_padding_does_not_make_a_bound_larger():
    # Every value is negative: an outcome that counts 0 would be the best one.
    scenario = BellScenario((2, 2), [[2, 3], [1, 2]])
    expression = BellExpression(-1.0 * scenario.mask, scenario)
    assert local_bound(expression).value == -4
    assert local_bound(expression, method="heuristic").value == -4
    with pytest.raises(ScenarioError, match="0 for outcomes that a setting does not have"):
        BellExpression(-np.ones(scenario.shape), scenario)


def test_a_strategy_of_padding_is_refuted():
    scenario = BellScenario((2, 2), [[2, 3], [2, 2]])
    inequality = BellInequality.of(BellExpression(-1.0 * scenario.mask, scenario))
    strategy = inequality.bound.strategy.copy()
    strategy[0] = 2
    forged = BellInequality(inequality.expression, replace(inequality.bound, strategy=strategy))
    assert forged.verify().refuted
    with pytest.raises(ScenarioError, match="strategies"):
        DeterministicModel(np.ones(1), strategy[None], scenario)


def test_large_scenarios_list_only_real_strategies():
    scenario = BellScenario((12, 12), [[5] + [2] * 11, [2] * 12])
    rng = np.random.default_rng(0)
    expression = BellExpression(rng.integers(-9, 10, size=scenario.shape) * scenario.mask, scenario)
    assert local_bound_cost(scenario.shape, scenario.num_outcomes) == 2**12
    bound = local_bound(expression)
    assert BellInequality(expression, bound).verify()


@pytest.mark.parametrize("outcomes", LIFTS)
def test_lifting_keeps_all_bounds(outcomes):
    lifted = chsh().lift_outcomes(outcomes)
    assert local_bound(lifted).value == 2
    assert abs(no_signaling_bound(lifted).value - 4) < 1e-6
    assert no_signaling_bound(lifted).verify()
    assert lifted.coarse_grain(outcomes) == chsh()
    behavior = random_no_signaling(lifted.scenario, 1, 0.3, 1e-9)
    assert abs(lifted.value(behavior) - chsh().value(behavior.coarse_grain(outcomes))) < 1e-12
    best = Behavior.from_state(ghz_state(2), "chsh").lift_outcomes(outcomes)
    assert abs(lifted.value(best) - 2 * np.sqrt(2)) < 1e-9


def test_different_coefficients_are_not_merged():
    with pytest.raises(ScenarioError, match="only where they have the same coefficients"):
        chsh().coarse_grain({(0, 0): [0, 0]})
    # What does not depend on a setting's outcome makes it one of one outcome.
    shifted = i3322().coarse_grain({})
    assert shifted == i3322()


@pytest.mark.parametrize(("level", "expression", "upper"), [("1", chsh(), 2.8284271), ("1+AB", i3322(), 0.2514709)])
def test_quantum_bounds_of_lifted_expressions(level, expression, upper):
    pytest.importorskip("clarabel")
    lifted = expression.lift_outcomes({(0, 1): [0, 1, 1]})
    found = quantum_bound(lifted, level)
    assert abs(found.upper - upper) < 1e-6
    assert found.verify()
    assert Behavior.from_state(found.statevector(), found.settings).scenario == lifted.scenario
    assert np.abs(found.effects[0].sum(axis=1) - np.eye(2)).max() < 1e-9
    assert not found.effects[0][0, 2].any()


def test_one_outcome_settings_are_marginals():
    # I3322 with a fourth setting of one outcome on each side, whose probabilities are the others' marginals.
    scenario = BellScenario((4, 4), [[2, 2, 2, 1]] * 2)
    table = i3322().to_collins_gisin()
    coefficients = np.zeros(scenario.shape)
    coefficients[:3, :3, 0, 0] = table[1:, 1:]
    coefficients[:3, 3, 0, 0] = table[1:, 0]
    coefficients[3, :3, 0, 0] = table[0, 1:]
    expression = BellExpression(coefficients, scenario)
    assert local_bound(expression).value == 0
    assert BellInequality.of(expression).verify()
    assert expression.to_collins_gisin().shape == (4, 4)
    assert np.allclose(expression.to_collins_gisin(), table)
    assert abs(no_signaling_bound(expression).value - 1) < 1e-9
    plain = random_no_signaling(i3322().scenario, 3, 0.3, 1e-9)
    wide = Behavior.from_collins_gisin(plain.to_collins_gisin(1e-7), scenario)
    assert abs(expression.value(wide) - i3322().value(plain)) < 1e-9


def test_quantum_value_with_one_outcome_settings():
    pytest.importorskip("clarabel")
    scenario = BellScenario((3, 2), [[2, 2, 1], 2])
    coefficients = np.zeros(scenario.shape)
    coefficients[:2] = chsh().coefficients
    found = quantum_bound(BellExpression(coefficients, scenario), "1+AB")
    assert abs(found.upper - 2 * np.sqrt(2)) < 1e-6
    assert abs(found.lower - 2 * np.sqrt(2)) < 1e-6
    assert found.verify()


@pytest.mark.parametrize("seed", range(12))
def test_searches_are_those_of_outcomes_that_never_happen(seed):
    rng = np.random.default_rng(seed)
    scenario = random_scenario(rng, 3 if seed % 3 == 0 else 2, 300)
    behavior = random_no_signaling(scenario, seed, 0.3, 1e-9)
    embedded = Behavior(behavior.array)
    noise = Behavior(Behavior.white_noise(scenario).array)
    threshold = nonlocality_threshold(behavior)
    assert threshold.verify()
    assert abs(threshold.lower - nonlocality_threshold(embedded, noise=noise).lower) < 1e-6
    weight = local_weight(behavior)
    assert weight.verify()
    assert abs(weight.lower - local_weight(embedded).lower) < 1e-6
    report = analyze(behavior)
    assert report.verify()
    assert report.verdict == analyze(embedded).verdict
    local = random_local(scenario, seed, 0.2)
    assert analyze(local).verdict is Verdict.LOCAL
    assert analyze(local).verify()
    if threshold.inequality is not None:
        assert not threshold.inequality.expression.coefficients[~scenario.mask].any()


@pytest.mark.parametrize("seed", range(6))
def test_measured_behaviors(seed):
    rng = np.random.default_rng(seed)
    scenario = random_scenario(rng, 2, 300)
    local = random_local(scenario, seed, 0.2).mix(visibility=0.5)
    noisy = np.maximum(local.array + 1e-4 * rng.uniform(-1, 1, size=scenario.shape) * scenario.mask, 0)
    noisy = Behavior(noisy / noisy.sum(axis=scenario.outcome_axes, keepdims=True), scenario)
    report = analyze(noisy, tolerance=1e-3)
    assert report.verdict is not Verdict.NONLOCAL
    assert report.verify()


def test_a_violation_by_measured_numbers():
    outcomes = {(0, 1): [0, 1, 1], (1, 0): [0, 0, 1]}
    best = Behavior.from_state(werner_state(0.95), "chsh").lift_outcomes(outcomes)
    report = analyze(best, tolerance=1e-3)
    assert report.verdict is Verdict.NONLOCAL
    assert report.verify()


def test_detection_thresholds_are_those_without_the_additional_outcome():
    plain = Behavior.from_state(ghz_state(2), "chsh")
    lifted = plain.lift_outcomes({(0, 0): [0, 1, 1]})
    for assign in (None, [0, None]):
        found = detection_threshold(lifted, assign=assign)
        assert found.verify()
        assert abs(found.upper - detection_threshold(plain, assign=assign).upper) < 1e-6


def test_relabelings_respect_numbers_of_outcomes():
    scenario = BellScenario((3, 3), [[2, 3, 2], [3, 2, 2]])
    assert Relabeling.of(scenario, settings=[[2, 1, 0], [0, 2, 1]])
    assert Relabeling.of(scenario, parties=[1, 0], settings=[[1, 0, 2], [1, 0, 2]])
    for wrong in (
        {"settings": [[1, 0, 2], [0, 1, 2]]},
        {"parties": [1, 0]},
        {"outcomes": [[[0, 1, 2], [0, 1, 2], [0, 2, 1]], [[0, 1, 2]] * 3]},
    ):
        with pytest.raises(ScenarioError):
            Relabeling.of(scenario, **wrong)
    rng = np.random.default_rng(0)
    expression = BellExpression(rng.integers(-5, 6, size=scenario.shape) * scenario.mask, scenario)
    moved = expression.relabel(
        parties=[1, 0],
        settings=[[1, 0, 2], [1, 0, 2]],
        outcomes=[[[1, 0, 2], [2, 0, 1], [0, 1, 2]], [[0, 1, 2]] * 3],
    )
    assert local_bound(moved).value == local_bound(expression).value
    assert are_equivalent(expression, moved)
    assert not are_equivalent(expression, chsh())


@pytest.mark.parametrize("seed", range(4))
def test_expressions_that_no_signaling_behaviors_do_not_tell_apart(seed):
    rng = np.random.default_rng(seed)
    scenario = BellScenario((2, 3), [[2, 3], [1, 2, 3]])
    coefficients = rng.integers(-5, 6, size=scenario.shape) * scenario.mask
    expression = BellExpression(coefficients, scenario)
    part = no_signaling_part(expression.coefficients, scenario)
    from qiskit_lhv.targets.coordinates import from_party_axes

    same = BellExpression(from_party_axes(part, scenario), scenario)
    behavior = random_no_signaling(scenario, seed, 0.3, 1e-9)
    assert abs(same.value(behavior) - expression.value(behavior)) < 1e-7
    assert are_equivalent(expression, same)
    shifted = BellExpression(2 * coefficients + 3.0 * scenario.mask, scenario)
    assert not are_equivalent(expression, shifted)
    assert are_equivalent(expression, shifted, up_to_shift=True)


def test_symmetric_thresholds():
    settings = [["X", "Z", [np.eye(2)]], [(0.6, 0, 0.8), (-0.6, 0, 0.8), [np.eye(2) / 3] * 3]]
    behavior = Behavior.from_state(werner_state(1), settings)
    plain = nonlocality_threshold(behavior)
    flip = Relabeling.of(behavior.scenario, outcomes=[[[1, 0], [1, 0], [0, 1]], [[1, 0, 2], [1, 0, 2], [1, 0, 2]]])
    group = Symmetry.generated_by([flip], behavior.scenario)
    assert len(group) == 2
    folded = nonlocality_threshold(behavior, symmetry=group)
    assert folded.verify()
    assert abs(folded.lower - plain.lower) < 1e-8
    assert find_symmetry(behavior).scenario == behavior.scenario
    both = Behavior.from_state(werner_state(1), [["X", "Y", "Z", [np.eye(2) / 3] * 3]] * 2)
    assert len(find_symmetry(both)) == 2


def test_facets():
    pytest.importorskip("ppl")
    facets = enumerate_facets(BellScenario((2, 2), [[2, 3], [2, 2]]))
    assert facets.verify()
    # Positivity of 20 probabilities, and CHSH: 8 forms for each of the 3 ways to merge three outcomes to two.
    assert facets.class_sizes == (8, 12, 24)
    plain = enumerate_facets(BellScenario((2, 2), (2, 2)))
    with_one = enumerate_facets(BellScenario((2, 3), [[2, 2], [1, 2, 2]]))
    assert with_one.verify()
    assert with_one.class_sizes == plain.class_sizes
    swapped = enumerate_facets(BellScenario((2, 2), [[1, 2], [2, 1]]))
    assert swapped.verify()


def test_cglmp_with_a_coarse_setting():
    behavior = Behavior.from_state(ghz_state(2), "chsh")
    with pytest.raises(ScenarioError):
        cglmp(3).value(behavior)
    three = cglmp(3)
    assert three.lift_outcomes({(0, 0): [0, 1, 2, 2]}).coarse_grain({(0, 0): [0, 1, 2, 2]}) == three


def test_search_by_gradient_descent():
    scenario = BellScenario((2, 2), [[2, 3], [1, 2]])
    target = random_local(scenario, 1, 0.2)
    found = find_local_model(target, num_hidden=64, optimizer=GradientDescent(num_steps=300), seed=1)
    assert found.model.behavior().scenario == scenario
    assert found.loss < 1e-6
    assert found.model.verify(target, atol=1e-2)
    assert not found.model.behavior().array[~scenario.mask].any()
    assert found.model.behavior([0, 0]).scenario == BellScenario((1, 1), (2, 1))
    assert found.model.behavior([1, None]).scenario == BellScenario((1, 2), [3, [1, 2]])
    again = find_local_model(target, optimizer=GradientDescent(start=found.model, num_steps=20), seed=1)
    assert again.loss < 1e-4


def test_sympy_has_no_symbols_of_padding():
    sympy = pytest.importorskip("sympy")
    scenario = BellScenario((2, 1), [[1, 2], 2])
    expression = BellExpression(1.0 * scenario.mask, scenario)
    assert len(expression.to_sympy().free_symbols) == scenario.num_cells
    assert isinstance(expression.to_sympy(), sympy.Expr)
