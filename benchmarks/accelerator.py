"""Steps per second, losses and memory of searches for local models, on the processor and on an accelerator.

``python benchmarks/accelerator.py`` takes under four minutes; on a machine without an accelerator only the processor is
measured. Every search runs in a process of its own, once to compile and once to be measured. ``data`` is the time in
which the processor draws the measurements of the steps; it does so while the device takes the steps before, and holds
the device up only where it takes longer than they do. ``memory`` is the peak of the process, or of the accelerator.

We know of no times that AutoLHVs has published. Those beside ours are of its algorithm or its code on two cores, as the
guide and the other benchmarks measured them (``optimizer.py``, ``qudits.py``, ``povms.py``).
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from dataclasses import replace
from typing import Any

# Name, options of the search, and what AutoLHVs' algorithm took.
EXAMPLES: dict[str, tuple[dict[str, Any], str]] = {
    "Werner, v = 0.5": ({"steps": 400}, "1e-7 in 24 s"),
    "Werner, v = 0.69": ({"steps": 400}, "4.0e-6 after 100 s"),
    "GHZ-3, v = 0.46": ({"steps": 200}, "-"),
    "GHZ-3, v = 0.46, free": ({"steps": 100, "num_hidden": 2**14, "symmetry": None}, "-"),
    "qutrits, v = 0.4": ({"steps": 400, "num_hidden": 1152, "response": 1}, "8.7e-6 in 47 s"),
    "POVMs, Werner, v = 0.45": ({"steps": 400, "response": 3, "measurements": "povm"}, "1.3e-3 (degree 3)"),
}


def state_of(name: str) -> Any:
    """The state of an example."""
    import numpy as np
    from qiskit.quantum_info import DensityMatrix, Statevector
    from qiskit_lhv import ghz_state, werner_state

    visibility = float(name.split("v = ")[1].split(",")[0])
    if "Werner" in name:
        return werner_state(visibility)
    if "GHZ" in name:
        pure, dimensions = DensityMatrix(ghz_state(3)), (2, 2, 2)
    else:
        pure, dimensions = DensityMatrix(Statevector(np.eye(3).ravel() / np.sqrt(3))), (3, 3)
    matrix = visibility * pure.data + (1 - visibility) * np.eye(len(pure.data)) / len(pure.data)
    return DensityMatrix(matrix, dims=dimensions)


def measure(name: str, steps: int, num_hidden: int | None) -> dict[str, Any]:
    """One search, in this process."""
    import jax
    from qiskit_lhv import find_local_model
    from qiskit_lhv.optimize import GradientDescent, SettingsGrid, evaluate_model, search_run, training

    given = dict(EXAMPLES[name][0])
    symmetry, size = given.pop("symmetry", "auto"), num_hidden or given.pop("num_hidden", None)
    options = {key: given[key] for key in ("response", "measurements") if key in given}
    state, waited, train = state_of(name), {}, training.train

    def search(num_steps: int, seed: int) -> Any:
        descent = GradientDescent(num_steps=num_steps, symmetry=symmetry)
        return find_local_model(
            state,
            optimizer=descent,
            num_hidden=size,
            grid=SettingsGrid(num_evaluated=2),
            seed=seed,
            progress=False,
            **options,
        )

    def timed(problem: training.Problem, *arguments: Any, **rest: Any) -> Any:
        def batches(first: int, count: int) -> Any:
            begin = time.perf_counter()
            drawn = problem.batches(first, count)
            waited["data"] = waited.get("data", 0.0) + time.perf_counter() - begin
            return drawn

        begin = time.perf_counter()
        found = train(replace(problem, batches=batches), *arguments, **rest)
        waited["train"] = time.perf_counter() - begin
        return found

    search(1, 2)  # compiles
    search_run.train = timed
    begin = time.process_time()
    model = search(steps, 1).model
    seconds, device = time.process_time() - begin, jax.devices()[0]
    statistics = device.memory_stats() or {}
    peak = statistics.get("peak_bytes_in_use", 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
    return {
        "device": device.device_kind,
        "hidden": model.num_hidden,
        "steps": steps,
        "rate": steps / waited["train"],
        "data": waited["data"] / waited["train"],
        "processor": seconds,
        "wall": waited["train"],
        "memory": peak / 2**20,
        "loss": evaluate_model(model, state, num_settings=1000, seed=987).kl_divergence,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="small searches, to see that the script runs")
    parser.add_argument("--only", help="examples whose name contains this")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        steps = 20 if given.quick else EXAMPLES[given.one][0]["steps"]
        print(json.dumps(measure(given.one, steps, 1152 if given.quick else None)))
        return
    import jax

    platforms = ["cpu", *sorted({device.platform for device in jax.devices()} - {"cpu"})]
    if platforms == ["cpu"]:
        print("JAX sees no accelerator here: the processor alone.")
    header = ("example", "device", "hidden", "steps", "steps/s", "data", "cpu s", "wall s", "MiB", "KL", "AutoLHVs")
    layout = "{:<24} {:<22} {:>7} {:>5} {:>8} {:>5} {:>6} {:>6} {:>6} {:>8}  {}"
    print(layout.format(*header))
    for name, (_, theirs) in EXAMPLES.items():
        if given.only and given.only not in name:
            continue
        for platform in platforms:
            command = [sys.executable, __file__, "--one", name, *(["--quick"] if given.quick else [])]
            # Without it, JAX would take most of the accelerator's memory at once, and say that it is in use.
            environment = {**os.environ, "JAX_PLATFORMS": platform, "XLA_PYTHON_CLIENT_PREALLOCATE": "false"}
            if platform != "cpu":
                environment.pop("JAX_PLATFORMS")
            done = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
            run = json.loads(done.stdout.splitlines()[-1])
            print(
                layout.format(
                    name,
                    run["device"][:22],
                    run["hidden"],
                    run["steps"],
                    f"{run['rate']:.0f}",
                    f"{run['data']:.0%}",
                    f"{run['processor']:.1f}",
                    f"{run['wall']:.1f}",
                    f"{run['memory']:.0f}",
                    f"{run['loss']:.1e}",
                    theirs,
                ),
                flush=True,
            )


if __name__ == "__main__":
    main()
