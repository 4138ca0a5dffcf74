"""Circuits, states and behaviors on the command line, thresholds, proofs and plans; counts are in test_commands."""

import json
import subprocess
import sys

import numpy as np
import pytest
from qiskit import QuantumCircuit, qpy
from qiskit.circuit import Parameter
from qiskit_lhv import Behavior, LocalityReport, Verdict, load_bundled_counts, werner_state
from qiskit_lhv._support.records import Record
from qiskit_lhv.cli.commands import main

from helpers import bell_circuit


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with open("bell.qpy", "wb") as stream:
        qpy.dump(bell_circuit(), stream)
    measured, free = bell_circuit(), bell_circuit()
    measured.measure_all()
    free.ry(Parameter("theta"), 0)
    with open("several.qpy", "wb") as stream:
        qpy.dump([measured, bell_circuit(), free], stream)
    np.save("werner.npy", werner_state(0.4).data)
    np.save("bell.npy", np.array([1, 0, 0, 1]) / np.sqrt(2))
    np.save("behavior.npy", Behavior.from_state(werner_state(0.9), "chsh").array)
    np.save("table.npy", load_bundled_counts("ibm_hanoi19_20circuit13").counts.array)
    np.save("qutrits.npy", np.eye(9) / 9)
    np.save("objects.npy", np.array([{}, {}]), allow_pickle=True)
    np.save("text.npy", np.array(["a"]))
    (tmp_path / "broken.qpy").write_bytes(b"QISKIT\x00")
    (tmp_path / "broken.npy").write_bytes(b"none")
    return tmp_path


def run(capsys, *arguments):
    code = main([*map(str, arguments)])
    out, error = capsys.readouterr()
    return code, out, error


@pytest.mark.parametrize(
    ("arguments", "verdict"),
    [
        (["bell.qpy", "--settings", "chsh"], "NONLOCAL"),
        (["bell.qpy", "--settings", "Z,X;Z,X"], "LOCAL"),
        (["bell.qpy", "--settings", '[["Z", "X"], [[0.6, 0, 0.8], [0.6, 0, -0.8]]]'], "NONLOCAL"),
        (["bell.qpy"], "NONLOCAL"),
        (["bell.npy", "--parties", "1;0"], "NONLOCAL"),
        (["werner.npy"], "LOCAL"),
        (["werner.npy", "--settings", "chsh"], "LOCAL"),
        (["qutrits.npy", "--dimensions", "3,3"], "LOCAL"),
        (["behavior.npy", "--tolerance", "1e-6"], "NONLOCAL"),
        (["several.qpy", "--circuit", "1", "--settings", "chsh"], "NONLOCAL"),
        (["table.npy", "--seed", "1"], "NONLOCAL"),
    ],
)
def test_analyze_circuits_states_and_arrays(folder, capsys, arguments, verdict):
    code, out, error = run(capsys, "analyze", *arguments)
    assert (code, error) == (0, "")
    assert out.startswith(verdict)


def test_reports_in_all_forms(folder, capsys):
    code, _, _ = run(
        capsys, "analyze", "bell.qpy", "--settings", "chsh", "--json", "r.json", "--html", "r.html", "--plot", "r.png"
    )
    assert code == 0
    assert LocalityReport.load("r.json").verdict is Verdict.NONLOCAL
    assert "NONLOCAL" in (folder / "r.html").read_text()
    assert (folder / "r.png").read_bytes().startswith(b"\x89PNG")
    code, out, _ = run(capsys, "verify", "r.json")
    assert code == 0
    assert out.startswith("LocalityReport: The claim is proven.")


def test_threshold(folder, capsys):
    code, out, _ = run(capsys, "threshold", "behavior.npy", "--json", "t.json")
    assert code == 0
    assert out == "visibility threshold in [0.785674201, 0.785674201]\n"
    assert run(capsys, "verify", "t.json", "--prove-bound")[0] == 0
    assert "Threshold" in type(Record.load("t.json")).__name__
    assert "0.707" in run(capsys, "threshold", "bell.qpy", "--settings", "chsh")[1]


@pytest.mark.slow
def test_threshold_of_counts(folder, capsys):
    code, out, _ = run(capsys, "threshold", "table.npy", "--seed", "1", "--alpha", "0.1")
    assert code == 0
    assert "90% in [" in out


def test_certify(folder, capsys):
    code, out, _ = run(capsys, "certify", "werner.npy", "--directions", "6", "--seed", "1", "--json", "c.json")
    assert code == 0
    assert out.startswith("local for all projective measurements up to visibility 1")
    assert "the state itself, of visibility 1, is proven local" in out
    assert run(capsys, "verify", "c.json")[0] == 0
    code, out, _ = run(capsys, "certify", "bell.qpy", "--directions", "6", "--seed", "1")
    assert code == 0
    assert "is not proven local" in out


def test_plan(folder, capsys):
    code, out, _ = run(
        capsys, "plan", "bell.qpy", "--settings", "chsh", "--p-value", "1e-6", "--power", "0.5", "--seed", 1
    )
    assert code == 0
    assert "shots for log10 p = -6" in out
    assert "shots of each setting combination: [[" in out
    code, out, _ = run(capsys, "plan", "table.npy", "--seed", 1)
    assert code == 0
    assert "in the shares of the pilot run" in out


