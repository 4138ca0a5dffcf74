import dataclasses
import sys

import numpy as np
import pytest
from qiskit_lhv import Behavior, BellExpression, BellInequality, BellScenario, chsh, local_bound
from qiskit_lhv.exceptions import ScenarioError, SolverError
from qiskit_lhv.models.deterministic import enumerate_strategies, strategy_tables
from qiskit_lhv.polytope import FacetList, are_equivalent, cglmp, enumerate_facets, i3322


def rank_of_tight_strategies(facets, index):
    tables = strategy_tables(enumerate_strategies(facets.scenario), facets.scenario)
    values = tables @ facets.coefficients[index].ravel()
    assert values.max() == facets.bounds[index]
    tight = tables[values == facets.bounds[index]]
    return np.linalg.matrix_rank(tight)


def test_chsh_scenario_has_16_positivity_and_8_chsh_facets(tmp_path):
    # A. Fine, Phys. Rev. Lett. 48, 291 (1982).
    facets = enumerate_facets(BellScenario((2, 2), (2, 2)))
    assert len(facets) == 24
    assert facets.class_sizes == (8, 16)
    forms, positivity = facets.representatives()
    assert are_equivalent(forms.expression, chsh())
    assert forms.bound.value == 2
    assert np.count_nonzero(np.abs(positivity.expression.to_correlators()) > 1e-9) == 3
    for index in range(24):
        assert local_bound(facets.expression(index)).value == facets.bounds[index]
        # Tables span 9 dimensions; a facet's vertices span one less.
        assert rank_of_tight_strategies(facets, index) == 8
    facets.save(tmp_path / "facets.npz")
    assert FacetList.load(tmp_path / "facets.npz") == facets


def test_three_settings_give_684_facets_in_3_classes():
    # D. Collins, N. Gisin, arXiv:quant-ph/0306129: 36 positivity, 72 CHSH, 576 I3322.
    facets = enumerate_facets(BellScenario((3, 3), (2, 2)))
    assert facets.class_sizes == (36, 72, 576)
    equivalent = [are_equivalent(one.expression, i3322(), up_to_shift=True) for one in facets.representatives()]
    assert equivalent == [False, False, True]
    assert len({row.tobytes() for row in facets.coefficients}) == 684
    assert rank_of_tight_strategies(facets, 683) == 15


def test_three_outcomes_give_1116_facets():
    # Counted in D. Collins et al.: 36 positivity, 648 CHSH with outcomes merged, 432 CGLMP.
    facets = enumerate_facets(BellScenario((2, 2), (3, 3)))
    assert facets.class_sizes == (36, 324, 324, 432)
    equivalent = [are_equivalent(one.expression, cglmp(3), up_to_shift=True) for one in facets.representatives()]
    assert equivalent == [False, False, False, True]


def test_facets_of_unequal_parties_decide_locality():
    facets = enumerate_facets(BellScenario((3, 2), (2, 2)))
    assert len(facets) == 48
    local = Behavior.white_noise(facets.scenario)
    assert max(facets.expression(i).value(local) - facets.bounds[i] for i in range(48)) < 0
    box = Behavior.from_correlators([[1, 1], [1, -1], [1, 1]], marginals=False)
    assert max(facets.expression(i).value(box) - facets.bounds[i] for i in range(48)) == pytest.approx(2)


def test_large_scenario_is_refused_with_its_size():
    with pytest.raises(ScenarioError, match="256 strategies in 24 dimensions"):
        enumerate_facets(BellScenario((4, 4), (2, 2)))
    with pytest.raises(ScenarioError, match="BellScenario"):
        enumerate_facets((2, 2))


def test_missing_library_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "ppl", None)
    with pytest.raises(SolverError, match=r"qiskit-lhv\[facets\]"):
        enumerate_facets(BellScenario((2, 2), (2, 2)))


@pytest.fixture(scope="module", params=[((2, 2), (2, 2)), ((3, 3), (2, 2)), ((2, 2), (3, 2)), ((2, 3), (2, 3))])
def facets(request):
    return enumerate_facets(BellScenario(*request.param))


def test_facets_are_checked_against_all_strategies(facets):
    check = facets.verify()
    assert check, check.reason
    assert "no others" in check.reason


def test_other_facets_are_refuted(facets):
    for index in (0, len(facets) // 2, len(facets) - 1):
        bounds = facets.bounds.copy()
        bounds[index] += 1
        assert dataclasses.replace(facets, bounds=bounds).verify().refuted
        coefficients = facets.coefficients.copy()
        coefficients[index] *= -1
        assert dataclasses.replace(facets, coefficients=coefficients).verify().refuted
        classes = facets.classes.copy()
        classes[index] = (classes[index] + 1) % (classes.max() + 1)
        assert dataclasses.replace(facets, classes=classes).verify().refuted
        kept = np.arange(len(facets)) != index
        fewer = FacetList(facets.scenario, facets.coefficients[kept], facets.bounds[kept], facets.classes[kept])
        assert fewer.verify().refuted
        again = np.append(np.arange(len(facets)), index)
        more = FacetList(facets.scenario, facets.coefficients[again], facets.bounds[again], facets.classes[again])
        assert more.verify().refuted


def test_a_list_without_a_class_or_with_what_is_no_facet_is_refuted(facets):
    kept = facets.classes != facets.classes.max()
    fewer = FacetList(facets.scenario, facets.coefficients[kept], facets.bounds[kept], facets.classes[kept])
    check = fewer.verify()
    assert check.refuted
    assert "other facets" in check.reason or "no facets" in check.reason
    # The sum of two facets has a bound of its own, but no facet.
    coefficients, bounds = facets.coefficients.copy(), facets.bounds.copy()
    coefficients[0] = coefficients[0] + coefficients[1]
    inequality = BellInequality.of(BellExpression(coefficients[0].astype(float)))
    bounds[0] = inequality.bound.value
    assert dataclasses.replace(facets, coefficients=coefficients, bounds=bounds).verify().refuted


def test_without_the_library_a_list_is_not_re_proven(monkeypatch):
    facets = enumerate_facets(BellScenario((2, 2), (2, 2)))
    monkeypatch.setitem(sys.modules, "ppl", None)
    assert facets.verify().status == "not re-proven"
