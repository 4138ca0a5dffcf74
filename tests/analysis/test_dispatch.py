import dataclasses
import json
from fractions import Fraction

import numpy as np
import pytest
from qiskit import QuantumCircuit
from qiskit_lhv import (
    Behavior,
    BellCounts,
    BellExperiment,
    BellScenario,
    BellTrials,
    CountsOptions,
    DeviceReport,
    LHVError,
    LocalityReport,
    Verdict,
    analyze,
    chsh,
    ghz_state,
    load_bundled_counts,
    werner_state,
)
from qiskit_lhv.exceptions import CountsError, ScenarioError
from qiskit_lhv.models.deterministic import enumerate_strategies, strategy_tables

from helpers import PLANE, crosstalk, draw_trials, readout

# Without the figures that take long.
QUICK = CountsOptions(num_replicates=0)
BLOCKS = {"equal": np.full((2, 2), 1000), "unequal": np.array([[1300, 900], [900, 900]])}


def call(counts, alpha=0.01, time_limit=None, progress=None, seed=None, declared=None, **options):
    """The report, with all options given as keywords."""
    declared = CountsOptions(**options) if declared is None else declared
    return analyze(counts, declared, alpha=alpha, time_limit=time_limit, progress=progress, seed=seed)


def facet_models():
    """Local behaviors on the facet CHSH = 2: its center, and mixtures near its corners."""
    scenario = chsh().scenario
    tables = strategy_tables(enumerate_strategies(scenario), scenario)
    best = tables[tables @ chsh().coefficients.ravel() == 2]
    weights = {"center": np.ones(8) / 8, "edge": np.eye(8)[0] * 0.6 + np.eye(8)[3] * 0.4}
    return {name: Behavior((w @ best).reshape(scenario.shape)) for name, w in weights.items()}


# Published counts


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(
    ("name", "verdict", "s"),
    [
        ("ibm_hanoi19_20circuit13", Verdict.NONLOCAL, 2.7682),
        ("ibm_mumbai23_24circuit13", Verdict.NONLOCAL, 2.4496),
        ("ibm_washington91_98circuit4", Verdict.SIGNALING, 0.9656),
        ("delft_2015", Verdict.INCONCLUSIVE, 2.4225),
    ],
)
def test_published_counts(name, verdict, s, seed):
    report = analyze(load_bundled_counts(name).counts, seed=seed)
    assert report.verdict is verdict
    assert report.statistics["S"] == pytest.approx(s, abs=5e-5)
    check = report.verify()
    assert check, check.reason


@pytest.mark.parametrize("alpha", [0.001, 0.01, 0.05, 0.3])
@pytest.mark.parametrize("test", ["e-value", "game"])
def test_washington_38_39_is_never_nonlocal(alpha, test):
    counts = load_bundled_counts("ibm_washington38_39circuit13").counts
    for minus in [(0, 0), (0, 1), (1, 0), (1, 1)]:
        report = analyze(
            counts, CountsOptions(test=test, expression=chsh(minus), num_replicates=0), alpha=alpha, seed=1
        )
        assert report.verdict is not Verdict.NONLOCAL
        assert report.p_value == 1


def test_delft_with_the_binomial_declared():
    report = analyze(load_bundled_counts("delft_2015").counts, CountsOptions(test="game"), alpha=0.05)
    assert report.verdict is Verdict.NONLOCAL
    assert report.p_value == pytest.approx(0.039078, abs=5e-7)
    assert report.admits_local_model is False
    assert (
        analyze(load_bundled_counts("delft_2015").counts, CountsOptions(test="game"), alpha=0.01).verdict
        is Verdict.INCONCLUSIVE
    )


# What decides


