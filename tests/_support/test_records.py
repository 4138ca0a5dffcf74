import copy
import gc
import io
import json
import os
import pickle
import tracemalloc
import zipfile
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from qiskit_lhv import (
    Behavior,
    BellCounts,
    BellExpression,
    BellInequality,
    BellScenario,
    BellTrials,
    CorrelationTensor,
    LHVError,
    Verification,
    analyze,
    estimate_tensor,
    ghz_state,
    load_bundled_counts,
    measurement,
)
from qiskit_lhv._support.checkpoints import ArrayCheckpoint
from qiskit_lhv._support.records import SCHEMA_VERSION, Record
from qiskit_lhv.analysis import CriticalVisibility
from qiskit_lhv.exceptions import CertificateError
from qiskit_lhv.experiments import SettingSchedule
from qiskit_lhv.models import DeterministicModel, ResponseModel, TableResponse
from qiskit_lhv.polytope import DetectionThreshold, LocalBound, Threshold
from qiskit_lhv.projective import horodecki_settings
from qiskit_lhv.verification.evidence import Evidence

SCENARIO = BellScenario((2, 1), (2, 3))
RNG = np.random.default_rng(17)
PROBABILITIES = RNG.dirichlet(np.ones(6), size=2).reshape(SCENARIO.shape)
LOGITS = (RNG.normal(size=(3, 2, 2)), RNG.normal(size=(3, 1, 3)))


@dataclass(frozen=True, eq=False)
class Holder(Record):
    """A record that may hold anything."""

    content: Any


RECORDS = [
    Behavior(PROBABILITIES),
    BellCounts(RNG.integers(1, 10**6, size=SCENARIO.shape)),
    BellCounts(RNG.integers(1, 9, size=SCENARIO.shape), "random", [[1 / 3], [2 / 3]]),
    BellTrials(
        [[0, 0], [1, 0], [1, 0]], [[1, 2], [0, 0], [1, 1]], design="random", setting_probabilities=[[0.1], [0.9]]
    ),
    BellTrials([[0, 0], [1, 0]], [[1, 2], [0, 0]], design="blocks"),
    SCENARIO,
    CorrelationTensor(np.concatenate([[1], RNG.normal(size=35)]).reshape(4, 9)),
    DeterministicModel([0.1, 0.7, 0.2], [[0, 1, 2], [1, 1, 0], [0, 0, 1]], SCENARIO),
    ResponseModel(LOGITS, TableResponse(SCENARIO), RNG.dirichlet(np.ones(3))),
    TableResponse(SCENARIO),
    Verification(False, 'a reason with quotes " and accents: Bröcker', np.inf),
    BellExpression(RNG.normal(size=SCENARIO.shape)),
]
NAMES = [f"{type(record).__name__}{i}" for i, record in enumerate(RECORDS)]
SUFFIXES = [".json", ".npz"]


def saved(record, folder, suffix=".json"):
    path = folder / f"record{suffix}"
    record.save(path)
    return path


def edited(record, folder, edit):
    """A JSON file of ``record`` after ``edit`` changed its data."""
    path = saved(record, folder)
    data = json.loads(path.read_text(encoding="utf-8"))
    edit(data)
    path.write_text(json.dumps(data), encoding="utf-8")
    return path


# Round trips


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("record", RECORDS, ids=NAMES)
def test_records_survive_the_round_trip(record, suffix, tmp_path):
    path = saved(record, tmp_path, suffix)
    again = type(record).load(path)
    assert type(again) is type(record)
    assert again == record
    assert Record.load(path) == record


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_loaded_arrays_are_bit_for_bit_the_same_and_read_only(suffix, tmp_path):
    behavior = Behavior(PROBABILITIES)
    again = Behavior.load(saved(behavior, tmp_path, suffix))
    assert again.array.tobytes() == behavior.array.tobytes()
    assert again.array.dtype == np.float64
    assert not again.array.flags.writeable


