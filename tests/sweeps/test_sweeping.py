import functools
import multiprocessing
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
import types
from concurrent.futures import Executor, Future, ThreadPoolExecutor

import numpy as np
import pytest
from qiskit_lhv import LHVError, sweep, werner_state
from qiskit_lhv.exceptions import CertificateError, SweepError
from qiskit_lhv.polytope import chsh, local_bound
from qiskit_lhv.sweeps import FailedTask, UnfinishedTask, load_sweep, workers
from qiskit_lhv.sweeps.identities import digest_of_grid, name_of_function

GRID = [{"x": x} for x in range(6)]
CALLED = []


def square(x):
    return x * x


def all_but_three(x):
    if x == 3:
        raise ValueError("not three")
    return {"x": x, "powers": [x, x**2], "array": np.arange(3) * x}


class DyingExecutor(Executor):
    """Does a few tasks, and then none any more."""

    def __init__(self, num_tasks, error):
        self.left = num_tasks
        self.error = error

    def submit(self, function, /, *args, **keywords):
        future = Future()
        self.left -= 1
        if self.left >= 0:
            future.set_result(function(*args, **keywords))
        else:
            future.set_exception(self.error)
        return future


def test_results_come_in_the_order_of_the_grid():
    assert sweep(square, GRID) == [0, 1, 4, 9, 16, 25]
    with ThreadPoolExecutor(3) as pool:
        assert sweep(square, GRID, executor=pool) == [0, 1, 4, 9, 16, 25]
    assert sweep(square, []) == []


def test_failures_are_recorded_and_tried_again(tmp_path):
    results = sweep(all_but_three, GRID, store=tmp_path)
    assert [type(result) for result in results] == [dict, dict, dict, FailedTask, dict, dict]
    assert "not three" in str(results[3])
    assert "in all_but_three" in results[3].traceback
    assert results[2]["powers"] == (2, 4)
    assert np.array_equal(results[2]["array"], [0, 2, 4])
    CALLED.clear()

    @functools.wraps(all_but_three)
    def mended(x):
        CALLED.append(x)
        return x

    assert sweep(mended, GRID, store=tmp_path)[3] == 3
    assert CALLED == [3]
    assert load_sweep(tmp_path)[3] == 3
    assert not list(tmp_path.glob("failed_*"))


def test_records_come_back_as_they_are_and_load_by_themselves(tmp_path):
    grid = [{"expression": chsh(), "seed": 1}]
    assert sweep(local_bound, grid, store=tmp_path) == [local_bound(chsh(), seed=1)]
    assert sweep(local_bound, grid, store=tmp_path) == [local_bound(chsh(), seed=1)]
    file = next(tmp_path.glob("task_*"))
    assert type(local_bound(chsh())).load(file) == local_bound(chsh())


