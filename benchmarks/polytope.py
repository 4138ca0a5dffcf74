"""Thresholds, beside the linear program that a user would write, and how their cost grows.

``python benchmarks/polytope.py lp`` runs ``scipy.optimize.linprog`` over all deterministic strategies beside
``nonlocality_threshold``, for more and more settings, until the program of the user takes more than two minutes.
``python benchmarks/polytope.py cost`` shows how long thresholds take in settings, parties and outcomes.
``python benchmarks/polytope.py proofs`` makes the table of proofs for all projective measurements.
``python benchmarks/polytope.py speed`` prints, in one run and in CPU seconds, what the others show in part: proofs
with 46, 61 and 181 axes (``--large``: 406, too), GHZ states, planar and random settings, and small problems,
with toqito beside them if it can be imported. To compare two versions, run it with either in turn (``PYTHONPATH``).
With ``--quick`` each part stops after its first few lines.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from qiskit_lhv import (
    Behavior,
    certify_all_projective,
    ghz_state,
    local_bound,
    nonlocality_threshold,
    werner_state,
)
from qiskit_lhv.measurements import (
    icosahedral_directions,
    inradius,
    planar_directions,
    random_directions,
)
from qiskit_lhv.models.deterministic import enumerate_strategies, strategy_tables
from qiskit_lhv.polytope import BellExpression, local_weight
from qiskit_lhv.projective import ProofSearch
from qiskit_lhv.quantum import isotropic_state, w_state
from scipy.optimize import linprog

LIMIT = 120.0
QUICK = False


def timed(function: Callable[[], Any]) -> tuple[Any, float]:
    begin = time.perf_counter()
    result = function()
    return result, time.perf_counter() - begin


def program_of_a_user(behavior: Behavior) -> float:
    """The largest v with v behavior + (1 - v) noise a mixture of all strategies, as a textbook states it."""
    scenario = behavior.scenario
    tables = strategy_tables(enumerate_strategies(scenario), scenario)
    noise = Behavior.white_noise(scenario).array.ravel()
    columns = np.hstack([tables.T, (noise - behavior.array.ravel())[:, None]])
    columns = np.vstack([columns, np.append(np.ones(len(tables)), 0.0)])
    cost = np.zeros(columns.shape[1])
    cost[-1] = -1
    result = linprog(cost, A_eq=columns, b_eq=np.append(noise, 1.0), bounds=[(0, None)] * len(tables) + [(0, 1)])
    return float(-result.fun)


def compare() -> None:
    print("two-qubit singlet, random directions, two outcomes; seconds")
    print("settings  strategies   linprog     ours   ratio   difference")
    nonlocality_threshold(Behavior.from_state(werner_state(1), "chsh"))  # load what is loaded once
    for m in range(3, 5 if QUICK else 12):
        directions = [list(random_directions(m, seed)) for seed in (m, m + 50)]
        behavior = Behavior.from_state(werner_state(1), directions)
        ours, seconds = timed(lambda behavior=behavior: nonlocality_threshold(behavior))
        assert ours.verify()
        theirs, theirs_seconds = timed(lambda behavior=behavior: program_of_a_user(behavior))
        print(
            f"{m:8d}  {behavior.scenario.num_strategies:10d}  {theirs_seconds:8.2f} {seconds:8.3f} "
            f"{theirs_seconds / seconds:7.0f}   {abs(theirs - ours.estimate):.1e}",
            flush=True,
        )
        # The next one has four times as many strategies.
        if theirs_seconds > LIMIT / 5:
            break


def show(name: str, behavior: Behavior) -> None:
    threshold, seconds = timed(lambda: nonlocality_threshold(behavior, time_limit=300))
    check, check_seconds = timed(threshold.verify)
    bound = "proven" if threshold.upper_is_proven else "heuristic"
    print(
        f"{name:44s} [{threshold.lower:.7f}, {threshold.upper:.7f}] {bound:9s} {seconds:7.2f} s; "
        f"verify {check_seconds:6.2f} s {'passes' if check else check.reason}",
        flush=True,
    )


def cost() -> None:
    for m in (2, 4, 6, 8, 10, 12, 14):
        directions = [list(random_directions(m, seed)) for seed in (m, m + 50)]
        show(f"singlet, {m} random settings", Behavior.from_state(werner_state(1), directions))
        if QUICK and m == 4:
            return
    for m in (6, 16, 21, 46, 61, 81, 181):
        axes = list(icosahedral_directions(m))
        show(f"singlet, {m} icosahedral settings", Behavior.from_state(werner_state(1), [axes, axes]))
    for m in (4, 6, 8, 10, 12):
        axes = list(planar_directions(m))
        show(f"GHZ, 3 parties, {m} planar settings", Behavior.from_state(ghz_state(3), [axes] * 3))
    for m in (4, 6, 8):
        axes = list(planar_directions(m, (0, 2)))
        show(f"W, 3 parties, {m} planar settings", Behavior.from_state(w_state(3), [axes] * 3))
    for n in (2, 3, 4, 5):
        axes = list(planar_directions(2))
        show(f"GHZ, {n} parties, 2 settings", Behavior.from_state(ghz_state(n), [axes] * n))
    for d in (2, 3, 4):
        show(f"isotropic state, {d} outcomes, 2 settings", phase_behavior(d))


def phase_behavior(d: int) -> Behavior:
    """The maximally entangled state of two d-level systems in Fourier bases with the phases of CGLMP's inequality."""
    from qiskit_lhv import measurement

    numbers = np.arange(d)
    bases = [
        [np.exp(2j * math.pi / d * sign * np.outer(numbers, numbers + sign * phase)) / math.sqrt(d) for phase in phases]
        for sign, phases in ((1, (0, 0.5)), (-1, (0.25, -0.25)))
    ]
    settings = [[measurement(basis=basis) for basis in party] for party in bases]
    return Behavior.from_state(isotropic_state(1, d), settings)


