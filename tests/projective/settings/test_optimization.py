import dataclasses

import numpy as np
import pytest
from qiskit.quantum_info import DensityMatrix, random_density_matrix
from qiskit_lhv import (
    BellExpression,
    CorrelationTensor,
    chsh,
    ghz_state,
    optimize_settings,
    werner_state,
)
from qiskit_lhv.exceptions import MeasurementError, ScenarioError, SolverError
from qiskit_lhv.polytope import chained, i3322, mermin
from qiskit_lhv.projective import OptimizedSettings, SettingsSearch, horodecki_settings, wwzb_settings
from qiskit_lhv.projective.settings.search import Search
from qiskit_lhv.quantum import isotropic_state, w_state


def collins_gisin_state():
    """arXiv:quant-ph/0306129: no CHSH inequality shows it to be nonlocal, I3322 does."""
    ket = np.array([2, 0, 0, 1]) / np.sqrt(5)
    return DensityMatrix(0.85 * np.outer(ket, ket) + 0.15 * np.diag([0, 1.0, 0, 0]))


def product_mixture(seed):
    """A separable state of two qubits."""
    rng = np.random.default_rng(seed)
    weights = rng.dirichlet(np.ones(6))
    parts = [
        np.kron(random_density_matrix(2, rank=1, seed=rng).data, random_density_matrix(2, rank=1, seed=rng).data)
        for _ in weights
    ]
    return DensityMatrix(sum(w * part for w, part in zip(weights, parts, strict=True)))


# Closed form


@pytest.mark.parametrize("visibility", [0.6, 0.72, 1.0])
def test_horodecki_for_werner_states(visibility):
    found = horodecki_settings(werner_state(visibility))
    assert found.value == pytest.approx(2 * np.sqrt(2) * visibility)
    assert found.visibility == pytest.approx(np.sqrt(0.5) / visibility)
    assert bool(found.verify(werner_state(visibility))) == (visibility > np.sqrt(0.5))


@pytest.mark.parametrize("seed", range(15))
def test_horodecki_agrees_with_the_ascent(seed):
    state = random_density_matrix(4, rank=1 + seed % 4, seed=seed)
    closed = horodecki_settings(state)
    found = optimize_settings(state, expression=chsh(), search=SettingsSearch(num_starts=30), seed=1)
    assert found.value == pytest.approx(closed.value, abs=1e-8)
    matrix = CorrelationTensor.from_state(state).array[1:, 1:]
    assert closed.value == pytest.approx(2 * np.sqrt(np.sort(np.linalg.eigvalsh(matrix.T @ matrix))[-2:].sum()))


# Ascent for a fixed expression


@pytest.mark.parametrize(
    ("state", "expression", "value"),
    [
        (ghz_state(3), mermin(3), 4),
        (ghz_state(4), mermin(4), 8),
        (werner_state(1), i3322(), 0.25),
        (isotropic_state(1), chained(4), 8 * np.cos(np.pi / 8)),
        (collins_gisin_state(), i3322(), 0.012869),
    ],
    ids=["GHZ 3", "GHZ 4", "I3322", "chained", "Collins-Gisin"],
)
def test_known_quantum_values(state, expression, value):
    found = optimize_settings(state, expression=expression, seed=1)
    assert found.value == pytest.approx(value, abs=1e-6)
    assert found.verify(state)


def test_parties_with_different_numbers_of_settings():
    # Two settings of party 0, three of party 1: the third one takes no part.
    coefficients = np.zeros((3, 4))
    coefficients[1:, 1:3] = [[1, 1], [1, -1]]
    expression = BellExpression.from_correlators(coefficients)
    found = optimize_settings(werner_state(1), expression=expression, search=SettingsSearch(num_starts=20), seed=1)
    assert [len(one) for one in found.settings] == [2, 3]
    assert found.value == pytest.approx(2 * np.sqrt(2))
    assert found.verify()


