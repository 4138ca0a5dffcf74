import dataclasses
import math

import numpy as np
import pytest
from qiskit_lhv import (
    Behavior,
    BellCounts,
    BellScenario,
    BellTrials,
    chsh,
    ghz_state,
    load_bundled_counts,
    ratio_e_value,
    werner_state,
)
from qiskit_lhv.exceptions import CountsError
from qiskit_lhv.models.deterministic import enumerate_strategies, strategy_tables
from qiskit_lhv.polytope import i3322, mermin
from qiskit_lhv.statistics import EValue, evidence_rate, ratio_e_values
from qiskit_lhv.statistics.evidence import e_values, ratios, stages
from qiskit_lhv.statistics.fits import generated_fits, local_fit
from qiskit_lhv.targets.coordinates import cells_from_collins_gisin
from scipy.optimize import linprog

from helpers import PLANE, draw_trials

UNEQUAL = np.array([[1300, 900], [900, 40]])


def all_tables(scenario):
    return strategy_tables(enumerate_strategies(scenario), scenario)


def facet_tables(expression):
    tables = all_tables(expression.scenario)
    values = tables @ expression.coefficients.ravel()
    return tables[values >= values.max() - 1e-9]


def facet_behavior(expression=None):
    """The equal mixture of the strategies on a facet of the local polytope."""
    expression = chsh() if expression is None else expression
    return Behavior(facet_tables(expression).mean(axis=0).reshape(expression.scenario.shape))


def weighted(e_value):
    """Coefficients of every stage's mean, one flattened row a stage."""
    n = e_value.tested.ndim // 2
    wide = e_value.setting_weights.reshape(e_value.setting_weights.shape + (1,) * n)
    return (wide * e_value.factors).reshape(e_value.num_stages, -1)


# The parts of an e-value


@pytest.mark.parametrize(
    "counts",
    [
        Behavior.from_state(werner_state(0.9), "chsh").sample(UNEQUAL, 3),
        Behavior.from_state(werner_state(0.95), [PLANE, PLANE]).sample(300, 3),
        Behavior.from_state(ghz_state(3, 0.8), "mermin").sample(200, 3),
        Behavior.from_state(werner_state(1), "chsh").with_efficiency(0.9).sample(400, 3),
    ],
    ids=["chsh", "3 x 3", "3 parties", "3 outcomes"],
)
def test_mean_of_every_factor_is_bounded_for_every_strategy(counts):
    e_value = ratio_e_value(counts, seed=4)
    means = weighted(e_value) @ all_tables(counts.scenario).T
    assert np.all(means.max(axis=1) <= e_value.mean_bounds)
    # And not looser than rounding requires.
    np.testing.assert_allclose(means.max(axis=1), e_value.mean_bounds, rtol=1e-10)
    np.testing.assert_array_equal(e_value.factors[0], 1)
    np.testing.assert_array_equal(e_value.tested.sum(axis=0), counts.array)
    assert e_value.num_shots == counts.total_shots
    assert e_value.verify()


def test_weights_in_blocks_are_the_shares_of_each_stage():
    e_value = ratio_e_value(Behavior.from_state(werner_state(0.9), "chsh").sample(UNEQUAL, 3), seed=4)
    shots = e_value.tested.sum(axis=(3, 4))
    assert np.any(shots[:, 1, 1] == 0)  # a stage may have no shot of a rare setting
    np.testing.assert_allclose(e_value.setting_weights, shots / shots.sum(axis=(1, 2), keepdims=True))


def test_log_e_is_the_product_over_shots():
    e_value = ratio_e_value(load_bundled_counts("delft_2015").counts, seed=3)
    by_hand = sum(
        float(n) * math.log(r / bound)
        for tested, factor, bound in zip(e_value.tested, e_value.factors, e_value.mean_bounds, strict=True)
        for n, r in zip(tested.flat, factor.flat, strict=True)
    )
    assert e_value.log_e == pytest.approx(by_hand)
    assert e_value.log_e_by_stage[-1] == pytest.approx(by_hand)
    assert e_value.log_e_by_stage[0] == pytest.approx(0, abs=1e-9)
    assert e_value.p_value == pytest.approx(min(1, math.exp(-by_hand)))


def test_random_settings_are_ordered_without_regard_to_settings():
    counts = load_bundled_counts("delft_2015").counts
    found = [ratio_e_value(counts, seed=seed).tested[0].sum(axis=(2, 3)) for seed in range(20)]
    assert {int(one.sum()) for one in found} == {16}
    # In blocks the numbers for each setting would be fixed; here they vary from order to order.
    assert len({int(one[0, 0]) for one in found}) > 3
    e_value = ratio_e_value(counts, seed=1)
    np.testing.assert_allclose(e_value.setting_weights, 0.25)


def test_trials_are_tested_in_the_order_they_were_taken():
    trials = draw_trials(Behavior.from_state(werner_state(0.9), "chsh"), 500, 1)
    e_value = ratio_e_value(trials)
    start = 0
    for tested in e_value.tested:
        size = int(tested.sum())
        np.testing.assert_array_equal(tested, trials.part(slice(start, start + size)).table)
        start += size
    assert start == 500


