"""How many two-qubit states get a proof, by which, and how long it takes.

The first table is about random states of each rank (Hilbert-Schmidt and induced measures). No LOCAL verdict may
contradict the criterion of Horodecki, no NONLOCAL one a positive partial transpose. The second one is about states with
biased marginals, p psi+ + (1 - p) |00><00|, as they are and with white noise.
"""

import argparse
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from functools import partial

import numpy as np
from qiskit.quantum_info import DensityMatrix, random_density_matrix
from qiskit_lhv import analyze
from qiskit_lhv.projective import (
    CompatibilityCertificate,
    ExtensionCertificate,
    HiddenStateCertificate,
    MixtureCertificate,
    OptimizedSettings,
    UnsteerableCertificate,
    horodecki_settings,
)

KINDS = (
    "CHSH",
    "36 x 91",
    "settings",
    "compatible",
    "separable",
    "hidden states",
    "criterion",
    "extension",
    "mixture",
    "fine mixture",
    "axes",
    "open",
)
NAMES = {
    CompatibilityCertificate: "compatible",
    HiddenStateCertificate: "hidden states",
    UnsteerableCertificate: "criterion",
}
# Mixtures with more hidden states than this are those of the finer set of axes.
FEW_STATES = 32
BIASED = (0.3, 0.4, 0.5, 0.6, 0.65, 0.7, 0.705)
NOISE = (0.0, 0.02, 0.05, 0.1)


def kind(report):
    """What proved it."""
    piece = report.evidence[0] if report.evidence else None
    if report.verdict.value == "INCONCLUSIVE":
        return "open"
    if isinstance(piece, OptimizedSettings):
        return {2: "CHSH", 36: "36 x 91"}.get(len(piece.settings[0]), "settings")
    if isinstance(piece, ExtensionCertificate):
        return "separable" if piece.is_separable else "extension"
    if isinstance(piece, MixtureCertificate):
        return "mixture" if max(map(len, piece.weights)) <= FEW_STATES else "fine mixture"
    return NAMES.get(type(piece), "axes")


def asked(state, time_limit, seed):
    """Proof, seconds, whether it contradicts an exact criterion or does not verify, and how far it is proven local.

    Seconds are those of the processor, so that a busy machine tells the same.
    """
    start = time.process_time()
    report = analyze(state, time_limit=time_limit, seed=seed)
    seconds = time.process_time() - start
    separable = np.linalg.eigvalsh(state.partial_transpose([0]).data)[0] >= 0
    violates = horodecki_settings(state).violation > 1e-9
    wrong = (report.verdict.value == "LOCAL" and violates) or (report.verdict.value == "NONLOCAL" and separable)
    lower = report.statistics.get("local_visibility", float("nan"))
    return kind(report), seconds, wrong or not report.verify(), lower


def ask_random(rank, time_limit, seed):
    return asked(random_density_matrix(4, rank=rank, seed=1000 * rank + seed), time_limit, seed)


def ask_biased(time_limit, case):
    p, noise = case
    psi = np.array([0, 1, 1, 0]) / np.sqrt(2)
    matrix = p * np.outer(psi, psi)
    matrix[0, 0] += 1 - p
    return asked(DensityMatrix((1 - noise) * matrix + noise * np.eye(4) / 4), time_limit, 1)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--states", type=int, default=75, help="states of each rank")
    parser.add_argument("--ranks", type=int, nargs="*", default=[1, 2, 3, 4])
    parser.add_argument("--time-limit", type=float, help="seconds on the clock for a state; default: budgets of work")
    parser.add_argument("--no-biased", action="store_true", help="without the second table")
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    limit = "budgets of work" if options.time_limit is None else f"at most {options.time_limit:g} s for each"
    print(f"{options.states} states of each rank, {limit}; processor seconds")
    print(f"{'rank':<5}" + "".join(f"{name:>14}" for name in KINDS) + f"{'median s':>10}{'mean s':>8}{'wrong':>7}")
    everything = []
    with ProcessPoolExecutor(options.workers) as pool:
        for rank in options.ranks:
            found = list(pool.map(partial(ask_random, rank, options.time_limit), range(options.states)))
            counts = Counter(one[0] for one in found)
            seconds = [one[1] for one in found]
            everything += seconds
            print(
                f"{rank:<5}"
                + "".join(f"{counts[name]:>14}" for name in KINDS)
                + f"{np.median(seconds):>10.2f}{np.mean(seconds):>8.2f}{sum(one[2] for one in found):>7}",
                flush=True,
            )
        if everything:
            print(f"median of all {np.median(everything):.2f} s")
        if options.no_biased:
            return
        print("\np psi+ + (1 - p) |00><00| in white noise: what proves it, or how far it is proven local")
        print(f"{'p':<6}" + "".join(f"{f'{100 * noise:g} % noise':>24}" for noise in NOISE))
        cases = [(p, noise) for p in BIASED for noise in NOISE]
        found = list(pool.map(partial(ask_biased, options.time_limit), cases))
    for p in BIASED:
        row = ""
        for (q, _), (name, seconds, wrong, lower) in zip(cases, found, strict=True):
            if q == p:
                text = f"{name} {lower:.4f}" if name == "open" else name
                row += f"{text + (' WRONG' if wrong else ''):>15} ({seconds:4.1f} s)"
        print(f"{p:<6}{row}")


if __name__ == "__main__":
    main()