def test_only_the_declared_p_value_decides():
    # Hanoi's minus sign is at settings (0, 0): the standard game sees nothing, the e-value does.
    counts = load_bundled_counts("ibm_hanoi19_20circuit13").counts
    assert analyze(counts, CountsOptions(test="game"), seed=1).verdict is not Verdict.NONLOCAL
    assert analyze(counts, CountsOptions(test="game", expression=chsh((0, 0))), seed=1).verdict is Verdict.NONLOCAL
    assert analyze(counts, seed=1).verdict is Verdict.NONLOCAL
    report = analyze(counts, CountsOptions(test="e-value"), seed=1)
    assert report.test == "e-value"
    assert report.log10_p_value == pytest.approx(-report.statistics["log10_e"])
    assert report.statistics["game_log10_p"] == 0


@pytest.mark.parametrize("blocks", BLOCKS)
@pytest.mark.parametrize("model", facet_models())
def test_false_alarms_are_rare(model, blocks):
    behavior, runs, alpha = facet_models()[model], 30, 0.05
    alarms = {"e-value": 0, "game": 0}
    for seed in range(runs):
        counts = behavior.sample(BLOCKS[blocks], seed)
        report = analyze(counts, CountsOptions(test="game", num_replicates=0), alpha=alpha, seed=seed)
        alarms["game"] += report.verdict is Verdict.NONLOCAL
        # The same e-value would decide if it were declared; without it there is no NONLOCAL.
        alarms["e-value"] += report.statistics["log10_e"] >= -np.log10(alpha)
    for count in alarms.values():
        assert count <= alpha * runs + 3 * np.sqrt(alpha * (1 - alpha) * runs)


def test_the_declared_test_decides_by_what_both_reports_show():
    counts = Behavior.from_state(werner_state(0.9), "chsh").sample(300, 1)
    declared, shown = (
        analyze(counts, CountsOptions(test=test, num_replicates=0), seed=1) for test in ("e-value", "game")
    )
    assert declared.statistics == shown.statistics
    assert declared.log10_p_value == pytest.approx(-declared.statistics["log10_e"])
    assert shown.log10_p_value == shown.statistics["game_log10_p"]
    assert (declared.verdict, shown.verdict) == (Verdict.NONLOCAL, Verdict.INCONCLUSIVE)


@pytest.mark.parametrize("test", ["e-value", "game"])
def test_clear_violation_is_found(test):
    behavior = Behavior.from_state(werner_state(0.95), "chsh")
    # The singlet has all correlators of opposite sign: the game is won where they agree with -chsh().
    expression = chsh() if test == "e-value" else dataclasses.replace(chsh(), coefficients=-chsh().coefficients)
    found = [
        analyze(
            behavior.sample(2000, seed), CountsOptions(test=test, expression=expression, num_replicates=0), seed=seed
        ).verdict
        for seed in range(10)
    ]
    assert found == [Verdict.NONLOCAL] * 10


def test_local_verdict_needs_a_confidence_region_inside_the_local_set():
    for visibility, verdict in ((0.5, Verdict.LOCAL), (0.7, Verdict.INCONCLUSIVE)):
        report = analyze(Behavior.from_state(werner_state(visibility), "chsh").sample(5000, 1), seed=1)
        assert report.verdict is verdict
        assert report.admits_local_model is True
        assert report.verify()
        assert bool(report.advice) is (verdict is Verdict.INCONCLUSIVE)


def test_local_verdict_is_rarely_wrong():
    behavior = Behavior.from_state(werner_state(0.72), "chsh")
    found = [analyze(behavior.sample(3000, seed), QUICK, seed=seed).verdict for seed in range(50)]
    assert Verdict.LOCAL not in found


def test_other_scenarios():
    behavior = Behavior.from_state(werner_state(1), [PLANE, PLANE])
    report = analyze(behavior.sample(3000, 1), seed=1)
    assert report.verdict is Verdict.NONLOCAL
    assert "S" not in report.statistics
    report = analyze(behavior.mix(visibility=0.4).sample(10_000, 1), seed=1)
    assert report.verdict is Verdict.LOCAL
    assert report.verify()


