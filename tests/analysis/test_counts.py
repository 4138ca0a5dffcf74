"""Verdicts on counts that must not overstate, must not fail, and must be derived anew from their evidence."""

import dataclasses
import json
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from qiskit_lhv import (
    Behavior,
    BellCounts,
    BellScenario,
    BellTrials,
    CountsOptions,
    DeviceReport,
    LHVError,
    LocalityReport,
    Verdict,
    analyze,
    chsh,
    load_bundled_counts,
    werner_state,
)
from qiskit_lhv.analysis import CountsQuestion
from qiskit_lhv.cli.commands import main
from qiskit_lhv.exceptions import CountsError
from qiskit_lhv.polytope import mermin
from qiskit_lhv.statistics import GameTest, SignalingTest

from helpers import magic_square

# Without the figures that take long.
QUICK = CountsOptions(num_replicates=0)
UNIFORM = np.full((2, 2), 0.25)
# The bits of settings (0, 1) and (1, 0) are swapped.
SWAPPED = [
    [[[2728, 487], [113, 672]], [[2783, 95], [491, 631]]],
    [[[1966, 912], [2, 1120]], [[924, 1097], [1972, 7]]],
]
# S = 2.81 with the minus sign at (1, 1).
MINUS_AT_11 = {
    (0, 0): {"00": 424, "01": 73, "10": 76, "11": 427},
    (0, 1): {"00": 428, "01": 75, "10": 71, "11": 426},
    (1, 0): {"00": 421, "01": 74, "10": 75, "11": 430},
    (1, 1): {"00": 77, "01": 425, "10": 424, "11": 74},
}
# One cell for each of (0, 0), (0, 1), (1, 0), (1, 1).
WINS = [[450, 5], [5, 450]]


def call(counts, alpha=0.01, time_limit=None, progress=None, seed=None, declared=None, **options):
    """The report, with all options given as keywords."""
    declared = CountsOptions(**options) if declared is None else declared
    return analyze(counts, declared, alpha=alpha, time_limit=time_limit, progress=progress, seed=seed)


def table(*cells):
    """A CHSH table from four tables of two outcomes each."""
    return np.array(cells).reshape(2, 2, 2, 2)


def influenced(share, flips):
    """Both outcomes are 0; with this share b = x y; then both are flipped together with probability ``flips``."""
    p = np.zeros((2, 2, 2, 2))
    for x, y in np.ndindex(2, 2):
        for weight, b in ((1 - share, 0), (share, x & y)):
            p[x, y, 0, b] += weight * (1 - flips)
            p[x, y, 1, 1 - b] += weight * flips
    return Behavior(p)


def trials_of(behavior, settings, seed):
    rng = np.random.default_rng(seed)
    cells = behavior.array[tuple(settings.T)].reshape(len(settings), -1)
    drawn = (rng.random(len(settings))[:, None] > cells.cumsum(axis=1)).sum(axis=1)
    return np.array(np.unravel_index(drawn, behavior.scenario.max_outcomes)).T


# The declared design


def test_trials_in_block_order_are_not_taken_for_random_ones():
    local = Behavior.from_correlators([[0.485, 0.485], [0.485, -0.485]], marginals=False)
    settings = np.repeat([(0, 0), (0, 1), (1, 0), (1, 1)], 1000, axis=0)
    outcomes = trials_of(local, settings, 1)
    with pytest.raises(CountsError, match="design"):
        BellTrials(settings, outcomes)
    with pytest.raises(CountsError, match=r"previous|order|setting"):
        analyze(BellTrials(settings, outcomes, design="random"), seed=1)
    report = analyze(BellTrials(settings, outcomes, design="blocks"), seed=1)
    assert report.verdict is not Verdict.NONLOCAL


@pytest.mark.parametrize("test", ["e-value", "game", "combined"])
def test_tables_whose_settings_contradict_the_design_are_refused(test):
    counts = BellCounts(table(WINS, WINS, WINS, [[30, 0], [0, 30]]), "random", UNIFORM)
    with pytest.raises(CountsError, match=r"\(1, 1\)"):
        analyze(counts, CountsOptions(test=test), seed=1)
    # Declared as blocks there is nothing to contradict, and nothing nonlocal.
    report = analyze(BellCounts(counts.array), CountsOptions(test=test), seed=1)
    assert report.verdict is not Verdict.NONLOCAL