def test_a_factor_depends_on_earlier_shots_alone():
    trials = draw_trials(Behavior.from_state(werner_state(0.9), "chsh"), 800, 2)
    first = ratio_e_value(trials)
    k = first.num_stages // 2
    cut = int(first.tested[:k].sum())
    outcomes = trials.outcomes.copy()
    outcomes[cut:, 0] = 1 - outcomes[cut:, 0]
    second = ratio_e_value(BellTrials(trials.settings, outcomes, trials.scenario, "random"))
    # The first stage whose shots differ still has the same factor; later ones do not.
    np.testing.assert_allclose(first.factors[: k + 1], second.factors[: k + 1], rtol=1e-12)
    np.testing.assert_allclose(first.mean_bounds[: k + 1], second.mean_bounds[: k + 1], rtol=1e-12)
    assert np.abs(first.factors[k + 1 :] - second.factors[k + 1 :]).max() > 0.1


def test_trials_may_be_stopped_at_any_time():
    # What was gained by any trial does not depend on how many were taken after it.
    trials = draw_trials(Behavior.from_state(werner_state(0.9), "chsh"), 400, 2)
    whole = ratio_e_value(trials)
    ends = whole.tested.reshape(whole.num_stages, -1).sum(axis=1).cumsum()
    for stop in (100, 163, 250, 399):
        stopped = ratio_e_value(trials.part(slice(0, stop)))
        full = int(np.sum(ends <= stop))
        np.testing.assert_allclose(stopped.log_e_by_stage[:full], whole.log_e_by_stage[:full], atol=1e-9)
        count = stopped.num_stages
        np.testing.assert_allclose(stopped.factors, whole.factors[:count], rtol=1e-9)
        np.testing.assert_allclose(stopped.mean_bounds, whole.mean_bounds[:count], rtol=1e-9)


@pytest.mark.parametrize("null", ["local", "no-signaling"])
@pytest.mark.parametrize("design", ["blocks", "random"])
def test_a_factor_of_counts_depends_on_earlier_stages_alone(design, null):
    array = Behavior.from_state(werner_state(0.9), "chsh").sample(200, 2).array
    counts = BellCounts(array, design, np.full((2, 2), 0.25) if design == "random" else None)
    scenario, tables, weights = stages.draw_stages(counts, 3)
    k = len(tables) // 2
    # Party 0's outcomes are exchanged from stage k on; the numbers of shots of the settings stay.
    replaced = np.concatenate([tables[:k], tables[k:, :, :, ::-1]])
    assert not np.array_equal(replaced[k], tables[k])
    engine = ratios.RatioEngine(scenario, null)
    first, second = (engine.run(one[None], weights[None])[:2] for one in (tables, replaced))
    for before, after in zip(first, second, strict=True):
        np.testing.assert_allclose(before[0, : k + 1], after[0, : k + 1], rtol=1e-9)
    assert np.abs(first[0][0, k + 1 :] - second[0][0, k + 1 :]).max() > 0.1
    # And what the public function does is just this.
    np.testing.assert_array_equal(ratio_e_value(counts, null=null, seed=3).factors, first[0][0])


def test_many_at_once_are_what_each_is_alone():
    data = [
        Behavior.from_state(werner_state(0.9), "chsh").sample(200, 1),
        Behavior.from_state(werner_state(0.9), [PLANE, PLANE]).sample(50, 2),
        Behavior.from_state(werner_state(0.8), "chsh").sample(200, 3),
        Behavior.from_state(werner_state(0.8), "chsh").sample(300, 3),
    ]
    for null in ("local", "no-signaling"):
        together = ratio_e_values(data, null=null, seed=5)
        alone = [ratio_e_value(one, null=null, seed=5) for one in data]
        np.testing.assert_allclose([e.log_e for e in together], [e.log_e for e in alone], atol=1e-6)


# What it says


def test_e_value_grows_at_the_rate_of_the_divergence():
    behavior = Behavior.from_state(werner_state(0.9), "chsh")
    rates = [ratio_e_value(behavior.sample(75_000, seed), seed=seed).log_e / 300_000 for seed in range(5)]
    assert np.mean(rates) == pytest.approx(evidence_rate(behavior).rate, rel=0.03)


def test_more_than_a_third_of_the_shots_would_give():
    # The plain method gives log10 e of 1397 and 457 for these tables.
    for name, least in (("ibm_hanoi19_20circuit13", 2050), ("ibm_mumbai23_24circuit13", 670)):
        e_value = ratio_e_value(load_bundled_counts(name).counts, seed=1)
        assert e_value.log_e / math.log(10) > least
        assert e_value.p_value == 0
        assert e_value.log10_p_value == pytest.approx(-e_value.log_e / math.log(10))


