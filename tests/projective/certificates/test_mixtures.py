import dataclasses

import numpy as np
import pytest
from qiskit.quantum_info import random_density_matrix
from qiskit_lhv import CorrelationTensor, ghz_state, werner_state
from qiskit_lhv.exceptions import CertificateError, MeasurementError, ScenarioError
from qiskit_lhv.projective import (
    MixtureCertificate,
    extend_local_models,
    find_hidden_states,
    horodecki_settings,
    mix_local_models,
    werner_certificate,
)

from helpers import biased_state

pytest.importorskip("clarabel")


def test_werner_states_keep_the_visibility_of_their_model():
    certificate = mix_local_models(werner_state(1))
    known = werner_certificate().visibility
    assert known - 1e-3 < certificate.visibility <= known
    assert certificate.verify(werner_state(1), prove_werner=False)


@pytest.mark.parametrize("seed", [3000, 3001])
def test_a_mixture_proves_more_than_its_parts(seed):
    state = random_density_matrix(4, rank=3, seed=seed)
    certificate = mix_local_models(state)
    assert certificate.verify(state)
    parts = extend_local_models(state).visibility, find_hidden_states(state).visibility
    assert certificate.visibility > max(parts)


def test_never_beyond_the_criterion_of_horodecki():
    for seed in range(3):
        state = random_density_matrix(4, rank=3 + seed % 2, seed=seed)
        certificate = mix_local_models(state)
        assert certificate.verify(state)
        assert certificate.visibility <= horodecki_settings(state).visibility + 1e-9


@pytest.mark.slow
def test_entangled_states_with_a_vanishing_product_vector_are_never_proven():
    for state in (biased_state(0.4), biased_state(0.7), random_density_matrix(4, rank=2, seed=1)):
        certificate = mix_local_models(state)
        assert certificate is None or certificate.visibility < 1


def test_the_biased_family_with_white_noise():
    state = biased_state(0.5, 0.1)
    certificate = mix_local_models(state)
    assert certificate.visibility >= 1
    assert certificate.verify(state)


@pytest.fixture(scope="module")
def certificate():
    return mix_local_models(random_density_matrix(4, rank=3, seed=3000))


def first(pair, value):
    return (value, pair[1])


CHANGES = {
    "visibility": [lambda v: v * 1.001, lambda v: -v, lambda v: 1e300],
    "unsteerable_parts": [lambda p: p * 1.01, lambda p: p[::-1], lambda p: p + np.eye(4) * 0.01],
    "hidden_states": [lambda h: first(h, h[0] / 2), lambda h: first(h, h[0] * 2), lambda h: first(h, h[0] * 0.99999)],
    "weights": [lambda w: first(w, w[0] * 2), lambda w: first(w, -w[0]), lambda w: first(w, w[0] * 0.5)],
    "werner_visibility": [lambda v: v + 1e-6, lambda v: -v],
    "maps": [lambda m: m * 1.01, lambda m: m + np.array([0, 1e-3, 0, 0]), lambda m: -m],
    "positive_parts": [lambda p: p + np.diag([0, 0.1, 0, 0]), lambda p: -p],
    "correlations": [lambda t: CorrelationTensor(t.array * np.where(np.eye(4), 1, 1.01))],
}


@pytest.mark.parametrize(("name", "change"), [(name, one) for name, several in CHANGES.items() for one in several])
def test_tampered_certificates_are_refused(certificate, name, change):
    assert certificate.verify()
    assert not dataclasses.replace(certificate, **{name: change(getattr(certificate, name))}).verify()


@pytest.mark.parametrize(
    "change",
    [
        {"visibility": np.nan},
        {"werner_visibility": "much"},
        {"maps": np.zeros((1, 4, 4))},
        {"positive_parts": None},
        {"unsteerable_parts": np.full((2, 4, 4), np.inf)},
        {"hidden_states": np.zeros((3, 3))},
        {"weights": (np.zeros(1), np.zeros(1))},
        {"weights": None},
        {"correlations": None},
    ],
    ids=str,
)
def test_fields_that_mean_nothing(certificate, change):
    with pytest.raises(CertificateError):
        dataclasses.replace(certificate, **change)


def test_parts_may_be_absent(certificate):
    # White noise is separable without any of them.
    nothing = np.zeros((2, 4, 4))
    empty = (np.empty(0), np.empty(0))
    alone = dataclasses.replace(
        certificate,
        visibility=0.0,
        unsteerable_parts=nothing,
        hidden_states=(np.empty((0, 3)), np.empty((0, 3))),
        weights=empty,
        maps=nothing,
        positive_parts=nothing,
    )
    assert alone.verify()
    # A part without hidden states is no part.
    assert not dataclasses.replace(alone, unsteerable_parts=np.stack([np.eye(4) / 8, np.zeros((4, 4))])).verify()


def test_saved_certificates_verify_after_loading(certificate, tmp_path):
    certificate.save(tmp_path / "proof.npz")
    loaded = MixtureCertificate.load(tmp_path / "proof.npz")
    assert loaded == certificate
    assert loaded.verify(random_density_matrix(4, rank=3, seed=3000))
    assert not loaded.verify(werner_state(0.5))
    assert not loaded.verify(ghz_state(3, 0.1))


@pytest.mark.parametrize("looks", [1, 4])
def test_what_was_found_in_time_is_proven(looks, counted_clock):
    with counted_clock(1.0):
        certificate = mix_local_models(werner_state(0.5), time_limit=looks + 0.5)
    assert certificate is None or certificate.verify()


def test_bad_arguments():
    with pytest.raises(MeasurementError, match="two qubits"):
        mix_local_models(ghz_state(3))
    for options in ({"num_axes": 181}, {"max_visibility": -1}):
        with pytest.raises(ScenarioError):
            mix_local_models(werner_state(1), **options)
