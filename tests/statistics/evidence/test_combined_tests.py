import dataclasses
import math

import numpy as np
import pytest
from qiskit_lhv import (
    Behavior,
    BellCounts,
    BellExpression,
    chsh,
    load_bundled_counts,
    local_bound,
    ratio_e_value,
)
from qiskit_lhv.exceptions import CountsError
from qiskit_lhv.models.deterministic import enumerate_strategies, strategy_tables
from qiskit_lhv.polytope import i3322
from qiskit_lhv.statistics import combine_e_values, game_test, ratio_e_values
from qiskit_lhv.statistics.evidence.combined_tests import CombinedTest, combined_test, family_of
from qiskit_lhv.statistics.planning.advice import best_other_form, declared_shots_needed, game_shots_needed
from qiskit_lhv.statistics.planning.expected_evidence import expected_evidence
from qiskit_lhv.targets import project_to_no_signaling

from helpers import isotropic


def violating(shots=100, s=2.6, seed=1):
    counts = isotropic(s).sample(shots, seed)
    return counts, ratio_e_value(counts, seed=3)


# The family


def test_the_family_of_chsh_has_eight_forms_that_describe_the_local_set():
    family = family_of(chsh().scenario)
    assert len({form.coefficients.tobytes() for form in family}) == 8
    assert all(local_bound(form).value == 2 for form in family)
    # Every no-signaling box that is a vertex (PR boxes) violates exactly one of them.
    values = [[form.value(isotropic(4)) for form in family]]
    assert sorted(values[0])[-2:] == [0, 4]
    assert family_of(i3322().scenario) == ()


# The test


@pytest.mark.parametrize("seed", range(6))
def test_it_is_the_smallest_weighted_p_value(seed):
    counts = isotropic((2.0, 2.3, 2.6)[seed % 3]).sample((50, 200)[seed % 2], seed)
    e_value = ratio_e_value(counts, seed=seed)
    test = combined_test(counts, e_value)
    games = [game_test(counts, form).p_value for form in family_of(counts.scenario)]
    expected = min(1.0, 10 * math.exp(-e_value.log_e), 80 / 9 * min(games))
    assert test.p_value == pytest.approx(expected, rel=1e-12)
    assert test.p_value >= expected * (1 - 1e-15)
    assert test.weights == pytest.approx((0.1, *[9 / 80] * 8))
    assert sum(test.shares) == test.denominator == 80
    assert test.verify()


def test_the_part_that_decides():
    counts, e_value = violating()
    test = combined_test(counts, e_value)
    assert test.decisive is test.games[3]
    assert test.inequality.expression == chsh()
    assert "decided by the game" in str(test)
    # Correlators of unequal size, for which the e-value finds better weights than those of CHSH.
    behavior = Behavior.from_correlators([[1, 1], [1, 0.2]], marginals=False)
    counts = behavior.sample(2000, 1)
    e_value = ratio_e_value(counts, seed=1)
    test = combined_test(counts, e_value)
    assert test.decisive is test.e_value
    assert test.inequality == e_value.inequality
    assert test.log10_p_value == pytest.approx(e_value.log10_p_value + 1, rel=1e-12)
    assert "decided by the e-value" in str(test)
    assert test.verify()


def test_means_of_e_values_are_taken():
    counts = isotropic(2.5).sample(100, 1)
    mean = combine_e_values([ratio_e_value(counts, seed=seed) for seed in range(3)], independent=False)
    test = combined_test(counts, mean)
    assert test.e_value is mean
    assert test.verify()
    product = combine_e_values([mean.parts[0], ratio_e_value(isotropic(2.5).sample(100, 2), seed=1)], independent=True)
    with pytest.raises(CountsError, match=r"e_value.*several experiments"):
        combined_test(counts, product)


def test_declared_families():
    counts = isotropic(2.6).sample(200, 1)
    e_value = ratio_e_value(counts, seed=1)
    tilted = BellExpression.from_correlators([[1.25, 1], [1, -1]], marginals=False)
    test = combined_test(counts, e_value, family=(chsh(), tilted, chsh((0, 0))))
    assert test.weights == pytest.approx((0.1, 0.3, 0.3, 0.3))
    assert test.log10_p_value == pytest.approx(game_test(counts, chsh()).log10_p_value - math.log10(0.3), rel=1e-12)
    assert test.verify()


