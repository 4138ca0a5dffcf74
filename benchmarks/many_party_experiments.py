"""Shots of many parties from Aer, with noise: GHZ states of 10, 20 and 50 qubits, and a graph state on a fake device.

``ghz_shots`` and ``graph_state_shots`` return the expression, the shots and what they took, for whoever tests them:
processor time of the simulation and the largest memory of the process so far. ``reading_shots`` reads a million shots
of 156 parties. ``python benchmarks/many_party_experiments.py`` runs all of them and prints a table.
"""

from __future__ import annotations

import argparse
import resource
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from qiskit.primitives import BitArray, DataBin, PrimitiveResult, PubResult
from qiskit_aer.noise import NoiseModel, ReadoutError, depolarizing_error
from qiskit_lhv import BellExpression, BellScenario
from qiskit_lhv.experiments import (
    ManyPartyExperiment,
    ManyPartySchedule,
    depolarizing_noise,
    ghz_preparation,
    graph_state_preparation,
)
from qiskit_lhv.targets import ManyPartyShots

MIB = 2**10


@dataclass(frozen=True)
class Taken:
    """Shots, and what they took."""

    name: str
    """What was simulated."""
    expression: Any
    """The expression whose terms were drawn."""
    shots: ManyPartyShots
    """The shots."""
    score: float
    """Mean of the sign of the drawn term's coefficient times the product of its outcomes."""
    method: str
    """Aer's method."""
    seconds: float
    """Processor time of the simulation, the transpiler included."""
    memory: float
    """Largest memory of the process up to then, in MiB."""