@settings(max_examples=15, deadline=None, database=None)
@given(arrays(np.float64, (2, 1, 2, 3), elements=st.floats(-1e300, 1e300)))
def test_any_floats_survive_the_round_trip(tmp_path_factory, coefficients):
    expression = BellExpression(coefficients)
    folder = tmp_path_factory.mktemp("round_trip")
    for suffix in SUFFIXES:
        again = BellExpression.load(saved(expression, folder, suffix))
        assert again.coefficients.tobytes() == expression.coefficients.tobytes()


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_numbers_that_json_has_no_word_for_survive_the_round_trip(suffix, tmp_path):
    array = np.array([[0.5, np.inf], [-np.inf, np.nan]])
    again = Record.load(saved(Holder((array, np.inf)), tmp_path, suffix)).content
    np.testing.assert_array_equal(again[0], array)
    assert again[1] == np.inf


def arrays_in(value):
    if isinstance(value, np.ndarray):
        yield value
    elif isinstance(value, dict | list | tuple):
        for item in value.values() if isinstance(value, dict) else value:
            yield from arrays_in(item)
    elif hasattr(value, "__dict__"):
        yield from arrays_in(vars(value))


def with_cached_properties(value):
    for name in dir(type(value)):
        if isinstance(getattr(type(value), name), cached_property):
            getattr(value, name)
    return value


COPIED = [
    *RECORDS,
    Holder({"one": (np.ones(2), (np.ones(3),))}),
    measurement("XZ"),
    measurement(basis="XZ"),
    estimate_tensor(Behavior.from_state(ghz_state(2), "pauli").sample(10, 1)),
    SettingSchedule.random((2, 2), 20, seed=1),
    load_bundled_counts("delft_2015"),
]


@pytest.mark.parametrize("how", [copy.copy, copy.deepcopy, lambda one: pickle.loads(pickle.dumps(one))])
@pytest.mark.parametrize("record", COPIED, ids=lambda one: type(one).__name__)
def test_arrays_stay_read_only_in_copies(record, how):
    again = how(with_cached_properties(record))
    assert type(again) is type(record)
    assert not any(array.flags.writeable for array in arrays_in(again))
    if isinstance(record, Record):
        assert again == record


def test_arrays_of_a_report_on_counts_are_read_only():
    report = analyze(Behavior.from_state(ghz_state(2, 0.9), "chsh").sample(200, seed=1), seed=1)
    found = list(arrays_in(report))
    assert found
    assert not any(array.flags.writeable for array in found)


@pytest.mark.parametrize("path_type", [str, os.fspath, lambda path: path])
def test_paths_may_be_strings(path_type, tmp_path):
    path = path_type(tmp_path / "scenario.json")
    SCENARIO.save(path)
    assert BellScenario.load(path) == SCENARIO


@pytest.mark.parametrize("name", ["record.csv", "record.lhv", "record.json.txt", "record", "record.JSON", ".npz"])
def test_other_suffixes_are_refused(name, tmp_path):
    with pytest.raises(CertificateError, match=r"^path: expected a name that ends with \.json or \.npz"):
        SCENARIO.save(tmp_path / name)
    assert os.listdir(tmp_path) == []


@pytest.mark.skipif(os.name == "nt", reason="Windows has no umask")
@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("umask", [0o022, 0o002, 0o077])
def test_files_have_the_permissions_of_the_umask(umask, suffix, tmp_path):
    before = os.umask(umask)
    try:
        path = saved(SCENARIO, tmp_path, suffix)
    finally:
        os.umask(before)
    assert path.stat().st_mode & 0o777 == 0o666 & ~umask


def with_member(path, name, content):
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(f"{name}.npy", content)


def array_bytes(array):
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()


def peak_while_loading(path):
    tracemalloc.start()
    try:
        try:
            Behavior.load(path)
            error = None
        except CertificateError as exc:
            error = exc
        return error, tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_members_that_the_record_does_not_name_are_not_unpacked(tmp_path):
    path = saved(RECORDS[0], tmp_path, ".npz")
    with_member(path, "unused", array_bytes(np.zeros(2**25, dtype=np.int8)))
    assert path.stat().st_size < 2**17
    error, peak = peak_while_loading(path)
    assert error is None
    assert peak < 2**22


