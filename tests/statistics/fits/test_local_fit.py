import dataclasses

import numpy as np
import pytest
from qiskit_lhv import Behavior, BellCounts, BellScenario, load_bundled_counts, werner_state
from qiskit_lhv.cli.demo import ICOSAHEDRON_AXES
from qiskit_lhv.exceptions import ScenarioError, SolverError
from qiskit_lhv.models import DeterministicModel
from qiskit_lhv.models.deterministic import enumerate_strategies, strategy_tables
from qiskit_lhv.statistics import fit_local_model
from qiskit_lhv.targets import divergence, project_to_no_signaling
from scipy.optimize import minimize

from helpers import magic_square, random_behavior

# SciPy's general solver, here only a reference, clips its own steps in some releases and warns about it.
pytestmark = pytest.mark.filterwarnings("ignore:Values in x were outside bounds:RuntimeWarning")


def slsqp_divergence(target, weights):
    """The least divergence by a general-purpose solver from SciPy."""
    tables = strategy_tables(enumerate_strategies(target.scenario), target.scenario)
    share = weights / weights.sum()
    cells = (share.reshape(share.shape + (1,) * share.ndim) * target.array).ravel()
    count = len(tables)
    result = minimize(
        lambda w: -np.sum(cells * np.log(w @ tables)),
        np.full(count, 1 / count),
        jac=lambda w: -tables @ (cells / (w @ tables)),
        bounds=[(1e-12, 1)] * count,
        constraints={"type": "eq", "fun": lambda w: w.sum() - 1, "jac": lambda w: np.ones(count)},
        method="SLSQP",
        options={"maxiter": 2000, "ftol": 1e-14},
    )
    return result.fun + np.sum(cells * np.log(np.where(cells > 0, target.array.ravel(), 1)))


