"""Reports that the version before saved load, mean the same, and pass their checks."""

import json
from pathlib import Path

import pytest
from qiskit_lhv import DeviceReport, LocalityReport, Verdict
from qiskit_lhv.analysis import CountsQuestion, StateQuestion
from qiskit_lhv.exceptions import CertificateError
from qiskit_lhv.reports import Figure

FOLDER = Path(__file__).parent / "version_1"
KEYS = {figure.value for figure in Figure}


def test_a_report_on_trials_has_its_rule_as_question_and_short_keys():
    report = LocalityReport.load(FOLDER / "trials.npz")
    assert report.verdict is Verdict.NONLOCAL
    assert isinstance(report.question, CountsQuestion)
    assert report.question.counts.total_shots == 400
    assert list(report.statistics) == [
        "shots",
        "S",
        "S_error",
        "kl",
        "fit_p",
        "nonlocality_deviance",
        "signaling_deviance",
        "settings_p",
        "no_signaling_p",
        "largest_shift",
        "drift_p",
        "no_signaling_log10_e",
        "hidden_signaling",
        "visible_signaling",
        "largest_kappa",
        "log10_e",
        "log10_e_per_trial",
        "game_wins",
        "game_log10_p",
        "seed",
    ]
    assert report.statistics["kl"] == pytest.approx(0.0308886, rel=1e-5)
    assert report.statistics["largest_kappa"] == report.largest_kappa
    assert "local fit: KL (nats per trial)              0.0308886" in report.details()
    assert report.verify()


def test_what_is_absent_has_the_same_keys():
    report = LocalityReport.load(FOLDER / "late.npz")
    assert set(report.absent) == {
        "later_factors",
        "no_signaling_log10_e",
        "no_signaling_fit",
        "kl",
        "fit_p",
        "drift_p",
    }
    assert report.verify()


def test_a_device_report_loads_with_its_reports():
    report = DeviceReport.load(FOLDER / "device.npz")
    assert report.rejected == (True, True)
    assert report.statistic("S") == pytest.approx({(0, 1): 2.79132, (2, 3): 2.97309}, abs=1e-5)
    assert "2.791" in report.table()
    assert report.verify()


def test_a_report_on_a_state_loads(tmp_path):
    report = LocalityReport.load(FOLDER / "state.json")
    assert isinstance(report.question, StateQuestion)
    assert set(report.statistics) == {"nonlocal_visibility", "violation"}
    assert report.verify()
    report.save(tmp_path / "state.json")
    assert LocalityReport.load(tmp_path / "state.json") == report


def test_the_advice_of_an_open_report_names_the_keyword_of_today():
    report = LocalityReport.load(FOLDER / "open_state.npz")
    assert report.verdict is Verdict.INCONCLUSIVE
    assert "certify_all_projective(state, directions=...)" in report.advice
    assert report.verify()


def test_a_report_on_declarations_in_whole_numbers_passes():
    report = LocalityReport.load(FOLDER / "kappa.npz")
    assert report.question.kappa == 3
    assert report.verify()


def edited(tmp_path, change):
    data = json.loads((FOLDER / "state.json").read_text(encoding="utf-8"))
    change(data["fields"])
    path = tmp_path / "edited.json"
    path.write_text(json.dumps(data), encoding="utf-8")
    return path


def test_a_rule_beside_a_question_is_refused(tmp_path):
    path = edited(tmp_path, lambda fields: fields.update(rule=fields["question"]))
    with pytest.raises(CertificateError, match="a rule and a question"):
        LocalityReport.load(path)


def test_a_figure_under_both_its_names_is_refused(tmp_path):
    path = edited(tmp_path, lambda fields: fields["statistics"]["mapping"].update(nonlocal_visibility=0.1))
    with pytest.raises(CertificateError, match="comes twice"):
        LocalityReport.load(path)


def test_every_old_name_of_a_figure_leads_to_a_key():
    from qiskit_lhv._support.old_records import _KEYS_OF_ABSENT, _KEYS_OF_FIGURES

    assert set(_KEYS_OF_FIGURES.values()) | set(_KEYS_OF_ABSENT.values()) <= KEYS
