"""Names and digests by which a store knows its sweep again, in this session and in later ones."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import inspect
import pickle
from collections.abc import Callable, Mapping, Sequence, Set
from enum import Enum
from typing import Any

import numpy as np

from .._support.validation import shown
from ..exceptions import LHVError

__all__ = ["digest_of_grid", "name_of_function"]


def name_of_function(function: Callable[..., Any]) -> str:
    """The module and name of a function; of a ``functools.partial`` also a digest of what it binds."""
    if isinstance(function, functools.partial):
        bound = _digest([function.args, function.keywords])
        return f"{name_of_function(function.func)} with {bound[:16]}"
    owner = function if hasattr(function, "__qualname__") else type(function)
    return f"{owner.__module__}.{owner.__qualname__}"


def digest_of_grid(grid: Sequence[Mapping[str, Any]]) -> str:
    """A digest of all keywords of all tasks: arrays by their bytes, records and other objects by what they hold.

    Raises:
        LHVError: If a value cannot be told from others in a later session.
    """
    digest = hashlib.sha256()
    # Tasks often share large objects. The grid keeps them alive, so that their ids stay theirs.
    known: dict[int, str] = {}
    for number, task in enumerate(grid):
        for name in sorted(task):
            value = task[name]
            try:
                text = known.get(id(value)) or known.setdefault(id(value), _digest(value))
            except (TypeError, AttributeError, pickle.PicklingError, RecursionError) as exc:
                raise LHVError.bad_argument(
                    "grid",
                    expected="values that a later call can compare, where there is a store",
                    got=f"{shown(value)} for {name} of task {number}",
                    remedy="Pass what it is made from, and make it inside the function.",
                ) from exc
            digest.update(f"{number}:{name}:{text};".encode())
    return digest.hexdigest()


def _digest(value: Any) -> str:
    digest = hashlib.sha256()
    _add(digest.update, value)
    return digest.hexdigest()


def _add(update: Callable[[bytes], None], value: Any) -> None:
    kind, parts = _taken_apart(value)
    update(f"{kind}({len(parts)};".encode())
    for part in parts:
        if isinstance(part, bytes):
            update(len(part).to_bytes(8, "big") + part)
        else:
            _add(update, part)


def _taken_apart(value: Any) -> tuple[str, Sequence[Any]]:
    """What kind of thing a value is, and its parts."""
    kind = f"{type(value).__module__}.{type(value).__qualname__}"
    if isinstance(value, Enum):
        return kind, [value.name.encode()]
    if isinstance(value, np.generic):
        value = value.item()
        kind = f"builtins.{type(value).__name__}"
    if value is None or isinstance(value, bool | int | float | complex | str):
        return kind, [repr(value).encode()]
    if isinstance(value, bytes):
        return kind, [value]
    if isinstance(value, np.ndarray) and not value.dtype.hasobject:
        return kind, [f"{value.dtype}{value.shape}".encode(), np.ascontiguousarray(value).tobytes()]
    if isinstance(value, np.ndarray):
        return kind, [str(value.shape).encode(), value.ravel().tolist()]
    if isinstance(value, Mapping):
        return "mapping", [[key, value[key]] for key in sorted(value, key=repr)]
    if isinstance(value, Set):
        return "set", sorted(_digest(item).encode() for item in value)
    if isinstance(value, list | tuple):
        return "sequence", value
    if isinstance(value, functools.partial) or inspect.isroutine(value) or inspect.isclass(value):
        return "function", [name_of_function(value).encode()]
    if dataclasses.is_dataclass(value):
        return kind, [[field.name, getattr(value, field.name)] for field in dataclasses.fields(value)]
    if hasattr(value, "find_bit") and hasattr(value, "data"):
        # A circuit: its name counts the circuits of a session.
        steps = [_instruction(value, step) for step in value.data]
        return kind, [value.num_qubits, value.num_clbits, str(getattr(value, "global_phase", 0)), steps]
    if any(base.__module__.startswith("qiskit.providers") for base in type(value).__mro__) and hasattr(value, "name"):
        # A backend holds much that changes from day to day.
        return kind, [str(value.name).encode()]
    if hasattr(value, "__array__"):
        dims = [getattr(value, name)() for name in ("input_dims", "dims", "output_dims") if hasattr(value, name)]
        return kind, [np.asarray(value), dims]
    return kind, [pickle.dumps(value)]


def _instruction(circuit: Any, step: Any) -> list[Any]:
    places = [[circuit.find_bit(bit).index for bit in bits] for bits in (step.qubits, step.clbits)]
    operation = step.operation
    params = [param if isinstance(param, int | float | complex) else _param(param) for param in operation.params]
    condition = str(getattr(operation, "condition", None))
    name, definition = operation.name, None
    # Gates without parameters are of classes made for them, whose base is the one in the library.
    home = getattr(operation, "base_class", type(operation)).__module__
    if not str(home).startswith("qiskit.circuit.library"):
        # A gate of a user's own is what it is made of; its name may count those of a session.
        definition = getattr(operation, "definition", None)
        name = name if definition is None else ""
    return [name, definition, getattr(operation, "ctrl_state", None), params, condition, *places]


def _param(param: Any) -> Any:
    plain = isinstance(param, np.ndarray | np.generic | str) or hasattr(param, "find_bit")
    return param if plain else str(param)