def test_forms_with_a_trivial_bound_drop_out():
    # The settings (1, 1) can be so rare that a form that is lost only there is won always; the others stay.
    probabilities = np.array([[0.4, 0.3], [0.295, 0.005]])
    counts = BellCounts(isotropic(2.6).sample(100, 1).array, "random", probabilities)
    e_value = ratio_e_value(counts, seed=1)
    test = combined_test(counts, e_value)
    assert len(test.games) == 8
    # A form in which a local strategy always wins.
    trivial = np.zeros((2, 2, 2, 2))
    trivial[:, :, 0, 0] = 1
    test = combined_test(counts, e_value, family=(chsh(), BellExpression(trivial)))
    assert len(test.games) == 1
    assert test.shares == (2, 9)
    assert test.denominator == 20
    assert test.verify()


def test_refusals():
    counts, e_value = violating()
    other = isotropic(2.6).sample(100, 2)
    with pytest.raises(CountsError, match=r"e_value.*other counts"):
        combined_test(other, e_value)
    with pytest.raises(CountsError, match=r"e_value.*no-signaling"):
        combined_test(counts, ratio_e_value(counts, null="no-signaling", seed=1))
    with pytest.raises(CountsError, match=r"e_value.*design"):
        combined_test(BellCounts(counts.array, "random", np.full((2, 2), 0.25)), e_value)
    with pytest.raises(CountsError, match=r"data.*BellCounts"):
        combined_test("counts", e_value)
    with pytest.raises(CountsError, match=r"e_value.*str"):
        combined_test(counts, "e")
    larger = Behavior.white_noise(i3322().scenario).sample(50, 1)
    with pytest.raises(CountsError, match=r"family.*no finite family is known"):
        combined_test(larger, ratio_e_value(larger, seed=1))
    random = BellCounts(counts.array, "random", np.full((2, 2), 0.25))
    with pytest.raises(CountsError, match=r"e_value.*predictability 0 instead of 0.01"):
        combined_test(random, ratio_e_value(random, seed=1), predictability=0.01)
    other_design = BellCounts(counts.array, "random", np.array([[0.2, 0.3], [0.25, 0.25]]))
    with pytest.raises(CountsError, match=r"e_value.*other setting probabilities"):
        combined_test(other_design, ratio_e_value(random, seed=1))


def test_predictability_reaches_all_parts():
    counts = load_bundled_counts("delft_2015").counts
    e_value = ratio_e_value(counts, predictability=0.01, seed=1)
    test = combined_test(counts, e_value, predictability=0.01)
    assert test.log10_p_value > combined_test(counts, ratio_e_value(counts, seed=1)).log10_p_value
    assert all(game.predictability == 0.01 for game in test.games)
    assert test.verify()


# Verification


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("log10_p_value", -5.0),
        ("log10_p_value", -0.5),
        ("log10_p_value", math.nan),
        ("log10_p_value", "text"),
        ("shares", (40, *[9] * 8)),
        ("shares", (8, *[9] * 7)),
        ("shares", (-8, *[9] * 8)),
        ("shares", None),
        ("denominator", 72),
        ("denominator", math.nan),
        ("games", ()),
        ("games", None),
        ("games", ("game",) * 8),
        ("e_value", None),
    ],
    ids=repr,
)
def test_edited_fields_are_refuted(field, value, refused):
    counts, e_value = violating()
    test = combined_test(counts, e_value)
    assert test.verify()
    assert refused(test, **{field: value})


