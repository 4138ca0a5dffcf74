"""The order in which random settings came: e-values against what would make them predictable."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from ..._support.types import FloatArray, IntArray
from ...targets.trials import BellTrials
from .repeated_settings import RepeatedSettings

__all__ = ["SettingOrder"]


# How strongly alternatives favor a setting: factors exp(+-tilt) of its odds.
_TILTS = 0.01 * 1.6 ** np.arange(15)
# Cells of the counts of one context; it must not depend on the data.
_MAX_CELLS = 4096
_STRETCHES = (32, 256, 2048, 16384)


class _Stream(NamedTuple):
    """How often one party's settings came in each context."""

    counts: IntArray
    """Shape ``(Z, P, m)``: contexts, settings of the parties before it (or one row), settings."""
    declared: FloatArray
    """Declared probabilities, shape ``(P, m)``."""


@dataclass(frozen=True)
class _Context:
    """Something that is known before a trial."""

    kind: str
    words: str
    """What a setting does, after "the setting of party 0"."""
    joint_words: str
    """What the settings of all parties do, after "the settings"."""
    numbers: IntArray
    """The context of each trial."""
    size: int


class SettingOrder:
    """An e-value of the settings of trials, in their order, for any predictability.

    Each component of it bets on one way to predict the settings of a party: its frequencies differ from the declared
    ones at all, or in a context that is known before the trial (a setting or an outcome of the previous trial, all of
    them, the stretch of time). In a context it is a mixture over alternatives q, of ``prod_t q(x_t) / p*(x_t)``, where
    p* is the probability nearest to q (in ``KL(q || p)``) of all that the predictability allows.

    *Why it is an e-value.* The allowed probabilities form a convex set. At the minimum p* of ``-sum_x q_x log p_x`` the
    derivative toward any allowed p is not negative: ``sum_x q_x (1 - p_x / p*_x) >= 0``, so
    ``sum_x p_x q_x / p*_x <= 1``. Hence each factor has a mean of at most 1 given everything before, whichever allowed
    p comes next (it is also divided by its largest mean as computed, so nothing rests on the numerical minimum).
    Products of such factors over trials, over parties in turn (given the settings of the parties before) and over
    contexts (a trial belongs to one), and mixtures of them with fixed weights, keep that. So the mean is at most 1
    wherever the trials end, even if they end for a reason that lies in the data.
    """

    def __init__(self, trials: BellTrials) -> None:
        assert trials.setting_probabilities is not None
        probabilities = trials.setting_probabilities / trials.setting_probabilities.sum()
        self._given = _conditionals(probabilities)
        self._independent = all(float(np.ptp(rows, axis=0).max()) < 1e-12 for rows in self._given)
        grid = probabilities.shape
        self._grid = grid
        self._settings = trials.settings
        self._before = [_joint_numbers(trials.settings[:, :k], grid[:k]) for k in range(len(grid))]
        self._components: list[tuple[float, str, list[_Stream]]] = []
        contexts = list(_contexts(trials))
        kinds = {context.kind for context in contexts}
        self._share = 1 / (len(kinds) + 1)
        for kind in sorted(kinds):
            found = [
                component for context in contexts if context.kind == kind for component in self._in_context(context)
            ]
            # The weights count components that are left out, so they do not depend on the data.
            self._components += [(self._share / len(found), *component) for component in found if component[1]]
        self._repeated = RepeatedSettings(trials.settings, probabilities)

    def log_e(self, predictability: float) -> tuple[float, str]:
        """Natural logarithm of the e-value, and the words of the component that contributes most."""
        ratios: dict[bytes, FloatArray] = {}
        # Streams that are part of several components are computed once.
        known: dict[int, float] = {}
        logs, words = [], []
        for weight, text, streams in self._components:
            log_e = 0.0
            for stream in streams:
                if id(stream) not in known:
                    known[id(stream)] = _log_mixture(stream, predictability, ratios)
                log_e += known[id(stream)]
            logs.append(math.log(weight) + log_e)
            words.append(text)
        log_e, text = self._repeated.log_e(predictability)
        logs.append(math.log(self._share) + log_e)
        words.append(text)
        return float(np.logaddexp.reduce(logs)), words[int(np.argmax(logs))]

    def _in_context(self, context: _Context) -> Iterator[tuple[str, list[_Stream]]]:
        """Words and streams of each component; no streams where it is left out."""
        parties = range(len(self._grid))
        alone = [self._stream(context, k, not self._independent) for k in parties]
        for k in parties:
            if self._grid[k] > 1:
                yield f"the setting of party {k} {context.words}", _complete(alone[k : k + 1])
        if len(parties) > 1:
            words = f"the settings {context.joint_words}"
            yield words, _complete(alone)
            if self._independent:
                # The same for each setting of the parties before, which sees correlations.
                yield words, _complete([self._stream(context, k, True) for k in parties])

    def _stream(self, context: _Context, party: int, after_others: bool) -> _Stream | None:
        size = self._grid[party]
        rows = math.prod(self._grid[:party]) if after_others else 1
        limit = max(_MAX_CELLS, len(context.numbers)) if context.kind == "time" else _MAX_CELLS
        if context.size * rows * size > limit:
            return None
        cells = context.numbers * (rows * size) + self._settings[:, party]
        if after_others:
            cells = cells + self._before[party] * size
        counts = np.bincount(cells, minlength=context.size * rows * size).reshape(context.size, rows, size)
        return _Stream(counts, self._given[party][:rows])


