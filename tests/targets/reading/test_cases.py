"""Counts as people have them, with values that were computed without the package."""

import contextlib
import io
import json
from pathlib import Path

import numpy as np
import pytest
from qiskit_lhv import BellCounts, BellTrials, CountsOptions, Verdict, analyze, chsh, read_counts
from qiskit_lhv.cli.commands import main
from qiskit_lhv.datasets import read_data
from qiskit_lhv.exceptions import CountsError
from qiskit_lhv.polytope import BellExpression
from qiskit_lhv.statistics import game_test, photon_values
from qiskit_lhv.statistics.signaling.no_signaling_tests import no_signaling_test
from qiskit_lhv.targets import counts_of_groups
from qiskit_lhv.targets.dictionaries import table_of_counts

CASES = Path(__file__).parents[2] / "data" / "cases"
BASES = ["ZZ", "ZX", "XZ", "XX"]
PAIRS = {(0, 1): [0, 1], (3, 2): [2, 3], (5, 4): [4, 5]}


def case(name):
    return json.loads((CASES / f"{name}.json").read_text(encoding="utf-8"))


def correlators(array):
    n = array.ndim // 2
    signs = np.array([(-1) ** sum(outcomes) for outcomes in np.ndindex((2,) * n)]).reshape((2,) * n)
    axes = tuple(range(n, 2 * n))
    with np.errstate(invalid="ignore"):
        return (array * signs).sum(axis=axes) / array.sum(axis=axes)


def chsh_value(counts, minus=(1, 1)):
    e = correlators(counts.array)
    return e.sum() - 2 * e[minus]


@pytest.mark.parametrize(
    ("name", "value"),
    [("hex_keys", 2.81), ("pauli_keys", 2.81), ("iqx_pr48", 2.81), ("swapped_bits", 2.4845), ("runtime_result", 2.80)],
)
def test_tables_in_all_spellings_have_their_chsh_value(name, value):
    counts = read_counts(CASES / f"{name}.json")
    assert chsh_value(counts) == pytest.approx(value, abs=1e-9)
    if "counts" in case(name):
        assert BellCounts.from_counts(case(name)["counts"]) == counts


def test_spellings_of_one_table_differ_in_the_order_of_the_letters_alone():
    bits, hexadecimal, words = (read_counts(CASES / f"{name}.json") for name in ("iqx_pr48", "hex_keys", "pauli_keys"))
    assert bits == hexadecimal
    assert words.setting_names == (("Z", "X"), ("Z", "X"))
    # The letter on the right is party 0's, as in Qiskit, unless it is said to be the other way round.
    np.testing.assert_array_equal(words.array, bits.array.transpose(1, 0, 2, 3))
    assert read_counts(CASES / "pauli_keys.json", setting_order="parties") == bits
    assert any("letter on the right is party 0's" in note for note in words.reading)


def test_results_of_the_runtime_are_the_same_with_its_own_client():
    counts = BellCounts.from_counts(case("runtime_result"))
    assert counts.num_shots.tolist() == [[500, 500], [500, 500]]
    decoder = pytest.importorskip("qiskit_ibm_runtime").RuntimeDecoder
    result = json.loads((CASES / "runtime_result.json").read_text(encoding="utf-8"), cls=decoder)
    assert BellCounts.from_counts(result) == counts
    assert BellCounts.from_counts(result[0].data.outcomes) == counts


def test_many_pairs_come_from_one_wide_result():
    pairs = counts_of_groups(case("bseq_counts"), PAIRS, settings=BASES)
    values = [chsh_value(counts, minus=(0, 1)) for counts in pairs.values()]
    assert list(pairs) == list(PAIRS)
    np.testing.assert_allclose(np.abs(values), [2.313, 2.350, 2.323], atol=5e-4)
    one = BellCounts.from_counts(case("bseq_counts"), settings=BASES, bits=[2, 3])
    assert one == pairs[3, 2]
    assert one.setting_names == (("Z", "X"), ("Z", "X"))


