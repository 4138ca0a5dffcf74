import math

import numpy as np
import pytest
from qiskit_lhv.exceptions import LHVError, MeasurementError
from qiskit_lhv.measurements.axes import (
    _known_optima,
    icosahedral_directions,
    icosahedral_rotations,
    icosahedral_sizes,
    planar_directions,
    platonic_directions,
    random_directions,
)
from qiskit_lhv.measurements.inradius_ascent import with_larger_inradius
from qiskit_lhv.measurements.polyhedra import hull_triangles, inradius, signed_images

SQUARED_INRADII = {
    "octahedron": 1 / 3,
    "cube": 1 / 3,
    "icosahedron": (5 + 2 * math.sqrt(5)) / 15,
    "dodecahedron": (5 + 2 * math.sqrt(5)) / 15,
}


def assert_distinct_axes(directions):
    """Unit vectors of pairwise different axes."""
    assert np.allclose(np.linalg.norm(directions, axis=1), 1, atol=1e-12)
    overlaps = np.abs(directions @ directions.T)
    np.fill_diagonal(overlaps, 0)
    assert overlaps.max() < 1 - 1e-6


def is_permuted_by(directions, rotation):
    """Whether each rotated axis is one of the axes, and none twice; without the package's own search."""
    overlaps = np.abs(directions @ rotation.T @ directions.T)
    hits = overlaps > 1 - 1e-9
    return bool(np.all(hits.sum(axis=0) == 1) and np.all(hits.sum(axis=1) == 1))


def random_rotation(seed):
    q, r = np.linalg.qr(np.random.default_rng(seed).standard_normal((3, 3)))
    q = q * np.sign(np.diag(r))
    return q * np.sign(np.linalg.det(q))


# Platonic solids


@pytest.mark.parametrize(("name", "size"), [("octahedron", 3), ("cube", 4), ("icosahedron", 6), ("dodecahedron", 10)])
def test_platonic_axes_and_inradii(name, size):
    directions = platonic_directions(name)
    assert directions.shape == (size, 3)
    assert directions.dtype == np.float64
    assert not directions.flags.writeable
    assert_distinct_axes(directions)
    assert inradius(directions) ** 2 == pytest.approx(SQUARED_INRADII[name], abs=1e-13)


@pytest.mark.parametrize("name", sorted(SQUARED_INRADII))
def test_each_axis_points_up(name):
    """The last coordinate that is not 0 is positive."""
    for vector in platonic_directions(name):
        assert vector[np.flatnonzero(np.abs(vector) > 1e-9)[-1]] > 0


def test_cube_corners():
    expected = {(1, 1), (1, -1), (-1, 1), (-1, -1)}
    assert {tuple(np.rint(v[:2] * math.sqrt(3)).astype(int)) for v in platonic_directions("cube")} == expected


def test_dodecahedron_is_dual_to_the_icosahedron():
    """The faces of one lie over the vertices of the other."""
    overlaps = np.abs(platonic_directions("dodecahedron") @ platonic_directions("icosahedron").T)
    # Each face of the icosahedron has three corners; each is at the same angle from its center.
    nearest = np.sort(overlaps, axis=1)[:, -3:]
    assert np.allclose(nearest, math.sqrt(SQUARED_INRADII["icosahedron"]))


@pytest.mark.parametrize("name", ["tetrahedron", "", "Cube", None, 4])
def test_unknown_solids_are_refused(name):
    with pytest.raises(MeasurementError, match=r"name: expected one of octahedron, cube"):
        platonic_directions(name)


# Planes


def test_planar_directions_lie_where_they_should():
    directions = planar_directions(5, plane=(2, 0))
    assert directions.shape == (5, 3)
    assert np.all(directions[:, 1] == 0)
    assert np.allclose(directions[0], [0, 0, 1])
    # The second of the plane's axes is the one that the angle turns to.
    assert directions[1, 0] == pytest.approx(math.sin(math.pi / 5))
    neighbors = np.sum(directions[1:] * directions[:-1], axis=1)
    assert np.allclose(neighbors, math.cos(math.pi / 5))
    assert_distinct_axes(directions)


def test_planar_default_is_x_and_y():
    assert np.allclose(planar_directions(2), [[1, 0, 0], [0, 1, 0]])


