"""Correlation tensors from expectation values, such as those of an Estimator."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from numbers import Real
from typing import Any

import numpy as np
from qiskit import QuantumCircuit
from qiskit.exceptions import QiskitError
from qiskit.primitives import PubResult
from qiskit.primitives.containers.estimator_pub import EstimatorPub
from qiskit.primitives.containers.observables_array import ObservablesArray
from qiskit.quantum_info import PauliList, SparseObservable, SparsePauliOp

from .._support.types import FloatArray
from .._support.validation import positive_number, shown, whole_numbers
from ..exceptions import CountsError
from ..quantum.qubit_layouts import PhysicalQubits, parse_parties
from .correlations import CorrelationTensor
from .tensor_estimates import MAX_QUBITS, TensorEstimate, least_standard_error

__all__ = ["estimate_from_estimator", "estimate_from_expectations", "pauli_labels", "pauli_observables"]


def pauli_labels(num_qubits: int) -> tuple[str, ...]:
    """All Pauli labels but the identity, in Qiskit's order of characters (qubit 0 is the rightmost).

    Args:
        num_qubits: From 1 to 6.

    Returns:
        The ``4**num_qubits - 1`` labels, such as ``"XI"``.

    Raises:
        CountsError: If the number is not one of these.

    Examples:
        >>> pauli_labels(1)
        ('X', 'Y', 'Z')
        >>> len(pauli_labels(2)), pauli_labels(2)[:5]
        (15, ('XI', 'YI', 'ZI', 'IX', 'XX'))
    """
    (n,) = whole_numbers(num_qubits, "num_qubits", CountsError, minimum=1)
    if n > MAX_QUBITS:
        raise CountsError.bad_argument("num_qubits", expected=f"at most {MAX_QUBITS}", got=f"{n}")
    return tuple("".join(reversed(letters)) for letters in itertools.product("IXYZ", repeat=n))[1:]


def pauli_observables(num_qubits: int) -> list[SparsePauliOp]:
    """The observables whose expectation values make up a correlation tensor, for one PUB of an Estimator.

    A circuit that is laid out on a device needs them laid out, too: ``[observable.apply_layout(circuit.layout) for
    observable in pauli_observables(n)]``. :func:`estimate_from_estimator` takes the PUB, laid out or not.

    Args:
        num_qubits: From 1 to 6.

    Returns:
        One observable for each label of :func:`pauli_labels`, in that order.

    Raises:
        CountsError: If the number is not one of these.

    Examples:
        >>> observables = pauli_observables(2)
        >>> len(observables), [observable.paulis[0].to_label() for observable in observables[:4]]
        (15, ['XI', 'YI', 'ZI', 'IX'])
    """
    return [SparsePauliOp(label) for label in pauli_labels(num_qubits)]


def estimate_from_estimator(
    result: PubResult, observables: Any, parties: Sequence[Any] | PhysicalQubits | None = None
) -> TensorEstimate:
    """The correlation tensor from what an Estimator returned for one PUB.

    A result holds values without their observables, so these have to be given, too. Their order does not matter, nor
    does a factor of each. Observables that are laid out on a device are read through the layout of the PUB's circuit.

    Standard errors are those of the result, as far as they can be: of n shots none is taken below 6 / n, the least at
    which normal limits hold where all shots agree (``estimate_tensor`` has the same rule). Where only a target
    precision is known, n is one over its square; and errors of 0 (as of ``StatevectorEstimator``, which adds noise of
    that precision) are taken as the precision.

    Args:
        result: One of the results of ``estimator.run([pub]).result()``.
        observables: What it was made of: the PUB, ``(circuit, observables)`` or ``EstimatorPub``, or the observables
            alone, in the PUB's order. Each is one Pauli string, and together they are all of the parties' qubits,
            such as :func:`pauli_observables` lists them.
        parties: The qubit of each party: of the PUB's circuit, as in ``CorrelationTensor.from_state``, or else of the
            observables. Default: in ascending order the qubits on which the observables act. Observables without a
            circuit that act on some of their qubits only may be laid out on a device, and then need it.

    Returns:
        The estimate: the tensor and a standard error for each entry, without counts.

    Raises:
        CountsError: If the result is not that of an Estimator, has no errors or negative ones, or its values do not fit
            the observables; or if an observable is not a Pauli string, is listed twice or is missing.
        MeasurementError: If a party is not a qubit of the circuit or the observables.

    References:
        D. F. V. James, P. G. Kwiat, W. J. Munro, A. G. White, Phys. Rev. A 64, 052312 (2001), arXiv:quant-ph/0103121
        (which measurements determine the state of qubits).

    Examples:
        >>> from qiskit import QuantumCircuit
        >>> from qiskit.primitives import StatevectorEstimator
        >>> bell = QuantumCircuit(2)
        >>> _ = bell.h(0), bell.cx(0, 1)
        >>> pub = (bell, pauli_observables(2))
        >>> job = StatevectorEstimator(seed=1).run([pub], precision=0.01)
        >>> print(estimate_from_estimator(job.result()[0], pub))
        correlations of 2 qubits from expectation values, standard errors up to 0.01
    """
    values, errors = values_of_estimator(result, "estimate_tensor")
    circuit, measured = circuit_and_observables(observables)
    if values.shape != tuple(measured.shape) or errors.shape != values.shape:
        raise CountsError.bad_argument(
            "observables",
            expected=f"one for each value of the result, which has shape {values.shape}",
            got=f"observables of shape {tuple(measured.shape)}",
            remedy="Pass the PUB that the Estimator was given, without free parameters.",
        )
    if not np.all(errors >= 0):
        raise CountsError.bad_argument("result", expected="standard errors above 0", got=f"{errors[~(errors >= 0)][0]}")
    strings = [pauli_string(measured[index]) for index in np.ndindex(values.shape)]
    labels = labels_of_parties([label for label, _ in strings], circuit, parties)
    factors = np.array([factor for _, factor in strings])
    errors = valid_errors(errors.ravel(), np.abs(factors), getattr(result, "metadata", None) or {})
    found: dict[str, float] = {}
    found_errors: dict[str, float] = {}
    for label, value, error in zip(labels, values.ravel() / factors, errors, strict=True):
        if label in found:
            raise CountsError.bad_argument("observables", expected="each Pauli string once", got=f"{label!r} twice")
        found[label], found_errors[label] = float(value), float(error)
    return estimate_from_expectations(found, found_errors)


def values_of_estimator(result: Any, for_counts: str) -> tuple[FloatArray, FloatArray]:
    """Returns the expectation values and the standard errors that an Estimator returned for one PUB.

    Args:
        result: What was passed as the result.
        for_counts: The function for those who passed counts, for the message.

    Raises:
        CountsError: If it is not the result of an Estimator.
    """
    data = getattr(result, "data", None)
    if data is None or not hasattr(data, "evs") or not hasattr(data, "stds"):
        raise CountsError.bad_argument(
            "result",
            expected="the result of one PUB of an Estimator, with evs and stds",
            got=type(result).__name__,
            remedy=f"estimator.run([pub]).result()[0]; counts go to {for_counts}.",
        )
    return np.asarray(data.evs, dtype=float), np.asarray(data.stds, dtype=float)


def circuit_and_observables(given: Any) -> tuple[QuantumCircuit | None, ObservablesArray]:
    circuit = None
    if isinstance(given, EstimatorPub):
        circuit, given = given.circuit, given.observables
    elif isinstance(given, tuple | list) and len(given) > 1 and isinstance(given[0], QuantumCircuit):
        circuit, given = given[0], given[1]
    try:
        array = ObservablesArray.coerce(_known_to_all_versions(given))
    except (QiskitError, TypeError, ValueError) as exc:
        raise CountsError.bad_argument(
            "observables",
            expected="the PUB (circuit, observables), or the observables",
            got=f"{type(given).__name__} ({exc})",
        ) from exc
    return circuit, array


def _known_to_all_versions(given: Any) -> Any:
    """The same observables without what arrays of them do not take, or did not in Qiskit 2.0."""
    if isinstance(given, PauliList | np.ndarray):
        given = list(given) if isinstance(given, PauliList) else given.tolist()
    if isinstance(given, list | tuple):
        return [_known_to_all_versions(observable) for observable in given]
    return SparsePauliOp.from_sparse_observable(given) if isinstance(given, SparseObservable) else given


def pauli_string(observable: Mapping[str, complex]) -> tuple[str, float]:
    """Label and factor of an observable."""
    terms = [(label, complex(factor)) for label, factor in observable.items() if factor]
    if len(terms) != 1 or set(terms[0][0]) - set("IXYZ") or terms[0][1].imag:
        raise CountsError.bad_argument(
            "observables",
            expected="Pauli strings, each with a real factor",
            got=shown(dict(observable)),
            remedy="pauli_observables(num_qubits) lists them.",
        )
    return terms[0][0], terms[0][1].real


def labels_of_parties(
    labels: Sequence[str], circuit: QuantumCircuit | None, parties: Sequence[Any] | PhysicalQubits | None
) -> list[str]:
    """The labels on the parties' qubits, the first party at the right."""
    width = len(labels[0]) if labels else 0
    acted = {width - 1 - i for label in labels for i, letter in enumerate(label) if letter != "I"}
    if circuit is None and parties is None and len(acted) < width:
        raise CountsError.bad_argument(
            "observables",
            expected="observables of all of their qubits",
            got=f"ones that act on {sorted(acted)} of {width} qubits, which may be those of a device in another order",
            remedy="Pass the PUB, with its circuit, or parties=[...].",
        )
    groups = parse_parties(parties, width if circuit is None else circuit)
    if any(len(group) != 1 for group in groups):
        raise CountsError.bad_argument("parties", expected="one qubit for each party", got=shown(parties))
    qubits = [group[0] for group in groups]
    if not acted <= set(qubits):
        raise CountsError.bad_argument(
            "observables",
            expected=f"Pauli strings on the parties' qubits {qubits}",
            got=f"ones that act on {sorted(acted - set(qubits))}, too",
            remedy="Name the qubits with parties=[...], for a transpiled circuit those that it was transpiled from.",
        )
    if parties is None:
        qubits = [qubit for qubit in qubits if qubit in acted]
    return ["".join(label[width - 1 - qubit] for qubit in reversed(qubits)) for label in labels]


