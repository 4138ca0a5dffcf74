"""Products of outcomes from packed bits, against plain arithmetic."""

import numpy as np
import pytest
from qiskit_lhv import BellScenario
from qiskit_lhv.exceptions import CountsError
from qiskit_lhv.targets import ManyPartyShots, term_means
from qiskit_lhv.targets.many_parties.parities import drawn_products, term_sums


def random_shots(n, runs, rng, most_shots=5, design="random"):
    settings = rng.integers(0, 3, (runs, n)).astype(np.int8)
    shots = rng.integers(1, most_shots + 1, runs)
    bits = rng.integers(0, 2, (int(shots.sum()), n)).astype(np.uint8)
    drawn = np.where(rng.random((runs, n)) < 0.4, settings, -1).astype(np.int8) if design == "random" else None
    packed = np.packbits(bits, axis=1, bitorder="little")
    return ManyPartyShots(BellScenario([3] * n, 2), settings, shots, packed, design, drawn), bits


@pytest.mark.parametrize(("n", "runs"), [(3, 40), (8, 300), (70, 25)])
def test_sums_are_those_of_plain_products(n, runs):
    rng = np.random.default_rng(n)
    shots, bits = random_shots(n, runs, rng)
    run = np.repeat(np.arange(runs), shots.shots)
    products = np.where(shots.drawn_terms[run] >= 0, 1 - 2 * bits.astype(int), 1).prod(axis=1)
    expected = np.bincount(run, weights=products, minlength=runs).astype(int)
    assert np.array_equal(drawn_products(shots), expected)
    rows = np.where(rng.random((30, n)) < 2 / n, rng.integers(0, 3, (30, n)), -1)
    rows[0] = -1
    rows[1] = shots.settings[0]
    sums, numbers = term_sums(shots, rows)
    for row, total, number in zip(rows, sums, numbers, strict=True):
        agrees = np.all((row < 0) | (shots.settings[run] == row), axis=1)
        product = np.where(row >= 0, 1 - 2 * bits[agrees].astype(int), 1).prod(axis=1)
        assert (total, number) == (product.sum(), agrees.sum())


def test_means_have_errors_and_unmeasured_terms_have_none():
    packed = np.array([[0b00], [0b11], [0b00], [0b10]], dtype=np.uint8)
    shots = ManyPartyShots(BellScenario([2, 2], 2), [[0, 0], [0, 1]], [2, 2], packed, "blocks")
    found = term_means(shots, [[0, 0], [0, 1], [1, 1]])
    assert found.means[:2].tolist() == [1, 0]
    assert np.isnan(found.means[2])
    assert np.isnan(found.standard_errors[2])
    assert found.num_shots.tolist() == [2, 2, 0]
    assert found.standard_errors[:2] == pytest.approx([np.sqrt((1 - 0.25) / 2), np.sqrt(1 / 2)])


@pytest.mark.parametrize("rows", [[[0]], [[0, 2]], [[0, -2]], [0, 1]])
def test_terms_of_other_scenarios_are_refused(rows):
    packed = np.zeros((2, 1), dtype=np.uint8)
    shots = ManyPartyShots(BellScenario([2, 2], 2), [[0, 0]], [2], packed, "blocks")
    with pytest.raises(CountsError, match="rows"):
        term_means(shots, rows)
