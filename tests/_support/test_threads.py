import subprocess
import sys

CODE = """
import os
for name in ("OPENBLAS", "OMP", "MKL"):
    os.environ[f"{name}_NUM_THREADS"] = "2"
import threading
import numpy, scipy.linalg
from threadpoolctl import threadpool_info
from qiskit_lhv._support.threads import one_blas_thread

def threads():
    return {library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"}

@one_blas_thread()
def inside():
    return threads()

before = threads()
assert inside() == {1} and threads() == before
with one_blas_thread():
    assert inside() == {1} and threads() == {1}
assert threads() == before
try:
    with one_blas_thread():
        raise ValueError
except ValueError:
    pass
assert threads() == before
# Another thread neither undoes the cap of this one, nor keeps it.
with one_blas_thread():
    thread = threading.Thread(target=inside)
    thread.start()
    thread.join()
    assert threads() == {1}
assert threads() == before
print("done")
"""

LATER = """
import os
os.environ["OPENBLAS_NUM_THREADS"] = "2"
import numpy
from threadpoolctl import threadpool_info
from qiskit_lhv._support.threads import one_blas_thread
with one_blas_thread():
    pass
import scipy.linalg
with one_blas_thread():
    assert {one["num_threads"] for one in threadpool_info() if one["user_api"] == "blas"} == {1}
print("done")
"""


def run(code):
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


def test_one_thread_inside_and_the_old_number_outside():
    assert run(CODE) == "done"


def test_libraries_that_are_loaded_later_are_found():
    assert run(LATER) == "done"
