import json

import numpy as np
import pytest
from qiskit_lhv import Behavior, BellCounts, BellScenario, BellTrials, ghz_state, read_counts
from qiskit_lhv.exceptions import CountsError, ScenarioError
from qiskit_lhv.statistics.evidence.fair_sampling import require_all_shots

from helpers import refusal

# Party 0 has two outcomes and a third for "lost", party 1 has outcome 0 for "lost" and two others.
ARRAY = np.arange(1, 37).reshape(2, 2, 3, 3)
LOST = (2, 0)


def counts_and_trials(array, lost_outcomes=LOST):
    """The same shots as counts and as trials."""
    rows = np.repeat(np.argwhere(np.ones(array.shape)), array.ravel(), axis=0)
    rows = rows[np.random.default_rng(0).permutation(len(rows))]
    n = array.ndim // 2
    scenario = BellScenario.from_shape(array.shape)
    trials = BellTrials(rows[:, :n], rows[:, n:], scenario, "blocks", lost_outcomes=lost_outcomes)
    return BellCounts(array, lost_outcomes=lost_outcomes), trials


# Fields


@pytest.mark.parametrize("data", counts_and_trials(ARRAY), ids=["counts", "trials"])
def test_fields_are_kept(data, tmp_path):
    assert data.lost_outcomes == (2, 0)
    assert data.post_selected is False
    for suffix in (".json", ".npz"):
        data.save(tmp_path / f"data{suffix}")
        assert type(data).load(tmp_path / f"data{suffix}") == data
    assert "lost_outcomes=(2, 0)" in repr(data)


@pytest.mark.parametrize("data", counts_and_trials(ARRAY, None), ids=["counts", "trials"])
def test_by_default_nothing_is_lost(data):
    assert data.lost_outcomes is None
    assert data.post_selected is False
    assert "lost" not in repr(data)


def test_no_lost_outcome_of_any_party_is_none():
    assert BellCounts(ARRAY, lost_outcomes=(None, None)).lost_outcomes is None
    assert BellCounts(ARRAY, lost_outcomes=[np.int64(1), None]).lost_outcomes == (1, None)


def test_comparison_takes_the_fields_into_account():
    assert BellCounts(ARRAY) != BellCounts(ARRAY, lost_outcomes=LOST)
    assert BellCounts(ARRAY) != BellCounts(ARRAY, post_selected=True)


@pytest.mark.parametrize("lost", [(2,), (3, 0), (-1, 0), 2, "20", (True, 0), (1.0, 0), (2, 0, None), {2: 0}])
def test_bad_lost_outcomes_are_refused(lost):
    for make in (
        lambda: BellCounts(ARRAY, lost_outcomes=lost),
        lambda: BellTrials([[0, 0], [1, 1]], [[2, 0], [0, 2]], design="random", lost_outcomes=lost),
    ):
        assert refusal(CountsError, make).startswith("lost_outcomes: expected None, or for each of 2 parties")


@pytest.mark.parametrize("post_selected", [1, None, "yes"])
def test_post_selected_is_a_truth_value(post_selected):
    for make in (
        lambda: BellCounts(ARRAY, post_selected=post_selected),
        lambda: BellTrials([[0, 0]], [[2, 0]], design="random", post_selected=post_selected),
    ):
        assert refusal(CountsError, make).startswith("post_selected: expected True or False")


def test_trials_hand_the_fields_on():
    counts, trials = counts_and_trials(ARRAY)
    assert trials.to_counts() == counts
    part = trials.part(slice(3, 50))
    assert part.num_trials == 47
    assert part.lost_outcomes == LOST
    selected = trials.post_select()
    assert selected.to_counts().post_selected
    assert selected.part([0, 1]).post_selected


# Dictionaries


def test_a_lost_bit_makes_one_more_outcome_for_its_party():
    # Party 0 is the character on the right.
    counts = BellCounts.from_counts({(0, 0): {"00": 5, "1-": 3}, (0, 1): {"01": 4, "1-": 2, "11": 1}})
    assert counts.scenario == BellScenario((1, 2), (3, 2))
    assert counts.lost_outcomes == (2, None)
    assert counts.array[0, 0].tolist() == [[5, 0], [0, 0], [0, 3]]
    assert counts.array[0, 1].tolist() == [[0, 0], [4, 1], [0, 2]]


