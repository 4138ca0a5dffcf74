"""The same Bell experiment on many groups of qubits of one device."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import Any

import rustworkx as rx
from numpy.typing import ArrayLike
from qiskit import QuantumCircuit

from .._validation import whole_number
from .._words import counted
from ..exceptions import CountsError, MeasurementError
from ..targets.counts import BellCounts
from ..targets.scenario import BellScenario
from .device_groups import coupling_graph, parse_groups, schedule_layers
from .experiment import BellExperiment
from .results import PubPlan, counts_of, list_pub_results
from .samplers import run_plan
from .schedules import SettingSchedule, require_schedule
from .setting_circuits import SettingCircuits, Transpile

__all__ = ["DeviceExperiment"]

Group = tuple[int, ...]


class DeviceExperiment:
    """One Bell experiment on many groups of physical qubits, all in one job.

    Qubit k of the circuit sits on the physical qubit ``group[k]``. Groups that share no qubit, and are far
    enough apart, run at the same time in one circuit, a *layer*; all of them have the same settings at a
    time. Circuits are placed exactly there and never routed.

    Args:
        circuit: As in :class:`BellExperiment`.
        settings: As in :class:`BellExperiment`.
        groups: Groups of physical qubits, as many in each as the circuit has; see ``coupled_groups``.
        parties: As in :class:`BellExperiment`: qubits of the circuit, not of the device.
        spacing: Least number of couplings between groups of one layer. 1: they share no qubit; 2: nor are two
            of their qubits coupled; and so on.
        coupling_map: The couplings: a backend, a ``CouplingMap``, or pairs of qubits. Needed for a
            spacing above 1.

    Raises:
        MeasurementError: If circuit, settings, groups or spacing cannot be used.

    Examples:
        >>> from qiskit import QuantumCircuit
        >>> from qiskit.primitives import StatevectorSampler
        >>> bell = QuantumCircuit(2)
        >>> _ = bell.h(0), bell.cx(0, 1)
        >>> experiment = DeviceExperiment(bell, "chsh", [(0, 1), (1, 2), (2, 3)])
        >>> experiment.layers
        (((0, 1), (2, 3)), ((1, 2),))
        >>> counts = experiment.run(StatevectorSampler(seed=7), shots=500)
        >>> list(counts), counts[2, 3].total_shots
        ([(0, 1), (1, 2), (2, 3)], 2000)
    """

    def __init__(
        self,
        circuit: QuantumCircuit,
        settings: Sequence[Sequence[Any]] | str,
        groups: Iterable[Sequence[int]],
        *,
        parties: Sequence[Any] | None = None,
        spacing: int = 1,
        coupling_map: Any = None,
    ) -> None:
        self._experiment = BellExperiment(circuit, settings, parties)
        self._measurements = SettingCircuits(self._experiment.settings, self._experiment.parties)
        self._graph: rx.PyGraph | None = None if coupling_map is None else coupling_graph(coupling_map)
        spacing = whole_number(spacing, "spacing", MeasurementError)
        if spacing > 1 and self._graph is None:
            raise MeasurementError.bad_argument(
                "coupling_map",
                expected="the couplings of the device, for a spacing above 1",
                got="None",
                remedy="Pass coupling_map=backend.",
            )
        self._spacing = int(spacing)
        size = None if self._graph is None else self._graph.num_nodes()
        self._groups = parse_groups(groups, circuit.num_qubits, size)

    def __repr__(self) -> str:
        size = f"{counted(len(self._groups), 'group')} in {counted(len(self.layers), 'layer')}"
        return f"DeviceExperiment({self.scenario}, {size})"

    @property
    def experiment(self) -> BellExperiment:
        """The experiment that every group does."""
        return self._experiment

    @property
    def groups(self) -> tuple[Group, ...]:
        """The groups of physical qubits, in the order given."""
        return self._groups

    @property
    def scenario(self) -> BellScenario:
        """The number of settings and outcomes of each party."""
        return self._experiment.scenario

    @cached_property
    def layers(self) -> tuple[tuple[Group, ...], ...]:
        """The groups that run at the same time, layer by layer."""
        return schedule_layers(self._groups, self._graph, self._spacing)

    def pubs(
        self, shots: ArrayLike | SettingSchedule, *, backend: Any = None, pass_manager: Any = None
    ) -> list[tuple[Any, ...]]:
        """The PUBs of all layers, for one job.

        Args:
            shots: As in :meth:`BellExperiment.pubs`: shots of each setting combination, for every group.
            backend: Transpile for this backend, at optimization level 1, without moving any qubit; or
            pass_manager: transpile with this pass manager, which must keep qubit q on physical qubit q
                (``initial_layout=range(num_qubits)``); default: no transpilation.

        Returns:
            For each layer, the PUBs that :meth:`BellExperiment.pubs` would have. Every group has a register
            of its own, named after its qubits, such as ``q3_4``.

        Raises:
            CountsError: If a shot number is not a positive whole number, or a schedule does not fit.
            MeasurementError: If a setting is a POVM, the circuit needs a coupling that the device does not
                have, or the pass manager moves qubits.
        """
        return self._pubs(self._plan(shots), backend, pass_manager)

    def run(
        self, sampler: Any, shots: ArrayLike | SettingSchedule = 1000, *, backend: Any = None, pass_manager: Any = None
    ) -> dict[Group, BellCounts]:
        """Runs all layers in one job and returns the counts of each group.

        Args:
            sampler: Any V2 Sampler, with the same care for seeded simulators as in :meth:`BellExperiment.run`.
            shots: As in :meth:`pubs`.
            backend: Transpile for this backend; default: the sampler's own, if it names one.
            pass_manager: Transpile with this pass manager instead.

        Returns:
            Counts by group, in the order of the groups.

        Raises:
            CountsError: As in :meth:`pubs`.
            MeasurementError: As in :meth:`pubs`; or if a seeded Aer simulator with noise chooses a method for each
                layer, which gives wrong counts (layers of different size are jobs of their own if it has no seed).
        """
        plan = self._plan(shots)
        return self._counts(run_plan(sampler, plan, self._pubs, backend, pass_manager), plan)

    def counts(self, result: Any, schedule: SettingSchedule | None = None) -> dict[Group, BellCounts]:
        """Reads the counts of each group from the result of this experiment's PUBs.

        Args:
            result: The ``PrimitiveResult`` of the PUBs that :meth:`pubs` returned.
            schedule: The schedule that :meth:`pubs` was given; default: it was given shots.

        Returns:
            Counts by group, in the order of the groups.

        Raises:
            CountsError: If the result does not belong to these PUBs.
        """
        return self._counts(result, None if schedule is None else self._plan(require_schedule(schedule)))

    # Parts of the above

    def _plan(self, shots: ArrayLike | SettingSchedule) -> PubPlan:
        return PubPlan.of(shots, self.scenario.num_settings, self._experiment.uses_one_circuit)

    def _pubs(self, plan: PubPlan, backend: Any, pass_manager: Any) -> list[tuple[Any, ...]]:
        self._measurements.require_projective()
        graph, size = self._graph, 1 + max(max(group) for group in self._groups)
        if graph is not None:
            size = graph.num_nodes()
        if backend is not None:
            if backend.num_qubits is not None:
                parse_groups(self._groups, self._experiment.circuit.num_qubits, backend.num_qubits)
                size = backend.num_qubits
            graph = coupling_graph(backend) if backend.coupling_map is not None else None
        if graph is not None and (backend is not None or pass_manager is not None):
            self._require_couplings(graph)
        if pass_manager is None and backend is not None:
            from qiskit.transpiler import generate_preset_pass_manager

            pass_manager = generate_preset_pass_manager(
                optimization_level=1, backend=backend, initial_layout=list(range(size)), routing_method="none"
            )
        pubs = []
        for layer in self.layers:
            copies = {_register_name(group): group for group in layer}
            transpile = _placed_transpiler(pass_manager, copies, self._measurements.measured)
            pubs += self._measurements.pubs(self._prepared(layer, size), copies, plan, transpile)
        return pubs

    def _prepared(self, layer: Sequence[Group], size: int) -> QuantumCircuit:
        """The state of every group of a layer."""
        source = self._experiment.circuit
        circuit = QuantumCircuit(size)
        for group in layer:
            for instruction in source.data:
                circuit.append(instruction.operation, [group[source.find_bit(q).index] for q in instruction.qubits])
        return circuit

    @cached_property
    def _interactions(self) -> tuple[tuple[int, int], ...]:
        """Pairs of the circuit's qubits on which gates of two qubits act."""
        from qiskit.transpiler import PassManager
        from qiskit.transpiler.passes import Unroll3qOrMore

        circuit = PassManager([Unroll3qOrMore()]).run(self._experiment.circuit)
        pairs = {
            tuple(sorted(circuit.find_bit(qubit).index for qubit in instruction.qubits))
            for instruction in circuit.data
            if len(instruction.qubits) == 2 and instruction.operation.name not in _IDLE
        }
        for party, qubits in zip(self._measurements.settings, self._measurements.parties, strict=True):
            if len(qubits) == 2 and not self._experiment.uses_one_circuit:
                pairs |= {tuple(sorted(qubits)) for one in party if one.bloch_vectors is None}
        return tuple(sorted((a, b) for a, b in pairs))

    def _require_couplings(self, graph: rx.PyGraph) -> None:
        for group in self._groups:
            for a, b in self._interactions:
                if not graph.has_edge(group[a], group[b]):
                    raise MeasurementError.bad_argument(
                        "groups",
                        expected="groups whose qubits are coupled where gates of the circuit act on two of them",
                        got=f"{group}: qubits {a} and {b} of the circuit need a coupling between {group[a]} and "
                        f"{group[b]}",
                        remedy="coupled_groups lists pairs and chains; reorder the group or rewrite the circuit.",
                    )

    def _counts(self, result: Any, plan: PubPlan | None) -> dict[Group, BellCounts]:
        pub_results = list_pub_results(result)
        # With a schedule or without, every layer has the same number of PUBs.
        share, rest = divmod(len(pub_results), len(self.layers))
        if rest or not share:
            raise CountsError.bad_argument(
                "result",
                expected=f"the same number of PUBs for each of {len(self.layers)} layers",
                got=f"{len(pub_results)} PUBs",
                remedy="Pass the result of the PUBs that pubs() returned.",
            )
        found = {}
        for i, layer in enumerate(self.layers):
            part = pub_results[i * share : (i + 1) * share]
            for group in layer:
                found[group] = self._measurements.table(part, _register_name(group), plan)
        return {group: counts_of(found[group], self.scenario, plan) for group in self._groups}


