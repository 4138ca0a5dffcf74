import functools
import threading
from collections.abc import Mapping

import numpy as np
import optax
import pytest
from qiskit.quantum_info import SparsePauliOp
from qiskit_lhv import LHVError, sweep
from qiskit_lhv.exceptions import CertificateError
from qiskit_lhv.optimize import GradientDescent
from qiskit_lhv.sweeps.identities import digest_of_grid, name_of_function


class Scaled:
    def __init__(self, factor):
        self.factor = factor

    def of(self, x):
        return self.factor * x

    def __call__(self, x):
        return self.factor * x


def closure(factor):
    def scaled(x):
        return factor * x

    return scaled


def with_default(factor):
    def scaled(x, factor=factor):
        return factor * x

    return scaled


def with_keyword(factor):
    def scaled(x, *, factor=factor):
        return factor * x

    return scaled


def recursive(factor):
    def scaled(x):
        return factor if x == 0 else scaled(x - 1)

    return scaled


MAKERS = [
    lambda factor: Scaled(factor).of,
    Scaled,
    closure,
    with_default,
    with_keyword,
    recursive,
    lambda factor: functools.partial(Scaled(factor).of, x=1),
    lambda factor: functools.lru_cache(closure(factor)),
    lambda factor: np.random.default_rng(factor).normal,
]


@pytest.mark.parametrize("maker", MAKERS)
def test_functions_of_one_name_are_told_apart_by_what_they_bring_along(maker):
    assert name_of_function(maker(1)) == name_of_function(maker(1))
    assert name_of_function(maker(1)) != name_of_function(maker(2))
    assert digest_of_grid([{"f": maker(1)}]) != digest_of_grid([{"f": maker(2)}])


def test_functions_without_a_name_are_told_apart_by_their_code(tmp_path):
    grid = [{"x": 3}]
    assert sweep(lambda x: x, grid, store=tmp_path) == [3]
    with pytest.raises(CertificateError, match="differs in the function"):
        sweep(lambda x: x * x, grid, store=tmp_path)
    assert name_of_function(lambda x: x + 1) != name_of_function(lambda x: x + 2)
    assert name_of_function(lambda: lambda: 1) != name_of_function(lambda: lambda: 2)


def test_update_rules_of_optax_are_told_apart():
    rules = [optax.sgd(0.1), optax.sgd(0.2), optax.adam(0.1)]
    digests = {digest_of_grid([{"optimizer": GradientDescent(update_rule=rule)}]) for rule in rules}
    assert len(digests) == 3


def test_objects_that_cannot_be_compared_are_refused(tmp_path):
    with pytest.raises(LHVError, match="function: expected a function whose object"):
        sweep(Scaled(threading.Lock()).of, [{"x": 1}], store=tmp_path)
    # What is around a function may be a connection, say.
    assert name_of_function(closure(threading.Lock())) == name_of_function(closure(threading.Lock()))


def test_values_that_are_made_when_they_are_asked_for_are_told_apart():
    class Made(Mapping):
        def __init__(self, x):
            self.x = x

        def __getitem__(self, name):
            return np.full(10, self.x)

        def __iter__(self):
            return iter("x")

        def __len__(self):
            return 1

    digests = {digest_of_grid([Made(1), Made(1 + k)]) for k in range(5)}
    assert len(digests) == 5


def test_masks_count_and_operators_of_many_qubits_need_no_matrix():
    masked = [np.ma.array([1.0, 2.0], mask=mask) for mask in ([0, 1], [1, 0], [0, 0])]
    operators = [SparsePauliOp([word], [2]) for word in ("XY" * 40, "YX" * 40)]
    values = [*masked, np.array([1.0, 2.0]), *operators]
    assert len({digest_of_grid([{"x": value}]) for value in values}) == len(values)
