import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from qiskit_lhv.exceptions import MeasurementError
from qiskit_lhv.measurements import (
    AllProjective,
    ListedMeasurements,
    ListedProjective,
    MeasurementSet,
    PlanarProjective,
    POVMs,
    PVMs,
    measurement,
    measurement_set,
    measurement_sets,
)
from qiskit_lhv.measurements.random_effects import (
    convex_mixtures,
    haar_unitaries,
    mutually_unbiased_bases,
    rank_deficient_povms,
    rank_one_povms,
)

TRINE = np.array([[0, 0, 1], [np.sqrt(0.75), 0, -0.5], [-np.sqrt(0.75), 0, -0.5]])
PAULIS = np.array([[[0, 1], [1, 0]], [[0, -1j], [1j, 0]], [[1, 0], [0, -1]]])
TRINE_EFFECTS = (np.eye(2) + np.tensordot(TRINE, PAULIS, axes=1)) / 3
LIST = ListedMeasurements.of([TRINE_EFFECTS, "Z", "I"])


@st.composite
def effect_sets(draw):
    d = draw(st.integers(2, 4))
    if draw(st.booleans()):
        ranks = draw(st.sampled_from([None, (1,) * d, (1, d - 1), (d - 1, 1), (d,)]))
        return PVMs(d, ranks)
    numbers = draw(st.none() | st.integers(d, 7) | st.lists(st.integers(d, 7), min_size=1, max_size=3).map(tuple))
    return POVMs(d, numbers, draw(st.sampled_from(["haar", "rank-deficient", "mixtures", "mixed"])))


def assert_povms(effects):
    d = effects.shape[-1]
    np.testing.assert_allclose(effects, effects.conj().swapaxes(-1, -2), atol=1e-10)
    np.testing.assert_allclose(effects.sum(axis=-3), np.broadcast_to(np.eye(d), (*effects.shape[:-3], d, d)), atol=1e-9)
    assert np.linalg.eigvalsh(effects).min() > -1e-9


def twofold(effects):
    """Mean of E (x) E over the first axis, shape (D**2, D**2)."""
    d = effects.shape[-1]
    pairs = np.einsum("nij,nkl->nikjl", effects, effects).reshape(len(effects), d * d, d * d)
    return pairs.mean(axis=0), pairs.std(axis=0).max() / np.sqrt(len(effects))


def invariant(d, squared_trace, trace_of_square):
    """The operator that U (x) U leaves unchanged with these traces of E (x) E with identity and swap."""
    swap = np.eye(d * d).reshape(d, d, d, d).swapaxes(0, 1).reshape(d * d, d * d)
    a, b = np.linalg.solve([[d * d, d], [d, d * d]], [squared_trace, trace_of_square])
    return a * np.eye(d * d) + b * swap


# What is drawn


@given(effect_sets(), st.integers(0, 2**32), st.integers(1, 9))
@settings(max_examples=60, deadline=None)
def test_everything_drawn_is_a_povm_of_the_set(chosen, seed, count):
    for name in ("draw", "spread"):
        effects = getattr(chosen, name)(np.random.default_rng(seed), count)
        assert effects.shape == (count, chosen.most_outcomes, chosen.dimension, chosen.dimension)
        assert_povms(effects)
        assert all(chosen.contains(own) for own in effects)
        np.testing.assert_array_equal(effects, getattr(chosen, name)(np.random.default_rng(seed), count))
        assert chosen.covers(ListedMeasurements(effects))


@pytest.mark.parametrize("name", ["draw", "spread"])
@pytest.mark.parametrize(
    ("chosen", "ranks"), [(PVMs(2), (1, 1)), (PVMs(3), (1, 1, 1)), (PVMs(4, (1, 3)), (1, 3)), (PVMs(3, (2, 1)), (2, 1))]
)
def test_projective_measurements_have_the_moments_of_haars_measure(chosen, ranks, name):
    d = chosen.dimension
    # One member of each set alone: members of one spread set depend on each other.
    effects = np.concatenate([getattr(chosen, name)(np.random.default_rng(seed), 3)[-1:] for seed in range(3000)])
    for a, rank in enumerate(ranks):
        own = effects[:, a]
        np.testing.assert_allclose(own.mean(axis=0), rank / d * np.eye(d), atol=5 * own.std(axis=0).max() / 3000**0.5)
        found, error = twofold(own)
        np.testing.assert_allclose(found, invariant(d, rank**2, rank), atol=5 * error)


