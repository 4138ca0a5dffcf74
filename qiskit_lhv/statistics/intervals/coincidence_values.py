"""Values of Bell expressions from coincidences of photons, with and without the accidental ones."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..._support.estimated_value import with_error
from ..._support.records import Record
from ..._support.types import FloatArray
from ..._support.validation import frozen, instance
from ...exceptions import CountsError
from ...polytope.bounds.local_bounds import local_bound
from ...polytope.expressions.expression import BellExpression
from ...targets.estimated_values import EstimatedValue
from ...targets.photons import PhotonCounts
from .normal_tests import correlator_test, forms_of_chsh

__all__ = ["PhotonValues", "photon_values", "refuse_unsafe_accidentals"]


@dataclass(frozen=True, eq=False, repr=False)
class PhotonValues(Record):
    """What coincidences say about a Bell expression, with accidental ones counted, modeled, or subtracted.

    References:
        P. M. Pearle, Phys. Rev. D 2, 1418 (1970) (local models that choose when to click).

    Examples:
        >>> from qiskit_lhv.statistics import photon_values
        >>> from qiskit_lhv.targets import PhotonCounts
        >>> table = [[[[316, 79], [58, 346]], [[287, 55], [56, 264]]], [[[398, 73], [92, 385]], [[62, 322], [297, 60]]]]
        >>> values = photon_values(PhotonCounts(table, accidentals=6.3))
        >>> print(values)
        raw 2.644 +- 0.054, accidental ones subtracted 2.733 +- 0.056 (an estimate); local bound 2, 1.946 with the
         accidental ones modeled
        >>> values.is_safe, values.accidental_shares.round(3).tolist()
        (True, [[0.032, 0.038], [0.027, 0.034]])
    """

    expression: BellExpression
    """The expression: the declared one, or the form of CHSH that is largest in the coincidences."""
    raw: float
    """Its value on all coincidences. This is what tests of counts are about."""
    raw_error: float
    """Its standard error, from Poisson counts."""
    subtracted: float | None
    """Its value after the expected accidental coincidences were subtracted: an estimate of what the photons alone would
    show, on which no verdict rests; ``None`` if none are expected."""
    subtracted_error: float | None
    """Its standard error."""
    accidental_shares: FloatArray
    """Expected share of accidental coincidences of each setting combination, shape ``(m_1, ..., m_N)``."""
    local_bound: float
    """The local bound of the expression."""
    modeled_bound: float
    """The largest value that all coincidences can have on average if the photons follow a local model and the expected
    accidental coincidences come on top."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "accidental_shares", frozen(self.accidental_shares))

    @property
    def is_safe(self) -> bool:
        """Whether a test against the local bound is safe from accidental coincidences: they do not raise the bound."""
        return self.modeled_bound <= self.local_bound * (1 + 1e-12) + 1e-12

    @property
    def raw_value(self) -> EstimatedValue:
        """The value on all coincidences with its error."""
        return EstimatedValue(self.raw, self.raw_error)

    def __str__(self) -> str:
        text = f"raw {with_error(self.raw, self.raw_error)}"
        if self.subtracted is not None and self.subtracted_error is not None:
            text += f", accidental ones subtracted {with_error(self.subtracted, self.subtracted_error)} (an estimate)"
        return f"{text}; local bound {self.local_bound:g}, {self.modeled_bound:.4g} with the accidental ones modeled"


def photon_values(photons: PhotonCounts, expression: BellExpression | None = None) -> PhotonValues:
    """Evaluates a Bell expression on coincidences of photons, with the accidental ones counted, modeled and subtracted.

    Accidental coincidences are never subtracted for a p-value: what is left would not be counts. They are modeled
    instead. If a share of the coincidences of each setting is accidental, with known correlators, then a local model of
    the photons reaches at most the local bound of the expression with each coefficient reduced by this share, plus the
    accidental part. As long as this is not above the local bound itself, a test of the raw counts against the local
    bound stays valid; if shares differ much between settings, it may be above, and the test is not.

    Args:
        photons: The coincidences.
        expression: An expression of correlators of all parties. Default: for two parties with two settings the form of
            CHSH that is largest in the raw coincidences.

    Returns:
        The values, with standard errors from Poisson counts. The expected numbers of accidental coincidences are taken
        as exact, and their shares are those of the numbers that were counted.

    Raises:
        CountsError: If the expression does not fit, or none is declared where there is no default.

    References:
        P. M. Pearle, Phys. Rev. D 2, 1418 (1970) (local models that choose when to click); J. F. Clauser, M. A. Horne,
        A. Shimony, R. A. Holt, Phys. Rev. Lett. 23, 880 (1969).

    Examples:
        >>> from qiskit_lhv.targets import PhotonCounts
        >>> photons = PhotonCounts([[[[316, 79], [58, 346]], [[287, 55], [56, 264]]],
        ...                         [[[398, 73], [92, 385]], [[62, 322], [297, 60]]]], accidentals=6.3)
        >>> values = photon_values(photons)
        >>> values.raw_value, round(values.subtracted, 3), round(values.modeled_bound, 3)
        (2.644 +- 0.054, 2.733, 1.946)
    """
    instance(photons, PhotonCounts, "photons", CountsError, "PhotonCounts(coincidences, accidentals).")
    test = correlator_test(photons.correlators(), expression)
    found = test.expression
    subtracted = None
    bound = modeled = test.inequality.bound.value
    if photons.accidentals is not None:
        subtracted = correlator_test(photons.correlators(subtract=True), found)
        modeled = _modeled_bound(photons, found)
    return PhotonValues(
        found,
        test.value,
        test.standard_error,
        None if subtracted is None else subtracted.value,
        None if subtracted is None else subtracted.standard_error,
        photons.accidental_shares(),
        bound,
        modeled,
    )


def _modeled_bound(photons: PhotonCounts, expression: BellExpression) -> float:
    """The largest mean value of all coincidences if the photons follow a local model; see :func:`photon_values`."""
    assert photons.accidentals is not None
    axes = photons.scenario.outcome_axes
    background = photons.accidentals / photons.coincidences.sum(axis=axes, keepdims=True)
    kept = 1 - background.sum(axis=axes, keepdims=True)
    bound = local_bound(BellExpression(expression.coefficients * kept)).value
    return bound + float(np.sum(expression.coefficients * background))


def refuse_unsafe_accidentals(photons: PhotonCounts, expression: BellExpression | None) -> None:
    """Refuses coincidences among which accidental ones may violate an inequality that the photons do not violate.

    Args:
        photons: The coincidences.
        expression: The declared expression. Without one, all forms of CHSH are looked at, where they apply.

    Raises:
        CountsError: If the accidental coincidences that are expected raise a local bound.
    """
    if photons.accidentals is None:
        return
    listed: tuple[BellExpression, ...] = () if expression is None else (expression,)
    if expression is None and photons.scenario.is_chsh:
        listed = tuple(form.expression for form in forms_of_chsh())
    for one in listed:
        if one.scenario != photons.scenario:
            continue
        bound, modeled = local_bound(one).value, _modeled_bound(photons, one)
        if modeled > bound + 1e-12 * max(1.0, abs(bound)):
            raise CountsError.bad_argument(
                "accidentals",
                expected="shares of accidental coincidences so alike that they cannot make a local source violate",
                got=f"shares from {photons.accidental_shares().min():.3g} to {photons.accidental_shares().max():.3g}, "
                f"with which a local source reaches {modeled:.4g} in {one}, above {bound:g}",
                remedy="Measure with a narrower window, or with equal rates at all settings.",
            )
