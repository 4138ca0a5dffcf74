"""Bell experiments of many parties on V2 Samplers: circuit, settings and schedule in, bit-packed shots out."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property, partial
from typing import Any

import numpy as np
from qiskit import QuantumCircuit
from qiskit.primitives.containers.bindings_array import BindingsArray
from qiskit.quantum_info import Statevector

from ..._support.memory import require_memory
from ..._support.validation import shown, whole_numbers
from ..._support.words import counted
from ...exceptions import CountsError, MeasurementError
from ...measurements.specification import Measurement, parse_settings
from ...quantum.qubit_layouts import PhysicalQubits, parse_parties
from ...targets.many_parties.reading import bit_arrays_of, packed_register, selected_bits
from ...targets.many_parties.shots import ManyPartyShots
from ...targets.scenario import BellScenario
from ..jobs import run_plan
from ..preparations import name_apart_from, preparing_circuit, require_bound, require_unread_parties
from ..pub_results import list_pub_results
from ..repeats import RunLog
from ..samplers import backend_of, require_sampler, sampler_for
from ..signatures import check_signature, digest_of_circuit, digest_of_settings, signed
from ..transpilation import TranspilerChoice, as_pass_manager, refusing_state_vectors, transpiler
from .plans import RunPlan
from .preparations import RegisterPreparation
from .schedules import ManyPartySchedule, require_many_party_schedule
from .setting_gates import SettingGates
from .simulators import noise_of, require_named_method, simulation_method, simulator_of_method, takes_only_clifford

__all__ = ["ManyPartyExperiment"]

_REGISTER = "outcomes"


class ManyPartyExperiment:
    """A prepared state of many qubits and the settings of each party, ready for any V2 Sampler.

    Each party has one qubit, and each setting two outcomes. One parameterized circuit serves all settings, so that a
    schedule of runs with equal shots is one PUB, whose parameter array has one row per run. No table of all settings or
    outcomes is made: outcomes stay one bit each.

    Args:
        circuit: The circuit that prepares the state; it may measure, and feed forward, as for ``BellExperiment``.
        settings: One sequence of measurements per party, such as ``["X", "Y"]``, or a name: ``"mermin"`` (X and Y of
            every party), ``"pauli"`` (X, Y and Z).
        parties: The qubit of each party, as for ``BellExperiment``; default: party k is qubit k.

    Raises:
        MeasurementError: If a party has several qubits, a setting is no projective measurement of one qubit, or the
            circuit ends with measurements of its parties.

    References:
        N. D. Mermin, Phys. Rev. Lett. 65, 1838 (1990) (``"mermin"``); O. Guehne, G. Toth, P. Hyllus, H. J. Briegel,
        Phys. Rev. Lett. 95, 120405 (2005), arXiv:quant-ph/0410059 (settings ``"pauli"`` on graph states).

    Examples:
        >>> from qiskit_lhv import BellScenario
        >>> from qiskit_lhv.experiments import ManyPartySchedule, ghz_preparation
        >>> from qiskit_lhv.polytope import SparseExpression
        >>> pairs = {((k, 0), (k + 1, 0)): 1.0 for k in range(19)}
        >>> expression = SparseExpression.of_terms(BellScenario([1] * 20, 2), pairs)
        >>> experiment = ManyPartyExperiment(ghz_preparation(20).circuit, [["Z"]] * 20)
        >>> schedule = ManyPartySchedule.random(expression, num_runs=10, shots=100, seed=1)
        >>> shots = experiment.run(experiment.simulator(seed=7), schedule)
        >>> shots.num_runs, shots.total_shots, shots.packed.shape
        (10, 1000, (1000, 3))
    """

    def __init__(
        self,
        circuit: QuantumCircuit | Statevector,
        settings: Sequence[Sequence[Any]] | str,
        parties: Sequence[Any] | PhysicalQubits | None = None,
    ) -> None:
        if isinstance(circuit, RegisterPreparation):
            raise MeasurementError.bad_argument(
                "circuit",
                expected="a QuantumCircuit",
                got="RegisterPreparation",
                remedy="Pass its circuit; on a device also its qubits, run(..., initial_layout=prepared.qubits).",
            )
        self._circuit = preparing_circuit(circuit)
        groups = parse_parties(parties, self._circuit)
        require_unread_parties(self._circuit, groups, parties)
        require_bound(self._circuit)
        larger = next((k for k, group in enumerate(groups) if len(group) != 1), None)
        if larger is not None:
            raise MeasurementError.bad_argument(
                f"parties[{larger}]",
                expected="one qubit",
                got=f"{len(groups[larger])} qubits",
                remedy="BellExperiment takes parties of several qubits, if there are few parties.",
            )
        self._gates = SettingGates(parse_settings(settings, [2] * len(groups)), [group[0] for group in groups])

    def __repr__(self) -> str:
        return f"ManyPartyExperiment({self.scenario}, {counted(self._circuit.num_qubits, 'qubit')})"

    @property
    def circuit(self) -> QuantumCircuit:
        """The circuit that prepares the state."""
        return self._circuit

    @property
    def qubits(self) -> tuple[int, ...]:
        """The qubit of each party, by its number in the circuit (a physical one, if it is transpiled)."""
        return self._gates.qubits

    @property
    def settings(self) -> tuple[tuple[Measurement, ...], ...]:
        """The measurements of each party."""
        return self._gates.settings

    @cached_property
    def scenario(self) -> BellScenario:
        """The number of settings of each party; every setting has two outcomes."""
        return BellScenario(tuple(len(party) for party in self._gates.settings), 2)

    # Simulators

    def simulator(self, backend: Any = None, noise_model: Any = None, seed: int | None = None) -> Any:
        """An ``AerSimulator`` that can simulate this experiment with 50 to 127 qubits, for :meth:`run`.

        Its method is ``"stabilizer"`` if circuit, settings and noise are Clifford, else ``"matrix_product_state"``,
        which is quick where entanglement is low. Aer is never left to choose: with noise and many qubits it can then
        mix its methods, and return wrong counts.

        Args:
            backend: A backend, such as a fake device, whose gates, couplings and noise the simulator has.
            noise_model: A noise model to use instead of the backend's, such as ``depolarizing_noise(backend)``.
            seed: Seed of the simulator.

        Raises:
            MeasurementError: If one of them is of another kind.
        """
        noise = noise_of(backend, noise_model)
        method = simulation_method(self._circuit, self._gates.are_clifford, noise)
        return simulator_of_method(method, backend, noise, seed)

    # PUBs, runs and shots

    def pubs(
        self,
        schedule: ManyPartySchedule,
        *,
        backend: Any = None,
        pass_manager: Any = None,
        initial_layout: Sequence[int] | None = None,
        optimization_level: int | None = None,
        seed_transpiler: int | None = None,
    ) -> list[tuple[Any, ...]]:
        """Returns the PUBs of one job, for :meth:`shots` to read their result.

        Args:
            schedule: Settings and shots of the runs, from ``ManyPartySchedule``.
            backend: The backend to transpile for. Without a backend and a pass manager, the circuit is not transpiled.
            pass_manager: The pass manager to transpile with instead.
            initial_layout: The physical qubit of each qubit of the circuit, for a backend with couplings; simulators
                without couplings have no places, and do not look at it.
            optimization_level: Level of the transpiler for the backend, from 0 to 3; default: 1 for devices.
            seed_transpiler: Seed of the transpiler for the backend.

        Returns:
            PUBs ``(circuit, parameter values, shots)``: one for all runs of equal shots, in the order of the runs. For
            Aer's stabilizer simulator, parameters are quarter turns between Clifford gates; for a version of it that
            takes no ``rz``, there is one PUB without parameters for each different setting combination.

        Raises:
            CountsError: If the schedule does not fit the experiment.
            MeasurementError: If circuit and backend or pass manager do not fit each other.
        """
        choice = TranspilerChoice.of(optimization_level, seed_transpiler, pass_manager)
        checked = require_many_party_schedule(schedule, self.scenario.num_settings)
        return self._pubs(
            checked, backend, pass_manager, choice=choice, initial_layout=initial_layout, for_any_sampler=True
        )

    def run(
        self,
        sampler: Any,
        schedule: ManyPartySchedule,
        *,
        backend: Any = None,
        pass_manager: Any = None,
        initial_layout: Sequence[int] | None = None,
        optimization_level: int | None = None,
        seed_transpiler: int | None = None,
    ) -> ManyPartyShots:
        """Runs a schedule and returns its shots, run after run, with the design of the schedule.

        Args:
            sampler: Any V2 Sampler, or a backend or simulator, such as :meth:`simulator`; seeded simulators are treated
                as by ``BellExperiment.run``, so that all shots are independent.
            schedule: Settings and shots of the runs, from ``ManyPartySchedule``.
            backend: The backend to transpile for. Default: the one behind the sampler.
            pass_manager: The pass manager to transpile with instead.
            initial_layout: As in :meth:`pubs`.
            optimization_level: As in :meth:`pubs`.
            seed_transpiler: As in :meth:`pubs`.

        Raises:
            CountsError: If the schedule does not fit the experiment.
            MeasurementError: If it is no V2 Sampler, cannot run the circuit, repeats its random numbers with a seed
                that cannot be changed, or is a simulator of many qubits without a named method.
        """
        choice = TranspilerChoice.of(optimization_level, seed_transpiler, pass_manager)
        checked = require_many_party_schedule(schedule, self.scenario.num_settings)
        sampler = sampler_for(sampler)
        require_sampler(sampler)
        require_named_method(sampler, len(self.qubits))
        behind = backend_of(sampler)
        # What the simulator takes decides, whatever the circuit is transpiled for.
        make_pubs = partial(self._pubs, choice=choice, initial_layout=initial_layout, runs_on=behind)
        return self.shots(run_plan(sampler, checked, make_pubs, backend, pass_manager), checked)

    def shots(self, result: Any, schedule: ManyPartySchedule) -> ManyPartyShots:
        """Reads the shots from the result of a schedule's PUBs; they stay packed, one bit per outcome.

        Args:
            result: The job, or its ``PrimitiveResult``, of the PUBs that :meth:`pubs` returned.
            schedule: The schedule that :meth:`pubs` was given.

        Returns:
            The shots of all runs in order. Where more were taken than the schedule asks for, the first ones count.

        Raises:
            CountsError: If the result is that of other PUBs, by their signature or shape, bits or shots are missing, or
                runs have the same shots in the same order, from a sampler that repeats itself.
        """
        checked = require_many_party_schedule(schedule, self.scenario.num_settings)
        pub_results = list_pub_results(result)
        registers = [self._bits_of(pub_result) for pub_result in pub_results]
        plan = RunPlan.of_shapes(checked, [tuple(register.shape) for register in registers])
        width = -(-len(self.qubits) // 8)
        packed = np.empty((checked.total_shots, width), dtype=np.uint8)
        starts = np.cumsum(checked.shots) - checked.shots
        log = RunLog()
        for number, (runs, register) in enumerate(zip(plan.parts, registers, strict=True)):
            check_signature(pub_results[number], self._signature(plan, number))
            own = checked.shots[runs]
            shots = int(own[0] if plan.one_circuit else own.sum())
            if register.num_shots < shots:
                raise CountsError.bad_argument(
                    "result", expected=f"at least {shots} shots in PUB {number}", got=f"{register.num_shots}"
                )
            bits = packed_register(register).reshape(-1, register.num_shots, register.array.shape[-1])
            log.add_packed(checked.settings[runs if plan.one_circuit else runs[:1]], bits)
            if plan.one_circuit:
                places = (starts[runs, None] + np.arange(shots)).ravel()
            else:
                places = np.concatenate([np.arange(starts[run], starts[run] + checked.shots[run]) for run in runs])
            packed[places] = selected_bits(bits[:, :shots].reshape(-1, bits.shape[-1]), range(len(self.qubits)))
        log.require_independent()
        flips = self._gates.flips(checked.settings)
        if flips is not None:
            packed ^= np.repeat(flips, checked.shots, axis=0)
        return ManyPartyShots(
            self.scenario, checked.settings, checked.shots, packed, checked.design, checked.drawn_terms
        )

    # Parts of the above

    @cached_property
    def _register_name(self) -> str:
        return name_apart_from({register.name for register in self._circuit.cregs}, _REGISTER)

    @cached_property
    def _own_signature(self) -> dict[str, Any]:
        parties = [(qubit,) for qubit in self.qubits]
        return {"circuit": digest_of_circuit(self._circuit), "settings": digest_of_settings(self.settings, parties)}

    def _signature(self, plan: RunPlan, number: int) -> dict[str, Any]:
        return {**self._own_signature, "schedule": plan.digest, "pub": number}

    def _bits_of(self, pub_result: Any) -> Any:
        name = self._register_name
        if getattr(getattr(pub_result, "data", None), name, None) is None:
            raise CountsError.bad_argument(
                "result",
                expected=f"a register {name!r} in every PUB, as in the circuits that pubs() returned",
                got=shown(pub_result),
                remedy="Results of circuits of your own go to ManyPartyShots.from_result.",
            )
        (register,) = bit_arrays_of(pub_result, name)
        if register.num_bits != len(self.qubits):
            raise CountsError.bad_argument(
                "result", expected=f"{len(self.qubits)} bits, one per party", got=f"{register.num_bits}"
            )
        return register

    def _pubs(
        self,
        schedule: ManyPartySchedule,
        backend: Any,
        pass_manager: Any,
        *,
        choice: TranspilerChoice,
        initial_layout: Sequence[int] | None,
        runs_on: Any = None,
        for_any_sampler: bool = False,
    ) -> list[tuple[Any, ...]]:
        choice.require_backend(backend)
        runs_on = backend if runs_on is None else runs_on
        clifford = takes_only_clifford(runs_on)
        if clifford and not self._gates.are_clifford:
            raise MeasurementError.bad_argument(
                "sampler",
                expected="one that measures settings that are no Paulis",
                got="Aer's stabilizer method, which only has Clifford gates",
                remedy="AerSimulator(method='matrix_product_state') takes them; experiment.simulator(...) chooses.",
            )
        own_backend, own_manager = as_pass_manager(backend, pass_manager, choice)
        options = self._layout_options(initial_layout, own_backend, pass_manager)
        transpile = transpiler(own_backend, own_manager, choice, **options)
        if for_any_sampler:
            transpile = refusing_state_vectors(transpile)
        plan = RunPlan(schedule, not clifford or "rz" in runs_on.target.operation_names)
        if not plan.one_circuit:
            return [
                (
                    signed(
                        transpile(self._gates.fixed(self._circuit, self._register_name, schedule.settings[runs[0]])),
                        self._signature(plan, number),
                    ),
                    None,
                    int(schedule.shots[runs].sum()),
                )
                for number, runs in enumerate(plan.parts)
            ]
        require_memory(
            24.0 * schedule.num_runs * 2 * len(self.qubits),
            "schedule",
            expected="angles that fit",
            got=f"{schedule.num_runs} runs, whose angles take",
            remedy="Take fewer runs, with more shots each.",
        )
        circuit, parameters = self._gates.parameterized(self._circuit, self._register_name, clifford)
        circuit = transpile(circuit)
        # The transpiled circuit may have dropped a parameter; its own list says which are left.
        left = set(circuit.parameters)
        kept = [i for i, parameter in enumerate(parameters) if parameter in left]
        names = tuple(parameters[i] for i in kept)
        values = self._gates.parameter_values(schedule.settings, clifford)[:, kept]
        return [
            (
                signed(circuit, self._signature(plan, number)),
                BindingsArray({names: values[runs]}, shape=(len(runs),)),
                int(schedule.shots[runs[0]]),
            )
            for number, runs in enumerate(plan.parts)
        ]

    def _layout_options(self, layout: Sequence[int] | None, backend: Any, pass_manager: Any) -> dict[str, Any]:
        if layout is None:
            return {}
        places = whole_numbers(layout, "initial_layout", MeasurementError, minimum=0)
        if len(set(places)) != len(places) or len(places) != self._circuit.num_qubits:
            raise MeasurementError.bad_argument(
                "initial_layout",
                expected=f"{self._circuit.num_qubits} different physical qubits, one for each of the circuit",
                got=shown(list(places)),
            )
        if pass_manager is not None:
            raise MeasurementError.bad_argument(
                "pass_manager", expected="None where initial_layout is given", got=shown(pass_manager)
            )
        # Simulators without couplings have no places.
        return {} if backend is None else {"initial_layout": list(places)}
