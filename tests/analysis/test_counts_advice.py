"""What reports on counts advise, assume and warn of, in words that must be true."""

import dataclasses
import re

import numpy as np
import pytest
from qiskit_lhv import (
    Behavior,
    BellCounts,
    BellScenario,
    CountsOptions,
    Verdict,
    analyze,
    chsh,
    load_bundled_counts,
    ratio_e_value,
    werner_state,
)
from qiskit_lhv.reports.figure_names import format_figure
from qiskit_lhv.targets import project_to_no_signaling

from helpers import isotropic

UNIFORM = np.full((2, 2), 0.25)


def winning(n):
    """Counts that win the CHSH game in every one of 2 n shots of each setting: S = 4."""
    return BellCounts((chsh().coefficients > 0) * n)


def crosstalk(shots, seed):
    """A Bell pair whose second outcome decays at one setting of the first party."""
    table = isotropic(2.7).array.copy()
    decayed = 0.03 * table[1, :, :, 1]
    table[1, :, :, 1] -= decayed
    table[1, :, :, 0] += decayed
    return Behavior(table).sample(shots, seed)


def advised(report):
    """The number of shots that the advice names."""
    (number,) = re.findall(r"about ([\d,]+) shots \(of all settings together\)", report.advice)
    return float(number.replace(",", ""))


def quick(data, seed=1, alpha=0.01, time_limit=None, **declared):
    return analyze(data, CountsOptions(num_replicates=0, **declared), alpha=alpha, time_limit=time_limit, seed=seed)


# Shots that are needed


@pytest.mark.parametrize("test", ["combined", "e-value", "game"])
def test_the_number_is_never_about_the_shots_taken(test):
    seen = 0
    for seed in range(30):
        counts = isotropic(2.6).sample(25, seed)
        report = quick(counts, test=test, seed=seed)
        if "(of all settings together)" not in report.advice:
            continue
        seen += 1
        assert report.verdict is Verdict.INCONCLUSIVE
        assert advised(report) >= 1.6 * counts.total_shots
        if "twice as long" in report.advice:
            assert advised(report) == 2 * counts.total_shots
    assert seen >= 10


def test_the_number_counts_the_factor_of_the_combined_test():
    counts = isotropic(2.4).sample(60, 6)
    reports = [quick(counts, alpha=alpha) for alpha in (0.01, 1e-4)]
    assert all(report.verdict is Verdict.INCONCLUSIVE for report in reports)
    numbers = [advised(report) for report in reports]
    assert numbers[1] > 1.4 * numbers[0]
    # At the frequencies seen, the test of a few more shots is significant, and that of fewer is not.
    larger = BellCounts(np.rint(1.1 * counts.array * numbers[1] / counts.total_shots).astype(int))
    again = quick(larger, alpha=1e-4)
    assert again.p_value <= 1e-4
    smaller = BellCounts(np.rint(0.8 * counts.array * numbers[1] / counts.total_shots).astype(int))
    assert quick(smaller, alpha=1e-4).p_value > 1e-4


def test_the_number_counts_the_predictability():
    counts = BellCounts(isotropic(2.7).sample(40, 3).array, "random", UNIFORM)
    plain, careful = (quick(counts, test="e-value", alpha=1e-6, predictability=tau) for tau in (0.0, 0.02))
    assert advised(careful) > 1.5 * advised(plain)
    rates = [one.statistics["log10_e_per_trial"] for one in (plain, careful)]
    assert rates[1] < 0.7 * rates[0]
    hopeless = quick(counts, test="e-value", alpha=1e-6, predictability=0.1)
    assert "no number of shots would help" in hopeless.advice
    assert "predictability of 0.1" in hopeless.advice


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_run_with_so_many_shots_reaches_alpha_in_about_half_of_all_cases(seed):
    counts = isotropic(2.5).sample(30, seed)
    report = quick(counts, test="e-value", seed=seed)
    if "about half" not in report.advice:
        pytest.skip("these shots came close, or are local")
    device = project_to_no_signaling(counts.frequencies(), counts.num_shots)
    shots = round(advised(report) / 4)
    found = [ratio_e_value(device.sample(shots, k), seed=k).p_value <= 0.01 for k in range(40)]
    assert np.mean(found) >= 0.2


