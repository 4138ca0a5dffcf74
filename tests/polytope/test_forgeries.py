"""Random forgeries: one field of a record changed to another value, of the same or of another type.

What passes ``verify`` must still be true, which is told here by numbers found anew; and nothing but the package's own
errors may be raised, and those when the record is made, not by its check.
"""

import dataclasses
import math

import numpy as np
import pytest
from qiskit_lhv import (
    Behavior,
    BellInequality,
    BellScenario,
    CorrelationTensor,
    CriticalVisibility,
    DeterministicModel,
    LHVError,
    LocalBound,
    SymmetrizedModel,
    Verification,
    WernerInequality,
    certify_all_projective,
    cglmp,
    chsh,
    detection_threshold,
    enumerate_facets,
    extend_local_models,
    horodecki_chsh,
    horodecki_settings,
    i3322,
    local_weight,
    mix_with_noise,
    no_signaling_bound,
    nonlocality_threshold,
    prove_separable,
    quantum_bound,
    werner_state,
    wwzb,
)
from qiskit_lhv._records import Record
from qiskit_lhv.models.deterministic import enumerate_strategies, strategy_tables

FORGERIES_EACH = 40
SINGLET = Behavior.from_state(werner_state(1), "chsh")
UNEQUAL = {(0, 1): [0, 1, 1]}
BOX = Behavior.from_correlators([[0.8, 0.8], [0.8, -0.8]], marginals=False)


def largest_local_value(expression):
    tables = strategy_tables(enumerate_strategies(expression.scenario), expression.scenario)
    return float((tables @ expression.coefficients.ravel()).max())


# Whether a claim is true


def inequality_holds(record):
    return largest_local_value(record.expression) <= record.bound.value + 1e-9


def threshold_holds(record):
    found = nonlocality_threshold(record.behavior, noise=record.noise)
    above = record.upper >= found.lower - 1e-7 or not record.upper_is_proven
    return record.lower <= found.upper + 1e-7 and above


def weight_holds(record):
    found = local_weight(record.behavior)
    return record.lower <= found.upper + 1e-7 and record.upper >= found.lower - 1e-7


def efficiency_holds(record):
    found = detection_threshold(record.behavior, assign=record.assign, fixed=record.fixed)
    return record.lower <= found.upper + 1e-6 and record.upper >= found.lower - 1e-6


def settings_hold(record):
    noise = record.noise or CorrelationTensor.white_noise(record.correlations.dimensions)
    bound = largest_local_value(record.inequality.expression)
    of_noise = dataclasses.replace(record, correlations=noise).value
    return record.value > bound - 1e-9 and of_noise <= bound + 1e-6


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


def critical_holds(record):
    above = record.settings is None or (
        settings_hold(record.settings) and record.upper >= horodecki_chsh(werner_state(1)).visibility - 1e-7
    )
    return 0 <= record.lower <= record.upper and record.lower <= 0.69606 and above


# Records to begin with


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


def averaged_model():
    threshold = nonlocality_threshold(Behavior.from_state(werner_state(1), [list(np.eye(3))] * 2))
    from qiskit_lhv import Symmetry

    return SymmetrizedModel(
        threshold.model.weights, threshold.model.strategies, Symmetry.trivial(BellScenario((3, 3), (2, 2)))
    )


RECORDS = {
    "inequality": (lambda: BellInequality.of(i3322()), inequality_holds),
    "inequality of three outcomes": (lambda: BellInequality.of(cglmp(3)), inequality_holds),
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
        lambda: certify_all_projective(werner_state(1), num_settings=6, time_limit=2, seed=1, progress=False),
        below_chsh,
    ),
    "extension": (lambda: extend_local_models(mix_with_noise(np.array([0.8, 0, 0, 0.6]), 0.6)), below_chsh),
    "separable": (lambda: prove_separable(werner_state(0.3)), separable),
    "model": (symmetric_model, model_holds),
    "averaged model": (averaged_model, model_holds),
    "critical": (critical, critical_holds),
}

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
    return OTHER_KINDS[rng.integers(len(OTHER_KINDS))]


def forged_array(array, rng):
    changed = np.array(array)
    position = tuple(int(rng.integers(n)) for n in array.shape)
    kind = rng.integers(10)
    if kind < 5:
        step = 1 if changed.dtype.kind in "iu" else 10.0 ** rng.uniform(-9, 0)
        changed[position] += step * rng.choice([-1, 1]) if changed.dtype.kind != "b" else 1
        return changed
    return [-changed, changed[::-1].copy(), changed * 2, np.zeros_like(changed), changed[:0]][kind - 5]


def forged_record(record, rng):
    """The record with one field changed; of records inside, too."""
    fields = dataclasses.fields(record)
    field = fields[rng.integers(len(fields))]
    return dataclasses.replace(record, **{field.name: forged(getattr(record, field.name), rng)})


@pytest.mark.parametrize("name", RECORDS)
def test_no_forgery_is_accepted_that_is_not_true(name):
    make, holds = RECORDS[name]
    record = make()
    assert record.verify()
    assert holds(record)
    rng = np.random.default_rng(sum(map(ord, name)))
    accepted = made = 0
    for _ in range(FORGERIES_EACH):
        try:
            other = forged_record(record, rng)
        except LHVError:
            # Refused when it was made.
            continue
        made += 1
        check = other.verify()
        assert isinstance(check, Verification)
        assert str(check)
        if check:
            accepted += 1
            assert holds(other), (name, other, check)
    assert made
    assert accepted < FORGERIES_EACH / 2


def test_there_are_enough_forgeries():
    assert len(RECORDS) * FORGERIES_EACH >= 500