def test_three_settings_find_what_no_pair_of_settings_shows():
    # The state of Collins and Gisin (arXiv:quant-ph/0306129) at the settings that violate I3322 most.
    ket = np.array([2, 0, 0, 1]) / np.sqrt(5)
    rho = 0.85 * np.outer(ket, ket) + 0.15 * np.diag([0, 1.0, 0, 0])
    angles = [[-0.0909, 1.0516, 2.1943], [0.1, 0.1, 0.1]]
    from scipy.optimize import minimize

    def behavior_of(values):
        vectors = [(math.sin(a), 0, math.cos(a)) for a in values]
        return Behavior.from_state(rho, [vectors[:3], vectors[3:]])

    rng = np.random.default_rng(3)
    starts = [np.ravel(angles), *rng.uniform(0, 2 * np.pi, size=(6, 6))]
    best = min((minimize(lambda v: -i3322().value(behavior_of(v)), s) for s in starts), key=lambda r: r.fun)
    behavior = behavior_of(best.x)
    assert -best.fun > 0.01
    counts = behavior.sample(300_000, 1)
    assert ratio_e_value(counts, seed=1).log10_p_value < -20
    for x in ([0, 1], [0, 2], [1, 2]):
        for y in ([0, 1], [0, 2], [1, 2]):
            pair = BellCounts(counts.array[np.ix_(x, y)])
            assert ratio_e_value(pair, seed=1).p_value > 0.01


def test_no_signaling_is_tested_likewise():
    signaling = load_bundled_counts("ibm_washington91_98circuit4").counts
    found = ratio_e_value(signaling, null="no-signaling", seed=1)
    assert found.log10_p_value < -10
    assert found.verify()
    # A Popescu-Rohrlich box is as nonlocal as can be, but does not signal.
    box = Behavior.from_correlators(np.array([[1, 1], [1, -1]]), marginals=False)
    harmless = ratio_e_value(box.sample(3000, 1), null="no-signaling", seed=1)
    assert harmless.log_e < 3
    assert harmless.verify()
    assert ratio_e_value(box.sample(3000, 1), seed=1).log10_p_value < -1000


def test_bounds_of_no_signaling_hold_for_boxes_and_mixtures():
    e_value = ratio_e_value(load_bundled_counts("ibm_washington91_98circuit4").counts, null="no-signaling", seed=1)
    boxes = [
        Behavior.from_correlators(sign * np.where(np.eye(4)[i].reshape(2, 2) > 0, -1, 1), marginals=False).array.ravel()
        for i in range(4)
        for sign in (1, -1)
    ]
    vertices = np.concatenate([all_tables(BellScenario((2, 2), (2, 2))), boxes])
    means = weighted(e_value) @ vertices.T
    assert np.all(means.max(axis=1) <= e_value.mean_bounds)
    assert means.max() == pytest.approx(1, abs=1e-4)


@pytest.mark.parametrize(
    "counts",
    [
        Behavior.from_state(werner_state(0.95), [PLANE, PLANE]).sample(np.array([[9, 8, 7], [6, 60, 5], [4, 3, 2]]), 3),
        Behavior.from_state(ghz_state(3, 0.8), "mermin").sample(40, 3),
        Behavior.from_state(werner_state(1), "chsh").with_efficiency((0.9, 0.7)).sample(90, 3),
    ],
    ids=["3 x 3", "3 parties", "3 outcomes"],
)
def test_bounds_of_no_signaling_hold_for_its_extreme_behaviors(counts):
    e_value = ratio_e_value(counts, null="no-signaling", seed=4)
    assert e_value.verify()
    # In Collins-Gisin coordinates, the first of which is 1, all that is asked is that no probability be negative.
    maps = cells_from_collins_gisin(counts.scenario)
    rng = np.random.default_rng(5)
    coefficients = weighted(e_value)
    for k, goal in enumerate([*coefficients[1:], *rng.normal(size=(10, coefficients.shape[1]))]):
        found = linprog(
            -goal @ maps, A_ub=-maps, b_ub=np.zeros(len(maps)), bounds=[(1, 1)] + [(None, None)] * (maps.shape[1] - 1)
        )
        means = coefficients @ maps @ found.x
        assert np.all(means <= e_value.mean_bounds + 1e-9)
        if k < len(coefficients) - 1:
            # The largest mean there is; the bound is not much looser.
            assert means[k + 1] == pytest.approx(e_value.mean_bounds[k + 1], abs=1e-3)


# Validity


def mean_and_error(values):
    return np.mean(values), np.std(values) / math.sqrt(len(values))


@pytest.mark.parametrize(
    ("expression", "shots"),
    [
        (chsh(), np.full((2, 2), 60)),
        (chsh(), np.array([[200, 30], [30, 8]])),
        (i3322(), np.array([[40, 30, 20], [30, 9, 5], [20, 5, 1]])),
        (mermin(3), np.full((2, 2, 2), 14)),
    ],
    ids=["chsh", "unequal", "i3322", "mermin"],
)
def test_mean_of_e_is_at_most_one_for_local_models(expression, shots):
    rng = np.random.default_rng(7)
    tables = facet_tables(expression).reshape(-1, *expression.scenario.shape)
    for weights in (np.ones(len(tables)), rng.dirichlet(np.full(len(tables), 0.3))):
        behavior = Behavior(np.tensordot(weights / weights.sum(), tables, axes=1))
        data = [behavior.sample(shots, seed) for seed in range(300)]
        e_values = np.exp([one.log_e for one in ratio_e_values(data, seed=1)])
        mean, error = mean_and_error(e_values)
        assert mean <= 1 + 3 * error
        assert np.mean(e_values >= 20) <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / 300)