def test_one_planar_direction():
    assert np.array_equal(planar_directions(1), [[1, 0, 0]])


@pytest.mark.parametrize("plane", [(0, 1), (1, 2), (2, 0)])
def test_planes_have_no_inradius(plane):
    directions = planar_directions(7, plane)
    assert inradius(directions) == 0
    with pytest.raises(MeasurementError, match=r"directions: expected directions that span all three dimensions"):
        hull_triangles(directions)


def test_tilted_planes_have_no_inradius():
    assert inradius(planar_directions(9) @ random_rotation(1).T) == 0


def test_few_directions_have_no_inradius():
    assert inradius([[0, 0, 1]]) == 0
    assert inradius([[0, 0, 1], [1, 0, 0]]) == 0


@pytest.mark.parametrize("plane", [(0, 0), (0, 3), (0,), (0, 1, 2), (-1, 0), ()])
def test_bad_planes_are_refused(plane):
    with pytest.raises(MeasurementError, match=r"plane: expected two different axes out of 0, 1, 2"):
        planar_directions(3, plane)


# Random sets


def test_random_directions_are_uniform_unit_vectors():
    directions = random_directions(4000, seed=3)
    assert np.allclose(np.linalg.norm(directions, axis=1), 1, atol=1e-13)
    # Mean 0 and second moments 1 / 3, each within five standard deviations.
    assert np.abs(directions.mean(axis=0)).max() < 5 / math.sqrt(3 * 4000)
    assert np.abs(directions.T @ directions / 4000 - np.eye(3) / 3).max() < 5 * 0.3 / math.sqrt(4000)


def test_random_directions_are_reproducible():
    first = random_directions(12, seed=7)
    assert np.array_equal(first, random_directions(12, seed=7))
    assert not np.allclose(first, random_directions(12, seed=8))
    assert not np.allclose(random_directions(12), random_directions(12))
    assert not first.flags.writeable


@pytest.mark.parametrize("seed", [-1, 1.5, "a", True])
def test_bad_seeds_are_refused(seed):
    with pytest.raises(LHVError, match="seed"):
        random_directions(3, seed=seed)


@pytest.mark.parametrize("function", [planar_directions, random_directions, icosahedral_directions])
@pytest.mark.parametrize("number", [0, -2, 1.5, 6.0, "6", None, True])
def test_numbers_of_axes_are_checked(function, number):
    with pytest.raises(MeasurementError, match=r"num_settings: expected a whole number of at least 1"):
        function(number)


def test_numpy_integers_are_welcome():
    assert len(random_directions(np.int64(5), seed=1)) == len(planar_directions(np.int32(5))) == 5
    assert len(icosahedral_directions(np.int64(6))) == 6


# Icosahedral sets


def test_rotations_form_the_group_of_the_icosahedron():
    rotations = icosahedral_rotations()
    assert rotations.shape == (60, 3, 3)
    assert np.allclose(rotations[0], np.eye(3), atol=1e-12)
    assert np.allclose(rotations @ rotations.transpose(0, 2, 1), np.eye(3), atol=1e-12)
    assert np.allclose(np.linalg.det(rotations), 1)
    # Closed: each product is exactly one of them.
    products = np.einsum("aij,bjk->abik", rotations, rotations).reshape(-1, 9)
    near = np.abs(products[:, None] - rotations.reshape(1, 60, 9)).max(axis=2) < 1e-9
    assert np.all(near.sum(axis=1) == 1)
    # By their angle: the identity, 24 of order five, 20 of order three, 15 of order two.
    angles = np.rint(np.degrees(np.arccos(np.clip((np.trace(rotations, axis1=1, axis2=2) - 1) / 2, -1, 1))))
    assert dict(zip(*np.unique(angles, return_counts=True), strict=True)) == {0: 1, 72: 12, 120: 20, 144: 12, 180: 15}


