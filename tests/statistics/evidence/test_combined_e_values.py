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
    load_bundled_counts,
    ratio_e_value,
    werner_state,
)
from qiskit_lhv.exceptions import CountsError
from qiskit_lhv.models.deterministic import enumerate_strategies, strategy_tables
from qiskit_lhv.statistics import CombinedEValue, combine_e_values, ratio_e_values
from qiskit_lhv.statistics.evidence.combined_e_values import averaged_e_values, num_orders


def runs(count=3):
    behavior = Behavior.from_state(werner_state(0.95), "chsh")
    return [ratio_e_value(behavior.sample(300, seed), seed=seed) for seed in range(count)]


def test_independent_runs_are_multiplied():
    parts = runs()
    combined = combine_e_values(parts, independent=True)
    assert combined.log_e == pytest.approx(sum(part.log_e for part in parts))
    assert combined.log10_p_value == pytest.approx(-combined.log_e / math.log(10))
    assert combined.verify()


def test_e_values_of_the_same_shots_are_averaged():
    counts = load_bundled_counts("delft_2015").counts
    parts = [ratio_e_value(counts, seed=seed) for seed in range(8)]
    combined = combine_e_values(parts, independent=False)
    assert math.exp(combined.log_e) == pytest.approx(np.mean([math.exp(part.log_e) for part in parts]))
    assert combined.verify()


def test_averages_over_orders_are_e_values():
    # The mean over experiments of one local device, at the center of the facet CHSH = 2, is at most 1.
    scenario = chsh().scenario
    tables = strategy_tables(enumerate_strategies(scenario), scenario)
    facet = Behavior(tables[tables @ chsh().coefficients.ravel() == 2].mean(axis=0).reshape(scenario.shape))
    data = [facet.sample(50, seed) for seed in range(150)]
    orders = [ratio_e_values(data, seed=seed) for seed in (1, 2, 3)]
    combined = [combine_e_values(parts, independent=False) for parts in zip(*orders, strict=True)]
    e_values = np.exp([one.log_e for one in combined])
    assert e_values.mean() <= 1 + 3 * e_values.std() / math.sqrt(len(e_values))
    # An average varies less than what is averaged.
    assert e_values.std() < max(np.std(np.exp([one.log_e for one in parts])) for parts in orders)


def test_average_of_huge_e_values_does_not_overflow():
    counts = load_bundled_counts("ibm_hanoi19_20circuit13").counts
    parts = [ratio_e_value(counts, seed=seed) for seed in range(2)]
    combined = combine_e_values(parts, independent=False)
    assert max(part.log_e for part in parts) - math.log(2) <= combined.log_e <= max(part.log_e for part in parts)
    assert combined.p_value == 0


def test_the_same_shots_are_never_multiplied():
    counts = load_bundled_counts("delft_2015").counts
    parts = [ratio_e_value(counts, seed=seed) for seed in range(2)]
    with pytest.raises(CountsError, match=r"e_values.*the same counts twice.*independent=False"):
        combine_e_values(parts, independent=True)


def test_bad_input():
    parts = runs(1)
    with pytest.raises(CountsError, match="e_values"):
        combine_e_values([], independent=True)
    with pytest.raises(CountsError, match="e_values"):
        combine_e_values([parts[0], 3.0], independent=True)
    with pytest.raises(CountsError, match=r"independent: expected True or False"):
        combine_e_values(parts, independent="yes")
    other = ratio_e_value(load_bundled_counts("delft_2015").counts, null="no-signaling", seed=1)
    with pytest.raises(CountsError, match=r"e_values.*local and no-signaling"):
        combine_e_values([*parts, other], independent=True)


def test_verify_refuses_other_numbers(tmp_path):
    combined = combine_e_values(runs(), independent=True)
    assert not dataclasses.replace(combined, log_e=combined.log_e + 0.1).verify()
    forged = dataclasses.replace(combined.parts[0], log_e=combined.parts[0].log_e + 1)
    assert not dataclasses.replace(combined, parts=(forged, *combined.parts[1:]), log_e=combined.log_e + 1).verify()
    combined.save(tmp_path / "combined.npz")
    assert CombinedEValue.load(tmp_path / "combined.npz") == combined


# Averages over random orders


def test_average_over_orders_hardly_depends_on_the_seed():
    data = [Behavior.from_state(werner_state(0.9), "chsh").sample(200, seed) for seed in range(4)]
    logs = np.array([[one.log_e for one in averaged_e_values(data, seed=seed)] for seed in range(10)])
    single = np.array([[one.log_e for one in ratio_e_values(data, seed=seed)] for seed in range(10)])
    assert logs.std(axis=0).mean() < 0.5 * single.std(axis=0).mean()
    # And it is not weaker.
    assert logs.mean() > single.mean() - 0.3


