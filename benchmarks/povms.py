"""Local models of the Werner state under all POVMs, beside the published ansatz.

``werner`` searches for models at v = 0.45, both sides at equal processor time, and evaluates them on seven test sets of
POVMs: projective, trines, symmetric informationally complete, Haar-random with 3, 4 and 6 outcomes, and the
distribution that the published ansatz was trained on. That ansatz has a fixed number of outcomes, four, so that the
test set with six is not for it; missing outcomes are effects that are zero. ``sweep`` estimates where the critical
visibility for POVMs lies, beside that for projective measurements. Without an argument both run, about 40 minutes on
two cores. With ``--quick`` the searches are small: their figures mean nothing, they only show that the script runs.
"""

from __future__ import annotations

import argparse
from dataclasses import replace

from qiskit_lhv import werner_state
from qiskit_lhv.optimize import GradientDescent, find_local_models

from effect_race import Task, medians, tuned

SEEDS = (1, 2, 3, 4, 5)
BUDGET, NUM_HIDDEN, SWEEP_HIDDEN, SWEEP_STEPS = 40.0, 1024, 4096, 3000
PUBLISHED_DEGREES = (1, 2, 3)
RATES, BATCH_SIZES = (0.01, 0.03), (64,)
# Nothing is known between the bound for POVMs and the record for projective measurements.
SWEEP = (0.45, 0.5, 0.55, 0.6, 0.65, 0.68, 0.7, 0.72)


def werner() -> None:
    """Ours and the published ansatz of three degrees."""
    print(f"Werner state, v = 0.45, POVMs, {NUM_HIDDEN} hidden variables, {BUDGET:g} s CPU, {len(SEEDS)} seeds")
    base = Task("ours", "werner", 0.45, NUM_HIDDEN, BUDGET, degree=3, dimension=2, povms=True)
    found = medians(base, SEEDS, "ours, degree 3")
    for degree in PUBLISHED_DEGREES:
        task = replace(base, side="pairs", degree=degree)
        short = tuned(replace(task, budget=BUDGET / 8), RATES, BATCH_SIZES)
        other = medians(replace(short, budget=BUDGET), SEEDS, f"published ansatz, degree {degree}, rate {short.rate}")
        ratio = other["losses"]["rank-deficient"] / found["losses"]["rank-deficient"]
        print(f"  on the distribution that it was trained on, ours is {ratio:.0f} times lower", flush=True)


def sweep() -> None:
    """Losses of both sets of measurements along the visibility, all visibilities side by side."""
    print("Werner state: loss under POVMs (the largest of all test sets) and under projective measurements")
    rows = []
    for visibility in SWEEP:
        losses = []
        for measurements in ("povm", "projective"):
            result = find_local_models(
                [werner_state(visibility)],
                measurements=measurements,
                num_hidden=SWEEP_HIDDEN,
                optimizer=GradientDescent(num_steps=SWEEP_STEPS),
                seed=1,
                progress=False,
            )[0]
            assert result.evaluation is not None
            losses.append(result.evaluation.worst_divergence)
        rows.append(losses)
        print(f"  v = {visibility:.2f}: {losses[0]:.2e} {losses[1]:.2e}", flush=True)


def make_quick() -> None:
    """Makes all searches small."""
    global SEEDS, BUDGET, NUM_HIDDEN, SWEEP_HIDDEN, SWEEP_STEPS, PUBLISHED_DEGREES, RATES, SWEEP
    SEEDS, BUDGET, NUM_HIDDEN, SWEEP_HIDDEN, SWEEP_STEPS = (1,), 1.0, 96, 192, 50
    PUBLISHED_DEGREES, RATES, SWEEP = (1,), (0.03,), (0.45, 0.7)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", nargs="?", default="all", choices=["all", "werner", "sweep"])
    parser.add_argument("--seeds", type=int, help="number of seeds")
    parser.add_argument("--budget", type=float, help="processor seconds of a run")
    parser.add_argument("--quick", action="store_true", help="small searches, to see that the script runs")
    given = parser.parse_args()
    if given.quick:
        make_quick()
    global SEEDS, BUDGET
    SEEDS = SEEDS if given.seeds is None else tuple(range(1, given.seeds + 1))
    BUDGET = BUDGET if given.budget is None else given.budget
    for name, part in (("werner", werner), ("sweep", sweep)):
        if given.part in ("all", name):
            part()


if __name__ == "__main__":
    main()
