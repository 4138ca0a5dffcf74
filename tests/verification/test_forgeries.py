"""Records of every class that has ``verify``, with one field changed at random, to a like value or another kind.

Whatever is accepted must still be true by a judge of its own, and nothing raises: neither when the record is made,
but the package's own errors, nor by its check. ``benchmarks/forgeries.py`` tries more.
"""

import dataclasses
import functools
import itertools
import math
from enum import Enum

import numpy as np
import pytest
from qiskit.quantum_info import DensityMatrix, Pauli, SparsePauliOp
from qiskit_lhv import (
    Behavior,
    BellCounts,
    BellExpression,
    BellInequality,
    BellScenario,
    CorrelationTensor,
    CountsOptions,
    LHVError,
    Verdict,
    Verification,
    analyze,
    certify_all_projective,
    chsh,
    estimate_tensor,
    find_local_model,
    ghz_state,
    nonlocality_threshold,
    ratio_e_value,
    werner_state,
)
from qiskit_lhv._support.records import Record
from qiskit_lhv.analysis import (
    BehaviorLocality,
    BehaviorQuestion,
    BehaviorViolation,
    CountsQuestion,
    CriticalVisibility,
    EstimatedLocality,
    EstimatedViolation,
    StateQuestion,
)
from qiskit_lhv.measurements import measurement_set
from qiskit_lhv.models import DeterministicModel, TermFit
from qiskit_lhv.models.deterministic import enumerate_strategies, strategy_tables
from qiskit_lhv.optimize import GradientDescent
from qiskit_lhv.polytope import (
    ChainCorrelators,
    ChainData,
    ChainInequality,
    LocalBound,
    ManyPartyInequality,
    StructuralBound,
    SymmetrizedModel,
    Symmetry,
    Threshold,
    WernerInequality,
    bound_per_site,
    cglmp,
    chain_threshold,
    detection_threshold,
    enumerate_facets,
    group_bound,
    i3322,
    local_bound,
    local_weight,
    mermin,
    no_signaling_bound,
    optimize_chain_settings,
    quantum_bound,
    svetlichny,
    wwzb,
)
from qiskit_lhv.polytope.bounds.many_parties.programs import bound_by_parts
from qiskit_lhv.polytope.expressions.many_parties.base import ManyPartyExpression
from qiskit_lhv.projective import (
    OptimizedSettings,
    SettingsSearch,
    decompose,
    extend_local_models,
    find_hidden_states,
    horodecki_chsh,
    horodecki_settings,
    mix_local_models,
    optimize_settings,
    prove_compatible,
    prove_separable,
    prove_unsteerable,
)
from qiskit_lhv.quantum import isotropic_state, mix_with_noise
from qiskit_lhv.spin_chains import ground_state
from qiskit_lhv.statistics import (
    CombinedEValue,
    CombinedTest,
    EValue,
    GameTest,
    LocalFit,
    LocalRegion,
    ManyPartyTest,
    NormalTest,
    SettingsTest,
    SignalingAllowance,
    StandingTest,
    combine_e_values,
    combined_test,
    correlator_test,
    energy_witness,
    estimate_threshold,
    evidence_rate,
    fit_local_model,
    game_test,
    local_region,
    local_weight_interval,
    many_party_test,
    nonlocality_depth,
    normal_test,
    optimal_shares,
    settings_test,
    signaling_allowance,
    violation_reach,
)
from qiskit_lhv.statistics.assumptions.same_state import same_state_test
from qiskit_lhv.statistics.assumptions.setting_numbers import log10_numbers_p
from qiskit_lhv.statistics.evidence.combined_e_values import averaged_e_values
from qiskit_lhv.statistics.evidence.false_discovery import e_bh
from qiskit_lhv.statistics.intervals.absorbing_noise import absorbing_noise
from qiskit_lhv.statistics.many_parties.bounds import table_of_terms
from qiskit_lhv.targets import Correlators, ManyPartyShots, TermValues, project_to_no_signaling
from qiskit_lhv.targets.state_tensors import density_matrix
from scipy.optimize import linprog
from scipy.stats import binom, chi2, norm

from helpers import PLANE, SINGLET, largest_of_groups

FORGERIES_EACH = 8
UNEQUAL = {(0, 1): [0, 1, 1]}
BOX = Behavior.from_correlators([[0.8, 0.8], [0.8, -0.8]], marginals=False)
UNIFORM = np.full((2, 2), 0.25)
WERNER = CorrelationTensor.of(werner_state(1))


def largest_local_value(expression):
    tables = strategy_tables(enumerate_strategies(expression.scenario), expression.scenario)
    return float((tables @ expression.coefficients.ravel()).max())


# Whether a claim is true


def inequality_holds(record):
    return largest_local_value(record.expression) <= record.bound.value + 1e-9


def without_signaling(behavior):
    """The behavior without signaling that a forger's last digits may have brought."""
    signaling = behavior.max_signaling()
    assert signaling < 1e-7
    return behavior if signaling == 0 else project_to_no_signaling(behavior)


def threshold_holds(record):
    behavior, noise = without_signaling(record.behavior), without_signaling(record.noise)
    found = nonlocality_threshold(behavior, noise=noise, max_visibility=max(1.0, record.upper))
    above = record.upper >= found.lower - 1e-7 or not record.upper_is_proven
    return record.lower <= found.upper + 1e-7 and above


def weight_holds(record):
    found = local_weight(without_signaling(record.behavior))
    return record.lower <= found.upper + 1e-7 and record.upper >= found.lower - 1e-7


def efficiency_holds(record):
    found = detection_threshold(without_signaling(record.behavior), assign=record.assign, fixed=record.fixed)
    return record.lower <= found.upper + 1e-6 and record.upper >= found.lower - 1e-6


def settings_hold(record):
    noise = record.noise or CorrelationTensor.white_noise(record.correlations.dimensions)
    bound = largest_local_value(record.inequality.expression)
    operator = record.operator()
    # The trace is 1 for certain. Tensors need not be those of states.
    state, of_noise = (
        operator.flat[0] + operator.flat[1:] @ one.array.flat[1:] for one in (record.correlations, noise)
    )
    return state > bound - 1e-9 and of_noise <= bound + 1e-6


def criterion_holds(record):
    values = np.linalg.svd(record.settings.correlations.array[1:, 1:], compute_uv=False)
    return record.m == pytest.approx(float(values[0] ** 2 + values[1] ** 2), abs=1e-8)


def werner_holds(record):
    singlet = record.inequality.expression.value(
        Behavior.from_correlators(-record.first_axes @ record.second_axes.T, marginals=False)
    )
    lengths = np.linalg.norm(np.concatenate([record.first_axes, record.second_axes]), axis=1)
    above = record.visibility >= largest_local_value(record.inequality.expression) / singlet - 1e-9
    return above and lengths.max() <= 1 + 1e-12


def correlators_hold(record):
    return record.value == pytest.approx(wwzb(record.correlators).value, abs=1e-9)


