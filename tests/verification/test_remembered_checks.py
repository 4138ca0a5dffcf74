import numpy as np
import pytest
from qiskit_lhv._support.deadlines import Deadline, checks_within
from qiskit_lhv.polytope import werner_inequality
from qiskit_lhv.verification.branches import prove_local_bound
from qiskit_lhv.verification.projective import _quotients, _sum_of_squares
from qiskit_lhv.verification.remembered_checks import remembered


def test_the_same_content_is_checked_once():
    calls = []

    def check(value):
        def run():
            calls.append(value)
            return value

        return run

    array = np.arange(6.0)
    assert remembered(check(1), "test once", array, None, (1, 2)) == 1
    assert remembered(check(2), "test once", array.copy(), None, [1, 2]) == 1
    assert calls == [1]


@pytest.mark.parametrize(
    "other",
    [
        (np.nextafter(np.arange(6.0), 9), None, (1, 2)),
        (np.arange(6), None, (1, 2)),
        (np.arange(6.0).reshape(2, 3), None, (1, 2)),
        (np.arange(6.0), "None", (1, 2)),
        (np.arange(6.0), None, (1, 2, 2)),
        (np.arange(6.0), None, (1.0, 2)),
        (np.arange(6.0), None, (1,), 2),
        (np.arange(6.0), None, (True, 2)),
    ],
    ids=range(8),
)
def test_other_content_is_checked_anew(other):
    name = "test other"
    assert remembered(lambda: "first", name, np.arange(6.0), None, (1, 2)) == "first"
    assert remembered(lambda: "second", name, *other) == "second"
    assert remembered(lambda: "third", name + "s", np.arange(6.0), None, (1, 2)) == "third"


def test_errors_and_fleeting_results_are_not_remembered():
    def fail():
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        remembered(fail, "test errors", 1)
    assert remembered(lambda: 2, "test errors", 1, lasting=lambda _: False) == 2
    assert remembered(lambda: 3, "test errors", 1) == 3


def test_arrays_of_objects_are_refused():
    with pytest.raises(TypeError, match="objects"):
        remembered(lambda: 1, "test objects", np.array([1, 2], dtype=object))


def test_a_proof_ends_with_the_time_of_the_search_it_is_part_of(counted_clock):
    inequality = werner_inequality().inequality
    # Another claim than that of the package, so that nothing is remembered.
    coefficients, claim = inequality.expression.coefficients, int(inequality.bound.value) + 1
    with counted_clock(1.0):
        clock = Deadline(1.0)
        with checks_within(clock):
            check = prove_local_bound(coefficients, claim)
    assert check.status == "not re-proven"
    assert clock.ran_out


@pytest.mark.parametrize("bits", [3, 30, 61, 70])
def test_sums_of_squares(bits):
    rng = np.random.default_rng(bits)
    numbers = [int(x) * (1 << bits) // (1 << 40) for x in rng.integers(-(1 << 40), 1 << 40, 1000)]
    expected = sum(x * x for x in numbers)
    assert _sum_of_squares(np.array(numbers, dtype=object)) == expected
    if bits < 62:
        assert _sum_of_squares(np.array(numbers, dtype=np.int64).reshape(10, 100)) == expected


@pytest.mark.parametrize("divisor", [1, 3, 240 << 40, (1 << 61) + 1, 1 << 63])
def test_quotients(divisor):
    rng = np.random.default_rng(4)
    largest = min(divisor, (1 << 62) - 1)
    numbers = np.append(rng.integers(-largest, largest + 1, 50), [largest, -largest, 0])
    expected = [int(x) * 2**60 // divisor for x in numbers]
    assert _quotients(numbers, divisor).tolist() == expected
