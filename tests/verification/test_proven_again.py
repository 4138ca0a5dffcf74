"""What is not proven again is passed on as such, and is never true; ``prove_bound`` reaches every local bound."""

import dataclasses
import inspect
import re

import numpy as np
import pytest
from qiskit_lhv import (
    Behavior,
    BellCounts,
    BellExpression,
    BellInequality,
    CountsOptions,
    Verification,
    analyze,
    chsh,
    estimate_tensor,
    ratio_e_value,
    werner_state,
)
from qiskit_lhv._support.records import Record
from qiskit_lhv.polytope import LocalBound, i3322
from qiskit_lhv.projective import horodecki_chsh
from qiskit_lhv.statistics import (
    LocalRegion,
    StandingTest,
    combine_e_values,
    combined_test,
    estimate_threshold,
    evidence_rate,
    fit_local_model,
    game_test,
    local_region,
    local_weight_interval,
    optimal_shares,
    settings_test,
    signaling_allowance,
)

from helpers import PLANE, SINGLET

UNIFORM = np.full((2, 2), 0.25)


def counts(visibility=0.85, settings="chsh", shots=500):
    return Behavior.from_state(werner_state(visibility), settings).sample(shots, 1)


def region():
    data = counts(0.2, [PLANE, PLANE], 3000)
    return local_region(data, fit_local_model(data).model.behavior())


def standing():
    table = Behavior.from_state(werner_state(1), "chsh").sample(np.array([[400, 400], [400, 520]]), 1).array
    report = analyze(BellCounts(table, "random", UNIFORM), CountsOptions(num_replicates=0), seed=1)
    return next(piece for piece in report.evidence if isinstance(piece, StandingTest))


BOUNDED = {
    "e-value": lambda: ratio_e_value(counts(), seed=1),
    "e-values": lambda: combine_e_values([ratio_e_value(counts(), seed=1)], independent=False),
    "game": lambda: game_test(counts(), chsh((1, 1))),
    "score": lambda: game_test(counts(settings=[PLANE, PLANE]), i3322()),
    "combined test": lambda: combined_test(counts(), ratio_e_value(counts(), seed=1)),
    "fit": lambda: fit_local_model(counts()),
    "rate": lambda: evidence_rate(SINGLET),
    "allocation": lambda: optimal_shares(SINGLET),
    "allowance": lambda: signaling_allowance(counts(), seed=1),
    "threshold": lambda: estimate_threshold(counts(), num_replicates=20, seed=1),
    "weight": lambda: local_weight_interval(counts(shots=3000)),
    "criterion": lambda: horodecki_chsh(werner_state(0.9)),
    "violation": lambda: analyze(SINGLET).evidence[0],
    "estimate": lambda: analyze(estimate_tensor(counts(0.95, "pauli", 3000)), seed=1).evidence[0],
    "standing result": standing,
    "report": lambda: analyze(SINGLET),
    "report on a state": lambda: analyze(werner_state(0.9), seed=1),
    "report on counts": lambda: analyze(counts(), CountsOptions(num_replicates=0), seed=1),
    "device": lambda: analyze({(0, 1): counts(), (1, 2): counts(0.5)}, seed=1),
}


@pytest.mark.parametrize("name", BOUNDED)
def test_bounds_that_are_not_proven_again_are_not_true(name):
    record = BOUNDED[name]()
    assert record.verify()
    assert record.verify(prove_bound=True)
    left = record.verify(prove_bound=False)
    assert left.status == "not re-proven"
    assert left.cost > 0
    assert "not proven again" in left.reason


def test_every_check_of_a_record_with_a_bound_takes_prove_bound():
    # Those with a bound of their own kind: what they prove is no list of strategies.
    others = {"FacetList", "NoSignalingBound", "QuantumBound", "FullCorrelatorBound"}

    def all_subclasses(cls):
        return {cls}.union(*(all_subclasses(one) for one in cls.__subclasses__()))

    bounded = ("BellInequality", "Threshold", "GameTest", "EValue", "CombinedEValue", "LocalFit", "OptimizedSettings")
    for cls in all_subclasses(Record):
        if "verify" not in vars(cls) or cls.__name__ in others or not cls.__module__.startswith("qiskit_lhv"):
            continue
        words = set(re.findall(r"\w+", " ".join(str(field.type) for field in dataclasses.fields(cls))))
        if cls.__name__ in bounded or any(name in words for name in bounded):
            assert "prove_bound" in inspect.signature(cls.verify).parameters, cls.__name__


def large_report(value):
    """A report whose inequality has 70 settings per party, too many to prove its bound again."""
    matrix = np.random.default_rng(2).integers(-999, 1000, size=(70, 70)).astype(float)
    expression = BellExpression.from_correlators(matrix, marginals=False)
    report = analyze(SINGLET)
    bound = LocalBound(value, np.zeros(140, dtype=int), True)
    piece = dataclasses.replace(report.evidence[0], inequality=BellInequality(expression, bound))
    return dataclasses.replace(report, evidence=(piece,), inequality=piece.inequality)


