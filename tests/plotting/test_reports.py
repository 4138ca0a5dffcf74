"""Every report has a picture, and its artists hold what the report says."""

import dataclasses

import numpy as np
import pytest
from qiskit_lhv import (
    Behavior,
    BellCounts,
    CountsOptions,
    LHVError,
    analyze,
    ghz_state,
    load_bundled_counts,
    werner_state,
)
from qiskit_lhv.plotting import (
    plot_chsh,
    plot_chsh_values,
    plot_correlators,
    plot_difference,
    plot_evidence,
    plot_report,
)
from qiskit_lhv.plotting.figures import outcome_names
from qiskit_lhv.targets import BellScenario, estimate_tensor

from helpers import texts

QUICK = CountsOptions(num_replicates=0)


@pytest.fixture(scope="module")
def hanoi():
    return analyze(load_bundled_counts("ibm_hanoi19_20circuit13").counts, QUICK, seed=1)


@pytest.fixture(scope="module")
def three():
    return analyze(Behavior.from_state(ghz_state(3, 0.9), "mermin").sample(50, 1), QUICK, seed=1)


def test_chsh_picture_shows_s_its_interval_and_the_bounds(hanoi):
    figure = hanoi.plot()
    scale, correlators = figure.axes[:2]
    ((bar,),) = [container.lines[2] for container in scale.containers]
    low, high = bar.get_segments()[0][:, 0]
    s, error = hanoi.statistics["S"], hanoi.statistics["S_error"]
    assert (low, high) == pytest.approx((s - 1.959964 * error, s + 1.959964 * error))
    lines = sorted({float(line.get_xdata()[0]) for line in scale.lines if len(set(line.get_xdata())) == 1})
    assert 2.0 in lines
    assert 2 * np.sqrt(2) in lines
    assert scale.get_xlim() == (0, 4)
    heights = [patch.get_height() for patch in correlators.patches]
    np.testing.assert_allclose(heights, hanoi.correlators.values.ravel())
    words = texts(figure)
    for word in (
        "2.7682 ± 0.0068",
        "local bound",
        "quantum bound",
        "no-signaling",
        "- E(0, 0)",
        "+ E(1, 1)",
        "NONLOCAL",
    ):
        assert word in words


def test_chsh_picture_of_a_behavior_has_no_interval():
    figure = plot_chsh(analyze(Behavior.from_state(werner_state(0.9), "chsh")))
    assert "S = 2.54558" in texts(figure)
    assert "largest error" in texts(figure)


def test_rows_of_several_reports_have_verdict_and_p_value(hanoi):
    figure = plot_chsh_values({"Hanoi": hanoi, "exact": analyze(Behavior.from_state(werner_state(0.9), "chsh"))})
    words = texts(figure)
    assert "NONLOCAL   2.7682 ± 0.0068   p = " in words
    assert "Hanoi" in words
    with pytest.raises(LHVError, match=r"^reports: expected"):
        plot_chsh_values({})


def test_difference_shows_target_minus_model_with_errors(hanoi):
    figure = plot_difference(hanoi)
    (points,) = figure.axes[0].containers
    seen, model = hanoi.question.counts.frequencies().array, hanoi.model.behavior().array
    np.testing.assert_allclose(points.lines[0].get_ydata(), (seen - model).ravel())
    (bars,) = points.lines[2]
    heights = [segment[1, 1] - segment[0, 1] for segment in bars.get_segments()]
    shots = hanoi.question.counts.num_shots[0, 0]
    assert heights[0] == pytest.approx(2 * np.sqrt(seen[0, 0, 0, 0] * (1 - seen[0, 0, 0, 0]) / shots), rel=1e-3)
    labels = [label.get_text() for label in figure.axes[0].get_xticklabels()]
    # Party 0 is the character on the right, so its outcome 1 beside 0 of party 1 is 01.
    assert labels[:4] == ["00", "10", "01", "11"]
    assert "party 0 on the right" in texts(figure)


def test_outcomes_are_named_in_the_order_of_qiskit():
    assert outcome_names(BellScenario((1, 1), (4, 2)), [(1, 0), (2, 1)])[0] == ["001", "110"]
    names, words = outcome_names(BellScenario((1, 1), (3, 3)), [(2, 0)])
    assert names == ["2,0"]
    assert "party 0 on the left" in words


