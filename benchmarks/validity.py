"""Are the p-values valid? Twenty local models in three scenarios, with unequal blocks, random settings and memory.

For each, many experiments are simulated, and the share with p <= alpha is compared with alpha plus three standard
errors, for the e-value (prediction-based ratios), for the expression declared beforehand (game or convex bound), and,
where the counts are of independent shots in a scenario with a known finite family, for the combined test.
"""

import argparse
import math
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass

import numpy as np
from qiskit_lhv import Behavior, BellTrials, chsh
from qiskit_lhv.models.deterministic import enumerate_strategies, strategy_tables
from qiskit_lhv.polytope import i3322, mermin
from qiskit_lhv.statistics import game_test, ratio_e_values
from qiskit_lhv.statistics.evidence.combined_tests import combined_test, family_of

ALPHAS = (0.1, 0.01, 0.001)
EXPRESSIONS = {"chsh": chsh(), "i3322": i3322(), "mermin": mermin(3)}


@dataclass(frozen=True)
class Case:
    """A local model and the way it is measured."""

    name: str
    scenario: str
    model: str
    design: str  # blocks, unequal blocks, random, biased, or the name of a memory


def strategies_of(scenario):
    """All strategies, their tables and their values for the scenario's expression."""
    expression = EXPRESSIONS[scenario]
    strategies = enumerate_strategies(expression.scenario)
    tables = strategy_tables(strategies, expression.scenario)
    values = tables @ expression.coefficients.ravel()
    return expression, strategies, tables.reshape(-1, *expression.scenario.shape), values


def shots_of(scenario, design):
    """Shots of each setting combination, about 400 to 500 in all."""
    settings = EXPRESSIONS[scenario].scenario.num_settings
    shots = np.full(settings, {"chsh": 100, "i3322": 50, "mermin": 50}[scenario])
    if design == "unequal blocks":
        shots.flat[0] *= 3
        shots.flat[-1] //= 4
    return shots


def weights_of(case, expression, tables, values, shots):
    """Weights of the deterministic strategies."""
    best = values >= values.max() - 1e-9
    rng = np.random.default_rng(5)
    if case.model == "facet center":
        return best / best.sum()
    if case.model == "worst point":
        # Of the strategies on the facet, those that win most with these numbers of shots.
        n = shots.ndim
        weighted = (expression.coefficients > 0) * (shots / shots.sum()).reshape(shots.shape + (1,) * n)
        scores = np.where(best, tables.reshape(len(tables), -1) @ weighted.ravel(), -np.inf)
        chosen = scores >= scores.max() - 1e-12
        return chosen / chosen.sum()
    if case.model == "edge":
        ends = np.flatnonzero(best)[[0, -1]]
        return np.bincount(ends, weights=[0.6, 0.4], minlength=len(values))
    if case.model == "random facet point":
        return np.where(best, rng.dirichlet(np.full(len(values), 0.3)), 0) + 0.0
    if case.model == "deterministic":
        return np.bincount(np.flatnonzero(best)[:1], minlength=len(values)).astype(float)
    if case.model == "interior":
        return 0.7 * best / best.sum() + 0.3 / len(values)
    raise ValueError(case.model)


def draw_trials(case, seeds, length):
    """Settings and outcomes of many experiments with random settings, shape (M, T, N)."""
    expression, strategies, tables, values = strategies_of(case.scenario)
    scenario = expression.scenario
    n = scenario.num_parties
    count = len(seeds)
    rng = np.random.default_rng(seeds[0])
    p = np.full(scenario.num_settings, 1 / scenario.num_setting_combinations)
    if case.design == "biased":
        p = p * np.linspace(0.5, 1.5, p.size).reshape(p.shape)
        p /= p.sum()
    settings = np.array(np.unravel_index(rng.choice(p.size, size=(count, length), p=p.ravel()), p.shape)).T
    settings = settings.transpose(1, 0, 2)
    starts = np.concatenate([[0], np.cumsum(scenario.num_settings[:-1])])
    weights = weights_of(case, expression, tables, values, shots_of(case.scenario, "blocks"))
    weights = weights / weights.sum()
    best = np.flatnonzero(values >= values.max() - 1e-9)
    # Whether each of the best strategies wins at each setting combination.
    won = (tables[best] * (expression.coefficients > 0)).sum(axis=tuple(range(1 + n, 1 + 2 * n))) > 0
    outcomes = np.empty_like(settings)
    current = best[rng.integers(len(best), size=count)]
    lead = np.zeros(count)
    for t in range(length):
        x = tuple(settings[:, t].T)
        if case.design in ("random", "biased"):
            current = rng.choice(len(values), size=count, p=weights)
        outcomes[:, t] = strategies[current[:, None], starts + settings[:, t]]
        if case.design == "switches after a loss":
            position = np.searchsorted(best, current)
            lost = np.flatnonzero(~won[(position, *x)])
            for i in lost:
                winners = best[won[(slice(None), *settings[i, t])]]
                if len(winners):
                    current[i] = winners[rng.integers(len(winners))]
        elif case.design == "stops when ahead":
            position = np.searchsorted(best, current)
            lead += np.where(won[(position, *x)], 1.0, 0.0) - won.mean()
            # Ahead, it plays safe: one fixed strategy; behind, it gambles on ever new ones.
            fresh = best[rng.integers(len(best), size=count)]
            current = np.where(lead > 3, best[0], fresh)
        elif case.design == "guesses the next settings":
            # Plays what wins if the next settings are those of this trial.
            scores = won[(slice(None), *x)] + rng.random((len(best), count)) * 0.5
            current = best[np.argmax(scores, axis=0)]
    return settings, outcomes, scenario, p


