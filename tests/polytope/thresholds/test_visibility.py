import dataclasses
import itertools

import numpy as np
import pytest
from qiskit.quantum_info import Operator, Statevector
from qiskit_lhv import (
    Behavior,
    BellInequality,
    BellScenario,
    measurement,
    nonlocality_threshold,
    werner_state,
)
from qiskit_lhv._support.deadlines import NO_LIMIT
from qiskit_lhv.cli.demo import ICOSAHEDRON_AXES
from qiskit_lhv.exceptions import ScenarioError
from qiskit_lhv.models import DeterministicModel
from qiskit_lhv.models.deterministic import constant_strategies
from qiskit_lhv.polytope import Threshold
from qiskit_lhv.polytope.symmetry.reduced_coordinates import Reduction
from qiskit_lhv.polytope.symmetry.relabelings import Relabeling, Symmetry
from qiskit_lhv.polytope.thresholds.column_generation import _raised, _ThresholdSearch, search_by_gradients

from helpers import BELL

GHZ = Statevector(np.array([1, 0, 0, 0, 0, 0, 0, 1]) / np.sqrt(2))


def plane(count):
    return [(np.cos(a), np.sin(a), 0) for a in np.pi * np.arange(count) / count]


def cglmp_settings():
    """The settings of arXiv:quant-ph/0106024 that reach the maximal violation of the two-qutrit maximally
    entangled state."""
    outcomes = np.arange(3)

    def basis(phase, sign):
        phases = np.outer(np.arange(3), sign * outcomes + phase)
        return measurement(basis=Operator(np.exp(2j * np.pi / 3 * phases) / np.sqrt(3)))

    return [[basis(0, 1), basis(0.5, 1)], [basis(0.25, -1), basis(-0.25, -1)]]