def test_settings_of_a_plane_stay_there():
    # All correlations in Y: measurements in xz see none of them.
    tensor = np.zeros((4, 4))
    tensor[0, 0], tensor[2, 2], tensor[1, 1], tensor[3, 3] = 1, -1, -0.5, -0.5
    everywhere = optimize_settings(CorrelationTensor(tensor), expression=chsh(), seed=1)
    assert everywhere.value == pytest.approx(2 * np.sqrt(1.25))
    planar = optimize_settings(CorrelationTensor(tensor), expression=chsh(), measurements="xz", seed=1)
    assert planar.value == pytest.approx(2 * np.sqrt(0.5))
    assert all(np.all(one[:, 1] == 0) for one in planar.settings)


@pytest.mark.parametrize(("num_qubits", "visibility"), [(2, np.sqrt(0.5)), (3, 0.5), (4, np.sqrt(1 / 8)), (5, 0.25)])
def test_wwzb_for_ghz_states(num_qubits, visibility):
    # arXiv:quant-ph/0102024: GHZ states violate by 2 ** ((N - 1) / 2).
    found = wwzb_settings(ghz_state(num_qubits), num_starts=8, seed=1)
    assert found.visibility == pytest.approx(visibility, abs=1e-6)
    assert found.inequality.bound.value == pytest.approx(1)
    assert found.verify(ghz_state(num_qubits))


@pytest.mark.parametrize("seed", range(5))
def test_wwzb_for_two_qubits_is_horodecki(seed):
    state = random_density_matrix(4, rank=2, seed=seed)
    assert wwzb_settings(state, seed=1).visibility == pytest.approx(horodecki_settings(state).visibility, abs=1e-6)


def test_wwzb_in_a_plane():
    found = wwzb_settings(ghz_state(3), measurements="xz", seed=1)
    assert all(np.all(one[:, 1] == 0) for one in found.settings)
    assert found.visibility > 0.5 + 1e-3


# Search without an expression


@pytest.mark.parametrize(
    ("state", "num_settings", "visibility"),
    [(werner_state(1), 2, np.sqrt(0.5)), (werner_state(0.8), 3, np.sqrt(0.5) / 0.8), (ghz_state(3), 2, 0.5)],
)
def test_lowest_visibility(state, num_settings, visibility):
    found = optimize_settings(state, num_settings, search=SettingsSearch(num_starts=20), seed=1)
    assert found.visibility == pytest.approx(visibility, abs=1e-6)
    assert found.inequality.bound.exact
    assert found.verify(state)


def test_w_state_and_collins_gisin():
    # Two settings: 0.6442 for the W state (arXiv:0812.0622 and others), found here by the polytope alone.
    assert optimize_settings(w_state(3), 2, search=SettingsSearch(num_starts=20), seed=1).visibility == pytest.approx(
        0.644212, abs=1e-5
    )
    found = optimize_settings(collins_gisin_state(), 3, search=SettingsSearch(num_starts=10), seed=1)
    assert found.visibility < 0.9874
    assert found.verify(collins_gisin_state())
    assert horodecki_settings(collins_gisin_state()).value < 2


@pytest.mark.parametrize("seed", range(8))
def test_separable_states_are_never_nonlocal(seed):
    state = product_mixture(seed)
    for found in (
        horodecki_settings(state),
        optimize_settings(state, 3, search=SettingsSearch(num_starts=10), seed=seed),
    ):
        assert found.violation < 1e-7
        assert not found.verify(state)


# Checks


def changes():
    yield "settings", lambda s: (s.settings[0] * 1.01, s.settings[1])
    yield "settings", lambda s: (s.settings[0][::-1], s.settings[1] * [1, 1, -1])
    yield "settings", lambda s: s.settings[:1]
    yield "correlations", lambda s: CorrelationTensor.from_state(werner_state(0.5))
    yield (
        "inequality",
        lambda s: dataclasses.replace(s.inequality, bound=dataclasses.replace(s.inequality.bound, value=1.0)),
    )


