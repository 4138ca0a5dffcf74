import contextlib
import dataclasses
import itertools
import math

import numpy as np
import pytest
from qiskit_lhv import (
    Behavior,
    BellExpression,
    BellInequality,
    BellScenario,
    LHVError,
    LocalityReport,
    Verdict,
    chsh,
    ghz_state,
    werner_state,
)
from qiskit_lhv.analysis.behavior_evidence import BehaviorLocality, BehaviorViolation, possible_region
from qiskit_lhv.analysis.behaviors import analyze_behavior
from qiskit_lhv.exceptions import ScenarioError
from qiskit_lhv.models.deterministic import enumerate_strategies, strategy_tables
from qiskit_lhv.polytope.thresholds.nearest_local import nearest_local, violation_beyond_errors
from scipy.optimize import linprog

from helpers import PLANE

SCENARIOS = [
    BellScenario((2, 2), (2, 2)),
    BellScenario((3, 3), (2, 2)),
    BellScenario((2, 2), (3, 3)),
    BellScenario((2, 2, 2), (2, 2, 2)),
    BellScenario((1, 3), (3, 2)),
]


def box(scenario):
    """Outcomes 0 and 1 whose parity is odd only where all settings are 1."""
    array = np.zeros(scenario.shape)
    n = scenario.num_parties
    for settings in np.ndindex(scenario.num_settings):
        for outcomes in itertools.product((0, 1), repeat=n):
            if sum(outcomes) % 2 == all(x == 1 for x in settings):
                array[settings + outcomes] = 0.5 ** (n - 1)
    return array.ravel()


def distance(behavior):
    """Largest difference of a probability from the nearest local behavior, by a linear program over all strategies."""
    tables = strategy_tables(enumerate_strategies(behavior.scenario), behavior.scenario)
    count, size = tables.shape
    target = behavior.array.ravel()
    off = -np.ones((size, 1))
    result = linprog(
        np.append(1, np.zeros(count)),
        A_ub=np.block([[off, tables.T], [off, -tables.T]]),
        b_ub=np.concatenate([target, -target]),
        A_eq=np.append(0, np.ones(count))[None],
        b_eq=[1],
        options={"primal_feasibility_tolerance": 1e-10, "dual_feasibility_tolerance": 1e-10},
    )
    return result.fun


def random_table(scenario, kind, rng):
    tables = strategy_tables(enumerate_strategies(scenario), scenario)
    noise = np.full(scenario.num_cells, 1 / math.prod(scenario.max_outcomes))
    if kind == "deterministic":
        return tables[rng.integers(len(tables))]
    if kind == "nonlocal":
        visibility = rng.choice([1, rng.uniform(0.3, 1)])
        return visibility * box(scenario) + (1 - visibility) * noise
    if kind == "boundary":
        values = tables @ box(scenario)
        tables = tables[values >= values.max() - 1e-9]
    few = int(rng.integers(1, 20))
    return rng.dirichlet(np.ones(few)) @ tables[rng.integers(len(tables), size=few)]


# Verdicts


def measured(strength=0.5125):
    return Behavior.from_correlators([[strength, strength], [strength, -strength]], marginals=False)


def test_measured_correlators_do_not_enter_as_exact():
    # S = 2.05 with an error of 0.10.
    report = analyze_behavior(measured(), tolerance=0.025)
    assert report.verdict is Verdict.INCONCLUSIVE
    assert report.admits_local_model
    assert str(report).splitlines()[0].endswith("(its numbers taken as accurate to 0.025).")
    assert "0.0031, the answer would be NONLOCAL" in report.advice
    assert report.verify()
    taken_as_exact = analyze_behavior(measured())
    assert taken_as_exact.verdict is Verdict.NONLOCAL
    assert str(taken_as_exact).splitlines()[0].endswith("(its numbers taken as accurate to 1e-07).")


@pytest.mark.parametrize(("tolerance", "verdict"), [(0.0031, Verdict.NONLOCAL), (0.00313, Verdict.INCONCLUSIVE)])
def test_violations_must_exceed_the_tolerance_times_the_sum_of_coefficients(tolerance, verdict):
    # S = 2.05: an excess of 0.05 over 16 coefficients.
    report = analyze_behavior(measured(), tolerance=tolerance)
    assert report.verdict is verdict
    assert report.statistics["violation_by_errors"] == pytest.approx(16 * tolerance)