CASES = {
    # (behavior, threshold, source)
    "CHSH": (lambda: Behavior.from_state(BELL, "chsh"), np.sqrt(0.5), 1e-7),
    "Mermin": (lambda: Behavior.from_state(GHZ, "mermin"), 0.5, 1e-7),
    "GHZ, 4 planar settings": (lambda: Behavior.from_state(GHZ, [plane(4)] * 3), 0.5, 1e-7),
    # BellPolytopes.jl gives 0.778 <= v <= 0.778392.
    "icosahedron": (lambda: Behavior.from_state(werner_state(1), [ICOSAHEDRON_AXES] * 2), 0.778391, 1e-6),
    # CGLMP noise resistance 0.69615, arXiv:quant-ph/0106024.
    "CGLMP": (
        lambda: Behavior.from_state(Statevector(np.eye(3).ravel() / np.sqrt(3), dims=(3, 3)), cglmp_settings()),
        0.69615,
        5e-6,
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_known_thresholds(name):
    make, expected, tolerance = CASES[name]
    threshold = nonlocality_threshold(make())
    assert threshold.lower == pytest.approx(expected, abs=tolerance)
    assert threshold.lower <= threshold.upper <= threshold.lower + 1e-8
    assert threshold.upper_is_proven
    check = threshold.verify()
    assert check, check.reason


def test_chsh_inequality_is_read_off_the_dual():
    threshold = nonlocality_threshold(Behavior.from_state(BELL, "chsh"))
    correlators = threshold.inequality.expression.to_correlators()
    np.testing.assert_array_equal(correlators, [[0, 0, 0], [0, 1, 1], [0, 1, -1]])
    assert threshold.inequality.bound.value == 2


def test_local_behavior_has_a_model_and_no_inequality():
    behavior = Behavior.from_state(werner_state(0.7), "chsh")
    threshold = nonlocality_threshold(behavior)
    assert threshold.lower == threshold.upper == 1
    assert threshold.inequality is None
    assert threshold.model.verify(behavior)
    assert threshold.verify()


def test_visibility_may_exceed_one():
    behavior = Behavior.from_state(werner_state(0.5), "chsh")
    threshold = nonlocality_threshold(behavior, max_visibility=3)
    assert threshold.lower == pytest.approx(np.sqrt(2), abs=1e-7)
    assert threshold.verify()


def test_behavior_with_marginals_and_other_noise():
    # Mixed with a product state's behavior, the threshold is the root of a linear function of CHSH forms.
    target = Behavior.from_state(BELL, "chsh")
    noise = Behavior.from_state(Statevector(np.array([1.0, 0, 0, 0])), "chsh")
    threshold = nonlocality_threshold(target, noise=noise)
    assert threshold.verify()
    signs = np.array([[1, 1], [1, -1]])
    s_target, s_noise = (np.sum(signs * b.to_correlators()[1:, 1:]) for b in (target, noise))
    assert threshold.lower == pytest.approx((2 - s_noise) / (s_target - s_noise), abs=1e-7)


def test_noise_in_a_scenario_whose_strategies_are_generated():
    axes = ICOSAHEDRON_AXES[:5]
    target = Behavior.from_state(werner_state(1), [axes, axes])
    noise = Behavior.from_state(werner_state(0.3), [axes, axes])
    white = nonlocality_threshold(target)
    other = nonlocality_threshold(target, noise=noise)
    assert other.verify()
    # v + 0.3 (1 - v) is the singlet's share: both thresholds are the same state.
    assert other.lower + 0.3 * (1 - other.lower) == pytest.approx(white.lower, abs=1e-7)


def test_unequal_settings_and_outcomes():
    rng = np.random.default_rng(0)
    scenario = BellScenario((2, 3), (3, 2))
    strategies = np.column_stack([rng.integers(3, size=(40, 2)), rng.integers(2, size=(40, 3))])
    local = DeterministicModel(np.full(40, 1 / 40), strategies, scenario).behavior()
    threshold = nonlocality_threshold(local)
    assert threshold.lower == 1
    assert threshold.verify()


def test_time_limit_returns_a_valid_interval():
    axes = plane(8)
    behavior = Behavior.from_state(werner_state(1), [axes, axes])
    threshold = nonlocality_threshold(behavior, time_limit=1e-9)
    # Planar settings: between the exact value for all of them and CHSH's.
    assert threshold.lower <= np.sqrt(0.5) + 0.05
    assert threshold.upper >= np.sqrt(0.5)
    assert threshold.verify()


def test_time_limit_does_not_refuse_local_noise():
    axes = plane(6)
    target, noise = (Behavior.from_state(werner_state(v), [axes, axes]) for v in (1, 0.6))
    threshold = nonlocality_threshold(target, noise=noise, time_limit=1e-9)
    assert threshold.verify()


@pytest.mark.parametrize(
    ("field", "change"),
    [
        ("lower", lambda t: t.lower + 1e-6),
        ("upper", lambda t: t.upper - 1e-6),
        ("model", lambda t: DeterministicModel(np.roll(t.model.weights, 1), t.model.strategies, t.model.scenario)),
        ("behavior", lambda t: t.behavior.mix(visibility=0.999)),
    ],
)
def test_verify_refuses_tampered_thresholds(field, change):
    axes = ICOSAHEDRON_AXES[:4]
    threshold = nonlocality_threshold(Behavior.from_state(werner_state(1), [axes, axes]))
    assert threshold.verify()
    assert not dataclasses.replace(threshold, **{field: change(threshold)}).verify()


@pytest.mark.parametrize("suffix", ["json", "npz"])
def test_saved_threshold_verifies_after_loading(tmp_path, suffix):
    threshold = nonlocality_threshold(Behavior.from_state(BELL, "chsh"))
    path = tmp_path / f"threshold.{suffix}"
    threshold.save(path)
    loaded = Threshold.load(path)
    assert loaded == threshold
    assert loaded.verify()


def test_bad_input():
    chsh_behavior = Behavior.from_state(BELL, "chsh")
    signaling = np.full((2, 2, 2, 2), 0.25)
    signaling[0, 1] = [[0.5, 0], [0.5, 0]]
    with pytest.raises(ScenarioError, match=r"behavior.*no-signaling.*project_to_no_signaling"):
        nonlocality_threshold(Behavior(signaling))
    with pytest.raises(ScenarioError, match="noise"):
        nonlocality_threshold(chsh_behavior, noise=Behavior.white_noise(BellScenario((3, 2), (2, 2))))
    with pytest.raises(ScenarioError, match=r"noise.*local"):
        nonlocality_threshold(chsh_behavior, noise=chsh_behavior.mix(visibility=0.9))
    with pytest.raises(ScenarioError, match="max_visibility"):
        nonlocality_threshold(chsh_behavior, max_visibility=float("nan"))
    with pytest.raises(ScenarioError, match=r"noise.*local"):
        nonlocality_threshold(Behavior.white_noise(BellScenario((2, 2), (2, 2))), noise=chsh_behavior)
    axes = ICOSAHEDRON_AXES[:5]
    target = Behavior.from_state(werner_state(1), [axes, axes])
    with pytest.raises(ScenarioError, match=r"noise.*local"):
        nonlocality_threshold(target, noise=target.mix(visibility=0.95))
    with pytest.raises(ScenarioError, match="noise"):
        nonlocality_threshold(target, noise=target, max_visibility=2)


def octahedral_axes(*corners):
    """Axes of the points that the octahedron's symmetries make of each corner."""
    axes = []
    for corner in corners:
        for numbers in sorted(set(itertools.permutations(corner))):
            for signs in itertools.product((1, -1), repeat=3):
                axis = np.array(numbers) * signs / np.linalg.norm(corner)
                if not any(np.abs(np.cross(axis, one)).max() < 1e-9 for one in axes):
                    axes.append(axis)
    return axes


@pytest.mark.slow
def test_thirty_three_axes_are_proven_without_a_clock():
    # The polyhedron of an example of BellPolytopes.jl, whose published threshold is 0.704914.
    axes = octahedral_axes((0, 0, 1), (0, 1, 1), (0, 1, 2.97924065), (1, 1, 1.84443136))
    assert len(axes) == 33
    threshold = nonlocality_threshold(Behavior.from_state(werner_state(1), [axes, axes]))
    assert threshold.upper_is_proven
    assert not threshold.timed_out
    assert threshold.upper == pytest.approx(0.7038776, abs=1e-6)
    assert threshold.upper - threshold.lower < 1e-8
    check = threshold.verify()
    assert check, check.reason


def test_a_search_says_whether_its_time_ran_out(counted_clock):
    axes = octahedral_axes((0, 0, 1), (0, 1, 1), (1, 1, 1), (0, 1, 3))
    behavior = Behavior.from_state(werner_state(1), [axes, axes])
    with counted_clock(0.01):
        early = nonlocality_threshold(behavior, symmetry=None, time_limit=0.1)
    assert early.timed_out
    assert early.verify()
    assert not nonlocality_threshold(Behavior.from_state(werner_state(1), "chsh"), time_limit=1e3).timed_out


def test_whether_the_upper_end_is_proven_follows_from_the_bound():
    proven = nonlocality_threshold(Behavior.from_state(BELL, "chsh"))
    assert dataclasses.replace(proven, upper_is_proven=False).verify().refuted
    inequality = proven.inequality
    guessed = BellInequality(inequality.expression, dataclasses.replace(inequality.bound, exact=False))
    heuristic = dataclasses.replace(proven, inequality=guessed)
    assert heuristic.verify().refuted
    assert dataclasses.replace(heuristic, upper_is_proven=False).verify()
    nothing = dataclasses.replace(proven, inequality=None, upper=1.0)
    assert nothing.verify().refuted
    assert dataclasses.replace(nothing, upper_is_proven=False).verify()


def test_a_heuristic_bound_below_the_model_is_raised():
    axes = octahedral_axes((0, 0, 1), (0, 1, 1))
    threshold = nonlocality_threshold(Behavior.from_state(werner_state(1), [axes, axes]))
    inequality = threshold.inequality
    low = dataclasses.replace(inequality.bound, value=inequality.bound.value / 2, exact=False)
    model = threshold.model
    raised = _raised(BellInequality(inequality.expression, low), model.strategies)
    assert raised.bound.value == inequality.bound.value
    assert not raised.bound.exact
    assert _raised(inequality, model.strategies) is inequality


def swapped_table(scenario):
    """A box of perfect correlations, shifted where both choose another setting than the first, with some noise."""
    m, d = scenario.num_settings[0], scenario.max_outcomes[0]
    array = np.full(scenario.shape, 0.1 / d**2)
    for x, y, a in itertools.product(range(m), range(m), range(d)):
        array[x, y, a, (a + (x * y > 0)) % d] += 0.9 / d
    return Behavior((array + array.transpose(1, 0, 3, 2)) / 2)


@pytest.mark.parametrize("seed", [1, 2])
def test_gradients_reach_the_threshold_where_coordinates_depend_on_each_other(seed):
    """With symmetry and three outcomes, every stage ends in a model that is kept."""
    scenario = BellScenario((3, 3), (3, 3))
    behavior, noise = swapped_table(scenario), Behavior.white_noise(scenario)
    swap = Symmetry.generated_by([Relabeling.of(scenario, parties=[1, 0])], scenario)
    reduction = Reduction.fitting(behavior, noise, symmetry=swap)
    start = constant_strategies(scenario)
    found = search_by_gradients(behavior, noise, reduction, start, 1.0, NO_LIMIT, seed, False, None, 300)
    expected = nonlocality_threshold(behavior)
    assert found.verify()
    assert expected.lower - 1e-4 < found.lower <= expected.upper + 1e-9


def test_what_a_search_takes_for_proven_it_keeps():
    behavior = Behavior.from_state(BELL, [plane(3)] * 2)
    noise = Behavior.white_noise(behavior.scenario)
    reduction = Reduction.fitting(behavior, noise)
    search = _ThresholdSearch(reduction, behavior, noise, 1)
    search.gradient.add(0, constant_strategies(behavior.scenario).astype(np.int8))
    for visibility in (0.2, 0.5, 0.6):
        for _ in range(40):
            search.gradient.step(search.at(visibility))
            proven = search.proven(visibility)
            search.mixture = None
            search.keep(visibility)
            assert (proven > 0) == (search.mixture is not None)
        assert proven == visibility
