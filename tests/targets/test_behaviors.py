import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from qiskit_lhv import Behavior, BellScenario
from qiskit_lhv.exceptions import CountsError, ScenarioError

ROUND_TRIP = settings(max_examples=25, deadline=None, database=None)


def product_behavior(*tables):
    """The product of one-party tables of shape (m, d), by a plain loop."""
    shape = [len(table) for table in tables] + [len(table[0]) for table in tables]
    array = np.ones(shape)
    n = len(tables)
    for cell in np.ndindex(*shape):
        for k, table in enumerate(tables):
            array[cell] *= table[cell[k]][cell[n + k]]
    return array


def random_local(rng, num_settings, num_outcomes, terms=4):
    weights = rng.dirichlet(np.ones(terms))
    parts = [
        product_behavior(*[rng.dirichlet(np.ones(d), size=m) for m, d in zip(num_settings, num_outcomes, strict=True)])
        for _ in range(terms)
    ]
    return np.tensordot(weights, np.array(parts), axes=1)


def copying_box(strength=1.0):
    """Outcome b copies party 0's setting with the given probability, else it is 0; a is always 0."""
    array = np.zeros((2, 2, 2, 2))
    for x, y in itertools.product(range(2), repeat=2):
        array[x, y, 0, x] += strength
        array[x, y, 0, 0] += 1 - strength
    return Behavior(array)


# Validation


@pytest.mark.parametrize(
    ("array", "words"),
    [
        ([[0.5, np.nan]], "nan at index (0, 1)"),
        ([[0.5, np.inf]], "inf at index (0, 1)"),
        ([[1.25, -0.25]], "-0.25 at index (0, 1)"),
        ([[0.5, 0.4]], "sum of 0.9 for settings (0,)"),
        ([[0.5, 0.5], [0.5, 0.6]], "for settings (1,)"),
        (np.full((2, 2, 2), 0.5), "setting axes, then outcome axes"),
        (np.full(2, 0.5), "shape (2,)"),
        (1.0, "shape ()"),
        (np.zeros((1, 0)), "d_k >= 1"),
        (np.zeros((0, 2)), "m_k >= 1"),
        ([[0.5 + 0j, 0.5]], "complex"),
        ([["a", "b"]], "expected an array of numbers"),
        ([[0.5, 0.5], [1.0]], "expected an array of numbers"),
        ({"00": 1}, "expected an array of numbers, got dict"),
        ("behavior", "expected an array of numbers, got str"),
        (None, "array: expected"),
    ],
)
def test_bad_arrays_are_refused(array, words):
    with pytest.raises(ScenarioError) as caught:
        Behavior(array)
    assert isinstance(caught.value, ValueError)
    assert str(caught.value).startswith("array: expected")
    assert words in str(caught.value)


def test_unnormalized_numbers_are_sent_to_counts():
    with pytest.raises(ScenarioError, match="counts go to BellCounts"):
        Behavior([[60, 40]])


def test_array_is_read_only_float64_and_a_copy():
    source = np.array([[1, 0], [0, 1]])
    behavior = Behavior(source)
    source[0, 0] = 0
    assert behavior.array.dtype == np.float64
    assert behavior.array.tolist() == [[1.0, 0.0], [0.0, 1.0]]
    with pytest.raises(ValueError, match="read-only"):
        behavior.array[0, 0] = 0.5


def test_rounding_below_zero_is_set_to_zero():
    assert Behavior([[1 + 5e-10, -5e-10]]).array.min() == 0
    with pytest.raises(ScenarioError, match="expected probabilities"):
        Behavior([[1 + 1e-8, -1e-8]])


@pytest.mark.parametrize("decimals", [8, 9, 12])
@pytest.mark.parametrize(("num_settings", "num_outcomes"), [((2, 2), (2, 2)), ((2, 3), (3, 4)), ((2, 2), (7, 7))])
def test_rounded_numbers_are_taken_and_normalized(decimals, num_settings, num_outcomes):
    rng = np.random.default_rng(decimals)
    for _ in range(20):
        rounded = np.round(random_local(rng, num_settings, num_outcomes), decimals)
        behavior = Behavior(rounded)
        assert np.abs(behavior.array.sum(axis=(2, 3)) - 1).max() <= 1e-9
        assert np.abs(behavior.array - rounded).max() <= 1e-7
        assert Behavior(behavior.array) == behavior
    noise = Behavior(np.round(Behavior.white_noise(BellScenario((1, 1), (7, 7))).array, 8))
    np.testing.assert_allclose(noise.array, 1 / 49, rtol=1e-15)


