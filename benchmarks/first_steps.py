"""Costs of the first steps: import, a verdict on counts, exact thresholds, the optimizer's accuracy.

Times are medians of repeated runs, and ratios come from runs that alternate, since machines are noisy.
With ``--quick`` every call runs once and the optimizer has one target.
"""

import argparse
import statistics
import subprocess
import sys
import time

import numpy as np
from qiskit.quantum_info import Statevector, random_statevector
from qiskit_lhv import (
    Behavior,
    CorrelationTensor,
    analyze,
    find_local_model,
    load_bundled_counts,
    nonlocality_threshold,
    werner_state,
)
from qiskit_lhv.cli.demo import ICOSAHEDRON_AXES
from qiskit_lhv.statistics import fit_local_model

QUICK = False


def seconds(function, repeats):
    """Median seconds of a call, after one warm-up."""
    function()
    taken = []
    for _ in range(1 if QUICK else repeats):
        start = time.perf_counter()
        function()
        taken.append(time.perf_counter() - start)
    return statistics.median(taken)


def printed_number(code):
    """The number that a fresh interpreter prints."""
    return float(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout)


def import_seconds(module):
    """Seconds of one import in a fresh interpreter, start of the interpreter left out."""
    code = f"import time; s = time.perf_counter(); import {module}; print(time.perf_counter() - s)"
    return printed_number(code)


def report_import():
    pairs = [(import_seconds("qiskit_lhv"), import_seconds("qiskit")) for _ in range(1 if QUICK else 11)]
    ours, qiskit = (statistics.median(column) for column in zip(*pairs, strict=True))
    print(f"import qiskit_lhv: {ours:.4f} s, import qiskit: {qiskit:.3f} s, ratio {ours / qiskit:.3f}")
    code = (
        "import time, qiskit; s = time.perf_counter(); import qiskit_lhv; qiskit_lhv.BellCounts, qiskit_lhv.analyze;"
        "print(time.perf_counter() - s)"
    )
    runs = [
        float(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout)
        for _ in range(1 if QUICK else 5)
    ]
    print(f"  and first use of BellCounts and analyze after import qiskit: {statistics.median(runs):.3f} s")


def report_first_searches():
    code = (
        "import time; from qiskit_lhv import Behavior, find_local_model, werner_state;"
        "target = {}; times = [time.process_time()];"
        "[(find_local_model(target, seed=1, progress=False), times.append(time.process_time())) for _ in range(2)];"
        "print(times[{}] - times[{}])"
    )
    targets = {"behavior": "Behavior.from_state(werner_state(0.6), 'chsh')", "state": "werner_state(0.6)"}
    for name, target in targets.items():
        first, second = (printed_number(code.format(target, i + 1, i)) for i in range(2))
        print(f"find_local_model({name}), processor time in a fresh process: {first:.2f} s, once more: {second:.2f} s")


def report_analyze():
    counts = load_bundled_counts("ibm_hanoi19_20circuit13").counts
    print(f"warm analyze of CHSH counts: {seconds(lambda: analyze(counts, seed=1), 21):.4f} s")


def report_thresholds():
    bell = Statevector(np.array([1, 0, 0, 1]) / np.sqrt(2))
    ghz = Statevector(np.array([1, 0, 0, 0, 0, 0, 0, 1]) / np.sqrt(2))
    behaviors = {
        "CHSH": (Behavior.from_state(bell, "chsh"), np.sqrt(0.5)),
        "Mermin, 3 parties": (Behavior.from_state(ghz, "mermin"), 0.5),
        "icosahedron, 6 axes": (Behavior.from_state(werner_state(1), [ICOSAHEDRON_AXES] * 2), None),
    }
    for name, (behavior, known) in behaviors.items():
        threshold = nonlocality_threshold(behavior)
        error = "" if known is None else f", error {abs(threshold.lower - known):.1e}"
        taken = seconds(lambda behavior=behavior: nonlocality_threshold(behavior), 11)
        print(
            f"threshold {name}: [{threshold.lower:.9f}, {threshold.upper:.9f}]{error}, {taken:.4f} s, "
            f"verify: {bool(threshold.verify())}"
        )


def report_tensor():
    state = random_statevector(2**10, seed=1)
    state = Statevector(state.data)
    taken = seconds(lambda: CorrelationTensor.from_state(state), 5)
    print(f"all 4**10 Pauli expectation values of ten qubits: {taken:.3f} s")


def report_optimizer():
    rng = np.random.default_rng(0)
    targets = {
        "CHSH, Tsirelson's point": Behavior.from_state(werner_state(1), "chsh"),
        "Werner v = 0.77, icosahedron": Behavior.from_state(werner_state(0.77), [ICOSAHEDRON_AXES] * 2),
        "singlet, icosahedron": Behavior.from_state(werner_state(1), [ICOSAHEDRON_AXES] * 2),
        "random, 3 x 3 settings": Behavior(rng.dirichlet(np.ones(4), size=(3, 3)).reshape(3, 3, 2, 2)),
        "random, 3 parties": Behavior(rng.dirichlet(np.ones(8), size=(2, 2, 2)).reshape((2,) * 6)),
        "Hanoi counts": load_bundled_counts("ibm_hanoi19_20circuit13").counts,
    }
    for name, target in list(targets.items())[: 1 if QUICK else None]:
        start = time.perf_counter()
        result = find_local_model(target, seed=1, progress=False)
        taken = time.perf_counter() - start
        exact = fit_local_model(target)
        print(
            f"optimizer, {name}: KL {result.loss:.3e}, above the exact optimum by "
            f"{result.loss - exact.divergence:.1e} (gap of the exact fit {exact.duality_gap:.0e}), {taken:.1f} s"
        )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="every call once, to see that the script runs")
    QUICK = parser.parse_args().quick
    report_import()
    report_first_searches()
    report_analyze()
    report_thresholds()
    report_tensor()
    report_optimizer()
