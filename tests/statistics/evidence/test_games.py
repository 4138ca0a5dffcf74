import dataclasses
import itertools
import math
from fractions import Fraction

import numpy as np
import pytest
from qiskit_lhv import (
    Behavior,
    BellCounts,
    BellExpression,
    BellTrials,
    chsh,
    load_bundled_counts,
    local_bound,
    werner_state,
)
from qiskit_lhv.exceptions import CountsError
from qiskit_lhv.models.deterministic import enumerate_strategies, strategy_tables
from qiskit_lhv.polytope import cglmp, i3322, mermin
from qiskit_lhv.statistics import GameTest, game_test
from qiskit_lhv.statistics.evidence.games import _scores
from qiskit_lhv.statistics.tails.binomial import convex_tail, log_mean_excess, log_tail
from qiskit_lhv.verification.games import check_log10_p, precise_log10_excess, precise_log10_tail

LN10 = math.log(10)


def binomial_tail(wins, total, p):
    """P(Bin(total, p) >= wins) in rational arithmetic."""
    p = Fraction(p)
    return sum(math.comb(total, k) * p**k * (1 - p) ** (total - k) for k in range(wins, total + 1))


def tilted():
    """CHSH with one correlator counted more: no game."""
    return BellExpression.from_correlators([[1.25, 1], [1, -1]], marginals=False)


# Games


def test_delft_game():
    # Nature 526, 682 (2015): 196 wins in 245 trials, P = 0.039.
    test = game_test(load_bundled_counts("delft_2015").counts, chsh())
    assert (test.score, test.num_trials) == (196, 245)
    assert test.binomial
    assert test.score_bound == pytest.approx(0.75, abs=1e-12)
    assert test.p_value == pytest.approx(0.039078, abs=5e-7)
    assert test.p_value == pytest.approx(float(binomial_tail(196, 245, Fraction(3, 4))), rel=1e-9)
    assert test.verify()


@pytest.mark.parametrize("tau", [1e-5, 1e-3, 0.02])
def test_predictability_of_two_random_number_generators(tau):
    # The setting at which a strategy loses has probability (1/2 - tau)**2 or more, so a win 3/4 + tau - tau**2 or less.
    test = game_test(load_bundled_counts("delft_2015").counts, chsh(), predictability=tau)
    assert test.score_bound == pytest.approx(0.75 + tau - tau**2, abs=1e-11)
    assert test.p_value > 0.039078
    assert test.verify()


def test_game_in_blocks_weighs_settings_by_their_shots():
    # A local model loses only at the setting with the fewest shots.
    counts = Behavior.from_state(werner_state(1), "chsh").sample(np.array([[40, 10], [30, 20]]), 1)
    test = game_test(counts, chsh())
    assert test.fixed_settings
    assert test.score_bound == pytest.approx(0.9)


def test_game_in_blocks_claims_nothing_below_one_win_above_the_bound():
    array = np.zeros((2, 2, 2, 2), dtype=int)
    won = chsh().coefficients > 0
    # 76 of 100 trials won, bound 75: not more than one win above it.
    array[won & (np.indices(array.shape)[2] == 0)] = 19
    array[~won & (np.indices(array.shape)[2] == 0)] = 6
    test = game_test(BellCounts(array), chsh())
    assert (test.score, test.num_trials, test.score_bound) == (76, 100, 0.75)
    assert test.p_value == pytest.approx(float(binomial_tail(76, 100, Fraction(3, 4))))
    fewer = array.copy()
    fewer[0, 0, 0, 0] -= 1
    fewer[0, 0, 0, 1] += 1
    assert game_test(BellCounts(fewer), chsh()).p_value == 1


def test_game_with_known_setting_probabilities():
    counts = Behavior.from_state(werner_state(1), "chsh").sample(100, 1)
    probabilities = np.array([[0.4, 0.1], [0.3, 0.2]])
    test = game_test(BellCounts(counts.array, "random", probabilities), chsh())
    assert test.score_bound == pytest.approx(0.9)
    assert not test.fixed_settings


# Tails


TAILS = [
    (n, p, z)
    for n in (1, 2, 10, 400, 10**6, 10**9, 2**53)
    for p in (1e-9, 0.3, math.nextafter(0.75, 1), 0.999)
    for z in (-20, 0, 0.2, 3, 40)
]


