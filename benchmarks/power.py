"""How strong is the evidence? The e-value beside the binomial bound of CHSH, Hoeffding's bound, and the plain method.

- Werner states with CHSH settings: median log10 p against the number of trials, and the rate per trial against the KL
  distance to the local set.
- The same with settings that are a little off, and with correlators of unequal size, as devices have them.
- A state that no CHSH inequality shows to be nonlocal, with three settings per party: medians of ten sets of data,
  averaged over 20 orders of their shots.
- A few shots, S = 2.40 and 2.69: how often alpha = 0.01 is reached by the e-value of one order and the mean of 20, by
  the combined test of that mean and the eight CHSH games, and by the right game, had it been declared.
- The published tables: all shots in stages, beside a third of the shots to choose the factor and the rest to test.
"""

import argparse
import math
import time
from itertools import combinations

import numpy as np
from qiskit.quantum_info import DensityMatrix
from qiskit_lhv import (
    Behavior,
    BellCounts,
    CorrelationTensor,
    chsh,
    load_bundled_counts,
    ratio_e_value,
    werner_state,
)
from qiskit_lhv.datasets import bundled_counts
from qiskit_lhv.polytope import i3322
from qiskit_lhv.statistics import combine_e_values, evidence_rate, game_test, ratio_e_values
from qiskit_lhv.statistics.evidence.combined_tests import combined_test
from qiskit_lhv.statistics.evidence.ratios import RatioEngine
from qiskit_lhv.statistics.random_orders import random_part
from qiskit_lhv.targets import project_to_no_signaling


def best_form(behavior):
    """The CHSH expression with the signs of the behavior's correlators, as an experimenter declares it."""
    forms = [chsh((x, y)) for x in (0, 1) for y in (0, 1)]
    values = [form.value(behavior) for form in forms]
    best = int(np.argmax(np.abs(values)))
    form = forms[best]
    return form if values[best] > 0 else type(form)(-form.coefficients)


def hoeffding(counts, form):
    """log10 of Hoeffding's bound for S: every trial moves the mean of S by at most 8 over the number of trials."""
    s = form.value(counts.frequencies())
    inverse = float((1 / counts.num_shots).sum())
    return -((max(0.0, s - 2)) ** 2) / (2 * inverse) / math.log(10)


def plain(counts, seed):
    """The plain method: a third of the shots chooses the factor, the rest is tested."""
    trained = random_part(counts, 1 / 3, np.random.default_rng(seed))
    tables = np.stack([trained, counts.array - trained])[None]
    shots = tables.sum(axis=tuple(range(-counts.scenario.num_parties, 0)))
    if counts.design == "blocks":
        weights = shots / shots.reshape(1, 2, -1).sum(axis=2).reshape(1, 2, *[1] * counts.scenario.num_parties)
    else:
        weights = np.broadcast_to(counts.setting_probabilities, shots.shape)
    factors, bounds, _ = RatioEngine(counts.scenario).run(tables, weights)
    gained = np.sum(tables[0, 1] * np.log(factors[0, 1])) - shots[0, 1].sum() * math.log(bounds[0, 1])
    return float(gained) / math.log(10)


def row(name, behavior, trials, runs):
    """Medians of log10 p of all tests for one number of trials."""
    shots = trials // behavior.scenario.num_setting_combinations
    data = [behavior.sample(shots, seed) for seed in range(runs)]
    total = shots * behavior.scenario.num_setting_combinations
    e_values = np.array([-one.log_e / math.log(10) for one in ratio_e_values(data, seed=1)])
    form = best_form(behavior)
    games = [game_test(one, form).log10_p_value for one in data]
    bounds = [hoeffding(one, form) for one in data]
    simple = [-plain(one, seed) for seed, one in enumerate(data)]
    distance = evidence_rate(behavior).rate / math.log(10)
    rate = float(np.mean(-e_values)) / total / distance
    print(
        f"{name:<26}{total:>9}{np.median(e_values):>12.2f}{np.median(games):>12.2f}{np.median(bounds):>12.2f}"
        f"{np.median(simple):>12.2f}{-total * distance:>12.2f}{rate:>8.3f}",
        flush=True,
    )