def test_sizes():
    assert icosahedral_sizes(5) == []
    assert icosahedral_sizes(6) == [6]
    assert icosahedral_sizes(600) == [6, 16, 21, 46, 61, 81, 126, 136, 181, 241, 246, 321, 376, 406, 501, 541]
    for size in icosahedral_sizes(3000):
        assert math.isqrt((size - 1) // 5) ** 2 * 5 == size - 1 or math.isqrt((size - 1) // 15) ** 2 * 15 == size - 1


@pytest.mark.parametrize("size", icosahedral_sizes(330))
def test_plain_sets_have_all_rotations(size):
    directions = icosahedral_directions(size, optimized=False)
    assert directions.shape == (size, 3)
    assert_distinct_axes(directions)
    assert all(is_permuted_by(directions, rotation) for rotation in icosahedral_rotations()[::7])
    assert signed_images(directions, icosahedral_rotations())[2].all()


@pytest.mark.parametrize(("size", "squared"), [(61, 0.9589), (181, 0.986)])
def test_optimized_sets_have_large_inradii_and_all_rotations(size, squared):
    directions = icosahedral_directions(size)
    assert directions.shape == (size, 3)
    assert not directions.flags.writeable
    assert_distinct_axes(directions)
    assert squared <= inradius(directions) ** 2 < 1
    assert inradius(directions) >= inradius(icosahedral_directions(size, optimized=False)) - 1e-12
    assert all(is_permuted_by(directions, rotation) for rotation in icosahedral_rotations())


def test_46_axes():
    """The optimum starts from these, and is never below them."""
    directions = icosahedral_directions(46, optimized=False)
    assert len(directions) == 46
    assert 0.944 <= inradius(directions) ** 2 < 0.95


def test_541_axes():
    directions = icosahedral_directions(541)
    assert len(directions) == 541
    assert 0.9953 <= inradius(directions) ** 2 < 1
    assert all(is_permuted_by(directions, rotation) for rotation in icosahedral_rotations()[::6])


def test_the_same_call_gives_the_same_set():
    assert np.array_equal(icosahedral_directions(61), icosahedral_directions(61))
    assert np.array_equal(icosahedral_directions(21, optimized=False), icosahedral_directions(21, optimized=False))


def test_six_axes_are_those_of_the_icosahedron():
    overlaps = np.abs(icosahedral_directions(6) @ platonic_directions("icosahedron").T)
    assert np.allclose(np.sort(overlaps, axis=1)[:, -1], 1)
    assert np.array_equal(icosahedral_directions(6), icosahedral_directions(6, optimized=False))


def test_sixteen_axes_join_vertices_and_faces():
    """The class (1, 1): the axes of the icosahedron and those of the dodecahedron."""
    both = np.concatenate([platonic_directions("icosahedron"), platonic_directions("dodecahedron")])
    overlaps = np.abs(icosahedral_directions(16, optimized=False) @ both.T)
    assert np.allclose(overlaps.max(axis=1), 1)


@pytest.mark.parametrize(
    ("number", "near"), [(7, "s are 6 and 16"), (50, "s are 46 and 61"), (180, "s are 136 and 181"), (1, " is 6")]
)
def test_other_numbers_are_refused_with_the_nearest(number, near):
    message = rf"num_settings: expected .*got {number}\. The nearest such number{near}\."
    with pytest.raises(MeasurementError, match=message):
        icosahedral_directions(number)


# Hulls


@pytest.mark.parametrize(
    "directions",
    [
        platonic_directions("octahedron"),
        platonic_directions("cube"),
        platonic_directions("dodecahedron"),
        icosahedral_directions(21, optimized=False),
        random_directions(3, seed=1),
        random_directions(40, seed=2),
        np.array([[1, 0, 0], [0, 2, 0], [0.3, 0.1, 0.01]]),
    ],
    ids=["octahedron", "cube", "dodecahedron", "21", "three", "random", "flat"],
)
def test_hulls_are_closed_outward_and_contain_all(directions):
    triangles = hull_triangles(directions)
    m = len(directions)
    assert triangles.min() >= 0
    assert triangles.max() < 2 * m
    points = np.concatenate([directions, -directions])
    # Each edge borders two triangles, which run through it in opposite senses.
    edges = {}
    for i, j, k in triangles.tolist():
        for edge in ((i, j), (j, k), (k, i)):
            edges[edge] = edges.get(edge, 0) + 1
    assert set(edges.values()) == {1}
    assert all((j, i) in edges for i, j in edges)
    # Euler: V - E + F = 2.
    assert len(np.unique(triangles)) - len(edges) // 2 + len(triangles) == 2
    distances = []
    for a, b, c in points[triangles]:
        normal = np.cross(b - a, c - a)
        normal /= np.linalg.norm(normal)
        assert normal @ a > 0
        assert np.all(points @ normal <= normal @ a + 1e-9)
        distances.append(normal @ a)
    assert inradius(directions) == pytest.approx(min(distances))


def test_inradius_of_random_directions_by_sampling():
    """The support function max |n_i . u| over unit vectors u is least at the inradius."""
    directions = random_directions(15, seed=5)
    u = random_directions(200000, seed=6)
    support = np.abs(u @ directions.T).max(axis=1)
    assert inradius(directions) <= support.min() + 1e-12
    assert inradius(directions) == pytest.approx(support.min(), rel=5e-3)


def test_inradius_does_not_depend_on_signs_order_or_rotation():
    directions = random_directions(20, seed=9)
    rng = np.random.default_rng(1)
    turned = (rng.choice([-1, 1], size=(20, 1)) * directions)[rng.permutation(20)] @ random_rotation(4).T
    assert inradius(turned) == pytest.approx(inradius(directions), abs=1e-12)
    assert inradius(3 * directions) == pytest.approx(3 * inradius(directions))


@pytest.mark.parametrize("function", [hull_triangles, inradius])
@pytest.mark.parametrize(
    ("directions", "message"),
    [
        (np.zeros((0, 3)), "shape"),
        (np.zeros((3, 2)), r"expected shape \(m, 3\)"),
        (np.zeros(3), "2 axes"),
        (np.zeros((2, 2, 3)), "2 axes"),
        ([[1, 0, math.nan]], "finite"),
        ([[1, 0, 1j]], "real"),
        ("directions", "numbers"),
        (None, "directions"),
    ],
)
def test_bad_directions_are_refused(function, directions, message):
    with pytest.raises(MeasurementError, match=message):
        function(directions)


# Images


def test_signed_images_of_an_asymmetric_set():
    directions = np.array([[1, 0, 0], [0, 1, 0], [0, 0.6, 0.8]])
    quarter_turn = np.array([[0.0, -1, 0], [1, 0, 0], [0, 0, 1]])
    mirror = np.diag([-1.0, 1, 1])
    numbers, signs, kept = signed_images(directions, np.array([np.eye(3), -np.eye(3), quarter_turn, mirror]))
    assert kept.tolist() == [True, True, False, True]
    assert numbers[0].tolist() == numbers[1].tolist() == numbers[3].tolist() == [0, 1, 2]
    assert signs[0].tolist() == [1, 1, 1]
    assert signs[1].tolist() == [-1, -1, -1]
    assert signs[3].tolist() == [-1, 1, 1]


def test_signed_images_are_those_of_the_maps():
    directions = icosahedral_directions(16, optimized=False)
    rotations = np.concatenate([icosahedral_rotations(), -icosahedral_rotations()])
    numbers, signs, kept = signed_images(directions, rotations)
    assert kept.all()
    for rotation, number, sign in zip(rotations, numbers, signs, strict=True):
        assert np.allclose(directions @ rotation.T, sign[:, None] * directions[number], atol=1e-9)


@pytest.mark.parametrize("count", [46, 61])
def test_the_optima_that_ship_are_those_that_the_ascent_finds(count):
    found = with_larger_inradius(icosahedral_directions(count, optimized=False), icosahedral_rotations())
    shipped = icosahedral_directions(count)
    assert inradius(shipped) == pytest.approx(inradius(found), abs=1e-9)
    assert np.allclose(shipped, found, atol=1e-6)


@pytest.mark.slow
def test_all_shipped_optima_have_the_symmetry_and_no_smaller_inradius():
    for count in map(int, _known_optima()):
        axes, plain = icosahedral_directions(count), icosahedral_directions(count, optimized=False)
        assert axes.shape == plain.shape
        assert np.allclose(np.linalg.norm(axes, axis=1), 1, atol=1e-12)
        assert signed_images(axes, icosahedral_rotations())[2].all()
        assert inradius(axes) >= inradius(plain) - 1e-12
