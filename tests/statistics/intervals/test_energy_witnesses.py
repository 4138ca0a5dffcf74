"""Energies against the classical bound of their Hamiltonian."""

import dataclasses
import math

import numpy as np
import pytest
from qiskit import QuantumCircuit
from qiskit.primitives import StatevectorEstimator
from qiskit.quantum_info import SparsePauliOp
from qiskit_lhv.exceptions import CountsError
from qiskit_lhv.spin_chains import ground_state
from qiskit_lhv.statistics import EnergyWitness, energy_witness
from scipy.stats import norm

TILTED = [["X", "Z"], ["X+Z", "X-Z"]]


def chain(n):
    """-(XX + ZZ) of neighbors on an open chain."""
    terms = [(pair, [i, i + 1], -1.0) for i in range(n - 1) for pair in ("XX", "ZZ")]
    return SparsePauliOp.from_sparse_list(terms, num_qubits=n)


@pytest.mark.parametrize("n", [2, 8, 30])
def test_bonds_of_chsh_have_the_classical_bound_of_the_square_root_of_two(n):
    settings = [TILTED[k % 2] for k in range(n)]
    witness = energy_witness(chain(n), settings, -1.5 * (n - 1), 0.1)
    assert witness.classical_bound == pytest.approx(-math.sqrt(2) * (n - 1), rel=1e-12)
    assert witness.classical_bound <= -math.sqrt(2) * (n - 1) + 1e-12
    assert witness.sigmas == pytest.approx((1.5 - math.sqrt(2)) * (n - 1) / 0.1, rel=1e-9)
    assert witness.log10_p_value == pytest.approx(norm.logsf(witness.sigmas) / math.log(10))
    assert witness.verify()
    assert "device-dependent" in str(witness)
    assert "NONLOCAL" not in str(witness)


def test_pauli_settings_need_not_be_exceeded_by_any_state():
    hamiltonian = chain(4)
    ground = ground_state(hamiltonian).energy
    plain = energy_witness(hamiltonian, ["X", "Z"], ground, 0.01, ground_energy=ground)
    assert plain.classical_bound == -6  # every bond -2
    assert not plain.can_be_witnessed
    assert not plain.below_classical_bound
    assert plain.p_value > 0.5
    tilted = energy_witness(hamiltonian, [*TILTED, *TILTED], ground, 0.01, ground_energy=ground)
    assert tilted.can_be_witnessed == (ground < -3 * math.sqrt(2))


def test_the_result_of_an_estimator():
    circuit = QuantumCircuit(2)
    circuit.h(0)
    circuit.cx(0, 1)
    result = StatevectorEstimator(seed=1).run([(circuit, chain(2))], precision=0.02).result()
    for given in (result, result[0]):
        witness = energy_witness(chain(2), TILTED, given, ground_energy=-2.0)
        assert witness.standard_error == pytest.approx(0.02)
        assert witness.energy == pytest.approx(-2, abs=0.1)
        assert witness.below_classical_bound
        assert witness.verify()


def test_a_witness_is_saved_and_forgeries_are_refuted(tmp_path):
    witness = energy_witness(chain(3), [TILTED[k % 2] for k in range(3)], -2.9, 0.02)
    witness.save(tmp_path / "witness.json")
    assert EnergyWitness.load(tmp_path / "witness.json") == witness
    axes = list(witness.axes)
    axes[1] = np.array([[1.0, 0, 0], [0, 0, 1]])
    changes = [
        {"energy": -3.0},
        {"standard_error": 0.01},
        {"log10_p_value": witness.log10_p_value - 1},
        {"rounding": 0.0},
        {"coefficients": witness.coefficients * 0.9},
        {"axes": tuple(axes)},
        {"bound": dataclasses.replace(witness.bound, numerator=witness.bound.numerator // 2)},
    ]
    assert witness.verify()
    for change in changes:
        assert not dataclasses.replace(witness, **change).verify(), change


def test_arguments():
    with pytest.raises(CountsError, match="standard_error"):
        energy_witness(chain(2), TILTED, -1.9)
    with pytest.raises(CountsError, match="standard_error"):
        energy_witness(chain(2), TILTED, -1.9, 0.0)
    with pytest.raises(CountsError, match="energy"):
        energy_witness(chain(2), TILTED, math.nan, 0.1)
    circuit = QuantumCircuit(2)
    exact = StatevectorEstimator().run([(circuit, [chain(2), chain(2)]), (circuit, chain(2))]).result()
    with pytest.raises(CountsError, match="one PUB"):
        energy_witness(chain(2), TILTED, exact)
    with pytest.raises(CountsError, match="one value"):
        energy_witness(chain(2), TILTED, exact[0])
    with pytest.raises(CountsError, match="standard_error"):
        energy_witness(chain(2), TILTED, exact[1])
    with pytest.raises(CountsError, match="None with"):
        energy_witness(chain(2), TILTED, exact[1], 0.1)