def test_local_frequencies_of_a_table_are_never_nonlocal():
    # Too few shots of the setting that always loses: not enough to refuse the design, enough to win the game.
    cell = [[1267, 14], [14, 1266]]
    counts = BellCounts(table(cell, cell, cell, [[1190, 0], [0, 1190]]), "random", UNIFORM)
    report = analyze(counts, CountsOptions(test="game", num_replicates=0), alpha=0.3, seed=1)
    assert report.p_value <= 0.3
    assert report.statistics["S"] < 2
    assert report.verdict is Verdict.INCONCLUSIVE
    assert "how often each setting came" in report.advice
    assert report.verify()


def test_a_weak_mismatch_of_settings_is_reported_with_what_would_explain_it():
    behavior = Behavior.from_state(werner_state(0.95), "chsh")
    shots = np.array([[1120, 1000], [1000, 880]])
    counts = BellCounts(behavior.sample(shots, 1).array, "random", UNIFORM)
    report = analyze(counts, CountsOptions(test="e-value", num_replicates=0), seed=1)
    assert report.verdict is Verdict.NONLOCAL
    (line,) = [line for line in report.warnings if "did not quite come as declared" in line]
    assert "predictability" in line
    stands = report.statistics["largest_predictability"]
    assert 0 < stands < 0.25
    again = analyze(counts, CountsOptions(test="e-value", predictability=0.9 * stands, num_replicates=0), seed=1)
    assert again.verdict is Verdict.NONLOCAL


# Kappa


def test_a_declared_kappa_is_applied_where_no_signaling_is_seen():
    nonlocal_by_default = 0
    for seed in range(10):
        counts = influenced(0.06, 0.15).sample(600, seed)
        assert analyze(counts, CountsOptions(kappa=5, num_replicates=0), seed=seed).verdict is not Verdict.NONLOCAL
        report = analyze(counts, QUICK, seed=seed)
        if report.verdict is Verdict.NONLOCAL:
            nonlocal_by_default += 1
            assert "if nothing passes between the parties" in report.headline
            assert report.largest_kappa < 5
            assert f"up to {report.largest_kappa:.2g} times" in report.headline
    # Without a declaration this is what the counts say, and the headline says on what it stands.
    assert nonlocal_by_default >= 5


def test_the_headline_is_shown_everywhere(tmp_path, capsys):
    counts = influenced(0.06, 0.15).sample(600, 3)
    report = analyze(counts, seed=1)
    assert report.verdict is Verdict.NONLOCAL
    words = "if nothing passes between the parties; the counts exclude hidden influences up to"
    assert words in str(report).splitlines()[0]
    assert words in report.to_html()
    assert words in json.loads(report.to_json())["summary"]["sentence"]
    path = tmp_path / "counts.json"
    path.write_text(json.dumps({"table": counts.array.tolist()}))
    main(["analyze", str(path), "--seed", "1"])
    assert words in capsys.readouterr().out.splitlines()[0]
    devices = analyze({(0, 1): counts}, seed=1)
    assert "if nothing passes between the parties" in devices.table()
    assert f"{devices.reports[0].largest_kappa:.2g}" in devices.table()


def test_strong_violations_stand_up_to_a_declared_kappa():
    counts = load_bundled_counts("ibm_hanoi19_20circuit13").counts
    report = analyze(counts, CountsOptions(kappa=3, num_replicates=0), seed=1)
    assert report.verdict is Verdict.NONLOCAL
    assert "not even with hidden influences up to 3 times" in report.headline
    assert report.largest_kappa > 3
    assert analyze(counts, CountsOptions(kappa=50, num_replicates=0), seed=1).verdict is Verdict.INCONCLUSIVE


# Signaling


@pytest.mark.parametrize("alpha", [0.05, 0.01, 0.001, 1e-5])
def test_a_stricter_alpha_does_not_hide_signaling(alpha):
    agreeing = [[400, 100], [100, 400]]
    counts = BellCounts(table(agreeing, agreeing, agreeing, [[136, 364], [436, 64]]))
    report = analyze(counts, QUICK, alpha=alpha, seed=1)
    assert report.verdict is Verdict.SIGNALING


def test_the_signaling_level_is_an_argument():
    agreeing = [[400, 100], [100, 400]]
    counts = BellCounts(table(agreeing, agreeing, agreeing, [[136, 364], [436, 64]]))
    p = analyze(counts, QUICK, seed=1).statistics["no_signaling_p"]
    assert analyze(counts, CountsOptions(signaling_level=p / 2, num_replicates=0), seed=1).verdict is Verdict.NONLOCAL


