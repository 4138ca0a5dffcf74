"""Results of Samplers in the JSON of IBM's Runtime, read without its client and without unpickling anything."""

from __future__ import annotations

import base64
import binascii
import io
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
from qiskit.primitives import BitArray, DataBin, PrimitiveResult, PubResult, SamplerPubResult

from ..._support.files import MAX_BYTES, require_honest_array
from ..._support.validation import shown
from ...exceptions import CountsError

__all__ = ["decode_runtime", "is_runtime_json"]


def is_runtime_json(data: Any) -> bool:
    """Whether parsed JSON was written by IBM's ``RuntimeEncoder``."""
    return isinstance(data, dict) and "__type__" in data


def decode_runtime(data: Any) -> Any:
    """Returns the objects of Qiskit that parsed JSON of IBM's ``RuntimeEncoder`` stands for.

    Args:
        data: The parsed JSON.

    Raises:
        CountsError: If the JSON is damaged, or holds something that belongs to no result of a Sampler.
    """
    try:
        return _decoded(data)
    except CountsError:
        raise
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError, zlib.error, binascii.Error) as exc:
        raise CountsError.bad_argument(
            "result", expected="the result of a Sampler as RuntimeEncoder writes it", got=f"damaged JSON ({exc})"
        ) from exc


def _decoded(data: Any) -> Any:
    if isinstance(data, list):
        return [_decoded(item) for item in data]
    if not isinstance(data, dict):
        return data
    if "__type__" not in data:
        return {key: _decoded(value) for key, value in data.items()}
    kind, value = data["__type__"], data.get("__value__")
    if kind == "ndarray":
        return _array(value)
    made = _KINDS.get(kind)
    if made is None:
        # What metadata hold is not needed; where it is, the reader of results tells what is missing.
        return None
    return made(_decoded(value))


def _array(value: Any) -> Any:
    if not isinstance(value, str):
        return np.asarray(value)
    unpacking = zlib.decompressobj()
    content = unpacking.decompress(base64.standard_b64decode(value), MAX_BYTES)
    if unpacking.unconsumed_tail:
        raise CountsError.bad_argument("result", expected=f"arrays of at most {MAX_BYTES} bytes", got="a larger one")
    if not unpacking.eof:
        raise ValueError("an array that ends too early")
    require_honest_array(io.BytesIO(content), len(content), "an array")
    return np.load(io.BytesIO(content), allow_pickle=False)


def _bit_array(fields: dict[str, Any]) -> BitArray:
    array, num_bits = fields["array"], fields["num_bits"]
    if array.dtype != np.uint8:
        raise ValueError(f"bits as {shown(array.dtype)}")
    made = BitArray(array, num_bits)
    # The first byte holds the highest bits; Qiskit would drop those that are too many.
    if num_bits % 8 and array.size and int(array[..., 0].max()) >> num_bits % 8:
        raise ValueError(f"more than {num_bits} bits")
    return made


def _data_bin(fields: dict[str, Any]) -> DataBin:
    return DataBin(shape=tuple(fields["shape"] or ()), **fields["fields"])


def _pub_result(kind: Callable[..., Any]) -> Callable[[dict[str, Any]], Any]:
    return lambda fields: kind(fields["data"], fields.get("metadata"))


_KINDS: dict[str, Callable[[Any], Any]] = {
    "BitArray": _bit_array,
    "DataBin": _data_bin,
    "PubResult": _pub_result(PubResult),
    "SamplerPubResult": _pub_result(SamplerPubResult),
    "PrimitiveResult": lambda fields: PrimitiveResult(fields["pub_results"], fields.get("metadata")),
    "tuple": tuple,
    "set": set,
    "numpy.int64": int,
    "numpy.float64": float,
}