def test_refuted_and_unproven_evidence(folder, capsys):
    run(capsys, "threshold", "behavior.npy", "--json", "t.json")
    content = json.loads((folder / "t.json").read_text())
    content["fields"]["lower"] = 0.9
    (folder / "forged.json").write_text(json.dumps(content))
    code, out, error = run(capsys, "verify", "forged.json")
    assert (code, out) == (2, "")
    assert error.startswith("qiskit-lhv: forged.json: expected evidence that holds, got ")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["analyze", "none.npy"], "FILE: expected a file that exists"),
        (["analyze", "broken.npy"], "an array of numbers as numpy.save writes it"),
        (["analyze", "objects.npy"], "an array of numbers as numpy.save writes it"),
        (["analyze", "text.npy"], "an array of numbers"),
        (["analyze", "broken.qpy"], "circuits as qpy.dump writes them"),
        (["analyze", "several.qpy"], "--circuit: expected the number of one of the 3 circuits"),
        (["analyze", "several.qpy", "--circuit", "7"], "--circuit"),
        (["analyze", "several.qpy", "--circuit", "0", "--settings", "chsh"], "remove_final_measurements"),
        (["analyze", "several.qpy", "--circuit", "2", "--settings", "chsh"], "free parameters, got theta"),
        (["analyze", "behavior.npy", "--settings", "chsh"], "--settings: expected a circuit or a state"),
        (["analyze", "bell.qpy", "--settings", "nonsense"], "settings"),
        (["analyze", "bell.qpy", "--settings", "[["], "--settings: expected JSON"),
        (["analyze", "bell.qpy", "--parties", "a;b"], "--parties: expected whole numbers"),
        (["analyze", "qutrits.npy", "--dimensions", "2,3"], "qutrits.npy: expected amplitudes or a density matrix"),
        (["analyze", "bell.qpy", "--settings", "chsh", "--html", "r.pdf"], "--html: expected a name that ends with"),
        (["analyze", "bell.qpy", "--settings", "chsh", "--plot", "r.bmp"], "--plot: expected a name that ends with"),
        (["analyze", "bell.qpy", "--json", "same.json", "--html", "same.json"], "--html"),
        (["analyze", "table.npy", "--expression", "nonsense"], "--expression: expected chsh, mermin"),
        (["analyze", "table.npy", "--expression", "mermin", "--minus", "1", "1"], "--minus"),
        (["threshold", "behavior.npy", "--plot", "t.png"], "--plot: expected a circuit or state"),
        (["certify", "behavior.npy"], "FILE: expected a circuit or a state, got Behavior"),
        (["plan", "bell.npy"], "--settings: expected the settings of each party"),
        (["plan", "table.npy", "--p-value", "2"], "p_value"),
        (["verify", "bell.npy"], "expected a saved report"),
        (["verify", "none.json"], "FILE: expected a file that exists"),
    ],
)
def test_bad_input_ends_with_one_line_and_code_2(folder, capsys, arguments, words):
    code, out, error = run(capsys, *arguments)
    assert (code, out) == (2, "")
    assert error.startswith("qiskit-lhv: ")
    assert error.count("\n") == 1
    assert words in error


def test_a_search_without_an_answer_ends_with_code_3(folder, capsys, monkeypatch):
    from qiskit_lhv.exceptions import SolverError

    def fail(*_, **__):
        raise SolverError("the time was over")

    monkeypatch.setattr("qiskit_lhv.polytope.thresholds.visibility.nonlocality_threshold", fail)
    code, out, error = run(capsys, "threshold", "behavior.npy")
    assert (code, out, error) == (3, "", "qiskit-lhv: the time was over\n")


@pytest.mark.parametrize("arguments", [["nonsense"], ["analyze"], ["analyze", "--alpha", "x", "f"], []])
def test_wrong_arguments_end_with_one_line(capsys, arguments):
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    error = capsys.readouterr().err
    assert error.startswith("qiskit-lhv: ")
    assert "--help" in error
    assert error.count("\n") == 1


def test_help_imports_nothing_heavy():
    code = (
        "import sys\n"
        "from qiskit_lhv.cli.commands import main\n"
        "try:\n    main(['analyze', '--help'])\nexcept SystemExit:\n    pass\n"
        "print([name for name in ('jax', 'scipy', 'matplotlib', 'qiskit', 'qiskit_aer') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_a_transpiled_circuit_keeps_its_layout_in_a_file(folder, capsys):
    from qiskit.transpiler import CouplingMap, generate_preset_pass_manager

    manager = generate_preset_pass_manager(1, coupling_map=CouplingMap.from_line(5), initial_layout=[3, 4])
    with open("laid_out.qpy", "wb") as stream:
        qpy.dump(manager.run(bell_circuit()), stream)
    assert run(capsys, "analyze", "laid_out.qpy", "--settings", "chsh")[1].startswith("NONLOCAL")
    assert QuantumCircuit(1).layout is None