def test_parts_of_other_counts_are_refuted():
    counts, e_value = violating()
    test = combined_test(counts, e_value)
    other_counts, other_e_value = violating(seed=2)
    other = combined_test(other_counts, other_e_value)
    assert not dataclasses.replace(test, e_value=other_e_value, log10_p_value=test.log10_p_value).verify()
    mixed = (*test.games[:7], other.games[7])
    assert not dataclasses.replace(test, games=mixed).verify()
    # A part that does not verify itself.
    wrong = dataclasses.replace(test.games[3], log10_p_value=test.games[3].log10_p_value - 1)
    games = (*test.games[:3], wrong, *test.games[4:])
    edited = dataclasses.replace(test, games=games, log10_p_value=test.log10_p_value - 1 + 1e-12)
    assert not edited.verify()
    assert "binomial tail" in edited.verify().reason


def test_saved_tests_verify(tmp_path):
    test = combined_test(*violating())
    test.save(tmp_path / "test.json")
    loaded = CombinedTest.load(tmp_path / "test.json")
    assert loaded == test
    assert loaded.verify()


def test_assumptions_name_the_weights_once():
    lines = combined_test(*violating()).assumptions
    assert "1/10 to the e-value, 9/80 to each of 8 games" in lines[0]
    assert not any("expression" in line for line in lines)
    assert any("fixed beforehand" in line for line in lines)


# Validity and power


def facet_behaviors():
    tables = strategy_tables(enumerate_strategies(chsh().scenario), chsh().scenario)
    best = tables[tables @ chsh().coefficients.ravel() == 2].reshape(-1, 2, 2, 2, 2)
    rng = np.random.default_rng(2)
    weights = [np.full(8, 1 / 8), rng.dirichlet(np.full(8, 0.5))]
    return [Behavior(np.tensordot(w, best, axes=1)) for w in weights]


@pytest.mark.parametrize("shots", [np.full((2, 2), 60), np.array([[600, 240], [160, 240]])], ids=["equal", "unequal"])
def test_local_models_on_the_facet_are_not_called_nonlocal(shots):
    for behavior in facet_behaviors():
        data = [behavior.sample(shots, seed) for seed in range(200)]
        e_values = ratio_e_values(data, seed=1)
        found = np.array([combined_test(one, e).p_value for one, e in zip(data, e_values, strict=True)])
        for alpha in (0.3, 0.1, 0.02):
            assert np.mean(found <= alpha) <= alpha + 3 * math.sqrt(alpha * (1 - alpha) / 200)


def test_it_finds_small_violations_that_the_e_value_misses():
    # 100 shots per setting, S = 2.40: the games alone reach alpha in 21 % of all runs, the e-value in 7 %.
    data = [isotropic(2.4).sample(100, seed) for seed in range(200)]
    e_values = ratio_e_values(data, seed=1)
    combined = np.mean([combined_test(d, e).p_value <= 0.01 for d, e in zip(data, e_values, strict=True)])
    alone = np.mean([e.p_value <= 0.01 for e in e_values])
    assert alone < 0.13
    assert combined > 0.14


def test_unequal_blocks_are_scored_by_s():
    shots = np.array([[1300, 900], [900, 900]])
    counts = isotropic(2.25).sample(shots, 1)
    e_value = ratio_e_value(counts, seed=1)
    test = combined_test(counts, e_value)
    right = test.games[3]
    assert not right.binomial
    assert right.inequality.bound.value == 2
    assert str(right.expression) == str(chsh())
    # The mean score is S, shifted and scaled so that 2 becomes the bound, and a local model loses in any setting.
    s = chsh().value(counts.frequencies())
    assert right.score / 4000 == pytest.approx((s + 4) / 8 * 4 * 900 / 4000, rel=1e-9)
    assert right.score_bound == pytest.approx(3 * 900 / 4000, abs=1e-9)
    assert right.log10_p_value < game_test(counts, chsh()).log10_p_value - 1
    assert test.verify()
    # The choice looks at the shots alone, and equal or nearly equal ones stay games.
    other = BellCounts(isotropic(0).sample(shots, 2).array)
    assert not combined_test(other, ratio_e_value(other, seed=1)).games[0].binomial
    nearly = isotropic(2.25).sample(np.array([[101, 100], [100, 99]]), 1)
    assert combined_test(nearly, ratio_e_value(nearly, seed=1)).games[0].binomial


