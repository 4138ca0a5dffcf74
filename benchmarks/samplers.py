"""Ten samplers by six kinds of circuits: right counts, or refused by an error of the package.

Of each cell the chi-squares of all circuits are added; "right" means a p-value above 1e-4.
"""

import argparse
import time
import warnings
from collections import Counter

import numpy as np
from qiskit import QuantumCircuit
from qiskit.circuit.random import random_circuit, random_clifford_circuit
from qiskit.primitives import BackendSamplerV2, StatevectorSampler
from qiskit.providers.fake_provider import GenericBackendV2
from qiskit.transpiler import CouplingMap
from qiskit_aer import AerSimulator
from qiskit_aer.noise import NoiseModel, ReadoutError, depolarizing_error
from qiskit_aer.primitives import SamplerV2
from qiskit_ibm_runtime import SamplerV2 as RuntimeSampler
from qiskit_ibm_runtime.executor_sampler import Sampler as ExecutorSampler
from qiskit_lhv import BellExperiment, LHVError
from scipy.stats import chi2

LEVEL = 1e-4
KINDS = ("pure", "reset", "mid-circuit", "wide", "Clifford", "noisy")
WIDE = 24


class Wrapped:
    """A sampler of which nothing can be seen."""

    def __init__(self, sampler):
        self.run = lambda pubs: sampler.run(pubs)


def noise_model():
    noise = NoiseModel(basis_gates=["cx", "rz", "sx", "x", "h", "ry"])
    noise.add_all_qubit_quantum_error(depolarizing_error(0.05, 2), ["cx"])
    noise.add_all_qubit_readout_error(ReadoutError([[0.97, 0.03], [0.06, 0.94]]))
    return noise


def device(noise):
    """Without noise, qubits on a line; with noise, coupled all to all, because routing would add gates that have it."""
    couplings = CouplingMap.from_line(WIDE) if noise is None else CouplingMap.from_full(3)
    return GenericBackendV2(couplings.size(), coupling_map=couplings, noise_info=False, seed=1)


def runtime(kind, seed, simulator):
    sampler = kind(mode=simulator)
    sampler.options.simulator.seed_simulator = seed
    return sampler


def samplers(noise):
    """Makers of samplers from a seed; those that know no noise are left out where there is some."""
    options = {} if noise is None else {"noise_model": noise}
    simulator = AerSimulator(**options)
    makers = {
        "StatevectorSampler, seed": lambda seed: StatevectorSampler(seed=seed),
        "StatevectorSampler, generator": lambda seed: StatevectorSampler(seed=np.random.default_rng(seed)),
        "Aer": lambda seed: SamplerV2(seed=seed, options={"backend_options": options}),
        "Aer, matrix_product_state": lambda seed: SamplerV2(
            seed=seed, options={"backend_options": {**options, "method": "matrix_product_state"}}
        ),
        "Aer, from_backend": lambda seed: SamplerV2.from_backend(simulator if noise else device(noise), seed=seed),
        "BackendSamplerV2, device": lambda seed: BackendSamplerV2(
            backend=AerSimulator.from_backend(device(noise), **options), options={"seed_simulator": seed}
        ),
        "BackendSamplerV2, Aer": lambda seed: BackendSamplerV2(backend=simulator, options={"seed_simulator": seed}),
        "runtime SamplerV2": lambda seed: runtime(RuntimeSampler, seed, simulator),
        "runtime executor Sampler": lambda seed: runtime(ExecutorSampler, seed, simulator),
        "wrapped Aer": lambda seed: Wrapped(SamplerV2(seed=seed, options={"backend_options": options})),
    }
    return {name: make for name, make in makers.items() if noise is None or not name.startswith("Statevector")}


