import json
import os
import subprocess
import sys
import xml.etree.ElementTree as ElementTree

import pytest
from qiskit_lhv import LocalityReport, Verdict, load_bundled_counts
from qiskit_lhv.cli.commands import main

HANOI = load_bundled_counts("ibm_hanoi19_20circuit13").counts


@pytest.fixture
def counts_file(tmp_path):
    counts = {
        f"{x},{y}": {f"{b}{a}": int(HANOI.array[x, y, a, b]) for a in range(2) for b in range(2)}
        for x in range(2)
        for y in range(2)
    }
    path = tmp_path / "counts.json"
    path.write_text(json.dumps({"counts": counts, "design": "blocks"}))
    return path


@pytest.mark.slow
def test_demo_gives_the_right_verdicts(tmp_path, capsys):
    picture = tmp_path / "demo.svg"
    assert main(["demo", "--plot", str(picture)]) == 0
    lines = {line[:32].strip(): line for line in capsys.readouterr().out.splitlines()}
    verdicts = {
        "IBM Hanoi 19-20": "NONLOCAL",
        "IBM Washington 91-98": "SIGNALING",
        "Delft 2015": "INCONCLUSIVE",
        "Delft 2015, as a game": "NONLOCAL",
        "Aer, weak noise": "NONLOCAL",
        "Aer, strong noise": "LOCAL",
    }
    for name, verdict in verdicts.items():
        assert f" {verdict} " in lines[name]
    assert "NONLOCAL" not in lines["IBM Washington 38-39"]
    assert "2.7682" in lines["IBM Hanoi 19-20"]
    assert "0.03908" in lines["Delft 2015, as a game"]
    assert ElementTree.fromstring(picture.read_text()).tag.endswith("svg")


def test_analyze_file(counts_file, tmp_path, capsys):
    saved, picture = tmp_path / "report.json", tmp_path / "picture.svg"
    code = main(["analyze", str(counts_file), "--seed", "1", "--json", str(saved), "--plot", str(picture)])
    assert code == 0
    assert capsys.readouterr().out.startswith("NONLOCAL")
    report = LocalityReport.load(saved)
    assert report.verdict is Verdict.NONLOCAL
    assert report.verify()
    assert ElementTree.fromstring(picture.read_text()).tag.endswith("svg")


def test_analyze_file_as_a_game(counts_file, capsys):
    assert main(["analyze", str(counts_file), "--test", "game", "--minus", "0", "0", "--alpha", "1e-9"]) == 0
    assert "declared test: game; alpha = 1e-09" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"counts": {"0,0": {"00": -1}}}', "quasi-probabilities"),
        ('{"counts": {"0,0": {"000": 1}}}', "bitstrings"),
        ('{"counts": [1]}', "settings"),
        ('{"shots": 3}', "counts"),
        ("{", "readable JSON"),
    ],
)
def test_bad_files_end_with_a_message(tmp_path, capsys, content, message):
    path = tmp_path / "bad.json"
    path.write_text(content)
    assert main(["analyze", str(path)]) == 2
    error = capsys.readouterr().err
    assert error.startswith("qiskit-lhv: ")
    assert message in error
    assert "Traceback" not in error


def no_work(*_, **__):
    pytest.fail("the work began before the files were checked")


