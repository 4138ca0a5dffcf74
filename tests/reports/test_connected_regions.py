"""The largest region of a device that nonlocal pairs join, at a family-wise error probability."""

import dataclasses
import itertools
import math

import numpy as np
import pytest
from qiskit_lhv import Behavior, BellCounts, CountsOptions, DeviceReport, analyze, ghz_state, werner_state
from qiskit_lhv.exceptions import CountsError
from qiskit_lhv.reports import ConnectedRegion
from qiskit_lhv.reports.connected_regions import check_region, largest_component

STRONG, WEAK, LOCAL = (Behavior.from_state(werner_state(v), "chsh") for v in (0.95, 0.8, 0.6))
QUICK = CountsOptions(num_replicates=0)


def rounded(behavior, shots):
    return BellCounts(np.rint(shots * behavior.array).astype(int))


@pytest.fixture(scope="module")
def report():
    groups = {
        (0, 1): rounded(STRONG, 500),
        (1, 2): rounded(STRONG, 500),
        (2, 3): rounded(WEAK, 60),
        (3, 4): rounded(STRONG, 500),
        (6, 7): rounded(LOCAL, 500),
    }
    return analyze(groups, QUICK, alpha=0.05, seed=1)


def test_weak_pairs_join_the_estimate_but_not_the_lower_limit(report):
    region = report.connected_region()
    assert region.qubits == (0, 1, 2)
    assert region.pairs == ((0, 1), (1, 2))
    assert region.estimated_qubits == (0, 1, 2, 3, 4)
    assert (region.lower_limit, region.estimate, region.num_pairs, region.alpha) == (3, 5, 5, 0.05)
    assert "at least 3 qubits with confidence 0.95, 5 by the frequencies alone" in str(region)
    assert "not multipartite nonlocality" in str(report)


def test_an_edge_needs_its_share_of_the_error_probability(report):
    logs = report.statistic("log10_e")
    region = report.connected_region()
    needed = math.log10(5 / 0.05)
    assert all(logs[pair] >= needed for pair in region.pairs)
    assert logs[2, 3] < needed
    # With a smaller error probability than the evidence allows, nothing is left.
    none = report.connected_region(alpha=1e-200)
    assert (none.lower_limit, none.pairs, none.estimate) == (0, (), 5)


def test_a_region_is_verified_with_the_report(report, tmp_path):
    assert "the connected region has at least 3 qubits" in report.verify().reason
    region = report.connected_region()
    findings = report._by_group()
    assert check_region(region, findings, 5)
    for change in (
        {"qubits": (0, 1)},
        {"qubits": (0, 1, 2, 3, 4)},
        {"qubits": (0, 1, 4)},
        {"qubits": ()},
        {"estimated_qubits": (0, 1)},
        {"alpha": 1e-200},
    ):
        assert not check_region(dataclasses.replace(region, **change), findings, 5), change
    region.save(tmp_path / "region.json")
    assert ConnectedRegion.load(tmp_path / "region.json") == region


def test_signaling_pairs_are_no_edges():
    array = rounded(STRONG, 2000).array.copy()
    array[0, 1, 0, 0] += 150
    array[0, 1, 1, 0] -= 150
    groups = {(0, 1): rounded(STRONG, 500), (1, 2): BellCounts(array)}
    report = analyze(groups, QUICK, alpha=0.05, seed=1)
    assert report.signaling_groups == ((1, 2),)
    assert report.connected_region().qubits == (0, 1)
    assert report.connected_region().estimate == 3


def test_allowances_for_signaling_share_the_error_probability(report):
    # With a declared kappa an edge needs its allowance at alpha / K. Reports that were made alone have it at alpha.
    declared = CountsOptions(kappa=1, num_replicates=0)
    counts = {(0, 1): rounded(STRONG, 2000), (1, 2): rounded(STRONG, 2000)}
    together = analyze(counts, declared, alpha=0.05, seed=1)
    assert together.connected_region().lower_limit == 3
    assert together.connected_region(alpha=0.01).lower_limit == 0
    alone = [analyze(one, declared, alpha=0.05, seed=1) for one in counts.values()]
    assert DeviceReport(tuple(counts), alone, 0.05).connected_region().lower_limit == 0


def test_triples_are_no_edges():
    counts = Behavior.from_state(ghz_state(3), "mermin").sample(100, 1)
    report = analyze({(0, 1, 2): counts}, QUICK, seed=1)
    with pytest.raises(CountsError, match=r"^report: expected at least one pair"):
        report.connected_region()
    assert report.verify()


@pytest.mark.parametrize("alpha", [0, 1, -0.1, "a"])
def test_error_probabilities_out_of_range_are_refused(report, alpha):
    with pytest.raises(CountsError, match=r"^alpha: expected"):
        report.connected_region(alpha)


def test_largest_component_against_a_slow_search():
    rng = np.random.default_rng(5)
    for _ in range(40):
        pairs = [tuple(map(int, rng.choice(9, 2, replace=False))) for _ in range(rng.integers(0, 8))]
        best = ()
        for start in sorted(set(itertools.chain(*pairs))):
            reached = {start}
            while any((a in reached) != (b in reached) for a, b in pairs):
                reached |= {q for pair in pairs if reached & set(pair) for q in pair}
            if len(reached) > len(best):
                best = tuple(sorted(reached))
        assert largest_component(pairs) == best


def test_wrong_edges_are_rare_on_local_devices():
    # Local pairs at the edge of the local set: the family-wise error is far below alpha, as e-values are cautious.
    edge = Behavior.from_state(werner_state(1 / np.sqrt(2)), "chsh")
    wrong = 0
    for run in range(10):
        groups = {(2 * i, 2 * i + 1): edge.sample(100, 100 * run + i) for i in range(4)}
        wrong += analyze(groups, QUICK, alpha=0.2, seed=run).connected_region().lower_limit > 0
    assert wrong <= 5