def test_more_outcomes():
    counts = BellCounts(np.random.default_rng(0).integers(50, 60, size=(2, 2, 3, 2)))
    report = analyze(counts, seed=1)
    assert report.verdict is Verdict.INCONCLUSIVE
    assert report.verify()


# Signaling


@pytest.mark.parametrize("q", [0.0, 0.1, 0.2, 0.3])
def test_crosstalk_is_not_taken_for_nonlocality(q):
    for seed in range(5):
        report = analyze(crosstalk(q).sample(5000, seed), seed=seed)
        # Without any flip the marginals give it away, and nothing no-signaling resembles it.
        assert report.p_value < 1e-6 or q == 0
        assert report.verdict is Verdict.SIGNALING
        assert any("kappa" in assumption for assumption in report.assumptions)
        assert report.admits_local_model is False


def test_crosstalk_that_no_marginal_shows_is_named_as_an_assumption():
    report = analyze(crosstalk(0.5).sample(5000, 1), seed=1)
    assert report.verdict is Verdict.NONLOCAL
    assert any("marginals do not show" in assumption for assumption in report.assumptions)


def test_small_signaling_does_not_hide_a_large_violation():
    ideal = Behavior.from_state(werner_state(0.97), "chsh").array
    shifted = np.array(ideal)
    # One per cent of party 1's outcomes 1 are read as 0 if party 0 chose setting 1.
    shifted[1, :, :, 0] += 0.01 * ideal[1, :, :, 1]
    shifted[1, :, :, 1] -= 0.01 * ideal[1, :, :, 1]
    report = analyze(Behavior(shifted).sample(400_000, 1), seed=1)
    assert report.statistics["no_signaling_p"] < 0.01
    assert report.verdict is Verdict.NONLOCAL


@pytest.mark.parametrize(
    ("state", "settings"),
    [(werner_state(1), [PLANE, PLANE]), (ghz_state(3, 0.98), "mermin")],
    ids=["3 x 3", "3 parties"],
)
def test_signaling_is_weighed_in_every_scenario(state, settings):
    behavior = Behavior.from_state(state, settings)
    report = analyze(readout(behavior, 0.2).sample(5000, 1), QUICK, seed=1)
    assert report.verdict is Verdict.SIGNALING
    assert report.advice
    report = analyze(readout(behavior, 0.015).sample(400_000, 1), QUICK, seed=1)
    assert report.statistics["no_signaling_p"] < 0.01
    assert report.verdict is Verdict.NONLOCAL
    assert report.statistics["largest_kappa"] > 5
    assert report.verify()


def test_hidden_and_visible_signaling_are_shown():
    report = analyze(crosstalk(0.3).sample(5000, 1), QUICK, seed=1)
    assert report.statistics["hidden_signaling"] == pytest.approx(1, abs=0.02)
    assert report.statistics["visible_signaling"] == pytest.approx(0.4, abs=0.05)
    assert report.statistics["no_signaling_log10_e"] > 10


def test_undetected_signaling_is_named_where_it_might_matter():
    weak = analyze(Behavior.from_state(werner_state(0.9), "chsh").sample(1000, 1), QUICK, seed=1)
    assert weak.verdict is Verdict.NONLOCAL
    assert weak.largest_kappa < 5
    assert any(f"up to {weak.largest_kappa:.2g} times" in line for line in weak.assumptions)
    declared = analyze(
        load_bundled_counts("ibm_hanoi19_20circuit13").counts, CountsOptions(kappa=5, num_replicates=0), seed=1
    )
    assert declared.verdict is Verdict.NONLOCAL
    assert not any("nothing passes" in line for line in declared.assumptions)


# Figures and assumptions


