"""Checks that the fields of a record hold what their annotations say.

A record of the wrong kind in a field would make a proof of one thing pass for a proof of another, and a text such as
"false" counts as true. Annotations are resolved once per class; those that cannot be resolved, and ``Any``, are not
checked.
"""

from __future__ import annotations

import builtins
import dataclasses
import inspect
import sys
import types
from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from functools import cache
from typing import Any, Literal, TypeVar, Union, get_args, get_origin

import numpy as np

from ..exceptions import CertificateError

__all__ = ["check_fields", "wrong_truth_value"]

Check = Callable[[Any], bool]

# Tuples are checked faster than unions. Truth values are integers to Python, but not here.
_BOOL = (bool, np.bool_)
_INT = (int, np.integer)
_FLOAT = (float, int, np.floating, np.integer)
_COMPLEX = (complex, float, int, np.number)
_BEYOND_FLOATS = 2**1023
_FITTING_KINDS = {"b": "b", "i": "iu", "u": "iu", "f": "fiu", "c": "cfiu"}


def check_fields(record: Any) -> None:
    """Checks that every field of a record holds what its annotation says.

    Raises:
        CertificateError: If a field holds something else.
    """
    cls: Any = type(record)
    for name, annotation, fits in _checks(cls):
        value = getattr(record, name, None)
        if not fits(value):
            raise _error(name, annotation, value)


def wrong_truth_value(record: Any) -> CertificateError | None:
    """The error for a field that is annotated as ``bool`` but holds another type, which Python may take for one."""
    cls: Any = type(record)
    for name, annotation, fits in _truth_values(cls):
        value = getattr(record, name, None)
        if not fits(value):
            return _error(name, annotation, value)
    return None


def _error(name: str, annotation: str, value: Any) -> CertificateError:
    shown = repr(value) if isinstance(value, str | int | float | complex) else f"a {type(value).__name__}"
    return CertificateError.bad_argument(name, expected=annotation, got=shown[:80])


@cache
def _truth_values(cls: Any) -> tuple[tuple[str, str, Check], ...]:
    return tuple(check for check in _checks(cls) if check[1] in ("bool", "bool | None"))


@cache
def _checks(cls: Any) -> tuple[tuple[str, str, Check], ...]:
    """Name, annotation and check of each field that can be checked."""
    found = []
    for field in dataclasses.fields(cls):
        annotation = field.type if isinstance(field.type, str) else getattr(field.type, "__name__", str(field.type))
        owner = next(owner for owner in cls.__mro__ if field.name in inspect.get_annotations(owner))
        check = _check_of(_resolved(field.type, vars(sys.modules[owner.__module__])))
        if check is not None:
            found.append((field.name, annotation, check))
    return tuple(found)


def _resolved(annotation: Any, names: dict[str, Any]) -> Any:
    """What an annotation stands for; ``Any`` if that cannot be found out."""
    if not isinstance(annotation, str):
        return annotation
    code = compile(annotation, "<annotation>", "eval")
    # Classes that are imported for type checkers alone: values are told by the names of their classes.
    missing = {
        name: type(name, (_ByName,), {}) for name in code.co_names if name not in names and not hasattr(builtins, name)
    }
    try:
        return eval(code, dict(names), missing)  # an annotation of this package's own source
    except Exception:
        return Any


class _ByName:
    """Stands for a class that is known by its name only."""


def _check_of(hint: Any) -> Check | None:
    """A function that tells whether a value fits a type; ``None`` if every value does."""
    if hint is Any:
        return None
    if hint is None or hint is type(None):
        return lambda value: value is None
    origin, args = get_origin(hint), get_args(hint)
    if origin is Union or isinstance(hint, types.UnionType):
        parts = [_check_of(arg) for arg in args]
        if any(part is None for part in parts):
            return None
        checks = [part for part in parts if part is not None]
        if len(checks) == 2:
            first, second = checks
            return lambda value: first(value) or second(value)
        return lambda value: any(check(value) for check in checks)
    if origin is Literal:
        return lambda value: isinstance(value, tuple(type(arg) for arg in args)) and value in args
    if origin is not None:
        return _check_of_generic(origin, args)
    return _check_of_class(hint) if isinstance(hint, type) else None


def _check_of_class(hint: type) -> Check | None:
    numbers: dict[type, Check] = {
        bool: lambda value: isinstance(value, _BOOL),
        int: lambda value: isinstance(value, _INT) and not isinstance(value, bool),
        float: lambda value: (
            isinstance(value, _FLOAT)
            and not isinstance(value, bool)
            and not (isinstance(value, int) and abs(value) >= _BEYOND_FLOATS)
        ),
        complex: lambda value: isinstance(value, _COMPLEX) and not isinstance(value, bool),
    }
    if hint in numbers:
        return numbers[hint]
    if issubclass(hint, _ByName):
        return lambda value: any(kind.__name__ == hint.__name__ for kind in type(value).__mro__)
    if hint is object or getattr(hint, "_is_protocol", False):
        return None
    if issubclass(hint, Enum):
        return lambda value: isinstance(value, hint)
    if hint in (tuple, list):
        return lambda value: isinstance(value, tuple | list)
    return lambda value: isinstance(value, hint)


def _check_of_generic(origin: Any, args: tuple[Any, ...]) -> Check | None:
    if origin is np.ndarray:
        return _check_of_array(args)
    if not isinstance(origin, type):
        return None
    if issubclass(origin, tuple) and not (len(args) == 2 and args[1] is Ellipsis):
        return _check_of_fixed_tuple([_check_of(arg) for arg in args])
    if origin is not str and issubclass(origin, Sequence):
        item = _check_of(args[0])
        return lambda value: isinstance(value, tuple | list) and (item is None or all(item(entry) for entry in value))
    if issubclass(origin, Mapping):
        keys, values = (_check_of(arg) for arg in args)
        return lambda value: (
            isinstance(value, Mapping)
            and (keys is None or all(keys(key) for key in value))
            and (values is None or all(values(entry) for entry in value.values()))
        )
    # Callable and others.
    return (lambda value: callable(value)) if issubclass(origin, Callable) else None  # type: ignore[arg-type]


def _check_of_fixed_tuple(items: list[Check | None]) -> Check:
    def fits(value: Any) -> bool:
        if not isinstance(value, tuple | list) or len(value) != len(items):
            return False
        return all(item is None or item(entry) for item, entry in zip(items, value, strict=True))

    return fits


def _check_of_array(args: tuple[Any, ...]) -> Check:
    scalar = get_args(args[1])[0] if len(args) == 2 and get_args(args[1]) else Any
    if scalar is Any or isinstance(scalar, TypeVar) or not isinstance(scalar, type):
        return lambda value: isinstance(value, np.ndarray)
    try:
        kinds = _FITTING_KINDS.get(np.dtype(scalar).kind, "")
    except TypeError:  # an abstract type of numbers, such as np.integer
        abstract: dict[Any, str] = {np.integer: "iu", np.floating: "f", np.number: "fiuc"}
        kinds = abstract.get(scalar, "")
    if not kinds:
        return lambda value: isinstance(value, np.ndarray)
    return lambda value: isinstance(value, np.ndarray) and value.dtype.kind in kinds