@pytest.mark.parametrize("n", [1, 2])
def test_a_large_value_of_few_shots_is_not_called_local(n):
    report = quick(winning(n), alpha=1e-6)
    assert report.statistics["S"] == 4
    assert report.verdict is Verdict.INCONCLUSIVE
    assert "local:" not in report.advice
    assert advised(report) > 8 * n
    high = quick(isotropic(2.7).sample(3, 5))
    assert high.statistics["S"] > 2.2
    assert "The frequencies are local" not in high.advice


def test_small_violations_are_told_as_what_they_are():
    report = quick(isotropic(2.3).sample(25, 5))
    assert 2 < report.statistics["S"] < 2.5
    assert "by chance a local device, too, may show such a violation" in report.advice
    assert f"S = {report.statistics['S']:.3g} +- " in report.advice
    local = quick(isotropic(1.7).sample(100, 1))
    assert local.verdict is Verdict.INCONCLUSIVE
    assert local.advice.startswith("The frequencies are local: ")


def test_a_declared_kappa_is_part_of_the_advice():
    report = quick(isotropic(2.4).sample(60, 6), kappa=3)
    assert report.verdict is Verdict.INCONCLUSIVE
    assert "NONLOCAL then also needs counts that exclude hidden influences up to 3 times" in report.advice


def test_groups_that_many_others_keep_off_the_list_are_told_so():
    counts = isotropic(2.6).sample(100, 1)
    alone = analyze({(0, 1): counts}, seed=1)[0, 1]
    assert alone.verdict is Verdict.NONLOCAL
    noise = isotropic(0).sample(100, 2)
    many = analyze({(0, 1): counts} | {(2 * k, 2 * k + 1): noise for k in range(1, 60)}, alpha=0.01, seed=1)[0, 1]
    assert many.p_value <= 0.01
    assert many.verdict is Verdict.INCONCLUSIVE
    assert many.advice.startswith("Alone this group would be NONLOCAL")


# The quantum bound


def test_few_shots_that_all_agree_get_no_warning():
    for n in (1, 3):
        report = quick(winning(n))
        assert report.warnings == ()
        assert report.statistics["S_error"] > 0.5 / n
    assert "S = 4 lies above the quantum bound" in quick(winning(50)).warnings[0]
    assert "p = " in quick(winning(50)).warnings[0]


# Assumptions


def influences(report):
    """The lines on influences between the parties."""
    words = ("influence", "passes", "crosstalk", "communicat", "space-like")
    return [line for line in report.assumptions if any(word in line for word in words)]


def test_one_set_of_lines_on_influences_for_each_case():
    hanoi = load_bundled_counts("ibm_hanoi19_20circuit13").counts
    why = (
        "crosstalk that marginals do not show at all is assumed not to be there: no counts can exclude it, and on one "
        "chip no space-like separation does"
    )
    declared = quick(hanoi, kappa=3)
    assert influences(declared) == ["hidden influences are at most kappa = 3 times what marginals show (declared)", why]
    clean = quick(hanoi)
    kappa = f"{clean.largest_kappa:.2g}"
    assert influences(clean) == [
        "nothing passes between the parties: no signaling was detected, and the counts exclude hidden influences up to "
        f"{kappa} times what marginals show",
        why,
    ]
    signaling = quick(load_bundled_counts("ibm_washington91_98circuit4").counts)
    assert signaling.verdict is Verdict.SIGNALING
    assert influences(signaling) == ["hidden influences are at most kappa = 5 times what marginals show", why]
    open_case = quick(isotropic(2.1).sample(50, 1))
    assert open_case.verdict is Verdict.INCONCLUSIVE
    assert influences(open_case) == ["nothing passes between the parties: no signaling was detected", why]
    local = quick(isotropic(1.2).sample(5000, 1))
    assert local.verdict is Verdict.LOCAL
    assert influences(local) == []
    assert "the behavior is no-signaling, and the same in all shots" in local.assumptions