def test_a_party_is_lost_if_any_of_its_bits_is():
    # From the right: party 0 reads two bits, party 1 one.
    table = {"1 -0": 1, "0 0-": 2, "0 --": 4, "- 01": 8, "- 1-": 16, "1 10": 32}
    counts = BellCounts.from_counts({(0, 0): table}, qubits_per_party=(2, 1))
    assert counts.lost_outcomes == (4, 2)
    assert counts.array[0, 0].tolist() == [[0, 0, 0], [0, 0, 8], [0, 32, 0], [0, 0, 0], [6, 1, 16]]


def test_a_lost_outcome_in_a_tuple_is_none():
    counts = BellCounts.from_counts({(0, 0): {(2, None): 7, (1, 0): 3}, (1, 0): {(0, 1): 5}})
    assert counts.scenario == BellScenario((2, 1), (3, 3))
    assert counts.lost_outcomes == (None, 2)
    assert counts.array[0, 0].tolist() == [[0, 0, 0], [3, 0, 0], [0, 0, 7]]


def test_numbers_of_outcomes_do_not_count_the_lost_one():
    counts = BellCounts.from_counts({(0, 0): {(None, 0): 7}}, num_outcomes=(2, 4))
    assert counts.scenario.max_outcomes == (3, 4)
    assert counts.lost_outcomes == (2, None)
    message = refusal(
        CountsError, lambda: BellCounts.from_counts({(0, 0): {(2, 0): 7, (None, 0): 1}}, num_outcomes=(2, 4))
    )
    assert message.startswith("counts[(0, 0)]: expected outcomes below (2, 4)")


def test_without_losses_nothing_changes():
    counts = BellCounts.from_counts({(0, 0): {"00": 5, "11": 3}})
    assert counts.scenario.max_outcomes == (2, 2)
    assert counts.lost_outcomes is None
    assert counts.assign_lost() is counts
    assert counts.post_select() is counts


@pytest.mark.parametrize("key", [(None, 0), "0 -"])
def test_two_spellings_of_a_loss_are_refused(key):
    assert "each outcome once" in refusal(CountsError, lambda: BellCounts.from_counts({(0, 0): {"0-": 5, key: 3}}))


def test_losses_of_several_bits_of_a_party_are_added():
    counts = BellCounts.from_counts({(0, 0): {"0-1": 5, "0--": 3, "01-": 1}}, qubits_per_party=(2, 1))
    assert counts.array[0, 0, 4, 0] == 9
    assert counts.total_shots == 9


@pytest.mark.parametrize("key", ["-", "0--", "0x", "0_", (None,), (0, "-"), None])
def test_other_keys_are_refused(key):
    assert refusal(CountsError, lambda: BellCounts.from_counts({(0, 0): {key: 1}})).startswith(
        "counts[(0, 0)]: expected"
    )


def test_from_counts_takes_post_selection():
    assert BellCounts.from_counts({(0,): {"0": 5}}, post_selected=True).post_selected


# Files


def write(folder, data):
    path = folder / "counts.json"
    path.write_text(json.dumps(data), encoding="utf-8")
    return path


def test_files_have_dashes_in_bitstrings_and_outcomes(tmp_path):
    bits = read_counts(write(tmp_path, {"counts": {"0,0": {"0-": 5, "11": 3}}}))
    assert bits.array[0, 0].tolist() == [[0, 0], [0, 3], [5, 0]]
    outcomes = read_counts(write(tmp_path, {"counts": {"0,0": {"2,-": 5, "(-, 1)": 3, " - , - ": 1}}}))
    assert outcomes.lost_outcomes == (3, 2)
    assert outcomes.array[0, 0, 2:].tolist() == [[0, 0, 5], [0, 3, 1]]
    alone = read_counts(write(tmp_path, {"counts": {"0": {"-": 5, "1": 3}}}))
    assert alone.array.tolist() == [[0, 3, 5]]
    same = read_counts(write(tmp_path, {"counts": {"0": {"-,": 5, "1,": 3}}}))
    assert same == alone


