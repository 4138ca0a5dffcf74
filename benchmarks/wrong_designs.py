"""Are wrong declarations of random settings refused, and right ones not?

Two hundred data sets are declared random though their settings were in blocks, drawn with other probabilities of one
party or of one combination, repeat earlier settings, or follow the last outcome. Each mismatch is made so strong that
it can be detected at 1e-6 with power .99 without knowing it: of the logarithm of the likelihood ratio of what is true
to what is declared, the mean less 2.33 standard deviations is ``1.2 (log 1e6 + 5.3 + 5 k)``. The test that knows the
mismatch would need ``log 1e6``; 5.3 = log 200 is for looking at both numbers and order and at some fifty kinds of
mismatches, and 5 for each of the k contexts (outcomes that are followed, for example) in which the strength of the
mismatch must be learned. Then two thousand data sets are drawn as declared, with the devices of validity.py.

Mismatches too weak to be refused must not make a local device nonlocal either. Tables of CHSH tests, declared uniform,
are drawn from devices that lose at settings (1, 1) alone: one that always answers 0, and a noisy one with S = 2;
with P(1, 1) = .2 or .22, or with one party's setting 1 at .45. The share of NONLOCAL at alpha = .01 is to be at most
about alpha for the e-value and the combined test, which take the settings as they came; a declared game, and trials,
keep the declared probabilities. A nonlocal device with settings as declared shows what is left of the power.
"""

import argparse
import math
import time
from collections import defaultdict

import numpy as np
from qiskit_lhv import Behavior, BellCounts, BellTrials, CountsOptions, Verdict, analyze, ghz_state
from qiskit_lhv.exceptions import CountsError
from qiskit_lhv.statistics import settings_test
from qiskit_lhv.statistics.assumptions.setting_choice import REFUSAL_LEVEL, require_declared_settings

from validity import cases, draw_trials

ANGLES = [0, math.pi / 4, math.pi / 8, 3 * math.pi / 8]
LENGTHS = (300, 1000, 3000, 10_000)


def behavior_of(scenario, visibility):
    """A device: two parties with two or three settings, or three parties with two."""
    if scenario == "mermin":
        return Behavior.from_state(ghz_state(3, visibility), "mermin")
    settings = [(math.cos(a), 0, math.sin(a)) for a in (ANGLES[:2] if scenario == "chsh" else ANGLES[:3])]
    return Behavior.from_state(ghz_state(2, visibility), [settings, settings[::-1]])


def outcomes_of(behavior, settings, rng):
    cells = behavior.array[tuple(settings.T)].reshape(len(settings), -1)
    drawn = (rng.random(len(settings))[:, None] > cells.cumsum(axis=1)).sum(axis=1)
    sizes = behavior.scenario.max_outcomes
    return np.array(np.unravel_index(np.minimum(drawn, cells.shape[1] - 1), sizes)).T


def draw(rng, count, p):
    return np.array(np.unravel_index(rng.choice(p.size, count, p=p.ravel() / p.sum()), p.shape)).T


def solved(laws, length, contexts):
    """The smallest strength of a mismatch with the power stated above.

    ``laws(strength)`` gives, for each context, the true probabilities and the declared ones.
    """
    needed = 1.2 * (math.log(1 / REFUSAL_LEVEL) + 5.3 + 5 * contexts)

    def enough(strength):
        moments = []
        for true, declared in laws(strength):
            ratio = np.log(np.maximum(true, 1e-300) / declared)
            mean = float(np.sum(true * ratio))
            moments.append((mean, float(np.sum(true * ratio**2)) - mean**2))
        mean, variance = min(m for m, _ in moments), max(v for _, v in moments)
        return length * mean - 2.33 * math.sqrt(length * variance) >= needed

    low, high = 0.0, 0.999
    if not enough(high):
        return None
    while high - low > 1e-4:
        middle = (low + high) / 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high


def toward(p, position, strength):
    """Probabilities of which a share goes to one position."""
    q = p * (1 - strength)
    q[position] += strength
    return q


