"""A report on counts is refuted wherever it says something that does not follow from its evidence and declarations."""

import dataclasses
import json
import math
from fractions import Fraction

import numpy as np
import pytest
from qiskit_lhv import (
    Behavior,
    BellCounts,
    BellTrials,
    CountsOptions,
    DeviceReport,
    LHVError,
    LocalityReport,
    Verdict,
    analyze,
    chsh,
    ghz_state,
    ratio_e_value,
    werner_state,
)
from qiskit_lhv.reports.counts_rule import CountsEvidence
from qiskit_lhv.verification.mean_bounds import exact_mean_bounds

# Without the figures that take long.
QUICK = CountsOptions(num_replicates=0)
GAME = CountsOptions(test="game", expression=chsh((1, 1)), num_replicates=0)
UNIFORM = np.full((2, 2), 0.25)


def quantum(visibility):
    return Behavior.from_state(werner_state(visibility), "chsh")


def random_table(behavior, total, seed, probabilities=UNIFORM):
    shots = np.random.default_rng(seed).multinomial(total, probabilities.ravel()).reshape(probabilities.shape)
    return BellCounts(behavior.sample(shots, seed).array, "random", UNIFORM)


def trials(behavior, total, seed, design="random"):
    rng = np.random.default_rng(seed)
    settings = rng.integers(2, size=(total, behavior.scenario.num_parties))
    cells = behavior.array[tuple(settings.T)].reshape(total, -1)
    drawn = (rng.random(total)[:, None] > cells.cumsum(axis=1)).sum(axis=1)
    outcomes = np.array(np.unravel_index(drawn, behavior.scenario.max_outcomes)).T
    return BellTrials(settings, outcomes, design=design)


def swapped(report, kind, **change):
    """The report with a changed piece of evidence."""
    evidence = tuple(
        dataclasses.replace(piece, **change) if type(piece).__name__ == kind else piece for piece in report.evidence
    )
    assert any(type(piece).__name__ == kind for piece in report.evidence)
    return dataclasses.replace(report, evidence=evidence)


def without(report, kind):
    return dataclasses.replace(
        report, evidence=tuple(piece for piece in report.evidence if type(piece).__name__ != kind)
    )


@pytest.fixture(scope="module")
def reports():
    """Honest reports of all kinds."""
    lossy = BellCounts(quantum(1).with_efficiency(0.97).sample(300, 1).array, lost_outcomes=(2, 2))
    signaling = np.array([[[[400, 100], [100, 400]]] * 2, [[[400, 100], [100, 400]], [[136, 364], [436, 64]]]])
    return {
        "blocks": analyze(quantum(0.95).sample(500, 1), seed=1),
        "game": analyze(
            quantum(0.95).sample(500, 1), CountsOptions(test="game", expression=chsh((1, 1)), num_replicates=0), seed=1
        ),
        "table": analyze(random_table(quantum(0.95), 2000, 1), seed=1),
        "table, game": analyze(
            random_table(quantum(0.95), 2000, 1), CountsOptions(test="game", num_replicates=0), seed=1
        ),
        "table, predictable": analyze(random_table(quantum(0.95), 2000, 1), CountsOptions(predictability=0.01), seed=1),
        "trials": analyze(trials(quantum(0.95), 1000, 1), QUICK, seed=1),
        "trials, game": analyze(trials(quantum(0.95), 1000, 1), CountsOptions(test="game", num_replicates=0), seed=1),
        "trials in blocks": analyze(trials(quantum(0.4), 30_000, 1, "blocks"), QUICK, seed=1),
        "local": analyze(trials(quantum(0.4), 30_000, 1), QUICK, seed=1),
        "kappa": analyze(quantum(1).sample(20_000, 1), CountsOptions(kappa=3, num_replicates=0), seed=1),
        "signaling": analyze(BellCounts(signaling), QUICK, seed=1),
        "lossy": analyze(lossy, QUICK, seed=1),
        "kept": analyze(lossy.post_select(), CountsOptions(fair_sampling=True, num_replicates=0), seed=1),
        "late": analyze(quantum(0.8).sample(100, 1), time_limit=1e-9, seed=1),
        "three": analyze(Behavior.from_state(ghz_state(3, 0.9), "mermin").sample(50, 1), seed=1),
    }


