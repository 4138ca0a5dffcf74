"""A report answers one question, and its figures go by short keys."""

import dataclasses

import pytest
from qiskit_lhv import Behavior, CountsOptions, LHVError, analyze, werner_state
from qiskit_lhv.reports import Figure, Question
from qiskit_lhv.reports.counts_rule import CountsRule
from qiskit_lhv.reports.figure_names import figure_label


@pytest.fixture(scope="module")
def report():
    return analyze(Behavior.from_state(werner_state(0.9), "chsh"))


@pytest.mark.parametrize("question", [3, "what?", ()], ids=repr)
def test_what_is_no_question_is_refused(report, question):
    with pytest.raises(LHVError, match="question: expected Question"):
        dataclasses.replace(report, question=question)


def test_a_report_without_a_question_proves_nothing(report):
    lost = dataclasses.replace(report, question=None)
    assert lost.verify().refuted
    assert lost.headline == report.verdict.sentence


@pytest.mark.parametrize("kind", [Question, CountsRule])
def test_a_question_that_checks_nothing_cannot_be_made(kind):
    with pytest.raises(TypeError, match="abstract"):
        kind()


def test_a_question_of_another_target_does_not_pass(report):
    other = analyze(werner_state(0.9), seed=1)
    assert dataclasses.replace(report, question=other.question).verify().refuted
    assert dataclasses.replace(other, question=report.question).verify().refuted
    counts = analyze(Behavior.from_state(werner_state(0.9), "chsh").sample(100, 1), seed=1)
    assert dataclasses.replace(counts, question=other.question).verify().refuted
    assert dataclasses.replace(other, question=counts.question).verify().refuted


def test_questions_can_be_shown():
    counts = Behavior.from_state(werner_state(0.9), "chsh").sample(100, 1)
    question = analyze(counts, CountsOptions(num_replicates=0), seed=1).question
    assert repr(question).startswith("CountsQuestion(data=BellCounts(")
    assert "alpha=0.01, test='combined'" in repr(question)
    assert str(question) == repr(question)


def test_keys_are_texts_and_labels_are_for_people(report):
    assert report.statistics["violation"] == report.statistics[Figure.VIOLATION]
    assert repr(list(report.statistics)) == "['threshold', 'violation', 'violation_by_errors']"
    assert "largest violation by errors alone" in str(report)
    assert "largest violation by errors alone" in report.to_html()
    assert figure_label("certainty") == "certainty"


def test_keys_and_labels_are_unique():
    assert len({figure.label for figure in Figure}) == len(Figure)
    assert all(figure.isidentifier() for figure in Figure)
