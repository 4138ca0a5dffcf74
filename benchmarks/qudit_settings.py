"""Larger parties: noise resistance of entangled qudits, and verdicts on states of two qutrits with their time.

Run ``python benchmarks/qudit_settings.py [--dimensions 3 4 5] [--states 10]``. Times are CPU seconds of the process.
"""

from __future__ import annotations

import argparse
import math
import os
import time
from collections import Counter

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
from qiskit.quantum_info import Statevector, random_density_matrix, random_statevector
from qiskit_lhv import analyze, optimize_settings
from qiskit_lhv.polytope import cglmp
from qiskit_lhv.projective import SettingsSearch
from qiskit_lhv.quantum import isotropic_state, mix_with_noise

# Noise resistance of the maximally entangled states, quant-ph/0106024.
PUBLISHED = {3: 0.69615, 4: 0.69055, 5: 0.68716}


def noise_resistance(dimensions: list[int]) -> None:
    """Prints the lowest visibilities of maximally entangled qudits, with CGLMP and with the polytope's inequality."""
    print("d   CGLMP     polytope  published  CPU s (CGLMP, polytope)")
    for d in dimensions:
        begin = time.process_time()
        state = isotropic_state(1, d)
        known = optimize_settings(state, expression=cglmp(d), search=SettingsSearch(num_starts=20), seed=1)
        middle = time.process_time()
        found = optimize_settings(state, seed=1)
        end = time.process_time()
        checked = "" if found.verify() and known.verify() else "  NOT VERIFIED"
        print(
            f"{d}   {known.visibility:.6f}  {found.visibility:.6f}  {PUBLISHED.get(d, math.nan):.5f}    "
            f"{middle - begin:.2f}, {end - middle:.2f}{checked}"
        )
    gamma = (math.sqrt(11) - math.sqrt(3)) / 2
    unequal = Statevector(np.diag([1, gamma, 1]).ravel() / math.sqrt(2 + gamma**2), dims=(3, 3))
    value = optimize_settings(unequal, expression=cglmp(3), search=SettingsSearch(num_starts=20), seed=1).value
    print(f"largest value of CGLMP for qutrits: {value:.6f} (published: {1 + math.sqrt(11 / 3):.6f})")


def verdicts(num_states: int) -> None:
    """Prints the verdicts on states of two qutrits, and the median and largest time of ``analyze``."""
    kinds = {
        "isotropic, 0.1 to 1": [isotropic_state(v, 3) for v in np.linspace(0.1, 1, num_states)],
        "random, pure": [random_statevector((3, 3), seed=seed) for seed in range(num_states)],
        "random, pure, at 0.9": [
            mix_with_noise(random_statevector((3, 3), seed=seed), 0.9) for seed in range(num_states)
        ],
        "random, rank 2": [random_density_matrix((3, 3), rank=2, seed=seed) for seed in range(num_states)],
        "random, rank 9": [random_density_matrix((3, 3), seed=seed) for seed in range(num_states)],
    }
    print("\ntwo qutrits            NONLOCAL  LOCAL  open  CPU s (median, largest)")
    for name, states in kinds.items():
        counted: Counter[str] = Counter()
        times = []
        for state in states:
            begin = time.process_time()
            report = analyze(state, seed=1)
            times.append(time.process_time() - begin)
            assert report.verify()
            counted[report.verdict.name] += 1
        print(
            f"{name:22} {counted['NONLOCAL']:8} {counted['LOCAL']:6} {counted['INCONCLUSIVE']:5}  "
            f"{np.median(times):.2f}, {max(times):.2f}"
        )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dimensions", type=int, nargs="+", default=[3, 4, 5])
    parser.add_argument("--states", type=int, default=10)
    options = parser.parse_args()
    noise_resistance(options.dimensions)
    verdicts(options.states)
