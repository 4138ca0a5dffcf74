import tracemalloc
import warnings
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from qiskit.result import Counts, QuasiDistribution
from qiskit_lhv import BellCounts, BellScenario
from qiskit_lhv.exceptions import CountsError

from helpers import refusal

TWO_BY_ONE = {(0, 0): {"00": 5}, (1, 0): {"11": 6}}


# Bad arrays


def test_negative_numbers_are_refused():
    message = refusal(CountsError, lambda: BellCounts([[5, 3], [-2, 4]]))
    assert message.startswith("array: expected counts of at least zero, got -2 at index (1, 0).")
    assert "Pass the raw counts" in message


def test_fractional_numbers_are_refused():
    message = refusal(CountsError, lambda: BellCounts([[5, 3], [2, 4.5]]))
    assert message.startswith("array: expected whole numbers, got 4.5 at index (1, 1).")
    assert "Pass the raw counts" in message


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_numbers_that_are_not_finite_are_refused(bad):
    message = refusal(CountsError, lambda: BellCounts([[5, 3], [bad, 4]]))
    assert message.startswith("array: expected finite numbers")
    assert "index (1, 0)" in message
    assert "Remove or replace NaN" in message


def test_a_setting_without_shots_is_refused():
    message = refusal(CountsError, lambda: BellCounts([[[[1, 0], [0, 1]], [[0, 0], [0, 0]]]]))
    assert message.startswith("array: expected at least one shot for every setting of every party")
    assert "setting 1 of party 1" in message
    assert "Take more shots, or leave out this setting" in message


@pytest.mark.parametrize("array", [np.ones(2), np.ones((2, 2, 2)), np.ones((2, 0)), 7, np.ones((0, 2))])
def test_shapes_that_are_no_scenario_are_refused(array):
    assert refusal(CountsError, lambda: BellCounts(array)).startswith(
        "array: expected shape (m_1, ..., m_N, d_1, ..., d_N)"
    )


@pytest.mark.parametrize("array", [{"00": 5}, "counts", [["a", "b"]], [[1, 2], [3]], [[1 + 0j, 2]], None])
def test_other_types_are_refused(array):
    assert refusal(CountsError, lambda: BellCounts(array)).startswith("array: expected")


def test_truth_values_are_no_counts():
    assert refusal(CountsError, lambda: BellCounts(np.array([[True, False]]))).startswith("array: expected")


def test_numbers_too_large_for_floats_are_refused():
    assert refusal(CountsError, lambda: BellCounts([[2**53, 2]])).startswith("array: expected at most 2**53 shots")


# Bad dictionaries


@pytest.mark.parametrize("count", [-1, -1.0, np.int64(-3)])
def test_negative_counts_are_refused(count):
    message = refusal(CountsError, lambda: BellCounts.from_counts({(0,): {"0": 5, "1": count}}))
    assert message.startswith("counts[(0,)]['1']: expected a whole number of at least zero")
    assert "Pass the raw counts" in message


def test_fractional_counts_are_refused():
    message = refusal(CountsError, lambda: BellCounts.from_counts({(0,): {"0": 5, "1": 2.5}}))
    assert message.startswith("counts[(0,)]['1']: expected a whole number of at least zero, got 2.5.")
    assert "Pass the raw counts" in message


@pytest.mark.parametrize("count", [float("nan"), float("inf"), np.float64("nan"), np.float64("inf")])
def test_counts_that_are_not_finite_are_refused(count):
    message = refusal(CountsError, lambda: BellCounts.from_counts({(0,): {"0": count}}))
    assert message.startswith("counts[(0,)]['0']: expected a whole number of at least zero")


@pytest.mark.parametrize("count", [True, False, np.True_, "5", None, 5 + 0j, [5]])
def test_counts_of_other_types_are_refused(count):
    message = refusal(CountsError, lambda: BellCounts.from_counts({(0,): {"0": 5, "1": count}}))
    assert message.startswith("counts[(0,)]['1']: expected a whole number of at least zero")


QUASI = QuasiDistribution({0: 0.62, 1: -0.04, 3: 0.42})


