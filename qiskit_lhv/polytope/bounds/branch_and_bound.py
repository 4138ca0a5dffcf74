"""Branch and bound over the strategies of one party, exact, with whole fronts of nodes at once."""

from __future__ import annotations

import copy
import math
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..._support.checkpoints import ArrayCheckpoint
from ..._support.deadlines import NO_LIMIT, Deadline
from ..._support.interruptions import Interruption, postponed_interruptions
from ..._support.types import IntArray
from ...sweeps.pools import TaskPool
from .integer_form import AnswerForm

__all__ = ["BranchAndBound"]

Vector = NDArray[np.integer]
Front = tuple[int, NDArray[np.integer]]

_FRONT_NODES = 1 << 13
# One entry of a node costs about as much as this number of additions in an enumeration.
_WORK_PER_ENTRY = 20
# Below this amount of work, the growth from step to step is too uncertain to extrapolate.
_MEASURABLE = 10**8
_FAR_BEYOND = 1000
_ENOUGH_TO_TRUST = 5 * 10**9
# A tree that is not done after so many nodes is spread over workers, which get so many nodes at a time.
_NODES_BEFORE_SPREADING = 1 << 18
_NODES_PER_SUBTREE = 1 << 12


@dataclass
class _Tree:
    """The search for the best score of the last steps alone: what is known, and the fronts that are left."""

    first: int
    """The first of these steps."""
    best: int
    """The best score so far."""
    vector: Vector | None
    """A vector of this score; ``None`` for the score of the known strategy."""
    stack: list[Front]
    """The next step, and nodes as columns."""
    work_before: float
    """Work that had been done before this tree."""