def test_memory_gains_nothing():
    # After every trial that was lost, the device switches to a strategy that wins that setting.
    scenario, won = chsh().scenario, chsh().coefficients > 0
    strategies = enumerate_strategies(scenario)
    good = strategies[all_tables(scenario) @ chsh().coefficients.ravel() == 2]
    data = []
    for seed in range(250):
        rng = np.random.default_rng(seed)
        settings = rng.integers(2, size=(300, 2))
        outcomes, current = [], good[0]
        for x, y in settings:
            a, b = current[x], current[2 + y]
            outcomes.append((a, b))
            if not won[x, y, a, b]:
                winners = [s for s in good if won[x, y, s[x], s[2 + y]]]
                current = winners[rng.integers(len(winners))]
        data.append(BellTrials(settings, outcomes, scenario, "random"))
    e_values = np.exp([one.log_e for one in ratio_e_values(data)])
    mean, error = mean_and_error(e_values)
    assert mean <= 1 + 3 * error
    assert np.mean(e_values >= 10) <= 0.1 + 3 * math.sqrt(0.09 / 250)


def test_biased_settings_keep_the_bound():
    probabilities = np.array([[0.4, 0.1], [0.3, 0.2]])
    data = [draw_trials(facet_behavior(), 300, seed, probabilities) for seed in range(250)]
    found = ratio_e_values(data)
    mean, error = mean_and_error(np.exp([one.log_e for one in found]))
    assert mean <= 1 + 3 * error
    np.testing.assert_allclose(found[0].setting_weights, np.broadcast_to(probabilities, (found[0].num_stages, 2, 2)))
    assert found[0].verify()


def test_predictable_settings_raise_the_bound():
    trials = draw_trials(Behavior.from_state(werner_state(0.95), "chsh"), 2000, 3)
    plain, careful = ratio_e_value(trials), ratio_e_value(trials, predictability=0.02)
    assert careful.log_e < plain.log_e
    assert careful.verify()
    # Any probabilities within the limits, each party's setting within 0.02 of 1/2 given the other's.
    rng = np.random.default_rng(1)
    tables = all_tables(trials.scenario)
    for _ in range(50):
        first = 0.5 + rng.uniform(-0.02, 0.02)
        second = 0.5 + rng.uniform(-0.02, 0.02, size=2)
        p = np.array([[first * second[0], first * (1 - second[0])], [(1 - first) * second[1], 0]])
        p[1, 1] = 1 - p.sum()
        means = (p[:, :, None, None] * careful.factors).reshape(careful.num_stages, -1) @ tables.T
        assert np.all(means.max(axis=1) <= careful.mean_bounds)
    assert ratio_e_value(trials, predictability=0.3).log_e <= 0


def drawn_probabilities(probabilities, predictability, rng):
    """Probabilities whose conditionals, party after party, differ from those given by at most the predictability."""
    drawn = np.ones_like(probabilities)
    for k in range(probabilities.ndim):
        joint = probabilities.sum(axis=tuple(range(k + 1, probabilities.ndim)))
        conditional = joint / joint.sum(axis=-1, keepdims=True)
        shift = rng.choice([-1, 0, 1, rng.uniform(-1, 1)], size=conditional.shape[:-1]) * predictability
        moved = conditional + np.stack([shift, -shift], axis=-1)
        drawn = drawn * moved.reshape(moved.shape + (1,) * (probabilities.ndim - k - 1))
    return drawn


@pytest.mark.parametrize(
    ("behavior", "probabilities"),
    [
        (Behavior.from_state(werner_state(1), "chsh"), np.array([[0.4, 0.1], [0.3, 0.2]])),
        (Behavior.from_state(ghz_state(3), "mermin"), np.random.default_rng(8).dirichlet(np.full(8, 9.0))),
    ],
    ids=["biased", "3 parties"],
)
def test_no_probabilities_within_the_limits_exceed_the_bound(behavior, probabilities):
    scenario = behavior.scenario
    probabilities = probabilities.reshape(scenario.num_settings)
    trials = draw_trials(behavior, 1500, 3, probabilities)
    e_value = ratio_e_value(trials, predictability=0.003)
    assert e_value.verify()
    assert e_value.log10_p_value < -5
    rng = np.random.default_rng(2)
    tables, largest = all_tables(scenario), 0.0
    for _ in range(200):
        p = drawn_probabilities(probabilities, 0.003, rng)
        assert p.sum() == pytest.approx(1)
        wide = p.reshape(p.shape + (1,) * p.ndim)
        means = ((wide * e_value.factors).reshape(e_value.num_stages, -1) @ tables.T).max(axis=1)
        assert np.all(means <= e_value.mean_bounds)
        largest = max(largest, means[-1])
    assert 1.001 < largest <= e_value.mean_bounds[-1] < 1.02


