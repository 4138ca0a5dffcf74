"""Which of Aer's methods simulates many qubits, and the noise of a device in a form that it takes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from qiskit import QuantumCircuit

from ..._support.deprecations import without_deprecations
from ..._support.validation import checked_seed, shown
from ...exceptions import MeasurementError
from ...quantum.circuit_steps import steps_of
from ..samplers import backend_of, is_local, require_backend

__all__ = [
    "depolarizing_noise",
    "noise_of",
    "require_named_method",
    "simulation_method",
    "simulator_of_method",
    "takes_only_clifford",
]

# What Aer's stabilizer method takes, in circuits and in errors.
_GATES = ("id", "x", "y", "z", "h", "s", "sdg", "sx", "sxdg", "cx", "cy", "cz", "swap", "ecr", "pauli")
_CLIFFORD = frozenset([*_GATES, "reset", "measure", "barrier", "delay", "if_else"])
_QUARTER = np.pi / 2
_MAX_AUTOMATIC = 24
_STABILIZER = "stabilizer"


def depolarizing_noise(backend: Any) -> Any:
    """A noise model of depolarizing and readout errors, as large as a backend reports them for its gates.

    Aer's stabilizer method takes it, whereas the thermal relaxation in ``NoiseModel.from_backend`` often is no mixture
    of Clifford operations. Relaxation of idle qubits is left out.

    Args:
        backend: A backend whose target says the errors of its operations; errors that it does not say count as 0.

    Returns:
        A ``qiskit_aer.noise.NoiseModel``.

    Raises:
        MeasurementError: If it is no backend.

    References:
        M. A. Nielsen, Phys. Lett. A 303, 249 (2002), arXiv:quant-ph/0205035 (from the average error of a gate to its
        channel).

    Examples:
        >>> from qiskit.providers.fake_provider import GenericBackendV2
        >>> noise = depolarizing_noise(GenericBackendV2(3, seed=1))
        >>> noise.noise_instructions, noise.noise_qubits
        (['cx', 'id', 'measure', 'sx', 'x'], [0, 1, 2])
    """
    require_backend(backend)
    from qiskit_aer.noise import NoiseModel, ReadoutError, depolarizing_error

    target = backend.target
    model = NoiseModel(basis_gates=sorted(target.operation_names))
    for name in target.operation_names:
        for qubits, properties in (target[name] or {}).items():
            error = getattr(properties, "error", None)
            if qubits is None or not error or name in ("reset", "delay"):
                continue
            if name == "measure":
                flip = min(float(error), 0.5)
                model.add_readout_error(ReadoutError([[1 - flip, flip], [flip, 1 - flip]]), list(qubits))
                continue
            # The average infidelity of a depolarizing channel of parameter p is p (d - 1) / d.
            dimension = 2.0 ** len(qubits)
            largest = dimension**2 / (dimension**2 - 1)
            parameter = min(float(error) * dimension / (dimension - 1), largest)
            model.add_quantum_error(depolarizing_error(parameter, len(qubits)), name, list(qubits))
    return model


def simulation_method(circuit: QuantumCircuit, clifford_settings: bool, noise_model: Any = None) -> str:
    """The method of Aer for a circuit of many qubits: ``"stabilizer"`` or ``"matrix_product_state"``.

    Args:
        circuit: Prepares the state.
        clifford_settings: Whether all settings are Paulis.
        noise_model: The noise, if there is any.
    """
    clifford = clifford_settings and _are_clifford(circuit) and _errors_are_clifford(noise_model)
    return _STABILIZER if clifford else "matrix_product_state"


def _are_clifford(circuit: QuantumCircuit) -> bool:
    for operation, _ in steps_of(circuit):
        if operation.name == "rz":
            try:
                turns = float(operation.params[0]) / _QUARTER
            except TypeError:  # a free parameter
                return False
            if abs(turns - round(turns)) > 1e-12:
                return False
        elif operation.name not in _CLIFFORD:
            return False
    return True


def _errors_are_clifford(noise_model: Any) -> bool:
    if noise_model is None or noise_model.is_ideal():
        return True
    errors: Iterable[Any] = noise_model.to_dict(serializable=False)["errors"]
    return all(
        step["name"] in _CLIFFORD
        for error in errors
        if error["type"] == "qerror"
        for steps in error["instructions"]
        for step in steps
    )


@without_deprecations
def simulator_of_method(method: str, backend: Any, noise_model: Any, seed: int | None) -> Any:
    """Aer's simulator with a named method.

    Args:
        method: The method.
        backend: A backend whose gates and couplings it has, or ``None``.
        noise_model: Its noise, or ``None``.
        seed: Its seed.
    """
    from qiskit_aer import AerSimulator

    options = {"method": method, "seed_simulator": checked_seed(seed)}
    if noise_model is not None and not noise_model.is_ideal():
        options["noise_model"] = noise_model
    if backend is None:
        return AerSimulator(**options)
    # Without an entry, Aer would take the noise that the backend reports.
    return AerSimulator.from_backend(backend, **{"noise_model": None, **options})


@without_deprecations
def noise_of(backend: Any, noise_model: Any) -> Any:
    """The noise model itself, or the one that a backend reports; ``None`` without both.

    Raises:
        MeasurementError: If one of them is of another kind.
    """
    from qiskit_aer.noise import NoiseModel

    if backend is not None:
        require_backend(backend)
    if noise_model is None:
        return None if backend is None else NoiseModel.from_backend(backend)
    if not isinstance(noise_model, NoiseModel):
        raise MeasurementError.bad_argument(
            "noise_model",
            expected="a NoiseModel of qiskit_aer.noise",
            got=shown(noise_model),
            remedy="depolarizing_noise(backend) makes one of the errors that a backend reports.",
        )
    return noise_model


def takes_only_clifford(backend: Any) -> bool:
    """Whether a backend is Aer's stabilizer simulator."""
    return backend is not None and getattr(getattr(backend, "options", None), "method", None) == _STABILIZER


def require_named_method(sampler: Any, num_qubits: int) -> None:
    """Refuses simulators that choose a method by themselves for many qubits.

    Args:
        sampler: Any V2 Sampler, or a backend.
        num_qubits: Number of qubits that are measured.

    Raises:
        MeasurementError: If the sampler has such a simulator, and there are many qubits.
    """
    behind = backend_of(sampler)
    if behind is None or not is_local(behind):
        return
    method = getattr(getattr(behind, "options", None), "method", None)
    if method in (None, "automatic") and num_qubits > _MAX_AUTOMATIC:
        raise MeasurementError.bad_argument(
            "sampler",
            expected=f"a simulator with a named method for more than {_MAX_AUTOMATIC} qubits",
            got=f"one that chooses the method itself, for {num_qubits} qubits",
            remedy="experiment.simulator(noise_model=...), or experiment.simulator(backend), names the one that fits.",
        )
