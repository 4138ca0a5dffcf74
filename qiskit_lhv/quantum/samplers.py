"""What has to be known of a V2 Sampler to run on it: its backend, and whether its shots are independent."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from qiskit import QuantumCircuit
from qiskit.primitives import PrimitiveResult, StatevectorSampler

from .._validation import is_whole_number
from ..exceptions import MeasurementError
from .results import PubPlan

__all__ = ["backend_of", "independent_shots", "run_plan"]


def backend_of(sampler: Any) -> Any:
    """The backend that a sampler names publicly, or ``None``."""
    backend = getattr(sampler, "backend", None)
    if callable(backend) and not hasattr(backend, "target"):
        backend = backend()
    return backend if hasattr(backend, "target") else None


def independent_shots(sampler: Any) -> tuple[Any, bool]:
    """Guards against simulators that start every setting from the same seed.

    ``StatevectorSampler`` with a number as its seed uses the same random numbers for every entry of a
    PUB; other seeded simulators do so for PUBs of different shots.

    Args:
        sampler: Any V2 Sampler.

    Returns:
        A sampler whose settings are independent within a PUB, and whether its PUBs need equal shots to
        be independent of each other.
    """
    if isinstance(sampler, StatevectorSampler):
        if is_whole_number(sampler.seed):
            generator = np.random.default_rng(int(sampler.seed))
            return StatevectorSampler(default_shots=sampler.default_shots, seed=generator), False
        return sampler, False
    options = getattr(sampler, "options", None)
    simulator = getattr(options, "simulator", None)
    seeds = (
        getattr(sampler, "seed", None),
        getattr(options, "seed_simulator", None),
        getattr(simulator, "seed_simulator", None),
        (getattr(options, "run_options", None) or {}).get("seed_simulator"),
        (getattr(options, "backend_options", None) or {}).get("seed_simulator"),
        getattr(getattr(_simulator_of(sampler), "options", None), "seed_simulator", None),
    )
    return sampler, any(is_whole_number(seed) for seed in seeds)


def run_plan(
    sampler: Any,
    plan: PubPlan,
    make_pubs: Callable[[PubPlan, Any, Any], list[tuple[Any, ...]]],
    backend: Any,
    pass_manager: Any,
) -> Any:
    """Runs the PUBs of a plan and returns the results in their order.

    They are one job, so that all shots are independent; but where Aer chooses its method for each noisy circuit,
    circuits of different size are jobs of their own. All settings of a group of qubits are in one job in any case.

    Args:
        sampler: Any V2 Sampler.
        plan: What to run.
        make_pubs: Makes the PUBs of a plan, backend and pass manager.
        backend: Backend to transpile for; default: the sampler's own, if it names one.
        pass_manager: Pass manager to transpile with instead.

    Raises:
        MeasurementError: If a seeded simulator would choose different methods for circuits of different size.
    """
    if backend is None and pass_manager is None:
        backend = backend_of(sampler)
    sampler, seeded = independent_shots(sampler)
    plan = plan.with_equal_shots() if seeded else plan
    pubs = make_pubs(plan, backend, pass_manager)
    sizes = [_num_used_qubits(pub[0]) for pub in pubs]
    if len(set(sizes)) == 1 or not _chooses_methods(sampler):
        return sampler.run(pubs).result()
    if seeded:
        # Jobs of their own would start from the same random numbers.
        raise MeasurementError.bad_argument(
            "sampler",
            expected="a simulator with a fixed method, or without a seed, for layers of different size with noise",
            got="one with a seed that chooses the method for each circuit, of which Aer 0.18.2 returns wrong counts",
            remedy="Use AerSimulator.from_backend(backend, method='density_matrix'), or 'matrix_product_state' for "
            "many qubits.",
        )
    results: dict[int, Any] = {}
    for size in sorted(set(sizes)):
        places = [i for i, one in enumerate(sizes) if one == size]
        results.update(zip(places, sampler.run([pubs[i] for i in places]).result(), strict=True))
    return PrimitiveResult([results[i] for i in range(len(pubs))])


def _simulator_of(sampler: Any) -> Any:
    """The backend of a sampler; Aer's own Sampler does not name it publicly."""
    return backend_of(sampler) or getattr(sampler, "_backend", None)


def _chooses_methods(sampler: Any) -> bool:
    """Whether Aer simulates noise and chooses a method for each circuit.

    Aer 0.18.2 returns wrong counts for noisy circuits that it simulates with density matrices in a job in which it
    simulates larger ones with state vectors.
    """
    backend = _simulator_of(sampler)
    home = type(backend).__module__
    fake = home.startswith(("qiskit.providers.fake_provider", "qiskit_ibm_runtime.fake_provider"))
    if not fake and not home.startswith("qiskit_aer"):
        return False
    options = getattr(sampler, "options", None)
    settings = dict(vars(backend.options)) if hasattr(backend, "options") else {}
    for name in ("backend_options", "run_options"):
        settings.update(getattr(options, name, None) or {})
    noisy = fake or settings.get("noise_model") is not None
    return noisy and settings.get("method") in (None, "automatic")


def _num_used_qubits(circuit: QuantumCircuit) -> int:
    return len({qubit for instruction in circuit.data for qubit in instruction.qubits})
