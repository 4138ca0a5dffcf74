import dataclasses
import math

import numpy as np
import pytest
from qiskit import QuantumCircuit
from qiskit.quantum_info import Statevector
from qiskit_lhv import Behavior, BellExperiment, LHVError, ghz_state, werner_state
from qiskit_lhv.exceptions import CountsError, ScenarioError
from qiskit_lhv.measurements import platonic_directions
from qiskit_lhv.statistics import (
    Allocation,
    EvidenceRate,
    LocalFit,
    ShotPlan,
    evidence_rate,
    fit_local_model,
    optimal_shares,
    shots_needed,
    simulated_log10_p,
)
from qiskit_lhv.statistics.planning.allocation import whole_shots

from helpers import SINGLET

GHZ = Behavior.from_state(ghz_state(3), "mermin")
LOCAL = Behavior.from_state(werner_state(0.6), "chsh")
SIGNALING = Behavior(np.eye(2)[np.array([[0, 1], [0, 0]])][..., None] * np.array([0.5, 0.5]))

# The probability of the likelier outcomes at the largest quantum violation of SINGLET, and of the nearest local model.
WIN, LOCAL_WIN = math.cos(math.pi / 8) ** 2, 0.75
CHSH_RATE = WIN * math.log(WIN / LOCAL_WIN) + (1 - WIN) * math.log((1 - WIN) / (1 - LOCAL_WIN))


def planar(*degrees):
    """Directions in the plane of X and Z."""
    return [(math.sin(math.radians(t)), 0, math.cos(math.radians(t))) for t in degrees]


def hardy():
    """Hardy's proof at its largest probability, (5 sqrt(5) - 11) / 2, of the outcomes that local models exclude."""
    share = (1 + math.sqrt(6 * math.sqrt(5) - 13)) / 2
    a, b = math.sqrt(share), math.sqrt(1 - share)
    angles = 2 * math.atan(math.sqrt(a / b)), -2 * math.atan((a / b) ** 1.5)
    return Behavior.from_state(Statevector([a, 0, 0, -b]), [planar(*map(math.degrees, angles))] * 2)


PAIR = Statevector([1, 0, 0, 1] / np.sqrt(2))
BELL = Behavior.from_state(PAIR, [planar(0, 45), planar(45, 90)])
PERES = Behavior.from_state(PAIR, [planar(0, 120), planar(120, 240)])
MERMIN = Behavior.from_state(PAIR, [planar(0, 120, 240)] * 2)


# The strength of known proofs


# arXiv:quant-ph/0307125, table I: bits per trial for equal shares, the best product and the best shares.
@pytest.mark.parametrize(
    ("behavior", "equal", "product", "best"),
    [
        (BELL, 0.0141597409, 0.0158003672, 0.0169800305),
        (PERES, 0.0177632822, 0.0191506613, 0.0211293952),
        (SINGLET, 0.0462738469, 0.0462738469, 0.0462738469),
        (hardy(), 0.0278585182, 0.0279816333, 0.0280347655),
        (MERMIN, 0.0157895843, 0.0191506613, 0.0211293952),
        (GHZ, 0.2075187496, 0.2075187496, 0.4150374993),
    ],
    ids=["Bell", "Peres", "SINGLET", "Hardy", "Mermin", "GHZ"],
)
def test_strength_of_published_proofs(behavior, equal, product, best):
    assert evidence_rate(behavior).bits == pytest.approx(equal, abs=2e-9)
    found = optimal_shares(behavior)
    assert found.bits == pytest.approx(best, abs=1e-9)
    assert found.upper - found.lower <= 1e-8 * found.upper
    assert found.verify()
    products = optimal_shares(behavior, product=True)
    assert products.bits == pytest.approx(product, abs=2e-9)
    assert products.upper == pytest.approx(found.upper, rel=1e-8)
    assert products.verify()


def test_chsh_by_formula():
    found = optimal_shares(SINGLET)
    assert found.rate == pytest.approx(CHSH_RATE, rel=1e-8)
    np.testing.assert_allclose(found.shares, 0.25, atol=1e-4)


def test_ghz_by_formula():
    # Four combinations suffice, and a local model predicts their parity with probability 3/4.
    found = optimal_shares(GHZ)
    assert found.rate == pytest.approx(math.log(4 / 3), rel=1e-8)
    needed = np.array([[[1, 0], [0, 1]], [[0, 1], [1, 0]]]) > 0
    np.testing.assert_allclose(found.shares[needed], 0.25, atol=1e-6)
    assert 0 < found.shares[~needed].max() < 1e-8