@pytest.mark.parametrize(
    "mitigated",
    [{"00": 0.62, "01": -0.04, "11": 0.42}, {"00": 620, "01": -40, "11": 420}, QUASI.binary_probabilities(2), QUASI],
    ids=["floats", "scaled", "binary", "QuasiDistribution"],
)
def test_mitigated_quasi_probabilities_are_refused_with_the_reason(mitigated):
    message = refusal(CountsError, lambda: BellCounts.from_counts({(0, 0): mitigated}))
    assert message.startswith("counts[(0, 0)]")
    assert "quasi-probabilities are not counts" in message
    assert "no p-value" in message
    assert "Pass the raw counts" in message


@pytest.mark.parametrize("key", ["0", "011", "2 0", "0x1", "", "ab"])
def test_bitstrings_that_do_not_fit_are_refused(key):
    message = refusal(CountsError, lambda: BellCounts.from_counts({(0, 0): {key: 5}}))
    assert message.startswith("counts[(0, 0)]: expected bitstrings of 2 bits")
    assert repr(key) in message
    assert "qubits_per_party" in message


@pytest.mark.parametrize("key", [(0,), (0, 1, 1), None, 1.5])
def test_keys_of_other_forms_are_refused(key):
    message = refusal(CountsError, lambda: BellCounts.from_counts({(0, 0): {key: 5}}))
    assert message.startswith("counts[(0, 0)]: expected bitstrings, or tuples of 2 outcomes in party order")


@pytest.mark.parametrize("key", [(0, -1), (0.5, 1), (True, 0), ("0", "1")])
def test_outcomes_that_are_no_whole_numbers_are_refused(key):
    message = refusal(CountsError, lambda: BellCounts.from_counts({(0, 0): {key: 5}}))
    assert message.startswith("counts[(0, 0)]: expected whole numbers of at least 0")


def test_a_missing_setting_combination_was_not_measured():
    counts = BellCounts.from_counts({(0, 0): {"00": 1}, (0, 1): {"00": 1}, (1, 1): {"00": 1}})
    assert counts.num_shots.tolist() == [[1, 1], [0, 1]]
    assert not counts.is_complete
    assert any("not measured" in note for note in counts.reading)


@pytest.mark.parametrize("empty", [{}, {"00": 0}])
def test_a_dictionary_without_shots_is_refused(empty):
    message = refusal(CountsError, lambda: BellCounts.from_counts({(0, 0): {"01": 3}, (1, 0): empty}))
    assert "zero shots for setting 1 of party 0" in message
    assert "Take more shots" in message


@pytest.mark.parametrize("counts", [{}, [], None, 5, [5], "00"])
def test_what_is_no_filled_dictionary_is_refused(counts):
    assert refusal(CountsError, lambda: BellCounts.from_counts(counts)).startswith("counts: expected a dictionary")


@pytest.mark.parametrize("value", [[3, 4], 5, None, "00"])
def test_settings_without_a_dictionary_are_refused(value):
    message = refusal(CountsError, lambda: BellCounts.from_counts({(0, 0): value}))
    assert message.startswith("counts[(0, 0)]: expected a dictionary {outcome: count}")


@pytest.mark.parametrize("key", [(0, float("nan")), "", "-,0", None, (True, 0), ((0, 1), 0)])
def test_settings_that_are_neither_numbers_nor_names_are_refused(key):
    assert refusal(CountsError, lambda: BellCounts.from_counts({key: {"00": 1}})).startswith(
        "counts (settings): expected whole"
    )


def test_settings_of_unequal_lengths_are_refused():
    message = refusal(CountsError, lambda: BellCounts.from_counts({(0, 0): {"00": 1}, (1,): {"00": 1}}))
    assert message.startswith("counts: expected settings of one entry per party")


def test_settings_of_no_party_are_refused():
    assert refusal(CountsError, lambda: BellCounts.from_counts({(): {"": 5}})).startswith("counts")


def test_an_outcome_out_of_range_is_refused():
    message = refusal(CountsError, lambda: BellCounts.from_counts({(0, 0): {(0, 2): 5}}, num_outcomes=(3, 2)))
    assert message.startswith("counts[(0, 0)]: expected outcomes below (3, 2), got (0, 2)")


@pytest.mark.parametrize("option", ["qubits_per_party", "num_outcomes"])
@pytest.mark.parametrize("value", [(2,), (2, 2, 2), (2, 0), (2, 1.5), "22", (True, 2)])
def test_bad_sizes_are_refused_by_name(option, value):
    message = refusal(CountsError, lambda: BellCounts.from_counts({(0, 0): {(0, 0): 5}}, **{option: value}))
    assert message.startswith(f"{option}: expected")


