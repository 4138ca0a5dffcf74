"""Modules, rooms and public names of the package, for the tests that walk them."""

import importlib
import pkgutil

import qiskit_lhv

MODULES = [
    name for _, name, _ in pkgutil.walk_packages(qiskit_lhv.__path__, "qiskit_lhv.") if not name.endswith("__main__")
]
ROOMS = [name for name in dir(qiskit_lhv) if f"qiskit_lhv.{name}" in MODULES]
# Pairs of a room and a name.
NAMES = [(room, name) for room in ROOMS for name in importlib.import_module(f"qiskit_lhv.{room}").__all__]