def test_the_examples_have_all_verdicts(reports):
    verdicts = {name: report.verdict.name for name, report in reports.items()}
    assert verdicts["local"] == verdicts["trials in blocks"] == "LOCAL"
    assert verdicts["signaling"] == "SIGNALING"
    assert verdicts["late"] == "INCONCLUSIVE"
    assert {verdicts[name] for name in ("table", "trials", "kappa", "three", "kept")} == {"NONLOCAL"}


@pytest.mark.slow
def test_honest_reports_pass_also_from_files(reports, tmp_path):
    for name, report in reports.items():
        check = report.verify()
        assert check, (name, check)
        report.save(tmp_path / "report.npz")
        loaded = LocalityReport.load(tmp_path / "report.npz")
        assert loaded.verify(), name
        assert str(loaded) == str(report)


# E-values


def fitted(e_value):
    """The e-value with the factor of all shots in each stage, and the bounds that belong to it: no e-value at all."""
    factors = np.broadcast_to(e_value.factors[-1], e_value.factors.shape)
    bounds = []
    for bound in exact_mean_bounds(factors, e_value.setting_weights):
        value = float(bound)
        bounds.append(value if Fraction(value) >= bound else math.nextafter(value, math.inf))
    shots = e_value.tested.sum(axis=tuple(range(1, e_value.tested.ndim)))
    log_e = float(np.sum(e_value.tested * np.log(factors)) - shots @ np.log(bounds))
    return dataclasses.replace(e_value, factors=factors, mean_bounds=np.array(bounds), log_e=log_e)


def test_factors_that_were_fitted_to_their_own_stages_are_refuted():
    counts = Behavior.from_state(ghz_state(3, 0.7), "mermin").sample(60, 3)
    honest = ratio_e_value(counts, seed=1)
    forged = fitted(honest)
    # All that can be seen from the factors alone is right.
    assert forged._check_bounds(None)
    assert forged.log_e > honest.log_e + 1
    assert honest.verify()
    check = forged.verify()
    assert not check
    assert "chosen from the stages before" in check.reason


def test_an_order_that_was_chosen_is_refuted():
    report = analyze(trials(quantum(0.9), 300, 1, "blocks"), CountsOptions(test="e-value", num_replicates=0), seed=1)
    (place,) = [i for i, piece in enumerate(report.evidence) if getattr(piece, "null", "") == "local"]
    others = [ratio_e_value(report.question.data, seed=seed) for seed in range(2, 12)]
    best = max(others, key=lambda one: one.log_e)
    assert best.verify()
    for piece in (best, dataclasses.replace(best, seed=1)):
        evidence = (*report.evidence[:place], piece, *report.evidence[place + 1 :])
        statistics = report.statistics | {"log10_e": piece.log_e / math.log(10)}
        forged = dataclasses.replace(
            report,
            evidence=evidence,
            statistics=statistics,
            log10_p_value=piece.log10_p_value,
            inequality=piece.inequality,
        )
        check = forged.verify()
        assert not check
        assert "recorded seed" in check.reason


# Drift, settings and their order


@pytest.mark.parametrize("name", ["local", "trials in blocks", "trials"])
def test_the_test_of_drift_is_bound(reports, name):
    report = reports[name]
    assert not swapped(report, "DriftTest", p_value=0.9).verify()
    assert not swapped(report, "DriftTest", deviance=1.0).verify()
    gone = without(report, "DriftTest")
    statistics = {key: value for key, value in report.statistics.items() if key != "drift_p"}
    gone = dataclasses.replace(gone, statistics=statistics)
    assert not gone.verify()
    late = dataclasses.replace(gone, absent=report.absent | {"drift_p": "the time limit was over"})
    # Where the verdict rests on it, no excuse helps.
    assert bool(late.verify()) is (report.verdict is not Verdict.LOCAL)


def test_trials_in_blocks_that_drift_are_not_local():
    box = Behavior.from_correlators([[1, 1], [1, -1]], marginals=False)
    opposite = Behavior.from_correlators([[-1, -1], [-1, 1]], marginals=False)
    parts = [trials(one, 5000, k) for k, one in enumerate((box, opposite))]
    both = BellTrials(
        *(np.concatenate([getattr(p, n) for p in parts]) for n in ("settings", "outcomes")), design="blocks"
    )
    assert analyze(both, QUICK, seed=1).verdict is not Verdict.LOCAL