def test_fits_tell_where_a_deviation_comes_from():
    figures = analyze(load_bundled_counts("ibm_washington91_98circuit4").counts, seed=1).statistics
    assert figures["signaling_bootstrap_p"] < 0.01
    assert figures["nonlocality_bootstrap_p"] > 0.5
    figures = analyze(load_bundled_counts("ibm_hanoi19_20circuit13").counts, seed=1).statistics
    assert figures["nonlocality_bootstrap_p"] < 0.01
    assert figures["signaling_bootstrap_p"] > 0.5
    without = analyze(load_bundled_counts("delft_2015").counts, QUICK, seed=1).statistics
    assert not any("bootstrap" in name for name in without)


def test_every_assumption_is_named():
    report = analyze(load_bundled_counts("ibm_hanoi19_20circuit13").counts, QUICK, seed=1)
    for words in (
        "numbers of shots of each setting were fixed",
        "independent",
        "chosen before the data were seen",
        "none was discarded",
        "no mitigation",
        "marginals do not show",
        "no space-like separation",
    ):
        assert any(words in line for line in report.assumptions), words


def test_assumptions_follow_the_way_settings_were_chosen():
    trials = draw_trials(Behavior.from_state(werner_state(0.95), "chsh"), 2000, 1)
    by_design = {
        "blocks": BellCounts(trials.to_counts().array),
        "random": trials.to_counts(),
        "trials": trials,
    }
    words = {
        "numbers of shots of each setting were fixed": {"blocks"},
        "drawn at random, trial by trial": {"random", "trials"},
        "the test takes as given how often each came": {"random"},
        "shots are independent": {"blocks", "random", "trials"},
        "of the figures": {"trials"},
        "the counts do not say in which order": {"random"},
        "in the order they were taken": {"trials"},
        "fair sampling: ": set(),
        "kappa": set(),
        "predictable": set(),
        "the behavior is no-signaling": set(),
    }
    for name, data in by_design.items():
        lines = analyze(data, QUICK, seed=1).assumptions
        for phrase, designs in words.items():
            assert any(phrase in line for line in lines) == (name in designs), (name, phrase)
    local = analyze(Behavior.from_state(werner_state(0.4), "chsh").sample(5000, 1), QUICK, seed=1)
    assert local.verdict is Verdict.LOCAL
    assert "the behavior is no-signaling, and the same in all shots" in local.assumptions


def test_game_with_random_settings_needs_no_independence():
    counts = load_bundled_counts("delft_2015").counts
    assert not any(
        "independent" in line for line in analyze(counts, CountsOptions(test="game", num_replicates=0)).assumptions
    )
    assert any("independent" in line for line in analyze(counts, QUICK, seed=1).assumptions)


def test_lost_shots():
    lossy = Behavior.from_state(werner_state(1), "chsh").with_efficiency(0.95)
    counts = BellCounts(lossy.sample(20_000, 1).array, lost_outcomes=(2, 2))
    report = analyze(counts, QUICK, seed=1)
    assert report.verdict is Verdict.NONLOCAL
    assert any("outcome of their own" in line for line in report.assumptions)
    kept = counts.post_select()
    with pytest.raises(CountsError, match="fair_sampling=True"):
        analyze(kept)
    report = analyze(kept, CountsOptions(fair_sampling=True, num_replicates=0), seed=1)
    assert report.verdict is Verdict.NONLOCAL
    assert any("fair sampling: " in line for line in report.assumptions)


def test_local_verdict_with_three_outcomes():
    lossy = Behavior.from_state(werner_state(0.4), "chsh").with_efficiency(0.8)
    report = analyze(lossy.sample(300_000, 1), QUICK, seed=1)
    assert report.verdict is Verdict.LOCAL
    assert report.verify()


def test_predictable_settings():
    counts = load_bundled_counts("delft_2015").counts
    plain = analyze(counts, CountsOptions(test="game", num_replicates=0))
    careful = analyze(counts, CountsOptions(test="game", predictability=0.01, num_replicates=0))
    assert plain.p_value < careful.p_value
    assert any("predictable to within 0.01" in line for line in careful.assumptions)
    with pytest.raises(CountsError, match="predictability"):
        analyze(counts, CountsOptions(test="game", predictability=0.5))
    with pytest.raises(CountsError, match="predictability"):
        analyze(load_bundled_counts("ibm_hanoi19_20circuit13").counts, CountsOptions(predictability=0.01))