@pytest.mark.parametrize(("tolerance", "verdict"), [(0.0125, Verdict.LOCAL), (0.0126, Verdict.INCONCLUSIVE)])
def test_coarse_numbers_are_local_only_with_everything_within_their_errors(tolerance, verdict):
    # S = 1.8, so that errors of 0.2 / 16 in every probability reach 2.
    report = analyze_behavior(measured(0.45 - 1e-7), tolerance=tolerance)
    assert report.verdict is verdict
    assert report.admits_local_model
    assert report.verify()


@pytest.mark.parametrize(
    ("behavior", "tolerance", "verdict"),
    [
        (Behavior.from_state(werner_state(0.4), [PLANE, PLANE]), 0.01, Verdict.LOCAL),
        (Behavior.from_state(werner_state(0.66), [PLANE, PLANE]), 0.02, Verdict.INCONCLUSIVE),
        (Behavior.from_state(werner_state(0.95), [PLANE, PLANE]), 0.01, Verdict.NONLOCAL),
        (Behavior.from_state(ghz_state(3, 0.2), "mermin"), 0.005, Verdict.LOCAL),
        (Behavior.from_state(ghz_state(3, 0.9), "mermin"), 0.02, Verdict.NONLOCAL),
        (Behavior.white_noise(BellScenario((2, 2), (3, 3))), 0.002, Verdict.LOCAL),
        (Behavior.white_noise(BellScenario((3, 3), (2, 2))), 0.01, Verdict.LOCAL),
        (Behavior([[1.0, 0.0]]), 0.3, Verdict.LOCAL),
    ],
)
def test_coarse_numbers_in_other_scenarios(behavior, tolerance, verdict):
    report = analyze_behavior(behavior, tolerance=tolerance)
    assert report.verdict is verdict
    check = report.verify()
    assert check, check.reason
    if verdict is Verdict.INCONCLUSIVE:
        assert "If these numbers were accurate to" in report.advice


def test_limits_hold_every_behavior_within_the_tolerance():
    rng = np.random.default_rng(3)
    for scenario in (BellScenario((2, 3), (2, 2)), BellScenario((2, 2), (2, 3)), BellScenario((2, 2, 1), (2, 2, 2))):
        truth = Behavior(random_table(scenario, "local", rng).reshape(scenario.shape)).mix(visibility=0.5)
        errors = rng.uniform(-1e-4, 1e-4, scenario.shape)
        errors -= errors.mean(axis=scenario.outcome_axes, keepdims=True)
        lower, upper = possible_region(Behavior(truth.array + errors), np.abs(errors).max())
        if scenario.is_two_outcome:
            value = truth.to_correlators()
        else:
            first, second = truth.array[:, 0].sum(axis=-1), truth.array[0].sum(axis=-2)
            np.testing.assert_array_less(lower[1:, 0], first.ravel() + 1e-12)
            np.testing.assert_array_less(second.ravel() - 1e-12, upper[0, 1:])
            value = truth.array.transpose(0, 2, 1, 3).reshape(4, 6)
            lower, upper = lower[1:, 1:], upper[1:, 1:]
        assert np.all((lower <= value + 1e-12) & (value <= upper + 1e-12))


@pytest.mark.parametrize("seed", range(4))
def test_rounded_and_perturbed_behaviors_get_the_right_answer(seed):
    rng = np.random.default_rng(seed)
    for index in range(60):
        scenario = SCENARIOS[index % len(SCENARIOS)]
        table = random_table(scenario, rng.choice(["local", "boundary", "deterministic", "nonlocal"]), rng)
        tolerance = 1e-7
        kind = rng.choice(["rounded", "perturbed", "coarse"])
        if kind == "rounded":
            decimals = int(rng.integers(6, 13))
            table = np.round(table, decimals)
            tolerance = max(1e-7, 3 * 10.0**-decimals)
        elif kind == "perturbed":
            table = table + rng.uniform(-2.5e-10, 2.5e-10, table.shape)
        else:
            tolerance = 10 ** rng.uniform(-5, -1)
            table = np.maximum(table + 0.3 * rng.uniform(-tolerance, tolerance, table.shape), 0)
        table = table.reshape(scenario.shape)
        if tolerance > 1e-7:
            table = table / table.sum(axis=scenario.outcome_axes, keepdims=True)
        behavior = Behavior(table)
        report = analyze_behavior(behavior, tolerance=tolerance)
        nearest = distance(behavior)
        if tolerance <= 1e-6:
            assert report.verdict is (Verdict.LOCAL if nearest <= tolerance else Verdict.NONLOCAL), (index, kind)
        else:
            assert (report.verdict is Verdict.NONLOCAL) == (nearest > tolerance), (index, kind)
        check = report.verify()
        assert check, check.reason
        shown = {piece.shows for piece in report.evidence if hasattr(piece, "shows")}
        assert shown == ({report.verdict.value} if report.verdict is not Verdict.INCONCLUSIVE else set())