def test_tables_have_their_lost_outcomes_beside_them(tmp_path):
    data = {"table": ARRAY.tolist(), "lost_outcomes": [2, None], "post_selected": True}
    assert read_counts(write(tmp_path, data)) == BellCounts(ARRAY, lost_outcomes=(2, None), post_selected=True)


def test_post_selected_may_stand_beside_counts(tmp_path):
    assert read_counts(write(tmp_path, {"counts": {"0": {"0": 5}}, "post_selected": True})).post_selected


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({"counts": {"0": {"0": 5}}, "lost_outcomes": [1]}, 'only beside "table"'),
        ({"table": [[5, 3]], "lost_outcomes": [2]}, "lost_outcomes: expected"),
        ({"table": [[5, 3]], "lost_outcomes": "1"}, "lost_outcomes: expected"),
        ({"table": [[5, 3]], "post_selected": "no"}, "post_selected: expected True or False"),
        ({"counts": {"-,0": {"00": 5}}}, 'settings such as "0,1"'),
        ({"counts": {"0,0": {"-,-,-": 5}}}, "tuples of 2 outcomes"),
        ({"counts": {"0,0": {"-,": 5}}}, "tuples of 2 outcomes"),
        ({"counts": {"0,0": {"--,0": 5}}}, "'--,0'"),
        ({"counts": {"0,0": {"-,0": 5, "(-, 0)": 1}}}, "two spellings"),
    ],
)
def test_unusable_files_are_refused(data, words, tmp_path):
    assert words in refusal(CountsError, lambda: read_counts(write(tmp_path, data)))


# Assignment


def test_lost_outcomes_are_assigned_by_their_new_number():
    expected = np.zeros((2, 2, 2, 2), dtype=int)
    # Party 0: 2 -> 1; party 1: 0 -> 0, and its outcomes 1 and 2 become 0 and 1.
    for (x, y, a, b), count in np.ndenumerate(ARRAY):
        expected[x, y, (0, 1, 1)[a], (0, 0, 1)[b]] += count
    counts, trials = counts_and_trials(ARRAY)
    assigned = counts.assign_lost((1, 0))
    assert assigned.array.tolist() == expected.tolist()
    assert assigned == trials.assign_lost((1, 0)).to_counts()
    assert assigned.lost_outcomes is None
    assert not assigned.post_selected
    assert assigned.total_shots == counts.total_shots


def test_one_number_stands_for_all_parties():
    counts, trials = counts_and_trials(ARRAY)
    assert counts.assign_lost() == counts.assign_lost((0, 0)) == counts.assign_lost(0)
    assert trials.assign_lost(1) == trials.assign_lost([1, 1])
    assert counts.assign_lost(1) != counts.assign_lost()


def test_parties_without_losses_keep_their_outcomes():
    counts = BellCounts(ARRAY, "random", np.full((2, 2), 0.25), (None, 1), True)
    assigned = counts.assign_lost()
    assert assigned.scenario.max_outcomes == (3, 2)
    assert assigned.array[..., 0].tolist() == (ARRAY[..., 0] + ARRAY[..., 1]).tolist()
    assert assigned.design == "random"
    assert assigned.setting_probabilities.tolist() == [[0.25, 0.25], [0.25, 0.25]]
    # What was dropped before stays dropped.
    assert assigned.post_selected


@pytest.mark.parametrize("to", [2, -1, (0,), (0, 2), "01", True, 0.0, None, (0, None)])
def test_outcomes_that_do_not_remain_are_refused(to):
    for data in counts_and_trials(ARRAY):
        message = refusal(CountsError, lambda data=data: data.assign_lost(to))
        assert message.startswith("to: expected an outcome, or one per party, below (2, 2)")


def test_two_outcomes_must_remain():
    for data in counts_and_trials(ARRAY[:, :, :, :2]):
        for make in (data.assign_lost, data.post_select):
            message = refusal(CountsError, make)
            assert message.startswith("lost_outcomes: expected at least two outcomes of each party besides the lost")
            assert "as an outcome of its own" in message


