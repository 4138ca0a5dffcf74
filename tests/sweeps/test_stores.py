import json
import os
import signal
import subprocess
import sys
import threading

import numpy as np
import pytest
from qiskit_lhv import sweep
from qiskit_lhv.exceptions import CertificateError
from qiskit_lhv.sweeps import StoredValue, UnfinishedTask, load_sweep

VALUES = [
    1 + 2j,
    np.complex128(-0.0 + 1j),
    [complex("nan+infj"), {"z": 1j}],
    np.array([complex(1, np.inf), complex(-0.0, np.nan), complex(-0.0, -0.0)]),
    np.array(1 + 1j),
    np.array([1 + 2j], dtype=np.complex64),
    StoredValue(3),
]


def value_of(number):
    return VALUES[number]


def test_values_come_back_bit_by_bit(tmp_path):
    grid = [{"number": number} for number in range(len(VALUES))]
    found = sweep(value_of, grid, store=tmp_path)
    for value, back in zip(VALUES, found, strict=True):
        assert repr(back) == repr(value).replace("[", "(").replace("]", ")") if isinstance(value, list) else True
        if isinstance(value, np.ndarray | complex):
            assert np.shape(back) == np.shape(value)
            assert np.asarray(back).dtype == np.asarray(value).dtype
            assert np.asarray(back).tobytes() == np.asarray(value).tobytes()
    assert isinstance(found[4], np.ndarray)
    assert found[-1] == StoredValue(3)
    assert load_sweep(tmp_path)[-1] == StoredValue(3)


def _cycle():
    made = []
    made.append(made)
    return made


@pytest.mark.parametrize(
    "make",
    [
        lambda: {1: "a", "1": "b"},
        lambda: np.ma.array([1.0, 2.0], mask=[0, 1]),
        lambda: np.longdouble(1) / 3,
        _cycle,
    ],
)
def test_values_that_a_file_would_change_are_refused(tmp_path, make):
    with pytest.raises(CertificateError, match="results that a store can hold"):
        sweep(make, [{}], store=tmp_path)
    assert not list(tmp_path.glob("task_*"))


def number(x):
    return x


def test_two_sweeps_do_not_share_a_store(tmp_path):
    grid, begun, goes_on, found = [{"x": 1}], threading.Event(), threading.Event(), []

    def waiting(x):
        begun.set()
        assert goes_on.wait(60)
        return x

    thread = threading.Thread(target=lambda: found.append(sweep(waiting, grid, store=tmp_path, progress=False)))
    thread.start()
    assert begun.wait(60)
    with pytest.raises(CertificateError, match="to which no other sweep is writing"):
        sweep(waiting, grid, store=tmp_path)
    # Reading what is there is always possible.
    assert load_sweep(tmp_path) == [UnfinishedTask(0)]
    goes_on.set()
    thread.join()
    assert found == [[1]]
    assert sweep(waiting, grid, store=tmp_path) == [1]


# Holds a store until it is killed, while it writes the file of a task.
HOLDER = """
import signal, sys
from qiskit_lhv import sweep
from qiskit_lhv._support import records
def held(path, write):
    (path.parent / f"{path.name}.{'0' * 16}.part").touch()
    print("begun", flush=True)
    signal.pause()
records.write_whole = held
def number(x):
    return x
number.__module__ = "tests.sweeps.test_stores"
sweep(number, [{"x": 1}], store=sys.argv[1], progress=False)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no locks of files")
def test_a_killed_sweep_leaves_its_store_to_the_next_one(tmp_path):
    command = [sys.executable, "-c", HOLDER, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "begun\n"
        with pytest.raises(CertificateError, match="which is in use"):
            sweep(number, [{"x": 1}], store=tmp_path)
        os.kill(process.pid, signal.SIGKILL)
    assert list(tmp_path.glob("*.part"))
    assert sweep(number, [{"x": 1}], store=tmp_path) == [1]
    assert not list(tmp_path.glob("*.part"))


@pytest.mark.parametrize(
    "line", ["[" * 10**5, "3", "[]", json.dumps({"task": 1.0, "file": "task_000001.json", "sha256": ""}), "{}", '"x"']
)
def test_lines_of_a_journal_that_say_nothing_are_left_out(tmp_path, line):
    grid = [{"x": x} for x in range(3)]
    sweep(number, grid, store=tmp_path)
    with (tmp_path / "finished.jsonl").open("a") as stream:
        stream.write(line + "\n")
    assert load_sweep(tmp_path) == [0, 1, 2]
    assert sweep(number, grid, store=tmp_path) == [0, 1, 2]


@pytest.mark.parametrize("content", ["", "[]", '{"num_tasks": 1}', "[" * 10**5, "\x00"])
def test_damaged_manifests_are_told(tmp_path, content):
    sweep(number, [{"x": 1}], store=tmp_path)
    (tmp_path / "sweep.json").write_text(content)
    for call in (lambda: load_sweep(tmp_path), lambda: sweep(number, [{"x": 1}], store=tmp_path)):
        with pytest.raises(CertificateError, match=r"a damaged sweep\.json"):
            call()


def test_a_folder_in_the_place_of_a_file_is_told(tmp_path):
    sweep(number, [{"x": 1}], store=tmp_path)
    (tmp_path / "task_000000.json").unlink()
    (tmp_path / "task_000000.json").mkdir()
    with pytest.raises(CertificateError, match=r"another content of task_000000\.json"):
        load_sweep(tmp_path)
