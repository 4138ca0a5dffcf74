"""Optimized settings: the lowest visibility found in white noise, by state and number of settings.

Run ``python benchmarks/settings.py [--starts 50] [--seconds 60]``. Every row is checked in exact arithmetic, just above
the visibility that it states.
"""

from __future__ import annotations

import argparse
import os
import time

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
from qiskit.quantum_info import DensityMatrix
from qiskit_lhv import chsh, ghz_state, optimize_settings, werner_state
from qiskit_lhv.polytope import chained, i3322, mermin
from qiskit_lhv.projective import SettingsSearch, horodecki_chsh
from qiskit_lhv.quantum import w_state

CASES = {
    "Werner": (werner_state(1.0), (2, 3, 4, 6, 10)),
    "GHZ, 3 qubits": (ghz_state(3), (2, 3)),
    "GHZ, 4 qubits": (ghz_state(4), (2,)),
    "GHZ, 5 qubits": (ghz_state(5), (2,)),
    "W, 3 qubits": (w_state(3), (2, 3, 4)),
    "W, 4 qubits": (w_state(4), (2,)),
}

REGULAR = {
    "GHZ, 3 qubits": (ghz_state(3), (6, 8, 13)),
    "GHZ, 4 qubits": (ghz_state(4), (6,)),
    "GHZ, 5 qubits": (ghz_state(5), (4,)),
    "W, 3 qubits": (w_state(3), (7, 10, 13)),
    "W, 4 qubits": (w_state(4), (6,)),
}


def collins_gisin() -> DensityMatrix:
    """The state of arXiv:quant-ph/0306129, which violates I3322 but no CHSH inequality."""
    ket = np.array([2, 0, 0, 1]) / np.sqrt(5)
    return DensityMatrix(0.85 * np.outer(ket, ket) + 0.15 * np.diag([0, 1, 0, 0]))


def table(starts: int, seconds: float) -> None:
    """Prints a row for every state and number of settings."""
    print(f"{'state':<16} {'settings':>8} {'visibility':>11} {'best of starts':>15} {'seconds':>8}  checked")
    for name, (state, sizes) in {**CASES, "Collins-Gisin": (collins_gisin(), (2, 3))}.items():
        for size in sizes:
            begin = time.perf_counter()
            found = optimize_settings(state, size, search=SettingsSearch(num_starts=starts), time_limit=seconds, seed=1)
            spent = time.perf_counter() - begin
            checked = bool(found.mixed(found.visibility + 1e-6).verify())
            share = f"{found.num_successes} of {found.num_starts}"
            print(f"{name:<16} {size:>8} {found.visibility:>11.6f} {share:>15} {spent:>8.2f}  {checked}", flush=True)


def regular(seconds: float) -> None:
    """Prints a row for every state and number of regular settings."""
    print(f"\n{'regular settings':<16} {'settings':>8} {'visibility':>11} {'seconds':>8}  checked")
    for name, (state, sizes) in REGULAR.items():
        for size in sizes:
            begin = time.perf_counter()
            found = optimize_settings(state, size, search=SettingsSearch(method="regular"), time_limit=seconds, seed=1)
            spent = time.perf_counter() - begin
            checked = bool(found.mixed(found.visibility + 1e-6).verify())
            print(f"{name:<16} {size:>8} {found.visibility:>11.6f} {spent:>8.2f}  {checked}", flush=True)


def methods(starts: int) -> None:
    """Prints how often each method reaches the largest value of a fixed expression, and in what time."""
    cases = [
        ("CHSH, singlet", werner_state(1.0), chsh()),
        ("I3322, Collins-Gisin", collins_gisin(), i3322()),
        ("chained, 6 settings", werner_state(1.0), chained(6)),
        ("Mermin, GHZ of 4", ghz_state(4), mermin(4)),
        ("Mermin, GHZ of 5", ghz_state(5), mermin(5)),
    ]
    print(f"\n{'expression':<22} {'method':<10} {'value':>11} {'best of starts':>15} {'seconds':>8} {'again':>8}")
    for name, state, expression in cases:
        for method in ("ascent", "gradient"):
            spent = []
            for seed in (1, 2):
                begin = time.perf_counter()
                found = optimize_settings(
                    state, expression=expression, search=SettingsSearch(method=method, num_starts=starts), seed=seed
                )
                spent.append(time.perf_counter() - begin)
            share = f"{found.num_successes} of {found.num_starts}"
            times = " ".join(f"{one:>8.3f}" for one in spent)
            print(f"{name:<22} {method:<10} {found.value:>11.6f} {share:>15} {times}", flush=True)


def main() -> None:
    """Runs all of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--starts", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--only", choices=("table", "regular", "methods"), help="one of the three parts")
    arguments = parser.parse_args()
    state = werner_state(0.72)
    begin = time.perf_counter()
    criterion = horodecki_chsh(state)
    checked = bool(criterion.settings.verify(state))
    print(f"Werner state at 0.72, closed form and proof: {time.perf_counter() - begin:.3f} s, {checked}\n")
    if arguments.only in (None, "table"):
        table(arguments.starts, arguments.seconds)
    if arguments.only in (None, "regular"):
        # Many settings: twice the time.
        regular(2 * arguments.seconds)
    if arguments.only in (None, "methods"):
        methods(arguments.starts)


if __name__ == "__main__":
    main()
