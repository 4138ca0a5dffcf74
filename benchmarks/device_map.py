"""A map of CHSH tests on a device of 127 qubits, from the counts of all coupled pairs."""

import argparse
import time

import numpy as np
from qiskit_ibm_runtime.fake_provider import FakeSherbrooke
from qiskit_lhv import Behavior, analyze, werner_state
from qiskit_lhv.experiments import coupled_groups


def counts_of_pairs(pairs, shots, seed):
    """Counts as a device gives them: visibilities from 0.55 to 0.97, a few pairs with crosstalk."""
    rng = np.random.default_rng(seed)
    found = {}
    for i, pair in enumerate(pairs):
        table = Behavior.from_state(werner_state(rng.uniform(0.55, 0.97)), "chsh").array.copy()
        if i % 12 == 0:
            decayed = rng.uniform(0.02, 0.1) * table[1, :, :, 1]
            table[1, :, :, 1] -= decayed
            table[1, :, :, 0] += decayed
        found[pair] = Behavior(table).sample(shots, int(rng.integers(2**31)))
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shots", type=int, default=4000)
    parser.add_argument("--picture", default=None, help="file for the map (PNG)")
    options = parser.parse_args()
    backend = FakeSherbrooke()
    counts = counts_of_pairs(coupled_groups(backend), options.shots, 1)
    start = time.monotonic()
    report = analyze(counts, alpha=0.05, seed=1)
    analyzed = time.monotonic()
    passed = report.verify()
    print(f"{len(counts)} pairs of {backend.num_qubits} qubits, {options.shots} shots per setting")
    print(f"analyzed in {analyzed - start:.1f} s, verified in {time.monotonic() - analyzed:.1f} s: {passed.passed}")
    print(report)
    print("\n".join(report.table(sort="evidence").splitlines()[:8]))
    if options.picture:
        report.plot(backend).savefig(options.picture, dpi=150)


if __name__ == "__main__":
    main()
