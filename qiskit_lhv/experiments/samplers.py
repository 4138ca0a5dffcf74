"""What can be seen of a V2 Sampler: whether it is one, the backend behind it, and its seed."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import numpy as np
from qiskit import QuantumCircuit
from qiskit.primitives import BackendSamplerV2, StatevectorSampler
from qiskit.primitives.base import BaseEstimatorV2, BaseSamplerV2
from qiskit.providers import BackendV2

from .._support.validation import is_whole_number, shown
from ..exceptions import MeasurementError

__all__ = [
    "backend_of",
    "chooses_methods",
    "has_couplings",
    "is_known",
    "is_local",
    "require_backend",
    "require_sampler",
    "reseeded",
    "sampler_for",
    "seed_of",
    "with_fresh_numbers",
]

# How deep backends and samplers are looked for inside a sampler.
_DEPTH = 3
# Where backends are simulated on this machine, so that a job costs nothing but time.
_LOCAL = (
    "qiskit_aer.",
    "qiskit.providers.fake_provider.",
    "qiskit.providers.basic_provider.",
    "qiskit_ibm_runtime.fake_provider.",
)
_KNOWN = ("qiskit.", "qiskit_aer.", "qiskit_ibm_runtime.")
_EXAMPLES = "StatevectorSampler(), qiskit_aer.primitives.SamplerV2() or qiskit_ibm_runtime.Sampler(mode=backend)"


def require_sampler(sampler: Any) -> None:
    """Raises MeasurementError, with what to pass instead, if it is not a V2 Sampler."""
    got, remedy = shown(sampler), f"Such as {_EXAMPLES}."
    if sampler is None:
        pass
    elif isinstance(sampler, type):
        got, remedy = f"the class {sampler.__name__}", f"Pass an object: {sampler.__name__}(...)."
    elif isinstance(sampler, str):
        remedy = f"Get the backend of that name from its service, then pass a sampler for it, such as {_EXAMPLES}."
    elif callable(getattr(sampler, "least_busy", None)):
        remedy = "Pass a backend of this service: service.backend(name), or service.least_busy()."
    elif isinstance(sampler, QuantumCircuit):
        remedy = f"The circuit goes to BellExperiment(circuit, settings), and run() takes what runs it: {_EXAMPLES}."
    elif isinstance(sampler, BaseEstimatorV2):
        got = f"the estimator {type(sampler).__name__}"
        remedy = f"Counts come from samplers, such as {_EXAMPLES}. estimate_from_estimator reads estimators."
    elif isinstance(sampler, BaseSamplerV2) or (callable(getattr(sampler, "run", None)) and not _is_compiler(sampler)):
        return
    raise MeasurementError.bad_argument("sampler", expected="a V2 Sampler", got=got, remedy=remedy)


def sampler_for(sampler: Any) -> Any:
    """The sampler that runs on a backend or simulator; all else is returned as it is.

    Aer's simulators get Aer's Sampler, backends of IBM's service the one of ``qiskit_ibm_runtime``, and all others
    ``BackendSamplerV2``.

    Args:
        sampler: What the caller passed to run on.
    """
    if not _is_backend(sampler):
        return sampler
    modules = [f"{kind.__module__}." for kind in type(sampler).__mro__]
    if any(name.startswith("qiskit_aer.") for name in modules):
        from qiskit_aer.primitives import SamplerV2

        options = getattr(sampler, "options", None)
        return SamplerV2.from_backend(sampler, seed=getattr(options, "seed_simulator", None))
    if any(name.startswith("qiskit_ibm_runtime.") for name in modules) and not is_local(sampler):
        from qiskit_ibm_runtime import SamplerV2 as RuntimeSampler

        return RuntimeSampler(mode=sampler)
    return BackendSamplerV2(backend=sampler)


def require_backend(backend: Any) -> None:
    """Raises MeasurementError if it is not a backend to transpile for."""
    if _is_backend(backend):
        return
    remedy = "Get the backend of that name from its service." if isinstance(backend, str) else ""
    if isinstance(backend, type):
        remedy = f"Pass an object: {backend.__name__}(...)."
    elif callable(getattr(backend, "run", None)):
        remedy = "A sampler is the first argument of run(); its backend is found by itself."
    raise MeasurementError.bad_argument("backend", expected="a BackendV2", got=shown(backend), remedy=remedy)


def _is_backend(value: Any) -> bool:
    if isinstance(value, type | BaseSamplerV2 | BaseEstimatorV2):
        return False
    return isinstance(value, BackendV2) or (hasattr(value, "target") and callable(getattr(value, "run", None)))


def _is_compiler(value: Any) -> bool:
    from qiskit.passmanager import BasePassManager

    return isinstance(value, BasePassManager)


# What is inside


def backend_of(sampler: Any) -> Any:
    """The backend that a sampler runs on, or ``None`` if it cannot be seen.

    Samplers name it publicly, keep it to themselves (Aer's), or keep another sampler inside that has one.
    """
    for part in _parts(sampler, _DEPTH):
        if _is_backend(part):
            return part
        named = getattr(part, "backend", None)
        if callable(named) and not _is_backend(named):
            try:
                named = named()
            except Exception:  # a method that wants arguments names no backend
                named = None
        if _is_backend(named):
            return named
    return None


def _parts(value: Any, depth: int) -> Iterator[Any]:
    """An object that runs something, and those inside it."""
    yield value
    if depth and not _is_backend(value):
        for inner in list(getattr(value, "__dict__", {}).values()):
            if not isinstance(inner, type) and callable(getattr(inner, "run", None)):
                yield from _parts(inner, depth - 1)


def is_local(backend: Any) -> bool:
    """Whether a backend is a simulator on this machine, as far as can be told."""
    return any(f"{kind.__module__}.".startswith(_LOCAL) for kind in type(backend).__mro__)


def has_couplings(backend: Any) -> bool:
    """Whether a backend says which of its qubits are coupled."""
    return getattr(backend, "coupling_map", None) is not None


def is_known(sampler: Any) -> bool:
    """Whether all of a sampler is of packages that repeat random numbers only if they are given a seed."""
    return all(f"{type(part).__module__}.".startswith(_KNOWN) for part in _parts(sampler, _DEPTH))


def chooses_methods(backend: Any) -> bool:
    """Whether a backend is Aer with noise that chooses a method for each circuit.

    In one job, Aer 0.17 and 0.18 return wrong counts for circuits whose noise they simulate by density matrices after
    others simulated by state vectors. State vectors are chosen for circuits of many qubits.
    """
    if backend is None or not is_local(backend):
        return False
    options = getattr(backend, "options", None)
    simulated = type(backend).__module__.startswith("qiskit_aer")
    noisy = not simulated or getattr(options, "noise_model", None) is not None
    return noisy and getattr(options, "method", None) in (None, "automatic")


# Seeds


def seed_of(sampler: Any) -> int | None:
    """The number that a sampler, or a simulator inside it, is seeded with."""
    for part in [*_parts(sampler, _DEPTH), backend_of(sampler)]:
        options = getattr(part, "options", None)
        found = [getattr(part, "seed", None), getattr(options, "seed_simulator", None)]
        found.append(getattr(getattr(options, "simulator", None), "seed_simulator", None))
        for name in ("run_options", "backend_options"):
            inner = getattr(options, name, None)
            found.append(inner.get("seed_simulator") if isinstance(inner, dict) else None)
        for seed in found:
            if is_whole_number(seed):
                return int(seed)
    return None


def with_fresh_numbers(sampler: Any) -> Any:
    """A ``StatevectorSampler`` that draws new random numbers for every entry of a PUB, also if its seed is a number.

    With a number as its seed it starts from it for each entry. Other samplers are returned as they are.
    """
    if not isinstance(sampler, StatevectorSampler) or sampler.seed is None or isinstance(sampler.seed, _MOVING):
        return sampler
    fresh = copy.copy(sampler)
    fresh._seed = np.random.default_rng(sampler.seed)
    return fresh


_MOVING = (np.random.Generator, np.random.BitGenerator)


def reseeded(sampler: Any, seed: int) -> Any:
    """A copy of a sampler with another seed, or ``None`` if its seed has no place that is known."""
    fresh = copy.copy(sampler)
    try:
        options: Any = copy.deepcopy(getattr(sampler, "options", None))
        for holder in (getattr(options, "simulator", None), options):
            if holder is not None and is_whole_number(getattr(holder, "seed_simulator", None)):
                holder.seed_simulator = seed
                fresh.options = options
                return fresh
    except Exception:  # options that cannot be copied or set
        return None
    return None
