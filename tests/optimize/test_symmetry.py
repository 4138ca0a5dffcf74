import numpy as np
import pytest
from qiskit.quantum_info import DensityMatrix, Operator, Statevector, random_density_matrix, random_unitary
from qiskit_lhv import CorrelationTensor, find_local_model, ghz_state, werner_state
from qiskit_lhv.exceptions import LHVError, ScenarioError
from qiskit_lhv.measurements import AllProjective, measurement_set, measurement_sets
from qiskit_lhv.models import DirectionResponse, PlanarHarmonics, ResponseModel, SphericalHarmonics
from qiskit_lhv.optimize import (
    GradientDescent,
    SettingsGrid,
    evaluate_model,
    find_local_models,
    sweep_visibility,
)
from qiskit_lhv.optimize.direction_problem import DirectionProblem, continuous_loss
from qiskit_lhv.optimize.orbits import Orbits
from qiskit_lhv.optimize.state_problem import spread_over_runs
from qiskit_lhv.optimize.symmetry import find_local_symmetry
from qiskit_lhv.quantum import w_state

BRIEF = {"grid": SettingsGrid(num_settings=64, num_evaluated=200), "seed": 1, "progress": False}


def bell_diagonal(*correlations):
    array = np.diag([1.0, *correlations])
    return CorrelationTensor(array)


def white(num_parties):
    array = np.zeros((4,) * num_parties)
    array[(0,) * num_parties] = 1
    return CorrelationTensor(array)


def symmetry_of(*states, measurements="projective", even=False, largest=48):
    tensors = [
        state if isinstance(state, CorrelationTensor) else CorrelationTensor.from_state(state) for state in states
    ]
    sets = measurement_sets(measurements, (2,) * tensors[0].num_parties)
    return find_local_symmetry(tensors, sets, allowed=lambda order: order <= largest, even=even)


def correlator(tensor, vectors):
    """All parties' correlators, marginals included: the tensor on vectors (1, n)."""
    result = tensor.array
    for vector in vectors:
        result = np.tensordot(np.append(1.0, vector), result, axes=1)
    return float(result)


def assert_invariant(group, tensor, domain=None):
    """Random directions and their images have the same correlators, and the images of two elements are one's."""
    rng = np.random.default_rng(0)
    vectors = (AllProjective() if domain is None else domain).draw(rng, group.parties.shape[1])
    maps = []
    for parties, rotations in zip(group.parties, group.rotations, strict=True):
        images = np.einsum("kij,kj->ki", rotations, vectors[parties])
        assert correlator(tensor, images) == pytest.approx(correlator(tensor, vectors), abs=1e-9)
        np.testing.assert_allclose(
            rotations @ np.swapaxes(rotations, 1, 2), np.broadcast_to(np.eye(3), rotations.shape), atol=1e-12
        )
        whole = np.zeros((3 * len(parties), 3 * len(parties)))
        for k, (party, rotation) in enumerate(zip(parties, rotations, strict=True)):
            whole[3 * k : 3 * k + 3, 3 * party : 3 * party + 3] = rotation
        maps.append(whole)
    maps = np.array(maps)
    np.testing.assert_allclose(maps[0], np.eye(maps.shape[1]), atol=1e-12)

    def distances(one):
        return np.abs(maps - one).max(axis=(1, 2))

    for first in maps:
        assert np.sum(distances(first) < 1e-6) == 1
        for second in maps:
            assert distances(first @ second).min() < 1e-9


