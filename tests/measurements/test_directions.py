import numpy as np
import pytest
from qiskit_lhv.exceptions import ScenarioError
from qiskit_lhv.measurements.directions import DirectionList, Plane, Sphere, bloch_vectors, parse_directions
from scipy.stats import kstest

TILTED = [[0.6, 0.8, 0.0], [0.0, 0.0, 1.0]]
AXES = np.eye(3)
TETRAHEDRON = np.array([[1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]]) / np.sqrt(3)
CONTINUOUS = [Sphere(), Plane([[1, 0, 0], [0, 0, 1]]), Plane(TILTED)]


def largest_overlap(vectors):
    """The largest |n.m| of two different ones: 1 for a pair that is one measurement."""
    return np.abs(vectors @ vectors.T)[~np.eye(len(vectors), dtype=bool)].max()


def assert_uniform(directions, vectors):
    """Five standard errors for the moments; for the distribution functions a chance of about 1e-6."""
    count, dimension = len(vectors), 2 if isinstance(directions, Plane) else 3
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-12)
    projector = directions.vectors.T @ directions.vectors if dimension == 2 else np.eye(3)
    np.testing.assert_allclose(vectors @ projector, vectors, atol=1e-12)
    np.testing.assert_allclose(vectors.mean(axis=0), 0, atol=5 / np.sqrt(dimension * count))
    np.testing.assert_allclose(vectors.T @ vectors / count, projector / dimension, atol=5 / np.sqrt(8 * count))
    if dimension == 2:
        assert kstest(np.arctan2(*(directions.vectors @ vectors.T)), "uniform", args=(-np.pi, 2 * np.pi)).pvalue > 1e-6
    else:
        # Archimedes: every component of a uniform direction is uniform.
        for component in vectors.T:
            assert kstest(component, "uniform", args=(-1, 2)).pvalue > 1e-6


@pytest.mark.parametrize("directions", CONTINUOUS, ids=str)
def test_draws_are_uniform(directions):
    assert_uniform(directions, directions.draw(np.random.default_rng(0), 20_000))


@pytest.mark.parametrize("directions", CONTINUOUS, ids=str)
@pytest.mark.parametrize("index", [0, 3, 5])
def test_each_spread_direction_alone_is_uniform(directions, index):
    vectors = np.stack([directions.spread(np.random.default_rng(seed), 6)[index] for seed in range(4000)])
    assert_uniform(directions, vectors)


def test_draws_are_independent():
    vectors = np.stack([Sphere().draw(np.random.default_rng(seed), 2) for seed in range(4000)])
    overlap = np.einsum("ij,ij->i", vectors[:, 0], vectors[:, 1])
    assert kstest(overlap, "uniform", args=(-1, 2)).pvalue > 1e-6


@pytest.mark.parametrize("count", [4, 10, 32, 100])
def test_spread_directions_are_far_apart_as_lines(count):
    rng = np.random.default_rng(count)
    for directions in CONTINUOUS:
        spread = directions.spread(rng, count)
        assert spread.shape == (count, 3)
        random = [largest_overlap(directions.draw(rng, count)) for _ in range(20)]
        assert largest_overlap(spread) < min(random)
    # The sphere's share of one line is 2 pi / count; in a plane the angles are pi / count apart.
    assert np.arccos(largest_overlap(Sphere().spread(rng, count))) > 1.2 / np.sqrt(count)
    np.testing.assert_allclose(largest_overlap(spread), np.cos(np.pi / count), atol=1e-12)


def test_spread_directions_integrate_even_functions_better_than_random_ones():
    rng = np.random.default_rng(1)
    errors = {
        name: np.std([np.mean(getattr(Sphere(), name)(rng, 32)[:, 2] ** 4) for _ in range(200)])
        for name in ("spread", "draw")
    }
    assert errors["spread"] < errors["draw"] / 5


@pytest.mark.parametrize("directions", [*CONTINUOUS, DirectionList(TETRAHEDRON)], ids=str)
def test_directions_depend_on_the_generator_alone(directions):
    for name in ("draw", "spread"):
        first, second, other = (getattr(directions, name)(np.random.default_rng(seed), 3) for seed in (4, 4, 5))
        np.testing.assert_array_equal(first, second)
        assert not np.array_equal(first, other)


@pytest.mark.parametrize("directions", CONTINUOUS, ids=str)
def test_one_direction_can_be_spread(directions):
    assert directions.spread(np.random.default_rng(0), 1).shape == (1, 3)


# Lists


def test_draws_from_a_list_are_equally_likely():
    drawn = DirectionList(TETRAHEDRON).draw(np.random.default_rng(0), 20_000)
    counts = [(drawn == one).all(axis=1).sum() for one in TETRAHEDRON]
    assert sum(counts) == 20_000
    np.testing.assert_allclose(counts, 5000, atol=5 * np.sqrt(20_000 * 3 / 16))


def test_spread_takes_no_direction_of_a_list_twice():
    directions = DirectionList(TETRAHEDRON)
    counts = np.zeros(4)
    for seed in range(2000):
        chosen = directions.spread(np.random.default_rng(seed), 3)
        hits = (chosen[:, None] == TETRAHEDRON[None]).all(axis=2).sum(axis=0)
        assert sorted(hits) == [0, 1, 1, 1]
        counts += hits
    np.testing.assert_allclose(counts, 1500, atol=5 * np.sqrt(2000 * 3 / 16))


