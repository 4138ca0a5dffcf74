import numpy as np
import pytest
from qiskit_lhv import Behavior, LHVError, werner_state
from qiskit_lhv.models import DirectionResponse, PlanarHarmonics, ResponseModel, SphericalHarmonics, TableResponse
from qiskit_lhv.optimize import LocalModelResult
from qiskit_lhv.plotting import plot_hidden_variables, plot_loss

from helpers import texts


def test_loss_plot_shows_the_history():
    scenario = Behavior.from_state(werner_state(0.6), "chsh").scenario
    model = ResponseModel((np.zeros((1, 2, 2)),) * 2, TableResponse(scenario))
    result = LocalModelResult(model, 0.1, np.array([1.0, 0.5, 0.1]), "All steps were taken.")
    figure = plot_loss(result)
    np.testing.assert_array_equal(figure.axes[0].lines[0].get_ydata(), [1.0, 0.5, 0.1])
    assert figure.axes[0].get_yscale() == "log"
    assert "0.1" in figure.axes[0].get_legend().get_texts()[0].get_text()


def test_directions_of_models_without_any_are_refused():
    scenario = Behavior.from_state(werner_state(0.6), "chsh").scenario
    with pytest.raises(LHVError, match=r"^model: expected"):
        plot_hidden_variables(ResponseModel((np.zeros((1, 2, 2)),) * 2, TableResponse(scenario)))


def test_directions_on_the_sphere_have_a_legend_and_keep_their_weight():
    # Degree 1 is ordered y, z, x: all hidden variables of party 0 point along z.
    along_z = np.tile([0.0, 3.0, 0.0], (50, 1))
    model = ResponseModel((along_z, -along_z), DirectionResponse(SphericalHarmonics(1), 2))
    figure = plot_hidden_variables(model)
    assert "density (uniform: 1)" in texts(figure)
    for axis, row in zip(figure.axes[::2], (-1, 0), strict=True):
        assert {text.get_text() for text in axis.texts} == {"x", "y", "-y", "z", "-z"}
        (mesh,) = [one for one in axis.collections if one.get_array() is not None and one.get_array().ndim == 2]
        density = mesh.get_array()
        # Cells have equal areas, so that the density is 1 on average; it lies in the outermost row.
        assert density.mean() == pytest.approx(1)
        assert np.flatnonzero(density.sum(axis=1))[row] == (len(density) - 1 if row else 0)


def test_directions_in_a_plane_name_its_axes():
    planar = PlanarHarmonics(1, [[1, 0, 0], [0, 0, 1]])
    hidden = np.random.default_rng(0).normal(size=(50, 2))
    figure = plot_hidden_variables(ResponseModel((hidden,), DirectionResponse(planar, 1)))
    labels = [label.get_text() for label in figure.axes[0].get_xticklabels()]
    assert labels == ["x", "z", "-x", "-z"]
    assert "uniform" in texts(figure)