def facets_hold(record):
    found = enumerate_facets(record.scenario)

    def tight(facets):
        tables = strategy_tables(enumerate_strategies(facets.scenario), facets.scenario)
        values = tables @ facets.coefficients.reshape(len(facets), -1).T
        assert np.array_equal(values.max(axis=0), facets.bounds)
        return {
            row.tobytes(): int(label) for row, label in zip((values == facets.bounds).T, facets.classes, strict=True)
        }

    ours, theirs = tight(found), tight(record)
    return ours.keys() == theirs.keys() and record.class_sizes == found.class_sizes


def quantum_holds(record):
    reached = record.expression.value(Behavior.from_state(record.statevector(), record.settings))
    return record.lower == pytest.approx(reached, abs=1e-7) and record.upper >= reached - 1e-7


def no_signaling_holds(record):
    return record.value == pytest.approx(no_signaling_bound(record.expression).value, abs=1e-5)


def below_chsh(record):
    return 0 <= record.visibility <= horodecki_chsh(record.correlations).visibility + 1e-9


def separable(record):
    mixed = record.visibility * record.matrix + (1 - record.visibility) * np.eye(4) / 4
    moved = mixed.reshape(2, 2, 2, 2).transpose(0, 3, 2, 1).reshape(4, 4)
    return 0 <= record.visibility <= 1 and np.linalg.eigvalsh(moved).min() >= -1e-9


def model_holds(record):
    return abs(record.weights.sum() - 1) < 1e-9 and record.weights.min() >= 0


def term_fit_holds(record):
    # Twice the tail of the smaller side is what the deviations are judged by; here with the terms one by one.
    values = record.model.term_values(record.terms.rows)
    if record.terms.is_exact:
        return np.abs(values - record.terms.values).max() <= record.atol
    shots = record.terms.num_shots
    if shots is None:
        log_p = np.log(2) + norm.logsf(np.abs(values - record.terms.values) / record.terms.standard_errors)
    else:
        plus, chance = np.rint(shots * (1 + record.terms.values) / 2), np.clip((1 + values) / 2, 0, 1)
        lower = plus < shots * chance
        log_p = np.log(2) + np.where(lower, binom.logcdf(plus, shots, chance), binom.logsf(plus - 1, shots, chance))
    log_p = np.minimum(log_p, 0)
    merged = 1 + log_p.mean()
    if record.terms.independent:
        merged = chi2.logsf(-2 * log_p.sum(), 2 * len(log_p))
    p = min(1.0, 2 * math.exp(min(0.0, log_p.min() + math.log(len(log_p)), merged)))
    return 0 < record.alpha < 1 and p > record.alpha * (1 - 1e-6)


def critical_holds(record):
    above = record.settings is None or (
        settings_hold(record.settings) and record.upper >= horodecki_chsh(werner_state(1)).visibility - 1e-7
    )
    return 0 <= record.lower <= record.upper and record.lower <= 0.69606 and above


# Whether a claim about states is true


def unsteerable(record):
    found = prove_unsteerable(record.correlations)
    return below_chsh(record) and record.visibility <= found.visibility + 1e-6


def below_werner_bounds(record):
    """Whether a proof that began with a Werner state shows no more than all proofs of its kind can show."""
    if not record.measurements.is_projective and record.correlations == CorrelationTensor.of(werner_state(1)):
        return 0 <= record.visibility <= 0.5
    return below_chsh(record)


def compatible(record):
    return 0 <= record.visibility <= prove_compatible(record.correlations).visibility + 1e-9


def compatible_qutrits(record):
    best = prove_compatible(record.correlations, measurements=record.measured)
    return 0 <= record.visibility <= best.visibility + 1e-9


def separable_qutrits(record):
    # Separable states have a positive partial transpose; of isotropic ones all that do are separable.
    matrix = density_matrix(record.correlations)
    mixture = record.visibility * matrix + (1 - record.visibility) * np.eye(9) / 9
    transposed = mixture.reshape(3, 3, 3, 3).transpose(2, 1, 0, 3).reshape(9, 9)
    return record.visibility >= 0 and min(np.linalg.eigvalsh(one)[0] for one in (mixture, transposed)) > -1e-9


def estimated_violation_holds(record):
    if record.shows is None:
        return True
    operator = np.array(record.settings.operator())
    value, allowance = record.tested.functional(operator, record.alpha)
    of_counts = estimate_tensor(record.tested.counts).tensor.array
    return (
        0 < record.alpha < 1
        and np.abs(of_counts - record.tested.tensor.array).max() < 1e-9
        and value - allowance > largest_local_value(record.settings.inequality.expression) - 1e-9
        and same_state_holds(record.same_state)
    )


def estimated_locality_holds(record):
    radius = absorbing_noise(record.estimate, record.alpha)
    claimed = record.shows is None or record.certificate.visibility * (1 - radius) >= 1 - 1e-9
    return 0 < record.alpha < 1 and below_chsh(record.certificate) and claimed


def ground_state_holds(record):
    vectors = record.vectors
    residual = np.linalg.norm(ISING.to_matrix() @ vectors.T - record.energy * vectors.T, axis=0).max()
    overlaps = np.abs(vectors.conj() @ vectors.T - np.eye(len(vectors))).max()
    return residual < 1e-5 and residual <= record.residual + 1e-9 and record.gap >= 0 and overlaps < 1e-5


# Whether a claim about counts is true


def tables_of(scenario):
    return strategy_tables(enumerate_strategies(scenario), scenario)


def largest_mean(factors, weights, null):
    """The largest weighted mean of a factor over local or no-signaling behaviors."""
    coefficients = weights.reshape(weights.shape + (1,) * weights.ndim) * factors
    if null == "no-signaling":
        return no_signaling_bound(BellExpression(coefficients)).value
    n = weights.ndim
    scenario = BellScenario(factors.shape[:n], factors.shape[n:])
    return float((tables_of(scenario) @ coefficients.ravel()).max())


def e_value_holds(record):
    half = record.setting_weights.ndim
    axes = tuple(range(half, record.tested.ndim))
    shots = record.tested.sum(axis=axes)
    sizes = shots.reshape(len(shots), -1).sum(axis=1)
    if record.design == "blocks":
        assert np.allclose(record.setting_weights, shots / sizes.reshape(-1, *[1] * (half - 1)), atol=1e-9)
    else:
        assert np.ptp(record.setting_weights, axis=0).max() < 1e-9
    bounded = all(
        bound >= largest_mean(factor, weights, record.null) - 1e-9
        for factor, weights, bound in zip(record.factors, record.setting_weights, record.mean_bounds, strict=True)
    )
    gained = np.sum(record.tested * np.log(record.factors)) - np.sum(sizes * np.log(record.mean_bounds))
    usual = record.null in ("local", "no-signaling") and record.tested.min() >= 0 and 0 <= record.predictability < 0.5
    return bounded and usual and record.log_e == pytest.approx(gained, rel=1e-8, abs=1e-8)


