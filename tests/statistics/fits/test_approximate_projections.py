import numpy as np
import pytest
from qiskit_lhv import Behavior, BellScenario
from qiskit_lhv.statistics.fits.approximate_projections import SignalingTables
from qiskit_lhv.targets import project_to_no_signaling
from qiskit_lhv.targets.coordinates import cells_from_collins_gisin

SCENARIOS = [
    BellScenario((2, 2), (2, 2)),
    BellScenario((3, 2), (2, 4)),
    BellScenario((2, 3, 1), (3, 2, 2)),
    BellScenario((5, 5), (2, 3)),
]


@pytest.mark.parametrize("scenario", SCENARIOS, ids=str)
def test_tables_have_no_sum_with_no_signaling_behaviors(scenario):
    tables = SignalingTables(scenario)
    rng = np.random.default_rng(1)
    found = tables.project(rng.normal(size=(scenario.num_cells, 4)))
    basis = cells_from_collins_gisin(scenario)
    np.testing.assert_allclose(basis.T @ found, 0, atol=1e-12)
    np.testing.assert_allclose(tables.project(found), found, atol=1e-12)
    # There are as many as are orthogonal to all of those behaviors.
    rank = np.linalg.matrix_rank(tables.project(np.eye(scenario.num_cells)))
    assert rank == scenario.num_cells - np.linalg.matrix_rank(basis)
    np.testing.assert_allclose(tables.project(found), tables._projected(found), atol=1e-12)


@pytest.mark.parametrize("scenario", SCENARIOS, ids=str)
@pytest.mark.parametrize("spread", [0.3, 5.0])
def test_maximum_is_the_projection_onto_no_signaling(scenario, spread):
    rng = np.random.default_rng(2)
    outcomes = scenario.num_cells // scenario.num_setting_combinations
    shares = rng.dirichlet(np.full(scenario.num_setting_combinations, 3.0), 3).T
    f = rng.dirichlet(np.full(outcomes, spread), (scenario.num_setting_combinations, 3)) + 1e-4
    f = np.moveaxis(f / f.sum(axis=2, keepdims=True), 2, 1)
    cells, weights = (f * shares[:, None]).reshape(-1, 3), np.repeat(shares, outcomes, axis=0)
    g = SignalingTables(scenario).maximize(cells, weights, np.full(3, 1e-8))
    assert np.all(weights + g > 0)
    for column in range(3):
        exact = project_to_no_signaling(
            Behavior(f[..., column].reshape(scenario.shape)), shares[:, column].reshape(scenario.num_settings)
        )
        best = np.sum(cells[:, column] * np.log(f[..., column].ravel() / exact.array.ravel()))
        assert np.sum(cells[:, column] * np.log1p(g[:, column] / weights[:, column])) == pytest.approx(best, abs=1e-6)


def test_deterministic_tables_leave_no_rounding_errors():
    scenario = BellScenario((3, 3), (4, 4))
    table = np.full((9, 16), 1e-4)
    table[:, 0] = 1
    cells = (table / table.sum(axis=1, keepdims=True) / 9).reshape(-1, 1)
    g = SignalingTables(scenario).maximize(cells, np.full_like(cells, 1 / 9), np.full(1, 1e-9))
    np.testing.assert_allclose(cells_from_collins_gisin(scenario).T @ g, 0, atol=1e-14)
