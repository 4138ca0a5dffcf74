"""The errors that the package raises.

Every error derives from :class:`LHVError`, so one ``except`` clause catches them all; those that
report bad input are also a :class:`ValueError`.
"""

from __future__ import annotations

from typing import Self

from qiskit.exceptions import QiskitError

__all__ = [
    "CertificateError",
    "CountsError",
    "LHVError",
    "MeasurementError",
    "ScenarioError",
    "SolverError",
    "SweepError",
]


def __dir__() -> list[str]:
    return __all__


class LHVError(QiskitError):
    """Base class of all errors of the package."""

    def __str__(self) -> str:
        # QiskitError shows the message's repr, quotes included.
        return str(self.message)

    @classmethod
    def bad_argument(cls, argument: str, *, expected: str, got: object, remedy: str = "") -> Self:
        """Builds the error for an argument that cannot be used.

        Args:
            argument: Name of the argument, as the caller wrote it.
            expected: What the argument should have been.
            got: What came instead.
            remedy: What the caller can do about it.

        Returns:
            The error, ready to be raised.
        """
        message = f"{argument}: expected {expected}, got {got}."
        return cls(f"{message} {remedy}" if remedy else message)


class ScenarioError(LHVError, ValueError):
    """A behavior, expression or scenario that is malformed, or two that do not fit together."""


class MeasurementError(LHVError, ValueError):
    """A measurement, state or circuit that cannot be used."""


class CountsError(LHVError, ValueError):
    """Counts or trials that cannot be used."""


class CertificateError(LHVError, ValueError):
    """A saved certificate or result that is damaged or belongs to something else."""


class SolverError(LHVError, RuntimeError):
    """A solver that stopped without an answer that can be trusted."""


class SweepError(LHVError, RuntimeError):
    """A sweep whose workers or whose store gave out; what was finished is kept."""