def circuit_of(kind, seed):
    """A random circuit of three qubits, with what the kind says."""
    if kind == "Clifford":
        circuit = random_clifford_circuit(3, 12, seed=seed)
    elif kind == "noisy":
        circuit = QuantumCircuit(3)
        rng = np.random.default_rng(seed)
        for _ in range(4):
            for qubit in range(3):
                circuit.ry(rng.uniform(0, np.pi), qubit)
            circuit.cx(*rng.permutation(3)[:2].tolist())
    else:
        circuit = random_circuit(3, 3, max_operands=2, seed=seed)
    if kind == "reset":
        circuit.cx(0, 2)
        circuit.reset(2)
        circuit.cx(2, 1)
        circuit.ry(0.7, 1)
    if kind == "mid-circuit":
        measured = QuantumCircuit(3, 1)
        measured.h(2)
        measured.measure(2, 0)
        return measured.compose(circuit)
    if kind == "wide":
        spread = QuantumCircuit(WIDE)
        places = np.random.default_rng(seed).permutation(WIDE)[:3].tolist()
        spread.h([qubit for qubit in range(WIDE) if qubit not in places])
        spread.compose(circuit, places, inplace=True)
        return spread, places
    return circuit


def experiment_of(kind, seed):
    made = circuit_of(kind, seed)
    circuit, qubits = made if isinstance(made, tuple) else (made, [0, 1, 2])
    rng = np.random.default_rng(seed)
    vectors = rng.standard_normal((2, 2, 3))
    vectors /= np.linalg.norm(vectors, axis=-1, keepdims=True)
    return BellExperiment(circuit, vectors.tolist(), qubits[:2])


def chi_square(counts, expected):
    """Chi-square and its degrees of freedom, from cells of at least five expected shots."""
    shots = counts.num_shots[..., None, None]
    mean = expected * shots
    assert not counts.array[mean < 1e-6].any(), "counts where there can be none"
    big = mean >= 5
    # The rest of each setting is one cell.
    rest_mean, rest = np.where(big, 0, mean).sum(axis=(2, 3)), np.where(big, 0, counts.array).sum(axis=(2, 3))
    usable = rest_mean >= 5
    value = ((counts.array - mean)[big] ** 2 / mean[big]).sum()
    value += ((rest - rest_mean)[usable] ** 2 / rest_mean[usable]).sum()
    cells = big.sum(axis=(2, 3)) + usable
    return value, int((cells - 1).clip(0).sum())


def expected_of(experiment, kind, noise):
    """The exact behavior; with noise, frequencies so many that their own error does not matter."""
    if kind != "noisy":
        return experiment.behavior().array
    exact = SamplerV2(seed=99, options={"backend_options": {"noise_model": noise, "method": "density_matrix"}})
    return experiment.run(exact, 200_000).frequencies().array


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--circuits", type=int, default=60)
    parser.add_argument("--shots", type=int, default=400)
    parser.add_argument("--kinds", nargs="+", default=KINDS, choices=KINDS)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    start = time.process_time()
    wrong = False
    for kind in options.kinds:
        noise = noise_model() if kind == "noisy" else None
        makers, found = samplers(noise), {name: [] for name in samplers(noise)}
        errors = {name: Counter() for name in makers}
        for seed in range(options.circuits):
            try:
                experiment = experiment_of(kind, seed)
                expected = expected_of(experiment, kind, noise)
            except LHVError as error:
                for name in makers:
                    errors[name]["refused", str(error)[:70]] += 1
                continue
            for name, make in makers.items():
                try:
                    found[name].append(chi_square(experiment.run(make(seed), options.shots), expected))
                except LHVError as error:
                    errors[name]["refused", str(error)[:70]] += 1
                except Exception as error:  # what the table is there to show
                    errors[name]["ERROR", f"{type(error).__name__}: {error}"[:70]] += 1
        for name in makers:
            parts = []
            if found[name]:
                value, freedom = np.sum(found[name], axis=0)
                p = chi2.sf(value, freedom) if freedom else 1.0
                parts.append(f"{'right' if p > LEVEL else 'WRONG'} {len(found[name])} (p = {p:.2g})")
                wrong |= p <= LEVEL
            parts += [f"{what} {number}: {text}" for (what, text), number in errors[name].items()]
            wrong |= any(what == "ERROR" for what, _ in errors[name])
            print(f"{kind:12} {name:30} {'; '.join(parts)}", flush=True)
    print(f"{'some cells are wrong' if wrong else 'all right, or refused'}, {time.process_time() - start:.0f} CPU s")


if __name__ == "__main__":
    main()
