import itertools
import json
import math

import numpy as np
import pytest
from qiskit_lhv._support.deadlines import NO_LIMIT, Deadline
from qiskit_lhv.exceptions import LHVError
from qiskit_lhv.measurements.axes import platonic_directions
from qiskit_lhv.measurements.polyhedra import inradius
from qiskit_lhv.models.deterministic import DeterministicModel, enumerate_strategies
from qiskit_lhv.polytope.expressions.expression import BellExpression
from qiskit_lhv.polytope.symmetry.reduced_coordinates import Reduction, even_flips
from qiskit_lhv.polytope.symmetry.relabelings import Relabeling, Symmetry
from qiskit_lhv.polytope.thresholds.conditional_gradient import ConditionalGradient, Ending, StrategyOracle
from qiskit_lhv.projective.certificates.product_oracle import ProductStateOracle
from qiskit_lhv.projective.certificates.state_symmetry import state_symmetry
from qiskit_lhv.quantum.states import werner_state
from qiskit_lhv.targets.behaviors import Behavior
from qiskit_lhv.targets.coordinates import apply_per_party
from qiskit_lhv.targets.correlations import CorrelationTensor
from qiskit_lhv.targets.scenario import BellScenario

from helpers import CHSH

SCENARIOS = [
    CHSH,
    BellScenario((3, 4), (2, 2)),
    BellScenario((2, 2), (3, 2)),
    BellScenario((2, 2, 2), (2, 2, 2)),
    BellScenario((3,), (3,)),
]


def columns_of(oracle, rows):
    """Coordinates of atoms."""
    return oracle.reduction.products(oracle.factors(rows))


def random_model(scenario, seed, count=6):
    rng = np.random.default_rng(seed)
    sizes = zip(scenario.num_settings, scenario.max_outcomes, strict=True)
    strategies = np.hstack([rng.integers(d, size=(count, m)) for m, d in sizes])
    return DeterministicModel(rng.dirichlet(np.ones(count)), strategies, scenario)


def gradient_of(symmetry, seed=1, **options):
    reduction = Reduction.of(symmetry)
    return ConditionalGradient(reduction, [StrategyOracle(reduction, **options)], seed)


def check_mixture(gradient):
    """Weights are probabilities; the point is the mixture of the atoms, recomputed from what describes them."""
    point, total = 0, 0.0
    for kind, oracle in enumerate(gradient.oracles):
        rows, weights = gradient.atoms(kind)
        if len(rows):
            assert np.all(weights > 0)
            point = point + weights @ columns_of(oracle, rows)
            total += math.fsum(weights)
    assert total == pytest.approx(1, abs=1e-12)
    assert np.all(gradient.weights >= 0)
    assert np.allclose(gradient.point()[1:], point[1:], atol=1e-12)
    return point


@pytest.mark.parametrize("scenario", SCENARIOS, ids=str)
@pytest.mark.parametrize("seed", [1, 2])
def test_local_points_are_reached(scenario, seed):
    target_behavior = random_model(scenario, seed).behavior()
    gradient = gradient_of(Symmetry.trivial(scenario))
    target = gradient.reduction.coordinates(target_behavior)
    assert gradient.run(target, 1e-7, NO_LIMIT) is Ending.CLOSE
    assert gradient.distance(target) <= 1e-7
    check_mixture(gradient)
    strategies, weights = gradient.atoms(0)
    mixture = DeterministicModel(weights / math.fsum(weights), strategies, scenario).behavior()
    assert np.abs(mixture.array - target_behavior.array).max() < 1e-6
    assert gradient.num_atoms == len(strategies)


def test_distances_are_those_of_full_correlators():
    gradient = gradient_of(Symmetry.generated_by([Relabeling.of(CHSH, parties=[1, 0])], CHSH))
    assert len(gradient.reduction.sizes) == 6
    behavior = Behavior.from_correlators(np.array([[1, 0.2, 0.1], [0.2, 0.3, 0.4], [0.1, 0.4, -0.6]]))
    target = gradient.reduction.coordinates(behavior)
    gradient.step(target)
    full = gradient.reduction.spread(gradient.point())
    assert gradient.distance(target) == pytest.approx(np.linalg.norm(full - behavior.to_correlators()), abs=1e-12)


def test_symmetric_local_points_are_reached():
    """A singlet on the icosahedron below its threshold there, in the coordinates of 240 relabelings."""
    directions = platonic_directions("icosahedron")
    tensor = CorrelationTensor.from_state(werner_state(0.6))
    gradient = gradient_of(state_symmetry([tensor.array], [directions] * 2))
    target = gradient.reduction.coordinates(tensor.behavior([list(directions)] * 2))
    assert gradient.run(target, 1e-7, NO_LIMIT) is Ending.CLOSE
    check_mixture(gradient)


