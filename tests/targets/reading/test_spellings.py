"""Settings and outcomes in the spellings of people, and what is said or asked about them."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from qiskit.primitives import BitArray, DataBin, PrimitiveResult, SamplerPubResult
from qiskit.result import Counts, Result
from qiskit_lhv import BellCounts
from qiskit_lhv.exceptions import CountsError
from qiskit_lhv.targets.dictionaries import ReadingOptions, table_of_counts

from helpers import refusal

POSITIONS = [(0, 0), (0, 1), (1, 0), (1, 1)]
# No two entries are alike, so that no order can be mistaken for another.
TABLE = np.arange(10, 26).reshape(2, 2, 2, 2)
QUIET = settings(max_examples=20, deadline=None, database=None)

SETTING_SPELLINGS = {
    "tuples": lambda x, y: (x, y),
    "texts": lambda x, y: f"{x},{y}",
    "brackets": lambda x, y: f"({x}, {y})",
    "spaces": lambda x, y: f"{x} {y}",
    "digits": lambda x, y: f"{x}{y}",
    "letters": lambda x, y: "ZX"[y] + "ZX"[x],
    "letters in tuples": lambda x, y: ("ZX"[x], "ZX"[y]),
    "letters in texts": lambda x, y: f"{'ZX'[x]}, {'ZX'[y]}",
    "names": lambda x, y: f"A{x}B{y}",
    "angles": lambda x, y: (45 * x, 22.5 + 45 * y),
    "angles in texts": lambda x, y: f"{-45 + 45 * x},{45 * y}",
    "degrees": lambda x, y: f"{45 * x}°, {22.5 + 45 * y}°",
    "words in tuples": lambda x, y: ("first" if x == 0 else "second", f"b{y}"),
}
OUTCOME_SPELLINGS = {
    "bits": lambda a, b: f"{b}{a}",
    "registers": lambda a, b: f"{b} {a}",
    "hexadecimal": lambda a, b: hex(a + 2 * b),
    "binary": lambda a, b: bin(a + 2 * b),
    "integers": lambda a, b: a + 2 * b,
    "NumPy integers": lambda a, b: np.int64(a + 2 * b),
    "decimal texts": lambda a, b: str(a + 2 * b),
    "unpadded": lambda a, b: f"{10 * b + a}",
    "tuples": lambda a, b: (a, b),
    "texts": lambda a, b: f"{a},{b}",
    "signs": lambda a, b: (1 - 2 * a, 1 - 2 * b),
    "signs in texts": lambda a, b: f"{1 - 2 * a:+d},{1 - 2 * b:+d}",
}


def spelled(array, of_setting, of_outcome):
    cells = list(itertools.product(range(2), repeat=2))
    return {of_setting(x, y): {of_outcome(a, b): int(array[x, y, a, b]) for a, b in cells} for x, y in POSITIONS}


@pytest.mark.parametrize("of_outcome", OUTCOME_SPELLINGS.values(), ids=OUTCOME_SPELLINGS)
@pytest.mark.parametrize("of_setting", SETTING_SPELLINGS.values(), ids=SETTING_SPELLINGS)
def test_every_spelling_is_the_same_table(of_setting, of_outcome):
    assert BellCounts.from_counts(spelled(TABLE, of_setting, of_outcome)).array.tolist() == TABLE.tolist()


BY_NUMBER = ["tuples", "texts", "brackets", "spaces", "digits", "angles", "angles in texts"]


@QUIET
@given(
    arrays(np.int64, (2, 2, 2, 2), elements=st.integers(0, 10**6)),
    st.sampled_from(list(SETTING_SPELLINGS)),
    st.sampled_from(list(OUTCOME_SPELLINGS)),
    st.permutations(POSITIONS),
)
def test_spellings_are_the_same_for_every_table(array, setting, outcome, order):
    # The first cell is seen with the largest number, so that no bit seems to be missing.
    array[..., 1, 1] += 1
    counts = spelled(array, SETTING_SPELLINGS[setting], OUTCOME_SPELLINGS[outcome])
    if setting in BY_NUMBER:
        # Settings with names are numbered as they come, those with numbers by their size.
        keys = list(counts)
        counts = {keys[POSITIONS.index(position)]: counts[keys[POSITIONS.index(position)]] for position in order}
    options = ReadingOptions(setting_order="parties" if setting == "digits" else "qiskit")
    assert table_of_counts(counts, options).array.tolist() == array.tolist()


@QUIET
@given(st.data())
def test_parties_of_several_bits_are_read_alike_in_all_spellings(data):
    sizes = data.draw(st.lists(st.integers(1, 3), min_size=1, max_size=3))
    width = sum(sizes)
    numbers = data.draw(st.dictionaries(st.integers(0, 2**width - 1), st.integers(1, 99), min_size=1))
    position = (0,) * len(sizes)
    tables = [
        {format(n, f"0{width}b"): count for n, count in numbers.items()},
        {hex(n): count for n, count in numbers.items()},
        dict(numbers),
    ]
    read = [BellCounts.from_counts({position: table}, qubits_per_party=sizes) for table in tables]
    assert read[0] == read[1] == read[2]
    for number, count in numbers.items():
        starts = np.concatenate([[0], np.cumsum(sizes)])
        outcome = tuple((number >> int(s)) % 2**size for s, size in zip(starts, sizes, strict=False))
        assert read[0].array[position + outcome] == count
    named = [list(range(s, s + size)) for s, size in zip(starts.tolist(), sizes, strict=False)]
    assert BellCounts.from_counts({position: tables[0]}, bits=named) == read[0]


# What is guessed is said


@pytest.mark.parametrize(
    ("setting", "outcome", "words"),
    [
        ("letters", "bits", "the letter on the right is party 0's, as in Qiskit's labels"),
        ("letters", "bits", "the settings Z, X are numbered from 0 in this order"),
        ("digits", "bits", "the digit on the left is party 0's"),
        ("angles", "bits", "of party 1 (22.5, 67.5)"),
        ("tuples", "bits", "the rightmost bit of an outcome is party 0's"),
        ("tuples", "signs", "+1 is outcome 0"),
        ("tuples", "unpadded", "binary numbers without their leading zeros"),
        ("tuples", "decimal texts", "decimal numbers"),
    ],
)
def test_guesses_are_said(setting, outcome, words):
    counts = BellCounts.from_counts(spelled(TABLE, SETTING_SPELLINGS[setting], OUTCOME_SPELLINGS[outcome]))
    assert any(words in note for note in counts.reading)


def test_nothing_is_said_where_nothing_was_guessed():
    assert BellCounts.from_counts(spelled(TABLE, lambda x, y: (x, y), lambda a, b: (a, b))).reading == ()


def test_angles_are_settings_of_their_own():
    counts = BellCounts.from_counts({(0,): {"0": 5}, (45,): {"1": 6}})
    assert counts.setting_names == (("0", "45"),)
    assert counts.array.tolist() == [[5, 0], [0, 6]]
    assert BellCounts.from_counts({(45,): {"1": 6}, (-10.5,): {"0": 5}}).setting_names == (("-10.5", "45"),)


# What can be read in two ways is asked


def test_words_in_an_order_that_the_marginals_contradict_are_asked_about():
    # Party 0 is biased by its own setting alone, which is the letter on the left.
    bias = {"Z": 900, "X": 600}
    counts = {
        f"{left}{right}": {
            "00": bias[left] // 2,
            "10": bias[left] // 2,
            "01": 500 - bias[left] // 2,
            "11": 500 - bias[left] // 2,
        }
        for left in "ZX"
        for right in "ZX"
    }
    message = refusal(CountsError, lambda: BellCounts.from_counts(counts))
    assert "setting_order='qiskit'" in message
    assert "setting_order='parties'" in message
    parties = BellCounts.from_counts(counts, setting_order="parties")
    assert parties.array[1, 0, 0].sum() == 600
    assert BellCounts.from_counts(counts, setting_order="qiskit").array[0, 1, 0].sum() == 600


@pytest.mark.parametrize(
    ("counts", "options", "words"),
    [
        ({(0,): {"10": 5, "1": 3, "0": 2}}, {"bits": [[0, 1]]}, "2 as a binary number and 10 as a decimal one"),
        ({(0, 0): {"00 1": 5}}, {}, 'bits={"A": 0, "B": 1}'),
        ({(0, 0): {"00 1": 5}}, {}, "qubits_per_party=[1, 2]"),
        ({(0, 0): {"0000": 5}}, {}, "qubits_per_party=[2, 2]"),
        ({(0, 0): {"0": 5, "1": 6}}, {}, "qubits_per_party=[1, 1]"),
        ({(0, 0): {"0x0": 5, "0x1": 6}}, {}, "results with fewer bits"),
        ({(0, 0): {0: 5, 1: 6}}, {}, "results with fewer bits"),
        ([{"00": 1}] * 6, {}, "num_settings=[2, 3]"),
        ([{"0000": 1}] * 4, {"bits": [0]}, ""),
        ({(0, 0): {(1, -1): 4, (0, 1): 4}}, {}, "+1 and -1 alone"),
        ({"00": 5, "11": 6}, {}, "those of one circuit"),
        ({"Z,Z": {"00": 5}, "Z": {"00": 5}}, {}, 'settings such as "0,1"'),
        ({("Z", "X"): {"ab": 5}}, {}, "bitstrings of 2 bits"),
        ({(0, 0): {4: 5}}, {}, "bitstrings of 2 bits"),
        ({(0, 0): {"00": 5}}, {"settings": ["ZZ"]}, "settings: expected None"),
        ([{"00": 5}], {"settings": ["ZZ", "ZX"]}, "1 settings"),
        ({(0, 0): {"00": 5}}, {"heralds": {"C": 0}}, "bits: expected"),
        ({(0, 0): {"00": 5}}, {"bits": {"A": 0}}, "bits of 2 parties"),
        ({(0, 0): {"00": 5}}, {"bits": {"A": 0, "B": 2}}, "at least 3 bits"),
        ({(0, 0): {"00": 5}}, {"bits": {"A": 0, "B": 0}}, "each bit at one party"),
        ({(0, 0): {"00": 5}}, {"bits": {"A": "out[0]", "B": 1}}, "registers="),
        ({(0, 0): {"0 0": 5}}, {"bits": {"A": "in[0]", "B": 1}, "registers": ["out", "mid"]}, "'mid' (1 bits), 'out'"),
        ({(0, 0): {"0 0": 5}}, {"bits": {"A": "mid[1]", "B": 1}, "registers": ["out", "mid"]}, "bits below 1"),
        ({(0, 0): {"00": 5}}, {"bits": [0, 1], "registers": ["out"] * 2}, "registers: expected"),
        ({(0, 0): {"00": 5}}, {"bits": [0], "condition": {1: 2}}, "a number below 2"),
        ({(0, 0): {"00": 5}}, {"bits": {"A": 0, "B": "1 ^ 0"}}, "corrections by bits that no party has"),
        ({(0, 0): {"000": 5}}, {"bits": {"A": 0, "B": "0 ^ 1"}}, "each bit at one party"),
        ({(0, 0): {"010": 5, "10": 3}}, {"bits": [0, 1]}, "bitstrings of equal length"),
        ({(0,): {"0010": 5, "0012": 3}}, {"qubits_per_party": [4]}, "bitstrings of 4 bits"),
        ({"x": [0], "a": [1], "count": [5]}, {"bits": [0]}, "bits: expected None for a table"),
        ({(0, 0): {"00": 5}}, {"setting_order": "left"}, "setting_order: expected"),
        ([], {}, "For example"),
    ],
)
def test_questions_and_errors_show_what_to_write(counts, options, words):
    if not words:
        assert BellCounts.from_counts(counts, **options).scenario.num_settings == (4,)
        return
    assert words in refusal(CountsError, lambda: BellCounts.from_counts(counts, **options))


def test_small_numbers_may_be_confirmed():
    counts = BellCounts.from_counts({(0, 0): {"0": 5, "1": 6}}, qubits_per_party=[1, 1])
    assert counts.array[0, 0].tolist() == [[5, 0], [6, 0]]


def test_outcomes_of_a_single_party_may_be_numbers():
    assert BellCounts.from_counts({0: {0: 5, 2: 6}}).array.tolist() == [[5, 0, 6]]


# Parts of wide results


def test_bits_are_by_number_parity_or_register():
    table = {"01 100": 3, "10 011": 4, "11 110": 5, "00 000": 6}
    options = {"registers": ["out", "mid"]}

    def read(bits, **further):
        return BellCounts.from_counts({(0, 0): table}, bits=bits, **options, **further).array[0, 0].tolist()

    plain = read({"A": 3, "B": 4})
    assert plain == [[6, 4], [3, 5]]
    assert read({"A": "out[0]", "B": ("out", 1)}) == plain
    assert read(["3", "4"]) == plain
    # The outcome of A is flipped where bit 2 of mid is 1.
    assert read({"A": "out[0] ^ mid[2]", "B": 4}) == [[6 + 3, 4 + 5], [0, 0]]
    assert read({"A": "mid", "B": 3})[4] == [0, 3]
    assert read({"A": [2, 1, 0], "B": 3})[1] == [0, 3]
    assert read({"A": 3, "B": 4}, condition={"mid[0]": 0}) == [[6, 0], [3, 5]]
    assert read({"A": 3, "B": 4}, condition={"mid": "011"}) == [[0, 4], [0, 0]]


def test_lost_bits_stay_lost_in_wide_results():
    counts = BellCounts.from_counts({(0, 0): {"1-0": 4, "-01": 5, "000": 6}}, bits={"A": 0, "B": "1 ^ 2"})
    assert counts.lost_outcomes == (None, 2)
    assert counts.array[0, 0].tolist() == [[6, 0, 4], [0, 0, 5]]


# Results of Qiskit


def bits_of(array, order=(0, 1)):
    """Shots of each setting combination, with party k's outcome in bit ``order[k]``."""
    rows = []
    for position in POSITIONS:
        numbers = [
            a << order[0] | b << order[1] for a in range(2) for b in range(2) for _ in range(array[position][a, b])
        ]
        rows.append(numbers)
    shots = max(map(len, rows))
    return np.array([row + [0] * (shots - len(row)) for row in rows], np.uint8).reshape(2, 2, shots, 1)


