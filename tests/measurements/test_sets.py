import itertools
import json

import numpy as np
import pytest
from qiskit.quantum_info import Statevector, random_density_matrix
from qiskit_lhv import CorrelationTensor
from qiskit_lhv.analysis.state_question import StateQuestion
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
from qiskit_lhv.measurements.bloch_vectors import bloch_vectors
from qiskit_lhv.measurements.named_sets import projective_set
from qiskit_lhv.projective import AllProjectiveCertificate
from qiskit_lhv.projective.certificates.product_proof import product_certificate
from qiskit_lhv.targets.qubits import planar_tensor
from scipy.stats import kstest

TILTED = [[0.6, 0.8, 0.0], [0.0, 0.0, 1.0]]
AXES = np.eye(3)
PAULIS = np.array([[[0, 1], [1, 0]], [[0, -1j], [1j, 0]], [[1, 0], [0, -1]]])
TRINE = np.array([[0, 0, 1], [np.sqrt(0.75), 0, -0.5], [-np.sqrt(0.75), 0, -0.5]])
TETRAHEDRON = np.array([[1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]]) / np.sqrt(3)
CONTINUOUS = [AllProjective(), PlanarProjective([[1, 0, 0], [0, 0, 1]]), PlanarProjective(TILTED)]


def largest_overlap(vectors):
    """The largest |n.m| of two different ones: 1 for a pair that is one measurement."""
    return np.abs(vectors @ vectors.T)[~np.eye(len(vectors), dtype=bool)].max()


def assert_uniform(directions, vectors):
    """Five standard errors for the moments; for the distribution functions a chance of about 1e-6."""
    count, dimension = len(vectors), 2 if isinstance(directions, PlanarProjective) else 3
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
    vectors = np.stack([AllProjective().draw(np.random.default_rng(seed), 2) for seed in range(4000)])
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
    assert np.arccos(largest_overlap(AllProjective().spread(rng, count))) > 1.2 / np.sqrt(count)
    np.testing.assert_allclose(largest_overlap(spread), np.cos(np.pi / count), atol=1e-12)


def test_spread_directions_integrate_even_functions_better_than_random_ones():
    rng = np.random.default_rng(1)
    errors = {
        name: np.std([np.mean(getattr(AllProjective(), name)(rng, 32)[:, 2] ** 4) for _ in range(200)])
        for name in ("spread", "draw")
    }
    assert errors["spread"] < errors["draw"] / 5


@pytest.mark.parametrize("directions", [*CONTINUOUS, ListedProjective(TETRAHEDRON)], ids=str)
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
    drawn = ListedProjective(TETRAHEDRON).draw(np.random.default_rng(0), 20_000)
    counts = [(drawn == one).all(axis=1).sum() for one in TETRAHEDRON]
    assert sum(counts) == 20_000
    np.testing.assert_allclose(counts, 5000, atol=5 * np.sqrt(20_000 * 3 / 16))


def test_spread_takes_no_direction_of_a_list_twice():
    directions = ListedProjective(TETRAHEDRON)
    counts = np.zeros(4)
    for seed in range(2000):
        chosen = directions.spread(np.random.default_rng(seed), 3)
        hits = (chosen[:, None] == TETRAHEDRON[None]).all(axis=2).sum(axis=0)
        assert sorted(hits) == [0, 1, 1, 1]
        counts += hits
    np.testing.assert_allclose(counts, 1500, atol=5 * np.sqrt(2000 * 3 / 16))


@pytest.mark.parametrize("count", [4, 5, 100])
def test_spread_gives_a_whole_list_that_is_short(count):
    np.testing.assert_array_equal(ListedProjective(TETRAHEDRON).spread(np.random.default_rng(0), count), TETRAHEDRON)


@pytest.mark.parametrize("vectors", [np.zeros((0, 3)), [[1, 0]], [[1, 0, 0], [0, 0, 0.5]], [[np.nan, 0, 1]], [1, 0, 0]])
def test_lists_of_something_else_are_refused(vectors):
    with pytest.raises(MeasurementError, match=r"^vectors: expected"):
        ListedProjective(vectors)


