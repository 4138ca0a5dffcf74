import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from qiskit_lhv.measurements.axes import icosahedral_directions, platonic_directions
from qiskit_lhv.models.deterministic import DeterministicModel, enumerate_strategies
from qiskit_lhv.polytope.bounds.alternation import Alternation
from qiskit_lhv.polytope.expressions.expression import BellExpression
from qiskit_lhv.polytope.expressions.families import chsh
from qiskit_lhv.polytope.symmetry.reduced_coordinates import Reduction, even_flips, only_full_correlators
from qiskit_lhv.polytope.symmetry.relabelings import Relabeling, Symmetry
from qiskit_lhv.polytope.symmetry.symmetrized_model import SymmetrizedModel
from qiskit_lhv.projective.certificates.state_symmetry import state_symmetry
from qiskit_lhv.quantum.states import random_state, werner_state
from qiskit_lhv.targets import coordinates
from qiskit_lhv.targets.behaviors import Behavior
from qiskit_lhv.targets.correlations import CorrelationTensor
from qiskit_lhv.targets.scenario import BellScenario

from helpers import CHSH, random_relabeling, random_strategies

MIXED = BellScenario((2, 3, 2), (3, 2, 3))
SCENARIOS = [
    CHSH,
    BellScenario((3, 2), (2, 2)),
    BellScenario((2, 1, 2), (2, 2, 2)),
    BellScenario((2, 2), (3, 2)),
    BellScenario((4,), (2,)),
    BellScenario((2,), (4,)),
    MIXED,
]


def averaged(group, weights, strategies):
    """The model of the strategies averaged over the group, by brute force."""
    images = np.concatenate([group[i].apply(strategies) for i in range(len(group))])
    return DeterministicModel(np.tile(weights / len(group), len(group)), images, group.scenario)


def random_group(scenario, rng, symmetric):
    return Symmetry.generated_by([random_relabeling(scenario, rng)] if symmetric else [], scenario)


@given(st.sampled_from(SCENARIOS), st.booleans(), st.integers(0, 2**32 - 1))
@settings(deadline=None, max_examples=60)
def test_columns_are_averages_over_the_group(scenario, symmetric, seed):
    rng = np.random.default_rng(seed)
    group = random_group(scenario, rng, symmetric)
    reduction = Reduction.of(group)
    strategies = random_strategies(scenario, 4, rng)
    columns = reduction.columns(strategies)
    assert columns.shape == (4, len(reduction.starts))
    for row, strategy in zip(columns, strategies, strict=True):
        model = averaged(group, np.ones(1), strategy[None])
        assert np.allclose(row, reduction.coordinates(model.behavior()), atol=1e-12)
    # The normalization comes first.
    assert np.allclose(columns[:, 0], 1, atol=1e-12)


@given(st.sampled_from(SCENARIOS), st.booleans(), st.integers(0, 2**32 - 1))
@settings(deadline=None, max_examples=60)
def test_prices_are_bell_expressions(scenario, symmetric, seed):
    rng = np.random.default_rng(seed)
    group = random_group(scenario, rng, symmetric)
    reduction = Reduction.of(group)
    prices = rng.standard_normal(len(reduction.starts))
    table = reduction.expression(prices)
    assert table.shape == scenario.shape
    weights, strategies = rng.dirichlet(np.ones(3)), random_strategies(scenario, 3, rng)
    # On any behavior, also one without the symmetry: its coordinates are the averages.
    for behavior in (
        DeterministicModel(weights, strategies, scenario).behavior(),
        averaged(group, weights, strategies).behavior(),
    ):
        assert np.sum(table * behavior.array) == pytest.approx(prices @ reduction.coordinates(behavior), abs=1e-10)
    assert BellExpression(table, scenario).value(behavior) == pytest.approx(
        prices @ (weights @ reduction.columns(strategies)), abs=1e-10
    )
    # The expression has the symmetry.
    for one in group.generators:
        assert np.allclose(one.table(table), table, atol=1e-12)


@given(st.sampled_from(SCENARIOS), st.booleans(), st.integers(0, 2**32 - 1))
@settings(deadline=None, max_examples=40)
def test_the_oracles_tensor_is_the_same_function(scenario, symmetric, seed):
    rng = np.random.default_rng(seed)
    reduction = Reduction.of(random_group(scenario, rng, symmetric))
    prices = rng.standard_normal(len(reduction.starts))
    values, strategies = Alternation(scenario).improve(
        reduction.oracle_tensor(prices), random_strategies(scenario, 5, rng)
    )
    assert np.allclose(values, reduction.columns(strategies) @ prices, atol=1e-4)


