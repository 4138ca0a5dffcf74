"""The default budget of work of searches by conditional gradients."""

import numpy as np
from qiskit.quantum_info import random_density_matrix
from qiskit_lhv import Behavior, certify_all_projective, nonlocality_threshold, werner_state
from qiskit_lhv.projective import ProofSearch
from qiskit_lhv.projective.certificates import certify as module_of_proofs

STATE = random_density_matrix([2, 2], rank=3, seed=1)


def proof(**options):
    return certify_all_projective(STATE, directions=16, seed=1, progress=False, **options)


def test_work_ends_a_search_without_a_limit(monkeypatch):
    monkeypatch.setattr(module_of_proofs, "WORK_OF_A_MINUTE", 500)
    short = proof()
    assert short.verify()
    assert 0 < short.visibility < proof(search=ProofSearch(max_calls=100)).visibility


def test_the_budget_is_the_same_work_each_time(monkeypatch):
    monkeypatch.setattr(module_of_proofs, "WORK_OF_A_MINUTE", 500)
    assert proof().visibility == proof().visibility


def test_thresholds_of_many_settings_end(monkeypatch):
    from qiskit_lhv.polytope.thresholds import visibility as module

    monkeypatch.setattr(module, "WORK_OF_A_MINUTE", 200)
    vectors = np.random.default_rng(1).normal(size=(24, 3))
    axes = list(vectors / np.linalg.norm(vectors, axis=1)[:, None])
    found = nonlocality_threshold(Behavior.from_state(werner_state(1), [axes, axes]), progress=False)
    assert found.verify(prove_bound=False).refuted is False
    assert found.lower < found.upper
