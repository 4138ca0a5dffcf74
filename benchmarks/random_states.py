"""How many random two-qubit states get a proof, and how long it takes: a table by rank.

States are drawn from the Hilbert-Schmidt measure of each rank. No LOCAL verdict may contradict the criterion of
Horodecki, no NONLOCAL one a positive partial transpose.
"""

import argparse
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from functools import partial

import numpy as np
from qiskit.quantum_info import random_density_matrix
from qiskit_lhv import ExtensionCertificate, OptimizedSettings, analyze, horodecki_settings


def kind(report):
    """What proved it."""
    piece = report.evidence[0] if report.evidence else None
    if report.verdict.value == "INCONCLUSIVE":
        return "open"
    if isinstance(piece, OptimizedSettings):
        return "CHSH" if len(piece.settings[0]) == 2 else "more settings"
    if isinstance(piece, ExtensionCertificate):
        return "separable" if piece.is_separable else "extension"
    return f"{len(piece.directions[0])} axes"


def ask(rank, time_limit, seed):
    """Proof, seconds, and whether it contradicts an exact criterion."""
    state = random_density_matrix(4, rank=rank, seed=1000 * rank + seed)
    start = time.monotonic()
    report = analyze(state, time_limit=time_limit, seed=seed)
    seconds = time.monotonic() - start
    separable = np.linalg.eigvalsh(state.partial_transpose([0]).data)[0] >= 0
    violates = horodecki_settings(state).violation > 1e-9
    wrong = (report.verdict.value == "LOCAL" and violates) or (report.verdict.value == "NONLOCAL" and separable)
    return kind(report), seconds, wrong or not report.verify()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--states", type=int, default=75, help="states of each rank")
    parser.add_argument("--time-limit", type=float, default=60)
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    kinds = ("CHSH", "more settings", "separable", "extension", "16 axes", "46 axes", "open")
    print(f"{options.states} states of each rank, at most {options.time_limit:g} s a state")
    print(f"{'rank':<6}" + "".join(f"{name:>15}" for name in kinds) + f"{'median s':>10}{'mean s':>8}{'wrong':>7}")
    everything = []
    with ProcessPoolExecutor(options.workers) as pool:
        for rank in (1, 2, 3, 4):
            found = list(pool.map(partial(ask, rank, options.time_limit), range(options.states)))
            counts = Counter(name for name, _, _ in found)
            seconds = [s for _, s, _ in found]
            everything += seconds
            print(
                f"{rank:<6}"
                + "".join(f"{counts[name]:>15}" for name in kinds)
                + f"{np.median(seconds):>10.2f}{np.mean(seconds):>8.2f}{sum(w for _, _, w in found):>7}",
                flush=True,
            )
    print(f"median of all {np.median(everything):.2f} s")


if __name__ == "__main__":
    main()