@pytest.mark.parametrize(
    ("state", "even", "order"),
    [
        # The 24 rotations of the octahedron and the swap of parties.
        (werner_state(0.7), True, 48),
        # Rotations by half turns, and the swap.
        (bell_diagonal(0.5, 0.3, -0.2), True, 8),
        (bell_diagonal(0.5, -0.5, -0.2), True, 16),
        # The conjugation, the swap, and turns by opposite angles about the z axis.
        (Statevector([0.8, 0, 0, 0.6]), False, 16),
        (random_density_matrix((2, 2), seed=1), False, None),
        (random_density_matrix((2, 2, 2), seed=1), False, None),
        (random_density_matrix((2,) * 4, seed=1), False, None),
        # A state of real numbers has the conjugation.
        (DensityMatrix(random_density_matrix((2, 2), seed=1).data.real), False, 2),
        (Statevector([1, 0]), False, 8),
    ],
)
def test_groups_of_known_order(state, even, order):
    group = symmetry_of(state, even=even)
    if order is None:
        assert group is None
        return
    assert group.order == order
    assert_invariant(group, state if isinstance(state, CorrelationTensor) else CorrelationTensor.from_state(state))


@pytest.mark.parametrize("num_qubits", [3, 4, 5, 6])
@pytest.mark.parametrize("make", [ghz_state, w_state])
def test_states_of_many_parties(make, num_qubits):
    tensor = CorrelationTensor.from_state(make(num_qubits))
    group = symmetry_of(tensor, even=make is ghz_state and num_qubits % 2 == 0)
    assert 8 <= group.order <= 48
    assert_invariant(group, tensor)


def test_exchanges_of_parties_in_a_ring():
    # A ring with other correlations of every second pair of neighbors: turned by two places, or over, it is the same.
    array = white(4).array.copy()
    for i, strength in enumerate([0.2, 0.1, 0.2, 0.1]):
        for axis, factor in ((1, 1.0), (2, 0.7), (3, 0.5)):
            place = [0] * 4
            place[i] = place[(i + 1) % 4] = axis
            array[tuple(place)] = strength * factor
    tensor = CorrelationTensor(array)
    group = symmetry_of(tensor, even=True)
    assert_invariant(group, tensor)
    # Half turns of all parties about three axes, and four exchanges.
    assert group.order == 16
    assert len({tuple(parties) for parties in group.parties}) == 4


def test_axes_of_two_parties_are_found():
    turned = Operator(random_unitary(2, seed=1)).tensor(random_unitary(2, seed=2))
    state = DensityMatrix(werner_state(0.7)).evolve(turned)
    group = symmetry_of(state, even=True)
    # The group of the state before, but for axes that were exchanged.
    assert group.order == 48
    assert_invariant(group, CorrelationTensor.from_state(state))


def test_several_states_share_their_group():
    first, second = bell_diagonal(0.5, 0.5, -0.2), bell_diagonal(0.3, -0.4, 0.4)
    assert symmetry_of(first, second, even=True).order == 8
    assert symmetry_of(first, even=True).order == 16


def test_what_a_plane_shows_is_all_that_counts():
    state = bell_diagonal(0.5, 0.1, -0.5)
    assert symmetry_of(state, measurements="xz").order == 16
    # Half turns in the plane are inversions there, and no group of pairs.
    group = symmetry_of(state, measurements="xz", even=True)
    assert group.order == 4
    assert_invariant(group, state, measurement_set("xz"))
    np.testing.assert_allclose(group.rotations[..., 1, 1], 1)
    slanted = [[0.6, 0.8, 0], [0, 0, 1]]
    werner = CorrelationTensor.from_state(werner_state(0.5))
    assert_invariant(symmetry_of(werner, measurements=slanted, even=True), werner, measurement_set(slanted))


def test_chosen_measurements_have_no_symmetry():
    assert symmetry_of(werner_state(0.5), measurements=[["X", "Z"], ["X", "Y"]]) is None


def test_every_state_without_correlations_is_done_quickly():
    for num_parties in (2, 3, 5):
        group = symmetry_of(white(num_parties), even=True, largest=16)
        assert group.order == 16
        assert_invariant(group, white(num_parties))


# Orbits


