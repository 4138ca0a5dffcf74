"""Bell inequalities of infinite chains: bounds against rings, thresholds, settings, violations."""

import itertools

import numpy as np
import pytest
from qiskit.quantum_info import DensityMatrix, SparsePauliOp, Statevector
from qiskit_lhv import werner_state
from qiskit_lhv.exceptions import MeasurementError, ScenarioError
from qiskit_lhv.polytope import (
    ChainCorrelators,
    ChainData,
    ChainInequality,
    ChainModel,
    ChainThreshold,
    chain_threshold,
    local_bound,
    optimize_chain_settings,
)
from qiskit_lhv.polytope.chains.settings import best_axes, value_form
from qiskit_lhv.spin_chains import ground_state, xxz_chain

LOG2, ZETA3 = np.log(2), 1.2020569031595942
HEISENBERG = ChainData(
    np.zeros((1, 3)), np.array([[np.eye(3) * (1 - 4 * LOG2) / 3, np.eye(3) * (1 - 16 * LOG2 + 9 * ZETA3) / 3]])
)
# Of first and second neighbors with two settings; a ring of qubits reaches 4.07 and more.
VIOLATED = ChainInequality.of([2, 2], [[[-1, 1], [1, 3]], [[0, -1], [-1, -2]]])
ITS_AXES = np.array([[[-0.8844, 0, 0.4667], [-0.2999, 0, 0.954]]])
ITS_AXES /= np.linalg.norm(ITS_AXES, axis=2, keepdims=True)


def random_inequality(rng, period, m, reach):
    return ChainInequality.of(rng.integers(-3, 4, size=(period, m)), rng.integers(-3, 4, size=(period, reach, m, m)))


def largest_on_ring(inequality, n):
    """The largest value on a ring, by all strategies."""
    expression = inequality.on_ring(n)
    m = inequality.singles.shape[1]
    signs = np.array(list(itertools.product((1, -1), repeat=n * m)), dtype=np.int8).reshape(-1, n, m)
    total = np.zeros(len(signs))
    for row, value in zip(expression.rows, expression.coefficients, strict=True):
        parties = np.flatnonzero(row >= 0)
        total += value * np.prod(signs[:, parties, row[parties]], axis=1)
    return total.max()


def operator_on_ring(inequality, axes, n):
    """The Bell operator of identical settings on a ring."""
    terms = []
    for row, value in zip(inequality.on_ring(n).rows, inequality.on_ring(n).coefficients, strict=True):
        parties = [int(k) for k in np.flatnonzero(row >= 0)]
        vectors = [axes[k % len(axes), row[k]] for k in parties]
        for letters in itertools.product(range(3), repeat=len(parties)):
            factor = np.prod([vector[a] for vector, a in zip(vectors, letters, strict=True)])
            terms.append(("".join("XYZ"[a] for a in letters), parties, value * factor))
    return SparsePauliOp.from_sparse_list(terms, num_qubits=n).simplify()


@pytest.mark.parametrize(("period", "m", "reach", "sizes"), [(1, 2, 1, (4, 6)), (2, 2, 1, (4, 6)), (1, 1, 2, (6, 12))])
def test_bounds_are_those_of_rings_where_the_cycle_fits(period, m, reach, sizes):
    rng = np.random.default_rng(period + 10 * m + 100 * reach)
    reached = 0
    for _ in range(6):
        inequality = random_inequality(rng, period, m, reach)
        assert inequality.verify()
        for n in sizes:
            on_ring = largest_on_ring(inequality, n)
            assert on_ring <= n * inequality.bound + 1e-9
            if n % len(inequality.cycle) == 0:
                assert on_ring == pytest.approx(n * inequality.bound, abs=1e-9)
                reached += 1
    assert reached


def test_long_rings_have_the_bound_by_elimination():
    assert VIOLATED.bound == 4.0
    assert VIOLATED.verify()
    assert local_bound(VIOLATED.on_ring(20 * len(VIOLATED.cycle))).value == 80.0 * len(VIOLATED.cycle)


def test_wrong_bounds_are_refuted():
    for bound in (VIOLATED.bound - 0.01, VIOLATED.bound + 0.01, np.nan, np.inf):
        assert not ChainInequality(VIOLATED.singles, VIOLATED.pairs, bound, VIOLATED.cycle).verify()
    # A sequence that is not the best one, with its own value.
    antiferromagnet = ChainInequality.of([0], [[[-1]], [[-1]]])
    assert not ChainInequality(antiferromagnet.singles, antiferromagnet.pairs, 0.0, np.array([0, 1])).verify()
    assert antiferromagnet.cycle.tolist() == [0, 0, 1, 1]