# Advice


def minus_at_one_one():
    """Counts with the minus sign at (1, 1), 1000 shots per setting, S = 2.81."""
    rows = [[424, 73, 76, 427], [428, 75, 71, 426], [421, 74, 75, 430], [77, 425, 424, 74]]
    return BellCounts(np.array(rows).reshape(2, 2, 2, 2))


@pytest.mark.parametrize("minus", [(0, 0), (0, 1), (1, 0)])
def test_a_game_that_cannot_be_won_names_the_other_form(minus):
    counts = minus_at_one_one()
    words, value = best_other_form(counts, chsh(minus))
    assert words == "the other CHSH form, minus at (1, 1), has S = 2.81; a new run could declare it"
    assert value == pytest.approx(2.81, abs=5e-3)
    test = game_test(counts, chsh(minus))
    assert test.score / test.num_trials == pytest.approx(0.5, abs=0.01)
    assert game_shots_needed(test, 0.01) is None


def test_the_right_form_is_not_replaced():
    counts = minus_at_one_one()
    assert best_other_form(counts, chsh()) is None
    # Signs of the outcomes of one party turned: three minus signs.
    turned = BellCounts(counts.array[:, :, ::-1])
    words, _ = best_other_form(turned, chsh())
    assert words == "the other CHSH form, plus at (1, 1) and minus elsewhere, has S = 2.81; a new run could declare it"
    # No form is violated, or by chance alone; no form of the family.
    assert best_other_form(Behavior.white_noise(chsh().scenario).sample(100, 1), chsh()) is None
    assert best_other_form(isotropic(2.1).sample(40, 3), chsh((0, 0))) is None
    tilted = BellExpression.from_correlators([[1.25, 1], [1, -1]], marginals=False)
    assert best_other_form(counts, tilted) is None
    larger = Behavior.white_noise(i3322().scenario).sample(50, 1)
    assert best_other_form(larger, i3322()) is None


@pytest.mark.parametrize("design", ["blocks", "random"])
def test_shots_that_are_needed_would_suffice(design):
    probabilities = np.full((2, 2), 0.25) if design == "random" else None
    counts = BellCounts(isotropic(2.4).sample(100, 4).array, design, probabilities)
    tilted = BellExpression.from_correlators([[1.25, 1], [1, -1]], marginals=False)
    for expression in (chsh(), tilted):
        test = game_test(counts, expression)
        for alpha in (0.05, 1e-6):
            needed = game_shots_needed(test, alpha)
            larger = math.ceil(needed / 400)
            if larger > 1:
                again = game_test(BellCounts(counts.array * larger, design, probabilities), expression)
                assert again.p_value <= alpha
            smaller = game_test(BellCounts(counts.array * max(1, larger // 2), design, probabilities), expression)
            if larger > 1:
                assert smaller.p_value > alpha
            else:
                assert smaller.p_value <= alpha
        assert game_shots_needed(test, 1e-6) > game_shots_needed(test, 0.05) > 1


def test_shots_needed_by_the_combined_test():
    counts, e_value = violating(shots=40, s=2.4)
    test = combined_test(counts, e_value)
    right = test.games[3]
    by_game = game_shots_needed(right, 0.01 * 9 / 80)
    assert declared_shots_needed(test, 0.01, None) == by_game
    expected = expected_evidence(project_to_no_signaling(counts.frequencies(), counts.num_shots), counts)
    by_e_value = declared_shots_needed(e_value, 0.01 / 10, expected)
    assert declared_shots_needed(test, 0.01, expected) == min(by_game, by_e_value)
    assert by_e_value > declared_shots_needed(e_value, 0.01, expected)
    noise = Behavior.white_noise(chsh().scenario).sample(100, 1)
    expected = expected_evidence(project_to_no_signaling(noise.frequencies(), noise.num_shots), noise)
    assert declared_shots_needed(combined_test(noise, ratio_e_value(noise, seed=1)), 0.01, expected) is None
    with pytest.raises(CountsError, match="alpha"):
        game_shots_needed(right, 0)
