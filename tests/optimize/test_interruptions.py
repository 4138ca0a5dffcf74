import functools
import os
import signal
import subprocess
import sys

import pytest
from qiskit_lhv import (
    Behavior,
    LHVError,
    certify_all_projective,
    critical_visibility,
    find_local_model,
    load_bundled_counts,
    nonlocality_threshold,
    sweep,
    werner_state,
)
from qiskit_lhv._support import checkpoints, files
from qiskit_lhv.exceptions import CertificateError
from qiskit_lhv.optimize import sweep_visibility, training
from qiskit_lhv.sweeps import UnfinishedTask, load_sweep

from helpers import grouped

TARGETS = {
    "state": lambda: werner_state(0.6),
    "behavior": lambda: Behavior.from_state(werner_state(0.9), "chsh"),
    "counts": lambda: load_bundled_counts("delft_2015").counts,
}
QUICK = {"num_hidden": 128, "num_steps": 600, "seed": 3, "progress": False}

# Kills itself when a checkpoint is written: before the new file takes the place of the old one, or after it.
SCRIPT = """
import os, signal, sys
from qiskit_lhv import find_local_model, werner_state
from qiskit_lhv._support import checkpoints
from qiskit_lhv.optimize import GradientDescent
path, number, when = sys.argv[1:]
checkpoints._SECONDS_BETWEEN = 1e-9
replace, left = os.replace, list(range(int(number)))
def deadly(*paths):
    left.pop()
    if left or when == "after":
        replace(*paths)
    if not left:
        os.kill(os.getpid(), signal.SIGKILL)
os.replace = deadly
optimizer = GradientDescent(num_steps=600)
find_local_model(werner_state(0.6), checkpoint=path, num_hidden=128, optimizer=optimizer, seed=3, progress=False)
"""


@pytest.fixture(scope="module")
def whole():
    """What a search that nothing interrupts ends with, by the name of its target."""
    return functools.cache(lambda name: find_local_model(TARGETS[name](), **grouped(**QUICK)))


def interrupt_after(monkeypatch, chunks):
    """Makes the training loop stop as by a keyboard interrupt after some chunks; returns how to undo it."""
    chunk, calls = training._chunk, []

    def interrupted(*arguments):
        calls.append(1)
        if len(calls) > chunks:
            raise KeyboardInterrupt
        return chunk(*arguments)

    monkeypatch.setattr(training, "_chunk", interrupted)
    return lambda: monkeypatch.setattr(training, "_chunk", chunk)


@pytest.mark.parametrize("name", TARGETS)
@pytest.mark.parametrize("chunks", [0, 1, 4])
def test_interrupted_run_ends_in_the_same_model(tmp_path, monkeypatch, whole, name, chunks):
    path, target = tmp_path / "run.npz", TARGETS[name]()
    uninterrupted = whole(name)
    undo = interrupt_after(monkeypatch, chunks)
    stopped = find_local_model(target, **grouped(checkpoint=path, **QUICK))
    assert stopped.status == training.SearchStatus.INTERRUPTED
    assert len(stopped.history) == 100 * chunks
    undo()
    assert find_local_model(target, **grouped(checkpoint=path, **QUICK)) == uninterrupted


@pytest.mark.slow
def test_killed_run_ends_in_the_same_model(tmp_path, whole):
    path = tmp_path / "run.npz"
    for number, when in (("2", "after"), ("3", "before")):
        command = [sys.executable, "-c", SCRIPT, str(path), number, when]
        assert subprocess.run(command, capture_output=True).returncode == -signal.SIGKILL
    # Two chunks, then two more; the third of those was lost, and left part of a file.
    assert len(list(tmp_path.iterdir())) == 2
    resumed = find_local_model(werner_state(0.6), **grouped(checkpoint=path, time_limit=1e-9, **QUICK))
    assert len(resumed.history) == 400
    assert find_local_model(werner_state(0.6), **grouped(checkpoint=path, **QUICK)) == whole("state")


