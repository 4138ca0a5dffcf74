"""Is crosstalk taken for nonlocality? Simulated devices with signaling, and nonlocal devices with a little of it.

Local models whose parties influence each other in ways that marginals show must be NONLOCAL at most at the rate alpha
plus three standard errors; a nonlocal device with 1 % crosstalk must stay NONLOCAL.
"""

import argparse
import math
import time
from concurrent.futures import ProcessPoolExecutor
from functools import partial

import numpy as np
from qiskit_lhv import Behavior, CountsOptions, Verdict, analyze, ghz_state, werner_state
from qiskit_lhv.statistics import no_signaling_test, signaling_allowance

ALPHA = 0.01
SIGNALING_LEVEL = 0.01
PLANE = [(math.cos(a), 0, math.sin(a)) for a in math.pi * np.arange(3) / 3]


def flipped(q, shape=(2, 2)):
    """The outcomes a = 0, b = x y, both flipped with probability q: S = 4 from a local cause."""
    table = np.zeros((*shape, 2, 2))
    for x, y in np.ndindex(shape):
        b = int(x > 0 and y > 0)
        table[x, y, 0, b] += 1 - q
        table[x, y, 1, 1 - b] += q
    return Behavior(table)


def readout(behavior, share):
    """The last party's outcome 1 is read as 0 with this probability if party 0 has its last setting."""
    table = behavior.array.copy()
    decayed = share * table[-1, ..., 1]
    table[-1, ..., 1] -= decayed
    table[-1, ..., 0] += decayed
    return Behavior(table)


def leaked(behavior, share):
    """With this probability, party 1's outcome is party 0's setting (its parity)."""
    copied = np.zeros_like(behavior.array)
    for setting in np.ndindex(behavior.scenario.num_settings):
        copied[setting][:, setting[0] % 2] = behavior.array[setting].sum(axis=1)
    return Behavior((1 - share) * behavior.array + share * copied)


def both_ways(behavior, share):
    """The readout of each of two parties decays with the other's last setting."""
    swapped = Behavior(np.ascontiguousarray(readout(behavior, share).array.transpose(1, 0, 3, 2)))
    return Behavior(np.ascontiguousarray(readout(swapped, share).array.transpose(1, 0, 3, 2)))


def devices():
    """Name, behavior, shots of a setting, and whether a local model with crosstalk explains it."""
    # On the facet of the CHSH form that the flipped outcomes violate.
    edge = Behavior.from_correlators([[0.5, 0.5], [0.5, -0.5]], marginals=False)
    noisy = Behavior.from_state(werner_state(0.95), "chsh")
    planar = Behavior.from_state(werner_state(2 / 3), [PLANE, PLANE])
    ghz = Behavior.from_state(ghz_state(3, 0.5), "mermin")
    for q in (0.0, 0.1, 0.2, 0.3):
        yield f"a = 0, b = x y, flipped, q = {q}", flipped(q), 5000, True
    for share in (0.05, 0.2):
        yield f"facet, readout crosstalk {share}", readout(edge, share), 20_000, True
        yield f"facet, crosstalk both ways {share}", both_ways(edge, share), 20_000, True
        yield f"facet, setting leaks {share}", leaked(edge, share), 20_000, True
    for share in (0.1, 0.3):
        mixed = Behavior((1 - share) * edge.array + share * flipped(0.2).array)
        yield f"facet, a share {share} of q = 0.2", mixed, 20_000, True
    yield "3 x 3, b = x y, flipped, q = 0.2", flipped(0.2, (3, 3)), 5000, True
    yield "3 x 3 local, readout crosstalk 0.1", readout(planar, 0.1), 20_000, True
    yield "3 parties local, readout crosstalk 0.1", readout(ghz, 0.1), 20_000, True
    yield "CHSH, v = 0.95, crosstalk 0.01", readout(noisy, 0.01), 100_000, False
    yield (
        "3 x 3, v = 0.95, crosstalk 0.01",
        readout(Behavior.from_state(werner_state(0.95), [PLANE] * 2), 0.01),
        200_000,
        False,
    )
    yield (
        "GHZ, v = 0.95, crosstalk 0.01",
        readout(Behavior.from_state(ghz_state(3, 0.95), "mermin"), 0.01),
        100_000,
        False,
    )
    yield "CHSH, v = 0.95, drift of 0.001", readout(noisy, 0.001), 10_000_000, False


def verdict(behavior, shots, seed):
    """The verdict on one device, the p-value's logarithm, and whether signaling was detected."""
    report = analyze(behavior.sample(shots, seed), CountsOptions(num_replicates=0), alpha=ALPHA, seed=seed)
    return report.verdict.value, report.log10_p_value, report.statistics["no_signaling_p"] <= SIGNALING_LEVEL


def weighed(behavior, shots, alpha, kappa, seed):
    """The largest kappa that the allowance stands up to, and whether it exceeds the given one."""
    allowance = signaling_allowance(behavior.sample(shots, seed), alpha=alpha, kappa=kappa, seed=seed)
    return allowance.largest_kappa, allowance.exceeded


