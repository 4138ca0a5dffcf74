"""Known values of the literature and of peers' test suites (toqito, QETLAB, Ket.jl, BellPolytopes.jl, ncpol2sdpa).

The games and expressions are built here from their definitions, most as probabilities of winning.
"""

import itertools
import math

import numpy as np
import pytest
from qiskit.quantum_info import Statevector
from qiskit_lhv import Behavior, BellExpression, chsh, ghz_state, local_bound, nonlocality_threshold
from qiskit_lhv.measurements import planar_directions
from qiskit_lhv.polytope import (
    cglmp,
    chained,
    elegant,
    i3322,
    mermin,
    no_signaling_bound,
    quantum_bound,
)


def game(shape, wins, probability):
    """The probability of winning, for setting combinations drawn with probabilities.

    Args:
        shape: ``(m_1, ..., m_N, d_1, ..., d_N)``.
        wins: Whether outcomes win, from settings and outcomes.
        probability: Of a setting combination.
    """
    n = len(shape) // 2
    table = np.zeros(shape)
    for cell in np.ndindex(shape):
        table[cell] = probability(*cell[:n]) * bool(wins(cell[:n], cell[n:]))
    return BellExpression(table)


def twice(expression):
    """A game of two parties, played twice at once, to be won both times."""
    table = expression.coefficients
    m_1, m_2, d_1, d_2 = table.shape
    return BellExpression(np.einsum("xyab,uvcd->xuyvacbd", table, table).reshape(m_1**2, m_2**2, d_1**2, d_2**2))


CHSH_GAME = game((2, 2, 2, 2), lambda x, a: a[0] ^ a[1] == x[0] & x[1], lambda *x: 0.25)
# U. Feige, on the success probability of the two provers in one-round proof systems (1991).
FFL = game((2, 2, 2, 2), lambda x, a: (x[0] or a[0]) != (x[1] or a[1]), lambda x, y: 1 / 3 if not (x and y) else 0.0)


def odd_cycle(n):
    """Two colors for a cycle of n vertices: the same vertex gets the same color, neighbors get different ones."""
    return game(
        (n, n, 2, 2),
        lambda x, a: (a[0] == a[1]) == (x[0] == x[1]),
        lambda x, y: 1 / (2 * n) if y in (x, (x + 1) % n) else 0.0,
    )


def constraint_system(constraints, num_variables):
    """A game of binary constraints: an assignment that fulfils one, and a variable of it, have to agree.

    Args:
        constraints: Variables of each constraint, and the parity of their sum.
        num_variables: Number of variables.
    """
    size = max(len(variables) for variables, _ in constraints)
    assignments = list(itertools.product(range(2), repeat=size))
    pairs = sum(len(variables) for variables, _ in constraints)
    table = np.zeros((len(constraints), num_variables, len(assignments), 2))
    for x, (variables, parity) in enumerate(constraints):
        for a, assignment in enumerate(assignments):
            if sum(assignment[: len(variables)]) % 2 == parity:
                for position, variable in enumerate(variables):
                    table[x, variable, a, assignment[position]] = 1 / pairs
    return BellExpression(table)


BCS = {
    "chsh": (constraint_system([((0, 1), 0), ((0, 1), 1)], 2), 3 / 4),
    # Six points, two of four lines through each.
    "four lines": (constraint_system([((0, 1, 2), 1), ((0, 3, 4), 0), ((1, 3, 5), 0), ((2, 4, 5), 0)], 6), 11 / 12),
    "three bits": (constraint_system([((0, 1, 2), 0), ((0, 1, 2), 1)], 3), 5 / 6),
    "magic square": (
        constraint_system(
            [((0, 1, 2), 0), ((3, 4, 5), 0), ((6, 7, 8), 0), ((0, 3, 6), 0), ((1, 4, 7), 0), ((2, 5, 8), 1)], 9
        ),
        17 / 18,
    ),
}


def neighbors(n):
    """Guess your neighbor's input (arXiv:1003.3844)."""
    counted = n if n % 2 else n - 1
    return game(
        (2,) * (2 * n),
        lambda x, a: a == (*x[1:], x[0]),
        lambda *x: 2.0 ** (1 - n) if sum(x[:counted]) % 2 == 0 else 0.0,
    )