def test_members_of_checkpoints_that_their_header_does_not_name_are_not_unpacked(tmp_path):
    path = tmp_path / "run.npz"
    ArrayCheckpoint(path, "this run").save_arrays({"numbers": np.arange(3)})
    with_member(path, "unused", array_bytes(np.zeros(2**25, dtype=np.int8)))
    tracemalloc.start()
    try:
        arrays = ArrayCheckpoint(path, "this run").load_arrays()
        with pytest.raises(CertificateError, match="one of another target"):
            ArrayCheckpoint(path, "another run").load_arrays()
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert list(arrays) == ["numbers"]
    assert peak < 2**22


@pytest.mark.parametrize("claimed", [(2**34,), (2**20, 2**20, 2**20), (2**62, 2**62), (-1, 5)])
def test_headers_that_claim_more_than_there_is_are_refused_before_memory_is_taken(claimed, tmp_path):
    path = tmp_path / "record.npz"
    saved(RECORDS[0], tmp_path, ".npz")
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    stream = io.BytesIO()
    np.lib.format.write_array_header_1_0(stream, {"descr": "<f8", "fortran_order": False, "shape": claimed})
    members["array_0.npy"] = stream.getvalue() + bytes(96)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    error, peak = peak_while_loading(path)
    assert "not what its header says" in str(error)
    assert peak < 2**22


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_files_above_the_size_limit_are_refused(suffix, tmp_path):
    path = saved(Behavior(np.full((64, 64, 2, 2), 0.25)), tmp_path, suffix)
    assert Behavior.load(path, max_bytes=2**20).array.shape == (64, 64, 2, 2)
    with pytest.raises(CertificateError, match=r"^path: expected .* 65536 bytes"):
        Behavior.load(path, max_bytes=2**16)


def test_saving_replaces_what_was_there(tmp_path):
    path = saved(RECORDS[0], tmp_path)
    SCENARIO.save(path)
    assert BellScenario.load(path) == SCENARIO
    assert os.listdir(tmp_path) == ["record.json"]


def test_files_name_class_and_schema_version(tmp_path):
    data = json.loads(saved(RECORDS[0], tmp_path).read_text(encoding="utf-8"))
    assert data["class"] == "qiskit_lhv.targets.Behavior"
    assert data["schema_version"] == SCHEMA_VERSION
    assert data["fields"]["array"]["shape"] == [2, 1, 2, 3]


# Equality


def test_records_of_different_classes_differ():
    tensor = CorrelationTensor([1, 0, 0, 0])
    assert tensor != Behavior([[1, 0]])
    assert (tensor == [1, 0, 0, 0]) is False
    assert Verification(True, "x") != Verification(True, "y")
    assert Verification(True, "x", 0.5) == Verification(True, "x", 0.5)


def test_records_differ_when_one_entry_does():
    array = np.array(PROBABILITIES)
    array[0, 0, 0, 0] += 1e-12
    assert Behavior(array) != Behavior(PROBABILITIES)
    logits = (LOGITS[0], LOGITS[1] + 1e-12)
    assert ResponseModel(logits, TableResponse(SCENARIO)) != ResponseModel(LOGITS, TableResponse(SCENARIO))


# Damage


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_the_wrong_class_is_refused(suffix, tmp_path):
    path = saved(RECORDS[0], tmp_path, suffix)
    with pytest.raises(CertificateError, match=r"expected a saved BellCounts, got a saved Behavior") as caught:
        BellCounts.load(path)
    assert "Load it with Behavior.load" in str(caught.value)
    assert isinstance(caught.value, LHVError)
    assert isinstance(caught.value, ValueError)


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("part", [0.0, 0.5, 0.99])
def test_truncated_files_are_refused(suffix, part, tmp_path):
    path = saved(RECORDS[8], tmp_path, suffix)
    content = path.read_bytes()
    path.write_bytes(content[: int(part * len(content))])
    with pytest.raises(CertificateError, match=r"^path: expected a file saved by ResponseModel\.save, got record"):
        ResponseModel.load(path)
    # A file that was left open would speak up here.
    gc.collect()


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_files_of_something_else_are_refused(suffix, tmp_path):
    path = tmp_path / f"record{suffix}"
    path.write_bytes(b"\x89PNG\r\n\x1a\n" * 10)
    with pytest.raises(CertificateError, match=r"^path: expected"):
        Behavior.load(path)
    gc.collect()


