import math

import numpy as np
import pytest
from qiskit.quantum_info import DensityMatrix, random_density_matrix
from qiskit_lhv import CorrelationTensor, Verdict, analyze, ghz_state, werner_state
from qiskit_lhv.projective import horodecki_settings
from qiskit_lhv.projective.settings.correlator_criterion import wwzb_settings
from qiskit_lhv.projective.settings.subsystems import lifted_settings, subsystem_settings
from qiskit_lhv.quantum import mix_with_noise


@pytest.fixture(autouse=True)
def _time_limits_in_work(counted_clock):
    with counted_clock(0.04):
        yield


def beside(state, num_qubits):
    """The state, and maximally mixed qubits after it."""
    return DensityMatrix(np.kron(np.eye(2**num_qubits) / 2**num_qubits, state.data))


def test_lifted_settings_have_the_value_of_the_reduced_state():
    tensor = CorrelationTensor.from_state(random_density_matrix(16, rank=1, seed=3))
    parties = (0, 2, 3)
    found = wwzb_settings(tensor.reduce(parties), num_starts=2, seed=1)
    lifted = lifted_settings(found, tensor, parties)
    assert [len(one) for one in lifted.settings] == [2, 1, 2, 2]
    assert lifted.value == pytest.approx(found.value, abs=1e-12)
    assert lifted.visibility == pytest.approx(found.visibility, abs=1e-12)
    assert lifted.inequality.bound.value == found.inequality.bound.value
    assert bool(lifted.verify()) == bool(found.verify())


@pytest.mark.parametrize("pair", [(0, 1), (0, 2), (1, 3), (2, 3)])
def test_the_nonlocal_pair_is_found_and_proven(pair):
    others = [k for k in range(4) if k not in pair]
    array = np.zeros((4,) * 4)
    two = CorrelationTensor.from_state(werner_state(0.8)).array
    for i, j in np.ndindex(4, 4):
        index = [0] * 4
        index[pair[0]], index[pair[1]] = i, j
        array[tuple(index)] = two[i, j]
    tensor = CorrelationTensor(array)
    # No full correlator of four parties sees it.
    assert wwzb_settings(tensor, num_starts=2, seed=1).violation < 0
    ((parties, one), *others_found) = subsystem_settings(tensor, measurements="projective", seed=1, time_limit=1e-9)
    assert parties == pair
    # The other pairs have no correlations, and more parties take time.
    assert not others_found
    found = lifted_settings(one, tensor, parties)
    assert found.visibility == pytest.approx(1 / math.sqrt(2) / 0.8, abs=1e-9)
    assert [len(found.settings[k]) for k in others] == [1, 1]
    assert found.verify()


def test_reduced_states_of_more_than_two_need_time():
    state = beside(mix_with_noise(ghz_state(3), 0.6), 2)
    tensor = CorrelationTensor.from_state(state)
    found = subsystem_settings(tensor, measurements="projective", seed=1)
    visibilities = [one.visibility for _, one in found]
    assert visibilities == sorted(visibilities)
    parties, one = found[0]
    assert parties == (0, 1, 2)
    assert one.visibility == pytest.approx(0.5 / 0.6, abs=1e-6)
    assert lifted_settings(one, tensor, parties).verify(state)
    # GHZ states have no pair that is entangled.
    pairs_only = subsystem_settings(tensor, measurements="projective", seed=1, time_limit=1e-9)
    assert all(len(parties) == 2 and one.violation < 0 for parties, one in pairs_only)


@pytest.mark.parametrize("plane", ["xy", "xz", "yz"])
def test_settings_in_a_plane_are_in_it_also_of_idle_parties(plane):
    state = beside(werner_state(0.9), 1)
    tensor = CorrelationTensor.from_state(state)
    parties, one = subsystem_settings(tensor, measurements=plane, seed=1)[0]
    found = lifted_settings(one, tensor, parties, plane)
    across = "xyz".index(({*"xyz"} - {*plane}).pop())
    assert not any(one[:, across].any() for one in found.settings)
    assert found.verify(state)


def test_states_without_correlations_have_no_settings():
    tensor = CorrelationTensor.white_noise((2, 2, 2))
    assert subsystem_settings(tensor, measurements="projective", seed=1) == []


def test_analyze_of_the_whole_state_says_so():
    pair = werner_state(0.75)
    state = beside(pair, 2)
    report = analyze(state, time_limit=5, seed=1)
    assert report.verdict is Verdict.NONLOCAL
    assert report.verify()
    # Beside them, how far the state is proven local in white noise.
    settings, *others = report.evidence
    assert not any(one.shows for one in others)
    assert settings.verify(state)
    assert settings.value == pytest.approx(horodecki_settings(pair).value, abs=1e-9)
    assert sum(len(one) > 1 for one in settings.settings) == 2