def test_a_device_that_predicts_settings_gains_nothing():
    # Each party's setting is known with probability 1/2 + tau: the one where the strategy loses is avoided.
    tau, shots, scenario = 0.05, 1500, chsh().scenario
    strategies = enumerate_strategies(scenario)
    tables = all_tables(scenario).reshape(-1, *scenario.shape)
    lost = [np.argwhere((table * chsh().coefficients).sum(axis=(2, 3)) < 0) for table in tables]
    good = [k for k, where in enumerate(lost) if len(where) == 1]
    assert len(good) == 8
    data = []
    for seed in range(100):
        rng = np.random.default_rng(seed)
        chosen = rng.choice(good, size=shots)
        settings = np.array([lost[k][0] for k in chosen]) ^ (rng.random((shots, 2)) < 0.5 + tau)
        rows = np.arange(shots)
        outcomes = np.stack([strategies[chosen][rows, settings[:, 0]], strategies[chosen][rows, 2 + settings[:, 1]]])
        data.append(BellTrials(settings, outcomes.T, scenario, "random"))
    plain, careful = (np.exp([one.log_e for one in ratio_e_values(data, predictability=value)]) for value in (0, tau))
    # Who does not allow for it is misled.
    assert np.median(plain) > 10
    mean, error = mean_and_error(careful)
    assert mean <= 1 + 3 * error


def test_settings_that_a_device_may_know_give_no_evidence():
    box = Behavior.from_correlators(np.array([[1, 1], [1, -1]]), marginals=False)
    trials = draw_trials(box, 1000, 1)
    found = [ratio_e_value(trials, predictability=tau) for tau in (0.1, 0.3)]
    assert all(one.p_value < 1 for one in found)
    assert all(one.verify() for one in found)
    # From here on a setting combination may never come: the local bound is trivial.
    for tau in (0.5, 1):
        with pytest.raises(CountsError, match=r"predictability.*settings \(0, 0\) have probability 0.25"):
            ratio_e_value(trials, predictability=tau)


# Sizes


def test_more_strategies_than_are_listed():
    # 2**13 strategies: they are generated.
    angles = [np.pi * np.arange(7) / 7, np.pi * (np.arange(6) + 0.5) / 6]
    settings = [[(np.cos(a), 0, np.sin(a)) for a in one] for one in angles]
    behavior = Behavior.from_state(werner_state(1), settings)
    assert behavior.scenario.num_strategies > local_fit.MAX_LISTED
    counts = behavior.sample(100, 1)
    e_value = ratio_e_value(counts, seed=1)
    assert e_value.log10_p_value < -5
    assert e_value.verify()
    np.testing.assert_array_equal(e_value.tested.sum(axis=0), counts.array)
    means = weighted(e_value) @ all_tables(behavior.scenario).T
    assert np.all(means.max(axis=1) <= e_value.mean_bounds)
    np.testing.assert_allclose(means.max(axis=1), e_value.mean_bounds, rtol=1e-9)


def test_single_shot_per_setting_is_enough():
    e_value = ratio_e_value(BellCounts(np.array([[[[1, 0], [0, 0]]] * 2] * 2)), seed=1)
    assert e_value.verify()
    assert e_value.log_e == pytest.approx(0, abs=1e-9)
    assert e_value.num_shots == 4


def test_huge_counts():
    table = load_bundled_counts("ibm_hanoi19_20circuit13").counts.array
    counts = BellCounts(table * 10**4)
    e_value = ratio_e_value(counts, seed=1)
    np.testing.assert_array_equal(e_value.tested.sum(axis=0), counts.array)
    assert e_value.log10_p_value < -2.1e7
    assert e_value.verify()
    with pytest.raises(CountsError, match=r"fewer than 1000000000 shots.*combine_e_values"):
        ratio_e_value(BellCounts(table * 10**5), seed=1)


def test_generated_strategies_give_the_same(monkeypatch):
    counts = Behavior.from_state(werner_state(0.95), [PLANE, PLANE]).sample(200, 1)
    listed = ratio_e_value(counts, seed=1)
    monkeypatch.setattr(ratios, "_MAX_RESPONSES", 10)
    generated = ratio_e_value(counts, seed=1)
    assert generated.log_e == pytest.approx(listed.log_e, abs=0.1)
    assert generated.verify()
    assert np.all(weighted(generated) @ all_tables(counts.scenario).T <= generated.mean_bounds[:, None])


def test_stages_add_up_and_grow():
    ends = stages.stage_ends(100_000, BellScenario((2, 2), (2, 2)))
    assert ends[0] == 16
    assert ends[-1] == 100_000
    assert np.all(np.diff(ends)[:-1] >= 8)
    assert len(ends) < 100
    assert stages.stage_ends(5, BellScenario((2, 2), (2, 2))).tolist() == [5]


def test_same_seed_gives_the_same_order():
    counts = load_bundled_counts("delft_2015").counts
    assert ratio_e_value(counts, seed=3) == ratio_e_value(counts, seed=3)
    assert ratio_e_value(counts, seed=3) != ratio_e_value(counts, seed=4)