EVEN = np.array([[[[4, 1], [2, 3]], [[5, 2], [1, 2]]], [[[3, 3], [3, 1]], [[1, 6], [2, 1]]]])


def results():
    grid = BitArray(bits_of(EVEN), 2)
    pub = SamplerPubResult(DataBin(meas=grid, shape=(2, 2)))
    first = BitArray(bits_of(EVEN) & 1, 1)
    second = BitArray(bits_of(EVEN) >> 1, 1)
    singles = [SamplerPubResult(DataBin(meas=grid[x, y])) for x, y in POSITIONS]
    counts = [Counts(grid.get_counts((x, y))) for x, y in POSITIONS]
    experiments = [
        {"shots": 10, "success": True, "data": {"counts": counts[i].hex_outcomes()}, "header": {"memory_slots": 2}}
        for i in range(4)
    ]
    legacy = {"backend_name": "a", "backend_version": "1", "job_id": "b", "success": True, "results": experiments}

    class Job:
        def result(self):
            return PrimitiveResult([pub])

    return {
        "BitArray": grid,
        "DataBin": pub.data,
        "PubResult": pub,
        "PrimitiveResult": PrimitiveResult([pub]),
        "job": Job(),
        "two registers": SamplerPubResult(DataBin(a=first, b=second, shape=(2, 2))),
        "one PUB for each setting": PrimitiveResult(singles),
        "list of results": singles,
        "list of counts": counts,
        "dictionary of results": dict(zip(["0,0", "0,1", "1,0", "1,1"], singles, strict=True)),
        "dictionary of bits": {position: grid[position] for position in POSITIONS},
        "Result": Result.from_dict(legacy),
        "Result as a dictionary": legacy,
    }


