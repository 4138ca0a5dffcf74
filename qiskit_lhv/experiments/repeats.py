"""Shots that come twice: results of samplers that start from the same random numbers again and again."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..exceptions import CountsError
from .pub_results import RunBits

__all__ = ["RunLog"]

# Independent shots look like repeated ones at most so often.
_CHANCE = 1e-9

# Settings of some runs, shape (runs, N), and their bits, packed, shape (runs, shots, bytes).
_Entry = tuple[NDArray[Any], NDArray[np.uint8]]


class RunLog:
    """The runs of a result, kept to look whether some of them are copies of others."""

    def __init__(self) -> None:
        self._pubs: list[_Entry] = []

    def add(self, part: RunBits) -> None:
        """Adds the runs of a PUB."""
        self.add_packed(part.positions, np.packbits(part.bits, axis=-1))

    def add_packed(self, positions: NDArray[Any], bits: NDArray[np.uint8]) -> None:
        """Adds runs: their settings, shape ``(runs, N)``, and their packed bits, shape ``(runs, shots, bytes)``."""
        self._pubs.append((positions, bits))

    def require_independent(self) -> None:
        """Raises CountsError if runs or PUBs have the same shots in the same order, and chance does not do that."""
        number = sum(len(positions) for positions, _ in self._pubs)
        runs = (
            (positions[i : i + 1], bits[i : i + 1])
            for positions, bits in self._pubs
            # Runs of few shots are alike by chance, each with some other; of a single shot, frequencies say nothing.
            if bits.shape[1] > 1 and bits[0].size * 8 * math.log(2) > math.log(number)
            for i in range(len(positions))
        )
        if _has_copies(self._pubs, len(self._pubs)) or _has_copies(runs, number):
            raise CountsError.bad_argument(
                "result",
                expected="shots that are independent",
                got="the same shots in the same order more than once, for different settings, layers or groups",
                remedy="The sampler starts from the same random numbers again and again: give it no seed "
                "(StatevectorSampler: a numpy Generator), or use run(), which derives seeds.",
            )


def _has_copies(entries: Iterable[_Entry], number: int) -> bool:
    """Whether some of the entries are copies, by more than chance.

    Given one entry, another one with independent shots equals it with a probability of at most ``exp(-n H)``, where H
    is the entropy of the frequencies in its n shots: no distribution makes these shots, in this order, more likely.
    The union bound is over all choices of the copies.
    """
    found: dict[tuple[bytes, ...], list[_Entry]] = {}
    for positions, bits in entries:
        # The order of settings matters only if there are several.
        order = positions.tobytes() if len(positions) > 1 else b""
        found.setdefault((order, str(bits.shape).encode(), bits.tobytes()), []).append((positions, bits))
    for same in found.values():
        times = len(same)
        if times > 1 and (times - 1) * _information(*same[0]) - times * math.log(number) > -math.log(_CHANCE):
            return True
    return False


def _information(positions: NDArray[Any], bits: NDArray[np.uint8]) -> float:
    """Negative logarithm of the largest probability that independent shots, alike for each setting, have."""
    _, settings = np.unique(positions, axis=0, return_inverse=True)
    total = 0.0
    for setting in range(settings.max() + 1):
        shots = bits[settings.reshape(-1) == setting].reshape(-1, bits.shape[-1])
        _, kinds, counts = np.unique(shots, axis=0, return_inverse=True, return_counts=True)
        changes = np.count_nonzero(np.diff(kinds.reshape(-1)))
        if changes >= len(counts):
            # Else shots are listed outcome by outcome, in no order of their own.
            total += float(counts @ np.log(counts.sum() / counts))
    return total
