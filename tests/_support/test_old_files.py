"""Files that earlier versions saved; ``benchmarks/saved_files.py``, run with that version, made each folder."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
from qiskit.quantum_info import SparsePauliOp
from qiskit_lhv._support.old_records import CLASSES_RENAMED, ROOMS_OF_VERSION_1
from qiskit_lhv._support.records import Record

FOLDER = Path(__file__).parent.parent / "data" / "version_0_1"
CONTENTS = json.loads((FOLDER / "contents.json").read_text(encoding="utf-8"))
FILES = sorted(path.name for suffix in ("json", "npz") for path in FOLDER.glob(f"*.{suffix}") if path.stem in CONTENTS)
# What the check of a ground state is told: the Hamiltonian.
ARGUMENTS = {"ground_state": (SparsePauliOp(["ZZI", "IZZ", "XII", "IXI", "IIX"], [-1, -1, -0.7, -0.7, -0.7]),)}

KEY_NUMBERS = {
    "behavior": lambda record: (record.array[0, 0, 0, 0], (1 - 0.4 / np.sqrt(2)) / 4),
    "counts": lambda record: (record.total_shots, 800),
    "trials": lambda record: (record.num_trials, 60),
    "tensor_estimate": lambda record: (record.counts.total_shots, 450),
    "Bell_values": lambda record: (record.values[0], -2.56),
    "threshold": lambda record: (record.upper, 1 / np.sqrt(2)),
    "efficiency": lambda record: (record.lower, 2 * (np.sqrt(2) - 1)),
    "weight": lambda record: (record.lower, 0.4),
    "correlators": lambda record: (record.value, 1.35),
    "settings": lambda record: (record.visibility, np.sqrt(0.5) / 0.9),
    "Werner": lambda record: (record.visibility, 0.70718232),
    "unsteerable": lambda record: (record.visibility, 5 / 6),
    "compatible": lambda record: (record.visibility, 5 / 9),
    "critical": lambda record: (record.lower, 0.6900984),
    "e-value": lambda record: (record.log_e / np.log(10), 4.765),
    "game": lambda record: (record.score, 222),
    "fit": lambda record: (record.divergence, 0.0127984),
}


def loaded(stem):
    suffix = ".npz" if (FOLDER / f"{stem}.npz").exists() else ".json"
    return Record.load(FOLDER / f"{stem}{suffix}")


def key(array):
    return np.shape(array), np.asarray(array).astype(complex).tobytes()


def numbers_in(value):
    """All floats and arrays of a record, or of the data of a file, wherever they stand."""
    if isinstance(value, float) and np.isfinite(value):
        yield value
    elif isinstance(value, np.ndarray):
        yield key(value)
    elif isinstance(value, dict):
        if "dtype" in value:
            yield key(np.array(value["data"], dtype=value["dtype"]).reshape(value["shape"]))
        elif "complex" not in value:
            for item in value.values():
                yield from numbers_in(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from numbers_in(item)
    elif dataclasses.is_dataclass(value):
        yield from numbers_in([getattr(value, field.name) for field in dataclasses.fields(value)])


def numbers_of_file(path):
    if path.suffix == ".json":
        return set(numbers_in(json.loads(path.read_text(encoding="utf-8"))))
    with np.load(path) as archive:
        header = json.loads(str(archive["__record__"]))
        arrays = {key(archive[name]) for name in archive.files if name != "__record__"}
    # A complex array is saved as two.
    halves = {key(archive_part) for archive_part in complex_parts(header, path)}
    return (arrays - halves) | set(numbers_in(header))


def complex_parts(header, path):
    if isinstance(header, dict):
        if "complex" in header:
            with np.load(path) as archive:
                yield from [archive[part["array"]] for part in header["complex"]]
        for item in header.values():
            yield from complex_parts(item, path)
    elif isinstance(header, list):
        for item in header:
            yield from complex_parts(item, path)


@pytest.mark.parametrize("name", FILES)
def test_files_of_the_version_before_load_without_a_number_lost(name):
    record = Record.load(FOLDER / name)
    assert type(record).__name__ == CONTENTS[Path(name).stem]["class"]
    assert numbers_of_file(FOLDER / name) <= set(numbers_in(record))


@pytest.mark.parametrize("stem", [name.removesuffix(".json") for name in FILES if name.endswith(".json")])
def test_archives_and_json_hold_the_same(stem):
    assert Record.load(FOLDER / f"{stem}.json") == Record.load(FOLDER / f"{stem}.npz")


@pytest.mark.parametrize("stem", [stem for stem, content in CONTENTS.items() if content["status"]])
def test_evidence_of_the_version_before_holds_as_it_did(stem):
    check = loaded(stem).verify(*ARGUMENTS.get(stem, ()))
    assert bool(check) is (CONTENTS[stem]["status"] == "proven"), check


@pytest.mark.parametrize("stem", KEY_NUMBERS)
def test_key_numbers_are_those_that_were_saved(stem):
    found, expected = KEY_NUMBERS[stem](loaded(stem))
    assert found == pytest.approx(expected, rel=1e-4)


def test_records_of_the_version_before_are_saved_as_those_of_this_one(tmp_path):
    record = loaded("report_on_a_violation")
    record.save(tmp_path / "again.json")
    assert Record.load(tmp_path / "again.json") == record


def classes_in(value):
    if isinstance(value, dict | list | tuple):
        return set().union(*(classes_in(item) for item in (value.values() if isinstance(value, dict) else value)))
    if isinstance(value, Record):
        fields = [getattr(value, field.name) for field in dataclasses.fields(value)]
        return {type(value).__name__} | classes_in(fields)
    return set()


def test_there_is_a_file_of_every_class_of_the_version_before():
    known = {CLASSES_RENAMED.get(name, name) for names in ROOMS_OF_VERSION_1.values() for name in names}
    found = set().union(*(classes_in(loaded(stem)) for stem in CONTENTS))
    assert found <= known
    # A function cannot be saved; checks and lists of directions were never kept.
    assert known - found == {"FunctionResponse", "ListedProjective", "Verification"}
