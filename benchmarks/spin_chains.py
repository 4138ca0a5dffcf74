"""Locality of neighboring spins in the XXZ ring: ground states of 22 spins, and verdicts on blocks of them.

Blocks of two are proven local or not. ``--larger``: blocks of two to six at all anisotropies of Fig. 4 of
arXiv:2407.04673 (AutoLHVs): what optimized settings show, how far polyhedra prove locality, and the loss of the best
local model found by gradient descent, an estimate, beside the one published there; ``--sizes``, ``--deltas``,
``--steps``, ``--hidden`` and ``--time-limit`` make a smaller run. ``--correlations`` prints the parameters of two-spin
states at several distances, ``--timings`` time and memory of ground states by number of spins (every line is a process
of its own, so that the memory is that of the line).
"""

import argparse
import resource
import subprocess
import sys
import time

import numpy as np
from qiskit.quantum_info import Statevector
from qiskit_lhv import Behavior, CorrelationTensor, analyze, find_local_model, sweep
from qiskit_lhv.optimize import GradientDescent
from qiskit_lhv.spin_chains import evolve, ground_state, random_chain, xxz_chain, xyz_chain

ANISOTROPIES = (-0.9, -0.5, 0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0)
# Deviations of the models of AutoLHVs after 1.5 million steps, by number of neighbors: the data of its Fig. 4.
PUBLISHED_DELTAS = (-1.0, -0.9, -0.5, 0.0, 0.5, 0.9, 1.0, 1.1, 1.5, 2.0, 2.5, 3.0, 3.5, 4.0)
PUBLISHED = {
    2: (2.2e-8, 2.5e-8, 2.5e-8, 2.4e-8, 2.4e-8, 2.4e-8, 2.4e-8, 2.4e-8, 2.4e-8, 2.4e-8, 2.4e-8, 2.4e-8, 2.4e-8, 2.4e-8),
    3: (2.3e-8, 2.3e-8, 2.2e-8, 2.3e-8, 2.3e-8, 2.9e-8, 2.9e-8, 2.8e-8, 2.3e-8, 2.3e-8, 2.3e-8, 2.3e-8, 2.3e-8, 2.3e-8),
    4: (2.2e-8, 2.2e-8, 3.0e-6, 4.4e-5, 1.1e-4, 1.5e-4, 1.5e-4, 1.5e-4, 1.1e-4, 4.4e-5, 1.5e-5, 6.9e-6, 3.2e-6, 1.8e-6),
    5: (2.3e-8, 2.7e-8, 1.3e-5, 8.0e-5, 1.6e-4, 2.0e-4, 1.9e-4, 1.9e-4, 1.5e-4, 7.0e-5, 2.8e-5, 1.3e-5, 7.0e-6, 3.9e-6),
    6: (2.3e-8, 2.0e-7, 2.4e-5, 8.4e-5, 1.4e-4, 1.7e-4, 1.7e-4, 1.7e-4, 1.3e-4, 7.0e-5, 3.1e-5, 1.6e-5, 9.0e-6, 4.7e-6),
}


def ring_ground_state(spins, delta):
    """The ground state of an XXZ ring of an even number of spins above Delta = -1, which has no magnetization."""
    return ground_state(xxz_chain(spins, delta), magnetization=0)


CASES = {
    "XXZ ring, Delta = 1, one sector": lambda n: ring_ground_state(n, 1.0),
    "XXZ ring, Delta = 1, all sectors": lambda n: ground_state(xxz_chain(n, 1.0)),
    "XXZ ring in a field of 0.3": lambda n: ground_state(xxz_chain(n, 1.0, field=0.3)),
    "XYZ ring with fields, real": lambda n: ground_state(xyz_chain(n, (1.0, 0.7, 0.4), fields=(0.2, 0.0, 0.1))),
    "random ring, complex": lambda n: ground_state(random_chain(n, seed=1)),
}


