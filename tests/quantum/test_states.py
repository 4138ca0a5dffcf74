import numpy as np
import pytest
from qiskit.quantum_info import Statevector
from qiskit_lhv import CorrelationTensor, MeasurementError, werner_state


@pytest.mark.parametrize("visibility", [0, 0.25, 1 / 3, 1])
def test_correlations_of_werner_states_are_minus_the_visibility(visibility):
    expected = np.diag([1] + [-visibility] * 3)
    np.testing.assert_allclose(CorrelationTensor.from_state(werner_state(visibility)).array, expected, atol=1e-15)


def test_full_visibility_is_the_singlet():
    singlet = Statevector(np.array([0, 1, -1, 0]) / np.sqrt(2))
    assert werner_state(1.0).is_valid()
    assert np.vdot(singlet.data, werner_state(1.0).data @ singlet.data).real == pytest.approx(1)


def test_werner_states_are_entangled_above_one_third():
    def lowest(visibility):
        transposed = werner_state(visibility).data.reshape(2, 2, 2, 2).transpose(0, 3, 2, 1).reshape(4, 4)
        return np.linalg.eigvalsh(transposed)[0]

    assert lowest(0.32) > 0
    assert lowest(0.35) < 0


@pytest.mark.parametrize("visibility", [-0.1, 1.1, np.nan, "half", None])
def test_other_visibilities_are_refused(visibility):
    with pytest.raises(MeasurementError, match=r"^visibility: expected a number from 0 to 1"):
        werner_state(visibility)
