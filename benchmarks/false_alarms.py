"""How often are local models at the boundary of the local set called NONLOCAL?

Simulates CHSH experiments of 4 x 1000 shots (and of unequal blocks) from mixtures of the eight
deterministic strategies with CHSH value 2, analyzes each as a user would, and counts verdicts.
"""

import argparse
from concurrent.futures import ProcessPoolExecutor
from functools import partial

import numpy as np
from qiskit_lhv import Behavior, CountsOptions, Verdict, analyze, chsh
from qiskit_lhv.models.deterministic import enumerate_strategies, strategy_tables

ALPHA = 0.05
BLOCKS = {"4 x 1000": np.full((2, 2), 1000), "1300/900/900/900": np.array([[1300, 900], [900, 900]])}


def facet_tables():
    """Tables of the strategies with CHSH value 2, shape (8, 2, 2, 2, 2)."""
    tables = strategy_tables(enumerate_strategies(chsh().scenario), chsh().scenario)
    return tables[tables @ chsh().coefficients.ravel() == 2].reshape(-1, 2, 2, 2, 2)


def models(shots):
    """Local behaviors on the facet; "worst" reaches the local bound for these numbers of shots."""
    tables = facet_tables()
    lost_at = (tables * (chsh().coefficients < 0)).sum(axis=(3, 4)) > 0
    worst = (lost_at & (shots == shots.min())).any(axis=(1, 2))
    rng = np.random.default_rng(1)
    weights = {
        "center": np.ones(8),
        "worst": worst.astype(float),
        "edge": np.eye(8)[0] * 0.6 + np.eye(8)[3] * 0.4,
        "random 1": rng.dirichlet(np.ones(8)),
        "random 2": rng.dirichlet(np.full(8, 0.3)),
    }
    return {name: Behavior(np.tensordot(w / w.sum(), tables, axes=1)) for name, w in weights.items()}


def alarm(behavior, shots, test, seed):
    """Whether the experiment with this seed is called NONLOCAL, and whether its p-value is at most alpha."""
    report = analyze(behavior.sample(shots, seed), CountsOptions(test=test), alpha=ALPHA, seed=seed)
    return report.verdict is Verdict.NONLOCAL, report.p_value <= ALPHA


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=2000)
    parser.add_argument("--tests", nargs="+", default=["combined", "e-value", "game"], help="the declared tests")
    options = parser.parse_args()
    runs = options.runs
    limit = ALPHA + 2 * np.sqrt(ALPHA * (1 - ALPHA) / runs)
    print(f"{runs} experiments each, alpha = {ALPHA}; allowed: at most {limit:.4f}")
    worst = 0.0
    with ProcessPoolExecutor() as pool:
        for blocks, shots in BLOCKS.items():
            for name, behavior in models(shots).items():
                for test in options.tests:
                    found = np.array(list(pool.map(partial(alarm, behavior, shots, test), range(runs), chunksize=50)))
                    verdicts, p_values = found.mean(axis=0)
                    worst = max(worst, p_values)
                    print(f"{blocks:<18}{name:<10}{test:<9} NONLOCAL {verdicts:.4f}   p <= alpha {p_values:.4f}")
    print(f"largest rate {worst:.4f}: {'within' if worst <= limit else 'ABOVE'} the limit")


if __name__ == "__main__":
    main()