def test_inequality_is_that_of_the_last_stage():
    e_value = ratio_e_value(Behavior.from_state(werner_state(0.95), "chsh").sample(5000, 3), seed=1)
    assert e_value.inequality.verify()
    assert e_value.inequality.bound.value == pytest.approx(e_value.mean_bounds[-1], abs=1e-9)
    assert e_value.inequality.violation(Behavior.from_state(werner_state(0.95), "chsh")) > 0


def test_seed_is_drawn_and_recorded():
    counts = load_bundled_counts("delft_2015").counts
    first, second = ratio_e_value(counts), ratio_e_value(counts)
    assert first.seed != second.seed
    assert ratio_e_value(counts, seed=first.seed) == first
    # Trials are tested in the order they were taken: nothing is drawn.
    trials = draw_trials(facet_behavior(), 100, 1)
    assert ratio_e_value(trials).seed is None
    assert ratio_e_value(trials) == ratio_e_value(trials, seed=5)
    blocks = BellTrials(trials.settings, trials.outcomes, trials.scenario, "blocks")
    assert ratio_e_value(blocks, seed=5).seed == 5


def test_seed_must_give_the_order_of_the_stages():
    counts = load_bundled_counts("delft_2015").counts
    for one in (counts, BellCounts(counts.array, "blocks"), BellCounts(np.tile([[5, 1], [2, 7]], (2, 2, 1, 1)))):
        e_value = ratio_e_value(one, seed=5)
        found = e_value.verify()
        assert found
        assert "tested in the order of the seed 5" in str(found)
        for seed in (4, 6, 10**6):
            refused = dataclasses.replace(e_value, seed=seed).verify()
            assert refused.refuted
            assert f"not tested in the order of the seed {seed}" in str(refused)
        # Without a seed nothing is claimed about the order, and the answer says that it was not checked.
        assert "not checked here" in str(dataclasses.replace(e_value, seed=None).verify())
    trials = ratio_e_value(draw_trials(facet_behavior(), 100, 1))
    assert trials.verify()
    assert dataclasses.replace(trials, seed=1).verify().refuted


@pytest.mark.parametrize("null", ["local", "no-signaling"])
def test_one_stage_takes_nothing_from_the_others_of_its_batch(null):
    behavior = Behavior.from_state(werner_state(0.95), [PLANE, PLANE])
    data = [behavior.sample(shots, seed) for seed, shots in enumerate((30, 100, 400))]
    engine = ratios.RatioEngine(behavior.scenario, null)
    for counts in data:
        _, tables, weights = stages.draw_stages(counts, 3)
        factors, bounds, _ = engine.run(tables[None], weights[None])
        # Beside another set of data, here the same stages backwards, they are what they are alone.
        both = engine.run(np.stack([tables, tables[::-1]]), np.stack([weights, weights[::-1]]))
        np.testing.assert_allclose(both[0][0], factors[0], rtol=1e-9)
        np.testing.assert_allclose(both[1][0], bounds[0], rtol=1e-9)


def extreme_tables(scenario, rng, count):
    """Tables of zeros and few outcomes, of few strategies, near one outcome, with very unequal shots."""
    combinations = scenario.num_setting_combinations
    outcomes = scenario.num_cells // combinations
    for i in range(count):
        sizes = zip(scenario.num_settings, scenario.max_outcomes, strict=True)
        chosen = np.hstack([rng.integers(d, size=(3, m)) for m, d in sizes])
        tables = strategy_tables(chosen, scenario).reshape(3, combinations, outcomes)
        near_one = np.full((combinations, outcomes), 1e-9)
        near_one[:, 0] = 1
        p = [
            np.eye(outcomes)[rng.integers(outcomes, size=combinations)],
            rng.dirichlet(np.full(outcomes, 0.02), combinations),
            tables[0],
            np.tensordot(rng.dirichlet(np.ones(3)), tables, axes=1),
            0.98 * near_one + 0.02 * rng.dirichlet(np.full(outcomes, 0.1), combinations),
        ][i % 5]
        p = p + 1e-300
        shots = np.exp(rng.uniform(0, (3, 7, 11)[i % 3], combinations)).astype(int) + 1
        drawn = [rng.multinomial(n, row / row.sum()) for n, row in zip(shots, p, strict=True)]
        yield BellCounts(np.array(drawn).reshape(scenario.shape))


@pytest.mark.slow
@pytest.mark.parametrize(
    "scenario",
    [
        BellScenario((2, 2), (2, 2)),
        BellScenario((2, 2, 2), (2, 2, 2)),
        BellScenario((4, 4), (2, 2)),
        BellScenario((2, 2), (6, 5)),
        BellScenario((1, 2), (2, 3)),
        BellScenario((1,), (2,)),
    ],
    ids=str,
)
def test_extreme_tables_never_fail(scenario):
    for null in ("local", "no-signaling"):
        for counts in extreme_tables(scenario, np.random.default_rng(4), 4):
            e_value = ratio_e_value(counts, null=null, seed=1)
            assert math.isfinite(e_value.log_e)
            assert e_value.verify()