# What a user may pass


def test_projective_means_all_directions():
    assert measurement_sets("projective", (2,) * 3) == [AllProjective()] * 3


@pytest.mark.parametrize("name", ["xy", "yx", "xz", "zx", "yz", "zy"])
def test_planes_have_names(name):
    expected = PlanarProjective(AXES[["xyz".index(letter) for letter in name]])
    assert measurement_sets(name, (2,) * 2) == [expected] * 2


@pytest.mark.parametrize("plane", [TILTED, np.array(TILTED), tuple(map(tuple, TILTED)), [np.array(v) for v in TILTED]])
def test_two_orthonormal_vectors_span_a_plane(plane):
    assert measurement_sets(plane, (2,) * 2) == [PlanarProjective(TILTED)] * 2


def test_sets_of_directions_are_taken_for_every_party():
    assert measurement_sets(PlanarProjective(TILTED), (2,) * 3) == [PlanarProjective(TILTED)] * 3


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
    first, second = measurement_sets(lists, (2,) * 2)
    np.testing.assert_allclose(first.vectors, [[1, 0, 0], [0, 0, -1]], atol=1e-12)
    np.testing.assert_allclose(second.vectors, [[0, 1, 0]], atol=1e-12)


def test_every_party_may_have_a_set_of_another_kind():
    trine = [[np.eye(2) / 3 + sum(c * p for c, p in zip(v, PAULIS, strict=True)) / 3 for v in TRINE]]
    sets = measurement_sets(["xz", "projective", trine, ["I"], POVMs(3)], (2, 2, 2, 2, 3))
    assert sets[:2] == [measurement_set("xz"), AllProjective()]
    assert [type(one) for one in sets[2:]] == [ListedMeasurements, ListedMeasurements, POVMs]
    np.testing.assert_allclose(sets[2].effects, trine, atol=1e-12)
    np.testing.assert_allclose(sets[3].effects, [[np.eye(2)]], atol=1e-12)
    assert measurement_sets("povm", (2, 3)) == [POVMs(2), POVMs(3)]
    assert measurement_sets("projective", (3, 2)) == [PVMs(3), AllProjective()]


@pytest.mark.parametrize(("given", "dimension"), [("xz", 3), (PVMs(3), 2), (AllProjective(), 4), (POVMs(2), 3)])
def test_sets_of_another_dimension_are_refused(given, dimension):
    with pytest.raises(MeasurementError, match=f"^measurements: expected measurements of dimension {dimension}, got"):
        measurement_set(given, dimension)


@pytest.mark.parametrize("num_parties", [1, 2, 3])
def test_array_of_all_lists(num_parties):
    vectors = AllProjective().draw(np.random.default_rng(0), 4 * num_parties).reshape(num_parties, 4, 3)
    parsed = measurement_sets(vectors, (2,) * num_parties)
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
        ["xz", "xyz"],
        [["XX"], ["Z"]],
        [["S"], ["Z"]],
        [[[np.eye(2) / 2, np.eye(2) / 3]], ["Z"]],
        [[[0.9, 0, 0]], ["Z"]],
        [[[1, 0]], [[0, 1]]],
        np.full((2, 2, 3), np.nan),
        np.zeros((3, 2, 3)),
        np.zeros((2, 0, 3)),
    ],
    ids=repr,
)
def test_measurements_that_are_none_are_refused(measurements):
    with pytest.raises(
        MeasurementError,
        match=r"^measurements: expected ('projective', 'povm', a plane such|one set for each of 2 par)",
    ):
        measurement_sets(measurements, (2,) * 2)


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
    with pytest.raises(MeasurementError, match=r"^plane: expected"):
        measurement_sets(plane, (2,) * 2)


def test_labels_may_come_in_an_array():
    first, second = measurement_sets(np.array([["X", "-Z"], ["Y", "X"]]), (2,) * 2)
    np.testing.assert_allclose(first.vectors, [[1, 0, 0], [0, 0, -1]], atol=1e-12)
    np.testing.assert_allclose(second.vectors, [[0, 1, 0], [1, 0, 0]], atol=1e-12)