@pytest.mark.slow
def test_tails_have_thirteen_digits_and_are_rounded_up():
    checked = 0
    for n, p, z in TAILS:
        k = round(n * p + z * math.sqrt(n * p * (1 - p)))
        if not 1 <= k <= n:
            continue
        exact = float(precise_log10_tail(k, n, p))
        error = log_tail(k, n, p) / LN10 - exact
        assert 0 <= error <= 2e-13 + 2e-14 * abs(exact), (n, p, k)
        if k < n:
            exact = float(precise_log10_excess(k, n, p))
            error = log_mean_excess(k, n, p) / LN10 - exact
            assert 0 <= error <= 2e-13 + 2e-14 * abs(exact), (n, p, k)
        checked += 1
    assert checked > 80


@pytest.mark.parametrize(
    ("wins", "total", "p"),
    [(5, 10, 0.75), (10, 10, 0.75), (0, 10, 0.5), (180, 200, 0.8), (1, 3, 1.0), (11, 10, 0.5), (1, 1, 0.25)],
)
def test_binomial_tail_is_exact(wins, total, p):
    exact = float(binomial_tail(wins, total, p))
    assert math.exp(log_tail(wins, total, p)) == pytest.approx(exact, rel=1e-12)
    assert 10.0 ** float(precise_log10_tail(wins, total, p)) == pytest.approx(exact, rel=1e-12)


@pytest.mark.parametrize("knot", [0, 1, 5, 14, 25, 29])
def test_mean_excess_is_exact(knot):
    masses = [math.comb(30, k) * Fraction(3, 4) ** k * Fraction(1, 4) ** (30 - k) for k in range(31)]
    exact = float(sum(mass * max(k - knot, 0) for k, mass in enumerate(masses)))
    assert math.exp(log_mean_excess(knot, 30, 0.75)) == pytest.approx(exact, rel=1e-12)
    assert 10.0 ** float(precise_log10_excess(knot, 30, 0.75)) == pytest.approx(exact, rel=1e-12)


def test_term_by_term_and_integral_agree(monkeypatch):
    # The check adds up terms where they are few, and integrates else.
    import qiskit_lhv.verification.games as checks

    cases = [(760_000, 10**6, 0.75), (750_100, 10**6, 0.75), (740_000, 10**6, 0.75), (40, 100, 0.3), (3, 1000, 1e-3)]
    added = [(precise_log10_tail(*case), precise_log10_excess(*case)) for case in cases]
    monkeypatch.setattr(checks, "_MAX_SUMMED_TERMS", 0)
    for case, (tail, excess) in zip(cases, added, strict=True):
        assert abs(precise_log10_tail(*case) - tail) < 1e-25
        assert abs(precise_log10_excess(*case) - excess) < 1e-25


def test_tails_below_the_smallest_float():
    log10_p = log_tail(160_000, 180_000, 0.75) / LN10
    assert log10_p < -1000
    assert check_log10_p(log10_p, 160_000, 180_000, 0.75, None)
    assert not check_log10_p(log10_p - 1e-9, 160_000, 180_000, 0.75, None)
    assert not check_log10_p(log10_p + 0.01, 160_000, 180_000, 0.75, None)
    knot, log_bound = convex_tail(160_000, 180_000, 0.75)
    assert log10_p < log_bound / LN10 < log10_p + 1
    assert check_log10_p(log_bound / LN10, 160_000, 180_000, 0.75, knot)


# Verification


@pytest.mark.parametrize("shots", [250_000, 2_500_000, 250_000_000])
@pytest.mark.parametrize("design", ["blocks", "random"])
def test_tests_of_many_trials_near_the_bound_verify(shots, design):
    # S a little above 2: the logarithms of factorials cancel to 1e-7 there.
    wins = shots * 3 // 4 + round(0.6 * math.sqrt(shots))
    array = np.zeros((2, 2, 2, 2), dtype=int)
    for x, y in np.ndindex(2, 2):
        array[x, y, 0, 0 if (x, y) != (1, 1) else 1] = wins
        array[x, y, 1, 0 if (x, y) != (1, 1) else 1] = shots - wins
    counts = BellCounts(array, design, np.full((2, 2), 0.25) if design == "random" else None)
    for expression in (chsh(), tilted()):
        test = game_test(counts, expression)
        assert test.verify(), test.verify().reason
    assert -3 < game_test(counts, chsh()).log10_p_value < -1