@pytest.mark.slow
@pytest.mark.parametrize("rounds", [2, 60])
@pytest.mark.parametrize("scenario", [BellScenario((3, 3), (2, 2)), BellScenario((3, 2, 1), (3, 2, 2))], ids=str)
def test_extreme_tables_never_fail_where_strategies_are_generated(scenario, rounds, monkeypatch):
    monkeypatch.setattr(ratios, "_LISTED_PER_CELL", 0)
    monkeypatch.setattr(generated_fits, "_MAX_ROUNDS", rounds)
    for counts in extreme_tables(scenario, np.random.default_rng(5), 2):
        e_value = ratio_e_value(counts, seed=1)
        assert math.isfinite(e_value.log_e)
        assert e_value.verify()


@pytest.mark.parametrize(
    "array",
    [
        [[972, 0, 0, 28], [981, 0, 0, 19], [972, 0, 0, 28], [976, 6, 0, 18]],
        [[1000, 0, 0, 0]] * 4,
        [[0, 0, 0, 1]] * 4,
    ],
)
def test_tables_that_broke_exact_fits(array):
    counts = BellCounts(np.array(array).reshape(2, 2, 2, 2))
    for null in ("local", "no-signaling"):
        e_value = ratio_e_value(counts, null=null, seed=1)
        assert e_value.log_e < 3
        assert e_value.verify()


def test_a_fit_that_fails_costs_no_more_than_its_stage(monkeypatch):
    counts = Behavior.from_state(werner_state(0.95), "chsh").sample(300, 1)
    whole = ratio_e_value(counts, seed=1)
    fit = ratios.fit_responses

    def broken(maps, cells, *rest):
        q, gaps = fit(maps, cells, *rest)
        q[:, 5] = np.nan
        q[3, 7] = 0
        return q, gaps

    monkeypatch.setattr(ratios, "fit_responses", broken)
    e_value = ratio_e_value(counts, seed=1)
    np.testing.assert_array_equal(e_value.factors[[6, 8]], 1)
    np.testing.assert_array_equal(e_value.factors[9:], whole.factors[9:])
    assert e_value.verify()


@pytest.mark.slow
def test_many_outcomes_take_little():
    # Two parties of four qubits each: 256 outcomes for each of four setting combinations.
    k = np.arange(16)
    p = np.empty((2, 2, 16, 16))
    for x, alpha in enumerate((0.0, 0.5)):
        for y, beta in enumerate((0.25, -0.25)):
            shift = k[:, None] - k + alpha + beta
            p[x, y] = np.sin(np.pi * shift) ** 2 / np.sin(np.pi * shift / 16) ** 2 / 16**3
    behavior = Behavior(p / p.sum(axis=(2, 3), keepdims=True)).mix(visibility=0.9)
    counts = behavior.sample(4000, 1)
    for null in ("local", "no-signaling"):
        e_value = ratio_e_value(counts, null=null, seed=1)
        assert e_value.verify()
    assert ratio_e_value(counts, seed=1).log10_p_value < -40


def test_scenarios_beyond_proof_are_refused_before_any_work():
    array = np.ones((28, 28, 2, 2), dtype=int)
    with pytest.raises(CountsError, match=r"data: expected a scenario with at most 6.71e\+07 strategies"):
        ratio_e_value(BellCounts(array), seed=1)
    # No-signaling needs no strategies.
    assert ratio_e_value(BellCounts(array), null="no-signaling", seed=1).verify()


# Checks


@pytest.mark.parametrize(
    "change",
    [
        lambda e: {"mean_bounds": e.mean_bounds * (1 - 1e-9)},
        lambda e: {"log_e": e.log_e + 1e-3},
        lambda e: {"factors": e.factors * 1.001},
        lambda e: {"factors": -e.factors},
        lambda e: {"factors": e.factors * np.inf},
        lambda e: {"tested": e.tested + np.eye(2, dtype=int)},
        lambda e: {"setting_weights": e.setting_weights * np.array([[1.01, 1], [1, 1]])},
        lambda e: {"setting_weights": e.setting_weights[:, ::-1] * 0 + 0.25, "design": "blocks"},
        lambda e: {"null": "quantum"},
        lambda e: {"null": "no-signaling"},
    ],
)
def test_verify_refuses_tampered_e_values(change):
    counts = Behavior.from_state(werner_state(0.95), "chsh").sample(np.array([[900, 1000], [1000, 1100]]), 3)
    e_value = ratio_e_value(counts, seed=1)
    assert e_value.verify()
    assert not dataclasses.replace(e_value, **change(e_value)).verify()


@pytest.mark.parametrize(
    "change",
    [
        lambda e: {"predictability": 0.03},
        lambda e: {"design": "blocks"},
        lambda e: {"setting_weights": np.roll(e.setting_weights, 1, axis=2)},
        lambda e: {"setting_weights": np.concatenate([e.setting_weights[:-1], [[[0.1, 0.2], [0.3, 0.4]]]])},
        lambda e: {"mean_bounds": e.mean_bounds - 1e-6},
    ],
)
def test_verify_refuses_tampered_e_values_of_random_settings(change):
    trials = draw_trials(Behavior.from_state(werner_state(1), "chsh"), 1500, 3, np.array([[0.4, 0.1], [0.3, 0.2]]))
    e_value = ratio_e_value(trials, predictability=0.002)
    assert e_value.log_e > 5
    assert e_value.verify()
    assert not dataclasses.replace(e_value, **change(e_value)).verify()