@pytest.mark.parametrize("form", results())
def test_results_of_qiskit_are_read(form):
    assert BellCounts.from_counts(results()[form]).array.tolist() == EVEN.tolist()


def test_registers_of_results_have_names():
    grid = BitArray(bits_of(EVEN), 2)
    pub = SamplerPubResult(DataBin(mid=grid, out=grid, shape=(2, 2)))
    assert 'bits={"A": "mid[0]", "B": "mid[1]"}' in refusal(CountsError, lambda: BellCounts.from_counts(pub))
    counts = BellCounts.from_counts(pub, bits={"A": "out[0]", "B": "mid[1]"})
    assert counts.array.tolist() == EVEN.tolist()


def test_estimators_are_sent_elsewhere():
    pub = SamplerPubResult(DataBin(evs=np.zeros(3), stds=np.zeros(3), shape=(3,)))
    assert "from a Sampler" in refusal(CountsError, lambda: BellCounts.from_counts(PrimitiveResult([pub])))


def test_axes_of_one_entry_are_asked_about():
    bits = BitArray(bits_of(EVEN).reshape(4, 1, -1, 1), 2)
    message = refusal(CountsError, lambda: BellCounts.from_counts(bits))
    assert "num_settings=[4, 1]" in message
    assert "num_settings=[2, 2]" in message
    assert BellCounts.from_counts(bits, num_settings=[2, 2]).array.tolist() == EVEN.tolist()
    assert BellCounts.from_counts(bits, num_settings=[4, 1]).scenario.num_settings == (4, 1)
    assert BellCounts.from_counts(bits, settings=POSITIONS).array.tolist() == EVEN.tolist()


def test_corrections_are_said():
    counts = BellCounts.from_counts({(0, 0): {"011": 5, "100": 6}}, bits={"A": "0 ^ 2", "B": "1 ^ 2"})
    assert counts.array[0, 0].tolist() == [[0, 0], [0, 11]]
    assert any("must not depend on any party's setting" in note for note in counts.reading)


def test_a_grid_under_one_setting_is_refused():
    assert "shape (2, 2)" in refusal(CountsError, lambda: BellCounts.from_counts({(0, 0): BitArray(bits_of(EVEN), 2)}))
