"""Enumeration of all strategies of one party, in blocks of partial sums, in the smallest safe integers."""

from __future__ import annotations

import math
import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from ..._support.deadlines import NO_LIMIT, Deadline
from ..._support.types import IntArray
from .integer_form import AnswerForm

__all__ = ["enumerate_form"]


_BLOCK_COLUMNS = 1 << 13
_BLOCK_BYTES = 1 << 26
_THREADED_WORK = 1 << 26
_MAX_THREADS = 8


def enumerate_form(form: AnswerForm, floor: int, deadline: Deadline = NO_LIMIT) -> tuple[int, IntArray | None, bool]:
    """The best score of a form, by adding up every strategy.

    The last steps are added up once, to a table with one column for each of their strategies; every strategy of the
    first steps is then one vector that is added to all columns.

    Args:
        form: The form.
        floor: Only scores above this are of interest.
        deadline: When to stop.

    Returns:
        The best score (``floor`` if none is above it), the option of each step or ``None``, and whether
        all strategies were compared.
    """
    dtype = form.dtype
    options = [len(step) for step in form.steps]
    columns = min(_BLOCK_COLUMNS, _BLOCK_BYTES // (form.width * dtype.itemsize))
    split = len(options)
    while split > 0 and math.prod(options[split - 1 :]) <= columns:
        split -= 1
    table = np.ascontiguousarray(_all_sums(form.steps[split:], form.width).T.astype(dtype))
    num_first = math.prod(options[:split])
    threads = min(_MAX_THREADS, _available_cores()) if form.work >= _THREADED_WORK else 1
    cuts = np.linspace(0, num_first, min(threads, num_first) + 1).astype(np.int64)

    stop = threading.Event()

    def part(first: int, last: int) -> tuple[int, int, bool]:
        return _search(form, table, (split, first, last), floor, lambda: stop.is_set() or deadline.over)

    if len(cuts) == 2:
        results = [part(0, num_first)]
    else:
        with ThreadPoolExecutor(len(cuts) - 1) as pool:
            try:
                results = list(pool.map(part, cuts[:-1].tolist(), cuts[1:].tolist()))
            finally:
                # After an interrupt the threads must not go on for minutes.
                stop.set()
    best, index, _ = max(results, key=lambda result: result[0])
    finished = all(result[2] for result in results)
    if index < 0:
        return floor, None, finished
    return best, _digits(np.array([index]), options)[0], finished


def _search(
    form: AnswerForm,
    table: NDArray[np.integer],
    part: tuple[int, int, int],
    floor: int,
    stopped: Callable[[], bool],
) -> tuple[int, int, bool]:
    """The best of a range of strategies of the first steps: score, index among all, and whether it was finished."""
    split, start, stop = part
    dtype = table.dtype
    options = [len(step) for step in form.steps[:split]]
    width, num_columns = table.shape
    sums = np.empty_like(table)
    scores = np.empty(num_columns, dtype=dtype)
    answers = form.num_answers
    layers = sums.reshape(answers, width // answers, num_columns)
    best, found = floor, -1
    chunk = 1024
    for first in range(start, stop, chunk):
        if stopped():
            return best, found, False
        indices = np.arange(first, min(first + chunk, stop))
        shifts = np.zeros((len(indices), width), dtype=np.int64)
        for step, digit in zip(form.steps[:split], _digits(indices, options).T, strict=True):
            shifts += step[digit]
        for index, shift in zip(indices.tolist(), shifts.astype(dtype)[:, :, None], strict=True):
            np.add(table, shift, out=sums)
            if answers == 1:
                np.abs(sums, out=sums)
            else:
                for layer in layers[1:]:
                    np.maximum(layers[0], layer, out=layers[0])
            np.add.reduce(layers[0], axis=0, dtype=dtype, out=scores)
            top = int(scores.max())
            if top > best:
                best, found = top, index * num_columns + int(scores.argmax())
    return best, found, True


def _all_sums(steps: tuple[IntArray, ...], width: int) -> IntArray:
    """The sums of all ways to take the steps, the last one running fastest, shape ``(K, width)``."""
    sums = np.zeros((1, width), dtype=np.int64)
    for step in steps:
        sums = (sums[:, None] + step).reshape(-1, width)
    return sums


def _digits(indices: IntArray, options: list[int]) -> IntArray:
    """The option of each step, the last one running fastest, shape ``(K, len(options))``."""
    digits = np.empty((len(indices), len(options)), dtype=np.int64)
    for position in range(len(options) - 1, -1, -1):
        indices, digits[:, position] = np.divmod(indices, options[position])
    return digits


def _available_cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