@pytest.mark.parametrize(("d", "n"), [(2, 3), (2, 4), (3, 4), (3, 9)])
def test_rank_one_povms_have_the_moments_of_haars_measure(d, n):
    effects = rank_one_povms(np.random.default_rng(d + n), 4000, d, n)
    for own in (effects[:, 0], effects[:, -1]):
        np.testing.assert_allclose(own.mean(axis=0), np.eye(d) / n, atol=5 * own.std(axis=0).max() / 4000**0.5)
        found, error = twofold(own)
        # The trace of an effect has the distribution Beta(d, n - d); E (x) E is symmetric.
        second = d * (d + 1) / (n * (n + 1))
        np.testing.assert_allclose(found, invariant(d, second, second), atol=5 * error)
    assert np.abs(np.linalg.eigvalsh(effects)[..., :-1]).max() < 1e-12


@pytest.mark.parametrize("num_outcomes", [(3, 4, 6), 4])
def test_spread_povms_have_each_number_of_outcomes_equally_often(num_outcomes):
    chosen = POVMs(2, num_outcomes, "mixed")
    effects = chosen.spread(np.random.default_rng(0), 90)
    seen = [int(np.sum(np.abs(own).max(axis=(1, 2)) > 0)) for own in effects]
    # Mixtures of bases have the largest even number of outcomes up to the one that is drawn.
    expected = {2: 10, 3: 20, 4: 30, 6: 30} if num_outcomes != 4 else {4: 90}
    assert {n: seen.count(n) for n in set(seen)} == expected


def test_the_published_distribution_has_effects_of_lower_rank():
    effects = rank_deficient_povms(np.random.default_rng(0), 50, 3, 9)
    assert_povms(effects)
    values = np.linalg.eigvalsh(effects)
    assert values[..., 0].max() < 1e-10 < 1e-4 < values[..., 1].mean()


def test_mixtures_choose_a_basis_and_measure_it():
    effects = convex_mixtures(np.random.default_rng(0), 20, 3, 2).reshape(20, 2, 3, 3, 3)
    weights = np.einsum("nbaii->nba", effects).real
    np.testing.assert_allclose(weights, weights[..., :1] * np.ones(3), atol=1e-12)
    np.testing.assert_allclose(weights[..., 0].sum(axis=1), 1, atol=1e-12)
    projectors = effects / weights[..., None, None]
    np.testing.assert_allclose(projectors @ projectors, projectors, atol=1e-10)


@pytest.mark.parametrize("d", [2, 3, 5, 7])
def test_bases_are_mutually_unbiased_and_average_squares_exactly(d):
    bases = mutually_unbiased_bases(d)
    assert bases.shape == (d + 1, d, d)
    overlaps = np.abs(np.einsum("sia,tib->satb", bases.conj(), bases)) ** 2
    for s in range(d + 1):
        for t in range(d + 1):
            np.testing.assert_allclose(overlaps[s, :, t], np.eye(d) if s == t else 1 / d, atol=1e-12)
    spread = PVMs(d).spread(np.random.default_rng(d), d + 1).reshape(-1, d, d)
    np.testing.assert_allclose(twofold(spread)[0], invariant(d, 1, 1), atol=1e-10)


@pytest.mark.parametrize("d", [4, 6, 9])
def test_where_no_complete_set_is_known_bases_are_random(d):
    assert mutually_unbiased_bases(d) is None
    assert_povms(PVMs(d).spread(np.random.default_rng(0), 3))


def test_random_unitaries_are_unitary_and_have_no_preferred_phase():
    matrices = haar_unitaries(np.random.default_rng(0), 4000, 3)
    np.testing.assert_allclose(matrices @ matrices.conj().swapaxes(1, 2), np.ones((4000, 1, 1)) * np.eye(3), atol=1e-12)
    np.testing.assert_allclose(matrices.mean(axis=0), 0, atol=5 / np.sqrt(3 * 4000))
    np.testing.assert_allclose((np.abs(matrices) ** 2).mean(axis=0), 1 / 3, atol=5 * 0.24 / np.sqrt(4000))


