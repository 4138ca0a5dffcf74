"""Frozen results that can be compared, saved and loaded.

A file is JSON (``.json``) or a NumPy archive (``.npz``) that holds the class's public address, a schema version and the
fields.
Loading calls the class's own constructor, so a damaged or edited file meets the same validation as any other input.
Nothing is ever pickled, and of an archive only what its record names is unpacked.
"""

from __future__ import annotations

import dataclasses
import functools
import html
import importlib
import json
import math
import os
import re
from collections.abc import Callable
from enum import Enum
from pathlib import Path
from typing import IO, Any, ClassVar, Self

import numpy as np

from ..exceptions import CertificateError, LHVError
from .files import MAX_BYTES, Archive, parse_json, read_text, write_whole
from .old_records import address_of_version_1, fields_of_version_1
from .read_only import ReadOnlyArrays
from .record_types import check_fields, wrong_truth_value
from .validation import shown

__all__ = ["SCHEMA_VERSION", "Record", "encode"]

SCHEMA_VERSION = 2
_PACKAGE = __name__.split(".")[0]
_HEADER = "__record__"
_SUFFIXES = (".json", ".npz")


class _WrongVersionError(CertificateError):
    """A file of another schema version."""


class Record(ReadOnlyArrays):
    """Base of all results, which are frozen dataclasses: equality, ``save`` and ``load``, read-only arrays."""

    _classes: ClassVar[dict[str, type[Record]]] = {}

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        Record._classes[_address(cls)] = cls
        if "__post_init__" in cls.__dict__:
            cls.__post_init__ = _with_checked_fields(cls.__dict__["__post_init__"])  # type: ignore[method-assign, assignment]

    def __post_init__(self) -> None:
        if type(self).__post_init__ is Record.__post_init__:
            check_fields(self)

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return all(
            _equal_values(getattr(self, field.name), getattr(other, field.name))
            for field in dataclasses.fields(self)  # type: ignore[arg-type]
            if field.compare
        )

    __hash__ = None  # type: ignore[assignment]  # arrays inside

    def __repr__(self) -> str:
        # A class without words of its own is shown by its fields: its text would be this again.
        text = self._text_of_fields() if type(self).__str__ is object.__str__ else str(self)
        return f"{type(self).__name__}({text})"

    def _text_of_fields(self) -> str:
        names = [field.name for field in dataclasses.fields(self)]  # type: ignore[arg-type]
        return ", ".join(f"{name}={shown(getattr(self, name))}" for name in names)

    def _repr_html_(self) -> str:
        return f"<pre>{html.escape(str(self))}</pre>"

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes the object to ``path``: a NumPy archive if the suffix is ``.npz``, JSON if it is ``.json``.

        The file appears whole or not at all: it is written beside its place and then moved there.

        Args:
            path: Where to write.

        Raises:
            CertificateError: If the suffix is neither of these, or the object holds a function, which no file can hold.
        """
        path = Path(path)
        if path.suffix not in _SUFFIXES:
            raise CertificateError.bad_argument(
                "path", expected="a name that ends with .json or .npz", got=repr(path.name)
            )
        arrays: dict[str, np.ndarray] | None = {} if path.suffix == ".npz" else None
        try:
            text = json.dumps(encode(self, arrays), indent=None if arrays is not None else 1, allow_nan=False)
        except TypeError as exc:
            raise CertificateError.bad_argument(
                type(self).__name__,
                expected="an object of numbers and texts, to be saved",
                got=str(exc),
                remedy="Keep its arrays, such as hidden_variables, with numpy.savez, and your function in your code.",
            ) from exc

        def write(stream: IO[bytes]) -> None:
            if arrays is None:
                stream.write(text.encode())
            else:
                np.savez_compressed(stream, allow_pickle=False, **{_HEADER: np.array(text)}, **arrays)

        write_whole(path, write)

    @classmethod
    def load(cls, path: str | os.PathLike[str], *, max_bytes: int = MAX_BYTES) -> Self:
        """Reads an object that :meth:`save` wrote.

        Args:
            path: The file.
            max_bytes: Largest size of the unpacked content; default: 1 GiB.

        Returns:
            The object, of this class.

        Raises:
            CertificateError: If the file is damaged, too large, of another schema version, or holds another class.
        """
        if not isinstance(path, str | os.PathLike):
            raise CertificateError.bad_argument("path", expected="the path of a file", got=type(path).__name__)
        path = Path(path)
        try:
            if path.suffix == ".npz":
                with Archive(path, max_bytes) as archive:
                    result = _decode(parse_json(str(archive[_HEADER])), archive)
            else:
                result = _decode(parse_json(read_text(path, max_bytes)), {})
        except FileNotFoundError:
            raise
        except _WrongVersionError:
            raise
        except Exception as exc:  # a damaged file can fail anywhere in the readers or in a constructor
            raise CertificateError.bad_argument(
                "path",
                expected="a file that save() wrote" if cls is Record else f"a file saved by {cls.__name__}.save",
                got=f"{path.name} ({exc})",
            ) from exc
        if not isinstance(result, cls):
            record = isinstance(result, Record)
            raise CertificateError.bad_argument(
                "path",
                expected=f"a saved {cls.__name__}",
                got=f"a saved {type(result).__name__} in {path.name}" if record else f"{path.name}, which holds none",
                remedy=f"Load it with {type(result).__name__}.load." if record else "",
            )
        return result


def _with_checked_fields(post_init: Callable[[Any], None]) -> Callable[[Any], None]:
    """A class's own ``__post_init__``, and then a check of the fields' types."""

    @functools.wraps(post_init)
    def checked(self: Any) -> None:
        # A subclass may call this as that of its base, before all fields are as they will be.
        if type(self).__post_init__ is not checked:
            post_init(self)
            return
        # The class may turn it into a truth value, unless it has a message of its own.
        error = wrong_truth_value(self)
        try:
            # Numbers out of range are told by the checks that they fail.
            with np.errstate(over="ignore", invalid="ignore"):
                post_init(self)
        except LHVError:
            raise
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as exc:
            # Most likely a field of the wrong type, which has a better message.
            check_fields(self)
            raise CertificateError.bad_argument(
                type(self).__name__, expected="fields that fit together", got=f"{type(exc).__name__}: {exc}"
            ) from exc
        if error is not None:
            raise error
        check_fields(self)

    return checked


def _equal_values(a: Any, b: Any) -> bool:
    if isinstance(a, np.ndarray) or isinstance(b, np.ndarray):
        return bool(np.shape(a) == np.shape(b) and np.array_equal(a, b))
    if isinstance(a, tuple) and isinstance(b, tuple):
        return len(a) == len(b) and all(_equal_values(x, y) for x, y in zip(a, b, strict=True))
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(_equal_values(a[key], b[key]) for key in a)
    return bool(a == b)


def encode(value: Any, arrays: dict[str, np.ndarray] | None = None) -> Any:
    """Returns a record as dictionaries, lists, numbers and texts, which JSON can hold.

    Args:
        value: A record, or anything that may stand in a field of one.
        arrays: A dictionary that takes the arrays, by name; ``None`` writes them out as lists.

    Raises:
        TypeError: If the record holds something that cannot be saved.
    """
    if isinstance(value, Record):
        fields = {f.name: encode(getattr(value, f.name), arrays) for f in dataclasses.fields(value)}  # type: ignore[arg-type]
        return {"class": _address(type(value)), "schema_version": SCHEMA_VERSION, "fields": fields}
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, np.ma.MaskedArray):
        raise TypeError("cannot save a masked array")
    if isinstance(value, np.ndarray):
        if np.iscomplexobj(value):
            return {"complex": [encode(value.real, arrays), encode(value.imag, arrays)]}
        if arrays is not None:
            name = f"array_{len(arrays)}"
            arrays[name] = value
            return {"array": name}
        numbers = value.ravel().tolist()
        if value.dtype.kind == "f" and not np.isfinite(value).all():
            # JSON has no word for these.
            numbers = [encode(number) for number in numbers]
        return {"dtype": value.dtype.name, "shape": list(value.shape), "data": numbers}
    if isinstance(value, np.generic):
        number = value.item()
        if isinstance(number, np.generic):
            raise TypeError(f"cannot save a {type(value).__name__}")
        return encode(number, arrays)
    if isinstance(value, complex):
        return {"complex": [encode(value.real), encode(value.imag)]}
    if isinstance(value, float) and not math.isfinite(value):
        return {"float": repr(value)}
    if isinstance(value, dict):
        mapping = {str(key): encode(item, arrays) for key, item in value.items()}
        if len(mapping) < len(value):
            raise TypeError("cannot save a dictionary with two keys of the same text")
        return {"mapping": mapping}
    if isinstance(value, list | tuple):
        return [encode(item, arrays) for item in value]
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise TypeError(f"cannot save a {type(value).__name__}")


def _decode(value: Any, arrays: Archive | dict[str, np.ndarray]) -> Any:
    if isinstance(value, list):
        return tuple(_decode(item, arrays) for item in value)
    if not isinstance(value, dict):
        return value
    if "class" in value:
        version = value["schema_version"]
        if type(version) is not int or version not in (1, SCHEMA_VERSION):
            raise _WrongVersionError.bad_argument(
                "path",
                expected=f"schema version 1 or {SCHEMA_VERSION}",
                got=f"schema version {shown(version)}",
                remedy="Use the release of the package that wrote the file.",
            )
        record = _find_class(value["class"], version)
        fields = value["fields"]
        if version == 1:
            fields = fields_of_version_1(value["class"], fields)
        return record(**{name: _decode(item, arrays) for name, item in fields.items()})
    if "complex" in value:
        real, imaginary = (_decode(part, arrays) for part in value["complex"])
        if not isinstance(real, np.ndarray):
            return complex(real, imaginary)
        # A sum would lose signs of zero, and parts beside infinite ones.
        whole = np.empty(real.shape, np.result_type(real, np.complex64))
        whole.real, whole.imag = real, imaginary
        return whole
    if "array" in value:
        return arrays[value["array"]]
    if "dtype" in value:
        if value["dtype"] not in {"float64", "int64", "int32", "int16", "int8", "uint8", "bool"}:
            raise ValueError(f"unknown array type {value['dtype']!r}")
        numbers = value["data"]
        if any(isinstance(number, dict) for number in numbers):
            numbers = _decode(numbers, arrays)
        return np.array(numbers, dtype=value["dtype"]).reshape(value["shape"])
    if "float" in value:
        return float(value["float"])
    return {key: _decode(item, arrays) for key, item in value["mapping"].items()}


def _address(record: type[Record]) -> str:
    """Where users find a class: its room and name, which stay when its file moves."""
    package, *modules = record.__module__.split(".")
    return ".".join([package, *modules[:1], record.__name__]) if package == _PACKAGE else record.__name__


def _find_class(address: Any, version: int) -> type[Record]:
    """The record class of an address; nothing outside the package's own rooms is imported."""
    unknown = ValueError(f"unknown class {shown(address)}")
    if not isinstance(address, str):
        raise unknown
    # A class of a user's own goes by its bare name in either version.
    if version == 1 and ("." in address or address not in Record._classes):
        address = address_of_version_1(address)
    if address not in Record._classes:
        room, _, name = address.rpartition(".")
        if not re.fullmatch(rf"{_PACKAGE}\.[a-z]\w*", room):
            raise unknown
        try:
            # The room loads the module of the class.
            getattr(importlib.import_module(room), name, None)
        except ImportError as exc:
            raise unknown from exc
    if address not in Record._classes:
        raise unknown
    return Record._classes[address]
