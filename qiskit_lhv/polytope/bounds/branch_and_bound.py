"""Branch and bound over the strategies of one party, exact, with whole fronts of nodes at once."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from ..._support.deadlines import NO_LIMIT, Deadline
from ..._support.types import IntArray
from .integer_form import AnswerForm

__all__ = ["BranchAndBound"]

Vector = NDArray[np.integer]

_FRONT_NODES = 1 << 13
# One entry of a node costs about as much as this number of additions in an enumeration.
_WORK_PER_ENTRY = 20
# Below this amount of work, the growth from step to step is too uncertain to extrapolate.
_MEASURABLE = 10**8
_FAR_BEYOND = 1000
_ENOUGH_TO_TRUST = 5 * 10**9


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
        return self.num_nodes * self._form.width * self._form.dtype.itemsize / 2 * _WORK_PER_ENTRY

    def run(
        self, deadline: Deadline = NO_LIMIT, patience: float = math.inf, max_work: float = math.inf
    ) -> tuple[int, IntArray | None] | None:
        """Searches until the best score is proven.

        Args:
            deadline: Time at which the search gives up.
            patience: The search gives up if, by extrapolation, it still needs more work than this.
            max_work: The search gives up when it has done more work than this.

        Returns:
            The best score and the option of each step (``None`` if no strategy is better than the known one), or
            ``None`` if it gave up.
        """
        self._max_work = max_work
        for first in range(len(self._steps) - 1, -1, -1):
            # Extrapolation from little work is too pessimistic, so it is trusted only when it is far beyond.
            expected, spent = self.expected_work(), sum(self._work)
            trusted = spent > max(_ENOUGH_TO_TRUST, patience / 100)
            if expected > _FAR_BEYOND * patience or (expected > patience and trusted):
                return None
            before = self.work
            candidates = self._vector[:, None] + self._steps[first]
            scores = self._form.scores(candidates.copy())
            best, vector = int(scores.max()), candidates[:, int(scores.argmax())]
            if first == 0 and self._lower >= best:
                best, vector = self._lower, None
            result = self._solve(first, best, vector, deadline)
            if result is None:
                return None
            best, vector = result
            if first == 0:
                return best, None if vector is None else self._choices(vector)
            self._tails.append(best)
            self._vector = vector
            self._work.append(self.work - before)
        raise AssertionError("a form has at least one step")

    def expected_work(self) -> float:
        """The work that is left, if each further step multiplies it as the last few did."""
        recent = [max(work, 1.0) for work in self._work[-6:]]
        if len(recent) < 6 or recent[-1] < _MEASURABLE:
            return 0.0
        growth = max(1.0, (recent[-1] / recent[0]) ** (1 / 5))
        remaining = len(self._steps) - len(self._work)
        logarithm = math.log(recent[-1]) + remaining * math.log(growth)
        return math.exp(min(logarithm, 700.0))

    def _solve(self, first: int, best: int, vector: Vector | None, deadline: Deadline) -> tuple[int, Vector] | None:
        """The best score of the steps from ``first`` on, and its vector; those given if none is better."""
        form, total = self._form, len(self._steps)
        root = self._steps[first]
        # A stack of fronts: the next step, and nodes as columns.
        stack = [(first + 1, root[:, :1] if self._even else root)]
        while stack:
            step, nodes = stack.pop()
            self.num_nodes += nodes.shape[1]
            if deadline.over or self.work > self._max_work:
                return None
            if step < total:
                nodes = (nodes[:, :, None] + self._steps[step][:, None, :]).reshape(form.width, -1)
                step += 1
            scores = form.scores(nodes.copy())
            if step == total:
                top = int(scores.argmax())
                if scores[top] > best:
                    best, vector = int(scores[top]), nodes[:, top].copy()
                continue
            # Completions of a node reach at most its score plus the best of the remaining steps alone.
            kept = np.flatnonzero(scores > best - self._tails[total - step])
            # The most promising come last, and so leave the stack first.
            kept = kept[np.argsort(scores[kept], kind="stable")]
            stack += [
                (step, nodes[:, kept[start : start + _FRONT_NODES]]) for start in range(0, len(kept), _FRONT_NODES)
            ]
        return best, vector  # type: ignore[return-value]  # None only for the whole form

    def _choices(self, vector: Vector) -> IntArray:
        """Options that reach the score of a vector: the best ones for the answers that suit the vector."""
        form = self._form
        if form.num_answers == 1:
            answers = np.where(vector >= 0, 1, -1)
        else:
            table = vector.reshape(form.num_answers, -1)
            answers = (np.arange(form.num_answers)[:, None] == table.argmax(axis=0)).ravel()
        return np.array([(step * answers).sum(axis=1).argmax() for step in form.steps])
