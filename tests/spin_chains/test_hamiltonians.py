import math

import numpy as np
import pytest
import scipy.linalg
from qiskit.quantum_info import (
    DensityMatrix,
    Kraus,
    SparsePauliOp,
    Statevector,
    partial_trace,
    random_density_matrix,
    random_statevector,
)
from qiskit_lhv import CorrelationTensor
from qiskit_lhv._support import memory
from qiskit_lhv.exceptions import MeasurementError, SolverError
from qiskit_lhv.spin_chains import (
    GroundState,
    evolve,
    ground_state,
    nearest_neighbor_chain,
    random_chain,
    reduced_state,
    thermal_state,
    xxz_chain,
    xyz_chain,
)
from qiskit_lhv.spin_chains.pauli_sums import PauliTerms, checked_hamiltonian, sector_basis, sector_matrix


def same(a, b):
    return (a - b).simplify().equiv(SparsePauliOp("I" * a.num_qubits, 0))


def random_sum(num_spins, seed, terms=9):
    rng = np.random.default_rng(seed)
    labels = ["".join(rng.choice(list("IXYZ"), size=num_spins)) for _ in range(terms)]
    return SparsePauliOp(labels, rng.normal(size=terms))


# Hamiltonians


def test_terms_of_a_chain():
    bond = SparsePauliOp(["XZ"], [2.0])  # Z on spin i, X on spin i + 1
    chain = nearest_neighbor_chain(3, bond, SparsePauliOp(["Y"], [0.5]), periodic=False)
    assert same(chain, SparsePauliOp(["IXZ", "XZI", "IIY", "IYI", "YII"], [2.0, 2.0, 0.5, 0.5, 0.5]))
    closed = nearest_neighbor_chain(3, bond)
    assert same(closed, SparsePauliOp(["IXZ", "XZI", "ZIX"], [2.0] * 3))


def test_two_spins_have_one_bond():
    assert len(xxz_chain(2, 0.5)) == 3


def test_xyz_with_fields():
    chain = dict(xyz_chain(2, (0.1, 0.2, 0.3), fields=(1.0, 0.0, -1.0)).to_list())
    assert chain["YY"] == pytest.approx(0.2)
    assert chain["IX"] == pytest.approx(1)
    assert chain["ZI"] == pytest.approx(-1)
    assert "IY" not in chain
    # Weak fields are kept.
    assert dict(xxz_chain(2, 1.0, field=1e-12).to_list())["IZ"] == pytest.approx(1e-12)


def test_random_chains():
    chain = random_chain(4, seed=1)
    assert random_chain(4, seed=1) == chain != random_chain(4, seed=2)
    assert np.allclose(chain.to_matrix(), chain.to_matrix().conj().T)
    assert len(chain) == 4 * 9 + 4 * 3
    same_bonds = dict(random_chain(4, same_bonds=True, seed=1).to_list())
    assert same_bonds["IIXY"] == same_bonds["IXYI"] == same_bonds["YIIX"]
    assert same_bonds["IIIX"] == same_bonds["XIII"]
    assert not any(label.count("I") == 3 for label in dict(random_chain(4, fields=False, seed=1).to_list()))
    assert "XIIY" not in dict(random_chain(4, periodic=False, seed=1).to_list())


# Products of Pauli strings and vectors


@pytest.mark.parametrize("num_spins", [1, 4, 7, 9])
@pytest.mark.parametrize("seed", range(3))
def test_products_agree_with_the_matrix(num_spins, seed):
    hamiltonian = random_sum(num_spins, seed)
    if num_spins > 1:
        # Bonds inside windows of spins, the bond that closes the ring, distant pairs and long strings: four ways.
        hamiltonian += random_chain(num_spins, seed=seed)
        hamiltonian += SparsePauliOp.from_sparse_list([("XZY", [0, num_spins - 1, 1], 0.6)], num_qubits=num_spins)
    matrix = hamiltonian.to_matrix()
    terms = PauliTerms(checked_hamiltonian(hamiltonian))
    vector = random_statevector(2**num_spins, seed=seed).data
    np.testing.assert_allclose(terms.to_operator()(vector), matrix @ vector, atol=1e-12)
    columns = np.random.default_rng(seed).normal(size=(2**num_spins, 3))
    np.testing.assert_allclose(terms.to_operator()(columns), matrix @ columns, atol=1e-12)
    np.testing.assert_allclose(sector_matrix(terms, np.arange(2**num_spins)).toarray(), matrix, atol=1e-12)
    norm = np.linalg.norm(matrix, 2)
    assert norm <= terms.radius


