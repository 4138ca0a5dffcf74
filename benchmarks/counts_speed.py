"""How long do counts take? Median seconds, peak memory and evidence, case by case, for ``analyze`` and for e-values.

``python benchmarks/counts_speed.py`` goes through all cases, each in a process of its own;
``--cases chsh,magic`` through some; ``--only e-value`` leaves ``analyze`` out.
``--evidence`` compares the evidence of the engine with that of exact fits, stage by stage on the same orders.
``--busy`` measures what other work does to small linear algebra: the stages of a table with 5 settings per party, on
idle cores and beside two busy loops (which it starts itself), with and without a limit of one thread for linear
algebra.
"""

import argparse
import json
import math
import multiprocessing
import os
import resource
import statistics
import subprocess
import sys
import time

import numpy as np
from qiskit.quantum_info import DensityMatrix
from qiskit_lhv import Behavior, analyze, ghz_state, ratio_e_value, werner_state
from qiskit_lhv.statistics import fit_local_model
from qiskit_lhv.statistics.evidence.combined_e_values import averaged_e_values
from qiskit_lhv.statistics.evidence.ratios import RatioEngine
from qiskit_lhv.statistics.evidence.stages import draw_stages
from threadpoolctl import threadpool_limits


def chained(num_settings, visibility):
    """The Werner state with settings of the chained inequality, in one plane."""
    angles = [np.pi * (np.arange(num_settings) + shift) / num_settings for shift in (0, 0.5)]
    settings = [[(np.cos(a), 0, np.sin(a)) for a in party] for party in angles]
    return Behavior.from_state(werner_state(visibility), settings)


def cglmp(num_outcomes, visibility=0.9):
    """The maximally entangled state of two parties with d outcomes each, at the settings of CGLMP."""
    d = num_outcomes
    p = np.empty((2, 2, d, d))
    for x, alpha in enumerate((0.0, 0.5)):
        for y, beta in enumerate((0.25, -0.25)):
            shift = np.arange(d)[:, None] - np.arange(d) + alpha + beta
            p[x, y] = np.sin(np.pi * shift) ** 2 / np.sin(np.pi * shift / d) ** 2 / d**3
    return Behavior(p / p.sum(axis=(2, 3), keepdims=True)).mix(visibility=visibility)


def hidden_from_chsh():
    """A state of Collins and Gisin, with the settings at which I3322 sees it."""
    ket = np.zeros(4)
    ket[[0, 3]] = [2, 1]
    state = DensityMatrix(0.85 * np.outer(ket, ket) / 5 + 0.15 * np.diag([0.0, 1.0, 0.0, 0.0]))
    angles = [(-0.6215, 0.6215, np.pi / 2), (0.3615, -0.3615, -np.pi / 2)]
    return Behavior.from_state(state, [[(math.sin(a), 0, math.cos(a)) for a in party] for party in angles])


def magic_square(visibility=0.9):
    """Three rows and three columns of the magic square, four outcomes each, with white noise."""
    bits = np.array([(a & 1, a >> 1) for a in range(4)])
    rows = np.column_stack([bits, bits.sum(axis=1) % 2])
    columns = np.column_stack([bits, (bits.sum(axis=1) + 1) % 2])
    p = np.array([[rows[:, y, None] == columns[None, :, x] for y in range(3)] for x in range(3)]) / 8
    return Behavior(p).mix(visibility=visibility)


