import dataclasses

import numpy as np
import pytest
from qiskit.quantum_info import (
    DensityMatrix,
    Operator,
    Statevector,
    random_density_matrix,
    random_statevector,
    random_unitary,
)
from qiskit_lhv import Behavior, chsh, ghz_state, optimize_settings, werner_state
from qiskit_lhv.exceptions import MeasurementError
from qiskit_lhv.projective import HorodeckiCriterion, SettingsSearch, horodecki_chsh


def tilted(angle):
    """cos(angle) |00> + sin(angle) |11>, with T = diag(sin 2 angle, -sin 2 angle, 1)."""
    return Statevector([np.cos(angle), 0, 0, np.sin(angle)])


@pytest.mark.parametrize("visibility", [0.0, 0.5, 0.7, 0.72, 1.0])
def test_werner_states(visibility):
    found = horodecki_chsh(werner_state(visibility))
    assert found.m == pytest.approx(2 * visibility**2, abs=1e-12)
    assert found.value == pytest.approx(2 * np.sqrt(2) * visibility, abs=1e-9)
    assert found.violates == (visibility > np.sqrt(0.5))
    assert found.violates == bool(found.settings.verify(werner_state(visibility)))
    assert found.verify(werner_state(visibility))


@pytest.mark.parametrize("angle", [0.1, 0.4, np.pi / 4])
def test_pure_states(angle):
    # Phys. Lett. A 154, 201 (1991): every entangled pure state violates CHSH, by 2 sqrt(1 + sin(2 angle)**2).
    found = horodecki_chsh(tilted(angle))
    assert found.value == pytest.approx(2 * np.sqrt(1 + np.sin(2 * angle) ** 2))
    assert found.settings.value == pytest.approx(found.value, abs=1e-9)
    assert found.visibility == pytest.approx(found.settings.visibility, abs=1e-9)
    assert found.settings.verify()


def test_settings_belong_to_the_parties():
    # Another rotation of each qubit, so that exchanged parties or axes would show.
    state = DensityMatrix(tilted(0.3)).evolve(random_unitary(2, seed=1), [0]).evolve(random_unitary(2, seed=2), [1])
    found = horodecki_chsh(state).settings
    settings = [list(one) for one in found.settings]
    assert chsh().value(Behavior.from_state(state, settings)) == pytest.approx(found.value, abs=1e-9)
    assert state.expectation_value(chsh().operator(settings)).real == pytest.approx(found.value, abs=1e-9)
    exchanged = chsh().value(Behavior.from_state(state, settings[::-1]))
    assert abs(exchanged - found.value) > 0.1


def test_agrees_with_the_search_on_random_states():
    for seed in range(50):
        state = random_density_matrix(4, rank=1 + seed % 4, seed=seed)
        found = horodecki_chsh(state)
        searched = optimize_settings(state, expression=chsh(), search=SettingsSearch(num_starts=20), seed=seed)
        assert searched.value == pytest.approx(found.value, abs=1e-6)
        assert searched.value <= found.value + 1e-9
        assert found.verify(state)


def test_separable_states_do_not_violate():
    rng = np.random.default_rng(1)
    for _ in range(20):
        parts = [
            np.kron(random_density_matrix(2, seed=rng).data, random_density_matrix(2, seed=rng).data) for _ in range(4)
        ]
        state = DensityMatrix(sum(w * part for w, part in zip(rng.dirichlet(np.ones(4)), parts, strict=True)))
        found = horodecki_chsh(state)
        assert not found.violates
        assert not found.settings.verify()


@pytest.mark.parametrize("factor", [0.999, 1.001, float("nan"), -1.0])
def test_verify_refuses_another_value(factor):
    found = horodecki_chsh(random_density_matrix(4, seed=3))
    assert not dataclasses.replace(found, m=found.m * factor).verify()


def test_verify_compares_with_the_state():
    found = horodecki_chsh(werner_state(0.8))
    assert not found.verify(werner_state(0.81))
    assert not found.verify(ghz_state(3))
    with pytest.raises(MeasurementError, match="rounding_error"):
        found.verify(rounding_error=-1e-9)


def test_save_and_text(tmp_path):
    found = horodecki_chsh(werner_state(0.7))
    found.save(tmp_path / "criterion.json")
    assert HorodeckiCriterion.load(tmp_path / "criterion.json") == found
    assert "violates no CHSH inequality" in str(found)
    assert "violates a CHSH inequality" in str(horodecki_chsh(werner_state(0.8)))


def test_bad_input():
    with pytest.raises(MeasurementError, match="two qubits"):
        horodecki_chsh(ghz_state(3))
    with pytest.raises(MeasurementError, match="qubits"):
        horodecki_chsh(DensityMatrix(Operator(np.eye(9) / 9), dims=(3, 3)))


def test_product_states_violate_nothing_whatever_rounding_does():
    raised = 0
    for seed in range(60):
        parts = [random_statevector(2, seed=seed).data, random_statevector(2, seed=1000 + seed).data]
        found = horodecki_chsh(Statevector(np.kron(*parts)))
        raised += found.m > 1
        assert found.m == pytest.approx(1, abs=1e-12)
        assert not found.violates
        assert "violates no CHSH inequality" in str(found)
    assert raised
