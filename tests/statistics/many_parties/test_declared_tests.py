"""Declared expressions of many parties, against tests of tables, plain arithmetic and simulated local models."""

import dataclasses
import math

import numpy as np
import pytest
from qiskit_lhv import (
    BellCounts,
    BellExpression,
    BellInequality,
    BellScenario,
    CountsOptions,
    analyze,
    chsh,
    local_bound,
)
from qiskit_lhv.exceptions import CountsError
from qiskit_lhv.polytope import (
    ManyPartyInequality,
    baccari_inequality,
    bound_per_site,
    mermin,
    translation_invariant_chain,
)
from qiskit_lhv.statistics import game_test, many_party_allowance, many_party_signaling, many_party_test
from qiskit_lhv.statistics.many_parties.bounds import table_of_terms
from qiskit_lhv.statistics.many_parties.drawn_settings import drawn_terms_test
from qiskit_lhv.targets import ManyPartyShots
from scipy.stats import binom


def sparse(terms, settings):
    scenario = BellScenario(settings, 2)
    return BellExpression.from_terms(scenario, {tuple(key): value for key, value in terms.items()})


CHSH = sparse({((0, x), (1, y)): (-1.0) ** (x * y) for x in (0, 1) for y in (0, 1)}, [2, 2])
MERMIN = sparse(
    {
        tuple(enumerate(row)): value
        for row, value in (((0, 0, 0), 1.0), ((0, 1, 1), -1.0), ((1, 0, 1), -1.0), ((1, 1, 0), -1.0))
    },
    [2, 2, 2],
)


def shots_with(expression, terms, win, rng, design="random", shots=1):
    """Shots in which the product of the outcomes has the sign of the term's coefficient with probability ``win``."""
    n = expression.num_parties
    signs = expression.coefficients_of(terms) < 0
    bits = rng.integers(0, 2, (len(terms) * shots, n))
    present = np.repeat(terms >= 0, shots, axis=0)
    wanted = np.repeat(signs, shots) ^ (rng.random(len(bits)) >= win)
    last = n - 1 - np.argmax(present[:, ::-1], axis=1)
    rows = np.arange(len(bits))
    bits[rows, last] ^= ((bits * present).sum(axis=1) % 2) ^ wanted
    settings = np.maximum(terms, 0)
    packed = np.packbits(bits.astype(np.uint8), axis=1, bitorder="little")
    numbers = np.full(len(terms), shots)
    drawn = terms if design == "random" else None
    return ManyPartyShots(expression.scenario, settings, numbers, packed, design, drawn), bits


def table_of(shots, bits):
    array = np.zeros(shots.scenario.shape, dtype=int)
    settings = np.repeat(shots.settings, shots.shots, axis=0)
    np.add.at(array, tuple(settings.T.astype(int)) + tuple(bits.T), 1)
    return array


@pytest.mark.parametrize(("expression", "table"), [(CHSH, chsh()), (MERMIN, None)], ids=["CHSH", "Mermin"])
@pytest.mark.parametrize("design", ["random", "blocks"])
def test_the_p_value_is_that_of_the_table(expression, table, design):
    rng = np.random.default_rng(2)
    terms = expression.draw_terms(600, rng) if design == "random" else np.repeat(expression.rows, 150, axis=0)
    shots, bits = shots_with(expression, terms, 0.82, rng, design)
    array = table_of(shots, bits)
    table = table_of_terms(expression) if table is None else table
    if design == "random":
        probabilities = (array.sum(axis=expression.scenario.outcome_axes) > 0) / 4
        dense = game_test(BellCounts(array, "random", probabilities), table)
    else:
        dense = game_test(BellCounts(array), table)
    found = many_party_test(shots, expression)
    assert found.log10_p_value == pytest.approx(dense.log10_p_value, rel=1e-9)
    assert found.score == dense.score
    assert found.binomial
    assert found.verify()
    assert found.bound == local_bound(expression)


def test_an_expression_with_a_table_is_tested_as_its_list():
    listed = mermin(4).to_sparse()
    terms = listed.draw_terms(60, np.random.default_rng(1))
    winning = (listed.coefficients_of(terms) < 0).astype(np.uint8)[:, None]
    shots = ManyPartyShots(listed.scenario, terms, np.ones(60, dtype=int), winning, "random", terms)
    assert many_party_test(shots, mermin(4)) == many_party_test(shots, listed)
    report = analyze(shots, CountsOptions(expression=mermin(4)))
    assert report.evidence[0] == many_party_test(shots, listed)
    assert report.verify()
    assert (
        analyze([shots, shots], CountsOptions(expression=mermin(4))).p_value
        == many_party_test(shots + shots, listed).p_value
    )
    with pytest.raises(CountsError, match=r"expression: .* Pass its expression: inequality.expression"):
        many_party_test(shots, baccari_inequality([(0, 1), (1, 2), (2, 3)]))