def test_swapped_bits_are_told():
    counts = BellCounts(np.array(SWAPPED))
    report = analyze(counts, QUICK, seed=1)
    assert report.verdict is Verdict.SIGNALING
    assert any("exchange" in line or "swap" in line for line in report.warnings)


# Drift


def test_trials_that_drift_are_not_local():
    box = Behavior.from_correlators([[1, 1], [1, -1]], marginals=False)
    opposite = Behavior.from_correlators([[-1, -1], [-1, 1]], marginals=False)
    for seed in range(5):
        settings = np.random.default_rng(seed).integers(2, size=(1000, 2))
        outcomes = np.concatenate([trials_of(box, settings[:500], seed), trials_of(opposite, settings[500:], seed)])
        report = analyze(BellTrials(settings, outcomes, design="random"), QUICK, seed=seed)
        assert report.verdict is not Verdict.LOCAL
        assert any("change in time" in line for line in report.warnings)


def test_local_names_identical_shots_among_its_assumptions():
    counts = Behavior.from_state(werner_state(0.4), "chsh").sample(5000, 1)
    report = analyze(counts, QUICK, seed=1)
    assert report.verdict is Verdict.LOCAL
    assert any("neither drifts nor remembers" in line for line in report.assumptions)


# Many groups


def test_one_group_that_fails_does_not_lose_the_others():
    good = Behavior.from_state(werner_state(0.95), "chsh").sample(500, 1)
    wrong = BellCounts(table(WINS, WINS, WINS, [[30, 0], [0, 30]]), "random", UNIFORM)
    lossy = Behavior.from_state(werner_state(1), "chsh").with_efficiency(0.95)
    kept = BellCounts(lossy.sample(2000, 1).array, lost_outcomes=(2, 2)).post_select()
    report = analyze({(0, 1): good, (2, 3): wrong, (4, 5): kept, (6, 7): good}, seed=1)
    assert report.groups == ((0, 1), (6, 7))
    assert report.nonlocal_groups == ((0, 1), (6, 7))
    assert [group for group, _ in report.failures] == [(2, 3), (4, 5)]
    lines = report.table().splitlines()
    assert any(line.startswith("2-3") and "failed" in line for line in lines)
    assert any("fair_sampling=True" in line for line in lines)
    with pytest.raises(CountsError, match="could not be analyzed"):
        report[2, 3]
    assert report.verify()


def test_a_group_is_nonlocal_only_if_it_is_listed():
    weak = Behavior.from_state(werner_state(0.8), "chsh")
    counts = {(k, k + 1): weak.sample(400, k) for k in range(40)}
    report = analyze(counts, alpha=0.05, seed=1)
    for group, verdict in zip(report.groups, report.verdicts, strict=True):
        assert report[group].verdict is verdict
        assert (verdict is Verdict.NONLOCAL) == (group in report.nonlocal_groups)
        alone = f"{'-'.join(map(str, group))}  "
        line = next(line for line in report.table().splitlines() if line.startswith(alone))
        assert line.split()[1] == str(verdict)


def test_clean_groups_are_rarely_listed_as_signaling():
    clean = Behavior.from_state(werner_state(0.9), "chsh")
    counts = {(k, k + 1): clean.sample(500, k) for k in range(60)}
    report = analyze(counts, CountsOptions(signaling_level=0.05), alpha=0.05, seed=1)
    assert report.signaling_groups == ()
    assert Verdict.SIGNALING not in report.verdicts


# Reports are derived anew


@pytest.fixture(scope="module")
def report():
    return analyze(Behavior.from_state(werner_state(0.95), "chsh").sample(500, 1), QUICK, seed=1)


@pytest.mark.parametrize("verdict", [Verdict.LOCAL, Verdict.SIGNALING, Verdict.INCONCLUSIVE])
def test_an_edited_verdict_does_not_pass(report, verdict):
    assert report.verdict is Verdict.NONLOCAL
    assert report.verify()
    assert not dataclasses.replace(report, verdict=verdict).verify()


def test_a_report_without_evidence_does_not_pass(report):
    assert not dataclasses.replace(report, evidence=()).verify()
    assert not dataclasses.replace(report, evidence=(), question=None).verify()


@pytest.mark.parametrize(
    "change",
    [
        {"alpha": 0.05},
        {"test": "game"},
        {"log10_p_value": -50.0},
        {"largest_kappa": 100.0},
    ],
    ids=lambda change: next(iter(change)),
)
def test_edited_figures_of_the_verdict_do_not_pass(report, change):
    assert not dataclasses.replace(report, **change).verify()