def in_blocks(rng, length, p, behavior):
    """The same number of trials of each combination, one after the other."""
    cells = np.array(np.unravel_index(np.arange(p.size), p.shape)).T
    settings = np.repeat(cells[rng.permutation(p.size)], length // p.size, axis=0)
    return settings, outcomes_of(behavior, settings, rng), 1.0


def wrong_party(rng, length, p, behavior):
    """One party's settings come with other probabilities, whatever the others have."""
    party = int(rng.integers(p.ndim))
    own = p.sum(axis=tuple(k for k in range(p.ndim) if k != party))
    setting = int(rng.integers(len(own)))
    strength = solved(lambda s: [(toward(own, setting, s), own)], length, 1)
    if strength is None:
        return None
    scale = (toward(own, setting, strength) / own).reshape([-1 if k == party else 1 for k in range(p.ndim)])
    settings = draw(rng, length, p * scale)
    return settings, outcomes_of(behavior, settings, rng), strength


def wrong_combination(rng, length, p, behavior):
    """One setting combination comes more often."""
    position = tuple(int(rng.integers(m)) for m in p.shape)
    strength = solved(lambda s: [(toward(p, position, s), p)], length, 2)
    if strength is None:
        return None
    settings = draw(rng, length, toward(p, position, strength))
    return settings, outcomes_of(behavior, settings, rng), strength


def repeating(rng, length, p, behavior):
    """A share of the trials repeats the settings of the trial before, or of some trials before."""
    period = int(rng.choice([1, length // 3]))
    cells = [tuple(x) for x in np.ndindex(p.shape)]
    # The lag itself must be found, too.
    contexts = 1 + 2 * math.log(period) / 5
    strength = solved(lambda s: [(toward(p, x, s), p) for x in cells], length - period, contexts)
    if strength is None:
        return None
    settings = draw(rng, length, p)
    for t in np.flatnonzero(rng.random(length) < strength):
        if t >= period:
            settings[t] = settings[t - period]
    return settings, outcomes_of(behavior, settings, rng), strength


def following(rng, length, p, behavior):
    """A share of one party's settings follows the last outcome of a party."""
    party, other = (int(k) for k in rng.integers(p.ndim, size=2))
    own = p.sum(axis=tuple(k for k in range(p.ndim) if k != party))
    strength = solved(lambda s: [(toward(own, a, s), own) for a in range(2)], length, 2)
    if strength is None:
        return None
    settings = draw(rng, length, p)
    follows = rng.random(length) < strength
    outcomes = np.empty_like(settings)
    for t in range(length):
        if t and follows[t]:
            settings[t, party] = outcomes[t - 1, other]
        outcomes[t] = outcomes_of(behavior, settings[t : t + 1], rng)[0]
    return settings, outcomes, strength


MISMATCHES = {
    "block order": in_blocks,
    "wrong probabilities of one party": wrong_party,
    "wrong probability of a combination": wrong_combination,
    "settings that repeat": repeating,
    "settings that follow the last outcome": following,
}


def declared_probabilities(rng, shape):
    """Uniform ones, or biased ones of each party."""
    if rng.random() < 0.5:
        return np.full(shape, 1 / math.prod(shape))
    product = np.ones(())
    for m in shape:
        product = np.multiply.outer(product, 0.5 / m + 0.5 * rng.dirichlet(np.full(m, 5.0)))
    return product


def refused(test):
    try:
        require_declared_settings(test)
    except CountsError:
        return True
    return False


def wrong_designs(number):
    """Prints how many of the mismatches are refused."""
    missed = 0
    for name, make in MISMATCHES.items():
        logs, strengths, count, seed, seconds = [], [], 0, 0, 0.0
        wanted = max(1, number // len(MISMATCHES))
        while len(logs) < wanted:
            rng = np.random.default_rng([seed, *name.encode()])
            seed += 1
            behavior = behavior_of(rng.choice(["chsh", "3 x 3", "mermin"]), float(rng.choice([0.6, 0.95])))
            p = declared_probabilities(rng, behavior.scenario.num_settings)
            made = make(rng, int(rng.choice(LENGTHS)), p, behavior)
            if made is None:  # too few trials for any strength
                continue
            settings, outcomes, strength = made
            data = BellTrials(settings, outcomes, behavior.scenario, "random", p)
            # Numbers do not tell the order: half of the wrong probabilities come as counts.
            complete = bool((data.table.sum(axis=behavior.scenario.outcome_axes) > 0).all())
            if name.startswith("wrong") and seed % 2 and complete:
                data = BellCounts(data.table, "random", p)
            start = time.process_time()
            test = settings_test(data)
            seconds += time.process_time() - start
            count += refused(test)
            logs.append(test.log10_p_value)
            strengths.append(strength)
        missed += wanted - count
        print(
            f"{name:<38}{count:4d} of {wanted} refused; log10 p median {np.median(logs):8.1f}, largest {max(logs):6.1f}"
            f"; strengths {min(strengths):.3f} to {max(strengths):.3f}; {1e3 * seconds / wanted:.1f} ms each",
            flush=True,
        )
    return missed


def right_designs(number):
    """Prints how many data sets with settings as declared are refused."""
    chosen = [case for case in cases() if "blocks" not in case.design]
    found = defaultdict(list)
    seconds = 0.0
    each = -(-number // (2 * len(chosen)))
    for i, case in enumerate(chosen):
        for length in (100, 400):
            settings, outcomes, scenario, p = draw_trials(case, np.arange(each) + 1000 * i + length, length)
            for x, a in zip(settings, outcomes, strict=True):
                data = BellTrials(x, a, scenario, "random", p)
                start = time.process_time()
                found["trials"].append(settings_test(data).log10_p_value)
                seconds += time.process_time() - start
                if (data.table.sum(axis=scenario.outcome_axes) > 0).all():
                    found["counts"].append(settings_test(data.to_counts()).log10_p_value)
    alarms = 0
    for form, logs in found.items():
        logs = np.array(logs)
        alarms += int(np.sum(logs < math.log10(REFUSAL_LEVEL)))
        shares = ", ".join(f"p <= {level:g}: {np.mean(logs <= math.log10(level)):.4f}" for level in (0.1, 0.01, 0.001))
        print(f"as drawn, {form}: {len(logs)} data sets, {len(chosen)} devices; {shares}; log10 {logs.min():.1f}")
    print(f"{1e3 * seconds / len(found['trials']):.1f} ms each")
    return alarms


DEVICES = {
    "deterministic": np.broadcast_to([[1.0, 0.0], [0.0, 0.0]], (2, 2, 2, 2)),
    "noisy": Behavior.from_correlators([[0.98, 0.98], [0.98, 0.94]], marginals=False).array,
    "S = 2.4": Behavior.from_correlators([[0.6, 0.6], [0.6, -0.6]], marginals=False).array,
}
UNIFORM = np.full((2, 2), 0.25)
MADE = {
    "P(1, 1) = .20": np.array([[0.8 / 3, 0.8 / 3], [0.8 / 3, 0.2]]),
    "P(1, 1) = .22": np.array([[0.26, 0.26], [0.26, 0.22]]),
    "one party .45": np.outer([0.5, 0.5], [0.55, 0.45]),
    "as declared": UNIFORM,
}
LOCAL = ("deterministic", "noisy")
WEAK = [(device, made) for made in MADE if made != "as declared" for device in LOCAL] + [("S = 2.4", "as declared")]
TESTS = ("combined", "e-value", "game", "trials, e-value")


def weak_mismatches(number, lengths=(300, 1000, 4000)):
    """Prints how often each test says NONLOCAL of tables whose settings came a little otherwise than declared."""
    print(f"share of NONLOCAL at alpha = .01, of {number} data sets each, refused ones among them; in brackets refused")
    print(f"{'device':<15}{'settings':<15}{'trials':>7}" + "".join(f"{test:>18}" for test in TESTS))
    for device, made in WEAK:
        for length in lengths:
            found = {test: [0, 0] for test in TESTS}
            for seed in range(number):
                rng = np.random.default_rng([seed, length, *device.encode(), *made.encode()])
                settings = draw(rng, length, MADE[made])
                trials = BellTrials(settings, outcomes_of(Behavior(DEVICES[device]), settings, rng), design="random")
                for test in TESTS:
                    data = trials if test.startswith("trials") else trials.to_counts()
                    try:
                        report = analyze(data, CountsOptions(test=test.split()[-1], num_replicates=0), seed=seed)
                    except CountsError:
                        found[test][1] += 1
                    else:
                        found[test][0] += report.verdict is Verdict.NONLOCAL
            cells = "".join(f"{a / number:12.3f} ({b / number:.2f})"[-18:].rjust(18) for a, b in found.values())
            print(f"{device:<15}{made:<15}{length:7d}{cells}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--wrong", type=int, default=200)
    parser.add_argument("--right", type=int, default=2000)
    parser.add_argument("--weak", type=int, default=120)
    options = parser.parse_args()
    start = time.process_time()
    missed = wrong_designs(options.wrong)
    alarms = right_designs(options.right)
    weak_mismatches(options.weak)
    spent = time.process_time() - start
    print(f"{missed} wrong designs passed, {alarms} right ones refused; {spent:.0f} s of one core")


if __name__ == "__main__":
    main()