def proofs() -> None:
    print("Werner state, all projective measurements; seconds of the processor")
    print("| axes | eta^2 | proven visibility | seconds |")
    for m, limit in ((6, 10), (16, 20), (46, 20), (61, 20), (181, 100), (406, 300)):
        eta2 = inradius(icosahedral_directions(m)) ** 2
        certificate, seconds = clocked(
            lambda m=m, limit=limit: certify_all_projective(werner_state(1), directions=m, time_limit=limit, seed=0)
        )
        assert certificate.verify()
        print(f"| {m} | {eta2:.5f} | {certificate.visibility:.5f} | {seconds:.1f} |", flush=True)
        if QUICK:
            return
    for name, state, m, limit in (("GHZ", ghz_state(3), 61, 420), ("W", w_state(3), 46, 420)):
        certificate, seconds = clocked(
            lambda s=state, m=m, limit=limit: certify_all_projective(s, directions=m, time_limit=limit, seed=0)
        )
        assert certificate.verify()
        print(
            f"{name}, 3 qubits, {m} axes: {certificate.visibility:.5f} after {seconds:.0f} s of the processor",
            flush=True,
        )


def clocked(function: Callable[[], Any]) -> tuple[Any, float]:
    """The result, and seconds of the processor."""
    begin = time.process_time()
    result = function()
    return result, time.process_time() - begin


def per_call(function: Callable[[], Any], rounds: int = 5, calls: int = 10) -> float:
    """Milliseconds of a call, the least of some rounds."""
    function()
    return 1e3 * min(clocked(lambda: [function() for _ in range(calls)])[1] for _ in range(rounds)) / calls


def speed(large: bool) -> None:
    singlet, ghz = werner_state(1), ghz_state(3)
    # Load what is loaded once.
    certify_all_projective(singlet, directions=16, seed=0)
    nonlocality_threshold(Behavior.from_state(singlet, "chsh"))
    print("proofs for all projective measurements: proven visibility, strategies, CPU seconds")
    cases = [
        ("Werner", singlet, m, None) for m in ((46, 61, 181, 406) if large else (46, 61, 181))[: 1 if QUICK else None]
    ]
    cases += [("GHZ, 3 qubits", ghz, 6, None), ("GHZ, 3 qubits", ghz, 16, 60)]
    for name, state, m, calls in cases:
        proof, seconds = clocked(
            lambda state=state, m=m, calls=calls: certify_all_projective(
                state, directions=m, search=ProofSearch(max_calls=calls), seed=0
            )
        )
        assert proof.verify()
        print(f"{name}, {m} axes: {proof.visibility:.6f} {len(proof.strategies):5d} {seconds:8.2f}", flush=True)
    print("thresholds: lower end, width of the interval, CPU seconds")
    behaviors = {
        f"singlet, {m} planar settings": Behavior.from_state(singlet, [list(planar_directions(m))] * 2)
        for m in (16, 24, 32, 40)
    }
    behaviors |= {
        f"singlet, {m} random settings": Behavior.from_state(
            singlet, [list(random_directions(m, seed)) for seed in (m, m + 50)]
        )
        for m in ((12, 16, 18, 20, 24, 32, 40) if large else (12, 16, 18, 20, 24))
    }
    behaviors |= {
        f"singlet, {m} icosahedral settings": Behavior.from_state(singlet, [list(icosahedral_directions(m))] * 2)
        for m in (46, 61)
    }
    behaviors |= {
        f"GHZ, {m} planar settings": Behavior.from_state(ghz, [list(planar_directions(m))] * 3) for m in (6, 8)
    }
    for name, behavior in behaviors.items():
        found, seconds = clocked(lambda behavior=behavior: nonlocality_threshold(behavior))
        proven = "proven" if found.upper_is_proven else "heuristic"
        print(f"{name}: {found.lower:.9f} {found.upper - found.lower:.1e} {proven} {seconds:8.2f}", flush=True)
    print("small problems: CPU milliseconds")
    for name, behavior in (
        ("CHSH", Behavior.from_state(singlet, "chsh")),
        ("3 random settings", Behavior.from_state(singlet, [list(random_directions(3, seed)) for seed in (3, 53)])),
    ):
        expression = nonlocality_threshold(behavior).inequality.expression
        print(
            f"{name}: threshold {per_call(lambda b=behavior: nonlocality_threshold(b)):.2f}, "
            f"local weight {per_call(lambda b=behavior: local_weight(b)):.2f}, "
            f"local bound {per_call(lambda e=expression: local_bound(e)):.3f}{toqito_beside(expression)}",
            flush=True,
        )


def toqito_beside(expression: BellExpression) -> str:
    """Milliseconds of toqito for the same local bound, if it can be imported."""
    try:
        from toqito.state_opt.bell_inequality_max import bell_inequality_max
    except ImportError:
        return ""
    table = expression.coefficients
    sizes = [*table.shape[2:], *table.shape[:2]]
    by_outcomes = table.transpose(2, 3, 0, 1)
    return f"; toqito {per_call(lambda: bell_inequality_max(by_outcomes, sizes, 'fp', 'classical')):.3f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("part", choices=("lp", "cost", "proofs", "speed"))
    parser.add_argument("--large", action="store_true", help="of speed: also the cases that take minutes")
    parser.add_argument("--quick", action="store_true", help="only the first few lines, to see that the script runs")
    arguments = parser.parse_args()
    global QUICK
    QUICK = arguments.quick
    if arguments.part == "speed":
        speed(arguments.large)
    else:
        {"lp": compare, "cost": cost, "proofs": proofs}[arguments.part]()


if __name__ == "__main__":
    main()