def grandjean(d):
    """Inequality (1) of arXiv:1204.3829 for three parties and d outcomes."""
    table = np.zeros((2, 2, 2, d, d, d))
    for a, b, c in np.ndindex(d, d, d):
        table[0, 0, 1, a, b, c] = -((b + c - a) % d)
        table[0, 1, 0, a, b, c] = -((a + b - c) % d)
        table[1, 0, 0, a, b, c] = -((a + c - b) % d)
        table[1, 1, 1, a, b, c] = -((-a - b - c - 1) % d)
    return BellExpression(table)


COLLINS_GISIN = BellExpression.from_collins_gisin([[0, -1, 0], [-1, 1, 1], [0, 1, -1]], chsh().scenario)
TILTED = BellExpression.from_correlators([[0, 0.9, 0], [0.9, 1, 1], [0, 1, -1]])
SLIWA_18 = BellExpression.from_correlators(
    np.stack(
        [
            [[0, 0, 0], [1, 1, 0], [1, 1, 0]],
            [[0, -2, 0], [1, 0, 1], [1, 0, -1]],
            [[0, 0, 2], [0, 1, -1], [0, -1, -1]],
        ],
        axis=-1,
    )
)
CHSH_OF_THREE = game((3, 3, 3, 3), lambda x, a: (a[0] + a[1] - x[0] * x[1]) % 3 == 0, lambda *x: 1.0)


def as_game(expression, terms, scale):
    """Terms of a sum of probabilities, of which the expression is a linear function."""
    share = terms / 2 / math.prod(expression.scenario.num_settings)
    return BellExpression(expression.coefficients * scale + share)


CGLMP_3 = as_game(cglmp(3), 1, 1 / 8)
CGLMP_4 = as_game(cglmp(4), 12, 12 / 8)
BRAUNSTEIN_CAVES = as_game(chained(3), 6, 1 / 2)
MERMIN_GAMES = {n: as_game(mermin(n), 2 ** (n - 1), 1 / 2) for n in (3, 4)}


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        (chsh(), 2),
        (COLLINS_GISIN, 0),
        (CHSH_GAME, 0.75),
        (twice(CHSH_GAME), 0.625),
        (FFL, 2 / 3),
        (twice(FFL), 2 / 3),
        (odd_cycle(5), 0.9),
        *BCS.values(),
        (i3322(), 0),
        (CHSH_OF_THREE, 6),
        (CGLMP_4, 9),
        (BellExpression(neighbors(3).coefficients * 4), 1),
        (BellExpression(neighbors(4).coefficients * 8), 1),
        (BRAUNSTEIN_CAVES, 5),
        (MERMIN_GAMES[3], 3),
        (MERMIN_GAMES[4], 6),
        (grandjean(3), -2),
        (grandjean(4), -3),
    ],
)
def test_local_values(expression, value):
    bound = local_bound(expression)
    assert bound.exact
    assert bound.value == pytest.approx(value, abs=1e-12)


@pytest.mark.parametrize(
    ("expression", "level", "value"),
    [
        (chsh(), 1, 2 * math.sqrt(2)),
        (COLLINS_GISIN, 1, (math.sqrt(2) - 1) / 2),
        (CHSH_GAME, 1, math.cos(math.pi / 8) ** 2),
        (twice(CHSH_GAME), 1, math.cos(math.pi / 8) ** 4),
        (FFL, "1+AB", 2 / 3),
        (twice(FFL), "1+P", 2 / 3),
        (odd_cycle(5), 1, math.cos(math.pi / 20) ** 2),
        (i3322(), 1, 0.375),
        (i3322(), "1+AB", 0.25147091),
        (i3322(), 2, 0.25093972),
        (BRAUNSTEIN_CAVES, 1, 6 * math.cos(math.pi / 12) ** 2),
        (BRAUNSTEIN_CAVES, "1+AB", 6 * math.cos(math.pi / 12) ** 2),
        (mermin(4), "1+AB", 8),
        (TILTED, 3, 3.80128908),
        (CGLMP_3, "1+AB", (15 + math.sqrt(33)) / 24),
        (SLIWA_18, 2, 2 * (7 - math.sqrt(17))),
        (elegant(), 1, 4 * math.sqrt(3)),
        (chained(6), 1, 12 * math.cos(math.pi / 12)),
    ],
)
def test_levels_of_the_hierarchy(expression, level, value):
    bound = quantum_bound(expression, level)
    assert bound.upper == pytest.approx(value, abs=2e-6)
    assert bound.verify()


