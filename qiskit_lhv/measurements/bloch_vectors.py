"""Bloch vectors of projective qubit measurements, which users may give in many forms."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .._support.types import FloatArray
from ..exceptions import ScenarioError
from .specification import Measurement, parse_settings

__all__ = ["are_vectors", "bloch_vector_of", "bloch_vectors"]


def bloch_vectors(settings: Any, num_parties: int) -> list[FloatArray]:
    """Bloch vectors of outcome 0 of each party's settings, each of shape ``(m, 3)``.

    Args:
        settings: One sequence of projective single-qubit measurements per party, or a name such as ``"chsh"``.
        num_parties: Number of parties.

    Raises:
        ScenarioError: If ``settings`` is ``None``, or a measurement is not a projective one of a qubit.
        MeasurementError: If an entry is not a measurement.
    """
    if settings is None:
        raise ScenarioError.bad_argument(
            "settings", expected="one sequence of measurements per party", got="None", remedy="Choose them."
        )
    parsed = parse_settings(settings, [2] * num_parties)
    vectors = []
    for k, party in enumerate(parsed):
        found = [bloch_vector_of(given) for given in party]
        for given, vector in zip(party, found, strict=True):
            if vector is None:
                raise ScenarioError.bad_argument(
                    f"settings[{k}]",
                    expected="projective measurements of one qubit, with two outcomes",
                    got=repr(given),
                )
        vectors.append(np.stack([vector for vector in found if vector is not None]))
    return vectors


def bloch_vector_of(given: Measurement) -> FloatArray | None:
    """The Bloch vector of outcome 0, shape ``(3,)``; ``None`` if it is not a projective measurement of one qubit.

    Args:
        given: Any measurement.
    """
    if given.dimension != 2 or given.num_outcomes != 2 or given.bloch_vectors is None or given.outcome_of is None:
        return None
    vector: FloatArray = given.bloch_vectors[0] * (1 - 2 * given.outcome_of[0])
    return vector


def are_vectors(value: Any) -> bool:
    """Whether something is a list of vectors of numbers, and not one list of measurements per party.

    Args:
        value: What a user passed.
    """
    return isinstance(value, Sequence | np.ndarray) and _depth(value) <= 2 and not _has_labels(value)


def _depth(value: Any) -> int:
    """How deeply numbers are nested."""
    if isinstance(value, np.ndarray):
        return value.ndim
    if isinstance(value, list | tuple):
        return 1 + max((_depth(item) for item in value), default=0)
    return 0


def _has_labels(value: Any) -> bool:
    """Whether there is anything but numbers in it, such as labels or operators."""
    if isinstance(value, list | tuple):
        return any(_has_labels(item) for item in value)
    if isinstance(value, np.ndarray):
        return value.dtype.kind not in "iuf"
    return not isinstance(value, int | float | np.number)
