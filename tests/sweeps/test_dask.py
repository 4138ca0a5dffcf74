import pytest
from qiskit_lhv import sweep
from qiskit_lhv.sweeps import FailedTask


def test_a_client_takes_any_function_and_the_name_stands_for_the_client_in_use(tmp_path):
    distributed = pytest.importorskip("distributed")
    shift = 3

    def shifted(x):
        if x == 2:
            raise ValueError("not two")
        return x + shift

    grid = [{"x": x} for x in range(4)]
    with distributed.Client(processes=False, n_workers=1, threads_per_worker=1, dashboard_address=None) as client:
        results = sweep(shifted, grid, executor=client, store=tmp_path)
        assert sweep(shifted, grid, executor="dask")[:2] == [3, 4]
    assert [*results[:2], results[3]] == [3, 4, 6]
    assert isinstance(results[2], FailedTask)
    assert "not two" in results[2].traceback
