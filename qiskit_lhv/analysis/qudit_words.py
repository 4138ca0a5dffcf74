"""Measurement sets, names and advice in questions about states with parties larger than a qubit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .._support.validation import shown
from ..exceptions import MeasurementError
from ..measurements.effect_sets import POVMs
from ..measurements.named_sets import measurement_sets
from ..measurements.qubit_sets import AllProjective
from ..measurements.sets import MeasurementSet

__all__ = ["advice_for_qudits", "name_of_question", "named_for_all", "sets_of_parties"]


def sets_of_parties(measurements: Any, dimensions: Sequence[int]) -> MeasurementSet:
    """Returns the set of a qubit that has the name of the sets of all parties.

    Args:
        measurements: ``"projective"``, ``"povm"``, or what else ``measurement_sets`` takes and comes down to these.
        dimensions: Dimension of each party's space.

    Raises:
        MeasurementError: If these are other sets, or sets of other dimensions.
    """
    sets = measurement_sets(measurements, dimensions)
    if len({found.name for found in sets}) > 1:
        raise _unknown(measurements)
    return named_for_all(sets[0], measurements)


def named_for_all(measured: Any, given: Any = None) -> MeasurementSet:
    """Returns the set of a qubit with the name of a set; it stands for the set of that name of each party.

    Args:
        measured: A set or its name.
        given: What the user passed, for the message; default: the same.

    Raises:
        MeasurementError: If it is neither all projective measurements nor all POVMs.
    """
    name = measured.name if isinstance(measured, MeasurementSet) else measured
    for known in (AllProjective(), POVMs()):
        if name == known.name:
            return known
    raise _unknown(measured if given is None else given)


def name_of_question(dimensions: Sequence[int], measurements: MeasurementSet) -> str:
    """Returns the target of a report in words.

    Args:
        dimensions: Dimension of each party's space.
        measurements: The set of a qubit that stands for those of all parties.
    """
    kind = "projective measurements" if measurements.is_projective else "POVMs"
    return f"state of parties of dimensions {' x '.join(map(str, dimensions))}, all {kind}"


def advice_for_qudits(lower: float, upper: float, timed_out: bool) -> str:
    """Returns what would settle an open question.

    Args:
        lower: The visibility in white noise up to which the state is proven local.
        upper: The visibility above which a violation was found.
        timed_out: Whether the time limit cut a search short.
    """
    longer = "A longer time_limit, or none, may settle it. " if timed_out else ""
    return (
        f"Open: in white noise the state is proven local up to visibility {lower:.6g}, no violation was found "
        f"below {upper:.6g}. {longer}More settings, optimize_settings(state, ...), take longer; "
        "find_local_model(state) estimates how far the state is from local."
    )


def _unknown(measurements: Any) -> MeasurementError:
    return MeasurementError.bad_argument(
        "measurements",
        expected="'projective' or 'povm' for parties larger than a qubit",
        got=shown(measurements),
        remedy="A plane is one of Bloch vectors, and only a qubit has these.",
    )