def test_marginal_terms_several_shots_and_constants():
    rng = np.random.default_rng(3)
    expression = sparse({((0, 0),): 1.0, ((0, 1), (2, 0)): -2.0, ((1, 1), (2, 1)): 0.5, (): 3.0}, [2, 2, 2])
    terms = expression.draw_terms(400, rng)
    shots, bits = shots_with(expression, terms, 0.95, rng, shots=3)
    with pytest.raises(CountsError, match="local model reaches"):
        many_party_test(shots, expression)
    signs = {((0, x), (2, y)): (-1.0) ** (x * y) for x in (0, 1) for y in (0, 1)}
    expression = sparse(signs | {(): 3.0}, [2, 2, 2])
    shots, bits = shots_with(expression, expression.draw_terms(300, rng), 0.9, rng, shots=3)
    found = many_party_test(shots, expression)
    products = np.where(np.repeat(shots.drawn_terms >= 0, 3, axis=0), 1 - 2 * bits, 1).prod(axis=1)
    mean = (products * np.repeat(np.sign(expression.coefficients_of(shots.drawn_terms)), 3)).mean()
    assert found.value == pytest.approx(3 + 4 * mean)
    assert found.local_bound == 5
    assert not found.binomial
    assert found.log10_p_value < -3
    assert found.verify()
    # Runs are what is bounded: three times as many shots of the same runs are no three times as many runs.
    once = many_party_test(shots_with(expression, np.repeat(shots.drawn_terms, 3, axis=0), 0.9, rng)[0], expression)
    assert once.log10_p_value < found.log10_p_value


def test_blocks_with_several_terms_each_and_unequal_shots():
    pairs = [(0, 1), (1, 2), (2, 3)]
    signs = {((j, x), (k, y)): (-1.0) ** (x * y) for j, k in pairs for x in (0, 1) for y in (0, 1)}
    expression = sparse(signs, [2] * 4)
    settings = np.array([[0, 0, 0, 0], [0, 1, 0, 1], [1, 0, 1, 0], [1, 1, 1, 1]])
    shots = np.array([100, 150, 100, 120])
    # Perfect agreement is a local strategy, which reaches two of each sum of four.
    packed = np.zeros((shots.sum(), 1), dtype=np.uint8)
    found = many_party_test(ManyPartyShots(expression.scenario, settings, shots, packed, "blocks"), expression)
    assert (found.value, found.local_bound) == (6, 6)
    assert found.p_value == 1
    assert found.log_e_value <= 0
    assert found.verify()
    # All pairs beyond the bound at once: outcomes that no state gives, but that a table holds.
    packed = np.repeat([0, 0, 0, 0b1010], shots).astype(np.uint8)[:, None]
    found = many_party_test(ManyPartyShots(expression.scenario, settings, shots, packed, "blocks"), expression)
    assert found.value == 12
    assert found.log10_p_value < -20
    assert found.log_e_value > 20
    assert found.verify()
    missing = ManyPartyShots(expression.scenario, settings[:3], shots[:3], packed[: shots[:3].sum()], "blocks")
    with pytest.raises(CountsError, match="3 of 12 that were not"):
        many_party_test(missing, expression)


def test_importance_weights():
    rng = np.random.default_rng(5)
    drawn_from = sparse({((0, x), (1, y)): 1.0 + x + y for x in (0, 1) for y in (0, 1)}, [2, 2])
    terms = drawn_from.draw_terms(2000, rng)
    signs = CHSH.coefficients_of(terms) < 0
    bits = rng.integers(0, 2, (2000, 2))
    bits[:, 1] = bits[:, 0] ^ signs ^ (rng.random(2000) >= 0.85)
    packed = np.packbits(bits.astype(np.uint8), axis=1, bitorder="little")
    shots = ManyPartyShots(CHSH.scenario, terms, np.ones(2000, dtype=int), packed, "random", terms)
    found = many_party_test(shots, CHSH, drawn_from=drawn_from)
    ratios = 0.25 / (np.abs(drawn_from.coefficients_of(terms)) / 8)
    products = (1 - 2 * bits).prod(axis=1) * CHSH.coefficients_of(terms)
    assert found.value == pytest.approx(4 * (ratios * products).mean())
    assert found.log10_p_value < -4
    assert found.verify()
    with pytest.raises(CountsError, match="drawn terms contradict"):
        many_party_test(shots, CHSH)
    assert not drawn_terms_test(shots, drawn_from).suspicious
    few = sparse({((0, 0), (1, 0)): 1.0}, [2, 2])
    with pytest.raises(CountsError, match="drawn in run"):
        many_party_test(shots, CHSH, drawn_from=few)
    with pytest.raises(CountsError, match="every term of the declared one"):
        many_party_test(
            ManyPartyShots(
                CHSH.scenario, np.zeros((5, 2), int), np.ones(5, int), packed[:5], "random", np.zeros((5, 2))
            ),
            CHSH,
            drawn_from=few,
        )