class BranchAndBound:
    """The best score of a form, by deciding one step after the other.

    The score of a sum of vectors is at most the sum of their scores. So the score of the first steps plus the best
    score of the remaining steps alone is an upper bound for every completion. The best scores of the last 1, 2, 3, ...
    steps alone are found first, each with the help of those before (a "Russian doll" search).

    Args:
        form: The form.
        lower: Score of a known strategy.
    """

    def __init__(self, form: AnswerForm, lower: int) -> None:
        self._form = form
        self._lower = lower
        # Heaviest steps first; a step without a choice stays before them.
        weights = np.array([int(np.abs(step).max(axis=0).sum()) for step in form.steps])
        fixed = np.array([len(step) == 1 for step in form.steps])
        order = np.lexsort((-weights, ~fixed))
        # Options and nodes are columns, so that sums run along contiguous rows.
        self._steps = [np.ascontiguousarray(form.steps[i].astype(form.dtype).T) for i in order]
        # Then a vector and its negative have the same score, and lie in the same set of sums.
        self._even = form.num_answers == 1 and all(
            len(step) == 1 or (len(step) == 2 and np.array_equal(step[0], -step[1])) for step in form.steps
        )
        self._tails = [0]
        self._vector: Vector = np.zeros(form.width, dtype=form.dtype)
        self._work: list[float] = []
        self._max_work = math.inf
        self.num_nodes = 0
        """Number of nodes visited."""

    @property
    def work(self) -> float:
        """Work done so far, counted in additions of 16-bit integers as an enumeration does them."""
        return self._work_of(self.num_nodes)

    def _work_of(self, num_nodes: int) -> float:
        return num_nodes * self._form.width * self._form.dtype.itemsize / 2 * _WORK_PER_ENTRY

    def run(
        self,
        deadline: Deadline = NO_LIMIT,
        patience: float = math.inf,
        max_work: float = math.inf,
        *,
        file: ArrayCheckpoint | None = None,
        pool: TaskPool | None = None,
    ) -> tuple[int, IntArray | None] | None:
        """Searches until the best score is proven.

        Args:
            deadline: Time at which the search gives up.
            patience: The search gives up if, by extrapolation, it still needs more work than this.
            max_work: The search gives up when it has done more work than this.
            file: Where the state is kept. If it exists, the search goes on from it.
            pool: Workers that take subtrees; default: none.

        Returns:
            The best score and the option of each step (``None`` if no strategy is better than the known one), or
            ``None`` if it gave up.
        """
        self._max_work = max_work
        tree = None if file is None else self._restored(file)
        for first in range(len(self._steps) - 1 - len(self._work), -1, -1):
            # Extrapolation from little work is too pessimistic, so it is trusted only when it is far beyond.
            expected, spent = self.expected_work(), sum(self._work)
            trusted = spent > max(_ENOUGH_TO_TRUST, patience / 100)
            if expected > _FAR_BEYOND * patience or (expected > patience and trusted):
                return None
            if tree is None:
                tree = self._begun(first)
            if not self._solve(tree, deadline, file, pool):
                return None
            if first == 0:
                return tree.best, None if tree.vector is None else self._choices(tree.vector)
            assert tree.vector is not None
            self._tails.append(tree.best)
            self._vector = tree.vector
            self._work.append(self.work - tree.work_before)
            tree = None
        raise AssertionError("a form has at least one step")

    def _begun(self, first: int) -> _Tree:
        """The tree of the steps from ``first`` on, with the best continuation of the best of the later ones."""
        candidates = self._vector[:, None] + self._steps[first]
        scores = self._form.scores(candidates.copy())
        best, vector = int(scores.max()), candidates[:, int(scores.argmax())]
        root = self._steps[first]
        tree = _Tree(first, best, vector, [(first + 1, root[:, :1] if self._even else root)], self.work)
        if first == 0 and self._lower >= best:
            tree.best, tree.vector = self._lower, None
        return tree

    def expected_work(self) -> float:
        """The work that is left, if each further step multiplies it as the last few did."""
        recent = [max(work, 1.0) for work in self._work[-6:]]
        if len(recent) < 6 or recent[-1] < _MEASURABLE:
            return 0.0
        growth = max(1.0, (recent[-1] / recent[0]) ** (1 / 5))
        remaining = len(self._steps) - len(self._work)
        logarithm = math.log(recent[-1]) + remaining * math.log(growth)
        return math.exp(min(logarithm, 700.0))

    def _solve(
        self, tree: _Tree, deadline: Deadline, file: ArrayCheckpoint | None = None, pool: TaskPool | None = None
    ) -> bool:
        """Searches a tree to its end; returns whether there was time for it."""
        start = self.num_nodes
        with nullcontext(Interruption()) if file is None else postponed_interruptions() as interruption:
            while tree.stack:
                if file is not None and (file.due or interruption.pending):
                    file.save_arrays(self._state(tree))
                interruption.end_if_pending()
                if deadline.over or self._work_of(self.num_nodes + tree.stack[-1][1].shape[1]) > self._max_work:
                    break
                if pool is None or self.num_nodes - start <= _NODES_BEFORE_SPREADING:
                    self._step(tree)
                    continue
                try:
                    in_time = self._spread(tree, deadline, pool, interruption)
                except (KeyboardInterrupt, SystemExit):
                    # The tree is still the one before.
                    if file is not None and interruption.pending:
                        file.save_arrays(self._state(tree))
                    raise
                if not in_time:
                    break
            if tree.stack and file is not None:
                file.save_arrays(self._state(tree))
        return not tree.stack

    def _step(self, tree: _Tree) -> None:
        """Takes the last front from the stack, and puts there what it branches into."""
        form, total = self._form, len(self._steps)
        step, nodes = tree.stack.pop()
        self.num_nodes += nodes.shape[1]
        if step < total:
            nodes = (nodes[:, :, None] + self._steps[step][:, None, :]).reshape(form.width, -1)
            step += 1
        scores = form.scores(nodes.copy())
        if step == total:
            top = int(scores.argmax())
            if scores[top] > tree.best:
                tree.best, tree.vector = int(scores[top]), nodes[:, top].copy()
            return
        # Completions of a node reach at most its score plus the best of the remaining steps alone.
        kept = np.flatnonzero(scores > tree.best - self._tails[total - step])
        # The most promising come last, and so leave the stack first.
        kept = kept[np.argsort(scores[kept], kind="stable")]
        tree.stack += [
            (step, nodes[:, kept[start : start + _FRONT_NODES]]) for start in range(0, len(kept), _FRONT_NODES)
        ]

    # Subtrees on workers

    def _spread(self, tree: _Tree, deadline: Deadline, pool: TaskPool, interruption: Interruption) -> bool:
        """Has workers search the most promising nodes that are left; returns whether they did it in time.

        They go in rounds, so that later ones know what earlier ones have found. If a round ends early, the tree is the
        one before it, with what is finished left out.
        """
        number = 4 * pool.waiting
        fronts: list[Front] = []
        kept = len(tree.stack)
        while kept and len(fronts) < number:
            kept -= 1
            step, nodes = tree.stack[kept]
            parts = [
                (step, nodes[:, start : start + _NODES_PER_SUBTREE])
                for start in range(0, nodes.shape[1], _NODES_PER_SUBTREE)
            ]
            fronts += parts[::-1]
        left = fronts[number:]
        grid: list[dict[str, Any]] = [
            {"search": self, "tree": _Tree(tree.first, tree.best, None, [front], 0.0), "end": deadline.moment}
            for front in fronts[:number]
        ]
        with interruption.at_once():
            found = pool.map(_search_subtree, grid)
        # From here on, a first signal waits.
        for front, (best, vector, num_nodes, finished) in zip(fronts[:number], found, strict=True):
            self.num_nodes += num_nodes
            if vector is not None and best > tree.best:
                tree.best, tree.vector = best, vector
            if not finished:
                left.append(front)
        in_time = len(left) == len(fronts[number:])
        tree.stack[kept:] = left[::-1]
        return in_time

    def searched(self, tree: _Tree, end: float | None) -> tuple[int, Vector | None, int, bool]:
        """What a worker finds in a subtree: best score and vector, number of nodes, and whether it was finished."""
        before = self.num_nodes
        finished = self._solve(tree, NO_LIMIT if end is None else Deadline.until(end))
        return tree.best, tree.vector, self.num_nodes - before, finished

    # What a checkpoint holds

    def _state(self, tree: _Tree) -> dict[str, NDArray[Any]]:
        nodes = [front for _, front in tree.stack]
        return {
            "numbers": np.array([self.num_nodes, tree.first, tree.best], dtype=np.int64),
            "work": np.array([tree.work_before, *self._work], dtype=np.float64),
            "tails": np.array(self._tails, dtype=np.int64),
            "tail_vector": self._vector,
            "vector": self._vector[:0] if tree.vector is None else tree.vector,
            "steps": np.array([step for step, _ in tree.stack], dtype=np.int64),
            "sizes": np.array([front.shape[1] for front in nodes], dtype=np.int64),
            "nodes": np.concatenate(nodes, axis=1) if nodes else np.zeros((self._form.width, 0), self._form.dtype),
        }

    def _restored(self, file: ArrayCheckpoint) -> _Tree | None:
        """The tree that a file holds, after the state around it has been restored; ``None`` without a file."""
        arrays = file.load_arrays()
        if arrays is None:
            return None
        try:
            num_nodes, first, best = arrays["numbers"].tolist()
            work_before, *work = arrays["work"].tolist()
            fronts = np.split(arrays["nodes"], np.cumsum(arrays["sizes"])[:-1], axis=1)
            steps, tails = arrays["steps"].tolist(), arrays["tails"].tolist()
            vector = arrays["vector"] if len(arrays["vector"]) else None
            if len(work) != len(self._steps) - 1 - first or len(tails) != len(work) + 1:
                raise ValueError("the steps do not fit")
            self._tails, self._work, self.num_nodes = tails, work, num_nodes
            self._vector = arrays["tail_vector"]
            stack = list(zip(steps, fronts, strict=True)) if steps else []
        except (KeyError, ValueError) as exc:
            raise file.refused("a checkpoint of such a search", "another file") from exc
        return _Tree(first, best, vector, stack, work_before)

    def _choices(self, vector: Vector) -> IntArray:
        """Options that reach the score of a vector: the best ones for the answers that suit the vector."""
        form = self._form
        if form.num_answers == 1:
            answers = np.where(vector >= 0, 1, -1)
        else:
            table = vector.reshape(form.num_answers, -1)
            answers = (np.arange(form.num_answers)[:, None] == table.argmax(axis=0)).ravel()
        return np.array([(step * answers).sum(axis=1).argmax() for step in form.steps])


def _search_subtree(search: BranchAndBound, tree: _Tree, end: float | None) -> tuple[int, Vector | None, int, bool]:
    """The task of a worker, which counts on its own: threads share the search."""
    return copy.copy(search).searched(tree, end)