def test_notes_of_a_map_tell_groups_with_signaling_apart():
    clean, signaling = isotropic(2.7).sample(2000, 1), crosstalk(400_000, 1)
    report = analyze({(0, 1): clean, (2, 3): signaling}, seed=1)
    assert report.nonlocal_groups == ((0, 1), (2, 3))
    assert report.signaling_groups == ((2, 3),)
    assert report.notes == (
        "NONLOCAL: if nothing passes between the parties; hidden influences are excluded up to the kappa of the last "
        "column, times what marginals show.",
        "NONLOCAL although signaling was detected (2-3): hidden influences up to 5 times what marginals show do not "
        "explain the violation.",
    )
    alone = analyze({(2, 3): signaling}, seed=1)
    assert [line.split(":")[0] for line in alone.notes] == ["NONLOCAL although signaling was detected (2-3)"]
    declared = analyze({(2, 3): signaling}, CountsOptions(kappa=2), seed=1)
    assert declared.notes == ("NONLOCAL: also with hidden influences up to 2 times what marginals show.",)
    assert str(alone).startswith("1 group: ")


# Numbers and words


@pytest.mark.parametrize("seed", [1_234_567, 2**31 - 1])
def test_seeds_and_shots_are_printed_whole(seed):
    counts = isotropic(2.7).sample(1_234_567, 1)
    report = quick(counts, seed=seed)
    for text in (report.details(), report.to_html()):
        assert re.search(rf"seed of the order\W.*?\b{seed}\b", text)
        assert "4938268" in text
    assert format_figure(2.768234567) == "2.76823"
    assert format_figure(float(seed)) == format_figure(seed) == str(seed)
    assert format_figure(float("nan")) == "nan"
    assert format_figure(-0.0) == "0"
    assert format_figure(1e300) == "1e+300"


def test_the_accuracy_of_a_behavior_is_in_its_first_line():
    for strength, tolerance, verdict in (
        (0.6, 1e-7, Verdict.NONLOCAL),
        (0.4, 1e-7, Verdict.LOCAL),
        (0.51, 0.0125, Verdict.INCONCLUSIVE),
    ):
        report = analyze(isotropic(4 * strength), tolerance=tolerance)
        words = f"(its numbers taken as accurate to {tolerance:g})."
        assert report.verdict is verdict
        assert report.headline.endswith(words)
        assert str(report).splitlines()[0].endswith(words)
        assert words in report.to_html()
        assert words in report.to_json()
        assert report.verify()
        if verdict is not Verdict.INCONCLUSIVE:
            question = dataclasses.replace(report.question, tolerance=tolerance / 2)
            assert not dataclasses.replace(report, question=question).verify()


def test_amounts_of_signaling_are_not_negative_in_words():
    for seed in range(5):
        report = quick(isotropic(1.0).sample(50, seed))
        (allowance,) = [piece for piece in report.evidence if type(piece).__name__ == "SignalingAllowance"]
        assert allowance.hidden_lower < 0
        assert "(above 0.0000)" in str(allowance)
        assert "-0." not in str(allowance)


def test_one_thing_is_not_several():
    assert str(BellScenario((1,), (2,))) == "1 party with 1 setting of 2 outcomes"
    assert str(BellScenario((1, 1), (2, 2))) == "2 parties with 1 setting of 2 outcomes each"
    assert str(BellScenario((3, 3), (2, 2))) == "2 parties with 3 settings of 2 outcomes each"
    counts = BellCounts(np.array([1, 0]).reshape(1, 2))
    assert repr(counts) == "BellCounts(1 party with 1 setting of 2 outcomes, 1 shot, design='blocks')"
    assert str(ratio_e_value(Behavior.from_state(werner_state(1), "chsh").sample(1, 1), seed=1)).endswith(
        "4 shots in 1 stage"
    )