def pr_box(noise=0.0):
    correlators = np.eye(1, 9).reshape(3, 3)
    correlators[1:, 1:] = (1 - noise) * np.array([[1, 1], [1, -1]])
    return Behavior.from_correlators(correlators)


@pytest.mark.parametrize("symmetric", [False, True])
@pytest.mark.parametrize("noise", [0.0, 0.45])
def test_nonlocal_points_are_separated(symmetric, noise):
    box = pr_box(noise)
    gradient = gradient_of(Symmetry.generated_by(even_flips(CHSH) if symmetric else [], CHSH))
    target = gradient.reduction.coordinates(box)
    assert gradient.run(target, 1e-9, NO_LIMIT) is Ending.SEPARATED
    assert gradient.best_bound < gradient.prices @ target
    expression = BellExpression(gradient.reduction.expression(gradient.prices), CHSH)
    values = [
        expression.value(DeterministicModel([1.0], strategy[None], CHSH).behavior())
        for strategy in enumerate_strategies(CHSH)
    ]
    assert max(values) <= gradient.best_bound + 1e-9
    assert expression.value(box) == pytest.approx(gradient.prices @ target, abs=1e-9)
    assert expression.value(box) > max(values) + 1e-9
    # The distance of the PR box from the local polytope: half of its correlators' excess of 2, shared by four.
    assert gradient.distance(target) >= (4 * (1 - noise) - 2) / 2 - 1e-9


@pytest.mark.parametrize("scenario", [BellScenario((2, 2), (3, 3)), BellScenario((2, 2, 2), (2, 2, 2))], ids=str)
def test_separating_prices_are_bell_inequalities(scenario):
    """Random no-signaling vertices would do; here PR boxes on two outcomes of the first two parties."""
    array = np.zeros(scenario.shape)
    for x in np.ndindex(*scenario.num_settings):
        for a, b in itertools.product(range(2), repeat=2):
            rest = (0,) * (scenario.num_parties - 2)
            array[(*x, a, b, *rest)] = 0.5 * ((a ^ b) == (x[0] & x[1]))
    box = Behavior(array)
    gradient = gradient_of(Symmetry.trivial(scenario))
    target = gradient.reduction.coordinates(box)
    assert gradient.run(target, 1e-9, NO_LIMIT) is Ending.SEPARATED
    table = gradient.reduction.expression(gradient.prices)
    largest = max(
        np.sum(table * DeterministicModel([1.0], strategy[None], scenario).behavior().array)
        for strategy in enumerate_strategies(scenario)
    )
    assert largest <= gradient.best_bound + 1e-9
    assert np.sum(table * box.array) > largest


def test_the_deadline_stops_it():
    gradient = gradient_of(Symmetry.trivial(CHSH), num_starts=2, num_atoms=1)
    target = gradient.reduction.coordinates(random_model(CHSH, 5).behavior())
    calls = []
    assert gradient.run(target, 0.0, Deadline(1e-9), lambda *_: calls.append(1)) is Ending.OUT_OF_TIME
    assert len(calls) == 1
    check_mixture(gradient)


def test_watching_stops_it():
    gradient = gradient_of(Symmetry.trivial(CHSH), num_starts=2, num_atoms=1)
    target = gradient.reduction.coordinates(random_model(CHSH, 5).behavior())
    distances = []

    def watch(one, distance):
        assert one is gradient
        assert distance == one.distance(target)
        distances.append(distance)
        return len(distances) == 3

    assert gradient.run(target, 0.0, NO_LIMIT, watch) is Ending.STOPPED
    assert len(distances) == 3
    assert distances[0] >= distances[1] - 1e-9 >= distances[2] - 2e-9
    check_mixture(gradient)


def test_the_same_seed_gives_the_same_mixture():
    scenario = BellScenario((6, 6), (2, 2))

    def run(seed):
        gradient = gradient_of(Symmetry.trivial(scenario), seed, num_starts=6, num_atoms=2)
        target = gradient.reduction.coordinates(random_model(scenario, 7, 60).behavior())
        for _ in range(3):
            gradient.step(target)
        return gradient.atoms(0)

    first, again, other = run(3), run(3), run(4)
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert not (first[0].shape == other[0].shape and np.array_equal(first[0], other[0]))


def test_bad_seeds_are_refused():
    with pytest.raises(LHVError, match="seed"):
        gradient_of(Symmetry.trivial(CHSH), -1)


def test_going_on_from_a_saved_state():
    """Atoms, weights and the state of the random generator, through JSON, are all there is."""
    scenario = SCENARIOS[1]
    options = {"num_starts": 6, "num_atoms": 2}
    first = gradient_of(Symmetry.trivial(scenario), 3, **options)
    target = first.reduction.coordinates(random_model(scenario, 7).behavior())
    for _ in range(3):
        first.step(target)
    state, (rows, weights) = json.loads(json.dumps(first.random_state)), first.atoms(0)
    second = gradient_of(Symmetry.trivial(scenario), 99, **options)
    second.random_state = state
    second.add(0, rows, weights)
    assert second.distance(target) == pytest.approx(first.distance(target), abs=1e-12)
    assert second.step(target) == pytest.approx(first.step(target), abs=1e-6)


