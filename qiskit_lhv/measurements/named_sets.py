"""The sets of measurements that users name by a string or give as a list."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import Any

import numpy as np

from .._support.validation import shown
from ..exceptions import LHVError, MeasurementError
from .bloch_vectors import are_vectors, bloch_vector_of
from .effect_sets import ListedMeasurements, POVMs, PVMs
from .qubit_sets import AllProjective, ListedProjective, PlanarProjective, QubitMeasurementSet
from .sets import MeasurementSet
from .specification import settings_of_party

__all__ = ["measurement_set", "measurement_sets", "projective_members", "projective_set", "qubit_set"]

_PROJECTIVE, _POVM = AllProjective().name, POVMs(2).name
# The sets of qubits that proofs and searches for settings know, by the coordinates that their Bloch vectors use.
_BY_COORDINATES: dict[tuple[int, ...], QubitMeasurementSet] = {
    (0, 1, 2): AllProjective(),
    **{pair: PlanarProjective(np.eye(3)[list(pair)]) for pair in combinations(range(3), 2)},
}


def measurement_set(measurements: Any, dimension: int = 2) -> MeasurementSet:
    """Returns the set of measurements that a user names or passes.

    Args:
        measurements: ``"projective"``: all projective measurements; ``"povm"``: all POVMs; for a qubit also ``"xy"``,
            ``"xz"`` or ``"yz"``: the projective measurements whose Bloch vectors lie in that plane, or two orthonormal
            vectors that span another plane, shape ``(2, 3)``; or a ``MeasurementSet``, which is returned as it is.
        dimension: Dimension of the space of the party that measures.

    Returns:
        The set; the same object where one was passed.

    Raises:
        MeasurementError: If ``measurements`` is not one of these, or belongs to another dimension.

    Examples:
        >>> from qiskit_lhv.measurements import measurement_set
        >>> print(measurement_set("xz"))
        all projective measurements in the plane xz
        >>> measurement_set("projective").covers(measurement_set("xz"))
        True
        >>> print(measurement_set("povm", 3))
        all POVMs of dimension 3
    """
    found = _named(measurements, dimension)
    if found is None:
        raise _unknown(measurements)
    if found.dimension != dimension:
        raise MeasurementError.bad_argument(
            "measurements",
            expected=f"measurements of dimension {dimension}",
            got=f"{found}, of dimension {found.dimension}",
            remedy="Give one set per party, of the dimension of its space.",
        )
    return found


def measurement_sets(measurements: Any, dimensions: Sequence[int]) -> list[MeasurementSet]:
    """Returns the set of measurements of each party.

    Args:
        measurements: Anything that :func:`measurement_set` takes, which then holds for every party; or one entry per
            party, each of them a ``MeasurementSet``, a name, or a list of measurements (anything that ``measurement``
            takes).
        dimensions: Dimension of the space of each party.

    Returns:
        One set for each party.

    Raises:
        MeasurementError: If ``measurements`` is not one of these.

    Examples:
        >>> from qiskit_lhv.measurements import measurement_sets
        >>> for measurements in measurement_sets(["xz", ["X", "Z"], "povm"], (2, 2, 3)):
        ...     print(measurements)
        all projective measurements in the plane xz
        2 chosen projective measurements
        all POVMs of dimension 3
    """
    listed = isinstance(measurements, Sequence | np.ndarray) and not isinstance(measurements, str)
    if not listed or are_vectors(measurements):
        return [measurement_set(measurements, dimension) for dimension in dimensions]
    if len(measurements) != len(dimensions):
        raise MeasurementError.bad_argument(
            "measurements", expected=f"one set for each of {len(dimensions)} parties", got=f"{len(measurements)}"
        )
    return [
        measurement_set(given, dimension) if isinstance(given, str | MeasurementSet) else _listed(given, dimension, k)
        for k, (given, dimension) in enumerate(zip(measurements, dimensions, strict=True))
    ]


def qubit_set(measurements: Any) -> MeasurementSet:
    """Returns the set that a user names, if it is one about which proofs for states of qubits speak.

    Args:
        measurements: What ``measurement_set`` takes: ``"projective"``, a coordinate plane, or ``"povm"``.

    Raises:
        MeasurementError: If it is another set, or not a set.
    """
    found = _found(measurements)
    if isinstance(found, PVMs) and found.name:
        # The same measurements, given by their effects.
        return AllProjective()
    if isinstance(found, POVMs) and found.name:
        # How members are drawn makes no difference to a proof.
        return POVMs(2)
    if isinstance(found, AllProjective | PlanarProjective) and found.name:
        return _BY_COORDINATES[found.axes]
    raise _not_of_qubits(measurements, f"{_PROJECTIVE!r}, {_POVM!r}")


def projective_set(measurements: Any) -> QubitMeasurementSet:
    """Returns the set that a user names, if it holds all projective measurements of a qubit or those of a plane.

    Args:
        measurements: What ``measurement_set`` takes.

    Raises:
        MeasurementError: If it is another set, or not a set.
    """
    found = _found(measurements)
    if isinstance(found, AllProjective | PlanarProjective) and found.name:
        return _BY_COORDINATES[found.axes]
    raise _not_of_qubits(measurements, repr(_PROJECTIVE))


def projective_members(measurements: Any) -> QubitMeasurementSet:
    """Returns the projective measurements of a set about which proofs for states of qubits speak.

    Args:
        measurements: What :func:`qubit_set` takes. The projective ones among all POVMs are all projective ones.

    Raises:
        MeasurementError: If it is another set, or not a set.
    """
    found = qubit_set(measurements)
    return found if isinstance(found, QubitMeasurementSet) else AllProjective()


def _found(measurements: Any) -> MeasurementSet | None:
    try:
        return measurement_set(measurements)
    except LHVError:
        return None


def _not_of_qubits(measurements: Any, others: str) -> MeasurementError:
    names = ", ".join(repr(known.name) for known in _BY_COORDINATES.values() if known.name != _PROJECTIVE)
    return MeasurementError.bad_argument(
        "measurements", expected=f"{others} or one of {names}", got=shown(measurements)
    )


def _named(measurements: Any, dimension: int) -> MeasurementSet | None:
    if isinstance(measurements, MeasurementSet):
        return measurements
    if isinstance(measurements, str):
        if measurements == _PROJECTIVE:
            return AllProjective() if dimension == 2 else PVMs(dimension)
        if measurements == _POVM:
            return POVMs(dimension)
        if len(measurements) == 2 and len({*measurements} & {*"xyz"}) == 2:
            return PlanarProjective(np.eye(3)[["xyz".index(axis) for axis in measurements]])
        return None
    return PlanarProjective(measurements) if are_vectors(measurements) else None


def _listed(specs: Any, dimension: int, number: int) -> MeasurementSet:
    """The list of measurements of a party: of Bloch vectors if all are projective measurements of a qubit."""
    try:
        party = settings_of_party(specs, dimension, number)
    except LHVError as exc:
        raise _unknown(specs) from exc
    vectors = [bloch_vector_of(given) for given in party]
    if all(vector is not None for vector in vectors):
        return ListedProjective(np.stack([vector for vector in vectors if vector is not None]))
    return ListedMeasurements.of(party)


def _unknown(measurements: Any) -> MeasurementError:
    return MeasurementError.bad_argument(
        "measurements",
        expected="'projective', 'povm', a plane such as 'xz', two orthonormal vectors that span a plane, a "
        "MeasurementSet, or one of these or a list of measurements per party",
        got=shown(measurements),
    )
