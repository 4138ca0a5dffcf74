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
    """Base class of all errors of the package.

    Examples:
        >>> from qiskit_lhv import Behavior, LHVError
        >>> try:
        ...     Behavior([[0.5, 0.6]])
        ... except LHVError as error:
        ...     print(type(error).__name__, error, sep=": ")
        ScenarioError: array: expected outcomes that sum to 1 for every setting combination, got a sum of 1.1 for
         settings (0,). Normalize it; counts go to BellCounts. Numbers with errors: divide each setting's by their
         sum, and tell their accuracy, analyze(behavior, tolerance=...).
    """

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
    """A behavior, expression or scenario that is malformed, or two that do not fit together.

    Examples:
        >>> from qiskit_lhv import BellScenario
        >>> BellScenario([2, 0], 2)
        Traceback (most recent call last):
            ...
        qiskit_lhv.exceptions.ScenarioError: num_settings: expected whole numbers of at least 1, got 0.
    """


class MeasurementError(LHVError, ValueError):
    """A measurement, state or circuit that cannot be used.

    Examples:
        >>> from qiskit_lhv import measurement
        >>> measurement("XQ")
        Traceback (most recent call last):
            ...
        qiskit_lhv.exceptions.MeasurementError: spec: expected a Pauli label such as 'X' or '-ZZ', a sum such as
         'Z+X', an angle such as '45 deg', or 'H', got 'XQ'. Give a Pauli label, Bloch vector, Pauli,
         SparsePauliOp, SparseObservable, Operator, a list of effects, or measurement(basis=...).
    """


class CountsError(LHVError, ValueError):
    """Counts or trials that cannot be used.

    Examples:
        >>> from qiskit_lhv import CountsOptions
        >>> CountsOptions(test="best")
        Traceback (most recent call last):
            ...
        qiskit_lhv.exceptions.CountsError: test: expected 'combined', 'e-value' or 'game', got 'best'.
    """


class CertificateError(LHVError, ValueError):
    """A saved certificate or result that is damaged or belongs to something else.

    Examples:
        A file of something else is refused:

        >>> import pathlib, tempfile
        >>> from qiskit_lhv import BellCounts, chsh
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = pathlib.Path(folder) / "chsh.json"
        ...     chsh().save(path)
        ...     BellCounts.load(path)
        Traceback (most recent call last):
            ...
        qiskit_lhv.exceptions.CertificateError: path: expected a saved BellCounts, got a saved BellExpression in
         chsh.json. Load it with BellExpression.load.
    """


class SolverError(LHVError, RuntimeError):
    """A solver that stopped without an answer that can be trusted.

    Examples:
        A linear program that would be too large:

        >>> import numpy as np
        >>> from qiskit_lhv import BellCounts
        >>> from qiskit_lhv.statistics import signaling_allowance
        >>> signaling_allowance(BellCounts(np.full((11, 11, 2, 2), 100)), seed=1)
        Traceback (most recent call last):
            ...
        qiskit_lhv.exceptions.SolverError: signaling_allowance: 2 parties with 11 settings of 2 outcomes each have
         too many strategies, or too many ways to change an outcome, to compare a violation with signaling.
    """


class SweepError(LHVError, RuntimeError):
    """A sweep whose workers or whose store gave out; what was finished is kept.

    Examples:
        Workers that are gone:

        >>> from concurrent.futures import ThreadPoolExecutor
        >>> from qiskit_lhv import sweep
        >>> workers = ThreadPoolExecutor(1)
        >>> workers.shutdown()
        >>> def inverse(number):
        ...     return 1 / number
        >>> sweep(inverse, [{"number": 2}], executor=workers, progress=False)
        Traceback (most recent call last):
            ...
        qiskit_lhv.exceptions.SweepError: The workers gave out (RuntimeError: cannot schedule new futures after
         shutdown). What was finished before is kept in the store, if there is one. If they ended at once, guard
         the script by if __name__ == '__main__'; if later, they may have been short of memory: use fewer.
    """
