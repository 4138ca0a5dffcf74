import pytest
from qiskit_lhv import LHVError
from qiskit_lhv._support import deadlines
from qiskit_lhv._support.deadlines import SharedTime


class Clock:
    """A clock that a test sets."""

    def __init__(self):
        self.now = 100.0

    def monotonic(self):
        return self.now


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(deadlines, "time", clock)
    return clock


def test_without_a_limit_no_time_is_ever_over(clock):
    shared = SharedTime(None)
    clock.now += 1e9
    assert not shared.limited
    assert shared.has(1e9)
    with shared.part(0.1).step(0.5) as seconds:
        assert seconds is None
    assert not shared.ran_out


def test_steps_get_shares_of_what_is_left(clock):
    shared = SharedTime(10.0)
    with shared.step(0.5) as seconds:
        assert seconds == pytest.approx(5)
        clock.now += 2
    part = shared.part(0.25)
    assert part.left == pytest.approx(2)
    with part.step() as seconds:
        assert seconds == pytest.approx(2)
        clock.now += 1
    assert shared.left == pytest.approx(7)
    assert not shared.ran_out


def test_a_step_that_takes_its_whole_share_was_cut_short(clock):
    shared = SharedTime(10.0)
    with shared.part(0.5).step(0.5):
        clock.now += 2.5
    assert shared.ran_out


def test_a_step_that_is_left_out_was_cut_short(clock):
    shared = SharedTime(10.0)
    clock.now += 9.5
    assert shared.has(0.1)
    assert not shared.ran_out
    assert not shared.has(1.0)
    assert shared.ran_out
    clock.now += 1
    with shared.step() as seconds:
        # Never an invalid limit.
        assert 0 < seconds < 0.1


@pytest.mark.parametrize("seconds", [0, -1, float("nan"), "soon"])
def test_limits_are_positive(seconds):
    with pytest.raises(LHVError, match="time_limit"):
        SharedTime(seconds)
