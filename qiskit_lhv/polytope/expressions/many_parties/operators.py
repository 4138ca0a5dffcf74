"""Bell operators of many qubits as sums of Paulis, term by term: no matrix is ever made."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from qiskit.quantum_info import PauliList, SparsePauliOp

from ...._support.types import FloatArray
from ...._support.validation import at_most
from ....exceptions import MeasurementError, ScenarioError
from ....measurements.specification import parse_settings
from ....targets.operator_basis import effect_coordinates, scenario_of_settings
from ....targets.scenario import BellScenario

__all__ = ["expanded", "observables_of_settings", "sum_of_paulis"]

_MAX_ENTRIES = 1 << 28
"""Largest number of Paulis times parties of an operator."""

_ZERO = 1e-14


def observables_of_settings(settings: Sequence[Sequence[Any]] | str, scenario: BellScenario) -> list[FloatArray]:
    """The observables of each party's settings, shape ``(m_k, 4)``: coefficients of I, X, Y and Z.

    Args:
        settings: One sequence of single-qubit measurements per party, or a name.
        scenario: The scenario that they must fit.

    Raises:
        MeasurementError: If the settings are not qubit measurements of the scenario.
    """
    parsed = parse_settings(settings, [2] * scenario.num_parties)
    measured = scenario_of_settings(parsed)
    if measured != scenario:
        raise MeasurementError.bad_argument("settings", expected=f"measurements of {scenario}", got=f"{measured}")
    coordinates = [effect_coordinates(party) for party in parsed]
    return [effects[:, 0] - effects[:, 1] for effects in coordinates]


def sum_of_paulis(
    blocks: Iterable[tuple[NDArray[np.int8], NDArray[np.float64]]], observables: Sequence[FloatArray]
) -> SparsePauliOp:
    """The operator of an expression, party k on qubit k.

    Args:
        blocks: Terms and coefficients, as ``ManyPartyExpression.blocks`` yields them.
        observables: The observables of each party's settings, from :func:`observables_of_settings`.

    Raises:
        ScenarioError: If the operator has too many Paulis.
    """
    n = len(observables)
    numbers = [np.count_nonzero(np.abs(party) > _ZERO, axis=1) for party in observables]
    codes: list[NDArray[np.int8]] = []
    values: list[NDArray[np.float64]] = []
    total = 0.0
    for rows, coefficients in blocks:
        sizes = np.ones(len(rows))
        for k, counts in enumerate(numbers):
            sizes *= np.where(rows[:, k] < 0, 1, counts[rows[:, k]])
        total += float(sizes.sum())
        at_most(
            total * n,
            _MAX_ENTRIES,
            "settings",
            ScenarioError,
            what="Paulis times parties of the operator",
            remedy="Settings that are Paulis need a single one per term.",
        )
        new_codes, new_values = expanded(rows, coefficients, observables)
        codes.append(new_codes)
        values.append(new_values)
    if not total:
        return SparsePauliOp.from_list([("I" * n, 0.0)], num_qubits=n)
    table, sums = np.concatenate(codes), np.concatenate(values)
    # 0, 1, 2, 3 stand for I, X, Y, Z.
    paulis = PauliList.from_symplectic(table >= 2, (table == 1) | (table == 2))
    return SparsePauliOp(paulis, sums).simplify(atol=_ZERO * max(1.0, float(np.abs(sums).max())), rtol=0)


def expanded(
    rows: NDArray[np.int8], coefficients: NDArray[np.float64], observables: Sequence[FloatArray]
) -> tuple[NDArray[np.int8], NDArray[np.float64]]:
    """Products of observables multiplied out.

    Args:
        rows: Shape ``(T, N)``: the observable of each party, -1 if it does not take part.
        coefficients: Shape ``(T,)``.
        observables: For each party, shape ``(m_k, L)``: its observables as sums of L things, of which the first stands
            for a party that does not take part.

    Returns:
        The products of things, shape ``(P, N)``, and their coefficients, shape ``(P,)``; products may come repeatedly.
    """
    codes = np.zeros(rows.shape, dtype=np.int8)
    values = coefficients.copy()
    origin = np.arange(len(rows))
    for k, party in enumerate(observables):
        present = np.abs(party) > _ZERO
        # The Paulis of each setting, those that occur first.
        order = np.argsort(~present, axis=1, kind="stable")
        settings = rows[origin, k]
        repeats = np.where(settings < 0, 1, present.sum(axis=1)[settings])
        if np.any(repeats != 1):
            first = np.repeat(np.cumsum(repeats) - repeats, repeats)
            chosen = np.repeat(np.arange(len(origin)), repeats)
            which = np.arange(len(chosen)) - first
            origin, codes, values, settings = origin[chosen], codes[chosen], values[chosen], settings[chosen]
        else:
            which = np.zeros(len(origin), dtype=np.int64)
        code = order[settings, which]
        codes[:, k] = np.where(settings < 0, 0, code)
        values = values * np.where(settings < 0, 1.0, party[settings, code])
    return codes, values
