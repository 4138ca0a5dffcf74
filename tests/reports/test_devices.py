import dataclasses
import json

import numpy as np
import pytest
from qiskit_lhv import (
    Behavior,
    BellCounts,
    DeviceReport,
    LHVError,
    LocalityReport,
    Verdict,
    analyze,
    ghz_state,
    werner_state,
)
from qiskit_lhv.exceptions import CertificateError, CountsError
from qiskit_lhv.plotting import plot_device_report
from qiskit_lhv.statistics import e_bh

GROUPS = ((3, 4), (0, 1), (4, 7), (1, 2))


def chsh_counts(shots, visibility, signaling=0):
    """Counts near those of a Werner state, rounded; some shots of one setting moved to another outcome of party 0."""
    array = np.rint(shots * Behavior.from_state(werner_state(visibility), "chsh").array).astype(int)
    array[0, 1, 0, 0] += signaling
    array[0, 1, 1, 0] -= signaling
    return BellCounts(array)


def e_value_of(report):
    """The e-value against local models."""
    return next(piece for piece in report.evidence if hasattr(piece, "log_e") and piece.null == "local")


@pytest.fixture(scope="module")
def reports():
    counts = [chsh_counts(400, 0.95), chsh_counts(400, 0.7), chsh_counts(2000, 0.95, 150), chsh_counts(400, 0.9)]
    return tuple(analyze(one, alpha=0.05, seed=1) for one in counts)


@pytest.fixture(scope="module")
def report(reports):
    return DeviceReport(GROUPS, reports, 0.05)


@pytest.fixture(scope="module")
def triples():
    array = np.rint(300 * Behavior.from_state(ghz_state(3), [["X", "Y"]] * 3).array).astype(int)
    found = analyze(BellCounts(array), alpha=0.05, seed=1)
    return DeviceReport([(0, 1, 2), (2, 1, 4)], [found, found], 0.05)


def test_the_example_has_a_verdict_of_each_kind(reports):
    assert [one.verdict for one in reports] == [
        Verdict.NONLOCAL,
        Verdict.INCONCLUSIVE,
        Verdict.SIGNALING,
        Verdict.NONLOCAL,
    ]


# Findings


def test_rejections_are_those_of_the_e_values(report, reports):
    logs = [one.statistics["log10_e"] * np.log(10) for one in reports]
    assert report.rejected == tuple(e_bh(logs, 0.05).tolist())
    assert report.rejected == (True, False, True, True)
    assert report.rejected_groups == ((3, 4), (4, 7), (1, 2))


def test_signaling_groups_are_not_called_nonlocal(report):
    assert report.nonlocal_groups == ((3, 4), (1, 2))
    assert report.signaling_groups == ((4, 7),)


def test_the_list_of_nonlocal_groups_keeps_the_rate_by_itself(reports):
    # One e-value of 45 in four is enough beside a larger one (80, 40), but not alone.
    def with_e(one, value):
        evidence = tuple(
            dataclasses.replace(piece, log_e=float(np.log(value))) if piece is e_value_of(one) else piece
            for piece in one.evidence
        )
        return dataclasses.replace(one, evidence=evidence)

    strong, _, signaling, _ = reports
    values = [with_e(strong, 45), with_e(signaling, 100), with_e(strong, 1), with_e(strong, 1)]
    found = DeviceReport(GROUPS, values, 0.05)
    assert found.rejected == (True, True, False, False)
    assert found.nonlocal_groups == ()
    values[1] = with_e(strong, 100)
    assert DeviceReport(GROUPS, values, 0.05).nonlocal_groups == GROUPS[:2]


def test_groups_are_keys(report, reports):
    assert report[3, 4] == reports[0]
    assert report[[4, 7]] == reports[2]
    assert list(report) == list(GROUPS)
    assert len(report) == 4
    assert (0, 1) in report
    assert (1, 0) not in report
    with pytest.raises(KeyError):
        report[4, 3]
    with pytest.raises(CountsError, match=r"^group: expected whole numbers"):
        report["3-4"]


def test_figures_by_group(report, triples):
    values = report.statistic("S")
    assert list(values) == list(GROUPS)
    np.testing.assert_allclose(list(values.values()), 2 * np.sqrt(2) * np.array([0.95, 0.7, 0.95, 0.9]), atol=0.15)
    assert triples.statistic("S") == {}


# Text