def timings(sizes):
    """Time and memory of each case; Chebyshev evolution of the last state."""
    print(f"{'case':<34}{'spins':>6}{'energy per spin':>17}{'gap':>9}{'residual':>10}{'seconds':>9}{'GiB':>7}")
    for case in CASES:
        for spins in sizes:
            subprocess.run([sys.executable, __file__, "--case", case, "--spins", str(spins)], check=True)
    for spins in sizes:
        subprocess.run([sys.executable, __file__, "--case", "evolution", "--spins", str(spins)], check=True)


def one_case(case, spins):
    if case == "evolution":
        amplitudes = np.zeros(2**spins)
        amplitudes[sum(1 << k for k in range(0, spins, 2))] = 1
        start = time.monotonic()
        evolve(amplitudes, xxz_chain(spins, 0.5), 1.0)
        line = f"{'XXZ ring, Neel state to t = 1':<34}{spins:>6}{'':>36}"
    else:
        start = time.monotonic()
        found = CASES[case](spins)
        line = f"{case:<34}{spins:>6}{found.energy / spins:>17.8f}{found.gap:>9.4f}{found.residual:>10.1e}"
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"{line}{time.monotonic() - start:>9.1f}{memory:>7.2f}", flush=True)


def correlations(spins):
    """Two-spin states of the ring: Bell-diagonal, with t_x = t_y; at Delta = 1 Werner states at odd distances."""
    print(f"XXZ ring of {spins} spins: t_x = t_y, t_z and the largest CHSH value of two spins by distance")
    print(f"{'Delta':>6}" + "".join(f"{f'tx({r})':>11}{f'tz({r})':>9}{'CHSH':>7}" for r in (1, 2, 3)))
    for delta in ANISOTROPIES:
        found = ring_ground_state(spins, delta)
        line = f"{delta:>6}"
        for distance in (1, 2, 3):
            block = found.reduced([0, distance])
            tensor = np.real(CorrelationTensor.from_state(block).array)
            if not np.allclose(tensor, np.diag(np.diag(tensor)), atol=1e-6) or abs(tensor[1, 1] - tensor[2, 2]) > 1e-6:
                raise AssertionError(f"not Bell-diagonal with t_x = t_y at Delta = {delta}")
            # The criterion of Horodecki, Phys. Lett. A 200, 340 (1995).
            largest = 2 * np.linalg.norm(np.linalg.svd(tensor[1:, 1:], compute_uv=False)[:2])
            line += f"{tensor[1, 1]:>11.5f}{tensor[3, 3]:>9.5f}{largest:>7.3f}"
        print(line, flush=True)


def event_divergence(block, model):
    """The deviation that AutoLHVs publishes: of "all outcomes up" or not, mean over random directions.

    Opposite directions swap the outcomes, so that the mean is taken over all outcomes, too.
    """
    rng = np.random.default_rng(0)
    vectors = rng.standard_normal((model.num_parties, round(10_000 ** (1 / model.num_parties)), 3))
    settings = [list(party / np.linalg.norm(party, axis=1, keepdims=True)) for party in vectors]
    p, q = Behavior.from_state(block, settings).array, model.behavior(settings).array
    with np.errstate(divide="ignore", invalid="ignore"):
        terms = [np.where(a > 0, a * np.log(a / b), 0.0) for a, b in ((p, q), (1 - p, 1 - q))]
    return float(np.mean(terms[0] + terms[1]))


