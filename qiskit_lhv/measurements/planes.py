"""Which measurements are allowed: all projective ones, or those in a coordinate plane of the Bloch ball."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..exceptions import MeasurementError

__all__ = ["PLANES", "allowed_coordinates", "check_measurements"]

# The coordinates in each plane.
PLANES: dict[str, tuple[int, int]] = {"xy": (0, 1), "xz": (0, 2), "yz": (1, 2)}


def check_measurements(measurements: Any) -> str:
    """Returns the plane, or ``""`` for all projective measurements.

    Raises:
        MeasurementError: If it is neither ``"projective"`` nor a plane.
    """
    if not isinstance(measurements, str) or measurements not in ("projective", *PLANES):
        raise MeasurementError.bad_argument(
            "measurements", expected=f"'projective' or one of {', '.join(map(repr, PLANES))}", got=repr(measurements)
        )
    return "" if measurements == "projective" else measurements


def allowed_coordinates(measurements: str) -> NDArray[np.float64]:
    """1 for the coordinates of Bloch vectors that may differ from zero, shape ``(3,)``.

    Raises:
        MeasurementError: If it is neither ``"projective"`` nor a plane.
    """
    plane = check_measurements(measurements)
    return np.array([not plane or axis in PLANES[plane] for axis in range(3)], dtype=float)
