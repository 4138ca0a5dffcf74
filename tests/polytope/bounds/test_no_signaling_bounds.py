import dataclasses

import numpy as np
import pytest
from qiskit_lhv import BellExpression, chsh
from qiskit_lhv.exceptions import ScenarioError
from qiskit_lhv.polytope import (
    NoSignalingBound,
    cglmp,
    chained,
    elegant,
    i3322,
    mermin,
    no_signaling_bound,
)


@pytest.mark.parametrize(
    ("expression", "value"),
    # reference_values.md and the definitions: the PR box wins every correlator.
    [(chsh(), 4), (mermin(3), 4), (chained(4), 8), (elegant(), 12), (cglmp(3), 4), (i3322(), 1)],
)
def test_known_bounds(expression, value):
    bound = no_signaling_bound(expression)
    assert value <= bound.value < value + 1e-9
    assert bound.attained == pytest.approx(value)
    assert bound.behavior.is_no_signaling()
    assert bound.verify()


def test_bound_of_unequal_scenario_is_proven_by_its_multipliers():
    rng = np.random.default_rng(0)
    for shape in ((2, 3, 3, 2), (1, 2, 2, 2), (2, 2, 2, 2, 2, 2), (3, 4)):
        expression = BellExpression(rng.normal(size=shape))
        bound = no_signaling_bound(expression)
        assert bound.verify()
        assert bound.value - bound.attained < 1e-9


def test_verify_refuses_changed_evidence(tmp_path):
    bound = no_signaling_bound(chsh())
    assert not dataclasses.replace(bound, value=4 - 1e-9).verify()
    assert not dataclasses.replace(bound, multipliers=-bound.multipliers).verify()
    assert not dataclasses.replace(bound, multipliers=0 * bound.multipliers).verify()
    assert not dataclasses.replace(bound, behavior=bound.behavior.mix(visibility=0.9)).verify()
    signaling = np.zeros((2, 2, 2, 2))
    signaling[:, 0, 0, 0] = signaling[:, 1, 1, 1] = 1
    assert not dataclasses.replace(bound, behavior=type(bound.behavior)(signaling)).verify()
    bound.save(tmp_path / "bound.npz")
    assert NoSignalingBound.load(tmp_path / "bound.npz") == bound


def test_too_large_scenario_is_refused_with_its_size():
    with pytest.raises(ScenarioError, match="16900"):
        no_signaling_bound(BellExpression(np.zeros((65, 65, 2, 2))))
