"""Correlators with errors, as targets, and estimated values."""

import copy
import functools
import pickle

import numpy as np
import pytest
from qiskit import QuantumCircuit
from qiskit.circuit import Parameter
from qiskit.primitives import StatevectorEstimator
from qiskit.quantum_info import SparsePauliOp
from qiskit.transpiler import CouplingMap, generate_preset_pass_manager
from qiskit_lhv import BellExpression, chsh, load_bundled_counts
from qiskit_lhv._support.estimated_value import with_error
from qiskit_lhv.exceptions import CountsError, ScenarioError
from qiskit_lhv.polytope import mermin
from qiskit_lhv.statistics import bell_values
from qiskit_lhv.targets import Correlators, EstimatedValue

from helpers import refusal

LABELS = ["ZZ", "ZX", "XZ", "XX"]
FACTORS = [("ZZ", 1), ("ZX", 2), ("XZ", -1), ("XX", 1)]


def sweep_circuit():
    """A Bell pair of which qubit 0 is turned by an angle."""
    circuit = QuantumCircuit(2)
    circuit.h(0)
    circuit.cx(0, 1)
    circuit.ry(Parameter("theta"), 0)
    return circuit


def run(pub, precision=0.01):
    return StatevectorEstimator(seed=1).run([pub], precision=precision).result()[0]


def test_a_sweep_of_an_estimator():
    angles = np.array([0.0, 0.5, 1.2])
    pub = (sweep_circuit(), [[label] for label in LABELS], angles)
    found = Correlators.from_estimator(run(pub), pub)
    assert len(found) == 3
    for angle, correlators in zip(angles, found, strict=True):
        # Party 0 is qubit 0, the letter at the right. Turned, its X is X cos + Z sin, its Z is Z cos - X sin.
        cos, sin = np.cos(angle), np.sin(angle)
        expected = np.array([[cos, -sin], [sin, cos]])
        np.testing.assert_allclose(correlators.values, expected, atol=0.05)
        np.testing.assert_allclose(correlators.errors, 0.01)
        assert correlators.setting_names == (("Z", "X"), ("Z", "X"))


@pytest.mark.parametrize("shape", ["angles first", "flat", "grid"])
def test_every_shape_of_a_pub_is_read(shape):
    angles = np.array([0.3, 0.9])
    observables, parameters = {
        "angles first": (LABELS, angles.reshape(2, 1, 1)),
        "flat": (LABELS, np.array([0.3])),
        "grid": ([[LABELS[:2]], [LABELS[2:]]], angles.reshape(2, 1, 1)),
    }[shape]
    pub = (sweep_circuit(), observables, parameters)
    found = Correlators.from_estimator(run(pub), pub)
    used = angles if shape != "flat" else angles[:1]
    assert len(found) == len(used)
    for angle, correlators in zip(used, found, strict=True):
        np.testing.assert_allclose(correlators.values[1, 0], np.sin(angle), atol=0.05)


def test_whole_operators_are_refused_with_the_right_call():
    pub = (sweep_circuit(), SparsePauliOp(LABELS, [1, -1, 1, 1]), [0.1])
    with pytest.raises(CountsError, match=r"got a sum of 4. Measure its terms.*normal_test\(value, standard_error"):
        Correlators.from_estimator(run(pub), pub)


def test_angles_that_change_with_the_observable_are_refused():
    pub = (sweep_circuit(), LABELS, [0.1, 0.2, 0.3, 0.4])
    with pytest.raises(CountsError, match="an axis of their own, so that each is measured with all parameter values"):
        Correlators.from_estimator(run(pub), pub)


def test_settings_are_ordered_as_asked_and_may_lack_values():
    pub = (sweep_circuit(), ["XX", "ZZ", "ZX"], [0.4])
    (found,) = Correlators.from_estimator(run(pub), pub, settings=["ZX", "ZX"], mitigation="readout mitigation")
    assert np.isnan(found.values).tolist() == [[False, True], [False, False]]
    np.testing.assert_allclose(found.values[0, 0], np.cos(0.4), atol=0.05)
    assert "readout mitigation" in repr(found)


