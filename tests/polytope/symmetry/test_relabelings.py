import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from qiskit_lhv.exceptions import ScenarioError
from qiskit_lhv.models.deterministic import DeterministicModel
from qiskit_lhv.polytope.expressions.families import chsh
from qiskit_lhv.polytope.symmetry.relabelings import MAX_GROUP, Relabeling, Symmetry
from qiskit_lhv.targets import coordinates
from qiskit_lhv.targets.behaviors import Behavior
from qiskit_lhv.targets.scenario import BellScenario

from helpers import CHSH, random_relabeling, random_strategies

# Unequal settings and outcomes; parties 0 and 2 can change places, party 1 cannot.
ASYMMETRIC = BellScenario((2, 3, 2), (3, 2, 3))
SCENARIOS = [
    ASYMMETRIC,
    BellScenario((2, 3, 1), (2, 3, 2)),
    BellScenario((3, 3), (2, 2)),
    BellScenario((2, 2, 2), (2, 2, 2)),
    BellScenario((4,), (3,)),
    BellScenario((1, 1, 1, 1), (2, 2, 2, 2)),
]


def random_model(scenario, rng, count=3):
    return DeterministicModel(rng.dirichlet(np.ones(count)), random_strategies(scenario, count, rng), scenario)


def tensor_of(behavior, correlators):
    if correlators:
        return behavior.to_correlators().ravel()
    # The table, after an entry for each party that does not take part.
    sizes = zip(behavior.scenario.num_settings, behavior.scenario.max_outcomes, strict=True)
    maps = [np.vstack([np.full(m * d, 1 / m), np.eye(m * d)]) for m, d in sizes]
    axes = coordinates.to_party_axes(behavior.array, behavior.scenario)
    return coordinates.apply_per_party(axes, maps).ravel()


# One relabeling


@given(st.sampled_from(SCENARIOS), st.integers(0, 2**32 - 1))
@settings(deadline=None, max_examples=60)
def test_strategies_and_behaviors_are_relabeled_alike(scenario, seed):
    rng = np.random.default_rng(seed)
    one, model = random_relabeling(scenario, rng), random_model(scenario, rng)
    moved = DeterministicModel(model.weights, one.apply(model.strategies), scenario).behavior()
    behavior = one.behavior(model.behavior())
    assert np.allclose(behavior.array, moved.array, atol=1e-12)
    for correlators in (False, True) if scenario.is_two_outcome else (False,):
        old, sign = one.cells(correlators)
        before, after = tensor_of(model.behavior(), correlators), tensor_of(behavior, correlators)
        assert np.allclose(after, sign * before[old], atol=1e-12)
        assert sorted(old.tolist()) == list(range(len(before)))
        assert set(sign.tolist()) <= {-1, 1}


@given(st.integers(0, 2**32 - 1))
@settings(deadline=None, max_examples=40)
def test_relabeled_behavior_entry_by_entry(seed):
    """Without model or matrices: p'(a'|x') = p(a|x) with the meaning that the class's documentation states."""
    rng = np.random.default_rng(seed)
    one, behavior = random_relabeling(ASYMMETRIC, rng), random_model(ASYMMETRIC, rng).behavior()
    new = one.behavior(behavior).array
    starts, parties = [0, 2, 5], one.parties()
    for x in np.ndindex(*ASYMMETRIC.num_settings):
        for a in np.ndindex(*ASYMMETRIC.max_outcomes):
            old_x, old_a = [0] * 3, [0] * 3
            for k in range(3):
                i = starts[k] + x[k]
                old_x[parties[k]] = int(one.source[i]) - starts[parties[k]]
                old_a[parties[k]] = next(b for b in range(3) if one.outcomes[i, b] == a[k])
            assert new[x + a] == behavior.array[tuple(old_x) + tuple(old_a)]


def test_an_asymmetric_relabeling_by_hand():
    """Party 0 takes the place of party 2, so setting 0 of party 0 answers what setting 1 of party 2 did."""
    one = Relabeling.of(
        ASYMMETRIC,
        parties=[2, 1, 0],
        settings=[[1, 0], [2, 0, 1], [0, 1]],
        outcomes=[[[1, 2, 0], [0, 1, 2]], [[0, 1], [1, 0], [0, 1]], [[0, 1, 2], [2, 1, 0]]],
    )
    assert one.source.tolist() == [6, 5, 4, 2, 3, 0, 1]
    assert one.parties() == [2, 1, 0]
    strategy = np.array([[0, 1, 0, 1, 1, 2, 0]])
    # Party 0: (0 -> 1, 2 -> 2). Party 1: settings 2, 0, 1 answer 1, 0 -> 1, 1. Party 2: (0 -> 0, 1 -> 1).
    assert one.apply(strategy).tolist() == [[1, 2, 1, 1, 1, 0, 1]]
    behavior = DeterministicModel([1.0], strategy, ASYMMETRIC).behavior()
    assert one.behavior(behavior).array[0, 1, 1, 1, 1, 1] == 1


