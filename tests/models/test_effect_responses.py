import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from qiskit.quantum_info import random_density_matrix
from qiskit_lhv import CorrelationTensor
from qiskit_lhv.exceptions import CertificateError, MeasurementError, ScenarioError
from qiskit_lhv.measurements import AllProjective, ListedMeasurements, PlanarProjective, POVMs, PVMs, measurement
from qiskit_lhv.models import EffectFeatures, EffectFunctionResponse, EffectResponse, ResponseModel
from qiskit_lhv.models.effect_features import effects_of_members, num_polynomials, weights_and_bloch_vectors
from qiskit_lhv.models.effect_responses import fine_grained
from qiskit_lhv.targets.operator_basis import coordinates_of_effects

BRIEF = settings(max_examples=15, deadline=None)


def haar_povms(dimension, num_outcomes, count=3, seed=0):
    return POVMs(dimension, num_outcomes).draw(np.random.default_rng(seed), count)


# Features


@pytest.mark.parametrize(
    ("measurements", "degree", "context", "ranks"),
    [
        (PVMs(2), 5, False, (3, 0, 7, 0, 11)),
        (PVMs(2), 5, True, (3, 0, 7, 0, 11)),
        (AllProjective(), 3, False, (3, 0, 7)),
        (PlanarProjective(np.eye(3)[[0, 2]]), 3, False, (2, 0, 2)),
        (PVMs(3), 3, False, (8, 27, 64)),
        (PVMs(3), 1, True, (8,)),
        (PVMs(3), 2, True, (8, 27)),
        (PVMs(3), 3, True, (8, 27, 134)),
        (PVMs(4), 2, False, (15, 84)),
        (POVMs(2), 3, False, (3, 5, 7)),
        (POVMs(3), 2, False, (8, 27)),
    ],
    ids=str,
)
def test_ranks_of_the_polynomials(measurements, degree, context, ranks):
    assert EffectFeatures(measurements, degree, context).ranks == ranks


@pytest.mark.parametrize("measurements", [PVMs(3), POVMs(2, 5), POVMs(3, distribution="rank-deficient")], ids=str)
@pytest.mark.parametrize("context", [False, True])
def test_features_are_orthonormal_over_the_set(measurements, context):
    features = EffectFeatures(measurements, 2, context)
    effects = measurements.draw(np.random.default_rng(5), 6000)
    values = features.evaluate(effects)
    shares = np.einsum("maii->ma", effects).real / features.dimension
    np.testing.assert_allclose(np.einsum("ma,maf->mf", shares, values), 0, atol=1e-9)
    gram = np.einsum("ma,maf,mag->fg", shares / len(effects), values, values)
    np.testing.assert_allclose(gram, np.eye(features.size), atol=0.25)


def test_features_of_other_degrees_are_polynomials_that_span_the_lower_ones_first():
    low, high = EffectFeatures(PVMs(3), 1), EffectFeatures(PVMs(3), 3)
    effects = PVMs(3).draw(np.random.default_rng(1), 50)
    first = high.evaluate(effects)[..., high.degrees == 1]
    np.testing.assert_allclose(np.abs(first), np.abs(low.evaluate(effects)), atol=1e-9)
    assert list(high.degrees) == [1] * 8 + [2] * 27 + [3] * 64
    assert num_polynomials(3, 3) == high.size


def test_power_sums_see_the_other_outcomes():
    alone, together = (EffectFeatures(POVMs(2), 3, context) for context in (False, True))
    turn = np.array([[np.cos(0.5), -np.sin(0.5)], [np.sin(0.5), np.cos(0.5)]])
    # Outcome 0 is the same, the others are turned about its axis; so is the mean over all of them.
    z, x = np.diag([1.0, -1.0]), np.array([[0.0, 1.0], [1.0, 0.0]])
    effects = np.array([np.eye(2) + z, np.eye(2) - z, np.eye(2) + x, np.eye(2) - x], dtype=complex) / 4
    turned = effects.copy()
    turned[2:] = turn @ effects[2:] @ turn.T
    for features, depends in ((alone, False), (together, True)):
        # Logits of outcomes 0 and 1 relative to each other do not depend on the others without power sums.
        both = [features.evaluate(own)[0] - features.evaluate(own)[1] for own in (effects, turned)]
        assert (np.abs(both[0] - both[1]).max() > 1e-3) == depends