# Counts are never lost in silence


@pytest.mark.parametrize(
    "outcomes",
    [{"01": 5, "0 1": 7}, {"01": 5, (1, 0): 7}, {(1, 0): 7, "01": 5}, {"-1": 5, (1, None): 7}, {(1, None): 7, "-1": 5}],
    ids=["spaces", "tuple", "tuple first", "lost", "lost tuple first"],
)
def test_two_spellings_of_one_outcome_are_refused(outcomes):
    message = refusal(CountsError, lambda: BellCounts.from_counts({(0, 0): outcomes}))
    assert message.startswith("counts[(0, 0)]: expected each outcome once, got two spellings")
    assert "Add their counts up" in message


def test_two_spellings_of_one_lost_outcome_are_refused():
    message = refusal(
        CountsError, lambda: BellCounts.from_counts({0: {"0-": 5, "0 -": 7, "11": 1}}, qubits_per_party=(2,))
    )
    assert "each outcome once" in message


def test_a_party_of_several_qubits_is_lost_in_several_ways():
    counts = BellCounts.from_counts({0: {"0-": 5, "--": 7, "11": 1}}, qubits_per_party=(2,))
    assert counts.array.tolist() == [[0, 0, 0, 1, 12]]


@pytest.mark.parametrize("keys", [[(0,), 0], [0, (0,)], [(0,), np.array([0])[0]]])
def test_two_spellings_of_one_setting_are_refused(keys):
    message = refusal(CountsError, lambda: BellCounts.from_counts(dict(zip(keys, [{"0": 5}, {"0": 7}], strict=True))))
    assert message.startswith("counts: expected each setting combination once, got (0,) in two spellings.")


# Sizes are checked before any memory is taken


@pytest.mark.parametrize(
    ("counts", "options", "words"),
    [
        ({(0,) * 20: {"0" * 20: 1}, (9,) * 20: {"0" * 20: 1}}, {}, "at most 100000000 combinations"),
        ({(0, 0): {(10**9, 0): 1}}, {}, "at most 100000000 combinations of settings and outcomes, got 2e+09"),
        ({(0, 0): {(10**5, 10**5): 1}}, {}, "at most 100000000 combinations of settings and outcomes, got 1e+10"),
        ({(0, 0): {(0, 0): 1}}, {"num_outcomes": (10**9, 2)}, "at most 100000000 combinations"),
        ({(0, 0): {(0, 0): 1}}, {"num_outcomes": (10**400, 2)}, "at most 100000000 combinations"),
        ({(0, 0): {(0, 0): 1}}, {"qubits_per_party": (10**12, 1)}, "at most 26 qubits"),
        ({(0,): {"0" * 40: 1}}, {"qubits_per_party": (40,)}, "at most 26 qubits"),
        ({(0,) * 30: {"0" * 30: 1}}, {}, "at most 100000000 combinations"),
        ({(0,): {"0": 2**53 - 1, "1": 2**53 - 1}}, {}, "at most 2**53 shots"),
    ],
)
def test_tables_too_large_are_refused_before_they_are_made(counts, options, words):
    tracemalloc.start()
    try:
        message = refusal(CountsError, lambda: BellCounts.from_counts(counts, **options))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert words in message
    assert len(message) < 700
    assert peak < 10**6


@pytest.mark.parametrize("count", [10**400, -(10**400), 10**5000, Fraction(10**400), 2**53], ids=range(5))
def test_counts_that_no_float_holds_are_refused(count):
    message = refusal(CountsError, lambda: BellCounts.from_counts({(0,): {"0": count}}))
    assert message.startswith("counts[(0,)]['0']: expected a whole number of at least zero")
    assert len(message) < 500


@pytest.mark.parametrize("array", [[[10**400, 1]], [["5", 1]], np.array([["5", "1"]], dtype=object), [[b"5", 1]]])
def test_arrays_that_hold_no_numbers_are_refused(array):
    assert refusal(CountsError, lambda: BellCounts(array)).startswith("array: expected an array of numbers")


# Designs


def test_unknown_designs_are_refused():
    message = refusal(CountsError, lambda: BellCounts([[5, 5]], "bell"))
    assert message == "design: expected 'blocks' or 'random', got 'bell'."