@pytest.mark.parametrize("shape", [(2, 2, 2, 2), (2, 3, 2, 2), (2, 2, 3, 2), (2, 2, 2, 2, 2, 2)])
def test_fit_agrees_with_a_general_solver(shape):
    target = random_behavior(shape, 1)
    weights = np.random.default_rng(2).uniform(0.5, 2, size=shape[: len(shape) // 2])
    fit = fit_local_model(target, weights)
    assert fit.divergence == pytest.approx(slsqp_divergence(target, weights), abs=2e-7)
    assert fit.duality_gap <= 1e-9
    assert fit.verify()


def test_local_target_is_reproduced():
    target = Behavior.from_state(werner_state(0.7), "chsh")
    fit = fit_local_model(target)
    assert fit.divergence < 1e-12
    assert fit.model.verify(target, atol=1e-6)


def test_divergence_of_maximal_chsh_violation():
    # By symmetry the nearest local behavior has all correlators 1/2 (up to sign) instead of 1/sqrt(2).
    target = Behavior.from_state(werner_state(1), "chsh")
    p = np.array([1 + np.sqrt(0.5), 1 - np.sqrt(0.5)]) / 2
    q = np.array([0.75, 0.25])
    assert fit_local_model(target).divergence == pytest.approx(np.sum(p * np.log(p / q)), abs=1e-9)


def test_zero_counts_are_allowed():
    counts = BellCounts(np.array([[[[10, 0], [0, 10]]] * 2] * 2))
    fit = fit_local_model(counts)
    assert fit.divergence == pytest.approx(0, abs=1e-9)
    assert fit.verify()


@pytest.mark.parametrize("name", ["delft_2015", "ibm_hanoi19_20circuit13", "ibm_washington91_98circuit4"])
def test_fit_of_published_counts(name):
    counts = load_bundled_counts(name).counts
    fit = fit_local_model(counts)
    assert fit.duality_gap <= 1e-9
    assert fit.verify()
    assert fit.divergence == pytest.approx(
        divergence(counts.frequencies(), fit.model.behavior(), counts.num_shots), abs=1e-12
    )
    assert fit.divergence <= slsqp_divergence(counts.frequencies(), counts.num_shots.astype(float)) + 1e-8


def test_generated_strategies_reach_the_optimum_of_all_of_them(monkeypatch):
    axes = ICOSAHEDRON_AXES[:4]
    target = Behavior.from_state(werner_state(1), [axes, axes])
    listed = fit_local_model(target)
    monkeypatch.setattr("qiskit_lhv.statistics.fits.local_fit.MAX_LISTED", 10)
    generated = fit_local_model(target)
    assert generated.divergence == pytest.approx(listed.divergence, abs=1e-9)
    assert generated.verify()


def test_degenerate_target_on_the_boundary_converges():
    axes = ICOSAHEDRON_AXES
    target = Behavior.from_state(werner_state(0.778), [axes, axes])
    fit = fit_local_model(target)
    assert fit.duality_gap <= 1e-9
    assert fit.divergence < 1e-9


# Degenerate counts and large scenarios


def deterministic_mixture(seed, settings=4):
    """Counts of three strategies of two parties."""
    rng = np.random.default_rng(seed)
    table = np.zeros((settings, settings, 2, 2))
    for weight in rng.dirichlet(np.ones(3)):
        a, b = rng.integers(2, size=(2, settings))
        for x, y in np.ndindex(settings, settings):
            table[x, y, a[x], b[y]] += weight
    return Behavior(table).sample(1000, seed)


def near_zero(seed):
    """Counts of |00> read out with rare errors."""
    rng = np.random.default_rng(seed)
    table = np.stack([rng.multinomial(1000, [0.975, 0.002, 0.001, 0.022]) for _ in range(4)])
    return BellCounts(table.reshape(2, 2, 2, 2))


def singular():
    table = [[972, 0, 0, 28], [981, 0, 0, 19], [972, 0, 0, 28], [976, 6, 0, 18]]
    return BellCounts(np.array(table).reshape(2, 2, 2, 2))


@pytest.mark.parametrize(
    "counts",
    [
        singular(),
        *(near_zero(seed) for seed in range(12)),
        *(deterministic_mixture(seed) for seed in range(3)),
        magic_square(1).sample(1000, 1),
        magic_square(0.95).sample(200, 1),
    ],
)
def test_degenerate_counts_are_fitted(counts):
    fit = fit_local_model(counts)
    assert fit.duality_gap < 1e-7
    assert fit.verify()
    projected = project_to_no_signaling(counts.frequencies(), counts.num_shots)
    assert projected.max_signaling() < 1e-9
    assert fit_local_model(projected, counts.num_shots).duality_gap < 1e-7


def test_a_gap_that_is_not_as_small_as_wished_is_reported(monkeypatch):
    from qiskit_lhv.statistics.fits import conditional_interior_point, mixtures

    for module in (mixtures, conditional_interior_point):
        monkeypatch.setattr(module, "_MAX_STEPS", 4)
    fit = fit_local_model(Behavior.from_state(werner_state(0.9), [ICOSAHEDRON_AXES[:3]] * 2))
    assert fit.duality_gap > 1e-10
    assert fit.verify()


@pytest.mark.parametrize("shape", [(2, 2, 2, 2), (6, 6, 2, 2), (2, 2, 8, 8)])
def test_relative_tolerance(shape):
    target = random_behavior(shape, 5)
    exact = fit_local_model(target)
    rough = fit_local_model(target, relative_tolerance=1e-2)
    assert exact.duality_gap < 1e-7 < rough.duality_gap <= 1e-2 * rough.divergence
    assert exact.divergence - 1e-9 <= rough.divergence <= exact.divergence + rough.duality_gap
    assert rough.verify()


@pytest.mark.parametrize("shape", [(2, 2, 5, 5), (3, 2, 4, 5)])
def test_many_outcomes_agree_with_all_strategies(shape, monkeypatch):
    target = random_behavior(shape, 6)
    weights = np.random.default_rng(1).uniform(0.5, 2, size=shape[:2])
    listed = fit_local_model(target, weights)
    monkeypatch.setattr("qiskit_lhv.statistics.fits.local_fit.MAX_LISTED", 10)
    answered = fit_local_model(target, weights)
    assert answered.divergence == pytest.approx(listed.divergence, abs=1e-7)
    assert answered.duality_gap < 1e-7
    assert answered.verify()


def test_sixteen_outcomes():
    # 65536 strategies, 1024 cells. At the optimum no CGLMP game is lost by more than the local bound allows.
    table = np.zeros((2, 2, 16, 16))
    outcomes = np.arange(16)
    for x, y in np.ndindex(2, 2):
        shift = outcomes[:, None] - outcomes + [0, 0.5][x] + [0.25, -0.25][y]
        table[x, y] = 1 / np.sin(np.pi * shift / 16) ** 2
    table /= table.sum(axis=(2, 3), keepdims=True)
    counts = Behavior(0.9 * table + 0.1 / 256).sample(5000, 1)
    fit = fit_local_model(counts, relative_tolerance=1e-2)
    assert fit.duality_gap <= 1e-2 * fit.divergence
    assert fit.verify()


def test_what_is_too_large_is_refused():
    with pytest.raises(ScenarioError, match="target"):
        fit_local_model(Behavior.white_noise(BellScenario((7, 7), (10, 10))))


def test_verify_refuses_tampered_fits():
    fit = fit_local_model(random_behavior((2, 2, 2, 2), 3))
    assert fit.verify()
    assert not dataclasses.replace(fit, divergence=fit.divergence - 1e-6).verify()
    worse = DeterministicModel(np.full(16, 1 / 16), enumerate_strategies(fit.target.scenario), fit.target.scenario)
    other = divergence(fit.target, worse.behavior(), fit.weights)
    assert not dataclasses.replace(fit, model=worse, divergence=other).verify()


def test_bad_weights():
    target = random_behavior((2, 2, 2, 2), 4)
    for weights in (np.ones(4), np.zeros((2, 2)), [[1, 1], [1, np.nan]]):
        with pytest.raises(ScenarioError, match="weights"):
            fit_local_model(target, weights)


@pytest.mark.parametrize("visibility", [1.0, 0.7], ids=["nonlocal", "local"])
def test_many_settings_generate_the_strategies_that_matter(visibility):
    # 4096 strategies of one party, of which a fit needs about fifty.
    angles = [np.pi * (np.arange(12) + shift) / 12 for shift in (0, 0.5)]
    settings = [[(np.cos(a), 0, np.sin(a)) for a in one] for one in angles]
    counts = Behavior.from_state(werner_state(visibility), settings).sample(100, 1)
    fit = fit_local_model(counts, relative_tolerance=1e-3)
    assert fit.duality_gap <= 2e-3 * fit.divergence
    assert fit.verify()


def test_generated_fits_become_exact():
    angles = [np.pi * (np.arange(11) + shift) / 11 for shift in (0, 0.5)]
    target = Behavior.from_state(werner_state(1), [[(np.cos(a), 0, np.sin(a)) for a in one] for one in angles])
    fit = fit_local_model(target)
    assert fit.duality_gap < 1e-8
    assert fit.verify()


def test_a_time_limit_ends_a_fit_that_is_not_done():
    target = Behavior.white_noise(BellScenario((11, 11), (2, 2))).sample(10, 1)
    with pytest.raises(SolverError, match="time limit"):
        fit_local_model(target, time_limit=1e-9)
