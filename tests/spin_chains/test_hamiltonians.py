import math

import numpy as np
import pytest
from qiskit.quantum_info import (
    SparsePauliOp,
)
from qiskit_lhv.exceptions import MeasurementError
from qiskit_lhv.spin_chains import (
    nearest_neighbor_chain,
    random_chain,
    xxz_chain,
    xyz_chain,
)


def same(a, b):
    return (a - b).simplify().equiv(SparsePauliOp("I" * a.num_qubits, 0))


# Hamiltonians


def test_terms_of_a_chain():
    bond = SparsePauliOp(["XZ"], [2.0])  # Z on spin i, X on spin i + 1
    chain = nearest_neighbor_chain(3, bond, SparsePauliOp(["Y"], [0.5]), periodic=False)
    assert same(chain, SparsePauliOp(["IXZ", "XZI", "IIY", "IYI", "YII"], [2.0, 2.0, 0.5, 0.5, 0.5]))
    closed = nearest_neighbor_chain(3, bond)
    assert same(closed, SparsePauliOp(["IXZ", "XZI", "ZIX"], [2.0] * 3))


def test_two_spins_have_one_bond():
    assert len(xxz_chain(2, 0.5)) == 3


def test_xyz_with_fields():
    chain = dict(xyz_chain(2, (0.1, 0.2, 0.3), fields=(1.0, 0.0, -1.0)).to_list())
    assert chain["YY"] == pytest.approx(0.2)
    assert chain["IX"] == pytest.approx(1)
    assert chain["ZI"] == pytest.approx(-1)
    assert "IY" not in chain
    # Weak fields are kept.
    assert dict(xxz_chain(2, 1.0, field=1e-12).to_list())["IZ"] == pytest.approx(1e-12)


def test_random_chains():
    chain = random_chain(4, seed=1)
    assert random_chain(4, seed=1) == chain != random_chain(4, seed=2)
    assert np.allclose(chain.to_matrix(), chain.to_matrix().conj().T)
    assert len(chain) == 4 * 9 + 4 * 3
    same_bonds = dict(random_chain(4, same_bonds=True, seed=1).to_list())
    assert same_bonds["IIXY"] == same_bonds["IXYI"] == same_bonds["YIIX"]
    assert same_bonds["IIIX"] == same_bonds["XIII"]
    assert not any(label.count("I") == 3 for label in dict(random_chain(4, fields=False, seed=1).to_list()))
    assert "XIIY" not in dict(random_chain(4, periodic=False, seed=1).to_list())


# Bad input


def test_bad_hamiltonians():
    with pytest.raises(MeasurementError, match="num_spins"):
        xxz_chain(1, 1.0)
    with pytest.raises(MeasurementError, match="couplings"):
        xyz_chain(3, (1.0, 2.0))
    with pytest.raises(MeasurementError, match="couplings"):
        xyz_chain(3, (1.0, 2.0, 1j))
    with pytest.raises(MeasurementError, match="anisotropy"):
        xxz_chain(3, math.nan)
    with pytest.raises(MeasurementError, match="field"):
        xxz_chain(3, 1.0, field="up")
    with pytest.raises(MeasurementError, match=r"bond.*2 qubits"):
        nearest_neighbor_chain(3, SparsePauliOp("X"))
    with pytest.raises(MeasurementError, match=r"site.*Hermitian"):
        nearest_neighbor_chain(3, SparsePauliOp("XX"), SparsePauliOp("X", 1j))
