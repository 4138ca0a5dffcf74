"""A simulator of a few qubits of a device, with the noise that the device reports for them."""

from __future__ import annotations

from typing import Any

from .._support.memory import require_memory
from .samplers import require_backend

__all__ = ["density_matrix_simulator"]

# Bytes of an entry, times the copies that a simulator makes.
_BYTES_PER_ENTRY = 16 * 2


def density_matrix_simulator(backend: Any, num_qubits: int) -> Any:
    """An Aer simulator by density matrices, with the noise of a backend.

    Args:
        backend: A device, a fake one, or an ``AerSimulator`` with a noise model.
        num_qubits: Number of qubits that act on each other.

    Raises:
        MeasurementError: If it is not a backend, or the density matrix does not fit into memory.
    """
    require_backend(backend)
    from qiskit_aer import AerSimulator
    from qiskit_aer.noise import NoiseModel

    require_memory(
        _BYTES_PER_ENTRY * 4.0**num_qubits,
        "groups",
        expected="groups whose density matrix fits",
        got=f"{num_qubits} qubits, which take",
        remedy="Run them on AerSimulator.from_backend(backend, method='matrix_product_state').",
    )
    simulated = isinstance(backend, AerSimulator)
    noise = backend.options.noise_model if simulated else NoiseModel.from_backend(backend)
    return AerSimulator(
        method="density_matrix", **({} if noise is None or noise.is_ideal() else {"noise_model": noise})
    )