def print_allowances(pool, runs):
    """How large a kappa a violation stands up to where nothing is visible, and how often a true one is exceeded."""
    print(f"\nS = 2.6, no visible signaling, alpha = {ALPHA}, {runs} runs: largest kappa (median), kappa = 5 exceeded")
    clean = Behavior.from_correlators(0.65 * np.array([[1, 1], [1, -1]]), marginals=False)
    for shots in (1000, 4000, 14_000, 16_000):
        found = list(pool.map(partial(weighed, clean, shots, ALPHA, 5.0), range(runs), chunksize=25))
        largest, exceeded = np.array(found).T
        print(f"{shots:>8} shots per setting{np.median(largest):>8.2f}{exceeded.mean():>8.3f}", flush=True)
    print(f"true kappa exceeded, alpha = 0.1, {runs} runs")
    # Signs of the four shifts that the marginals show, and their size.
    cases = [("four shifts of 0.2, S = 2.88", 0.1, 0.72, 1000), ("four shifts of 0.03, S = 2.6", 0.015, 0.65, 4000)]
    for name, shift, correlation, shots in cases:
        behavior = shifted(shift, correlation)
        kappa = (2 * correlation - 1) / (4 * shift)
        found = list(pool.map(partial(weighed, behavior, shots, 0.1, kappa), range(runs), chunksize=25))
        print(f"{name:<32} kappa = {kappa:.2f}{np.mean([e for _, e in found]):>8.3f}", flush=True)


def shifted(shift, correlation):
    """Both outcomes lean to 0 or 1 by this, depending on the other party's setting."""
    sign = np.array([1.0, -1.0])
    first, second = shift * np.array([[1, -1], [1, -1]]), shift * np.array([[1, 1], [-1, -1]])
    correlators = correlation * np.array([[1, 1], [1, -1]])
    table = 1 + first[..., None, None] * sign[:, None] + second[..., None, None] * sign
    return Behavior((table + correlators[..., None, None] * np.outer(sign, sign)) / 4)


def gate(behavior, shots, seed):
    """The p-value of no-signaling."""
    return no_signaling_test(behavior.sample(shots, seed), seed=seed).p_value


def print_gate(pool, runs):
    """How often signaling is detected where there is none."""
    rare = np.zeros((2, 2, 2, 2))
    rare[..., 0, 0], rare[..., 0, 1], rare[..., 1, 0] = 0.99, 0.005, 0.005
    qutrits = np.tile([[0.9, 0.03, 0.03], [0.02, 0.01, 0.01]], (2, 2, 1, 1))
    cases = [
        ("errors of 0.005, n = 5000, 20, 20, 5000", Behavior(rare), np.array([[5000, 20], [20, 5000]])),
        ("v = 0.9, n = 25", Behavior.from_state(werner_state(0.9), "chsh"), 25),
        ("v = 0.9, n = 500", Behavior.from_state(werner_state(0.9), "chsh"), 500),
        ("rare third outcomes, n = 30 to 400", Behavior(qutrits), np.array([[50, 400], [200, 30]])),
        ("GHZ, v = 0.9, n = 100", Behavior.from_state(ghz_state(3, 0.9), "mermin"), 100),
    ]
    print(f"\nno-signaling devices, {runs} runs: share with p <= {SIGNALING_LEVEL}")
    for name, behavior, shots in cases:
        found = list(pool.map(partial(gate, behavior, shots), range(runs), chunksize=25))
        print(f"{name:<42}{np.mean(np.array(found) <= SIGNALING_LEVEL):>8.4f}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=1000)
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    limit = ALPHA + 3 * math.sqrt(ALPHA * (1 - ALPHA) / options.runs)
    print(f"{options.runs} devices each, alpha = {ALPHA}; local models: NONLOCAL at most {limit:.4f}")
    print(f"{'device':<41}{'shots per setting':>17}{'seen':>8}{'p <= alpha':>12}{'NONLOCAL':>10}{'SIGNALING':>11}")
    start = time.monotonic()
    with ProcessPoolExecutor(options.workers) as pool:
        for name, behavior, shots, local in devices():
            found = list(pool.map(partial(verdict, behavior, shots), range(options.runs), chunksize=25))
            share = [np.mean([v == kind for v, _, _ in found]) for kind in ("NONLOCAL", "SIGNALING")]
            seen = np.mean([s for _, _, s in found])
            significant = np.mean([p <= math.log10(ALPHA) for _, p, _ in found])
            wrong = share[0] > limit if local else share[0] < 1
            print(
                f"{name:<42}{shots:>16}{seen:>8.3f}{significant:>12.3f}{share[0]:>10.4f}{share[1]:>11.4f}"
                f"{'   NOT AS IT SHOULD BE' if wrong else ''}",
                flush=True,
            )
        print_allowances(pool, options.runs)
        print_gate(pool, options.runs)
    hidden = analyze(flipped(0.5).sample(5000, 1), seed=1)
    named = [line for line in hidden.assumptions if "marginals do not show" in line]
    print(f"q = 0.5, which no marginal shows: {hidden.verdict is Verdict.NONLOCAL and 'NONLOCAL'}, assuming {named}")
    print(f"{time.monotonic() - start:.0f} s")


if __name__ == "__main__":
    main()