def test_see_saws():
    assert quantum_bound(i3322(), 1).lower == pytest.approx(0.25, abs=1e-9)
    assert quantum_bound(CGLMP_3, "1+AB", dimension=3).lower == pytest.approx((15 + math.sqrt(33)) / 24, abs=1e-9)
    assert quantum_bound(cglmp(3), "1+AB", dimension=3).lower == pytest.approx(2.914854, abs=1e-6)
    assert quantum_bound(MERMIN_GAMES[3], "1+AB").lower == pytest.approx(4, abs=1e-9)


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        (chsh(), 4),
        (COLLINS_GISIN, 0.5),
        (CHSH_GAME, 1),
        (twice(CHSH_GAME), 1),
        (FFL, 2 / 3),
        (twice(FFL), 2 / 3),
        (i3322(), 1),
        (neighbors(3), 1 / 3),
        (neighbors(4), 1 / 6),
        (neighbors(5), 1 / 11),
    ],
)
def test_no_signaling_values(expression, value):
    bound = no_signaling_bound(expression)
    assert bound.value == pytest.approx(value, abs=1e-6)
    assert bound.verify()


def test_the_state_of_three_parties_with_three_outcomes():
    zero, nothing = [1.0, 0.0], np.zeros((2, 2))

    def onto(vector):
        return np.outer(vector, vector) / np.dot(vector, vector)

    z, x = (onto(zero), onto([0.0, 1.0])), (onto([1.0, 1.0]), onto([1.0, -1.0]))
    first = [[z[0], z[1], nothing], [x[1], nothing, x[0]]]
    second = [[z[1], z[0], nothing], [x[0], nothing, x[1]]]
    third = [[x[1], x[0], nothing], [z[1], z[0], nothing]]
    amplitudes = np.zeros(8)
    amplitudes[0], amplitudes[[3, 5, 6]] = 3 - 2 * math.sqrt(3), 1
    state = Statevector(amplitudes / np.linalg.norm(amplitudes))
    value = grandjean(3).value(Behavior.from_state(state, [first, second, third]))
    assert value == pytest.approx((3 * math.sqrt(3) - 7) / 2, abs=1e-12)


def test_thresholds():
    box = Behavior.from_correlators([[1, 1], [1, -1]], marginals=False)
    assert nonlocality_threshold(box).upper == pytest.approx(0.5, abs=1e-9)
    axes = list(planar_directions(8))
    threshold = nonlocality_threshold(Behavior.from_state(ghz_state(3), [axes] * 3))
    assert threshold.upper_is_proven
    assert threshold.upper == pytest.approx(0.493168852, abs=1e-8)
    assert threshold.verify()


@pytest.mark.parametrize(("d", "resistance"), [(3, 0.69615), (4, 0.69055), (5, 0.68716)])
def test_noise_resistance_of_maximally_entangled_states(d, resistance):
    # arXiv:quant-ph/0106024: settings with phases that differ by quarters of a step.
    k, a = np.arange(d), np.arange(d)[:, None]

    def bases(sign, phases):
        vectors = [np.exp(2j * np.pi / d * k * (sign * a + phase)) / math.sqrt(d) for phase in phases]
        return [[np.outer(v.conj(), v).conj() for v in basis] for basis in vectors]

    state = Statevector(np.eye(d).ravel() / math.sqrt(d), dims=(d, d))
    behavior = Behavior.from_state(state, [bases(1, (0, 0.5)), bases(-1, (0.25, -0.25))])
    threshold = nonlocality_threshold(behavior)
    assert threshold.upper == pytest.approx(resistance, abs=6e-6)
    assert threshold.verify()
