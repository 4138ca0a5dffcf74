"""One party lists its strategies and another answers best: the form that the exact solvers work on."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ..._support.types import IntArray

__all__ = ["AnswerForm"]


@dataclass(frozen=True)
class AnswerForm:
    """A maximum over strategies of the listed party, each with the best answers of the other, in integers.

    The listed party takes one option in every step. The options taken add up to a vector r, whose score is
    ``sum_y |r_y|`` (``num_answers == 1``) or ``sum_y max_b r_by`` with r of shape ``(num_answers, m)``,
    flattened. The Bell expression is ``(constant + factor * score) / divisor``, an integer.

    A party with two outcomes answers by a sign, so its part is an absolute value. If both have two
    outcomes and only full correlators count, flipping all outcomes changes nothing: then the first
    step has one option instead of two. Marginals take one more step with one option, and one more row
    that is large enough never to change its sign.
    """

    steps: tuple[IntArray, ...]
    """Options of each step, shape ``(num_options, width)``; the settings come last, in their order."""
    num_answers: int
    """Number of outcomes of the answering party, or 1 for absolute values."""
    constant: int
    factor: int
    divisor: int
    num_extra: int
    """Number of steps before the first setting."""

    @classmethod
    def of(cls, integers: IntArray, num_outcomes: Sequence[int] | None = None) -> AnswerForm:
        """The form of a two-party expression.

        Args:
            integers: Coefficients, shape ``(m_A, d_A, m_B, d_B)``, A listed, B answering, whose
                absolute values sum to less than 2**58. Padding repeats each setting's last outcome.
            num_outcomes: Number of outcomes of each of A's settings; default: d_A.
        """
        form = cls._of_all(integers)
        if num_outcomes is None:
            return form
        extra = form.steps[: form.num_extra]
        settings = zip(form.steps[form.num_extra :], num_outcomes, strict=True)
        return replace(form, steps=(*extra, *(step[:count] for step, count in settings)))

    @classmethod
    def _of_all(cls, integers: IntArray) -> AnswerForm:
        num_settings, num_outcomes, _, num_answers = integers.shape
        if num_answers != 2:
            rows = integers.transpose(0, 1, 3, 2).reshape(num_settings, num_outcomes, -1)
            return cls._divided([*rows], num_answers, 0, 1, 0)
        signed = integers[..., 0] - integers[..., 1]
        plain = integers.sum(axis=(2, 3))
        if num_outcomes != 2:
            # Twice the value; the row of marginals is shifted to be nowhere negative.
            lowest = plain.min(axis=1, keepdims=True)
            rows = np.concatenate([signed, (plain - lowest)[:, :, None]], axis=2)
            return cls._divided([*rows], 1, int(lowest.sum()), 2, 0)
        # Four times the value: even and odd parts under a flip of the listed party's outcome.
        offset = signed.sum(axis=(0, 1))
        odd = signed[:, 0] - signed[:, 1]
        tilt = plain[:, 0] - plain[:, 1]
        constant = int(plain.sum())
        if not offset.any() and not tilt.any():
            return cls._divided([odd[0][None], *(np.stack([row, -row]) for row in odd[1:])], 1, constant, 4, 0)
        large = int(np.abs(tilt).sum())
        rows = np.concatenate([odd, tilt[:, None]], axis=1)
        base = np.append(offset, large)
        return cls._divided([base[None], *(np.stack([row, -row]) for row in rows)], 1, constant - large, 4, 1)

    @classmethod
    def _divided(
        cls, steps: list[IntArray], num_answers: int, constant: int, divisor: int, num_extra: int
    ) -> AnswerForm:
        """The form without a common factor and without columns that are zero."""
        factor = int(np.gcd.reduce([np.gcd.reduce(step, axis=None) for step in steps])) or 1
        steps = [step // factor for step in steps]
        if num_answers == 1:
            used = np.any([step.any(axis=0) for step in steps], axis=0)
            used[0] = True
            steps = [np.ascontiguousarray(step[:, used]) for step in steps]
        return cls(tuple(steps), num_answers, constant, factor, divisor, num_extra)

    @property
    def width(self) -> int:
        """Length of the vector r."""
        return int(self.steps[0].shape[1])

    @property
    def num_strategies(self) -> int:
        """Number of ways to take the steps."""
        return math.prod(len(step) for step in self.steps)

    @property
    def work(self) -> int:
        """Number of integers that an enumeration adds up."""
        return self.num_strategies * self.width

    @property
    def limit(self) -> int:
        """No sum that a solver forms exceeds this in absolute value."""
        return sum(int(np.abs(step).max(axis=0).sum()) for step in self.steps)

    @property
    def dtype(self) -> np.dtype:
        """The smallest integer type in which nothing overflows."""
        return next(np.dtype(t) for t in (np.int16, np.int32, np.int64) if 2 * self.limit <= np.iinfo(t).max)

    def scores(self, sums: NDArray[np.integer]) -> NDArray[np.integer]:
        """Scores of vectors r given as columns, shape ``(width, K)``; ``sums`` may be overwritten."""
        if self.num_answers == 1:
            np.abs(sums, out=sums)
        else:
            sums = sums.reshape(self.num_answers, -1, sums.shape[1]).max(axis=0)
        return np.add.reduce(sums, axis=0, dtype=sums.dtype)

    def value(self, score: int) -> int:
        """Value of the expression for a score."""
        return (self.constant + self.factor * score) // self.divisor
