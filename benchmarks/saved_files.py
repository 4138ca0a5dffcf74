"""Saved files of one record of every class, for the tests of later versions to load.

``python benchmarks/saved_files.py FOLDER`` writes what this version saves, as archives and, where they are small, as
JSON, and ``contents.json``, which says what each file holds. ``tests/data`` has a folder of each version whose files
can be loaded; ``tests/_support/test_old_files.py`` loads them.
"""

import argparse
import json
from pathlib import Path

import numpy as np
from qiskit_lhv import (
    Behavior,
    BellCounts,
    BellScenario,
    BellTrials,
    analyze,
    estimate_tensor,
    find_local_model,
    werner_state,
)
from qiskit_lhv._support.records import Record
from qiskit_lhv.experiments import SettingSchedule
from qiskit_lhv.models import OddMonomials, PlanarHarmonics, SphericalHarmonics
from qiskit_lhv.optimize import GradientDescent, SettingsGrid, evaluate_model, sweep_visibility
from qiskit_lhv.polytope import find_symmetry
from qiskit_lhv.statistics import bell_values, compare_models, drift_test, no_signaling_test, shots_needed

from forgeries import load_study

# Larger ones as archives only, or not at all.
LARGEST_JSON, LARGEST_ARCHIVE = 2500, 75_000
STATE = werner_state(0.4)
SHORT = {"optimizer": GradientDescent(num_steps=10), "num_hidden": 4, "response": 1, "seed": 1, "progress": False}


def search(**options):
    return find_local_model(STATE, grid=SettingsGrid(num_settings=4, num_evaluated=20), **SHORT | options)


def trials():
    rng = np.random.default_rng(1)
    settings = rng.integers(2, size=(60, 2))
    return BellTrials(
        settings, rng.integers(2, size=(60, 2)), design="random", setting_probabilities=np.full((2, 2), 0.25)
    )


def sweep():
    return sweep_visibility(STATE, [0.2, 0.8], grid=SettingsGrid(num_evaluated=20), **SHORT)


def counts():
    return Behavior.from_state(werner_state(0.9), "chsh").sample(200, seed=1)


def states_report():
    return analyze(STATE, seed=1)


# What the forgeries' records, which all have verify, lack.
OTHERS = {
    "scenario": lambda: BellScenario((2, 1), [[2, 3], [2]]),
    "behavior": lambda: Behavior.from_state(STATE, "chsh"),
    "counts": counts,
    "counts of random settings": lambda: BellCounts(counts().array, "random", np.full((2, 2), 0.25)),
    "counts with losses": lambda: BellCounts.from_counts({(0,): {"0": 60, "1": 30, "-": 10}, (1,): {"0": 50, "1": 9}}),
    "trials": trials,
    "tensor": lambda: estimate().tensor,
    "tensor estimate": lambda: estimate(),
    "schedule": lambda: SettingSchedule.random((2, 2), 20, seed=1),
    "symmetry": lambda: find_symmetry(Behavior.from_state(STATE, "chsh")),
    "relabeling": lambda: find_symmetry(Behavior.from_state(STATE, "chsh")).generators[0],
    "search": search,
    "search in a plane": lambda: search(measurements="xz"),
    "search of a list": lambda: search(measurements=[np.eye(3), np.eye(3)]),
    "search with monomials": lambda: search(response=OddMonomials(3)),
    "search with planar harmonics": lambda: search(response=PlanarHarmonics(3), measurements="xz"),
    "search with spherical harmonics": lambda: search(response=SphericalHarmonics(3)),
    "evaluation": lambda: evaluate_model(search().model, STATE, num_settings=20, seed=1),
    "sweep": sweep,
    "Bell values": lambda: bell_values(counts(), load_study().chsh((1, 1))),
    "signaling test": lambda: no_signaling_test(counts(), seed=1),
    "drift test": lambda: drift_test([counts(), counts()], seed=1),
    "model comparison": lambda: compare_models(counts(), num_replicates=20, seed=1),
    "shot plan": lambda: shots_needed(Behavior.from_state(werner_state(0.95), "chsh"), 1e-4, num_runs=3, seed=1),
    "device of one pair": lambda: analyze({(0, 1): counts()}, seed=1),
    "question about a state": lambda: states_report().question,
}


def estimate():
    return estimate_tensor(Behavior.from_state(werner_state(0.9), "pauli").sample(50, seed=1))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--only", nargs="+", help="names of some records, such as 'counts'; default: all")
    options = parser.parse_args()
    folder = options.folder
    folder.mkdir(parents=True, exist_ok=True)
    study = load_study()
    makers = OTHERS | {name: make for name, (make, _) in study.RECORDS.items()}
    contents = {}
    seen = set()
    for name, make in makers.items():
        if options.only is not None and name not in options.only:
            continue
        record = make()
        check = record.verify(*study.ARGUMENTS.get(name, ())) if hasattr(record, "verify") else None
        stem = name.replace(" ", "_")
        record.save(folder / f"{stem}.npz")
        record.save(folder / f"{stem}.json")
        if (folder / f"{stem}.json").stat().st_size > LARGEST_JSON:
            (folder / f"{stem}.json").unlink()
        size = (folder / f"{stem}.npz").stat().st_size
        if size > LARGEST_ARCHIVE:
            (folder / f"{stem}.npz").unlink()
            print(f"{name}: {size} bytes, left out")
            continue
        contents[stem] = {"class": type(record).__name__, "status": None if check is None else check.status}
        seen |= classes_in(record)
    lines = ",\n".join(f" {json.dumps(stem)}: {json.dumps(content)}" for stem, content in contents.items())
    (folder / "contents.json").write_text(f"{{\n{lines}\n}}\n", encoding="utf-8")
    everything = {one.__name__ for one in subclasses(Record) if one.__module__.startswith("qiskit_lhv")}
    print("classes without a file:", *sorted(everything - seen))


def subclasses(cls):
    return {cls}.union(*(subclasses(one) for one in cls.__subclasses__()))


def classes_in(value):
    if isinstance(value, dict):
        return classes_in(tuple(value.values()))
    if isinstance(value, tuple | list):
        return set().union(*(classes_in(one) for one in value))
    if isinstance(value, Record):
        return {type(value).__name__} | classes_in(vars(value))
    return set()


if __name__ == "__main__":
    main()