def test_predictability_lowers_the_evidence():
    trials = draw_trials(Behavior.from_state(werner_state(0.95), "chsh"), 2000, 1)
    found = [analyze(trials, CountsOptions(predictability=tau, num_replicates=0)) for tau in (0, 0.005, 0.2)]
    assert found[0].log10_p_value < found[1].log10_p_value < -2
    assert found[1].verdict is Verdict.NONLOCAL
    assert any("predictable to within 0.005" in line for line in found[1].assumptions)
    assert "game_log10_p" in found[0].statistics
    assert "game_log10_p" not in found[1].statistics
    # Score 0.91 is within reach of a device that guesses the settings this well.
    assert found[2].p_value == 1
    assert found[2].verdict is Verdict.INCONCLUSIVE
    assert all(report.verify() for report in found)


# Many groups of qubits


def test_many_pairs_are_decided_together():
    weak = Behavior.from_state(werner_state(0.8), "chsh")
    strong = Behavior.from_state(werner_state(0.95), "chsh")
    noise = Behavior.from_state(werner_state(0.6), "chsh")
    counts = {(k, k + 1): noise.sample(300, k) for k in range(10, 40)}
    counts[0, 1] = strong.sample(1000, 1)
    counts[1, 2] = weak.sample(350, 6)
    report = analyze(counts, alpha=0.05, seed=1)
    assert isinstance(report, DeviceReport)
    assert report.nonlocal_groups == ((0, 1),)
    assert report[0, 1].verdict is Verdict.NONLOCAL
    # Alone, this pair would be significant; among 32 it is not.
    alone = analyze(counts[1, 2], CountsOptions(test="e-value", num_replicates=0), alpha=0.05, seed=1)
    assert alone.verdict is Verdict.NONLOCAL
    assert report[1, 2].p_value == pytest.approx(alone.p_value)
    assert report[1, 2].verdict is not Verdict.NONLOCAL
    assert any("false discovery rate" in line for line in report[0, 1].assumptions)
    assert report.verify()


def test_signaling_pairs_of_a_map_are_not_nonlocal():
    counts = {(0, 1): crosstalk(0.2).sample(5000, 1), (2, 3): crosstalk(0.0).sample(5000, 2)}
    report = analyze(counts, seed=1)
    assert report[0, 1].verdict is Verdict.SIGNALING
    assert report.rejected[0]
    assert report.nonlocal_groups == ()


@pytest.mark.parametrize(
    ("target", "match"),
    [
        ({}, "at least one group"),
        ({(0, 1): {"00": 3}}, "from_counts"),
        ({(0, 1): 3}, "each group"),
        ({"0-1": BellCounts(np.ones((2, 2, 2, 2), dtype=int))}, "groups"),
        ({(0, -1): BellCounts(np.ones((2, 2, 2, 2), dtype=int))}, "groups"),
        ({(0, 1): BellCounts(np.ones((2, 2, 2, 2), dtype=int)), (2, 3): None}, "each group"),
        ({(0, 1): Behavior.white_noise(BellScenario((2, 2), (2, 2)))}, "each group"),
    ],
)
def test_bad_maps(target, match):
    with pytest.raises(LHVError, match=match):
        analyze(target)


def test_post_selected_counts_of_one_pair_need_the_assumption():
    lossy = Behavior.from_state(werner_state(1), "chsh").with_efficiency(0.95)
    kept = BellCounts(lossy.sample(2000, 1).array, lost_outcomes=(2, 2)).post_select()
    whole = Behavior.from_state(werner_state(0.95), "chsh").sample(500, 1)
    report = analyze({(0, 1): whole, (2, 3): kept}, seed=1)
    assert report.groups == ((0, 1),)
    assert "fair_sampling=True" in report.failures[0][1]
    report = analyze({(0, 1): whole, (2, 3): kept}, CountsOptions(fair_sampling=True), seed=1)
    assert [any("fair sampling: " in line for line in one.assumptions) for one in report.reports] == [False, True]


