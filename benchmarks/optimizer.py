"""Speed and depth of the search for local models of qubit states, beside the pair-batch algorithm.

Without an argument everything runs, about 40 minutes on two cores; ``race``, ``parts``, ``orbits`` or ``depth`` is one
part. ``race`` and ``orbits`` count processor time, so that other work on the machine does not matter; the others count
seconds.
With ``--quick`` the searches are small: their figures mean nothing, they only show that the script runs.

The pair-batch algorithm is written here from the description in arXiv:2407.04673 (AutoLHVs): every step draws a batch
of pairs of directions and takes one step of Adam, with a learning rate of 2e-5 times the size of the ensemble and a
final phase at a tenth of it. Hidden variables start as standard normal numbers, and the probability is sigmoid(f .
lambda), so that the mean outcome is tanh(f . lambda / 2), as there; ``--slope 1`` makes it tanh(f . lambda), which
starts with responses twice as steep. It differs from the code of AutoLHVs in that its loss is the divergence of all
outcomes, not of a single event, and in that its directions are drawn by NumPy. It is given an advantage: at growing
numbers of steps a final phase of a tenth of the steps so far is tried on a copy, and the first copy that reaches the
level counts, as if the best moment for the final phase had been known. Compilation is not counted on either side. Both
sides run in processes of their own, for the peak memory.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from qiskit.quantum_info import DensityMatrix
from qiskit_lhv import CorrelationTensor, find_local_model, ghz_state, werner_state
from qiskit_lhv.measurements import AllProjective
from qiskit_lhv.models import ResponseModel, SphericalHarmonics
from qiskit_lhv.models.responses import DirectionResponse
from qiskit_lhv.optimize import GradientDescent, SettingsGrid, evaluate_model, search
from qiskit_lhv.optimize.optimizers import ADAM
from qiskit_lhv.quantum import w_state

from pair_batches import ADAM_RULE, adam_steps

NUM_HIDDEN, DEGREE = 2**14, 5
# Steps of the searches without one part, and of the long run.
NUM_STEPS, DEPTH_STEPS = 400, 20_000
# The losses that count are evaluated here.
BRIEF = SettingsGrid(num_evaluated=2)
LEVELS = {0.5: 1e-7, 0.69: 3e-6}
BATCHES = (256, 1024, 4096)
STEPS = (25, 50, 75, 100, 150, 200, 250, 300, 350, 400, 450, 500, 600, 700, 800, 1000, 1200, 1500, 2000)
SEEDS = (1, 2, 3)

FEATURES = SphericalHarmonics(DEGREE)
# The mean outcome of the pair-batch algorithm is tanh(SLOPE * f . lambda).
SLOPE = 0.5


def test_loss(hidden: list[Any], visibility: float) -> float:
    """KL on pairs of fresh directions in float64: one code for both sides."""
    model = ResponseModel(tuple(np.asarray(h, dtype=float) for h in hidden), DirectionResponse(FEATURES, 2))
    tensor = CorrelationTensor.from_state(werner_state(visibility))
    return evaluate_model(model, tensor, num_settings=4000, seed=987).kl_divergence


def pair_loss(hidden: list[jax.Array], batch: dict[str, Any]) -> jax.Array:
    """Mean KL divergence over a batch of pairs of directions."""
    a, b = (jnp.tanh(SLOPE * f @ h.T) for f, h in zip(batch["features"], hidden, strict=True))
    first, second, both = a.mean(axis=1), b.mean(axis=1), (a * b).mean(axis=1)
    model = jnp.stack([1 + x * first + y * second + x * y * both for x in (1, -1) for y in (1, -1)]) / 4
    target = jnp.stack([1 + x * y * batch["correlator"] for x in (1, -1) for y in (1, -1)]) / 4
    return jnp.mean(jnp.sum(target * jnp.log(target / model), axis=0))


def run_pairs(visibility: float, batch_size: int, cap: float, seed: int) -> dict[str, Any]:
    """Processor seconds until the pair-batch algorithm reaches the level, or the cap."""
    rng = np.random.default_rng(seed)
    hidden = [jnp.asarray(rng.standard_normal((NUM_HIDDEN, FEATURES.size)), jnp.float32) for _ in range(2)]
    state, rate, block = ADAM_RULE.init(hidden), 2e-5 * NUM_HIDDEN, 10

    def batches() -> dict[str, Any]:
        pairs = [AllProjective().draw(rng, block * batch_size) for _ in range(2)]
        features = [FEATURES.evaluate(one).astype(np.float32).reshape(block, batch_size, -1) for one in pairs]
        correlator = -visibility * np.sum(pairs[0] * pairs[1], axis=1).astype(np.float32)
        return {"features": features, "correlator": correlator.reshape(block, batch_size)}

    def advance(hidden: Any, state: Any, rate: float, steps: int) -> tuple[Any, Any, float]:
        begin = time.process_time()
        for _ in range(steps // block):
            hidden, state = adam_steps(pair_loss, hidden, state, jnp.full(block, rate), batches())
        jax.block_until_ready(hidden)
        return hidden, state, time.process_time() - begin

    advance(hidden, state, rate, block)  # compiles
    seconds, steps, best = 0.0, 0, np.inf
    while seconds < cap:
        more = block * max(1, round(0.2 * steps / block))
        hidden, state, spent = advance(hidden, state, rate, more)
        seconds, steps = seconds + spent, steps + more
        final, _, extra = advance(hidden, state, rate / 10, block * max(1, round(0.1 * steps / block)))
        # Models of the package have slope 1.
        best = min(best, test_loss([SLOPE * h for h in final], visibility))
        if best <= LEVELS[visibility] and seconds + extra <= cap:
            return {"seconds": seconds + extra, "reached": True, "steps": steps, "loss": best}
    return {"seconds": cap, "reached": False, "steps": steps, "loss": best}


def run_ours(visibility: float, seed: int, **options: Any) -> dict[str, Any]:
    """Processor seconds of the shortest whole search that reaches the level."""
    common = {"num_hidden": NUM_HIDDEN, "response": DEGREE, "grid": BRIEF, "seed": seed, "progress": False} | options
    state, result = werner_state(visibility), {}
    for steps in STEPS:
        find_local_model(state, optimizer=GradientDescent(num_steps=steps), **{**common, "seed": seed + 1})  # compiles
        begin = time.process_time()
        model = find_local_model(state, optimizer=GradientDescent(num_steps=steps), **common).model
        seconds = time.process_time() - begin
        loss = test_loss(list(model.hidden_variables), visibility)
        result = {"seconds": seconds, "reached": loss <= LEVELS[visibility], "steps": steps, "loss": loss}
        if result["reached"]:
            break
    return result


def in_process(side: str, *arguments: Any) -> dict[str, Any]:
    """Runs one side in a process of its own; adds its peak memory in MiB."""
    command = [sys.executable, __file__, side, *map(str, arguments), "--slope", str(SLOPE)]
    command += ["--quick"] if "--quick" in sys.argv else []
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return json.loads(output.splitlines()[-1])


def race(visibilities: list[float], cap: float) -> None:
    """Ours against pair batches, until the test loss first reaches a level."""
    print(f"Two-qubit Werner state, degree 5, {NUM_HIDDEN} hidden variables; pairs: slope {SLOPE:g}")
    for visibility in visibilities:
        level = LEVELS[visibility]
        ours = [in_process("ours", visibility, seed) for seed in SEEDS]
        for run in ours:
            print(f"v = {visibility}  grid                {describe(run)}", flush=True)
        middle = sorted(ours, key=lambda run: run["seconds"])[len(ours) // 2]
        best: dict[str, Any] | None = None
        for batch_size in BATCHES:
            # A batch size that is slower than the best so far need not be followed further.
            limit = cap if best is None or not best["reached"] else best["seconds"]
            run = in_process("pairs", visibility, batch_size, limit, SEEDS[0])
            print(f"v = {visibility}  pairs, batch {batch_size:<5} {describe(run)}", flush=True)
            if best is None or (run["reached"], -run["seconds"]) > (best["reached"], -best["seconds"]):
                best = run
        assert best is not None
        ratio = best["seconds"] / middle["seconds"]
        print(
            f"v = {visibility}: down to {level:g}, the grid (median of {len(ours)} seeds) is "
            f"{'' if best['reached'] else 'at least '}{ratio:.0f} times faster than the best pair batch; "
            f"peak memory {middle['memory']:.0f} against {best['memory']:.0f} MiB",
            flush=True,
        )


def describe(run: dict[str, Any]) -> str:
    """One run in a line."""
    reached = "reached" if run["reached"] else "not reached"
    return f"{reached} in {run['seconds']:6.1f} s, {run['steps']} steps, KL {run['loss']:.2e}, {run['memory']:.0f} MiB"


def parts() -> None:
    """What each part of the search brings: loss after 400 steps without it."""
    print(f"Test loss after {NUM_STEPS} steps without one part (seconds)")
    for visibility in LEVELS:
        rows: list[tuple[str, dict[str, Any]]] = [
            ("all parts", {}),
            ("independent directions", {"grid": SettingsGrid(sampling="uniform", num_evaluated=2)}),
            ("no orbits", {"optimizer": GradientDescent(num_steps=400, symmetry=None)}),
            # An odd number of hidden variables cannot be paired.
            (
                "neither orbits nor opposite pairs",
                {"num_hidden": NUM_HIDDEN + 1, "optimizer": GradientDescent(num_steps=400, symmetry=None)},
            ),
            (
                "Adam for Polyak's step, rate 0.1",
                {"rule": ADAM, "optimizer": GradientDescent(num_steps=NUM_STEPS, learning_rate=0.1)},
            ),
            (
                "Adam for Polyak's step, rate 0.4",
                {"rule": ADAM, "optimizer": GradientDescent(num_steps=NUM_STEPS, learning_rate=0.4)},
            ),
        ]
        for name, options in rows:
            rule = options.pop("rule", search.POLYAK)
            kept, search.POLYAK = search.POLYAK, rule
            short = GradientDescent(num_steps=NUM_STEPS)
            settings = {"num_hidden": NUM_HIDDEN, "optimizer": short, "grid": BRIEF, "progress": False} | options
            find_local_model(werner_state(visibility), seed=2, **settings)
            begin = time.perf_counter()
            model = find_local_model(werner_state(visibility), seed=1, **settings).model
            seconds = time.perf_counter() - begin
            search.POLYAK = kept
            loss = test_loss(list(model.hidden_variables), visibility)
            print(f"v = {visibility}  {name:<34} {loss:.2e} ({seconds:.1f} s)", flush=True)


def noisy(state: Any, visibility: float) -> DensityMatrix:
    """A state mixed with white noise."""
    pure = DensityMatrix(state)
    return DensityMatrix(visibility * pure.data + (1 - visibility) * np.eye(len(pure.data)) / len(pure.data))


# Near their critical visibilities, but for the first and the last two.
ORBIT_STATES: dict[str, Any] = {
    "Werner, v = 0.5": werner_state(0.5),
    "Werner, v = 0.69": werner_state(0.69),
    "GHZ-3, v = 0.46": noisy(ghz_state(3), 0.46),
    "W-3, v = 0.48": noisy(w_state(3), 0.48),
    "GHZ-4, v = 0.3": noisy(ghz_state(4), 0.3),
    "GHZ-6, v = 0.1": noisy(ghz_state(6), 0.1),
}


def orbits(steps: Any = (100, 300, 1000)) -> None:
    """Processor time of a step, and the loss reached, with and without the symmetry of the state."""
    print("Processor time of a step, then KL after so much processor time (default size, evaluation not counted)")
    for name, state in ORBIT_STATES.items():
        for symmetry in (None, "auto"):

            def search_of(num_steps: int, state: Any = state, symmetry: Any = symmetry) -> Any:
                descent = GradientDescent(num_steps=num_steps, symmetry=symmetry)
                return find_local_model(state, optimizer=descent, grid=BRIEF, seed=1, progress=False).model

            search_of(1)  # compiles
            found = []
            for num_steps in steps:
                begin = time.process_time()
                model = search_of(num_steps)
                seconds = time.process_time() - begin
                found.append((seconds, evaluate_model(model, state, num_settings=2000, seed=987).kl_divergence))
            longest = found[-1][0] - found[0][0]
            each = 1e3 * longest / (steps[-1] - steps[0])
            losses = ", ".join(f"{loss:.2e} ({seconds:.1f} s)" for seconds, loss in found)
            label = "free" if symmetry is None else "orbits"
            print(f"{name:<17} {label:<7} {model.num_hidden} hidden, {each:6.2f} ms a step: {losses}", flush=True)


def depth() -> None:
    """How deep a long run goes, in float64."""
    begin = time.perf_counter()
    result = find_local_model(
        werner_state(0.5),
        num_hidden=NUM_HIDDEN,
        optimizer=GradientDescent(num_steps=DEPTH_STEPS, learning_rate=0.05),
        grid=SettingsGrid(num_evaluated=20_000),
        seed=1,
    )
    print(
        f"v = 0.5, {DEPTH_STEPS} steps at rate 0.05: {result.evaluation} after {time.perf_counter() - begin:.0f} s",
        flush=True,
    )


def make_quick() -> None:
    """Makes all searches small and all levels easy to reach."""
    global NUM_HIDDEN, NUM_STEPS, DEPTH_STEPS, SEEDS, STEPS, BATCHES, LEVELS
    NUM_HIDDEN, NUM_STEPS, DEPTH_STEPS = 128, 20, 50
    SEEDS, STEPS, BATCHES, LEVELS = (1,), (20,), (64,), {0.5: 1.0}


def main() -> None:
    global SLOPE
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "part", nargs="?", default="all", choices=["all", "race", "parts", "orbits", "depth", "ours", "pairs"]
    )
    parser.add_argument("arguments", nargs="*", help=argparse.SUPPRESS)
    parser.add_argument("--visibility", type=float, action="append", choices=list(LEVELS), help="for the race")
    parser.add_argument("--cap", type=float, default=600.0, help="seconds for each pair batch size")
    parser.add_argument("--slope", type=float, default=SLOPE, help="of the pair-batch algorithm's responses")
    parser.add_argument("--quick", action="store_true", help="small searches, to see that the script runs")
    given = parser.parse_args()
    SLOPE = given.slope
    if given.quick:
        make_quick()
    if given.part in ("ours", "pairs"):
        v, *rest = given.arguments
        if given.part == "ours":
            run = run_ours(float(v), int(rest[0]))
        else:
            run = run_pairs(float(v), int(rest[0]), float(rest[1]), int(rest[2]))
        run["memory"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(json.dumps({key: value if isinstance(value, bool) else float(value) for key, value in run.items()}))
        return
    if given.part in ("all", "race"):
        race(given.visibility or list(LEVELS), given.cap)
    for name, part in (("parts", parts), ("orbits", orbits), ("depth", depth)):
        if given.part in ("all", name):
            part()


if __name__ == "__main__":
    main()