@given(st.sampled_from(SCENARIOS), st.booleans(), st.integers(0, 2**32 - 1))
@settings(deadline=None, max_examples=40)
def test_models_written_out_have_the_same_coordinates(scenario, symmetric, seed):
    rng = np.random.default_rng(seed)
    group = random_group(scenario, rng, symmetric)
    reduction = Reduction.of(group)
    strategies = random_strategies(scenario, 5, rng)
    weights = rng.dirichlet(np.ones(5))
    weights[2] = 0
    weights /= weights.sum()
    model = SymmetrizedModel(weights, strategies, group)
    written = model.to_deterministic()
    assert isinstance(written, DeterministicModel)
    assert len(np.unique(written.strategies, axis=0)) == len(written.strategies)
    assert np.all(written.weights > 0)
    point = weights @ reduction.columns(strategies)
    assert np.allclose(reduction.coordinates(written.behavior()), point, atol=1e-12)
    # Not only their coordinates: the tables, each party's marginals included.
    expected = averaged(group, weights, strategies).behavior()
    assert np.allclose(written.behavior().array, expected.array, atol=1e-12)
    assert np.allclose(model.behavior().array, expected.array, atol=1e-12)
    assert model.verify(expected, atol=1e-12)
    other = averaged(group, rng.dirichlet(np.ones(5)), random_strategies(scenario, 5, rng)).behavior()
    assert bool(model.verify(other)) == bool(np.abs(other.array - expected.array).max() < 1e-9)


@given(st.sampled_from(SCENARIOS), st.booleans(), st.integers(0, 2**32 - 1))
@settings(deadline=None, max_examples=30)
def test_coordinates_say_all_about_invariant_behaviors(scenario, symmetric, seed):
    """Prices on coordinates, taken apart again: the table of an invariant behavior from its coordinates."""
    rng = np.random.default_rng(seed)
    group = random_group(scenario, rng, symmetric)
    reduction = Reduction.of(group)
    behavior = averaged(group, rng.dirichlet(np.ones(3)), random_strategies(scenario, 3, rng)).behavior()
    tensor = reduction.tensor(reduction.coordinates(behavior) * reduction.sizes)
    if scenario.is_two_outcome:
        inverse = coordinates.full_table_from_correlator_matrices(scenario)
    elif group.num_generators:
        sizes = zip(scenario.num_settings, scenario.max_outcomes, strict=True)
        inverse = [np.eye(m * d + 1)[1:] for m, d in sizes]
    else:
        inverse = coordinates.full_table_from_collins_gisin_matrices(scenario)
    table = coordinates.from_party_axes(coordinates.apply_per_party(tensor, inverse), scenario)
    assert np.allclose(table, behavior.array, atol=1e-12)


def test_distances_are_those_of_the_whole_tensor():
    """Norms weighted by orbit sizes, for a group whose orbits differ in size."""
    directions = platonic_directions("icosahedron")
    tensor = CorrelationTensor.from_state(werner_state(0.6))
    group = state_symmetry([tensor.array], [directions] * 2)
    reduction = Reduction.of(group)
    assert len(np.unique(reduction.sizes)) > 1
    rng = np.random.default_rng(1)
    difference = rng.standard_normal(len(reduction.sizes))
    full = reduction.tensor(difference * reduction.sizes)
    assert np.linalg.norm(full) == pytest.approx(np.sqrt(reduction.sizes @ difference**2))


def test_products_of_integers_and_of_reals_agree():
    rng = np.random.default_rng(4)
    reduction = Reduction.of(state_symmetry([CorrelationTensor.from_state(werner_state(1)).array], [np.eye(3)] * 2))
    signs = [rng.choice([-1, 1], size=(6, 4)).astype(np.int8) for _ in range(2)]
    for party in signs:
        party[:, 0] = 1
    exact = reduction.products(signs)
    assert np.allclose(exact, reduction.products([party.astype(np.float64) for party in signs]), atol=1e-14)


def test_products_in_several_chunks(monkeypatch):
    from qiskit_lhv.polytope.symmetry import reduced_coordinates as module

    rng = np.random.default_rng(4)
    for symmetric in (False, True):
        reduction = Reduction.of(random_group(CHSH, rng, symmetric))
        strategies = random_strategies(CHSH, 11, rng)
        whole = reduction.columns(strategies)
        monkeypatch.setattr(module, "_CHUNK_ENTRIES", 20)
        assert np.array_equal(reduction.columns(strategies), whole)
        monkeypatch.undo()


def test_distinct_strategies():
    group = Symmetry.generated_by(even_flips(CHSH), CHSH)
    reduction = Reduction.of(group)
    strategies = enumerate_strategies(CHSH)
    # Flipping all outcomes changes no full correlator.
    assert len(reduction.distinct(strategies)) == 8
    assert np.array_equal(reduction.distinct(strategies)[0], strategies[0])
    assert len(Reduction.of(Symmetry.trivial(CHSH)).distinct(strategies)) == 16