def test_layouts_are_undone():
    circuit = sweep_circuit()
    manager = generate_preset_pass_manager(1, coupling_map=CouplingMap.from_line(3), initial_layout=[2, 1])
    laid_out = manager.run(circuit)
    observables = [SparsePauliOp(label, factor).apply_layout(laid_out.layout) for label, factor in FACTORS]
    pub = (laid_out, [[observable] for observable in observables], [0.5])
    (found,) = Correlators.from_estimator(run(pub), pub)
    np.testing.assert_allclose(found.values, [[np.cos(0.5), -np.sin(0.5)], [np.sin(0.5), np.cos(0.5)]], atol=0.05)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"values": [[0.5, 0.5]]}, "either errors or covariance, got neither"),
        ({"values": [[0.5, 0.5]], "errors": 0.1, "covariance": np.eye(2)}, "got both"),
        ({"values": [[0.5, 0.5]], "errors": [0.1, 0.1]}, "errors: expected one number, or shape (1, 2)"),
        ({"values": [[0.5, 0.5]], "errors": [[0.1, 0.0]]}, "standard errors above 0, got 0. Exact correlators"),
        ({"values": [[0.5, 0.5]], "covariance": np.eye(3)}, "covariance: expected shape (2, 2)"),
        ({"values": [[0.5, 0.5]], "covariance": [[1, 2], [2, 1]]}, "without negative eigenvalues"),
        ({"values": [[0.5, 1.6]], "errors": 0.1}, "values: expected numbers from -1 to 1"),
        ({"values": [[np.nan, np.nan]], "errors": 0.1}, "none of them known"),
        ({"values": [[0.5, np.inf]], "errors": 0.1}, "finite numbers"),
        ({"values": "ZZ", "errors": 0.1}, "an array of numbers"),
        ({"values": [[0.5, 0.5]], "errors": 0.1, "setting_names": (("Z",), ("X",))}, "setting_names: expected"),
        ({"values": [[0.5, 0.5]], "errors": 0.1, "mitigation": 3}, "mitigation: expected a text"),
    ],
)
def test_numbers_that_are_no_correlators_are_refused(arguments, words):
    assert words in refusal(CountsError, lambda: Correlators(**arguments))


def test_results_that_do_not_fit_are_refused():
    pub = (sweep_circuit(), [[label] for label in LABELS], [0.1])
    result = run(pub)
    for observables, words in (
        (["ZZ", "ZX", "XZ"], "broadcast to the values"),
        ((pub[0], [["ZZ"], ["ZI"], ["XZ"], ["XX"]]), "a letter X, Y or Z for each party"),
        ((pub[0], [["ZZ"], ["ZZ"], ["XZ"], ["XX"]]), "each Pauli string once"),
    ):
        call = functools.partial(Correlators.from_estimator, result, observables)
        assert words in refusal(CountsError, call)
    assert "settings: expected" in refusal(
        CountsError, lambda: Correlators.from_estimator(result, pub, settings=["ZY", "ZX"])
    )
    with pytest.raises(CountsError, match="counts go to"):
        Correlators.from_estimator({"00": 3}, pub)


def test_values_of_counts_have_errors():
    counts = load_bundled_counts("delft_2015").counts
    value = chsh().value(counts)
    expected = bell_values(counts, chsh())
    assert isinstance(value, float)
    assert value == pytest.approx(expected.values[0])
    assert value.standard_error == pytest.approx(expected.standard_errors[0])
    assert value > 2
    for same in (copy.deepcopy(value), pickle.loads(pickle.dumps(value))):
        assert (same, same.standard_error) == (value, value.standard_error)
    assert str(EstimatedValue(2.05, 0.1)) == "2.05 +- 0.10"
    with pytest.raises(ScenarioError, match="behavior: expected counts of"):
        mermin(3).value(counts)
    with pytest.raises(ScenarioError, match="behavior: expected Behavior"):
        chsh().value({"00": 3})
    one = BellExpression.from_correlators([[1, 0], [0, 0]], marginals=False)
    three = counts.array.copy()
    three[1, 1] = 0
    assert one.value(type(counts)(three)).standard_error > 0
    with pytest.raises(CountsError, match=r"none for settings \(1, 1\)"):
        chsh().value(type(counts)(three))


@pytest.mark.parametrize(
    ("value", "error", "text"),
    [
        (2.0499, 0.0996, "2.05 +- 0.10"),
        (-0.00123, 0.00049, "-0.00123 +- 0.00049"),
        (31.0, 12.3, "31 +- 12"),
        (1.0, 0, "1"),
    ],
)
def test_two_digits_of_the_error_are_shown(value, error, text):
    assert with_error(value, error) == text
