import dataclasses
import math

import numpy as np
import pytest
from qiskit import QuantumCircuit
from qiskit.quantum_info import Statevector, random_density_matrix, random_statevector
from qiskit_lhv import BellExpression, CorrelationTensor
from qiskit_lhv.exceptions import MeasurementError, ScenarioError
from qiskit_lhv.measurements import POVMs
from qiskit_lhv.polytope import cglmp, chsh, mermin
from qiskit_lhv.projective import OptimizedSettings, SettingsSearch, optimize_settings
from qiskit_lhv.projective.settings.basis_ascent import ascend_bases
from qiskit_lhv.projective.settings.basis_search import lifted_expressions
from qiskit_lhv.quantum import isotropic_state, mix_with_noise

FEW = SettingsSearch(num_starts=10)


def qutrits_of_largest_violation():
    """The state of quant-ph/0111143."""
    gamma = (math.sqrt(11) - math.sqrt(3)) / 2
    amplitudes = np.zeros(9)
    amplitudes[[0, 4, 8]] = np.array([1, gamma, 1]) / math.sqrt(2 + gamma**2)
    return Statevector(amplitudes, dims=(3, 3))


@pytest.mark.parametrize(("dimension", "visibility"), [(3, 0.69615), (4, 0.69055), (5, 0.68716)])
def test_noise_resistance_of_entangled_qudits(dimension, visibility):
    # The inequality is the polytope's own (quant-ph/0106024).
    found = optimize_settings(isotropic_state(1, dimension), search=FEW, seed=1)
    assert found.visibility == pytest.approx(visibility, abs=6e-6)
    assert found.verify(isotropic_state(1, dimension))
    assert found.mixed(visibility + 1e-4).verify()
    assert not found.mixed(visibility - 1e-4).verify()


def test_other_qutrits_violate_more():
    found = optimize_settings(qutrits_of_largest_violation(), expression=cglmp(3), search=FEW, seed=1)
    assert found.value == pytest.approx(1 + math.sqrt(11 / 3), abs=1e-6)  # 2.9149
    assert found.verify()
    assert found.inequality.bound.value == 2


def test_levels_that_count_as_one_outcome():
    # The state lives in two levels of each qutrit: nothing is lost.
    amplitudes = np.zeros(9)
    amplitudes[[0, 4]] = math.sqrt(0.5)
    found = optimize_settings(Statevector(amplitudes, dims=(3, 3)), expression=chsh(), search=FEW, seed=1)
    assert found.value == pytest.approx(2 * math.sqrt(2), abs=1e-9)
    assert found.inequality.expression.scenario.num_outcomes == ((3, 3), (3, 3))
    # No state is projected: with the third level occupied, the value falls by what it takes.
    mixed = mix_with_noise(Statevector(amplitudes, dims=(3, 3)), 0.5, Statevector(np.eye(9)[8], dims=(3, 3)))
    found = optimize_settings(mixed, expression=chsh(), search=FEW, seed=1)
    assert found.value == pytest.approx(math.sqrt(2) + 1, abs=1e-6)
    assert found.verify()


def test_a_qubit_and_a_qutrit_and_parties_of_two_qubits():
    amplitudes = np.zeros(6)
    amplitudes[[0, 3]] = math.sqrt(0.5)
    found = optimize_settings(Statevector(amplitudes, dims=(2, 3)), search=FEW, seed=1)
    assert found.visibility == pytest.approx(math.sqrt(0.5), abs=1e-6)
    circuit = QuantumCircuit(4)
    circuit.h([0, 1])
    circuit.cx(0, 2)
    circuit.cx(1, 3)
    found = optimize_settings(circuit, parties=[[0, 1], [2, 3]], expression=cglmp(4), search=FEW, seed=1)
    assert found.visibility == pytest.approx(0.69055, abs=6e-6)
    assert found.verify(CorrelationTensor.from_state(circuit, [[0, 1], [2, 3]]))


def test_three_qutrits():
    amplitudes = np.zeros(27)
    amplitudes[[0, 13, 26]] = 3**-0.5
    found = optimize_settings(Statevector(amplitudes, dims=(3, 3, 3)), expression=mermin(3), search=FEW, seed=1)
    assert found.value > 3.3
    assert found.verify()


def test_the_behavior_is_that_of_the_bases():
    found = optimize_settings(random_statevector((3, 3), seed=1), expression=cglmp(3), search=FEW, seed=1)
    settings = [[np.linalg.qr(basis)[0] for basis in own] for own in found.settings]
    matrix = found.behavior().array
    tensor = np.random.default_rng(0).integers(2, size=4)
    x, y = tensor[:2]
    state = random_statevector((3, 3), seed=1).data.reshape(3, 3)  # party 1, party 0
    amplitudes = settings[0][x].conj().T @ state.T @ settings[1][y].conj()
    assert np.allclose(matrix[x, y], np.abs(amplitudes) ** 2, atol=1e-12)
    assert np.vdot(found.operator(), found.correlations.array) == pytest.approx(found.value, abs=1e-9)


