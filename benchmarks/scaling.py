"""How time and memory grow with the problem, and what large ones need: fitted exponents, and a plan that is simulated.

Without an argument everything runs, about five minutes on two cores; a part is chosen by its name. Times are processor
time of a step, or of a call, after compilation; an exponent p means that they grow like the p-th power, fitted to the
larger half of the sizes. Every part runs in a process of its own, where the peak memory is that of the sizes so far.

- ``ensemble``, ``parties``, ``settings``: steps of a search for a model of a state, all hidden variables free;
- ``outcomes``: steps for a table of probabilities;
- ``shots``: an analysis of counts, and one of trials in their order;
- ``devices``: a step on 1 to 8 simulated devices, which share the processor, and the memory that the compiled step
  takes on each;
- ``workers``: a sweep over processes, and its overhead for each task;
- ``hosts``: a search over two processes with two simulated devices each, against one process;
- ``plan``: memory of the compiled step for 2**20 to 2**30 hidden variables, of which nothing is allocated, against the
  formula of the guide; and the time for a million states.

With ``--quick`` sizes are small: the figures mean nothing.
"""

from __future__ import annotations

import argparse
import os
import resource
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

QUICK = "--quick" in sys.argv
# Parameters and momenta before and after a chunk of steps, the gradient, and the change.
COPIES = 6
SIMULATED = {"devices": 8, "plan": 64}


def cpu_of(call: Callable[[], Any]) -> float:
    """Processor seconds of a call, the least of three short ones."""
    seconds: list[float] = []
    while len(seconds) < 3 and sum(seconds) < 2:
        begin = time.process_time()
        call()
        seconds.append(time.process_time() - begin)
    return min(seconds)