def test_flipped_bytes_in_an_archive_are_refused_or_harmless(tmp_path):
    record = RECORDS[8]
    path = saved(record, tmp_path, ".npz")
    content = path.read_bytes()
    refused = 0
    for position in range(28, len(content), 23):
        damaged = bytearray(content)
        damaged[position] ^= 0x20
        path.write_bytes(damaged)
        try:
            again = ResponseModel.load(path)
        except CertificateError:
            refused += 1
        else:
            assert again == record
    assert refused > 10
    gc.collect()


def set_entry(data, value):
    data["fields"]["array"]["data"][0] = value


def test_edited_probabilities_are_refused(tmp_path):
    def make_negative(data):
        numbers = data["fields"]["array"]["data"]
        numbers[1] += numbers[0] + 0.1
        numbers[0] = -0.1

    path = edited(RECORDS[0], tmp_path, make_negative)
    with pytest.raises(CertificateError, match=r"array: expected probabilities, got -0\.1 at index \(0, 0, 0, 0\)"):
        Behavior.load(path)


@pytest.mark.parametrize(
    ("record", "edit"),
    [
        (RECORDS[0], lambda data: set_entry(data, 0.99)),
        (RECORDS[0], lambda data: set_entry(data, float("nan"))),
        (RECORDS[0], lambda data: set_entry(data, "1/2")),
        (RECORDS[0], lambda data: data["fields"]["array"]["data"].pop()),
        (RECORDS[0], lambda data: data["fields"]["array"].update(shape=[2, 2, 3])),
        (RECORDS[0], lambda data: data["fields"]["array"].update(dtype="object")),
        (RECORDS[0], lambda data: data["fields"].pop("array")),
        (RECORDS[0], lambda data: data["fields"].update(extra=1)),
        (RECORDS[0], lambda data: data.pop("schema_version")),
        (RECORDS[0], lambda data: data.update({"class": "Behavior"})),
        (RECORDS[0], lambda data: data.update({"class": "qiskit_lhv.targets.Behaviour"})),
        (RECORDS[0], lambda data: data.update({"class": "qiskit_lhv.polytope.Behavior"})),
        (RECORDS[0], lambda data: data.update({"class": "qiskit_lhv.targets.behaviors.Behavior"})),
        (RECORDS[0], lambda data: data.update({"class": "qiskit_lhv._support.Record"})),
        (RECORDS[0], lambda data: data.update({"class": "qiskit_lhv.no_room.Behavior"})),
        (RECORDS[0], lambda data: data.update({"class": "qiskit_lhv.analyze"})),
        (RECORDS[0], lambda data: data.update({"class": "qiskit_lhv.analysis.analyze"})),
        (RECORDS[0], lambda data: data.update({"class": "json.JSONDecoder"})),
        (RECORDS[0], lambda data: data.update({"class": ["Behavior"]})),
        (RECORDS[1], lambda data: set_entry(data, -1)),
        (RECORDS[1], lambda data: data["fields"].update(design="guessed")),
        (RECORDS[2], lambda data: data["fields"].update(setting_probabilities=None)),
        (RECORDS[3], lambda data: data["fields"]["outcomes"]["data"].__setitem__(0, 7)),
        (RECORDS[5], lambda data: data["fields"].update(num_outcomes=[2, 0])),
        (RECORDS[6], lambda data: set_entry(data, 2.0)),
        (RECORDS[7], lambda data: data["fields"]["weights"]["data"].__setitem__(0, 0.2)),
        (RECORDS[7], lambda data: data["fields"]["strategies"]["data"].__setitem__(0, 5)),
        (RECORDS[8], lambda data: data["fields"].update(hidden_variables=[])),
    ],
)
def test_edited_files_meet_the_validation_of_the_constructor(record, edit, tmp_path):
    path = edited(record, tmp_path, edit)
    with pytest.raises(CertificateError, match=r"^path: expected a file saved by"):
        type(record).load(path)