@pytest.mark.parametrize("change", [{"log10_order_p": -0.7}, {"log10_p_value": -0.7}, {"contradiction": "nothing"}])
def test_the_order_of_the_settings_is_tested_again(reports, change):
    report = reports["trials"]
    settings = CountsEvidence.of(report.evidence).settings
    assert settings.log10_order_p is not None
    assert not swapped(report, "SettingsTest", **change).verify()


# The settings that came


WEAK = np.array([[0.8 / 3, 0.8 / 3], [0.8 / 3, 0.2]])
# Local, S = 2, and losing at settings (1, 1) alone.
LOSES = Behavior.from_correlators([[0.98, 0.98], [0.98, 0.94]], marginals=False)


@pytest.mark.parametrize("test", ["combined", "e-value"])
def test_wrong_setting_probabilities_make_no_local_table_nonlocal(test):
    refused = 0
    for seed in range(20):
        counts = random_table(LOSES, 1000, seed, WEAK)
        try:
            report = analyze(counts, CountsOptions(test=test, num_replicates=0), seed=seed)
        except ValueError:
            refused += 1
            continue
        assert report.verdict is not Verdict.NONLOCAL
        assert report.admits_local_model is not False
        assert any("with whatever probabilities they were drawn" in line for line in report.assumptions)
    assert refused < 5


def test_a_game_won_by_the_settings_that_came_is_not_nonlocal():
    # The declared game has p = 0.0003; the settings, at p = 0.0035, were not refused.
    report = analyze(random_table(LOSES, 1000, 0, WEAK), CountsOptions(test="game", num_replicates=0), seed=1)
    assert report.p_value < 0.001
    assert report.verdict is Verdict.INCONCLUSIVE
    assert report.admits_local_model is not False
    assert "did not come as declared" in report.advice
    assert any("did not quite come as declared" in line for line in report.warnings)
    assert report.verify()
    assert not dataclasses.replace(report, verdict=Verdict.NONLOCAL, advice="").verify()
    # Neither a larger predictability up to which it stands, nor a smaller one that explains the settings, passes.
    standing = CountsEvidence.of(report.evidence).standing
    larger = swapped(report, "StandingTest", predictability=0.2)
    assert not larger.verify()
    result = dataclasses.replace(standing.result, predictability=0.2)
    assert not swapped(report, "StandingTest", predictability=0.2, result=result).verify()
    assert not swapped(report, "StandingTest", given_settings=None).verify()
    assert not swapped(report, "StandingTest", given_settings=report.evidence[0]).verify()
    assert not swapped(report, "SettingsTest", explaining_predictability=1e-4).verify()


def test_a_result_that_stands_beyond_the_settings_says_so():
    shots = np.array([[1120, 1000], [1000, 880]])
    counts = BellCounts(quantum(0.95).sample(shots, 1).array, "random", UNIFORM)
    for test in ("combined", "e-value"):
        report = analyze(counts, CountsOptions(test=test, num_replicates=0), seed=1)
        assert report.verdict is Verdict.NONLOCAL
        found = CountsEvidence.of(report.evidence)
        assert found.standing.predictability > found.settings.explaining_predictability > 0
        assert "if the settings were drawn as declared to within a predictability of 0.0" in report.headline
        assert report.verify()
    game = analyze(counts, CountsOptions(test="game", expression=chsh((0, 0)), num_replicates=0), seed=1)
    assert game.verify()


@pytest.mark.parametrize("kind", ["StandingTest", "SettingsTest"])
def test_settings_that_need_an_explanation_keep_it(kind):
    shots = np.array([[1120, 1000], [1000, 880]])
    counts = BellCounts(quantum(0.95).sample(shots, 1).array, "random", UNIFORM)
    report = analyze(counts, CountsOptions(test="e-value", num_replicates=0), seed=1)
    assert not without(report, kind).verify()


def test_honest_tables_lose_no_verdict():
    found = [analyze(random_table(quantum(0.95), 1000, seed), QUICK, seed=seed) for seed in range(10)]
    assert sum(report.verdict is Verdict.NONLOCAL for report in found) >= 9


# Declarations