def test_a_measurement_that_says_nothing_has_no_features():
    trivial = ListedMeasurements(np.stack([np.eye(2) / 2, np.eye(2) / 2])[None])
    with pytest.raises(MeasurementError, match=r"^measurements: expected measurements with outcomes that depend on"):
        EffectFeatures(trivial, 2)


def test_weights_and_bloch_vectors():
    effects = haar_povms(3, 5)
    weights, vectors = weights_and_bloch_vectors(coordinates_of_effects(effects))
    np.testing.assert_allclose(weights, np.einsum("maii->ma", effects).real)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=-1), 1)
    spin = effects_of_members(AllProjective(), np.array([[0.6, 0, 0.8]]))
    np.testing.assert_allclose(weights_and_bloch_vectors(coordinates_of_effects(spin))[1][0, 0], [0.6, 0, 0.8])


@pytest.mark.parametrize(
    ("arguments", "error", "name"),
    [
        (("projective", 2), ScenarioError, "measurements"),
        ((PVMs(3), 0), ScenarioError, "degree"),
        ((PVMs(3), 2.5), ScenarioError, "degree"),
        ((PVMs(3), 30), MeasurementError, "degree: expected polynomials that fit into the .* GiB"),
        ((PVMs(3), 1, False, (np.eye(3), np.eye(2))), ScenarioError, "coefficients"),
    ],
)
def test_bad_features(arguments, error, name):
    with pytest.raises(error, match=f"^{name}"):
        EffectFeatures(*arguments)


# Responses


@BRIEF
@given(st.integers(2, 4), st.integers(0, 3), st.booleans(), st.integers(0, 99))
def test_probabilities_of_any_number_of_outcomes(dimension, more, context, seed):
    rng = np.random.default_rng(seed)
    response = EffectResponse((EffectFeatures(POVMs(dimension, dimension + 1), 1 + (dimension < 4), context),))
    hidden = 3 * rng.normal(size=(5, response.hidden_shapes[0][0]))
    effects = haar_povms(dimension, dimension + more, seed=seed)
    found = response.probabilities(0, hidden, effects)
    assert found.shape == (5, 3, dimension + more)
    assert found.min() >= 0
    np.testing.assert_allclose(found.sum(axis=2), 1)
    # Relabeling outcomes relabels probabilities.
    order = rng.permutation(dimension + more)
    np.testing.assert_allclose(response.probabilities(0, hidden, effects[:, order]), found[:, :, order], atol=1e-9)
    # Parts of an effect have their parts of its probability.
    share = rng.uniform(0.1, 0.9)
    split = np.concatenate([effects[:, :1] * share, effects[:, :1] * (1 - share), effects[:, 1:]], axis=1)
    parts = response.probabilities(0, hidden, split)
    np.testing.assert_allclose(parts[:, :, 0], share * found[:, :, 0], atol=1e-9)
    np.testing.assert_allclose(parts[:, :, :2].sum(axis=2), found[:, :, 0], atol=1e-9)
    # An outcome that a measurement lacks is never seen, and changes nothing.
    lacking = np.concatenate([effects, np.zeros_like(effects[:, :1])], axis=1)
    np.testing.assert_allclose(response.probabilities(0, hidden, lacking)[:, :, :-1], found, atol=1e-9)
    # The second path.
    again = response.outcome_probability(0, hidden, effects)
    np.testing.assert_allclose(
        np.stack([[again(x, a) for a in range(effects.shape[1])] for x in range(3)], axis=0),
        np.moveaxis(found, 0, 2),
        atol=1e-12,
    )


def test_effects_of_higher_rank_have_the_sum_of_their_eigenvectors_probabilities():
    response = EffectResponse((EffectFeatures(PVMs(3), 2),))
    hidden = np.random.default_rng(0).normal(size=(4, 35))
    fine = measurement(np.diag([3.0, 2.0, 1.0]))
    coarse = measurement(np.diag([1.0, 0.0, 0.0]))
    whole, merged = response.probabilities(0, hidden, [fine]), response.probabilities(0, hidden, [coarse])
    np.testing.assert_allclose(merged[:, 0, 0], whole[:, 0, 0])
    np.testing.assert_allclose(merged[:, 0, 1], whole[:, 0, 1:].sum(axis=1))
    effects, parts = fine_grained(PVMs(3).draw(np.random.default_rng(0), 4))
    assert parts == 1
    np.testing.assert_allclose(effects.sum(axis=1), np.broadcast_to(np.eye(3), (4, 3, 3)), atol=1e-12)


