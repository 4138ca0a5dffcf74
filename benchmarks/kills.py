"""Kills processes at random moments while they write checkpoints or the store of a sweep, and loads what they left."""

import argparse
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from qiskit_lhv._support.checkpoints import ArrayCheckpoint
from qiskit_lhv.sweeps import UnfinishedTask, load_sweep

WRITE = """
import sys
import numpy as np
from qiskit_lhv._support.checkpoints import ArrayCheckpoint
file = ArrayCheckpoint(sys.argv[1], "run")
saved = file.load_arrays()
number = 0 if saved is None else int(saved["number"])
print("ready", flush=True)
while True:
    number += 1
    file.save_arrays({"number": np.array(number), "many": np.full(300_000, number)})
"""

SWEEP = """
import sys
from qiskit_lhv import sweep
def parts(number):
    return list(divmod(number, 7))
print("ready", flush=True)
sweep(parts, [{"number": i} for i in range(8000)], store=sys.argv[1], progress=False)
"""


def killed(code, target, seconds):
    """Runs code until some time after it says that it is ready."""
    with subprocess.Popen([sys.executable, "-c", code, str(target)], stdout=subprocess.PIPE, text=True) as process:
        process.stdout.readline()
        time.sleep(seconds)
        process.send_signal(signal.SIGKILL)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=50)
    options = parser.parse_args()
    rng = random.Random(1)
    with tempfile.TemporaryDirectory() as name:
        path, last, torn = Path(name) / "run.npz", 0, 0
        for _ in range(options.kills):
            killed(WRITE, path, rng.uniform(0.0, 0.2))
            torn += len(list(Path(name).glob("*.part")))
            for rest in Path(name).glob("*.part"):
                rest.unlink()
            if not path.exists():
                continue
            arrays = ArrayCheckpoint(path, "run").load_arrays()
            number = int(arrays["number"])
            assert number >= last, "an older state"
            assert np.all(arrays["many"] == number), "a mixture of states"
            last = number
        print(
            f"{options.kills} kills, {torn} of them while a file was written: the last good one of {last} loads always"
        )
    with tempfile.TemporaryDirectory() as name:
        done = 0
        for _ in range(options.kills):
            killed(SWEEP, name, rng.uniform(0.3, 0.8))
            if not (Path(name) / "sweep.json").exists():
                continue
            values = load_sweep(name)
            finished = [i for i, value in enumerate(values) if not isinstance(value, UnfinishedTask)]
            assert len(finished) >= done, "a task was lost"
            assert all(values[i] == divmod(i, 7) for i in finished), "a wrong value"
            done = len(finished)
        print(f"{options.kills} kills of a sweep: {done} tasks finished, none lost, every value right")


if __name__ == "__main__":
    main()