@pytest.mark.parametrize(
    "change",
    [
        {"signaling_level": 0.001},
        {"in_signaling_list": False},
        {"in_signaling_list": True},
        {"in_nonlocal_list": True},
        {"in_nonlocal_list": True, "in_signaling_list": False, "group": (0, 1)},
        {"num_groups": 2},
        {"num_failed": 1},
        {"seed": 2},
        {"num_replicates": 7},
        {"expression": chsh((0, 0))},
        {"kappa": 2.0},
        {"predictability": 0.001},
    ],
    ids=lambda change: next(iter(change)),
)
@pytest.mark.parametrize("name", ["blocks", "table", "signaling"])
def test_edited_declarations_do_not_pass(reports, name, change):
    report = reports[name]
    assert not dataclasses.replace(report, question=dataclasses.replace(report.question, **change)).verify()


def test_post_selected_counts_stay_so(reports):
    report = reports["kept"]
    assert report.verify()
    data = dataclasses.replace(report.question.data, post_selected=False)
    assert not dataclasses.replace(report, question=dataclasses.replace(report.question, data=data)).verify()
    rule = dataclasses.replace(report.question, fair_sampling=False)
    assert not dataclasses.replace(report, question=rule).verify()


GARBAGE = ["a", None, math.nan, math.inf, -1.0, (), True, 10**400]


@pytest.mark.parametrize("value", GARBAGE, ids=repr)
def test_garbage_is_refused_or_refuted(reports, value):
    report = reports["table"]
    for field in dataclasses.fields(report.question):
        if getattr(report.question, field.name) in (value,) or (field.name, value) == ("kappa", None):
            continue
        try:
            rule = dataclasses.replace(report.question, **{field.name: value})
        except LHVError:
            continue
        forged = dataclasses.replace(report, question=rule)
        # A statement about post-selection that changes nothing is no garbage.
        assert (field.name, value) == ("fair_sampling", True) or not forged.verify(), field.name
        assert isinstance(forged.headline, str)
        assert isinstance(str(forged), str)
        assert isinstance(repr(forged), str)
        assert isinstance(forged.to_html(), str)
    for field in dataclasses.fields(report):
        if field.name in ("verdict", "evidence", "question") or getattr(report, field.name) == value:
            continue
        try:
            forged = dataclasses.replace(report, **{field.name: value})
        except LHVError:
            continue
        assert not forged.verify(), field.name
        assert isinstance(str(forged), str)
        assert isinstance(forged.headline, str)


@pytest.mark.parametrize("value", ["a", None, math.nan, -1.0, ()], ids=repr)
def test_evidence_of_garbage_is_refuted(reports, value):
    report = reports["table"]
    for piece in report.evidence:
        kind = type(piece).__name__
        for field in dataclasses.fields(piece):
            # A scenario that is not given is that of the table.
            if field.name in ("seed", "multipliers", "scenario") or getattr(piece, field.name) is value:
                continue
            try:
                forged = swapped(report, kind, **{field.name: value})
            except LHVError:
                continue
            assert not forged.verify(), (kind, field.name)
            assert isinstance(str(forged), str)


# Figures and words


@pytest.mark.parametrize("name", ["blocks", "trials", "signaling", "late", "three"])
def test_edited_words_do_not_pass(reports, name):
    report = reports[name]
    for change in (
        {"target": "counts of something else"},
        {"assumptions": report.assumptions[1:]},
        {"assumptions": (*report.assumptions, "the loophole of locality is closed")},
        {"advice": "Nothing is open."},
        {"warnings": ("all is well",)},
        {"admits_local_model": {True: None, False: True, None: True}[report.admits_local_model]},
        {"absent": report.absent | {"largest_kappa": "no need"}},
        {"absent": report.absent | {"doubt": "no need"}},
        {"inequality": None},
        {"model": None},
    ):
        if change == {"model": None} and report.model is None:
            continue
        assert not dataclasses.replace(report, **change).verify(), change


@pytest.mark.parametrize("name", ["blocks", "trials"])
def test_every_figure_is_bound(reports, name, refused):
    report = reports[name]
    for key, value in report.statistics.items():
        for other in (value + 0.1, math.nan, "a"):
            assert refused(report, statistics=report.statistics | {key: other}), key
    kept = {key: value for key, value in report.statistics.items() if key != "log10_e"}
    assert not dataclasses.replace(report, statistics=kept).verify()
    assert not dataclasses.replace(report, statistics=report.statistics | {"certainty": 1.0}).verify()


