import itertools

import numpy as np
import pytest
from qiskit.quantum_info import DensityMatrix
from qiskit_lhv.measurements.axes import (
    icosahedral_directions,
    planar_directions,
    platonic_directions,
    random_directions,
)
from qiskit_lhv.polytope.symmetry.relabelings import Symmetry
from qiskit_lhv.projective.certificates.state_symmetry import axis_symmetries, state_symmetry
from qiskit_lhv.quantum.states import bell_diagonal_state, ghz_state, random_state, w_state, werner_state
from qiskit_lhv.targets import coordinates
from qiskit_lhv.targets.correlations import CorrelationTensor

# States


def assert_leaves_invariant(group, tensor, directions):
    """Each element leaves the correlators of the state on the directions as they are."""
    maps = [np.block([[np.ones((1, 1)), np.zeros((1, 3))], [np.zeros((len(d), 1)), d]]) for d in directions]
    flat = coordinates.apply_per_party(tensor, maps).ravel()
    for i in range(len(group)):
        old, sign = group[i].cells(correlators=True)
        assert np.allclose(sign * flat[old], flat, atol=1e-7)


def tensor_of_state(state):
    return CorrelationTensor.from_state(state).array


# A singlet: rotations (or rotations with an inversion) of both parties alike, the swap, and a common inversion;
# an inversion of both parties turns no correlator.
@pytest.mark.parametrize(
    ("state", "name", "size"),
    [
        # Full correlators only: (R, R) for 60 rotations, both inverted too, and the exchange of parties.
        (werner_state(0.7), "icosahedron", 240),
        (werner_state(0.7), "dodecahedron", 240),
        # 24 rotations instead.
        (werner_state(0.7), "octahedron", 96),
        (werner_state(0.7), "cube", 96),
        # Sign changes of coordinates, equal for both parties up to an overall inversion of both: 8 * 2 * 2 / 2.
        (bell_diagonal_state([0.7, -0.4, 0.2]), "icosahedron", 16),
        (random_state(2, seed=3), "icosahedron", 1),
        (random_state(3, seed=4), "cube", 1),
        (random_state(2, rank=1, seed=5), "octahedron", 1),
    ],
)
def test_symmetries_of_states(state, name, size):
    tensor = tensor_of_state(state)
    directions = [platonic_directions(name)] * tensor.ndim
    group = state_symmetry([tensor], directions)
    assert len(group) == size
    assert_leaves_invariant(group, tensor, directions)


@pytest.mark.parametrize("state", [ghz_state(3), w_state(3), ghz_state(3, 0.4)])
def test_symmetries_of_three_qubits(state):
    tensor = tensor_of_state(state)
    directions = [platonic_directions("cube")] * 3
    group = state_symmetry([tensor], directions)
    assert_leaves_invariant(group, tensor, directions)
    # At least all orders of the parties.
    orders = {tuple(group[i].parties()) for i in range(len(group))}
    assert orders == set(itertools.permutations(range(3)))
    # And more: turns around z.
    assert len(group) > 6
    assert len(group) % 6 == 0


def brute_force_symmetry(tensor, directions, order):
    """Number of distinct relabelings from orthogonal maps of the axes, by trying all of them."""
    maps = [axis_symmetries(d) for d in directions]
    found = set()
    for choice in itertools.product(*[range(len(m)) for m in maps]):
        image = tensor.transpose(order)
        for k, g in enumerate(choice):
            extended = np.eye(4)
            extended[1:, 1:] = maps[k][g]
            image = np.moveaxis(np.tensordot(image, extended, axes=(k, 0)), -1, k)
        if np.abs(image - tensor).max() < 1e-9:
            found.add(choice)
    return len(found)


