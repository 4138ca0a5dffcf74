import itertools

import numpy as np
import pytest
from qiskit import QuantumCircuit
from qiskit.quantum_info import DensityMatrix, SparsePauliOp, Statevector, random_statevector
from qiskit_lhv import Behavior, BellScenario, ghz_state
from qiskit_lhv.exceptions import CountsError, MeasurementError, ScenarioError
from qiskit_lhv.targets import ManyPartyShots, TermValues, random_terms
from qiskit_lhv.targets.many_parties.term_rows import no_two_measured_together

SCENARIO = BellScenario([2, 3, 2], 2)


def test_random_terms_are_different_and_of_the_sizes_asked_for():
    rows = random_terms(SCENARIO, 15, [1, 3], seed=1)
    assert rows.dtype == np.int8
    assert len(np.unique(rows, axis=0)) == 15
    assert {int(size) for size in (rows >= 0).sum(axis=1)} == {1, 3}
    assert np.array_equal(rows, random_terms(SCENARIO, 15, [1, 3], seed=1))
    # All seven terms of one party, and no more.
    assert len(random_terms(SCENARIO, 7, 1, seed=2)) == 7
    with pytest.raises(ScenarioError, match="there are 7 different terms"):
        random_terms(SCENARIO, 8, 1, seed=2)
    with pytest.raises(ScenarioError, match="num_parties"):
        random_terms(SCENARIO, 1, 4)


def test_terms_that_no_shot_shares_are_recognized():
    rows = random_terms(BellScenario([2] * 4, 2), 30, [2, 3, 4], seed=3)

    def apart(a, b):
        return any(x >= 0 and y >= 0 and x != y for x, y in zip(a, b, strict=True))

    for size in (2, 3, 5, 30):
        for start in range(0, 30 - size + 1, 3):
            part = rows[start : start + size]
            expected = all(apart(a, b) for a, b in itertools.combinations(part, 2))
            assert no_two_measured_together(part) == expected
    assert no_two_measured_together(np.array(list(itertools.product([0, 1], repeat=4)), dtype=np.int8))


def test_values_of_a_vector_are_expectation_values():
    state = random_statevector(8, seed=4)
    rows = random_terms(BellScenario([2] * 3, 2), 20, [1, 2, 3], seed=5)
    values = TermValues.from_state(state, [["X", "Z"], ["Y", "X"], ["Z", "Y"]], rows).values
    letters = ["XZ", "YX", "ZY"]
    for row, value in zip(rows, values, strict=True):
        label = "".join("I" if row[k] < 0 else letters[k][row[k]] for k in (2, 1, 0))
        assert value == pytest.approx(state.expectation_value(SparsePauliOp(label)).real, abs=1e-12)
    mixed = TermValues.from_state(DensityMatrix(state), [["X", "Z"], ["Y", "X"], ["Z", "Y"]], rows)
    assert np.allclose(mixed.values, values, atol=1e-12)


def test_values_of_tilted_settings_are_those_of_the_behavior():
    settings = [[[0.6, 0, 0.8], "X"], ["Z", [0, 0.8, -0.6]], ["X", "Y"]]
    array = Behavior.from_state(ghz_state(3), settings).array
    signs = np.array([[[(-1) ** (a + b + c) for c in (0, 1)] for b in (0, 1)] for a in (0, 1)])
    rows = np.array(list(itertools.product([0, 1], repeat=3)))
    expected = [(array[tuple(row)] * signs).sum() for row in rows]
    assert np.allclose(TermValues.from_state(ghz_state(3), settings, rows).values, expected, atol=1e-12)


def test_values_of_a_large_stabilizer_state():
    n = 60
    circuit = QuantumCircuit(n)
    circuit.h(0)
    for k in range(n - 1):
        circuit.cx(k, k + 1)
    rows = np.zeros((3, n), dtype=int)
    rows[1, [3, 17]], rows[2, 5] = 1, 1
    values = TermValues.from_state(circuit, [["X", "Y"]] * n, rows)
    assert values.values.tolist() == [1, -1, 0]
    assert values.is_exact
    assert values.mixed_with_noise(0.25).values.tolist() == [0.25, -0.25, 0]
    circuit.t(0)
    with pytest.raises(MeasurementError, match="at most 22 qubits"):
        TermValues.from_state(circuit, [["X", "Y"]] * n, rows)


