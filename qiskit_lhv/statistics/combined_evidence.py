"""Several e-values in one: products of independent experiments, averages over the same shots."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .._records import Record
from ..exceptions import CountsError
from ..verification import Verification, combine
from .evidence import EValue

__all__ = ["CombinedEValue", "combine_e_values"]


@dataclass(frozen=True, eq=False, repr=False)
class CombinedEValue(Record):
    """The product of e-values of independent experiments, or the mean of e-values of the same shots."""

    parts: tuple[EValue, ...]
    """The e-values."""
    independent: bool
    """Whether they come from independent experiments and are multiplied; else they are averaged."""
    log_e: float
    """Natural logarithm of the product or the mean."""

    @property
    def log10_p_value(self) -> float:
        """Base-10 logarithm of the p-value ``min(1, 1 / e)``; never underflows."""
        return min(0.0, -self.log_e / math.log(10))

    @property
    def p_value(self) -> float:
        """The p-value ``min(1, 1 / e)``; 0.0 where it is below the smallest float."""
        return 10**self.log10_p_value

    def __str__(self) -> str:
        how = "product" if self.independent else "mean"
        return f"log10 e = {self.log_e / math.log(10):.3f}, the {how} of {len(self.parts)} e-values"

    def verify(self) -> Verification:
        """Re-checks every e-value and the product or mean."""
        log_e = _combined([part.log_e for part in self.parts], self.independent)
        error = abs(log_e - self.log_e)
        own = Verification(error <= 1e-9 * max(1.0, abs(log_e)), f"combined log e = {log_e:.9g}", error)
        return combine(*(part.verify() for part in self.parts), own)


def combine_e_values(e_values: Sequence[EValue], *, independent: bool) -> CombinedEValue:
    """Combines e-values against the same set of behaviors.

    The product of e-values has a mean of at most 1 only if each is an e-value given the others: for separate
    runs, or for devices that share nothing. E-values of the same shots (such as of two random orders, or of two null
    distributions of settings) may always be averaged, also if they depend on each other in an unknown way.

    Args:
        e_values: The e-values.
        independent: Your statement that they come from independent experiments: then they are multiplied. If not, they
            are averaged.

    Returns:
        The combined e-value.

    Raises:
        CountsError: If there are none, they test different sets, or the same shots would be multiplied.

    References:
        V. Vovk, R. Wang, Ann. Statist. 49, 1736 (2021), arXiv:1912.06116.

    Examples:
        >>> from qiskit_lhv import load_bundled_counts, ratio_e_value
        >>> counts = load_bundled_counts("delft_2015").counts
        >>> orders = [ratio_e_value(counts, seed=seed) for seed in range(10)]
        >>> combine_e_values(orders, independent=False).p_value <= 1
        True
    """
    parts = tuple(e_values)
    if not parts or not all(isinstance(part, EValue) for part in parts):
        raise CountsError.bad_argument("e_values", expected="at least one EValue", got=f"{e_values!r}")
    if len({part.null for part in parts}) > 1:
        raise CountsError.bad_argument(
            "e_values", expected="tests of one set of behaviors", got=" and ".join(sorted({p.null for p in parts}))
        )
    if not isinstance(independent, bool | np.bool_):
        raise CountsError.bad_argument("independent", expected="True or False", got=repr(independent))
    if independent:
        tables = {part.tested.sum(axis=0).tobytes() for part in parts}
        if len(tables) < len(parts):
            raise CountsError.bad_argument(
                "e_values",
                expected="e-values of independent experiments, to be multiplied",
                got="the same counts twice",
                remedy="E-values of the same shots are averaged: independent=False.",
            )
    return CombinedEValue(parts, bool(independent), _combined([part.log_e for part in parts], bool(independent)))


def _combined(logs: list[float], independent: bool) -> float:
    if independent:
        return math.fsum(logs)
    largest = max(logs)
    return largest + math.log(math.fsum(math.exp(value - largest) for value in logs) / len(logs))