def chsh_study(runs, most=1_000_000):
    print(
        f"\nCHSH, medians of log10 p over {runs} runs\n{'behavior':<26}{'trials':>9}{'e-value':>12}{'binomial':>12}"
        f"{'Hoeffding':>12}{'plain':>12}{'-n KL':>12}{'rate/KL':>8}"
    )
    state = {v: werner_state(v) for v in (0.8, 0.9)}
    for v, rho in state.items():
        behavior = Behavior.from_state(rho, "chsh")
        for trials in [trials for trials in (1000, 4000, 10_000, 100_000, 1_000_000) if trials <= most]:
            row(f"Werner, v = {v}", behavior, trials, runs if trials < 1_000_000 else runs // 4)
    tilted = [[(0, 0, 1), (1, 0, 0)], [(np.sin(a), 0, np.cos(a)) for a in (0.55, -1.05)]]
    for trials in (10_000, 100_000):
        row("v = 0.9, settings off", Behavior.from_state(state[0.9], tilted), trials, runs)
    hanoi = load_bundled_counts("ibm_hanoi19_20circuit13").counts
    seen = project_to_no_signaling(hanoi.frequencies(), hanoi.num_shots)
    for trials in (10_000, 100_000):
        row("as seen on IBM Hanoi", seen, trials, runs)


def few_shots(runs, orders=20, alpha=0.01):
    """Power of the tests for counts with few shots per setting."""
    print(
        f"\nFew shots, CHSH: share of {runs} runs with p <= {alpha}\n{'shots per setting':<20}{'S':>6}{'e-value':>10}"
        f"{f'mean of {orders}':>13}{'combined':>11}{'game declared':>16}"
    )
    for shots, s in ((100, 2.40), (50, 2.69)):
        behavior = Behavior.from_correlators(np.array([[1, 1], [1, -1]]) * s / 4, marginals=False)
        found = np.zeros(4)
        for seeds in np.array_split(np.arange(runs), max(1, runs // 500)):
            data = [behavior.sample(shots, int(seed)) for seed in seeds]
            by_order = [ratio_e_values(data, seed=order) for order in range(orders)]
            for one, parts in zip(data, zip(*by_order, strict=True), strict=True):
                mean = combine_e_values(parts, independent=False)
                tests = (parts[0], mean, combined_test(one, mean), game_test(one, chsh()))
                found += [test.log10_p_value <= math.log10(alpha) for test in tests]
        shares = found / runs
        print(
            f"{shots:<20}{s:>6.2f}{shares[0]:>10.3f}{shares[1]:>13.3f}{shares[2]:>11.3f}{shares[3]:>16.3f}", flush=True
        )


def hidden_from_chsh(quick=False):
    """The state of arXiv:quant-ph/0306129 (Collins and Gisin): CHSH does not show it to be nonlocal, I3322 does."""
    from scipy.optimize import minimize

    ket = np.zeros(4)
    ket[[0, 3]] = [2, 1]
    product = np.diag([0.0, 1.0, 0.0, 0.0])
    rho = DensityMatrix(0.85 * np.outer(ket, ket) / 5 + 0.15 * product)
    expression = i3322()

    def behavior_of(angles):
        vectors = [(math.sin(a), 0, math.cos(a)) for a in angles]
        return Behavior.from_state(rho, [vectors[:3], vectors[3:]])

    rng = np.random.default_rng(3)
    best = min(
        (
            minimize(lambda a: -expression.value(behavior_of(a)), rng.uniform(0, 2 * np.pi, 6))
            for _ in range(4 if quick else 40)
        ),
        key=lambda found: found.fun,
    )
    behavior = behavior_of(best.x)
    tensor = CorrelationTensor.from_state(rho).array[1:, 1:]
    horodecki = 2 * math.sqrt(np.sort(np.linalg.eigvalsh(tensor.T @ tensor))[-2:].sum())
    print(
        f"\nThe state of Collins and Gisin: largest CHSH value of any settings {horodecki:.6f}, "
        f"I3322 {-best.fun:.6f} above its local bound"
    )
    rate = evidence_rate(behavior)
    print(f"KL distance to the local set {rate.rate:.4g} nats per trial")
    for trials in (900_000,) if quick else (900_000, 9_000_000, 36_000_000):
        data = [behavior.sample(trials // 9, seed) for seed in range(1 if quick else 10)]
        start = time.monotonic()
        # One order of the shots gives up to a power of ten more or less than another.
        found = np.array(
            [[one.log10_p_value for one in ratio_e_values(data, seed=seed)] for seed in range(1 if quick else 20)]
        )
        seconds = (time.monotonic() - start) / found.size
        declared = np.median([game_test(one, expression).log10_p_value for one in data])
        pairs = [
            np.median([game_test(part(one.array, x, y, BellCounts), form).log10_p_value for one in data])
            for x in combinations(range(3), 2)
            for y in combinations(range(3), 2)
            for form in [best_form(part(behavior.array, x, y, Behavior))]
        ]
        print(
            f"{trials:>10} trials, medians of log10 p: e-value {np.median(found, axis=1).mean():.2f}, "
            f"I3322 declared {declared:.2f}, "
            f"best of nine CHSH games {min(pairs):.2f}; -n KL {-trials * rate.rate / math.log(10):.2f}; "
            f"{seconds:.2f} s each",
            flush=True,
        )


def part(array, x, y, kind):
    """Counts or behavior of two settings per party."""
    return kind(array[np.ix_(x, y)])


def tables(seeds=20):
    print(f"\nPublished tables: median log10 e over {seeds} seeds")
    print(f"{'counts':<32}{'stages':>10}{'plain':>10}{'seconds':>9}")
    for name in bundled_counts():
        counts = load_bundled_counts(name).counts
        start = time.monotonic()
        staged = [ratio_e_value(counts, seed=seed).log_e / math.log(10) for seed in range(seeds)]
        seconds = (time.monotonic() - start) / seeds
        simple = [plain(counts, seed) for seed in range(seeds)]
        print(f"{name:<32}{np.median(staged):>10.2f}{np.median(simple):>10.2f}{seconds:>9.4f}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--quick", action="store_true", help="few runs and trials, to see that the script runs")
    options = parser.parse_args()
    runs = 2 if options.quick else options.runs
    few_shots(10 * runs, 2 if options.quick else 20)
    tables(2 if options.quick else 20)
    chsh_study(runs, 1000 if options.quick else 1_000_000)
    hidden_from_chsh(options.quick)
