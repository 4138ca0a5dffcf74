import json

import numpy as np
import pytest
from qiskit_lhv import Behavior, BellCounts, BellScenario, load_bundled_counts, read_counts
from qiskit_lhv.datasets import BundledCounts, bundled_counts
from qiskit_lhv.exceptions import CountsError

IBM = [
    "ibm_hanoi19_20circuit13",
    "ibm_mumbai23_24circuit13",
    "ibm_washington38_39circuit13",
    "ibm_washington91_98circuit4",
    "ibm_hanoi19_20circuit4",
]


def chsh_value(counts, minus):
    table = counts.array.astype(float)
    value = 0.0
    for x, y in np.ndindex(2, 2):
        same = table[x, y, 0, 0] + table[x, y, 1, 1]
        differ = table[x, y, 0, 1] + table[x, y, 1, 0]
        correlator = (same - differ) / (same + differ)
        value += -correlator if (x, y) == minus else correlator
    return value


def write(folder, data):
    path = folder / "counts.json"
    path.write_text(data if isinstance(data, str) else json.dumps(data), encoding="utf-8")
    return path


# Bundled tables


def test_names_are_those_of_the_published_tables():
    assert bundled_counts() == ("delft_2015", *IBM)


@pytest.mark.parametrize("name", bundled_counts())
def test_every_table_is_a_chsh_table_with_its_source(name):
    bundled = load_bundled_counts(name)
    assert isinstance(bundled, BundledCounts)
    assert bundled.name == name
    assert bundled.counts.scenario == BellScenario((2, 2), (2, 2))
    assert any(words in bundled.source for words in ("Nature 526, 682", "arXiv:2503.18949"))


def test_delft_has_random_settings_and_245_trials():
    counts = load_bundled_counts("delft_2015").counts
    assert counts.design == "random"
    assert counts.setting_probabilities.tolist() == [[0.25, 0.25], [0.25, 0.25]]
    assert counts.num_shots.tolist() == [[53, 79], [62, 51]]
    assert counts.total_shots == 245
    assert counts.array[0, 0].tolist() == [[23, 3], [4, 23]]


def test_delft_reaches_its_published_value():
    assert chsh_value(load_bundled_counts("delft_2015").counts, (1, 1)) == pytest.approx(2.4225, abs=5e-5)


@pytest.mark.parametrize("name", IBM)
def test_device_tables_hold_a_hundred_runs_of_1800_trials(name):
    counts = load_bundled_counts(name).counts
    assert counts.design == "blocks"
    assert counts.setting_probabilities is None
    assert counts.total_shots == 100 * 1800


def test_hanoi_violates_chsh_with_the_minus_sign_at_the_first_settings():
    counts = load_bundled_counts("ibm_hanoi19_20circuit13").counts
    assert chsh_value(counts, (0, 0)) == pytest.approx(2.7682, abs=5e-5)
    assert abs(chsh_value(counts, (1, 1))) < 0.1


@pytest.mark.parametrize("name", ["delft", "", "conventions", None, 5])
def test_unknown_names_are_refused_with_the_known_ones(name):
    with pytest.raises(CountsError, match=r"^name: expected one of delft_2015, ibm_hanoi19_20circuit13"):
        load_bundled_counts(name)


def test_loaded_counts_cannot_be_changed_for_others():
    first = load_bundled_counts("delft_2015").counts
    with pytest.raises(ValueError, match="read-only"):
        first.array[0, 0, 0, 0] = 0
    assert load_bundled_counts("delft_2015").counts == first


# Files of counts


def test_bitstrings_have_party_zero_on_the_right(tmp_path):
    data = {"counts": {"0,0": {"10": 7, "00": 1}, "1,0": {"01": 5}}}
    counts = read_counts(write(tmp_path, data))
    assert counts.array[:, 0].tolist() == [[[1, 7], [0, 0]], [[0, 0], [5, 0]]]
    assert counts.design == "blocks"


@pytest.mark.parametrize("key", ["0,1", "(0, 1)", " 0 , 1 ", "(0,1)"])
def test_settings_may_be_written_as_tuples(key, tmp_path):
    data = {"counts": {"0,0": {"00": 1}, key: {"11": 4}}}
    assert read_counts(write(tmp_path, data)).array[0, 1].tolist() == [[0, 0], [0, 4]]


@pytest.mark.parametrize("key", ["2,0", "(2, 0)"])
def test_outcomes_are_in_party_order(key, tmp_path):
    counts = read_counts(write(tmp_path, {"counts": {"0,0": {key: 3, "0,1": 2}}}))
    assert counts.array[0, 0].tolist() == [[0, 2], [0, 0], [3, 0]]


def test_one_party_may_have_many_outcomes(tmp_path):
    counts = read_counts(write(tmp_path, {"counts": {"0": {"2,": 3, "(0,)": 1}, "1": {"1,": 2}}}))
    assert counts.array.tolist() == [[1, 0, 3], [0, 2, 0]]


def test_numbers_of_outcomes_and_qubits_are_passed_on(tmp_path):
    tuples = read_counts(write(tmp_path, {"counts": {"0,0": {"0,0": 3}}, "num_outcomes": [2, 3]}))
    assert tuples.scenario == BellScenario((1, 1), (2, 3))
    bits = read_counts(write(tmp_path, {"counts": {"0,0": {"110": 3}}, "qubits_per_party": [2, 1]}))
    assert bits.array[0, 0, 2, 1] == 3
    assert bits.scenario == BellScenario((1, 1), (4, 2))


def test_tables_are_indexed_by_settings_then_outcomes(tmp_path):
    table = [[[[1, 2], [3, 4], [5, 6]]], [[[7, 8], [9, 10], [11, 12]]]]
    counts = read_counts(write(tmp_path, {"table": table, "source": "a notebook"}))
    assert counts.scenario == BellScenario((2, 1), (3, 2))
    assert counts.array.tolist() == table


