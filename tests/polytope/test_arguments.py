"""Functions that take a behavior or an expression refuse everything else by name."""

import pytest
import qiskit_lhv
from qiskit_lhv import Behavior, BellCounts, LHVError, chsh, polytope, targets

GARBAGE = [None, True, 0.5, "chsh", 1j, [0.5], {"a": 1}, object(), b"x", chsh, BellCounts([[5, 5]])]
BEHAVIOR = Behavior([[0.5, 0.5]])


@pytest.mark.parametrize(
    ("name", "argument", "rest"),
    [
        ("are_equivalent", "first", {"second": chsh()}),
        ("are_equivalent", "second", {"first": chsh()}),
        ("local_bound", "expression", {}),
        ("no_signaling_bound", "expression", {}),
        ("quantum_bound", "expression", {}),
        ("nonlocality_threshold", "behavior", {}),
        ("local_weight", "behavior", {}),
        ("detection_threshold", "behavior", {}),
        ("divergence", "target", {"model": BEHAVIOR}),
        ("divergence", "model", {"target": BEHAVIOR}),
        ("project_to_no_signaling", "behavior", {}),
    ],
)
def test_what_is_of_another_type_is_refused_by_name(name, argument, rest):
    for garbage in GARBAGE:
        with pytest.raises(LHVError, match=f"^{argument}: expected (Behavior|BellExpression)( or .*)?, got "):
            getattr(targets if name in targets.__all__ else polytope, name)(**rest, **{argument: garbage})


def test_symmetries_are_those_of_behaviors():
    for garbage in ([], *([one] for one in GARBAGE)):
        with pytest.raises(LHVError, match=r"^behaviors: expected"):
            qiskit_lhv.polytope.find_symmetry(*garbage)