def test_nearest_local_behavior_of_a_box():
    behavior = Behavior(box(SCENARIOS[0]).reshape(2, 2, 2, 2))
    found = nearest_local(behavior)
    assert found.distance == pytest.approx(1 / 8)
    assert np.abs(found.model.behavior().array - behavior.array).max() == pytest.approx(1 / 8)
    assert violation_beyond_errors(found.inequality, behavior, 0.1249) > 0
    assert violation_beyond_errors(found.inequality, behavior, 0.1251) < 0


def test_inequalities_lose_nothing_by_constants_on_settings():
    # CHSH with a hundred times the normalization of each setting combination added.
    shifted = BellInequality.of(BellExpression(chsh().coefficients + 100))
    behavior = measured()
    plain = violation_beyond_errors(BellInequality.of(chsh()), behavior, 0.003)
    assert float(violation_beyond_errors(shifted, behavior, 0.003)) == pytest.approx(float(plain), abs=1e-12)
    assert float(plain) == pytest.approx(0.05 - 16 * 0.003)


def test_rounding_at_a_boundary_with_many_outcomes():
    scenario = BellScenario((2, 2), (6, 6))
    rng = np.random.default_rng(1)
    strategies = rng.integers(0, 6, size=(30, 4))
    table = rng.dirichlet(np.ones(30)) @ strategy_tables(strategies, scenario)
    report = analyze_behavior(Behavior(np.round(table, 8).reshape(scenario.shape)))
    assert report.verdict is Verdict.LOCAL
    assert report.verify()


# Signaling


def test_signaling_beyond_the_tolerance_is_refused_with_what_to_do():
    table = measured().array.copy()
    table[0, 0, 0] += 1e-3
    table[0, 0, 1] -= 1e-3
    with pytest.raises(ScenarioError, match=r"errors of 1e-07.*move by 0.00[24].*tolerance=0.0005 or more") as caught:
        analyze_behavior(Behavior(table))
    assert "project_to_no_signaling" in str(caught.value)
    assert analyze_behavior(Behavior(table), tolerance=5.1e-4).verdict is Verdict.NONLOCAL


# Arguments


@pytest.mark.parametrize("tolerance", [0, -1e-3, math.nan, math.inf, "a", None, True])
def test_bad_tolerance(tolerance):
    with pytest.raises(ScenarioError, match="tolerance"):
        analyze_behavior(measured(), tolerance=tolerance)


def test_time_limit():
    report = analyze_behavior(Behavior.from_state(werner_state(0.71), [PLANE, PLANE]), time_limit=1e-9)
    assert report.verify()


def test_tiny_tolerance_names_what_the_model_reaches():
    behavior = Behavior(np.round(measured(0.4).array + 1e-4 * box(SCENARIOS[0]).reshape(2, 2, 2, 2), 9) / (1 + 1e-4))
    table = behavior.array.copy()
    table[0, 0, 0] += [2e-11, -2e-11]
    report = analyze_behavior(Behavior(table), tolerance=1.5e-11)
    assert report.verdict in (Verdict.LOCAL, Verdict.INCONCLUSIVE)
    assert report.verify()


# Evidence


def evidence():
    exact = analyze_behavior(measured()).evidence[0]
    local = analyze_behavior(measured(0.45)).evidence[0]
    coarse = analyze_behavior(Behavior.from_state(werner_state(0.4), [PLANE, PLANE]), tolerance=0.01).evidence[0]
    return exact, local, coarse