def test_table_has_a_line_for_each_group(report):
    lines = report.table().splitlines()
    assert lines[0].split() == [
        "group",
        "verdict",
        "rejected",
        "S",
        "error",
        "log10",
        "e",
        "no-signaling",
        "p",
        "shift",
        "up",
        "to",
        "kappa",
    ]
    assert lines.pop().startswith("NONLOCAL: if nothing passes between the parties")
    assert [line.split()[:3] for line in lines[1:]] == [
        ["3-4", "NONLOCAL", "yes"],
        ["0-1", "INCONCLUSIVE", "no"],
        ["4-7", "SIGNALING", "yes"],
        ["1-2", "NONLOCAL", "yes"],
    ]
    first = report.reports[0].statistics
    assert lines[1].split()[3:5] == [f"{first['S']:.3f}", f"{first['S_error']:.3f}"]
    assert lines[1].split()[5] == f"{first['log10_e']:.2f}"
    assert lines[3].split()[-2] == f"{report.reports[2].statistics['largest_shift']:.3f}"
    assert float(lines[1].split()[-1]) == pytest.approx(report.reports[0].largest_kappa, rel=0.05)
    assert len({len(line) for line in lines}) == 1


@pytest.mark.parametrize(
    ("sort", "name"),
    [
        ("violation", "S"),
        ("evidence", "log10_e"),
        ("signaling", "largest_shift"),
    ],
)
def test_table_can_be_sorted(report, sort, name):
    values = report.statistic(name)
    found = [tuple(map(int, line.split()[0].split("-"))) for line in report.table(sort).splitlines()[1:-1]]
    assert sorted(found) == sorted(GROUPS)
    assert [values[group] for group in found] == sorted(values.values(), reverse=True)


def test_tables_of_other_scenarios_show_the_divergence(triples, reports):
    lines = triples.table().splitlines()
    assert lines[0].split()[:4] == ["group", "verdict", "rejected", "KL"]
    assert lines[1].split()[0] == "0-1-2"
    mixed = DeviceReport([(0, 1, 2), (5, 6)], [triples.reports[0], reports[1]], 0.05).table("violation").splitlines()
    assert mixed[0].split()[3:6] == ["S", "error", "KL"]
    assert [line.split()[0] for line in mixed[1:]] == ["5-6", "0-1-2", "NONLOCAL:"]


def test_unknown_figures_and_orders_are_refused(report):
    for name in ("e-value: log10 e", None, ["S"]):
        with pytest.raises(CountsError, match=r"^name: expected the key of a figure"):
            report.statistic(name)
    with pytest.raises(CountsError, match=r"^sort: expected one of .*got \['S'\]"):
        report.table(sort=["S"])
    with pytest.raises(CountsError, match=r"^sort: expected one of group, violation, evidence, signaling, got 'S'"):
        report.table("S")


def test_summary(report, triples):
    expected = (
        "4 groups: 2 NONLOCAL, 1 SIGNALING, 1 INCONCLUSIVE; local models rejected for 3 "
        "(false discovery rate at most 0.05)"
    )
    assert str(report).splitlines()[0] == report.summary() == expected
    assert repr(report) == f"DeviceReport({expected})"
    assert str(triples).startswith("2 groups: 2 NONLOCAL;")


def test_details_hold_the_summary_and_the_table(report):
    details = report.details()
    assert details.startswith(report.summary())
    assert details.endswith(report.table())
    assert details.count(report.notes[0]) == 1
    assert "details: report.details()" in str(report)
    assert "NONLOCAL   3-4, 1-2" in str(report)


def test_html_and_json(report):
    page = report.to_html()
    table = page[page.index('class="scroll"><table') :]
    assert table.count("<tr>") == 5
    assert "<td>4-7</td><td>SIGNALING</td>" in page
    fragment = report._repr_html_()
    assert fragment.startswith("<div")
    assert "<td>4-7</td><td>SIGNALING</td>" in fragment
    data = json.loads(report.to_json())
    assert data["summary"]["nonlocal_groups"] == [[3, 4], [1, 2]]
    assert data["fields"]["rejected"] == [True, False, True, True]


@pytest.mark.parametrize("suffix", ["json", "npz"])
def test_reports_are_saved_and_loaded(report, tmp_path, suffix):
    path = tmp_path / f"device.{suffix}"
    report.save(path)
    loaded = DeviceReport.load(path)
    assert loaded == report
    assert loaded.verify()
    assert loaded.table() == report.table()


