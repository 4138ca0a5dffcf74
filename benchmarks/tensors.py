"""Correlation tensors of many qubits: process time, and memory beside that of the result."""

import argparse
import resource
import time

import numpy as np
from qiskit.quantum_info import DensityMatrix, Pauli, Statevector
from qiskit_lhv import CorrelationTensor

GIB = 2.0**30


def random_vector(num_qubits, rng):
    amplitudes = rng.normal(size=2**num_qubits) + 1j * rng.normal(size=2**num_qubits)
    return Statevector(amplitudes / np.linalg.norm(amplitudes))


def mixed(vector, weight=0.5):
    """The vector with white noise, in the memory of one matrix."""
    matrix = np.outer(vector.data, weight * vector.data.conj())
    matrix.flat[:: len(matrix) + 1] += (1 - weight) / len(matrix)
    return DensityMatrix(matrix)


def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / GIB


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--qubits", type=int, nargs="+", default=[8, 10, 12, 14])
    parser.add_argument("--matrices", type=int, default=12, help="up to so many qubits also of density matrices")
    options = parser.parse_args()
    rng = np.random.default_rng(1)
    print(f"{'qubits':>6}  {'state':<8}{'CPU s':>8}{'result GiB':>12}{'more GiB':>10}{'error':>10}")
    for n in options.qubits:
        for kind in ("vector", "matrix")[: 1 + (n <= options.matrices)]:
            vector = random_vector(n, rng)
            state = vector if kind == "vector" else mixed(vector)
            before, start = peak(), time.process_time()
            array = CorrelationTensor.from_state(state).array
            seconds, more = time.process_time() - start, peak() - before
            index = tuple(rng.integers(0, 4, size=n))
            label = "".join("IXYZ"[i] for i in reversed(index))
            exact = vector.expectation_value(Pauli(label)).real * (1 if kind == "vector" else 0.5)
            size, error = array.nbytes / GIB, abs(array[index] - exact)
            print(f"{n:>6}  {kind:<8}{seconds:>8.2f}{size:>12.3f}{more:>10.3f}{error:>10.1e}", flush=True)
            del array, state, vector


if __name__ == "__main__":
    main()