def combined_e_value_holds(record):
    logs = np.array([part.log_e for part in record.parts])
    log_e = logs.sum() if record.independent else np.logaddexp.reduce(logs) - np.log(len(logs))
    twice = len({part.tested.sum(axis=0).tobytes() for part in record.parts}) < len(record.parts)
    return (
        all(map(e_value_holds, record.parts))
        and not (record.independent and twice)
        and record.log_e == pytest.approx(log_e, rel=1e-8, abs=1e-8)
    )


def game_holds(record):
    counts = BellCounts(record.tested, record.design, record.setting_probabilities)
    again = game_test(counts, record.expression, predictability=record.predictability)
    return (
        record.score == again.score
        and record.score_bound >= again.score_bound - 1e-9
        and -1e-8 < record.log10_p_value - again.log10_p_value < 1e-6
    )


def combined_test_holds(record):
    held = (combined_e_value_holds if hasattr(record.e_value, "parts") else e_value_holds)(record.e_value)
    tables = [game.tested for game in record.games]
    parts = (record.e_value, *record.games)
    shares = np.array(record.shares) / record.denominator
    smallest = min(part.log10_p_value - math.log10(w) for part, w in zip(parts, shares, strict=True))
    return (
        held
        and all(map(game_holds, record.games))
        and all(np.array_equal(tables[0], one) for one in tables)
        and shares.min() > 0
        and shares.sum() <= 1 + 1e-12
        and record.log10_p_value == pytest.approx(min(0, smallest), abs=1e-8)
    )


def settings_hold_as_declared(record):
    if record.design == "blocks":
        return record.log10_p_value == 0
    probabilities = record.setting_probabilities / record.setting_probabilities.sum()
    p = log10_numbers_p(record.setting_numbers, probabilities, record.predictability)[0]
    if record.log10_order_p is not None:
        p = min(0.0, min(p, record.log10_order_p) + math.log10(2))
    return record.log10_p_value == pytest.approx(p, rel=1e-5, abs=1e-5)


def same_state_holds(record):
    again = same_state_test(record.counts, record.level, record.seed)
    return record.p_value == pytest.approx(again.p_value, rel=1e-5)


def allowance_holds(record):
    expression = record.inequality.expression
    n = record.tested.ndim // 2
    shots = record.tested + record.trained if record.tested.shape == (2, 2, 2, 2) else record.tested
    frequencies = shots / shots.sum(axis=tuple(range(n, 2 * n)), keepdims=True)
    needed = float(np.sum(expression.coefficients * frequencies)) - record.inequality.bound.value
    steps = [np.ptp(expression.coefficients, axis=n + k).max() for k in range(n)]
    return (
        largest_local_value(expression) <= record.inequality.bound.value + 1e-9
        and max(steps) <= 1 + 1e-9
        and record.hidden_needed == pytest.approx(max(needed, record.visible), abs=1e-8)
        and record.hidden_lower <= record.hidden_needed
        and record.visible <= record.visible_upper
        and record.exceeded == (record.largest_kappa >= record.kappa * (1 - 1e-3))
        and 0 < record.alpha < 1 <= record.kappa
    )


def region_holds(record):
    if not 0 < record.alpha < 1 or np.any(record.lower > record.upper):
        return False
    if not record.inside:
        return True
    if record.threshold is None:
        corners = itertools.product(*[(record.lower[x, y], record.upper[x, y]) for x in (1, 2) for y in (1, 2)])
        signs = [one for one in itertools.product((1, -1), repeat=4) if math.prod(one) == -1]
        assert record.lower.shape == (3, 3)
        return max(np.dot(corner, one) for corner in corners for one in signs) <= 2 + 1e-9
    # Behaviors at the limits, mixed with the center by half, are local.
    center = record.threshold.behavior
    rng = np.random.default_rng(1)
    for _ in range(10):
        limits = np.where(rng.random(record.lower.shape) < 0.5, record.lower, record.upper)
        correlators = (limits + center.to_correlators()) / 2
        correlators[(0,) * correlators.ndim] = 1
        assert nonlocality_threshold(Behavior.from_correlators(correlators)).lower >= 1 - 1e-7
    return threshold_holds(record.threshold)


def fit_holds(record):
    best = fit_local_model(record.target, record.weights).divergence
    p, q = record.target.array, record.model.behavior().array
    shares = record.weights.reshape(record.weights.shape + (1,) * record.weights.ndim)
    own = float(np.sum(np.where(p > 0, shares * p * np.log(np.where(p > 0, p / q, 1)), 0)))
    return (
        record.divergence == pytest.approx(own, abs=1e-8)
        and own - best <= record.duality_gap + 1e-8
        and record.weights.sum() == pytest.approx(1, abs=1e-8)
        and record.weights.min() >= 0
    )


def estimated_threshold_holds(record):
    return threshold_holds(record.threshold) and 0 <= record.lower <= record.upper and 0 < record.alpha < 1


def weight_interval_holds(record):
    scenario = BellScenario((2, 2), (2, 2))
    tables = tables_of(scenario)

    def largest_weight(limits):
        found = linprog(-np.ones(len(tables)), tables.T, limits.ravel(), bounds=(0, None))
        return -found.fun

    return (
        record.lower <= largest_weight(record.lower_limits) + 1e-7
        and record.upper >= min(1, largest_weight(record.upper_limits)) - 1e-7
        and 0 < record.alpha < 1
    )


def rate_holds(record):
    p, q = record.fit.target.array, record.fit.model.behavior().array
    logs = np.where(p > 0, np.log(np.where(p > 0, p / q, 1)), 0)
    means = (p * logs).sum(axis=(2, 3))
    return (
        fit_holds(record.fit)
        and np.allclose(record.contributions, means, atol=1e-8)
        and np.allclose(record.variances, (p * logs**2).sum(axis=(2, 3)) - means**2, atol=1e-8)
    )


def allocation_holds(record):
    best = optimal_shares(without_signaling(record.behavior))
    return fit_holds(record.fit) and record.upper >= best.lower - 1e-7 and record.lower <= best.upper + 1e-7


def normal_test_holds(record):
    bound = record.inequality.bound.value
    log_p = norm.logsf((record.value - bound) / record.standard_error) + (math.log(8) if record.largest_form else 0)
    eight = not record.largest_form or (record.inequality.expression.scenario.is_chsh and bound == 2)
    return (
        eight
        and record.standard_error > 0
        and inequality_holds(record.inequality)
        and record.log10_p_value == pytest.approx(min(0, log_p / math.log(10)), rel=1e-8, abs=1e-8)
    )


def many_parties_hold(record):
    best = largest_local_value(table_of_terms(record.expression))
    weight = record.expression.weight
    if record.design == "random":
        shots, wins, number = record.runs[:, 1:].T
        assert (shots == 1).all()
        won, total = int((wins * number).sum()), int(number.sum())
        log10_p = binom.logsf(won - 1, total, (1 + best / weight) / 2) / math.log(10)
        value = weight * (2 * won / total - 1)
    else:
        coefficients = np.concatenate([part for _, part in record.expression.blocks()])
        block, term, sums = record.block_sums.T
        value = float((coefficients[term] * sums / record.block_shots[block]).sum())
        log10_p = -math.inf
    return (
        record.log10_p_value >= min(0, log10_p) - 1e-8
        and record.log_e_value < -math.log(10) * log10_p + 1
        and record.value == pytest.approx(value, abs=1e-8)
    )