@pytest.mark.parametrize(
    ("record", "edit"),
    [
        (RECORDS[0], lambda data: data.update(fields=[])),
        (RECORDS[0], lambda data: data.update(fields=None)),
        (RECORDS[0], lambda data: data["fields"].update(array={"mapping": 5})),
        (RECORDS[1], lambda data: set_entry(data, 2**70)),
        (RECORDS[1], lambda data: set_entry(data, float("inf"))),
        (RECORDS[7], lambda data: data["fields"].update(scenario=None)),
        (RECORDS[7], lambda data: data["fields"].update(scenario="(2, 1)")),
        (RECORDS[8], lambda data: data["fields"].update(response=None)),
        (RECORDS[8], lambda data: data["fields"]["response"]["fields"].update(scenario=None)),
        (RECORDS[9], lambda data: data["fields"].update(scenario=None)),
    ],
    ids=[
        "fields list",
        "no fields",
        "mapping",
        "huge",
        "infinite",
        "no scenario",
        "text",
        "no response",
        "inner",
        "table",
    ],
)
def test_files_with_parts_of_other_types_are_refused(record, edit, tmp_path):
    path = edited(record, tmp_path, edit)
    with pytest.raises(CertificateError, match=r"^path: expected"):
        type(record).load(path)


@pytest.mark.parametrize("text", ["5", "[]", "{}", "null", '"Behavior"', "{", "", '{"class": "Behavior"}', "[[[["])
def test_json_that_is_no_record_is_refused(text, tmp_path):
    path = tmp_path / "record.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(CertificateError, match=r"^path: expected a (file saved by Behavior\.save|saved Behavior)"):
        Behavior.load(path)


def test_keys_that_come_twice_are_refused(tmp_path):
    path = tmp_path / "counts.json"
    BellCounts([[5, 3]]).save(path)
    text = path.read_text()
    path.write_text(text.replace('"design"', '"design": "random", "design"', 1))
    with pytest.raises(CertificateError, match="the key 'design' comes twice"):
        BellCounts.load(path)


def test_files_nested_too_deeply_are_refused(tmp_path):
    path = tmp_path / "counts.json"
    path.write_text("[" * 100_000)
    with pytest.raises(CertificateError, match="nested too deeply"):
        BellCounts.load(path)


@pytest.mark.parametrize("version", [0, SCHEMA_VERSION + 1, "1", None, True, 1.0, [1]])
def test_unknown_schema_versions_are_refused(version, tmp_path):
    path = edited(RECORDS[0], tmp_path, lambda data: data.update(schema_version=version))
    with pytest.raises(
        CertificateError, match=rf"expected schema version 1 or {SCHEMA_VERSION}, got schema version"
    ) as error:
        Behavior.load(path)
    assert "Use the release of the package that wrote the file" in str(error.value)


def test_unknown_schema_versions_inside_are_refused(tmp_path):
    path = edited(RECORDS[7], tmp_path, lambda data: data["fields"]["scenario"].update(schema_version=99))
    with pytest.raises(CertificateError, match="got schema version 99"):
        DeterministicModel.load(path)


def test_a_missing_file_is_reported_as_such(tmp_path):
    for suffix in SUFFIXES:
        with pytest.raises(FileNotFoundError):
            Behavior.load(tmp_path / f"nothing{suffix}")


# No pickle


