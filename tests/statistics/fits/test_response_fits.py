import numpy as np
import pytest
from qiskit_lhv import Behavior, BellScenario, ghz_state, werner_state
from qiskit_lhv.models.deterministic import enumerate_strategies, strategy_tables
from qiskit_lhv.statistics import fit_local_model
from qiskit_lhv.statistics.fits.generated_fits import GeneratedFits, exact_largest_sum
from qiskit_lhv.statistics.fits.response_fits import fit_responses
from qiskit_lhv.statistics.fits.response_maps import ResponseMaps

SCENARIOS = [
    BellScenario((2, 2), (2, 2)),
    BellScenario((3, 2), (2, 3)),
    BellScenario((2, 3, 1), (3, 2, 2)),
    BellScenario((2, 2, 2), (2, 2, 2)),
    BellScenario((3,), (2,)),
]


@pytest.mark.parametrize("scenario", SCENARIOS, ids=str)
def test_largest_sums_are_those_of_the_best_strategies(scenario):
    coefficients = np.random.default_rng(1).random((scenario.num_cells, 3))
    expected = (strategy_tables(enumerate_strategies(scenario), scenario) @ coefficients).max(axis=0)
    np.testing.assert_allclose(ResponseMaps(scenario).largest_sums(coefficients), expected, rtol=1e-12)
    for column, value in zip(coefficients.T, expected, strict=True):
        exact = exact_largest_sum(column, scenario)
        assert value <= exact <= value * (1 + 1e-9)


@pytest.mark.parametrize("scenario", SCENARIOS, ids=str)
def test_responses_are_local_models(scenario):
    maps, rng = ResponseMaps(scenario), np.random.default_rng(2)
    m, d = maps.last_shape
    mix = rng.dirichlet(np.ones(maps.num_listed))
    answers = np.moveaxis(rng.dirichlet(np.ones(d), (maps.num_listed, m)), -1, 0)
    cells = maps.mixture((mix[:, None] * answers)[..., None])
    behavior = Behavior(cells[:, 0].reshape(scenario.shape))
    assert behavior.is_no_signaling()
    assert fit_local_model(behavior).divergence < 1e-9
    # Sums over cells and mixtures of responses are each other's transposes.
    coefficients = rng.random((scenario.num_cells, 2))
    summed = np.einsum("dem,demb->b", mix[:, None] * answers, maps.sums(coefficients))
    np.testing.assert_allclose(summed, cells[:, 0] @ coefficients, rtol=1e-12)


@pytest.mark.parametrize(
    "behavior",
    [
        Behavior.from_state(werner_state(0.9), "chsh"),
        Behavior.from_state(ghz_state(3, 0.9), "mermin"),
        Behavior.from_state(werner_state(1), "chsh").with_efficiency(0.95),
    ],
    ids=["chsh", "mermin", "3 outcomes"],
)
def test_fits_end_within_their_gap(behavior):
    scenario = behavior.scenario
    noisy = [behavior.mix(visibility=v) for v in (1.0, 0.95, 0.5)]
    cells = np.stack([one.array.ravel() for one in noisy], axis=1) / scenario.num_setting_combinations
    weights = np.full_like(cells, 1 / scenario.num_setting_combinations)
    q, gaps = fit_responses(ResponseMaps(scenario), cells, weights, 0.01, np.full(3, 1e-7))
    divergences = np.sum(cells * np.log(np.maximum(cells, 1e-300) / (q * weights)), axis=0)
    for column, one, gap, found in zip(q.T, noisy, gaps, divergences, strict=True):
        least = fit_local_model(one, tolerance=1e-8).divergence
        assert fit_local_model(Behavior(column.reshape(scenario.shape)), tolerance=1e-8).divergence < 1e-7
        # The gap bounds how much nearer a local behavior can be; and it is small, or there is nothing to gain.
        assert least - 2e-8 <= found <= least + gap + 1e-9
        assert gap <= 0.01 * found + 1e-7 or found <= 1e-7
    # What a fit finds does not depend on those beside it.
    alone, _ = fit_responses(ResponseMaps(scenario), cells[:, :1], weights[:, :1], 0.01, np.full(1, 1e-7))
    np.testing.assert_allclose(alone[:, 0], q[:, 0], rtol=1e-9)


def test_generated_strategies_fit_as_well():
    angles = [np.pi * np.arange(4) / 4, np.pi * (np.arange(4) + 0.5) / 4]
    behavior = Behavior.from_state(werner_state(0.95), [[(np.cos(a), 0, np.sin(a)) for a in one] for one in angles])
    scenario = behavior.scenario
    cells = behavior.array.ravel() / 16
    weights = np.full_like(cells, 1 / 16)
    fits = GeneratedFits(scenario)
    for share, exact in ((0.01, False), (1e-6, True)):
        q = fits.behavior_of(fits.fit(cells, share, 1e-9, exact=exact))
        gap = ResponseMaps(scenario).largest_sums(cells[:, None] / q[:, None])[0] - 1
        assert gap <= share * np.sum(cells * np.log(cells / (q * weights)))
        assert Behavior(q.reshape(scenario.shape)).is_no_signaling()
