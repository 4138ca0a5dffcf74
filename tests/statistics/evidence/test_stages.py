import numpy as np
import pytest
from qiskit_lhv import Behavior, BellCounts, BellScenario, BellTrials, werner_state
from qiskit_lhv.exceptions import CountsError
from qiskit_lhv.statistics.evidence import stages
from qiskit_lhv.statistics.evidence.stages import draw_orders, draw_stages, stage_ends
from qiskit_lhv.statistics.random_orders import random_part

from helpers import CHSH

UNEQUAL = np.array([[700, 90], [40, 3]])
BIASED = np.array([[0.4, 0.1], [0.3, 0.2]])


def sample(shots=UNEQUAL):
    return Behavior.from_state(werner_state(0.9), "chsh").sample(shots, 1)


# Sizes


@pytest.mark.parametrize("total", [1, 4, 15, 16, 17, 23, 24, 25, 1000, 123_457])
def test_stages_end_with_the_last_shot(total):
    ends = stage_ends(total, CHSH)
    assert ends[-1] == total
    assert np.all(np.diff(ends) > 0)
    # No stage but the last one is short, and more shots do not move those before.
    assert np.all(np.diff(ends)[:-1] >= 8)
    np.testing.assert_array_equal(stage_ends(total + 500, CHSH)[: len(ends) - 1], ends[:-1])
    assert ends[0] == min(total, 16)


def test_a_stage_adds_a_tenth_of_the_shots_before():
    ends = stage_ends(10**6, CHSH)
    late = ends[(ends > 1000) & (ends < 5 * 10**5)]
    np.testing.assert_allclose(late[1:] / late[:-1], 1.1, atol=1e-3)


@pytest.mark.parametrize(
    ("scenario", "factor"),
    [
        (BellScenario((8, 8), (2, 2)), 1.2),
        (BellScenario((2, 2), (16, 16)), 1.2),
        (BellScenario((10, 10), (2, 2)), 1.5),
        (BellScenario((2, 2), (64, 64)), 2),
    ],
    ids=str,
)
def test_stages_are_longer_where_they_are_expensive(scenario, factor):
    ends = stage_ends(10**7, scenario)
    assert ends[0] == max(16, 2 * scenario.num_setting_combinations)
    np.testing.assert_allclose(ends[-6:-1] / ends[-7:-2], factor, atol=1e-3)


# Counts


