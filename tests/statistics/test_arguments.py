"""Every public function of the statistics refuses what is no argument of its kind, with an error that names it."""

import inspect

import numpy as np
import pytest
import qiskit_lhv
from qiskit_lhv import Behavior, BellCounts, BellTrials, LHVError, chsh, ghz_state, ratio_e_value, statistics
from qiskit_lhv.statistics import no_signaling_test
from qiskit_lhv.statistics.assumptions.same_state import same_state_test
from qiskit_lhv.statistics.signaling.swapped_bits import swapped_bits_hint
from qiskit_lhv.targets import Correlators, PhotonCounts

NONLOCAL = Behavior.from_state(ghz_state(2, 0.95), "chsh")
COUNTS = NONLOCAL.sample(40, seed=1)
TRIALS = BellTrials([[0, 1], [1, 0], [0, 0], [1, 1]] * 5, [[0, 1], [1, 0], [1, 1], [0, 0]] * 5, design="random")
PAULI = BellCounts(np.full((3, 3, 2, 2), 50))
CORRELATORS = Correlators([[0.6, 0.6], [0.6, -0.6]], 0.1)
PHOTONS = PhotonCounts(COUNTS.array + 1, 0.1)
E_VALUE = ratio_e_value(COUNTS, seed=1)
HUGE = 10**5000

NO_NUMBERS = [True, np.True_, "0.05", float("nan"), 1j, [0.05], np.array([0.05]), {}, object(), b"1", HUGE]
NO_DATA = [None, True, "data", 0.5, 1j, object(), b"x", np.ones((2, 2, 2, 2)), {(0, 0): {"00": 1}}, (), BellCounts]
NO_ARRAYS = ["x", {}, object(), ["a"], ["0.5"], [b"1"], [1j], [None], [[1], [1, 2]], b"x", [float("nan")], [HUGE]]
FLAGS = [None, 0, 1, "True", [], object()]
# What each kind of argument refuses; None is refused only where it is no default.
REFUSED = {
    "data": [*NO_DATA, [], ["x"], [None]],
    "level": [*NO_NUMBERS, None, 0.0, 1.0, -0.1, float("inf")],
    "share": [*NO_NUMBERS, None, -0.1, 1.1],
    "positive": [*NO_NUMBERS, None, -1.0, float("inf")],
    "number": [*NO_NUMBERS, None, float("inf")],
    "kappa": [*NO_NUMBERS, None, 0.5, -1, float("inf")],
    "seed": [*NO_NUMBERS[:-1], -1, 0.5],
    "whole": [*NO_NUMBERS[:-1], None, -1, 0.5],
    "whole or none": [*NO_NUMBERS[:-1], -1, 0.5],
    "seconds or none": [*NO_NUMBERS, -1.0, float("inf")],
    "flag": FLAGS,
    "numbers": [
        None,
        "x",
        {},
        object(),
        ["a"],
        ["0.5"],
        [b"1"],
        [1j],
        [None],
        [[1], [1, 2]],
        b"x",
        [float("nan")],
        [HUGE],
    ],
    "numbers or none": [
        "x",
        {},
        object(),
        ["a"],
        ["0.5"],
        [b"1"],
        [1j],
        [None],
        [[1], [1, 2]],
        b"x",
        [float("nan")],
        [HUGE],
    ],
    "null": [None, True, 1, "quantum", [], ["local"], object()],
    "family": [True, 1, "x", [1], {}, object(), [None]],
    "executor": [True, 0, -1, 1.5, "cluster", [2], object()],
    "known": [True, 1, "x", (1, 2), [NONLOCAL, NONLOCAL], (NONLOCAL,), object()],
    "p or none": [*NO_NUMBERS, 0.0, 1.0, -0.1],
    "log p": [*NO_NUMBERS, 0.0, 1.0, float("-inf")],
}
ASSUMED = {"predictability": "share", "fair_sampling": "flag"}
PUBLIC = {
    "averaged_e_values": ({"data": [COUNTS]}, {"orders": "whole or none", "null": "null", "seed": "seed"} | ASSUMED),
    "bell_values": (
        {"counts": COUNTS, "expressions": chsh()},
        {"expressions": "data", "alpha": "level", "num_replicates": "whole", "seed": "seed"},
    ),
    "benjamini_yekutieli": ({"p_values": [0.1, 0.2], "level": 0.05}, {"p_values": "numbers", "level": "level"}),
    "combine_e_values": ({"e_values": [E_VALUE], "independent": False}, {"e_values": "data", "independent": "flag"}),
    "combined_test": ({"data": COUNTS, "e_value": E_VALUE}, {"e_value": "data", "family": "family"} | ASSUMED),
    "compare_models": (
        {"counts": COUNTS},
        {"num_replicates": "whole or none", "known": "known", "time_limit": "seconds or none", "seed": "seed"},
    ),
    "correlator_test": (
        {"correlators": CORRELATORS},
        {"correlators": "data", "expression": "family"},
    ),
    "drift_test": ({"data": TRIALS}, {"num_parts": "whole", "num_replicates": "whole", "seed": "seed"}),
    "e_bh": ({"log_e_values": [1.0, 2.0], "alpha": 0.1}, {"log_e_values": "numbers", "alpha": "level"}),
    "estimate_threshold": (
        {"counts": COUNTS},
        {"alpha": "level", "num_replicates": "whole", "seed": "seed", "executor": "executor"},
    ),
    "evidence_rate": ({"target": NONLOCAL}, {"target": "data", "shares": "numbers or none", "seed": "seed"}),
    "fit_local_model": (
        {"target": COUNTS},
        {"target": "data", "weights": "numbers or none", "tolerance": "positive", "relative_tolerance": "positive"}
        | {"time_limit": "seconds or none"},
    ),
    "game_test": ({"data": COUNTS, "expression": chsh()}, {"expression": "data"} | ASSUMED),
    "local_region": (
        {"counts": COUNTS, "center": NONLOCAL},
        {"center": "data", "alpha": "level", "time_limit": "seconds or none"},
    ),
    "local_weight_interval": ({"counts": COUNTS}, {"alpha": "level"}),
    "no_signaling_test": ({"counts": COUNTS}, {"level": "level", "seed": "seed"}),
    "normal_test": (
        {"value": 2.1, "standard_error": 0.1, "expression": chsh()},
        {"value": "number", "standard_error": "positive", "expression": "data"},
    ),
    "optimal_shares": (
        {"behavior": NONLOCAL},
        {"behavior": "data", "product": "flag", "tolerance": "positive", "num_starts": "whole", "seed": "seed"},
    ),
    "photon_values": ({"photons": PHOTONS}, {"photons": "data", "expression": "family"}),
    "ratio_e_value": ({"data": COUNTS}, {"null": "null", "time_limit": "seconds or none", "seed": "seed"} | ASSUMED),
    "ratio_e_values": (
        {"data": [COUNTS]},
        {"null": "null", "time_limit": "seconds or none", "seed": "seed"} | ASSUMED,
    ),
    "settings_test": ({"data": COUNTS}, {"predictability": "share"}),
    "shots_needed": (
        {"behavior": NONLOCAL, "p_value": 1e-3},
        {
            "behavior": "data",
            "p_value": "p or none",
            "shares": "numbers or none",
            "power": "level",
            "simulate": "flag",
            "num_runs": "whole",
            "seed": "seed",
        },
    ),
    "signaling_allowance": ({"counts": COUNTS}, {"alpha": "level", "kappa": "kappa", "seed": "seed"}),
    "simulated_log10_p": (
        {"behavior": NONLOCAL, "shots": 10},
        {"behavior": "data", "shots": "numbers", "num_runs": "whole", "seed": "seed"},
    ),
}
# Parameters that exclude another one of the valid call, and are tested by themselves.
APART = {("shots_needed", "log10_p_value")}