def honest_test():
    return game_test(load_bundled_counts("delft_2015").counts, chsh())


@pytest.mark.parametrize(
    "field",
    ["expression", "tested", "setting_probabilities", "predictability", "score", "score_bound", "log10_p_value"],
)
@pytest.mark.parametrize(
    "garbage",
    [math.nan, math.inf, -math.inf, -1, 1e300, "text", None, [], {}, np.array([1.5]), np.full((2, 2, 2, 2), np.nan)],
    ids=repr,
)
def test_garbage_is_refuted_and_never_raises(field, garbage, refused):
    assert refused(honest_test(), **{field: garbage})


@pytest.mark.parametrize("garbage", [math.nan, math.inf, -1, 0.5, 10**9, "text", None, []], ids=repr)
def test_garbage_knots_and_designs_are_refuted(garbage, refused):
    behavior = Behavior.from_correlators(np.array([[1, 1], [1, -1]]) * 0.68, marginals=False)
    test = game_test(behavior.sample(200, 1), tilted())
    assert test.log10_p_value < -1
    assert test.verify()
    assert refused(test, knot=garbage)
    assert refused(test, design=garbage)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("score", 197.0),
        ("score_bound", 0.74),
        ("score_bound", 0.76),
        ("predictability", 0.01),
        ("design", "blocks"),
        ("setting_probabilities", np.array([[0.3, 0.2], [0.3, 0.2]])),
        ("expression", chsh((0, 0))),
        ("log10_p_value", -1.5),
        ("log10_p_value", -1.3),
    ],
)
def test_edited_tests_are_refuted(field, value):
    assert honest_test().verify()
    assert not dataclasses.replace(honest_test(), **{field: value}).verify()


def test_saved_tests_verify(tmp_path):
    honest_test().save(tmp_path / "game.json")
    loaded = GameTest.load(tmp_path / "game.json")
    assert loaded == honest_test()
    assert loaded.verify()


def test_assumptions_name_what_was_fixed_beforehand():
    assert any("number of trials was fixed" in line for line in honest_test().assumptions)
    blocks = game_test(Behavior.from_state(werner_state(1), "chsh").sample(50, 1), chsh())
    assert any("shots of each setting were fixed" in line for line in blocks.assumptions)


def test_settings_without_trials_do_not_count():
    # In blocks: only three of the settings were played, in which a local strategy scores as much as possible.
    settings = np.repeat([[0, 0], [0, 1], [1, 0]], 20, axis=0)
    trials = BellTrials(settings, np.zeros_like(settings), chsh().scenario, "blocks")
    for expression in (chsh(), tilted()):
        with pytest.raises(CountsError, match=r"expression: .*not measured, got others for settings \(1, 1\)"):
            game_test(trials, expression)
    played = np.array([[1, 1], [1, 0]]).reshape(2, 2, 1, 1)
    test = game_test(trials, BellExpression(tilted().coefficients * played))
    assert test.score_bound == pytest.approx(test.score / 60, abs=1e-12)
    assert test.p_value == 1
    assert test.verify()
    with pytest.raises(CountsError, match=r"expression.*no local model reaches"):
        game_test(trials, BellExpression(chsh().coefficients * played))


# Other expressions


@pytest.mark.parametrize(("total", "mean"), [(12, 0.3), (40, 0.75), (60, 0.5)])
def test_convex_bound_lies_between_the_binomial_tail_and_the_other_bounds(total, mean):
    for score in range(math.ceil(total * mean) + 1, total + 1):
        knot, log_p = convex_tail(score, total, mean)
        bound, tail = math.exp(log_p), float(binomial_tail(score, total, Fraction(mean)))
        assert knot < score
        share = score / total
        chernoff = math.exp(
            -total
            * (share * math.log(share / mean) + ((1 - share) * math.log((1 - share) / (1 - mean)) if share < 1 else 0))
        )
        assert tail * (1 - 1e-9) <= bound <= min(chernoff, math.exp(-2 * total * (share - mean) ** 2)) * (1 + 1e-9)
        # V. Bentkus, Ann. Probab. 32, 1650 (2004): at most e times the tail, at whole numbers.
        assert bound <= math.e * tail * (1 + 1e-9)