def test_blocks_share_every_stage_alike():
    counts = sample()
    scenario, tables, weights = draw_stages(counts, 5)
    assert scenario == CHSH
    np.testing.assert_array_equal(tables.sum(axis=0), counts.array)
    assert tables.min() >= 0
    shots = tables.sum(axis=(3, 4))
    np.testing.assert_allclose(weights, shots / shots.sum(axis=(1, 2), keepdims=True))
    # Each setting's share of what was taken so far is the same, to within a shot.
    taken = shots.cumsum(axis=0)
    ends = stage_ends(counts.total_shots, CHSH)
    np.testing.assert_array_equal(taken, UNEQUAL * ends[:, None, None] // counts.total_shots)
    assert shots.sum(axis=(1, 2)).min() > 0


def test_numbers_of_shots_do_not_depend_on_outcomes():
    one = draw_stages(sample(), 5)[1].sum(axis=(3, 4))
    other = draw_stages(Behavior.white_noise(CHSH).sample(UNEQUAL, 9), 6)[1].sum(axis=(3, 4))
    np.testing.assert_array_equal(one, other)


def test_random_settings_keep_their_probabilities():
    counts = BellCounts(sample().array, "random", BIASED)
    scenario, tables, weights = draw_stages(counts, 5)
    np.testing.assert_array_equal(tables.sum(axis=0), counts.array)
    np.testing.assert_array_equal(tables.sum(axis=(1, 2, 3, 4)).cumsum(), stage_ends(counts.total_shots, scenario))
    np.testing.assert_array_equal(weights, np.broadcast_to(BIASED, weights.shape))
    # The settings of a stage are random, too.
    firsts = [draw_stages(counts, seed)[1][0].sum(axis=(2, 3))[0, 0] for seed in range(20)]
    assert len(set(firsts)) > 3


def test_every_order_is_as_likely():
    # Of 4 shots of each setting, 3 gave outcome 0: the first stage has half of them.
    array = np.zeros((2, 2, 2, 2), dtype=int)
    array[:, :, 0, 0], array[:, :, 1, 1] = 6, 2
    found = np.array([draw_stages(BellCounts(array), seed)[1][0] for seed in range(400)])
    np.testing.assert_array_equal(found.sum(axis=(3, 4)), 4)
    # Hypergeometric: mean 3, variance 4 * 3/4 * 1/4 * 4/7, in four settings.
    ones = found[:, :, :, 0, 0]
    assert abs(ones.mean() - 3) <= 3 * np.sqrt(3 / 7 / ones.size)
    assert ones.var() == pytest.approx(3 / 7, rel=0.15)


def test_large_numbers_of_shots_are_shared_exactly(monkeypatch):
    totals = np.array([2**61, 2**40 + 1, 3])
    end = 2**60 + 12_345
    whole = int(totals.sum())
    assert stages._share(totals, end).tolist() == [int(one) * end // whole for one in totals]
    counts = BellCounts(sample().array * 10**9)
    with pytest.raises(CountsError, match=r"counts: expected fewer than 1000000000 shots"):
        draw_stages(counts, 1)


def test_several_orders_are_drawn_at_once():
    for counts in (sample(), BellCounts(sample().array, "random", BIASED)):
        scenario, tables, weights = draw_orders(counts, 5, 1, 0.5)
        assert scenario == CHSH
        assert len(tables) == len(weights) == 5
        np.testing.assert_array_equal(tables.sum(axis=1), np.broadcast_to(counts.array, (5, 2, 2, 2, 2)))
        # They differ from each other, and later ones are as long as earlier ones.
        assert len({one.tobytes() for one in tables}) == 5
        assert tables.shape[1] < len(draw_stages(counts, 1)[1])
        assert tables.shape[1] == len(stage_ends(counts.total_shots, CHSH, 0.5))


def test_stages_of_an_order_are_dealt_alike():
    # Every stage has the same expected number of each outcome: what its size allows.
    array = np.zeros((2, 2, 2, 2), dtype=int)
    array[:, :, 0, 0], array[:, :, 1, 1] = 60, 20
    _, tables, _ = draw_orders(BellCounts(array), 2000, 3)
    sizes = tables.sum(axis=(4, 5))
    assert np.all(sizes == sizes[0])
    mean = tables[..., 0, 0].mean(axis=0)
    # Hypergeometric: t shots of 80, of which 60 gave outcome 0.
    spread = np.sqrt(sizes[0] * 0.75 * 0.25 * (80 - sizes[0]) / 79 / 2000)
    assert np.all(np.abs(mean - 0.75 * sizes[0]) <= 4 * spread + 1e-12)
    variance = tables[..., 0, 0].var(axis=0)
    np.testing.assert_allclose(variance, 2000 * spread**2, rtol=0.2)


# Trials


def draw_trials(count=200):
    rng = np.random.default_rng(3)
    return rng.integers(2, size=(count, 2)), rng.integers(2, size=(count, 2))


def test_trials_keep_their_order():
    trials = BellTrials(*draw_trials(), CHSH, "random", BIASED)
    _, tables, weights = draw_stages(trials, None)
    ends = stage_ends(200, CHSH)
    np.testing.assert_array_equal(tables.cumsum(axis=0), [trials.part(slice(0, end)).table for end in ends])
    np.testing.assert_array_equal(weights, np.broadcast_to(BIASED, weights.shape))
    np.testing.assert_array_equal(draw_stages(trials, 1)[1], draw_stages(trials, 2)[1])


def test_trials_in_blocks_are_counts():
    trials = BellTrials(*draw_trials(), CHSH, "blocks")
    found, expected = draw_stages(trials, 7), draw_stages(trials.to_counts(), 7)
    for one, other in zip(found, expected, strict=True):
        assert one == other if isinstance(one, BellScenario) else np.array_equal(one, other)


# Parts


def test_random_part_takes_its_share_of_each_setting():
    counts = sample()
    part = random_part(counts, 0.25, np.random.default_rng(1))
    np.testing.assert_array_equal(part.sum(axis=(2, 3)), UNEQUAL // 4)
    assert np.all(part <= counts.array)
    again = random_part(counts, 0.25, np.random.default_rng(1))
    np.testing.assert_array_equal(part, again)
    random = random_part(BellCounts(counts.array, "random", BIASED), 0.25, np.random.default_rng(1))
    assert random.sum() == counts.total_shots // 4
    assert np.all(random <= counts.array)