def group_bound_holds(record):
    n, m = record.expression.num_parties, record.num_groups
    sizes = [one for k in range(m, n + 1) for one in itertools.product(range(1, n + 1), repeat=k) if sum(one) == n]
    return record.value >= max(largest_of_groups(record.expression, one) for one in sizes) - 1e-9


def reach_holds(record):
    return all(many_parties_hold(test) for test in record.tests)


def depth_holds(record):
    test = record.test
    if test is None:
        return record.depth == 1
    wins, number = test.runs[:, 2:].T
    won, total = int((wins * number).sum()), int(number.sum())
    best = largest_of_groups(
        test.expression, [test.expression.num_parties - test.bound.num_groups + 1] + [1] * (test.bound.num_groups - 1)
    )
    p = binom.sf(won - 1, total, (1 + best / test.expression.weight) / 2)
    groups = test.bound.num_groups - 1
    return p <= record.alpha * (1 + 1e-9) and record.depth == -(-record.num_parties // groups)


def chain_bound_holds(record):
    """The largest mean of a closed walk is at most the bound: by max-plus powers of the matrix of one period."""
    period, reach, m, _ = record.pairs.shape
    signs = np.array(list(itertools.product((1, -1), repeat=m)))
    sequences = list(itertools.product(range(len(signs)), repeat=reach))
    step = np.full((period, len(sequences), len(sequences)), -np.inf)
    for s, (i, tail), (j, head) in itertools.product(range(period), enumerate(sequences), enumerate(sequences)):
        if tail[1:] == head[:-1]:
            first, others = signs[tail[0]], [signs[k] for k in (*tail[1:], head[-1])]
            step[s, i, j] = record.singles[s] @ first + sum(
                first @ record.pairs[s, r] @ other for r, other in enumerate(others)
            )
    one = functools.reduce(lambda a, b: (a[:, :, None] + b[None]).max(axis=1), step)
    best, power = -np.inf, one
    for turns in range(1, len(sequences) + 1):
        best = max(best, np.diag(power).max() / (turns * period))
        power = (power[:, :, None] + one[None]).max(axis=1)
    return record.bound >= best - 1e-9


def chain_threshold_holds(record):
    again = chain_threshold(record.correlators)
    return record.lower <= again.upper + 1e-6 and record.upper >= again.lower - 1e-6


def chain_settings_hold(record):
    return (
        chain_threshold_holds(record.threshold)
        and np.abs(record.data.correlators(record.axes).pairs - record.threshold.correlators.pairs).max() < 1e-6
    )


def energy_witness_holds(record):
    """For two qubits and two settings each."""
    axes = np.array(record.axes)
    paulis = np.array([Pauli(label).to_matrix() for label in "XYZ"])
    first, second = (np.einsum("xi,iab->xab", one / np.linalg.norm(one, axis=1, keepdims=True), paulis) for one in axes)
    correlators, off = np.zeros((3, 3)), record.hamiltonian.to_matrix()
    for term, value in record.bound.expression.terms.items():
        indices = dict(term)
        x, y = (indices.get(k, -1) + 1 for k in (0, 1))
        correlators[x, y] += value
        off = off + value * np.kron([np.eye(2), *second][y], [np.eye(2), *first][x])
    largest = largest_local_value(BellExpression.from_correlators(correlators))
    log_p = norm.logsf((-largest - record.energy) / record.standard_error) / math.log(10)
    return (
        np.linalg.norm(off, 2) <= record.rounding + 1e-9
        and record.classical_bound <= -largest + 1e-9
        and record.standard_error > 0
        and record.log10_p_value >= log_p - 1e-6 * (1 + abs(log_p))
    )


# Whether a report is true


def violation_holds(record):
    expression = record.inequality.expression
    errors = record.tolerance * float(np.abs(expression.coefficients).sum())
    return record.tolerance > 0 and expression.value(record.behavior) - errors > largest_local_value(expression) - 1e-12


def locality_holds(record):
    if record.tolerance <= 1e-6:
        off = np.abs(record.model.behavior().array - record.behavior.array).max()
        return off <= record.tolerance * (1 + 1e-6)
    return analyze(record.behavior, tolerance=record.tolerance).verdict is Verdict.LOCAL


# What a report shows beside what its evidence holds, for the reader.
ONLY_SHOWN = {
    "log10_e_per_trial",
    "nonlocality_deviance",
    "nonlocality_bootstrap_p",
    "signaling_deviance",
    "signaling_bootstrap_p",
    "fit_p",
    "fit_bootstrap_p",
    "largest_predictability",
    "seed",
    "violated_visibility",
    "estimated_kl",
}


def same_declarations(other, record):
    """Whether a report was made for the same, or for what changes nothing: its analysis would give the same report."""
    if isinstance(other.question, CountsQuestion) and isinstance(record.question, CountsQuestion):
        if other.question.counts.post_selected:
            return other.question == record.question
        # Fair sampling of shots that are all there, and the game that is played where none is declared.
        names = ["fair_sampling"] + ["expression"] * (other.question.expression == chsh())
        changed = {name: getattr(record.question, name) for name in names}
        return dataclasses.replace(other.question, **changed) == record.question
    if isinstance(other.question, StateQuestion) and isinstance(record.question, StateQuestion):
        # Of an eigenvalue that was clipped, the assumptions tell two digits.
        told = f"{other.question.clipped:.2g}" == f"{record.question.clipped:.2g}"
        clipped = record.question.clipped if told else other.question.clipped
        return dataclasses.replace(other.question, clipped=clipped) == record.question
    return other.question == record.question


def report_holds(other, record):
    """Whether an accepted report says the same as the true one, as far as it claims anything."""
    fields = ("verdict", "admits_local_model", "largest_kappa", "test", "target")
    same = all(getattr(other, name) == getattr(record, name) for name in fields)
    # Advice on an open behavior comes from searches, and is for the reader.
    same &= other.advice == record.advice or isinstance(other.question, BehaviorQuestion)
    same &= other.log10_p_value == record.log10_p_value or other.log10_p_value == pytest.approx(
        record.log10_p_value, rel=1e-8
    )
    same &= same_declarations(other, record)
    weaker = other.alpha == record.alpha or (
        not isinstance(other.question, CountsQuestion) and other.alpha > record.alpha
    )
    shown = other.statistics
    for name in shown.keys() & record.statistics.keys():
        if name not in ONLY_SHOWN:
            same &= shown[name] == pytest.approx(record.statistics[name], rel=1e-6, abs=1e-9)
    for piece in other.evidence:
        if not any(piece == one for one in record.evidence) and type(piece) in JUDGES:
            same &= JUDGES[type(piece)](piece)
    return same and weaker


def device_holds(other, record):
    found = [max(one.log_e for one in report.evidence if hasattr(one, "log_e")) for report in other.reports]
    rejected = e_bh([*found, *[-math.inf] * len(other.failures)], other.alpha)[: len(found)]
    return (
        other.rejected == tuple(map(bool, rejected))
        and 0 < other.alpha < 1
        and all(
            any(report == one or report_holds(report, one) for one in record.reports if one.target == report.target)
            for report in other.reports
        )
    )


def structural_bound_holds(record):
    sizes = record.expression.scenario.num_settings
    first = np.cumsum([0, *sizes[:-1]])
    signs = np.array(list(itertools.product((1, -1), repeat=sum(sizes))))
    values = sum(
        value * signs[:, (first + row)[row >= 0]].prod(axis=1)
        for row, value in zip(record.expression.rows, record.expression.coefficients, strict=True)
    )
    return np.max(values) <= record.value + 1e-12 and (not record.exact or np.max(values) >= record.value - 1e-9)


# Records to begin with


def neighbors(n=4):
    """CHSH of neighbors on a chain of parties, and a term of three."""
    terms = {((k, x), (k + 1, y)): 1.5 - 3 * x * y for k in range(n - 1) for x in (0, 1) for y in (0, 1)}
    return BellExpression.from_terms(BellScenario([2] * n, 2), {**terms, ((0, 0), (1, 1), (3, 0)): 0.25, (): -1})


def bound_of_parts():
    bound, parts = bound_by_parts(neighbors())
    return StructuralBound(neighbors(), bound.numerator, bound.denominator, False, None, "parts", None, None, parts)


class Chain(ManyPartyExpression):
    """CHSH of neighbors, by a rule."""

    pattern = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], dtype=np.int8)
    coefficients = np.array([1.0, 1.0, 1.0, -1.0])
    periodic, scenario = True, BellScenario([2] * 5, 2)
    num_terms, constant, weight, known_bounds = 20, 0.0, 20.0, None
    coefficients_of = draw_terms = _iterate_blocks = __mul__ = None


