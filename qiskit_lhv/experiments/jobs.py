"""Running the PUBs of a plan on a Sampler, so that shots are independent and counts are right."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, TypeVar

import numpy as np
from qiskit.primitives import PrimitiveResult, StatevectorSampler

from .._support.deprecations import without_deprecations
from .._support.memory import GIB, memory_of_machine, require_memory
from ..exceptions import LHVError, MeasurementError
from ..quantum.circuit_steps import num_causal_qubits, stays_pure, steps_of, without_idle_qubits
from .pub_results import list_pub_results
from .sampler_probes import SamplerHabits, follows_one_branch, habits_of
from .samplers import (
    backend_of,
    chooses_methods,
    is_known,
    is_local,
    require_sampler,
    reseeded,
    sampler_for,
    seed_of,
    with_fresh_numbers,
)
from .transpilation import as_pass_manager, transpiler

__all__ = ["require_rising_widths", "run_plan", "with_equal_shots"]

Pub = tuple[Any, ...]
PlanT = TypeVar("PlanT")

# Bytes of an amplitude, times the copies that a state vector simulator makes.
_BYTES_PER_AMPLITUDE = 16 * 3


@without_deprecations
def run_plan(
    sampler: Any, plan: PlanT, make_pubs: Callable[[PlanT, Any, Any], list[Pub]], backend: Any, pass_manager: Any
) -> Any:
    """Runs the PUBs of a plan and returns the results in their order.

    They are one job, so that all shots are independent. On simulators circuits of fewer qubits come first in it,
    because Aer returns wrong counts for some of those that come later. Where it is seen that Aer chooses its method for
    noisy circuits, and no seed makes jobs repeat each other, circuits of different width are jobs of their own. What a
    sampler does with its random numbers is tried out, if it has a seed or is unknown.

    Args:
        sampler: Any V2 Sampler, or a backend, which gets one.
        plan: What to run.
        make_pubs: Makes the PUBs of a plan, backend and pass manager.
        backend: Backend to transpile for. Default: the backend of the sampler, if it can be found.
        pass_manager: Pass manager to transpile with instead.

    Raises:
        MeasurementError: If it is not a V2 Sampler, follows one random branch of circuits that do not stay pure,
            repeats its random numbers with a seed that cannot be changed, or cannot run the circuits.
    """
    sampler = sampler_for(sampler)
    require_sampler(sampler)
    behind = backend_of(sampler)
    here = behind is None or is_local(behind)
    if backend is None and pass_manager is None:
        backend = behind
    sampler = with_fresh_numbers(sampler)
    pubs = make_pubs(plan, backend, pass_manager)
    if here:
        if isinstance(sampler, StatevectorSampler):
            pubs = [(without_idle_qubits(pub[0]), *pub[1:]) for pub in pubs]
        if behind is None:
            _require_one_branch(sampler, pubs)
    habits = _habits(sampler, pubs, behind, backend, pass_manager)
    if habits.needs_equal_shots:
        pubs = with_equal_shots(pubs)
    if habits.repeats_inside and any(_size(pub) > 1 for pub in pubs):
        raise _repeats(sampler, "the settings of a PUB")
    if habits.repeats_between and len(pubs) > 1:
        jobs = _own_jobs(sampler, len(pubs))
        results = [list_pub_results(_finish(job, [pub], here))[0] for job, pub in zip(jobs, pubs, strict=True)]
        return PrimitiveResult(results)
    if not here:
        return _submit(sampler, pubs)
    split = chooses_methods(behind) and seed_of(sampler) is None
    found: dict[int, Any] = {}
    for places in _places_by_width(pubs, split):
        results = list_pub_results(_finish(sampler, [pubs[i] for i in places], here))
        found.update(zip(places, results, strict=False))
    return PrimitiveResult([found[i] for i in sorted(found)])


def _places_by_width(pubs: Sequence[Pub], split: bool) -> list[list[int]]:
    """Places of the PUBs in order of their number of qubits, together or one list for each number."""
    widths = [num_causal_qubits(pub[0]) for pub in pubs]
    order = sorted(range(len(pubs)), key=widths.__getitem__)
    return [[i for i in order if widths[i] == width] for width in sorted(set(widths))] if split else [order]


def _submit(sampler: Any, pubs: Sequence[Pub]) -> Any:
    """The result of one job; samplers that refuse unequal shots take the largest number for all PUBs."""
    shots = [pub[2] for pub in pubs]
    try:
        job = sampler.run(pubs)
    except Exception as exc:  # whatever a sampler says of shots that it does not want
        if len(set(shots)) == 1 or "shots" not in str(exc):
            raise
        job = sampler.run(with_equal_shots(pubs))
    return job.result()


def with_equal_shots(pubs: Sequence[Pub]) -> list[Pub]:
    """The PUBs with equal shots: of each, only those asked for are counted."""
    most = max(pub[2] for pub in pubs)
    return [(*pub[:2], most) for pub in pubs]


def _finish(sampler: Any, pubs: Sequence[Pub], here: bool) -> Any:
    """The result of one job; errors of simulators come with what to do."""
    try:
        return _submit(sampler, pubs)
    except LHVError:
        raise
    except Exception as exc:  # whatever goes wrong inside a simulator
        if not here:
            raise
        text = " ".join(str(getattr(exc, "message", exc)).split())
        width = max(num_causal_qubits(pub[0]) for pub in pubs)
        remedy = (
            f"A state vector of {width} qubits takes {16 * 2.0**width / GIB:.3g} GiB, a density matrix "
            f"{16 * 4.0**width / GIB:.3g} GiB: take fewer qubits, AerSimulator(method='matrix_product_state'), or, for "
            "a device, DeviceExperiment.simulate(backend)."
            if 16 * 4.0**width > memory_of_machine()
            else "Transpile for what it simulates: pass backend= or pass_manager=."
        )
        raise MeasurementError.bad_argument(
            "sampler",
            expected="one that runs the circuits of this experiment",
            got=f"{type(sampler).__name__}, which stopped with {type(exc).__name__}: {text[:300]}",
            remedy=remedy,
        ) from exc


# Circuits that a sampler cannot run as they are meant


def _require_one_branch(sampler: Any, pubs: Sequence[Pub]) -> None:
    """Refuses what one state vector cannot do: circuits that do not stay pure, and too many qubits."""
    circuits = {id(pub[0]): pub[0] for pub in pubs}.values()
    if isinstance(sampler, StatevectorSampler):
        width = max(circuit.num_qubits for circuit in circuits)
        require_memory(
            _BYTES_PER_AMPLITUDE * 2.0**width,
            "circuit",
            expected="a state vector that fits",
            got=f"one of {width} qubits, which takes",
            remedy="Run it on qiskit_aer.primitives.SamplerV2 with "
            "options={'backend_options': {'method': 'matrix_product_state'}}.",
        )
    if all(stays_pure(steps_of(circuit)) for circuit in circuits) or not follows_one_branch(sampler):
        return
    raise MeasurementError.bad_argument(
        "sampler",
        expected="one that simulates resets, channels and measurements before the end shot by shot",
        got=f"{type(sampler).__name__}, which follows one random branch for all shots",
        remedy="Use qiskit_aer.primitives.SamplerV2().",
    )


def require_rising_widths(pubs: Sequence[Pub], backend: Any) -> None:
    """Refuses PUBs for a job that Aer would return wrong counts for; see ``chooses_methods``."""
    if chooses_methods(backend):
        widths = [num_causal_qubits(pub[0]) for pub in pubs]
        if widths != sorted(widths):
            raise MeasurementError.bad_argument(
                "backend",
                expected="a simulator with a fixed method, for circuits of different numbers of qubits",
                got="one that chooses the method for each circuit, of which Aer 0.18 returns wrong counts",
                remedy="Use run(), or AerSimulator.from_backend(backend, method='density_matrix'), or "
                "'matrix_product_state' for many qubits.",
            )


# Random numbers


def _habits(sampler: Any, pubs: Sequence[Pub], behind: Any, backend: Any, pass_manager: Any) -> SamplerHabits:
    """What a sampler does with its random numbers, as far as it matters for these PUBs."""
    seed, known = seed_of(sampler), is_known(sampler)
    # Known samplers share no numbers inside a PUB, with fresh ones for state vectors.
    alone = len(pubs) == 1 and (known or _size(pubs[0]) == 1)
    if alone or (seed is None and known):
        return SamplerHabits()
    unequal = len({pub[2] for pub in pubs}) > 1
    if behind is not None and not is_local(behind):
        # A job on a device is not for trying things out; simulators behind a service share the numbers of a seed.
        return SamplerHabits(needs_equal_shots=unequal and seed is not None)
    if backend is None and pass_manager is None:
        transpile, size = transpiler(None, None), 2
    else:
        behind = backend if behind is None else behind
        transpile = transpiler(*as_pass_manager(behind, None if behind is not None else pass_manager))
        size = getattr(behind, "num_qubits", None) or 2
    habits = habits_of(sampler, transpile, size, unequal and seed is None)
    # Simulators that sort their PUBs by shots start from the seed for each number of shots.
    return replace(habits, needs_equal_shots=True) if unequal and seed is not None else habits


def _size(pub: Pub) -> int:
    return 1 if pub[1] is None else int(np.prod(pub[1].shape))


def _own_jobs(sampler: Any, number: int) -> list[Any]:
    """A copy of the sampler for each PUB, with a seed of its own."""
    seed = seed_of(sampler)
    if seed is None or not is_known(sampler):
        raise _repeats(sampler, "every PUB of a job")
    seeds = (np.random.SeedSequence(seed).generate_state(number) >> 1).tolist()
    copies = [reseeded(sampler, own_seed) for own_seed in seeds]
    if any(copy is None for copy in copies):
        raise _repeats(sampler, "every PUB of a job")
    return copies


def _repeats(sampler: Any, where: str) -> MeasurementError:
    return MeasurementError.bad_argument(
        "sampler",
        expected="one whose shots are independent",
        got=f"{type(sampler).__name__}, which starts from the same random numbers for {where}",
        remedy="Give it no seed (StatevectorSampler: a numpy Generator).",
    )
