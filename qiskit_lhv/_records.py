"""Frozen results that can be compared, saved and loaded.

A file is JSON (any other suffix than ``.npz``) or a NumPy archive (``.npz``) that holds the class
name, a schema version and the fields. Loading calls the class's own constructor, so a damaged or
edited file meets the same validation as any other input. Nothing is ever pickled.
"""

from __future__ import annotations

import dataclasses
import html
import json
import math
import os
from enum import Enum
from pathlib import Path
from typing import IO, Any, ClassVar, Self

import numpy as np

from ._files import parse_json, write_whole
from .exceptions import CertificateError

__all__ = ["SCHEMA_VERSION", "Record", "encode"]

SCHEMA_VERSION = 1
_HEADER = "__record__"


class Record:
    """Base of the frozen dataclasses of the public surface: equality, ``save`` and ``load``."""

    _classes: ClassVar[dict[str, type[Record]]] = {}

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        Record._classes[cls.__name__] = cls

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return all(
            _same(getattr(self, field.name), getattr(other, field.name))
            for field in dataclasses.fields(self)  # type: ignore[arg-type]
        )

    __hash__ = None  # type: ignore[assignment]  # arrays inside

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self})"

    def _repr_html_(self) -> str:
        return f"<pre>{html.escape(str(self))}</pre>"

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes the object to ``path``: a NumPy archive if the suffix is ``.npz``, else JSON.

        The file appears whole or not at all: it is written beside its place and then moved there.

        Args:
            path: Where to write.

        Raises:
            CertificateError: If there is a function in it, which no file can hold.
        """
        path = Path(path)
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
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Reads an object that :meth:`save` wrote.

        Args:
            path: The file.

        Returns:
            The object, of this class.

        Raises:
            CertificateError: If the file is damaged, of another schema version, or holds another class.
        """
        path = Path(path)
        arrays: dict[str, np.ndarray] = {}
        try:
            if path.suffix == ".npz":
                with path.open("rb") as stream, np.load(stream, allow_pickle=False) as archive:
                    arrays = {name: archive[name] for name in archive.files}
                data = parse_json(str(arrays.pop(_HEADER)))
            else:
                data = parse_json(path.read_text(encoding="utf-8"))
            result = _decode(data, arrays)
        except FileNotFoundError:
            raise
        except CertificateError:
            raise
        except Exception as exc:  # a damaged file can fail anywhere in the readers or in a constructor
            raise CertificateError.bad_argument(
                "path", expected=f"a file saved by {cls.__name__}.save", got=f"{path.name} ({exc})"
            ) from exc
        if not isinstance(result, cls):
            raise CertificateError.bad_argument(
                "path",
                expected=f"a saved {cls.__name__}",
                got=f"a saved {type(result).__name__} in {path.name}",
                remedy=f"Load it with {type(result).__name__}.load.",
            )
        return result


def _same(a: Any, b: Any) -> bool:
    if isinstance(a, np.ndarray) or isinstance(b, np.ndarray):
        return bool(np.shape(a) == np.shape(b) and np.array_equal(a, b))
    if isinstance(a, tuple) and isinstance(b, tuple):
        return len(a) == len(b) and all(_same(x, y) for x, y in zip(a, b, strict=True))
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(_same(a[key], b[key]) for key in a)
    return bool(a == b)


def encode(value: Any, arrays: dict[str, np.ndarray] | None = None) -> Any:
    """Turns a record into what JSON can hold.

    Args:
        value: A record, or anything that may stand in a field of one.
        arrays: Where to put arrays, by name, instead of writing them out; ``None``: write them out.

    Raises:
        TypeError: If there is something in it that cannot be saved.
    """
    if isinstance(value, Record):
        fields = {f.name: encode(getattr(value, f.name), arrays) for f in dataclasses.fields(value)}  # type: ignore[arg-type]
        return {"class": type(value).__name__, "schema_version": SCHEMA_VERSION, "fields": fields}
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, np.ndarray):
        if np.iscomplexobj(value):
            return {"complex": [encode(value.real, arrays), encode(value.imag, arrays)]}
        if arrays is not None:
            name = f"array_{len(arrays)}"
            arrays[name] = value
            return {"array": name}
        return {"dtype": value.dtype.name, "shape": list(value.shape), "data": value.ravel().tolist()}
    if isinstance(value, np.generic):
        return encode(value.item(), arrays)
    if isinstance(value, float) and not math.isfinite(value):
        return {"float": repr(value)}
    if isinstance(value, dict):
        return {"mapping": {str(key): encode(item, arrays) for key, item in value.items()}}
    if isinstance(value, list | tuple):
        return [encode(item, arrays) for item in value]
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise TypeError(f"cannot save a {type(value).__name__}")


def _decode(value: Any, arrays: dict[str, np.ndarray]) -> Any:
    if isinstance(value, list):
        return tuple(_decode(item, arrays) for item in value)
    if not isinstance(value, dict):
        return value
    if "class" in value:
        if value["schema_version"] != SCHEMA_VERSION:
            raise CertificateError.bad_argument(
                "path",
                expected=f"schema version {SCHEMA_VERSION}",
                got=f"schema version {value['schema_version']}",
                remedy="Use the release of the package that wrote the file.",
            )
        record = _find_class(value["class"])
        return record(**{name: _decode(item, arrays) for name, item in value["fields"].items()})
    if "complex" in value:
        real, imaginary = (_decode(part, arrays) for part in value["complex"])
        return real + 1j * imaginary
    if "array" in value:
        return arrays[value["array"]]
    if "dtype" in value:
        if value["dtype"] not in {"float64", "int64", "int32", "int16", "int8", "bool"}:
            raise ValueError(f"unknown array type {value['dtype']!r}")
        return np.array(value["data"], dtype=value["dtype"]).reshape(value["shape"])
    if "float" in value:
        return float(value["float"])
    return {key: _decode(item, arrays) for key, item in value["mapping"].items()}


def _find_class(name: str) -> type[Record]:
    if name not in Record._classes:
        # The class's module may not be loaded yet: the package's lazy names load it.
        import qiskit_lhv

        if name in qiskit_lhv.__all__:
            getattr(qiskit_lhv, name)
    if name not in Record._classes:
        raise ValueError(f"unknown class {name!r}")
    return Record._classes[name]
