import dataclasses

import numpy as np
import pytest
from qiskit.quantum_info import Operator, Statevector
from qiskit_lhv import Behavior, BellInequality, BellScenario, measurement, werner_state
from qiskit_lhv.exceptions import ScenarioError
from qiskit_lhv.models import DeterministicModel
from qiskit_lhv.models.deterministic import enumerate_strategies, strategy_tables
from qiskit_lhv.polytope import LocalWeight, local_weight
from qiskit_lhv.quantum import w_state
from scipy.optimize import linprog

from helpers import BELL

CHSH_SIGNS = np.array([[1, 1], [1, -1]])
GHZ = Statevector(np.array([1, 0, 0, 0, 0, 0, 0, 1]) / np.sqrt(2))


def box(correlator):
    """A Popescu-Rohrlich box with white noise."""
    return Behavior.from_correlators(correlator * CHSH_SIGNS, marginals=False)


def axes_in_plane(angles):
    return [(np.sin(angle), 0, np.cos(angle)) for angle in angles]


def random_directions(rng, count):
    vectors = rng.normal(size=(count, 3))
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def checked(behavior):
    """The local weight, once its evidence has been verified and found tight."""
    result = local_weight(behavior)
    check = result.verify()
    assert check, check.reason
    assert 0 <= result.lower <= result.upper <= min(1.0, result.lower + 1e-7)
    return result


@pytest.mark.parametrize("correlator", [0.5, 0.6, np.sqrt(0.5), 0.8, 0.95])
def test_noisy_boxes_have_the_weight_of_their_distance_to_the_local_set(correlator):
    # S = 4 c; the local part has S <= 2 and the rest S <= 4: q <= (4 - S) / 2, reached by the box and its local face.
    assert checked(box(correlator)).value == pytest.approx(2 - 2 * correlator, abs=1e-9)


def test_box_without_noise_has_no_local_part():
    result = checked(box(1.0))
    assert result.lower == result.upper == 0
    assert result.model is None
    assert result.remainder() == box(1.0)


def test_local_behaviors_have_weight_one():
    for behavior in (box(0.3), box(0.0), Behavior.from_state(werner_state(0.6), "chsh")):
        result = checked(behavior)
        assert result.value == pytest.approx(1, abs=1e-9)
        assert result.upper == 1
        assert result.inequality is None
        assert result.remainder() is None


@pytest.mark.parametrize("count", [2, 3, 5])
def test_chained_settings_of_a_maximally_entangled_state(count):
    # The chained inequality limits the weight to m (1 - cos(pi / 2m)), which it reaches.
    first, second = (np.pi / count * (np.arange(count) + shift) for shift in (0, 0.5))
    behavior = Behavior.from_state(BELL, [axes_in_plane(first), axes_in_plane(second)])
    assert checked(behavior).value == pytest.approx(count * (1 - np.cos(np.pi / (2 * count))), abs=1e-9)


def test_ghz_paradox_leaves_no_local_part():
    assert checked(Behavior.from_state(GHZ, "mermin")).upper < 1e-9


def direct_weight(behavior):
    """The same linear program over all strategies, by another solver interface."""
    tables = strategy_tables(enumerate_strategies(behavior.scenario), behavior.scenario)
    solution = linprog(-np.ones(len(tables)), A_ub=tables.T, b_ub=behavior.array.ravel())
    assert solution.status == 0
    return -solution.fun


def qutrit_behavior():
    outcomes = np.arange(3)

    def basis(phase, sign):
        phases = np.outer(np.arange(3), sign * outcomes + phase)
        return measurement(basis=Operator(np.exp(2j * np.pi / 3 * phases) / np.sqrt(3)))

    settings = [[basis(0, 1), basis(0.5, 1)], [basis(0.25, -1), basis(-0.25, -1)]]
    return Behavior.from_state(Statevector(np.eye(3).ravel() / np.sqrt(3), dims=(3, 3)), settings)


@pytest.mark.parametrize("name", ["qutrits", "W", "unequal settings", "five settings", "marginals"])
def test_generated_columns_reach_the_whole_program(name):
    rng = np.random.default_rng(3)
    tilted = Statevector(np.array([np.cos(0.3), 0, 0, np.sin(0.3)]))
    behavior = {
        "qutrits": qutrit_behavior,
        "W": lambda: Behavior.from_state(w_state(3), [axes_in_plane([0.1, 1.4])] * 3),
        "unequal settings": lambda: Behavior.from_state(
            werner_state(0.95), [random_directions(rng, 5), random_directions(rng, 4)]
        ),
        "five settings": lambda: Behavior.from_state(werner_state(1), [random_directions(rng, 5)] * 2),
        "marginals": lambda: Behavior.from_state(tilted, [axes_in_plane([0, 1.5]), axes_in_plane([0.5, -0.5])]),
    }[name]()
    assert checked(behavior).value == pytest.approx(direct_weight(behavior), abs=1e-8)


def test_parts_add_up_to_the_behavior():
    behavior = box(0.8)
    result = checked(behavior)
    rest = result.remainder()
    assert rest.is_no_signaling(1e-8)
    total = result.value * result.model.behavior().array + (1 - result.value) * rest.array
    np.testing.assert_allclose(total, behavior.array, atol=1e-9)
    np.testing.assert_allclose(rest.array, box(1.0).array, atol=1e-8)


def test_verify_refuses_false_claims():
    result = checked(box(0.8))
    assert not dataclasses.replace(result, lower=result.lower + 1e-9).verify()
    assert not dataclasses.replace(result, upper=result.upper - 1e-9).verify()
    assert not dataclasses.replace(result, model=None).verify()
    assert not dataclasses.replace(result, inequality=None).verify()
    assert not dataclasses.replace(result, behavior=box(0.81)).verify()
    other = DeterministicModel([1.0], [[0, 0, 0, 0]], result.model.scenario)
    assert not dataclasses.replace(result, model=other).verify()
    bound = dataclasses.replace(result.inequality.bound, value=result.inequality.bound.value * 1.01)
    assert not dataclasses.replace(result, inequality=BellInequality(result.inequality.expression, bound)).verify()
    larger = Behavior.white_noise(BellScenario((3, 2), (2, 2)))
    refused = dataclasses.replace(result, behavior=larger).verify()
    assert not refused
    assert "scenario" in refused.reason or "settings" in refused.reason


def test_time_limit_returns_a_valid_interval():
    rng = np.random.default_rng(2)
    behavior = Behavior.from_state(werner_state(1), [random_directions(rng, 8), random_directions(rng, 8)])
    result = local_weight(behavior, time_limit=1e-6)
    assert result.verify()
    assert result.lower <= checked(behavior).value + 1e-8 <= result.upper + 2e-8


def test_file_round_trip(tmp_path):
    result = local_weight(box(0.75))
    for name in ("weight.json", "weight.npz"):
        result.save(tmp_path / name)
        assert LocalWeight.load(tmp_path / name) == result


def test_bad_input():
    table = np.zeros((2, 2, 2, 2))
    table[0, :, 0, 0] = 1
    table[1, 0, 0, 0] = table[1, 1, 0, 1] = 1
    table[0, :, 0, 0] = 1
    with pytest.raises(ScenarioError, match="no-signaling"):
        local_weight(Behavior(table))
