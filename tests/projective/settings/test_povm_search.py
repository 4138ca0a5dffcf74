import dataclasses
import math

import numpy as np
import pytest
from qiskit_lhv import BellExpression, BellInequality, BellScenario, CorrelationTensor, werner_state
from qiskit_lhv.exceptions import MeasurementError, ScenarioError
from qiskit_lhv.measurements import POVMs
from qiskit_lhv.polytope import cglmp, chsh, elegant
from qiskit_lhv.projective import OptimizedSettings, SettingsSearch, horodecki_settings, optimize_settings
from qiskit_lhv.projective.settings.povm_ascent import ascend_povms, values_of_povms
from qiskit_lhv.quantum import isotropic_state

FEW = SettingsSearch(num_starts=10)
RNG = np.random.default_rng(5)


def four_outcome_expression():
    """An expression that reaches 4 sqrt(3) with a tetrahedral measurement alone (arXiv:1604.01417)."""
    coefficients = np.zeros((4, 4, 4, 2))
    # Outcomes 1, 2 and 3 of the first three settings count as one.
    coefficients[:3] = elegant().coefficients[:, :, [0, 1, 1, 1]]
    for a in range(4):
        coefficients[3, a, a, 0] = -1
    return BellExpression(coefficients)


@pytest.fixture(scope="module")
def tetrahedral():
    return optimize_settings(werner_state(1), expression=four_outcome_expression(), measurements="povm", search=FEW)


def test_a_measurement_that_is_not_projective_is_found(tetrahedral):
    assert tetrahedral.value == pytest.approx(4 * math.sqrt(3), abs=1e-8)
    assert tetrahedral.verify(werner_state(1))
    assert not tetrahedral.is_projective
    # Four effects of rank one, with equal overlaps.
    overlaps = np.einsum("aij,bji->ab", tetrahedral.settings[0][3], tetrahedral.settings[0][3]).real
    assert np.abs(overlaps - (1 / 12 + np.eye(4) / 6)).max() < 1e-4


@pytest.mark.parametrize("name", ["settings.json", "settings.npz"])
def test_effects_are_saved(tetrahedral, name, tmp_path):
    tetrahedral.save(tmp_path / name)
    loaded = OptimizedSettings.load(tmp_path / name)
    assert loaded == tetrahedral
    assert loaded.verify(werner_state(1))


def test_the_visibility_is_that_of_the_state_in_noise(tetrahedral):
    assert tetrahedral.mixed(tetrahedral.visibility + 1e-6).verify()
    assert not tetrahedral.mixed(tetrahedral.visibility - 1e-6).verify()
    operator = tetrahedral.operator()
    assert np.sum(operator * tetrahedral.correlations.array) == pytest.approx(tetrahedral.value, abs=1e-7)


def test_forged_effects_are_refused(tetrahedral):
    mine, others = tetrahedral.settings
    assert not tetrahedral.verify(werner_state(0.99))
    too_much = mine.copy()
    too_much[3, 0] *= 1.01
    for effects in (too_much, 1.01 * mine, mine[:, :3], np.full_like(mine, 1e300)):
        with pytest.raises(MeasurementError, match="settings"):
            dataclasses.replace(tetrahedral, settings=(effects, others))
    # Within the tolerance for what users give, but not for what is proven.
    slightly = mine.copy()
    slightly[3, 0] -= 8e-9 * np.eye(2)
    slightly[3, 1] += 8e-9 * np.eye(2)
    check = dataclasses.replace(tetrahedral, settings=(slightly, others)).verify()
    assert "no measurement" in check.reason
    # A sum that is off is made up for.
    off = mine + 1e-12 * np.eye(2)
    assert dataclasses.replace(tetrahedral, settings=(off, others)).verify()
    with pytest.raises(MeasurementError, match="settings"):
        dataclasses.replace(tetrahedral, settings=(np.zeros((2, 2, 2, 3)), others))


def test_settings_of_different_forms():
    found = horodecki_settings(werner_state(1))
    x, y, z = np.moveaxis(found.settings[1], 1, 0)[:, :, None, None]
    sign = np.array([1, -1])[None, :, None, None]
    pauli = x * np.array([[0, 1], [1, 0]]) + y * np.array([[0, -1j], [1j, 0]]) + z * np.diag([1, -1])
    effects = (np.eye(2) + sign * pauli[:, None]) / 2
    same = OptimizedSettings(found.correlations, (found.settings[0], effects), found.inequality)
    assert same.value == pytest.approx(found.value, abs=1e-9)
    assert same.verify()
    assert np.allclose(same.operator(), found.operator(), atol=1e-8)


