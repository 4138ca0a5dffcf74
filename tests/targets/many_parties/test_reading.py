"""Shots of many parties from counts and results: the order of bits, parts of the parties, files, and bad input."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from qiskit import ClassicalRegister, QuantumCircuit, QuantumRegister
from qiskit.primitives import BitArray, StatevectorSampler
from qiskit_lhv import BellScenario
from qiskit_lhv.exceptions import CountsError
from qiskit_lhv.targets import ManyPartyShots


def outcomes(shots):
    return np.unpackbits(shots.packed, axis=1, bitorder="little", count=shots.num_parties)


def test_numbers_of_shots_do_not_wrap_and_rows_have_one_length():
    runs = np.array([2**53] * 2048 + [5])
    packed = np.zeros((5, 1), dtype=np.uint8)
    with pytest.raises(CountsError, match="shots: expected at most 100000000 of all runs"):
        ManyPartyShots(BellScenario([2], 2), np.zeros((2049, 1)), runs, packed, "blocks")
    with pytest.raises(CountsError, match="settings: expected one row of settings for each of 2 runs"):
        ManyPartyShots.from_counts({(0, 0): {"00": 1}, (0,): {"00": 1}}, BellScenario([2, 2], 2), design="blocks")


def test_the_rightmost_bit_is_party_0():
    scenario = BellScenario([2] * 10, 2)
    rows = np.zeros((2, 10), dtype=int)
    counts = [{"01 0000 0010": 2, "0000000000": 1}, {(1, 0, 0, 1) + (0,) * 6: 1}]
    shots = ManyPartyShots.from_counts(counts, scenario, rows, design="blocks")
    expected = np.zeros((4, 10), dtype=int)
    expected[:2, [1, 8]] = 1
    expected[3, [0, 3]] = 1
    assert_array_equal(outcomes(shots), expected)
    assert_array_equal(shots.shots, [3, 1])


def test_results_of_own_circuits():
    circuit = QuantumCircuit(QuantumRegister(11), ClassicalRegister(11, "own"), ClassicalRegister(1, "other"))
    circuit.x([1, 9])
    circuit.measure(range(11), range(11))
    result = StatevectorSampler(seed=1).run([(circuit, None, 5), (circuit, None, 3)]).result()
    scenario, rows = BellScenario([2] * 11, 2), np.zeros((2, 11), dtype=int)
    shots = ManyPartyShots.from_result(result, scenario, rows, design="blocks", register="own")
    assert_array_equal(shots.shots, [5, 3])
    assert_array_equal(np.flatnonzero(outcomes(shots)[0]), [1, 9])
    some = ManyPartyShots.from_result(
        result, BellScenario([2] * 3, 2), rows[:, :3], design="blocks", register="own", bits=[9, 0, 10]
    )
    assert_array_equal(outcomes(some), [[1, 0, 0]] * 8)
    with pytest.raises(CountsError, match=r"register: .*'own', 'other'"):
        ManyPartyShots.from_result(result, scenario, rows, design="blocks")
    with pytest.raises(CountsError, match=r"one row of settings for each of 2 runs"):
        ManyPartyShots.from_result(result, scenario, rows[:1], design="blocks", register="own")
    with pytest.raises(CountsError, match=r"result: expected 12 bits, one per party, got 11"):
        ManyPartyShots.from_result(
            result, BellScenario([2] * 12, 2), np.zeros((2, 12)), design="blocks", register="own"
        )
    with pytest.raises(CountsError, match=r"bits: expected 3 different numbers from 0 to 10"):
        ManyPartyShots.from_result(
            result, BellScenario([2] * 3, 2), rows[:, :3], design="blocks", register="own", bits=[0, 1, 11]
        )


def test_bits_of_a_parameter_array_are_read_row_by_row():
    rng = np.random.default_rng(1)
    bits = rng.random((2, 3, 4, 9)) < 0.5
    record = BitArray.from_bool_array(bits, order="little")
    scenario, rows = BellScenario([2] * 9, 2), rng.integers(0, 2, (6, 9))
    shots = ManyPartyShots.from_result(record, scenario, rows, design="random", drawn_terms=rows)
    assert_array_equal(outcomes(shots), bits.reshape(24, 9))


def test_parts_of_the_parties_and_files(tmp_path):
    rng = np.random.default_rng(2)
    bits, rows = rng.integers(0, 2, (60, 13)), rng.integers(0, 2, (6, 13))
    packed = np.packbits(bits.astype(np.uint8), axis=1, bitorder="little")
    drawn = np.where(rng.random(rows.shape) < 0.5, rows, -1)
    shots = ManyPartyShots(BellScenario([2] * 12 + [3], 2), rows, [10] * 6, packed, "random", drawn)
    for chosen in ([0, 1, 2], [12, 3, 5, 7, 0, 1, 2, 4, 6], list(range(9))):
        part = shots.of_parties(chosen)
        assert_array_equal(outcomes(part), bits[:, chosen])
        assert_array_equal(part.settings, rows[:, chosen])
        assert part.design == "blocks"
        assert part.drawn_terms is None
        assert part.reading == (
            f"settings were drawn at random for 13 parties, and are taken as they came for {len(chosen)} of them",
        )
    turned = shots.of_parties(range(12, -1, -1))
    assert turned.design == "random"
    assert turned.of_parties(range(12, -1, -1)) == shots
    assert turned.scenario.num_settings[0] == 3
    shots.save(tmp_path / "shots.npz")
    assert ManyPartyShots.load(tmp_path / "shots.npz") == shots
    for wrong in ([], [0, 0], [13]):
        with pytest.raises(CountsError, match=r"parties: expected"):
            shots.of_parties(wrong)


def test_bad_counts():
    scenario = BellScenario([2, 2, 2], 2)

    def read(counts, settings=None, design="blocks"):
        return ManyPartyShots.from_counts(counts, scenario, settings, design=design)

    with pytest.raises(CountsError, match=r"counts\[0\]: expected bitstrings of 3 bits"):
        read([{"01": 5}], [[0, 0, 0]])
    with pytest.raises(CountsError, match=r"counts\[0\]: expected bitstrings of 3 bits"):
        read([{"012": 5}], [[0, 0, 0]])
    with pytest.raises(CountsError, match=r"quasi-probabilities"):
        read([{"010": 0.25, "000": 0.75}], [[0, 0, 0]])
    with pytest.raises(CountsError, match=r"numbers of shots of at least 0"):
        read([{"010": -1}], [[0, 0, 0]])
    with pytest.raises(CountsError, match=r"one row of settings for each of 1 runs"):
        read([{"010": 1}], [[0, 0, 0], [0, 0, 1]])
    with pytest.raises(CountsError, match=r"settings: expected the settings of each run"):
        read([{"010": 1}])
    with pytest.raises(CountsError, match=r"settings 0 to 1 of party 2"):
        read({(0, 0, 2): {"010": 1}})
    with pytest.raises(CountsError, match=r"counts: expected a dictionary of counts for each run"):
        read("010", [[0, 0, 0]])
    with pytest.raises(CountsError, match=r"result: expected a Sampler's job"):
        ManyPartyShots.from_result({"010": 1}, scenario, [[0, 0, 0]], design="blocks")


def test_shots_of_two_jobs_are_added_run_after_run():
    scenario, term = BellScenario([2] * 9, 2), np.array([[0] * 8 + [-1]])
    first = ManyPartyShots.from_counts([{"1" + "0" * 8: 2}], scenario, [[0] * 9], design="random", drawn_terms=term)
    second = ManyPartyShots.from_counts(
        [{"0" * 8 + "1": 1}], scenario, [[0] * 8 + [1]], design="random", drawn_terms=term
    )
    both = first + second
    assert sum([first, second]) == both
    assert_array_equal(both.settings[:, -1], [0, 1])
    assert_array_equal(both.shots, [2, 1])
    assert_array_equal(outcomes(both)[:, [0, 8]], [[0, 1], [0, 1], [1, 0]])
    assert_array_equal(both.drawn_terms, np.repeat(term, 2, axis=0))
    with pytest.raises(CountsError, match=r"other: expected shots of 9 parties .* design='random', got"):
        both + ManyPartyShots.from_counts([{"0" * 9: 1}], scenario, [[0] * 9], design="blocks")
    with pytest.raises(TypeError):
        both + 1
