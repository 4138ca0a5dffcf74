import itertools

import numpy as np
import pytest
from qiskit.quantum_info import random_density_matrix
from qiskit_lhv import CorrelationTensor
from qiskit_lhv.exceptions import MeasurementError
from qiskit_lhv.measurements.planes import allowed_coordinates, check_measurements
from qiskit_lhv.targets.qubits import planar_tensor


@pytest.mark.parametrize("plane", ["xy", "xz", "yz"])
def test_measurements_in_the_plane_see_the_planar_tensor_and_nothing_across(plane):
    tensor = CorrelationTensor.from_state(random_density_matrix(8, seed=1))
    planar = planar_tensor(tensor, plane)
    mask = allowed_coordinates(plane)
    assert mask.sum() == 2
    assert check_measurements(plane) == plane
    vectors = mask * np.random.default_rng(2).normal(size=(3, 2, 3))
    settings = [list(party) for party in vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)]
    np.testing.assert_allclose(planar.behavior(settings).array, tensor.behavior(settings).array, atol=1e-14)
    across = ({*"xyz"} - {*plane}).pop()
    for index in itertools.product("ixyz", repeat=3):
        entry = tuple("ixyz".index(letter) for letter in index)
        assert planar.array[entry] == (0 if across in index else tensor.array[entry])


def test_all_projective_measurements_see_all():
    tensor = CorrelationTensor.from_state(random_density_matrix(4, seed=1))
    assert planar_tensor(tensor, "projective") is tensor
    assert check_measurements("projective") == ""
    np.testing.assert_array_equal(allowed_coordinates("projective"), [1, 1, 1])


@pytest.mark.parametrize("measurements", ["zx", "", "planar", None, 3])
def test_unknown_measurements_are_refused(measurements):
    for function in (check_measurements, allowed_coordinates):
        with pytest.raises(MeasurementError, match="measurements: expected 'projective' or one of 'xy', 'xz', 'yz'"):
            function(measurements)
    with pytest.raises(MeasurementError, match="state: expected qubits"):
        planar_tensor(CorrelationTensor.white_noise((2, 3)), "xy")