@pytest.mark.parametrize(("total", "mean"), [(12, 0.3), (40, 0.75)])
def test_convex_bound_between_whole_scores(total, mean):
    tails = [float(binomial_tail(k, total, Fraction(mean))) for k in range(total + 1)]
    for score in np.arange(math.ceil(total * mean) + 1, total, 0.25):
        bound = math.exp(convex_tail(float(score), total, mean)[1])
        below = math.floor(score)
        # Logarithms of the tail, interpolated.
        tail = tails[below] ** (below + 1 - score) * tails[below + 1] ** (score - below)
        assert tails[math.ceil(score)] * (1 - 1e-9) <= bound <= math.e * tail * (1 + 1e-9)
        assert bound <= math.exp(-2 * (score - total * mean) ** 2 / total) * (1 + 1e-9)


def test_convex_bound_is_the_best_over_all_knots():
    # E[max(B - h, 0)] / (s - h) by hand, for whole and other h.
    total, mean, score = 30, Fraction(3, 4), 27.5
    masses = [math.comb(total, k) * mean**k * (1 - mean) ** (total - k) for k in range(total + 1)]

    def bound(h):
        return float(sum(m * max(k - Fraction(h), 0) for k, m in enumerate(masses))) / (score - h)

    knot, log_p = convex_tail(score, total, float(mean))
    assert math.exp(log_p) == pytest.approx(bound(knot), rel=1e-10)
    assert math.exp(log_p) <= min(bound(h) for h in np.arange(0, 27.5, 0.125)) * (1 + 1e-10)


@pytest.mark.parametrize(("score", "total", "mean"), [(0.0, 10, 0.0), (7.5, 10, 0.75), (3.0, 10, 0.75)])
def test_convex_bound_claims_nothing_up_to_the_mean(score, total, mean):
    assert convex_tail(score, total, mean)[1] == 0


def test_convex_bound_holds_for_unequal_trials():
    # Trials with scores 0, 1/2 and 1 and unequal means: the exact distribution of their sum.
    rng = np.random.default_rng(3)
    for _ in range(30):
        masses = rng.dirichlet(np.full(3, 0.5), size=10)
        distribution = np.ones(1)
        for row in masses:
            distribution = np.convolve(distribution, row)
        mean = float((masses @ [0, 0.5, 1]).mean())
        for twice in range(math.ceil(20 * mean) + 1, 21):
            tail = float(distribution[twice:].sum())
            assert tail <= math.exp(convex_tail(twice / 2, 10, mean)[1]) * (1 + 1e-9)


@pytest.mark.parametrize("expression", [tilted(), cglmp(3), i3322()], ids=["tilted", "cglmp", "i3322"])
def test_scores_have_a_mean_that_no_strategy_exceeds(expression):
    rng = np.random.default_rng(1)
    shots = rng.integers(20, 90, size=expression.scenario.num_settings)
    counts = Behavior.white_noise(expression.scenario).sample(shots, 1)
    test = game_test(counts, expression)
    assert not test.binomial
    scores = _scores(expression.coefficients, shots / shots.sum(), False)
    assert scores.min() == 0
    assert scores.max() == 1
    tables = strategy_tables(enumerate_strategies(expression.scenario), expression.scenario)
    weights = (shots / shots.sum()).reshape((*shots.shape, 1, 1))
    means = tables @ (weights * scores).ravel()
    assert means.max() <= test.score_bound
    assert means.max() == pytest.approx(test.score_bound, abs=1e-12)
    # The mean score is the value of the expression, shifted and scaled.
    values = tables @ expression.coefficients.ravel()
    np.testing.assert_allclose(
        np.polyfit(values, means, 1) @ np.stack([values, np.ones_like(values)]), means, atol=1e-9
    )


