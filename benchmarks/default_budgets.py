"""Processor time of long calls with their default budgets of work, each in a process of its own.

Run as ``python benchmarks/default_budgets.py [NAME ...]``. Every call is stopped after 200 seconds of processor time.
"""

from __future__ import annotations

import subprocess
import sys

_PREAMBLE = """
import numpy as np, time
from qiskit.quantum_info import random_density_matrix, Statevector
from qiskit_lhv import *
from qiskit_lhv.quantum import isotropic_state, w_state
from qiskit_lhv.polytope import *
from qiskit_lhv.projective import *
from qiskit_lhv.optimize import *
from qiskit_lhv.statistics import *
from qiskit_lhv.spin_chains import *
rng = np.random.default_rng(1)
def axes(number):
    vectors = rng.normal(size=(number, 3))
    return list(vectors / np.linalg.norm(vectors, axis=1)[:, None])
counts = load_bundled_counts("ibm_hanoi19_20circuit13").counts
start = time.process_time()
"""

CALLS = {
    "find_local_model, two qubits": "print(find_local_model(werner_state(0.6), seed=1, progress=False).loss)",
    "find_local_model, three qubits": "print(find_local_model(ghz_state(3, 0.4), seed=1, progress=False).loss)",
    "find_local_model, two qutrits": "print(find_local_model(isotropic_state(0.3, 3), seed=1, progress=False).loss)",
    "sweep_visibility, six points": "print(sweep_visibility(werner_state(1), np.linspace(0.6, 0.75, 6), seed=1, "
    "progress=False))",
    "certify_all_projective, two qubits": "print(certify_all_projective(werner_state(1), seed=1, progress=False))",
    "certify_all_projective, random state": "print(certify_all_projective(random_density_matrix([2, 2], rank=2, "
    "seed=1), seed=1, progress=False))",
    "certify_all_projective, three qubits": "print(certify_all_projective(ghz_state(3), seed=1, progress=False))",
    "certify_all_projective, four qubits": "print(certify_all_projective(ghz_state(4), seed=1, progress=False))",
    "optimize_settings, two qubits, 2": "print(optimize_settings(werner_state(1), seed=1))",
    "optimize_settings, two qubits, 4": "print(optimize_settings(random_density_matrix([2, 2], rank=2, seed=1), 4, "
    "seed=1))",
    "optimize_settings, four qubits": "print(optimize_settings(ghz_state(4), 2, seed=1))",
    "optimize_settings, two ququarts": "print(optimize_settings(isotropic_state(1, 4), 2, seed=1))",
    "nonlocality_threshold, 8 x 8": "print(nonlocality_threshold(Behavior.from_state(werner_state(1), [axes(8), "
    "axes(8)]), progress=False))",
    "nonlocality_threshold, 30 x 30": "print(nonlocality_threshold(Behavior.from_state(werner_state(1), [axes(30), "
    "axes(30)]), progress=False))",
    "nonlocality_threshold, 3 parties of 6": "print(nonlocality_threshold(Behavior.from_state(ghz_state(3), "
    "[axes(6)] * 3), progress=False))",
    "local_bound, 12 x 12 x 12": "print(local_bound(BellExpression.from_correlators(rng.integers(-9, 9, (12, 12, 12)), "
    "marginals=False)))",
    "local_bound, 40 x 40": "print(local_bound(BellExpression.from_correlators(rng.integers(-9, 9, (40, 40)), "
    "marginals=False)))",
    "quantum_bound, i3322": "print(quantum_bound(i3322(), level=3))",
    "analyze, two qubits": "print(analyze(werner_state(0.69), seed=1).verdict)",
    "analyze, random state": "print(analyze(random_density_matrix([2, 2], rank=4, seed=1), seed=1).verdict)",
    "analyze, three qubits": "print(analyze(ghz_state(3, 0.45), seed=1).verdict)",
    "analyze, two qutrits": "print(analyze(isotropic_state(0.5, 3), seed=1).verdict)",
    "critical_visibility, two qubits": "print(critical_visibility(werner_state(1), seed=1, progress=False))",
    "estimate_threshold": "print(estimate_threshold(counts, seed=1))",
    "shots_needed": "print(shots_needed(Behavior.from_state(werner_state(0.75), 'chsh'), 1e-6, seed=1))",
    "optimal_shares, 6 x 6": "print(optimal_shares(Behavior.from_state(werner_state(1), [axes(6), axes(6)])))",
    "ground_state, 14 spins": "print(ground_state(xxz_chain(14, 0.5)))",
    "bell_values": "print(len(bell_values(counts, [chsh()], seed=1)))",
}
_SECONDS = 200


def main(names: list[str]) -> None:
    """Prints the processor time of each call.

    Args:
        names: Parts of the names of the calls; none: all.
    """
    for name, call in CALLS.items():
        if names and not any(part in name for part in names):
            continue
        code = f"{_PREAMBLE}{call}\nprint('CPU', round(time.process_time() - start, 1))"
        command = f'ulimit -t {_SECONDS}; exec {sys.executable} -c "$0"'
        done = subprocess.run(["bash", "-c", command, code], capture_output=True, text=True, check=False)
        lines = done.stdout.strip().splitlines() or [(done.stderr.strip().splitlines() or ["stopped"])[-1]]
        print(f"{name:40s} {lines[-1]:12s} {' '.join(lines[:-1])[:120]}", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