@pytest.mark.parametrize(
    "change",
    [
        lambda e: {"multipliers": e.multipliers * 0},
        lambda e: {"multipliers": -e.multipliers},
        lambda e: {"multipliers": e.multipliers * np.nan},
        lambda e: {"multipliers": None},
        lambda e: {"mean_bounds": e.mean_bounds * (1 - 1e-6)},
    ],
)
def test_verify_refuses_tampered_tests_of_no_signaling(change):
    counts = load_bundled_counts("ibm_washington91_98circuit4").counts
    e_value = ratio_e_value(counts, null="no-signaling", seed=1)
    assert e_value.verify()
    assert not dataclasses.replace(e_value, **change(e_value)).verify()


@pytest.mark.parametrize("suffix", ["json", "npz"])
def test_saved_e_value_verifies_after_loading(tmp_path, suffix):
    for null in ("local", "no-signaling"):
        e_value = ratio_e_value(load_bundled_counts("delft_2015").counts, null=null, seed=3)
        e_value.save(tmp_path / f"e.{suffix}")
        loaded = EValue.load(tmp_path / f"e.{suffix}")
        assert loaded == e_value
        assert loaded.verify()


def test_bad_arguments():
    blocks = load_bundled_counts("ibm_hanoi19_20circuit13").counts
    with pytest.raises(CountsError, match=r"null: expected 'local'"):
        ratio_e_value(blocks, null="quantum")
    with pytest.raises(CountsError, match=r"predictability.*fixed in blocks"):
        ratio_e_value(blocks, predictability=0.01)
    random = load_bundled_counts("delft_2015").counts
    for value in (-0.1, 1.5, float("nan"), "a bit"):
        with pytest.raises(CountsError, match="predictability"):
            ratio_e_value(random, predictability=value)
    with pytest.raises(CountsError, match=r"predictability.*no-signaling"):
        ratio_e_value(random, null="no-signaling", predictability=0.01)


def test_post_selected_counts_need_the_assumption():
    counts = Behavior.from_state(werner_state(1), "chsh").with_efficiency(0.8).sample(500, 1)
    kept = BellCounts(counts.array, lost_outcomes=(2, 2)).post_select()
    with pytest.raises(CountsError, match=r"fair_sampling=True"):
        ratio_e_value(kept)
    assert ratio_e_value(kept, fair_sampling=True, seed=1).log10_p_value < -5


# A limit of time


class LookedAt:
    """A deadline that is over after some looks at the clock, so that no test depends on the machine."""

    def __init__(self, looks):
        self.looks = looks
        self.left = 1e9

    @property
    def over(self):
        self.looks -= 1
        return self.looks < 0


def plane_counts(num_settings, shots, seed):
    angles = [np.pi * (np.arange(num_settings) + shift) / num_settings for shift in (0, 0.5)]
    settings = [[(np.cos(a), 0, np.sin(a)) for a in one] for one in angles]
    return Behavior.from_state(werner_state(1), settings).sample(shots, seed)


@pytest.mark.slow
@pytest.mark.parametrize("num_settings", [8, 11], ids=["listed", "generated"])
def test_when_time_is_over_the_last_factor_serves_all_later_stages(num_settings, monkeypatch):
    monkeypatch.setattr(ratios, "_ENTRIES_BETWEEN_LOOKS", 1)
    data = plane_counts(num_settings, 60, 1)
    stage = stages.draw_stages(data, 1)
    (whole,) = e_values.e_values_of_stages([data], [stage], "local", 0.0)
    for looks in (1, 3):
        (cut,) = e_values.e_values_of_stages([data], [stage], "local", 0.0, LookedAt(looks))
        np.testing.assert_array_equal(cut.factors[: looks + 2], whole.factors[: looks + 2])
        assert not np.array_equal(whole.factors[looks + 2], whole.factors[looks + 1])
        np.testing.assert_array_equal(cut.factors[looks + 2 :], cut.factors[[looks + 1] * (cut.num_stages - looks - 2)])
        np.testing.assert_array_equal(cut.tested, whole.tested)
        # The bounds hold; that it was the clock that ended the choice of factors, nothing can show.
        assert cut.verify().status == "not re-proven"
        assert cut.log_e < whole.log_e
    # Without a limit that ends, nothing depends on the clock.
    assert ratio_e_value(data, seed=1, time_limit=1e6).log_e == pytest.approx(whole.log_e, rel=0.01)


def test_the_clock_does_not_choose_among_orders_or_groups():
    data = [plane_counts(8, 10, seed) for seed in (1, 2)]
    drawn = [stages.draw_stages(one, 1) for one in data]
    several = e_values.e_values_of_stages(data, drawn, "local", 0.0, LookedAt(0))
    for one, cut in zip(ratio_e_values(data, seed=1), several, strict=True):
        np.testing.assert_array_equal(one.factors, cut.factors)
