import numpy as np
import pytest
from qiskit_lhv import Behavior, LHVError, werner_state
from qiskit_lhv.models import ResponseModel, TableResponse
from qiskit_lhv.optimize import LocalModelResult
from qiskit_lhv.plotting import plot_hidden_variables, plot_loss


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