@pytest.mark.parametrize(
    "change",
    [{"alpha": 1e-20}, {"test": "game"}, {"kappa": 50.0}, {"predictability": 0.1}, {"in_nonlocal_list": False}],
    ids=lambda change: next(iter(change)),
)
def test_an_edited_rule_does_not_pass(report, change):
    rule = dataclasses.replace(report.question, **change)
    edited = dataclasses.replace(report, question=rule, alpha=rule.alpha, test=rule.test)
    assert not edited.verify()


def test_evidence_of_other_counts_does_not_pass(report):
    other = analyze(Behavior.from_state(werner_state(0.95), "chsh").sample(500, 2), QUICK, seed=1)
    mixed = dataclasses.replace(report, question=other.question)
    assert not mixed.verify()


@pytest.mark.parametrize("suffix", ["json", "npz"])
def test_reports_on_counts_survive_files(report, tmp_path, suffix):
    path = tmp_path / f"report.{suffix}"
    report.save(path)
    loaded = LocalityReport.load(path)
    assert loaded == report
    assert loaded.headline == report.headline
    assert loaded.verify()


# Nothing fails


CRASHED = {
    "singular": table([[972, 0], [0, 28]], [[981, 0], [0, 19]], [[972, 0], [0, 28]], [[976, 6], [0, 18]]),
    "near 00": table([[998, 1], [1, 0]], [[999, 0], [1, 0]], [[997, 2], [1, 0]], [[1000, 0], [0, 0]]),
    "one outcome": table([[7, 0], [0, 0]], [[7, 0], [0, 0]], [[7, 0], [0, 0]], [[7, 0], [0, 0]]),
    "one shot": table([[1, 0], [0, 0]], [[0, 1], [0, 0]], [[0, 0], [1, 0]], [[0, 0], [0, 1]]),
    "unequal": table([[10**7, 0], [0, 3]], [[1, 0], [0, 0]], [[1, 0], [0, 5]], [[0, 10**5], [10**5, 0]]),
}


@pytest.mark.parametrize("name", CRASHED)
def test_ordinary_tables_get_an_answer(name):
    report = analyze(BellCounts(CRASHED[name]), seed=1)
    assert report.verdict in Verdict
    assert report.verify()


def test_deterministic_strategies_of_a_larger_table_get_an_answer():
    rng = np.random.default_rng(3)
    counts = np.zeros((4, 4, 2, 2), dtype=int)
    for _ in range(3):
        a, b = rng.integers(2, size=(2, 4))
        for x, y in np.ndindex(4, 4):
            counts[x, y, a[x], b[y]] += int(rng.integers(50, 500))
    report = analyze(BellCounts(counts), seed=1)
    assert report.verdict is not Verdict.NONLOCAL
    assert report.verify()


def test_the_magic_square_gets_an_answer():
    report = analyze(magic_square().sample(300, 1), seed=1)
    assert report.verdict is Verdict.NONLOCAL
    assert report.log10_p_value < -20


def test_a_figure_that_cannot_be_had_is_absent(monkeypatch):
    from qiskit_lhv.analysis import counts as module
    from qiskit_lhv.exceptions import SolverError

    def fails(*args, **kwargs):
        raise SolverError("no convergence")

    counts = Behavior.from_state(werner_state(0.95), "chsh").sample(500, 1)
    before = analyze(counts, seed=1)
    for name in ("fit_local_model", "compare_models", "signaling_allowance", "project_to_no_signaling"):
        monkeypatch.setattr(module, name, fails)
    report = analyze(counts, seed=1)
    assert report.log10_p_value == before.log10_p_value
    assert report.verdict is Verdict.NONLOCAL
    assert report.absent["kl"] == "no convergence"
    assert report.absent["largest_kappa"] == "no convergence"
    assert "absent: no convergence" in report.details()
    assert report.largest_kappa is None
    assert report.verify()


def test_a_time_limit_leaves_out_figures_but_not_the_test():
    counts = Behavior.from_state(werner_state(0.95), "chsh").sample(500, 1)
    report = analyze(counts, time_limit=1e-6, seed=1)
    assert report.verdict is Verdict.NONLOCAL
    assert report.log10_p_value == analyze(counts, seed=1).log10_p_value
    assert report.absent["kl"] == "the time limit was over"
    with pytest.raises(Exception, match="time_limit"):
        analyze(counts, time_limit=0)


