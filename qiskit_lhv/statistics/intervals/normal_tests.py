"""Values of Bell expressions that come with a standard error, against the local bound, by normal theory."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np

from ..._support.estimated_value import with_error
from ..._support.validation import instance, positive_number, real_number
from ...exceptions import CountsError
from ...polytope.expressions.expression import BellExpression
from ...polytope.expressions.families import chsh
from ...polytope.inequalities.bell_inequality import BellInequality
from ...targets.correlators import Correlators
from ...verification.evidence import Evidence
from ...verification.result import Verification, combine

__all__ = [
    "NormalTest",
    "check_normal_tail",
    "correlator_test",
    "forms_of_chsh",
    "log10_normal_tail",
    "normal_test",
]

_LOG10_P_TOLERANCE = 1e-9
_DIGITS = 30


@dataclass(frozen=True, eq=False, repr=False)
class NormalTest(Evidence):
    """How far an estimated value of a Bell expression lies above the local bound, if its error is normal.

    This is no test of all local models: it takes the value as unbiased and the standard error as it was given.

    References:
        J. F. Clauser, M. A. Horne, A. Shimony, R. A. Holt, Phys. Rev. Lett. 23, 880 (1969); O. J. Dunn, J. Am. Stat.
        Assoc. 56, 52 (1961) (Bonferroni's correction for the eight forms).

    Examples:
        >>> from qiskit_lhv import chsh
        >>> from qiskit_lhv.statistics import normal_test
        >>> test = normal_test(2.35, 0.10, chsh())
        >>> print(test)
        <A0 B0> + <A0 B1> + <A1 B0> - <A1 B1> = 2.35 +- 0.10, 3.50 standard errors from the local bound 2: log10 p
         = -3.6333 (normal theory)
        >>> round(test.p_value, 6), test.largest_form, bool(test.verify())
        (0.000233, False, True)
    """

    inequality: BellInequality
    """The expression and its local bound."""
    value: float
    """The estimated value of the expression."""
    standard_error: float
    """Its standard error, as given."""
    largest_form: bool
    """Whether the expression is the largest of the eight forms of CHSH, chosen by the data, so that the p-value is
    multiplied by eight."""
    log10_p_value: float
    """Base-10 logarithm of the p-value."""

    @property
    def sigmas(self) -> float:
        """By how many standard errors the value exceeds the local bound; negative below it."""
        return (self.value - self.inequality.bound.value) / self.standard_error

    @property
    def p_value(self) -> float:
        """The p-value; 0.0 where it is below the smallest float."""
        return 10**self.log10_p_value

    @cached_property
    def expression(self) -> BellExpression:
        """The expression."""
        return self.inequality.expression

    def __str__(self) -> str:
        forms = ", the largest of eight forms" if self.largest_form else ""
        value = f"{self.expression} = {with_error(self.value, self.standard_error)}"
        distance = f"{self.sigmas:.2f} standard errors from the local bound {self.inequality.bound.value:g}"
        return f"{value}, {distance}{forms}: log10 p = {self.log10_p_value:.4f} (normal theory)"

    def verify(self, *, prove_bound: bool | None = None) -> Verification:
        """Recomputes the p-value with 30 digits, and re-proves the local bound. The error is taken as given.

        Args:
            prove_bound: Whether to prove the local bound again; see ``BellInequality.verify``.
        """
        if self.largest_form and (not self.expression.scenario.is_chsh or self.inequality.bound.value != 2):
            return Verification(False, "the expression is no form of CHSH", math.inf)
        bound, times = self.inequality.bound.value, 8 if self.largest_form else 1
        right = check_normal_tail(self.value, bound, self.standard_error, self.log10_p_value, times)
        return combine(right, self.inequality.verify(prove_bound=prove_bound))


def log10_normal_tail(sigmas: float, times: int = 1) -> float:
    """Base-10 logarithm of the probability that a normal variable exceeds its mean by so many standard deviations.

    Args:
        sigmas: How many; negative ones are allowed.
        times: By how many tests the probability is multiplied (Bonferroni); the result is at most 0.
    """
    from scipy.special import log_ndtr

    return min(0.0, (float(log_ndtr(-sigmas)) + math.log(times)) / math.log(10))


def check_normal_tail(
    value: float, bound: float, standard_error: float, log10_p_value: float, times: int = 1
) -> Verification:
    """Recomputes a normal tail with 30 digits.

    Args:
        value: The estimated value.
        bound: What it is compared with.
        standard_error: Its standard error.
        log10_p_value: Base-10 logarithm of the p-value that is claimed.
        times: By how many tests the p-value is multiplied.
    """
    import mpmath

    numbers = (value, bound, standard_error, log10_p_value)
    if not all(isinstance(x, int | float) and math.isfinite(x) for x in numbers) or standard_error <= 0:
        return Verification(False, "the value, its error or the p-value is not a number in range", math.inf)
    with mpmath.workdps(_DIGITS):
        z = (mpmath.mpf(value) - mpmath.mpf(bound)) / mpmath.mpf(standard_error)
        expected = float(mpmath.log10(min(mpmath.mpf(1), times * mpmath.erfc(z / mpmath.sqrt(2)) / 2)))
    error = abs(expected - log10_p_value)
    return Verification(
        math.isfinite(expected) and error <= _LOG10_P_TOLERANCE * max(1.0, abs(expected)),
        f"the normal tail is 10^{expected:.9g}",
        error,
    )


def normal_test(value: float, standard_error: float, expression: BellExpression) -> NormalTest:
    """Compares a value of a Bell expression that has a standard error with its local bound, by normal theory.

    It is for values whose shots are not known, such as an Estimator's value of the whole CHSH operator, or a number of
    a paper.

    Args:
        value: The estimated value.
        standard_error: Its standard error.
        expression: The expression, declared before the value was seen, such as ``chsh()``.

    Returns:
        The comparison. Its p-value is the tail of a normal variable, and no better than the standard error.

    Raises:
        CountsError: If a number is not finite, or the standard error is not positive.

    References:
        J. F. Clauser, M. A. Horne, A. Shimony, R. A. Holt, Phys. Rev. Lett. 23, 880 (1969).

    Examples:
        >>> from qiskit_lhv import chsh
        >>> test = normal_test(2.05, 0.10, chsh())
        >>> round(test.sigmas, 6), round(test.p_value, 3)
        (0.5, 0.309)
    """
    instance(expression, BellExpression, "expression", CountsError, "Such as chsh().")
    value = float(real_number(value, "value", CountsError))
    error = float(positive_number(standard_error, "standard_error", CountsError))
    return _test(BellInequality.of(expression), value, error, False)


def correlator_test(correlators: Correlators, expression: BellExpression | None = None) -> NormalTest:
    """Compares the value of a Bell expression on estimated correlators with its local bound, by normal theory.

    Args:
        correlators: The correlators with their errors.
        expression: An expression of correlators of all parties, declared before the values were seen. Default: for two
            parties with two settings the largest of the eight forms of CHSH. The p-value is then multiplied by eight,
            since any of them may be exceeded by chance (Bonferroni's correction).

    Returns:
        The comparison. Its p-value is the tail of a normal variable, and no better than the errors that were given.

    Raises:
        CountsError: If the expression belongs to another scenario, has marginal terms or coefficients where nothing was
            estimated, or none is declared where there is no default.

    References:
        J. F. Clauser, M. A. Horne, A. Shimony, R. A. Holt, Phys. Rev. Lett. 23, 880 (1969); O. J. Dunn, J. Am. Stat.
        Assoc. 56, 52 (1961) (Bonferroni's correction for the eight forms).

    Examples:
        >>> from qiskit_lhv.targets import Correlators
        >>> test = correlator_test(Correlators([[0.62, 0.61], [0.60, -0.62]], errors=0.05))
        >>> print(f"S = {test.value:.2f} +- {test.standard_error:.2f}, {test.sigmas:.1f} standard errors above 2")
        S = 2.45 +- 0.10, 4.5 standard errors above 2
        >>> print(f"p = {test.p_value:.1e} with the correction for eight forms")
        p = 2.7e-05 with the correction for eight forms
    """
    instance(correlators, Correlators, "correlators", CountsError)
    if expression is not None:
        instance(expression, BellExpression, "expression", CountsError, "Such as chsh().")
        value, error = _value(correlators, expression)
        return _test(BellInequality.of(expression), value, error, False)
    if not correlators.scenario.is_chsh:
        raise CountsError.bad_argument(
            "expression",
            expected="a Bell expression of correlators, declared before they were seen",
            got="None",
            remedy="Such as BellExpression.from_correlators(coefficients, marginals=False) or mermin(3).",
        )
    values = [_value(correlators, form.expression) for form in forms_of_chsh()]
    best = int(np.argmax([value for value, _ in values]))
    return _test(forms_of_chsh()[best], *values[best], True)


@lru_cache(maxsize=1)
def forms_of_chsh() -> tuple[BellInequality, ...]:
    """The eight forms of CHSH with their bound."""
    forms = [chsh((x, y)) for x in (0, 1) for y in (0, 1)]
    return tuple(BellInequality.of(form) for form in (*forms, *(BellExpression(-form.coefficients) for form in forms)))


def _value(correlators: Correlators, expression: BellExpression) -> tuple[float, float]:
    """Value and standard error of an expression."""
    if expression.scenario != correlators.scenario:
        raise CountsError.bad_argument(
            "expression", expected=f"one of {correlators.scenario}", got=str(expression.scenario)
        )
    every = expression.to_correlators()
    full = every[(slice(1, None),) * every.ndim]
    constant = float(every.flat[0])
    others = np.abs(every).sum() - np.abs(full).sum() - abs(constant)
    if others > 1e-12 * np.abs(every).max():
        raise CountsError.bad_argument(
            "expression",
            expected="correlators of all parties",
            got="marginal terms",
            remedy="Correlators hold no marginals; analyze the counts.",
        )
    full = np.where(np.abs(full) > 1e-12 * np.abs(full).max(), full, 0.0)
    needed = full != 0
    missing = np.argwhere(needed & np.isnan(correlators.values))
    if len(missing):
        raise CountsError.bad_argument(
            "expression",
            expected="coefficients of 0 where no correlator was estimated",
            got=f"another one for settings {tuple(int(i) for i in missing[0])}",
        )
    coefficients = full[needed]
    value = constant + float(np.sum(coefficients * correlators.values[needed]))
    if correlators.covariance is None:
        variance = float(np.sum((coefficients * correlators.errors[needed]) ** 2))
    else:
        rows = needed.ravel()
        variance = float(coefficients @ correlators.covariance[np.ix_(rows, rows)] @ coefficients)
    if not variance > 0:
        raise CountsError.bad_argument(
            "covariance", expected="a value of the expression with a positive error", got=f"a variance of {variance:g}"
        )
    return value, math.sqrt(variance)


def _test(inequality: BellInequality, value: float, error: float, largest_form: bool) -> NormalTest:
    log10_p = log10_normal_tail((value - inequality.bound.value) / error, 8 if largest_form else 1)
    return NormalTest(inequality, value, error, largest_form, log10_p)
