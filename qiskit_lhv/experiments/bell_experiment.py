"""Bell experiments on V2 Samplers: circuit and settings in, counts out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from qiskit import AncillaRegister, QuantumCircuit
from qiskit.circuit import Parameter
from qiskit.quantum_info import Statevector

from .._support.words import counted
from ..measurements.specification import Measurement, parse_settings
from ..quantum.qubit_layouts import PhysicalQubits, parse_parties
from ..targets.behaviors import Behavior
from ..targets.counts import BellCounts
from ..targets.scenario import BellScenario
from ..targets.trials import BellTrials
from .preparations import name_apart_from, preparing_circuit, require_bound, require_static, require_unread_parties
from .pub_results import PubPlan, counts_of, list_pub_results
from .repeats import RunLog
from .sampled_experiment import SampledExperiment
from .schedules import SettingSchedule, require_schedule
from .setting_circuits import SettingCircuits
from .signatures import digest_of_circuit
from .sweeps import BellSweep
from .transpilation import TranspilerChoice, as_pass_manager, refusing_state_vectors, transpiler

__all__ = ["BellExperiment"]

_REGISTER = "outcomes"
_ANCILLAS = "ancillas"


class BellExperiment(SampledExperiment[BellCounts]):
    """A prepared state and the settings of each party, ready for any V2 Sampler.

    If every setting measures a product basis (always so for single-qubit parties), one parameterized
    circuit with measurements serves all settings: one PUB whose parameter array has the shape of the settings
    grid. Settings in joint bases take one circuit for each setting combination, and so do POVMs, which are
    measured together with ancillas: qubits of the circuit that nothing acts on, or further ones.

    Args:
        circuit: The circuit that prepares the state. It may have more qubits than the parties use. It may measure other
            qubits, or the parties' own before the end, and feed the results forward; and it may have free parameters,
            for a :meth:`sweep`. A ``Statevector`` of qubits stands for a circuit that prepares it.
        settings: One sequence of measurements per party (anything that ``measurement`` takes), or a name:
            ``"chsh"``, ``"mermin"``.
        parties: The qubit, or the sequence of qubits, of each party, by number, ``Qubit`` or ``QuantumRegister``;
            default: party k is qubit k. Of a transpiled circuit these are the qubits of the circuit it was transpiled
            from, wherever its layout has put them; ``PhysicalQubits`` names its own.

    Raises:
        MeasurementError: If the circuit ends with measurements of its parties, or the settings do not fit.

    References:
        J. F. Clauser, M. A. Horne, A. Shimony, R. A. Holt, Phys. Rev. Lett. 23, 880 (1969) (``"chsh"``); N. D. Mermin,
        Phys. Rev. Lett. 65, 1838 (1990) (``"mermin"``); A. Peres, Found. Phys. 20, 1441 (1990) (POVMs with ancillas).

    Examples:
        >>> from qiskit import QuantumCircuit
        >>> from qiskit.primitives import StatevectorSampler
        >>> bell = QuantumCircuit(2)
        >>> _ = bell.h(0), bell.cx(0, 1)
        >>> experiment = BellExperiment(bell, "chsh")
        >>> experiment.behavior().to_correlators()[1:, 1:].round(4).tolist()
        [[0.7071, 0.7071], [0.7071, -0.7071]]
        >>> counts = experiment.run(StatevectorSampler(seed=7), shots=1000)
        >>> counts.num_shots.tolist()
        [[1000, 1000], [1000, 1000]]
    """

    def __init__(
        self,
        circuit: QuantumCircuit | Statevector,
        settings: Sequence[Sequence[Any]] | str,
        parties: Sequence[Any] | PhysicalQubits | None = None,
    ) -> None:
        self._circuit = preparing_circuit(circuit)
        groups = parse_parties(parties, self._circuit)
        require_unread_parties(self._circuit, groups, parties)
        parsed = parse_settings(settings, [2 ** len(group) for group in groups])
        self._measurements = SettingCircuits(parsed, groups, self._circuit)

    def __repr__(self) -> str:
        return f"BellExperiment({self.scenario}, {counted(self._circuit.num_qubits, 'qubit')})"

    @property
    def circuit(self) -> QuantumCircuit:
        """The circuit that prepares the state."""
        return self._circuit

    @property
    def parties(self) -> tuple[tuple[int, ...], ...]:
        """The qubits of each party, by their numbers in the circuit (physical ones, if it is transpiled)."""
        return self._measurements.parties

    @property
    def settings(self) -> tuple[tuple[Measurement, ...], ...]:
        """The measurements of each party."""
        return self._measurements.settings

    @property
    def scenario(self) -> BellScenario:
        """The number of settings and outcomes of each party."""
        return self._measurements.scenario

    @property
    def uses_one_circuit(self) -> bool:
        """Whether all settings measure product bases, so that one parameterized circuit serves them."""
        return self._measurements.uses_one_circuit

    @property
    def ancillas(self) -> tuple[tuple[int, ...], ...]:
        """The ancillas of each party, empty unless it measures a POVM; further qubits follow those of the circuit."""
        return self._measurements.ancillas

    def behavior(self) -> Behavior:
        """The exact behavior of the circuit's state, without noise or shots.

        Raises:
            MeasurementError: If the circuit measures, or has free parameters.
        """
        require_bound(self._circuit)
        require_static(
            self._circuit,
            "Its exact behavior is not computed: run(...) takes shots, as on qiskit_aer.AerSimulator() without noise.",
        )
        return Behavior.from_state(self._circuit, self.settings, PhysicalQubits(self.parties))

    def sweep(self, values: Any) -> BellSweep:
        """Returns the experiment at several values of the circuit's free parameters, all of them in one job.

        Args:
            values: For one parameter, its values, shape ``(V,)``. For several, shape ``(V, P)``, parameters in the
                order of ``circuit.parameters``; or a dictionary from each parameter, or its name, to its values, shape
                ``(V,)``.

        Raises:
            MeasurementError: If the circuit has no free parameters, or the values do not fit them.

        Examples:
            >>> from qiskit import QuantumCircuit
            >>> from qiskit.circuit import Parameter
            >>> from qiskit.primitives import StatevectorSampler
            >>> turned = QuantumCircuit(2)
            >>> _ = turned.h(0), turned.cx(0, 1), turned.ry(Parameter("theta"), 0)
            >>> sweep = BellExperiment(turned, "chsh").sweep([0, 0.5, 1])
            >>> [counts.total_shots for counts in sweep.run(StatevectorSampler(seed=7), shots=100)]
            [400, 400, 400]
        """
        return BellSweep(self, values)

    # Trials. PUBs, runs and counts are those of every experiment on a Sampler

    def run_trials(
        self,
        sampler: Any,
        schedule: SettingSchedule,
        *,
        backend: Any = None,
        pass_manager: Any = None,
        optimization_level: int | None = None,
        seed_transpiler: int | None = None,
    ) -> BellTrials:
        """Runs a schedule and returns its trials in the order they were taken.

        Args:
            sampler: As in :meth:`run`; seeded simulators are treated as there.
            schedule: The schedule to run.
            backend: As in :meth:`run`.
            pass_manager: As in :meth:`run`.
            optimization_level: As in :meth:`pubs`.
            seed_transpiler: As in :meth:`pubs`.

        Raises:
            CountsError: If the schedule does not fit.
            MeasurementError: As in :meth:`run`.

        Examples:
            >>> from qiskit import QuantumCircuit
            >>> from qiskit.primitives import StatevectorSampler
            >>> bell = QuantumCircuit(2)
            >>> _ = bell.h(0), bell.cx(0, 1)
            >>> schedule = SettingSchedule.random((2, 2), 100, seed=1)
            >>> BellExperiment(bell, "chsh").run_trials(StatevectorSampler(seed=7), schedule)
            BellTrials(2 parties with 2 settings of 2 outcomes each, 100 trials, design='random')
        """
        choice = TranspilerChoice.of(optimization_level, seed_transpiler, pass_manager)
        plan = self._plan(require_schedule(schedule))
        return self._trials(self._run(sampler, plan, backend, pass_manager, choice), plan)

    def trials(self, result: Any, schedule: SettingSchedule) -> BellTrials:
        """Reads the trials, in the order they were taken, from the result of a schedule's PUBs.

        Args:
            result: The ``PrimitiveResult`` of the PUBs that :meth:`pubs` returned.
            schedule: The schedule that :meth:`pubs` was given.

        Returns:
            One row per shot, run after run, with the design and setting probabilities of the schedule.

        Raises:
            CountsError: As in :meth:`counts`.
        """
        return self._trials(result, self._plan(require_schedule(schedule)))

    # Parts of the above

    @cached_property
    def _register_name(self) -> str:
        """Name of the register of the results, one that the circuit does not have."""
        return name_apart_from({register.name for register in self._circuit.cregs}, _REGISTER)

    @cached_property
    def _signature(self) -> dict[str, str]:
        return {"circuit": digest_of_circuit(self._circuit)}

    def _plan(self, shots: ArrayLike | SettingSchedule) -> PubPlan:
        return PubPlan.of(shots, self.scenario.num_settings, self.uses_one_circuit)

    def _pubs(
        self,
        plan: PubPlan,
        backend: Any,
        pass_manager: Any,
        *,
        choice: TranspilerChoice,
        for_any_sampler: bool = False,
    ) -> list[tuple[Any, ...]]:
        require_bound(self._circuit)
        return self._pubs_at(plan, backend, pass_manager, choice=choice, for_any_sampler=for_any_sampler)

    def _pubs_at(
        self,
        plan: PubPlan,
        backend: Any,
        pass_manager: Any,
        *,
        choice: TranspilerChoice,
        for_any_sampler: bool = False,
        values: Mapping[Parameter, NDArray[np.float64]] | None = None,
        signature: Mapping[str, Any] | None = None,
    ) -> list[tuple[Any, ...]]:
        """The PUBs of a plan, where given at all of these values of the free parameters, along a further first axis."""
        choice.require_backend(backend)
        prepared, further = self._circuit, self._measurements.num_further_qubits
        if further:
            prepared = prepared.copy()
            taken = {register.name for register in prepared.qregs}
            prepared.add_register(AncillaRegister(further, name_apart_from(taken, _ANCILLAS)))
        copies = {self._register_name: range(prepared.num_qubits)}
        transpile = transpiler(*as_pass_manager(backend, pass_manager, choice), choice)
        if for_any_sampler:
            transpile = refusing_state_vectors(transpile)
        own = self._signature | dict(signature or {})
        return self._measurements.pubs(prepared, copies, plan, transpile, own, values)

    def _counts(self, result: Any, plan: PubPlan | None) -> BellCounts:
        log = RunLog()
        counts = self._counts_of(list_pub_results(result), plan, log)
        log.require_independent()
        return counts

    def _counts_of(
        self, pub_results: Sequence[Any], plan: PubPlan | None, log: RunLog, signature: Mapping[str, Any] | None = None
    ) -> BellCounts:
        own = self._signature | dict(signature or {})
        table = self._measurements.table(pub_results, self._register_name, plan, own, log)
        return counts_of(table, self.scenario, plan)

    def _trials(self, result: Any, plan: PubPlan) -> BellTrials:
        pub_results, log = list_pub_results(result), RunLog()
        rows = list(self._measurements.rows(pub_results, self._register_name, plan, self._signature, log))
        log.require_independent()
        return BellTrials(
            np.concatenate([settings for settings, _ in rows]),
            np.concatenate([outcomes for _, outcomes in rows]),
            self.scenario,
            plan.schedule.design,
            plan.schedule.setting_probabilities,
        )
