"""Tests of many parties under local models: false alarms, e-values, crosstalk, and the time for a million shots.

The expression is the sum of CHSH along a path of n parties, whose local bound is 2 for each pair. The local models
reach it. "Memory": after a trial that was lost, the device draws a new strategy.
"""

import argparse
import resource
import time
from dataclasses import dataclass

import numpy as np
from qiskit_lhv import BellExpression, BellScenario, CountsOptions, Verdict, analyze
from qiskit_lhv.polytope import SparseExpression
from qiskit_lhv.statistics import many_party_signaling, many_party_test
from qiskit_lhv.targets import ManyPartyShots
from qiskit_lhv.verification.evidence import Evidence
from qiskit_lhv.verification.result import Verification


@dataclass(frozen=True, eq=False, repr=False)
class PathBound(Evidence):
    """The local bound of CHSH along a path: each pair adds at most 2, and equal outcomes reach it."""

    expression: SparseExpression
    value: float

    def verify(self):
        """Whether the value is the number of pairs, times 2."""
        return Verification(self.value >= 2 * (self.expression.num_parties - 1), "each pair adds at most 2")


def path(n):
    pairs = [(k, k + 1) for k in range(n - 1)]
    terms = {((j, x), (k, y)): (-1.0) ** (x * y) for j, k in pairs for x in (0, 1) for y in (0, 1)}
    expression = BellExpression.from_terms(BellScenario([2] * n, 2), terms)
    return expression, PathBound(expression, 2.0 * (n - 1))


def draw_settings(expression, shape, rng):
    """Drawn terms, and settings in which the other parties have random ones."""
    terms = expression.draw_terms(int(np.prod(shape)), rng)
    settings = np.where(terms >= 0, terms, rng.integers(0, 2, terms.shape, dtype=np.int8))
    return terms.reshape(*shape, -1), settings.reshape(*shape, -1)


def draw_strategies(count, n, rng):
    """Parties that flip with their second setting, of which no two are neighbors, and a common outcome."""
    flips = np.zeros((count, n), dtype=np.uint8)
    for k in range(n):
        allowed = flips[:, k - 1] == 0 if k else np.ones(count, dtype=bool)
        flips[:, k] = allowed & (rng.random(count) < 0.4)
    return flips, rng.integers(0, 2, (count, 1), dtype=np.uint8)


def local_outcomes(terms, settings, memory, rng):
    """Outcomes of local models for all experiments at once, trial after trial."""
    experiments, trials, n = terms.shape
    flips, common = draw_strategies(experiments, n, rng)
    bits = np.empty(settings.shape, dtype=np.uint8)
    for t in range(trials):
        bits[:, t] = common ^ (flips & (settings[:, t] == 1))
        drawn = terms[:, t]
        odd = (bits[:, t] * (drawn >= 0)).sum(axis=1) % 2
        lost = odd != ((drawn == 1).sum(axis=1) == 2)
        new_flips, new_common = draw_strategies(experiments, n, rng)
        change = lost[:, None] if memory else np.ones((experiments, 1), dtype=bool)
        flips, common = np.where(change, new_flips, flips), np.where(change, new_common, common)
    return bits


def shots_of(expression, terms, settings, bits, design="random"):
    packed = np.packbits(bits, axis=1, bitorder="little")
    drawn = terms if design == "random" else None
    return ManyPartyShots(expression.scenario, settings, np.ones(len(settings), dtype=int), packed, design, drawn)


def false_alarms(n, experiments, trials, design, rng, signaling_each):
    expression, bound = path(n)
    found, signals, checked = [], 0, 0
    begin = time.process_time()
    for first in range(0, experiments, 500):
        count = min(500, experiments - first)
        if design == "random":
            terms, settings = draw_settings(expression, (count, trials), rng)
        else:
            each = np.repeat(expression.rows, trials // expression.num_terms, axis=0)
            terms = np.broadcast_to(each, (count, *each.shape))
            settings = np.maximum(terms, 0)
        bits = local_outcomes(terms, settings, design == "random", rng)
        for i in range(count):
            shots = shots_of(expression, terms[i], settings[i], bits[i], design)
            test = many_party_test(shots, expression, bound=bound)
            found.append((test.log10_p_value, test.log_e_value))
            if i % signaling_each == 0:
                checked += 1
                signals += many_party_signaling(shots).detected
    log10_p, log_e = np.array(found).T
    print(
        f"{n:>4} parties, {design:<7}{len(found):>7} experiments of {terms.shape[1]} trials: "
        f"p <= 0.05: {np.mean(log10_p <= np.log10(0.05)):.4f}, p <= 0.01: {np.mean(log10_p <= -2):.4f}, "
        f"mean e {np.exp(log_e).mean():.3f}, e >= 20: {np.mean(log_e >= np.log(20)):.4f}; "
        f"signaling at 0.01: {signals}/{checked}; {time.process_time() - begin:.0f} s",
        flush=True,
    )


def crosstalk(n, trials, experiments, rng):
    """One party learns its neighbor's setting with probability q: seen in its marginals, or hidden by common flips."""
    expression, bound = path(n)
    for hidden in (False, True):
        verdicts, conditional = [], 0
        for _ in range(experiments):
            terms, settings = (part[0] for part in draw_settings(expression, (1, trials), rng))
            bits = np.zeros(settings.shape, dtype=np.uint8)
            # Every party follows the settings of its left neighbor: all pairs win.
            products = (settings[:, :-1] & settings[:, 1:]).astype(np.uint8)
            bits[:, 1:] = np.cumsum(products * (rng.random(products.shape) < 0.9), axis=1) % 2
            if hidden:
                bits ^= rng.integers(0, 2, (trials, 1), dtype=np.uint8)
            report = analyze(
                shots_of(expression, terms, settings, bits), CountsOptions(expression=expression, bound=bound)
            )
            verdicts.append(report.verdict)
            conditional += "if nothing passes between the parties" in report.headline
        names = {verdict: verdicts.count(verdict) for verdict in Verdict if verdict in verdicts}
        print(
            f"{n:>4} parties, crosstalk {'hidden from marginals' if hidden else 'seen in marginals'}: {names}, "
            f"headline with its condition: {conditional}",
            flush=True,
        )


def speed(n, num_shots, rng):
    expression, bound = path(n)
    terms, settings = (part[0] for part in draw_settings(expression, (1, num_shots), rng))
    bits = rng.integers(0, 2, (num_shots, n), dtype=np.uint8)
    shots = shots_of(expression, terms, settings, bits)
    del bits
    begin = time.process_time()
    report = analyze(shots, CountsOptions(expression=expression, bound=bound))
    middle = time.process_time()
    verified = bool(report.verify())
    print(
        f"{num_shots} shots of {n} parties: {report.verdict}, analyzed in {middle - begin:.1f} s, verified "
        f"({verified}) in {time.process_time() - middle:.1f} s; "
        f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6:.2f} GB at most",
        flush=True,
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--experiments", type=int, default=10_000)
    parser.add_argument("--trials", type=int, default=150)
    parser.add_argument("--shots", type=int, default=10**6)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    rng = np.random.default_rng(options.seed)
    speed(100, options.shots, rng)
    for n in (5, 20, 60):
        false_alarms(n, options.experiments, options.trials, "random", rng, 10)
    false_alarms(5, options.experiments, 20 * 16, "blocks", rng, 10)
    crosstalk(20, 4000, 20, rng)


if __name__ == "__main__":
    main()
