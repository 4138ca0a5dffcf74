"""Coincidences and clicks of photons, as they are counted for each setting."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .._support.records import Record
from .._support.types import FloatArray
from .._support.validation import frozen, real_array
from .._support.words import counted
from ..exceptions import CountsError
from .correlators import Correlators
from .counts import BellCounts
from .scenario import BellScenario
from .tensor_estimates import least_standard_error

__all__ = ["PhotonCounts", "click_counts"]


@dataclass(frozen=True, eq=False, repr=False)
class PhotonCounts(Record):
    """Coincidences of photons for each setting of the analyzers, with the accidental ones to expect among them.

    Each party has detectors for the outcomes 0 and 1 (such as the two ports of a polarizer), and an event is counted if
    every party had a click within the coincidence window. Events in which a party missed its photon are not there, so
    the counts are post-selected: a p-value needs the assumption of fair sampling, which you have to state. With counts
    of single clicks and the number of trials there is a way without it: :func:`click_counts`.

    The number of events of a setting is a Poisson variable. Given these numbers, the events are those of fixed numbers
    of shots, so that all tests of counts hold.

    Args:
        coincidences: Whole numbers, shape ``(m_1, ..., m_N, 2, ..., 2)``.
        accidentals: Expected number of accidental coincidences in each cell, such as the product of the rates of single
            clicks, the window and the time; the same shape, or one number for all. Default: none.

    Raises:
        CountsError: If the coincidences are no counts of two outcomes per party, a setting was not measured, or the
            accidentals do not fit, are negative, or are as many as the coincidences of a setting.

    References:
        D. Dehlinger and M. W. Mitchell, Am. J. Phys. 70, 903 (2002), arXiv:quant-ph/0205171 (such an experiment and its
        accidental coincidences, for students).

    Examples:
        >>> photons = PhotonCounts([[[[316, 79], [58, 346]], [[287, 55], [56, 264]]],
        ...                         [[[398, 73], [92, 385]], [[62, 322], [297, 60]]]], accidentals=6.3)
        >>> photons
        PhotonCounts(2 parties with 2 settings of 2 outcomes each, 3150 coincidences, 100.8 accidental ones expected)
        >>> photons.correlators().values.round(3).tolist()
        [[0.657, 0.665], [0.652, -0.671]]
        >>> photons.correlators(subtract=True).values.round(3).tolist()
        [[0.678, 0.691], [0.67, -0.694]]
    """

    coincidences: NDArray[np.int64]
    """Coincidences, shape ``(m_1, ..., m_N, 2, ..., 2)``."""
    accidentals: FloatArray | None = None
    """Expected accidental coincidences of the same shape, or ``None``."""

    def __post_init__(self) -> None:
        counts = BellCounts(self.coincidences, post_selected=True)
        if not counts.scenario.is_two_outcome or not counts.is_complete:
            raise CountsError.bad_argument(
                "coincidences",
                expected="two outcomes for each party, and coincidences for every setting combination",
                got=repr(counts),
                remedy="Analyze other tables as BellCounts(table, post_selected=True), platform='photons'.",
            )
        object.__setattr__(self, "coincidences", counts.array)
        if self.accidentals is None:
            return
        given = real_array(self.accidentals, "accidentals", CountsError)
        if given.shape not in {(), counts.array.shape} or given.min() < 0:
            raise CountsError.bad_argument(
                "accidentals",
                expected=f"expected numbers of at least 0, one or of shape {counts.array.shape}",
                got=f"shape {given.shape}, smallest {given.min():g}",
            )
        accidentals = np.broadcast_to(given, counts.array.shape).copy()
        share = accidentals.sum(axis=counts.scenario.outcome_axes) / counts.num_shots
        if share.max() >= 1:
            raise CountsError.bad_argument(
                "accidentals",
                expected="fewer than the coincidences of each setting combination",
                got=f"{share.max():.3g} times as many",
            )
        object.__setattr__(self, "accidentals", frozen(accidentals))

    def __repr__(self) -> str:
        number = counted(int(self.coincidences.sum()), "coincidence")
        expected = "" if self.accidentals is None else f", {float(self.accidentals.sum()):.5g} accidental ones expected"
        return f"PhotonCounts({self.scenario}, {number}{expected})"

    @property
    def scenario(self) -> BellScenario:
        """The scenario: two outcomes for each setting."""
        return BellScenario.from_shape(self.coincidences.shape)

    def counts(self) -> BellCounts:
        """The coincidences as post-selected counts; accidental ones stay among them."""
        return BellCounts(self.coincidences, post_selected=True)

    def accidental_shares(self) -> FloatArray:
        """Expected share of accidental coincidences of each setting combination, shape ``(m_1, ..., m_N)``."""
        axes = self.scenario.outcome_axes
        if self.accidentals is None:
            return frozen(np.zeros(self.scenario.num_settings))
        return frozen(self.accidentals.sum(axis=axes) / self.coincidences.sum(axis=axes))

    def correlators(self, *, subtract: bool = False) -> Correlators:
        """The correlators with their Poisson errors, none of them below 6 / n for n coincidences (as for counts).

        Args:
            subtract: Whether to subtract the expected accidental coincidences. The result is an estimate of what the
                photons alone would show, and no p-value of counts follows from it: ``analyze`` of these correlators is
                always INCONCLUSIVE. The expected numbers are taken as exact.

        Raises:
            CountsError: If accidentals are to be subtracted but were not given.
        """
        n = self.scenario.num_parties
        sign: FloatArray = np.ones(())
        for _ in range(n):
            sign = np.multiply.outer(sign, np.array([1.0, -1.0]))
        axes = self.scenario.outcome_axes
        events = self.coincidences.astype(np.float64)
        if subtract:
            if self.accidentals is None:
                raise CountsError.bad_argument("subtract", expected="accidentals that were given", got="none")
            events = events - self.accidentals
        total = events.sum(axis=axes)
        values = (events * sign).sum(axis=axes) / total
        # The derivative of a ratio by each cell; the variance of a Poisson variable is its mean.
        slopes = (sign - values.reshape(values.shape + (1,) * n)) / total.reshape(total.shape + (1,) * n)
        errors = np.sqrt((self.coincidences * slopes**2).sum(axis=axes))
        errors = np.maximum(errors, least_standard_error(self.coincidences.sum(axis=axes)))
        return Correlators(values, errors, None, "accidental coincidences subtracted" if subtract else "")


def click_counts(coincidences: ArrayLike, first: ArrayLike, second: ArrayLike, trials: ArrayLike) -> BellCounts:
    """Counts of clicks and missing clicks of two parties with one detector each, from totals for each setting.

    A trial is a pulse of the pump, or a time window. Every trial is counted, also those without any click, so that no
    fair sampling is assumed: :func:`~qiskit_lhv.polytope.clauser_horne` (Eberhard's J) tests these counts.

    Args:
        coincidences: Trials in which both parties had a click, shape ``(m_1, m_2)``.
        first: Trials in which the first party had a click, with or without the other, shape ``(m_1, m_2)``.
        second: The same of the second party.
        trials: All trials of each setting combination, shape ``(m_1, m_2)``, or one number for all.

    Returns:
        Counts of two outcomes for each party: 0 for a click, 1 for none. Their numbers of trials are taken as fixed.

    Raises:
        CountsError: If shapes differ, a number is not whole or not possible.

    References:
        P. H. Eberhard, Phys. Rev. A 47, R747 (1993); J. F. Clauser and M. A. Horne, Phys. Rev. D 10, 526 (1974).

    Examples:
        >>> counts = click_counts([[30, 28], [29, 5]], [[40, 41], [44, 42]], [[39, 45], [41, 43]], 1000)
        >>> counts.array[0, 0].tolist()
        [[30, 10], [9, 951]]
    """
    both = real_array(coincidences, "coincidences", CountsError)
    if both.ndim != 2:
        raise CountsError.bad_argument("coincidences", expected="shape (m_1, m_2)", got=f"shape {both.shape}")
    parts = [both]
    for name, given in (("first", first), ("second", second), ("trials", trials)):
        array = real_array(given, name, CountsError)
        if array.shape != both.shape and not (name == "trials" and array.shape == ()):
            raise CountsError.bad_argument(name, expected=f"shape {both.shape}", got=f"shape {array.shape}")
        parts.append(np.broadcast_to(array, both.shape))
    both, one, other, total = parts
    cells = np.stack([np.stack([both, one - both], axis=-1), np.stack([other - both, total - one - other + both], -1)])
    table = np.moveaxis(cells, 0, -2)
    if table.min() < 0:
        place = tuple(int(i) for i in np.argwhere(table < 0)[0][:2])
        raise CountsError.bad_argument(
            "coincidences",
            expected="at most as many as the clicks of each party, and clicks in at most all trials",
            got=f"{both[place]:g} coincidences, {one[place]:g} and {other[place]:g} clicks in {total[place]:g} trials "
            f"for settings {place}",
        )
    return BellCounts(table)  # type: ignore[arg-type]  # checked and converted there
