"""A Bell inequality that two-qubit Werner states violate at visibilities far below the threshold of CHSH."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from importlib.resources import as_file, files

import numpy as np

from ..._support.rounding import round_up
from ..._support.types import FloatArray, IntArray
from ..._support.validation import frozen, real_array
from ...exceptions import CertificateError
from ...targets.behaviors import Behavior
from ...verification.evidence import Evidence
from ...verification.local_bounds import leaves_unchanged
from ...verification.result import Verification, combine
from .bell_inequality import BellInequality

__all__ = ["WernerInequality", "werner_inequality"]


@dataclass(frozen=True, eq=False, repr=False)
class WernerInequality(Evidence):
    """A correlation Bell inequality with the axes at which the singlet violates it.

    The two-qubit Werner state of visibility v gives the correlator ``-v n . m`` for the axes n and m. The components
    of the axes are binary fractions, so that the value of the singlet is a rational number. The length of an axis
    is at most 1; axes shorter than 1 describe noisy measurements. With axes of full length, the inequality or one
    obtained from it by flipping outcomes is violated, too.

    Raises:
        CertificateError: If the shapes do not fit.

    References:
        T. Vertesi, Phys. Rev. A 78, 032112 (2008), arXiv:0806.0096 (the first inequalities better than CHSH); S.
        Designolle, T. Vertesi, S. Pokutta, arXiv:2409.03739.

    Examples:
        >>> from qiskit_lhv.polytope import werner_inequality
        >>> werner = werner_inequality()
        >>> print(werner)
        36 x 91 settings, violated by Werner states of visibility above 0.699736137
        >>> werner.correlators.shape, f"{werner.visibility:.6f}", werner.inequality.bound.value
        ((36, 91), '0.699736', 644334.0)
        >>> round(float(werner.singlet_value()), 3)
        920824.246
    """

    first_axes: FloatArray
    """Bloch vectors of party 0, shape ``(m_1, 3)``."""
    second_axes: FloatArray
    """Bloch vectors of party 1, shape ``(m_2, 3)``."""
    inequality: BellInequality
    """The inequality, with full correlators only."""
    symmetries: IntArray
    """Relabelings that leave the inequality unchanged, one per row, shape ``(G, m_1 + m_2)``; G may be 0. An entry s
    means that a setting takes the place of setting ``abs(s) - 1``, with its outcomes swapped if s is negative."""

    def __post_init__(self) -> None:
        for name in ("first_axes", "second_axes"):
            object.__setattr__(self, name, real_array(getattr(self, name), name, CertificateError, ndim=2))
        symmetries = real_array(self.symmetries, "symmetries", CertificateError, ndim=2)
        object.__setattr__(self, "symmetries", frozen(np.rint(symmetries).astype(np.int64)))
        num_axes = len(self.first_axes) + len(self.second_axes)
        if symmetries.shape[1] != num_axes or not np.array_equal(symmetries, self.symmetries):
            raise CertificateError.bad_argument(
                "symmetries", expected=f"rows of {num_axes} whole numbers", got=f"shape {symmetries.shape}"
            )
        expected = (len(self.first_axes), len(self.second_axes), 2, 2)
        got = self.inequality.expression.scenario.shape
        if got != expected or self.first_axes.shape[1] != 3 or self.second_axes.shape[1] != 3:
            raise CertificateError.bad_argument(
                "inequality", expected=f"{expected[0]} and {expected[1]} settings as there are axes", got=f"{got}"
            )

    def __str__(self) -> str:
        m_1, m_2 = self.correlators.shape
        return f"{m_1} x {m_2} settings, violated by Werner states of visibility above {self.visibility:.9g}"

    @property
    def correlators(self) -> FloatArray:
        """Coefficients of the full correlators, shape ``(m_1, m_2)``."""
        table = self.inequality.expression.coefficients
        return (table[..., 0, 0] - table[..., 0, 1] - table[..., 1, 0] + table[..., 1, 1]) / 4

    def singlet_value(self) -> Fraction:
        """Returns the exact value of the singlet at these axes."""
        first, second = (
            [[Fraction(float(c)) for c in n] for n in axes] for axes in (self.first_axes, self.second_axes)
        )
        total = Fraction(0)
        for n, row in zip(first, self.correlators.tolist(), strict=True):
            summed = [sum(int(k) * m[i] for k, m in zip(row, second, strict=True)) for i in range(3)]
            total -= sum(a * b for a, b in zip(n, summed, strict=True))
        return total

    @property
    def visibility(self) -> float:
        """Visibility above which all Werner states violate the inequality: bound over singlet value, rounded up."""
        return round_up(Fraction(self.inequality.bound.value) / self.singlet_value())

    def behavior(self, visibility: float) -> Behavior:
        """Returns the behavior of the Werner state of the given visibility, measured along these axes.

        Args:
            visibility: Weight of the singlet, from 0 to 1.
        """
        return Behavior.from_correlators(-visibility * self.first_axes @ self.second_axes.T, marginals=False)

    def verify(self, *, prove_bound: bool | None = None) -> Verification:
        """Re-checks axes, coefficients, symmetries and violation in rational arithmetic, and the local bound.

        Args:
            prove_bound: Whether to prove the local bound again; see ``BellInequality.verify``. For the inequality that
                comes with the package, a search tree proves it in about 5 seconds.

        Returns:
            Whether all Werner states above ``visibility`` violate the inequality.
        """
        if not math.isfinite(self.inequality.bound.value):
            return Verification(False, f"the bound is {self.inequality.bound.value}", math.inf)
        lengths = [sum(Fraction(float(c)) ** 2 for c in n) for n in (*self.first_axes, *self.second_axes)]
        short = Verification(max(lengths) <= 1, "all axes have at most unit length")
        signs = np.array([[1, -1], [-1, 1]])
        correlators = self.correlators
        expanded = correlators[:, :, None, None] * signs
        plain = Verification(
            np.array_equal(correlators, np.rint(correlators))
            and np.array_equal(expanded, self.inequality.expression.coefficients),
            "the coefficients are integers on full correlators",
        )
        value = self.singlet_value()
        violated = Verification(
            value > Fraction(self.inequality.bound.value) > 0,
            f"the singlet reaches {float(value):.12g}, the claimed local bound is {self.inequality.bound.value:.12g}",
        )
        first = len(self.first_axes)
        maps = [(row[:first], row[first:]) for row in self.symmetries]
        coefficients = self.inequality.expression.coefficients
        symmetric = Verification(
            all(leaves_unchanged(coefficients, relabeling) for relabeling in maps),
            "the symmetries leave the inequality as it is",
        )
        checks = combine(short, plain, violated, symmetric)
        if not checks:
            return checks
        return combine(checks, self.inequality.verify(prove_bound=prove_bound, symmetries=maps))


@cache
def werner_inequality() -> WernerInequality:
    """The inequality for two-qubit Werner states that comes with the package.

    Two-qubit Werner states above its visibility are nonlocal; this visibility lies below the 0.7071 of CHSH. The
    script ``benchmarks/werner_nonlocal.py`` found the inequality and proves its bound.

    Returns:
        The inequality of 36 and 91 settings, with its axes, symmetries and exact local bound.

    References:
        T. Vertesi, Phys. Rev. A 78, 032112 (2008), arXiv:0806.0096 (the first inequalities better than CHSH); S.
        Designolle, T. Vertesi, S. Pokutta, arXiv:2409.03739 (0.69604, the best known).

    Examples:
        >>> print(werner_inequality())
        36 x 91 settings, violated by Werner states of visibility above 0.699736137
        >>> werner_inequality().inequality.bound.value
        644334.0
    """
    with as_file(files("qiskit_lhv").joinpath("data/werner_nonlocal.npz")) as path:
        return WernerInequality.load(path)