def test_evidence_shows_what_it_proves():
    exact, local, coarse = evidence()
    assert isinstance(exact, BehaviorViolation)
    assert isinstance(local, BehaviorLocality)
    assert isinstance(coarse, BehaviorLocality)
    assert [one.shows for one in (exact, local, coarse)] == ["NONLOCAL", "LOCAL", "LOCAL"]
    for one in (exact, local, coarse):
        assert one.verify()


def test_forged_evidence_is_refuted(refused):
    exact, local, coarse = evidence()
    wrong_bound = dataclasses.replace(exact.inequality.bound, value=1.5)
    heuristic = dataclasses.replace(exact.inequality.bound, exact=False)
    infinite = dataclasses.replace(exact.inequality.bound, value=math.inf)
    garbage = [{"tolerance": value} for value in (math.nan, math.inf, -1.0, 0, "a", None, True)]
    garbage += [{"behavior": value} for value in (None, 3, "a")]
    for change in (
        *garbage,
        {"behavior": measured(0.45)},
        {"behavior": Behavior([[0.5, 0.5]])},
        {"tolerance": 0.01},
        {"inequality": None},
        {"inequality": BellInequality.of(chsh().relabel(parties=[1, 0], settings=[[1, 0], [0, 1]]))},
        *({"inequality": dataclasses.replace(exact.inequality, bound=b)} for b in (wrong_bound, heuristic, infinite)),
    ):
        assert refused(exact, **change), change
    for change in (
        *garbage,
        {"behavior": measured(0.5125)},
        {"behavior": Behavior([[0.5, 0.5]])},
        {"tolerance": 0.05},
        {"model": None},
        {"model": "model"},
    ):
        assert refused(local, **change), change
    other = analyze_behavior(Behavior.from_state(werner_state(0.3), "chsh")).evidence[1]
    for change in (
        *garbage,
        {"behavior": measured()},
        {"tolerance": 0.1},
        {"tolerance": 1e-7},
        {"threshold": None},
        {"threshold": other},
        {"threshold": dataclasses.replace(coarse.threshold, lower=50.0)},
        {"threshold": dataclasses.replace(coarse.threshold, lower=math.nan)},
        {"threshold": dataclasses.replace(coarse.threshold, noise=coarse.behavior)},
        {"behavior": Behavior.from_state(werner_state(0.9), [PLANE, PLANE])},
    ):
        assert refused(coarse, **change), change
        with contextlib.suppress(LHVError):
            assert dataclasses.replace(coarse, **change).shows is None, change


@pytest.mark.parametrize("suffix", ["json", "npz"])
def test_reports_survive_saving(tmp_path, suffix):
    for tolerance in (1e-7, 0.005):
        report = analyze_behavior(Behavior.from_state(werner_state(0.4), [PLANE, PLANE]), tolerance=tolerance)
        report.save(tmp_path / f"report.{suffix}")
        loaded = LocalityReport.load(tmp_path / f"report.{suffix}")
        assert loaded == report
        assert str(loaded) == str(report)
        assert loaded.verify()


def test_edited_reports_are_refuted():
    for behavior, tolerance in ((measured(), 1e-7), (measured(0.45), 1e-7), (measured(0.5125), 0.0125)):
        report = analyze_behavior(behavior, tolerance=tolerance)
        assert report.verify()
        other = analyze_behavior(measured(0.3))
        for change in (
            {"target": f"{report.target}, exactly"},
            {"alpha": 0.01},
            {"question": dataclasses.replace(report.question, tolerance=1e-9)},
            {"question": dataclasses.replace(report.question, behavior=measured(0.47))},
            {"question": dataclasses.replace(report.question, tolerance=math.nan)},
            {"question": None},
            {"assumptions": ()},
            {"model": None},
            {
                "model": dataclasses.replace(
                    report.model, weights=np.array([1.0]), strategies=report.model.strategies[:1]
                )
            },
            {"warnings": ("all is well",)},
            {"admits_local_model": {True: False, False: None, None: True}[report.admits_local_model]},
            {"statistics": report.statistics | {"threshold": 0.1}},
            {"statistics": report.statistics | {"certainty": 1.0}},
            {"evidence": other.evidence},
            {"evidence": (*report.evidence, report.evidence[-1])},
        ):
            assert not dataclasses.replace(report, **change).verify(), change
