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
from qiskit_lhv.exceptions import MeasurementError
from qiskit_lhv.spin_chains import (
    evolve,
    ground_state,
    random_chain,
    reduced_state,
    thermal_state,
    xxz_chain,
    xyz_chain,
)

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


@pytest.mark.parametrize("time", [1e9, -1e300])
def test_times_that_are_too_long(time):
    with pytest.raises(MeasurementError, match="time: expected at most"):
        evolve(Statevector.from_label("0101"), xxz_chain(4, 1.0), time)