def test_the_default_is_the_identity():
    one = Relabeling.of(ASYMMETRIC)
    strategies = random_strategies(ASYMMETRIC, 9, np.random.default_rng(1))
    assert np.array_equal(one.apply(strategies), strategies)
    assert one.parties() == [0, 1, 2]
    assert str(one) == "of 3 parties with (2, 3, 2) settings of (3, 2, 3) outcomes"


def test_saving(tmp_path):
    one = random_relabeling(ASYMMETRIC, np.random.default_rng(4))
    for name in ("one.json", "one.npz"):
        one.save(tmp_path / name)
        assert Relabeling.load(tmp_path / name) == one


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"parties": [0, 0, 1]}, "parties: expected a permutation of 3 parties"),
        ({"parties": [0, 1]}, "parties: expected a permutation of 3 parties"),
        ({"parties": [1, 0, 2]}, "each party's settings taken from one party alike|settings"),
        ({"settings": [[0, 0], [0, 1, 2], [0, 1]]}, "source: expected a permutation of all settings"),
        ({"settings": [[0, 2], [0, 1, 2], [0, 1]]}, "settings: expected settings of party 0"),
        ({"settings": [[0, -1], [0, 1, 2], [0, 1]]}, "settings: expected settings of party 0"),
        ({"settings": [[0, 1, 2], [0, 1, 2], [0, 1]]}, r"settings, outcomes: expected shapes \(2,\) and \(2, 3\)"),
        (
            {"outcomes": [[[0, 1, 1], [0, 1, 2]], [[0, 1]] * 3, [[0, 1, 2]] * 2]},
            "outcomes: expected a permutation of 3 outcomes for each setting of party 0",
        ),
        (
            {"outcomes": [[[0, 1, 2]] * 2, [[0, 2]] * 3, [[0, 1, 2]] * 2]},
            "outcomes: expected a permutation of 2 outcomes for each setting of party 1",
        ),
    ],
)
def test_what_is_no_permutation_is_refused(arguments, message):
    with pytest.raises(ScenarioError, match=message):
        Relabeling.of(ASYMMETRIC, **arguments)


@pytest.mark.parametrize(
    ("source", "outcomes", "message"),
    [
        ([0, 1, 2], np.tile([0, 1], (4, 1)), "source, outcomes: expected shapes"),
        ([0, 1, 2, 2], np.tile([0, 1], (4, 1)), "permutation of all settings"),
        ([0, 2, 1, 3], np.tile([0, 1], (4, 1)), "one party alike"),
        ([0, 1, 2, 3], np.tile([0, 0], (4, 1)), "permutation of 2 outcomes"),
        ([0, 1, 2, 3], np.tile([0, 2], (4, 1)), "permutation of 2 outcomes"),
        ([0.5, 1, 2, 3], np.tile([0, 1], (4, 1)), "source"),
        ([0, 1, 2, "a"], np.tile([0, 1], (4, 1)), "numbers"),
        ([[0, 1, 2, 3]], np.tile([0, 1], (4, 1)), "axes"),
    ],
)
def test_raw_relabelings_are_checked(source, outcomes, message):
    with pytest.raises(ScenarioError, match=message):
        Relabeling(CHSH, source, outcomes)


def test_behaviors_of_other_scenarios_are_refused():
    with pytest.raises(ScenarioError, match="behavior"):
        Relabeling.of(CHSH).behavior(Behavior.white_noise(ASYMMETRIC))


# Groups


def all_relabelings(scenario):
    """Every relabeling of a small two-outcome scenario with equal parties."""
    m, n = scenario.num_settings[0], scenario.num_parties
    for parties in itertools.permutations(range(n)):
        for chosen in itertools.product(itertools.permutations(range(m)), repeat=n):
            for flips in itertools.product(([0, 1], [1, 0]), repeat=m * n):
                names = [flips[k * m : (k + 1) * m] for k in range(n)]
                yield Relabeling.of(scenario, parties=parties, settings=chosen, outcomes=names)


