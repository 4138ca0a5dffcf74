import ast
import importlib
import inspect
import pkgutil
from pathlib import Path

import numpy as np
import pytest
import qiskit_lhv
from qiskit_lhv import Behavior, LHVError, analyze, chsh, werner_state
from qiskit_lhv._support import deadlines
from qiskit_lhv._support.deadlines import NO_LIMIT, Deadline, checks_within, time_for_check
from qiskit_lhv.optimize import GradientDescent
from qiskit_lhv.spin_chains import xxz_chain

PACKAGE = Path(qiskit_lhv.__file__).parent
BEHAVIOR = Behavior.from_state(werner_state(1), "chsh")
COUNTS = BEHAVIOR.sample(100, 1)
STATE = werner_state(0.3)
# What every public function that takes a time limit is called with, so that it ends at once.
CALLS = {
    "analyze": (BEHAVIOR,),
    "certify_all_projective": (STATE,),
    "compare_models": (COUNTS,),
    "critical_visibility": (STATE,),
    "detection_threshold": (BEHAVIOR,),
    "decompose": (STATE,),
    "find_local_model": (STATE,),
    "find_local_models": ([STATE],),
    "find_symmetry": (BEHAVIOR,),
    "fit_local_model": (COUNTS,),
    "ground_state": (xxz_chain(4, 1.0),),
    "local_bound": (chsh(),),
    "local_region": (COUNTS, Behavior.white_noise(COUNTS.scenario)),
    "local_weight": (BEHAVIOR,),
    "mix_local_models": (STATE,),
    "nonlocality_threshold": (BEHAVIOR,),
    "optimize_settings": (STATE,),
    "project_to_no_signaling": (BEHAVIOR,),
    "quantum_bound": (chsh(),),
    "ratio_e_value": (COUNTS,),
    "ratio_e_values": ([COUNTS],),
    "sweep": (dict, [{"x": 1}]),
    "sweep_visibility": (STATE, [0.3]),
}
REFUSED = [0, 0.0, -1, float("nan"), float("inf"), 10**400, "x", True, np.array([1.0])]
# These start JAX, or searches that take long: that they take None is shown by their own tests.
LONG = {
    "certify_all_projective",
    "critical_visibility",
    "find_local_model",
    "find_local_models",
    "mix_local_models",
    "optimize_settings",
}


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
    clock.now += 1e9
    assert not NO_LIMIT.limited
    assert not NO_LIMIT.over
    assert NO_LIMIT.left is None
    assert NO_LIMIT.has(1e9)
    with NO_LIMIT.part(0.1).step(0.5) as seconds:
        assert seconds is None
    assert not NO_LIMIT.ran_out


def test_steps_get_shares_of_what_is_left(clock):
    deadline = Deadline(10.0)
    with deadline.step(0.5) as seconds:
        assert seconds == pytest.approx(5)
        clock.now += 2
    part = deadline.part(0.25)
    assert part.left == pytest.approx(2)
    with part.step() as seconds:
        assert seconds == pytest.approx(2)
        clock.now += 1
    assert deadline.left == pytest.approx(7)
    assert not deadline.ran_out


def test_a_step_that_takes_its_whole_share_was_cut_short(clock):
    deadline = Deadline(10.0)
    with deadline.part(0.5).step(0.5):
        clock.now += 2.5
    assert deadline.ran_out


def test_a_step_that_is_left_out_was_cut_short(clock):
    deadline = Deadline(10.0)
    clock.now += 9.5
    assert deadline.has(0.1)
    assert not deadline.allows(1.0)
    assert not deadline.ran_out
    assert not deadline.has(1.0)
    assert deadline.ran_out
    clock.now += 1
    assert deadline.over
    with deadline.step() as seconds:
        # Never an invalid limit.
        assert 0 < seconds < 0.1


def test_a_step_may_have_a_least_time(clock):
    deadline = Deadline(10.0)
    assert deadline.part(0.1, least=0.5).left == pytest.approx(1)
    assert deadline.part(0.1, least=2.0).left == pytest.approx(2)


def test_a_check_ends_with_its_search_but_has_some_seconds_at_least(clock):
    assert not time_for_check().limited
    search = Deadline(10.0)
    with checks_within(search):
        assert time_for_check().left == pytest.approx(10)
        clock.now += 9.5
        check = time_for_check()
        assert check.left == pytest.approx(3)
        clock.now += 2.9
        assert check.has()
        assert not search.ran_out
        clock.now += 0.2
        assert not check.has()
    assert search.ran_out
    assert not time_for_check().limited


@pytest.mark.parametrize("seconds", REFUSED, ids=lambda seconds: str(seconds)[:5])
def test_limits_are_positive(seconds):
    with pytest.raises(LHVError, match=r"^time_limit: expected a positive number of seconds, or None for no limit"):
        Deadline(seconds)


def limited():
    """All public callables that take a time limit, by name."""
    rooms = [f"qiskit_lhv.{one.name}" for one in pkgutil.iter_modules([str(PACKAGE)]) if one.ispkg]
    found = {}
    for module in map(importlib.import_module, ["qiskit_lhv", *(room for room in rooms if "._" not in room)]):
        for name in getattr(module, "__all__", ()):
            public = getattr(module, name)
            if callable(public) and not (inspect.isclass(public) and issubclass(public, BaseException)):
                try:
                    parameters = inspect.signature(public).parameters
                except ValueError:  # an enumeration has none
                    continue
                if "time_limit" in parameters:
                    found[name] = public, parameters["time_limit"].default
    return found


def test_all_public_functions_with_a_time_limit_are_listed_and_have_none_by_default():
    found = limited()
    assert sorted(found) == sorted(CALLS)
    assert {name for name, (_, default) in found.items() if default is not None} == set()


@pytest.mark.parametrize("name", sorted(CALLS))
def test_limits_are_refused_alike_everywhere(name):
    function, _ = limited()[name]
    for seconds in REFUSED:
        with pytest.raises(LHVError) as refusal:
            function(*CALLS[name], time_limit=seconds)
        with pytest.raises(LHVError) as expected:
            Deadline(seconds)
        assert type(refusal.value) is type(expected.value)
        assert str(refusal.value) == str(expected.value)


@pytest.mark.parametrize("target", [COUNTS, STATE], ids=["counts", "state"])
def test_analyze_refuses_limits_whatever_the_target(target):
    with pytest.raises(LHVError, match=r"^time_limit: expected a positive number of seconds"):
        analyze(target, time_limit=0)


@pytest.mark.parametrize("name", sorted(set(CALLS) - LONG))
def test_none_is_no_limit(name):
    quick = {"optimizer": GradientDescent(num_steps=1), "num_hidden": 16, "progress": False}
    options = quick if name == "sweep_visibility" else {}
    limited()[name][0](*CALLS[name], time_limit=None, **options)


def test_no_other_module_looks_at_a_clock():
    lookers = set()
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [one.name for one in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and not node.level:
                names = [node.module]
            if {"time", "timeit"} & set(names):
                lookers.add(path.relative_to(PACKAGE).as_posix())
    assert lookers == {"_support/deadlines.py"}