# The best shares


def test_useless_setting_gets_no_share():
    # Party 1 has a third setting, Y, which is not correlated with X and Z.
    diagonal = planar(45, 135)
    behavior = Behavior.from_state(PAIR, [planar(0, 90), [diagonal[0], (0, 1, 0), diagonal[1]]])
    for product in (False, True):
        found = optimal_shares(behavior, product=product)
        assert found.shares.shape == (2, 3)
        assert found.rate == pytest.approx(CHSH_RATE, rel=1e-7)
        np.testing.assert_allclose(found.shares, [[0.25, 0, 0.25], [0.25, 0, 0.25]], atol=1e-4)


def asymmetric_behavior():
    state = Statevector([0.8, 0.1, 0.2, 0.56]) / np.linalg.norm([0.8, 0.1, 0.2, 0.56])
    return Behavior.from_state(state, [planar(0, 80), planar(35, -50, 10)])


def test_no_other_shares_do_better():
    behavior = asymmetric_behavior()
    found = optimal_shares(behavior)
    assert found.upper - found.lower <= 1e-8 * found.upper
    rng = np.random.default_rng(3)
    others = [evidence_rate(behavior, rng.dirichlet(np.ones(6)).reshape(2, 3) + 1e-9).rate for _ in range(40)]
    near = [evidence_rate(behavior, found.shares * rng.uniform(0.9, 1.1, (2, 3))).rate for _ in range(20)]
    assert max(others + near) <= found.upper
    assert min(near) > 0.9 * found.upper
    # At the optimum every combination that is used contributes equally.
    used = found.shares > 1e-6
    contributions = evidence_rate(behavior, found.shares).contributions
    assert 2 < used.sum() < 6
    np.testing.assert_allclose(contributions[used], found.rate, rtol=1e-4)


def test_best_product_is_that_of_a_grid():
    grid = np.linspace(0.3, 0.7, 9)
    behavior = Behavior.from_state(PAIR, [planar(0, 90), planar(0, 45)])
    best = max(evidence_rate(behavior, np.outer([u, 1 - u], [v, 1 - v])).rate for u in grid for v in grid)
    found = optimal_shares(behavior, product=True)
    assert best <= found.rate * (1 + 1e-6)
    assert best == pytest.approx(found.rate, rel=0.01)
    np.testing.assert_allclose(found.shares, np.outer(found.shares.sum(1), found.shares.sum(0)), atol=1e-12)


def test_generated_strategies_reach_the_optimum_of_all_of_them(monkeypatch):
    behavior = Behavior.from_state(werner_state(1), [platonic_directions("icosahedron")[:4]] * 2)
    monkeypatch.setattr("qiskit_lhv.statistics.planning.minimax._ALL_STRATEGIES", 1000)
    listed = optimal_shares(behavior)
    monkeypatch.setattr("qiskit_lhv.statistics.planning.minimax._ALL_STRATEGIES", 10)
    generated = optimal_shares(behavior)
    assert generated.rate == pytest.approx(listed.rate, rel=1e-7)
    assert generated.upper == pytest.approx(listed.upper, rel=1e-7)
    assert generated.verify()


def test_weak_violations_are_resolved():
    # At visibility v the outcomes are those of SINGLET with correlators v / sqrt(2) against 1/2.
    visibility = 0.708
    win = (1 + visibility / math.sqrt(2)) / 2
    found = optimal_shares(Behavior.from_state(werner_state(visibility), "chsh"))
    expected = win * math.log(win / 0.75) + (1 - win) * math.log((1 - win) / 0.25)
    assert expected < 1e-6
    assert found.rate == pytest.approx(expected, rel=1e-6)
    assert found.verify()


@pytest.mark.parametrize(
    "change",
    [
        lambda a: {"upper": a.upper * (1 - 1e-5)},
        lambda a: {"fit": dataclasses.replace(a.fit, divergence=a.fit.divergence * (1 + 1e-5))},
        lambda a: {"fit": dataclasses.replace(a.fit, weights=a.fit.weights * [[1.01, 1, 1], [1, 1, 0.99]])},
        lambda a: {"upper_model": fit_local_model(LOCAL).model},
        lambda a: {"upper_model": fit_local_model(Behavior.white_noise(a.behavior.scenario)).model},
        lambda a: {"is_product": True},
    ],
)
def test_verify_refuses_tampered_allocations(change):
    found = optimal_shares(asymmetric_behavior())
    assert found.verify()
    assert not dataclasses.replace(found, **change(found)).verify()