def test_a_store_of_another_sweep_is_refused_and_says_why(tmp_path):
    sweep(square, GRID, store=tmp_path)
    content = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(CertificateError, match=r"differs in the function \(.*square there, .*all_but_three here"):
        sweep(all_but_three, GRID, store=tmp_path)
    with pytest.raises(CertificateError, match="number of tasks \\(6 there, 5 here"):
        sweep(square, GRID[:5], store=tmp_path)
    with pytest.raises(CertificateError, match="differs in the keywords"):
        sweep(square, [*GRID[:5], {"x": 7}], store=tmp_path)
    with pytest.raises(CertificateError, match="6 finished tasks"):
        sweep(square, GRID, store=tmp_path, resume=False)
    assert content == {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(CertificateError, match="other files"):
        sweep(square, GRID, store=tmp_path.parent)


def test_a_damaged_file_is_refused_and_a_missing_one_done_again(tmp_path):
    sweep(square, GRID, store=tmp_path)
    file = tmp_path / "task_000002.json"
    file.write_text(file.read_text().replace("4", "5"))
    with pytest.raises(CertificateError, match=r"another content of task_000002\.json"):
        sweep(square, GRID, store=tmp_path)
    with pytest.raises(CertificateError, match="another content"):
        load_sweep(tmp_path)
    file.unlink()
    assert load_sweep(tmp_path)[2] == UnfinishedTask(2)
    assert sweep(square, GRID, store=tmp_path) == [0, 1, 4, 9, 16, 25]
    # A line that was cut off by a crash hides no other.
    journal = tmp_path / "finished.jsonl"
    journal.write_bytes(journal.read_bytes()[:-9])
    assert sweep(square, GRID, store=tmp_path) == [0, 1, 4, 9, 16, 25]
    assert load_sweep(tmp_path) == [0, 1, 4, 9, 16, 25]


def test_a_full_disk_ends_the_sweep_and_keeps_what_is_finished(tmp_path, monkeypatch):
    opened = os.open

    def full(path, flags, *args, **keywords):
        if "task_000003" in str(path):
            raise OSError(28, "No space left on device")
        return opened(path, flags, *args, **keywords)

    with monkeypatch.context() as patch:
        patch.setattr(os, "open", full)
        with pytest.raises(SweepError, match="No space left on device"):
            sweep(square, GRID, store=tmp_path)
    assert load_sweep(tmp_path)[:4] == [0, 1, 4, UnfinishedTask(3)]
    assert sweep(square, GRID, store=tmp_path) == [0, 1, 4, 9, 16, 25]


@pytest.mark.parametrize("error", [None, RuntimeError("out of order")])
def test_an_executor_that_dies_ends_the_sweep_and_keeps_what_is_finished(tmp_path, error):
    from concurrent.futures.process import BrokenProcessPool

    pool = DyingExecutor(3, BrokenProcessPool("a process died"))
    if error is not None:
        pool = ThreadPoolExecutor(1)
        pool.shutdown()
    with pytest.raises(SweepError, match="gave out"):
        sweep(square, GRID, store=tmp_path, executor=pool)
    assert load_sweep(tmp_path)[:3] == ([0, 1, 4] if error is None else [UnfinishedTask(i) for i in range(3)])


def test_what_cannot_be_sent_or_kept_is_refused_at_once(tmp_path):
    with pytest.raises(LHVError, match="another process can import"):
        sweep(lambda x: x, GRID, executor=2)
    with pytest.raises(LHVError, match=r"can be sent to another process, got .* for x of task 1"):
        sweep(square, [{"x": 1}, {"x": threading.Lock()}], executor=2)
    with pytest.raises(LHVError, match="a later call can compare"):
        sweep(square, [{"x": threading.Lock()}], store=tmp_path / "a")
    with pytest.raises(CertificateError, match="a lock from task 0"):
        sweep(lambda x: threading.Lock(), GRID, store=tmp_path / "b")
    with pytest.raises(LHVError, match="keywords that the function takes"):
        sweep(square, [{"x": 1}, {"y": 2}])
    with pytest.raises(LHVError, match="list of dictionaries"):
        sweep(square, [3])
    for wrong in (0, "cluster", 1.5):
        with pytest.raises(LHVError, match="executor: expected None, a number of processes"):
            sweep(square, GRID, executor=wrong)


def test_what_was_defined_in_a_session_is_not_sent_to_processes(monkeypatch):
    class Point:
        """A class of the session."""

    def task(x):
        return x

    session = types.ModuleType("__main__")
    session.task, session.Point = task, Point
    for thing, name in ((task, "task"), (Point, "Point")):
        thing.__module__, thing.__qualname__ = "__main__", name
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "__main__", session)
        for function in (task, functools.partial(task, x=1)):
            with pytest.raises(LHVError, match="defined in this session"):
                sweep(function, [{}] if function is not task else GRID, executor=2)
        with pytest.raises(LHVError, match="class was defined in this session"):
            sweep(square, [{"x": 1}, {"x": [Point()]}], executor=2)


def test_a_script_without_a_guard_is_told_so(monkeypatch):
    # So Python marks a process that is importing the script of its parent.
    monkeypatch.setattr(multiprocessing.current_process(), "_inheriting", True, raising=False)
    with pytest.raises(LHVError, match="if __name__ == '__main__'"):
        sweep(square, GRID, executor=2)
    assert sweep(square, GRID[:2]) == [0, 1]


def test_the_time_limit_leaves_the_rest_for_later(tmp_path, counted_clock):
    with counted_clock(1.0):
        results = sweep(square, GRID, store=tmp_path, time_limit=3.5)
    assert results == [0, 1, 4, *(UnfinishedTask(i) for i in range(3, 6))]
    assert sweep(square, GRID, store=tmp_path) == [0, 1, 4, 9, 16, 25]


def test_an_interruption_keeps_what_is_finished(tmp_path):
    def pressed(x):
        if x == 3:
            raise KeyboardInterrupt
        return x

    with pytest.raises(KeyboardInterrupt):
        sweep(pressed, GRID, store=tmp_path)
    assert load_sweep(tmp_path)[:4] == [0, 1, 2, UnfinishedTask(3)]


class SpeechlessError(Exception):
    def __str__(self):
        raise ValueError("no words")