def test_symmetries_of_a_product_with_a_mixed_qubit_by_brute_force():
    """Qubit 1 is maximally mixed: any of its 48 maps will do; qubit 0 points along z."""
    state = DensityMatrix(np.kron(np.eye(2) / 2, np.diag([0.9, 0.1])))
    tensor = tensor_of_state(state)
    directions = [platonic_directions("octahedron"), platonic_directions("cube")]
    group = state_symmetry([tensor], directions)
    assert len(group) == brute_force_symmetry(tensor, directions, (0, 1)) == 8 * 48
    assert_leaves_invariant(Symmetry.generated_by(group.generators, group.scenario), tensor, directions)


def test_symmetries_of_two_states():
    """Only what leaves both unchanged: a singlet in noise whose first qubit points along z."""
    noise = DensityMatrix(np.kron(np.eye(2) / 2, np.diag([0.8, 0.2])))
    tensors = [tensor_of_state(werner_state(0.5)), tensor_of_state(noise)]
    directions = [platonic_directions("octahedron")] * 2
    group = state_symmetry(tensors, directions)
    # The 8 maps of the octahedron that leave z as it is, the same for both (an inversion of both turns z); no exchange.
    assert len(group) == 8
    for tensor in tensors:
        assert_leaves_invariant(group, tensor, directions)
    assert {tuple(group[i].parties()) for i in range(8)} == {(0, 1)}


def test_parties_with_other_directions_do_not_change_places():
    tensor = tensor_of_state(werner_state(0.5))
    directions = [platonic_directions("cube"), platonic_directions("icosahedron")]
    group = state_symmetry([tensor], directions)
    assert {tuple(group[i].parties()) for i in range(len(group))} == {(0, 1)}
    # The 12 rotations of the tetrahedron are shared by both; with the inversion of both, 24.
    assert len(group) == 24
    assert_leaves_invariant(group, tensor, directions)


def test_random_directions_of_one_party_leave_only_the_inversion():
    directions = [random_directions(5, seed=1)] * 2
    tensor = tensor_of_state(werner_state(0.5))
    group = state_symmetry([tensor], directions)
    # The exchange of the parties and the inversion of both.
    assert len(group) == 4
    assert_leaves_invariant(group, tensor, directions)


def test_orbits_of_werner_states():
    """The figure of the design: 16 axes have few live orbits."""
    directions = icosahedral_directions(46, optimized=False)
    tensor = tensor_of_state(werner_state(1))
    group = state_symmetry([tensor], [directions] * 2)
    assert len(group) == 240
    cells, _, starts = group.orbits(correlators=True)
    overlaps = np.unique(np.round(np.abs(directions @ directions.T), 6))
    assert len(starts) - 1 >= len(overlaps[overlaps > 0])
    flat = np.zeros((47, 47))
    flat[1:, 1:] = np.abs(directions @ directions.T)
    orbit_values = flat.ravel()[cells]
    assert np.all(np.maximum.reduceat(orbit_values, starts) - np.minimum.reduceat(orbit_values, starts) < 1e-7)


# Axes


@pytest.mark.parametrize(
    ("directions", "size"),
    [
        (platonic_directions("octahedron"), 48),
        (platonic_directions("cube"), 48),
        (platonic_directions("icosahedron"), 120),
        (icosahedral_directions(16, optimized=False), 120),
        (random_directions(7, seed=2), 2),
        # Turns by multiples of pi / 5 and half turns over, each with its negative.
        (planar_directions(5), 40),
        (np.array([[0.0, 0, 1]]), 2),
    ],
    ids=["octahedron", "cube", "icosahedron", "16", "random", "planar", "one"],
)
def test_axis_symmetries(directions, size):
    maps = axis_symmetries(directions)
    assert np.allclose(maps[0], np.eye(3), atol=1e-12)
    assert np.allclose(maps @ maps.transpose(0, 2, 1), np.eye(3), atol=1e-9)
    distinct = np.unique(np.round(maps, 6) + 0.0, axis=0)
    assert len(distinct) == len(maps) == size
    for one in maps:
        overlaps = np.abs(directions @ one.T @ directions.T)
        assert np.allclose(overlaps.max(axis=1), 1)