def valid_errors(errors: FloatArray, factors: FloatArray, metadata: Mapping[str, Any]) -> FloatArray:
    """Standard errors of the Pauli strings, none of them too small for the number of shots."""
    shots, precision = metadata.get("shots"), metadata.get("target_precision")
    if shots:
        return np.maximum(errors / factors, least_standard_error(shots))
    if not precision:
        if np.any(errors == 0):
            raise CountsError.bad_argument(
                "result",
                expected="standard errors above 0",
                got="0, and neither shots nor a target precision in the metadata",
                remedy="Exact values are those of CorrelationTensor.from_state(circuit).",
            )
        return errors / factors
    told = np.where(errors == 0, float(precision), errors) / factors
    return np.maximum(told, least_standard_error(1 / float(precision) ** 2))


def estimate_from_expectations(
    values: Mapping[str, float], standard_errors: Mapping[str, float] | float
) -> TensorEstimate:
    """The correlation tensor from expectation values, such as those of an Estimator.

    Args:
        values: Expectation value of each Pauli label but the identity (:func:`pauli_labels`; qubit 0 is the
            rightmost).
        standard_errors: Standard error of each, or one for all. Errors are taken as normal, since nothing better is
            known of mitigated values. Whether all values belong to one state cannot be tested either: each
            correlation is given once, which leaves nothing to compare. Counts in all bases can be tested
            (``estimate_tensor``).

    Returns:
        The estimate: the tensor and a standard error for each entry, without counts.

    Raises:
        CountsError: If a label is missing or unknown, a value is not a number from -1 to 1 within five
            standard errors, or a standard error is not positive.

    References:
        D. F. V. James, P. G. Kwiat, W. J. Munro, A. G. White, Phys. Rev. A 64, 052312 (2001), arXiv:quant-ph/0103121
        (which measurements determine the state of qubits).

    Examples:
        Mitigated values of a Bell pair, of which all others vanish:

        >>> values = dict.fromkeys(pauli_labels(2), 0.0) | {"XX": 0.9, "YY": -0.92, "ZZ": 0.95}
        >>> estimate = estimate_from_expectations(values, 0.02)
        >>> print(estimate)
        correlations of 2 qubits from expectation values, standard errors up to 0.02
        >>> estimate.tensor.array.diagonal().tolist()
        [1.0, 0.9, -0.92, 0.95]
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