def test_real_hamiltonians_stay_real():
    real = PauliTerms(checked_hamiltonian(xyz_chain(4, (1.0, 0.5, 0.2), fields=(0.1, 0.0, 0.3))))
    assert real.to_operator()(np.ones(16)).dtype == np.float64
    assert PauliTerms(checked_hamiltonian(xyz_chain(4, (1.0, 0.5, 0.2), fields=(0, 1, 0)))).dtype == np.complex128
    # Two Y in a string are real together.
    assert PauliTerms(checked_hamiltonian(SparsePauliOp("YZY"))).dtype == np.float64


@pytest.mark.parametrize(
    ("hamiltonian", "conserved"),
    [
        (xxz_chain(4, -0.3, field=0.7), True),
        (xyz_chain(4, (1.0, 1.0, 0.5), fields=(1e-6, 0, 0)), False),
        (xyz_chain(4, (1.0, 0.9, 0.5)), False),
        # The Dzyaloshinskii-Moriya interaction XY - YX along z conserves it, XY + YX does not.
        (nearest_neighbor_chain(4, SparsePauliOp(["XY", "YX", "ZZ"], [0.4, -0.4, 1.0])), True),
        (nearest_neighbor_chain(4, SparsePauliOp(["XY", "YX"], [0.4, 0.4])), False),
        (SparsePauliOp(["ZIXX", "ZIYY", "IZXX", "IZYY"], [1.0, 1.0, -2.0, -2.0]), True),
        (SparsePauliOp(["ZIXX", "ZIYY", "IZXX", "IZYY"], [1.0, 1.0, -2.0, 2.0]), False),
        (SparsePauliOp(["ZZII", "IIIZ"], [1.0, -3.0]), True),
    ],
)
def test_conservation_of_the_magnetization(hamiltonian, conserved):
    total = SparsePauliOp.from_sparse_list([("Z", [k], 1.0) for k in range(4)], num_qubits=4)
    commutator = (hamiltonian @ total - total @ hamiltonian).to_matrix()
    assert (np.abs(commutator).max() < 1e-12) == conserved
    assert PauliTerms(checked_hamiltonian(hamiltonian)).conserves_magnetization == conserved


def test_sectors_hold_all_eigenvalues():
    # Fields that differ from spin to spin: no other symmetry helps.
    chain = xxz_chain(5, 0.4) + SparsePauliOp.from_sparse_list([("Z", [k], 0.3 * k) for k in range(5)], num_qubits=5)
    terms = PauliTerms(checked_hamiltonian(chain))
    assert list(sector_basis(5, 3)) == [1, 2, 4, 8, 16]  # one spin down
    parts = [np.linalg.eigvalsh(sector_matrix(terms, sector_basis(5, m)).toarray()) for m in range(-5, 6, 2)]
    np.testing.assert_allclose(np.sort(np.concatenate(parts)), np.linalg.eigvalsh(chain.to_matrix()), atol=1e-10)


# Ground states


@pytest.mark.parametrize(("num_spins", "energy"), [(4, -8), (6, -11.2111025509), (8, -14.604373636)])
def test_heisenberg_rings(num_spins, energy):
    # Known energies of spin-1/2 rings in units of J S . S: -2, -2.802776, -3.651093; four times that here.
    found = ground_state(xxz_chain(num_spins, 1.0))
    assert found.energy == pytest.approx(energy, abs=1e-8)
    assert found.residual < 1e-7
    assert not found.is_degenerate
    assert found.magnetizations == (0,)