def test_random_design_needs_probabilities():
    message = refusal(CountsError, lambda: BellCounts([[5, 5]], "random"))
    assert message.startswith("setting_probabilities: expected the probability of each setting combination")
    assert "They must be known" in message


def test_blocks_take_no_probabilities():
    message = refusal(CountsError, lambda: BellCounts([[5, 5]], "blocks", [1.0]))
    assert message.startswith("setting_probabilities: expected None")
    assert "design='random'" in message


@pytest.mark.parametrize("probabilities", [[0.5, 0.4], [0.5, 0.5 + 1e-8], [1.5, -0.5], [1.0], [[0.5, 0.5]]])
def test_probabilities_must_not_be_negative_and_sum_to_one(probabilities):
    message = refusal(CountsError, lambda: BellCounts([[5, 5], [5, 5]], "random", probabilities))
    assert message.startswith("setting_probabilities: expected numbers of at least 0 of shape (2,) that sum to 1")


@pytest.mark.parametrize("probabilities", [[0.5, np.nan], ["a", "b"], {"0": 1}])
def test_probabilities_must_be_numbers(probabilities):
    message = refusal(CountsError, lambda: BellCounts([[5, 5], [5, 5]], "random", probabilities))
    assert message.startswith("setting_probabilities: expected")


def test_random_design_keeps_its_probabilities():
    counts = BellCounts.from_counts(TWO_BY_ONE, design="random", setting_probabilities=[[0.3], [0.7]])
    assert counts.design == "random"
    assert counts.setting_probabilities.tolist() == [[0.3], [0.7]]
    assert not counts.setting_probabilities.flags.writeable
    assert BellCounts.from_counts(TWO_BY_ONE).setting_probabilities is None


# Byte order and keys


def test_bit_zero_is_the_rightmost_and_belongs_to_party_zero():
    counts = BellCounts.from_counts({(0, 0): {"10": 7, "01": 2}})
    assert counts.array[0, 0].tolist() == [[0, 7], [2, 0]]


def test_settings_are_in_party_order():
    counts = BellCounts.from_counts({(0, 0): {"00": 1}, (1, 0): {"00": 2}, (2, 0): {"00": 3}})
    assert counts.scenario == BellScenario((3, 1), (2, 2))
    assert counts.num_shots.tolist() == [[1], [2], [3]]


def test_parties_of_several_qubits_count_their_first_qubit_least():
    # From the right: party 0 reads bits 1, 0 (outcome 1 + 2 * 0), party 1 reads bit 1, party 2 reads 0, 1, 1.
    counts = BellCounts.from_counts({(0, 0, 0): {"110101": 9}}, qubits_per_party=(2, 1, 3))
    assert counts.scenario == BellScenario((1, 1, 1), (4, 2, 8))
    assert np.argwhere(counts.array).tolist() == [[0, 0, 0, 1, 1, 6]]
    assert counts.array[0, 0, 0, 1, 1, 6] == 9


def test_tuples_are_in_party_order_with_as_many_outcomes_as_seen():
    counts = BellCounts.from_counts({(0, 0): {(2, 0): 4, (1, 1): 3}, (0, 1): {(0, 1): 8}})
    assert counts.scenario == BellScenario((1, 2), (3, 2))
    assert counts.array[0, 0].tolist() == [[0, 0], [0, 3], [4, 0]]
    assert counts.array[0, 1].tolist() == [[0, 8], [0, 0], [0, 0]]


def test_tuples_may_have_outcomes_that_were_never_seen():
    counts = BellCounts.from_counts({(0, 0): {(0, 0): 4}}, num_outcomes=(2, 3))
    assert counts.array.tolist() == [[[[4, 0, 0], [0, 0, 0]]]]


def test_tuples_have_at_least_two_outcomes():
    assert BellCounts.from_counts({(0, 0): {(0, 0): 4}}).scenario.max_outcomes == (2, 2)


def test_spaces_between_registers_are_ignored():
    counts = BellCounts.from_counts({(0, 0, 0): {"1 00": 5, "0 01": 3}})
    assert counts.array[0, 0, 0, 0, 0, 1] == 5
    assert counts.array[0, 0, 0, 1, 0, 0] == 3
    assert counts.total_shots == 8