@pytest.mark.parametrize("option", ["--json", "--plot"])
def test_places_of_results_are_checked_before_any_work(counts_file, tmp_path, capsys, monkeypatch, option):
    monkeypatch.setattr("qiskit_lhv.datasets.read_data", no_work)
    suffix = {"--json": ".json", "--plot": ".svg"}[option]
    folder = tmp_path / f"folder{suffix}"
    folder.mkdir()
    cases = [
        (tmp_path / "none" / f"out{suffix}", "expected a file in an existing folder"),
        (folder, "expected a file, got the folder"),
        (counts_file / f"out{suffix}", "expected a file in an existing folder"),
    ]
    if option == "--plot":
        cases += [(tmp_path / name, "expected a name that ends with .svg") for name in ("out.gif", "out", "out.SVGZ")]
    else:
        cases.append((counts_file, "expected a file of its own"))
    for path, message in cases:
        assert main(["analyze", str(counts_file), option, str(path)]) == 2
        error = capsys.readouterr().err
        assert error.startswith(f"qiskit-lhv: {option}: ")
        assert message in error
        assert error.count("\n") == 1

    def refuse(*_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("qiskit_lhv._support.files.os.open", refuse)
    assert main(["analyze", str(counts_file), option, str(tmp_path / f"out{suffix}")]) == 2
    assert "expected a folder in which files can be made" in capsys.readouterr().err
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(["counts.json", folder.name])


def test_the_place_of_the_picture_of_the_demo_is_checked_first(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("qiskit_lhv.cli.demo._reports", no_work)
    for path in (tmp_path / "none" / "demo.svg", tmp_path, tmp_path / "demo.gif"):
        assert main(["demo", "--plot", str(path)]) == 2
        assert capsys.readouterr().err.startswith("qiskit-lhv: picture: ")


def test_results_go_to_what_is_no_plain_file_too(counts_file, capsys):
    assert main(["analyze", str(counts_file), "--seed", "1", "--json", "/dev/null"]) == 0
    assert capsys.readouterr().out.startswith("NONLOCAL")


def test_missing_file(tmp_path, capsys):
    assert main(["analyze", str(tmp_path / "nothing.json")]) == 2
    assert "nothing.json" in capsys.readouterr().err


def test_module_runs_and_tells_its_version():
    done = subprocess.run([sys.executable, "-m", "qiskit_lhv", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("qiskit-lhv ")


def test_command_without_arguments_shows_usage():
    with pytest.raises(SystemExit) as caught:
        main([])
    assert caught.value.code == 2


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "readable JSON"),
        (b"[" * 100_000, "nested too deeply"),
        (b'{"counts": ' + b"[" * 100_000, "nested too deeply"),
        (b'{"table": ' + b"[" * 200 + b"1" + b"]" * 200 + b"}", "array of numbers"),
        (b"\x89PNG\r\n\x1a\n\x00\xff", "readable JSON"),
        (b'{"counts": {"0,0": {"00": 1}, "0,0": {"00": 2}}}', "the key '0,0' comes twice"),
        (b'{"counts": {"0,0": {"00": 1, "00": 2}}}', "the key '00' comes twice"),
        (b'{"counts": {}, "counts": {}}', "the key 'counts' comes twice"),
        (b'{"counts": {"0,0": {"00": 1}, "(0, 0)": {"00": 2}}}', "two spellings"),
        (b'{"counts": {"0,0": {"0 0": 1, "00": 2}}}', "two spellings"),
        (b'{"counts": {"0,0": {"0,0": 1, "00": 2}}}', "two spellings"),
        (b'{"counts": {"0": {"1000000000,": 1}}}', "at most 100000000 combinations"),
        (b'{"counts": {"0,0": {"00": 1}}, "num_outcomes": [1000000000, 2]}', "at most 100000000 combinations"),
        (b'{"counts": {"0,0": {"00": 1}}, "qubits_per_party": [1000000000, 1]}', "at most 26 qubits"),
        (b'{"counts": {"%s": {"00": 1}}}' % (b"9" * 5000), 'settings such as "0,1"'),
        (b'{"counts": {"0,,0": {"00": 1}}}', 'settings such as "0,1"'),
        (b'{"counts": {"1_0,0": {"00": 1}}}', 'settings such as "0,1"'),
        (b'{"counts": {"0,0": {"00": 1e400}}}', "whole number"),
        (b'{"counts": {"0,0": {"00": %s}}}' % (b"9" * 4000), "whole number"),
        (b'{"table": [[%s, 1]]}' % (b"9" * 4000), "array of numbers"),
        (b'{"table": [["5", 1]]}', "array of numbers"),
        (b'{"table": {"0": 1}}', "array of numbers"),
        (b'{"counts": {"0": {"0": 1}}, "design": ["blocks"]}', "design"),
        (
            b'{"counts": {"0": {"0": 1}}, "design": "random", "setting_probabilities": {"0": 1}}',
            "setting_probabilities",
        ),
        (b'{"counts": {"0": {"0": 1}}, "design": "random", "setting_probabilities": []}', "setting_probabilities"),
        (b'{"counts": {"0": {"0": 1}}, "post_selected": 1}', "post_selected"),
        (b'{"class": "BellCounts"}', "a file that save() wrote"),
        (b'{"class": "Nonsense", "schema_version": 1, "fields": {}}', "Nonsense"),
        (b'{"class": "BellCounts", "class": "BellCounts"}', "comes twice"),
    ],
)
def test_damaged_files_end_with_one_line(tmp_path, capsys, content, message):
    path = tmp_path / "bad.json"
    path.write_bytes(content)
    assert main(["analyze", str(path)]) == 2
    out, error = capsys.readouterr()
    assert not out
    assert error.startswith("qiskit-lhv: ")
    assert error.count("\n") == 1
    assert len(error) < 600
    assert message in error


def test_without_matplotlib_pictures_are_refused_and_the_demo_says_so(counts_file, tmp_path, capsys, monkeypatch):
    from qiskit_lhv.cli import demo

    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert main(["analyze", str(counts_file), "--plot", str(tmp_path / "out.svg")]) == 2
    assert "pip install 'qiskit-lhv[plot]'" in capsys.readouterr().err
    assert demo._draw({}, None, tmp_path / "demo.svg") is False
    assert not (tmp_path / "demo.svg").exists()


def test_what_is_no_file_of_counts_ends_with_one_line(tmp_path, capsys):
    archive = tmp_path / "counts.npz"
    archive.write_bytes(b"PK\x03\x04 no archive")
    for path in (tmp_path, archive, tmp_path / "none.npz", "no\nname.json"):
        assert main(["analyze", str(path)]) == 2
        error = capsys.readouterr().err
        assert error.startswith("qiskit-lhv: ")
        assert error.count("\n") == 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--alpha", "nan"], "alpha"),
        (["--alpha", "0"], "alpha"),
        (["--signaling-level", "2"], "signaling_level"),
        (["--kappa", "inf"], "kappa"),
        (["--predictability", "-1"], "predictability"),
        (["--time-limit", "nan"], "time_limit"),
        (["--seed", "-1"], "seed"),
        (["--minus", "5", "5"], "minus"),
    ],
)
def test_options_out_of_range_end_with_one_line(counts_file, capsys, options, message):
    assert main(["analyze", str(counts_file), *options]) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"qiskit-lhv: {message}: expected")
    assert error.count("\n") == 1


def test_a_reader_that_stops_early_sees_no_error(counts_file):
    run = [sys.executable, "-m", "qiskit_lhv", "analyze", str(counts_file), "--seed", "1"]
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as output:
        ended = subprocess.run(run, stdout=output, stderr=subprocess.PIPE, text=True, check=False)
    assert ended.stderr == ""
    assert ended.returncode == 3
