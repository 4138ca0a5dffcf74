import dataclasses

import numpy as np
import pytest
from qiskit_lhv import (
    CriticalVisibility,
    LHVError,
    MeasurementError,
    ScenarioError,
    critical_visibility,
    ghz_state,
    isotropic_state,
    werner_state,
)


@pytest.fixture(scope="module")
def werner():
    pytest.importorskip("cvxpy")
    return critical_visibility(werner_state(1), time_limit=6, seed=1)


def test_werner_state(werner):
    # 0.6875 <= v <= 0.69606 (arXiv:2302.04721); CHSH shows 1 / sqrt(2).
    assert 0.68 < werner.lower < 0.69606
    assert werner.upper == pytest.approx(np.sqrt(0.5), abs=1e-6)
    assert werner.estimate is None
    check = werner.verify()
    assert check, check.reason
    assert "0.690" in str(werner)


def test_measurements_in_a_plane():
    found = critical_visibility(werner_state(1), measurements="xz", time_limit=20, seed=1)
    assert 0.69 < found.lower < np.sqrt(0.5) <= found.upper < 0.7072
    assert found.verify()


def test_three_qubits():
    found = critical_visibility(ghz_state(3), time_limit=20, seed=1)
    assert 0.2 < found.lower < 0.5 <= found.upper < 0.5001
    assert found.verify()


def test_other_noise():
    # Noise with classical correlations, opposite to those of the singlet.
    noise = np.diag([0.3, 0.2, 0.2, 0.3])
    found = critical_visibility(werner_state(1), noise=noise, time_limit=20, seed=1)
    assert 0.3 < found.lower < found.upper < 1
    assert found.settings.noise is not None
    assert found.verify()


def test_a_run_goes_on_where_it_was(tmp_path):
    first = critical_visibility(werner_state(1), measurements="xz", time_limit=5, seed=1, folder=tmp_path)
    again = critical_visibility(werner_state(1), measurements="xz", time_limit=5, seed=1, folder=tmp_path)
    assert again == first
    assert (tmp_path / "settings.json").exists()
    first.save(tmp_path / "found.npz")
    assert CriticalVisibility.load(tmp_path / "found.npz") == first
    with pytest.raises(LHVError, match="seed"):
        critical_visibility(werner_state(1), folder=tmp_path)


def test_tampering(werner):
    assert not dataclasses.replace(werner, lower=werner.lower + 1e-3).verify()
    assert not dataclasses.replace(werner, upper=werner.upper - 1e-3).verify()
    assert not dataclasses.replace(werner, settings=None).verify()
    assert not dataclasses.replace(werner, certificate=None).verify()


def test_picture(werner):
    pytest.importorskip("matplotlib")
    figure = werner.plot()
    labels = [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
    assert labels == ["proven local", "proven nonlocal"]


def test_bad_input():
    with pytest.raises(MeasurementError, match=r"2 to 6 qubits"):
        critical_visibility(isotropic_state(0.5, 3))
    with pytest.raises(MeasurementError, match="noise"):
        critical_visibility(werner_state(1), noise=ghz_state(3))
    with pytest.raises((MeasurementError, ScenarioError), match=r"noise|state"):
        critical_visibility(werner_state(1), noise=np.diag([1.5, -0.5, 0, 0]), time_limit=5)
    with pytest.raises(MeasurementError, match="measurements"):
        critical_visibility(werner_state(1), measurements="planar")
    with pytest.raises(LHVError, match="time_limit"):
        critical_visibility(werner_state(1), time_limit=0)
