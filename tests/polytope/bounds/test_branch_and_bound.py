import os
import signal
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from qiskit_lhv import BellExpression, local_bound
from qiskit_lhv._support.checkpoints import ArrayCheckpoint
from qiskit_lhv.exceptions import CertificateError
from qiskit_lhv.polytope.bounds import branch_and_bound, exact_search
from qiskit_lhv.polytope.bounds.branch_and_bound import BranchAndBound
from qiskit_lhv.polytope.bounds.enumeration import enumerate_form
from qiskit_lhv.polytope.bounds.integer_form import AnswerForm
from qiskit_lhv.sweeps.pools import TaskPool


class Looks:
    """A deadline that is over after so many looks at it."""

    def __init__(self, number):
        self.number = number

    @property
    def over(self):
        self.number -= 1
        return self.number < 0


@pytest.fixture
def small_fronts(monkeypatch):
    monkeypatch.setattr(branch_and_bound, "_FRONT_NODES", 16)
    monkeypatch.setattr(branch_and_bound, "_NODES_BEFORE_SPREADING", 200)
    monkeypatch.setattr(branch_and_bound, "_NODES_PER_SUBTREE", 4)
    monkeypatch.setattr(exact_search, "_QUICK_WORK", 0)


def form_of(shape, seed):
    coefficients = np.random.default_rng(seed).integers(-9, 10, size=shape)
    if len(shape) == 2:
        coefficients = BellExpression.from_correlators(coefficients.astype(float), marginals=False).coefficients
        coefficients = coefficients.astype(np.int64)
    return AnswerForm.of(coefficients.transpose(0, 2, 1, 3))


@pytest.mark.parametrize("shape", [(14, 15), (7, 6, 3, 3)])
def test_a_search_that_is_cut_again_and_again_ends_as_if_it_were_not(shape, small_fronts, tmp_path):
    form = form_of(shape, 1)
    whole = BranchAndBound(form, -1)
    score, choices = whole.run()
    assert score == enumerate_form(form, -1)[0]
    file, result, rounds = ArrayCheckpoint(tmp_path / "tree.npz", "this"), None, 0
    while result is None:
        search = BranchAndBound(form, -1)
        result = search.run(Looks(7), file=file)
        rounds += 1
    assert rounds > 3
    assert result[0] == score
    assert np.array_equal(result[1], choices)
    assert search.num_nodes == whole.num_nodes
    assert search.work == whole.work


@pytest.mark.parametrize("shape", [(14, 15), (7, 6, 3, 3)])
def test_subtrees_on_workers_give_the_same_bound(shape, small_fronts):
    form = form_of(shape, 2)
    score, _, _ = enumerate_form(form, -1)
    with ThreadPoolExecutor(2) as threads, TaskPool(threads) as pool:
        search = BranchAndBound(form, -1)
        found, choices = search.run(pool=pool)
        assert found == score
        total = np.sum([step[choice] for step, choice in zip(form.steps, choices, strict=True)], axis=0)
        assert form.scores(total[:, None].astype(form.dtype))[0] == score
        assert BranchAndBound(form, score).run(pool=pool) == (score, None)
        assert BranchAndBound(form, -1).run(max_work=search.work / 2, pool=pool) is None


def test_what_workers_have_finished_is_kept(small_fronts, tmp_path, monkeypatch):
    form = form_of((14, 15), 2)
    score, _, _ = enumerate_form(form, -1)
    file, rounds, result, spread = ArrayCheckpoint(tmp_path / "tree.npz", "this"), 0, None, TaskPool.map
    monkeypatch.setattr(branch_and_bound, "_NODES_BEFORE_SPREADING", 0)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    left = []

    def stopped(self, function, grid, progress=False):
        left.append(len(grid))
        found = spread(self, function, grid, progress)
        if len(left) % 3 == 0:
            os.kill(os.getpid(), signal.SIGINT)
        if len(left) % 3 == 1:
            # As if the time had been over.
            found = [(*one[:3], False) for one in found]
        return found

    monkeypatch.setattr(TaskPool, "map", stopped)
    interrupted = 0
    try:
        with TaskPool(None) as pool:
            while result is None:
                rounds += 1
                try:
                    result = BranchAndBound(form, -1).run(file=file, pool=pool)
                except KeyboardInterrupt:
                    interrupted += 1
                assert file.load_arrays() is not None
                assert rounds < 2000
    finally:
        signal.signal(signal.SIGINT, before)
    assert result[0] == score
    assert interrupted > 1
    assert rounds > interrupted + 1


def test_bounds_with_checkpoint_and_workers(small_fronts, tmp_path, monkeypatch):
    matrix = np.random.default_rng(4).integers(-9, 10, size=(13, 13)).astype(float)
    expression = BellExpression.from_correlators(matrix, marginals=False)
    whole, file = local_bound(expression), tmp_path / "bound.npz"
    assert whole.exact
    with ThreadPoolExecutor(2) as threads:
        assert local_bound(expression, executor=threads).value == whole.value
    step, calls = BranchAndBound._step, []

    def interrupted(self, tree):
        calls.append(tree)
        if len(calls) == 15:
            os.kill(os.getpid(), signal.SIGINT)
        step(self, tree)

    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with monkeypatch.context() as patch:
            patch.setattr(BranchAndBound, "_step", interrupted)
            with pytest.raises(KeyboardInterrupt):
                local_bound(expression, checkpoint=file)
    finally:
        signal.signal(signal.SIGINT, before)
    assert file.exists()
    assert local_bound(expression, checkpoint=file) == whole
    other = BellExpression.from_correlators(matrix + 1, marginals=False)
    with pytest.raises(CertificateError, match="one of another target"):
        local_bound(other, checkpoint=file)
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    with pytest.raises(CertificateError, match="damaged"):
        local_bound(expression, checkpoint=file)
