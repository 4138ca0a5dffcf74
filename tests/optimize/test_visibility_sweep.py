import numpy as np
import pytest
from qiskit_lhv import LHVError, werner_state
from qiskit_lhv.optimize import Evaluation, SettingsGrid, VisibilitySweep, sweep_visibility
from qiskit_lhv.projective import SettingsSearch

VISIBILITIES = np.linspace(0.6, 0.8, 9)


def sweep_of(roots):
    """A sweep whose losses have these square roots, down to a floor."""
    losses = np.maximum(roots, 1e-6) ** 2
    return VisibilitySweep(VISIBILITIES, tuple(Evaluation(float(loss), 0.0, 0.0, 0.0, 0.0, 100) for loss in losses))


@pytest.mark.parametrize("curvature", [0.0, 0.7, 2.5])
def test_zero_of_a_parabola_is_found(curvature):
    beyond = VISIBILITIES - 0.66
    found = sweep_of(np.where(beyond > 0, 0.4 * beyond + curvature * beyond**2, 0))
    assert found.extrapolated_visibility() == pytest.approx(0.66, abs=1e-9)
    assert found.curve(low=0.67) == pytest.approx((0.66, 0.4, curvature), abs=1e-6)


def test_where_no_parabola_fits_a_line_does():
    beyond = np.maximum(VISIBILITIES - 0.66, 0)
    bent_down = sweep_of(np.sqrt(beyond))
    zero, slope, curvature = bent_down.curve(low=0.7)
    used = VISIBILITIES >= 0.7 - 1e-9
    expected = np.polyfit(VISIBILITIES[used], np.sqrt(beyond[used]), 1)
    assert curvature == 0
    assert (slope, -slope * zero) == pytest.approx(tuple(expected))
    # Three points hold no parabola with an error, two no line.
    assert bent_down.curve(low=0.75)[2] == 0
    assert bent_down.curve(low=0.775) is None
    assert bent_down.extrapolated_visibility(low=0.775) is None


@pytest.mark.parametrize("name", ["optimizer", "grid"])
def test_options_of_another_kind_are_refused(name):
    for garbage in (0, "", [], np.zeros(2)):
        with pytest.raises(LHVError, match=f"^{name}: expected"):
            sweep_visibility(werner_state(1), [0.3, 0.4], **{name: garbage})


def test_words_of_another_kind_are_refused():
    for garbage in (0, np.array(["lattice", "uniform"]), ["ascent"], {}):
        with pytest.raises(LHVError, match=r"^sampling: expected"):
            SettingsGrid(sampling=garbage)
        with pytest.raises(LHVError, match=r"^method: expected"):
            SettingsSearch(method=garbage)