@pytest.mark.parametrize(
    ("state", "expression", "value"),
    [
        (werner_state(1), chsh(), 2 * math.sqrt(2)),
        (isotropic_state(1, 4), cglmp(4), 2.896243),
    ],
)
def test_projective_settings_are_returned_where_they_are_best(state, expression, value):
    found = optimize_settings(state, expression=expression, measurements="povm", search=FEW, seed=1)
    assert found.value == pytest.approx(value, abs=1e-6)
    assert found.is_projective


def test_more_outcomes_than_levels_in_any_noise():
    white = optimize_settings(werner_state(1), expression=cglmp(3), measurements="povm", search=FEW, seed=1)
    assert white.value > 2.6
    assert white.verify()
    noise = isotropic_state(0.3, 2)
    found = optimize_settings(
        werner_state(1), expression=cglmp(3), measurements="povm", noise=noise, search=FEW, seed=1
    )
    assert found.noise == CorrelationTensor.of(noise)
    assert found.mixed(found.visibility + 1e-6).verify()


def test_settings_with_unequal_numbers_of_outcomes():
    scenario = BellScenario((4, 4), ((2, 2, 2, 4), (2,) * 4))
    coefficients = four_outcome_expression().coefficients.copy()
    coefficients[:3, :, 2:] = 0
    expression = BellExpression(coefficients, scenario=scenario)
    found = optimize_settings(werner_state(1), expression=expression, measurements="povm", search=FEW, seed=1)
    assert found.value == pytest.approx(4 * math.sqrt(3), abs=1e-8)
    assert found.verify()


def test_inequalities_of_the_polytope():
    options = {"measurements": POVMs(2, 3), "search": FEW, "seed": 1}
    assert optimize_settings(werner_state(1), **options).visibility == pytest.approx(math.sqrt(0.5), abs=1e-7)
    assert math.isinf(optimize_settings(CorrelationTensor.white_noise((2, 2)), **options).visibility)


def test_no_step_lowers_the_value():
    tensor = CorrelationTensor.of(isotropic_state(1, 3)).array
    coefficients = RNG.normal(size=(2, 3, 4, 2))
    starts = [
        np.stack([POVMs(3, 4).draw(RNG, 2) for _ in range(5)]),
        np.stack([POVMs(3, 3).draw(RNG, 3) for _ in range(5)]),
    ]
    starts[1] = np.concatenate([starts[1][:, :, :1], starts[1][:, :, 1:].sum(axis=2, keepdims=True)], axis=2)
    before = values_of_povms(tensor, coefficients, starts)
    povms, values = ascend_povms(tensor, coefficients, starts)
    assert np.all(values >= before)
    assert np.allclose(values_of_povms(tensor, coefficients, povms), values, atol=1e-10)
    for effects in povms:
        assert np.abs(effects.sum(axis=2) - np.eye(3)).max() < 1e-12
        assert np.linalg.eigvalsh(effects).min() > -1e-12


def test_bounds_that_are_not_exact_show_nothing(tetrahedral):
    bound = dataclasses.replace(tetrahedral.inequality.bound, exact=False)
    inequality = BellInequality(tetrahedral.inequality.expression, bound)
    assert dataclasses.replace(tetrahedral, inequality=inequality).shows is None


@pytest.mark.parametrize(
    ("error", "argument", "options"),
    [
        (MeasurementError, "measurements", {"measurements": POVMs(3)}),
        (ScenarioError, "search", {"search": SettingsSearch("gradient")}),
        (ScenarioError, "search", {"search": SettingsSearch(coplanar=True)}),
        (ScenarioError, "expression", {"expression": cglmp(4), "measurements": POVMs(2, 3)}),
        (ScenarioError, "num_settings", {"num_settings": 100}),
    ],
)
def test_bad_options(error, argument, options):
    with pytest.raises(error, match=f"{argument}: expected"):
        optimize_settings(werner_state(1), **{"measurements": "povm"} | options)
