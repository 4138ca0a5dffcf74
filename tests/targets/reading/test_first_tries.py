"""What people try first: it works, or an error of the package names what to write instead."""

import itertools
import json

import numpy as np
import pytest
from qiskit import QuantumCircuit
from qiskit.primitives import StatevectorEstimator, StatevectorSampler
from qiskit.result import QuasiDistribution
from qiskit_lhv import Behavior, BellCounts, BellTrials, LocalityReport, analyze, ghz_state, measurement, read_counts
from qiskit_lhv.datasets import read_data
from qiskit_lhv.exceptions import LHVError
from qiskit_lhv.statistics import drift_test
from qiskit_lhv.targets import counts_of_groups

TABLE = {"ZZ": {"00": 424, "01": 73, "10": 76, "11": 427}, "ZX": {"00": 428, "01": 75, "10": 71, "11": 426}}
TABLE |= {"XZ": {"00": 421, "01": 74, "10": 75, "11": 430}, "XX": {"00": 77, "01": 425, "10": 424, "11": 74}}
COUNTS = BellCounts.from_counts(TABLE)
COLUMNS = {"x": [0, 1], "y": [0, 1], "a": [0, 1], "b": [1, 1]}


def measured(num_qubits=2):
    circuit = QuantumCircuit(num_qubits)
    circuit.h(0)
    circuit.cx(0, 1)
    circuit.measure_all()
    return circuit


def sampler_job(circuits):
    return StatevectorSampler(seed=1).run(circuits, shots=100)


def estimator_job():
    return StatevectorEstimator().run([(measured().remove_final_measurements(inplace=False), ["ZZ", "XX"])])


WORKS = {
    "a job": lambda: BellCounts.from_counts(sampler_job([measured()] * 4)),
    "its result": lambda: BellCounts.from_counts(sampler_job([measured()] * 4).result()),
    "the results of PUBs in a list": lambda: BellCounts.from_counts(list(sampler_job([measured()] * 4).result())),
    "PUBs by setting": lambda: BellCounts.from_counts(
        dict(zip(TABLE, sampler_job([measured()] * 4).result(), strict=True))
    ),
    "data of a PUB": lambda: BellCounts.from_counts([pub.data for pub in sampler_job([measured()] * 4).result()]),
    "a list of counts": lambda: BellCounts.from_counts(list(TABLE.values())),
    "a list with names": lambda: BellCounts.from_counts(list(TABLE.values()), settings=list(TABLE)),
    "a tuple of counts": lambda: BellCounts.from_counts(tuple(TABLE.values())),
    "columns": lambda: BellTrials.from_table(COLUMNS, design="blocks"),
    "a sum": lambda: sum([COUNTS, COUNTS]),
    "words of CHSH": lambda: Behavior.from_state(ghz_state(2), "CHSH"),
    "an angle": lambda: measurement("45 deg"),
    "a sum of Paulis": lambda: measurement("Z+X"),
    "a vector that is not normalized": lambda: measurement([1, 0, 1]),
}


@pytest.mark.parametrize("attempt", WORKS)
def test_what_works(attempt):
    assert WORKS[attempt]() is not None


