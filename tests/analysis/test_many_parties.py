"""Reports on shots of many parties."""

import dataclasses

import numpy as np
import pytest
from qiskit_lhv import BellExpression, BellScenario, CountsOptions, LocalityReport, Verdict, analyze, chsh
from qiskit_lhv.exceptions import CountsError
from qiskit_lhv.targets import ManyPartyShots

SCENARIO = BellScenario([2] * 3, 2)
ROWS = {(0, 0, 0): 1.0, (0, 1, 1): -1.0, (1, 0, 1): -1.0, (1, 1, 0): -1.0}
MERMIN = BellExpression.from_terms(SCENARIO, {tuple(enumerate(row)): value for row, value in ROWS.items()})
DECLARED = CountsOptions(expression=MERMIN)


def ghz_shots(num, noise, seed=1, crosstalk=0.0, design="random"):
    rng = np.random.default_rng(seed)
    terms = MERMIN.draw_terms(num, rng) if design == "random" else np.repeat(MERMIN.rows, num // 4, axis=0)
    wrong = (terms.sum(axis=1) > 0) ^ (rng.random(num) < noise / 2)
    bits = rng.integers(0, 2, (num, 3))
    bits[:, 1] = np.where((terms[:, 0] == 1) & (rng.random(num) < crosstalk), 0, bits[:, 1])
    bits[:, 2] = (bits[:, 0] + bits[:, 1] + wrong) % 2
    packed = np.packbits(bits.astype(np.uint8), axis=1, bitorder="little")
    return ManyPartyShots(
        SCENARIO, terms, np.ones(num, dtype=int), packed, design, terms if design == "random" else None
    )


@pytest.mark.parametrize(
    ("noise", "crosstalk", "verdict"),
    [(0.1, 0, Verdict.NONLOCAL), (0.6, 0, Verdict.INCONCLUSIVE), (0.1, 0.4, Verdict.SIGNALING)],
)
def test_verdicts_and_their_words(noise, crosstalk, verdict, tmp_path):
    report = analyze(ghz_shots(1000, noise, crosstalk=crosstalk), DECLARED)
    assert report.verdict is verdict
    assert "some pair of parties inside is nonlocal is another question" in report.headline
    assert ("if nothing passes between the parties" in report.headline) is (verdict is Verdict.NONLOCAL)
    assert report.verify()
    assert "value" in str(report)
    report.save(tmp_path / "report.json")
    assert LocalityReport.load(tmp_path / "report.json").verify()


def test_blocks_give_a_report_too():
    report = analyze(ghz_shots(1000, 0.1, design="blocks"), DECLARED)
    assert report.verdict is Verdict.NONLOCAL
    assert report.statistics["value"] == pytest.approx(3.6, abs=0.2)
    assert report.verify()


def test_a_report_on_other_shots_is_refuted():
    report = analyze(ghz_shots(400, 0.1), DECLARED)
    question = dataclasses.replace(report.question, data=ghz_shots(400, 0.6))
    assert dataclasses.replace(report, question=question).verify().refuted
    assert dataclasses.replace(report, verdict=Verdict.LOCAL).verify().refuted


@pytest.mark.parametrize(
    ("declared", "words"),
    [
        ({}, "expression"),
        ({"expression": chsh()}, "expression"),
        ({"expression": MERMIN, "test": "e-value"}, "test"),
        ({"expression": MERMIN, "kappa": 0.5}, "kappa"),
        ({"expression": MERMIN, "predictability": 0.01}, "predictability"),
        ({"expression": MERMIN, "fair_sampling": True}, "fair_sampling"),
        ({"expression": MERMIN, "num_replicates": 10}, "num_replicates"),
    ],
)
def test_what_this_test_cannot_use_is_refused(declared, words):
    with pytest.raises(CountsError, match=words):
        analyze(ghz_shots(40, 0.1), CountsOptions(**declared))


def test_photons_are_not_on_a_chip():
    report = analyze(ghz_shots(400, 0.1), CountsOptions(expression=MERMIN, platform="photons"))
    assert any("space-like distance" in line for line in report.assumptions)
    assert not any("chip" in line for line in report.assumptions)
    assert report.verify()
    on_chip = dataclasses.replace(report.question, platform="chip")
    assert dataclasses.replace(report, question=on_chip).verify().refuted


def test_terms_of_another_distribution_are_refused():
    expression = BellExpression.from_terms(
        SCENARIO, {tuple(enumerate(row)): 5.0 if row == (0, 0, 0) else value for row, value in ROWS.items()}
    )
    with pytest.raises(CountsError, match="drawn terms contradict"):
        analyze(ghz_shots(1000, 0.1), CountsOptions(expression=expression))


def test_a_declared_kappa_is_applied():
    many, few = ghz_shots(20_000, 0.02), ghz_shots(300, 0.02)
    for shots, verdict in ((many, Verdict.NONLOCAL), (few, Verdict.INCONCLUSIVE)):
        report = analyze(shots, CountsOptions(expression=MERMIN, kappa=1))
        assert report.verdict is verdict
        assert report.verify()
        assert ("not even with hidden influences up to 1 times" in report.headline) is (verdict is Verdict.NONLOCAL)
    assert analyze(few, DECLARED).verdict is Verdict.NONLOCAL
    # Where signaling is detected, kappa = 5 is applied.
    rng = np.random.default_rng(3)
    bits = np.unpackbits(many.packed, axis=1, count=3, bitorder="little")
    bits[:, 1] |= (many.settings[:, 0] == 1) & (rng.random(20_000) < 0.15)
    signaling = dataclasses.replace(many, packed=np.packbits(bits, axis=1, bitorder="little"))
    report = analyze(signaling, DECLARED)
    assert report.largest_kappa < 5
    assert report.verdict is Verdict.SIGNALING