def test_heisenberg_rings_approach_the_bethe_ansatz():
    # Hulthen 1938: 1 - 4 ln 2 a spin for the infinite ring, with finite-size terms that fall off as 1 / N**2.
    limit = 1 - 4 * math.log(2)
    off = {n: ground_state(xxz_chain(n, 1.0), magnetization=0).energy / n - limit for n in (8, 16)}
    # Conformal field theory: -pi c v / (6 N**2) with c = 1 and v = 2 pi, which is -pi**2 / (3 N**2).
    assert off[16] == pytest.approx(-(math.pi**2) / 3 / 16**2, rel=0.06)
    assert off[8] / off[16] == pytest.approx(4, rel=0.05)


@pytest.mark.parametrize("num_spins", [6, 8, 10])
def test_xx_rings_are_free_fermions(num_spins):
    # Jordan-Wigner: sum XX + YY is 2 sum c+ c + h.c., with energies 4 cos k; with an even number of particles the
    # momenta are (2 l + 1) pi / N.
    momenta = (2 * np.arange(num_spins) + (num_spins // 2 + 1) % 2) * np.pi / num_spins
    occupied = momenta[np.argsort(np.cos(momenta))][: num_spins // 2]
    found = ground_state(xxz_chain(num_spins, 0.0))
    assert found.energy == pytest.approx((4 * np.cos(occupied)).sum(), abs=1e-8)
    # Wick: <Z_0 Z_r> = -4 |g(r)|**2 with g(r) = <c+_0 c_r>, for half filling.
    for r in (1, 2, 3):
        g = np.exp(1j * occupied * r).sum() / num_spins
        correlation = found.reduced([0, r]).expectation_value(SparsePauliOp("ZZ")).real
        assert correlation == pytest.approx(-4 * abs(g) ** 2, abs=1e-8)


def test_ising_chain_in_a_transverse_field():
    # Pfeuty 1970: the closed chain -sum ZZ - h sum X has the energy -sum_k sqrt(1 + h**2 - 2 h cos k),
    # k = (2 l + 1) pi / N. It does not conserve the magnetization.
    num_spins, h = 10, 1.3
    k = (2 * np.arange(num_spins) + 1) * np.pi / num_spins
    found = ground_state(xyz_chain(num_spins, (0, 0, -1.0), fields=(-h, 0, 0)))
    assert found.energy == pytest.approx(-np.sqrt(1 + h * h - 2 * h * np.cos(k)).sum(), abs=1e-8)
    assert found.magnetizations == ()


@pytest.mark.parametrize("num_spins", [4, 9])
@pytest.mark.parametrize("seed", range(3))
def test_any_hamiltonian_agrees_with_dense_diagonalization(num_spins, seed):
    hamiltonian = random_chain(num_spins, seed=seed) + random_sum(num_spins, seed)
    found = ground_state(hamiltonian)
    values, vectors = np.linalg.eigh(hamiltonian.to_matrix())
    assert found.energy == pytest.approx(values[0], abs=1e-9)
    assert found.gap == pytest.approx(values[1] - values[0], abs=1e-7)
    assert abs(np.vdot(vectors[:, 0], found.vector)) == pytest.approx(1, abs=1e-8)


@pytest.mark.parametrize("field", [-3.2, -0.7, 0.0, 0.4, 2.9])
@pytest.mark.parametrize("anisotropy", [-1.5, -0.4, 0.8])
def test_all_sectors_are_searched(anisotropy, field):
    chain = xxz_chain(6, anisotropy, field=field, periodic=False)
    values, vectors = np.linalg.eigh(chain.to_matrix())
    degeneracy = int(np.sum(values < values[0] + 1e-9))
    found = ground_state(chain)
    assert found.energy == pytest.approx(values[0], abs=1e-9)
    assert found.degeneracy == degeneracy == len(found.magnetizations)
    assert found.gap == pytest.approx(values[degeneracy] - values[0], abs=1e-7)
    mixture = DensityMatrix(vectors[:, :degeneracy] @ vectors[:, :degeneracy].conj().T / degeneracy)
    np.testing.assert_allclose(found.reduced([4, 1]).data, reduced_state(mixture, [4, 1]).data, atol=1e-8)


def test_sectors_of_lanczos_size_are_searched():
    # 12 spins: sectors of up to 924 states, the lowest one neither the largest nor at an end.
    chain = xxz_chain(12, 0.7, field=1.1)
    energies = {m: ground_state(chain, magnetization=m).energy for m in range(-12, 13, 2)}
    found = ground_state(chain)
    best = min(energies, key=energies.get)
    assert best not in (-12, 0, 12)
    assert found.magnetizations == (best,)
    assert found.energy == pytest.approx(energies[best], abs=1e-9)
    ordered = sorted(energies.values())
    assert found.gap == pytest.approx(ordered[1] - ordered[0], abs=1e-7)


def test_sectors_of_the_magnetization():
    chain = xxz_chain(6, 0.5, field=-3.2)
    values = np.linalg.eigvalsh(chain.to_matrix())
    sectors = [ground_state(chain, magnetization=m) for m in range(-6, 7, 2)]
    assert min(one.energy for one in sectors) == pytest.approx(values[0])
    # A strong negative field points all spins up, outcome 0.
    assert sectors[-1].energy == pytest.approx(values[0])
    assert abs(sectors[-1].vector[0]) == pytest.approx(1)
    assert sectors[-1].gap == math.inf
    assert sectors[3].energy > values[0] + 1
    assert ground_state(chain).magnetizations == (6,)


@pytest.mark.parametrize("num_spins", [8, 12])
def test_the_ferromagnetic_point(num_spins):
    # At Delta = -1 the ring of an even number of spins is the ferromagnet with every second spin turned around z: one
    # state in each sector, energy -1 a bond. The states are the symmetric ones: <ZZ> is 1 / 3 for all pairs.
    found = ground_state(xxz_chain(num_spins, -1.0))
    assert found.energy == pytest.approx(-num_spins)
    assert found.degeneracy == num_spins + 1
    assert sorted(found.magnetizations) == list(range(-num_spins, num_spins + 1, 2))
    assert found.reduced([0, 3]).expectation_value(SparsePauliOp("ZZ")).real == pytest.approx(1 / 3)
    with pytest.raises(SolverError, match=r"more than 5 states.*max_degeneracy"):
        ground_state(xxz_chain(num_spins, -1.0), max_degeneracy=5)


@pytest.mark.parametrize(
    "chain",
    [xyz_chain(9, (1.0, 0.7, 0.4), periodic=False), random_chain(9, fields=False, seed=4), xxz_chain(9, 0.6)],
)
def test_kramers_pairs_are_found(chain):
    # An odd number of spins without fields: every level is degenerate, and a Krylov space holds one state of each.
    values = np.linalg.eigvalsh(chain.to_matrix())
    found = ground_state(chain)
    assert found.degeneracy == np.sum(values < values[0] + 1e-8) >= 2
    assert found.gap == pytest.approx(values[found.degeneracy] - values[0], abs=1e-7)
    assert f"{found.degeneracy}-fold degenerate" in str(found)
    # The mixture has no magnetization, though its states have one.
    np.testing.assert_allclose(found.reduced([3]).data, np.eye(2) / 2, atol=1e-7)
    assert found.verify(chain)


def test_verification_of_ground_states():
    chain = xyz_chain(9, (1.0, 0.7, 0.4), fields=(0, 0.3, 0), periodic=False)
    found = ground_state(chain)
    assert found.verify(chain)
    off = GroundState(found.energy + 1e-3, found.gap, found.vectors, found.residual).verify(chain)
    assert not off
    assert off.deviation == pytest.approx(1e-3, rel=1e-3)
    assert not GroundState(found.energy, found.gap, np.repeat(found.vectors, 2, axis=0), found.residual).verify(chain)
    assert not found.verify(xxz_chain(8, 1.0))


def test_neighbors_in_the_heisenberg_ring_are_a_werner_state():
    found = ground_state(xxz_chain(8, 1.0))
    tensor = CorrelationTensor.from_state(found.reduced([2, 3])).array
    # The energy is eight times the sum of three equal correlations.
    np.testing.assert_allclose(tensor, np.diag([1, *[found.energy / 24] * 3]), atol=1e-7)
    # At every distance the state has this form, with alternating signs.
    for r in (2, 3, 4):
        t = CorrelationTensor.from_state(found.reduced([1, 1 + r])).array
        assert np.sign(t[1, 1]) == (-1) ** r
        np.testing.assert_allclose(t, np.diag([1, *[t[1, 1]] * 3]), atol=1e-7)


def test_one_seed_one_result():
    chain = random_chain(9, seed=2)
    assert ground_state(chain, seed=5) == ground_state(chain, seed=5)


def test_saving(tmp_path):
    found = ground_state(xxz_chain(4, -1.5))
    found.save(tmp_path / "state.npz")
    assert GroundState.load(tmp_path / "state.npz") == found
    assert not found.vectors.flags.writeable


# Thermal states


@pytest.mark.parametrize(
    "chain", [xyz_chain(3, (1.0, 0.7, -0.4), fields=(0.3, 0.1, 0.2)), xxz_chain(4, 0.3, field=0.9, periodic=False)]
)
def test_thermal_states_agree_with_the_exponential(chain):
    # The second chain is diagonalized sector by sector.
    expected = scipy.linalg.expm(-chain.to_matrix() / 0.8)
    np.testing.assert_allclose(thermal_state(chain, 0.8).data, expected / np.trace(expected), atol=1e-12)


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


def test_degenerate_ground_states_are_the_limit_of_thermal_states():
    chain = xxz_chain(5, 0.6)
    found = ground_state(chain)
    assert found.is_degenerate
    # The second is far below the distance to which rounding splits the level.
    for temperature in (0.02, 1e-300):
        cold = reduced_state(thermal_state(chain, temperature), [0, 2, 3])
        np.testing.assert_allclose(found.reduced([0, 2, 3]).data, cold.data, atol=1e-8)


# Reduced states


def test_reduced_states_agree_with_qiskit():
    vector = random_statevector(2**5, seed=3)
    expected = partial_trace(vector, [0, 2, 4])
    np.testing.assert_allclose(reduced_state(vector, [1, 3]).data, expected.data, atol=1e-12)
    # In the other order the qubits are exchanged.
    swapped = expected.data.reshape(2, 2, 2, 2).transpose(1, 0, 3, 2).reshape(4, 4)
    np.testing.assert_allclose(reduced_state(vector, [3, 1]).data, swapped, atol=1e-12)
    np.testing.assert_allclose(reduced_state(vector.data, [3, 1]).data, swapped, atol=1e-12)
    np.testing.assert_allclose(reduced_state(DensityMatrix(vector), [3, 1]).data, swapped, atol=1e-12)
    tensor = CorrelationTensor.from_state(Statevector(vector), [4, 0]).array
    np.testing.assert_allclose(CorrelationTensor.from_state(reduced_state(vector, [4, 0])).array, tensor, atol=1e-12)


def test_reduced_states_of_mixed_states_agree_with_qiskit():
    state = random_density_matrix((2,) * 4, seed=3)
    np.testing.assert_allclose(reduced_state(state, [0, 2, 3]).data, partial_trace(state, [1]).data, atol=1e-12)
    # All spins, in the opposite order.
    np.testing.assert_allclose(reduced_state(state, [3, 2, 1, 0]).data, state.reverse_qargs().data, atol=1e-12)


# Time evolution and noise


@pytest.mark.parametrize("time", [0.0, 0.37, -2.1, 30.0])
def test_evolution_agrees_with_the_exponential(time):
    chain = random_chain(4, seed=3)
    exact = scipy.linalg.expm(-1j * time * chain.to_matrix())
    vector = random_statevector(16, seed=1)
    np.testing.assert_allclose(evolve(vector, chain, time).data, exact @ vector.data, atol=1e-10)
    mixed = random_density_matrix((2,) * 4, seed=2)
    np.testing.assert_allclose(evolve(mixed, chain, time).data, exact @ mixed.data @ exact.conj().T, atol=1e-10)


def test_a_spin_precesses_about_the_field():
    # exp(-i h Z t) turns +x about z by the angle 2 h t, from x to y.
    turned = evolve(Statevector.from_label("+"), SparsePauliOp("Z", 0.5), 0.6)
    assert turned.expectation_value(SparsePauliOp("X")).real == pytest.approx(math.cos(0.6))
    assert turned.expectation_value(SparsePauliOp("Y")).real == pytest.approx(math.sin(0.6))


def test_eigenstates_only_gain_a_phase():
    chain = xxz_chain(6, 0.5)
    found = ground_state(chain)
    later = evolve(found, chain, 1.7)
    assert np.vdot(found.vector, later.data) == pytest.approx(np.exp(-1.7j * found.energy), abs=1e-9)


def test_noise_on_a_block_commutes_with_its_reduction():
    # What the guide says: local channels can be applied to the block alone.
    damping = Kraus([[[1, 0], [0, math.sqrt(0.7)]], [[0, math.sqrt(0.3)], [0, 0]]])
    state = DensityMatrix(random_statevector(2**4, seed=8))
    first = reduced_state(state.evolve(damping, [2]).evolve(damping, [1]), [2, 0])
    then = reduced_state(state, [2, 0]).evolve(damping, [0])
    np.testing.assert_allclose(first.data, then.data, atol=1e-12)


# Bad input


def test_bad_hamiltonians():
    with pytest.raises(MeasurementError, match="num_spins"):
        xxz_chain(1, 1.0)
    with pytest.raises(MeasurementError, match="couplings"):
        xyz_chain(3, (1.0, 2.0))
    with pytest.raises(MeasurementError, match="couplings"):
        xyz_chain(3, (1.0, 2.0, 1j))
    with pytest.raises(MeasurementError, match="anisotropy"):
        xxz_chain(3, math.nan)
    with pytest.raises(MeasurementError, match="field"):
        xxz_chain(3, 1.0, field="up")
    with pytest.raises(MeasurementError, match=r"bond.*2 qubits"):
        nearest_neighbor_chain(3, SparsePauliOp("X"))
    with pytest.raises(MeasurementError, match=r"site.*Hermitian"):
        nearest_neighbor_chain(3, SparsePauliOp("XX"), SparsePauliOp("X", 1j))


@pytest.mark.parametrize(
    "function",
    [ground_state, lambda h: thermal_state(h, 1.0), lambda h: evolve(Statevector.from_label("00"), h, 1.0)],
)
def test_not_hermitian(function):
    with pytest.raises(MeasurementError, match=r"hamiltonian.*Hermitian"):
        function(SparsePauliOp(["XX", "ZZ"], [1.0, 1.0j]))
    with pytest.raises(MeasurementError, match=r"hamiltonian.*finite"):
        function(SparsePauliOp(["XX", "ZZ"], [1.0, math.nan]))
    with pytest.raises(MeasurementError, match="SparsePauliOp"):
        function(np.eye(4))
    # Imaginary parts that cancel do no harm.
    function(SparsePauliOp(["XX", "ZZ", "ZZ"], [1.0, 1.0j, -1.0j]))


def test_memory(monkeypatch):
    with pytest.raises(MeasurementError, match=r"at most \d\d spins, which fit the \d+ GiB .* got 40 spins"):
        ground_state(xxz_chain(40, 1.0))
    monkeypatch.setattr(memory, "memory_of_machine", lambda: 24 * 2.0**30)
    with pytest.raises(MeasurementError, match="at most 26 spins, which fit the 24 GiB"):
        ground_state(xxz_chain(30, 1.0))
    # Without sectors fewer fit.
    with pytest.raises(MeasurementError, match="at most 25 spins, which fit the 24 GiB"):
        ground_state(random_chain(30, seed=1))


def test_bad_input():
    chain = xxz_chain(4, 1.0)
    for magnetization in (3, 6, 0.5):
        with pytest.raises(MeasurementError, match=r"magnetization.*from -4 to 4"):
            ground_state(chain, magnetization=magnetization)
    with pytest.raises(MeasurementError, match=r"magnetization.*does not conserve"):
        ground_state(xyz_chain(4, (1.0, 0.5, 0.2)), magnetization=0)
    with pytest.raises(MeasurementError, match="tolerance"):
        ground_state(chain, tolerance=-1)
    with pytest.raises(MeasurementError, match="max_degeneracy"):
        ground_state(chain, max_degeneracy=0)
    with pytest.raises(MeasurementError, match="vectors"):
        GroundState(0.0, 1.0, np.ones((1, 3)), 0.0)
    for temperature in (0, -1.0, math.nan):
        with pytest.raises(MeasurementError, match="temperature"):
            thermal_state(chain, temperature)
    with pytest.raises(MeasurementError, match="at most 12 spins"):
        thermal_state(xxz_chain(14, 1.0), 1.0)


def test_bad_states_and_spins():
    vector = random_statevector(2**5, seed=1)
    for spins in ([], [0, 0], [5], [-1], [1.0], 2, list(range(11))):
        for state in (vector, ground_state(xxz_chain(5, 1.0))):
            with pytest.raises(MeasurementError, match=r"spins.*from 0 to 4"):
                reduced_state(state, spins)
    for state in (np.ones(5) / math.sqrt(5), Statevector(np.eye(6)[0], dims=(2, 3)), np.ones(8), "state"):
        with pytest.raises(MeasurementError, match="state"):
            reduced_state(state, [0])
    with pytest.raises(MeasurementError, match="trace"):
        reduced_state(DensityMatrix(np.eye(2**9)), [0])
    with pytest.raises(MeasurementError, match=r"hamiltonian.*5 qubits"):
        evolve(vector, xxz_chain(4, 1.0), 1.0)
    with pytest.raises(MeasurementError, match="time"):
        evolve(vector, xxz_chain(5, 1.0), math.inf)
    with pytest.raises(MeasurementError, match=r"4 degenerate ground states"):
        evolve(ground_state(xxz_chain(5, 1.0)), xxz_chain(5, 1.0), 1.0)


@pytest.mark.parametrize("unit", [1e-23, 1e-12, 1e12])
@pytest.mark.parametrize("num_spins", [4, 9])
def test_units_do_not_matter(num_spins, unit):
    chain = xxz_chain(num_spins, 0.5)
    small = SparsePauliOp(chain.paulis, chain.coeffs * unit)
    found, expected = ground_state(small), ground_state(chain)
    assert found.energy / unit == pytest.approx(expected.energy, abs=1e-8)
    assert found.gap / unit == pytest.approx(expected.gap, abs=1e-6)
    assert found.degeneracy == expected.degeneracy
    np.testing.assert_allclose(found.reduced([0, 1]).data, expected.reduced([0, 1]).data, atol=1e-6)
    np.testing.assert_allclose(thermal_state(small, unit).data, thermal_state(chain, 1.0).data, atol=1e-12)
    assert found.verify(small)
    wrong = np.eye(1, 2**num_spins, 5)
    assert not GroundState(found.energy, found.gap, wrong, found.residual).verify(small)


@pytest.mark.parametrize("time", [1e9, -1e300])
def test_times_that_are_too_long(time):
    with pytest.raises(MeasurementError, match="time: expected at most"):
        evolve(Statevector.from_label("0101"), xxz_chain(4, 1.0), time)


def test_a_hamiltonian_on_no_qubit():
    with pytest.raises(MeasurementError, match="hamiltonian: expected an operator on qubits"):
        ground_state(SparsePauliOp([""], [1.0]))


def test_arguments_of_the_check_of_ground_states():
    chain = xxz_chain(3, 1.0)
    found = ground_state(chain)
    with pytest.raises(MeasurementError, match="hamiltonian: expected a SparsePauliOp"):
        found.verify("chain")
    with pytest.raises(MeasurementError, match="atol: expected a positive number"):
        found.verify(chain, atol="small")
