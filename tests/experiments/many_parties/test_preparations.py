"""Circuits of GHZ and graph states: the right state, few layers, and couplings that exist and work."""

import math

import numpy as np
import pytest
import rustworkx as rx
from qiskit import QuantumCircuit
from qiskit.circuit.library import CZGate, Measure
from qiskit.quantum_info import Statevector
from qiskit.transpiler import CouplingMap, InstructionProperties, Target
from qiskit_lhv.exceptions import MeasurementError
from qiskit_lhv.experiments import ghz_preparation, graph_state_preparation


def two_qubit_depth(circuit):
    return circuit.depth(lambda step: len(step.qubits) == 2)


class Device:
    """A device whose couplings and readouts have errors."""

    def __init__(self, couplings, readout):
        self.target = Target(num_qubits=len(readout))
        gates = {edge: InstructionProperties(error=error) for edge, error in couplings.items()}
        self.target.add_instruction(CZGate(), gates)
        reads = {(qubit,): InstructionProperties(error=error) for qubit, error in enumerate(readout)}
        self.target.add_instruction(Measure(), reads)
        self.coupling_map = CouplingMap(list(couplings))


@pytest.mark.parametrize("n", [2, 3, 8, 9, 50, 127])
def test_a_ghz_state_takes_as_many_layers_as_doubling(n):
    prepared = ghz_preparation(n)
    assert prepared.num_layers == two_qubit_depth(prepared.circuit) == math.ceil(math.log2(n))
    full = ghz_preparation(n, CouplingMap.from_full(n)) if n < 10 else prepared
    assert full.num_layers == prepared.num_layers


def test_ghz_states_on_couplings():
    heavy = CouplingMap.from_heavy_hex(7)
    pairs = {frozenset(edge) for edge in heavy.get_edges()}
    prepared = ghz_preparation(40, heavy)
    assert two_qubit_depth(prepared.circuit) == prepared.num_layers <= 8
    assert all(frozenset((prepared.qubits[a], prepared.qubits[b])) in pairs for a, b in prepared.edges)
    # The first parties are coupled to each other, for every number of them.
    assert all(a < b == k + 1 for k, (a, b) in enumerate(prepared.edges))
    line = ghz_preparation(7, CouplingMap.from_line(7))
    assert line.num_layers == 4
    state = Statevector(line.circuit).data
    assert np.allclose(np.abs(state[[0, -1]]) ** 2, 0.5)


def test_low_errors_and_no_broken_couplings():
    ring = {(k, (k + 1) % 8): 0.01 for k in range(8)}
    ring[2, 3], ring[5, 6] = 1.0, 0.2
    device = Device(ring, [0.01, 0.01, 0.01, 0.01, 0.01, 0.01, 0.01, 0.4])
    assert set(ghz_preparation(3, device).qubits) in ({0, 1, 2}, {3, 4, 5})
    assert set(graph_state_preparation(device, 3).qubits) in ({0, 1, 2}, {3, 4, 5})
    whole = ghz_preparation(8, device)
    assert all({whole.qubits[a], whole.qubits[b]} != {2, 3} for a, b in whole.edges)
    with pytest.raises(MeasurementError, match=r"num_parties: expected at most 8"):
        ghz_preparation(9, device)


def test_graph_states_in_the_fewest_layers():
    grid = rx.generators.grid_graph(4, 5)
    assert graph_state_preparation(grid).num_layers == 4
    heavy = CouplingMap.from_heavy_hex(7)
    prepared = graph_state_preparation(heavy)
    assert prepared.num_layers == two_qubit_depth(prepared.circuit) == 3
    assert len(prepared.edges) == len({frozenset(edge) for edge in heavy.get_edges()})
    assert graph_state_preparation(rx.generators.cycle_graph(5)).num_layers == 3
    assert graph_state_preparation(heavy, 24).num_layers <= 3


def test_a_graph_state_is_the_one_of_its_edges():
    chosen = graph_state_preparation([(0, 1), (1, 2), (2, 3), (3, 4), (4, 0), (1, 3)], qubits=[3, 1, 4])
    assert {frozenset(edge) for edge in chosen.edges} == {frozenset((0, 1)), frozenset((0, 2))}
    expected = QuantumCircuit(3)
    expected.h(range(3))
    expected.cz(0, 1)
    expected.cz(0, 2)
    assert Statevector(chosen.circuit).equiv(expected)


def test_bad_input():
    with pytest.raises(MeasurementError, match=r"num_parties: expected a whole number of at least 2"):
        ghz_preparation(1)
    with pytest.raises(MeasurementError, match=r"device: expected a backend"):
        ghz_preparation(3, "ibm_sherbrooke")
    with pytest.raises(MeasurementError, match=r"qubits: expected different numbers from 0 to 2"):
        graph_state_preparation([(0, 1), (1, 2)], qubits=[0, 3])
    with pytest.raises(MeasurementError, match=r"qubits: expected None"):
        graph_state_preparation([(0, 1), (1, 2)], 2, [0, 1])
    with pytest.raises(MeasurementError, match=r"an edge between the qubits"):
        graph_state_preparation([(0, 1), (1, 2)], qubits=[0, 2])
