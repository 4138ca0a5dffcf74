"""Our search and the pair-batch algorithm at equal processor time, each run in a process of its own.

Both get the same processor seconds. Compilation is counted on neither side, and the orthonormalization of the published
polynomials is not counted either; ours is. The number of steps is chosen beforehand from the time of some steps, and
schedules end with the last step. Losses are evaluated in float64 on the same measurements, which no side has seen.
"""

from __future__ import annotations

import json
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from qiskit_lhv import CorrelationTensor, find_local_model, werner_state
from qiskit_lhv.measurements import POVMs, PVMs
from qiskit_lhv.optimize import GradientDescent, SettingsGrid
from qiskit_lhv.quantum import isotropic_state

from effect_tests import QUBIT_TESTS, divergence
from pair_batches import PUBLISHED_BATCH, PUBLISHED_RATE, PairBatches, SymmetrizedPolynomials

# Losses are evaluated by the race itself.
BRIEF = SettingsGrid(num_evaluated=2)


@dataclass(frozen=True)
class Task:
    """One run."""

    side: str
    """``"ours"`` or ``"pairs"``."""
    state: str
    """``"isotropic"`` or ``"werner"``."""
    visibility: float
    num_hidden: int
    budget: float
    """Processor seconds."""
    degree: int = 1
    dimension: int = 3
    povms: bool = False
    """Whether the parties measure POVMs."""
    seed: int = 1
    rate: float | None = None
    """Learning rate; ``None``: the published one, or our default."""
    batch_size: int = PUBLISHED_BATCH
    literal: bool = False
    """For pairs: whether permutations are summed for every hidden variable."""
    num_settings: int | None = None
    """For ours: setting combinations of a step."""

    @property
    def tensor(self) -> CorrelationTensor:
        """The state."""
        if self.state == "werner":
            return CorrelationTensor.from_state(werner_state(self.visibility))
        return CorrelationTensor.from_state(isotropic_state(self.visibility, self.dimension))

    def losses(self, answers: Any, num_outcomes: int | None = None) -> dict[str, float]:
        """Divergence on each test set that the model can answer."""
        tests = QUBIT_TESTS if self.povms else {"PVMs": PVMs(self.dimension).draw}
        found = {}
        for name, draw in tests.items():
            if num_outcomes is None or draw(np.random.default_rng(0), 1).shape[1] <= num_outcomes:
                found[name] = divergence(answers, self.tensor, draw, num_outcomes)
        return found


def pairs(task: Task) -> dict[str, Any]:
    """The pair-batch algorithm."""
    d = task.dimension
    measured = POVMs(d, d**2, "rank-deficient") if task.povms else PVMs(d)
    response = SymmetrizedPolynomials.of_degree(measured, task.degree)
    algorithm = PairBatches(task.tensor, measured, response, task.batch_size, task.literal)
    rate = PUBLISHED_RATE * task.num_hidden if task.rate is None else task.rate
    run = algorithm.train(task.num_hidden, rate, task.budget, task.seed)
    hidden = run.pop("hidden")
    losses = task.losses(lambda party, effects: algorithm.answers(hidden, party, effects), measured.most_outcomes)
    return run | {"losses": losses}


def ours(task: Task) -> dict[str, Any]:
    """Our search."""
    grid = replace(BRIEF, num_settings=task.num_settings)

    def searched(num_steps: int) -> tuple[Any, float, float]:
        begin, wall = time.process_time(), time.perf_counter()
        model = find_local_model(
            task.tensor,
            measurements="povm" if task.povms else PVMs(task.dimension),
            response=task.degree,
            num_hidden=task.num_hidden,
            optimizer=GradientDescent(num_steps=num_steps, learning_rate=task.rate),
            grid=grid,
            seed=task.seed,
            progress=False,
        ).model
        return model, time.process_time() - begin, time.perf_counter() - wall

    searched(1)  # compiles
    _, once, _ = searched(100)
    few = 100 * max(2, min(5, round(0.1 * task.budget / once)))
    _, more, _ = searched(few)
    each = max((more - once) / (few - 100), 1e-5)
    num_steps = 100 * max(1, round((task.budget - (once - 100 * each)) / each / 100))
    model, seconds, wall = searched(num_steps)

    def answers(party: int, effects: np.ndarray) -> np.ndarray:
        table = model.response.probabilities(party, model.hidden_variables[party], effects)
        return np.moveaxis(table, 0, 2)

    return {"seconds": seconds, "wall": wall, "steps": num_steps, "losses": task.losses(answers)}


def in_process(task: Task) -> dict[str, Any]:
    """Runs a task in a process of its own; adds its peak memory in MiB."""
    command = [sys.executable, __file__, json.dumps(asdict(task))]
    output = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    return dict(json.loads(output.splitlines()[-1]))


def worst(run: dict[str, Any]) -> float:
    """Largest loss on any test set."""
    return max(run["losses"].values())


def medians(task: Task, seeds: Sequence[int], label: str) -> dict[str, Any]:
    """Runs a task with several seeds, and prints the median of each loss with its smallest and largest value."""
    runs = [in_process(replace(task, seed=seed)) for seed in seeds]
    names = runs[0]["losses"]
    losses = {name: sorted(run["losses"][name] for run in runs) for name in names}
    seconds, wall, memory, steps = (
        statistics.median(run[key] for run in runs) for key in ("seconds", "wall", "memory", "steps")
    )
    shown = ", ".join(
        f"{name} {statistics.median(found):.2e} ({found[0]:.1e} to {found[-1]:.1e})" for name, found in losses.items()
    )
    print(
        f"  {label:<56} {seconds:5.1f} s CPU, {wall:5.1f} s, {steps:6.0f} steps, {memory:4.0f} MiB: {shown}", flush=True
    )
    return {"losses": {name: statistics.median(found) for name, found in losses.items()}, "seconds": seconds}


def tuned(task: Task, rates: Sequence[float], batch_sizes: Sequence[int]) -> Task:
    """The task with the rate and the batch size that one seed finds best."""
    tried = [replace(task, rate=rate, batch_size=size) for rate in rates for size in batch_sizes]
    return min(tried, key=lambda one: worst(in_process(one)))


def main() -> None:
    task = Task(**json.loads(sys.argv[1]))
    run = {"ours": ours, "pairs": pairs}[task.side](task)
    print(json.dumps(run | {"memory": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}))


if __name__ == "__main__":
    main()