_IDLE = {"barrier", "delay"}


def _register_name(group: Group) -> str:
    return f"q{'_'.join(map(str, group))}"


def _placed_transpiler(pass_manager: Any, copies: Mapping[str, Group], measured: Sequence[int]) -> Transpile:
    """Transpiles, and makes sure that every group stays where it was put."""
    if pass_manager is None:
        return lambda circuit: circuit

    def transpile(circuit: QuantumCircuit) -> QuantumCircuit:
        from qiskit.transpiler import TranspilerError

        try:
            result = pass_manager.run(circuit)
        except TranspilerError as exc:
            raise MeasurementError.bad_argument(
                "circuit",
                expected="one that runs on each group of qubits without routing",
                got=f"an error of the transpiler ({exc.message})",
                remedy="Let gates act on coupled qubits only; see coupled_groups.",
            ) from exc
        _require_placement(result, copies, measured)
        return result

    return transpile


def _require_placement(circuit: QuantumCircuit, copies: Mapping[str, Group], measured: Sequence[int]) -> None:
    group_of = {qubit: group for group in copies.values() for qubit in group}
    place_of = {}
    moved = ""
    for instruction in circuit.data:
        if instruction.operation.name in _IDLE:
            continue
        qubits = [circuit.find_bit(qubit).index for qubit in instruction.qubits]
        touched = {group_of.get(qubit) for qubit in qubits}
        if len(touched) != 1 or None in touched:
            moved = f"{instruction.operation.name} on {qubits}"
        if instruction.operation.name == "measure":
            place_of[instruction.clbits[0]] = qubits[0]
    for name, group in copies.items():
        register = next(one for one in circuit.cregs if one.name == name)
        places = tuple(place_of.get(bit) for bit in register)
        if places != tuple(group[qubit] for qubit in measured):
            moved = f"{group} measured on {places}"
    if moved:
        raise MeasurementError.bad_argument(
            "pass_manager",
            expected="one that leaves every qubit where it is",
            got=f"one that moves them: {moved}",
            remedy="Make it with initial_layout=range(num_qubits) and routing_method='none', at level 0 or 1.",
        )