def test_fitting_joins_flips_only_for_full_correlators():
    full = Behavior.from_correlators(np.array([[1, 0, 0], [0, 0.5, 0.25], [0, 0.1, -0.5]]))
    marginals = Behavior.from_correlators(np.array([[1, 0.25, 0], [0, 0.5, 0.25], [0, 0.1, -0.5]]))
    assert only_full_correlators(full)
    assert not only_full_correlators(marginals)
    assert only_full_correlators(Behavior.white_noise(CHSH))
    assert not only_full_correlators(Behavior.white_noise(MIXED))
    assert len(Reduction.fitting(full).symmetry) == 2
    assert len(Reduction.fitting(full).sizes) == 5
    assert len(Reduction.fitting(full, marginals).symmetry) == 1
    assert len(Reduction.fitting(marginals).sizes) == 9
    group = Symmetry.generated_by([Relabeling.of(CHSH, parties=[1, 0])], CHSH)
    assert len(Reduction.fitting(Behavior.white_noise(CHSH), symmetry=group).symmetry) == 4


def test_even_flips_keep_full_correlators_only():
    scenario = BellScenario((2, 3, 1), (2, 2, 2))
    flips = even_flips(scenario)
    assert len(flips) == 2
    group = Symmetry.generated_by(flips, scenario)
    assert len(group) == 4
    cells, _, starts = group.orbits(correlators=True)
    index = np.array(np.unravel_index(cells, (3, 4, 2)))
    # What lives are the normalization and the correlators of all three.
    assert len(starts) == len(cells) == 1 + 2 * 3 * 1
    assert np.all(index[:, 1:] > 0)


def test_one_party_has_no_flips_to_join():
    behavior = Behavior.white_noise(BellScenario((3,), (2,)))
    assert len(Reduction.fitting(behavior).symmetry) == 1


def test_integer_expressions_are_whole_and_proportional():
    rng = np.random.default_rng(3)
    for scenario in SCENARIOS:
        reduction = Reduction.of(random_group(scenario, rng, True))
        integers = rng.integers(-9, 10, size=len(reduction.sizes)).astype(np.float64)
        table = reduction.integer_expression(integers)
        assert np.array_equal(table, np.rint(table))
        assert np.gcd.reduce(table.astype(np.int64), axis=None) == 1
        expected = reduction.expression(integers * reduction.sizes)
        ratio = np.abs(table).max() / np.abs(expected).max()
        assert np.allclose(table, ratio * expected, atol=1e-9)


def test_fine_integers_are_whole_proportional_and_small_enough():
    rng = np.random.default_rng(3)
    for scenario in SCENARIOS:
        reduction = Reduction.of(random_group(scenario, rng, True))
        numbers = rng.standard_normal(len(reduction.sizes))
        integers = reduction.fine_integers(numbers)
        assert np.array_equal(integers, np.rint(integers))
        assert np.allclose(integers / np.abs(integers).max(), numbers / np.abs(numbers).max(), atol=1e-9)
        table = np.prod(scenario.num_settings) * reduction.expression(integers * reduction.sizes)
        assert 2.0**40 < np.abs(table).sum() < 2.0**53


def test_chsh_as_prices():
    """Coefficients on the correlators become the table of the expression."""
    reduction = Reduction.of(Symmetry.trivial(CHSH))
    prices = chsh().to_correlators().ravel()
    assert np.allclose(reduction.expression(prices), chsh().coefficients)
    tensor = reduction.tensor(prices)
    assert np.allclose(tensor, chsh().to_correlators())


def test_states_on_directions():
    """Coordinates of a state's correlators, and those of its behavior, agree."""
    directions = icosahedral_directions(16, optimized=False)
    tensor = CorrelationTensor.from_state(werner_state(0.7))
    reduction = Reduction.of(state_symmetry([tensor.array], [directions] * 2))
    maps = [np.block([[np.ones((1, 1)), np.zeros((1, 3))], [np.zeros((16, 1)), directions]])] * 2
    by_tensor = reduction.of_tensor(coordinates.apply_per_party(tensor.array, maps))
    by_behavior = reduction.coordinates(tensor.behavior([list(directions)] * 2))
    assert np.allclose(by_tensor, by_behavior, atol=1e-9)
    assert by_tensor[0] == 1
    # Fewer than the 289 cells.
    assert len(by_tensor) < 20
    state = CorrelationTensor.from_state(random_state(2, seed=1))
    plain = Reduction.of(state_symmetry([state.array], [directions] * 2))
    assert len(plain.sizes) == 289
