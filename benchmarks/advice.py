"""How often a new run with the advised number of shots reaches alpha = 0.01.

For each device, runs are analyzed. Where the verdict is INCONCLUSIVE and the advice names a number of shots, new runs
with so many are drawn twice: as if the frequencies seen were the device's probabilities, which is what the advice says,
and from the device itself, where the luck of the first run comes in. "Twice" is the advice to runs that came close.
"""

from __future__ import annotations

import argparse
import re
from typing import Any

import numpy as np
from numpy.typing import NDArray
from qiskit_lhv import Behavior, BellCounts, CountsOptions, Verdict, analyze, ghz_state
from qiskit_lhv.analysis.counts import counts_findings
from qiskit_lhv.analysis.counts_options import CountsCall
from qiskit_lhv.targets import project_to_no_signaling

# More shots than this are not drawn.
_MOST = 30_000


def _isotropic(s: float) -> Behavior:
    return Behavior.from_correlators(np.array([[1, 1], [1, -1]]) * s / 4, marginals=False)


# Name, device, shots per setting, options.
DEVICES: list[tuple[str, Behavior, int, dict[str, Any]]] = [
    ("S = 2.4, combined test", _isotropic(2.4), 60, {}),
    ("S = 2.4, e-value", _isotropic(2.4), 100, {"test": "e-value"}),
    ("S = 2.7, combined test", _isotropic(2.7), 15, {}),
    ("S = 2.6, game", _isotropic(2.6), 40, {"test": "game"}),
    ("S = 2.7, predictability 0.02", _isotropic(2.7), 60, {"predictability": 0.02}),
    ("GHZ, v = 0.7, e-value", Behavior.from_state(ghz_state(3, 0.7), "mermin"), 12, {}),
]


def _sample(behavior: Behavior, total: float, random: bool, rng: np.random.Generator) -> BellCounts:
    shape = behavior.scenario.num_settings
    probabilities: NDArray[np.float64] = np.full(shape, 1 / np.prod(shape))
    seed = int(rng.integers(2**31))
    if not random:
        return behavior.sample(max(1, round(total / probabilities.size)), seed)
    shots = np.maximum(1, rng.multinomial(round(total), probabilities.ravel())).reshape(shape)
    return BellCounts(behavior.sample(shots, seed).array, "random", probabilities)


def _reaches(counts: BellCounts, seed: int, options: dict[str, Any]) -> bool:
    # Without the figures, which decide nothing.
    found = counts_findings(counts, CountsCall(seed=seed, num_replicates=0, time_limit=1e-9, **options))
    return found.rule.significant(found.found)


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=200, help="first runs of each device")
    parser.add_argument("--again", type=int, default=5, help="new runs after each")
    options = parser.parse_args()
    print("share of new runs that reach alpha = 0.01: if the frequencies seen were the device's; the device itself")
    print(f"{'device':<30}{'shots per setting':>18}{'advised':>9}{'runs':>7}{'if':>7}{'itself':>8}")
    for name, device, shots, declared in DEVICES:
        rng = np.random.default_rng(1)
        random = "predictability" in declared
        reached: dict[str, list[tuple[bool, bool]]] = {"number": [], "twice": []}
        for seed in range(options.runs):
            counts = _sample(device, shots * device.scenario.num_setting_combinations, random, rng)
            report = analyze(counts, CountsOptions(num_replicates=0, **declared), seed=seed)
            number = re.search(r"about ([\d,]+) shots", report.advice)
            if report.verdict is not Verdict.INCONCLUSIVE or number is None:
                continue
            total = float(number[1].replace(",", ""))
            if total > _MOST:
                continue
            seen = project_to_no_signaling(counts.frequencies(), counts.num_shots)
            kind = "twice" if "twice as long" in report.advice else "number"
            for _ in range(options.again):
                pair = [
                    _reaches(_sample(one, total, random, rng), int(rng.integers(2**31)), declared)
                    for one in (seen, device)
                ]
                reached[kind].append((pair[0], pair[1]))
        for kind, pairs in reached.items():
            if pairs:
                shares = "".join(f"{share:>8.2f}" for share in np.mean(pairs, axis=0))
                print(f"{name:<30}{shots:>18}{kind:>9}{len(pairs):>7}{shares[1:]}", flush=True)


if __name__ == "__main__":
    main()