@pytest.mark.slow
@pytest.mark.parametrize(
    ("state", "features", "measurements"),
    [
        (werner_state(0.6), SphericalHarmonics(5), "projective"),
        (werner_state(0.6), PlanarHarmonics(3), "xz"),
        (w_state(3), SphericalHarmonics(3), "projective"),
        (ghz_state(4), SphericalHarmonics(1), "projective"),
    ],
)
def test_orbits_are_an_ordinary_ensemble_with_the_symmetry(state, features, measurements):
    tensor = CorrelationTensor.from_state(state)
    sets = tuple(measurement_sets(measurements, (2,) * tensor.num_parties))
    response = DirectionResponse(features, tensor.num_parties)
    problem = DirectionProblem((tensor,), sets, response, 64, "lattice")
    even = problem.even
    group = symmetry_of(tensor, even=even, measurements=measurements)
    orbits = Orbits.of(group, features)
    rng = np.random.default_rng(2)
    hidden = [rng.normal(size=(5, features.size)) for _ in range(tensor.num_parties)]
    expanded = orbits.expanded(hidden)
    assert expanded[0].shape == (5 * orbits.order, features.size)
    assert orbits.contains(expanded)
    assert not orbits.contains([own + 1e-6 * rng.normal(size=own.shape) for own in expanded])
    np.testing.assert_array_equal(expanded[0][:5], hidden[0])
    # The loss of the orbits is that of the ensemble that they are.
    batch = problem.batches(0)(0, 1)
    data = {"target": batch["target"][0], "directions": [party[0] for party in batch["directions"]]}
    free = continuous_loss(response, "kl", even, orbits)([spread_over_runs(own, (1, 1)) for own in hidden], data)
    plain = continuous_loss(response, "kl", even)([spread_over_runs(own, (1, 1)) for own in expanded], data)
    np.testing.assert_allclose(free, plain, rtol=1e-4)
    # Turned directions have the same correlators.
    if even:
        expanded = [np.concatenate([own, -own]) for own in expanded]
    model, vectors = (
        ResponseModel(tuple(expanded), response),
        [one.draw(np.random.default_rng(k), 1) for k, one in enumerate(sets)],
    )
    table = model.behavior([list(own) for own in vectors]).array.ravel()
    for parties, rotations in zip(group.parties[1::5], group.rotations[1::5], strict=True):
        images = [rotations[k] @ vectors[parties[k]][0] for k in range(len(vectors))]
        turned = model.behavior([[image] for image in images]).array.squeeze(tuple(range(len(vectors))))
        # Outcome k of the image is that of party parties[k].
        back = np.transpose(turned, np.argsort(parties)).ravel()
        np.testing.assert_allclose(back, table, atol=1e-12)


def test_features_that_are_not_closed_have_no_orbits():
    group = symmetry_of(werner_state(0.6), even=True)
    assert Orbits.of(group, PlanarHarmonics(3)) is None


# Searches


def free_orders(monkeypatch):
    """The orders of the groups of all searches, as they come."""
    found, kept = [], DirectionProblem._orbits

    def watched(*arguments):
        orbits = kept(*arguments)
        found.append(None if orbits is None else orbits.order)
        return orbits

    monkeypatch.setattr(DirectionProblem, "_orbits", watched)
    return found


@pytest.mark.slow
def test_search_with_symmetry_gives_an_ordinary_model_that_is_better():
    state, options = werner_state(0.69), {**BRIEF, "num_hidden": 4096, "grid": SettingsGrid(num_evaluated=2000)}
    with_it, without = (
        find_local_model(state, optimizer=GradientDescent(num_steps=300, symmetry=one), **options)
        for one in ("auto", None)
    )
    assert with_it.loss < without.loss / 2
    assert with_it.model.num_hidden == 4096
    again = evaluate_model(with_it.model, state, num_settings=2000, seed=77)
    assert again.kl_divergence == pytest.approx(with_it.history[-10:].mean(), rel=0.3)
    assert with_it.model.verify(CorrelationTensor.from_state(state), atol=0.01)


