import numpy as np
import pytest
from qiskit.quantum_info import Statevector
from qiskit_lhv import Behavior, chsh, local_bound, measurement, nonlocality_threshold
from qiskit_lhv.exceptions import ScenarioError
from qiskit_lhv.polytope import FullCorrelatorBound, cglmp, chained, elegant, i3322, mermin, wwzb


def test_local_bounds():
    # Textbook values; for I3322 see reference_values.md.
    assert local_bound(i3322()).value == 0
    assert local_bound(elegant()).value == 6
    assert [local_bound(chained(m)).value for m in (2, 3, 5)] == [2, 4, 8]
    assert [local_bound(cglmp(d)).value for d in (2, 3, 4, 5)] == pytest.approx([2] * 4, abs=1e-12)
    assert local_bound(cglmp(3)).value == 2


def test_i3322_has_the_collins_gisin_rows_of_the_literature():
    rows = [[0, -1, 0, 0], [-2, 1, 1, 1], [-1, 1, 1, -1], [0, 1, -1, 0]]
    np.testing.assert_array_equal(i3322().to_collins_gisin(), rows)


def test_elegant_value_of_tetrahedron_against_orthogonal_axes():
    # 4 sqrt(3), N. Gisin, arXiv:quant-ph/0702021.
    corners = np.array([[1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]]) / np.sqrt(3)
    # The Bell state |00> + |11> turns Y into -Y.
    behavior = Behavior.from_state(Statevector([1, 0, 0, 1]) / np.sqrt(2), [["X", "Y", "Z"], corners * [1, -1, 1]])
    assert elegant().value(behavior) == pytest.approx(4 * np.sqrt(3))


def test_chained_value_of_equally_spaced_directions():
    # 2 m cos(pi / 2 m), S. Wehner, arXiv:quant-ph/0510076.
    for m in (2, 3, 6):
        angles = np.arange(2 * m) * np.pi / (2 * m)
        vectors = np.stack([np.sin(angles), 0 * angles, np.cos(angles)], axis=1)
        behavior = Behavior.from_state(Statevector([1, 0, 0, 1]) / np.sqrt(2), [vectors[::2], vectors[1::2]])
        assert chained(m).value(behavior) == pytest.approx(2 * m * np.cos(np.pi / (2 * m)))


def qutrit_pair():
    """The maximally entangled qutrits with the settings of arXiv:quant-ph/0106024."""
    k = np.arange(3)
    settings = [
        [measurement(basis=np.exp(2j * np.pi / 3 * np.outer(k, k * sign + shift)) / np.sqrt(3)) for shift in shifts]
        for sign, shifts in ((1, (0, 0.5)), (-1, (0.25, -0.25)))
    ]
    return Behavior.from_state(Statevector(np.eye(3).ravel() / np.sqrt(3), dims=(3, 3)), settings)


def test_cglmp_noise_resistance_of_qutrits():
    # D. Collins et al., arXiv:quant-ph/0106024: I3 = 2.87293, nonlocal down to 0.69615.
    behavior = qutrit_pair()
    best = max(cglmp(3).relabel(settings=[s, t]).value(behavior) for s in ([0, 1], [1, 0]) for t in ([0, 1], [1, 0]))
    assert best == pytest.approx(2.87293, abs=1e-5)
    assert 2 / best == pytest.approx(0.69615, abs=1e-5)
    threshold = nonlocality_threshold(behavior)
    assert threshold.upper == pytest.approx(2 / best, abs=1e-8)


def test_families_refuse_nonsense():
    for make, name in ((cglmp, "num_outcomes"), (chained, "num_settings"), (mermin, "num_parties")):
        for bad in (1, 2.5, (2, 2)):
            with pytest.raises(ScenarioError, match=name):
                make(bad)


def test_wwzb_of_two_parties_is_the_largest_chsh_form():
    rng = np.random.default_rng(0)
    for _ in range(20):
        table = rng.uniform(-1, 1, size=(2, 2))
        behavior = Behavior.from_correlators(table, marginals=False)
        forms = [sign * chsh((x, y)).value(behavior) for x in (0, 1) for y in (0, 1) for sign in (1, -1)]
        # The other inequalities of this scenario bound single correlators.
        largest = max(max(forms) / 2, np.abs(table).max())
        assert wwzb(table).value == pytest.approx(largest)


def test_wwzb_agrees_with_the_linear_program():
    rng = np.random.default_rng(1)
    for _ in range(5):
        table = rng.uniform(-1, 1, size=(2, 2, 2))
        bound = wwzb(table)
        threshold = nonlocality_threshold(Behavior.from_correlators(table, marginals=False))
        assert bound.visibility == pytest.approx(min(1, threshold.upper), abs=1e-7)


def test_wwzb_expression_has_local_bound_one_and_the_value():
    table = np.random.default_rng(2).uniform(-1, 1, size=(2, 2, 2))
    bound = wwzb(table)
    expression = bound.expression()
    assert local_bound(expression).value == 1
    assert expression.value(Behavior.from_correlators(table, marginals=False)) == pytest.approx(bound.value)


def test_wwzb_of_ghz_grows_as_mermin():
    for n in (3, 5, 20):
        ones = np.indices((2,) * n, sparse=True)
        correlators = np.array([1.0, 0.0, -1.0, 0.0])[sum(ones) % 4]
        bound = wwzb(correlators)
        assert bound.value == pytest.approx(2 ** ((n - 1) // 2))
        assert bound.visibility == pytest.approx(1 / bound.value)


def test_wwzb_limits_and_evidence(tmp_path):
    local = wwzb(np.full((2, 2), 0.5))
    assert local.visibility == 1
    assert local.verify()
    assert not FullCorrelatorBound(local.value + 1e-6, local.signs, local.correlators).verify()
    local.save(tmp_path / "bound.json")
    assert FullCorrelatorBound.load(tmp_path / "bound.json") == local
    for bad in (np.zeros((2, 3)), np.zeros(()), np.full((2, 2), 1.1), np.zeros((2,) * 21)):
        with pytest.raises(ScenarioError, match="correlators"):
            wwzb(bad)
    with pytest.raises(ScenarioError, match="13 parties"):
        wwzb(np.zeros((2,) * 13)).expression()