def peak() -> float:
    """Peak memory of this process so far, in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def show(name: str, sizes: Sequence[float], run: Callable[[Any], float], unit: str = "ms", factor: float = 1e3) -> None:
    """Prints one line per size, and the exponent with which the time grows."""
    sizes = list(sizes)[:2] if QUICK else list(sizes)
    times = []
    for size in sizes:
        times.append(run(size))
        print(f"{name:<28} {size:>10g}  {factor * times[-1]:10.3f} {unit}  {peak():7.0f} MiB", flush=True)
    half = len(sizes) // 2 if len(sizes) > 3 else 0
    exponent = np.polyfit(np.log(sizes[half:]), np.log(times[half:]), 1)[0]
    print(f"{name:<28} exponent {exponent:.2f}", flush=True)


def noisy(num_parties: int) -> Any:
    """A W state with noise: no symmetry of it is used here, and its marginals do not vanish."""
    from qiskit.quantum_info import DensityMatrix
    from qiskit_lhv.quantum import w_state

    size = 2**num_parties
    return DensityMatrix(0.3 * DensityMatrix(w_state(num_parties)).data + 0.7 * np.eye(size) / size)


def first_step(target: Any, **options: Any) -> tuple[Any, ...]:
    """Arguments of the first chunk of steps of a search, which is not run."""
    from qiskit_lhv import find_local_model
    from qiskit_lhv.optimize import training

    class StoppedError(Exception):
        pass

    taken: list[tuple[Any, ...]] = []

    def stop(*arguments: Any) -> Any:
        taken.append(arguments)
        raise StoppedError

    steps, training._steps = training._steps, stop
    try:
        find_local_model(target, seed=1, progress=False, **options)
    except StoppedError:
        pass
    finally:
        training._steps = steps
    return taken[0]


def step_time(target: Any, *, x64: bool = False, count: int = 5, **options: Any) -> float:
    """Processor seconds of one step of a search."""
    import jax
    from qiskit_lhv.optimize import training

    rule, _, *rest = first_step(target, **options)

    def run(number: int) -> None:
        with jax.enable_x64(x64):
            jax.block_until_ready(training._steps(rule, number, *rest))

    run(1)  # compiles
    # What every call costs beside the steps falls out of the difference.
    return max(1e-9, (cpu_of(lambda: run(count + 1)) - cpu_of(lambda: run(1))) / count)


def free_search(**grid: Any) -> dict[str, Any]:
    """Options of a search whose hidden variables are all free."""
    from qiskit_lhv.optimize import GradientDescent, SettingsGrid

    return {"optimizer": GradientDescent(symmetry=None), "grid": SettingsGrid(num_evaluated=2, **grid)}


def ensemble() -> None:
    state = noisy(3)
    sizes = [2**k for k in range(11, 18)]
    show("hidden variables", sizes, lambda size: step_time(state, num_hidden=size, **free_search()))


def parties() -> None:
    # Four directions for each party: the grid has 4**N settings, and the table 8**N cells.
    def run(number: int) -> float:
        return step_time(noisy(number), num_hidden=2**11, response=3, **free_search(num_settings=4**number))

    numbers = (2, 3) if QUICK else (2, 3, 4, 5, 6)
    times = [run(number) for number in numbers]
    for number, seconds in zip(numbers, times, strict=True):
        print(f"{'parties':<28} {number:>10}  {1e3 * seconds:10.3f} ms", flush=True)
    print(f"{'parties':<28} factor {np.exp(np.polyfit(numbers, np.log(times), 1)[0]):.1f} a party", flush=True)


def settings() -> None:
    sizes = [4**k for k in range(4, 10)]
    show(
        "settings of a step",
        sizes,
        lambda size: step_time(noisy(2), num_hidden=2**11, **free_search(num_settings=size)),
    )


def outcomes() -> None:
    from qiskit_lhv import Behavior

    def run(number: int) -> float:
        rng = np.random.default_rng(0)
        table = rng.random((2, 2, number, number))
        behavior = Behavior(table / table.sum(axis=(2, 3), keepdims=True))
        return step_time(behavior, num_hidden=2**10, x64=True)

    show("outcomes", [2, 4, 8, 16, 32], run)


def shots() -> None:
    from qiskit_lhv import Behavior, BellTrials, analyze, werner_state

    behavior = Behavior.from_state(werner_state(0.9), "chsh")

    def of_counts(number: int) -> float:
        counts = behavior.sample(shots=number // 4, seed=1)
        return cpu_of(lambda: analyze(counts, seed=1))

    def of_trials(number: int) -> float:
        rng = np.random.default_rng(0)
        chosen = rng.integers(2, size=(number, 2))
        cells = behavior.array.reshape(4, 4)[2 * chosen[:, 0] + chosen[:, 1]].cumsum(axis=1)
        drawn = np.minimum((rng.random((number, 1)) > cells).sum(axis=1), 3)
        trials = BellTrials(chosen, np.stack([drawn // 2, drawn % 2], axis=1), design="random")
        return cpu_of(lambda: analyze(trials, seed=1))

    show("shots, as counts", [10**k for k in (3, 4, 5, 6, 7)], of_counts)
    show("shots, trial by trial", [10**k for k in (3, 4, 5, 6)], of_trials)


def memory_of_step(rule: Any, rest: Sequence[Any]) -> Any:
    """What the compiled step takes on one device, as XLA says."""
    from qiskit_lhv.optimize import training

    return training._steps.lower(rule, 1, *rest).compile().memory_analysis()


def devices() -> None:
    from qiskit_lhv.optimize import Devices, GradientDescent, SettingsGrid

    size, state = (2**10 if QUICK else 2**15), noisy(3)
    for number in (1, 2, 4, 8):
        options = {
            "num_hidden": size,
            "optimizer": GradientDescent(symmetry=None, devices=Devices(number)),
            "grid": SettingsGrid(num_evaluated=2),
        }
        rule, _, *rest = first_step(state, **options)
        found = memory_of_step(rule, rest)
        seconds = step_time(state, **options)
        print(
            f"{'devices':<28} {number:>10}  {1e3 * seconds:10.3f} ms  on each: "
            f"{found.argument_size_in_bytes / 2**20:.2f} MiB in, {found.temp_size_in_bytes / 2**20:.2f} MiB besides",
            flush=True,
        )


def square(number: int) -> int:
    """A task that takes no time."""
    return number**2


def threshold(seed: int) -> float:
    """A task that takes some tenths of a second."""
    from qiskit_lhv import Behavior, nonlocality_threshold, werner_state

    directions = np.random.default_rng(seed).normal(size=(2, 12, 3))
    directions /= np.linalg.norm(directions, axis=2, keepdims=True)
    behavior = Behavior.from_state(werner_state(1), [list(own) for own in directions])
    return float(nonlocality_threshold(behavior, seed=1).lower)


def workers() -> None:
    import tempfile

    from qiskit_lhv import sweep

    for number in (100, 400) if QUICK else (100, 400, 1600):
        with tempfile.TemporaryDirectory() as folder:
            begin = time.process_time()
            sweep(square, [{"number": i} for i in range(number)], store=f"{folder}/store", progress=False)
            seconds = time.process_time() - begin
        print(f"{'tasks, with a store':<28} {number:>10}  {1e3 * seconds / number:10.3f} ms a task", flush=True)
    grid = [{"seed": seed} for seed in range(4 if QUICK else 60)]
    for number in (1, 2):
        begin, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
        sweep(threshold, grid, executor=number, progress=False)
        seconds, after = time.perf_counter() - begin, resource.getrusage(resource.RUSAGE_CHILDREN)
        print(
            f"{'workers':<28} {number:>10}  {seconds:10.3f} s for {len(grid)} tasks, of which processors worked "
            f"{after.ru_utime - before.ru_utime:.1f} s",
            flush=True,
        )


HOST = """
import os, sys
number, port = int(sys.argv[1]), sys.argv[2]
os.environ["XLA_FLAGS"] = "--xla_force_host_platform_device_count=2"
os.environ["JAX_PLATFORMS"] = "cpu"
import jax
if number >= 0:
    jax.distributed.initialize(f"localhost:{port}", num_processes=2, process_id=number)