@pytest.fixture(autouse=True)
def _time_limits_in_work(counted_clock):
    with counted_clock(0.04):
        yield


def small_werner():
    first = np.array([[1.0, 0, 0], [0, 0, 1]])
    second = -np.array([[1.0, 0, 1], [1, 0, -1]]) * 0.70703125
    return WernerInequality(first, second, BellInequality.of(chsh()), np.array([[2, 1, 1, -2]]))


def critical():
    settings = horodecki_settings(werner_state(1))
    certificate = extend_local_models(werner_state(1))
    return CriticalVisibility(certificate.visibility, settings.visibility * (1 + 1e-8), certificate, settings, None)


def symmetric_model():
    axes = [(0, 0, 1), (1, 0, 0), (0, 1, 0), (0.6, 0, 0.8)]
    return nonlocality_threshold(Behavior.from_state(werner_state(0.5), [axes, axes])).model


def fit_of_terms(shots=400, model=None, independent=True):
    scenario = BellScenario([2] * 12, 2)
    own = DeterministicModel(np.array([0.5, 0.25, 0.25]), np.arange(72).reshape(3, 24) ** 2 % 7 % 2, scenario)
    rows = np.where(np.arange(60).reshape(5, 12) % 7 < 4, np.arange(60).reshape(5, 12) % 2, -1)
    values = own.term_values(rows)
    if shots:
        values = 2 * np.random.default_rng(1).binomial(shots, (1 + values) / 2) / shots - 1
    terms = TermValues(scenario, rows, values, None, shots or None, independent)
    return TermFit(own if model is None else model, terms, np.arange(5) == 1)


def averaged_model():
    threshold = nonlocality_threshold(Behavior.from_state(werner_state(1), [list(np.eye(3))] * 2))
    return SymmetrizedModel(
        threshold.model.weights, threshold.model.strategies, Symmetry.trivial(BellScenario((3, 3), (2, 2)))
    )


ISING = SparsePauliOp.from_list([("ZZI", -1.0), ("IZZ", -1.0), ("IIX", -0.7), ("IXI", -0.7), ("XII", -0.7)])


def dimers():
    """Singlets side by side."""
    return ChainData.of_states([[werner_state(1)], [DensityMatrix(np.eye(4) / 4)]])


def three_outcomes():
    search = SettingsSearch(num_starts=4)
    return optimize_settings(WERNER, expression=cglmp(3), measurements="povm", search=search, seed=1)


def noisy_singlet():
    return mix_with_noise(np.array([0.8, 0, 0, 0.6]), 0.6)


def open_state():
    """A state of rank two, which is out of reach of proofs, near the separable ones."""
    vector = np.array([0, 1, 1, 0]) / np.sqrt(2)
    return DensityMatrix(0.4 * np.outer(vector, vector) + 0.6 * np.diag([1.0, 0, 0, 0]))


def some_counts(visibility=0.85, shots=300, settings="chsh", seed=1):
    return Behavior.from_state(werner_state(visibility), settings).sample(shots, seed)


def random_counts():
    return BellCounts(some_counts().array, "random", UNIFORM)


def estimate(visibility):
    return estimate_tensor(Behavior.from_state(werner_state(visibility), "pauli").sample(4000, 1))


def small_combined_test():
    counts = some_counts()
    return combined_test(counts, ratio_e_value(counts, seed=1))


def in_the_settings(p):
    numbers = np.array([[100, 100], [100, 100]]) + (p < 0.01) * np.array([[0, 0], [0, 60]])
    table = np.zeros((2, 2, 2, 2), dtype=int)
    table[..., 0, 0] = numbers
    return settings_test(BellCounts(table, "random", UNIFORM))


def device_report():
    groups = {(0, 1): some_counts(0.9, 400), (1, 2): some_counts(0.5, 400), (2, 3): some_counts(0.95, 500, seed=2)}
    return analyze(groups, seed=1)


def signaling_counts():
    table = Behavior.from_state(werner_state(0.95), "chsh").array.copy()
    moved = 0.4 * table[1, :, :, 1]
    table[1, :, :, 1] -= moved
    table[1, :, :, 0] += moved
    table[1, 1] = 0.5 * table[1, 1] + np.array([[0.5, 0], [0, 0]])
    return Behavior(table).sample(1000, 1)


def suspicious_counts():
    """Settings that came otherwise than declared, which a predictability explains."""
    table = Behavior.from_state(werner_state(1), "chsh").sample(np.array([[400, 400], [400, 520]]), 1).array
    return BellCounts(table, "random", UNIFORM)


def some_settings():
    """Four of the eight setting combinations of Mermin's test."""
    table = Behavior.from_state(ghz_state(3), "mermin").sample(60, 1).array
    return BellCounts(table * (np.indices((2, 2, 2)).sum(axis=0) % 2 == 0).reshape(2, 2, 2, 1, 1, 1))


