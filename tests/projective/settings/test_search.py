import math
import subprocess
import sys

import numpy as np
import pytest
from qiskit.quantum_info import DensityMatrix, Statevector, random_density_matrix
from qiskit_lhv import (
    BellExpression,
    BellInequality,
    CorrelationTensor,
    chsh,
    ghz_state,
    optimize_settings,
    werner_state,
)
from qiskit_lhv.exceptions import MeasurementError, ScenarioError, SolverError
from qiskit_lhv.measurements import AllProjective
from qiskit_lhv.polytope import chained, elegant, mermin
from qiskit_lhv.projective import OptimizedSettings, SettingsSearch
from qiskit_lhv.projective.settings import search
from qiskit_lhv.projective.settings.ascent import ascend_all
from qiskit_lhv.quantum import w_state
from scipy.optimize import minimize


def product_mixture(num_qubits, seed):
    """A separable state."""
    rng = np.random.default_rng(seed)
    total = 0
    for weight in rng.dirichlet(np.ones(5)):
        part = np.eye(1)
        for _ in range(num_qubits):
            part = np.kron(part, random_density_matrix(2, rank=1, seed=rng).data)
        total = total + weight * part
    return DensityMatrix(total)


# Party by party


@pytest.mark.parametrize("sizes", [(3, 2), (2, 4, 3), (2, 3, 2, 2), (2, 2, 2, 2, 2)])
def test_values_of_the_ascent_are_those_of_the_settings(sizes):
    rng = np.random.default_rng(1)
    tensor = rng.normal(size=(4,) * len(sizes))
    coefficients = rng.normal(size=[m + 1 for m in sizes])
    settings, values = ascend_all(tensor, coefficients, AllProjective(), 3, rng)
    for start in range(3):
        left = tensor
        for one in settings:
            rows = np.zeros((one.shape[1] + 1, 4))
            rows[0, 0], rows[1:, 1:] = 1, one[start]
            left = np.tensordot(left, rows, axes=(0, 1))
        assert values[start] == pytest.approx(np.sum(left * coefficients))
        assert np.allclose(np.linalg.norm(settings[0][start], axis=1), 1)


@pytest.mark.parametrize(
    ("state", "expression", "value"),
    [
        # S. Wehner, arXiv:quant-ph/0510076: 2 m cos(pi / 2 m).
        (werner_state(1), chained(3), 6 * np.cos(np.pi / 6)),
        (werner_state(1), chained(10), 20 * np.cos(np.pi / 20)),
        # N. Gisin, arXiv:quant-ph/0702021.
        (werner_state(1), elegant(), 4 * np.sqrt(3)),
        # N. D. Mermin, Phys. Rev. Lett. 65, 1838 (1990); the local bound is 4 for 4 and 5 parties.
        (ghz_state(5), mermin(5), 16),
    ],
    ids=["chained 3", "chained 10", "elegant", "GHZ 5"],
)
def test_known_quantum_values(state, expression, value):
    found = optimize_settings(state, expression=expression, search=SettingsSearch(num_starts=50), seed=1)
    assert found.value == pytest.approx(value, abs=1e-8)
    assert found.verify(state)
    assert found.num_starts == 50
    assert found.num_successes >= 20
    assert min(found.history) == pytest.approx(found.visibility, abs=1e-9)


# Other noise


def test_lowest_visibility_in_a_product_state():
    # The settings of the largest value are not the best ones in this noise.
    state = Statevector([np.cos(0.5), 0, 0, np.sin(0.5)])
    noise = DensityMatrix.from_label("0+")
    first, second = CorrelationTensor.from_state(state).array, CorrelationTensor.from_state(noise).array

    def visibility(angles):
        rows = []
        for polar, azimuth in angles.reshape(4, 2):
            rows.append([0, np.sin(polar) * np.cos(azimuth), np.sin(polar) * np.sin(azimuth), np.cos(polar)])
        a, b, c, d = np.array(rows)
        value, reference = (a @ t @ (c + d) + b @ t @ (c - d) for t in (first, second))
        return (2 - reference) / (value - reference) if value > reference + 0.1 else 20.0

    rng = np.random.default_rng(1)
    known = min(minimize(visibility, rng.uniform(0, 6, 8), method="L-BFGS-B").fun for _ in range(15))
    largest = optimize_settings(state, expression=chsh(), seed=1)
    naive = OptimizedSettings(
        largest.correlations, largest.settings, largest.inequality, CorrelationTensor.from_state(noise)
    )
    found = optimize_settings(state, expression=chsh(), noise=noise, seed=1)
    assert found.visibility == pytest.approx(known, abs=1e-6)
    assert found.visibility < naive.visibility - 1e-3
    searched = optimize_settings(state, noise=noise, search=SettingsSearch(num_starts=10), seed=1)
    assert searched.visibility <= known + 1e-6
    # Just above the visibility found, the mixture is proven nonlocal.
    assert found.mixed(found.visibility + 1e-4).verify()
    assert not found.mixed(found.visibility - 1e-4).verify()


# Polytope


def test_two_settings_always_lie_in_a_plane():
    projective, planar = (
        optimize_settings(w_state(3), 2, search=SettingsSearch(num_starts=10, coplanar=coplanar), seed=1)
        for coplanar in (False, True)
    )
    assert planar.visibility == projective.visibility


