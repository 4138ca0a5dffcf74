"""Locality of neighboring spins in the XXZ ring: ground states of 22 spins, and verdicts on blocks of them.

Blocks of two are proven local or not. For larger blocks (``--larger``): what optimized settings show, how far polyhedra
prove locality, and the loss of the best local model found by gradient descent, an estimate.
"""

import argparse
import time

import numpy as np
from qiskit_lhv import CorrelationTensor, analyze, find_local_model, ground_state, xxz_chain


def larger_blocks(spins, time_limit):
    """Blocks of three, four and six neighbors at a few anisotropies."""
    names = {
        "Delta": 6,
        "block": 7,
        "verdict": 14,
        "local up to": 13,
        "nonlocal above": 16,
        "loss (KL)": 12,
        "seconds": 9,
    }
    print("".join(f"{name:>{width}}" for name, width in names.items()))
    for delta in (-0.5, 1.0, 3.0):
        found = ground_state(xxz_chain(spins, delta))
        for size in (3, 4, 6):
            block = found.reduced(range(size))
            start = time.monotonic()
            figures = {}
            verdict = "-"
            if size < 6:
                report = analyze(block, time_limit=time_limit, seed=1)
                figures, verdict = report.statistics, str(report.verdict)
            degree = {3: 3, 4: 3, 6: 1}[size]
            model = find_local_model(
                block, degree=degree, num_hidden=4096, num_steps=300, time_limit=time_limit, seed=1, progress=None
            )
            lower = figures.get("proven local up to visibility (white noise)", float("nan"))
            upper = figures.get("violation found above visibility", float("nan"))
            print(
                f"{delta:>6}{size:>7}{verdict:>14}{lower:>13.4f}{upper:>16.4f}{model.evaluation.kl_divergence:>12.2e}"
                f"{time.monotonic() - start:>9.1f}",
                flush=True,
            )


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--spins", type=int, default=22)
    parser.add_argument("--time-limit", type=float, default=60)
    parser.add_argument("--larger", action="store_true", help="blocks of three, four and six")
    options = parser.parse_args()
    if options.larger:
        larger_blocks(options.spins, options.time_limit)
        return
    print(f"XXZ ring of {options.spins} spins, sum of XX + YY + Delta ZZ; blocks of two neighbors")
    print(f"{'Delta':>6}{'energy a spin':>15}{'<XX>':>9}{'<ZZ>':>9}{'seconds':>9}   verdict")
    for delta in (-0.9, -0.5, 0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0):
        start = time.monotonic()
        found = ground_state(xxz_chain(options.spins, delta))
        seconds = time.monotonic() - start
        block = found.reduced([0, 1])
        tensor = np.real(CorrelationTensor.from_state(block).array)
        start = time.monotonic()
        report = analyze(block, time_limit=options.time_limit, seed=1)
        proof = report.evidence[0] if report.evidence else "no proof"
        print(
            f"{delta:>6}{found.energy / options.spins:>15.8f}{tensor[1, 1]:>9.5f}{tensor[3, 3]:>9.5f}{seconds:>9.1f}   "
            f"{report.verdict} ({time.monotonic() - start:.1f} s, checked: {bool(report.verify())}): {proof}",
            flush=True,
        )


if __name__ == "__main__":
    main()