@pytest.mark.parametrize("shots", [10**12, 10**14])
def test_too_many_shots_are_refused_before_work(shots):
    with pytest.raises(CountsError, match="combine_e_values"):
        analyze(BellCounts(np.full((2, 2, 2, 2), shots // 4)), seed=1)


# The default test


def test_default_tests():
    counts = load_bundled_counts("delft_2015").counts
    assert analyze(counts, QUICK, seed=1).test == "combined"
    three = Behavior.white_noise(BellScenario((3, 3), (2, 2))).sample(100, 1)
    assert analyze(three, QUICK, seed=1).test == "e-value"
    with pytest.raises(CountsError, match="combined"):
        analyze(three, CountsOptions(test="combined"))
    settings = np.random.default_rng(1).integers(2, size=(400, 2))
    outcomes = trials_of(Behavior.from_state(werner_state(0.5), "chsh"), settings, 1)
    trials = BellTrials(settings, outcomes, design="random")
    assert analyze(trials, QUICK, seed=1).test == "e-value"
    with pytest.raises(CountsError, match="combined"):
        analyze(trials, CountsOptions(test="combined"))
    assert all(one.test == "e-value" for one in analyze({(0, 1): counts}, seed=1).reports)


def test_combined_test_is_the_weighted_minimum_of_its_parts():
    counts = Behavior.from_state(werner_state(0.85), "chsh").sample(100, 3)
    report = analyze(counts, QUICK, seed=3)
    e_value = -report.statistics["log10_e"]
    forms = [sign * chsh((x, y)).coefficients for x in (0, 1) for y in (0, 1) for sign in (1, -1)]
    from qiskit_lhv import BellExpression
    from qiskit_lhv.statistics import game_test

    games = [game_test(counts, BellExpression(form)).log10_p_value for form in forms]
    expected = min(0.0, np.log10(10) + e_value, np.log10(80 / 9) + min(games))
    assert report.log10_p_value == pytest.approx(expected, abs=1e-9)


def test_seeds_are_recorded_and_rarely_matter():
    counts = Behavior.from_state(werner_state(0.8), "chsh").sample(500, 4)
    reports = [analyze(counts, CountsOptions(test="e-value", num_replicates=0)) for _ in range(8)]
    seeds = {report.statistics["seed"] for report in reports}
    assert len(seeds) == 8
    spread = np.ptp([report.log10_p_value for report in reports])
    # A single order spreads by about one decade.
    assert spread < 0.6


# Advice


def test_a_game_that_cannot_be_won_is_told_so():
    counts = BellCounts.from_counts(MINUS_AT_11)
    report = analyze(counts, CountsOptions(test="game", expression=chsh((0, 0))), seed=1)
    assert report.verdict is Verdict.INCONCLUSIVE
    assert "No number of shots helps" in report.advice
    assert "(1, 1)" in report.advice
    assert "2.81" in report.advice
    assert "new run" in report.advice
    assert analyze(counts, CountsOptions(test="game"), seed=1).verdict is Verdict.NONLOCAL


def test_advice_of_a_game_counts_its_own_shots():
    counts = Behavior.from_correlators([[0.6, 0.6], [0.6, -0.6]], marginals=False).sample(40, 2)
    report = analyze(counts, CountsOptions(test="game"), seed=1)
    assert report.verdict is Verdict.INCONCLUSIVE
    assert "in a new run would reach alpha" in report.advice


def test_values_above_the_quantum_bound_get_a_warning():
    counts = Behavior.from_correlators([[0.9, 0.9], [0.9, -0.9]], marginals=False).sample(1000, 1)
    assert any("quantum bound" in line for line in analyze(counts, seed=1).warnings)
    fine = Behavior.from_state(werner_state(0.95), "chsh").sample(1000, 1)
    assert not any("quantum bound" in line for line in analyze(fine, seed=1).warnings)


def test_threads_do_not_disturb_each_other():
    counts = [Behavior.from_state(werner_state(0.9), "chsh").sample(200, seed) for seed in range(4)]
    alone = [analyze(one, QUICK, seed=1).log10_p_value for one in counts]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda one: analyze(one, QUICK, seed=1).log10_p_value, counts))
    assert together == alone


def test_rules_and_groups_are_records(tmp_path, report):
    devices = analyze({(0, 1): report.question.counts}, seed=1)
    devices.save(tmp_path / "devices.npz")
    assert DeviceReport.load(tmp_path / "devices.npz") == devices
    report.question.save(tmp_path / "question.json")
    assert CountsQuestion.load(tmp_path / "question.json") == report.question
    assert any(isinstance(piece, GameTest) for piece in report.evidence)
    assert mermin(3).scenario.num_parties == 3


# Bad arguments


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("expression", "x"),
        ("alpha", 10**400),
        ("kappa", 10**400),
        ("kappa", 0.5),
        ("signaling_level", 0),
        ("num_replicates", {}),
        ("num_replicates", 10**12),
        ("time_limit", 10**400),
        ("progress", np.array([1, 2])),
        ("test", np.array([1, 2])),
        ("test", "binomial"),
        ("predictability", 10**400),
        ("seed", -1),
    ],
)
def test_arguments_of_the_wrong_kind_get_clear_errors(name, value):
    counts = load_bundled_counts("delft_2015").counts
    with pytest.raises(LHVError, match=rf"^{name}: expected"):
        call(counts, **{name: value})