def test_first_atoms_share_the_weight_and_later_ones_have_none():
    gradient = gradient_of(Symmetry.trivial(CHSH))
    strategies = enumerate_strategies(CHSH)
    gradient.add(0, strategies[:4])
    assert np.allclose(gradient.weights, 0.25)
    gradient.add(0, strategies[4:6])
    assert gradient.weights.tolist() == [0.25] * 4 + [0, 0]
    gradient.add(0, strategies[:0])
    assert len(gradient.weights) == 6
    assert gradient.num_atoms == 4
    check_mixture(gradient)


def test_many_atoms_need_more_room_and_are_forgotten():
    scenario = BellScenario((6, 6), (2, 2))
    gradient = gradient_of(Symmetry.trivial(scenario))
    gradient.add(0, enumerate_strategies(scenario)[::7])
    count = len(gradient.weights)
    assert count > 512
    columns = gradient.reduction.columns(enumerate_strategies(scenario)[::7])[:, 1:]
    assert np.allclose(gradient._gram[:count, :count], columns @ columns.T)
    target = gradient.reduction.coordinates(random_model(scenario, 3, 4).behavior())
    for _ in range(12):
        gradient.step(target)
    assert len(gradient.weights) < count
    rows = np.array(gradient._rows)
    columns = gradient.reduction.columns(rows)[:, 1:]
    assert np.allclose(gradient._gram[: len(rows), : len(rows)], columns @ columns.T)
    check_mixture(gradient)


def test_mending_reproduces_the_point():
    """Inside the polytope, a small correction of the weights leaves nothing to miss."""
    scenario = BellScenario((3, 3), (2, 2))
    gradient = gradient_of(Symmetry.trivial(scenario))
    gradient.add(0, enumerate_strategies(scenario))
    rng = np.random.default_rng(2)
    near = Behavior.from_correlators(np.eye(1, 16).reshape(4, 4) + 0.02 * rng.standard_normal((4, 4)) * _inner())
    target = gradient.reduction.coordinates(near)
    assert gradient.distance(target) > 1e-3
    assert gradient.mend(target)
    assert gradient.distance(target) < 1e-12
    check_mixture(gradient)


def _inner():
    inner = np.ones((4, 4))
    inner[0, 0] = 0
    return inner


def test_mending_refuses_what_would_need_negative_weights():
    gradient = gradient_of(Symmetry.trivial(CHSH))
    gradient.add(0, enumerate_strategies(CHSH))
    before = gradient.weights.copy()
    assert not gradient.mend(gradient.reduction.coordinates(pr_box()))
    assert np.array_equal(gradient.weights, before)
    few = gradient_of(Symmetry.trivial(CHSH))
    few.add(0, enumerate_strategies(CHSH)[:3])
    assert not few.mend(few.reduction.coordinates(pr_box()))


def test_mending_copes_with_coordinates_that_depend_on_each_other():
    """With symmetry and three outcomes, coordinates are those of the table and its marginals."""
    scenario = BellScenario((2, 2), (3, 3))
    reduction = Reduction.of(Symmetry.generated_by([Relabeling.of(scenario, parties=[1, 0])], scenario))
    gradient = ConditionalGradient(reduction, [StrategyOracle(reduction)], 1)
    gradient.add(0, reduction.distinct(enumerate_strategies(scenario)))
    noise = Behavior.white_noise(scenario).array
    near = 0.98 * noise + 0.02 * random_model(scenario, 4).behavior().array
    near = (near + near.transpose(1, 0, 3, 2)) / 2
    target = reduction.coordinates(Behavior(near))
    columns = reduction.columns(enumerate_strategies(scenario))
    assert np.linalg.matrix_rank(columns) < columns.shape[1]
    assert gradient.distance(target) > 1e-3
    assert gradient.mend(target)
    assert gradient.distance(target) < 1e-9
    check_mixture(gradient)


def test_mending_leaves_the_weights_where_it_comes_out_too_far():
    """A point that mixtures of the atoms, all of one plane, cannot reproduce is refused."""
    gradient = gradient_of(Symmetry.trivial(CHSH))
    flat = enumerate_strategies(CHSH)
    gradient.add(0, np.concatenate([flat[flat[:, 0] == 0]] * 2))
    before = gradient.weights.copy()
    assert len(before) > 8
    assert not gradient.mend(gradient.reduction.coordinates(Behavior.white_noise(CHSH)))
    assert np.array_equal(gradient.weights, before)


