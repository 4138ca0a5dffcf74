"""Relations between the parts of a record: what a claim presupposes is checked with it."""

import dataclasses
import math

import numpy as np
import pytest
from qiskit_lhv import (
    Behavior,
    CorrelationTensor,
    chsh,
    nonlocality_threshold,
    optimize_settings,
    werner_state,
)
from qiskit_lhv.analysis import CriticalVisibility
from qiskit_lhv.polytope import (
    Threshold,
    detection_threshold,
    local_weight,
    no_signaling_bound,
    quantum_bound,
    wwzb,
)
from qiskit_lhv.projective import SettingsSearch, extend_local_models, horodecki_chsh, horodecki_settings

from helpers import SINGLET

BOX = Behavior.from_correlators([[1, 1], [1, -1]], marginals=False)
ODD = [math.nan, math.inf, -math.inf, 1e308, -1e308]


@pytest.fixture(scope="module")
def threshold():
    return nonlocality_threshold(SINGLET)


def local_noise():
    """Correlated noise that is local: half of two opposite strategies."""
    return Behavior.from_correlators(np.full((2, 2), 1.0), marginals=False)


def test_noise_that_is_not_white_comes_with_its_model():
    found = nonlocality_threshold(BOX, noise=local_noise())
    assert found.noise_model is not None
    assert found.verify()
    assert dataclasses.replace(found, noise_model=None).verify().status == "not re-proven"
    assert dataclasses.replace(found, noise=Behavior.white_noise(BOX.scenario)).verify().refuted


@pytest.mark.parametrize("noise", [BOX, SINGLET], ids=["box", "singlet"])
def test_nonlocal_noise_is_refuted(threshold, noise):
    # All mixtures at and above the visibility 1 are those of the behavior alone, whatever the noise is.
    white = Behavior.white_noise(BOX.scenario)
    local = nonlocality_threshold(white, noise=local_noise())
    assert local.verify()
    assert dataclasses.replace(local, noise=noise, noise_model=None).verify().status == "not re-proven"
    assert dataclasses.replace(local, noise=noise).verify().refuted
    mixed = dataclasses.replace(threshold, noise=noise)
    assert mixed.verify().refuted
    inverted = Threshold(0.0, 0.0, 1.0, True, white, noise, threshold.model, threshold.inequality)
    assert inverted.verify().refuted


@pytest.mark.parametrize("value", ODD)
@pytest.mark.parametrize("name", ["lower", "estimate", "upper"])
def test_thresholds_out_of_order_are_refuted(threshold, name, value):
    assert dataclasses.replace(threshold, **{name: value}).verify().refuted
    assert dataclasses.replace(threshold, lower=threshold.upper + 1e-6).verify().refuted


def test_settings_whose_noise_violates_the_inequality_are_refuted():
    state = CorrelationTensor.of(werner_state(0.9))
    settings = horodecki_settings(state)
    assert settings.verify()
    singlet = CorrelationTensor.of(werner_state(1))
    assert dataclasses.replace(settings, noise=singlet).verify().refuted
    product = CorrelationTensor.of(np.array([1.0, 0, 0, 0]))
    assert dataclasses.replace(settings, noise=product).verify()


def test_a_critical_visibility_above_which_violations_fall_is_refuted():
    # The noise violates more than the state: the violation falls with the visibility.
    state, singlet = CorrelationTensor.of(werner_state(0.8)), CorrelationTensor.of(werner_state(1))
    settings = dataclasses.replace(horodecki_settings(state), noise=singlet)
    assert not CriticalVisibility(0.0, 0.9, None, settings, None).verify()


@pytest.mark.parametrize("value", ODD[:3] + ODD[4:])
def test_critical_visibilities_out_of_order_are_refuted(value):
    settings = horodecki_settings(werner_state(1))
    proven = CriticalVisibility(0.0, 0.70711, None, settings, None)
    assert proven.verify()
    assert proven.verify(prove_bound=False).status == "not re-proven"
    for wrong in (dataclasses.replace(proven, lower=value), dataclasses.replace(proven, lower=0.8)):
        assert not wrong.verify()
    if value != math.inf:
        assert not dataclasses.replace(proven, upper=value).verify()


def test_signs_of_full_correlators_are_signs_and_reach_the_value():
    found = wwzb([[0.7, 0.7], [0.7, -0.7]])
    assert found.verify()
    for signs in (found.signs * 5, found.signs * 0, -found.signs, np.ones(4, dtype=int), np.ones((2, 2, 2), dtype=int)):
        assert dataclasses.replace(found, signs=signs).verify().refuted
    for value in ODD:
        assert dataclasses.replace(found, value=value).verify().refuted
    assert dataclasses.replace(found, correlators=np.full((2, 2), 1e308)).verify().refuted
    assert dataclasses.replace(found, correlators=np.zeros((3, 3))).verify().refuted


def test_weights_and_efficiencies_out_of_order_are_refuted():
    weight = local_weight(Behavior.from_correlators([[0.8, 0.8], [0.8, -0.8]], marginals=False))
    assert weight.verify()
    assert weight.verify(prove_bound=False).status == "not re-proven"
    threshold = detection_threshold(SINGLET)
    assert threshold.verify()
    assert threshold.verify(prove_bound=False).status == "not re-proven"
    for record in (weight, threshold):
        for value in ODD:
            assert dataclasses.replace(record, lower=value).verify().refuted
            assert dataclasses.replace(record, upper=value).verify().refuted
        assert dataclasses.replace(record, lower=record.upper + 1e-6).verify().refuted


def test_bounds_that_do_not_meet_are_refuted():
    bound = no_signaling_bound(chsh())
    assert bound.verify()
    for value in (*ODD[:3], 3.9, 4.1, -4.0):
        assert dataclasses.replace(bound, value=value).verify().refuted
    quantum = quantum_bound(chsh())
    assert quantum.verify()
    for value in ODD:
        assert dataclasses.replace(quantum, lower=value).verify().refuted
    for value in (*ODD[:3], 2.8, -3.0):
        assert dataclasses.replace(quantum, upper=value).verify().refuted


def test_settings_of_a_criterion_reach_its_value():
    found = horodecki_chsh(werner_state(0.9))
    assert found.verify()
    turned = tuple(one[::-1].copy() for one in found.settings.settings)
    other = dataclasses.replace(found.settings, settings=(turned[0], found.settings.settings[1] * 0.5))
    assert dataclasses.replace(found, settings=other).verify().refuted
    for value in ODD:
        assert dataclasses.replace(found, m=value).verify().refuted


def test_no_state_is_local_up_to_a_negative_visibility():
    certificate = extend_local_models(werner_state(0.3))
    assert certificate.verify()
    assert dataclasses.replace(certificate, visibility=-0.1).verify().refuted


def test_inequalities_of_odd_bounds_are_refuted():
    settings = optimize_settings(werner_state(1), expression=chsh(), seed=1, search=SettingsSearch(num_starts=2))
    inequality = settings.inequality
    for value in ODD:
        wrong = dataclasses.replace(inequality, bound=dataclasses.replace(inequality.bound, value=value))
        assert wrong.verify().refuted
        assert dataclasses.replace(settings, inequality=wrong).verify().refuted
    for strategy in (np.empty(0, dtype=int), np.full(4, 2), np.full(4, -1), np.zeros(5, dtype=int)):
        wrong = dataclasses.replace(inequality, bound=dataclasses.replace(inequality.bound, strategy=strategy))
        assert wrong.verify().refuted