def test_average_records_its_seed_and_can_be_had_again(tmp_path):
    counts = load_bundled_counts("delft_2015").counts
    (first,) = averaged_e_values([counts])
    (second,) = averaged_e_values([counts])
    assert first.seed != second.seed
    assert averaged_e_values([counts], seed=first.seed) == [first]
    assert len(first.parts) == 20
    assert first.null == "local"
    assert first.num_shots == counts.total_shots
    assert first.inequality.verify()
    assert first.verify()
    first.save(tmp_path / "average.npz")
    assert CombinedEValue.load(tmp_path / "average.npz") == first
    assert (tmp_path / "average.npz").stat().st_size < 80_000


def test_trials_have_one_order():
    rng = np.random.default_rng(1)
    settings, outcomes = rng.integers(2, size=(2, 300, 2))
    trials = BellTrials(settings, outcomes, chsh().scenario, "random", np.full((2, 2), 0.25))
    (average,) = averaged_e_values([trials], seed=1)
    assert len(average.parts) == 1
    assert average.log_e == pytest.approx(ratio_e_value(trials).log_e)
    assert average.seed is None
    assert average.verify()


def test_seed_of_an_average_must_give_the_orders_of_its_parts():
    counts = load_bundled_counts("delft_2015").counts
    for orders in (2, 12):
        (average,) = averaged_e_values([counts], orders=orders, seed=3)
        found = average.verify()
        assert found
        assert "tested in the orders of the seed 3" in str(found)
        assert dataclasses.replace(average, seed=4).verify().refuted
        assert dataclasses.replace(average, parts=average.parts[::-1]).verify().refuted
        assert dataclasses.replace(average, independent=True).verify().refuted
        assert "not checked here" in str(dataclasses.replace(average, seed=None).verify())
    own = combine_e_values([ratio_e_value(counts, seed=seed) for seed in range(2)], independent=False)
    assert "each order is that of its own e-value" in str(own.verify())
    wrong = dataclasses.replace(own, parts=(own.parts[0], dataclasses.replace(own.parts[1], seed=7)))
    assert wrong.verify().refuted
    assert dataclasses.replace(own, seed=1).verify().refuted


def test_number_of_orders():
    assert num_orders(chsh().scenario, 100_000) == 20
    assert num_orders(BellScenario((3, 3), (2, 2)), 10_000) == 20
    assert num_orders(BellScenario((2, 2, 2), (2, 2, 2)), 2000) == 20
    for large in (BellScenario((8, 8), (2, 2)), BellScenario((3, 3), (4, 4)), BellScenario((2, 2), (64, 64))):
        assert num_orders(large, 10_000) == 1
    counts = load_bundled_counts("delft_2015").counts
    assert len(averaged_e_values([counts], orders=3, seed=1)[0].parts) == 3
    with pytest.raises(CountsError, match=r"orders: expected a whole number"):
        averaged_e_values([counts], orders=0)


def test_average_of_no_signaling_and_with_predictability():
    counts = load_bundled_counts("ibm_washington91_98circuit4").counts
    (average,) = averaged_e_values([counts], null="no-signaling", seed=1)
    assert average.null == "no-signaling"
    assert average.log10_p_value < -10
    assert average.verify()
    behavior = Behavior.from_state(werner_state(1), "chsh")
    random = BellCounts(behavior.sample(400, 1).array, "random", np.full((2, 2), 0.25))
    (careful,) = averaged_e_values([random], predictability=0.01, seed=1)
    assert careful.log_e < averaged_e_values([random], seed=1)[0].log_e
    assert careful.verify()
    with pytest.raises(CountsError, match=r"predictability"):
        averaged_e_values([behavior.sample(400, 1)], predictability=0.01)


def test_mean_of_averages_is_at_most_one_for_local_models():
    scenario = chsh().scenario
    tables = strategy_tables(enumerate_strategies(scenario), scenario)
    facet = Behavior(tables[tables @ chsh().coefficients.ravel() == 2].mean(axis=0).reshape(scenario.shape))
    data = [facet.sample(np.array([[90, 40], [40, 20]]), seed) for seed in range(200)]
    e_values = np.exp([one.log_e for one in averaged_e_values(data, seed=1)])
    assert e_values.mean() <= 1 + 3 * e_values.std() / math.sqrt(len(e_values))


def test_verify_refuses_parts_against_different_sets():
    counts = load_bundled_counts("delft_2015").counts
    (local,), (other,) = (
        averaged_e_values([counts], orders=2, null=null, seed=1) for null in ("local", "no-signaling")
    )
    mixed = dataclasses.replace(local, parts=(local.parts[0], other.parts[0]))
    assert not mixed.verify()
