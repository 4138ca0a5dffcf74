"""Correlation tensors from expectation values, such as those of an Estimator."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from numbers import Real
from typing import Any

import numpy as np
from qiskit.primitives import PubResult
from qiskit.quantum_info import SparsePauliOp

from .._validation import positive_number, whole_numbers
from ..exceptions import CountsError
from .correlations import CorrelationTensor
from .tensor_estimates import MAX_QUBITS, TensorEstimate, least_standard_error

__all__ = ["estimate_from_estimator", "estimate_from_expectations", "pauli_labels", "pauli_observables"]


def pauli_labels(num_qubits: int) -> tuple[str, ...]:
    """All Pauli labels but the identity, in Qiskit's order of characters (qubit 0 at the right).

    Args:
        num_qubits: From 1 to 6.

    Raises:
        CountsError: If the number is another.

    Examples:
        >>> pauli_labels(1)
        ('X', 'Y', 'Z')
    """
    (n,) = whole_numbers(num_qubits, "num_qubits", CountsError, minimum=1)
    if n > MAX_QUBITS:
        raise CountsError.bad_argument("num_qubits", expected=f"at most {MAX_QUBITS}", got=f"{n}")
    return tuple("".join(reversed(one)) for one in itertools.product("IXYZ", repeat=n))[1:]


def pauli_observables(num_qubits: int) -> list[SparsePauliOp]:
    """The observables whose expectation values make up a correlation tensor, for one PUB of an Estimator.

    A circuit that is laid out on a device needs them there: ``[one.apply_layout(circuit.layout) for one in
    pauli_observables(n)]``.

    Args:
        num_qubits: From 1 to 6.

    Returns:
        One observable for each label of :func:`pauli_labels`, in that order.

    Raises:
        CountsError: If the number is another.
    """
    return [SparsePauliOp(label) for label in pauli_labels(num_qubits)]


def estimate_from_estimator(result: PubResult) -> TensorEstimate:
    """The correlation tensor from what an Estimator returned for one PUB ``(circuit, pauli_observables(n))``.

    Standard errors are those of the result, as far as they can be: of n shots none is taken below 6 / n, the least at
    which normal limits hold where all shots agree (``estimate_tensor`` has the same rule). An Estimator that reports
    errors of 0 and no shots (such as ``StatevectorEstimator``, which adds noise of the target precision) is taken at
    its target precision.

    Args:
        result: One of the results of ``estimator.run([(circuit, pauli_observables(n))]).result()``.

    Raises:
        CountsError: If the result is no Estimator's, has another number of values, or has no errors, or negative ones.

    Examples:
        >>> from qiskit import QuantumCircuit
        >>> from qiskit.primitives import StatevectorEstimator
        >>> bell = QuantumCircuit(2)
        >>> _ = bell.h(0), bell.cx(0, 1)
        >>> job = StatevectorEstimator(seed=1).run([(bell, pauli_observables(2))], precision=0.01)
        >>> print(estimate_from_estimator(job.result()[0]))
        correlations of 2 qubits from expectation values, standard errors up to 0.01
    """
    data = getattr(result, "data", None)
    if data is None or not hasattr(data, "evs") or not hasattr(data, "stds"):
        raise CountsError.bad_argument(
            "result",
            expected="the result of one PUB of an Estimator, with evs and stds",
            got=type(result).__name__,
            remedy="estimator.run([(circuit, pauli_observables(n))]).result()[0]; counts go to estimate_tensor.",
        )
    values, errors = np.asarray(data.evs, dtype=float), np.asarray(data.stds, dtype=float)
    sizes = {4**n - 1: n for n in range(1, MAX_QUBITS + 1)}
    if values.ndim != 1 or len(values) not in sizes or errors.shape != values.shape:
        raise CountsError.bad_argument(
            "result",
            expected=f"one value for each of the {', '.join(map(str, sizes))} observables of pauli_observables(n)",
            got=f"values of shape {values.shape}",
        )
    metadata = getattr(result, "metadata", None) or {}
    shots, precision = metadata.get("shots"), metadata.get("target_precision")
    if not np.all(errors >= 0):
        raise CountsError.bad_argument("result", expected="standard errors above 0", got=f"{errors[~(errors >= 0)][0]}")
    if shots:
        errors = np.maximum(errors, least_standard_error(shots))
    elif np.any(errors == 0):
        if not precision:
            raise CountsError.bad_argument(
                "result",
                expected="standard errors above 0",
                got="0, and neither shots nor a target precision in the metadata",
                remedy="Exact values are those of CorrelationTensor.from_state(circuit).",
            )
        errors = np.where(errors == 0, float(precision), errors)
    labels = pauli_labels(sizes[len(values)])
    return estimate_from_expectations(
        dict(zip(labels, values.tolist(), strict=True)), dict(zip(labels, errors.tolist(), strict=True))
    )


def estimate_from_expectations(
    values: Mapping[str, float], standard_errors: Mapping[str, float] | float
) -> TensorEstimate:
    """The correlation tensor from expectation values, such as those of an Estimator.

    Args:
        values: Expectation value of each Pauli label but the identity (:func:`pauli_labels`; qubit 0 at the right).
        standard_errors: Standard error of each, or one for all. Errors are taken as normal; of mitigated values
            nothing better is known. Nor can it be tested whether all values belong to one state: each correlation is
            given once, which leaves nothing to compare. Counts in all bases can be tested (``estimate_tensor``).

    Raises:
        CountsError: If a label is missing or unknown, a value is not a number from -1 to 1 within five
            standard errors, or a standard error is not positive.
    """
    if not isinstance(values, Mapping) or not values:
        raise CountsError.bad_argument("values", expected="expectation values by Pauli label", got=repr(values))
    if not all(isinstance(label, str) for label in values):
        raise CountsError.bad_argument("values", expected="Pauli labels as keys", got=repr(next(iter(values))))
    n = len(next(iter(values)))
    labels = pauli_labels(n) if 0 < n <= MAX_QUBITS else ()
    unknown = [label for label in values if label not in labels and set(label) != {"I"}]
    missing = [label for label in labels if label not in values]
    if unknown or missing or not labels:
        listed: Sequence[str] = missing or unknown
        raise CountsError.bad_argument(
            "values",
            expected=f"all {4**n - 1} Pauli labels of {n} qubits",
            got=f"{'none for' if missing else 'unknown'} {', '.join(map(str, listed[:8]))}",
            remedy="pauli_labels(num_qubits) lists them.",
        )
    tensor, errors = np.zeros((4,) * n), np.zeros((4,) * n)
    tensor[(0,) * n] = 1
    for label in labels:
        index = tuple("IXYZ".index(character) for character in reversed(label))
        given: Any = standard_errors.get(label) if isinstance(standard_errors, Mapping) else standard_errors
        error = positive_number(given, f"standard_errors[{label!r}]", CountsError)
        value: Any = values[label]
        if not isinstance(value, Real) or not abs(float(value)) <= 1 + 5 * error:
            raise CountsError.bad_argument(f"values[{label!r}]", expected="a number from -1 to 1", got=repr(value))
        tensor[index], errors[index] = value, error
    return TensorEstimate(CorrelationTensor(tensor), errors)