def test_sums_that_rounding_does_not_explain():
    with pytest.raises(ScenarioError, match=r"sum of 1.000001.*tolerance"):
        Behavior([[0.500001, 0.5]])


def test_rounded_correlators_of_outcomes_that_never_happen():
    # p(1, 1) would be -2.5e-9.
    behavior = Behavior.from_correlators([[1, 0.33333333], [0.33333333, -0.33333335]])
    assert behavior.array.min() == 0
    assert behavior.array.sum() == pytest.approx(1, abs=1e-15)
    with pytest.raises(ScenarioError, match="impossible table"):
        Behavior.from_correlators([[1, 0.333], [0.333, -0.335]])


def test_behaviors_compare_by_their_arrays_and_have_no_hash():
    behavior = copying_box()
    assert behavior == Behavior(behavior.array.copy())
    assert behavior != copying_box(0.5)
    assert behavior != Behavior([[0.5, 0.5]])
    assert behavior != "behavior"
    with pytest.raises(TypeError, match="unhashable"):
        hash(behavior)


def test_repr_names_the_scenario():
    assert repr(copying_box()) == "Behavior(2 parties with 2 settings of 2 outcomes each)"


# The order of axes


def test_axes_are_all_settings_then_all_outcomes():
    first = [[0.5, 0.3, 0.2], [0.1, 0.2, 0.7]]
    second = [[0.25, 0.75]]
    behavior = Behavior(np.einsum("xa,yb->xyab", first, second))
    assert behavior.scenario == BellScenario((2, 1), (3, 2))
    assert behavior.array[1, 0, 2, 1] == pytest.approx(0.7 * 0.75)
    assert behavior.array[0, 0, 1, 0] == pytest.approx(0.3 * 0.25)


def test_white_noise_is_uniform_over_joint_outcomes():
    noise = Behavior.white_noise(BellScenario((2, 1), (3, 2)))
    assert noise.array.shape == (2, 1, 3, 2)
    np.testing.assert_allclose(noise.array, 1 / 6, rtol=1e-15)


# Correlators


def test_correlators_of_an_asymmetric_product():
    behavior = Behavior(product_behavior([[0.9, 0.1], [0.2, 0.8], [0.5, 0.5]], [[0.65, 0.35]]))
    expected = np.outer([1, 0.8, -0.6, 0.0], [1, 0.3])
    np.testing.assert_allclose(behavior.to_correlators(), expected, atol=1e-15)


def test_behavior_from_hand_computed_correlators():
    # <A> = 0.2, <B_0> = -0.4, <B_1> = 0, <A B_0> = 0.1, <A B_1> = 0.5
    behavior = Behavior.from_correlators([[1, -0.4, 0.0], [0.2, 0.1, 0.5]])
    assert behavior.array.shape == (1, 2, 2, 2)
    np.testing.assert_allclose(behavior.array[0, 0], [[0.225, 0.375], [0.075, 0.325]], atol=1e-15)
    np.testing.assert_allclose(behavior.array[0, 1], [[0.425, 0.175], [0.075, 0.325]], atol=1e-15)


def test_full_correlators_leave_all_others_zero():
    behavior = Behavior.from_correlators([[0.5, -0.25, 0.0]], marginals=False)
    assert behavior.scenario == BellScenario((1, 3), (2, 2))
    np.testing.assert_allclose(behavior.to_correlators(), [[1, 0, 0, 0], [0, 0.5, -0.25, 0]], atol=1e-15)


@ROUND_TRIP
@given(arrays(np.float64, (3, 2, 4), elements=st.floats(-1, 1, allow_subnormal=False)))
def test_correlators_survive_the_round_trip(values):
    # Seven correlators meet in one setting combination: at most 1/7 each belongs to a behavior.
    correlators = values / 7
    correlators[0, 0, 0] = 1
    behavior = Behavior.from_correlators(correlators)
    assert behavior.is_no_signaling()
    np.testing.assert_allclose(behavior.to_correlators(), correlators, atol=1e-14)


@ROUND_TRIP
@given(arrays(np.float64, (2, 3), elements=st.floats(-1, 1, allow_subnormal=False)))
def test_full_correlators_survive_the_round_trip(correlators):
    table = Behavior.from_correlators(correlators, marginals=False).to_correlators()
    np.testing.assert_allclose(table[1:, 1:], correlators, atol=1e-14)
    np.testing.assert_allclose(table[0, 1:], 0, atol=1e-14)
    np.testing.assert_allclose(table[1:, 0], 0, atol=1e-14)