def test_a_map_of_which_every_group_fails():
    wrong = BellCounts(table(WINS, WINS, WINS, [[30, 0], [0, 30]]), "random", UNIFORM)
    report = analyze({(0, 1): wrong, (2, 3): wrong}, seed=1)
    assert len(report.failures) == 2
    assert report.nonlocal_groups == report.signaling_groups == ()
    assert report.verify()
    assert "2 failed" in str(report)
    with pytest.raises(CountsError, match="at least one group"):
        report.plot()


@pytest.mark.parametrize("name", ["shots", "log10_e", "no_signaling_p", "game_log10_p"])
def test_edited_statistics_do_not_pass(report, name):
    statistics = report.statistics | {name: report.statistics[name] + 1}
    assert not dataclasses.replace(report, statistics=statistics).verify()


@pytest.mark.parametrize("field", ["p_value", "comparison_p_value", "spread_p_value", "deviance", "comparisons"])
@pytest.mark.parametrize("value", [None, "abc", float("nan"), -1.0, True, ()])
def test_edited_tests_of_signaling_do_not_pass(report, field, value):
    (i,) = (i for i, piece in enumerate(report.evidence) if isinstance(piece, SignalingTest))
    try:
        edited = dataclasses.replace(report.evidence[i], **{field: value})
    except LHVError:
        return
    evidence = (*report.evidence[:i], edited, *report.evidence[i + 1 :])
    assert not dataclasses.replace(report, evidence=evidence).verify()


def test_forged_rules_do_not_turn_a_weak_result_into_a_strong_one():
    weak = analyze(Behavior.from_state(werner_state(0.6), "chsh").sample(200, 1), QUICK, seed=1)
    assert weak.verdict is not Verdict.NONLOCAL
    kept = tuple(piece for piece in weak.evidence if type(piece).__name__ != "LocalRegion")
    for change in ({"alpha": 2.0}, {"in_nonlocal_list": True}):
        rule = dataclasses.replace(weak.question, **change)
        forged = dataclasses.replace(weak, question=rule, alpha=rule.alpha, evidence=kept, verdict=Verdict.NONLOCAL)
        assert not forged.verify()


def test_an_allowance_of_another_kappa_or_level_does_not_serve(report):
    from qiskit_lhv.statistics import signaling_allowance

    rule = dataclasses.replace(report.question, kappa=3.0)
    for kappa, alpha in ((1.0, 0.01), (3.0, 0.999)):
        other = signaling_allowance(report.question.counts, kappa=kappa, alpha=alpha, seed=1)
        evidence = tuple(other if type(piece) is type(other) else piece for piece in report.evidence)
        statistics = report.statistics | {
            "largest_kappa": other.largest_kappa,
            "hidden_signaling": other.hidden_needed,
            "visible_signaling": other.visible,
        }
        forged = dataclasses.replace(
            report, question=rule, evidence=evidence, statistics=statistics, largest_kappa=other.largest_kappa
        )
        assert not forged.verify()


def test_counts_whose_order_is_not_known_cannot_pass_for_trials():
    cell = [[1267, 14], [14, 1266]]
    counts = BellCounts(table(cell, cell, cell, [[1190, 0], [0, 1190]]), "random", UNIFORM)
    local = analyze(counts, CountsOptions(test="game", num_replicates=0), alpha=0.3, seed=1)
    # Any order has the same counts.
    cells = np.repeat(np.argwhere(counts.array >= 0), counts.array.ravel(), axis=0)
    trials = BellTrials(cells[:, :2], cells[:, 2:], design="random")
    rule = dataclasses.replace(local.question, data=trials)
    assert not dataclasses.replace(local, question=rule, verdict=Verdict.NONLOCAL).verify()
