"""Results of Samplers: which runs are in which PUB, and their bits."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from qiskit.primitives import PubResult
from qiskit.result import Result

from .._support.validation import shown
from ..exceptions import CountsError
from ..targets.counts import BellCounts
from ..targets.designs import check_shots
from ..targets.scenario import BellScenario
from .schedules import SettingSchedule
from .signatures import check_signature, short_digest

__all__ = ["PubPlan", "RunBits", "counts_of", "list_pub_results", "pub_signature", "read_runs"]

# More PUBs than this are a mistake: no device takes them in one job.
_MAX_PUBS = 1000


@dataclass(frozen=True)
class PubPlan:
    """Which runs of a schedule are in which PUB of a circuit."""

    schedule: SettingSchedule
    """The runs."""
    grid: tuple[int, ...]
    """Number of settings of each party."""
    has_schedule: bool
    """Whether the caller gave a schedule, or shots of each setting combination."""
    one_circuit: bool
    """Whether one parameterized circuit serves all settings."""

    @classmethod
    def of(cls, shots: ArrayLike | SettingSchedule, grid: tuple[int, ...], one_circuit: bool) -> Self:
        """The plan of a schedule, or of shots of each setting combination.

        Raises:
            CountsError: If they do not fit the settings, or would take too many PUBs.
        """
        if not isinstance(shots, SettingSchedule):
            numbers = check_shots(shots, grid, some=True)
            schedule = SettingSchedule.blocks(grid, numbers)
            # If some combinations are left out, the PUBs are those of the schedule.
            return cls(schedule, grid, bool(numbers.min() == 0), one_circuit)
        plan = cls(shots, grid, True, one_circuit)
        known = np.shape(shots.setting_probabilities) if shots.setting_probabilities is not None else grid
        if shots.num_parties != len(grid) or known != grid or np.any(shots.positions >= np.array(grid)):
            largest = tuple(shots.positions.max(axis=0).tolist())
            raise CountsError.bad_argument(
                "schedule",
                expected=f"one for {grid} settings",
                got=f"one for {known} settings" if known != grid else f"positions up to {largest}",
                remedy="Make it with experiment.scenario.num_settings.",
            )
        if len(plan.shapes) > _MAX_PUBS:
            reason = "runs of unequal shots" if one_circuit else "joint bases and POVMs"
            remedy = (
                "Give every run the same shots (interleaved: a multiple of the rounds)."
                if one_circuit
                else "Use SettingSchedule.interleaved with fewer rounds, or settings that measure product bases."
            )
            raise CountsError.bad_argument(
                "schedule",
                expected=f"at most {_MAX_PUBS} PUBs",
                got=f"{len(plan.shapes)}, because {reason} take one PUB each",
                remedy=remedy,
            )
        return plan

    @property
    def shapes(self) -> tuple[tuple[int, ...], ...]:
        """Shape of the parameters of each PUB; a PUB's runs are in the order of ``numpy.ndindex``."""
        alone: tuple[tuple[int, ...], ...] = ((),) * self.schedule.num_runs
        if not self.one_circuit:
            return alone
        if self.has_schedule:
            return tuple((stop - start,) for start, stop in self.schedule.stretches)
        return (self.grid,) if len(self.schedule.stretches) == 1 else alone

    @property
    def parts(self) -> Iterator[tuple[tuple[int, ...], slice]]:
        """Shape and runs of each PUB."""
        start = 0
        for shape in self.shapes:
            stop = start + math.prod(shape)
            yield shape, slice(start, stop)
            start = stop

    @property
    def digest(self) -> str:
        """A fingerprint of the runs: their order and, of a schedule, their shots."""
        shots = self.schedule.shots.tobytes() if self.has_schedule else b""
        return short_digest(str(self.grid), self.schedule.positions.tobytes(), shots)


def list_pub_results(result: Any) -> list[Any]:
    """The results of the PUBs, from a Sampler's job, which is waited for, or from what it returned.

    Raises:
        CountsError: If it is something else.
    """
    wait = getattr(result, "result", None)
    if callable(wait) and not isinstance(result, type):
        result = wait()
    if isinstance(result, Result):
        # Qiskit's results of backends have data, too.
        raise CountsError.bad_argument(
            "result",
            expected="a Sampler's job, or its PrimitiveResult",
            got="the Result of a backend",
            remedy="experiment.run(backend) runs on a backend. Results of circuits of your own go to "
            "BellCounts.from_counts.",
        )
    results = [result] if isinstance(result, PubResult) or not isinstance(result, Iterable) else list(result)
    if isinstance(result, Mapping | str) or not all(hasattr(part, "data") for part in results):
        remedy = "Pass the job of the PUBs that pubs() returned, or its result."
        if isinstance(result, Mapping):
            remedy += " Dictionaries of counts go to BellCounts.from_counts."
        raise CountsError.bad_argument(
            "result", expected="a Sampler's job, or its PrimitiveResult", got=shown(result), remedy=remedy
        )
    return results