import numpy as np
from jax.sharding import Mesh
from qiskit_lhv import find_local_model
from qiskit_lhv.optimize import Devices, GradientDescent, SettingsGrid
sys.path.insert(0, "benchmarks")
from scaling import noisy

mesh = Mesh(np.array(jax.devices()), ("hidden",)) if number >= 0 else None
descent = GradientDescent(num_steps=100, symmetry=None, devices=Devices(mesh))
found = find_local_model(
    noisy(2), num_hidden=1024, optimizer=descent, grid=SettingsGrid(num_evaluated=2), seed=1, progress=False
)
print(len(jax.devices()), len(jax.local_devices()), repr(found.history[-1]), repr(found.loss))
"""


def hosts() -> None:
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = str(free.getsockname()[1])

    def begin(number: int) -> subprocess.Popen[str]:
        return subprocess.Popen([sys.executable, "-c", HOST, str(number), port], stdout=subprocess.PIPE, text=True)

    for label, numbers in (("one process", [-1]), ("two processes", [0, 1])):
        running = [begin(number) for number in numbers]
        for process in running:
            output = process.communicate()[0].strip().splitlines()
            print(f"{label:<28} devices, of them here, last loss, evaluated loss: {output[-1] if output else 'failed'}")


def plan() -> None:
    import jax
    from qiskit_lhv.measurements import AllProjective
    from qiskit_lhv.models import SphericalHarmonics
    from qiskit_lhv.models.responses import DirectionResponse
    from qiskit_lhv.optimize import Devices
    from qiskit_lhv.optimize.devices import Placement
    from qiskit_lhv.optimize.direction_problem import DirectionProblem
    from qiskit_lhv.optimize.state_problem import FreeVariables
    from qiskit_lhv.targets import CorrelationTensor

    tensor = CorrelationTensor.from_state(noisy(3))
    response = DirectionResponse(SphericalHarmonics(5), 3)
    problem = DirectionProblem((tensor,), (AllProjective(),) * 3, response, 4096, "lattice")
    small = first_step(noisy(3), num_hidden=64, **free_search())
    components = sum(shape[0] for shape in response.hidden_shapes)
    print("a step of three qubits, GiB on each device; rest: responses of a block, at most 1")
    print(f"{'hidden variables':>20} {'devices':>8} {'block':>8} {'measured':>9} {'arrays':>7} {'rest':>6}")
    for exponent, number in ((16, 8), (18, 8)) if QUICK else ((20, 1), (20, 8), (24, 8), (27, 8), (27, 64), (30, 64)):
        size, spread = 2**exponent, Devices(number)
        free = FreeVariables(size)
        layout = problem.layout(free, spread, 1)
        placement = Placement(layout, 3, size)

        def shaped(leaf: Any, placement: Any = placement, size: int = size) -> Any:
            shape = (*leaf.shape[:3], size) if len(leaf.shape) == 4 else leaf.shape
            return jax.ShapeDtypeStruct(shape, leaf.dtype)

        (_, optimizer, _), _, data, point, key, steps, batch, best = small
        large = jax.tree.map(shaped, point)
        large = jax.tree.map(
            lambda leaf, place: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=place),
            large,
            placement.shardings(large),
        )
        rule = (problem.loss("kl", free, layout), optimizer, placement)
        found = memory_of_step(rule, [data, large, key, steps, batch, best])
        measured = found.argument_size_in_bytes + found.output_size_in_bytes + found.temp_size_in_bytes
        arrays = 4 * COPIES * components * size // number
        print(
            f"{f'2**{exponent}':>20} {number:>8} {layout.block or size // number:>8} "
            f"{measured / 2**30:>9.2f} {arrays / 2**30:>7.2f} {(measured - arrays) / 2**30:>6.2f}",
            flush=True,
        )


PARTS = (ensemble, parties, settings, outcomes, shots, devices, workers, hosts, plan)


def main() -> None:
    names = [part.__name__ for part in PARTS]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", choices=[*names, []], help="all, unless some are named")
    parser.add_argument("--quick", action="store_true", help="small sizes, to see that the script runs")
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    for name in given.parts or names:
        if given.here:
            globals()[name]()
            continue
        environment = dict(os.environ)
        if name in SIMULATED:
            environment |= {
                "XLA_FLAGS": f"--xla_force_host_platform_device_count={SIMULATED[name]}",
                "JAX_PLATFORMS": "cpu",
            }
        command = [sys.executable, __file__, name, "--here", *(["--quick"] if given.quick else [])]
        begin = time.perf_counter()
        subprocess.run(command, check=True, env=environment)
        print(f"-- {name}: {time.perf_counter() - begin:.0f} s", flush=True)


if __name__ == "__main__":
    main()