# Whole shots


def test_shots_by_largest_remainder():
    assert whole_shots(np.array([[0.44, 0.33], [0.23, 0.0]]), 10).tolist() == [[4, 3], [2, 1]]
    assert whole_shots(np.array([0.55, 0.25, 0.2]), 11).tolist() == [6, 3, 2]
    # The three shots that the small shares need come from the large one.
    assert whole_shots(np.array([0.97, 0.01, 0.01, 0.01]), 10).tolist() == [7, 1, 1, 1]


def test_shots_of_an_allocation_add_up():
    found = optimal_shares(GHZ)
    for total in (8, 9, 100, 1_000_003):
        shots = found.shots(total)
        assert shots.sum() == total
        assert shots.min() >= 1
        assert shots.dtype == np.int64
    ideal = found.shares * 1_000_003
    assert np.abs(found.shots(1_000_003) - ideal).max() < 2


@pytest.mark.parametrize("total", [7, 0, 100.5, "many"])
def test_bad_totals(total):
    with pytest.raises(ScenarioError, match="total"):
        optimal_shares(GHZ).shots(total)


# The rate


def test_rate_of_chsh_with_its_variance():
    rate = evidence_rate(SINGLET)
    gain, loss = math.log(WIN / LOCAL_WIN), math.log((1 - WIN) / (1 - LOCAL_WIN))
    assert rate.rate == pytest.approx(CHSH_RATE, abs=1e-9)
    assert rate.bits == pytest.approx(CHSH_RATE / math.log(2), abs=1e-9)
    assert rate.variance == pytest.approx(WIN * (1 - WIN) * (gain - loss) ** 2, abs=1e-6)
    np.testing.assert_allclose(rate.contributions, CHSH_RATE, atol=1e-6)
    assert rate.corrected_rate is rate.standard_error is None
    assert rate.verify()


def test_shares_are_those_of_their_settings():
    behavior = asymmetric_behavior()
    shares = np.array([[1, 2, 3], [4, 5, 9]])
    rate = evidence_rate(behavior, shares)
    np.testing.assert_allclose(rate.shares, shares / 24)
    assert rate.rate == pytest.approx(fit_local_model(behavior, shares).divergence, abs=1e-9)
    assert rate.rate == pytest.approx(np.sum(rate.shares * rate.contributions), abs=1e-12)
    assert rate.variance == pytest.approx(np.sum(rate.shares * rate.variances))
    assert rate.rate != pytest.approx(evidence_rate(behavior, shares[:, ::-1]).rate, rel=0.01)
    assert rate.verify()


def test_experiment_stands_for_its_exact_behavior():
    circuit = QuantumCircuit(2)
    circuit.h(0)
    circuit.cx(0, 1)
    experiment = BellExperiment(circuit, "chsh")
    assert evidence_rate(experiment).rate == pytest.approx(CHSH_RATE, abs=1e-9)
    assert optimal_shares(experiment).rate == pytest.approx(CHSH_RATE, rel=1e-8)
    assert shots_needed(experiment, 0.01, simulate=False).total == evidence_rate(experiment).shots(0.01)


def test_verify_refuses_tampered_rates():
    rate = evidence_rate(asymmetric_behavior())
    assert not dataclasses.replace(rate, contributions=rate.contributions[:, ::-1]).verify()
    assert not dataclasses.replace(rate, variances=rate.variances * 1.01).verify()
    assert not dataclasses.replace(rate, fit=dataclasses.replace(rate.fit, divergence=0.1)).verify()


# Pilot counts


def test_pilot_counts_overstate_and_cross_validation_does_not():
    behavior = Behavior.from_state(werner_state(0.9), "chsh")
    true = evidence_rate(behavior).rate
    shots = np.array([[150, 250], [200, 200]])
    pilots = [evidence_rate(behavior.sample(shots, seed), np.ones((2, 2)), seed=seed) for seed in range(60)]
    plain = np.array([pilot.rate for pilot in pilots])
    corrected = np.array([pilot.corrected_rate for pilot in pilots])
    # One half for the luck of the plain rate, and as much again for what the factors of the corrected one lack.
    assert 0.8 < 800 * np.mean(plain - corrected) < 1.8
    error = plain.std() / math.sqrt(60)
    assert plain.mean() > true - 3 * error
    assert corrected.mean() < true + 3 * error
    assert np.mean([pilot.standard_error for pilot in pilots]) == pytest.approx(plain.std(), rel=0.3)