def test_finished_run_is_not_run_again(tmp_path, monkeypatch):
    path = tmp_path / "run.npz"
    first = find_local_model(werner_state(0.6), **grouped(checkpoint=path, **QUICK))
    interrupt_after(monkeypatch, 0)
    assert find_local_model(werner_state(0.6), **grouped(checkpoint=path, **QUICK)) == first


def test_time_limit_may_change_between_parts(tmp_path, whole):
    path = tmp_path / "run.npz"
    part = find_local_model(werner_state(0.6), **grouped(checkpoint=path, time_limit=1e-9, **QUICK))
    assert part.status == training.SearchStatus.OUT_OF_TIME
    assert find_local_model(werner_state(0.6), **grouped(checkpoint=path, **QUICK)) == whole("state")


@pytest.mark.parametrize(
    "changed", [{"seed": 4}, {"num_steps": 700}, {"num_hidden": 64}, {"response": 3}, {"measurements": "xz"}]
)
def test_checkpoint_of_another_run_is_refused(tmp_path, changed):
    path = tmp_path / "run.npz"
    find_local_model(werner_state(0.6), **grouped(checkpoint=path, time_limit=1e-9, **QUICK))
    before = path.read_bytes()
    with pytest.raises(CertificateError, match=r"^checkpoint: expected a checkpoint of this very run"):
        find_local_model(werner_state(0.6), **grouped(checkpoint=path, **{**QUICK, **changed}))
    assert path.read_bytes() == before


def test_checkpoint_of_another_target_is_refused(tmp_path):
    path = tmp_path / "run.npz"
    find_local_model(werner_state(0.6), **grouped(checkpoint=path, time_limit=1e-9, **QUICK))
    for target in (werner_state(0.61), TARGETS["behavior"]()):
        with pytest.raises(CertificateError, match="this very run"):
            find_local_model(target, **grouped(checkpoint=path, **QUICK))


@pytest.mark.parametrize("share", [0.0, 0.3, 0.9, 0.999])
def test_truncated_checkpoint_is_refused_and_kept(tmp_path, share):
    path = tmp_path / "run.npz"
    find_local_model(werner_state(0.6), **grouped(checkpoint=path, time_limit=1e-9, **QUICK))
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    before = path.read_bytes()
    with pytest.raises(CertificateError, match=r"^checkpoint: .*damaged"):
        find_local_model(werner_state(0.6), **grouped(checkpoint=path, **QUICK))
    assert path.read_bytes() == before


def test_checkpoints_are_written_every_few_seconds(tmp_path, monkeypatch, counted_clock):
    written = []
    monkeypatch.setattr(files.os, "replace", lambda *paths: written.append(paths))
    with counted_clock(checkpoints._SECONDS_BETWEEN / 2):
        find_local_model(werner_state(0.6), **grouped(checkpoint=tmp_path / "run.npz", **QUICK))
    often = len(written)
    monkeypatch.setattr(checkpoints, "_SECONDS_BETWEEN", 1e-9)
    find_local_model(werner_state(0.6), **grouped(checkpoint=tmp_path / "run.npz", **QUICK))
    assert len(written) - often == 7 > often >= 2


def test_bad_arguments(tmp_path):
    with pytest.raises(LHVError, match=r"^seed: expected a seed where there is a checkpoint"):
        find_local_model(werner_state(0.6), checkpoint=tmp_path / "run.npz")
    with pytest.raises(CertificateError, match=r"^checkpoint: expected a file in an existing folder"):
        find_local_model(werner_state(0.6), **grouped(checkpoint=tmp_path / "none" / "run.npz", **QUICK))


