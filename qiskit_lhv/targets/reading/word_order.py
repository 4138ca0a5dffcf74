"""Whether settings that are written as words were read in the wrong order, as far as the counts can tell."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ...exceptions import CountsError
from .setting_keys import ReadSettings

__all__ = ["refuse_reversed_words"]

# Marginals that depend on another party's setting as clearly as this in one order, and not in the other one.
_CLEAR_P, _VANISHED_P = 1e-6, 0.05


def refuse_reversed_words(array: NDArray[np.int64], read: ReadSettings, num_settings: tuple[int, ...]) -> None:
    """Raises an error if the marginals speak for the other order of the letters.

    The correlators, and S of CHSH, are the same in both orders, but marginals are those of another setting. The caller
    has to say which order is meant: counts must not choose how they are read.

    Args:
        array: The counts, as they were read.
        read: The settings, as they were read.
        num_settings: How many settings each party has.

    Raises:
        CountsError: If the marginals depend on other parties' settings in this order, and not in the other.
    """
    n = array.ndim // 2
    # Heralds have one setting, which is in no word.
    words = len(read.num_settings)
    if len(set(num_settings[:words])) > 1:
        return
    order = [*reversed(range(words)), *range(words, 2 * n)]
    chosen, other = _signaling_p(array), _signaling_p(array.transpose(order))
    if chosen < _CLEAR_P and other > _VANISHED_P:
        note = next((line for line in read.notes if line.startswith("in settings such as")), "settings are words")
        raise CountsError.bad_argument(
            "counts",
            expected="settings in an order that the marginals confirm",
            got=f"{note}, and then marginals depend on another party's setting (p = {chosen:.2g}); read the other way "
            f"round they do not (p = {other:.2g})",
            remedy="Say which order is meant: setting_order='qiskit' (the right character is party 0's) or "
            "setting_order='parties' (the left one is).",
        )


def _signaling_p(array: NDArray[np.int64]) -> float:
    """A p-value for marginals that do not depend on the settings of others (chi-square, Bonferroni over parties)."""
    from scipy.special import chdtrc

    n = array.ndim // 2
    smallest = 1.0
    for k in range(n):
        others = tuple(n + j for j in range(n) if j != k)
        marginals = np.moveaxis(array.sum(axis=others), k, 0)
        statistic, freedom = 0.0, 0
        for own in marginals:
            table = own.reshape(-1, own.shape[-1]).astype(float)
            table = table[table.sum(axis=1) > 0][:, table.sum(axis=0) > 0]
            if min(table.shape) < 2:
                continue
            expected = table.sum(axis=1, keepdims=True) * table.sum(axis=0) / table.sum()
            statistic += float(((table - expected) ** 2 / expected).sum())
            freedom += (table.shape[0] - 1) * (table.shape[1] - 1)
        if freedom:
            smallest = min(smallest, float(chdtrc(freedom, statistic)))
    return min(1.0, n * smallest)