def test_default_size_is_rounded_up_to_whole_orbits(monkeypatch):
    monkeypatch.setattr(DirectionProblem, "default_hidden", 2000)
    monkeypatch.setattr(DirectionProblem, "default_steps", 20)
    orders = free_orders(monkeypatch)
    result = find_local_model(werner_state(0.5), response=1, **BRIEF)
    assert orders == [48]
    assert result.model.num_hidden == 2016
    # A size of the caller's is kept, and a group taken that divides it.
    given = find_local_model(werner_state(0.5), response=1, num_hidden=2000, **BRIEF)
    assert given.model.num_hidden == 2000
    assert 1000 % orders[-1] == 0
    assert orders[-1] > 1


@pytest.mark.slow
def test_small_ensembles_stay_free(monkeypatch):
    orders = free_orders(monkeypatch)
    quick = GradientDescent(num_steps=3)
    for num_hidden in (1, 2, 30, 61):
        find_local_model(werner_state(0.5), response=1, num_hidden=num_hidden, optimizer=quick, **BRIEF)
    assert set(orders) <= {None}


def test_start_from_a_model_keeps_its_orbits(monkeypatch):
    orders = free_orders(monkeypatch)
    options = {**BRIEF, "response": 3}
    first = find_local_model(werner_state(0.5), optimizer=GradientDescent(num_steps=60), num_hidden=1536, **options)
    second = find_local_model(werner_state(0.55), optimizer=GradientDescent(num_steps=60, start=first.model), **options)
    assert orders == [48, 48]
    assert second.history[0] < 0.1 * first.history[0]
    free = find_local_model(
        werner_state(0.55), optimizer=GradientDescent(num_steps=1, start=second.model, symmetry=None), **options
    )
    held = find_local_model(werner_state(0.55), optimizer=GradientDescent(num_steps=1, start=second.model), **options)
    assert held.history[0] == pytest.approx(free.history[0], rel=1e-3)
    # A model of free hidden variables goes on with free ones.
    kept = find_local_model(
        werner_state(0.5), optimizer=GradientDescent(num_steps=5, symmetry=None), num_hidden=1536, **options
    )
    after = find_local_model(werner_state(0.55), optimizer=GradientDescent(num_steps=2, start=kept.model), **options)
    assert np.abs(after.model.hidden_variables[0] - kept.model.hidden_variables[0]).max() < 1


def test_states_together_share_their_symmetry(monkeypatch):
    orders = free_orders(monkeypatch)
    find_local_models(
        [bell_diagonal(0.3, 0.3, -0.2), bell_diagonal(0.3, -0.2, 0.2)],
        response=1,
        num_hidden=512,
        optimizer=GradientDescent(num_steps=3),
        **BRIEF,
    )
    assert orders == [8]


def test_sweep_keeps_the_symmetry_of_its_line(monkeypatch, tmp_path):
    orders = free_orders(monkeypatch)
    options = {"response": 1, "num_hidden": 768, "optimizer": GradientDescent(num_steps=20), **BRIEF}
    # Without the state, at v = 0, everything is a symmetry.
    whole = sweep_visibility(bell_diagonal(0.8, 0.5, -0.5), [0.0, 0.3, 0.5], **options)
    assert orders == [16] * 3
    first = sweep_visibility(bell_diagonal(0.8, 0.5, -0.5), [0.0, 0.3, 0.5], folder=tmp_path, **options)
    assert first == whole
    assert sweep_visibility(bell_diagonal(0.8, 0.5, -0.5), [0.0, 0.3, 0.5], folder=tmp_path, **options) == whole


def test_bad_symmetries():
    for wrong in ("all", 3):
        with pytest.raises(LHVError, match=r"^symmetry: expected 'auto', None"):
            GradientDescent(symmetry=wrong)
    with pytest.raises(ScenarioError, match=r"^symmetry: expected states with as many qubits"):
        find_local_model(werner_state(0.5), optimizer=GradientDescent(num_steps=1, symmetry=(ghz_state(3),)), **BRIEF)
