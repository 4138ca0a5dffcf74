"""Sweeps over workers: a Dask cluster that loses a worker, a killed driver, overhead, and two workers against one.

Prints for each whether every task came back once, how many ran more than once, and the times.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import numpy as np
import qiskit_lhv
from qiskit_lhv import (
    Behavior,
    BellExpression,
    certify_all_projective,
    local_bound,
    nonlocality_threshold,
    werner_state,
)
from qiskit_lhv.projective import ProofSearch
from qiskit_lhv.sweeps import UnfinishedTask, load_sweep

NUM_TASKS = 200


def threshold(number, settings, starts):
    """Threshold of a random behavior in white noise; leaves a line about where it ran."""
    with open(starts, "a", encoding="utf-8") as log:
        log.write(f"{number} {os.getpid()}\n")
    rng = np.random.default_rng(number)
    axes = rng.normal(size=(2, settings, 3))
    axes /= np.linalg.norm(axes, axis=-1, keepdims=True)
    correlators = -axes[0] @ axes[1].T
    signs = np.multiply.outer([1, -1], [1, -1])
    behavior = Behavior((1 + correlators[:, :, None, None] * signs) / 4)
    return nonlocality_threshold(behavior).upper


def grid(folder, settings):
    return [{"number": i, "settings": settings, "starts": str(folder / "starts")} for i in range(NUM_TASKS)]


def finished(store):
    journal = store / "finished.jsonl"
    lines = journal.read_text().splitlines() if journal.exists() else []
    return Counter(json.loads(line)["task"] for line in lines if line.endswith("}"))


def wait_for(store, number, process=None):
    while len(finished(store)) < number:
        if process is not None and process.poll() is not None:
            raise SystemExit("the sweep ended too early")
        time.sleep(0.02)


def report(name, folder, expected):
    """Compares a store with the thresholds of one process, and counts what ran twice."""
    values = load_sweep(folder / "store")
    missing = sum(isinstance(value, UnfinishedTask) for value in values)
    counts = finished(folder / "store")
    files = len(list((folder / "store").glob("task_*")))
    started = Counter(line.split()[0] for line in (folder / "starts").read_text().splitlines())
    print(
        f"{name}: {files} files, {missing} missing, {sum(n > 1 for n in counts.values())} twice in the store, "
        f"{sum(n > 1 for n in started.values())} tasks started more than once, "
        f"equal to one process: {values == expected}"
    )


def in_cluster(folder, settings, *, kill):
    """A sweep on a cluster of two worker processes, one of which is killed half-way."""
    from distributed import Client, LocalCluster

    killed = []
    with (
        LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster,
        Client(cluster) as client,
    ):
        if kill:
            import threading

            def killer():
                wait_for(folder / "store", NUM_TASKS // 2)
                pid = next(iter(client.run(os.getpid).values()))
                os.kill(pid, signal.SIGKILL)
                killed.append(pid)

            threading.Thread(target=killer, daemon=True).start()
        qiskit_lhv.sweep(threshold, grid(folder, settings), executor=client, store=folder / "store", progress=False)
    return killed


def killed_driver(folder, settings):
    """The same in a driver process of its own, which is killed half-way and started again."""
    command = [sys.executable, __file__, "--settings", str(settings), "--driver", str(folder)]
    first = subprocess.Popen(command, start_new_session=True)
    wait_for(folder / "store", NUM_TASKS // 2, first)
    os.kill(first.pid, signal.SIGKILL)
    first.wait()
    print(f"driver killed after {len(finished(folder / 'store'))} tasks")
    subprocess.run(command, check=True)


def speedup(settings):
    """Wall time of one and of two worker processes for three times as many tasks, and their own processor time."""
    for number in (1, 2):
        with tempfile.TemporaryDirectory() as name:
            starts = str(Path(name) / "starts")
            tasks = [{"number": i, "settings": settings, "starts": starts} for i in range(3 * NUM_TASKS)]
            start = time.perf_counter()
            before = os.times()
            qiskit_lhv.sweep(threshold, tasks, executor=number, progress=False)
            wall, after = time.perf_counter() - start, os.times()
            cpu = after.children_user + after.children_system - before.children_user - before.children_system
            driver = after.user + after.system - before.user - before.system
            print(
                f"{number} workers: {wall:.2f} s, processor time of workers {cpu:.2f} s, of the driver {driver:.2f} s"
            )


def one_search():
    """A bound by branch and bound, and a certificate, by this process and by two workers."""
    matrix = np.random.default_rng(5).integers(-9, 10, size=(42, 42)).astype(float)
    expression = BellExpression.from_correlators(matrix, marginals=False)
    searches = {
        "bound of 42 x 42": lambda executor: local_bound(expression, executor=executor).value,
        "certificate of 321 axes, 30 calls": lambda executor: (
            certify_all_projective(
                werner_state(1),
                directions=321,
                search=ProofSearch(max_calls=30),
                seed=1,
                executor=executor,
                progress=False,
            ).visibility
        ),
    }
    for name, search in searches.items():
        for executor in (None, 1, 2):
            wall, before = time.perf_counter(), os.times()
            found = search(executor)
            wall, after = time.perf_counter() - wall, os.times()
            driver = after.user + after.system - before.user - before.system
            workers = after.children_user + after.children_system - before.children_user - before.children_system
            print(
                f"{name}, executor={executor}: {found:.9g} in {wall:.1f} s; processor time of the driver "
                f"{driver:.1f} s, of workers {workers:.1f} s"
            )


def nothing(x):
    return x


def overhead():
    """Time per task of sweeps whose function does nothing."""
    tasks = [{"x": i} for i in range(2000)]
    for kind, executor in (("this process", None), ("one process", 1)):
        for stored in (False, True):
            with tempfile.TemporaryDirectory() as name:
                start, wall = time.process_time(), time.perf_counter()
                qiskit_lhv.sweep(nothing, tasks, executor=executor, store=name if stored else None, progress=False)
                cpu, wall = time.process_time() - start, time.perf_counter() - wall
                print(
                    f"{kind}, {'with' if stored else 'without'} store: {cpu / 2:.3f} ms of processor time per task in "
                    f"the driver, {wall / 2:.3f} ms in all"
                )
    from distributed import Client

    with (
        Client(n_workers=1, threads_per_worker=1, dashboard_address=None) as client,
        tempfile.TemporaryDirectory() as name,
    ):
        start, wall = time.process_time(), time.perf_counter()
        qiskit_lhv.sweep(nothing, tasks, executor=client, store=name, progress=False)
        cpu, wall = time.process_time() - start, time.perf_counter() - wall
        print(f"Dask, with store: {cpu / 2:.3f} ms of processor time in the driver, {wall / 2:.3f} ms in all")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--settings", type=int, default=6, help="settings per party of each behavior")
    parser.add_argument("--driver", type=Path, default=None, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.driver is not None:
        in_cluster(options.driver, options.settings, kill=False)
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        expected = qiskit_lhv.sweep(threshold, grid(folder, options.settings), progress=False)
        for case in ("worker", "driver"):
            place = folder / case
            place.mkdir()
            if case == "worker":
                print(f"worker {in_cluster(place, options.settings, kill=True)} killed half-way")
            else:
                killed_driver(place, options.settings)
            report(case, place, expected)
    speedup(options.settings)
    overhead()
    one_search()


if __name__ == "__main__":
    main()
