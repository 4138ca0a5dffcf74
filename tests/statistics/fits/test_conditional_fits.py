import numpy as np
import pytest
from qiskit_lhv import BellScenario
from qiskit_lhv.models.deterministic import enumerate_strategies, mixture_table, strategy_tables
from qiskit_lhv.polytope.bounds.local_bounds import best_strategies
from qiskit_lhv.statistics.fits import conditional_fits
from qiskit_lhv.statistics.fits.conditional_fits import ConditionalProblem, conditional_size
from qiskit_lhv.statistics.fits.mixtures import MixtureProblem

SHAPES = [(2, 2, 2, 2), (3, 2, 2, 4), (2, 3, 3, 2), (2, 1, 2, 2, 3, 2), (4, 3)]


def random_cells(shape, seed):
    half = len(shape) // 2
    rng = np.random.default_rng(seed)
    table = rng.dirichlet(np.full(int(np.prod(shape[half:])), 0.4), size=int(np.prod(shape[:half])))
    return (table * rng.dirichlet(np.full(len(table), 5.0))[:, None]).ravel()


@pytest.mark.parametrize("shape", SHAPES)
def test_tables_and_strategies_keep_their_places(shape):
    problem = ConditionalProblem.of(BellScenario.from_shape(shape))
    cells = random_cells(shape, 1)
    np.testing.assert_array_equal(problem.cells_of(problem.matrix_of(cells)), cells)
    rng = np.random.default_rng(2)
    m, d = problem.num_answers
    weights = rng.dirichlet(np.ones(len(problem.listed)))
    v = weights[:, None, None] * rng.dirichlet(np.ones(d), size=(len(weights), m))
    assert v.size == conditional_size(problem.scenario)
    found, strategies = problem.strategies_of(v)
    table = problem.cells_of(problem.members.T @ v.reshape(len(v), -1))
    np.testing.assert_allclose(found @ strategy_tables(strategies, problem.scenario), table, atol=1e-12)
    np.testing.assert_allclose(mixture_table(found, strategies, problem.scenario).ravel(), table, atol=1e-12)


@pytest.mark.parametrize("shape", SHAPES)
def test_largest_sums_are_those_of_the_best_strategies(shape):
    scenario = BellScenario.from_shape(shape)
    coefficients = np.random.default_rng(3).normal(size=shape)
    expected = best_strategies(coefficients, scenario, 1)[0][0]
    assert ConditionalProblem.of(scenario).largest_sum(coefficients.ravel()) == pytest.approx(expected)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("max_coordinates", [0, 1500], ids=["products", "coordinates"])
def test_fits_are_those_of_all_strategies(shape, seed, max_coordinates, monkeypatch):
    monkeypatch.setattr(conditional_fits, "_MAX_COORDINATES", max_coordinates)
    scenario = BellScenario.from_shape(shape)
    cells = random_cells(shape, seed)
    listed = MixtureProblem.of(enumerate_strategies(scenario), scenario)
    weights = listed.fit(cells[None])[0][0]
    problem = ConditionalProblem.of(scenario)
    v, gap = problem.fit(cells, 1e-8)
    assert gap < 1e-7
    q = problem.cells_of(problem.members.T @ v.reshape(len(v), -1))
    assert (listed.tables @ (cells / q)).max() - 1 == pytest.approx(gap, abs=1e-12)
    assert -np.sum(cells * np.log(q)) == pytest.approx(-np.sum(cells * np.log(weights @ listed.tables)), abs=1e-7)


def test_a_known_model_saves_products(monkeypatch):
    monkeypatch.setattr(conditional_fits, "_MAX_COORDINATES", 0)
    shape = (2, 2, 6, 6)
    problem = ConditionalProblem.of(BellScenario.from_shape(shape))
    cells = random_cells(shape, 5)
    known, _ = problem.fit(cells, 1e-6)
    similar = 0.99 * cells + 0.01 * random_cells(shape, 6)
    budget = {"tolerance": 1e-12, "max_products": 150}
    assert problem.fit(similar, start=known, **budget)[1] < problem.fit(similar, **budget)[1]


def test_a_budget_ends_the_fit_with_its_gap(monkeypatch):
    monkeypatch.setattr(conditional_fits, "_MAX_COORDINATES", 0)
    shape = (2, 2, 8, 8)
    problem = ConditionalProblem.of(BellScenario.from_shape(shape))
    cells = random_cells(shape, 7)
    v, gap = problem.fit(cells, 1e-12, max_products=20)
    assert 1e-6 < gap < 1
    q = problem.cells_of(problem.members.T @ v.reshape(len(v), -1))
    assert problem.largest_sum(cells / q) - 1 == pytest.approx(gap)
