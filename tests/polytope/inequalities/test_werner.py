import dataclasses
import importlib.util
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from qiskit_lhv import Behavior, BellExpression, BellInequality, local_bound, werner_state
from qiskit_lhv.exceptions import CertificateError, ScenarioError
from qiskit_lhv.polytope import WernerInequality, werner_inequality
from qiskit_lhv.verification.local_bounds import exact_local_bound

SIGNS = np.array([[1, -1], [-1, 1]])


@pytest.fixture(scope="module")
def script():
    """The benchmark that found the inequality."""
    path = Path(__file__).parents[3] / "benchmarks" / "werner_nonlocal.py"
    if not path.exists():
        pytest.skip("the benchmarks are not part of this copy")
    spec = importlib.util.spec_from_file_location("werner_nonlocal", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def symmetric_matrix(script, rng):
    """Random integers on 16 x 15 icosahedral axes that all rotations leave unchanged, and the relabelings."""
    group = script.icosahedral_group()
    five, three, two = (script.orbit(group, axis) for axis in ((0, 1, script.GOLDEN), (1, 1, 1), (0, 0, 1)))
    axes = np.concatenate([five, three]), two
    search = script.Search(group, *axes, 0)
    matrix = search.sign * rng.integers(-9, 10, search.count)[search.kind]
    maps = [tuple(script.signed_numbers(turn, part) for part in axes) for turn in group[1:3]]
    return matrix, maps


@pytest.mark.slow
def test_bundled_inequality_shows_werner_states_below_chsh_to_be_nonlocal():
    certificate = werner_inequality()
    assert certificate.visibility < 0.7035
    assert certificate.verify(prove_bound=False).status == "not re-proven"
    check = certificate.verify()
    assert check, check.reason
    assert "singlet" in check.reason
    exact = Fraction(certificate.inequality.bound.value) / certificate.singlet_value()
    assert exact <= Fraction(certificate.visibility) < exact + Fraction(1, 10**15)


def test_bundled_bound_is_reached_by_its_strategy():
    certificate = werner_inequality()
    signs = np.split(1 - 2 * certificate.inequality.bound.strategy, [len(certificate.first_axes)])
    assert signs[0] @ certificate.correlators @ signs[1] == certificate.inequality.bound.value
    assert certificate.inequality.bound.exact


def test_quantum_behavior_violates_the_bundled_inequality():
    certificate = werner_inequality()
    axes = [
        list(part / np.linalg.norm(part, axis=1, keepdims=True))
        for part in (certificate.first_axes, certificate.second_axes)
    ]
    above = Behavior.from_state(werner_state(certificate.visibility + 1e-6), axes)
    below = Behavior.from_state(werner_state(certificate.visibility - 1e-6), axes)
    assert certificate.inequality.exact_violation(above) > 0 > certificate.inequality.exact_violation(below)
    assert certificate.inequality.violation(certificate.behavior(0.7071)) > 0
    np.testing.assert_allclose(certificate.behavior(0.7).array, Behavior.from_state(werner_state(0.7), axes).array)


def test_bundled_symmetries_leave_the_inequality_unchanged():
    certificate = werner_inequality()
    matrix, first = certificate.correlators, len(certificate.first_axes)
    assert len(certificate.symmetries) >= 2
    for row in certificate.symmetries:
        places, signs = np.abs(row) - 1, np.sign(row)
        image = np.empty_like(matrix)
        image[np.ix_(places[:first], places[first:])] = matrix * np.outer(signs[:first], signs[first:])
        np.testing.assert_array_equal(image, matrix)


def small_certificate():
    """CHSH as a certificate: two axes each, sums and differences."""
    first = np.array([[1.0, 0, 0], [0, 0, 1]])
    second = -np.array([[1.0, 0, 1], [1, 0, -1]]) * 0.70703125
    inequality = BellInequality.of(BellExpression.from_correlators([[1, 1], [1, -1]], marginals=False))
    return WernerInequality(first, second, inequality, np.array([[2, 1, 1, -2]]))


def test_small_certificate_is_proven_whole():
    certificate = small_certificate()
    assert certificate.singlet_value() == Fraction(0.70703125) * 4
    assert certificate.verify()
    assert certificate.visibility == pytest.approx(np.sqrt(0.5), abs=2e-4)


def test_false_claims_are_refused(tmp_path):
    certificate = small_certificate()
    bound = dataclasses.replace(certificate.inequality.bound, value=1.0)
    low = dataclasses.replace(certificate, inequality=BellInequality(certificate.inequality.expression, bound))
    assert low.verify(prove_bound=False).refuted
    assert low.verify().refuted
    other = dataclasses.replace(certificate.inequality.bound, strategy=np.array([1, 1, 0, 0]))
    unreached = BellInequality(certificate.inequality.expression, other)
    assert dataclasses.replace(certificate, inequality=unreached).verify().refuted
    assert not dataclasses.replace(certificate, first_axes=certificate.first_axes * 1.0000001).verify()
    assert not dataclasses.replace(certificate, second_axes=-certificate.second_axes).verify()
    marginals = np.zeros((3, 3))
    marginals[1:, 1:] = [[1, 1], [1, -1]]
    marginals[1, 0] = 2
    other = BellInequality.of(BellExpression.from_correlators(marginals))
    assert not dataclasses.replace(certificate, inequality=other).verify()
    refused = dataclasses.replace(certificate, symmetries=np.array([[2, 1, 1, 2]])).verify()
    assert not refused
    assert "symmetries" in refused.reason
    no_maps = np.empty((0, 4))
    assert not dataclasses.replace(certificate, inequality=other, symmetries=no_maps).verify(prove_bound=False)
    with pytest.raises(CertificateError, match="symmetries"):
        dataclasses.replace(certificate, symmetries=np.array([[2, 1, 1]]))
    with pytest.raises(CertificateError, match="axes"):
        dataclasses.replace(certificate, first_axes=np.eye(3), symmetries=np.empty((0, 5)))
    certificate.save(tmp_path / "chsh.npz")
    assert WernerInequality.load(tmp_path / "chsh.npz") == certificate


def test_symmetries_do_not_change_the_proven_bound(script):
    rng = np.random.default_rng(6)
    for _ in range(5):
        matrix, maps = symmetric_matrix(script, rng)
        coefficients = matrix[:, :, None, None] * SIGNS
        plain = exact_local_bound(coefficients)
        assert exact_local_bound(coefficients, maps) == plain == local_bound(BellExpression(coefficients)).value
        swapped = [maps[k][::-1] for k in range(2)]
        assert exact_local_bound(coefficients.transpose(1, 0, 3, 2), swapped) == plain
        wrong = matrix.copy()
        wrong[3, 4] += 1
        with pytest.raises(ScenarioError, match="symmetries"):
            exact_local_bound(wrong[:, :, None, None] * SIGNS, maps)


def test_search_of_few_axes_finds_a_proven_inequality(script):
    group = script.icosahedral_group()
    assert group.shape == (60, 3, 3)
    five, three, two = (script.orbit(group, axis) for axis in ((0, 1, script.GOLDEN), (1, 1, 1), (0, 0, 1)))
    search = script.Search(group, np.concatenate([five, two]), np.concatenate([five, three, two]), 1)
    reached = search.run(3)
    certificate = script.certified(search, group)
    assert certificate.verify()
    assert certificate.visibility == pytest.approx(reached, abs=2e-3)
    assert certificate.visibility < 0.7071