def test_wide_results_without_parties_are_asked_for_them():
    with pytest.raises(CountsError, match=r"bits=\{.*num_settings|num_settings.*bits=\{"):
        BellCounts.from_counts(case("bseq_counts"))
    with pytest.raises(CountsError, match=r'bits=\{"A": 0, "B": 1\}.*qubits_per_party=\[1, 2\]'):
        read_counts(CASES / "spaces.json")
    with pytest.raises(CountsError, match=r"qubits_per_party=\[2, 2\]"):
        read_counts(CASES / "magic_square.json")


@pytest.mark.parametrize("counts", [case("ghz_four_settings"), case("ghz_four_settings_cli")["counts"]])
def test_four_of_eight_settings_are_read(counts):
    read = table_of_counts(counts)
    assert (read.array.sum(axis=(3, 4, 5)) > 0).sum() == 4
    e = correlators(read.array)
    assert e[0, 0, 0] - e[0, 1, 1] - e[1, 0, 1] - e[1, 1, 0] == pytest.approx(4.0, abs=1e-12)
    assert any("were not measured" in note for note in read.notes)


@pytest.mark.parametrize(
    ("name", "options"), [("magic_square", {"bits": {"A": [0, 1], "B": [2, 3]}}), ("magic_square_cli", {})]
)
def test_the_magic_square_is_always_won(name, options):
    counts = read_counts(CASES / f"{name}.json", **options)
    assert counts.scenario.num_settings == (3, 3)
    assert counts.scenario.max_outcomes == (4, 4)
    # The parity of these bits wins in a cell: Alice's two bits, then Bob's two, the first of each on the right.
    masks = np.array([[0b1010, 0b0101, 0b0111], [0b0101, 0b1010, 0b1111], [0b1101, 0b1111, 0b1010]])
    parities = np.array([[0, 0, 0], [1, 1, 1], [1, 1, 0]])
    won = np.zeros((3, 3, 4, 4))
    for x, y, a, b in np.ndindex(won.shape):
        won[x, y, a, b] = (int(masks[x, y]) & (a + 4 * b)).bit_count() % 2 == parities[x, y]
    assert (counts.array * won).sum() == counts.total_shots == 2700
    test = game_test(counts, BellExpression(won))
    assert test.log10_p_value == pytest.approx(2700 * np.log10(8 / 9), rel=1e-6)


def test_outcomes_of_dynamic_circuits_are_found_among_their_registers():
    data = case("dynamic_feedforward")
    options = {"bits": {"A": "out[0]", "B": ("out", 1)}, "registers": ["out", "mid"]}
    marginal = BellCounts.from_counts(data, **options)
    assert chsh_value(marginal) == pytest.approx(2.85, abs=0.01)
    assert not marginal.post_selected
    assert marginal == BellCounts.from_counts(data, bits=[2, 3])
    with pytest.raises(CountsError, match="bits="):
        BellCounts.from_counts(data)
    parts = []
    for value in range(4):
        part = BellCounts.from_counts(data, condition={"mid": value}, **options)
        assert part.post_selected
        assert any("post-selection" in note for note in part.reading)
        assert chsh_value(part) == pytest.approx(2.85, abs=0.3)
        parts.append(part.array)
    np.testing.assert_array_equal(np.sum(parts, axis=0), marginal.array)
    heralded = BellCounts.from_counts(data, heralds={"mid": "mid"}, **options)
    assert heralded.scenario.num_settings == (2, 2, 1)
    np.testing.assert_array_equal(heralded.array[:, :, 0], np.stack(parts, axis=-1))
    assert not heralded.post_selected


def test_bits_in_another_order_show_as_signaling():
    counts = read_counts(CASES / "swapped_bits.json")
    assert no_signaling_test(counts, seed=1).p_value == pytest.approx(8e-88, rel=0.2)


def test_trials_of_a_file_are_those_of_the_published_experiment():
    path = CASES / "delft_like.csv"
    with pytest.raises(CountsError, match=r'design="random".*design="blocks"'):
        read_data(path)
    trials = BellTrials.from_table(path, design="random")
    assert trials == read_data(path, design="random")
    assert trials.num_trials == 245
    counts = read_counts(path, design="random")
    assert chsh_value(counts) == pytest.approx(2.4225, abs=5e-5)
    assert game_test(trials, chsh()).p_value == pytest.approx(0.0391, abs=5e-5)
    assert any("+1 is outcome 0" in note for note in counts.reading)