def chsh_generators():
    """Swap the parties; swap A's settings and flip B's second outcome; flip everything."""
    identity = [[0, 1], [0, 1]]
    return [
        Relabeling.of(CHSH, parties=[1, 0]),
        Relabeling.of(CHSH, settings=[[1, 0], [0, 1]], outcomes=[identity, [[0, 1], [1, 0]]]),
        Relabeling.of(CHSH, outcomes=[[[1, 0], [1, 0]]] * 2),
    ]


def keys(group):
    return {(group.sources[i].tobytes(), group.outcomes[i].tobytes()) for i in range(len(group))}


def test_all_relabelings_of_chsh():
    """2 party orders, 2! * 2! setting orders, 2**4 flips."""
    group = Symmetry.generated_by(all_relabelings(CHSH), CHSH)
    assert len(group) == 128
    assert len(keys(group)) == 128
    assert group.num_generators <= 7


def test_the_symmetries_of_the_chsh_expression():
    """Of the 128 relabelings 16 leave the expression as it is: the orbit of CHSH has 8 members."""
    coefficients = chsh().to_correlators()
    fixing = []
    for one in all_relabelings(CHSH):
        old, sign = one.cells(correlators=True)
        if np.array_equal(sign * coefficients.ravel()[old], coefficients.ravel()):
            fixing.append(one)
    assert len(fixing) == 16
    group = Symmetry.generated_by(fixing, CHSH)
    assert len(group) == 16
    assert all(one in group for one in fixing)
    generated = Symmetry.generated_by(chsh_generators(), CHSH)
    assert keys(generated) <= keys(group)
    assert len(generated) == 16


def test_groups_are_closed():
    group = Symmetry.generated_by(chsh_generators(), CHSH)
    strategies = random_strategies(CHSH, 16, np.random.default_rng(2))
    for i, j in itertools.product(range(len(group)), repeat=2):
        first, second = group[i], group[j]
        source = first.source[second.source]
        names = np.take_along_axis(second.outcomes, first.outcomes[second.source], axis=1)
        product = Relabeling(CHSH, source, names)
        # The product is what applying one after the other does.
        assert np.array_equal(product.apply(strategies), second.apply(first.apply(strategies)))
        assert product in group


@pytest.mark.parametrize("scenario", [ASYMMETRIC, BellScenario((2, 3), (3, 2))])
def test_generated_groups_of_unequal_parties_are_closed(scenario):
    rng = np.random.default_rng(8)
    generators = []
    for _ in range(2):
        # Few settings and outcomes move, so that the group stays small.
        outcomes = [[list(range(d)) for _ in range(m)] for m, d in zip(*_sizes(scenario), strict=True)]
        outcomes[0][rng.integers(2)] = [1, 2, 0]
        generators.append(Relabeling.of(scenario, outcomes=outcomes))
    generators.append(Relabeling.of(scenario, settings=[[1, 0], *[range(m) for m in scenario.num_settings[1:]]]))
    group = Symmetry.generated_by(generators, scenario)
    # Two rotations of three outcomes each, and the exchange of the two settings.
    assert len(group) in (6, 18)
    strategies = random_strategies(scenario, 4, rng)
    members = {group[i].apply(strategies).tobytes() for i in range(len(group))}
    for i, one in itertools.product(range(len(group)), generators):
        assert one.apply(group[i].apply(strategies)).tobytes() in members


def _sizes(scenario):
    return scenario.num_settings, scenario.max_outcomes


def test_the_identity_comes_first_then_the_generators():
    generators = chsh_generators()[1:]
    group = Symmetry.generated_by([Relabeling.of(CHSH), *generators, generators[0]], CHSH)
    assert len(group) == 4
    assert group[0] == Relabeling.of(CHSH)
    assert group.num_generators == 2
    assert group.generators == generators
    assert [group[1], group[2]] == generators
    assert str(group).startswith("4 relabelings of 2 parties")


def test_redundant_generators_are_left_out():
    one = Relabeling.of(CHSH, parties=[1, 0])
    group = Symmetry.generated_by([one, one], CHSH)
    assert (len(group), group.num_generators) == (2, 1)


def test_trivial_groups():
    group = Symmetry.trivial(ASYMMETRIC)
    assert (len(group), group.num_generators, group.generators) == (1, 0, [])
    assert Relabeling.of(ASYMMETRIC) in group
    assert random_relabeling(ASYMMETRIC, np.random.default_rng(2)) not in group
    assert "no relabeling" not in group
    cells, signs, starts = group.orbits(correlators=False)
    assert np.array_equal(cells, starts)
    assert len(cells) == 7 * 7 * 7
    assert np.all(signs == 1)


