"""Local models of qudits under all projective measurements, beside the pair-batch algorithm.

``isotropic`` searches for models of isotropic two-qutrit states, both sides at equal processor time: the algorithm of
arXiv:2407.04673 with its published rate and its sum over permutations for every hidden variable; the same with the best
of some rates and batch sizes; the same with permutations summed once per measurement, as in ``pair_batches.py``, which
computes the same responses faster than the published code; and ours. ``dimensions`` shows what larger and unequal
dimensions and three parties cost. ``paths`` compares qubits by effects with qubits by Bloch vectors. Without argument
everything runs, about an hour on two cores. With ``--quick`` the searches are small: their figures mean nothing, they
only show that the script runs.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from qiskit.quantum_info import DensityMatrix
from qiskit_lhv import CorrelationTensor, find_local_model, werner_state
from qiskit_lhv.measurements import PVMs
from qiskit_lhv.models import EffectFeatures
from qiskit_lhv.optimize import GradientDescent, SettingsGrid
from qiskit_lhv.quantum import isotropic_state

from effect_race import Task, medians, tuned, worst

SEEDS = (1, 2, 3, 4, 5)


@dataclass(frozen=True)
class Case:
    """Sizes of both sides at one visibility."""

    budget: float
    """Processor seconds."""
    pair_hidden: int
    """Hidden variables of the pair-batch algorithm."""
    hidden: int
    """Hidden variables of ours: whole orbits of the symmetry."""
    degree: int
    """Our degree; the published one for qutrits is 1."""


CASES = {
    0.1: Case(5, 1024, 864, 1),
    0.4: Case(5, 1024, 864, 3),
    0.5: Case(20, 4096, 4104, 3),
    0.6: Case(20, 4096, 4104, 3),
}
RATES, BATCH_SIZES = (0.01, 0.03, 0.1), (16, 64)
NUM_SETTINGS, OUR_RATE = 64, 0.1
STEPS = 1000


def isotropic(visibilities: list[float], budget: float | None) -> None:
    """The race, with medians and ranges of some seeds."""
    for visibility in visibilities:
        case = CASES[visibility]
        base = Task("pairs", "isotropic", visibility, case.pair_hidden, case.budget if budget is None else budget)
        print(
            f"Two qutrits, isotropic, v = {visibility}: {base.num_hidden} hidden variables (ours: {case.hidden}), "
            f"{base.budget:g} s CPU, {len(SEEDS)} seeds",
            flush=True,
        )
        # The published batch of 512 allows a few steps in this time only.
        published = replace(base, literal=True, batch_size=64)
        others = {"published rate": medians(published, SEEDS, "pairs, published rate, batch 64")}
        for literal, name in ((True, "tuned"), (False, "tuned, one sum over permutations")):
            best = tuned(replace(base, literal=literal), RATES, BATCH_SIZES)
            others[name] = medians(best, SEEDS, f"pairs, {name}: {best.rate}, batch {best.batch_size}")
        mine = replace(
            base, side="ours", num_hidden=case.hidden, degree=case.degree, rate=OUR_RATE, num_settings=NUM_SETTINGS
        )
        found = worst(medians(mine, SEEDS, f"ours, degree {case.degree}"))
        ratios = ", ".join(f"{worst(other) / found:.0f} times below {name}" for name, other in others.items())
        print(f"  ours is {ratios}", flush=True)


def noisy_ghz(visibility: float, dimension: int) -> DensityMatrix:
    """The GHZ state of three qudits with white noise."""
    vector = np.zeros((dimension,) * 3)
    vector[(np.arange(dimension),) * 3] = 1 / np.sqrt(dimension)
    projector = np.outer(vector, vector)
    noise = np.eye(len(projector)) / len(projector)
    return DensityMatrix(visibility * projector + (1 - visibility) * noise, dims=(dimension,) * 3)


def qubit_and_qutrit(visibility: float) -> DensityMatrix:
    """A maximally entangled pair of a qubit and two levels of a qutrit, with white noise."""
    vector = np.zeros((2, 3))
    vector[[0, 1], [0, 1]] = np.sqrt(0.5)
    projector = np.outer(vector, vector)
    # Qiskit counts from the last subsystem.
    return DensityMatrix(visibility * projector + (1 - visibility) * np.eye(6) / 6, dims=(3, 2))


LARGE: dict[str, tuple[Any, int, int]] = {
    "isotropic, d = 4, v = 0.2": (isotropic_state(0.2, 4), 1, 2048),
    "isotropic, d = 4, v = 0.2, degree 2": (isotropic_state(0.2, 4), 2, 2048),
    "isotropic, d = 5, v = 0.2": (isotropic_state(0.2, 5), 1, 2000),
    "qubit and qutrit, v = 0.4": (qubit_and_qutrit(0.4), 3, 2048),
    "GHZ of three qutrits, v = 0.1": (noisy_ghz(0.1, 3), 1, 1944),
}


def dimensions() -> None:
    """Time, memory and loss of larger problems, each in a process of its own."""
    print(f"Larger problems, {STEPS} steps (processor seconds of a second search, in which everything is compiled)")
    for name in LARGE:
        command = [sys.executable, __file__, "one", "--name", name, *(["--quick"] if "--quick" in sys.argv else [])]
        subprocess.run(command, check=True)


def one(name: str) -> None:
    """One of the larger problems."""
    state, degree, num_hidden = LARGE[name]

    def searched() -> tuple[Any, float, float]:
        begin, wall = time.process_time(), time.perf_counter()
        result = find_local_model(
            state,
            response=degree,
            num_hidden=num_hidden,
            optimizer=GradientDescent(num_steps=STEPS),
            seed=1,
            progress=False,
        )
        return result, time.process_time() - begin, time.perf_counter() - wall

    searched()
    result, seconds, wall = searched()
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"  {name:<38} degree {degree}, {num_hidden} hidden variables: {seconds:5.1f} s CPU, {wall:5.1f} s, "
        f"{memory:4.0f} MiB, KL {result.loss:.2e}",
        flush=True,
    )


def paths() -> None:
    """Qubits as effects and as Bloch vectors, on the same fresh settings."""
    print(f"Werner state, degree 5, {STEPS} steps: by Bloch vectors, and by effects")
    for visibility in (0.5, 0.69):
        found = {}
        for name, response in (("Bloch vectors", 5), ("effects", EffectFeatures(PVMs(2), 5))):
            losses, seconds = [], []
            for seed in SEEDS:
                begin = time.process_time()
                result = find_local_model(
                    CorrelationTensor.from_state(werner_state(visibility)),
                    response=response,
                    num_hidden=4096,
                    optimizer=GradientDescent(num_steps=STEPS, learning_rate=0.1),
                    grid=SettingsGrid(num_settings=1024),
                    seed=seed,
                    progress=False,
                )
                seconds.append(time.process_time() - begin)
                losses.append(result.loss)
            found[name] = statistics.median(losses)
            print(
                f"  v = {visibility}, {name:<14} {found[name]:.3e}, {statistics.median(seconds):.1f} s CPU", flush=True
            )
        print(f"  ratio {found['effects'] / found['Bloch vectors']:.3f}", flush=True)


def make_quick() -> None:
    """Makes all searches small."""
    global SEEDS, CASES, RATES, BATCH_SIZES, STEPS, LARGE
    SEEDS, RATES, BATCH_SIZES, STEPS = (1,), (0.03,), (16,), 20
    CASES = {0.1: Case(0.5, 64, 72, 1)}
    LARGE = {name: (state, 1, num_hidden // 8) for name, (state, _, num_hidden) in LARGE.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", nargs="?", default="all", choices=["all", "isotropic", "dimensions", "paths", "one"])
    parser.add_argument("--name", help=argparse.SUPPRESS)
    parser.add_argument("--visibility", type=float, action="append", choices=list(CASES), help="for isotropic states")
    parser.add_argument("--seeds", type=int, help="number of seeds")
    parser.add_argument("--budget", type=float, help="processor seconds of a run of an isotropic state")
    parser.add_argument("--quick", action="store_true", help="small searches, to see that the script runs")
    given = parser.parse_args()
    if given.quick:
        make_quick()
    global SEEDS
    SEEDS = SEEDS if given.seeds is None else tuple(range(1, given.seeds + 1))
    if given.part == "one":
        one(given.name)
    if given.part in ("all", "isotropic"):
        isotropic(given.visibility or list(CASES), given.budget)
    if given.part in ("all", "dimensions"):
        dimensions()
    if given.part in ("all", "paths"):
        paths()


if __name__ == "__main__":
    main()
