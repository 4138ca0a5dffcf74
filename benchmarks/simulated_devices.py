"""Fake devices of 27 and 127 qubits, simulated pair by pair: qubits that are marked come back right, and the times."""

import argparse
import logging
import time
import warnings

import numpy as np
from qiskit import QuantumCircuit
from qiskit_aer import AerSimulator
from qiskit_aer.noise import NoiseModel, ReadoutError
from qiskit_ibm_runtime.fake_provider import FakeMontrealV2, FakeSherbrooke
from qiskit_lhv import DeviceExperiment, chsh
from qiskit_lhv.experiments import coupled_groups


def marked_device(backend, marked, right):
    """The device with its own noise, but with some qubits read the right or the wrong way round in 99 % of shots."""
    noise = NoiseModel.from_backend(backend)
    for qubit in marked:
        noise.add_readout_error(ReadoutError([[right, 1 - right], [1 - right, right]]), [qubit])
    return AerSimulator.from_backend(backend, noise_model=noise)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shots", type=int, default=1000)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    # Aer says that these qubits have readout errors already.
    logging.disable(logging.WARNING)
    bell = QuantumCircuit(2)
    bell.h(0)
    bell.cx(0, 1)
    for make, flipped in ((FakeMontrealV2, (5, 16)), (FakeSherbrooke, (5, 64, 126))):
        backend = make()
        experiment = DeviceExperiment(bell, "chsh", coupled_groups(backend), coupling_map=backend)
        start = time.process_time()
        experiment.simulate(backend, options.shots, seed=1)
        seconds = time.process_time() - start
        plain = experiment.simulate(marked_device(backend, flipped, 0.99), options.shots, seed=2)
        marked = experiment.simulate(marked_device(backend, flipped, 0.01), options.shots, seed=3)
        # A qubit that is read the wrong way round changes the sign of every correlator.
        sign = {group: (-1) ** len(set(group) & set(flipped)) for group in plain}
        values = [np.array([chsh().value(found[g].frequencies()) for g in plain]) for found in (plain, marked)]
        deviations = np.abs(values[1] - values[0] * np.array(list(sign.values())))
        # S has a standard error of at most 2 / sqrt(shots), here of a difference of two.
        errors = deviations.max() / (np.sqrt(8 / options.shots))
        number = sum(one < 0 for one in sign.values())
        print(
            f"{backend.name}: {backend.num_qubits} qubits, {len(plain)} pairs in {seconds:.1f} CPU s; median S "
            f"{np.median(values[0]):.2f}; {number} pairs with a marked qubit, largest deviation {errors:.1f} errors: "
            f"{'right' if errors < 5 else 'WRONG'}"
        )


if __name__ == "__main__":
    main()
