"""Names and digests by which a store knows its sweep again, in this session and in later ones."""

from __future__ import annotations

import contextlib
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

# Their matrices would be much larger than they are.
_PAULI_OPERATORS = "qiskit.quantum_info.operators.symplectic."
_NOT_TOLD_APART = (TypeError, AttributeError, ValueError, pickle.PicklingError, RecursionError)


def name_of_function(function: Callable[..., Any]) -> str:
    """The module and name of a function, with a digest of the values that it brings along.

    Those are what a ``functools.partial`` binds, the object of a method, defaults, and variables of a function around
    it. The code counts for functions without a name only: a function that was mended is the same one.

    Args:
        function: The function.

    Raises:
        LHVError: If the object of a method, or an object that is called, cannot be told from others.
    """
    try:
        return _name(function, ())
    except _NOT_TOLD_APART as exc:
        raise LHVError.bad_argument(
            "function",
            expected="a function whose object and arguments a later call can compare, where there is a store",
            got=shown(function),
            remedy="Pass what it needs as keywords of the tasks.",
        ) from exc


def _name(function: Any, within: tuple[Any, ...]) -> str:
    """The name of a function inside others, which may refer to it again."""
    owner = function if hasattr(function, "__qualname__") else type(function)
    name = f"{owner.__module__}.{owner.__qualname__}"
    if any(function is other for other in within):
        return name
    within = (*within, function)
    brought: list[Any]
    if isinstance(function, functools.partial):
        name = _name(function.func, within)
        brought = [function.args, function.keywords]
    elif inspect.isfunction(function):
        brought = [_known_by_kind(value, within) for value in _values_around(function)]
        if function.__name__ == "<lambda>":
            brought.append(_code(function.__code__))
    elif owner is not function:
        # An object that is called is told by what it holds.
        return f"{name} with {_digest(function, within)[:16]}"
    else:
        brought = [value for value in [getattr(function, "__self__", None)] if not inspect.ismodule(value)]
        brought = [value for value in [*brought, getattr(function, "__wrapped__", None)] if value is not None]
        if inspect.ismethod(function):
            brought.append(function.__func__)
    return f"{name} with {_digest(brought, within)[:16]}" if brought else name


def _values_around(function: Any) -> list[Any]:
    """Defaults of a function, and variables of the functions around it."""
    cells = []
    for cell in function.__closure__ or ():
        # Variables that have no value yet.
        with contextlib.suppress(ValueError):
            cells.append(cell.cell_contents)
    return [*(function.__defaults__ or ()), *sorted((function.__kwdefaults__ or {}).items()), *cells]


def _known_by_kind(value: Any, within: tuple[Any, ...]) -> str:
    """A digest of a value, or the kind of one that cannot be told from others, such as a connection."""
    try:
        return _digest(value, within)
    except _NOT_TOLD_APART:
        return f"{type(value).__module__}.{type(value).__qualname__}"


def _code(code: Any) -> list[Any]:
    return [
        code.co_code,
        code.co_names,
        [_code(const) if inspect.iscode(const) else const for const in code.co_consts],
    ]


def digest_of_grid(grid: Sequence[Mapping[str, Any]]) -> str:
    """A digest of all keywords of all tasks: arrays by their bytes, records and other objects by what they hold.

    Raises:
        LHVError: If a value cannot be told from others in a later session.
    """
    digest = hashlib.sha256()
    # Tasks often share large objects, which are kept alive here, so that their ids stay theirs.
    known: dict[int, tuple[str, Any]] = {}
    for number, task in enumerate(grid):
        for name in sorted(task):
            value = task[name]
            try:
                text, _ = known.get(id(value)) or known.setdefault(id(value), (_digest(value), value))
            except _NOT_TOLD_APART as exc:
                raise LHVError.bad_argument(
                    "grid",
                    expected="values that a later call can compare, where there is a store",
                    got=f"{shown(value)} for {name} of task {number}",
                    remedy="Pass what it is made from, and make it inside the function.",
                ) from exc
            digest.update(f"{number}:{name}:{text};".encode())
    return digest.hexdigest()


def _digest(value: Any, within: tuple[Any, ...] = ()) -> str:
    digest = hashlib.sha256()
    _add(digest.update, value, within)
    return digest.hexdigest()


def _add(update: Callable[[bytes], None], value: Any, within: tuple[Any, ...]) -> None:
    kind, parts = _taken_apart(value, within)
    update(f"{kind}({len(parts)};".encode())
    for part in parts:
        if isinstance(part, bytes):
            update(len(part).to_bytes(8, "big") + part)
        else:
            _add(update, part, within)


def _taken_apart(value: Any, within: tuple[Any, ...]) -> tuple[str, Sequence[Any]]:
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
    if isinstance(value, np.ma.MaskedArray):
        return kind, [np.asarray(value.filled(0)), np.ma.getmaskarray(value)]
    if isinstance(value, np.ndarray) and not value.dtype.hasobject:
        return kind, [f"{value.dtype}{value.shape}".encode(), np.ascontiguousarray(value).tobytes()]
    if isinstance(value, np.ndarray):
        return kind, [str(value.shape).encode(), value.ravel().tolist()]
    if isinstance(value, Mapping):
        return "mapping", [[key, value[key]] for key in sorted(value, key=repr)]
    if isinstance(value, Set):
        return "set", sorted(_digest(item, within).encode() for item in value)
    if isinstance(value, list | tuple):
        return "sequence", value
    if isinstance(value, functools.partial) or inspect.isroutine(value) or inspect.isclass(value):
        return "function", [_name(value, within).encode()]
    if dataclasses.is_dataclass(value):
        return kind, [[field.name, getattr(value, field.name)] for field in dataclasses.fields(value)]
    if hasattr(value, "find_bit") and hasattr(value, "data"):
        # A circuit: its name counts the circuits of a session.
        steps = [_instruction(value, step) for step in value.data]
        return kind, [value.num_qubits, value.num_clbits, str(getattr(value, "global_phase", 0)), steps]
    if any(base.__module__.startswith("qiskit.providers") for base in type(value).__mro__) and hasattr(value, "name"):
        # A backend holds much that changes from day to day.
        return kind, [str(value.name).encode()]
    if hasattr(value, "__array__") and not kind.startswith(_PAULI_OPERATORS):
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
