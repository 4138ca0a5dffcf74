"""Intervals of critical visibilities: Werner, GHZ, W and cluster states in white noise, one call each."""

import argparse
import time

from qiskit_lhv import critical_visibility, ghz_state, werner_state
from qiskit_lhv.optimize import GradientDescent
from qiskit_lhv.quantum import graph_state, w_state


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=100, help="for each state")
    parser.add_argument("--only", help="states whose name holds this text")
    options = parser.parse_args()
    states = {
        "Werner, all projective": (werner_state(1), {}),
        "Werner, in a plane": (werner_state(1), {"measurements": "xz"}),
        "GHZ, 3 qubits": (ghz_state(3), {}),
        "GHZ, 4 qubits": (ghz_state(4), {}),
        "W, 3 qubits": (w_state(3), {}),
        "linear cluster, 4 qubits": (graph_state([(0, 1), (1, 2), (2, 3)], 4), {}),
    }
    print(f"{'state':<28}{'proven local':>14}{'proven nonlocal':>17}{'seconds':>9}   checked")
    for name, (state, arguments) in states.items():
        if options.only is not None and options.only not in name:
            continue
        start = time.monotonic()
        # The search for models, which only estimates, has a benchmark of its own: visibility.py.
        found = critical_visibility(
            state,
            time_limit=options.seconds,
            seed=1,
            optimizer=GradientDescent(num_steps=1),
            num_hidden=16,
            **arguments,
        )
        seconds = time.monotonic() - start
        print(f"{name:<28}{found.lower:>14.6f}{found.upper:>17.6f}{seconds:>9.1f}   {bool(found.verify())}", flush=True)


if __name__ == "__main__":
    main()
