import numpy as np
import pytest
from qiskit_lhv import sweep
from qiskit_lhv.exceptions import CertificateError
from qiskit_lhv.sweeps import StoredValue, load_sweep

VALUES = [
    1 + 2j,
    np.complex128(-0.0 + 1j),
    [complex("nan+infj"), {"z": 1j}],
    np.array([complex(1, np.inf), complex(-0.0, np.nan), complex(-0.0, -0.0)]),
    np.array(1 + 1j),
    np.array([1 + 2j], dtype=np.complex64),
    StoredValue(3),
]


def value_of(number):
    return VALUES[number]


def test_values_come_back_bit_by_bit(tmp_path):
    grid = [{"number": number} for number in range(len(VALUES))]
    found = sweep(value_of, grid, store=tmp_path)
    for value, back in zip(VALUES, found, strict=True):
        assert repr(back) == repr(value).replace("[", "(").replace("]", ")") if isinstance(value, list) else True
        if isinstance(value, np.ndarray | complex):
            assert np.shape(back) == np.shape(value)
            assert np.asarray(back).dtype == np.asarray(value).dtype
            assert np.asarray(back).tobytes() == np.asarray(value).tobytes()
    assert isinstance(found[4], np.ndarray)
    assert found[-1] == StoredValue(3)
    assert load_sweep(tmp_path)[-1] == StoredValue(3)


def _cycle():
    made = []
    made.append(made)
    return made


@pytest.mark.parametrize(
    "make",
    [
        lambda: {1: "a", "1": "b"},
        lambda: np.ma.array([1.0, 2.0], mask=[0, 1]),
        lambda: np.longdouble(1) / 3,
        _cycle,
    ],
)
def test_values_that_a_file_would_change_are_refused(tmp_path, make):
    with pytest.raises(CertificateError, match="results that a store can hold"):
        sweep(make, [{}], store=tmp_path)
    assert not list(tmp_path.glob("task_*"))
