"""Do the two-body data of infinite chains violate a Bell inequality of near neighbors? And which states do?

    python benchmarks/chain_inequalities.py --chains     # ground states: exact infinite chains, and rings of 20 spins
    python benchmarks/chain_inequalities.py --search     # which inequalities do rings of 6 qubits violate?
    python benchmarks/chain_inequalities.py --violation  # an inequality that is violated, on rings and infinite chains

Without an option, all three are run. Times are of the process.
"""

from __future__ import annotations

import argparse
import itertools
import math
import time

import numpy as np
from qiskit.quantum_info import DensityMatrix, Pauli, SparsePauliOp, Statevector
from qiskit_lhv import werner_state
from qiskit_lhv.polytope import (
    ChainCorrelators,
    ChainData,
    ChainInequality,
    chain_threshold,
    optimize_chain_settings,
)
from qiskit_lhv.polytope.chains.settings import best_axes
from qiskit_lhv.spin_chains import ground_state, reduced_state, xxz_chain

ZETA3 = 1.2020569031595942
PAULIS = [Pauli(label).to_matrix() for label in "XYZ"]


def diagonal(x, y, z, field=0.0):
    """Data of a translation-invariant chain whose correlation matrices are diagonal, by distance."""
    return ChainData([[0, 0, field]], [[np.diag(one) for one in zip(x, y, z, strict=True)]])


def heisenberg():
    """The infinite Heisenberg antiferromagnet (Bethe ansatz; second neighbors by Takahashi)."""
    first, second = (1 - 4 * math.log(2)) / 3, (1 - 16 * math.log(2) + 9 * ZETA3) / 3
    return diagonal(*[[first, second]] * 3)


def xx_chain():
    """The infinite XX chain (free fermions)."""
    a = 2 / math.pi
    return diagonal([-a, a**2], [-a, a**2], [-(a**2), 0.0])


def transverse_ising(g):
    """The infinite chain ``-sum X X - g sum Z`` (Pfeuty), symmetric under flips of X."""
    k = (np.arange(200_000) + 0.5) * np.pi / 200_000
    size = np.sqrt(1 + g**-2 + 2 / g * np.cos(k))

    def contraction(r):
        return float(np.mean(np.cos(k * r) / size + np.cos(k * (r + 1)) / (g * size)))

    G = {r: contraction(r) for r in range(-3, 4)}
    x = [G[-1], G[-1] ** 2 - G[-2] * G[0]]
    y = [G[1], G[1] ** 2 - G[2] * G[0]]
    z = [G[0] ** 2 - G[r] * G[-r] for r in (1, 2)]
    return diagonal(x, y, z, G[0])


def dimers():
    """Singlets side by side: a ground state of the Majumdar-Ghosh chain."""
    white = DensityMatrix(np.eye(4) / 4)
    return ChainData.of_states([[werner_state(1), white], [white, white]])


def chains():
    """Prints the visibility that a violation takes, for two-body data of ground states."""
    pair = dimers()
    cases = {
        "Heisenberg, infinite": heisenberg(),
        "XX, infinite": xx_chain(),
        **{f"transverse Ising g = {g}, infinite": transverse_ising(g) for g in (0.5, 1.0, 1.5)},
        **{
            f"XXZ ring of 20, Delta = {delta}": ChainData.of_ring(ground_state(xxz_chain(20, delta), magnetization=0))
            for delta in (-0.5, 0.5, 2.0)
        },
        "dimers, mean of both": ChainData(pair.singles.mean(axis=0)[None], pair.pairs.mean(axis=0)[None]),
        "dimers, even and odd": pair,
    }
    print(
        f"{'data of first and second neighbors':36s} {'2 settings':>10s} {'even/odd':>9s} {'3 settings':>10s}  seconds"
    )
    for name, data in cases.items():
        start = time.process_time()
        found = [
            optimize_chain_settings(data, m, period=period, num_starts=10)
            for m, period in ((2, data.period), (2, 2), (3, data.period))
        ]
        assert all(one.verify() for one in found)
        shown = [f"{one.visibility:.5f}{'*' if one.violated else ' '}" for one in found]
        print(f"{name:36s} {shown[0]:>10s} {shown[1]:>9s} {shown[2]:>10s}  {time.process_time() - start:.1f}")


def operator(inequality, axes, n, closed=True):
    """The Bell operator of identical settings on a ring, or on an open segment."""
    terms = []
    one = axes[0].T @ inequality.singles[0]
    for i in range(n):
        terms += [(a, [i], value) for a, value in zip("XYZ", one, strict=True)]
        for r, block in enumerate(inequality.pairs[0]):
            j = i + r + 1
            if closed or j < n:
                matrix = axes[0].T @ block @ axes[0]
                terms += [
                    ("XYZ"[a] + "XYZ"[b], [i, j % n], matrix[a, b]) for a, b in itertools.product(range(3), repeat=2)
                ]
    return SparsePauliOp.from_sparse_list(terms, num_qubits=n).simplify()