def test_images_are_listed_element_by_element():
    group = Symmetry.generated_by(chsh_generators(), CHSH)
    strategies = random_strategies(CHSH, 5, np.random.default_rng(3))
    images = group.images(strategies)
    assert images.shape == (80, 4)
    for i in range(16):
        assert np.array_equal(images[5 * i : 5 * i + 5], group[i].apply(strategies))


@pytest.mark.parametrize("name", ["group.npz", "group.json"])
def test_groups_can_be_saved(tmp_path, name):
    group = Symmetry.generated_by(chsh_generators(), CHSH)
    group.save(tmp_path / name)
    assert Symmetry.load(tmp_path / name) == group


def test_relabelings_of_other_scenarios_are_refused():
    with pytest.raises(ScenarioError, match=r"symmetry: expected relabelings of 2 parties"):
        Symmetry.generated_by([Relabeling.of(ASYMMETRIC)], CHSH)


def test_groups_that_are_too_large_are_refused():
    scenario = BellScenario((8,), (2,))
    generators = [
        Relabeling.of(scenario, settings=[[1, 2, 3, 4, 5, 6, 7, 0]]),
        Relabeling.of(scenario, settings=[[1, 0, 2, 3, 4, 5, 6, 7]]),
    ]
    # All 8! = 40320 orders of the settings.
    with pytest.raises(ScenarioError, match=f"at most {MAX_GROUP}.*a subgroup serves as well"):
        Symmetry.generated_by(generators, scenario)


# Orbits


def check_orbits(group, correlators, invariant, rng):
    """Orbits by brute force over all elements, and their values on an invariant behavior."""
    cells, signs, starts = group.orbits(correlators)
    maps = [group[i].cells(correlators) for i in range(len(group))]
    count = len(maps[0][0])
    # The average of random cell values over the group.
    values = rng.standard_normal(count)
    average = np.mean([sign * values[old] for old, sign in maps], axis=0)
    assert starts[0] == 0
    assert cells[0] == 0
    dead = np.setdiff1d(np.arange(count), cells)
    assert len(np.unique(cells)) == len(cells)
    assert np.allclose(average[dead], 0, atol=1e-12)
    tensor = tensor_of(invariant, correlators)
    assert np.allclose(tensor[dead], 0, atol=1e-12)
    orbit = np.repeat(np.arange(len(starts)), np.diff(np.append(starts, len(cells))))
    for number in range(len(starts)):
        members, own = cells[orbit == number], signs[orbit == number]
        assert own[0] == 1
        assert members[0] == members.min()
        assert np.ptp(average[members] * own) < 1e-12
        assert np.ptp(tensor[members] * own) < 1e-12
        # Exactly the cells that the group takes to the first one.
        assert sorted(members.tolist()) == sorted({int(old[members[0]]) for old, _ in maps})
    assert np.all(np.diff(cells[starts]) > 0)
    return len(starts), dead


def test_orbits_of_the_chsh_symmetry():
    group = Symmetry.generated_by(chsh_generators(), CHSH)
    behavior = Behavior.from_correlators(np.diag([1.0, 0, 0]) + _full_correlators(0.6 * np.array([[1, 1], [1, -1]])))
    number, dead = check_orbits(group, True, behavior, np.random.default_rng(1))
    # The normalization and one orbit of four correlators, with signs; all marginals vanish.
    assert number == 2
    assert len(dead) == 4
    cells, signs, starts = group.orbits(True)
    assert cells.tolist() == [0, 4, 5, 7, 8]
    assert signs.tolist() == [1, 1, 1, 1, -1]
    assert starts.tolist() == [0, 1]
    number, dead = check_orbits(group, False, behavior, np.random.default_rng(1))
    # The normalization, all marginals, and the likely and the unlikely pairs of outcomes.
    assert number == 4
    assert len(dead) == 0


def _full_correlators(matrix):
    full = np.zeros((3, 3))
    full[1:, 1:] = matrix
    return full


@given(
    st.sampled_from([ASYMMETRIC, BellScenario((3, 3), (2, 2)), BellScenario((2, 2, 1), (2, 2, 2))]), st.integers(0, 999)
)
@settings(deadline=None, max_examples=25)
def test_orbits_of_random_groups(scenario, seed):
    rng = np.random.default_rng(seed)
    one = random_relabeling(scenario, rng)
    group = Symmetry.generated_by([one], scenario)
    model = random_model(scenario, rng, 2)
    invariant = DeterministicModel(
        np.tile(model.weights / len(group), len(group)), group.images(model.strategies), scenario
    ).behavior()
    assert np.allclose(one.behavior(invariant).array, invariant.array, atol=1e-12)
    check_orbits(group, False, invariant, rng)
    if scenario.is_two_outcome:
        check_orbits(group, True, invariant, rng)