def _complete(streams: list[_Stream | None]) -> list[_Stream]:
    """The streams, or none if one of them is missing."""
    found = [stream for stream in streams if stream is not None]
    return found if len(found) == len(streams) else []


def _contexts(trials: BellTrials) -> Iterator[_Context]:
    assert trials.scenario is not None
    scenario = trials.scenario
    count = trials.num_trials
    words = "not come as often as declared"
    yield _Context("frequency", f"does {words}", f"do {words}", np.zeros(count, dtype=np.int64), 1)
    for j in range(scenario.num_parties):
        for kind, rows, sizes in (
            ("setting", trials.settings, scenario.num_settings),
            ("outcome", trials.outcomes, scenario.max_outcomes),
        ):
            if sizes[j] > 1:
                what = f"the previous {kind} of party {j}"
                yield _Context(kind, f"follows {what}", f"follow {what}", _previous(rows[:, j]), sizes[j])
    settings = _joint_numbers(trials.settings, scenario.num_settings)
    outcomes = _joint_numbers(trials.outcomes, scenario.max_outcomes)
    num_settings, num_outcomes = scenario.num_setting_combinations, math.prod(scenario.max_outcomes)
    known = [("what came in the previous trial", settings * num_outcomes + outcomes, scenario.num_entries)]
    if scenario.num_parties > 1:
        known += [("the previous settings", settings, num_settings), ("the previous outcomes", outcomes, num_outcomes)]
    for what, numbers, size in known:
        yield _Context(what, f"follows {what}", f"follow {what}", _previous(numbers), size)
    for length in _STRETCHES:
        stretches = np.arange(count) // length
        words = f"more often at some times than at others (stretches of {length} trials)"
        yield _Context("time", f"comes {words}", f"come {words}", stretches, int(stretches[-1]) + 1)


def _previous(numbers: IntArray) -> IntArray:
    """What came in the trial before; 0 before the first."""
    result = np.zeros_like(numbers)
    result[1:] = numbers[:-1]
    return result


def _joint_numbers(rows: IntArray, sizes: tuple[int, ...]) -> IntArray:
    """One number for each row of settings or outcomes."""
    result = np.zeros(len(rows), dtype=np.int64)
    for column, size in zip(rows.T, sizes, strict=True):
        result = result * size + column
    return result


