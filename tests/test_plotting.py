import numpy as np
import pytest
from qiskit_lhv import Behavior, LHVError, analyze, load_bundled_counts, werner_state
from qiskit_lhv.models import ResponseModel, TableResponse
from qiskit_lhv.optimize import LocalModelResult
from qiskit_lhv.plotting import plot_loss, plot_report
from qiskit_lhv.reports.svg import ChartRow, loss_panel, svg_document, verdict_panel


def test_report_plot_shows_target_and_model():
    counts = load_bundled_counts("ibm_hanoi19_20circuit13").counts
    report = analyze(counts, seed=1)
    figure = report.plot()
    assert len(figure.axes) == 4
    heights = [bar.get_height() for bar in figure.axes[1].containers[0]]
    np.testing.assert_allclose(heights, counts.frequencies().array[0, 1].ravel())
    heights = [bar.get_height() for bar in figure.axes[1].containers[1]]
    np.testing.assert_allclose(heights, report.model.behavior().array[0, 1].ravel())


def test_report_plot_of_a_behavior_and_odd_grids():
    behavior = Behavior.from_state(werner_state(0.6), [["X", "Y", "Z"], ["X", "Z"]])
    assert len(plot_report(analyze(behavior)).axes) == 6


def test_report_without_model_has_no_plot():
    import dataclasses

    report = dataclasses.replace(analyze(Behavior.from_state(werner_state(0.6), "chsh")), evidence=())
    with pytest.raises(LHVError, match="report"):
        report.plot()


def test_loss_plot_shows_the_history():
    scenario = Behavior.from_state(werner_state(0.6), "chsh").scenario
    model = ResponseModel((np.zeros((1, 2, 2)),) * 2, TableResponse(scenario))
    result = LocalModelResult(model, 0.1, np.array([1.0, 0.5, 0.1]), "All steps were taken.")
    figure = plot_loss(result)
    np.testing.assert_array_equal(figure.axes[0].lines[0].get_ydata(), [1.0, 0.5, 0.1])
    assert figure.axes[0].get_yscale() == "log"


def test_svg_escapes_text_and_places_values_in_order():
    rows = [ChartRow("a < b", "LOCAL", 1.0, 0.1, "p = 1"), ChartRow("c", "NONLOCAL", 2.5, 0.1, "p = 0.1")]
    chart, height = verdict_panel(rows)
    assert "a &lt; b" in chart
    places = [float(part.split("'")[1]) for part in chart.split("<circle cx=")[1:]]
    assert places[0] < places[1]
    loss, bottom = loss_panel(np.array([1.0, 0.1, 0.0]), "loss", top=height)
    document = svg_document([chart, loss], height=bottom)
    assert document.startswith("<svg")
    assert document.count("<polyline") == 1
