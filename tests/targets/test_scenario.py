import numpy as np
import pytest
from qiskit_lhv import BellScenario
from qiskit_lhv.exceptions import ScenarioError

UNEQUAL = BellScenario((2, 3, 1), (3, 2, 4))


@pytest.mark.parametrize(
    ("num_settings", "num_outcomes"),
    [
        ((), ()),
        ((2, 2), (2,)),
        ((2,), (2, 2)),
        ((0, 2), (2, 2)),
        ((-1,), (2,)),
        ((2, 2), (2, 0)),
        ((2, 2), [(2, 2, 2), 2]),
        ((2, 2), [(2, 0), 2]),
        ((2.0, 2), (2, 2)),
        ((True, 2), (2, 2)),
        ((2, 2), (2, np.True_)),
        ((2, None), (2, 2)),
        (("2", "2"), (2, 2)),
        ("22", (2, 2)),
        (None, (2,)),
        ((2,), 1.5),
    ],
)
def test_bad_entries_are_refused(num_settings, num_outcomes):
    with pytest.raises(ScenarioError) as caught:
        BellScenario(num_settings, num_outcomes)
    assert isinstance(caught.value, ValueError)
    assert str(caught.value).startswith(("num_settings: expected", "num_outcomes: expected"))


def test_the_message_names_the_argument_at_fault():
    with pytest.raises(ScenarioError, match=r"num_outcomes: expected whole numbers of at least 1, got 0"):
        BellScenario((2, 2), (2, 0))


def test_entries_become_tuples_of_python_integers():
    scenario = BellScenario(np.array([2, 3]), [np.int64(2), 4])
    assert scenario.num_settings == (2, 3)
    assert scenario.num_outcomes == ((2, 2), (4, 4, 4))
    assert scenario.max_outcomes == (2, 4)
    assert {type(entry) for entry in scenario.shape} == {int}


def test_one_number_is_one_party():
    assert BellScenario(3, 2).shape == (3, 2)


def test_properties_of_an_unequal_scenario():
    assert UNEQUAL.num_parties == 3
    assert UNEQUAL.shape == (2, 3, 1, 3, 2, 4)
    assert UNEQUAL.num_setting_combinations == 6
    assert UNEQUAL.num_cells == 144
    assert UNEQUAL.num_party_strategies == (9, 8, 4)
    assert UNEQUAL.num_strategies == 288
    assert UNEQUAL.setting_axes == (0, 1, 2)
    assert UNEQUAL.outcome_axes == (3, 4, 5)


@pytest.mark.parametrize(
    ("scenario", "two_outcome", "chsh"),
    [
        (BellScenario((2, 2), (2, 2)), True, True),
        (BellScenario((2, 3), (2, 2)), True, False),
        (BellScenario((2, 2, 2), (2, 2, 2)), True, False),
        (BellScenario((2, 2), (2, 3)), False, False),
    ],
)
def test_two_outcome_and_chsh(scenario, two_outcome, chsh):
    assert scenario.is_two_outcome is two_outcome
    assert scenario.is_chsh is chsh


def test_equal_scenarios_have_equal_hashes():
    same = BellScenario([2, 3, 1], [3, 2, 4])
    assert same == UNEQUAL
    assert hash(same) == hash(UNEQUAL)
    assert len({same, UNEQUAL, BellScenario((2,), (2,))}) == 2


@pytest.mark.parametrize("other", [BellScenario((3, 2, 1), (3, 2, 4)), (2, 3, 1, 3, 2, 4), None, "scenario"])
def test_unequal_to_anything_else(other):
    assert other != UNEQUAL


def test_settings_and_outcomes_are_not_confused_in_comparison():
    assert BellScenario((2, 3), (3, 2)) != BellScenario((3, 2), (2, 3))


def test_scenario_is_frozen():
    with pytest.raises(AttributeError):
        UNEQUAL.num_settings = (1, 1, 1)
    assert UNEQUAL.num_settings == (2, 3, 1)


def test_text_tells_equal_from_unequal_parties():
    assert str(BellScenario((2, 2), (3, 3))) == "2 parties with 2 settings of 3 outcomes each"
    assert "(2, 3, 1)" in str(UNEQUAL)
    assert "(3, 2, 4)" in str(UNEQUAL)


def test_from_shape_takes_settings_first():
    assert BellScenario.from_shape((2, 3, 1, 3, 2, 4)) == UNEQUAL


@pytest.mark.parametrize("shape", [(), (2,), (2, 2, 2), (2, 0), (0, 2), (2, 2, 2, 0)])
def test_from_shape_refuses_other_shapes_and_names_the_argument(shape):
    with pytest.raises(ScenarioError, match=r"^table: expected shape \(m_1, \.\.\., m_N, d_1"):
        BellScenario.from_shape(shape, "table")


def test_more_settings_than_can_be_listed_are_refused():
    with pytest.raises(
        ScenarioError, match=r"num_settings: expected at most 10000000 settings of all parties, got 1e\+09"
    ):
        BellScenario((10**9, 2), 2)