def larger_blocks(options):
    """Blocks of two to six neighbors: verdict, proven visibilities, and the loss of local models."""
    names = {
        "Delta": 6,
        "block": 7,
        "verdict": 14,
        "local up to": 13,
        "nonlocal above": 16,
        "KL (all)": 11,
        "KL (event)": 12,
        "published": 11,
        "seconds": 9,
    }
    print(f"{options.steps} steps, {options.hidden} hidden variables, degree {options.degree}; AutoLHVs: 1.5e6 steps")
    print("".join(f"{name:>{width}}" for name, width in names.items()))
    for delta in options.deltas:
        # Up to Delta = -1 the ring is a ferromagnet, whose ground states are polarized.
        found = None if delta <= -1 else ring_ground_state(options.spins, delta)
        for size in options.sizes:
            block = Statevector.from_label("0" * size) if found is None else found.reduced(range(size))
            start = time.monotonic()
            report = analyze(block, time_limit=options.time_limit, seed=1)
            figures, verdict = report.statistics, str(report.verdict)
            model = find_local_model(
                block,
                response=options.degree,
                num_hidden=options.hidden,
                optimizer=GradientDescent(num_steps=options.steps),
                seed=1,
                progress=None,
            )
            lower = figures.get("local_visibility", float("nan"))
            upper = figures.get("nonlocal_visibility", figures.get("violated_visibility", float("nan")))
            known = dict(zip(PUBLISHED_DELTAS, PUBLISHED[size], strict=True)).get(delta)
            print(
                f"{delta:>6}{size:>7}{verdict:>14}{lower:>13.4f}{upper:>16.4f}{model.evaluation.kl_divergence:>11.1e}"
                f"{event_divergence(block, model.model):>12.1e}{'' if known is None else format(known, '.1e'):>11}"
                f"{time.monotonic() - start:>9.1f}",
                flush=True,
            )


def neighbors(delta, spins, time_limit):
    """The line of the table about two neighbors in the ring."""
    start = time.monotonic()
    found = ring_ground_state(spins, delta)
    seconds = time.monotonic() - start
    block = found.reduced([0, 1])
    tensor = np.real(CorrelationTensor.from_state(block).array)
    start = time.monotonic()
    report = analyze(block, time_limit=time_limit, seed=1)
    proof = f"local up to {report.evidence[0].visibility:.6f}" if report.evidence else "no proof"
    return (
        f"{delta:>6}{found.energy / spins:>17.8f}{tensor[1, 1]:>9.5f}{tensor[3, 3]:>9.5f}{seconds:>9.1f}   "
        f"{report.verdict} ({time.monotonic() - start:.1f} s, checked: {bool(report.verify())}): {proof}"
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--spins", type=int, default=22)
    parser.add_argument("--time-limit", type=float, default=60)
    parser.add_argument("--workers", type=int, default=None, help="processes for the anisotropies; default: this one")
    parser.add_argument("--larger", action="store_true", help="blocks of two to six, with losses of local models")
    parser.add_argument("--sizes", type=int, nargs="*", default=[2, 3, 4, 5, 6], help="of larger blocks")
    parser.add_argument("--deltas", type=float, nargs="*", default=PUBLISHED_DELTAS, help="for larger blocks")
    parser.add_argument("--steps", type=int, default=3000, help="gradient steps for each block")
    parser.add_argument("--hidden", type=int, default=1 << 14, help="hidden variables of each model")
    parser.add_argument("--degree", type=int, default=5, help="degree of the response functions")
    parser.add_argument("--correlations", action="store_true", help="parameters of two-spin states")
    parser.add_argument("--timings", action="store_true", help="time and memory of 16 spins up to --spins")
    parser.add_argument("--case", choices=[*CASES, "evolution"], help="one line of the timings")
    options = parser.parse_args()
    if options.case:
        one_case(options.case, options.spins)
        return
    if options.timings:
        timings(range(16, options.spins + 1, 2))
        return
    if options.correlations:
        correlations(options.spins)
        return
    if options.larger:
        larger_blocks(options)
        return
    print(f"XXZ ring of {options.spins} spins, sum of XX + YY + Delta ZZ; blocks of two neighbors")
    print(f"{'Delta':>6}{'energy per spin':>17}{'<XX>':>9}{'<ZZ>':>9}{'seconds':>9}   verdict")
    shared = {"spins": options.spins, "time_limit": options.time_limit}
    for line in sweep(neighbors, [{"delta": delta, **shared} for delta in ANISOTROPIES], executor=options.workers):
        print(line)


if __name__ == "__main__":
    main()
