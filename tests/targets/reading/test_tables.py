"""Tables with one row per trial or per cell, their columns, and CSV files."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from qiskit_lhv import BellCounts, BellScenario, BellTrials, read_counts
from qiskit_lhv.datasets import read_data
from qiskit_lhv.exceptions import CountsError
from qiskit_lhv.targets.reading.columns import roles_of

from helpers import refusal

ROWS = [(0, 0, 0, 1), (0, 1, 1, 1), (1, 0, 0, 0), (1, 1, 1, 0), (1, 0, 1, 1)]
NAMES = ["x", "y", "a", "b"]
COLUMNS = dict(zip(NAMES, map(list, zip(*ROWS, strict=True)), strict=True))
TRIALS = BellTrials([row[:2] for row in ROWS], [row[2:] for row in ROWS], design="random")


def write(folder, text, name="data.csv"):
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def csv_of(names, rows, separator=","):
    return "\n".join(separator.join(map(str, row)) for row in [names, *rows]) + "\n"


def signs(row):
    return (*row[:2], 1 - 2 * row[2], 1 - 2 * row[3])


# Forms


@pytest.mark.parametrize(
    "table",
    [
        COLUMNS,
        {name: np.array(values) for name, values in COLUMNS.items()},
        {name: np.array(values, float) for name, values in COLUMNS.items()},
        {name: [bool(v) if name in "ab" else str(v) for v in values] for name, values in COLUMNS.items()},
        [dict(zip(NAMES, row, strict=True)) for row in ROWS],
        [dict(zip(NAMES, signs(row), strict=True)) for row in ROWS],
        np.array(ROWS, dtype=[(name, int) for name in NAMES]),
        {"time": [9, 8, 7, 6, 5], **COLUMNS},
        {name: COLUMNS[name] for name in ("b", "y", "a", "x")},
        dict(zip(["x0", "x1", "a0", "a1"], COLUMNS.values(), strict=True)),
        dict(zip(["alice_setting", "bob_setting", "alice_outcome", "bob_outcome"], COLUMNS.values(), strict=True)),
        dict(zip(["Setting A", "Setting B", "Result A", "Result B"], COLUMNS.values(), strict=True)),
    ],
    ids=[
        "lists",
        "arrays",
        "floats",
        "truth values",
        "rows",
        "signs",
        "structured",
        "more",
        "order",
        "x0",
        "names",
        "A",
    ],
)
def test_tables_of_all_forms_hold_the_trials(table):
    assert BellTrials.from_table(table, design="random") == TRIALS
    if len(next(iter(table))) > 1 and isinstance(table, dict) and any(" " in name for name in table):
        # Names with spaces are no names of Python: such a dictionary is taken by from_table alone.
        return
    assert BellCounts.from_counts(table, design="random").array.tolist() == TRIALS.table.tolist()


def test_data_frames_hold_trials_and_cells():
    pandas = pytest.importorskip("pandas")
    assert BellTrials.from_table(pandas.DataFrame(COLUMNS), design="random") == TRIALS
    frame = pandas.DataFrame({"x": [0, 0, 1, 1], "a": [1, 0, 0, 1], "count": [5, 6, 7, 8]})
    assert BellCounts.from_counts(frame).array.tolist() == [[6, 5], [7, 8]]
    missing = pandas.DataFrame({"x": [0, 0, 0], "a": pandas.array([1, None, 0], dtype="Int64")})
    assert BellTrials.from_table(missing, design="blocks").outcomes[:, 0].tolist() == [1, 2, 0]


def test_rows_without_names_need_their_columns():
    message = refusal(CountsError, lambda: BellTrials.from_table(ROWS, design="random"))
    assert "settings=[0, 1], outcomes=[2, 3]" in message
    assert "settings=[0, 2], outcomes=[1, 3]" in message
    assert BellTrials.from_table(np.array(ROWS), settings=[0, 1], outcomes=[2, 3], design="random") == TRIALS


@pytest.mark.parametrize("separator", [",", ";", "\t", " ", ", "])
@pytest.mark.parametrize("header", [True, False])
def test_csv_files_hold_trials(tmp_path, separator, header):
    text = csv_of(NAMES, ROWS, separator)
    path = write(tmp_path, "# a comment\n" + (text if header else text.split("\n", 1)[1]))
    options = {} if header else {"settings": [0, 1], "outcomes": [2, 3]}
    if not header:
        assert "settings=[0, 1]" in refusal(CountsError, lambda: read_data(path, design="random"))
    assert read_data(path, design="random", **options) == TRIALS
    assert BellTrials.from_table(path, design="random", **options) == TRIALS


def test_angles_in_columns_are_settings_of_their_own(tmp_path):
    rows = [(0, 22.5, "+", "-"), (45, 22.5, "-", "-"), (45, -22.5, "+", "+"), (0, -22.5, "+", "-")]
    trials = read_data(write(tmp_path, csv_of(["angle_a", "angle_b", "outcome_a", "outcome_b"], rows)), design="random")
    assert trials.setting_names == (("0", "45"), ("-22.5", "22.5"))
    assert trials.settings.tolist() == [[0, 1], [1, 1], [1, 0], [0, 0]]
    assert trials.outcomes.tolist() == [[0, 1], [1, 1], [0, 0], [0, 1]]
    assert trials.to_counts().reading == trials.reading
    assert any("+1 is outcome 0" in note for note in trials.reading)


def test_names_of_settings_and_outcomes_are_numbered():
    trials = BellTrials.from_table({"basis": ["Z", "X", "Z"], "outcome": ["V", "H", "H"]}, design="blocks")
    assert trials.setting_names == (("Z", "X"),)
    assert trials.outcomes[:, 0].tolist() == [1, 0, 0]
    assert any("0 = H, 1 = V" in note for note in trials.reading)


def test_missing_outcomes_are_lost(tmp_path):
    path = write(tmp_path, "x,y,a,b\n0,0,1,\n0,0,0,1\n0,0,-,0\n")
    trials = read_data(path, design="blocks")
    assert trials.lost_outcomes == (2, 2)
    assert trials.outcomes.tolist() == [[1, 2], [0, 1], [2, 0]]


def test_cells_have_counts(tmp_path):
    cells = [(x, y, a, b, 8 * x + 4 * y + 2 * a + b) for x, y, a, b in np.ndindex(2, 2, 2, 2)]
    path = write(tmp_path, csv_of([*NAMES, "coincidences"], cells))
    assert read_counts(path).array.ravel().tolist() == list(range(16))
    assert read_counts(path).design == "blocks"
    message = refusal(CountsError, lambda: BellTrials.from_table(path, design="random"))
    assert "BellCounts.from_table" in message


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "which is empty"),
        ("x,y,a,b\n", "at least one row"),
        ("x,y,a,b\n0,0,1\n", "4 entries in every row of data.csv, got 3 in row 2"),
        ("x,x,a,b\n0,0,1,1\n", "different names"),
        ("p,q,r,s\n0,0,1,1\n", "settings=['p', 'q'], outcomes=['r', 's']"),
        ("x,a,count\n0,0,5\n0,0,6\n", "each cell once"),
        ("x,a,count\n0,0,5\n0,1,2.5\n", "quasi-probabilities"),
        ("x,a,count\n0,0,5\n0,1,-2\n", "counts of at least zero"),
        ("x,a,count\n0,0,5\n0,1,many\n", "whole numbers"),
        ("x,y,a,b\n0,0,1,0\n0,0,-1,1\n", "outcomes 0 and 1, or +1 and -1"),
        ("x,y,a,b\n0,0,0.5,0\n", "outcomes 0 and 1"),
        ("x,y,a,b\n0,,0,0\n", "a setting in every row"),
        ("x,y,a,b\n0,0,0,1\n", 'design="random"'),
        ("x,a\n0,1000000000\n", "at most 100000000 combinations"),
        ('# qiskit_lhv: {"other": 1}\nx,a\n0,1\n', "is not understood"),
        ('"x,a\n0,1\n', "a CSV file"),
    ],
)
def test_unusable_tables_are_refused(tmp_path, text, words):
    assert words in refusal(CountsError, lambda: read_data(write(tmp_path, text)))


@pytest.mark.parametrize(
    ("table", "words"),
    [
        (None, "columns by name"),
        ([], "columns by name"),
        ({"x": 5}, "columns by name"),
        ({"x": [0], "a": [[1]]}, "columns by name"),
        ({"x": [1], "a": [1, 2]}, "columns of equal length"),
        ({"x": [0], "a": [10**30]}, "at most 100000000 combinations"),
        ({"x": [0, 0], "a": [1, "H"]}, "outcomes 0 and 1, +1 and -1, or names"),
    ],
)
def test_what_is_no_table_is_refused(table, words):
    assert words in refusal(CountsError, lambda: BellTrials.from_table(table, design="random"))


def test_tables_of_numbers_are_sent_to_the_constructor():
    for table in ([[5, 6], [7, 8]], np.ones((2, 2))):
        assert "BellCounts(array)" in refusal(CountsError, lambda table=table: BellCounts.from_counts(table))


def test_files_that_are_not_there_are_refused(tmp_path):
    assert "none.csv" in refusal(CountsError, lambda: read_counts(tmp_path / "none.csv"))
    (tmp_path / "bytes.csv").write_bytes(b"x,a\n\xff\xfe,1\n")
    assert "a readable CSV file" in refusal(CountsError, lambda: read_counts(tmp_path / "bytes.csv"))


@pytest.mark.parametrize(
    ("names", "roles"),
    [
        (("x", "a"), (("x",), ("a",), None)),
        (("b", "x", "a", "y", "n"), (("x", "y"), ("a", "b"), "n")),
        (("x", "y", "z", "a", "b", "c", "shots"), (("x", "y", "z"), ("a", "b", "c"), "shots")),
        (("theta", "x", "a"), (("x",), ("a",), None)),
        (("x", "y", "a"), None),
        (("x", "X", "a", "b"), None),
        (("count", "n", "x", "a"), None),
        (("p", "q"), None),
    ],
)
def test_columns_are_told_by_their_names(names, roles):
    found = roles_of(names)
    assert (None if found is None else (found.settings, found.outcomes, found.count)) == roles


# Files that are written


@settings(max_examples=20, deadline=None, database=None)
@given(st.data())
def test_counts_survive_a_csv_file(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("csv") / "counts.csv"
    num_settings = data.draw(st.lists(st.integers(1, 3), min_size=1, max_size=4))
    num_outcomes = [data.draw(st.lists(st.integers(2, 3), min_size=m, max_size=m)) for m in num_settings]
    scenario = BellScenario(num_settings, num_outcomes)
    array = np.zeros(scenario.shape, np.int64)
    for cell in np.ndindex(array.shape):
        n = len(num_settings)
        if all(a < own[x] for own, x, a in zip(scenario.num_outcomes, cell[:n], cell[n:], strict=True)):
            array[cell] = data.draw(st.integers(1, 99))
    options = {}
    if data.draw(st.booleans()):
        size = int(np.prod(num_settings))
        options = {"design": "random", "setting_probabilities": np.full(num_settings, 1 / size)}
    if data.draw(st.booleans()):
        options["setting_names"] = [[f"{x * 45}" if x else "Z" for x in reversed(range(m))] for m in num_settings]
    if data.draw(st.booleans()):
        options |= {"lost_outcomes": [1] + [None] * (len(num_settings) - 1), "post_selected": True}
    counts = BellCounts(array, scenario=scenario, **options)
    counts.save(path)
    again = read_counts(path)
    assert again == counts
    assert again.setting_names == counts.setting_names


@settings(max_examples=20, deadline=None, database=None)
@given(st.data())
def test_trials_survive_a_csv_file(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("csv") / "trials.csv"
    n = data.draw(st.integers(1, 4))
    rows = data.draw(st.lists(st.tuples(*[st.integers(0, 1)] * (2 * n)), min_size=1, max_size=9))
    names = [["first", "45"]] * n if data.draw(st.booleans()) else None
    trials = BellTrials(
        [row[:n] for row in rows],
        [row[n:] for row in rows],
        BellScenario([2] * n, [3] * n),
        design=data.draw(st.sampled_from(["random", "blocks"])),
        lost_outcomes=[2] * n,
        setting_names=names,
    )
    trials.save(path)
    again = BellTrials.from_table(path)
    assert again == trials == read_data(path)
    assert again.setting_names == trials.setting_names


def test_csv_files_of_plain_counts_are_plain(tmp_path):
    BellCounts([[5, 6], [7, 8]]).save(tmp_path / "counts.csv")
    assert (tmp_path / "counts.csv").read_text() == "x,a,count\n0,0,5\n0,1,6\n1,0,7\n1,1,8\n"


@pytest.mark.parametrize("outcomes", [["00", "01", "11"], [0, 1, 11], ["0,0", "0,1", "1,1"], ["0 0", "0 1", "1 1"]])
def test_bitstrings_in_one_column_are_not_outcomes_of_one_party(outcomes):
    table = {"basis": ["ZX", "XZ", "ZZ"], "outcome": outcomes, "count": [5, 3, 2]}
    with pytest.raises(CountsError, match=r"bitstrings of several parties.*from_counts"):
        BellCounts.from_table(table)


def test_one_party_alone_has_a_table():
    table = {"x": [0, 0, 1], "a": [0, 1, 1], "count": [5, 3, 2]}
    assert BellCounts.from_table(table).array.tolist() == [[5, 3], [0, 2]]