def test_tilted_expression_sees_the_violation():
    behavior = Behavior.from_correlators(np.array([[1, 1], [1, -1]]) * 0.68, marginals=False)
    assert tilted().value(behavior) > local_bound(tilted()).value
    test = game_test(behavior.sample(np.array([[900, 1000], [1000, 1200]]), 1), tilted())
    assert test.p_value < 1e-6
    assert test.verify()
    assert not dataclasses.replace(test, log10_p_value=test.log10_p_value - 1e-3).verify()
    assert not dataclasses.replace(test, score=test.score + 1).verify()
    assert not dataclasses.replace(test, knot=math.ceil(test.score)).verify()


def i3322_behavior():
    """The singlet at the settings that violate I3322 most: by 1/4 (arXiv:quant-ph/0306129)."""
    angles = np.radians([[0, 60, 120], [240, 180, 120]])
    return Behavior.from_state(werner_state(1), [[(np.sin(a), 0, np.cos(a)) for a in party] for party in angles])


def cglmp_behavior():
    """The maximally entangled pair of qutrits, which reaches 2.8729 (arXiv:quant-ph/0106024)."""
    table = np.zeros((2, 2, 3, 3))
    for x, y, a, b in np.ndindex(table.shape):
        table[x, y, a, b] = 1 / (54 * np.sin(np.pi / 3 * (a - b + (0, 0.5)[x] + (0.25, -0.25)[y])) ** 2)
    return Behavior(table)


@pytest.mark.parametrize(
    ("expression", "behavior", "value", "shots"),
    [
        (i3322(), i3322_behavior(), 0.25, 5 * np.array([[900, 1300, 1000], [1100, 1200, 800], [950, 1050, 1150]])),
        (cglmp(3), cglmp_behavior(), 2.8729, np.array([[300, 500], [400, 350]])),
    ],
    ids=["i3322", "cglmp"],
)
@pytest.mark.parametrize("design", ["blocks", "random"])
def test_other_inequalities_see_their_violation(expression, behavior, value, shots, design):
    assert expression.value(behavior) == pytest.approx(value, abs=5e-5)
    probabilities = shots / shots.sum() if design == "random" else None

    def test_of(one):
        return game_test(BellCounts(one.sample(shots, 1).array, design, probabilities), expression)

    test = test_of(behavior)
    assert not test.binomial
    assert test.fixed_settings is (design == "blocks")
    assert test.log10_p_value < -5
    assert test.verify()
    assert str(test.num_trials) in str(test)
    for field, changed in (
        ("log10_p_value", test.log10_p_value - 1e-3),
        ("score", test.score + 1),
        ("score_bound", test.score_bound - 1e-4),
        ("score_bound", test.score_bound + 1e-4),
        ("tested", test.tested + 1),
        ("knot", test.knot + 1),
        ("expression", BellExpression(2 * test.expression.coefficients + np.eye(test.tested.shape[-1]))),
    ):
        assert not dataclasses.replace(test, **{field: changed}).verify(), field
    # At the local bound nothing is found.
    local = Behavior(local_tables(expression).mean(axis=0).reshape(expression.scenario.shape))
    assert expression.value(local) == pytest.approx(local_bound(expression).value)
    assert test_of(local).p_value > 0.05


def local_tables(expression):
    """Tables of the strategies that reach the local bound."""
    tables = strategy_tables(enumerate_strategies(expression.scenario), expression.scenario)
    values = tables @ expression.coefficients.ravel()
    return tables[values >= values.max() - 1e-9]


def test_p_values_of_an_expression_are_valid_at_its_facet():
    expression = tilted()
    behavior = Behavior(local_tables(expression).mean(axis=0).reshape(expression.scenario.shape))
    found = [game_test(behavior.sample(np.array([[150, 30], [40, 60]]), s), expression).p_value for s in range(400)]
    for alpha in (0.5, 0.1, 0.02):
        assert np.mean(np.array(found) <= alpha) <= alpha + 3 * math.sqrt(alpha * (1 - alpha) / 400)


def test_predictability_of_other_expressions():
    rng = np.random.default_rng(2)
    trials = BellTrials(rng.integers(2, size=(400, 2)), rng.integers(2, size=(400, 2)), design="random")
    plain = game_test(trials, tilted())
    careful = game_test(trials, tilted(), predictability=0.03)
    assert plain.score_bound < careful.score_bound < 1
    scores = _scores(tilted().coefficients, np.full((2, 2), 0.25), False)
    tables = strategy_tables(enumerate_strategies(tilted().scenario), tilted().scenario)
    for shifts in itertools.product((-0.03, 0.03), repeat=3):
        first, second = 0.5 + shifts[0], 0.5 + np.array(shifts[1:])
        p = np.array(
            [[first * second[0], first * (1 - second[0])], [(1 - first) * second[1], (1 - first) * (1 - second[1])]]
        )
        assert (tables @ (p[:, :, None, None] * scores).ravel()).max() <= careful.score_bound


