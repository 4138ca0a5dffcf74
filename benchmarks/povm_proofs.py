"""How many random states of two qubits are decided for all POVMs, by which proof, and how far the open ones are proven.

The states are random (Hilbert-Schmidt measure for rank 4, induced measures below). NONLOCAL comes from projective
settings, LOCAL from a certificate for all POVMs. Every report is verified. The same states are asked about projective
measurements: whatever is LOCAL for POVMs must be so for these, and no LOCAL may contradict the criterion of Horodecki.
"""

import argparse
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from functools import partial

import numpy as np
from qiskit.quantum_info import random_density_matrix
from qiskit_lhv import Verdict, analyze
from qiskit_lhv.projective import (
    AllProjectiveCertificate,
    CompatibilityCertificate,
    ExtensionCertificate,
    HiddenStateCertificate,
    MixtureCertificate,
    OptimizedSettings,
    UnsteerableCertificate,
    horodecki_settings,
)

NAMES = {
    OptimizedSettings: "settings",
    CompatibilityCertificate: "compatible",
    HiddenStateCertificate: "hidden states",
    UnsteerableCertificate: "criterion",
    MixtureCertificate: "mixture",
    AllProjectiveCertificate: "axes",
}
KINDS = ("settings", "compatible", "separable", "hidden states", "criterion", "extension", "mixture", "axes", "open")


def kind(report):
    """What decided it."""
    piece = report.evidence[0] if report.evidence else None
    if report.verdict is Verdict.INCONCLUSIVE:
        return "open"
    if isinstance(piece, ExtensionCertificate):
        return "separable" if piece.is_separable else "extension"
    return NAMES[type(piece)]


def ask(rank, time_limit, seed):
    """What decides a state, how far it is proven local, processor seconds, and whether something is wrong."""
    state = random_density_matrix(4, rank=rank, seed=1000 * rank + seed)
    start = time.process_time()
    report = analyze(state, measurements="povm", time_limit=time_limit, seed=seed)
    seconds = time.process_time() - start
    wrong = not report.verify()
    if report.verdict is Verdict.LOCAL:
        projective = analyze(state, time_limit=time_limit, seed=seed)
        wrong |= projective.verdict is Verdict.NONLOCAL or horodecki_settings(state).violation > 1e-9
    return kind(report), report.statistics.get("local_visibility", float("nan")), seconds, wrong


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--states", type=int, default=100, help="states of each rank")
    parser.add_argument("--ranks", type=int, nargs="*", default=[4])
    parser.add_argument("--time-limit", type=float, help="seconds on the clock for a state; default: budgets of work")
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    with ProcessPoolExecutor(options.workers) as pool:
        for rank in options.ranks:
            found = list(pool.map(partial(ask, rank, options.time_limit), range(options.states)))
            counts = Counter(one[0] for one in found)
            print(f"{options.states} states of rank {rank}: {options.states - counts['open']} decided for all POVMs")
            for name in KINDS:
                if counts[name]:
                    print(f"  {name:<14}{counts[name]:>5}")
            lower = [one[1] for one in found if one[0] == "open"]
            if lower:
                print(f"  open ones are proven local up to visibility {np.min(lower):.3f} to {np.max(lower):.3f}")
            seconds = [one[2] for one in found]
            print(f"  processor seconds: median {np.median(seconds):.2f}, mean {np.mean(seconds):.2f}")
            print(f"  wrong or not verified: {sum(one[3] for one in found)}", flush=True)


if __name__ == "__main__":
    main()
