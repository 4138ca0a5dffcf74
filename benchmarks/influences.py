"""Are influences between the parties taken for nonlocality? Twenty local models with influences of known size.

Each model is a deterministic strategy on a facet; with some probability the others' settings change the last party's
outcome wherever that helps the inequality. Joint shifts of two parties' outcomes hide a part of that from the
marginals. The hidden and the visible amount follow from linear programs on the exact behavior, and kappa, their ratio,
is declared. With it NONLOCAL may come at most at the rate alpha plus three standard errors, whether the signaling is
strong enough to be detected or not.
"""

import argparse
import math
import time
from concurrent.futures import ProcessPoolExecutor
from functools import partial

import numpy as np
from qiskit_lhv import Behavior, CountsOptions, analyze, chsh
from qiskit_lhv.models.deterministic import enumerate_strategies, strategy_tables
from qiskit_lhv.polytope import cglmp, i3322, mermin
from qiskit_lhv.statistics.signaling.amounts import hidden_signaling, visible_signaling

ALPHA = 0.01
SIGNALING_LEVEL = 0.01

# Expression, probability of an influence, probability of a joint shift, shots of a setting.
MODELS = [
    ("chsh", 0.06, 0.15, 600),
    ("chsh", 0.1, 0.0, 1000),
    ("chsh", 0.1, 0.3, 1000),
    ("chsh", 0.3, 0.25, 300),
    ("chsh", 0.05, 0.389, 2000),
    ("chsh", 0.02, 0.35, 20_000),
    ("chsh", 0.6, 0.38, 5000),
    ("mermin", 0.1, 0.0, 400),
    ("mermin", 0.3, 0.3, 100),
    ("mermin", 0.2, 0.3, 300),
    ("mermin", 0.5, 0.35, 1000),
    ("mermin", 0.05, 0.25, 2000),
    ("cglmp", 0.2, 0.0, 200),
    ("cglmp", 0.15, 0.3, 600),
    ("cglmp", 0.4, 0.45, 400),
    ("cglmp", 0.1, 0.5, 2000),
    ("i3322", 0.2, 0.0, 300),
    ("i3322", 0.05, 0.35, 600),
    ("i3322", 0.4, 0.3, 1000),
    ("i3322", 0.04, 0.38, 2000),
]


def expression_of(name):
    """The Bell expression of a scenario."""
    return {"chsh": chsh, "mermin": partial(mermin, 3), "cglmp": partial(cglmp, 3), "i3322": i3322}[name]()


def influenced(name, share, shift):
    """A best deterministic strategy; with a probability, the last party knows all settings. Then joint shifts."""
    expression = expression_of(name)
    scenario, coefficients = expression.scenario, expression.coefficients
    n = scenario.num_parties
    tables = np.asarray(strategy_tables(enumerate_strategies(scenario), scenario)).reshape(-1, *scenario.shape)
    values = (tables * coefficients).reshape(len(tables), -1).sum(axis=1)
    best = tables[int(np.argmax(values))]
    changed = np.zeros_like(best)
    for setting in np.ndindex(scenario.num_settings):
        outcome = np.argwhere(best[setting] > 0)[0]
        outcome[-1] = int(np.argmax(coefficients[setting][tuple(outcome[:-1])]))
        changed[(*setting, *outcome)] = 1
    table = (1 - share) * best + share * changed
    # The last party's outcome moves on together with another's, which leaves their difference as it is.
    numbers = range(1, scenario.max_outcomes[0])
    for party in range(n - 1):
        moved = sum(np.roll(table, (k, k), axis=(n + party, 2 * n - 1)) for k in numbers)
        table = (1 - shift) * table + shift / len(numbers) * moved
    return Behavior(table)


def amounts(behavior):
    """The hidden and the visible amount of signaling, exactly."""
    hidden, _ = hidden_signaling(behavior.array, behavior.scenario)
    return hidden, visible_signaling(behavior.array)


def outcome_of(behavior, shots, kappa, seed):
    """The verdict on one data set, whether the declared test is significant, and whether signaling is detected."""
    report = analyze(behavior.sample(shots, seed), CountsOptions(kappa=kappa, num_replicates=0), alpha=ALPHA, seed=seed)
    significant = report.log10_p_value <= math.log10(ALPHA)
    return report.verdict.value, significant, report.statistics["no_signaling_p"] <= SIGNALING_LEVEL


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=300)
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    limit = ALPHA + 3 * math.sqrt(ALPHA * (1 - ALPHA) / options.runs)
    print(f"{options.runs} data sets each, alpha = {ALPHA}; NONLOCAL at most {limit:.4f}")
    print(
        f"{'scenario':<10}{'change':>7}{'shifts':>8}{'shots':>8}{'hidden':>9}{'visible':>9}{'kappa':>7}"
        f"{'seen':>8}{'p <= alpha':>12}{'NONLOCAL':>10}"
    )
    start = time.monotonic()
    with ProcessPoolExecutor(options.workers) as pool:
        for name, share, shift, shots in MODELS:
            behavior = influenced(name, share, shift)
            hidden, visible = amounts(behavior)
            # A little more, for the rounding of the linear programs.
            kappa = max(1.0, hidden / visible * (1 + 1e-6))
            work = partial(outcome_of, behavior, shots, kappa)
            found = list(pool.map(work, range(options.runs), chunksize=10))
            nonlocal_share = np.mean([verdict == "NONLOCAL" for verdict, _, _ in found])
            significant, seen = (np.mean([one[i] for one in found]) for i in (1, 2))
            print(
                f"{name:<10}{share:>7}{shift:>8}{shots:>8}{hidden:>9.4f}{visible:>9.4f}{kappa:>7.2f}"
                f"{seen:>8.3f}{significant:>12.3f}{nonlocal_share:>10.4f}"
                f"{'   NOT AS IT SHOULD BE' if nonlocal_share > limit else ''}",
                flush=True,
            )
    print(f"{time.monotonic() - start:.0f} s")


if __name__ == "__main__":
    main()