def run(job):
    """log10 p of the tests for a batch of experiments; two rows, or three where the combined test is for such data."""
    case, seeds = job
    expression, _, tables, values = strategies_of(case.scenario)
    if "blocks" in case.design:
        shots = shots_of(case.scenario, case.design)
        weights = weights_of(case, expression, tables, values, shots)
        behavior = Behavior(np.tensordot(weights / weights.sum(), tables, axes=1))
        data = [behavior.sample(shots, int(seed)) for seed in seeds]
    else:
        settings, outcomes, scenario, p = draw_trials(case, seeds, int(shots_of(case.scenario, "blocks").sum()))
        data = [BellTrials(s, o, scenario, "random", p) for s, o in zip(settings, outcomes, strict=True)]
    seed = int(seeds[0])
    e_values = ratio_e_values(data, seed=seed)
    rows = [[one.log10_p_value for one in e_values], [game_test(one, expression).log10_p_value for one in data]]
    if ("blocks" in case.design or case.design == "biased") and family_of(expression.scenario):
        if case.design == "biased":
            data = [one.to_counts() for one in data]
            e_values = ratio_e_values(data, seed=seed)
        rows.append([combined_test(one, e).log10_p_value for one, e in zip(data, e_values, strict=True)])
    return np.array(rows)


def cases():
    """Twenty local models."""
    plain = ("facet center", "edge", "random facet point")
    found = []
    for scenario in EXPRESSIONS:
        found += [Case(model, scenario, model, "blocks") for model in plain]
        found.append(Case("worst point, unequal blocks", scenario, "worst point", "unequal blocks"))
        found.append(Case("facet center, biased settings", scenario, "facet center", "biased"))
        found.append(Case("switches after a loss", scenario, "facet center", "switches after a loss"))
    found.append(Case("stops when ahead", "chsh", "facet center", "stops when ahead"))
    found.append(Case("guesses the next settings", "chsh", "facet center", "guesses the next settings"))
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=10_000)
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    limits = [alpha + 3 * math.sqrt(alpha * (1 - alpha) / options.runs) for alpha in ALPHAS]
    print(f"{options.runs} experiments each; shares of p <= {ALPHAS}, at most {[round(x, 5) for x in limits]}")
    start, worst = time.monotonic(), 0
    with ProcessPoolExecutor(options.workers) as pool:
        for number, case in enumerate(cases()):
            seeds = np.array_split(np.arange(options.runs) + 10_000_000 * (number + 1), max(1, options.runs // 250))
            found = np.concatenate(list(pool.map(run, [(case, part) for part in seeds])), axis=1)
            shares = [[float(np.mean(row <= math.log10(alpha))) for alpha in ALPHAS] for row in found]
            bad = sum(share > limit for row in shares for share, limit in zip(row, limits, strict=True))
            worst += bad
            text = "   ".join(
                f"{name} " + " ".join(f"{s:.4f}" for s in row)
                for name, row in zip(("e", "declared", "combined"), shares, strict=False)
            )
            print(f"{case.scenario:<8}{case.name:<32}{text}   {'ABOVE' if bad else 'within'}", flush=True)
    print(f"{len(cases())} models, {worst} shares above their limit; {time.monotonic() - start:.0f} s")


if __name__ == "__main__":
    main()
