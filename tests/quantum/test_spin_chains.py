import numpy as np
import pytest
from qiskit.quantum_info import DensityMatrix, SparsePauliOp, Statevector, partial_trace, random_statevector
from qiskit_lhv import (
    CorrelationTensor,
    GroundState,
    MeasurementError,
    ground_state,
    nearest_neighbor_chain,
    random_chain,
    reduced_state,
    thermal_state,
    xxz_chain,
    xyz_chain,
)

# Hamiltonians


def test_terms_of_a_chain():
    bond = SparsePauliOp(["XZ"], [2.0])  # Z on spin i, X on spin i + 1
    chain = nearest_neighbor_chain(3, bond, SparsePauliOp(["Y"], [0.5]), periodic=False)
    expected = SparsePauliOp(["IXZ", "XZI", "IIY", "IYI", "YII"], [2.0, 2.0, 0.5, 0.5, 0.5])
    assert (chain - expected).simplify().equiv(SparsePauliOp("III", 0))
    closed = nearest_neighbor_chain(3, bond)
    assert (closed - SparsePauliOp(["IXZ", "XZI", "ZIX"], [2.0] * 3)).simplify().equiv(SparsePauliOp("III", 0))


def test_two_spins_have_one_bond():
    assert len(xxz_chain(2, 0.5)) == 3


def test_xyz_with_fields():
    chain = xyz_chain(2, (0.1, 0.2, 0.3), fields=(1.0, 0.0, -1.0))
    assert dict(chain.to_list())["YY"] == pytest.approx(0.2)
    assert dict(chain.to_list())["IX"] == pytest.approx(1)
    assert dict(chain.to_list())["ZI"] == pytest.approx(-1)


def test_random_chains():
    chain = random_chain(4, seed=1)
    assert random_chain(4, seed=1) == chain != random_chain(4, seed=2)
    assert np.allclose(chain.to_matrix(), chain.to_matrix().conj().T)
    same = dict(random_chain(4, same_bonds=True, seed=1).to_list())
    assert same["IIXY"] == same["IXYI"] == same["YIIX"]
    assert same["IIIX"] == same["XIII"]
    assert not any(label.count("I") == 3 for label in dict(random_chain(4, fields=False, seed=1).to_list()))


# Ground states


@pytest.mark.parametrize(("num_spins", "energy"), [(4, -8), (6, -11.2111025509), (8, -14.604373636)])
def test_heisenberg_rings(num_spins, energy):
    # Known energies of spin-1/2 rings in units of J S . S: -2, -2.802776, -3.651093; four times that here.
    found = ground_state(xxz_chain(num_spins, 1.0))
    assert found.energy == pytest.approx(energy, abs=1e-8)
    assert found.residual < 1e-7
    assert not found.is_degenerate