def test_json_text_can_be_loaded(report, tmp_path):
    (tmp_path / "device.json").write_text(report.to_json())
    assert DeviceReport.load(tmp_path / "device.json") == report
    with pytest.raises(CertificateError, match="LocalityReport"):
        LocalityReport.load(tmp_path / "device.json")


# Verification


def test_true_reports_are_verified(report, triples):
    check = report.verify()
    assert check
    assert "4 reports verified" in check.reason
    assert "rejects 3 of 4 at alpha = 0.05" in check.reason
    assert triples.verify()


@pytest.mark.parametrize(
    "rejected",
    [(True, True, True, True), (True, False, True, False), (False,) * 4, (True, True, True, False)],
)
def test_other_rejections_fail(report, rejected):
    check = dataclasses.replace(report, rejected=rejected).verify()
    assert not check
    assert "does not reject the groups listed" in check.reason


def test_another_rate_fails(report):
    assert not dataclasses.replace(report, alpha=1e-12).verify()


def test_altered_evidence_fails(report, reports):
    e_value = e_value_of(reports[1])
    forged = dataclasses.replace(e_value, log_e=e_value.log_e + 10)
    evidence = tuple(forged if piece is e_value else piece for piece in reports[1].evidence)
    altered = dataclasses.replace(reports[1], evidence=evidence)
    check = DeviceReport(GROUPS, (reports[0], altered, *reports[2:]), 0.05).verify()
    assert not check
    assert "group (0, 1): " in check.reason
    assert "group (3, 4): " not in check.reason


def test_altered_figures_fail(report, reports):
    figures = reports[1].statistics | {"log10_e": 5.0}
    altered = dataclasses.replace(reports[1], statistics=figures)
    check = DeviceReport(GROUPS, (reports[0], altered, *reports[2:]), 0.05).verify()
    assert not check
    assert "group (0, 1): the figure 'log10_e' is not that of the evidence" in check.reason


# Bad input


@pytest.mark.parametrize(
    ("groups", "number", "alpha", "words"),
    [
        ((), 0, 0.05, "groups: expected at least one group"),
        (((0, 1), (0, 1)), 2, 0.05, "groups: expected at least one group, each once"),
        (((0, 1), (1, 2)), 1, 0.05, "reports: expected 2 reports"),
        (((0, -1),), 1, 0.05, "groups: expected whole numbers of at least 0"),
        (((0, 1),), 1, 0, "alpha: expected a number strictly between 0 and 1"),
        (((0, 1),), 1, 1.5, "alpha: expected a number strictly between 0 and 1"),
    ],
)
def test_bad_arguments_are_refused(reports, groups, number, alpha, words):
    with pytest.raises(CountsError) as caught:
        DeviceReport(groups, reports[:number], alpha)
    assert str(caught.value).startswith(words)


def test_reports_without_e_value_are_refused():
    exact = analyze(Behavior.from_state(werner_state(0.9), "chsh"))
    for one in (exact, "NONLOCAL"):
        with pytest.raises(CountsError, match=r"^reports: expected reports on counts.*\(0, 1\).*analyze\(counts\)"):
            DeviceReport([(0, 1)], [one], 0.05)


def test_rejections_of_another_length_are_refused(reports):
    with pytest.raises(CountsError, match=r"^rejected: expected 4 entries"):
        DeviceReport(GROUPS, reports, 0.05, (True,))


# The device map


def group_lines(axis):
    """Values and paths of the groups: the collection of lines that is colored by values."""
    (lines,) = [one for one in axis.collections if one.get_array() is not None]
    return lines.get_array(), lines.get_segments()


def crosses(axis):
    return [one for one in axis.collections if one.get_array() is None and one.get_zorder() == 5]


def test_map_has_three_panels_with_the_figures_of_the_groups(report):
    figure = report.plot()
    panels, bars = figure.axes[:3], figure.axes[3:]
    assert len(bars) == 3
    for axis, name in zip(panels, ["S", "log10_e", "largest_shift"], strict=True):
        np.testing.assert_allclose(group_lines(axis)[0], list(report.statistic(name).values()))
    assert [axis.get_title().split(":")[0] for axis in panels] == [
        "CHSH value S (lines",
        "evidence",
        "signaling",
    ]