def test_pilot_counts_keep_their_own_shares():
    counts = SINGLET.sample(np.array([[100, 300], [200, 400]]), seed=1)
    rate = evidence_rate(counts, seed=2)
    np.testing.assert_allclose(rate.shares, [[0.1, 0.3], [0.2, 0.4]])
    np.testing.assert_array_equal(rate.pilot_shots, counts.num_shots)
    assert rate.fit.target.is_no_signaling()
    assert rate.verify()
    assert rate == evidence_rate(counts, seed=2)
    assert rate.corrected_rate != evidence_rate(counts, seed=3).corrected_rate
    assert "corrected" in str(rate)


def test_pilot_shots_use_the_corrected_rate():
    rate = evidence_rate(SINGLET.sample(100, seed=1), seed=2)
    assert rate.corrected_rate < rate.rate
    assert rate.shots(1e-6) > dataclasses.replace(rate, corrected_rate=None).shots(1e-6)


def test_pilot_counts_of_luck_alone():
    edge = Behavior.from_state(werner_state(0.7), "chsh")
    rates = [evidence_rate(edge.sample(100, seed), seed=1) for seed in range(10)]
    lucky = [rate for rate in rates if rate.rate > 1e-4 and rate.corrected_rate < 0]
    assert lucky
    with pytest.raises(CountsError, match=r"target.*Take more pilot shots"):
        lucky[0].shots(0.01)


# Shots


def test_planned_shots_reach_their_p_value():
    behavior = Behavior.from_state(werner_state(0.9), "chsh")
    plan = shots_needed(behavior, 1e-6, power=0.8, num_runs=40, seed=3)
    assert plan.shots.sum() == plan.total
    assert np.ptp(plan.shots) <= 1
    assert plan.total == pytest.approx(evidence_rate(behavior).shots(1e-6, power=0.8), rel=0.25)
    fresh = simulated_log10_p(behavior, plan.shots, num_runs=150, seed=8)
    # Four standard errors, and what 5% of the shots make.
    assert np.mean(fresh <= -6) == pytest.approx(0.8, abs=0.2)
    assert plan.achieved_share >= 0.8 - 2 * math.sqrt(0.8 * 0.2 / 40)


def test_more_power_takes_more_shots():
    totals = [shots_needed(SINGLET, 1e-4, power=power, seed=1).total for power in (0.3, 0.95)]
    assert totals[0] < totals[1]
    rate = evidence_rate(SINGLET)
    assert rate.shots(1e-4, 0.3) < rate.shots(1e-4) < rate.shots(1e-4, 0.9) < rate.shots(1e-9, 0.9)


@pytest.mark.parametrize("goal", [{"p_value": 1e-300}, {"log10_p_value": -300.0}, {"log10_p_value": -2000}])
def test_tiny_p_values(goal):
    plan = shots_needed(GHZ, **goal, shares=optimal_shares(GHZ).shares, num_runs=5, seed=1)
    expected = -300 if "p_value" in goal else goal["log10_p_value"]
    assert plan.log10_p_value == pytest.approx(expected)
    # Each shot gives log(4/3) at most; learning the factor costs a few percent here.
    least = -expected * math.log(10) / math.log(4 / 3)
    assert least < plan.total < 1.2 * least
    assert np.median(plan.simulated) == pytest.approx(expected, rel=0.06)
    assert plan.shots.min() == 1


def test_best_shares_save_shots():
    best = shots_needed(GHZ, 1e-20, shares=optimal_shares(GHZ).shares, num_runs=5, seed=1)
    assert best.total < 0.7 * shots_needed(GHZ, 1e-20, num_runs=5, seed=1).total


def test_plan_is_reproducible_and_can_be_an_estimate():
    assert shots_needed(SINGLET, 0.01, num_runs=4, seed=5) == shots_needed(SINGLET, 0.01, num_runs=4, seed=5)
    plan = shots_needed(SINGLET, 0.01, shares=[[1, 2], [3, 4]], simulate=False)
    assert plan.simulated is plan.achieved_share is plan.standard_error is None
    np.testing.assert_allclose(plan.shots / plan.total, [[0.1, 0.2], [0.3, 0.4]], atol=0.01)
    assert "estimated" in str(plan)