def test_counts_of_qiskit_results_are_taken():
    counts = BellCounts.from_counts({(0, 0): Counts({"10": 3, "11": 1})})
    assert counts.array[0, 0].tolist() == [[0, 3], [0, 1]]


def test_missing_outcomes_were_seen_zero_times():
    counts = BellCounts.from_counts(TWO_BY_ONE)
    assert counts.array[:, 0].tolist() == [[[5, 0], [0, 0]], [[0, 0], [0, 6]]]


def test_whole_floats_are_counts():
    assert BellCounts.from_counts({(0,): {"0": 5.0, "1": np.float64(3)}}).array.tolist() == [[5, 3]]
    assert BellCounts([[5.0, 3.0]]).array.dtype == np.int64


def test_one_party_may_have_plain_numbers_as_settings():
    assert BellCounts.from_counts({0: {"0": 1}, 1: {"1": 2}}).array.tolist() == [[1, 0], [0, 2]]


@settings(max_examples=25, deadline=None, database=None)
@given(arrays(np.int64, (2, 1, 2, 4), elements=st.integers(0, 50)))
def test_dictionaries_hold_the_same_as_the_array(array):
    array[..., 0, 0] += 1
    dictionaries = {
        (x, 0): {f"{b:02b}{a:01b}": int(array[x, 0, a, b]) for a in range(2) for b in range(4)} for x in range(2)
    }
    assert BellCounts.from_counts(dictionaries, qubits_per_party=(1, 2)) == BellCounts(array)


# What can be asked


def test_settings_may_have_different_shots():
    counts = BellCounts.from_counts({(0, 0): {"00": 5}, (0, 1): {"01": 90, "10": 10}})
    assert counts.num_shots.tolist() == [[5, 100]]
    assert counts.total_shots == 105
    assert counts.frequencies().array[0, 1].tolist() == [[0, 0.1], [0.9, 0]]


def test_frequencies_divide_by_the_shots_of_each_setting():
    frequencies = BellCounts([[1, 3], [30, 10], [0, 8]]).frequencies()
    assert frequencies.array.tolist() == [[0.25, 0.75], [0.75, 0.25], [0, 1]]


def test_frequencies_of_large_unequal_counts_are_a_behavior():
    array = np.random.default_rng(3).integers(1, 10**9, size=(3, 2, 3, 5))
    frequencies = BellCounts(array).frequencies()
    np.testing.assert_allclose(frequencies.array.sum(axis=(2, 3)), 1, atol=1e-14)
    np.testing.assert_allclose(frequencies.array[2, 1], array[2, 1] / array[2, 1].sum(), rtol=1e-14)


def test_arrays_are_read_only_whole_numbers():
    counts = BellCounts(np.array([[5, 3]], dtype=np.int32))
    assert counts.array.dtype == np.int64
    for array in (counts.array, counts.num_shots):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 1


def test_comparison_takes_the_design_into_account():
    counts = BellCounts([[5, 5], [5, 5]])
    assert counts == BellCounts(np.full((2, 2), 5.0))
    assert counts != BellCounts([[5, 5], [5, 6]])
    assert counts != BellCounts([[5, 5], [5, 5]], "random", [0.5, 0.5])
    assert BellCounts([[5, 5], [5, 5]], "random", [0.4, 0.6]) != BellCounts([[5, 5], [5, 5]], "random", [0.5, 0.5])


def test_repr_tells_shots_and_design():
    text = repr(BellCounts([[5, 3]]))
    assert "8 shots" in text
    assert "blocks" in text


def test_refusals_raise_no_warnings_on_the_way():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        refusal(CountsError, lambda: BellCounts([[np.nan, np.inf]]))
        refusal(CountsError, lambda: BellCounts.from_counts({(0,): {"0": np.float64("-inf")}}))


def test_shots_are_limited_before_work():
    from qiskit_lhv.statistics.random_orders import check_shot_limit

    many = np.full((2, 2, 2, 2), 10**9 // 4 - 1)
    check_shot_limit(BellCounts(many))
    for array in (many + 1, np.full((2, 2, 2, 2), 10**14)):
        with pytest.raises(CountsError, match=r"fewer than 1000000000 shots per setting combination.*combine_e_values"):
            check_shot_limit(BellCounts(array))
    with pytest.raises(CountsError, match="fewer than 1000000000 shots in all"):
        check_shot_limit(BellCounts(many, "random", np.full((2, 2), 0.25)))
