"""What local models of many parties predict for listed correlators, and shots drawn from them; no table is made."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .._support.types import FloatArray
from .._support.validation import generator
from ..exceptions import CountsError
from ..targets.many_parties.shots import ManyPartyShots
from ..targets.many_parties.term_rows import check_term_rows, check_two_outcomes
from ..targets.scenario import BellScenario

__all__ = ["predicted_terms", "sampled_shots"]

_PRODUCTS_AT_ONCE = 1 << 22


def predicted_terms(
    weights: FloatArray, means: list[FloatArray], scenario: BellScenario, rows: ArrayLike
) -> FloatArray:
    """Returns the values of terms, shape ``(T,)``: averages over hidden variables of products of mean outcomes.

    Args:
        weights: Probability of each hidden variable, shape ``(H,)``.
        means: Mean outcome, p(0) - p(1), of each party for each hidden variable and setting, shapes ``(H, m_k)``.
        scenario: The scenario.
        rows: The terms, shape ``(T, N)``.
    """
    checked = check_term_rows(rows, check_two_outcomes(scenario))
    # A party that does not take part has setting -1: the last column, which is 1.
    extended = [np.hstack([own, np.ones((len(own), 1))]) for own in means]
    values = np.empty(len(checked))
    step = max(1, _PRODUCTS_AT_ONCE // len(weights))
    for start in range(0, len(checked), step):
        part = slice(start, start + step)
        products = np.repeat(weights[:, None], len(checked[part]), axis=1)
        for k, own in enumerate(extended):
            products *= own[:, checked[part, k]]
        values[part] = products.sum(axis=0)
    return np.clip(values, -1, 1)


def sampled_shots(
    weights: FloatArray,
    means: list[FloatArray],
    scenario: BellScenario,
    settings: ArrayLike,
    shots: ArrayLike,
    drawn_terms: ArrayLike | None,
    seed: int | None,
) -> ManyPartyShots:
    """Returns shots drawn from a local model; see ``LocalModel.sample_shots``."""
    scenario, rng = check_two_outcomes(scenario), generator(seed)
    design = "blocks" if drawn_terms is None else "random"
    rows = np.asarray(settings)
    numbers: Any = np.asarray(shots)
    if numbers.ndim == 0 and rows.ndim == 2:
        numbers = np.broadcast_to(numbers, len(rows))
    if numbers.ndim != 1 or numbers.dtype.kind not in "iu" or numbers.min(initial=1) < 1:
        raise CountsError.bad_argument(
            "shots", expected="a positive whole number, or one per run", got=f"{numbers.dtype} of shape {numbers.shape}"
        )
    total, n = int(numbers.sum()), scenario.num_parties
    packed = np.zeros((total, -(-n // 8)), dtype=np.uint8)
    # The settings are checked before they are used.
    record = ManyPartyShots(scenario, settings, numbers, packed, design, drawn_terms)  # type: ignore[arg-type]
    hidden = rng.choice(len(weights), size=total, p=weights / weights.sum())
    chosen: NDArray[np.int64] = np.repeat(np.arange(len(record.settings)), record.shots)
    for k, own in enumerate(means):
        ones = rng.random(total) >= (1 + own[hidden, record.settings[chosen, k]]) / 2
        packed[:, k // 8] |= ones.astype(np.uint8) << np.uint8(k % 8)
    return ManyPartyShots(scenario, record.settings, record.shots, packed, design, record.drawn_terms)
