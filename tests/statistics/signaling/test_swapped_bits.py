import numpy as np
import pytest
from qiskit_lhv import Behavior, BellCounts, ghz_state, werner_state
from qiskit_lhv.statistics import no_signaling_test
from qiskit_lhv.statistics.signaling.swapped_bits import swapped_bits_hint


def decayed(state, settings, share=0.25):
    """The last party's outcome 1 is read as 0 with this probability, whatever the settings: no signaling."""
    table = Behavior.from_state(state, settings).array.copy()
    lost = share * table[..., 1]
    table[..., 1] -= lost
    table[..., 0] += lost
    return Behavior(table)


@pytest.mark.parametrize("places", [[(0, 1)], [(1, 1)], [(1, 0)]])
def test_swapped_bits_are_told(places):
    array = decayed(werner_state(0.9), "chsh").sample(5000, 1).array.copy()
    for x, y in places:
        array[x, y] = array[x, y].T
    hint = swapped_bits_hint(BellCounts(array), seed=1)
    assert f"parties 0 and 1 are exchanged at the settings {', '.join(map(str, places))}:" in hint


def test_two_swapped_settings_with_different_marginals():
    # The marginal of either party follows its own setting, so that no other exchange would do.
    table = np.einsum("xa,yb->xyab", [[0.9, 0.1], [0.6, 0.4]], [[0.5, 0.5], [0.3, 0.7]])
    array = Behavior(table).sample(5000, 1).array.copy()
    for x, y in ((0, 1), (1, 0)):
        array[x, y] = array[x, y].T
    assert "at the settings (0, 1), (1, 0):" in swapped_bits_hint(BellCounts(array), seed=1)


def test_one_setting_of_many():
    counts = decayed(werner_state(0.9), [["X", "Y", "Z"], ["X", "Z", "Y", [0.6, 0, 0.8]]]).sample(3000, 2)
    array = counts.array.copy()
    array[1] = array[1].swapaxes(1, 2)
    hint = swapped_bits_hint(BellCounts(array), seed=1)
    assert "at the settings (1, 0), (1, 1), (1, 2), (1, 3)" in hint


def test_the_right_pair_of_three_parties():
    array = decayed(ghz_state(3, 0.9), "mermin").sample(3000, 1).array.copy()
    array[0, 1, 1] = array[0, 1, 1].swapaxes(1, 2)
    assert "parties 1 and 2 are exchanged at the settings (0, 1, 1)" in swapped_bits_hint(BellCounts(array), seed=1)


def test_other_signaling_is_not_told_as_swapped_bits():
    assert swapped_bits_hint(decayed(werner_state(0.9), "chsh").sample(2000, 1), seed=1) is None
    table = Behavior.from_state(werner_state(0.9), "chsh").array.copy()
    lost = 0.2 * table[1, 0, :, 1]
    table[1, 0, :, 1] -= lost
    table[1, 0, :, 0] += lost
    counts = Behavior(table).sample(5000, 1)
    assert no_signaling_test(counts, seed=1).p_value < 1e-10
    assert swapped_bits_hint(counts, seed=1) is None


def test_parties_with_different_outcomes_have_no_bits_to_swap():
    table = np.full((2, 2, 2, 3), 1 / 6)
    table[1, :, :, 0] = [0.3, 0.3]
    table[1, :, :, 1:] = 0.1
    assert swapped_bits_hint(Behavior(table).sample(2000, 1), seed=1) is None