# Refusals


def test_expressions_that_cannot_be_tested():
    counts = Behavior.from_state(werner_state(1), "chsh").sample(100, 1)
    with pytest.raises(CountsError, match=r"expression.*shape"):
        game_test(counts, mermin(3))
    with pytest.raises(CountsError, match=r"expression.*differ"):
        game_test(counts, BellExpression(np.ones((2, 2, 2, 2))))
    # A local strategy that always answers 0 wins always.
    trivial = np.zeros((2, 2, 2, 2))
    trivial[:, :, 0, 0] = 1
    with pytest.raises(CountsError, match=r"expression.*no local model reaches"):
        game_test(counts, BellExpression(trivial))


@pytest.mark.parametrize("expression", [chsh(), tilted()], ids=["game", "expression"])
def test_settings_that_can_be_predicted_too_well(expression):
    counts = load_bundled_counts("delft_2015").counts
    with pytest.raises(CountsError, match=r"predictability.*settings \(0, 0\) have probability 0.25"):
        game_test(counts, expression, predictability=0.5)
    rare = BellCounts(counts.array, "random", np.array([[0.49, 0.01], [0.01, 0.49]]))
    with pytest.raises(CountsError, match=r"predictability.*\(0, 1\) have probability 0.01"):
        game_test(rare, chsh(), predictability=0.05)
    blocks = load_bundled_counts("ibm_hanoi19_20circuit13").counts
    with pytest.raises(CountsError, match=r"predictability.*blocks"):
        game_test(blocks, chsh(), predictability=0.01)


def test_post_selected_counts_need_the_assumption():
    counts = Behavior.from_state(werner_state(1), "chsh").with_efficiency(0.8).sample(500, 1)
    kept = BellCounts(counts.array, lost_outcomes=(2, 2)).post_select()
    with pytest.raises(CountsError, match=r"fair_sampling=True"):
        game_test(kept, chsh())
    assert game_test(kept, BellExpression(-chsh().coefficients), fair_sampling=True).p_value < 1e-5


def test_unequal_blocks_count_as_if_each_setting_had_the_shots_of_the_rarest():
    shots = np.array([[260, 250], [270, 230]])
    cells = Behavior.from_correlators([[0.7, 0.7], [0.7, -0.7]], marginals=False).sample(shots, 1)
    constants = np.zeros((2, 2, 1, 1))
    constants[0, 0], constants[1, 1] = 0.5, -0.5
    # The constants change no value, but make the wins of each setting count by the inverse of its shots.
    test = game_test(cells, BellExpression(chsh().coefficients + constants))
    assert not test.binomial
    assert test.verify()
    wins = np.where(chsh().coefficients > 0, cells.array, 0).sum(axis=(2, 3))
    score = float(np.sum(wins / shots)) * 230
    assert test.score == pytest.approx(score, rel=1e-6)
    # Up to four trials more, by rounding: the bound of the tail of Bin(4 * 230, 3 / 4).
    expected = convex_tail(score, 4 * 230, 0.75)[1] / math.log(10)
    assert expected - 1e-9 <= test.log10_p_value <= expected + 0.1
    assert not dataclasses.replace(test, log10_p_value=test.log10_p_value - 0.01).verify()


def test_scores_of_unequal_blocks_keep_their_level():
    local = Behavior.from_correlators([[0.9, 0.9], [0.9, 0.7]], marginals=False)
    shots = np.array([[60, 50], [55, 40]])
    constants = np.zeros((2, 2, 1, 1))
    constants[0, 0], constants[1, 1] = 0.5, -0.5
    expression = BellExpression(chsh().coefficients + constants)
    small = [game_test(local.sample(shots, seed), expression).p_value <= 0.1 for seed in range(400)]
    assert np.mean(small) <= 0.1
