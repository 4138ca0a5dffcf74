import math

import numpy as np
import pytest
from qiskit.quantum_info import (
    DensityMatrix,
    SparsePauliOp,
)
from qiskit_lhv import CorrelationTensor
from qiskit_lhv._support import memory
from qiskit_lhv.exceptions import MeasurementError, SolverError
from qiskit_lhv.spin_chains import (
    GroundState,
    ground_state,
    random_chain,
    reduced_state,
    thermal_state,
    xxz_chain,
    xyz_chain,
)

from helpers import random_pauli_sum

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
    hamiltonian = random_chain(num_spins, seed=seed) + random_pauli_sum(num_spins, seed)
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


def test_arguments_of_the_check_of_ground_states():
    chain = xxz_chain(3, 1.0)
    found = ground_state(chain)
    with pytest.raises(MeasurementError, match="hamiltonian: expected a SparsePauliOp"):
        found.verify("chain")
    with pytest.raises(MeasurementError, match="atol: expected a positive number"):
        found.verify(chain, atol="small")


def test_a_time_limit_ends_the_iteration():
    with pytest.raises(SolverError, match="the time limit is over"):
        ground_state(xxz_chain(14, 0.5), time_limit=1e-6)