def test_share_of_simulated_runs():
    plan = shots_needed(SINGLET, 0.01, simulate=False)
    plan = dataclasses.replace(plan, simulated=np.array([-1.0, -2.0, -2.5, -7.0]))
    assert plan.achieved_share == 0.75
    assert plan.standard_error == pytest.approx(math.sqrt(4 / 6 * 2 / 6 / 4))
    assert "0.75 +- 0.24 of 4 simulated runs" in str(plan)
    assert dataclasses.replace(plan, simulated=np.full(4, -9.0)).standard_error > 0


def test_simulated_runs():
    shots = np.array([[100, 50], [70, 200]])
    values = simulated_log10_p(SINGLET, shots, num_runs=6, seed=2)
    assert values.shape == (6,)
    assert values.max() <= 0
    assert len(set(values)) == 6
    np.testing.assert_array_equal(values, simulated_log10_p(SINGLET, shots, num_runs=6, seed=2))
    assert np.mean(simulated_log10_p(LOCAL, 200, num_runs=20, seed=1) <= -2) < 0.2


# Records and bad input


def test_saved_plans_are_read_again(tmp_path):
    plan = shots_needed(SINGLET, 0.01, num_runs=2, seed=1)
    for record in (
        plan,
        optimal_shares(GHZ),
        evidence_rate(SINGLET.sample(100, seed=1), seed=1),
        evidence_rate(SINGLET),
    ):
        record.save(tmp_path / "record.json")
        loaded = type(record).load(tmp_path / "record.json")
        assert loaded == record
        assert isinstance(loaded, ShotPlan | Allocation | EvidenceRate)
        if not isinstance(loaded, ShotPlan):
            assert loaded.verify()
            assert isinstance(loaded.fit, LocalFit)


@pytest.mark.parametrize(
    "call",
    [
        lambda: optimal_shares(LOCAL),
        lambda: optimal_shares(LOCAL, product=True),
        lambda: shots_needed(LOCAL, 0.01),
        lambda: evidence_rate(LOCAL).shots(0.01),
    ],
)
def test_local_behaviors_need_no_shots(call):
    with pytest.raises(ScenarioError, match=r"behavior: .*no number of shots is enough.*other settings"):
        call()


@pytest.mark.parametrize("function", [optimal_shares, evidence_rate, lambda b: shots_needed(b, 0.01)])
def test_signaling_behaviors_are_refused(function):
    with pytest.raises(ScenarioError, match="no-signaling"):
        function(SIGNALING)


@pytest.mark.parametrize(
    ("options", "name"),
    [
        ({}, "p_value"),
        ({"p_value": 0.01, "log10_p_value": -2}, "p_value"),
        ({"p_value": 0}, "p_value"),
        ({"p_value": 1.5}, "p_value"),
        ({"log10_p_value": 2}, "log10_p_value"),
        ({"log10_p_value": math.nan}, "log10_p_value"),
        ({"p_value": 0.01, "power": 1}, "power"),
        ({"p_value": 0.01, "num_runs": 1}, "num_runs"),
        ({"p_value": 0.01, "seed": -1}, "seed"),
        ({"p_value": 0.01, "shares": [1, 2, 3, 4]}, "shares"),
        ({"p_value": 0.01, "shares": [[1, 0], [1, 1]]}, "shares"),
    ],
)
def test_bad_options_of_a_plan(options, name):
    with pytest.raises(LHVError, match=name):
        shots_needed(SINGLET, **options)


def test_other_bad_input():
    counts = SINGLET.sample(10, seed=1)
    with pytest.raises(ScenarioError, match=r"behavior.*evidence_rate\(counts\)"):
        shots_needed(counts, 0.01)
    with pytest.raises(ScenarioError, match="behavior: expected a Behavior"):
        optimal_shares(counts)
    with pytest.raises(ScenarioError, match="target: expected"):
        evidence_rate(werner_state(1))
    with pytest.raises(ScenarioError, match="num_starts"):
        optimal_shares(SINGLET, product=True, num_starts=0)
    with pytest.raises(ScenarioError, match="tolerance"):
        optimal_shares(SINGLET, tolerance=0)
    with pytest.raises(CountsError, match="shots"):
        simulated_log10_p(SINGLET, 0)
    with pytest.raises(ScenarioError, match="num_runs"):
        simulated_log10_p(SINGLET, 10, num_runs=2.5)
    with pytest.raises(ScenarioError, match="behavior"):
        simulated_log10_p(counts, 10)