def some_correlators():
    """Correlators with errors, by name of their settings."""
    return Correlators([[0.7, 0.66], [0.68, -0.7]], 0.04, None, "readout mitigation", (("Z", "X"), ("Z", "X")))


def many_parties(design="random"):
    """Shots of three parties that win Mermin's game most of the time."""
    expression = many_party_expression()
    rng = np.random.default_rng(1)
    terms = expression.draw_terms(200, rng) if design == "random" else np.repeat(expression.rows, 50, axis=0)
    wrong = (terms.sum(axis=1) > 0) ^ (rng.random(200) < 0.1)
    bits = rng.integers(0, 2, (200, 3))
    bits[:, 2] = (bits[:, 0] + bits[:, 1] + wrong) % 2
    drawn = terms if design == "random" else None
    packed = np.packbits(bits.astype(np.uint8), axis=1, bitorder="little")
    return ManyPartyShots(expression.scenario, terms, np.ones(200, dtype=int), packed, design, drawn)


def many_party_expression():
    terms = {(0, 0, 0): 1.0, (0, 1, 1): -1.0, (1, 0, 1): -1.0, (1, 1, 0): -1.0}
    return BellExpression.from_terms(
        BellScenario([2] * 3, 2), {tuple(enumerate(row)): value for row, value in terms.items()}
    )


def many_parties_of_svetlichny():
    """Shots of three parties that win Svetlichny's game nearly always."""
    expression = svetlichny(3)
    rng = np.random.default_rng(1)
    terms = expression.draw_terms(200, rng)
    bits = rng.integers(0, 2, (200, 3))
    minus = (expression.coefficients_of(terms) < 0) ^ (rng.random(200) < 0.03)
    bits[:, 2] = (bits[:, 0] + bits[:, 1] + minus) % 2
    packed = np.packbits(bits.astype(np.uint8), axis=1, bitorder="little")
    return ManyPartyShots(expression.scenario, terms, np.ones(200, dtype=int), packed, "random", terms)


def standing_result():
    return next(piece for piece in counts_report(suspicious_counts()).evidence if isinstance(piece, StandingTest))


def standing_holds(record):
    parts = [record.result] if record.given_settings is None else [record.result, record.given_settings]
    inner = [getattr(record.result, "e_value", record.result), *getattr(record.result, "games", ())]
    singles = [one for part in inner for one in getattr(part, "parts", (part,))]
    return all(one.predictability == record.predictability for one in singles) and all(
        JUDGES[type(part)](part) for part in parts
    )


def counts_report(counts, **declared):
    return analyze(counts, CountsOptions(num_replicates=0, **declared), seed=1)