def test_correlators_without_counts_are_never_significant_by_themselves():
    target = read_data(CASES / "correlators_only.json")
    report = analyze(target, CountsOptions(expression=chsh()))
    assert report.verdict is Verdict.INCONCLUSIVE
    assert report.statistics["S"] == pytest.approx(2.05)
    assert report.statistics["S_error"] == pytest.approx(0.10)
    assert report.p_value == pytest.approx(0.3085, abs=5e-5)


def test_coincidences_keep_their_accidental_ones():
    values = photon_values(read_data(CASES / "photonic.json"))
    assert values.raw == pytest.approx(2.644, abs=5e-4)
    assert values.subtracted == pytest.approx(2.733, abs=5e-4)


@pytest.mark.parametrize(("name", "target"), [("correlators_only", "correlators"), ("photonic", "coincidences")])
def test_what_holds_no_counts_takes_no_options_of_counts(name, target):
    with pytest.raises(CountsError, match=f"nothing beside a file of {target}"):
        read_data(CASES / f"{name}.json", bits={"A": 0, "B": 1})
    with pytest.raises(CountsError, match="the counts of one experiment"):
        read_counts(CASES / f"{name}.json")


# At the command line


def test_four_of_eight_settings_are_won_at_the_command_line():
    code, out, error = output_of(CASES / "ghz_four_settings.json", "--expression", "mermin", "--seed", 1)
    assert (code, error) == (0, "")
    assert "4.0000" in out
    assert "4000 of 4000 trials won" in out
    assert "1.76e-500" in out


def output_of(*arguments):
    out, error = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(error):
        code = main(["analyze", *map(str, arguments)])
    return code, out.getvalue(), error.getvalue()


@pytest.mark.parametrize(
    ("name", "options", "shown"),
    [
        ("hex_keys.json", [], "2.810"),
        ("pauli_keys.json", [], "2.810"),
        ("iqx_pr48.json", ["--test", "game"], "2.810"),
        ("runtime_result.json", [], "2.800"),
        ("swapped_bits.json", [], "2.484"),
        ("delft_like.csv", ["--design", "random", "--test", "game", "--alpha", "0.05"], "2.42"),
        (
            "dynamic_feedforward.json",
            ["--read", 'bits={"A": "out[0]", "B": "out[1]"}', "--read", 'registers=["out", "mid"]'],
            "2.855",
        ),
        ("correlators_only.json", ["--expression", "chsh"], "2.05"),
        ("photonic.json", ["--fair-sampling"], "2.644"),
    ],
)
def test_files_are_read_at_the_command_line(name, options, shown):
    code, out, error = output_of(CASES / name, "--seed", 1, "--time-limit", 0.001, *options)
    assert (code, error) == (0, "")
    assert next(line.split()[1] for line in out.splitlines() if line.split()[:1] == ["S"]) == shown


@pytest.mark.parametrize(
    ("name", "options"),
    [("magic_square_cli", []), ("magic_square", ["--read", 'bits={"A": [0, 1], "B": [2, 3]}'])],
)
def test_the_magic_square_is_nonlocal_at_the_command_line(name, options):
    code, out, error = output_of(CASES / f"{name}.json", "--seed", 1, "--time-limit", 0.001, *options)
    assert (code, error) == (0, "")
    assert out.startswith("NONLOCAL")


def test_pairs_are_analyzed_at_the_command_line(tmp_path):
    groups = json.dumps({",".join(map(str, pair)): bits for pair, bits in PAIRS.items()})
    options = ["--read", f"groups={groups}", "--read", f"settings={json.dumps(BASES)}"]
    code, out, error = output_of(CASES / "bseq_counts.json", "--seed", 1, *options)
    assert (code, error) == (0, "")
    assert out.startswith("3 groups: 3 NONLOCAL")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("spaces.json", "bits="),
        ("magic_square.json", "bits="),
        ("bseq_counts.json", "bits="),
        ("delft_like.csv", "design="),
    ],
)
def test_files_that_can_be_read_in_two_ways_end_with_a_question(name, words):
    code, out, error = output_of(CASES / name)
    assert (code, out) == (2, "")
    assert words in error
    assert error.count("\n") == 1
