"""Does anything about extreme tables of counts raise an error?

Draws tables as they come from badly tuned, deterministic or hardly used devices, in four scenarios: empty cells, one
outcome per setting, mixtures of few deterministic strategies, readout near |00>, an outcome that never comes, unequal
and very few shots. Each is analyzed as a user would, and fitted by every fit alone; exceptions are counted by
their type.
"""

import argparse
import os
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from functools import partial

import numpy as np
from qiskit_lhv import BellCounts, BellScenario, analyze
from qiskit_lhv._support.threads import one_blas_thread
from qiskit_lhv.statistics import compare_models, fit_local_model, local_region
from qiskit_lhv.targets import project_to_no_signaling

SCENARIOS = {
    "CHSH": BellScenario((2, 2), (2, 2)),
    "3 x 3 settings": BellScenario((3, 3), (2, 2)),
    "three outcomes": BellScenario((2, 2), (3, 3)),
    "three parties": BellScenario((2, 2, 2), (2, 2, 2)),
}
SHOTS = (1, 2, 5, 20, 100, 1000, 10_000)


def strategy(scenario, rng):
    """The table of a random deterministic strategy."""
    table = np.zeros(scenario.shape)
    answers = [rng.integers(d, size=m) for m, d in zip(scenario.num_settings, scenario.max_outcomes, strict=True)]
    for settings in np.ndindex(scenario.num_settings):
        table[settings + tuple(own[x] for own, x in zip(answers, settings, strict=True))] = 1
    return table


def noise(scenario, rng, concentration):
    """Outcomes at random for each setting combination; few of them if the concentration is small."""
    outcomes = scenario.num_cells // scenario.num_setting_combinations
    return rng.dirichlet(np.full(outcomes, concentration), size=scenario.num_settings).reshape(scenario.shape)


def mixture(scenario, rng, count):
    """A mixture of few strategies."""
    return sum(weight * strategy(scenario, rng) for weight in rng.dirichlet(np.ones(count)))


def readout(scenario, rng):
    """All parties answer 0, with rare errors that differ from setting to setting."""
    table = np.zeros(scenario.shape)
    table[..., *(0,) * scenario.num_parties] = 1
    rate = rng.choice([0.001, 0.01, 0.03])
    return (1 - rate) * table + rate * noise(scenario, rng, 0.2)


def never(scenario, rng):
    """The first party never answers 0, or hardly ever."""
    table = noise(scenario, rng, 1.0)
    first = (slice(None),) * scenario.num_parties + (0,)
    table[first] *= rng.choice([0.0, 1e-3])
    return table / table.sum(axis=scenario.outcome_axes, keepdims=True)


KINDS = {
    "one outcome": lambda scenario, rng: np.round(noise(scenario, rng, 1e-3)),
    "one strategy": strategy,
    "three strategies": partial(mixture, count=3),
    "strategies, errors": lambda scenario, rng: 0.97 * mixture(scenario, rng, 4) + 0.03 * noise(scenario, rng, 0.1),
    "near |00>": readout,
    "few outcomes": partial(noise, concentration=0.05),
    "an outcome missing": never,
    "any": partial(noise, concentration=1.0),
}


def draw(scenario, kind, seed):
    """Counts of one kind, with equal or unequal numbers of shots."""
    rng = np.random.default_rng(seed)
    p = KINDS[kind](scenario, rng).reshape(scenario.num_setting_combinations, -1)
    # Rounding may leave a setting without outcomes.
    p[p.sum(axis=1) == 0, 0] = 1
    p /= p.sum(axis=1, keepdims=True)
    shots = np.full(len(p), rng.choice(SHOTS)) if rng.random() < 0.5 else rng.integers(1, 2000, size=len(p))
    return BellCounts(rng.multinomial(shots, p).reshape(scenario.shape))


def regions(counts):
    """The confidence region around the best local model."""
    return local_region(counts, fit_local_model(counts, relative_tolerance=1e-3).model.behavior())


CALLS = {
    "analyze": lambda counts: analyze(counts, seed=1),
    "local fit": fit_local_model,
    "rough local fit": partial(fit_local_model, relative_tolerance=1e-3),
    "projection": lambda counts: project_to_no_signaling(counts.frequencies(), counts.num_shots),
    "models": partial(compare_models, num_replicates=20, seed=1),
    "region": regions,
}


def trial(names, case):
    """Errors and times of all calls for one table."""
    scenario, kind, seed = case
    counts = draw(SCENARIOS[scenario], kind, seed)
    found = []
    with one_blas_thread():
        for name in names:
            start = time.process_time()
            error = None
            try:
                CALLS[name](counts)
            except Exception as exc:
                error = f"{type(exc).__name__}: {str(exc)[:60]}"
            found.append((name, error, time.process_time() - start))
    return scenario, kind, found


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tables", type=int, default=5000, help="number of tables, over all scenarios")
    parser.add_argument("--workers", type=int, default=os.cpu_count())
    parser.add_argument("--calls", nargs="+", choices=CALLS, default=list(CALLS))
    options = parser.parse_args()
    kinds = list(KINDS)
    cases = [
        (list(SCENARIOS)[i % len(SCENARIOS)], kinds[i // len(SCENARIOS) % len(kinds)], i) for i in range(options.tables)
    ]
    errors, seconds, tables = Counter(), Counter(), Counter()
    start = time.perf_counter()
    with ProcessPoolExecutor(options.workers) as pool:
        for scenario, kind, found in pool.map(partial(trial, options.calls), cases, chunksize=20):
            tables[scenario] += 1
            for name, error, used in found:
                seconds[scenario, name] += used
                if error is not None:
                    errors[name, scenario, kind, error] += 1
    print(f"{options.tables} tables in {time.perf_counter() - start:.0f} s; CPU milliseconds per table:")
    print(f"{'':<18}" + "".join(f"{name:>18}" for name in options.calls))
    for scenario, count in tables.items():
        times = "".join(f"{1e3 * seconds[scenario, name] / count:18.2f}" for name in options.calls)
        print(f"{scenario:<18}{times}")
    for (name, scenario, kind, error), count in sorted(errors.items()):
        print(f"{name}, {scenario}, {kind}: {count} x {error}")
    print(f"exceptions: {sum(errors.values())}")


if __name__ == "__main__":
    main()