@pytest.mark.parametrize(
    "body", [{"table": [[5, 6], [7, 8]]}, {"counts": {"0": {"0": 5, "1": 6}, "1": {"0": 7, "1": 8}}}]
)
def test_designs_are_passed_on(body, tmp_path):
    data = {**body, "design": "random", "setting_probabilities": [0.25, 0.75]}
    expected = BellCounts([[5, 6], [7, 8]], "random", [0.25, 0.75])
    assert read_counts(write(tmp_path, data)) == expected


@pytest.mark.parametrize("suffix", [".json", ".npz"])
def test_saved_counts_are_read(suffix, tmp_path):
    counts = BellCounts(np.arange(1, 9).reshape(2, 1, 2, 2), "random", [[0.5], [0.5]])
    path = tmp_path / f"counts{suffix}"
    counts.save(path)
    assert read_counts(path) == counts
    assert read_counts(str(path)) == counts


# Files that cannot be used


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ("{not json", "a readable JSON file"),
        ("", "a readable JSON file"),
        ([1, 2], "got list"),
        ("5", "got int"),
        ("null", "got NoneType"),
        ({}, 'either "counts" or "table"'),
        ({"design": "blocks"}, "the keys ['design']"),
        ({"counts": {"0": {"0": 1}}, "table": [[1, 2]]}, 'either "counts" or "table"'),
        ({"table": [[1, 2]], "shots": 3}, "the keys ['shots', 'table']"),
        ({"counts": [1, 2]}, '"counts" that map settings to dictionaries'),
        ({"counts": {"0,0": 5}}, '"counts" that map settings to dictionaries'),
        ({"counts": {"": {"00": 1}}}, 'settings such as "0,1"'),
        ({"counts": {"0,0": {"a,b": 1}}}, "'a,b'"),
        ({"counts": {}}, "a dictionary"),
        ({"counts": {"0,0": {"0": 1}}}, "bitstrings of 2 bits"),
        ({"counts": {"0,0": {"00": 0.5}}}, "quasi-probabilities"),
        ({"counts": {"0,0": {"00": -1}}}, "quasi-probabilities"),
        ({"counts": {"0,0": {"00": True}}}, "a whole number"),
        ({"counts": {"0,0": {"00": "5"}}}, "a whole number"),
        ({"counts": {"0,0": {"00": None}}}, "a whole number"),
        ({"counts": {"0,0": {"00": 1}}, "qubits_per_party": [1]}, "qubits_per_party"),
        ({"counts": {"0,0": {"00": 1}}, "num_outcomes": "many"}, "num_outcomes"),
        ({"table": [[1, -2]]}, "got -2"),
        ({"table": [[1, 2.5]]}, "got 2.5"),
        ({"table": [[1, 2], [3]]}, "an array of numbers"),
        ({"table": [1, 2]}, "shape (2,)"),
        ({"table": "5"}, "array: expected"),
        ({"table": {"0": 1}}, "an array of numbers"),
        ({"table": [[0, 0]]}, "at least one shot"),
        ({"table": [[1, 2]], "design": "guess"}, "'blocks' or 'random'"),
        ({"table": [[1, 2]], "design": ["random"]}, "'blocks' or 'random'"),
        ({"table": [[1, 2]], "design": "random"}, "They must be known"),
        ({"table": [[1, 2]], "design": "random", "setting_probabilities": [0.5]}, "sum to 1"),
        ({"table": [[1, 2]], "setting_probabilities": [1.0]}, "design='random'"),
    ],
)
def test_unusable_files_are_refused(data, words, tmp_path):
    with pytest.raises(CountsError) as caught:
        read_counts(write(tmp_path, data))
    assert words in str(caught.value)


def test_infinite_and_missing_numbers_are_refused(tmp_path):
    for number in ("NaN", "Infinity", "1e999"):
        with pytest.raises(CountsError, match="expected a whole number of at least zero"):
            read_counts(write(tmp_path, f'{{"counts": {{"0,0": {{"00": {number}}}}}}}'))
        with pytest.raises(CountsError, match="expected finite numbers"):
            read_counts(write(tmp_path, f'{{"table": [[1, {number}]]}}'))


@pytest.mark.parametrize("suffix", [".json", ".npz"])
def test_missing_files_are_refused_alike(suffix, tmp_path):
    with pytest.raises(CountsError, match=r"^path: expected .*nothing"):
        read_counts(tmp_path / f"nothing{suffix}")


def test_folders_are_refused(tmp_path):
    with pytest.raises(CountsError, match=r"^path: expected a readable JSON file"):
        read_counts(tmp_path)


def test_files_in_another_encoding_are_refused(tmp_path):
    path = tmp_path / "counts.json"
    path.write_bytes(b'{"source": "Z\xfcrich", "table": [[1, 2]]}')
    with pytest.raises(CountsError, match=r"^path: expected a readable JSON file"):
        read_counts(path)


@pytest.mark.parametrize("suffix", [".json", ".npz"])
def test_saved_files_of_other_things_are_refused(suffix, tmp_path):
    path = tmp_path / f"behavior{suffix}"
    Behavior([[0.5, 0.5]]).save(path)
    with pytest.raises(CountsError, match=r"saved (a )?Behavior"):
        read_counts(path)


def shots_unless_refused(path):
    try:
        return read_counts(path).total_shots
    except CountsError:
        return None


def test_two_names_of_one_setting_are_added_or_refused(tmp_path):
    path = write(tmp_path, {"counts": {"0,0": {"00": 5}, "(0, 0)": {"00": 7}}})
    assert shots_unless_refused(path) in (12, None)
