"""States measured in all Pauli bases: the shots that a verdict needs, and the noise that absorbs their errors."""

import argparse

from qiskit_lhv import Behavior, analyze, estimate_tensor, ghz_state, werner_state
from qiskit_lhv.quantum import w_state
from qiskit_lhv.statistics.intervals.absorbing_noise import absorbing_noise


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--alpha", type=float, default=0.01)
    parser.add_argument("--seconds", type=float, default=20, help="for each verdict")
    options = parser.parse_args()
    states = {
        "Werner, v = 0.3": werner_state(0.3),
        "Werner, v = 0.5": werner_state(0.5),
        "Werner, v = 0.6": werner_state(0.6),
        "Werner, v = 0.8": werner_state(0.8),
        "Werner, v = 0.95": werner_state(0.95),
        "GHZ, 3 qubits, v = 0.2": ghz_state(3, 0.2),
        "GHZ, 3 qubits, v = 0.9": ghz_state(3, 0.9),
        "W, 3 qubits, v = 0.9": w_state(3, 0.9),
    }
    shots = (50, 200, 500, 1000, 2000, 5000, 10_000, 20_000)
    print(f"confidence {1 - options.alpha:g}; verdicts by shots per basis (L: LOCAL, N: NONLOCAL, ?: INCONCLUSIVE)")
    print(f"{'state':<24}" + "".join(f"{count:>8}" for count in shots))
    for name, state in states.items():
        behavior = Behavior.from_state(state, "pauli")
        line = f"{name:<24}"
        for count in shots:
            estimate = estimate_tensor(behavior.sample(count, seed=count))
            report = analyze(estimate, alpha=options.alpha, time_limit=options.seconds, seed=1)
            assert report.verify(), report.verify().reason
            line += f"{ {'LOCAL': 'L', 'NONLOCAL': 'N'}.get(report.verdict.name, '?'):>8}"
        print(line, flush=True)
    print("weight of white noise that absorbs all errors")
    for n in (2, 3, 4):
        behavior = Behavior.from_state(ghz_state(n, 0.0), "pauli")
        line = f"{f'{n} qubits':<24}"
        for count in shots:
            line += f"{absorbing_noise(estimate_tensor(behavior.sample(count, seed=1)), options.alpha):>8.3f}"
        print(line)


if __name__ == "__main__":
    main()
