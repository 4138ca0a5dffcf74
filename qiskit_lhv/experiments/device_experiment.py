"""The same Bell experiment on many groups of qubits of one device."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import Any

import rustworkx as rx
from numpy.typing import ArrayLike
from qiskit import QuantumCircuit

from .._support.validation import checked_seed, whole_number
from .._support.words import counted
from ..exceptions import CountsError, MeasurementError
from ..targets.counts import BellCounts
from ..targets.scenario import BellScenario
from .bell_experiment import BellExperiment
from .device_groups import coupling_graph, parse_groups, schedule_layers
from .device_placement import interactions, placed_transpiler, require_couplings
from .device_simulation import density_matrix_simulator
from .jobs import with_equal_shots
from .preparations import require_bound, require_static
from .pub_results import PubPlan, counts_of, list_pub_results
from .repeats import RunLog
from .sampled_experiment import SampledExperiment
from .samplers import has_couplings
from .schedules import SettingSchedule
from .setting_circuits import SettingCircuits
from .signatures import digest_of_circuit, short_digest
from .transpilation import TranspilerChoice, as_pass_manager, refusing_state_vectors, transpiler

__all__ = ["DeviceExperiment"]

Group = tuple[int, ...]


class DeviceExperiment(SampledExperiment[dict[tuple[int, ...], BellCounts]]):
    """One Bell experiment on many groups of physical qubits, all in one job.

    Qubit k of the circuit sits on the physical qubit ``group[k]``. Groups that share no qubit, and are far
    enough apart, run at the same time in one circuit, a *layer*; all of them have the same settings at a
    time. Circuits are placed exactly on their group and never routed.

    Args:
        circuit: As in :class:`BellExperiment`.
        settings: As in :class:`BellExperiment`.
        groups: Groups of physical qubits, as many in each as the circuit has; see ``coupled_groups``.
        parties: As in :class:`BellExperiment`: qubits of the circuit, not of the device.
        spacing: Least number of couplings between groups of one layer. With 1 they share no qubit; with 2, moreover, no
            two of their qubits are coupled; and so on.
        coupling_map: The couplings: a backend, a ``CouplingMap``, or pairs of qubits. They are needed for a
            spacing above 1.

    Raises:
        MeasurementError: If the circuit, settings, groups or spacing cannot be used.

    References:
        J. M. Gambetta et al., Phys. Rev. Lett. 109, 240504 (2012), arXiv:1204.6308 (what operations at the same time do
        to each other, for which groups are spaced).

    Examples:
        >>> from qiskit import QuantumCircuit
        >>> from qiskit.primitives import StatevectorSampler
        >>> bell = QuantumCircuit(2)
        >>> _ = bell.h(0), bell.cx(0, 1)
        >>> experiment = DeviceExperiment(bell, "chsh", [(0, 1), (1, 2), (2, 3)])
        >>> experiment.layers
        (((1, 2),), ((0, 1), (2, 3)))
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
        circuit = self._experiment.circuit
        require_bound(circuit)
        require_static(circuit, "BellExperiment runs circuits that measure and feed forward, on one group of qubits.")
        self._measurements = SettingCircuits(self._experiment.settings, self._experiment.parties, circuit)
        if self._measurements.num_further_qubits:
            needed = sum(map(len, self._measurements.ancillas))
            raise MeasurementError.bad_argument(
                "circuit",
                expected=f"{counted(needed, 'qubit')} that no gate acts on and no party has, as ancillas of POVMs",
                got=f"{self._measurements.num_further_qubits} too few",
                remedy="Give the circuit more qubits, and each group a place for them.",
            )
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
        """The groups that run at the same time, layer by layer; layers of fewer groups come first."""
        return tuple(sorted(schedule_layers(self._groups, self._graph, self._spacing), key=len))

    def simulate(
        self, backend: Any, shots: ArrayLike | SettingSchedule = 1000, *, seed: int | None = None
    ) -> dict[Group, BellCounts]:
        """The counts of each group from a simulation of the group alone, with the noise that a device reports for it.

        Groups that run at the same time do not act on each other in such a noise model, so each is simulated exactly,
        as a density matrix of its few qubits: devices of any size take seconds. What a real device adds, such as
        crosstalk between groups, is not in it.

        Args:
            backend: A device, a fake one, or an ``AerSimulator`` with a noise model.
            shots: As in :meth:`pubs`.
            seed: Seed of the shots.

        Returns:
            Counts by group, in the order of the groups.

        Raises:
            CountsError: As in :meth:`pubs`.
            MeasurementError: As in :meth:`pubs`; or if a group is too large for a density matrix.

        Examples:
            >>> from qiskit import QuantumCircuit
            >>> from qiskit.providers.fake_provider import GenericBackendV2
            >>> bell = QuantumCircuit(2)
            >>> _ = bell.h(0), bell.cx(0, 1)
            >>> backend = GenericBackendV2(3, coupling_map=[(0, 1), (1, 2)], seed=1)
            >>> counts = DeviceExperiment(bell, "chsh", [(0, 1), (1, 2)]).simulate(backend, 100, seed=1)
            >>> [int(found.total_shots) for found in counts.values()]
            [400, 400]
        """
        from qiskit_aer.primitives import SamplerV2

        plan, number = self._plan(shots), checked_seed(seed)
        simulator = density_matrix_simulator(backend, self._experiment.circuit.num_qubits)
        alone = [(group,) for group in self._groups]
        pubs = with_equal_shots(self._pubs(plan, backend, None, alone))
        return self._counts(SamplerV2.from_backend(simulator, seed=number).run(pubs).result(), plan, alone)

    # Parts of the above

    def _plan(self, shots: ArrayLike | SettingSchedule) -> PubPlan:
        return PubPlan.of(shots, self.scenario.num_settings, self._experiment.uses_one_circuit)

    def _pubs(
        self,
        plan: PubPlan,
        backend: Any,
        pass_manager: Any,
        layers: Sequence[Sequence[Group]] | None = None,
        *,
        choice: TranspilerChoice | None = None,
        for_any_sampler: bool = False,
    ) -> list[tuple[Any, ...]]:
        choice = choice or TranspilerChoice()
        choice.require_backend(backend)
        graph, size = self._graph, 1 + max(max(group) for group in self._groups)
        if graph is not None:
            size = graph.num_nodes()
        if pass_manager is not None and graph is not None:
            require_couplings(self._groups, self._interactions, graph)
        backend, pass_manager = as_pass_manager(backend, pass_manager, choice)
        options: dict[str, Any] = {}
        if backend is not None:
            if backend.num_qubits is not None:
                parse_groups(self._groups, self._experiment.circuit.num_qubits, backend.num_qubits)
                size = backend.num_qubits
            if has_couplings(backend):
                require_couplings(self._groups, self._interactions, coupling_graph(backend))
            options = {"initial_layout": list(range(size)), "routing_method": "none"}
        transpile = transpiler(backend, pass_manager, choice, **options)
        if for_any_sampler:
            transpile = refusing_state_vectors(transpile)
        pubs = []
        for layer in self.layers if layers is None else layers:
            copies = {_register_name(group): group for group in layer}
            placed = placed_transpiler(transpile, copies, self._measurements.measured)
            signature = self._signature | _layer_signature(layer)
            pubs += self._measurements.pubs(self._prepared(layer, size), copies, plan, placed, signature)
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
        return interactions(self._experiment.circuit, self._measurements)

    @cached_property
    def _signature(self) -> dict[str, str]:
        return {"circuit": digest_of_circuit(self._experiment.circuit)}

    def _counts(
        self, result: Any, plan: PubPlan | None, layers: Sequence[Sequence[Group]] | None = None
    ) -> dict[Group, BellCounts]:
        layers = self.layers if layers is None else layers
        pub_results = list_pub_results(result)
        # With a schedule or without, every layer has the same number of PUBs.
        share, rest = divmod(len(pub_results), len(layers))
        if rest or not share:
            raise CountsError.bad_argument(
                "result",
                expected=f"the same number of PUBs for each of {len(layers)} layers",
                got=f"{len(pub_results)} PUBs",
                remedy="Pass the result of the PUBs that pubs() returned.",
            )
        found, log = {}, RunLog()
        for i, layer in enumerate(layers):
            part = pub_results[i * share : (i + 1) * share]
            signature = self._signature | _layer_signature(layer)
            for group in layer:
                found[group] = self._measurements.table(part, _register_name(group), plan, signature, log)
        log.require_independent()
        return {group: counts_of(found[group], self.scenario, plan) for group in self._groups}


def _register_name(group: Group) -> str:
    return f"q{'_'.join(map(str, group))}"


def _layer_signature(layer: Sequence[Group]) -> dict[str, str]:
    return {"layer": short_digest(*map(_register_name, layer))}