# Product states


def product_maps(directions):
    maps = []
    for one in directions:
        matrix = np.zeros((len(one) + 1, 4))
        matrix[0, 0] = 1
        matrix[1:, 1:] = one / inradius(one)
        maps.append(matrix)
    return tuple(maps)


def product_oracle(directions, symmetry=None):
    scenario = BellScenario(tuple(len(d) for d in directions), (2,) * len(directions))
    reduction = Reduction.of(Symmetry.trivial(scenario) if symmetry is None else symmetry)
    return ProductStateOracle(reduction, product_maps(directions))


DIRECTIONS = [platonic_directions("cube"), platonic_directions("icosahedron")]


def test_columns_of_product_states():
    """Correlators of an asymmetric product state, each index divided by the party's inradius."""
    oracle = product_oracle(DIRECTIONS)
    a, b = np.array([0.0, 0.6, 0.8]), np.array([1.0, 0, 0])
    column = columns_of(oracle, np.concatenate([a, b])[None])[0].reshape(5, 7)
    assert column[0, 0] == 1
    first, second = DIRECTIONS[0] @ a / inradius(DIRECTIONS[0]), DIRECTIONS[1] @ b / inradius(DIRECTIONS[1])
    assert np.allclose(column[1:, 0], first)
    assert np.allclose(column[0, 1:], second)
    assert np.allclose(column[1:, 1:], np.outer(first, second))


@pytest.mark.parametrize("seed", range(4))
def test_best_product_states(seed):
    """What is found is a pure product state, and no random one is better."""
    rng = np.random.default_rng(seed)
    directions = DIRECTIONS if seed % 2 else [*DIRECTIONS, platonic_directions("octahedron")]
    oracle = product_oracle(directions)
    prices = np.append(0.0, rng.standard_normal(len(oracle.reduction.sizes) - 1))
    known = np.empty((0, 3 * len(directions)))
    rows = oracle.search(prices, known, np.empty(0), rng)
    n = len(directions)
    assert rows.ndim == 2
    assert np.allclose(np.linalg.norm(rows.reshape(-1, n, 3), axis=2), 1)
    values = columns_of(oracle, rows) @ prices
    assert np.all(np.diff(values) < 0)
    tries = rng.standard_normal((3000, n, 3))
    tries /= np.linalg.norm(tries, axis=2, keepdims=True)
    assert values[0] >= (columns_of(oracle, tries.reshape(-1, 3 * n)) @ prices).max() - 1e-9
    # Starting from what is known, nothing is lost.
    again = oracle.search(prices, rows, np.full(len(rows), 1 / len(rows)), rng)
    assert columns_of(oracle, again)[0] @ prices >= values[0] - 1e-6 * abs(values[0])


def test_separable_states_are_reached_with_product_states():
    """Scaled correlators of a separable state with large marginals, which no strategies alone reproduce."""
    rng = np.random.default_rng(3)
    vectors = rng.standard_normal((3, 2, 3))
    vectors /= np.linalg.norm(vectors, axis=2, keepdims=True)
    weights = np.array([0.5, 0.3, 0.2])
    oracle = product_oracle(DIRECTIONS)
    vectors[:, 0] = np.array([1, 1, 1]) / np.sqrt(3)
    target = 0.8 * weights @ columns_of(oracle, vectors.reshape(3, 6))
    target[0] = 1
    assert np.abs(target.reshape(5, 7)[1:, 0]).max() > 1
    both = ConditionalGradient(oracle.reduction, [StrategyOracle(oracle.reduction), oracle], 1)
    assert both.run(target, 1e-3, NO_LIMIT) is Ending.CLOSE
    check_mixture(both)
    assert len(both.atoms(1)[0]) > 0
    alone = ConditionalGradient(oracle.reduction, [StrategyOracle(oracle.reduction)], 1)
    assert alone.run(target, 1e-5, NO_LIMIT) is Ending.SEPARATED


def test_product_states_in_symmetric_coordinates():
    """A column is the mean over the group of the images of the correlators."""
    directions = [platonic_directions("icosahedron")] * 2
    tensor = CorrelationTensor.from_state(werner_state(0.6)).array
    group = state_symmetry([tensor], directions)
    oracle = product_oracle(directions, group)
    vectors = np.array([[0.6, 0.0, 0.8, 0.0, 1.0, 0.0]])
    full = apply_per_party(
        np.multiply.outer(np.append(1, vectors[0, :3]), np.append(1, vectors[0, 3:])), list(oracle.maps)
    ).ravel()
    average = np.mean([sign * full[old] for old, sign in (group[i].cells(True) for i in range(len(group)))], axis=0)
    assert np.allclose(oracle.reduction.spread(columns_of(oracle, vectors)[0]).ravel(), average, atol=1e-12)
