import numpy as np
import pytest
from qiskit_lhv import LHVError, werner_state
from qiskit_lhv.exceptions import CertificateError
from qiskit_lhv.optimize import (
    Evaluation,
    GradientDescent,
    SettingsGrid,
    VisibilitySweep,
    sweep_visibility,
    visibility_sweep,
)
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


SHORT = {"num_hidden": 64, "optimizer": GradientDescent(num_steps=60), "seed": 1, "progress": False}


def test_sweep_down_starts_each_model_from_the_one_above(monkeypatch):
    starts, search = [], visibility_sweep.find_local_model

    def watched(target, **options):
        starts.append((round(-float(target.array[1, 1]), 9), options["optimizer"].start))
        result = search(target, **options)
        starts[-1] += (result.model, result.loss)
        return result

    monkeypatch.setattr(visibility_sweep, "find_local_model", watched)
    sweep = sweep_visibility(werner_state(1), [0.8, 0.6, 0.3], **SHORT)
    assert [visibility for visibility, *_ in starts] == [0.8, 0.6, 0.3]
    assert starts[0][1] == 1
    assert [start for _, start, *_ in starts[1:]] == [model for _, _, model, _ in starts[:-1]]
    assert sweep.direction == "down"
    assert "swept downwards" in str(sweep)
    np.testing.assert_array_equal(sweep.visibilities, [0.3, 0.6, 0.8])
    np.testing.assert_array_equal(sweep.losses, [loss for *_, loss in starts[::-1]])
    assert sweep_visibility(werner_state(1), [0.3, 0.6], **SHORT).direction == "up"


def test_sweep_down_goes_on_in_its_folder(tmp_path):
    line = [0.8, 0.6, 0.3]
    part = sweep_visibility(werner_state(1), line, folder=tmp_path, time_limit=1e-9, **SHORT)
    np.testing.assert_array_equal(part.visibilities, [0.8])
    assert part.direction == "down"
    whole = sweep_visibility(werner_state(1), line, folder=tmp_path, **SHORT)
    assert whole == sweep_visibility(werner_state(1), line, **SHORT)
    whole.save(tmp_path / "sweep.json")
    assert VisibilitySweep.load(tmp_path / "sweep.json") == whole
    with pytest.raises(CertificateError, match=r"^folder: "):
        sweep_visibility(werner_state(1), line[::-1], folder=tmp_path, **SHORT)


@pytest.mark.parametrize("line", [[], [0.3, 0.3], [0.5, 0.3, 0.4], [0.3, 1.1], [0.3, -0.1]])
def test_lines_that_turn_back_or_leave_the_range_are_refused(line):
    with pytest.raises(LHVError, match=r"^visibilities: expected ascending or descending"):
        sweep_visibility(werner_state(1), line)


def test_directions_of_another_kind_are_refused():
    for garbage in ("left", 1, None, np.array(["up", "down"])):
        with pytest.raises(LHVError, match=r"^direction: expected"):
            VisibilitySweep([0.3], (Evaluation(0.1, 0.0, 0.0, 0.0, 0.0, 10),), garbage)
