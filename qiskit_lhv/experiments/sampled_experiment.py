"""What every experiment on V2 Samplers shares: PUBs, a run, and counts from a result."""

from __future__ import annotations

from abc import ABC, abstractmethod
from functools import partial
from typing import Any, Generic, TypeVar

from numpy.typing import ArrayLike

from .jobs import require_rising_widths, run_plan
from .pub_results import PubPlan
from .schedules import SettingSchedule, require_schedule
from .transpilation import TranspilerChoice

__all__ = ["SampledExperiment"]

CountsT = TypeVar("CountsT")


class SampledExperiment(ABC, Generic[CountsT]):
    """An experiment that any V2 Sampler can run; its kinds say which circuits it takes and what its counts are."""

    def pubs(
        self,
        shots: ArrayLike | SettingSchedule,
        *,
        backend: Any = None,
        pass_manager: Any = None,
        optimization_level: int | None = None,
        seed_transpiler: int | None = None,
    ) -> list[tuple[Any, ...]]:
        """Returns the PUBs of one job.

        Args:
            shots: Shots of each setting combination: a number, or an array of shape ``(m_1, ..., m_N)``; or a
                schedule, which also gives the order of the settings.
            backend: The backend to transpile for. For a simulator without couplings, only gates that it does not
                support are translated. Without a backend and a pass manager, the circuits are not transpiled.
            pass_manager: The pass manager to transpile with instead.
            optimization_level: Level of the transpiler for the backend, from 0 to 3. Default: 1 for devices; for
                simulators, only the translation.
            seed_transpiler: Seed of the transpiler for the backend.

        Returns:
            PUBs ``(circuit, parameter values, shots)``. For equal shots, there is one whose parameter values have
            the shape of the grid of settings; for unequal shots, joint bases or POVMs, one for each setting
            combination in the order of ``numpy.ndindex``. For a schedule, there is one for each stretch of runs with
            equal shots, whose parameter values have the runs as their axis; with joint bases or POVMs, one per run. A
            :class:`DeviceExperiment` has all of these for each layer; every group has a register of its own, named
            after its qubits, such as ``q3_4``.

        The circuits carry a signature in their metadata, by which :meth:`counts` recognizes them. Circuits that do not
        stay pure also measure a qubit at the start, where it is 0. ``StatevectorSampler`` rejects this; otherwise it
        would follow one random branch of a reset for all shots.

        Raises:
            CountsError: If a shot number is not a positive whole number, or a schedule does not fit.
            MeasurementError: If circuit and backend or pass manager do not fit each other. A
                :class:`DeviceExperiment` never moves qubits: the device must have the couplings that its circuit
                needs, and a pass manager must keep qubit q on physical qubit q
                (``initial_layout=range(num_qubits)``).
        """
        choice = TranspilerChoice.of(optimization_level, seed_transpiler, pass_manager)
        pubs = self._pubs(self._plan(shots), backend, pass_manager, choice=choice, for_any_sampler=True)
        require_rising_widths(pubs, backend)
        return pubs

    def run(
        self,
        sampler: Any,
        shots: ArrayLike | SettingSchedule = 1000,
        *,
        backend: Any = None,
        pass_manager: Any = None,
        optimization_level: int | None = None,
        seed_transpiler: int | None = None,
    ) -> CountsT:
        """Runs the experiment and returns its counts.

        Shots of different settings are independent, even if a seeded simulator would use the same random numbers for
        all of them. In this case a ``StatevectorSampler`` gets a generator made from its seed. Other simulators run
        equal numbers of shots, of which only the requested ones are counted, or a separate job for each PUB with a seed
        derived from theirs. If a simulator has a seed or is of an unknown kind, its behavior is tested with a job of a
        few shots.

        Args:
            sampler: Any V2 Sampler: ``StatevectorSampler``, Aer's ``SamplerV2``, ``BackendSamplerV2``, or
                the Samplers of ``qiskit_ibm_runtime``.
            shots: As in :meth:`pubs`.
            backend: The backend to transpile for. Default: the one behind the sampler. For a simulator without
                couplings, only gates that it does not support are translated.
            pass_manager: The pass manager to transpile with instead.
            optimization_level: As in :meth:`pubs`.
            seed_transpiler: As in :meth:`pubs`.

        Returns:
            The counts of a :class:`BellExperiment`; of a :class:`DeviceExperiment`, those of each group, in the order
            of the groups.

        Raises:
            CountsError: As in :meth:`pubs`.
            MeasurementError: As in :meth:`pubs`; or if ``sampler`` is not a V2 Sampler, holds one state vector and the
                circuit does not stay pure, repeats its random numbers with a seed that cannot be changed, or is a
                simulator that cannot run the circuits.
        """
        choice = TranspilerChoice.of(optimization_level, seed_transpiler, pass_manager)
        plan = self._plan(shots)
        return self._counts(self._run(sampler, plan, backend, pass_manager, choice), plan)

    def counts(self, result: Any, schedule: SettingSchedule | None = None) -> CountsT:
        """Reads the counts from the result of this experiment's PUBs.

        Args:
            result: The ``PrimitiveResult`` of the PUBs that :meth:`pubs` returned.
            schedule: The schedule that :meth:`pubs` was given; default: it was given shots.

        Returns:
            The counts, as from :meth:`run`.

        Raises:
            CountsError: If the result is that of other PUBs, by their signature or shape, a setting combination has
                no shots, or settings, groups or layers have the same shots in the same order, from a sampler that
                repeats itself.
        """
        return self._counts(result, None if schedule is None else self._plan(require_schedule(schedule)))

    def _run(self, sampler: Any, plan: PubPlan, backend: Any, pass_manager: Any, choice: TranspilerChoice) -> Any:
        """The result of the PUBs of a plan."""
        return run_plan(sampler, plan, partial(self._pubs, choice=choice), backend, pass_manager)

    @abstractmethod
    def _plan(self, shots: ArrayLike | SettingSchedule) -> PubPlan:
        """What is run for these shots, or this schedule."""

    @abstractmethod
    def _pubs(
        self,
        plan: PubPlan,
        backend: Any,
        pass_manager: Any,
        *,
        choice: TranspilerChoice,
        for_any_sampler: bool = False,
    ) -> list[tuple[Any, ...]]:
        """The PUBs of a plan; for any sampler, they are such that one that holds a single state vector refuses them."""

    @abstractmethod
    def _counts(self, result: Any, plan: PubPlan | None) -> CountsT:
        """The counts in a result of the PUBs of a plan; without one, of those of :meth:`pubs` for shots."""