class Trap:
    """Would create a file if it were ever unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (str(self.path), "w"))


def test_object_arrays_are_never_unpickled(tmp_path):
    trap = tmp_path / "sprung"
    path = saved(RECORDS[0], tmp_path, ".npz")
    with np.load(path) as archive:
        content = dict(archive)
    content["array_0"] = np.array([Trap(trap)], dtype=object)
    np.savez(path, allow_pickle=True, **content)
    with pytest.raises(CertificateError, match=r"^path: expected a file saved by Behavior\.save"):
        Behavior.load(path)
    assert not trap.exists()
    gc.collect()


def test_pickled_files_are_refused(tmp_path):
    path = tmp_path / "record.npz"
    np.save(tmp_path / "plain.npy", np.array([Trap(tmp_path / "sprung")], dtype=object), allow_pickle=True)
    (tmp_path / "plain.npy").rename(path)
    with pytest.raises(CertificateError, match=r"^path: expected"):
        Behavior.load(path)
    assert not (tmp_path / "sprung").exists()
    gc.collect()


def test_archives_hold_no_objects(tmp_path):
    for record in RECORDS:
        with np.load(saved(record, tmp_path, ".npz"), allow_pickle=False) as archive:
            assert all(archive[name].dtype.kind in "fiuU" for name in archive.files)


# Writing that fails


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_no_partial_file_is_left_when_the_move_fails(suffix, tmp_path, monkeypatch):
    path = saved(SCENARIO, tmp_path, suffix)
    before = path.read_bytes()

    def refuse(source, target):
        raise OSError("disk full")

    monkeypatch.setattr(os, "replace", refuse)
    with pytest.raises(OSError, match="disk full"):
        RECORDS[0].save(path)
    assert os.listdir(tmp_path) == [path.name]
    assert path.read_bytes() == before


def test_no_partial_file_is_left_when_writing_fails(tmp_path, monkeypatch):
    def refuse(*arguments, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr(np, "savez_compressed", refuse)
    with pytest.raises(KeyboardInterrupt):
        RECORDS[0].save(tmp_path / "record.npz")
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_nothing_is_written_for_what_cannot_be_saved(suffix, tmp_path):
    with pytest.raises(CertificateError, match=r"^Holder: expected .* got cannot save a object"):
        Holder(object()).save(tmp_path / f"record{suffix}")
    assert os.listdir(tmp_path) == []


def test_saving_into_a_missing_folder_fails(tmp_path):
    with pytest.raises(FileNotFoundError):
        SCENARIO.save(tmp_path / "missing" / "record.json")
    assert os.listdir(tmp_path) == []


# Types of fields


@dataclass(frozen=True, eq=False)
class Everything(Record):
    """A record with a field of every kind."""

    truth: bool = True
    whole: int = 1
    number: float = 0.5
    text: str = ""
    either: float | None = None
    many: tuple[int, ...] = ()
    pair: tuple[int, str] = (1, "a")
    table: dict[str, float] = field(default_factory=dict)
    array: NDArray[np.float64] = field(default_factory=lambda: np.zeros(2))
    counts: NDArray[np.int64] = field(default_factory=lambda: np.zeros(2, dtype=np.int64))
    choice: Literal["a", "b"] = "a"
    record: BellScenario | None = None
    records: tuple[BellScenario, ...] = ()
    unknown: "NotImported | None" = None  # as a class that only type checkers import
    anything: Any = None


class NotImported:
    """Known to the record by its name only."""


FITTING = [
    ("truth", [True, np.True_]),
    ("whole", [3, np.int64(3), np.int8(3)]),
    ("number", [3, 0.5, np.float64(3), np.float32(3), np.int64(3), float("nan")]),
    ("text", ["a", np.str_("a")]),
    ("either", [None, 1, 1.5]),
    ("many", [(), (1, 2), (np.int64(1),)]),
    ("pair", [(1, "a")]),
    ("table", [{}, {"a": 1.5}]),
    ("array", [np.ones(3), np.ones(3, dtype=np.float32), np.ones(3, dtype=int)]),
    ("counts", [np.ones(3, dtype=np.int8)]),
    ("choice", ["b"]),
    ("record", [None, SCENARIO]),
    ("records", [(), (SCENARIO,)]),
    ("unknown", [None, NotImported()]),
    ("anything", [object(), "a", 1]),
]
OTHER = [
    ("truth", ["false", "", 0, 1, None, np.array([True])]),
    ("whole", [True, 1.0, "1", None]),
    ("number", [True, np.True_, "1", None, 1j, np.ones(1), SCENARIO]),
    ("text", [1, None, b"a", SCENARIO]),
    ("either", [True, "None", SCENARIO]),
    ("many", [1, (1.5,), ("a",), (True,), "12"]),
    ("pair", [(1,), ("a", 1), (1, "a", 2)]),
    ("table", [(), {1: 1.5}, {"a": "b"}]),
    ("array", [[1.0], 1.0, None, np.array(["a"]), np.array([True]), np.ones(2, dtype=complex)]),
    ("counts", [np.ones(3), np.array([True])]),
    ("choice", ["c", 1, None]),
    ("record", [RECORDS[0], "2", (2, 2)]),
    ("records", [SCENARIO, (RECORDS[0],), (None,)]),
    ("unknown", [SCENARIO, 1]),
]


@pytest.mark.parametrize(("name", "values"), FITTING, ids=[name for name, _ in FITTING])
def test_fields_take_what_their_annotations_say(name, values):
    for value in values:
        Everything(**{name: value})


@pytest.mark.parametrize(("name", "values"), OTHER, ids=[name for name, _ in OTHER])
def test_fields_of_other_types_are_refused(name, values, tmp_path):
    for value in values:
        with pytest.raises(CertificateError, match=rf"^{name}: expected "):
            Everything(**{name: value})
    path = tmp_path / "record.json"
    Everything().save(path)
    data = json.loads(path.read_text(encoding="utf-8"))
    data["fields"][name] = {"mapping": {"1": True}}
    path.write_text(json.dumps(data), encoding="utf-8")
    with pytest.raises(CertificateError, match=rf"^path: expected a file saved by Everything\.save.*{name}: expected"):
        Everything.load(path)


def test_a_proof_of_one_thing_cannot_stand_for_another():
    chsh = BellExpression.from_correlators([[1, 1], [1, -1]], marginals=False)
    inequality = BellInequality.of(chsh)
    settings = horodecki_settings(np.array([1, 0, 0, 1]) / np.sqrt(2))
    with pytest.raises(CertificateError, match="certificate: expected"):
        CriticalVisibility(0.9, 1.0, settings, None, None)
    white = Behavior.white_noise(chsh.scenario)
    with pytest.raises(CertificateError, match="model: expected"):
        Threshold(0.5, 0.5, 0.5, True, white, white, inequality, inequality)
    with pytest.raises(CertificateError, match="model: expected"):
        DetectionThreshold(0.5, 0.5, white, (None, None), (None, None), inequality, inequality)
    with pytest.raises(CertificateError, match="exact: expected bool, got 'false'"):
        LocalBound(2.0, inequality.bound.strategy, "false")
    with pytest.raises(CertificateError, match="passed: expected bool, got 'false'"):
        Verification("false", "a text counts as true")


@dataclass(frozen=True, eq=False)
class Doubtful(Evidence):
    """A record whose check may fail in any way."""

    error: Any

    def verify(self, argument: float = 1.0) -> Verification:
        """Raises what it holds."""
        if argument < 0:
            raise LHVError.bad_argument("argument", expected="a number of at least 0", got=repr(argument))
        if self.error is not None:
            raise self.error
        return Verification(True, "fine")


@pytest.mark.parametrize(
    "error", [ValueError("x"), KeyError("x"), ZeroDivisionError(), LHVError("x"), RecursionError()]
)
def test_checks_refute_what_they_cannot_check(error):
    for check in (Doubtful(error).verify(), Doubtful(error).verify(0.5), Doubtful(error).verify(argument=-1.0)):
        assert check.refuted
        assert "could not be checked" in check.reason


def test_checks_raise_for_arguments_of_their_caller_only():
    assert Doubtful(None).verify(2.0)
    with pytest.raises(LHVError, match="argument: expected"):
        Doubtful(None).verify(-1.0)
    with pytest.raises(TypeError):
        Doubtful(None).verify("text")
    assert Doubtful(MemoryError()).verify().status == "not re-proven"
    assert Doubtful.verify.__doc__ == "Raises what it holds."