ASKS = {
    "counts of one circuit": (lambda: BellCounts.from_counts(TABLE["ZZ"]), "those of one circuit"),
    "an estimator": (lambda: BellCounts.from_counts(estimator_job()), "Correlators.from_estimator"),
    "a run that failed": (
        lambda: BellCounts.from_counts(
            {"success": False, "results": [{"shots": 2, "success": False, "data": {"counts": {"0x0": 2}}}] * 4}
        ),
        "a run that ended well",
    ),
    "values of an estimator": (
        lambda: BellCounts.from_counts(estimator_job().result()[0].data.evs),
        "For example {(0, 0)",
    ),
    "quasi-probabilities": (
        lambda: BellCounts.from_counts({"ZZ": QuasiDistribution({0: 0.6, 3: 0.4})}),
        "quasi-probabilities",
    ),
    "wide results": (lambda: BellCounts.from_counts(sampler_job([measured(3)] * 4), settings=list(TABLE)), "bits={"),
    "a job to analyze": (lambda: analyze(sampler_job([measured()])), "BellCounts.from_counts"),
    "a result to analyze": (lambda: analyze(sampler_job([measured()]).result()), "BellCounts.from_counts"),
    "a PUB's result to analyze": (lambda: analyze(sampler_job([measured()]).result()[0]), "BellCounts.from_counts"),
    "dictionaries to analyze": (lambda: analyze(TABLE), "BellCounts.from_counts"),
    "one dictionary to analyze": (lambda: analyze(TABLE["ZZ"]), "BellCounts.from_counts"),
    "a list of dictionaries to analyze": (lambda: analyze(list(TABLE.values())), "BellCounts.from_counts"),
    "a path to analyze": (lambda: analyze("counts.json"), "read_data"),
    "columns to analyze": (lambda: analyze(COLUMNS), "BellCounts.from_counts"),
    "trials without a design": (lambda: BellTrials.from_table(COLUMNS), 'design="random"'),
    "counts for trials": (lambda: BellTrials.from_table({**COLUMNS, "count": [5, 6]}, design="random"), "from_table"),
    "counts and trials": (lambda: COUNTS + BellTrials.from_table(COLUMNS, design="blocks"), "to_counts()"),
    "counts of other settings": (lambda: COUNTS + BellCounts([[5, 6]]), "combine_e_values"),
    "an angle without its unit": (lambda: measurement(45), '"45 deg"'),
    "angles without a unit": (lambda: Behavior.from_state(ghz_state(2), [[0, 90], [45, 135]]), '"45 deg"'),
    "an unsharp vector": (lambda: measurement([0.3, 0, 0.4]), "two effects"),
    "drift of one run": (lambda: drift_test(COUNTS), "a list of BellCounts"),
    "groups without bits": (lambda: counts_of_groups(TABLE, [(0, 1)]), "{(0, 1): [0, 1]"),
    "a file that is not there": (lambda: read_counts("none.csv"), "none.csv"),
}


@pytest.mark.parametrize("attempt", ASKS)
def test_what_is_answered_by_an_error_that_names_the_fix(attempt):
    call, words = ASKS[attempt]
    with pytest.raises(LHVError) as caught:
        call()
    assert words in str(caught.value)


def test_a_frame_of_pandas_to_analyze_is_sent_to_the_reader():
    pandas = pytest.importorskip("pandas")
    with pytest.raises(LHVError, match=r"BellTrials\.from_table"):
        analyze(pandas.DataFrame(COLUMNS))


def test_results_of_aer_are_read():
    pytest.importorskip("qiskit_aer")
    from qiskit_aer import AerSimulator

    job = AerSimulator(method="statevector", seed_simulator=1).run([measured()] * 4, shots=50)
    counts = BellCounts.from_counts(job)
    assert counts.total_shots == 200
    assert BellCounts.from_counts(job.result()) == counts
    assert BellCounts.from_counts(json.loads(json.dumps(job.result().to_dict(), default=str))) == counts


def test_reports_tell_what_was_guessed_and_still_verify(tmp_path):
    report = analyze(COUNTS, seed=1)
    for note in COUNTS.reading:
        assert f"as the data were read: {note}" in report.assumptions
    assert "(settings Z, X)" in report.target
    report.save(tmp_path / "report.json")
    again = LocalityReport.load(tmp_path / "report.json")
    assert again.verify()
    assert again.question.data.reading == COUNTS.reading
    assert again.question.data.setting_names == (("Z", "X"), ("Z", "X"))
    # What was guessed cannot be taken out of the report alone.
    fields = {name: getattr(report, name) for name in report.__dataclass_fields__}
    fields["assumptions"] = tuple(line for line in report.assumptions if "Qiskit" not in line)
    assert LocalityReport(**fields).verify().refuted


def test_saved_data_keep_what_was_guessed(tmp_path):
    for suffix, original in itertools.product(
        (".json", ".npz"), (COUNTS, BellTrials.from_table(COLUMNS, design="blocks"))
    ):
        path = tmp_path / f"data{suffix}"
        original.save(path)
        again = read_data(path)
        assert again == original
        assert (again.reading, again.setting_names) == (original.reading, original.setting_names)


def test_notes_and_names_are_texts():
    for options in ({"reading": "one"}, {"reading": [1]}, {"setting_names": ["ab"]}, {"setting_names": [["a"], ["b"]]}):
        with pytest.raises(LHVError, match=next(iter(options))):
            BellCounts(np.ones((2, 2)), **options)
