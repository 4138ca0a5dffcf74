"""Many groups of parties from one wide result."""

import numpy as np
import pytest
from qiskit.primitives import BitArray, DataBin, SamplerPubResult
from qiskit_lhv import BellCounts
from qiskit_lhv.exceptions import CountsError
from qiskit_lhv.targets import counts_of_groups

from helpers import refusal

RNG = np.random.default_rng(1)
SHOTS = RNG.integers(0, 2, (4, 30, 5))
WORDS = ["ZZ", "ZX", "XZ", "XX"]


def spelled(of_bits):
    tables = []
    for shots in SHOTS:
        table = {}
        for row in shots:
            # The last two bits are seldom 1, so that numbers do not show how many bits there are.
            row = [*row[:4], 0]
            key = of_bits(row)
            table[key] = table.get(key, 0) + 1
        tables.append(table)
    return tables


FORMS = {
    "bits": lambda row: "".join(map(str, reversed(row))),
    "spaces": lambda row: "".join(map(str, reversed(row[3:]))) + " " + "".join(map(str, reversed(row[:3]))),
    "hexadecimal": lambda row: hex(sum(int(bit) << j for j, bit in enumerate(row))),
    "integers": lambda row: sum(int(bit) << j for j, bit in enumerate(row)),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_group_has_its_own_bits(form):
    tables = spelled(FORMS[form])
    groups = {(0, 1): [0, 1], (7, 2): {"A": 3, "B": "2 ^ 4"}, (4, 4, 5): [4, 1, 0]}
    found = counts_of_groups(tables[:2], {(4, 4, 5): groups.pop((4, 4, 5))}, settings=["ZZZ", "XZZ"])
    assert found[4, 4, 5] == BellCounts.from_counts(tables[:2], settings=["ZZZ", "XZZ"], bits=[4, 1, 0])
    found = counts_of_groups(tables, groups, settings=WORDS)
    for group, bits in groups.items():
        alone = BellCounts.from_counts(tables, settings=WORDS, bits=bits)
        assert found[group] == alone
        assert found[group].reading == alone.reading
    expected = np.zeros((2, 2), int)
    for row in SHOTS[0]:
        expected[row[0], row[1]] += 1
    assert found[0, 1].array[0, 0].tolist() == expected.tolist()


def test_conditions_heralds_and_registers_apply_to_every_group():
    tables = spelled(FORMS["spaces"])
    options = {"settings": WORDS, "registers": ["late", "early"], "condition": {"late[0]": 1}, "heralds": {"H": 2}}
    found = counts_of_groups(tables, {(0, 1): ["early[0]", "early[1]"]}, **options)
    assert found[0, 1] == BellCounts.from_counts(tables, bits=[0, 1], **options)
    assert found[0, 1].post_selected


def test_groups_are_found_in_results():
    bits = BitArray(np.packbits(SHOTS[..., :2].reshape(2, 2, 30, 2), axis=-1, bitorder="little"), 2)
    pub = SamplerPubResult(DataBin(a=bits, b=bits, shape=(2, 2)))
    found = counts_of_groups(pub, {(0, 1): ["a[0]", "b[1]"], (2, 3): ["b[0]", "a[1]"]})
    assert found[0, 1] == found[2, 3] == BellCounts.from_counts(bits)


@pytest.mark.parametrize(
    ("groups", "words"),
    [
        ({}, "the bits of each group"),
        ({("a", "b"): [0, 1]}, "groups: expected whole numbers"),
        ({(0, 1): [0, 7]}, "at least 8 bits"),
    ],
)
def test_groups_that_cannot_be_read_are_refused(groups, words):
    tables = spelled(FORMS["bits"])
    assert words in refusal(CountsError, lambda: counts_of_groups(tables, groups, settings=WORDS))


def test_tuples_hold_no_bits_of_groups():
    counts = {(0, 0): {(0, 1): 5}}
    assert "bitstrings" in refusal(CountsError, lambda: counts_of_groups(counts, {(0, 1): [0, 1]}))