@pytest.mark.parametrize(("name", "change"), list(changes()))
def test_verify_refuses_tampered_settings(name, change, tmp_path):
    found = horodecki_settings(werner_state(0.9))
    assert found.verify()
    found.save(tmp_path / "settings.json")
    assert OptimizedSettings.load(tmp_path / "settings.json") == found
    assert not dataclasses.replace(found, **{name: change(found)}).verify()


def test_verify_compares_with_the_state_and_allows_for_errors():
    found = horodecki_settings(werner_state(0.7072))
    assert found.verify(werner_state(0.7072))
    assert not found.verify(werner_state(0.7073))
    # An error of 1e-4 in each correlation could make up this violation.
    assert not found.verify(rounding_error=1e-4)


def test_bad_input():
    with pytest.raises(MeasurementError, match="two qubits"):
        horodecki_settings(ghz_state(3))
    with pytest.raises(MeasurementError, match="2 to 6 qubits"):
        optimize_settings(isotropic_state(0.5, 9))
    with pytest.raises(ScenarioError, match="expression"):
        optimize_settings(werner_state(1), expression=mermin(3))
    with pytest.raises(ScenarioError, match="num_settings"):
        optimize_settings(werner_state(1), [2, 2, 2])
    with pytest.raises(ScenarioError, match="num_settings"):
        optimize_settings(werner_state(1), 1)
    with pytest.raises(MeasurementError, match="measurements"):
        optimize_settings(werner_state(1), measurements="yy")


@pytest.mark.parametrize("num_starts", [0, [], [1, 2], 1.5, None])
def test_number_of_starts_of_wwzb(num_starts):
    with pytest.raises(ScenarioError, match="num_starts: expected"):
        wwzb_settings(ghz_state(3), num_starts=num_starts)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("method", "newton"),
        ("method", None),
        ("num_starts", 0),
        ("num_starts", []),
        ("num_starts", 1.5),
        ("coplanar", 1),
    ],
)
def test_options_of_the_search_are_checked(field, value):
    with pytest.raises(ScenarioError, match=f"{field}: expected"):
        SettingsSearch(**{field: value})


def test_coplanar_settings_are_sought_among_all():
    with pytest.raises(ScenarioError, match="measurements: expected 'projective' where coplanar"):
        optimize_settings(werner_state(1), measurements="xz", search=SettingsSearch(coplanar=True))


@pytest.mark.parametrize("bound", [np.nan, np.inf])
def test_bounds_that_are_no_numbers(bound):
    found = horodecki_settings(werner_state(0.8))
    inequality = found.inequality
    changed = dataclasses.replace(inequality, bound=dataclasses.replace(inequality.bound, value=bound))
    assert not changed.verify()
    assert not dataclasses.replace(found, inequality=changed).verify()


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ({"expression": "x"}, r"expression: expected a BellExpression, such as chsh\(\), got 'x'"),
        ({"search": "regular"}, "search: expected SettingsSearch, got 'regular'"),
        ({"num_settings": 300}, r"num_settings: expected at most 65536 combinations.*About 255 settings"),
        ({"noise": werner_state(1.0), "expression": chsh()}, "noise: expected a local state, got one that violates"),
    ],
)
def test_bad_arguments_are_named(arguments, match):
    with pytest.raises(ScenarioError, match=match):
        optimize_settings(werner_state(0.9), **arguments)
    with pytest.raises(MeasurementError, match="noise: expected another state"):
        optimize_settings(werner_state(0.9), noise=werner_state(0.9))


@pytest.mark.parametrize("method", ["ascent", "regular"])
def test_a_search_that_had_no_time_says_so(monkeypatch, method):
    monkeypatch.setattr(Search, "at", lambda *_: None)
    with pytest.raises(SolverError, match="time_limit"):
        optimize_settings(ghz_state(3), 3, search=SettingsSearch(method=method), time_limit=1e-6, seed=1)