def test_fits_are_those_of_the_counts(reports):
    report, other = reports["blocks"], analyze(quantum(0.95).sample(500, 2), seed=1)
    for kind in ("LocalFit", "ModelComparison"):
        (piece,) = [one for one in other.evidence if type(one).__name__ == kind]
        evidence = tuple(piece if type(one).__name__ == kind else one for one in report.evidence)
        assert not dataclasses.replace(report, evidence=evidence).verify()
    (comparison,) = [one for one in report.evidence if type(one).__name__ == "ModelComparison"]
    for change in (
        {"total": dataclasses.replace(comparison.total, p_value=0.5)},
        {"nonlocality": dataclasses.replace(comparison.nonlocality, deviance=0.0)},
        {"num_replicates": 100},
        {"num_shots": 1},
    ):
        assert not swapped(report, "ModelComparison", **change).verify(), change


def test_pieces_that_come_twice_or_from_elsewhere_are_refuted(reports):
    report = reports["blocks"]
    assert not dataclasses.replace(report, evidence=(*report.evidence, report.evidence[0])).verify()
    assert not dataclasses.replace(report, evidence=(*report.evidence, quantum(1))).verify()
    for piece in report.evidence:
        assert not without(report, type(piece).__name__).verify(), type(piece).__name__


# Many groups


@pytest.fixture(scope="module")
def devices():
    wrong = BellCounts([[[[450, 5], [5, 450]]] * 2, [[[450, 5], [5, 450]], [[30, 0], [0, 30]]]], "random", UNIFORM)
    signaling = np.rint(2000 * quantum(0.95).array).astype(int)
    signaling[0, 1, 0, 0] += 150
    signaling[0, 1, 1, 0] -= 150
    counts = {(k, k + 1): quantum(0.95 if k % 2 else 0.6).sample(300, k) for k in range(5)}
    return analyze(counts | {(7, 8): BellCounts(signaling), (8, 9): wrong}, alpha=0.05, seed=1)


def test_honest_maps_pass(devices, tmp_path):
    assert set(devices.verdicts) == {Verdict.NONLOCAL, Verdict.INCONCLUSIVE, Verdict.SIGNALING}
    assert len(devices.failures) == 1
    assert devices.verify()
    devices.save(tmp_path / "devices.json")
    assert DeviceReport.load(tmp_path / "devices.json").verify()


def rows(devices, keep):
    chosen = [i for i in range(len(devices.groups)) if keep(i)]
    return {name: tuple(getattr(devices, name)[i] for i in chosen) for name in ("groups", "reports", "rejected")}


def test_edited_maps_do_not_pass(devices):
    groups, reports = devices.groups, devices.reports
    for change in (
        {"alpha": 0.04},
        {"alpha": 0.06},
        {"groups": (groups[1], groups[0], *groups[2:])},
        {"groups": ((30, 31), *groups[1:])},
        {"reports": (reports[2], *reports[1:])},
        rows(devices, lambda i: i != 0),
        rows(devices, lambda i: i != 0) | {"failures": (*devices.failures, (groups[0], "it failed"))},
        {"failures": ()},
        {"failures": (*devices.failures, ((20, 21), "it failed"))},
    ):
        assert not dataclasses.replace(devices, **change).verify(), change


@pytest.mark.parametrize("name", ["S", "S_error", "no_signaling_p", "largest_shift"])
def test_edited_rows_do_not_pass(devices, name):
    first = devices.reports[0]
    edited = dataclasses.replace(first, statistics=first.statistics | {name: first.statistics[name] + 0.01})
    assert not dataclasses.replace(devices, reports=(edited, *devices.reports[1:])).verify()


def test_lists_are_bound(devices):
    signaling = devices.groups.index((7, 8))
    for i, change in ((signaling, {"in_signaling_list": False}), (1, {"in_nonlocal_list": False})):
        report = devices.reports[i]
        rule = dataclasses.replace(report.question, **change)
        verdict = rule.verdict(CountsEvidence.of(report.evidence))
        assert verdict is Verdict.INCONCLUSIVE
        edited = dataclasses.replace(report, question=rule, verdict=verdict)
        assert not edited.verify()
        reports = (*devices.reports[:i], edited, *devices.reports[i + 1 :])
        assert not dataclasses.replace(devices, reports=reports).verify()


def test_json_of_trials_holds_them(reports, tmp_path):
    path = tmp_path / "report.json"
    path.write_text(reports["trials"].to_json())
    assert json.loads(path.read_text())["summary"]["verdict"] == "NONLOCAL"
    assert LocalityReport.load(path).question.data == reports["trials"].question.data