@pytest.mark.parametrize("num_settings", [2, 3, (2, 4), 5])
def test_werner_states_are_no_worse_than_with_chsh(num_settings):
    # CHSH is the least that must be found; up to 0.6875 there is a local model (arXiv:2302.04721).
    found = optimize_settings(werner_state(1), num_settings, search=SettingsSearch(num_starts=10), seed=1)
    assert 0.6875 < found.visibility <= np.sqrt(0.5) + 1e-9
    assert found.verify()


def test_w_state_gains_from_more_settings(counted_clock):
    # Two settings: 0.644212. Four equally spaced axes of a plane, as they are: 0.604771.
    with counted_clock(0.001):
        found = optimize_settings(w_state(3), 4, search=SettingsSearch(num_starts=1), time_limit=3, seed=1)
    assert found.visibility < 0.604772
    assert found.verify()


@pytest.mark.parametrize("seed", range(3))
def test_separable_states_of_three_qubits(seed):
    state = product_mixture(3, seed)
    found = optimize_settings(state, 2, search=SettingsSearch(num_starts=20), seed=seed)
    assert found.violation < 1e-7
    assert found.visibility > 1 - 1e-7
    assert not found.verify(state)


def test_white_noise_is_no_trouble():
    found = optimize_settings(werner_state(0), 2, search=SettingsSearch(num_starts=10), seed=1)
    assert math.isinf(found.visibility)
    assert found.num_successes == 0
    assert not found.verify()


def test_a_start_that_fails_does_not_end_the_search(monkeypatch):
    calls = []
    threshold = search.nonlocality_threshold

    def sometimes(*args, **kwargs):
        calls.append(1)
        # A regular arrangement, and the first start that is followed.
        if len(calls) in (1, 4):
            raise SolverError("HiGHS stopped.")
        return threshold(*args, **kwargs)

    monkeypatch.setattr(search, "nonlocality_threshold", sometimes)
    found = optimize_settings(ghz_state(3), 2, search=SettingsSearch(num_starts=20), seed=1)
    assert found.visibility == pytest.approx(0.5, abs=1e-6)
    assert math.inf in found.history


# Record


def test_seed_and_record(tmp_path):
    first, second = (
        optimize_settings(werner_state(0.9), 3, search=SettingsSearch(num_starts=20), seed=7) for _ in range(2)
    )
    assert first == second
    first.save(tmp_path / "settings.json")
    assert OptimizedSettings.load(tmp_path / "settings.json") == first
    zero = optimize_settings(werner_state(0), 2, search=SettingsSearch(num_starts=1), seed=1)
    zero.save(tmp_path / "infinite.json")
    assert OptimizedSettings.load(tmp_path / "infinite.json") == zero


def test_verify_takes_the_trace_for_one():
    # A trace off by rounding must not add to the violation, however large the constant of the expression.
    array = CorrelationTensor.from_state(werner_state(0.7)).array.copy()
    array[0, 0] = 1 + 9e-10
    found = optimize_settings(werner_state(0.7), expression=chsh(), search=SettingsSearch(num_starts=5), seed=1)
    shifted = BellInequality.of(BellExpression(chsh().coefficients + 2.0**30))
    # As floats have it, the constant alone exceeds the bound.
    assert float(array[0, 0]) * 2.0**32 - 2.0**32 > 2
    assert not OptimizedSettings(CorrelationTensor(array), found.settings, shifted).verify(rounding_error=1e-12)


def test_verify_speaks_of_the_state_that_is_given():
    # The record's own correlations are a little better than the state's.
    found = optimize_settings(
        werner_state(np.sqrt(0.5) + 1e-6), expression=chsh(), search=SettingsSearch(num_starts=5), seed=1
    )
    assert found.verify(rounding_error=1e-7)
    worse = werner_state(np.sqrt(0.5) + 1e-6 - 0.9e-7)
    assert found.verify(worse, rounding_error=1e-7)
    assert not found.verify(werner_state(np.sqrt(0.5) + 0.5e-7), rounding_error=1e-6)
    with pytest.raises(MeasurementError, match="rounding_error"):
        found.verify(rounding_error=-1.0)


def test_closed_form_and_ascent_need_no_jax():
    code = (
        "import sys; from qiskit_lhv.projective import SettingsSearch, horodecki_chsh; "
        "from qiskit_lhv import optimize_settings, werner_state; s = werner_state(0.72);"
        "assert horodecki_chsh(s).settings.verify(s); "
        "assert optimize_settings(s, 2, search=SettingsSearch(num_starts=10), seed=1).verify(s);"
        "assert 'jax' not in sys.modules"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_bad_input():
    with pytest.raises(MeasurementError, match="noise"):
        optimize_settings(werner_state(1), noise=ghz_state(3))
    with pytest.raises(ScenarioError, match="method"):
        optimize_settings(werner_state(1), search=SettingsSearch(method="newton"))
    with pytest.raises(ScenarioError, match="num_starts"):
        optimize_settings(werner_state(1), search=SettingsSearch(num_starts=0))
    with pytest.raises(ScenarioError, match="noise"):
        # A nonlocal state is no noise.
        optimize_settings(ghz_state(2), 2, noise=werner_state(1), search=SettingsSearch(num_starts=1), seed=1)
    with pytest.raises(MeasurementError, match="settings"):
        OptimizedSettings(
            CorrelationTensor.from_state(werner_state(1)), (np.eye(2), np.eye(2)), BellInequality.of(chsh())
        )
