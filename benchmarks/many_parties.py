"""Bell tests of many qubits, from circuit to verdict: GHZ states, and a graph state on a fake device of 127 qubits.

``python benchmarks/many_parties.py`` prints, for noisy GHZ states of 10, 20 and 50 qubits and a graph state of 24: the
value, the local bound, the p-value, the verdict, and the processor time of the simulation and of the analysis. Then it
prints how far the violation of the graph state reaches, how deep that of the GHZ states is, and how far shots of 100
parties can be analyzed in time and memory.
"""

from __future__ import annotations

import resource
import time

import numpy as np
from qiskit_ibm_runtime.fake_provider import FakeSherbrooke
from qiskit_lhv import BellExpression, analyze
from qiskit_lhv.analysis import CountsOptions
from qiskit_lhv.experiments import (
    ManyPartyExperiment,
    ManyPartySchedule,
    depolarizing_noise,
    ghz_preparation,
    graph_state_preparation,
)
from qiskit_lhv.polytope import ardehali, baccari_inequality, mermin, toth_guehne_briegel_inequality
from qiskit_lhv.statistics import nested_expressions, nonlocality_depth, shots_of_many_parties, violation_reach
from qiskit_lhv.targets import ManyPartyShots

from many_party_experiments import noise_model


def many(expression):
    """The expression as one of many parties."""
    return expression.to_sparse() if isinstance(expression, BellExpression) else expression


def show(name, expression, shots, simulated):
    """Analyzes shots and prints a line."""
    start = time.process_time()
    report = analyze(shots, CountsOptions(expression=expression), seed=1)
    analyzed = time.process_time() - start
    start = time.process_time()
    check = report.verify()
    verified = time.process_time() - start
    (test,) = [one for one in report.evidence if type(one).__name__ == "ManyPartyTest"]
    print(
        f"{name:34} {test.value / test.local_bound:9.4g} {test.log10_p_value:10.1f} {report.verdict!s:12} "
        f"{shots.total_shots:8} {simulated:8.1f} {analyzed:7.2f} {verified:7.2f} {bool(check)}",
        flush=True,
    )
    return test


def ghz(num_parties, num_runs, two_qubit, readout):
    """A GHZ state with depolarizing and readout noise, in settings drawn from Ardehali's or Mermin's expression."""
    for name, expression, settings in (
        ("Mermin", many(mermin(num_parties)), "mermin"),
        ("Ardehali", ardehali(num_parties), [("X", "Y")] * (num_parties - 1) + [("X-Y", "X+Y")]),
    ):
        if name == "Ardehali" and num_parties > 20:
            continue
        experiment = ManyPartyExperiment(ghz_preparation(num_parties).circuit, settings)
        simulator = experiment.simulator(noise_model=noise_model(two_qubit, 2e-4, readout), seed=1)
        schedule = ManyPartySchedule.random(expression, num_runs, 1, seed=1)
        start = time.process_time()
        shots = experiment.run(simulator, schedule)
        test = show(f"GHZ of {num_parties}, {name}", expression, shots, time.process_time() - start)
        print(" " * 8, nonlocality_depth(shots, expression, alpha=0.01))
        plan = shots_of_many_parties(expression, test.value, 1e-6, bound=test.bound)
        print(" " * 8, "for p = 1e-6:", plan)


def graph_state(num_parties=24):
    """A graph state on couplings of a fake device, with the noise that it reports."""
    backend = FakeSherbrooke()
    prepared = graph_state_preparation(backend, num_parties)
    for name, family in (
        ("Baccari", lambda edges: baccari_inequality(edges, centers="packed")),
        ("Toth-Guehne-Briegel", toth_guehne_briegel_inequality),
    ):
        inequality = family(prepared.edges)
        experiment = ManyPartyExperiment(prepared.circuit, inequality.settings)
        schedule = ManyPartySchedule.blocks(inequality.expression, 2000)
        simulator = experiment.simulator(backend, depolarizing_noise(backend), seed=1)
        start = time.process_time()
        shots = experiment.run(simulator, schedule, initial_layout=prepared.qubits)
        seconds = time.process_time() - start
        show(f"graph state of {num_parties}, {name}", inequality.expression, shots, seconds)
        order = range(num_parties)
        registers = [order[:n] for n in range(4, num_parties + 1, 4)]
        parts = []
        for register in registers:
            try:
                (part,) = nested_expressions(inequality.expression, [register])
                reach = violation_reach(shots, [part])
            except ValueError:
                # No whole block lies inside.
                continue
            parts += [part] if reach.ratios[0] > 0 else []
        print(violation_reach(shots, parts))


def limits(num_parties=100, total=10**6):
    """Time and memory of an analysis of a million shots, each with settings of its own."""
    expression = mermin(num_parties)
    rng = np.random.default_rng(1)
    terms = expression.draw_terms(total, rng)
    bits = rng.integers(0, 256, (total, -(-num_parties // 8)), dtype=np.uint8)
    bits[:, -1] &= (1 << (num_parties % 8)) - 1 if num_parties % 8 else 255
    shots = ManyPartyShots(expression.scenario, terms, np.ones(total, dtype=int), bits, "random", terms)
    start = time.process_time()
    report = analyze(shots, CountsOptions(expression=expression), seed=1)
    seconds = time.process_time() - start
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"{total} shots of {num_parties} parties: {report.verdict}, {seconds:.1f} s, {memory:.2f} GiB at most")


def main():
    print(
        f"{'':34} {'ratio':>9} {'log10 p':>10} {'verdict':12} {'shots':>8} {'simulate':>8} {'analyze':>7} {'verify':>7}"
    )
    ghz(10, 2000, 2e-3, 5e-3)
    ghz(20, 1000, 2e-3, 5e-3)
    ghz(50, 400, 2e-3, 5e-3)
    graph_state()
    limits()


if __name__ == "__main__":
    main()
