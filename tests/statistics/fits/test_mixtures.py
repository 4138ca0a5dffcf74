import numpy as np
import pytest
from qiskit_lhv import Behavior, BellScenario, ghz_state, werner_state
from qiskit_lhv.models.deterministic import enumerate_strategies
from qiskit_lhv.statistics.fits.mixtures import MixtureProblem
from qiskit_lhv.targets import project_to_no_signaling
from qiskit_lhv.targets.projections import project_cells

from helpers import crosstalk

BEHAVIORS = [
    *(crosstalk(q) for q in (0.0, 0.3)),
    Behavior.from_state(werner_state(1), "chsh"),
    Behavior.from_state(ghz_state(3, 1.0), "mermin"),
]


@pytest.mark.parametrize("behavior", BEHAVIORS)
@pytest.mark.parametrize("shots", [5, 50, 5000])
def test_fits_and_projections_of_many_tables_reach_their_optimum(behavior, shots):
    scenario = behavior.scenario
    problem = MixtureProblem.of(enumerate_strategies(scenario), scenario)
    tables = np.stack([behavior.sample(shots, seed).array.ravel() for seed in range(12)])
    cells = tables / tables.sum(axis=1, keepdims=True)
    projected, _ = project_cells(cells, scenario)
    # Also for targets with nearly empty cells, as projections have.
    shares = projected / projected.sum(axis=1, keepdims=True)
    for targets in (cells, shares):
        weights, gaps = problem.fit(targets)
        assert gaps.max() <= 1e-9
        q = weights @ problem.tables
        ratios = np.divide(targets, q, out=np.zeros_like(q), where=targets > 0)
        assert (ratios @ problem.tables.T).max() <= 1 + 1e-9
    # Where no cell is empty, (cells + t) / q has the same sum with every no-signaling behavior, so with strategies.
    smoothed = (tables + 0.5) / (tables + 0.5).sum(axis=1, keepdims=True)
    projected, multipliers = project_cells(smoothed, scenario, 1e-10)
    np.testing.assert_allclose((smoothed / projected + multipliers) @ problem.tables.T, 1, atol=1e-6)


def test_many_are_what_each_is_alone():
    behavior = Behavior.from_state(werner_state(0.9), "chsh")
    problem = MixtureProblem.of(enumerate_strategies(behavior.scenario), behavior.scenario)
    targets = np.stack([behavior.sample(100, seed).array.ravel() / 400 for seed in range(5)])
    together = problem.fit(targets)[0] @ problem.tables
    alone = np.concatenate([problem.fit(row[None])[0] @ problem.tables for row in targets])
    np.testing.assert_allclose(together, alone, atol=1e-7)
    projected = project_cells(targets, behavior.scenario)[0]
    for row, target in zip(projected, targets, strict=True):
        single = project_to_no_signaling(Behavior(4 * target.reshape(2, 2, 2, 2)))
        np.testing.assert_allclose(row.reshape(2, 2, 2, 2), single.array, atol=1e-9)


def test_large_batches_are_cut(monkeypatch):
    from qiskit_lhv.statistics.fits import mixtures

    scenario = BellScenario((2, 2), (2, 2))
    problem = MixtureProblem.of(enumerate_strategies(scenario), scenario)
    rng = np.random.default_rng(1)
    targets = rng.dirichlet(np.ones(16), size=7)
    whole = problem.fit(targets)[0] @ problem.tables
    monkeypatch.setattr(mixtures, "_BATCH_ENTRIES", 1)
    np.testing.assert_allclose(problem.fit(targets)[0] @ problem.tables, whole, atol=1e-7)


def test_known_weights_and_rough_fits_lead_to_the_same_mixture():
    behavior = Behavior.from_state(werner_state(0.9), "chsh")
    problem = MixtureProblem.of(enumerate_strategies(behavior.scenario), behavior.scenario)
    targets = np.stack([behavior.sample(200, seed).array.ravel() / 800 for seed in range(20)])
    exact, _ = problem.fit(targets)
    warm, gaps = problem.fit(targets, start=np.roll(exact, 1, axis=0))
    assert gaps.max() < 1e-9
    np.testing.assert_allclose(warm @ problem.tables, exact @ problem.tables, atol=1e-4)
    rough, gaps = problem.fit(targets, relative_tolerance=0.01)
    least = np.sum(targets * np.log(np.where(targets > 0, 4 * targets / (exact @ problem.tables) / 4, 1)), axis=1)
    reached = np.sum(targets * np.log(np.where(targets > 0, targets / (rough @ problem.tables), 1)), axis=1)
    assert np.all(reached - least <= gaps + 1e-9)
    assert gaps.max() > 1e-7
    gaps = problem.fit(targets, np.where(np.arange(20) < 10, 1e-2, 1e-9))[1]
    assert gaps[10:].max() < 1e-8 < gaps[:10].min()


def test_a_row_without_a_solution_does_not_stop_the_others(monkeypatch):
    scenario = BellScenario((2, 2), (2, 2))
    problem = MixtureProblem.of(enumerate_strategies(scenario), scenario)
    targets = np.random.default_rng(1).dirichlet(np.ones(16), size=6)
    whole = problem.fit(targets)[0] @ problem.tables
    solve = np.linalg.solve

    def singular_batches(matrix, right):
        if len(matrix) > 1:
            raise np.linalg.LinAlgError("Singular matrix")
        return solve(matrix, right)

    monkeypatch.setattr(np.linalg, "solve", singular_batches)
    np.testing.assert_allclose(problem.fit(targets)[0] @ problem.tables, whole, atol=1e-6)