def test_the_bound_must_be_proven_and_that_of_the_expression():
    rng = np.random.default_rng(6)
    shots, _ = shots_with(CHSH, CHSH.draw_terms(50, rng), 0.8, rng)
    assert many_party_test(shots, CHSH, bound=BellInequality.of(chsh())).verify()
    assert many_party_test(shots, CHSH, bound=ManyPartyInequality.of(CHSH)) == many_party_test(shots, CHSH)
    # Other evidence with an expression and a value bounds no local model: here, the estimate of a test.
    test = many_party_test(shots_with(CHSH, CHSH.draw_terms(50, rng), 0.5, rng)[0], CHSH)
    for wrong in (BellInequality.of(chsh((0, 0))), 2.0, test):
        with pytest.raises(CountsError, match="bound"):
            many_party_test(shots, CHSH, bound=wrong)
    assert dataclasses.replace(many_party_test(shots, CHSH), bound=test).verify().refuted
    # The bound per site of a chain is smaller than that of the chain.
    chain = translation_invariant_chain({((0, x), (1, y)): (-1.0) ** (x * y) for x in (0, 1) for y in (0, 1)}, 4)
    shots, _ = shots_with(chain, chain.draw_terms(50, rng), 0.7, rng)
    assert many_party_test(shots, chain).p_value > 0.01
    with pytest.raises(CountsError, match="bound"):
        many_party_test(shots, chain, bound=bound_per_site(chain))


def test_the_default_bound_comes_from_the_structure_where_tables_have_too_many_strategies():
    rng = np.random.default_rng(12)
    pairs = {((j, x), (2, y)): rng.normal() for j in (0, 1) for x in range(20) for y in range(2)}
    expression = sparse(pairs, [20, 20, 20])
    shots, _ = shots_with(expression, expression.draw_terms(50, rng), 0.9, rng)
    assert many_party_test(shots, expression).bound == local_bound(expression)


def test_local_models_are_rarely_rejected_and_e_values_have_a_mean_of_at_most_one():
    rng = np.random.default_rng(7)
    p_values, e_values = [], []
    for _ in range(300):
        # A strategy that reaches the bound, with settings drawn at random: wins with probability 3/4.
        shots, _ = shots_with(CHSH, CHSH.draw_terms(40, rng), 0.75, rng)
        found = many_party_test(shots, CHSH)
        p_values.append(found.p_value)
        e_values.append(math.exp(found.log_e_value))
    assert np.mean(np.array(p_values) <= 0.05) <= 0.05 + 3 * math.sqrt(0.05 / 300)
    assert np.mean(e_values) <= 1 + 4 * np.std(e_values) / math.sqrt(300)


def test_the_allowance_is_that_of_the_bound_raised_by_flips():
    rng = np.random.default_rng(9)
    shots, _ = shots_with(CHSH, CHSH.draw_terms(20_000, rng), 0.85, rng)
    test = many_party_test(shots, CHSH)
    signaling = many_party_signaling(shots)
    found = many_party_allowance(test, signaling, kappa=1)
    assert found.participation == pytest.approx([1, 1])
    assert found.largest_kappa == pytest.approx(found.flips / signaling.shift_limits.sum())
    wins, total = round(test.score), test.num_scores
    for flips, stands in ((found.flips, True), (found.flips + 1e-3, False)):
        assert (binom.sf(wins - 1, total, 0.75 + flips) <= 0.005) is np.bool_(stands)
    # Local outcomes, of which one is flipped with the largest excluded probability, would rarely score so much.
    assert found.flips == pytest.approx(0.1, abs=0.02)
    blocks, _ = shots_with(CHSH, np.repeat(CHSH.rows, 5000, axis=0), 0.85, rng, "blocks")
    test = many_party_test(blocks, CHSH)
    in_blocks = many_party_allowance(test, many_party_signaling(blocks))
    assert in_blocks.flips == pytest.approx(found.flips, abs=0.01)
    with pytest.raises(CountsError, match="limits at a level"):
        many_party_allowance(test, many_party_signaling(blocks, limit_level=0.01))


def test_random_settings_read_as_blocks_are_verified_with_few_logarithms(monkeypatch):
    import mpmath

    rng = np.random.default_rng(11)
    signs = {((k, x), (k + 1, y)): (-1.0) ** (x * y) for k in range(9) for x in (0, 1) for y in (0, 1)}
    expression = sparse(signs, [2] * 10)
    settings = rng.integers(0, 2, (300, 10))
    packed = np.packbits(rng.integers(0, 2, (300, 10)).astype(np.uint8), axis=1, bitorder="little")
    shots = ManyPartyShots(expression.scenario, settings, np.ones(300, dtype=int), packed, "blocks")
    found = many_party_test(shots, expression)
    calls, log = [], mpmath.log
    monkeypatch.setattr(mpmath, "log", lambda *args: calls.append(args) or log(*args))
    assert found.verify()
    # Two factors per block, whatever its number of terms, for each of 36 bets at most.
    assert len(calls) <= 2 * 36 * len(found.block_shots) + 1