RECORDS = {
    "inequality": (lambda: BellInequality.of(i3322()), inequality_holds),
    "inequality of three outcomes": (lambda: BellInequality.of(cglmp(3)), inequality_holds),
    "inequality of many parties": (
        lambda: ManyPartyInequality.of(neighbors()),
        lambda record: structural_bound_holds(record.bound),
    ),
    "bound of many parties": (lambda: local_bound(neighbors()), structural_bound_holds),
    "bound of parts": (bound_of_parts, structural_bound_holds),
    "bound per site": (lambda: bound_per_site(Chain()), lambda record: record.fraction == 2),
    "threshold": (lambda: nonlocality_threshold(SINGLET), threshold_holds),
    "threshold in other noise": (
        lambda: nonlocality_threshold(BOX, noise=Behavior.from_correlators(np.ones((2, 2)), marginals=False)),
        threshold_holds,
    ),
    "weight": (lambda: local_weight(BOX), weight_holds),
    "efficiency": (lambda: detection_threshold(SINGLET), efficiency_holds),
    "inequality of unequal outcomes": (lambda: BellInequality.of(chsh().lift_outcomes(UNEQUAL)), inequality_holds),
    "threshold of unequal outcomes": (lambda: nonlocality_threshold(SINGLET.lift_outcomes(UNEQUAL)), threshold_holds),
    "weight of unequal outcomes": (lambda: local_weight(BOX.lift_outcomes(UNEQUAL)), weight_holds),
    "efficiency of unequal outcomes": (lambda: detection_threshold(SINGLET.lift_outcomes(UNEQUAL)), efficiency_holds),
    "settings": (lambda: horodecki_settings(werner_state(0.9)), settings_hold),
    "criterion": (lambda: horodecki_chsh(werner_state(0.9)), criterion_holds),
    "Werner": (small_werner, werner_holds),
    "correlators": (lambda: wwzb([[0.7, 0.7], [0.7, -0.6]]), correlators_hold),
    "facets": (lambda: enumerate_facets(BellScenario((2, 2), (2, 2))), facets_hold),
    "quantum": (lambda: quantum_bound(chsh(), 1), quantum_holds),
    "no-signaling": (lambda: no_signaling_bound(chsh()), no_signaling_holds),
    "projective": (
        lambda: certify_all_projective(werner_state(1), directions=6, time_limit=2, seed=1, progress=False),
        below_chsh,
    ),
    "extension": (lambda: extend_local_models(mix_with_noise(np.array([0.8, 0, 0, 0.6]), 0.6)), below_chsh),
    "separable": (lambda: prove_separable(werner_state(0.3)), separable),
    "model": (symmetric_model, model_holds),
    "averaged model": (averaged_model, model_holds),
    "critical": (critical, critical_holds),
    "unsteerable": (lambda: prove_unsteerable(werner_state(0.6)), unsteerable),
    "compatible": (lambda: prove_compatible(werner_state(0.9)), compatible),
    "compatible qutrits": (lambda: prove_compatible(isotropic_state(0.5, 3)), compatible_qutrits),
    "decomposition": (lambda: decompose(isotropic_state(0.2, 3)), separable_qutrits),
    "bases": (lambda: optimize_settings(isotropic_state(1, 3), expression=cglmp(3), seed=1), settings_hold),
    "settings of POVMs": (three_outcomes, settings_hold),
    "hidden states": (lambda: find_hidden_states(noisy_singlet(), num_axes=6), below_chsh),
    "mixture": (lambda: mix_local_models(noisy_singlet(), num_axes=6), below_chsh),
    "projective for POVMs": (
        lambda: certify_all_projective(
            werner_state(1), directions=6, measurements="povm", time_limit=2, seed=1, progress=False
        ),
        below_werner_bounds,
    ),
    "extension for POVMs": (lambda: extend_local_models(werner_state(1), measurements="povm"), below_werner_bounds),
    "unsteerable for POVMs": (lambda: prove_unsteerable(werner_state(1), measurements="povm"), below_werner_bounds),
    "hidden states for POVMs": (
        lambda: find_hidden_states(werner_state(1), num_axes=6, measurements="povm"),
        below_werner_bounds,
    ),
    "mixture for POVMs": (
        lambda: mix_local_models(werner_state(1), num_axes=6, measurements="povm"),
        below_werner_bounds,
    ),
    "estimated violation": (lambda: analyze(estimate(0.95), seed=1).evidence[0], estimated_violation_holds),
    "estimated locality": (lambda: analyze(estimate(0.3), seed=1).evidence[0], estimated_locality_holds),
    "ground state": (lambda: ground_state(ISING), ground_state_holds),
    "response model": (
        lambda: (
            find_local_model(
                Behavior.from_state(werner_state(0.5), "chsh"),
                num_hidden=16,
                optimizer=GradientDescent(num_steps=20),
                seed=1,
                progress=None,
            ).model
        ),
        model_holds,
    ),
    "fit of sampled terms": (fit_of_terms, term_fit_holds),
    "fit of shared terms": (lambda: fit_of_terms(independent=False), term_fit_holds),
    "fit of exact terms": (lambda: fit_of_terms(shots=0), term_fit_holds),
    "e-value": (lambda: ratio_e_value(some_counts(), seed=1), e_value_holds),
    "e-value of random settings": (
        lambda: ratio_e_value(random_counts(), predictability=0.01, seed=1),
        e_value_holds,
    ),
    "e-value against no-signaling": (lambda: ratio_e_value(some_counts(), null="no-signaling", seed=1), e_value_holds),
    "averaged e-values": (lambda: averaged_e_values([some_counts()], orders=3, seed=1)[0], combined_e_value_holds),
    "product of e-values": (
        lambda: combine_e_values(
            [ratio_e_value(some_counts(seed=seed), seed=seed) for seed in (1, 2)], independent=True
        ),
        combined_e_value_holds,
    ),
    "game": (lambda: game_test(some_counts(), chsh((1, 1))), game_holds),
    "game of random settings": (
        lambda: game_test(random_counts(), chsh((1, 1)), predictability=0.01),
        game_holds,
    ),
    "score": (lambda: game_test(some_counts(settings=[PLANE, PLANE]), i3322()), game_holds),
    "combined test": (small_combined_test, combined_test_holds),
    "settings as declared": (lambda: in_the_settings(0.5), settings_hold_as_declared),
    "settings otherwise": (lambda: in_the_settings(0.001), settings_hold_as_declared),
    "same state": (lambda: same_state_test(estimate(0.9).counts, seed=1), same_state_holds),
    "allowance": (lambda: signaling_allowance(some_counts(shots=1000), seed=1), allowance_holds),
    "allowance of more settings": (
        lambda: signaling_allowance(some_counts(settings=[PLANE, PLANE], shots=1000), seed=1),
        allowance_holds,
    ),
    "region": (lambda: region(0.3, "chsh"), region_holds),
    "region of more settings": (lambda: region(0.2, [PLANE, PLANE]), region_holds),
    "fit": (lambda: fit_local_model(some_counts()), fit_holds),
    "estimated threshold": (
        lambda: estimate_threshold(some_counts(), num_replicates=20, seed=1),
        estimated_threshold_holds,
    ),
    "weight interval": (lambda: local_weight_interval(some_counts(shots=2000)), weight_interval_holds),
    "rate": (lambda: evidence_rate(SINGLET), rate_holds),
    "rate of pilot counts": (lambda: evidence_rate(some_counts(0.95), seed=1), rate_holds),
    "allocation": (lambda: optimal_shares(SINGLET), allocation_holds),
    "violation": (lambda: analyze(SINGLET).evidence[0], violation_holds),
    "locality": (lambda: analyze(behavior(0.5)).evidence[0], locality_holds),
    "locality of coarse numbers": (
        lambda: analyze(Behavior.from_state(werner_state(0.4), [PLANE, PLANE]), tolerance=0.005).evidence[0],
        locality_holds,
    ),
    "report on a violation": (lambda: analyze(SINGLET), report_holds),
    "report on a local behavior": (lambda: analyze(behavior(0.5)), report_holds),
    "report on an open behavior": (lambda: analyze(behavior(0.7), tolerance=0.02), report_holds),
    "report on a nonlocal state": (lambda: analyze(werner_state(0.9), seed=1), report_holds),
    "report on a local state": (lambda: analyze(werner_state(0.4), seed=1), report_holds),
    "report on an estimate": (lambda: analyze(estimate(0.95), seed=1), report_holds),
    "report on counts": (lambda: counts_report(some_counts(shots=1000)), report_holds),
    "report on random settings": (lambda: counts_report(random_counts(), kappa=2), report_holds),
    "report on local counts": (lambda: counts_report(some_counts(0.3, 2000)), report_holds),
    "report on a game": (lambda: counts_report(some_counts(), test="game"), report_holds),
    "report on signaling": (lambda: counts_report(signaling_counts()), report_holds),
    "report on suspicious settings": (lambda: counts_report(suspicious_counts()), report_holds),
    "standing result": (standing_result, standing_holds),
    "game of some settings": (lambda: game_test(some_settings(), mermin(3)), game_holds),
    "e-value of some settings": (lambda: ratio_e_value(some_settings(), seed=1), e_value_holds),
    "fit of some settings": (lambda: fit_local_model(some_settings()), fit_holds),
    "report on some settings": (lambda: counts_report(some_settings(), expression=mermin(3)), report_holds),
    "normal test": (lambda: normal_test(2.4, 0.1, chsh()), normal_test_holds),
    "normal test of correlators": (lambda: correlator_test(some_correlators()), normal_test_holds),
    "inequality of a chain": (lambda: ChainInequality.of([1], [[[-1]], [[-2]]]), chain_bound_holds),
    "threshold of a chain": (
        lambda: chain_threshold(ChainCorrelators(np.zeros((1, 2)), [[[[0.5, 0.5], [0.5, -0.5]]]])),
        chain_threshold_holds,
    ),
    "settings of a chain": (lambda: optimize_chain_settings(dimers(), num_starts=1), chain_settings_hold),
    "energy witness": (
        lambda: energy_witness(SparsePauliOp(["XX", "ZZ"], [-1.0, -1.0]), [["X", "Z"], ["X+Z", "X-Z"]], -1.5, 0.05),
        energy_witness_holds,
    ),
    "report on correlators": (lambda: analyze(some_correlators()), report_holds),
    "report on an open state": (lambda: analyze(open_state(), time_limit=0.5, seed=1), report_holds),
    "report on POVMs": (lambda: analyze(werner_state(0.9), measurements="povm", seed=1), report_holds),
    "report with POVMs": (lambda: StateQuestion(WERNER, "povm").report(three_outcomes(), None), report_holds),
    "report on a plane": (lambda: analyze(werner_state(0.9), measurements="xz", seed=1), report_holds),
    "report on nonlocal qutrits": (lambda: analyze(isotropic_state(0.8, 3), seed=1), report_holds),
    "report on local qutrits": (lambda: analyze(isotropic_state(0.3, 3), seed=1), report_holds),
    "report on a qutrit": (lambda: analyze(DensityMatrix(np.eye(6) / 6, dims=(2, 3))), report_holds),
    "device": (device_report, device_holds),
    "many parties": (lambda: many_party_test(many_parties(), many_party_expression()), many_parties_hold),
    "many parties in blocks": (
        lambda: many_party_test(many_parties("blocks"), many_party_expression()),
        many_parties_hold,
    ),
    "bound of groups": (lambda: group_bound(svetlichny(3), 2), group_bound_holds),
    "reach": (lambda: violation_reach(many_parties(), [many_party_expression()]), reach_holds),
    "depth": (lambda: nonlocality_depth(many_parties_of_svetlichny(), svetlichny(3)), depth_holds),
    "report on many parties": (
        lambda: counts_report(many_parties(), expression=many_party_expression()),
        report_holds,
    ),
}

