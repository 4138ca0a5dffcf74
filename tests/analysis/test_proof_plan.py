"""The one plan of proofs: its order, its shares of the time, and that every caller runs it."""

from types import SimpleNamespace

import pytest
from qiskit_lhv import CorrelationTensor, certify_all_projective, werner_state
from qiskit_lhv._support.deadlines import NO_LIMIT, Deadline
from qiskit_lhv.analysis.proof_plan import PLAN, Step, axes_to_try, calls_of_oracle, settings_to_try, share_of
from qiskit_lhv.analysis.proofs import proofs
from qiskit_lhv.projective import OptimizedSettings


def test_every_step_is_planned_once_in_its_order():
    assert [planned.step for planned in PLAN] == list(Step)


def test_the_last_step_gets_all_that_is_left():
    everything = tuple(Step)
    assert [share_of(step, everything) for step in Step] == [None, None, 0.25, 0.8, 1.0]
    below = (Step.QUICK_PROOFS, Step.POLYHEDRA)
    assert [share_of(step, below) for step in below] == [None, 1.0]
    assert share_of(Step.SETTINGS, (Step.CRITERIA, Step.QUICK_PROOFS, Step.SETTINGS)) == 1.0
    assert share_of(Step.CRITERIA, (Step.CRITERIA,)) is None


@pytest.mark.parametrize(("plane", "highest"), [(False, False), (False, True), (True, False), (True, True)])
@pytest.mark.parametrize("n", [2, 3, 4, 5, 6])
def test_polyhedra_come_from_coarse_to_fine(n, plane, highest):
    axes = axes_to_try(n, plane, highest)
    assert axes
    assert list(axes) == sorted(set(axes))
    calls = [calls_of_oracle(n, count) for count in axes]
    assert calls == sorted(calls, reverse=True)


@pytest.mark.parametrize("n", [2, 3, 4, 5, 6])
def test_more_settings_come_after_the_others(n):
    few, many = settings_to_try(n, False), settings_to_try(n, True)
    assert few
    assert many[: len(few)] == few


def test_settings_of_criteria_come_before_certificates():
    tensor = CorrelationTensor.from_state(werner_state(0.5))
    found = list(proofs(tensor, (Step.QUICK_PROOFS, Step.CRITERIA), clock=NO_LIMIT, seed=1))
    kinds = [isinstance(one, OptimizedSettings) for one in found]
    assert kinds == sorted(kinds, reverse=True)
    assert set(kinds) == {True, False}


def test_what_is_kept_is_taken_also_when_the_time_is_over(counted_clock):
    tensor = CorrelationTensor.from_state(werner_state(1))
    kept = certify_all_projective(tensor, directions=6, seed=1)
    store = SimpleNamespace(has_certificate=lambda count: count == 16, certificate=lambda count: kept)
    with counted_clock(1.0):
        clock = Deadline(0.5)
        steps = (Step.QUICK_PROOFS, Step.POLYHEDRA)
        found = list(proofs(tensor, steps, clock=clock, visibility=None, seed=1, store=store))
    assert found[-1] is kept
    assert clock.ran_out


def test_in_other_noise_nothing_is_claimed_of_white_noise():
    tensor = CorrelationTensor.from_state(werner_state(0.3))
    noise = CorrelationTensor.from_state(werner_state(0.1))
    assert not list(proofs(tensor, (Step.QUICK_PROOFS,), clock=NO_LIMIT, noise=noise, seed=1))