# Post-selection


def test_post_selection_drops_shots_that_any_party_lost():
    counts, trials = counts_and_trials(ARRAY)
    selected = counts.post_select()
    assert selected.array.tolist() == ARRAY[:, :, :2, 1:].tolist()
    assert selected.lost_outcomes is None
    assert selected.post_selected
    assert "post-selected" in repr(selected)
    assert trials.post_select().to_counts() == selected
    # The order of the trials stays.
    kept = (trials.outcomes[:, 0] != 2) & (trials.outcomes[:, 1] != 0)
    assert trials.post_select().settings.tolist() == trials.settings[kept].tolist()


def test_where_no_shot_was_lost_none_is_dropped():
    array = ARRAY.copy()
    array[:, :, 2] = 0
    counts, trials = counts_and_trials(array, (2, None))
    for data in (counts, trials):
        selected = data.post_select()
        assert selected.lost_outcomes is None
        assert not selected.post_selected
    assert counts.post_select().total_shots == counts.total_shots


def test_every_setting_needs_a_shot_that_is_left():
    array = ARRAY.copy()
    array[1, 0, :2, 1:] = 0
    for data in counts_and_trials(array):
        message = refusal(CountsError, data.post_select)
        assert message.startswith("post_select: expected a shot without loss for every setting combination")
        assert "settings (1, 0)" in message
        assert "assign_lost()" in message


def test_trials_may_lack_a_setting_from_the_start():
    trials = BellTrials([[0, 0], [1, 1], [1, 1]], [[0, 1], [1, 2], [0, 0]], design="random", lost_outcomes=(None, 2))
    assert trials.post_select().num_trials == 2


# Shares of losses


def test_lost_fractions_are_those_of_each_party_by_settings():
    counts, trials = counts_and_trials(ARRAY)
    fractions = counts.lost_fraction
    assert fractions.shape == (2, 2, 2)
    for x, y in np.ndindex(2, 2):
        table = ARRAY[x, y]
        assert fractions[0, x, y] == pytest.approx(table[2].sum() / table.sum())
        assert fractions[1, x, y] == pytest.approx(table[:, 0].sum() / table.sum())
    assert trials.lost_fraction.tolist() == fractions.tolist()
    assert not fractions.flags.writeable


def test_lost_fractions_of_parties_that_lose_nothing_are_zero():
    assert BellCounts(ARRAY, lost_outcomes=(None, 1)).lost_fraction[0].tolist() == [[0, 0], [0, 0]]
    assert BellCounts(ARRAY).lost_fraction.tolist() == np.zeros((2, 2, 2)).tolist()


def test_lost_fractions_without_trials_are_unknown():
    trials = BellTrials([[0, 0], [1, 1]], [[0, 1], [1, 2]], design="random", lost_outcomes=(None, 2))
    assert np.isnan(trials.lost_fraction[1, 0, 1])
    assert trials.lost_fraction[1, 1, 1] == 1


def test_lost_fractions_of_inefficient_detectors():
    behavior = Behavior.from_state(ghz_state(2), "chsh").with_efficiency((0.9, 0.7))
    counts = BellCounts(behavior.sample(20000, seed=1).array, lost_outcomes=(2, 2))
    np.testing.assert_allclose(counts.lost_fraction[0], 0.1, atol=0.015)
    np.testing.assert_allclose(counts.lost_fraction[1], 0.3, atol=0.015)


# P-values need all shots


@pytest.mark.parametrize("data", counts_and_trials(ARRAY), ids=["counts", "trials"])
def test_post_selected_shots_need_fair_sampling(data):
    require_all_shots(data, False)
    require_all_shots(data.assign_lost(), False)
    require_all_shots(data.post_select(), True)
    message = refusal(CountsError, lambda: require_all_shots(data.post_select(), False))
    assert message.startswith("post_selected: expected all shots")
    for words in ("detection loophole", "assign_lost()", "outcome of their own", "fair_sampling=True", "Pearle"):
        assert words in message


