"""Coincidences and clicks of photons."""

import numpy as np
import pytest
from qiskit_lhv import BellCounts
from qiskit_lhv.exceptions import CountsError
from qiskit_lhv.polytope import clauser_horne
from qiskit_lhv.targets import PhotonCounts, click_counts

from helpers import refusal

COINCIDENCES = [[[[316, 79], [58, 346]], [[287, 55], [56, 264]]], [[[398, 73], [92, 385]], [[62, 322], [297, 60]]]]


def test_coincidences_are_post_selected_counts():
    photons = PhotonCounts(COINCIDENCES, 6.3)
    counts = photons.counts()
    assert counts.post_selected
    assert counts.array.tolist() == COINCIDENCES
    np.testing.assert_allclose(photons.accidental_shares()[0, 1], 4 * 6.3 / 662)
    assert PhotonCounts(COINCIDENCES).accidental_shares().tolist() == [[0, 0], [0, 0]]
    assert "3150 coincidences, 100.8 accidental ones expected" in repr(photons)


def test_errors_of_correlators_are_those_of_poisson_counts():
    photons = PhotonCounts(COINCIDENCES, 6.3)
    raw, subtracted = photons.correlators(), photons.correlators(subtract=True)
    total, same = 662, 287 + 264
    value = (2 * same - total) / total
    assert raw.values[0, 1] == pytest.approx(value)
    assert raw.errors[0, 1] == pytest.approx(np.sqrt((1 - value**2) / total))
    assert subtracted.values[0, 1] == pytest.approx((2 * same - total) / (total - 4 * 6.3))
    rng = np.random.default_rng(1)
    drawn = rng.poisson(np.array(COINCIDENCES), size=(4000, 2, 2, 2, 2)) - 6.3
    signs = np.array([[1, -1], [-1, 1]])
    spread = ((drawn * signs).sum(axis=(3, 4)) / drawn.sum(axis=(3, 4))).std(axis=0)
    np.testing.assert_allclose(subtracted.errors, spread, rtol=0.06)
    assert subtracted.mitigation == "accidental coincidences subtracted"
    with pytest.raises(CountsError, match="subtract: expected accidentals that were given"):
        PhotonCounts(COINCIDENCES).correlators(subtract=True)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((COINCIDENCES, -1), "accidentals: expected expected numbers of at least 0"),
        ((COINCIDENCES, [1, 2]), "accidentals: expected"),
        ((COINCIDENCES, 200), "fewer than the coincidences of each setting combination"),
        ((np.ones((2, 2, 3, 2), dtype=int),), "two outcomes for each party"),
        ((np.array(COINCIDENCES) * np.array([[1, 1], [1, 0]])[:, :, None, None],), "for every setting combination"),
    ],
)
def test_what_is_no_coincidence_data_is_refused(arguments, words):
    assert words in refusal(CountsError, lambda: PhotonCounts(*arguments))


def test_clicks_and_missing_clicks_are_two_outcomes():
    coincidences, first, second = [[30, 28], [29, 5]], [[40, 41], [44, 42]], [[39, 45], [41, 43]]
    trials = [[1000, 1100], [1200, 1300]]
    counts = click_counts(coincidences, first, second, trials)
    assert isinstance(counts, BellCounts)
    assert not counts.post_selected
    assert counts.num_shots.tolist() == trials
    assert counts.array[..., 0, 0].tolist() == coincidences
    assert counts.array[..., 0, :].sum(axis=-1).tolist() == first
    assert counts.array[..., :, 0].sum(axis=-1).tolist() == second
    same = click_counts(coincidences, first, second, 1000)
    # Coincidences less single clicks, for equal numbers of trials, of setting 0 with setting 0.
    assert clauser_horne().value(same) == pytest.approx((30 + 28 + 29 - 5 - 40 - 39) / 1000)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (([[30]], [[20]], [[40]], 100), "30 coincidences, 20 and 40 clicks in 100 trials for settings (0, 0)"),
        (([[1]], [[60]], [[60]], 100), "clicks in at most all trials"),
        (([[1, 2]], [[60]], [[60, 2]], 100), "first: expected shape (1, 2)"),
        (([1], [1], [1], 10), "coincidences: expected shape (m_1, m_2)"),
        (([[1.5]], [[2]], [[2]], 10), "whole numbers"),
    ],
)
def test_totals_that_are_not_possible_are_refused(arguments, words):
    assert words in refusal(CountsError, lambda: click_counts(*arguments))