def test_triples_and_pairs_of_one_map():
    triple = Behavior.from_state(ghz_state(3, 0.9), "mermin").sample(300, 1)
    pair = Behavior.from_state(werner_state(0.5), "chsh").sample(300, 1)
    report = analyze({(4, 5, 6): triple, (0, 1): pair}, seed=1)
    assert report[4, 5, 6].verdict is Verdict.NONLOCAL
    assert report.nonlocal_groups == ((4, 5, 6),)
    assert report[0, 1].verdict is not Verdict.NONLOCAL
    assert report.verify()
    # Each is what it is alone, but for what is decided together.
    alone = analyze(pair, CountsOptions(test="e-value", num_replicates=0), seed=1).statistics
    # But for the allowance for signaling, whose limits hold for both together.
    own = [name for name in alone if name not in ("hidden_signaling", "visible_signaling", "largest_kappa")]
    assert {name: report[0, 1].statistics[name] for name in own} == {name: alone[name] for name in own}


def test_maps_are_tested_by_e_values():
    counts = load_bundled_counts("ibm_hanoi19_20circuit13").counts
    with pytest.raises(CountsError, match=r"test.*e-value"):
        analyze({(19, 20): counts}, CountsOptions(test="game"))


# Trials


def test_drift_of_trials_is_shown():
    steady = draw_trials(Behavior.from_state(werner_state(0.95), "chsh"), 3000, 1)
    assert analyze(steady, QUICK).statistics["drift_p"] > 0.01
    later = draw_trials(Behavior.from_state(werner_state(0.3), "chsh"), 3000, 2)
    both = BellTrials(
        np.concatenate([steady.settings, later.settings]),
        np.concatenate([steady.outcomes, later.outcomes]),
        design="random",
    )
    assert analyze(both, QUICK).statistics["drift_p"] < 1e-6


def test_trials_with_random_settings():
    report = analyze(draw_trials(Behavior.from_state(werner_state(0.95), "chsh"), 8000, 1), seed=1)
    assert report.verdict is Verdict.NONLOCAL
    assert report.verify()
    assert not any(line.startswith("shots are independent") for line in report.assumptions)
    unordered = analyze(draw_trials(Behavior.from_state(werner_state(0.95), "chsh"), 8000, 1).to_counts(), seed=1)
    assert any(line.startswith("shots are independent") for line in unordered.assumptions)


def test_trials_with_biased_settings():
    probabilities = np.array([[0.4, 0.1], [0.3, 0.2]])
    report = analyze(draw_trials(Behavior.from_state(werner_state(0.98), "chsh"), 20_000, 2, probabilities), seed=1)
    assert report.verdict is Verdict.NONLOCAL
    assert report.verify()


@pytest.mark.slow
def test_device_with_memory_gains_nothing_from_it():
    # After every trial that was lost, the device switches to the strategy that wins that setting.
    scenario, sign = chsh().scenario, chsh().coefficients
    strategies = enumerate_strategies(scenario)
    good = strategies[strategy_tables(strategies, scenario) @ sign.ravel() == 2]
    alarms = np.zeros(2, dtype=int)
    for seed in range(60):
        rng = np.random.default_rng(seed)
        settings = rng.integers(2, size=(600, 2))
        outcomes, current = [], good[0]
        for x, y in settings:
            a, b = current[x], current[2 + y]
            outcomes.append((a, b))
            if sign[x, y, a, b] < 0:
                wins = [s for s in good if sign[x, y, s[x], s[2 + y]] > 0]
                current = wins[rng.integers(len(wins))]
        trials = BellTrials(settings, outcomes, scenario, "random")
        report = analyze(trials, CountsOptions(test="game", num_replicates=0), alpha=0.1, seed=seed)
        alarms += np.array([report.verdict is Verdict.NONLOCAL, report.statistics["log10_e"] >= 1])
    assert np.all(alarms <= 6 + 3 * np.sqrt(60 * 0.09))


