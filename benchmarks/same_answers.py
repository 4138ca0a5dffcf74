"""Whether two hundred small problems still have the answers of an earlier version.

``python benchmarks/same_answers.py`` compares with ``same_answers.json``, verifies every certificate, and ends with an
error if an interval misses the earlier one, is wider, or a proof shows less. ``--record`` writes that file instead.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from qiskit.quantum_info import random_density_matrix, random_statevector
from qiskit_lhv import (
    Behavior,
    certify_all_projective,
    ghz_state,
    local_bound,
    nonlocality_threshold,
    werner_state,
)
from qiskit_lhv.measurements import icosahedral_directions, planar_directions, random_directions
from qiskit_lhv.polytope import BellExpression, local_weight
from qiskit_lhv.projective import ProofSearch
from qiskit_lhv.quantum import w_state
from qiskit_lhv.targets import BellScenario

FILE = Path(__file__).with_suffix(".json")
# What rounding, and the order in which strategies are found, may change.
SAME = 1e-7
# By how much an interval may grow, and a proof for all measurements may show less.
WIDER, LESS = 1e-6, 2e-4

Answer = list[float]


def threshold(behavior: Behavior) -> Answer:
    """Lower and upper end, the latter infinite if it is not proven."""
    result = nonlocality_threshold(behavior, max_calls=200)
    assert result.verify()
    return [result.lower, result.upper if result.upper_is_proven else 1e9]


def weight(behavior: Behavior) -> Answer:
    result = local_weight(behavior)
    assert result.verify()
    return [result.lower, result.upper]


def bound(seed: int) -> Answer:
    rng = np.random.default_rng(seed)
    scenario = BellScenario((3, 3), (2, 2)) if seed % 2 else BellScenario((2, 3), (3, 2))
    value = local_bound(BellExpression(rng.integers(-9, 10, scenario.shape).astype(float), scenario)).value
    return [value, value]


def proof(state: object, axes: int) -> Answer:
    result = certify_all_projective(state, directions=axes, search=ProofSearch(max_calls=150), seed=0)
    assert result.verify()
    return [result.visibility, 1e9]


def settings(count: int, parties: int, seed: int) -> list[list[np.ndarray]]:
    return [list(random_directions(count, 1000 * seed + k)) for k in range(parties)]


def problems() -> Iterator[tuple[str, Callable[[], Answer]]]:
    for seed in range(64):
        m = 2 + seed % 4
        pure = Behavior.from_state(random_statevector((2, 2), seed=seed), settings(m, 2, seed))
        yield f"random pure state {seed}, {m} random settings", lambda b=pure: threshold(b)
    for seed in range(40):
        m = 2 + seed % 2
        mixed = Behavior.from_state(random_density_matrix((2, 2), rank=2, seed=seed), settings(m, 2, seed))
        yield f"random mixed state {seed}, {m} random settings: weight", lambda b=mixed: weight(b)
        yield f"random mixed state {seed}, {m} random settings", lambda b=mixed: threshold(b)
    for m in (3, 5, 6, 7, 8, 9, 10, 12, 14, 16):
        turned = Behavior.from_state(werner_state(1), settings(m, 2, m))
        yield f"singlet, {m} random settings", lambda b=turned: threshold(b)
    for m in (3, 4, 6, 8, 10, 12, 16, 20, 24):
        planar = Behavior.from_state(werner_state(1), [list(planar_directions(m))] * 2)
        yield f"singlet, {m} planar settings", lambda b=planar: threshold(b)
    for m in (6, 16, 21, 46):
        axes = Behavior.from_state(werner_state(1), [list(icosahedral_directions(m))] * 2)
        yield f"singlet, {m} icosahedral settings", lambda b=axes: threshold(b)
    for name, state in (("GHZ", ghz_state(3)), ("W", w_state(3))):
        for m in (2, 3, 4):
            flat = Behavior.from_state(state, [list(planar_directions(m, (0, 2) if name == "W" else (0, 1)))] * 3)
            yield f"{name}, {m} planar settings", lambda b=flat: threshold(b)
        for m in (2, 3):
            spread = Behavior.from_state(state, settings(m, 3, m))
            yield f"{name}, {m} random settings", lambda b=spread: threshold(b)
    for seed in range(20):
        yield f"random expression {seed}", lambda seed=seed: bound(seed)
    for m in (6, 16, 21, 46, 61):
        yield f"Werner state, {m} axes: proof", lambda m=m: proof(werner_state(1), m)
    yield "GHZ state, 6 axes: proof", lambda: proof(ghz_state(3), 6)
    yield "W state, 6 axes: proof", lambda: proof(w_state(3), 6)


def complaint(name: str, before: Answer, now: Answer) -> str:
    """What is wrong with an answer; empty: nothing."""
    if name.endswith("proof"):
        return "proves less" if now[0] < before[0] - LESS else ""
    if now[0] < before[0] - WIDER:
        return "has a lower end that proves less"
    if now[0] > before[1] + SAME or now[1] < before[0] - SAME:
        return "contradicts"
    return "is wider" if now[1] - now[0] > before[1] - before[0] + WIDER else ""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--record", action="store_true", help="write the answers of this version")
    record = parser.parse_args().record
    known = {} if record else json.loads(FILE.read_text(encoding="utf-8"))
    answers, wrong, begin = {}, 0, time.process_time()
    for name, solve in problems():
        answers[name] = [float(f"{value:.10g}") for value in solve()]
        problem = "" if record else complaint(name, known[name], answers[name])
        if problem:
            wrong += 1
            print(f"{name}: {answers[name]} {problem}; before {known[name]}", flush=True)
    print(f"{len(answers)} problems, {wrong} differ, {time.process_time() - begin:.1f} CPU s")
    if record:
        lines = (f" {json.dumps(name)}: {json.dumps(answer)}" for name, answer in answers.items())
        FILE.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")
    elif wrong:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