# Behavior and shots of each setting combination.
CASES = {
    "chsh": lambda: (Behavior.from_state(werner_state(0.9), "chsh"), 1000),
    "3 x 3": lambda: (chained(3, 0.95), 1000),
    "mermin3": lambda: (Behavior.from_state(ghz_state(3, 0.8), "mermin"), 200),
    "ghz4": lambda: (Behavior.from_state(ghz_state(4, 0.8), "mermin"), 200),
    "ghz5": lambda: (Behavior.from_state(ghz_state(5, 0.8), "mermin"), 200),
    "ghz6": lambda: (Behavior.from_state(ghz_state(6, 0.8), "mermin"), 200),
    "5 x 5": lambda: (chained(5, 0.95), 1000),
    "8 x 8": lambda: (chained(8, 1.0), 1000),
    "10 x 10": lambda: (chained(10, 1.0), 1000),
    "15 x 15": lambda: (chained(15, 1.0), 1000),
    "20 x 20": lambda: (chained(20, 1.0), 1000),
    "hidden": lambda: (hidden_from_chsh(), 100_000),
    "magic": lambda: (magic_square(), 500),
    "cglmp3": lambda: (cglmp(3), 1000),
    "cglmp4": lambda: (cglmp(4), 1000),
    "cglmp8": lambda: (cglmp(8), 1000),
    "cglmp16": lambda: (cglmp(16), 10_000),
    "cglmp32": lambda: (cglmp(32), 20_000),
    "cglmp64": lambda: (cglmp(64), 100_000),
}
TASKS = {
    "analyze": lambda counts: analyze(counts, seed=1).statistics["log10_e"],
    "e-value": lambda counts: ratio_e_value(counts, seed=1).log_e / math.log(10),
    "e-value, averaged": lambda counts: averaged_e_values([counts], seed=1)[0].log_e / math.log(10),
    "e-value, no-signaling": lambda counts: ratio_e_value(counts, null="no-signaling", seed=1).log_e / math.log(10),
    "e-value, verify": None,
}


# Cases of the comparison with exact fits; and from which difference on one is marked.
EVIDENCE = ("chsh", "3 x 3", "mermin3", "ghz4", "5 x 5", "cglmp3", "cglmp4", "hidden", "magic", "10 x 10")
MARKED = 0.01


class ExactEngine(RatioEngine):
    """The engine with fits to a tight tolerance in every stage."""

    def _signaling_part(self, f, weights, tolerance):
        return super()._signaling_part(f, weights, np.full_like(tolerance, 1e-11))

    def _local_fits(self, cells, weights, least_gap):
        scenario = self._scenario
        num_combinations = scenario.num_setting_combinations
        found = []
        for column, share in zip(cells.T, weights.T, strict=True):
            each = share.reshape(num_combinations, -1)[:, 0].reshape(scenario.num_settings)
            wide = each.reshape(each.shape + (1,) * each.ndim)
            fit = fit_local_model(Behavior(column.reshape(scenario.shape) / wide), each, tolerance=1e-9)
            found.append(fit.model.behavior().array.ravel())
        return np.maximum(np.stack(found, axis=1), 1e-300)


def evidence(cases, seeds):
    """How much log e the engine loses or gains by its quick fits, on identical stages and orders."""
    print(f"{'case':<10}{'seed':>5}{'stages':>8}{'log e':>12}{'exact fits':>12}{'difference':>12}")
    for case in cases:
        behavior, shots = CASES[case]()
        for seed in range(1, seeds + 1):
            scenario, tables, weights = draw_stages(behavior.sample(shots, seed), seed)
            logs = []
            for engine in (RatioEngine(scenario), ExactEngine(scenario)):
                with threadpool_limits(1):
                    factors, bounds, _ = engine.run(tables[None], weights[None])
                sizes = tables.reshape(len(tables), -1).sum(axis=1)
                logs.append(float(np.sum(tables * np.log(factors[0])) - np.sum(sizes * np.log(bounds[0]))))
            difference = logs[0] / logs[1] - 1
            mark = "  weaker" if difference < -MARKED else ""
            print(
                f"{case:<10}{seed:>5}{len(tables):>8}{logs[0]:>12.3f}{logs[1]:>12.3f}{difference:>11.3%}{mark}",
                flush=True,
            )