@pytest.mark.parametrize("fair_sampling", [1, "yes", None])
def test_fair_sampling_is_a_truth_value(fair_sampling):
    message = refusal(CountsError, lambda: require_all_shots(BellCounts(ARRAY), fair_sampling))
    assert message.startswith("fair_sampling: expected True or False")


def test_a_local_model_can_fake_the_largest_violation_by_not_clicking():
    # Every party draws the same guess of both settings; party 1 does not click if its setting was guessed wrongly.
    array = np.zeros((2, 2, 2, 3), dtype=int)
    for x, y in np.ndindex(2, 2):
        for guess in range(2):
            for coin in range(2):
                # Party 0 answers coin ^ (x & guess), party 1 coin: with y = guess, a ^ b = x & y.
                array[x, y, coin ^ (x & guess), coin if y == guess else 2] += 100
    counts = BellCounts(array, lost_outcomes=(None, 2))
    correlators = counts.post_select().frequencies().to_correlators()[1:, 1:]
    assert correlators.tolist() == [[1, 1], [1, -1]]
    np.testing.assert_allclose(counts.assign_lost().frequencies().to_correlators()[1:, 1:], correlators / 2)


# Behaviors


def test_efficiency_adds_an_outcome_or_uses_one():
    # Party 0 copies its setting, party 1 has outcome 1 with probability 0.25.
    behavior = Behavior(np.einsum("xa,b->xab", np.eye(2), [0.75, 0.25])[:, None])
    seen = behavior.with_efficiency((0.5, 0.8))
    assert seen.scenario == BellScenario((2, 1), (3, 3))
    np.testing.assert_allclose(seen.array[1, 0], np.outer([0, 0.5, 0.5], [0.6, 0.2, 0.2]), atol=1e-15)
    assigned = behavior.with_efficiency((0.5, 0.8), assign=(0, 1))
    np.testing.assert_allclose(assigned.array[1, 0], np.outer([0.5, 0.5], [0.6, 0.4]), atol=1e-15)
    mixed = behavior.with_efficiency(0.5, assign=(None, 0))
    np.testing.assert_allclose(mixed.array[0, 0], np.outer([0.5, 0, 0.5], [0.875, 0.125]), atol=1e-15)


def test_losses_are_independent_also_if_outcomes_are_correlated():
    seen = Behavior.from_state(ghz_state(2), [["Z"], ["Z"]]).with_efficiency((0.5, 0.8)).array[0, 0]
    expected = [[0.2, 0, 0.05], [0, 0.2, 0.05], [0.2, 0.2, 0.1]]
    np.testing.assert_allclose(seen, expected, atol=1e-12)


def test_efficiency_commutes_with_assigning_the_lost_counts():
    behavior = Behavior.from_state(ghz_state(2), "chsh")
    array = np.rint(behavior.with_efficiency((0.75, 0.5)).array * 2**40).astype(np.int64)
    counts = BellCounts(array, lost_outcomes=(2, 2)).assign_lost((1, 0))
    expected = behavior.with_efficiency((0.75, 0.5), assign=(1, 0))
    np.testing.assert_allclose(counts.frequencies().array, expected.array, atol=1e-10)


def test_perfect_and_absent_detectors():
    behavior = Behavior.from_state(ghz_state(3), "mermin")
    assert behavior.with_efficiency(1, assign=0) == behavior
    nothing = behavior.with_efficiency(0.0)
    assert nothing.array[..., 2, 2, 2].tolist() == np.ones((2, 2, 2)).tolist()


@pytest.mark.parametrize("efficiency", [1.1, -0.1, np.nan, (1, 1.5), (0.5,), "1", None, (1, "a"), (1, 1, 1)])
def test_efficiencies_are_probabilities(efficiency):
    with pytest.raises(ScenarioError, match=r"^efficiency: expected"):
        Behavior.from_state(ghz_state(2), "chsh").with_efficiency(efficiency)


@pytest.mark.parametrize("assign", [2, -1, True, "01", (0,), (0, 2), 1.0])
def test_assigned_outcomes_exist(assign):
    with pytest.raises(ScenarioError, match=r"^assign: expected None or an outcome"):
        Behavior.from_state(ghz_state(2), "chsh").with_efficiency(0.9, assign)
