import itertools

import numpy as np
import pytest
from qiskit_lhv import Behavior, BellExpression, BellScenario, chsh, local_bound
from qiskit_lhv.exceptions import ScenarioError
from qiskit_lhv.polytope import are_equivalent, cglmp, chained, elegant, i3322, mermin


def shuffled(expression, rng):
    scenario = expression.scenario
    sizes = list(zip(scenario.num_settings, scenario.max_outcomes, strict=True))
    parties = rng.permutation(len(sizes)) if len(set(sizes)) == 1 else np.arange(len(sizes))
    return expression.relabel(
        parties=parties.tolist(),
        settings=[rng.permutation(m).tolist() for m, _ in sizes],
        outcomes=[[rng.permutation(d) for _ in range(m)] for m, d in sizes],
    )


def with_invisible_terms(expression, rng):
    """The expression, scaled, and with terms that vanish on every no-signaling behavior of two parties."""
    coefficients = 3.7 * expression.coefficients
    m, n, d = coefficients.shape[:3]
    # p_A(a|x) does not depend on y, nor the sum over all outcomes on anything.
    shifts = rng.normal(size=(m, n, d))
    shifts -= shifts.mean(axis=1, keepdims=True)
    constants = rng.normal(size=(m, n))
    constants -= constants.mean()
    return BellExpression(coefficients + shifts[:, :, :, None] + constants[:, :, None, None])


@pytest.mark.parametrize(
    "expression",
    [
        chsh(),
        mermin(3),
        mermin(4),
        elegant(),
        chained(4),
        i3322(),
        cglmp(3),
        BellExpression(np.random.default_rng(3).integers(-1, 2, size=(4, 4, 2, 2))),
        BellExpression(np.random.default_rng(4).normal(size=(2, 2, 2, 2, 2, 2))),
        BellExpression(np.random.default_rng(5).normal(size=(2, 3, 3, 2))),
    ],
    ids=str,
)
def test_relabeled_expressions_are_equivalent_and_keep_their_bound(expression):
    rng = np.random.default_rng(0)
    for _ in range(3):
        other = shuffled(expression, rng)
        assert local_bound(other).value == pytest.approx(local_bound(expression).value)
        if expression.scenario.num_parties == 2:
            other = with_invisible_terms(other, rng)
        assert are_equivalent(expression, other)
        changed = other.coefficients.copy()
        changed.flat[1] += 0.5
        assert not are_equivalent(expression, BellExpression(changed))


def brute_force(first, second):
    for parties in ([0, 1], [1, 0]):
        for settings in itertools.product(([0, 1], [1, 0]), repeat=2):
            for flips in itertools.product(([0, 1], [1, 0]), repeat=4):
                other = first.relabel(parties=parties, settings=settings, outcomes=[flips[:2], flips[2:]])
                if np.allclose(other.to_correlators(), second.to_correlators()):
                    return True
    return False


def test_answers_agree_with_brute_force():
    rng = np.random.default_rng(1)
    outcomes = []
    for _ in range(16):
        # The same absolute values, in other places and with other signs: equivalent about half the time.
        numbers = np.array([[0, 0, 0], [0, 2, 1], [0, 1, rng.integers(2)]])
        signs = rng.choice([-1, 1], size=(2, 3, 3))
        first = BellExpression.from_correlators(numbers * signs[0])
        second = BellExpression.from_correlators(numbers[[0, 2, 1]] * signs[1])
        outcomes.append(brute_force(first, second))
        # No positive factor but 1 keeps the largest coefficient.
        assert are_equivalent(first, second) == outcomes[-1]
    assert 2 < sum(outcomes) < 16


def test_signs_of_three_parties_that_only_all_cells_together_tell_apart():
    # The same values of all cells and of all marginals: only products of four correlators differ.
    plus = np.ones((2, 2, 2))
    one, two = plus.copy(), plus.copy()
    one[0, 0, 0] = -1
    two[0, 0, 0] = two[0, 0, 1] = -1
    forms = [BellExpression.from_correlators(signs, marginals=False) for signs in (plus, one, two)]
    assert [[are_equivalent(first, second) for second in forms] for first in forms] == np.eye(3, dtype=bool).tolist()
    turned = np.where(np.indices((2, 2, 2)).sum(axis=0) % 2, -1.0, 1.0)
    assert are_equivalent(forms[0], BellExpression.from_correlators(turned, marginals=False))


def test_sign_and_shift_matter_only_where_they_should():
    three = BellExpression.from_correlators([[0, 0, 0], [0, 2, 1], [0, 1, 1]])
    other = BellExpression.from_correlators([[0, 0, 0], [0, 2, 1], [0, 1, -1]])
    assert not are_equivalent(three, other)
    shifted = chsh().to_correlators()
    shifted[0, 0] = 5
    shifted = BellExpression.from_correlators(shifted)
    assert not are_equivalent(chsh(), shifted)
    assert are_equivalent(chsh(), shifted, up_to_shift=True)
    positive = BellExpression.from_correlators([[0, 1], [0, 0]])
    assert are_equivalent(positive, BellExpression.from_correlators([[0, 0], [-1, 0]]))
    one = BellExpression.from_correlators([[1, 0], [0, 0]])
    assert not are_equivalent(one, BellExpression.from_correlators([[-1, 0], [0, 0]]))
    assert are_equivalent(one, BellExpression.from_correlators([[2, 0], [0, 0]]))


def test_different_scenarios_are_not_equivalent_but_their_order_does_not_matter():
    assert not are_equivalent(chsh(), chained(3))
    turned = BellExpression(elegant().coefficients.transpose(1, 0, 3, 2))
    assert are_equivalent(elegant(), turned)


def test_relabel_moves_what_it_says():
    rng = np.random.default_rng(2)
    table = rng.uniform(size=(2, 2, 3, 3))
    expression = BellExpression(rng.normal(size=table.shape))
    moved = expression.relabel(settings=[[1, 0], [0, 1]])
    np.testing.assert_array_equal(moved.coefficients[0], expression.coefficients[1])
    renamed = expression.relabel(outcomes=[[[1, 2, 0], [0, 1, 2]], np.tile(np.arange(3), (2, 1))])
    # Outcome 0 of setting 0 is now called 1.
    np.testing.assert_array_equal(renamed.coefficients[0, :, 1], expression.coefficients[0, :, 0])
    np.testing.assert_array_equal(renamed.coefficients[1], expression.coefficients[1])
    swapped = expression.relabel(parties=[1, 0])
    np.testing.assert_array_equal(swapped.coefficients, expression.coefficients.transpose(1, 0, 3, 2))
    noise = Behavior.white_noise(BellScenario((2, 2), (3, 3)))
    assert swapped.value(noise) == pytest.approx(expression.value(noise))


def test_bad_input():
    with pytest.raises(ScenarioError, match="permutation"):
        chsh().relabel(parties=[0, 0])
    with pytest.raises(ScenarioError, match="67600"):
        are_equivalent(chsh(), BellExpression(np.zeros((130, 130, 2, 2))))