def cases():
    for name, (valid, kinds) in PUBLIC.items():
        for parameter in inspect.signature(getattr(statistics, name)).parameters:
            if (name, parameter) in APART:
                continue
            kind = kinds.get(parameter, "data" if parameter in valid else None)
            assert kind, f"{name}: {parameter} has no kind"
            yield pytest.param(getattr(statistics, name), valid, parameter, kind, id=f"{name}-{parameter}")


def test_every_public_function_of_the_statistics_is_in_the_list():
    assert {name for name in statistics.__all__ if inspect.isfunction(getattr(statistics, name))} == set(PUBLIC)


def refused(function, arguments, parameter):
    with pytest.raises(LHVError) as caught:
        function(**arguments)
    message = str(caught.value)
    assert message.startswith(parameter), message
    assert ": expected " in message
    assert "\n" not in message
    assert len(message) < 500


@pytest.mark.parametrize(("function", "valid", "parameter", "kind"), list(cases()))
def test_garbage_is_refused_by_name(function, valid, parameter, kind):
    for garbage in REFUSED[kind]:
        # A list of nothing is an answer to nothing where several data are asked for.
        if (
            isinstance(garbage, list | tuple)
            and not garbage
            and function.__name__ in ("ratio_e_values", "averaged_e_values")
        ):
            continue
        refused(function, valid | {parameter: garbage}, parameter)


def test_logarithms_of_p_values_are_numbers_below_0():
    for garbage in REFUSED["log p"]:
        refused(qiskit_lhv.statistics.shots_needed, {"behavior": NONLOCAL, "log10_p_value": garbage}, "log10_p_value")


@pytest.mark.parametrize("options", [{"seed": "x"}, {"seed": 1.5}, {"seed": True}])
def test_seeds_are_checked_where_the_order_is_known(options):
    refused(ratio_e_value, {"data": TRIALS} | options, "seed")
    refused(qiskit_lhv.statistics.averaged_e_values, {"data": [TRIALS]} | options, "seed")


def test_trials_where_counts_are_asked_for_are_told_how_to_become_such():
    with pytest.raises(LHVError, match=r"counts: expected BellCounts, got BellTrials. Take trials.to_counts\(\)"):
        no_signaling_test(TRIALS)


@pytest.mark.parametrize("function", [swapped_bits_hint, same_state_test])
def test_tests_behind_reports_refuse_other_data(function):
    for garbage in NO_DATA:
        refused(function, {"counts": garbage}, "counts")
    for garbage in REFUSED["level"]:
        refused(same_state_test, {"counts": PAULI, "level": garbage}, "signaling_level")


def test_behaviors_of_other_scenarios_are_refused():
    other = Behavior.from_state(ghz_state(3), "mermin")
    refused(qiskit_lhv.statistics.local_region, {"counts": COUNTS, "center": other}, "center")
    refused(
        qiskit_lhv.statistics.compare_models, {"counts": COUNTS, "known": (other, other), "num_replicates": 0}, "known"
    )