def test_behaviors_of_parties_of_unequal_dimensions():
    response = EffectResponse((EffectFeatures(POVMs(2), 2), EffectFeatures(PVMs(3), 1)))
    rng = np.random.default_rng(1)
    model = ResponseModel(tuple(rng.normal(size=(6, size)) for (size,) in response.hidden_shapes), response)
    angles = 2 * np.pi * np.arange(3) / 3
    trine = [(np.eye(2) + np.array([[np.cos(t), np.sin(t)], [np.sin(t), -np.cos(t)]])) / 3 for t in angles]
    behavior = model.behavior([["X", trine], [np.diag([1, 0, -1]), np.diag([1, 1, 0])]])
    assert behavior.scenario.num_outcomes == ((2, 3), (3, 2))
    assert model.verify()
    state = random_density_matrix((2, 3), seed=3)
    checked = model.verify(state)
    assert not checked
    assert "hidden variables" in str(checked)
    assert model.verify(CorrelationTensor.white_noise((2, 3)), atol=1)
    assert not model.verify(random_density_matrix((2, 2), seed=3))
    with pytest.raises(MeasurementError, match="dimension 3"):
        model.behavior([["X"], ["X"]])


@pytest.mark.parametrize("suffix", ["json", "npz"])
def test_saved_models_are_equal(tmp_path, suffix):
    response = EffectResponse((EffectFeatures(PVMs(3), 2), EffectFeatures(POVMs(2), 1, context=True)))
    rng = np.random.default_rng(1)
    model = ResponseModel(tuple(rng.normal(size=(6, size)) for (size,) in response.hidden_shapes), response)
    model.save(tmp_path / f"model.{suffix}")
    again = ResponseModel.load(tmp_path / f"model.{suffix}")
    assert again == model
    settings_of_both = [[np.diag([1, 0, -1])], ["Z"]]
    assert again.behavior(settings_of_both) == model.behavior(settings_of_both)


def test_bad_responses():
    with pytest.raises(ScenarioError, match=r"^features"):
        EffectResponse(())
    with pytest.raises(ScenarioError, match=r"^features"):
        EffectResponse((3,))


# Functions of a user's own


def by_diagonal(effects, hidden_variables):
    weights = jnp.trace(effects, axis1=2, axis2=3).real
    present = weights > 0
    first = effects[..., 0, 0].real / jnp.where(present, weights, 1)
    logits = hidden_variables[:, 0, None, None] * first[None]
    shifted = jnp.where(present, weights, 0)[None] * jnp.exp(logits - logits.max(axis=2, keepdims=True))
    return shifted / shifted.sum(axis=2, keepdims=True)


def test_function_of_effects():
    response = EffectFunctionResponse(by_diagonal, num_variables=1, dimensions=(2, 3))
    assert response.hidden_shapes == [(1,), (1,)]
    effects, hidden = haar_povms(3, 4), np.array([[0.3], [-2.0]])
    found = response.probabilities(1, hidden, effects)
    np.testing.assert_allclose(found.sum(axis=2), 1)
    again = response.outcome_probability(1, hidden, effects)
    np.testing.assert_allclose(again(2, 3), found[:, 2, 3])
    assert "by_diagonal" in response.identity()
    with pytest.raises(CertificateError, match="function"):
        ResponseModel((np.ones((1, 1)), np.ones((1, 1))), response).save("model.json")


@pytest.mark.parametrize(
    ("function", "problem"),
    [
        (3, "a function"),
        (lambda effects, hidden: by_diagonal(effects, hidden)[0], "shape"),
        (lambda effects, hidden: by_diagonal(effects, hidden) * jnp.nan, "NaN or infinity in the probabilities"),
        (lambda effects, hidden: by_diagonal(effects, hidden) / 2, "sum to 1"),
        (lambda effects, hidden: 2 * by_diagonal(effects, hidden) - 1 / 5, "probabilities"),
        (lambda effects, hidden: by_diagonal(effects, hidden) * 0 + 1 / effects.shape[1], "effect that is zero"),
        (lambda effects, hidden: by_diagonal(effects, jnp.sqrt(hidden * 0)), "gradient"),
        (lambda effects, hidden: np.asarray(hidden), "trace and differentiate"),
    ],
)
def test_functions_that_cannot_be_used(function, problem):
    with pytest.raises(ScenarioError, match=rf"^function: .*{problem}"):
        EffectFunctionResponse(function, num_variables=1, dimensions=(2,))