# Behaviors and experiments


def test_behavior_verdicts():
    nonlocal_report = analyze(Behavior.from_state(werner_state(0.72), "chsh"))
    assert nonlocal_report.verdict is Verdict.NONLOCAL
    assert nonlocal_report.inequality.bound.exact
    assert nonlocal_report.statistics["violation"] == pytest.approx(2 * np.sqrt(2) * 0.72 - 2)
    local_report = analyze(Behavior.from_state(werner_state(0.7), "chsh"))
    assert local_report.verdict is Verdict.LOCAL
    assert local_report.model.verify(Behavior.from_state(werner_state(0.7), "chsh"))
    for report in (nonlocal_report, local_report):
        assert report.verify()
        assert report.p_value is None


@pytest.mark.parametrize("excess", [-1e-10, 0, 1e-10])
def test_behavior_at_the_boundary_is_never_nonlocal(excess):
    report = analyze(Behavior.from_state(werner_state(np.sqrt(0.5) + excess), "chsh"))
    assert report.verdict in (Verdict.LOCAL, Verdict.INCONCLUSIVE)


def test_experiment_is_analyzed_by_its_exact_behavior():
    bell = QuantumCircuit(2)
    bell.h(0)
    bell.cx(0, 1)
    report = analyze(BellExperiment(bell, "chsh"))
    assert report.verdict is Verdict.NONLOCAL
    assert report.statistics["threshold"] == pytest.approx(np.sqrt(0.5))


# Reports


def test_report_of_fixed_seed_is_reproducible_and_drawn_seed_is_told():
    counts = load_bundled_counts("delft_2015").counts
    report = analyze(counts)
    again = analyze(counts, seed=int(report.statistics["seed"]))
    assert again == report


@pytest.mark.parametrize("suffix", ["json", "npz"])
def test_report_survives_saving(tmp_path, suffix):
    for report in (
        analyze(load_bundled_counts("ibm_hanoi19_20circuit13").counts, seed=1),
        analyze(Behavior.from_state(werner_state(0.3), [PLANE, PLANE]).sample(10_000, 1), seed=1),
        analyze(Behavior.from_state(werner_state(1), "chsh")),
    ):
        path = tmp_path / f"report.{suffix}"
        report.save(path)
        loaded = LocalityReport.load(path)
        assert loaded == report
        assert loaded.verify()
        assert str(loaded) == str(report)


def test_json_of_report_can_be_read_back(tmp_path):
    report = analyze(load_bundled_counts("delft_2015").counts, seed=1)
    data = json.loads(report.to_json())
    assert data["summary"]["verdict"] == "INCONCLUSIVE"
    assert data["summary"]["p_value"] == report.p_value
    path = tmp_path / "report.json"
    path.write_text(report.to_json())
    assert LocalityReport.load(path) == report


def test_text_and_html_tell_verdict_p_value_and_assumptions():
    report = analyze(load_bundled_counts("ibm_hanoi19_20circuit13").counts, seed=1)
    for text in (report.details(), report.to_html()):
        assert "NONLOCAL" in text
        assert "e-21" in text
        assert "2.76823" in text
        assert report.assumptions[0] in text


def test_tampered_report_is_refused():
    report = analyze(load_bundled_counts("ibm_hanoi19_20circuit13").counts, CountsOptions(test="e-value"), seed=1)
    e_value = report.evidence[0]
    forged = dataclasses.replace(e_value, log_e=e_value.log_e + 1)
    refused = dataclasses.replace(report, evidence=(forged, *report.evidence[1:])).verify()
    assert not refused
    assert "log e" in refused.reason