def test_noise_that_is_not_white():
    state, noise = isotropic_state(1, 3), Statevector(np.eye(9)[1], dims=(3, 3))
    found = optimize_settings(state, expression=cglmp(3), noise=noise, search=FEW, seed=1)
    assert found.visibility < 0.69
    assert found.mixed(found.visibility + 1e-4).verify()


def test_the_ascent_never_falls():
    rng = np.random.default_rng(1)
    state = CorrelationTensor.of(random_density_matrix((2, 3), seed=1)).array
    coefficients = rng.normal(size=(2, 2, 2, 3))
    expression = BellExpression(coefficients)
    starts = [np.linalg.qr(rng.normal(size=(4, 2, d, d)) + 1j * rng.normal(size=(4, 2, d, d)))[0] for d in (2, 3)]
    bases, values = ascend_bases(state, coefficients, starts)
    for i in range(4):
        tensor = CorrelationTensor(state)
        first, last = (
            expression.value(tensor.behavior([[_measured(basis) for basis in own[i]] for own in several]))
            for several in (starts, bases)
        )
        assert last >= first - 1e-12
        assert last == pytest.approx(values[i], abs=1e-12)


def _measured(basis):
    return [np.outer(column, column.conj()) for column in basis.T]


def test_lifted_expressions_keep_their_bound():
    first, second = lifted_expressions(chsh(), (4, 4))
    assert first.coefficients.shape == second.coefficients.shape == (2, 2, 4, 4)
    assert np.array_equal(first.coefficients[..., 1:, 0], np.repeat(chsh().coefficients[..., 1:, 0], 3, axis=-1))
    assert np.array_equal(second.coefficients[..., 0, 0], second.coefficients[..., 1, 1])
    assert len(lifted_expressions(cglmp(3), (3, 3))) == 1


def test_forged_settings_are_refused():
    found = optimize_settings(isotropic_state(1, 3), expression=cglmp(3), search=FEW, seed=1)
    assert not found.verify(isotropic_state(0.9, 3))
    assert not dataclasses.replace(found, correlations=CorrelationTensor.of(isotropic_state(0.69, 3))).verify()
    # Whatever the columns are, they stand for a projective measurement: stretching them changes nothing.
    stretched = tuple(own * 2 for own in found.settings)
    assert dataclasses.replace(found, settings=stretched).verify()
    collapsed = tuple(np.ones_like(own) for own in found.settings)
    assert not dataclasses.replace(found, settings=collapsed).verify()
    assert not dataclasses.replace(found, settings=(np.zeros((2, 3)), found.settings[1])).verify()
    with pytest.raises(MeasurementError, match="settings"):
        dataclasses.replace(found, settings=(np.ones((2, 3, 2)), found.settings[1]))


def test_settings_are_saved(tmp_path):
    found = optimize_settings(isotropic_state(1, 3), expression=cglmp(3), search=FEW, seed=1)
    for name in ("settings.json", "settings.npz"):
        found.save(tmp_path / name)
        loaded = OptimizedSettings.load(tmp_path / name)
        assert loaded == found
        assert loaded.verify(isotropic_state(1, 3))


@pytest.mark.parametrize(
    ("error", "argument", "options"),
    [
        (MeasurementError, "measurements", {"measurements": "xz"}),
        (MeasurementError, "measurements", {"measurements": POVMs(2)}),
        (MeasurementError, "noise", {"noise": isotropic_state(0, 2)}),
        (ScenarioError, "search", {"search": SettingsSearch("gradient")}),
        (ScenarioError, "search", {"search": SettingsSearch(coplanar=True)}),
        (ScenarioError, "expression", {"expression": cglmp(4)}),
        (ScenarioError, "expression", {"expression": mermin(3)}),
        (ScenarioError, "num_settings", {"num_settings": 200}),
    ],
)
def test_bad_options(error, argument, options):
    with pytest.raises(error, match=f"{argument}: expected"):
        optimize_settings(isotropic_state(1, 3), **options)


def test_bad_states():
    with pytest.raises(MeasurementError, match="64 dimensions in all"):
        optimize_settings(CorrelationTensor.white_noise((9, 9)))
    with pytest.raises(MeasurementError, match="parties: expected None"):
        optimize_settings(CorrelationTensor.white_noise((3, 3)), parties=[[0], [1]])