# Lists


def test_lists_are_drawn_from_and_padded():
    assert (LIST.dimension, LIST.size, LIST.most_outcomes, LIST.name, LIST.is_projective) == (2, 3, 3, "", False)
    assert str(LIST) == "3 chosen measurements of dimension 2"
    np.testing.assert_allclose(LIST.effects[1:, -1], 0)
    np.testing.assert_allclose(LIST.spread(np.random.default_rng(0), 5), LIST.effects)
    drawn = LIST.draw(np.random.default_rng(0), 3000)
    counts = [np.sum(np.all(drawn == own, axis=(1, 2, 3))) for own in LIST.effects]
    np.testing.assert_allclose(counts, 1000, atol=5 * np.sqrt(3000 * 2 / 9))
    two = LIST.spread(np.random.default_rng(1), 2)
    assert two.shape == (2, 3, 2, 2)
    assert not np.array_equal(two[0], two[1])
    assert [own.num_outcomes for own in LIST.measurements] == [3, 3, 3]


def test_lists_know_measurements_in_any_order_of_outcomes():
    for spec in (TRINE_EFFECTS, TRINE_EFFECTS[::-1], "Z", "-Z", "I", [*TRINE_EFFECTS, np.zeros((2, 2))]):
        assert LIST.contains(spec)
    for spec in ("X", (np.eye(2) + np.tensordot(TRINE[:, [1, 2, 0]], PAULIS, axes=1)) / 3, "ZZ"):
        assert not LIST.contains(spec)
    # Two equal effects are not one.
    halves = ListedMeasurements.of([[np.eye(2) / 2, np.eye(2) / 2]])
    assert not halves.contains([np.eye(2) / 2, np.eye(2) / 4, np.eye(2) / 4])


def test_lists_of_projectors_are_lists_of_bloch_vectors():
    (found,) = measurement_sets([[measurement("X").effects, [np.diag([1, 0]), np.diag([0, 1])]]], (2,))
    assert isinstance(found, ListedProjective)
    np.testing.assert_allclose(found.vectors, [[1, 0, 0], [0, 0, 1]], atol=1e-12)


# Which measurements and which sets belong to a set


def test_sets_contain_what_they_say():
    basis = measurement(basis=np.eye(3))
    degenerate = [np.diag([1, 0, 0]), np.diag([0, 1, 1])]
    unsharp = [np.eye(3) * 0.5, np.eye(3) * 0.5]
    cases = [(basis, 1, 1, 0), (degenerate, 1, 0, 1), ([np.eye(3)], 1, 0, 0), (unsharp, 0, 0, 0), ("Z", 0, 0, 0)]
    for spec, *inside in cases:
        assert [int(own.contains(spec)) for own in (PVMs(3), PVMs(3, (1, 1, 1)), PVMs(3, (2, 1)))] == inside
    for spec in (basis, degenerate, unsharp):
        assert POVMs(3).contains(spec)
        assert POVMs(3, 3).contains(spec)
    five = [np.eye(3) / 5] * 5
    assert POVMs(3).contains(five)
    assert POVMs(3, (3, 5)).contains([*five, np.zeros((3, 3))])
    assert not POVMs(3, 4).contains(five)
    assert not POVMs(3).contains("Z")
    # Almost projective is not projective.
    assert not PVMs(2).contains([np.diag([1 - 1e-6, 0]), np.diag([1e-6, 1])])


def test_sets_cover_their_parts_and_nothing_else():
    sets = [
        POVMs(2),
        POVMs(2, 4),
        POVMs(2, (2, 3), "mixed"),
        PVMs(2),
        AllProjective(),
        PVMs(2, (1, 1)),
        PlanarProjective([[1, 0, 0], [0, 0, 1]]),
        LIST,
        ListedProjective([[0, 0, -1]]),
        ListedMeasurements.of(["Z", "X"]),
        ListedMeasurements.of(["I"]),
        PVMs(2, (2,)),
    ]
    expected = [
        [1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1],
        [0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1],
        [0, 0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1],
        [0, 0, 0, 1, 1, 1, 1, 0, 1, 1, 1, 1],
        [0, 0, 0, 1, 1, 1, 1, 0, 1, 1, 1, 1],
        [0, 0, 0, 0, 0, 1, 1, 0, 1, 1, 0, 0],
        [0, 0, 0, 0, 0, 0, 1, 0, 1, 1, 0, 0],
        [0, 0, 0, 0, 0, 0, 0, 1, 1, 0, 1, 0],
        [0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0],
        [0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 0, 0],
        [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0],
        [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1],
    ]
    assert [[int(one.covers(other)) for other in sets] for one in sets] == expected
    assert not any(one.covers(PVMs(3)) or PVMs(3).covers(one) or POVMs(3).covers(one) for one in sets)


