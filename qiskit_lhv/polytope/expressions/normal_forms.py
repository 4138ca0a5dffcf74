"""Forms of a Bell expression's coefficients in which expressions can be compared, counted and printed.

Many different arrays of coefficients describe the same function on no-signaling behaviors.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..._support.types import FloatArray
from ...targets import coordinates
from ...targets.scenario import BellScenario
from ...verification.rationals import binary_integers

__all__ = [
    "exact_coefficients",
    "expression_symbols",
    "no_signaling_part",
    "simplest_fraction",
    "table_matrices",
]

_LARGEST_DENOMINATOR = 10**4
_COEFFICIENT_ROUNDING = Fraction(1, 2**50)
_WITHIN_INT64 = 2**62


def table_matrices(scenario: BellScenario, *, correlators: bool) -> list[FloatArray]:
    """Maps each party's axis of ``m d`` to correlators or the Collins-Gisin form, reading marginals at setting 0.

    The matrices differ from those of ``targets.coordinates`` only in row 0, which is an average over settings there.
    Their entries are 0, 1 and -1, so integer coefficients remain integers.

    Args:
        scenario: The scenario.
        correlators: Whether the form is that of correlators (two outcomes per party).
    """
    make = coordinates.correlator_matrices if correlators else coordinates.collins_gisin_matrices
    matrices = make(scenario)
    for matrix, party in zip(matrices, scenario.num_outcomes, strict=True):
        matrix[0] = 0
        matrix[0, : party[0]] = 1
    return matrices


def no_signaling_part(coefficients: FloatArray, scenario: BellScenario) -> FloatArray:
    """The coefficients without the part that vanishes on every no-signaling behavior.

    This is the orthogonal projection onto the span of the no-signaling tables. A relabeling of the coefficients
    therefore relabels it in the same way.

    Args:
        coefficients: Shape ``(m_1, ..., m_N, d_1, ..., d_N)``.
        scenario: The scenario.

    Returns:
        Shape ``(m_1 d_1, ..., m_N d_N)``.
    """
    projections = []
    for party, mask in zip(scenario.num_outcomes, scenario.party_masks, strict=True):
        m, d = mask.shape
        if len(set(party)) > 1:
            # For a setting with more outcomes, each outcome takes a smaller part of the change.
            parts = (mask / np.array(party)[:, None]).ravel()
            blocks = np.kron(np.eye(m), np.ones((d, d))) * parts * mask.ravel()[:, None]
            common = np.outer(parts, parts) / np.sum(1 / np.array(party))
            projections.append(np.diag(mask.ravel().astype(np.float64)) - blocks + common)
            continue
        # A party's tables are those whose sum over outcomes is the same for every setting.
        of_sums = np.kron(np.eye(m) - 1 / m, np.full((d, d), 1 / d))
        projections.append(np.eye(m * d) - of_sums)
    return coordinates.apply_per_party(coordinates.to_party_axes(coefficients, scenario), projections)


def exact_coefficients(
    coefficients: FloatArray, scenario: BellScenario, tables: Sequence[FloatArray], added: FloatArray | None = None
) -> tuple[NDArray[Any], int]:
    """Exact coefficients on a shorter form of behaviors.

    Args:
        coefficients: Shape ``(m_1, ..., m_N, d_1, ..., d_N)``.
        scenario: The scenario.
        tables: For each party the matrix from its shorter form to its part of the table.
        added: What to add to the coefficients, of the same shape.

    Returns:
        Python's integers, an array of objects with one axis per party, and k: the coefficients are these integers
        divided by ``2**k``.
    """
    both = np.stack([coefficients, np.zeros_like(coefficients) if added is None else added])
    integers, exponent = binary_integers(both)
    maps = [binary_integers(matrix.T) for matrix in tables]
    exponent += sum(more for _, more in maps)
    matrices = [matrix for matrix, _ in maps]
    # No entry of the result, nor any on the way, exceeds the sum of all absolute values times those of every map's.
    largest = 2 * integers.size * _largest(integers)
    for matrix in matrices:
        largest *= max(1, _largest(matrix))
    if largest >= _WITHIN_INT64:
        # Integers of Python: they cannot wrap.
        integers = integers.astype(object)
        matrices = [matrix.astype(object) for matrix in matrices]
    exact = coordinates.apply_per_party(coordinates.to_party_axes(integers[0] + integers[1], scenario), matrices)
    return exact.astype(object), exponent


def _largest(integers: NDArray[Any]) -> int:
    return max((abs(value) for value in integers.ravel().tolist()), default=0)


def simplest_fraction(value: float, scale: float) -> Fraction:
    """The simple fraction, such as 1/3, that equals the float up to rounding; if there is none, the exact float.

    Args:
        value: The float.
        scale: The largest number that took part in its computation.
    """
    exact = Fraction(value)
    simple = exact.limit_denominator(_LARGEST_DENOMINATOR)
    return simple if abs(simple - exact) <= Fraction(scale) * _COEFFICIENT_ROUNDING else exact


def expression_symbols(scenario: BellScenario) -> Iterator[tuple[tuple[int, ...], str]]:
    """Index and name of each correlator (two outcomes per party; the constant has no name) or probability."""
    if scenario.is_two_outcome:
        for index in itertools.product(*(range(m + 1) for m in scenario.num_settings)):
            names = " ".join(f"{chr(65 + k)}{x - 1}" for k, x in enumerate(index) if x)
            yield index, f"<{names}>" if names else ""
        return
    n = scenario.num_parties
    for index in np.ndindex(scenario.shape):
        if not scenario.mask[index]:
            continue
        settings, outcomes = (" ".join(map(str, part)) for part in (index[:n], index[n:]))
        yield index, f"p({outcomes}|{settings})"
