import json
import os
import signal
import subprocess
import sys

import numpy as np
import pytest
from qiskit_lhv._support.checkpoints import ArrayCheckpoint
from qiskit_lhv._support.interruptions import Interruption, ended_by_sigterm, postponed_interruptions
from qiskit_lhv.exceptions import CertificateError

ARRAYS = {"numbers": np.arange(5), "text": np.array("of the generator")}

# Writes one state after the other, and is killed in the midst of it.
WRITER = """
import sys
import numpy as np
from qiskit_lhv._support.checkpoints import ArrayCheckpoint
file = ArrayCheckpoint(sys.argv[1], "run")
number = int(file.load_arrays()["number"])
while True:
    number += 1
    file.save_arrays({"number": np.array(number), "many": np.full(50_000, number)})
    print(number, flush=True)
"""


def test_what_was_written_is_read_by_the_same_run_only(tmp_path):
    file = ArrayCheckpoint(tmp_path / "run.npz", "this")
    assert file.load_arrays() is None
    file.save_arrays(ARRAYS)
    loaded = file.load_arrays()
    assert loaded.keys() == ARRAYS.keys()
    assert all(np.array_equal(loaded[name], ARRAYS[name]) for name in ARRAYS)
    with pytest.raises(CertificateError, match="one of another target"):
        ArrayCheckpoint(tmp_path / "run.npz", "other").load_arrays()


def test_arrays_that_were_changed_are_refused_and_files_without_a_digest_load(tmp_path):
    path = tmp_path / "run.npz"
    file = ArrayCheckpoint(path, "this")
    file.save_arrays(ARRAYS)
    with np.load(path) as archive:
        content = dict(archive)
    np.savez(path, **content | {"numbers": np.arange(5)[::-1]})
    with pytest.raises(CertificateError, match="a damaged file"):
        file.load_arrays()
    former = json.dumps({"version": 2, "run": "this", "arrays": ["numbers", "text"]})
    np.savez(path, **content | {"header": np.array(former)})
    assert np.array_equal(file.load_arrays()["numbers"], np.arange(5))


def test_the_last_good_state_loads_after_kills(tmp_path):
    path = tmp_path / "run.npz"
    ArrayCheckpoint(path, "run").save_arrays({"number": np.array(0), "many": np.zeros(1)})
    for lines in (2, 5):
        with subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, text=True) as process:
            seen = [int(process.stdout.readline()) for _ in range(lines)][-1]
            process.kill()
        arrays = ArrayCheckpoint(path, "run").load_arrays()
        assert int(arrays["number"]) >= seen
        assert np.all(arrays["many"] == arrays["number"])


def test_signals_wait_until_a_run_is_ready_and_the_second_does_not():
    before = {number: signal.signal(number, signal.SIG_DFL) for number in (signal.SIGINT, signal.SIGTERM)}
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        for number, error in ((signal.SIGINT, KeyboardInterrupt), (signal.SIGTERM, SystemExit)):
            with postponed_interruptions() as interruption:
                interruption.end_if_pending()
                os.kill(os.getpid(), number)
                assert interruption.pending
                with pytest.raises(error):
                    interruption.end_if_pending()
                with pytest.raises(error):
                    os.kill(os.getpid(), number)
        with ended_by_sigterm(), pytest.raises(SystemExit):
            os.kill(os.getpid(), signal.SIGTERM)
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    assert not Interruption().pending
