import numpy as np
import pytest
from qiskit.quantum_info import DensityMatrix, Operator, random_unitary
from qiskit_lhv import CorrelationTensor, chsh, ghz_state, optimize_settings, werner_state
from qiskit_lhv.exceptions import MeasurementError, ScenarioError
from qiskit_lhv.measurements import octahedral_directions, octahedral_sizes
from qiskit_lhv.projective import SettingsSearch
from qiskit_lhv.projective.settings.regular_sets import axial_frame, equally_spaced, regular_solids, two_setting_frame
from qiskit_lhv.quantum import random_state, w_state


@pytest.fixture(autouse=True)
def _time_limits_in_work(counted_clock):
    with counted_clock(0.002):
        yield


def turned(state, seed):
    operator = np.eye(1)
    for k in range(3):
        operator = np.kron(random_unitary(2, seed=seed + k).data, operator)
    return DensityMatrix(state).evolve(Operator(operator))


def same_axes(first, second):
    return np.allclose(np.sort(np.abs(first @ second.T), axis=1)[:, -1], 1)


# Directions


def test_octahedral_sets():
    for size in octahedral_sizes():
        axes = octahedral_directions(size)
        assert len(axes) == size
        np.testing.assert_allclose(np.linalg.norm(axes, axis=1), 1)
        # Quarter turns about z and third turns about (1, 1, 1) leave the axes where they are.
        assert same_axes(axes[:, [1, 0, 2]] * [-1, 1, 1], axes)
        assert same_axes(axes[:, [1, 2, 0]], axes)
    with pytest.raises(MeasurementError, match="3, 4, 6, 7, 9, 10, 13"):
        octahedral_directions(5)


@pytest.mark.parametrize("size", [4, 6, 7, 9, 10, 13, 16])
def test_solids_are_turned_as_a_whole(size):
    sets = [one[0] for one in regular_solids((size, size), [np.eye(3)] * 2)]
    for one in sets:
        np.testing.assert_allclose(np.linalg.norm(one, axis=1), 1)
        products = np.sort(np.abs(one @ one.T).ravel())
        assert any(
            np.allclose(products, np.sort(np.abs(other @ other.T).ravel())) for other in sets if other is not one
        )
    assert list(regular_solids((size, 5), [np.eye(3)] * 2)) == []


def test_frames():
    frame = two_setting_frame(np.array([[0.0, 0.6, 0.8], [0.0, 0.6, -0.8]]))
    np.testing.assert_allclose(frame @ frame.T, np.eye(3), atol=1e-12)
    np.testing.assert_allclose(np.abs(frame[2]), [1, 0, 0], atol=1e-12)
    parallel = two_setting_frame(np.array([[0.0, 0.0, 1.0], [0.0, 0.0, -1.0]]))
    np.testing.assert_allclose(parallel @ parallel.T, np.eye(3), atol=1e-12)
    spaced = equally_spaced(4, frame[:2], 0.5)
    np.testing.assert_allclose((spaced[:-1] * spaced[1:]).sum(axis=1), np.cos(np.pi / 4))
    assert spaced[0] @ frame[0] == pytest.approx(np.cos(np.pi / 8))


def test_the_axis_that_a_state_singles_out():
    w = CorrelationTensor.from_state(w_state(3))
    np.testing.assert_allclose(np.abs(axial_frame(w, 1, np.array([1.0, 0, 1])))[2], [0, 0, 1], atol=1e-12)
    assert axial_frame(CorrelationTensor.from_state(werner_state(0.7)), 0, np.eye(3)[0]) is None
    assert axial_frame(CorrelationTensor.from_state(random_state(3, seed=1)), 0, np.eye(3)[0]) is None


# Searches


@pytest.mark.slow
@pytest.mark.parametrize(
    ("state", "num_settings", "expected"),
    [
        # arXiv:2310.20677: equally spaced settings of GHZ states; 0.4950 and 0.4932 for 6 and 8.
        (ghz_state(3), 6, 0.495053),
        # Seven axes of an octahedron's vertices and faces do better than four settings that are optimized (0.6038).
        (w_state(3), 7, 0.575912),
    ],
)
def test_many_settings(state, num_settings, expected):
    found = optimize_settings(state, num_settings, search=SettingsSearch(method="regular"), time_limit=12, seed=1)
    assert found.visibility == pytest.approx(expected, abs=1e-4)
    assert found.inequality.bound.exact
    assert found.num_starts > 1
    check = found.mixed(found.visibility * (1 + 1e-8)).verify()
    assert check, check.reason


@pytest.mark.slow
def test_local_unitaries_do_not_matter():
    found = optimize_settings(turned(w_state(3), 5), 5, search=SettingsSearch(method="regular"), time_limit=8, seed=1)
    known = optimize_settings(w_state(3), 5, search=SettingsSearch(method="regular"), time_limit=8, seed=1)
    assert found.visibility == pytest.approx(known.visibility, abs=2e-3)


def test_settings_stay_in_the_plane():
    found = optimize_settings(
        w_state(3), 6, search=SettingsSearch(method="regular"), measurements="xz", time_limit=8, seed=1
    )
    assert not any(one[:, 1].any() for one in found.settings)
    # Equally spaced axes alone reach 0.5976958.
    assert 0.5960 < found.visibility < 0.5976959


def test_bad_input():
    with pytest.raises(ScenarioError, match="expression: expected None for regular settings"):
        optimize_settings(werner_state(0.9), expression=chsh(), search=SettingsSearch(method="regular"))
