"""Measurements from Qiskit operators, labels, Bloch vectors, effects and bases.

It also reads the settings that users pass to other functions: one list of measurements per party, or a name.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from qiskit import QuantumCircuit
from qiskit.exceptions import QiskitError
from qiskit.quantum_info import Operator, Pauli, SparseObservable, SparsePauliOp

from .._support.read_only import ReadOnlyArrays
from .._support.types import ComplexArray
from .._support.validation import frozen
from ..exceptions import MeasurementError
from .observable_texts import ANGLES_EXAMPLE, direction_of_angle, is_sum, name_of_vector, operator_of_text

__all__ = ["PROJECTOR_ATOL", "Measurement", "measurement", "named_settings", "parse_settings", "settings_of_party"]

PROJECTOR_ATOL = 1e-9
"""Effects that differ from their squares by no more are projectors, and those that are no larger are zero."""

_ATOL = 1e-8
_PAULIS = np.array([[[0, 1], [1, 0]], [[0, -1j], [1j, 0]], [[1, 0], [0, -1]]], dtype=complex)
_REMEDY = (
    "Give a Pauli label, Bloch vector, Pauli, SparsePauliOp, SparseObservable, Operator, a list of effects, or "
    "measurement(basis=...)."
)


@dataclass(frozen=True, eq=False, repr=False)
class Measurement(ReadOnlyArrays):
    """One measurement of one party, as :func:`measurement` makes it.

    A projective measurement holds a basis that a device can rotate to; a POVM holds only its effects.

    Examples:
        >>> diagonal = measurement("Z+X")
        >>> diagonal
        Measurement(Z+X: 2 outcomes, dimension 2)
        >>> diagonal.bloch_vectors.round(4).tolist()
        [[0.7071, 0.0, 0.7071]]
        >>> diagonal.effects[0].real.round(4).tolist()
        [[0.8536, 0.3536], [0.3536, 0.1464]]
    """

    effects: ComplexArray
    """Effects, shape ``(d, D, D)``; ``effects[a]`` gives the probability of outcome a."""
    basis: ComplexArray | None
    """Unitary whose columns are the basis that is measured, shape ``(D, D)``; ``None`` for a POVM."""
    outcome_of: tuple[int, ...] | None
    """Outcome that each basis vector counts as, length D; ``None`` for a POVM."""
    name: str
    """Short name for people."""

    def __repr__(self) -> str:
        return f"Measurement({self.name}: {self.num_outcomes} outcomes, dimension {self.dimension})"

    @property
    def num_outcomes(self) -> int:
        """Number of outcomes."""
        return len(self.effects)

    @property
    def dimension(self) -> int:
        """Dimension of the party's space."""
        return int(self.effects.shape[1])

    def without_missing_outcomes(self) -> Measurement:
        """The same measurement without outcomes whose effects are zero."""
        present = [effect for effect in self.effects if np.abs(effect).max() > PROJECTOR_ATOL]
        return self if len(present) == self.num_outcomes else measurement(present)

    @cached_property
    def bloch_vectors(self) -> NDArray[np.float64] | None:
        """Unit Bloch vector of each qubit if the basis is a product basis, shape ``(q, 3)``; else ``None``.

        Qubit j of the party is bit j of the basis vector's number; its bit 0 lies along the vector.
        """
        if self.basis is None or self.dimension & (self.dimension - 1):
            return None
        num_qubits = self.dimension.bit_length() - 1
        vectors = np.empty((num_qubits, 3))
        numbers = np.arange(self.dimension)
        for j in range(num_qubits):
            signs = 1 - 2 * ((numbers >> j) & 1)
            observable = (self.basis * signs) @ self.basis.conj().T
            # The observable of bit j must act on qubit j alone: compare with its own restriction.
            blocks = observable.reshape(2 ** (num_qubits - 1 - j), 2, 2**j, 2 ** (num_qubits - 1 - j), 2, 2**j)
            local = np.einsum("iajibj->ab", blocks) / (self.dimension // 2)
            rebuilt = np.kron(np.kron(np.eye(2 ** (num_qubits - 1 - j)), local), np.eye(2**j))
            if np.abs(observable - rebuilt).max() > _ATOL:
                return None
            vectors[j] = np.einsum("iab,ba->i", _PAULIS, local).real / 2
        return frozen(vectors)


def measurement(spec: Any = None, *, basis: Any = None) -> Measurement:
    """Builds a measurement from a Qiskit object, a label, a Bloch vector, effects or a basis.

    Args:
        spec: One of: a Pauli label such as ``"X"`` or ``"-Z"``; a sum of labels such as ``"Z+X"`` or
            ``"(Z-X)/sqrt(2)"``; an angle from Z towards X on the Bloch sphere such as ``"45 deg"`` or ``"0.785 rad"``,
            or of a polarizer, which turns half as far, such as ``"22.5 deg polarizer"``; a Bloch vector of three
            entries, which is normalized if it is longer than 1; a
            ``Pauli``, ``SparsePauliOp``, ``SparseObservable`` or ``Operator`` (an observable: its outcomes are its
            distinct eigenvalues in descending order, so outcome 0 of a qubit observable is +1); a list of
            effects or an array of shape ``(d, D, D)`` (a POVM, or a projective measurement if they are
            projectors); or a ``Measurement``, returned as is.
        basis: A unitary (``Operator``, ``Clifford``, gate, or array) or a ``QuantumCircuit`` whose rotated
            computational basis is measured: outcome b is the basis vector U|b>, so a circuit that
            prepares Bell states from bits names the Bell basis. A Pauli label names the product of
            the Paulis' eigenbases (``basis="XZ"``: four outcomes; as a spec, ``"XZ"`` has two).

    Returns:
        The measurement. For a party of several qubits, outcome b has bit j from its qubit j.

    Raises:
        MeasurementError: If the observable is not Hermitian, the effects are not positive or do not
            sum to the identity, the basis is not unitary, or the type is not one of these.

    Examples:
        An observable has its distinct eigenvalues as outcomes, a product basis one outcome for each of its vectors:

        >>> measurement("X").num_outcomes, measurement("XZ").num_outcomes, measurement(basis="XZ").num_outcomes
        (2, 2, 4)

        A POVM is given by its effects, such as the three of the trine:

        >>> angles = 2 * np.pi / 3 * np.arange(3)
        >>> vectors = np.stack([np.cos(angles / 2), np.sin(angles / 2)], axis=1)
        >>> trine = [2 / 3 * np.outer(vector, vector) for vector in vectors]
        >>> measurement(trine)
        Measurement(POVM of 3 effects: 3 outcomes, dimension 2)
    """
    if (spec is None) == (basis is None):
        raise MeasurementError.bad_argument(
            "spec", expected="exactly one of spec and basis", got="both" if spec is not None else "neither"
        )
    if basis is not None:
        return _from_basis(basis)
    if isinstance(spec, Measurement):
        return spec
    if isinstance(spec, str):
        return _from_label(spec)
    if isinstance(spec, SparseObservable):
        return _from_pauli_operator(SparsePauliOp.from_sparse_observable(spec))
    if isinstance(spec, Pauli | SparsePauliOp):
        return _from_pauli_operator(SparsePauliOp(spec))
    if isinstance(spec, Operator):
        return _from_observable(_matrix(spec, "spec"), "observable")
    if isinstance(spec, int | float | np.integer | np.floating) and not isinstance(spec, bool):
        raise MeasurementError.bad_argument(
            "spec", expected="a measurement", got=f"{type(spec).__name__} {spec}", remedy=f"{ANGLES_EXAMPLE} {_REMEDY}"
        )
    if isinstance(spec, QuantumCircuit):
        raise MeasurementError.bad_argument(
            "spec", expected="an observable", got="a QuantumCircuit", remedy="Use measurement(basis=circuit)."
        )
    return _from_numbers(spec)


def named_settings(name: str, num_parties: int) -> list[list[Any]]:
    """The settings of a well-known test.

    Args:
        name: ``"chsh"``, in any case of letters: Z and X against (Z + X)/sqrt(2) and (Z - X)/sqrt(2), which reach
            2 sqrt(2) on the Bell state |00> + |11>; ``"mermin"``: X and Y for every party; ``"pauli"``: X, Y and Z.
        num_parties: Number of parties.

    Raises:
        MeasurementError: If the name is unknown or does not fit the number of parties.
    """
    given, name = name, name.strip().lower()
    if name == "chsh":
        if num_parties != 2:
            raise MeasurementError.bad_argument(
                "settings", expected="two parties for 'chsh'", got=f"{num_parties} parties"
            )
        half = math.sqrt(0.5)
        return [["Z", "X"], [(half, 0.0, half), (-half, 0.0, half)]]
    if name == "mermin":
        return [["X", "Y"] for _ in range(num_parties)]
    if name == "pauli":
        return [["X", "Y", "Z"] for _ in range(num_parties)]
    raise MeasurementError.bad_argument(
        "settings", expected="a sequence of settings for each party, or 'chsh', 'mermin' or 'pauli'", got=repr(given)
    )


def parse_settings(settings: Sequence[Sequence[Any]] | str, dimensions: Sequence[int]) -> list[list[Measurement]]:
    """Returns the measurements of each party, from settings as a user passes them.

    Args:
        settings: One sequence of measurement specs per party, or a name.
        dimensions: Dimension of each party's space.

    Raises:
        MeasurementError: If there is not one non-empty sequence per party, or a measurement has the wrong dimension.
    """
    if isinstance(settings, str):
        settings = named_settings(settings, len(dimensions))
    if not isinstance(settings, Sequence | np.ndarray):
        raise MeasurementError.bad_argument(
            "settings", expected="one sequence of measurements per party, or a name", got=repr(settings)
        )
    if len(settings) != len(dimensions):
        raise MeasurementError.bad_argument(
            "settings",
            expected=f"one sequence of measurements for each of {len(dimensions)} parties",
            got=f"{len(settings)} sequences",
            remedy="Choose the parties with parties=[...].",
        )
    return [
        settings_of_party(specs, dimension, k)
        for k, (specs, dimension) in enumerate(zip(settings, dimensions, strict=True))
    ]


def settings_of_party(specs: Any, dimension: int, party: int) -> list[Measurement]:
    """Returns the measurements of one party.

    Args:
        specs: A sequence of measurement specs.
        dimension: Dimension of the party's space.
        party: Number of the party, for messages.

    Raises:
        MeasurementError: If it is not a non-empty sequence, or a measurement has the wrong dimension.
    """
    if isinstance(specs, str) or not hasattr(specs, "__len__") or len(specs) == 0:
        raise MeasurementError.bad_argument(
            f"settings[{party}]", expected="a non-empty sequence of measurements", got=repr(specs)
        )
    parsed = []
    for x, spec in enumerate(specs):
        try:
            checked = measurement(spec)
        except MeasurementError as exc:
            raise MeasurementError(f"settings[{party}][{x}]: {exc.message}") from exc
        if checked.dimension != dimension:
            raise MeasurementError.bad_argument(
                f"settings[{party}][{x}]",
                expected=f"a measurement of dimension {dimension}, as party {party} has",
                got=f"dimension {checked.dimension}",
            )
        parsed.append(checked)
    return parsed


def _from_label(label: str) -> Measurement:
    try:
        pauli = Pauli(label)
    except QiskitError:
        pauli = None
    if pauli is not None and pauli.num_qubits:
        return _from_pauli_operator(SparsePauliOp(pauli))
    direction = direction_of_angle(label)
    if direction is not None:
        return replace(_from_bloch_vector(np.array(direction, dtype=complex)), name=label.strip())
    if is_sum(label):
        return _from_sum(label)
    # Qiskit's other letters stand for states ("0", "+") or for gates that are not observables ("S").
    if not label or set(label) - set("HIXYZ"):
        raise MeasurementError.bad_argument(
            "spec",
            expected="a Pauli label such as 'X' or '-ZZ', a sum such as 'Z+X', an angle such as '45 deg', or 'H'",
            got=repr(label),
            remedy=_REMEDY,
        )
    return _from_observable(_matrix(Operator.from_label(label), "spec"), label)


def _from_sum(text: str) -> Measurement:
    """The measurement of a sum of Pauli labels; of one qubit, in the direction of the sum, however long it is."""
    operator = operator_of_text(text)
    if not np.isfinite(operator.coeffs).all() or not np.abs(operator.simplify().coeffs).max() > 0:
        raise MeasurementError.bad_argument("spec", expected="a sum of finite numbers that is not 0", got=repr(text))
    operator = operator.simplify()
    letters = dict(zip(operator.paulis.to_labels(), operator.coeffs.real.tolist(), strict=True))
    name = text.strip()
    if operator.num_qubits == 1 and "I" not in letters:
        vector = np.array([letters.get(letter, 0.0) for letter in "XYZ"])
        return replace(_from_bloch_vector((vector / np.linalg.norm(vector)).astype(complex)), name=name)
    return replace(_from_pauli_operator(operator), name=name)


def _from_pauli_operator(operator: SparsePauliOp) -> Measurement:
    try:
        finite = bool(np.all(np.isfinite(np.asarray(operator.coeffs, dtype=complex))))
    except TypeError:
        finite = False
    if not finite:
        raise MeasurementError.bad_argument(
            "spec",
            expected="an operator with finite numbers as coefficients",
            got=f"{operator.coeffs.tolist()}",
            remedy="Bind free parameters first.",
        )
    operator = operator.simplify()
    label, coefficient = operator.paulis.to_labels()[0], operator.coeffs[0]
    if len(operator) > 1 or set(label) <= {"I"} or coefficient.imag != 0:
        return _from_observable(operator.to_matrix(), str(operator.to_list()))
    # One Pauli string: its eigenvalue is a parity of bits in a product basis, which devices can measure.
    basis = _pauli_basis(label)
    active = sum(1 << j for j, letter in enumerate(reversed(label)) if letter != "I")
    flip = int(coefficient.real < 0)
    outcome_of = tuple(((number & active).bit_count() + flip) % 2 for number in range(len(basis)))
    sign = "-" if flip else ""
    return _projective(basis, outcome_of, f"{sign}{label}")


def _pauli_basis(label: str) -> ComplexArray:
    half = math.sqrt(0.5)
    single = {
        "I": np.eye(2, dtype=complex),
        "Z": np.eye(2, dtype=complex),
        "X": np.array([[half, half], [half, -half]], dtype=complex),
        "Y": np.array([[half, half], [1j * half, -1j * half]], dtype=complex),
    }
    basis = np.ones((1, 1), dtype=complex)
    for letter in label:
        basis = np.kron(basis, single[letter])
    return basis


def _from_basis(basis: Any) -> Measurement:
    if isinstance(basis, str | Pauli):
        label = basis if isinstance(basis, str) else basis.to_label()
        if not label or set(label) - set("XYZ"):
            raise MeasurementError.bad_argument(
                "basis", expected="a product of X, Y and Z such as 'XZ'", got=repr(label)
            )
        return _projective(_pauli_basis(label), tuple(range(2 ** len(label))), f"basis {label}")
    unitary = _matrix(basis, "basis")
    if np.abs(unitary.conj().T @ unitary - np.eye(len(unitary))).max() > _ATOL:
        raise MeasurementError.bad_argument("basis", expected="a unitary", got="a matrix that is not unitary")
    return _projective(unitary, tuple(range(len(unitary))), "basis")


def _from_observable(matrix: ComplexArray, name: str) -> Measurement:
    if np.abs(matrix - matrix.conj().T).max() > _ATOL:
        raise MeasurementError.bad_argument(
            "spec",
            expected="a Hermitian observable",
            got="an operator that is not Hermitian",
            remedy="A unitary whose basis is to be measured goes to measurement(basis=...).",
        )
    values, vectors = np.linalg.eigh(matrix)
    values, vectors = values[::-1], vectors[:, ::-1]
    scale = max(1.0, float(np.abs(values).max()))
    outcome_of = np.concatenate([[0], np.cumsum(-np.diff(values) > _ATOL * scale)])
    return _projective(vectors, tuple(int(a) for a in outcome_of), name)


def _from_numbers(spec: Any) -> Measurement:
    try:
        items = [item.data if isinstance(item, Operator) else item for item in spec]
        array = np.asarray(items, dtype=complex)
    except (TypeError, ValueError) as exc:
        raise MeasurementError.bad_argument(
            "spec", expected="a measurement", got=type(spec).__name__, remedy=_REMEDY
        ) from exc
    if not np.all(np.isfinite(array)):
        raise MeasurementError.bad_argument("spec", expected="finite numbers", got="NaN or infinity")
    if array.shape == (3,):
        return _from_bloch_vector(array)
    if array.ndim == 2 and array.shape[0] == array.shape[1]:
        return _from_observable(array, "observable")
    if array.ndim == 3 and array.shape[1] == array.shape[2]:
        return _from_effects(array)
    raise MeasurementError.bad_argument(
        "spec",
        expected="a Bloch vector, a square matrix or effects",
        got=f"shape {array.shape}",
        remedy=_REMEDY,
    )


def _from_bloch_vector(vector: ComplexArray) -> Measurement:
    length = float(np.linalg.norm(vector))
    if np.abs(vector.imag).max() > 0 or not 1 - 1e-6 <= length < math.inf:
        remedy = "Normalize it; an unsharp measurement is given by its two effects."
        if np.abs(vector.imag).max() == 0 and 0 < length < 1:
            direction = ", ".join(f"{entry:.6g}" for entry in vector.real / length)
            remedy = (
                f"Normalize it, ({direction}), if it is a direction. An unsharp measurement is given by its two "
                "effects, (1 + r.sigma)/2 and (1 - r.sigma)/2."
            )
        raise MeasurementError.bad_argument(
            "spec",
            expected="a real Bloch vector of length 1, or longer",
            got=f"{vector.tolist()} of length {length:.6g}",
            remedy=remedy,
        )
    x, y, z = vector.real / length
    half_polar, azimuth = math.atan2(math.hypot(x, y), z) / 2, math.atan2(y, x)
    phase = np.exp(1j * azimuth)
    basis = np.array(
        [
            [math.cos(half_polar), -math.sin(half_polar) / phase],
            [math.sin(half_polar) * phase, math.cos(half_polar)],
        ]
    )
    return _projective(basis, (0, 1), name_of_vector((x, y, z)))


def _from_effects(effects: ComplexArray) -> Measurement:
    if np.abs(effects - effects.conj().transpose(0, 2, 1)).max() > _ATOL:
        raise MeasurementError.bad_argument("spec", expected="Hermitian effects", got="one that is not Hermitian")
    lowest = np.linalg.eigvalsh(effects).min(axis=1)
    if lowest.min() < -_ATOL:
        raise MeasurementError.bad_argument(
            "spec",
            expected="positive effects",
            got=f"effect {int(lowest.argmin())} with eigenvalue {lowest.min():.3g}",
        )
    excess = float(np.abs(effects.sum(axis=0) - np.eye(effects.shape[1])).max())
    if excess > _ATOL:
        raise MeasurementError.bad_argument(
            "spec", expected="effects that sum to the identity", got=f"a sum that is off by {excess:.3g}"
        )
    hermitian = frozen((effects + effects.conj().transpose(0, 2, 1)) / 2)
    if np.abs(hermitian @ hermitian - hermitian).max() > PROJECTOR_ATOL:
        return Measurement(hermitian, None, None, f"POVM of {len(effects)} effects")
    # Projectors that sum to the identity are orthogonal, so that outcome a is the eigenvalue a of this observable.
    values, vectors = np.linalg.eigh(np.tensordot(np.arange(len(effects)), hermitian, axes=1))
    outcome_of = tuple(int(a) for a in np.rint(values))
    return Measurement(hermitian, frozen(vectors), outcome_of, f"projectors, {len(effects)} of them")


def _projective(basis: ComplexArray, outcome_of: tuple[int, ...], name: str) -> Measurement:
    effects = np.zeros((max(outcome_of) + 1, *basis.shape), dtype=complex)
    for number, outcome in enumerate(outcome_of):
        effects[outcome] += np.outer(basis[:, number], basis[:, number].conj())
    return Measurement(frozen(effects), frozen(basis), outcome_of, name)


def _matrix(operator: Any, argument: str) -> ComplexArray:
    try:
        matrix = np.asarray(Operator(operator).data, dtype=complex)
    except (QiskitError, TypeError, ValueError) as exc:
        raise MeasurementError.bad_argument(
            argument,
            expected="an operator, a gate, a matrix or a circuit without measurements",
            got=repr(operator),
        ) from exc
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1] or not np.all(np.isfinite(matrix)):
        raise MeasurementError.bad_argument(argument, expected="a finite square matrix", got=f"shape {matrix.shape}")
    return matrix