def test_map_draws_groups_between_their_qubits(report):
    positions = {qubit: (qubit % 3, -(qubit // 3)) for qubit in range(8)}
    figure = report.plot([(0, 1), (1, 2), (3, 4), (4, 7), (6, 7), (2, 5)], positions)
    axis = figure.axes[0]
    for group, segment in zip(GROUPS, group_lines(axis)[1], strict=True):
        np.testing.assert_allclose(segment[[0, -1]], [positions[qubit] for qubit in group])
    labels = {text.get_text(): text.xy for text in axis.texts}
    assert labels == {str(qubit): positions[qubit] for qubit in range(8)}
    # Only the pair (4, 7) signals.
    marks = crosses(axis)
    assert marks
    for mark in marks:
        np.testing.assert_allclose(mark.get_offsets(), [[1, -1.5]])
    edges = next(one for one in axis.collections if one.get_zorder() == 2).get_edgecolor()
    np.testing.assert_array_equal(np.all(edges[:, :3] == 0, axis=1), report.rejected)


def test_map_without_couplings_shows_the_qubits_of_the_groups(report):
    labels = {text.get_text() for text in plot_device_report(report).axes[0].texts}
    assert labels == {"0", "1", "2", "3", "4", "7"}


def test_map_of_triples_keeps_chains_apart(triples):
    positions = {0: (0, 0), 1: (1, 0), 2: (2, 0), 4: (1, -1), 3: (2, -1)}
    figure = triples.plot([(0, 1), (1, 2), (1, 4), (3, 4)], positions)
    straight, bent = group_lines(figure.axes[0])[1]
    np.testing.assert_allclose(straight[:, 1], 0, atol=1e-12)
    np.testing.assert_allclose(straight[[0, -1], 0], [0.5, 1.5])
    assert bent[:, 1].max() < -0.05
    assert figure.axes[0].get_title().startswith("KL divergence")
    assert not crosses(figure.axes[0])


def test_default_layout_keeps_neighbors_close(report):
    edges = [(0, 1), (1, 2), (2, 3), (3, 4), (4, 5), (5, 0), (4, 7), (8, 9), (6, 10)]
    axis = report.plot(edges).axes[0]
    places = {int(text.get_text()): np.array(text.xy) for text in axis.texts}
    assert sorted(places) == list(range(11))
    lengths = [np.linalg.norm(places[a] - places[b]) for a, b in edges]
    assert min(lengths) > 0.5
    assert max(lengths) < 1.6
    apart = [np.linalg.norm(places[a] - places[b]) for a in places for b in places if a < b]
    assert min(apart) > 0.4


@pytest.mark.parametrize(
    ("coupling_map", "positions", "words"),
    [
        ([(0, 1)], None, "coupling_map: expected one with qubit 7"),
        ("line", None, "coupling_map: expected a backend"),
        (None, {0: (0, 0)}, r"positions: expected a place for every qubit drawn, got none for [1, 2, 3, 4, 7]"),
        (None, [(0, 0)] * 3, "positions: expected a place for every qubit drawn, got none for [3, 4, 7]"),
        (None, {0: (0, 0, 0)}, "positions[0]: expected two numbers (x, y)"),
        (None, {"a": (0, 0)}, "positions['a']: expected two numbers (x, y)"),
        (None, [(0, np.nan)], "positions[0]: expected finite numbers"),
        (None, 5, "positions: expected a dictionary or sequence"),
    ],
)
def test_bad_maps_are_refused(report, coupling_map, positions, words):
    with pytest.raises(LHVError) as caught:
        report.plot(coupling_map, positions)
    assert str(caught.value).startswith(words)


def test_map_is_drawn(report, triples, tmp_path):
    for number, figure in enumerate((report.plot(), triples.plot())):
        figure.savefig(tmp_path / f"{number}.png", dpi=40)
        assert (tmp_path / f"{number}.png").stat().st_size > 5000


def test_map_of_figures_without_range(tmp_path):
    # No shift at all, and no evidence: the colors start at 0.
    found = analyze(BellCounts(np.full((2, 2, 2, 2), 25)), alpha=0.05, seed=1)
    figure = DeviceReport([(0, 1)], [found], 0.05).plot()
    figure.savefig(tmp_path / "flat.png", dpi=40)
    assert [bar.get_ylim()[0] for bar in figure.axes[4:]] == [min(0, found.statistics["log10_e"]), 0]
