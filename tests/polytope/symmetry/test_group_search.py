import numpy as np
from qiskit_lhv.measurements.axes import (
    planar_directions,
)
from qiskit_lhv.polytope import find_symmetry
from qiskit_lhv.polytope.symmetry.group_search import check_symmetry
from qiskit_lhv.quantum.states import ghz_state
from qiskit_lhv.targets.behaviors import Behavior
from qiskit_lhv.targets.correlations import CorrelationTensor


def test_correlators_that_are_zero_but_for_rounding():
    # A product state, with settings of party 0 across its Bloch vector up to rounding.
    first = np.array([1.0, 0.0, 0.0, 2e-16])
    others = [np.array([1.0, np.sqrt(0.5), np.sqrt(0.5) / 2, -np.sqrt(0.5) / 2]), np.array([1.0, 0.0, 1.0, 1.0])]
    array = np.multiply.outer(np.multiply.outer(first, others[0]), others[1])
    group = find_symmetry(Behavior.from_correlators(array, marginals=True))
    assert len(group) >= 1


def test_small_correlators_keep_their_symmetries():
    array = np.zeros((4, 4))
    array[0, 0] = 1
    array[1:, 1:] = 1e-6 * np.eye(3)
    small = find_symmetry(Behavior.from_correlators(array, marginals=True))
    array[1:, 1:] = 0.5 * np.eye(3)
    assert len(small) == len(find_symmetry(Behavior.from_correlators(array, marginals=True)))


def test_symmetries_found_until_the_time_is_over_are_symmetries():
    behavior = CorrelationTensor.from_state(ghz_state(3)).behavior([list(planar_directions(3, (0, 1)))] * 3)
    whole = find_symmetry(behavior)
    none = find_symmetry(behavior, time_limit=1e-9)
    assert len(none) <= len(whole)
    check_symmetry(none, behavior)
    assert len(find_symmetry(behavior, time_limit=1000)) == len(whole) > 1
