"""Measurements by sum and by angle."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from qiskit.quantum_info import SparsePauliOp
from qiskit_lhv import Behavior, measurement
from qiskit_lhv.exceptions import MeasurementError
from qiskit_lhv.measurements.observable_texts import is_sum, name_of_vector
from qiskit_lhv.measurements.specification import parse_settings

from helpers import BELL, refusal

HALF = math.sqrt(0.5)


def vector(spec):
    return measurement(spec).bloch_vectors[0]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Z+X", (HALF, 0, HALF)),
        ("Z + X", (HALF, 0, HALF)),
        ("(Z+X)/sqrt(2)", (HALF, 0, HALF)),
        ("(Z-X)/√2", (-HALF, 0, HALF)),
        ("-Z+X", (HALF, 0, -HALF)),
        ("0.6*X + 0.8*Z", (0.6, 0, 0.8)),
        ("3X - 4Y", (0.6, -0.8, 0)),
        ("2*Z", (0, 0, 1)),
        ("-(X + Y)/2 - Y/2", (-1 / math.sqrt(5), -2 / math.sqrt(5), 0)),
        ("sqrt(3)/2*Z + X/2", (0.5, 0, math.sqrt(0.75))),
    ],
)
def test_sums_are_directions(text, expected):
    np.testing.assert_allclose(vector(text), expected, atol=1e-12)
    assert measurement(text).name == text
    assert measurement(text).num_outcomes == 2


@pytest.mark.parametrize(
    ("text", "degrees"),
    [
        ("0 deg", 0),
        ("45 deg", 45),
        ("45°", 45),
        ("-45 degrees", -45),
        ("0.5 rad", math.degrees(0.5)),
        ("pi/4 rad", 45),
        ("3*pi/4 radians", 135),
        ("22.5 deg polarizer", 45),
        ("22.5° pol", 45),
        ("pi/8 rad polarizer", 45),
    ],
)
def test_angles_go_from_z_towards_x_and_polarizers_turn_half_as_far(text, degrees):
    angle = math.radians(degrees)
    np.testing.assert_allclose(vector(text), (math.sin(angle), 0, math.cos(angle)), atol=1e-12)
    assert measurement(text).name == text


def test_sums_of_several_qubits_are_observables():
    one, other = measurement("ZZ + 2*XX"), measurement(SparsePauliOp(["ZZ", "XX"], [1, 2]))
    np.testing.assert_allclose(one.effects, other.effects, atol=1e-12)
    assert measurement("Z+I").num_outcomes == 2
    np.testing.assert_allclose(measurement("Z+I").effects[0], np.diag([1, 0]), atol=1e-12)


@settings(max_examples=30, deadline=None, database=None)
@given(st.tuples(*[st.floats(-50, 50)] * 3).filter(lambda v: math.hypot(*v) > 1))
def test_longer_vectors_are_directions(entries):
    np.testing.assert_allclose(vector(entries), np.array(entries) / math.hypot(*entries), atol=1e-9)


def test_shorter_vectors_may_be_directions_or_unsharp():
    message = refusal(MeasurementError, measurement, (0.3, 0, 0.4))
    assert "(0.6, 0, 0.8)" in message
    assert "two effects" in message


@pytest.mark.parametrize("number", [45, 0.785, np.float64(45), -90])
def test_angles_without_a_unit_are_asked_for_it(number):
    message = refusal(MeasurementError, measurement, number)
    assert '"45 deg" or "0.785 rad"' in message
    assert "polarizer" in message
    with pytest.raises(MeasurementError, match=r"^settings\[0\]\[1\]: .*45 deg"):
        parse_settings([["Z", number], ["Z"]], [2, 2])


@pytest.mark.parametrize(
    "text",
    [
        "Z+",
        "Z+Q",
        "Z*X",
        "1/Z",
        "Z+XX",
        "Z+1",
        "Z-Z",
        "(Z+X",
        "Z+X; X",
        "__import__('os')+Z",
        "Z.real+X",
        "deg",
        "1/0*Z",
        "1e400*Z",
        "Z**2",
        "9**9**9*Z",
        "+".join(["Z"] * 300),
        "sqrt(-1)*Z",
        "[Z for Z in (1)]+X",
        "X+" + "(" * 300,
    ],
)
def test_texts_that_are_no_sum_are_refused(text):
    assert refusal(MeasurementError, measurement, text).startswith("spec: expected")


def test_settings_have_names_that_behaviors_and_counts_keep():
    behavior = Behavior.from_state(BELL, [["Z", "X"], ["45 deg", "Z-X"]])
    assert behavior.setting_names == (("Z", "X"), ("45 deg", "Z-X"))
    assert behavior.sample(10, seed=1).setting_names == behavior.setting_names
    assert behavior.sample(10, seed=1).frequencies().setting_names == behavior.setting_names
    assert behavior.coarse_grain({0: [0, 1]}).setting_names == behavior.setting_names
    same = Behavior(behavior.array)
    assert same == behavior
    assert same.setting_names is None


def test_settings_of_the_same_name_have_none():
    assert Behavior.from_state(BELL, [["Z", "X"], [np.eye(2), np.diag([1, -1])]]).setting_names is None


@pytest.mark.parametrize("name", ["CHSH", "Chsh", " chsh "])
def test_names_of_tests_are_in_any_case(name):
    assert Behavior.from_state(BELL, name) == Behavior.from_state(BELL, "chsh")
    assert Behavior.from_state(BELL, name).setting_names == (("Z", "X"), ("Z+X", "Z-X"))


@pytest.mark.parametrize(
    ("entries", "name"),
    [
        ((0, 0, 1), "Z"),
        ((0, -1, 0), "-Y"),
        ((-HALF, 0, HALF), "Z-X"),
        ((HALF, -HALF, 0), "X-Y"),
        ((0.6, 0, 0.8), "(0.6, 0, 0.8)"),
        ((1 / math.sqrt(3),) * 3, "Z+X+Y"),
    ],
)
def test_vectors_have_short_names(entries, name):
    assert name_of_vector(entries) == name
    if is_sum(name) and not name.startswith("("):
        np.testing.assert_allclose(vector(name), entries, atol=1e-12)


def test_names_of_settings_are_checked_and_saved(tmp_path):
    message = refusal(ValueError, lambda: Behavior([[0.5, 0.5]], setting_names=[["Z", "X"]]))
    assert message.startswith("setting_names: expected different names of (1,) settings")
    named = Behavior([[0.5, 0.5]], setting_names=[["Z"]])
    named.save(tmp_path / "behavior.json")
    assert Behavior.load(tmp_path / "behavior.json").setting_names == (("Z",),)
