"""Models of two qutrits under projective measurements and of two qubits under POVMs: divergence and processor time.

Prints the table of docs/guide/qudits/qudits.md. ``python benchmarks/qudit_models.py [seeds]``; about a minute per seed.
"""

from __future__ import annotations

import sys
import time
from statistics import median
from typing import Any

from qiskit_lhv import find_local_model, werner_state
from qiskit_lhv.optimize import GradientDescent, SettingsGrid
from qiskit_lhv.quantum import isotropic_state

CASES: list[tuple[str, Any, dict[str, Any], int]] = [
    ("two qutrits, v = 0.1, D = 1", isotropic_state(0.1, 3), {"response": 1, "num_hidden": 1026}, 800),
    ("two qutrits, v = 0.4, D = 3", isotropic_state(0.4, 3), {"response": 3, "num_hidden": 1026}, 1500),
    ("two qutrits, v = 0.5, D = 3", isotropic_state(0.5, 3), {}, 2000),
    ("two qutrits, v = 0.6, D = 3", isotropic_state(0.6, 3), {}, 2000),
    ("two qubits, POVMs, v = 0.45, D = 3", werner_state(0.45), {"measurements": "povm", "response": 3}, 1500),
]


def main() -> None:
    """Prints one line per case: medians over seeds."""
    seeds = range(1, 1 + (int(sys.argv[1]) if len(sys.argv) > 1 else 1))
    # What is compiled once per process is not a matter of the case.
    find_local_model(isotropic_state(0.1, 3), num_hidden=64, optimizer=GradientDescent(num_steps=100), progress=False)
    for name, state, options, num_steps in CASES:
        losses, worst, seconds = [], [], []
        for seed in seeds:
            start = time.process_time()
            result = find_local_model(
                state,
                optimizer=GradientDescent(num_steps=num_steps),
                grid=SettingsGrid(num_evaluated=1000),
                seed=seed,
                progress=False,
                **options,
            )
            seconds.append(time.process_time() - start)
            losses.append(result.loss)
            assert result.evaluation is not None
            worst.append(result.evaluation.worst_divergence)
        print(
            f"{name:36s} {result.model.num_hidden:5d} hidden variables, {num_steps} steps: KL {median(losses):.1e}, "
            f"on the worst kind {median(worst):.1e}, {median(seconds):.1f} s of processor time",
            flush=True,
        )


if __name__ == "__main__":
    main()