def test_reports_and_devices_pass_on_what_is_open():
    report = analyze({(0, 1): counts(), (1, 2): counts(0.5)}, seed=1)
    check = report.verify(prove_bound=False)
    assert check.reason.startswith("group (0, 1): ")
    # One that is refuted outweighs many that are open.
    wrong = dataclasses.replace(report.reports[1], alpha=0.5)
    mixed = dataclasses.replace(report, reports=(report.reports[0], wrong))
    assert mixed.verify(prove_bound=False).refuted
    assert not large_report(1.0).verify()


def test_regions_of_other_scenarios_need_a_threshold():
    found = region()
    assert found.inside
    assert found.verify()
    bare = dataclasses.replace(found, threshold=None)
    assert bare.verify().refuted
    wide = LocalRegion(0.01, np.full((4, 4), -0.3), np.full((4, 4), 0.3), True, 0.8, None)
    assert wide.verify().refuted
    noise = dataclasses.replace(found.threshold, noise=found.threshold.behavior)
    assert dataclasses.replace(found, threshold=noise).verify().refuted


@pytest.mark.parametrize(
    "change",
    [
        {"predictability": -0.2},
        {"predictability": 0.2},
        {"design": "drawn"},
        {"null": "quantum"},
        {"tested": "negative"},
        {"setting_weights": "nan"},
        {"setting_weights": "broad"},
        {"seed": -1},
    ],
    ids=str,
)
def test_e_values_of_odd_fields_are_refuted(change, refused):
    e_value = ratio_e_value(counts(), seed=1)
    (name, value), *_ = change.items()
    if value == "negative":
        value = e_value.tested - 100
    elif value == "nan":
        value = np.full_like(e_value.setting_weights, np.nan)
    elif value == "broad":
        value = np.ones((e_value.num_stages, 1, 1))
    assert refused(e_value, **{name: value})


def test_predictability_below_zero_proves_nothing():
    data = BellCounts(counts().array, "random", UNIFORM)
    e_value = ratio_e_value(data, predictability=0.01, seed=1)
    assert e_value.verify()
    assert dataclasses.replace(e_value, predictability=-0.01).verify().refuted


def test_large_upper_bounds_allow_no_wrong_fit():
    shares = optimal_shares(SINGLET)
    fit = dataclasses.replace(shares.fit, divergence=1.0)
    assert dataclasses.replace(shares, upper=1e9, fit=fit).verify().refuted


def test_infinite_p_values_of_the_order_are_refuted(refused):
    table = np.zeros((2, 2, 2, 2), dtype=int)
    table[..., 0, 0] = 100
    found = settings_test(BellCounts(table, "random", UNIFORM))
    assert found.verify()
    for change in (
        {"log10_order_p": -np.inf},
        {"log10_order_p": 0.5},
        {"setting_probabilities": 2 * UNIFORM},
        {"setting_numbers": np.zeros((2, 2), dtype=int)},
        {"contradiction": "something"},
        {"explaining_predictability": 0.2},
    ):
        assert refused(found, **change), change


@pytest.mark.parametrize(
    "change",
    [
        {"admits_local_model": None},
        {"model": None},
        {"inequality": None},
        {"target": "counts of another device"},
        {"assumptions": ()},
        {"largest_kappa": 10.0},
    ],
    ids=str,
)
def test_fields_of_reports_on_counts_follow_from_the_evidence(change):
    report = analyze(counts(), CountsOptions(num_replicates=0), seed=1)
    assert report.verify()
    assert dataclasses.replace(report, **change).verify().refuted


def test_declarations_that_were_changed_afterwards_are_refuted():
    report = analyze(counts(0.3, shots=2000), CountsOptions(num_replicates=0), seed=1)
    assert report.verify()
    for change in ({"kappa": 1.5}, {"kappa": 0.5}, {"signaling_level": 0.02}, {"predictability": 0.1}):
        rule = dataclasses.replace(report.question, **change)
        assert dataclasses.replace(report, question=rule).verify().refuted, change
    selected = dataclasses.replace(report.question.counts, post_selected=True)
    assert dataclasses.replace(report, question=dataclasses.replace(report.question, data=selected)).verify().refuted


def test_figures_of_reports_on_states_need_evidence():
    report = analyze(werner_state(0.9), seed=1)
    assert report.verify()
    for name, value in (("local_visibility", 0.99), ("violation", 1.0)):
        statistics = report.statistics | {name: value}
        assert dataclasses.replace(report, statistics=statistics).verify().refuted
    for change in ({"target": "state of 3 qubits, all projective measurements"}, {"admits_local_model": True}):
        assert dataclasses.replace(report, **change).verify().refuted


def test_reasons_that_come_twice_are_said_once():
    from qiskit_lhv.verification.result import combine

    same = Verification(True, "fine")
    assert combine(same, same).reason == "fine"