def test_a_mixture_of_sequences_is_local_and_the_orientation_is_kept():
    rng = np.random.default_rng(5)
    sequences = [rng.integers(4, size=n) for n in (2, 3, 5)]
    model = ChainModel(1, 2, np.array([0.5, 0.3, 0.2]), np.array([2, 3, 5]), np.concatenate(sequences).astype(np.int64))
    correlators = model.correlators(2)
    signs = [[[1 - 2 * (int(s) >> x & 1) for x in range(2)] for s in sequence] for sequence in sequences]
    expected = sum(
        weight * np.mean([one[i][0] * one[(i + 2) % len(one)][1] for i in range(len(one))])
        for weight, one in zip(model.weights, signs, strict=True)
    )
    assert correlators.pairs[0, 1, 0, 1] == pytest.approx(expected)
    found = chain_threshold(correlators)
    assert found.verify()
    assert not found.violated
    assert found.lower >= 1 - 1e-7


def test_correlators_take_the_left_site_first():
    states = [[Statevector.from_label("+0")], [Statevector.from_label("0+")]]
    data = ChainData.of_states(states)  # qubit 0 of the first pair, the left one, is |0>
    found = data.correlators([[1, 0, 0], [0, 0, 1]])
    assert np.allclose(found.singles, [[0, 1], [1, 0]])
    assert np.allclose(found.pairs[:, 0], [[[0, 0], [1, 0]], [[0, 1], [0, 0]]])


def test_singlets_side_by_side_violate_chsh_but_not_on_average():
    white = DensityMatrix(np.eye(4) / 4)
    dimers = ChainData.of_states([[werner_state(1)], [white]])
    best = optimize_chain_settings(dimers, num_starts=3)
    assert best.violated
    assert best.visibility == pytest.approx(np.sqrt(0.5), abs=1e-7)
    assert best.verify()
    average = ChainData(dimers.singles.mean(axis=0, keepdims=True), dimers.pairs.mean(axis=0, keepdims=True))
    found = optimize_chain_settings(average, num_starts=3)
    assert not found.violated
    assert found.threshold.lower >= 1


def test_the_heisenberg_chain_violates_nothing_with_two_settings():
    best = optimize_chain_settings(HEISENBERG, period=2, num_starts=3)
    assert best.verify()
    assert 1 < best.threshold.lower <= best.visibility < 1.1


def test_a_quantum_ring_violates_an_inequality_of_second_neighbors():
    operator = operator_on_ring(VIOLATED, ITS_AXES, 8)
    state = ground_state(-operator)
    data = ChainData.of_ring(state)
    correlators = data.correlators(ITS_AXES)
    assert VIOLATED.value(correlators) == pytest.approx(-state.energy / 8, abs=1e-9)
    assert -state.energy / 8 > 4.07
    found = chain_threshold(correlators)
    assert found.violated
    assert found.verify()
    assert found.upper <= 4 / 4.07
    # Sequences of strategies on this ring reach no more.
    assert local_bound(VIOLATED.on_ring(8)).value <= 32


def test_the_value_is_the_quadratic_form_and_never_falls():
    data = ChainData.of_ring(ground_state(xxz_chain(8, 0.3, field=0.5)))
    rng = np.random.default_rng(2)
    for period in (1, 2):
        inequality = random_inequality(rng, period, 2, 2)
        axes = rng.normal(size=(period, 2, 3))
        axes /= np.linalg.norm(axes, axis=2, keepdims=True)
        linear, matrix = value_form(inequality, data)
        value = inequality.value(data.correlators(axes))
        point = axes.ravel()
        assert (linear @ point + point @ matrix @ point / 2) / period == pytest.approx(value)
        assert inequality.value(data.correlators(best_axes(inequality, data, axes))) >= value


def test_forged_thresholds_are_refuted():
    found = chain_threshold(HEISENBERG.correlators([[1, 0, 0], [0, 0, 1]]))
    assert found.verify()
    for lower, upper in ((found.lower * 1.01, found.upper * 1.01), (found.lower, found.upper * 0.9)):
        assert not ChainThreshold(found.correlators, lower, upper, found.model, found.inequality).verify()


def test_arguments():
    with pytest.raises(ScenarioError, match=r"16384"):
        chain_threshold(ChainCorrelators(np.zeros((1, 4)), np.zeros((1, 3, 4, 4))))
    with pytest.raises(ScenarioError, match="pairs"):
        ChainInequality.of([1, 1], [[[1]]])
    with pytest.raises(ScenarioError, match="multiple"):
        VIOLATED.on_ring(4)
    with pytest.raises(ScenarioError, match="length 1"):
        HEISENBERG.correlators([[1, 1, 0]])
    with pytest.raises(ScenarioError, match="period"):
        optimize_chain_settings(ChainData(np.zeros((2, 3)), np.zeros((2, 1, 3, 3))), period=3)
    with pytest.raises(MeasurementError, match="ring"):
        ChainData.of_ring(Statevector.from_label("0000"))
    with pytest.raises(MeasurementError, match="agree"):
        ChainData.of_states([Statevector.from_label("01")])
    with pytest.raises(ScenarioError, match="-1 to 1"):
        ChainCorrelators([[0.0]], [[[[1.5]]]])
