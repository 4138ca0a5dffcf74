"""Files of counts in the forms in which people have them, and what they say about themselves."""

import json

import numpy as np
import pytest
from qiskit_lhv import Behavior, BellCounts, BellTrials, read_counts
from qiskit_lhv.datasets import read_data
from qiskit_lhv.exceptions import CountsError
from qiskit_lhv.targets.counts_files import option_of_text

from helpers import refusal

TABLES = [{"0000": 4, "0110": 5}, {"1001": 6, "0011": 7}, {"1111": 8}, {"0101": 9, "0001": 2}]
WORDS = ["ZZ", "ZX", "XZ", "XX"]


def write(folder, data, name="data.json"):
    path = folder / name
    path.write_text(json.dumps(data), encoding="utf-8")
    return path


def test_a_file_may_say_which_bits_are_whose(tmp_path):
    expected = BellCounts.from_counts(TABLES, settings=WORDS, bits=[2, 3])
    told = {"counts": TABLES, "settings": WORDS, "bits": {"A": 2, "B": 3}, "source": "a note"}
    assert read_counts(write(tmp_path, told)) == expected
    assert read_counts(write(tmp_path, TABLES), settings=WORDS, bits=[2, 3]) == expected
    assert read_counts(write(tmp_path, dict(zip(WORDS, TABLES, strict=True))), bits=[2, 3]) == expected


def test_a_file_may_hold_many_groups(tmp_path):
    path = write(tmp_path, {"counts": TABLES, "settings": WORDS, "groups": {"0,1": [0, 1], "(7, 2)": [2, 3]}})
    data = read_data(path)
    assert list(data) == [(0, 1), (7, 2)]
    assert data[7, 2] == BellCounts.from_counts(TABLES, settings=WORDS, bits=[2, 3])
    assert "2 groups" in refusal(CountsError, lambda: read_counts(path))
    for groups in ([[0, 1]], {"a,b": [0, 1]}, {"": [0, 1]}):
        assert "groups" in refusal(CountsError, lambda groups=groups: read_data(path, groups=groups))


def test_a_file_may_be_a_table_or_rows(tmp_path):
    array = np.arange(1, 17).reshape(2, 2, 2, 2)
    assert read_counts(write(tmp_path, array.tolist())).array.tolist() == array.tolist()
    cells = [
        dict(zip("xyab", map(int, cell), strict=True)) | {"n": int(array[cell])} for cell in np.ndindex(array.shape)
    ]
    assert read_counts(write(tmp_path, cells)).array.tolist() == array.tolist()
    columns = {name: [cell[name] for cell in cells] for name in "xyabn"}
    assert read_counts(write(tmp_path, columns)).array.tolist() == array.tolist()
    trials = {name: columns[name] for name in "xyab"}
    assert isinstance(read_data(write(tmp_path, {"counts": trials, "design": "random"})), BellTrials)


@pytest.mark.parametrize(
    ("data", "options", "words"),
    [
        ({"correlations": [[0.5]], "errors": [[0.1]]}, {}, "the keys ['correlations', 'errors']"),
        ([1, 2], {}, "got list"),
        ([], {}, "got list"),
        ({"counts": {"0,0": {"00": 5}}, "lost_outcomes": [1, None]}, {}, 'only beside "table"'),
        ({"table": [[1, 2]]}, {"bits": [0]}, "bits: expected for a table of numbers"),
        ({"table": [[1, 2]], "num_outcomes": [[2, 2]]}, {}, "num_outcomes"),
        ([[1, 2]], {"registers": ["a"]}, "registers: expected for a table of numbers"),
        ({"__type__": "PrimitiveResult", "__value__": {"pub_results": 5}}, {}, "damaged JSON"),
        ({"__type__": "ndarray", "__value__": "no base64!"}, {}, "damaged JSON"),
    ],
)
def test_files_that_cannot_be_used_are_refused(tmp_path, data, options, words):
    assert words in refusal(CountsError, lambda: read_data(write(tmp_path, data), **options))


def test_saved_files_say_everything_themselves(tmp_path):
    Behavior([[0.5, 0.5]]).sample(9, seed=1).save(tmp_path / "counts.npz")
    assert read_data(tmp_path / "counts.npz", design=None).total_shots == 9
    assert "save()" in refusal(CountsError, lambda: read_data(tmp_path / "counts.npz", design="blocks"))


@pytest.mark.parametrize(
    ("text", "option"),
    [
        ('bits={"A": 0, "B": [3, 4]}', ("bits", {"A": 0, "B": [3, 4]})),
        ("setting-order=qiskit", ("setting_order", "qiskit")),
        ('registers=["out", "mid"]', ("registers", ["out", "mid"])),
        ("count=n", ("count", "n")),
    ],
)
def test_options_are_written_as_texts(text, option):
    assert option_of_text(text) == option


@pytest.mark.parametrize("text", ["bits", "bits=", "other=3", "", "=3"])
def test_other_options_are_refused(text):
    assert refusal(CountsError, lambda: option_of_text(text)).startswith("--read: expected NAME=VALUE")
