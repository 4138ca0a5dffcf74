import dataclasses
import math

import numpy as np
import pytest
from qiskit_lhv import (
    Behavior,
    CombinedEValue,
    CountsError,
    chsh,
    combine_e_values,
    load_bundled_counts,
    ratio_e_value,
    ratio_e_values,
    werner_state,
)
from qiskit_lhv.models.deterministic import enumerate_strategies, strategy_tables


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