def largest_value(inequality, n, rng, starts):
    """The largest value per site that identical settings in a plane reach on a ring, by alternating with the state."""
    best, best_settings = -math.inf, None
    for _ in range(starts):
        axes = rng.normal(size=(1, inequality.singles.shape[1], 3)) * [1, 0, 1]
        axes /= np.linalg.norm(axes, axis=2, keepdims=True)
        before = -math.inf
        for _ in range(25):
            values, vectors = np.linalg.eigh(operator(inequality, axes, n).to_matrix().real)
            if values[-1] / n > best:
                best, best_settings = values[-1] / n, axes
            if values[-1] < before + 1e-6:
                break
            before = values[-1]
            axes = best_axes(inequality, ChainData.of_ring(vectors[:, -1], inequality.pairs.shape[1]), axes)
    return best, best_settings


def search(num_inequalities, n=6):
    """Prints how many of the inequalities found for random correlators are violated by rings of qubits."""
    for m, reach in ((2, 1), (3, 1), (2, 2)):
        rng = np.random.default_rng(1)
        start = time.process_time()
        found, best = {}, (0.0, None)
        for k in range(num_inequalities):
            singles = rng.choice([0, 0, 1, -1], (1, m)) * float(k % 2)
            pairs = rng.choice([-1.0, 1.0, 0.0], (1, reach, m, m))
            inequality = chain_threshold(ChainCorrelators(singles, pairs)).inequality
            if inequality is None or inequality.bound > 100:
                continue
            key = (inequality.singles.tobytes(), inequality.pairs.tobytes())
            if key not in found:
                found[key] = largest_value(inequality, n, rng, 3)[0] / inequality.bound
                best = max(best, (found[key], inequality), key=lambda one: one[0])
        violated = sum(ratio > 1 + 1e-6 for ratio in found.values())
        print(
            f"{m} settings, neighbors up to {reach}: {violated} of {len(found)} inequalities violated by rings of {n}, "
            f"by a factor of up to {best[0]:.5f} ({time.process_time() - start:.0f} s)"
        )
        if violated:
            print(f"  {best[1]}: singles {best[1].singles.tolist()}, pairs {best[1].pairs.tolist()}")


def value_of_segments(inequality, axes, n, rounds=12):
    """The value per site of an infinite chain of independent segments, each in the fields of its neighbors.

    Pairs of two segments have products of means. It is the value of a state, so quantum chains reach at least as much.
    """
    blocks = [axes[0].T @ block @ axes[0] for block in inequality.pairs[0]]
    inside = operator(inequality, axes, n, closed=False)
    across = [(i, (i + r + 1) % n, block) for i in range(n) for r, block in enumerate(blocks) if i + r + 1 >= n]
    blochs, best = np.zeros((n, 3)), -math.inf
    for _ in range(rounds):
        fields = np.zeros((n, 3))
        for i, j, block in across:
            fields[i] += block @ blochs[j]
            fields[j] += block.T @ blochs[i]
        terms = [(a, [i], fields[i, k]) for i in range(n) for k, a in enumerate("XYZ")]
        state = ground_state(-(inside + SparsePauliOp.from_sparse_list(terms, num_qubits=n)).simplify()).vector
        one = [reduced_state(state, [i]).data for i in range(n)]
        blochs = np.array([[np.trace(rho @ p).real for p in PAULIS] for rho in one])
        value = Statevector(state).expectation_value(inside).real + sum(blochs[i] @ b @ blochs[j] for i, j, b in across)
        best = max(best, value / n)
    return best


def violation():
    """Prints the values of one inequality on rings, and on infinite chains of segments side by side.

    Segments are independent of each other, so pairs of two segments have products of means; each segment is the ground
    state in the fields of its neighbors.
    """
    inequality = ChainInequality.of([2, 2], [[[-1, 1], [1, 3]], [[0, -1], [-1, -2]]])
    print(inequality, inequality.verify())
    _, axes = largest_value(inequality, 8, np.random.default_rng(3), 3)
    for n in (5, 6, 8, 10, 12, 14, 16):
        ring = -ground_state(-operator(inequality, axes, n)).energy / n
        shown = f"{n:3d} sites: ring {ring:.5f} per site"
        print(f"{shown}, infinite chain of segments {value_of_segments(inequality, axes, n):.5f}" if n <= 12 else shown)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for option in ("chains", "search", "violation"):
        parser.add_argument(f"--{option}", action="store_true")
    parser.add_argument("--inequalities", type=int, default=400, help="random correlators of --search")
    options = parser.parse_args()
    every = not (options.chains or options.search or options.violation)
    if options.chains or every:
        chains()
    if options.violation or every:
        violation()
    if options.search or every:
        search(options.inequalities)
