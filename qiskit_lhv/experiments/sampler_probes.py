"""What a Sampler does, found out with tiny jobs: whether it repeats random numbers or follows one random branch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from qiskit import QuantumCircuit
from qiskit.circuit import ParameterVector

__all__ = ["SamplerHabits", "follows_one_branch", "habits_of"]

_SHOTS = 128
_COINS = 3


@dataclass(frozen=True)
class SamplerHabits:
    """How a sampler uses its random numbers."""

    repeats_inside: bool = False
    """Whether the entries of one PUB share them."""
    repeats_between: bool = False
    """Whether PUBs of equal shots share them."""
    needs_equal_shots: bool = False
    """Whether PUBs of unequal shots share them, or are refused."""


def habits_of(
    sampler: Any, transpile: Callable[[QuantumCircuit], QuantumCircuit], num_qubits: int, unequal: bool
) -> SamplerHabits:
    """Runs a few shots of fair coins and returns which of them repeat each other; if they fail, nothing is known.

    Args:
        sampler: A V2 Sampler on this machine.
        transpile: What its circuits need.
        num_qubits: Number of qubits that it has.
        unequal: Whether PUBs of unequal shots matter.
    """
    coins = min(_COINS, num_qubits)
    circuit = QuantumCircuit(coins, coins)
    angles = ParameterVector("angle", coins)
    for qubit in range(coins):
        circuit.ry(angles[qubit], qubit)
    circuit.measure(range(coins), range(coins))
    halves = np.full(coins, np.pi / 2)
    refused = False
    try:
        tossed = transpile(circuit)
        single, two = (tossed, halves, _SHOTS), (tossed, np.stack([halves, halves]), _SHOTS)
        if unequal:
            try:
                results = sampler.run([two, single, (tossed, halves, _SHOTS + 1)]).result()
            except Exception as exc:  # whatever a sampler says of shots that it does not want
                if "shots" not in str(exc):
                    raise
                refused = True
        if refused or not unequal:
            results = sampler.run([two, single]).result()
        bits = [_bits(result, coins) for result in results]
    except Exception:  # a sampler that cannot toss coins will say so for the circuits that are asked for
        return SamplerHabits()
    first, second = bits[0]
    shared = not refused and unequal and any(_overlap(own, bits[2][0]) for own in [*bits[0], *bits[1]])
    return SamplerHabits(np.array_equal(first, second), np.array_equal(first, bits[1][0]), refused or shared)


def _bits(result: Any, coins: int) -> NDArray[np.bool_]:
    return result.data.c.to_bool_array().reshape(-1, result.data.c.num_shots, coins)


def _overlap(bits: NDArray[np.bool_], more: NDArray[np.bool_]) -> bool:
    """Whether most shots agree in one of the orders in which simulators list them."""
    number = len(bits)
    candidates: Sequence[NDArray[np.bool_]] = (more[:number], more[-number:], more[::-1][:number], more[::-1][-number:])
    return any(np.mean(np.all(bits == other, axis=1)) > 0.75 for other in candidates)


def follows_one_branch(sampler: Any) -> bool:
    """Whether a reset of one qubit of a pair leaves the other in the same state in every shot.

    Args:
        sampler: A V2 Sampler on this machine, without a backend.
    """
    circuit = QuantumCircuit(2, 1)
    circuit.h(0)
    circuit.cx(0, 1)
    circuit.reset(0)
    circuit.measure(1, 0)
    try:
        bits = _bits(sampler.run([(circuit, None, _SHOTS)]).result()[0], 1)
    except Exception:  # a sampler that refuses resets will say so for the circuits that are asked for
        return False
    return bool(np.all(bits == bits[0, 0]))