def test_the_reason_is_kept_as_the_cause():
    with pytest.raises(MeasurementError) as caught:
        measurement_sets([["X"], ["XX"]], (2,) * 2)
    assert "settings[1][0]" in str(caught.value.__cause__)


def test_bloch_vectors_point_to_outcome_zero():
    first, second = bloch_vectors([["-X", (0, 0.6, 0.8)], ["H"]], 2)
    np.testing.assert_allclose(first, [[-1, 0, 0], [0, 0.6, 0.8]], atol=1e-12)
    np.testing.assert_allclose(second, [[np.sqrt(0.5), 0, np.sqrt(0.5)]], atol=1e-12)


# What a set knows about itself

PLANES = ["xy", "xz", "yz"]


@pytest.mark.parametrize("name", ["projective", *PLANES])
def test_names_lead_to_the_set_and_back(name):
    found = measurement_set(name)
    assert (found.name, found.dimension, found.size) == (name, 2, None)
    assert projective_set(name) == projective_set(found) == found
    assert measurement_set(found) is found
    assert str(found) == "all projective measurements" + ("" if name == "projective" else f" in the plane {name}")


def test_sets_without_a_name():
    assert PlanarProjective(TILTED).name == ListedProjective(TETRAHEDRON).name == ""
    assert ListedProjective(TETRAHEDRON).size == 4
    assert str(PlanarProjective(TILTED)) == (
        "all projective measurements in the plane of [0.6, 0.8, 0.0] and [0.0, 0.0, 1.0]"
    )


def test_one_plane_has_one_name_however_it_is_spanned():
    turned = PlanarProjective([[0.6, 0, 0.8], [-0.8, 0, 0.6]])
    assert turned.name == measurement_set("zx").name == "xz"
    assert projective_set(turned) == projective_set("zx") == measurement_set("xz") == measurement_set("zx") == turned
    np.testing.assert_array_equal(turned.coordinates, [1, 0, 1])
    np.testing.assert_array_equal(AllProjective().coordinates, [1, 1, 1])
    assert turned.axes == (0, 2)


@pytest.mark.parametrize("measurements", ["", "planar", None, 3, TILTED, PlanarProjective(TILTED), [["X"], ["Z"]]])
def test_proofs_know_coordinate_planes_only(measurements):
    with pytest.raises(MeasurementError, match="measurements: expected 'projective' or one of 'xy', 'xz', 'yz'"):
        projective_set(measurements)


def test_sets_contain_measurements_whatever_names_them():
    plane, listed = measurement_set("xz"), ListedProjective([[1, 0, 0], [0, 0.6, 0.8]])
    for spec, inside in (("X", True), ("-Z", True), ("Y", False), ([0.6, 0, 0.8], True), ([0.6, 0.8, 0], False)):
        assert plane.contains(spec) is inside
        assert AllProjective().contains(spec)
    for spec, inside in (("X", True), ("-X", True), ([0, -0.6, -0.8], True), ("Z", False)):
        assert listed.contains(spec) is inside
    # Effects that are projectors, also with an outcome that never comes.
    projectors = measurement([0.6, 0, 0.8]).effects
    for effects in (projectors, projectors[::-1], [*projectors, np.zeros((2, 2))]):
        assert plane.contains(effects)
        assert AllProjective().contains(effects)
        assert not listed.contains(effects)
    # A POVM and an observable of two qubits.
    for spec in ([np.eye(2) / 2, np.eye(2) / 2], "XX"):
        assert not AllProjective().contains(spec)
    # A measurement with a single outcome is projective, and has no direction.
    assert AllProjective().contains("I")
    assert not plane.contains("I")
    assert not listed.contains("I")


