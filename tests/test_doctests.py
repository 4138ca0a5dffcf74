import doctest
import importlib
import pkgutil

import pytest
import qiskit_lhv

MODULES = [
    name for _, name, _ in pkgutil.walk_packages(qiskit_lhv.__path__, "qiskit_lhv.") if not name.endswith("__main__")
]


SLOW = ("qiskit_lhv.projective.certificates.extensions",)


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow) if name in SLOW else name for name in MODULES]
)
def test_examples_of_module(name):
    assert doctest.testmod(importlib.import_module(name)).failed == 0


def test_there_are_examples():
    finder = doctest.DocTestFinder(exclude_empty=True)
    found = [test for name in MODULES for test in finder.find(importlib.import_module(name)) if test.examples]
    assert len(found) >= 8