def measure(case, task, repeat):
    """Median wall seconds, median processor seconds, log10 e and peak memory in MiB, of this process."""
    behavior, shots = CASES[case]()
    counts = behavior.sample(shots, 1)
    run = TASKS[task]
    if run is None:
        e_value = ratio_e_value(counts, seed=1)

        def run(_):
            assert e_value.verify()
            return e_value.log_e / math.log(10)

    # What loads on first use is loaded with another, small table.
    if task != "e-value, verify":
        run(CASES["chsh"]()[0].sample(50, 2))
    walls, processor = [], []
    for _ in range(repeat):
        wall, cpu = time.perf_counter(), time.process_time()
        log10_e = run(counts)
        walls.append(time.perf_counter() - wall)
        processor.append(time.process_time() - cpu)
        if sum(walls) > 120:
            break
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return statistics.median(walls), statistics.median(processor), log10_e, memory


def table(cases, tasks, repeat):
    print(f"{'case':<10}{'task':<24}{'wall s':>10}{'cpu s':>10}{'log10 e':>12}{'MiB':>8}")
    for case in cases:
        for task in tasks:
            # A process of its own, so that its memory is its own.
            found = subprocess.run(
                [sys.executable, __file__, "--one", case, task, "--repeat", str(repeat)],
                capture_output=True,
                text=True,
                check=False,
            )
            if found.returncode:
                print(f"{case:<10}{task:<24}  failed: {found.stderr.strip().splitlines()[-1]}", flush=True)
                continue
            wall, cpu, log10_e, memory = json.loads(found.stdout.splitlines()[-1])
            print(f"{case:<10}{task:<24}{wall:>10.4f}{cpu:>10.4f}{log10_e:>12.3f}{memory:>8.0f}", flush=True)


def spin(stop):
    while not stop.is_set():
        for _ in range(100_000):
            pass


def busy(repeat):
    """The stages of a 5 x 5 table, on idle cores and beside busy ones, with all threads and with one."""
    counts = chained(5, 0.95).sample(1000, 1)
    # Batched solves as they stand in fits: what a limit of threads is for.
    rng = np.random.default_rng(1)
    systems = rng.normal(size=(58, 36, 36)) + 36 * np.eye(36)
    tall, wide = rng.normal(size=(58, 36, 1024)), rng.normal(size=(58, 1024, 36))

    def solves():
        for _ in range(10):
            np.linalg.solve(systems + np.matmul(tall, wide), systems)

    tasks = {"e-value (58 stages)": lambda: ratio_e_value(counts, seed=1), "batched solves": solves}
    stop = multiprocessing.Event()
    print(f"{'task':<24}{'beside':<16}{'threads':>8}{'wall s':>10}")
    for loops in (0, 2):
        others = [multiprocessing.Process(target=spin, args=(stop,), daemon=True) for _ in range(loops)]
        for other in others:
            other.start()
        for name, run in tasks.items():
            for limit in (None, 1):
                walls = []
                with threadpool_limits(limit):
                    run()
                    for _ in range(repeat):
                        start = time.perf_counter()
                        run()
                        walls.append(time.perf_counter() - start)
                beside = f"{loops} busy loops" if loops else "nothing"
                print(
                    f"{name:<24}{beside:<16}{limit or os.cpu_count():>8}{statistics.median(walls):>10.4f}", flush=True
                )
        stop.set()
        for other in others:
            other.join()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", default=",".join(CASES))
    parser.add_argument("--only", choices=list(TASKS), action="append")
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--evidence", action="store_true")
    parser.add_argument("--seeds", type=int, default=3, help="of --evidence")
    parser.add_argument("--busy", action="store_true")
    parser.add_argument("--one", nargs=2, metavar=("CASE", "TASK"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        print(json.dumps(measure(*options.one, options.repeat)))
    elif options.evidence:
        chosen = EVIDENCE if options.cases == ",".join(CASES) else options.cases.split(",")
        evidence(chosen, options.seeds)
    elif options.busy:
        busy(options.repeat)
    else:
        table(options.cases.split(","), options.only or list(TASKS), options.repeat)


if __name__ == "__main__":
    main()
