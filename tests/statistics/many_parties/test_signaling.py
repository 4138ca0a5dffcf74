"""Signaling of many parties, against plain counting."""

import numpy as np
import pytest
from qiskit_lhv import BellScenario
from qiskit_lhv.exceptions import CountsError
from qiskit_lhv.statistics import many_party_signaling
from qiskit_lhv.statistics.many_parties.signaling import _tables
from qiskit_lhv.targets import ManyPartyShots


def shots_of(settings, bits, num_settings):
    packed = np.packbits(bits.astype(np.uint8), axis=1, bitorder="little")
    scenario = BellScenario([num_settings] * settings.shape[1], 2)
    return ManyPartyShots(scenario, settings, np.ones(len(settings), dtype=int), packed, "random", settings)


@pytest.mark.parametrize("m", [2, 3])
def test_tables_are_those_of_plain_counting(m):
    rng = np.random.default_rng(m)
    settings, bits = rng.integers(0, m, (500, 3)).astype(np.int8), rng.integers(0, 2, (500, 3))
    groups = [(0,), (1, 2)]
    tables, labels = _tables(shots_of(settings, bits, m), groups)
    compared = 1 if m == 2 else m
    assert len(tables) == m * 2 * compared + m**2 * compared
    for table, (g, x, y, sender, setting) in zip(tables, labels, strict=True):
        parties = groups[g]
        there = settings[:, parties[0]] == x
        parity = bits[:, parties[0]]
        if y >= 0:
            there, parity = there & (settings[:, parties[1]] == y), parity ^ bits[:, parties[1]]
        for row, own in enumerate((settings[:, sender] == setting, settings[:, sender] != setting)):
            assert [int((there & own & (parity == a)).sum()) for a in (0, 1)] == table[row].tolist()


def test_influences_on_one_and_on_two_parties_are_found():
    rng = np.random.default_rng(1)
    settings, bits = rng.integers(0, 2, (4000, 5)).astype(np.int8), rng.integers(0, 2, (4000, 5))
    assert not many_party_signaling(shots_of(settings, bits, 2)).detected
    moved = bits.copy()
    moved[:, 3] = np.where(settings[:, 0] == 1, rng.random(4000) < 0.65, moved[:, 3])
    found = many_party_signaling(shots_of(settings, moved, 2))
    assert found.detected
    assert (found.strongest[0].parties, found.strongest[0].sender) == ((3,), 0)
    assert found.strongest[0].shift == pytest.approx(0.15, abs=0.06)
    moved = bits.copy()
    moved[:, 4] = np.where(settings[:, 0] == 1, moved[:, 2], moved[:, 4])
    joint = shots_of(settings, moved, 2)
    assert many_party_signaling(joint).strongest[0].parties == (2, 4)
    assert not many_party_signaling(joint, pairs=[]).detected
    for pairs in ([(0, 0)], [(0, "a")], [0, 1], 5):
        with pytest.raises(CountsError, match="pairs"):
            many_party_signaling(joint, pairs=pairs)


def test_nothing_to_compare():
    settings = np.zeros((10, 3), dtype=np.int8)
    found = many_party_signaling(shots_of(settings, np.zeros((10, 3), dtype=int), 2))
    assert not found.compares_anything
    assert found.p_value == 1


def test_false_discoveries_are_rare_with_few_shots():
    rng = np.random.default_rng(8)
    wrong = 0
    for _ in range(60):
        settings = rng.integers(0, 2, (60, 4)).astype(np.int8)
        bits = (rng.random((60, 4)) < 0.1).astype(int)
        wrong += many_party_signaling(shots_of(settings, bits, 2), level=0.05).detected
    assert wrong <= 3 + 3 * np.sqrt(3)