def test_tasks_may_end_in_any_way():
    def task(x):
        if x:
            raise {1: SystemExit(0), 2: KeyboardInterrupt(), 3: SpeechlessError(), 4: MemoryError("much")}[x]
        return x

    with ThreadPoolExecutor(1) as pool:
        results = sweep(task, GRID[:5], executor=pool, progress=False)
    assert [result.error for result in results[1:]] == [
        "SystemExit",
        "KeyboardInterrupt",
        "SpeechlessError",
        "MemoryError",
    ]
    # In the main thread of this process it is for the caller.
    with pytest.raises(SystemExit):
        sweep(task, GRID[1:2])


def test_a_worker_that_is_asked_to_end_takes_no_other_task(monkeypatch):
    def task():
        raise SystemExit(128 + signal.SIGTERM)

    def ended(status):
        raise ArithmeticError(f"status {status}")

    assert workers.run_task(task, {}, "elsewhere:1", False).error[0] == "SystemExit"
    monkeypatch.setattr(workers, "_started_here", True)
    monkeypatch.setattr(os, "_exit", ended)
    with pytest.raises(ArithmeticError, match="status 143"):
        workers.run_task(task, {}, "elsewhere:1", False)


def test_tasks_that_wait_for_a_worker_are_not_begun_when_the_time_is_over(tmp_path, monkeypatch):
    begun = []

    def task(x):
        begun.append(x)
        # The time that this task takes.
        monkeypatch.setattr(time, "time", lambda: 1e10)
        monkeypatch.setattr(time, "monotonic", lambda: 1e10)
        return x

    with ThreadPoolExecutor(1) as pool:
        results = sweep(task, GRID, executor=pool, store=tmp_path, time_limit=1000, progress=False)
    assert begun == [0]
    assert results == [0, *(UnfinishedTask(i) for i in range(1, 6))]


@pytest.mark.slow
def test_processes_do_the_tasks_of_a_lost_one_and_sigterm_ends_a_sweep_cleanly(tmp_path):
    (tmp_path / "task.py").write_text(
        textwrap.dedent("""
        import os, signal, time
        def task(x, driver):
            if x == 5:
                while not os.path.exists("store/finished.jsonl") or open("store/finished.jsonl").read().count("}") < 5:
                    time.sleep(0.01)
                os.kill(driver, signal.SIGTERM)
                signal.pause()
            return x, os.environ["OMP_NUM_THREADS"], os.getpid() != driver
        def dies_once(x):
            if x == 3 and not os.path.exists("died"):
                open("died", "w").close()
                os._exit(1)
            return x
        """)
    )
    (tmp_path / "main.py").write_text(
        textwrap.dedent("""
        import os, qiskit_lhv, task
        from qiskit_lhv.sweeps.sweeping import run_all
        if __name__ == "__main__":
            assert run_all(task.dies_once, [{"x": x} for x in range(9)], 1) == [*range(9)]
            qiskit_lhv.sweep(task.task, [{"x": x, "driver": os.getpid()} for x in range(6)], executor=2, store="store")
        """)
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path])}
    done = subprocess.run([sys.executable, "main.py"], cwd=tmp_path, env=environment, timeout=600, check=False)
    assert done.returncode == 128 + signal.SIGTERM
    assert (tmp_path / "died").exists()
    assert load_sweep(tmp_path / "store") == [*((x, "1", True) for x in range(5)), UnfinishedTask(5)]


def test_digests_tell_tasks_apart():
    from qiskit import QuantumCircuit
    from qiskit.providers.fake_provider import GenericBackendV2

    def circuit(angle):
        made = QuantumCircuit(2)
        made.rx(angle, 0)
        made.cx(0, 1)
        return made

    values = [1, 1.0, True, "1", b"1", None, (1,), {"x": 1}, {1}, np.ones(1), np.ones((1, 1)), np.ones(1, dtype=int)]
    values += [circuit(0.1), circuit(0.2), werner_state(0.5), werner_state(0.6), chsh(), square, np.linspace]
    values += [functools.partial(square, x=1), functools.partial(square, x=2)]
    for angle in (0.1, 0.2):
        own = QuantumCircuit(2)
        own.append(circuit(angle).to_gate(), [0, 1])
        values.append(own)
    values += [GenericBackendV2(2, seed=1), GenericBackendV2(3, seed=1)]
    digests = [digest_of_grid([{"x": value}]) for value in values]
    assert len(set(digests)) == len(values)
    assert digest_of_grid([{"x": circuit(0.1)}]) == digests[12]
    again = QuantumCircuit(2)
    again.append(circuit(0.2).to_gate(), [0, 1])
    assert digest_of_grid([{"x": again}]) == digests[-3]
    assert name_of_function(functools.partial(square, x=1)) != name_of_function(functools.partial(square, x=2))
