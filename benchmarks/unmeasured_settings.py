"""Are p-values and verdicts right where some setting combinations were not measured?

Local models at the facet of an expression, which win as often as local models can, are measured in a part of the
setting combinations: Mermin's four of eight, the six of nine of the chained inequality with three settings, three of
four of CHSH, and a random half of three by three settings; in blocks of unequal sizes, and with settings drawn at
random of which some have the probability zero (as counts, and as trials of a device that remembers the last trial).
The share of p-values at or below alpha is to be at most about alpha for the e-value, the declared game and the test of
no-signaling. Then whole reports: NONLOCAL at alpha in at most a share of alpha, and never LOCAL. At the end, the
power at the quantum behaviors.

    python benchmarks/unmeasured_settings.py [--runs 4000] [--reports 300]
"""

import argparse
import time
from collections import Counter

import numpy as np
from qiskit_lhv import Behavior, BellCounts, BellExpression, BellTrials, CountsOptions, analyze, ghz_state
from qiskit_lhv.models.deterministic import enumerate_strategies, strategy_tables
from qiskit_lhv.polytope import chained, mermin
from qiskit_lhv.statistics import game_test, no_signaling_test, ratio_e_values

LEVELS = (0.1, 0.05, 0.01)
PLANE = [(np.sin(a), 0, np.cos(a)) for a in np.pi * np.arange(6) / 6]


def on_measured(expression, measured):
    """The expression without its coefficients where nothing is measured."""
    wide = measured.reshape(measured.shape + (1,) * measured.ndim)
    return BellExpression(np.where(wide, expression.coefficients, 0.0))


def cases():
    """Name, expression, measured combinations, and a quantum behavior that violates the expression, if one does."""
    four = np.abs(mermin(3).coefficients).sum(axis=(3, 4, 5)) > 0
    yield "Mermin, 4 of 8", mermin(3), four, Behavior.from_state(ghz_state(3, 0.8), "mermin")
    six = np.abs(chained(3).coefficients).sum(axis=(2, 3)) > 0
    angles = Behavior.from_state(ghz_state(2), [PLANE[0::2], PLANE[1::2]])
    yield "chained, 6 of 9", chained(3), six, angles
    three = np.array([[True, True], [True, False]])
    # What is left of CHSH has no bound that a behavior exceeds; half of a correlator more makes it testable.
    tilted = BellExpression.from_correlators([[1.5, 1], [1, 0]], marginals=False)
    yield "CHSH, 3 of 4", tilted, three, None
    rng = np.random.default_rng(3)
    some = rng.random((3, 3)) < 0.6
    np.fill_diagonal(some, True)
    yield "random, some of 9", on_measured(BellExpression(rng.normal(size=(3, 3, 2, 2))), some), some, None


def facet_model(expression, rng):
    """A random mixture of the strategies that reach the local bound."""
    tables = strategy_tables(enumerate_strategies(expression.scenario), expression.scenario)
    values = tables @ expression.coefficients.ravel()
    best = tables[values >= values.max() - 1e-9]
    return Behavior((rng.dirichlet(np.full(len(best), 0.5)) @ best).reshape(expression.scenario.shape))


def counts_in_blocks(behavior, measured, rng, equal=True):
    shots = np.full(measured.shape, 30) if equal else rng.integers(10, 60, size=measured.shape)
    drawn = behavior.sample(shots, int(rng.integers(2**31))).array
    return BellCounts(drawn * measured.reshape(measured.shape + (1,) * measured.ndim))


