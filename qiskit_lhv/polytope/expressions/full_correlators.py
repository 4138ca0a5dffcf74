"""All Bell inequalities for full correlators of N parties with two settings of two outcomes, in closed form."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..._support.types import FloatArray, IntArray
from ..._support.validation import at_most, real_array, whole_array
from ...exceptions import ScenarioError
from ...verification.evidence import Evidence
from ...verification.result import Verification
from .expression import BellExpression

__all__ = ["FullCorrelatorBound", "wwzb"]


_MAX_PARTIES = 20
_MAX_EXPRESSION_PARTIES = 12
_VALUE_ROUNDING = 1e-12
# Rounding may make a correlator exceed 1 by this much.
_LARGEST = 1e-9


@dataclass(frozen=True, eq=False, repr=False)
class FullCorrelatorBound(Evidence):
    """The strongest inequality for given full correlators. Its value is at most 1 for every local model.

    References:
        R. F. Werner, M. M. Wolf, Phys. Rev. A 64, 032112 (2001), arXiv:quant-ph/0102024; M. Zukowski, C. Brukner, Phys.
        Rev. Lett. 88, 210401 (2002), arXiv:quant-ph/0102039.

    Examples:
        >>> from qiskit_lhv.polytope import wwzb
        >>> bound = wwzb([[[1, 0], [0, -1]], [[0, -1], [-1, 0]]])  # GHZ state with X and Y: Mermin's correlators
        >>> print(bound)
        2 for 3 parties (local models reach at most 1)
        >>> bound.visibility, bool(bound.verify())
        (0.5, True)
        >>> print(bound.expression())
        0.5<A0 B0 C0> - 0.5<A0 B1 C1> - 0.5<A1 B0 C1> - 0.5<A1 B1 C0>
    """

    value: float
    """``sum of |transform of the correlators| / 2**N``: full correlators are local if and only if it is at most 1."""
    signs: IntArray
    """The sign of each transformed correlator, shape ``(2,) * N``; they name the inequality."""
    correlators: FloatArray
    """The full correlators, shape ``(2,) * N``."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "signs", whole_array(self.signs, "signs", ScenarioError))
        object.__setattr__(self, "correlators", real_array(self.correlators, "correlators", ScenarioError))

    def __str__(self) -> str:
        return f"{self.value:.9g} for {self.signs.ndim} parties (local models reach at most 1)"

    @property
    def visibility(self) -> float:
        """Visibility in white noise up to which the full correlators are local: ``1 / value``, at most 1."""
        return 1 / max(1.0, self.value)

    def expression(self) -> BellExpression:
        """The inequality's Bell expression; its local bound is 1, and its value on the correlators is ``value``.

        Raises:
            ScenarioError: If there are more than 12 parties: its table has 4**N entries.
        """
        n = self.signs.ndim
        at_most(
            n,
            _MAX_EXPRESSION_PARTIES,
            "expression",
            ScenarioError,
            what="parties for a table of all probabilities",
            note=f" parties, whose table has {4**n} entries ({4**n / 2**27:.3g} GB)",
            remedy="Use value, signs and visibility, which need 2**N numbers.",
        )
        return BellExpression.from_correlators(_walsh_hadamard(self.signs / 2.0**n), marginals=False)

    def verify(self) -> Verification:
        """Recomputes the transform in rational arithmetic and compares it with ``value`` and the signs' value."""
        shape = self.correlators.shape
        if self.signs.shape != shape or set(shape) != {2} or not np.isin(self.signs, (-1, 1)).all():
            return Verification(False, "the signs are not one of -1 and 1 for each of (2,) * N correlators", math.inf)
        if not np.abs(self.correlators).max() <= 1 + _LARGEST:
            return Verification(False, "a correlator is not between -1 and 1", math.inf)
        entries = np.empty(self.correlators.size, dtype=object)
        entries[:] = [Fraction(float(entry)) for entry in self.correlators.flat]
        transformed = _walsh_hadamard(entries.reshape(self.correlators.shape))
        exact = sum((abs(entry) for entry in transformed.flat), Fraction(0)) / self.correlators.size
        signed = zip(self.signs.ravel().tolist(), transformed.flat, strict=True)
        reached = sum((sign * entry for sign, entry in signed), Fraction(0)) / self.correlators.size
        deviation = float(max(abs(total - Fraction(self.value)) for total in (exact, reached)))
        return Verification(
            deviation <= _VALUE_ROUNDING * float(max(1, exact)),
            f"the correlators have the value {float(exact):.12g}, the signs' inequality {float(reached):.12g}",
            deviation,
        )


def wwzb(correlators: ArrayLike) -> FullCorrelatorBound:
    """The Werner-Wolf-Zukowski-Brukner condition: whether full correlators of N parties are local.

    For two settings of two outcomes per party, all Bell inequalities for full correlators are equivalent to a single
    one, the sum of absolute values of a Walsh-Hadamard transform. It says nothing about marginals: the whole
    behavior may be nonlocal although its full correlators are local.

    Args:
        correlators: Expectation values of the product of all parties' outcomes, shape ``(2,) * N``, N at most 20.

    Returns:
        The value (local models: at most 1), the signs that name the strongest inequality, and the
        critical visibility.

    Raises:
        ScenarioError: If the shape is not ``(2,) * N``, there are more than 20 parties, or an entry is not
            in [-1, 1].

    References:
        R. F. Werner, M. M. Wolf, arXiv:quant-ph/0102024; M. Zukowski, C. Brukner, arXiv:quant-ph/0102039.

    Examples:
        >>> round(wwzb([[0.7, 0.7], [0.7, -0.7]]).value, 6)
        1.4
    """
    array = real_array(correlators, "correlators", ScenarioError)
    if array.ndim == 0 or array.ndim > _MAX_PARTIES or set(array.shape) != {2}:
        raise ScenarioError.bad_argument(
            "correlators",
            expected=f"shape (2,) * N for at most {_MAX_PARTIES} parties with two settings",
            got=f"shape {array.shape}",
            remedy="More settings go to nonlocality_threshold(behavior).",
        )
    largest = float(np.abs(array).max())
    if largest > 1 + _LARGEST:
        raise ScenarioError.bad_argument("correlators", expected="numbers from -1 to 1", got=f"{largest:.9g}")
    transformed = _walsh_hadamard(array)
    signs = np.where(transformed < 0, -1, 1)
    value = math.fsum(np.abs(transformed).ravel().tolist()) / array.size
    return FullCorrelatorBound(value, signs, array)


def _walsh_hadamard(array: NDArray[Any]) -> NDArray[Any]:
    """``sum over x of (-1)**(r . x) array[x]`` for every r, axis by axis."""
    for _ in range(array.ndim):
        # The transformed axis goes to the end: after N steps the order is restored.
        array = np.stack([array[0] + array[1], array[0] - array[1]], axis=-1)
    return array