def test_difference_of_many_cells_is_drawn_against_the_model():
    axes = [[np.cos(t), 0, np.sin(t)] for t in np.linspace(0, 3, 5)]
    report = analyze(Behavior.from_state(werner_state(0.6), [axes, axes]))
    figure = plot_report(report)
    (points,) = figure.axes[0].containers
    np.testing.assert_allclose(points.lines[0].get_ydata(), report.question.behavior.array.ravel())


def test_three_parties_show_correlators_beside_those_of_the_model(three):
    figure = three.plot()
    (points,) = figure.axes[0].containers
    np.testing.assert_allclose(points.lines[0].get_ydata(), three.correlators.values.ravel())
    (squares,) = [one for one in figure.axes[0].collections if len(one.get_offsets()) == 8]
    signs = np.array([1.0, -1.0])
    model = np.einsum("xyzabc,a,b,c->xyz", three.model.behavior().array, signs, signs, signs)
    np.testing.assert_allclose(np.asarray(squares.get_offsets())[:, 1], model.ravel(), atol=1e-12)
    assert "best local model" in texts(figure)


def test_evidence_ends_at_the_e_value(hanoi):
    figure = plot_evidence(hanoi)
    axis = figure.axes[0]
    ends = [line.get_ydata()[-1] for line in axis.lines if len(line.get_xdata()) > 2]
    assert ends[-1] == pytest.approx(hanoi.statistics["log10_e"])
    assert max(line.get_xdata()[-1] for line in axis.lines if len(line.get_xdata()) > 2) == 180000
    # The combined test gives the e-value a tenth of alpha.
    assert any(np.allclose(line.get_ydata(), 3) for line in axis.lines)
    with pytest.raises(LHVError, match=r"^report: expected"):
        plot_evidence(analyze(Behavior.from_state(werner_state(0.9), "chsh")))


def test_every_kind_of_report_has_a_picture(tmp_path, hanoi, three):
    tomography = Behavior.from_state(werner_state(0.9), [["X", "Y", "Z"]] * 2).sample(2000, 1)
    qutrits = BellCounts(np.random.default_rng(1).integers(20, 40, (2, 2, 3, 3)))
    reports = {
        "hanoi": hanoi,
        "three": three,
        "state": analyze(werner_state(0.6), seed=1),
        "nonlocal state": analyze(werner_state(0.72), seed=1),
        "estimate": analyze(estimate_tensor(tomography), seed=1),
        "qutrits": analyze(qutrits, QUICK, seed=1),
        "late": analyze(Behavior.from_state(werner_state(0.8), "chsh").sample(100, 1), time_limit=1e-9, seed=1),
        "nothing": dataclasses.replace(analyze(werner_state(0.6), seed=1), statistics={}),
    }
    for name, report in reports.items():
        figure = report.plot()
        figure.savefig(tmp_path / f"{name}.png", dpi=30)
        assert str(report.verdict) in texts(figure)
    assert "1.15016" in texts(reports["state"].plot())
    figure = reports["nonlocal state"].plot()
    assert "0.982093" in texts(figure)
    left, right = figure.axes[0].get_xlim()
    assert 0.9 < left < 0.982 < 1 < right < 1.1
    assert "local bound 2" in texts(reports["estimate"].plot())


def test_pictures_that_need_more_say_so(three):
    state = analyze(werner_state(0.72), seed=1)
    for function in (plot_chsh, plot_difference, plot_correlators):
        with pytest.raises(LHVError, match=r"^report: expected"):
            function(state)
    with pytest.raises(LHVError, match=r"^report: expected"):
        plot_chsh(three)


def test_settings_that_were_not_measured_are_left_out():
    from matplotlib.figure import Figure
    from qiskit_lhv.plotting.differences import _draw_difference
    from qiskit_lhv.reports.correlator_tables import ProbabilityTable

    values = np.full((2, 2, 2, 2), 0.25)
    values[0, 1] = np.nan
    table = ProbabilityTable(BellScenario((2, 2), (2, 2)), values, np.full(values.shape, 0.1), (("Z", "X"), ("a", "b")))
    axis = Figure().subplots()
    _draw_difference(axis, table, np.zeros(values.shape), "standard")
    (points,) = axis.containers
    np.testing.assert_allclose(points.lines[0].get_ydata(), np.full(12, 0.25))
    (top,) = [child for child in axis.child_axes]
    assert [label.get_text() for label in top.get_xticklabels()] == ["Z, a", "X, a", "X, b"]