def test_circuits_that_are_no_stabilizers_go_by_their_vector():
    circuit = QuantumCircuit(2)
    circuit.ry(0.3, 0)
    rows = [[0, -1], [1, -1], [1, 0]]
    expected = [np.sin(0.3), np.cos(0.3), 0]
    assert np.allclose(TermValues.from_state(circuit, [["X", "Z"]] * 2, rows).values, expected)
    assert np.allclose(TermValues.from_state(Statevector(circuit), [["X", "Z"]] * 2, rows).values, expected)


def test_values_of_shots_are_means_of_products():
    rng = np.random.default_rng(6)
    settings, shots = rng.integers(2, size=(5, 3)), np.array([3, 1, 4, 2, 5])
    packed = rng.integers(8, size=(15, 1)).astype(np.uint8)
    record = ManyPartyShots(SCENARIO, settings, shots, packed, "blocks")
    outcomes = 1 - 2 * (packed >> np.arange(3) & 1).astype(int)
    row = [settings[2, 0], -1, settings[2, 2]]
    agree = np.repeat([s[0] == row[0] and s[2] == row[2] for s in settings], shots)
    values = TermValues.from_shots(record, [row])
    assert values.num_shots.tolist() == [agree.sum()]
    assert values.values[0] == pytest.approx(outcomes[agree][:, [0, 2]].prod(axis=1).mean())
    default = TermValues.from_shots(record)
    assert default.independent
    assert {tuple(row) for row in default.rows.tolist()} == {tuple(row) for row in settings.tolist()}
    assert not TermValues.from_shots(record, [[settings[0, 0], -1, -1], [-1, -1, settings[0, 2]]]).independent
    with pytest.raises(CountsError, match="without any shot"):
        TermValues.from_shots(record, [[-1, 2, -1]])


def test_values_of_probabilities_are_all_correlators():
    settings = [["X", [0.6, 0, 0.8]], ["Z", "Y", "X"], ["X", "Y"]]
    state = random_statevector(8, seed=9)
    array = Behavior.from_state(state, settings).array
    combinations = np.array([[0, 1, 1], [1, 2, 0], [1, 1, 1]])
    tables = [array[tuple(row)] for row in combinations]
    values = TermValues.from_probabilities(SCENARIO, combinations, tables)
    # Seven terms of each, of which those of parties 1 and 2 of the first and the last are the same.
    assert values.num_terms == 3 * 7 - 3 - 1
    assert np.allclose(values.values, TermValues.from_state(state, settings, values.rows).values, atol=1e-12)
    with pytest.raises(CountsError, match="do not depend"):
        TermValues.from_probabilities(SCENARIO, combinations, tables[::-1])
    with pytest.raises(CountsError, match="sum to 1"):
        TermValues.from_probabilities(SCENARIO, combinations, np.ones((3, 2, 2, 2)))
    with pytest.raises(CountsError, match="shape"):
        TermValues.from_probabilities(SCENARIO, combinations, np.ones((3, 8)) / 8)


def test_values_can_be_saved(tmp_path):
    values = TermValues(SCENARIO, [[0, -1, -1], [1, 2, 0]], [0.5, -1.0], None, 4, independent=True)
    values.save(tmp_path / "values.npz")
    assert TermValues.load(tmp_path / "values.npz") == values
    assert "2 correlators, from 4 to 4 shots each" in str(values)
    assert values.select(np.array([False, True])).values.tolist() == [-1.0]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"rows": [[0, 0, 0], [0, 3, 0]]}, "party 1"),
        ({"rows": [[0, 0, 0], [0, 0, 0]]}, "twice"),
        ({"rows": [[0, 0, 0], [-1, -1, -1]]}, "at least one party"),
        ({"rows": [[0, 0], [0, 1]]}, "shape"),
        ({"values": [0.5]}, "one per row"),
        ({"values": [0.5, 1.1]}, "from -1 to 1"),
        ({"values": [0.5, 0.3], "num_shots": 4}, "mean of 4 outcomes"),
        ({"num_shots": 0}, "at least 1"),
        ({"standard_errors": [0.1, 0.0]}, "positive"),
        ({"standard_errors": 0.1, "num_shots": 4}, "both"),
        ({"independent": "yes"}, "independent"),
    ],
)
def test_bad_values_are_refused(change, message):
    given = {"scenario": SCENARIO, "rows": [[0, 0, 0], [1, -1, 1]], "values": [0.5, 0.0]}
    with pytest.raises(CountsError, match=message):
        TermValues(**given | change)


def test_more_than_two_outcomes_are_refused():
    with pytest.raises(ScenarioError, match="two outcomes"):
        TermValues(BellScenario([2, 2], 3), [[0, 0]], [0.5])