def trials_at_random(expression, behavior, measured, rng, memory):
    """Trials with settings drawn among those measured; with memory, the device plays a strategy as long as it wins."""
    uneven = rng.dirichlet(np.full(measured.size, 3.0)).reshape(measured.shape)
    probabilities = np.where(measured, 1.0 if rng.random() < 0.5 else uneven, 0.0)
    probabilities /= probabilities.sum()
    count, grid = int(rng.integers(100, 300)), measured.shape
    settings = np.array(np.unravel_index(rng.choice(measured.size, count, p=probabilities.ravel()), grid)).T
    scenario = behavior.scenario
    if memory:
        strategies = enumerate_strategies(scenario)
        tables = strategy_tables(strategies, scenario)
        values = tables @ expression.coefficients.ravel()
        best = tables[values >= values.max() - 1e-9].reshape(-1, *scenario.shape)
        current, cells = int(rng.integers(len(best))), np.empty(count, dtype=int)
        for t, place in enumerate(map(tuple, settings)):
            cells[t] = best[current][place].ravel().argmax()
            if expression.coefficients[place].ravel()[cells[t]] <= 0:
                current = int(rng.integers(len(best)))
    else:
        rows = behavior.array[tuple(settings.T)].reshape(count, -1)
        cells = (rng.random(count)[:, None] > rows.cumsum(axis=1)).sum(axis=1)
    outcomes = np.array(np.unravel_index(cells, scenario.max_outcomes)).T
    return BellTrials(settings, outcomes, scenario, "random", probabilities)


def shares(p_values):
    return "  ".join(f"{np.mean(np.array(p_values) <= alpha):7.4f}" for alpha in LEVELS)


def games(runs, expression):
    """p-values; 1 where a local model reaches every score, as with the frequencies of these settings."""
    found = []
    for run in runs:
        try:
            found.append(game_test(run, expression).p_value)
        except ValueError:
            found.append(1.0)
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=4000)
    parser.add_argument("--reports", type=int, default=300)
    options = parser.parse_args()
    print(f"{'p-values at or below':42s} {'  '.join(f'{alpha:7.2f}' for alpha in LEVELS)}   (CPU s)")
    for name, expression, measured, quantum in cases():
        rng = np.random.default_rng(1)
        models = [facet_model(expression, rng) for _ in range(20)]
        drawn = {
            "blocks": [counts_in_blocks(models[i % 20], measured, rng) for i in range(options.runs)],
            "uneven blocks": [counts_in_blocks(models[i % 20], measured, rng, False) for i in range(options.runs // 4)],
            "trials": [
                trials_at_random(expression, models[i % 20], measured, rng, False) for i in range(options.runs // 4)
            ],
            "memory": [
                trials_at_random(expression, models[i % 20], measured, rng, True) for i in range(options.runs // 4)
            ],
        }
        # Few trials may lack a setting of a party.
        sizes = list(measured.shape)
        drawn["random counts"] = [
            run.to_counts() for run in drawn["trials"] if [len(np.unique(column)) for column in run.settings.T] == sizes
        ]
        for kind, runs in drawn.items():
            start = time.process_time()
            e_values = [e_value.p_value for e_value in ratio_e_values(runs, seed=1)]
            print(f"{name + ', ' + kind + ', e-value':42s} {shares(e_values)}   {time.process_time() - start:.1f}")
            start = time.process_time()
            print(f"{name + ', ' + kind + ', game':42s} {shares(games(runs, expression))}", end="   ")
            print(f"{time.process_time() - start:.1f}")
        start = time.process_time()
        signaling = [no_signaling_test(run, seed=i).p_value for i, run in enumerate(drawn["blocks"])]
        print(f"{name + ', no-signaling':42s} {shares(signaling)}   {time.process_time() - start:.1f}")
        for declared in (None, expression):
            start = time.process_time()
            call = CountsOptions(expression=declared, num_replicates=0)
            runs = drawn["blocks"][: options.reports]
            verdicts = Counter(analyze(run, call, alpha=0.05, seed=1).verdict.name for run in runs)
            test = "e-value" if declared is None else "game"
            print(f"{name}, reports at 0.05 ({test}): {dict(verdicts)}   {time.process_time() - start:.1f}")
        if quantum is not None:
            runs = [counts_in_blocks(quantum, measured, rng) for _ in range(200)]
            e_values = [e_value.p_value for e_value in ratio_e_values(runs, seed=1)]
            print(f"{name + ', power of the e-value':42s} {shares(e_values)}")
            print(f"{name + ', power of the game':42s} {shares(games(runs, expression))}")


if __name__ == "__main__":
    main()
