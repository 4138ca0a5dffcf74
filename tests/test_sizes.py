"""Sizes that no memory holds are refused by name, before any work."""

import pytest
from qiskit_lhv import LHVError, ghz_state
from qiskit_lhv.measurements import (
    icosahedral_sizes,
    planar_directions,
    platonic_directions,
    random_directions,
)
from qiskit_lhv.polytope import cglmp, chained
from qiskit_lhv.quantum import graph_state, random_state, w_state


@pytest.mark.parametrize("number", [40, 10**6, 10**30])
@pytest.mark.parametrize(
    ("make", "name"),
    [
        (ghz_state, "num_qubits"),
        (w_state, "num_qubits"),
        (random_state, "num_qubits"),
        (lambda n: graph_state([], n), "num_qubits"),
        (lambda n: cglmp(1000 * n), "num_outcomes"),
        (lambda n: chained(1000 * n), "num_settings"),
        (lambda n: planar_directions(10**6 * n), "num_settings"),
        (lambda n: random_directions(10**6 * n), "num_settings"),
    ],
)
def test_sizes_that_do_not_fit_are_refused(make, name, number):
    with pytest.raises(LHVError, match=rf"^{name}: expected at most .*memory"):
        make(number)


@pytest.mark.parametrize("value", [None, "x", [], 1j])
def test_other_things_than_numbers_and_names_are_refused(value):
    with pytest.raises(LHVError, match=r"^limit: expected a whole number"):
        icosahedral_sizes(value)
    with pytest.raises(LHVError, match=r"^name: expected"):
        platonic_directions(value)
