"""Answers are enumerations that equal their names and carry a sentence."""

import json

import pytest
from qiskit_lhv import Behavior, LocalityReport, Verdict, Verification, analyze, werner_state
from qiskit_lhv.verification import VerificationStatus


@pytest.mark.parametrize("kind", [Verdict, VerificationStatus])
def test_members_equal_their_names_and_carry_a_sentence(kind):
    for member in kind:
        assert member == member.value == str(member) == f"{member}"
        assert kind(member.value) is member
        assert member.sentence[0].isupper()
        assert member.sentence.endswith(".")
    assert len({member.sentence for member in kind}) == len(kind)


def test_a_check_has_one_of_three_statuses():
    checks = (Verification(True, "so"), Verification(False, "so"), Verification.unproven("so"))
    assert [check.status for check in checks] == list(VerificationStatus)
    assert [check.status for check in checks] == ["proven", "refuted", "not re-proven"]
    assert [str(check) for check in checks] == ["verified: so", "REFUSED: so", "NOT PROVEN AGAIN: so"]


def test_evidence_shows_a_verdict(tmp_path):
    report = analyze(Behavior.from_state(werner_state(0.9), "chsh"))
    assert report.evidence[0].shows is Verdict.NONLOCAL
    report.save(tmp_path / "report.json")
    data = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    assert data["fields"]["verdict"] == "NONLOCAL"
    loaded = LocalityReport.load(tmp_path / "report.json")
    assert loaded.verdict is Verdict.NONLOCAL
    assert loaded == report