@pytest.mark.parametrize(
    ("correlators", "marginals", "words"),
    [
        ([[0.5, 0.5], [0.5, -0.5]], True, "marginals=False"),
        ([[1, 1], [1, -1]], True, "belong to probabilities"),
        ([[1.5]], False, "belong to probabilities"),
        (1.0, True, "shape ()"),
        (1.0, False, "shape ()"),
        ([1.0], True, "shape (m_1 + 1, ..., m_N + 1)"),
        ([[1, np.nan]], True, "finite"),
        ([[1, 1j]], True, "complex"),
    ],
)
def test_impossible_correlators_are_refused(correlators, marginals, words):
    with pytest.raises(ScenarioError, match=r"^correlators: expected") as caught:
        Behavior.from_correlators(correlators, marginals=marginals)
    assert words in str(caught.value)


def test_correlators_need_two_outcomes():
    with pytest.raises(ScenarioError, match=r"two outcomes per party, got \(3, 2\).*to_collins_gisin"):
        Behavior.white_noise(BellScenario((2, 1), (3, 2))).to_correlators()


# Collins-Gisin


def test_collins_gisin_entries_of_an_asymmetric_product():
    first = np.array([[0.5, 0.3, 0.2], [0.1, 0.2, 0.7]])
    second = np.array([[0.25, 0.75], [0.6, 0.4], [1.0, 0.0]])
    table = Behavior(product_behavior(first, second)).to_collins_gisin()
    expected = np.outer([1, 0.5, 0.3, 0.1, 0.2], [1, 0.25, 0.6, 1.0])
    np.testing.assert_allclose(table, expected, atol=1e-15)


@pytest.mark.parametrize(
    ("num_settings", "num_outcomes"),
    [((2, 3), (3, 2)), ((1, 2), (2, 4)), ((3, 1, 2), (2, 3, 2)), ((3,), (3,))],
)
def test_collins_gisin_survives_the_round_trip(num_settings, num_outcomes):
    scenario = BellScenario(num_settings, num_outcomes)
    array = random_local(np.random.default_rng(5), num_settings, num_outcomes)
    table = Behavior(array).to_collins_gisin()
    assert table.shape == tuple(m * (d - 1) + 1 for m, d in zip(num_settings, num_outcomes, strict=True))
    assert not table.flags.writeable
    np.testing.assert_allclose(Behavior.from_collins_gisin(table, scenario).array, array, atol=1e-14)


@ROUND_TRIP
@given(st.integers(0, 2**32 - 1))
def test_nonlocal_behaviors_survive_both_round_trips(seed):
    rng = np.random.default_rng(seed)
    box = Behavior.from_correlators([[1, 1], [1, -1]], marginals=False).array
    behavior = Behavior(0.5 * box + 0.5 * random_local(rng, (2, 2), (2, 2)))
    again = Behavior.from_collins_gisin(behavior.to_collins_gisin(), behavior.scenario)
    np.testing.assert_allclose(again.array, behavior.array, atol=1e-14)
    np.testing.assert_allclose(Behavior.from_correlators(behavior.to_correlators()).array, behavior.array, atol=1e-14)


@pytest.mark.parametrize(
    ("table", "words"),
    [
        (np.eye(2), "shape (5, 3), got shape (2, 2)"),
        (np.full((5, 3), 0.9), "impossible table"),
        (np.full((5, 3), np.nan), "finite"),
    ],
)
def test_impossible_collins_gisin_tables_are_refused(table, words):
    with pytest.raises(ScenarioError, match=r"^table: expected") as caught:
        Behavior.from_collins_gisin(table, BellScenario((2, 2), (3, 2)))
    assert words in str(caught.value)


# Mixing


def test_mix_with_white_noise():
    behavior = Behavior([[1.0, 0.0], [0.25, 0.75]])
    np.testing.assert_allclose(behavior.mix(visibility=0.6).array, [[0.8, 0.2], [0.35, 0.65]], atol=1e-15)


def test_mix_with_given_noise():
    behavior, noise = Behavior([[1.0, 0.0]]), Behavior([[0.2, 0.8]])
    np.testing.assert_allclose(behavior.mix(noise, 0.75).array, [[0.8, 0.2]], atol=1e-15)
    assert behavior.mix(noise, 1.0) == behavior
    assert behavior.mix(noise, 0.0) == noise
    assert behavior.mix(noise) == behavior


@pytest.mark.parametrize("visibility", [-0.1, 1.1, np.nan, "half", None])
def test_mix_refuses_other_visibilities(visibility):
    with pytest.raises(ScenarioError, match=r"^visibility: expected a number from 0 to 1"):
        Behavior([[1.0, 0.0]]).mix(visibility=visibility)