@pytest.mark.parametrize("count", [4, 5, 100])
def test_spread_gives_a_whole_list_that_is_short(count):
    np.testing.assert_array_equal(DirectionList(TETRAHEDRON).spread(np.random.default_rng(0), count), TETRAHEDRON)


@pytest.mark.parametrize("vectors", [np.zeros((0, 3)), [[1, 0]], [[1, 0, 0], [0, 0, 0.5]], [[np.nan, 0, 1]], [1, 0, 0]])
def test_lists_of_something_else_are_refused(vectors):
    with pytest.raises(ScenarioError, match=r"^vectors: expected"):
        DirectionList(vectors)


# What a user may pass


def test_projective_means_all_directions():
    assert parse_directions("projective", 3) == [Sphere()] * 3


@pytest.mark.parametrize("name", ["xy", "yx", "xz", "zx", "yz", "zy"])
def test_planes_have_names(name):
    expected = Plane(AXES[["xyz".index(letter) for letter in name]])
    assert parse_directions(name, 2) == [expected] * 2


@pytest.mark.parametrize("plane", [TILTED, np.array(TILTED), tuple(map(tuple, TILTED)), [np.array(v) for v in TILTED]])
def test_two_orthonormal_vectors_span_a_plane(plane):
    assert parse_directions(plane, 2) == [Plane(TILTED)] * 2


def test_sets_of_directions_are_taken_for_every_party():
    assert parse_directions(Plane(TILTED), 3) == [Plane(TILTED)] * 3


@pytest.mark.parametrize(
    "lists",
    [
        [["X", "-Z"], ["Y"]],
        (("X", "-Z"), ("Y",)),
        [[[1, 0, 0], [0, 0, -1]], [[0, 1, 0]]],
        [np.array([[1.0, 0, 0], [0, 0, -1]]), np.array([[0, 1.0, 0]])],
        [["X", [0, 0, -1]], [np.array([0, 1, 0])]],
        [[np.array([[0, 1], [1, 0]]), np.diag([-1, 1])], ["Y"]],
    ],
    ids=["labels", "tuples", "vectors", "arrays", "mixed", "observables"],
)
def test_lists_of_each_party(lists):
    first, second = parse_directions(lists, 2)
    np.testing.assert_allclose(first.vectors, [[1, 0, 0], [0, 0, -1]], atol=1e-12)
    np.testing.assert_allclose(second.vectors, [[0, 1, 0]], atol=1e-12)


@pytest.mark.parametrize("num_parties", [1, 2, 3])
def test_array_of_all_lists(num_parties):
    vectors = Sphere().draw(np.random.default_rng(0), 4 * num_parties).reshape(num_parties, 4, 3)
    parsed = parse_directions(vectors, num_parties)
    assert len(parsed) == num_parties
    for one, expected in zip(parsed, vectors, strict=True):
        np.testing.assert_allclose(one.vectors, expected, atol=1e-12)


@pytest.mark.parametrize(
    "measurements",
    [
        "sphere",
        "xx",
        "xyz",
        "",
        "chsh",
        b"xz",
        None,
        3,
        {"X"},
        [["X"]],
        [["X"], ["Y"], ["Z"]],
        [[], ["X"]],
        ["xz", "xy"],
        [["XX"], ["Z"]],
        [["I"], ["Z"]],
        [["S"], ["Z"]],
        [[[np.eye(2) / 2, np.eye(2) / 2]], ["Z"]],
        [[[2, 0, 0]], [[1, 0, 0]]],
        [[[0.9, 0, 0]], ["Z"]],
        [[[1, 0]], [[0, 1]]],
        np.full((2, 2, 3), np.nan),
        np.zeros((3, 2, 3)),
        np.zeros((2, 0, 3)),
    ],
    ids=repr,
)
def test_measurements_that_are_none_are_refused(measurements):
    with pytest.raises(ScenarioError, match=r"^measurements: expected 'projective', a plane such as 'xz', two ortho"):
        parse_directions(measurements, 2)


@pytest.mark.parametrize(
    "plane",
    [
        [[1, 0, 0], [1, 0, 0]],
        [[1, 0, 0], [0, 2, 0]],
        [[1, 0, 0], [0.1, 1, 0]],
        [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
        [[1, 0], [0, 1]],
        [[1, 0, 0], [0, 1]],
        [[np.nan] * 3, [0, 1, 0]],
        np.zeros((2, 3)),
        [],
    ],
    ids=repr,
)
def test_planes_that_are_none_are_refused(plane):
    with pytest.raises(ScenarioError, match=r"^plane: expected"):
        parse_directions(plane, 2)


def test_labels_may_come_in_an_array():
    first, second = parse_directions(np.array([["X", "-Z"], ["Y", "X"]]), 2)
    np.testing.assert_allclose(first.vectors, [[1, 0, 0], [0, 0, -1]], atol=1e-12)
    np.testing.assert_allclose(second.vectors, [[0, 1, 0], [1, 0, 0]], atol=1e-12)


def test_the_reason_is_kept_as_the_cause():
    with pytest.raises(ScenarioError) as caught:
        parse_directions([["X"], ["XX"]], 2)
    assert "settings[1][0]" in str(caught.value.__cause__)


def test_bloch_vectors_point_to_outcome_zero():
    first, second = bloch_vectors([["-X", (0, 0.6, 0.8)], ["H"]], 2)
    np.testing.assert_allclose(first, [[-1, 0, 0], [0, 0.6, 0.8]], atol=1e-12)
    np.testing.assert_allclose(second, [[np.sqrt(0.5), 0, np.sqrt(0.5)]], atol=1e-12)
