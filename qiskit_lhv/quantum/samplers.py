"""What has to be known of a V2 Sampler to run on it: its backend, and whether its shots are independent."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from qiskit.primitives import StatevectorSampler

from .._validation import is_whole_number
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
    )
    return sampler, any(is_whole_number(seed) for seed in seeds)


def run_plan(
    sampler: Any,
    plan: PubPlan,
    make_pubs: Callable[[PubPlan, Any, Any], list[tuple[Any, ...]]],
    backend: Any,
    pass_manager: Any,
) -> Any:
    """Runs the PUBs of a plan in one job, so that all shots are independent, and returns its result.

    Args:
        sampler: Any V2 Sampler.
        plan: What to run.
        make_pubs: Makes the PUBs of a plan, backend and pass manager.
        backend: Backend to transpile for; default: the sampler's own, if it names one.
        pass_manager: Pass manager to transpile with instead.
    """
    if backend is None and pass_manager is None:
        backend = backend_of(sampler)
    sampler, seeded = independent_shots(sampler)
    plan = plan.with_equal_shots() if seeded else plan
    return sampler.run(make_pubs(plan, backend, pass_manager)).result()