def test_mix_refuses_noise_of_another_scenario():
    with pytest.raises(ScenarioError, match=r"^noise: expected 1 party"):
        Behavior([[1.0, 0.0]]).mix(Behavior([[0.5, 0.5], [0.5, 0.5]]), 0.5)


# Samples


def test_samples_follow_the_behavior():
    behavior = Behavior(random_local(np.random.default_rng(2), (2, 3), (3, 2)))
    shots = np.array([[3000, 4000, 5000], [6000, 7000, 8000]])
    counts = behavior.sample(shots, seed=1)
    assert counts.num_shots.tolist() == shots.tolist()
    assert counts.design == "blocks"
    expected = behavior.array * shots[:, :, None, None]
    statistic, degrees = float(np.sum((counts.array - expected) ** 2 / expected)), 6 * 5
    assert abs(statistic - degrees) < 5 * np.sqrt(2 * degrees)


def test_samples_of_certain_outcomes_are_certain():
    assert copying_box().sample(7, seed=1).array.tolist() == (7 * copying_box().array).tolist()


def test_samples_depend_on_the_seed_alone():
    behavior = Behavior.white_noise(BellScenario((2, 2), (2, 2)))
    assert behavior.sample(500, seed=4) == behavior.sample(500, seed=4)
    assert behavior.sample(500, seed=4) != behavior.sample(500, seed=5)


@pytest.mark.parametrize("shots", [0, -1, 1.5, True, "10", None, [10, 10], np.full((2, 2), 1.5), [[1, 2], [3]]])
def test_bad_shots_are_refused(shots):
    with pytest.raises(CountsError, match=r"^shots: expected a positive whole number"):
        copying_box().sample(shots)


# Signaling


@pytest.mark.parametrize("strength", [1.0, 0.25, 1e-6])
def test_signaling_of_a_copying_box_is_its_strength(strength):
    behavior = copying_box(strength)
    assert behavior.max_signaling() == pytest.approx(strength, rel=1e-9)
    assert not behavior.is_no_signaling()
    assert behavior.is_no_signaling(atol=1.001 * strength)
    assert not behavior.is_no_signaling(atol=0.999 * strength)


def test_signaling_to_two_parties_together_is_seen():
    # a and b are fair coins whose parity is the third party's setting: no single marginal moves.
    array = np.zeros((1, 1, 2, 2, 2, 2))
    for z, a in itertools.product(range(2), repeat=2):
        array[0, 0, z, a, a ^ z, 0] = 0.5
    behavior = Behavior(array)
    assert behavior.max_signaling() == 0.5
    assert not behavior.is_no_signaling(0.4)


def test_one_party_cannot_signal():
    assert Behavior([[1.0, 0.0], [0.0, 1.0]]).max_signaling() == 0


def test_popescu_rohrlich_box_does_not_signal():
    box = np.zeros((2, 2, 2, 2))
    for x, y, a in itertools.product(range(2), repeat=3):
        box[x, y, a, a ^ (x & y)] = 0.5
    assert Behavior(box).max_signaling() == 0
    np.testing.assert_array_equal(Behavior(box).to_correlators()[1:, 1:], [[1, 1], [1, -1]])


@pytest.mark.parametrize("method", ["to_correlators", "to_collins_gisin", "require_no_signaling"])
def test_marginals_of_signaling_behaviors_are_refused(method):
    with pytest.raises(ScenarioError, match=r"move by 1 with.*project_to_no_signaling"):
        getattr(copying_box(), method)()


def test_signaling_within_the_tolerance_is_averaged():
    correlators = copying_box(0.02).to_correlators(atol=0.03)
    # Given y, outcome b is 1 with probability 0 for x = 0 and 0.02 for x = 1.
    np.testing.assert_allclose(correlators[0], [1, 0.98, 0.98], atol=1e-15)
    np.testing.assert_allclose(correlators[1:, 0], 1, atol=1e-15)


def test_require_scenario_names_the_argument():
    behavior = copying_box()
    with pytest.raises(ScenarioError, match=r"^model: expected 2 parties with 2 settings"):
        behavior.require_scenario(BellScenario((2, 2), (2, 3)), "model")
    assert behavior.require_scenario(BellScenario((2, 2), (2, 2)), "model") is None


def test_from_state_without_party_list_takes_qubit_k_as_party_k():
    # |q1 q0> = |01>: party 0 sees outcome 1 and party 1 sees outcome 0.
    behavior = Behavior.from_state(np.array([0, 1, 0, 0]), [["Z"], ["Z"]])
    np.testing.assert_allclose(behavior.array[0, 0], [[0, 0], [1, 0]], atol=1e-15)