@pytest.mark.parametrize("num_spins", [6, 10])
def test_xx_rings_are_free_fermions(num_spins):
    # Jordan-Wigner: with an even number of particles, momenta (2 l + 1) pi / N and energies 4 cos k below zero.
    momenta = (
        (2 * np.arange(num_spins) + 1) * np.pi / num_spins
        if num_spins % 4 == 0
        else 2 * np.arange(num_spins) * np.pi / num_spins
    )
    energies = 4 * np.cos(momenta)
    found = ground_state(xxz_chain(num_spins, 0.0))
    assert found.energy == pytest.approx(np.sort(energies)[: num_spins // 2].sum(), abs=1e-8)


@pytest.mark.parametrize("seed", range(4))
def test_any_hamiltonian_agrees_with_dense_diagonalization(seed):
    rng = np.random.default_rng(seed)
    labels = ["".join(rng.choice(list("IXYZ"), size=4)) for _ in range(9)]
    hamiltonian = SparsePauliOp(labels, rng.normal(size=9))
    found = ground_state(hamiltonian)
    values, vectors = np.linalg.eigh(hamiltonian.to_matrix())
    assert found.energy == pytest.approx(values[0], abs=1e-9)
    assert found.gap == pytest.approx(values[1] - values[0], abs=1e-7)
    if values[1] - values[0] > 1e-3:
        assert abs(np.vdot(vectors[:, 0], found.vector)) == pytest.approx(1, abs=1e-8)


def test_sectors_of_the_magnetization():
    chain = xxz_chain(6, 0.5, field=-3.0)
    values = np.linalg.eigvalsh(chain.to_matrix())
    sectors = [ground_state(chain, magnetization=m) for m in range(-6, 7, 2)]
    assert min(one.energy for one in sectors) == pytest.approx(values[0])
    # A strong negative field points all spins up, outcome 0.
    assert sectors[-1].energy == pytest.approx(values[0])
    assert abs(sectors[-1].vector[0]) == pytest.approx(1)
    assert ground_state(chain).energy > values[0] + 1


def test_degeneracy_is_told():
    # An Ising ring without a field: all up or all down.
    chain = nearest_neighbor_chain(4, SparsePauliOp(["ZZ", "XX"], [-1.0, 0.0]).simplify(), SparsePauliOp("X", 1e-12))
    found = ground_state(chain)
    assert found.is_degenerate
    assert "degenerate" in str(found)


def test_saving(tmp_path):
    found = ground_state(xxz_chain(4, 0.5))
    found.save(tmp_path / "state.npz")
    assert GroundState.load(tmp_path / "state.npz") == found


# Thermal and reduced states


def test_thermal_state():
    chain = xyz_chain(3, (1.0, 0.7, -0.4), fields=(0.3, 0.1, 0.2))
    cold = thermal_state(chain, 0.01)
    assert cold.expectation_value(chain) == pytest.approx(ground_state(chain).energy, abs=1e-6)
    hot = thermal_state(chain, 1e6)
    np.testing.assert_allclose(hot.data, np.eye(8) / 8, atol=1e-5)
    # The fluctuation of the energy is the derivative by the temperature.
    energy = [thermal_state(chain, t).expectation_value(chain).real for t in (1.999, 2.001)]
    middle = thermal_state(chain, 2.0)
    variance = middle.expectation_value(chain @ chain).real - middle.expectation_value(chain).real ** 2
    assert (energy[1] - energy[0]) / 0.002 == pytest.approx(variance / 4, rel=1e-5)


def test_reduced_states_agree_with_qiskit():
    vector = random_statevector(2**5, seed=3)
    expected = partial_trace(vector, [0, 2, 4])
    np.testing.assert_allclose(reduced_state(vector, [1, 3]).data, expected.data, atol=1e-12)
    # In the other order the qubits are exchanged.
    swapped = expected.data.reshape(2, 2, 2, 2).transpose(1, 0, 3, 2).reshape(4, 4)
    np.testing.assert_allclose(reduced_state(vector, [3, 1]).data, swapped, atol=1e-12)
    np.testing.assert_allclose(reduced_state(DensityMatrix(vector), [3, 1]).data, swapped, atol=1e-12)
    tensor = CorrelationTensor.from_state(Statevector(vector), [4, 0]).array
    np.testing.assert_allclose(CorrelationTensor.from_state(reduced_state(vector, [4, 0])).array, tensor, atol=1e-12)


def test_neighbors_in_the_heisenberg_ring_are_a_werner_state():
    found = ground_state(xxz_chain(8, 1.0))
    tensor = CorrelationTensor.from_state(found.reduced([2, 3])).array
    # The energy is eight times the sum of three equal correlations.
    np.testing.assert_allclose(tensor, np.diag([1, *[found.energy / 24] * 3]), atol=1e-7)


# Bad input


def test_bad_input():
    with pytest.raises(MeasurementError, match="num_spins"):
        xxz_chain(1, 1.0)
    with pytest.raises(MeasurementError, match="couplings"):
        xyz_chain(3, (1.0, 2.0))
    with pytest.raises(MeasurementError, match=r"bond.*2 qubits"):
        nearest_neighbor_chain(3, SparsePauliOp("X"))
    with pytest.raises(MeasurementError, match=r"hamiltonian.*Hermitian"):
        ground_state(SparsePauliOp(["XX", "ZZ"], [1.0, 1.0j]))
    with pytest.raises(MeasurementError, match=r"at most 24 spins"):
        ground_state(xxz_chain(30, 1.0))
    with pytest.raises(MeasurementError, match="magnetization"):
        ground_state(xxz_chain(4, 1.0), magnetization=3)
    with pytest.raises(MeasurementError, match="temperature"):
        thermal_state(xxz_chain(4, 1.0), 0)
    with pytest.raises(MeasurementError, match="at most 12 spins"):
        thermal_state(xxz_chain(14, 1.0), 1.0)
    for spins in ([], [0, 0], [9], list(range(11))):
        with pytest.raises(MeasurementError, match="spins"):
            reduced_state(random_statevector(2**5, seed=1), spins)