def _conditionals(probabilities: FloatArray) -> list[FloatArray]:
    """For each party, the probabilities of its settings given those of the parties before, shape ``(P, m)``."""
    found = []
    for k in range(probabilities.ndim):
        joint = probabilities.sum(axis=tuple(range(k + 1, probabilities.ndim))).reshape(-1, probabilities.shape[k])
        totals = joint.sum(axis=1)
        # Rows of settings that never come have no trials; any row takes their place.
        rows = np.where(totals > 0, np.arange(len(totals)), int(np.argmax(totals > 0)))
        found.append(joint[rows] / totals[rows, None])
    return found


def _log_mixture(stream: _Stream, predictability: float, ratios: dict[bytes, FloatArray]) -> float:
    """Logarithm of the product over contexts of the mixture over alternatives."""
    result = 0.0
    for row, declared in enumerate(stream.declared):
        # Settings that never come have no trials, and no alternative gives them any.
        drawn = declared > 0
        counts, declared = stream.counts[:, row][:, drawn], declared[drawn]
        if len(declared) == 1:
            continue
        key = declared.tobytes()
        if key not in ratios:
            ratios[key] = log_ratios(declared, predictability)
        logs = counts[counts.any(axis=1)] @ ratios[key]
        largest = np.maximum(logs.max(axis=1, initial=0.0), 0.0)
        # Half of the weight is on the declared probabilities themselves, whose factors are 1.
        mixed = 0.5 * np.exp(-largest) + 0.5 * np.exp(logs - largest[:, None]).mean(axis=1)
        result += float(np.sum(largest + np.log(mixed)))
    return result


def log_ratios(declared: FloatArray, predictability: float) -> FloatArray:
    """Logarithms of the factors ``q / p*`` of every alternative q.

    Args:
        declared: Declared probabilities of the settings, shape ``(m,)``, m at least 2, all positive.
        predictability: How far the true ones may be from them.

    Returns:
        Shape ``(m, G)``; each column's factor has a mean of at most 1 under every allowed probability.
    """
    alternatives = []
    # With two settings, to favor one is to disfavor the other.
    for j in range(len(declared) if len(declared) > 2 else 1):
        for tilt in np.concatenate([_TILTS, -_TILTS]):
            odds = declared[j] / (1 - declared[j]) * math.exp(tilt)
            q = declared * (1 / (1 + odds) / (1 - declared[j]))
            q[j] = odds / (1 + odds)
            alternatives.append(q)
    q = np.stack(alternatives, axis=1)
    lower = np.maximum(declared - predictability, 0)[:, None]
    upper = np.minimum(declared + predictability, 1)[:, None]
    factors = q / _nearest(q, lower, upper)
    # The largest mean: the probability that is free goes to the largest factors.
    order = np.argsort(-factors, axis=0)
    room = np.take_along_axis(np.broadcast_to(upper - lower, q.shape), order, axis=0)
    free = 1 - lower.sum()
    given = np.clip(free - (np.cumsum(room, axis=0) - room), 0, room)
    ordered = np.take_along_axis(factors, order, axis=0)
    means = np.sum(lower * factors, axis=0) + np.sum(given * ordered, axis=0)
    result: FloatArray = np.log(factors) - np.log(means)
    return result


def _nearest(q: FloatArray, lower: FloatArray, upper: FloatArray) -> FloatArray:
    """The p with ``lower <= p <= upper`` and sum 1 that minimizes KL(q || p): ``clip(q / mu, lower, upper)``."""
    if float(lower.sum()) >= 1 - 1e-15:
        return np.broadcast_to(lower, q.shape)
    # The sum falls with mu, from that of the upper limits to that of the lower ones.
    small = np.min(q / upper, axis=0)
    large = np.max(q / np.maximum(lower, 1e-300), axis=0)
    large = np.minimum(large, 1e6)
    for _ in range(100):
        middle = np.sqrt(small * large)
        high = np.clip(q / middle, lower, upper).sum(axis=0) > 1
        small, large = np.where(high, middle, small), np.where(high, large, middle)
    nearest: FloatArray = np.clip(q / small, lower, upper)
    return nearest
