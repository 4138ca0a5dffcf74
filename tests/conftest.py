import contextlib
import dataclasses
import itertools
import os
import time

import pytest

# Set before JAX is first imported, so that silent broadcasting is an error in the tests.
os.environ.setdefault("JAX_NUMPY_RANK_PROMOTION", "raise")
# Set before NumPy loads its BLAS: small systems beside other busy processes are many times faster with one thread.
for _library in ("OPENBLAS", "OMP", "MKL"):
    os.environ.setdefault(f"{_library}_NUM_THREADS", "1")


def pytest_configure():
    from hypothesis import settings

    # The same examples in every run and process, no files that processes share, and no look at the clock.
    settings.register_profile("reproducible", deadline=None, database=None, derandomize=True)
    settings.load_profile("reproducible")


@pytest.fixture(scope="session", autouse=True)
def one_thread():
    """Holds BLAS to one thread also where it was loaded before this file was read."""
    from qiskit_lhv._support.threads import one_blas_thread

    with one_blas_thread():
        yield


@pytest.fixture
def refused():
    """Whether a record with other fields is refused, when it is made or by its check, which must not raise."""
    from qiskit_lhv import LHVError

    def refused(record, **changes):
        try:
            forged = dataclasses.replace(record, **changes)
        except LHVError:
            return True
        check = forged.verify()
        assert check.reason
        return not check

    return refused


@pytest.fixture(scope="session")
def counted_clock():
    """A context in which every look at the clock takes a time of its own, the seconds that it is given.

    So time limits are budgets of work: they end a search at the same step on any machine.
    """

    @contextlib.contextmanager
    def context(seconds):
        looks = itertools.count()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(time, "monotonic", lambda: next(looks) * seconds)
            yield

    return context
