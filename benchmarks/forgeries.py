"""Random forgeries of records of every class that has ``verify``: how many are accepted, and none that is not true.

The records, the forger and the judges are those of ``tests/verification/test_forgeries.py``, which tries a few of each.
"""

import argparse
import importlib.util
import sys
import time
from pathlib import Path

import numpy as np

SOURCE = Path(__file__).parent.parent / "tests" / "verification" / "test_forgeries.py"


def load_study():
    # The study shares helpers with the other tests.
    sys.path.insert(0, str(SOURCE.parent.parent))
    spec = importlib.util.spec_from_file_location("forgeries_study", SOURCE)
    study = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(study)
    return study


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--each", type=int, default=500, help="forgeries of each record")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("names", nargs="*", help="records; default: all")
    options = parser.parse_args()
    study = load_study()
    totals = np.zeros(3, dtype=int)
    false = []
    print(f"{'record':<34}{'forged':>8}{'made':>8}{'accepted':>10}{'CPU s':>8}")
    for name in options.names or study.RECORDS:
        begin = time.process_time()
        try:
            made, accepted = study.forge(name, options.each, options.seed)
        except AssertionError as exc:
            false.append(name)
            print(f"{name:<34}FALSE: {exc}")
            continue
        totals += (options.each, made, accepted)
        print(f"{name:<34}{options.each:>8}{made:>8}{accepted:>10}{time.process_time() - begin:>8.1f}", flush=True)
    print(f"{'all':<34}{totals[0]:>8}{totals[1]:>8}{totals[2]:>10}")
    print(f"accepted although not true: {', '.join(false) or 'none'}")


if __name__ == "__main__":
    main()