@given(effect_sets(), effect_sets(), st.integers(0, 2**32))
@settings(max_examples=60, deadline=None)
def test_what_is_drawn_from_a_covered_set_belongs_to_the_covering_one(one, other, seed):
    assert one.covers(one)
    drawn = other.draw(np.random.default_rng(seed), 3)
    inside = all(map(one.contains, drawn))
    assert inside or not one.covers(other)
    assert one.covers(ListedMeasurements(drawn)) is inside


# Names, files and errors


def test_names_lead_to_the_set_and_back():
    assert measurement_set("projective", 3) == PVMs(3)
    assert measurement_set("povm") == POVMs(2)
    for chosen, name in ((PVMs(4), "projective"), (POVMs(3), "povm"), (PVMs(3, (2, 1)), ""), (POVMs(3, 5), "")):
        assert (chosen.name, chosen.size, chosen.is_projective) == (name, None, isinstance(chosen, PVMs))
    assert str(PVMs(3, (2, 1))) == "all projective measurements of dimension 3 with projectors of ranks 2, 1"
    assert str(POVMs(3, (3, 5))) == "all POVMs of dimension 3 with at most 5 outcomes"


@pytest.mark.parametrize(
    "chosen",
    [PVMs(3), PVMs(4, (1, 3)), POVMs(2), POVMs(3, (3, 6), "mixed"), POVMs(2, 4, "rank-deficient"), LIST],
    ids=str,
)
def test_sets_are_the_same_after_a_file(chosen, tmp_path):
    chosen.save(tmp_path / "set.json")
    loaded = MeasurementSet.load(tmp_path / "set.json")
    assert loaded == chosen
    assert type(loaded) is type(chosen)
    np.testing.assert_array_equal(loaded.draw(np.random.default_rng(3), 4), chosen.draw(np.random.default_rng(3), 4))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: PVMs(1), "dimension: expected"),
        (lambda: PVMs(2.5), "dimension: expected"),
        (lambda: PVMs(3, (1, 1)), "ranks: expected numbers that add up to the dimension, 3"),
        (lambda: PVMs(3, (0, 3)), "ranks: expected"),
        (lambda: POVMs(0), "dimension: expected"),
        (lambda: POVMs(3, 2), "num_outcomes: expected"),
        (lambda: POVMs(3, (4, "5")), "num_outcomes: expected"),
        (lambda: POVMs(3, ()), "num_outcomes: expected"),
        (lambda: POVMs(2, distribution="gauss"), "distribution: expected one of haar"),
        (lambda: ListedMeasurements(TRINE_EFFECTS), "effects: expected shape"),
        (lambda: ListedMeasurements([TRINE_EFFECTS, TRINE_EFFECTS[:2]]), "effects: expected numbers, shape"),
        (
            lambda: ListedMeasurements([TRINE_EFFECTS, TRINE_EFFECTS * 1.1]),
            r"effects\[1\]: spec: expected effects that",
        ),
        (lambda: ListedMeasurements(np.full((1, 2, 2, 2), np.nan)), r"effects\[0\]: spec: expected finite"),
        (lambda: ListedMeasurements.of(["Z", "ZZ"]), r"measurements: expected .* got dimensions \[2, 4\]"),
        (lambda: ListedMeasurements.of([]), "measurements: expected at least one measurement"),
        (lambda: ListedMeasurements.of("xz"), "spec: expected a Pauli label"),
        (lambda: measurement_set("povm", 1), "dimension: expected"),
    ],
)
def test_what_is_no_set_is_refused(make, message):
    with pytest.raises(MeasurementError, match=f"^{message}"):
        make()