def counts_of(table: NDArray[np.int64], scenario: BellScenario, plan: PubPlan | None) -> BellCounts:
    """The counts of a table, with the design of the plan; ``None``: in blocks."""
    if plan is None:
        return BellCounts(table, scenario=scenario)
    return BellCounts(table, plan.schedule.design, plan.schedule.setting_probabilities, scenario=scenario)


@dataclass(frozen=True)
class RunBits:
    """The bits of the runs of one PUB."""

    positions: NDArray[np.int64]
    """Settings of each run, shape ``(runs, N)``."""
    bits: NDArray[np.bool_]
    """Shape ``(runs, shots, bits)``, classical bit 0 first."""
    counted: NDArray[np.bool_]
    """Which shots count, shape ``(runs, shots)``: in each run, the first of those that were taken."""


def read_runs(
    pub_results: Sequence[Any],
    name: str,
    num_bits: int,
    grid: tuple[int, ...],
    plan: PubPlan | None,
    signature: Mapping[str, Any],
    one_circuit: bool,
) -> Iterator[RunBits]:
    """The bits of one register in the results of the PUBs of one circuit.

    Args:
        pub_results: Results of the PUBs, in order.
        name: Name of the register.
        num_bits: Number of its bits.
        grid: Number of settings of each party.
        plan: The PUBs, with the shots to count in each run; ``None``: every setting combination once, and
            all shots count.
        signature: What all PUBs are signed with.
        one_circuit: Whether one circuit serves all settings.

    Raises:
        CountsError: If the results are not those of the PUBs.
    """
    registers = []
    for pub_result in pub_results:
        register = getattr(getattr(pub_result, "data", None), name, None)
        if register is None:
            raise CountsError.bad_argument(
                "result",
                expected=f"a register {name!r} in every PUB, as in the circuits that pubs() returned",
                got=shown(pub_result),
                remedy="Run these: experiment.run(sampler), or experiment.counts(sampler.run(experiment.pubs(shots))). "
                "Counts of circuits of your own go to BellCounts.from_counts; values of an Estimator are not counts.",
            )
        if register.num_bits != num_bits:
            raise CountsError.bad_argument("result", expected=f"{num_bits} bits", got=f"{register.num_bits}")
        registers.append(register)
    shapes = [tuple(register.shape) for register in registers]
    if plan is None:
        number = math.prod(grid)
        fits, expected = shapes in ([grid], [()] * number), f"one PUB of shape {grid} or {number} PUBs"
        positions = SettingSchedule.blocks(grid, 1).positions
    else:
        fits, expected = shapes == list(plan.shapes), f"{len(plan.shapes)} PUBs of shapes {_shortened(plan.shapes)}"
        positions = plan.schedule.positions
    if not fits:
        raise CountsError.bad_argument(
            "result",
            expected=expected,
            got=f"{len(registers)} PUBs of shapes {_shortened(shapes)}",
            remedy="Pass the result of the PUBs that pubs() returned.",
        )
    start = 0
    digest = (PubPlan.of(1, grid, True) if plan is None else plan).digest
    for i, register in enumerate(registers):
        bits = register.to_bool_array(order="little").reshape(-1, register.num_shots, num_bits)
        runs = slice(start, start + len(bits))
        start = runs.stop
        counted = np.ones(bits.shape[:2], dtype=bool)
        if plan is not None:
            shots = plan.schedule.shots[runs]
            if plan.has_schedule and shots.max() > register.num_shots:
                raise CountsError.bad_argument(
                    "result", expected=f"at least {shots.max()} shots per run", got=f"{register.num_shots}"
                )
            counted = np.arange(register.num_shots) < shots[:, None]
        check_signature(
            pub_results[i], {**signature, "schedule": digest, **pub_signature(i, positions[runs], one_circuit)}
        )
        yield RunBits(positions[runs], bits, counted)


def pub_signature(number: int, positions: NDArray[np.int64], one_circuit: bool) -> dict[str, Any]:
    """What tells a PUB from the others of its experiment: its number, or the only setting that its circuit measures."""
    return {"pub": number} if one_circuit else {"setting": positions[0].tolist()}


def _shortened(shapes: Sequence[tuple[int, ...]]) -> str:
    text = ", ".join(map(str, shapes[:6]))
    return f"[{text}{', ...' if len(shapes) > 6 else ''}]"
