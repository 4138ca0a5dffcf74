"""Reports on photons, and values of their coincidences."""

import dataclasses

import numpy as np
import pytest
from qiskit_lhv import Behavior, CountsOptions, Verdict, analyze, ghz_state, load_bundled_counts, local_bound
from qiskit_lhv.exceptions import CountsError
from qiskit_lhv.models.deterministic import enumerate_strategies, strategy_tables
from qiskit_lhv.polytope import clauser_horne, mermin
from qiskit_lhv.statistics import photon_values
from qiskit_lhv.targets import PhotonCounts, click_counts

COINCIDENCES = [[[[316, 79], [58, 346]], [[287, 55], [56, 264]]], [[[398, 73], [92, 385]], [[62, 322], [297, 60]]]]
PHOTONS = PhotonCounts(COINCIDENCES, 6.3)


def test_raw_and_subtracted_values():
    values = photon_values(PHOTONS)
    assert values.raw == pytest.approx(2.644, abs=5e-4)
    assert values.subtracted == pytest.approx(2.733, abs=5e-4)
    assert values.is_safe
    assert str(values).startswith("raw 2.644 +- 0.054, accidental ones subtracted 2.733 +- 0.056 (an estimate)")
    alone = photon_values(PhotonCounts(COINCIDENCES))
    assert alone.subtracted is None
    assert alone.modeled_bound == alone.local_bound == 2


def test_the_modeled_bound_is_the_best_that_strategies_reach():
    rng = np.random.default_rng(1)
    photons = PhotonCounts(np.array(COINCIDENCES) + 40, rng.uniform(0, 30, size=(2, 2, 2, 2)))
    values = photon_values(photons)
    tables = strategy_tables(enumerate_strategies(photons.scenario), photons.scenario).reshape(-1, 2, 2, 2, 2)
    accidental = photons.accidentals / photons.coincidences.sum(axis=(2, 3), keepdims=True)
    mixed = (1 - values.accidental_shares[:, :, None, None]) * tables + accidental
    best = np.einsum("sxyab,xyab->s", mixed, values.expression.coefficients).max()
    assert values.modeled_bound == pytest.approx(best)


def test_fair_sampling_is_stated():
    with pytest.raises(CountsError, match="fair_sampling=True"):
        analyze(PHOTONS)
    report = analyze(PHOTONS, CountsOptions(fair_sampling=True, num_replicates=0), seed=1)
    assert report.verdict is Verdict.NONLOCAL
    text = " ".join((*report.assumptions, report.advice, report.headline))
    assert "fair sampling" in text
    assert "Poisson" in text
    assert "accidental coincidences are counted, not subtracted" in text
    assert "chip" not in text
    assert "crosstalk" not in text
    assert report.verify()
    assert not dataclasses.replace(report, question=dataclasses.replace(report.question, platform="chip")).verify()


def test_subtracted_coincidences_get_no_verdict():
    report = analyze(PHOTONS.correlators(subtract=True))
    assert report.verdict is Verdict.INCONCLUSIVE
    assert "accidental coincidences subtracted" in " ".join(report.assumptions)


def test_accidental_coincidences_that_violate_by_themselves_are_refused():
    # A local source with S = 2, and accidental coincidences at the last setting alone.
    table = np.zeros((2, 2, 2, 2), dtype=int)
    table[..., 0, 0] = 500
    accidentals = np.zeros((2, 2, 2, 2))
    accidentals[1, 1] = 60
    table[1, 1] += 60
    photons = PhotonCounts(table, accidentals)
    assert photon_values(photons).raw > 2
    assert not photon_values(photons).is_safe
    with pytest.raises(CountsError, match=r"accidentals: .*with which a local source reaches 2\.\d+ in"):
        analyze(photons, CountsOptions(fair_sampling=True))


def test_three_parties_declare_their_expression():
    drawn = Behavior.from_state(ghz_state(3, 0.9), "mermin").sample(300, 1).array
    photons = PhotonCounts(drawn, 0.5)
    values = photon_values(photons, mermin(3))
    assert values.local_bound == 2
    assert values.modeled_bound < 2
    report = analyze(photons, CountsOptions(fair_sampling=True, expression=mermin(3), num_replicates=0), seed=1)
    assert report.verdict is Verdict.NONLOCAL


def test_clicks_need_no_fair_sampling():
    counts = click_counts(
        [[29010, 34020], [34480, 1930]],
        [[46010, 46050], [48070, 48110]],
        [[46530, 48120], [46490, 48150]],
        1_000_000,
    )
    assert local_bound(clauser_horne()).value == 0
    value = clauser_horne().value(counts)
    assert value * 1e6 == pytest.approx(
        29010 + 34020 + 34480 - 1930 - (46010 + 46050) / 2 - (46530 + 46490) / 2, abs=60
    )
    report = analyze(counts, CountsOptions(platform="photons", num_replicates=0), seed=1)
    assert report.verdict is Verdict.NONLOCAL
    assert "fair sampling is assumed" in " ".join(report.assumptions)
    assert value == pytest.approx(report.statistics["S"] / 4 - 0.5, abs=1e-4)


def test_platforms_are_known():
    with pytest.raises(CountsError, match="platform: expected 'chip' or 'photons', got 'ions'"):
        CountsOptions(platform="ions")
    table = load_bundled_counts("ibm_washington91_98circuit4").counts
    report = analyze(table, CountsOptions(platform="photons", num_replicates=0), seed=1)
    assert report.advice.startswith("Look for what depends on both settings")
    assert report.verify()