JUDGES = {
    BehaviorViolation: violation_holds,
    BehaviorLocality: locality_holds,
    EstimatedViolation: estimated_violation_holds,
    EstimatedLocality: estimated_locality_holds,
    EValue: e_value_holds,
    CombinedEValue: combined_e_value_holds,
    GameTest: game_holds,
    CombinedTest: combined_test_holds,
    SettingsTest: settings_hold_as_declared,
    SignalingAllowance: allowance_holds,
    StandingTest: standing_holds,
    LocalRegion: region_holds,
    NormalTest: normal_test_holds,
    LocalFit: fit_holds,
    ManyPartyTest: many_parties_hold,
    Threshold: threshold_holds,
    OptimizedSettings: settings_hold,
}
# Judged by comparison with the true record.
COMPARED = (report_holds, device_holds)
# What their checks need to be told.
ARGUMENTS = {"ground state": (ISING,), "response model": ()}


def behavior(visibility):
    return Behavior.from_state(werner_state(visibility), "chsh")


def region(visibility, settings):
    counts = some_counts(visibility, 2000, settings)
    return local_region(counts, fit_local_model(counts).model.behavior())


OTHER_KINDS = [
    None,
    "",
    "false",
    "0.5",
    True,
    False,
    0,
    -1,
    10**400,
    1.5,
    math.nan,
    math.inf,
    -math.inf,
    1e308,
    1j,
    (),
    ("a",),
    {},
    np.zeros(0),
    np.zeros(3),
    np.full((2, 2), np.nan),
    np.full((2, 2, 2, 2), 1e308),
    np.array(["a"]),
    SINGLET,
    BOX,
    chsh(),
    LocalBound(2.0, np.zeros(4, dtype=int), True),
    BellInequality.of(chsh()),
    CorrelationTensor.of(werner_state(1)),
    DeterministicModel(np.ones(1), np.zeros((1, 4), dtype=int), BellScenario((2, 2), (2, 2))),
    Verification(True, "trust me"),
    BellScenario((3, 3), (2, 2)),
]

WORDS = ["", "blocks", "random", "local", "no-signaling", "combined", "game", "e-value", "xy", "LOCAL", "trust me"]


def forged(value, rng):
    """Another value, like the one given or of another kind."""
    if rng.random() < 0.25:
        return OTHER_KINDS[rng.integers(len(OTHER_KINDS))]
    if isinstance(value, bool):
        return not value
    if isinstance(value, int | float | np.number):
        size = 10.0 ** rng.uniform(-9, 1) * rng.choice([-1, 1])
        choices = [value + size, -value, value * 2, 0, math.nan, math.inf, -math.inf, 1e308, 5e-324]
        return choices[rng.integers(len(choices))] if isinstance(value, float) else value + int(rng.integers(1, 3))
    if isinstance(value, np.ndarray) and value.size:
        return forged_array(value, rng)
    if isinstance(value, tuple) and value:
        choices = [value[:-1], value[::-1], (*value, value[0]), ()]
        index = int(rng.integers(len(value)))
        choices += [(*value[:index], forged(value[index], rng), *value[index + 1 :])] * 4
        return choices[rng.integers(len(choices))]
    if isinstance(value, Record):
        return forged_record(value, rng)
    if isinstance(value, Enum):
        return list(type(value))[rng.integers(len(type(value)))]
    if isinstance(value, str):
        return WORDS[rng.integers(len(WORDS))]
    if isinstance(value, dict) and value:
        name = list(value)[rng.integers(len(value))]
        kept = {key: one for key, one in value.items() if key != name}
        return kept if rng.random() < 0.2 else kept | {name: forged(value[name], rng)}
    return OTHER_KINDS[rng.integers(len(OTHER_KINDS))]


def forged_array(array, rng):
    changed = np.array(array)
    position = tuple(int(rng.integers(n)) for n in array.shape)
    kind = rng.integers(10)
    if kind < 5:
        step = 1 if changed.dtype.kind in "iu" else 10.0 ** rng.uniform(-9, 0)
        changed[position] += step * rng.choice([-1, 1]) if changed.dtype.kind != "b" else 1
        return changed
    negated = ~changed if changed.dtype.kind == "b" else -changed
    return [negated, changed[::-1].copy(), changed * 2, np.zeros_like(changed), changed[:0]][kind - 5]


def forged_record(record, rng):
    """The record with one field changed; of records inside, too."""
    fields = dataclasses.fields(record)
    if not fields:
        # The set of all measurements; a plane has fewer.
        return measurement_set("xz")
    field = fields[rng.integers(len(fields))]
    return dataclasses.replace(record, **{field.name: forged(getattr(record, field.name), rng)})


def forge(name, number, seed=None):
    """How many forgeries of a record could be made and were accepted; a false one that is accepted is an error."""
    make, holds = RECORDS[name]
    record, arguments = make(), ARGUMENTS.get(name, ())
    assert record.verify(*arguments), record.verify(*arguments)
    assert holds(record, record) if holds in COMPARED else holds(record)
    rng = np.random.default_rng(sum(map(ord, name)) if seed is None else seed)
    accepted = made = 0
    for _ in range(number):
        try:
            other = forged_record(record, rng)
        except LHVError:
            # Refused when it was made.
            continue
        made += 1
        check = other.verify(*arguments)
        assert isinstance(check, Verification)
        assert str(check)
        if check:
            accepted += 1
            assert holds(other, record) if holds in COMPARED else holds(other), (name, other, check)
    return made, accepted


# Their checks prove again a bound of many settings, and what every order of the settings allows.
LONG_CHECKS = ("report on a local state", "report on suspicious settings")


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow) if name in LONG_CHECKS else name for name in RECORDS]
)
def test_no_forgery_is_accepted_that_is_not_true(name):
    made, _ = forge(name, FORGERIES_EACH)
    assert made


def test_every_class_with_a_check_is_forged():
    def all_subclasses(cls):
        return {cls}.union(*(all_subclasses(one) for one in cls.__subclasses__()))

    forged_classes = {type(make()).__name__ for make, _ in RECORDS.values()} | {"CountsQuestion"}
    checked = {
        one.__name__
        for one in all_subclasses(Record)
        if "verify" in vars(one) and one.__module__.startswith("qiskit_lhv")
    }
    assert checked <= forged_classes


def test_there_are_enough_forgeries():
    assert len(RECORDS) * FORGERIES_EACH >= 500