def test_every_verdict_has_its_sentence():
    assert len({verdict.sentence for verdict in Verdict}) == 4


# Bad input


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        ({"declared": "game"}, "declared"),
        ({"alpha": 0}, "alpha"),
        ({"alpha": 1.5}, "alpha"),
        ({"alpha": float("nan")}, "alpha"),
        ({"test": "binomial"}, "test"),
        ({"kappa": 0}, "kappa"),
        ({"seed": 1.5}, "seed"),
        ({"predictability": -1}, "predictability"),
        ({"num_replicates": -1}, "num_replicates"),
        ({"fair_sampling": "yes"}, "fair_sampling"),
        ({"test": "game", "expression": chsh().from_correlators(np.ones((3, 2)))}, "expression"),
    ],
)
def test_bad_arguments(arguments, name):
    counts = load_bundled_counts("delft_2015").counts
    with pytest.raises(LHVError, match=f"^{name}: expected"):
        call(counts, **arguments)


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        ({"alpha": 1.5}, "alpha"),
        ({"tolerance": -1}, "tolerance"),
        ({"measurements": "planar"}, "measurements"),
        ({"time_limit": 0}, "time_limit"),
        ({"progress": "no"}, "progress"),
        ({"seed": 1.5}, "seed"),
    ],
)
def test_bad_arguments_are_refused_also_where_the_target_does_not_need_them(arguments, name):
    behavior = Behavior.from_state(werner_state(0.3), "chsh")
    for target in (behavior, werner_state(0.3), behavior.sample(10, 1), {(0, 1): behavior.sample(10, 1)}):
        with pytest.raises(LHVError, match=f"^{name}: expected"):
            analyze(target, **arguments)


@pytest.mark.parametrize(("field", "value"), [("predictability", -1), ("predictability", True), ("fair_sampling", 1)])
def test_declarations_are_checked_when_they_are_made(field, value):
    with pytest.raises(CountsError, match=f"^{field}: expected"):
        CountsOptions(**{field: value})


def test_numbers_of_other_kinds_are_declared_as_well():
    counts = load_bundled_counts("ibm_hanoi19_20circuit13").counts
    declared = CountsOptions(kappa=Fraction(2), predictability=np.float64(0), num_replicates=np.int64(0))
    report = analyze(counts, declared, alpha=Fraction(1, 100), seed=np.int64(1))
    assert report.verify()
    assert report == analyze(counts, CountsOptions(kappa=2, num_replicates=0), seed=1)


def test_game_needs_a_rule_outside_chsh():
    counts = Behavior.from_state(werner_state(1), [PLANE, PLANE]).sample(100, 1)
    with pytest.raises(CountsError, match=r"expression.*Declare"):
        analyze(counts, CountsOptions(test="game"))


@pytest.mark.parametrize("target", [{(0, 0): {"00": 1}}, None, np.ones((2, 2, 2, 2))])
def test_other_targets_are_refused_with_a_remedy(target):
    with pytest.raises(LHVError, match=r"target.*from_state"):
        analyze(target)


def test_frequencies_as_behavior_are_refused():
    with pytest.raises(ScenarioError, match="analyze"):
        analyze(load_bundled_counts("delft_2015").counts.frequencies())


def test_white_noise_is_local():
    assert analyze(Behavior.white_noise(BellScenario((2, 3), (3, 2)))).verdict is Verdict.LOCAL


@pytest.mark.parametrize(
    "groups", [(0, (0,)), ((0, 1), range(2)), (range(1), np.int64(0))], ids=["int", "range", "NumPy"]
)
def test_two_spellings_of_one_group_are_refused(groups):
    counts = load_bundled_counts("delft_2015").counts
    with pytest.raises(CountsError, match=r"^target \(groups\): expected each group of qubits once"):
        analyze(dict.fromkeys(groups, counts), seed=1)