class MerminTerms:
    """Mermin's expression of any number of parties as a rule: an even number of Y, the sign minus for 2 modulo 4.

    It has what a schedule asks for, and lists none of its ``2**(n - 1)`` terms to draw some.
    """

    def __init__(self, num_parties: int) -> None:
        self.scenario = BellScenario([2] * num_parties, 2)
        self.num_terms = 2 ** (num_parties - 1)

    def draw_terms(self, num_draws: int, rng: np.random.Generator) -> np.ndarray:
        """Uniform draws of the terms."""
        rows = rng.integers(0, 2, (num_draws, self.scenario.num_parties), dtype=np.int8)
        rows[:, -1] ^= rows.sum(axis=1, dtype=np.int64).astype(np.int8) & 1
        return rows

    def coefficients_of(self, rows: np.ndarray) -> np.ndarray:
        """The sign of each term."""
        number = rows.sum(axis=1, dtype=np.int64)
        return np.where(number % 2, 0.0, 1.0 - (number % 4))

    def blocks(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """All terms, for few parties."""
        rows = np.array([row for row in np.ndindex(*self.scenario.num_settings) if sum(row) % 2 == 0], dtype=np.int8)
        yield rows, self.coefficients_of(rows)


def noise_model(two_qubit: float, one_qubit: float, readout: float) -> NoiseModel:
    """Depolarizing noise of gates, and readout errors, as average infidelities."""
    model = NoiseModel()
    model.add_all_qubit_quantum_error(depolarizing_error(two_qubit * 4 / 3, 2), ["cx", "cz"])
    model.add_all_qubit_quantum_error(depolarizing_error(one_qubit * 2, 1), ["h"])
    model.add_all_qubit_readout_error(ReadoutError([[1 - readout, readout], [readout, 1 - readout]]))
    return model


def ghz_shots(
    num_parties: int, num_runs: int, shots: int, *, two_qubit: float = 2e-3, readout: float = 5e-3, seed: int = 1
) -> Taken:
    """Shots of a GHZ state with depolarizing and readout noise, in settings drawn from Mermin's expression."""
    expression = MerminTerms(num_parties)
    experiment = ManyPartyExperiment(ghz_preparation(num_parties).circuit, "mermin")
    simulator = experiment.simulator(noise_model=noise_model(two_qubit, 2e-4, readout), seed=seed)
    return _taken(f"GHZ, {num_parties} qubits", expression, experiment, simulator, num_runs, shots, seed)


def graph_state_shots(
    num_parties: int = 24,
    num_runs: int = 200,
    shots: int = 50,
    *,
    backend: Any = None,
    depolarizing: bool = True,
    seed: int = 1,
) -> Taken:
    """Shots of the graph state of a register of a fake 127-qubit device, in settings drawn from its generators.

    Args:
        num_parties: Number of qubits of the register.
        num_runs: Number of runs.
        shots: Shots of each run.
        backend: The fake device; default: ``FakeSherbrooke``.
        depolarizing: Whether noise is depolarizing, as large as reported, for the stabilizer method; else it is the
            noise model that Aer makes of the device, for the matrix-product method.
        seed: Seed of settings and simulator.
    """
    if backend is None:
        from qiskit_ibm_runtime.fake_provider import FakeSherbrooke

        backend = FakeSherbrooke()
    prepared = graph_state_preparation(backend, num_parties)
    experiment = ManyPartyExperiment(prepared.circuit, [["X", "Z"]] * num_parties)
    terms = {}
    for k in range(num_parties):
        near = [b if a == k else a for a, b in prepared.edges if k in (a, b)]
        terms[((k, 0), *((j, 1) for j in near))] = 1.0
    expression = BellExpression.from_terms(experiment.scenario, terms)
    simulator = experiment.simulator(backend, depolarizing_noise(backend) if depolarizing else None, seed=seed)
    name = f"graph state, {num_parties} of {backend.num_qubits} qubits"
    return _taken(name, expression, experiment, simulator, num_runs, shots, seed, prepared.qubits)


def _taken(
    name: str,
    expression: Any,
    experiment: ManyPartyExperiment,
    simulator: Any,
    num_runs: int,
    shots: int,
    seed: int,
    layout: tuple[int, ...] | None = None,
) -> Taken:
    schedule = ManyPartySchedule.random(expression, num_runs, shots, seed=seed)
    start = time.process_time()
    record = experiment.run(simulator, schedule, initial_layout=layout)
    seconds = time.process_time() - start
    return Taken(name, expression, record, score(expression, record), simulator.options.method, seconds, memory())


def score(expression: Any, shots: ManyPartyShots) -> float:
    """Mean of the sign of the drawn term's coefficient times the product of its outcomes."""
    assert shots.drawn_terms is not None
    mask = np.packbits(shots.drawn_terms >= 0, axis=1, bitorder="little")
    masked = shots.packed & np.repeat(mask, shots.shots, axis=0)
    products = 1 - 2.0 * (np.bitwise_count(masked).sum(axis=1) % 2)
    signs = np.sign(expression.coefficients_of(shots.drawn_terms))
    return float(np.mean(np.repeat(signs, shots.shots) * products))


def reading_shots(num_parties: int = 156, num_runs: int = 1000, shots: int = 1000) -> tuple[ManyPartyShots, float]:
    """Random bits in the form of a Sampler's result, read into packed shots, and the processor time of reading."""
    rng = np.random.default_rng(1)
    experiment = ManyPartyExperiment(ghz_preparation(num_parties).circuit, "pauli")
    settings = rng.integers(0, 3, (num_runs, num_parties))
    schedule = ManyPartySchedule(experiment.scenario, settings, np.array(shots))
    bits = rng.integers(0, 256, (num_runs, shots, -(-num_parties // 8)), dtype=np.uint8)
    if num_parties % 8:
        bits[..., 0] &= (1 << num_parties % 8) - 1
    result = PrimitiveResult([PubResult(DataBin(outcomes=BitArray(bits, num_parties), shape=(num_runs,)))])
    start = time.process_time()
    record = experiment.shots(result, schedule)
    return record, time.process_time() - start


def memory() -> float:
    """Largest memory of the process so far, in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / MIB


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=200, help="number of runs, each with settings of its own")
    parser.add_argument("--shots", type=int, default=50, help="shots of each run")
    parser.add_argument(
        "--relaxation", action="store_true", help="also with the noise model that Aer makes of the device"
    )
    options = parser.parse_args()
    print(f"{'':36} {'method':>22} {'shots':>8} {'score':>7} {'CPU s':>7} {'MiB':>6}")
    for number in (10, 20, 50):
        show(ghz_shots(number, options.runs, options.shots))
    show(graph_state_shots(24, options.runs, options.shots))
    if options.relaxation:
        show(graph_state_shots(24, max(options.runs // 10, 1), options.shots, depolarizing=False))
    record, seconds = reading_shots()
    print(f"{'reading, 156 qubits':36} {'':>22} {record.total_shots:8} {'':>7} {seconds:7.2f} {memory():6.0f}")


def show(taken: Taken) -> None:
    print(
        f"{taken.name:36} {taken.method:>22} {taken.shots.total_shots:8} {taken.score:7.3f} {taken.seconds:7.2f} "
        f"{taken.memory:6.0f}"
    )


if __name__ == "__main__":
    main()
