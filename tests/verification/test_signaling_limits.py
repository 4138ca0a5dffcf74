import dataclasses
import math

import numpy as np
import pytest
from qiskit_lhv import Behavior, ghz_state, werner_state
from qiskit_lhv.exceptions import CertificateError
from qiskit_lhv.statistics import signaling_allowance
from qiskit_lhv.statistics.signaling.amounts import visible_signaling
from qiskit_lhv.statistics.tails.bounded_sums import log_tail
from qiskit_lhv.verification import signaling_limits
from scipy.stats import binom

from helpers import PLANE

CASES = {
    "chsh, few": lambda: Behavior.from_state(werner_state(0.9), "chsh").sample(100, 3),
    "chsh": lambda: Behavior.from_state(werner_state(0.9), "chsh").sample(3000, 3),
    "chsh, many": lambda: Behavior.from_state(werner_state(0.72), "chsh").sample(100_000, 3),
    "chsh, local": lambda: Behavior.from_state(werner_state(0.4), "chsh").sample(3000, 3),
    "three settings": lambda: Behavior.from_state(werner_state(1), [PLANE, PLANE]).sample(3000, 1),
    "mermin": lambda: Behavior.from_state(ghz_state(3, 0.95), "mermin").sample(500, 1),
}


@pytest.mark.parametrize("name", CASES)
def test_limits_that_were_found_hold_and_sharper_ones_do_not(name):
    allowance = signaling_allowance(CASES[name](), alpha=0.01, kappa=1.5, seed=1)
    found = allowance.verify()
    assert found, found.reason
    gap = allowance.hidden_needed - allowance.hidden_lower
    room = allowance.visible_upper - allowance.visible
    for change in (
        {"hidden_lower": allowance.hidden_lower + 0.1 * gap},
        {"hidden_lower": allowance.hidden_lower - 0.3 * gap},
        {"hidden_lower": math.inf},
        {"visible_upper": allowance.visible_upper - 0.1 * room},
        {"visible_upper": allowance.visible_upper + 0.3 * room},
        {"largest_kappa": 1.1 * allowance.largest_kappa + 0.1},
        {"largest_kappa": -1.0},
        {"largest_kappa": math.nan},
        {"visible": 0.9 * allowance.visible},
        {"hidden_needed": allowance.hidden_needed + 0.01},
        {"alpha": 0.001},
    ):
        try:
            changed = dataclasses.replace(allowance, **change)
        except CertificateError:
            continue
        assert changed.verify().refuted, change
    assert dataclasses.replace(allowance, kappa=1.5 * allowance.largest_kappa + 1.1, exceeded=True).verify().refuted
    if allowance.largest_kappa > 1.2:
        for kappa, exceeded in ((0.9 * allowance.largest_kappa, True), (1.1 * allowance.largest_kappa, False)):
            assert dataclasses.replace(allowance, kappa=kappa, exceeded=exceeded).verify()
        assert dataclasses.replace(allowance, largest_kappa=0.0).verify().refuted


def test_tails_bound_those_of_coins_and_are_as_sharp_as_the_ones_of_the_search():
    for number, p in ((20, 0.3), (400, 0.5), (400, 0.02), (10_000, 0.5)):
        variance, deviation = number * p * (1 - p), max(p, 1 - p)
        wins = np.unique(np.rint(number * p + math.sqrt(variance) * np.linspace(0.2, 6, 30)))
        excess = wins - number * p
        exact = binom.logsf(wins - 1, number, p)
        found = signaling_limits._log_tails(excess, np.full(len(excess), variance), np.full(len(excess), deviation))
        assert np.all(found[wins <= number] >= exact[wins <= number] - 1e-12)
        searched = log_tail(excess, variance, deviation)
        assert np.all(found <= searched + 1e-9)
        assert np.all(searched - found < signaling_limits._LOG_TAIL_SLACK)


def test_limits_of_coins_are_those_of_the_search():
    for mean in (0.0, 1e-6, 0.3, 1.0):
        limit = signaling_limits._chernoff_limit(mean, 0.02)
        assert mean <= limit <= 1
        if mean < 1:
            ones = mean * math.log(mean / limit) if mean else 0.0
            assert ones + (1 - mean) * math.log((1 - mean) / (1 - limit)) == pytest.approx(0.02, rel=1e-6)


def test_visible_signaling_of_two_parties():
    rng = np.random.default_rng(1)
    for shape in ((2, 2, 2, 2), (3, 2, 2, 3), (4, 3, 3, 2)):
        table = rng.dirichlet(np.full(shape[2] * shape[3], 0.3), size=shape[:2]).reshape(shape)
        assert signaling_limits.two_party_visible_signaling(table) == pytest.approx(visible_signaling(table))