def test_places_of_results_are_checked_before_any_work(tmp_path, monkeypatch):
    def no_work(*_, **__):
        pytest.fail("the work began before the place was checked")

    file = tmp_path / "file"
    file.write_text("")
    monkeypatch.setattr("qiskit_lhv.polytope.thresholds.visibility._starting_strategies", no_work)
    monkeypatch.setattr("qiskit_lhv.projective.certificates.certify._proven_noise", no_work)
    monkeypatch.setattr("qiskit_lhv.projective.certificates.certify.ProjectiveSearch", no_work)
    monkeypatch.setattr("qiskit_lhv.optimize.search.run", no_work, raising=False)
    monkeypatch.setattr("qiskit_lhv.analysis.critical_visibilities.proofs", no_work)
    behavior = Behavior.from_state(werner_state(0.6), "chsh")
    for path in (tmp_path / "none" / "run.npz", tmp_path, file / "run.npz", 3):
        with pytest.raises(CertificateError, match=r"^checkpoint: expected a "):
            nonlocality_threshold(behavior, checkpoint=path)
        with pytest.raises(CertificateError, match=r"^checkpoint: expected a "):
            certify_all_projective(werner_state(0.6), directions=6, checkpoint=path)
        with pytest.raises(CertificateError, match=r"^checkpoint: expected a "):
            find_local_model(behavior, **grouped(checkpoint=path, **QUICK))
    for path in (file, file / "folder", 3):
        with pytest.raises(CertificateError, match=r"^folder: expected a "):
            critical_visibility(werner_state(1), folder=path, seed=1)
        with pytest.raises(CertificateError, match=r"^folder: expected a "):
            sweep_visibility(werner_state(1), [0.5], **grouped(folder=path, **QUICK))
    assert [one.name for one in tmp_path.iterdir()] == ["file"]


def test_sigterm_ends_the_process_once_the_state_is_written(tmp_path, monkeypatch, whole):
    path, chunk = tmp_path / "run.npz", training._chunk

    def terminated(*arguments):
        if path.exists():
            os.kill(os.getpid(), signal.SIGTERM)
        return chunk(*arguments)

    before = signal.signal(signal.SIGTERM, signal.SIG_DFL)
    try:
        with monkeypatch.context() as patch:
            patch.setattr(training, "_chunk", terminated)
            patch.setattr(checkpoints, "_SECONDS_BETWEEN", 1e-9)
            with pytest.raises(SystemExit) as ended:
                find_local_model(werner_state(0.6), **grouped(checkpoint=path, **QUICK))
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    finally:
        signal.signal(signal.SIGTERM, before)
    assert ended.value.code == 128 + signal.SIGTERM
    assert find_local_model(werner_state(0.6), **grouped(checkpoint=path, **QUICK)) == whole("state")


@pytest.mark.parametrize("function", [find_local_model, sweep_visibility])
def test_an_interrupted_search_ends_the_sweep_that_it_is_a_task_of(tmp_path, monkeypatch, function):
    options = {"num_hidden": 128, "optimizer": grouped(num_steps=200)["optimizer"], "seed": 3}
    line = {"state": werner_state(0.6), "visibilities": (0.5, 0.6)}
    task = {"target": werner_state(0.6)} if function is find_local_model else line
    interrupt_after(monkeypatch, 3)
    with pytest.raises(KeyboardInterrupt):
        sweep(function, [{**task, **options}, {**task, **options}], store=tmp_path, progress=False)
    assert UnfinishedTask(1) in load_sweep(tmp_path)
    assert not (tmp_path / "task_000001.npz").exists()


def test_an_interrupted_search_of_several_keeps_its_checkpoint(tmp_path, monkeypatch, whole):
    options = {**grouped(**QUICK), "checkpoint": tmp_path / "run.npz", "target": TARGETS["state"]()}
    undo = interrupt_after(monkeypatch, 3)
    with pytest.raises(KeyboardInterrupt):
        sweep(find_local_model, [options], progress=False)
    undo()
    assert len(sweep(find_local_model, [options], progress=False)[0].history) == 600
    assert sweep(find_local_model, [options], progress=False) == [whole("state")]