def test_sets_cover_their_parts_and_nothing_else():
    everything, xz, tilted = AllProjective(), measurement_set("xz"), PlanarProjective(TILTED)
    in_xz = ListedProjective([[1, 0, 0], [0, 0, -1]])
    sets = [
        everything,
        xz,
        PlanarProjective([[0.6, 0, 0.8], [-0.8, 0, 0.6]]),
        tilted,
        in_xz,
        ListedProjective([[-1, 0, 0]]),
    ]
    expected = [
        [1, 1, 1, 1, 1, 1],
        [0, 1, 1, 0, 1, 1],
        [0, 1, 1, 0, 1, 1],
        [0, 0, 0, 1, 0, 0],
        [0, 0, 0, 0, 1, 1],
        [0, 0, 0, 0, 0, 1],
    ]
    assert [[int(one.covers(other)) for other in sets] for one in sets] == expected


@pytest.mark.parametrize("plane", PLANES)
def test_measurements_in_the_plane_see_the_planar_tensor_and_nothing_across(plane):
    tensor = CorrelationTensor.from_state(random_density_matrix(8, seed=1))
    planar = planar_tensor(tensor, plane)
    vectors = measurement_set(plane).draw(np.random.default_rng(2), 6).reshape(3, 2, 3)
    settings = [list(party) for party in vectors]
    np.testing.assert_allclose(planar.behavior(settings).array, tensor.behavior(settings).array, atol=1e-14)
    across = ({*"xyz"} - {*plane}).pop()
    for index in itertools.product("ixyz", repeat=3):
        entry = tuple("ixyz".index(letter) for letter in index)
        assert planar.array[entry] == (0 if across in index else tensor.array[entry])


def test_all_projective_measurements_see_all():
    tensor = CorrelationTensor.from_state(random_density_matrix(4, seed=1))
    assert planar_tensor(tensor, "projective") is tensor
    with pytest.raises(MeasurementError, match="state: expected qubits"):
        planar_tensor(CorrelationTensor.white_noise((2, 3)), "xy")


# Saved files


@pytest.mark.parametrize(
    ("fields", "name", "expected"),
    [
        ({}, "Sphere", AllProjective()),
        ({"vectors": TILTED}, "Plane", PlanarProjective(TILTED)),
        ({"vectors": TETRAHEDRON.tolist()}, "DirectionList", ListedProjective(TETRAHEDRON)),
    ],
)
def test_sets_saved_by_the_version_before_load(fields, name, expected, tmp_path):
    arrays = {
        field: {"dtype": "float64", "shape": [len(rows), 3], "data": np.ravel(rows).tolist()}
        for field, rows in fields.items()
    }
    path = tmp_path / "set.json"
    path.write_text(json.dumps({"class": name, "schema_version": 1, "fields": arrays}))
    assert MeasurementSet.load(path) == expected
    expected.save(path)
    assert MeasurementSet.load(path) == expected


@pytest.mark.parametrize(("plane", "name"), [("", "projective"), ("xz", "xz")])
def test_certificates_saved_by_the_version_before_load(plane, name, tmp_path):
    product = planar_tensor(CorrelationTensor.from_state(Statevector.from_label("+0")), name)
    made = product_certificate(product, name)
    path = tmp_path / "certificate.json"
    made.save(path)
    data = json.loads(path.read_text())

    def of_version_1(value):
        if isinstance(value, list):
            return [of_version_1(item) for item in value]
        if not isinstance(value, dict):
            return value
        value = {key: of_version_1(item) for key, item in value.items()}
        if "class" in value:
            value |= {"class": value["class"].rpartition(".")[2], "schema_version": 1}
        return value

    data["fields"].pop("measurements")
    data["fields"]["plane"] = plane
    path.write_text(json.dumps(of_version_1(data)))
    loaded = AllProjectiveCertificate.load(path)
    assert loaded == made
    assert loaded.measurements.name == name
    assert loaded.verify()


def test_questions_saved_with_a_name_hold_its_set(tmp_path):
    question = StateQuestion(CorrelationTensor.from_state(Statevector.from_label("+0")), measurement_set("xz"))
    path = tmp_path / "question.json"
    question.save(path)
    data = json.loads(path.read_text())
    data["fields"]["measurements"] = "xz"
    path.write_text(json.dumps(data))
    assert StateQuestion.load(path) == question
