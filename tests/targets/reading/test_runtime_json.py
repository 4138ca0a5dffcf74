"""Results in the JSON of IBM's Runtime, also damaged and hostile ones."""

import base64
import io
import zlib

import numpy as np
import pytest
from qiskit.primitives import BitArray
from qiskit_lhv.exceptions import CountsError
from qiskit_lhv.targets.reading.runtime_json import decode_runtime

from helpers import refusal


def packed(array, **options):
    stream = io.BytesIO()
    np.save(stream, array, **options)
    return text_of(stream.getvalue())


def text_of(content):
    return base64.standard_b64encode(zlib.compress(content)).decode()


def bits(text, num_bits=2):
    array = {"__type__": "ndarray", "__value__": text}
    return {"__type__": "BitArray", "__value__": {"array": array, "num_bits": num_bits}}


GOOD = packed(np.array([[0], [3], [3]], np.uint8))


def test_bits_are_decoded():
    assert decode_runtime(bits(GOOD)) == BitArray(np.array([[0], [3], [3]], np.uint8), 2)


def test_what_is_not_needed_is_left_out():
    data = {"pub_results": [], "metadata": {"time": {"__type__": "datetime", "__value__": "now"}}}
    assert list(decode_runtime({"__type__": "PrimitiveResult", "__value__": data})) == []


def lying_header():
    content = io.BytesIO()
    np.lib.format.write_array_header_1_0(content, {"descr": "|u1", "fortran_order": False, "shape": (10**9, 1)})
    return text_of(content.getvalue() + b"\0")


@pytest.mark.parametrize(
    "data",
    [
        bits(packed(np.array([[{}]], dtype=object), allow_pickle=True)),
        bits(packed(np.array([[0.5]]))),
        bits(lying_header()),
        bits(GOOD, num_bits="two"),
        bits(GOOD, num_bits=40),
        bits(GOOD, num_bits=1),
        bits(packed(np.array([[2, 1]], np.uint8)), num_bits=9),
        bits(GOOD[:-8]),
        bits("no base64"),
        bits(text_of(b"no array")),
        {"__type__": "DataBin", "__value__": {"shape": [], "fields": {"shape": 3}}},
        {"__type__": "DataBin", "__value__": None},
        {"__type__": "PrimitiveResult", "__value__": {"pub_results": None}},
    ],
    ids=[
        "pickle",
        "floats",
        "header",
        "text",
        "width",
        "high bit",
        "high bit of two bytes",
        "cut",
        "base64",
        "array",
        "field",
        "nothing",
        "PUBs",
    ],
)
def test_damaged_and_hostile_files_are_refused(data):
    assert "damaged JSON" in refusal(CountsError, lambda: decode_runtime(data))
