"""Locality of neighboring spins in the XXZ ring: ground states of 22 spins, and verdicts on blocks of two."""

import argparse
import time

import numpy as np
from qiskit_lhv import CorrelationTensor, analyze, ground_state, xxz_chain


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--spins", type=int, default=22)
    parser.add_argument("--time-limit", type=float, default=60)
    options = parser.parse_args()
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
